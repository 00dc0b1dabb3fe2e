"""The last layer, fitted anew to what a network imitates."""

from __future__ import annotations

import numpy as np
import pytest

torch = pytest.importorskip("torch", reason="networks need the extra deep")
linear_model = pytest.importorskip("sklearn.linear_model", reason="the reference needs the extra train")

from emotone.errors import ConfigError  # noqa: E402
from emotone.models.heads import Head, fit_head, with_head  # noqa: E402
from emotone.models.networks import Network, NetworkOptions  # noqa: E402
from emotone.models.training import embeddings_of, logits_of  # noqa: E402

TAUGHT = NetworkOptions(width=16, layers=1, heads=2, kernel=3, n_mels=16, targets=5)


def rows(rng: np.random.Generator, n: int = 300) -> tuple[np.ndarray, np.ndarray]:
    codes = rng.integers(0, 3, n)
    return rng.normal(size=(n, 6)) * 3 + np.eye(3, 6)[codes] * 2 + 5, codes


def test_it_is_sklearn_s_logistic_regression(rng):
    embeddings, codes = rows(rng)
    penalty = 0.05
    head = fit_head(embeddings, np.eye(3)[codes], np.ones((300, 3), bool), penalty=penalty)
    centred = (embeddings - embeddings.mean(0)) / embeddings.std(0)
    reference = linear_model.LogisticRegression(C=1 / (penalty * 300), tol=1e-8, max_iter=1000).fit(centred, codes)
    ours = head(embeddings)
    wanted = reference.decision_function(centred)
    np.testing.assert_allclose(ours - ours.mean(1, keepdims=True), wanted - wanted.mean(1, keepdims=True), atol=5e-3)


def test_weights_count_as_repeated_rows(rng):
    embeddings, codes = rows(rng, 60)
    labels, allowed = np.eye(3)[codes], np.ones((60, 3), bool)
    count = rng.integers(1, 4, 60)
    twice = np.repeat(np.arange(60), count)
    weighed = fit_head(embeddings, labels, allowed, penalty=0.5, weights=count)
    repeated = fit_head(embeddings[twice], labels[twice], allowed[twice], penalty=0.5)
    # What differs is the unit variance, over which the weights don't count.
    agree = weighed(embeddings).argmax(1) == repeated(embeddings).argmax(1)
    assert agree.mean() > 0.95
    unweighed = fit_head(embeddings, labels, allowed, penalty=0.5)
    assert (
        np.abs(weighed(embeddings) - repeated(embeddings)).mean()
        < np.abs(unweighed(embeddings) - repeated(embeddings)).mean()
    )


def test_it_is_deaf_to_what_it_is_told_to_be(rng):
    embeddings, codes = rows(rng)
    labels, allowed = np.eye(3)[codes], np.ones((300, 3), bool)
    nuisance = rng.normal(size=(2, 6))
    deaf = fit_head(embeddings, labels, allowed, penalty=0.05, deaf_to=nuisance)
    hearing = fit_head(embeddings, labels, allowed, penalty=0.05)
    moved = embeddings + nuisance[0] - 3 * nuisance[1]
    np.testing.assert_allclose(deaf(moved), deaf(embeddings), atol=1e-4)
    assert np.abs(hearing(moved) - hearing(embeddings)).max() > 0.1
    assert (deaf(embeddings).argmax(1) == codes).mean() > 0.5  # of three


def test_a_label_that_a_corpus_lacks_is_no_evidence_against_it(rng):
    embeddings, codes = rows(rng)
    allowed = np.ones((300, 3), bool)
    lacking = (codes != 2) & (rng.random(300) < 0.7)
    allowed[lacking, 2] = False
    masked = fit_head(embeddings, np.eye(3)[codes], allowed, penalty=0.05)
    against = fit_head(embeddings, np.eye(3)[codes], np.ones((300, 3), bool), penalty=0.05)
    share = [(head(embeddings[lacking]).argmax(1) == 2).mean() for head in (masked, against)]
    assert share[0] > share[1]


def test_a_network_answers_by_the_head_it_is_given(rng):
    torch.manual_seed(0)
    network = Network(TAUGHT, 4).eval()
    head = Head(rng.normal(size=(4, 10)), rng.normal(size=4))
    answering = with_head(network, head, [2, 0])
    signals = [rng.normal(0, 0.1, n).astype(np.float32) for n in (3000, 9000)]
    embeddings = embeddings_of(answering, signals)
    assert embeddings.shape == (2, 10)
    np.testing.assert_allclose(logits_of(answering, signals), head(embeddings)[:, [2, 0]], atol=1e-4)


def test_imitated_pooling_is_mean_and_deviation_of_what_is_imitated(rng):
    torch.manual_seed(0)
    network = with_head(Network(TAUGHT, 2), Head(np.zeros((2, 10)), np.zeros(2)), [0, 1])
    signal = rng.normal(0, 0.1, 6400).astype(np.float32)
    with torch.inference_mode():
        frames, _ = network.trunk(*network.logmel(torch.from_numpy(signal)[None]))
        imitated = network.imitate(frames)[0].numpy()
    wanted = np.concatenate([imitated.mean(0), np.sqrt(imitated.var(0) + 1e-5)])
    np.testing.assert_allclose(embeddings_of(network, [signal])[0], wanted, atol=1e-5)


def test_without_a_teacher_nothing_is_imitated():
    with pytest.raises(ConfigError, match="imitates nobody"):
        NetworkOptions(pooling="imitated")
    with pytest.raises(ConfigError, match="attentive"):
        NetworkOptions(pooling="imitate")
