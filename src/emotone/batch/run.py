"""`annotate`: a source into an archive, going on where an earlier run stopped.

One process, this one, decides and writes: it lists, hands recordings to an engine, gathers what comes back, and writes
a shard when it is whole. A shard is done when its file of segments is there; whatever dies before that leaves nothing.
"""

from __future__ import annotations

import io
import os
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import closing, suppress
from dataclasses import dataclass
from typing import IO, Any, Protocol

from emotone import features, recogniser
from emotone.batch import manifest as manifests
from emotone.batch import store as stores
from emotone.batch.archive import Archive, done_shards, tallies
from emotone.batch.listing import STDIN, Sources
from emotone.batch.local_engine import LocalEngine
from emotone.batch.parts import Parts
from emotone.batch.plan import Plan, Shard
from emotone.batch.reading import CONNECTION, INSTALL
from emotone.batch.schema import carried_names, pyarrow
from emotone.batch.store import Store
from emotone.batch.tally import Tally
from emotone.batch.work import Failure, Job, Piece, Task
from emotone.errors import ConfigError, EmotoneError
from emotone.features import FrontEnd
from emotone.recogniser import Recogniser

__all__ = ["SHARD_FILES", "UNREACHABLE", "ArchiveOptions", "Engine", "Progress", "annotate"]

SHARD_FILES = {"predictions": 1000, "timeline": 100, "embeddings": 1000, "features": 1000}
"""Recordings in a shard, if nothing else is said: what a killed run does again at most, for each worker."""


UNREACHABLE = 20
"""Recordings in a row whose address can't be reached, after which a run ends and waits for better times."""


@dataclass(frozen=True)
class ArchiveOptions:
    """What is asked for. All of it is remembered with the archive, and can't change on the way."""

    what: str = "predictions"
    """One of `emotone.batch.work.WHAT`."""
    model: str | os.PathLike[str] | Recogniser | None = None
    """As `emotone.load` takes it. Not for features."""
    frontend: str | FrontEnd | None = None
    """Of features: a name or a front-end."""
    channels: str = "mix"
    """``each``: rows for each channel by itself."""
    adapt: bool = False
    """In timelines, judge by the voice heard so far in the same recording."""
    root: str | None = None
    """What relative names in lists and tables are relative to."""
    shard_files: int | None = None
    """Recordings that are written together; `SHARD_FILES` if None."""

    def job(self) -> Job:
        """The work. Raises `ConfigError` or `RecogniserError` for what can't be done."""
        if self.shard_files is not None and (isinstance(self.shard_files, bool) or self.shard_files < 1):
            raise ConfigError(f"A shard has at least one recording, not {self.shard_files}.")
        if self.what == "features":
            if self.frontend is None or self.model is not None:
                raise ConfigError("Features are taken by a front-end, not by a model. Name one, such as functionals.")
            front = features.get(self.frontend) if isinstance(self.frontend, str) else self.frontend
            return Job.of(self.what, frontend=front, channels=self.channels)
        if self.frontend is not None:
            raise ConfigError(f"A front-end is for features; {self.what} come from a recogniser. Name a model.")
        loaded = self.model if isinstance(self.model, Recogniser) else recogniser.load(self.model)
        return Job.of(self.what, recogniser=loaded, channels=self.channels, adapt=self.adapt)


class Engine(Protocol):
    """Turns tasks into pieces. See `emotone.batch.local_engine`."""

    @property
    def name(self) -> str:
        """For the manifest."""

    def pieces(self, job: Job, tasks: Iterator[Task]) -> Iterator[Piece]:
        """What came of every recording: every task's pieces once, in their order, ending with one that is ``done``."""


@dataclass(frozen=True)
class Progress:
    """How far it is."""

    done: int
    """Listed things that are done, those of earlier runs among them."""
    listed: int
    """So far."""
    complete: bool
    """Whether those are all."""
    recordings: int
    """Heard by this run: of a tar, each member."""
    seconds: float
    """Of sound, by this run."""
    failed: int
    """In this run."""
    failures: tuple[Failure, ...] = ()
    """Those that are new."""
    earlier: int = 0
    """Of the listed things that are done, those of earlier runs."""


Tell = Callable[[Progress], None]


def annotate(
    sources: str | os.PathLike[str] | Sequence[str | os.PathLike[str]],
    output: str | os.PathLike[str],
    options: ArchiveOptions | None = None,
    *,
    engine: Engine | None = None,
    stdin: IO[bytes] | None = None,
    tell: Tell = lambda progress: None,
) -> Archive:
    """Annotate everything in ``sources`` into the folder ``output``, a path or an address, and return its archive.

    A source is a recording, a folder, a pattern, a list of names (``.txt``, ``.lst``, or ``-`` for ``stdin``), a table
    (``.csv``, ``.parquet``) with the columns ``file`` and, if there are parts, ``start`` and ``end``, a tar of
    recordings, or an fsspec address of any of these. Further columns of tables come through.

    Where the folder holds part of the same archive, the rest is done. Recordings that can't be used are in the table of
    failures. ``tell`` is called after each recording.

    Raises `ConfigError` for options that can't be, for a folder that was begun with others, that another run is writing
    to or that can't be written, and for sources that can't be listed; `RecogniserError` and `MissingExtra` as
    `emotone.load` does. What is finished by then is whole, and the same call goes on from there.
    """
    options = options or ArchiveOptions()
    engine = engine or LocalEngine()
    pyarrow()
    job = options.job()
    names = [os.fspath(name) for name in ([sources] if isinstance(sources, str | os.PathLike) else sources)]
    piped = _piped(names, stdin)
    shard_files = options.shard_files or SHARD_FILES[job.what]
    question = manifests.asked(job, manifests.sources(names, piped), root=options.root, shard_files=shard_files)
    text = None if piped is None else io.TextIOWrapper(piped, "utf-8", "surrogateescape", newline="")
    listing = Sources(tuple(names), options.root, text)
    store = stores.at(output)
    with store.locked():
        carried = listing.carried()
        shown = carried_names(carried, [column.name for column in job.columns])
        done = done_shards(store)
        manifest = _manifest(store, job, question, shown, going_on=bool(done))
        with Plan(store, listing, carried=carried, shard_files=shard_files, fresh=not done) as plan:
            parts = Parts(store, job, carried, shown)
            run = _Run(store, manifest, plan, parts, done, tell)
            run.go(job, engine)
    return Archive.open(output)


def _piped(names: Sequence[str], stdin: IO[bytes] | None) -> io.BytesIO | None:
    if not names:
        raise ConfigError("There is nothing to annotate. Give a folder, a list, a table, a tar or an address.")
    if len(set(names)) < len(names):
        twice = next(name for name in names if names.count(name) > 1)
        raise ConfigError(f"{twice} is given twice. Give it once.")
    if STDIN not in names:
        return None
    if stdin is None:
        raise ConfigError("- stands for names that are piped in: find calls -name '*.wav' | emotone annotate - -o DIR")
    return io.BytesIO(stdin.read())


def _manifest(
    store: Store, job: Job, question: Mapping[str, Any], shown: Mapping[str, str], *, going_on: bool
) -> dict[str, Any]:
    """The folder's manifest, or a new one where nothing is finished yet."""
    found = manifests.read(store)
    if found is not None and going_on:
        manifests.check_same(store, found, question)
        return found
    others = [name for name in store.names("") if not name.startswith("_")]
    if others and found is None:
        raise ConfigError(f"{store.name} holds something else ({others[0]}). Give a new folder for the archive.")
    columns = [column.name for column in job.columns]
    return manifests.begun(job, question, [*columns, *(name for name in shown.values() if name not in columns)], shown)


class _Run:
    """What goes on while an archive is written."""

    def __init__(
        self, store: Store, manifest: dict[str, Any], plan: Plan, parts: Parts, done: set[int], tell: Tell
    ) -> None:
        self._store, self._manifest, self._plan, self._parts, self._tell = store, manifest, plan, parts, tell
        self._done = done
        self._open: dict[int, _Open] = {}
        self._tally = Tally()
        """Of whole shards, also earlier ones."""
        self._mine = Tally()
        """Of this run's recordings."""
        self._n_done = self._n_earlier = 0
        self._n_unreachable = 0
        """Recordings in a row whose address couldn't be reached."""
        self._this: dict[str, Any] = {}

    def go(self, job: Job, engine: Engine) -> None:
        """To the end, or to where it is interrupted; then the manifest says so."""
        for tally in tallies(self._store, sorted(self._done)):
            self._tally.add(tally)
        self._this = {
            "started": manifests.now(),
            "ended": None,
            "engine": engine.name,
            "jobs": getattr(engine, "n_workers", None),
            "versions": manifests.versions(),
        }
        self._manifest["runs"].append(self._this)
        self._write_manifest("running")
        try:
            tasks = self._tasks()
            with closing(engine.pieces(job, tasks)) as pieces:  # type: ignore[type-var]
                for piece in pieces:
                    self._take(piece)
            self._write_whole_ones()
            if self._open:
                raise AssertionError(f"the engine {engine.name} left shards unfinished: {sorted(self._open)[:5]}")
        except BaseException:
            with suppress(EmotoneError):
                self._write_manifest("stopped")
            raise
        self._write_manifest("finished")
        self._say()

    def _tasks(self) -> Iterator[Task]:
        """The tasks of every shard that isn't done yet."""
        for shard in self._plan.shards():
            if shard.number in self._done:
                self._n_done += len(shard.table)
                self._n_earlier += len(shard.table)
                continue
            tasks = list(shard.tasks())
            self._open[shard.number] = _Open(shard, [], len(tasks))
            yield from tasks

    def _take(self, piece: Piece) -> None:
        self._check_connection(piece)
        unfinished = self._open[piece.shard]
        unfinished.pieces.append(piece)
        unfinished.n_left -= piece.done
        self._n_done += piece.done
        self._mine.recordings += bool(piece.rows)
        self._mine.seconds += piece.seconds
        self._mine.failures.update(failure.stage for failure in piece.failures)
        if not unfinished.n_left:
            self._write_whole_ones()
        self._say(piece.failures)

    def _check_connection(self, piece: Piece) -> None:
        """Raise `ConfigError` where nothing can be reached any more: the rest isn't broken, it is somewhere else."""
        unreachable = [failure for failure in piece.failures if failure.reason.endswith((CONNECTION, INSTALL))]
        self._n_unreachable = self._n_unreachable + 1 if unreachable else 0
        if self._n_unreachable >= UNREACHABLE:
            raise ConfigError(
                f"The last {UNREACHABLE} recordings couldn't be reached: {unreachable[0].reason} What is finished in "
                f"{self._store.name} is whole, and the same command goes on from there."
            )

    def _write_whole_ones(self) -> None:
        for number in [number for number, unfinished in list(self._open.items()) if not unfinished.n_left]:
            unfinished = self._open.pop(number)
            tally, problems = self._parts.write(unfinished.shard, unfinished.pieces)
            self._tally.add(tally)
            self._mine.failures.update(failure.stage for failure in problems)
            self._n_done += sum(failure.stage == "list" for failure in problems)
            if problems:
                self._say(tuple(problems))

    def _say(self, failures: tuple[Failure, ...] = ()) -> None:
        self._tell(
            Progress(
                done=self._n_done,
                listed=self._plan.listed,
                complete=self._plan.complete,
                recordings=self._mine.recordings,
                seconds=self._mine.seconds,
                failed=self._mine.failed,
                failures=failures,
                earlier=self._n_earlier,
            )
        )

    def _write_manifest(self, state: str) -> None:
        ended = None if state == "running" else manifests.now()
        self._this["ended"] = ended
        self._manifest["state"] = state
        listed = {"listed": self._plan.listed, "shards": self._plan.n_shards, "all_listed": self._plan.complete}
        self._manifest["counts"] = {**listed, **self._tally.as_dict()}
        manifests.write(self._store, self._manifest)


@dataclass
class _Open:
    """A shard that isn't whole."""

    shard: Shard
    pieces: list[Piece]
    n_left: int
    """Tasks without their last piece."""
