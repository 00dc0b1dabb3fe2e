"""A segment as a row, the same in CSV and in Parquet, and back."""

from __future__ import annotations

import csv
import io
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

from emotone.errors import ConfigError
from emotone.formats._about import About
from emotone.segment import Segment

__all__ = ["FACTS", "columns", "csv_rows", "pieces", "read", "row", "segment_of"]

FACTS = ("file", "channel", "speaker", "start", "end", "emotion", "confidence", "flags", "likely")
_OPTIONAL = {"file", "channel", "speaker", "likely"}
_PLACES = {"channel", "speaker"}
"""What timelines have and answers about whole recordings don't."""
_VOTE = "p_"


def columns(labels: Sequence[str], dimensions: Sequence[str], *, channel: bool = True) -> list[str]:
    """The names: facts, a probability for each of ``labels`` as ``p_<emotion>``, and the ``dimensions``."""
    facts = [name for name in FACTS if channel or name not in _PLACES]
    return [*facts, *(f"{_VOTE}{label}" for label in labels), *dimensions]


def row(file: str | None, segment: Segment, names: Sequence[str]) -> list[Any]:
    """The cells of the columns ``names``; None where the segment has nothing for one."""
    cells: dict[str, Any] = {f"{_VOTE}{label}": score for label, score in segment.scores.items()}
    cells |= segment.dimensions
    cells |= {name: getattr(segment, name) for name in FACTS if name != "file"}
    cells["file"] = file
    return [cells.get(name) for name in names]


def segment_of(cells: Mapping[str, Any], dimensions: Iterable[str]) -> Segment:
    """The segment of a row; empty cells are None or ``""``. Raises `ConfigError` for values that can't be."""
    filled = {name: value for name, value in cells.items() if value is not None and value != ""}
    known = set(dimensions)
    votes = (name for name in filled if name.startswith(_VOTE) and name not in known)
    return Segment.from_dict(
        {
            **{name: filled.get(name) for name in FACTS},
            "flags": _words(filled.get("flags", ())),
            "likely": _words(filled.get("likely", ())),
            "scores": {name.removeprefix(_VOTE): filled[name] for name in votes},
            "dimensions": {name: filled[name] for name in cells if name in known and name in filled},
        }
    )


def _words(cell: str | Sequence[str]) -> Sequence[str]:
    return cell.split() if isinstance(cell, str) else cell


def check_columns(path: Path, names: Iterable[str]) -> None:
    """Raise `ConfigError` unless the columns are those of segments."""
    missing = [name for name in FACTS if name not in set(names) | _OPTIONAL]
    if missing:
        raise ConfigError(
            f"{path} holds no segments: the column {missing[0]} is missing. `emotone timeline` writes such tables."
        )


# --- CSV ---


def csv_rows(
    labels: Sequence[str], dimensions: Sequence[str] = (), *, channel: bool = True
) -> Callable[[str, Segment], str]:
    """A function that turns a file's name and a segment into a row of CSV, the first time under a header.

    It suits output that is written while it is found; a table without rows stays empty. Without ``channel``, the
    columns for channel and speaker are left out.
    """
    names = columns(labels, dimensions, channel=channel)
    waiting = [_line(names)]

    def rows(file: str, segment: Segment) -> str:
        header = waiting.pop() if waiting else ""
        return header + _line(_cells(file, segment, names))

    return rows


def pieces(segments: Sequence[Segment], about: About) -> Iterator[str]:
    """CSV: a header and a row for each segment, lines ended by a line feed."""
    names = columns(about.labels, about.dimensions)
    yield _line(names)
    for segment in segments:
        yield _line(_cells(about.file_of(segment), segment, names))


def read(path: Path) -> list[Segment]:
    """The segments of CSV; columns besides the facts and ``p_<emotion>`` are dimensions."""
    found = []
    with path.open(encoding="utf-8-sig", newline="") as file:
        lines = csv.DictReader(file, restkey="", strict=True)
        if not lines.fieldnames:
            return []
        check_columns(path, lines.fieldnames)
        dimensions = [name for name in lines.fieldnames if name not in FACTS and not name.startswith(_VOTE)]
        try:
            for cells in lines:
                if "" in cells or None in cells.values():
                    raise ConfigError(f"it doesn't have {len(lines.fieldnames)} cells.")
                found.append(segment_of(cells, dimensions))
        except (ConfigError, csv.Error) as error:
            raise ConfigError(f"{path}, line {lines.line_num}: {error}") from error
    return found


def _cells(file: str | None, segment: Segment, names: Sequence[str]) -> list[Any]:
    return [" ".join(cell) if isinstance(cell, tuple) else cell for cell in row(file, segment, names)]


def _line(cells: Sequence[Any]) -> str:
    buffer = io.StringIO()
    csv.writer(buffer, lineterminator="\n").writerow(cells)
    return buffer.getvalue()
