"""An acoustic fingerprint: some eight hundred numbers that stay the same when a recording is coded, resampled,
turned up or down, or cut a little, and that two takes of one sentence don't share.

The numbers are the magnitudes of the whole recording's Fourier transform, every 4 Hz from 300 to 3400 Hz. Seen this
finely, magnitudes are no property of a voice or a word: the 0.3 s and the 3 s mark of a recording interfere in them, so
that any other take gives other numbers, as if drawn anew. What they don't notice is delay, hence leading or trailing
silence, and gain; and as the transform is linear, noise or a missing piece weighs as much as it has energy.

Each magnitude is divided by that of its neighbourhood, and then weighted a little by it, so that coding noise in weak
bands and hum in strong ones matter less. 300 to 3400 Hz is what telephones carry.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

import numpy as np
from numpy.typing import NDArray

from emotone import audio

__all__ = ["BAND", "FLAGS", "Fingerprint", "local_mean"]

BAND = (300.0, 3400.0)
"""Hz"""
FLAGS = ("too_short", "silent", "low_level", "clipped")
"""Those of `emotone.audio.flags`, in the order of the columns."""

_N_FOLDED = 16_384
"""Samples (1.02 s) that a recording is folded to: its transform at every 0.98 Hz, however long it is."""
_STEP = 4
"""Of so many bins one is taken; neighbours are alike in short recordings."""
_NEAR, _BROAD = 8, 205
"""Half widths, in bins, of the neighbourhood (8 Hz: within one harmonic of a voice) and of the band (200 Hz)."""
_WEIGHT = 0.2
"""Exponent of the band's power. 0 treats all bands alike; at 0.3 and over, strong formants make voices similar."""


@dataclass(frozen=True)
class Fingerprint:
    """The front-end: seconds, the four `FLAGS` as 0 or 1, and a unit vector of magnitudes (zero for silence)."""

    name: ClassVar[str] = "fingerprint"
    version: ClassVar[int] = 1

    @property
    def rate(self) -> int:
        """16 kHz; what lies above the band of a telephone isn't used."""
        return audio.SAMPLE_RATE

    @property
    def names(self) -> tuple[str, ...]:
        """``seconds``, the `FLAGS`, and the magnitudes by their frequency."""
        return ("seconds", *FLAGS, *(f"magnitude_{index * self.rate / _N_FOLDED:.1f}_hz" for index in self._bins()))

    def __call__(self, signal: NDArray[np.float32], /) -> NDArray[np.float32]:
        """``(5 + 794,)`` of ``signal``, ``(samples,)``."""
        flags = audio.flags(signal, self.rate)
        about = [len(signal) / self.rate, *(float(flag in flags) for flag in FLAGS)]
        return np.concatenate([about, self._magnitudes(signal)]).astype(np.float32)

    def _bins(self) -> NDArray[np.int64]:
        low, high = (round(hz * _N_FOLDED / self.rate) for hz in BAND)
        return np.arange(low, high, _STEP)

    def _magnitudes(self, signal: NDArray[np.float32]) -> NDArray[np.float64]:
        bins = self._bins()
        power = np.abs(np.fft.rfft(_folded(signal))) ** 2
        near, broad = local_mean(power, _NEAR)[bins], local_mean(power, _BROAD)[bins]
        if not near.all():  # digital silence
            return np.zeros(len(bins))
        magnitudes = np.sqrt(power[bins] / near)
        weighted = (magnitudes - magnitudes.mean()) * broad**_WEIGHT
        length = float(np.linalg.norm(weighted))
        unit: NDArray[np.float64] = weighted / length if length else weighted
        return unit


def _folded(signal: NDArray[np.float32]) -> NDArray[np.float64]:
    """``signal`` cut into pieces that are added up: its transform is the signal's at the frequencies that fit."""
    n_pieces = -(-len(signal) // _N_FOLDED)
    padded = np.zeros(n_pieces * _N_FOLDED)
    padded[: len(signal)] = signal
    folded: NDArray[np.float64] = padded.reshape(n_pieces, _N_FOLDED).sum(axis=0)
    return folded


def local_mean(values: NDArray[np.float64], half_width: int) -> NDArray[np.float64]:
    """The mean of each value and ``half_width`` neighbours on both sides, fewer at the ends. Shape ``(n,)``."""
    total = np.concatenate([[0.0], np.cumsum(values)])
    index = np.arange(len(values))
    first = np.maximum(index - half_width, 0)
    last = np.minimum(index + half_width + 1, len(values))
    means: NDArray[np.float64] = np.maximum(total[last] - total[first], 0.0) / (last - first)
    return means
