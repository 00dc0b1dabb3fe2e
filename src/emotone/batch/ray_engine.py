"""The engine for many machines: actors of a Ray cluster, each with a recogniser of its own.

Plain actors and not Ray Data, for three reasons. A killed actor costs what was in its hands and no more, while Ray Data
computes a whole block again, or drops it. The recording that kills its actor is found and named; in a block it would
kill every retry. And tasks are taken while they are still being listed, so that a hundred million of them stand neither
in memory nor in anybody's plan. All that Ray does here is to start processes on machines, carry tasks there and pieces
back, and say who died.

**Each task's pieces come once.** An actor's answers arrive as a stream, in order. When it dies, whatever hasn't arrived
is heard again by another, beginning with the first missing recording, and nothing that is still on its way from the
dead one is taken. Nobody but the caller writes, so an actor on a machine that was merely cut off can do no harm.

**Who is to blame.** A death may be the machine's. So what was under way is heard again *carefully*, each recording
coming back as soon as it is done; over a second death the first that is missing is heard *alone*, and only over a third
it is given up.
"""

from __future__ import annotations

import contextlib
import itertools
import os
import platform
import queue
import socket
import threading
import time
from collections import deque
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar

from emotone.errors import ConfigError, EmotoneError, require

if TYPE_CHECKING:
    from emotone.batch.work import Job, Piece, Task

__all__ = ["RayEngine"]

CALLS = 2
"""Under way at each actor: one in its hands, and one that waits so that its hands are never empty."""
SECONDS_PER_CALL, LARGEST_CALL = 1.0, 32
"""How much work a call should be, and how many tasks it is at most: hundreds of actors answer to one process."""
SECONDS_PER_ANSWER = 0.25
"""How long an actor keeps finished pieces, so that they travel together."""
TICK = 1.0
GROWTH = 30.0
"""Seconds between looks at how large the cluster is: machines may join while it runs."""
PATIENCE = 600.0
"""Seconds without any actor after which the run ends: an autoscaler may take minutes for a machine."""
SIGN = 2.0
"""Seconds after which an actor that is still busy with a recording says so."""
KNOCK_SECONDS = 10.0
STARTS = 3
"""Attempts to start: a fresh cluster, and actors that die before the first one has started."""
SETTLING = 0.05
"""Seconds in which word of a stage reaches the caller, should the actor die of it."""
TOGETHER, CAREFULLY, ALONE = "together", "carefully", "alone"
"""How a call is heard."""
_THREADS = dict.fromkeys(("OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS", "OMP_NUM_THREADS", "VECLIB_MAXIMUM_THREADS"), "1")
_PACKAGES = ("numpy", "onnxruntime", "soxr", "soundfile", "av")
"""What rows are computed with: other versions may give other numbers."""


@dataclass(frozen=True, kw_only=True)
class RayEngine:
    """``jobs`` actors of the cluster at ``address``; see `emotone.batch.run.Engine`.

    Without an address it is that of ``RAY_ADDRESS``, as Ray's own jobs set it, or else a fresh cluster on this machine
    that ends with the run. A script that called ``ray.init`` itself stays in its own. Without ``jobs`` there is an
    actor for each processor that the cluster has, or will have.
    """

    name: ClassVar[str] = "ray"

    address: str | None = None
    jobs: int | None = None
    gpus: float = 0.0
    """Share of a GPU that each actor reserves: 0.25 puts four on one."""
    patience: float = 600.0
    """Seconds that an actor may be silent over a recording before it is taken for stuck."""

    def __post_init__(self) -> None:
        if self.jobs is not None and (isinstance(self.jobs, bool) or not isinstance(self.jobs, int) or self.jobs < 1):
            raise ConfigError(f"The number of jobs is a whole number from 1, or None, not {self.jobs!r}.")
        if not isinstance(self.gpus, int | float) or self.gpus < 0 or (self.gpus > 1 and self.gpus % 1):
            raise ConfigError(f"gpus is a share of a GPU, such as 0.25, or a whole number of them, not {self.gpus!r}.")
        if (self.address or "").startswith("ray://"):
            raise ConfigError(
                f"{self.address} reaches a cluster from outside, where answers can't be streamed. Run emotone on one "
                "of its machines with --address auto, or give it to the cluster: ray job submit -- emotone annotate ..."
            )

    @property
    def n_workers(self) -> int | None:
        """How many actors there are to be; None: as many as the cluster has room for."""
        return self.jobs

    def pieces(self, job: Job, tasks: Iterator[Task]) -> Iterator[Piece]:
        """The pieces of the ``tasks``, as `emotone.batch.run.Engine` wants them.

        Raises `MissingExtra` without Ray, `ConfigError` where the cluster can't be reached, has other versions of what
        computes, or no machine any more, and whatever ``tasks`` raises.
        """
        ray = require("ray", extra="ray")
        first = next(tasks, None)  # what can't be listed is said before a cluster starts
        if first is None:
            return
        with _cluster(ray, self.address, self.jobs):
            crew = _Crew(ray, self, job)
            try:
                yield from crew.pieces(itertools.chain([first], tasks))
            finally:
                crew.close()


@contextlib.contextmanager
def _cluster(ray: Any, address: str | None, jobs: int | None) -> Iterator[None]:
    """A connection to a cluster while the block runs."""
    if ray.is_initialized():
        yield
        return
    where = address or os.environ.get("RAY_ADDRESS") or "local"
    options: dict[str, Any] = {"address": where, "log_to_driver": False, "logging_level": "error"}
    if where == "local":
        from emotone.features.workers import n_processors

        options |= {"num_cpus": jobs or n_processors(), "include_dashboard": False, "runtime_env": _same_emotone()}
    _join(ray, options)
    try:
        yield
    finally:
        ray.shutdown()


def _join(ray: Any, options: dict[str, Any]) -> None:
    """``ray.init``, or a sentence. A fresh cluster has half a minute to start, which a busy machine may not give it at
    the first attempt."""
    where = options["address"]
    _knock(where)
    for left in reversed(range(STARTS if where == "local" else 1)):
        try:
            with _no_reports_home():
                ray.init(**options)
            return
        except Exception as error:  # of Ray's many classes, some of which are Exception itself
            ray.shutdown()
            if left:
                continue
            reason = " ".join(str(error).split())[:300]
            raise ConfigError(
                f"The Ray cluster at {where} can't be used: {reason} Start one with: ray start --head. Or leave "
                "--address out for a fresh one on this machine."
            ) from error


def _knock(where: str) -> None:
    """Whether anybody listens at ``host:port``: Ray itself would try for minutes. Raises `ConfigError`."""
    host, _, port = where.rpartition(":")
    if not (host and port.isdigit()):
        return
    try:
        socket.create_connection((host, int(port)), timeout=KNOCK_SECONDS).close()
    except OSError as error:
        raise ConfigError(
            f"The Ray cluster at {where} can't be used: nobody answers there ({error}). Start one with: ray start "
            "--head. Or leave --address out for a fresh one on this machine."
        ) from error


def _same_emotone() -> dict[str, Any]:
    """That other processes of this machine import the emotone that runs here, installed or not."""
    source = str(Path(__file__).resolve().parents[2])
    paths = [source, *filter(None, [os.environ.get("PYTHONPATH")])]
    return {"env_vars": {"PYTHONPATH": os.pathsep.join(paths)}}


@contextlib.contextmanager
def _no_reports_home() -> Iterator[None]:
    """A cluster that starts here tells nobody that it did, unless the user says so."""
    name = "RAY_USAGE_STATS_ENABLED"
    if name in os.environ:
        yield
        return
    os.environ[name] = "0"
    try:
        yield
    finally:
        os.environ.pop(name, None)


# --- in the cluster ---


class _Hearer:
    """What an actor is: a recogniser, and the work of `emotone.batch.work`."""

    def start(self, job: Job, versions: dict[str, str]) -> None:
        """Get ready. Raises `ConfigError` where the same recordings would give other numbers."""
        from emotone.batch.work import Annotator

        own = _versions()
        for package, wanted in versions.items():
            if own.get(package) != wanted:
                raise ConfigError(
                    f"The machine {platform.node()} has {package} {own.get(package) or '(none)'} where the run has "
                    f"{wanted}: rows could differ. Install the same versions on all machines."
                )
        self._annotator = Annotator(job)

    def hear(self, tasks: list[Task], how: str) -> Iterator[str | list[Piece]]:
        """Pieces of the ``tasks`` in their order, several at a time unless it goes `CAREFULLY`; an empty list is a sign
        of life. Before a recording that is heard `ALONE` comes each stage that it reaches."""
        told: queue.SimpleQueue[str | Piece | BaseException | None] = queue.SimpleQueue()
        alive = threading.Event()

        def at(stage: str) -> None:
            alive.set()
            if how == ALONE:
                told.put(stage)
                time.sleep(SETTLING)

        threading.Thread(target=self._work, args=(tasks, at, told), daemon=True).start()
        finished: list[Piece] = []
        due = 0.0
        while True:
            try:
                word = told.get(timeout=max(0.0, due - time.monotonic()) if finished else SIGN)
            except queue.Empty:
                if finished or alive.is_set():
                    yield finished
                    finished = []
                    alive.clear()
                continue
            if isinstance(word, BaseException):
                raise word
            if word is None:
                break
            if isinstance(word, str):
                yield word
                continue
            due = due if finished else time.monotonic() + SECONDS_PER_ANSWER
            finished.append(word)
            if how != TOGETHER or time.monotonic() >= due:
                yield finished
                finished = []
        if finished:
            yield finished

    def _work(self, tasks: list[Task], at: Callable[[str], None], told: Any) -> None:
        try:
            for task in tasks:
                for piece in self._annotator.pieces(task, at):
                    told.put(piece)
            told.put(None)
        except BaseException as error:
            told.put(error)


def _versions() -> dict[str, str]:
    from emotone import __version__

    found = {"emotone": __version__}
    for package in _PACKAGES:
        with contextlib.suppress(PackageNotFoundError):
            found[package] = version(package)
    return found


# --- here ---


@dataclass
class _Call:
    """Tasks on their way to an actor, or there; what has come back is taken off them."""

    tasks: deque[Task]
    how: str = TOGETHER
    rest: Task | None = None
    """Of a tar, what comes after the recording that is heard alone."""
    stage: str = "read"
    """What was last begun, as far as it was told."""
    answers: Any = None
    """Ray's stream of them."""
    begun: float = 0.0
    last_sign: float = 0.0
    """Of life."""
    stuck: bool = False
    n_tasks: int = 0

    def __post_init__(self) -> None:
        self.n_tasks = len(self.tasks)

    def take(self, piece: Piece) -> Piece:
        """Note that ``piece`` has come back. It is returned with the right word on whether its task is done: of a tar's
        recording alone, only the `rest` knows."""
        task = self.tasks[0]
        if piece.done:
            self.tasks.popleft()
        else:
            self.tasks[0] = task.but(first=piece.member + 1, last=task.last)
        if self.rest is None:
            return piece
        is_end = not (piece.rows or piece.failures)
        if is_end or any(failure.file == task.item.file for failure in piece.failures):
            self.rest = None  # the tar is at its end, or can't be read any further
            return piece
        return piece._replace(done=False)


@dataclass
class _Actor:
    handle: Any
    starting: Any
    """Ray's promise that it is ready; None once it is."""
    calls: deque[_Call] = field(default_factory=deque)


class _Crew:
    """All actors, and all calls."""

    def __init__(self, ray: Any, engine: RayEngine, job: Job) -> None:
        self._ray, self._engine = ray, engine
        self._job = ray.put(job)
        needs = {"num_cpus": 1, "num_gpus": engine.gpus, "scheduling_strategy": "SPREAD"}
        self._kind = ray.remote(_Hearer).options(
            **needs, max_restarts=0, max_task_retries=0, runtime_env={"env_vars": _THREADS}
        )
        self._actors: list[_Actor] = []
        self._waiting: deque[_Call] = deque()
        self._listed = False
        """Whether all tasks have been taken."""
        self._each = 0.0
        """Seconds that a task takes, about."""
        self._n_started, self._n_stillborn = 0, 0
        self._last_life = self._last_look = time.monotonic()
        self._wanted = self._size()
        if not self._wanted:
            kind = "GPUs" if engine.gpus else "processors"
            raise ConfigError(f"The Ray cluster has no {kind} to work with. Add machines: ray start --address ...")
        self._fill()

    def close(self) -> None:
        """Let all actors go."""
        for actor in self._actors:
            self._kill(actor)
        self._actors.clear()

    def pieces(self, tasks: Iterator[Task]) -> Iterator[Piece]:
        """Those of all ``tasks``, as they come."""
        while True:
            self._feed(tasks)
            if self._listed and not self._waiting and not any(actor.calls for actor in self._actors):
                return
            yield from self._collected()
            yield from self._stuck_ones()
            self._look()

    # --- handing out ---

    def _feed(self, tasks: Iterator[Task]) -> None:
        """Calls to all that have room for one."""
        for depth in range(CALLS):  # everybody gets one before anybody gets two
            for actor in self._actors:
                if actor.starting is not None or len(actor.calls) != depth:
                    continue
                call = self._next(actor, tasks)
                if call is not None:
                    self._send(actor, call)

    def _next(self, actor: _Actor, tasks: Iterator[Task]) -> _Call | None:
        """What ``actor`` should do next. Careful calls have it to themselves, so that nobody else is suspected."""
        if any(call.how != TOGETHER for call in actor.calls):
            return None
        if self._waiting:
            careful = self._waiting[0].how != TOGETHER
            return None if careful and actor.calls else self._waiting.popleft()
        if self._listed:
            return None
        size = min(max(round(SECONDS_PER_CALL / self._each), 1), LARGEST_CALL) if self._each else 1
        some = deque(itertools.islice(tasks, size))
        self._listed = len(some) < size
        return _Call(some) if some else None

    def _send(self, actor: _Actor, call: _Call) -> None:
        streaming = {"num_returns": "streaming"}
        call.answers = actor.handle.hear.options(**streaming).remote(list(call.tasks), call.how)
        call.last_sign = call.begun = time.monotonic()
        actor.calls.append(call)

    # --- collecting ---

    def _collected(self) -> Iterator[Piece]:
        """What has come back, after waiting a little for it."""
        awaited = {
            actor.starting if actor.starting is not None else actor.calls[0].answers: actor
            for actor in self._actors
            if actor.starting is not None or actor.calls
        }
        if not awaited:
            time.sleep(TICK)
            return
        ready, _ = self._ray.wait(list(awaited), num_returns=1, timeout=TICK)
        if ready:
            ready, _ = self._ray.wait(list(awaited), num_returns=len(awaited), timeout=0)
        for one in ready:
            actor = awaited[one]
            if actor.starting is not None:
                self._started(actor)
            else:
                yield from self._answered(actor, actor.calls[0])

    def _started(self, actor: _Actor) -> None:
        try:
            self._ray.get(actor.starting)
        except self._ray.exceptions.RayTaskError as error:
            raise _as_ours(error) from error
        except self._ray.exceptions.RayError as error:
            self._n_stillborn += 1
            self._remove(actor)
            if not self._n_started and self._n_stillborn >= STARTS:
                reason = " ".join(str(error).split())[:300]
                raise ConfigError(
                    f"No worker can start in the Ray cluster: {reason} Is emotone installed on its machines?"
                ) from error
            return
        actor.starting = None
        self._n_started += 1
        self._last_life = time.monotonic()

    def _answered(self, actor: _Actor, call: _Call) -> Iterator[Piece]:
        """The next answer to an actor's first call: pieces, its end, or that the actor is dead."""
        try:
            answer = self._ray.get(next(call.answers))
        except StopIteration:
            self._finished(actor, call)
            return
        except self._ray.exceptions.RayTaskError as error:  # of the work itself, which a recording can't make fail
            raise _as_ours(error) from error
        except self._ray.exceptions.RayError:
            yield from self._died(actor)
            return
        self._last_life = call.last_sign = time.monotonic()
        if isinstance(answer, str):
            call.stage = answer
            return
        for piece in answer:
            yield call.take(piece)

    def _finished(self, actor: _Actor, call: _Call) -> None:
        actor.calls.popleft()
        if call.tasks:  # cut off without a word; it is heard again like everything else that was
            self._waiting.appendleft(_Call(call.tasks, CAREFULLY))
            return
        if call.rest is not None:
            self._waiting.appendleft(_Call(deque([call.rest]), CAREFULLY))
        now = time.monotonic()
        if actor.calls:  # which was waiting until now
            actor.calls[0].begun = actor.calls[0].last_sign = now
        self._tell_pace(now - call.begun, call.n_tasks)

    def _tell_pace(self, seconds: float, n_tasks: int) -> None:
        each = seconds / max(1, n_tasks)
        self._each = each if not self._each else 0.9 * self._each + 0.1 * each

    # --- deaths and growth ---

    def _died(self, actor: _Actor) -> Iterator[Piece]:
        """What was in a dead actor's hands goes to others; yields what nobody can hear."""
        self._remove(actor)
        suspect, *innocent = actor.calls
        for call in reversed(innocent):
            self._waiting.append(_Call(call.tasks))
        if not suspect.tasks:
            if suspect.rest is not None:
                self._waiting.appendleft(_Call(deque([suspect.rest]), CAREFULLY))
        elif suspect.how == ALONE:
            yield self._given_up(suspect)
        elif suspect.how == CAREFULLY:
            self._single_out(suspect)
        else:
            self._waiting.appendleft(_Call(suspect.tasks, CAREFULLY))

    def _single_out(self, call: _Call) -> None:
        """The first missing recording of a careful call alone, then the others carefully."""
        first = call.tasks.popleft()
        if call.tasks:
            self._waiting.appendleft(_Call(call.tasks, CAREFULLY))
        if not first.item.is_tar:
            self._waiting.appendleft(_Call(deque([first]), ALONE))
            return
        one = first.but(first=first.first, last=first.first + 1)
        rest = first.but(first=first.first + 1, last=first.last)
        self._waiting.appendleft(_Call(deque([one]), ALONE, rest=rest))

    def _given_up(self, call: _Call) -> Piece:
        from emotone.batch.local_engine import _STUCK
        from emotone.batch.work import LOST, lost

        [task] = call.tasks
        reason = _STUCK.format(patience=self._engine.patience) if call.stuck else LOST
        if call.rest is not None:
            self._waiting.appendleft(_Call(deque([call.rest]), CAREFULLY))
        return lost(task, task.first, call.stage, reason, done=call.rest is None)  # the rest says when it is

    def _stuck_ones(self) -> Iterator[Piece]:
        """Actors that are alive, and have been silent over a recording for too long, are as good as dead."""
        latest = time.monotonic() - self._engine.patience
        for actor in [actor for actor in self._actors if actor.calls and actor.calls[0].last_sign < latest]:
            actor.calls[0].stuck = True
            yield from self._died(actor)

    def _remove(self, actor: _Actor) -> None:
        self._actors.remove(actor)
        self._kill(actor)
        self._fill()

    def _kill(self, actor: _Actor) -> None:
        with contextlib.suppress(Exception):  # of a cluster that is gone
            self._ray.kill(actor.handle, no_restart=True)

    def _fill(self) -> None:
        """As many actors as there should be. Those without a machine yet wait for one."""
        while len(self._actors) < self._wanted:
            handle = self._kind.remote()
            self._actors.append(_Actor(handle, handle.start.remote(self._job, _versions())))

    def _size(self) -> int:
        """Actors that the cluster has room for."""
        if self._engine.jobs is not None:
            return self._engine.jobs
        there = self._ray.cluster_resources()
        room = there.get("CPU", 0.0)
        if self._engine.gpus:
            room = min(room, there.get("GPU", 0.0) / self._engine.gpus)
        return int(room)

    def _look(self) -> None:
        """Actors for machines that have joined; an end where there is none any more."""
        now = time.monotonic()
        if any(actor.starting is None for actor in self._actors):
            self._last_life = max(self._last_life, now - TICK)
        if now - self._last_life > PATIENCE:
            raise ConfigError(
                f"The Ray cluster has had no machine to work with for {PATIENCE / 60:.0f} minutes. What is finished is "
                "kept; run the same command again when it has some."
            )
        if now - self._last_look > GROWTH:
            self._last_look = now
            self._wanted = max(1, self._size())
            self._fill()


def _as_ours(error: Any) -> Exception:
    """The error of emotone that Ray has wrapped, or Ray's own where it is something else."""
    cause = getattr(error, "cause", None)
    return cause if isinstance(cause, EmotoneError) else error
