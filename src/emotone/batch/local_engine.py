"""The engine of one machine: worker processes with a recogniser each.

They are started afresh and not forked, for libraries with threads don't survive that. Each has a few tasks ahead and
answers recording by recording, so that it is known what is in the hands of one that dies: a crash in a decoder, no
memory, a kill. It is replaced, what was waiting goes to others, and the recording in its hands is tried again, with
nothing else in that worker's hands. Only where `DEATHS` workers died over it is the recording to blame: of two deaths,
one may have come from outside.
"""

from __future__ import annotations

import contextlib
import itertools
import multiprocessing
import multiprocessing.connection
import pickle
import time
from collections import Counter, deque
from collections.abc import Iterator
from dataclasses import dataclass, field
from multiprocessing.connection import Connection
from multiprocessing.context import SpawnProcess
from typing import Any, ClassVar

from emotone.batch.work import LOST, STAGES, Job, Piece, Task, lost
from emotone.batch.worker import READY, main
from emotone.errors import ConfigError
from emotone.features.workers import _interrupts_held, n_processors

__all__ = ["AHEAD", "DEATHS", "LocalEngine"]

AHEAD = 8
"""Tasks in a worker's hands and waiting there: a tenth of a second of short recordings."""

DEATHS = 3
"""Workers that a recording may cost."""

_STUCK = "It kept every process that heard it busy for {patience:.0f} s without a sign of life."
_TRIES = 3  # of starting a worker, in a row
_TICK = 1.0  # seconds between looks for workers that are stuck


@dataclass(frozen=True)
class LocalEngine:
    """``jobs`` worker processes (None: one per processor). ``patience`` is how many seconds a worker may be silent over
    a recording before it is taken for stuck; decoding a minute of sound takes far less than a second.
    """

    name: ClassVar[str] = "local"
    jobs: int | None = None
    patience: float = 600.0

    def __post_init__(self) -> None:
        if self.jobs is not None and (isinstance(self.jobs, bool) or not isinstance(self.jobs, int) or self.jobs < 1):
            raise ConfigError(f"The number of jobs is a whole number from 1, or None, not {self.jobs!r}.")

    @property
    def n_workers(self) -> int:
        """How many workers there are."""
        return self.jobs or n_processors()

    def pieces(self, job: Job, tasks: Iterator[Task]) -> Iterator[Piece]:
        """What came of every recording, as it is ready. The workers end with the generator.

        Raises `ConfigError` where workers can't be started, and what ``tasks`` raises.
        """
        first = next(tasks, None)  # what can't be listed is said before anybody is hired
        if first is None:
            return
        crew = _Crew(job, self.n_workers, self.patience)
        try:
            yield from crew.work(itertools.chain([first], tasks))
        finally:
            crew.dismiss()


@dataclass
class _Worker:
    process: SpawnProcess
    connection: Connection
    signs: Any
    """Shared with the process: its stage and a count of signs of life."""
    tasks: deque[Task] = field(default_factory=deque)
    """In its hands, the first one, and waiting there."""
    n_members: int = 0
    """Of the first task's recordings, those that are done."""
    ready: bool = False
    alone: bool = False
    """Whether its one task is a recording over which another worker died."""
    last_sign: tuple[float, int] = (0.0, 0)
    """When a sign of life was seen, and how many there were."""


class _Crew:
    """The workers, and who does what."""

    def __init__(self, job: Job, n_workers: int, patience: float) -> None:
        self._job = pickle.dumps(job, protocol=pickle.HIGHEST_PROTOCOL)
        self._context = multiprocessing.get_context("spawn")
        self._n_workers, self._patience = n_workers, patience
        self._workers: list[_Worker] = []
        self._again: deque[Task] = deque()
        """Tasks that a dead worker had waiting."""
        self._suspects: deque[Task] = deque()
        """Those that were in its hands, to be tried alone."""
        self._deaths: Counter[tuple[int, int, int]] = Counter()
        """How many workers died over each recording that one died over."""
        self._n_failed_starts = 0
        self._exhausted = False

    def work(self, tasks: Iterator[Task]) -> Iterator[Piece]:
        """All pieces of ``tasks``."""
        while True:
            self._hire()
            for worker in self._workers:
                self._hand_out(worker, tasks)
            if self._exhausted and not (self._again or self._suspects or any(w.tasks for w in self._workers)):
                return
            ready = multiprocessing.connection.wait([worker.connection for worker in self._workers], timeout=_TICK)
            for worker in [worker for worker in self._workers if worker.connection in ready]:
                yield from self._listen(worker)
            for worker in self._stuck():
                worker.process.kill()  # and its connection tells that it is dead

    def dismiss(self) -> None:
        """Let all workers go, at once."""
        for worker in self._workers:
            worker.process.kill()  # they hold nothing that isn't here, too
        for worker in self._workers:
            self._see_off(worker)
        self._workers = []

    # --- tasks ---

    def _hand_out(self, worker: _Worker, tasks: Iterator[Task]) -> None:
        """Fill a worker's hands when they are half empty. A suspect goes to one with nothing else, mostly a new one."""
        if worker.alone or not worker.ready or len(worker.tasks) > AHEAD // 2:
            return
        if self._suspects and not worker.tasks:
            worker.alone = True
            self._give(worker, self._suspects.popleft())
            return
        while len(worker.tasks) < AHEAD:
            task = self._again.popleft() if self._again else next(tasks, None)
            if task is None:
                self._exhausted = True
                return
            self._give(worker, task)

    def _give(self, worker: _Worker, task: Task) -> None:
        if not worker.tasks:
            worker.n_members = task.first
            worker.last_sign = (time.monotonic(), worker.signs[1])
        worker.tasks.append(task)
        with contextlib.suppress(OSError):  # it is dead, and its connection will tell
            worker.connection.send(task)

    def _listen(self, worker: _Worker) -> Iterator[Piece]:
        """The messages that a worker has sent."""
        try:
            while worker.connection.poll():
                message = worker.connection.recv()
                if isinstance(message, Exception):
                    raise message
                if message == READY:
                    worker.ready, self._n_failed_starts = True, 0
                    continue
                worker.last_sign = (time.monotonic(), worker.signs[1])
                yield self._taken(worker, message)
        except (EOFError, OSError):
            yield from self._bury(worker)

    def _taken(self, worker: _Worker, piece: Piece) -> Piece:
        worker.n_members = piece.member + 1
        if not piece.done:
            return piece
        task = worker.tasks.popleft()
        worker.alone = False
        worker.n_members = worker.tasks[0].first if worker.tasks else 0
        if task.last is None or piece.ends(task):
            return piece
        # A member that was tried alone: the others come behind it.
        self._again.appendleft(task.but(first=task.last))
        return piece._replace(done=False)

    # --- workers ---

    def _hire(self) -> None:
        """As many workers as there should be, if there is anything to do for them."""
        while len(self._workers) < self._n_workers and not (self._exhausted and self._workers and not self._left()):
            here, there = self._context.Pipe()
            signs = self._context.RawArray("q", 2)
            process = self._context.Process(target=main, args=(there, self._job, signs), daemon=True)
            with _interrupts_held():  # halfway up, a process would answer Ctrl-C with a traceback
                process.start()
            there.close()
            self._workers.append(_Worker(process, here, signs))

    def _left(self) -> bool:
        return bool(self._again or self._suspects)

    def _bury(self, worker: _Worker) -> Iterator[Piece]:
        """See a dead worker off, and decide what becomes of what it had."""
        self._workers.remove(worker)
        self._see_off(worker)
        if not worker.ready:
            self._n_failed_starts += 1
            if self._n_failed_starts >= _TRIES:
                raise ConfigError(
                    "Worker processes can't be started here. In a script, put the call under "
                    "if __name__ == '__main__'; or there is no memory for so many: try fewer jobs."
                )
            return
        if not worker.tasks:
            return
        task = worker.tasks.popleft()
        self._again.extendleft(reversed(worker.tasks))
        is_tar = task.item.is_tar
        recording = (task.shard, task.position, worker.n_members)
        self._deaths[recording] += 1
        if self._deaths[recording] < DEATHS:
            alone = task.but(first=worker.n_members, last=worker.n_members + 1) if is_tar else task
            self._suspects.append(alone)
            return
        stage = STAGES[worker.signs[0]]
        if is_tar:
            self._again.appendleft(task.but(first=worker.n_members + 1))
        yield lost(task, worker.n_members if is_tar else 0, stage, self._cause(worker), done=not is_tar)

    def _see_off(self, worker: _Worker) -> None:
        worker.process.kill()
        worker.process.join()
        worker.connection.close()
        worker.process.close()

    def _stuck(self) -> list[_Worker]:
        now, found = time.monotonic(), []
        for worker in self._workers:
            if not (worker.tasks and worker.ready):
                continue
            seen, n_signs = worker.last_sign
            if worker.signs[1] != n_signs:
                worker.last_sign = (now, worker.signs[1])
            elif now - seen > self._patience:
                found.append(worker)
        return found

    def _cause(self, worker: _Worker) -> str:
        """Why a worker died, as far as it can be told."""
        silent = time.monotonic() - worker.last_sign[0]
        return _STUCK.format(patience=self._patience) if silent > self._patience else LOST
