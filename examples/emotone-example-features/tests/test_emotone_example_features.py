"""The front-end keeps emotone's promises, and hears the rhythm that is there."""

import numpy as np
import pytest
from emotone_example_features import Rhythm

from emotone.features import FrontEnd


def trembling(hertz):
    """Two seconds of noise whose loudness goes up and down."""
    time = np.arange(32_000) / 16_000
    noise = np.random.default_rng(0).normal(size=32_000)
    return (0.1 * noise * (1.1 + np.sin(2 * np.pi * hertz * time))).astype(np.float32)


def test_it_is_a_front_end():
    rhythm = Rhythm()
    assert isinstance(rhythm, FrontEnd)
    features = rhythm(trembling(4))
    assert features.shape == (len(rhythm.names),) == (10,)
    assert features.dtype == np.float32
    assert np.isfinite(rhythm(np.zeros(100, np.float32))).all()


@pytest.mark.parametrize("hertz", [2, 5, 11])
def test_the_band_of_the_rhythm_is_the_strongest(hertz):
    rhythm = Rhythm()
    strongest = rhythm.names[int(rhythm(trembling(hertz))[:8].argmax())]
    low, high = map(float, strongest.split("_")[1:3])
    assert low <= hertz <= high
