"""How networks learnt."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, TypeAlias

from emotone.errors import ExperimentError
from emotone.labels import COLOURS
from emotone.plots._figure import INK, MUTED, new_figure, tidy

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

Training: TypeAlias = Sequence[Mapping[str, float]]
"""A record an epoch."""


def training(folds: Sequence[Sequence[Training]], *, title: str = "") -> Figure:
    """The loss of each epoch, and beside it the UAR on the held-out speakers where there are any.

    ``folds`` is `emotone.Result.training`: for each fold its trainings, of which each has a record an epoch. A line for
    each training: blue ones held speakers out, and their dot is the epoch with the best UAR; grey ones learnt from all.
    """
    trainings = [each for fold in folds for each in fold if each]
    if not trainings:
        raise ExperimentError("There are no epochs to draw: pass the history of a training.")
    scored = [each for each in trainings if "uar" in each[0]]
    figure = new_figure(8.4 if scored else 4.6, 3.4)
    axes = figure.subplots(1, 2 if scored else 1, squeeze=False)[0]
    for each in trainings:
        _line(axes[0], each, "loss")
    for each in scored:
        _line(axes[1], each, "uar")
        best = max(each, key=lambda record: record["uar"])
        axes[1].scatter(best["epoch"], best["uar"], s=22, color=COLOURS["sad"], edgecolor="white", zorder=3)
    longest = max(record["epoch"] for each in trainings for record in each)
    names = ("loss while training", "UAR on held-out speakers")
    for ax, name in zip(axes, names, strict=False):
        ax.set_xlabel("epoch", color=MUTED, fontsize=10)
        ax.set_title(name, loc="left", color=INK, fontsize=10)
        ax.set_xlim(0.5, longest + 0.5)
        ax.xaxis.get_major_locator().set_params(integer=True)
        ax.set_xticks([tick for tick in ax.get_xticks() if 1 <= tick <= longest])
        tidy(ax)
    axes[0].set_ylim(bottom=0)
    if scored:
        axes[1].set_ylim(0, 1)
    if title:
        figure.suptitle(title, fontsize=11, color=INK)
    return figure


def _line(ax: Axes, records: Training, what: str) -> None:
    held_out = "uar" in records[0]
    marker = "o" if len(records) == 1 else None  # a line of one point can't be seen
    epochs, values = [record["epoch"] for record in records], [record[what] for record in records]
    tint = COLOURS["sad"] if held_out else MUTED
    ax.plot(epochs, values, color=tint, linewidth=1.2, alpha=0.75, marker=marker, markersize=4)
