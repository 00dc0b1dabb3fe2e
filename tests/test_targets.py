"""`emotone.targets`: which rows can be predicted as numbers, on which scale, and what is refused."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest

from emotone import splits
from emotone.errors import ConfigError, ExperimentError
from emotone.targets import check_names, choose, strata


def table(rng, n=60, **columns):
    rows = {
        "corpus": "ravdess",
        "file": [f"{i}.wav" for i in range(n)],
        "start": 0.0,
        "end": np.nan,
        "speaker": [f"ravdess/{i % 6}" for i in range(n)],
        "label": "x",
        "emotion": None,
        "arousal": rng.uniform(1, 7, n),
        "valence": rng.uniform(1, 7, n),
    }
    return pd.DataFrame(rows | columns)


def test_rows_without_a_number_are_left_out_and_counted_by_corpus(rng):
    given = table(rng, corpus=["a"] * 40 + ["b"] * 20)
    given.loc[[0, 1, 50], "arousal"] = [np.nan, np.inf, np.nan]
    given.loc[[1, 2], "valence"] = np.nan
    before = given.copy()
    chosen = choose(given, ("arousal", "valence"))
    assert len(chosen.table) == 56
    assert chosen.notes == (
        "left out: 3 of 40 rows of a without arousal and valence",
        "left out: 1 of 20 rows of b without arousal and valence",
    )
    assert list(chosen.table.index) == list(range(56))
    pd.testing.assert_frame_equal(given, before)


def test_the_scale_is_what_was_seen(rng):
    chosen = choose(table(rng, arousal=np.linspace(1.5, 6.5, 60)), ("arousal",))
    assert chosen.scales == {"arousal": (1.5, 6.5)}
    assert chosen.notes == ()


def test_any_column_of_numbers_will_do(rng):
    given = table(
        rng, age=np.arange(60), voiced=[True, False] * 30, p_angry=pd.array([0.5, None] * 30, dtype="Float64")
    )
    given.loc[0, "p_angry"] = 0.1
    assert choose(given, ("age",)).table["age"].dtype == np.float64
    assert len(choose(given, ("p_angry",)).table) == 30
    assert choose(given, ("voiced",)).scales == {"voiced": (0.0, 1.0)}


@pytest.mark.parametrize(
    ("columns", "targets", "message"),
    [
        ({}, ("dominance",), r"no column 'dominance' to predict; its columns of numbers are: arousal, valence\."),
        ({"intensity": "high"}, ("intensity",), r"intensity can't be predicted as a number: it holds 'high'\. Columns"),
        ({"arousal": 3}, ("valence", "arousal"), r"arousal is 3 in all 60 rows: there is nothing to predict"),
        ({"arousal": np.nan}, ("arousal",), r"No row of ravdess has a number for arousal; leave out the corpus"),
        ({"arousal": None}, ("arousal",), r"No row of ravdess has a number for arousal"),
        (
            {"valence": [1.0, np.nan] * 30, "arousal": [np.nan, 1.0] * 30},
            ("arousal", "valence"),
            r"No row of ravdess has a number for arousal and valence",
        ),
    ],
)
def test_what_cannot_be_predicted_is_said(rng, columns, targets, message):
    with pytest.raises(ExperimentError, match=message):
        choose(table(rng, **columns), targets)


def test_corpora_on_different_scales_are_refused_with_their_ranges(rng):
    five, seven = np.linspace(1, 5, 30), np.linspace(1, 7, 30)
    apart = table(rng, corpus=["msp"] * 30 + ["iemocap"] * 30, arousal=np.concatenate([seven, five]))
    with pytest.raises(
        ExperimentError, match=r"arousal isn't on one scale: it goes from 1 to 7 in msp, 1 to 5 in iemoc"
    ):
        choose(apart, ("arousal",))
    shifted = apart.assign(arousal=np.concatenate([five, five - 1.0]))
    with pytest.raises(ExperimentError, match=r"1 to 5 in msp, 0 to 4 in iemocap.*rescale the column"):
        choose(shifted, ("arousal",))


def test_means_of_raters_on_one_scale_may_end_short_of_it(rng):
    alike = table(rng, corpus=["a"] * 30 + ["b"] * 30, arousal=[*np.linspace(1, 7, 30), *np.linspace(1.8, 6.2, 30)])
    assert choose(alike, ("arousal",)).scales == {"arousal": (1.0, 7.0)}


@pytest.mark.parametrize("targets", ["arousal", ("arousal", ""), (1,)])
def test_targets_are_a_list_of_names(targets):
    with pytest.raises(ConfigError, match="Targets are a list of names"):
        check_names(targets)


def test_targets_are_named_once():
    assert check_names(["arousal", "valence"]) == ("arousal", "valence")
    assert check_names([]) == ()
    with pytest.raises(ConfigError, match="named once, unlike in age, age"):
        check_names(("age", "age"))


# --- classes to balance by ---


def test_emotions_come_first_where_all_rows_have_one(rng):
    given = table(rng, emotion=["sad", "angry"] * 30)
    assert list(next(strata(given, ("arousal",)))) == ["sad", "angry"] * 30
    given.loc[0, "emotion"] = None
    assert set(next(strata(given, ("arousal",)))) == {"low", "middle", "high"}
    assert set(next(strata(given.assign(emotion="sad"), ("arousal",)))) == {"low", "middle", "high"}


def test_thirds_follow_the_targets(rng):
    given = table(rng)
    thirds = next(strata(given, ("arousal",)))
    means = [given["arousal"][thirds == third].mean() for third in ("low", "middle", "high")]
    assert means == sorted(means)
    assert [int((thirds == third).sum()) for third in ("low", "middle", "high")] == [20, 20, 20]


def test_folds_are_alike_in_their_targets(rng):
    """Against chance: speakers who differ, dealt with and without looking."""
    levels = rng.permutation(np.repeat([1.0, 2.5, 4.0, 5.5, 7.0, 3.0], 4))
    who = np.repeat(np.arange(24), 20)
    given = table(rng, n=480, speaker=[f"s{i:02}" for i in who], arousal=levels[who] + rng.normal(size=480))

    def apart(emotion):
        split = splits.split(given.assign(emotion=emotion), "speakers", n_folds=4, seed=0)
        return np.std([given["arousal"].iloc[test].mean() for _, test in split.folds])

    *_, in_turn = strata(given, ("arousal",))
    assert apart(next(strata(given, ("arousal",)))) < 0.6 * apart(in_turn)


def test_the_last_way_to_class_rows_never_stands_in_the_way(rng):
    """Speaker 0 alone is low, speaker 1 alone is high: no third and no half could be learnt without them."""
    given = table(
        rng, n=40, speaker=["s0"] * 20 + ["s1"] * 20, arousal=[*rng.uniform(1, 2, 20), *rng.uniform(6, 7, 20)]
    )
    *hopeless, last = strata(given, ("arousal",))
    for classes in hopeless:
        with pytest.raises(ExperimentError, match="Only s"):
            splits.split(given.assign(emotion=classes), "loso")
    assert len(splits.split(given.assign(emotion=last), "loso").folds) == 2
