"""ShEMO: 3,000 utterances cut from Persian radio plays, labelled by twelve listeners."""

from __future__ import annotations

from emotone.corpora.record import Corpus, Folds

CORPUS = Corpus(
    name="shemo",
    title="ShEMO",
    languages=("fa",),
    licence="academic use, free of charge",
    commercial=False,
    citation=(
        "Mohamad Nezami O, Jamshid Lou P, Karami M (2019). ShEMO: a large-scale validated database for Persian "
        "speech emotion detection. Language Resources and Evaluation 53(1): 1-16. doi:10.1007/s10579-018-9427-x"
    ),
    homepage="https://github.com/pariajm/sharif-emotional-speech-database",
    obtain=(
        "Follow the links to female.zip and male.zip on the homepage; the zip files in the older repository "
        "mansourehk/ShEMO are Git LFS pointers."
    ),
    example="female/F01A01.wav",
    pattern=r"(?P<speaker>(?P<gender>[FM])\d\d)(?P<label>[A-Z])\d\d",
    labels={
        "A": "angry",
        "F": "fearful",
        "H": "happy",
        "N": "neutral",
        "S": "sad",
        "W": "surprised",
    },
    codes={"gender": {"F": "female", "M": "male"}},
    total=3000,
    n_speakers=87,
    official={
        "official": Folds(
            source="EmoBox (Ma et al. 2024, arXiv:2406.07162), one fold of rows",
            n_folds=1,
            disjoint=False,
            shared_speakers=(83, 83),
        )
    },
    notes=(
        "There are few utterances of fear (29 of the 2,838 that EmoBox lists): leave it out, or report every class.",
        "The paper counts 3,000 utterances, the copy that EmoBox lists has 2,838.",
        "Radio plays: background sounds and music of the play may tell the emotion.",
    ),
)
