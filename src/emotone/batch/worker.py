"""A worker process of the local engine.

Nothing heavy is imported before numpy's libraries are told to use one thread: this module is all that a new process
loads by itself. A second thread takes the tasks in, so that the engine never waits to get rid of one, and ends the
process when the engine is gone, by whatever signal.
"""

from __future__ import annotations

import contextlib
import os
import pickle
import queue
import signal
import threading
from collections.abc import Callable
from multiprocessing.connection import Connection
from typing import Any

__all__ = ["READY", "main"]

READY = b"ready"
"""The first message of a worker; an exception in its place says why it can't work."""

_THREADS = ("OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS", "OMP_NUM_THREADS", "VECLIB_MAXIMUM_THREADS")


def main(connection: Connection, job: bytes, signs: Any) -> None:
    """Do tasks until there are no more.

    ``signs`` is shared with the engine: the number of the stage at which the work is, and a count of signs of life.
    """
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C is the engine's business
    os.environ.update(dict.fromkeys(_THREADS, "1"))
    from emotone.errors import EmotoneError

    try:
        annotator, stages = _opened(job)
    except EmotoneError as error:
        connection.send(error)
        return
    at = _telling(signs, stages)
    tasks: queue.SimpleQueue[Any] = queue.SimpleQueue()
    threading.Thread(target=_take_in, args=(connection, tasks), daemon=True).start()
    with contextlib.suppress(ConnectionError):  # the engine is gone, and nobody to tell it to
        connection.send(READY)
        while (task := tasks.get()) is not None:
            for piece in annotator.pieces(task, at):
                connection.send(piece)


def _opened(job: bytes) -> tuple[Any, tuple[str, ...]]:
    from emotone.batch.work import STAGES, Annotator

    with contextlib.suppress(ImportError):
        from threadpoolctl import threadpool_limits

        threadpool_limits(1)  # where the caller's script has imported numpy before this was asked
    return Annotator(pickle.loads(job)), STAGES


def _telling(signs: Any, stages: tuple[str, ...]) -> Callable[[str], None]:
    numbers = {stage: number for number, stage in enumerate(stages)}

    def at(stage: str) -> None:
        signs[0] = numbers[stage]
        signs[1] += 1

    return at


def _take_in(connection: Connection, tasks: queue.SimpleQueue[Any]) -> None:
    try:
        while True:
            task = connection.recv()
            tasks.put(task)
            if task is None:
                return
    except (EOFError, OSError):
        os._exit(1)
