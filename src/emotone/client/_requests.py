"""What goes to a server and comes back: bodies of requests, answers, and the errors that refusals become."""

from __future__ import annotations

import http.client
import json
import os
import struct
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import IO, TYPE_CHECKING, Any, TypeAlias

from emotone.errors import AudioError, ConfigError, EmotoneError

if TYPE_CHECKING:
    from emotone.audio import Signal

Source: TypeAlias = "str | os.PathLike[str] | bytes | Signal"

RATE = 16_000
"""Samples a second of a signal."""

RETRY_AFTER = 1.0
"""Seconds after which a busy server is asked again, where it says nothing about it."""


class ServerError(EmotoneError, OSError):
    """A server that can't be reached, that refused, or that answers as no emotone server does."""

    def __init__(self, message: str, *, status: int | None = None) -> None:
        super().__init__(message)
        self.status = status
        """The HTTP status of the refusal; None where there was no answer, and on streams."""


@dataclass(frozen=True)
class Body:
    """What is sent. A file is read while it is sent, and again when it is sent again."""

    content: bytes | Path
    kind: str = "application/octet-stream"

    @property
    def headers(self) -> dict[str, str]:
        if not self.content:
            return {}
        try:
            size = len(self.content) if isinstance(self.content, bytes) else self.content.stat().st_size
        except OSError as error:
            raise unreadable(self.content, error) from error
        return {"Content-Type": self.kind, "Content-Length": str(size)}

    @contextmanager
    def open(self) -> Iterator[bytes | IO[bytes] | None]:
        if isinstance(self.content, bytes):
            yield self.content or None
            return
        try:
            file = self.content.open("rb")
        except OSError as error:
            raise unreadable(self.content, error) from error
        with file:
            yield file


NOTHING = Body(b"")


@dataclass(frozen=True)
class Answer:
    status: int
    headers: Mapping[str, str]
    content: bytes

    @property
    def retry_after(self) -> float:
        """Seconds after which to ask again."""
        said = self.header("Retry-After")
        return float(said) if said.isdecimal() else RETRY_AFTER

    def header(self, name: str) -> str:
        """A header's value, empty if there is none."""
        return {key.lower(): value for key, value in self.headers.items()}.get(name.lower(), "")

    @property
    def sentence(self) -> str:
        """What the server says is wrong."""
        try:
            return str(json.loads(self.content)["error"])
        except (ValueError, TypeError, KeyError):
            return f"{self.status} {http.client.responses.get(self.status, '')}".rstrip()

    def json(self, server: str) -> Any:
        try:
            return json.loads(self.content)
        except ValueError as error:
            raise ServerError(f"{server} doesn't answer as an emotone server does. See whether it is one.") from error

    def error(self, server: str) -> EmotoneError:
        """The error that the library would raise for the same reason, or a `ServerError`."""
        if self.status in (413, 415, 422):
            return AudioError(self.sentence)
        if self.status in (400, 404, 409):
            return ConfigError(self.sentence)
        cure = " Give the server's token: Client(url, token=...)." if self.status == 401 else ""
        return ServerError(f"{server}: {self.sentence}{cure}", status=self.status)


def body_of(source: Source) -> Body:
    return Body(Path(source)) if isinstance(source, str | os.PathLike) else Body(content_of(source))


def content_of(source: Source) -> bytes:
    """The bytes of a recording; a signal's as a WAV file of floats."""
    if isinstance(source, bytes):
        return source
    if isinstance(source, str | os.PathLike):
        try:
            return Path(source).read_bytes()
        except OSError as error:
            raise unreadable(source, error) from error
    samples = samples_of(source, "f32le")
    form = struct.pack("<4sIHHIIHH", b"fmt ", 16, 3, 1, RATE, 4 * RATE, 4, 32)
    size = struct.pack("<4sI", b"data", len(samples))
    return struct.pack("<4sI4s", b"RIFF", 4 + len(form) + 8 + len(samples), b"WAVE") + form + size + samples


def samples_of(signal: Signal, encoding: str) -> bytes:
    """Samples as ``encoding`` stores them."""
    import numpy as np

    kind = np.asarray(signal)
    if kind.dtype.kind != "f" or kind.ndim not in (1, 2):
        raise AudioError(
            f"Sound is a path, bytes, or float samples, not {kind.dtype} with the shape {kind.shape}. Turn samples "
            "into a signal: emotone.audio.convert(samples, rate)."
        )
    if encoding == "s16le":
        return np.rint(np.clip(kind, -1.0, 32767 / 32768) * 32768).astype("<i2").tobytes()
    return kind.astype("<f4").tobytes()


def part(content: bytes, boundary: str) -> bytes:
    """A field of a form. The name is always the same, since files' own names say too much about people."""
    head = (
        f"--{boundary}\r\n"
        'Content-Disposition: form-data; name="file"; filename="recording"\r\n'
        "Content-Type: application/octet-stream\r\n\r\n"
    )
    return head.encode() + content + b"\r\n"


def unreadable(path: Any, error: OSError) -> AudioError:
    return AudioError(f"{path} can't be read: {error.strerror or error}.")


def why(error: Exception) -> str:
    """What a failure says of itself, without a full stop."""
    text = getattr(error, "strerror", None) or str(error) or type(error).__name__
    return str(text).rstrip(".")
