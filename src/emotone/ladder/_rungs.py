"""A rung: its score, its control, and what its leak is worth."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from emotone import metrics
from emotone.experiment import fit_model

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from emotone.experiment import Prepared
    from emotone.splits import Split

__all__ = ["Control", "Plan", "Rung", "Skipped", "Worth", "measured"]

Progress = Callable[[int, int], None]


@dataclass(frozen=True, kw_only=True)
class Control:
    """The same with the leak taken out (or put in): trained on as many rows, tested on the same ones."""

    title: str
    explanation: str
    value: float
    low: float | None
    high: float | None
    n_train: int


@dataclass(frozen=True, kw_only=True)
class Worth:
    """What a leak adds: UAR with it less UAR without it, and the interval over speakers of that difference."""

    what: str
    value: float
    low: float | None
    high: float | None


@dataclass(frozen=True, kw_only=True)
class Rung:
    """One protocol's score: UAR with its interval over speakers."""

    name: str
    title: str
    explanation: str
    protocol: str
    """What the split says of itself: ``random, 6 folds, speakers shared``."""
    speakers: str
    """``shared``, ``unseen`` or ``unknown``: looked up in the folds, not assumed."""
    flag: str
    """Why the number flatters: ``speakers shared``, ``test data used``; empty for an honest one."""
    value: float
    low: float | None
    high: float | None
    n_train: int
    """Rows trained on, mean of the folds."""
    n_test: int
    """Rows tested, all folds together."""
    chance: float
    control: Control | None = None
    worth: Worth | None = None

    @property
    def flagged(self) -> bool:
        """Whether the number flatters."""
        return bool(self.flag)


@dataclass(frozen=True, kw_only=True)
class Skipped:
    """A rung that couldn't be measured, and why."""

    name: str
    reason: str


@dataclass(frozen=True, kw_only=True)
class Plan:
    """A rung to be: its data, folds and words."""

    name: str
    title: str
    explanation: str
    data: Prepared
    split: Split
    control: Plan | str = ""
    """The same without the leak; or the name of another rung that is just this; or nothing."""
    worth: str = ""
    """What the leak is called whose worth is the difference to the control; empty where another rung tells it."""
    leaks: bool = True
    """Whether the leak is in the rung (or, otherwise, in its control)."""
    flag: str = ""
    """Why it flatters although its speakers are unseen."""
    make: Callable[[], Any] | None = None
    """The model, where it isn't the experiment's."""


@dataclass(frozen=True, kw_only=True)
class _Answers:
    """What a plan's models said of each tested row, in the order of the rows."""

    rows: NDArray[np.int64]
    truth: NDArray[np.object_]
    predicted: NDArray[np.object_]
    speakers: NDArray[np.object_]
    labels: tuple[str, ...]
    n_train: int

    def score(self) -> dict[str, Any]:
        """``value, low, high, n_train``; the ends are None without two speakers."""
        low, high = None, None
        if _several(self.speakers):
            low, high = metrics.interval("uar", self.truth, self.predicted, self.speakers, self.labels)
        value = metrics.uar(self.truth, self.predicted, self.labels)
        return {"value": value, "low": low, "high": high, "n_train": self.n_train}


def measured(
    plans: Sequence[Plan], make_model: Callable[[], Any], progress: Progress | None = None
) -> tuple[Rung, ...]:
    """Train and score all ``plans`` and their controls."""
    everything = [one for plan in plans for one in (plan, plan.control) if isinstance(one, Plan)]
    total, done = sum(len(one.split.folds) for one in everything), 0

    def step() -> None:
        nonlocal done
        done += 1
        if progress:
            progress(done, total)

    answers = {id(one): _answers(one, one.make or make_model, step) for one in everything}
    by_name = {plan.name: plan for plan in plans}
    return tuple(_rung(plan, by_name, answers) for plan in plans)


def _answers(plan: Plan, make_model: Callable[[], Any], step: Callable[[], None]) -> _Answers:
    data, rows, said = plan.data, [], []
    for train, test in plan.split.folds:
        model = fit_model(make_model(), data, train)
        rows.append(test)
        said.append(np.asarray(model.predict(data.X[test]), dtype=object))
        step()
    tested = np.concatenate(rows)
    order = np.argsort(tested, kind="stable")
    table = data.table.iloc[tested[order]]
    return _Answers(
        rows=tested[order],
        truth=table["emotion"].to_numpy(dtype=object),
        predicted=np.concatenate(said)[order],
        speakers=table["speaker"].to_numpy(dtype=object),
        labels=data.labels,
        n_train=round(float(np.mean([len(train) for train, _ in plan.split.folds]))),
    )


def _rung(plan: Plan, by_name: dict[str, Plan], answers: dict[int, _Answers]) -> Rung:
    own = answers[id(plan)]
    control = by_name.get(plan.control) if isinstance(plan.control, str) else plan.control
    flags = {"shared": "speakers shared", "unknown": "speakers unknown"}
    return Rung(
        name=plan.name,
        title=plan.title,
        explanation=plan.explanation,
        protocol=plan.split.description,
        speakers=plan.split.speakers,
        flag=flags.get(plan.split.speakers, plan.flag),
        **own.score(),
        n_test=len(own.rows),
        chance=1 / len(set(own.truth)),
        control=None if control is None else _control(control, answers[id(control)]),
        worth=_worth(plan, own, answers[id(control)]) if control and plan.worth else None,
    )


def _control(plan: Plan, answers: _Answers) -> Control:
    return Control(title=plan.title, explanation=plan.explanation, **answers.score())


def _worth(plan: Plan, own: _Answers, control: _Answers) -> Worth:
    repeats = len(control.rows) // len(own.rows)  # a control may be drawn several times
    predicted = np.repeat(own.predicted, repeats)
    with_leak, without = (predicted, control.predicted) if plan.leaks else (control.predicted, predicted)
    if _several(own.speakers):
        found = metrics.difference("uar", control.truth, with_leak, without, control.speakers, own.labels)
        return Worth(what=plan.worth, value=found.value, low=found.low, high=found.high)
    value = metrics.uar(control.truth, with_leak, own.labels) - metrics.uar(control.truth, without, own.labels)
    return Worth(what=plan.worth, value=value, low=None, high=None)


def _several(speakers: NDArray[np.object_]) -> bool:
    return all(isinstance(name, str) for name in speakers) and len(set(speakers)) > 1
