"""Learning from a large encoder: what it says of each frame becomes a target, and its parameters stay where they are.

1. A teacher, any function from a signal to numbers at 50 frames a second, listens to clean recordings.
2. `Reduction` takes away what depends on the position in the clip alone, balances the teacher's layers, and keeps the
   principal components, each weighed by the fourth root of its variance: the many faint ones, where emotions hide
   behind words, would otherwise count for nothing. It is fitted on recordings that nobody is ever tested on.
3. A network hears the same recordings perturbed and is to say the same, frame by frame and pooled (`frame_loss`,
   `pooled_loss`), in `emotone.models.training`, beside the labels where there are any.

What is left of the teacher is targets while training, and nothing afterwards::

    said = [taught(teacher, signal) for signal in of_corpora_that_are_never_tested]
    targets = Targets.listen(teacher, Reduction.fit(said, layers=2), signals, Path("targets.npy"))
    examples = Examples.of(signals, emotions, LABELS, corpora=corpora, targets=targets)
    network = Network(NetworkOptions(targets=384), len(LABELS))
    trained = train(network, examples, TrainingOptions(epochs=20, label_share=0.1))
    save_network("trunk.npz", trained.network, LABELS)                # models.get("network", init="trunk.npz")
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from emotone.errors import ConfigError, ExperimentError
from emotone.features.waveform import as_float
from emotone.models import weights
from emotone.models.networks import n_frames, statistics

__all__ = ["Reduction", "Targets", "Teacher", "explained", "frame_loss", "pooled_loss", "taught"]

Floats = NDArray[np.float32]
Progress = Callable[[int, int], None]

KIND = "reduction of a teacher"
POOLED_SHARE = 2.0
"""Weight of the pooled loss beside the frames'. Pooled statistics are what emotions are read from."""
FAINT = 1e-12
"""The least standard deviation or variance to divide by."""
TOLERANCE = 2
"""Frames at 50 a second by which a teacher may be shorter or longer than its signal, for the way it pads."""


class Teacher(Protocol):
    """Anything that knows more: a middle layer of a speech encoder, or several side by side."""

    def __call__(self, signal: Floats, /) -> Floats:
        """Numbers ``(frames, d)``, 50 frames a second, of a signal (float32, ``(samples,)``, 16 kHz)."""


# --- what the teacher says ---


def taught(teacher: Teacher, signal: NDArray[Any]) -> Floats:
    """What the ``teacher`` says of a signal at the network's 25 frames a second, float32 ``(n_frames, d)``.

    Raises `ExperimentError` for a teacher that gives another number of frames, or numbers that aren't finite.
    """
    said = np.asarray(teacher(as_float(signal)), np.float32)
    wanted = n_frames(len(signal))
    if said.ndim != 2 or not len(said) or abs(len(said) - 2 * wanted) > 2 + TOLERANCE:
        raise ExperimentError(
            f"A teacher gives 50 frames a second, (frames, d), so about {2 * wanted} of {len(signal) / 16_000:.2f} s; "
            f"this one gave the shape {said.shape}."
        )
    if not np.isfinite(said).all():
        raise ExperimentError(f"The teacher gave NaN or infinity for a signal of {len(signal) / 16_000:.2f} s.")
    last = np.repeat(said[-1:], max(0, 2 * wanted - len(said)), axis=0)
    pairs: Floats = np.concatenate([said, last])[: 2 * wanted].reshape(wanted, 2, -1).mean(axis=1)
    return pairs


@dataclass(frozen=True)
class Reduction:
    """From a teacher's ``d`` numbers a frame to ``k`` targets, and how much of the variance each of them holds."""

    position: Floats
    """``(p, d)``: the mean at each of the first frames, then the mean of all later ones."""
    scale: Floats
    """``(d,)``: what balances the layers."""
    components: Floats
    """``(d, k)``"""
    variance: Floats
    """``(k,)``, descending, of the components before they are weighed."""

    @classmethod
    def fit(
        cls, clips: Iterable[Floats], *, n_components: int = 384, layers: int = 1, positions: int = 150
    ) -> Reduction:
        """From what a teacher said of recordings that nobody is tested on (`taught`), each ``(frames, d)``.

        ``layers`` of equal size stand side by side in ``d``; each gets the same total variance. The first
        ``positions`` frames have means of their own: encoders add where they are, and that is no news. The clips are
        gone through twice, so they must not be an iterator that ends; only sums stay in memory. Raises
        `ExperimentError` for no clips, `ConfigError` for more components than the teacher has numbers.
        """
        sums, counts = _position_sums(clips, positions)
        d = sums.shape[1]
        if not 1 <= n_components <= d or d % layers:
            raise ConfigError(
                f"The teacher gives {d} numbers a frame: choose 1 to {d} components, not {n_components}, and a number "
                f"of layers that divides them, not {layers}."
            )
        position = np.asarray(sums / np.maximum(counts, 1)[:, None], np.float32)
        covariance, n = np.zeros((d, d)), 0
        for clip in clips:
            centred = clip.astype(np.float64) - _at(position, len(clip))
            covariance += centred.T @ centred
            n += len(clip)
        covariance /= max(n, 1)
        spread = np.sqrt(np.diag(covariance).reshape(layers, -1).mean(axis=1))
        scale = np.repeat(1 / np.maximum(spread, FAINT), d // layers)
        values, vectors = np.linalg.eigh(covariance * np.outer(scale, scale))
        kept = np.argsort(values)[::-1][:n_components]
        parts = (position, scale, vectors[:, kept], np.maximum(values[kept], FAINT))
        return cls(*(np.asarray(part, np.float32) for part in parts))

    def __call__(self, clip: Floats) -> Floats:
        """Targets ``(frames, k)`` of what the teacher said, ``(frames, d)``; target i has the variance
        ``variance[i] ** 0.5``."""
        parts = (clip - _at(self.position, len(clip))) * self.scale @ self.components
        return np.asarray(parts * self.variance**-0.25, np.float32)

    @property
    def spread(self) -> Floats:
        """Variance ``(k,)`` of the targets: what a network that says nothing gets wrong."""
        return np.sqrt(self.variance)

    def save(self, path: Path) -> None:
        """Write it to ``path``, an ``.npz``. It holds statistics of the teacher's answers: keep it out of models."""
        names = ("position", "scale", "components", "variance")
        weights.write(path, {name: getattr(self, name) for name in names}, {"kind": KIND, "format": 1})

    @classmethod
    def load(cls, path: Path) -> Reduction:
        """What `save` wrote. Raises `ConfigError` for anything else."""
        arrays, _ = weights.read(path, KIND)
        return cls(**arrays)


def _position_sums(clips: Iterable[Floats], positions: int) -> tuple[NDArray[np.float64], NDArray[np.int64]]:
    sums, counts = None, np.zeros(positions + 1, np.int64)
    for clip in clips:
        if sums is None:
            sums = np.zeros((positions + 1, clip.shape[1]))
        early = clip[:positions]
        sums[: len(early)] += early
        counts[: len(early)] += 1
        sums[positions] += clip[positions:].sum(axis=0)
        counts[positions] += max(0, len(clip) - positions)
    if sums is None:
        raise ExperimentError("A reduction needs what a teacher said of at least one recording.")
    if not counts[positions]:  # no clip is so long: what comes later is expected to be like everything before
        sums[positions], counts[positions] = sums.sum(axis=0), counts.sum()
    empty = counts == 0
    sums[empty], counts[empty] = sums[positions], counts[positions]
    return sums, counts


def _at(position: Floats, length: int) -> Floats:
    return position[np.minimum(np.arange(length), len(position) - 1)]


# --- targets of many recordings ---


@dataclass(frozen=True)
class Targets:
    """Targets of every recording, end to end in one array that may lie on disk."""

    frames: NDArray[np.float16]
    """``(sum of n_frames, k)``"""
    starts: NDArray[np.int64]
    """``(n + 1,)``: where each recording begins, and the end."""
    spread: Floats
    """``(k,)``: the variance of each target."""

    @classmethod
    def listen(
        cls,
        teacher: Teacher,
        reduction: Reduction,
        signals: Sequence[NDArray[Any]],
        path: Path,
        *,
        progress: Progress | None = None,
    ) -> Targets:
        """Let the ``teacher`` hear all ``signals``; the targets go to ``path``, an ``.npy`` of float16, frame by frame.

        ``progress`` is called with (signals done, signals in all).
        """
        starts = np.concatenate([[0], np.cumsum([n_frames(len(signal)) for signal in signals])]).astype(np.int64)
        shape = (int(starts[-1]), len(reduction.variance))
        frames = np.lib.format.open_memmap(path, mode="w+", dtype=np.float16, shape=shape)
        for i, signal in enumerate(signals):
            frames[starts[i] : starts[i + 1]] = reduction(taught(teacher, signal))
            if progress:
                progress(i + 1, len(signals))
        frames.flush()
        return cls(frames, starts, reduction.spread)

    def __len__(self) -> int:
        return len(self.starts) - 1

    def of(self, row: int, first: int, count: int) -> Floats:
        """Up to ``count`` frames of recording ``row``, from its frame ``first`` on."""
        start = int(self.starts[row]) + first
        end = min(start + count, int(self.starts[row + 1]))
        return np.asarray(self.frames[start:end], np.float32)


# --- losses ---


def frame_loss(imitated: Tensor, targets: Tensor, mask: Tensor, spread: Tensor) -> Tensor:
    """Squared error of ``imitated (n, t, k)`` frame by frame, over the targets' total variance: 1 is knowing nothing.

    Frames outside ``mask (n, t)`` don't count; clips without targets have none inside.
    """
    sound = mask[..., None].float()
    errors = ((imitated.float() - targets).square() * sound).sum((0, 1))
    return (errors / sound.sum().clamp(min=1)).sum() / spread.sum()


def pooled_loss(imitated: Tensor, targets: Tensor, mask: Tensor, spread: Tensor) -> Tensor:
    """The same of each clip's means and standard deviations over time, ``(n, 2 k)``."""
    heard = mask.any(1)
    if not heard.any():
        return imitated.sum() * 0.0
    sound = mask[heard][..., None].float()
    even = sound / sound.sum(1, keepdim=True)
    ours, theirs = (statistics(frames[heard].float(), even) for frames in (imitated, targets))
    return (ours - theirs).square().mean(0).sum() / spread.sum()


def explained(imitated: Floats, targets: Floats, spread: Floats) -> float:
    """Share of the targets' variance that the network tells, over frames ``(t, k)``: 1 is all, 0 none."""
    return float(1 - ((imitated - targets) ** 2).mean(axis=0).sum() / spread.sum())


def as_spread(targets: Targets, device: torch.device) -> Tensor:
    """``(k,)``, for the losses."""
    return torch.from_numpy(np.ascontiguousarray(targets.spread)).to(device)
