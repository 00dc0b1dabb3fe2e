"""A room around the voice."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

import numpy as np
from numpy.typing import NDArray

from emotone.audio import SAMPLE_RATE, Signal
from emotone.augment.transform import checked, finished, within

__all__ = ["Reverberation", "room"]

_FIRST_REFLECTION = 0.003
"""Seconds behind the direct sound: a path one metre longer."""


@dataclass(frozen=True, kw_only=True)
class Reverberation:
    """A room in which sound takes ``rt60_seconds`` to fade by 60 dB.

    Living rooms have 0.3 to 0.6 s, classrooms up to 1, halls 1.5 to 3. ``direct_db`` is the power of the direct
    sound over that of all reflections, and falls with the distance: 10 dB is near the microphone, 0 across a table,
    -6 across the room. The direct sound keeps its moment and level, so the result is in time with the signal; what
    rings on behind its end is cut off.

    The response is Gaussian noise under an exponential decay (Polack 1988: "La transmission de l'énergie sonore
    dans les salles"; Habets 2007, chapter 2), drawn anew at each call. It has no early reflections of its own, as of
    a room with walls all around: the tail is that of a real room, the first 30 ms are smoother.
    """

    name: ClassVar[str] = "reverberation"
    rt60_seconds: float = 0.6
    direct_db: float = 0.0

    def __post_init__(self) -> None:
        within(self.name, "rt60_seconds", self.rt60_seconds, 0.05, 10, " s")
        within(self.name, "direct_db", self.direct_db, -30, 60, " dB")

    def __call__(self, signal: Signal, rng: np.random.Generator) -> Signal:
        n_samples = len(checked(signal))
        response = room(self.rt60_seconds, self.direct_db, rng)[:n_samples]
        n_fft = 1 << (n_samples + len(response) - 1).bit_length()
        spectrum = np.fft.rfft(signal, n_fft) * np.fft.rfft(response, n_fft)
        return finished(np.fft.irfft(spectrum, n_fft)[:n_samples])


def room(rt60_seconds: float, direct_db: float, rng: np.random.Generator) -> NDArray[np.float32]:
    """Impulse response at 16 kHz: 1 at first, then a tail as long as the reverberation time."""
    n_tail = round(rt60_seconds * SAMPLE_RATE)
    decay = 10 ** (-3 * np.arange(n_tail, dtype=np.float32) / n_tail)
    tail = rng.standard_normal(n_tail, dtype=np.float32) * decay
    tail *= np.sqrt(10 ** (-direct_db / 10) / float(np.sum(tail**2)))
    gap = np.zeros(round(_FIRST_REFLECTION * SAMPLE_RATE), np.float32)
    gap[0] = 1
    return np.concatenate([gap, tail])
