"""`features.spectrum` against librosa and scipy."""

from __future__ import annotations

import numpy as np
import pytest

from emotone.features import spectrum

librosa = pytest.importorskip("librosa")
windows = pytest.importorskip("scipy.signal")
fft = pytest.importorskip("scipy.fft")


@pytest.fixture
def noise(rng: np.random.Generator) -> np.ndarray:
    return (0.1 * rng.standard_normal(20_000)).astype(np.float32)


@pytest.mark.parametrize("length", [16, 400, 2048])
def test_hann_is_scipys(length: int) -> None:
    assert np.array_equal(spectrum.hann(length), windows.get_window("hann", length))
    assert not spectrum.hann(length).flags.writeable


def test_frames_share_memory_and_leave_out_the_rest(noise: np.ndarray) -> None:
    cut = spectrum.frames(noise[:1000], length=400, hop=160)
    assert cut.shape == (4, 400)
    assert np.shares_memory(cut, noise)
    assert np.array_equal(cut[3], noise[480:880])
    assert spectrum.frames(noise[:399], length=400, hop=160).shape == (0, 400)


@pytest.mark.parametrize("n_samples", [1, 511, 512, 2047, 2048, 2049, 9_000, 20_000])
def test_magnitudes_are_librosas_at_any_length(noise: np.ndarray, n_samples: int) -> None:
    signal = noise[:n_samples]
    padded = np.pad(signal, 1024)  # librosa warns of signals shorter than a frame
    theirs = np.abs(librosa.stft(padded, center=False)).T
    ours = spectrum.magnitudes(signal)
    assert ours.shape == theirs.shape == (spectrum.n_frames(n_samples), 1025)
    assert ours.dtype == np.float32
    assert np.array_equal(ours, theirs)


@pytest.mark.parametrize(("n_fft", "hop"), [(512, 160), (1024, 256), (400, 160)])
def test_magnitudes_with_other_frames(noise: np.ndarray, n_fft: int, hop: int) -> None:
    theirs = np.abs(librosa.stft(noise, n_fft=n_fft, hop_length=hop)).T
    assert np.array_equal(spectrum.magnitudes(noise, n_fft=n_fft, hop=hop), theirs)


@pytest.mark.parametrize(
    "options",
    [
        {"rate": 16_000},
        {"rate": 48_000},
        {"rate": 16_000, "n_mels": 40, "n_fft": 512, "fmin": 50.0, "fmax": 7_600.0},
        {"rate": 22_050, "n_mels": 26, "htk": True},
    ],
)
def test_mel_filters_are_librosas(options: dict[str, float]) -> None:
    rate = options.pop("rate")
    theirs = librosa.filters.mel(sr=rate, **{"n_fft": 2048, **options})
    assert np.array_equal(spectrum.mel_filters(rate, **options), theirs)


@pytest.mark.parametrize("htk", [False, True])
def test_mel_scale_goes_there_and_back(htk: bool) -> None:
    hz = np.array([0.0, 60.0, 999.0, 1000.0, 1001.0, 7_900.0])
    mel = np.array([spectrum.hz_to_mel(value, htk=htk) for value in hz])
    assert mel == pytest.approx(librosa.hz_to_mel(hz, htk=htk))
    assert spectrum.mel_to_hz(mel, htk=htk) == pytest.approx(hz)


@pytest.mark.parametrize("n_samples", [100, 4_000, 12_000, 25_000, 60_000, 120_000])
@pytest.mark.parametrize("rate", [8_000, 16_000, 48_000])
def test_mel_spectrum_in_pieces_is_the_whole_product(rng: np.random.Generator, n_samples: int, rate: int) -> None:
    power = np.square(spectrum.magnitudes(rng.standard_normal(n_samples).astype(np.float32)))
    whole = spectrum.mel_filters(rate).astype(np.float64) @ power.T.astype(np.float64)
    np.testing.assert_allclose(spectrum.mel_spectrum(power, rate), whole, rtol=2e-6)


def test_mel_spectrum_of_other_filters(noise: np.ndarray) -> None:
    power = np.square(spectrum.magnitudes(noise, n_fft=512, hop=160))
    theirs = librosa.feature.melspectrogram(
        y=noise, sr=16_000, n_fft=512, hop_length=160, n_mels=40, fmin=60.0, fmax=7_000.0
    )
    ours = spectrum.mel_spectrum(power, 16_000, n_mels=40, fmin=60.0, fmax=7_000.0)
    np.testing.assert_allclose(ours, theirs, rtol=2e-6)


@pytest.mark.parametrize("top_db", [80.0, None])
def test_decibels_are_librosas(noise: np.ndarray, top_db: float | None) -> None:
    power = np.append(np.square(noise), np.float32(0.0))
    before = power.copy()
    assert np.array_equal(spectrum.power_to_db(power, top_db=top_db), librosa.power_to_db(power, top_db=top_db))
    assert np.array_equal(power, before)


def test_dct_matrix_is_scipys_transform(rng: np.random.Generator) -> None:
    values = rng.standard_normal((40, 5))
    theirs = fft.dct(values, axis=0, norm="ortho")[:13]
    np.testing.assert_allclose(spectrum.dct_matrix(13, 40) @ values, theirs, atol=1e-12)
