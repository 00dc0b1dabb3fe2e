"""Oréau: 32 French speakers, no actors, say everyday sentences of the classroom in seven emotions; the second version
holds the 434 that listeners recognised."""

from __future__ import annotations

from emotone.corpora.record import Corpus, Folds

WOMEN = ("10", "11", "13", "21", "24", "37", "42")
MEN = (
    *("07", "08", "09", "12", "14", "16", "18", "19", "20", "22", "23", "25", "26"),
    *("27", "28", "29", "30", "31", "32", "33", "36", "38", "39", "40", "41"),
)
PEOPLE = {
    **{speaker: {"gender": "female"} for speaker in WOMEN},
    **{speaker: {"gender": "male"} for speaker in MEN},
}

CORPUS = Corpus(
    name="oreau",
    title="Oréau",
    languages=("fr",),
    licence="CC BY 4.0",
    commercial=True,
    citation=(
        "Kerkeni L, Cleder C, Serrestou Y, Raoof K (2020). French Emotional Speech Database - Oréau. Zenodo. "
        "doi:10.5281/zenodo.4405783"
    ),
    homepage="https://zenodo.org/records/4405783",
    obtain="Download the second version, OréauFR_02, from the homepage (no account needed) and unpack it.",
    example="OréauFR_02/m/sessj/29a13Ja.wav",
    pattern=r"(?P<speaker>\d\d)[a-z]\d\d(?P<label>[A-Z])[a-z]",
    labels={
        "C": "angry",  # colère
        "D": "disgusted",  # dégoût
        "J": "happy",  # joie
        "N": "neutral",  # neutre
        "P": "fearful",  # peur
        "S": "surprised",  # surprise
        "T": "sad",  # tristesse
    },
    people=PEOPLE,
    folder=r"sess(?P<label>[cdjnpst])",
    counts={"C": 67, "D": 67, "J": 62, "N": 70, "P": 51, "S": 62, "T": 55},
    n_speakers=32,
    sample_rate=44_100,
    official={
        "official": Folds(
            source="EmoBox (Ma et al. 2024, arXiv:2406.07162), one fold of rows of the second version",
            n_folds=1,
            disjoint=False,
            shared_speakers=(29, 29),
        )
    },
    notes=(
        "Each emotion has sentences of its own: the words tell the emotion, and unseen speakers say seen words.",
        "The first version (502 utterances) holds those of the second and 68 that listeners didn't recognise; a "
        "folder with both is read as their union.",
        "25 men and seven women, with unequal numbers of utterances.",
    ),
)
