"""`emotone.metrics` against scikit-learn, scipy, golden cases and known answers."""

from __future__ import annotations

import json
import warnings
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from emotone import metrics
from emotone.errors import ConfigError, ExperimentError
from emotone.labels import EMOTIONS
from emotone.metrics._intervals import effective_dof, student_p, student_t

GOLDEN = json.loads((Path(__file__).parent / "golden" / "metrics.json").read_text(encoding="utf-8"))
FOUR = ("neutral", "happy", "sad", "angry")
NAMES = np.array(EMOTIONS, dtype=object)


def experiment(rng, n_speakers, *, rows=40, k=8, margin=1.0, speaker_sd=0.6):
    """Truth, probabilities and speakers of a recogniser that is better on some speakers than on others."""
    true = rng.integers(0, k, n_speakers * rows)
    who = np.repeat(np.arange(n_speakers), rows)
    logits = rng.normal(size=(len(true), k))
    logits[np.arange(len(true)), true] += margin + rng.normal(0, speaker_sd, n_speakers)[who]
    proba = np.exp(logits)
    return NAMES[true], proba / proba.sum(axis=1, keepdims=True), np.array([f"s{i}" for i in who])


# --- values ---


@pytest.mark.parametrize("name", GOLDEN["cases"])
def test_golden_cases(name):
    case, labels = GOLDEN["cases"][name], GOLDEN["labels"]
    truth, proba, expected = case["truth"], case["proba"], case["scores"]
    for metric in metrics.NAMES:
        assert getattr(metrics, metric)(truth, proba, labels) == pytest.approx(expected[metric], abs=1e-9), metric
    assert metrics.confusion(truth, proba, labels).tolist() == expected["confusion"]
    precisions = [scores.precision for scores in metrics.per_class(truth, proba, labels).values()]
    assert precisions == pytest.approx(expected["precision"], abs=1e-12)


@settings(max_examples=40, deadline=None)
@given(seed=st.integers(0, 2**32 - 1), n=st.integers(1, 60), n_true=st.integers(1, 4))
def test_scikit_learn_agrees(seed, n, n_true):
    """Also where classes are absent from the truth, from the answers or from both."""
    sk = pytest.importorskip("sklearn.metrics")
    rng = np.random.default_rng(seed)
    truth = rng.choice(FOUR[:n_true], n).astype(object)
    proba = rng.dirichlet(np.full(4, 0.5), size=n)
    answers = np.array(FOUR, dtype=object)[proba.argmax(axis=1)]
    present = [label for label in FOUR if label in truth]
    alphabetical = np.argsort(FOUR)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # of absent classes
        expected = {
            "uar": sk.balanced_accuracy_score(truth, answers),
            "war": sk.accuracy_score(truth, answers),
            "macro_f1": sk.f1_score(truth, answers, labels=present, average="macro", zero_division=0),
            "nll": sk.log_loss(truth, proba[:, alphabetical], labels=sorted(FOUR)),
        }
        recall = sk.recall_score(truth, answers, labels=present, average="macro")
    for name, value in expected.items():
        assert getattr(metrics, name)(truth, proba, FOUR) == pytest.approx(value, abs=1e-9), name
    assert metrics.uar(truth, answers, FOUR) == pytest.approx(recall, abs=1e-9)
    matrix = sk.confusion_matrix(truth, answers, labels=FOUR)
    np.testing.assert_array_equal(metrics.confusion(truth, answers, FOUR), matrix)


@settings(max_examples=40, deadline=None)
@given(seed=st.integers(0, 2**32 - 1), n=st.integers(1, 60), n_true=st.integers(1, 4), n_answers=st.integers(1, 4))
def test_audmetric_and_scikit_learn_agree_class_by_class(seed, n, n_true, n_answers):
    audmetric = pytest.importorskip("audmetric")
    sk = pytest.importorskip("sklearn.metrics")
    rng = np.random.default_rng(seed)
    truth = rng.choice(FOUR[:n_true], n).astype(object)
    answers = rng.choice(FOUR[:n_answers], n).astype(object)
    present = [label for label in FOUR if label in truth]
    precision, recall, f1, support = sk.precision_recall_fscore_support(truth, answers, labels=FOUR, zero_division=0)
    for i, scores in enumerate(metrics.per_class(truth, answers, FOUR).values()):
        assert scores.support == support[i]
        assert (scores.recall or 0) == pytest.approx(recall[i], abs=1e-9)
        assert (scores.precision or 0) == pytest.approx(precision[i], abs=1e-9)
        assert (scores.f1 or 0) == pytest.approx(f1[i], abs=1e-9)
    recalls = audmetric.recall_per_class(truth, answers, labels=list(FOUR))
    uar, war, macro_f1 = (getattr(metrics, name)(truth, answers, FOUR) for name in ("uar", "war", "macro_f1"))
    assert uar == pytest.approx(np.mean([recalls[label] for label in present]), abs=1e-9)
    assert war == pytest.approx(audmetric.accuracy(truth, answers), abs=1e-9)
    f1_of = audmetric.fscore_per_class(truth, answers, labels=list(FOUR))
    assert macro_f1 == pytest.approx(np.mean([f1_of[label] for label in present]), abs=1e-9)
    shares = metrics.confusion(truth, answers, FOUR, normalise=True)
    expected = sk.confusion_matrix(truth, answers, labels=FOUR, normalize="true")
    np.testing.assert_allclose(np.nan_to_num(shares), expected, atol=1e-9)


def slow_ece(truth, proba, n_bins):
    """Guo et al. 2017, row by row, with the edges a hair to the right (see `EDGE_TOLERANCE`)."""
    gaps = np.zeros(n_bins)
    for true, row in zip(truth, proba, strict=True):
        confidence, answer = min(max(row), 1.0), FOUR[int(np.argmax(row))]
        bin_ = next(b for b in range(n_bins) if b == n_bins - 1 or confidence <= (b + 1) / n_bins + 1e-6)
        gaps[bin_] += (answer == true) - confidence
    return np.abs(gaps).sum() / len(truth)


@settings(max_examples=40, deadline=None)
@given(seed=st.integers(0, 2**32 - 1), n=st.integers(1, 40), k=st.integers(1, 4), digits=st.sampled_from([1, 2, 9]))
def test_brier_and_ece_are_what_their_definitions_say(seed, n, k, digits):
    """Rounded probabilities tie, lie on edges and may be 0 or 1."""
    pytest.importorskip("sklearn", minversion="1.7")
    from sklearn.metrics import brier_score_loss

    rng = np.random.default_rng(seed)
    truth = rng.choice(FOUR[:k], n).astype(object)
    proba = rng.dirichlet(np.full(4, 0.3), size=n).round(digits)
    proba[:, 3] = np.maximum(1 - proba[:, :3].sum(axis=1), 0)
    proba /= proba.sum(axis=1, keepdims=True)
    expected = brier_score_loss(truth, proba[:, np.argsort(FOUR)], labels=sorted(FOUR), scale_by_half=False)
    assert metrics.brier(truth, proba, FOUR) == pytest.approx(expected, abs=1e-9)
    for n_bins in (1, 10, 15):
        assert metrics.ece(truth, proba, FOUR, n_bins=n_bins) == pytest.approx(slow_ece(truth, proba, n_bins), abs=1e-9)


def test_the_two_meanings_of_uar():
    """The trap: macro recall says 0.25 here."""
    assert metrics.uar(["sad", "sad"], ["sad", "happy"], FOUR) == 0.5


def test_order_of_rows_and_of_labels_changes_nothing(rng):
    truth, proba, _ = experiment(rng, 6)
    rows, columns = rng.permutation(len(truth)), rng.permutation(8)
    labels = tuple(NAMES[columns])
    for name in metrics.NAMES:
        score = getattr(metrics, name)
        expected = score(truth, proba, EMOTIONS)
        assert score(truth[rows], proba[rows], EMOTIONS) == pytest.approx(expected, abs=1e-12)
        assert score(truth, proba[:, columns], labels) == pytest.approx(expected, abs=1e-12)


def test_random_answers_give_chance(rng):
    truth, _, who = experiment(rng, 24)
    proba = rng.dirichlet(np.ones(8), size=len(truth))
    low, high = metrics.interval("uar", truth, proba, who, EMOTIONS)
    assert low < 1 / 8 < high
    assert high - low < 0.08


def test_per_class():
    scores = metrics.per_class(["sad", "sad", "happy"], ["sad", "happy", "happy"], FOUR)
    assert scores["sad"] == metrics.ClassScores(recall=0.5, precision=1.0, f1=pytest.approx(2 / 3), support=2)
    assert scores["happy"] == metrics.ClassScores(recall=1.0, precision=0.5, f1=pytest.approx(2 / 3), support=1)
    assert scores["angry"] == metrics.ClassScores(recall=None, precision=None, f1=None, support=0)


def test_confusion_shares():
    shares = metrics.confusion(["sad", "sad", "happy"], ["sad", "happy", "happy"], FOUR, normalise=True)
    np.testing.assert_equal(shares, [[np.nan] * 4, [0, 1, 0, 0], [0, 0.5, 0.5, 0], [np.nan] * 4])


def test_ties_go_to_the_first_label():
    assert metrics.war(["happy"], [[0.1, 0.4, 0.4, 0.1]], FOUR) == 1.0
    assert metrics.war(["sad"], [[0.1, 0.4, 0.4, 0.1]], FOUR) == 0.0


def test_reliability_bins_add_up(rng):
    truth, proba, _ = experiment(rng, 6)
    for adaptive in (False, True):
        bins = metrics.reliability(truth, proba, EMOTIONS, n_bins=10, adaptive=adaptive)
        filled = bins.count > 0
        gap = np.abs(bins.accuracy - bins.confidence)[filled] @ bins.count[filled] / len(truth)
        assert gap == pytest.approx(metrics.ece(truth, proba, EMOTIONS, n_bins=10, adaptive=adaptive))
        assert bins.count.sum() == len(truth)
        confident = bins.confidence[filled]
        assert (confident > bins.edges[:-1][filled]).all()
        assert (confident <= bins.edges[1:][filled]).all()
    assert np.ptp(bins.count) <= 1


def test_a_confidence_on_an_edge_is_in_the_bin_below():
    proba = [[0.6, 0.4], [0.4, 0.6], [0.6, 0.4], [0.8, 0.2], [0.3, 0.7]]
    truth = ["sad"] * 5
    labels = ("sad", "happy")
    assert metrics.reliability(truth, proba, labels, n_bins=5).count.tolist() == [0, 0, 3, 2, 0]
    assert metrics.reliability(truth[:4], proba[:4], labels, n_bins=2, adaptive=True).count.tolist() == [3, 1]
    single = np.array(proba, dtype=np.float32)
    assert metrics.reliability(truth, single, labels, n_bins=5).count.tolist() == [0, 0, 3, 2, 0]


def test_calibrated_probabilities_have_a_small_ece(rng):
    proba = rng.dirichlet(np.ones(8), size=20_000)
    truth = NAMES[(proba.cumsum(axis=1) < rng.random((20_000, 1))).sum(axis=1).clip(max=7)]
    assert metrics.ece(truth, proba, EMOTIONS) < 0.015
    overconfident = proba**4 / (proba**4).sum(axis=1, keepdims=True)
    assert metrics.ece(truth, overconfident, EMOTIONS) > 0.2


def test_arguments_are_left_alone(rng):
    truth, proba, who = experiment(rng, 3)
    copies = truth.copy(), proba.copy(), who.copy()
    metrics.evaluate(truth, proba, EMOTIONS, who)
    for given_, copy in zip((truth, proba, who), copies, strict=True):
        np.testing.assert_array_equal(given_, copy)


def test_pandas_columns_and_float32_are_taken(rng):
    pd = pytest.importorskip("pandas")
    truth, proba, who = experiment(rng, 3)
    frame = pd.DataFrame(proba.astype(np.float32)).assign(truth=truth, who=who).sample(frac=1, random_state=0)
    expected = metrics.interval("uar", truth, proba, np.sort(who), EMOTIONS)
    found = metrics.interval("uar", frame["truth"], frame[list(range(8))], frame["who"], EMOTIONS)
    assert found == pytest.approx(expected, abs=0.02)
    assert metrics.nll(frame["truth"], frame[list(range(8))], EMOTIONS) == pytest.approx(
        metrics.nll(truth, proba, EMOTIONS), abs=1e-6
    )


# --- speakers ---


def test_by_group_scores_each_speaker_alone(rng):
    truth, proba, who = experiment(rng, 5)
    for name in metrics.NAMES:
        found = metrics.by_group(name, truth, proba, who, EMOTIONS)
        assert list(found) == ["s0", "s1", "s2", "s3", "s4"]
        for speaker, value in found.items():
            own = who == speaker
            assert value == pytest.approx(getattr(metrics, name)(truth[own], proba[own], EMOTIONS), abs=1e-12)


def slow_interval(metric, truth, proba, who, labels):
    """The definition, row by row: score the rows of all speakers but one, t times the spread on the logit scale."""
    from scipy import stats

    speakers, sizes = np.unique(who, return_counts=True)
    s, half = len(speakers), 0.5 / len(truth)
    scores = [getattr(metrics, metric)(truth[who != gone], proba[who != gone], labels) for gone in speakers]
    shares = (np.array(scores) + half) / (1 + 2 * half)
    error = np.log(shares / (1 - shares)).std(ddof=1) * (s - 1) / np.sqrt(s)
    centre = (getattr(metrics, metric)(truth, proba, labels) + half) / (1 + 2 * half)
    dof = sizes.sum() ** 2 / (sizes**2).sum() - 1
    ends = np.log(centre / (1 - centre)) + np.array([-1, 1]) * stats.t.ppf(0.975, dof) * error
    return (1 + 2 * half) / (1 + np.exp(-ends)) - half


@pytest.mark.parametrize("metric", ["uar", "war", "macro_f1"])
@pytest.mark.parametrize("even", [True, False])
def test_interval_is_what_its_definition_says(rng, metric, even):
    truth, proba, who = experiment(rng, 7, rows=12)
    lengths = np.full(7, 12) if even else np.array([12, 11, 9, 7, 5, 3, 2])
    kept = np.tile(np.arange(12), 7) < np.repeat(lengths, 12)
    truth, proba, who = truth[kept], proba[kept], who[kept]
    expected = slow_interval(metric, truth, proba, who, EMOTIONS)
    assert metrics.interval(metric, truth, proba, who, EMOTIONS) == pytest.approx(expected, abs=1e-5)


@pytest.mark.parametrize("metric", metrics.NAMES)
def test_interval_holds_the_score_and_is_repeatable(rng, metric):
    truth, proba, who = experiment(rng, 12)
    value = getattr(metrics, metric)(truth, proba, EMOTIONS)
    low, high = metrics.interval(metric, truth, proba, who, EMOTIONS)
    assert 0 <= low < value < high
    order = rng.permutation(len(truth))
    again = metrics.interval(metric, truth[order], proba[order], who[order], EMOTIONS)
    assert again == pytest.approx((low, high), abs=1e-9)
    inner = metrics.interval(metric, truth, proba, who, EMOTIONS, level=0.5)
    assert low < inner[0] < value < inner[1] < high


def test_long_speakers_count_for_less_than_their_number():
    sizes = np.array([100, 60, 40, 10])
    assert effective_dof(sizes) == pytest.approx(210**2 / (100**2 + 60**2 + 40**2 + 10**2) - 1)
    assert effective_dof(np.array([30] * 9)) == pytest.approx(8)
    assert effective_dof(np.array([1000, 1])) == 1  # as two speakers have


def test_clips_as_units_would_be_too_sure(rng):
    truth, proba, who = experiment(rng, 24, speaker_sd=1.0)
    low, high = metrics.interval("uar", truth, proba, who, EMOTIONS)
    clip_low, clip_high = metrics.interval("uar", truth, proba, np.arange(len(truth)), EMOTIONS)
    assert high - low > 1.5 * (clip_high - clip_low)


@pytest.mark.parametrize("n_speakers", [6, 24])
def test_intervals_cover(n_speakers):
    """In short what benchmarks/interval_coverage.py does: of 300, about 285 should hold the truth."""
    truth, proba, _ = experiment(np.random.default_rng(99), 5000)
    true = metrics.uar(truth, proba, EMOTIONS)
    held = 0
    for seed in range(300):
        rows = experiment(np.random.default_rng([n_speakers, seed]), n_speakers)
        low, high = metrics.interval("uar", *rows, EMOTIONS)
        held += low <= true <= high
    assert 276 <= held <= 295


@pytest.mark.parametrize("sure", [0.25, 1.0])
def test_all_alike_gives_a_point(sure):
    truth = list(FOUR) * 3
    proba = [[sure if label == true else (1 - sure) / 3 for label in FOUR] for true in truth]
    for metric in metrics.NAMES:
        value = getattr(metrics, metric)(truth, proba, FOUR)
        found = metrics.interval(metric, truth, proba, np.repeat([1, 2, 3], 4), FOUR)
        assert found == pytest.approx((value, value), abs=1e-12)


def test_an_interval_never_leaves_the_possible(rng):
    truth = np.array(FOUR * 10, dtype=object)
    answers = truth.copy()
    answers[0] = "angry"
    low, high = metrics.interval("uar", truth, answers, np.repeat([1, 2, 3, 4], 10), FOUR)
    assert 0 < low < 0.95
    assert 0.975 < high <= 1


@pytest.mark.parametrize("dof", [1, 1.7, 2, 3, 9, 23, 89.2, 2000])
@pytest.mark.parametrize("level", [0.5, 0.9, 0.95, 0.99])
def test_student_t(dof, level):
    stats = pytest.importorskip("scipy.stats")
    t = stats.t.ppf((1 + level) / 2, dof)
    assert student_t(level, dof) == pytest.approx(t, rel=1e-9)
    assert student_p(t, dof) == pytest.approx(1 - level, abs=1e-12)
    assert student_p(-t, dof) == student_p(t, dof)


# --- evaluate ---


def test_evaluate_gathers_everything(rng):
    truth, proba, who = experiment(rng, 6)
    folds = np.repeat([0, 1, 2], 80)
    report = metrics.evaluate(truth, proba, EMOTIONS, who, folds=folds)
    assert json.loads(json.dumps(report, allow_nan=False)) == report
    for name in metrics.NAMES:
        score = report[name]
        assert score["value"] == getattr(metrics, name)(truth, proba, EMOTIONS)
        assert (score["low"], score["high"]) == metrics.interval(name, truth, proba, who, EMOTIONS)
        in_folds = [getattr(metrics, name)(truth[folds == i], proba[folds == i], EMOTIONS) for i in range(3)]
        assert score["fold_mean"] == pytest.approx(np.mean(in_folds))
        assert score["fold_sd"] == pytest.approx(np.std(in_folds, ddof=1))
    assert (report["n"], report["n_speakers"], report["labels"]) == (240, 6, list(EMOTIONS))
    assert report["chance"]["uar"] == 1 / 8
    assert report["chance"]["war"] == np.unique(truth, return_counts=True)[1].max() / 240
    sad = report["per_class"]["sad"]
    own = truth == "sad"
    expected = metrics.interval("war", truth[own], proba[own], who[own], EMOTIONS)
    assert (sad["recall_low"], sad["recall_high"]) == expected
    assert sad["recall_low"] < sad["recall"] < sad["recall_high"]
    assert sum(map(sum, report["confusion"])) == sad["support"] + sum(truth != "sad") == 240
    assert sum(row["count"] for row in report["reliability"]) == 240


def test_evaluate_without_speakers_has_no_interval(rng):
    truth, proba, who = experiment(rng, 1)
    for groups, n_speakers in ((None, None), (who, 1)):
        report = metrics.evaluate(truth, proba, EMOTIONS, groups)
        assert report["n_speakers"] == n_speakers
        assert report["uar"] == {"value": metrics.uar(truth, proba, EMOTIONS), "low": None, "high": None}


def test_evaluate_takes_names_and_absent_classes():
    report = metrics.evaluate(["sad", "sad", "happy"], ["sad", "happy", "happy"], FOUR, ["a", "b", "b"], folds=[0] * 3)
    assert json.loads(json.dumps(report, allow_nan=False)) == report
    assert "nll" not in report
    assert "reliability" not in report
    assert report["uar"]["fold_sd"] is None
    assert report["per_class"]["angry"] == {
        "recall": None,
        "precision": None,
        "f1": None,
        "support": 0,
        "recall_low": None,
        "recall_high": None,
    }
    assert report["per_class"]["happy"]["recall_low"] is None  # one speaker has it


def test_format_score():
    assert metrics.format_score("UAR", 0.5901, 0.5456, 0.6349) == "UAR 0.59 [0.55, 0.63]"
    assert metrics.format_score("war", 1.0) == "WA 1.00"


# --- bad input ---

GOOD = [[0.7, 0.1, 0.1, 0.1], [0.1, 0.7, 0.1, 0.1]]


@pytest.mark.parametrize(
    ("truth", "predicted", "labels", "message"),
    [
        ([], [], FOUR, "at least one"),
        (["sad", "happy"], ["sad"], FOUR, "2 true labels .* dropped"),
        (["sad", "happy"], np.transpose(GOOD), FOUR, "pass proba.T"),
        (["sad", "happy"], 3, FOUR, "shape"),
        (["sad", None], GOOD, FOUR, "1 of 2 rows of truth have no emotion"),
        (["sad", float("nan")], GOOD, FOUR, "1 of 2 rows of truth have no emotion"),
        (["sad", "bored"], GOOD, FOUR, "truth holds bored, not among the labels neutral.*harmonise"),
        (["sad", "happy"], ["sad", "bored"], FOUR, "predicted holds bored"),
        ([2, 1], GOOD, FOUR, r"numbers, not names: pass labels\[i\]"),
        (["sad", "happy"], np.ones((2, 3)) / 3, FOUR, r"4 labels .* shape is \(2, 3\)"),
        (["sad", "happy"], [["a"] * 4, ["b"] * 4], FOUR, "must be numbers"),
        (["sad", "happy"], [[np.nan] * 4, GOOD[1]], FOUR, "1 of 2 rows of probabilities hold NaN"),
        (["sad", "happy"], [[np.inf, 0, 0, 0], GOOD[1]], FOUR, "infinity"),
        (["sad", "happy"], np.log(GOOD), FOUR, "log-probabilities: pass np.exp"),
        (["sad", "happy"], [[3.0, -1, 0, 0], GOOD[1]], FOUR, "logits: pass their softmax"),
        (["sad", "happy"], [[1.2, -0.2, 0, 0], GOOD[1]], FOUR, "lowest value is -0.2"),
        (["sad", "happy"], 100 * np.array(GOOD), FOUR, "percentages: divide"),
        (["sad", "happy"], [[0.2, 0.2, 0.2, 0.2], GOOD[1]], FOUR, "row 0 sums to 0.8 .* divide each row"),
        (["sad", "sad"], [[1.0], [1.0]], ("sad",), "two labels or more"),
        (["sad", "happy"], GOOD, ("sad", "happy", "sad", "angry"), "without repeats"),
    ],
)
def test_bad_rows_are_explained(truth, predicted, labels, message):
    with pytest.raises(ExperimentError, match=message):
        metrics.uar(truth, predicted, labels)


def test_other_bad_input_is_explained(rng):
    truth, proba, who = experiment(rng, 2)
    with pytest.raises(ExperimentError, match="needs probabilities"):
        metrics.ece(truth, truth, EMOTIONS)
    with pytest.raises(ExperimentError, match="n_bins must be 1 or more"):
        metrics.reliability(truth, proba, EMOTIONS, n_bins=0)
    with pytest.raises(ExperimentError, match="two or more, and all rows here are of one"):
        metrics.interval("uar", truth[:40], proba[:40], who[:40], EMOTIONS)
    with pytest.raises(ExperimentError, match="80 rows but the groups have shape"):
        metrics.interval("uar", truth, proba, who[:3], EMOTIONS)
    with pytest.raises(ExperimentError, match="1 of 80 rows have no speaker"):
        metrics.interval("uar", truth, proba, [None, *who[1:]], EMOTIONS)
    with pytest.raises(ExperimentError, match="level must lie between 0 and 1"):
        metrics.interval("uar", truth, proba, who, EMOTIONS, level=95)
    with pytest.raises(ConfigError, match="Did you mean 'uar'"):
        metrics.interval("uaar", truth, proba, who, EMOTIONS)
