"""The network itself: shapes, masks, options, and what a clip's neighbours in a batch must not do."""

from __future__ import annotations

import numpy as np
import pytest

torch = pytest.importorskip("torch", reason="networks need torch, the extra deep")

from emotone.errors import ConfigError  # noqa: E402
from emotone.features.spectrum import magnitudes, mel_filters  # noqa: E402
from emotone.models.networks import (  # noqa: E402
    SAMPLES_PER_FRAME,
    AttentivePooling,
    LogMel,
    Network,
    NetworkOptions,
    as_stored,
    fourier_kernel,
    n_frames,
    statistics,
)

TINY = NetworkOptions(width=16, layers=1, heads=2, kernel=3, n_mels=16, targets=3)


@pytest.fixture
def network():
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(0)
        return Network(TINY, 4).eval()


def noise(rng, *shape):
    return torch.from_numpy(rng.normal(0, 0.1, shape).astype(np.float32))


def test_the_default_has_the_size_that_is_told():
    count = sum(value.numel() for value in Network(NetworkOptions(), 8).parameters())
    assert 5.3e6 < count < 5.5e6


@pytest.mark.parametrize("n_samples", [1, 159, 160, 639, 640, 641, 16_000, 16_161, 31_999])
def test_frames_are_counted_as_the_trunk_gives_them(network, rng, n_samples):
    signal = noise(rng, 1, max(n_samples, SAMPLES_PER_FRAME))
    lengths = torch.tensor([n_samples])
    mel, mask = network.logmel(signal, lengths)
    frames, mask = network.trunk(mel, mask)
    assert int(mask.sum()) == n_frames(n_samples)
    assert frames.shape == (1, n_frames(signal.shape[1]), 16)
    assert network.answer(network.embed(frames, mask)).shape == (1, 4)
    assert network.imitate(frames).shape == (1, frames.shape[1], 3)


def test_the_log_mel_is_that_of_a_fourier_transform(rng):
    signal = rng.normal(0, 0.1, 4000).astype(np.float32)
    power = magnitudes(signal, n_fft=400, hop=160)[:-1] ** 2 @ mel_filters(16_000, n_fft=400, n_mels=16).T
    level = np.log10(np.maximum(power, 1e-10))
    level = np.maximum(level, level.max() - 6)
    mel, mask = LogMel(16)(torch.from_numpy(signal)[None])
    assert mask.all()
    np.testing.assert_allclose(mel[0].numpy(), (level - level.mean()) / 1.5, atol=1e-4)


def test_the_kernel_is_a_windowed_fourier_transform(rng):
    samples = rng.normal(size=400)
    window = 0.5 - 0.5 * np.cos(2 * np.pi * np.arange(400) / 400)
    wanted = np.fft.rfft(samples * window)
    got = samples @ fourier_kernel()
    np.testing.assert_allclose(got[:201] + 1j * got[201:], wanted, atol=1e-4)


def test_how_loud_a_clip_is_does_not_count(network, rng):
    signal = noise(rng, 1, 8000)
    torch.testing.assert_close(network(signal), network(signal * 0.1), atol=1e-4, rtol=0)


def test_a_clip_is_heard_alike_alone_and_among_longer_ones(network, rng):
    lengths = torch.tensor([9000, 5333, 1200])
    signals = noise(rng, 3, 9000) * (torch.arange(9000) < lengths[:, None])
    together = network(signals, lengths)
    for i, length in enumerate(lengths):
        torch.testing.assert_close(together[i], network(signals[i : i + 1, :length])[0], atol=1e-5, rtol=0)


def test_what_lies_behind_the_end_moves_nothing(network, rng):
    """Through a gradient, which misses no path: sound before the end has one, sound behind it has none."""
    signals = noise(rng, 2, 6400).requires_grad_()
    network(signals, torch.tensor([6400, 3200])).sum().backward()
    # A frame reaches 200 samples over the end, where there are zeros in a clip that is alone.
    assert signals.grad[1, :3000].abs().sum() > 0
    assert signals.grad[1, 3400:].abs().sum() == 0


def test_silence_gives_numbers(network):
    assert torch.isfinite(network(torch.zeros(1, 8000))).all()


def test_untrained_attention_weighs_all_frames_alike(rng):
    frames, mask = noise(rng, 2, 7, 16), torch.ones(2, 7, dtype=torch.bool)
    mask[1, 4:] = False
    pooled = AttentivePooling(16)(frames, mask)
    torch.testing.assert_close(pooled[1, :16], frames[1, :4].mean(0))
    even = torch.full((2, 7, 1), 1 / 7)
    torch.testing.assert_close(pooled[0], statistics(frames, even)[0])


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"width": 0}, "width of a network is a whole number of 2"),
        ({"width": 250}, "even multiple of its 4 heads, such as 256, not 250"),
        ({"layers": 1.5}, "layers of a network is a whole number"),
        ({"kernel": 8}, "odd number of frames, such as 9, not 8"),
        ({"dropout": 1}, "dropout of a network goes from 0 to below 1, not 1"),
        ({"head_dropout": True}, "head_dropout"),
        ({"targets": -1}, "targets"),
        ({"storage": "int"}, "Unknown storage of a network 'int'. Did you mean 'int8'"),
    ],
)
def test_options_that_can_not_be(options, message):
    with pytest.raises(ConfigError, match=message):
        NetworkOptions(**options)


def test_without_targets_nobody_is_imitated(rng):
    network = Network(NetworkOptions(width=16, layers=1, heads=2), 2)
    with pytest.raises(ConfigError, match="no teacher to imitate"):
        network.imitate(noise(rng, 1, 3, 16))


@pytest.mark.parametrize(("storage", "most"), [("float32", 0), ("float16", 2**-11), ("int8", 0.5 / 127)])
def test_as_stored_rounds_matrices_and_nothing_else(storage, most):
    torch.manual_seed(0)
    network = Network(NetworkOptions(width=64, layers=1), 4)
    kept = as_stored(network, storage)
    assert kept.options.storage == storage
    touched = 0
    for (name, ours), stored in zip(network.named_parameters(), kept.parameters(), strict=True):
        largest = ours.abs().amax(tuple(range(1, ours.ndim)), keepdim=True) if ours.ndim > 1 else ours.abs()
        assert ((ours - stored).abs() <= most * largest * 1.001 + 1e-8).all(), name
        if ours.numel() <= 1024:
            assert (ours == stored).all(), name
        touched += int((ours != stored).any())
    assert (touched > 0) == (storage != "float32")
