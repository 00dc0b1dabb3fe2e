"""A corpus that another package adds to emotone: facts, and how its files are named.

It is made up: in ``tests`` its recordings are empty files. `emotone corpora new` writes such a file from a folder.
"""

from emotone.corpora import Corpus, Folds

CORPUS = Corpus(
    name="harbour",
    title="Voices of the harbour",
    languages=("nl",),
    licence="CC BY 4.0",
    commercial=True,
    citation="Nobody N (2026). Voices of the harbour, a corpus that doesn't exist.",
    homepage="https://example.org/harbour",
    obtain="Make one up.",
    example="anna/anna_boos_03.wav",
    # The end of a path without its ending; the groups are columns of the table.
    pattern=r"(?P<speaker>anna|bram|cato|dirk)_(?P<label>[a-z]+)_\d\d",
    labels={"blij": "happy", "boos": "angry", "droevig": "sad", "gewoon": "neutral"},
    people={
        "anna": {"gender": "female"},
        "bram": {"gender": "male"},
        "cato": {"gender": "female"},
        "dirk": {"gender": "male"},
    },
    counts=dict.fromkeys(("blij", "boos", "droevig", "gewoon"), 20),
    n_speakers=4,
    official={
        "official": Folds(
            source="Nobody (2026), two folds of a woman and a man",
            test_speakers=(("harbour/anna", "harbour/bram"), ("harbour/cato", "harbour/dirk")),
        )
    },
)
