"""WebSocket frames and HTTP requests as bytes: for clients that must cost next to nothing, and for rude ones.

Frames of a client are masked (RFC 6455, section 5.3). With a key of zeros, masking changes nothing, so that a frame can
be made once and sent by many.
"""

from __future__ import annotations

import base64
import json
import os
import struct
from collections.abc import Iterator

TEXT, BINARY, CLOSE, PING, PONG = 1, 2, 8, 9, 10


def upgrade(host: str, *, path: str = "/v1/stream", headers: str = "") -> bytes:
    """The request that begins a WebSocket."""
    key = base64.b64encode(os.urandom(16)).decode()
    return (
        f"GET {path} HTTP/1.1\r\nHost: {host}\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
        f"Sec-WebSocket-Key: {key}\r\nSec-WebSocket-Version: 13\r\n{headers}\r\n"
    ).encode()


def frame(kind: int, content: bytes) -> bytes:
    """A whole message from a client."""
    size = len(content)
    if size < 126:
        head = struct.pack("!BB", 0x80 | kind, 0x80 | size)
    elif size < 1 << 16:
        head = struct.pack("!BBH", 0x80 | kind, 0x80 | 126, size)
    else:
        head = struct.pack("!BBQ", 0x80 | kind, 0x80 | 127, size)
    return head + bytes(4) + content


def start(**settings: object) -> bytes:
    """The first message of a stream of 16-bit samples at 16 kHz, or as the ``settings`` say."""
    told = {"type": "start", "encoding": "s16le", "rate": 16_000, "channels": 1, **settings}
    return frame(TEXT, json.dumps(told).encode())


STOP = frame(TEXT, b'{"type": "stop"}')


class Frames:
    """What a server sent, message by message, out of bytes in pieces of any size."""

    def __init__(self) -> None:
        self._bytes = bytearray()

    def feed(self, content: bytes) -> Iterator[tuple[int, bytes]]:
        """Kind and content of each message that is whole by now; servers don't mask theirs."""
        self._bytes += content
        while len(self._bytes) >= 2:
            size, first = self._bytes[1] & 0x7F, 2
            if size == 126:
                size, first = int.from_bytes(self._bytes[2:4], "big"), 4
            elif size == 127:
                size, first = int.from_bytes(self._bytes[2:10], "big"), 10
            if len(self._bytes) < first + size:
                return
            kind, message = self._bytes[0] & 0x0F, bytes(self._bytes[first : first + size])
            del self._bytes[: first + size]
            yield kind, message


def post(host: str, path: str, content: bytes, *, kind: str = "application/octet-stream", headers: str = "") -> bytes:
    """An HTTP request with a body."""
    about = f"Host: {host}\r\nContent-Type: {kind}\r\nContent-Length: {len(content)}\r\n{headers}"
    return f"POST {path} HTTP/1.1\r\n{about}\r\n".encode() + content


class Responses:
    """HTTP answers out of bytes in pieces of any size: status, headers in lower case, body."""

    def __init__(self) -> None:
        self._bytes = bytearray()

    def feed(self, content: bytes) -> Iterator[tuple[int, dict[str, str], bytes]]:
        """Those that are whole by now. They must tell their length."""
        self._bytes += content
        while (end := self._bytes.find(b"\r\n\r\n")) >= 0:
            first, *lines = self._bytes[:end].decode("latin-1").split("\r\n")
            pairs = (line.partition(":")[::2] for line in lines)
            headers = {name.strip().lower(): value.strip() for name, value in pairs}
            size = int(headers.get("content-length", 0))
            if len(self._bytes) < end + 4 + size:
                return
            body = bytes(self._bytes[end + 4 : end + 4 + size])
            del self._bytes[: end + 4 + size]
            yield int(first.split()[1]), headers, body
