"""EmoV-DB: four English speakers read CMU Arctic sentences amused, angry, disgusted, neutral and sleepy, for
speech synthesis."""

from __future__ import annotations

from emotone.corpora.record import Corpus, Folds

CORPUS = Corpus(
    name="emov_db",
    title="EmoV-DB",
    languages=("en",),
    licence="non-commercial (own licence)",
    commercial=False,
    citation=(
        "Adigwe A, Tits N, El Haddad K, Ostadabbas S, Dutoit T (2018). The Emotional Voices Database: Towards "
        "Controlling the Emotion Dimension in Voice Generation Systems. arXiv:1806.09514"
    ),
    homepage="https://www.openslr.org/115/",
    obtain=(
        "Download the tar files from the homepage and unpack each into a folder of its own name, such as bea_Amused: "
        "the recordings' own names don't tell the speaker."
    ),
    example="bea_Amused/amused_1-15_0001.wav",
    # The number at the end is that of the sentence, the same for all speakers and emotions.
    pattern=r"(?P<speaker>bea|jenie|josh|sam)[_/](?P<label>[a-z]+)/[^/]*?(?P<text>\d{4})",
    labels={
        "Amused": "amused",
        "Angry": "angry",
        "Disgusted": "disgusted",
        "Neutral": "neutral",
        "Sleepy": "sleepy",
    },
    codes={"label": {"disgust": "Disgusted"}},
    people={
        "bea": {"gender": "female"},
        "jenie": {"gender": "female"},
        "josh": {"gender": "male"},
        "sam": {"gender": "male"},
    },
    counts={"Amused": 1315, "Angry": 1267, "Disgusted": 1019, "Neutral": 1566, "Sleepy": 1720},
    n_speakers=4,
    sample_rate=16_000,
    official={
        "official": Folds(
            source="EmoBox (Ma et al. 2024, arXiv:2406.07162), one fold of rows",
            n_folds=1,
            disjoint=False,
            shared_speakers=(4, 4),
            instead="loso",
        )
    },
    notes=(
        "Four speakers, and josh is neither angry nor disgusted: scores on unseen speakers are anecdotes.",
        "All read the same sentences, so unseen speakers still say seen words.",
        "Amused speech contains laughter, sleepy speech yawns: the classes are easier than elsewhere.",
        "The owners' page counts 7,000 recordings, the copy that EmoBox lists has 6,887; the counts here are the "
        "latter's.",
        "The licence in the owners' repository forbids commercial use; OpenSLR doesn't repeat it.",
    ),
)
