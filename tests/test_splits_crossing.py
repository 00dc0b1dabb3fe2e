"""`emotone.splits` across corpora and sentences: who is on which side, which emotions are left, what is said of it."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest

from emotone import splits
from emotone.errors import ConfigError, ExperimentError

SIX = ("neutral", "happy", "sad", "angry", "fearful", "disgusted")
EIGHT = ("neutral", "calm", *SIX[1:], "surprised")


def corpus(name: str, emotions=EIGHT, *, n_speakers=4, each=2) -> pd.DataFrame:
    """``each`` clips of two sentences for every speaker and emotion."""
    records = [
        {
            "corpus": name,
            "file": f"{who}_{emotion}_{sentence}_{take}.wav",
            "start": 0.0,
            "end": np.nan,
            "speaker": f"{name}/{who:02}",
            "label": emotion,
            "emotion": emotion,
            "gender": "male" if who % 2 else "female",
            "text": ("Kids are talking", "Dogs are sitting")[sentence],
        }
        for who in range(n_speakers)
        for emotion in emotions
        for sentence in (0, 1)
        for take in range(each)
    ]
    return pd.DataFrame(records)


def together(*tables: pd.DataFrame) -> pd.DataFrame:
    return pd.concat(tables, ignore_index=True)


def side(table: pd.DataFrame, rows: np.ndarray, column: str) -> set[str]:
    return set(table[column].to_numpy()[rows])


# --- across corpora ---


def test_across_says_what_it_costs():
    table = together(corpus("crema_d", SIX), corpus("ravdess"))
    split = splits.split(table, "across", train=["crema_d"], test=["ravdess"])
    assert split.description == (
        "across, trained on crema_d, tested on ravdess, 6 of 8 emotions, 96 of 128 clips, speakers unseen"
    )
    ((train, test),) = split.folds
    assert side(table, train, "corpus") == {"crema_d"}
    assert side(table, test, "corpus") == {"ravdess"}
    assert side(table, train, "emotion") == side(table, test, "emotion") == set(SIX)
    assert split.labels == SIX
    assert split.notes == (
        "Left out of ravdess, not shared: 16 calm, 16 surprised.",
        "Chance is 1 in 6, a UAR of 0.167.",
    )


def test_either_side_may_be_the_rest():
    table = together(corpus("crema_d", SIX), corpus("emodb", SIX), corpus("ravdess"))
    told = splits.split(table, "across", test="ravdess")
    assert told.folds[0][0].tolist() == splits.split(table, "across", train=["emodb", "crema_d"]).folds[0][0].tolist()
    assert "trained on crema_d and emodb, tested on ravdess" in told.description
    part = splits.split(table, "across", train="crema_d", test="emodb")
    assert part.notes[0] == "Neither trained nor tested on: ravdess."
    assert side(table, np.concatenate(part.folds[0]), "corpus") == {"crema_d", "emodb"}


def test_leaving_one_corpus_out_keeps_the_emotions_of_all():
    table = together(corpus("crema_d", SIX), corpus("emodb", (*SIX, "bored")), corpus("ravdess"))
    split = splits.split(table, "corpora")
    assert split.description == "corpora, 3 folds, 6 of 9 emotions, 288 of 336 clips, speakers unseen"
    assert [side(table, test, "corpus") for _, test in split.folds] == [{"crema_d"}, {"emodb"}, {"ravdess"}]
    assert [len(side(table, train, "corpus")) for train, _ in split.folds] == [2, 2, 2]
    assert "Left out of emodb, not shared: 16 bored." in split.notes
    for train, test in split.folds:
        assert side(table, train, "emotion") == side(table, test, "emotion") == set(SIX)


def test_an_emotion_of_the_trained_side_alone_is_left_out_there_too():
    table = together(corpus("crema_d", SIX), corpus("emodb", ("happy", "sad")))
    split = splits.split(table, "across", test="emodb")
    assert split.labels == ("happy", "sad")
    assert split.notes[0] == "Left out of crema_d, not shared: 16 neutral, 16 angry, 16 fearful, 16 disgusted."
    assert "2 of 2 emotions, 32 of 32 clips" in split.description


def test_speakers_of_two_corpora_may_be_the_same_people():
    """RAVDESS's songs have RAVDESS's actors: another corpus, and not an unseen voice."""
    songs = corpus("ravdess_song").assign(speaker=corpus("ravdess")["speaker"])
    split = splits.split(together(corpus("ravdess"), songs), "corpora")
    assert split.speakers == "shared"
    assert split.description.endswith("speakers shared")


def test_numbers_need_no_shared_emotions():
    table = together(corpus("crema_d", SIX), corpus("ravdess"))
    table = table.assign(emotion=np.array(["low", "high"])[np.arange(len(table)) % 2])  # how targets are balanced
    split = splits.split(table, "across", test="ravdess", shared=False)
    assert split.labels is None
    assert len(split.folds[0][1]) == 128
    assert split.description == "across, trained on crema_d, tested on ravdess, speakers unseen"


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({}, "needs to know whom to test"),
        ({"test": "ravdes"}, "Unknown corpus of the table 'ravdes'. Did you mean 'ravdess'"),
        ({"test": ["ravdess"], "train": ["ravdess", "crema_d"]}, "ravdess can't be both trained and tested on"),
        ({"test": ["ravdess", "crema_d"]}, "Nothing is left to train on; the table's corpora: crema_d, ravdess"),
        ({"train": ["ravdess", "crema_d"]}, "Nothing is left to test on"),
    ],
)
def test_sides_that_cannot_be(options, message):
    with pytest.raises(ConfigError, match=message):
        splits.split(together(corpus("crema_d", SIX), corpus("ravdess")), "across", **options)


@pytest.mark.parametrize("protocol", ["corpora", "across"])
def test_one_corpus_is_not_enough(protocol):
    with pytest.raises(ExperimentError, match=f"The protocol {protocol} needs two corpora or more.* only ravdess"):
        splits.split(corpus("ravdess"), protocol)


def test_corpora_that_share_nothing():
    table = together(corpus("one", ("happy", "sad")), corpus("two", ("sad", "angry")))
    with pytest.raises(ExperimentError, match=r"share only the emotion sad.*one has happy, sad; two has sad, angry"):
        splits.split(table, "corpora")
    table = together(corpus("one", ("happy", "sad")), corpus("two", ("calm", "angry")))
    with pytest.raises(ExperimentError, match="share no emotion"):
        splits.split(table, "across", test="two")


# --- sentences ---


def test_sentences_are_unseen_and_speakers_are_not():
    table = corpus("ravdess")
    split = splits.split(table, "sentences")
    assert split.description == "sentences, 2 folds of unseen sentences, speakers shared"
    assert split.shares == ("speakers",)
    for train, test in split.folds:
        assert not side(table, train, "text") & side(table, test, "text")
    assert splits.split(table, "sentences", seed=3).folds[0][1].tolist()


def test_sentences_of_ones_own_leave_speakers_unseen():
    table = corpus("ravdess").assign(text=corpus("ravdess")["speaker"])
    assert splits.split(table, "sentences", n_folds=4).description.endswith("speakers unseen")


@pytest.mark.parametrize(
    ("change", "options", "message"),
    [
        ({"text": None}, {}, "128 of 128 rows have no text.*fill in the column 'text'"),
        ({"text": "Hello"}, {}, "All rows say the same sentence .'Hello'.*use the protocol speakers"),
        ({}, {"n_folds": 3}, "3 folds can't be made of 2 sentences; use 2 to 2 folds"),
    ],
)
def test_sentences_that_cannot_be_held_out(change, options, message):
    with pytest.raises(ExperimentError, match=message):
        splits.split(corpus("ravdess").assign(**change), "sentences", **options)


# --- published partitions of several corpora ---


def test_official_columns_and_lists():
    table = together(corpus("meld", SIX), corpus("msp", SIX)).assign(split=["train", "train", "dev", "test"] * 48)
    split = splits.split(table, "official", column="split")
    assert split.description == "official, 1 test part, speakers shared"
    lists = [("meld/00", "msp/00", "msp/01"), ("meld/01", "meld/02", "meld/03", "msp/02", "msp/03")]
    split = splits.split(table, "official", folds=lists)
    assert split.description == "official, 2 folds, speakers unseen"
    with pytest.raises(
        ExperimentError, match="a speaker '00', but the table has meld and msp; write meld/00 or msp/00"
    ):
        splits.split(table, "official", folds=[("00",), ("01", "02", "03")])
