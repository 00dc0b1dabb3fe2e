"""`emotone annotate`: archives of any size into partitioned Parquet, on this machine or on a cluster."""

from __future__ import annotations

import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, Annotated, Any

import typer

from emotone.cli.console import complain, emit_json, say, stderr
from emotone.cli.recordings import STDIN, one_thread_for_algebra
from emotone.errors import ConfigError, unknown

if TYPE_CHECKING:
    from emotone.batch import Archive, Progress
    from emotone.batch.run import Engine
    from emotone.features import FrontEnd

__all__ = ["annotate"]

ENGINES = ("local", "ray")

NAMED = 20
"""Failures that are named on the terminal; all are in the archive's table."""

IN_JSON = 1000
"""Failures in the JSON document at most."""

WORDS_EVERY = 30.0
"""Seconds between lines about the progress where no bar can be drawn."""


def annotate(
    sources: Annotated[
        list[str],
        typer.Argument(
            metavar="SOURCE...",
            help="Folders, patterns in quotes, lists (.txt, - for stdin), tables (.csv, .parquet: file, start, end), "
            "tars, addresses (s3://, gs://, ...).",
        ),
    ],
    output: Annotated[str, typer.Option("--output", "-o", metavar="DIR", help="The archive's folder or address.")],
    what: Annotated[
        str, typer.Option("--what", metavar="KIND", help="predictions, timeline, embeddings or features.")
    ] = "predictions",
    model: Annotated[
        str | None,
        typer.Option("--model", "-m", metavar="FOLDER|NAME", help="Recogniser; the bundled one if not given."),
    ] = None,
    frontend: Annotated[
        str | None, typer.Option("--frontend", metavar="NAME", help="Of --what features, such as functionals.")
    ] = None,
    settings: Annotated[
        list[str] | None,
        typer.Option("--set", metavar="OPTION=VALUE", help="Option of the front-end, such as rate=48000."),
    ] = None,
    engine: Annotated[str, typer.Option("--engine", metavar="local|ray", help="Who does the work.")] = "local",
    jobs: Annotated[
        int | None, typer.Option("--jobs", "-j", min=1, help="Worker processes; default: one per processor.")
    ] = None,
    address: Annotated[
        str | None, typer.Option("--address", help="Of a Ray cluster; a fresh one on this machine if not given.")
    ] = None,
    channels: Annotated[
        str, typer.Option("--channels", metavar="mix|each", help="Hear all channels together, or each by itself.")
    ] = "mix",
    adapt: Annotated[
        bool, typer.Option("--adapt", help="In timelines, judge by the voice heard so far in the same recording.")
    ] = False,
    root: Annotated[
        str | None, typer.Option("--root", metavar="DIR", help="What names in lists and tables are relative to.")
    ] = None,
    shard_files: Annotated[
        int | None,
        typer.Option("--shard-files", min=1, help="Recordings written together; default 1000, timelines 100."),
    ] = None,
    as_json: Annotated[bool, typer.Option("--json", help="Print the counts as one JSON document.")] = False,
) -> None:
    """Annotate an archive into Parquet tables: a row for each segment, failures in a table of their own.

    emotone annotate calls/ -o annotated/

    emotone annotate s3://bucket/calls -o annotated/ --what timeline --channels each

    emotone annotate utterances.csv -o vectors/ --what embeddings

    find /mnt/archive -name '*.opus' | emotone annotate - -o annotated/

    The same command again goes on where it stopped, whatever ended it: nothing is done twice, nothing left out. Exit 1
    if recordings failed: they are named, and the rest is done.
    """
    one_thread_for_algebra()
    if engine not in ENGINES:
        raise unknown("engine", engine, ENGINES)
    if address is not None and engine != "ray":
        raise ConfigError("--address is that of a Ray cluster. Add --engine ray, or leave it out.")
    if STDIN in sources and sys.stdin.isatty():
        raise ConfigError("- stands for names that are piped in: find calls -name '*.wav' | emotone annotate - -o DIR")
    from emotone import batch

    options = batch.ArchiveOptions(
        what=what,
        model=model,
        frontend=_front_end(frontend, settings or []),
        channels=channels,
        adapt=adapt,
        root=root,
        shard_files=shard_files,
    )
    begin = time.monotonic()
    with _watching(what) as tell:
        archive = batch.annotate(
            sources,
            output,
            options,
            engine=_engine(engine, jobs=jobs, address=address),
            stdin=sys.stdin.buffer if STDIN in sources else None,
            tell=tell,
        )
    seconds = time.monotonic() - begin
    if as_json:
        emit_json(_document(archive, seconds))
    else:
        _summarise(archive, seconds)
    raise typer.Exit(1 if archive.tally.failed else 0)


def _front_end(name: str | None, settings: list[str]) -> FrontEnd | None:
    if name is None:
        if settings:
            raise ConfigError(f"--set {settings[0]} is for a front-end. Name it: --what features --frontend NAME")
        return None
    from emotone.cli import features

    return features._front_end(name, settings)


def _engine(name: str, *, jobs: int | None, address: str | None) -> Engine:
    if name == "ray":
        from emotone.batch.ray_engine import RayEngine

        return RayEngine(address=address, jobs=jobs)
    from emotone.batch import LocalEngine

    return LocalEngine(jobs=jobs)


# --- while it runs ---


@contextmanager
def _watching(what: str) -> Iterator[Callable[[Progress], None]]:
    """Yields what is to be told of the progress: failures in words, the rest as a bar, or as a line now and then."""
    n_named = 0

    def name(progress: Progress) -> None:
        nonlocal n_named
        for failure in progress.failures:
            n_named += 1
            if n_named <= NAMED:
                named = failure.file in failure.reason
                complain(failure.reason if named else f"{failure.file}: {failure.reason}")
            elif n_named == NAMED + 1:
                complain("More recordings failed; all are in the archive's table of failures.")

    with _bar(what) if sys.stderr.isatty() else _lines() as show:

        def tell(progress: Progress) -> None:
            name(progress)
            show(progress)

        yield tell


@contextmanager
def _lines() -> Iterator[Callable[[Progress], None]]:
    """A line on stderr every `WORDS_EVERY` seconds, for logs."""
    rate = _Rate()
    last = time.monotonic()

    def show(progress: Progress) -> None:
        nonlocal last
        now = time.monotonic()
        rate.see(progress)
        if now - last >= WORDS_EVERY:
            last = now
            total = f"{progress.listed:,}" if progress.complete else f"{progress.listed:,} or more"
            say(f"{progress.done:,} of {total}, {rate.words(progress)}")

    yield show


@contextmanager
def _bar(what: str) -> Iterator[Callable[[Progress], None]]:
    from rich.progress import BarColumn, MofNCompleteColumn, TextColumn
    from rich.progress import Progress as Bar

    rate = _Rate()
    columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TextColumn("{task.fields[words]}"))
    with Bar(*columns, console=stderr(), transient=True, redirect_stdout=sys.stdout.isatty()) as bar:
        task = bar.add_task(what, total=None, words="")

        def show(progress: Progress) -> None:
            rate.see(progress)
            total = progress.listed if progress.complete else None
            bar.update(task, completed=progress.done, total=total, words=rate.words(progress))

        yield show


class _Rate:
    """How fast it goes, and how long it will take, since this run began to hear something."""

    def __init__(self) -> None:
        self._first: tuple[float, int] | None = None
        self._last = (0.0, 0)

    def see(self, progress: Progress) -> None:
        self._last = (time.monotonic(), progress.done - progress.earlier)
        if self._first is None:
            self._first = self._last

    def words(self, progress: Progress) -> str:
        """``131/s, 2:05:00 left, 12 failed``."""
        assert self._first is not None
        seconds, n_done = (last - first for last, first in zip(self._last, self._first, strict=True))
        words = []
        if seconds > 0 and n_done:
            words.append(f"{n_done / seconds:.{0 if n_done > 9 * seconds else 1}f}/s")
            if progress.complete:
                words.append(f"{_clock((progress.listed - progress.done) * seconds / n_done)} left")
        if progress.failed:
            words.append(f"{progress.failed:,} failed")
        return ", ".join(words)


# --- at the end ---


def _summarise(archive: Archive, seconds: float) -> None:
    from emotone.cli.recordings import percent

    tally = archive.tally
    heard = f"{tally.recordings:,} recordings, {tally.segments:,} rows, {_clock(tally.seconds)} of sound"
    say(f"{archive.folder}: {heard}; this run took {_clock(seconds)}.")
    for name, share in tally.shares.items():
        say(f"  {name:<10} {percent(share)}")
    if tally.shares:
        say(f"  no emotion is likely enough in {percent(tally.uncertain_share).strip()} of the rows with speech")
    if tally.silent:
        say(f"  nobody speaks, or too shortly, in {tally.silent:,} rows")
    if tally.failed:
        by_stage = ", ".join(f"{stage} {n:,}" for stage, n in tally.as_dict()["failures"].items())
        say(f"  {tally.failed:,} failed ({by_stage}): {archive.folder}/failures")


def _document(archive: Archive, seconds: float) -> dict[str, Any]:
    """What ``--json`` prints."""
    failures: list[dict[str, Any]] = []
    if archive.tally.failed:
        failures = archive.failures().head(IN_JSON).to_pylist()
    return {
        "archive": archive.folder,
        "what": archive.manifest["what"],
        "state": archive.manifest["state"],
        "counts": archive.manifest["counts"],
        "shares": {name: round(share, 6) for name, share in archive.tally.shares.items()},
        "uncertain_share": round(archive.tally.uncertain_share, 6),
        "run_seconds": round(seconds, 3),
        "failures": failures,
    }


def _clock(seconds: float) -> str:
    """``2:05:00``, with days before it where there are any."""
    minutes, second = divmod(round(seconds), 60)
    hours, minute = divmod(minutes, 60)
    days, hour = divmod(hours, 24)
    return (f"{days} d " if days else "") + f"{hour}:{minute:02d}:{second:02d}"
