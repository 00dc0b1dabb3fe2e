"""How many people one server hears at a time, how it behaves when there are too many, and what bad input does to it.

    python benchmarks/server_load.py streams [--n 60] [--minutes 10]
    python benchmarks/server_load.py predict [--seconds 20] [--concurrency 16]
    python benchmarks/server_load.py overload [--connections 200] [--seconds 10]
    python benchmarks/server_load.py fuzz [--cases 5000] [--uploads 2000]

Each starts a server of its own (``--url`` and ``--pid`` measure a running one) and writes its figures into
``benchmarks/results/server.json``, beside those of the others. The speech is real, from ``EMOTONE_DATA`` or
``../shared/data``: read English and acted emotions, joined with pauses.

The clients run on the same machine as the server, so they are made to cost next to nothing: one process, frames and
requests made beforehand, and no JSON for what is sent. What they cost is reported beside what the server costs.

A provisional answer's delay is the time from when the sound that it covers **should have been sent** to when the answer
came. A client or server that falls behind can't hide it, nor a server that says the last thing again: in a row of its
own, what it calls stale is counted as if it had never come.
"""

from __future__ import annotations

import os

os.environ.setdefault("OMP_NUM_THREADS", "1")  # before numpy loads

import argparse
import asyncio
import gc
import json
import socket
import subprocess
import sys
import time
import urllib.error
import urllib.request
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import numpy as np
import psutil

HERE = Path(__file__).resolve().parent
sys.path.insert(0, str(HERE.parent / "tests"))

import hostile  # noqa: E402
import raw_sockets  # noqa: E402
from joined import joined  # noqa: E402

from emotone import audio  # noqa: E402
from emotone.audio import SAMPLE_RATE, Signal  # noqa: E402

RESULTS = HERE / "results" / "server.json"
BESIDE = Path(os.environ.get("EMOTONE_DATA", HERE.parents[1] / "shared" / "data"))

CHUNK = 0.1  # seconds of sound in a message
TICK = 0.5  # seconds of sound between provisional answers
TALKS = 12  # recordings that streams share, each beginning elsewhere
TALK = 60.0  # seconds of each


# --- a server, and what it uses ---


@dataclass(frozen=True)
class Server:
    """A running one."""

    url: str
    pid: int

    @property
    def host(self) -> str:
        return urlsplit(self.url).hostname or "127.0.0.1"

    @property
    def port(self) -> int:
        return urlsplit(self.url).port or 80

    @property
    def name(self) -> str:
        return f"{self.host}:{self.port}"

    def processes(self) -> list[psutil.Process]:
        """It and its workers."""
        mother = psutil.Process(self.pid)
        return [mother, *mother.children(recursive=True)]

    def memory(self) -> int:
        """MB that it and its workers have to themselves (PSS: what they share counts once)."""
        return round(sum(_of(process, lambda p: p.memory_full_info().pss) for process in self.processes()) / 2**20)

    def cpu(self) -> float:
        """Seconds of processor time so far, of workers that are gone, too."""
        return sum(_of(process, lambda p: sum(p.cpu_times()[:4])) for process in [psutil.Process(self.pid)]) + sum(
            _of(process, lambda p: sum(p.cpu_times()[:2])) for process in self.processes()[1:]
        )


def _of(process: psutil.Process, ask: Any) -> float:
    try:
        return float(ask(process))
    except psutil.Error:
        return 0.0


@contextmanager
def running(given: argparse.Namespace, **settings: object) -> Iterator[Server]:
    """The server that was named, or one of our own, warm, with the ``settings`` that stand in its environment."""
    if given.url:
        yield Server(given.url, given.pid)
        return
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    environment = {f"EMOTONE_SERVE_{name.upper()}": str(value) for name, value in settings.items()}
    code = "from emotone.cli import main; main()"
    source = str(HERE.parent / "src")
    process = subprocess.Popen(
        [sys.executable, "-c", code, "serve", "--port", str(port)],
        env={**os.environ, **environment, "PYTHONPATH": source},
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL if not given.verbose else None,
    )
    try:
        server = Server(f"http://127.0.0.1:{port}", process.pid)
        _wait(server, process)
        yield server
    finally:
        process.terminate()
        try:
            process.wait(30)
        except subprocess.TimeoutExpired:
            process.kill()
            raise SystemExit("The server didn't stop within 30 seconds of SIGTERM.") from None


def _wait(server: Server, process: subprocess.Popen[bytes]) -> None:
    for _ in range(600):
        if process.poll() is not None:
            raise SystemExit(f"The server ended with {process.returncode}. See why with --verbose.")
        try:
            with urllib.request.urlopen(f"{server.url}/readyz", timeout=2):
                return
        except OSError:
            time.sleep(0.1)
    raise SystemExit("The server wasn't ready after a minute.")


# --- real speech ---


def utterances(n: int, rng: np.random.Generator) -> list[Signal]:
    """Real ones, half of them acted, of RAVDESS, and half read, of LibriSpeech."""
    found = []
    for pattern in ("ravdess/**/*.flac", "librispeech/*.opus"):
        files = sorted(BESIDE.glob(pattern))
        if not files:
            raise SystemExit(f"There is no {pattern} in {BESIDE}: set EMOTONE_DATA.")
        found += [audio.load(files[int(i)]) for i in rng.choice(len(files), n - n // 2, replace=False)]
    rng.shuffle(found)
    return found[:n]


def talks(rng: np.random.Generator) -> list[Signal]:
    """People who speak with pauses between."""
    spoken = iter(utterances(TALKS * 14, rng))
    found = []
    for _ in range(TALKS):
        clips: list[tuple[Signal, str]] = []
        while sum(len(signal) for signal, _ in clips) < 0.75 * TALK * SAMPLE_RATE:
            clips.append((next(spoken), "neutral"))
        signal = joined(clips, rng=rng).signal
        found.append(np.tile(signal, 2)[: round(TALK * SAMPLE_RATE)])
    return found


def messages(signal: Signal) -> list[bytes]:
    """Frames of a `CHUNK` of 16-bit samples."""
    samples = np.clip(np.rint(signal * 32768), -32768, 32767).astype("<i2")
    size = round(CHUNK * SAMPLE_RATE)
    return [
        raw_sockets.frame(raw_sockets.BINARY, samples[first : first + size].tobytes())
        for first in range(0, len(samples) // size * size, size)
    ]


# --- streams ---


@dataclass
class Talker(asyncio.Protocol):
    """One client: sends a message every `CHUNK`, and notes when answers come."""

    frames: list[bytes]
    n_messages: int
    offset: int
    begun: float = 0.0
    n_sent: int = 0
    lags: list[float] = field(default_factory=list)
    delays: list[tuple[float, float]] = field(default_factory=list)
    """When an answer came, in seconds of sound, and how late."""
    n_segments: int = 0
    spoken: int = 0
    error: str = ""
    heard: float | None = None
    """How much the server says it heard, once it says that all is over."""
    ready: asyncio.Event = field(default_factory=asyncio.Event)
    over: asyncio.Event = field(default_factory=asyncio.Event)

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self.loop, self.transport = asyncio.get_running_loop(), transport
        self.reader, self.upgraded, self.head = raw_sockets.Frames(), False, b""

    def data_received(self, data: bytes) -> None:
        now = self.loop.time()
        if not self.upgraded:
            self.head += data
            end = self.head.find(b"\r\n\r\n")
            if end < 0:
                return
            if b" 101 " not in self.head[:20]:
                self.fail(self.head[:end].decode("latin-1").splitlines()[0])
                return
            self.upgraded, data = True, self.head[end + 4 :]
            self.transport.write(raw_sockets.start())
        for kind, content in self.reader.feed(data):
            self.take(kind, content, now)

    def take(self, kind: int, content: bytes, now: float) -> None:
        if kind == raw_sockets.PING:
            self.transport.write(raw_sockets.frame(raw_sockets.PONG, content))
        elif kind == raw_sockets.TEXT:
            message = json.loads(content)
            match message["type"]:
                case "provisional":
                    due = self.begun + np.ceil(message["seconds"] / CHUNK - 1e-6) * CHUNK
                    self.delays.append((message["seconds"], now - due))
                    self.spoken += message["segment"] is not None
                case "segment":
                    self.n_segments += 1
                case "ready":
                    self.ready.set()
                case "end":
                    self.heard = message["seconds"]
                    self.over.set()
                case "error":
                    self.fail(message["error"])

    def talk(self) -> None:
        """Send the message that is due, and come back for the next. Sound is there once it was spoken."""
        now = self.loop.time()
        if self.over.is_set():
            return
        if self.n_sent == self.n_messages:
            self.transport.write(raw_sockets.STOP)
            return
        self.lags.append(now - (self.begun + (self.n_sent + 1) * CHUNK))
        self.transport.write(self.frames[(self.offset + self.n_sent) % len(self.frames)])
        self.n_sent += 1
        self.loop.call_at(self.begun + (self.n_sent + 1) * CHUNK, self.talk)

    def connection_lost(self, error: Exception | None) -> None:
        if self.heard is None:
            self.fail("The server closed the connection.")

    def fail(self, why: str) -> None:
        self.error = self.error or why
        self.ready.set()
        self.over.set()


async def stream_all(server: Server, talkers: list[Talker], seconds: float) -> list[dict[str, float]]:
    """Let all of them talk, spread over a tick, and look at the server's memory meanwhile."""
    loop = asyncio.get_running_loop()
    for talker in talkers:
        transport, _ = await loop.create_connection(lambda t=talker: t, server.host, server.port)
        transport.get_extra_info("socket").setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        transport.write(raw_sockets.upgrade(server.name))
    await asyncio.wait_for(asyncio.gather(*(talker.ready.wait() for talker in talkers)), 60)
    start = loop.time() + 0.5
    for i, talker in enumerate(talkers):
        talker.begun = start + TICK * i / len(talkers)
        loop.call_at(talker.begun + CHUNK, talker.talk)
    noted, every = [], max(1.0, seconds / 60)
    while (left := start + seconds - loop.time()) > 0 and not all(talker.over.is_set() for talker in talkers):
        await asyncio.sleep(min(left, every))
        noted.append({"at": round(loop.time() - start, 1), "mb": server.memory(), "cpu": server.cpu()})
    await asyncio.wait(
        [asyncio.create_task(talker.over.wait()) for talker in talkers], timeout=30, return_when=asyncio.ALL_COMPLETED
    )
    for talker in talkers:
        talker.transport.close()
    return noted


def streams(given: argparse.Namespace) -> dict[str, Any]:
    """Real-time clients for some minutes."""
    rng, seconds = np.random.default_rng(given.seed), 60 * given.minutes
    frames = [messages(signal) for signal in talks(rng)]
    n_messages = round(seconds / CHUNK)
    with running(given, max_streams=given.n + 4, client_streams=given.n + 4) as server:
        talkers = [
            Talker(frames[i % TALKS], n_messages, int(rng.integers(len(frames[i % TALKS])))) for i in range(given.n)
        ]
        gc.disable()  # a pause of ours would count as the server's
        before, begin, ours = server.cpu(), time.perf_counter(), time.process_time()
        noted = asyncio.run(stream_all(server, talkers, seconds))
        stale, glances = (counted(server, name) for name in ("stale", "glances"))
        spent = time.perf_counter() - begin
        ours, theirs = time.process_time() - ours, server.cpu() - before
        gc.enable()
    delays = 1000 * np.array([delay for talker in talkers for _, delay in talker.delays])
    lags = 1000 * np.array([lag for talker in talkers for lag in talker.lags])
    expected = sum(int(talker.n_messages * CHUNK / TICK + 1e-6) for talker in talkers)
    answered = [talker for talker in talkers if talker.heard is not None]
    memory = [note["mb"] for note in noted]
    warm = memory[len(memory) // 10 :]
    return {
        "streams": given.n,
        "minutes": given.minutes,
        "provisional_ms": quantiles(delays),
        "provisional_ms_if_stale_ones_were_missing": quantiles(without(delays, stale)),
        "provisional_stale": stale,
        "provisional_glances": glances,
        "provisional_expected": expected,
        "provisional_received": len(delays),
        "with_an_answer": sum(talker.spoken for talker in talkers),
        "segments": sum(talker.n_segments for talker in talkers),
        "dropped_streams": len(talkers) - len(answered),
        "lost_seconds": round(sum(talker.n_messages * CHUNK - (talker.heard or 0) for talker in talkers), 3),
        "errors": dict(Counter(talker.error for talker in talkers if talker.error)),
        "memory_mb": {"first": warm[0], "last": warm[-1], "most": max(memory)} if warm else None,
        "memory_over_time_mb": memory[:: max(1, len(memory) // 20)],
        "server_cores": round(theirs / spent, 3),
        "client_cores": round(ours / spent, 3),
        "client_lag_ms": quantiles(lags),
        "p95_each_fifth_ms": fifths(talkers, seconds),
    }


def counted(server: Server, what: str) -> int:
    """How many provisional answers the server says were ``stale`` (the last one again, for want of time) or ``glances``
    (heard with a shorter window)."""
    with urllib.request.urlopen(f"{server.url}/metrics", timeout=10) as answer:
        lines = answer.read().decode().splitlines()
    found = [line.split()[-1] for line in lines if line.startswith(f"emotone_provisional_{what}_total ")]
    return int(float(found[0])) if found else 0


def without(delays: Any, n: int) -> Any:
    """The delays, if the ``n`` shortest ones had never come: the harshest way to count answers that say nothing new."""
    kept = np.sort(delays)
    kept[:n] = np.inf
    return kept


def fifths(talkers: list[Talker], seconds: float) -> list[float]:
    """The 95 % quantile of delays in each fifth of the time, to see whether it grows."""
    pairs = np.array([pair for talker in talkers for pair in talker.delays]).reshape(-1, 2)
    parts = np.minimum(4, (5 * pairs[:, 0] / seconds).astype(int))
    return [round(float(1000 * np.quantile(pairs[parts == i, 1], 0.95)), 1) for i in range(5) if (parts == i).any()]


def quantiles(values: Any) -> dict[str, float | None]:
    """Values that are there, no means of two; None where nothing was measured, or the value is "never"."""
    values = np.asarray(values, float)
    names = {"p50": 0.5, "p95": 0.95, "p99": 0.99, "most": 1.0}
    if not len(values):
        return dict.fromkeys(names)
    found = {name: np.quantile(values, share, method="higher") for name, share in names.items()}
    return {name: round(float(value), 1) if np.isfinite(value) else None for name, value in found.items()}


# --- single utterances ---


@dataclass
class Asker(asyncio.Protocol):
    """A connection that asks again as soon as it is answered, until told to stop."""

    requests: list[bytes]
    place: int
    until: float = 0.0
    answers: list[tuple[int, float, float]] = field(default_factory=list)
    """Status, when it came, and the seconds that it took."""
    retry: int = 0
    """How many refusals said when to come back."""
    backoff: bool = True
    over: asyncio.Event = field(default_factory=asyncio.Event)
    waiting: bool = False
    lost: int = 0

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self.loop, self.transport, self.reader = asyncio.get_running_loop(), transport, raw_sockets.Responses()
        self.ask()

    def ask(self) -> None:
        self.asked = self.loop.time()
        if self.asked >= self.until or self.transport.is_closing():
            self.over.set()
            self.transport.close()
            return
        self.place += 1
        self.waiting = True
        self.transport.write(self.requests[self.place % len(self.requests)])

    def data_received(self, data: bytes) -> None:
        for status, headers, _ in self.reader.feed(data):
            now = self.loop.time()
            self.waiting = False
            self.answers.append((status, now, now - self.asked))
            self.retry += status in (429, 503) and headers.get("retry-after", "").isdecimal()
            # Rude ones come back at once, but for the tenth of a second that keeps us from being the bottleneck.
            self.loop.call_later(0.1 if status in (429, 503) and self.backoff else 0, self.ask)

    def connection_lost(self, error: Exception | None) -> None:
        self.lost += self.waiting
        self.over.set()


async def ask_all(server: Server, requests: list[bytes], n: int, seconds: float) -> list[Asker]:
    loop = asyncio.get_running_loop()
    until = loop.time() + seconds
    askers = [Asker(requests, i * 7, until) for i in range(n)]
    for asker in askers:
        await loop.create_connection(lambda a=asker: a, server.host, server.port)
    await asyncio.wait([asyncio.create_task(asker.over.wait()) for asker in askers], timeout=seconds + 30)
    return askers


def asked(server: Server, requests: list[bytes], n: int, seconds: float) -> dict[str, Any]:
    """Figures of ``n`` connections that ask for ``seconds``."""
    theirs, ours, begin = server.cpu(), time.process_time(), time.perf_counter()
    askers = asyncio.run(ask_all(server, requests, n, seconds))
    spent = time.perf_counter() - begin
    answers = [answer for asker in askers for answer in asker.answers]
    done = [seconds for status, _, seconds in answers if status == 200]
    return {
        "connections": n,
        "per_second": round(len(done) / spent, 1),
        "ms": quantiles(1000 * np.array(done)),
        "answers": {str(status): n for status, n in sorted(Counter(status for status, _, _ in answers).items())},
        "refusals_that_say_when": sum(asker.retry for asker in askers),
        "refusal_ms": quantiles(1000 * np.array([took for status, _, took in answers if status == 429])),
        "without_an_answer": sum(asker.lost + (asker.waiting and not asker.lost) for asker in askers),
        "server_cores": round((server.cpu() - theirs) / spent, 2),
        "client_cores": round((time.process_time() - ours) / spent, 2),
    }


def three_seconds(server: Server, n: int, rng: np.random.Generator) -> list[bytes]:
    """Requests with 3 s of real speech each, as 16-bit WAV."""
    size = 3 * SAMPLE_RATE
    found = [np.tile(signal, 3)[:size] for signal in utterances(n, rng)]
    return [raw_sockets.post(server.name, "/v1/predict", audio.encode_wav(signal)) for signal in found]


def predict(given: argparse.Namespace) -> dict[str, Any]:
    """Utterances a second, one at a time and many at a time, in turns."""
    rng = np.random.default_rng(given.seed)
    with running(given) as server:
        requests = three_seconds(server, 64, rng)
        asked(server, requests, given.concurrency, 2)  # warm
        rounds = [
            (asked(server, requests, 1, given.seconds), asked(server, requests, given.concurrency, given.seconds))
            for _ in range(given.rounds)
        ]
    single, many = (sorted(found, key=lambda figures: figures["per_second"]) for found in zip(*rounds, strict=True))
    middle = given.rounds // 2
    ratios = [two["per_second"] / one["per_second"] for one, two in rounds]
    return {
        "seconds_each": given.seconds,
        "one_at_a_time": single[middle],
        "together": many[middle],
        "times_faster": round(float(np.median(ratios)), 2),
    }


def overload(given: argparse.Namespace) -> dict[str, Any]:
    """Far more than it can do; then one request more, which should be answered as if nothing had been."""
    rng = np.random.default_rng(given.seed)
    # All come from one address here, and it is the queue that should be seen to be full.
    with running(given, client_requests=100_000, client_rate=1_000_000) as server:
        requests = three_seconds(server, 64, rng)
        calm = asked(server, requests, 1, 2)
        before = server.memory()
        crowd = asked(server, requests, given.connections, given.seconds)
        begin = time.perf_counter()
        recovery = recovered(server, requests[0], begin)
        after = asked(server, requests, 1, 2)
        return {
            "alone_ms": calm["ms"],
            "crowd": crowd,
            "recovery_seconds": recovery,
            "alone_afterwards_ms": after["ms"],
            "memory_mb": {"before": before, "after": server.memory()},
        }


def recovered(server: Server, request: bytes, begin: float) -> float | None:
    """Seconds until a request is answered with 200 in less than a second; None if that takes over half a minute."""
    while time.perf_counter() < begin + 30:
        sent = time.perf_counter()
        with socket.create_connection((server.host, server.port), timeout=10) as connection:
            connection.sendall(request)
            first = connection.recv(64)
        if b" 200 " in first and time.perf_counter() - sent < 1:
            return round(time.perf_counter() - begin, 3)
        time.sleep(0.02)
    return None


# --- bad input ---


def fuzz(given: argparse.Namespace) -> dict[str, Any]:
    """Requests that its own OpenAPI description suggests, and damaged recordings."""
    found: dict[str, Any] = {}
    with running(given, client_rate=1_000_000) as server:
        originals = hostile.recordings(seed=given.seed)
        for content in originals.values():  # warm
            uploaded(server, content)
        found["memory_mb"] = {"before": server.memory()}
        if given.cases:
            found["schemathesis"] = fuzzed(server, given)
            found["memory_mb"]["after_cases"] = server.memory()
        if given.uploads:
            found["uploads"] = damaged(server, originals, given)
            found["memory_mb"]["after_uploads"] = server.memory()
        time.sleep(5)
        found["memory_mb"]["at_the_end"] = server.memory()
        found["still_answers"] = uploaded(server, originals["wav"])[0] == 200
    return found


def fuzzed(server: Server, given: argparse.Namespace) -> dict[str, Any]:
    begin = time.perf_counter()
    statuses, faults, slowest = hostile.fuzz(server.url, given.cases, seed=given.seed)
    return {
        "cases": sum(statuses.values()),
        "answers": {str(status): n for status, n in sorted(statuses.items())},
        "faults": faults[:20],
        "n_faults": len(faults),
        "slowest_seconds": round(slowest, 2),
        "seconds": round(time.perf_counter() - begin, 1),
    }


def damaged(server: Server, originals: dict[str, bytes], given: argparse.Namespace) -> dict[str, Any]:
    begin, slowest = time.perf_counter(), 0.0
    answers: Counter[str] = Counter()
    faults = []
    for i, (name, content) in enumerate(hostile.mutants(originals, given.uploads, seed=given.seed)):
        sent = time.perf_counter()
        status, words = uploaded(server, content, "predict" if i % 2 else "timeline")
        slowest = max(slowest, time.perf_counter() - sent)
        answers[str(status)] += 1
        allowed = status in (200, 202, 503) or 400 <= status < 500
        if not (allowed and words):
            faults.append(f"mutant {i} of {name}: {status} {words[:200]}")
    return {
        "uploads": given.uploads,
        "answers": dict(sorted(answers.items())),
        "faults": faults[:20],
        "n_faults": len(faults),
        "slowest_seconds": round(slowest, 2),
        "seconds": round(time.perf_counter() - begin, 1),
    }


def uploaded(server: Server, content: bytes, what: str = "predict") -> tuple[int, str]:
    """Status and words of the answer; the status is 0 where there was none within a minute."""
    request = urllib.request.Request(f"{server.url}/v1/{what}", data=content, method="POST")
    request.add_header("Content-Type", "application/octet-stream")
    try:
        with urllib.request.urlopen(request, timeout=60) as answer:
            return answer.status, answer.read().decode()
    except urllib.error.HTTPError as error:
        return error.code, str(json.loads(error.read()).get("error", ""))
    except OSError as error:
        return 0, str(error)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--url", help="measure this server and start none")
    parser.add_argument("--pid", type=int, help="its process")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--verbose", action="store_true", help="show what the server says")
    parser.add_argument("--dry", action="store_true", help="print the figures and keep the file")
    commands = parser.add_subparsers(dest="command", required=True)
    one = commands.add_parser("streams")
    one.add_argument("--n", type=int, default=60)
    one.add_argument("--minutes", type=float, default=10.0)
    two = commands.add_parser("predict")
    two.add_argument("--seconds", type=float, default=20.0)
    two.add_argument("--concurrency", type=int, default=16)
    two.add_argument("--rounds", type=int, default=3)
    three = commands.add_parser("overload")
    three.add_argument("--connections", type=int, default=200)
    three.add_argument("--seconds", type=float, default=10.0)
    four = commands.add_parser("fuzz")
    four.add_argument("--cases", type=int, default=5000)
    four.add_argument("--uploads", type=int, default=2000)
    given = parser.parse_args()
    if given.url and not given.pid:
        parser.error("--url needs --pid, to see what the server uses")
    run = {"streams": streams, "predict": predict, "overload": overload, "fuzz": fuzz}[given.command]
    load = round(os.getloadavg()[0], 2)
    found = {"cores": os.cpu_count(), "load_before": load, "seed": given.seed, **run(given)}
    print(json.dumps(found, indent=1))
    if not given.dry:
        before = json.loads(RESULTS.read_text("utf-8")) if RESULTS.exists() else {}
        RESULTS.parent.mkdir(exist_ok=True)
        RESULTS.write_text(json.dumps({**before, given.command: found}, indent=2) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
