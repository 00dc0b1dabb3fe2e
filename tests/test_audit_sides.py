"""Who and what is in train and in test, and what a table has to offer at all."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest

from emotone import splits
from emotone.audit.sides import about_sides, about_table

FOUR = ("neutral", "happy", "sad", "angry")


def table(n_speakers: int = 8, per_emotion: int = 6) -> pd.DataFrame:
    rows = [
        ("a", f"{speaker}-{emotion}-{take}.wav", 0.0, np.nan, f"a/{speaker}", emotion, f"sentence {take % 3}")
        for speaker in range(n_speakers)
        for emotion in FOUR
        for take in range(per_emotion)
    ]
    made = pd.DataFrame(rows, columns=["corpus", "file", "start", "end", "speaker", "emotion", "text"])
    return made.assign(gender=np.where(made["speaker"].str[-1].astype(int) % 2, "male", "female"))


def kinds(findings) -> dict[str, str]:
    return {finding.kind: finding.severity for finding in findings}


def held_out(rows: pd.DataFrame, *folds: tuple[int, ...]) -> splits.Split:
    speaker = rows["speaker"].str.partition("/")[2].astype(int)
    parts = [(np.flatnonzero(~speaker.isin(fold)), np.flatnonzero(speaker.isin(fold))) for fold in folds]
    return splits.of_folds(rows, "given", "by hand", tuple(parts))


# --- train and test ---------------------------------------------------------------------------------------------------


def test_unseen_speakers_leave_only_the_sentences_to_mention():
    rows = table()
    (finding,) = about_sides(rows, splits.split(rows, "speakers", n_folds=4))
    assert (finding.kind, finding.severity, finding.inflates) == ("sentences", "note", False)
    assert finding.message.startswith("3 of 3 tested sentences are trained on too (100 % of the tested recordings)")


def test_shared_speakers_inflate():
    rows = table()
    found = {finding.kind: finding for finding in about_sides(rows, splits.split(rows, "random", n_folds=3))}
    assert found["speakers"].inflates
    assert found["speakers"].severity == "error"
    assert found["speakers"].brief == "8 of 8 speakers in train and test"
    assert found["speakers"].files[:2] == ("a/0", "a/1")


def test_one_speaker_of_a_test_fold_in_training_is_counted_alone():
    rows = table()
    train, test = np.flatnonzero(rows["speaker"] != "a/1"), np.flatnonzero(rows["speaker"].isin(["a/0", "a/1"]))
    split = splits.of_folds(rows, "given", "by hand", ((train, test),))
    (finding,) = [each for each in about_sides(rows, split) if each.kind == "speakers"]
    assert finding.brief == "1 of 2 speakers in train and test"
    assert "50 % of the tested recordings" in finding.message


def test_unknown_speakers_are_never_said_to_be_shared():
    rows = table().assign(speaker=None)
    assert "speakers" not in kinds(about_sides(rows, splits.split(rows, "random", n_folds=3)))
    (finding,) = [each for each in about_table(rows) if each.kind == "unknown_speakers"]
    assert finding.severity == "warning"
    assert "192 of 192 (100 %) recordings isn't known" in finding.message
    assert len(finding.files) == 192


def test_parts_of_one_file_on_both_sides_inflate():
    rows = table()
    rows["file"] = rows["speaker"].str[-1] + ".wav"
    rows["start"] = rows.groupby("file").cumcount() * 2.0
    rows["end"] = rows["start"] + 2
    found = {each.kind: each for each in about_sides(rows, splits.split(rows, "random", n_folds=3))}
    assert found["recordings"].inflates
    assert found["recordings"].files == tuple(f"{i}.wav" for i in range(8))
    assert found["recordings"].brief == "8 files with parts in train and test"
    assert "recordings" not in kinds(about_sides(rows, splits.split(rows, "speakers", n_folds=4)))


def test_folds_of_one_gender_and_of_another_mixture():
    rows = table()
    found = [
        each
        for each in about_sides(rows, held_out(rows, (0, 2), (1, 3), (0, 1), (0, 2, 4, 1)))
        if each.kind == "gender"
    ]
    assert [each.severity for each in found] == ["warning", "note"]
    assert "1 (female), 2 (male)." in found[0].message
    assert "4 (75 % female)" in found[1].message
    loso = splits.split(rows, "loso")  # one speaker has one gender: that is no news
    assert "gender" not in kinds(about_sides(rows, loso))
    women = rows[rows["gender"] == "female"].reset_index(drop=True)
    assert "gender" not in kinds(about_sides(women, splits.split(women, "speakers", n_folds=2)))


def test_folds_that_lack_an_emotion_or_hardly_have_it():
    rows = table()
    speaker, take = rows["speaker"].str[-1].astype(int), rows["text"].str[-1].astype(int)
    gone = (speaker < 2) & (rows["emotion"] == "sad") | speaker.isin([2, 3]) & (rows["emotion"] == "angry") & (take > 0)
    few = rows[~gone].reset_index(drop=True)
    found = [each for each in about_sides(few, held_out(few, (0, 1), (2, 3), (4, 5))) if each.kind == "imbalance"]
    assert [each.severity for each in found] == ["warning", "note"]
    assert "sad in fold 1" in found[0].message
    assert "4 angry in fold 2" in found[1].message


# --- the table --------------------------------------------------------------------------------------------------------


def test_a_balanced_table_has_no_findings():
    assert list(about_table(table())) == []


def test_uneven_emotions_and_missing_ones():
    rows = table()
    rows.loc[rows["emotion"] == "sad", "emotion"] = [None] * 40 + ["sad"] * 8
    found = {each.kind: each for each in about_table(rows)}
    assert found["unlabelled"].message.startswith("40 of 192 (21 %) recordings have no emotion")
    assert "48 recordings are neutral, 8 sad" in found["imbalance"].message
    assert kinds(about_table(rows.assign(emotion=None))) == {"unlabelled": "note"}


@pytest.mark.parametrize(
    ("genders", "severity", "words"),
    [("ffffffff", "warning", "All 8 speakers are female"), ("fmmmmmmm", "note", "7 speakers are male, 1 female")],
)
def test_uneven_genders(genders, severity, words):
    rows = table()
    of = {f"a/{i}": {"f": "female", "m": "male"}[gender] for i, gender in enumerate(genders)}
    (finding,) = about_table(rows.assign(gender=rows["speaker"].map(of)))
    assert (finding.kind, finding.severity) == ("gender", severity)
    assert words in finding.message


def test_one_speaker_one_emotion():
    rows = table(1)
    assert kinds(about_table(rows)) == {"one_speaker": "warning"}
    assert kinds(about_table(rows[rows["emotion"] == "sad"])) == {"one_speaker": "warning", "one_emotion": "warning"}
