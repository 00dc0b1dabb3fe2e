"""TESS: two Canadian actresses, 64 and 26 years old, say "Say the word ..." with 200 words in seven
emotions."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

from emotone.corpora.record import Corpus, Folds

# The word list is Northwestern University Auditory Test No. 6 (Tillman & Carhart 1966).
_WORD_LIST = """
    back bar base bath bean beg bite boat bone book bought burn cab calm came cause chain chair chalk
    chat check cheek chief choice cool dab date dead death deep dime dip ditch dodge dog doll door fail
    fall far fat fit five food gap gas gaze germ get gin goal good goose gun half hall hash hate have
    haze hire hit hole home hurl hush jail jar join judge jug juice keen keep keg kick kill king kite
    knock late laud lean learn lease lid life limb live loaf long lore lose lot love luck make match
    merge mess met mill mob mode mood moon mop mouse nag name near neat nice note numb pad page pain
    pass pearl peg perch phone pick pike pole pool puff rag raid rain raise rat reach read red ring ripe
    road room rose rot rough rush said sail search seize sell shack shall shawl sheep shirt should shout
    size soap soup sour south sub such sure take talk tape team tell thin third thought thumb time tip
    tire ton tool tough turn vine voice void vote wag walk wash week wheat when which whip white wife
    wire witch yearn yes young youth
"""
WORDS = tuple(_WORD_LIST.split())

LABELS = {
    "angry": "angry",
    "disgust": "disgusted",
    "fear": "fearful",
    "happy": "happy",
    "neutral": "neutral",
    "ps": "surprised",  # pleasant surprise
    "sad": "sad",
}


def plan(root: Path) -> Iterator[str]:
    return (f"{speaker}_{word}_{label}" for speaker in ("OAF", "YAF") for word in WORDS for label in LABELS)


CORPUS = Corpus(
    name="tess",
    title="TESS",
    languages=("en",),
    licence="CC BY-NC-ND 4.0",
    commercial=False,
    citation=(
        "Pichora-Fuller MK, Dupuis K (2020). Toronto emotional speech set (TESS). Borealis. doi:10.5683/SP2/E8H2MF"
    ),
    homepage="https://doi.org/10.5683/SP2/E8H2MF",
    obtain="Download the recordings from the homepage (no account needed) and unpack them into one folder.",
    example="YAF_back_angry.wav",
    pattern=r"(?P<speaker>[OY]AF)_(?P<text>[a-z]+)_(?P<label>[a-z]+)",
    labels=LABELS,
    codes={"text": {word: f"Say the word {word}." for word in WORDS}, "label": {"pleasant": "ps"}},
    people={"OAF": {"gender": "female", "age": 64}, "YAF": {"gender": "female", "age": 26}},
    misspelt={"OA_bite_neutral": "OAF_bite_neutral"},
    folder=r"(?P<speaker>[OY]AF)_(?P<label>angry|disgust|fear|happy|neutral|pleasant|sad).*",
    counts=dict.fromkeys(LABELS, 400),
    n_speakers=2,
    plan=plan,
    sample_rate=24_414,
    official={
        "official": Folds(
            source="EmoBox (Ma et al. 2024, arXiv:2406.07162), one fold of rows",
            n_folds=1,
            disjoint=False,
            shared_speakers=(2, 2),
            instead="loso",
        )
    },
    notes=(
        "Two speakers: scores on unseen speakers are anecdotes, and scores on seen ones (99 to 100 %) say nothing.",
        "Only here is surprise always pleasant.",
        "One of the original files is at 96 kHz, the others at 24.414 kHz.",
    ),
)
