"""Scores, and how far to trust them.

**Conventions.** ``truth`` holds one emotion name per row, shape ``(n,)``. ``predicted`` is either one name per row,
``(n,)``, or one probability per row and label, ``(n, n_labels)``, whose highest column (the first of equals) is the
answer. ``labels`` gives the names of the columns and is always asked for, because the rows alone can't say which
emotions were possible. Where the target is a number (arousal, valence, dominance), both are numbers and there are no
labels. ``groups`` are the speakers, one per row.

**Absent classes.** A label that no row truly has has no recall, so it is left out of every mean over classes:
of `uar` and `macro_f1`, and of the same scores of one speaker, or without one. This is the rule of
scikit-learn's ``balanced_accuracy_score``; the macro average of its ``recall_score`` counts such a label as
zero once it was predicted (truth ``[a, a]``, predicted ``[a, b]``: 0.50 here, 0.25 there). Rows wrongly given
to an absent label still count as misses of their own class.

**What each score is.** UAR: the mean over classes of the share of a class's rows that were recognised. WA: the
share of all rows, which is plain accuracy. macro-F1: the mean over classes of F1. ECE: the gap between confidence and
accuracy, over 15 bins of equal width. NLL: the mean of -log of the true label's probability, in nats. Brier: the mean
squared error summed over labels, 0 to 2. AURC: the error rate averaged over answering the surest one, two, ... all
rows. CCC and Pearson's r with variances of the population. Each function names the library it agrees with to 1e-9.

**Undefined** scores, such as the CCC of a single row, are NaN from a function and None in `per_class` and in reports;
the docstrings say when.

**Intervals.** Clips of one speaker resemble each other, so the unit is the speaker: each is left out in turn,
and how far the score moves tells how far new speakers would move it. See `interval` for the reasons and the
measured coverage.

Nearly every score here is a function of sums over rows (a confusion matrix, calibration bins, a total loss). The
sums are taken once for each speaker, and leaving one out is a subtraction: an interval costs a millisecond.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict
from typing import TYPE_CHECKING, Any

import numpy as np

from emotone.metrics._comparison import Difference, SignedRank, difference, signed_rank
from emotone.metrics._conformal import (
    conformal_quantile,
    conformal_quantiles,
    conformal_sets,
    cross_conformal,
    set_scores,
)
from emotone.metrics._fairness import Gap, fairness_threshold, gap
from emotone.metrics._intervals import scored
from emotone.metrics._named import by_group, interval
from emotone.metrics._regression import REGRESSION_NAMES, ccc, evaluate_regression, mae, pearson, rmse
from emotone.metrics._rows import Rows, group_codes, validate
from emotone.metrics._scores import (
    METRICS,
    NEED_PROBA,
    ClassScores,
    Reliability,
    brier,
    confusion,
    ece,
    macro_f1,
    nll,
    per_class,
    reliability,
    uar,
    war,
)
from emotone.metrics._selective import AtCoverage, RiskCoverage, at_coverage, aurc_with_ends, risk_coverage
from emotone.metrics._soft import SOFT_NAMES, human_ceiling, soft_scores

if TYPE_CHECKING:
    from emotone.metrics._rows import Column

__all__ = [
    "NAMES",
    "REGRESSION_NAMES",
    "SOFT_NAMES",
    "AtCoverage",
    "ClassScores",
    "Difference",
    "Gap",
    "Reliability",
    "RiskCoverage",
    "SignedRank",
    "at_coverage",
    "brier",
    "by_group",
    "ccc",
    "conformal_quantile",
    "conformal_quantiles",
    "conformal_sets",
    "confusion",
    "difference",
    "ece",
    "evaluate",
    "evaluate_regression",
    "fairness_threshold",
    "format_score",
    "gap",
    "human_ceiling",
    "interval",
    "macro_f1",
    "mae",
    "nll",
    "pearson",
    "per_class",
    "reliability",
    "risk_coverage",
    "rmse",
    "set_scores",
    "signed_rank",
    "soft_scores",
    "uar",
    "validate",
    "war",
]

NAMES = {"uar": "UAR", "war": "WA", "macro_f1": "macro-F1", "ece": "ECE", "nll": "NLL", "brier": "Brier"}
"""The metrics that `interval`, `by_group` and `evaluate` know, and how they are printed."""

SETS_LEVEL = 0.9
"""How often the sets of labels that `evaluate` scores are to hold the true one."""


def evaluate(
    truth: Column,
    predicted: Column,
    labels: Sequence[str],
    groups: Column | None = None,
    *,
    folds: Column | None = None,
    level: float = 0.95,
) -> dict[str, Any]:
    """All scores of all rows together, ready for JSON: an undefined value is None.

    Each key of `NAMES` holds ``value, low, high``; the ends are None unless ``groups``, the speakers, name
    two or more. With ``folds``, one per row, ``fold_mean`` and ``fold_sd`` (sample standard deviation, None
    for one fold) join them. Names for ``predicted`` leave out the scores that need probabilities. Beside
    these: ``n``, ``n_speakers``, ``labels``, ``level``, ``chance`` (the UAR of guessing, the WA of always
    giving the commonest label), ``per_class`` (recall with its interval over the speakers who have the class,
    precision, f1, support) and ``confusion`` (counts, rows are the truth). Probabilities add ``reliability`` (per
    bin), ``aurc`` (``value, low, high``; see `risk_coverage`) and, with two or more speakers, ``conformal``: the
    `set_scores` of sets of labels that are to hold the true one in ``level``, 0.9, of cases, those of each tenth of
    the speakers calibrated on the others (see `conformal_quantile`).
    """
    rows = validate(truth, predicted, labels)
    speakers = None if groups is None else group_codes(groups, rows.n_rows)[1]
    in_folds = None if folds is None else group_codes(folds, rows.n_rows)[1]
    report: dict[str, Any] = {
        "n": rows.n_rows,
        "n_speakers": None if speakers is None else int(speakers.max()) + 1,
        "labels": list(labels),
        "level": level,
        "chance": _chance(rows),
    }
    for name, metric in METRICS.items():
        if rows.proba is not None or name not in NEED_PROBA:
            report[name] = scored(metric, rows, speakers, in_folds, level=level)
    report["per_class"] = {}
    for i, (label, scores) in enumerate(per_class(truth, predicted, labels).items()):
        own = rows.truth == i
        recall: dict[str, float | None] = {"low": None, "high": None}
        if own.any():
            recall = scored(METRICS["war"], rows.where(own), None if speakers is None else speakers[own], level=level)
        report["per_class"][label] = {**asdict(scores), "recall_low": recall["low"], "recall_high": recall["high"]}
    report["confusion"] = confusion(truth, predicted, labels).tolist()
    if rows.proba is not None:
        report["reliability"] = _as_json(reliability(truth, predicted, labels))
        report["aurc"] = aurc_with_ends(rows, speakers, level=level)
        if speakers is not None and speakers.max() > 0:
            report["conformal"] = cross_conformal(rows, labels, speakers, sets_level=SETS_LEVEL, level=level)
    return report


def format_score(name: str, value: float, low: float | None = None, high: float | None = None) -> str:
    """``UAR 0.59 [0.55, 0.63]``, or without the brackets where the ends are None. ``name`` may be a key of
    `NAMES`."""
    score = f"{(NAMES | REGRESSION_NAMES | SOFT_NAMES).get(name, name)} {value:.2f}"
    return score if low is None or high is None else f"{score} [{low:.2f}, {high:.2f}]"


def _chance(rows: Rows) -> dict[str, float]:
    support = np.bincount(rows.truth)
    return {"uar": 1 / int((support > 0).sum()), "war": float(support.max() / support.sum())}


def _as_json(bins: Reliability) -> list[dict[str, float | int | None]]:
    return [
        {
            "low": float(bins.edges[i]),
            "high": float(bins.edges[i + 1]),
            "confidence": float(bins.confidence[i]) if count else None,
            "accuracy": float(bins.accuracy[i]) if count else None,
            "count": int(count),
        }
        for i, count in enumerate(bins.count)
    ]
