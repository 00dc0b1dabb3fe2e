"""Recordings of which everything is known: utterances joined with pauses and noise, to judge timelines by."""

from __future__ import annotations

import itertools
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from emotone import synthetic
from emotone.audio import SAMPLE_RATE, Signal
from emotone.segment import Segment

LEVEL = 10 ** (-26 / 20)
"""RMS of each utterance's speech: as people set the level of a recording."""

ROOM = 10 ** (-70 / 20)
"""RMS of the noise under a clean recording."""

EDGE = 10 ** (-35 / 20)
"""What is quieter than that, relative to the loudest 20 ms, is silence."""

_STEP = SAMPLE_RATE // 100  # samples of the grid on which speech is looked for


@dataclass(frozen=True)
class Span:
    """Somebody speaks from ``start`` to ``end``, in seconds. ``clip`` says which one of those given it is."""

    start: float
    end: float
    emotion: str
    clip: int


@dataclass(frozen=True)
class Joined:
    """A recording, and who speaks when."""

    signal: Signal
    spans: tuple[Span, ...]

    @property
    def seconds(self) -> float:
        return len(self.signal) / SAMPLE_RATE

    @property
    def borders(self) -> list[float]:
        """Where something starts or ends, and is not the recording."""
        found = {time for span in self.spans for time in (span.start, span.end)}
        return sorted(found - {0.0, self.seconds})


def joined(
    clips: Iterable[tuple[Signal, str]],
    *,
    rng: np.random.Generator,
    pauses: tuple[float, float] = (0.7, 2.5),
    snr: float | None = None,
) -> Joined:
    """The ``clips`` (sound and emotion), trimmed to their speech and at one level, with pauses between and around them.

    A ``snr`` in dB adds pink noise all over, as loud relative to the speech; else there is only a quiet room.
    """
    pieces, spans, position = [], [], 0
    for i, (sound, emotion) in enumerate(clips):
        voice = trimmed(sound)
        voice = voice * np.float32(LEVEL / np.sqrt(np.mean(voice**2)))
        pause = np.zeros(round(rng.uniform(*pauses) * SAMPLE_RATE), np.float32)
        start = position + len(pause)
        position = start + len(voice)
        spans.append(Span(start / SAMPLE_RATE, position / SAMPLE_RATE, emotion, i))
        pieces += [pause, voice]
    pieces.append(np.zeros(round(rng.uniform(*pauses) * SAMPLE_RATE), np.float32))
    signal = np.concatenate(pieces)
    level = ROOM if snr is None else LEVEL * 10 ** (-snr / 20)
    return Joined(np.asarray(signal + level * pink(len(signal), rng), np.float32), tuple(spans))


def talk(seed: int = 5) -> Joined:
    """Three synthetic utterances of three people, with pauses around them."""
    rng = np.random.default_rng(seed)
    spoken = [("angry", 2, 2.0), ("sad", 1, 1.5), ("neutral", 4, 1.8)]
    clips = [(synthetic.speech(emotion, who, rng=rng, seconds=seconds), emotion) for emotion, who, seconds in spoken]
    return joined(clips, rng=rng)


def active(signal: Signal) -> NDArray[np.bool_]:
    """Which of the 10 ms of a clean ``signal`` aren't silent."""
    n = len(signal) // _STEP
    power = (signal[: n * _STEP].reshape(n, _STEP).astype(float) ** 2).mean(axis=1)
    power = np.convolve(power, np.ones(2) / 2, mode="same")
    return np.asarray(power > EDGE**2 * power.max())


def trimmed(signal: Signal) -> Signal:
    """A clean ``signal`` without the silence at its ends."""
    where = np.flatnonzero(active(signal))
    return signal[where[0] * _STEP : (where[-1] + 1) * _STEP]


def longest_pause(signal: Signal) -> float:
    """Seconds of the longest silence inside a clean ``signal``."""
    where = np.flatnonzero(active(signal))
    return float(np.diff(where).max(initial=1) - 1) * _STEP / SAMPLE_RATE


def pink(n_samples: int, rng: np.random.Generator) -> NDArray[np.float64]:
    """Noise with equal power in each octave, RMS 1."""
    spectrum = np.fft.rfft(rng.standard_normal(n_samples))
    spectrum[1:] /= np.sqrt(np.arange(1, len(spectrum)))
    spectrum[0] = 0
    noise = np.fft.irfft(spectrum, n_samples)
    return np.asarray(noise / np.sqrt(np.mean(noise**2)))


def speaking(segments: Sequence[Segment], seconds: float) -> NDArray[np.bool_]:
    """Which of the 10 ms of a recording belong to a segment with somebody speaking."""
    found = np.zeros(round(100 * seconds), bool)
    for segment in segments:
        found[round(100 * segment.start) : round(100 * segment.end)] = "no_speech" not in segment.flags
    return found


def truly_speaking(recording: Joined) -> NDArray[np.bool_]:
    """The truth for `speaking`."""
    found = np.zeros(round(100 * recording.seconds), bool)
    for span in recording.spans:
        found[round(100 * span.start) : round(100 * span.end)] = True
    return found


def border_errors(recording: Joined, segments: Sequence[Segment]) -> NDArray[np.float64]:
    """How far from each true border the nearest one of the ``segments`` is, in seconds."""
    found = np.array([segment.start for segment in segments[1:]])
    return np.array([np.abs(found - border).min(initial=np.inf) for border in recording.borders])


def heard_in(segments: Sequence[Segment], span: Span) -> Segment:
    """The segment that shares most time with ``span``."""
    return max(segments, key=lambda segment: min(segment.end, span.end) - max(segment.start, span.start))


def tiles(segments: Sequence[Segment], seconds: float) -> bool:
    """Whether the ``segments`` follow each other from 0 to ``seconds`` without gap or overlap, none of them empty."""
    times = [0.0, *(segment.end for segment in segments)]
    starts = [segment.start for segment in segments]
    rising = all(before < after for before, after in itertools.pairwise(times))
    return bool(segments) and rising and times[:-1] == starts and times[-1] == seconds
