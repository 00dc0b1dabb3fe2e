"""The loop: losses go down, what is masked stays untouched, equal seeds give equal numbers, stopped trainings go on."""

from __future__ import annotations

import dataclasses

import numpy as np
import pytest

torch = pytest.importorskip("torch", reason="networks need torch, the extra deep")

from emotone import models  # noqa: E402
from emotone.errors import ConfigError, ExperimentError  # noqa: E402
from emotone.models import training  # noqa: E402
from emotone.models.calibration import temperature  # noqa: E402
from emotone.models.examples import Examples, batches, crops, n_steps, soft_labels  # noqa: E402
from emotone.models.networks import Network, NetworkOptions  # noqa: E402
from emotone.models.objective import class_weights, label_loss  # noqa: E402
from emotone.models.options import TrainingOptions  # noqa: E402
from emotone.models.perturbation import by_telephone, masked, perturb  # noqa: E402
from emotone.models.training import logits_of, rate_factor, train  # noqa: E402

RATE = 16_000
TINY = NetworkOptions(width=16, layers=1, heads=2, kernel=3, n_mels=16, dropout=0.1)
QUICK = TrainingOptions(
    epochs=3, batch=8, seconds=0.4, learning_rate=3e-3, average=0.9, device="cpu", precision="float32"
)
SHAPE = {"width": 16, "layers": 1, "heads": 2, "kernel": 3, "n_mels": 16}
PLAIN = {"batch": 8, "seconds": 0.4, "device": "cpu", "precision": "float32", "average": 0.9, "learning_rate": 5e-3}


def tones(rng, n=48, seconds=(0.3, 0.8)):
    """Noisy tones: three "emotions" that differ in pitch, six speakers."""
    y = np.arange(n) % 3
    signals = []
    for label in y:
        time = np.arange(int(rng.uniform(*seconds) * RATE)) / RATE
        tone = np.sin(2 * np.pi * (300, 900, 2500)[label] * rng.uniform(0.9, 1.1) * time)
        signals.append((0.1 * tone + 0.02 * rng.normal(size=len(time))).astype(np.float32))
    speakers = np.array([f"s{i // 3 % 6}" for i in range(n)])
    return signals, np.array(["angry", "happy", "sad"])[y], speakers


def examples_of(signals, y):
    classes, codes = np.unique(y, return_inverse=True)
    labels = np.eye(len(classes), dtype=np.float32)[codes]
    return Examples(signals, labels, np.ones(labels.shape, bool))


def fresh(seed=0, n_labels=3):
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        return Network(TINY, n_labels)


def parameters(network):
    return torch.cat([value.flatten() for value in network.state_dict().values()])


# --- the loop ---


def test_the_loss_goes_down_and_the_curve_is_kept(rng):
    signals, y, _ = tones(rng)
    steps = []
    options = dataclasses.replace(QUICK, epochs=8)
    trained = train(fresh(), examples_of(signals, y), options, progress=lambda *at: steps.append(at))
    losses = [record["loss"] for record in trained.history]
    assert losses[-1] < 0.7 * losses[0]
    assert [record["epoch"] for record in trained.history] == list(range(1, 9))
    assert steps[-1][0] == steps[-1][1] == 8 * n_steps(examples_of(signals, y), 8, options.crop)
    assert not trained.network.training


def test_equal_seeds_give_equal_networks_and_others_others(rng):
    signals, y, _ = tones(rng, 16)
    options = dataclasses.replace(QUICK, epochs=2)
    first, again, other = (train(fresh(), examples_of(signals, y), options, seed=seed) for seed in (1, 1, 2))
    assert torch.equal(parameters(first.network), parameters(again.network))
    assert not torch.equal(parameters(first.network), parameters(other.network))


def test_each_step_draws_anew(rng):
    """With a learning rate of 0 the same clip has another loss each time, for it is cut and perturbed anew."""
    signals, y, _ = tones(rng, 8)
    one = examples_of(signals, y).some(np.array([0]))
    trained = train(fresh(), one, dataclasses.replace(QUICK, epochs=4, learning_rate=0))
    assert len({record["loss"] for record in trained.history}) == 4


def test_training_leaves_the_global_generator_alone(rng):
    signals, y, _ = tones(rng, 9)
    before = torch.random.get_rng_state()
    train(fresh(), examples_of(signals, y), dataclasses.replace(QUICK, epochs=1))
    assert torch.equal(before, torch.random.get_rng_state())


class StopError(Exception):
    pass


def test_a_training_that_was_stopped_goes_on_to_the_same_bits(rng, tmp_path):
    signals, y, _ = tones(rng, 24)
    data, held_out = examples_of(signals[:18], y[:18]), examples_of(signals[18:], y[18:])
    whole = train(fresh(), data, QUICK, held_out=held_out)

    def stop_in_the_second_epoch(done, total):
        if done == n_steps(data, QUICK.batch, QUICK.crop) + 1:
            raise StopError

    checkpoint = tmp_path / "deep" / "checkpoint.npz"
    with pytest.raises(StopError):
        train(fresh(), data, QUICK, held_out=held_out, checkpoint=checkpoint, progress=stop_in_the_second_epoch)
    assert checkpoint.exists()
    resumed = train(fresh(), data, QUICK, held_out=held_out, checkpoint=checkpoint)
    assert torch.equal(parameters(whole.network), parameters(resumed.network))
    assert resumed.history == whole.history
    assert resumed.best_epoch == whole.best_epoch
    done = []
    train(fresh(), data, QUICK, held_out=held_out, checkpoint=checkpoint, progress=lambda *at: done.append(at))
    assert len(done) == 1, "nothing was left to do"


def test_a_checkpoint_of_another_training_is_refused(rng, tmp_path):
    signals, y, _ = tones(rng, 9)
    data, options = examples_of(signals, y), dataclasses.replace(QUICK, epochs=1)
    train(fresh(), data, options, checkpoint=tmp_path / "c.npz")
    with pytest.raises(ConfigError, match="other data, options or seed"):
        train(fresh(), data, options, seed=1, checkpoint=tmp_path / "c.npz")
    signals[0] = signals[0] * 0.5
    with pytest.raises(ConfigError, match="other data, options or seed"):
        train(fresh(), examples_of(signals, y), options, checkpoint=tmp_path / "c.npz")


def test_a_loss_that_is_not_finite_ends_in_a_sentence_and_leaves_the_checkpoint(rng, tmp_path):
    signals, y, _ = tones(rng, 16)
    checkpoint = tmp_path / "c.npz"
    data = examples_of(signals, y)
    network, first = fresh(), n_steps(data, QUICK.batch, QUICK.crop)

    def poison(done, total):
        if done == first + 1:
            with torch.no_grad():
                network.labels.weight.fill_(float("nan"))

    with pytest.raises(ExperimentError, match=r"epoch 2: use a learning_rate below 0.003.*of epoch 1, is .*c\.npz"):
        train(network, data, QUICK, checkpoint=checkpoint, progress=poison)
    resumed = train(fresh(), data, QUICK, checkpoint=checkpoint)
    assert torch.isfinite(parameters(resumed.network)).all()


def test_too_little_memory_ends_in_a_sentence(rng):
    signals, y, _ = tones(rng, 9)

    def full(done, total):
        raise torch.OutOfMemoryError("CUDA out of memory. Tried to allocate 20 GiB")

    with pytest.raises(ExperimentError, match=r"enough memory for a batch of 8 crops of 0.4 s: use a batch of 4"):
        train(fresh(), examples_of(signals, y), QUICK, progress=full)

    def broken(done, total):
        raise RuntimeError("another fault")

    with pytest.raises(RuntimeError, match="another fault"):
        train(fresh(), examples_of(signals, y), QUICK, progress=broken)


def test_the_best_epoch_of_the_held_out_speakers_is_kept(rng, monkeypatch):
    signals, y, _ = tones(rng, 9)
    data = examples_of(signals, y)
    scores = iter([0.4, 0.6, 0.5, 0.3, 0.2])
    seen = []

    def score(network, held_out, options):
        seen.append(parameters(network).clone())
        return {"uar": next(scores), "nll": 1.0}

    monkeypatch.setattr(training, "scores_of", score)
    trained = train(fresh(), data, dataclasses.replace(QUICK, epochs=5, patience=2), held_out=data)
    assert trained.best_epoch == 2
    assert len(trained.history) == 4, "patience is over after two epochs without a better one"
    assert torch.equal(parameters(trained.network), seen[1])


def test_a_frozen_trunk_stays(rng):
    signals, y, _ = tones(rng, 9)
    options = dataclasses.replace(QUICK, epochs=1, trunk_rate=0.0)
    trained = train(fresh(), examples_of(signals, y), options)
    for name, value in fresh().state_dict().items():
        moved = not torch.equal(value, trained.network.state_dict()[name])
        assert moved != name.startswith("trunk."), name


def test_the_learning_rate_rises_and_falls():
    rates = [rate_factor(step, 100, 0.1) for step in range(100)]
    assert rates[0] == pytest.approx(0.1)
    assert max(rates) == 1
    assert np.argmax(rates) in (9, 10)
    assert rates[-1] < 0.02
    assert (np.diff(rates[10:]) < 0).all()


# --- losses ---


def test_a_label_that_the_corpus_lacks_gets_no_gradient(rng):
    logits = torch.from_numpy(rng.normal(size=(4, 3)).astype(np.float32)).requires_grad_()
    labels = torch.tensor([[1.0, 0, 0], [0, 1, 0], [0.5, 0.5, 0], [0, 0, 0]])
    allowed = torch.tensor([[True, True, False]] * 3 + [[True, True, True]])
    label_loss(logits, labels, allowed, torch.ones(4)).backward()
    assert (logits.grad[:3, 2] == 0).all()
    assert (logits.grad[3] == 0).all(), "a row without a label teaches nothing"
    assert (logits.grad[:3, :2] != 0).any(1).all()


def test_the_loss_is_the_cross_entropy_over_what_is_allowed():
    logits, labels = torch.tensor([[1.0, 2.0, 50.0]]), torch.tensor([[0.25, 0.75, 0.0]])
    loss = label_loss(logits, labels, torch.tensor([[True, True, False]]), torch.ones(1))
    p = np.exp([1.0, 2.0]) / np.exp([1.0, 2.0]).sum()
    assert float(loss) == pytest.approx(-(0.25 * np.log(p[0]) + 0.75 * np.log(p[1])))


def test_nothing_labelled_is_a_loss_of_nothing():
    logits = torch.ones(2, 3, requires_grad=True)
    loss = label_loss(logits, torch.zeros(2, 3), torch.ones(2, 3, dtype=torch.bool), torch.ones(2))
    loss.backward()
    assert loss.item() == 0
    assert (logits.grad == 0).all()


def test_balance_makes_all_labels_weigh_alike():
    labels = np.eye(2, dtype=np.float32)[[0, 0, 0, 1]]
    everything = np.ones(labels.shape, bool)
    rows = class_weights(labels, everything, 1.0)
    assert rows[:3].sum() == pytest.approx(rows[3])
    assert rows.mean() == pytest.approx(1)
    np.testing.assert_array_equal(class_weights(labels, everything, 0.0), np.ones(4, np.float32))
    assert class_weights(np.zeros((2, 2), np.float32), np.ones((2, 2), bool), 1.0).tolist() == [0, 0]


def test_a_label_that_only_one_corpus_has_is_not_rare_there():
    calm_too = np.eye(3, dtype=np.float32)[[0, 1, 2]]
    without = np.eye(3, dtype=np.float32)[[0, 1] * 50]
    labels = np.concatenate([calm_too, without])
    allowed = np.ones(labels.shape, bool)
    allowed[3:, 2] = False
    np.testing.assert_allclose(class_weights(labels, allowed, 1.0), 1, rtol=1e-6)


def test_examples_have_to_fit_together():
    labels, allowed = np.eye(2, dtype=np.float32), np.ones((2, 2), bool)
    with pytest.raises(ConfigError, match="as many rows of each kind"):
        Examples([np.zeros(10, np.float32)], labels, allowed)
    allowed[0, 0] = False
    with pytest.raises(ConfigError, match="a label that its corpus doesn't have"):
        Examples([np.zeros(10, np.float32)] * 2, labels, allowed)


# --- batches and what happens to them ---


def test_every_clip_is_visited_as_often_as_crops_go_into_it(rng):
    signals = [np.zeros(n, np.int16) for n in (100, 6400, 6401, 12_800, 20_000)]
    data = Examples(signals, np.zeros((5, 2), np.float32), np.ones((5, 2), bool))
    rows = np.concatenate(list(batches(data, 3, 6400, rng)))
    assert np.bincount(rows).tolist() == [1, 1, 1, 2, 3]
    assert n_steps(data, 3, 6400) == 3


def test_crops_are_parts_of_their_clips(rng):
    signals = [np.arange(1, 3000, dtype=np.int16), np.arange(1, 301, dtype=np.int16)]
    data = Examples(signals, np.zeros((2, 2), np.float32), np.ones((2, 2), bool))
    cut = crops(data, np.array([0, 1]), 1280, rng)
    assert cut.lengths.tolist() == [1280, 300]
    first = round(float(cut.signals[0, 0]) * 32_768)
    assert first in (1, 641, 1281)
    np.testing.assert_array_equal(np.rint(cut.signals[0] * 32_768), np.arange(first, first + 1280))
    assert (cut.signals[1, 300:] == 0).all()


def test_transforms_of_augment_are_applied_to_their_share(rng):
    data = Examples([np.full(640, 0.5, np.float32)] * 200, np.zeros((200, 1), np.float32), np.ones((200, 1), bool))
    options = TrainingOptions(transforms=({"name": "gain", "db": -20, "share": 0.3},))
    cut = crops(data, np.arange(200), 640, rng, options.made_transforms())
    changed = np.isclose(cut.signals[:, 0], 0.05)
    assert 40 < changed.sum() < 80
    assert (cut.signals[~changed, 0] == 0.5).all()


def test_perturbations_stay_in_time_and_are_repeatable(rng):
    signals = torch.from_numpy(rng.normal(0, 0.1, (64, 4000)).astype(np.float32))
    first, again = (perturb(signals, np.random.default_rng(5)) for _ in range(2))
    assert torch.equal(first, again)
    assert torch.isfinite(first).all()
    touched = (first != signals).any(1).float().mean()
    assert 0.6 < touched < 0.98
    assert torch.equal(perturb(signals, rng, 0.0), signals)
    for before, after in zip(signals, first, strict=True):
        lags = np.correlate(after.numpy(), before.numpy(), "full")
        assert abs(int(lags.argmax()) - 3999) <= 1


def test_strength_touches_more_crops():
    signals = torch.from_numpy(np.random.default_rng(0).normal(0, 0.1, (200, 4000)).astype(np.float32))
    touched = [
        (perturb(signals, np.random.default_rng(1), strength) != signals).any(1).float().mean()
        for strength in (0.3, 1.0, 2.0)
    ]
    assert touched[0] < 0.5 < touched[1] < touched[2]
    assert touched[2] > 0.93


def test_telephones_leave_a_band_in_eight_bits(rng):
    signals = torch.from_numpy(rng.normal(0, 0.1, (40, 8000)).astype(np.float32))
    heard = by_telephone(signals, rng, 1.0)
    power = torch.fft.rfft(heard).abs().square().mean(0)
    hertz = torch.fft.rfftfreq(8000, 1 / RATE)
    inside = power[(hertz > 500) & (hertz < 2500)].mean()
    assert power[hertz > 5000].mean() < 0.01 * inside
    assert power[hertz < 50].mean() < 0.1 * inside
    assert all(len(each.unique()) <= 255 for each in heard)
    assert torch.equal(by_telephone(signals, rng, 0.0), signals)


def test_stripes_are_zero_and_no_more_than_asked(rng):
    mel = torch.ones(50, 100, 40)
    striped = masked(mel, rng, bands=6, frames=10)
    bands, frames = (striped == 0).all(1).sum(1), (striped == 0).all(2).sum(1)
    assert bands.max() <= 12
    assert bands.max() > 6
    assert frames.max() <= 20
    assert set(striped.unique().tolist()) == {0.0, 1.0}
    assert torch.equal(masked(mel, rng, 0, 0), mel)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"epochs": 0}, "epochs is a whole number of 1 or more, not 0"),
        ({"learning_rate": "fast"}, "learning_rate is a number from 0 to 1, not 'fast'"),
        ({"device": "tpu"}, "Unknown device 'tpu'"),
        ({"precision": "half"}, "Unknown precision"),
        ({"transforms": [{"name": "nois"}]}, "Did you mean 'noise'"),
        ({"transforms": ["noise"]}, "A transform is written"),
        ({"transforms": [{"name": "noise", "share": 2}]}, "share of crops that meet 'noise'"),
    ],
)
def test_options_that_can_not_be(options, message):
    with pytest.raises(ConfigError, match=message):
        TrainingOptions(**options)


@pytest.mark.skipif(torch.cuda.is_available(), reason="there is a GPU")
def test_a_gpu_that_is_not_there():
    with pytest.raises(ConfigError, match="There is no GPU"):
        training.device_of("cuda")


# --- the model behind the estimators' face ---


def test_the_model_learns_tones_and_is_calibrated_on_unheard_speakers(rng):
    signals, y, speakers = tones(rng, 90)
    model = models.get("network", epochs=8, n_folds=3, **SHAPE, **PLAIN)
    model.fit(signals[:60], y[:60], groups=speakers[:60])
    assert (model.predict(signals[60:]) == y[60:]).mean() > 0.8
    proba = model.predict_proba(signals[60:])
    assert proba.shape == (30, 3)
    np.testing.assert_allclose(proba.sum(axis=1), 1)
    assert set(speakers[model.held_out_rows_]).isdisjoint(np.delete(speakers[:60], model.held_out_rows_))
    assert model.held_out_proba_.shape == (len(model.held_out_rows_), 3)
    assert 0.01 < model.temperature_ < 20
    assert len(model.history_) == 2
    assert "uar" in model.history_[0][0]
    assert not model.speakers_shared_


def test_random_labels_give_chance(rng):
    signals, y, speakers = tones(rng, 90)
    drawn = rng.permutation(y)
    model = models.get("network", epochs=4, n_folds=2, rounds=2, **SHAPE, **PLAIN).fit(signals, drawn, groups=speakers)
    assert len(model.held_out_rows_) == 90
    hits = model.classes_[model.held_out_proba_.argmax(axis=1)] == drawn
    assert 0.15 < hits.mean() < 0.52


def test_a_label_of_another_corpus_is_learnt_beside(rng):
    """One corpus lacks a label of the other: it teaches its own, and the model answers with all three."""
    signals, y, speakers = tones(rng, 60)
    corpora = np.where(np.arange(60) < 30, "a", "b")
    rows = np.flatnonzero(~((corpora == "a") & (y == "sad")))
    model = models.get("network", epochs=10, rounds=0, **SHAPE, **PLAIN)
    model.fit([signals[i] for i in rows], y[rows], groups=speakers[rows], corpora=corpora[rows])
    assert model.classes_.tolist() == ["angry", "happy", "sad"]
    assert (model.predict(signals) == y).mean() > 0.75
    assert model.temperature_ == 1


def test_the_temperature_is_set_among_the_labels_of_each_corpus(rng):
    """An impossible label, however likely the network finds it, has no part in how sure it should be."""
    codes = rng.integers(0, 2, 400)
    scores = np.zeros((400, 3))
    scores[np.arange(400), codes] = 4.0
    wrong = rng.random(400) < 0.25
    scores[wrong, :2] = scores[wrong, :2][:, ::-1]
    possible = np.tile([True, True, False], (400, 1))
    plain = temperature(scores[:, :2], codes)
    scores[:, 2] = rng.normal(0, 50, 400)
    assert temperature(scores, codes, possible) == pytest.approx(plain, rel=1e-6)
    assert temperature(scores, codes) > 2 * plain


def test_one_class_is_refused(rng):
    signals, y, _ = tones(rng, 9)
    with pytest.raises(ExperimentError, match="only one class is present: sad"):
        models.get("network", **SHAPE).fit(signals, np.full(9, "sad"))
    corpora = np.where(y == "sad", "b", "a")
    with pytest.raises(ExperimentError, match="The corpus b has only rows that are sad"):
        models.get("network", **SHAPE).fit(signals, y, corpora=corpora)


def test_features_are_no_signals(rng):
    with pytest.raises(ConfigError, match='so use the features "waveform"'):
        models.get("network", **SHAPE).fit(np.zeros((4, 1, 3)), np.array(["sad", "happy"] * 2))


def test_votes_soften_labels():
    hard = np.eye(3, dtype=np.float32)[[0, 1, 2]]
    allowed = np.array([[True, True, False], [True] * 3, [True] * 3])
    votes = {"angry": [0.25, 0.0, np.nan], "happy": [0.25, 1.0, np.nan], "sad": [0.5, 0.0, np.nan]}
    soft = soft_labels(hard, allowed, ["angry", "happy", "sad"], votes, 0.5)
    np.testing.assert_allclose(soft, [[0.75, 0.25, 0], [0, 1, 0], [0, 0, 1]])


def test_options_of_all_three_kinds_are_known():
    from sklearn.base import clone

    model = models.get("network", seed=3, width=32, epochs=2, rounds=0)
    assert (model.shape.width, model.training.epochs, model.fitting.rounds, model.seed) == (32, 2, 0, 3)
    assert clone(model).training == model.training
    with pytest.raises(ConfigError, match="Did you mean 'epochs'"):
        models.get("network", epoch=2)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"rounds": 0, "refit": False}, "nothing would be trained"),
        ({"rounds": 6}, "At most 5 rounds"),
        ({"n_folds": 1}, "n_folds is a whole number of 2 or more"),
        ({"refit": 1}, "refit must be true or false"),
    ],
)
def test_ways_to_fit_that_can_not_be(options, message):
    with pytest.raises(ConfigError, match=message):
        models.get("network", **options)


def test_a_saved_trunk_is_where_another_training_begins(rng, tmp_path):
    from emotone.models.network import load_network, save_network

    signals, y, _ = tones(rng, 18)
    first = fresh(5)
    save_network(tmp_path / "trunk.npz", first, ["a", "b", "c"], {"seconds": 3})
    loaded, facts = load_network(tmp_path / "trunk.npz")
    assert torch.equal(parameters(loaded), parameters(first))
    assert facts["about"] == {"seconds": 3}
    model = models.get("network", init=str(tmp_path / "trunk.npz"), epochs=1, trunk_rate=0.0, rounds=0, **PLAIN)
    model.fit(signals, y)
    assert torch.equal(model.network_.trunk.second.weight, first.trunk.second.weight)
    assert not torch.equal(model.network_.labels.weight, first.labels.weight)


def test_files_that_are_no_networks(tmp_path):
    from emotone.models.network import load_network

    with pytest.raises(ConfigError, match="There is no file"):
        load_network(tmp_path / "none.npz")
    (tmp_path / "text.npz").write_text("hello")
    with pytest.raises(ConfigError, match="isn't a emotone network, or is damaged"):
        load_network(tmp_path / "text.npz")
    np.savez(tmp_path / "objects.npz", **{"facts.json": np.array([{"kind": 1}], dtype=object)})
    with pytest.raises(ConfigError, match="is damaged"):
        load_network(tmp_path / "objects.npz")


def test_long_signals_are_heard_in_pieces(rng):
    network = fresh().eval()
    long = (0.1 * rng.normal(size=65 * RATE)).astype(np.float32)
    cuts = np.array_split(long, 3)
    parts = logits_of(network, [part[: len(cuts[0])] for part in cuts])
    proba = np.exp(parts) / np.exp(parts).sum(axis=1, keepdims=True)
    got = logits_of(network, [long[:8000], long])
    np.testing.assert_allclose(np.exp(got[1]), proba.mean(axis=0), atol=1e-3)
    np.testing.assert_allclose(got[0], logits_of(network, [long[:8000]])[0], atol=1e-5)
    assert logits_of(network, []).shape == (0, 3)
