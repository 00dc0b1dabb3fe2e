"""``emotone benchmark``: the README's results table, from the recordings."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from emotone.cli.console import complain, emit_json, parse_roots, progress_of, say
from emotone.errors import ConfigError

if TYPE_CHECKING:
    from emotone.benchmark import Row, Skipped


def benchmark(
    corpora: Annotated[
        list[str] | None,
        typer.Argument(metavar="[NAME=ROOT]...", help="Where corpora are; others: EMOTONE_DATA, data/."),
    ] = None,
    only: Annotated[str, typer.Option(help="Rows to run, with wildcards, such as 'ravdess-*'.")] = "*",
    list_them: Annotated[bool, typer.Option("--list", help="Print the committed table and run nothing.")] = False,
    output: Annotated[
        Path | None,
        typer.Option("--output", "-o", help="JSON file for the rows; rows it has and this run hasn't stay in it."),
    ] = None,
    jobs: Annotated[int | None, typer.Option(min=1, help="Processes for feature extraction; default: all.")] = None,
    as_json: Annotated[bool, typer.Option("--json", help="One JSON document on stdout and nothing else.")] = False,
) -> None:
    """Make the results table anew from the recordings that are here, and compare it with the committed figures.

    emotone benchmark ravdess=data/ravdess emodb=data/emodb

    emotone benchmark --only 'tutorial-*'

    Exit 1: a score differs from the committed one on the same recordings and folds.
    """
    from emotone import benchmark as bench

    known = bench.committed()
    if list_them:
        if as_json:
            emit_json([vars(row) for row in known.values()])
        else:
            typer.echo(bench.as_markdown(known.values()), nl=False)
        return
    if output is not None and output.is_dir():
        raise ConfigError(f"{output} is a folder; give --output a file, such as rows.json.")
    chosen = bench.rows(only, roots=parse_roots(corpora or []))
    found: list[Row] = []
    skipped: list[Skipped] = []
    with progress_of("benchmark") as update:
        for answer in bench.run(chosen, jobs=jobs, progress=lambda _, done, total: update(done, total)):
            if isinstance(answer, bench.Skipped):
                skipped.append(answer)
                say(f"skipped {answer.name}: {answer.reason}")
                continue
            found += answer
            if output is not None:
                bench.save(answer, output)
            for row in answer:
                say(f"{row.name}: {row.score} · {_compared(row, known)}")
    different = [row.name for row in found if row.name in known and row.differs(known[row.name])]
    if as_json:
        emit_json(
            {
                "rows": [vars(row) | {"committed": _compared(row, known)} for row in found],
                "skipped": [vars(one) for one in skipped],
                "different": different,
            }
        )
    elif found:
        typer.echo(bench.as_markdown(found), nl=False)
    if not found:
        raise ConfigError("No row could be run; see the reasons above, and give corpora as NAME=ROOT.")
    if different:
        complain(f"{len(different)} of {len(found)} scores aren't the committed ones: {', '.join(different)}.")
        raise typer.Exit(1)


def _compared(row: Row, known: dict[str, Row]) -> str:
    return row.against(known[row.name]) if row.name in known else "no committed figure"
