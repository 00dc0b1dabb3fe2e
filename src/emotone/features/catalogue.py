"""What the features of ``functionals`` are: name, meaning, unit and source of each, in the order of the vector.

`families` holds them all; ``docs/features.md`` is made of it. The tables here also say in which order
`emotone.features.tracks` stacks its tracks and `emotone.features.functionals` its statistics, so that a name
can't come to stand for another number.

Units: ``1`` is a plain number. ``ln`` is the natural logarithm of a power, so that a difference of 1 is a ratio of
4.34 dB. A frame is 10 ms; ``dB/frame`` is a slope over frames.
"""

from __future__ import annotations

from functools import lru_cache
from itertools import combinations_with_replacement, pairwise
from typing import NamedTuple

import numpy as np

from emotone.features.spectrum import hz_to_mel, mel_to_hz

__all__ = ["CEPSTRA", "MEL_BANDS", "SHAPE", "VOICE", "Family", "Feature", "families", "meaning"]


class Feature(NamedTuple):
    """What one number means: a phrase, its unit, and keys of `emotone.features.references`, separated by semicolons.

    The sources describe the measure or the idea; where ours differs, the phrase says what is computed.
    """

    meaning: str
    unit: str
    source: str


class Family(NamedTuple):
    """Features that stand together in the vector."""

    title: str
    about: str
    features: dict[str, Feature]


def meaning(name: str) -> str:
    """One sentence about the feature ``name``: meaning, unit, source. `KeyError` for an unknown name."""
    for family in families().values():
        if name in family.features:
            what, unit, source = family.features[name]
            return f"{what[0].upper()}{what[1:]}{'' if unit == '1' else f', in {unit}'} ({source})."
    raise KeyError(name)


# --- tracks: a value for every frame ------------------------------------------------------------------------

N_CEPSTRA, N_BANDS = 20, 40
LOWEST_HZ, HIGHEST_HZ = 50.0, 8_000.0
"""Where the mel bands begin and end."""


def _band_corners() -> list[float]:
    """Hz: band ``i`` rises from corner ``i``, is highest at ``i + 1`` and has fallen at ``i + 2``."""
    ends = hz_to_mel(LOWEST_HZ, htk=True), hz_to_mel(HIGHEST_HZ, htk=True)
    return [float(hz) for hz in mel_to_hz(np.linspace(*ends, N_BANDS + 2), htk=True)]


_MEL = "Davis & Mermelstein 1980"
_PEETERS = "Peeters 2004"
_GEMAPS = "Eyben et al. 2016"
_SLOPE = "Tamarit et al. 2008"

CEPSTRA = {f"mfcc{i:02d}": Feature(f"mel cepstrum's coefficient {i}", "ln", _MEL) for i in range(N_CEPSTRA)}
"""Cosine transform of the mel bands; coefficient 0 is the mean of the bands, times √40."""

MEL_BANDS = {
    f"mel{i:02d}": Feature(f"log power of the mel band around {centre:.0f} Hz", "ln", _MEL)
    for i, centre in enumerate(_band_corners()[1:-1])
}

SHAPE = {
    "centroid": Feature("centre of gravity of the magnitude spectrum", "kHz", _PEETERS),
    "spread": Feature("standard deviation of the magnitude spectrum about its centroid", "kHz", _PEETERS),
    "skewness": Feature("skewness of the magnitude spectrum", "1", _PEETERS),
    "kurtosis": Feature("kurtosis of the magnitude spectrum (3 for a bell)", "1", _PEETERS),
    "entropy": Feature("entropy of the magnitude spectrum as a distribution", "nat", "Misra et al. 2004"),
    "rolloff25": Feature("frequency below which 25 % of the power lies", "kHz", _PEETERS),
    "rolloff50": Feature("frequency below which 50 % of the power lies", "kHz", _PEETERS),
    "rolloff75": Feature("frequency below which 75 % of the power lies", "kHz", _PEETERS),
    "rolloff90": Feature("frequency below which 90 % of the power lies", "kHz", _PEETERS),
    "flatness": Feature("geometric over arithmetic mean of the power spectrum", "ln", "Johnston 1988"),
    "alpha_ratio": Feature("power at 1-5 kHz over power below 1 kHz", "dB", _GEMAPS),
    "hammarberg": Feature("strongest bin below 2 kHz over strongest bin at 2-5 kHz", "dB", "Hammarberg et al. 1980"),
    "slope_low": Feature("slope of the spectrum below 500 Hz", "dB/kHz", _SLOPE),
    "slope_mid": Feature("slope of the spectrum at 500-1500 Hz", "dB/kHz", _SLOPE),
    "slope_high": Feature("slope of the spectrum at 1-4 kHz", "dB/kHz", _SLOPE),
    "air": Feature("power at 4-8 kHz (hiss, breath) over power below 1 kHz", "dB", _GEMAPS),
    "body": Feature("power below 250 Hz (chest) over power at 250-1000 Hz", "dB", _GEMAPS),
    "presence": Feature("power at 1-2 kHz (second formant) over power below 1 kHz", "dB", _GEMAPS),
    "flux": Feature("distance between neighbouring magnitude spectra (each of sum 10)", "1", "Scheirer & Slaney 1997"),
    "log_flux": Feature("mean absolute change of the mel bands' log power", "ln", "Klapuri 1999"),
    "zero_crossings": Feature("share of neighbouring samples that differ in sign", "1", "Kedem 1986"),
    "cepstral_peak": Feature("highest cepstral value at the periods of 60-590 Hz", "dB", "Hillenbrand et al. 1994"),
}
"""The shape of the spectrum, in the order of `emotone.features.tracks.Tracks.shape`."""

VOICE = {
    "h1_h2": Feature("first over second harmonic (high when breathy, low when pressed)", "dB", "Hanson 1997"),
    "h1_h3": Feature("first over third harmonic", "dB", "Hanson 1997"),
    "h1_a1": Feature("first harmonic over the strongest bin near formant 1 (300-1000 Hz)", "dB", "Hanson 1997"),
    "h1_a2": Feature("first harmonic over the strongest bin near formant 2 (1-2.2 kHz)", "dB", "Shue et al. 2011"),
    "h1_a3": Feature("first harmonic over the strongest bin near formant 3 (2.2-4 kHz)", "dB", "Hanson 1997"),
    "hnr": Feature("harmonics-to-noise ratio below 2 kHz", "dB", "Boersma 1993"),
}
"""Voice quality, in the order of `emotone.features.tracks.Tracks.voice`; it has a meaning in voiced frames."""

_LEVEL = Feature("level", "dB", "ITU-T G.100.1")
_PITCH = Feature("pitch", "semitones", "Boersma 1993")


# --- statistics: a value for the utterance ------------------------------------------------------------------

_STATISTICS = {
    "mean": "mean",
    "sd": "standard deviation",
    "p10": "10th percentile",
    "p50": "median",
    "p90": "90th percentile",
}
_SLOPE_STATISTICS = {
    "slope_sd": "standard deviation",
    "slope_p10": "10th percentile",
    "slope_p25": "25th percentile",
    "slope_p75": "75th percentile",
    "slope_p90": "90th percentile",
    "slope_size": "mean size",
}

# What `functionals` computes one by one: name to (meaning, unit). The order is that of the vector.
LEVEL = {
    "mean": ("mean level over active frames", "dBov"),
    "peak": ("98th percentile of the level over all frames, here called the peak", "dBov"),
    "p05": ("5th percentile of the level over active frames", "dBov"),
    "p25": ("25th percentile of the level over active frames", "dBov"),
    "p50": ("median of the level over active frames", "dBov"),
    "p75": ("75th percentile of the level over active frames", "dBov"),
    "sd": ("standard deviation of the level over active frames", "dB"),
    "p05_over_peak": ("5th percentile of the level over active frames, minus the peak", "dB"),
    "p25_over_peak": ("25th percentile of the level over active frames, minus the peak", "dB"),
    "p50_over_peak": ("median of the level over active frames, minus the peak", "dB"),
    "p75_over_peak": ("75th percentile of the level over active frames, minus the peak", "dB"),
    "p95_over_peak": ("95th percentile of the level over active frames, minus the peak", "dB"),
    "slope_sd": ("standard deviation over active frames of the level's slope", "dB/frame"),
    "slope_p05": ("5th percentile over active frames of the level's slope", "dB/frame"),
    "slope_p25": ("25th percentile over active frames of the level's slope", "dB/frame"),
    "slope_p75": ("75th percentile over active frames of the level's slope", "dB/frame"),
    "slope_p95": ("95th percentile over active frames of the level's slope", "dB/frame"),
    "skewness": ("skewness of the level over active frames", "1"),
}
PITCH = {
    "mean": ("mean pitch over voiced frames", "semitones over 100 Hz"),
    "sd": ("standard deviation of pitch over voiced frames", "semitones"),
    "p05": ("5th percentile of pitch over voiced frames", "semitones over 100 Hz"),
    "p10": ("10th percentile of pitch over voiced frames", "semitones over 100 Hz"),
    "p25": ("25th percentile of pitch over voiced frames", "semitones over 100 Hz"),
    "p50": ("median of pitch over voiced frames", "semitones over 100 Hz"),
    "p75": ("75th percentile of pitch over voiced frames", "semitones over 100 Hz"),
    "p90": ("90th percentile of pitch over voiced frames", "semitones over 100 Hz"),
    "p95": ("95th percentile of pitch over voiced frames", "semitones over 100 Hz"),
    "range_p05_p95": ("5th to 95th percentile of pitch", "semitones"),
    "range_p25_p75": ("25th to 75th percentile of pitch", "semitones"),
    "trend": ("slope of a straight line through the pitch of all voiced frames", "semitones/s"),
    "step_sd": ("standard deviation of steps of pitch between neighbouring voiced frames", "semitones/frame"),
    "step_mean_size": ("mean absolute step of pitch between neighbouring voiced frames", "semitones/frame"),
    "step_p05": ("5th percentile of steps of pitch", "semitones/frame"),
    "step_p25": ("25th percentile of steps of pitch", "semitones/frame"),
    "step_p75": ("75th percentile of steps of pitch", "semitones/frame"),
    "step_p95": ("95th percentile of steps of pitch", "semitones/frame"),
    "rising_share": ("share of steps that rise by more than 0.1 semitones", "1"),
    "falling_share": ("share of steps that fall by more than 0.1 semitones", "1"),
    "end_over_mean": ("mean pitch of the last fifth of the voiced frames, minus that of all", "semitones"),
    "start_over_mean": ("mean pitch of the first fifth of the voiced frames, minus that of all", "semitones"),
    "skewness": ("skewness of pitch over voiced frames", "1"),
    "range": ("lowest to highest pitch", "semitones"),
}
PERTURBATION = {
    "hnr_voiced_step": Feature(
        "mean absolute change of the harmonics-to-noise ratio from one voiced frame to the next",
        "dB/frame",
        "Boersma 1993",
    ),
    "jitter": Feature(
        "mean absolute change of the fundamental frequency from one voiced frame to the next, over its mean",
        "1",
        "Lieberman 1961",
    ),
    "shimmer": Feature("mean absolute change of the level from one voiced frame to the next", "dB/frame", "Horii 1980"),
}
_PAUSES = "de Jong & Wempe 2009"
RHYTHM = {
    "duration": Feature("time from the first to the last active frame: the spoken part", "s", _PAUSES),
    "active_share": Feature("share of active frames in the spoken part", "1", _PAUSES),
    "voiced_share": Feature("share of voiced frames in the spoken part", "1", _GEMAPS),
    "voiced_stretches": Feature("number of voiced stretches for each second of the spoken part", "1/s", _GEMAPS),
    "voiced_length_mean": Feature("mean length of voiced stretches", "s", _GEMAPS),
    "voiced_length_sd": Feature("standard deviation of the length of voiced stretches", "s", _GEMAPS),
    "voiced_length_max": Feature("length of the longest voiced stretch", "s", _GEMAPS),
    "unvoiced_length_mean": Feature("mean length of stretches without voice", "s", _GEMAPS),
    "unvoiced_length_sd": Feature("standard deviation of the length of stretches without voice", "s", _GEMAPS),
    "unvoiced_length_max": Feature("length of the longest stretch without voice", "s", _GEMAPS),
    "pauses": Feature("number of inactive stretches for each second of the spoken part", "1/s", _PAUSES),
    "pause_length_mean": Feature("mean length of inactive stretches", "s", _PAUSES),
    "pause_length_max": Feature("length of the longest inactive stretch", "s", _PAUSES),
    "level_peaks": Feature(
        "number of peaks of the smoothed level (syllables) for each second of the spoken part", "1/s", _PAUSES
    ),
    "peak_distance_sd": Feature("standard deviation of the time between peaks of the level", "s", _PAUSES),
    "peak_distance_mean": Feature("mean time between peaks of the level", "s", _PAUSES),
}

MODULATION_EDGES = (0.5, 2.0, 4.0, 6.0, 9.0, 13.0, 20.0, 35.0)
"""Hz. Phrases, words, syllables (4-6), phones, and the roughness above."""
N_MODULATION_BANDS = 8
"""Each is the mean of five mel bands."""


LAGS = (2, 5, 10)
"""Frames: 20 ms is a transition, 50 ms a phone, 100 ms half a syllable."""
N_COVARIED = 13
"""Cepstral coefficients in the covariance matrix, and in the changes from third to third."""
N_CONTOUR = 6
"""Cosine coefficients of a contour without its mean: up to three turns."""


@lru_cache(maxsize=1)
def families() -> dict[str, Family]:
    """All features: family to its title, a sentence about it and its features by name, in the vector's order."""
    timbre = {
        f"{track}_{suffix}": _over("active frames", statistic, what)
        for suffix, statistic in _STATISTICS.items()
        for track, what in (CEPSTRA | SHAPE).items()
    }
    timbre |= {
        f"{track}_{suffix}": _slope(statistic, what)
        for suffix, statistic in _SLOPE_STATISTICS.items()
        for track, what in (CEPSTRA | SHAPE).items()
    }
    timbre |= {f"{track}_curve_sd": _slope("standard deviation", what, order=2) for track, what in CEPSTRA.items()}
    bands = {
        f"{track}_{suffix}": _over("active frames", _STATISTICS[suffix], what)
        for suffix in ("mean", "sd")
        for track, what in MEL_BANDS.items()
    }
    bands |= {f"{track}_slope_sd": _slope(_SLOPE_STATISTICS["slope_sd"], what) for track, what in MEL_BANDS.items()}
    voice = {
        f"{track}_voiced_{suffix}": _over("voiced frames", statistic, what)
        for suffix, statistic in _STATISTICS.items()
        for track, what in (VOICE | {"cepstral_peak": SHAPE["cepstral_peak"]}).items()
    }
    unvoiced = {
        f"{track}_unvoiced": Feature(
            f"mean over active unvoiced frames of the {what.meaning}, minus its mean over all active ones",
            what.unit,
            what.source,
        )
        for track, what in CEPSTRA.items()
    }
    return {
        "timbre": Family("Timbre", _TIMBRE, timbre),
        "bands": Family("Mel bands", _BANDS, bands),
        "level": Family("Level", _LEVELS, {f"level_{k}": Feature(*v, _LEVEL.source) for k, v in LEVEL.items()}),
        "pitch": Family("Pitch", _PITCHES, {f"pitch_{k}": Feature(*v, _PITCH.source) for k, v in PITCH.items()}),
        "voice": Family("Voice quality", _QUALITY, voice | PERTURBATION),
        "unvoiced": Family("Consonants", _UNVOICED, unvoiced),
        "rhythm": Family("Rhythm", _RHYTHM, {f"rhythm_{k}": v for k, v in RHYTHM.items()}),
        "modulation": Family("Modulation", _MODULATION, _modulation()),
        "together": Family("Together", _TOGETHER, _together()),
        "persistence": Family("Persistence", _PERSISTENCE, _persistence()),
        "covariance": Family("Covariance", _COVARIANCE, _covariance()),
        "course": Family("Course", _COURSE, _course()),
    }


def _over(frames: str, statistic: str, track: Feature) -> Feature:
    return track._replace(meaning=f"{statistic} over {frames} of the {track.meaning}")


def _slope(statistic: str, track: Feature, *, order: int = 1) -> Feature:
    """Of a track's slope over frames or, of ``order`` 2, of that slope's own."""
    per = "frame" if order == 1 else "frame²"
    unit = f"1/{per}" if track.unit == "1" else f"{track.unit}/{per}"
    slope = "the slope of " * order
    return Feature(f"{statistic} over active frames of {slope}the {track.meaning}", unit, f"{track.source}; Furui 1986")


def _modulation() -> dict[str, Feature]:
    corners, width = _band_corners(), N_BANDS // N_MODULATION_BANDS
    return {
        f"modulation_{low:g}_{high:g}hz_band{band}": Feature(
            f"log power of the fluctuation at {low:g}-{high:g} Hz of the log envelope of the five mel bands from "
            f"{corners[width * band]:.0f} to {corners[width * (band + 1) + 1]:.0f} Hz",
            "ln",
            "Houtgast & Steeneken 1985; Wu et al. 2011",
        )
        for low, high in pairwise(MODULATION_EDGES)
        for band in range(N_MODULATION_BANDS)
    }


def _together() -> dict[str, Feature]:
    def correlation(what: Feature, other: str, frames: str, of: str = "") -> Feature:
        return Feature(f"correlation over {frames} of {of}the {what.meaning} with {other}", "1", what.source)

    moving = CEPSTRA | SHAPE | {"level": _LEVEL}
    named = {
        f"{track}_with_{other}": correlation(what, words, "active frames")
        for other, words in (("level", "the level"), ("centroid", "the spectral centroid"), ("time", "time"))
        for track, what in moving.items()
        if track != other
    }
    named |= {
        f"{track}_slope_with_level_slope": correlation(what, "that of the level", "active frames", "the slope of ")
        for track, what in moving.items()
        if track != "level"
    }
    named |= {
        f"{track}_with_{other}": correlation(what, words, "voiced frames")
        for other, words in (("pitch", "the pitch"), ("hnr", "the harmonics-to-noise ratio"))
        for track, what in moving.items()
    }
    named |= {f"{track}_with_pitch": correlation(what, "the pitch", "voiced frames") for track, what in VOICE.items()}
    return named | {
        f"{track}_step_with_pitch_step": correlation(
            what, "that of the pitch", "neighbouring voiced frames", "the step of "
        )
        for track, what in moving.items()
    }


def _persistence() -> dict[str, Feature]:
    return {
        f"{track}_after_{10 * lag}ms": Feature(
            f"correlation over active frames of the {what.meaning} with itself {10 * lag} ms later", "1", what.source
        )
        for lag in LAGS
        for track, what in (CEPSTRA | SHAPE | {"level": _LEVEL}).items()
    }


def _covariance() -> dict[str, Feature]:
    return {
        f"mfcc{first:02d}_mfcc{second:02d}_log_covariance": Feature(
            f"entry {first}, {second} of the logarithm of the covariance matrix of cepstral coefficients 0 to "
            f"{N_COVARIED - 1} over active frames",
            "1",
            "Arsigny et al. 2006",
        )
        for first, second in combinations_with_replacement(range(N_COVARIED), 2)
    }


def _course() -> dict[str, Feature]:
    moving = dict(list(CEPSTRA.items())[:N_COVARIED]) | SHAPE | {"level": _LEVEL}
    changes = {
        f"{track}_{a}_to_{b}_third": what._replace(
            meaning=f"change from the {a} to the {b} third of the active frames of the mean of the {what.meaning}"
        )
        for a, b in (("first", "second"), ("second", "last"))
        for track, what in moving.items()
    }
    return changes | {
        f"{track}_contour{i}": what._replace(
            meaning=f"cosine coefficient {i} of the course of the {what.meaning} between the ends of the active frames"
        )
        for track, what in (("pitch", _PITCH), ("level", _LEVEL))
        for i in range(1, N_CONTOUR + 1)
    }


# --- words for the documentation ----------------------------------------------------------------------------

_TIMBRE = (
    "Cepstra and the shape of the spectrum over the active frames, and how fast they move: what the mouth does, and "
    "how hard the voice is driven."
)
_BANDS = "The spectrum itself, in forty mel bands over the active frames: mean, standard deviation, how much it moves."
_LEVELS = (
    "How loud, and how the loudness is spread and moves. Absolute on purpose: shouting is loud, and a corpus is mostly "
    "recorded at one gain. Turn the gain up by 6 dB, and `level_mean` rises by 6."
)
_PITCHES = "How high the voice is, how wide it ranges and which way it moves; zero with fewer than five voiced frames."
_QUALITY = "Breathy, pressed, rough or clear; over voiced frames, and zero with fewer than five of them."
_UNVOICED = (
    "How the cepstra of active frames without voice differ from those of all active ones: the colour of the "
    "consonants. Zero with fewer than five such frames."
)
_RHYTHM = "How fast, how evenly and with what pauses; from the first to the last active frame."
_MODULATION = (
    "How strongly the envelope of each part of the spectrum fluctuates at the speeds of phrases (0.5-2 Hz), words "
    "(2-4 Hz), syllables (4-6 Hz), phones (6-20 Hz) and roughness (20-35 Hz)."
)
_TOGETHER = (
    "What moves with what: whether the spectrum brightens when the voice gets louder or higher, and which way it "
    "drifts. Correlations don't notice a speaker's own level, pitch or timbre. Those with pitch or harmonicity are "
    "zero with fewer than five voiced frames."
)
_PERSISTENCE = "How long a sound lasts before it changes."
_COVARIANCE = (
    "How the cepstra vary together. The logarithm flattens the curved space of covariance matrices, so that a linear "
    "model may add and compare its entries."
)
_COURSE = "Which way the utterance goes: changes from third to third, and the contours of pitch and level."
