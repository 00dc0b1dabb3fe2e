"""What distortions cost."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

from emotone.errors import ExperimentError
from emotone.labels import COLOURS
from emotone.metrics import format_score
from emotone.plots._figure import INK, MUTED, axes_or_new, tidy

if TYPE_CHECKING:
    from matplotlib.axes import Axes

_ROW, _GAP = 0.21, 0.75
"""Inches of a row, and rows left free above each family."""


def stress(
    conditions: Sequence[Mapping[str, Any]],
    *,
    clean: tuple[float, float | None, float | None],
    ax: Axes | None = None,
    title: str = "",
) -> Axes:
    """A point with its interval for each condition of a stress test, by family, and a line back to the clean score.

    ``conditions`` are those of ``stress.json``; ``clean`` is the score without any, with the ends of its interval or
    None. Points are red where the paired difference's interval leaves out zero from below. At the right stands the
    share of unchanged answers.
    """
    if not conditions:
        raise ExperimentError("There are no conditions to draw.")
    places, families = _in_families([str(condition["family"]) for condition in conditions])
    ax = axes_or_new(ax, 8, _ROW * (places[-1] + 2) + 1.3)
    value, low, high = clean
    if low is not None and high is not None:
        ax.axvspan(low, high, color=COLOURS["sad"], alpha=0.1, linewidth=0, zorder=0)
    label = f"{format_score('clean: UAR', value, low, high)}; red: worse, 95 % sure"
    ax.axvline(value, color=COLOURS["sad"], linewidth=1.2, zorder=1, label=label)
    for place, one in zip(places, conditions, strict=True):
        worse = one["difference_high"] is not None and one["difference_high"] < 0
        tint = COLOURS["angry"] if worse else INK
        ax.hlines(place, value, one["value"], color=tint, linewidth=1, alpha=0.35, zorder=2)
        if one["low"] is not None:
            ax.hlines(place, one["low"], one["high"], color=MUTED, linewidth=2.6, alpha=0.22, zorder=1.5)
        ax.scatter(one["value"], place, s=22, color=tint, linewidth=0, zorder=3, clip_on=False)
        same = f"{100 * one['same_answer']:.0f} %"
        ax.text(1.01, place, same, transform=ax.get_yaxis_transform(), fontsize=7.5, color=MUTED, va="center")
    for place, family in families:
        ax.text(0.006, place, family, transform=ax.get_yaxis_transform(), fontsize=8, color=MUTED, va="center")
    above = -0.6
    ax.text(1.01, above, "same", transform=ax.get_yaxis_transform(), fontsize=7.5, color=MUTED, va="center")
    ax.set(xlim=(0, 1), ylim=(places[-1] + 0.8, above - 0.4))
    ax.set_yticks(places, labels=[str(condition["title"]) for condition in conditions])
    ax.set_xlabel("UAR, 95 % interval over speakers", color=MUTED, fontsize=9)
    tidy(ax, keep=("bottom",), size=8)
    ax.set_title(title, loc="left", color=INK, fontsize=10, pad=24)
    ax.legend(loc="lower left", bbox_to_anchor=(-0.01, 1.0), frameon=False, fontsize=8.5, labelcolor=INK)
    return ax


def _in_families(names: Sequence[str]) -> tuple[list[float], list[tuple[float, str]]]:
    """Where each row goes, from above, and where the name of each run of one family goes."""
    places: list[float] = []
    families: list[tuple[float, str]] = []
    place = -1.0
    for before, name in zip(["", *names], names, strict=False):
        place += 1
        if name != before:
            families.append((place, name))
            place += _GAP
        places.append(place)
    return places, families
