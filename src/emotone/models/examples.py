"""What networks learn from: signals with what is known of each, dealt into batches of crops."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from emotone.augment import Transform
from emotone.errors import ConfigError, ExperimentError
from emotone.features.waveform import as_float
from emotone.models.distillation import Targets
from emotone.models.networks import SAMPLES_PER_FRAME, n_frames

__all__ = ["Crops", "Examples", "batches", "chosen", "crops", "n_steps", "soft_labels"]

Floats = NDArray[np.float32]


@dataclass(frozen=True)
class Examples:
    """What to learn from, ``n`` rows."""

    signals: Sequence[NDArray[Any]]
    """16 kHz, 16-bit integers or floats, ``(samples,)`` each."""
    labels: Floats
    """``(n, n_labels)``: shares that sum to 1, or zeros where the label isn't known."""
    allowed: NDArray[np.bool_]
    """``(n, n_labels)``: which labels the row's corpus has."""
    targets: Targets | None = None
    """What a teacher says of each row."""
    speakers: NDArray[np.int64] | None = None
    """``(n,)``: a number for whoever speaks, -1 where nobody knows. With them, a network learns to know a speaker
    (`emotone.models.enrolment`)."""

    def __post_init__(self) -> None:
        rows = {"signals": len(self.signals), "labels": len(self.labels), "allowed": len(self.allowed)}
        if self.targets is not None:
            rows["targets"] = len(self.targets)
        if self.speakers is not None:
            rows["speakers"] = len(self.speakers)
        if len(set(rows.values())) > 1:
            raise ConfigError(f"Examples have as many rows of each kind, not {rows}.")
        if (self.labels[~self.allowed] != 0).any():
            raise ConfigError("A row of the examples has a label that its corpus doesn't have.")

    @classmethod
    def of(
        cls,
        signals: Sequence[NDArray[Any]],
        emotions: Sequence[str | None] | NDArray[Any],
        labels: Sequence[str],
        *,
        corpora: Sequence[str] | NDArray[Any] | None = None,
        votes: Mapping[str, Any] | None = None,
        votes_share: float = 0.5,
        targets: Targets | None = None,
        speakers: Sequence[str] | NDArray[Any] | None = None,
    ) -> Examples:
        """From names: ``emotions (n,)``, each one of the ``labels``, or None or empty where it isn't known.

        A corpus has the labels that any of its rows has; without ``corpora (n,)`` every row has all. ``votes`` are
        shares of raters by emotion, ``(n,)`` each, NaN where nobody voted, and make up ``votes_share`` of a label.
        Raises `ExperimentError` for a corpus with a single emotion, which would teach nothing.
        """
        names = np.array([name or "" for name in emotions], dtype=str)
        hard = (names[:, None] == np.array(labels, dtype=str)).astype(np.float32)
        allowed = np.ones(hard.shape, bool)
        for corpus in [] if corpora is None else np.unique(np.asarray(corpora)):
            rows = np.asarray(corpora) == corpus
            allowed[rows] = hard[rows].any(axis=0)
            if allowed[rows][0].sum() == 1:
                only = np.array(labels)[allowed[rows][0]][0]
                raise ExperimentError(
                    f"The corpus {corpus} has only rows that are {only}: nothing to tell it apart from. Leave the "
                    "corpus out."
                )
        soft = soft_labels(hard, allowed, labels, votes or {}, votes_share)
        return cls(signals, soft, allowed, targets, None if speakers is None else _numbered(speakers))

    def some(self, rows: NDArray[np.int64]) -> Examples:
        """Those ``rows``; without what a teacher says of them."""
        speakers = None if self.speakers is None else self.speakers[rows]
        return Examples(chosen(self.signals, rows), self.labels[rows], self.allowed[rows], speakers=speakers)

    @property
    def labelled(self) -> NDArray[np.bool_]:
        """Rows whose label is known."""
        known: NDArray[np.bool_] = self.labels.sum(axis=1) > 0
        return known


def _numbered(speakers: Sequence[str] | NDArray[Any]) -> NDArray[np.int64]:
    names = np.array([name or "" for name in speakers], dtype=str)
    known, numbers = np.unique(names, return_inverse=True)
    return np.where(names == "", -1, numbers - int(known[0] == "")).astype(np.int64)


def n_steps(examples: Examples, batch: int, size: int) -> int:
    """Steps of an epoch: see `batches`."""
    return -(-len(_visits(examples, size)) // batch)


def batches(examples: Examples, batch: int, size: int, rng: np.random.Generator) -> Iterator[NDArray[np.int64]]:
    """The rows of each step of an epoch, ``(batch,)`` or fewer in the last: every clip about as often as crops of
    ``size`` samples go into it, and at least once, in a random order."""
    visits = rng.permutation(_visits(examples, size))
    for first in range(0, len(visits), batch):
        yield visits[first : first + batch]


def _visits(examples: Examples, size: int) -> NDArray[np.int64]:
    lengths = np.array([len(signal) for signal in examples.signals], dtype=np.int64)
    return np.repeat(np.arange(len(lengths)), np.rint(lengths / size).astype(np.int64).clip(1))


def soft_labels(
    hard: Floats, allowed: NDArray[np.bool_], labels: Sequence[str], votes: Mapping[str, Any], share: float
) -> Floats:
    """Labels ``(n, n_labels)`` of which ``share`` is the raters': ``votes`` for those of the ``labels`` that the row's
    corpus has, summing to 1. Rows that nobody voted on keep their ``hard`` label, rows without one stay without."""
    shares = np.stack([np.asarray(votes.get(str(name), np.zeros(len(hard))), np.float64) for name in labels], axis=1)
    shares = np.nan_to_num(shares) * allowed
    total = shares.sum(axis=1, keepdims=True)
    voted = (total > 0) * hard.any(axis=1, keepdims=True) * share
    mixed = (1 - voted) * hard + voted * np.divide(shares, total, out=np.zeros_like(shares), where=total > 0)
    return np.asarray(mixed, np.float32)


def chosen(signals: Any, rows: NDArray[np.int64]) -> Any:
    """The signals of ``rows``, in whatever they were."""
    return [signals[int(row)] for row in rows] if isinstance(signals, list | tuple) else signals[rows]


class Crops(NamedTuple):
    """A batch on its way to the network."""

    signals: Floats
    """``(n, samples)``, zeros behind the end."""
    lengths: NDArray[np.int64]
    """``(n,)``: samples that are sound."""
    targets: Floats
    """``(n, t, k)``; without a teacher k is 0."""
    known: NDArray[np.bool_]
    """``(n, t)``: frames that have targets."""


def crops(
    examples: Examples,
    rows: NDArray[np.int64],
    size: int,
    rng: np.random.Generator,
    transforms: Sequence[tuple[float, Transform]] = (),
) -> Crops:
    """``size`` samples of each row from a random moment on, which is one of the teacher's frames.

    Each of the ``transforms`` changes its share of the crops. Raises `ConfigError` for one that changes their length
    where a teacher's frames have to stay in time.
    """
    teacher = examples.targets
    n_targets = 0 if teacher is None else len(teacher.spread)
    signals, lengths = np.zeros((len(rows), size), np.float32), np.zeros(len(rows), np.int64)
    targets = np.zeros((len(rows), n_frames(size), n_targets), np.float32)
    known = np.zeros(targets.shape[:2], bool)
    for i, row in enumerate(rows):
        signal = examples.signals[row]
        first = int(rng.integers(max(0, len(signal) - size) // SAMPLES_PER_FRAME + 1))
        start = first * SAMPLES_PER_FRAME
        crop = as_float(signal[start : start + size])
        for share, transform in transforms:
            if rng.random() < share:
                changed = transform(crop, rng)
                if teacher is not None and len(changed) != len(crop):
                    raise ConfigError(
                        f"The transform {transform.name!r} changes how long a crop is, and what the teacher said of it "
                        "would be out of time. Leave it out."
                    )
                crop = changed[:size]
        signals[i, : len(crop)], lengths[i] = crop, len(crop)
        if teacher is not None:
            frames = teacher.of(int(row), first, targets.shape[1])
            targets[i, : len(frames)], known[i, : len(frames)] = frames, True
    return Crops(signals, lengths, targets, known)
