"""JSON: one document for a recording, or one line for each segment."""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

from emotone.errors import ConfigError
from emotone.formats._about import About
from emotone.segment import Segment

__all__ = ["document", "json_line", "lines", "read_document", "read_lines"]


def json_line(file: str | None, segment: Segment) -> str:
    """A segment as one line of JSON, with the name of its recording if there is one."""
    named = {} if file is None else {"file": file}
    return _dumped({**named, **segment.as_dict()}) + "\n"


def lines(segments: Sequence[Segment], about: About) -> Iterator[str]:
    """A line for each segment."""
    for segment in segments:
        yield json_line(about.file_of(segment), segment)


def document(segments: Sequence[Segment], about: About) -> Iterator[str]:
    """``{"file": ..., "duration": ..., "segments": [...]}``, a line for each segment."""
    yield f'{{"file": {_dumped(about.file)}, "duration": {_dumped(about.duration)}, "segments": ['
    for place, segment in enumerate(segments):
        yield ("," if place else "") + "\n" + _dumped(segment.as_dict())
    yield "\n]}\n"


def read_document(path: Path) -> list[Segment]:
    """The segments of a `document`; its ``file`` is their source."""
    try:
        data = json.loads(path.read_text(encoding="utf-8-sig"))
    except (json.JSONDecodeError, RecursionError) as error:
        raise ConfigError(f"{path} isn't JSON: {error}. A file with one document a line ends in .jsonl.") from error
    segments = data.get("segments") if isinstance(data, dict) else None
    if not isinstance(segments, list):
        raise ConfigError(f'{path} isn\'t a timeline: it needs "segments" with a list, as `emotone timeline` writes.')
    file = {"file": data["file"]} if data.get("file") else {}
    return [_segment(f"{path}, segment {n}", item, **file) for n, item in enumerate(segments, start=1)]


def read_lines(path: Path) -> list[Segment]:
    """The segments of `lines`; empty lines are passed over."""
    found = []
    with path.open(encoding="utf-8-sig") as file:
        for n, line in enumerate(file, start=1):
            if not line.strip():
                continue
            try:
                data = json.loads(line)
            except (json.JSONDecodeError, RecursionError) as error:
                raise ConfigError(f"{path}, line {n} isn't JSON: {error}.") from error
            found.append(_segment(f"{path}, line {n}", data))
    return found


def _segment(where: str, data: Any, **more: str) -> Segment:
    if not isinstance(data, dict):
        raise ConfigError(f"{where} isn't a segment, but {data!r}.")
    try:
        return Segment.from_dict({**more, **data})
    except ConfigError as error:
        raise ConfigError(f"{where}: {error}") from error


def _dumped(data: Any) -> str:
    return json.dumps(data, ensure_ascii=False, allow_nan=False)
