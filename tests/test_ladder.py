"""`emotone.ladder`: the order that must hold by construction, controls of equal size, and what is said of each rung."""

from __future__ import annotations

import dataclasses
import json
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest

from emotone import Experiment, splits, synthetic
from emotone.errors import ConfigError, ExperimentError
from emotone.experiment import Prepared
from emotone.experiment_file import read_experiments
from emotone.ladder import Ladder, climb, noisy_features
from emotone.ladder._folds import draw, random_folds, with_copies
from emotone.ladder._noise import Noisy
from emotone.ladder._plans import _scaled_on_all

LABELS = ("neutral", "happy", "sad", "angry")
TEXTBOOK: dict[str, Any] = {"C": 10, "gamma": 1, "votes": True, "scaler": "standard", "calibrated": False}
ROOT = Path(__file__).parents[1]


def experiment(**changes: Any) -> Experiment:
    settings: dict[str, Any] = {
        "corpora": {"ravdess": "nowhere"},
        "labels": LABELS,
        "frontend": "librosa180",
        "model": "svm",
        "model_options": TEXTBOOK,
    }
    return Experiment(**(settings | changes))


def made(rng, *, corpus="ravdess", n_speakers=12, takes=3, labels=LABELS, random_labels=False) -> Prepared:
    """Clips in which the speaker is louder than the emotion: 30 features, two sentences, ``takes`` of each.

    An emotion is one part the same everywhere, one part the corpus's way, and one part the speaker's own.
    """
    records = [
        {"speaker": who, "emotion": emotion, "text": text}
        for who in range(n_speakers)
        for emotion in labels
        for text in ("Kids", "Dogs")
        for _ in range(takes)
    ]
    table = pd.DataFrame(records)
    who, codes = table["speaker"].to_numpy(), pd.Categorical(table["emotion"], categories=labels).codes
    everywhere = np.random.default_rng(1).normal(size=(len(labels), 30))
    local = np.random.default_rng(sum(corpus.encode())).normal(size=(len(labels), 30))
    own = rng.normal(size=(n_speakers, len(labels), 30))
    X = 0.2 * everywhere[codes] + 0.7 * local[codes] + 0.9 * own[who, codes]
    X = X + 2 * rng.normal(size=(n_speakers, 30))[who] + 2 * rng.normal(size=X.shape)
    if random_labels:
        table["emotion"] = rng.permutation(table["emotion"].to_numpy())
    table = table.assign(
        corpus=corpus,
        file=[f"{i:04}.wav" for i in range(len(table))],
        start=0.0,
        end=np.nan,
        label=table["emotion"],
        speaker=[f"{corpus}/{name:02}" for name in who],
        gender=np.where(who % 2, "male", "female"),
    )
    return Prepared(table, labels, X.astype(np.float32))


def noisy_of(data: Prepared, rng: np.random.Generator) -> np.ndarray:
    return (data.X + 2.5 * rng.normal(size=data.X.shape)).astype(np.float32)


@pytest.fixture(scope="module")
def climbed() -> Ladder:
    rng = np.random.default_rng(0)
    data, other = made(rng), made(rng, corpus="crema_d", n_speakers=8)
    return climb(experiment(), data, other=other, noisy=noisy_of(data, rng), more=True)


# --- the order ---


def test_the_rungs_come_most_flattering_first(climbed):
    names = ["duplicated", "augmented", "random", "sentence_out"]
    names += ["z_scored", "scaled_on_all", "speaker_out", "corpus_out"]
    assert [rung.name for rung in climbed.rungs] == names
    assert climbed.skipped == ()
    value = {rung.name: rung.value for rung in climbed.rungs}
    assert value["duplicated"] > value["augmented"] > value["random"] > value["speaker_out"] > value["corpus_out"]
    assert value["speaker_out"] > climbed.chance == 0.25


def test_each_leak_is_worth_something_beside_its_control(climbed):
    for name, least in (("duplicated", 0.1), ("augmented", 0.05), ("random", 0.1), ("corpus_out", 0.02)):
        worth = climbed[name].worth
        assert worth.value > least, name
        assert worth.low < worth.value < worth.high, name
    assert climbed["duplicated"].worth.value == pytest.approx(
        climbed["duplicated"].value - climbed["duplicated"].control.value
    )
    assert climbed["corpus_out"].worth.value == pytest.approx(
        climbed["corpus_out"].control.value - climbed["corpus_out"].value
    )
    assert climbed["speaker_out"].worth is None


def test_controls_train_on_as_many_rows(climbed):
    for rung in climbed.rungs:
        assert rung.control.n_train == rung.n_train, rung.name
    assert climbed["random"].control.value == climbed["speaker_out"].value
    assert climbed["speaker_out"].control.value == climbed["random"].value
    assert climbed["duplicated"].n_test == 2 * climbed["random"].n_test == 2 * 288


def test_a_copy_kept_beside_its_parent_is_worth_nothing(climbed):
    assert climbed["duplicated"].control.value == pytest.approx(climbed["random"].value, abs=0.06)


def test_intervals_are_over_speakers(climbed):
    for rung in climbed.rungs:
        assert rung.low < rung.value < rung.high, rung.name
        assert rung.control.low < rung.control.value < rung.control.high, rung.name


def test_random_labels_give_chance_but_for_copies():
    """The copies' labels are random too, yet known: what makes a score of nothing look like one of something."""
    rng = np.random.default_rng(3)
    data = made(rng, random_labels=True)
    other = made(rng, corpus="crema_d", n_speakers=8, random_labels=True)
    ladder = climb(experiment(), data, other=other, noisy=noisy_of(data, rng), more=True)
    for rung in ladder.rungs:
        if rung.name in ("duplicated", "augmented"):
            assert rung.value > 0.55, rung.name
        else:
            assert rung.value == pytest.approx(0.25, abs=0.09), rung.name
        assert rung.control.value == pytest.approx(0.25, abs=0.09), rung.name


def test_equal_seeds_climb_equal_ladders(climbed):
    rng = np.random.default_rng(0)
    data, other = made(rng), made(rng, corpus="crema_d", n_speakers=8)
    again = climb(experiment(), data, other=other, noisy=noisy_of(data, rng), more=True)
    assert again.as_dict() == climbed.as_dict()


# --- what is said ---


def test_whatever_flatters_is_flagged(climbed):
    flags = {rung.name: rung.flag for rung in climbed.rungs}
    assert {flags[name] for name in ("duplicated", "augmented", "random", "sentence_out")} == {"speakers shared"}
    assert flags["z_scored"] == flags["scaled_on_all"] == "test data used"
    assert flags["speaker_out"] == flags["corpus_out"] == ""
    for rung in climbed.as_dict()["rungs"]:
        assert rung["flagged"] == bool(rung["flag"])
        assert rung["protocol"].endswith(f"speakers {rung['speakers']}")
    line = climbed.line
    assert line.startswith("ravdess neutral/happy/sad/angry · librosa180 · svm · UAR 0.")
    assert line.count("(speakers shared)") == 4
    assert line.count("(test data used)") == 2


def test_flags_are_looked_up_not_assumed():
    """Where every speaker says a sentence of their own, unseen sentences are unseen speakers, and no flag is due."""
    rng = np.random.default_rng(0)
    data = made(rng)
    data = dataclasses.replace(data, table=data.table.assign(text=data.table["speaker"] + " says so"))
    ladder = climb(experiment(), data, noisy=noisy_of(data, rng))
    assert ladder["sentence_out"].speakers == "unseen"
    assert not ladder["sentence_out"].flagged


def test_a_saved_ladder_is_json_and_a_picture(climbed, tmp_path):
    folder = climbed.save(tmp_path / "run")
    assert json.loads((folder / "ladder.json").read_text("utf-8")) == json.loads(json.dumps(climbed.as_dict()))
    assert (folder / "ladder.png").read_bytes().startswith(b"\x89PNG")


def test_unseen_corpora_are_over_the_emotions_both_have():
    rng = np.random.default_rng(0)
    data, other = made(rng), made(rng, corpus="crema_d", labels=("neutral", "happy", "sad", "bored"))
    ladder = climb(experiment(), data, other=other, noisy=noisy_of(data, rng))
    rung = ladder["corpus_out"]
    assert rung.chance == pytest.approx(1 / 3)
    assert "3 of 4 emotions, 216 of 288 clips" in rung.protocol
    assert rung.n_test == 216
    assert rung.title == "unseen corpus, trained on crema_d"


def test_several_corpora_are_left_out_in_turn():
    rng = np.random.default_rng(0)
    parts = [made(rng), made(rng, corpus="crema_d", n_speakers=8)]
    table = pd.concat([part.table for part in parts], ignore_index=True)
    data = Prepared(table, LABELS, np.concatenate([part.X for part in parts]))
    one = experiment(corpora={"ravdess": "nowhere", "crema_d": "nowhere"})
    rung = climb(one, data, noisy=noisy_of(data, rng))["corpus_out"]
    assert rung.n_test == len(table)
    assert rung.n_train == rung.control.n_train


# --- what can't be measured ---


def test_what_cannot_be_measured_is_listed_with_the_reason():
    rng = np.random.default_rng(0)
    data = made(rng)
    data = dataclasses.replace(data, table=data.table.drop(columns="text"))
    ladder = climb(experiment(), data, noisy=noisy_of(data, rng))
    reasons = {one.name: one.reason for one in ladder.skipped}
    assert list(reasons) == ["sentence_out", "corpus_out"]
    assert "288 of 288 rows have no text" in reasons["sentence_out"]
    assert "--against NAME=FOLDER" in reasons["corpus_out"]


def test_one_speaker_has_no_honest_rung():
    rng = np.random.default_rng(0)
    data = made(rng, n_speakers=1, takes=8)
    ladder = climb(experiment(), data, noisy=noisy_of(data, rng), more=True)
    assert [rung.name for rung in ladder.rungs] == ["duplicated", "augmented", "random", "sentence_out"]
    assert all(rung.flag == "speakers shared" and rung.low is None for rung in ladder.rungs)
    assert ladder["random"].control is None
    reasons = {one.name: one.reason for one in ladder.skipped}
    assert list(reasons) == ["z_scored", "scaled_on_all", "speaker_out", "corpus_out"]
    assert all("one speaker (ravdess/00)" in reason for reason in reasons.values())


def test_unnamed_speakers_are_not_called_unseen():
    rng = np.random.default_rng(0)
    data = made(rng)
    data = dataclasses.replace(data, table=data.table.assign(speaker=None))
    ladder = climb(experiment(), data, noisy=noisy_of(data, rng))
    assert {rung.flag for rung in ladder.rungs} == {"speakers unknown"}
    assert ladder["random"].low is None


def test_recordings_that_take_no_noise_are_left_out_of_their_rung():
    rng = np.random.default_rng(0)
    data = made(rng)
    noisy = noisy_of(data, rng)
    noisy[:10] = np.nan
    ladder = climb(experiment(), data, noisy=noisy)
    assert ladder["augmented"].n_test == 2 * (288 - 10)
    assert ladder["duplicated"].n_test == 2 * 288


def test_a_model_without_a_scaler_has_none_to_fit_wrongly(rng):
    data = made(rng, n_speakers=4)
    unseen = splits.loso(data.table)
    with pytest.raises(ExperimentError, match="The model 'tutorial_mlp' has no scaler that could be fitted to"):
        _scaled_on_all(experiment(model="tutorial_mlp", model_options={}), data, unseen)


def test_numbers_have_no_ladder():
    with pytest.raises(ConfigError, match="compares scores of emotions, but this experiment predicts arousal"):
        climb(Experiment(corpora={"ravdess": "nowhere"}, targets=("arousal",)))


def test_the_same_corpus_is_no_unseen_one():
    rng = np.random.default_rng(0)
    data = made(rng, n_speakers=4)
    reasons = {one.name: one.reason for one in climb(experiment(), data, other=data, noisy=noisy_of(data, rng)).skipped}
    assert reasons["corpus_out"].startswith("ravdess is tested on, so it can't be the unseen corpus")


# --- its parts ---


def test_random_folds_have_the_sizes_asked_for_and_balanced_emotions(rng):
    y = rng.choice(["a", "b", "c"], 200, p=[0.6, 0.3, 0.1])
    sizes = [50, 30, 80, 40]
    folds = random_folds(y, sizes, rng)
    assert [len(test) for _, test in folds] == sizes
    assert np.array_equal(np.sort(np.concatenate([test for _, test in folds])), np.arange(200))
    for train, test in folds:
        assert not set(train) & set(test)
        for name in "abc":
            assert abs(np.mean(y[test] == name) - np.mean(y == name)) < 0.05
    other = random_folds(y, sizes, rng)
    assert any(not np.array_equal(first[1], second[1]) for first, second in zip(folds, other, strict=True))


def test_copies_stay_with_their_parents():
    ((train, test),) = with_copies([(np.array([0, 2]), np.array([1]))], 3)
    assert train.tolist() == [0, 2, 3, 5]
    assert test.tolist() == [1, 4]


def test_a_draw_keeps_proportions(rng):
    y = np.array(["a"] * 60 + ["b"] * 30 + ["c"] * 10)
    chosen = draw(np.arange(100), y, 20, rng)
    assert len(set(chosen)) == 20
    assert [int(np.sum(y[chosen] == name)) for name in "abc"] == [12, 6, 2]
    assert np.array_equal(draw(np.arange(5), y, 20, rng), np.arange(5))


def test_noise_is_the_same_everywhere_and_other_for_other_signals(rng):
    frontend = Noisy({"name": "librosa180", "version": 1, "rate": 16_000})
    one, two = (0.1 * rng.normal(size=16_000).astype(np.float32) for _ in range(2))
    assert np.array_equal(frontend(one), frontend(one))
    assert not np.array_equal(frontend(one), frontend.beneath(one))
    assert not np.array_equal(frontend(one) - frontend.beneath(one), frontend(two) - frontend.beneath(two))
    assert (frontend.rate, len(frontend.names)) == (16_000, 180)


def test_from_recordings_to_a_ladder(tmp_path):
    """Generated clips through the front-end, with noise made in memory."""
    root = synthetic.write_ravdess(tmp_path / "ravdess", speakers=(1, 2, 3), emotions=LABELS[1:], repetitions=1)
    one = experiment(corpora={"ravdess": root}, labels=LABELS[1:])
    before = sorted(root.rglob("*"))
    ladder = climb(one, jobs=1, cache=tmp_path / "cache")
    assert sorted(root.rglob("*")) == before
    assert [rung.name for rung in ladder.rungs] == ["duplicated", "augmented", "random", "sentence_out", "speaker_out"]
    assert ladder["duplicated"].value >= ladder["random"].value
    noisy = noisy_features(one, one.prepare(jobs=1, cache=tmp_path / "cache"), jobs=1, cache=tmp_path / "cache")
    assert np.isfinite(noisy).all()


# --- real recordings ---


@pytest.mark.corpus
def test_on_real_recordings_the_order_is_the_known_one(data, tmp_path):
    """Eight actors, four emotions; the whole of RAVDESS is in benchmarks/ladder.py."""
    for actor in (1, 2, 3, 4, 5, 6, 7, 8):
        (tmp_path / f"Actor_{actor:02}").symlink_to(data / "ravdess" / f"Actor_{actor:02}")
    (one,) = read_experiments(ROOT / "experiments" / "ladder.toml", corpora={"ravdess": tmp_path}, labels="four")
    assert (one.model_options, one.protocol) == (TEXTBOOK, "official")
    ladder = climb(dataclasses.replace(one, protocol="loso"), jobs=2)
    value = {rung.name: rung.value for rung in ladder.rungs}
    assert value["duplicated"] > value["augmented"] > value["random"] > value["speaker_out"] > ladder.chance
    assert ladder["random"].worth.low > 0


def test_a_model_that_learns_from_signals_is_refused_in_a_sentence():
    pytest.importorskip("torch", reason="networks need torch")
    with pytest.raises(ConfigError, match="learns from signals"):
        climb(Experiment(corpora={"ravdess": "nowhere"}, model="network"))
