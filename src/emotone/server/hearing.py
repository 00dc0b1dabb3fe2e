"""Timelines of uploads: what `emotone.timeline` does with a file, with its decoding in another process and its hearing
shared out among all who want to be heard."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial

from emotone.audio import SAMPLE_RATE
from emotone.recogniser import Recogniser
from emotone.segment import Segment
from emotone.server import frames
from emotone.server.decoders import Recording
from emotone.server.frames import Task
from emotone.server.refusal import Refusal
from emotone.server.service import Service
from emotone.server.uploads import Upload
from emotone.stream import Stream, StreamOptions

__all__ = ["Timeline", "Wish", "heard", "inspected"]

_PIECE = 2 * SAMPLE_RATE  # samples that are heard before others get their turn
_BLOCK = 10.0  # seconds that are decoded at once
_MOST_CHANNELS = 16
_MISSING = 0.5  # seconds less than promised that are no reason to complain, as in `emotone.timeline`


@dataclass(frozen=True)
class Wish:
    """Whom to ask about a recording, and how."""

    recogniser: Recogniser
    options: StreamOptions
    each_channel: bool
    most_seconds: float
    """Of sound; more is refused."""
    patience: float
    """Seconds by which each piece should be heard."""


@dataclass(frozen=True)
class Timeline:
    """Segments, and a sentence if the recording breaks off."""

    segments: list[Segment]
    note: str | None = None


async def inspected(service: Service, upload: Upload) -> Recording:
    """The facts about a recording. Raises `Refusal` if it can't be decoded."""
    task = Task(frames.RECORDING, 0.0, _BLOCK)
    async with service.decoders.decoding(upload.descriptor, task) as recording:
        await recording.finish()
        return recording


async def heard(
    service: Service, upload: Upload, wish: Wish, *, tell: Callable[[float], None] = lambda seconds: None
) -> Timeline:
    """The same segments as `Recogniser.timeline` gives for the file. ``tell`` is told how many more seconds were heard.

    Raises `Refusal` if nothing can be decoded, or for more than ``wish.most_seconds`` of sound.
    """
    found: list[Segment] = []
    notes: list[str] = []
    n_channels = (await inspected(service, upload)).n_channels if wish.each_channel else 1
    if n_channels > _MOST_CHANNELS:
        raise Refusal(413, f"There are {n_channels} channels; {_MOST_CHANNELS} are heard one by one at most.")
    for channel in range(n_channels) if wish.each_channel else [None]:
        stream = Stream(wish.recogniser, wish.options, channel=channel)
        note = await _hear(service, upload, wish, stream, channel, found, tell)
        if note is not None:
            notes.append(note)
        found += await service.scheduler.run(stream.flush, deadline=time.monotonic() + wish.patience)
    if notes and not found:
        raise Refusal(422, notes[0])
    return Timeline(found, notes[0] if notes else None)


async def _hear(
    service: Service,
    upload: Upload,
    wish: Wish,
    stream: Stream,
    channel: int | None,
    found: list[Segment],
    tell: Callable[[float], None],
) -> str | None:
    """Feed the stream with one channel; a sentence if it breaks off."""
    task = Task(frames.RECORDING, wish.most_seconds, _BLOCK, -1 if channel is None else channel)
    try:
        async with service.decoders.decoding(upload.descriptor, task) as recording:
            async for block in recording.blocks():
                for first in range(0, len(block), _PIECE):
                    piece = block[first : first + _PIECE]
                    deadline = time.monotonic() + wish.patience
                    found += await service.scheduler.run(partial(stream.feed, piece), deadline=deadline)
                    tell(len(piece) / SAMPLE_RATE)
                    service.metrics.heard("timeline", len(piece))
    except Refusal as refusal:
        if refusal.status != 422:
            raise
        return str(refusal)
    if recording.certain is not None and recording.certain - stream.seconds > _MISSING:
        return (
            f"The recording breaks off after {stream.seconds:.2f} s of the {recording.certain:.2f} s that its header "
            "promises. What is there was heard; copy or record it again for the rest."
        )
    return None
