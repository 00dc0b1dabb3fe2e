"""`emotone.augment.codecs`: the real encoders, in time, in band, and with the quality their bit rate allows."""

from __future__ import annotations

import numpy as np
import pytest

from emotone import augment, synthetic
from emotone.augment.codecs import CODINGS, _encoded
from emotone.errors import ConfigError

RATE = 16_000
NARROW = {"ulaw", "alaw", "amr"}


@pytest.fixture(scope="module")
def voice() -> np.ndarray:
    return synthetic.speech("angry", 1, rng=np.random.default_rng(3), seconds=2.0)


def coded(signal: np.ndarray, **options: object) -> np.ndarray:
    return augment.get("codec", **options)(signal, np.random.default_rng(0))


def lag(a: np.ndarray, b: np.ndarray) -> int:
    n = len(a)
    product = np.fft.irfft(np.fft.rfft(b, 2 * n) * np.conj(np.fft.rfft(a, 2 * n)))
    best = int(np.argmax(product))
    return best if best < n else best - 2 * n


def likeness(a: np.ndarray, b: np.ndarray) -> float:
    return float(np.corrcoef(a, b)[0, 1])


@pytest.mark.parametrize("coding", CODINGS)
def test_what_comes_back_is_the_same_voice_in_time(voice, coding):
    heard = coded(voice, coding=coding)
    assert len(heard) == len(voice)
    assert abs(lag(voice, heard)) <= 2  # an eighth of a millisecond
    assert 0.6 < likeness(voice, heard) < 0.99999
    # The end comes out too, not just what filled the encoder's last whole frame.
    assert likeness(voice[-4000:], heard[-4000:]) > 0.5


@pytest.mark.parametrize("coding", sorted(NARROW))
def test_telephone_codings_hold_four_kilohertz(coding):
    hiss = np.random.default_rng(0).normal(0, 0.1, 2 * RATE).astype(np.float32)
    spectrum = np.abs(np.fft.rfft(coded(hiss, coding=coding))) ** 2
    share = spectrum[4200 * 2 :].sum() / spectrum.sum()
    assert share < 1e-3


@pytest.mark.parametrize(
    ("coding", "low", "high"), [("mp3", 8, 64), ("opus", 6, 32), ("aac", 12, 64), ("amr", 4.75, 12.2)]
)
def test_more_bits_leave_more(voice, coding, low, high):
    assert likeness(voice, coded(voice, coding=coding, kbps=low)) < likeness(
        voice, coded(voice, coding=coding, kbps=high)
    )


@pytest.mark.parametrize(
    ("coding", "kbps"), [("mp3", 32), ("aac", 32), ("opus", 24), ("amr", 7.4), ("ulaw", 64), ("g722", 64)]
)
def test_the_encoder_keeps_to_the_bit_rate(voice, coding, kbps):
    """Opus varies its rate with the sound; a cap is all it promises."""
    fact = CODINGS[coding]
    samples = np.tile(voice, 3)[:: RATE // fact.rate]
    packets, _ = _encoded(samples, fact, kbps)
    found = sum(packet.size for packet in packets) * 8 / (len(samples) / fact.rate) / 1000
    assert 0.4 * kbps < found < 1.15 * kbps


def test_g711_is_the_standards_companding():
    """Mu-law of a full-scale ramp has 8 segments of 16 steps on each side (ITU-T G.711): steps grow with the level."""
    from emotone.augment.codecs import _decoded

    ramp = np.linspace(-1, 1, 8001, dtype=np.float32)
    for coding in ("ulaw", "alaw"):
        samples, rate = _decoded(_encoded(ramp, CODINGS[coding], 64), CODINGS[coding])
        levels = np.unique(samples)
        assert rate == 8000
        assert 250 <= len(levels) <= 256
        steps = np.diff(levels[levels > 0])
        assert steps[-1] / steps[0] >= 32


def test_what_exceeds_full_scale_is_clipped(voice):
    loud = voice / np.abs(voice).max() * np.float32(3)
    assert likeness(np.clip(loud, -1, 1), coded(loud, coding="ulaw")) > likeness(loud, coded(loud, coding="ulaw"))


def test_bit_rates_have_ranges_or_lists():
    with pytest.raises(ConfigError, match=r"kbps of the augmentation 'codec mp3' goes from 8 to 160 kbit/s, not 4\."):
        augment.get("codec", coding="mp3", kbps=4)
    with pytest.raises(ConfigError, match=r"'amr' has 4.75, .*12.2 kbit/s, not 8\."):
        augment.get("codec", coding="amr", kbps=8)
    with pytest.raises(ConfigError, match=r"Did you mean 'opus'\?"):
        augment.get("codec", coding="opos")
    with pytest.raises(ConfigError, match="goes from 6 to 128 kbit/s, not 'high'"):
        augment.get("codec", coding="opus", kbps="high")
    assert augment.get("codec", coding="opus").kbps == 16
    assert augment.get("codec", coding="ulaw").kbps == 64
