"""`Service`: the rooms of the server behind one door, and what both HTTP and WebSockets ask of them."""

from __future__ import annotations

import asyncio
import os
import time
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Protocol

import numpy as np
import numpy.typing as npt

from emotone.audio import Signal
from emotone.recogniser import Recogniser
from emotone.segment import Segment
from emotone.server import frames
from emotone.server.decoders import Decoders
from emotone.server.door import Door
from emotone.server.frames import Task
from emotone.server.metrics import Metrics
from emotone.server.models import Models
from emotone.server.refusal import Refusal, busy
from emotone.server.scheduler import Scheduler
from emotone.server.settings import Settings
from emotone.server.uploads import Spool, Upload
from emotone.server.voices import Voices

__all__ = ["Service"]

_SOON = 0.5  # seconds by which one recording should be heard


class Leaving(Protocol):
    """A stream that can be asked to end."""

    def leave(self) -> None:
        """End, with everything said that is left to say."""


class Service:
    """All that a request needs. ``start`` it in the loop it serves in, ``stop`` it there."""

    def __init__(self, settings: Settings) -> None:
        self.settings = settings
        self.door = Door(settings)
        self.models = Models(settings)
        self.scheduler = Scheduler(settings.workers or os.cpu_count() or 1)
        self.decoders = Decoders(settings)
        self.spool = Spool(settings)
        self.voices = Voices(settings)
        self.metrics = Metrics()
        self.is_ready = False
        self.draining = asyncio.Event()
        """Set once it should end: nothing new begins, streams say good-bye."""
        self.n_requests = 0
        self.n_webm = 0
        self._streams: dict[Leaving, str] = {}

    async def start(self) -> None:
        """Start processes and threads, and have everything run once, if that wasn't done yet. Raises `Refusal` where no
        recording could be decoded."""
        if self.is_ready:
            return
        self.scheduler.start()
        await asyncio.gather(self.decoders.start(), asyncio.to_thread(self.models.warm_up))
        self.metrics.watch(self)
        self.is_ready = True

    async def stop(self) -> None:
        """End processes and threads."""
        self.is_ready = False
        self.draining.set()
        await self.decoders.stop()
        await asyncio.to_thread(self.scheduler.stop)

    @contextmanager
    def admitted(self) -> Iterator[None]:
        """A place among the recordings that are decoded and heard. Raises `Refusal` with 429 where all are taken."""
        self.check_room()
        self.n_requests += 1
        try:
            yield
        finally:
            self.n_requests -= 1

    def check_room(self) -> None:
        """Raise `Refusal` with 429 where all places of `admitted` are taken."""
        if self.n_requests >= self.settings.max_requests:
            self.metrics.refused.labels("requests").inc()
            raise busy("Too many recordings are waiting to be heard.")

    def recogniser(self, model: str | None, voice: str | None) -> Recogniser:
        """The one that is asked for, knowing the voice that is asked for. Raises `Refusal` for what isn't there."""
        if voice is None:
            return self.models.get(model)
        return self.voices.get(voice, model or self.models.default)

    async def decoded(self, upload: Upload, seconds: float) -> Signal:
        """All of a recording. Raises `Refusal` if it can't be decoded or lasts longer than ``seconds``."""
        task = Task(frames.UTTERANCE, seconds, min(seconds, 30.0))
        async with self.decoders.decoding(upload.descriptor, task) as recording:
            blocks = [block async for block in recording.blocks()]
        return blocks[0] if len(blocks) == 1 else np.concatenate(blocks)

    async def predict(self, recogniser: Recogniser, upload: Upload) -> Segment:
        """The recogniser's answer to a recording. Raises `Refusal` as `decoded` does."""
        signal = await self.decoded(upload, self.settings.max_predict_seconds)
        self.metrics.heard("predict", len(signal))
        return await self.scheduler.run(lambda: recogniser.predict(signal), deadline=time.monotonic() + _SOON)

    async def embedding(self, recogniser: Recogniser, upload: Upload) -> npt.NDArray[np.float32] | None:
        """What tells whose voice a recording has; None where nobody speaks. Raises `Refusal` as `decoded` does."""
        signal = await self.decoded(upload, self.settings.max_predict_seconds)
        self.metrics.heard("voice", len(signal))
        _, found = await self.scheduler.run(lambda: recogniser.hear(signal), deadline=time.monotonic() + _SOON)
        return found

    def take_stream(self, stream: Leaving, client: str, *, webm: bool) -> None:
        """Count a stream in. Raises `Refusal` with 429 where there are too many."""
        settings = self.settings
        full = (
            len(self._streams) >= settings.max_streams
            or (webm and self.n_webm >= settings.max_webm_streams)
            or sum(each == client for each in self._streams.values()) >= settings.client_streams
        )
        if full:
            self.metrics.refused.labels("streams").inc()
            raise busy("There are too many streams.", 5)
        self._streams[stream] = client
        self.n_webm += webm

    def leave_stream(self, stream: Leaving, *, webm: bool) -> None:
        """Count it out."""
        del self._streams[stream]
        self.n_webm -= webm

    @property
    def n_streams(self) -> int:
        """How many streams there are."""
        return len(self._streams)

    def drain(self) -> None:
        """Begin nothing new, and have streams say good-bye."""
        self.draining.set()
        for stream in list(self._streams):
            stream.leave()

    @property
    def is_idle(self) -> bool:
        """Whether everything that was begun is done."""
        return not (self._streams or self.n_requests)

    def check_open(self) -> None:
        """Raise `Refusal` with 503 if nothing new begins any more."""
        if self.draining.is_set():
            raise Refusal(
                503, "This server is about to end. Ask again, for another one may take its place.", retry_after=5
            )
