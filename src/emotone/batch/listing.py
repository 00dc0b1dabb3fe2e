"""What is meant by SOURCE...: folders, patterns, lists, tables, tars, addresses; one listed thing after the other.

Nothing is read ahead and nothing remembered but the names of one folder at a time, so that a million recordings need
no more memory than the largest folder. The order is always the same: as given, and by name within a folder.
"""

from __future__ import annotations

import csv
import glob
import io
import math
import os
import posixpath
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import IO, Any, NamedTuple

from emotone.audio import SUFFIXES
from emotone.batch import reading
from emotone.batch.reading import filesystem, is_address, is_tar, words
from emotone.batch.schema import parquet, pyarrow
from emotone.errors import AudioError, ConfigError

__all__ = ["LISTS", "STDIN", "TABLES", "Listed", "Sources"]

STDIN = "-"
LISTS = (".txt", ".lst")
TABLES = (".csv", ".parquet")

_ROWS = 8192  # of a Parquet table held at a time


class Listed(NamedTuple):
    """A recording, a part of one or a tar, as it was listed."""

    file: str
    """Its name, UTF-8 without control characters."""
    path: str | None = None
    """Where it is, if that isn't its name."""
    start: float | None = None
    end: float | None = None
    size: int | None = None
    """Bytes, where the listing says so."""
    problem: str | None = None
    """Why it can't be used, in a sentence."""
    carried: Mapping[str, Any] = {}
    """The other cells of its row of a table."""


@dataclass(frozen=True)
class Sources:
    """Everything given, in order. Names in lists and tables are relative to ``root``, if there is one: else to the
    working folder, or in a bucket to the list's own folder."""

    given: Sequence[str]
    root: str | None = None
    stdin: IO[str] | None = field(default=None, compare=False)
    """What ``-`` stands for, a list of names."""

    def carried(self) -> dict[str, Any]:
        """Name and Arrow type of every column of the tables besides ``file``, ``start`` and ``end``.

        Raises `ConfigError` for a table without a column ``file``, or that can't be read.
        """
        found: dict[str, Any] = {}
        for name in self.given:
            if not name.lower().endswith(TABLES):
                continue
            types = _csv_columns(name) if name.lower().endswith(".csv") else _parquet_columns(name)
            if "file" not in types:
                raise ConfigError(
                    f"{name} has no column 'file', only {', '.join(types) or 'none'}. Name the recordings' column so."
                )
            for column, kind in types.items():
                if column in ("file", "start", "end"):
                    continue
                if found.setdefault(column, kind) != kind:
                    raise ConfigError(
                        f"The column {column!r} of {name} holds {kind}, in another table {found[column]}. Annotate "
                        "them one by one."
                    )
        return found

    def __iter__(self) -> Iterator[Listed]:
        """Everything listed. Raises `ConfigError` for a source that isn't there, or that can't be reached."""
        for name in self.given:
            yield from self._listed(name)

    def _listed(self, name: str) -> Iterator[Listed]:
        lower = name.lower()
        if name == STDIN:
            yield from self._named(self.stdin or [], STDIN)
        elif lower.endswith(LISTS):
            with _text(name) as lines:
                yield from self._named(lines, name)
        elif lower.endswith(TABLES):
            rows = _csv_rows(name) if lower.endswith(".csv") else _parquet_rows(name)
            for number, row in enumerate(rows, start=1):
                yield self._row(row, f"{name}, row {number}", self._beside(name))
        elif is_address(name):
            yield from _addressed(name)
        else:
            yield from _local(name)

    def _named(self, lines: Iterable[str], where: str) -> Iterator[Listed]:
        root, n_named = self._beside(where), 0
        for line in lines:
            if name := line.rstrip("\r\n"):
                n_named += 1
                yield _at(name, root)
        if not n_named:
            raise ConfigError(f"{'The list piped in' if where == STDIN else where} names no recordings.")

    def _row(self, row: dict[str, Any], where: str, root: str) -> Listed:
        file = row.pop("file", None)
        cells = {name: row.pop(name, None) for name in ("start", "end")}
        if not file or not isinstance(file, str):
            return Listed(where, problem=f"{where} names no file.", carried=row)
        try:
            start, end = _seconds(cells["start"]), _seconds(cells["end"])
        except ValueError:
            times = f"{cells['start']!r} and {cells['end']!r}"
            return _at(file, root)._replace(problem=f"{where}: start and end are seconds, not {times}.", carried=row)
        listed = _at(file, root)._replace(start=start, end=end, carried=row)
        if not 0 <= (start or 0.0) < (math.inf if end is None else end):
            return listed._replace(problem=f"{where}: a part ends after its start, unlike {start} to {end} s.")
        return listed

    def _beside(self, where: str) -> str:
        """What relative names are relative to; empty for the working folder."""
        if self.root is not None:
            return self.root
        return posixpath.dirname(where) if is_address(where) else ""


def _at(name: str, root: str) -> Listed:
    """A name, below ``root`` if it is relative."""
    below = bool(root) and not is_address(name) and not os.path.isabs(name)  # noqa: PTH117 - for a million names
    return _named(name, posixpath.join(root, name) if below else name)


def _named(name: str, path: str) -> Listed:
    shown = _printable(name)
    return Listed(shown, None if shown == path else path)


def _printable(name: str) -> str:
    """The name for tables: bytes that aren't UTF-8 and control characters become the sign for that."""
    if name.isprintable() and name.isascii():
        return name
    text = name.encode("utf-8", "surrogateescape").decode("utf-8", "replace")
    return "".join(c if c.isprintable() else "\N{REPLACEMENT CHARACTER}" for c in text)


def _seconds(cell: Any) -> float | None:
    """None for an empty cell; raises ValueError for what is no number."""
    if cell is None or cell == "":
        return None
    value = float(cell)
    if math.isinf(value):
        raise ValueError
    return None if math.isnan(value) else value


# --- folders and patterns here ---


def _local(name: str) -> Iterator[Listed]:
    if os.path.isdir(name):  # noqa: PTH112
        yield from _below(name, nothing=_nothing("The folder", name))
        return
    if Path(name).exists() or not glob.has_magic(name):
        yield _sized(name)  # one that isn't there fails when its turn comes
        return
    found = False
    for match in sorted(glob.iglob(name, recursive=True)):  # noqa: PTH207
        if os.path.isfile(match) and _is_wanted(match):  # noqa: PTH113
            found = True
            yield _sized(match)
    if not found:
        raise ConfigError(_nothing("The pattern", name))


def _below(folder: str, *, nothing: str = "") -> Iterator[Listed]:
    """The recordings and tars in and below a folder, by name, but not hidden ones."""
    try:
        with os.scandir(folder) as entries:
            # Names alone: a million entries would be three times the memory.
            files, folders = [], []
            for entry in entries:
                if entry.name.startswith("."):
                    continue
                if entry.is_dir(follow_symlinks=False):
                    folders.append(entry.name)
                elif _is_wanted(entry.name):
                    files.append(entry.name)
    except OSError as error:
        shown = _printable(folder)
        yield Listed(shown, problem=f"The folder {shown} can't be listed ({error.strerror}). Check its permissions.")
        return
    files.sort()
    folders.sort()
    found = False
    for file in files:
        found = True
        yield _sized(os.path.join(folder, file))  # noqa: PTH118
    for inner in folders:
        for listed in _below(os.path.join(folder, inner)):  # noqa: PTH118
            found = True
            yield listed
    if nothing and not found:
        raise ConfigError(nothing)


def _sized(path: str) -> Listed:
    try:
        size = os.stat(path).st_size  # noqa: PTH116
    except (OSError, ValueError):
        size = None  # whoever reads it says why
    return _named(path, path)._replace(size=size)


def _is_wanted(name: str) -> bool:
    return os.path.splitext(name)[1].lower() in SUFFIXES or is_tar(name)  # noqa: PTH122


def _nothing(what: str, name: str) -> str:
    return (
        f"{what} {name} holds no recordings. Known by their ending are wav, flac, mp3, ogg, m4a, mp4, tar and others."
    )


# --- addresses ---


def _addressed(address: str) -> Iterator[Listed]:
    """The recordings behind an address: of a folder or a pattern those with a known ending, else the one thing."""
    fs, path = _reached(address)
    found = False
    try:
        fs.invalidate_cache()
        if glob.has_magic(path):
            names = sorted(fs.glob(path))
            found_here: Iterable[tuple[str, int | None]] = (
                (name, None) for name in names if _is_wanted(name) and "/." not in name
            )
        elif is_tar(path) or not fs.isdir(path):
            if not fs.exists(path):
                raise ConfigError(f"There is nothing at {address}. Check the address.")
            found_here = [(path, None)]
        else:
            found_here = _walked(fs, path)
        for name, size in found_here:
            found = True
            shown = fs.unstrip_protocol(name)
            yield _named(shown, shown)._replace(size=size)
    except ConfigError:
        raise
    except Exception as error:  # each kind of address has errors of its own
        raise ConfigError(
            f"{address} can't be listed ({words(error)}). Check the address and the connection."
        ) from error
    if not found:
        raise ConfigError(_nothing("The address", address))


def _walked(fs: Any, path: str) -> Iterator[tuple[str, int | None]]:
    """Names and sizes below a folder, one folder after the other."""
    for folder, folders, files in fs.walk(path, detail=True, on_error="raise"):
        for name in sorted(folders):
            if name.startswith("."):
                del folders[name]
        inner = dict(sorted(folders.items()))
        folders.clear()
        folders.update(inner)
        for name in sorted(files):
            if _is_wanted(name) and not name.startswith("."):
                yield f"{folder.rstrip('/')}/{name}", files[name].get("size")


def _reached(address: str) -> tuple[Any, str]:
    try:
        return filesystem(address)
    except AudioError as error:
        raise ConfigError(str(error)) from error


# --- lists and tables ---


@contextmanager
def _bytes(name: str) -> Iterator[IO[bytes]]:
    try:
        with reading.opened(name) as stream:
            yield stream
    except AudioError as error:
        raise ConfigError(str(error)) from error


@contextmanager
def _text(name: str) -> Iterator[io.TextIOWrapper]:
    with _bytes(name) as stream, io.TextIOWrapper(stream, "utf-8-sig", "surrogateescape", newline="") as text:
        yield text


def _csv_columns(name: str) -> dict[str, Any]:
    text = pyarrow().string()
    with _text(name) as lines:
        return dict.fromkeys(csv.DictReader(lines).fieldnames or (), text)


def _csv_rows(name: str) -> Iterator[dict[str, Any]]:
    with _text(name) as lines:
        reader = csv.DictReader(lines, restval="")
        try:
            for row in reader:
                row.pop(None, None)
                yield {column: _printable(cell) if column != "file" else cell for column, cell in row.items()}
        except csv.Error as error:
            raise ConfigError(f"{name}, line {reader.line_num}, isn't CSV ({error}). Write the table again.") from error


def _parquet_columns(name: str) -> dict[str, Any]:
    arrow = pyarrow()
    with _parquet_file(name) as file:
        schema = file.schema_arrow
    for column in schema:
        if arrow.types.is_nested(column.type) and column.name not in ("file", "start", "end"):
            raise ConfigError(f"The column {column.name!r} of {name} holds {column.type}. Leave it out of the table.")
    return {column.name: _plain(arrow, column.type) for column in schema}


def _plain(arrow: Any, kind: Any) -> Any:
    """The type, without the ways pandas has of keeping a few words."""
    if arrow.types.is_dictionary(kind):
        kind = kind.value_type
    return arrow.string() if arrow.types.is_large_string(kind) or arrow.types.is_null(kind) else kind


def _parquet_rows(name: str) -> Iterator[dict[str, Any]]:
    with _parquet_file(name) as file:
        for batch in file.iter_batches(_ROWS):
            yield from batch.to_pylist()


@contextmanager
def _parquet_file(name: str) -> Iterator[Any]:
    arrow = pyarrow()
    with _bytes(name) as stream:
        try:
            yield parquet().ParquetFile(stream)
        except (arrow.ArrowException, OSError) as error:
            raise ConfigError(f"{name} can't be read as Parquet ({words(error)}). Write it again.") from error
