"""Signals and what was heard in them."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any, TypeAlias

import numpy as np

from emotone.errors import AudioError, ExperimentError
from emotone.labels import colour, in_order
from emotone.plots._figure import GRID, INK, MUTED, axes_or_new, new_figure, tidy

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure
    from numpy.typing import ArrayLike, NDArray

    Floats: TypeAlias = NDArray[np.float64]

N_MELS = 96
LOWEST_HZ = 50.0
FLOOR_DB = 70.0
"""What a spectrogram shows: from the lowest voices up, and down from its loudest point."""


def _checked(signal: ArrayLike) -> Floats:
    samples = np.asarray(signal, dtype=np.float64)
    if samples.ndim != 1 or not len(samples):
        raise AudioError(f"A signal to draw has one dimension and at least one sample, not shape {samples.shape}.")
    return samples


def waveform(signal: ArrayLike, *, rate: int = 16_000, ax: Axes | None = None, color: str = INK) -> Axes:
    """The signal over seconds, as the lowest and highest sample in each of at most 1,600 columns: hours draw
    as fast as seconds, and no peak is lost."""
    samples = _checked(signal)
    ax = axes_or_new(ax, 8, 2)
    starts = np.unique(np.linspace(0, len(samples), num=min(1600, len(samples)), endpoint=False).astype(int))
    low, high = np.minimum.reduceat(samples, starts), np.maximum.reduceat(samples, starts)
    limit = max(float(np.abs(samples).max()), 1e-3) * 1.08
    ax.fill_between(starts / rate, low, high, color=color, linewidth=0.4, edgecolor=color)
    ax.set(xlim=(0, len(samples) / rate), ylim=(-limit, limit))
    ax.set_yticks([0], labels=[""])
    ax.set_xlabel("seconds", color=MUTED, fontsize=9)
    ax.axhline(0, color=GRID, linewidth=0.6, zorder=0)
    tidy(ax, keep=("bottom",))
    return ax


def spectrogram(signal: ArrayLike, *, rate: int = 16_000, ax: Axes | None = None) -> Axes:
    """Mel spectrogram over seconds, in dB below its loudest point: 64 ms Hann windows, at most 1,600 of
    them."""
    samples = _checked(signal)
    ax = axes_or_new(ax, 8, 3)
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
    tidy(ax, keep=())
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


def scores(probabilities: Mapping[str, float], *, ax: Axes | None = None) -> Axes:
    """A horizontal bar for each emotion, in canonical order from above, with the probability in percent."""
    if not probabilities:
        raise ExperimentError("There are no scores to draw: pass a probability for each emotion.")
    emotions = in_order(probabilities)
    ax = axes_or_new(ax, 4.5, 0.34 * len(emotions) + 0.4)
    best = max(emotions, key=lambda emotion: probabilities[emotion])
    for place, emotion in enumerate(emotions):
        share, weight = float(probabilities[emotion]), "bold" if emotion == best else "normal"
        ax.barh(place, 1, height=0.62, color=GRID, alpha=0.35)
        ax.barh(place, share, height=0.62, color=colour(emotion))
        ax.text(1.03, place, f"{100 * share:.0f} %", va="center", fontsize=10, color=INK, fontweight=weight)
    ax.set(xlim=(0, 1.2), ylim=(len(emotions) - 0.4, -0.6))
    ax.set_xticks([])
    ax.set_yticks(range(len(emotions)), labels=list(emotions))
    tidy(ax, keep=(), size=10.5)
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
    figure = new_figure(10, 4.4)
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
