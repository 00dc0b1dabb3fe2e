"""Scores of an experiment."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, TypeAlias

import numpy as np

from emotone.errors import ExperimentError
from emotone.labels import COLOURS
from emotone.metrics import format_score
from emotone.plots._figure import GRID, INK, MUTED, axes_or_new, tidy

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from numpy.typing import ArrayLike, NDArray

    from emotone.metrics import Reliability

    Floats: TypeAlias = NDArray[np.float64]


def confusion(matrix: ArrayLike, labels: Sequence[str], *, ax: Axes | None = None, title: str = "") -> Axes:
    """Confusion matrix of counts, rows are the truth: each cell shows the share of its row in percent and,
    small, the count. An emotion without true rows has an empty row."""
    counts = np.asarray(matrix, dtype=np.float64)
    k = len(labels)
    if counts.shape != (k, k):
        raise ExperimentError(f"A confusion matrix of {k} labels has shape {(k, k)}, not {counts.shape}.")
    ax = axes_or_new(ax, 0.85 * k + 1.4, 0.72 * k + 1.2)
    totals = counts.sum(axis=1, keepdims=True)
    shares = counts / np.maximum(totals, 1)
    ax.imshow(shares, cmap="Blues", vmin=0, vmax=1, aspect="auto")
    for i, j in np.ndindex(k, k):
        if not totals[i]:
            continue
        ink = "white" if shares[i, j] > 0.55 else INK if counts[i, j] else GRID
        weight = "bold" if i == j else "normal"
        percent = f"{100 * shares[i, j]:.0f}"
        ax.text(j, i - 0.08, percent, ha="center", va="center", color=ink, fontsize=11, fontweight=weight)
        if counts[i, j]:
            ax.text(j, i + 0.29, f"{counts[i, j]:.0f}", ha="center", va="center", color=ink, fontsize=7, alpha=0.8)
    ax.set_xticks(range(k), labels=list(labels), rotation=35 if k > 4 else 0, ha="right" if k > 4 else "center")
    ax.set_yticks(range(k), labels=list(labels))
    ax.set_xlabel("recognised as (% of the row, and number)", color=MUTED, fontsize=10)
    ax.set_ylabel("truth", color=MUTED, fontsize=10)
    ax.set_title(title, loc="left", color=INK, fontsize=11, pad=10)
    tidy(ax, keep=(), size=10)
    ax.set_xticks(np.arange(0.5, k - 1), minor=True)
    ax.set_yticks(np.arange(0.5, k - 1), minor=True)
    ax.grid(which="minor", color="white", linewidth=1.5)
    ax.tick_params(which="minor", length=0)
    return ax


def reliability(bins: Reliability, *, ax: Axes | None = None, title: str = "") -> Axes:
    """Accuracy against confidence, with the bins of `emotone.metrics.reliability`: a point for each bin,
    larger with more rows, and grey bars for the share of rows. Points under the diagonal are too sure of
    themselves."""
    if not bins.count.sum():
        raise ExperimentError("There are no rows in the bins of confidence to draw.")
    ax = axes_or_new(ax, 5.2, 5)
    filled = bins.count > 0
    share = bins.count / bins.count.sum()
    x, y, weight = bins.confidence[filled], bins.accuracy[filled], share[filled]
    ax.bar(
        bins.edges[:-1],
        share,
        width=np.diff(bins.edges),
        align="edge",
        color=GRID,
        edgecolor="white",
        zorder=1,
    )
    ax.plot([0, 1], [0, 1], color=MUTED, linewidth=1, linestyle=(0, (4, 3)), zorder=2)
    ax.vlines(x, y, x, color=COLOURS["angry"], linewidth=1.2, alpha=0.55, zorder=3)
    ax.plot(x, y, color=COLOURS["sad"], linewidth=1.4, zorder=4)
    ax.scatter(x, y, s=14 + 500 * weight, color=COLOURS["sad"], edgecolor="white", linewidth=0.8, zorder=5)
    error = float(np.abs(x - y) @ weight)
    ax.text(0.04, 0.95, f"ECE {error:.3f}", color=INK, fontsize=12, fontweight="bold", va="top")
    ax.text(0.97, 0.56, "too sure", color=MUTED, fontsize=9, ha="right", va="top")
    ax.text(0.44, 0.95, "too modest", color=MUTED, fontsize=9, va="top")
    ax.set(xlim=(0, 1), ylim=(0, 1), aspect="equal")
    ticks = [0, 0.25, 0.5, 0.75, 1]
    ax.set_xticks(ticks, labels=[f"{100 * tick:.0f} %" for tick in ticks])
    ax.set_yticks(ticks, labels=[f"{100 * tick:.0f} %" for tick in ticks])
    ax.set_xlabel("confidence", color=MUTED, fontsize=10)
    ax.set_ylabel("accuracy (points), share of rows (bars)", color=MUTED, fontsize=10)
    ax.set_title(title, loc="left", color=INK, fontsize=11, pad=10)
    tidy(ax)
    return ax


def agreement(
    truth: ArrayLike, predicted: ArrayLike, *, what: str = "", ax: Axes | None = None, title: str = ""
) -> Axes:
    """A point for each row with its truth and its prediction of ``what``, on one scale; on the line both agree.

    The darker the place, the more rows are there.
    """
    x, y = np.asarray(truth, dtype=np.float64), np.asarray(predicted, dtype=np.float64)
    if not len(x) or x.shape != y.shape:
        raise ExperimentError(f"Truth and predictions to draw have one length, above 0, not {x.shape} and {y.shape}.")
    ax = axes_or_new(ax, 5.2, 5)
    low, high = min(x.min(), y.min()), max(x.max(), y.max())
    margin = 0.04 * (high - low) or 1.0
    ends = (low - margin, high + margin)
    ax.plot(ends, ends, color=MUTED, linewidth=1, linestyle=(0, (4, 3)), zorder=1)
    opacity = float(np.clip(40 / np.sqrt(len(x)) / 4, 0.12, 0.8))
    ax.scatter(x, y, s=16, color=COLOURS["sad"], alpha=opacity, linewidth=0, zorder=2)
    ax.set(xlim=ends, ylim=ends, aspect="equal")
    ax.set_xlabel(f"{what}, truth".lstrip(", "), color=MUTED, fontsize=10)
    ax.set_ylabel(f"{what}, predicted".lstrip(", "), color=MUTED, fontsize=10)
    ax.set_title(title, loc="left", color=INK, fontsize=11, pad=10)
    tidy(ax)
    return ax


_GENDERS = {"female": ("#b1467f", "o"), "male": ("#2f6fb5", "s")}
_MANY = 40


def per_speaker(
    values: Mapping[str, float],
    *,
    genders: Mapping[str, str] | None = None,
    overall: tuple[float, float | None, float | None] | None = None,
    chance: float | None = None,
    metric: str = "UAR",
    ax: Axes | None = None,
) -> Axes:
    """A point for each speaker (`emotone.metrics.by_group`), best above, shaped and coloured by gender where
    given.

    ``overall`` is the score of all rows and the ends of its interval (or None), drawn as a line and a band;
    ``chance`` is a dotted line. Beyond forty speakers their names are left out.
    """
    if not values:
        raise ExperimentError("There are no speakers to draw: pass a score for each.")
    names = sorted(values, key=lambda name: values[name])
    shown = len(names) <= _MANY
    ax = axes_or_new(ax, 7, 0.23 * len(names) + 1.3 if shown else 8.0)
    places = np.arange(len(names))
    x = np.array([values[name] for name in names])
    if overall is not None:
        value, low, high = overall
        if low is not None and high is not None:
            ax.axvspan(low, high, color=COLOURS["sad"], alpha=0.12, linewidth=0, zorder=0)
        label = format_score("all", value, low, high)
        ax.axvline(value, color=COLOURS["sad"], linewidth=1.4, zorder=1, label=label)
    if chance is not None:
        ax.axvline(chance, color=MUTED, linewidth=1, linestyle=(0, (1, 2)), zorder=1, label=f"chance {chance:.2f}")
    ax.hlines(places, 0, x, color=GRID, linewidth=0.8, zorder=0.5)
    kinds = np.array([(genders or {}).get(name, "") for name in names])
    for kind in sorted(set(kinds)):
        tint, marker = _GENDERS.get(kind, (INK, "D"))
        chosen = kinds == kind
        ax.scatter(
            x[chosen],
            places[chosen],
            s=34,
            color=tint,
            marker=marker,
            zorder=3,
            label=kind or None,
            linewidth=0,
        )
    # A CCC can be below zero.
    ax.set(xlim=(min(0.0, 1.08 * float(x.min())), 1), ylim=(-0.8, len(names) - 0.2))
    ax.set_yticks(places if shown else [], labels=names if shown else [])
    ax.set_xlabel(f"{metric} of each speaker", color=MUTED, fontsize=10)
    if not shown:
        ax.set_ylabel(f"{len(names)} speakers", color=MUTED, fontsize=10)
    tidy(ax, keep=("bottom",))
    if ax.get_legend_handles_labels()[0]:
        ax.legend(loc="lower center", bbox_to_anchor=(0.5, 1.0), ncols=4, frameon=False, fontsize=9, labelcolor=INK)
    return ax
