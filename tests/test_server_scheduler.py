"""Threads that take the most urgent work first."""

from __future__ import annotations

import asyncio
import threading
import time
from collections.abc import Awaitable, Callable
from functools import partial
from typing import Any

import pytest

from emotone.server.scheduler import Scheduler


def with_scheduler(work: Callable[[Scheduler], Awaitable[Any]], n_workers: int = 1) -> Any:
    async def run() -> Any:
        scheduler = Scheduler(n_workers)
        scheduler.start()
        try:
            return await work(scheduler)
        finally:
            await asyncio.to_thread(scheduler.stop)

    return asyncio.run(run())


def test_the_earliest_deadline_comes_next_and_equals_in_their_order():
    done: list[str] = []

    async def work(scheduler: Scheduler) -> None:
        gate = threading.Event()
        first = asyncio.create_task(scheduler.run(partial(gate.wait, 5), deadline=0))
        await asyncio.sleep(0.05)
        rest = [
            asyncio.create_task(scheduler.run(partial(done.append, name), deadline=deadline))
            for name, deadline in (("late", 9.0), ("soon", 1.0), ("soon, too", 1.0), ("now", 0.5))
        ]
        await asyncio.sleep(0.05)
        assert scheduler.n_waiting == 4
        gate.set()
        await asyncio.gather(first, *rest)

    with_scheduler(work)
    assert done == ["now", "soon", "soon, too", "late"]


def test_errors_belong_to_whoever_asked():
    def fail() -> None:
        raise ValueError("mine")

    async def work(scheduler: Scheduler) -> int:
        with pytest.raises(ValueError, match="mine"):
            await scheduler.run(fail, deadline=0)
        return await scheduler.run(lambda: 3, deadline=0)

    assert with_scheduler(work) == 3


def test_work_that_nobody_waits_for_any_more_is_not_done():
    done: list[int] = []

    async def work(scheduler: Scheduler) -> None:
        gate = threading.Event()
        first = asyncio.create_task(scheduler.run(partial(gate.wait, 5), deadline=0))
        await asyncio.sleep(0.05)
        given_up = asyncio.create_task(scheduler.run(partial(done.append, 1), deadline=0))
        await asyncio.sleep(0.05)
        given_up.cancel()
        await asyncio.sleep(0.05)
        gate.set()
        await first
        await scheduler.run(partial(done.append, 2), deadline=0)

    with_scheduler(work)
    assert done == [2]


def test_threads_work_at_once():
    barrier = threading.Barrier(3, timeout=5)

    async def work(scheduler: Scheduler) -> None:
        await asyncio.gather(*(scheduler.run(barrier.wait, deadline=0) for _ in range(3)))

    with_scheduler(work, n_workers=3)


def test_it_tells_when_even_urgent_work_waits():
    async def work(scheduler: Scheduler) -> tuple[bool, bool, bool]:
        async def soon() -> None:
            await scheduler.run(partial(time.sleep, 0.02), deadline=time.monotonic() + 0.05)

        await asyncio.gather(
            *(scheduler.run(partial(time.sleep, 0.01), deadline=time.monotonic() + 5) for _ in range(20))
        )
        patient = scheduler.is_busy
        await asyncio.gather(*(soon() for _ in range(30)))
        loaded = scheduler.is_busy
        for _ in range(120):
            await scheduler.run(lambda: None, deadline=time.monotonic() + 0.05)
        return patient, loaded, scheduler.is_busy

    assert with_scheduler(work) == (False, True, False)


def test_what_waits_when_it_stops_is_given_up():
    async def work(scheduler: Scheduler) -> None:
        gate = threading.Event()
        running = asyncio.create_task(scheduler.run(partial(gate.wait, 5), deadline=0))
        await asyncio.sleep(0.05)
        waiting = asyncio.create_task(scheduler.run(lambda: 1, deadline=0))
        await asyncio.sleep(0.05)
        stopping = asyncio.create_task(asyncio.to_thread(scheduler.stop))
        await asyncio.sleep(0.05)
        gate.set()
        await stopping
        assert await running is True
        with pytest.raises(asyncio.CancelledError):
            await waiting
        with pytest.raises(asyncio.CancelledError):
            await scheduler.run(lambda: 1, deadline=0)

    with_scheduler(work)
