"""Your own recordings listed in a CSV, TSV or Parquet file that has ``file`` and ``emotion`` (or ``label``).

``file`` is relative to the table's own folder. ``speaker`` is strongly asked for: without it no score on
unseen speakers is possible. ``start`` and ``end`` (seconds) make one recording several utterances. The other
columns of a corpus table pass through; columns emotone doesn't know are left out, and a check names them.
"""

from __future__ import annotations

import csv
import math
from collections import Counter
from collections.abc import Iterable
from pathlib import Path
from typing import Any

from emotone.corpora import words
from emotone.corpora.reading import COLUMNS, OPTIONAL_COLUMNS, Row, Scan, place_name, several
from emotone.corpora.record import Corpus
from emotone.errors import CorpusError, require

_SUFFIXES = (".csv", ".tsv", ".parquet")
_NUMBERS = ("start", "end", "age", "arousal", "valence", "dominance", "agreement", "n_raters")
# A column "corpus" is left out: the rows are this corpus's, whatever collection they came from.
_KNOWN = {*COLUMNS, *OPTIONAL_COLUMNS} - {"corpus"}

# What people call the columns in the wild. Only suggested in messages: nothing is renamed by guess.
_OTHER_NAMES = {
    "file": "path filename file_name filepath file_path wav audio audio_path clip name",
    "emotion": "emotions emo class category target label_name y sentiment",
    "speaker": "speaker_id speakerid spk spk_id spkid spkrid actor actor_id actorid subject",
    "gender": "sex",
    "text": "transcript transcription sentence",
    "start": "start_time begin onset",
    "end": "end_time stop offset",
}


def scan(corpus: Corpus, root: Path) -> Scan:
    """Read the table at ``root``. Raises `CorpusError` for what is missing or can't be meant."""
    columns, entries = _read(root)
    _require_columns(columns, root)
    used = [column for column in columns if column in _KNOWN or column.startswith("p_")]
    rows = [
        _row(corpus, root, number, {column: entry[column] for column in used})
        for number, entry in enumerate(entries, start=1)
    ]
    _refuse_numbers_for_emotions(rows, root)
    rows.sort(key=_place)
    _refuse_repeats(rows, root)
    _refuse_elsewhere(rows, root)
    unused = [column for column in columns if column not in used]
    return Scan(rows, [place_name(row) for row in rows], remarks=_remarks(unused))


# ---- reading the file ----


def _read(path: Path) -> tuple[list[str], list[dict[str, Any]]]:
    """Column names and rows; in text files every value is a word, so that ``03`` stays ``03``."""
    if path.is_dir():
        inside = sorted(file.name for file in path.iterdir() if file.suffix.lower() in _SUFFIXES)
        cure = f"give the file itself, such as table={path / inside[0]}" if inside else "for folders use folder=ROOT"
        raise CorpusError(f"{path} is a folder, and table= takes a {', '.join(_SUFFIXES)} file: {cure}.")
    if path.suffix.lower() not in _SUFFIXES:
        raise CorpusError(f"table= takes a file ending in {', '.join(_SUFFIXES)}, not {path}.")
    if not path.exists():
        raise CorpusError(f"There is no file {path}.")
    columns, entries = _read_parquet(path) if path.suffix.lower() == ".parquet" else _read_text(path)
    if not entries:
        raise CorpusError(f"{path} has no rows.")
    return columns, entries


def _read_parquet(path: Path) -> tuple[list[str], list[dict[str, Any]]]:
    parquet = require("pyarrow.parquet", extra="train")
    try:
        table = parquet.read_table(path)
    except (ValueError, OSError) as error:  # pyarrow's errors are ValueErrors
        raise CorpusError(f"{path} can't be read as Parquet: {error}.") from error
    return list(table.column_names), table.to_pylist()


def _read_text(path: Path) -> tuple[list[str], list[dict[str, Any]]]:
    try:
        with path.open(encoding="utf-8-sig", newline="") as lines:
            header = lines.readline()
            lines.seek(0)
            # Spreadsheets write commas, semicolons or tabs, depending on the country.
            reader = csv.reader(lines, delimiter=max(",;\t", key=header.count), strict=True)
            columns = [column.strip() for column in next(reader, [])]
            entries = []
            for values in reader:
                if len(values) not in (0, len(columns)):
                    raise CorpusError(
                        f"{path}, line {reader.line_num}: {len(values)} values for {len(columns)} columns; "
                        "put values that contain the separator into double quotes."
                    )
                if any(values):
                    entries.append(dict(zip(columns, values, strict=True)))
    except UnicodeDecodeError as error:
        raise CorpusError(f"{path} isn't UTF-8 text ({error}); save it as UTF-8.") from error
    except csv.Error as error:
        raise CorpusError(f"{path}, line {reader.line_num}: {error}.") from error
    repeated = {column for column in columns if columns.count(column) > 1}
    if repeated:
        raise CorpusError(f"{path} has more than one column {several(map(repr, sorted(repeated)))}.")
    return columns, entries


def _require_columns(columns: list[str], path: Path) -> None:
    missing = [] if "file" in columns else ["file"]
    if not {"emotion", "label", "arousal", "valence", "dominance"} & set(columns):
        missing.append("emotion")
    if not missing:
        return
    renames = _renames(missing, columns)
    hint = f" Rename {renames}?" if renames else ""
    raise CorpusError(
        f"{path} lacks the column{'s' if len(missing) > 1 else ''} {' and '.join(map(repr, missing))}; "
        f"it has {several(map(repr, columns), shown=12)}.{hint}"
    )


def _renames(wanted: Iterable[str], columns: Iterable[str]) -> str:
    """``'path' to 'file' and 'spk' to 'speaker'``: which ``columns`` likely mean the ``wanted`` ones."""
    likely = {name: (name, *_OTHER_NAMES.get(name, "").split()) for name in wanted}
    plain = {column: column.lower().replace(" ", "_") for column in columns}
    found = {name: next((c for c in plain if plain[c] in likely[name]), None) for name in likely}
    return " and ".join(f"{column!r} to {name!r}" for name, column in found.items() if column)


def _remarks(unused: list[str]) -> tuple[str, ...]:
    if not unused:
        return ()
    renames = _renames(_OTHER_NAMES, unused)
    hint = f" Rename {renames} to use them." if renames else ""
    return (f"Columns that aren't used: {several(unused, shown=8)}.{hint}",)


# ---- rows ----


def _row(corpus: Corpus, path: Path, number: int, entry: Row) -> Row:
    """One row of the corpus table from row ``number`` (from 1) of the file."""
    try:
        given = {column: _value(column, value) for column, value in entry.items()}
        row: Row = {"corpus": corpus.name, "start": 0.0, "end": math.nan, "speaker": None, **given}
        row["start"] = 0.0 if math.isnan(row["start"]) else row["start"]
        _validate(row)
    except ValueError as error:
        raise CorpusError(f"{path}, row {number}: {error}.") from error
    row["label"] = given.get("label") or given.get("emotion")
    emotion = given.get("emotion") or given.get("label")
    row["emotion"] = words.emotion_named(emotion) if emotion else None
    row["file"] = _relative(row["file"], path.parent)
    if row["speaker"] is not None and "/" not in row["speaker"]:
        row["speaker"] = f"{corpus.name}/{row['speaker']}"
    if row.get("gender"):
        row["gender"] = words.gender_named(row["gender"])
    return row


def _value(column: str, value: Any) -> Any:
    """A word, a number, or what stands for a missing one (None, NaN)."""
    plain = "" if value is None or value != value else str(value).strip()
    if column not in _NUMBERS and not column.startswith("p_"):
        return plain or None
    if not plain:
        return math.nan
    try:
        return float(plain)
    except ValueError:
        raise ValueError(f"{column} is {plain!r}, which is no number") from None


def _validate(row: Row) -> None:
    if row["file"] is None:
        raise ValueError("there is no file")
    if row["start"] < 0 or row["end"] <= row["start"]:
        raise ValueError(
            f"start and end must be seconds with 0 <= start < end, not {row['start']:g} and {row['end']:g}"
        )
    votes = {column: value for column, value in row.items() if column.startswith("p_") and not math.isnan(value)}
    if votes and (min(votes.values()) < 0 or abs(sum(votes.values()) - 1) > 1e-3):
        raise ValueError(f"{', '.join(votes)} must be fractions that sum to 1")


def _relative(file: str, folder: Path) -> str:
    """POSIX path relative to the table's folder; an absolute path elsewhere stays absolute."""
    path = Path(file.replace("\\", "/"))
    if path.is_absolute() and path.is_relative_to(folder.absolute()):
        path = path.relative_to(folder.absolute())
    return path.as_posix()


def _place(row: Row) -> tuple[str, float, str]:
    return (row["file"], row["start"], str(row["end"]))


# ---- what can't be meant ----


def _refuse_numbers_for_emotions(rows: list[Row], path: Path) -> None:
    numbers = sorted({row["emotion"] for row in rows if row["emotion"] and row["emotion"].isdigit()})
    if numbers:
        raise CorpusError(
            f"{path} gives emotions as numbers ({several(numbers)}); write their names (angry, happy, ...) "
            "into the column 'emotion'."
        )


def _refuse_repeats(rows: list[Row], path: Path) -> None:
    repeated = [name for name, n in Counter(map(place_name, rows)).items() if n > 1]
    if repeated:
        raise CorpusError(
            f"{path} lists these more than once: {several(repeated)}. A row is known by file, start and end, "
            "and each may appear once."
        )


def _refuse_elsewhere(rows: list[Row], path: Path) -> None:
    """That some files are missing is for a check to say; all of them missing is a wrong folder."""
    if not any((path.parent / row["file"]).exists() for row in rows):
        raise CorpusError(
            f"None of the files {path} lists exists. Paths are taken relative to the table's own folder: "
            f"looked for {path.parent / rows[0]['file']}."
        )


CORPUS = Corpus(
    name="table",
    title="Your own recordings, listed in a table",
    licence="yours",
    commercial=None,
    citation="",
    homepage="",
    obtain="Write a .csv, .tsv or .parquet with the columns file, emotion and speaker, and give table=FILE.",
    example="labels.csv",
    scan=scan,
    notes=("Without a column 'speaker' the speakers are unknown, and no score on unseen speakers is possible.",),
)
