"""Scores of predicted numbers against audmetric, scipy, scikit-learn, golden cases and known answers."""

from __future__ import annotations

import json
import math
import warnings
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from emotone import metrics
from emotone.errors import ConfigError, ExperimentError

GOLDEN = json.loads((Path(__file__).parent / "golden" / "metrics.json").read_text(encoding="utf-8"))
SHAPES = (
    "random",
    "tied",
    "constant truth",
    "constant answers",
    "both constant",
    "equal",
    "perfect",
    "far off",
    "tiny",
)


def columns(shape: str, seed: int, n: int) -> tuple[np.ndarray, np.ndarray]:
    """Truth and predictions of a kind; sixteenths where exact ties matter."""
    rng = np.random.default_rng(seed)
    truth = rng.normal(size=n)
    predicted = 0.6 * truth + rng.normal(size=n)
    if shape == "tied":
        return np.round(truth), np.round(predicted)
    if shape == "constant truth":
        return np.full(n, rng.integers(-9, 9) / 16), predicted
    if shape == "constant answers":
        return truth, np.full(n, rng.integers(-9, 9) / 16)
    if shape == "both constant":
        return np.full(n, 0.5), np.full(n, -0.25)
    if shape == "equal":
        return np.full(n, 0.5), np.full(n, 0.5)
    if shape == "perfect":
        return truth, truth.copy()
    if shape == "far off":
        return truth + 1e5, predicted - 1e5
    return (1e-6 * truth, 1e-6 * predicted) if shape == "tiny" else (truth, predicted)


@settings(max_examples=150, deadline=None)
@given(shape=st.sampled_from(SHAPES), seed=st.integers(0, 2**32 - 1), n=st.integers(1, 50))
def test_audmetric_scipy_and_scikit_learn_agree(shape, seed, n):
    audmetric = pytest.importorskip("audmetric")
    stats = pytest.importorskip("scipy.stats")
    sk = pytest.importorskip("sklearn.metrics")
    truth, predicted = columns(shape, seed, n)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # of constant columns
        ccc = audmetric.concordance_cc(truth, predicted)
        pearson = stats.pearsonr(truth, predicted).statistic if n > 1 else math.nan
    assert metrics.ccc(truth, predicted) == pytest.approx(ccc, abs=1e-9, nan_ok=True)
    assert metrics.pearson(truth, predicted) == pytest.approx(pearson, abs=1e-9, nan_ok=True)
    assert metrics.rmse(truth, predicted) == pytest.approx(sk.root_mean_squared_error(truth, predicted), abs=1e-9)
    assert metrics.mae(truth, predicted) == pytest.approx(sk.mean_absolute_error(truth, predicted), abs=1e-9)


@pytest.mark.parametrize("name", GOLDEN["regression"])
def test_golden_cases(name):
    case = GOLDEN["regression"][name]
    for metric in metrics.REGRESSION_NAMES:
        expected = case["scores"][metric]
        found = getattr(metrics, metric)(case["truth"], case["predicted"])
        assert math.isnan(found) if expected is None else found == pytest.approx(expected, abs=1e-9), metric


def test_what_a_constant_is_worth():
    """Not NaN as soon as something varies or differs: a lazy recogniser gets its zero."""
    assert metrics.ccc([1, 2, 3], [2, 2, 2]) == 0
    assert metrics.ccc([2, 2, 2], [1, 2, 3]) == 0
    assert metrics.ccc([2, 2, 2], [3, 3, 3]) == 0
    assert math.isnan(metrics.ccc([2, 2, 2], [2, 2, 2]))
    assert math.isnan(metrics.ccc([2], [3]))
    # A tenth isn't exact in float64, and its mean neither.
    assert metrics.ccc([0.1] * 3, [0.3] * 3) == 0
    assert math.isnan(metrics.ccc([0.1] * 7, [0.1] * 7))
    assert math.isnan(metrics.pearson([0.1] * 7, [1, 2, 3, 4, 5, 6, 7]))


def test_a_speaker_with_one_value_has_no_correlation_however_sums_round():
    truth, predicted, who = [0.1] * 7 + [0.9, 0.2], [0.3, 0.1, 0.7, 0.2, 0.5, 0.6, 0.4, 0.8, 0.2], ["a"] * 7 + ["b"] * 2
    of_speakers = metrics.by_group("pearson", truth, predicted, who)
    assert math.isnan(of_speakers["a"])
    assert of_speakers["b"] == pytest.approx(1)
    assert metrics.by_group("ccc", truth, predicted, who)["a"] == pytest.approx(0, abs=1e-12)


def test_a_far_origin_costs_no_digits(rng):
    truth, error = rng.normal(size=2000), rng.normal(size=2000)
    expected = metrics.ccc(truth, truth + error)
    assert metrics.ccc(truth + 1e6, truth + error + 1e6) == pytest.approx(expected, abs=1e-9)


def test_shifting_and_scaling_both_changes_nothing_and_one_lowers_it(rng):
    truth = rng.normal(size=300)
    predicted = truth + 0.3 * rng.normal(size=300)
    score = metrics.ccc(truth, predicted)
    assert metrics.ccc(3 * truth - 7, 3 * predicted - 7) == pytest.approx(score, abs=1e-12)
    assert metrics.ccc(-truth, -predicted) == pytest.approx(score, abs=1e-12)
    assert metrics.ccc(predicted, truth) == pytest.approx(score, abs=1e-12)
    assert metrics.ccc(truth, predicted + 0.5) < score
    assert metrics.ccc(truth, 0.5 * predicted) < score
    assert metrics.pearson(truth, 0.5 * predicted + 9) == pytest.approx(metrics.pearson(truth, predicted), abs=1e-12)


# --- speakers ---


def experiment(rng, n_speakers=8, rows=12):
    who = np.repeat(np.arange(n_speakers), rows)
    truth = rng.normal(size=len(who)) + rng.normal(0, 0.4, n_speakers)[who]
    return truth, 0.7 * truth + rng.normal(0, 0.3, n_speakers)[who] + 0.5 * rng.normal(size=len(who)), who


@pytest.mark.parametrize("metric", metrics.REGRESSION_NAMES)
def test_by_group_and_interval_need_no_labels(rng, metric):
    truth, predicted, who = experiment(rng)
    score = getattr(metrics, metric)
    of_speakers = metrics.by_group(metric, truth, predicted, who)
    for speaker, value in of_speakers.items():
        assert value == pytest.approx(score(truth[who == speaker], predicted[who == speaker]), abs=1e-9)
    low, high = metrics.interval(metric, truth, predicted, who)
    assert low < score(truth, predicted) < high
    if metric in ("ccc", "pearson"):
        assert -1 <= low < high <= 1
    else:
        assert low > 0


def test_interval_of_ccc_is_on_the_scale_of_fisher(rng):
    truth, predicted, who = experiment(rng)
    s, half = 8, 0.5 / len(truth)
    left = np.array([metrics.ccc(truth[who != gone], predicted[who != gone]) for gone in range(s)])
    from scipy import stats

    def z(x):
        return 2 * np.arctanh(x / (1 + 2 * half))

    reach = stats.t.ppf(0.975, s - 1) * z(left).std() * np.sqrt(s - 1)
    ends = (1 + 2 * half) * np.tanh((z(metrics.ccc(truth, predicted)) + np.array([-1, 1]) * reach) / 2)
    assert metrics.interval("ccc", truth, predicted, who) == pytest.approx(ends, abs=1e-5)


def test_an_undefined_score_has_no_interval():
    assert np.isnan(metrics.interval("ccc", [1, 1, 2], [1, 1, 2], ["a", "a", "b"])).all()  # without b it is undefined


def test_perfect_numbers_are_a_point():
    numbers, who = [1.0, 2.5, 3.0, 4.25], ["a", "a", "b", "b"]
    assert metrics.interval("rmse", numbers, numbers, who) == (0, 0)
    assert metrics.interval("ccc", numbers, numbers, who) == (1, 1)


def test_random_answers_give_no_concordance(rng):
    truth, _, who = experiment(rng, 24)
    low, high = metrics.interval("ccc", truth, rng.permutation(truth), who)
    assert low < 0 < high


# --- evaluate_regression ---


def test_evaluate_regression_gathers_everything(rng):
    first, second = experiment(rng), experiment(rng)
    truth, predicted = (np.stack([first[i], second[i]], axis=1) for i in (0, 1))
    who, folds = first[2], first[2] % 3
    report = metrics.evaluate_regression(truth, predicted, ("arousal", "valence"), who, folds=folds)
    assert json.loads(json.dumps(report, allow_nan=False)) == report
    assert (report["n"], report["n_speakers"], report["targets"]) == (96, 8, ["arousal", "valence"])
    for name in metrics.REGRESSION_NAMES:
        each = [report["per_target"][target][name] for target in report["targets"]]
        for i, score in enumerate(each):
            assert score["value"] == getattr(metrics, name)(truth[:, i], predicted[:, i])
            ends = metrics.interval(name, truth[:, i], predicted[:, i], who)
            assert (score["low"], score["high"]) == pytest.approx(ends, abs=1e-12)
        assert report[name]["value"] == pytest.approx((each[0]["value"] + each[1]["value"]) / 2, abs=1e-12)
        assert report[name]["low"] < report[name]["value"] < report[name]["high"]
        in_folds = [getattr(metrics, name)(truth[folds == i, 0], predicted[folds == i, 0]) for i in range(3)]
        assert each[0]["fold_mean"] == pytest.approx(np.mean(in_folds))
        assert each[0]["fold_sd"] == pytest.approx(np.std(in_folds, ddof=1))


def test_evaluate_regression_says_none_where_there_is_nothing_to_say():
    report = metrics.evaluate_regression([2, 2], [2, 2], ["arousal"], ["a", "a"])
    assert report["ccc"] == report["per_target"]["arousal"]["ccc"] == {"value": None, "low": None, "high": None}
    assert report["rmse"] == {"value": 0, "low": None, "high": None}
    assert metrics.evaluate_regression([1, 2], [2, 2], ["arousal"])["n_speakers"] is None


def test_format_score_knows_the_names():
    assert metrics.format_score("ccc", 0.5701, 0.4956, 0.6349) == "CCC 0.57 [0.50, 0.63]"


# --- bad input ---


@pytest.mark.parametrize(
    ("truth", "predicted", "message"),
    [
        ([], [], "at least one"),
        ([1, 2], [1], "2 values of truth but 1 predictions.* dropped"),
        ([1, np.nan, np.nan], [1, 2, 3], "2 of 3 rows of truth are NaN or infinite; drop these rows"),
        ([1, 2], [1, np.inf], "1 of 2 rows of predicted are NaN or infinite"),
        (["high", "low"], [1, 2], "truth must hold one number per row"),
        ([[1, 2]], [[1, 2]], "shape is"),
    ],
)
def test_bad_columns_are_explained(truth, predicted, message):
    with pytest.raises(ExperimentError, match=message):
        metrics.ccc(truth, predicted)


def test_other_bad_input_is_explained():
    pair = np.ones((3, 2))
    with pytest.raises(ExperimentError, match="1 of 3 rows of valence are NaN"):
        metrics.evaluate_regression(np.array([[1, 2], [1, np.nan], [2, 1]]), pair, ["arousal", "valence"])
    with pytest.raises(ExperimentError, match=r"true values need one column for each .* arousal, .* shape is \(3, 2\)"):
        metrics.evaluate_regression(pair, pair, ["arousal"])
    with pytest.raises(ExperimentError, match="predictions need one column"):
        metrics.evaluate_regression(pair, pair[:, 0], ["arousal", "valence"])
    for targets in ([], "arousal", ["arousal", "arousal"]):
        with pytest.raises(ExperimentError, match="list of one name or more"):
            metrics.evaluate_regression(pair, pair, targets)
    with pytest.raises(ExperimentError, match="uar scores emotions and needs their labels"):
        metrics.by_group("uar", ["sad"], ["sad"], ["a"])
    with pytest.raises(ConfigError, match="Did you mean 'ccc'"):
        metrics.by_group("cccc", [1], [1], ["a"])
