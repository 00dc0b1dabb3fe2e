"""What was heard over time: the sound, its segments, their probabilities, and how unsure they are."""

from __future__ import annotations

import itertools
import os
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeAlias

import numpy as np

from emotone import audio
from emotone.audio import Signal
from emotone.errors import ExperimentError
from emotone.labels import colour, in_order
from emotone.plots._figure import GRID, MUTED, new_figure, tidy
from emotone.segment import Segment

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure
    from numpy.typing import NDArray

    Floats: TypeAlias = NDArray[np.float64]

COLUMNS = 1600
"""Of the sound: about as many as a picture has dots across."""

MOST_SEGMENTS = 800
"""That are drawn one by one. Of more, what is seen are `MEANS` columns: their means, and what most of each was."""

MEANS = 400

_SILENCE, _NAMELESS, _SPEECH = "#d8dee4", "#a5acb5", "#6b7a8c"
"""What isn't speech, speech without an emotion for want of certainty, and speech of a recogniser of dimensions."""

_LINES: tuple[tuple[str, Any], ...] = (("#356ed3", "-"), ("#c08f30", "--"), ("#289b84", "-."), ("#80489d", ":"))
_LETTER = 0.06  # inches, on average, at 8 points
_STEPS = (0.1, 0.2, 0.5, 1, 2, 5, 10, 15, 30, 60, 120, 300, 600, 900, 1800, 3600, 7200, 14_400, 36_000)
_WIDTH = 11.0  # inches

Source: TypeAlias = "str | os.PathLike[str] | Signal"


def timeline(segments: Iterable[Segment], *, source: Source | None = None, title: str = "") -> Figure:
    """A recording's segments over its time, a row for each channel, of any length.

    A row has the sound, coloured by the emotion that was named; below it the probabilities of the emotions, one on
    top of the other, or the numbers of a recogniser that predicts dimensions; and how unsure they are: the entropy of
    the probabilities, from 0, where one emotion has all, to 1, where all have the same.

    ``source`` is the recording, read in blocks, or its signal at 16 kHz; if None, what the segments name is read where
    it is still there, and the sound left out otherwise. Raises `ExperimentError` where there is nothing to draw,
    `AudioError` for a ``source`` that can't be read.
    """
    segments = list(segments)
    end = max((segment.end for segment in segments), default=0.0)
    if end <= 0:
        raise ExperimentError("There is no timeline to draw: no segment lasts longer than 0 s.")
    sound = _source_of(segments) if source is None else source
    channels = sorted({segment.channel for segment in segments}, key=lambda channel: -1 if channel is None else channel)
    rows = [_Row([segment for segment in segments if segment.channel == channel], end) for channel in channels]
    heights = [height for row in rows for height in row.heights(sound is not None)]
    figure = new_figure(_WIDTH, 0.85 * sum(heights) + 0.8)
    figure.get_layout_engine().set(h_pad=0.03, hspace=0)  # type: ignore[union-attr, call-arg]
    grid = figure.add_gridspec(len(heights), 1, height_ratios=heights)
    axes = [figure.add_subplot(grid[place]) for place in range(len(heights))]
    left = iter(axes)
    for channel, row in zip(channels, rows, strict=True):
        top = next(left)
        _draw_sound(top, row, None if sound is None else audio.envelope(sound, end, COLUMNS, channel=channel))
        _name_row(top, row, channel, title if row is rows[0] else "")
        if row.labels:
            _draw_shares(next(left), row)
            _draw_doubt(next(left), row)
        elif row.dimensions:
            _draw_dimensions(next(left), row)
    for ax in axes:
        _draw_time(ax, end, last=ax is axes[-1])
    _explain(figure, rows)
    return figure


class _Row:
    """The segments of a channel as arrays over time."""

    def __init__(self, segments: list[Segment], end: float) -> None:
        self.segments = sorted(segments, key=lambda segment: segment.start)
        self.end = end
        self.labels = in_order(name for segment in segments for name in segment.scores)
        self.dimensions = tuple(dict.fromkeys(name for segment in segments for name in segment.dimensions))
        self.exact = len(segments) <= MOST_SEGMENTS
        borders = {0.0, end, *(time for segment in segments for time in (segment.start, segment.end))}
        self.edges = np.array(sorted(borders)) if self.exact else np.linspace(0, end, MEANS + 1)

    def heights(self, with_sound: bool) -> list[float]:
        """Of the row's axes, relative to each other."""
        top = 1.4 if with_sound else 0.3
        return [top, 1.2, 0.4] if self.labels else [top, 1.2] if self.dimensions else [top]

    def strip(self) -> list[str]:
        """The colour of each column: of what most of its speech was, or `_SILENCE` where less than half was speech."""
        tints = list(dict.fromkeys([_SILENCE, *map(_colour_of, self.segments)]))
        own = np.array([[tint == _colour_of(segment) for tint in tints] for segment in self.segments], dtype=float)
        shares = np.nan_to_num(self._spread(self.segments, own), nan=0.0)
        shares[:, 0] = np.where(shares[:, 1:].sum(axis=1) >= 0.5, 0, 1)
        return [tints[place] for place in shares.argmax(axis=1)]

    def means(self, names: Sequence[str], what: str) -> Floats:
        """``(len(names), columns)``: of ``scores`` or ``dimensions`` in each column, NaN where there are none."""
        rows = [(segment, getattr(segment, what)) for segment in self.segments if getattr(segment, what)]
        values = np.array([[each.get(name, 0.0) for name in names] for _, each in rows]).reshape(-1, len(names))
        return self._spread([segment for segment, _ in rows], values).T

    def doubt(self) -> Floats:
        """``(columns,)``: the entropy of the scores as a share of the highest there can be."""
        judged = [segment for segment in self.segments if segment.scores]
        scores = np.array([[segment.scores.get(name, 0.0) for name in self.labels] for segment in judged])
        scores = np.clip(scores.reshape(-1, len(self.labels)), 1e-12, 1)
        entropy = -(scores * np.log(scores)).sum(axis=1) / np.log(max(2, len(self.labels)))
        return self._spread(judged, entropy[:, np.newaxis])[:, 0]

    def _spread(self, segments: list[Segment], values: Floats) -> Floats:
        """``(columns, k)``: the mean of ``values``, ``(segments, k)``, in each column by the time they take of it."""
        sums = np.zeros((len(self.edges) - 1, values.shape[1]))
        weights = np.zeros(len(self.edges) - 1)
        for segment, value in zip(segments, values, strict=True):
            first, last = np.searchsorted(self.edges, [segment.start, segment.end], side="right") - 1
            span = slice(first, max(last, first + 1) + 1)
            edges = self.edges[span.start : span.stop + 1]
            within = np.clip(np.minimum(edges[1:], segment.end) - np.maximum(edges[:-1], segment.start), 0, None)
            weights[span][: len(within)] += within
            sums[span][: len(within)] += within[:, np.newaxis] * value
        return np.divide(sums, weights[:, np.newaxis], out=np.full_like(sums, np.nan), where=weights[:, np.newaxis] > 0)


# --- the sound ---


def _source_of(segments: Sequence[Segment]) -> Path | None:
    found = {segment.source for segment in segments}
    path = found.pop() if len(found) == 1 else None
    return path if path is not None and path.is_file() else None


def _colour_of(segment: Segment) -> str:
    if segment.emotion is not None:
        return colour(segment.emotion)
    if "no_speech" in segment.flags:
        return _SILENCE
    return _SPEECH if segment.dimensions and not segment.scores else _NAMELESS


def _draw_sound(ax: Axes, row: _Row, envelope: NDArray[np.float32] | None) -> None:
    """The envelope in the segments' colours above a strip of them; the strip alone where there is no sound."""
    tints, (bottom, height) = row.strip(), (0.0, 1.0) if envelope is None else (-1.6, 0.46)
    for tint in dict.fromkeys(tints):
        own = [place for place, other in enumerate(tints) if other == tint]
        spans = [(row.edges[place], row.edges[place + 1] - row.edges[place]) for place in own]
        hatch = "////" if tint == _NAMELESS and row.exact else None  # told from silence without colours, too
        ax.broken_barh(spans, (bottom, height), facecolor=tint, edgecolor="white", linewidth=0, hatch=hatch)
    if row.exact:
        _name_segments(ax, row, bottom + height / 2)
    if envelope is not None:
        low, high = envelope.T / max(float(np.abs(envelope).max()), 1e-3)
        middles = (np.arange(COLUMNS) + 0.5) * row.end / COLUMNS
        heard = np.array(tints)[np.searchsorted(row.edges, middles, side="right") - 1]
        for tint in dict.fromkeys(tints):
            spoken = MUTED if tint == _SILENCE else tint
            ax.fill_between(middles, low, high, where=heard == tint, color=spoken, edgecolor=spoken, linewidth=0.5)
        ax.axhline(0, color=GRID, linewidth=0.6, zorder=0)
    ax.set_ylim((0, 1) if envelope is None else (-1.6, 1.05))
    ax.set_yticks([])


def _name_segments(ax: Axes, row: _Row, height: float) -> None:
    """Write the emotion into each segment that is long enough for it."""
    for segment in row.segments:
        room = 0.88 * _WIDTH * segment.duration / row.end
        if segment.emotion is not None and room >= _LETTER * len(segment.emotion) + 0.08:
            middle = (segment.start + segment.end) / 2
            ax.text(middle, height, segment.emotion, ha="center", va="center", fontsize=8, color="white", clip_on=True)


def _draw_shares(ax: Axes, row: _Row) -> None:
    left, right = row.edges[:-1], row.edges[1:]
    below = np.zeros(len(left))
    for name, share in zip(row.labels, row.means(row.labels, "scores"), strict=True):
        _fill(ax, left, right, below, below + share, color=colour(name))
        below = below + share
    ax.set_ylim(0, 1)
    ax.set_yticks([0, 1], labels=["0", "1"])
    ax.set_ylabel("probability", fontsize=9, color=MUTED)


def _draw_doubt(ax: Axes, row: _Row) -> None:
    doubt = row.doubt()
    _fill(ax, row.edges[:-1], row.edges[1:], np.zeros(len(doubt)), doubt, color=MUTED)
    ax.set_ylim(0, 1)
    ax.set_yticks([0, 1], labels=["0", "1"])
    ax.set_ylabel("unsure", fontsize=9, color=MUTED, rotation=0, ha="right", va="center")


def _draw_dimensions(ax: Axes, row: _Row) -> None:
    for values, (tint, style) in zip(row.means(row.dimensions, "dimensions"), itertools.cycle(_LINES), strict=False):
        ax.stairs(values, row.edges, baseline=None, color=tint, linestyle=style, linewidth=2)
    ax.set_ylabel(", ".join(row.dimensions), fontsize=9, color=MUTED)


def _fill(ax: Axes, left: Floats, right: Floats, low: Floats, high: Floats, *, color: str) -> None:
    """Steps from ``low`` to ``high``, nothing where either is NaN."""
    x = np.column_stack([left, right]).ravel()
    ax.fill_between(x, np.repeat(low, 2), np.repeat(high, 2), color=color, linewidth=0.3)


# --- around it ---


def _name_row(ax: Axes, row: _Row, channel: int | None, title: str) -> None:
    words = [title] if title else []
    words += [] if channel is None else [f"channel {channel}"]
    ax.set_title(" · ".join(words), loc="left", color=MUTED, fontsize=10)
    if not row.exact:
        every = f"{len(row.segments):,} segments, in columns of {row.end / MEANS:.0f} s"
        ax.set_title(every, loc="right", color=MUTED, fontsize=8)


def _draw_time(ax: Axes, end: float, *, last: bool) -> None:
    step = next((step for step in _STEPS if end / step <= 12), _STEPS[-1])
    ticks = np.arange(0, end + step / 1000, step)
    ax.set_xlim(0, end)
    ax.set_xticks(ticks, labels=[_clock(tick, step) for tick in ticks] if last else [""] * len(ticks))
    tidy(ax, keep=("bottom",) if last else ())


def _clock(seconds: float, step: float) -> str:
    whole, tenths = divmod(round(10 * seconds), 10)
    minutes, second = divmod(whole, 60)
    hours, minute = divmod(minutes, 60)
    fraction = f".{tenths}" if step < 1 else ""
    return f"{hours}:{minute:02}:{second:02}{fraction}" if hours else f"{minute}:{second:02}{fraction}"


def _explain(figure: Figure, rows: Sequence[_Row]) -> None:
    """Names beside colours: no colour is left to be known by itself."""
    from matplotlib.lines import Line2D
    from matplotlib.patches import Patch

    segments = [segment for row in rows for segment in row.segments]
    named = [segment.emotion for segment in segments if segment.emotion is not None]
    found = in_order([*named, *(name for row in rows for name in row.labels)])
    handles: list[Line2D | Patch] = [Patch(color=colour(name), label=name) for name in found]
    if any(_colour_of(segment) == _NAMELESS for segment in segments):
        handles.append(Patch(facecolor=_NAMELESS, edgecolor="white", hatch="////", linewidth=0, label="uncertain"))
    if any("no_speech" in segment.flags for segment in segments):
        handles.append(Patch(color=_SILENCE, label="no speech"))
    if any(_colour_of(segment) == _SPEECH for segment in segments):
        handles.append(Patch(color=_SPEECH, label="speech"))
    dimensions = dict.fromkeys(name for row in rows for name in row.dimensions if not row.labels)
    handles += [
        Line2D([], [], color=tint, linestyle=style, linewidth=2, label=name)
        for name, (tint, style) in zip(dimensions, itertools.cycle(_LINES), strict=False)
    ]
    columns = min(len(handles), 10)
    figure.legend(
        handles=handles, loc="outside lower center", ncols=columns, frameon=False, fontsize=9, handlelength=1.4
    )
