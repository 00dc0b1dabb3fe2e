"""One function per metric, each made of two steps: sums over rows, then a score of the sums."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from math import isqrt
from typing import TYPE_CHECKING, Any, Protocol

import numpy as np

from emotone.errors import ExperimentError
from emotone.metrics._rows import Rows, validate

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from emotone.metrics._rows import Column, Floats, Ints

N_BINS = 15
"""Bins of confidence for `ece` and `reliability`, as in Guo et al. 2017."""

EDGE_TOLERANCE = 1e-6
"""A confidence this little above an edge counts as on it, and so in the bin below."""


class Countable(Protocol):
    @property
    def n_rows(self) -> int: ...


@dataclass(frozen=True)
class Metric:
    """A score in two steps: ``sums(rows, groups, n_groups)`` gives ``(n_groups, d)``, and ``score`` maps
    ``(..., d)`` to ``(...)``. ``scale`` (logit, log or plain) and the lowest and highest value, ``bottom`` and
    ``top``, say how `interval` treats it. ``rows`` are what the metric needs, emotions (`Rows`) or numbers."""

    sums: Callable[[Any, Ints, int], Floats]
    score: Callable[[Floats], Floats]
    scale: str = "logit"
    top: float = 1.0
    bottom: float = 0.0

    def of(self, rows: Countable) -> float:
        return float(self.score(self.sums(rows, np.zeros(rows.n_rows, dtype=np.int64), 1)[0]))


def _counts(rows: Rows, groups: Ints, n_groups: int) -> Floats:
    """Flattened confusion matrices, ``(n_groups, n_labels**2)``."""
    cells = rows.n_labels**2
    code = groups * cells + rows.truth * rows.n_labels + rows.answer
    return np.bincount(code, minlength=n_groups * cells).reshape(n_groups, cells).astype(np.float64)


def _square(counts: Floats) -> Floats:
    k = isqrt(counts.shape[-1])
    return counts.reshape(*counts.shape[:-1], k, k)


def _hits_truths_answers(counts: Floats) -> tuple[Floats, Floats, Floats]:
    matrix = _square(counts)
    return np.diagonal(matrix, axis1=-2, axis2=-1), matrix.sum(-1), matrix.sum(-2)


def _mean_of_present(numerator: Floats, denominator: Floats, support: Floats) -> Floats:
    """Mean over the classes with true rows of ``numerator / denominator``."""
    present = support > 0
    ratio = np.where(present, numerator / np.maximum(denominator, 1), 0.0)
    return np.asarray(ratio.sum(-1) / np.maximum(present.sum(-1), 1))


def _uar(counts: Floats) -> Floats:
    hits, truths, _ = _hits_truths_answers(counts)
    return _mean_of_present(hits, truths, truths)


def _war(counts: Floats) -> Floats:
    hits, truths, _ = _hits_truths_answers(counts)
    return np.asarray(hits.sum(-1) / truths.sum(-1))


def _macro_f1(counts: Floats) -> Floats:
    hits, truths, answers = _hits_truths_answers(counts)
    return _mean_of_present(2 * hits, truths + answers, truths)


def sums_of(values: Callable[[Any], Floats]) -> Callable[[Any, Ints, int], Floats]:
    """Sums of one value per row, and the number of rows, ``(n_groups, 2)``."""

    def sums(rows: Any, groups: Ints, n_groups: int) -> Floats:
        totals = np.bincount(groups, weights=values(rows), minlength=n_groups)
        return np.stack([totals, np.bincount(groups, minlength=n_groups)], axis=1)

    return sums


def mean_of_sums(sums: Floats) -> Floats:
    return np.asarray(sums[..., 0] / sums[..., 1])


def _log_losses(rows: Rows) -> Floats:
    proba = needs_proba(rows)
    given = proba[np.arange(len(proba)), rows.truth]
    return np.asarray(-np.log(np.clip(given, np.finfo(np.float64).eps, 1.0)))


def _squared_errors(rows: Rows) -> Floats:
    proba = needs_proba(rows)
    return np.asarray(((proba - np.eye(rows.n_labels)[rows.truth]) ** 2).sum(axis=1))


def needs_proba(rows: Rows) -> Floats:
    if rows.proba is None:
        raise ExperimentError(
            "This score needs probabilities, one column per label, but was given one emotion name per row."
        )
    return rows.proba


def _bins(rows: Rows, n_bins: int, adaptive: bool) -> tuple[Floats, Floats, Ints]:
    """Edges ``(n_bins + 1,)``; each row's confidence; each row's bin. A bin excludes its lower edge."""
    if n_bins < 1:
        raise ExperimentError(f"n_bins must be 1 or more, not {n_bins}.")
    confidence = np.minimum(needs_proba(rows).max(axis=1), 1.0)
    edges = np.linspace(0.0, 1.0, n_bins + 1)
    if adaptive:
        edges[1:-1] = np.quantile(confidence, edges[1:-1])
    # Round probabilities lie on edges: 0.4 must fall in one bin whether it came as float32 or float64.
    inner = edges[1:-1] if adaptive else edges[1:-1] + EDGE_TOLERANCE
    return edges, confidence, np.searchsorted(inner, confidence, side="left")


def _bin_sums(rows: Rows, groups: Ints, n_groups: int, n_bins: int = N_BINS, adaptive: bool = False) -> Floats:
    """Counts, summed confidence and hits in each bin, ``(n_groups, 3 * n_bins)``."""
    _, confidence, bins = _bins(rows, n_bins, adaptive)
    hit = (rows.answer == rows.truth).astype(np.float64)
    code, size = groups * n_bins + bins, n_groups * n_bins
    parts = [np.bincount(code, weights=w, minlength=size) for w in (np.ones(len(hit)), confidence, hit)]
    return np.concatenate([part.reshape(n_groups, n_bins) for part in parts], axis=1)


def _all_bins(rows: Rows, n_bins: int, adaptive: bool) -> Floats:
    """`_bin_sums` of all rows together, ``(3 * n_bins,)``."""
    return _bin_sums(rows, np.zeros(len(rows.truth), dtype=np.int64), 1, n_bins, adaptive).ravel()


def _ece(sums: Floats) -> Floats:
    count, confidence, hits = np.split(sums, 3, axis=-1)
    return np.asarray(np.abs(hits - confidence).sum(-1) / count.sum(-1))


METRICS = {
    "uar": Metric(_counts, _uar),
    "war": Metric(_counts, _war),
    "macro_f1": Metric(_counts, _macro_f1),
    "ece": Metric(_bin_sums, _ece, scale="plain"),
    "nll": Metric(sums_of(_log_losses), mean_of_sums, scale="log", top=np.inf),
    "brier": Metric(sums_of(_squared_errors), mean_of_sums, top=2.0),
}

COUNTED = ("uar", "war", "macro_f1")
"""The metrics that follow from a confusion matrix."""

NEED_PROBA = frozenset({"ece", "nll", "brier"})
"""The metrics that can't be had from names alone."""


# --- one function per metric --------------------------------------------------------------------------------


def uar(truth: Column, predicted: Column, labels: Sequence[str]) -> float:
    """Unweighted average recall: the mean over classes of the share of a class's rows that were recognised.

    Classes without true rows are left out, as in ``sklearn.metrics.balanced_accuracy_score``.
    """
    return METRICS["uar"].of(validate(truth, predicted, labels))


def war(truth: Column, predicted: Column, labels: Sequence[str]) -> float:
    """Weighted average recall, which is plain accuracy: the share of all rows that were recognised. Printed
    as WA."""
    return METRICS["war"].of(validate(truth, predicted, labels))


def macro_f1(truth: Column, predicted: Column, labels: Sequence[str]) -> float:
    """The mean over classes of F1 = 2 hits / (true rows + rows so answered). Classes without true rows are
    left out."""
    return METRICS["macro_f1"].of(validate(truth, predicted, labels))


@dataclass(frozen=True)
class ClassScores:
    """One class's scores; None where undefined: recall and F1 without true rows, precision when never
    answered."""

    recall: float | None
    precision: float | None
    f1: float | None
    support: int


def per_class(truth: Column, predicted: Column, labels: Sequence[str]) -> dict[str, ClassScores]:
    """Recall, precision, F1 and the number of true rows of each label."""
    matrix = confusion(truth, predicted, labels)
    scores = {}
    for i, label in enumerate(labels):
        hits, support, answers = int(matrix[i, i]), int(matrix[i].sum()), int(matrix[:, i].sum())
        scores[label] = ClassScores(
            recall=hits / support if support else None,
            precision=hits / answers if answers else None,
            f1=2 * hits / (support + answers) if support else None,
            support=support,
        )
    return scores


def confusion(truth: Column, predicted: Column, labels: Sequence[str], *, normalise: bool = False) -> NDArray[Any]:
    """Confusion matrix ``(n_labels, n_labels)``: rows are the truth, columns the answers.

    Counts as int64, or with ``normalise`` each row's shares as float64 (NaN in the row of an absent class).
    """
    rows = validate(truth, predicted, labels)
    counts = _square(_counts(rows, np.zeros(len(rows.truth), dtype=np.int64), 1)[0])
    if not normalise:
        return counts.astype(np.int64)
    totals = counts.sum(axis=1, keepdims=True)
    return np.where(totals > 0, counts / np.maximum(totals, 1), np.nan)


def nll(truth: Column, proba: Column, labels: Sequence[str]) -> float:
    """Mean negative log-likelihood of the true label, in nats (``sklearn.metrics.log_loss``).

    A probability of zero counts as 2.2e-16, the least step of float64.
    """
    return METRICS["nll"].of(validate(truth, proba, labels))


def brier(truth: Column, proba: Column, labels: Sequence[str]) -> float:
    """Brier score, 0 to 2: mean over rows of the squared error summed over labels (Brier 1950; scikit-learn's
    ``brier_score_loss(..., scale_by_half=False)``)."""
    return METRICS["brier"].of(validate(truth, proba, labels))


def ece(truth: Column, proba: Column, labels: Sequence[str], *, n_bins: int = N_BINS, adaptive: bool = False) -> float:
    """Expected calibration error of the top label: the gap between confidence and accuracy in each of
    ``n_bins`` bins, averaged with the bins' share of rows (Naeini et al. 2015; Guo et al. 2017).

    Bins have equal width on (0, 1], or equal numbers of rows if ``adaptive``. The score can't be negative, so
    noise raises it: compare only scores of about as many rows.
    """
    rows = validate(truth, proba, labels)
    return float(_ece(_all_bins(rows, n_bins, adaptive)))


@dataclass(frozen=True)
class Reliability:
    """Bins of top-label confidence: ``edges (n_bins + 1,)``; mean ``confidence``, ``accuracy`` (NaN in an
    empty bin) and ``count`` of rows, ``(n_bins,)`` each."""

    edges: Floats
    confidence: Floats
    accuracy: Floats
    count: Ints


def reliability(
    truth: Column, proba: Column, labels: Sequence[str], *, n_bins: int = N_BINS, adaptive: bool = False
) -> Reliability:
    """The bins behind `ece`: where confidence exceeds accuracy the recogniser is too sure of itself."""
    rows = validate(truth, proba, labels)
    count, confidence, hits = np.split(_all_bins(rows, n_bins, adaptive), 3)
    filled = np.where(count > 0, count, np.nan)
    return Reliability(_bins(rows, n_bins, adaptive)[0], confidence / filled, hits / filled, count.astype(np.int64))
