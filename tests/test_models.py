"""`emotone.models`: the models by name, their defaults, and the estimators they are made of."""

from __future__ import annotations

import itertools
import sys
import warnings
from typing import Any

import numpy as np
import pytest
from sklearn.exceptions import ConvergenceWarning
from sklearn.linear_model import LogisticRegression
from sklearn.neural_network import MLPClassifier
from sklearn.pipeline import Pipeline, make_pipeline
from sklearn.preprocessing import StandardScaler
from sklearn.svm import SVC
from sklearn.utils.estimator_checks import parametrize_with_checks

from emotone import models
from emotone.errors import ConfigError, ExperimentError, MissingExtra
from emotone.models.calibration import CalibratedClassifier
from emotone.models.classic import BalancedMLP, ScaledSVC, Uncalibrated

BUILT_IN = ("logistic", "svm", "mlp", "tutorial_mlp")
"""Those of emotions; `tests/test_regression.py` has the others."""
NAMES = np.array(["sad", "angry", "neutral", "happy", "fearful", "calm", "surprised", "disgusted"])


def small(name):
    """The model with fewer folds, the tutorial's with fewer units and epochs: hundreds of checks in seconds."""
    if name != "tutorial_mlp":
        return models.get(name, n_folds=2)
    shrunk = {"estimator__classifier__hidden_layer_sizes": (24,), "estimator__classifier__max_iter": 100}
    return models.get(name).set_params(**shrunk)


TEXTBOOK_SVM: dict[str, Any] = {"C": 10, "gamma": 1, "votes": True, "scaler": "standard", "calibrated": False}


@parametrize_with_checks(
    [
        *map(small, BUILT_IN),
        ScaledSVC(),
        ScaledSVC(votes=True),
        models.get("tutorial_mlp", scaler=True),
        models.get("svm", **TEXTBOOK_SVM),
    ]
)
def test_scikit_learns_own_checks(estimator, check):
    check(estimator)


def speech(rng, *, n_speakers=12, rows=25, k=4, d=10, signal=1.2, shares=None):
    """Features ``(n, d)``, emotions and speakers: each emotion and each speaker has a mean of its own."""
    codes = rng.choice(k, n_speakers * rows, p=shares)
    who = np.repeat(np.arange(n_speakers), rows)
    X = signal * np.random.default_rng(99).normal(size=(k, d))[codes]  # the same emotions whichever rng draws the rows
    X = X + rng.normal(size=(n_speakers, d))[who] + 1.5 * rng.normal(size=(len(who), d))
    return X.astype(np.float32), NAMES[:k][codes], np.array([f"s{i:02}" for i in who])


# --- by name ---


def test_the_built_in_names_come_first():
    assert models.names()[:6] == (*BUILT_IN, *models.REGRESSORS)


def test_the_defaults_are_what_the_documentation_says():
    logistic, svm, mlp = (models.get(name) for name in ("logistic", "svm", "mlp"))
    assert logistic.grid == {"C": [0.002, 0.005, 0.02]}
    assert [model.n_folds for model in (logistic, svm, mlp)] == [5, 5, 5]
    assert [type(step).__name__ for step in logistic.estimator] == ["RankGauss", "LogisticRegression"]
    assert logistic.estimator[-1].warm_start  # along the grid, for speed
    assert logistic.estimator[-1].class_weight == svm.estimator[-1].class_weight == "balanced"
    assert (svm.estimator[-1].C, svm.estimator[-1].gamma_scale) == (5.0, 0.25)
    network = mlp.estimator[-1]
    assert (network.hidden_layer_sizes, network.alpha, network.max_iter) == ((128,), 10.0, 60)
    assert all(model.estimator[0].n_knots == 31 for model in (logistic, svm, mlp))


def test_the_tutorials_network_is_the_tutorials_to_the_letter():
    plain, scaled = models.get("tutorial_mlp", seed=9), models.get("tutorial_mlp", seed=9, scaler=True)
    letters = MLPClassifier(
        alpha=0.01,
        batch_size=256,
        epsilon=1e-08,
        hidden_layer_sizes=(300,),
        learning_rate="adaptive",
        max_iter=500,
        random_state=9,
    )
    assert type(plain.estimator[-1]) is MLPClassifier
    assert plain.estimator[-1].get_params() == scaled.estimator[-1].get_params() == letters.get_params()
    assert [type(step) for step in scaled.estimator] == [StandardScaler, MLPClassifier]
    assert len(plain.estimator) == 1


def test_options_reach_their_places():
    assert models.get("logistic", C=0.3).grid == {"C": [0.3]}
    assert models.get("logistic", C=[1, 2], n_folds=3).n_folds == 3
    assert models.get("mlp", hidden=[8, 4]).estimator[-1].hidden_layer_sizes == (8, 4)
    assert models.get("mlp", hidden=8, seed=5).estimator[-1].random_state == 5
    assert models.get("svm", seed=5).seed == 5


@pytest.mark.parametrize(
    ("name", "options", "message"),
    [
        ("svmm", {}, r"Unknown model 'svmm'\. Did you mean 'svm'\? Allowed: logistic, svm, mlp, tutorial_mlp"),
        (
            "svm",
            {"gama": 1},
            r"Unknown option of model 'svm' 'gama'\. Did you mean 'gamma'\? Allowed: C, gamma, .*n_folds\.",
        ),
        ("tutorial_mlp", {"C": 1}, r"Unknown option of model 'tutorial_mlp' 'C'\. .*Allowed: scaler\."),
        ("logistic", {"C": "high"}, "C must be a number or a list of numbers, not 'high'"),
        ("logistic", {"C": []}, r"C must be a number or a list of numbers, not \[\]"),
        ("logistic", {"C": [0.1, -1]}, "C must be a number above 0, not -1"),
        ("logistic", {"C": None}, "C must be a number or a list of numbers, not None"),
        ("logistic", {"n_folds": 1}, "n_folds must be a whole number of 2 or more, not 1"),
        ("svm", {"C": 0}, "C must be a number above 0, not 0"),
        ("svm", {"gamma": float("nan")}, "gamma must be a number above 0, not nan"),
        ("svm", {"C": float("inf")}, "C must be a number above 0, not inf"),
        ("svm", {"C": True}, "C must be a number above 0, not True"),
        ("svm", {"scaler": "none"}, r"Unknown scaler 'none'\. Allowed: ranks, standard"),
        ("svm", {"calibrated": "no"}, "calibrated must be true or false, not 'no'"),
        ("mlp", {"hidden": 0}, "hidden must be a whole number of 1 or more, not 0"),
        ("mlp", {"hidden": [64, 2.5]}, "hidden must be a whole number of 1 or more, not 2.5"),
        ("mlp", {"alpha": -1}, "alpha must be a number of 0 or more, not -1"),
        ("mlp", {"epochs": "many"}, "epochs must be a whole number of 1 or more, not 'many'"),
        ("tutorial_mlp", {"scaler": "yes"}, "scaler must be true or false, not 'yes'"),
        ("mlp", {"seed": -1}, r"The seed of model 'mlp' must be a whole number from 0 to 4294967295, not -1\."),
        ("mlp", {"seed": 0.5}, r"The seed of model 'mlp' must be a whole number"),
    ],
)
def test_what_cannot_be_used_is_said_in_a_sentence(name, options, message):
    with pytest.raises(ConfigError, match=message) as caught:
        models.get(name, **options)
    said = str(caught.value)
    assert "\n" not in said
    assert said.endswith(".")
    assert not said.endswith("..")


def test_without_scikit_learn_the_extra_is_named(monkeypatch):
    monkeypatch.setitem(sys.modules, "sklearn", None)
    with pytest.raises(MissingExtra, match=r"pip install 'emotone\[train\]'"):
        models.get("logistic")


def test_another_package_can_add_a_model(tmp_path, monkeypatch):
    package = tmp_path / "emotone_forest-1.0.dist-info"
    package.mkdir()
    (package / "METADATA").write_text("Metadata-Version: 2.1\nName: emotone-forest\nVersion: 1.0\n")
    (package / "entry_points.txt").write_text("[emotone.models]\nforest = emotone_forest:forest\nsvm = none:such\n")
    (tmp_path / "emotone_forest.py").write_text(
        "def forest(*, trees=100, seed=0):\n"
        "    if trees < 1:\n"
        "        raise ValueError('trees must be 1 or more.')\n"
        "    return ('forest', trees, seed)\n"
    )
    monkeypatch.syspath_prepend(tmp_path)
    assert models.names() == (*BUILT_IN, *models.REGRESSORS, "network", "finetune", "forest")
    assert models.get("forest", trees=7, seed=3) == ("forest", 7, 3)
    assert type(models.get("svm")) is CalibratedClassifier  # a built-in name can't be taken
    with pytest.raises(ConfigError, match=r"Unknown option of model 'forest' 'leaves'\. Allowed: trees\."):
        models.get("forest", leaves=1)
    with pytest.raises(ConfigError, match=r"'forest' can't be used: trees must be 1 or more\.$"):
        models.get("forest", trees=0)


# --- what all of them promise ---


@pytest.mark.parametrize("name", BUILT_IN)
@pytest.mark.parametrize("k", [2, 4])
def test_each_learns_emotions_that_new_speakers_share(rng, name, k):
    X, y, who = speech(rng, k=k)
    new_X, new_y, _ = speech(rng, k=k)
    model = small(name).fit(X, y, groups=who)
    proba = model.predict_proba(new_X)
    assert list(model.classes_) == sorted(NAMES[:k])
    np.testing.assert_allclose(proba.sum(axis=1), 1.0, atol=1e-6)
    np.testing.assert_array_equal(model.classes_[proba.argmax(axis=1)], model.predict(new_X))
    assert (model.predict(new_X) == new_y).mean() > 1 / k + 0.25


@pytest.mark.parametrize("name", BUILT_IN)
def test_the_same_seed_gives_the_same_bits(rng, name):
    X, y, who = speech(rng)
    first, again = (small(name).fit(X, y, groups=who).predict_proba(X) for _ in range(2))
    np.testing.assert_array_equal(first, again)


@pytest.mark.parametrize("name", BUILT_IN)
def test_nothing_given_is_changed(rng, name):
    given = speech(rng)
    before = [array.copy() for array in given]
    X, y, who = given
    small(name).fit(X, y, groups=who).predict_proba(X)
    for array, copy in zip(given, before, strict=True):
        np.testing.assert_array_equal(array, copy)


@pytest.mark.parametrize("name", BUILT_IN)
def test_one_emotion_alone_is_refused_by_name(rng, name):
    X, _, who = speech(rng, n_speakers=3)
    with pytest.raises(ExperimentError, match=r"only one class is present: happy\.$"):
        small(name).fit(X, np.full(len(X), "happy"), groups=who)


@pytest.mark.parametrize("name", ["svm", "mlp"])
def test_random_emotions_stay_at_chance(rng, name):
    X, _, who = speech(rng, n_speakers=30, signal=0.0)
    y = NAMES[:3][rng.integers(0, 3, len(who))]
    model = small(name).fit(X, y, groups=who)
    new_X, _, _ = speech(rng, n_speakers=40, signal=0.0)
    new_y = NAMES[:3][rng.integers(0, 3, len(new_X))]
    recalls = [(model.predict(new_X) == new_y)[new_y == label].mean() for label in model.classes_]
    assert abs(np.mean(recalls) - 1 / 3) < 3 * np.sqrt(2 / 9 / len(new_y))
    assert model.predict_proba(new_X).max(axis=1).mean() < 0.45


@pytest.mark.parametrize("name", ["logistic", "svm", "mlp"])
def test_rare_emotions_are_recalled_like_common_ones(rng, name):
    X, y, who = speech(rng, n_speakers=30, k=3, signal=0.6, shares=[0.8, 0.1, 0.1])
    new_X, new_y, _ = speech(rng, n_speakers=30, k=3, signal=0.6)
    answers = small(name).fit(X, y, groups=who).predict(new_X)
    recalls = [(answers == new_y)[new_y == label].mean() for label in NAMES[:3]]
    assert min(recalls) > 0.4


# --- the estimators ---


@pytest.mark.parametrize("k", [2, 3, 5])
def test_the_svm_is_scikit_learns_with_margins_summed_over_pairs(rng, k):
    X, y, _ = speech(rng, k=k)
    ours = ScaledSVC(C=2.0, gamma_scale=0.5, class_weight="balanced").fit(X, y)
    theirs = SVC(C=2.0, gamma=0.5 / X.shape[1], class_weight="balanced", decision_function_shape="ovo").fit(X, y)
    margins = theirs.decision_function(X.astype(np.float64))
    if k > 2:
        sums = np.zeros((len(X), k))
        for margin, (first, second) in zip(margins.T, itertools.combinations(range(k), 2), strict=True):
            sums[:, first] += margin
            sums[:, second] -= margin
        margins = sums
    np.testing.assert_allclose(ours.decision_function(X), margins, atol=1e-9)
    assert ours.gamma_ == 0.5 / X.shape[1]
    assert (ours.predict(X) == theirs.predict(X)).mean() > 0.97


def test_the_balanced_network_gives_every_emotion_the_same_weight(rng):
    X, y, _ = speech(rng, n_speakers=30, k=2, signal=0.4, shares=[0.9, 0.1])
    new_X, new_y, _ = speech(rng, n_speakers=30, k=2, signal=0.4)
    options = {"hidden_layer_sizes": (16,), "alpha": 1.0, "max_iter": 30, "random_state": 0}
    recalls = []
    for kind in (MLPClassifier, BalancedMLP):
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", ConvergenceWarning)
            answers = kind(**options).fit(X, y).predict(new_X)
        recalls.append((answers == new_y)[new_y == "angry"].mean())
    plain, balanced = recalls
    assert plain < 0.2
    assert balanced > 0.5


@pytest.mark.parametrize("k", [2, 3])
def test_the_balanced_networks_scores_are_the_logits_of_its_probabilities(rng, k):
    X, y, _ = speech(rng, k=k)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", ConvergenceWarning)
        network = BalancedMLP(hidden_layer_sizes=(8, 6), max_iter=10, random_state=0).fit(X, y)
    scores, proba = network.decision_function(X), network.predict_proba(X)
    if k == 2:
        np.testing.assert_allclose(1 / (1 + np.exp(-scores)), proba[:, 1], atol=1e-6)
    else:
        powers = np.exp(scores)
        np.testing.assert_allclose(powers / powers.sum(axis=1, keepdims=True), proba, atol=1e-6)


def test_the_tutorials_network_trains_on_doubles_as_the_tutorial_does(rng):
    X, y, who = speech(rng, rows=40)
    ours = models.get("tutorial_mlp", seed=9).fit(X, y, groups=who)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", ConvergenceWarning)
        theirs = models.get("tutorial_mlp", seed=9).estimator[-1].fit(X.astype(np.float64), y)
    np.testing.assert_array_equal(ours.predict_proba(X), theirs.predict_proba(X.astype(np.float64)))
    np.testing.assert_array_equal(ours.predict(X), theirs.predict(X.astype(np.float64)))


def test_the_tutorials_network_is_quiet_about_few_rows(rng):
    X, y, who = speech(rng, n_speakers=2, rows=20, k=2)
    model = Uncalibrated(Pipeline([("classifier", MLPClassifier(batch_size=256, max_iter=2, random_state=0))]))
    assert model.fit(X, y, groups=who).predict_proba(X).shape == (40, 2)  # a warning would be an error here


# --- the textbook's SVM ---


@pytest.mark.parametrize("k", [2, 3, 4])
def test_the_textbook_svm_is_scikit_learns(rng, k):
    X, y, who = speech(rng, k=k)
    ours = models.get("svm", **TEXTBOOK_SVM).fit(X, y, groups=who)
    svc = SVC(C=10, class_weight="balanced", break_ties=k > 2)
    theirs = make_pipeline(StandardScaler(), svc).fit(X.astype(np.float64), y)
    rows = speech(np.random.default_rng(5), k=k)[0].astype(np.float64)
    scores = theirs.decision_function(rows)
    np.testing.assert_allclose(ours.estimator_.decision_function(rows), scores, rtol=1e-9, atol=1e-9)
    assert list(ours.predict(rows)) == list(theirs.predict(rows))
    odds = np.log(ours.predict_proba(rows))
    against = scores[:, None] if k == 2 else scores[:, 1:] - scores[:, :1]
    np.testing.assert_allclose(odds[:, 1:] - odds[:, :1], against, rtol=1e-6, atol=1e-9)


# --- nothing is chosen on rows of the same speakers ---


@pytest.mark.parametrize("name", ["logistic", "svm", "mlp", "tutorial_mlp"])
def test_no_classifier_sets_rows_aside_for_itself(name):
    """scikit-learn's own early stopping cuts at random, through speakers."""
    classifier = models.get(name).estimator[-1]
    assert not getattr(classifier, "early_stopping", False)
    assert not getattr(classifier, "probability", False)


class Listener(LogisticRegression):
    """Remembers whom it was trained on, by the first feature, and refuses to judge them."""

    def fit(self, X, y):
        self.heard_ = set(X[:, 0])
        return super().fit(X, y)

    def decision_function(self, X):
        assert not self.heard_ & set(X[:, 0])
        return super().decision_function(X)


def test_choice_and_calibration_judge_speakers_never_heard(rng):
    X, y, who = speech(rng)
    X[:, 0] = np.unique(who, return_inverse=True)[1]
    grid = {"C": [0.01, 0.1]}
    CalibratedClassifier(Listener(max_iter=500), grid=grid, n_folds=3).fit(X, y, groups=who)
    with pytest.raises(AssertionError):  # the listener listens
        CalibratedClassifier(Listener(max_iter=500), grid=grid, n_folds=3).fit(X, y)
