"""Emozionalmente: 431 Italian volunteers say eighteen sentences in seven emotions into their own microphones; five
people rated each."""

from __future__ import annotations

from collections import defaultdict
from pathlib import Path, PurePosixPath

from emotone.corpora.reading import Row, Scan, existing_folder, scan_names
from emotone.corpora.record import Archive, Corpus, Folds
from emotone.corpora.side_tables import need, read_rows, shares
from emotone.corpora.words import emotion_named

LABELS = {
    "anger": "angry",
    "disgust": "disgusted",
    "fear": "fearful",
    "joy": "happy",
    "neutrality": "neutral",
    "sadness": "sad",
    "surprise": "surprised",
}
SAMPLES = "metadata/samples.csv"
USERS = "metadata/users.csv"
EVALUATIONS = "metadata/evaluations.csv"
_GENDERS = {"f": "female", "female": "female", "woman": "female", "m": "male", "male": "male", "man": "male"}


def scan(corpus: Corpus, root: Path) -> Scan:
    """Find the recordings, whose names are times, and look them up in the owners' tables."""
    existing_folder(root, corpus.name)
    samples = read_rows(root, SAMPLES, ("file_name", "actor", "sentence", "emotion_expressed"), title=corpus.title)
    if not samples:
        raise need(root, SAMPLES, corpus.title)
    people = _people(root)
    votes = _votes(root)
    rows = {
        (name := PurePosixPath(row["file_name"]).stem): {
            "speaker": row["actor"],
            "label": row["emotion_expressed"],
            "text": row["sentence"],
            **people.get(row["actor"], {}),
            **votes.get(name, {}),
        }
        for row in samples
    }
    return scan_names(corpus, root, lambda match: rows.get(match["_name"]))


def _people(root: Path) -> dict[str, Row]:
    rows = read_rows(root, USERS, ("username", "gender", "age"), title="Emozionalmente")
    return {
        row["username"]: {
            "gender": _GENDERS.get(row["gender"].lower()),
            "age": int(float(row["age"])) if row["age"].replace(".", "", 1).isdigit() else None,
        }
        for row in rows
    }


def _votes(root: Path) -> dict[str, Row]:
    ballots: dict[str, list[tuple[str]]] = defaultdict(list)
    for row in read_rows(root, EVALUATIONS, ("file_name", "emotion_recognized"), title="Emozionalmente"):
        ballots[PurePosixPath(row["file_name"]).stem].append((emotion_named(row["emotion_recognized"]),))
    return {name: shares(cast, LABELS.values()) for name, cast in ballots.items()}


CORPUS = Corpus(
    name="emozionalmente",
    title="Emozionalmente",
    languages=("it",),
    licence="CC BY 4.0",
    commercial=True,
    citation=(
        "Catania F, Wilke JW, Garzotto F (2025). Emozionalmente: A Crowdsourced Corpus of Simulated Emotional Speech "
        "in Italian. IEEE Transactions on Audio, Speech and Language Processing 33: 1142-1155. "
        "doi:10.1109/TASLPRO.2025.3540662"
    ),
    homepage="https://zenodo.org/records/6569824",
    archives=(
        Archive(
            url="https://zenodo.org/records/6569824/files/emozionalmente.zip?download=1",
            filename="emozionalmente.zip",
        ),
    ),
    example="emozionalmente_dataset/audio/1613655062436.wav",
    pattern=r"\d{13}",
    labels=LABELS,
    side_files={
        SAMPLES: "labels",
        USERS: "gender and age",
        EVALUATIONS: "the raters' votes (p_<emotion>, agreement)",
    },
    scan=scan,
    counts=dict.fromkeys(LABELS, 986),
    n_speakers=431,
    sample_rate=16_000,
    official={
        "official": Folds(
            source="the owners' train, dev and test parts, in version 1.1 of the corpus",
            n_folds=1,
        ),
        "emobox": Folds(
            source="EmoBox (Ma et al. 2024, arXiv:2406.07162), one fold of rows",
            n_folds=1,
            disjoint=None,
        ),
    },
    notes=(
        "The labels are what the speakers meant; raters agreed with 66 % of them (UAR), and their votes are the "
        "columns p_<emotion>.",
        "All say sentences out of the same eighteen, so unseen speakers still say seen words; three of them are also "
        "EMOVO's, word for word.",
        "Recorded at home: microphones, rooms and noise differ between speakers, and some files are at 44.1 kHz.",
        "EmoBox's rows don't tell the speaker: whether its fold leaks wasn't checked.",
    ),
)
