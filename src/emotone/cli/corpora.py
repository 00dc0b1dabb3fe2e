"""`emotone corpora`: which corpora there are, what is known of each, whether a copy is sound, and
downloads."""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from emotone.cli.console import (
    complain,
    emit_json,
    parse_roots,
    progress_bar,
    say,
    stderr,
    stdout,
    warnings_in_words,
)
from emotone.cli.new_corpus import new
from emotone.errors import CorpusError, DownloadError

if TYPE_CHECKING:
    from rich.table import Table

    from emotone.corpora import Corpus, Finding, Folds

__all__ = ["app"]

app = typer.Typer(
    help="Corpora of emotional speech: what there is, how to get it, and whether a copy is sound.",
    no_args_is_help=True,
    context_settings={"help_option_names": ["-h", "--help"]},
)

AsJson = Annotated[bool, typer.Option("--json", help="One JSON document on stdout.")]
Name = Annotated[str, typer.Argument(metavar="NAME", help="A name from 'emotone corpora list'.")]

_COLOURS = {"error": "bold red", "warning": "yellow", "note": "cyan"}


@app.command("list")
def list_corpora(as_json: AsJson = False) -> None:
    """The corpora emotone can read."""
    from emotone.cli.plugins import tell_of
    from emotone.corpora import registry

    added = registry.added()
    package = {plugin.name: plugin.package for plugin in added if not plugin.trouble}
    with warnings_in_words():
        records = list(registry.records())
    if as_json:
        emit_json([corpus.facts() | {"package": package.get(corpus.name, "emotone")} for corpus in records])
        return
    stdout().print(_overview(records))
    tell_of(added)
    say("More about one: emotone corpora show NAME")


@app.command()
def show(name: Name, as_json: AsJson = False) -> None:
    """All that is known of one corpus: size, licence, citation, how to get it, folds, faults."""
    from emotone import corpora

    corpus = corpora.get(name)
    if as_json:
        emit_json(corpus.facts())
        return
    console = stdout()
    console.print(f"[bold]{corpus.title}[/bold]  {corpus.homepage}", highlight=False)
    console.print(_portrait(corpus))


@app.command()
def check(
    roots: Annotated[list[str], typer.Argument(metavar="NAME=ROOT...", help="For example ravdess=data/ravdess.")],
    as_json: AsJson = False,
    no_audio: Annotated[
        bool, typer.Option("--no-audio", help="Look at names and bytes only; nothing is decoded.")
    ] = False,
    strict: Annotated[bool, typer.Option("--strict", help="Exit 1 on warnings too.")] = False,
) -> None:
    """What is missing, doubled, silent, mislabelled or odd in a copy of a corpus, by name.

    Exit 1 if there are errors (with --strict, warnings too) or a folder can't be read; notes never count.
    """
    from emotone import corpora

    given = parse_roots(roots)
    for name in given:
        corpora.get(name)  # a misspelt name is wrong usage: said before any work is done
    failing = {"error", "warning"} if strict else {"error"}
    reports = []
    failed = False
    for name, root in given.items():
        findings: list[Finding] = []
        trouble = None
        try:
            with _counting(f"Checking {name}") as progress:
                findings = corpora.check(name, root, audio=not no_audio, progress=progress)
        except CorpusError as error:
            trouble = str(error)
            complain(trouble)
        failed |= trouble is not None or any(finding.severity in failing for finding in findings)
        reports.append(
            {"corpus": name, "root": str(root), "trouble": trouble, "findings": [asdict(f) for f in findings]}
        )
        if not as_json and trouble is None:
            _print_findings(name, root, findings, listened=not no_audio)
    if as_json:
        emit_json(reports)
    raise typer.Exit(1 if failed else 0)


@app.command()
def fetch(
    name: Name,
    to: Annotated[
        Path | None, typer.Option("--to", metavar="DIR", help="The folder to make; data/NAME if not given.")
    ] = None,
) -> None:
    """Download a corpus and unpack it; a download that broke off goes on where it stopped."""
    from emotone import corpora

    corpus = corpora.get(name)
    target = to if to is not None else Path("data") / name
    if corpus.archives:
        say(f"{corpus.title}\nLicence: {_licence(corpus)}\nPlease cite: {corpus.citation}\n")
    try:
        with _downloading() as progress:
            folder = corpora.fetch(name, target, progress=progress)
    except DownloadError as error:
        complain(str(error))
        raise typer.Exit(1) from error
    findings = corpora.check(name, folder, audio=False)
    _print_findings(name, folder, findings, listened=False)
    say(f"Use it as {name}={folder}")
    raise typer.Exit(1 if any(finding.severity == "error" for finding in findings) else 0)


@app.command()
def export(
    root: Annotated[str, typer.Argument(metavar="NAME=ROOT", help="For example ravdess=data/ravdess.")],
    output: Annotated[Path, typer.Option("-o", "--output", metavar="DIR", help="The folder to make.")],
    form: Annotated[
        str, typer.Option("--to", metavar="FORM", help="audformat, datasets (Hugging Face), csv or parquet.")
    ],
    copy_audio: Annotated[
        bool, typer.Option("--copy-audio", help="Copy the recordings too; the table points to them otherwise.")
    ] = False,
    as_json: AsJson = False,
) -> None:
    """Write a corpus's table in another tool's form, with its licence."""
    from emotone import corpora

    ((name, folder),) = parse_roots([root]).items()
    with _counting(f"Copying {name}") as progress:
        made = corpora.export(name, folder, output, form=form, copy_audio=copy_audio, progress=progress)
    corpus = corpora.get(name)
    if as_json:
        emit_json({"corpus": name, "form": form, "folder": str(made), "licence": corpus.licence, "audio": copy_audio})
        return
    say(f"{made} holds {corpus.title} for {form}{' with' if copy_audio else ', without'} its recordings.")
    say(f"Licence: {_licence(corpus)}. Whoever gets it needs {made / 'README.md'} too.")


app.command("new")(new)


# ---- progress ----


@contextmanager
def _counting(description: str) -> Iterator[Callable[[int, int], None]]:
    """A bar that appears when the first (done, in all) arrives."""
    with ExitStack() as stack:
        advance: Callable[[int], None] | None = None
        before = 0

        def progress(done: int, total: int) -> None:
            nonlocal advance, before
            if advance is None:
                advance = stack.enter_context(progress_bar(description, total=total))
            advance(done - before)
            before = done

        yield progress


@contextmanager
def _downloading() -> Iterator[Callable[[str, int, int | None], None]]:
    """A bar in bytes for each file; silent where stderr is no terminal."""
    if not sys.stderr.isatty():
        yield lambda filename, done, total: None
        return
    from rich.progress import BarColumn, DownloadColumn, Progress, TextColumn, TimeRemainingColumn
    from rich.progress import TransferSpeedColumn as Speed

    columns = (
        TextColumn("{task.description}"),
        BarColumn(),
        DownloadColumn(),
        Speed(),
        TimeRemainingColumn(),
    )
    with Progress(*columns, console=stderr()) as bars:
        tasks = {}

        def progress(filename: str, done: int, total: int | None) -> None:
            if filename not in tasks:
                tasks[filename] = bars.add_task(filename, total=total)
            bars.update(tasks[filename], completed=done, total=total)

        yield progress


# ---- words and tables ----


def _overview(records: list[Corpus]) -> Table:
    from rich.table import Table

    table = Table(box=None, padding=(0, 1, 0, 0), pad_edge=False)
    for heading in ("corpus", "lang", "utts", "voices", "labels", "licence", "download"):
        right = heading in {"utts", "voices", "labels"}
        table.add_column(heading, justify="right" if right else "left", no_wrap=True)
    for corpus in records:
        table.add_row(
            f"[bold]{corpus.name}[/bold]",
            _languages(corpus),
            _number(corpus.n_utterances),
            _number(corpus.n_speakers),
            _number(len(corpus.emotions) or None),
            _beginning(corpus.licence),
            _download(corpus),
        )
    return table


def _beginning(licence: str, room: int = 18) -> str:
    """As much of a licence as leaves a corpus one line; the whole is in ``show``."""
    return licence if len(licence) <= room else f"{licence[: room - 1].rstrip()}…"


def _languages(corpus: Corpus) -> str:
    first, rest = corpus.languages[:2], len(corpus.languages) - 2
    return " ".join([*first, f"+{rest}"] if rest > 0 else first) or "any"


def _number(n: int | None) -> str:
    return "–" if n is None else f"{n:,}"


def _download(corpus: Corpus) -> str:
    if not corpus.archives:
        return "by hand" if corpus.homepage else "–"
    sizes = [archive.size for archive in corpus.archives]
    known = [size for size in sizes if size is not None]
    return f"open, {sum(known) / 1e6:.0f} MB" if len(known) == len(sizes) else "open"


def _portrait(corpus: Corpus) -> Table:
    from rich.table import Table

    grid = Table.grid(padding=(0, 2))
    grid.add_column(style="bold cyan", no_wrap=True)
    grid.add_column()
    for heading, lines in _chapters(corpus):
        for number, line in enumerate(lines):
            grid.add_row("" if number else heading, line)
    return grid


def _chapters(corpus: Corpus) -> Iterator[tuple[str, list[str]]]:
    """Headings with their lines, those that have any."""
    from rich.markup import escape

    in_order = sorted(corpus.labels, key=lambda code: corpus.emotions.index(corpus.labels[code]))
    chapters = {
        "size": [_size(corpus)],
        "emotions": [", ".join(_emotion(corpus, code) for code in in_order)],
        "licence": [_licence(corpus)],
        "get it": [f"emotone corpora fetch {corpus.name}  ({_download(corpus)})"] * bool(corpus.archives)
        + [corpus.obtain],
        "files": [corpus.example],
        "folds": [
            f"{name}: {folds.source}; {folds.state}; {_tested(folds)}" for name, folds in corpus.official.items()
        ],
        "know": [f"- {note}" for note in corpus.notes],
        "faults": [f"- {name}: {fault}" for name, fault in corpus.known_faults.items()],
        "cite": [corpus.citation],
    }
    for heading, lines in chapters.items():
        said = [escape(line) for line in lines if line]
        if said:
            yield heading, said


def _emotion(corpus: Corpus, code: str) -> str:
    """``angry 127 (W)``"""
    n = f" {corpus.counts[code]:,}" if code in corpus.counts else ""
    return f"{corpus.labels[code]}{n} ({code})"


def _size(corpus: Corpus) -> str:
    if corpus.n_utterances is None:
        return ""
    parts = [f"{corpus.n_utterances:,} utterances", f"{_number(corpus.n_speakers)} speakers"]
    if corpus.seconds is not None:
        parts.append(f"{corpus.seconds[0]:.1f} to {corpus.seconds[1]:.1f} s each")
    if corpus.sample_rate is not None:
        parts.append(f"{corpus.sample_rate / 1000:g} kHz")
    return ", ".join([*parts, f"language {' '.join(corpus.languages)}"])


def _licence(corpus: Corpus) -> str:
    use = {True: "commercial use allowed", False: "no commercial use", None: "commercial use: ask the owners"}
    return f"{corpus.licence} ({use[corpus.commercial]})" if corpus.homepage else corpus.licence


def _tested(folds: Folds) -> str:
    if folds.column:
        return f"the table's column {folds.column!r}"
    what, listed = ("sessions", folds.test_sessions) if folds.test_sessions else ("speakers", folds.test_speakers)
    if not listed:
        return f"its rows aren't held here, use the protocol {folds.instead}"
    return f"test {what} " + " | ".join(" ".join(name.rpartition("/")[2] for name in fold) for fold in listed)


def _print_findings(name: str, root: Path, findings: list[Finding], *, listened: bool) -> None:
    from rich.markup import escape
    from rich.table import Table

    console = stdout()
    counts = {severity: sum(f.severity == severity for f in findings) for severity in _COLOURS}
    told = ", ".join(f"{n} {severity}{'s' if n > 1 else ''}" for severity, n in counts.items() if n)
    told = told or ("nothing wrong" if listened else "nothing wrong with names and bytes")
    console.print(f"[bold]{name}[/bold] {escape(str(root))}: {told}", highlight=False)
    grid = Table.grid(padding=(0, 2))
    grid.add_column(no_wrap=True)
    grid.add_column(no_wrap=True)
    grid.add_column()
    for finding in findings:
        style = _COLOURS[finding.severity]
        grid.add_row(f"  [{style}]{finding.severity}[/{style}]", finding.kind, escape(finding.message))
    if findings:
        console.print(grid, highlight=False)
    if any(" more" in finding.message for finding in findings):
        say("Every file by name: --json")
