"""emoUERJ: eight Brazilian actors say sentences of their choice, of ten, in four emotions."""

from __future__ import annotations

from emotone.corpora.record import Corpus

CORPUS = Corpus(
    name="emouerj",
    title="emoUERJ",
    languages=("pt",),
    licence="CC BY 4.0",
    commercial=True,
    citation=(
        "Bastos Germano RG, Pompeu Tcheou M, da Rocha Henriques F, Pinto Gomes Junior S (2021). emoUERJ: an emotional "
        "speech database in Portuguese. Zenodo. doi:10.5281/zenodo.5427549"
    ),
    homepage="https://zenodo.org/records/5427549",
    obtain="Download the archive from the homepage (no account needed) and unpack it.",
    example="w04a11.wav",
    pattern=r"(?P<speaker>(?P<gender>[mw])\d\d)(?P<label>[a-z])\d\d",
    labels={"a": "angry", "h": "happy", "n": "neutral", "s": "sad"},
    codes={"gender": {"m": "male", "w": "female"}},
    counts={"a": 94, "h": 91, "n": 92, "s": 100},
    n_speakers=8,
    notes=(
        "Eight speakers: report leave-one-speaker-out with its interval.",
        "The names don't tell which of the ten sentences is said, and the actors chose freely.",
    ),
)
