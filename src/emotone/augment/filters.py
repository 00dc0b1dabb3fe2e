"""What microphones, channels and equalisers do to the spectrum.

All filters work on the whole spectrum of the signal and leave phases alone: nothing is delayed.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, ClassVar

import numpy as np
from numpy.typing import NDArray

from emotone import audio
from emotone.audio import SAMPLE_RATE, Signal
from emotone.augment.transform import checked, finished, within

__all__ = ["HighPass", "LowPass", "Resample", "Telephone", "Tilt", "filtered"]

_MARGIN = SAMPLE_RATE // 10  # samples of zeros into which a filter may ring, lest end and beginning meet


@dataclass(frozen=True, kw_only=True)
class LowPass:
    """Butterworth's low-pass: half the power at ``hertz``, falling by 6 dB an octave times ``order``."""

    name: ClassVar[str] = "low_pass"
    hertz: float = 4000.0
    order: int = 4

    def __post_init__(self) -> None:
        within(self.name, "hertz", self.hertz, 100, SAMPLE_RATE / 2, " Hz")
        within(self.name, "order", self.order, 1, 20)

    def __call__(self, signal: Signal, rng: np.random.Generator) -> Signal:
        return filtered(signal, lambda f: 1 / np.sqrt(1 + (f / self.hertz) ** (2 * self.order)))


@dataclass(frozen=True, kw_only=True)
class HighPass:
    """Butterworth's high-pass: half the power at ``hertz``, falling by 6 dB an octave times ``order`` below."""

    name: ClassVar[str] = "high_pass"
    hertz: float = 300.0
    order: int = 4

    def __post_init__(self) -> None:
        within(self.name, "hertz", self.hertz, 10, 6000, " Hz")
        within(self.name, "order", self.order, 1, 20)

    def __call__(self, signal: Signal, rng: np.random.Generator) -> Signal:
        return filtered(signal, lambda f: 1 / np.sqrt(1 + (self.hertz / np.maximum(f, 1e-3)) ** (2 * self.order)))


@dataclass(frozen=True, kw_only=True)
class Tilt:
    """A spectrum that rises by ``db_per_octave`` (negative: falls) from 100 Hz on, at the same overall power: the
    brighter or duller sound of another microphone."""

    name: ClassVar[str] = "tilt"
    db_per_octave: float = 3.0

    def __post_init__(self) -> None:
        within(self.name, "db_per_octave", self.db_per_octave, -12, 12, " dB an octave")

    def __call__(self, signal: Signal, rng: np.random.Generator) -> Signal:
        tilted = filtered(signal, lambda f: 10 ** (self.db_per_octave * np.log2(np.maximum(f, 100) / 1000) / 20))
        before, after = (float(np.mean(x**2, dtype=np.float64)) for x in (signal, tilted))
        return finished(tilted * np.sqrt(before / after)) if after else tilted


@dataclass(frozen=True, kw_only=True)
class Telephone:
    """A fixed-network telephone line: 8 kHz, and 300 to 3400 Hz of it (the pass band of ITU-T G.712), fading out
    within 100 and 400 Hz on either side. `Codec` adds what coding does."""

    name: ClassVar[str] = "telephone"
    low_hertz: float = 300.0
    high_hertz: float = 3400.0

    def __post_init__(self) -> None:
        within(self.name, "low_hertz", self.low_hertz, 0, 1000, " Hz")
        within(self.name, "high_hertz", self.high_hertz, 1500, 3600, " Hz")

    def __call__(self, signal: Signal, rng: np.random.Generator) -> Signal:
        return filtered(signal, lambda f: _rise(f, self.low_hertz - 100, 100) * (1 - _rise(f, self.high_hertz, 400)))


@dataclass(frozen=True, kw_only=True)
class Resample:
    """Down to ``hertz`` samples a second and up again, as a recording that once was a smaller file."""

    name: ClassVar[str] = "resample"
    hertz: int = 8000

    def __post_init__(self) -> None:
        within(self.name, "hertz", self.hertz, 2000, SAMPLE_RATE, " Hz")

    def __call__(self, signal: Signal, rng: np.random.Generator) -> Signal:
        down = audio.convert(checked(signal), SAMPLE_RATE, to=int(self.hertz))
        return fitted(audio.convert(down, int(self.hertz)), len(signal))


def filtered(signal: Signal, response: Callable[[NDArray[Any]], NDArray[Any]]) -> Signal:
    """``signal`` with its spectrum multiplied by ``response(hertz)``."""
    n_samples = len(checked(signal))
    n_fft = 1 << (n_samples + _MARGIN - 1).bit_length()
    spectrum = np.fft.rfft(signal, n_fft) * response(np.fft.rfftfreq(n_fft, 1 / SAMPLE_RATE)).astype(np.float32)
    return finished(np.fft.irfft(spectrum, n_fft)[:n_samples])


def fitted(samples: NDArray[np.float32], n_samples: int) -> Signal:
    """The first ``n_samples``, with zeros behind where there are fewer."""
    return finished(np.pad(samples[:n_samples], (0, max(0, n_samples - len(samples)))))


def _rise(hertz: NDArray[Any], start: float, width: float) -> NDArray[Any]:
    """From 0 at ``start`` to 1 at ``start + width``, by half a cosine."""
    return np.asarray(0.5 - 0.5 * np.cos(np.pi * np.clip((hertz - start) / width, 0, 1)))
