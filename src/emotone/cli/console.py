"""What the commands share: words to stderr, JSON to stdout, one style of progress bar, and `NAME=ROOT` arguments."""

from __future__ import annotations

import json
import sys
import warnings
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

import typer

from emotone.errors import ConfigError

if TYPE_CHECKING:
    from rich.console import Console
    from rich.progress import Progress

__all__ = [
    "complain",
    "emit_json",
    "parse_roots",
    "progress_bar",
    "progress_of",
    "progress_of_both",
    "say",
    "stderr",
    "stdout",
    "warnings_in_words",
]


def stdout() -> Console:
    """A rich console on stdout, for tables people asked for."""
    from rich.console import Console

    return Console()


def stderr() -> Console:
    """A rich console on stderr, for words and progress."""
    from rich.console import Console

    return Console(stderr=True)


def say(message: str) -> None:
    """Words for the person at the terminal."""
    typer.echo(message, err=True)


def complain(message: str) -> None:
    """One sentence about what went wrong."""
    typer.secho(f"emotone: {message}", err=True, fg=typer.colors.RED)


def emit_json(document: Any) -> None:
    """One JSON document on one line of stdout."""
    typer.echo(json.dumps(document, ensure_ascii=False, allow_nan=False))


@contextmanager
def warnings_in_words() -> Iterator[None]:
    """Python's warnings, of emotone's own kinds and others, as sentences instead of two lines with the source."""
    with warnings.catch_warnings():
        warnings.simplefilter("always")
        warnings.showwarning = lambda message, *_, **__: complain(str(message))
        yield


@contextmanager
def progress_bar(description: str, *, total: int | None) -> Iterator[Callable[[int], None]]:
    """A progress bar on stderr while the block runs; yields ``advance(n)``. Silent where stderr is no terminal."""
    if not sys.stderr.isatty():
        yield lambda n: None
        return
    with _progress() as bar:
        task = bar.add_task(description, total=total)
        yield lambda n: bar.advance(task, n)


@contextmanager
def progress_of(description: str) -> Iterator[Callable[[int, int], None]]:
    """Like `progress_bar`, for work that tells its size on the way: yields ``update(done, total)``."""
    if not sys.stderr.isatty():
        yield lambda done, total: None
        return
    with _progress() as bar:
        task = bar.add_task(description, total=None)
        yield lambda done, total: bar.update(task, completed=done, total=total)


@contextmanager
def progress_of_both(description: str, inner: str) -> Iterator[tuple[Callable[[int, int], None], ...]]:
    """`progress_of` twice, one bar above the other; the ``inner`` one appears with its first update."""
    if not sys.stderr.isatty():
        yield (lambda done, total: None,) * 2
        return
    with _progress() as bar:
        tasks = bar.add_task(description, total=None), bar.add_task(inner, total=None, visible=False)

        def updating(task: Any) -> Callable[[int, int], None]:
            return lambda done, total: bar.update(task, completed=done, total=total, visible=True)

        yield tuple(map(updating, tasks))


def _progress() -> Progress:
    from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

    columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TimeRemainingColumn())
    # rich would take over what is echoed inside the bar, and send it to stderr when stdout is a pipe.
    return Progress(*columns, console=stderr(), transient=True, redirect_stdout=sys.stdout.isatty())


def parse_roots(pairs: list[str]) -> dict[str, Path]:
    """``["ravdess=data/ravdess"]`` to ``{"ravdess": Path("data/ravdess")}``; `ConfigError` for anything else."""
    roots: dict[str, Path] = {}
    for pair in pairs:
        name, equals, root = pair.partition("=")
        if not equals or not name or not root:
            raise ConfigError(f"A corpus is given as NAME=FOLDER, for example ravdess=data/ravdess, not {pair!r}.")
        if name in roots:
            raise ConfigError(f"Corpus {name!r} is given twice ({roots[name]} and {root}).")
        roots[name] = Path(root).expanduser()
    return roots
