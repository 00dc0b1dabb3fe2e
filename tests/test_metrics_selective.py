"""Risk and coverage, and conformal sets, against plain loops, golden cases and simulated promises."""

from __future__ import annotations

import json
import math
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from emotone import metrics
from emotone.errors import ConfigError, ExperimentError
from emotone.metrics._selective import aurc_with_ends

GOLDEN = json.loads((Path(__file__).parent / "golden" / "metrics.json").read_text(encoding="utf-8"))
FOUR = ("neutral", "happy", "sad", "angry")
NAMES = np.array(FOUR, dtype=object)


def experiment(rng, n_speakers=12, rows=40, *, speaker_sd=0.6):
    true = rng.integers(0, 4, n_speakers * rows)
    who = np.repeat(np.arange(n_speakers), rows)
    logits = rng.normal(size=(len(true), 4))
    logits[np.arange(len(true)), true] += 1 + rng.normal(0, speaker_sd, n_speakers)[who]
    proba = np.exp(1.5 * logits)
    return NAMES[true], proba / proba.sum(axis=1, keepdims=True), who


# --- risk and coverage ---


@pytest.mark.parametrize("name", GOLDEN["confidence"])
def test_golden_cases(name):
    case = GOLDEN["confidence"][name]
    found = metrics.risk_coverage(case["truth"], case["proba"], FOUR)
    assert found.aurc == pytest.approx(case["aurc"], abs=1e-9)
    assert found.optimal == pytest.approx(case["optimal"], abs=1e-9)
    assert found.excess == found.aurc - found.optimal


@settings(max_examples=40, deadline=None)
@given(seed=st.integers(0, 2**32 - 1), n=st.integers(1, 60))
def test_without_ties_the_curve_is_the_error_of_the_surest(seed, n):
    rng = np.random.default_rng(seed)
    truth, proba = NAMES[rng.integers(0, 4, n)], rng.dirichlet(np.ones(4), size=n)
    found = metrics.risk_coverage(truth, proba, FOUR)
    surest = np.argsort(-proba.max(axis=1))
    for k in range(1, n + 1):
        chosen = surest[:k]
        assert found.risk[k - 1] == pytest.approx(1 - metrics.war(truth[chosen], proba[chosen], FOUR), abs=1e-9)
    assert found.aurc == pytest.approx(np.mean(found.risk), abs=1e-9)
    np.testing.assert_allclose(found.coverage, np.arange(1, n + 1) / n)
    assert found.excess >= -1e-12


def test_order_of_rows_changes_nothing_even_with_ties(rng):
    truth, proba, _ = experiment(rng)
    tied = np.round(proba * 4 + 0.5)
    tied /= tied.sum(axis=1, keepdims=True)
    order = rng.permutation(len(truth))
    found, again = (metrics.risk_coverage(truth[o], tied[o], FOUR) for o in (slice(None), order))
    np.testing.assert_allclose(found.risk, again.risk, atol=1e-12)


def test_confidence_without_meaning_costs_as_much_as_it_can(rng):
    truth, proba, _ = experiment(rng, 50)
    wrong = proba.argmax(axis=1) != np.array([FOUR.index(label) for label in truth])
    flat = np.where(proba == proba.max(axis=1, keepdims=True), 0.4, 0.2)
    assert metrics.risk_coverage(truth, flat, FOUR).aurc == pytest.approx(wrong.mean())
    assert metrics.risk_coverage(truth, proba, FOUR).aurc < wrong.mean() - 0.05


def test_aurc_has_an_interval_over_speakers(rng):
    truth, proba, who = experiment(rng, 20)
    report = metrics.evaluate(truth, proba, FOUR, who)
    area = report["aurc"]
    assert area["value"] == pytest.approx(metrics.risk_coverage(truth, proba, FOUR).aurc)
    assert area["low"] < area["value"] < area["high"]
    # The jackknife with each speaker really left out says nearly the same.
    left = [metrics.risk_coverage(truth[who != gone], proba[who != gone], FOUR).aurc for gone in range(20)]
    error = np.std(left) * np.sqrt(19)
    from scipy import stats

    assert (area["high"] - area["low"]) / 2 == pytest.approx(stats.t.ppf(0.975, 19) * error, rel=0.05)
    alone = aurc_with_ends(metrics.validate(truth, proba, FOUR), None, level=0.95)
    assert alone == {"value": area["value"], "low": None, "high": None}


def test_scores_at_coverage(rng):
    truth, proba, _ = experiment(rng)
    everything, half = metrics.at_coverage("uar", truth, proba, FOUR, [1.0, 0.5])
    assert (everything.coverage, everything.value) == (1.0, metrics.uar(truth, proba, FOUR))
    sure = proba.max(axis=1) >= half.threshold
    assert half.coverage == sure.mean() == 0.5
    assert half.value == metrics.uar(truth[sure], proba[sure], FOUR) > everything.value
    tied = [[0.7, 0.1, 0.1, 0.1]] * 3 + [[0.4, 0.2, 0.2, 0.2]]
    (third,) = metrics.at_coverage("war", ["sad"] * 4, tied, FOUR, 0.3)
    assert (third.coverage, third.threshold, third.value) == (0.75, 0.7, 0.0)


# --- conformal sets ---


def test_the_threshold_is_the_quantile_with_one_more_row():
    """Nine rows are just enough for 0.9: ten places, and the ninth score is the largest."""
    scores = np.arange(1, 10) / 20
    proba = np.stack([1 - scores, scores, 0 * scores, 0 * scores], axis=1)
    truth = ["neutral"] * 9
    assert metrics.conformal_quantile(truth, proba, FOUR, level=0.9) == pytest.approx(0.45)
    assert metrics.conformal_quantile(truth, proba, FOUR, level=0.8) == pytest.approx(0.40)
    assert metrics.conformal_quantile(truth, proba, FOUR, level=0.5) == pytest.approx(0.25)
    assert metrics.conformal_quantile(truth, proba, FOUR, level=0.91) == 1  # too few: every label joins
    assert metrics.conformal_quantile(truth[:8], proba[:8], FOUR, level=0.9) == 1


@settings(max_examples=50, deadline=None)
@given(seed=st.integers(0, 2**32 - 1), n=st.integers(1, 80), level=st.floats(0.05, 0.99))
def test_the_threshold_is_numpys_higher_quantile(seed, n, level):
    rng = np.random.default_rng(seed)
    truth, proba = NAMES[rng.integers(0, 4, n)], rng.dirichlet(np.ones(4), size=n).round(2)
    proba /= proba.sum(axis=1, keepdims=True)
    scores = np.sort(1 - proba[np.arange(n), [FOUR.index(label) for label in truth]])
    rank = math.ceil((n + 1) * level - 1e-9)
    expected = scores[rank - 1] if rank <= n else 1.0
    assert metrics.conformal_quantile(truth, proba, FOUR, level=level) == pytest.approx(expected, abs=1e-9)
    every_row = metrics.conformal_quantile(truth, proba, FOUR, level=level, groups=np.arange(n))
    assert every_row == pytest.approx(expected, abs=1e-9)


def test_a_speaker_counts_once_however_many_rows_they_have(rng):
    truth, proba, who = experiment(rng, 20, rows=10)
    again = np.concatenate([np.arange(len(who)), *[np.flatnonzero(who == 0)] * 30])  # speaker 0, thirty times over
    once = metrics.conformal_quantile(truth, proba, FOUR, groups=who)
    assert metrics.conformal_quantile(truth[again], proba[again], FOUR, groups=who[again]) == once
    assert metrics.conformal_quantile(truth, proba, FOUR, level=0.96, groups=who) == 1  # 20 speakers are too few


def test_sets_hold_the_labels_up_to_the_threshold_ties_too():
    proba = [[0.5, 0.25, 0.25, 0.0], [0.4, 0.3, 0.2, 0.1]]
    assert metrics.conformal_sets(proba, FOUR, 0.75).tolist() == [[True, True, True, False], [True, True, False, False]]
    assert metrics.conformal_sets(proba, FOUR, 0.4).tolist() == [[False] * 4] * 2
    assert metrics.conformal_sets(proba, FOUR, 1.0).all()
    own = dict(zip(FOUR, (0.5, 0.7, 0.7, 1.0), strict=True))
    assert metrics.conformal_sets(proba, FOUR, own).tolist() == [[True, False, False, True], [False, True, False, True]]


def test_the_calibration_rows_themselves_are_covered(rng):
    truth, proba, _ = experiment(rng)
    for level in (0.5, 0.8, 0.9):
        sets = metrics.conformal_sets(proba, FOUR, metrics.conformal_quantile(truth, proba, FOUR, level=level))
        covered = metrics.set_scores(truth, sets, FOUR)["coverage"]["value"]
        assert level <= covered < level + 0.01


def test_the_promise_is_kept_for_new_speakers_and_each_emotion():
    """On average over calibrations: 20 speakers of 10 rows, tested on 2,000 speakers; sad is hard to hear."""
    held, of_sad, of_sad_alone = [], [], []
    rng = np.random.default_rng(5)
    for _ in range(60):
        truth, proba, who = experiment(rng, 20, rows=10, speaker_sd=1.0)
        new_truth, new_proba, _ = experiment(rng, 200, rows=10, speaker_sd=1.0)
        for part, flat in ((truth, proba), (new_truth, new_proba)):
            flat[part == "sad"] = 0.4 * flat[part == "sad"] + 0.6 * np.array([0.5, 0.3, 0.0, 0.2])
        limit = metrics.conformal_quantile(truth, proba, FOUR, level=0.8, groups=who)
        found = metrics.set_scores(new_truth, metrics.conformal_sets(new_proba, FOUR, limit), FOUR)
        held.append(found["coverage"]["value"])
        of_sad.append(found["per_class"]["sad"])
        limits = metrics.conformal_quantiles(truth, proba, FOUR, level=0.8, groups=who)
        found = metrics.set_scores(new_truth, metrics.conformal_sets(new_proba, FOUR, limits), FOUR)
        of_sad_alone.append(found["per_class"]["sad"])
    assert 0.80 <= np.mean(held) < 0.88
    assert np.mean(of_sad) < 0.76
    assert 0.79 <= np.mean(of_sad_alone) < 0.90


def test_a_label_without_rows_joins_every_set(rng):
    truth, proba, _ = experiment(rng)
    kept = truth != "sad"
    limits = metrics.conformal_quantiles(truth[kept], proba[kept], FOUR)
    assert limits["sad"] == 1
    assert list(limits) == list(FOUR)
    own = truth == "happy"
    assert limits["happy"] == metrics.conformal_quantile(truth[own], proba[own], FOUR)


def test_set_scores(rng):
    sets = np.array([[1, 0, 0, 0], [1, 1, 0, 0], [0, 0, 0, 0], [1, 1, 1, 1]], dtype=bool)
    report = metrics.set_scores(["neutral", "sad", "happy", "happy"], sets, FOUR, ["a", "a", "b", "b"])
    assert json.loads(json.dumps(report, allow_nan=False)) == report
    assert report["coverage"]["value"] == 0.5
    assert report["size"]["value"] == 7 / 4
    assert (report["empty"], report["single"]) == (0.25, 0.25)
    assert report["per_class"] == {"neutral": 1.0, "happy": 0.5, "sad": 0.0, "angry": None}


def test_evaluate_scores_sets_calibrated_on_other_speakers(rng):
    truth, proba, who = experiment(rng, 30)
    report = metrics.evaluate(truth, proba, FOUR, who)["conformal"]
    assert report["level"] == 0.9
    sets = np.empty(proba.shape, dtype=bool)
    for part in range(10):  # speakers 0, 10 and 20, then 1, 11 and 21, and so on
        here = who % 10 == part
        limit = metrics.conformal_quantile(truth[~here], proba[~here], FOUR, groups=who[~here])
        sets[here] = metrics.conformal_sets(proba[here], FOUR, limit)
    assert report == {"level": 0.9, **metrics.set_scores(truth, sets, FOUR, who)}
    assert report["coverage"]["value"] == pytest.approx(0.9, abs=0.04)
    assert "conformal" not in metrics.evaluate(truth, proba, FOUR)
    assert "conformal" not in metrics.evaluate(truth, truth, FOUR, who)


# --- bad input ---


def test_bad_input_is_explained(rng):
    truth, proba, who = experiment(rng, 2)
    with pytest.raises(ExperimentError, match="needs probabilities"):
        metrics.risk_coverage(truth, truth, FOUR)
    with pytest.raises(ExperimentError, match="above 0 and at most 1, not 0"):
        metrics.at_coverage("uar", truth, proba, FOUR, 0.0)
    with pytest.raises(ConfigError, match="Did you mean 'uar'"):
        metrics.at_coverage("uarr", truth, proba, FOUR, 0.5)
    with pytest.raises(ExperimentError, match="ccc scores numbers, which have no confidence"):
        metrics.at_coverage("ccc", [1, 2], [1, 2], FOUR, 0.5)
    with pytest.raises(ExperimentError, match="level must lie between 0 and 1, not 90"):
        metrics.conformal_quantile(truth, proba, FOUR, level=90)
    with pytest.raises(ExperimentError, match="no speaker"):
        metrics.conformal_quantile(truth, proba, FOUR, groups=[None, *who[1:]])
    with pytest.raises(ExperimentError, match="no threshold for sad, angry"):
        metrics.conformal_sets(proba, FOUR, {"neutral": 0.5, "happy": 0.5})
    for threshold in (1.5, -0.1, np.nan):
        with pytest.raises(ExperimentError, match="between 0 and 1, as conformal_quantile gives it"):
            metrics.conformal_sets(proba, FOUR, threshold)
    with pytest.raises(ExperimentError, match=r"boolean column for each of the 4 labels.*\(80, 4\) and hold float64"):
        metrics.set_scores(truth, proba, FOUR)
