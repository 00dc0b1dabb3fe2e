"""`emotone.models.onnx`: the graph's probabilities are scikit-learn's, whatever the features look like."""

from __future__ import annotations

import warnings

import numpy as np
import onnx
import onnxruntime
import pytest
from sklearn.decomposition import PCA
from sklearn.exceptions import ConvergenceWarning, NotFittedError
from sklearn.linear_model import LogisticRegression
from sklearn.naive_bayes import GaussianNB
from sklearn.neural_network import MLPClassifier
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

from emotone import models
from emotone.errors import ConfigError
from emotone.models.calibration import CalibratedClassifier
from emotone.models.classic import BalancedMLP, Uncalibrated
from emotone.models.onnx import INPUT, LARGE, OUTPUT, to_onnx

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
    with pytest.raises(ConfigError, match=r"^GaussianNB can't .*: LogisticRegression, MLPClassifier\.$"):
        to_onnx(bayes, list(NAMES[:3]), 12)
    with pytest.raises(ConfigError, match=r"^GaussianNB can't .*: CalibratedClassifier, Uncalibrated\.$"):
        to_onnx(GaussianNB().fit(X, y), list(NAMES[:3]), 12)


def test_only_a_trained_model_can_be_saved():
    with pytest.raises(NotFittedError):
        to_onnx(models.get("logistic"), list(NAMES[:3]), 12)
