"""What a confined process can't do to others of the same user, and what it still can."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import textwrap
from pathlib import Path

import pytest
from serving import serving

pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="only Linux confines")

TRIED = textwrap.dedent(
    """
    import ctypes, json, os, resource, signal, sys, threading
    from emotone.server.confinement import confine
    folder = sys.argv[1]
    libc = ctypes.CDLL(None, use_errno=True)

    def call(number, *arguments):
        if libc.syscall(number, *arguments) < 0:
            raise OSError(ctypes.get_errno(), "")

    def opened(flags, name="there"):
        os.close(os.open(os.path.join(folder, name), flags))

    def thread():
        heard = []
        one = threading.Thread(target=heard.append, args=(1,))
        one.start()
        one.join()
        assert heard

    def child():
        if not os.fork():
            os._exit(0)

    confine(300_000_000)
    tries = {
        "read": lambda: opened(os.O_RDONLY),
        "thread": thread,
        "write": lambda: opened(os.O_WRONLY),
        "read and write": lambda: opened(os.O_RDWR),
        "truncate while reading": lambda: opened(os.O_RDONLY | os.O_TRUNC),
        "create": lambda: opened(os.O_RDONLY | os.O_CREAT, "new"),
        "memory of the parent": lambda: os.close(os.open(f"/proc/{os.getppid()}/mem", os.O_RDWR)),
        "fork": child,
        "kill": lambda: os.kill(os.getppid(), 0),
        "send a signal otherwise": lambda: signal.pidfd_send_signal(0, 0),
        "limits of the parent": lambda: resource.prlimit(os.getppid(), resource.RLIMIT_CORE, (0, 0)),
        "mode": lambda: os.chmod(os.path.join(folder, "there"), 0o777),
        "time stamps": lambda: os.utime(os.path.join(folder, "there")),
    }
    if os.uname().machine == "x86_64":
        tries |= {
            "old open": lambda: call(2, os.path.join(folder, "there").encode(), os.O_WRONLY),
            "creat": lambda: call(85, os.path.join(folder, "there").encode(), 0o600),
            "openat2": lambda: call(437, -100, b"/", 0, 0),
            "signal to another": lambda: call(234, os.getppid(), os.getppid(), 0),
        }
    found = {}
    for name, what in tries.items():
        try:
            what()
            found[name] = "done"
        except PermissionError:
            found[name] = "refused"
        except OSError as error:
            found[name] = os.strerror(error.errno)
    print(json.dumps(found), flush=True)
    os.abort()
    """
)


def environment() -> dict[str, str]:
    return {**os.environ, "PYTHONPATH": os.pathsep.join(filter(None, sys.path))}


def test_it_reads_and_computes_and_nothing_else(tmp_path):
    there = tmp_path / "there"
    there.write_bytes(b"x")
    before = there.stat()
    done = subprocess.run(
        [sys.executable, "-c", TRIED, tmp_path],
        env=environment(),
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert done.stdout, done.stderr
    found = json.loads(done.stdout)
    allowed = {name for name, what in found.items() if what == "done"}
    assert allowed == {"read", "thread"}
    assert {what for name, what in found.items() if name not in allowed} == {"refused"}
    assert done.returncode == -6, "abort works, by which broken decoders are known"
    assert (there.read_bytes(), there.stat().st_mode, there.stat().st_mtime) == (b"x", before.st_mode, before.st_mtime)
    assert [each.name for each in tmp_path.iterdir()] == ["there"]


def test_a_process_can_keep_its_memory_to_itself():
    """Asked, the kernel says so (PR_GET_DUMPABLE)."""
    script = (
        "import ctypes\n"
        "from emotone.server.confinement import keep_others_out\n"
        "before = ctypes.CDLL(None).prctl(3)\n"
        "keep_others_out()\n"
        "print(before, ctypes.CDLL(None).prctl(3))\n"
    )
    done = subprocess.run([sys.executable, "-c", script], env=environment(), capture_output=True, text=True, check=True)
    assert done.stdout.split() == ["1", "0"]


@pytest.mark.skipif(os.getuid() == 0, reason="root may read everybody's memory")
def test_the_server_keeps_its_memory_to_itself():
    with serving(models=("open",), decoders=1) as server:
        assert Path(f"/proc/{server.process.pid}/mem").stat().st_uid == 0
        assert not os.access(f"/proc/{server.process.pid}/mem", os.R_OK)
