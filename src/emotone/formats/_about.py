"""What every format asks for: what is known of the recording, which segments are marks, and how times are written."""

from __future__ import annotations

import os
import unicodedata
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from decimal import Decimal

from emotone.labels import in_order
from emotone.segment import Segment

__all__ = ["About", "answers", "one_line", "printable", "seconds"]


@dataclass(frozen=True)
class About:
    """What a file tells besides its segments."""

    file: str | None
    """The recording's name, where all segments have the same one."""
    duration: float
    """Seconds; never less than the last segment's end."""
    labels: tuple[str, ...]
    """The emotions that get a column, in canonical order."""
    dimensions: tuple[str, ...]
    given: bool = False
    """Whether ``file`` was named by whoever writes; otherwise each segment has its own source."""

    @classmethod
    def of(
        cls,
        segments: Sequence[Segment],
        *,
        source: str | os.PathLike[str] | None,
        duration: float | None,
        labels: Sequence[str],
        dimensions: Sequence[str],
    ) -> About:
        """From the segments, and from what isn't left to them."""
        sources = {segment.source for segment in segments}
        named = source if source is not None else sources.pop() if len(sources) == 1 else None
        end = max((segment.end for segment in segments), default=0.0)
        found = {name: None for segment in segments for name in segment.dimensions}
        return cls(
            file=None if named is None else printable(named),
            duration=max(duration or 0.0, end),
            labels=in_order([*labels, *(name for segment in segments for name in segment.scores)]),
            dimensions=tuple(dict.fromkeys([*dimensions, *found])),
            given=source is not None,
        )

    def file_of(self, segment: Segment) -> str | None:
        """The recording that ``segment`` is of."""
        return self.file if self.given or segment.source is None else printable(segment.source)


def printable(path: str | os.PathLike[str]) -> str:
    """A path as text that any file can hold: bytes that aren't UTF-8 become the sign for that."""
    return os.fsencode(path).decode("utf-8", "replace")


def one_line(text: str) -> str:
    """``text`` for formats in which lines and tabs have a meaning: without them, and without control characters."""
    return "".join(c for c in " ".join(text.split()) if unicodedata.category(c) not in ("Cc", "Cs"))


def seconds(time: float) -> str:
    """The shortest decimal number that reads back as the same float, without an exponent: exact to the sample."""
    text = repr(float(time))
    return f"{Decimal(text):f}" if "e" in text else text.removesuffix(".0")


def answers(segments: Sequence[Segment]) -> Iterator[tuple[Segment, str]]:
    """The segments with an answer and what it is, in the order of time: for formats that mark some stretches only."""
    for segment in sorted(segments, key=lambda segment: (segment.start, segment.end, segment.channel or 0)):
        if segment.emotion is not None or (segment.dimensions and not segment.scores):
            yield segment, one_line(segment.headline)
