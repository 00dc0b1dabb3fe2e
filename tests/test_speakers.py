"""Rows by known speakers: what is copied, what is shifted how far, and what everybody's mean is."""

from __future__ import annotations

import numpy as np
import pytest

from emotone import models
from emotone.errors import ConfigError, ExperimentError
from emotone.models.calibration import CalibratedClassifier
from emotone.models.classic import KnownSpeakersClassifier
from emotone.models.speakers import COUNTS, by_known_speakers, population_of, share_of


def rows(rng):
    """Two speakers of 30 rows and one of five, each around a mean of their own."""
    speakers = np.array(["a"] * 30 + ["b"] * 30 + ["c"] * 5)
    means = {"a": [9.0, 0, 0], "b": [0, 9.0, 0], "c": [0, 0, 9.0]}
    return np.array([means[who] for who in speakers]) + rng.normal(size=(65, 3)), speakers


def test_every_speaker_counts_the_same(rng):
    X, speakers = rows(rng)
    by_hand = np.mean([X[:30].mean(axis=0), X[30:60].mean(axis=0), X[60:].mean(axis=0)], axis=0)
    np.testing.assert_allclose(population_of(X, speakers), by_hand)
    assert abs(population_of(X, speakers)[2] - X.mean(axis=0)[2]) > 1, "a plain mean would hide who said little"


def test_copies_know_the_speaker_ever_better(rng):
    X, speakers = rows(rng)
    before = X.copy()
    expanded, population = by_known_speakers(X, speakers, rng)
    unknown, *_, known = copies = expanded.reshape(len(COUNTS), 65, 3)
    np.testing.assert_array_equal(X, before)
    np.testing.assert_array_equal(unknown, X)
    np.testing.assert_allclose(population, population_of(X, speakers))
    for own in (slice(0, 30), slice(30, 60), slice(60, 65)):
        n = own.stop - own.start
        np.testing.assert_allclose(known[own], X[own] + n / (n + 4) * (population - X[own].mean(axis=0)))
        apart = [np.abs(copy[own].mean(axis=0) - population).max() for copy in copies]
        assert apart == sorted(apart, reverse=True)
        assert apart[-1] < apart[0] / 2 + 0.1


def test_two_utterances_are_two_of_the_speaker_s_drawn_for_each_row(rng):
    X, speakers = np.arange(12.0)[:, None] ** 2, np.repeat(["a", "b"], 6)
    expanded, population = by_known_speakers(X, speakers, rng)
    by_two = expanded.reshape(len(COUNTS), 12)[1]
    means = population - (by_two - X[:, 0]) / share_of(2)
    possible = {who: [(x + y) / 2 for x in X[speakers == who] for y in X[speakers == who] if x != y] for who in "ab"}
    for who, mean in zip(speakers, means, strict=True):
        assert np.isclose(mean, np.ravel(possible[who])).any()
    assert len(set(means.round(6))) > 4


def test_nobody_tells_nothing_and_ever_more_tell_all():
    assert share_of(0) == 0
    assert share_of(4) == 0.5
    assert share_of(10_000) > 0.999


# --- the option of models ---


@pytest.mark.parametrize("name", ["logistic", "svm"])
def test_models_that_know_speakers(rng, name):
    X, speakers = rows(rng)
    y = np.where(np.arange(65) % 2 == 0, "sad", "angry")
    X[:, 0] += 2.0 * (y == "sad")
    model = models.get(name, known_speakers=True, n_folds=3).fit(X, y, groups=speakers)
    assert isinstance(model, KnownSpeakersClassifier)
    assert model.held_out_proba_.shape == (65, 2)
    np.testing.assert_allclose(model.population_, population_of(model.estimator_[:-1].transform(X), speakers))
    again = models.get(name, known_speakers=True, n_folds=3).fit(X, y, groups=speakers)
    np.testing.assert_array_equal(model.predict_proba(X), again.predict_proba(X))
    assert type(models.get(name)) is CalibratedClassifier


def test_nobody_to_know_is_said(rng):
    X, _ = rows(rng)
    y = np.where(np.arange(65) % 2 == 0, "sad", "angry")
    for groups in (None, ["a"] * 3):
        with pytest.raises(ExperimentError, match="needs to know who speaks in each recording"):
            models.get("logistic", known_speakers=True).fit(X, y, groups=groups)


@pytest.mark.parametrize(
    ("name", "options", "message"),
    [
        ("logistic", {"known_speakers": "yes"}, "known_speakers must be true or false, not 'yes'"),
        ("svm", {"known_speakers": True, "calibrated": False}, "known_speakers needs calibrated"),
        ("mlp", {"known_speakers": True}, "Unknown option of model 'mlp' 'known_speakers'"),
    ],
)
def test_options_that_can_not_be(name, options, message):
    with pytest.raises(ConfigError, match=message):
        models.get(name, **options)
