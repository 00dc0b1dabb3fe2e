"""Frame-wise tracks: what the voice does every ten milliseconds.

Frames of 25 ms (Hann), 10 ms apart, centred on 0, 10, 20, ... ms; a 512-point spectrum. Each track is a row
``(n_frames,)``, so that what follows runs along time. `emotone.features.catalogue` says of each what it is,
its unit and its source. A band of the spectrum written as "below 1 kHz" leaves out the mean (bin 0).
"""

from __future__ import annotations

from collections.abc import Iterable
from functools import lru_cache
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from emotone.features.catalogue import HIGHEST_HZ, LOWEST_HZ, N_BANDS, N_CEPSTRA, SHAPE, VOICE
from emotone.features.pitch import track_pitch
from emotone.features.spectrum import dct_matrix, frames, hann, mel_filters

__all__ = ["FRAMES_PER_SECOND", "RATE", "Tracks", "frame_levels", "tracks"]

Floats = NDArray[np.float32]
Rows = dict[str, NDArray[np.floating]]

RATE = 16_000
WINDOW = RATE // 40
HOP = RATE // 100
FRAMES_PER_SECOND = RATE // HOP
N_FFT = 512
N_BINS = N_FFT // 2 + 1
KHZ_PER_BIN = RATE / N_FFT / 1000.0

FLOOR = np.float32(1e-8)
"""Added to powers before logarithms: what 16-bit samples have as noise in a bin; a full-scale sine has 1e4."""
TINY = np.float32(1e-12)
"""Added where only a logarithm of zero must be prevented."""


class Tracks(NamedTuple):
    """The tracks of one signal; the last axis is time."""

    bands: Floats
    """``(N_BANDS, n_frames)``: the log mel spectrum"""
    cepstra: Floats
    """``(N_CEPSTRA, n_frames)``"""
    shape: Floats
    """``(len(SHAPE), n_frames)``"""
    voice: Floats
    """``(len(VOICE), n_frames)``; has a meaning where voiced"""
    level: Floats
    """``(n_frames,)``, dBov"""
    pitch: Floats
    """``(n_frames,)``, semitones over 100 Hz; 0 where unvoiced"""
    hz: Floats
    """``(n_frames,)``, 0 where unvoiced"""
    voiced: NDArray[np.bool_]
    """``(n_frames,)``"""


def tracks(signal: Floats) -> Tracks:
    """All tracks of ``signal (samples,)`` at 16 kHz."""
    n_frames = 1 + len(signal) // HOP
    padded = _padded(signal)
    cut = frames(padded, length=WINDOW, hop=HOP)[:n_frames]
    power = _power(cut)
    magnitude = np.sqrt(power)
    magnitude /= magnitude.sum(axis=1, keepdims=True)
    bands = np.log(power @ _mel_weights() + FLOOR)
    decibels = np.log(power + FLOOR) * np.float32(10.0 / np.log(10.0))
    pitch = track_pitch(signal, n_frames)
    semitones = np.zeros_like(pitch.hz)
    semitones[pitch.voiced] = 12.0 * np.log2(pitch.hz[pitch.voiced] / 100.0)
    shape: Rows = {
        **_moments(magnitude),
        **_rolloffs(power),
        **_balance(power, decibels),
        **_changes(magnitude, bands),
        "zero_crossings": _zero_crossings(padded, n_frames),
        "cepstral_peak": _cepstral_peak(decibels),
    }
    voice: Rows = {
        **_harmonics(decibels, pitch.hz),
        "hnr": 10.0 * np.log10(pitch.strength / (1.0 - pitch.strength)),
    }
    return Tracks(
        bands=np.ascontiguousarray(bands.T),
        cepstra=np.ascontiguousarray((bands @ _cosines()).T),
        shape=_stacked(shape, SHAPE),
        voice=_stacked(voice, VOICE),
        level=_level(cut),
        pitch=semitones,
        hz=pitch.hz,
        voiced=pitch.voiced,
    )


def frame_levels(signal: Floats) -> Floats:
    """The track ``level`` alone, ``(n_frames,)``, dBov."""
    return _level(frames(_padded(signal), length=WINDOW, hop=HOP)[: 1 + len(signal) // HOP])


def _stacked(rows: Rows, order: Iterable[str]) -> Floats:
    return np.stack([rows[name] for name in order]).astype(np.float32)


def _padded(signal: Floats) -> Floats:
    """Half a window of zeros before, so that frames are centred, and enough behind for the last one."""
    padded = np.zeros(len(signal) + 2 * WINDOW, np.float32)
    padded[WINDOW // 2 : WINDOW // 2 + len(signal)] = signal
    return padded


def _level(cut: NDArray[np.floating]) -> Floats:
    # In double precision, lest rounding make peaks in the level of a steady sound.
    power: NDArray[np.float64] = np.square(cut).mean(axis=1, dtype=np.float64)
    return (10.0 * np.log10(power + TINY)).astype(np.float32)


def _power(cut: NDArray[np.floating]) -> Floats:
    """Power spectra ``(n_frames, N_BINS)``."""
    windowed = cut * hann(WINDOW).astype(np.float32)
    # In double precision: otherwise rounding in loud frames reaches the empty bins.
    spectrum = np.fft.rfft(windowed.astype(np.float64), N_FFT).astype(np.complex64)
    power: Floats = spectrum.real**2
    power += spectrum.imag**2
    power += TINY
    return power


@lru_cache(maxsize=1)
def _mel_weights() -> Floats:
    """``(N_BINS, N_BANDS)``: triangles of height 1, HTK's scale."""
    filters = mel_filters(RATE, n_fft=N_FFT, n_mels=N_BANDS, fmin=LOWEST_HZ, fmax=HIGHEST_HZ, htk=True)
    return np.ascontiguousarray((filters / filters.max(axis=1, keepdims=True)).T)


@lru_cache(maxsize=1)
def _cosines() -> Floats:
    return np.ascontiguousarray(dct_matrix(N_CEPSTRA, N_BANDS).T.astype(np.float32))


def _khz() -> NDArray[np.floating]:
    return np.arange(N_BINS) * KHZ_PER_BIN


def _bins(low_hz: float, high_hz: float) -> slice:
    return slice(int(low_hz * N_FFT / RATE), int(high_hz * N_FFT / RATE))


# --- the shape of the spectrum: from (n_frames, N_BINS) to rows (n_frames,). Magnitudes sum to 1 ------------


@lru_cache(maxsize=1)
def _moment_weights() -> Floats:
    """``(N_BINS, 4)``: powers 1 to 4 of the frequency in kHz."""
    return (_khz()[:, None] ** np.arange(1, 5)).astype(np.float32)


def _moments(magnitude: Floats) -> Rows:
    """Moments of the magnitude spectrum as a distribution over kHz, and its entropy."""
    m1, m2, m3, m4 = (magnitude @ _moment_weights()).astype(np.float64).T
    variance = np.maximum(m2 - m1**2, 1e-9)
    spread = np.sqrt(variance)
    return {
        "centroid": m1,
        "spread": spread,
        "skewness": (m3 - 3 * m1 * m2 + 2 * m1**3) / spread**3,
        "kurtosis": (m4 - 4 * m1 * m3 + 6 * m1**2 * m2 - 3 * m1**4) / variance**2,
        "entropy": -np.einsum("tb,tb->t", magnitude, np.log(magnitude)),
    }


def _rolloffs(power: Floats) -> Rows:
    share = np.cumsum(power, axis=1)
    share /= share[:, -1:]
    return {
        f"rolloff{percent}": np.count_nonzero(share < percent / 100, axis=1) * KHZ_PER_BIN
        for percent in (25, 50, 75, 90)
    }


_POWER_BANDS = {
    "voice": (50, 1000),
    "chest": (50, 250),
    "throat": (250, 1000),
    "second_formant": (1000, 2000),
    "bright": (1000, 5000),
    "hiss": (4000, 8000),
}
"""Hz."""


@lru_cache(maxsize=1)
def _band_weights() -> Floats:
    """``(N_BINS, 6)``: ones where a bin belongs to the band."""
    weights = np.zeros((N_BINS, len(_POWER_BANDS)), np.float32)
    for column, edges in zip(weights.T, _POWER_BANDS.values(), strict=True):
        column[_bins(*edges)] = 1.0
    return weights


@lru_cache(maxsize=1)
def _slope_weights() -> Floats:
    """``(N_BINS, 3)``: products with decibels give the slopes of three regression lines in dB/kHz."""
    weights = np.zeros((N_BINS, 3), np.float32)
    for column, edges in zip(weights.T, ((60, 500), (500, 1500), (1000, 4000)), strict=True):
        bins = _bins(*edges)
        centred = _khz()[bins] - _khz()[bins].mean()
        column[bins] = centred / (centred @ centred)
    return weights


def _balance(power: Floats, decibels: Floats) -> Rows:
    """Where the power lies: flatness, ratios of bands, and slopes."""
    levels = 10.0 * np.log10(power @ _band_weights() + FLOOR).T
    band = dict(zip(_POWER_BANDS, levels, strict=True))
    slopes = (decibels @ _slope_weights()).T
    peaks = [decibels[:, _bins(*edges)].max(axis=1) for edges in ((62.5, 2000), (2000, 5000))]
    return {
        "flatness": np.log(power).mean(axis=1) - np.log(power.mean(axis=1)),
        "alpha_ratio": band["bright"] - band["voice"],
        "hammarberg": peaks[0] - peaks[1],
        "slope_low": slopes[0],
        "slope_mid": slopes[1],
        "slope_high": slopes[2],
        "air": band["hiss"] - band["voice"],
        "body": band["chest"] - band["throat"],
        "presence": band["second_formant"] - band["voice"],
    }


def _changes(magnitude: Floats, bands: Floats) -> Rows:
    """Change since the frame before; 0 in the first."""
    steps = np.diff(magnitude, axis=0)
    flux = 10.0 * np.sqrt(np.einsum("tb,tb->t", steps, steps))
    log_flux = np.abs(np.diff(bands, axis=0)).mean(axis=1)
    return {"flux": np.concatenate([[0.0], flux]), "log_flux": np.concatenate([[0.0], log_flux])}


def _zero_crossings(padded: Floats, n_frames: int) -> Floats:
    negative = padded < 0
    changes = (negative[1:] != negative[:-1]).astype(np.float32)
    share: Floats = frames(changes, length=WINDOW - 1, hop=HOP)[:n_frames].mean(axis=1)
    return share


def _cepstral_peak(decibels: Floats) -> Floats:
    """Periods of 27 to 255 samples: 590 down to 63 Hz."""
    cepstrum = np.fft.irfft(decibels.astype(np.complex64))
    peak: Floats = cepstrum[:, 27 : N_BINS - 1].max(axis=1)
    return peak


# --- voice quality ------------------------------------------------------------------------------------------


def _harmonics(decibels: Floats, hz: Floats) -> Rows:
    """Levels of harmonics against each other and against the formants' regions."""
    frame = np.arange(len(hz))
    first = np.clip(hz * (N_FFT / RATE), 1, 250)

    def harmonic(number: int) -> Floats:
        bins = np.clip(first * number, 1, N_BINS - 3).astype(np.intp)
        near: Floats = np.max([decibels[frame, bins + offset] for offset in (-1, 0, 1)], axis=0)
        return near

    def strongest(low_hz: float, high_hz: float) -> Floats:
        peak: Floats = decibels[:, _bins(low_hz, high_hz)].max(axis=1)
        return peak

    h1 = harmonic(1)
    return {
        "h1_h2": h1 - harmonic(2),
        "h1_h3": h1 - harmonic(3),
        "h1_a1": h1 - strongest(300, 1000),
        "h1_a2": h1 - strongest(1000, 2200),
        "h1_a3": h1 - strongest(2200, 4000),
    }
