"""The sections that say how good a run is: the headline, what is taken for what, emotions, speakers, folds."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from emotone import metrics
from emotone.labels import colour
from emotone.report import _charts as charts
from emotone.report._html import Child, Column, Html, definitions, details, join, p, table, tag
from emotone.report._run import Run

MANY_SPEAKERS = 40
"""Beyond this many, the strip shows the lowest and highest scores only; the table beneath has all."""

GENDERS = {"female": "●", "male": "■"}


@dataclass(frozen=True)
class Section:
    """A part of the page: its anchor, its title, what is in it."""

    anchor: str
    title: str
    body: Html


def number(value: float | None) -> str:
    """``0.41``, or a dash for what isn't defined."""
    return "–" if value is None or value != value else f"{value:.2f}"


def span(low: float | None, high: float | None) -> str:
    """``0.36 to 0.45``, or nothing."""
    return "" if low is None or high is None else f"{low:.2f} to {high:.2f}"


def named(emotion: str) -> Html:
    """An emotion with the dot of its colour."""
    return tag("span", charts.swatch(colour(emotion)), emotion, class_="emotion")


# --- the headline ---


def banner(run: Run) -> Html:
    """The warning above everything else, where the score can't be taken for one on new speakers."""
    if run.shared:
        return tag(
            "div",
            tag("strong", "Speakers shared."),
            " This run was tested on people it had also trained on. The score flatters: for people it hasn't heard, "
            "expect it to be lower, often by a third or more. Don't quote it beside scores on unseen speakers.",
            class_="banner",
            role="note",
        )
    if not run.unseen:
        return tag(
            "div",
            tag("strong", "Speakers unknown."),
            " Nobody can tell whether the people tested were also trained on, so the score may flatter.",
            class_="banner",
            role="note",
        )
    return Html("")


def headline(run: Run) -> Html:
    """Score, interval, chance and condition, what that means, and the other scores."""
    scores = run.result.scores
    uar, chance = scores["uar"], scores["chance"]["uar"]
    value, low, high = uar["value"], uar["low"], uar["high"]
    if run.repeated:  # as the command line prints it: the rows of repeated splits aren't one test
        value, low, high = uar["fold_mean"], None, None
    words = f"UAR {value:.2f}, {_interval_words(low, high)}guessing gives {chance:.3g}"
    around = f"95 % interval {span(low, high)}" if low is not None else ""
    if run.repeated and uar.get("fold_sd") is not None:
        around = f"± {uar['fold_sd']:.2f} over {run.result.table['fold'].nunique()} tests, mean and standard deviation"
    return join(
        [
            tag(
                "div",
                tag("p", f"{value:.2f}", class_="big"),
                tag("p", tag("strong", "UAR"), tag("br"), around, class_="unit"),
                class_="score",
            ),
            charts.headline(value, low, high, chance=chance, words=words),
            p(sentence(run, value, low, high, chance), class_="lead"),
            _other_scores(run),
        ]
    )


def _interval_words(low: float | None, high: float | None) -> str:
    return "" if low is None else f"95 % interval {span(low, high)}, "


def sentence(run: Run, value: float, low: float | None, high: float | None, chance: float) -> str:
    """What the score means, for someone who has never heard of UAR."""
    who = "of people it has never heard" if run.unseen else "of people it knows" if run.shared else ""
    text = (
        f"Given 100 recordings {who}, with every emotion equally often, it would name the right one of "
        f"{len(run.result.labels)} emotions about {100 * value:.0f} times; guessing would be right about "
        f"{int(100 * chance + 0.5)} times."
    ).replace("  ", " ")
    text = text.replace("recordings ,", "recordings,")
    if low is not None and high is not None:
        others = "For other people like these" if run.unseen else "For other recordings like these"
        text += f" {others}, expect {100 * low:.0f} to {100 * high:.0f}."
    if low is not None and low <= chance:
        text += " That can't be told from guessing."
    return text


def _other_scores(run: Run) -> Html:
    scores = run.result.scores
    facts: dict[str, Child] = {}
    for name, title in (
        ("war", "WA, share of all recordings right"),
        ("macro_f1", "macro-F1"),
        ("ece", "ECE, how far confidence is off"),
    ):
        score = scores[name]
        value = score["fold_mean"] if run.repeated else score["value"]
        ends = "" if run.repeated else span(score["low"], score["high"])
        facts[title] = [tag("b", number(value)), tag("small", ends)]
    n_speakers = scores["n_speakers"]
    facts["tested on"] = [
        tag("b", f"{_n_recordings(run):,}"),
        tag("small", f"recordings of {n_speakers} speakers" if n_speakers else "recordings"),
    ]
    return definitions(facts)


def _n_recordings(run: Run) -> int:
    return int((~run.result.table.duplicated(["corpus", "file", "start"])).sum())


# --- confusion ---


def confusion(run: Run) -> Section:
    """Shares of each row, shaded; the counts in a table beneath."""
    labels = run.result.labels
    counts = np.asarray(run.result.scores["confusion"], dtype=np.int64)
    body = [
        p(_confusions_in_words(labels, counts)),
        _heat(labels, counts),
        p("Rows are the truth, columns the answer, numbers are percent of the row.", class_="note"),
        details("The counts", _counts(labels, counts)),
    ]
    return Section("confusion", "What is taken for what", join(body))


def _confusions_in_words(labels: Sequence[str], counts: Any) -> str:
    totals = counts.sum(axis=1)
    shares = counts / np.maximum(totals, 1)[:, None]
    present = [i for i in range(len(labels)) if totals[i]]
    best = max(present, key=lambda i: shares[i, i])
    worst = min(present, key=lambda i: shares[i, i])
    text = f"It recognises {labels[best]} best ({100 * shares[best, best]:.0f} % of them)"
    if best == worst:
        return f"{text}."
    text += f" and {labels[worst]} least ({100 * shares[worst, worst]:.0f} %)."
    wrong = shares * (1 - np.eye(len(labels)))
    i, j = divmod(int(wrong.argmax()), len(labels))
    if wrong[i, j] > 0:
        text += f" Its commonest confusion: {100 * wrong[i, j]:.0f} % of {labels[i]} is taken for {labels[j]}."
    return text


def _heat(labels: Sequence[str], counts: Any) -> Html:
    head = tag("tr", tag("td"), *(tag("th", tag("span", label), scope="col") for label in labels))
    rows = []
    for i, label in enumerate(labels):
        total = int(counts[i].sum())
        cells = [_heat_cell(int(count), total, right=i == j) for j, count in enumerate(counts[i])]
        rows.append(tag("tr", tag("th", named(label), scope="row"), *cells))
    drawn = tag(
        "table",
        tag("caption", "Confusion: percent of each true emotion by answer", class_="unseen"),
        tag("thead", head),
        tag("tbody", *rows),
        class_="heat",
    )
    return tag("div", drawn, class_="wide")


def _heat_cell(count: int, total: int, *, right: bool) -> Html:
    share = count / total if total else 0.0
    look = f"h{round(20 * share)}" + (" deep" if share > 0.65 else "") + (" right" if right else "")
    inside: list[Child] = [tag("b", f"{100 * share:.0f}"), tag("small", str(count))] if count else []
    return tag("td", *inside, class_=look)


def _counts(labels: Sequence[str], counts: Any) -> Html:
    columns = [Column("truth"), *(Column(label, "number") for label in labels), Column("all", "number")]
    rows = [
        [label, *(str(int(count)) for count in counts[i]), str(int(counts[i].sum()))] for i, label in enumerate(labels)
    ]
    return table(columns, rows, caption="Confusion in counts: rows are the truth, columns the answer")


# --- emotions ---


def emotions(run: Run) -> Section:
    """Recall, precision, F1 and support of each emotion, recall with its interval."""
    scores = run.result.scores
    columns = [
        Column("emotion"),
        Column("recall", "number", "the share of these that was recognised"),
        Column(charts.axis(), "ruler"),
        Column("precision", "number", "how often this answer was right"),
        Column("F1", "number", "harmonic mean of recall and precision"),
        Column("n", "number", "recordings that truly are this"),
    ]
    rows = [
        [
            named(label),
            number(one["recall"]),
            charts.ruler(one["recall"], one.get("recall_low"), one.get("recall_high"), tint=colour(label)),
            number(one["precision"]),
            number(one["f1"]),
            f"{one['support']:,}",
        ]
        for label, one in scores["per_class"].items()
    ]
    body = [
        table(columns, rows, caption="Scores of each emotion", sortable=True),
        p("The band is the 95 % interval of the recall, over speakers.", class_="note"),
    ]
    return Section("emotions", "Each emotion", join(body))


# --- speakers ---


def speakers(run: Run) -> Section | None:
    """The score of each speaker with an interval over their recordings, and of each gender."""
    if not run.speakers_known:
        return Section(
            "speakers",
            "Each speaker",
            p("The speakers aren't known, so there are no scores by speaker and no intervals over speakers."),
        )
    each = _by_speaker(run)
    uar = run.result.scores["uar"]
    worst, best = each[-1], each[0]
    if len(each) == 1:
        text = "There is one speaker only: nothing here says how it would do on another."
    else:
        text = (
            f"From {number(worst['value'])} ({worst['name']}) to {number(best['value'])} ({best['name']}). Who happens "
            "to be tested moves a score, so one on a few speakers says little."
        )
    shown = each
    more: Child = None
    if len(each) > MANY_SPEAKERS:
        shown = each[: MANY_SPEAKERS // 2] + each[-MANY_SPEAKERS // 2 :]
        more = details(f"All {len(each)} speakers", _speaker_table(each, uar["value"]))
        text += f" Shown are the {MANY_SPEAKERS // 2} highest and the {MANY_SPEAKERS // 2} lowest."
    body = [
        p(text),
        _gender_table(run),
        _speaker_table(shown, uar["value"]),
        p(
            "Bands are 95 % intervals over a speaker's own recordings; the dashed line is the score of all.",
            class_="note",
        ),
        more,
    ]
    return Section("speakers", "Each speaker", join(body))


def _by_speaker(run: Run) -> list[dict[str, Any]]:
    """Best first: name, gender, n, value, low, high."""
    result = run.result
    genders = _genders(run)
    found = []
    proba = result.proba
    names = result.table["speaker"].to_numpy(dtype=object)
    truth = result.table["truth"].to_numpy(dtype=object)
    for name, value in metrics.by_group("uar", truth, proba, names, result.labels).items():
        own = names == name
        low, high = (None, None)
        if own.sum() > 1:  # its recordings, as the groups that are drawn from
            low, high = metrics.interval("uar", truth[own], proba[own], np.arange(own.sum()), result.labels)
        found.append(
            {
                "name": str(name),
                "gender": genders.get(name, ""),
                "n": int(own.sum()),
                "value": value,
                "low": low,
                "high": high,
            }
        )
    return sorted(found, key=lambda one: (-one["value"], one["name"]))


def _genders(run: Run) -> Mapping[str, str]:
    if "gender" not in run.result.table:
        return {}
    known = run.result.table.dropna(subset=["gender"]).drop_duplicates("speaker")
    return dict(zip(known["speaker"], known["gender"], strict=True))


def _speaker_table(each: Sequence[Mapping[str, Any]], overall: float) -> Html:
    with_gender = any(one["gender"] for one in each)
    columns = [
        Column("speaker"),
        Column("gender", "number"),
        Column("n", "number", "recordings"),
        Column("UAR", "number"),
    ]
    columns.append(Column(charts.axis(), "ruler"))
    rows: list[list[Child]] = [
        [
            one["name"],
            _gender(one["gender"]),
            f"{one['n']:,}",
            number(one["value"]),
            charts.ruler(one["value"], one["low"], one["high"], chance=overall),
        ]
        for one in each
    ]
    if not with_gender:
        columns = [column for column in columns if column.heading != "gender"]
        rows = [[row[0], *row[2:]] for row in rows]
    return table(columns, rows, caption="Scores of each speaker", sortable=True)


def _gender(name: str) -> Child:
    mark = GENDERS.get(name, "◆")
    return (
        tag("span", tag("span", mark, aria_hidden="true", class_="mark-of"), " ", name, class_="gender")
        if name
        else "–"
    )


def _gender_table(run: Run) -> Html:
    """Empty where gender isn't known, or is one only."""
    genders = _genders(run)
    kinds = sorted(set(genders.values()))
    if len(kinds) < 2:
        return Html("")
    result = run.result
    names = result.table["speaker"].to_numpy(dtype=object)
    truth = result.table["truth"].to_numpy(dtype=object)
    proba = result.proba
    rows: list[list[Child]] = []
    for kind in kinds:
        own = np.array([genders.get(name) == kind for name in names])
        n_speakers = len(set(names[own]))
        low, high = (None, None)
        if n_speakers > 1:
            low, high = metrics.interval("uar", truth[own], proba[own], names[own], result.labels)
        value = metrics.uar(truth[own], proba[own], result.labels)
        rows.append([_gender(kind), str(n_speakers), number(value), charts.ruler(value, low, high)])
    columns = [Column("gender"), Column("speakers", "number"), Column("UAR", "number"), Column(charts.axis(), "ruler")]
    return table(columns, rows, caption="Scores of each gender, with intervals over speakers")


# --- folds ---


def folds(run: Run) -> Section:
    """What each fold scored, and who was in it."""
    result, protocol = run.result, run.protocol
    truth = result.table["truth"].to_numpy(dtype=object)
    each = metrics.by_group("uar", truth, result.proba, result.table["fold"].to_numpy(), result.labels)
    held_out = protocol.get("held_out") or []
    sizes = result.table.groupby("fold").size()
    columns = [
        Column("fold"),
        Column("n", "number", "recordings tested"),
        Column("UAR", "number"),
        Column(charts.axis(), "ruler"),
        Column("who is tested", "long"),
    ]
    rows = []
    for fold, value in sorted(each.items()):
        who = held_out[int(fold)] if 0 <= int(fold) < len(held_out) else {}
        drawn = charts.ruler(value, chance=result.scores["uar"]["value"])
        rows.append([str(int(fold) + 1), f"{int(sizes[fold]):,}", number(value), drawn, _people(who)])
    uar = result.scores["uar"]
    spread = "" if uar.get("fold_sd") is None else f" ± {uar['fold_sd']:.2f} (standard deviation)"
    shares = protocol.get("shares") or []
    body = [
        p(f"{protocol['description']}. Mean of the folds {number(uar.get('fold_mean'))}{spread}."),
        p(f"Training and test sides share: {', '.join(shares)}.", class_="note") if shares else None,
        table(columns, rows, caption="Scores of each fold, and who is in it"),
        tag("ul", *(tag("li", note) for note in protocol["notes"])) if protocol.get("notes") else None,
    ]
    return Section("folds", "How it was tested", join(body))


def _people(who: Mapping[str, Sequence[str]]) -> Html:
    parts = []
    for gender, names in who.items():
        title = "" if gender == "unknown" else f"{gender}: "
        shown = ", ".join(names[:12]) + (f" and {len(names) - 12} more" if len(names) > 12 else "")
        parts.append(tag("div", f"{len(names)} {title}", shown) if title else tag("div", shown))
    return join(parts)
