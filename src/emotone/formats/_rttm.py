"""RTTM, the lines that diarisation is written in: emotions out, and speakers' turns in.

A line has ten fields: type, file, channel from 1 on, start, duration, orthography, subtype, name, confidence and
look-ahead time; see appendix A of NIST's RT-09 evaluation plan. Older tools leave out the last.
"""

from __future__ import annotations

import math
import os
from collections.abc import Iterator, Sequence
from decimal import Decimal
from pathlib import Path

from emotone.errors import ConfigError
from emotone.formats._about import About, one_line, seconds
from emotone.segment import Segment

__all__ = ["pieces", "read_rttm"]

Turn = tuple[float, float, str]

_NONE = "<NA>"


def pieces(segments: Sequence[Segment], about: About) -> Iterator[str]:
    """A ``SPEAKER`` line for each segment with an emotion, which stands where speakers have their names.

    The file is the recording's name without its ending, as diarisation tools have it, and with ``_`` for blanks.
    Raises `ConfigError` for segments that have dimensions alone.
    """
    if about.dimensions and not about.labels:
        raise ConfigError(
            f"RTTM holds names, and these segments have only {' and '.join(about.dimensions)}. Write json, csv or "
            "textgrid."
        )
    for segment in sorted(segments, key=lambda segment: (segment.channel or 0, segment.start)):
        if segment.emotion is not None:
            file = about.file_of(segment)
            fields = (
                *("SPEAKER", _word(Path(file).stem if file else "recording"), str((segment.channel or 0) + 1)),
                *(seconds(segment.start), _duration(segment), _NONE, _NONE),
                *(_word(segment.emotion), seconds(segment.confidence), _NONE),
            )
            yield " ".join(fields) + "\n"


def _duration(segment: Segment) -> str:
    """Such that it and the start, added as decimals, give the end exactly."""
    return f"{Decimal(repr(float(segment.end))) - Decimal(repr(float(segment.start))):f}"


def _word(text: str) -> str:
    return one_line(text).replace(" ", "_") or "_"


def read_rttm(path: str | os.PathLike[str], *, file: str | None = None) -> list[Turn]:
    """The turns of an RTTM file, ``(start, end, speaker)`` in seconds, in the order of time.

    Where it tells of several recordings, ``file`` says which is meant: its name, with or without folder and ending.
    Lines that aren't of type ``SPEAKER`` are passed over. Raises `ConfigError` for a file that can't be read, naming
    the line that isn't RTTM, and for an unclear or unknown ``file``.
    """
    turns: dict[str, list[Turn]] = {}
    for number, line in enumerate(_lines(Path(path)), start=1):
        fields = line.split()
        if fields and fields[0] == "SPEAKER":
            turns.setdefault(fields[1] if len(fields) > 1 else "", []).append(_turn(f"{path}, line {number}", fields))
        elif fields and not fields[0].startswith(";") and len(fields) < 8:
            raise ConfigError(f"{path}, line {number} isn't RTTM: {line.strip()[:60]!r}.")
    chosen = _chosen(turns, file, path)
    return sorted(turns.get(chosen, []))


def _lines(path: Path) -> list[str]:
    try:
        return path.read_text(encoding="utf-8-sig").split("\n")
    except UnicodeDecodeError as error:
        raise ConfigError(f"{path} isn't RTTM: it isn't UTF-8 text ({error.reason}).") from error
    except OSError as error:
        raise ConfigError(f"{path} can't be read: {error.strerror or error}.") from error


def _turn(where: str, fields: list[str]) -> Turn:
    if len(fields) < 9:
        raise ConfigError(f"{where} has {len(fields)} fields, where RTTM has 10 (9 in old files).")
    try:
        start, duration = float(fields[3]), float(fields[4])
    except ValueError as error:
        raise ConfigError(f"{where}: start and duration must be numbers, not {fields[3]} and {fields[4]}.") from error
    if not (start >= 0 and duration > 0 and math.isfinite(start + duration)):
        raise ConfigError(
            f"{where}: a turn starts at 0 s or later and lasts more than 0 s, not {fields[4]} s from {fields[3]} s on."
        )
    return start, float(Decimal(fields[3]) + Decimal(fields[4])), fields[7]


def _chosen(turns: dict[str, list[Turn]], file: str | None, path: str | os.PathLike[str]) -> str:
    known = ", ".join(sorted(turns)[:5]) + (", ..." if len(turns) > 5 else "")
    if file is not None and turns:
        names = [file, _word(Path(file).name), _word(Path(file).stem)]
        found = next((name for name in names if name in turns), None)
        if found is None:
            raise ConfigError(f"{path} tells nothing of {file}, only of {known}.")
        return found
    if len(turns) > 1:
        raise ConfigError(f"{path} tells of {len(turns)} recordings: {known}. Say which one is meant.")
    return next(iter(turns), "")
