"""The sections of a run that predicts numbers, such as arousal and valence, rather than emotions."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np

from emotone import metrics
from emotone.report import _charts as charts
from emotone.report._html import Column, Html, definitions, join, p, table, tag
from emotone.report._run import Run
from emotone.report._scores import Section, number, span

CORRELATION = charts.Scale(-1.0, 1.0, (-1.0, -0.5, 0.0, 0.5, 1.0))

METRICS = {"ccc": "CCC", "pearson": "Pearson's r", "rmse": "RMSE", "mae": "MAE"}


def targets(run: Run) -> tuple[str, ...]:
    """What was predicted."""
    return tuple(run.protocol.get("targets") or ())


def headline(run: Run) -> Html:
    """The concordance of all targets, and what that means."""
    several = len(targets(run)) > 1
    score = run.result.scores["ccc"] if several else run.result.scores["per_target"][targets(run)[0]]["ccc"]
    value = score["fold_mean"] if run.repeated else score["value"]
    low, high = (None, None) if run.repeated else (score.get("low"), score.get("high"))
    of = f"mean of {' and '.join(targets(run))}" if several else targets(run)[0]
    around = f", 95 % interval {span(low, high)}" if low is not None else ""
    parts = [
        tag(
            "div",
            tag("p", number(value), class_="big"),
            tag("p", tag("strong", "CCC"), tag("br"), f"{of}{around}", class_="unit"),
            class_="score",
        )
    ]
    if value is not None:
        words = f"CCC {value:.2f}{around}; guessing gives 0"
        parts.append(charts.headline(value, low, high, chance=0.0, words=words, scale=CORRELATION))
    parts += [p(_sentence(run, value), class_="lead"), _about(run)]
    return join(parts)


def _sentence(run: Run, value: float | None) -> str:
    who = "for people it has never heard" if run.unseen else "for people it knows" if run.shared else ""
    if value is None:
        return "The concordance isn't defined: the truth or the prediction never varies."
    closeness = "closely" if value > 0.7 else "roughly" if value > 0.4 else "loosely" if value > 0.1 else "hardly"
    text = f"Its numbers follow the raters' {closeness} {who}: 1 would be equal numbers, 0 is what guessing gets."
    return text.replace(" :", ":")


def _about(run: Run) -> Html:
    n_speakers = run.result.table["speaker"].nunique() if run.speakers_known else 0
    n = int((~run.result.table.duplicated(["corpus", "file", "start"])).sum())
    among = f"recordings of {n_speakers} speakers" if n_speakers else "recordings"
    return definitions({"tested on": [tag("b", f"{n:,}"), tag("small", among)]})


def agreement(run: Run) -> Section:
    """Each target's scores, and its predictions over the truth."""
    columns = [
        Column("target"),
        Column("CCC", "number", "concordance correlation coefficient"),
        Column(charts.axis(CORRELATION), "ruler"),
        *(Column(METRICS[name], "number") for name in ("pearson", "rmse", "mae")),
    ]
    rows = []
    for target in targets(run):
        scores: Mapping[str, Any] = run.result.scores["per_target"][target]
        ccc = scores["ccc"]
        drawn = charts.ruler(ccc["value"], ccc.get("low"), ccc.get("high"), scale=CORRELATION)
        others = [number(scores[name]["value"]) if name in scores else "–" for name in ("pearson", "rmse", "mae")]
        rows.append([target, number(ccc["value"]), drawn, *others])
    body = [
        table(columns, rows, caption="Scores of each target"),
        p("The band is the 95 % interval of the CCC, over speakers.", class_="note"),
        tag("div", *(_scatter(run, target) for target in targets(run)), class_="pair"),
    ]
    return Section("agreement", "How closely the numbers agree", join(body))


def _scatter(run: Run, target: str) -> Html:
    truth = run.result.table[f"truth_{target}"].to_numpy(dtype=np.float64)
    predicted = run.result.table[f"predicted_{target}"].to_numpy(dtype=np.float64)
    known = np.isfinite(truth) & np.isfinite(predicted)
    points = list(zip(truth[known].tolist(), predicted[known].tolist(), strict=True))
    low, high = (float(edge([truth[known], predicted[known]])) for edge in (np.min, np.max)) if points else (0.0, 1.0)
    words = f"{len(points)} recordings; the dashed line would be perfect"
    return tag(
        "figure",
        charts.scatter(points, low=low, high=high, title=f"{target}, predicted over truth", words=words),
        tag("figcaption", f"{target}: a dot for each recording; the dashed line would be perfect."),
    )


def speakers(run: Run) -> Section | None:
    """CCC of each speaker; None where speakers aren't known."""
    if not run.speakers_known:
        return None
    names = run.result.table["speaker"].to_numpy(dtype=object)
    body = []
    for target in targets(run):
        truth, predicted = (run.result.table[f"{kind}_{target}"].to_numpy(float) for kind in ("truth", "predicted"))
        each = metrics.by_group("ccc", truth, predicted, names)
        known = {str(name): value for name, value in each.items() if np.isfinite(value)}
        rows = [
            [name, number(value), charts.ruler(value, scale=CORRELATION)]
            for name, value in sorted(known.items(), key=lambda one: -one[1])
        ]
        columns = [Column("speaker"), Column("CCC", "number"), Column(charts.axis(CORRELATION), "ruler")]
        body += [tag("h3", target), table(columns, rows, caption=f"CCC of each speaker in {target}", sortable=True)]
    return Section("speakers", "Each speaker", join(body))
