"""`emotone annotate`: what it prints where, how it exits, and that it goes on."""

from __future__ import annotations

import json
import os
import pty
import signal
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pytest

import emotone
from emotone import audio

pytest.importorskip("pyarrow", reason="needs pyarrow, the extra batch")
pytest.importorskip("fsspec", reason="needs fsspec, the extra batch")

from emotone.batch import Archive
from emotone.cli.annotate import NAMED, _clock, _Rate

SOURCE = Path(emotone.__file__).parents[1]
ENVIRONMENT = {**os.environ, "PYTHONPATH": str(SOURCE), "COLUMNS": "100"}
# As the console script does it: worker processes must not find a command to run when they import the main module.
EMOTONE = "from emotone.cli import main\nif __name__ == '__main__': main()\n"


@pytest.fixture(scope="module")
def script(tmp_path_factory) -> Path:
    path = tmp_path_factory.mktemp("bin") / "run_emotone.py"
    path.write_text(EMOTONE)
    return path


@pytest.fixture
def calls(tmp_path, monkeypatch, rng) -> Path:
    """A folder in the working folder, with four recordings of a hum and a broken one."""
    monkeypatch.chdir(tmp_path)
    folder = Path("calls")
    folder.mkdir()
    for i in range(4):
        hum = 0.1 * np.sin(np.arange(8000) * (i + 1) / 20) + 0.01 * rng.standard_normal(8000)
        (folder / f"{i}.wav").write_bytes(audio.encode_wav(hum.astype(np.float32)))
    (folder / "broken.wav").write_bytes(b"nothing of the kind")
    return folder


def run(script: Path, *arguments: str, stdin: str | None = None) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, str(script), "annotate", *arguments]
    return subprocess.run(
        command, env=ENVIRONMENT, capture_output=True, text=True, input=stdin, timeout=120, check=False
    )


def test_words_go_to_stderr_a_failure_is_exit_1_and_the_same_again_is_quick(script, calls):
    done = run(script, "calls", "-o", "out", "--jobs", "1")
    assert done.returncode == 1, done.stderr
    assert not done.stdout
    assert "calls/broken.wav can't be read" in done.stderr
    assert "out: 4 recordings, 4 rows, 0:00:02 of sound" in done.stderr
    assert "1 failed (decode 1): out/failures" in done.stderr
    assert "Traceback" not in done.stderr
    table = Archive.open("out").segments().to_table()
    assert table["file"].to_pylist() == [f"calls/{i}.wav" for i in range(4)]
    again = run(script, "calls", "-o", "out", "--json")
    assert again.returncode == 1
    document = json.loads(again.stdout)
    assert document["state"] == "finished"
    assert document["counts"]["recordings"] == 4
    assert document["counts"]["failures"] == {"decode": 1}
    assert [failure["file"] for failure in document["failures"]] == ["calls/broken.wav"]
    assert sum(document["shares"].values()) == pytest.approx(1) or not document["shares"]


def test_names_are_taken_from_stdin_and_nothing_failed_is_exit_0(script, calls):
    names = "".join(f"calls/{i}.wav\n" for i in range(3))
    arguments = ("-", "-o", "out", "--what", "features", "--frontend", "librosa180", "--jobs", "1", "--json")
    done = run(script, *arguments, stdin=names)
    assert done.returncode == 0, done.stderr
    assert json.loads(done.stdout)["counts"]["recordings"] == 3
    assert Archive.open("out").segments().schema.field("features").type.list_size == 180


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["calls", "-o", "out", "--engine", "spark"], "Unknown engine 'spark'"),
        (["calls", "-o", "out", "--address", "auto"], "Add --engine ray"),
        (["calls", "-o", "out", "--what", "moods"], "Unknown kind of archive 'moods'"),
        (["calls", "calls", "-o", "out"], "calls is given twice"),
        (["nowhere/*.wav", "-o", "out"], "holds no recordings"),
        (["calls", "-o", "calls"], "holds something else"),
        (["calls", "-o", "out", "--model", "nobody"], "There is no recogniser 'nobody'"),
    ],
)
def test_wrong_usage_is_exit_2_in_a_sentence(script, calls, arguments, message):
    done = run(script, *arguments)
    assert done.returncode == 2
    assert not done.stdout
    assert message in done.stderr
    assert len(done.stderr.strip().splitlines()) == 1, done.stderr


def test_ctrl_c_leaves_finished_shards_whole_and_nobody_behind(script, calls):
    recording = (calls / "0.wav").read_bytes()
    for i in range(400):
        (calls / f"more-{i:03d}.wav").write_bytes(recording)
    (calls / "broken.wav").unlink()
    command = [sys.executable, str(script), "annotate", "calls", "-o", "out", "--jobs", "1", "--shard-files", "20"]
    running = subprocess.Popen(command, env=ENVIRONMENT, stderr=subprocess.PIPE, text=True, start_new_session=True)
    until = time.monotonic() + 60
    while not list(Path("out/segments").glob("part-*")):
        assert time.monotonic() < until
        time.sleep(0.02)
    os.killpg(running.pid, signal.SIGINT)  # as the terminal does: workers get it, too
    _, words = running.communicate(timeout=30)
    assert running.returncode == 130
    assert words.strip().splitlines() == ["emotone: Interrupted; what was finished is kept."]
    archive = Archive.open("out")
    assert archive.manifest["state"] == "stopped"
    assert archive.segments().count_rows() == 20 * len(archive.shards)
    done = run(script, "calls", "-o", "out", "--shard-files", "20", "--jobs", "2")
    assert done.returncode == 0, done.stderr
    table = Archive.open("out").segments().to_table()["file"].to_pylist()
    assert len(table) == len(set(table)) == 404


def test_a_terminal_sees_a_bar(script, calls):
    (calls / "broken.wav").unlink()
    front, back = pty.openpty()
    command = [sys.executable, str(script), "annotate", "calls", "-o", "out", "--jobs", "1"]
    with subprocess.Popen(command, env={**ENVIRONMENT, "TERM": "xterm"}, stderr=back, stdin=back) as running:
        os.close(back)
        seen = b""
        while chunk := _read(front):
            seen += chunk
    os.close(front)
    assert running.returncode == 0
    text = seen.decode()
    assert "predictions" in text
    assert "4/4" in text
    assert "out: 4 recordings" in text


def _read(terminal: int) -> bytes:
    try:
        return os.read(terminal, 4096)
    except OSError:  # the other end is closed
        return b""


def test_only_the_first_failures_are_named_one_by_one(script, calls):
    names = "".join(f"calls/missing-{i}.wav\n" for i in range(NAMED + 5))
    done = run(script, "-", "-o", "out", "--jobs", "1", stdin=names)
    assert done.returncode == 1
    assert done.stderr.count("There is no file calls/missing-") == NAMED
    assert "More recordings failed; all are in the archive's table" in done.stderr
    assert Archive.open("out").failures().count_rows() == NAMED + 5


def test_times_and_rates_are_told_for_people():
    from emotone.batch import Progress

    assert [_clock(seconds) for seconds in (0, 59.6, 3725, 90_000)] == ["0:00:00", "0:01:00", "1:02:05", "1 d 1:00:00"]
    rate = _Rate()
    first = Progress(done=10, listed=100, complete=True, recordings=0, seconds=0.0, failed=0)
    rate.see(first)
    assert rate.words(first) == ""
    time.sleep(0.05)
    later = Progress(done=20, listed=100, complete=True, recordings=10, seconds=9.0, failed=3)
    rate.see(later)
    speed, left, failures = rate.words(later).split(", ")
    assert speed.endswith("/s")
    assert left == "0:00:00 left"
    assert failures == "3 failed"
