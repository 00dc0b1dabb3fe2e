"""SUBESCO: twenty Bangla actors say ten sentences in seven emotions, five times each."""

from __future__ import annotations

from emotone.corpora.record import Archive, Corpus, Folds

LABELS = {
    "ANGRY": "angry",
    "DISGUST": "disgusted",
    "FEAR": "fearful",
    "HAPPY": "happy",
    "NEUTRAL": "neutral",
    "SAD": "sad",
    "SURPRISE": "surprised",
}

CORPUS = Corpus(
    name="subesco",
    title="SUBESCO",
    languages=("bn",),
    licence="CC BY 4.0",
    commercial=True,
    citation=(
        "Sultana S, Rahman MS, Selim MR, Iqbal MZ (2021). SUST Bangla Emotional Speech Corpus (SUBESCO): An "
        "audio-only emotional speech corpus for Bangla. PLoS ONE 16(4): e0250173. doi:10.1371/journal.pone.0250173"
    ),
    homepage="https://zenodo.org/records/4526477",
    archives=(Archive(url="https://zenodo.org/records/4526477/files/SUBESCO.zip?download=1", filename="SUBESCO.zip"),),
    example="F_02_MONIKA_S_1_NEUTRAL_5.wav",
    pattern=r"(?P<speaker>(?P<gender>[MF])_\d\d)_[A-Z]+_S_(?P<text>\d+)_(?P<label>[A-Z]+)_\d",
    labels=LABELS,
    codes={
        "gender": {"F": "female", "M": "male"},
        "text": {str(number): f"sentence {number}" for number in range(1, 11)},
    },
    misspelt={"F_02_MONIKA_S_2_SURPRISE_3]": "F_02_MONIKA_S_2_SURPRISE_3"},
    counts=dict.fromkeys(LABELS, 1000),
    n_speakers=20,
    official={
        "official": Folds(
            source="EmoBox (Ma et al. 2024, arXiv:2406.07162), five folds of four speakers",
            n_folds=5,
        )
    },
    notes=(
        "The number alone doesn't name a speaker: F_01 and M_01 are two people.",
        "All actors say the same ten sentences, so unseen speakers still say seen words.",
        "Most recordings are at 44.1 kHz, some at 48 kHz (so EmoBox); a recogniser may hear the difference.",
    ),
)
