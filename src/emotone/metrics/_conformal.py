"""Sets of labels that hold the true one as often as promised, on speakers like those they were calibrated on."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from emotone.errors import ExperimentError
from emotone.metrics._intervals import scored
from emotone.metrics._rows import Rows, group_codes, probabilities, validate
from emotone.metrics._scores import Metric, mean_of_sums, needs_proba, sums_of

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from emotone.metrics._rows import Column, Floats, Ints

N_PARTS = 10
"""Parts into which `evaluate` deals the speakers, to calibrate each part on the others."""


def conformal_quantile(
    truth: Column,
    proba: Column,
    labels: Sequence[str],
    *,
    level: float = 0.9,
    groups: Column | None = None,
) -> float:
    """The threshold for `conformal_sets` under which a set holds the true label of a new row with at least ``level``.

    Split conformal prediction (Vovk, Gammerman & Shafer 2005) with the score 1 - probability of the label, which
    gives the smallest sets on average (Sadinle, Lei & Wasserman 2019): the threshold is the ceil((n + 1) level)-th
    smallest score of the true labels, and 1, so that every label joins, where n rows are too few for that. The rows
    must be new to the recogniser.

    **Speakers.** The promise is kept where calibration and new rows are exchangeable, and clips of one speaker
    aren't exchangeable with clips of another. Give the speakers as ``groups``, and the promise is for a clip of a
    new speaker: each speaker then counts as one, their clips sharing the weight (Lee, Barber & Willett 2023). It
    needs level / (1 - level) speakers, nine for 0.9, before a set leaves any label out.

    Without them the promise is kept on average too, as long as speakers have about as many rows, but not by the
    calibration at hand: simulated at 0.9, sets hold 90 % of new rows whether calibrated on 4 speakers or on 90, yet
    with 4 it is less than 85 % in an eighth to a fifth of experiments, with 10 in up to a ninth. By speaker that
    never happens, for larger sets: with 10 speakers 99 % and 6.5 labels of 8 in place of 3.8, with 24 94 % and 4.5,
    with 90 91 % and 3.9. See ``benchmarks/interval_coverage.py``.
    """
    rows = validate(truth, proba, labels)
    return _threshold(rows, _codes(groups, rows), level)


def conformal_quantiles(
    truth: Column,
    proba: Column,
    labels: Sequence[str],
    *,
    level: float = 0.9,
    groups: Column | None = None,
) -> dict[str, float]:
    """`conformal_quantile` for each label from its own rows alone, so that the promise holds for each emotion and not
    just on average (Mondrian or label-conditional conformal prediction, Vovk 2012).

    Sets get larger, and every label needs enough rows (or speakers) of its own: one with too few, or none, joins
    every set.
    """
    rows = validate(truth, proba, labels)
    codes = _codes(groups, rows)
    found = {}
    for i, label in enumerate(labels):
        own = rows.truth == i
        found[label] = _threshold(rows.where(own), np.unique(codes[own], return_inverse=True)[1], level)
    return found


def _codes(groups: Column | None, rows: Rows) -> Ints:
    """Each row's speaker, or itself."""
    return np.arange(rows.n_rows) if groups is None else group_codes(groups, rows.n_rows)[1]


def _threshold(rows: Rows, codes: Ints, level: float) -> float:
    if not 0 < level < 1:
        raise ExperimentError(f"level must lie between 0 and 1, not {level}.")
    scores = 1 - needs_proba(rows)[np.arange(rows.n_rows), rows.truth]
    n_rows = np.bincount(codes)
    order = np.argsort(scores)
    # A new speaker, or row, is one more of them and may have any score at all: the + 1.
    reached = np.cumsum(1 / n_rows[codes[order]]) >= level * (len(n_rows) + 1) - 1e-9
    return float(np.clip(scores[order][reached.argmax()], 0.0, 1.0)) if reached.any() else 1.0


def conformal_sets(proba: Column, labels: Sequence[str], threshold: float | Mapping[str, float]) -> NDArray[np.bool_]:
    """Which labels belong to each row's set, ``(n, n_labels)``: those with 1 - probability up to the ``threshold`` of
    `conformal_quantile`, or up to their own of `conformal_quantiles`.

    A set can be empty: no label of that row is as likely as true labels are.
    """
    if isinstance(threshold, Mapping):
        if missing := [label for label in labels if label not in threshold]:
            raise ExperimentError(f"There is no threshold for {', '.join(missing)}; give one for each label.")
        limits = np.array([threshold[label] for label in labels], dtype=np.float64)
    else:
        limits = np.full(len(labels), threshold, dtype=np.float64)
    if not ((limits >= 0) & (limits <= 1)).all():
        raise ExperimentError(f"A threshold lies between 0 and 1, as conformal_quantile gives it; not {threshold}.")
    return np.asarray(1 - probabilities(np.asarray(proba), labels) <= limits)


@dataclass(frozen=True)
class _Sets:
    hit: Floats
    size: Floats

    @property
    def n_rows(self) -> int:
        return len(self.hit)


def set_scores(
    truth: Column, sets: Column, labels: Sequence[str], groups: Column | None = None, *, level: float = 0.95
) -> dict[str, Any]:
    """How often sets of labels, ``(n, n_labels)`` booleans, hold the true one, and how large they are: JSON-ready.

    ``coverage`` (the share that do) and ``size`` (labels in a set) hold ``value, low, high``, with intervals over
    ``groups``; ``empty`` and ``single`` are the shares of sets of no label and of one; ``per_class`` is the coverage
    of each label, None for one that no row has.
    """
    given = np.asarray(sets)
    if given.dtype != bool or given.ndim != 2 or given.shape[1:] != (len(labels),):
        raise ExperimentError(
            f"Sets need one boolean column for each of the {len(labels)} labels, as conformal_sets gives them; these "
            f"have shape {given.shape} and hold {given.dtype}."
        )
    # Any answers will do: only the truth is looked at.
    rows = validate(truth, np.full(len(given), labels[0], dtype=object), labels)
    speakers = None if groups is None else group_codes(groups, rows.n_rows)[1]
    return _set_scores(rows.truth, given, labels, speakers, level=level)


def _set_scores(
    truth: Ints, sets: NDArray[np.bool_], labels: Sequence[str], speakers: Ints | None, *, level: float
) -> dict[str, Any]:
    hit, size = sets[np.arange(len(sets)), truth].astype(np.float64), sets.sum(axis=1)
    found = _Sets(hit, size.astype(np.float64))
    held = Metric(sums_of(lambda sets: sets.hit), mean_of_sums)
    large = Metric(sums_of(lambda sets: sets.size), mean_of_sums, top=len(labels))
    return {
        "coverage": scored(held, found, speakers, level=level),
        "size": scored(large, found, speakers, level=level),
        "empty": float((size == 0).mean()),
        "single": float((size == 1).mean()),
        "per_class": {
            label: float(hit[truth == i].mean()) if (truth == i).any() else None for i, label in enumerate(labels)
        },
    }


def cross_conformal(
    rows: Rows, labels: Sequence[str], speakers: Ints, *, sets_level: float, level: float
) -> dict[str, Any]:
    """`set_scores` of sets calibrated on other speakers: those of each of `N_PARTS` parts on those of the rest."""
    part = speakers % N_PARTS
    sets = np.ones((rows.n_rows, rows.n_labels), dtype=bool)
    for i in np.unique(part):
        here = part == i
        others = np.unique(speakers[~here], return_inverse=True)[1]
        limit = _threshold(rows.where(~here), others, sets_level)
        sets[here] = 1 - needs_proba(rows)[here] <= limit
    return {"level": sets_level, **_set_scores(rows.truth, sets, labels, speakers, level=level)}
