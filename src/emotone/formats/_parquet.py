"""Parquet, with pyarrow alone: the columns of the CSV, typed."""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

from emotone.errors import ConfigError, require
from emotone.formats._about import About
from emotone.formats._table import FACTS, check_columns, columns, row, segment_of
from emotone.segment import Segment

__all__ = ["pieces", "read"]

_KEY = b"emotone"
"""The entry of the footer that holds the recording's name and duration, and which columns are dimensions."""


def pieces(segments: Sequence[Segment], about: About) -> Iterator[bytes]:
    """The file's bytes. Raises `MissingExtra` without pyarrow."""
    arrow, parquet = _pyarrow()
    names = columns(about.labels, about.dimensions)
    schema = _schema(arrow, names).with_metadata({_KEY: json.dumps(_facts(about)).encode()})
    rows = [row(about.file_of(segment), segment, names) for segment in segments]
    cells = zip(*rows, strict=True) if rows else ([] for _ in names)
    arrays = [arrow.array(list(column), field.type) for column, field in zip(cells, schema, strict=True)]
    buffer = arrow.BufferOutputStream()
    parquet.write_table(arrow.Table.from_arrays(arrays, schema=schema), buffer, compression="zstd")
    yield buffer.getvalue().to_pybytes()


def read(path: Path) -> list[Segment]:
    """The segments. Raises `MissingExtra` without pyarrow."""
    arrow, parquet = _pyarrow()
    try:
        table = parquet.read_table(path, partitioning=None)
    except (arrow.ArrowException, OSError) as error:
        raise ConfigError(f"{path} can't be read as Parquet: {str(error).splitlines()[0]}") from error
    check_columns(path, table.column_names)
    footer = (table.schema.metadata or {}).get(_KEY)
    others = [name for name in table.column_names if name not in FACTS and not name.startswith("p_")]
    dimensions = json.loads(footer)["dimensions"] if footer else others
    found = []
    for number, cells in enumerate(table.to_pylist(), start=1):
        try:
            found.append(segment_of(cells, dimensions))
        except ConfigError as error:
            raise ConfigError(f"{path}, row {number}: {error}") from error
    return found


def _schema(arrow: Any, names: Sequence[str]) -> Any:
    words = arrow.list_(arrow.string())
    own = {
        "file": arrow.string(),
        "channel": arrow.int32(),
        "speaker": arrow.string(),
        "emotion": arrow.string(),
        "flags": words,
        "likely": words,
    }
    return arrow.schema([(name, own.get(name, arrow.float64())) for name in names])


def _facts(about: About) -> dict[str, Any]:
    return {"file": about.file, "duration": about.duration, "dimensions": list(about.dimensions)}


def _pyarrow() -> tuple[Any, Any]:
    return require("pyarrow", extra="train"), require("pyarrow.parquet", extra="train")
