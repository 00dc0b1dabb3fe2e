"""Knowing a speaker: what of an embedding is the voice, told from a few utterances without labels, and taken away.

An *embedding* is what a network has of an utterance right before its labels. The mean embedding of somebody's
utterances, against everybody's, says how that voice differs; taking the difference away leaves how the utterance
differs from the voice's others. With few utterances their mean says what was felt rather than who spoke, so it is
shrunk towards the population: of ``k`` utterances, ``k / (k + 4)`` of the difference counts (the posterior mean of a
normal prior worth as many utterances). A network that hears all of it in training, from no utterances to `MOST`, loses
nothing where there is nobody to know.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from emotone.models.speakers import share_of

__all__ = ["COUNTS", "MOST", "Memory"]

MOST = 16
"""Utterances of a speaker that training remembers."""
COUNTS = (0, 0, 0, 1, 2, 3, 4, 8, MOST)
"""How many utterances a row's speaker is known by in training, each as often: a third of the rows by none."""


class Memory:
    """The last `MOST` embeddings of each speaker in a training, from which rows learn what to do with a known voice.

    They are a little old, for the network has moved on since; an epoch has several rounds of most speakers.
    """

    def __init__(self, n_speakers: int, width: int, device: torch.device) -> None:
        self.embeddings = torch.zeros(n_speakers, MOST, width, device=device)
        self.counts = np.zeros(n_speakers, np.int64)

    def shifts(self, speakers: NDArray[np.int64], rng: np.random.Generator) -> Tensor:
        """What to add to the embeddings of rows by ``speakers (n,)`` (-1: nobody knows), ``(n, width)``."""
        known = np.minimum(self.counts, MOST)
        shifts = torch.zeros(len(speakers), self.embeddings.shape[2], device=self.embeddings.device)
        heard = np.flatnonzero(known)
        if not len(heard):
            return shifts
        weights = torch.from_numpy(1.0 / known[heard]).float().to(self.embeddings.device)
        population = (self.embeddings[heard].sum(1) * weights[:, None]).mean(0)
        for row, speaker in enumerate(speakers):
            count = int(rng.choice(COUNTS))
            if speaker < 0 or not count or known[speaker] < count:
                continue
            chosen = rng.choice(known[speaker], count, replace=False)
            own = self.embeddings[speaker, torch.from_numpy(chosen).to(self.embeddings.device)].mean(0)
            shifts[row] = (population - own) * share_of(count)
        return shifts

    def add(self, speakers: NDArray[np.int64], embeddings: Tensor) -> None:
        """Remember the ``embeddings (n, width)`` of rows by ``speakers (n,)`` in place of the oldest."""
        for row, speaker in enumerate(speakers):
            if speaker >= 0:
                self.embeddings[speaker, int(self.counts[speaker]) % MOST] = embeddings[row].float()
                self.counts[speaker] += 1

    def state(self) -> dict[str, NDArray[Any]]:
        """For a checkpoint."""
        return {"memory/embeddings": self.embeddings.cpu().numpy(), "memory/counts": self.counts}

    def load(self, arrays: Mapping[str, NDArray[Any]]) -> None:
        """What `state` gave."""
        self.embeddings.copy_(torch.from_numpy(arrays["memory/embeddings"]))
        self.counts[:] = arrays["memory/counts"]
