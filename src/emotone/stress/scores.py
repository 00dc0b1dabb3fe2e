"""Scores of a stress test: what was heard, and each condition against clean."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, NamedTuple

import numpy as np
from numpy.typing import NDArray

from emotone import metrics
from emotone.stress.conditions import Condition

if TYPE_CHECKING:
    import pandas as pd

__all__ = ["ConditionScore", "Heard", "Names", "Score", "of_conditions", "score"]

Names = NDArray[np.object_]


class Heard(NamedTuple):
    """The recordings of a test, ``n`` of them, in the order of ``rows``, and the answers to each version."""

    rows: pd.DataFrame
    labels: tuple[str, ...]
    """All that the recogniser may answer."""
    proba: NDArray[np.float64]
    """``(n, n_versions, n_labels)``, clean first; NaN where it refused to judge"""
    abstained: NDArray[np.bool_]
    """``(n, n_versions)``"""

    @property
    def truth(self) -> Names:
        """The true emotion of each recording."""
        return self.rows["emotion"].to_numpy(dtype=object)

    @property
    def speakers(self) -> Names | None:
        """None where any is unknown: a score then has no interval."""
        speakers = self.rows["speaker"]
        return speakers.to_numpy(dtype=object) if speakers.notna().all() else None

    def refused(self, version: int) -> NDArray[np.bool_]:
        """Where the recogniser didn't judge that version at all: too short, or silent."""
        return np.asarray(np.isnan(self.proba[:, version]).any(axis=1))

    def answers(self, version: int) -> Names:
        """The likeliest emotion of each recording, also where the recogniser was too unsure to name it.

        Where it refused to judge (silence, too short) the answer is one that isn't true: a miss.
        """
        refused = self.refused(version)
        names = np.array(self.labels, dtype=object)
        likeliest = np.where(refused[:, None], 0.0, self.proba[:, version]).argmax(axis=1)
        wrong = (np.array([self.labels.index(name) for name in self.truth]) + 1) % len(self.labels)
        return np.asarray(names[np.where(refused, wrong, likeliest)])


class Score(NamedTuple):
    """UAR and the ends of its 95 % interval over speakers; None with fewer than two of them."""

    value: float
    low: float | None
    high: float | None


@dataclass(frozen=True)
class ConditionScore:
    """What a condition does to the answers."""

    name: str
    family: str
    title: str
    value: float
    """UAR; so are ``low`` and ``high``, its 95 % interval over speakers."""
    low: float | None
    high: float | None
    difference: float
    """``value`` less that of the clean recordings, with the 95 % interval of the paired difference."""
    difference_low: float | None
    difference_high: float | None
    same_answer: float
    """Share of the recordings with the same likeliest emotion as clean; refused both times counts as the same."""
    abstained: float
    """Share of the recordings for which no emotion was named."""
    abstained_more: float
    """The same less that of the clean recordings."""
    leans_to: str
    """The emotion that is answered more often than in the clean recordings by the largest share, ``leans_by``."""
    leans_by: float
    confidence: float | None
    """Mean change of the likeliest emotion's probability where both were judged; None if none were."""


def score(truth: Names, answers: Names, speakers: Names | None, labels: Sequence[str]) -> Score:
    """UAR with its interval."""
    value = metrics.uar(truth, answers, labels)
    if speakers is None or len(set(speakers)) < 2:
        return Score(value, None, None)
    return Score(value, *metrics.interval("uar", truth, answers, speakers, labels))


def of_conditions(heard: Heard, conditions: Sequence[Condition]) -> tuple[ConditionScore, ...]:
    """The score of each condition, in their order."""
    return tuple(_of_condition(heard, 1 + index, condition) for index, condition in enumerate(conditions))


def _of_condition(heard: Heard, version: int, condition: Condition) -> ConditionScore:
    truth, speakers, clean, changed = heard.truth, heard.speakers, heard.answers(0), heard.answers(version)
    value, low, high = score(truth, changed, speakers, heard.labels)
    refused, refused_clean = heard.refused(version), heard.refused(0)
    same = np.where(refused | refused_clean, refused & refused_clean, changed == clean)
    surer = (heard.proba[:, version].max(axis=1) - heard.proba[:, 0].max(axis=1))[~refused & ~refused_clean]
    abstained = float(heard.abstained[:, version].mean())
    more = {label: float(np.mean(changed == label) - np.mean(clean == label)) for label in heard.labels}
    leans_to = max(more, key=lambda label: more[label])
    ends: tuple[float | None, float | None] = (None, None)
    if speakers is not None and low is not None:
        gap = metrics.difference("uar", truth, changed, clean, speakers, heard.labels)
        ends = gap.low, gap.high
    return ConditionScore(
        *(condition.name, condition.family, condition.title, value, low, high),
        value - metrics.uar(truth, clean, heard.labels),
        *ends,
        same_answer=float(same.mean()),
        abstained=abstained,
        abstained_more=abstained - float(heard.abstained[:, 0].mean()),
        leans_to=leans_to,
        leans_by=more[leans_to],
        confidence=float(surer.mean()) if len(surer) else None,
    )
