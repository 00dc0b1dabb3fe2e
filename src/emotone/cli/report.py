"""``emotone report``: one page about a run, about how runs differ, or about an archive."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from emotone.cli.console import complain, emit_json, parse_roots, say

if TYPE_CHECKING:
    from emotone.report import Page


def report(
    runs: Annotated[
        list[str],
        typer.Argument(
            metavar="RUN",
            help="Folders that emotone train wrote; several are compared with the first. Or one of emotone annotate.",
        ),
    ],
    audio: Annotated[
        list[str] | None,
        typer.Option(
            "--audio", metavar="NAME=FOLDER", help="Recordings of a corpus, for the worst mistakes to be heard."
        ),
    ] = None,
    may_embed: Annotated[
        list[str] | None,
        typer.Option(
            "--may-embed", metavar="NAME", help="You may pass on recordings of this corpus, whatever its licence says."
        ),
    ] = None,
    output: Annotated[
        Path | None,
        typer.Option(
            "--output", "-o", help="Default: report.html in the run, comparison.html in the last of several runs."
        ),
    ] = None,
    as_json: Annotated[bool, typer.Option("--json", help="One JSON document on stdout and nothing else.")] = False,
) -> None:
    """One self-contained page about a run, about how runs differ, or about an archive.

    emotone report runs/first --audio ravdess=data/ravdess

    emotone report runs/first runs/second

    emotone report annotated/

    The page loads nothing and can be sent by mail. Exit 1 if a recording that should be in it couldn't be read.
    """
    from emotone import report as reports

    roots = parse_roots(audio or [])
    page = reports.build(list(runs), roots=roots, may_embed=tuple(may_embed or ()))
    path = reports.save(page, output or page.default)
    for trouble in page.troubles:
        complain(trouble)
    if as_json:
        emit_json(_document(page, path))
    else:
        _tell(page)
    size = path.stat().st_size / 1e6
    sound = f", {page.n_players} recordings inside" if page.n_players else ""
    say(f"Wrote {path} ({size:.1f} MB{sound}).")
    raise typer.Exit(1 if page.troubles else 0)


def _document(page: Page, path: Path) -> dict[str, Any]:
    document: dict[str, Any] = {
        "path": str(path),
        "title": page.title,
        "line": page.line,
        "sections": list(page.sections),
        "n_players": page.n_players,
        "troubles": list(page.troubles),
    }
    if page.comparisons:
        document["comparisons"] = [one.as_dict() for one in page.comparisons]
    return document


def _tell(page: Page) -> None:
    """The score, or the difference of each run from the first, with what must be known before believing it."""
    if not page.comparisons:
        typer.echo(page.line)
    for one in page.comparisons:
        typer.echo(one.line())
        for note in one.notes:
            say(f"note: {note}")
