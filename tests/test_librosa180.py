"""`features.librosa180` against the tutorial's recipe with librosa."""

from __future__ import annotations

import os
import subprocess
import sys
import warnings
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest

from emotone import audio
from emotone.errors import AudioError, ConfigError
from emotone.features import librosa180, spectrum
from emotone.features.librosa180 import Librosa180
from emotone.synthetic import speech

librosa = pytest.importorskip("librosa")
threadpoolctl = pytest.importorskip("threadpoolctl")

EVERY = 1 if os.environ.get("EMOTONE_EVERY_FILE") else 8
"""Compare every eighth file of RAVDESS, or all with EMOTONE_EVERY_FILE=1."""


@pytest.fixture(autouse=True)
def one_thread() -> Iterator[None]:
    """librosa's last bits depend on the number of BLAS threads."""
    with threadpoolctl.threadpool_limits(1):
        yield


def recipe(signal: np.ndarray, rate: int) -> np.ndarray:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # of signals shorter than a frame, and of silence without pitches
        magnitude = np.abs(librosa.stft(signal))
        mfcc = np.mean(librosa.feature.mfcc(y=signal, sr=rate, n_mfcc=40).T, axis=0)
        chroma = np.mean(librosa.feature.chroma_stft(S=magnitude, sr=rate).T, axis=0)
        mel = np.mean(librosa.feature.melspectrogram(y=signal, sr=rate).T, axis=0)
    return np.hstack([mfcc, chroma, mel])


def assert_librosas(signal: np.ndarray, rate: int) -> None:
    """To 1e-5, with 1e-5 dB for MFCCs around zero: their last digits are rounding, which depends on the BLAS.

    (With OpenBLAS on AVX-512 they are equal to the last bit.)
    """
    ours, theirs = Librosa180(rate)(signal), recipe(signal, rate)
    assert ours.shape == (180,)
    assert ours.dtype == np.float32
    np.testing.assert_allclose(ours[:40], theirs[:40], rtol=1e-5, atol=1e-5)
    np.testing.assert_allclose(ours[40:], theirs[40:], rtol=1e-5, atol=0)


@pytest.mark.parametrize("rate", [8_000, 16_000, 22_050, 44_100, 48_000])
def test_speech_at_every_usual_rate(rng: np.random.Generator, rate: int) -> None:
    assert_librosas(speech("happy", 3, rng=rng, seconds=3.1, rate=rate), rate)


@pytest.mark.parametrize("n_samples", [1, 2, 100, 511, 512, 2_047, 2_048, 2_049, 5_120, 12_345])
def test_signals_around_and_below_one_frame(rng: np.random.Generator, n_samples: int) -> None:
    assert_librosas((0.1 * rng.standard_normal(n_samples)).astype(np.float32), 16_000)


SAMPLES = np.arange(24_000)
ODD = {
    "silence": np.zeros(24_000),
    "speech after silence": np.where(SAMPLES < 12_000, 0, np.sin(SAMPLES / 7)),
    "direct current": np.ones(24_000),
    "an impulse": (SAMPLES == 10_000).astype(float),
    "a full-scale square": np.sign(np.sin(SAMPLES / 20)),
    "next to nothing": 1e-12 * np.sin(SAMPLES / 9),
    "a pure tone between two bins": 0.3 * np.sin(2 * np.pi * 443.7 * SAMPLES / 16_000),
}


@pytest.mark.parametrize("what", ODD)
def test_odd_signals(what: str) -> None:
    assert_librosas(ODD[what].astype(np.float32), 16_000)


@pytest.mark.corpus
def test_ravdess(data: Path) -> None:
    paths = sorted((data / "ravdess").glob("Actor_*/*"))[::EVERY]
    assert len(paths) >= 180 // EVERY
    for path in paths:
        assert_librosas(audio.load(path), 16_000)


@pytest.mark.parametrize("detune", [-0.42, -0.1, 0.0, 0.23, 0.49])
def test_tuning_is_heard(detune: float) -> None:
    time = np.arange(32_000) / 16_000
    notes = 440.0 * 2 ** ((np.array([-12, -5, 0, 4, 7, 11]) + detune) / 12)
    chord = sum(np.sin(2 * np.pi * note * time) for note in notes) / 10
    magnitude = spectrum.magnitudes(chord.astype(np.float32))
    ours = librosa180.tuning(magnitude, 16_000)
    assert ours == librosa.estimate_tuning(S=magnitude.T, sr=16_000)
    assert ours == pytest.approx(detune, abs=0.03)


@pytest.mark.parametrize("rate", [16_000, 48_000])
@pytest.mark.parametrize("tuning", [-0.5, -0.07, 0.0, 0.31])
def test_chroma_filters_are_librosas(rate: int, tuning: float) -> None:
    theirs = librosa.filters.chroma(sr=rate, n_fft=2048, tuning=tuning)
    np.testing.assert_allclose(librosa180.chroma_filters(rate, tuning), theirs, rtol=1e-6)


def test_names_say_what_each_number_is() -> None:
    names = Librosa180().names
    assert len(names) == len(set(names)) == 180
    assert (names[0], names[39], names[40], names[51], names[52], names[179]) == (
        "mfcc_01",
        "mfcc_40",
        "chroma_01",
        "chroma_12",
        "mel_001",
        "mel_128",
    )
    # an A of 440 Hz: chroma counts from C
    tone = np.sin(2 * np.pi * 440 * np.arange(16_000) / 16_000).astype(np.float32)
    assert names[40 + int(Librosa180()(tone)[40:52].argmax())] == "chroma_10"


def test_the_signal_is_left_alone(rng: np.random.Generator) -> None:
    signal = rng.standard_normal(8_000).astype(np.float32)
    before = signal.copy()
    first = Librosa180()(signal)
    assert np.array_equal(signal, before)
    assert np.array_equal(Librosa180()(signal), first)


def test_no_samples_is_an_error() -> None:
    with pytest.raises(AudioError, match="no samples"):
        Librosa180()(np.empty(0, np.float32))


@pytest.mark.parametrize("rate", [0, 7_999, 192_001, 16_000.0, "16000", True, None])
def test_rates_it_does_not_take(rate: object) -> None:
    with pytest.raises(ConfigError, match="8000 to 192000"):
        Librosa180(rate)  # type: ignore[arg-type]


def test_runs_on_numpy_alone() -> None:
    program = (
        "import sys\n"
        "for name in ('librosa', 'scipy', 'numba', 'sklearn', 'pandas', 'soxr', 'soundfile', 'av'):\n"
        "    sys.modules[name] = None\n"
        "import numpy as np\n"
        "from emotone import features\n"
        "values = features.get('librosa180')(np.ones(16000, np.float32))\n"
        "assert np.isfinite(values).all()\n"
    )
    subprocess.run([sys.executable, "-c", program], check=True)
