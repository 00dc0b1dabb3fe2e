"""Which recordings have the same sound.

`candidates` compares all fingerprints with all others and finds the few pairs that may be; `similarity` then compares
the waveforms of a pair, so that a pair is decided by the sound itself.

What is found, measured on 120 clips of RAVDESS and CREMA-D beside all pairs among 7,571: copies through Opus, MP3 and
AAC at 32 kb/s, G.711, any sample rate, 6 dB up (clipping) or down, 50 ms cut off at both ends, and all of that at once,
have a similarity of 0.89 and more; the middle half of a recording 0.97; white noise added at 10 dB 0.67, at 5 dB 0.51;
Opus at 8 kb/s 0.68. Different takes of one actor and one sentence stay under 0.30.

What isn't found: copies that were played faster or slower or at another pitch, re-recorded in a reverberant room, or
drowned in noise (0 dB); an excerpt that is a small part of a long recording; anything shorter than a quarter of a
second.
"""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from emotone.audio import SAMPLE_RATE
from emotone.audit.fingerprint import BAND, local_mean

__all__ = ["LONGEST", "SAME_SOUND", "Candidates", "candidates", "similarity"]

SAME_SOUND = 0.5
"""Similarity from which two recordings hold the same sound; half-way between other takes (under 0.3) and bad copies."""

LONGEST = 120.0
"""Seconds of a recording that are compared, from its start: bounds the memory that an hour-long one takes."""

_LIKELY = 0.3
"""Cosine of two fingerprints from which waveforms are compared. One in 100,000 pairs of other recordings has that; of
copies those with noise at 5 dB and Opus at 8 kb/s do, just."""
_BLOCK = 1024
"""Rows compared at once, with as many as there are: 400 MB for 100,000 recordings."""
_MOST = 20_000
"""Pairs to compare, or the number of recordings where that is more; only recordings of one steady tone have more."""
_WHITENED_HZ = 8.0
_OVERLAP = 0.5
"""Share of the energy of one of the two recordings that must lie where they overlap."""


@dataclass(frozen=True)
class Candidates:
    """Pairs of rows ``(m, 2)``, the smaller first, in order; ``n_left_out`` were less alike and too many."""

    pairs: NDArray[np.int64]
    cosines: NDArray[np.float32]
    n_left_out: int = 0


def candidates(fingerprints: NDArray[np.float32], *, most: int | None = None) -> Candidates:
    """Pairs of ``fingerprints``, unit vectors ``(n, d)``, that may be of the same sound.

    Rows of zeros are like nothing. ``most`` pairs are kept, those that are most alike.
    """
    most = max(_MOST, len(fingerprints)) if most is None else most
    parts = [np.zeros((0, 3))]
    n_found = n_kept = 0
    for part in _likely_pairs(fingerprints):
        parts.append(part)
        n_found += len(part)
        n_kept += len(part)
        if n_kept > 2 * most:  # now and then, so that memory stays bounded
            parts = [_strongest(np.concatenate(parts), most)]
            n_kept = most
    found = _strongest(np.concatenate(parts), most)
    found = found[np.lexsort((found[:, 1], found[:, 0]))]
    return Candidates(found[:, :2].astype(np.int64), found[:, 2].astype(np.float32), n_found - len(found))


def _likely_pairs(fingerprints: NDArray[np.float32]) -> Iterator[NDArray[np.float64]]:
    """Rows of (a, b, cosine), a < b, one block of rows a after the other."""
    n = len(fingerprints)
    for first in range(0, n, _BLOCK):
        cosines = fingerprints[first : first + _BLOCK] @ fingerprints[first:].T
        a, b = np.nonzero(cosines >= _LIKELY)
        later = b > a
        a, b = a[later], b[later]
        yield np.column_stack([a + first, b + first, cosines[a, b]])


def _strongest(found: NDArray[np.float64], most: int) -> NDArray[np.float64]:
    return found if len(found) <= most else found[np.argsort(-found[:, 2], kind="stable")[:most]]


def similarity(a: NDArray[np.float32], b: NDArray[np.float32]) -> float:
    """How much of the sound of two signals is the same, from 0 to 1: the highest correlation of their waveforms.

    Both, ``(samples,)`` at 16 kHz, are limited to `BAND` and half whitened, then shifted along each other; where the
    product is largest it is divided by the two energies there, so that what one has before or after the other doesn't
    count. 0 where less than half of the shorter one's energy overlaps. Inverted polarity is the same sound.
    """
    x, y = _half_whitened(a), _half_whitened(b)
    n = 1 << (len(x) + len(y) - 1).bit_length()
    products = np.fft.irfft(np.fft.rfft(x, n) * np.conj(np.fft.rfft(y, n)), n)
    best = int(np.abs(products).argmax())
    lag = best if best < len(x) else best - n  # x[lag + i] belongs to y[i]
    first, last = max(lag, 0), min(len(x), len(y) + lag)
    in_x, in_y = _energy(x[first:last]), _energy(y[first - lag : last - lag])
    if not in_x or not in_y or max(in_x / _energy(x), in_y / _energy(y)) < _OVERLAP:
        return 0.0
    return min(1.0, float(abs(products[best])) / math.sqrt(in_x * in_y))


def _energy(signal: NDArray[np.float64]) -> float:
    return float(signal @ signal)


def _half_whitened(signal: NDArray[np.float32]) -> NDArray[np.float64]:
    """``signal`` within `BAND`, its magnitudes divided by the root of those around: whole, a steady hum or one vowel
    would decide; fully whitened, the noise of a codec would."""
    n = 1 << max(1, (len(signal) - 1).bit_length())
    spectrum = np.fft.rfft(signal, n)
    hz = np.fft.rfftfreq(n, 1 / SAMPLE_RATE)
    power = local_mean(np.abs(spectrum) ** 2, max(1, round(_WHITENED_HZ * n / SAMPLE_RATE)))
    if not power.max():
        return np.zeros(len(signal))
    inside = (hz >= BAND[0]) & (hz <= BAND[1])
    gain = np.where(inside, np.maximum(power, 1e-9 * power.max()) ** -0.25, 0.0)
    filtered: NDArray[np.float64] = np.fft.irfft(spectrum * gain, n)[: len(signal)]
    return filtered
