"""An utterance that is too long for one answer: heard in overlapping windows, and cut where the emotion changes.

A moment is as long as the windows are apart. Its probabilities are the mean of those of all windows over its middle,
and a part's are the mean of its moments': a mixture of calibrated probabilities, so it stays about as calibrated as
they are, where smoothing by products or votes would make it surer than it is. A change is taken only once another
emotion has led by a margin for some time, so that two emotions that are about equal don't flicker.

Positions are frames (`emotone.voice.FRAME`). Parts come in order and leave no gap; what was told is never taken back.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import TypeAlias

import numpy as np
import numpy.typing as npt

from emotone.errors import ConfigError
from emotone.segment import Segment
from emotone.voice import frames

__all__ = ["Answer", "MomentOptions", "Moments", "Part"]

Floats = npt.NDArray[np.float64]

Answer: TypeAlias = Callable[[], Segment]
"""A promised answer. Asked again, it is the same one."""


@dataclass(frozen=True)
class MomentOptions:
    """How long utterances are heard. Times are seconds, rounded to frames of 32 ms.

    Raises `ConfigError` for values that can't be.
    """

    window: float = 3.0
    """What is heard at once: as long as the utterances that recognisers learn from (2.5 to 4 s in most corpora)."""

    hop: float = 1.0
    """From one window to the next. Each moment is heard three times, each time with other neighbours."""

    margin: float = 0.1
    """By how much of probability another emotion has to lead before a change is considered."""

    minimum_change: float = 2.0
    """How long it has to lead. People don't change their mood by the second, and what seems so is noise."""

    longest_part: float = 30.0
    """A part is told after that long even where nothing changes, so that whoever listens live sees something."""

    def __post_init__(self) -> None:
        if not 0.5 <= self.hop <= self.window <= 30:
            raise ConfigError(
                "A window lasts up to 30 s, and the next one starts 0.5 s later or more, but not behind its end; "
                f"not {self.window} s every {self.hop} s."
            )
        if not 0 <= self.margin < 1:
            raise ConfigError(f"A margin of probability is from 0 to under 1, not {self.margin}.")
        if not 0 < self.minimum_change <= self.longest_part <= 600:
            raise ConfigError(
                "A change takes more than 0 s and no longer than the longest part, at most 600 s; not "
                f"{self.minimum_change} and {self.longest_part} s."
            )


@dataclass(frozen=True)
class Part:
    """From the frame ``start`` to the frame before ``end``, with the mean probabilities (or numbers) of its moments.

    ``values`` is empty where no window had anything to judge. ``flags`` are the recogniser's of the windows.
    """

    start: int
    end: int
    values: Mapping[str, float]
    flags: tuple[str, ...]


@dataclass(frozen=True)
class _Moment:
    start: int
    end: int
    values: Floats | None  # None where there was nothing to judge
    flags: tuple[frozenset[str], ...]  # of each window over it

    @property
    def duration(self) -> int:
        return self.end - self.start


@dataclass
class _Run:
    """Moments that belong together, so far. It starts in the quietest frame near the first one's start."""

    start: int
    moments: list[_Moment] = field(default_factory=list)

    @property
    def duration(self) -> int:
        return sum(moment.duration for moment in self.moments)

    def mean(self) -> Floats | None:
        """Of its moments, by their duration; None where there was nothing to judge in any."""
        judged = [(moment.values, moment.duration) for moment in self.moments if moment.values is not None]
        if not judged:
            return None
        values, durations = zip(*judged, strict=True)
        return np.asarray(np.average(np.stack(values), axis=0, weights=durations))


class Moments:
    """The parts of one long utterance, from its frame ``start`` on, as they are found."""

    def __init__(
        self,
        start: int,
        *,
        options: MomentOptions,
        ask: Callable[[int, int], Answer],
        quietest: Callable[[int, int], int],
    ) -> None:
        """``ask(first, last)`` promises the recogniser's answer to these frames, ``quietest(first, last)`` gives the
        one of them that is best to cut before."""
        self._window, self._hop = frames(options.window), frames(options.hop)
        self._least, self._most = frames(options.minimum_change), frames(options.longest_part)
        self._margin = options.margin
        self._ask, self._quietest = ask, quietest
        self._names: tuple[str, ...] = ()
        self._next = start  # where the next moment starts
        self._asked = self._covered = start  # where the next window starts, and the last one ended
        self._windows: deque[tuple[int, int, Answer]] = deque()
        self._current, self._rival = _Run(start), _Run(start)

    @property
    def needed(self) -> int:
        """The first frame that may still be heard, or be cut before."""
        return self._next - self._hop

    def listen(self, end: int, *, over: bool = False) -> bool:
        """Ask about the windows up to the frame ``end``, and if the utterance is ``over`` with it, about what is left
        behind them; whether there was any.

        Answers are first looked at by `until` and `close`: until then, others may work them out.
        """
        before = self._covered
        while self._asked + self._window <= end:
            self._listen(self._asked)
            self._asked += self._hop
        if over and self._covered < end:
            self._listen(end - self._window)
        return self._covered > before

    def until(self, end: int) -> list[Part]:
        """The parts that are certain once the utterance is known to last until the frame ``end``, or longer."""
        self.listen(end)
        parts = []
        while self._next + self._window <= end:
            parts += self._take(self._next + self._hop)
        return parts

    def close(self, end: int) -> list[Part]:
        """The rest of the parts: the utterance ended before the frame ``end``."""
        self.listen(end, over=True)
        parts = self.until(end)
        while self._next < end:
            rest = end - self._next
            parts += self._take(end if rest < 1.5 * self._hop else self._next + self._hop)
        self._current.moments += self._rival.moments  # it came too late to be sure
        return [*parts, self._part(end)]

    def _listen(self, first: int) -> None:
        self._covered = first + self._window
        self._windows.append((first, self._covered, self._ask(first, self._covered)))

    def _take(self, end: int) -> list[Part]:
        """Judge the moment that lasts to ``end``; the part that is over with it, if one is."""
        start, self._next = self._next, end
        while self._windows and self._windows[0][1] <= (start + end) // 2:
            self._windows.popleft()
        over = [answer() for first, _, answer in self._windows if first <= start]
        self._names = self._names or next((tuple(each.scores or each.dimensions) for each in over), ())
        judged = [list((answer.scores or answer.dimensions).values()) for answer in over]
        mean = np.mean([values for values in judged if values], axis=0) if any(judged) else None
        moment = _Moment(start, end, mean, tuple(frozenset(answer.flags) for answer in over))
        parts = []
        if not self._rival.moments and self._current.duration >= self._most:
            parts.append(self._cut(_Run(self._border(moment))))
        self._weigh(moment)
        if self._rival.duration >= self._least:
            parts.append(self._cut(self._rival))
        return parts

    def _weigh(self, moment: _Moment) -> None:
        """Count the moment to what is going on, or to the rival that may be about to replace it."""
        if self._rival.moments:
            if self._leads([*self._rival.moments, moment]):
                self._rival.moments.append(moment)
                return
            self._current.moments += self._rival.moments  # it didn't last
            self._rival = _Run(moment.start)
        if self._leads([moment]):
            self._rival = _Run(self._border(moment), [moment])
        else:
            self._current.moments.append(moment)

    def _leads(self, moments: list[_Moment]) -> bool:
        """Whether one emotion, and not that of the moments before, leads by the margin in each of these."""
        before = self._current.mean()
        values = [moment.values for moment in moments if moment.values is not None]
        if before is None or len(values) < len(moments):
            return False
        now = int(before.argmax())
        leaders = {int(each.argmax()) for each in values}
        return len(leaders) == 1 and now not in leaders and all(v.max() - v[now] >= self._margin for v in values)

    def _border(self, moment: _Moment) -> int:
        """The quietest frame near the moment's start, where a phrase may have ended."""
        first = max(moment.start - self._hop // 2, self._current.start + self._hop // 2)
        last = moment.start + min(self._hop, moment.duration) // 2
        return self._quietest(first, last) if first < last else moment.start

    def _cut(self, after: _Run) -> Part:
        part = self._part(after.start)
        self._current, self._rival = after, _Run(after.start)
        return part

    def _part(self, end: int) -> Part:
        mean = self._current.mean()
        values = () if mean is None else tuple(round(float(value), 6) for value in mean)
        flags = _together([each for moment in self._current.moments for each in moment.flags])
        return Part(self._current.start, end, dict(zip(self._names, values, strict=False)), flags)


def _together(windows: list[frozenset[str]]) -> tuple[str, ...]:
    """The flags of a part: it is quiet if all of it is, and clipped if any of it is."""
    found = []
    if windows and all("low_level" in flags for flags in windows):
        found.append("low_level")
    if any("clipped" in flags for flags in windows):
        found.append("clipped")
    return tuple(found)
