"""Sets of likely emotions: from calibration, through the saved recogniser, to answers that hold the true one."""

from __future__ import annotations

import dataclasses
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from tiny import ABOUT, LABELS, tiny, tiny_dimensions

import emotone
from emotone import card, metrics, saved, synthetic
from emotone.errors import ConfigError
from emotone.experiment import Experiment
from emotone.prepared import conformal_of
from emotone.recogniser import Recogniser

LABELS_SORTED = sorted(LABELS)
"""A model's classes."""


def with_sets(threshold: float, level: float = 0.9) -> Recogniser:
    rec = tiny().recogniser
    conformal = {"level": level, "threshold": threshold}
    return Recogniser.create(
        model_bytes=rec._parts.model, frontend=rec.frontend, labels=LABELS, conformal=conformal, about=ABOUT
    )


@pytest.fixture(scope="module")
def speech() -> np.ndarray:
    return synthetic.speech("sad", 2, rng=np.random.default_rng(5), seconds=1.2, strength=0.3)


# --- answers ---


@pytest.mark.parametrize("threshold", [0.0, 0.3, 0.6, 0.9, 1.0])
def test_labels_join_up_to_the_threshold_and_the_likeliest_always(speech, threshold):
    rec = with_sets(threshold)
    segment = rec.predict(speech)
    shares = list(segment.scores.values())
    [chosen] = metrics.conformal_sets(np.array([shares]), LABELS, threshold)
    expected = {name for name, joins in zip(LABELS, chosen, strict=True) if joins}
    likeliest = LABELS[int(np.argmax(shares))]
    assert set(segment.likely) == expected | {likeliest}
    assert list(segment.likely) == [name for name in LABELS if name in segment.likely]


def test_the_thresholds_tried_above_reach_from_one_label_to_all(speech):
    sizes = [len(with_sets(threshold).predict(speech).likely) for threshold in (0.0, 0.3, 0.6, 0.9, 1.0)]
    assert sizes == sorted(sizes)
    assert (sizes[0], sizes[-1]) == (1, 3)


def test_an_answer_that_abstains_still_has_them_and_silence_has_none(speech):
    unsure = with_sets(1.0).abstaining_below(1.0).predict(speech)
    assert unsure.emotion is None
    assert unsure.likely == LABELS
    assert with_sets(1.0).predict(speech * 0).likely == ()
    assert tiny().recogniser.predict(speech).likely == ()
    assert tiny_dimensions().recogniser.predict(speech).likely == ()


def test_they_are_saved_and_told(tmp_path, speech):
    rec = with_sets(0.7, level=0.8)
    again = emotone.load(rec.save(tmp_path / "sets"))
    assert again.conformal == {"level": 0.8, "threshold": 0.7}
    assert again.predict(speech) == rec.predict(speech)
    assert again.abstaining_below(0.2).conformal == again.conformal
    assert "for 80 % of the utterances of speakers it hasn't heard, such a list holds the true one" in again.card
    assert "for 80 % of the utterances" in rec._repr_html_()
    assert tiny().recogniser.conformal is None
    assert "such a list" not in tiny().recogniser.card
    assert "conformal" not in tiny().recogniser.config


@pytest.mark.parametrize(
    ("conformal", "message"),
    [
        ({"level": 1.0, "threshold": 0.5}, "a conformal level lies between 0 and 1"),
        ({"level": 0.0, "threshold": 0.5}, "a conformal level lies between 0 and 1"),
        ({"level": 0.9, "threshold": 1.5}, "its threshold goes from 0 to 1"),
        ({"level": 0.9, "threshold": -0.1}, "its threshold goes from 0 to 1"),
        ({"level": 0.9}, "the numbers level and threshold"),
        ({"level": "0.9", "threshold": 0.5}, "the numbers level and threshold"),
        ({"level": True, "threshold": 0.5}, "the numbers level and threshold"),
        ({"level": 0.9, "threshold": float("nan")}, "plain, finite JSON"),
    ],
)
def test_what_no_set_can_be_made_of_is_said(conformal: dict[str, Any], message: str):
    with pytest.raises(ConfigError, match=message):
        saved.resealed(tiny().recogniser.config, conformal=conformal)


def test_dimensions_have_no_sets():
    with pytest.raises(ConfigError, match="no labels, and so no conformal sets"):
        saved.resealed(tiny_dimensions().recogniser.config, conformal={"level": 0.9, "threshold": 0.5})


def test_the_card_of_a_recogniser_without_sets_is_as_before():
    config = tiny().recogniser.config
    assert card.write_card(config) == tiny().recogniser.card


# --- calibration ---


@pytest.fixture(scope="module")
def root(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Twelve speakers, so that sets can leave emotions out; emotions so clear that they do."""
    folder = tmp_path_factory.mktemp("generated") / "ravdess"
    return synthetic.write_ravdess(folder, speakers=range(1, 13), emotions=LABELS, repetitions=1)


@pytest.fixture(scope="module")
def experiment(root: Path) -> Experiment:
    return Experiment(
        corpora={"ravdess": root}, labels=LABELS, frontend="librosa180", model="logistic", model_options={"C": 1.0}
    )


@pytest.fixture(scope="module")
def prepared(experiment: Experiment) -> Any:
    return experiment.prepare(jobs=1, cache=False)


def test_a_trained_recogniser_has_the_threshold_of_its_held_out_speakers(experiment, prepared):
    rec = experiment.fit(prepared)
    assert rec.conformal is not None
    assert rec.conformal["level"] == 0.9
    assert rec.conformal["threshold"] < 1
    fitted = emotone.experiment.fit_model(experiment.make_model(), prepared, np.arange(len(prepared.table)))
    held = fitted.held_out_rows_
    threshold = metrics.conformal_quantile(
        prepared.y[held], fitted.held_out_proba_, LABELS_SORTED, groups=prepared.table["speaker"].to_numpy()[held]
    )
    assert rec.conformal["threshold"] == pytest.approx(threshold)
    sets = metrics.conformal_sets(fitted.held_out_proba_, LABELS_SORTED, threshold)
    found = metrics.set_scores(prepared.y[held], sets, LABELS_SORTED)
    assert found["coverage"]["value"] >= 0.9


def test_few_speakers_or_none_held_out_leave_it_without(experiment, prepared):
    few = prepared.table["speaker"].isin(sorted(prepared.table["speaker"].unique())[:8]).to_numpy()
    small = dataclasses.replace(prepared, table=prepared.table[few].reset_index(drop=True), X=prepared.X[few])
    assert experiment.fit(small).conformal is None
    uncalibrated = dataclasses.replace(experiment, model="tutorial_mlp", model_options={})
    assert uncalibrated.fit(prepared).conformal is None
    alone = dataclasses.replace(prepared, table=prepared.table.assign(speaker="one"))
    model = emotone.experiment.fit_model(experiment.make_model(), alone, np.arange(len(alone.table)))
    assert model.speakers_shared_
    assert conformal_of(model, alone) is None
