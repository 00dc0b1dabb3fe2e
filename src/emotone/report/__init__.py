"""One self-contained page from a run's folder, or from several to compare.

The page loads nothing: it opens from a mail attachment, prints, reads on a phone, in the dark and by ear. What it
shows depends on what the folder holds: ``result.json`` and ``predictions.parquet`` are needed, ``audit.json``,
``ladder.json``, ``stress.json``, ``training.json`` and ``recogniser/`` add their sections. The folder of an archive
(`emotone.batch`) has a page of its own kind.

`build` makes the page, `save` writes it, `write` does both.
"""

from __future__ import annotations

import os
import tempfile
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from emotone.comparison import Comparison, compare_all
from emotone.errors import ExperimentError
from emotone.report import _archive, _compared, _facts, _mistakes, _numbers, _page, _scores, _sound, _training, _trust
from emotone.report._html import Html
from emotone.report._run import Run, read
from emotone.report._scores import Section
from emotone.report._timeline import Timeline, timeline

__all__ = ["Page", "Timeline", "build", "save", "timeline", "write"]

FILE, COMPARISON_FILE = "report.html", "comparison.html"


@dataclass(frozen=True)
class Page:
    """A report before it is written."""

    html: str
    title: str
    line: str
    """The headline in one line: the score and its condition, or the difference."""
    sections: tuple[str, ...]
    """Anchors of the sections it has."""
    default: Path
    """Where it goes when nothing else is said."""
    comparisons: tuple[Comparison, ...] = ()
    """Each of the other runs against the first; empty for one run."""
    n_players: int = 0
    """Recordings inside the page."""
    troubles: tuple[str, ...] = ()
    """Recordings that should be inside and couldn't be read, one sentence each."""


def write(
    runs: str | Path | Sequence[str | Path],
    *,
    roots: Mapping[str, str | Path] | None = None,
    output: str | Path | None = None,
) -> Path:
    """Write the report of a run's folder, or the comparison of several, and return its path.

    ``roots`` says where corpora's recordings are (name to folder), for the worst mistakes to be heard where the
    licence allows. Without ``output`` it is ``report.html`` in the run, or ``comparison.html`` in the last run.
    Raises as `build` and `save`.
    """
    page = build(runs, roots=roots)
    return save(page, output or page.default)


def build(
    runs: str | Path | Sequence[str | Path],
    *,
    roots: Mapping[str, str | Path] | None = None,
    may_embed: Collection[str] = (),
) -> Page:
    """The page of one run, or the comparison of several with the first; or the page of one archive.

    ``may_embed`` names corpora whose recordings you may pass on although their licence isn't known to allow it, such
    as your own. Raises `ExperimentError` for a folder that isn't a run, or runs that can't be compared, `ConfigError`
    or `CorpusError` for a root that can't be used.
    """
    folders = [runs] if isinstance(runs, str | os.PathLike) else list(runs)
    if not folders:
        raise ExperimentError("No run is given; give the folder that emotone train wrote.")
    if len(folders) == 1 and _archive.is_archive(folders[0]):
        return _archive_page(folders[0])
    found = [read(folder) for folder in folders]
    given = {name: Path(root).expanduser() for name, root in (roots or {}).items()}
    if len(found) > 1:
        return _comparison(found)
    _sound.check_roots(found[0], given, may_embed)
    return _numbers_page(found[0]) if found[0].regression else _report(found[0], given, may_embed)


def save(page: Page | Timeline, output: str | Path) -> Path:
    """Write the page whole or not at all: a report that is there stays until the new one is complete.

    Raises `ExperimentError` where it can't be written.
    """
    target = Path(output).expanduser()
    if target.is_dir():
        target = target / page.default.name
    try:
        target.parent.mkdir(parents=True, exist_ok=True)
        with tempfile.NamedTemporaryFile(
            "w", encoding="utf-8", dir=target.parent, prefix=f".{target.name}.", delete=False
        ) as aside:
            path = Path(aside.name)
            try:
                aside.write(page.html)
                aside.close()
                path.chmod(0o644)
                path.replace(target)
            except BaseException:
                path.unlink(missing_ok=True)
                raise
    except OSError as error:
        raise ExperimentError(
            f"The report can't be written to {target}: {error.strerror or error}. Give another place with -o."
        ) from error
    return target


def _report(run: Run, roots: Mapping[str, Path], may_embed: Collection[str]) -> Page:
    rows = _mistakes.worst(run)
    heard = _sound.hear(run, rows, roots, may_embed)
    sections = [
        _scores.confusion(run),
        _scores.emotions(run),
        _scores.speakers(run),
        _trust.confidence(run),
        _trust.raters(run),
        _scores.folds(run),
        _training.training(run),
        _trust.ladder(run),
        _trust.stress(run),
        _trust.audit(run),
        _mistakes.mistakes(run, rows, heard),
        _facts.data(run),
        _facts.again(run),
        _facts.words(),
    ]
    page = _finished(run, _scores.headline(run), sections)
    return Page(**{**vars(page), "n_players": len(heard.players), "troubles": heard.troubles})


def _numbers_page(run: Run) -> Page:
    sections = [
        _numbers.agreement(run),
        _numbers.speakers(run),
        _trust.audit(run),
        _facts.data(run),
        _facts.again(run),
        _facts.words(numbers=True),
    ]
    return _finished(run, _numbers.headline(run), sections)


def _finished(run: Run, headline: Html, sections: Sequence[Section | None]) -> Page:
    kept = [section for section in sections if section is not None]
    html = _page.document(
        title=run.name, condition=run.result.condition, banner=_scores.banner(run), headline=headline, sections=kept
    )
    anchors = tuple(section.anchor for section in kept)
    return Page(html, run.name, run.result.line(), anchors, run.folder / FILE)


def _archive_page(folder: str | Path) -> Page:
    html, title, line, anchors = _archive.page(folder)
    beside = Path(FILE) if "://" in str(folder) else Path(folder) / FILE
    return Page(html, title, line, anchors, beside)


def _comparison(runs: Sequence[Run]) -> Page:
    names = _compared.names(runs)
    found = compare_all([run.result for run in runs], names=names)
    sections: list[Section | None] = [_compared.fairness(found)]
    for i, one in enumerate(found, start=1):
        own = [_compared.scores(one), _compared.emotions(one), _compared.speakers(one), _compared.recordings(one)]
        sections += own if len(found) == 1 else [_of_one(section, one, i) for section in own if section is not None]
    sections += [_compared.runs_section(runs), _facts.words()]
    kept = [section for section in sections if section is not None]
    title = f"{names[1]} against {names[0]}" if len(names) == 2 else f"{', '.join(names[1:])} against {names[0]}"
    html = _page.document(
        title=title,
        condition=" and ".join(dict.fromkeys(run.result.condition for run in runs)),
        banner=_compared.banner(found, runs),
        headline=_compared.headline(found),
        sections=kept,
    )
    line = "; ".join(one.line() for one in found)
    return Page(html, title, line, tuple(section.anchor for section in kept), runs[-1].folder / COMPARISON_FILE, found)


def _of_one(section: Section, one: Comparison, i: int) -> Section:
    """A section about one of several comparisons."""
    words = f"{section.title[0].lower()}{section.title[1:]}"
    return Section(f"{section.anchor}-{i}", f"{one.names[1]}: {words}", section.body)
