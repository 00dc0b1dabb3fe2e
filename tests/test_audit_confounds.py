"""Tables that know the emotion without hearing it."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest

from emotone import splits
from emotone.audit import table_uar
from emotone.audit.confounds import about_confounds

FOUR = ("neutral", "happy", "sad", "angry")


def balanced(n_speakers: int = 6, emotions: tuple[str, ...] = FOUR, corpus: str = "a") -> pd.DataFrame:
    rows = [
        (corpus, f"{speaker}-{emotion}-{take}.wav", 0.0, np.nan, f"{corpus}/{speaker}", emotion, f"sentence {take}")
        for speaker in range(n_speakers)
        for emotion in emotions
        for take in range(5)
    ]
    table = pd.DataFrame(rows, columns=["corpus", "file", "start", "end", "speaker", "emotion", "text"])
    return table.assign(gender=np.where(table["speaker"].str.endswith(("0", "2", "4")), "female", "male"))


def urdu(seed: int = 0) -> pd.DataFrame:
    """As in URDU: nearly every speaker has one emotion."""
    rng = np.random.default_rng(seed)
    table = balanced(20).assign(text=None)
    own = np.array(FOUR)[np.arange(20) % 4]
    speaker = table["speaker"].str.partition("/")[2].astype(int).to_numpy()
    stray = rng.random(len(table)) < 0.04
    return table.assign(emotion=np.where(stray, rng.choice(FOUR, len(table)), own[speaker]))


def test_everybody_says_everything_gives_nothing_away():
    assert list(about_confounds(balanced(), None)) == []


def test_speakers_with_one_emotion_each_give_it_away():
    (finding,) = about_confounds(urdu(), None)
    assert finding.kind == "confounded"
    assert finding.severity == "error"
    assert finding.inflates
    assert finding.message.startswith("The speaker gives the emotion away")
    uar = float(finding.message.partition("UAR of ")[2][:4])
    assert 0.93 < uar < 0.99
    assert "(chance 0.25)" in finding.message
    assert f"(UAR {uar:.2f})" in finding.brief


def test_with_unseen_speakers_it_is_a_warning_and_with_shared_ones_an_error():
    table = urdu()
    (unseen,) = about_confounds(table, splits.split(table, "speakers"))
    assert (unseen.severity, unseen.inflates) == ("warning", False)
    (shared,) = about_confounds(table, splits.split(table, "random"))
    assert (shared.severity, shared.inflates) == ("error", True)


def test_sentences_said_in_one_emotion_give_it_away():
    table = balanced()
    table["text"] = [f"{emotion} words {i % 2}" for i, emotion in enumerate(table["emotion"])]
    (finding,) = about_confounds(table, None)
    assert finding.message.startswith("The sentence gives the emotion away")
    assert "UAR of 1.00" in finding.message
    some = balanced()
    some.loc[some["emotion"] == "sad", "text"] = "how sad"
    (note,) = about_confounds(some, None)
    assert note.severity == "note"
    assert note.message == "1 of 6 sentences are said in one emotion only: “how sad” (sad)."


def test_gender_and_corpus_are_tried_too():
    table = balanced(emotions=("sad", "angry"))
    table["emotion"] = np.where(table["gender"] == "female", "sad", "angry")
    messages = [finding.message for finding in about_confounds(table.assign(speaker=None), None)]
    assert [message.split(" gives")[0] for message in messages] == ["The gender"]
    two = pd.concat(
        [balanced(emotions=("neutral", "calm")), balanced(emotions=("neutral", "sad"), corpus="b")], ignore_index=True
    )
    lone = [finding for finding in about_confounds(two, None) if "tell the corpus" in finding.message]
    assert len(lone) == 1
    assert "calm in a alone; sad in b alone" in lone[0].message
    apart = pd.concat([balanced(emotions=("calm",)), balanced(emotions=("sad",), corpus="b")], ignore_index=True)
    assert any(each.message.startswith("The corpus gives") and each.inflates for each in about_confounds(apart, None))


def test_the_table_guesses_from_the_other_rows_only():
    key = np.array(["a", "a", "a", "b", "c"])
    emotion = np.array(["sad", "sad", "angry", "angry", "sad"])
    # a: both sad ones see one sad and one angry: half each; the angry one sees two sad: 0. b and c are alone: chance.
    uar, chance = table_uar(key, emotion)
    assert chance == 0.5
    assert uar == pytest.approx(((0.5 + 0.5 + 0.5) / 3 + (0 + 0.5) / 2) / 2)


def test_keys_that_say_nothing_score_about_chance(rng):
    emotion = rng.choice(FOUR, 4000)
    uar, chance = table_uar(rng.integers(40, size=4000), emotion)
    assert uar == pytest.approx(chance, abs=0.03)
    assert table_uar(np.arange(4000), emotion)[0] == pytest.approx(0.25)
    assert table_uar(emotion, emotion)[0] == 1.0


def test_missing_speakers_and_emotions_are_left_out():
    table = urdu()
    table.loc[::3, "speaker"] = None
    table.loc[1::3, "emotion"] = None
    (finding,) = about_confounds(table, None)
    assert finding.inflates
    table["emotion"] = None
    assert list(about_confounds(table, None)) == []


def test_a_handful_of_recordings_proves_nothing():
    few = urdu().groupby(["speaker"]).head(1)[:19]
    assert list(about_confounds(few.assign(speaker=few["emotion"]), None)) == []
