"""``emotone audit``: what would make a score on these recordings look better than it is."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from emotone.cli.console import complain, emit_json, parse_roots, progress_of, say, stdout

if TYPE_CHECKING:
    import pandas as pd

    from emotone.audit import Audit
    from emotone.splits import Split

_COLOURS = {"error": "bold red", "warning": "yellow", "note": "cyan"}


def audit(
    roots: Annotated[
        list[str] | None, typer.Argument(metavar="NAME=ROOT...", help="For example ravdess=data/ravdess.")
    ] = None,
    run: Annotated[
        Path | None,
        typer.Option(metavar="FOLDER", help="A run: audit its train and test sides, save audit.json there."),
    ] = None,
    protocol: Annotated[
        str | None, typer.Option(help="Audit a split: speakers, loso, official, holdout, given, random, ...")
    ] = None,
    folds: Annotated[int | None, typer.Option(help="Its number of folds, where the protocol has a choice.")] = None,
    labels: Annotated[
        str, typer.Option(help="Its label set: eight, seven, six, four, seed, or names with commas.")
    ] = "eight",
    seed: Annotated[int, typer.Option(help="Its seed.")] = 0,
    jobs: Annotated[int | None, typer.Option(help="Processes that listen; default: all cores.")] = None,
    as_json: Annotated[bool, typer.Option("--json", help="One JSON document on stdout and nothing else.")] = False,
) -> None:
    """What would make a score look better than it is: copies, shared speakers, confounds.

    Copies are found by their sound, whatever their name, format, rate or gain. Exit 1 if something would inflate a
    score, or a recording can't be read.

    emotone audit ravdess=data/ravdess crema_d=data/crema_d

    emotone audit ravdess=data/ravdess --run runs/first
    """
    from emotone import audit as auditing
    from emotone.errors import ConfigError

    folders: dict[str, Path] = parse_roots(roots or [])
    if run is not None and (protocol is not None or folds is not None):
        raise ConfigError("Give --run or a --protocol: a run has a split already.")
    if folds is not None and protocol is None:
        raise ConfigError("--folds belongs to a --protocol, for example --protocol random.")
    if run is not None:
        folders = folders or auditing.roots_of_run(run)
    if not folders:
        raise ConfigError("Give a corpus as NAME=FOLDER, for example ravdess=data/ravdess.")
    table, split = _what(folders, run, protocol, folds, labels, seed)
    with progress_of("listening") as update:
        found = auditing.audit(table, folders, split=split, jobs=jobs, progress=update)
    if as_json:
        emit_json(found.as_dict())
    else:
        _print(found)
    if run is not None:
        _keep(found, run)
    unread = any(finding.kind == "unreadable" for finding in found.findings)
    raise typer.Exit(1 if found.inflates or unread else 0)


def _what(
    folders: dict[str, Path], run: Path | None, protocol: str | None, folds: int | None, labels: str, seed: int
) -> tuple[pd.DataFrame, Split | None]:
    """The table to audit, and the split of a run or of a protocol; without either, none."""
    from emotone import audit as auditing
    from emotone import corpora
    from emotone.experiment import Experiment
    from emotone.labels import harmonise

    if run is not None:
        return auditing.of_run(run, folders)
    if protocol is None:
        return corpora.read(folders), None
    chosen = tuple(name.strip() for name in labels.split(",")) if "," in labels else labels
    options = {} if folds is None else {"n_folds": folds}
    # An experiment knows the published folds and says what is wrong with an option.
    one = Experiment(corpora=folders, labels=chosen, protocol=protocol, protocol_options=options, seed=seed)
    table = harmonise(corpora.read(folders), chosen).table
    return table, one.split(table)


def _keep(found: Audit, run: Path) -> None:
    try:
        found.save(run)
    except OSError as error:
        complain(f"{run / 'audit.json'} can't be written: {error.strerror or error}.")
    else:
        say(f"Saved {run / 'audit.json'}.")


def _print(found: Audit) -> None:
    from rich.markup import escape
    from rich.table import Table

    console = stdout()
    colour = "bold red" if found.inflates else "bold"
    console.print(f"[{colour}]{escape(found.line)}.[/{colour}]", highlight=False)
    grid = Table.grid(padding=(0, 2))
    grid.add_column(no_wrap=True)
    grid.add_column(no_wrap=True)
    grid.add_column()
    for finding in found.findings:
        style = _COLOURS[finding.severity]
        grid.add_row(f"[{style}]{finding.severity}[/{style}]", finding.kind, escape(finding.message))
    if found.findings:
        console.print(grid, highlight=False)
    if any(" more" in finding.message for finding in found.findings):
        say("Every file by name: --json")
