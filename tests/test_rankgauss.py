"""`emotone.models.rankgauss`: its formula, scikit-learn's quantile transform, and features nobody would wish for."""

from __future__ import annotations

from statistics import NormalDist

import numpy as np
import pytest
from sklearn.preprocessing import QuantileTransformer
from sklearn.utils.estimator_checks import parametrize_with_checks

from emotone.errors import ConfigError
from emotone.models.rankgauss import RankGauss


@parametrize_with_checks([RankGauss()])
def test_scikit_learns_own_checks(estimator, check):
    check(estimator)


def features(rng, n=400):
    """Bell-shaped, skewed, discrete, constant, far from zero, tiny, and with outliers."""
    bell = rng.normal(size=n)
    return np.column_stack(
        [
            bell,
            np.exp(2 * bell),
            rng.integers(0, 3, n),
            np.full(n, 7.5),
            1e4 + bell,
            1e-9 * np.exp(bell),
            np.where(rng.random(n) < 0.02, 1e30, bell),
        ]
    )


def documented(ranks, X):
    """The formula of the docstring, word for word."""
    bent = np.zeros(X.shape)
    for i, (knots, heights) in enumerate(zip(ranks.knots_, ranks.heights_, strict=True)):
        bent[:, i] = heights[0]
        for j in range(len(knots) - 1):
            if knots[j + 1] > knots[j]:
                slope = (heights[j + 1] - heights[j]) / (knots[j + 1] - knots[j])
                bent[:, i] += slope * (np.clip(X[:, i], knots[j], knots[j + 1]) - knots[j])
    return bent


def test_it_is_the_documented_sum_of_clipped_lines(rng):
    X = features(rng)
    ranks = RankGauss().fit(X)
    new = np.concatenate([X, features(rng), -features(rng), np.zeros((1, X.shape[1]))])
    np.testing.assert_allclose(ranks.transform(new), documented(ranks, new), rtol=0, atol=1e-9)


def test_it_has_31_knots_at_the_middles_of_31_equal_shares(rng):
    X = rng.normal(size=(500, 3))
    ranks = RankGauss().fit(X)
    levels = (np.arange(31) + 0.5) / 31
    np.testing.assert_allclose(ranks.knots_, np.quantile(X, levels, axis=0).T, rtol=1e-12)
    np.testing.assert_allclose(ranks.heights_[0], [NormalDist().inv_cdf(level) for level in levels], rtol=1e-12)


def test_away_from_the_tails_it_is_scikit_learns_quantile_transform(rng):
    X = np.column_stack([rng.normal(size=4000), rng.exponential(size=4000), rng.uniform(size=4000) ** 3])
    ours = RankGauss().fit_transform(X)
    theirs = QuantileTransformer(n_quantiles=4000, output_distribution="normal").fit_transform(X)
    middle = np.abs(theirs) < 1.5
    assert middle.mean() > 0.85
    assert np.abs(ours - theirs)[middle].max() < 0.1


def test_it_never_turns_an_order_round(rng):
    X = features(rng)
    ranks = RankGauss().fit(X)
    grid = np.sort(np.concatenate([X, X * 1.1, -X, rng.normal(size=X.shape)]), axis=0)
    assert (np.diff(ranks.transform(grid), axis=0) >= 0).all()


def test_outliers_end_at_the_outermost_knots(rng):
    ranks = RankGauss().fit(features(rng))
    end = NormalDist().inv_cdf(30.5 / 31)
    bent = ranks.transform(np.array([[1e300] * 7, [-1e300] * 7]))
    assert np.abs(bent).max() <= end + 1e-12
    assert bent[0, 0] == pytest.approx(end)
    assert bent[1, 0] == pytest.approx(-end)


def test_values_that_tie_share_the_mean_of_their_heights():
    X = np.repeat([0.0, 1.0, 2.0], [100, 200, 100])[:, None]
    levels = (np.arange(31) + 0.5) / 31
    bell = np.array([NormalDist().inv_cdf(level) for level in levels])
    low = bell[levels * 399 <= 99].mean()
    bent = RankGauss().fit(X).transform(np.array([[0.0], [1.0], [2.0]]))
    np.testing.assert_allclose(bent[:, 0], [low, 0.0, -low], atol=1e-12)


@pytest.mark.parametrize("value", [0.0, -3.25, 1e4, 1e-12])
def test_a_constant_feature_and_one_that_only_rounding_varies_become_zero(rng, value):
    noise = 1 + 1e-7 * rng.uniform(-1, 1, size=200)
    X = np.column_stack([np.full(200, value), value * noise])
    ranks = RankGauss().fit(X)
    np.testing.assert_allclose(ranks.transform(np.array([[5.0, -5.0], [value, value]])), 0.0, atol=1e-12)


def test_a_feature_far_from_zero_keeps_what_it_says(rng):
    bell = rng.normal(size=1000)
    near, far = RankGauss().fit_transform(np.column_stack([bell, 1e4 + bell]).astype(np.float32)).T
    assert np.corrcoef(near, far)[0, 1] > 0.999


def test_float32_stays_float32_and_means_the_same(rng):
    X = features(rng).astype(np.float32)
    single, double = RankGauss().fit_transform(X), RankGauss().fit_transform(X.astype(np.float64))
    assert single.dtype == np.float32
    assert double.dtype == np.float64
    np.testing.assert_allclose(single, double, atol=1e-6)


def test_the_matrix_given_is_not_changed(rng):
    X = features(rng)
    before = X.copy()
    RankGauss().fit(X).transform(X)
    np.testing.assert_array_equal(X, before)


def test_one_knot_makes_no_line():
    with pytest.raises(ConfigError, match=r"^n_knots must be 2 or more, not 1\.$"):
        RankGauss(n_knots=1).fit(np.zeros((4, 2)))
