"""`emotone.splits`: who is in which fold, what the sides share, and what is said when a table can't be
split."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from emotone import splits
from emotone.errors import ConfigError, ExperimentError
from emotone.labels import EMOTIONS, LABEL_SETS

# EmoBox's six folds of RAVDESS, as numbers of actors.
RAVDESS_FOLDS = ("1 11 20 21", "4 10 12 14", "8 9 19 23", "3 5 7 24", "2 15 16 18", "6 13 17 22")
OFFICIAL = tuple(tuple(f"ravdess/{int(actor):02}" for actor in fold.split()) for fold in RAVDESS_FOLDS)


def corpus(n_speakers=24, *, rows=30, emotions=EMOTIONS, name="ravdess", rng=None) -> pd.DataFrame:
    """RAVDESS in small: odd speakers are male, all say two sentences, and each has ``rows`` rows (or, with
    ``rng``, 5 rows to ``rows``, of emotions in a mixture of their own)."""
    records = []
    for speaker in range(1, n_speakers + 1):
        n = rows if rng is None else int(rng.integers(5, rows + 1))
        share = None if rng is None else rng.dirichlet(np.ones(len(emotions)))
        drawn = [emotions[i % len(emotions)] for i in range(n)] if rng is None else rng.choice(emotions, n, p=share)
        records += [
            {
                "corpus": name,
                "file": f"Actor_{speaker:02}/{i:03}.wav",
                "start": 0.0,
                "end": np.nan,
                "speaker": f"{name}/{speaker:02}",
                "label": emotion,
                "emotion": emotion,
                "gender": "male" if speaker % 2 else "female",
                "text": ("Kids are talking", "Dogs are sitting")[i // 2 % 2],
            }
            for i, emotion in enumerate(drawn)
        ]
    return pd.DataFrame(records)


def check_partition(split: splits.Split, n_rows: int) -> None:
    """Every row is tested once, and trained on in all other folds."""
    for train, test in split.folds:
        assert train.dtype == test.dtype == np.int64
        assert np.array_equal(np.sort(np.concatenate([train, test])), np.arange(n_rows))
    assert np.array_equal(np.sort(np.concatenate([test for _, test in split.folds])), np.arange(n_rows))


def speakers_apart(split: splits.Split, table: pd.DataFrame) -> bool:
    who = table["speaker"].to_numpy()
    return all(not set(who[train]) & set(who[test]) for train, test in split.folds)


# --- protocols ---


def test_the_default_is_unseen_speakers_in_five_balanced_folds():
    table = corpus()
    split = splits.split(table)
    check_partition(split, len(table))
    assert speakers_apart(split, table)
    assert split.description == "speakers, 5 folds, speakers unseen"
    assert split.speakers == "unseen"
    assert split.notes == ()


@pytest.mark.parametrize("n_folds", [2, 3, 4, 5, 6, 8, 12])
@pytest.mark.parametrize("seed", [0, 1, 2])
def test_folds_are_balanced_in_gender(n_folds, seed):
    """The trap: scikit-learn's GroupKFold puts four actors of one sex in each fold."""
    split = splits.split(corpus(), n_folds=n_folds, seed=seed)
    for held in split.held_out:
        sizes = [len(held["female"]), len(held["male"])]
        assert abs(sizes[0] - sizes[1]) <= (1 if n_folds in (5, 8) else 0)
    assert split.held_out != splits.split(corpus(), n_folds=n_folds, seed=seed + 10).held_out


def test_folds_are_balanced_in_emotions_size_and_corpus(rng):
    table = pd.concat([corpus(40, rng=rng), corpus(20, name="crema_d", rng=rng)], ignore_index=True)
    split = splits.split(table)
    for column, most in (("emotion", 0.08), ("gender", 0.03), ("corpus", 0.03)):
        for value in table[column].unique():
            rows = table[column].to_numpy() == value
            parts = [rows[test].sum() / rows.sum() for _, test in split.folds]
            assert np.ptp(parts) < most, (column, value, parts)


def test_a_seed_means_one_split_whatever_the_order_of_rows():
    table = corpus(13, rows=11)
    assert splits.split(table, seed=3).held_out == splits.split(table, seed=3).held_out
    shuffled = table.sample(frac=1, random_state=1)
    assert splits.split(table, seed=3).held_out == splits.split(shuffled, seed=3).held_out
    assert splits.split(table, seed=3).held_out != splits.split(table, seed=4).held_out


@settings(max_examples=40, deadline=None)
@given(seed=st.integers(0, 10**6), n_speakers=st.integers(4, 30), n_folds=st.integers(2, 4))
def test_any_table_of_speakers_is_partitioned(seed, n_speakers, n_folds):
    table = corpus(n_speakers, rng=np.random.default_rng(seed), emotions=LABEL_SETS["four"])
    try:
        split = splits.split(table, n_folds=n_folds, seed=seed)
    except ExperimentError:  # an emotion that one or two speakers have: hand-made below
        return
    check_partition(split, len(table))
    assert speakers_apart(split, table)
    for train, test in split.folds:
        assert len(test)
        assert set(table["emotion"].to_numpy()[train]) == set(table["emotion"])


def test_two_speakers_of_a_rare_emotion_are_kept_apart():
    table = corpus(12)
    table = pd.concat([table, table.iloc[[0, 30]].assign(emotion="bored")], ignore_index=True)
    for seed in range(10):
        split = splits.split(table, n_folds=3, seed=seed)
        bored = [sum(table["emotion"].to_numpy()[test] == "bored") for _, test in split.folds]
        assert sorted(bored) == [0, 1, 1]


def test_loso():
    table = corpus(5)
    split = splits.split(table, "loso")
    check_partition(split, len(table))
    assert split.description == "loso, 5 folds, speakers unseen"
    assert [next(iter(held.values())) for held in split.held_out] == [(f"ravdess/{i:02}",) for i in range(1, 6)]
    assert split.notes == ()


@pytest.mark.parametrize("folds", [OFFICIAL, [{name[-2:] for name in fold} for fold in OFFICIAL]])
def test_official_folds_are_the_published_ones(folds):
    table = corpus()
    split = splits.split(table, "official", folds=folds)
    check_partition(split, len(table))
    assert split.description == "official, 6 folds, speakers unseen"
    assert split.held_out[0] == {
        "female": ("ravdess/20",),
        "male": ("ravdess/01", "ravdess/11", "ravdess/21"),
    }
    assert split.notes == ("Test fold 2 holds only female speakers.",)


def test_official_folds_of_an_incomplete_corpus_say_so():
    table = corpus()
    split = splits.split(table[table["speaker"] != "ravdess/18"], "official", folds=OFFICIAL)
    assert split.description == "official, 6 folds, 23 of 24 speakers, speakers unseen"
    assert split.notes[0] == "The table lacks ravdess/18 of the official folds."


def test_holdout_draws_a_balanced_share():
    table = corpus()
    split = splits.split(table, "holdout", seed=2)
    ((train, test),) = split.folds
    assert len(train) + len(test) == len(table)
    assert speakers_apart(split, table)
    assert split.description == "holdout, 6 of 24 speakers, speakers unseen"
    assert {gender: len(who) for gender, who in split.held_out[0].items()} == {"female": 3, "male": 3}
    assert splits.split(table, "holdout", seed=3).held_out != split.held_out
    assert splits.split(table, "holdout", test_size=0.001).description.startswith("holdout, 1 of 24")


def test_holdout_of_named_speakers():
    split = splits.split(corpus(), "holdout", test_speakers=["07", "ravdess/08"])
    assert split.held_out == ({"female": ("ravdess/08",), "male": ("ravdess/07",)},)


def test_given_parts_of_a_corpus():
    table = corpus(6)
    part = dict(zip(sorted(set(table["speaker"])), ["Train", "train", "dev", "test1", "test2", None], strict=True))
    split = splits.split(table.assign(split=table["speaker"].map(part)), "given")
    assert [len(train) for train, _ in split.folds] == [90, 90]
    assert split.held_out == ({"female": ("ravdess/04",)}, {"male": ("ravdess/05",)})
    assert split.description == "given, 2 test parts, speakers unseen"
    assert split.notes == ("30 rows without a value in the column 'split' are left out.",)


def test_given_parts_that_leak_are_marked():
    table = corpus(3)
    split = splits.split(table.assign(split=(["train"] * 20 + ["test"] * 10) * 3), "given")
    assert split.description == "given, 1 test part, speakers shared"
    assert split.shares == ("speakers", "sentences")


def test_random_folds_are_marked_and_stratified():
    table = corpus(10, rows=16)
    split = splits.split(table, "random", seed=1)
    check_partition(split, len(table))
    assert split.description == "random, 5 folds, speakers shared"
    assert split.speakers == "shared"
    for _, test in split.folds:
        assert set(table["emotion"].iloc[test].value_counts()) == {4}
    assert splits.fingerprint(split, table) != splits.fingerprint(splits.split(table, "random", seed=2), table)


def test_random_with_a_test_share_is_the_tutorials_split_bit_for_bit():
    from sklearn.model_selection import train_test_split

    table = corpus(8)
    x, y = np.arange(len(table)), table["emotion"].to_numpy()
    split = splits.split(table, "random", test_size=0.25, seed=9)
    x_train, x_test, _, _ = train_test_split(x, y, test_size=0.25, random_state=9)
    np.testing.assert_array_equal(split.folds[0][0], x_train)
    np.testing.assert_array_equal(split.folds[0][1], x_test)
    assert split.description == "random, 1 split, seed 9, 25 % test, speakers shared"


def test_random_repeats_take_the_next_seeds():
    table = corpus(8)
    split = splits.split(table, "random", test_size=0.25, repeats=50, seed=4)
    assert len(split.folds) == 50
    assert split.description == "random, 50 splits, 25 % test, speakers shared"
    single = splits.split(table, "random", test_size=0.25, seed=6)
    np.testing.assert_array_equal(split.folds[2][1], single.folds[0][1])


def test_random_without_speakers_says_unknown():
    table = corpus(4)
    for unnamed in (table.assign(speaker=None), table.assign(speaker=np.nan), table.drop(columns="speaker")):
        split = splits.split(unnamed, "random")
        assert split.description == "random, 5 folds, speakers unknown"
        assert split.shares == ("sentences",)
        assert split.held_out[0] == {}


# --- what the sides share ---


def test_shares_are_looked_up_not_assumed():
    table = corpus(6)
    assert splits.split(table, "loso").shares == ("sentences",)
    assert splits.split(table.drop(columns="text"), "loso").shares == ()
    own = table.assign(text=table["speaker"] + " says " + table["text"])
    assert splits.split(own, "loso").shares == ()
    meeting = table.assign(file="meeting.wav", start=np.arange(len(table)))
    assert splits.split(meeting, "loso").shares == ("sentences", "recordings")


def test_a_test_fold_of_one_gender_is_noted():
    men = [f"{i:02}" for i in (1, 3, 5, 7)]
    assert splits.split(corpus(), "holdout", test_speakers=men).notes == ("Test fold 1 holds only male speakers.",)
    only_men = corpus()[corpus()["gender"] == "male"]
    assert splits.split(only_men, "holdout", test_speakers=men).notes == ()


def test_fingerprint_names_the_assignment_not_the_order():
    table = corpus(8)
    split = splits.split(table, "official", folds=[("01", "02"), ("03", "04"), ("05", "06", "07", "08")])
    mark = splits.fingerprint(split, table)
    assert len(mark) == 64
    shuffled = table.sample(frac=1, random_state=0)
    turned = splits.split(shuffled, "official", folds=[("05", "06", "07", "08"), ("04", "03"), ("01", "02")])
    assert splits.fingerprint(turned, shuffled) == mark
    other = splits.split(table, "official", folds=[("01", "03"), ("02", "04"), ("05", "06", "07", "08")])
    assert splits.fingerprint(other, table) != mark
    assert splits.fingerprint(split, table.assign(corpus="other")) != mark


def test_fingerprint_is_the_same_tomorrow():
    """Pinned: scores saved with it must stay comparable, however a reader writes zero."""
    table = corpus(4, rows=8)
    pinned = "3833d7aa24feb9ab866afff8e2ea833b4984cbc34f1b1d444acef6ccbff88ea8"
    for start in (0, 0.0, np.float32(0)):
        assert splits.fingerprint(splits.split(table, "loso"), table.assign(start=start)) == pinned


# --- inner folds ---


def entangled() -> pd.DataFrame:
    """Three speakers, three emotions, each of two speakers: any two speakers have one to themselves."""
    table = corpus(3, rows=2)
    return table.assign(emotion=["sad", "happy", "sad", "angry", "happy", "angry"])


def test_entangled_speakers_need_a_fold_each():
    assert len(splits.split(entangled(), n_folds=3).folds) == 3
    with pytest.raises(ExperimentError, match="No 2 folds of the 3 speakers leave every emotion something"):
        splits.split(entangled(), n_folds=2)
    table = entangled()
    assert splits.inner_folds(table["emotion"], table["speaker"], n_folds=2).by_rows
    assert not splits.inner_folds(table["emotion"], table["speaker"], n_folds=3).by_rows


def test_inner_folds_keep_speakers_apart():
    table = corpus(9)
    y, who = table["emotion"].to_numpy(), table["speaker"].to_numpy()
    inner = splits.inner_folds(y, who, n_folds=3, seed=1)
    assert (len(inner), inner.by_rows) == (3, False)
    for train, test in inner:
        assert not set(who[train]) & set(who[test])
        assert set(y[train]) == set(y[test]) == set(y)


def test_inner_folds_take_what_speakers_there_are():
    table = corpus(3)
    assert len(splits.inner_folds(table["emotion"], table["speaker"])) == 3
    two = table[table["speaker"] != "ravdess/03"]
    inner = splits.inner_folds(two["emotion"], two["speaker"])
    assert (len(inner), inner.by_rows) == (2, False)


@pytest.mark.parametrize("groups", [None, ["a"] * 40])
def test_inner_folds_of_one_speaker_are_of_rows(groups):
    y = list(EMOTIONS) * 5
    inner = splits.inner_folds(y, groups)
    assert (len(inner), inner.by_rows) == (5, True)
    for _, test in inner:
        assert sorted(np.array(y)[test]) == sorted(EMOTIONS)


def test_inner_folds_never_test_on_who_alone_has_an_emotion():
    y = np.array(["sad", "happy"] * 10 + ["bored"])
    who = np.array([f"s{i // 4}" for i in range(20)] + ["s0"])
    inner = splits.inner_folds(y, who)
    assert (len(inner), inner.by_rows) == (4, False)
    assert all("s0" not in who[test] and "bored" in y[train] for train, test in inner)


def test_inner_folds_fall_back_to_rows_when_speakers_are_their_emotion():
    """URDU's trouble: each speaker has one emotion."""
    inner = splits.inner_folds(["sad"] * 6 + ["happy"] * 6, ["a"] * 6 + ["b"] * 6)
    assert (len(inner), inner.by_rows) == (5, True)
    lone = splits.inner_folds(["sad"] * 6 + ["happy"], None, n_folds=3)
    assert all(6 in train for train, _ in lone)


def test_inner_folds_are_a_cv_for_scikit_learn():
    from sklearn.linear_model import LogisticRegression
    from sklearn.model_selection import cross_val_score

    table = corpus(6)
    inner = splits.inner_folds(table["emotion"], table["speaker"], n_folds=3)
    x = np.random.default_rng(0).normal(size=(len(table), 2))
    assert len(cross_val_score(LogisticRegression(), x, table["emotion"], cv=inner)) == 3


# --- bad input ---


@pytest.mark.parametrize(
    ("table", "options", "message"),
    [
        (corpus(3), {}, "5 folds can't be made of 3 speakers; use 2 to 3 folds, or the protocol loso"),
        (corpus(3), {"n_folds": 1}, "1 folds can't be made"),
        (corpus(1), {"n_folds": 2}, r"one speaker \(ravdess/01\).* protocol random works"),
        (corpus(1), {"protocol": "loso"}, "one speaker"),
        (corpus(1), {"protocol": "holdout"}, "one speaker"),
        (corpus(3).iloc[:0], {}, "no rows"),
        (corpus(3).iloc[:0], {"protocol": "random"}, "no rows"),
        (corpus(3, emotions=("sad",)), {}, "only emotion is sad"),
        (corpus(3).assign(emotion=[None] * 89 + ["sad"]), {}, "89 of 90 rows have no emotion.*harmonise"),
        (
            corpus(3).assign(speaker=[None] * 2 + ["a"] * 88),
            {},
            "2 of 90 rows have no speaker.*'speakers unknown'",
        ),
        (corpus(3).drop(columns="speaker"), {"protocol": "loso"}, "90 of 90 rows have no speaker"),
        (
            corpus(6).assign(emotion=["bored"] + ["sad", "happy"] * 89 + ["sad"]),
            {},
            "Only ravdess/01 has rows of bored",
        ),
        (
            corpus(6).assign(emotion=["bored"] + ["sad", "happy"] * 89 + ["sad"]),
            {"protocol": "loso"},
            "Only ravdess/01",
        ),
        (
            corpus(2, rows=4).assign(emotion=["bored"] + ["sad", "happy"] * 3 + ["sad"]),
            {"protocol": "random", "n_folds": 2},
            "train on no row of bored, which has 1 in all",
        ),
        (corpus(2, rows=2), {"protocol": "random"}, "5 folds can't be made of 4 rows"),
        (corpus(2, rows=2), {"protocol": "random", "test_size": 0.9}, "none of the 4 rows to train on"),
        (
            corpus(24),
            {"protocol": "official"},
            "No official folds are known for ravdess; use the protocol speakers",
        ),
        (
            pd.concat([corpus(2), corpus(2, name="emodb")]),
            {"protocol": "official", "folds": OFFICIAL},
            r"official folds of emodb\+ravdess don't list emodb/01, emodb/02, whom the table has",
        ),
        (
            corpus(25),
            {"protocol": "official", "folds": OFFICIAL},
            "don't list ravdess/25, whom the table has",
        ),
        (corpus(2), {"protocol": "official", "folds": [("01", "02"), ("02",)]}, "list ravdess/02 twice"),
        (corpus(3), {"protocol": "official", "folds": OFFICIAL}, "nobody of official fold 2 of 6"),
        (
            corpus(3),
            {"protocol": "holdout", "test_speakers": ["9"]},
            "'9' is not in the table; its speakers are: rav",
        ),
        (
            corpus(3),
            {"protocol": "holdout", "test_speakers": ["01", "02", "03"]},
            "some of the table's 3, not 3",
        ),
        (corpus(3), {"protocol": "holdout", "test_speakers": []}, "not 0 of them"),
        (corpus(3), {"protocol": "given"}, "no column 'split'"),
        (
            corpus(3).assign(split="train"),
            {"protocol": "given"},
            "some of them train and some test.*are: train",
        ),
        (corpus(3).assign(split=["train", "tset"] * 45), {"protocol": "given"}, "values are: train, tset"),
    ],
)
def test_tables_that_cannot_be_split(table, options, message):
    with pytest.raises(ExperimentError, match=message):
        splits.split(table, **options)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"protocol": "loco"}, "Unknown protocol 'loco'. Did you mean 'loso'"),
        ({"protocol": "loso", "n_folds": 3}, "'loso' has no option 'n_folds'; it has: none"),
        ({"test_size": 0.2}, "'speakers' has no option 'test_size'; it has: n_folds, seed"),
        ({"protocol": "random", "test_size": 0.2, "n_folds": 3}, "either n_folds or test_size"),
        ({"protocol": "random", "repeats": 3}, "repeats belongs to test_size"),
        ({"protocol": "random", "repeats": 0, "test_size": 0.2}, "repeats must be 1 or more"),
        ({"protocol": "random", "test_size": 25}, "between 0 and 1"),
        ({"protocol": "holdout", "test_size": 0}, "between 0 and 1"),
        (
            {"protocol": "holdout", "test_size": 0.5, "test_speakers": ["01"]},
            "either test_speakers or test_size",
        ),
    ],
)
def test_options_that_mean_nothing(options, message):
    with pytest.raises(ConfigError, match=message):
        splits.split(corpus(4), **options)


def test_a_seed_is_welcome_everywhere():
    assert splits.split(corpus(4), "loso", seed=5).description == "loso, 4 folds, speakers unseen"


def test_inner_folds_that_cannot_be():
    with pytest.raises(ExperimentError, match="two rows or more and a speaker for each, but there are 2 rows and 1"):
        splits.inner_folds(["sad", "happy"], ["a"])
    with pytest.raises(ExperimentError, match="n_folds must be 2 or more"):
        splits.inner_folds(["sad", "happy"], n_folds=1)
    with pytest.raises(ExperimentError, match="an emotion with two rows"):
        splits.inner_folds(["sad", "happy"])


def test_names_and_functions():
    names = ["speakers", "loso", "official", "holdout", "given", "corpora", "across", "sentences", "file", "random"]
    assert splits.names() == names
    assert splits.get("loso") is splits.loso


def test_tables_are_left_alone():
    table = corpus(6)
    before = table.copy()
    for protocol in ("speakers", "loso", "holdout", "random"):
        splits.fingerprint(splits.split(table, protocol), table)
    pd.testing.assert_frame_equal(table, before)


# --- real recordings ---


@pytest.mark.corpus
def test_ravdess_from_its_file_names(data):
    files = sorted((data / "ravdess").rglob("03-01-*.flac"))
    table = pd.DataFrame(
        {
            "corpus": "ravdess",
            "file": [path.relative_to(data / "ravdess").as_posix() for path in files],
            "speaker": [f"ravdess/{path.stem[-2:]}" for path in files],
            "emotion": [EMOTIONS[int(path.stem.split("-")[2]) - 1] for path in files],
            "gender": [("female", "male")[int(path.stem[-2:]) % 2] for path in files],
            "text": [path.stem.split("-")[4] for path in files],
        }
    )
    assert len(table) == 1440
    split = splits.split(table, "official", folds=OFFICIAL)
    assert [len(test) for _, test in split.folds] == [240] * 6
    assert split.shares == ("sentences",)
    for _, test in splits.split(table, n_folds=6).folds:
        assert set(table["emotion"].iloc[test].value_counts()) == {16, 32}
