"""Differences between two recognisers against scipy, golden cases and definitions."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from emotone import metrics
from emotone.errors import ExperimentError
from emotone.metrics._comparison import _doubled_ranks, _exact_p, _normal_p

GOLDEN = json.loads((Path(__file__).parent / "golden" / "metrics.json").read_text(encoding="utf-8"))
FOUR = ("neutral", "happy", "sad", "angry")
NAMES = np.array(FOUR, dtype=object)


def pair(rng, n_speakers=12, rows=30, *, worse=0.5):
    """Truth, two sets of probabilities, speakers: b hears what a hears, through more noise."""
    true = rng.integers(0, 4, n_speakers * rows)
    who = np.repeat(np.arange(n_speakers), rows)
    logits = rng.normal(size=(len(true), 4))
    logits[np.arange(len(true)), true] += 1 + rng.normal(0, 0.6, n_speakers)[who]
    both = np.exp([logits, rng.normal(logits, worse)])
    return NAMES[true], *(both / both.sum(axis=-1, keepdims=True)), who


# --- difference ---


@pytest.mark.parametrize("metric", metrics.NAMES)
def test_difference_is_what_its_definition_says(rng, metric):
    from scipy import stats

    truth, a, b, who = pair(rng)
    score = getattr(metrics, metric)
    found = metrics.difference(metric, truth, a, b, who, FOUR)
    value = score(truth, a, FOUR) - score(truth, b, FOUR)
    left = [
        score(truth[who != gone], a[who != gone], FOUR) - score(truth[who != gone], b[who != gone], FOUR)
        for gone in range(12)
    ]
    error = np.std(left) * np.sqrt(11)
    assert found.value == pytest.approx(value, abs=1e-12)
    ends = value + np.array([-1, 1]) * stats.t.ppf(0.975, 11) * error
    assert (found.low, found.high) == pytest.approx(ends, abs=1e-6)
    assert found.p == pytest.approx(2 * stats.t.sf(abs(value) / error, 11), abs=1e-12)


def test_numbers_too(rng):
    who = np.repeat(np.arange(10), 20)
    truth = rng.normal(size=200)
    a, b = truth + rng.normal(0, 0.5, 200), truth + rng.normal(0, 1.5, 200)
    found = metrics.difference("ccc", truth, a, b, who)
    assert found.value == pytest.approx(metrics.ccc(truth, a) - metrics.ccc(truth, b))
    assert found.low > 0
    assert found.p < 0.001
    assert metrics.difference("rmse", truth, a, b, who).high < 0
    assert metrics.signed_rank("ccc", truth, a, b, who).p < 0.01


def test_p_and_interval_say_the_same(rng):
    for _ in range(40):
        truth, a, b, who = pair(rng, 6, 15, worse=rng.uniform(0.3, 1.0))
        found = metrics.difference("uar", truth, a, b, who, FOUR)
        assert (found.p < 0.05) == (found.low > 0 or found.high < 0)
        swapped = metrics.difference("uar", truth, b, a, who, FOUR)
        assert (swapped.value, swapped.low, swapped.high) == pytest.approx((-found.value, -found.high, -found.low))
        assert swapped.p == pytest.approx(found.p)


def test_pairing_sees_what_two_intervals_hide(rng):
    truth, a, b, who = pair(rng, 24)
    of_a, of_b = (metrics.interval("uar", truth, proba, who, FOUR) for proba in (a, b))
    found = metrics.difference("uar", truth, a, b, who, FOUR)
    assert of_a[0] < of_b[1]  # they overlap
    assert found.low > 0
    assert found.high - found.low < (of_a[1] - of_a[0]) / 2


def test_the_same_recogniser_twice_does_not_differ(rng):
    truth, a, _, who = pair(rng)
    assert metrics.difference("uar", truth, a, a, who, FOUR) == metrics.Difference(0.0, 0.0, 0.0, 1.0)
    assert metrics.signed_rank("uar", truth, a, a, who, FOUR) == metrics.SignedRank(0.0, 1.0, 0)


def test_a_difference_stays_possible():
    truth = NAMES[np.tile(np.arange(4), 4)]
    answers = truth.copy()
    answers[:12] = "sad"
    found = metrics.difference("uar", truth, truth, answers, np.repeat(np.arange(4), 4), FOUR)
    assert found.value < found.high <= 1


def test_chance_differences_are_rarely_sure():
    """Of 300 pairs of equally good recognisers some 15 should differ at p < 0.05."""
    sure = []
    for seed in range(300):
        rng = np.random.default_rng([11, seed])
        truth, heard, b, who = pair(rng, 8, 20, worse=0.7)
        other = np.exp(rng.normal(np.log(heard), 0.7))
        other /= other.sum(axis=1, keepdims=True)
        sure.append(metrics.difference("uar", truth, b, other, who, FOUR).p < 0.05)
    assert 4 <= sum(sure) <= 29


# --- signed rank ---


def speakers_gaining(gains):
    """Truth, predictions of two recognisers and speakers whose WA differs by ``gains`` sixteenths."""
    right_a = [max(0, round(gain)) for gain in gains]
    right_b = [max(0, round(-gain)) for gain in gains]
    truth = np.array(["sad"] * 16 * len(gains), dtype=object)
    a, b = (
        np.concatenate([["sad"] * n + ["happy"] * (16 - n) for n in right]).astype(object)
        for right in (right_a, right_b)
    )
    return truth, a, b, np.repeat(np.arange(len(gains)), 16)


@pytest.mark.parametrize("name", GOLDEN["ranks"])
def test_golden_cases(name):
    case = GOLDEN["ranks"][name]
    truth, a, b, who = speakers_gaining([*case["gains"], 0.0])
    found = metrics.signed_rank("war", truth, a, b, who, FOUR)
    assert (found.statistic, found.n) == (case["statistic"], case["n"])
    assert found.p == pytest.approx(case["p"], abs=1e-9)


@settings(max_examples=40, deadline=None)
@given(seed=st.integers(0, 2**32 - 1), n=st.integers(2, 50))
def test_scipy_agrees_without_ties(seed, n):
    wilcoxon = pytest.importorskip("scipy.stats").wilcoxon
    gains = np.random.default_rng(seed).normal(0.3, 1, n)
    doubled = _doubled_ranks(np.abs(gains))
    above = int(doubled[gains > 0].sum())
    smaller = min(above, int(doubled.sum()) - above)
    exact = wilcoxon(gains, method="exact")
    assert smaller / 2 == exact.statistic
    assert _exact_p(doubled, smaller) == pytest.approx(exact.pvalue, abs=1e-9)
    assert _normal_p(doubled, smaller) == pytest.approx(wilcoxon(gains, method="approx").pvalue, abs=1e-9)


@settings(max_examples=15, deadline=None)
@given(gains=st.lists(st.integers(-4, 4), min_size=2, max_size=10).filter(lambda gains: sum(map(bool, gains)) > 1))
def test_scipy_agrees_with_ties_and_zeros(gains):
    """Its permutation of all signs; its asymptotic p for the correction of ties."""
    stats = pytest.importorskip("scipy.stats")
    truth, a, b, who = speakers_gaining(gains)
    found = metrics.signed_rank("war", truth, a, b, who, FOUR)
    kept = np.array([gain for gain in gains if gain], dtype=float)
    assert found.n == len(kept)
    expected = stats.wilcoxon(kept, method=stats.PermutationMethod(n_resamples=2**11))
    assert found.statistic == expected.statistic
    assert found.p == pytest.approx(expected.pvalue, abs=1e-9)
    doubled = _doubled_ranks(np.abs(kept))
    approximate = stats.wilcoxon(kept, method="approx").pvalue
    assert _normal_p(doubled, int(2 * found.statistic)) == pytest.approx(approximate, abs=1e-9)


def test_many_speakers_take_the_approximation(rng):
    gains = rng.integers(-5, 7, 260).astype(float)
    truth, a, b, who = speakers_gaining(gains)
    stats = pytest.importorskip("scipy.stats")
    found = metrics.signed_rank("war", truth, a, b, who, FOUR)
    assert found.p == pytest.approx(stats.wilcoxon(gains[gains != 0], method="approx").pvalue, abs=1e-9)
    doubled = _doubled_ranks(np.abs(gains[gains != 0]))
    assert _exact_p(doubled, int(2 * found.statistic)) == pytest.approx(found.p, rel=0.1)


def test_speakers_without_a_score_are_left_out():
    who = ["a", "a", "b", "b", "c"]  # one row has no concordance
    found = metrics.signed_rank("ccc", [1, 2, 1, 2, 1], [1, 2, 1, 2, 1], [2, 1, 1, 1, 2], who)
    assert found.n == 2


def test_bad_input_is_explained(rng):
    truth, a, b, _ = pair(rng, 1)
    one = ["x"] * len(truth)
    with pytest.raises(ExperimentError, match="two or more, and all rows here are of one"):
        metrics.difference("uar", truth, a, b, one, FOUR)
    with pytest.raises(ExperimentError, match="two or more, and all rows here are of one"):
        metrics.signed_rank("uar", truth, a, b, one, FOUR)
    with pytest.raises(ExperimentError, match="needs their labels"):
        metrics.difference("uar", truth, a, b, one)
    with pytest.raises(ExperimentError, match="dropped on one side"):
        metrics.difference("uar", truth, a, b[:-1], one, FOUR)


@pytest.mark.parametrize("metric", metrics.NAMES)
def test_the_interval_of_a_difference_holds_it_however_large(metric):
    truth = np.array(["a", "b"] * 12, dtype=object)
    groups = np.repeat(np.arange(6), 4)
    sure = np.array([[0.99, 0.01], [0.01, 0.99]] * 12)
    sure[::5] = 0.6, 0.4  # speakers differ
    wrong = sure[:, ::-1]
    found = metrics.difference(metric, truth, wrong, sure, groups, ("a", "b"))
    assert found.low <= found.value <= found.high
    assert found.low < found.high or metric == "ece"
    if metric == "nll":
        assert found.high > found.value > 1
