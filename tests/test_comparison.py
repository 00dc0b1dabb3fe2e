"""`emotone.comparison`: what is paired, what is said, and what is refused."""

from __future__ import annotations

import json
import re
from typing import Any

import numpy as np
import pandas as pd
import pytest
from made_runs import LABELS, made, protocol, regression

from emotone import comparison, metrics
from emotone.comparison import compare, compare_all, holm
from emotone.errors import ExperimentError
from emotone.result import Result


def by_hand(answers: dict[str, list[str]], *, truth: list[str], speakers: list[str], **facts: Any) -> Result:
    """A run that is sure of every answer."""
    [(name, predicted)] = answers.items()
    columns = {f"proba_{label}": [float(label == answer) for answer in predicted] for label in LABELS}
    table = pd.DataFrame(
        {
            "corpus": "c",
            "file": [f"{i}.wav" for i in range(len(truth))],
            "start": 0.0,
            "end": np.nan,
            "speaker": speakers,
            "truth": truth,
            "fold": 0,
            "predicted": predicted,
            **columns,
        }
    )
    return Result(table, LABELS, protocol(name=name, **facts))


TRUTH = ["neutral", "sad", "angry"] * 4
SPEAKERS = [who for who in "abcd" for _ in range(3)]


@pytest.fixture
def pair() -> tuple[Result, Result]:
    """A gets the first six of twelve right; B all but the third and the last."""
    a = [answer if i < 6 else "neutral" for i, answer in enumerate(TRUTH)]
    b = ["sad" if i in (2, 11) else answer for i, answer in enumerate(TRUTH)]
    return (
        by_hand({"A": a}, truth=TRUTH, speakers=SPEAKERS),
        by_hand({"B": b}, truth=TRUTH, speakers=SPEAKERS),
    )


# --- what is found ----------------------------------------------------------------------------------------------------


def test_recordings_are_counted_by_who_gets_them_right(pair):
    found = compare(*pair)
    # A: 0 to 5 and the neutral ones 6 and 9; B: all but 2 and 11.
    assert found.agreement == {"both": 7, "only_a": 1, "only_b": 3, "neither": 1}
    assert list(found.only("a")["file"]) == ["2.wav"]
    assert list(found.only("b")["file"]) == ["7.wav", "8.wav", "10.wav"]
    assert list(found.only("b")["predicted_a"]) == ["neutral"] * 3
    assert (found.n, found.n_speakers) == (12, 4)


def test_scores_are_those_of_the_runs_and_their_difference(pair):
    a, b = pair
    found = compare(a, b)
    for name in comparison.METRICS:
        change = found.scores[name]
        assert change.a == pytest.approx(a.scores[name]["value"], abs=1e-12)
        assert change.b == pytest.approx(b.scores[name]["value"], abs=1e-12)
        assert change.difference == pytest.approx(change.b - change.a, abs=1e-12)
    assert found.scores["uar"].a == pytest.approx((1 + 0.5 + 0.5) / 3)
    assert found.per_class["angry"].difference == pytest.approx(0.5 - 0.5)
    assert found.per_class["sad"].difference == pytest.approx(0.5)
    assert {who: round(change.difference, 9) for who, change in found.per_speaker.items()} == {
        "a": pytest.approx(-1 / 3, abs=1e-8),
        "b": 0.0,
        "c": pytest.approx(2 / 3, abs=1e-8),
        "d": pytest.approx(1 / 3, abs=1e-8),
    }


def test_interval_and_tests_are_those_of_the_metrics():
    a, b = made(skill=0.5, seed=1), made(skill=1.5, seed=2)
    found = compare(a, b)
    truth, speakers = a.table["truth"].to_numpy(object), a.table["speaker"].to_numpy(object)
    expected = metrics.difference("uar", truth, b.proba, a.proba, speakers, LABELS)
    change = found.scores["uar"]
    assert (change.low, change.high, change.p) == (expected.low, expected.high, expected.p)
    ranks = metrics.signed_rank("uar", truth, b.proba, a.proba, speakers, LABELS)
    assert found.wilcoxon == {"statistic": ranks.statistic, "p": ranks.p, "n": ranks.n}


def test_rows_are_paired_by_name_and_not_by_place(pair):
    a, b = pair
    shuffled = Result(b.table.sample(frac=1, random_state=0).reset_index(drop=True), LABELS, b.protocol)
    assert compare(a, shuffled).agreement == compare(a, b).agreement


# --- what is said -----------------------------------------------------------------------------------------------------


def test_the_better_one_is_named_whichever_comes_first():
    low, high = made(skill=0.3, seed=1), made(skill=2.5, seed=2)
    line = compare(low, high, names=("old", "new")).line()
    shape = r"new is better than old by (\d+\.\d) points UAR \[(\d+\.\d), (\d+\.\d)\], p < 0\.001 over 8 speakers; "
    match = re.match(shape + r"Wilcoxon p = 0\.008$", line)
    assert match, line
    size, near, far = map(float, match.groups())
    assert 0 < near < size < far
    other = compare(high, low, names=("new", "old")).line()
    assert other == line


def test_no_difference_is_said_so_and_its_interval_points_to_who_is_ahead():
    a, b = made(skill=1.2, seed=1), made(skill=1.2, seed=2)
    lines = [compare(a, b, names=("x", "y")).line(), compare(b, a, names=("y", "x")).line()]
    assert lines[0] == lines[1]
    match = re.match(
        r"No difference can be told: [xy] is ahead of [xy] by (.+) points UAR \[(-.+), (\d.+)\], p =", lines[0]
    )
    assert match, lines[0]
    size, low, high = map(float, match.groups())
    assert low < 0 < size < high


def test_equal_runs_are_alike(pair):
    found = compare(pair[0], pair[0])
    assert found.line().startswith("B and A are alike: 0.0 points UAR apart")
    assert found.scores["uar"].p == 1.0
    assert found.differs == ()
    assert found.notes == ()


def test_of_errors_the_lower_one_is_better():
    bad, good = made(skill=0.3, seed=1), made(skill=2.5, seed=2)
    assert compare(bad, good, names=("bad", "good")).line("nll").startswith("good is better than bad by")
    assert "Wilcoxon" not in compare(bad, good).line("nll")


@pytest.mark.parametrize(("p", "words"), [(0.2345, "p = 0.23"), (0.0042, "p = 0.004"), (0.0004, "p < 0.001")])
def test_p_in_words(p, words):
    assert comparison.in_words(p) == words


def test_what_differs_is_listed():
    a = made()
    b = made(seed=1, model={"name": "mlp", "hidden": 300}, split_sha256="0" * 64)
    found = compare(a, b)
    assert {one.what: (one.a, one.b) for one in found.differs} == {
        "model": ("svm", "mlp (hidden 300)"),
        "folds": ("c7aac1efc7aa", "0" * 12),
    }
    assert any("The folds differ" in note for note in found.notes)


def test_as_dict_is_plain_data():
    document = compare(made(), made(seed=1)).as_dict()
    again = json.loads(json.dumps(document, allow_nan=False))
    assert again["n"] == 96
    assert len(again["only_a"]) == again["agreement"]["only_a"]
    assert set(again["only_a"][0]) == {"corpus", "file", "start", "speaker", "truth", "predicted_a", "predicted_b"}


# --- runs that aren't alike -------------------------------------------------------------------------------------------


def test_heard_and_unheard_speakers_cannot_be_compared_and_it_says_so():
    honest = made()
    leaky = made(skill=3, seed=1, speakers="shared", description="random, 4 folds, speakers shared")
    found = compare(honest, leaky, names=("honest", "leaky"))
    assert "leaky scores higher than honest by" in found.line()
    assert "better" not in found.line()
    assert found.line().endswith("but leaky was tested on voices it had trained on, so they can't be compared")
    assert "leaky was tested on voices it had trained on and honest wasn't" in found.notes[0]
    both = compare(leaky, leaky)
    assert "neither score holds for new speakers" in both.notes[0]


def test_other_label_sets_are_judged_on_what_they_share():
    wide = made(labels=("neutral", "happy", "sad", "angry"), n_each=12)
    keep = wide.table["truth"] != "happy"
    narrow = Result(
        wide.table[keep].drop(columns="proba_happy").assign(**renormalised(wide.table[keep])).reset_index(drop=True),
        LABELS,
        protocol(),
    )
    found = compare(wide, narrow, names=("wide", "narrow"))
    assert found.labels == LABELS
    assert found.n == int(keep.sum())
    assert found.scores["uar"].difference == pytest.approx(0, abs=1e-12)  # the likeliest of the shared is the same
    assert any("wide chose among 4 emotions and narrow among 3" in note for note in found.notes)


def renormalised(table: pd.DataFrame) -> dict[str, Any]:
    columns = [f"proba_{label}" for label in LABELS]
    return dict(table[columns].div(table[columns].sum(axis=1), axis=0).items())


def test_a_recording_that_only_one_could_name_is_left_out():
    wide = made(labels=("neutral", "sad", "angry", "happy"))
    narrow = made(labels=("neutral", "sad", "angry"), n_each=12)
    truth = wide.table["truth"].to_numpy()
    narrow = Result(narrow.table.assign(truth=np.where(truth == "happy", "happy", truth)), LABELS, narrow.protocol)
    found = compare(wide, narrow)
    assert found.n == int((truth != "happy").sum())
    assert any("24 recordings in common have another emotion" in note for note in found.notes)


@pytest.mark.parametrize(
    ("labels", "message"),
    [
        (("happy", "fearful"), "they share none, and a comparison needs two"),
        (("happy", "sad"), "they share sad, and a comparison needs two"),
    ],
)
def test_too_few_shared_emotions_are_refused(labels, message):
    with pytest.raises(ExperimentError, match=message):
        compare(made(), made(labels=labels))


def test_other_recordings_are_refused_with_both_corpora_named():
    other = made(corpora=["emodb"])
    other = Result(other.table.assign(corpus="emodb"), LABELS, other.protocol)
    with pytest.raises(ExperimentError, match=r"no recording in common \(A was tested on ravdess, B on emodb\)"):
        compare(made(), other)


def test_partly_other_recordings_are_compared_where_they_meet():
    a = made()
    b = Result(a.table.iloc[:60].reset_index(drop=True), LABELS, protocol(corpora=["ravdess", "emodb"]))
    found = compare(a, b)
    assert found.n == 60
    assert any("60 recordings were tested in both runs, of 96 in A and 60 in B" in note for note in found.notes)
    assert any("B on ravdess and emodb" in note for note in found.notes)


def test_other_truths_are_refused_with_an_example():
    a = made()
    b = Result(a.table.assign(truth=np.roll(a.table["truth"], 1)), LABELS, a.protocol)
    with pytest.raises(ExperimentError, match=r"96 of 96 .* such as ravdess Actor_00/0\.wav \(neutral and angry\)"):
        compare(a, b)


def test_other_file_endings_are_paired_by_stem():
    a = made()
    b = Result(a.table.assign(file=a.table["file"].str.replace(".wav", ".flac")), LABELS, a.protocol)
    found = compare(a, b)
    assert found.n == 96
    assert any("other endings" in note for note in found.notes)


def test_repeated_tests_count_once_with_mean_probabilities():
    a = made()
    doubled = Result(pd.concat([a.table, made(seed=5).table], ignore_index=True), LABELS, a.protocol)
    found = compare(a, doubled, names=("once", "twice"))
    assert found.n == 96
    mean = (a.proba + made(seed=5).proba) / 2
    expected = metrics.uar(a.table["truth"].to_numpy(object), mean, LABELS)
    assert found.scores["uar"].b == pytest.approx(expected)
    assert any("twice tested its recordings several times" in note for note in found.notes)


def test_without_speakers_recordings_are_taken_and_it_is_said():
    a, b = made(), made(seed=1)
    for result in (a, b):
        result.table["speaker"] = None
    found = compare(a, b)
    assert found.n_speakers is None
    assert found.wilcoxon is None
    assert found.per_speaker == {}
    assert "over 96 recordings" in found.line()
    assert any("too narrow" in note for note in found.notes)


def test_one_speaker_gives_no_interval():
    found = compare(made(n_speakers=1, n_each=24), made(n_speakers=1, n_each=24, seed=1))
    assert found.scores["uar"].low is None
    assert found.wilcoxon is None
    assert "too few speakers to tell" in found.line()


def test_numbers_cannot_be_compared_with_emotions():
    with pytest.raises(ExperimentError, match="B predicts numbers, not emotions"):
        compare(made(), regression())


def test_empty_runs_are_refused():
    empty = Result(made().table.iloc[:0], LABELS, protocol())
    with pytest.raises(ExperimentError, match="B has no predictions"):
        compare(made(), empty)


# --- several ----------------------------------------------------------------------------------------------------------


def test_holm_by_hand():
    # 0.01 * 3; 0.03 * 2; 0.04 * 1, but never below the one before.
    assert holm([0.01, 0.04, 0.03]) == pytest.approx([0.03, 0.06, 0.06])
    assert holm([0.5, 0.6]) == [1.0, 1.0]
    assert holm([]) == []


def test_several_are_compared_with_the_first_and_corrected():
    runs = [made(skill=0.5, seed=1), made(skill=1.0, seed=2), made(skill=2.0, seed=3)]
    found = compare_all(runs, names=("a", "b", "c"))
    assert [one.names for one in found] == [("a", "b"), ("a", "c")]
    assert [one.p_holm for one in found] == pytest.approx(holm([one.scores["uar"].p for one in found]))
    assert all("after Holm's correction" in one.line() for one in found)
    alone = compare_all(runs[:2], names=("a", "b"))
    assert alone[0].p_holm is None
    assert "Holm" not in alone[0].line()
