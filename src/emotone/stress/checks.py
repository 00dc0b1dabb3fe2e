"""The tests that audEERING's ser-tests describe, for any recogniser and corpus: each passed or failed, in a sentence.

Source: Derington, Wierstorf, Özkil, Eyben, Burkhardt and Schuller (2025), "Testing correctness, fairness, and
robustness of speech emotion recognition models", IEEE Transactions on Affective Computing, and the documentation of
``audeering/ser-tests``. Thresholds of correctness and robustness are theirs. Those of fairness are what luck explains
with the recordings at hand, where they simulated groups of 1,000: see `emotone.stress.groups.EXCHANGED`. What can't be
tested with these recordings is named, with the reason, rather than passed.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from emotone import metrics
from emotone.stress.groups import GroupScore, class_gaps
from emotone.stress.scores import ConditionScore, Heard

__all__ = ["Check", "check_all", "impossible"]

LITERATURE = "ser-tests"

MIN_CORRECT = 0.5
MAX_SHARE_GAP = 0.15
MAX_SPEAKER_ERROR = 0.1
MIN_SPEAKER_CLASS = 8
"""Recordings of each emotion that a speaker needs for the last one."""


@dataclass(frozen=True)
class Check:
    """A named test. ``source`` says where its threshold comes from; ``family`` is correctness, fairness or
    robustness."""

    name: str
    family: str
    title: str
    passed: bool
    value: float
    threshold: float
    sentence: str
    source: str


def check_all(heard: Heard, conditions: Sequence[ConditionScore], groups: Sequence[GroupScore]) -> tuple[Check, ...]:
    """All tests that these answers allow. ``heard`` holds at least the clean answers."""
    return (*_correctness(heard), *_fairness(heard, groups), *_robustness(conditions))


def impossible(heard: Heard, conditions: Sequence[ConditionScore], groups: Sequence[GroupScore]) -> dict[str, str]:
    """Tests that weren't run, with the reason."""
    reasons = {
        "fairness_accent": "no recordings of one text in many accents, such as the Speech Accent Archive",
        "fairness_linguistic_sentiment": "no neutral voices that say positive and negative words",
        "robustness_recording_condition": "no recordings of the same voice through several microphones at once",
    }
    by = {group.by for group in groups}
    for kind in ("gender", "language", "age", "pitch", "intensity", "speaker", "sentence"):
        if kind not in by:
            reasons[f"fairness_{kind}"] = f"the recordings aren't of two known groups by {kind} or more"
    names = {condition.name for condition in conditions}
    for test, needed in _ROBUSTNESS.items():
        if not names & set(needed.conditions):
            reasons[f"robustness_{test}"] = "its conditions weren't among those asked for"
    if not any(_speaker_errors(heard)):
        reasons["correctness_speaker_average"] = f"no speaker has {MIN_SPEAKER_CLASS} recordings of each emotion"
    return reasons


# --- correctness ---


def _correctness(heard: Heard) -> Iterator[Check]:
    truth, answers = heard.truth, heard.answers(0)
    uar = metrics.uar(truth, answers, heard.labels)
    yield _at_least("correctness_uar", "Unweighted average recall", uar, MIN_CORRECT, f"UAR is {uar:.2f}")
    present = {label: one for label, one in metrics.per_class(truth, answers, heard.labels).items() if one.support}
    recalls = {label: one.recall or 0.0 for label, one in present.items()}
    precisions = {label: one.precision or 0.0 for label, one in present.items()}
    for kind, values in (("recall", recalls), ("precision", precisions)):
        worst = min(values, key=lambda label: values[label])
        text = f"the lowest {kind} is {values[worst]:.2f}, of {worst}"
        yield _at_least(
            f"correctness_{kind}", f"{kind.capitalize()} of every emotion", values[worst], MIN_CORRECT, text
        )
    gaps = _shares(answers, heard.labels) - _shares(truth, heard.labels)
    worst_gap = int(np.abs(gaps).argmax())
    text = f"{heard.labels[worst_gap]} is answered {_points(gaps[worst_gap])} than it is true"
    yield _at_most(
        *("correctness_distribution", "Share of each emotion", float(abs(gaps[worst_gap])), MAX_SHARE_GAP, text),
        source=LITERATURE,
    )
    errors = list(_speaker_errors(heard))
    if errors:
        mean = float(np.mean(errors))
        text = f"each speaker's share of an emotion is off by {100 * mean:.0f} points on average"
        yield _at_most(
            *("correctness_speaker_average", "Share of each emotion by speaker", mean, MAX_SPEAKER_ERROR, text),
            source=LITERATURE,
        )


def _speaker_errors(heard: Heard) -> Iterator[float]:
    """Mean absolute error of the emotions' shares, for each speaker with enough of each."""
    if heard.speakers is None:
        return
    answers = heard.answers(0)
    present = [label for label in heard.labels if (heard.truth == label).any()]
    for speaker in dict.fromkeys(heard.speakers):
        own = heard.speakers == speaker
        truth = heard.truth[own]
        if all(np.sum(truth == label) >= MIN_SPEAKER_CLASS for label in present):
            yield float(np.abs(_shares(answers[own], present) - _shares(truth, present)).mean())


# --- fairness ---

_FAIRNESS = {
    "gender": "women and men",
    "age": "ages",
    "language": "languages",
    "pitch": "voices by pitch",
    "speaker": "speakers",
    "intensity": "intensities",
    "length": "lengths",
    "sentence": "sentences",
    "corpus": "corpora",
}


def _fairness(heard: Heard, groups: Sequence[GroupScore]) -> Iterator[Check]:
    for by, people in _FAIRNESS.items():
        own = [group for group in groups if group.by == by]
        if own:
            worst = max(own, key=lambda group: abs(group.difference))
            n_failed = sum(not group.passed for group in own)
            text = f"{worst.group} is recognised {_points(worst.difference, 'better', 'worse')} than all"
            text += f"; {n_failed} of {len(own)} groups differ by more than luck" if n_failed else ""
            yield _at_most(
                f"fairness_{by}", f"UAR of {people}", abs(worst.difference), worst.threshold, text, source=worst.source
            )
    for by in ("gender", "language"):
        for what, gap in class_gaps(heard, by).items():
            verb = "is recognised" if what == "recall" else "is answered, compared with the truth,"
            text = f"for {gap.group}, {gap.label} {verb} {_points(gap.value)} than for all"
            title = f"{what.capitalize()} of each emotion by {by}"
            yield _at_most(f"fairness_{by}_{what}", title, abs(gap.value), gap.threshold, text, source=gap.source)


# --- robustness ---


@dataclass(frozen=True)
class _Robustness:
    """Conditions that make a test, the largest loss of UAR (None: not asked) and least share of same answers."""

    title: str
    conditions: tuple[str, ...]
    loss: float | None
    same: float


_ROBUSTNESS = {
    "background_noise": _Robustness("Background noise", ("white_20db", "babble_20db"), 0.05, 0.9),
    "low_quality_phone": _Robustness("Low quality phone", ("bad_phone",), 0.05, 0.5),
    "simulated_recording_condition": _Robustness(
        "Simulated recording condition", ("room_near", "room_far", "room_large"), None, 0.8
    ),
    "small_changes": _Robustness(
        "Small changes",
        tuple(
            f"small_{change}"
            for change in (
                "tone",
                "noise",
                "clip",
                "gain",
                "high_pass",
                "low_pass",
                "before",
                "after",
                "crop_start",
                "crop_end",
            )
        ),
        None,
        0.95,
    ),
    "spectral_tilt": _Robustness("Spectral tilt", ("tilt_down", "tilt_up"), 0.02, 0.8),
}


def _robustness(conditions: Sequence[ConditionScore]) -> Iterator[Check]:
    known = {condition.name: condition for condition in conditions}
    for test, needed in _ROBUSTNESS.items():
        for name in needed.conditions:
            condition = known.get(name)
            if condition is None:
                continue
            title = f"{needed.title}: {condition.title}"
            if needed.loss is not None:
                text = f"UAR {_changed(condition)} with {condition.title}"
                yield _at_least(
                    f"robustness_{test}_uar_{name}", f"{title}, UAR", condition.difference, -needed.loss, text
                )
            text = f"{100 * condition.same_answer:.0f} % of the answers stay the same with {condition.title}"
            yield _at_least(
                f"robustness_{test}_same_{name}", f"{title}, same answers", condition.same_answer, needed.same, text
            )


def _changed(condition: ConditionScore) -> str:
    ends = (condition.difference_low, condition.difference_high)
    interval = "" if None in ends else f" [{100 * (ends[0] or 0):.0f}, {100 * (ends[1] or 0):.0f}]"
    return f"changes by {100 * condition.difference:+.0f}{interval} points"


# --- sentences ---


def _at_least(name: str, title: str, value: float, threshold: float, text: str) -> Check:
    return _check(name, title, value >= threshold, value, threshold, text, f"at least {threshold:g}", LITERATURE)


def _at_most(name: str, title: str, value: float, threshold: float, text: str, *, source: str) -> Check:
    return _check(name, title, value <= threshold, value, threshold, text, f"at most {threshold:.2g}", source)


def _check(
    name: str, title: str, passed: bool, value: float, threshold: float, text: str, allowed: str, source: str
) -> Check:
    sentence = f"{'Passed' if passed else 'Failed'}: {text} ({allowed} asked; {source})."
    return Check(name, name.partition("_")[0], title, passed, value, threshold, sentence, source)


def _points(share: float, more: str = "more often", less: str = "less often") -> str:
    return f"{100 * abs(share):.0f} points {more if share > 0 else less}"


def _shares(names: NDArray[np.object_], labels: Sequence[str]) -> NDArray[np.float64]:
    return np.array([np.mean(names == label) for label in labels])
