"""`emotone.models.onnx`: the graph's probabilities are scikit-learn's, whatever the features look like."""

from __future__ import annotations

import warnings

import numpy as np
import onnx
import onnxruntime
import pytest
from sklearn.decomposition import PCA
from sklearn.dummy import DummyRegressor
from sklearn.exceptions import ConvergenceWarning, NotFittedError
from sklearn.linear_model import LogisticRegression, Ridge
from sklearn.naive_bayes import GaussianNB
from sklearn.neural_network import MLPClassifier
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

from emotone import models
from emotone.errors import ConfigError
from emotone.models.calibration import CalibratedClassifier, class_scores, softmax
from emotone.models.classic import BalancedMLP, Uncalibrated
from emotone.models.onnx import INPUT, LARGE, NUMBERS, OUTPUT, regression_to_onnx, to_onnx
from emotone.models.regression import SpeakerRegressor

NAMES = np.array(["sad", "angry", "neutral", "happy", "fearful", "calm", "surprised", "disgusted"])
ALL = ("logistic", "svm", "mlp", "tutorial_mlp", "tutorial_mlp, scaled")


def make(name):
    """A built-in model with few folds and, the tutorial's, few epochs: what is compared is arithmetic, not skill."""
    if not name.startswith("tutorial_mlp"):
        return models.get(name, n_folds=2)
    return models.get("tutorial_mlp", scaler="scaled" in name).set_params(estimator__classifier__max_iter=40)


def speech(rng, *, n=360, d=12, k=4, spread=1.5):
    """Float32 features ``(n, d)``, emotions and speakers."""
    codes = rng.permutation(np.arange(n) % k)
    X = spread * np.random.default_rng(99).normal(size=(k, d))[codes] + rng.normal(size=(n, d))
    return X.astype(np.float32), NAMES[:k][codes], np.arange(n) % 12


def centred(model, X):
    """Teach a network without a scaler to look at differences: features of ten thousand would only saturate it."""
    network = model.estimator_[-1]
    network.intercepts_[0] -= X.astype(np.float64).mean(axis=0) @ network.coefs_[0]
    return model


def run(graph, X):
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = 1
    session = onnxruntime.InferenceSession(graph, options, providers=["CPUExecutionProvider"])
    [proba] = session.run([OUTPUT], {INPUT: X})
    return proba


def check_parity(model, X, order=None):
    labels = list(model.classes_) if order is None else order
    proba = run(to_onnx(model, labels, X.shape[1]), X)
    columns = [list(model.classes_).index(label) for label in labels]
    assert proba.dtype == np.float32
    np.testing.assert_allclose(proba, model.predict_proba(X)[:, columns], rtol=0, atol=1e-6)
    np.testing.assert_allclose(proba.sum(axis=1), 1.0, atol=1e-5)
    assert proba.std(axis=0).min() > 1e-3  # not because all rows get the same answer


@pytest.mark.parametrize("k", [2, 3, 8])
@pytest.mark.parametrize("name", ALL)
def test_ordinary_features(rng, name, k):
    X, y, who = speech(rng, k=k)
    check_parity(make(name).fit(X, y, groups=who), np.concatenate([X, speech(rng, k=k)[0], 4 * X[:50]]))


@pytest.mark.parametrize("k", [2, 3, 8])
@pytest.mark.parametrize("name", ALL)
def test_features_that_tie_never_change_or_count(rng, name, k):
    X, y, who = speech(rng, k=k)
    X[:, 0] = 3.25
    X[:, 1] = 1e4 * (1 + 1e-7 * rng.uniform(-1, 1, len(X)))  # constant but for rounding
    X[:, 2:6] = np.round(X[:, 2:6])
    X[:, 6] = X[:, 6] > 0
    X[:, 7] = np.maximum(X[:, 7], 0)  # half the rows tie
    model = make(name).fit(X, y, groups=who)
    if name == "tutorial_mlp":
        centred(model, X)
    X[::3, 0] += 1  # and then it changes after all
    check_parity(model, X)


@pytest.mark.parametrize("k", [2, 3, 8])
@pytest.mark.parametrize("name", ALL)
def test_features_far_from_zero(rng, name, k):
    X, y, who = speech(rng, k=k, d=20)
    X = X + rng.choice([-1e4, 1e4, 3e4], X.shape[1]).astype(np.float32)
    assert X.dtype == np.float32
    model = make(name).fit(X, y, groups=who)
    if name == "tutorial_mlp":
        centred(model, X)
    check_parity(model, X)


@pytest.mark.parametrize("name", ["logistic", "svm", "mlp"])
def test_outliers_to_train_on_and_to_answer_for(rng, name):
    X, y, who = speech(rng)
    X[:, 3] *= 1e-40
    X[:, 4] *= 1e30
    X[rng.random(X.shape) < 0.01] = 1e30
    X[rng.random(X.shape) < 0.01] = -3e38
    check_parity(make(name).fit(X, y, groups=who), X)


@pytest.mark.parametrize("name", ["tutorial_mlp", "tutorial_mlp, scaled"])
def test_outliers_to_answer_for(rng, name):
    X, y, who = speech(rng)
    model = make(name).fit(X, y, groups=who)
    X[rng.random(X.shape) < 0.02] = 1e30
    X[rng.random(X.shape) < 0.02] = -3e38
    check_parity(model, X)


@pytest.mark.parametrize("k", [2, 3])
@pytest.mark.parametrize("name", ALL)
def test_emotions_that_are_told_apart_without_doubt(rng, name, k):
    X, y, who = speech(rng, k=k, spread=30.0)
    check_parity(make(name).fit(X, y, groups=who), np.concatenate([X, X.mean(axis=0, keepdims=True) + 0.1 * X]))


@pytest.mark.parametrize("name", ["logistic", "svm"])
@pytest.mark.parametrize("k", [2, 4])
def test_models_that_can_be_told_who_speaks(rng, name, k):
    X, y, speakers = speech(rng, k=k)
    model = models.get(name, n_folds=2, known_speakers=True).fit(X, y, groups=speakers)
    check_parity(model, X)
    session = onnxruntime.InferenceSession(to_onnx(model, tuple(model.classes_), X.shape[1]))
    embeddings = model.estimator_[:-1].transform(X.astype(np.float64))
    np.testing.assert_allclose(session.run(["embeddings"], {INPUT: X})[0], embeddings, atol=1e-4)
    shift = rng.normal(size=X.shape[1]).astype(np.float32)
    scores = class_scores(model.estimator_[-1], embeddings + shift) / model.temperature_
    [told] = session.run([OUTPUT], {INPUT: X, "shift": shift})
    np.testing.assert_allclose(told, softmax(scores), atol=1e-5)
    assert np.abs(told - model.predict_proba(X)).max() > 0.05


@pytest.mark.parametrize("name", ALL)
def test_labels_in_any_order(rng, name):
    X, y, who = speech(rng, k=5)
    check_parity(make(name).fit(X, y, groups=who), X, order=list(NAMES[[3, 0, 4, 1, 2]]))


@pytest.mark.parametrize("name", ["logistic", "svm", "mlp"])
def test_a_cool_temperature_and_a_hot_one(rng, name):
    X, y, who = speech(rng)
    model = make(name).fit(X, y, groups=who)
    for temperature in (0.02, 30.0):
        model.temperature_ = temperature
        check_parity(model, X)


def test_other_estimators_of_the_same_parts(rng):
    X, y, who = speech(rng, k=3)
    pairs = rng.random(len(y)) < 0.5
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", ConvergenceWarning)
        for rows in (slice(None), y != "sad"):
            for estimator in (
                CalibratedClassifier(LogisticRegression()),
                CalibratedClassifier(make_pipeline(StandardScaler(), BalancedMLP((9, 7), max_iter=20, random_state=0))),
                Uncalibrated(make_pipeline(StandardScaler(), LogisticRegression())),
                Uncalibrated(MLPClassifier((9, 7), max_iter=20, random_state=0)),
                models.get("svm", C=10, gamma=1, votes=True, scaler="standard", calibrated=False),
                models.get("svm", scaler="standard", calibrated=False),
                models.get("svm", votes=True, scaler="standard"),
            ):
                check_parity(estimator.fit(X[rows], y[rows], groups=who[rows]), X[pairs])


def test_one_row_and_none(rng):
    X, y, who = speech(rng)
    model = make("logistic").fit(X, y, groups=who)
    graph = to_onnx(model, list(model.classes_), X.shape[1])
    np.testing.assert_allclose(run(graph, X[:1]), run(graph, X)[:1], atol=1e-7)
    assert run(graph, X[:0]).shape == (0, 4)


@pytest.mark.parametrize("name", ALL)
def test_any_runtime_has_its_operators(rng, name):
    X, y, who = speech(rng, k=3)
    graph = onnx.load_from_string(to_onnx(make(name).fit(X, y, groups=who), list(NAMES[:3]), X.shape[1]))
    assert {node.domain for node in graph.graph.node} == {""}
    assert [(entry.domain, entry.version) for entry in graph.opset_import] == [("", 17)]
    [given], [answer] = graph.graph.input, graph.graph.output
    assert (given.name, answer.name) == ("features", "probabilities")
    shapes = [
        [entry.dim_param or entry.dim_value for entry in value.type.tensor_type.shape.dim] for value in (given, answer)
    ]
    assert shapes == [["n", 12], ["n", 3]]
    assert {value.type.tensor_type.elem_type for value in (given, answer)} == {onnx.TensorProto.FLOAT}


def test_large_arrays_of_single_precision_are_stored_so(rng):
    X, y, who = speech(rng, n=900, d=40)
    model = make("svm").fit(X, y, groups=who)
    vectors = model.estimator_[-1].vectors_
    assert vectors.size > LARGE
    graph = onnx.load_from_string(to_onnx(model, list(model.classes_), 40))
    [stored] = [array for array in graph.graph.initializer if array.name.startswith("vectors")]
    assert stored.data_type == onnx.TensorProto.FLOAT
    np.testing.assert_array_equal(onnx.numpy_helper.to_array(stored), -2 * vectors.T)


def test_the_same_model_gives_the_same_bytes(rng):
    X, y, who = speech(rng)
    first, again = (to_onnx(make("mlp").fit(X, y, groups=who), list(NAMES[:4]), 12) for _ in range(2))
    assert first == again


# --- what can't be saved ---


def test_labels_and_features_must_be_the_models(rng):
    X, y, who = speech(rng, k=3)
    model = make("logistic").fit(X, y, groups=who)
    with pytest.raises(ConfigError, match=r"must be the model's classes \(angry, neutral, sad\), not angry, sad\."):
        to_onnx(model, ["angry", "sad"], 12)
    with pytest.raises(ConfigError, match="not angry, angry, sad"):
        to_onnx(model, ["angry", "angry", "sad"], 12)
    with pytest.raises(ConfigError, match="trained on 12 features, not 180"):
        to_onnx(model, list(NAMES[:3]), 180)


def test_parts_without_a_counterpart_are_named(rng):
    X, y, who = speech(rng, k=3)
    calibrated = CalibratedClassifier(make_pipeline(PCA(3), LogisticRegression())).fit(X, y, groups=who)
    with pytest.raises(ConfigError, match=r"^PCA can't .* allowed in its place: RankGauss, StandardScaler\.$"):
        to_onnx(calibrated, list(NAMES[:3]), 12)
    bayes = Uncalibrated(GaussianNB()).fit(X, y)
    with pytest.raises(ConfigError, match=r"^GaussianNB can't .*: LogisticRegression, MLPClassifier, ScaledSVC\.$"):
        to_onnx(bayes, list(NAMES[:3]), 12)
    with pytest.raises(ConfigError, match=r"^GaussianNB can't .*: CalibratedClassifier, Uncalibrated\.$"):
        to_onnx(GaussianNB().fit(X, y), list(NAMES[:3]), 12)


def test_only_a_trained_model_can_be_saved():
    with pytest.raises(NotFittedError):
        to_onnx(models.get("logistic"), list(NAMES[:3]), 12)


# --- numbers ---


def numbers(rng, *, n=360, d=12):
    X = 10 * rng.normal(size=(n, d)) + rng.normal(size=d) * 100
    y = np.stack([X[:, 0] + X[:, 1] + 5 * rng.normal(size=n), 0.1 * np.abs(X[:, 2]), X[:, 3] ** 2], axis=1)
    return X.astype(np.float32), y, np.arange(n) % 12


@pytest.mark.parametrize("name", models.REGRESSORS)
@pytest.mark.parametrize("k", [1, 3])
def test_predicted_numbers_are_scikit_learns(rng, name, k):
    X, y, who = numbers(rng)
    options = {"ridge": {"alpha": [0.1, 1000.0]}, "svr": {"C": [0.1, 5.0]}}[name]
    model = models.get(name, n_folds=2, **options).fit(X, y[:, :k], groups=who)
    session = onnxruntime.InferenceSession(regression_to_onnx(model, 12), providers=["CPUExecutionProvider"])
    new = np.concatenate([X, 3 * X]).astype(np.float32)  # also beyond what was seen
    [predicted] = session.run([NUMBERS], {INPUT: new})
    expected = model.predict(new)
    assert predicted.shape == (len(new), k)
    assert np.abs((predicted - expected) / y[:, :k].std(axis=0)).max() < 1e-5
    assert expected.std(axis=0).min() > 0


def test_targets_with_options_of_their_own_keep_their_order(rng):
    X, y, who = numbers(rng)
    model = models.get("ridge", n_folds=2, alpha=[0.1, 1000.0]).fit(X, y, groups=who)
    model.regressors_ = [(np.array([2, 0]), _swapped(model, [2, 0])), (np.array([1]), _swapped(model, [1]))]
    session = onnxruntime.InferenceSession(regression_to_onnx(model, 12), providers=["CPUExecutionProvider"])
    [predicted] = session.run([NUMBERS], {INPUT: X})
    assert np.abs((predicted - model.predict(X)) / y.std(axis=0)).max() < 1e-5


def _swapped(model, columns):
    """A regressor of these columns, told apart by its weights."""
    scaled = (np.arange(len(columns)) + 1.0)[:, None] * np.ones((1, 12)) * (1 + np.array(columns))[:, None]
    regressor = Ridge()
    regressor.coef_, regressor.intercept_, regressor.n_features_in_ = scaled, np.array(columns, float), 12
    return regressor


def test_numbers_that_cannot_be_saved(rng):
    X, y, who = numbers(rng)
    model = models.get("ridge", n_folds=2).fit(X, y, groups=who)
    with pytest.raises(ConfigError, match="trained on 12 features, not 180"):
        regression_to_onnx(model, 180)
    forest = SpeakerRegressor(DummyRegressor()).fit(X, y, groups=who)
    with pytest.raises(ConfigError, match=r"^DummyRegressor can't .*: Ridge, ScaledSVR\.$"):
        regression_to_onnx(forest, 12)
    with pytest.raises(ConfigError, match=r"allowed in its place: SpeakerRegressor\.$"):
        regression_to_onnx(DummyRegressor().fit(X, y), 12)
    with pytest.raises(NotFittedError):
        regression_to_onnx(models.get("svr"), 12)
