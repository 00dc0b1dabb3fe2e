"""The spectrum every front-end shares: frames, windows, magnitudes, mel filters, decibels, cosine transform.

numpy only, and fast: a signal is cut, windowed and transformed in small blocks that stay in the processor's
cache. Spectra have one row per frame, ``(n_frames, n_bins)``; mel spectra one row per band, ``(n_mels,
n_frames)``, because what follows runs along time.

Where librosa 0.11 has the same function, the numbers here are librosa's, and mostly to the last bit: the
operations and their precision (double up to the spectrum, single from there) are the same, in the same order.
"""

from __future__ import annotations

import math
from functools import lru_cache
from typing import Any

import numpy as np
from numpy.lib.stride_tricks import as_strided
from numpy.typing import NDArray

__all__ = [
    "HOP",
    "N_FFT",
    "dct_matrix",
    "frames",
    "hann",
    "hz_to_mel",
    "magnitudes",
    "mel_filters",
    "mel_spectrum",
    "mel_to_hz",
    "n_frames",
    "power_to_db",
]

Floats = NDArray[np.float32]
Doubles = NDArray[np.float64]

N_FFT = 2048
"""Samples per frame, unless asked otherwise; librosa's default."""
HOP = N_FFT // 4
"""Samples from one frame to the next, unless asked otherwise."""

_FRAMES_PER_BLOCK = 16
"""Frames transformed at once: 16 · 2,048 doubles and their spectrum fit a 1 MB second-level cache."""

# Slaney's mel scale: linear below 1 kHz, logarithmic above.
_HZ_PER_MEL = 200.0 / 3
_BREAK_HZ = 1000.0
_BREAK_MEL = _BREAK_HZ / _HZ_PER_MEL
_LOG_STEP = np.log(6.4) / 27.0


def n_frames(n_samples: int, *, hop: int = HOP) -> int:
    """How many centred frames a signal has: one around every multiple of ``hop``, the end included."""
    return 1 + n_samples // hop


@lru_cache(maxsize=16)
def hann(length: int) -> Doubles:
    """The periodic Hann window, ``(length,)``, read-only: ``scipy.signal.get_window("hann", length)``."""
    # scipy's form of the cosine; the usual 0.5 - 0.5 cos(2πn/N) differs from it in the last bit
    window: Doubles = _aligned(1, length, np.float64)[0]
    window[:] = (0.5 + 0.5 * np.cos(np.linspace(-np.pi, np.pi, length + 1)))[:-1]
    window.flags.writeable = False
    return window


def frames(signal: NDArray[np.floating], *, length: int, hop: int) -> NDArray[np.floating]:
    """Overlapping frames of ``signal``, ``(n, length)``, a read-only view without an incomplete last one."""
    count = max(0, 1 + (len(signal) - length) // hop)
    stride = signal.strides[0]
    return as_strided(signal, (count, length), (hop * stride, stride), writeable=False)


def magnitudes(signal: Floats, *, n_fft: int = N_FFT, hop: int = HOP) -> Floats:
    """Magnitude spectrum of ``signal`` (samples,), shape ``(n_frames, n_fft // 2 + 1)``.

    Frames are centred, Hann-windowed, and filled with zeros beyond the ends of the signal:
    ``numpy.abs(librosa.stft(signal)).T``.
    """
    count, n_bins = n_frames(len(signal), hop=hop), n_fft // 2 + 1
    magnitude = _aligned(count, n_bins, np.float32)
    block = min(_FRAMES_PER_BLOCK, count)
    window = hann(n_fft)
    samples = np.empty((block - 1) * hop + n_fft)
    cut = frames(samples, length=n_fft, hop=hop)
    windowed = _aligned(block, n_fft, np.float64)
    spectrum = _aligned(block, n_bins, np.complex128)
    rounded = _aligned(block, n_bins, np.complex64)
    for first in range(0, count, block):
        n = min(block, count - first)
        _copy_padded(signal, first * hop - n_fft // 2, samples)
        np.multiply(cut[:n], window, out=windowed[:n])
        np.fft.rfft(windowed[:n], out=spectrum[:n])
        rounded[:n] = spectrum[:n]
        np.abs(rounded[:n], out=magnitude[first : first + n])
    return magnitude


def _aligned(rows: int, columns: int, dtype: type[Any]) -> NDArray[Any]:
    """An empty array on a border of 64 bytes, where the processor loads and stores whole vectors at once."""
    n_bytes = rows * columns * np.dtype(dtype).itemsize
    memory = np.empty(n_bytes + 64, np.uint8)
    skip = -memory.__array_interface__["data"][0] % 64  # .ctypes.data takes five times as long
    aligned: NDArray[Any] = memory[skip : skip + n_bytes].view(dtype).reshape(rows, columns)
    return aligned


def _copy_padded(signal: Floats, start: int, out: Doubles) -> None:
    """``out[:] = signal[start : start + len(out)]``, with zeros wherever the signal has no samples."""
    if start >= 0 and start + len(out) <= len(signal):
        out[:] = signal[start : start + len(out)]
        return
    left = max(0, -start)
    part = signal[max(0, start) : max(0, start + len(out))]
    out[:left] = 0
    out[left : left + len(part)] = part
    out[left + len(part) :] = 0


def hz_to_mel(hz: float, *, htk: bool = False) -> float:
    """A frequency in mel: Slaney's scale (Auditory Toolbox, 1998), or HTK's formula."""
    if htk:
        return 2595.0 * math.log10(1.0 + hz / 700.0)
    if hz >= _BREAK_HZ:
        return float(_BREAK_MEL + np.log(hz / _BREAK_HZ) / _LOG_STEP)
    return hz / _HZ_PER_MEL


def mel_to_hz(mel: Doubles, *, htk: bool = False) -> Doubles:
    """Frequencies in Hz of values in mel; the inverse of `hz_to_mel`, over arrays of any shape."""
    if htk:
        return 700.0 * (10.0 ** (mel / 2595.0) - 1.0)
    return np.where(mel >= _BREAK_MEL, _BREAK_HZ * np.exp(_LOG_STEP * (mel - _BREAK_MEL)), _HZ_PER_MEL * mel)


@lru_cache(maxsize=32)
def mel_filters(
    rate: int,
    *,
    n_fft: int = N_FFT,
    n_mels: int = 128,
    fmin: float = 0.0,
    fmax: float | None = None,
    htk: bool = False,
) -> Floats:
    """Triangular mel filters of unit area, ``(n_mels, n_fft // 2 + 1)``, read-only: ``librosa.filters.mel``.

    ``rate``, ``fmin`` and ``fmax`` (default: half the rate) are in Hz.
    """
    top = rate / 2 if fmax is None else fmax
    corners = mel_to_hz(np.linspace(hz_to_mel(fmin, htk=htk), hz_to_mel(top, htk=htk), n_mels + 2), htk=htk)
    widths = np.diff(corners)[:, np.newaxis]
    ramps = np.subtract.outer(corners, np.fft.rfftfreq(n_fft, 1.0 / rate))
    triangles = np.maximum(0, np.minimum(-ramps[:-2] / widths[:-1], ramps[2:] / widths[1:]))
    filters: Floats = triangles.astype(np.float32)
    filters *= (2.0 / (corners[2:] - corners[:-2]))[:, np.newaxis]
    filters.flags.writeable = False
    return filters


def mel_spectrum(
    power: Floats,
    rate: int,
    *,
    n_mels: int = 128,
    fmin: float = 0.0,
    fmax: float | None = None,
    htk: bool = False,
) -> Floats:
    """Power in mel bands, ``(n_mels, n_frames)``, of a power spectrum (squared `magnitudes`).

    ``power`` is ``(n_frames, n_bins)``; the other arguments are those of `mel_filters`. Source:
    ``librosa.feature.melspectrogram``.
    """
    count, n_bins = power.shape
    filters = mel_filters(rate, n_fft=2 * (n_bins - 1), n_mels=n_mels, fmin=fmin, fmax=fmax, htk=htk)
    mel = np.zeros((n_mels, count), np.float32)
    for rows, bins in _pieces(rate, n_bins, n_mels, fmin, fmax, htk, _bands_per_piece(count)):
        mel[rows] += filters[rows, bins] @ power[:, bins].T
    return mel


# A mel filter is zero outside a few bins, so filters and spectrum are multiplied in pieces: some neighbouring
# filters over the bins that they touch, a tenth of the work. librosa multiplies them whole, and BLAS adds
# such a product up in blocks of bins. The pieces are such that every sum has the same terms in the same
# order: none reaches over the first border of a block; one that reaches over the second, which moves with the
# number of threads, begins at the first and goes on to the end, for BLAS to split likewise; and none is so
# small that OpenBLAS would take its separate way with small matrices. With OpenBLAS on AVX-512 the sums are
# librosa's to the last bit; elsewhere the order depends on the shapes too, and they are librosa's to 1e-6.
_FIRST_BORDER, _SECOND_BORDER = 448, 736
_SMALL_PRODUCT = 1250


def _bands_per_piece(count: int) -> int:
    """How many filters make a piece, given the number of frames; the more frames, the finer."""
    bands = 8
    while bands * count <= _SMALL_PRODUCT and bands < 1024:
        bands *= 2
    return bands


@lru_cache(maxsize=32)
def _pieces(
    rate: int, n_bins: int, n_mels: int, fmin: float, fmax: float | None, htk: bool, bands: int
) -> tuple[tuple[slice, slice], ...]:
    """The (filters, bins) of each piece, ``bands`` filters each."""
    if bands >= n_mels:
        return ((slice(0, n_mels), slice(0, n_bins)),)
    filters = mel_filters(rate, n_fft=2 * (n_bins - 1), n_mels=n_mels, fmin=fmin, fmax=fmax, htk=htk)
    pieces = []
    for band in range(0, n_mels, bands):
        rows = slice(band, min(band + bands, n_mels))
        for start, end in ((0, _FIRST_BORDER), (_FIRST_BORDER, n_bins)):
            bins = np.flatnonzero(filters[rows, start:end].any(axis=0)) + start
            if len(bins) and bins[0] <= _SECOND_BORDER <= bins[-1]:
                pieces.append((rows, slice(start, end)))
            elif len(bins):
                pieces.append((rows, slice(int(bins[0]), int(bins[-1]) + 1)))
    return tuple(pieces)


def power_to_db(power: Floats, *, floor: float = 1e-10, top_db: float | None = 80.0) -> Floats:
    """Decibels of ``power``, any shape: not below ``floor``, and at most ``top_db`` under the largest value.

    ``librosa.power_to_db`` with a reference of 1.
    """
    decibels = np.maximum(power, np.float32(floor))
    np.log10(decibels, out=decibels)
    decibels *= np.float32(10.0)
    if top_db is not None:
        np.maximum(decibels, decibels.max() - np.float32(top_db), out=decibels)
    return decibels


@lru_cache(maxsize=16)
def dct_matrix(n_out: int, n_in: int) -> Doubles:
    """The first ``n_out`` rows of the orthonormal cosine transform II over ``n_in`` values, read-only."""
    k, n = np.arange(n_out)[:, np.newaxis], np.arange(n_in)
    matrix: Doubles = np.sqrt(2.0 / n_in) * np.cos(np.pi * k * (2 * n + 1) / (2 * n_in))
    matrix[0] /= np.sqrt(2.0)
    matrix.flags.writeable = False
    return matrix
