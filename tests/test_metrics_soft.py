"""Scores against raters' votes, and the human ceiling, against scipy, golden cases and known answers."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from emotone import metrics
from emotone.errors import ExperimentError

GOLDEN = json.loads((Path(__file__).parent / "golden" / "metrics.json").read_text(encoding="utf-8"))
FOUR = ("neutral", "happy", "sad", "angry")


def polls(rng, n=200, raters=10, n_speakers=8, k=4):
    """Counts of votes, the shares they were drawn from, and speakers."""
    shares = rng.dirichlet(np.full(k, 0.6), size=n)
    return rng.multinomial(raters, shares), shares, np.repeat(np.arange(n_speakers), n // n_speakers)


def values(report, names=metrics.SOFT_NAMES):
    return {name: report[name]["value"] for name in names}


# --- values ---


@pytest.mark.parametrize("name", GOLDEN["votes"])
def test_golden_cases(name):
    case = GOLDEN["votes"][name]
    counts = np.array(case["counts"])
    found = values(metrics.soft_scores(counts / counts.sum(axis=1, keepdims=True), case["proba"], FOUR))
    assert found == pytest.approx(case["scores"], abs=1e-9)
    ceiling = metrics.human_ceiling(counts, FOUR)
    for kind, expected in case["ceiling"].items():
        assert values(ceiling[kind], ceiling[kind]) == pytest.approx(expected, abs=1e-9)


@settings(max_examples=60, deadline=None)
@given(seed=st.integers(0, 2**32 - 1), n=st.integers(1, 20), raters=st.integers(1, 12), digits=st.integers(0, 9))
def test_scipy_agrees(seed, n, raters, digits):
    """Also for certain, tied and zero probabilities, unanimous votes and a single rater."""
    stats, distance = pytest.importorskip("scipy.stats"), pytest.importorskip("scipy.spatial.distance")
    rng = np.random.default_rng(seed)
    votes = rng.multinomial(raters, rng.dirichlet(np.full(4, 0.5), size=n)) / raters
    proba = rng.dirichlet(np.full(4, 0.5), size=n).round(digits) + 1e-300
    proba /= proba.sum(axis=1, keepdims=True)
    found = values(metrics.soft_scores(votes, proba, FOUR))
    floored = np.maximum(proba, np.finfo(float).eps)
    kl = [stats.entropy(v, p) - np.log(p.sum()) for v, p in zip(votes, floored, strict=True)]
    assert found["kl"] == pytest.approx(np.mean(kl), abs=1e-9)
    js = [distance.jensenshannon(v, p, base=2) ** 2 for v, p in zip(votes, proba, strict=True)]
    assert found["js"] == pytest.approx(np.mean(js), abs=1e-9)
    cosines = [1 - distance.cosine(v, p) for v, p in zip(votes, proba, strict=True)]
    assert found["cosine"] == pytest.approx(np.mean(cosines), abs=1e-9)
    common = [1 - distance.cityblock(v, p) / 2 for v, p in zip(votes, proba, strict=True)]
    assert found["soft_accuracy"] == pytest.approx(np.mean(common), abs=1e-9)
    answers = np.array(FOUR, dtype=object)[proba.argmax(axis=1)]
    drawn = [np.repeat(FOUR, np.round(v * raters).astype(int)) for v in votes]
    heard = np.concatenate([who == answer for who, answer in zip(drawn, answers, strict=True)])
    assert found["agreement"] == pytest.approx(heard.mean(), abs=1e-9)


def test_votes_of_one_label_give_the_scores_of_labels(rng):
    truth = rng.integers(0, 4, 80)
    proba = rng.dirichlet(np.ones(4), size=80)
    names = np.array(FOUR, dtype=object)[truth]
    found = values(metrics.soft_scores(np.eye(4)[truth], proba, FOUR))
    assert found["cross_entropy"] == found["kl"] == pytest.approx(metrics.nll(names, proba, FOUR), abs=1e-9)
    assert found["agreement"] == found["plurality"] == pytest.approx(metrics.war(names, proba, FOUR), abs=1e-9)


def test_the_votes_themselves_are_perfect(rng):
    votes = polls(rng)[0] / 10
    found = metrics.soft_scores(votes, votes, FOUR)
    assert values(found, ("kl", "js")) == pytest.approx({"kl": 0, "js": 0}, abs=1e-12)
    assert values(found, ("soft_accuracy", "cosine")) == pytest.approx({"soft_accuracy": 1, "cosine": 1})
    assert found["cross_entropy"]["value"] == pytest.approx(found["entropy"])


def test_even_the_true_shares_have_a_divergence_from_few_votes(rng):
    """Some (labels - 1) / (2 raters), as the docstring says: 0.15 from ten raters may be a perfect recogniser."""
    shares = rng.dirichlet(np.full(4, 20.0), size=20_000)
    for raters, tolerance in ((10, 0.2), (100, 0.03)):
        votes = rng.multinomial(raters, shares) / raters
        found = metrics.soft_scores(votes, shares, FOUR)["kl"]["value"]
        assert found == pytest.approx(3 / (2 * raters), rel=tolerance)


def test_soft_scores_have_intervals_over_speakers(rng):
    counts, shares, who = polls(rng)
    report = metrics.soft_scores(counts / 10, shares, FOUR, who)
    assert json.loads(json.dumps(report, allow_nan=False)) == report
    assert (report["n"], report["n_speakers"], report["labels"], report["votes_kept"]) == (200, 8, list(FOUR), 1.0)
    for name in metrics.SOFT_NAMES:
        assert report[name]["low"] < report[name]["value"] < report[name]["high"]
    alone = metrics.soft_scores(counts / 10, shares, FOUR)
    assert alone["n_speakers"] is None
    assert alone["kl"] == {"value": report["kl"]["value"], "low": None, "high": None}


# --- votes for other labels ---


def test_votes_for_other_labels_are_left_out_only_when_asked_and_counted():
    votes = [[0.5, 0.25, 0, 0], [0.2, 0, 0, 0.8], [0, 0, 0, 0]]
    proba = [[0.7, 0.1, 0.1, 0.1]] * 3
    with pytest.raises(ExperimentError, match=r"row 2 sums to 0\. .*renormalise=True"):
        metrics.soft_scores(votes, proba, FOUR)
    report = metrics.soft_scores(votes, proba, FOUR, renormalise=True)
    assert (report["n"], report["n_without_votes"]) == (2, 1)
    assert report["votes_kept"] == pytest.approx((0.75 + 1) / 3)
    expected = metrics.soft_scores([[2 / 3, 1 / 3, 0, 0], [0.2, 0, 0, 0.8]], proba[:2], FOUR)
    assert values(report) == pytest.approx(values(expected))


# --- the human ceiling ---


def test_one_rater_agrees_with_another_as_often_as_pairs_do(rng):
    counts, _, who = polls(rng, raters=7)
    report = metrics.human_ceiling(counts, FOUR, who)
    pairs = (counts * (counts - 1)).sum(axis=1) / (7 * 6)
    assert report["rater"]["agreement"]["value"] == pytest.approx(pairs.mean())
    assert report["rater"]["soft_accuracy"] == pytest.approx(report["rater"]["agreement"])
    assert report["rater"]["plurality"] == report["panel"]["agreement"]
    assert json.loads(json.dumps(report, allow_nan=False)) == report
    assert (report["n"], report["n_speakers"], report["raters"], report["n_too_few"]) == (200, 8, 7.0, 0)
    assert report["rater"]["js"]["low"] < report["rater"]["js"]["value"] < report["rater"]["js"]["high"]


def test_agreement_of_a_rater_does_not_depend_on_their_number_but_plurality_does(rng):
    shares = rng.dirichlet(np.full(4, 0.8), size=20_000)
    few, many = (metrics.human_ceiling(rng.multinomial(raters, shares), FOUR) for raters in (3, 30))
    assert few["rater"]["agreement"]["value"] == pytest.approx(many["rater"]["agreement"]["value"], abs=0.01)
    assert few["rater"]["plurality"]["value"] < many["rater"]["plurality"]["value"] - 0.02
    assert few["panel"]["cross_entropy"]["value"] > many["panel"]["cross_entropy"]["value"] + 0.1


def test_a_panel_stands_between_a_good_recogniser_and_chance(rng):
    counts, shares, _ = polls(rng, n=4000)
    panel = metrics.human_ceiling(counts, FOUR)["panel"]
    perfect = metrics.soft_scores(counts / 10, shares, FOUR)
    guessing = metrics.soft_scores(counts / 10, np.full((4000, 4), 0.25), FOUR)
    for name in ("cross_entropy", "kl"):
        assert perfect[name]["value"] < panel[name]["value"] < guessing[name]["value"]
    assert perfect["agreement"]["value"] > panel["agreement"]["value"] > guessing["agreement"]["value"]


def test_shares_with_their_number_of_raters_are_counts(rng):
    counts = polls(rng)[0]
    counts[:50] //= 2
    raters = counts.sum(axis=1)
    kept = raters > 0
    shares = counts[kept] / raters[kept, np.newaxis]
    found = metrics.human_ceiling(shares, FOUR, n_raters=raters[kept])
    assert found == metrics.human_ceiling(counts[kept], FOUR)
    assert found["n_too_few"] == int((raters[kept] == 1).sum())


def test_unanimous_raters_are_their_own_ceiling():
    report = metrics.human_ceiling([[4, 0, 0, 0], [0, 0, 9, 0], [1, 0, 0, 0]], FOUR)
    assert values(report["rater"], report["rater"]) == {
        "js": 0, "soft_accuracy": 1, "agreement": 1, "plurality": 1, "cosine": 1,
    }  # fmt: skip
    assert report["n_too_few"] == 1
    assert report["entropy"] == 0


def test_crema_d_by_ear(data):
    """By voice alone one rater agrees with another on 47 % of CREMA-D, and with most of the others on 57 %."""
    from emotone import corpora

    table = corpora.load("crema_d", data / "crema_d")
    if "n_raters" not in table:
        pytest.skip("the table has no numbers of raters: tabulatedVotes.csv isn't there")
    labels = ("neutral", "happy", "sad", "angry", "fearful", "disgusted")
    rated = table.dropna(subset=["n_raters"])
    votes = rated[[f"p_{label}" for label in labels]].to_numpy()
    report = metrics.human_ceiling(votes, labels, rated["speaker"], n_raters=rated["n_raters"])
    assert report["n"] == len(table)  # every clip was rated
    assert report["raters"] == pytest.approx(9.2, abs=0.1)
    assert report["rater"]["agreement"]["value"] == pytest.approx(0.467, abs=0.01)
    assert report["panel"]["agreement"]["value"] == pytest.approx(0.568, abs=0.01)


# --- bad input ---

GOOD = [[0.7, 0.1, 0.1, 0.1], [0.1, 0.7, 0.1, 0.1]]


@pytest.mark.parametrize(
    ("votes", "message"),
    [
        ([[3, 1, 0, 0], [1, 0, 0, 1]], r"row 0 sums to 4\. These look like counts: divide each row"),
        ([[100, 0, 0, 0], [49.9, 50.1, 0, 0]], "percentages: divide them by 100"),
        ([[0.5, 0.6, 0, 0], GOOD[1]], r"row 0 sums to 1.1\. Divide each row"),
        ([[0.5, 0.3, 0, 0], GOOD[1]], r"row 0 sums to 0.8\. If raters could choose other labels"),
        ([[0.0, 0, 0, 0], GOOD[1]], "renormalise=True"),
        ([[np.nan] * 4, GOOD[1]], "1 of 2 rows have no votes"),
        ([[1.5, -0.5, 0, 0], GOOD[1]], "can't be negative, but the lowest is -0.5"),
        ([["a"] * 4, ["b"] * 4], "must be numbers"),
        (np.ones((2, 3)) / 3, r"4 labels .* shape is \(2, 3\)"),
        (np.empty((0, 4)), "a row at least"),
        (GOOD[:1], "1 rows of votes but 2 of probabilities"),
    ],
)
def test_bad_votes_are_explained(votes, message):
    with pytest.raises(ExperimentError, match=message):
        metrics.soft_scores(votes, GOOD, FOUR)


def test_other_bad_input_is_explained():
    with pytest.raises(ExperimentError, match=r"row 0 sums to 1.1"):
        metrics.soft_scores([[0.5, 0.6, 0, 0], GOOD[1]], GOOD, FOUR, renormalise=True)
    with pytest.raises(ExperimentError, match="No row has a vote for any of the labels neutral"):
        metrics.soft_scores(np.zeros((2, 4)), GOOD, FOUR, renormalise=True)
    with pytest.raises(ExperimentError, match=r"Row 0 doesn't hold whole votes \(0.7, 0.1, .*Give n_raters"):
        metrics.human_ceiling(GOOD, FOUR)
    with pytest.raises(ExperimentError, match="Is n_raters right"):
        metrics.human_ceiling(GOOD, FOUR, n_raters=[10, 7])
    with pytest.raises(ExperimentError, match="one number for each of the 2 rows"):
        metrics.human_ceiling(GOOD, FOUR, n_raters=[10])
    with pytest.raises(ExperimentError, match="No row has two raters"):
        metrics.human_ceiling(np.eye(4), FOUR)
