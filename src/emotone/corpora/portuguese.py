"""Portuguese emotional prosody: two women say sentences and pseudo-sentences in seven emotions; only
well-recognised takes."""

from __future__ import annotations

from emotone.corpora.record import Archive, Corpus

_SUPPLEMENT = "https://static-content.springer.com/esm/art%3A10.3758%2FBRM.42.1.74/MediaObjects/"

CORPUS = Corpus(
    name="portuguese",
    title="Portuguese emotional prosody (Castro & Lima)",
    languages=("pt",),
    licence="none stated",
    commercial=None,
    citation=(
        "Castro SL, Lima CF (2010). Recognizing emotions in spoken language: A validated set of Portuguese sentences "
        "and pseudosentences for research on emotional prosody. Behavior Research Methods 42(1): 74-81. "
        "doi:10.3758/BRM.42.1.74"
    ),
    homepage="https://doi.org/10.3758/BRM.42.1.74",
    archives=(
        Archive(url=f"{_SUPPLEMENT}Castro-BRM-2010%20Sents.zip", filename="Castro-BRM-2010-Sents.zip"),
        Archive(url=f"{_SUPPLEMENT}Castro-BRM-2010%20Pseudosents.zip", filename="Castro-BRM-2010-Pseudosents.zip"),
    ),
    example="20sB_angry20.wav",
    pattern=r"\d+[sp](?P<speaker>[AB])_(?P<label>[a-z]+)\d+",  # sentence or pseudo-sentence
    labels={
        "angry": "angry",
        "disgust": "disgusted",
        "fear": "fearful",
        "happy": "happy",
        "neutral": "neutral",
        "sad": "sad",
        "surprise": "surprised",
    },
    people={"A": {"gender": "female"}, "B": {"gender": "female"}},
    counts={"angry": 63, "disgust": 35, "fear": 41, "happy": 46, "neutral": 60, "sad": 59, "surprise": 64},
    n_speakers=2,
    notes=(
        "Two speakers: scores on unseen speakers are anecdotes.",
        "Only takes that listeners recognised were published: scores flatter.",
        "Sixteen sentences and as many pseudo-sentences recur in all emotions and with both speakers.",
    ),
)
