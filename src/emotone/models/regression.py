"""Models of arousal, valence, dominance and other numbers, chosen inside the training speakers."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, TypeAlias

import numpy as np
from numpy.typing import NDArray
from sklearn.base import BaseEstimator, MultiOutputMixin, RegressorMixin, clone
from sklearn.linear_model import Ridge
from sklearn.metrics.pairwise import rbf_kernel
from sklearn.svm import SVR
from sklearn.utils.validation import check_is_fitted, validate_data

from emotone.errors import ConfigError, ExperimentError
from emotone.models.calibration import _points
from emotone.models.classic import _number, _several
from emotone.models.rankgauss import RankGauss
from emotone.splits import InnerFolds, inner_folds

__all__ = ["ScaledSVR", "SpeakerRegressor", "ridge", "svr"]

Floats: TypeAlias = NDArray[np.float64]
Point: TypeAlias = dict[str, Any]

FEW_ROWS = 12
"""Below this many rows, inner folds aren't balanced by the targets' size: thirds of them would be too small."""


def ridge(
    *,
    alpha: float | Sequence[float] = (100.0, 300.0, 1000.0, 3000.0, 10000.0),
    stretch: bool = True,
    n_folds: int = 5,
    seed: int = 0,
) -> Any:
    """Linear regression with an L2 penalty (`sklearn.linear_model.Ridge`) on rank-normalised features.

    ``alpha`` is the strength of the penalty; of several, inner folds of training speakers choose the best CCC, for
    each target its own. ``stretch`` is told in `SpeakerRegressor`.
    """
    strengths = [float(_number("alpha", value, above=0)) for value in _several("alpha", alpha)]
    return _chosen(Ridge(alpha=strengths[0]), {"alpha": strengths}, stretch, n_folds, seed)


def svr(
    *,
    C: float | Sequence[float] = (0.5, 2.0),
    gamma: float = 1.0,
    epsilon: float = 0.3,
    stretch: bool = True,
    n_folds: int = 5,
    seed: int = 0,
) -> Any:
    """Support vector regression with an RBF kernel (`ScaledSVR`) on rank-normalised features.

    ``gamma`` is in units of one over the number of features and ``epsilon``, the error that costs nothing, in standard
    deviations of the target, so both keep their meaning. Of several ``C``, inner folds choose the best CCC.
    """
    strengths = [float(_number("C", value, above=0)) for value in _several("C", C)]
    _number("gamma", gamma, above=0)
    _number("epsilon", epsilon, least=0)
    machine = ScaledSVR(C=strengths[0], gamma_scale=gamma, epsilon=epsilon)
    return _chosen(machine, {"C": strengths}, stretch, n_folds, seed)


def _chosen(regressor: Any, grid: dict[str, Any], stretch: bool, n_folds: int, seed: int) -> SpeakerRegressor:
    _number("n_folds", n_folds, least=2, whole=True)
    if not isinstance(stretch, bool):
        raise ConfigError(f"stretch must be true or false, not {stretch!r}")
    return SpeakerRegressor(regressor, grid=grid, n_folds=n_folds, stretch=stretch, seed=seed)


class SpeakerRegressor(MultiOutputMixin, RegressorMixin, BaseEstimator):
    """A ``regressor`` of one or more targets whose options and spread come from held-out training speakers.

    ``fit`` bends the features (`RankGauss`), puts each target on a scale of mean 0 and standard deviation 1, deals the
    training speakers into ``n_folds`` inner folds, predicts every row by a regressor that never heard its speaker, and
    keeps for each target the point of ``grid`` with the best concordance (CCC, Lin 1989), among those whose CCC is
    above 0 in every fold: in four of five it could be luck. Where there are none, the features don't tell the target,
    and the point of least squared error does least harm.

    **Stretching.** A penalised regressor plays safe: its predictions spread less than the truth, and CCC counts that
    as disagreement. With ``stretch``, the predictions of a target that the features do tell are spread as far around
    their mean as its held-out truth; stretched noise would still be noise. The price is the squared error, which is
    least without. Predictions never leave the range of the training targets.

    Learned: ``ranks_``, ``regressors_`` (pairs: the columns of the targets, their fitted regressor), ``slope_`` and
    ``offset_ (k,)`` from the regressor's scale to the targets', ``lowest_`` and ``highest_ (k,)``, ``chosen_`` (the
    point of each target), ``stretched_ (k,)``, ``n_targets_`` and ``speakers_shared_`` (true where there weren't two
    speakers to keep apart, so that the choice is too hopeful).
    """

    def __init__(
        self,
        regressor: Any = None,
        *,
        grid: Mapping[str, Sequence[Any]] | None = None,
        n_folds: int = 5,
        stretch: bool = True,
        seed: int = 0,
    ) -> None:
        self.regressor = regressor
        self.grid = grid
        self.n_folds = n_folds
        self.stretch = stretch
        self.seed = seed

    def fit(self, X: Any, y: Any, groups: Any = None) -> SpeakerRegressor:
        """Train on ``X (n, d)`` and ``y (n, k)`` or ``(n,)``; ``groups (n,)`` are the speakers.

        Raises `ExperimentError` for fewer than two rows, or speakers' names too many or too few.
        """
        X, y = validate_data(self, X, y, multi_output=True, y_numeric=True)
        self.single_ = np.ndim(y) == 1
        targets = np.asarray(y, dtype=np.float64).reshape(len(X), -1)
        self.n_targets_ = targets.shape[1]
        if len(X) < 2:
            raise ExperimentError("A model needs two rows or more to learn from, but there is one sample.")
        self.lowest_, self.highest_ = targets.min(axis=0), targets.max(axis=0)
        mean, spread = targets.mean(axis=0), targets.std(axis=0)
        spread[spread == 0] = 1.0
        scaled = (targets - mean) / spread
        base = Ridge() if self.regressor is None else self.regressor
        points = _points(self.grid)
        folds = inner_folds(_thirds(scaled, groups), groups, n_folds=self.n_folds, seed=self.seed)
        self.speakers_shared_ = folds.by_rows
        held_out = _held_out(base, points, X, scaled, folds)
        choices = [self._choice(scaled[:, k], held_out[:, :, k], folds) for k in range(self.n_targets_)]
        best = [choice for choice, _, _ in choices]
        factor, shift = (np.array([choice[i] for choice in choices]) for i in (1, 2))
        self.chosen_ = [points[i] for i in best]
        self.stretched_ = factor != 1.0
        self.slope_, self.offset_ = spread * factor, mean + spread * shift
        self.ranks_ = RankGauss().fit(X)
        bent = self.ranks_.transform(X)
        self.regressors_ = []
        for i in sorted(set(best)):
            columns = np.flatnonzero(np.array(best) == i)
            fitted = clone(base).set_params(**points[i]).fit(bent, scaled[:, columns])
            self.regressors_.append((columns, fitted))
        return self

    def predict(self, X: Any) -> Floats:
        """The targets of each row, ``(n, k)``; ``(n,)`` where ``y`` was."""
        check_is_fitted(self)
        X = validate_data(self, X, dtype=np.float64, reset=False)  # a saved recogniser answers in doubles too
        bent = self.ranks_.transform(X)
        raw = np.empty((len(X), self.n_targets_))
        for columns, regressor in self.regressors_:
            raw[:, columns] = np.asarray(regressor.predict(bent)).reshape(len(X), -1)
        answer: Floats = np.clip(raw * self.slope_ + self.offset_, self.lowest_, self.highest_)
        return answer[:, 0] if self.single_ else answer

    def _choice(self, truth: Floats, held_out: Floats, folds: InnerFolds) -> tuple[int, float, float]:
        """The best point's number with its stretch: the factor and the shift after it."""
        rows = np.sort(np.concatenate([test for _, test in folds]))
        sound = [i for i, each in enumerate(held_out) if min(_ccc(truth[test], each[test]) for _, test in folds) > 0]
        if not sound:
            errors = ((truth[rows] - held_out[:, rows]) ** 2).mean(axis=1)
            return int(errors.argmin()), 1.0, 0.0
        candidates = []
        for i in sound:
            factor, shift = _stretch(truth[rows], held_out[i, rows]) if self.stretch else (1.0, 0.0)
            candidates.append((_ccc(truth[rows], held_out[i, rows] * factor + shift), i, factor, shift))
        _, i, factor, shift = max(candidates, key=lambda candidate: candidate[0])
        return i, factor, shift


def _held_out(base: Any, points: list[Point], X: Any, scaled: Floats, folds: InnerFolds) -> Floats:
    """``(n_points, n, k)``; rows that no fold holds out keep zeros."""
    predicted = np.zeros((len(points), *scaled.shape))
    for train, test in folds:
        ranks = RankGauss().fit(X[train])
        inside, outside = ranks.transform(X[train]), ranks.transform(X[test])
        for i, point in enumerate(points):
            fitted = clone(base).set_params(**point).fit(inside, scaled[train])
            predicted[i, test] = np.asarray(fitted.predict(outside)).reshape(len(test), -1)
    return predicted


def _stretch(truth: Floats, predicted: Floats) -> tuple[float, float]:
    """The factor and shift that give ``predicted``, which varies, the mean and spread of ``truth``."""
    factor = float(truth.std() / predicted.std())
    return factor, float(truth.mean() - factor * predicted.mean())


def _ccc(truth: Floats, predicted: Floats) -> float:
    """Concordance correlation; 0 where neither varies. `emotone.metrics.ccc` is another level's."""
    apart = truth.var() + predicted.var() + (truth.mean() - predicted.mean()) ** 2
    shared = ((truth - truth.mean()) * (predicted - predicted.mean())).mean()
    return float(2 * shared / apart) if apart > 0 else 0.0


def _thirds(scaled: Floats, groups: Any) -> NDArray[np.int64]:
    """Low, middle or high for each row, so that inner folds are alike in their targets; all the same where a third
    would be one speaker's alone, and so never held out."""
    if len(scaled) < FEW_ROWS:
        return np.zeros(len(scaled), dtype=np.int64)
    overall = scaled.mean(axis=1)
    thirds: NDArray[np.int64] = np.digitize(overall, np.quantile(overall, [1 / 3, 2 / 3])).astype(np.int64)
    if groups is not None and any(len(set(np.asarray(groups)[thirds == third])) == 1 for third in set(thirds)):
        return np.zeros(len(scaled), dtype=np.int64)
    return thirds


class ScaledSVR(MultiOutputMixin, RegressorMixin, BaseEstimator):
    """A support vector machine for each target (`sklearn.svm.SVR`), with one RBF kernel for all of them whose
    ``gamma`` is ``gamma_scale`` over the number of features.

    Learned: ``vectors_ (n_vectors, n_features)``, ``weights_ (n_vectors, k)``, ``bias_ (k,)`` and ``gamma_``.
    Predictions are ``exp(-gamma * |row - vectors|**2) @ weights + bias``.
    """

    def __init__(self, C: float = 1.0, gamma_scale: float = 1.0, epsilon: float = 0.1) -> None:
        self.C = C
        self.gamma_scale = gamma_scale
        self.epsilon = epsilon

    def fit(self, X: Any, y: Any) -> ScaledSVR:
        """Train on ``X (n, n_features)`` and ``y (n, k)`` or ``(n,)``."""
        X, y = validate_data(self, X, y, dtype=np.float64, multi_output=True, y_numeric=True)
        self.single_ = np.ndim(y) == 1
        targets = np.asarray(y, dtype=np.float64).reshape(len(X), -1)
        self.gamma_ = self.gamma_scale / X.shape[1]
        kernel = rbf_kernel(X, gamma=self.gamma_)
        weights, bias = np.zeros((len(X), targets.shape[1])), np.zeros(targets.shape[1])
        for k, target in enumerate(targets.T):
            machine = SVR(kernel="precomputed", C=self.C, epsilon=self.epsilon).fit(kernel, target)
            weights[machine.support_, k] = machine.dual_coef_[0]
            bias[k] = machine.intercept_[0]
        used = np.any(weights != 0, axis=1)
        used[0] |= not used.any()  # a target that hardly varies has no vectors, and an empty array no operators
        self.vectors_, self.weights_, self.bias_ = X[used], weights[used], bias
        return self

    def predict(self, X: Any) -> Floats:
        """The targets of each row, ``(n, k)``; ``(n,)`` where ``y`` was."""
        check_is_fitted(self)
        X = validate_data(self, X, dtype=np.float64, reset=False)
        answer: Floats = rbf_kernel(X, self.vectors_, gamma=self.gamma_) @ self.weights_ + self.bias_
        return answer[:, 0] if self.single_ else answer
