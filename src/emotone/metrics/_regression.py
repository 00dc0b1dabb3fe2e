"""Scores of predicted numbers: arousal, valence, dominance."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

import numpy as np

from emotone.errors import ExperimentError
from emotone.metrics._intervals import scored
from emotone.metrics._rows import Numbers, group_codes, validate_numbers
from emotone.metrics._scores import Metric

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from emotone.metrics._rows import Column, Floats, Ints

REGRESSION_NAMES = {"ccc": "CCC", "pearson": "Pearson's r", "rmse": "RMSE", "mae": "MAE"}
"""The metrics of predicted numbers, and how they are printed."""

ROUNDING = 1e-13
"""A variance below this share of the mean square is that of equal values, blurred by rounding."""


def _moments(rows: Numbers, groups: Ints, n_groups: int) -> Floats:
    """Sums of 1, x, y, x², y², xy and the difference of truth and prediction, ``(n_groups, 7)``.

    x and y are the truth and the prediction, each measured from the middle of its own range: variances made of
    sums of squares then keep their digits, and equal values have a variance of exactly zero.
    """
    x, y = _centred(rows.truth), _centred(rows.predicted)
    return _summed([np.ones_like(x), x, y, x * x, y * y, x * y, rows.truth - rows.predicted], groups, n_groups)


def _centred(values: Floats) -> Floats:
    return np.asarray(values - (values.min() / 2 + values.max() / 2))


def _summed(columns: Sequence[Floats], groups: Ints, n_groups: int) -> Floats:
    return np.stack([np.bincount(groups, weights=column, minlength=n_groups) for column in columns], axis=1)


def _spread(sums: Floats) -> tuple[Floats, Floats, Floats, Floats]:
    """Variances of truth and prediction, their covariance, and the squared difference of their means."""
    x, y, xx, yy, xy, difference = np.moveaxis(sums[..., 1:] / sums[..., :1], -1, 0)
    return _variance(x, xx), _variance(y, yy), np.asarray(xy - x * y), np.asarray(difference**2)


def _variance(mean: Floats, mean_square: Floats) -> Floats:
    variance = mean_square - mean**2
    return np.where(variance <= ROUNDING * mean_square, 0.0, variance)


def _ccc(sums: Floats) -> Floats:
    truth, predicted, both, shift = _spread(sums)
    return _ratio(2 * both, truth + predicted + shift, sums[..., 0] > 1)


def _pearson(sums: Floats) -> Floats:
    truth, predicted, both, _ = _spread(sums)
    return np.clip(_ratio(both, np.sqrt(truth) * np.sqrt(predicted), sums[..., 0] > 1), -1.0, 1.0)


def _ratio(numerator: Floats, denominator: Floats, several: Any) -> Floats:
    defined = several & (denominator > 0)
    return np.where(defined, numerator / np.where(defined, denominator, 1.0), np.nan)


def _errors(power: int) -> Callable[[Numbers, Ints, int], Floats]:
    """Count and summed absolute errors to the ``power``, ``(n_groups, 2)``."""

    def sums(rows: Numbers, groups: Ints, n_groups: int) -> Floats:
        error = np.abs(rows.truth - rows.predicted) ** power
        return _summed([np.ones_like(error), error], groups, n_groups)

    return sums


REGRESSION = {
    "ccc": Metric(_moments, _ccc, bottom=-1.0),
    "pearson": Metric(_moments, _pearson, bottom=-1.0),
    "rmse": Metric(
        _errors(2), lambda sums: np.sqrt(np.maximum(sums[..., 1], 0.0) / sums[..., 0]), scale="log", top=np.inf
    ),
    "mae": Metric(_errors(1), lambda sums: np.asarray(sums[..., 1] / sums[..., 0]), scale="log", top=np.inf),
}


def ccc(truth: Column, predicted: Column) -> float:
    """Lin's concordance correlation coefficient, -1 to 1: twice the covariance over the sum of both variances and
    the squared difference of the means (Lin 1989; ``audmetric.concordance_cc``).

    Variances and covariance are the population's (divided by n). If only one of the columns varies, or both are
    constant but differ, the score is 0. Of a single row, or where truth and predictions are all one and the same
    number, it is undefined: NaN.
    """
    return REGRESSION["ccc"].of(validate_numbers(truth, predicted))


def pearson(truth: Column, predicted: Column) -> float:
    """Pearson's correlation, -1 to 1 (``scipy.stats.pearsonr``); NaN of a single row, or where a column is
    constant."""
    return REGRESSION["pearson"].of(validate_numbers(truth, predicted))


def rmse(truth: Column, predicted: Column) -> float:
    """Root of the mean squared error, in the target's own unit."""
    return REGRESSION["rmse"].of(validate_numbers(truth, predicted))


def mae(truth: Column, predicted: Column) -> float:
    """Mean absolute error, in the target's own unit."""
    return REGRESSION["mae"].of(validate_numbers(truth, predicted))


def evaluate_regression(
    truth: Column,
    predicted: Column,
    targets: Sequence[str],
    groups: Column | None = None,
    *,
    folds: Column | None = None,
    level: float = 0.95,
) -> dict[str, Any]:
    """All scores of predicted numbers, ready for JSON: an undefined value is None.

    ``truth`` and ``predicted`` are ``(n, len(targets))``, or ``(n,)`` for one target. Each key of
    `REGRESSION_NAMES` holds ``value, low, high`` of the mean over targets, and ``per_target`` the same for each
    target alone. As in `evaluate`, the ends are None unless ``groups``, the speakers, name two or more, and
    ``folds`` add ``fold_mean`` and ``fold_sd``. RMSE and MAE are in the targets' units: their mean says little
    unless the targets share a scale. Beside these: ``n``, ``n_speakers``, ``targets``, ``level``.

    Raises `ExperimentError` for NaN and for columns that don't fit.
    """
    every = _by_target(truth, predicted, targets)
    speakers = None if groups is None else group_codes(groups, every.n_rows)[1]
    in_folds = None if folds is None else group_codes(folds, every.n_rows)[1]

    def scores(rows: Targets) -> dict[str, Any]:
        means = {name: _mean_over_targets(metric) for name, metric in REGRESSION.items()}
        return {name: scored(mean, rows, speakers, in_folds, level=level) for name, mean in means.items()}

    return {
        "n": every.n_rows,
        "n_speakers": None if speakers is None else int(speakers.max()) + 1,
        "targets": list(targets),
        "level": level,
        **scores(every),
        "per_target": {
            target: scores(Targets((column,))) for target, column in zip(targets, every.columns, strict=True)
        },
    }


@dataclass(frozen=True)
class Targets:
    """The numbers of several targets of the same rows."""

    columns: tuple[Numbers, ...]

    @property
    def n_rows(self) -> int:
        return self.columns[0].n_rows


def _by_target(truth: Column, predicted: Column, targets: Sequence[str]) -> Targets:
    if not targets or isinstance(targets, str) or len(set(targets)) != len(targets):
        raise ExperimentError(f"Targets are a list of one name or more, without repeats, not {targets!r}.")
    truths, answers = (
        _in_columns(what, given, targets) for what, given in (("true values", truth), ("predictions", predicted))
    )
    return Targets(
        tuple(validate_numbers(truths[:, i], answers[:, i], target=target) for i, target in enumerate(targets))
    )


def _in_columns(what: str, given: Column, targets: Sequence[str]) -> NDArray[Any]:
    values = np.asarray(given)
    values = values[:, np.newaxis] if values.ndim == 1 and len(targets) == 1 else values
    if values.ndim != 2 or values.shape[1] != len(targets):
        raise ExperimentError(
            f"The {what} need one column for each of the targets {', '.join(targets)}, but their shape is "
            f"{values.shape}."
        )
    return values


def _mean_over_targets(metric: Metric) -> Metric:
    """From the sums of all targets side by side."""

    def sums(rows: Targets, groups: Ints, n_groups: int) -> Floats:
        return np.stack([metric.sums(column, groups, n_groups) for column in rows.columns], axis=1)

    return replace(metric, sums=sums, score=lambda sums: np.asarray(metric.score(sums).mean(axis=-1)))
