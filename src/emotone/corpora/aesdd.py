"""AESDD: Greek actors say twenty utterances in five emotions; there is no neutral."""

from __future__ import annotations

from emotone.corpora.record import Corpus, Folds

CORPUS = Corpus(
    name="aesdd",
    title="AESDD",
    languages=("el",),
    licence="none stated",
    commercial=None,
    citation=(
        "Vryzas N, Kotsakis R, Liatsou A, Dimoulas CA, Kalliris G (2018). Speech Emotion Recognition for "
        "Performance Interaction. Journal of the Audio Engineering Society 66(6): 457-467. "
        "doi:10.17743/jaes.2018.0036"
    ),
    homepage="http://m3c.web.auth.gr/research/aesdd-speech-emotion-recognition/",
    obtain="Follow the download link on the homepage and unpack the folders anger to sadness.",
    example="anger/a03 (4).wav",
    # "(01)" is "(1)", and a letter after the bracket is a further take of the same speaker.
    pattern=r"(?P<label>[a-z])(?P<text>\d\d) \(0?(?P<speaker>\d+)\)[a-z]?",
    labels={"a": "angry", "d": "disgusted", "f": "fearful", "h": "happy", "s": "sad"},
    codes={
        "label": {"anger": "a", "disgust": "d", "fear": "f", "happiness": "h", "sadness": "s"},
        "text": {f"{number:02d}": f"utterance {number}" for number in range(1, 21)},
    },
    folder=r"(?P<label>anger|disgust|fear|happiness|sadness)",
    counts={"a": 121, "d": 122, "f": 120, "h": 119, "s": 123},
    n_speakers=6,
    sample_rate=44_100,
    official={
        "official": Folds(
            source="EmoBox (Ma et al. 2024, arXiv:2406.07162), one fold of rows",
            n_folds=1,
            disjoint=False,
        )
    },
    known_faults={"s05 (3)": "can't be decoded"},
    notes=(
        "The speaker is the number in brackets: six of them, where the paper speaks of five actors.",
        "Recordings of speaker 6 are much longer than the others'.",
        "There is no neutral: a recogniser that knows neutral is at a disadvantage.",
        "All actors say the same utterances, so unseen speakers still say seen words.",
    ),
)
