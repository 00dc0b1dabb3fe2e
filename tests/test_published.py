"""`emotone.corpora.published_folds`: from the facts of records to folds that can be made, or a sentence."""

from __future__ import annotations

import dataclasses

import pytest

from emotone import corpora
from emotone.corpora import Folds, published_folds
from emotone.errors import ConfigError, ExperimentError

RAVDESS, SAVEE, CREMA_D, EMODB = (corpora.get(name) for name in ("ravdess", "savee", "crema_d", "emodb"))


def record(name: str, folds: Folds | None):
    return dataclasses.replace(SAVEE, name=name, official={} if folds is None else {"official": folds})


def test_lists_of_one_corpus():
    assert published_folds([RAVDESS], "official", [])["folds"][0] == tuple(
        f"ravdess/{n}" for n in ("01", "11", "20", "21")
    )
    assert len(published_folds([RAVDESS], "luna-jimenez", [])["folds"]) == 5


def test_lists_of_several_corpora_are_joined_fold_after_fold():
    four = record("mine", Folds(source="us", test_speakers=(("mine/a",), ("mine/b",), ("mine/c",), ("mine/d",))))
    folds = published_folds([SAVEE, four], "official", [])["folds"]
    assert folds[0] == ("savee/JE", "mine/a")
    assert len(folds) == 4


def test_songs_go_with_their_singers():
    song = corpora.get("ravdess_song")
    assert published_folds([RAVDESS, song], "official", []) == published_folds([RAVDESS], "official", [])


def test_sessions_find_their_speakers():
    sessions = Folds(source="us", test_sessions=(("mine/Ses01",), ("mine/Ses02",)))
    present = ["mine/Ses01F", "mine/Ses01M", "mine/Ses02F", "mine/Ses02M"]
    folds = published_folds([record("mine", sessions)], "official", present)["folds"]
    assert folds == [("mine/Ses01F", "mine/Ses01M"), ("mine/Ses02F", "mine/Ses02M")]
    with pytest.raises(ExperimentError, match="nobody of mine/Ses02, an official fold of mine; complete the corpus"):
        published_folds([record("mine", sessions)], "official", present[:2])


def test_columns_stay_columns():
    column = Folds(source="us", column="split", disjoint=None)
    assert published_folds([record("one", column), record("two", column)], "official", []) == {"column": "split"}


def test_leaking_folds_are_named_with_their_leak_and_a_cure():
    with pytest.raises(
        ExperimentError,
        match=r"The published folds of crema_d \(EmoBox .*, one fold of rows\) leak: 91 of 91 test speakers also train"
        r".*use the protocol speakers, or give the rows as a split file",
    ):
        published_folds([CREMA_D], "official", [])
    with pytest.raises(ExperimentError, match=r"emodb .* leak: 10 of 10 .*use the protocol loso"):
        published_folds([EMODB], "official", [])
    unknown = record("mine", Folds(source="us", disjoint=None))
    with pytest.raises(ExperimentError, match=r"of mine \(us\) are known by name only"):
        published_folds([unknown], "official", [])


@pytest.mark.parametrize(
    ("records", "wanted", "error", "message"),
    [
        ([record("mine", None)], "official", ExperimentError, "No official folds are known for mine; use the protocol"),
        ([RAVDESS, record("mine", None)], "official", ExperimentError, "No official folds are known for mine"),
        ([RAVDESS, SAVEE], "official", ExperimentError, "aren't equally many: ravdess has 6, savee has 4"),
        ([RAVDESS], "luna", ConfigError, "Unknown list of folds of ravdess 'luna'"),
        (
            [RAVDESS, record("mine", Folds(source="us", column="split"))],
            "official",
            ExperimentError,
            r"of different kinds \(ravdess: lists of speakers; mine: the column 'split'\)",
        ),
    ],
)
def test_what_cannot_be_made(records, wanted, error, message):
    with pytest.raises(error, match=message):
        published_folds(records, wanted, [])


def test_what_folds_say_of_themselves():
    assert RAVDESS.official["official"].state == "disjoint"
    assert CREMA_D.official["official"].state == "leaking: 91 of 91 test speakers also train"
    assert Folds(source="us", disjoint=False).state == "leaking: test speakers also train"
    assert Folds(source="us", disjoint=None).state == "not checked for shared speakers"
    assert [RAVDESS.official["official"].size, CREMA_D.official["official"].size] == [6, 1]
    assert Folds(source="us", column="split").size is None
    assert [RAVDESS.official["official"].known, CREMA_D.official["official"].known] == [True, False]


@pytest.mark.parametrize("name", corpora.names())
def test_every_record_is_consistent(name):
    """Disjoint lists are disjoint, leaks are counted, and a cure is a protocol."""
    for folds in corpora.get(name).official.values():
        listed = [who for fold in folds.test_speakers for who in fold]
        if folds.disjoint:
            assert len(set(listed)) == len(listed)
        if folds.shared_speakers is not None:
            assert folds.disjoint is False
            shared, tested = folds.shared_speakers
            assert 0 < shared <= tested
        assert folds.source
        assert folds.instead in ("speakers", "loso", "holdout", "random", "given")
        owner = corpora.get(name).people_of or name
        assert all(who.startswith(f"{owner}/") for who in listed)
