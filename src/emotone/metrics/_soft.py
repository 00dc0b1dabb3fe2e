"""Scores against the votes of several raters, and what a rater gets under the same scores.

People don't agree on what they hear, and a label hides it. A row of ``votes`` is the share of its raters who chose
each label, ``(n, n_labels)``.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from emotone.errors import ExperimentError
from emotone.metrics._intervals import scored
from emotone.metrics._rows import SUM_TOLERANCE, group_codes, probabilities
from emotone.metrics._scores import Metric, mean_of_sums, sums_of

if TYPE_CHECKING:
    from emotone.metrics._rows import Column, Floats

SOFT_NAMES = {
    "kl": "KL",
    "js": "JS",
    "cross_entropy": "cross-entropy",
    "soft_accuracy": "soft accuracy",
    "agreement": "agreement with a rater",
    "plurality": "plurality accuracy",
    "cosine": "cosine",
}
"""The scores of `soft_scores`, and how they are printed."""

PRIOR = 0.5
"""Votes that `human_ceiling` adds to each label before the panel forecasts (Krichevsky & Trofimov 1981): what nobody
chose yet isn't impossible."""


# --- one value per row: votes and proba are (n, n_labels) and sum to one ------------------------------------


def _cross_entropy(votes: Floats, proba: Floats) -> Floats:
    return np.asarray(-(votes * np.log(np.maximum(proba, np.finfo(np.float64).eps))).sum(axis=1))


def _entropy(votes: Floats) -> Floats:
    return np.asarray(-(votes * np.log(np.where(votes > 0, votes, 1.0))).sum(axis=1))


def _kl(votes: Floats, proba: Floats) -> Floats:
    return np.asarray(np.maximum(_cross_entropy(votes, proba) - _entropy(votes), 0.0))


def _js(votes: Floats, proba: Floats) -> Floats:
    middle = (votes + proba) / 2
    shared = _entropy(middle) - (_entropy(votes) + _entropy(proba)) / 2
    return np.asarray(np.clip(shared / np.log(2), 0.0, 1.0))


def _soft_accuracy(votes: Floats, proba: Floats) -> Floats:
    return np.asarray(np.minimum(votes, proba).sum(axis=1))


def _agreement(votes: Floats, proba: Floats) -> Floats:
    return np.asarray(votes[np.arange(len(votes)), proba.argmax(axis=1)])


def _plurality(votes: Floats, proba: Floats) -> Floats:
    most = votes >= votes.max(axis=1, keepdims=True) - 1e-9
    return np.asarray(most[np.arange(len(votes)), proba.argmax(axis=1)] / most.sum(axis=1))


def _cosine(votes: Floats, proba: Floats) -> Floats:
    lengths = np.linalg.norm(votes, axis=1) * np.linalg.norm(proba, axis=1)
    return np.asarray((votes * proba).sum(axis=1) / lengths)


OF_ROWS: dict[str, Callable[[Floats, Floats], Floats]] = {
    "kl": _kl,
    "js": _js,
    "cross_entropy": _cross_entropy,
    "soft_accuracy": _soft_accuracy,
    "agreement": _agreement,
    "plurality": _plurality,
    "cosine": _cosine,
}


def soft_scores(
    votes: Column,
    proba: Column,
    labels: Sequence[str],
    groups: Column | None = None,
    *,
    renormalise: bool = False,
    level: float = 0.95,
) -> dict[str, Any]:
    """How well probabilities match the votes of raters, each score with its interval over ``groups``: JSON-ready.

    Means over rows of:

    - ``kl``: Kullback-Leibler divergence of the probabilities from the votes, in nats, 0 at best
      (``scipy.stats.entropy(votes, proba)``). Votes of few raters are a blurred picture of what people hear: even
      the exact shares among all people would score some (labels - 1) / (2 raters);
    - ``cross_entropy``: the same plus the votes' own entropy. It is the mean over raters of -log of the probability
      of what they chose, so their number blurs it but doesn't raise it;
    - ``js``: Jensen-Shannon divergence, 0 to 1 (logarithms to base 2; ``scipy.spatial.distance.jensenshannon``
      squared);
    - ``soft_accuracy``: what votes and probabilities have in common, 1 less their total variation distance;
    - ``agreement``: the share of raters who chose the answer, the label of highest probability;
    - ``plurality``: how often the answer is what most raters chose; where several labels tie for it, such an answer
      counts as one over their number;
    - ``cosine``: of the angle between the two rows.

    Probabilities of zero count as 2.2e-16, as in `nll`. Beside these: ``n`` rows, ``n_speakers``, ``labels``,
    ``level``, ``entropy`` (of the votes: the least cross-entropy there can be), and for votes outside ``labels``
    ``votes_kept`` and ``n_without_votes``: rows must sum to one, unless with ``renormalise`` the votes for other
    labels are left out and the rest divided by what remains; rows without any are dropped, and both are counted.

    Raises `ExperimentError` for missing or negative votes and for rows that don't sum to one.
    """
    given = np.asarray(proba)
    forecasts = probabilities(given, labels)
    shares = _vote_array(votes, labels)
    if len(shares) != len(forecasts):
        raise ExperimentError(f"There are {len(shares)} rows of votes but {len(forecasts)} of probabilities.")
    sums = shares.sum(axis=1)
    _check_sums(shares, sums, labels, renormalise)
    voted = sums > 0
    pairs = _Pairs(_normalised(shares[voted]), _normalised(forecasts[voted]))
    speakers = None if groups is None else group_codes(groups, len(shares))[1][voted]
    return {
        "n": pairs.n_rows,
        "n_speakers": None if speakers is None else len(np.unique(speakers)),
        "labels": list(labels),
        "level": level,
        "votes_kept": float(sums.mean()) if renormalise else 1.0,
        "n_without_votes": int((~voted).sum()),
        "entropy": float(_entropy(pairs.votes).mean()),
        **{
            name: scored(_metric(name, _of_pairs(of_rows)), pairs, speakers, level=level)
            for name, of_rows in OF_ROWS.items()
        },
    }


@dataclass(frozen=True)
class _Pairs:
    votes: Floats
    proba: Floats

    @property
    def n_rows(self) -> int:
        return len(self.votes)


def _of_pairs(of_rows: Callable[[Floats, Floats], Floats]) -> Callable[[_Pairs], Floats]:
    return lambda pairs: of_rows(pairs.votes, pairs.proba)


def _metric(name: str, values: Callable[[Any], Floats]) -> Metric:
    if name in ("kl", "cross_entropy"):
        return Metric(sums_of(values), mean_of_sums, scale="log", top=np.inf)
    return Metric(sums_of(values), mean_of_sums)


# --- what people get -------------------------------------------------------------------------------------------


def human_ceiling(
    votes: Column,
    labels: Sequence[str],
    groups: Column | None = None,
    *,
    n_raters: Column | None = None,
    level: float = 0.95,
) -> dict[str, Any]:
    """What people get under `soft_scores`, each rater judged by the others: JSON-ready, to stand beside a score.

    ``votes`` are counts, ``(n, n_labels)``; or shares, with ``n_raters`` per row. Each vote is taken out of its row
    in turn, and the values are averaged over the votes of a row, then over rows:

    - ``rater``: the vote taken out is the forecast, with all its weight on one label, and the others' shares are the
      truth. KL and cross-entropy are infinite for such a forecast as soon as one other rater disagrees, and left
      out. A recogniser may well beat this: a rater is one person with a bad day.
    - ``panel``: the others are the forecast (half a vote is added to each label), and the vote taken out is the
      truth. This is as much as other people's ears tell about one more person's, and with many raters hardly to be
      beaten. For ``agreement``, ``cross_entropy`` and ``kl`` alone: they are the mean over raters whether these are
      judged one by one or together, so the figures compare with a recogniser's to the digit. ``agreement`` is of
      the label that most of the others chose.

    **Few raters.** With m of them, a rater is judged by m - 1 votes and a recogniser by m. ``agreement`` and
    ``soft_accuracy`` of a rater don't depend on m. ``js``, ``cosine`` and ``plurality`` are a little worse the fewer
    votes judge, and the panel forecasts worse than a larger one would: with four raters the true ceiling is
    visibly higher, with ten a little.

    CREMA-D by voice alone (7,442 clips, 9.2 raters each): a rater agrees with another on 0.465 of clips
    [0.458, 0.473], a panel of the others with one more rater on 0.566 [0.557, 0.575].

    Rows of fewer than two raters are left out and counted in ``n_too_few``. Beside these: ``n``, ``n_speakers``,
    ``labels``, ``level``, ``raters`` (mean per row), ``entropy``.
    """
    counts = _count_array(votes, labels, n_raters)
    raters = counts.sum(axis=1)
    enough = raters > 1
    if not enough.any():
        raise ExperimentError("No row has two raters or more, so none can be judged by the others.")
    polls = _Polls(counts[enough])
    speakers = None if groups is None else group_codes(groups, len(counts))[1][enough]

    def of(values: dict[str, Callable[[_Polls], Floats]]) -> dict[str, Any]:
        return {name: scored(_metric(name, value), polls, speakers, level=level) for name, value in values.items()}

    rater = {name: _one_against_others(OF_ROWS[name]) for name in OF_ROWS if name not in ("kl", "cross_entropy")}
    return {
        "n": polls.n_rows,
        "n_speakers": None if speakers is None else len(np.unique(speakers)),
        "labels": list(labels),
        "level": level,
        "raters": float(raters[enough].mean()),
        "n_too_few": int((~enough).sum()),
        "entropy": float(_entropy(_normalised(polls.counts)).mean()),
        "rater": of(rater),
        "panel": of({"agreement": rater["plurality"], "cross_entropy": _panel_loss, "kl": _panel_divergence}),
    }


@dataclass(frozen=True)
class _Polls:
    counts: Floats

    @property
    def n_rows(self) -> int:
        return len(self.counts)


def _one_against_others(of_rows: Callable[[Floats, Floats], Floats]) -> Callable[[_Polls], Floats]:
    """``of_rows`` with one rater as the forecast, mean over raters: raters of one label are alike."""

    def value(polls: _Polls) -> Floats:
        counts, raters = polls.counts, polls.counts.sum(axis=1)
        total = np.zeros(len(counts))
        for label in range(counts.shape[1]):
            chose = counts[:, label] > 0
            one = np.zeros((int(chose.sum()), counts.shape[1]))
            one[:, label] = 1.0
            total[chose] += counts[chose, label] * of_rows(_normalised(counts[chose] - one), one)
        return np.asarray(total / raters)

    return value


def _panel_loss(polls: _Polls) -> Floats:
    counts, raters = polls.counts, polls.counts.sum(axis=1, keepdims=True)
    forecast = (counts - 1 + PRIOR) / (raters - 1 + PRIOR * counts.shape[1])
    return np.asarray(-(counts * np.log(np.where(counts > 0, forecast, 1.0))).sum(axis=1) / raters[:, 0])


def _panel_divergence(polls: _Polls) -> Floats:
    return np.asarray(np.maximum(_panel_loss(polls) - _entropy(_normalised(polls.counts)), 0.0))


# --- checks --------------------------------------------------------------------------------------------------


def _normalised(votes: Floats) -> Floats:
    return np.asarray(votes / votes.sum(axis=1, keepdims=True))


def _vote_array(votes: Column, labels: Sequence[str]) -> Floats:
    try:
        given = np.asarray(votes).astype(np.float64)
    except (TypeError, ValueError) as error:
        raise ExperimentError(f"Votes must be numbers ({error}).") from error
    if given.ndim != 2 or given.shape[1] != len(labels) or not len(given):
        raise ExperimentError(
            f"Votes need one column for each of the {len(labels)} labels {', '.join(labels)}, and a row at least; "
            f"their shape is {given.shape}."
        )
    if missing := int((~np.isfinite(given)).any(axis=1).sum()):
        raise ExperimentError(
            f"{missing} of {len(given)} rows have no votes, or some that aren't numbers; drop these rows, for example "
            "with table.dropna(subset=[...])."
        )
    if given.min() < 0:
        raise ExperimentError(f"Votes can't be negative, but the lowest is {given.min():.4g}.")
    return given


def _check_sums(votes: Floats, sums: Floats, labels: Sequence[str], renormalise: bool) -> None:
    off = np.where(renormalise, sums - 1, np.abs(sums - 1))
    worst = int(off.argmax())
    if off[worst] > SUM_TOLERANCE:
        raise ExperimentError(
            f"Each row of votes must sum to 1, but row {worst} sums to {sums[worst]:.4g}. {_likely_cause(votes, sums)}"
        )
    if not sums.any():
        raise ExperimentError(f"No row has a vote for any of the labels {', '.join(labels)}.")


def _likely_cause(votes: Floats, sums: Floats) -> str:
    if sums.max() <= 1 + SUM_TOLERANCE:
        return (
            "If raters could choose other labels too, renormalise=True scores the votes that remain and says how "
            "many they are."
        )
    if (votes == np.round(votes)).all():
        return "These look like counts: divide each row by its sum."
    if (np.abs(sums - 100) <= 1).all():
        return "These look like percentages: divide them by 100."
    return "Divide each row by its sum, if these are all of its votes."


def _count_array(votes: Column, labels: Sequence[str], n_raters: Column | None) -> Floats:
    given = _vote_array(votes, labels)
    if n_raters is not None:
        raters = np.asarray(n_raters, dtype=np.float64)
        if raters.shape != given.shape[:1] or not np.isfinite(raters).all():
            raise ExperimentError(f"n_raters needs one number for each of the {len(given)} rows.")
        given = given * raters[:, np.newaxis]
    counts = np.round(given)
    if (np.abs(given - counts) > 0.01).any():
        row = int((np.abs(given - counts) > 0.01).any(axis=1).argmax())
        raise ExperimentError(
            f"Row {row} doesn't hold whole votes ({', '.join(f'{count:.3g}' for count in given[row])}). "
            + ("Give n_raters, one per row, if these are shares." if n_raters is None else "Is n_raters right?")
        )
    return counts
