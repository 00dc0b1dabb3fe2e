"""MEAD: actors say English sentences in eight emotions, seven of them at three levels; filmed from seven
sides."""

from __future__ import annotations

from emotone.corpora.record import Corpus, Folds

CORPUS = Corpus(
    name="mead",
    title="MEAD",
    languages=("en",),
    licence="research only",
    commercial=False,
    citation=(
        "Wang K, Wu Q, Song L, Yang Z, Wu W, Qian C, He R, Qiao Y, Loy CC (2020). MEAD: A Large-scale Audio-visual "
        "Dataset for Emotional Talking-face Generation. ECCV 2020: 700-717. doi:10.1007/978-3-030-58589-1_42"
    ),
    homepage="https://github.com/uniBruce/Mead",
    obtain="The homepage links the folders; unpack each speaker's audio archive into a folder such as M003/audio.",
    example="M003/audio/angry/level_1/001.m4a",
    pattern=(r"(?P<speaker>(?P<gender>[MW])\d{3})/(?:audio/)?(?P<label>[a-z]+)/level_(?P<intensity>[123])/\d{3}"),
    labels={
        "angry": "angry",
        "contempt": "contemptuous",
        "disgusted": "disgusted",
        "fear": "fearful",
        "happy": "happy",
        "neutral": "neutral",
        "sad": "sad",
        "surprised": "surprised",
    },
    codes={"gender": {"M": "male", "W": "female"}, "intensity": {"1": "low", "2": "medium", "3": "high"}},
    total=31_729,
    n_speakers=48,
    official={
        "official": Folds(
            source="EmoBox (Ma et al. 2024, arXiv:2406.07162), one fold of rows",
            n_folds=1,
            disjoint=None,
        )
    },
    notes=(
        "Sentences are numbered anew in each emotion; the same number isn't the same sentence, and many sentences "
        "suit one emotion only.",
        "The numbers of utterances and speakers are EmoBox's; the paper speaks of sixty actors.",
        "Compressed audio (AAC) cut from video.",
    ),
)
