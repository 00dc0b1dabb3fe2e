"""`features.opensmile`: openSMILE's numbers, without its wrap at full scale."""

from __future__ import annotations

import re

import numpy as np
import pytest

from emotone import features
from emotone.errors import AudioError
from emotone.features.opensmile import FULL_SCALE, SHORTEST
from emotone.synthetic import speech

opensmile = pytest.importorskip("opensmile")

NAMES = ["egemaps", "compare"]


@pytest.fixture
def signal(rng: np.random.Generator) -> np.ndarray:
    voice = speech("sad", 2, rng=rng, seconds=2.0)
    return voice * np.float32(0.8 / np.abs(voice).max())


def opensmiles_own(name: str, signal: np.ndarray) -> np.ndarray:
    kind = {"egemaps": opensmile.FeatureSet.eGeMAPSv02, "compare": opensmile.FeatureSet.ComParE_2016}[name]
    return opensmile.Smile(feature_set=kind).process_signal(signal, 16_000).to_numpy()[0]


@pytest.mark.parametrize("name", NAMES)
def test_the_numbers_are_opensmiles(name: str, signal: np.ndarray) -> None:
    assert np.array_equal(features.get(name)(signal), opensmiles_own(name, signal))


@pytest.mark.parametrize("name", NAMES)
def test_a_full_scale_sample_does_not_wrap(name: str, signal: np.ndarray) -> None:
    frontend = features.get(name)
    full, below = signal.copy(), signal.copy()
    full[10_000:10_003] = [1.0, 1.2, -1.3]
    below[10_000:10_003] = [FULL_SCALE, FULL_SCALE, -1.0]
    assert np.array_equal(frontend(full), frontend(below))
    wrapped = opensmiles_own(name, np.where(full == 1.0, full, signal))
    assert (np.abs(wrapped - frontend(full)) > 0.01 * np.abs(wrapped)).sum() > 5  # so there is something to avoid


@pytest.mark.parametrize("name", NAMES)
def test_too_short_is_an_error(name: str, signal: np.ndarray) -> None:
    shortest = round(SHORTEST * 16_000)
    assert np.isfinite(features.get(name)(signal[:shortest])).all()
    for n_samples in (shortest - 1, 1, 0):
        with pytest.raises(AudioError, match="60 ms"):
            features.get(name)(signal[:n_samples])


@pytest.mark.parametrize("name", NAMES)
def test_silence_has_features(name: str) -> None:
    assert np.isfinite(features.get(name)(np.zeros(16_000, np.float32))).all()


@pytest.mark.parametrize("name", NAMES)
def test_the_licence_is_said_aloud(name: str) -> None:
    import emotone.features.opensmile as module

    assert re.search("research.*commercial", features.get(name).licence_note)
    assert "not free software" in module.__doc__
