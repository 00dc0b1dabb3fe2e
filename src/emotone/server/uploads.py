"""Bodies of requests into files that have no name, so that nothing of them is left whatever happens.

A small one lies in memory (memfd), a large one in a file that was never linked into a folder. The limit on its size
holds while it comes in: not a byte more is kept.
"""

from __future__ import annotations

import asyncio
import os
import sys
import tempfile
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import IO, Any

from fastapi import Request
from python_multipart.exceptions import FormParserError
from python_multipart.multipart import MultipartParser, parse_options_header
from starlette.requests import ClientDisconnect

from emotone.server.refusal import Refusal, busy
from emotone.server.settings import Settings

__all__ = ["Spool", "Upload", "body", "received"]

_SMALL = 4 << 20  # bytes that are kept in memory
_OVERHEAD = 64 << 10  # bytes of multipart's own
_MOST_FILES = 32  # in a form


class Spool:
    """How many bytes of uploads there are, all together."""

    def __init__(self, settings: Settings) -> None:
        self.folder = settings.spool_folder or None
        self._most = settings.max_spool_bytes
        self.n_bytes = 0

    def take(self, n_bytes: int) -> None:
        """Raises `Refusal` where it is full."""
        if self.n_bytes + n_bytes > self._most:
            raise busy("There is no room for more recordings just now.", 5)
        self.n_bytes += n_bytes


class Upload:
    """A recording that came in, as an open file."""

    def __init__(self, spool: Spool, size: int | None) -> None:
        """``size`` is how large it is said to become."""
        self._spool, self.size = spool, 0
        self._file: IO[bytes]
        if size is not None and size <= _SMALL and hasattr(os, "memfd_create"):
            self._file = os.fdopen(os.memfd_create("recording"), "wb", buffering=0)
        elif sys.platform == "linux":
            self._file = tempfile.TemporaryFile(dir=spool.folder, buffering=0)  # noqa: SIM115 - as long as the upload
        else:
            self._file = tempfile.NamedTemporaryFile(dir=spool.folder, buffering=0)  # noqa: SIM115

    @property
    def descriptor(self) -> int:
        """Of the open file."""
        return self._file.fileno()

    def write(self, content: bytes | memoryview) -> None:
        """Add to it."""
        self._spool.take(len(content))
        self.size += len(content)
        try:
            n_written = self._file.write(content)
        except OSError:
            n_written = 0
        if n_written < len(content):
            raise Refusal(503, "There is no room on the disk for recordings just now.", retry_after=30)

    def close(self) -> None:
        """Give it up: nothing is left."""
        self._spool.n_bytes -= self.size
        self.size = 0
        self._file.close()


@asynccontextmanager
async def received(request: Request, spool: Spool, settings: Settings) -> AsyncIterator[list[Upload]]:
    """The recordings in a request: its raw body, or the fields of a form that are called ``file``. At least one; they
    are gone when the block ends, unless taken out of the list.

    Raises `Refusal` for bodies that are too large, too slow, empty, or forms without such a field.
    """
    uploads: list[Upload] = []
    try:
        kind, options = parse_options_header(request.headers.get("content-type", ""))
        pieces = body(request, settings, settings.max_upload_bytes)
        if kind == b"multipart/form-data":
            await _form(pieces, options.get(b"boundary", b""), _Form(uploads, spool, _declared(request)))
        else:
            await _raw(pieces, _declared(request), uploads, spool)
        if not any(upload.size for upload in uploads):
            raise Refusal(
                400, "There is no recording in the request. Send it as the body, or as the field `file` of a form."
            )
        yield uploads
    finally:
        for upload in uploads:
            upload.close()


async def body(request: Request, settings: Settings, limit: int) -> AsyncIterator[bytes]:
    """The pieces of a request's body. Raises `Refusal`: 413 beyond ``limit`` bytes, 408 if it comes too slowly."""
    most = limit + _OVERHEAD
    if (_declared(request) or 0) > most:
        raise _too_large(limit)
    n_bytes = 0
    pieces = request.stream().__aiter__()
    end = time.monotonic() + settings.upload_seconds
    while True:
        try:
            async with asyncio.timeout(min(settings.idle_seconds, end - time.monotonic())):
                piece = await anext(pieces, None)
        except TimeoutError:
            raise Refusal(408, "The recording came too slowly, or stopped coming. Send it again.") from None
        except ClientDisconnect:
            raise Refusal(400, "The request broke off.") from None
        if piece is None:
            return
        n_bytes += len(piece)
        if n_bytes > most:
            raise _too_large(limit)
        if piece:
            yield piece


def _too_large(limit: int) -> Refusal:
    return Refusal(413, f"The request has more than {limit:,} bytes, which is the most that is taken.")


def _declared(request: Request) -> int | None:
    length = request.headers.get("content-length", "")
    return int(length) if length.isdecimal() else None


async def _raw(pieces: AsyncIterator[bytes], size: int | None, uploads: list[Upload], spool: Spool) -> None:
    upload: Upload | None = None
    async for piece in pieces:
        if upload is None:
            upload = Upload(spool, size)
            uploads.append(upload)
        upload.write(piece)


async def _form(pieces: AsyncIterator[bytes], boundary: bytes, form: _Form) -> None:
    try:
        parser = MultipartParser(boundary, form.callbacks)  # type: ignore[arg-type]
        async for piece in pieces:
            parser.write(piece)
        parser.finalize()
    except (FormParserError, ValueError) as error:
        raise Refusal(400, "The form can't be read: it isn't multipart/form-data as its header says.") from error
    if not form.is_whole:
        raise Refusal(400, "The form breaks off before its end.")


class _Form:
    """Takes the files out of a form, piece by piece. What else is in it is left out."""

    def __init__(self, uploads: list[Upload], spool: Spool, size: int | None) -> None:
        self._uploads, self._spool, self._size = uploads, spool, size
        self._header, self._value, self._name = b"", b"", b""
        self._upload: Upload | None = None
        self.is_whole = False

    @property
    def callbacks(self) -> dict[str, Any]:
        """For the parser."""
        return {
            "on_part_begin": self._part_begin,
            "on_header_field": self._header_field,
            "on_header_value": self._header_value,
            "on_header_end": self._header_end,
            "on_headers_finished": self._headers_finished,
            "on_part_data": self._part_data,
            "on_end": self._end,
        }

    def _part_begin(self) -> None:
        self._name, self._upload = b"", None

    def _header_field(self, data: bytes, start: int, end: int) -> None:
        self._header += data[start:end]

    def _header_value(self, data: bytes, start: int, end: int) -> None:
        self._value += data[start:end]

    def _header_end(self) -> None:
        if self._header.lower() == b"content-disposition":
            self._name = parse_options_header(self._value)[1].get(b"name", b"")
        self._header = self._value = b""

    def _headers_finished(self) -> None:
        if self._name == b"file":
            if len(self._uploads) >= _MOST_FILES:
                raise Refusal(413, f"There are more than {_MOST_FILES} files in the form.")
            self._upload = Upload(self._spool, self._size)
            self._uploads.append(self._upload)

    def _part_data(self, data: bytes, start: int, end: int) -> None:
        if self._upload is not None:
            self._upload.write(memoryview(data)[start:end])

    def _end(self) -> None:
        self.is_whole = True
