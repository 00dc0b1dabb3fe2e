"""The columns of an archive's tables, and their Arrow schemas. Fixed for a job, whatever a shard holds."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any, NamedTuple

from emotone.errors import require

__all__ = [
    "FAILURES",
    "GIVEN",
    "Column",
    "arrow_schema",
    "arrow_type",
    "carried_names",
    "columns",
    "parquet",
    "pyarrow",
]

GIVEN = "given_"
"""Before the name of a column of the user's whose own name is taken: ``given_emotion``."""


class Column(NamedTuple):
    """A name, and a kind: text, words, integer, number, or the width of a vector."""

    name: str
    kind: str | int


FAILURES = (
    Column("file", "text"),
    Column("start", "number"),
    Column("end", "number"),
    Column("stage", "text"),
    Column("reason", "text"),
    Column("shard", "integer"),
)

_PLACES = (
    Column("file", "text"),
    Column("channel", "small"),
    Column("speaker", "text"),
    Column("start", "number"),
    Column("end", "number"),
)
_ANSWER = (
    Column("emotion", "text"),
    Column("confidence", "number"),
    Column("flags", "words"),
    Column("likely", "words"),
)


def columns(what: str, labels: Sequence[str], dimensions: Sequence[str], width: int) -> tuple[Column, ...]:
    """Of a row. Timelines and predictions have those of `emotone.formats`' tables; vectors are one column."""
    if what in ("embeddings", "features"):
        name = "embedding" if what == "embeddings" else what
        return (*_PLACES, Column("flags", "words"), Column(name, width))
    votes = [Column(f"p_{label}", "number") for label in labels]
    return (*_PLACES, *_ANSWER, *votes, *(Column(name, "number") for name in dimensions))


def carried_names(names: Iterable[str], taken: Iterable[str]) -> dict[str, str]:
    """The names under which columns of the user's table are carried through. ``speaker`` fills the one there is."""
    used = set(taken) - {"speaker"}
    found: dict[str, str] = {}
    for name in names:
        new = name
        while new in used:
            new = GIVEN + new
        used.add(new)
        found[name] = new
    return found


def arrow_schema(own: Iterable[Column], carried: Mapping[str, Any] | None = None) -> Any:
    """The Arrow schema: an archive's own columns, then the ``carried`` ones with their Arrow types."""
    arrow = pyarrow()
    extra = [(name, kind) for name, kind in (carried or {}).items() if name != "speaker"]
    return arrow.schema([*((column.name, arrow_type(column.kind)) for column in own), *extra])


def arrow_type(kind: str | int) -> Any:
    """The Arrow type of a kind of column."""
    arrow = pyarrow()
    if isinstance(kind, int):
        return arrow.list_(arrow.float32(), kind)
    return {
        "text": arrow.string(),
        "words": arrow.list_(arrow.string()),
        "number": arrow.float64(),
        "small": arrow.int32(),
        "integer": arrow.int64(),
        "bytes": arrow.binary(),
    }[kind]


def pyarrow() -> Any:
    """pyarrow, or `MissingExtra`."""
    return require("pyarrow", extra="batch")


def parquet() -> Any:
    """Its Parquet, or `MissingExtra`."""
    return require("pyarrow.parquet", extra="batch")
