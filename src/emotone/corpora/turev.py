"""TurEV-DB: six Turkish speakers say single words in four emotions."""

from __future__ import annotations

from emotone.corpora.record import Archive, Corpus, Folds

CORPUS = Corpus(
    name="turev",
    title="TurEV-DB",
    languages=("tr",),
    licence="CC BY-NC-ND 4.0",
    commercial=False,
    citation=(
        "Canpolat SF, Ormanoğlu Z, Zeyrek D (2020). Turkish Emotion Voice Database (TurEV-DB). SLTU-CCURL workshop "
        "at LREC 2020: 368-375."
    ),
    homepage="https://github.com/Xeonen/TurEV-DB",
    archives=(
        Archive(
            url="https://github.com/Xeonen/TurEV-DB/archive/refs/heads/master.zip",
            filename="TurEV-DB-master.zip",
        ),
    ),
    example="Sound Source/Angry/1984_kz_eger.wav",
    pattern=r"(?P<speaker>\d{4})_(?P<label>[a-z]{2})_(?P<text>[a-z]+)",
    labels={
        "kz": "angry",  # kızgın
        "sk": "calm",  # sakin
        "mt": "happy",  # mutlu
        "hl": "sad",  # hüzünlü
    },
    codes={"label": {"angry": "kz", "calm": "sk", "happy": "mt", "sad": "hl"}},
    folder=r"(?P<label>angry|calm|happy|sad)",
    counts={"kz": 487, "sk": 408, "mt": 357, "hl": 483},
    n_speakers=6,
    official={
        "official": Folds(
            source="EmoBox (Ma et al. 2024, arXiv:2406.07162), one fold of rows",
            n_folds=1,
            disjoint=False,
            shared_speakers=(6, 6),
            instead="loso",
        )
    },
    notes=(
        "That the number in front is the speaker is read from the names: there are six, as in the paper.",
        "Single words of about a second, the same for all speakers and emotions; there is calm instead of neutral.",
        "The repository's page says CC BY-NC-ND 4.0, its LICENSE file GPL 3.0: ask the owners.",
        "The repository holds training and test sets made from the recordings too; each utterance is read once.",
    ),
)
