"""Pitch, voicing and harmonicity: tones of known pitch, glides, noise, silence, and real speech against librosa."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from emotone import audio
from emotone.features.pitch import PITCH_CEILING, PITCH_FLOOR, track_pitch

RATE = 16_000


def tone(
    hz, rng: np.random.Generator, *, snr: float | None = None, decay: float = 2.0, seconds: float = 1.0
) -> np.ndarray:
    """Harmonics of ``hz`` (one, or one for each sample) that fall by ``6 * decay`` dB an octave, in white noise."""
    n = round(seconds * RATE)
    hz = np.broadcast_to(np.asarray(hz, float), n)
    phase = 2 * np.pi * np.cumsum(hz) / RATE
    numbers = range(1, int(7000 / hz.max()) + 1)
    signal = sum(number**-decay * np.sin(number * phase + rng.uniform(0, 2 * np.pi)) for number in numbers)
    signal *= 0.1 / np.std(signal)
    if snr is not None:
        signal = signal + 0.1 * 10 ** (-snr / 20) * rng.standard_normal(n)
    return signal.astype(np.float32)


def track(signal: np.ndarray):
    return track_pitch(signal, 1 + len(signal) // 160)


def errors(signal: np.ndarray, hz) -> np.ndarray:
    """Relative errors of the voiced frames but the three at each end."""
    found = track(signal)
    true = np.broadcast_to(np.asarray(hz, float), len(signal))[
        np.minimum(np.arange(len(found.hz)) * 160, len(signal) - 1)
    ]
    return (found.hz / true - 1)[3:-3][found.voiced[3:-3]]


@pytest.mark.parametrize("snr", [20.0, 10.0])
@pytest.mark.parametrize("hz", [70, 85, 100, 123, 150, 175, 200, 222, 250, 286, 333, 400, 444, 500, 550])
def test_steady_tones(hz: int, snr: float, rng: np.random.Generator) -> None:
    error = errors(tone(hz, rng, snr=snr), hz)
    assert len(error) > 0.95 * 95, "hardly a frame is unvoiced"
    assert np.median(np.abs(error)) < 0.005
    assert np.mean(np.abs(error) > 0.1) < 0.02


@pytest.mark.parametrize("decay", [1.0, 2.0])
def test_high_tones_between_lags(decay: float, rng: np.random.Generator) -> None:
    wrong = [
        hz for hz in range(260, 560, 5) if np.mean(np.abs(errors(tone(hz, rng, snr=20, decay=decay), hz)) > 0.1) > 0.02
    ]
    assert wrong == []


@pytest.mark.parametrize(("start", "end"), [(100, 400), (400, 100), (80, 160), (500, 250)])
def test_glides(start: int, end: int, rng: np.random.Generator) -> None:
    hz = np.geomspace(start, end, RATE)
    error = errors(tone(hz, rng, snr=20, decay=1.5), hz)
    assert len(error) > 0.95 * 95
    assert np.median(np.abs(error)) < 0.01
    assert np.mean(np.abs(error) > 0.1) < 0.06


def test_vibrato_is_followed(rng: np.random.Generator) -> None:
    hz = 180 * 2 ** (np.sin(2 * np.pi * 5 * np.arange(RATE) / RATE) / 12)
    assert np.median(np.abs(errors(tone(hz, rng, snr=20), hz))) < 0.01


@pytest.mark.parametrize(
    "amplitudes",
    [(1.0,), (0.0, 1.0, 1.0, 1.0, 0.5), (0.3, 1.0, 0.2, 0.2, 0.1), (0.2, 0.2, 1.0, 0.2)],
    ids=["sine", "no fundamental", "strong second", "strong third"],
)
@pytest.mark.parametrize("hz", [90, 125, 200])
def test_no_octave_errors_whichever_harmonic_leads(
    amplitudes: tuple[float, ...], hz: int, rng: np.random.Generator
) -> None:
    time = np.arange(RATE) / RATE
    waves = [a * np.sin(2 * np.pi * hz * k * time + rng.uniform(0, 6)) for k, a in enumerate(amplitudes, 1)]
    signal = (0.1 * sum(waves) + 0.003 * rng.standard_normal(RATE)).astype(np.float32)
    error = errors(signal, hz)
    assert len(error) > 0.9 * 95
    assert np.mean(np.abs(error) > 0.05) < 0.02


@pytest.mark.parametrize("level", [0.3, 1e-3])
def test_noise_is_unvoiced(level: float, rng: np.random.Generator) -> None:
    noise = (level * rng.standard_normal(10 * RATE)).astype(np.float32)
    assert track(noise).voiced.mean() < 0.01


def test_brown_noise_is_mostly_unvoiced(rng: np.random.Generator) -> None:
    noise = np.cumsum(rng.standard_normal(10 * RATE)).astype(np.float32) * np.float32(1e-3)
    assert track(noise).voiced.mean() < 0.05


def test_silence_is_unvoiced() -> None:
    found = track(np.zeros(RATE, np.float32))
    assert not found.voiced.any()
    assert not found.hz.any()


def test_digital_silence_after_speech_is_unvoiced(rng: np.random.Generator) -> None:
    found = track(np.concatenate([tone(150, rng, snr=30), np.zeros(RATE, np.float32)]))
    assert found.voiced[110:].mean() < 0.05


def test_faint_hiss_beside_speech_is_unvoiced(rng: np.random.Generator) -> None:
    voice, noise = tone(150, rng), (1e-4 * rng.standard_normal(RATE)).astype(np.float32)
    found = track(np.concatenate([voice, noise]))
    assert found.voiced[:95].all()
    assert found.voiced[110:].mean() < 0.05


def test_voiced_stretches_begin_and_end_where_they_do(rng: np.random.Generator) -> None:
    half = RATE // 2
    hiss = (0.03 * rng.standard_normal(half)).astype(np.float32)
    pause = (1e-3 * rng.standard_normal(half)).astype(np.float32)
    low, high = tone(150, rng, snr=30, seconds=0.5), tone(250, rng, snr=30, seconds=0.5)
    found = track(np.concatenate([pause, low, hiss, high, pause]))
    for first, last in ((0, 46), (104, 146), (204, 251)):
        assert found.voiced[first:last].mean() < 0.03
    for first, last in ((51, 99), (151, 199)):
        assert found.voiced[first:last].all()
    np.testing.assert_allclose(np.median(found.hz[53:98]), 150, rtol=0.005)
    np.testing.assert_allclose(np.median(found.hz[153:198]), 250, rtol=0.005)


@pytest.mark.parametrize("snr", [0.0, 5.0, 10.0, 15.0])
def test_strength_gives_the_harmonics_to_noise_ratio(snr: float, rng: np.random.Generator) -> None:
    """Three quarters of white noise lie above 2 kHz, which leaves 6 dB more for the band that is looked at."""
    found = track(tone(125, rng, snr=snr, seconds=4.0))
    hnr = 10 * np.log10(found.strength / (1 - found.strength))
    assert np.median(hnr) == pytest.approx(snr + 6, abs=1.0)


def test_gain_changes_nothing(rng: np.random.Generator) -> None:
    signal = tone(np.geomspace(120, 240, RATE), rng, snr=20)
    loud, soft = track(signal), track(signal / np.float32(32))
    np.testing.assert_array_equal(loud.voiced, soft.voiced)
    np.testing.assert_allclose(loud.hz, soft.hz, rtol=1e-3)
    np.testing.assert_allclose(loud.strength, soft.strength, rtol=1e-3)


def test_a_shift_by_a_frame_shifts_the_track(rng: np.random.Generator) -> None:
    signal = np.pad(tone(np.geomspace(120, 240, RATE), rng, snr=20), 3200)
    here, later = track(signal), track(np.concatenate([np.zeros(160, np.float32), signal]))
    assert np.mean(here.voiced != later.voiced[1:]) < 0.02
    both = here.voiced & later.voiced[1:]
    np.testing.assert_allclose(here.hz[both], later.hz[1:][both], rtol=1e-3)


def test_frames_beyond_the_signal_and_tiny_signals() -> None:
    for n_samples in (1, 2, 5, 159, 161, 800):
        found = track_pitch(np.full(n_samples, 0.1, np.float32), 30)
        assert all(len(values) == 30 for values in found)
        assert all(np.isfinite(values).all() for values in found)


def test_range_types_and_an_untouched_signal(rng: np.random.Generator) -> None:
    signal = (0.1 * rng.standard_normal(RATE)).astype(np.float32)
    signal[4000:12000] += tone(220, rng, seconds=0.5)
    before = signal.copy()
    found = track(signal)
    np.testing.assert_array_equal(signal, before)
    assert (found.hz.dtype, found.strength.dtype, found.voiced.dtype) == (np.float32, np.float32, np.bool_)
    assert ((found.hz > 0) == found.voiced).all()
    assert found.hz[found.voiced].min() > PITCH_FLOOR * 0.95
    assert found.hz.max() < PITCH_CEILING * 1.1
    assert (found.strength > 0).all()
    assert (found.strength < 1).all()


@pytest.mark.corpus
def test_real_speech_agrees_with_pyin(data: Path) -> None:
    """Speakers of both sexes, from calm to shouting: frames that both call voiced seldom differ by over 20 %."""
    librosa = pytest.importorskip("librosa")
    names = [
        "Actor_01/03-01-02-02-02-02-01",
        "Actor_10/03-01-06-02-02-02-10",
        "Actor_22/03-01-04-01-01-01-22",
    ]
    differ, n_both, agree, n_loud = 0, 0, 0, 0
    for name in names:
        signal = audio.load(next((data / "ravdess").glob(f"{name}.*")))
        found = track(signal)
        hz, voiced, _ = librosa.pyin(signal, fmin=60, fmax=600, sr=RATE, frame_length=1024, hop_length=160)
        level = librosa.feature.rms(y=signal, frame_length=400, hop_length=160)[0]
        n = min(len(found.hz), len(hz), len(level))
        both = found.voiced[:n] & voiced[:n]
        loud = level[:n] > level.max() * 0.03
        differ += int((np.abs(np.log2(found.hz[:n][both] / hz[:n][both])) > np.log2(1.2)).sum())
        agree += int((found.voiced[:n] == voiced[:n])[loud].sum())
        n_both, n_loud = n_both + int(both.sum()), n_loud + int(loud.sum())
    assert n_both > 250
    assert differ / n_both < 0.03
    assert agree / n_loud > 0.75
