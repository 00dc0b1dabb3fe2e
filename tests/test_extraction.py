"""`features.extract`: rows, failures, the cache's keys, workers, Ctrl-C and crashes."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from loudness import Louder, Loudness, Moody

from emotone import audio, corpora, features
from emotone.errors import ConfigError
from emotone.features import extraction
from emotone.features.cache import CacheWarning
from emotone.synthetic import write_ravdess

HERE = Path(__file__).parent


@pytest.fixture(scope="module")
def root(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_ravdess(tmp_path_factory.mktemp("ravdess"), speakers=(1, 2), repetitions=1)


@pytest.fixture
def table(root: Path) -> pd.DataFrame:
    return corpora.load("ravdess", root)


@pytest.fixture
def log(tmp_path: Path) -> Path:
    folder = tmp_path / "log"
    folder.mkdir()
    return folder


def calls(log: Path) -> int:
    """How often the front-end was called since the last time this was asked."""
    files = list(log.iterdir())
    for file in files:
        file.unlink()
    return len(files)


@pytest.fixture
def workers_at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(extraction, "SECONDS_ALONE", 0.0)
    monkeypatch.setattr(extraction, "SECONDS_SHARED", 0.0)


def write(path: Path, seconds: float, level: float = 0.25) -> Path:
    path.write_bytes(audio.encode_wav(np.full(round(16_000 * seconds), level, np.float32)))
    return path


def test_rows_are_in_the_tables_order(table: pd.DataFrame, root: Path) -> None:
    shuffled = table.sample(frac=1, random_state=3)
    frontend = features.get("librosa180")
    extracted = features.extract(shuffled, frontend, {"ravdess": root})
    assert extracted.X.shape == (len(table), 180)
    assert extracted.X.dtype == np.float32
    assert extracted.failures == ()
    for row in (0, 17, len(table) - 1):
        expected = frontend(audio.load(root / shuffled["file"].iloc[row]))
        np.testing.assert_allclose(extracted.X[row], expected, rtol=1e-5, atol=1e-5)


def test_start_and_end_are_seconds_of_the_file(tmp_path: Path) -> None:
    ramp = np.linspace(0, 0.9, 32_000, dtype=np.float32)
    (tmp_path / "ramp.wav").write_bytes(audio.encode_wav(ramp))
    parts = pd.DataFrame(
        {"corpus": "mine", "file": "ramp.wav", "start": [0.0, 0.5, 1.0, np.nan], "end": [0.5, 1.0, np.nan, np.nan]}
    )
    X = features.extract(parts, Loudness(), {"mine": tmp_path}).X
    assert X[:, 2] == pytest.approx([0.5, 0.5, 1.0, 2.0])
    assert X[:, 0] == pytest.approx([0.1125, 0.3375, 0.675, 0.45], abs=1e-3)


def test_recordings_that_fail_are_named_and_the_rest_is_done(tmp_path: Path) -> None:
    write(tmp_path / "good.wav", 0.5)
    (tmp_path / "text.wav").write_text("this is no recording")
    for seconds in (1, 2, 3, 4):
        write(tmp_path / f"{seconds}.wav", seconds)
    files = ["1.wav", "text.wav", "2.wav", "gone.wav", "3.wav", "4.wav", "good.wav"]
    rows = pd.DataFrame({"corpus": "mine", "file": files, "start": 0.0, "end": np.nan})
    seen: list[int] = []
    extracted = features.extract(rows, Moody(), {"mine": tmp_path}, progress=seen.append)
    assert np.isnan(extracted.X[:-1]).all()
    assert extracted.X[-1] == pytest.approx([0.25, 0.25, 0.5], abs=1e-3)
    assert sum(seen) == len(files)
    assert [(failure.row, failure.file) for failure in extracted.failures] == list(enumerate(files[:-1]))
    reasons = [failure.reason for failure in extracted.failures]
    assert reasons[0] == "This one is refused."
    assert "text.wav" in reasons[1]
    assert reasons[2] == "The features 'loudness' broke on it (ZeroDivisionError: by nought)."
    assert "gone.wav" in reasons[3]
    assert reasons[4] == "2 of the features aren't finite: peak, seconds."
    assert reasons[5] == "The features 'loudness' have shape (4,) and 3 names."


def test_a_table_or_roots_that_lack_something(table: pd.DataFrame, root: Path) -> None:
    with pytest.raises(ConfigError, match="lacks the columns start, end"):
        features.extract(table.drop(columns=["start", "end"]), Loudness(), {"ravdess": root})
    with pytest.raises(ConfigError, match="utterances of 'ravdess'; folders are given for: emodb"):
        features.extract(table, Loudness(), {"emodb": root})


@pytest.mark.parametrize("jobs", [0, -1, 1.5, "2", True])
def test_odd_numbers_of_jobs(jobs: object) -> None:
    with pytest.raises(ConfigError, match="whole number from 1"):
        features.extract_files([], Loudness(), jobs=jobs)  # type: ignore[arg-type]


def test_nothing_to_do() -> None:
    extracted = features.extract_files([], Loudness())
    assert extracted.X.shape == (0, 3)
    assert extracted.failures == ()


def test_nothing_is_computed_twice(tmp_path: Path, log: Path) -> None:
    files = [write(tmp_path / f"{i}.wav", 0.5 + i / 100) for i in range(5)]
    frontend = Loudness(str(log))
    first = features.extract_files(files, frontend)
    assert calls(log) == 5
    seen: list[int] = []
    again = features.extract_files(files[::-1], frontend, progress=seen.append)
    assert calls(log) == 0
    assert sum(seen) == 5
    assert np.array_equal(again.X, first.X[::-1])


def test_the_cache_goes_by_content(tmp_path: Path, log: Path) -> None:
    frontend = Loudness(str(log))
    path = write(tmp_path / "a.wav", 0.5)
    features.extract_files([path], frontend)
    features.extract_files([path.rename(tmp_path / "renamed.wav")], frontend)
    assert calls(log) == 1
    X = features.extract_files([write(tmp_path / "renamed.wav", 0.5, level=0.5)], frontend).X
    assert calls(log) == 1
    assert X[0, 1] == pytest.approx(0.5, abs=1e-3)


def test_parts_options_and_versions_have_features_of_their_own(tmp_path: Path, log: Path) -> None:
    write(tmp_path / "a.wav", 1.5)
    rows = pd.DataFrame({"corpus": "mine", "file": "a.wav", "start": [0.0, 0.0, 0.5], "end": [np.nan, 0.5, np.nan]})
    roots = {"mine": tmp_path}
    features.extract(rows, Loudness(str(log)), roots)
    assert calls(log) == 3
    features.extract(rows, Loudness(str(log), pause=0.001), roots)
    assert calls(log) == 3
    features.extract(rows, Louder(str(log)), roots)
    assert calls(log) == 3
    X = features.extract(rows, Loudness(str(log)), roots).X
    assert calls(log) == 0
    assert X[:, 2] == pytest.approx([1.5, 0.5, 1.0])


def test_failures_are_tried_again(tmp_path: Path) -> None:
    path = tmp_path / "late.wav"
    assert features.extract_files([path], Loudness()).failures
    write(path, 0.5)
    assert not features.extract_files([path], Loudness()).failures


def test_where_the_cache_lies(tmp_path: Path, log: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("EMOTONE_CACHE", str(tmp_path / "usual"))
    frontend = Loudness(str(log))
    files = [write(tmp_path / "a.wav", 0.5)]
    features.extract_files(files, frontend, cache=False)
    assert not (tmp_path / "usual").exists()
    features.extract_files(files, frontend, cache=tmp_path / "own")
    assert not (tmp_path / "usual").exists()
    features.extract_files(files, frontend, cache=str(tmp_path / "own"))
    assert calls(log) == 2
    features.extract_files(files, frontend)
    assert calls(log) == 1
    assert list((tmp_path / "usual").rglob("*.sqlite3"))


def test_without_a_usable_cache_it_goes_on(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("in the way")
    with pytest.warns(CacheWarning, match="computed without it"):
        extracted = features.extract_files([write(tmp_path / "a.wav", 0.5)], Loudness(), cache=tmp_path / "file")
    assert not extracted.failures


@pytest.mark.usefixtures("workers_at_once")
@pytest.mark.parametrize("name", ["librosa180", "functionals"])
def test_workers_give_the_same_numbers(name: str, table: pd.DataFrame, root: Path) -> None:
    frontend = features.get(name)
    alone = features.extract(table, frontend, {"ravdess": root}, jobs=1, cache=False)
    seen: list[int] = []
    shared = features.extract(table, frontend, {"ravdess": root}, jobs=2, progress=seen.append)
    assert np.array_equal(shared.X, alone.X)
    assert sum(seen) == len(table)
    cached = features.extract(table, frontend, {"ravdess": root}, jobs=2)
    assert np.array_equal(cached.X, alone.X)


@pytest.mark.usefixtures("workers_at_once")
def test_workers_do_most_of_the_work(tmp_path: Path, log: Path) -> None:
    files = [write(tmp_path / f"{i}.wav", 0.5 + i / 1000) for i in range(40)]
    extracted = features.extract_files(files, Loudness(str(log)), jobs=2)
    workers = {name.name.partition("-")[0] for name in log.iterdir()} - {str(os.getpid())}
    assert 1 <= len(workers) <= 2
    assert calls(log) == 40
    assert extracted.X[:, 2] == pytest.approx(0.5 + np.arange(40) / 1000, abs=1e-4)


@pytest.mark.usefixtures("workers_at_once")
def test_a_worker_that_dies_costs_only_its_recording(tmp_path: Path) -> None:
    files = [write(tmp_path / f"{i}.wav", 0.5 + i / 1000) for i in range(30)]
    files.insert(20, write(tmp_path / "killer.wav", 5))
    files.insert(5, write(tmp_path / "refused.wav", 1))
    extracted = features.extract_files(files, Moody(), jobs=2, cache=False)
    assert [(failure.row, failure.reason) for failure in extracted.failures] == [
        (5, "This one is refused."),
        (21, extraction.LOST),
    ]
    assert np.isnan(extracted.X).all(axis=1).nonzero()[0].tolist() == [5, 21]


# ---- programs of their own: interrupted, killed, or written without thought for worker processes

PROGRAM = """
import signal, sys
signal.signal(signal.SIGINT, signal.default_int_handler)  # shells switch it off for what runs in the background
sys.path.insert(0, {here!r})
from loudness import Loudness
from emotone import features
from emotone.features import extraction

extraction.SECONDS_ALONE = extraction.SECONDS_SHARED = 0.0

def count(n):
    print(".", end="", file=sys.stderr, flush=True)

def main():
    files = sorted(sys.argv[2:])
    frontend = Loudness(sys.argv[1], pause=0.03)
    try:
        extracted = features.extract_files(files, frontend, jobs=2, progress=count)
    except KeyboardInterrupt:
        sys.exit("interrupted")
    print(extracted.X[:, 2].tolist())

{call}
"""


def program(tmp_path: Path, *, call: str = "if __name__ == '__main__': main()") -> list[str]:
    """A command that extracts 120 files, each taking 0.03 s."""
    script = tmp_path / "program.py"
    script.write_text(PROGRAM.format(here=str(HERE), call=call))
    files = [str(write(tmp_path / f"{i:03d}.wav", 0.3 + i / 1000)) for i in range(120)]
    return [sys.executable, str(script), str(tmp_path / "log"), *files]


def started(command: list[str], *, finished: int = 20) -> subprocess.Popen[bytes]:
    """The command in a session of its own, as in a terminal, once it has finished so many files."""
    running = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, start_new_session=True)
    assert running.stderr is not None
    assert running.stderr.read(finished) == b"." * finished
    return running


def alive(log: Path) -> set[int]:
    """The processes that have called the front-end and are still there."""
    there = set()
    for pid in {int(file.name.partition("-")[0]) for file in log.iterdir()}:
        try:
            os.kill(pid, 0)
        except ProcessLookupError:
            continue
        there.add(pid)
    return there


def wait_until_gone(log: Path, seconds: float = 20.0) -> None:
    deadline = time.monotonic() + seconds
    while alive(log):
        assert time.monotonic() < deadline, "workers are still there"
        time.sleep(0.05)


@pytest.mark.skipif(sys.platform == "win32", reason="no process groups to interrupt")
def test_ctrl_c_keeps_what_is_finished(tmp_path: Path, log: Path) -> None:
    command = program(tmp_path)
    running = started(command)
    assert len(alive(log)) > 1
    os.killpg(running.pid, signal.SIGINT)
    begin = time.monotonic()
    output, errors = running.communicate(timeout=60)
    assert time.monotonic() - begin < 10
    assert running.returncode == 1
    assert errors.decode().strip(".\n") == "interrupted"  # and no traceback, of the workers neither
    assert output == b""
    wait_until_gone(log)
    done = calls(log)
    assert 20 <= done < 120
    again = subprocess.run(command, capture_output=True, check=True, timeout=100)
    assert again.stdout.decode().strip() == str([np.float32(0.3 + i / 1000).item() for i in range(120)])
    redone = calls(log)
    assert 120 - done <= redone <= 120 - done + 2 * 2 * 8  # at most what was under way is done twice


@pytest.mark.skipif(sys.platform == "win32", reason="no process groups to interrupt")
@pytest.mark.parametrize("delay", [0.02, 0.1])
def test_ctrl_c_while_workers_are_starting(tmp_path: Path, log: Path, delay: float) -> None:
    running = started(program(tmp_path), finished=1)
    time.sleep(delay)
    os.killpg(running.pid, signal.SIGINT)
    _, errors = running.communicate(timeout=60)
    assert errors.decode().strip(".\n") == "interrupted"
    wait_until_gone(log)


@pytest.mark.skipif(sys.platform == "win32", reason="no such signal")
def test_workers_leave_when_their_caller_is_killed(tmp_path: Path, log: Path) -> None:
    running = started(program(tmp_path))
    running.kill()
    running.communicate(timeout=60)
    wait_until_gone(log)


def test_a_script_without_the_main_guard_is_told_so(tmp_path: Path, log: Path) -> None:
    done = subprocess.run(program(tmp_path, call="main()"), capture_output=True, text=True, timeout=100)
    assert done.returncode == 1
    assert "put the call under if __name__ == '__main__'" in done.stderr
