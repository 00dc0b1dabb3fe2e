"""The loss of a batch: crops, what perturbs them, the network, and what it got wrong."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor
from torch.nn import functional

from emotone.models.distillation import POOLED_SHARE, as_spread, frame_loss, pooled_loss
from emotone.models.enrolment import Memory
from emotone.models.examples import Examples, crops
from emotone.models.networks import CLOSED, SAMPLES_PER_FRAME
from emotone.models.options import TrainingOptions
from emotone.models.perturbation import masked, perturb
from emotone.models.together import Hearing

__all__ = ["Loss", "class_weights", "label_loss"]

Floats = NDArray[np.float32]


class Loss:
    """The loss of a batch of rows of ``examples``, and what it is made of."""

    def __init__(self, examples: Examples, options: TrainingOptions, device: torch.device) -> None:
        self.examples, self.options, self.device = examples, options, device
        self.dtype = precision_of(options.precision, device)
        self.transforms = options.made_transforms()
        self.labels, self.allowed = torch.from_numpy(examples.labels), torch.from_numpy(examples.allowed)
        self.weights = torch.from_numpy(class_weights(examples.labels, examples.allowed, options.balance))
        self.spread = None if examples.targets is None else as_spread(examples.targets, device)
        self.memory: Memory | None = None

    @property
    def teaching(self) -> bool:
        """Whether there is a teacher to imitate."""
        return self.spread is not None

    def __call__(
        self, hearing: Hearing, rows: NDArray[np.int64], rng: np.random.Generator
    ) -> tuple[Tensor, dict[str, float]]:
        """The loss to go down from, and its parts as numbers."""
        options, teaching = self.options, self.teaching
        batch = crops(self.examples, rows, options.crop, rng, self.transforms)
        signals, lengths = (torch.from_numpy(part).to(self.device) for part in (batch.signals, batch.lengths))
        if not teaching:
            signals, lengths = at_speed(signals, lengths, rng, options.speed)
        sound = torch.arange(signals.shape[1], device=self.device) < lengths[:, None]
        signals = perturb(signals, rng, options.augment) * sound
        share, other = mixture(len(rows), rng, 0.0 if teaching else options.mixup)
        with torch.autocast(self.device.type, torch.bfloat16, enabled=self.dtype is torch.bfloat16):
            mel, mask = hearing.logmel(signals, lengths)
            mel = masked(mel, rng, options.mask_bands, options.mask_frames)
            if share < 1:
                mel, mask = share * mel + (1 - share) * mel[other], mask | mask[other]
            logits, imitated, mask = hearing(mel, mask, lambda embeddings: self._known(rows, embeddings, rng))
        parts: dict[str, Tensor] = {}
        loss = logits.sum() * 0.0
        if options.label_share:
            wrong = share * self._of_labels(logits, rows)
            if share < 1:
                wrong = wrong + (1 - share) * self._of_labels(logits, rows[other])
            loss = loss + options.label_share * wrong
            parts["loss_labels"] = wrong
        if imitated is not None and self.spread is not None:
            targets, known = (torch.from_numpy(part).to(self.device) for part in (batch.targets, batch.known))
            parts["loss_frames"] = frame_loss(imitated, targets, known & mask, self.spread)
            parts["loss_pooled"] = pooled_loss(imitated, targets, known & mask, self.spread)
            loss = loss + parts["loss_frames"] + POOLED_SHARE * parts["loss_pooled"]
        return loss, {name: float(part.detach()) for name, part in parts.items()}

    def state(self) -> dict[str, NDArray[Any]]:
        """What a checkpoint has to hold of it."""
        return {} if self.memory is None else self.memory.state()

    def load(self, arrays: Mapping[str, NDArray[Any]]) -> None:
        """What `state` gave."""
        if "memory/embeddings" in arrays:
            n_speakers, _, width = arrays["memory/embeddings"].shape
            self.memory = Memory(n_speakers, width, self.device)
            self.memory.load(arrays)

    def _known(self, rows: NDArray[np.int64], embeddings: Tensor, rng: np.random.Generator) -> Tensor | float:
        """What a known speaker changes in the embeddings of ``rows``."""
        speakers = self.examples.speakers
        if speakers is None or not self.options.label_share:
            return 0.0
        if self.memory is None:
            self.memory = Memory(int(speakers.max()) + 1, embeddings.shape[1], self.device)
        shifts = self.memory.shifts(speakers[rows], rng)
        self.memory.add(speakers[rows], embeddings.detach())
        return shifts

    def _of_labels(self, logits: Tensor, rows: NDArray[np.int64]) -> Tensor:
        labels, allowed, row_weights = (
            part[torch.from_numpy(rows)].to(self.device) for part in (self.labels, self.allowed, self.weights)
        )
        return label_loss(logits, labels, allowed, row_weights)


def precision_of(name: str, device: torch.device) -> torch.dtype:
    """What to multiply in. ``auto`` is bfloat16 on GPUs, and on processors with a unit for it (AMX), where it takes a
    fifteenth of the time; others would only imitate it."""
    if name == "auto":
        fast = device.type == "cuda" or bool(torch.cpu._is_amx_tile_supported())
        name = "bfloat16" if fast else "float32"
    return torch.bfloat16 if name == "bfloat16" else torch.float32


def label_loss(logits: Tensor, labels: Tensor, allowed: Tensor, row_weights: Tensor) -> Tensor:
    """Cross-entropy of ``logits (n, n_labels)`` against soft ``labels``, over the labels ``allowed``; the mean over
    rows with ``row_weights (n,)``. Rows without a label don't count, labels that aren't allowed get no gradient."""
    losses = -(labels * functional.log_softmax(logits.masked_fill(~allowed, CLOSED), 1)).sum(1)
    counted = row_weights * (labels.sum(1) > 0)
    return (losses * counted).sum() / counted.sum().clamp(min=1e-6)


def class_weights(labels: Floats, allowed: NDArray[np.bool_], balance: float) -> Floats:
    """Weight of each row ``(n,)``: with ``balance`` 1, rows of rare labels weigh as much more as they are rarer.

    Rarer than others in their own corpus, or rather among rows with the same labels ``allowed``: were all counted
    together, a corpus that alone has calm voices would learn to find everybody calm.
    """
    rows = np.zeros(len(labels), np.float32)
    _, kinds = np.unique(allowed, axis=0, return_inverse=True)
    for kind in range(kinds.max(initial=-1) + 1):
        own = np.flatnonzero(kinds == kind)
        counts = labels[own].sum(axis=0)
        each = np.divide(counts.sum(), counts, out=np.zeros_like(counts), where=counts > 0) ** balance
        weights = labels[own] @ each
        known = weights > 0
        if known.any():
            rows[own] = weights / weights[known].mean()
    return rows


def at_speed(signals: Tensor, lengths: Tensor, rng: np.random.Generator, most: float) -> tuple[Tensor, Tensor]:
    """The batch up to ``most`` faster or slower, pitch and all; one speed for a batch, so that it costs nothing."""
    if not most:
        return signals, lengths
    factor = float(rng.uniform(1 - most, 1 + most))
    size = max(SAMPLES_PER_FRAME, round(signals.shape[1] / factor / SAMPLES_PER_FRAME) * SAMPLES_PER_FRAME)
    changed = functional.interpolate(signals[:, None], size=size, mode="linear", align_corners=False)[:, 0]
    return changed, (lengths * size / signals.shape[1]).long()


def mixture(n: int, rng: np.random.Generator, alpha: float) -> tuple[float, NDArray[np.int64]]:
    """Mixup (Zhang et al. 2018): the share of a row itself, and the row that it is mixed with."""
    if not alpha:
        return 1.0, np.arange(n)
    share = float(rng.beta(alpha, alpha))
    return max(share, 1 - share), rng.permutation(n)
