"""The section that says how networks learnt, epoch by epoch."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TypeAlias

from emotone.report import _charts as charts
from emotone.report._html import Column, Html, details, join, p, table, tag
from emotone.report._run import Run
from emotone.report._scores import Section, number

Training: TypeAlias = Sequence[Mapping[str, float]]


def training(run: Run) -> Section | None:
    """Loss and UAR of held-out speakers by epoch; None for models that learn in one go."""
    named = [
        (f"{fold + 1}.{i + 1}", each)
        for fold, trainings in enumerate(run.result.training or [])
        for i, each in enumerate(trainings)
        if each
    ]
    if not named:
        return None
    scored = [each for _, each in named if "uar" in each[0]]
    body = [
        p(
            "Each line is a training. In each fold a network first learns without some of the training speakers, on "
            "whom its best epoch shows, and then another learns from all of them for as long."
            if scored
            else "Each line is a training. No speakers were held out, so that the last epoch was taken on trust."
        ),
        tag("div", _loss([each for _, each in named]), _uar(scored) if scored else None, class_="pair"),
        details("The numbers", _numbers(named)),
    ]
    return Section("training", "How it learnt", join(body))


def _loss(trainings: Sequence[Training]) -> Html:
    highest = max(record["loss"] for each in trainings for record in each)
    first, last = (sum(each[end]["loss"] for each in trainings) / len(trainings) for end in (0, -1))
    words = f"from {first:.2f} after the first epoch to {last:.2f} after the last, on average"
    drawn = charts.epochs(
        [([(record["epoch"], record["loss"]) for record in each], "uar" in each[0]) for each in trainings],
        highest=highest,
        title="Loss",
        words=words,
        y_title="loss",
    )
    return tag("figure", drawn, tag("figcaption", f"The loss fell {words}. Dashed: learning from all speakers."))


def _uar(trainings: Sequence[Training]) -> Html:
    best = [max(each, key=lambda record: record["uar"]) for each in trainings]
    mean = sum(record["uar"] for record in best) / len(best)
    words = f"{mean:.2f} in the best epochs, on average"
    drawn = charts.epochs(
        [([(record["epoch"], record["uar"]) for record in each], True) for each in trainings],
        highest=1.0,
        title="UAR on held-out speakers",
        words=words,
        y_title="UAR",
        marked=[(record["epoch"], record["uar"]) for record in best],
    )
    note = "UAR of the speakers held out. Dots are the best epochs; chosen so, theirs flatters a little."
    return tag("figure", drawn, tag("figcaption", note))


def _numbers(named: Sequence[tuple[str, Training]]) -> Html:
    columns = [
        Column("fold and training"),
        *(Column(name, "number") for name in ("epochs", "first loss", "last loss", "best epoch", "its UAR")),
    ]
    rows = []
    for name, each in named:
        best = max(each, key=lambda record: record["uar"]) if "uar" in each[0] else None
        shown = ("–", "–") if best is None else (f"{best['epoch']:.0f}", number(best["uar"]))
        rows.append([name, str(len(each)), number(each[0]["loss"]), number(each[-1]["loss"]), *shown])
    return table(columns, rows, caption="Each training of a network")
