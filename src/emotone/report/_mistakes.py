"""The most confident wrong answers, to listen to where that is allowed."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from emotone.labels import colour
from emotone.report import _charts as charts
from emotone.report._html import Child, Html, join, p, tag
from emotone.report._run import KEY, Run
from emotone.report._scores import Section, named
from emotone.report._sound import BIT_RATE, Heard

N_SHOWN = 10
N_SCORES = 3


def worst(run: Run) -> list[dict[str, Any]]:
    """The rows of the `N_SHOWN` most confident wrong answers, each recording once, with their ``scores``."""
    table = run.result.table
    proba = run.result.proba
    sureness = proba.max(axis=1)
    wrong = np.flatnonzero((table["predicted"] != table["truth"]).to_numpy())
    chosen = table.iloc[wrong[np.argsort(-sureness[wrong], kind="stable")]].drop_duplicates(KEY).index[:N_SHOWN]
    columns = [*KEY, "speaker", "truth", "predicted", *(["end"] if "end" in table else [])]
    rows = []
    for row in chosen:
        place = table.index.get_loc(row)
        scores = dict(zip(run.result.labels, map(float, proba[place]), strict=True))
        facts = {"end": None} | {column: table.at[row, column] for column in columns}
        rows.append({**facts, "confidence": float(sureness[place]), "scores": scores})
    return rows


def mistakes(run: Run, rows: Sequence[Mapping[str, Any]], heard: Heard) -> Section | None:
    """Cards of the `worst`; None where there is no wrong answer."""
    if not rows:
        return None
    body: list[Child] = [
        p(
            f"The {len(rows)} wrong answers it was surest of. Listen before you blame the recogniser: now and then the "
            "label or the recording is at fault."
            if len(rows) > 1
            else "The only wrong answer."
        ),
        *(p(reason, class_="note") for reason in heard.reasons.values()),
        tag("ol", *(_card(row, heard.players.get(i)) for i, row in enumerate(rows)), class_="mistakes"),
        _attribution(run, rows, heard),
    ]
    return Section("mistakes", "Worst mistakes", join(body))


def _card(row: Mapping[str, Any], address: str | None) -> Html:
    name = f"{row['corpus']}/{row['file']}"
    place = "" if not row["start"] else f" from {row['start']:.2f} s"
    player = (
        tag("audio", controls=True, preload="none", src=address, aria_label=f"Recording {name}") if address else None
    )
    speaker = row["speaker"] if isinstance(row["speaker"], str) else "not known"
    return tag(
        "li",
        p(
            named(row["truth"]),
            tag("span", " taken for ", class_="muted"),
            named(row["predicted"]),
            tag("span", f" at {100 * row['confidence']:.0f} %", class_="muted"),
            class_="verdict",
        ),
        player,
        tag("ul", *_bars(row), class_="top"),
        p(tag("code", name), f"{place}, speaker {speaker}", class_="note"),
    )


def _bars(row: Mapping[str, Any]) -> list[Html]:
    scores = row["scores"]
    likeliest = sorted(scores, key=lambda label: -scores[label])[:N_SCORES]
    if row["truth"] not in likeliest:
        likeliest[-1] = row["truth"]
    return [
        tag(
            "li",
            tag("span", label),
            charts.bar(scores[label], colour(label)),
            tag("span", f"{100 * scores[label]:.0f} %", class_="number"),
        )
        for label in likeliest
    ]


def _attribution(run: Run, rows: Sequence[Mapping[str, Any]], heard: Heard) -> Html:
    """What the licences ask for beside the players: whose it is, under which licence, and what was changed."""
    played = {rows[i]["corpus"] for i in heard.players}
    lines = []
    for corpus in run.corpora:
        if corpus["name"] in played:
            title: Child = corpus["title"]
            if str(corpus["homepage"]).startswith(("http://", "https://")):
                title = tag("a", corpus["title"], href=corpus["homepage"], rel="noreferrer")
            source = [title, f", {corpus['licence']}. {corpus['citation']}"]
            lines.append(p("Recordings: ", source, class_="note"))
    if not lines:
        return Html("")
    changed = f"Changed for this page: mixed to mono, 16 kHz, MP3 at {BIT_RATE // 1000} kb/s."
    return tag("div", *lines, p(changed, class_="note"), class_="attribution")
