"""`emotone.models.calibration`: choice and temperature come from speakers the estimator never heard."""

from __future__ import annotations

import numpy as np
import pytest
from sklearn.base import clone
from sklearn.linear_model import LogisticRegression
from sklearn.naive_bayes import GaussianNB
from sklearn.neighbors import KNeighborsClassifier
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler
from sklearn.utils.estimator_checks import parametrize_with_checks

from emotone import metrics, models
from emotone.errors import ExperimentError
from emotone.models.calibration import CalibratedClassifier, class_scores, temperature
from emotone.splits import inner_folds

NAMES = np.array(["sad", "angry", "neutral", "happy", "fearful", "calm", "surprised", "disgusted"])


@parametrize_with_checks(
    [
        CalibratedClassifier(),
        CalibratedClassifier(
            make_pipeline(StandardScaler(), LogisticRegression(warm_start=True)), grid={"C": [0.1, 1.0]}, n_folds=2
        ),
    ]
)
def test_scikit_learns_own_checks(estimator, check):
    check(estimator)


def speech(rng, *, n_speakers=20, rows=30, k=4, d=12, signal=1.0, speaker_sd=1.0, names=NAMES):
    """Features ``(n, d)``, emotions and speakers: each emotion and each speaker has a mean of its own."""
    codes = rng.integers(0, k, n_speakers * rows)
    who = np.repeat(np.arange(n_speakers), rows)
    X = signal * np.random.default_rng(99).normal(size=(k, d))[codes]  # the same emotions whichever rng draws the rows
    X = X + speaker_sd * rng.normal(size=(n_speakers, d))[who] + 2.0 * rng.normal(size=(len(who), d))
    return X.astype(np.float32), names[:k][codes], np.array([f"s{i:02}" for i in who])


def softmax(z):
    powers = np.exp(z - z.max(axis=1, keepdims=True))
    return powers / powers.sum(axis=1, keepdims=True)


def drawn(rng, proba):
    """A class of each row, with the row's probabilities."""
    return (proba.cumsum(axis=1) < rng.random((len(proba), 1))).sum(axis=1).clip(max=proba.shape[1] - 1)


# --- the temperature ---


@pytest.mark.parametrize("true", [0.3, 1.0, 4.0])
@pytest.mark.parametrize("k", [2, 8])
def test_the_temperature_behind_simulated_scores_is_found(rng, true, k):
    scores = rng.normal(scale=2.0 * true, size=(20_000, k))
    assert temperature(scores, drawn(rng, softmax(scores / true))) == pytest.approx(true, rel=0.04)


def test_no_other_temperature_makes_the_truth_likelier(rng):
    scores = rng.normal(size=(500, 3))
    codes = drawn(rng, softmax(scores / 0.7))

    def loss(t):
        return -np.log(softmax(scores / t)[np.arange(500), codes]).mean()

    best = temperature(scores, codes)
    assert loss(best) <= min(loss(t) for t in np.geomspace(0.05, 20, 400)) + 1e-12


def test_scores_that_know_nothing_are_cooled_to_nearly_even_shares(rng):
    scores, codes = rng.normal(size=(400, 4)), rng.integers(0, 4, 400)
    assert temperature(-10 * np.eye(4)[codes] + scores, codes) > 20  # worse than nothing: as hot as it gets
    assert softmax(scores / temperature(scores, codes)).max() < 0.75


def test_scores_all_alike_have_a_temperature_too():
    assert np.isfinite(temperature(np.zeros((6, 3)), np.array([0, 1, 2, 0, 1, 2])))


def test_probabilities_of_new_speakers_become_honest(rng):
    overconfident = LogisticRegression(C=1.0, max_iter=2000)  # fits its few rows nearly to the last
    X, y, who = speech(rng, n_speakers=16, rows=12, d=60, signal=0.35)
    new_X, new_y, _ = speech(rng, n_speakers=60, rows=20, d=60, signal=0.35)
    model = CalibratedClassifier(overconfident).fit(X, y, groups=who)
    labels = list(model.classes_)
    before = metrics.ece(new_y, softmax(class_scores(model.estimator_, new_X)), labels)
    after = metrics.ece(new_y, model.predict_proba(new_X), labels)
    assert before > 0.35
    assert after < 0.1


# --- speakers kept apart ---


def coded_speakers(rng, n_speakers=30, rows=12):
    """Each speaker has one emotion, drawn at random, and features that tell who it is: nothing to learn but the
    leak."""
    who = np.repeat(np.arange(n_speakers), rows)
    X = rng.normal(size=(n_speakers, 40))[who] + 0.1 * rng.normal(size=(len(who), 40))
    return X, NAMES[:3][rng.permutation(np.arange(n_speakers) % 3)[who]], who


def recall(model, y):
    return metrics.uar(y[model.held_out_rows_], model.held_out_proba_, list(model.classes_))


@pytest.mark.parametrize("name", ["logistic", "svm", "mlp"])
def test_held_out_probabilities_come_from_estimators_that_never_heard_the_speaker(rng, name):
    X, y, who = coded_speakers(rng)
    options = {"epochs": 20, "alpha": 0.1} if name == "mlp" else {}
    apart, mixed = models.get(name, **options), models.get(name, **options)
    assert recall(apart.fit(X, y, groups=who), y) < 0.5
    assert recall(mixed.fit(X, y), y) > 0.95  # rows dealt instead: this is what a leak looks like
    assert not apart.speakers_shared_
    assert mixed.speakers_shared_


def test_held_out_probabilities_are_those_of_estimators_trained_fold_by_fold(rng):
    X, y, who = speech(rng)
    base = make_pipeline(StandardScaler(), LogisticRegression(C=0.01))
    model = CalibratedClassifier(base, n_folds=4, seed=7).fit(X, y, groups=who)
    by_hand = np.zeros((len(y), 4))
    for train, test in inner_folds(y, who, n_folds=4, seed=7):
        by_hand[test] = clone(base).fit(X[train], y[train]).decision_function(X[test])
    np.testing.assert_array_equal(model.held_out_rows_, np.arange(len(y)))
    np.testing.assert_allclose(model.held_out_proba_, softmax(by_hand / model.temperature_), atol=1e-12)


def test_the_grid_is_chosen_on_unheard_speakers(rng):
    coded, y, who = coded_speakers(rng, n_speakers=24)
    hint = 1.5 * (y[:, None] == NAMES[:3]) + rng.normal(size=(len(y), 3))
    X = np.hstack([coded, hint])
    nearest = CalibratedClassifier(KNeighborsClassifier(), grid={"n_neighbors": [1, 90]})
    assert clone(nearest).fit(X, y, groups=who).chosen_ == {"n_neighbors": 90}
    assert clone(nearest).fit(X, y).chosen_ == {"n_neighbors": 1}  # the speaker's other rows give the answer away


def test_the_choice_is_by_mean_recall_and_what_is_trained_at_last(rng):
    X, y, who = speech(rng, k=2, signal=0.5)
    rare = (y == "sad") | (rng.random(len(y)) < 0.1)
    X, y, who = X[rare], y[rare], who[rare]  # right answers come cheap here: always say sad
    weights = {"class_weight": [None, "balanced"]}
    model = CalibratedClassifier(LogisticRegression(C=0.01), grid=weights).fit(X, y, groups=who)
    assert model.chosen_ == {"class_weight": "balanced"}
    assert model.estimator_.class_weight == "balanced"
    assert (model.predict(X) == "angry").mean() > 0.2


def test_the_first_of_equals_wins_and_every_point_is_tried(rng):
    X, y, who = speech(rng, n_speakers=6)
    base = KNeighborsClassifier()
    grid = {"n_neighbors": [5, 9], "p": [2, 1]}
    tried = {}
    for k in grid["n_neighbors"]:
        for p in grid["p"]:
            one = CalibratedClassifier(base, grid={"n_neighbors": [k], "p": [p]}).fit(X, y, groups=who)
            tried[k, p] = recall(one, y)
    chosen = CalibratedClassifier(base, grid=grid).fit(X, y, groups=who).chosen_
    assert (chosen["n_neighbors"], chosen["p"]) == max(tried, key=tried.get)
    same = CalibratedClassifier(base, grid={"n_jobs": [None, 1]}).fit(X, y, groups=who)
    assert same.chosen_ == {"n_jobs": None}


def test_a_warm_start_along_the_grid_hardly_changes_a_probability(rng):
    X, y, who = speech(rng, k=6, d=40)
    warm, cold = models.get("logistic"), models.get("logistic")
    cold.set_params(estimator__classifier__warm_start=False)
    warm.fit(X, y, groups=who)
    cold.fit(X, y, groups=who)
    assert warm.chosen_ == cold.chosen_
    np.testing.assert_allclose(warm.held_out_proba_, cold.held_out_proba_, atol=0.005)


@pytest.mark.parametrize("n_speakers", [1, 2, 3])
def test_few_speakers_are_enough(rng, n_speakers):
    X, y, who = speech(rng, n_speakers=n_speakers, rows=60, k=3, signal=2.0)
    model = CalibratedClassifier(LogisticRegression(C=0.01)).fit(X, y, groups=who)
    assert model.speakers_shared_ == (n_speakers == 1)
    np.testing.assert_array_equal(model.held_out_rows_, np.arange(len(y)))
    np.testing.assert_allclose(model.predict_proba(X).sum(axis=1), 1.0)
    assert model.score(X, y) > 0.7


def test_an_emotion_of_one_speaker_alone_is_trained_on_and_never_held_out(rng):
    X, y, who = speech(rng, n_speakers=8, k=3)
    y[(who != "s03") & (y == "neutral")] = "sad"
    model = CalibratedClassifier(LogisticRegression()).fit(X, y, groups=who)
    np.testing.assert_array_equal(model.held_out_rows_, np.flatnonzero(who != "s03"))
    assert list(model.classes_) == ["angry", "neutral", "sad"]
    assert model.held_out_proba_.shape == (len(model.held_out_rows_), 3)


def test_an_emotion_that_most_folds_lack_is_still_a_column(rng):
    X, y, who = speech(rng, n_speakers=10, k=3)
    rare = np.isin(who, ["s00", "s01"])
    y[~rare & (y == "neutral")] = "sad"
    model = CalibratedClassifier(LogisticRegression()).fit(X, y, groups=who)
    assert len(model.held_out_rows_) == len(y)
    assert model.predict_proba(X[:5]).shape == (5, 3)


def test_random_emotions_stay_at_chance(rng):
    X, _, who = speech(rng, n_speakers=40, rows=30, signal=0.0, speaker_sd=2.0)
    y = NAMES[:4][rng.integers(0, 4, len(who))]
    model = models.get("logistic").fit(X, y, groups=who)
    truth = y[model.held_out_rows_]
    low, high = metrics.interval("uar", truth, model.held_out_proba_, who, list(model.classes_))
    assert low < 0.25 < high
    assert model.held_out_proba_.max(axis=1).mean() < 0.35  # and it doesn't pretend to know


# --- answers ---


@pytest.mark.parametrize("k", [2, 5])
def test_columns_stand_in_the_order_of_the_classes(rng, k):
    X, y, who = speech(rng, k=k, signal=3.0)
    model = CalibratedClassifier(LogisticRegression(max_iter=1000)).fit(X, y, groups=who)
    assert list(model.classes_) == sorted(NAMES[:k])
    np.testing.assert_array_equal(model.classes_[model.predict_proba(X).argmax(axis=1)], model.predict(X))
    assert (model.predict(X) == y).mean() > 0.9


def test_renamed_emotions_move_columns_and_nothing_else(rng):
    X, y, who = speech(rng, k=3)
    other = {"sad": "zebra", "angry": "monkey", "neutral": "ape"}
    first = CalibratedClassifier(LogisticRegression(max_iter=1000, tol=1e-8), n_folds=2).fit(X, y, groups=who)
    second = clone(first).fit(X, np.array([other[name] for name in y]), groups=who)
    columns = [list(second.classes_).index(other[name]) for name in first.classes_]
    scores = class_scores(second.estimator_, X)[:, columns]
    np.testing.assert_allclose(class_scores(first.estimator_, X), scores, atol=1e-4)


def test_estimators_without_scores_give_the_logarithm_of_their_probabilities(rng):
    X, y, who = speech(rng, k=3, signal=20.0)
    X = X.astype(np.float64)
    model = CalibratedClassifier(GaussianNB()).fit(X, y, groups=who)
    proba = model.estimator_.predict_proba(X)
    assert (proba < 1e-12).any()
    np.testing.assert_allclose(class_scores(model.estimator_, X), np.log(np.maximum(proba, 1e-12)), rtol=1e-9)


def test_two_class_scores_are_minus_and_plus_the_decision(rng):
    X, y, _ = speech(rng, k=2)
    fitted = LogisticRegression().fit(X, y)
    scores = class_scores(fitted, X)
    np.testing.assert_array_equal(scores[:, 1], fitted.decision_function(X).astype(np.float64))
    np.testing.assert_array_equal(scores[:, 0], -scores[:, 1])


def test_the_same_seed_gives_the_same_bits_and_another_seed_other_folds(rng):
    X, y, who = speech(rng)
    first, again, other = (models.get("logistic", seed=seed).fit(X, y, groups=who) for seed in (3, 3, 4))
    assert first.temperature_ == again.temperature_
    np.testing.assert_array_equal(first.held_out_proba_, again.held_out_proba_)
    np.testing.assert_array_equal(first.predict_proba(X), again.predict_proba(X))
    assert first.temperature_ != other.temperature_


def test_nothing_given_is_changed(rng):
    X, y, who = speech(rng, n_speakers=6)
    base, grid = LogisticRegression(C=0.5), {"C": [0.01, 0.1]}
    given = [array.copy() for array in (X, y, who)]
    CalibratedClassifier(base, grid=grid).fit(X, y, groups=who).predict_proba(X)
    for array, before in zip((X, y, who), given, strict=True):
        np.testing.assert_array_equal(array, before)
    assert base.C == 0.5
    assert not hasattr(base, "coef_")
    assert grid == {"C": [0.01, 0.1]}


# --- what can't be trained ---


def test_one_emotion_alone_is_refused_by_name():
    with pytest.raises(ExperimentError, match=r"^A model needs two classes .* only one class is present: happy\.$"):
        CalibratedClassifier().fit(np.zeros((4, 2)), ["happy"] * 4)


def test_speakers_must_be_as_many_as_rows(rng):
    X, y, who = speech(rng, n_speakers=3)
    with pytest.raises(ExperimentError, match="90 rows and 89 speakers"):
        CalibratedClassifier().fit(X, y, groups=who[:-1])
