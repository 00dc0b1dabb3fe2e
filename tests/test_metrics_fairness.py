"""Gaps between groups: exchanged speakers and simulated recognisers against definitions and known chances."""

from __future__ import annotations

import itertools

import numpy as np
import pytest

from emotone import metrics
from emotone.errors import ConfigError, ExperimentError

FOUR = ("neutral", "happy", "sad", "angry")
NAMES = np.array(FOUR, dtype=object)


def experiment(rng, n_speakers=12, rows=40, *, worse_for_women=0.0, speaker_sd=0.0):
    """Truth, probabilities, speakers and genders, one after the other."""
    true = rng.integers(0, 4, n_speakers * rows)
    who = np.repeat(np.arange(n_speakers), rows)
    margin = 1 + rng.normal(0, speaker_sd, n_speakers) - worse_for_women * (np.arange(n_speakers) % 2)
    logits = rng.normal(size=(len(true), 4))
    logits[np.arange(len(true)), true] += margin[who]
    proba = np.exp(logits)
    return NAMES[true], proba / proba.sum(axis=1, keepdims=True), who, np.where(who % 2, "female", "male")


def test_gap_says_how_far_each_group_is_from_all(rng):
    truth, proba, who, gender = experiment(rng)
    found = metrics.gap("uar", truth, proba, who, gender, FOUR)
    overall = metrics.uar(truth, proba, FOUR)
    assert list(found.scores) == ["male", "female"]
    for name, score in found.scores.items():
        own = gender == name
        assert score == pytest.approx(metrics.uar(truth[own], proba[own], FOUR))
        assert found.differences[name] == pytest.approx(score - overall)
    assert found.value == pytest.approx(max(abs(d) for d in found.differences.values()))


def test_p_is_the_share_of_assignments_as_far_apart(rng):
    """Six speakers, three women: all twenty ways to choose them, by hand."""
    truth, proba, who, gender = experiment(rng, 6, worse_for_women=0.7, speaker_sd=0.3)
    found = metrics.gap("war", truth, proba, who, gender, FOUR, n=4000)
    overall = metrics.war(truth, proba, FOUR)
    gaps = []
    for women in itertools.combinations(range(6), 3):
        parts = np.isin(who, women), ~np.isin(who, women)
        gaps.append(max(abs(metrics.war(truth[part], proba[part], FOUR) - overall) for part in parts))
    assert found.p == pytest.approx(np.mean(np.array(gaps) >= found.value - 1e-12), abs=0.03)
    assert min(abs(found.threshold - gap) for gap in gaps) < 1e-9


def test_rows_of_one_speaker_in_both_groups_exchange_within_the_speaker(rng):
    """What differs between speakers can't be blamed on loudness: each has loud and soft rows."""
    truth, proba, who, _ = experiment(rng, 8, speaker_sd=1.5)
    loud = rng.random(len(truth)) < np.linspace(0.2, 0.8, 8)[who]
    fair = metrics.gap("war", truth, proba, who, loud, FOUR, n=300)
    assert fair.p > 0.05
    hit = proba.argmax(axis=1) == [FOUR.index(label) for label in truth]
    answers = np.where(hit & loud & (rng.random(len(truth)) < 0.5), "angry", NAMES[proba.argmax(axis=1)]).astype(object)
    unfair = metrics.gap("war", truth, answers, who, loud, FOUR, n=300)
    assert unfair.p == pytest.approx(1 / 301)
    assert unfair.differences[True] < 0 < unfair.differences[False]


def test_speakers_that_differ_make_gaps_by_luck_and_only_gap_knows():
    """Of 100 recognisers that are fair but better on some speakers, `gap` blames some 5, the simulation far more."""
    blamed = {"gap": 0, "threshold": 0}
    for seed in range(100):
        rng = np.random.default_rng([3, seed])
        truth, proba, who, gender = experiment(rng, 12, speaker_sd=0.8)
        found = metrics.gap("uar", truth, proba, who, gender, FOUR, n=200)
        blamed["gap"] += found.p <= 0.05
        limit = metrics.fairness_threshold(truth, gender, FOUR, predicted=proba, n=200)
        blamed["threshold"] += found.value > limit
    assert blamed["gap"] <= 11
    assert blamed["threshold"] > 40


def test_a_fair_recogniser_of_independent_clips_passes_the_threshold():
    failed = {True: 0, False: 0}
    for seed in range(100):
        truth, proba, who, gender = experiment(np.random.default_rng([4, seed]), 12, 40)
        found = metrics.gap("uar", truth, proba, who, gender, FOUR, n=2)
        for alike in failed:
            limit = metrics.fairness_threshold(truth, gender, FOUR, predicted=proba if alike else None, n=300)
            failed[alike] += found.value > limit
    assert failed[True] <= 12
    assert failed[False] <= 12


def test_a_real_gap_is_found(rng):
    truth, proba, who, gender = experiment(rng, 24, worse_for_women=1.0, speaker_sd=0.3)
    found = metrics.gap("uar", truth, proba, who, gender, FOUR)
    assert found.p < 0.01
    assert found.value > found.threshold
    assert found.value > metrics.fairness_threshold(truth, gender, FOUR, predicted=proba)
    assert found.differences["female"] < 0


def slow_threshold(truth, by, *, n, rng):
    gaps = []
    for _ in range(n):
        answers = NAMES[rng.integers(0, 4, len(truth))]
        overall = metrics.uar(truth, answers, FOUR)
        gaps.append(max(abs(metrics.uar(truth[by == g], answers[by == g], FOUR) - overall) for g in set(by)))
    return np.quantile(gaps, 0.95)


def test_the_threshold_is_that_of_random_answers(rng):
    truth = rng.choice(NAMES, 300, p=[0.6, 0.3, 0.05, 0.05])
    by = rng.choice(["a", "b", "c"], 300, p=[0.5, 0.4, 0.1])
    expected = slow_threshold(truth, by, n=600, rng=rng)
    found = metrics.fairness_threshold(truth, by, FOUR, n=2000)
    assert found == pytest.approx(expected, rel=0.1)
    assert found < metrics.fairness_threshold(truth, by, FOUR, quantile=1, n=2000)
    assert found > metrics.fairness_threshold(np.tile(truth, 4), np.tile(by, 4), FOUR, n=2000) * 1.7


def test_numbers_have_gaps_too(rng):
    who = np.repeat(np.arange(10), 30)
    truth = rng.normal(size=300)
    predicted = truth + rng.normal(0, np.where(who % 2, 2.0, 0.3))
    found = metrics.gap("ccc", truth, predicted, who, who % 2)
    assert found.differences[1] < 0 < found.differences[0]
    assert found.p < 0.05


def test_a_group_without_a_score_is_passed_over():
    """One row has no concordance."""
    truth, predicted = [1, 2, 3, 1, 2, 4, 1], [1, 2, 4, 2, 2, 3, 1]
    found = metrics.gap("ccc", truth, predicted, list("aaabbbc"), list("xxxyyyz"))
    assert np.isnan(found.scores["z"])
    assert found.value == np.nanmax(np.abs(list(found.differences.values())))
    assert 0 < found.p <= 1
    with pytest.raises(ExperimentError, match="No group has a ccc here"):
        metrics.gap("ccc", [1, 2], [1, 2], ["a", "b"], ["x", "y"])


def test_draws_are_repeatable(rng):
    truth, proba, who, gender = experiment(rng, speaker_sd=0.5)
    assert metrics.gap("uar", truth, proba, who, gender, FOUR) == metrics.gap("uar", truth, proba, who, gender, FOUR)
    limits = {metrics.fairness_threshold(truth, gender, FOUR, seed=seed) for seed in (0, 0, 1)}
    assert len(limits) == 2


def test_bad_input_is_explained(rng):
    truth, proba, who, gender = experiment(rng)
    with pytest.raises(ExperimentError, match="All rows are of one group, female"):
        metrics.gap("uar", truth, proba, who, ["female"] * len(truth), FOUR)
    with pytest.raises(ExperimentError, match=r"1 of 480 rows have no group.*leave these rows out"):
        metrics.gap("uar", truth, proba, who, [None, *gender[1:]], FOUR)
    with pytest.raises(ConfigError, match=r"metric for a threshold 'ece'.*Allowed: uar, war, macro_f1"):
        metrics.fairness_threshold(truth, gender, FOUR, metric="ece")
    with pytest.raises(ExperimentError, match="quantile must lie above 0"):
        metrics.fairness_threshold(truth, gender, FOUR, quantile=95)
