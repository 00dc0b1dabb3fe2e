"""The front-end ``waveform``: no features at all, but the signal itself, for models that listen for themselves.

Signals differ in length, so there is no matrix of them: `Signals` is a sequence instead, whose samples lie end to end
in one array of 16-bit integers, in a file that the system keeps in memory as far as there is room. Ten hours are 1.2 GB
on disk, and of memory only what is being heard.
"""

from __future__ import annotations

import hashlib
import itertools
import tempfile
import weakref
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import IO, Any, ClassVar, overload

import numpy as np
from numpy.typing import NDArray

from emotone.errors import AudioError, ConfigError

__all__ = ["PIECE", "SignalWriter", "Signals", "Waveform", "as_float", "pieces"]

Floats = NDArray[np.float32]
Shorts = NDArray[np.int16]

RATE = 16_000
FULL_SCALE = 32_768

SHORTEST = 640
"""Samples to which models fill up what is shorter: one frame of a network."""

PIECE = 30.0
"""Seconds that a model listens to at once; longer signals are heard in equal pieces. Attention over ten minutes would
take 4 GB."""


@dataclass(frozen=True)
class Waveform:
    """The signal as it is, 16 kHz. Models that want signals (``wants = "signals"``) take it; no other does."""

    name: ClassVar[str] = "waveform"
    version: ClassVar[int] = 1
    gives: ClassVar[str] = "signals"
    """What other front-ends don't say: this one gives signals, of any length, and not a fixed number of features."""

    @property
    def rate(self) -> int:
        """16 kHz."""
        return RATE

    @property
    def names(self) -> tuple[str, ...]:
        """None: samples aren't features."""
        return ()

    def __call__(self, signal: Floats) -> Floats:
        """The ``signal``, float32 ``(samples,)``. Raises `AudioError` where it is empty or isn't finite."""
        if signal.ndim != 1 or not len(signal):
            raise AudioError(f"A signal has the shape (samples,) and at least one of them, not {signal.shape}.")
        if not np.isfinite(signal).all():
            raise AudioError("The signal has samples that are NaN or infinite. Record it again.")
        return signal


def as_float(signal: NDArray[Any]) -> Floats:
    """A signal of 16-bit integers or of floats as float32, full scale being 1."""
    if signal.dtype == np.int16:
        return signal.astype(np.float32) / np.float32(FULL_SCALE)
    return np.ascontiguousarray(signal, np.float32)


def as_short(signal: NDArray[Any]) -> Shorts:
    """A signal as 16-bit integers, rounded; what exceeds full scale is clipped."""
    if signal.dtype == np.int16:
        return signal
    scaled = np.rint(signal * np.float32(FULL_SCALE))
    return np.clip(scaled, -FULL_SCALE, FULL_SCALE - 1).astype(np.int16)


def pieces(n_samples: int, longest: float = PIECE) -> list[slice]:
    """A signal's cuts into as few pieces of equal length as leave none above ``longest`` seconds."""
    count = max(1, -(-n_samples // round(longest * RATE)))
    ends = np.linspace(0, n_samples, count + 1).round().astype(int)
    return [slice(int(first), int(end)) for first, end in itertools.pairwise(ends)]


class Signals(Sequence[Shorts]):
    """Signals of differing length, 16-bit integers at 16 kHz; a selection of rows shares the samples.

    ``signals[i]`` is one, ``signals[rows]`` (a slice, an array of indices or a mask) some of them.
    """

    def __init__(self, samples: Shorts, starts: NDArray[np.int64], ends: NDArray[np.int64]) -> None:
        self._samples, self._starts, self._ends = samples, starts, ends

    @classmethod
    def of(cls, signals: Iterable[NDArray[Any]]) -> Signals:
        """In memory, from arrays of 16-bit integers or floats."""
        shorts = [as_short(signal) for signal in signals]
        ends = np.cumsum([len(signal) for signal in shorts], dtype=np.int64)
        starts = np.concatenate([[0], ends[:-1]]).astype(np.int64) if len(shorts) else ends
        return cls(np.concatenate([np.zeros(0, np.int16), *shorts]), starts, ends)

    def __len__(self) -> int:
        return len(self._starts)

    @overload
    def __getitem__(self, index: int) -> Shorts: ...

    @overload
    def __getitem__(self, index: slice | NDArray[Any] | Sequence[int]) -> Signals: ...

    def __getitem__(self, index: Any) -> Any:
        if isinstance(index, int | np.integer):
            return np.asarray(self._samples[self._starts[index] : self._ends[index]])
        chosen = index if isinstance(index, slice) else np.asarray(index)
        return Signals(self._samples, self._starts[chosen], self._ends[chosen])

    def __iter__(self) -> Iterator[Shorts]:
        return (self[i] for i in range(len(self)))

    @property
    def lengths(self) -> NDArray[np.int64]:
        """Samples of each, ``(n,)``."""
        return self._ends - self._starts

    @property
    def shape(self) -> tuple[int]:
        """``(n,)``, as of an array of objects."""
        return (len(self),)

    @property
    def sha256(self) -> str:
        """Of all samples in their order, and of where each signal ends: 64 hex digits."""
        digest = hashlib.sha256(self.lengths.astype("<i8").tobytes())
        for signal in self:
            digest.update(signal.astype("<i2", copy=False).tobytes())
        return digest.hexdigest()

    def __repr__(self) -> str:
        return f"<Signals: {len(self)}, {self.lengths.sum() / RATE / 3600:.2f} h>"


class SignalWriter:
    """Takes signals in any order and gives `Signals`, holding none of them in memory."""

    def __init__(self, n: int, folder: Path | None = None) -> None:
        """For ``n`` signals, in a nameless file in ``folder``, or wherever the system has temporary files."""
        self._starts, self._ends = np.zeros(n, np.int64), np.zeros(n, np.int64)
        self._written = 0
        try:
            if folder is not None:
                folder.mkdir(parents=True, exist_ok=True)
            self._file: IO[bytes] = tempfile.TemporaryFile(dir=folder)  # noqa: SIM115  # closed by `signals`
        except OSError as error:
            raise ConfigError(_no_room(folder, error)) from error
        weakref.finalize(self, self._file.close)  # by Ctrl-C, `signals` is never reached

    def __setitem__(self, row: int, signal: NDArray[Any]) -> None:
        """Write down the signal of ``row``. Raises `ConfigError` where there is no room left."""
        shorts = as_short(signal)
        try:
            self._file.write(shorts.tobytes())
        except OSError as error:
            raise ConfigError(_no_room(None, error)) from error
        self._starts[row] = self._written
        self._written += len(shorts)
        self._ends[row] = self._written

    def signals(self) -> Signals:
        """All of them, once nothing more is to come; rows that were never written are empty."""
        samples: Shorts = np.zeros(0, np.int16)
        with self._file:  # what is mapped stays there until nobody needs it
            self._file.flush()
            if self._written:
                samples = np.memmap(self._file, np.int16, mode="r", shape=(self._written,))
        return Signals(samples, self._starts, self._ends)


def _no_room(folder: Path | None, error: OSError) -> str:
    where = folder or tempfile.gettempdir()
    return (
        f"The signals can't be kept in {where}: {error.strerror or error}. Make room there, or name a folder on "
        "another disk in EMOTONE_CACHE."
    )
