"""A front-end that another package adds to emotone: how the loudness moves, at the rates of syllables and phrases."""

from dataclasses import dataclass
from itertools import pairwise
from typing import ClassVar

import numpy as np

EDGES = np.geomspace(0.5, 32.0, 9)
"""Of eight bands, in Hz: phrases at the slow end, syllables about 4, tremor at the fast one."""

HOP = 0.01
"""Seconds between two values of the loudness."""


@dataclass(frozen=True)
class Rhythm:
    """Energy of the loudness's movements in eight bands from 0.5 to 32 Hz, and its mean and range."""

    rate: int = 16_000
    """Sample rate in Hz at which it wants the signal."""

    name: ClassVar[str] = "rhythm"
    version: ClassVar[int] = 1
    """To be raised whenever the numbers change: saved recognisers and the cache go by it."""

    @property
    def names(self):
        """Names of the ten features."""
        bands = [f"rhythm_{low:.1f}_{high:.1f}_hz" for low, high in pairwise(EDGES)]
        return (*bands, "loudness_mean", "loudness_range")

    def __call__(self, signal):
        """Ten features, float32 ``(10,)``, of ``signal``, float32 ``(samples,)``."""
        hop = round(HOP * self.rate)
        padded = np.pad(signal, (0, -len(signal) % hop))
        loudness = 10 * np.log10(np.mean(padded.reshape(-1, hop) ** 2, axis=1) + 1e-9)
        window = np.hanning(len(loudness))
        spectrum = np.abs(np.fft.rfft((loudness - loudness.mean()) * window, 1024)) ** 2 / max(window.sum(), 1.0)
        place = np.digitize(np.fft.rfftfreq(1024, HOP), EDGES)
        bands = [np.log(spectrum[place == band].mean() + 1e-6) for band in range(1, len(EDGES))]
        low, high = np.quantile(loudness, [0.1, 0.9])
        return np.array([*bands, loudness.mean(), high - low], dtype=np.float32)
