"""The page of two or more runs: how much they differ, whether that can be told, and where it comes from."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from emotone import metrics
from emotone.comparison import LOWER_IS_BETTER, METRICS, Change, Comparison, in_words
from emotone.labels import colour
from emotone.report import _charts as charts
from emotone.report._facts import licence_sentence, rerun
from emotone.report._html import Child, Column, Html, definitions, details, join, p, table, tag
from emotone.report._run import Run
from emotone.report._scores import Section, named, number

N_LISTED = 40


def names(runs: Sequence[Run]) -> tuple[str, ...]:
    """What to call the runs: their names, or where these are equal their folders."""
    for found in ([run.name for run in runs], [run.folder.resolve().name for run in runs]):
        if len(set(found)) == len(found):
            return tuple(found)
    return tuple(f"{run.folder.resolve().name} ({i})" for i, run in enumerate(runs, start=1))


def banner(comparisons: Sequence[Comparison], runs: Sequence[Run]) -> Html:
    """Loud, where a score isn't one on new speakers."""
    shared = [name for name, run in zip(names(runs), runs, strict=True) if run.shared]
    if not shared:
        return Html("")
    are = "was" if len(shared) == 1 else "were"
    return tag(
        "div",
        tag("strong", "Speakers shared."),
        f" {' and '.join(shared)} {are} tested on people also trained on, so that score flatters, and a difference "
        "from a score on unseen speakers says little about which is better.",
        class_="banner",
        role="note",
    )


def headline(comparisons: Sequence[Comparison]) -> Html:
    """The differences in UAR, in words and drawn; the first run is what the others are measured by."""
    first = comparisons[0]
    scale = charts.centred(
        end
        for change in (one.scores["uar"] for one in comparisons)
        for end in (change.low, change.high, change.difference)
    )
    columns = [
        Column("run"),
        Column("UAR", "number"),
        Column("change", "number", f"points of UAR against {first.names[0]}"),
        Column(charts.axis(scale, points=True), "ruler"),
        Column("p", "number", "paired, over speakers, two-sided"),
        Column("Wilcoxon p", "number", "of the signed-rank test over the speakers' UAR"),
    ]
    if len(comparisons) > 1:
        columns.append(Column("p, Holm", "number", "after Holm's correction for several comparisons"))
    base: list[Child] = [first.names[0], number(first.scores["uar"].a), "", "", "", ""]
    rows = [base + [""] * (len(comparisons) > 1)]
    for one in comparisons:
        change = one.scores["uar"]
        drawn = charts.ruler(change.difference, change.low, change.high, chance=0.0, scale=scale)
        wilcoxon = _p(None if one.wilcoxon is None else one.wilcoxon["p"])
        row: list[Child] = [one.names[1], number(change.b), points(change.difference), drawn, _p(change.p), wilcoxon]
        rows.append(row + [_p(one.p_holm)] * (len(comparisons) > 1))
    lines = [p(f"{one.line()}.".replace("[-", "[−"), class_="lead") for one in comparisons]
    facts: dict[str, Child] = {"compared on": [tag("b", f"{first.n:,}"), tag("small", _among(first))]}
    return join(
        [
            *lines,
            table(columns, rows, caption="Runs against the first"),
            definitions(facts) if len(comparisons) == 1 else None,
        ]
    )


def _among(one: Comparison) -> str:
    return f"recordings of {one.n_speakers} speakers" if one.n_speakers else "recordings"


def _p(value: float | None) -> str:
    return "–" if value is None else in_words(value).removeprefix("p = ").removeprefix("p ")


def points(difference: float) -> str:
    """``+2.1``"""
    text = f"{100 * difference:+.1f}"
    return "0.0" if text in ("+0.0", "-0.0") else text.replace("-", "−")


def fairness(comparisons: Sequence[Comparison]) -> Section | None:
    """What differs between the runs beside the score, and what follows; None where nothing does."""
    body: list[Child] = []
    for one in comparisons:
        if not one.differs and not one.notes:
            continue
        if len(comparisons) > 1:
            body.append(tag("h3", one.names[1]))
        body.append(tag("ul", *(tag("li", note) for note in one.notes)) if one.notes else None)
        columns = [Column("what differs"), Column(one.names[0]), Column(one.names[1])]
        rows = [[differing.what, differing.a or "–", differing.b or "–"] for differing in one.differs]
        body.append(table(columns, rows, caption="What differs between the runs") if rows else None)
    return Section("differs", "What differs between the runs", join(body)) if body else None


def scores(one: Comparison) -> Section:
    """Every score of both."""
    columns = [
        Column("score"),
        Column(one.names[0], "number"),
        Column(one.names[1], "number"),
        Column("change, 95 % interval", "number"),
        Column("p", "number"),
    ]
    rows: list[list[Child]] = []
    for name in METRICS:
        change = one.scores[name]
        heading: Child = metrics.NAMES[name]
        if name in LOWER_IS_BETTER:
            heading = [heading, " ", tag("small", "lower is better")]
        known = change.low is not None and change.high is not None
        ends = tag("small", f" [{_signed(change.low)}, {_signed(change.high)}]") if known else None
        moved = [_signed(change.difference), ends]
        rows.append([heading, f"{change.a:.3f}", f"{change.b:.3f}", moved, _p(change.p)])
    return Section("scores", "Every score", table(columns, rows, caption="Scores of both runs"))


def _signed(value: float | None) -> str:
    return "–" if value is None else f"{value:+.3f}".replace("-", "−")


def emotions(one: Comparison) -> Section:
    """Recall of each emotion in both."""
    body = [
        _dumbbells(one, one.per_class, "emotion", tinted=True),
        p(f"Hollow: {one.names[0]}; full: {one.names[1]}. In brackets the 95 % interval of the change.", class_="note"),
    ]
    return Section("emotions", "Each emotion", join(body))


def speakers(one: Comparison) -> Section | None:
    """UAR of each speaker in both; None where speakers aren't known."""
    if not one.per_speaker:
        return None
    changes = sorted(one.per_speaker.items(), key=lambda item: -item[1].difference)
    better = sum(change.difference > 0 for _, change in changes)
    worse = sum(change.difference < 0 for _, change in changes)
    body = [
        p(f"{one.names[1]} is better for {better} of {len(changes)} speakers, worse for {worse}."),
        _dumbbells(one, dict(changes), "speaker", tinted=False),
        p(f"Hollow: {one.names[0]}; full: {one.names[1]}.", class_="note"),
    ]
    return Section("speakers", "Each speaker", join(body))


def _dumbbells(one: Comparison, changes: Mapping[str, Change], what: str, *, tinted: bool) -> Html:
    columns = [
        Column(what),
        Column(one.names[0], "number"),
        Column(one.names[1], "number"),
        Column(charts.axis(), "ruler"),
        Column("change", "number", "points"),
    ]
    rows: list[list[Child]] = []
    for name, change in changes.items():
        ends = None
        if change.low is not None and change.high is not None:
            ends = tag("small", f" [{points(change.low)}, {points(change.high)}]")
        drawn = charts.ruler(change.b, beside=change.a, tint=colour(name) if tinted else None)
        heading = named(name) if tinted else name
        rows.append([heading, number(change.a), number(change.b), drawn, [points(change.difference), ends]])
    return table(columns, rows, caption=f"Each {what} in both runs", sortable=True)


def recordings(one: Comparison) -> Section:
    """How often both, one or neither is right, and the recordings only one gets right."""
    a, b = one.names
    counts = one.agreement
    looks = {"both": "both", "only_a": "only-a", "only_b": "only-b", "neither": "neither"}
    titles = {"both": "both right", "only_a": f"only {a}", "only_b": f"only {b}", "neither": "neither"}
    drawn = charts.stacked([(counts[key] / one.n, look) for key, look in looks.items()])
    facts: dict[str, Child] = {
        titles[key]: [
            tag("span", class_=f"key {look}", aria_hidden="true"),
            tag("b", f"{counts[key]:,}"),
            tag("small", f"{100 * counts[key] / one.n:.0f} %"),
        ]
        for key, look in looks.items()
    }
    body = [drawn, definitions(facts), _listed(one, "a"), _listed(one, "b")]
    return Section("recordings", "Recording by recording", join(body))


def _listed(one: Comparison, which: str) -> Html:
    rows = one.only(which)
    if rows.empty:
        return Html("")
    wrong = "predicted_b" if which == "a" else "predicted_a"
    other = one.names[1] if which == "a" else one.names[0]
    columns = [Column("recording"), Column("truth"), Column(f"{other} says")]
    shown: list[list[Child]] = [
        [tag("code", f"{row['corpus']}/{row['file']}"), named(row["truth"]), named(row[wrong])]
        for row in rows.head(N_LISTED).to_dict("records")
    ]
    more = f", the first {N_LISTED}" if len(rows) > N_LISTED else ""
    summary = f"{len(rows)} that only {one.names[which == 'b']} gets right{more}"
    return details(summary, table(columns, shown, caption=summary))


def runs_section(runs: Sequence[Run]) -> Section:
    """What each run is, under which licence, and how to run it again."""
    body: list[Child] = []
    for name, run in zip(names(runs), runs, strict=True):
        command, experiment = rerun(run.protocol)
        body += [
            tag("h3", name),
            p(tag("strong", run.result.line())),
            licence_sentence(run),
            [p("experiment.toml:"), tag("pre", tag("code", experiment))] if experiment else None,
            tag("pre", tag("code", command)),
        ]
    folders = " ".join("RUN" + (f"_{i}" if i > 1 else "") for i in range(1, len(runs) + 1))
    body += [p("Then this page:"), tag("pre", tag("code", f"emotone report {folders}"))]
    return Section("again", "The runs, and how to run them again", join(body))


def as_dict(comparisons: Sequence[Comparison]) -> Any:
    """For JSON: the one comparison, or all of them."""
    found = [one.as_dict() for one in comparisons]
    return found[0] if len(found) == 1 else {"comparisons": found}
