"""Networks as ONNX graphs: the same probabilities as torch's, from the waveform on, at any length."""

from __future__ import annotations

import dataclasses
from types import SimpleNamespace

import numpy as np
import pytest

torch = pytest.importorskip("torch", reason="networks need torch, the extra deep")
onnx = pytest.importorskip("onnx", reason="writing graphs needs onnx, the extra train")

import onnxruntime  # noqa: E402

from emotone.errors import ConfigError  # noqa: E402
from emotone.models.network_onnx import network_to_onnx  # noqa: E402
from emotone.models.networks import Network, NetworkOptions, as_stored  # noqa: E402
from emotone.models.training import embeddings_of, logits_of  # noqa: E402

OPTIONS = NetworkOptions(width=32, layers=2, heads=4, kernel=5, n_mels=40, targets=4)


def fitted(options=OPTIONS, seed=0):
    """A network as after training: nothing is at its initial zero, and answers differ."""
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        network = Network(options, 3).eval()
        with torch.no_grad():
            for value in network.parameters():
                value.add_(0.05 * torch.randn_like(value))
            network.labels.weight.mul_(4)
    classes = np.array(["angry", "happy", "sad"])
    return SimpleNamespace(network_=network, classes_=classes, temperature_=0.7)


def proba_of(model, signals):
    scores = logits_of(model.network_, signals) / model.temperature_
    return np.exp(scores) / np.exp(scores).sum(axis=1, keepdims=True)


def session_of(data):
    return onnxruntime.InferenceSession(data, providers=["CPUExecutionProvider"])


def signals_of(rng):
    loud = [rng.normal(0, 0.1, n).astype(np.float32) for n in (640, 1000, 8000, 16_037, 48_000)]
    return [*loud, loud[2] * 1e-3, np.zeros(4000, np.float32)]


def test_probabilities_are_those_of_torch(rng):
    model, signals = fitted(), signals_of(rng)
    labels = ("happy", "sad", "angry")
    session = session_of(network_to_onnx(model, labels))
    got = np.concatenate([session.run(None, {"waveform": signal[None]})[0] for signal in signals])
    wanted = proba_of(model, signals)[:, [1, 2, 0]]
    np.testing.assert_allclose(got, wanted, atol=1e-5)
    assert np.ptp(wanted, axis=0).max() > 0.01, "answers that hardly differ show nothing"


@pytest.mark.parametrize("storage", ["float32", "int8"])
def test_a_network_that_answers_by_what_it_imitates_agrees_as_it_is_stored(rng, storage):
    model = fitted(dataclasses.replace(OPTIONS, pooling="imitated", targets=48))
    model.network_ = as_stored(model.network_, storage)
    signals = signals_of(rng)
    session = session_of(network_to_onnx(model, model.classes_))
    got = [session.run(None, {"waveform": signal[None]}) for signal in signals]
    wanted = proba_of(model, signals)
    np.testing.assert_allclose(np.concatenate([each[0] for each in got]), wanted, atol=1e-5)
    assert np.ptp(wanted, axis=0).max() > 0.01, "answers that hardly differ show nothing"
    embeddings = np.concatenate([each[1] for each in got])
    np.testing.assert_allclose(embeddings, embeddings_of(model.network_, signals), atol=1e-4)


def test_it_gives_embeddings_and_takes_what_a_known_speaker_changes(rng):
    model, signals = fitted(), rng.normal(0, 0.1, (3, 8000)).astype(np.float32)
    session = session_of(network_to_onnx(model, model.classes_))
    assert [node.name for node in session.get_outputs()] == ["probabilities", "embeddings"]
    assert [node.name for node in session.get_inputs()] == ["waveform"], "the shift may be left out"
    assert [(node.name, node.shape) for node in session.get_overridable_initializers()] == [("shift", [64])]
    embeddings = embeddings_of(model.network_, list(signals))
    shift = rng.normal(0, 0.5, 64).astype(np.float32)
    plain, zero, shifted = (
        session.run(None, {"waveform": signals, **more}) for more in ({}, {"shift": 0 * shift}, {"shift": shift})
    )
    for _, found in (plain, zero, shifted):
        np.testing.assert_allclose(found, embeddings, atol=1e-4)
    np.testing.assert_array_equal(plain[0], zero[0])
    with torch.inference_mode():
        logits = model.network_.answer(torch.from_numpy(embeddings + shift).float()) / model.temperature_
    np.testing.assert_allclose(shifted[0], logits.softmax(1).numpy(), atol=1e-4)
    assert np.abs(shifted[0] - plain[0]).max() > 0.05


def test_the_default_network_agrees_too(rng):
    model = fitted(NetworkOptions())
    signal = rng.normal(0, 0.1, 32_000).astype(np.float32)
    got = session_of(network_to_onnx(model, model.classes_)).run(None, {"waveform": signal[None]})[0]
    np.testing.assert_allclose(got, proba_of(model, [signal]), atol=1e-4)


def test_signals_of_one_length_go_together(rng):
    model = fitted()
    signals = rng.normal(0, 0.1, (3, 5000)).astype(np.float32)
    session = session_of(network_to_onnx(model, model.classes_))
    assert session.get_inputs()[0].shape == ["n", "samples"]
    np.testing.assert_allclose(session.run(None, {"waveform": signals})[0], proba_of(model, list(signals)), atol=1e-4)


@pytest.mark.parametrize(("storage", "share", "tolerance"), [("float16", 0.55, 3e-3), ("int8", 0.32, 5e-2)])
def test_small_storage_costs_little(rng, storage, share, tolerance):
    model, signals = fitted(dataclasses.replace(OPTIONS, width=128)), signals_of(rng)
    whole = network_to_onnx(model, model.classes_)
    model.network_.options = dataclasses.replace(model.network_.options, storage=storage)
    small = network_to_onnx(model, model.classes_)
    fixed = 4 * (402 * 400 + 402 * 40)  # the transform, which stays exact
    assert len(small) - fixed < share * (len(whole) - fixed) + 30_000
    session = session_of(small)
    got = np.concatenate([session.run(None, {"waveform": signal[None]})[0] for signal in signals])
    np.testing.assert_allclose(got, proba_of(model, signals), atol=tolerance)


def test_the_teacher_s_head_is_left_out():
    model = fitted()
    graph = onnx.load_from_string(network_to_onnx(model, model.classes_)).graph
    assert not [each.name for each in graph.initializer if "imitation" in each.name]


def test_other_labels_are_refused():
    with pytest.raises(ConfigError, match="must be the model's classes"):
        network_to_onnx(fitted(), ("happy", "sad"))
