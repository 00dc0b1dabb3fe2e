"""A front-end that kills whoever hears certain sounds, for tests of what outlives its workers."""

from __future__ import annotations

import os
import signal as signals
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Any, ClassVar

import numpy as np
from numpy.typing import NDArray

KILLS, KILLS_ONCE, TAKES_LONG, HANGS = 0.25, 0.5, 0.75, 0.9
"""Levels of a constant sound that do something; all others are harmless."""


@dataclass(frozen=True)
class Deadly:
    """Level and length of a sound, unless the level is one of those above. ``folder`` remembers who has died."""

    name: ClassVar[str] = "deadly"
    version: ClassVar[int] = 1
    rate: ClassVar[int] = 16_000
    names: ClassVar[tuple[str, ...]] = ("level", "samples")

    folder: str

    def __call__(self, signal: NDArray[np.float32]) -> NDArray[np.float32]:
        level = float(signal.max(initial=0.0))
        if near(level, KILLS) or (near(level, KILLS_ONCE) and self.first_time(len(signal))):
            os.kill(os.getpid(), signals.SIGKILL)
        if near(level, TAKES_LONG):
            time.sleep(0.2)
        while near(level, HANGS):
            time.sleep(1.0)
        return np.array([level, len(signal)], np.float32)

    def first_time(self, name: int) -> bool:
        """Whether nobody has died of the sound of this length yet."""
        try:
            (Path(self.folder) / f"died-{name}").touch(exist_ok=False)
        except FileExistsError:
            return False
        return True


def near(level: float, other: float) -> bool:
    """Whether they are the same but for 16 bits."""
    return abs(level - other) < 1e-3


def write(path: Path, level: float, n_samples: int) -> Path:
    """A recording of a constant ``level``."""
    path.write_bytes(sound(level, n_samples))
    return path


def sound(level: float, n_samples: int) -> Any:
    """Its bytes."""
    from emotone import audio

    return audio.encode_wav(np.full(n_samples, level, np.float32))
