"""The sections that say how far to trust a run: confidence, raters, the honesty ladder, stress, the audit."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from emotone import metrics
from emotone.report import _charts as charts
from emotone.report._html import Child, Column, Html, definitions, details, join, p, table, tag
from emotone.report._run import Run
from emotone.report._scores import Section, number, span

COVERAGES = (1.0, 0.9, 0.75, 0.5, 0.25)
"""Shares answered that the table of risk and coverage names."""

LEVELS = (0.8, 0.9, 0.95)
"""Shares of recordings whose true emotion a conformal set is to hold."""

N_FILES = 8


# --- confidence ---


def confidence(run: Run) -> Section:
    """Reliability, calibration scores, risk and coverage, conformal sets."""
    result = run.result
    truth = result.table["truth"].to_numpy(dtype=object)
    scores = result.scores
    facts: dict[str, Child] = {
        metrics.NAMES[name]: [
            tag("b", number(scores[name]["value"])),
            tag("small", span(scores[name]["low"], scores[name]["high"])),
        ]
        for name in ("ece", "nll", "brier")
    }
    body = [
        p(_calibration_in_words(scores)),
        definitions(facts),
        tag("div", _reliability(scores["reliability"]), _risk(run, truth), class_="pair"),
        _conformal(run, truth),
    ]
    return Section("confidence", "How sure it is, and how rightly", join(body))


def _calibration_in_words(scores: Mapping[str, Any]) -> str:
    filled = [one for one in scores["reliability"] if one["count"]]
    total = sum(one["count"] for one in filled)
    lean = sum(one["count"] * (one["confidence"] - one["accuracy"]) for one in filled) / total
    ece = scores["ece"]["value"]
    text = f"On average, confidence is {100 * ece:.0f} points away from the share of right answers."
    if abs(lean) < 0.02 or abs(lean) < ece / 2:
        return f"{text} It is neither too sure nor too modest overall."
    return f"{text} It is {'too sure' if lean > 0 else 'too modest'} of itself, by {100 * abs(lean):.0f} points."


def _reliability(bins: Sequence[Mapping[str, Any]]) -> Html:
    filled = [one for one in bins if one["count"]]
    total = sum(one["count"] for one in filled)
    points = [(one["low"], one["high"], one["confidence"], one["accuracy"], one["count"] / total) for one in filled]
    words = "; ".join(f"confidence {c:.2f}, right {a:.2f}" for _, _, c, a, _ in points)
    columns = [Column("confidence"), *(Column(name, "number") for name in ("mean", "right", "recordings"))]
    rows = [
        [
            f"{one['low']:.2f} to {one['high']:.2f}",
            number(one["confidence"]),
            number(one["accuracy"]),
            str(one["count"]),
        ]
        for one in filled
    ]
    return tag(
        "figure",
        charts.reliability(points, words=words),
        tag("figcaption", "Dots on the dashed line would be honest. Grey: share of the answers."),
        details("The numbers", table(columns, rows, caption="Reliability: bins of confidence")),
    )


def _risk(run: Run, truth: Any) -> Html:
    found = metrics.risk_coverage(truth, run.result.proba, run.result.labels)
    coverage, risk = np.asarray(found.coverage, dtype=float), np.asarray(found.risk, dtype=float)
    points = list(zip(coverage.tolist(), risk.tolist(), strict=True))
    rows = []
    for share in COVERAGES:
        place = min(int(np.searchsorted(coverage, share - 1e-9)), len(coverage) - 1)
        rows.append([f"{100 * share:.0f} %", f"{100 * risk[place]:.0f} %", f"{100 * (1 - risk[place]):.0f} %"])
    columns = [Column("answered"), Column("wrong", "number"), Column("right", "number")]
    half = rows[COVERAGES.index(0.5)][2]
    words = f"answering all it is wrong in {rows[0][1]}, answering the surest half in {rows[3][1]}"
    drawn = charts.curve(
        points,
        title="Risk and coverage",
        words=words,
        x_title="share answered, surest first",
        y_title="wrong answers among them",
        level=float(risk[-1]),
    )
    return tag(
        "figure",
        drawn,
        tag("figcaption", f"If it may keep silent on the less sure half, it is right in {half} of the rest."),
        details("The numbers", table(columns, rows, caption="Share of wrong answers by share answered")),
    )


def _conformal(run: Run, truth: Any) -> Html:
    """Sets whose threshold comes from the other folds; empty where there is one fold, or rows are repeated."""
    folds = run.result.table["fold"].to_numpy()
    if run.repeated or len(set(folds)) < 2:
        return Html("")
    columns = [
        Column("asked for"),
        Column("reached", "number"),
        Column("95 % interval", "number"),
        Column("emotions in a set, mean", "number"),
    ]
    rows = []
    for level in LEVELS:
        found = _cross_conformal(run, truth, folds, level)
        held, size = found["coverage"], found["size"]["value"]
        ends = "" if held["low"] is None else f"{100 * held['low']:.0f} to {100 * held['high']:.0f} %"
        rows.append(
            [f"{100 * level:.0f} %", f"{100 * held['value']:.0f} %", ends, f"{size:.1f} of {len(run.result.labels)}"]
        )
    others = ", so no speaker sets their own" if run.unseen else ", which may have the same speakers"
    return join(
        [
            tag("h3", "Sets that hold the truth"),
            p(
                "Instead of one answer it can give all emotions that it can't exclude. The threshold of each fold was "
                f"set on the recordings of the other folds{others}. Few speakers make large sets."
            ),
            table(columns, rows, caption="Conformal sets: how often they hold the truth, and how large they are"),
        ]
    )


def _cross_conformal(run: Run, truth: Any, folds: Any, level: float) -> dict[str, Any]:
    """`metrics.set_scores` of sets whose threshold comes from the other folds."""
    proba, labels = run.result.proba, run.result.labels
    speakers = run.result.table["speaker"].to_numpy(dtype=object) if run.speakers_known else None
    sets = np.zeros(proba.shape, dtype=bool)
    for fold in set(folds):
        own = folds == fold
        groups = None if speakers is None else speakers[~own]
        threshold = metrics.conformal_quantile(truth[~own], proba[~own], labels, level=level, groups=groups)
        sets[own] = metrics.conformal_sets(proba[own], labels, threshold)
    return metrics.set_scores(truth, sets, labels, speakers)


# --- raters ---


def raters(run: Run) -> Section | None:
    """Scores against the votes of listeners, and what listeners get under the same scores; None without votes."""
    found = run.result.soft_scores
    if found is None:
        return None
    one, others = found.get("human_ceiling") or {}, found.get("human_panel") or {}
    columns = [Column("score"), Column("recogniser", "number"), Column("95 % interval", "number")]
    columns += [Column("one listener", "number", "each listener, judged by the others")] * bool(one)
    columns += [Column("the other listeners", "number", "together, judged by each left out")] * bool(others)
    rows: list[list[Child]] = []
    for name, shown in metrics.SOFT_NAMES.items():
        heading: Child = [shown, " ", tag("small", "lower is better")] if name in _DIVERGENCES else shown
        cells = [number(found[name]["value"]), span(found[name]["low"], found[name]["high"])]
        cells += [number(each[name]["value"]) if name in each else "–" for each in (one, others) if each]
        rows.append([heading, *cells])
    body = [
        p(_agreement_in_words(found)),
        table(columns, rows, caption="Scores against listeners' votes, and listeners' own"),
        p(f"Over {found['n']:,} recordings with votes.", class_="note"),
    ]
    return Section("raters", "Against listeners", join(body))


_DIVERGENCES = ("kl", "js", "cross_entropy")


def _agreement_in_words(found: Mapping[str, Any]) -> str:
    text = f"Its answer is what {100 * found['agreement']['value']:.0f} % of the listeners chose."
    if "human_ceiling" not in found:
        return f"{text} How far listeners agree among themselves isn't known: how many voted isn't in the table."
    one, all_others = found["human_ceiling"]["agreement"]["value"], found["human_panel"]["agreement"]["value"]
    return (
        f"{text} One listener agrees with {100 * one:.0f} % of the others, and what most of the others chose is right "
        f"for {100 * all_others:.0f} %: people don't agree on what they hear, and no recogniser can be expected to do "
        "much better."
    )


# --- the ladder ---


def ladder(run: Run) -> Section | None:
    """The same model under honest and dishonest protocols; None where it wasn't climbed."""
    if run.ladder is None:
        return None
    chance = run.ladder.get("chance")
    columns = [
        Column("protocol"),
        Column("UAR", "number"),
        Column(charts.axis(), "ruler"),
        Column("leak adds", "number", "points of UAR that the leak alone is worth, with its 95 % interval"),
        Column("trained on", "number", "recordings"),
    ]
    rows: list[list[Child]] = []
    for rung in run.ladder["rungs"]:
        flag = tag("span", rung.get("flag") or "speakers shared", class_="flag") if rung.get("flagged") else None
        rows.append([_titled(rung["title"], rung.get("explanation"), flag), *_ladder_cells(rung, chance)])
        control = rung.get("control")
        if control:
            about = _titled(f"control: {control['title']}", control.get("explanation"), None)
            rows.append([tag("span", about, class_="control"), *_ladder_cells(control, chance)])
    skipped = [tag("li", f"{one['name']}: {one['reason']}") for one in run.ladder.get("skipped") or ()]
    body = [
        p("One model, one corpus, different ways of testing. What a protocol adds to the score is not skill."),
        table(columns, rows, caption="The honesty ladder: one model under several protocols"),
        p("The dashed line is guessing.", class_="note") if chance is not None else None,
        details("Not climbed", tag("ul", *skipped)) if skipped else None,
    ]
    return Section("ladder", "The honesty ladder", join(body))


def _titled(title: str, explanation: str | None, flag: Html | None) -> Html:
    small = tag("small", explanation) if explanation else None
    return tag("span", title, " " if flag else None, flag, small, class_="titled")


def _ladder_cells(rung: Mapping[str, Any], chance: float | None) -> list[Child]:
    drawn = charts.ruler(rung["value"], rung.get("low"), rung.get("high"), chance=chance)
    n_train = rung.get("n_train")
    return [number(rung["value"]), drawn, _worth(rung.get("worth")), "" if n_train is None else f"{n_train:,}"]


def _worth(worth: Mapping[str, Any] | None) -> Child:
    if not worth:
        return ""
    known = worth.get("low") is not None and worth.get("high") is not None
    ends = tag("small", f" [{_points(worth['low'])}, {_points(worth['high'])}]") if known else None
    return [_points(worth["value"]), ends]


# --- stress and fairness ---


def stress(run: Run) -> Section | None:
    """What noise, rooms and telephones do, and for whom it works less well; None where it wasn't stressed."""
    if run.stress is None:
        return None
    document = run.stress
    clean = document["clean"]
    warning = None
    if document.get("heard"):
        warning = p(
            tag("strong", "The recogniser was trained on these speakers."),
            " The scores flatter; the differences between them are still worth reading.",
            class_="caution",
        )
    body = [
        warning,
        p(document.get("line", "")),
        _conditions(document["conditions"], clean["value"]),
        p("The dashed line is the score on clean sound; bands are 95 % intervals over speakers.", class_="note"),
        _groups(document.get("groups") or ()),
        _tests(document.get("tests") or ()),
    ]
    return Section("stress", "Stress and fairness", join(body))


def _conditions(conditions: Sequence[Mapping[str, Any]], clean: float) -> Html:
    columns = [
        Column("condition"),
        Column("UAR", "number"),
        Column(charts.axis(), "ruler"),
        Column("change", "number", "points of UAR against clean sound"),
        Column("same", "number", "share of recordings whose answer stayed the same"),
    ]
    rows: list[list[Child]] = [
        [
            _titled(one["title"], one.get("family"), None),
            number(one["value"]),
            charts.ruler(one["value"], one.get("low"), one.get("high"), chance=clean),
            _points(one.get("difference")),
            _percent(one.get("same_answer")),
        ]
        for one in conditions
    ]
    return table(columns, rows, caption="Scores under stress", sortable=True)


def _groups(groups: Sequence[Mapping[str, Any]]) -> Html:
    if not groups:
        return Html("")
    columns = [
        Column("group"),
        Column("n", "number", "recordings"),
        Column("UAR", "number"),
        Column(charts.axis(), "ruler"),
        Column("change", "number", "points of UAR against all"),
        Column("limit", "number", "the largest gap that guessing at random showed, in points"),
        Column("verdict", "number"),
    ]
    rows: list[list[Child]] = [
        [
            f"{one['by']}: {one['group']}",
            f"{one['n']:,}",
            number(one["value"]),
            charts.ruler(one["value"], one.get("low"), one.get("high")),
            _points(one.get("difference")),
            "–" if one.get("threshold") is None else f"{100 * one['threshold']:.1f}",
            _verdict(one.get("passed")),
        ]
        for one in groups
    ]
    return join([tag("h3", "For whom"), table(columns, rows, caption="Scores of groups of people and recordings")])


def _tests(tests: Sequence[Mapping[str, Any]]) -> Html:
    if not tests:
        return Html("")
    items = [
        tag("li", _verdict(one.get("passed")), " ", tag("strong", one["title"]), ": ", one.get("sentence", ""))
        for one in tests
    ]
    return join([tag("h3", "Tests"), tag("ul", *items, class_="tests")])


def _verdict(passed: bool | None) -> Html:
    word, look = {True: ("✓ passed", "good"), False: ("✗ failed", "bad"), None: ("– not told", "muted")}[passed]
    return tag("span", word, class_=f"verdict-{look}")


def _points(difference: float | None) -> str:
    return "–" if difference is None else f"{100 * difference:+.1f}".replace("-", "−")


def _percent(share: float | None) -> str:
    return "–" if share is None else f"{100 * share:.0f} %"


# --- the audit ---


def audit(run: Run) -> Section | None:
    """What was found in the data that would inflate a score; None where nobody looked."""
    if run.audit is None:
        return None
    findings = run.audit["findings"]
    head = p(
        tag("strong", "Something inflates the score. ") if run.audit["inflates"] else None, run.audit.get("line", "")
    )
    items = [_finding(one) for one in findings]
    return Section(
        "audit",
        "What the audit found",
        join([head, tag("ul", *items, class_="findings") if items else p("Nothing was found.")]),
    )


def _finding(one: Mapping[str, Any]) -> Html:
    pairs = one.get("pairs") or ()
    files = [f"{pair['a']} = {pair['b']} ({pair['similarity']:.3f})" for pair in pairs] or list(one.get("files") or ())
    listed = None
    if files:
        more = [tag("li", f"and {len(files) - N_FILES} more")] if len(files) > N_FILES else []
        listed = details(
            f"{len(files)} {'pair' if pairs else 'recording'}{'s' * (len(files) > 1)}",
            tag("ul", *(tag("li", tag("code", file)) for file in files[:N_FILES]), *more),
        )
    word = {"error": "✗ error", "warning": "! warning", "note": "i note"}.get(one["severity"], one["severity"])
    flag = tag("span", "inflates the score", class_="flag") if one.get("inflates") else None
    return tag("li", tag("span", word, class_=f"severity-{one['severity']}"), " ", one["message"], " ", flag, listed)
