"""Pitch, voicing and harmonicity, frame by frame: Boersma's autocorrelation, and a path of least change.

Source: P. Boersma (1993), "Accurate short-term analysis of the fundamental frequency and the
harmonics-to-noise ratio of a sampled sound", IFA Proceedings 17, pages 97-110. The signal is band-limited to
2 kHz first, where voices have their strong harmonics: a quarter of the samples, and breath disturbs less.
Therefore the harmonicity here is that of the band below 2 kHz too.
"""

from __future__ import annotations

import math
from functools import lru_cache
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from emotone.features.spectrum import frames, hann

__all__ = ["PITCH_CEILING", "PITCH_FLOOR", "PitchTrack", "track_pitch"]

Floats = NDArray[np.float32]
Values = NDArray[np.floating]

PITCH_FLOOR, PITCH_CEILING = 60.0, 600.0
"""Hz. Men's creaks reach down to the one, excited women's voices up to the other."""

DECIMATION = 4
RATE = 16_000 // DECIMATION
"""Sample rate of the band-limited copy, in Hz."""
TAPER = 0.1
"""Share of its band, at the top, that fades out: a sharp edge rings on through pauses, and ringing sounds voiced."""
HOP = RATE // 100
WINDOW = RATE // 20
"""Samples of a window: 50 ms, three periods of the lowest pitch."""
N_FFT = 512
LAGS_PER_SAMPLE = 2
"""How finely the autocorrelation is drawn: at 1 a high voice's peaks fall between lags and lose to the octave below."""
LAG_RATE = RATE * LAGS_PER_SAMPLE
SHORTEST_LAG, LONGEST_LAG = int(LAG_RATE / PITCH_CEILING), int(LAG_RATE / PITCH_FLOOR) + 1

N_CANDIDATES = 4
UNVOICED_STRENGTH = 0.45
"""The autocorrelation a frame must reach to be called voiced (Boersma's voicing threshold)."""
SILENCE_SHARE = 0.0375
"""Frames below this share of the loudest frame's level need ever more, up to `SILENCE_COST`, to be voiced."""
SILENCE_COST = 0.3
OCTAVE_COST = 0.03
"""Per octave below the ceiling, so that of equal peaks the higher pitch wins."""
OCTAVE_JUMP_COST = 0.6
"""Per octave between neighbouring frames, at most `MAX_JUMP_COST`."""
MAX_JUMP_COST = 0.5
VOICING_COST = 0.14
"""For each change between voiced and unvoiced."""


class PitchTrack(NamedTuple):
    """Arrays ``(n_frames,)``."""

    hz: Floats
    """Fundamental frequency; 0 where unvoiced."""
    strength: Floats
    """Normalised autocorrelation at the period, 0 to 1; that of the best candidate where unvoiced."""
    voiced: NDArray[np.bool_]


def track_pitch(signal: Floats, n_frames: int) -> PitchTrack:
    """The pitch of ``signal (samples,)`` at 16 kHz in ``n_frames`` frames centred on 0, 10, 20, ... ms."""
    autocorrelation, level = _autocorrelations(_band_limited(signal), n_frames)
    candidate_hz, strengths, heights = _candidates(autocorrelation)
    silence = np.maximum(0.0, 1.0 - level / (SILENCE_SHARE * max(float(level.max()), 1e-9)))
    unvoiced = UNVOICED_STRENGTH + SILENCE_COST * silence
    path = _best_path(candidate_hz, np.concatenate([strengths, unvoiced[:, None]], axis=1, dtype=np.float32))
    voiced = path < N_CANDIDATES
    here = np.arange(n_frames), np.minimum(path, N_CANDIDATES - 1)
    hz = np.where(voiced, candidate_hz[here], 0.0).astype(np.float32)
    strength = np.where(voiced, heights[here], heights.max(axis=1))
    return PitchTrack(hz, np.clip(strength, 1e-3, 0.9999).astype(np.float32), voiced)


# numpy transforms single precision as such only with norm="forward", or to real from complex64; otherwise it converts
# to double and back, slowly, value by value.


def _band_limited(signal: Floats) -> Floats:
    """``signal`` at `RATE`, with the spectrum up to 2 kHz."""
    n = len(signal)
    padded = _smooth_length(n + 400)  # the tail keeps the end from wrapping round to the beginning
    spectrum = np.fft.rfft(signal.astype(np.float64), padded)[: padded // (2 * DECIMATION) + 1]
    fading = spectrum[-int(TAPER * len(spectrum)) :]
    fading *= 0.5 + 0.5 * np.cos(np.linspace(0.0, np.pi, len(fading)))
    low = np.fft.irfft(spectrum, padded // DECIMATION)[: -(-n // DECIMATION)]
    return (low / DECIMATION).astype(np.float32)


def _smooth_length(at_least: int) -> int:
    """The next length that is a multiple of 8 and has few large factors, so that transforms are fast."""
    lengths = []
    for odd in (8, 24, 40, 72):
        doublings = max(0, math.ceil(math.log2(at_least / odd)))
        lengths.append(odd << doublings)
    return min(lengths)


def _autocorrelations(signal: Floats, n_frames: int) -> tuple[Values, Values]:
    """Normalised autocorrelation ``(n_frames, n_lags)`` from lag 0, and the frames' levels ``(n_frames,)``."""
    half = WINDOW // 2
    padded = np.zeros(max(len(signal), (n_frames - 1) * HOP) + 2 * WINDOW, np.float32)
    padded[half : half + len(signal)] = signal
    cut = frames(padded, length=WINDOW, hop=HOP)[:n_frames]
    windowed = (cut - cut.mean(axis=1, keepdims=True)) * hann(WINDOW).astype(np.float32)
    spectrum = np.fft.rfft(windowed, N_FFT, norm="forward")
    power = (spectrum.real**2 + spectrum.imag**2) * np.float32(N_FFT**2 * LAGS_PER_SAMPLE)
    correlation = np.fft.irfft(power.astype(np.complex64), N_FFT * LAGS_PER_SAMPLE)[:, : LONGEST_LAG + 2]
    energy = correlation[:, :1]
    normalised: Values = correlation / (energy + np.float32(1e-9)) / _window_correlation()
    return normalised, np.sqrt(np.maximum(energy[:, 0], 0.0))


@lru_cache(maxsize=1)
def _window_correlation() -> Floats:
    """Autocorrelation of the window itself, ``(n_lags,)``, by which a frame's is divided (Boersma's eq. 9)."""
    power = np.abs(np.fft.rfft(hann(WINDOW), N_FFT)) ** 2
    correlation: Values = np.fft.irfft(power, N_FFT * LAGS_PER_SAMPLE)[: LONGEST_LAG + 2]
    relative: Floats = (correlation / correlation[0]).astype(np.float32)
    return relative


def _candidates(autocorrelation: Values) -> tuple[Values, Values, Values]:
    """Of each frame's highest peaks: pitch in Hz, strength after costs, height; ``(n_frames, N_CANDIDATES)``.

    Where a frame has fewer peaks, the rest have a strength of -1.
    """
    near = autocorrelation[:, SHORTEST_LAG : LONGEST_LAG + 1]
    before, here, after = near[:, :-2], near[:, 1:-1], near[:, 2:]
    lags = np.arange(SHORTEST_LAG + 1, LONGEST_LAG, dtype=np.float32)
    cost = OCTAVE_COST * np.log2(lags * (PITCH_CEILING / LAG_RATE)).astype(np.float32)
    strength = np.where((here > before) & (here >= after), here - cost, np.float32(-1.0))
    best = np.argpartition(strength, -N_CANDIDATES, axis=1)[:, -N_CANDIDATES:]
    a, b, c = (np.take_along_axis(side, best, axis=1) for side in (before, here, after))
    # A parabola through a peak and its neighbours finds the top between lags.
    bend = a - 2.0 * b + c
    shift = np.clip(0.5 * (a - c) / np.where(np.abs(bend) > 1e-9, bend, np.inf), -0.5, 0.5)
    hz = np.float32(LAG_RATE) / (lags[best] + shift)
    rise = -0.25 * (a - c) * shift
    return hz, np.take_along_axis(strength, best, axis=1) + rise, np.clip(b + rise, 0.0, 1.0)


def _best_path(hz: Values, strength: Values) -> NDArray[np.intp]:
    """The state of each frame, ``(n_frames,)``: a candidate's number, or `N_CANDIDATES` for unvoiced.

    ``strength`` is ``(n_frames, N_CANDIDATES + 1)``, unvoiced last. The path has the most strength for least change.
    """
    n_frames, n_states = strength.shape
    if n_frames == 1:
        return np.asarray(strength.argmax(axis=1), np.intp)
    octaves = np.log2(hz)
    jumps = np.abs(octaves[:-1, :, None] - octaves[1:, None, :])
    gain = np.full((n_frames - 1, n_states, n_states), -VOICING_COST, np.float32)  # [step, from, to]
    gain[:, :-1, :-1] = -np.minimum(OCTAVE_JUMP_COST * jumps, MAX_JUMP_COST)
    gain[:, -1, -1] = 0.0
    gain += strength[1:, None, :]
    gain[0] += strength[0][:, None]
    return _best_states(gain)


def _best_states(gain: Values) -> NDArray[np.intp]:
    """The states, one more than steps, that gain most in all; ``gain`` is ``(n_steps, n_states, n_states)``.

    Viterbi's path, but not frame by frame: each pair of steps becomes one, through the best state between, until
    one step is left; so a loop of a few hundred rounds becomes one of nine, over arrays.
    """
    if len(gain) == 1:
        return np.array(np.unravel_index(gain[0].argmax(), gain[0].shape))
    n_pairs = len(gain) // 2
    first, second = gain[: 2 * n_pairs : 2], gain[1 : 2 * n_pairs : 2]
    through = first[:, :, None, :] + second.transpose(0, 2, 1)[:, None, :, :]  # [pair, from, to, between]
    between = through.argmax(axis=3)
    best = np.take_along_axis(through, between[..., None], axis=3)[..., 0]
    ends = _best_states(np.concatenate([best, gain[2 * n_pairs :]]))
    states = np.empty(len(gain) + 1, np.intp)
    states[: 2 * n_pairs + 1 : 2] = ends[: n_pairs + 1]
    states[1 : 2 * n_pairs : 2] = between[np.arange(n_pairs), ends[:n_pairs], ends[1 : n_pairs + 1]]
    states[-1] = ends[-1]
    return states
