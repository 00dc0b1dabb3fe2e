"""A real server for tests: `emotone serve` on 127.0.0.1 in a process of its own, and clients that ask it.

``with serving() as server:`` gives its address (``server.url``, ``server.ws``) and its process; settings are keywords.
"""

from __future__ import annotations

import contextlib
import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import httpx

ROOT = Path(__file__).parents[1]


@dataclass
class Server:
    """A running server."""

    port: int
    process: subprocess.Popen[str]
    log: list[str] = field(default_factory=list)

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    @property
    def ws(self) -> str:
        return f"ws://127.0.0.1:{self.port}/v1/stream"

    def client(self, **options: Any) -> httpx.Client:
        return httpx.Client(base_url=self.url, timeout=60, trust_env=False, **options)

    def metric(self, name: str) -> float:
        """The sum of a metric over its labels."""
        with self.client() as client:
            lines = client.get("/metrics").text.splitlines()
        return sum(float(line.rpartition(" ")[2]) for line in lines if line.startswith(name))


@contextlib.contextmanager
def serving(**settings: Any) -> Iterator[Server]:
    """A server that is ready, with ``settings``; ended by SIGTERM, which it must obey."""
    process = started(**settings)
    log: list[str] = []
    try:
        port = _port(process, log)
        server = Server(port, process, log)
        threading.Thread(target=lambda: log.extend(process.stderr or []), daemon=True).start()
        _wait_until_ready(server)
        yield server
    finally:
        if process.poll() is None:
            process.send_signal(signal.SIGTERM)
            try:
                process.wait(30)
            except subprocess.TimeoutExpired:
                process.kill()
                raise
        if process.stderr:
            process.stderr.close()


def started(**settings: Any) -> subprocess.Popen[str]:
    """The process, not ready yet."""
    given = {"port": 0, "drain_seconds": 5, **settings}
    environment = {
        **{name: value for name, value in os.environ.items() if not name.startswith("EMOTONE_SERVE_")},
        "PYTHONPATH": os.pathsep.join([str(ROOT / "src"), os.environ.get("PYTHONPATH", "")]),
        **{
            f"EMOTONE_SERVE_{name.upper()}": ",".join(value) if isinstance(value, tuple | list) else str(value)
            for name, value in given.items()
        },
    }
    return subprocess.Popen(
        [sys.executable, "-c", "from emotone.cli import main; main()", "serve"],
        env=environment,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.PIPE,
        text=True,
    )


def _port(process: subprocess.Popen[str], log: list[str]) -> int:
    assert process.stderr is not None
    for line in process.stderr:
        log.append(line)
        if "Serving on http://" in line:
            return int(line.rpartition(":")[2])
    raise AssertionError(f"the server didn't start: {''.join(log)}")


def _wait_until_ready(server: Server, seconds: float = 60) -> None:
    end = time.monotonic() + seconds
    while time.monotonic() < end:
        with contextlib.suppress(httpx.TransportError):
            if httpx.get(f"{server.url}/readyz", timeout=5, trust_env=False).status_code == 200:
                return
        if server.process.poll() is not None:
            raise AssertionError(f"the server ended: {''.join(server.log)}")
        time.sleep(0.05)
    raise AssertionError(f"the server isn't ready after {seconds} s: {''.join(server.log)}")
