"""Recordings in, the canonical signal out: float32, shape (samples,), mono, finite, at 16 kHz.

What files hold is `decoding`'s business; here their samples become a signal, by rules that are the same for
all:

- Channels are averaged. Where they cancel out (one is the other inverted, as from a miswired cable), the
  loudest is taken alone: a person hears speech there, so silence would be the wrong answer.
- Resampling is soxr's HQ. Samples that have the asked rate already come back bit for bit.
- Integers span [-1, 1]. Floats are taken as they are, also somewhat above 1; beyond `LOUDEST` they are an
  error, since they are integers that nobody scaled.
- A file cut short gives what it still holds. NaN and infinity are an error: what wrote them had a fault, and
  anything put in their place would be invented sound.
"""

from __future__ import annotations

import io
import itertools
import math
import os
import wave
from collections import deque
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import soxr

from emotone import decoding
from emotone.decoding import AudioInfo, Chunk
from emotone.errors import AudioError

__all__ = [
    "CLIPPED_LEVEL",
    "CLIPPED_SHARE",
    "LOUDEST",
    "LOW_LEVEL",
    "RATES",
    "SAMPLE_RATE",
    "SILENT",
    "SUFFIXES",
    "TOO_SHORT",
    "AudioInfo",
    "Converter",
    "Signal",
    "blocks",
    "convert",
    "encode_wav",
    "envelope",
    "flags",
    "inspect",
    "load",
    "promised",
]

Signal = npt.NDArray[np.float32]

SAMPLE_RATE = 16_000
"""Samples per second of a signal, unless a ``rate`` says otherwise."""

RATES = (1_000, 768_000)
"""Lowest and highest sample rate taken, of recordings and of results, in Hz."""

LOUDEST = 100.0
"""Peak beyond which float samples are an error: 40 dB over full scale is a scaling mistake, not a loud
voice."""

SUFFIXES = frozenset(
    f".{ending}"
    for group in (
        "wav wave w64 rf64 flac ogg oga opus mp3 mp2 aif aiff aifc au snd caf sph",
        "m4a m4b aac wma amr mka ac3 mp4 m4v mov 3gp 3g2 mkv webm avi wmv flv mpg mpeg",
    )
    for ending in group.split()
)
"""Lower-case file endings looked for in a folder. `load` itself goes by the content, whatever the ending."""

TOO_SHORT = 0.25
"""Seconds. Shorter is about one syllable, too little to tell an emotion from."""

SILENT = 5e-4
"""RMS of the loudest tenth of a second: -66 dB of full scale. RAVDESS's quietest clip has three times
that."""

LOW_LEVEL = 3.2e-3
"""The same at -50 dB: speech, but near the noise of many recordings. RAVDESS has 1.5 % of such clips."""

CLIPPED_LEVEL = 0.99
"""Share of full scale from which a sample counts as clipped; below 1, since resampling and codecs blur it."""

CLIPPED_SHARE = 3e-4
"""Share of such samples, ten at least, that makes a recording clipped. No clip of RAVDESS or nEMO has that
many, 3 of EMO-DB's 535, normalised to full scale, and 4.9 % of CREMA-D's have."""

_MIN_CLIPPED = 10  # samples
_CONTEXT = 1024  # samples at the lower rate: more than soxr's HQ filter looks back or ahead


def load(
    path: str | os.PathLike[str], *, start: float = 0.0, end: float | None = None, rate: int = SAMPLE_RATE
) -> Signal:
    """Read ``path`` from ``start`` to ``end`` (seconds; None or NaN: to the end) as a signal at ``rate`` Hz.

    A part is that slice of the whole, ``load(path)[round(start * rate):round(end * rate)]``, to float32
    rounding; where the format allows it, no more is decoded. An ``end`` beyond the recording means its end.

    Raises `AudioError` when the file can't be read, holds no sample, or has none from ``start`` on.
    """
    pieces = list(_pieces(decoding.existing(path), _Span.of(start, end, rate)))
    return pieces[0] if len(pieces) == 1 else np.concatenate(pieces)


def blocks(
    path: str | os.PathLike[str], *, seconds: float = 30.0, rate: int = SAMPLE_RATE, channel: int | None = None
) -> Iterator[Signal]:
    """The signal of ``path`` in blocks of ``seconds``, the last one shorter, in bounded memory.

    Concatenated they equal ``load(path, rate=rate)`` exactly, or, with a ``channel`` (from 0 on), what that one alone
    would be. Raises `AudioError` like `load`, and for a channel that isn't there: at once for a file that can't be
    opened, at its block for damage further in.
    """
    if not (math.isfinite(seconds) and seconds > 0):
        raise AudioError(f"A block must last more than 0 seconds, not {seconds}.")
    pieces = _pieces(decoding.existing(path), _Span.of(0.0, None, rate), channel)
    opened = itertools.chain([next(pieces)], pieces)
    return _regrouped(opened, max(1, round(seconds * rate)))


def envelope(
    source: str | os.PathLike[str] | Signal, seconds: float, n_columns: int, *, channel: int | None = None
) -> npt.NDArray[np.float32]:
    """The lowest and the highest sample, ``(n_columns, 2)``, in each of as many equal parts of the first ``seconds``.

    For drawings of any length, in bounded memory; what comes later counts for the last column. Columns without a
    sample are 0, also where a file breaks off. Raises `AudioError` where nothing can be read.
    """
    low, high = np.full(n_columns, np.inf, np.float32), np.full(n_columns, -np.inf, np.float32)
    per_column = seconds * SAMPLE_RATE / n_columns
    position = 0
    try:
        for block in blocks(source, channel=channel) if not isinstance(source, np.ndarray) else [source][: source.size]:
            places = np.minimum((position + np.arange(len(block))) / per_column, n_columns - 1).astype(int)
            starts = np.flatnonzero(np.diff(places, prepend=-1))
            low[places[starts]] = np.minimum(low[places[starts]], np.minimum.reduceat(block, starts))
            high[places[starts]] = np.maximum(high[places[starts]], np.maximum.reduceat(block, starts))
            position += len(block)
    except AudioError:
        if not position:
            raise
    return np.where(low > high, np.float32(0), [low, high]).T


def convert(samples: npt.ArrayLike, rate: int, *, to: int = SAMPLE_RATE) -> Signal:
    """A signal at ``to`` Hz from samples at ``rate`` Hz, shape (samples,) or (samples, channels).

    Integers are scaled by their type's range, unsigned ones around its middle, as WAV has them; floats must
    span [-1, 1] already. Raises `AudioError` for another type or shape, no samples, NaN, infinity, or a rate
    outside `RATES`.
    """
    given = np.asarray(samples)
    if given.dtype.kind not in "iuf":
        raise AudioError(f"Samples must be integers or floats, not {given.dtype}.")
    if given.ndim not in (1, 2) or given.size == 0:
        raise AudioError(f"Samples must have the shape (samples,) or (samples, channels), not {given.shape}.")
    if given.ndim == 2 and given.shape[1] > max(64, given.shape[0]):
        raise AudioError(f"Samples have the shape {given.shape}: {given.shape[1]} channels. Transpose them.")
    chunk = Chunk(rate, 0, decoding.to_float(given).reshape(len(given), -1))
    pieces = [piece for _, piece in _resampled(_mono("The array", iter([chunk])), _checked_rate(to))]
    return np.concatenate(pieces)  # a copy also of what needed no change


class Converter:
    """`convert` for samples that come in pieces, as from a microphone: together the same signal, whatever their sizes.

    ``feed`` it, and ``flush`` it last. Errors say that ``name`` is at fault; after one, the converter is over.
    """

    def __init__(self, rate: int, *, to: int = SAMPLE_RATE, name: str = "The sound") -> None:
        """Raises `AudioError` for a rate outside `RATES`."""
        self._rate, self._n_frames = _checked_rate(rate), 0
        self._given: deque[Chunk] = deque()
        self._pieces = _resampled(_mono(name, self._waiting()), _checked_rate(to))

    def feed(self, samples: npt.NDArray[Any]) -> Signal:
        """What is certain of the signal after these samples, integers or floats of the shape (samples, channels).

        Raises `AudioError` for NaN, infinity, and integers that are stored as floats.
        """
        if not len(samples):
            return np.zeros(0, np.float32)
        self._given.append(Chunk(self._rate, self._n_frames, decoding.to_float(samples)))
        self._n_frames += len(samples)
        return next(self._pieces)[1]  # one piece comes out for each that goes in

    def flush(self) -> Signal:
        """The rest, that the resampling filter still held."""
        return np.concatenate([np.zeros(0, np.float32), *(piece for _, piece in self._pieces)])

    def _waiting(self) -> Iterator[Chunk]:
        while self._given:
            yield self._given.popleft()


def promised(path: str | os.PathLike[str], *, guess: bool = False) -> float | None:
    """Seconds that the header of ``path`` says it lasts, whatever is there of it: more than there is, where it was cut
    short. Reads nothing but the header; None where that says nothing, as in MP3. With ``guess``, what FFmpeg guesses
    by the bit rate will do there.

    Raises `AudioError` for what isn't a file.
    """
    return decoding.promised(decoding.existing(path), guess=guess)


def inspect(path: str | os.PathLike[str]) -> AudioInfo:
    """Duration, rate, channels and format of ``path``, mostly from its header alone.

    Raises `AudioError` like `load`, but doesn't see damage behind the header.
    """
    return decoding.header(decoding.existing(path))


def flags(signal: Signal, rate: int = SAMPLE_RATE) -> tuple[str, ...]:
    """What to know before believing an answer about ``signal``: some of these, in this order.

    - ``too_short``: under `TOO_SHORT` seconds
    - ``silent``: the loudest tenth of a second, without its offset from zero, stays under `SILENT`
    - ``low_level``: the same under `LOW_LEVEL`, if it isn't silent
    - ``clipped``: many samples at full scale (`CLIPPED_SHARE`), or flat tops with sharp edges at the
      signal's own peak, as of a recording that clipped and was then turned down. Resampling and lossy coding
      round such tops off, so the second sign shows only in untouched samples.
    """
    if len(signal) == 0:
        return ("too_short", "silent")
    found = ["too_short"] if len(signal) < TOO_SHORT * rate else []
    level = _loudest_rms(signal, max(1, rate // 10))
    if level < LOW_LEVEL:
        found.append("silent" if level < SILENT else "low_level")
    n_clipped = np.count_nonzero(np.abs(signal) >= CLIPPED_LEVEL)
    if n_clipped >= max(_MIN_CLIPPED, CLIPPED_SHARE * len(signal)) or _n_on_flat_tops(signal) >= _MIN_CLIPPED:
        found.append("clipped")
    return tuple(found)


def encode_wav(signal: Signal, rate: int = SAMPLE_RATE) -> bytes:
    """A 16-bit mono WAV file of ``signal``, as bytes for a player. Samples beyond full scale are clipped."""
    whole = np.rint(np.clip(signal, -1.0, 32767 / 32768) * 32768)
    buffer = io.BytesIO()
    with wave.open(buffer, "wb") as file:
        file.setnchannels(1)
        file.setsampwidth(2)
        file.setframerate(rate)
        file.writeframes(whole.astype("<i2").tobytes())
    return buffer.getvalue()


@dataclass(frozen=True)
class _Span:
    """The wanted part, in samples of the result."""

    first: int
    last: float  # excluded; infinite for "to the end"
    rate: int

    @classmethod
    def of(cls, start: float, end: float | None, rate: int) -> _Span:
        rate = _checked_rate(rate)
        end = math.inf if end is None or math.isnan(end) else end
        if not 0 <= start < end:
            raise AudioError(f"A part starts at 0 s or later and ends after its start, not {start} to {end} s.")
        first = round(start * rate)
        return cls(first, end if math.isinf(end) else max(first + 1, round(end * rate)), rate)

    def frames(self, rate: int) -> tuple[int, float]:
        """First and last frame to decode of a recording at ``rate`` Hz.

        They take in what the resampling filter sees on both sides, and the first coincides in time with a
        sample of the result, so that a part falls on the same instants as the whole.
        """
        context = 0 if rate == self.rate else _CONTEXT * rate // max(1, min(rate, self.rate))
        grid = max(1, rate // math.gcd(rate, self.rate))  # a damaged header may say 0
        first = max(0, self.first * rate // self.rate - context) // grid * grid
        return first, self.last if math.isinf(self.last) else math.ceil(self.last * rate / self.rate) + context


def _pieces(path: Path, span: _Span, channel: int | None = None) -> Iterator[Signal]:
    """The signal of ``span``, one piece at a time: at least one, none empty."""
    found = False
    for offset, signal in _resampled(_mono(str(path), decoding.decode(path, span.frames), channel), span.rate):
        first, last = max(span.first - offset, 0), int(min(span.last - offset, len(signal)))
        if first < last:
            found = True
            yield signal[first:last]
    if not found:
        duration, start = inspect(path).duration, span.first / span.rate
        raise AudioError(f"{path} lasts {duration:.2f} s: there is nothing from {start:.2f} s on.")


def _regrouped(pieces: Iterator[Signal], n_samples: int) -> Iterator[Signal]:
    waiting: list[Signal] = []
    for piece in pieces:
        waiting.append(piece)
        if sum(map(len, waiting)) >= n_samples:
            joined = np.concatenate(waiting)
            n_whole = len(joined) // n_samples * n_samples
            yield from np.split(joined[:n_whole], n_whole // n_samples)
            waiting = [joined[n_whole:]]
    rest = np.concatenate(waiting)
    if len(rest):
        yield rest


def _mono(name: str, chunks: Iterator[Chunk], channel: int | None = None) -> Iterator[tuple[int, int, Signal]]:
    """Rate, offset and one channel for each chunk, checked. The first chunk with sound decides the mix."""
    weights: Signal | None = None
    first_rate = 0
    for rate, offset, samples in chunks:
        first_rate = first_rate or _checked_rate(rate, of=f"{name} has a sample rate")
        if rate != first_rate:
            raise AudioError(f"{name} changes its rate from {first_rate} to {rate} Hz. {decoding.FFMPEG_CURE}")
        n_channels = samples.shape[1]
        if channel is not None and not 0 <= channel < n_channels:
            raise AudioError(f"{name} has {n_channels} channels, counted from 0: there is none with number {channel}.")
        if n_channels == 1 or channel is not None:
            mixed = np.ascontiguousarray(samples[:, channel or 0])
        else:
            with np.errstate(invalid="ignore", over="ignore"):  # told in words by `_check_samples`
                if weights is None or len(weights) != n_channels:
                    weights = _mixing_weights(samples)
                mixed = samples @ (_equal_weights(n_channels) if weights is None else weights)
        _check_samples(name, mixed, offset, rate)
        yield rate, offset, mixed


def _equal_weights(n_channels: int) -> Signal:
    return np.full(n_channels, 1 / n_channels, np.float32)


def _mixing_weights(samples: Signal) -> Signal | None:
    """Equal weights, or the loudest channel alone if the mean keeps under 1 % of the power that it would
    keep of unrelated channels. None for digital silence, which tells nothing."""
    power = np.einsum("ij,ij->j", samples, samples)
    if not power.any():
        return None
    weights = _equal_weights(len(power))
    mean = samples @ weights
    if float(mean @ mean) * len(power) ** 2 < 0.01 * float(power.sum()):
        weights = np.zeros(len(power), np.float32)
        weights[power.argmax()] = 1
    return weights


def _check_samples(name: str, samples: Signal, offset: int, rate: int) -> None:
    peak = max(float(samples.max()), -float(samples.min()))
    if peak <= LOUDEST:  # not so for NaN, either
        return
    broken = ~np.isfinite(samples)
    if broken.any():
        seconds = (offset + int(broken.argmax())) / rate
        raise AudioError(
            f"{name} holds {int(broken.sum())} samples that are no numbers (NaN, infinity), the first at "
            f"{seconds:.3f} s. Record or export it again, or cut that part out."
        )
    raise AudioError(
        f"{name} reaches {peak:.0f} where full scale is 1: its samples are integers stored as floats. "
        f"Divide them by their full scale (32768 for 16 bits) first."
    )


def _resampled(chunks: Iterator[tuple[int, int, Signal]], to: int) -> Iterator[tuple[int, Signal]]:
    """Position and samples of each piece at ``to`` Hz; together the same whatever the chunks' sizes."""
    stream: Any = None
    position = 0
    samples = np.zeros(0, np.float32)
    for rate, offset, samples in chunks:
        if rate == to:
            yield offset, samples
            continue
        if stream is None:
            stream = soxr.ResampleStream(rate, to, 1, dtype="float32", quality="HQ")
            position = offset * to // rate
        piece = stream.resample_chunk(np.ascontiguousarray(samples))
        yield position, piece
        position += len(piece)
    if stream is not None:
        rest = stream.resample_chunk(np.zeros(0, np.float32), last=True)
        # A sample or two at a high rate are less than one here, but no reason to fail.
        yield position, rest if position + len(rest) else samples[:1]


def _checked_rate(rate: int, *, of: str = "A sample rate") -> int:
    lowest, highest = RATES
    if not lowest <= rate <= highest or rate != int(rate):
        raise AudioError(f"{of} of {rate} Hz; only whole numbers from {lowest} to {highest} are taken.")
    return int(rate)


def _loudest_rms(signal: Signal, n_window: int) -> float:
    n_windows = max(1, len(signal) // n_window)
    n_window = min(n_window, len(signal))
    windows = (signal - signal.mean())[: n_windows * n_window].reshape(n_windows, n_window)
    return math.sqrt(np.einsum("ij,ij->i", windows, windows).max() / n_window)


def _n_on_flat_tops(signal: Signal) -> int:
    """How many samples lie, three or more in a row, on the signal's own highest or lowest value (to 0.1 %)
    between neighbours that are clearly (2 %) lower. The neighbours tell a clipped wave from the round top of
    a slow one; peaks below 0.2 aren't looked at, since there the steps of 8-bit and mu-law coding look the
    same."""
    n_flat = 0
    for side in (signal, -signal):
        peak = float(side.max())
        if peak >= 0.2:
            beside = np.flatnonzero(side < 0.999 * peak)
            lengths = np.diff(beside) - 1
            low = side[beside] < 0.98 * peak
            n_flat += int(lengths[(lengths >= 3) & low[:-1] & low[1:]].sum())
    return n_flat
