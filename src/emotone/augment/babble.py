"""Other people talking at the same time."""

from __future__ import annotations

import functools
from dataclasses import dataclass, field
from typing import ClassVar

import numpy as np
from numpy.typing import NDArray

from emotone import synthetic
from emotone.audio import SAMPLE_RATE, Signal
from emotone.augment.level import active_power, at_snr
from emotone.augment.transform import checked, finished, within
from emotone.errors import ConfigError

__all__ = ["Babble"]

_N_VOICES = 8
_SECONDS = 5.0


@dataclass(frozen=True, kw_only=True)
class Babble:
    """``talkers`` equally loud voices at once, together ``snr_db`` under the active speech level.

    The voices are drawn from ``recordings`` (signals, such as other utterances of the corpus), each from a random
    moment on and repeated until it is long enough; without recordings, from generated speech of eight speakers. One
    talker is a competing speaker; from about six on, no single one is understood any more.
    """

    name: ClassVar[str] = "babble"
    snr_db: float = 10.0
    talkers: int = 6
    recordings: tuple[Signal, ...] = field(default=(), repr=False, compare=False)

    def __post_init__(self) -> None:
        within(self.name, "snr_db", self.snr_db, -30, 80, " dB")
        within(self.name, "talkers", self.talkers, 1, 100)
        if any(active_power(checked(recording)) == 0 for recording in self.recordings):
            raise ConfigError("A recording for the augmentation 'babble' is silent. Leave it out.")

    def __call__(self, signal: Signal, rng: np.random.Generator) -> Signal:
        n_samples = len(checked(signal))
        voices = self.recordings or _generated()
        noise = np.zeros(n_samples)
        for index in _drawn(len(voices), self.talkers, rng):
            voice = voices[index]
            first = rng.integers(len(voice))
            noise += np.resize(np.roll(voice, -first), n_samples) / np.sqrt(active_power(voice))
        return finished(at_snr(signal, noise, self.snr_db))


def _drawn(n_voices: int, n_talkers: int, rng: np.random.Generator) -> NDArray[np.int64]:
    """Different voices as far as there are enough."""
    rounds = [rng.permutation(n_voices) for _ in range(-(-n_talkers // n_voices))]
    return np.concatenate(rounds)[:n_talkers]


@functools.cache
def _generated() -> tuple[Signal, ...]:
    """The same in every process, so that a generator's state alone decides a result."""
    rng = np.random.default_rng(0)
    emotions = ("neutral", "happy", "sad", "angry")
    return tuple(
        synthetic.speech(emotions[i % 4], 100 + i, rng=rng, seconds=_SECONDS, rate=SAMPLE_RATE)
        for i in range(_N_VOICES)
    )
