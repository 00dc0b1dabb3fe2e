"""Scores, and how far to trust them.

Conventions ----------- ``truth`` holds one emotion name per row, shape ``(n,)``. ``predicted`` is either one
name per row, ``(n,)``, or one probability per row and label, ``(n, n_labels)``, whose highest column (the
first of equals) is the answer. ``labels`` gives the names of the columns and is always asked for, because the
rows alone can't say which emotions were possible.

**Absent classes.** A label that no row truly has has no recall, so it is left out of every mean over classes:
of `uar` and `macro_f1`, and of the same scores of a resample or of one speaker. This is the rule of
scikit-learn's ``balanced_accuracy_score``; the macro average of its ``recall_score`` counts such a label as
zero once it was predicted (truth ``[a, a]``, predicted ``[a, b]``: 0.50 here, 0.25 there). Rows wrongly given
to an absent label still count as misses of their own class.

**Intervals.** Clips of one speaker resemble each other, so whole speakers are resampled, with replacement.
The spread of the resampled scores, with Student's t for ``n_speakers - 1`` degrees of freedom, gives the
interval: see `interval` for the reasons and the measured coverage.

Every score here is a function of sums over rows (a confusion matrix, calibration bins, a total loss). The
sums are taken once for each speaker, and a resample is a weighted sum of them: a thousand cost milliseconds.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict
from typing import TYPE_CHECKING, Any

import numpy as np

from emotone.metrics._intervals import by_group, interval, resampled_interval
from emotone.metrics._rows import Rows, group_codes, validate
from emotone.metrics._scores import (
    METRICS,
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

if TYPE_CHECKING:
    from emotone.metrics._rows import Column, Ints

__all__ = [
    "NAMES",
    "ClassScores",
    "Reliability",
    "brier",
    "by_group",
    "confusion",
    "ece",
    "evaluate",
    "format_score",
    "interval",
    "macro_f1",
    "nll",
    "per_class",
    "reliability",
    "uar",
    "validate",
    "war",
]

NAMES = {"uar": "UAR", "war": "WA", "macro_f1": "macro-F1", "ece": "ECE", "nll": "NLL", "brier": "Brier"}
"""The metrics that `interval`, `by_group` and `evaluate` know, and how they are printed."""


def evaluate(
    truth: Column,
    predicted: Column,
    labels: Sequence[str],
    groups: Column | None = None,
    *,
    folds: Column | None = None,
    level: float = 0.95,
    n: int = 1000,
    seed: int = 0,
) -> dict[str, Any]:
    """All scores of all rows together, ready for JSON: an undefined value is None.

    Each key of `NAMES` holds ``value, low, high``; the ends are None unless ``groups``, the speakers, name
    two or more. With ``folds``, one per row, ``fold_mean`` and ``fold_sd`` (sample standard deviation, None
    for one fold) join them. Names for ``predicted`` leave out the scores that need probabilities. Beside
    these: ``n``, ``n_speakers``, ``labels``, ``level``, ``chance`` (the UAR of guessing, the WA of always
    giving the commonest label), ``per_class`` (recall with its interval over the speakers who have the class,
    precision, f1, support), ``confusion`` (counts, rows are the truth) and ``reliability`` (per bin).
    """
    rows = validate(truth, predicted, labels)
    speakers, codes = ([], None) if groups is None else group_codes(groups, len(rows.truth))
    options = {"level": level, "n": n, "seed": seed}
    report: dict[str, Any] = {
        "n": len(rows.truth),
        "n_speakers": None if groups is None else len(speakers),
        "labels": list(labels),
        "level": level,
        "chance": _chance(rows),
    }
    for name in NAMES:
        if rows.proba is None and name in ("ece", "nll", "brier"):
            continue
        report[name] = {"value": METRICS[name].of(rows), **_ends(name, rows, codes, options)}
        if folds is not None:
            report[name] |= _over_folds(list(by_group(name, truth, predicted, folds, labels).values()))
    report["per_class"] = {}
    for i, (label, scores) in enumerate(per_class(truth, predicted, labels).items()):
        own = rows.truth == i
        recall = _ends("war", rows.where(own), None if codes is None else codes[own], options)
        report["per_class"][label] = {
            **asdict(scores),
            "recall_low": recall["low"],
            "recall_high": recall["high"],
        }
    report["confusion"] = confusion(truth, predicted, labels).tolist()
    if rows.proba is not None:
        report["reliability"] = _as_json(reliability(truth, predicted, labels))
    return report


def format_score(name: str, value: float, low: float | None = None, high: float | None = None) -> str:
    """``UAR 0.59 [0.55, 0.63]``, or without the brackets where the ends are None. ``name`` may be a key of
    `NAMES`."""
    score = f"{NAMES.get(name, name)} {value:.2f}"
    return score if low is None or high is None else f"{score} [{low:.2f}, {high:.2f}]"


def _ends(name: str, rows: Rows, codes: Ints | None, options: dict[str, Any]) -> dict[str, float | None]:
    speakers, codes = (None, None) if codes is None else np.unique(codes, return_inverse=True)
    if speakers is None or codes is None or len(speakers) < 2:
        return {"low": None, "high": None}
    low, high = resampled_interval(METRICS[name], rows, codes, len(speakers), **options)
    return {"low": low, "high": high}


def _over_folds(scores: list[float]) -> dict[str, float | None]:
    sd = float(np.std(scores, ddof=1)) if len(scores) > 1 else None
    return {"fold_mean": float(np.mean(scores)), "fold_sd": sd}


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
