"""The process that decodes what strangers send: it is started with a socket, confines itself, and does task after task.

It knows no network, no recogniser and no token, and sees a recording only as an open file without a name. Sound leaves
it in blocks, so memory stays the same however long a recording is or pretends to be.
"""

from __future__ import annotations

import io
import json
import os
import socket
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np

from emotone import audio, decoding
from emotone.errors import AudioError
from emotone.server import confinement
from emotone.server.frames import (
    BEGIN,
    CONTENT,
    DONE,
    ERROR,
    HEAD,
    LIVE,
    READY,
    RECORDING,
    SOUND,
    TASK,
    Task,
    framed,
)

__all__ = ["main", "serve"]


def main() -> None:
    """``python -m emotone.server.decoder SOCKET MEMORY``: until the socket closes."""
    number, memory_bytes = map(int, sys.argv[1:3])
    confinement.die_with_parent()
    _warm_up()
    confinement.confine(memory_bytes)
    with socket.socket(fileno=number) as connection:
        serve(connection)


def serve(connection: socket.socket) -> None:
    """Do the tasks that come through ``connection``, one after the other."""
    connection.sendall(framed(READY))
    while True:
        content, descriptors, _, _ = socket.recv_fds(connection, TASK.size, 1)
        if len(content) < TASK.size:
            return
        task = Task(*TASK.unpack(content))
        try:
            if task.kind == LIVE:
                _live(connection, task)
            else:
                _recording(connection, task, descriptors[0])
        except AudioError as error:
            words = _anonymous(str(error), _path(descriptors[0])) if descriptors else str(error)
            connection.sendall(framed(ERROR, words.encode()))
        except MemoryError:
            connection.sendall(
                framed(ERROR, b"The recording takes too much memory to decode. Convert it to WAV first.")
            )
        finally:
            for descriptor in descriptors:
                os.close(descriptor)


def _recording(connection: socket.socket, task: Task, descriptor: int) -> None:
    path = _path(descriptor)
    promised = None
    if task.kind == RECORDING:
        promised = audio.promised(path, guess=True)
        beginning = next(decoding.decode(path, lambda rate: (0, 1)))
        about = {
            "promised": promised,
            "certain": audio.promised(path),
            "channels": int(beginning.samples.shape[1]),
        }
        connection.sendall(framed(BEGIN, json.dumps(about).encode()))
    if (promised or 0) <= task.seconds:
        channel = None if task.channel < 0 else task.channel
        _send(connection, audio.blocks(path, seconds=task.block, channel=channel), task)
    connection.sendall(framed(DONE))


def _send(connection: socket.socket, blocks: Iterator[audio.Signal], task: Task) -> None:
    """Blocks until there are more than ``task.seconds`` of them, which shows that it is too long."""
    heard = 0.0
    for block in blocks:
        connection.sendall(framed(SOUND, block.tobytes()))
        heard += len(block) / audio.SAMPLE_RATE
        if heard > task.seconds:
            return


def _live(connection: socket.socket, task: Task) -> None:
    """WebM as a browser records it: sound goes out as soon as it can be decoded."""
    converter: audio.Converter | None = None
    for rate, samples in _live_frames(io.BufferedReader(_Contents(connection), 1 << 12)):
        converter = converter or audio.Converter(rate, name="The stream")
        connection.sendall(framed(SOUND, converter.feed(samples).tobytes()))
    if converter is not None:
        connection.sendall(framed(SOUND, converter.flush().tobytes()))
    connection.sendall(framed(DONE))


def _live_frames(reader: io.BufferedReader) -> Iterator[tuple[int, decoding.Samples]]:
    """Rate and samples, (frames, channels), of each packet. Damaged packets are left out, as players do."""
    import av

    form = ", as MediaRecorder writes it: audio/webm;codecs=opus"
    try:
        container = av.open(_Bytes(reader), "r", format="matroska", buffer_size=1 << 12, options=_AT_ONCE)
    except (av.FFmpegError, OSError, ValueError) as error:
        raise AudioError(f"The stream isn't WebM{form}.") from error
    with container:
        stream = container.streams.best("audio")
        if stream is None:
            raise AudioError(f"The stream has no sound in it. Send WebM with an audio track{form}.")
        packets = container.demux(stream)
        while True:
            try:
                packet = next(packets, None)
            except (av.FFmpegError, OSError, ValueError) as error:
                raise AudioError(f"The stream stops being WebM{form}.") from error
            if packet is None:
                return
            try:
                frames: list[Any] = packet.decode()
            except (av.FFmpegError, OSError, ValueError):
                continue
            for frame in frames:
                n_channels = frame.layout.nb_channels
                samples = decoding.to_float(frame.to_ndarray())
                yield frame.sample_rate, samples.T if frame.format.is_planar else samples.reshape(-1, n_channels)


_AT_ONCE = {"probesize": "2048", "analyzeduration": "0"}
"""Have FFmpeg begin with what the header says, rather than wait for seconds of sound to look at."""


class _Bytes:
    """A file that gives what is there. More than FFmpeg's wish to read, it would wait until all of that comes."""

    def __init__(self, reader: io.BufferedReader) -> None:
        self._reader = reader

    def read(self, n_bytes: int) -> bytes:
        return self._reader.read1(n_bytes)


class _Contents(io.RawIOBase):
    """The pieces of content that come through the socket, as a file that is read once."""

    def __init__(self, connection: socket.socket) -> None:
        self._connection, self._left, self._over = connection, 0, False

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: object) -> int:
        view = memoryview(buffer).cast("B")  # type: ignore[arg-type]
        while not self._left and not self._over:
            kind, self._left = HEAD.unpack(self._exactly(HEAD.size))
            self._over = kind != CONTENT or not self._left
        if self._over:
            return 0
        n_read = self._connection.recv_into(view, min(len(view), self._left))
        if not n_read:
            raise SystemExit(0)  # nobody is there any more
        self._left -= n_read
        return n_read

    def _exactly(self, n_bytes: int) -> bytes:
        content = b""
        while len(content) < n_bytes:
            more = self._connection.recv(n_bytes - len(content))
            if not more:
                raise SystemExit(0)
            content += more
        return content


def _path(descriptor: int) -> Path:
    """A name that opens the file anew, from its first byte."""
    if sys.platform == "linux":
        return Path(f"/proc/self/fd/{descriptor}")
    import fcntl  # macOS, where uploads have a name while they are heard

    return Path(os.fsdecode(fcntl.fcntl(descriptor, fcntl.F_GETPATH, bytes(1024)).rstrip(b"\0")))


def _anonymous(sentence: str, path: Path) -> str:
    """Without our name for the file, which says nothing to anybody else."""
    return sentence.replace(repr(str(path)), "The recording").replace(str(path), "The recording")


def _warm_up() -> None:
    """Import and start everything that decoding needs later: what is confined can't."""
    import av  # noqa: F401
    import soundfile  # noqa: F401

    audio.convert(np.zeros(480, np.float32), 48_000)


if __name__ == "__main__":
    main()
