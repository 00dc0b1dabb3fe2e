"""Dealing speakers, or rows, into folds that resemble each other; and the folds inside a training side."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, TypeAlias

import numpy as np

from emotone.errors import ExperimentError

if TYPE_CHECKING:
    from numpy.typing import NDArray

    Floats: TypeAlias = NDArray[np.float64]
    Ints: TypeAlias = NDArray[np.int64]
    Fold: TypeAlias = tuple[Ints, Ints]

MAX_SWAPS = 500
"""Where the search for a fairer deal stops; RAVDESS and CREMA-D need about ten."""

ATTEMPTS = 20
"""Deals tried before giving up on one that leaves every emotion in every training side."""


def codes_of(values: Any) -> Ints:
    """Each value's index among the sorted distinct values."""
    return np.unique(np.asarray(values, dtype=str), return_inverse=True)[1].astype(np.int64)


def folds_of(fold: Ints, n_folds: int) -> tuple[Fold, ...]:
    """Train and test rows of each fold, from each row's fold. A row of fold -1 is never tested, always
    trained on."""
    return tuple((np.flatnonzero(fold != i), np.flatnonzero(fold == i)) for i in range(n_folds))


def deal_rows(y: Ints, n_folds: int, rng: np.random.Generator) -> Ints:
    """Each row's fold, at random, with every class spread as evenly as its number of rows allows."""
    fold = np.empty(len(y), dtype=np.int64)
    shuffled = rng.permutation(len(y))
    fold[shuffled[np.argsort(y[shuffled], kind="stable")]] = np.arange(len(y)) % n_folds
    return fold


def deal_groups(shares: Floats, sizes: Floats, rng: np.random.Generator, *, capacity: Ints | None = None) -> Ints:
    """Each group's fold, so that fold f holds about ``sizes[f]`` of every column of ``shares`` (see
    `traits`).

    Heavy groups first, ties in random order, each goes to the fold that lacks most of what it brings; then
    pairs of groups change places for as long as that helps. ``capacity`` is the most groups a fold may take.
    """
    short = -np.outer(sizes, shares.sum(axis=0))  # (n_folds, n_columns): what a fold has, less what it should have
    room = np.full(len(sizes), len(shares)) if capacity is None else capacity.copy()
    fold = np.empty(len(shares), dtype=np.int64)
    order = rng.permutation(len(shares))
    for group in order[np.argsort(-shares[order].max(axis=1).round(9), kind="stable")]:
        gain = np.where(room > 0, (short @ shares[group]).round(9), np.inf)
        fold[group] = gain.argmin()
        short[fold[group]] += shares[group]
        room[fold[group]] -= 1
    for _ in range(MAX_SWAPS):
        first, second, gain_ = _best_swap(shares, short, fold)
        if gain_ > -1e-9:
            break
        short[fold[first]] += shares[second] - shares[first]
        short[fold[second]] += shares[first] - shares[second]
        fold[first], fold[second] = fold[second], fold[first]
    return fold


def _best_swap(shares: Floats, short: Floats, fold: Ints) -> tuple[int, int, float]:
    """The two groups whose exchange lowers the sum of squares of ``short`` most, and by how much (negative is
    less).

    With d = x_j - x_i, for group i of fold a and j of fold b, the sum changes by 2 d.(short_a - short_b) + 2
    d.d.
    """
    need = (shares @ short.T)[:, fold]  # need[i, j] = x_i . short of j's fold
    own = np.diagonal(need)
    dots = shares @ shares.T
    lengths = np.diagonal(dots)
    change = need.T + need - own[:, None] - own[None, :] + lengths[:, None] + lengths[None, :] - 2 * dots
    change[fold[:, None] == fold[None, :]] = 0.0
    first, second = np.unravel_index(change.round(12).argmin(), change.shape)
    return int(first), int(second), float(change[first, second])


def traits(groups: Ints, *columns: Ints) -> Floats:
    """What a fair deal balances, ``(n_groups, n_traits)``: each group's share of the groups, of the rows, and
    of the rows with each value of each of ``columns`` (codes, one per row).

    A column's values together weigh as much as the share of rows, so that eight emotions don't drown two
    genders.
    """
    n = int(groups.max()) + 1
    shares = [np.full((n, 1), 1 / n), np.bincount(groups, minlength=n)[:, None] / len(groups)]
    for codes in columns:
        n_values = int(codes.max()) + 1
        counts = np.bincount(groups * n_values + codes, minlength=n * n_values).reshape(n, n_values)
        shares.append(counts / counts.sum(axis=0) / np.sqrt(n_values))
    return np.hstack(shares)


def deal_speakers(
    speakers: Ints, y: Ints, columns: tuple[Ints, ...], n_folds: int, rng: np.random.Generator
) -> Ints | None:
    """Each row's fold, speakers kept together, every class on every training side; None if no deal was found.

    A class's only speaker is in no test fold (-1).
    """
    has = np.zeros((int(speakers.max()) + 1, int(y.max()) + 1), dtype=bool)
    has[speakers, y] = True
    dealt = ~has[:, has.sum(axis=0) == 1].any(axis=1)
    if dealt.sum() < n_folds:
        return None
    shares = traits(speakers, y, *columns)[dealt]
    for _ in range(ATTEMPTS):
        fold = np.full(len(has), -1, dtype=np.int64)
        fold[dealt] = deal_groups(shares, np.full(n_folds, 1 / n_folds), rng)
        if all(has[fold != i].any(axis=0).all() for i in range(n_folds)):
            return fold[speakers]
    return None


@dataclass(frozen=True)
class InnerFolds:
    """Folds inside a training side, for calibration, early stopping and the choice of settings.

    Iterates over ``(train, test)``, so it can be scikit-learn's ``cv``. ``by_rows`` says that speakers are on
    both sides, because there weren't two to keep apart: what was chosen with such folds is too hopeful.
    """

    folds: tuple[Fold, ...]
    by_rows: bool

    def __iter__(self) -> Iterator[Fold]:
        return iter(self.folds)

    def __len__(self) -> int:
        return len(self.folds)


def inner_folds(y: Any, groups: Any = None, *, n_folds: int = 5, seed: int = 0) -> InnerFolds:
    """Folds over the rows of ``y`` (emotion names), with each group (speaker) on one side and the emotions
    balanced.

    Fewer speakers than ``n_folds`` give fewer folds. Every emotion is in every training side: who alone has
    an emotion is never tested on. Where that leaves fewer than two speakers, or none are given, rows are
    dealt instead and ``by_rows`` is set. Raises `ExperimentError` for fewer than two rows, or as many groups
    as don't match ``y``.
    """
    if n_folds < 2:
        raise ExperimentError(f"n_folds must be 2 or more, not {n_folds}.")
    if len(y) < 2 or (groups is not None and len(groups) != len(y)):
        n_groups = "no" if groups is None else len(groups)
        raise ExperimentError(
            f"Inner folds need two rows or more and a speaker for each, but there are {len(y)} rows and "
            f"{n_groups} speakers."
        )
    classes, rng = codes_of(y), np.random.default_rng(seed)
    if groups is not None:
        speakers = codes_of(groups)
        for n in range(min(n_folds, int(speakers.max()) + 1), 1, -1):
            fold = deal_speakers(speakers, classes, (), n, rng)
            if fold is not None:
                return InnerFolds(folds_of(fold, n), by_rows=False)
    repeated = np.bincount(classes)[classes] > 1
    n = min(n_folds, int(repeated.sum()))
    if n < 2:
        raise ExperimentError("Inner folds need an emotion with two rows or more; every emotion here has one.")
    fold = np.full(len(classes), -1, dtype=np.int64)
    fold[repeated] = deal_rows(classes[repeated], n, rng)
    return InnerFolds(folds_of(fold, n), by_rows=True)
