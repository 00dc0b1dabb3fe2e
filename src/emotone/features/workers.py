"""Worker processes that stay within bounds, stop at once, and survive a crash.

`concurrent.futures`, with four things on top. No more is under way than keeps the workers busy, so memory
doesn't grow with the work. Ctrl-C reaches only the calling process, which then lets go of the workers' leash:
a pipe whose other end tells a worker to leave when the caller closes it, or dies, by whatever signal. Workers
compute with one BLAS thread each. And when a worker dies (a crash in a decoder, no memory), what was under
way is tried again one by one, so that only the culprit is lost.
"""

from __future__ import annotations

import contextlib
import itertools
import multiprocessing
import os
import signal
import threading
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import FIRST_COMPLETED, Future, ProcessPoolExecutor, wait
from concurrent.futures.process import BrokenProcessPool
from multiprocessing.connection import Connection
from types import TracebackType
from typing import Generic, Self, TypeVar

from emotone.errors import ConfigError

__all__ = ["Workers", "n_processors"]

BATCH = 8
"""Tasks sent to a worker at once."""
BATCHES_PER_WORKER = 2
"""Batches under way for each worker: one in its hands and one waiting."""
_THREADS = ("OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS", "OMP_NUM_THREADS", "VECLIB_MAXIMUM_THREADS")

Task = TypeVar("Task")
Outcome = TypeVar("Outcome")


def n_processors() -> int:
    """Processors that this process may use."""
    if hasattr(os, "sched_getaffinity"):
        return len(os.sched_getaffinity(0))
    return os.cpu_count() or 1


class Workers(Generic[Task, Outcome]):
    """``jobs`` processes that do ``work`` (which has to be picklable); to be used as a context manager.

    ``lost`` is the outcome of a task over which a worker died.
    """

    def __init__(self, work: Callable[[Task], Outcome], jobs: int, *, lost: Outcome) -> None:
        self._work = work
        self._jobs = jobs
        self._lost = lost
        self._context = multiprocessing.get_context("spawn")
        self._leash, self._hand = self._context.Pipe(duplex=False)
        self._executor = self._new_executor(jobs)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._executor.shutdown(wait=kind is None, cancel_futures=True)
        self._hand.close()
        self._leash.close()

    def map(self, tasks: Iterable[Task]) -> Iterator[tuple[Task, Outcome]]:
        """The tasks with their outcomes, as they come.

        Raises `ConfigError` where worker processes can't be started at all.
        """
        under_way: dict[Future[list[Outcome]], list[Task]] = {}
        iterator = iter(tasks)
        for batch in iter(lambda: list(itertools.islice(iterator, BATCH)), []):
            under_way[self._submit(batch)] = batch
            while len(under_way) >= self._jobs * BATCHES_PER_WORKER:
                yield from self._collected(under_way)
        while under_way:
            yield from self._collected(under_way)

    def _submit(self, batch: list[Task]) -> Future[list[Outcome]]:
        with _interrupts_held():  # it may start a process, which inherits that
            try:
                return self._executor.submit(_do, self._work, batch)
            except BrokenProcessPool:
                self._executor.shutdown(wait=False)
                self._executor = self._new_executor(self._jobs)
                return self._executor.submit(_do, self._work, batch)

    def _collected(self, under_way: dict[Future[list[Outcome]], list[Task]]) -> Iterator[tuple[Task, Outcome]]:
        """Wait for a batch to finish, and take the finished ones out of ``under_way``."""
        crashed: list[Task] = []
        for future in wait(under_way, return_when=FIRST_COMPLETED).done:
            batch = under_way.pop(future)
            try:
                yield from zip(batch, future.result(), strict=True)
            except BrokenProcessPool:
                crashed += batch
        yield from self._one_by_one(crashed)

    def _one_by_one(self, tasks: list[Task]) -> Iterator[tuple[Task, Outcome]]:
        """The outcomes of ``tasks`` that were under way when a worker died: only one of them can be the cause."""
        executor: ProcessPoolExecutor | None = None
        try:
            for task in tasks:
                executor = executor or self._proven_executor()
                try:
                    yield task, executor.submit(_do, self._work, [task]).result()[0]
                except BrokenProcessPool:
                    executor.shutdown(wait=False)
                    executor = None
                    yield task, self._lost
        finally:
            if executor is not None:
                executor.shutdown(wait=False)

    def _proven_executor(self) -> ProcessPoolExecutor:
        """An executor whose one worker is known to start."""
        executor = self._new_executor(1)
        try:
            with _interrupts_held():
                started = executor.submit(os.getpid)
            started.result()
        except BrokenProcessPool:
            raise ConfigError(
                "Worker processes can't be started here. In a script, put the call under "
                "if __name__ == '__main__', or compute in this process alone, with jobs=1."
            ) from None
        return executor

    def _new_executor(self, jobs: int) -> ProcessPoolExecutor:
        return ProcessPoolExecutor(jobs, mp_context=self._context, initializer=_start_worker, initargs=(self._leash,))


def _do(work: Callable[[Task], Outcome], batch: list[Task]) -> list[Outcome]:
    return [work(task) for task in batch]


def _start_worker(leash: Connection) -> None:
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    threading.Thread(target=_leave_with, args=(leash,), daemon=True).start()
    os.environ.update(dict.fromkeys(_THREADS, "1"))  # for libraries that are still to be loaded
    with contextlib.suppress(ImportError):
        from threadpoolctl import threadpool_limits

        threadpool_limits(1)  # for those that are there, because the caller's script imports them


def _leave_with(leash: Connection) -> None:
    with contextlib.suppress(EOFError, OSError):
        leash.recv_bytes()
    os._exit(1)


@contextlib.contextmanager
def _interrupts_held() -> Iterator[None]:
    """Keep Ctrl-C waiting while processes start: halfway up they, or a half-told one, would print a
    traceback.

    The mask is inherited by the processes, which never see a Ctrl-C then. Here it isn't enough, because the
    signal may reach another thread (BLAS has some), and Python passes it on.
    """
    held: list[int] = []
    handler = signal.getsignal(signal.SIGINT)
    main = threading.current_thread() is threading.main_thread() and handler is not None
    if main:
        signal.signal(signal.SIGINT, lambda number, frame: held.append(number))
    masks = hasattr(signal, "pthread_sigmask")  # not on Windows
    before = signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGINT}) if masks else set()
    try:
        yield
    finally:
        if masks:
            signal.pthread_sigmask(signal.SIG_SETMASK, before)
        if main:
            signal.signal(signal.SIGINT, handler)
        if held:
            signal.raise_signal(signal.SIGINT)
