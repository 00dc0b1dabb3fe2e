"""nEMO: nine Polish actors say ninety sentences in six emotions."""

from __future__ import annotations

import csv
from collections.abc import Iterator
from pathlib import Path, PurePosixPath
from typing import TYPE_CHECKING, Any

from emotone.corpora.reading import find_side_file
from emotone.corpora.record import Archive, Corpus
from emotone.errors import CorpusError

if TYPE_CHECKING:
    import pandas as pd

DATA = "data.tsv"
_COLUMNS = ("file_id", "gender", "age", "raw_text")


def _rows(root: Path) -> list[dict[str, str]]:
    """The side table; empty if it isn't there."""
    path = find_side_file(root, DATA)
    if path is None:
        return []
    try:
        with path.open(encoding="utf-8", newline="") as lines:
            rows = list(csv.DictReader(lines, delimiter="\t"))
    except UnicodeDecodeError as error:
        raise CorpusError(f"{path} isn't nEMO's table ({error}); fetch it again or remove it.") from error
    if not rows or any(row.get(column) is None for row in rows for column in _COLUMNS):
        raise CorpusError(f"{path} lacks nEMO's columns {', '.join(_COLUMNS)}; fetch it again or remove it.")
    return rows


def plan(root: Path) -> Iterator[str]:
    return (PurePosixPath(row["file_id"]).stem for row in _rows(root))


def extend(table: pd.DataFrame, root: Path) -> pd.DataFrame:
    """Add gender and age of the actor and the sentence, where the side table is."""
    by_name = {PurePosixPath(row["file_id"]).stem: row for row in _rows(root)}
    if not by_name:
        return table
    known = [by_name.get(PurePosixPath(file).stem) for file in table["file"]]
    columns: dict[str, list[Any]] = {
        "gender": [row["gender"].strip() if row else None for row in known],
        "age": [int(row["age"]) if row else None for row in known],
        "text": [row["raw_text"].strip() if row else None for row in known],
    }
    return table.assign(**columns)


CORPUS = Corpus(
    name="nemo",
    title="nEMO",
    languages=("pl",),
    licence="CC BY-NC-SA 4.0",
    commercial=False,
    citation=(
        "Christop I (2024). nEMO: Dataset of Emotional Speech in Polish. LREC-COLING 2024: 12111-12116. "
        "arXiv:2404.06292"
    ),
    homepage="https://github.com/amu-cai/nEMO",
    archives=(Archive(url="https://github.com/amu-cai/nEMO/archive/refs/heads/main.zip", filename="nEMO-main.zip"),),
    example="samples/KS0_surprised_70.wav",
    pattern=r"(?P<speaker>[A-Z]{2}\d)_(?P<label>[a-z]+)_\d+",
    labels={
        "anger": "angry",
        "fear": "fearful",
        "happiness": "happy",
        "neutral": "neutral",
        "sadness": "sad",
        "surprised": "surprised",
    },
    side_files={DATA: "gender, age and text"},
    extend=extend,
    counts={"anger": 749, "fear": 736, "happiness": 749, "neutral": 809, "sadness": 769, "surprised": 669},
    n_speakers=9,
    plan=plan,
    sample_rate=24_000,
    seconds=(0.867, 5.655),
    notes=("All actors say the same ninety sentences, so unseen speakers still say seen words.",),
)
