"""What hears one stream, in a thread: samples of any kind to the one state machine of `emotone.stream`.

What it thinks so far is for a person who watches, so it has to come in time. Where the machine has much to do, a
thought lasts a second instead of half a one, and comes from what was heard anyway, or from the last moments instead of
the whole window; and where even that would come too late, the last thought is told again. Certain segments don't depend
on any of this.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from emotone.audio import SAMPLE_RATE, Converter, Signal
from emotone.live import PCM
from emotone.segment import Segment
from emotone.stream import Stream, StreamOptions
from emotone.turns import Answering

__all__ = ["Ears"]

_TICK = 0.5  # seconds of sound between provisional answers
_GLANCE = round(1.5 * SAMPLE_RATE)  # samples that are heard for one, while there is much to do
_GOOD_FOR = 2  # ticks that a thought lasts, while there is much to do


class Ears:
    """For one stream. Its methods are called one at a time, from any thread."""

    def __init__(self, recogniser: Answering, form: PCM, *, adapt: bool, is_busy: Callable[[], bool]) -> None:
        """Raises `AudioError` for a rate that can't be."""
        self._attention = _Attention()
        self._is_busy = is_busy
        self._stream = Stream(_Attentive(recogniser, self._attention), StreamOptions(adapt=adapt))
        self._converter = Converter(form.rate, name="The stream")
        self._form, self._rest = form, b""
        self._frame = form.dtype.itemsize * form.channels
        self._n_frames = 0
        self._last: Segment | None = None
        self._last_tick = 0
        self.is_due = False
        """Whether something provisional is due."""
        self._ticks = 0

    @property
    def seconds(self) -> float:
        """How much came, of which the last hundredths of a second may still be in the resampling filter."""
        return self._n_frames / self._form.rate

    @property
    def speaking(self) -> bool:
        """Whether somebody speaks."""
        return self._stream.speaking

    @property
    def has_glanced(self) -> bool:
        """Whether the last new thought comes from the last moments only, since there was much to do."""
        return self._attention.has_glanced

    @property
    def bytes_to_tick(self) -> int:
        """How many bytes it takes until something provisional is due."""
        frames = -(-(self._ticks + 1) * _TICK * self._form.rate // 1) - self._n_frames
        return max(self._frame, int(frames) * self._frame - len(self._rest))

    def bytes_of(self, seconds: float) -> int:
        """How many bytes last so long."""
        return round(seconds * self._form.rate) * self._frame

    def feed(self, content: bytes) -> list[Segment]:
        """Hear these bytes; the segments that became certain. Raises `AudioError` for what are no samples."""
        content = self._rest + content
        n_whole = len(content) // self._frame * self._frame
        self._rest = content[n_whole:]
        samples = np.frombuffer(content[:n_whole], self._form.dtype).reshape(-1, self._form.channels)
        self._attention.window = None
        found = self._stream.feed(self._converter.feed(samples))
        self._n_frames += len(samples)
        ticks = int(self.seconds / _TICK + 1e-9)
        self.is_due, self._ticks = ticks > self._ticks, ticks
        if found or not self._stream.speaking:
            self._last = None
        return found

    def guess(self, by: float) -> tuple[Segment | None, bool]:
        """What is thought so far, and whether that is new; later than ``by``, it is the last thought."""
        is_busy = self._is_busy()
        is_recent = self._last is not None and self._ticks - self._last_tick < _GOOD_FOR
        if time.monotonic() > by or (is_busy and is_recent):
            return self._last, False
        self._attention.is_glancing, self._attention.has_glanced = is_busy, False
        try:
            self._last, self._last_tick = self._stream.provisional, self._ticks
        finally:
            self._attention.is_glancing = False
        return self._last, True

    def flush(self) -> list[Segment]:
        """The segments that are left."""
        return self._stream.feed(self._converter.flush()) + self._stream.flush()


@dataclass
class _Attention:
    """How closely is heard just now."""

    is_glancing: bool = False
    has_glanced: bool = False
    """Whether there was more to hear than the last moments."""
    window: Segment | None = None
    """What was heard with the last piece of sound, if anything was."""


class _Attentive:
    """A recogniser that hears as closely as its ``attention`` says."""

    def __init__(self, recogniser: Answering, attention: _Attention) -> None:
        self._recogniser, self._attention = recogniser, attention
        self.labels = recogniser.labels

    def hear(self, source: Signal, /) -> tuple[Segment, npt.NDArray[np.float32] | None]:
        if not self._attention.is_glancing:
            found = self._recogniser.hear(source)
            self._attention.window = found[0]
            return found
        if self._attention.window is not None:
            return self._attention.window, None
        self._attention.has_glanced = len(source) > _GLANCE
        return self._recogniser.hear(source[-_GLANCE:])

    def judged(self, scores: Mapping[str, float], *, start: float, end: float, flags: tuple[str, ...]) -> Segment:
        return self._recogniser.judged(scores, start=start, end=end, flags=flags)

    def knowing(self, embeddings: npt.ArrayLike, /) -> _Attentive:
        return _Attentive(self._recogniser.knowing(embeddings), self._attention)
