"""Answering only when sure: what is gained by leaving the least sure rows unanswered."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from emotone.errors import ExperimentError
from emotone.metrics._intervals import effective_dof, student_t
from emotone.metrics._named import metric_and_rows
from emotone.metrics._rows import Rows, validate
from emotone.metrics._scores import METRICS, needs_proba

if TYPE_CHECKING:
    from emotone.metrics._rows import Column, Floats, Ints


@dataclass(frozen=True)
class RiskCoverage:
    """Answering the surest ``coverage`` of rows, the share ``risk`` of the answers is wrong: ``(n,)`` each, from one
    row to all."""

    coverage: Floats
    risk: Floats
    aurc: float
    """The area under the curve: the mean risk over its points. 0 is best."""
    optimal: float
    """The least area that this error rate allows: every right answer surer than every wrong one."""

    @property
    def excess(self) -> float:
        """What the order of the confidences costs: ``aurc - optimal``. 0 is best, whatever the error rate."""
        return self.aurc - self.optimal


def risk_coverage(truth: Column, proba: Column, labels: Sequence[str]) -> RiskCoverage:
    """How the error rate falls as the least sure rows are left unanswered (El-Yaniv & Wiener 2010), with the area
    under the curve (AURC; Geifman & El-Yaniv 2017) and what it exceeds the best order's by (Geifman, Uziel &
    El-Yaniv 2019, with the sum itself in place of their approximation).

    A row's confidence is its highest probability. Rows of one confidence have no order among them, and each counts
    with the mean error of them all: the average over every order they could come in.
    """
    rows = validate(truth, proba, labels)
    risk = _running_mean(_errors_by_confidence(rows)[1])
    n_wrong = int((rows.answer != rows.truth).sum())
    best = np.arange(rows.n_rows) >= rows.n_rows - n_wrong
    return RiskCoverage(
        coverage=np.arange(1, rows.n_rows + 1) / rows.n_rows,
        risk=risk,
        aurc=float(risk.mean()),
        optimal=float(_running_mean(best.astype(np.float64)).mean()),
    )


def _errors_by_confidence(rows: Rows) -> tuple[Ints, Floats]:
    """The order of the rows from most to least sure, and in that order the error of each, ties sharing theirs."""
    confidence = needs_proba(rows).max(axis=1)
    order = np.argsort(-confidence, kind="stable")
    wrong = (rows.answer != rows.truth)[order].astype(np.float64)
    _, tie, size = np.unique(-confidence[order], return_inverse=True, return_counts=True)
    return order, (np.bincount(tie, weights=wrong) / size)[tie]


def _running_mean(values: Floats) -> Floats:
    return np.asarray(np.cumsum(values) / np.arange(1, len(values) + 1))


def aurc_with_ends(rows: Rows, speakers: Ints | None, *, level: float) -> dict[str, float | None]:
    """``value, low, high``. The area isn't made of sums over rows, so the standard error over speakers is that of the
    infinitesimal jackknife (Efron 1982): what a little more of each row would add to it, summed over speakers."""
    order, wrong = _errors_by_confidence(rows)
    place, risk = np.arange(1, rows.n_rows + 1), _running_mean(wrong)
    value = float(risk.mean())
    if speakers is None or speakers.max() < 1:
        return {"value": value, "low": None, "high": None}
    from_here = [np.cumsum(part[::-1])[::-1] for part in (1 / place, risk / place)]
    influence = np.empty(rows.n_rows)
    influence[order] = (risk - value + wrong * from_here[0] - from_here[1]) / rows.n_rows
    of_speakers, n_rows = np.bincount(speakers, weights=influence), np.bincount(speakers)
    error = float(np.sqrt(len(n_rows) / (len(n_rows) - 1) * (of_speakers**2).sum()))
    # On the logit scale, as other shares: half a row away from 0 and 1, where the slope is finite.
    half = 0.5 / rows.n_rows
    share = (value + half) / (1 + 2 * half)
    reach = student_t(level, effective_dof(n_rows)) * error / (share * (1 - share))
    odds = share / (1 - share) * np.exp([-reach, reach])
    low, high = (1 + 2 * half) * odds / (1 + odds) - half
    return {"value": value, "low": float(np.clip(low, 0.0, value)), "high": float(np.clip(high, value, 1.0))}


@dataclass(frozen=True)
class AtCoverage:
    """The ``value`` of a score over the rows at least ``threshold`` sure, which are the share ``coverage`` of all."""

    coverage: float
    threshold: float
    value: float


def at_coverage(
    metric: str, truth: Column, proba: Column, labels: Sequence[str], coverage: float | Sequence[float]
) -> list[AtCoverage]:
    """The score over the surest rows alone, for each wanted ``coverage`` (above 0, at most 1).

    Rows as sure as the last one wanted join it, so the coverage reached may be higher. ``metric`` is a key of
    `NAMES`; of UAR and macro-F1 remember that a class none of whose rows is sure drops out of the mean: print the
    coverage beside them.
    """
    scorer, rows = metric_and_rows(metric, truth, proba, labels)
    if not isinstance(rows, Rows):
        raise ExperimentError(f"{metric} scores numbers, which have no confidence; choose one of {', '.join(METRICS)}.")
    confidence = needs_proba(rows).max(axis=1)
    from_sure = np.sort(confidence)[::-1]
    found = []
    for wanted in np.atleast_1d(coverage):
        if not 0 < wanted <= 1:
            raise ExperimentError(f"A coverage is the share of rows answered, above 0 and at most 1, not {wanted}.")
        threshold = from_sure[int(np.ceil(wanted * len(from_sure) - 1e-9)) - 1]
        sure = confidence >= threshold
        found.append(AtCoverage(float(sure.mean()), float(threshold), scorer.of(rows.where(sure))))
    return found
