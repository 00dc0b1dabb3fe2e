"""Drawings as inline SVG: small, crisp at any size, coloured by the page's classes so that dark and print work.

A ruler takes the width it is given and keeps its height: its x coordinates are percentages. The square plots have
fixed coordinates and only scale a little. All say in words what they show, to those who can't see them.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from emotone.report._html import Html, join, tag

Point = tuple[float, float]
Tick = tuple[float, str]
"""Where it is, as a share of the axis, and what stands there."""


@dataclass(frozen=True)
class Scale:
    """The values at the left and the right end of a ruler, and where its faint lines are."""

    low: float = 0.0
    high: float = 1.0
    ticks: tuple[float, ...] = (0.0, 0.25, 0.5, 0.75, 1.0)

    def at(self, value: float) -> float:
        """Percent of the width."""
        return 100 * min(max((value - self.low) / (self.high - self.low), 0.0), 1.0)


SHARES = Scale()


def centred(values: Iterable[float | None]) -> Scale:
    """A scale with zero in the middle that holds all ``values``, differences of shares; ends at a round number."""
    reach = max((abs(value) for value in values if value is not None), default=0.0)
    end = next(end for end in (0.05, 0.1, 0.2, 0.3, 0.5, 1.0) if reach <= end or end == 1.0)
    return Scale(-end, end, (-end, -end / 2, 0.0, end / 2, end))


# --- rulers ---


def ruler(
    value: float | None,
    low: float | None = None,
    high: float | None = None,
    *,
    chance: float | None = None,
    beside: float | None = None,
    tint: str | None = None,
    scale: Scale = SHARES,
) -> Html:
    """A value on a scale: a dot, its interval as a band, chance (or another mark) as a dashed line, and hollow
    the value ``beside`` it. The numbers stand next to it in the table, so it is silent to screen readers."""
    parts = [_line(scale, tick, "grid", 3, 17) for tick in scale.ticks]
    if chance is not None:
        parts.append(_line(scale, chance, "chance", 1, 19))
    if low is not None and high is not None:
        start, end = scale.at(low), scale.at(high)
        parts.append(
            tag("rect", x=f"{start:.2f}%", y=6, width=f"{max(end - start, 0.4):.2f}%", height=8, rx=2, class_="band")
        )
    if beside is not None:
        if value is not None:
            ends = {"x1": f"{scale.at(beside):.2f}%", "x2": f"{scale.at(value):.2f}%"}
            parts.append(tag("line", y1=10, y2=10, class_="way", **ends))
        parts.append(tag("circle", cx=f"{scale.at(beside):.2f}%", cy=10, r=4, class_="hollow"))
    if value is not None:
        look = {"fill": tint, "class_": "dot"} if tint else {"class_": "dot mark"}
        parts.append(tag("circle", cx=f"{scale.at(value):.2f}%", cy=10, r=4.5, **look))
    return tag("svg", *parts, class_="ruler", height=20, aria_hidden="true", focusable="false")


def axis(scale: Scale = SHARES, *, points: bool = False) -> Html:
    """The numbers above a column of rulers; ``points`` writes differences as +5."""
    texts = []
    for tick in scale.ticks[:: max(1, len(scale.ticks) // 2)]:
        place = scale.at(tick)
        anchor = "start" if place < 5 else "end" if place > 95 else "middle"
        label = f"{100 * tick:+.3g}".replace("-", "−") if points and tick else f"{100 * tick if points else tick:.3g}"
        texts.append(tag("text", label, x=f"{place:.2f}%", y=11, text_anchor=anchor))
    return tag("svg", *texts, class_="ruler axis", height=14, aria_hidden="true", focusable="false")


def headline(
    value: float, low: float | None, high: float | None, *, chance: float | None, words: str, scale: Scale = SHARES
) -> Html:
    """The run's score, large, with its scale. ``words`` say the same."""
    parts = [tag("title", words)]
    parts.append(tag("line", x1="0%", x2="100%", y1=46, y2=46, class_="base"))
    for tick in scale.ticks:
        place = scale.at(tick)
        anchor = "start" if place < 5 else "end" if place > 95 else "middle"
        parts.append(_line(scale, tick, "base", 46, 51))
        parts.append(tag("text", f"{tick:.3g}", x=f"{place:.2f}%", y=66, text_anchor=anchor, class_="small"))
    if low is not None and high is not None:
        start, end = scale.at(low), scale.at(high)
        parts.append(
            tag("rect", x=f"{start:.2f}%", y=26, width=f"{max(end - start, 0.4):.2f}%", height=20, rx=3, class_="band")
        )
    if chance is not None:
        place = scale.at(chance)
        parts.append(_line(scale, chance, "chance", 20, 46))
        parts.append(
            tag("text", f"guessing {chance:.3g}", x=f"{place:.2f}%", y=14, class_="small", text_anchor=_anchor(place))
        )
    parts.append(_line(scale, value, "needle", 20, 46))
    parts.append(tag("circle", cx=f"{scale.at(value):.2f}%", cy=36, r=7, class_="dot mark"))
    return tag("svg", *parts, class_="headline-ruler", height=70, role="img", aria_label=words)


def _anchor(place: float) -> str:
    return "start" if place < 12 else "end" if place > 88 else "middle"


def _line(scale: Scale, value: float, look: str, top: float, bottom: float) -> Html:
    place = f"{scale.at(value):.2f}%"
    return tag("line", x1=place, x2=place, y1=top, y2=bottom, class_=look)


def swatch(colour: str) -> Html:
    """A dot of an emotion's colour; the name always stands beside it."""
    return tag(
        "svg",
        tag("circle", cx=5, cy=5, r=5, fill=colour),
        class_="swatch",
        width=10,
        height=10,
        viewBox="0 0 10 10",
        aria_hidden="true",
        focusable="false",
    )


def bar(share: float, colour: str) -> Html:
    """A probability as a bar."""
    return tag(
        "svg",
        tag("rect", x=0, y=0, width="100%", height=8, rx=4, class_="trough"),
        tag("rect", x=0, y=0, width=f"{100 * share:.1f}%", height=8, rx=4, fill=colour),
        class_="bar",
        height=8,
        aria_hidden="true",
        focusable="false",
    )


def stacked(parts: Sequence[tuple[float, str]]) -> Html:
    """Shares of a whole side by side; each is (share, class of its look)."""
    drawn, start = [], 0.0
    for share, look in parts:
        drawn.append(tag("rect", x=f"{100 * start:.2f}%", y=0, width=f"{100 * share:.2f}%", height=22, class_=look))
        start += share
    return tag("svg", *drawn, class_="stacked", height=22, aria_hidden="true", focusable="false")


# --- square plots ---

SIDE, LEFT, TOP = 280.0, 44.0, 10.0
WIDTH, HEIGHT = LEFT + SIDE + 12, TOP + SIDE + 44


def _x(share: float) -> float:
    return LEFT + SIDE * share


def _y(share: float) -> float:
    return TOP + SIDE * (1 - share)


def _frame(
    title: str,
    words: str,
    x_title: str,
    y_title: str,
    parts: Sequence[Html],
    ticks: Sequence[str],
    *,
    x_ticks: Sequence[Tick] | None = None,
) -> Html:
    """A square with a grid. ``ticks`` are evenly spaced, on both axes unless there are ``x_ticks``."""
    lines, texts = [], []
    even = [(i / (len(ticks) - 1), tick) for i, tick in enumerate(ticks)]
    for share, tick in even if x_ticks is None else x_ticks:
        lines.append(tag("line", x1=_x(share), x2=_x(share), y1=_y(0), y2=_y(1), class_="grid"))
        texts.append(tag("text", tick, x=_x(share), y=_y(0) + 17, text_anchor="middle"))
    for share, tick in even:
        lines.append(tag("line", x1=_x(0), x2=_x(1), y1=_y(share), y2=_y(share), class_="grid"))
        texts.append(tag("text", tick, x=LEFT - 7, y=_y(share) + 4, text_anchor="end"))
    texts.append(tag("text", x_title, x=_x(0.5), y=HEIGHT - 6, text_anchor="middle", class_="small"))
    turned = f"translate(11 {_y(0.5):.0f}) rotate(-90)"
    texts.append(tag("text", y_title, transform=turned, text_anchor="middle", class_="small"))
    return tag(
        "svg",
        tag("title", title),
        tag("desc", words),
        *lines,
        *parts,
        *texts,
        class_="square",
        viewBox=f"0 0 {WIDTH:.0f} {HEIGHT:.0f}",
        role="img",
        aria_label=f"{title}: {words}",
    )


PERCENT = ("0", "25", "50", "75", "100 %")


def reliability(bins: Sequence[tuple[float, float, float, float, float]], *, words: str) -> Html:
    """Accuracy against confidence. ``bins`` with rows in them: (low edge, high edge, confidence, accuracy, share of
    all rows); the share is drawn as a grey bar and as the size of the dot."""
    drawn = [tag("line", x1=_x(0), y1=_y(0), x2=_x(1), y2=_y(1), class_="chance")]
    for low, high, _, _, share in bins:
        width, height = SIDE * (high - low) - 1, SIDE * share
        drawn.append(tag("rect", x=_x(low) + 0.5, y=_y(0) - height, width=width, height=height, class_="pile"))
    for _, _, confidence, accuracy, _ in bins:
        drawn.append(
            tag("line", x1=_x(confidence), x2=_x(confidence), y1=_y(accuracy), y2=_y(confidence), class_="gap")
        )
    path = " ".join(f"{_x(confidence):.1f},{_y(accuracy):.1f}" for _, _, confidence, accuracy, _ in bins)
    drawn.append(tag("polyline", points=path, class_="curve"))
    for _, _, confidence, accuracy, share in bins:
        told = f"confidence {confidence:.0%}, right {accuracy:.0%}, {share:.0%} of the answers".replace("%", " %")
        dot = tag("circle", cx=_x(confidence), cy=_y(accuracy), r=3 + 9 * share**0.5, class_="dot mark")
        drawn.append(tag("g", tag("title", told), dot))
    drawn.append(tag("text", "too modest", x=_x(0.04), y=_y(0.94), class_="aside"))
    drawn.append(tag("text", "too sure", x=_x(0.96), y=_y(0.06), text_anchor="end", class_="aside"))
    return _frame("Reliability", words, "confidence", "right answers", drawn, PERCENT)


def curve(points: Sequence[Point], *, title: str, words: str, x_title: str, y_title: str, level: float) -> Html:
    """A falling or rising line in the unit square, and ``level``, what it ends at, dashed."""
    step = max(1, len(points) // 200)
    kept = [*points[::step], points[-1]]
    path = " ".join(f"{_x(x):.1f},{_y(y):.1f}" for x, y in kept)
    drawn = [
        tag("line", x1=_x(0), x2=_x(1), y1=_y(level), y2=_y(level), class_="chance"),
        tag("polyline", points=path, class_="curve"),
    ]
    return _frame(title, words, x_title, y_title, drawn, PERCENT)


def epochs(
    lines: Sequence[tuple[Sequence[Point], bool]],
    *,
    highest: float,
    title: str,
    words: str,
    y_title: str,
    marked: Sequence[Point] = (),
) -> Html:
    """A line for each training: its points (epoch, value), and whether it is drawn solid. ``marked`` points get a dot.

    Values go from 0 to ``highest``.
    """
    last = max(epoch for points, _ in lines for epoch, _ in points)
    top = _round_up(highest)

    def place(point: Point) -> Point:
        return (point[0] - 1) / max(1.0, last - 1), point[1] / top

    drawn = []
    for points, solid in lines:
        placed = [place(point) for point in points]
        path = " ".join(f"{_x(x):.1f},{_y(y):.1f}" for x, y in placed)
        drawn.append(tag("polyline", points=path, class_="curve thin" if solid else "curve thin dashed"))
        if len(placed) == 1:  # of one point there is no line
            drawn.append(tag("circle", cx=_x(placed[0][0]), cy=_y(placed[0][1]), r=2.2, class_="speck"))
    for x, y in map(place, marked):
        drawn.append(tag("circle", cx=_x(x), cy=_y(y), r=3.5, class_="dot mark"))
    step = max(1, -(-int(last - 1) // 4))
    x_ticks = [(place((epoch, 0.0))[0], f"{epoch:.0f}") for epoch in range(1, int(last) + 1, step)]
    ticks = [f"{top * i / 4:.3g}" for i in range(5)]
    return _frame(title, words, "epoch", y_title, drawn, ticks, x_ticks=x_ticks)


def _round_up(value: float) -> float:
    """The end of an axis, not below ``value``, whose quarters have two digits at most; 1 for what isn't above 0."""
    if value <= 0:
        return 1.0
    power = 10.0 ** math.floor(math.log10(value))
    return next(step * power for step in (1, 1.2, 1.6, 2, 2.4, 3.2, 4, 6, 8, 10) if step * power >= value * (1 - 1e-9))


def scatter(points: Sequence[Point], *, low: float, high: float, title: str, words: str) -> Html:
    """Predicted against true numbers, with the diagonal of perfect answers; at most 3,000 points, evenly chosen."""
    span = (high - low) or 1.0
    step = max(1, len(points) // 3000)
    dots = [
        tag("circle", cx=_x((truth - low) / span), cy=_y((predicted - low) / span), r=2.2, class_="speck")
        for truth, predicted in points[::step]
    ]
    diagonal = tag("line", x1=_x(0), y1=_y(0), x2=_x(1), y2=_y(1), class_="chance")
    ticks = [f"{low + span * i / 4:.3g}" for i in range(5)]
    return _frame(title, words, "truth", "predicted", [join(dots), diagonal], ticks)
