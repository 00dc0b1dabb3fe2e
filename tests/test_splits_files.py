"""Splits as files: saved, read by people, loaded over another copy of the data, and never without their last words."""

from __future__ import annotations

import json

import numpy as np
import pandas as pd
import pytest

from emotone import splits
from emotone.errors import ConfigError, ExperimentError


def corpus(n_speakers=4, *, name="ravdess", each=3) -> pd.DataFrame:
    records = [
        {
            "corpus": name,
            "file": f"Actor_{who:02}/{emotion}-{take}.wav",
            "start": 0.0,
            "end": np.nan,
            "speaker": f"{name}/{who:02}",
            "label": emotion,
            "emotion": emotion,
            "gender": "male" if who % 2 else "female",
            "split": "test" if who == 0 else "train",
            "text": f"sentence {take}",
        }
        for who in range(n_speakers)
        for emotion in ("happy", "sad", "angry")
        for take in range(each)
    ]
    return pd.DataFrame(records)


def turns() -> pd.DataFrame:
    """Utterances cut from recordings, two of which hold two speakers each."""
    table = corpus()
    return table.assign(
        file=[f"dialogue_{i // 18}.wav" for i in range(len(table))],
        start=1.5 * np.arange(len(table)),
        end=1.5 * np.arange(len(table)) + 1.25,
    )


ROUTES = {
    "speakers": {"n_folds": 2},
    "loso": {},
    "official": {"folds": [("00", "01"), ("02", "03")]},
    "holdout": {},
    "given": {},
    "sentences": {},
    "random": {"n_folds": 3},
    "random twice": {"test_size": 0.25, "repeats": 3},
}


def split_of(route: str, table: pd.DataFrame) -> splits.Split:
    return splits.split(table, route.split()[0], **ROUTES[route])


def same_folds(one: splits.Split, other: splits.Split) -> bool:
    pairs = zip(one.folds, other.folds, strict=True)
    return all(np.array_equal(a, b) for first, second in pairs for a, b in zip(first, second, strict=True))


# --- there and back ---


@pytest.mark.parametrize("route", ROUTES)
@pytest.mark.parametrize("table", [corpus(), turns()], ids=["files", "turns"])
def test_a_split_comes_back(route, table, tmp_path):
    split = split_of(route, table)
    path = splits.save(split, table, tmp_path / "new" / "split.json")
    again = splits.load(path, table)
    assert same_folds(split, again)
    assert (
        splits.fingerprint(again, table) == splits.fingerprint(split, table) == json.loads(path.read_text())["sha256"]
    )
    assert (again.shares, again.speakers, again.held_out) == (split.shares, split.speakers, split.held_out)
    assert again.description == f"file, first made by {split.protocol}, {split.size}, speakers {split.speakers}"


def test_people_can_read_it(tmp_path):
    table = corpus()
    content = json.loads(splits.save(split_of("loso", table), table, tmp_path / "split.json").read_text("utf-8"))
    assert content["description"] == "loso, 4 folds, speakers unseen"
    assert content["shares"] == ["sentences"]
    first = content["folds"][0]
    assert first["held_out"] == {"female": ["ravdess/00"]}
    assert first["train"] == "the rest"
    assert first["test"]["ravdess"][:2] == ["Actor_00/happy-0.wav", "Actor_00/happy-1.wav"]
    assert (first["n_train"], first["n_test"]) == (27, 9)
    cut = splits.document(split_of("holdout", turns()), turns())["folds"][0]
    file, start, end = cut["test"]["ravdess"][0]
    assert (file.startswith("dialogue_"), end - start) == (True, 1.25)
    assert cut["train"] != "the rest"  # with one fold, nothing else tells who trains


def test_rows_may_come_in_any_order(tmp_path):
    table = corpus(6)
    split = split_of("loso", table)
    path = splits.save(split, table, tmp_path / "split.json")
    shuffled = table.sample(frac=1, random_state=0).reset_index(drop=True)
    again = splits.load(path, shuffled)
    assert splits.fingerprint(again, shuffled) == splits.fingerprint(split, table)


def test_a_copy_with_other_endings_is_the_same_corpus(tmp_path):
    table = corpus()
    path = splits.save(split_of("loso", table), table, tmp_path / "split.json")
    flac = table.assign(file=table["file"].str.replace(".wav", ".flac"))
    again = splits.load(path, flac)
    assert same_folds(again, split_of("loso", flac))
    assert again.notes == ()


def test_the_protocol_file_takes_a_file_or_a_runs_folder(tmp_path):
    table = corpus()
    path = splits.save(split_of("random", table), table, tmp_path / "split.json")
    for place in (path, str(path), tmp_path):
        split = splits.split(table, "file", path=place)
        assert split.description == "file, first made by random, 3 folds, speakers shared"
    with pytest.raises(ConfigError, match="needs the path of a split"):
        splits.split(table, "file")


def test_a_loaded_split_saved_again_remembers_how_it_was_made(tmp_path):
    table = corpus()
    once = splits.load(splits.save(split_of("loso", table), table, tmp_path / "a.json"), table)
    twice = splits.load(splits.save(once, table, tmp_path / "b.json"), table)
    assert twice.description == once.description == "file, first made by loso, 4 folds, speakers unseen"


def test_left_out_emotions_stay_left_out(tmp_path):
    both = pd.concat([corpus(), corpus(name="crema_d").replace({"emotion": {"sad": "calm"}})], ignore_index=True)
    split = splits.split(both, "across", test="ravdess")
    again = splits.load(splits.save(split, both, tmp_path / "split.json"), both)
    assert again.labels == split.labels == ("happy", "angry")
    assert again.notes[0].startswith("24 rows aren't in split.json and are left out")


# --- another table ---


def test_what_the_table_lacks_is_counted(tmp_path):
    table = corpus()
    path = splits.save(split_of("loso", table), table, tmp_path / "split.json")
    split = splits.load(path, table.drop(index=[3, 20]))
    assert split.description == "file, first made by loso, 4 folds, 34 of 36 utterances, speakers unseen"
    assert split.notes[0] == (
        "The table lacks 2 utterances of split.json: ravdess/Actor_00/sad-0.wav, ravdess/Actor_02/happy-2.wav."
    )


def test_what_the_table_has_more_of_is_left_out(tmp_path):
    path = splits.save(split_of("loso", corpus()), corpus(), tmp_path / "split.json")
    larger = corpus(6)
    split = splits.load(path, larger)
    assert split.notes[0].startswith("18 rows aren't in split.json and are left out: ravdess/Actor_04/angry-0.wav")
    assert max(row for fold in split.folds for side in fold for row in side) < len(corpus())


def test_what_is_shared_is_looked_up_again(tmp_path):
    """A file that says unseen is no proof of it."""
    table = corpus()
    path = splits.save(split_of("loso", table), table, tmp_path / "split.json")
    assert splits.load(path, table.assign(speaker="ravdess/00")).description.endswith("speakers shared")
    assert splits.load(path, table.assign(speaker=None)).description.endswith("speakers unknown")


def test_a_fold_of_which_nothing_is_there(tmp_path):
    table = corpus()
    path = splits.save(split_of("loso", table), table, tmp_path / "split.json")
    with pytest.raises(
        ExperimentError, match=r"nothing of what fold 1 of 4 of split.json tests, such as ravdess/Actor_00"
    ):
        splits.load(path, table[table["speaker"] != "ravdess/00"])
    with pytest.raises(ExperimentError, match="give the corpora that the split was made of, here ravdess"):
        splits.load(path, corpus(name="emodb"))


# --- bad files ---


def test_an_altered_file_is_noticed(tmp_path):
    table = corpus()
    path = splits.save(split_of("loso", table), table, tmp_path / "split.json")
    content = json.loads(path.read_text("utf-8"))
    content["folds"][0]["test"]["ravdess"].pop()
    path.write_text(json.dumps(content), "utf-8")
    with pytest.raises(ExperimentError, match=r"split.json was altered after it was saved: .* sha256 [0-9a-f]{12}"):
        splits.load(path, table)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("{", "is no split file, because it isn't JSON"),
        ("[]", "is no split file: its format isn't 'emotone split 1'"),
        ('{"format": "emotone split 1"}', "is no split file: KeyError"),
        ('{"format": "emotone split 1", "folds": [{"test": 3}], "sha256": ""}', "is no split file"),
        ('{"format": "emotone split 1", "folds": [{"test": {"a": [[1, 2]]}}], "sha256": ""}', "is no split file"),
    ],
)
def test_files_that_are_no_splits(tmp_path, text, message):
    path = tmp_path / "split.json"
    path.write_text(text, "utf-8")
    with pytest.raises(ExperimentError, match=message):
        splits.load(path, corpus())


def test_a_file_that_is_not_there(tmp_path):
    with pytest.raises(ExperimentError, match=r"can't be read: No such file.*Every run writes one"):
        splits.load(tmp_path / "none.json", corpus())
    (tmp_path / "file").write_text("")
    with pytest.raises(ExperimentError, match="can't be written to"):
        splits.save(split_of("loso", corpus()), corpus(), tmp_path / "file" / "split.json")


# --- nothing goes without saying whether speakers are shared ---


@pytest.mark.parametrize("route", [*ROUTES, "file", "corpora", "across", "of_folds"])
@pytest.mark.parametrize("state", ["as it is", "shared", "unknown"])
def test_every_route_ends_with_its_speakers(route, state, tmp_path):
    table = (
        pd.concat([corpus(), corpus(name="crema_d")], ignore_index=True) if route in ("corpora", "across") else corpus()
    )
    if route in ROUTES:
        split = split_of(route, table)
    elif route == "file":
        split = splits.load(splits.save(split_of("loso", table), table, tmp_path / "split.json"), table)
    elif route == "of_folds":
        split = splits.of_folds(table, "mine", "by hand", split_of("loso", table).folds)
    else:
        split = splits.split(table, route, **({"test": "ravdess"} if route == "across" else {}))
    if state != "as it is":  # the same folds, of people who are on both sides, or of nobody knows whom
        named = table.assign(speaker="ravdess/00" if state == "shared" else None)
        split = splits.of_folds(named, split.protocol, split.size, split.folds)
        assert split.speakers == state
    assert split.description.endswith(f", speakers {split.speakers}")
    assert split.description == splits.document(split, table)["description"]


def test_a_description_cannot_be_given():
    with pytest.raises(TypeError, match="description"):
        splits.Split(protocol="mine", size="", folds=(), shares=(), speakers="shared", held_out=(), description="fine")
