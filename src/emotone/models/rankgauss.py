"""Rank normalisation: every feature is bent into a bell curve by the ranks of the training rows."""

from __future__ import annotations

from statistics import NormalDist
from typing import Any

import numpy as np
from numpy.typing import NDArray
from sklearn.base import BaseEstimator, OneToOneFeatureMixin, TransformerMixin
from sklearn.utils.validation import check_is_fitted, validate_data

from emotone.errors import ConfigError

__all__ = ["RankGauss"]

CONSTANT = 1e-6
"""A feature whose knots span less than this share of their size counts as constant: what varies there is float32
rounding, about 1e-7."""


class RankGauss(OneToOneFeatureMixin, TransformerMixin, BaseEstimator):
    """Map each feature to a normal distribution, through ``n_knots`` quantiles and straight lines between them.

    Outliers can't reach further than the outermost knots (about 2.1 standard deviations for 31), and skewed features
    lose their skew: worth 2 points of UAR over standardisation for linear models of acoustic statistics. The idea is
    scikit-learn's ``QuantileTransformer``; this one has few knots and is a sum of clipped straight lines, so a saved
    recogniser can repeat it with standard ONNX operators.

    Learned: ``knots_`` and ``heights_``, both ``(n_features, n_knots)`` and ascending. A value ``x`` of a feature
    becomes ``heights[0] + sum over j of slope[j] * (clip(x, knots[j], knots[j + 1]) - knots[j])``, where ``slope[j]``
    is the rise over the run between the knots j and j + 1, and 0 where they fall together. Constant features become 0.
    """

    def __init__(self, n_knots: int = 31) -> None:
        self.n_knots = n_knots

    def fit(self, X: Any, y: Any = None) -> RankGauss:
        """Learn the knots from the rows of ``X (n, n_features)``. Raises `ConfigError` for fewer than two knots."""
        X = validate_data(self, X, dtype=[np.float64, np.float32])
        if self.n_knots < 2:
            raise ConfigError(f"n_knots must be 2 or more, not {self.n_knots}.")
        levels = (np.arange(self.n_knots) + 0.5) / self.n_knots
        # Rows of sorted values: numpy's own selection, column by column, takes three times as long.
        ordered = np.sort(np.ascontiguousarray(X.T), axis=1)
        knots = np.quantile(ordered, levels, axis=1).T.astype(np.float64)
        constant = np.ptp(knots, axis=1) <= CONSTANT * np.abs(knots).max(axis=1)
        knots[constant] = knots[constant, self.n_knots // 2, None]
        self.knots_ = knots
        self.heights_ = _shared_heights(knots, np.array([NormalDist().inv_cdf(level) for level in levels]))
        return self

    def transform(self, X: Any) -> NDArray[Any]:
        """The bent features, same shape as ``X``; float32 stays float32."""
        check_is_fitted(self)
        X = validate_data(self, X, dtype=[np.float64, np.float32], reset=False)
        bent: NDArray[Any] = np.empty_like(X)
        for i, (knots, heights) in enumerate(zip(self.knots_, self.heights_, strict=True)):
            bent[:, i] = np.interp(X[:, i], knots, heights)
        return bent

    def __sklearn_tags__(self) -> Any:
        tags = super().__sklearn_tags__()
        tags.transformer_tags.preserves_dtype = ["float64", "float32"]
        return tags


def _shared_heights(knots: NDArray[np.float64], bell: NDArray[np.float64]) -> NDArray[np.float64]:
    """``bell (n_knots,)`` for every row of ``knots``; knots that fall together share the mean of their heights."""
    first = np.ones(knots.shape, dtype=bool)
    first[:, 1:] = np.diff(knots, axis=1) > 0
    place = np.cumsum(first).reshape(knots.shape) - 1  # numbers the distinct knots of all rows
    counts = np.bincount(place.ravel())
    means = np.bincount(place.ravel(), weights=np.tile(bell, len(knots))) / counts
    heights: NDArray[np.float64] = means[place]
    return heights
