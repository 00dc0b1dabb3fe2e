"""Whole recordings through the one state machine of `emotone.stream`: in blocks, so that ten hours need no more memory
than a minute.

Video files, telephone calls and whatever else `emotone.audio` reads are heard directly. Of several channels either the
mean is heard, or each by itself, one after the other.
"""

from __future__ import annotations

import os
import warnings
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import TypeAlias

import numpy as np

from emotone import audio, decoding
from emotone.audio import SAMPLE_RATE, Signal
from emotone.errors import AudioError, ConfigError, unknown
from emotone.segment import Segment
from emotone.stream import Stream, StreamOptions
from emotone.turns import Answering, Turn

__all__ = ["BLOCK", "CHANNELS", "WORKERS", "BrokenOffWarning", "n_channels", "segments", "timeline"]

Source: TypeAlias = "str | os.PathLike[str] | Signal"
Turns: TypeAlias = "Iterable[Turn | tuple[float, float, str]]"

CHANNELS = ("mix", "each")
"""``mix``: the mean of all channels, as `Recogniser.predict` hears it. ``each``: a timeline for each."""

BLOCK = 30.0
"""Seconds that are read at once. The segments don't depend on it."""

WORKERS = 2
"""Answers that are worked out at once, each on one processor: twice as fast, and where there is only one, no slower."""

_MISSING = 0.5  # seconds. Less than was promised, but codecs count their last frames in several ways


class BrokenOffWarning(UserWarning):
    """A recording broke off: the timeline holds what came before."""


def timeline(
    recogniser: Answering,
    source: Source,
    *,
    options: StreamOptions | None = None,
    channels: str = "mix",
    turns: Turns = (),
    workers: int = WORKERS,
) -> list[Segment]:
    """The segments of ``source``, a recording's path or a signal (float32, ``(samples,)``, 16 kHz), in order.

    They follow each other from 0 to the end without gap or overlap. With ``channels="each"`` there is such a row for
    each channel, one behind the other, and segments name their ``channel``. Utterances are cut where one of the
    ``turns`` (start, end, speaker) starts or ends. As many answers as there are ``workers`` are worked out at once;
    they are the same for any number.

    A recording that breaks off gives the timeline of what is there, with a `BrokenOffWarning`. Raises `AudioError`
    where nothing can be read, `ConfigError` for options that can't be.
    """
    found: list[Segment] = []
    try:
        for segment in segments(recogniser, source, options=options, channels=channels, turns=turns, workers=workers):
            found.append(segment)  # one by one: they are kept when it breaks off
    except AudioError as error:
        if not found:
            raise
        warnings.warn(str(error), BrokenOffWarning, stacklevel=2)
    return found


def segments(
    recogniser: Answering,
    source: Source,
    *,
    options: StreamOptions | None = None,
    channels: str = "mix",
    turns: Turns = (),
    workers: int = WORKERS,
    heard: Callable[[float], None] = lambda seconds: None,
) -> Iterator[Segment]:
    """The same, each segment as soon as it is certain. Nothing is read before the first one is asked for.

    ``heard`` is told how many more seconds of sound were heard, of all channels together, after each block. Where a
    recording breaks off, everything that was heard is given first, and then `AudioError` raised; the channels behind
    are still heard.
    """
    if channels not in CHANNELS:
        raise unknown("choice of channels", channels, CHANNELS)
    if workers < 1:
        raise ConfigError(f"At least one answer is worked out at once, not {workers}.")
    turns = list(turns)
    path = None if isinstance(source, np.ndarray) else Path(source)
    problems: list[AudioError] = []
    with ThreadPoolExecutor(workers) as threads:
        ahead = threads if workers > 1 else None
        for channel in range(n_channels(source)) if channels == "each" else [None]:
            stream = Stream(recogniser, options, channel=channel, turns=turns, source=path, ahead=ahead)
            try:
                for block in _blocks(source, channel):
                    yield from stream.feed(block)
                    heard(len(block) / SAMPLE_RATE)
                _check_whole(path, stream.seconds)
            except AudioError as error:
                problems.append(error)
            yield from stream.flush()
    if problems:
        raise problems[0]


def n_channels(source: Source) -> int:
    """How many channels there are to hear one by one. Raises `AudioError` for a recording that can't be read."""
    if isinstance(source, np.ndarray):
        return 1
    beginning = next(decoding.decode(decoding.existing(source), lambda rate: (0, 1)))
    return int(beginning.samples.shape[1])


def _blocks(source: Source, channel: int | None) -> Iterator[Signal]:
    if not isinstance(source, np.ndarray):
        yield from audio.blocks(source, seconds=BLOCK, channel=channel)
        return
    if not source.size:
        raise AudioError("The signal is empty: there is no sound to tell a timeline of.")
    n_samples = round(BLOCK * SAMPLE_RATE)
    for first in range(0, len(source), n_samples):
        yield source[first : first + n_samples]


def _check_whole(path: Path | None, seconds: float) -> None:
    """Raise `AudioError` if the recording's header promises more than was heard."""
    promised = None if path is None else audio.promised(path)
    if promised is not None and promised - seconds > _MISSING:
        raise AudioError(
            f"{path} breaks off after {seconds:.2f} s of the {promised:.2f} s that its header promises. What is there "
            "was heard; copy or record the file again for the rest."
        )
