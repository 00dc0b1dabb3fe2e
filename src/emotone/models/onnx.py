"""A trained classic model as an ONNX graph: features in, calibrated probabilities (or predicted numbers) out.

Only standard operators are used, so any ONNX runtime runs the graph. Steps map to operators one to one: see
`_STEPS` and the tables after it; a model with a step that isn't there can't be saved as a recogniser yet. The
arithmetic inside is double, as scikit-learn's is: features of ten thousand that vary by one would lose their digits in
float32.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, TypeAlias

import numpy as np
from numpy.typing import NDArray
from sklearn.linear_model import LogisticRegression, Ridge
from sklearn.neural_network import MLPClassifier
from sklearn.pipeline import Pipeline
from sklearn.preprocessing import StandardScaler
from sklearn.utils.validation import check_is_fitted

from emotone.errors import ConfigError, require
from emotone.models.calibration import CalibratedClassifier
from emotone.models.classic import BalancedMLP, KnownSpeakersClassifier, ScaledSVC, Uncalibrated, pair_signs
from emotone.models.rankgauss import RankGauss
from emotone.models.regression import ScaledSVR, SpeakerRegressor

__all__ = [
    "EMBEDDINGS",
    "INPUT",
    "NUMBERS",
    "OPSET",
    "OUTPUT",
    "SHIFT",
    "Graph",
    "regression_to_onnx",
    "to_onnx",
]

INPUT, OUTPUT, NUMBERS = "features", "probabilities", "dimensions"

EMBEDDINGS, SHIFT = "embeddings", "shift"
"""Of models that can be told who speaks: the second output, and the input that may be left out."""

OPSET = 17
"""ONNX operator set of 2022: old enough for every runtime in use."""

IR_VERSION = 8
"""The file format that came with it."""

LARGE = 4096
"""Arrays of more numbers than this are stored as float32 where that loses nothing; half the file."""


def to_onnx(model: Any, labels: Sequence[str], n_features: int) -> bytes:
    """The fitted ``model`` (see `emotone.models.get`) as a serialised ONNX graph.

    Input ``features``, float32 ``(n, n_features)``; output ``probabilities``, float32 ``(n, len(labels))``, columns in
    the order of ``labels``, which must be the model's classes. A model that knows speakers
    (`emotone.models.classic.KnownSpeakersClassifier`) also gives ``embeddings``, float32 ``(n, n_features)``, what its
    classifier is given, and adds to them the input ``shift``, float32 ``(n_features,)``, zeros where that is left out.
    Raises `ConfigError` for labels or features that aren't the model's, or a step that has no counterpart here.
    """
    check_is_fitted(model)
    if sorted(labels) != sorted(model.classes_):
        raise ConfigError(
            f"The labels must be the model's classes ({', '.join(map(str, model.classes_))}), "
            f"not {', '.join(labels) or 'none'}."
        )
    _check_features(model, n_features)
    if not isinstance(model, CalibratedClassifier | Uncalibrated):
        raise _no_counterpart(model, [CalibratedClassifier, Uncalibrated])
    graph = Graph()
    flow = graph.add("Cast", INPUT, to=graph.double)
    calibrated = isinstance(model, CalibratedClassifier)
    *steps, classifier = _steps(model.estimator_)
    for step in steps:
        flow = _counterpart(step, _STEPS)(graph, step, flow)
    more = {}
    if isinstance(model, KnownSpeakersClassifier):
        more = {graph.add("Cast", flow, to=graph.single, output=EMBEDDINGS): len(model.population_)}
        shift = graph.default(SHIFT, np.zeros(len(model.population_)))
        flow = graph.add("Add", flow, graph.add("Cast", shift, to=graph.double))
    if calibrated:
        scores = _counterpart(classifier, _CALIBRATED)(graph, classifier, flow)
        if len(labels) == 2:  # as `emotone.models.calibration.class_scores` does
            scores = graph.add("Concat", graph.add("Neg", scores), scores, axis=1)
        scores = graph.add("Div", scores, graph.constant("temperature", model.temperature_))
    else:
        scores = _counterpart(classifier, _UNCALIBRATED)(graph, classifier, flow)
        if len(labels) == 2:  # a logistic function: the score against zero
            scores = graph.add("Concat", graph.add("Sub", scores, scores), scores, axis=1)
    proba = graph.add("Softmax", scores, axis=-1)
    order = np.searchsorted(model.classes_, list(labels))
    chosen = graph.add("Gather", proba, graph.constant("order", order, np.int64), axis=1)
    graph.add("Cast", chosen, to=graph.single, output=OUTPUT)
    return graph.serialised(OUTPUT, len(labels), size=n_features, more=more)


def regression_to_onnx(model: Any, n_features: int) -> bytes:
    """The fitted ``model`` of targets (`emotone.models.regression.SpeakerRegressor`) as a serialised ONNX graph.

    Input ``features``, float32 ``(n, n_features)``; output ``dimensions``, float32 ``(n, k)``, in the order of the
    targets it was fitted to. Raises `ConfigError` as `to_onnx` does.
    """
    check_is_fitted(model)
    if not isinstance(model, SpeakerRegressor):
        raise _no_counterpart(model, [SpeakerRegressor])
    _check_features(model, n_features)
    graph = Graph()
    flow = _ranks(graph, model.ranks_, graph.add("Cast", INPUT, to=graph.double))
    raw = [_counterpart(regressor, _REGRESSORS)(graph, regressor, flow) for _, regressor in model.regressors_]
    order = np.argsort(np.concatenate([columns for columns, _ in model.regressors_]))
    joined = graph.add("Gather", graph.add("Concat", *raw, axis=1), graph.constant("order", order, np.int64), axis=1)
    scaled = graph.add("Mul", joined, graph.constant("slope", model.slope_))
    moved = graph.add("Add", scaled, graph.constant("offset", model.offset_))
    inside = graph.add("Max", moved, graph.constant("lowest", model.lowest_))
    inside = graph.add("Min", inside, graph.constant("highest", model.highest_))
    graph.add("Cast", inside, to=graph.single, output=NUMBERS)
    return graph.serialised(NUMBERS, model.n_targets_, size=n_features)


def _check_features(model: Any, n_features: int) -> None:
    if n_features != model.n_features_in_:
        raise ConfigError(f"The model was trained on {model.n_features_in_} features, not {n_features}.")


@dataclass
class Graph:
    """Nodes and constants on their way to an ONNX model."""

    nodes: list[Any] = field(default_factory=list)
    constants: list[Any] = field(default_factory=list)
    optional: list[Any] = field(default_factory=list)
    """Inputs that callers may leave out."""

    def __post_init__(self) -> None:
        kinds = require("onnx", extra="train").TensorProto
        self.single, self.double = kinds.FLOAT, kinds.DOUBLE

    def add(self, operator: str, *inputs: str, output: str | None = None, **attributes: Any) -> str:
        """Append a node and return the name of its output."""
        helper = require("onnx.helper", extra="train")
        output = output or f"{operator.lower()}_{len(self.nodes)}"
        self.nodes.append(helper.make_node(operator, list(inputs), [output], **attributes))
        return output

    def constant(self, name: str, value: Any, dtype: Any = np.float64) -> str:
        """Store an array and return the name under which it is found."""
        array = np.asarray(value, dtype=dtype)
        if dtype == np.float64 and array.size > LARGE:
            small = array.astype(np.float32)
            if np.array_equal(small, array):
                return self.add("Cast", self.constant(name, small, np.float32), to=self.double)
        numpy_helper = require("onnx.numpy_helper", extra="train")
        name = f"{name}_{len(self.constants)}"
        self.constants.append(numpy_helper.from_array(array, name))
        return name

    def default(self, name: str, value: Any) -> str:
        """Declare a float32 input that callers may leave out, ``value`` standing in for it, and return its name.

        It is a constant that is an input as well, which is ONNX's way of saying so since its file format 4.
        """
        onnx = require("onnx", extra="train")
        array = np.asarray(value, np.float32)
        self.constants.append(onnx.numpy_helper.from_array(array, name))
        self.optional.append(onnx.helper.make_tensor_value_info(name, self.single, array.shape))
        return name

    def serialised(
        self,
        output: str,
        n_outputs: int,
        *,
        source: str = INPUT,
        size: int | str,
        more: Mapping[str, int] | None = None,
    ) -> bytes:
        """The checked model as bytes: from ``source (n, size)`` to ``output (n, n_outputs)``, both float32.

        ``more`` are further outputs and how many numbers each has, float32 ``(n, numbers)``.
        """
        onnx = require("onnx", extra="train")
        helper = onnx.helper
        outputs = {output: n_outputs, **(more or {})}
        graph = helper.make_graph(
            self.nodes,
            "emotone",
            [helper.make_tensor_value_info(source, self.single, ["n", size]), *self.optional],
            [helper.make_tensor_value_info(name, self.single, ["n", count]) for name, count in outputs.items()],
            self.constants,
        )
        opset = helper.make_opsetid("", OPSET)
        model = helper.make_model(graph, opset_imports=[opset], producer_name="emotone", ir_version=IR_VERSION)
        onnx.checker.check_model(model, full_check=True)
        serialised: bytes = model.SerializeToString()
        return serialised


_Writer: TypeAlias = Callable[[Graph, Any, str], str]
"""Appends a step's nodes to a graph, from the name of its input to the name of its output."""


def _steps(estimator: Any) -> list[Any]:
    return [step for _, step in estimator.steps] if isinstance(estimator, Pipeline) else [estimator]


def _counterpart(step: Any, table: dict[type, _Writer]) -> _Writer:
    for kind, write in table.items():
        if isinstance(step, kind):
            return write
    raise _no_counterpart(step, table)


def _no_counterpart(step: Any, kinds: Iterable[type]) -> ConfigError:
    allowed = ", ".join(kind.__name__ for kind in kinds)
    return ConfigError(f"{type(step).__name__} can't be saved as ONNX yet; allowed in its place: {allowed}.")


def _scaler(graph: Graph, step: StandardScaler, flow: str) -> str:
    centred = graph.add("Sub", flow, graph.constant("mean", step.mean_))
    return graph.add("Div", centred, graph.constant("scale", step.scale_))


def _ranks(graph: Graph, step: RankGauss, flow: str) -> str:
    # The sum of clipped lines, one after the other: all at once would need an array (n, d, n_knots).
    runs, rises = np.diff(step.knots_, axis=1), np.diff(step.heights_, axis=1)
    slopes = np.divide(rises, runs, out=np.zeros_like(runs), where=runs > 0)
    knots = [graph.constant("knots", knots) for knots in step.knots_.T]
    total = graph.constant("floor", step.heights_[:, 0])
    for left, right, slope in zip(knots[:-1], knots[1:], slopes.T, strict=True):
        inside = graph.add("Min", graph.add("Max", flow, left), right)
        risen = graph.add("Mul", graph.add("Sub", inside, left), graph.constant("slopes", slope))
        total = graph.add("Add", total, risen)
    return total


def _linear(graph: Graph, flow: str, weights: NDArray[Any], bias: NDArray[Any]) -> str:
    product = graph.add("MatMul", flow, graph.constant("weights", weights))
    return graph.add("Add", product, graph.constant("bias", bias))


def _logistic(graph: Graph, step: LogisticRegression, flow: str) -> str:
    return _linear(graph, flow, step.coef_.T, step.intercept_)


def _mlp(graph: Graph, step: MLPClassifier, flow: str) -> str:
    for weights, bias in zip(step.coefs_[:-1], step.intercepts_[:-1], strict=True):
        flow = graph.add("Relu", _linear(graph, flow, weights, bias))
    return _linear(graph, flow, step.coefs_[-1], step.intercepts_[-1])


def _ridge(graph: Graph, step: Ridge, flow: str) -> str:
    # One target leaves a vector or a matrix of one row, depending on scikit-learn's version.
    return _linear(graph, flow, np.atleast_2d(step.coef_).T, np.atleast_1d(step.intercept_))


def _svm(graph: Graph, step: ScaledSVC | ScaledSVR, flow: str) -> str:
    # |x - v|^2 = |x|^2 - 2 x.v + |v|^2, so that no (n, n_vectors, d) array is needed.
    squared = graph.add("Mul", flow, flow)
    own = graph.add("ReduceSum", squared, graph.constant("axis", [1], np.int64), keepdims=1)
    cross = graph.add("MatMul", flow, graph.constant("vectors", -2.0 * step.vectors_.T))
    distance = graph.add("Add", graph.add("Add", cross, own), graph.constant("norms", (step.vectors_**2).sum(axis=1)))
    kernel = graph.add("Exp", graph.add("Mul", distance, graph.constant("gamma", -step.gamma_)))
    margins = _linear(graph, kernel, step.weights_, step.bias_)
    return _voted(graph, step, margins) if getattr(step, "votes", False) and len(step.classes_) > 2 else margins


def _voted(graph: Graph, step: ScaledSVC, margins: str) -> str:
    signs = pair_signs(len(step.classes_))
    won = graph.add("Cast", graph.add("Greater", margins, graph.constant("zero", 0.0)), to=graph.double)
    # A pair's first class has its vote where it won, the second where it didn't: won * sign, and one for the second.
    votes = _linear(graph, won, signs, np.maximum(-signs, 0).sum(axis=0))
    summed = graph.add("MatMul", margins, graph.constant("signs", signs))
    size = graph.add("Add", graph.add("Abs", summed), graph.constant("one", 1.0))
    parted = graph.add("Div", summed, graph.add("Mul", size, graph.constant("three", 3.0)))
    return graph.add("Add", votes, parted)


_STEPS: dict[type, _Writer] = {RankGauss: _ranks, StandardScaler: _scaler}
_CALIBRATED: dict[type, _Writer] = {LogisticRegression: _logistic, BalancedMLP: _mlp, ScaledSVC: _svm}
_UNCALIBRATED: dict[type, _Writer] = {LogisticRegression: _logistic, MLPClassifier: _mlp, ScaledSVC: _svm}
_REGRESSORS: dict[type, _Writer] = {Ridge: _ridge, ScaledSVR: _svm}
