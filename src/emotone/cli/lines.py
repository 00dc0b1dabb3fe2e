"""Segments over time as lines for people, the same for files and for microphones."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from emotone.cli.recordings import Form, bar, percent, rendered

if TYPE_CHECKING:
    from rich.console import Console
    from rich.text import Text

    from emotone.segment import Segment

__all__ = ["answer", "clock", "line", "lines"]

_BAR = 10  # characters


def lines(console: Console, labels: Sequence[str], *, headings: bool) -> Form:
    """A line for each segment, under the recording's name where there are several, and under each channel's number."""
    last: tuple[str, int | None] = ("", None)

    def written(name: str, segment: Segment) -> str:
        nonlocal last
        is_new, last = (name, segment.channel) != last, (name, segment.channel)
        channel = [] if segment.channel is None else [f"channel {segment.channel}"]
        title = ", ".join([*([name] if headings else []), *channel])
        above = [_heading(title)] if is_new and title else []
        return rendered(console, *above, line(console, segment, labels))

    return written


def _heading(words: str) -> Text:
    from rich.text import Text

    return Text(words, "bold")


def line(console: Console, segment: Segment, labels: Sequence[str]) -> Text:
    """When, who if somebody told, and what."""
    from rich.text import Text

    who = "" if segment.speaker is None else f"{segment.speaker}  "
    times = Text(f"{clock(segment.start)}–{clock(segment.end)}  {who}")
    flags = [flag for flag in segment.flags if flag != "no_speech"]
    return times.append(answer(console, segment, labels)).append("".join(f", {flag}" for flag in flags), "yellow")


def answer(console: Console, segment: Segment, labels: Sequence[str]) -> Text:
    """What was heard, with a bar, and what else it may have been."""
    from rich.text import Text

    from emotone.labels import colour

    if "no_speech" in segment.flags:
        return Text("no speech", "dim")
    if segment.dimensions:
        return Text(segment.headline, "bold")
    width = max(len(label) for label in (*labels, "can't tell"))
    ranked = sorted(segment.scores, key=lambda label: -segment.scores[label])
    style = "dim" if segment.emotion is None else f"bold {colour(segment.emotion)}"
    text = Text(f"{segment.emotion or '''can't tell''':<{width}} {percent(segment.confidence)}  ", style)
    text.append(bar(segment.confidence, _BAR, console), style)
    others = ranked[:1] if segment.emotion is None else ranked[1:2]
    return text.append("".join(f"  {label} {percent(segment.scores[label]).strip()}" for label in others), "dim")


def clock(seconds: float) -> str:
    """Hours as ``1:02:03.45``, less as ``2:03.45``."""
    hundredths = round(100 * seconds)
    minutes, rest = divmod(hundredths, 6000)
    hours, minutes = divmod(minutes, 60)
    return f"{hours}:{minutes:02}:{rest / 100:05.2f}" if hours else f"{minutes:2}:{rest / 100:05.2f}"
