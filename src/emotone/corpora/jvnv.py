"""JVNV: four Japanese professionals in six emotions; every utterance has words and a nonverbal sound (a laugh,
a sob, a sigh)."""

from __future__ import annotations

from emotone.corpora.record import Archive, Corpus

CORPUS = Corpus(
    name="jvnv",
    title="JVNV",
    languages=("ja",),
    licence="CC BY-SA 4.0 (unverified)",
    commercial=None,
    may_be_shared=False,
    citation=(
        "Xin D, Jiang J, Takamichi S, Saito Y, Aizawa A, Saruwatari H (2024). JVNV: A Corpus of Japanese Emotional "
        "Speech With Verbal Content and Nonverbal Expressions. IEEE Access 12: 19752-19764. arXiv:2310.06072"
    ),
    homepage="https://sites.google.com/site/shinnosuketakamichi/research-topics/jvnv_corpus",
    archives=(Archive(url="https://ss-takashi.sakura.ne.jp/corpus/jvnv/jvnv_ver1.zip", filename="jvnv_ver1.zip"),),
    example="jvnv_v1/F1/anger/regular/F1_anger_regular_01.wav",
    pattern=r"(?P<speaker>(?P<gender>[FM])\d)_(?P<label>[a-z]+)_(?:free|regular)_\d\d",
    labels={
        "anger": "angry",
        "disgust": "disgusted",
        "fear": "fearful",
        "happy": "happy",
        "sad": "sad",
        "surprise": "surprised",
    },
    codes={"gender": {"F": "female", "M": "male"}},
    n_speakers=4,
    notes=(
        "Four speakers: report leave-one-speaker-out with its interval.",
        "The texts were written for the emotions and differ between them: words give the emotion away.",
        "A laugh or a sob in every utterance makes it easier than ordinary speech. There is no neutral.",
    ),
)
