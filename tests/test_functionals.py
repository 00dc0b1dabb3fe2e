"""The front-end: names that match their values, what moves which feature and what must not, and hard signals."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import soxr

from emotone import audio, synthetic
from emotone.errors import AudioError
from emotone.features import FrontEnd
from emotone.features.catalogue import LEVEL, MEL_BANDS, PITCH, RHYTHM, families, meaning
from emotone.features.functionals import Functionals
from emotone.labels import EMOTIONS

RATE = 16_000
FRONTEND = Functionals()
NAMES = FRONTEND.names


def named(signal: np.ndarray) -> dict[str, float]:
    return dict(zip(NAMES, FRONTEND(np.asarray(signal, np.float32)).tolist(), strict=True))


@pytest.fixture(scope="module")
def clips() -> list[np.ndarray]:
    """Two speakers, eight emotions; not speech, but voiced and unvoiced, loud and soft, with pauses."""
    who = [(emotion, speaker) for speaker in (1, 2) for emotion in EMOTIONS]
    return [synthetic.speech(*clip, rng=np.random.default_rng(i)) for i, clip in enumerate(who)]


@pytest.fixture(scope="module")
def values(clips: list[np.ndarray]) -> np.ndarray:
    """``(n_clips, n_features)``."""
    return np.array([FRONTEND(clip) for clip in clips])


def shift(changed: list[np.ndarray], values: np.ndarray) -> np.ndarray:
    """How far each clip's features move when it is changed, in standard deviations between clips."""
    return np.abs(np.array([FRONTEND(clip) for clip in changed]) - values) / (values.std(axis=0) + 1e-6)


def burst(hz: float, seconds: float, *, to: float | None = None) -> np.ndarray:
    """Six harmonics of a pitch that stays, or glides ``to`` another by equal ratios."""
    phase = 2 * np.pi * np.cumsum(np.geomspace(hz, to or hz, round(seconds * RATE))) / RATE
    return np.sum([0.2 / k**2 * np.sin(k * phase) for k in range(1, 7)], axis=0).astype(np.float32)


def hush(seconds: float, rng: np.random.Generator) -> np.ndarray:
    return (1e-3 * rng.standard_normal(round(seconds * RATE))).astype(np.float32)


# --- the vector and its names -------------------------------------------------------------------------------


def test_is_a_front_end() -> None:
    assert isinstance(FRONTEND, FrontEnd)
    assert (FRONTEND.name, FRONTEND.version, FRONTEND.rate) == ("functionals", 1, RATE)
    assert Functionals() == FRONTEND
    assert hash(FRONTEND) == hash(Functionals())


def test_as_many_values_as_names(values: np.ndarray) -> None:
    assert values.dtype == np.float32
    assert values.shape[1] == len(NAMES) == len(set(NAMES))
    assert list(NAMES) == [name for family in families().values() for name in family.features]
    assert all(meaning(name) for name in NAMES)


def test_the_documentation_counts_right() -> None:
    import emotone.features.functionals as module

    count = f"{len(NAMES):,}"
    assert f"in {count} documented numbers" in str(module.__doc__)
    assert f"{count} statistics" in str(Functionals.__doc__)


def test_statistics_of_one_track_are_in_order(values: np.ndarray) -> None:
    at = {name: values[:, i] for i, name in enumerate(NAMES)}
    tracks = [name.removesuffix("_p10") for name in NAMES if name.endswith("_p10") and not name.startswith("pitch_")]
    assert len(tracks) > 40
    for track in tracks:
        assert (at[f"{track}_p10"] <= at[f"{track}_p90"]).all(), track
    for track in ("centroid", "mfcc03", "slope_low", "h1_h2_voiced"):
        assert (at[f"{track}_p10"] < at[f"{track}_mean"]).all()
        assert (at[f"{track}_mean"] < at[f"{track}_p90"]).all()
    for low, high in (("p05", "p10"), ("p10", "p25"), ("p25", "p50"), ("p50", "p75"), ("p75", "p90"), ("p90", "p95")):
        assert (at[f"pitch_{low}"] <= at[f"pitch_{high}"]).all()
    np.testing.assert_allclose(at["pitch_range_p05_p95"], at["pitch_p95"] - at["pitch_p05"], atol=1e-4)
    np.testing.assert_allclose(at["level_p05_over_peak"], at["level_p05"] - at["level_peak"], atol=1e-4)
    for name in NAMES:
        if name.endswith(("_sd", "_share")):
            assert (at[name] >= 0).all(), name


def test_correlations_are_correlations(values: np.ndarray) -> None:
    bounded = [i for i, name in enumerate(NAMES) if "_with_" in name or "_after_" in name]
    assert len(bounded) > 300
    assert np.abs(values[:, bounded]).max() <= 1 + 1e-5


def test_every_feature_tells_clips_apart(values: np.ndarray) -> None:
    spread = values.std(axis=0) / (np.abs(values).mean(axis=0) + 1e-6)
    assert [name for name, share in zip(NAMES, spread, strict=True) if share < 1e-4] == []


# --- what moves which ---------------------------------------------------------------------------------------


def test_gain_moves_level_and_nothing_else(clips: list[np.ndarray], values: np.ndarray) -> None:
    louder = np.array([FRONTEND(clip * np.float32(2)) for clip in clips])
    moved = dict(zip(NAMES, np.median(louder - values, axis=0), strict=True))
    absolute = {f"level_{name}" for name, (_, unit) in LEVEL.items() if unit == "dBov"}
    assert len(absolute) == 6
    for name in absolute:
        assert moved[name] == pytest.approx(20 * np.log10(2), abs=0.01)
    powers = {f"{band}_mean" for band in MEL_BANDS}
    for name in powers:
        assert moved[name] == pytest.approx(np.log(4), abs=0.05)
    first = {f"mfcc00_{statistic}" for statistic in ("mean", "p10", "p50", "p90")}
    for name in first:
        assert moved[name] == pytest.approx(np.sqrt(40) * np.log(4), abs=0.05)
    spread = values.std(axis=0) + 1e-6
    still = [i for i, name in enumerate(NAMES) if name not in absolute | powers | first]
    assert (np.median(np.abs(louder - values), axis=0) / spread)[still].max() < 0.05
    for name in ("pitch_mean", "pitch_sd", "spread_mean", "rhythm_duration", "rhythm_pauses", "hnr_voiced_mean"):
        assert moved[name] == pytest.approx(0, abs=1e-3)


def test_at_one_level_gain_moves_nothing(clips: list[np.ndarray]) -> None:
    frontend = Functionals(same_level=True)
    assert frontend.names == NAMES
    for clip in clips[:4]:
        np.testing.assert_allclose(frontend(clip), frontend(clip * np.float32(0.25)), rtol=1e-3, atol=2e-3)


def test_polarity_moves_nothing(clips: list[np.ndarray], values: np.ndarray) -> None:
    assert shift([-clip for clip in clips], values).max() < 0.01


def test_playing_faster_raises_pitch_and_shortens(clips: list[np.ndarray], values: np.ndarray) -> None:
    ratio = 2 ** (3 / 12)
    faster = np.array([FRONTEND(soxr.resample(clip, RATE * ratio, RATE)) for clip in clips])
    moved = dict(zip(NAMES, np.median(faster - values, axis=0), strict=True))
    times = dict(zip(NAMES, np.median(faster / (values + 1e-9), axis=0), strict=True))
    assert moved["pitch_mean"] == pytest.approx(3.0, abs=0.2)
    assert moved["pitch_p50"] == pytest.approx(3.0, abs=0.2)
    assert moved["pitch_sd"] == pytest.approx(0.0, abs=0.2)
    assert moved["level_mean"] == pytest.approx(0.0, abs=0.3)
    assert times["rhythm_duration"] == pytest.approx(1 / ratio, rel=0.03)
    assert times["rhythm_voiced_stretches"] == pytest.approx(ratio, rel=0.15)
    assert times["centroid_mean"] == pytest.approx(ratio, rel=0.1)
    assert moved["rhythm_voiced_share"] == pytest.approx(0.0, abs=0.03)


def test_ten_milliseconds_of_silence_before_hardly_matter(clips: list[np.ndarray], values: np.ndarray) -> None:
    moved = shift([np.pad(clip, (160, 0)) for clip in clips], values)
    assert np.median(moved) < 1e-3
    assert np.quantile(moved, 0.99) < 0.1
    assert np.median(moved, axis=0).max() < 0.05


def test_frames_that_begin_elsewhere_matter_little(clips: list[np.ndarray], values: np.ndarray) -> None:
    moved = shift([np.pad(clip, (112, 0)) for clip in clips], values)
    assert np.median(moved) < 0.1
    assert np.quantile(np.median(moved, axis=0), 0.99) < 0.6


def test_silence_after_speech_hardly_matters(clips: list[np.ndarray], values: np.ndarray) -> None:
    """Only the peak is a percentile over all frames, and moves a little with their number."""
    moved = np.median(shift([np.pad(clip, (0, RATE)) for clip in clips], values), axis=0)
    of_peak = np.array(["peak" in name and name.startswith("level") for name in NAMES])
    assert moved[~of_peak].max() < 0.05
    assert moved[of_peak].max() < 1.0


def test_sixteen_bits_are_enough(clips: list[np.ndarray], values: np.ndarray) -> None:
    rounded = [np.round(clip * 32767).astype(np.float32) / np.float32(32767) for clip in clips]
    assert np.median(shift(rounded, values), axis=0).max() < 0.1


# --- what the features say of sounds that are known ---------------------------------------------------------


def test_pitch_of_a_rising_glide(rng: np.random.Generator) -> None:
    rising = named(np.concatenate([hush(0.2, rng), burst(100, 1.0, to=200), hush(0.2, rng)]))
    assert rising["pitch_mean"] == pytest.approx(6.0, abs=0.3)
    assert rising["pitch_trend"] == pytest.approx(12.0, abs=0.5)
    assert rising["pitch_range"] == pytest.approx(12.0, abs=0.7)
    assert rising["pitch_range_p25_p75"] == pytest.approx(6.0, abs=0.3)
    assert rising["pitch_step_mean_size"] == pytest.approx(0.12, abs=0.03)
    assert rising["pitch_rising_share"] > 0.7
    assert rising["pitch_falling_share"] < 0.1
    assert rising["pitch_end_over_mean"] == pytest.approx(4.8, abs=0.4)
    assert rising["pitch_start_over_mean"] == pytest.approx(-4.8, abs=0.4)
    falling = named(np.concatenate([hush(0.2, rng), burst(200, 1.0, to=100), hush(0.2, rng)]))
    assert falling["pitch_trend"] == pytest.approx(-12.0, abs=0.5)
    assert falling["pitch_falling_share"] > 0.7
    assert falling["pitch_contour1"] > 0 > rising["pitch_contour1"]


def test_a_steady_tone_is_steady(rng: np.random.Generator) -> None:
    steady = named(np.concatenate([hush(0.2, rng), burst(125, 1.0), hush(0.2, rng)]))
    assert steady["pitch_mean"] == pytest.approx(12 * np.log2(1.25), abs=0.05)
    assert steady["pitch_sd"] < 0.2
    assert steady["jitter"] < 0.005
    assert steady["shimmer"] < 0.5
    trembling = burst(125, 1.0) * (1 + 0.5 * np.sin(2 * np.pi * 20 * np.arange(RATE) / RATE))
    assert named(np.concatenate([hush(0.2, rng), trembling, hush(0.2, rng)]))["shimmer"] > 3 * steady["shimmer"]


def test_rhythm_of_four_bursts(rng: np.random.Generator) -> None:
    parts = [hush(0.5, rng)]
    for hz in (125, 250, 125, 250):
        parts += [burst(hz, 0.3), hush(0.2, rng)]
    found = named(np.concatenate([*parts, hush(0.5, rng)]))
    assert found["rhythm_duration"] == pytest.approx(1.8, abs=0.05)
    assert found["rhythm_active_share"] == pytest.approx(1.2 / 1.8, abs=0.07)
    assert found["rhythm_voiced_share"] == pytest.approx(1.2 / 1.8, abs=0.07)
    assert found["rhythm_voiced_stretches"] == pytest.approx(4 / 1.8, rel=0.05)
    assert found["rhythm_voiced_length_mean"] == pytest.approx(0.3, abs=0.03)
    assert found["rhythm_voiced_length_sd"] < 0.02
    assert found["rhythm_voiced_length_max"] == pytest.approx(0.3, abs=0.04)
    assert found["rhythm_unvoiced_length_max"] == pytest.approx(0.2, abs=0.03)
    assert found["rhythm_pauses"] == pytest.approx(3 / 1.8, rel=0.05)
    assert found["rhythm_pause_length_mean"] == pytest.approx(0.2, abs=0.03)
    assert found["rhythm_pause_length_max"] == pytest.approx(0.2, abs=0.03)
    assert found["pitch_range"] == pytest.approx(12, abs=0.5)
    assert found["pitch_step_sd"] < 0.3, "steps are not taken over pauses"


def test_level_peaks_are_syllables(rng: np.random.Generator) -> None:
    swell = 0.05 + np.sin(np.pi * 4 * np.arange(2 * RATE) / RATE) ** 2  # four a second, for two seconds
    found = named(np.concatenate([hush(0.3, rng), burst(150, 2.0) * swell, hush(0.3, rng)]))
    assert found["rhythm_level_peaks"] == pytest.approx(4.0, abs=0.3)
    assert found["rhythm_peak_distance_mean"] == pytest.approx(0.25, abs=0.01)
    assert found["rhythm_peak_distance_sd"] < 0.02


@pytest.mark.parametrize(("speed", "strongest"), [(1, "0.5_2"), (3, "2_4"), (5, "4_6"), (7, "6_9"), (16, "13_20")])
def test_modulation_shows_at_its_speed(speed: int, strongest: str, rng: np.random.Generator) -> None:
    swing = np.exp(np.sin(2 * np.pi * speed * np.arange(3 * RATE) / RATE))
    found = named(0.02 * rng.standard_normal(3 * RATE) * swing)
    powers = {name: value for name, value in found.items() if name.startswith("modulation_")}
    for band in range(8):
        of_band = {name.split("_", 1)[1]: value for name, value in powers.items() if name.endswith(f"band{band}")}
        assert max(of_band, key=lambda name: of_band[name]) == f"{strongest}hz_band{band}"


def test_consonants_differ_from_the_rest_only_where_there_are_any(rng: np.random.Generator) -> None:
    hiss = np.diff(0.05 * rng.standard_normal(3001)).astype(np.float32)
    spoken = named(np.concatenate([burst(150, 0.4), hiss, burst(150, 0.4), hiss, burst(150, 0.4)]))
    assert spoken["mfcc01_unvoiced"] < -1, "hiss has its power at the top"
    sung = named(burst(150, 1.0))
    assert [sung[name] for name in NAMES if name.endswith("_unvoiced")] == [0.0] * 20


def test_without_voice_there_is_no_pitch(rng: np.random.Generator) -> None:
    whisper = named(0.1 * rng.standard_normal(RATE))
    assert not any(whisper[f"pitch_{name}"] for name in PITCH)
    assert not any(value for name, value in whisper.items() if "_voiced_" in name and not name.startswith("rhythm"))
    assert (whisper["jitter"], whisper["shimmer"], whisper["rhythm_voiced_share"]) == (0.0, 0.0, 0.0)


def test_a_voice_that_brightens_as_it_gets_louder(rng: np.random.Generator) -> None:
    swell = np.linspace(0.2, 1.0, RATE)
    hiss = np.diff(0.05 * rng.standard_normal(RATE + 1))
    brighter, darker = (named(0.3 * swell * burst(150, 1.0) + hiss * way) for way in (swell**3, 0.1))
    assert brighter["centroid_with_level"] > 0.5
    assert darker["centroid_with_level"] < -0.5
    for found in (brighter, darker):
        assert found["level_with_time"] > 0.8
        assert found["level_first_to_second_third"] > 3


# --- hard signals -------------------------------------------------------------------------------------------


def clicks() -> np.ndarray:
    signal = np.zeros(RATE, np.float32)
    signal[::3001] = 1.0
    return signal


HARD = {
    "one sample": np.array([0.1], np.float32),
    "five samples": np.array([0.1, -0.2, 0.3, 0.0, 1.0], np.float32),
    "one frame": np.full(160, 0.2, np.float32),
    "silence": np.zeros(RATE, np.float32),
    "short silence": np.zeros(100, np.float32),
    "constant": np.full(RATE, 0.5, np.float32),
    "full-scale noise": np.random.default_rng(1).choice([-1.0, 1.0], 2 * RATE).astype(np.float32),
    "full-scale sine": np.sin(2 * np.pi * 220 * np.arange(RATE) / RATE).astype(np.float32),
    "alternating": np.tile([1.0, -1.0], RATE // 2).astype(np.float32),
    "clicks": clicks(),
    "denormal": np.full(RATE, 1e-40, np.float32),
    "far too loud": np.full(RATE, 1e4, np.float32) * np.sin(np.arange(RATE, dtype=np.float32)),
    "one loud sample in silence": np.eye(1, RATE, 8000, dtype=np.float32)[0],
    "a tenth of a second": burst(150, 0.1),
}


@pytest.mark.parametrize("name", HARD)
@pytest.mark.parametrize("same_level", [False, True])
def test_hard_signals_give_numbers(name: str, same_level: bool) -> None:
    with np.errstate(divide="raise", invalid="raise", over="raise"):
        found = Functionals(same_level=same_level)(HARD[name])
    assert found.shape == (len(NAMES),)
    assert np.isfinite(found).all()


def test_nothing_happens_in_silence() -> None:
    found = named(HARD["silence"])
    assert found["level_mean"] == pytest.approx(-120.0)
    for name in (
        "rhythm_level_peaks",
        "rhythm_pauses",
        "level_sd",
        "pitch_mean",
        "flux_mean",
        "centroid_sd",
        "mfcc01_sd",
    ):
        assert found[name] == pytest.approx(0.0, abs=1e-4), name


def test_a_minute(rng: np.random.Generator) -> None:
    found = FRONTEND(np.tile(synthetic.speech("happy", 1, rng=rng), 24))
    assert np.isfinite(found).all()
    assert dict(zip(NAMES, found, strict=True))["rhythm_duration"] > 58


def test_no_samples_are_an_audio_error() -> None:
    with pytest.raises(AudioError, match="no samples"):
        FRONTEND(np.empty(0, np.float32))


def test_same_signal_same_numbers_and_the_signal_is_left_alone(clips: list[np.ndarray], values: np.ndarray) -> None:
    clip = clips[3].copy()
    clip.flags.writeable = False
    for frontend in (FRONTEND, Functionals(same_level=True)):
        first = frontend(clip)
        np.testing.assert_array_equal(first, frontend(clip))
        first[:] = 0.0
        np.testing.assert_array_equal(frontend(clip), frontend(clips[3]))
    np.testing.assert_array_equal(FRONTEND(clip), values[3])


# --- real speech --------------------------------------------------------------------------------------------


@pytest.mark.corpus
def test_real_clips_are_finite_and_plausible(data: Path) -> None:
    paths = sorted((data / "ravdess").glob("Actor_*/*"))[::61] + sorted((data / "emodb").rglob("*.opus"))[::61]
    assert len(paths) > 25
    found = np.array([FRONTEND(audio.load(path)) for path in paths])
    assert np.isfinite(found).all()
    at = {name: found[:, i] for i, name in enumerate(NAMES)}
    assert ((at["pitch_mean"] > -8) & (at["pitch_mean"] < 28)).all(), "63 to 504 Hz"
    assert ((at["rhythm_duration"] > 0.5) & (at["rhythm_duration"] < 8)).all()
    assert ((at["rhythm_level_peaks"] > 1) & (at["rhythm_level_peaks"] < 12)).all()
    assert (at["rhythm_voiced_share"] > 0.2).all()
    assert ((at["hnr_voiced_mean"] > 0) & (at["hnr_voiced_mean"] < 30)).all()
    assert ((at["level_mean"] > -70) & (at["level_mean"] < -5)).all()


@pytest.mark.corpus
def test_women_speak_higher_and_anger_is_louder_than_sadness(data: Path) -> None:
    def of(actor: int, emotion: int, name: str) -> float:
        paths = sorted((data / "ravdess" / f"Actor_{actor:02d}").glob(f"03-01-{emotion:02d}-02-*"))
        assert len(paths) == 4
        return float(np.mean([named(audio.load(path))[name] for path in paths]))

    assert of(2, 3, "pitch_p50") > of(1, 3, "pitch_p50") + 4
    for actor in (3, 4):
        assert of(actor, 5, "level_mean") > of(actor, 4, "level_mean") + 3
        assert of(actor, 5, "centroid_mean") > of(actor, 4, "centroid_mean")


def test_rhythm_names_have_their_prefix() -> None:
    assert {name.removeprefix("rhythm_") for name in NAMES if name.startswith("rhythm_")} == set(RHYTHM)
