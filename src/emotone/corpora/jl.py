"""JL-Corpus: four New Zealand actors, five primary and five secondary emotions, strictly guided."""

from __future__ import annotations

from emotone.corpora.record import Corpus, Folds

SPEAKERS = ("female1", "female2", "male1", "male2")
LABELS = {
    "angry": "angry",
    "excited": "excited",
    "happy": "happy",
    "neutral": "neutral",
    "sad": "sad",
    # the secondary ones
    "anxious": "anxious",
    "apologetic": "apologetic",
    "assertive": "assertive",
    "concerned": "concerned",
    "encouraging": "encouraging",
}

CORPUS = Corpus(
    name="jl",
    title="JL-Corpus",
    languages=("en",),
    licence="CC0 1.0",
    commercial=True,
    citation=(
        "James J, Tian L, Watson CI (2018). An Open Source Emotional Speech Corpus for Human Robot Interaction "
        "Applications. Interspeech 2018: 2768-2772. doi:10.21437/Interspeech.2018-1349"
    ),
    homepage="https://www.kaggle.com/datasets/tli725/jl-corpus",
    obtain="Download jl-corpus from Kaggle (a free account is needed) and unpack it.",
    example="JL(wav+txt)/male1_angry_10a_1.wav",
    pattern=r"(?P<speaker>(?:fe)?male\d)_(?P<label>[a-z]+)_\d+[a-z]_\d",
    labels=LABELS,
    people={speaker: {"gender": speaker.rstrip("12")} for speaker in SPEAKERS},
    counts=dict.fromkeys(LABELS, 240),
    n_speakers=4,
    sample_rate=44_100,
    official={
        "official": Folds(
            source="EmoBox (Ma et al. 2024, arXiv:2406.07162), four folds of one speaker, five primary emotions",
            test_speakers=tuple((f"jl/{speaker}",) for speaker in SPEAKERS),
        )
    },
    notes=(
        "Four speakers: scores on unseen speakers are anecdotes; report leave-one-speaker-out with its interval.",
        "All actors say the same sentences, so unseen speakers still say seen words.",
        "Published scores use the five primary emotions; excited and happy are apart, and anxious isn't fear.",
        "The licence on the download page was reported as CC0 1.0 and, elsewhere, as ODC-By: read it there.",
    ),
)
