"""Is a recogniser better for some people than for others, or does it only look so?

Two references for how far a group's score may be from the score of all rows:

- `gap` exchanges the groups of whole speakers. Use it where the group is a property of the speaker (gender, age,
  accent) and there are ten speakers or more: speakers differ, and two dozen of them fall into two halves of
  different scores by luck alone.
- `fairness_threshold` simulates recognisers that treat all groups alike, clip by clip. Use it where clips of one
  speaker are in all groups (loudness, sentence, recording length), where there are as many speakers as clips, or
  to compare with published thresholds. With few speakers it is too strict: it takes their differences for the
  group's.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from emotone.errors import ExperimentError, unknown
from emotone.metrics._named import metric_and_rows
from emotone.metrics._rows import group_codes, validate
from emotone.metrics._scores import COUNTED, METRICS

if TYPE_CHECKING:
    from emotone.metrics._rows import Column, Floats, Ints, Numbers, Rows
    from emotone.metrics._scores import Metric


@dataclass(frozen=True)
class Gap:
    """How far groups are apart, and how far they would be by luck."""

    value: float
    """The largest of the ``differences``, without its sign."""
    scores: dict[Any, float]
    """Of each group, in order of first appearance."""
    differences: dict[Any, float]
    """Of each group's score from what it would be if groups didn't matter: below 0 where the recogniser is worse for
    it (better, if the metric is an error), NaN where it has no score."""
    threshold: float
    """What ``value`` stays below with probability ``quantile`` if groups don't matter."""
    p: float
    """How often it is as large by luck."""


def gap(
    metric: str,
    truth: Column,
    predicted: Column,
    speakers: Column,
    by: Column,
    labels: Sequence[str] | None = None,
    *,
    quantile: float = 0.95,
    n: int = 1000,
    seed: int = 0,
) -> Gap:
    """The gap between the groups of ``by`` (one per row, such as gender), beside ``n`` gaps of exchanged groups.

    Where each speaker is in one group, whole speakers exchange theirs, and a group's score is held against that of
    all rows: differences between speakers are allowed for. Where a speaker has rows of several groups (loudness,
    length), these rows exchange groups within the speaker, and a group's score is held against the mean of its
    draws: who is in it, and how often, is allowed for. ``p`` counts the gap itself as one of the draws; with S
    speakers of whom G are in the smaller group it can't be less than 1 / (S choose G).

    ``metric`` is a key of `NAMES` or, without ``labels``, of `REGRESSION_NAMES`. Scores of groups with different
    emotions in them differ for that reason too: UAR minds it least.

    Raises `ExperimentError` for a single group or for rows without one.
    """
    _check_draws(quantile, n)
    scorer, rows = metric_and_rows(metric, truth, predicted, labels)
    who, codes = group_codes(speakers, rows.n_rows)
    names, groups = _groups(by, rows.n_rows)
    rng = np.random.default_rng(seed)
    sums = scorer.sums(rows, groups, len(names))
    scores, expected = scorer.score(sums), scorer.score(sums.sum(axis=0))
    of_speaker = np.full(len(who), -1)
    of_speaker[codes] = groups
    if (of_speaker[codes] == groups).all():
        drawn = scorer.score(_exchanged_speakers(scorer.sums(rows, codes, len(who)), of_speaker, len(names), n, rng))
    else:
        drawn = scorer.score(_exchanged_rows(scorer, rows, codes, groups, len(names), n, rng))
        expected = drawn.mean(axis=0)
    differences = scores - expected
    # fmax passes over groups whose score is undefined.
    value = float(np.fmax.reduce(np.abs(differences)))
    by_luck = np.fmax.reduce(np.abs(drawn - expected), axis=-1)
    if not np.isfinite([value, *by_luck]).all():
        raise ExperimentError(f"No group has a {metric} here, or wouldn't with groups exchanged: they are too small.")
    return Gap(
        value,
        scores={name: float(score) for name, score in zip(names, scores, strict=True)},
        differences={name: float(difference) for name, difference in zip(names, differences, strict=True)},
        threshold=float(np.quantile(by_luck, quantile)),
        p=float((1 + (by_luck >= value - 1e-12).sum()) / (n + 1)),
    )


def _exchanged_speakers(sums: Floats, of_speaker: Ints, n_groups: int, n: int, rng: np.random.Generator) -> Floats:
    """Sums of each group, ``(n, n_groups, d)``, after ``n`` shuffles of the speakers' groups."""
    shuffled = rng.permuted(np.tile(of_speaker, (n, 1)), axis=1)
    return np.stack([(shuffled == group) @ sums for group in range(n_groups)], axis=1)


def _exchanged_rows(
    metric: Metric, rows: Rows | Numbers, speakers: Ints, groups: Ints, n_groups: int, n: int, rng: np.random.Generator
) -> Floats:
    """The same, after ``n`` shuffles of each speaker's rows among the groups."""
    in_order = np.argsort(speakers, kind="stable")
    shuffled, drawn = np.empty_like(groups), []
    for _ in range(n):
        # A speaker's number and a random fraction: sorting shuffles within speakers.
        shuffled[in_order] = groups[np.argsort(speakers + rng.random(len(speakers)))]
        drawn.append(metric.sums(rows, shuffled, n_groups))
    return np.stack(drawn)


def fairness_threshold(
    truth: Column,
    by: Column,
    labels: Sequence[str],
    *,
    predicted: Column | None = None,
    metric: str = "uar",
    quantile: float = 0.95,
    n: int = 1000,
    seed: int = 0,
) -> float:
    """How far the score of some group of ``by`` is from that of all rows by chance, in a recogniser that treats all
    groups alike: the ``quantile`` of ``n`` simulations with the clips and emotions that each group has.

    The recogniser answers at random, each label as likely as another, as in audEERING's tests (Derington et al.
    2023, who take the largest of 1,000 simulations: ``quantile=1``). Given the ``predicted`` answers of a real one,
    it errs as that does on the whole, in the same way for all groups: the fairer comparison, since the better a
    recogniser, the more or less its score scatters. Answers of a speaker are drawn one by one, as if they were of
    as many people; see `gap` for what speakers add. ``metric`` is uar, war or macro_f1.
    """
    _check_draws(quantile, n)
    if metric not in COUNTED:
        raise unknown("metric for a threshold", metric, COUNTED)
    truths = np.asarray(truth, dtype=object)
    rows = validate(truths, truths if predicted is None else predicted, labels)
    names, groups = _groups(by, rows.n_rows)
    k = len(labels)
    errs = np.full((k, k), 1 / k)
    if predicted is not None:
        counts = np.bincount(rows.truth * k + rows.answer, minlength=k * k).reshape(k, k)
        errs = counts / np.maximum(counts.sum(axis=1, keepdims=True), 1)
    support = np.bincount(groups * k + rows.truth, minlength=len(names) * k).reshape(len(names), k)
    drawn = np.zeros((n, len(names), k, k))
    rng = np.random.default_rng(seed)
    for group, label in zip(*np.nonzero(support), strict=True):
        drawn[:, group, label] = rng.multinomial(support[group, label], errs[label], size=n)
    counted = drawn.reshape(n, len(names), k * k)
    score = METRICS[metric].score
    distances = np.abs(score(counted) - score(counted.sum(axis=1))[:, np.newaxis])
    return float(np.quantile(distances.max(axis=1), quantile))


def _groups(by: Column, n_rows: int) -> tuple[list[Any], Ints]:
    names, codes = group_codes(by, n_rows, what="group")
    if len(names) < 2:
        raise ExperimentError(f"All rows are of one group, {names[0]}; a gap needs two or more.")
    return names, codes


def _check_draws(quantile: float, n: int) -> None:
    if not 0 < quantile <= 1 or n < 2:
        raise ExperimentError(f"quantile must lie above 0 and at most 1, and n be 2 or more, not {quantile} and {n}.")
