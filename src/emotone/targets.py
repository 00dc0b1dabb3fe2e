"""Targets: what is predicted as a number (arousal, valence, dominance, or any numeric column), and on which scale.

What `emotone.labels` is for emotions. A target's scale is its corpus's own, 1 to 7 say: nothing is rescaled in silence,
and corpora whose scales differ don't go together.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from emotone.errors import ConfigError, ExperimentError, require

if TYPE_CHECKING:
    import pandas as pd
    from numpy.typing import NDArray

__all__ = ["Chosen", "check_names", "choose", "strata"]

APART = 0.2
"""Two corpora have different scales where their lowest or highest values are further apart than this share of the
wider range: 1 to 5 and 1 to 7 are a third apart, means of raters on the same scale seldom a fifth."""


@dataclass(frozen=True)
class Chosen:
    """The rows of a table that have all targets."""

    table: pd.DataFrame
    scales: dict[str, tuple[float, float]]
    """The lowest and the highest value of each target."""
    notes: tuple[str, ...] = ()
    """What was left out, one sentence each."""


def check_names(targets: Sequence[str]) -> tuple[str, ...]:
    """The ``targets`` as a tuple. Raises `ConfigError` unless they are distinct names in a list."""
    if isinstance(targets, str) or not all(isinstance(name, str) and name for name in targets):
        raise ConfigError(f'Targets are a list of names, such as ["arousal", "valence"], not {targets!r}.')
    if len(set(targets)) != len(targets):
        raise ConfigError(f"Each target is named once, unlike in {', '.join(targets)}.")
    return tuple(targets)


def choose(table: pd.DataFrame, targets: Sequence[str]) -> Chosen:
    """The rows of ``table`` with a finite number in every column of ``targets``; the given table isn't changed.

    Raises `ExperimentError` for a target that the table doesn't have, that isn't numbers, or that never varies, for a
    corpus without a row that has all targets, and for corpora on different scales.
    """
    values = np.stack([_numbers(table, target) for target in targets], axis=1)
    complete = np.isfinite(values).all(axis=1)
    notes = []
    for corpus in dict.fromkeys(table["corpus"]):
        own = (table["corpus"] == corpus).to_numpy()
        lacking = int((own & ~complete).sum())
        if lacking == own.sum():
            raise ExperimentError(
                f"No row of {corpus} has a number for {' and '.join(targets)}; leave out the corpus, or the target it "
                "lacks."
            )
        if lacking:
            notes.append(f"left out: {lacking} of {own.sum()} rows of {corpus} without {' and '.join(targets)}")
    kept = table.iloc[np.flatnonzero(complete)].reset_index(drop=True)
    numbers = {target: values[complete, i] for i, target in enumerate(targets)}
    for target, column in numbers.items():
        if np.ptp(column) == 0:
            raise ExperimentError(
                f"{target} is {column[0]:g} in all {len(column)} rows: there is nothing to predict. Leave it out."
            )
        _check_scales(target, column, kept["corpus"].to_numpy(dtype=object))
    scales = {target: (float(column.min()), float(column.max())) for target, column in numbers.items()}
    return Chosen(kept.assign(**numbers), scales, tuple(notes))


def _numbers(table: pd.DataFrame, target: str) -> NDArray[np.float64]:
    pandas = require("pandas", extra="train")
    numeric = [str(name) for name in table.columns if pandas.api.types.is_numeric_dtype(table[name])]
    usable = [name for name in numeric if name not in ("start", "end")]
    if target not in table:
        raise ExperimentError(
            f"The table has no column {target!r} to predict; its columns of numbers are: {', '.join(usable) or 'none'}."
        )
    if target not in numeric and table[target].notna().any():
        example = table[target].dropna().iloc[0]
        raise ExperimentError(
            f"{target} can't be predicted as a number: it holds {example!r}. Columns of numbers are: "
            f"{', '.join(usable) or 'none'}."
        )
    values: NDArray[np.float64] = table[target].to_numpy(dtype=np.float64, na_value=np.nan)
    return values


def _check_scales(target: str, column: NDArray[np.float64], corpora: NDArray[np.object_]) -> None:
    """Raise `ExperimentError` for corpora whose ranges of a target are apart."""
    ranges = [(name, column[corpora == name].min(), column[corpora == name].max()) for name in dict.fromkeys(corpora)]
    widest = max(high - low for _, low, high in ranges)
    apart = max(np.ptp([low for _, low, _ in ranges]), np.ptp([high for _, _, high in ranges]))
    if apart > APART * widest:
        told = ", ".join(f"{low:g} to {high:g} in {name}" for name, low, high in ranges)
        raise ExperimentError(
            f"{target} isn't on one scale: it goes from {told}. Bring the corpora to a common scale first: rescale "
            "the column, save the table and give it as table=FILE; or train on them one at a time."
        )


def strata(table: pd.DataFrame, targets: Sequence[str]) -> Iterator[NDArray[np.object_]]:
    """Ways to class the rows so that folds can be balanced, ``(n,)`` each, best first: by emotion where all have one,
    by thirds and halves of the targets, and in turn, which balances nothing but never stands in the way."""
    if table["emotion"].notna().all() and table["emotion"].nunique() > 1:
        yield table["emotion"].to_numpy(dtype=object)
    overall = table[list(targets)].rank(pct=True).mean(axis=1).to_numpy()
    names = np.array(["low", "middle", "high"], dtype=object)
    for cuts in ([1 / 3, 2 / 3], [1 / 2]):
        classes = np.digitize(overall, np.quantile(overall, cuts))
        if len(set(classes)) > 1:
            yield names[classes]
    yield names[np.arange(len(table)) % 2]
