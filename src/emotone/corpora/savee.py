"""SAVEE: four British men say TIMIT sentences in seven emotions."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

from emotone.corpora.record import Corpus, Folds

LABELS = {
    "a": "angry",
    "d": "disgusted",
    "f": "fearful",
    "h": "happy",
    "n": "neutral",
    "sa": "sad",
    "su": "surprised",
}
SPEAKERS = ("DC", "JE", "JK", "KL")


def plan(root: Path) -> Iterator[str]:
    for speaker in SPEAKERS:
        for label in LABELS:
            for take in range(1, 31 if label == "n" else 16):
                yield f"{speaker}_{label}{take:02d}"


CORPUS = Corpus(
    name="savee",
    title="SAVEE",
    languages=("en",),
    licence="research only",
    commercial=False,
    citation=(
        "Haq S, Jackson PJB (2010). Multimodal Emotion Recognition. In: Wang W (ed.), Machine Audition: "
        "Principles, Algorithms and Systems. IGI Global: 398-423. doi:10.4018/978-1-61520-919-4.ch017"
    ),
    homepage="http://kahlan.eps.surrey.ac.uk/savee/",
    obtain="Register on the homepage; the owners then send the address of the download.",
    example="DC/a01.wav",
    # A folder per speaker, or the speaker in front of the name: both are in circulation.
    pattern=r"(?P<speaker>DC|JE|JK|KL)[/_](?P<label>[a-z]+)\d\d",
    labels=LABELS,
    people={speaker: {"gender": "male"} for speaker in SPEAKERS},
    counts={label: 120 if label == "n" else 60 for label in LABELS},
    n_speakers=4,
    plan=plan,
    sample_rate=44_100,
    official={
        "official": Folds(
            source="EmoBox (Ma et al. 2024, arXiv:2406.07162), four folds of one speaker",
            test_speakers=(("savee/JE",), ("savee/KL",), ("savee/DC",), ("savee/JK",)),
        )
    },
    notes=("Four speakers, all men: report leave-one-speaker-out with its interval.",),
)
