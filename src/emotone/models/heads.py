"""The last layer of a trained network, fitted anew: a strongly penalised logistic regression on its embeddings.

A network that learns labels for hours knows its training speakers by heart, and the layer that learnt with it trusts
that. Fitted afterwards, to what the network imitates of its teacher and with a penalty, the same layer was worth five
points of UAR on speakers it hadn't heard. It also is convex, takes seconds, and hears every utterance as if its speaker
were unknown, and known by a few or many others (`emotone.models.speakers`).
"""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from emotone.models.networks import Network
from emotone.models.objective import label_loss

__all__ = ["Head", "fit_head", "with_head"]

STEPS = 80
"""Of the optimiser at most."""


class Head:
    """A linear layer: logits of ``embeddings (n, d)`` are ``embeddings @ weight.T + bias``."""

    def __init__(self, weight: NDArray[np.float64], bias: NDArray[np.float64]) -> None:
        self.weight, self.bias = weight, bias

    def __call__(self, embeddings: NDArray[np.float64]) -> NDArray[np.float64]:
        """``(n, n_labels)``"""
        logits: NDArray[np.float64] = embeddings @ self.weight.T + self.bias
        return logits


def fit_head(
    embeddings: NDArray[np.floating],
    labels: NDArray[np.floating],
    allowed: NDArray[np.bool_],
    *,
    penalty: float,
    weights: NDArray[np.floating] | None = None,
    deaf_to: NDArray[np.floating] | None = None,
) -> Head:
    """The head that is likeliest to give the ``labels (n, n_labels)``, shares that sum to 1, of ``embeddings (n, d)``.

    Each row's loss counts only the labels that its corpus has, ``allowed (n, n_labels)``, and is the mean over rows,
    weighed by ``weights (n,)``. The ``penalty`` times half the squared weights is added, on embeddings brought to unit
    variance; it is ``1 / (C n)`` in scikit-learn's terms. Minimised by L-BFGS (Liu & Nocedal 1989).

    The logits don't change along the directions ``deaf_to (k, d)``: what is known to tell recordings apart and not
    emotions, such as how the mean of a corpus differs from that of other speech (nuisance attribute projection:
    Solomonoff, Campbell & Boardman 2005).
    """
    centre, spread = embeddings.mean(0), np.maximum(embeddings.std(0), 1e-6)
    standard = (embeddings - centre) / spread
    if deaf_to is not None:
        basis = np.linalg.qr((np.asarray(deaf_to) / spread).T)[0]  # (d, k)
        standard = standard - (standard @ basis) @ basis.T
    rows = torch.from_numpy(standard).float()
    shares, open_ = torch.from_numpy(np.asarray(labels, np.float32)), torch.from_numpy(allowed)
    weighed = torch.ones(len(rows)) if weights is None else torch.from_numpy(np.asarray(weights, np.float32))
    weight = torch.zeros(labels.shape[1], rows.shape[1], requires_grad=True)
    bias = torch.zeros(labels.shape[1], requires_grad=True)
    optimiser = torch.optim.LBFGS([weight, bias], max_iter=STEPS, line_search_fn="strong_wolfe")

    def loss() -> Tensor:
        optimiser.zero_grad()
        wrong = label_loss(rows @ weight.T + bias, shares, open_, weighed) + penalty / 2 * weight.square().sum()
        wrong.backward()
        return wrong

    optimiser.step(loss)
    scaled = weight.detach().numpy().astype(np.float64) / spread
    return Head(scaled, bias.detach().numpy().astype(np.float64) - scaled @ centre)


def with_head(network: Network, head: Head, kept: list[int]) -> Network:
    """A copy of a network with imitated pooling that answers by the ``head``, with the ``kept`` ones of its labels."""
    options = replace(network.options, pooling="imitated")
    answering = Network(options, len(kept))
    state = {name: value for name, value in network.state_dict().items() if not name.startswith(("pool.", "labels."))}
    state["labels.weight"] = torch.from_numpy(head.weight[kept]).float()
    state["labels.bias"] = torch.from_numpy(head.bias[kept]).float()
    answering.load_state_dict(state)
    return answering.eval()
