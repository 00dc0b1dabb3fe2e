"""CASIA, the part in circulation: four Chinese speakers say fifty sentences in six emotions."""

from __future__ import annotations

from emotone.corpora.record import Corpus, Folds

SPEAKERS = ("liuchanhg", "wangzhe", "ZhaoZuoxiang", "zhaoquanyin")
LABELS = {
    "angry": "angry",
    "fear": "fearful",
    "happy": "happy",
    "neutral": "neutral",
    "sad": "sad",
    "surprise": "surprised",
}

CORPUS = Corpus(
    name="casia",
    title="CASIA (1,200 utterances)",
    languages=("zh",),
    licence="none stated (the whole corpus is sold)",
    commercial=None,
    citation=(
        "Tao J, Liu F, Zhang M, Jia H (2008). Design of Speech Corpus for Mandarin Text to Speech. "
        "The Blizzard Challenge 2008 workshop"
    ),
    homepage="https://aistudio.baidu.com/aistudio/datasetdetail/209512",
    obtain="Ask the Institute of Automation of the Chinese Academy of Sciences, or see the copy at the homepage.",
    example="wangzhe/angry/201.wav",
    # Folders per speaker and emotion, or all in the name (201-angry-wangzhe): both are in circulation.
    pattern=(
        rf"(?=.*(?P<speaker>{'|'.join(SPEAKERS)}))(?=.*[/-](?P<label>{'|'.join(LABELS)})[/-])"
        r"(?:[a-z]+/[a-z]+/2\d\d|2\d\d-[a-z]+-[a-z]+)"
    ),
    labels=LABELS,
    codes={"speaker": {speaker: speaker for speaker in SPEAKERS}},
    counts=dict.fromkeys(LABELS, 200),
    n_speakers=4,
    sample_rate=16_000,
    official={
        "official": Folds(
            source="EmoBox (Ma et al. 2024, arXiv:2406.07162), four folds of one speaker",
            test_speakers=tuple((f"casia/{speaker}",) for speaker in SPEAKERS),
        )
    },
    notes=(
        "Four speakers: report leave-one-speaker-out with its interval.",
        "All speakers say the same fifty sentences in all emotions, so unseen speakers still say seen words.",
        "The corpus has 9,600 utterances; scores on the 1,200 in circulation and on the whole aren't comparable.",
    ),
)
