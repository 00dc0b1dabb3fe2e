"""Praat's TextGrid, in the long form that every reader knows.

For each channel an interval tier with the emotions, empty where nobody speaks or no emotion was likely enough, and one
with the confidence, which has a number there too; a recogniser of dimensions gives a tier for each instead. Tiers have
no gaps, from 0 to the end of the recording. See "TextGrid file formats" in Praat's manual.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence

from emotone.errors import ConfigError
from emotone.formats._about import About, one_line, seconds
from emotone.segment import Segment

__all__ = ["pieces"]

_NOISE = 1e-6
"""Seconds by which neighbours may miss each other: no gap, but rounding of whoever computed the times."""

Interval = tuple[float, float, str]
Tier = tuple[str, list[Interval]]


def pieces(segments: Sequence[Segment], about: About) -> Iterator[str]:
    """The text. Raises `ConfigError` where segments of one channel overlap, since intervals can't."""
    tiers = list(_tiers(segments, about))
    end = seconds(about.duration)
    yield 'File type = "ooTextFile"\nObject class = "TextGrid"\n\n'
    yield f"xmin = 0\nxmax = {end}\ntiers? <exists>\nsize = {len(tiers)}\nitem []:\n"
    for number, (name, intervals) in enumerate(tiers, start=1):
        yield f'    item [{number}]:\n        class = "IntervalTier"\n        name = {_quoted(name)}\n'
        yield f"        xmin = 0\n        xmax = {end}\n        intervals: size = {len(intervals)}\n"
        for n, (start, stop, text) in enumerate(intervals, start=1):
            yield f"        intervals [{n}]:\n            xmin = {seconds(start)}\n            xmax = {seconds(stop)}\n"
            yield f"            text = {_quoted(text)}\n"


def _tiers(segments: Sequence[Segment], about: About) -> Iterator[Tier]:
    channels = sorted({segment.channel for segment in segments}, key=lambda channel: -1 if channel is None else channel)
    for channel in channels or [None]:
        own = _tiling([segment for segment in segments if segment.channel == channel], about.duration)
        where = "" if channel is None else f"channel {channel} "
        for name, text in _contents(about):
            yield where + name, [(start, end, "" if found is None else text(found)) for start, end, found in own]


def _contents(about: About) -> Iterator[tuple[str, Callable[[Segment], str]]]:
    """The tiers of a channel: their names, and what they say of a segment."""
    if about.labels or not about.dimensions:
        yield "emotion", lambda segment: segment.emotion or ""
        yield "confidence", lambda segment: f"{segment.confidence:.2f}" if segment.scores else ""
    for name in about.dimensions:
        yield name, lambda segment, name=name: _number(segment.dimensions.get(name))  # type: ignore[misc]


def _number(value: float | None) -> str:
    return "" if value is None else f"{value:.3f}"


def _tiling(segments: list[Segment], duration: float) -> list[tuple[float, float, Segment | None]]:
    """``segments`` in the order of time, and None for what lies between them."""
    found: list[tuple[float, float, Segment | None]] = []
    reached = 0.0
    for segment in sorted(segments, key=lambda segment: (segment.start, segment.end)):
        if segment.start < reached - _NOISE:
            raise ConfigError(
                f"A TextGrid can't hold segments that overlap, as the one from {segment.start} to {segment.end} s does "
                f"with one that ends at {reached} s. Give them different channels, or write another format."
            )
        if segment.start > reached + _NOISE:
            found.append((reached, segment.start, None))
            reached = segment.start
        if segment.end > reached:  # Praat knows no intervals without length
            found.append((reached, segment.end, segment))
            reached = segment.end
    if reached < duration or not found:
        found.append((reached, duration, None))
    return found


def _quoted(text: str) -> str:
    doubled = one_line(text).replace('"', '""')
    return f'"{doubled}"'
