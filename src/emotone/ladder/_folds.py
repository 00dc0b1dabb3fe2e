"""Folds for the rungs: rows dealt at random into given sizes, copies with their parents, draws of equal size."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any, TypeAlias

import numpy as np

if TYPE_CHECKING:
    from numpy.typing import NDArray

    Ints: TypeAlias = NDArray[np.int64]
    Fold: TypeAlias = tuple[Ints, Ints]


def random_folds(y: Any, sizes: Sequence[int], rng: np.random.Generator) -> tuple[Fold, ...]:
    """All rows of ``y`` (emotion names) at random into test folds of exactly these ``sizes``, emotions balanced."""
    fold = np.empty(len(y), dtype=np.int64)
    fold[_by_class(y, rng)] = _spread(sizes)
    return tuple((np.flatnonzero(fold != i), np.flatnonzero(fold == i)) for i in range(len(sizes)))


def with_copies(folds: Sequence[Fold], n_rows: int) -> tuple[Fold, ...]:
    """The same ``folds`` of a table of ``n_rows`` that stands there twice, one below the other: copies stay beside
    their parents."""
    return tuple((np.append(train, train + n_rows), np.append(test, test + n_rows)) for train, test in folds)


def draw(rows: Ints, y: Any, n: int, rng: np.random.Generator) -> Ints:
    """``n`` of the ``rows`` (positions in ``y``) at random, emotions in proportion."""
    if n >= len(rows):
        return rows
    ordered = rows[_by_class(np.asarray(y, dtype=str)[rows], rng)]
    return np.sort(ordered[((np.arange(n) + 0.5) * len(ordered) / n).astype(np.int64)])


def _by_class(y: Any, rng: np.random.Generator) -> Ints:
    """The rows in random order, class after class."""
    names = np.asarray(y, dtype=str)
    shuffled = rng.permutation(len(names))
    order: Ints = shuffled[np.argsort(names[shuffled], kind="stable")]
    return order


def _spread(sizes: Sequence[int]) -> Ints:
    """Fold numbers, as many of each as its size, each as evenly along the row as can be: so every class gets its
    share of every fold."""
    places = np.concatenate([(np.arange(size) + 0.5) / size for size in sizes if size])
    numbers = np.repeat(np.arange(len(sizes)), sizes)
    spread: Ints = numbers[np.argsort(places, kind="stable")]
    return spread
