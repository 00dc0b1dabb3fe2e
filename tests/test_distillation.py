"""Learning from a teacher: what it says, what is kept of it, and that a network comes to say the same."""

from __future__ import annotations

import dataclasses
from pathlib import Path

import numpy as np
import pytest

torch = pytest.importorskip("torch", reason="networks need torch, the extra deep")

from emotone.errors import ConfigError, ExperimentError  # noqa: E402
from emotone.models.distillation import (  # noqa: E402
    Reduction,
    Targets,
    explained,
    frame_loss,
    pooled_loss,
    taught,
)
from emotone.models.examples import Examples, crops  # noqa: E402
from emotone.models.networks import Network, NetworkOptions, n_frames  # noqa: E402
from emotone.models.options import TrainingOptions  # noqa: E402
from emotone.models.training import train  # noqa: E402

RATE = 16_000
LABELS = ("neutral", "sad")


class Ear:
    """A teacher: powers of a few bands 50 times a second, in two layers of very unlike size, and where it is."""

    def __call__(self, signal: np.ndarray) -> np.ndarray:
        count = len(signal) // 320
        spectrum = np.abs(np.fft.rfft(signal[: count * 320].reshape(count, 320)))[:, :160].reshape(count, 8, 20)
        bands = np.log10(spectrum.mean(axis=2) + 1e-3)
        place = np.sin(np.arange(count) / 7)[:, None]
        return np.hstack([bands, 100 * bands[:, ::-1] ** 2]) + 30 * place


def whistles(rng, n=24):
    """Notes that come and go, so that each frame has something to tell."""
    signals = []
    for _ in range(n):
        pitch = np.repeat(rng.uniform(200, 6000, 12), 1600)[: int(rng.uniform(0.6, 1.2) * RATE)]
        signals.append((0.2 * np.sin(2 * np.pi * np.cumsum(pitch) / RATE)).astype(np.float32))
    return signals


@pytest.fixture
def lesson(rng, tmp_path):
    signals = whistles(rng)
    reduction = Reduction.fit([taught(Ear(), signal) for signal in signals], n_components=6, layers=2)
    return signals, reduction, Targets.listen(Ear(), reduction, signals, tmp_path / "targets.npy")


# --- what the teacher says ---


@pytest.mark.parametrize("n_samples", [700, 9600, 9601, 9999, 16_000])
def test_what_is_said_has_the_network_s_frames(rng, n_samples):
    signal = rng.normal(0, 0.1, n_samples).astype(np.float32)
    said = taught(Ear(), signal)
    assert said.shape == (n_frames(n_samples), 16)
    if n_samples == 9600:
        np.testing.assert_allclose(said[3], Ear()(signal)[6:8].mean(axis=0), rtol=1e-5)
    shorts = np.rint(signal * 32_768).astype(np.int16)
    np.testing.assert_allclose(taught(Ear(), shorts), said, atol=2)


@pytest.mark.parametrize(
    ("teacher", "message"),
    [
        (lambda signal: np.zeros((10, 4)), r"about 50 of 1\.00 s; this one gave the shape \(10, 4\)"),
        (lambda signal: np.zeros(50), "gave the shape"),
        (lambda signal: np.full((50, 4), np.nan), "NaN or infinity"),
    ],
)
def test_teachers_that_can_not_be_followed(teacher, message):
    with pytest.raises(ExperimentError, match=message):
        taught(teacher, np.zeros(RATE, np.float32))


def test_the_reduction_balances_layers_and_whitens_by_the_fourth_root(rng):
    clips = [rng.normal(size=(40, 3)) @ rng.normal(size=(3, 6)) * [1, 1, 1, 50, 50, 50] for _ in range(30)]
    clips = [np.asarray(clip + rng.normal(size=clip.shape) * 0.01, np.float32) for clip in clips]
    reduction = Reduction.fit(clips, n_components=6, layers=2, positions=10)
    together = np.concatenate([reduction(clip) for clip in clips])
    np.testing.assert_allclose((together**2).mean(axis=0), reduction.spread, rtol=0.02, atol=1e-6)
    np.testing.assert_allclose(reduction.spread, reduction.variance**0.5)
    assert (np.diff(reduction.variance) <= 0).all()
    layers = (np.concatenate(clips) * reduction.scale).reshape(-1, 2, 3).var(axis=(0, 2))
    assert layers[0] == pytest.approx(layers[1], rel=0.1)


def test_where_a_frame_is_does_not_count():
    rng = np.random.default_rng(1)
    place = 10 * rng.normal(size=(30, 4))
    clips = [np.asarray(rng.normal(size=(n, 4)) + place[:n], np.float32) for n in rng.integers(10, 30, 200)]
    reduction = Reduction.fit(clips, n_components=4, positions=30)
    first = np.array([reduction(clip)[0] for clip in clips]).mean(axis=0)
    assert np.abs(first).max() < 1e-4
    assert reduction.variance.max() < 2, "what is left is the noise"
    longer = reduction(np.zeros((50, 4), np.float32))
    np.testing.assert_allclose(longer[40], longer[49])


def test_a_reduction_can_be_saved(lesson, tmp_path):
    _, reduction, _ = lesson
    reduction.save(tmp_path / "reduction.npz")
    loaded = Reduction.load(tmp_path / "reduction.npz")
    for part in dataclasses.fields(Reduction):
        assert np.array_equal(getattr(loaded, part.name), getattr(reduction, part.name))
    with pytest.raises(ConfigError, match="There is no file"):
        Reduction.load(Path("none.npz"))


def test_reductions_that_can_not_be():
    clip = np.zeros((5, 4), np.float32)
    with pytest.raises(ExperimentError, match="at least one recording"):
        Reduction.fit([])
    with pytest.raises(ConfigError, match="1 to 4 components, not 9"):
        Reduction.fit([clip], n_components=9)
    with pytest.raises(ConfigError, match="divides them, not 3"):
        Reduction.fit([clip], n_components=2, layers=3)


# --- targets and losses ---


def test_targets_lie_on_disk_and_follow_the_crops(lesson, rng):
    signals, reduction, targets = lesson
    assert isinstance(targets.frames, np.memmap)
    assert len(targets) == len(signals)
    whole = reduction(taught(Ear(), signals[3]))
    np.testing.assert_allclose(targets.of(3, 4, 5), whole[4:9], atol=2e-3 * np.abs(whole).max())
    assert len(targets.of(3, len(whole) - 2, 5)) == 2
    examples = Examples.of(signals, [None] * len(signals), LABELS, targets=targets)
    cut = crops(examples, np.array([3]), 3200, rng)
    first = next(i for i in range(20) if np.array_equal(signals[3][i * 640 : i * 640 + 3200], cut.signals[0]))
    np.testing.assert_array_equal(cut.targets[0], targets.of(3, first, 5))
    assert cut.known.all()


def test_a_transform_that_moves_time_is_refused(lesson, rng):
    signals, _, targets = lesson
    options = TrainingOptions(transforms=({"name": "speed", "factor": 1.2, "share": 1.0},))
    examples = Examples.of(signals, [""] * len(signals), LABELS, targets=targets)
    with pytest.raises(ConfigError, match="'speed' changes how long a crop is"):
        crops(examples, np.arange(4), 3200, rng, options.made_transforms())


def test_losses_are_one_for_a_network_that_says_nothing_and_zero_for_the_teacher(rng):
    spread = np.array([4.0, 1.0], np.float32)
    given = torch.from_numpy((rng.normal(size=(64, 50, 2)) * np.sqrt(spread)).astype(np.float32))
    mask = torch.ones(64, 50, dtype=torch.bool)
    mask[:, 30:] = False
    wild = given + 100 * (~mask)[..., None]  # what is masked must not matter
    nothing = torch.zeros_like(given)
    assert frame_loss(nothing, wild, mask, torch.from_numpy(spread)).item() == pytest.approx(1, abs=0.1)
    assert frame_loss(given, wild, mask, torch.from_numpy(spread)).item() == 0
    assert pooled_loss(given, wild, mask, torch.from_numpy(spread)).item() == 0
    assert pooled_loss(nothing, wild, mask, torch.from_numpy(spread)).item() > 0.5
    assert pooled_loss(given, wild, mask & False, torch.from_numpy(spread)).item() == 0
    flat = given.reshape(-1, 2).numpy()
    assert explained(flat, flat, spread) == 1
    assert explained(0 * flat, flat, spread) == pytest.approx(0, abs=0.1)


def test_a_network_comes_to_say_what_the_teacher_says(lesson):
    signals, _, targets = lesson
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(0)
        network = Network(NetworkOptions(width=32, layers=1, heads=2, kernel=3, n_mels=32, targets=6), len(LABELS))
    options = TrainingOptions(
        epochs=20,
        batch=6,
        seconds=0.6,
        learning_rate=5e-3,
        average=0.9,
        augment=0.2,
        mask_bands=0,
        mask_frames=0,
        device="cpu",
        precision="float32",
    )
    emotions = [LABELS[i % 2] if i < 8 else None for i in range(len(signals))]
    examples = Examples.of(signals, emotions, LABELS, targets=targets)
    trained = train(network, examples, options, held_out=Examples.of(signals, [""] * 24, LABELS, targets=targets))
    first, last = trained.history[0], trained.history[-1]
    for part in ("loss_frames", "loss_pooled", "loss_held_out"):
        assert last[part] < 0.7 * first[part], part
    assert {"loss", "loss_labels", "loss_frames", "loss_pooled", "loss_held_out", "epoch"} == set(last)
    imitated, wanted = [], []
    with torch.inference_mode():
        for i, signal in enumerate(signals):
            mel, mask = trained.network.logmel(torch.from_numpy(signal)[None])
            imitated.append(trained.network.imitate(trained.network.trunk(mel, mask)[0])[0].numpy())
            wanted.append(targets.of(i, 0, 1000))
    assert explained(np.concatenate(imitated), np.concatenate(wanted), targets.spread) > 0.25


def test_rows_without_a_label_teach_no_label(lesson, rng):
    examples = Examples.of([np.zeros(640, np.float32)] * 3, ["sad", None, ""], LABELS)
    assert examples.labelled.tolist() == [True, False, False]
    assert examples.some(np.array([0])).labels.tolist() == [[0, 1]]
