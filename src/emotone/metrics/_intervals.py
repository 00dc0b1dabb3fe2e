"""Intervals from leaving out one speaker at a time: of any score of sums over rows."""

from __future__ import annotations

import functools
from collections.abc import Callable
from math import exp, lgamma, log, log1p
from typing import TYPE_CHECKING

import numpy as np

from emotone.errors import ExperimentError

if TYPE_CHECKING:
    from emotone.metrics._rows import Floats, Ints
    from emotone.metrics._scores import Countable, Metric


def interval_of(metric: Metric, sums: Floats, n_rows: Ints, *, level: float) -> tuple[float, float]:
    """See `emotone.metrics.interval`; from the sums ``(n_groups, d)`` and the number of rows of each group."""
    value = metric.score(sums.sum(axis=0))
    to_scale, from_scale = _scale(metric, int(n_rows.sum()), float(value))
    error = standard_error(lambda left: to_scale(metric.score(left)), sums)
    centre, reach = to_scale(value), student_t(level, effective_dof(n_rows)) * error
    if error == 0:
        return float(value), float(value)
    # The comparison with the value undoes rounding on the way to the scale and back.
    low, high = np.minimum(from_scale(centre - reach), value), np.maximum(from_scale(centre + reach), value)
    return float(low), float(high)


def scored(
    metric: Metric, rows: Countable, speakers: Ints | None, folds: Ints | None = None, *, level: float
) -> dict[str, float | None]:
    """``value, low, high``, and for folds ``fold_mean, fold_sd``: ready for JSON, None for what is undefined."""
    ends: tuple[float, float] = (np.nan, np.nan)
    if speakers is not None:
        # Rows of one class or one group may lack speakers: those who are there, numbered anew.
        present, codes = np.unique(speakers, return_inverse=True)
        if len(present) > 1:
            ends = interval_of(metric, metric.sums(rows, codes, len(present)), np.bincount(codes), level=level)
    found = {"value": metric.of(rows), "low": ends[0], "high": ends[1]}
    if folds is not None:
        scores = metric.score(metric.sums(rows, folds, int(folds.max()) + 1))
        found["fold_mean"] = float(scores.mean())
        found["fold_sd"] = float(scores.std(ddof=1)) if len(scores) > 1 else np.nan
    return {key: value if np.isfinite(value) else None for key, value in found.items()}


def standard_error(score: Callable[[Floats], Floats], sums: Floats) -> float:
    """The jackknife's, over the groups whose sums are the rows ``(n_groups, d)``; NaN where leaving one out leaves the
    score undefined."""
    s = len(sums)
    if s < 2:
        raise ExperimentError(
            "An interval over speakers needs two or more, and all rows here are of one; report the score without it."
        )
    without_one = score(sums.sum(axis=0) - sums)
    return float(np.sqrt((s - 1) * np.var(without_one)))


def effective_dof(n_rows: Ints) -> float:
    """Degrees of freedom of a spread over groups of these sizes: Kish's effective number of groups less one, and at
    least one."""
    return max(1.0, float(n_rows.sum()) ** 2 / float((n_rows.astype(np.float64) ** 2).sum()) - 1)


def _scale(metric: Metric, n_rows: int, value: float) -> tuple[Callable[[Floats], Floats], Callable[[Floats], Floats]]:
    """To the scale on which ends are equally far from the ``value``, and back. Half a row is added so that perfect
    scores have a finite logit; for a logarithm it counts as wrong as the others are."""
    bottom, reach, half = metric.bottom, metric.top - metric.bottom, 0.5 / n_rows
    offset = half * value if value > 0 else half

    def logit(x: Floats) -> Floats:
        share = ((x - bottom) / reach + half) / (1 + 2 * half)
        return np.asarray(np.log(share / (1 - share)))

    def from_logit(y: Floats) -> Floats:
        return np.asarray(bottom + reach * np.clip((1 + 2 * half) / (1 + np.exp(-y)) - half, 0.0, 1.0))

    scales: dict[str, tuple[Callable[[Floats], Floats], Callable[[Floats], Floats]]] = {
        "logit": (logit, from_logit),
        "log": (lambda x: np.asarray(np.log(x + offset)), lambda y: np.maximum(np.exp(y) - offset, 0.0)),
        "plain": (lambda x: x, lambda y: np.clip(y, bottom, metric.top)),
    }
    return scales[metric.scale]


# --- Student's t --------------------------------------------------------------------------------------------


@functools.lru_cache
def student_t(level: float, dof: float) -> float:
    """The t for which Student's distribution with ``dof`` degrees of freedom has ``level`` between -t and t: to some
    1e-12, found by halving (scipy isn't part of the base install)."""
    if not 0 < level < 1:
        raise ExperimentError(f"level must lie between 0 and 1, not {level}.")
    low, high = 0.0, np.pi / 2
    for _ in range(60):
        angle = (low + high) / 2
        low, high = (angle, high) if student_p(np.sqrt(dof) * np.tan(angle), dof) > 1 - level else (low, angle)
    return float(np.sqrt(dof) * np.tan((low + high) / 2))


def student_p(t: float, dof: float) -> float:
    """The share of Student's distribution beyond -t and t (``2 * scipy.stats.t.sf``): I_x(dof / 2, 1 / 2), the
    regularised incomplete beta function at x = dof / (dof + t^2)."""
    a, b, x, rest = dof / 2, 0.5, dof / (dof + t * t), t * t / (dof + t * t)
    # The continued fraction converges fast below its mean, and the function's symmetry serves the rest.
    return _beta_share(a, b, x) if x < (a + 1) / (a + b + 2) else 1 - _beta_share(b, a, rest)


def _beta_share(a: float, b: float, x: float) -> float:
    """I_x(a, b) by its continued fraction (NIST Digital Library of Mathematical Functions, 8.17.22)."""
    if x <= 0:
        return 0.0
    fraction = 1.0
    for m in range(100, 0, -1):
        even = m * (b - m) * x / ((a + 2 * m - 1) * (a + 2 * m))
        odd = -(a + m - 1) * (a + b + m - 1) * x / ((a + 2 * m - 2) * (a + 2 * m - 1))
        fraction = 1 + odd / (1 + even / fraction)
    front = lgamma(a + b) - lgamma(a) - lgamma(b) + a * log(x) + b * log1p(-x)
    return exp(front) / (a * fraction)
