"""URDU: 400 utterances cut from Urdu talk shows, four emotions."""

from __future__ import annotations

from emotone.corpora.record import Archive, Corpus, Folds

CORPUS = Corpus(
    name="urdu",
    title="URDU",
    languages=("ur",),
    licence="research only",
    commercial=False,
    citation=(
        "Latif S, Qayyum A, Usman M, Qadir J (2018). Cross Lingual Speech Emotion Recognition: Urdu vs. "
        "Western Languages. Frontiers of Information Technology 2018: 88-93. doi:10.1109/FIT.2018.00023"
    ),
    homepage="https://github.com/siddiquelatif/URDU-Dataset",
    archives=(
        Archive(
            url="https://github.com/siddiquelatif/URDU-Dataset/archive/refs/heads/master.zip",
            filename="URDU-Dataset-master.zip",
        ),
    ),
    example="Angry/SM5_F63_A091.wav",
    pattern=r"(?P<speaker>S(?P<gender>[MF])\d+)_F\d+_(?P<label>[A-Z])\d+",
    labels={"A": "angry", "H": "happy", "N": "neutral", "S": "sad"},
    codes={"gender": {"M": "male", "F": "female"}},
    folder=r"(?P<label>[AHNS])(?:ngry|appy|eutral|ad)",
    counts={"A": 100, "H": 100, "N": 100, "S": 100},
    n_speakers=29,
    sample_rate=44_100,
    official={
        "official": Folds(
            source="EmoBox (Ma et al. 2024, arXiv:2406.07162), one fold of rows",
            n_folds=1,
            disjoint=False,
            shared_speakers=(18, 19),
        )
    },
    notes=(
        "Speaker and emotion are confounded: nearly every speaker has a single emotion, and a table from "
        "speaker to emotion scores 96 % where speakers are shared. Scores on this corpus hardly measure "
        "emotion.",
        "The owners speak of 38 speakers; the file names tell 29 apart.",
    ),
)
