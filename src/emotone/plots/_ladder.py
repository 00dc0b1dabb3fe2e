"""The honesty ladder: what each protocol makes of one model."""

from __future__ import annotations

import textwrap
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

from emotone.errors import ExperimentError, require
from emotone.plots._figure import INK, MUTED, axes_or_new, tidy

if TYPE_CHECKING:
    from matplotlib.axes import Axes

_SHARED, _PEEKED, _HONEST = ("#e2a283", "#a8441a", "///"), ("#c3abd4", "#5f3378", "..."), ("#7ea3e6", "#2a5bb8", "")
"""Fill, edge and hatching of rungs with known speakers, of those that use test data, and of honest ones."""


def ladder(document: Mapping[str, Any], *, ax: Axes | None = None) -> Axes:
    """The honesty ladder (`emotone.ladder.Ladder.as_dict`): a bar for each protocol's UAR, most flattering above.

    Rungs that flatter are hatched and say why in words. The whisker is the interval over speakers, the diamond the
    control of equal training size; what a leak adds to it is drawn darker, and written below with its interval.
    """
    rungs = document["rungs"]
    if not rungs:
        raise ExperimentError("There are no rungs to draw: none of the protocols could be measured.")
    skipped = "; ".join(f"{one['name']}: {one['reason']}" for one in document["skipped"])
    below = ["UAR, with the 95 % interval over speakers", *textwrap.wrap(skipped and f"Not measured: {skipped}", 84)]
    ax = axes_or_new(ax, 6.4, 1.3 * len(rungs) + 1.5 + 0.16 * len(below))
    for place, rung in enumerate(rungs):
        _draw_rung(ax, rung, 1.3 * place)
    ax.set(xlim=(0, 1), ylim=(1.3 * len(rungs) - 0.05, -0.02))
    ax.set_xticks([0, 0.25, 0.5, 0.75, 1], labels=["0", "0.25", "0.50", "0.75", "1"])
    ax.set_yticks([])
    ax.set_xlabel("\n".join(below), color=MUTED, fontsize=9.5)
    subject = f"{'+'.join(document['corpora'])} {document['label_set']} · {document['frontend']} · {document['model']}"
    _above(ax, 46, "One model, many scores", fontsize=15, fontweight="bold", color=INK)
    _above(ax, 28, subject, fontsize=10.5, color=MUTED)
    _ladder_legend(ax, rungs)
    tidy(ax, keep=("bottom",), size=10)
    return ax


def _above(ax: Axes, points: float, text: str, **style: Any) -> None:
    ax.annotate(text, (0, 1), (0, points), xycoords="axes fraction", textcoords="offset points", **style)


def _rung_colours(rung: Mapping[str, Any]) -> tuple[str, str, str]:
    return _HONEST if not rung["flagged"] else _PEEKED if rung["speakers"] == "unseen" else _SHARED


def _draw_rung(ax: Axes, rung: Mapping[str, Any], top: float) -> None:
    """One rung, downwards from ``top``: title and flag, bar, what the leak is worth, control."""
    fill, edge, hatch = _rung_colours(rung)
    value, low, high, worth = rung["value"], rung["low"], rung["high"], rung["worth"]
    control = None if rung["control"] is None else rung["control"]["value"]
    middle = top + 0.49
    ax.text(0, top + 0.2, rung["title"], fontsize=11.5, fontweight="bold", color=INK, va="center")
    flag = rung["flag"].upper() or "HONEST"
    ax.text(1, top + 0.2, flag, fontsize=8.5, fontweight="bold", color=edge, ha="right", va="center")
    ax.barh(middle, value, height=0.3, color=fill, hatch=hatch, edgecolor="white", linewidth=0, zorder=2)
    if control is not None and worth is not None and worth["value"] > 0:
        reach = {"left": min(control, value), "height": 0.3, "zorder": 3}
        if value > control:  # what the leak adds
            ax.barh(middle, value - control, color=edge, hatch=hatch, edgecolor="white", linewidth=0, **reach)
        else:  # what its absence costs
            ax.barh(middle, control - value, fill=False, edgecolor=edge, linestyle=(0, (3, 2)), **reach)
    right = value
    if low is not None and high is not None:
        for tint, width, cap in (("white", 3.6, 10), (INK, 1.6, 8)):
            ax.plot([low, high], [middle] * 2, color=tint, linewidth=width, zorder=5)
            ax.plot([low, high], [middle] * 2, "|", color=tint, markersize=cap, markeredgewidth=width, zorder=5)
        right = high
    if control is not None:
        ax.plot(control, middle, "D", color="white", markeredgecolor=INK, markersize=6.5, zorder=6)
        right = control if right < control < right + 0.12 else right
    ax.text(right + 0.022, middle, f"{value:.2f}", fontsize=13, fontweight="bold", color=INK, va="center", zorder=7)
    ends = [middle - 0.2, middle + 0.2]
    ax.plot([rung["chance"]] * 2, ends, color=INK, linewidth=1.3, linestyle=(0, (1, 1)), zorder=6)
    headline, detail = _rung_captions(rung)
    ax.text(0, top + 0.8, headline, fontsize=9.8, fontweight="bold" if worth else "normal", color=edge, va="center")
    ax.text(0, top + 0.98, detail, fontsize=9.2, color=MUTED, va="center")


def _rung_captions(rung: Mapping[str, Any]) -> tuple[str, str]:
    """What the leak is worth, and beside which control."""
    control, worth = rung["control"], rung["worth"]
    chance = f"chance {rung['chance']:.3g}"
    beside = "" if control is None else f"\N{WHITE DIAMOND} {control['title']}: {control['value']:.2f} · "
    if worth is None:
        return "nobody tested was trained on" if not rung["flagged"] else rung["flag"], beside + chance
    low, high = worth["low"], worth["high"]
    ends = "" if low is None or high is None else f" [{_points(low)}, {_points(high)}]"
    return f"{worth['what']}: {_points(worth['value'])} points{ends}", beside + chance


def _points(share: float) -> str:
    points = round(100 * share)
    return f"{points:+d}".replace("-", "\N{MINUS SIGN}") if points else "0"


def _ladder_legend(ax: Axes, rungs: Sequence[Mapping[str, Any]]) -> None:
    patch, line = require("matplotlib.patches", extra="plot").Patch, require("matplotlib.lines", extra="plot").Line2D
    kinds = {_SHARED: "speakers shared", _PEEKED: "test data used", _HONEST: "honest"}
    shown = {_rung_colours(rung) for rung in rungs}
    handles = [
        patch(facecolor=fill, hatch=hatch, edgecolor="white", linewidth=0, label=label)
        for (fill, edge, hatch), label in kinds.items()
        if (fill, edge, hatch) in shown
    ]
    diamond = {"marker": "D", "color": "white", "markeredgecolor": INK, "markersize": 6.5, "linewidth": 0}
    handles.append(line([], [], label="control", **diamond))
    handles.append(line([], [], label="chance", color=INK, linewidth=1.3, linestyle=(0, (1, 1))))
    ax.legend(
        handles=handles,
        loc="lower left",
        bbox_to_anchor=(-0.01, 1.0),
        ncols=len(handles),
        frameon=False,
        fontsize=9.2,
        labelcolor=INK,
        borderaxespad=0.3,
        handlelength=1.6,
        columnspacing=1.0,
    )
