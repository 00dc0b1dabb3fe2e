"""What archives are drawn with: mixes of emotions, over time and side by side, and numbers in words."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from emotone.labels import colour
from emotone.report._archive_counts import NO_SPEECH, SPEECH, UNCERTAIN
from emotone.report._html import Html, tag

__all__ = ["OTHERS", "clock", "columns_over", "count", "hours", "mix", "percent", "tint"]

OTHERS = {SPEECH: "#6b7a8c", UNCERTAIN: "#8d949c", NO_SPEECH: "#b6bdc5"}
"""What isn't an emotion is drawn in greys, as in timelines."""


def tint(kind: str) -> str:
    """The colour of a kind."""
    return OTHERS.get(kind) or colour(kind)


def mix(parts: Sequence[tuple[float, str]], *, height: int = 14, class_: str = "stacked") -> Html:
    """Shares of a whole side by side, (share, colour) each. The numbers stand beside it."""
    drawn, start = [], 0.0
    for share, fill in parts:
        if share > 0:
            drawn.append(
                tag("rect", x=f"{100 * start:.2f}%", y=0, width=f"{100 * share:.2f}%", height=height, fill=fill)
            )
        start += share
    return tag("svg", *drawn, class_=class_, height=height, aria_hidden="true", focusable="false")


TALL, FOOT = 170.0, 34.0


def columns_over(each: Mapping[str, Mapping[str, float]], most: float, *, words: str) -> Html:
    """A column for each step: shares of each kind, stacked, and under the axis a bar for how much there was.

    ``each`` has seconds by kind; ``most`` is the largest sum. As wide as the page, so only its height is fixed.
    """
    width = 100 / len(each)
    gap = min(0.25 * width, 0.35)
    drawn: list[Html] = []
    for i, (name, parts) in enumerate(each.items()):
        total = sum(parts.values())
        if not total:
            continue
        at, across = f"{i * width + gap / 2:.3f}%", f"{width - gap:.3f}%"
        pieces, top = [], TALL
        for kind, seconds in parts.items():
            height = TALL * seconds / total
            top -= height
            if height > 0.05:
                pieces.append(tag("rect", x=at, y=top, width=across, height=height, fill=tint(kind)))
        depth = max(1.0, (FOOT - 6) * total / most)
        pieces.append(tag("rect", x=at, y=TALL + 4, width=across, height=depth, class_="band"))
        told = ", ".join(f"{kind} {percent(seconds, total)}" for kind, seconds in parts.items() if seconds)
        drawn.append(tag("g", tag("title", f"{name}: {hours(total)}: {told}"), *pieces))
    texts = []
    marks = sorted({0, len(each) // 2, len(each) - 1})
    names = list(each)
    for i in marks:
        place = 0.0 if i == 0 else 100.0 if i == len(each) - 1 else (i + 0.5) * width
        anchor = "start" if i == 0 else "end" if i == len(each) - 1 else "middle"
        texts.append(tag("text", names[i], x=f"{place:.2f}%", y=TALL + FOOT + 14, text_anchor=anchor, class_="small"))
    return tag(
        "svg",
        tag("title", words),
        *drawn,
        *texts,
        class_="headline-ruler",
        height=TALL + FOOT + 20,
        role="img",
        aria_label=words,
    )


def hours(seconds: float) -> str:
    """``3.2 hours``, ``14 minutes`` or ``9 seconds``."""
    if seconds >= 3600:
        hours = seconds / 3600
        return f"{hours:,.0f} hours" if hours >= 100 else f"{hours:.1f} hours"
    if seconds >= 100:
        return f"{seconds / 60:.0f} minutes"
    return f"{seconds:.0f} seconds"


def percent(part: float, whole: float) -> str:
    return "–" if not whole else f"{100 * part / whole:.{int(0 < part < 0.01 * whole)}f}\u00a0%"


def clock(seconds: float) -> str:
    minutes, rest = divmod(round(seconds), 60)
    hours, minutes = divmod(minutes, 60)
    return f"{hours}:{minutes:02}:{rest:02}" if hours else f"{minutes}:{rest:02}"


def count(n: int, noun: str) -> str:
    return f"{n:,} {noun}{'' if n == 1 else 's'}"
