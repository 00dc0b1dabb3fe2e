"""Timelines as files: for programs (JSON, CSV, Parquet), for phoneticians (Praat), for editors and players (Audacity,
WebVTT) and for those who evaluate (RTTM).

::

    formats.write(recogniser.timeline("call.wav"), "call.TextGrid")
    formats.read("call.json")

The file's ending says which format is meant. Times are written such that they are read back exact to the sample, but
for WebVTT, which knows only milliseconds. What JSON, JSON lines, CSV and Parquet hold reads back as equal segments.
"""

from __future__ import annotations

import io
import os
import secrets
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TextIO

from emotone.errors import ConfigError, require, unknown
from emotone.formats import _json, _marks, _parquet, _rttm, _table, _textgrid
from emotone.formats._about import About
from emotone.formats._json import json_line
from emotone.formats._rttm import read_rttm
from emotone.formats._table import csv_rows
from emotone.segment import Segment

__all__ = [
    "FORMATS",
    "Format",
    "csv_rows",
    "dump",
    "dumps",
    "format_of",
    "json_line",
    "names",
    "read",
    "read_rttm",
    "write",
]


@dataclass(frozen=True)
class Format:
    """A way to write segments."""

    title: str
    suffixes: tuple[str, ...]
    """In lower case, whatever their writers prefer."""
    pieces: Callable[[Sequence[Segment], About], Iterator[str] | Iterator[bytes]]
    read: Callable[[Path], list[Segment]] | None = None
    is_text: bool = True
    several: bool = False
    """Whether a file can hold segments of several recordings."""


FORMATS = {
    "json": Format("JSON, one document", (".json",), _json.document, _json.read_document),
    "jsonl": Format(
        "JSON, a line for each segment", (".jsonl", ".ndjson"), _json.lines, _json.read_lines, several=True
    ),
    "csv": Format("CSV table", (".csv",), _table.pieces, _table.read, several=True),
    "textgrid": Format("Praat TextGrid", (".textgrid",), _textgrid.pieces),
    "audacity": Format("Audacity labels", (".txt",), _marks.audacity),
    "vtt": Format("WebVTT subtitles", (".vtt",), _marks.webvtt),
    "rttm": Format("RTTM, with emotions for speakers", (".rttm",), _rttm.pieces, several=True),
    "parquet": Format("Parquet table", (".parquet",), _parquet.pieces, _parquet.read, is_text=False, several=True),
}
"""Every format by its name."""


def names() -> tuple[str, ...]:
    """The names of the formats."""
    return tuple(FORMATS)


def format_of(path: str | os.PathLike[str], *, format: str | None = None) -> str:  # noqa: A002 - the option's name
    """The name of the format to write ``path`` in: ``format``, or what the path's ending says.

    Raises `ConfigError` for an unknown one and `MissingExtra` for Parquet without pyarrow: to be asked before hours of
    work.
    """
    if format is None:
        suffix = Path(path).suffix.lower()
        format = next((name for name, known in FORMATS.items() if suffix in known.suffixes), None)  # noqa: A001
    if format is None:
        endings = ", ".join(ending for known in FORMATS.values() for ending in known.suffixes)
        raise ConfigError(
            f"{path} doesn't say by its ending which format is meant. Known endings: {endings}. Or name one of the "
            f"formats: {', '.join(FORMATS)}."
        )
    if format not in FORMATS:
        raise unknown("format", format, FORMATS)
    if format == "parquet":
        require("pyarrow", extra="train")
    return format


def write(
    segments: Iterable[Segment],
    path: str | os.PathLike[str],
    *,
    format: str | None = None,  # noqa: A002
    source: str | os.PathLike[str] | None = None,
    duration: float | None = None,
    labels: Sequence[str] = (),
    dimensions: Sequence[str] = (),
) -> Path:
    """Write ``segments`` into the file ``path``, making its folder; returns the path.

    ``source`` names the recording, where the segments don't or another name is wanted. ``duration`` is its length in
    seconds, where it is longer than to the end of the last segment. In tables, ``labels`` and ``dimensions`` get a
    column also where no segment has a value, so that all tables of a recogniser have the same.

    The file appears whole or not at all. Raises `ConfigError` for an unknown format, a place that can't be written to,
    segments of several recordings where the format is for one, and overlapping ones in a TextGrid; `MissingExtra` for
    Parquet without pyarrow.
    """
    target, name = Path(path), format_of(path, format=format)
    pieces = _pieces(
        segments, name, source=source, duration=duration, labels=tuple(labels), dimensions=tuple(dimensions)
    )
    try:
        target.parent.mkdir(parents=True, exist_ok=True)
        _write_whole(target, pieces)
    except OSError as error:
        raise ConfigError(f"{target} can't be written: {error.strerror or error}.") from error
    return target


def dump(
    segments: Iterable[Segment],
    stream: TextIO,
    format: str,  # noqa: A002
    *,
    source: str | os.PathLike[str] | None = None,
    duration: float | None = None,
    labels: Sequence[str] = (),
    dimensions: Sequence[str] = (),
) -> None:
    """Write ``segments`` to an open text stream, as `write` does to a file. Raises `ConfigError` as that does, and for
    a format that isn't text."""
    if format not in FORMATS:
        raise unknown("format", format, FORMATS)
    if not FORMATS[format].is_text:
        raise ConfigError(f"{FORMATS[format].title} isn't text. Write it into a file.")
    for piece in _pieces(
        segments, format, source=source, duration=duration, labels=tuple(labels), dimensions=tuple(dimensions)
    ):
        stream.write(str(piece))


def dumps(
    segments: Iterable[Segment],
    format: str,  # noqa: A002
    *,
    source: str | os.PathLike[str] | None = None,
    duration: float | None = None,
    labels: Sequence[str] = (),
    dimensions: Sequence[str] = (),
) -> str:
    """``segments`` as text, as `write` puts it into a file. Raises `ConfigError` as `dump` does."""
    stream = io.StringIO()
    dump(segments, stream, format, source=source, duration=duration, labels=labels, dimensions=dimensions)
    return stream.getvalue()


def read(path: str | os.PathLike[str], *, format: str | None = None) -> list[Segment]:  # noqa: A002
    """The segments of a file of JSON, JSON lines, CSV or Parquet, equal to those that were written.

    What `emotone predict --json` and ``--csv`` print is read, too. Raises `ConfigError` for a format that doesn't hold
    all of a segment, a file that can't be read, and for what isn't a segment, naming its line.
    """
    name = format_of(path, format=format)
    reader = FORMATS[name].read
    if reader is None:
        able = ", ".join(name for name, known in FORMATS.items() if known.read)
        raise ConfigError(f"{path}: {FORMATS[name].title} doesn't hold all of a segment. Read one of {able}.")
    try:
        return reader(Path(path))
    except UnicodeDecodeError as error:
        raise ConfigError(f"{path} isn't {FORMATS[name].title}: it isn't UTF-8 text ({error.reason}).") from error
    except OSError as error:
        raise ConfigError(f"{path} can't be read: {error.strerror or error}.") from error


def _pieces(
    segments: Iterable[Segment],
    name: str,
    *,
    source: str | os.PathLike[str] | None,
    duration: float | None,
    labels: tuple[str, ...],
    dimensions: tuple[str, ...],
) -> Iterator[str] | Iterator[bytes]:
    segments = list(segments)
    recordings = {segment.source for segment in segments}
    if source is None and len(recordings) > 1 and not FORMATS[name].several:
        able = ", ".join(name for name, known in FORMATS.items() if known.several)
        raise ConfigError(
            f"{FORMATS[name].title} holds one recording, and there are segments of {len(recordings)}. Write a file for "
            f"each, or one of {able}."
        )
    about = About.of(segments, source=source, duration=duration, labels=labels, dimensions=dimensions)
    return FORMATS[name].pieces(segments, about)


def _write_whole(target: Path, pieces: Iterator[str] | Iterator[bytes]) -> None:
    if target.exists() and not target.is_file():  # a pipe, or /dev/stdout: nothing to put in its place
        with target.open("wb") as stream:
            stream.writelines(map(_encoded, pieces))
        return
    target = target.resolve()  # what a link points to, not the link
    half = target.with_name(f".{target.name}-{secrets.token_hex(4)}")
    try:
        with half.open("xb") as stream:
            stream.writelines(map(_encoded, pieces))
        half.replace(target)
    except BaseException:
        half.unlink(missing_ok=True)
        raise


def _encoded(piece: str | bytes) -> bytes:
    return piece if isinstance(piece, bytes) else piece.encode("utf-8", "replace")
