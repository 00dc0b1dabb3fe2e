"""Whom a recogniser serves worse: groups of people and of recordings against all of them."""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from emotone import metrics
from emotone.stress.scores import Heard, Names, score

if TYPE_CHECKING:
    import pandas as pd

__all__ = ["EXCHANGED", "SIMULATED", "ClassGap", "GroupScore", "class_gaps", "of_groups"]

MIN_ROWS, MIN_SPEAKERS = 20, 2
"""A group of fewer recordings says nothing, and one person is no gender, age or language."""
N_DRAWS = 1000
LEVEL = 0.95
MIN_DIVISIONS = 40
"""Ways to deal the speakers into groups of these sizes, from which on a gap can be beyond luck at that level: halves
count twice."""

EXCHANGED, SIMULATED = "speakers exchanged", "simulated random models"
"""Where a threshold comes from. With enough speakers, whole speakers exchange their groups, 1,000 times, which allows
for what speakers differ anyway (`emotone.metrics.gap`). Otherwise models are simulated that err as this one does on the
whole, alike for all groups (`emotone.metrics.fairness_threshold`): with few speakers their own differences are then
taken for the group's."""

_COLUMNS = ("corpus", "gender", "language", "intensity", "speaker", "text")
_AGES = ((30, "under 30"), (45, "30 to 44"), (60, "45 to 59"), (math.inf, "60 and over"))
_LENGTHS = ((2.0, "under 2 s"), (4.0, "2 to 4 s"), (math.inf, "over 4 s"))
_PITCHES = ((145.0, "low"), (190.0, "medium"), (math.inf, "high"))
"""Upper ends of the bands. Those of pitch, in Hz over a speaker's recordings, are those of ser-tests."""

_BY = {"text": "sentence"}


@dataclass(frozen=True)
class GroupScore:
    """How well a group is served, in clean recordings."""

    by: str
    group: str
    n: int
    n_speakers: int | None
    value: float
    """UAR; so are ``low`` and ``high``, its 95 % interval over the group's speakers."""
    low: float | None
    high: float | None
    difference: float
    """``value`` less the UAR of all recordings whose group is known."""
    threshold: float
    """The largest difference of any of these groups that luck explains, in 95 % of draws."""
    source: str
    """Where the threshold comes from: `EXCHANGED` or `SIMULATED`."""
    passed: bool


class ClassGap(NamedTuple):
    """The emotion and group whose recall (or share of answers) is furthest from that of all, and what luck explains."""

    value: float
    group: str
    label: str
    threshold: float
    source: str


def of_groups(heard: Heard, seconds: NDArray[np.float64], hertz: NDArray[np.float64]) -> tuple[GroupScore, ...]:
    """The score of each group of `MIN_ROWS` recordings and `MIN_SPEAKERS` or more, wherever there are two such groups.

    ``seconds`` and ``hertz``, the length and mean pitch of each recording, make groups too.
    """
    return tuple(
        one for by, groups in _groupings(heard.rows, seconds, hertz).items() for one in _of_kind(heard, by, groups)
    )


def _of_kind(heard: Heard, by: str, groups: Names) -> Iterator[GroupScore]:
    known, names = _large(groups, None if by == "speaker" else heard.speakers)
    if len(names) < 2:
        return
    truth, answers, groups = heard.truth[known], heard.answers(0)[known], groups[known]
    speakers = None if heard.speakers is None else heard.speakers[known]
    if by != "speaker" and speakers is not None and _exchangeable(speakers, groups):
        source = EXCHANGED
        threshold = metrics.gap("uar", truth, answers, speakers, groups, heard.labels, n=N_DRAWS).threshold
    else:
        source = SIMULATED
        threshold = metrics.fairness_threshold(truth, groups, heard.labels, predicted=answers, n=N_DRAWS)
    overall = metrics.uar(truth, answers, heard.labels)
    for name in names:
        own = groups == name
        of_speakers = None if speakers is None else speakers[own]
        value, low, high = score(truth[own], answers[own], of_speakers, heard.labels)
        n_speakers = None if of_speakers is None else len(set(of_speakers))
        gap = value - overall
        yield GroupScore(
            *(by, name, int(own.sum()), n_speakers, value, low, high, gap, threshold, source, abs(gap) <= threshold)
        )


def _large(groups: Names, speakers: Names | None) -> tuple[NDArray[np.bool_], list[str]]:
    """The rows of large enough groups, and these groups; by ``speakers`` too, unless they are None."""
    names = [
        name
        for name in dict.fromkeys(groups)
        if name
        and np.sum(groups == name) >= MIN_ROWS
        and (speakers is None or len(set(speakers[groups == name])) >= MIN_SPEAKERS)
    ]
    return np.isin(groups.astype(str), names), names


def _exchangeable(speakers: Names, groups: Names) -> bool:
    """Whether each speaker is in one group, and the speakers can be dealt into groups in ways enough."""
    pairs = set(zip(speakers, groups, strict=True))
    sizes = [sum(group == name for _, group in pairs) for name in set(groups)]
    if len(pairs) > len(set(speakers)):
        return False
    divisions = math.factorial(sum(sizes)) // math.prod(math.factorial(size) for size in sizes)
    return divisions >= MIN_DIVISIONS


def class_gaps(heard: Heard, by: str) -> dict[str, ClassGap]:
    """For ``recall`` and ``share``, the largest distance of a group of the column ``by`` from all, of any emotion.

    ``share`` is how often an emotion is answered less how often it is true, so that groups who really say other things
    aren't told apart by it. Thresholds are the 95 % quantile of the same largest distance, with speakers exchanged or,
    where there are too few of them, recordings.
    """
    if by not in heard.rows:
        return {}
    groups = _texts(heard.rows[by])
    known, names = _large(groups, heard.speakers)
    if len(names) < 2:
        return {}
    truth, answers, groups = heard.truth[known], heard.answers(0)[known], groups[known]
    speakers = None if heard.speakers is None else heard.speakers[known]
    exchanged = speakers is not None and _exchangeable(speakers, groups)
    units = speakers if exchanged and speakers is not None else np.arange(len(truth)).astype(object)
    true = truth[:, None] == np.array(heard.labels, dtype=object)
    answered = answers[:, None] == np.array(heard.labels, dtype=object)
    parts = {"recall": (true & answered, true), "share": (answered * 1.0 - true, np.ones_like(true))}
    source = EXCHANGED if exchanged else SIMULATED
    return {what: _largest(*part, units, groups, names, heard.labels, source) for what, part in parts.items()}


def _largest(
    above: NDArray[Any],
    below: NDArray[Any],
    units: Names,
    groups: Names,
    names: list[str],
    labels: Sequence[str],
    source: str,
) -> ClassGap:
    """``above / below``, ``(n, n_labels)`` each, summed over groups of units and compared with the sums of all."""
    distinct, codes = np.unique(units.astype(str), return_inverse=True)
    sums = np.zeros((2, len(distinct), above.shape[1]))
    np.add.at(sums[0], codes, above)
    np.add.at(sums[1], codes, below)
    of_unit = np.zeros(len(distinct), np.int64)
    of_unit[codes] = [names.index(name) for name in groups]
    overall = sums[0].sum(axis=0) / np.maximum(sums[1].sum(axis=0), 1)

    def distances(assigned: NDArray[np.int64]) -> NDArray[np.float64]:
        """``(n_groups, n_labels)``; 0 where a group has nothing to say."""
        inside = (assigned == np.arange(len(names))[:, None]).astype(float)
        numerator, denominator = inside @ sums[0], inside @ sums[1]
        return np.where(denominator > 0, numerator / np.maximum(denominator, 1) - overall, 0.0)

    found = distances(of_unit)
    group, label = np.unravel_index(np.abs(found).argmax(), found.shape)
    rng = np.random.default_rng(0)
    drawn = [np.abs(distances(rng.permutation(of_unit))).max() for _ in range(N_DRAWS)]
    threshold = float(np.quantile(drawn, LEVEL))
    return ClassGap(float(found[group, label]), names[int(group)], labels[int(label)], threshold, source)


# --- which group ---


def _groupings(rows: pd.DataFrame, seconds: NDArray[np.float64], hertz: NDArray[np.float64]) -> dict[str, Names]:
    """For each kind of group the name of every row's own, empty where it isn't known."""
    found = {_BY.get(column, column): _texts(rows[column]) for column in _COLUMNS if column in rows}
    if "age" in rows:
        found["age"] = _banded(rows["age"].to_numpy(dtype=np.float64, na_value=np.nan), _AGES)
    found["length"] = _banded(seconds, _LENGTHS)
    if rows["speaker"].notna().all():
        of_speaker = rows.assign(hertz=hertz).groupby("speaker")["hertz"].transform("mean")
        found["pitch"] = _banded(of_speaker.to_numpy(dtype=np.float64), _PITCHES)
    return found


def _texts(column: pd.Series[Any]) -> Names:
    """As text, empty where there is none."""
    missing = column.isna()
    return np.array(["" if gone else str(value) for value, gone in zip(column, missing, strict=True)], dtype=object)


def _banded(values: NDArray[np.float64], bands: Sequence[tuple[float, str]]) -> Names:
    """The name of the first band under whose upper end a value lies; empty for NaN, which is under nothing."""
    return np.array([next((name for end, name in bands if value < end), "") for value in values], dtype=object)
