"""MESS, the Morgan Emotional Speech Set: six American actors say sentences in four emotions."""

from __future__ import annotations

from emotone.corpora.record import Corpus

CORPUS = Corpus(
    name="mess",
    title="MESS (Morgan Emotional Speech Set)",
    languages=("en",),
    licence="CC BY 4.0",
    commercial=True,
    citation=(
        "Morgan SD (2019). Categorical and Dimensional Ratings of Emotional Speech: Behavioral Findings From the "
        "Morgan Emotional Speech Set. Journal of Speech, Language, and Hearing Research 62(11): 4015-4029. "
        "doi:10.1044/2019_JSLHR-S-19-0144"
    ),
    homepage="https://zenodo.org/records/7378320",
    obtain="Download the recordings from the homepage (no account needed) and unpack them.",
    example="AM3V11_SCR.wav",
    pattern=r"(?P<label>[A-Z])(?P<speaker>(?P<gender>[FM])\d)[A-Z]\d\d_SCR",
    labels={"A": "angry", "C": "calm", "H": "happy", "S": "sad"},
    codes={"gender": {"F": "female", "M": "male"}},
    n_speakers=6,
    notes=(
        "Six speakers: report leave-one-speaker-out with its interval.",
        "Calm takes the place of neutral; emotone keeps the two apart.",
        "The listeners' ratings (category, activation, pleasantness) have to be asked for.",
    ),
)
