"""Figures without pyplot: how they are made, tidied and written."""

from __future__ import annotations

import io
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from emotone.errors import ExperimentError, require

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

INK, MUTED, GRID = "#1f2328", "#656d76", "#d8dee4"
"""Text, secondary text, and lines that only guide the eye."""


def png(drawn: Axes | Figure, *, dpi: float = 150) -> bytes:
    """The figure of ``drawn`` as a PNG image in memory."""
    buffer = io.BytesIO()
    figure_of(drawn).savefig(buffer, format="png", dpi=dpi)
    return buffer.getvalue()


def save(drawn: Axes | Figure, path: str | Path, *, dpi: float = 150) -> Path:
    """Write the figure of ``drawn`` in the format of the path's ending (png, svg, pdf, ...), making its
    folder."""
    target = Path(path)
    formats = figure_of(drawn).canvas.get_supported_filetypes()
    ending = target.suffix.lstrip(".").lower()
    if ending not in formats:
        raise ExperimentError(
            f"A picture can't be written as {target.name!r}; the ending must be one of {', '.join(sorted(formats))}."
        )
    try:
        target.parent.mkdir(parents=True, exist_ok=True)
        figure_of(drawn).savefig(target, dpi=dpi)
    except OSError as error:
        reason = error.strerror or error
        raise ExperimentError(f"The picture {target} can't be written: {reason}.") from error
    return target


def figure_of(drawn: Axes | Figure) -> Any:
    return getattr(drawn, "figure", None) or drawn


def new_figure(width: float, height: float) -> Figure:
    """An empty figure, inches."""
    layout = require("matplotlib.layout_engine", extra="plot").ConstrainedLayoutEngine(w_pad=0.12, h_pad=0.1)
    figure: Figure = require("matplotlib.figure", extra="plot").Figure(
        figsize=(width, height), layout=layout, facecolor="white"
    )
    return figure


def axes_or_new(ax: Axes | None, width: float, height: float) -> Axes:
    return new_figure(width, height).add_subplot() if ax is None else ax


def tidy(ax: Axes, *, keep: Sequence[str] = ("left", "bottom"), size: float = 9) -> None:
    """Only the spines named, thin and grey; ticks without marks."""
    for name, spine in ax.spines.items():
        spine.set_visible(name in keep)
        spine.set_color(GRID)
    ax.tick_params(length=0, labelsize=size, labelcolor=INK, pad=5)
