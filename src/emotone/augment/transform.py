"""What every transform is, several in a row, and the checks they share."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import ClassVar, Protocol, runtime_checkable

import numpy as np

from emotone.audio import LOUDEST, SAMPLE_RATE, Signal
from emotone.errors import AudioError, ConfigError, unknown

__all__ = ["Chain", "Transform", "checked", "finished", "one_of", "within"]


@runtime_checkable
class Transform(Protocol):
    """A signal in, a changed one out; see `emotone.augment`."""

    name: ClassVar[str]

    def __call__(self, signal: Signal, rng: np.random.Generator, /) -> Signal:
        """A new signal. Raises `AudioError` for what isn't a signal."""


@dataclass(frozen=True)
class Chain:
    """Several transforms, one after the other: what a voice meets on its way."""

    name: ClassVar[str] = "chain"
    steps: tuple[Transform, ...]

    def __call__(self, signal: Signal, rng: np.random.Generator) -> Signal:
        changed = checked(signal).copy()
        for step in self.steps:
            changed = step(changed, rng)
        return changed


def checked(signal: Signal) -> Signal:
    """``signal``, if it is one; else an `AudioError`."""
    if not isinstance(signal, np.ndarray) or signal.dtype != np.float32 or signal.ndim != 1 or not len(signal):
        found = f"{signal.dtype} {signal.shape}" if isinstance(signal, np.ndarray) else type(signal).__name__
        raise AudioError(
            f"A signal to change is float32 with the shape (samples,) and at least one sample, not {found}. "
            f"Turn samples into one with emotone.audio.convert(samples, rate); it has {SAMPLE_RATE} Hz."
        )
    peak = max(float(signal.max()), -float(signal.min()))
    if not peak <= LOUDEST:  # NaN included
        raise AudioError(
            f"A signal to change reaches {peak:g} where full scale is 1, and {LOUDEST:g} is the most that is taken. "
            "Scale it first."
        )
    return signal


def finished(samples: np.ndarray) -> Signal:
    """``samples`` as a new signal."""
    return np.array(samples, dtype=np.float32)


def within(kind: str, option: str, value: float, low: float, high: float, unit: str = "") -> None:
    """Raise `ConfigError` unless ``value`` lies from ``low`` to ``high``; NaN doesn't."""
    if isinstance(value, bool) or not isinstance(value, int | float | np.number) or not low <= value <= high:
        raise ConfigError(f"{option} of the augmentation {kind!r} goes from {low:g} to {high:g}{unit}, not {value!r}.")


def one_of(kind: str, option: str, value: object, allowed: Sequence[str]) -> None:
    """Raise `ConfigError` unless ``value`` is one of the ``allowed``."""
    if value not in allowed:
        raise unknown(f"{option} of the augmentation {kind!r}", value, allowed)
