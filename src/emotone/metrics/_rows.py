"""From truth and predictions, as people pass them, to checked arrays of indices."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, TypeAlias

import numpy as np

from emotone.errors import ExperimentError

if TYPE_CHECKING:
    import pandas as pd
    from numpy.typing import NDArray

    Floats: TypeAlias = NDArray[np.float64]
    Ints: TypeAlias = NDArray[np.int64]
    Column: TypeAlias = Sequence[Any] | NDArray[Any] | pd.Series[Any]

SUM_TOLERANCE = 1e-3
"""How far a row of probabilities may be from summing to one: posteriors printed with four decimals pass."""


@dataclass(frozen=True)
class Rows:
    """What `validate` makes of its arguments: indices into ``labels`` and, where given, probabilities."""

    truth: Ints
    answer: Ints
    proba: Floats | None
    n_labels: int

    @property
    def n_rows(self) -> int:
        return len(self.truth)

    def where(self, mask: NDArray[np.bool_]) -> Rows:
        proba = None if self.proba is None else self.proba[mask]
        return Rows(self.truth[mask], self.answer[mask], proba, self.n_labels)


@dataclass(frozen=True)
class Numbers:
    """The same for a target that is a number, arousal say: both finite, ``(n,)``."""

    truth: Floats
    predicted: Floats

    @property
    def n_rows(self) -> int:
        return len(self.truth)


def validate(truth: Column, predicted: Column, labels: Sequence[str]) -> Rows:
    """Check the arguments every metric takes (conventions: see `emotone.metrics`) and turn names into
    indices.

    Raises `ExperimentError` for empty, misshapen, misaligned, missing, not finite or unknown values, and for
    rows that aren't probabilities.
    """
    if len(labels) < 2 or len(set(labels)) != len(labels):
        raise ExperimentError(f"A score needs two labels or more, without repeats, not {list(labels)!r}.")
    truths = _name_codes("truth", truth, labels)
    shape = np.shape(predicted)
    if shape[:1] != truths.shape:
        turned = " The array looks transposed: pass proba.T." if shape == (len(labels), len(truths)) else ""
        raise ExperimentError(
            f"There are {len(truths)} true labels but the predictions have shape {shape}; "
            f"were rows dropped on one side?{turned}"
        )
    if len(shape) == 1:
        return Rows(truths, _name_codes("predicted", predicted, labels), None, len(labels))
    proba = probabilities(np.asarray(predicted), labels)
    return Rows(truths, proba.argmax(axis=1), proba, len(labels))


def validate_numbers(truth: Column, predicted: Column, *, target: str = "truth") -> Numbers:
    """Check what every metric of a regression takes: two columns of as many finite numbers.

    Raises `ExperimentError` for empty, misaligned, missing or infinite values and for what isn't a number.
    ``target`` is what the messages call the truth.
    """
    truths, answers = _finite(target, truth), _finite("predicted", predicted)
    if truths.shape != answers.shape:
        raise ExperimentError(
            f"There are {len(truths)} values of {target} but {len(answers)} predictions; were rows dropped on one side?"
        )
    return Numbers(truths, answers)


def _finite(what: str, column: Column) -> Floats:
    try:
        values = np.asarray(column).astype(np.float64)
    except (TypeError, ValueError) as error:
        raise ExperimentError(f"{what} must hold one number per row ({error}).") from error
    if values.ndim != 1 or not len(values):
        raise ExperimentError(f"{what} must hold one number per row, and at least one; its shape is {values.shape}.")
    if bad := int((~np.isfinite(values)).sum()):
        raise ExperimentError(
            f"{bad} of {len(values)} rows of {what} are NaN or infinite; drop these rows from the truth and the "
            "predictions alike, for example with table.dropna(subset=[...])."
        )
    return values


def group_codes(groups: Column, n_rows: int, *, what: str = "speaker") -> tuple[list[Any], Ints]:
    """The distinct ``groups`` in order of appearance, and each row's index among them. ``what`` a group is, for
    messages."""
    given = np.asarray(groups, dtype=object)
    if given.shape != (n_rows,):
        raise ExperimentError(f"There are {n_rows} rows but the groups have shape {given.shape}; pass one per row.")
    if missing := sum(map(_is_missing, given)):
        cure = "leave the groups out to score without intervals." if what == "speaker" else "leave these rows out."
        raise ExperimentError(
            f"{missing} of {n_rows} rows have no {what}, so scores can't be grouped by {what}; {cure}"
        )
    index: dict[Any, int] = {}
    codes = np.array([index.setdefault(group, len(index)) for group in given], dtype=np.int64)
    return list(index), codes


def _is_missing(value: object) -> bool:
    """None, NaN, or one of pandas' markers, without importing pandas."""
    return value is None or (not isinstance(value, str) and str(value) in ("nan", "<NA>", "NaT"))


def _name_codes(what: str, names: Column, labels: Sequence[str]) -> Ints:
    given = np.asarray(names, dtype=object)
    if given.ndim != 1 or not len(given):
        raise ExperimentError(
            f"{what} must hold one emotion name per row, and at least one; its shape is {given.shape}."
        )
    if missing := sum(map(_is_missing, given)):
        raise ExperimentError(
            f"{missing} of {len(given)} rows of {what} have no emotion; drop them first, for example with "
            "labels.harmonise."
        )
    index = {label: i for i, label in enumerate(labels)}
    strangers = sorted({str(name) for name in given if name not in index})
    if strangers:
        named = any(isinstance(name, str) for name in given)
        cure = (
            "Restrict the table to the label set first, with labels.harmonise."
            if named
            else "These are numbers, not names: pass labels[i] for each index i."
        )
        raise ExperimentError(
            f"{what} holds {', '.join(strangers[:5])}, not among the labels {', '.join(labels)}. {cure}"
        )
    return np.array([index[name] for name in given], dtype=np.int64)


def probabilities(given: NDArray[Any], labels: Sequence[str]) -> Floats:
    if given.ndim != 2 or given.shape[1] != len(labels):
        raise ExperimentError(
            f"Probabilities need one column for each of the {len(labels)} labels {', '.join(labels)}, but "
            f"their shape is {given.shape}; were columns of another label set kept or dropped?"
        )
    try:
        proba = given.astype(np.float64)
    except (TypeError, ValueError) as error:
        raise ExperimentError(f"Probabilities must be numbers ({error}).") from error
    if not np.isfinite(proba).all():
        bad = int((~np.isfinite(proba)).any(axis=1).sum())
        raise ExperimentError(
            f"{bad} of {len(proba)} rows of probabilities hold NaN or infinity; check the features of those rows."
        )
    sums = proba.sum(axis=1)
    worst = int(np.abs(sums - 1).argmax())
    if proba.min() >= 0 and abs(sums[worst] - 1) <= SUM_TOLERANCE:
        return proba
    guess = _likely_mistake(proba, float(sums[worst]))
    raise ExperimentError(
        f"Each row of probabilities must be at least 0 and sum to 1, but row {worst} sums to "
        f"{sums[worst]:.4g} and the lowest value is {proba.min():.4g}. {guess}"
    )


def _likely_mistake(proba: Floats, worst_sum: float) -> str:
    if proba.max() <= 0:
        return "These look like log-probabilities: pass np.exp of them."
    if proba.min() < 0:
        return "These look like logits: pass their softmax."
    if abs(worst_sum - 100) <= 1:
        return "These look like percentages: divide them by 100."
    return "If a label was taken out, divide each row by what is left."
