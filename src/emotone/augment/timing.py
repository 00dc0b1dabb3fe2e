"""Speed, length, silence around the voice, and gaps in it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

import numpy as np
from numpy.typing import NDArray

from emotone import audio
from emotone.audio import SAMPLE_RATE, Signal
from emotone.augment.transform import checked, finished, one_of, within

__all__ = ["PacketLoss", "Silence", "Speed", "Tempo", "Truncate"]


@dataclass(frozen=True, kw_only=True)
class Speed:
    """Played ``factor`` times as fast, by resampling: tempo, pitch and formants all rise with it (Ko et al. 2015,
    "Audio augmentation for speech recognition"). The result is ``1 / factor`` as long."""

    name: ClassVar[str] = "speed"
    factor: float = 1.1

    def __post_init__(self) -> None:
        within(self.name, "factor", self.factor, 0.25, 4)

    def __call__(self, signal: Signal, rng: np.random.Generator) -> Signal:
        return finished(audio.convert(checked(signal), round(SAMPLE_RATE * self.factor)))


@dataclass(frozen=True, kw_only=True)
class Tempo:
    """Spoken ``factor`` times as fast with pitch and formants kept, by WSOLA (Verhelst and Roelands 1993): windows
    of 32 ms, added up half overlapping, each taken from where it best continues the one before."""

    name: ClassVar[str] = "tempo"
    factor: float = 1.2

    def __post_init__(self) -> None:
        within(self.name, "factor", self.factor, 0.25, 4)

    def __call__(self, signal: Signal, rng: np.random.Generator) -> Signal:
        return finished(_wsola(checked(signal), self.factor))


@dataclass(frozen=True, kw_only=True)
class Truncate:
    """The ``start``, ``middle`` or ``end`` of the signal, ``seconds`` long; of a shorter one, all. ``random``: from
    anywhere."""

    name: ClassVar[str] = "truncate"
    seconds: float = 1.0
    keep: str = "start"

    def __post_init__(self) -> None:
        within(self.name, "seconds", self.seconds, 0.01, 600, " s")
        one_of(self.name, "keep", self.keep, ("start", "middle", "end", "random"))

    def __call__(self, signal: Signal, rng: np.random.Generator) -> Signal:
        n_kept = min(len(checked(signal)), round(self.seconds * SAMPLE_RATE))
        spare = len(signal) - n_kept
        if self.keep == "random":
            first = int(rng.integers(spare + 1))
        else:
            first = {"start": 0, "middle": spare // 2, "end": spare}[self.keep]
        return finished(signal[first : first + n_kept])


@dataclass(frozen=True, kw_only=True)
class Silence:
    """``before`` and ``after`` the voice so many seconds of digital silence (0 to 600); negative ones cut so much
    off, though never the whole."""

    name: ClassVar[str] = "silence"
    before: float = 1.0
    after: float = 0.0

    def __post_init__(self) -> None:
        within(self.name, "before", self.before, -600, 600, " s")
        within(self.name, "after", self.after, -600, 600, " s")

    def __call__(self, signal: Signal, rng: np.random.Generator) -> Signal:
        before, after = (round(seconds * SAMPLE_RATE) for seconds in (self.before, self.after))
        first = min(max(0, -before), len(checked(signal)) - 1)
        last = max(len(signal) - max(0, -after), first + 1)
        return finished(np.pad(signal[first:last], (max(0, before), max(0, after))))


@dataclass(frozen=True, kw_only=True)
class PacketLoss:
    """A ``share`` (0 to 0.9) of the packets of 20 ms is lost and heard as silence, in bursts of ``burst`` packets on
    average (Gilbert 1960): a call over a bad network, without what telephones do to hide it."""

    name: ClassVar[str] = "packet_loss"
    share: float = 0.1
    burst: float = 2.0

    def __post_init__(self) -> None:
        within(self.name, "share", self.share, 0, 0.9)
        within(self.name, "burst", self.burst, 1, 50, " packets")

    def __call__(self, signal: Signal, rng: np.random.Generator) -> Signal:
        packet = SAMPLE_RATE // 50
        n_packets = -(-len(checked(signal)) // packet)
        kept = ~_bursts(n_packets, self.share, self.burst, rng)
        return finished(signal * np.repeat(kept, packet)[: len(signal)])


def _bursts(n_packets: int, share: float, burst: float, rng: np.random.Generator) -> NDArray[np.bool_]:
    """Which packets are lost: a chain of two states, whose runs last ``burst`` and as much as ``share`` asks."""
    if share == 0:
        return np.zeros(n_packets, bool)
    leave = 1 / burst
    enter = min(1.0, leave * share / (1 - share))
    lost = np.empty(n_packets, bool)
    state = rng.random() < share
    for i, chance in enumerate(rng.random(n_packets)):
        lost[i] = state
        state = chance >= leave if state else chance < enter
    return lost


_WINDOW = 512
_HOP = _WINDOW // 2
_REACH = 160  # samples each way: a period of the lowest voices


def _wsola(signal: Signal, factor: float) -> Signal:
    n_samples = max(1, round(len(signal) / factor))
    n_frames = -(-n_samples // _HOP) + 1
    window = np.hanning(_WINDOW + 1)[:-1].astype(np.float32)  # adds up to 1
    # Room for the first window's rise, the search on both sides, and the last window with what follows it.
    padded = np.pad(signal, (_HOP + _REACH, 2 * _WINDOW + 2 * _REACH + round(_HOP * factor)))
    out = np.zeros((n_frames + 1) * _HOP, np.float32)
    expected = padded[_REACH : _REACH + _WINDOW]
    for frame in range(n_frames):
        centre = _REACH + round(frame * _HOP * factor)
        region = padded[centre - _REACH : centre + _REACH + _WINDOW]
        best = centre - _REACH + _likest(region, expected)
        out[frame * _HOP : frame * _HOP + _WINDOW] += window * padded[best : best + _WINDOW]
        expected = padded[best + _HOP : best + _HOP + _WINDOW]
    return out[_HOP : _HOP + n_samples]


def _likest(region: Signal, expected: Signal) -> int:
    """Where in ``region`` the samples are nearest to the ``expected`` ones, by the sum of squared differences."""
    energy = np.concatenate([[0.0], np.cumsum(region.astype(np.float64) ** 2)])
    n = len(expected)
    return int((2 * np.correlate(region.astype(np.float64), expected, "valid") - (energy[n:] - energy[:-n])).argmax())
