"""Choice and calibration inside the training speakers."""

from __future__ import annotations

import itertools
import warnings
from collections.abc import Iterable, Mapping, Sequence
from typing import Any, TypeAlias

import numpy as np
from numpy.typing import NDArray
from sklearn.base import BaseEstimator, ClassifierMixin, clone
from sklearn.exceptions import ConvergenceWarning
from sklearn.linear_model import LogisticRegression
from sklearn.pipeline import Pipeline
from sklearn.utils.multiclass import check_classification_targets
from sklearn.utils.validation import check_is_fitted, validate_data

from emotone.errors import ExperimentError
from emotone.splits import inner_folds

__all__ = ["CalibratedClassifier", "class_scores", "softmax", "temperature"]

Floats: TypeAlias = NDArray[np.float64]
Point: TypeAlias = dict[str, Any]

LEAST_LOG_PROBABILITY = float(np.log(1e-12))
"""Where the logarithm of a probability ends, for classifiers that offer nothing else."""


class CalibratedClassifier(ClassifierMixin, BaseEstimator):
    """An ``estimator`` whose options and temperature come from held-out training speakers.

    ``fit`` deals the training speakers into ``n_folds`` inner folds, scores every row by an estimator that never
    heard its speaker, keeps the point of ``grid`` with the best UAR, fits the temperature of Guo et al. (2017, "On
    calibration of modern neural networks") to those scores, and trains on everything. Probabilities are
    ``softmax(class_scores / temperature_)``. The ``grid`` gives values to parameters of the classifier, the last
    step where the estimator is a pipeline. The steps before it are trained once a fold, and a classifier with
    ``warm_start`` goes on from one point of the grid to the next.

    Learned: ``estimator_``, ``classes_``, ``temperature_``, ``chosen_`` (the grid's winner), ``speakers_shared_``
    (true where there weren't two speakers to keep apart, so that choice and temperature are too hopeful), and from
    which thresholds can be set: ``held_out_rows_`` (the training rows that an inner fold held out: all, unless one
    speaker alone has an emotion) with their calibrated probabilities ``held_out_proba_``.
    """

    def __init__(
        self,
        estimator: Any = None,
        *,
        grid: Mapping[str, Sequence[Any]] | None = None,
        n_folds: int = 5,
        seed: int = 0,
    ) -> None:
        self.estimator = estimator
        self.grid = grid
        self.n_folds = n_folds
        self.seed = seed

    def fit(self, X: Any, y: Any, groups: Any = None) -> CalibratedClassifier:
        """Train on ``X (n, d)``, ``y (n,)``; ``groups (n,)`` are the speakers, rows stand for themselves without.

        Raises `ExperimentError` for a single class, or too few rows or speakers' names too many or too few.
        """
        X, y = validate_data(self, X, y)
        check_classification_targets(y)
        self.classes_, codes = np.unique(y, return_inverse=True)
        check_classes(self.classes_)
        base = LogisticRegression() if self.estimator is None else self.estimator
        points = _points(self.grid)
        folds = inner_folds(y, groups, n_folds=self.n_folds, seed=self.seed)
        self.speakers_shared_ = folds.by_rows
        self.held_out_rows_ = rows = np.sort(np.concatenate([test for _, test in folds]))
        with warnings.catch_warnings():
            # Stopping early is a choice here (weak penalties hardly differ), not news for the user.
            warnings.simplefilter("ignore", ConvergenceWarning)
            scores = _held_out_scores(base, points, X, y, folds)[:, rows]
            best = int(np.argmax([_mean_recall(codes[rows], of_point) for of_point in scores]))
            self.chosen_ = points[best]
            self.estimator_ = clone(base)
            _classifier(self.estimator_).set_params(**self.chosen_)
            self.estimator_.fit(X, y)
        self.temperature_ = temperature(scores[best], codes[rows])
        self.held_out_proba_ = softmax(scores[best] / self.temperature_)
        return self

    def predict_proba(self, X: Any) -> Floats:
        """Calibrated probabilities, ``(n, n_classes)``, columns as in ``classes_``."""
        check_is_fitted(self)
        X = validate_data(self, X, dtype=np.float64, reset=False)  # a saved recogniser answers in doubles too
        return softmax(class_scores(self.estimator_, X) / self.temperature_)

    def predict(self, X: Any) -> NDArray[Any]:
        """The likeliest class of each row."""
        proba = self.predict_proba(X)
        answer: NDArray[Any] = self.classes_[proba.argmax(axis=1)]
        return answer


def check_classes(classes: NDArray[Any]) -> None:
    """Raise `ExperimentError` unless there are two ``classes`` or more."""
    if len(classes) < 2:
        raise ExperimentError(
            f"A model needs two classes or more to tell apart, but only one class is present: {classes[0]}."
        )


def class_scores(estimator: Any, X: Any) -> Floats:
    """One score per class, ``(n, n_classes)``, from whatever a fitted ``estimator`` offers.

    That is its ``decision_function``, two-class decisions becoming minus and plus themselves; or the logarithm of
    its probabilities, where there is none.
    """
    if not hasattr(estimator, "decision_function"):
        proba = np.asarray(estimator.predict_proba(X), dtype=np.float64)
        return np.log(np.maximum(proba, np.exp(LEAST_LOG_PROBABILITY)))
    scores = np.asarray(estimator.decision_function(X), dtype=np.float64)
    return np.stack([-scores, scores], axis=1) if scores.ndim == 1 else scores


def temperature(scores: Floats, codes: NDArray[np.integer[Any]], possible: NDArray[np.bool_] | None = None) -> float:
    """The divisor of ``scores (n, n_classes)`` under which the true classes ``codes (n,)`` are likeliest, among those
    ``possible (n, n_classes)`` for each row; without, all are.

    There the score that the probabilities expect equals the true class's, on average. Expectation falls as the
    temperature rises, so bisection finds it, between 0.05 and 20 times the spread of the scores.
    """
    possible = np.ones(scores.shape, bool) if possible is None else possible
    spread = float(scores[possible].std()) or 1.0
    truth = float(scores[np.arange(len(scores)), codes].mean())
    low, high = np.log(0.05 * spread), np.log(20.0 * spread)
    for _ in range(50):
        middle = (low + high) / 2.0
        shares = softmax(np.where(possible, scores / np.exp(middle), -np.inf))
        expected = (shares * scores).sum(axis=1).mean()
        low, high = (middle, high) if expected > truth else (low, middle)
    return float(np.exp((low + high) / 2.0))


def _points(grid: Mapping[str, Sequence[Any]] | None) -> list[Point]:
    if not grid:
        return [{}]
    return [dict(zip(grid, values, strict=True)) for values in itertools.product(*grid.values())]


def _classifier(estimator: Any) -> Any:
    return estimator[-1] if isinstance(estimator, Pipeline) else estimator


def _held_out_scores(
    base: Any, points: list[Point], X: Any, y: NDArray[Any], folds: Iterable[tuple[Any, Any]]
) -> Floats:
    """``(n_points, n, n_classes)``; rows that no fold holds out keep zeros."""
    scores = np.zeros((len(points), len(y), len(np.unique(y))))
    for train, test in folds:
        estimator = clone(base)
        classifier = _classifier(estimator)
        inside, outside = X[train], X[test]
        if isinstance(estimator, Pipeline) and len(estimator) > 1:
            inside = estimator[:-1].fit_transform(inside, y[train])
            outside = estimator[:-1].transform(outside)
        for i, point in enumerate(points):
            classifier.set_params(**point).fit(inside, y[train])
            scores[i, test] = class_scores(classifier, outside)
    return scores


def _mean_recall(codes: NDArray[np.integer[Any]], scores: Floats) -> float:
    hits = scores.argmax(axis=1) == codes
    counts = np.bincount(codes)
    return float((np.bincount(codes, weights=hits)[counts > 0] / counts[counts > 0]).mean())


def softmax(scores: Floats) -> Floats:
    """Shares that sum to 1 in each row of ``scores``, ``(n, n_classes)``."""
    powers = np.exp(scores - scores.max(axis=1, keepdims=True))
    shares: Floats = powers / powers.sum(axis=1, keepdims=True)
    return shares
