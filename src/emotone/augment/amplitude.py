"""What gain knobs and converters do to the samples' size."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

import numpy as np

from emotone.audio import Signal
from emotone.augment.transform import checked, finished, within

__all__ = ["Clip", "Gain", "Offset", "Quantise"]


@dataclass(frozen=True, kw_only=True)
class Gain:
    """``db`` louder, or quieter. Nothing is clipped."""

    name: ClassVar[str] = "gain"
    db: float = -20.0

    def __post_init__(self) -> None:
        within(self.name, "db", self.db, -80, 40, " dB")

    def __call__(self, signal: Signal, rng: np.random.Generator) -> Signal:
        return finished(checked(signal) * np.float32(10 ** (self.db / 20)))


@dataclass(frozen=True, kw_only=True)
class Clip:
    """An overloaded input: the largest ``share`` of the samples (0 to 0.9) is cut to the size of the smallest of
    them. The level stays, so what changes is the shape of the wave alone."""

    name: ClassVar[str] = "clip"
    share: float = 0.01

    def __post_init__(self) -> None:
        within(self.name, "share", self.share, 0, 0.9)

    def __call__(self, signal: Signal, rng: np.random.Generator) -> Signal:
        size = np.abs(checked(signal))
        n_clipped = round(self.share * len(signal))
        if not n_clipped:
            return signal.copy()
        top = np.partition(size, -n_clipped)[-n_clipped]
        return finished(np.clip(signal, -top, top))


@dataclass(frozen=True, kw_only=True)
class Offset:
    """A constant added to every sample, as by a faulty sound card: ``level`` from -0.5 to 0.5 of full scale."""

    name: ClassVar[str] = "offset"
    level: float = 0.05

    def __post_init__(self) -> None:
        within(self.name, "level", self.level, -0.5, 0.5)

    def __call__(self, signal: Signal, rng: np.random.Generator) -> Signal:
        return finished(checked(signal) + np.float32(self.level))


@dataclass(frozen=True, kw_only=True)
class Quantise:
    """Integers of ``bits`` bits (2 to 16) for full scale, rounded without dither; what is beyond full scale is
    clipped. The steps are of a fixed size, so quiet recordings suffer most."""

    name: ClassVar[str] = "quantise"
    bits: int = 8

    def __post_init__(self) -> None:
        within(self.name, "bits", self.bits, 2, 16)

    def __call__(self, signal: Signal, rng: np.random.Generator) -> Signal:
        half = np.float32(2 ** (int(self.bits) - 1))
        return finished(np.clip(np.rint(checked(signal) * half), -half, half - 1) / half)
