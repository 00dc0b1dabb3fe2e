"""Steady noise: hiss, the hum of a room, noise with the spectrum of speech, a whistle."""

from __future__ import annotations

import functools
from dataclasses import dataclass
from typing import ClassVar

import numpy as np
from numpy.typing import NDArray

from emotone.audio import SAMPLE_RATE, Signal
from emotone.augment.level import at_snr
from emotone.augment.transform import checked, finished, one_of, within

__all__ = ["COLOURS", "Noise", "Tone", "coloured"]

COLOURS = ("white", "pink", "speech")

_LOWEST_HZ = 50.0  # pink noise grows without bound towards 0 Hz


@dataclass(frozen=True, kw_only=True)
class Noise:
    """Noise ``snr_db`` under the active speech level (`emotone.augment.level.active_power`).

    ``colour`` is ``white`` (equal power at each frequency, to 8 kHz), ``pink`` (equal power in each octave above 50
    Hz) or ``speech`` (the long-term spectrum of speech of ITU-T P.50, which masks a voice best). The ratio holds
    exactly, for each signal: the drawn noise is scaled, not its expectation.
    """

    name: ClassVar[str] = "noise"
    snr_db: float = 20.0
    colour: str = "white"

    def __post_init__(self) -> None:
        within(self.name, "snr_db", self.snr_db, -30, 80, " dB")
        one_of(self.name, "colour", self.colour, COLOURS)

    def __call__(self, signal: Signal, rng: np.random.Generator) -> Signal:
        noise = coloured(len(checked(signal)), self.colour, rng)
        return finished(at_snr(signal, noise, self.snr_db))


@dataclass(frozen=True, kw_only=True)
class Tone:
    """A whistle at ``hertz``, of random phase, ``snr_db`` under the active speech level."""

    name: ClassVar[str] = "tone"
    hertz: float = 6000.0
    snr_db: float = 45.0

    def __post_init__(self) -> None:
        within(self.name, "hertz", self.hertz, 20, 7900, " Hz")
        within(self.name, "snr_db", self.snr_db, -30, 80, " dB")

    def __call__(self, signal: Signal, rng: np.random.Generator) -> Signal:
        cycles = self.hertz / SAMPLE_RATE * np.arange(len(checked(signal))) + rng.random()
        return finished(at_snr(signal, np.sin(2 * np.pi * cycles), self.snr_db))


def coloured(n_samples: int, colour: str, rng: np.random.Generator) -> NDArray[np.float32]:
    """Gaussian noise of one of the `COLOURS`, ``(n_samples,)``, at no particular level."""
    if colour == "white":
        return rng.standard_normal(n_samples, dtype=np.float32)
    n_fft = 1 << max(9, (n_samples - 1).bit_length())  # powers of two transform fast
    spectrum = np.fft.rfft(rng.standard_normal(n_fft, dtype=np.float32))
    return np.asarray(np.fft.irfft(spectrum * _response(colour, n_fft), n_fft)[:n_samples], np.float32)


@functools.lru_cache(maxsize=8)
def _response(colour: str, n_fft: int) -> NDArray[np.float32]:
    hertz = np.fft.rfftfreq(n_fft, 1 / SAMPLE_RATE)
    decade = np.log10(np.maximum(hertz, _LOWEST_HZ))
    if colour == "pink":
        level = -10 * decade
    else:  # ITU-T P.50 (1999), dB for each Hz
        level = -376.44 + 465.439 * decade - 157.745 * decade**2 + 16.7124 * decade**3
    response = 10 ** ((level - level.max()) / 20) * (hertz >= _LOWEST_HZ)
    return np.asarray(response, np.float32)
