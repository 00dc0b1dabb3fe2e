"""Pictures of signals, predictions and scores.

Each function draws numbers on an ``ax`` (a matplotlib Axes; a new one if None) and returns it; its figure is
``ax.figure``. None of them reads or changes matplotlib's global state: figures are made without pyplot, so
nothing needs closing and no display is needed. `save` and `png` write them.
"""

from __future__ import annotations

import io
import textwrap
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeAlias

import numpy as np

from emotone.errors import AudioError, ExperimentError, require
from emotone.labels import COLOURS, colour, in_order
from emotone.metrics import format_score

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure
    from numpy.typing import ArrayLike, NDArray

    from emotone.metrics import Reliability

    Floats: TypeAlias = NDArray[np.float64]

__all__ = [
    "COLOURS",
    "agreement",
    "colour",
    "confusion",
    "ladder",
    "per_speaker",
    "png",
    "prediction",
    "reliability",
    "save",
    "scores",
    "spectrogram",
    "stress",
    "waveform",
]

INK, MUTED, GRID = "#1f2328", "#656d76", "#d8dee4"
"""Text, secondary text, and lines that only guide the eye."""

N_MELS = 96
LOWEST_HZ = 50.0
FLOOR_DB = 70.0
"""What a spectrogram shows: from the lowest voices up, and down from its loudest point."""


# --- files ---


def png(drawn: Axes | Figure, *, dpi: float = 150) -> bytes:
    """The figure of ``drawn`` as a PNG image in memory."""
    buffer = io.BytesIO()
    _figure_of(drawn).savefig(buffer, format="png", dpi=dpi)
    return buffer.getvalue()


def save(drawn: Axes | Figure, path: str | Path, *, dpi: float = 150) -> Path:
    """Write the figure of ``drawn`` in the format of the path's ending (png, svg, pdf, ...), making its
    folder."""
    target = Path(path)
    formats = _figure_of(drawn).canvas.get_supported_filetypes()
    ending = target.suffix.lstrip(".").lower()
    if ending not in formats:
        raise ExperimentError(
            f"A picture can't be written as {target.name!r}; the ending must be one of {', '.join(sorted(formats))}."
        )
    try:
        target.parent.mkdir(parents=True, exist_ok=True)
        _figure_of(drawn).savefig(target, dpi=dpi)
    except OSError as error:
        reason = error.strerror or error
        raise ExperimentError(f"The picture {target} can't be written: {reason}.") from error
    return target


def _figure_of(drawn: Axes | Figure) -> Any:
    return getattr(drawn, "figure", None) or drawn


def _figure(width: float, height: float) -> Figure:
    """An empty figure, inches."""
    layout = require("matplotlib.layout_engine", extra="plot").ConstrainedLayoutEngine(w_pad=0.12, h_pad=0.1)
    figure: Figure = require("matplotlib.figure", extra="plot").Figure(
        figsize=(width, height), layout=layout, facecolor="white"
    )
    return figure


def _axes(ax: Axes | None, width: float, height: float) -> Axes:
    return _figure(width, height).add_subplot() if ax is None else ax


def _tidy(ax: Axes, *, keep: Sequence[str] = ("left", "bottom"), size: float = 9) -> None:
    """Only the spines named, thin and grey; ticks without marks."""
    for name, spine in ax.spines.items():
        spine.set_visible(name in keep)
        spine.set_color(GRID)
    ax.tick_params(length=0, labelsize=size, labelcolor=INK, pad=5)


# --- signals ---


def _checked(signal: ArrayLike) -> Floats:
    samples = np.asarray(signal, dtype=np.float64)
    if samples.ndim != 1 or not len(samples):
        raise AudioError(f"A signal to draw has one dimension and at least one sample, not shape {samples.shape}.")
    return samples


def waveform(signal: ArrayLike, *, rate: int = 16_000, ax: Axes | None = None, color: str = INK) -> Axes:
    """The signal over seconds, as the lowest and highest sample in each of at most 1,600 columns: hours draw
    as fast as seconds, and no peak is lost."""
    samples = _checked(signal)
    ax = _axes(ax, 8, 2)
    starts = np.unique(np.linspace(0, len(samples), num=min(1600, len(samples)), endpoint=False).astype(int))
    low, high = np.minimum.reduceat(samples, starts), np.maximum.reduceat(samples, starts)
    limit = max(float(np.abs(samples).max()), 1e-3) * 1.08
    ax.fill_between(starts / rate, low, high, color=color, linewidth=0.4, edgecolor=color)
    ax.set(xlim=(0, len(samples) / rate), ylim=(-limit, limit))
    ax.set_yticks([0], labels=[""])
    ax.set_xlabel("seconds", color=MUTED, fontsize=9)
    ax.axhline(0, color=GRID, linewidth=0.6, zorder=0)
    _tidy(ax, keep=("bottom",))
    return ax


def spectrogram(signal: ArrayLike, *, rate: int = 16_000, ax: Axes | None = None) -> Axes:
    """Mel spectrogram over seconds, in dB below its loudest point: 64 ms Hann windows, at most 1,600 of
    them."""
    samples = _checked(signal)
    ax = _axes(ax, 8, 3)
    window = round(0.064 * rate)
    level = _mel_levels(samples, rate, window)
    seconds = len(samples) / rate
    ax.imshow(
        level,
        origin="lower",
        aspect="auto",
        cmap="magma",
        extent=(0, seconds, 0, N_MELS),
        vmin=-FLOOR_DB,
        vmax=0,
    )
    hertz = [f for f in (250, 500, 1000, 2000, 4000, 8000, 16_000) if f <= rate / 2]
    places = np.interp(_mel(np.array(hertz)), _mel(np.array([LOWEST_HZ, rate / 2])), [0, N_MELS])
    ax.set_yticks(places, labels=[f"{f // 1000} kHz" if f >= 1000 else f"{f} Hz" for f in hertz])
    ax.set_xlabel("seconds", color=MUTED, fontsize=9)
    _tidy(ax, keep=())
    return ax


def _mel(hertz: Floats | NDArray[Any]) -> Floats:
    """O'Shaughnessy's mel scale (HTK's)."""
    return np.asarray(2595 * np.log10(1 + hertz / 700))


def _mel_levels(samples: Floats, rate: int, window: int) -> Floats:
    """``(N_MELS, frames)``, dB relative to the highest."""
    padded = np.pad(samples, window // 2)
    hop = max(rate // 200, len(samples) // 1600, 1)
    starts = np.arange(0, len(samples), hop)
    frames = padded[starts[:, None] + np.arange(window)] * np.hanning(window)
    power = np.abs(np.fft.rfft(frames, axis=1)) ** 2
    lowest, highest = _mel(np.array([LOWEST_HZ, rate / 2]))
    centres = np.linspace(lowest, highest, N_MELS + 2)
    distance = _mel(np.fft.rfftfreq(window, 1 / rate))[None, :] - centres[1:-1, None]
    # A triangle reaches the next bin of the spectrum on each side, lest a low band be empty.
    width = max(centres[1] - centres[0], float(_mel(np.array(rate / window))))
    triangles = np.maximum(0.0, 1 - np.abs(distance) / width)
    energy = (triangles / triangles.sum(axis=1, keepdims=True)) @ power.T
    peak = max(float(energy.max()), 1e-12)
    return np.asarray(10 * np.log10(np.maximum(energy / peak, 10 ** (-FLOOR_DB / 10))))


# --- predictions ---


def scores(probabilities: Mapping[str, float], *, ax: Axes | None = None) -> Axes:
    """A horizontal bar for each emotion, in canonical order from above, with the probability in percent."""
    if not probabilities:
        raise ExperimentError("There are no scores to draw: pass a probability for each emotion.")
    emotions = in_order(probabilities)
    ax = _axes(ax, 4.5, 0.34 * len(emotions) + 0.4)
    best = max(emotions, key=lambda emotion: probabilities[emotion])
    for place, emotion in enumerate(emotions):
        share, weight = float(probabilities[emotion]), "bold" if emotion == best else "normal"
        ax.barh(place, 1, height=0.62, color=GRID, alpha=0.35)
        ax.barh(place, share, height=0.62, color=colour(emotion))
        ax.text(1.03, place, f"{100 * share:.0f} %", va="center", fontsize=10, color=INK, fontweight=weight)
    ax.set(xlim=(0, 1.2), ylim=(len(emotions) - 0.4, -0.6))
    ax.set_xticks([])
    ax.set_yticks(range(len(emotions)), labels=list(emotions))
    _tidy(ax, keep=(), size=10.5)
    for label in ax.get_yticklabels():
        label.set_fontweight("bold" if label.get_text() == best else "normal")
    return ax


def prediction(
    signal: ArrayLike,
    probabilities: Mapping[str, float],
    *,
    rate: int = 16_000,
    answered: bool = True,
    title: str = "",
) -> Figure:
    """One recording at a glance: its waveform and spectrogram, the emotion, and a bar for each.

    Where the recogniser abstained, ``answered=False`` says so instead of naming the likeliest. ``title``,
    such as the file's name, stands above the waveform.
    """
    figure = _figure(10, 4.4)
    grid = figure.add_gridspec(2, 2, width_ratios=(1.62, 1), height_ratios=(1, 1.7), wspace=0.06, hspace=0.02)
    below = figure.add_subplot(grid[1, 0])
    above, bars = figure.add_subplot(grid[0, 0], sharex=below), figure.add_subplot(grid[:, 1])
    scores(probabilities, ax=bars)
    likeliest = max(probabilities, key=lambda name: probabilities[name])
    tint = colour(likeliest) if answered else MUTED
    headline = f"{likeliest} · {100 * probabilities[likeliest]:.0f} %" if answered else "can't tell"
    waveform(signal, rate=rate, ax=above, color=tint)
    above.set_xlabel("")
    above.spines["bottom"].set_visible(False)
    above.tick_params(labelbottom=False)
    spectrogram(signal, rate=rate, ax=below)
    above.set_title(title, loc="left", color=MUTED, fontsize=10)
    bars.set_title(headline, loc="left", color=tint, fontsize=17, fontweight="bold")
    return figure


# --- scores of an experiment ---


def confusion(matrix: ArrayLike, labels: Sequence[str], *, ax: Axes | None = None, title: str = "") -> Axes:
    """Confusion matrix of counts, rows are the truth: each cell shows the share of its row in percent and,
    small, the count. An emotion without true rows has an empty row."""
    counts = np.asarray(matrix, dtype=np.float64)
    k = len(labels)
    if counts.shape != (k, k):
        raise ExperimentError(f"A confusion matrix of {k} labels has shape {(k, k)}, not {counts.shape}.")
    ax = _axes(ax, 0.85 * k + 1.4, 0.72 * k + 1.2)
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
    _tidy(ax, keep=(), size=10)
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
    ax = _axes(ax, 5.2, 5)
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
    _tidy(ax)
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
    ax = _axes(ax, 5.2, 5)
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
    _tidy(ax)
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
    ax = _axes(ax, 7, 0.23 * len(names) + 1.3 if shown else 8.0)
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
    _tidy(ax, keep=("bottom",))
    if ax.get_legend_handles_labels()[0]:
        ax.legend(loc="lower center", bbox_to_anchor=(0.5, 1.0), ncols=4, frameon=False, fontsize=9, labelcolor=INK)
    return ax


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
    ax = _axes(ax, 8, _ROW * (places[-1] + 2) + 1.3)
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
    _tidy(ax, keep=("bottom",), size=8)
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
    ax = _axes(ax, 6.4, 1.3 * len(rungs) + 1.5 + 0.16 * len(below))
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
    _tidy(ax, keep=("bottom",), size=10)
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
