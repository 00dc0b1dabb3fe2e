"""The classic models: scikit-learn pipelines, chosen and calibrated inside the training speakers."""

from __future__ import annotations

import itertools
import math
import warnings
from collections.abc import Sequence
from numbers import Integral, Real
from typing import Any

import numpy as np
from numpy.typing import NDArray
from sklearn.base import BaseEstimator, ClassifierMixin, clone
from sklearn.exceptions import ConvergenceWarning
from sklearn.linear_model import LogisticRegression
from sklearn.metrics.pairwise import rbf_kernel
from sklearn.neural_network import MLPClassifier
from sklearn.pipeline import Pipeline
from sklearn.preprocessing import StandardScaler
from sklearn.svm import SVC
from sklearn.utils.class_weight import compute_sample_weight
from sklearn.utils.multiclass import check_classification_targets
from sklearn.utils.validation import check_is_fitted, validate_data

from emotone.errors import ConfigError, ExperimentError, unknown
from emotone.models.calibration import CalibratedClassifier, check_classes, softmax, temperature
from emotone.models.rankgauss import RankGauss
from emotone.models.speakers import by_known_speakers

__all__ = [
    "BalancedMLP",
    "KnownSpeakersClassifier",
    "ScaledSVC",
    "Uncalibrated",
    "logistic",
    "mlp",
    "pair_signs",
    "svm",
    "tutorial_mlp",
]


def logistic(
    *,
    C: float | Sequence[float] = (0.002, 0.005, 0.02),
    known_speakers: bool = False,
    n_folds: int = 5,
    seed: int = 0,
) -> Any:
    """Multinomial logistic regression with an L2 penalty (`sklearn.linear_model.LogisticRegression`).

    ``C`` is the inverse strength of the penalty; of several, inner folds of training speakers choose the best UAR.
    With ``known_speakers`` it also learns what to do with voices it knows (`KnownSpeakersClassifier`), from four times
    as many rows, and its recogniser can adapt.
    """
    strengths = [float(_number("C", value, above=0)) for value in _several("C", C)]
    classifier = LogisticRegression(C=strengths[0], max_iter=500, class_weight="balanced", warm_start=True)
    return _calibrated(classifier, n_folds, seed, grid={"C": strengths}, known_speakers=known_speakers)


def svm(
    *,
    C: float = 5.0,
    gamma: float = 0.25,
    votes: bool = False,
    scaler: str = "ranks",
    calibrated: bool = True,
    known_speakers: bool = False,
    n_folds: int = 5,
    seed: int = 0,
) -> Any:
    """A support vector machine with an RBF kernel (`ScaledSVC`).

    ``gamma`` is in units of one over the number of features, so it keeps its meaning from one front-end to another.
    ``scaler="standard"``, ``gamma=1``, ``votes=True`` and ``calibrated=False`` give the textbook's: zero mean, unit
    variance, scikit-learn's ``gamma="scale"`` and its votes, and nothing fitted to held-out speakers.
    ``known_speakers`` is that of `logistic`; four times as many rows take sixteen times as long here.
    """
    _number("C", C, above=0)
    _number("gamma", gamma, above=0)
    if scaler not in _SCALERS:
        raise unknown("scaler", scaler, _SCALERS)
    _flag("votes", votes)
    _flag("calibrated", calibrated)
    classifier = ScaledSVC(C=C, gamma_scale=gamma, class_weight="balanced", votes=votes)
    if calibrated:
        return _calibrated(classifier, n_folds, seed, scaler=scaler, known_speakers=known_speakers)
    if _flag("known_speakers", known_speakers):
        raise ConfigError("known_speakers needs calibrated: leave one of them at its default")
    return Uncalibrated(Pipeline([("scaler", _SCALERS[scaler]()), ("classifier", classifier)]))


def mlp(
    *,
    hidden: int | Sequence[int] = (128,),
    alpha: float = 10.0,
    epochs: int = 60,
    n_folds: int = 5,
    seed: int = 0,
) -> Any:
    """Hidden layers of ``hidden`` units, weight decay ``alpha``, Adam for ``epochs`` (`BalancedMLP`)."""
    units = tuple(int(_number("hidden", value, least=1, whole=True)) for value in _several("hidden", hidden))
    _number("alpha", alpha, least=0)
    _number("epochs", epochs, least=1, whole=True)
    classifier = BalancedMLP(hidden_layer_sizes=units, alpha=alpha, max_iter=epochs, tol=0.0, random_state=seed)
    return _calibrated(classifier, n_folds, seed)


def tutorial_mlp(*, scaler: bool = False, seed: int = 0) -> Any:
    """The tutorial's classifier, setting for setting. ``learning_rate`` has no effect with its default solver, Adam.

    Not calibrated, like the tutorial. ``scaler`` standardises the features first, which the tutorial forgot.
    """
    _flag("scaler", scaler)
    classifier = MLPClassifier(
        alpha=0.01,
        batch_size=256,
        epsilon=1e-08,
        hidden_layer_sizes=(300,),
        learning_rate="adaptive",
        max_iter=500,
        random_state=seed,
    )
    steps = [("scaler", StandardScaler())] if scaler else []
    return Uncalibrated(Pipeline([*steps, ("classifier", classifier)]))


_SCALERS: dict[str, type] = {"ranks": RankGauss, "standard": StandardScaler}


def _calibrated(
    classifier: Any,
    n_folds: int,
    seed: int,
    *,
    grid: dict[str, Any] | None = None,
    scaler: str = "ranks",
    known_speakers: bool = False,
) -> Any:
    _number("n_folds", n_folds, least=2, whole=True)
    pipeline = Pipeline([(scaler, _SCALERS[scaler]()), ("classifier", classifier)])
    kind = KnownSpeakersClassifier if _flag("known_speakers", known_speakers) else CalibratedClassifier
    return kind(pipeline, grid=grid, n_folds=n_folds, seed=seed)


def _several(option: str, value: Any) -> list[Any]:
    """A number alone, or a list of them, as a list."""
    if isinstance(value, Real):
        return [value]
    if isinstance(value, str) or not isinstance(value, Sequence | np.ndarray) or len(value) == 0:
        raise ConfigError(f"{option} must be a number or a list of numbers, not {value!r}")
    return list(value)


def _flag(option: str, value: Any) -> bool:
    """The ``value`` if it is true or false; `ConfigError` otherwise."""
    if not isinstance(value, bool):
        raise ConfigError(f"{option} must be true or false, not {value!r}")
    return value


def _number(option: str, value: Any, *, least: int = 0, above: int | None = None, whole: bool = False) -> Any:
    """The ``value`` if it is a finite number of at least ``least``, or above ``above``; `ConfigError` otherwise."""
    right_kind = isinstance(value, Integral if whole else Real) and not isinstance(value, bool)
    if right_kind and math.isfinite(value) and (value >= least if above is None else value > above):
        return value
    bound = f"of {least} or more" if above is None else f"above {above}"
    raise ConfigError(f"{option} must be a {'whole ' if whole else ''}number {bound}, not {value!r}")


class ScaledSVC(ClassifierMixin, BaseEstimator):
    """Support vector machines, one for each pair of classes (`sklearn.svm.SVC`), with an RBF kernel whose ``gamma``
    is ``gamma_scale`` over the number of features.

    Each class scores the sum of its machines' margins: smoother than counting votes, and a sum over the vectors of
    all machines at once. With ``votes`` each machine has one vote, and margins only part equals, by less than a vote:
    the scores of `sklearn.svm.SVC`, whose answers are better where ``gamma`` is large.

    Learned: ``vectors_ (n_vectors, n_features)``, ``weights_ (n_vectors, n_margins)``, ``bias_ (n_margins,)``,
    ``gamma_`` and ``classes_``. A row's margins are ``exp(-gamma * |row - vectors|**2) @ weights + bias``: one for two
    classes, otherwise one for each class, which is its score, or with ``votes`` one for each pair, in the order of
    ``itertools.combinations``, positive for the first.
    """

    def __init__(self, C: float = 5.0, gamma_scale: float = 1.0, class_weight: Any = None, votes: bool = False) -> None:
        self.C = C
        self.gamma_scale = gamma_scale
        self.class_weight = class_weight
        self.votes = votes

    def fit(self, X: Any, y: Any) -> ScaledSVC:
        """Train on ``X (n, n_features)`` and ``y (n,)``. Raises `ExperimentError` for a single class."""
        X, y = validate_data(self, X, y, dtype=np.float64)
        check_classification_targets(y)
        self.classes_ = np.unique(y)
        check_classes(self.classes_)
        self.gamma_ = self.gamma_scale / X.shape[1]
        machines = SVC(C=self.C, gamma=self.gamma_, class_weight=self.class_weight, decision_function_shape="ovo").fit(
            X, y
        )
        self.vectors_ = machines.support_vectors_
        self.weights_, self.bias_ = _pairs(machines)
        if not self.votes:
            signs = pair_signs(len(self.classes_))
            self.weights_, self.bias_ = self.weights_ @ signs, self.bias_ @ signs
        return self

    def decision_function(self, X: Any) -> NDArray[np.float64]:
        """Scores ``(n, n_classes)``; ``(n,)`` for two classes, positive for the second."""
        check_is_fitted(self)
        X = validate_data(self, X, dtype=np.float64, reset=False)
        kernel = rbf_kernel(X, self.vectors_, gamma=self.gamma_)
        scores: NDArray[np.float64] = kernel @ self.weights_ + self.bias_
        if len(self.classes_) == 2:
            return scores[:, 0]
        return _voted(scores, len(self.classes_)) if self.votes else scores

    def predict(self, X: Any) -> NDArray[Any]:
        """The class with the highest score."""
        scores = self.decision_function(X)
        codes = (scores > 0).astype(int) if scores.ndim == 1 else scores.argmax(axis=1)
        answer: NDArray[Any] = self.classes_[codes]
        return answer


def pair_signs(n_classes: int) -> NDArray[np.float64]:
    """``(n_pairs, n_classes)``: 1 for the first class of each pair, -1 for the second. Of two classes there is one
    margin, positive for the second: ``[[1]]``."""
    if n_classes == 2:
        return np.ones((1, 1))
    pairs = list(itertools.combinations(range(n_classes), 2))
    signs = np.zeros((len(pairs), n_classes))
    rows = np.arange(len(pairs))
    signs[rows, [first for first, _ in pairs]] = 1.0
    signs[rows, [second for _, second in pairs]] = -1.0
    return signs


def _voted(margins: NDArray[np.float64], n_classes: int) -> NDArray[np.float64]:
    """Votes for each class, with less than a third of a vote for its summed margins (scikit-learn's
    ``_ovr_decision_function``)."""
    signs = pair_signs(n_classes)
    won = margins > 0
    votes = won @ np.maximum(signs, 0) + ~won @ np.maximum(-signs, 0)
    summed = margins @ signs
    answer: NDArray[np.float64] = votes + summed / (3 * (np.abs(summed) + 1))
    return answer


def _pairs(machines: SVC) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Weights ``(n_vectors, n_pairs)`` and bias ``(n_pairs,)`` of each machine, from libsvm's compact storage.

    ``dual_coef_`` has a row for each of the other classes; see "Multi-class strategies" in scikit-learn's SVM guide.
    """
    n_classes = len(machines.classes_)
    if n_classes == 2:
        return machines.dual_coef_.T, machines.intercept_
    ends = np.cumsum(machines.n_support_)
    owners = [slice(end - count, end) for end, count in zip(ends, machines.n_support_, strict=True)]
    pairs = list(itertools.combinations(range(n_classes), 2))
    weights = np.zeros((len(machines.support_), len(pairs)))
    for pair, (first, second) in enumerate(pairs):
        for owner, row in ((owners[first], second - 1), (owners[second], first)):
            weights[owner, pair] = machines.dual_coef_[row, owner]
    return weights, machines.intercept_


class BalancedMLP(MLPClassifier):
    """`sklearn.neural_network.MLPClassifier` for which all classes weigh the same, however many rows they have."""

    def fit(self, X: Any, y: Any) -> BalancedMLP:
        """Train on ``X (n, n_features)`` and ``y (n,)``."""
        super().fit(X, y, sample_weight=compute_sample_weight("balanced", y))
        return self

    def decision_function(self, X: Any) -> NDArray[np.float64]:
        """Logits ``(n, n_classes)``; ``(n,)`` for two classes. Unlike probabilities they don't run into 0 and 1."""
        check_is_fitted(self)
        flow = validate_data(self, X, dtype=np.float64, reset=False)
        for weights, bias in zip(self.coefs_[:-1], self.intercepts_[:-1], strict=True):
            flow = np.maximum(flow @ weights + bias, 0.0)
        logits: NDArray[np.float64] = flow @ self.coefs_[-1] + self.intercepts_[-1]
        scores: NDArray[np.float64] = logits[:, 0] if len(self.classes_) == 2 else logits
        return scores


class KnownSpeakersClassifier(CalibratedClassifier):
    """A `CalibratedClassifier` that learns from every row four times, its speaker unknown, known by 2 utterances, by 8,
    and by all (`emotone.models.speakers`). So it loses nothing where there is nobody to know, and gains where there is.

    The ``estimator`` is a pipeline; the steps before its classifier make the embeddings. They see no labels, and are
    fitted once, to all rows as they are. The temperature and what was held out (``held_out_rows_``,
    ``held_out_proba_``) are those of unknown speakers. Learned besides: ``population_``, the mean over the training
    speakers of their mean embedding.
    """

    def fit(self, X: Any, y: Any, groups: Any = None) -> KnownSpeakersClassifier:
        """Train on ``X (n, d)``, ``y (n,)`` of the speakers ``groups (n,)``.

        Raises `ExperimentError` without speakers, and as `CalibratedClassifier` does.
        """
        X, y = validate_data(self, X, y)
        if groups is None or len(groups) != len(y):
            raise ExperimentError(
                "known_speakers needs to know who speaks in each recording, and these don't say. Leave it out."
            )
        speakers = np.asarray(groups)
        before = clone(self.estimator[:-1])
        rows, self.population_ = by_known_speakers(before.fit_transform(X), speakers, np.random.default_rng(self.seed))
        copies = len(rows) // len(y)
        inner = CalibratedClassifier(self.estimator[-1], grid=self.grid, n_folds=self.n_folds, seed=self.seed)
        inner.fit(rows, np.tile(y, copies), groups=np.tile(speakers, copies))
        self.estimator_ = Pipeline([*before.steps, ("classifier", inner.estimator_)])
        self.classes_, self.chosen_, self.speakers_shared_ = inner.classes_, inner.chosen_, inner.speakers_shared_
        of_unknown = inner.held_out_rows_ < len(y)
        self.held_out_rows_ = inner.held_out_rows_[of_unknown]
        # Known speakers are easier: how sure to be is learnt from the unknown alone, or it would be too sure of those.
        scores = inner.temperature_ * np.log(np.maximum(inner.held_out_proba_[of_unknown], np.finfo(np.float64).tiny))
        self.temperature_ = temperature(scores, np.searchsorted(self.classes_, y[self.held_out_rows_]))
        self.held_out_proba_ = softmax(scores / self.temperature_)
        return self


class Uncalibrated(ClassifierMixin, BaseEstimator):
    """An ``estimator`` trained as it is, behind the same face as `emotone.models.calibration.CalibratedClassifier`.

    Learned: ``estimator_`` and ``classes_``.
    """

    def __init__(self, estimator: Any) -> None:
        self.estimator = estimator

    def fit(self, X: Any, y: Any, groups: Any = None) -> Uncalibrated:
        """Train on ``X (n, d)``, ``y (n,)``; ``groups`` have no part in it.

        Features become doubles, as the tutorial's are: of float32, scikit-learn's network would make another one.
        Raises `ExperimentError` for a single class.
        """
        X, y = validate_data(self, X, y, dtype=np.float64)
        check_classification_targets(y)
        self.classes_ = np.unique(y)
        check_classes(self.classes_)
        with warnings.catch_warnings():
            # The tutorial's batch size and number of epochs stay, however few the rows are.
            warnings.filterwarnings("ignore", message="Got `batch_size`", category=UserWarning)
            warnings.simplefilter("ignore", ConvergenceWarning)
            self.estimator_ = clone(self.estimator).fit(X, y)
        return self

    def predict_proba(self, X: Any) -> NDArray[np.float64]:
        """The estimator's own probabilities, ``(n, n_classes)``, columns as in ``classes_``.

        Where it has none, the softmax of its scores stands in, as of logits: it ranks the classes and no more.
        """
        check_is_fitted(self)
        X = validate_data(self, X, dtype=np.float64, reset=False)
        if hasattr(self.estimator_, "predict_proba"):
            proba: NDArray[np.float64] = self.estimator_.predict_proba(X)
            return proba
        scores = np.asarray(self.estimator_.decision_function(X), dtype=np.float64)
        return softmax(np.stack([np.zeros_like(scores), scores], axis=1) if scores.ndim == 1 else scores)

    def predict(self, X: Any) -> NDArray[Any]:
        """The likeliest class of each row."""
        proba = self.predict_proba(X)
        answer: NDArray[Any] = self.classes_[proba.argmax(axis=1)]
        return answer
