"""The sections of an archive's page that say what was heard, when, from whom, and what wasn't."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable, Mapping
from datetime import date, timedelta
from typing import TYPE_CHECKING, Any

from emotone.labels import colour, in_order
from emotone.report import _charts as charts
from emotone.report._archive_counts import BIN, MOST_GROUPS, Groups, Moment, parts_of
from emotone.report._archive_drawing import clock, columns_over, mix, percent, tint
from emotone.report._html import Child, Column, Html, details, join, p, table, tag
from emotone.report._scores import Section
from emotone.segment import explain

if TYPE_CHECKING:
    from emotone.report._archive import Source

__all__ = ["emotions", "failed", "groups", "legend", "moments", "over_time", "quality"]

LISTED = 40
"""Groups in a table: those with the most sound."""

MORE_GROUPS = 6
"""Other columns of the user's that have a table."""
COLUMNS = 60
"""Of a chart over time, at most."""

FAILURES = 12
"""Reasons for failures that are told."""


def legend(source: Source) -> Html:
    names = [tag("span", charts.swatch(tint(kind)), kind, class_="emotion") for kind in source.kinds]
    return p(*(part for name in names for part in (name, "\u2003")), class_="note")


def emotions(source: Source) -> Section | None:
    counts, seconds = source.counts, source.seconds
    speech = source.speech
    if not speech or not counts.has_emotions or not counts.labels:
        return _dimensions(source) if counts.dimensions and speech else None
    scale = _shares_to(max(seconds[kind] for kind in source.kinds) / speech)
    columns = [
        Column("heard"),
        Column(source.unit, "number"),
        Column("share", "number", "Of the speech, by the names that segments were given"),
        Column("expected", "number", "Of the speech: each emotion's probability times the time"),
        Column(charts.axis(scale), "ruler"),
    ]
    rows: list[list[Child]] = []
    expected = sum(counts.expected.values())
    for kind in source.kinds:
        share = seconds.get(kind, 0.0) / speech
        doubted = counts.expected[kind] / expected if expected and kind in counts.expected else None
        drawn = charts.ruler(share, beside=doubted, tint=tint(kind), scale=scale)
        named = tag("span", charts.swatch(tint(kind)), kind, class_="emotion")
        told = "–" if doubted is None else percent(doubted, 1.0)
        rows.append([named, source.time(seconds.get(kind, 0.0)), percent(share, 1.0), told, drawn])
    note = p(
        "The dot is the share by name, the ring what is expected by probability. Names hide what was second: where "
        "they differ, the ring is the better estimate of a total, and names are what can be listened to.",
        class_="note",
    )
    body: list[Html] = [table(columns, rows, caption="Time in each emotion"), note]
    if counts.dimensions:
        body.append(_means(source))
    return Section("emotions", "What was heard", join(body))


def _shares_to(most: float) -> charts.Scale:
    """A scale of shares that ends at a round number."""
    end = next(end for end in (0.2, 0.4, 0.6, 0.8, 1.0) if most <= end or end == 1.0)
    return charts.Scale(0.0, end, tuple(end * i / 4 for i in range(5)))


def _dimensions(source: Source) -> Section:
    return Section("dimensions", "What was heard", _means(source))


def _means(source: Source) -> Html:
    scales = source.known.get("dimensions") or {}
    rows: list[list[Child]] = []
    for name, (total, seconds) in source.counts.means.items():
        drawn, ends = "", ""
        if name in scales and seconds:
            low, high = scales[name]
            ticks = tuple(low + (high - low) * i / 4 for i in range(5))
            drawn = charts.ruler(total / seconds, scale=charts.Scale(low, high, ticks))
            ends = f"{low:g} to {high:g}"
        rows.append([name, f"{total / seconds:.2f}" if seconds else "–", ends, drawn])
    columns = [Column("dimension"), Column("mean", "number"), Column("scale", "number"), Column("", "ruler")]
    return table(columns, rows, caption="Mean of each dimension over the speech")


def over_time(source: Source) -> Section | None:
    if not source.kinds:
        return None
    counts = source.counts
    drawn: list[Html] = []
    if counts.when and len(counts.days.names) > 1:
        drawn += _drawn_over(source, "From day to day", *_by_day(counts.days))
    if counts.when and len(counts.hours.names) > 1:
        whole = {hour: f"{hour:02d}:00" for hour in range(24)}
        drawn += _drawn_over(source, "Over the day", counts.hours, whole)
    if source.manifest.get("what") == "timeline" and len(counts.positions.names) > 1:
        drawn += _drawn_over(source, "From the beginning of a recording", *_by_position(counts.positions))
    if not drawn:
        return None
    if counts.when:
        drawn.append(
            p(f"Days and hours are those of the column {counts.when}, and of the moment within it.", class_="note")
        )
    return Section("time", "Over time", join(drawn))


def _by_day(days: Groups) -> tuple[Groups, dict[Any, str]]:
    """Days, weeks, months or years, whichever are few enough, with those in between that nobody spoke in."""
    first, last = min(days.names), max(days.names)
    steps: list[tuple[Callable[[date], date], Callable[[date], date], str]] = [
        (lambda day: day, lambda day: day + timedelta(days=1), "%Y-%m-%d"),
        (lambda day: day - timedelta(days=day.weekday()), lambda day: day + timedelta(days=7), "%Y-%m-%d"),
        (lambda day: day.replace(day=1), lambda day: (day.replace(day=28) + timedelta(days=4)).replace(day=1), "%Y-%m"),
        (lambda day: day.replace(month=1, day=1), lambda day: day.replace(year=day.year + 1), "%Y"),
    ]
    for begin, after, words in steps:
        names: dict[Any, str] = {}
        at = begin(first)
        while at <= last and len(names) <= COLUMNS:
            names[at] = f"{at:{words}}"
            at = after(at)
        if len(names) <= COLUMNS:
            return days.renamed(begin), names
    return days.renamed(begin), names


def _by_position(bins: Groups) -> tuple[Groups, dict[Any, str]]:
    """Equal steps of `BIN` seconds or longer, to where only a hundredth of the sound is left."""
    each: Counter[int] = Counter()
    for (place, _), seconds in bins.seconds.items():
        each[place] += seconds  # type: ignore[assignment]  # seconds aren't whole
    passed, last = 0.0, 0
    for last in sorted(each):
        passed += each[last]
        if passed >= 0.99 * each.total():
            break
    step = next(step for step in _STEPS if (last + 1) * BIN / step <= COLUMNS)
    names = {i: clock(i * step) for i in range(int(last * BIN // step) + 1)}
    return bins.renamed(lambda place: int(place * BIN // step)), names


_STEPS = (10, 20, 30, 60, 120, 300, 600, 1200, 1800, 3600, 7200, 14400, 28800, 86400, 864_000, 8_640_000, 10**12)


def _drawn_over(source: Source, title: str, groups: Groups, names: Mapping[Any, str]) -> list[Html]:
    """A column for each of ``names``: the mix of what was heard, and under it how much there was."""
    kinds = source.kinds
    each = {name: groups.kinds_of(key, kinds) for key, name in names.items()}
    most = max((sum(parts.values()) for parts in each.values()), default=0.0)
    if not most:
        return []
    words = f"{title}: {len(each)} steps from {next(iter(each))} to {list(each)[-1]}; the table has the numbers."
    rows: list[list[Child]] = []
    for name, parts in each.items():
        total = sum(parts.values())
        rows.append([name, source.time(total), *(percent(parts[kind], total) for kind in kinds)])
    columns = [Column(""), Column(source.unit, "number"), *(Column(kind, "number") for kind in kinds)]
    return [
        tag("h3", title),
        tag("figure", columns_over(each, most, words=words), legend(source)),
        details("The numbers", table(columns, rows, caption=title)),
    ]


def groups(source: Source) -> Iterable[Section | None]:
    if not source.kinds:
        return
    counts = source.counts
    yield _grouped(source, "speakers", "Each speaker", "speaker", counts.speakers)
    yield _grouped(source, "folders", "Each folder", "folder", _near_the_top(counts.folders))
    told = 0
    for name, groups in counts.values.items():
        each_its_own = groups.n.total() < 3 * len(groups.names)
        if not groups.too_many and 1 < len(groups.names) <= LISTED and not each_its_own and told < MORE_GROUPS:
            told += 1
            yield _grouped(source, f"by-{told}", f"By {name}", name, groups)


def _grouped(source: Source, anchor: str, title: str, what: str, groups: Groups) -> Section | None:
    if groups.too_many:
        words = f"There are more than {MOST_GROUPS:,} of them, too many to tell apart here. The tables have them all."
        return Section(anchor, title, p(words, class_="note"))
    if len(groups.names) < 2:
        return None
    kinds = source.kinds
    totals = {name: sum(groups.kinds_of(name, kinds).values()) for name in groups.names}
    most = sorted(totals, key=lambda name: (-totals[name], str(name)))[:LISTED]
    mixed = len(kinds) > 1
    columns = [Column(what), Column("count", "number", "Segments"), Column(source.unit, "number")]
    columns += [Column("mostly"), Column("mix", "ruler")] if mixed else []
    rows: list[list[Child]] = []
    for name in most:
        parts = groups.kinds_of(name, kinds)
        cells: list[Child] = [str(name) or "(top)", f"{groups.rows_of(name, kinds):,}", source.time(totals[name])]
        if mixed:
            first = max(parts, key=lambda kind: parts[kind])
            shares = [(parts[kind] / max(totals[name], 1e-9), tint(kind)) for kind in kinds]
            cells += [f"{first} {percent(parts[first], totals[name])}", mix(shares)]
        rows.append(cells)
    body: list[Html] = [table(columns, rows, caption=title, sortable=True)]
    if mixed:
        body.append(legend(source))
    if len(totals) > LISTED:
        body.append(p(f"The {LISTED} with the most speech, of {len(totals):,}.", class_="note"))
    return Section(anchor, title, join(body))


def _near_the_top(folders: Groups) -> Groups:
    """By as many of a folder's names, below what all have, as leave at most `LISTED`, but at least two."""
    if folders.too_many or len(folders.names) < 2:
        return folders
    split = {name: parts_of(name) for name in folders.names}
    common = 0
    while len({parts[: common + 1] for parts in split.values()}) == 1:
        common += 1
    deepest = max(map(len, split.values()))
    best = common + 1
    for depth in range(common + 1, deepest + 1):
        if len({parts[common:depth] for parts in split.values()}) > LISTED:
            break
        best = depth
    return folders.renamed(lambda name: "/".join(split[name][common:best]) or "(top)")


def moments(source: Source) -> Section | None:
    counts = source.counts
    rows: list[list[Child]] = []
    for emotion in in_order(counts.surest):
        for one in counts.surest[emotion]:
            rows.append(
                _moment(tag("span", charts.swatch(colour(emotion)), emotion, class_="emotion"), one, percent=True)
            )
    for name in counts.dimensions:
        for end, found in (("highest", counts.highest), ("lowest", counts.lowest)):
            rows += [_moment(f"{end} {name}", one, percent=False) for one in found[name]]
    if not rows:
        return None
    columns = [
        Column("what"),
        Column("sure, %", "number", "The probability of what was heard"),
        Column("recording", "long"),
    ]
    columns.append(Column("from, to"))
    if not counts.labels:
        columns[1] = Column("value", "number")
    note = p(
        "The surest answers of the whole archive, one of each recording. They are where to begin listening, and not "
        "what is typical: among millions of segments, some are sure and wrong.",
        class_="note",
    )
    return Section("moments", "The most extreme moments", join([table(columns, rows, caption="Moments"), note]))


def _moment(what: Child, one: Moment, *, percent: bool) -> list[Child]:
    value = f"{100 * one.value:.1f}" if percent else f"{one.value:.2f}"
    notes = [tag("small", f" {flag.replace('_', ' ')}") for flag in one.flags]
    return [what, value, [tag("code", one.file), *notes], f"{clock(one.start)}–{clock(one.end)}"]


def quality(source: Source) -> Section | None:
    flags = source.counts.flags
    if not flags.names:
        words = p("No segment has a flag: none is silent, too short, clipped, very quiet or too uncertain.")
        return Section("quality", "Quality", words)
    whole, rows_in_all = sum(source.seconds.values()), sum(source.counts.kinds.n.values())
    rows: list[list[Child]] = []
    for flag in sorted(flags.names, key=lambda name: (-flags.seconds[name, ""], name)):
        seconds = flags.seconds[flag, ""]
        told = [f"{flags.n[flag, '']:,}", source.time(seconds), percent(seconds, whole)]
        rows.append([tag("code", flag), *told, explain(flag)])
    columns = [
        Column("flag"),
        Column("count", "number", "Segments"),
        Column(source.unit, "number"),
        Column("share", "number", "Of all sound"),
        Column("what it means", "long"),
    ]
    note = p(f"Of {rows_in_all:,} segments. A segment may have several flags.", class_="note")
    return Section("quality", "Quality", join([table(columns, rows, caption="Flags"), note]))


def failed(source: Source) -> Section:
    if not source.failures:
        return Section("failures", "Failures", p("None: every recording that was listed has its rows."))
    stages = Counter[str]()
    for (stage, _), (n, _) in source.failures.items():
        stages[stage] += n
    most = sorted(source.failures.items(), key=lambda one: (-one[1][0], one[0]))[:FAILURES]
    by_stage = table(
        [Column("stage"), Column("failures", "number"), Column("what it is", "long")],
        [[stage, f"{n:,}", STAGES.get(stage, "")] for stage, n in stages.most_common()],
        caption="Failures by stage",
    )
    reasons = table(
        [Column("stage"), Column("failures", "number"), Column("reason, and one of the files", "long")],
        [[stage, f"{n:,}", [reason, tag("br"), tag("code", file)]] for (stage, reason), (n, file) in most],
        caption="Reasons",
    )
    left = len(source.failures) - len(most)
    note = p(
        f"{left:,} more reasons are in the table of failures. " if left else "",
        "The table of failures (failures/) names every file.",
        class_="note",
    )
    return Section("failures", "Failures", join([by_stage, tag("h3", "Why"), reasons, note]))


STAGES = {
    "list": "What was named couldn't be made out.",
    "read": "It couldn't be fetched.",
    "decode": "It was fetched, and isn't sound that can be decoded.",
    "recognise": "It was decoded, and the recogniser had no answer.",
    "write": "It was heard, and couldn't be written.",
}
