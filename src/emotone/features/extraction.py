"""Features of many recordings: in parallel, in flat memory, and each computed only once.

The calling process hashes each recording and looks it up in the cache; what isn't there goes to worker
processes, a few at a time, and their results come back into the array and the cache. Ctrl-C stops the workers
at once and keeps what is finished, so the next call goes on from there.
"""

from __future__ import annotations

import contextlib
import functools
import hashlib
import json
import math
import time
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal, NamedTuple

import numpy as np
from numpy.typing import NDArray

from emotone import audio
from emotone.errors import ConfigError, EmotoneError
from emotone.features import FrontEnd, describe, gives_signals
from emotone.features.cache import FeatureCache
from emotone.features.waveform import SignalWriter, as_short
from emotone.features.workers import Workers, n_processors

if TYPE_CHECKING:
    import pandas as pd

__all__ = ["Extracted", "Failure", "extract", "extract_files"]

Progress = Callable[[int], None]
"""Called with the number of recordings finished since the last call."""
Cache = Path | str | Literal[False] | None

SECONDS_ALONE, SECONDS_SHARED = 1.0, 3.0
"""Workers start after so many seconds, for so many seconds of work: their start takes about one."""
LOST = "The process that read it died, as of a crash in a decoder or for want of memory."
DECODING = 1
"""Raised whenever `audio.load` gives other samples for the same file; part of every key."""


@dataclass(frozen=True)
class Failure:
    """A recording without features: its row, its file as given, and why, in a sentence."""

    row: int
    file: str
    reason: str


@dataclass(frozen=True)
class Extracted:
    """``X``, float32 ``(n, d)``, a row per recording in the order given, NaN where there are none. Of a front-end that
    gives signals, `emotone.features.waveform.Signals`, empty where there are none."""

    X: Any
    failures: tuple[Failure, ...] = ()


class _Part(NamedTuple):
    """What to compute: a part of a file, and the row where it belongs."""

    row: int
    path: str
    start: float
    end: float | None


class _Task(NamedTuple):
    part: _Part
    key: bytes | None
    """Where the features go in the cache; None: nowhere."""


_Outcome = NDArray[np.float32] | NDArray[np.int16] | str
"""Features, a signal, or the reason why there are none."""


def extract(
    table: pd.DataFrame,
    frontend: FrontEnd,
    roots: Mapping[str, Path | str],
    *,
    jobs: int | None = None,
    cache: Cache = None,
    progress: Progress | None = None,
) -> Extracted:
    """Features of every utterance of ``table``, whose files lie in the folder ``roots[corpus]``.

    ``jobs`` worker processes (None: one per processor; 1: none, all in this process) compute what ``cache``
    doesn't hold: the folder of a cache, None for the usual one in the platform's cache folder or
    ``EMOTONE_CACHE``, or False for none. An utterance whose file can't be read, or that the front-end
    refuses, is a row of NaN and a `Failure`; the others aren't affected. Signals (`emotone.features.gives_signals`) go
    to a file in the cache's folder that is gone when nobody uses them any more, and are read anew the next time. A
    script that calls this has to do so under ``if __name__ == "__main__":``, as always with worker processes.

    Raises `ConfigError` when a column or the folder of a corpus is missing.
    """
    missing = [column for column in ("corpus", "file", "start", "end") if column not in table]
    if missing:
        raise ConfigError(f"The table of utterances lacks the columns {', '.join(missing)}.")
    folders = {name: Path(root) for name, root in roots.items()}
    for corpus in table["corpus"].unique():
        if corpus not in folders:
            given = ", ".join(folders) or "none"
            raise ConfigError(f"The table has utterances of {corpus!r}; folders are given for: {given}.")
    files = [str(file) for file in table["file"]]
    rows = zip(table["corpus"], files, table["start"], table["end"], strict=True)
    parts = (
        _Part(row, str(folders[corpus] / file), _seconds(start) or 0.0, _seconds(end))
        for row, (corpus, file, start, end) in enumerate(rows)
    )
    return _run(parts, files, frontend, jobs=jobs, cache=cache, progress=progress)


def extract_files(
    paths: Sequence[Path | str],
    frontend: FrontEnd,
    *,
    jobs: int | None = None,
    cache: Cache = None,
    progress: Progress | None = None,
) -> Extracted:
    """Features of whole files, in the order given; the rest is as in `extract`."""
    files = [str(path) for path in paths]
    parts = (_Part(row, file, 0.0, None) for row, file in enumerate(files))
    return _run(parts, files, frontend, jobs=jobs, cache=cache, progress=progress)


def _seconds(value: Any) -> float | None:
    return None if value is None or math.isnan(value) else float(value)


def _run(
    parts: Iterable[_Part],
    files: Sequence[str],
    frontend: FrontEnd,
    *,
    jobs: int | None,
    cache: Cache,
    progress: Progress | None,
) -> Extracted:
    jobs = _n_jobs(jobs, frontend)
    work = functools.partial(_features, frontend)
    signals = gives_signals(frontend)
    with _opened(False if signals else cache) as store:
        X = SignalWriter(len(files), _folder(cache)) if signals else _rows(len(files), frontend)
        results = _Results(X, files, frontend, store, progress)
        missing = results.missing(parts)
        begin = time.monotonic()
        with _one_blas_thread():
            for done, task in enumerate(missing, start=1):
                results.take(task, work(task))
                if jobs > 1 and _worth_workers(time.monotonic() - begin, done, results.n_left):
                    workers: Workers[_Task, _Outcome] = Workers(work, jobs, lost=LOST)
                    with workers:
                        for other, outcome in workers.map(missing):
                            results.take(other, outcome)
    return results.extracted()


def _worth_workers(elapsed: float, done: int, left: int) -> bool:
    """Whether ``left`` more recordings pay for starting workers; ``done`` took ``elapsed`` seconds."""
    return elapsed >= SECONDS_ALONE and elapsed / done * left >= SECONDS_SHARED


class _Results:
    """The array, the failures and the cache, which fill up in any order."""

    def __init__(
        self,
        X: NDArray[np.float32] | SignalWriter,
        files: Sequence[str],
        frontend: FrontEnd,
        store: FeatureCache | None,
        progress: Progress | None,
    ) -> None:
        self._X = X
        self._width = len(frontend.names)
        self._failures: list[Failure] = []
        self._files = files
        self._store = store
        self._progress = progress
        self._identity = json.dumps([DECODING, describe(frontend)], sort_keys=True).encode()
        self._hashed = ("", b"")
        self.n_left = len(files)

    def missing(self, parts: Iterable[_Part]) -> Iterator[_Task]:
        """The tasks that the cache doesn't answer; those that it does are filled in on the way."""
        for part in parts:
            key = None if self._store is None else self._key(part)
            values = None
            if self._store is not None and key is not None:
                values = self._store.get(key, self._width)
            if values is None:
                yield _Task(part, key)
            else:
                self._fill(part.row, values)

    def take(self, task: _Task, outcome: _Outcome) -> None:
        """Fill in what came out of ``task``, and keep it."""
        self._fill(task.part.row, outcome)
        if self._store is not None and task.key is not None and not isinstance(outcome, str):
            self._store.put(task.key, np.asarray(outcome, np.float32))

    def extracted(self) -> Extracted:
        X = self._X.signals() if isinstance(self._X, SignalWriter) else self._X
        return Extracted(X, tuple(sorted(self._failures, key=lambda failure: failure.row)))

    def _fill(self, row: int, outcome: _Outcome) -> None:
        if isinstance(outcome, str):
            self._failures.append(Failure(row, self._files[row], outcome))
        else:
            self._X[row] = outcome
        self.n_left -= 1
        if self._progress is not None:
            self._progress(1)

    def _key(self, part: _Part) -> bytes | None:
        """Hash of all that decides the features; None for an unreadable file, which `audio.load` explains."""
        path, content = self._hashed
        if path != part.path:  # the utterances of one long recording follow each other: hash it once
            try:
                with Path(part.path).open("rb") as file:
                    content = hashlib.file_digest(file, "sha256").digest()
            except OSError:
                return None
            self._hashed = (part.path, content)
        span = json.dumps([part.start, part.end]).encode()
        return hashlib.sha256(content + span + self._identity).digest()


def _features(frontend: FrontEnd, task: _Task) -> _Outcome:
    """The work itself, done in a worker or here."""
    part = task.part
    try:
        signal = audio.load(part.path, start=part.start, end=part.end, rate=frontend.rate)
        values = np.asarray(frontend(signal), np.float32)
    except EmotoneError as error:
        return str(error)
    except Exception as error:  # one recording's fault shouldn't cost the ten thousand others
        return f"The features {frontend.name!r} broke on it ({type(error).__name__}: {error})."
    if gives_signals(frontend) and values.ndim == 1 and np.isfinite(values).all():
        return as_short(values)
    if values.shape != (len(frontend.names),):
        return f"The features {frontend.name!r} have shape {values.shape} and {len(frontend.names)} names."
    if not np.isfinite(values).all():
        broken = [name for name, value in zip(frontend.names, values, strict=True) if not np.isfinite(value)]
        return f"{len(broken)} of the features aren't finite: {', '.join(broken[:3])}."
    return values


def _rows(n: int, frontend: FrontEnd) -> NDArray[np.float32]:
    return np.full((n, len(frontend.names)), np.nan, np.float32)


def _folder(cache: Cache) -> Path | None:
    """Where signals lie; None for wherever the system has temporary files."""
    if cache is False:
        return None
    from emotone.fetch import cache_folder

    return cache_folder() / "signals" if cache is None else Path(cache)


def _opened(cache: Cache) -> contextlib.AbstractContextManager[FeatureCache | None]:
    if cache is False:
        return contextlib.nullcontext()
    from emotone.fetch import cache_folder  # its network modules would slow the start of every worker

    return FeatureCache(cache_folder() / "features" if cache is None else Path(cache))


def _n_jobs(jobs: int | None, frontend: FrontEnd) -> int:
    """How many processes to compute with; 1 for a front-end that other processes can't import."""
    if jobs is not None and (isinstance(jobs, bool) or not isinstance(jobs, int) or jobs < 1):
        raise ConfigError(f"The number of jobs is a whole number from 1, or None, not {jobs!r}.")
    if type(frontend).__module__ == "__main__":
        return 1
    return jobs or n_processors()


def _one_blas_thread() -> contextlib.AbstractContextManager[Any]:
    """The same arithmetic here as in a worker, so that features don't depend on where they were computed."""
    try:
        from threadpoolctl import threadpool_limits
    except ImportError:
        return contextlib.nullcontext()
    limits: contextlib.AbstractContextManager[Any] = threadpool_limits(1)
    return limits
