"""Front-ends for `test_extraction`, in a module of their own so that workers start fast."""

from __future__ import annotations

import multiprocessing
import os
import time
from dataclasses import dataclass
from pathlib import Path
from typing import ClassVar

import numpy as np

from emotone.errors import AudioError


@dataclass(frozen=True)
class Loudness:
    """Mean, peak and length; leaves a file per call in ``log``, so that tests can count; may be slow."""

    name: ClassVar[str] = "loudness"
    version: ClassVar[int] = 1
    rate: ClassVar[int] = 16_000
    names: ClassVar[tuple[str, ...]] = ("mean", "peak", "seconds")

    log: str = ""
    pause: float = 0.0

    def __call__(self, signal: np.ndarray) -> np.ndarray:
        if self.log:
            Path(self.log, f"{os.getpid()}-{time.monotonic_ns()}").touch()
        time.sleep(self.pause)
        return np.array([signal.mean(), np.abs(signal).max(), len(signal) / 16_000], np.float32)


@dataclass(frozen=True)
class Louder(Loudness):
    version: ClassVar[int] = 2


@dataclass(frozen=True)
class Moody(Loudness):
    """Reacts to recordings of round seconds: each in another bad way."""

    def __call__(self, signal: np.ndarray) -> np.ndarray:
        match len(signal):
            case 16_000:
                raise AudioError("This one is refused.")
            case 32_000:
                raise ZeroDivisionError("by nought")
            case 48_000:
                return np.array([1.0, np.nan, np.inf])
            case 64_000:
                return np.zeros(4)
            case 80_000 if multiprocessing.parent_process() is not None:
                os._exit(1)
        return super().__call__(signal)
