"""Segments and sentences as bytes of an answer: JSON, or one of the formats that timelines are exported in."""

from __future__ import annotations

import json
import re
import tempfile
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any
from urllib.parse import quote

from starlette.responses import Response

from emotone import formats
from emotone.recogniser import Recogniser
from emotone.segment import Segment
from emotone.server.refusal import Refusal

__all__ = ["LIST", "as_json", "exported", "failure", "in_header", "known_format"]

LIST = "json"
"""Of a timeline, this is a list of segments; of an export, the document that `emotone.formats` reads."""

_TYPES = {
    "json": "application/json",
    "jsonl": "application/x-ndjson",
    "csv": "text/csv; charset=utf-8",
    "textgrid": "text/plain; charset=utf-8",
    "audacity": "text/plain; charset=utf-8",
    "vtt": "text/vtt; charset=utf-8",
    "rttm": "text/plain; charset=utf-8",
    "parquet": "application/vnd.apache.parquet",
}
_ENDINGS = {"textgrid": ".TextGrid"}


def as_json(document: Any, status: int = 200, headers: Mapping[str, str] | None = None) -> Response:
    """``document`` as JSON."""
    content = json.dumps(document, ensure_ascii=False, allow_nan=False, separators=(",", ":")).encode()
    return Response(content, status, dict(headers or {}), "application/json")


def failure(refusal: Refusal) -> Response:
    """A refusal as JSON."""
    return as_json({"error": str(refusal)}, refusal.status, refusal.headers)


def known_format(name: str) -> str:
    """``name``, if it is a format that can be written here. Raises `ConfigError` or `MissingExtra` if not."""
    return formats.format_of("timeline", format=name)


def exported(segments: Sequence[Segment], format: str, *, name: str, recogniser: Recogniser | None = None) -> Response:  # noqa: A002
    """A file of ``segments`` to be saved as ``name`` with the format's ending. Raises `ConfigError` for segments that
    the format can't hold."""
    told: dict[str, Any] = {"source": name}
    if recogniser is not None:
        told |= {"labels": recogniser.labels, "dimensions": tuple(recogniser.dimensions)}
    if formats.FORMATS[format].is_text:
        content = formats.dumps(segments, format, **told).encode("utf-8", "replace")
    else:
        with tempfile.TemporaryDirectory() as folder:
            content = formats.write(segments, Path(folder) / "timeline", format=format, **told).read_bytes()
    ending = _ENDINGS.get(format, formats.FORMATS[format].suffixes[0])
    return Response(content, 200, {"Content-Disposition": _attachment(name + ending)}, _TYPES[format])


def in_header(sentence: str) -> str:
    """A sentence for a header, where only some characters may stand: the others are percent-encoded."""
    return quote(sentence, safe=" ,.;:'()/?=")


def _attachment(name: str) -> str:
    """The header that has browsers save the answer under ``name``."""
    plain = re.sub(r"[^A-Za-z0-9._ -]", "_", name)
    return f"attachment; filename=\"{plain}\"; filename*=UTF-8''{quote(name, safe='')}"
