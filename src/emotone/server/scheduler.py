"""One recogniser for all: a thread for each core, and the most urgent work first.

Every piece of work says by when it should be done, and the one with the earliest deadline comes next. That is all the
policy there is: streams ask for tens of milliseconds, single recordings for half a second, jobs for several, so nobody
waits behind somebody who has time, and nobody starves, since deadlines pass.

Recordings aren't stacked into one run of the network. That was measured: eight at once took 7 % less time than one
after the other, and the last bits of an answer then depend on its neighbours. Threads share the network without that,
since onnxruntime lets go of Python's lock.
"""

from __future__ import annotations

import asyncio
import heapq
import itertools
import threading
import time
from collections.abc import Callable
from concurrent.futures import Future
from typing import Any, TypeVar

__all__ = ["Scheduler"]

T = TypeVar("T")

_URGENT = 0.1  # seconds: work that should be done sooner tells how busy the threads are
_WEIGHT = 0.05  # of the newest wait in the mean of the last ones
_BUSY = 0.015  # seconds of mean wait from which on those who can do with less should


class Scheduler:
    """Threads that take work by its deadline. ``start`` it, ``run`` work, ``stop`` it."""

    def __init__(self, n_workers: int) -> None:
        self.n_workers = n_workers
        self._heap: list[tuple[float, int, float, Callable[[], Any], Future[Any]]] = []
        self._numbers = itertools.count()
        self._changed = threading.Condition()
        self._stopping = False
        self._threads: list[threading.Thread] = []
        self.urgent_wait = 0.0
        """Seconds that urgent work waited for a thread lately, on average."""
        self.busy_seconds = 0.0
        """How long the threads have worked, all together."""

    def start(self) -> None:
        """Begin to take work."""
        self._threads = [
            threading.Thread(target=self._work, name=f"recogniser-{number}", daemon=True)
            for number in range(self.n_workers)
        ]
        for thread in self._threads:
            thread.start()

    def stop(self) -> None:
        """Finish what runs, leave out what waits."""
        with self._changed:
            self._stopping = True
            for *_, future in self._heap:
                future.cancel()
            self._heap.clear()
            self._changed.notify_all()
        for thread in self._threads:
            thread.join(timeout=5)

    @property
    def n_waiting(self) -> int:
        """How many pieces of work nobody has taken yet."""
        return len(self._heap)

    @property
    def is_busy(self) -> bool:
        """Whether even urgent work has to wait."""
        return self.urgent_wait > _BUSY

    async def run(self, work: Callable[[], T], *, deadline: float) -> T:
        """What ``work`` returns or raises, done by a thread; ``deadline`` is a `time.monotonic`.

        Work that is cancelled while it waits isn't done.
        """
        future: Future[T] = Future()
        with self._changed:
            if self._stopping:
                raise asyncio.CancelledError
            heapq.heappush(self._heap, (deadline, next(self._numbers), time.monotonic(), work, future))
            self._changed.notify()
        return await asyncio.wrap_future(future)

    def _work(self) -> None:
        while True:
            with self._changed:
                while not self._heap and not self._stopping:
                    self._changed.wait()
                if self._stopping:
                    return
                deadline, _, since, work, future = heapq.heappop(self._heap)
                if deadline - since < _URGENT:
                    self.urgent_wait += _WEIGHT * (time.monotonic() - since - self.urgent_wait)
            if not future.set_running_or_notify_cancel():
                continue
            begun = time.thread_time()
            try:
                result = work()
            except BaseException as error:  # whatever it is, it belongs to whoever asked, and the thread lives on
                future.set_exception(error)
                del error
            else:
                future.set_result(result)
                del result
            self.busy_seconds += time.thread_time() - begun
            del work, future  # or the last recording would stay in memory until the next one comes
