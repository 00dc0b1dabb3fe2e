"""``emotone stress``: what noise, rooms, telephones and codecs do to a recogniser, and whom it serves worse."""

from __future__ import annotations

import time
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from emotone.cli.console import complain, emit_json, parse_roots, progress_of, say, stdout

if TYPE_CHECKING:
    from rich.table import Table as RichTable

    from emotone.stress import GroupScore, Stress

_WORST = 8  # groups that are listed
_LEANING = 0.05  # of the answers: less isn't told


def stress(
    arguments: Annotated[
        list[str],
        typer.Argument(
            metavar="[RECOGNISER] CORPUS=FOLDER...",
            help="Recogniser (a folder, a run's folder or a bundled name; without one, the bundled one), and corpora.",
        ),
    ],
    conditions: Annotated[
        str | None,
        typer.Option(
            "--conditions",
            metavar="NAMES",
            help="With commas: noise, babble, room, telephone, codecs, level, band, time, gaps, small, or single ones "
            "such as white_20db. Default: all.",
        ),
    ] = None,
    limit: Annotated[
        int | None,
        typer.Option(help="Recordings heard under every condition, balanced by emotion and speaker; 0: all. [200]"),
    ] = None,
    seed: Annotated[int, typer.Option(help="Feeds everything that is drawn.")] = 0,
    jobs: Annotated[int | None, typer.Option(help="Processes; default: one for each core.")] = None,
    output: Annotated[
        Path | None, typer.Option("--output", "-o", help="Folder for stress.json and stress.png, such as a run's.")
    ] = None,
    as_json: Annotated[bool, typer.Option("--json", help="One JSON document on stdout and nothing else.")] = False,
) -> None:
    """How well a recogniser does in noise, rooms and on telephones, and whether it does as well for everybody.

    emotone stress nemo=data/nemo

    emotone stress runs/first ravdess=data/ravdess --conditions noise,codecs -o runs/first

    Speakers a recogniser was trained on flatter it, which is said; so test on a corpus it hasn't heard. Exit 1 if a
    recording couldn't be used: it is named, and the rest is done.
    """
    name, pairs = _parted(arguments)
    roots = parse_roots(pairs)
    _check_output(output)
    from emotone import corpora, recogniser
    from emotone.stress import DEFAULT, LIMIT, choose
    from emotone.stress import stress as test

    chosen = DEFAULT if conditions is None else choose(part.strip() for part in conditions.split(","))
    loaded = recogniser.load(_folder(name))
    table = corpora.read(roots)
    folders = {corpus: corpora.audio_root(corpus, root) for corpus, root in roots.items()}
    begin = time.monotonic()
    with progress_of("listening") as update:
        found = test(
            loaded,
            table,
            folders,
            conditions=chosen,
            jobs=jobs,
            limit={None: LIMIT, 0: None}.get(limit, limit),
            seed=seed,
            progress=update,
        )
    seconds = time.monotonic() - begin
    try:
        if output is not None:
            found.save(output)
            say(f"Saved {output / 'stress.json'} and {output / 'stress.png'}.")
    finally:  # a full disk is no reason to keep minutes of work to ourselves
        if as_json:
            emit_json(found.as_dict())
        else:
            _print(found)
    for note in found.notes:
        say(f"note: {note}")
    for file, reason in found.failures:
        complain(f"{file}: {reason}")
    say(f"{found.n} recordings under {len(chosen)} conditions, {found.n_fairness} clean: {seconds:.0f} s.")
    raise typer.Exit(1 if found.failures else 0)


def _parted(arguments: list[str]) -> tuple[str | None, list[str]]:
    """The recogniser, if one is given, and the pairs of corpus and folder.

    A recogniser comes first and is no pair; a path with an equals sign in it can be told from one by a leading ./
    """
    from emotone.errors import ConfigError

    first = arguments[0]
    alone = "=" not in first or "/" in first.partition("=")[0]
    name, pairs = (first, arguments[1:]) if alone else (None, arguments)
    if not pairs:
        raise ConfigError(f"Give a corpus to test on, for example: emotone stress {name} ravdess=data/ravdess")
    return name, pairs


def _check_output(folder: Path | None) -> None:
    """Say before minutes of work what would stop it from being saved."""
    from emotone.errors import ConfigError, require

    if folder is None:
        return
    require("matplotlib", extra="plot")
    if folder.exists() and not folder.is_dir():
        raise ConfigError(f"{folder} is a file. Give a folder for stress.json and stress.png.")


def _folder(name: str | None) -> str | Path | None:
    """A run's folder means the recogniser in it."""
    inside = None if name is None else Path(name) / "recogniser"
    return inside if inside is not None and (inside / "config.json").is_file() else name


# --- for people ---


def _print(found: Stress) -> None:
    from rich.markup import escape

    console = stdout()
    console.print(_conditions(found))
    if found.groups:
        console.print(_groups(found))
    console.print()
    tests = [test for test in found.tests if not test.passed]
    for test in tests:
        console.print(f"[red]✗[/red] {escape(test.sentence)}", highlight=False)
    n_passed = len(found.tests) - len(tests)
    console.print(f"{n_passed} of {len(found.tests)} tests passed; {len(found.skipped)} couldn't be run.")
    console.print(escape(found.line), style="bold red" if found.heard else "bold", highlight=False)


def _table(title: str, left: tuple[str, ...], right: tuple[str, ...]) -> RichTable:
    """Without lines, so that all fits a terminal of 80 columns."""
    from rich.table import Table

    table = Table(title=title, title_justify="left", title_style="bold", box=None, padding=(0, 1), pad_edge=False)
    for heading in left:
        table.add_column(heading, header_style="dim")
    for heading in right:
        table.add_column(heading, header_style="dim", justify="right", no_wrap=True)
    return table


def _conditions(found: Stress) -> RichTable:
    table = _table(found.hearing, ("",), ("UAR", "change [95 %]", "same", "answers more"))
    if found.heard:
        table.title_style = "bold red"
    value, low, high = found.clean
    table.add_row("clean", f"{value:.2f}", "" if low is None else rf"\[{low:.2f}, {high:.2f}]")
    family = ""
    for one in found.conditions:
        if one.family != family:
            table.add_row(f"[dim]{one.family}[/dim]")
        family = one.family
        ends = ""
        if one.difference_low is not None and one.difference_high is not None:
            ends = rf" \[{one.difference_low:+.2f}, {one.difference_high:+.2f}]"
        table.add_row(
            f"  {one.title}",
            f"{one.value:.2f}",
            f"{one.difference:+.2f}{ends}",
            f"{100 * one.same_answer:.0f} %",
            f"{one.leans_to} {100 * one.leans_by:+.0f}" if one.leans_by >= _LEANING else "",
        )
    return table


def _groups(found: Stress) -> RichTable:
    """The groups furthest from all, those beyond luck first."""
    from rich.markup import escape

    title = f"\ngroups furthest from all {found.n_fairness} clean recordings"
    table = _table(title, ("", ""), ("recordings", "UAR", "to all", "luck", ""))
    for one in sorted(found.groups, key=_beyond, reverse=True)[:_WORST]:
        numbers = (f"{one.n}", f"{one.value:.2f}", f"{one.difference:+.2f}", f"±{one.threshold:.2f}")
        table.add_row(one.by, escape(one.group), *numbers, "" if one.passed else "[red]✗[/red]")
    return table


def _beyond(group: GroupScore) -> float:
    return abs(group.difference) - group.threshold
