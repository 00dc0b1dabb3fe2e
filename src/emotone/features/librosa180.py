"""``librosa180``: the tutorial features for RAVDESS, with librosa's numbers and without librosa.

40 MFCCs, 12 chroma and 128 mel bands, each averaged over time, as this recipe does with librosa 0.11::

    stft   = np.abs(librosa.stft(signal))
    mfcc   = np.mean(librosa.feature.mfcc(y=signal, sr=rate, n_mfcc=40).T, axis=0)
    chroma = np.mean(librosa.feature.chroma_stft(S=stft, sr=rate).T, axis=0)
    mel    = np.mean(librosa.feature.melspectrogram(y=signal, sr=rate).T, axis=0)

The recipe transforms the signal three times; here one magnitude spectrum serves all. Chroma is taken from
magnitudes, not from power, because the recipe passes them in; its filters follow the tuning estimated from
the same spectrum. The mean of an MFCC can lie near zero, where rounding decides all its digits: so the cosine
transform and the means keep librosa's precision and order of additions too.

The numbers depend on the sample rate, since the mel bands reach up to half of it. ``rate=48000`` is for
recordings that are originals at 48 kHz, in training and in use alike; the default of 16 kHz suits every
recording.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from functools import lru_cache
from typing import ClassVar

import numpy as np
from numpy.typing import NDArray

from emotone.errors import AudioError, ConfigError
from emotone.features.spectrum import N_FFT, magnitudes, mel_spectrum, power_to_db

__all__ = ["Librosa180", "chroma", "chroma_filters", "mfcc", "tuning"]

Floats = NDArray[np.float32]

N_MFCC, N_CHROMA, N_MELS = 40, 12, 128

PEAK_RANGE = (150.0, 4000.0)
"""Spectral peaks that count for the tuning, in Hz."""
PEAK_THRESHOLD = np.float32(0.1)
"""Peaks below this share of their frame's maximum don't count."""
TUNING_EDGES = np.linspace(-0.5, 0.5, 101)
"""Borders of the histogram that the tuning is read from, in semitones."""
SMALLEST = np.finfo(np.float32).tiny
"""Frames weaker than this in all pitch classes count as silent."""

_NAMES = (
    *(f"mfcc_{i:02d}" for i in range(1, N_MFCC + 1)),
    *(f"chroma_{i:02d}" for i in range(1, N_CHROMA + 1)),
    *(f"mel_{i:03d}" for i in range(1, N_MELS + 1)),
)


@dataclass(frozen=True)
class Librosa180:
    """The tutorial's features: means over time of 40 MFCCs, 12 chroma and 128 mel bands.

    ``Librosa180()(signal)`` gives 180 float32 values, which ``names`` names in order.

    ``rate`` is the sample rate of the signals in Hz, from 8,000 to 192,000; another is a `ConfigError`.
    Digital silence has the MFCCs of the floor (-100 dB) and zeros elsewhere. A signal without samples is an
    `AudioError`.
    """

    name: ClassVar[str] = "librosa180"
    version: ClassVar[int] = 1
    names: ClassVar[tuple[str, ...]] = _NAMES

    rate: int = 16_000

    def __post_init__(self) -> None:
        if isinstance(self.rate, bool) or not isinstance(self.rate, int) or not 8_000 <= self.rate <= 192_000:
            raise ConfigError(f"The rate of librosa180 is a whole number of Hz from 8000 to 192000, not {self.rate!r}.")

    def __call__(self, signal: Floats) -> Floats:
        """Features, ``(180,)``, of ``signal``, ``(samples,)``, at ``rate``."""
        if len(signal) == 0:
            raise AudioError("There are no samples to take features from; give a recording that isn't empty.")
        magnitude = magnitudes(signal)
        pitch_classes = chroma(magnitude, self.rate)
        power = np.square(magnitude, out=magnitude)
        mel = mel_spectrum(power, self.rate, n_mels=N_MELS)
        coefficients = mfcc(power_to_db(mel))
        return np.concatenate([coefficients.mean(axis=1), pitch_classes.mean(axis=0), mel.mean(axis=1)])


def mfcc(decibels: Floats) -> Floats:
    """The first 40 cosine coefficients, ``(40, n_frames)``, of mel decibels, ``(128, n_frames)``.

    The orthonormal transform II in single precision, FFTPACK's way: neighbours are added and subtracted in
    pairs, transformed back as if they were a real signal's spectrum, and rotated. ``scipy.fft.dct`` of
    float32 has the same digits.
    """
    n = len(decibels)
    odd, even = decibels[1:-1:2], decibels[2::2]
    packed = np.zeros((n // 2 + 1, decibels.shape[1]), np.complex64)
    packed.real[0] = decibels[0] * 2
    packed.real[-1] = decibels[-1] * 2
    np.add(odd, even, out=packed.real[1:-1])
    np.subtract(even, odd, out=packed.imag[1:-1])
    mixed = np.fft.irfft(packed, n, axis=0)
    mixed *= np.float32(n / np.sqrt(2 * n))  # irfft divides by n, the orthonormal transform by √2n
    low, high = mixed[1:N_MFCC], mixed[: n - N_MFCC : -1]
    cosine, sine = _rotation(n)
    coefficients = np.empty((N_MFCC, decibels.shape[1]), np.float32)
    coefficients[0] = mixed[0] * (np.float32(np.sqrt(2)) * np.float32(0.5))
    np.add(cosine * high + sine * low, cosine * low - sine * high, out=coefficients[1:])
    coefficients[1:] *= np.float32(0.5)
    return coefficients


@lru_cache(maxsize=4)
def _rotation(n: int) -> tuple[Floats, Floats]:
    """Cosines and sines of the angles πk/2n, ``(39, 1)`` each, by which `mfcc` rotates."""
    cosines = np.cos(0.5 * np.pi * np.arange(n + 1) / n).astype(np.float32)[:, np.newaxis]
    return cosines[1:N_MFCC], cosines[n - 1 : n - N_MFCC : -1]


def chroma(magnitude: Floats, rate: int) -> Floats:
    """Strength of each pitch class, ``(n_frames, 12)``: the largest of a frame is 1, a silent frame has
    zeros.

    ``librosa.feature.chroma_stft`` of a magnitude spectrum, ``(n_frames, 1025)``, at ``rate`` Hz, in its own
    `tuning`.
    """
    raw: Floats = magnitude @ chroma_filters(rate, tuning(magnitude, rate)).T
    largest = raw.max(axis=1, keepdims=True).astype(np.float64)
    largest[largest < SMALLEST] = 1.0
    scaled: Floats = (raw / largest).astype(np.float32)
    return scaled


@lru_cache(maxsize=256)
def chroma_filters(rate: int, tuning: float) -> Floats:
    """Weights of the 1,025 bins in each of 12 pitch classes from C to B, ``(12, 1025)``, read-only.

    Gaussian bumps a semitone wide at every octave of the pitch class, ``tuning`` semitones off 440 Hz, under
    a broad Gaussian around the fifth octave. Source: ``librosa.filters.chroma``, after Ellis's Chroma Feature
    Analysis (2007).
    """
    hz = np.linspace(0, rate, N_FFT, endpoint=False)[1 : N_FFT // 2 + 2]
    semitones = N_CHROMA * np.log2(hz / (440.0 * 2.0 ** (tuning / N_CHROMA) / 16))
    semitones = np.concatenate(([semitones[0] - 1.5 * N_CHROMA], semitones))  # a stand-in for 0 Hz
    widths = np.maximum(np.diff(semitones), 1.0)
    semitones = semitones[:-1]
    half = N_CHROMA / 2
    away = np.subtract.outer(semitones, np.arange(N_CHROMA)).T
    away = np.remainder(away + half + 10 * N_CHROMA, N_CHROMA) - half
    weights = np.exp(-0.5 * (2 * away / widths) ** 2)
    weights /= np.sum(weights**2, axis=0, keepdims=True) ** 0.5
    weights *= np.exp(-0.5 * ((semitones / N_CHROMA - 5.0) / 2) ** 2)
    filters = np.ascontiguousarray(np.roll(weights, -3, axis=0), np.float32)  # from A first to C first
    filters.flags.writeable = False
    return filters


def tuning(magnitude: Floats, rate: int) -> float:
    """How far the pitches lie from the tempered scale on 440 Hz, in semitones: -0.5 to 0.49 in steps of 0.01.

    The commonest deviation among the stronger half of the spectral peaks from 150 Hz to 4 kHz, their
    frequencies refined by parabolic interpolation; 0 where there are no peaks. Source:
    ``librosa.estimate_tuning``.
    """
    hz, strength = _peaks(magnitude, rate)
    if len(hz) == 0:
        return 0.0
    semitones = N_CHROMA * np.log2(hz[strength >= _median(strength)] / np.float32(440.0 / 16))
    deviation = semitones - np.floor(semitones)
    deviation -= deviation >= 0.5
    deviation.sort()
    borders = np.searchsorted(deviation.astype(np.float64), TUNING_EDGES)
    return float(TUNING_EDGES[np.argmax(borders[1:] - borders[:-1])])


def _median(values: Floats) -> np.float32:
    """``numpy.median``, at half its price."""
    ordered = np.sort(values)
    middle: np.float32 = (ordered[(len(values) - 1) // 2] + ordered[len(values) // 2]) * np.float32(0.5)
    return middle


def _peaks(magnitude: Floats, rate: int) -> tuple[Floats, Floats]:
    """Frequencies in Hz and magnitudes of the spectral peaks, both interpolated, frame by frame.

    Source: ``librosa.piptrack``. Its compiled loops take sums and differences of neighbours in single
    precision and their quotient in double; the histogram of `tuning` would notice anything else.
    """
    low = math.ceil(PEAK_RANGE[0] * N_FFT / rate)
    high = math.ceil(min(PEAK_RANGE[1], rate / 2) * N_FFT / rate)
    near = magnitude[:, low - 1 : high + 1].copy()
    loud = near > PEAK_THRESHOLD * magnitude.max(axis=1, keepdims=True)
    loud[:, 0] = loud[:, -1] = False  # neighbours only; and over all rows as one, below, no peak spans two rows
    flat, width = near.ravel(), near.shape[1]
    rises = flat[1:] > flat[:-1]
    is_peak = rises[:-1] > rises[1:]
    is_peak &= loud.ravel()[1:-1]
    place = np.flatnonzero(is_peak)
    before, here, after = flat.take(place), flat.take(place + 1), flat.take(place + 2)
    bins = place - place // width * width + low
    rise = after - before
    curvature = (after + before) - 2.0 * here.astype(np.float64)
    shift = rise.astype(np.float64)
    shift *= -0.5
    curvature[np.abs(shift) >= np.abs(curvature)] = np.inf  # no top within a bin: stay on the bin
    shift /= curvature
    offset = shift.astype(np.float32)
    hz = ((bins + offset) * rate / N_FFT).astype(np.float32)
    return hz, here + np.float32(0.25) * rise * offset
