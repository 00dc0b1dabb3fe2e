"""Who speaks, for models of features: rows as they are when a few utterances of their speaker are known.

What `emotone.models.enrolment` does inside a network's training, for whatever learns from a table of features. There
the embedding is the features, once they are on one scale: the mean of somebody's, against everybody's, says how that
voice differs. As they are measured, the loudest utterances would be most of a mean.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

__all__ = ["COUNTS", "SHRINKAGE", "by_known_speakers", "population_of", "share_of"]

Floats = NDArray[np.float64]

SHRINKAGE = 4.0
"""Utterances that the population is worth."""
COUNTS = (0, 2, 8, None)
"""How many utterances a speaker is known by, in one copy of the rows each; None is all that there are."""


def share_of(count: int) -> float:
    """How much of a speaker's difference counts that ``count`` utterances tell."""
    return count / (count + SHRINKAGE)


def population_of(embeddings: NDArray[Any], speakers: NDArray[Any]) -> Floats:
    """The mean ``(d,)`` over the ``speakers (n,)`` of the mean of their ``embeddings (n, d)``: all count the same."""
    _, codes = np.unique(speakers, return_inverse=True)
    means = [embeddings[codes == code].mean(axis=0, dtype=np.float64) for code in range(codes.max() + 1)]
    return np.asarray(np.mean(means, axis=0))


def by_known_speakers(X: NDArray[Any], speakers: NDArray[Any], rng: np.random.Generator) -> tuple[Floats, Floats]:
    """Copies of ``X (n, d)`` in which the ``speakers (n,)`` are known by ever more utterances, and the population.

    There is a copy for each of `COUNTS`, ``(len(COUNTS) * n, d)`` end to end: first the rows as they are, then each
    shifted by what as many utterances of its speaker, drawn for each row anew, tell about the voice.
    """
    X = np.asarray(X, np.float64)
    population = population_of(X, speakers)
    copies = [X.copy() for _ in COUNTS]
    for speaker in np.unique(speakers):
        own = np.flatnonzero(speakers == speaker)
        for copy, count in zip(copies, COUNTS, strict=True):
            n = len(own) if count is None else min(count, len(own))
            copy[own] += share_of(n) * (population - _means(X[own], n, rng))
    return np.concatenate(copies), population


def _means(own: Floats, count: int, rng: np.random.Generator) -> Floats:
    """For each of a speaker's rows ``own (n, d)`` the mean of ``count`` that are drawn from them, ``(n, d)``."""
    if count in (0, len(own)):
        return np.broadcast_to(own.mean(axis=0), own.shape)
    drawn = np.stack([rng.choice(len(own), count, replace=False, shuffle=False) for _ in own])
    total = np.zeros_like(own)
    for rows in drawn.T:  # one after the other: all at once would be large
        total += own[rows]
    return total / count
