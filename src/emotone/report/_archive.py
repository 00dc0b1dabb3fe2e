"""The page of an archive that ``emotone annotate`` wrote: what was heard, when, from whom, and what wasn't.

The rows are read once, a batch at a time; see `emotone.report._archive_counts`.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any

from emotone.errors import EmotoneError, require
from emotone.labels import in_order
from emotone.report import _page
from emotone.report._archive_counts import NO_SPEECH, SPEECH, UNCERTAIN, Counts, now
from emotone.report._archive_drawing import OTHERS, count, hours, mix, percent, tint
from emotone.report._archive_sections import emotions, failed, groups, legend, moments, over_time, quality
from emotone.report._html import Child, Html, definitions, join, p, tag
from emotone.report._scores import Section

if TYPE_CHECKING:
    from emotone.batch import Archive

__all__ = ["Source", "is_archive", "page"]

AT_ONCE = 100_000
"""Rows that are in memory together."""


@dataclass(frozen=True)
class Source:
    """An archive whose rows have been counted."""

    archive: Any
    counts: Counts
    failures: Mapping[tuple[str, str], tuple[int, str]]
    """By stage and reason without the file's name: how many, and one of the files."""

    @property
    def manifest(self) -> Mapping[str, Any]:
        """What made it."""
        manifest: Mapping[str, Any] = self.archive.manifest
        return manifest

    @property
    def model(self) -> Mapping[str, Any]:
        """Facts about the recogniser; none in an archive of features."""
        return self.manifest["asked"]["model"] or {}

    @cached_property
    def known(self) -> Mapping[str, Any]:
        """What the recogniser's own folder says of it, if it is one of those that come with emotone, or still where it
        was named."""
        from emotone import recogniser

        if not self.model:
            return {}
        try:
            config = recogniser.load(self.model["name"]).config
        except EmotoneError:
            return {}
        return config if config["model_sha256"] == self.model["sha256"] else {}

    @property
    def frontend(self) -> Mapping[str, Any]:
        """Facts about the front-end of an archive of features."""
        return self.manifest["asked"]["frontend"] or {}

    @property
    def counted(self) -> Mapping[str, Any]:
        """What the manifest counts: as of when the last run ended."""
        return self.manifest["counts"] or {}

    @property
    def kinds(self) -> list[str]:
        """What its speech is told as: emotions in canonical order, then what isn't one."""
        found = {kind for kind in self.counts.kinds.names if kind != NO_SPEECH}
        return [*in_order(found - set(OTHERS)), *(name for name in (SPEECH, UNCERTAIN) if name in found)]

    @property
    def seconds(self) -> dict[str, float]:
        """Of sound, by kind."""
        return {kind: self.counts.kinds.seconds[kind, kind] for kind in self.counts.kinds.names}

    @property
    def speech(self) -> float:
        """Seconds in which somebody speaks."""
        return sum(seconds for kind, seconds in self.seconds.items() if kind != NO_SPEECH)

    @property
    def unit(self) -> str:
        """What the tables count time in."""
        return "hours" if self.speech >= 36_000 else "minutes" if self.speech >= 600 else "seconds"

    def time(self, seconds: float) -> str:
        """A number of that unit."""
        number = seconds / {"hours": 3600, "minutes": 60, "seconds": 1}[self.unit]
        return f"{number:,.0f}" if number >= 100 else f"{number:.1f}"


def is_archive(folder: str | Path) -> bool:
    """Whether a folder, or an address, holds what ``emotone annotate`` wrote."""
    name = str(folder)
    return "://" in name or (Path(name) / "manifest.json").is_file()


def read(folder: str | Path) -> Source:
    """Go through all rows, a batch at a time."""
    from emotone.batch import Archive

    archive = Archive.open(folder)
    schema = archive.segments().schema
    carried = [name for name in archive.manifest["carried"].values() if name != "speaker"]
    counts = Counts(schema, archive.labels, archive.dimensions, carried)
    for some in _tables(archive.batches(counts.columns)):
        counts.add(some)
    return Source(archive, counts, _failures_of(archive))


def _tables(batches: Iterable[Any]) -> Iterator[Any]:
    """Arrow tables of about `AT_ONCE` rows: a shard alone is too small to be worth the trouble."""
    arrow = require("pyarrow", extra="batch")
    waiting: list[Any] = []
    for batch in batches:
        waiting.append(batch)
        if sum(one.num_rows for one in waiting) >= AT_ONCE:
            yield arrow.Table.from_batches(waiting)
            waiting = []
    if any(one.num_rows for one in waiting):
        yield arrow.Table.from_batches(waiting)


def page(folder: str | Path) -> tuple[str, str, str, tuple[str, ...]]:
    """The HTML, the title, the headline in one line, and the anchors of its sections."""
    source = read(folder)
    title = Path(str(folder).rstrip("/")).name or "archive"
    sections = [
        emotions(source),
        over_time(source),
        *groups(source),
        moments(source),
        quality(source),
        failed(source),
        _made_by(source),
        _words(source),
    ]
    kept = [section for section in sections if section is not None]
    html = _page.document(
        title=title,
        condition=_condition(source),
        banner=_banner(source),
        headline=_headline(source),
        sections=kept,
        eyebrow="emotone archive",
    )
    return html, title, _line(source), tuple(section.anchor for section in kept)


def _condition(source: Source) -> str:
    what = {"predictions": "one answer for each recording", "timeline": "timelines"}.get(
        str(source.manifest.get("what")), str(source.manifest.get("what"))
    )
    return f"{what}, by {_made_with(source)}"


def _made_with(source: Source) -> str:
    return f"the recogniser {source.model['name']}" if source.model else f"the front-end {source.frontend['name']}"


def _banner(source: Source) -> Html:
    if source.archive.is_finished:
        return Html("")
    words = "What is finished so far is below. The same command again goes on, and this page can be made anew."
    return tag("div", tag("strong", f"Not finished on {now()}"), words, class_="banner", role="note")


def _n_failures(source: Source) -> int:
    return sum(n for n, _ in source.failures.values())


def _line(source: Source) -> str:
    speech = source.speech
    recordings = int(source.counted.get("recordings", 0))
    parts = [f"{count(recordings, 'recording')}, {hours(speech)} of speech"]
    loudest = _most(source)
    if loudest:
        parts.append(f"most often {loudest}")
    if _n_failures(source):
        parts.append(count(_n_failures(source), "failure"))
    return "; ".join(parts)


def _most(source: Source) -> str:
    named = {kind: seconds for kind, seconds in source.seconds.items() if kind not in OTHERS}
    return max(named, key=lambda kind: named[kind]) if named else ""


def _headline(source: Source) -> Html:
    seconds = source.seconds
    speech = source.speech
    number, unit = hours(speech).split(" ")
    parts = [
        tag(
            "div",
            tag("p", number, class_="big"),
            tag(
                "p",
                tag("strong", f"{unit} of speech"),
                tag("br"),
                f"in {count(int(source.counted.get('recordings', 0)), 'recording')}",
                class_="unit",
            ),
            class_="score",
        )
    ]
    if source.kinds and speech:
        shares = [(seconds.get(kind, 0.0) / speech, tint(kind)) for kind in source.kinds]
        parts += [mix(shares, height=28, class_="headline-ruler"), legend(source)]
    rows = sum(source.counts.kinds.n.values())
    silent = seconds.get(NO_SPEECH, 0.0)
    facts: dict[str, Child] = {
        "segments": tag("b", f"{rows:,}"),
        "without an answer": [tag("b", percent(seconds.get(UNCERTAIN, 0.0), speech)), tag("small", "of the speech")]
        if UNCERTAIN in seconds
        else None,
        "nobody speaks": [tag("b", percent(silent, silent + speech)), tag("small", "of the sound")] if silent else None,
        "failed": [tag("b", f"{_n_failures(source):,}"), tag("small", "recordings")],
    }
    return join([*parts, definitions(facts)])


def _failures_of(archive: Archive) -> dict[tuple[str, str], tuple[int, str]]:
    """Failures by stage and reason, the file's name taken out of it; a limit keeps it small, whatever the reasons."""
    found: dict[tuple[str, str], tuple[int, str]] = {}
    for batch in archive.failures().to_batches(columns=["file", "stage", "reason"]):
        for row in batch.to_pylist():
            key = (row["stage"], _without_name(row["reason"], row["file"]))
            if key not in found and len(found) >= 1_000:
                key = (row["stage"], "other reasons")
            n, example = found.get(key, (0, row["file"]))
            found[key] = (n + 1, example)
    return found


def _without_name(reason: str, file: str) -> str:
    return reason.replace(file, "…").strip().removeprefix("…: ")


def _made_by(source: Source) -> Section:
    manifest, model = source.manifest, source.model
    asked, known, runs = manifest["asked"], source.known, manifest["runs"]
    options = {name: asked[name] for name in ("channels", "adapt", "shard_files")}
    facts: dict[str, Child] = {
        "model": model.get("name"),
        "knows": ", ".join(model.get("labels") or ()),
        "predicts": ", ".join(model.get("dimensions") or ()),
        "licence": known.get("licence"),
        "sha256 of the model": tag("code", model["sha256"]) if model else None,
        "features": ", ".join(f"{key} {value}" for key, value in source.frontend.items()),
        "sources": ", ".join(one["given"] for one in asked["sources"]),
        "listed": f"{source.counted.get('listed', 0):,}, in {count(source.counted.get('shards', 0), 'shard')}",
        "options": ", ".join(f"{name} {_plain(value)}" for name, value in options.items()),
        "runs": "; ".join(map(_run, runs)),
        "versions": ", ".join(f"{name} {number}" for name, number in (runs[-1]["versions"] if runs else {}).items()),
    }
    return Section("again", "What made it", join([definitions(facts), *_limits(source, known)]))


def _limits(source: Source, known: Mapping[str, Any]) -> list[Html]:
    """How far answers can be believed: the model's own scores where they are known, and what holds for all."""
    said: list[Html] = [tag("h3", "What to believe")]
    scores = [str(one["line"]) for one in known.get("scores") or () if one.get("line")]
    if scores:
        said += [p("What the model scored, and on whom:"), tag("ul", *(tag("li", line) for line in scores))]
    if source.model:
        said.append(tag("ul", *(tag("li", words) for words in LIMITS)))
    return said if len(said) > 1 else []


LIMITS = (
    "Answers are about how speech sounds, not about what anybody feels.",
    "A share over many recordings is steadier than a single answer, but errors that all answers share stay in it: "
    "groups may differ in language, microphone or age rather than in emotion.",
    "Nothing here is a basis for decisions about a person.",
)


def _run(run: Mapping[str, Any]) -> str:
    begun = str(run["started"])[:16].replace("T", " ")
    jobs = f", {count(int(run['jobs']), 'worker')}" if run.get("jobs") else ""
    return f"{begun} ({run['engine']}{jobs})" + ("" if run.get("ended") else ", not ended")


def _plain(value: Any) -> str:
    return "no" if value is False else "yes" if value is True else str(value)


def _words(source: Source) -> Section:
    body = definitions(
        {
            "segment": "An answer from one moment to another. In predictions, the whole recording is one.",
            "uncertain": "Speech in which no emotion was likely enough to name one." if source.counts.labels else None,
            "expected": "Each emotion's probability times the time, summed: what names hide is counted."
            if source.counts.labels
            else None,
            "flag": "What a segment brings with it that makes its answer doubtful, or keeps it from having one.",
            "stage": "How far a recording came before it failed.",
        }
    )
    return Section("words", "Words", tag("div", body, class_="glossary"))
