"""The front-end ``functionals``: what a voice did over an utterance, in 1,382 documented numbers.

Frame-wise tracks (`emotone.features.tracks`) are summed up over time: by robust statistics over the active
frames (within `ACTIVE_RANGE` of the loudest) and over the voiced ones, by the lengths of stretches and pauses,
by the speeds at which the spectrum fluctuates, and by what moves together (`emotone.features.dependence`). numpy
only, and no licence but the package's own. `meaning` explains a feature by its name, ``docs/features.md`` lists them.

Deliberately kept: absolute level, because shouting is loud and a corpus is mostly recorded at one gain.
Deliberately not done: normalisation by speaker, which needs recordings that a first-time user doesn't have.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache
from typing import Any, ClassVar, NamedTuple

import numpy as np
from numpy.typing import NDArray

from emotone.errors import AudioError
from emotone.features.catalogue import (
    LEVEL,
    MODULATION_EDGES,
    N_CEPSTRA,
    N_COVARIED,
    N_MODULATION_BANDS,
    PERTURBATION,
    PITCH,
    RHYTHM,
    VOICE,
    families,
    meaning,
)
from emotone.features.dependence import contours, log_covariance, persistence, thirds, together
from emotone.features.tracks import FRAMES_PER_SECOND, RATE, Tracks, frame_levels, tracks

__all__ = ["ACTIVE_RANGE", "Functionals", "meaning"]

Floats = NDArray[np.float32]
Values = NDArray[np.floating]
Mask = NDArray[np.bool_]

ACTIVE_RANGE = 30.0
"""dB: a frame is active if it is at most this far under the peak, the 98th percentile of the level."""
MIN_FRAMES = 10
"""Where fewer frames are active, the loudest so many count as active."""
MIN_VOICED = 5
"""With fewer voiced frames than this, features of voice are zero; with fewer unvoiced ones, those of these."""
PEAK_RANGE = 20.0
"""dB: a syllable's level is at most this far under the peak."""
MODULATION_RANGE = np.float32(8.0)
"""ln (35 dB): envelopes are cut off this far under their maximum, lest pauses outweigh speech."""

ONE_LEVEL = -20.0
"""dBov of the peak under ``same_level``: about the middle of the usual corpora."""
SILENT = -90.0
"""dBov: under this there is nothing to bring to a level."""


@dataclass(frozen=True)
class Functionals:
    """Emotone's own 1,382 statistics of timbre, pitch, voice quality, rhythm, and of what moves together.

    ``Functionals()(signal)`` gives float32 values named ``names``. Takes any length from one sample up, silence
    included; a signal without samples is an `AudioError`.
    """

    name: ClassVar[str] = "functionals"
    version: ClassVar[int] = 1
    rate: ClassVar[int] = RATE

    same_level: bool = False
    """Bring every recording to one level first, so that its gain can't matter: for recordings from anywhere. Within one
    corpus, whose recordings share a gain, level tells something."""

    @property
    def names(self) -> tuple[str, ...]:
        """``track_statistic``, in the order of the vector; `meaning` explains each."""
        return _names()

    def __call__(self, signal: Floats, /) -> Floats:
        """The features ``(1382,)`` of ``signal (samples,)``, mono at 16 kHz."""
        if len(signal) == 0:
            raise AudioError("There are no samples to take features from; give a recording that isn't empty.")
        parts = _values(tracks(_at_one_level(signal) if self.same_level else signal))
        values = np.concatenate([parts[family] for family in families()], dtype=np.float32)
        return np.nan_to_num(values, copy=False, nan=0.0, posinf=0.0, neginf=0.0)


def _at_one_level(signal: Floats) -> Floats:
    """``signal`` with its peak, the 98th percentile of the level, at `ONE_LEVEL`; silence stays silence."""
    peak = float(np.percentile(frame_levels(signal), 98))
    return signal if peak < SILENT else signal * np.float32(10.0 ** ((ONE_LEVEL - peak) / 20.0))


@lru_cache(maxsize=1)
def _names() -> tuple[str, ...]:
    return tuple(name for family in families().values() for name in family.features)


def _values(t: Tracks) -> dict[str, Values]:
    """The values of each of `families`."""
    where = _frames(t.level, t.voiced)
    rows = np.concatenate([t.cepstra, t.shape, t.level[None]])
    slopes = _slopes(rows)
    return {
        "timbre": _timbre(rows[:-1], slopes[:-1], where.active),
        "bands": np.concatenate(
            [_mean_and_sd(t.bands[:, where.active]), _slopes(t.bands)[:, where.active].std(axis=1)]
        ),
        "level": _level(t.level, where),
        "pitch": _pitch(t.pitch, where.voiced),
        "voice": _voice(t, where.voiced),
        "unvoiced": _unvoiced(t.cepstra, where),
        "rhythm": _rhythm(t.level, where),
        "modulation": _modulation(t.bands[:, where.spoken]),
        "together": together(rows, slopes, t, where.active, where.voiced, min_voiced=MIN_VOICED),
        "persistence": persistence(rows[:, where.active]),
        "covariance": log_covariance(t.cepstra[:N_COVARIED, where.active]),
        "course": np.concatenate(
            [
                thirds(np.concatenate([rows[:N_COVARIED], rows[N_CEPSTRA:]]), where.active),
                contours(t, where.voiced, where.spoken, float(where.peak), min_voiced=MIN_VOICED),
            ]
        ),
    }


class _Frames(NamedTuple):
    """Which frames count."""

    active: Mask
    voiced: Mask
    """active and voiced"""
    spoken: slice
    """from the first active frame to the last"""
    peak: np.float32
    """98th percentile of the level, dBov"""


def _frames(level: Floats, voiced: Mask) -> _Frames:
    peak = np.percentile(level, 98)
    active = level > peak - ACTIVE_RANGE
    if active.sum() < MIN_FRAMES:
        active = level >= np.sort(level)[-min(MIN_FRAMES, len(level))]
    index = np.flatnonzero(active)
    return _Frames(active, voiced & active, slice(int(index[0]), int(index[-1]) + 1), np.float32(peak))


# --- statistics over time: rows (n_rows, n_frames) ----------------------------------------------------------


def _mean_and_sd(rows: Values) -> Values:
    return np.concatenate([rows.mean(axis=1), rows.std(axis=1)])


def _percentiles(rows: Values, *percents: int) -> Values:
    """``(len(percents), n_rows)``, linear between neighbours, from one sort."""
    ordered = np.sort(rows, axis=1)
    place = np.asarray(percents) / 100.0 * (ordered.shape[1] - 1)
    below = place.astype(np.intp)
    above = np.minimum(below + 1, ordered.shape[1] - 1)
    step = ordered[:, above] - ordered[:, below]
    values: Values = ordered[:, below] + (place - below) * step
    return values.T


def _slopes(rows: Values) -> Values:
    """Slopes of regression lines over five frames, for each frame; ends are repeated (Furui 1986)."""
    padded = np.pad(rows, ((0, 0), (2, 2)), mode="edge")
    n = rows.shape[1]
    near, far = padded[:, 3 : n + 3] - padded[:, 1 : n + 1], padded[:, 4:] - padded[:, :n]
    slopes: Values = (near + 2.0 * far) / np.float32(10.0)
    return slopes


def _skewness(values: Floats) -> float:
    centred = values - values.mean()
    return float((centred**3).mean() / (centred.std() + 1e-6) ** 3)


def _in_order(values: dict[str, Any], table: dict[str, Any]) -> Values:
    """``values`` as the catalogue's ``table`` orders them."""
    return np.array([values[name] for name in table])


# --- families -----------------------------------------------------------------------------------------------


def _timbre(rows: Floats, slopes: Floats, active: Mask) -> Values:
    curves = _slopes(slopes[:N_CEPSTRA])
    moving = slopes[:, active]
    return np.concatenate(
        [
            _mean_and_sd(rows[:, active]),
            _percentiles(rows[:, active], 10, 50, 90).ravel(),
            moving.std(axis=1),
            _percentiles(moving, 10, 25, 75, 90).ravel(),
            np.abs(moving).mean(axis=1),
            curves[:, active].std(axis=1),
        ]
    )


def _level(level: Floats, where: _Frames) -> Values:
    active = level[where.active]
    slopes = _slopes(level[None])[:, where.active]
    p05, p25, p50, p75, p95 = _percentiles(active[None], 5, 25, 50, 75, 95)[:, 0]
    slope_p05, slope_p25, slope_p75, slope_p95 = _percentiles(slopes, 5, 25, 75, 95)[:, 0]
    values = {
        "mean": active.mean(),
        "peak": where.peak,
        "p05": p05,
        "p25": p25,
        "p50": p50,
        "p75": p75,
        "sd": active.std(),
        "p05_over_peak": p05 - where.peak,
        "p25_over_peak": p25 - where.peak,
        "p50_over_peak": p50 - where.peak,
        "p75_over_peak": p75 - where.peak,
        "p95_over_peak": p95 - where.peak,
        "slope_sd": slopes.std(),
        "slope_p05": slope_p05,
        "slope_p25": slope_p25,
        "slope_p75": slope_p75,
        "slope_p95": slope_p95,
        "skewness": _skewness(active),
    }
    return _in_order(values, LEVEL)


def _pitch(semitones: Floats, voiced: Mask) -> Values:
    frame = np.flatnonzero(voiced)
    if len(frame) < MIN_VOICED:
        return np.zeros(len(PITCH))
    pitch = semitones[voiced]
    mean = pitch.mean()
    steps = np.diff(pitch)[np.diff(frame) == 1]  # not over gaps
    steps = steps if len(steps) >= 3 else np.zeros(3, np.float32)
    seconds = (frame - frame.mean()) / FRAMES_PER_SECOND
    p05, p10, p25, p50, p75, p90, p95 = _percentiles(pitch[None], 5, 10, 25, 50, 75, 90, 95)[:, 0]
    step_p05, step_p25, step_p75, step_p95 = _percentiles(steps[None], 5, 25, 75, 95)[:, 0]
    fifth = max(3, len(pitch) // 5)
    values = {
        "mean": mean,
        "sd": pitch.std(),
        "p05": p05,
        "p10": p10,
        "p25": p25,
        "p50": p50,
        "p75": p75,
        "p90": p90,
        "p95": p95,
        "range_p05_p95": p95 - p05,
        "range_p25_p75": p75 - p25,
        "trend": seconds @ (pitch - mean) / (seconds @ seconds + 1e-6),
        "step_sd": steps.std(),
        "step_mean_size": np.abs(steps).mean(),
        "step_p05": step_p05,
        "step_p25": step_p25,
        "step_p75": step_p75,
        "step_p95": step_p95,
        "rising_share": (steps > 0.1).mean(),
        "falling_share": (steps < -0.1).mean(),
        "end_over_mean": pitch[-fifth:].mean() - mean,
        "start_over_mean": pitch[:fifth].mean() - mean,
        "skewness": _skewness(pitch),
        "range": np.ptp(pitch),
    }
    return _in_order(values, PITCH)


def _voice(t: Tracks, voiced: Mask) -> Values:
    rows = np.concatenate([t.voice, t.shape[-1:]])[:, voiced]  # the last of shape is the cepstral peak
    if voiced.sum() < MIN_VOICED:
        return np.zeros(5 * len(rows) + len(PERTURBATION))
    hnr, hz, level = rows[list(VOICE).index("hnr")], t.hz[voiced], t.level[voiced]
    perturbation = {
        "hnr_voiced_step": np.abs(np.diff(hnr)).mean(),
        "jitter": np.abs(np.diff(hz)).mean() / hz.mean(),
        "shimmer": np.abs(np.diff(level)).mean(),
    }
    percentiles = _percentiles(rows, 10, 50, 90).ravel()
    return np.concatenate([_mean_and_sd(rows), percentiles, _in_order(perturbation, PERTURBATION)])


def _unvoiced(cepstra: Floats, where: _Frames) -> Values:
    unvoiced = where.active & ~where.voiced
    if unvoiced.sum() < MIN_VOICED:
        return np.zeros(len(cepstra))
    difference: Floats = cepstra[:, unvoiced].mean(axis=1) - cepstra[:, where.active].mean(axis=1)
    return difference


def _rhythm(level: Floats, where: _Frames) -> Values:
    active, voiced = where.active[where.spoken], where.voiced[where.spoken]
    duration = len(active) / FRAMES_PER_SECOND
    voiced_lengths, unvoiced_lengths, pauses = _lengths(voiced), _lengths(~voiced), _lengths(~active)
    peaks = _peaks(level[where.spoken], where.peak - PEAK_RANGE)
    distances = np.diff(peaks) / FRAMES_PER_SECOND if len(peaks) > 2 else np.zeros(1)
    values = {
        "duration": duration,
        "active_share": active.mean(),
        "voiced_share": voiced.mean(),
        "voiced_stretches": len(voiced_lengths) / duration,
        "voiced_length_mean": _mean(voiced_lengths),
        "voiced_length_sd": voiced_lengths.std() if len(voiced_lengths) else 0.0,
        "voiced_length_max": voiced_lengths.max(initial=0.0),
        "unvoiced_length_mean": _mean(unvoiced_lengths),
        "unvoiced_length_sd": unvoiced_lengths.std() if len(unvoiced_lengths) else 0.0,
        "unvoiced_length_max": unvoiced_lengths.max(initial=0.0),
        "pauses": len(pauses) / duration,
        "pause_length_mean": _mean(pauses),
        "pause_length_max": pauses.max(initial=0.0),
        "level_peaks": len(peaks) / duration,
        "peak_distance_sd": distances.std(),
        "peak_distance_mean": distances.mean(),
    }
    return _in_order(values, RHYTHM)


def _lengths(mask: Mask) -> NDArray[np.float64]:
    """Seconds of the stretches where ``mask`` holds."""
    edges = np.flatnonzero(np.diff(np.concatenate([[0], mask.astype(np.int8), [0]])))
    return (edges[1::2] - edges[::2]) / FRAMES_PER_SECOND


def _mean(lengths: NDArray[np.float64]) -> float:
    return float(lengths.mean()) if len(lengths) else 0.0


def _peaks(level: Floats, threshold: np.floating) -> NDArray[np.intp]:
    """Frames where the level, smoothed over 0.1 s, is highest among neighbours and above ``threshold``."""
    window = np.hanning(11) / np.hanning(11).sum()
    smooth = np.convolve(level, window, "same")[: len(level)]
    inner = smooth[1:-1]
    return np.flatnonzero((inner > smooth[:-2]) & (inner >= smooth[2:]) & (inner > threshold))


def _modulation(bands: Floats) -> Values:
    """Mean power of the bands' envelopes in each range of modulation frequencies, ranges outermost."""
    envelopes = bands.reshape(N_MODULATION_BANDS, -1, bands.shape[1]).mean(axis=1)
    envelopes = np.maximum(envelopes, envelopes.max(axis=1, keepdims=True) - MODULATION_RANGE)
    envelopes = envelopes - envelopes.mean(axis=1, keepdims=True)
    n = envelopes.shape[1]
    window = np.hanning(n + 2)[1:-1].astype(np.float32)
    n_fft = 2 ** max(8, int(np.ceil(np.log2(n))))  # so that the slowest range has bins, however short the speech
    power = np.abs(np.fft.rfft(envelopes * window, n_fft)) ** 2
    edges = np.searchsorted(np.fft.rfftfreq(n_fft, 1.0 / FRAMES_PER_SECOND), MODULATION_EDGES)
    means = np.add.reduceat(power[:, : edges[-1]], edges[:-1], axis=1) / np.diff(edges)
    powers: Values = np.log(means / n + 1e-4)
    return powers.T.ravel()
