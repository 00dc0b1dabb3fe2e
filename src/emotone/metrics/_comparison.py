"""Two recognisers on the same rows: how much better one is, and whether that could be luck."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from emotone.errors import ExperimentError
from emotone.metrics._intervals import effective_dof, standard_error, student_p, student_t
from emotone.metrics._named import by_group, metric_and_rows
from emotone.metrics._rows import group_codes

if TYPE_CHECKING:
    from emotone.metrics._rows import Column, Floats, Ints

EXACT_UP_TO = 200
"""Speakers up to which `signed_rank` counts every outcome."""

SAME = 1e-12
"""Differences this close are ties: 0.3 - 0.1 and 0.4 - 0.2 aren't equal in float64."""


@dataclass(frozen=True)
class Difference:
    """The score of a minus that of b on the same rows, its interval, and the two-sided ``p`` of there being none on
    new speakers."""

    value: float
    low: float
    high: float
    p: float


def difference(
    metric: str,
    truth: Column,
    predicted_a: Column,
    predicted_b: Column,
    groups: Column,
    labels: Sequence[str] | None = None,
    *,
    level: float = 0.95,
) -> Difference:
    """How much higher a scores than b, with each of ``groups``, the speakers, left out in turn of both at once.

    Pairing counts: both find the same speakers hard, so the difference varies much less between speakers than
    either score, and two intervals that overlap may hide a sure difference. Interval and ``p`` come from one
    standard error and Student's t as in `interval`, without a change of scale: ``p`` is below ``1 - level`` just
    where the interval leaves 0 out. ``metric`` is a key of `NAMES` or, without ``labels``, of `REGRESSION_NAMES`;
    of errors (ECE, NLL, Brier, RMSE, MAE) the lower is the better one.

    Of 1,000 simulated 95 % intervals of a difference in UAR between 94.7 and 96.2 % held the truth, with 4, 10, 24 and
    90 speakers of even and uneven size (a percentile bootstrap's: 81 to 95 %).

    Where a is better by exactly as much without any one speaker, there is no spread to judge by: the interval is a
    point and ``p`` is 0 or 1. Raises `ExperimentError` for fewer than two speakers.

    McNemar's test isn't offered: it counts clips that one recogniser got right and the other wrong as so many
    independent trials, and clips of one speaker are nothing of the kind. Its p is far too small.
    """
    scorer, rows_a = metric_and_rows(metric, truth, predicted_a, labels)
    _, rows_b = metric_and_rows(metric, truth, predicted_b, labels)
    names, codes = group_codes(groups, len(rows_a.truth))
    both = np.stack([scorer.sums(rows, codes, len(names)) for rows in (rows_a, rows_b)], axis=1)

    def gain(sums: Floats) -> Floats:
        scores = scorer.score(sums)
        return np.asarray(scores[..., 0] - scores[..., 1])

    value = float(gain(both.sum(axis=0)))
    error, dof = standard_error(gain, both), effective_dof(np.bincount(codes))
    reach, span = student_t(level, dof) * error, scorer.top - scorer.bottom
    return Difference(
        value,
        low=float(np.clip(value - reach, -span, value)),
        high=float(np.clip(value + reach, value, span)),
        p=_p_of(value, error, dof),
    )


def _p_of(value: float, error: float, dof: float) -> float:
    if abs(value) <= SAME:
        return 1.0
    return student_p(value / error, dof) if error > SAME else 0.0


@dataclass(frozen=True)
class SignedRank:
    """Wilcoxon's ``statistic``, the smaller of the two sums of ranks; its two-sided ``p``; and ``n``, the speakers
    who differ."""

    statistic: float
    p: float
    n: int


def signed_rank(
    metric: str,
    truth: Column,
    predicted_a: Column,
    predicted_b: Column,
    groups: Column,
    labels: Sequence[str] | None = None,
) -> SignedRank:
    """Wilcoxon's signed-rank test over speakers: is a better than b for most of them, and by more?

    Each speaker counts once, however many clips they have, and no bell curve is assumed. It needs six speakers to
    reach p < 0.05 at all. Speakers with the same score under both say nothing and are left out (Wilcoxon 1945;
    scipy's ``zero_method="wilcox"``), as are those whose score is undefined (see `ccc`). Equal differences share
    their mean rank. Up to 200 speakers the p is exact, ties or not: every assignment of signs is counted
    (``scipy.stats.wilcoxon`` agrees: with ``method="exact"`` without ties, with a full `PermutationMethod` with
    them). Beyond, it is the normal approximation, corrected for ties but not for continuity.

    Compare `difference`, which answers by how much the pooled score differs.
    """
    scores_a, scores_b = (
        np.array(list(by_group(metric, truth, predicted, groups, labels).values()))
        for predicted in (predicted_a, predicted_b)
    )
    gains = scores_a - scores_b
    gains = gains[np.isfinite(gains) & (np.abs(gains) > SAME)]
    if len(scores_a) < 2:
        raise ExperimentError("A test over speakers needs two or more, and all rows here are of one.")
    if not len(gains):
        return SignedRank(0.0, 1.0, 0)
    doubled = _doubled_ranks(np.abs(gains))
    above, total = int(doubled[gains > 0].sum()), int(doubled.sum())
    smaller = min(above, total - above)
    p = _exact_p(doubled, smaller) if len(gains) <= EXACT_UP_TO else _normal_p(doubled, smaller)
    return SignedRank(smaller / 2, p, len(gains))


def _doubled_ranks(sizes: Floats) -> Ints:
    """Twice the rank of each size, ties sharing their mean: whole numbers."""
    order = np.sort(sizes)
    return np.searchsorted(order, sizes - SAME, side="left") + np.searchsorted(order, sizes + SAME, side="right") + 1


def _exact_p(doubled: Ints, smaller: int) -> float:
    """How often random signs give a sum of ranks as far out as this one."""
    # ways[i]: the share of assignments of signs with a (doubled) sum of i, rank by rank.
    ways = np.zeros(int(doubled.sum()) + 1)
    ways[0] = 1.0
    for rank in doubled:
        ways[rank:] = ways[rank:] + ways[:-rank]
        ways /= 2
    return min(1.0, 2 * float(ways[: smaller + 1].sum()))


def _normal_p(doubled: Ints, smaller: int) -> float:
    ranks = doubled / 2
    z = (smaller / 2 - ranks.sum() / 2) / np.sqrt((ranks**2).sum() / 4)
    return math.erfc(abs(z) / math.sqrt(2))
