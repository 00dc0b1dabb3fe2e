"""The pool of decoding processes, as the server sees it: sound comes out, and whatever happens in there stays there.

A process is taken for one recording and given back. One that dies, is killed or takes too long costs the recording it
had, nobody else's, and another one is started in its place.
"""

from __future__ import annotations

import asyncio
import contextlib
import itertools
import json
import os
import signal
import socket
import subprocess
import sys
from collections.abc import AsyncIterator
from typing import Any

import numpy as np

from emotone.audio import SAMPLE_RATE, Signal
from emotone.server import frames
from emotone.server.frames import HEAD, Task, framed
from emotone.server.refusal import Refusal, busy
from emotone.server.settings import Settings

__all__ = ["Decoders", "Process", "Recording"]

_OWN_FAULT = {signal.SIGSEGV, signal.SIGABRT, signal.SIGBUS, signal.SIGFPE, signal.SIGILL, signal.SIGSYS}
"""Signals that mean that the recording broke the decoder, and not somebody from outside."""

_START_SECONDS = 30.0
_PAUSES = (0.05, 0.2, 1.0, 5.0)  # seconds between attempts to start a process
_PIECE = 1 << 16  # bytes of content in one frame


class Process:
    """One decoding process, and the socket to it."""

    def __init__(self, settings: Settings) -> None:
        self._settings = settings
        self._socket, theirs = socket.socketpair()
        with theirs:
            number = theirs.fileno()
            self._process = subprocess.Popen(
                [sys.executable, "-m", "emotone.server.decoder", str(number), str(settings.decode_memory_bytes)],
                pass_fds=[number],
                env=_environment(),
                stdin=subprocess.DEVNULL,
                stdout=subprocess.DEVNULL,
                stderr=subprocess.DEVNULL,  # FFmpeg's complaints may hold what is in a recording
                start_new_session=True,  # Ctrl-C is for the server, which lets it finish
            )
        self._reader: asyncio.StreamReader
        self._writer: asyncio.StreamWriter

    @property
    def pid(self) -> int:
        """The process's number."""
        return self._process.pid

    @property
    def is_alive(self) -> bool:
        """Whether it can be given something to do."""
        return self._process.poll() is None and not self._reader.at_eof()

    async def begin(self) -> None:
        """Wait until it is confined and ready."""
        self._socket.setblocking(False)
        self._reader, self._writer = await asyncio.open_connection(sock=self._socket, limit=1 << 20)
        kind, _ = await self.answer(_START_SECONDS)
        if kind != frames.READY:
            raise Refusal(503, "Decoding isn't possible here.")

    def give(self, task: Task, descriptor: int | None = None) -> None:
        """Have it do ``task``, with the open file ``descriptor``."""
        try:
            socket.send_fds(self._socket, [task.packed()], [] if descriptor is None else [descriptor])
        except OSError as error:
            raise self._died() from error

    async def write(self, content: bytes) -> None:
        """Content of a live task; waits while there is much that it hasn't read. Empty content is the end."""
        try:
            for first in range(0, max(1, len(content)), _PIECE):
                self._writer.write(framed(frames.CONTENT, content[first : first + _PIECE]))
            await self._writer.drain()
        except OSError as error:
            raise self._died() from error

    async def answer(self, seconds: float) -> tuple[bytes, bytes]:
        """Its next frame: kind and content. Raises `Refusal` for what it can't decode, and if it dies or doesn't answer
        in ``seconds``."""
        try:
            async with asyncio.timeout(seconds):
                kind, size = HEAD.unpack(await self._reader.readexactly(HEAD.size))
                content = await self._reader.readexactly(size)
        except TimeoutError:
            self.kill()
            raise Refusal(422, "The recording takes too long to decode. Convert it to WAV or FLAC first.") from None
        except (asyncio.IncompleteReadError, OSError):
            raise self._died() from None
        if kind == frames.ERROR:
            raise Refusal(422, content.decode())
        return kind, content

    def kill(self) -> None:
        """End it now."""
        self._process.kill()
        self._process.wait()
        with contextlib.suppress(AttributeError, RuntimeError):  # it never began; the loop is over
            self._writer.close()

    def _died(self) -> Refusal:
        self._process.kill()
        code = self._process.wait()
        if -code in _OWN_FAULT:
            return Refusal(422, "The recording is damaged such that its decoder broke. Record or export it again.")
        return Refusal(503, "The decoder of this recording was ended from outside. Send it again.", retry_after=1)


class Recording:
    """What comes out of a decoder, for one recording."""

    def __init__(self, process: Process, task: Task, seconds: float) -> None:
        self._process, self._task, self._patience = process, task, seconds
        self.promised: float | None = None
        """Seconds that its header promises, or FFmpeg guesses."""
        self.certain: float | None = None
        """Seconds that its header promises; None where it says nothing."""
        self.n_channels = 1
        self.is_over = False
        """Whether the process is done with it, and free."""

    async def begin(self) -> None:
        """Read the facts about it."""
        if self._task.kind == frames.RECORDING:
            _, content = await self._answer()
            about: dict[str, Any] = json.loads(content)
            self.promised, self.certain, self.n_channels = about["promised"], about["certain"], about["channels"]

    async def finish(self) -> None:
        """Read on to the end, for nothing of it is wanted."""
        while not self.is_over:
            kind, _ = await self._answer()
            self.is_over = kind == frames.DONE

    async def blocks(self) -> AsyncIterator[Signal]:
        """Its signal. Raises `Refusal` with 413 behind the longest that is wanted; before anything, where the header
        says so already."""
        heard = 0.0
        if (self.promised or 0) > self._task.seconds:
            await self.finish()  # nothing more comes but the end, and the process is kept
            raise _too_long(self._task.seconds)
        while True:
            kind, content = await self._answer()
            if kind == frames.DONE:
                self.is_over = True
                return
            signal_ = np.frombuffer(content, np.float32)
            heard += len(signal_) / SAMPLE_RATE
            if heard > self._task.seconds:
                raise _too_long(self._task.seconds)
            yield signal_

    async def _answer(self) -> tuple[bytes, bytes]:
        try:
            return await self._process.answer(self._patience)
        except Refusal:
            self.is_over = True
            raise


def _too_long(seconds: float) -> Refusal:
    return Refusal(413, f"The recording lasts more than {seconds:g} s, which is the longest that is taken for this.")


class Decoders:
    """As many processes as cores."""

    def __init__(self, settings: Settings) -> None:
        self._settings = settings
        # Jobs keep theirs for as long as they are heard, so these come on top.
        self._n = (settings.decoders or os.cpu_count() or 1) + settings.running_jobs
        self._free: asyncio.LifoQueue[Process] = asyncio.LifoQueue()
        self._all: set[Process] = set()
        self._starting: set[asyncio.Task[None]] = set()
        self._over = False
        self.n_replaced = 0
        """Processes that had to be replaced."""

    @property
    def pids(self) -> list[int]:
        """Of the processes that live."""
        return [process.pid for process in self._all]

    async def start(self) -> None:
        """Start all of them. Raises `Refusal` if they can't be, with words for whoever starts the server."""
        try:
            await asyncio.gather(*(self._add() for _ in range(self._n)))
        except OSError as error:
            raise _unstartable(error.strerror or str(error)) from error
        except Refusal as refusal:
            raise _unstartable("they end, or hang, before they are ready") from refusal

    async def stop(self) -> None:
        """End all of them."""
        self._over = True
        for task in self._starting:
            task.cancel()
        for process in list(self._all):
            process.kill()
        self._all.clear()

    @contextlib.asynccontextmanager
    async def decoding(self, descriptor: int, task: Task) -> AsyncIterator[Recording]:
        """A process decodes the file ``descriptor`` while the block runs; waits until there is one."""
        process = await self._taken()
        recording = Recording(process, task, self._settings.decode_seconds)
        try:
            process.give(task, descriptor)
            await recording.begin()
            yield recording
        finally:
            # Recordings that somebody gave up half-way stop their process, too: nothing else stops a decoder for sure.
            self._give_back(process, is_free=recording.is_over)

    async def live(self, task: Task) -> Process:
        """A process of its own for a stream; to be ended by `end`."""
        process = Process(self._settings)
        self._all.add(process)
        try:
            await process.begin()
            process.give(task)
        except BaseException:
            self.end(process)
            raise
        return process

    def end(self, process: Process) -> None:
        """End a process that `live` gave."""
        self._all.discard(process)
        process.kill()

    async def _taken(self) -> Process:
        try:
            async with asyncio.timeout(self._settings.decode_seconds):
                while not (process := await self._free.get()).is_alive:
                    self._replace(process)
        except TimeoutError:
            raise busy("No decoder came free in time.", 2) from None
        return process

    def _give_back(self, process: Process, *, is_free: bool) -> None:
        if is_free and process.is_alive:
            self._free.put_nowait(process)
        else:
            self._replace(process)

    def _replace(self, process: Process) -> None:
        self.end(process)
        if not self._over:
            self.n_replaced += 1
            task = asyncio.get_running_loop().create_task(self._add_for_sure())
            self._starting.add(task)
            task.add_done_callback(self._starting.discard)

    async def _add_for_sure(self) -> None:
        for seconds in itertools.chain(_PAUSES, itertools.repeat(_PAUSES[-1])):
            try:
                await self._add()
            except (Refusal, OSError):  # killed before it was ready; no process to be had just now
                await asyncio.sleep(seconds)
            else:
                return

    async def _add(self) -> None:
        process = Process(self._settings)
        self._all.add(process)
        try:
            await process.begin()
        except BaseException:
            self.end(process)
            raise
        self._free.put_nowait(process)


def _unstartable(why: str) -> Refusal:
    return Refusal(
        503,
        f"The processes that decode recordings can't be started: {why}. Each needs memory, a place among the processes "
        "that may run, and on Linux leave to filter its own system calls (seccomp). See what this machine, or the "
        "container or unit that it runs in, forbids.",
    )


def _environment() -> dict[str, str]:
    """Where Python finds its packages; not the server's own variables, among which are secrets."""
    kept = {name: os.environ[name] for name in ("PATH", "LD_LIBRARY_PATH", "SYSTEMROOT") if name in os.environ}
    return {
        **kept,
        "PYTHONPATH": os.pathsep.join(filter(None, sys.path)),
        "OPENBLAS_NUM_THREADS": "1",
        "LANG": "C.UTF-8",
    }
