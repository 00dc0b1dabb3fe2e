"""Emotions in Polish speech: five young men say six words in three emotions, five times each."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import product
from pathlib import Path

from emotone.corpora.record import Corpus, Folds

SPEAKERS = ("m1", "m2", "m3", "m4", "m5")
LABELS = {"a": "angry", "n": "neutral", "s": "fearful"}
WORDS = {"nie": "Nie.", "oddaj": "Oddaj.", "podaj": "Podaj.", "stop": "Stop.", "tak": "Tak.", "trzymaj": "Trzymaj."}


def plan(root: Path) -> Iterator[str]:
    for speaker, label, word, take in product(SPEAKERS, LABELS, WORDS, range(1, 6)):
        yield f"{speaker}.{label}_{word}_{take}"


CORPUS = Corpus(
    name="polish",
    title="Emotions in Polish speech",
    languages=("pl",),
    licence="unverified (see homepage)",
    commercial=None,
    citation=(
        "Mięsikowska M, Świsulski D (2020). Emotions in Polish speech recordings. Gdańsk University of Technology. "
        "doi:10.34808/h46c-hb44"
    ),
    homepage="https://doi.org/10.34808/h46c-hb44",
    obtain="Download Speech_emotions.zip from the homepage and unpack it.",
    example="m3.s_trzymaj_5.wav",
    pattern=r"(?P<speaker>[mf]\d)\.(?P<label>[a-z])_(?P<text>nie|oddaj|podaj|stop|tak|trzymaj)_\d",
    labels=LABELS,
    codes={"text": WORDS},
    people={speaker: {"gender": "male"} for speaker in SPEAKERS},
    counts=dict.fromkeys(LABELS, 150),
    n_speakers=5,
    plan=plan,
    sample_rate=44_100,
    official={
        "official": Folds(
            source="EmoBox (Ma et al. 2024, arXiv:2406.07162), five folds of one speaker",
            test_speakers=tuple((f"polish/{speaker}",) for speaker in SPEAKERS),
        )
    },
    notes=(
        "Single words of less than a second, and all speakers say the same six: unseen speakers still say seen words.",
        "Five speakers, all men of 21 to 23 years: report leave-one-speaker-out with its interval.",
        "EmoBox calls the code s fear, from the Polish strach; the owners call a aggression.",
    ),
)
