"""Recognisers that get to know a speaker: what they learn from whom, what it changes, and what stays as it was."""

from __future__ import annotations

import dataclasses
import json
import pickle
from functools import cache
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
import soundfile
from tiny import ABOUT, LABELS, tiny, tiny_adapting

from emotone import features, metrics, models, recogniser, saved, synthetic
from emotone.errors import AudioError, ConfigError, RecogniserError
from emotone.models.calibration import class_scores, softmax, temperature
from emotone.models.onnx import to_onnx
from emotone.recogniser import Recogniser

WIDTH = 180  # features of librosa180


def adapting(model: Any, population: Any, shrinkage: float = 4.0) -> Recogniser:
    return Recogniser.create(
        model_bytes=to_onnx(model, LABELS, WIDTH),
        frontend=features.get("librosa180"),
        labels=LABELS,
        adaptation={"shrinkage": shrinkage, "population": [float(value) for value in population]},
        about=ABOUT,
    )


def rec() -> Recogniser:
    """A tiny recogniser that can adapt."""
    return tiny_adapting().recogniser


def embedded(X: Any) -> Any:
    """What its classifier is given."""
    return tiny_adapting().model.estimator_[:-1].transform(np.asarray(X, np.float64))


def speech(n: int, speaker: int = 3, seed: int = 5) -> list[np.ndarray]:
    rng = np.random.default_rng(seed)
    return [synthetic.speech(LABELS[i % 3], speaker, rng=rng, seconds=1.2) for i in range(n)]


# --- the effect ---


def voices(rng, n_speakers, n_each, means, mixing):
    """Features in which who speaks moves everything about as far as what is felt."""
    emotions = rng.integers(3, size=(n_speakers, n_each))
    offsets = 1.5 * rng.normal(size=(n_speakers, 1, 6))
    latent = means[emotions] + offsets + rng.normal(size=(n_speakers, n_each, 6))
    X = latent @ mixing + 0.3 * rng.normal(size=(n_speakers, n_each, WIDTH))
    return X.astype(np.float32), np.array(LABELS)[emotions]


@cache
def spoken() -> SimpleNamespace:
    """A model of such features by twenty speakers, and forty speakers it hasn't heard, (40, 40, d)."""
    rng = np.random.default_rng(1)
    means, mixing = 1.6 * rng.normal(size=(3, 6)), rng.normal(size=(6, WIDTH)) / 6**0.5
    X, y = voices(rng, 20, 20, means, mixing)
    test, truth = voices(rng, 40, 40, means, mixing)
    speakers = np.repeat([f"s{i}" for i in range(20)], 20)
    model = models.get("logistic", C=0.02, known_speakers=True, n_folds=3)
    model.fit(X.reshape(-1, WIDTH), y.ravel(), groups=speakers)
    return SimpleNamespace(model=model, X=X, y=y, speakers=speakers, test=test, truth=truth)


def uar_known_by(rec: Recogniser, count: int) -> float:
    """Of utterances that the speaker isn't known by."""
    embed = spoken().model.estimator_[:-1].transform
    proba = [rec.knowing(embed(own)[:count]).predict_proba(own[16:]) for own in spoken().test]
    return metrics.uar(spoken().truth[:, 16:].ravel(), np.concatenate(proba), LABELS)


def test_knowing_the_speaker_helps_and_a_single_utterance_does_not_hurt():
    rec = adapting(spoken().model, spoken().model.population_)
    scores = {count: uar_known_by(rec, count) for count in (0, 1, 2, 4, 16)}
    print(scores)
    assert scores[16] > scores[0] + 0.1
    assert scores[4] > scores[0] + 0.05
    assert min(scores[1], scores[2]) > scores[0]
    naive = adapting(spoken().model, spoken().model.population_, shrinkage=1e-6)
    assert uar_known_by(naive, 1) < scores[0] - 0.02, "the shrinkage is what keeps one utterance from hurting"


def test_a_model_that_knows_speakers_loses_nothing_where_it_knows_nobody():
    plain = models.get("logistic", C=0.02, n_folds=3)
    plain.fit(spoken().X.reshape(-1, WIDTH), spoken().y.ravel(), groups=spoken().speakers)
    unadapted = metrics.uar(
        spoken().truth.ravel(), plain.predict_proba(spoken().test.reshape(-1, WIDTH)), list(plain.classes_)
    )
    rec = adapting(spoken().model, spoken().model.population_)
    own = metrics.uar(spoken().truth.ravel(), rec.predict_proba(spoken().test.reshape(-1, WIDTH)), LABELS)
    assert own > unadapted - 0.01


def test_what_it_held_out_are_rows_of_unknown_speakers():
    model = spoken().model
    np.testing.assert_array_equal(model.held_out_rows_, np.arange(400))
    assert model.held_out_proba_.shape == (400, 3)
    codes = np.searchsorted(model.classes_, spoken().y.ravel())
    assert temperature(np.log(model.held_out_proba_), codes) == pytest.approx(1, abs=1e-3)
    held = metrics.uar(spoken().y.ravel(), model.held_out_proba_, list(model.classes_))
    assert held == pytest.approx(uar_known_by(adapting(model, model.population_), 0), abs=0.1)
    embeddings = model.estimator_[:-1].transform(spoken().X.reshape(-1, WIDTH))
    np.testing.assert_allclose(model.population_, embeddings.mean(axis=0), atol=1e-6)


# --- what a recogniser makes of it ---


def test_the_shift_is_the_share_of_the_way_to_everybody():
    X, model, k = tiny_adapting().X, tiny_adapting().model, 3
    embeddings = embedded(X)
    moved = embeddings[5:9] + k / (k + 4) * (model.population_ - embeddings[:k].mean(axis=0))
    proba = softmax(class_scores(model.estimator_[-1], moved) / model.temperature_)
    wanted = proba[:, [list(model.classes_).index(label) for label in LABELS]]
    np.testing.assert_allclose(rec().knowing(embeddings[:k]).predict_proba(X[5:9]), wanted, atol=1e-4)
    assert np.abs(wanted - rec().predict_proba(X[5:9])).max() > 0.01


def test_it_adapts_to_recordings_and_signals_alike(tmp_path):
    signals = speech(4)
    paths = [tmp_path / f"{i}.wav" for i in range(4)]
    for path, signal in zip(paths, signals, strict=True):
        soundfile.write(path, signal, 16_000, subtype="FLOAT")
    known = rec().adapt(signals)
    assert known == rec().adapt(paths) == rec().adapt(str(path) for path in paths)
    assert known == rec().knowing([rec().hear(signal)[1] for signal in signals])
    assert (known.adapted_to, rec().adapted_to) == (4, 0)
    assert known != rec()
    target = speech(1, seed=9)[0]
    assert known.predict(target).scores != rec().predict(target).scores
    assert rec().adapt(signals[0]) == rec().adapt([signals[0]]), "one recording is enough of a list"


def test_using_it_changes_nothing():
    before = rec().config
    known = rec().adapt(speech(2))
    config = known.config
    known.predict(speech(1)[0])
    known.adapt(speech(3, speaker=1))
    assert (rec().config, known.config) == (before, config)


def test_who_was_known_before_is_forgotten():
    first, second = speech(3, speaker=1), speech(2, speaker=4)
    assert rec().adapt(first).adapt(second) == rec().adapt(second)
    assert rec().adapt(first).knowing([]) == rec()


def test_the_embedding_is_the_same_whoever_is_known():
    signal = speech(1)[0]
    _, embedding = rec().hear(signal)
    np.testing.assert_allclose(embedding, embedded([rec().frontend(signal)])[0], atol=1e-5)
    np.testing.assert_array_equal(rec().adapt(speech(3)).hear(signal)[1], embedding)
    assert rec().hear(np.zeros(16_000, np.float32))[1] is None


def test_silent_and_short_recordings_do_not_count():
    useless = [np.zeros(16_000, np.float32), speech(1)[0][:100]]
    assert rec().adapt([*useless, *speech(2)]) == rec().adapt(speech(2))
    with pytest.raises(ConfigError, match="but nobody speaks in those given, or too shortly"):
        rec().adapt(useless)
    with pytest.raises(ConfigError, match="but none were given"):
        rec().adapt([])


def test_a_recording_that_can_not_be_read_is_named(tmp_path):
    with pytest.raises(AudioError, match=r"nobody\.wav"):
        rec().adapt([*speech(1), tmp_path / "nobody.wav"])


def test_one_that_never_learned_it_says_so():
    plain = tiny().recogniser
    assert not plain.can_adapt
    for attempt in (lambda: plain.adapt(speech(1)), lambda: plain.knowing(tiny().X[:2])):
        with pytest.raises(ConfigError, match="'tiny' can't adapt to a speaker: its model hasn't learned"):
            attempt()


@pytest.mark.parametrize("embeddings", [np.zeros((2, 3)), np.zeros(WIDTH), np.full((1, WIDTH), np.nan)])
def test_embeddings_that_can_not_be(embeddings):
    with pytest.raises(ConfigError, match=r"Embeddings have the shape \(n, 180\) and are finite"):
        rec().knowing(embeddings)


def test_a_known_speaker_is_saved_sent_and_shown(tmp_path):
    known, target = rec().adapt(speech(5)), speech(1, seed=9)[0]
    again = recogniser.load(known.save(tmp_path / "mine"))
    sent = pickle.loads(pickle.dumps(known))
    for other in (again, sent, known.abstaining_below(known.abstain_below)):
        assert other == known
        assert other.adapted_to == 5
        assert other.predict(target) == known.predict(target)
    assert repr(known) == (
        "<Recogniser 'tiny': 3 emotions from librosa180 features, knows the speaker from 5 utterances, "
        "not for commercial use>"
    )
    assert "knows the speaker from 1 utterance," in repr(rec().adapt(speech(1)))
    assert "It knows one speaker, from 5 utterances, and judges everybody by that voice" in known.card
    assert "treat it as personal data" in known._repr_html_()


def test_the_card_says_that_it_can():
    assert "It can get to know a speaker from a few recordings without labels" in rec().card
    assert "It can get to know a speaker" in rec()._repr_html_()
    assert "get to know" not in tiny().recogniser.card
    assert "adaptation" not in tiny().recogniser.config


def test_another_utterance_of_a_conversation_costs_no_session(monkeypatch):
    monkeypatch.setattr(recogniser, "_session", None)
    assert rec().knowing(tiny().X[:2]).adapted_to == 2
    assert rec().abstaining_below(0.2).abstain_below == 0.2


# --- what can't be ---


@pytest.mark.parametrize(
    ("adaptation", "message"),
    [
        ({"population": [0.0] * WIDTH}, "adaptation has a shrinkage and a population, not population"),
        ({"shrinkage": 4, "population": [0.0], "more": 1}, "adaptation has a shrinkage and a population"),
        ({"shrinkage": 0, "population": [0.0] * WIDTH}, "shrinkage of its adaptation is a number above 0, not 0"),
        ({"shrinkage": True, "population": [0.0] * WIDTH}, "a number above 0, not True"),
        ({"shrinkage": 4.0, "population": []}, "population of its adaptation is a list of finite numbers"),
        ({"shrinkage": 4.0, "population": [0.0] * 179 + ["1"]}, "a list of finite numbers"),
        ({"shrinkage": 4.0, "population": [10**60] * WIDTH}, "a list of finite numbers"),
        ({"shrinkage": 4.0, "population": [np.inf] * WIDTH}, "plain, finite JSON data"),
    ],
)
def test_adaptations_that_can_not_be(adaptation, message):
    part = rec()
    with pytest.raises(ConfigError, match=message):
        Recogniser.create(
            model_bytes=part._parts.model,
            frontend=part.frontend,
            labels=LABELS,
            adaptation=adaptation,
            about=ABOUT,
        )


def test_a_population_of_other_features():
    with pytest.raises(RecogniserError, match="has a population of 2 numbers, and a model with embeddings of 180"):
        adapting(tiny_adapting().model, [0.0, 1.0])
    with pytest.raises(RecogniserError, match="180 numbers, and a model with embeddings of none that can be shifted"):
        adapting(tiny().model, np.zeros(180))


@pytest.mark.parametrize(
    ("speaker", "message"),
    [
        ({"mean": [0.0] * WIDTH}, "has a count and a mean, not mean"),
        ({"count": 0, "mean": [0.0] * WIDTH}, "one utterance or more, not 0"),
        ({"count": 1.5, "mean": [0.0] * WIDTH}, "one utterance or more, not 1.5"),
        ({"count": 1, "mean": [0.0]}, "mean of the speaker it knows is 180 finite numbers"),
        ([], "its 'speaker' is "),
    ],
)
def test_a_damaged_speaker_is_said(tmp_path, speaker, message):
    folder = rec().adapt(speech(1)).save(tmp_path / "mine")
    config = json.loads((folder / saved.CONFIG).read_text())
    config["speaker"] = speaker
    config[saved._SEAL] = saved._checksum(config)
    (folder / saved.CONFIG).write_text(json.dumps(config))
    with pytest.raises(RecogniserError, match=message):
        recogniser.load(folder)


def test_a_speaker_without_a_population_is_said():
    config = tiny().recogniser.config
    with pytest.raises(ConfigError, match="knows a speaker, and has nothing to compare the voice with"):
        saved.resealed(config, speaker={"count": 1, "mean": [0.0]})


# --- a network ---


@cache
def listening() -> SimpleNamespace:
    """A network that nobody trained, as a recogniser, and its embeddings' population."""
    pytest.importorskip("torch", reason="networks need torch, the extra deep")
    pytest.importorskip("onnx", reason="writing graphs needs onnx, the extra train")
    from test_network_onnx import fitted

    from emotone.models.network_onnx import network_to_onnx
    from emotone.models.training import embeddings_of

    model = fitted()
    model.classes_ = np.array(sorted(LABELS))
    population = embeddings_of(model.network_, speech(6)).mean(axis=0)
    heard = Recogniser.create(
        model_bytes=network_to_onnx(model, LABELS),
        frontend=features.get("waveform"),
        labels=LABELS,
        adaptation={"shrinkage": 4.0, "population": population.tolist()},
        about=ABOUT,
    )
    return SimpleNamespace(model=model, population=population, recogniser=heard)


def by_torch(signal, shift):
    import torch

    from emotone.models.training import embeddings_of

    network, classes = listening().model.network_, list(listening().model.classes_)
    embeddings = torch.from_numpy(embeddings_of(network, [signal]) + shift).float()
    with torch.inference_mode():
        proba = (network.answer(embeddings) / listening().model.temperature_).softmax(1)[0].numpy()
    return proba[[classes.index(label) for label in LABELS]]


def test_a_network_adapts_as_torch_would():
    pytest.importorskip("torch", reason="networks need torch, the extra deep")
    from emotone.models.training import embeddings_of

    heard, target = listening().recogniser, speech(1, seed=9)[0]
    own = speech(3, speaker=1)
    embeddings = embeddings_of(listening().model.network_, own)
    np.testing.assert_allclose([heard.hear(signal)[1] for signal in own], embeddings, atol=1e-4)
    known = heard.adapt(own)
    shift = 3 / 7 * (listening().population - embeddings.mean(axis=0))
    for one, by in ((heard, 0.0), (known, shift)):
        wanted = by_torch(target, by)
        np.testing.assert_allclose(list(one.predict(target).scores.values()), wanted, atol=1e-4)
        np.testing.assert_allclose(one.predict_proba([target])[0], wanted, atol=1e-4)
    assert known.predict(target).scores != heard.predict(target).scores
    assert pickle.loads(pickle.dumps(known)).predict(target) == known.predict(target)


def test_a_long_recording_counts_once_by_the_mean_of_its_pieces():
    pytest.importorskip("torch", reason="networks need torch, the extra deep")
    from emotone.models.training import embeddings_of

    long = np.concatenate(speech(30, speaker=1))  # 36 s, two pieces
    embedding = listening().recogniser.hear(long)[1]
    np.testing.assert_allclose(embedding, embeddings_of(listening().model.network_, [long])[0], atol=1e-4)
    assert listening().recogniser.adapt([long]).adapted_to == 1


def test_a_graph_that_can_not_be_told_who_speaks_can_not_adapt():
    pytest.importorskip("onnx", reason="writing graphs needs onnx, the extra train")
    from emotone.models.onnx import Graph

    graph = Graph()
    mean = graph.add("ReduceMean", "waveform", axes=[1], keepdims=1)
    scores = graph.add("Mul", mean, graph.constant("weights", np.ones((1, 3)), np.float32))
    graph.add("Softmax", scores, axis=-1, output="probabilities")
    deaf = graph.serialised("probabilities", 3, source="waveform", size="samples")
    given = {"model_bytes": deaf, "frontend": features.get("waveform"), "labels": LABELS, "about": ABOUT}
    heard = Recogniser.create(**given)
    assert heard.hear(speech(1)[0])[1] is None
    with pytest.raises(RecogniserError, match="a model with embeddings of none that can be shifted"):
        Recogniser.create(**given, adaptation={"shrinkage": 4.0, "population": [0.0, 1.0]})


def test_a_trained_network_knows_what_everybody_sounds_like():
    pytest.importorskip("torch", reason="networks need torch, the extra deep")
    from emotone.models.training import embeddings_of
    from emotone.prepared import adaptation_of

    signals, y = speech(12), np.array([LABELS[i % 3] for i in range(12)])
    speakers = np.repeat(["a", "b", "b", "b"], 3)  # one speaks more than the other, and counts the same
    shape = {"width": 16, "layers": 1, "heads": 2, "kernel": 3, "n_mels": 16}
    model = models.get("network", epochs=1, rounds=0, augment=0.0, **shape)
    model.fit(signals, y, groups=speakers)
    embeddings = embeddings_of(model.network_, signals)
    wanted = (embeddings[:3].mean(axis=0) + embeddings[3:].mean(axis=0)) / 2
    np.testing.assert_allclose(model.population_, wanted, atol=1e-6)
    adaptation = adaptation_of(model)
    assert adaptation["shrinkage"] == 4
    np.testing.assert_allclose(adaptation["population"], wanted, rtol=1e-6)
    model.fit(signals, y)
    assert model.population_ is None, "it can't have learnt what it wasn't told"
    assert adaptation_of(model) is None


def test_an_experiment_s_recogniser_adapts():
    pd = pytest.importorskip("pandas", reason="experiments need pandas, the extra train")
    from emotone.experiment import Experiment
    from emotone.prepared import Prepared

    table = pd.DataFrame(
        {
            "corpus": "emodb",
            "file": [f"{i}.wav" for i in range(72)],
            "start": 0.0,
            "end": 1.2,
            "speaker": np.tile(np.repeat([f"emodb/{i}" for i in range(6)], 4), 3),
            "label": "",
            "emotion": np.repeat(LABELS, 24),
        }
    )
    data = Prepared(table, LABELS, tiny().X)
    plain = Experiment(corpora={"emodb": ""}, frontend="librosa180", model="logistic")
    knowing = dataclasses.replace(plain, model_options={"known_speakers": True})
    assert not plain.fit(data).can_adapt
    made = knowing.fit(data)
    assert made.can_adapt
    population = made.config["adaptation"]["population"]
    np.testing.assert_allclose(population, tiny_adapting().model.population_, rtol=1e-6)
    assert made.knowing(tiny().X[:3]).adapted_to == 3
