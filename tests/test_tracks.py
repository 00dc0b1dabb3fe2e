"""Tracks of signals whose spectrum, level, harmonics and noise are known."""

from __future__ import annotations

import numpy as np
import pytest

from emotone.features.catalogue import N_BANDS, N_CEPSTRA, SHAPE, VOICE
from emotone.features.tracks import Tracks, frame_levels, tracks

RATE = 16_000


def sine(hz: float, *, amplitude: float = 0.5, seconds: float = 1.0) -> np.ndarray:
    time = np.arange(round(seconds * RATE)) / RATE
    return (amplitude * np.sin(2 * np.pi * hz * time)).astype(np.float32)


def harmonics(hz: float, decibels: list[float], seconds: float = 1.0) -> np.ndarray:
    """Harmonics of ``hz`` with these levels, the first one first."""
    return np.sum(
        [sine(hz * k, amplitude=0.1 * 10 ** (level / 20), seconds=seconds) for k, level in enumerate(decibels, 1)],
        axis=0,
        dtype=np.float32,
    )


def shaped_noise(slope: float, rng: np.random.Generator, seconds: float = 4.0) -> np.ndarray:
    """Noise whose level falls or rises by ``slope`` dB/kHz."""
    n = round(seconds * RATE)
    khz = np.fft.rfftfreq(n, 1 / RATE) / 1000
    spectrum = np.fft.rfft(rng.standard_normal(n)) * 10 ** (slope * khz / 20)
    noise = np.fft.irfft(spectrum, n)
    return (0.1 * noise / noise.std()).astype(np.float32)


def inner(signal: np.ndarray) -> dict[str, float]:
    """The median of each track of shape and voice, without the frames at the ends."""
    t = tracks(signal)
    named = dict(zip((*SHAPE, *VOICE), np.concatenate([t.shape, t.voice]), strict=True))
    return {name: float(np.median(values[3:-3])) for name, values in named.items()}


def test_shapes_and_types(rng: np.random.Generator) -> None:
    for n_samples in (1, 159, 160, 16_000):
        t = tracks((0.1 * rng.standard_normal(n_samples)).astype(np.float32))
        n = 1 + n_samples // 160
        rows = [N_BANDS, N_CEPSTRA, len(SHAPE), len(VOICE)]
        assert [values.shape for values in t[:4]] == [(count, n) for count in rows]
        assert [values.shape for values in t[4:]] == [(n,)] * 4
        assert {values.dtype for values in t[:7]} == {np.dtype(np.float32)}
        assert all(np.isfinite(values).all() for values in t)


# --- level --------------------------------------------------------------------------------------------------


def test_level_is_relative_to_a_full_scale_square_wave() -> None:
    square = np.sign(sine(100, amplitude=1.0) + 1e-9).astype(np.float32)
    assert tracks(square).level[10] == pytest.approx(0.0, abs=0.01)
    assert tracks(sine(100, amplitude=1.0)).level[10] == pytest.approx(-3.01, abs=0.05)
    assert tracks(sine(100, amplitude=0.1)).level[10] == pytest.approx(-23.01, abs=0.05)
    assert tracks(np.zeros(RATE, np.float32)).level == pytest.approx(-120.0)


def test_level_alone_is_the_track(rng: np.random.Generator) -> None:
    signal = (0.1 * rng.standard_normal(5000)).astype(np.float32)
    np.testing.assert_array_equal(frame_levels(signal), tracks(signal).level)


def test_frames_are_centred_on_their_times() -> None:
    click = np.zeros(RATE, np.float32)
    click[50 * 160] = 1.0
    assert np.flatnonzero(tracks(click).level > -100).tolist() == [49, 50, 51]


# --- the shape of the spectrum ------------------------------------------------------------------------------


@pytest.mark.parametrize("hz", [250, 1000, 3000, 6000])
def test_a_sine_stands_where_it_is(hz: int) -> None:
    found = inner(sine(hz))
    assert found["centroid"] == pytest.approx(hz / 1000, abs=0.02)
    assert found["spread"] < 0.2
    for percent in (25, 50, 75, 90):
        assert found[f"rolloff{percent}"] == pytest.approx(hz / 1000, abs=0.05)
    assert found["zero_crossings"] == pytest.approx(2 * hz / RATE, abs=0.002)
    assert found["flux"] < 0.05
    assert found["flatness"] < -8


def test_white_noise_is_flat(rng: np.random.Generator) -> None:
    found = inner(shaped_noise(0.0, rng))
    assert found["centroid"] == pytest.approx(4.0, abs=0.1)
    assert found["spread"] == pytest.approx(8 / np.sqrt(12), rel=0.05)
    assert found["skewness"] == pytest.approx(0.0, abs=0.1)
    assert found["kurtosis"] == pytest.approx(1.8, abs=0.15), "of a uniform distribution"
    for percent in (25, 50, 75, 90):
        assert found[f"rolloff{percent}"] == pytest.approx(8 * percent / 100, rel=0.08)
    # the periodogram of noise is exponentially distributed: E log x = -γ, and the magnitudes spread accordingly
    assert found["flatness"] == pytest.approx(-0.577, abs=0.1)
    assert np.log(257) - 0.25 < found["entropy"] < np.log(257)
    assert found["zero_crossings"] == pytest.approx(0.5, abs=0.02)
    for slope in ("slope_low", "slope_mid", "slope_high"):
        assert abs(found[slope]) < 5
    assert found["hnr"] < 0


@pytest.mark.parametrize("slope", [-12.0, -6.0, 3.0])
def test_slopes_of_shaped_noise(slope: float, rng: np.random.Generator) -> None:
    t = tracks(shaped_noise(slope, rng, seconds=20.0))
    row = dict(zip(SHAPE, t.shape.mean(axis=1), strict=True))
    assert row["slope_high"] == pytest.approx(slope, abs=0.3)
    assert row["slope_mid"] == pytest.approx(slope, abs=1.5)
    assert row["slope_low"] == pytest.approx(slope, abs=6.0)


@pytest.mark.parametrize(
    ("slope", "low", "high"), [("slope_low", 0, 500), ("slope_mid", 500, 1500), ("slope_high", 1500, 4000)]
)
def test_each_slope_looks_at_its_own_region(slope: str, low: int, high: int, rng: np.random.Generator) -> None:
    """Noise that is flat but for one region, through which it falls by 20 dB/kHz."""
    n = 20 * RATE
    khz = np.clip(np.fft.rfftfreq(n, 1 / RATE), low, high) / 1000
    noise = np.fft.irfft(np.fft.rfft(rng.standard_normal(n)) * 10 ** (-20 * khz / 20), n)
    row = dict(zip(SHAPE, tracks((0.1 * noise / noise.std()).astype(np.float32)).shape.mean(axis=1), strict=True))
    assert min(("slope_low", "slope_mid", "slope_high"), key=lambda name: row[name]) == slope
    assert row[slope] < -14


def test_ratios_of_bands(rng: np.random.Generator) -> None:
    """Of flat noise each has the ratio of its bands' widths, in bins."""
    row = dict(zip(SHAPE, tracks(shaped_noise(0.0, rng, seconds=20.0)).shape.mean(axis=1), strict=True))
    assert row["alpha_ratio"] == pytest.approx(10 * np.log10(128 / 31), abs=0.4)
    assert row["air"] == pytest.approx(10 * np.log10(128 / 31), abs=0.4)
    assert row["presence"] == pytest.approx(0.0, abs=0.4)
    assert row["body"] == pytest.approx(10 * np.log10(7 / 24), abs=0.7)
    assert abs(row["hammarberg"]) < 2


def test_hammarberg_is_the_difference_of_two_tones() -> None:
    three = sine(500, amplitude=0.3) + sine(1500, amplitude=0.1) + sine(3000, amplitude=0.03)
    assert inner(three)["hammarberg"] == pytest.approx(20.0, abs=0.1)


def test_flux_is_high_where_the_sound_changes() -> None:
    t = tracks(np.concatenate([sine(500), sine(3000)]))
    flux, log_flux = (t.shape[list(SHAPE).index(name)] for name in ("flux", "log_flux"))
    for change in (flux, log_flux):
        assert 99 <= np.argmax(change[3:-3]) + 3 <= 102
        assert np.median(change) < 0.1 * change[99:103].max()


def test_cepstral_peak_tells_voice_from_noise(rng: np.random.Generator) -> None:
    voice = harmonics(125, [0.0] * 40)
    assert inner(voice)["cepstral_peak"] > 2 * inner(shaped_noise(0.0, rng))["cepstral_peak"]


def test_each_mel_band_answers_to_its_frequency() -> None:
    loudest = [int(np.argmax(np.median(tracks(sine(hz)).bands, axis=1))) for hz in (100, 500, 1000, 2000, 4000, 7000)]
    assert loudest == sorted(set(loudest))
    assert loudest[0] <= 1
    assert loudest[-1] >= N_BANDS - 4


def test_gain_moves_the_first_cepstral_coefficient_alone(rng: np.random.Generator) -> None:
    noise = shaped_noise(-2.0, rng, seconds=1.0)
    moved = (tracks(2 * noise).cepstra - tracks(noise).cepstra)[:, 3:-3]
    np.testing.assert_allclose(moved[0], np.sqrt(N_BANDS) * np.log(4), rtol=1e-3)
    np.testing.assert_allclose(moved[1:], 0.0, atol=1e-2)


# --- voice --------------------------------------------------------------------------------------------------


def test_pitch_in_semitones_over_100_hz() -> None:
    t = tracks(harmonics(200, [0, -6, -12, -18]))
    assert t.voiced[3:-3].all()
    np.testing.assert_allclose(t.pitch[3:-3], 12.0, atol=0.05)
    np.testing.assert_allclose(t.hz[3:-3], 200.0, rtol=0.003)
    assert not t.pitch[~t.voiced].any()


def test_harmonics_against_each_other() -> None:
    """200 Hz: the fourth harmonic stands for formant 1, the eighth for formant 2, the fifteenth for formant 3."""
    levels = [0.0, -5.0, -9.0, 6.0, -30.0, -30.0, -30.0, -4.0, *[-30.0] * 6, -11.0]
    found = inner(harmonics(200, levels))
    assert found["h1_h2"] == pytest.approx(5.0, abs=1.5)
    assert found["h1_h3"] == pytest.approx(9.0, abs=1.5)
    assert found["h1_a1"] == pytest.approx(-6.0, abs=1.5)
    assert found["h1_a2"] == pytest.approx(4.0, abs=1.5)
    assert found["h1_a3"] == pytest.approx(11.0, abs=1.5)


@pytest.mark.parametrize("snr", [0.0, 10.0, 15.0])
def test_hnr_of_a_known_mixture(snr: float, rng: np.random.Generator) -> None:
    """Noise of the band below 2 kHz: a quarter of white noise, so the tone stands 6 dB higher over it."""
    voice = harmonics(125, [0, -6, -12, -18, -24], seconds=4.0)
    noise = rng.standard_normal(len(voice)) * voice.std() * 10 ** (-snr / 20)
    assert inner((voice + noise).astype(np.float32))["hnr"] == pytest.approx(snr + 6, abs=1.0)


def test_the_signal_is_left_alone(rng: np.random.Generator) -> None:
    signal = (0.1 * rng.standard_normal(4000)).astype(np.float32)
    before = signal.copy()
    first, second = tracks(signal), tracks(signal)
    np.testing.assert_array_equal(signal, before)
    assert isinstance(first, Tracks)
    assert all((a == b).all() for a, b in zip(first, second, strict=True))
