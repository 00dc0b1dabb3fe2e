"""CaFE: twelve actors from Québec say six sentences in seven emotions, the six that aren't neutral at two
intensities."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import product
from pathlib import Path

from emotone.corpora.record import Archive, Corpus, Folds

LABELS = {
    "C": "angry",  # colère
    "D": "disgusted",  # dégoût
    "J": "happy",  # joie
    "N": "neutral",  # neutre
    "P": "fearful",  # peur
    "S": "surprised",  # surprise
    "T": "sad",  # tristesse
}
SENTENCES = {
    "1": "Un cheval fou dans mon jardin",
    "2": "Deux ânes aigris au pelage brun",
    "3": "Trois cygnes aveugles au bord du lac",
    "4": "Quatre vieilles truies éléphantesques",
    "5": "Cinq pumas fiers et passionnés",
    "6": "Six ours aimants domestiqués",
}
AGES = (46, 64, 18, 50, 22, 34, 15, 25, 42, 20, 35, 37)
PEOPLE = {
    f"{actor:02d}": {"gender": "male" if actor % 2 else "female", "age": age} for actor, age in enumerate(AGES, 1)
}


def plan(root: Path) -> Iterator[str]:
    """Neutral has one intensity."""
    for actor, label, intensity, sentence in product(PEOPLE, LABELS, "12", SENTENCES):
        if (label, intensity) != ("N", "2"):
            yield f"{actor}-{label}-{intensity}-{sentence}"


CORPUS = Corpus(
    name="cafe",
    title="CaFE",
    languages=("fr",),
    licence="CC BY-NC-SA 4.0",
    commercial=False,
    citation=(
        "Gournay P, Lahaie O, Lefebvre R (2018). A Canadian French Emotional Speech Dataset. ACM Multimedia "
        "Systems Conference (MMSys) 2018: 399-402. doi:10.1145/3204949.3208121"
    ),
    homepage="https://zenodo.org/records/1478765",
    archives=(
        Archive(url="https://zenodo.org/records/1478765/files/CaFE_48k.zip?download=1", filename="CaFE_48k.zip"),
    ),
    example="Colère/Faible/01-C-1-1.wav",
    pattern=r"(?P<speaker>\d\d)-(?P<label>[A-Z])-(?P<intensity>\d)-(?P<text>\d)",
    labels=LABELS,
    codes={"intensity": {"1": "weak", "2": "strong"}, "text": SENTENCES},
    people=PEOPLE,
    counts={label: 72 if label == "N" else 144 for label in LABELS},
    n_speakers=12,
    plan=plan,
    sample_rate=48_000,
    official={
        "official": Folds(
            source="EmoBox (Ma et al. 2024, arXiv:2406.07162), three folds of four speakers",
            test_speakers=tuple(
                tuple(f"cafe/{actor}" for actor in fold)
                for fold in (("01", "07", "08", "10"), ("02", "04", "09", "12"), ("03", "05", "06", "11"))
            ),
        )
    },
    notes=(
        "All actors say the same six sentences, so unseen speakers still say seen words.",
        "Neutral utterances are half as many as those of the other emotions.",
        "There is a 192 kHz version of the same recordings: read one of the two.",
    ),
)
