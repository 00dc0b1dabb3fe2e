"""Emotion names: their order, the sets, and what restricting a table to a set does and says."""

from __future__ import annotations

import pytest

from emotone.errors import ConfigError
from emotone.labels import COLOURS, EMOTIONS, LABEL_SETS, colour, harmonise, in_order, resolve

pd = pytest.importorskip("pandas")


def table(*emotions: str | None):
    return pd.DataFrame({"file": [f"{i}.wav" for i in range(len(emotions))], "emotion": emotions})


def test_every_set_is_made_of_the_eight_in_their_order():
    assert LABEL_SETS["eight"] == EMOTIONS
    for name, labels in LABEL_SETS.items():
        assert labels == tuple(emotion for emotion in EMOTIONS if emotion in labels), name
        assert resolve(name) == labels


def test_names_are_put_in_order_and_strangers_come_last():
    assert in_order(["sad", "bored", "neutral", "amused", "sad"]) == ("neutral", "sad", "amused", "bored")
    assert resolve(["sad", "neutral"]) == ("neutral", "sad")
    assert resolve("all") is None


@pytest.mark.parametrize(
    ("asked", "sentence"),
    [
        ("nine", "Unknown label set 'nine'"),
        ([], "non-empty list without repeats"),
        (["sad", "sad"], "non-empty list without repeats"),
    ],
)
def test_sets_that_are_none(asked, sentence):
    with pytest.raises(ConfigError, match=sentence):
        resolve(asked)


def test_a_set_keeps_its_rows_and_counts_the_others():
    given = table("angry", "bored", "sad", None, "bored")
    found = harmonise(given, "four")
    assert list(found.table["emotion"]) == ["angry", "sad"]
    assert list(found.table["file"]) == ["0.wav", "2.wav"]
    assert found.labels == ("sad", "angry")
    assert found.dropped == {"(no emotion)": 1, "bored": 2}
    assert list(given["emotion"].fillna("")) == ["angry", "bored", "sad", "", "bored"]


def test_four_counts_excited_as_happy_and_says_so():
    found = harmonise(table("excited", "happy", "angry"), "four")
    assert list(found.table["emotion"]) == ["happy", "happy", "angry"]
    assert found.merged == {"excited -> happy": 1}
    assert harmonise(table("excited", "happy"), "all").merged == {}
    assert harmonise(table("excited", "happy"), "all").labels == ("happy", "excited")


def test_a_misspelt_emotion_is_found_out():
    with pytest.raises(ConfigError, match=r"Unknown emotion 'angy'\. Did you mean 'angry'"):
        harmonise(table("angry", "sad"), ["angy", "sad"])
    assert harmonise(table("angry", "bored"), ["angry", "bored", "calm"]).labels == ("angry", "bored")


def test_nothing_left_is_an_error_that_says_what_there_is():
    with pytest.raises(ConfigError, match="the emotions present are: bored"):
        harmonise(table("bored", "bored"), "four")


def test_each_emotion_has_a_colour_of_its_own_and_strangers_keep_theirs():
    assert set(COLOURS) == set(EMOTIONS)
    assert len(set(COLOURS.values())) == len(EMOTIONS)
    assert colour("bored") == colour("bored")
    assert colour("bored") not in COLOURS.values()
