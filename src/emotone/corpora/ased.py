"""ASED: 65 Amharic speakers, five emotions; recordings that at least five of eight judges accepted."""

from __future__ import annotations

from emotone.corpora.record import Corpus, Folds

CORPUS = Corpus(
    name="ased",
    title="ASED",
    languages=("am",),
    licence="none stated",
    commercial=None,
    citation=(
        "Retta EA, Almekhlafi E, Sutcliffe R, Mhamed M, Ali H, Feng J (2022). A New Amharic Speech Emotion Dataset "
        "and Classification Benchmark. ACM Transactions on Asian and Low-Resource Language Information Processing. "
        "doi:10.1145/3529759"
    ),
    homepage="https://github.com/Ethio2021/ASED_V1",
    obtain="Clone or download the repository on the homepage.",
    example="05Angry/a5-03-01-02-50.wav",
    pattern=r"(?P<label>[a-z])\d-\d\d-\d\d-(?P<gender>0\d)-(?P<speaker>\d\d)",
    labels={"n": "neutral", "f": "fearful", "h": "happy", "s": "sad", "a": "angry"},
    codes={
        "gender": {"01": "female", "02": "male"},
        "label": {"neutral": "n", "fearful": "f", "happy": "h", "sad": "s", "angry": "a"},
    },
    folder=r"\d\d(?P<label>neutral|fearful|happy|sad|angry)",
    counts={"n": 522, "f": 510, "h": 486, "s": 470, "a": 486},
    n_speakers=65,
    sample_rate=16_000,
    official={
        "official": Folds(
            source="EmoBox (Ma et al. 2024, arXiv:2406.07162), one fold of rows",
            n_folds=1,
            disjoint=False,
            shared_speakers=(63, 63),
        )
    },
    notes=(
        "Five sentences of each emotion are said in this emotion only, two are said in all: the words tell the "
        "emotion, and unseen speakers say seen words.",
        "Of 4,550 recordings only those were kept that most judges accepted: scores flatter.",
        "Women's recordings last 3.0 s, men's 3.9 s, at least of fear: they seem cut to one length.",
    ),
)
