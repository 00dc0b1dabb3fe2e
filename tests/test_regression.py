"""`emotone.models.regression`: numbers for new speakers, with options and spread chosen inside the training ones."""

from __future__ import annotations

import numpy as np
import pytest
from sklearn.svm import SVR
from sklearn.utils.estimator_checks import parametrize_with_checks

from emotone import metrics, models
from emotone.errors import ConfigError, ExperimentError
from emotone.models.regression import ScaledSVR, SpeakerRegressor


def speech(rng, *, n_speakers=12, rows=30, d=20, noise=2.0):
    """Features ``(n, d)``, two targets of them (on 1 to 7 and around 100) that share nothing, and speakers."""
    n = n_speakers * rows
    hidden = rng.normal(size=(n, 2))
    who = np.repeat(np.arange(n_speakers), rows)
    X = hidden @ np.random.default_rng(99).normal(size=(2, d)) + noise * rng.normal(size=(n, d))
    X += rng.normal(size=(n_speakers, d))[who]
    y = np.stack([np.clip(4 + 1.2 * hidden[:, 0], 1, 7), 100 + 20 * hidden[:, 1]], axis=1)
    return X.astype(np.float32), y, np.array([f"s{i:02}" for i in who])


@parametrize_with_checks([models.get("ridge", n_folds=2), models.get("svr", n_folds=2), ScaledSVR()])
def test_scikit_learns_own_checks(estimator, check):
    check(estimator)


# --- what both promise ---


@pytest.mark.parametrize("name", models.REGRESSORS)
def test_each_learns_what_new_speakers_share(rng, name):
    X, y, who = speech(rng)
    new_X, new_y, _ = speech(rng)
    predicted = models.get(name).fit(X, y, groups=who).predict(new_X)
    assert predicted.shape == new_y.shape
    for k in range(2):
        assert metrics.ccc(new_y[:, k], predicted[:, k]) > 0.7
    assert (predicted >= y.min(axis=0)).all()
    assert (predicted <= y.max(axis=0)).all()


@pytest.mark.parametrize("name", models.REGRESSORS)
def test_shuffled_targets_give_nothing(rng, name):
    X, y, who = speech(rng, n_speakers=24)
    new_X, new_y, _ = speech(rng, n_speakers=60)
    predicted = models.get(name).fit(X, rng.permutation(y), groups=who).predict(new_X)
    for k in range(2):
        assert abs(metrics.ccc(new_y[:, k], predicted[:, k])) < 0.15


@pytest.mark.parametrize("name", models.REGRESSORS)
def test_a_target_is_predicted_alike_alone_and_beside_another_on_any_scale(rng, name):
    X, y, who = speech(rng)
    both = models.get(name, n_folds=3).fit(X, y, groups=who)
    moved = models.get(name, n_folds=3).fit(X, 0.01 * y - 5, groups=who)
    np.testing.assert_allclose(moved.predict(X), 0.01 * both.predict(X) - 5, rtol=1e-4)
    alone = models.get(name, n_folds=3).fit(X, y[:, 0], groups=who)
    assert alone.predict(X).shape == (len(X),)
    assert np.corrcoef(alone.predict(X), both.predict(X)[:, 0])[0, 1] > 0.99


@pytest.mark.parametrize("name", models.REGRESSORS)
def test_the_same_seed_gives_the_same_bits_and_nothing_given_is_changed(rng, name):
    X, y, who = speech(rng)
    before = X.copy(), y.copy(), who.copy()
    first, again = (models.get(name, seed=3).fit(X, y, groups=who).predict(X) for _ in range(2))
    np.testing.assert_array_equal(first, again)
    for array, copy in zip((X, y, who), before, strict=True):
        np.testing.assert_array_equal(array, copy)


# --- choice and stretch ---


def test_speakers_are_kept_apart_inside(rng):
    X, y, who = speech(rng, n_speakers=4)
    assert not models.get("ridge").fit(X, y, groups=who).speakers_shared_
    assert models.get("ridge").fit(X, y).speakers_shared_
    assert models.get("ridge").fit(X, y, groups=["one"] * len(X)).speakers_shared_


def test_each_target_has_a_penalty_of_its_own(rng):
    """The second target is mostly noise, which only a heavy penalty keeps from harm."""
    X, y, who = speech(rng, d=100, noise=1.0)
    y[:, 1] += 100 * rng.normal(size=len(y))
    model = models.get("ridge", alpha=[10.0, 10_000.0]).fit(X, y, groups=who)
    assert model.chosen_ == [{"alpha": 10.0}, {"alpha": 10_000.0}]
    assert [(list(columns), regressor.alpha) for columns, regressor in model.regressors_] == [([0], 10.0), ([1], 1e4)]


def test_stretching_makes_up_for_shrinkage_on_new_speakers(rng):
    X, y, who = speech(rng, noise=8.0)
    new_X, new_y, _ = speech(rng, n_speakers=60, noise=8.0)
    plain, stretched = (models.get("ridge", stretch=on).fit(X, y, groups=who) for on in (False, True))
    assert stretched.stretched_.all()
    assert not plain.stretched_.any()
    for k in range(2):
        before, after = plain.predict(new_X)[:, k], stretched.predict(new_X)[:, k]
        assert metrics.ccc(new_y[:, k], after) > metrics.ccc(new_y[:, k], before) + 0.05
        assert metrics.rmse(new_y[:, k], after) > metrics.rmse(new_y[:, k], before)  # the price, as the docstring says
        assert after.std() == pytest.approx(new_y[:, k].std(), rel=0.25)


def test_noise_is_not_stretched(rng):
    stretched = 0
    for _ in range(10):
        X, y, who = speech(rng, n_speakers=10, rows=20)
        stretched += models.get("ridge").fit(X, rng.permutation(y), groups=who).stretched_.sum()
    assert stretched <= 4  # of 20; by chance one target in 32


# --- odd data ---


def test_a_target_that_never_varies_is_predicted_as_it_is(rng):
    X, y, who = speech(rng, n_speakers=4)
    y[:, 1] = 3.0
    for name in models.REGRESSORS:
        assert (models.get(name).fit(X, y, groups=who).predict(X)[:, 1] == 3.0).all()


def test_a_speaker_who_alone_is_loud_does_not_stand_in_the_way(rng):
    X, y, who = speech(rng, n_speakers=3)
    y[:30] += 100
    model = models.get("ridge").fit(X, y, groups=who)
    assert not model.speakers_shared_
    assert np.isfinite(model.predict(X)).all()


def test_one_row_is_refused(rng):
    X, y, _ = speech(rng, n_speakers=1, rows=1)
    with pytest.raises(ExperimentError, match="two rows or more"):
        models.get("ridge").fit(X, y)


@pytest.mark.parametrize(
    ("name", "options", "message"),
    [
        ("ridge", {"alpha": 0}, "alpha must be a number above 0, not 0"),
        ("ridge", {"alpha": []}, "alpha must be a number or a list of numbers"),
        ("ridge", {"stretch": "yes"}, "stretch must be true or false, not 'yes'"),
        ("ridge", {"C": 1}, r"Unknown option of model 'ridge' 'C'\. .*Allowed: alpha, stretch, n_folds\."),
        ("svr", {"C": -1}, "C must be a number above 0"),
        ("svr", {"epsilon": -0.1}, "epsilon must be a number of 0 or more"),
        ("svr", {"gamma": float("nan")}, "gamma must be a number above 0"),
        ("svr", {"n_folds": 1}, "n_folds must be a whole number of 2 or more"),
    ],
)
def test_what_cannot_be_used_is_said_in_a_sentence(name, options, message):
    with pytest.raises(ConfigError, match=message):
        models.get(name, **options)


def test_the_defaults_are_what_the_documentation_says():
    ridge, svr = models.get("ridge"), models.get("svr")
    assert (type(ridge), type(svr.regressor)) == (SpeakerRegressor, ScaledSVR)
    assert ridge.grid == {"alpha": [100.0, 300.0, 1000.0, 3000.0, 10000.0]}
    assert svr.grid == {"C": [0.5, 2.0]}
    assert (svr.regressor.gamma_scale, svr.regressor.epsilon) == (1.0, 0.3)
    assert ridge.stretch is svr.stretch is True


# --- the machine ---


def test_the_machine_is_scikit_learns_for_each_target(rng):
    X, y, _ = speech(rng)
    y = (y - y.mean(axis=0)) / y.std(axis=0)
    ours = ScaledSVR(C=2.0, gamma_scale=0.5, epsilon=0.3).fit(X, y)
    assert ours.gamma_ == 0.5 / X.shape[1]
    for k in range(2):
        theirs = SVR(C=2.0, gamma=0.5 / X.shape[1], epsilon=0.3).fit(X.astype(np.float64), y[:, k])
        np.testing.assert_allclose(ours.predict(X)[:, k], theirs.predict(X.astype(np.float64)), atol=1e-6)
