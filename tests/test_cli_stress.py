"""`emotone stress`: what it prints where, which recogniser it takes, what it leaves behind, and how it exits."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest
from tiny import tiny
from typer.testing import CliRunner, Result

import emotone
from emotone import synthetic
from emotone.cli import app
from emotone.cli.stress import _parted
from emotone.errors import ConfigError, EmotoneError, RecogniserError

SOURCE = Path(emotone.__file__).resolve().parents[1]
QUICK = ("--conditions", "small_gain,white_0db", "--jobs", "1")

pytest.importorskip("pandas")


@pytest.fixture(scope="module")
def spoken(tmp_path_factory):
    folder = tmp_path_factory.mktemp("spoken") / "ravdess"
    return synthetic.write_ravdess(folder, speakers=(1, 2, 3), emotions=("neutral", "sad", "angry"), repetitions=1)


@pytest.fixture(scope="module")
def saved(tmp_path_factory):
    """A run's folder with a recogniser in it."""
    run = tmp_path_factory.mktemp("runs") / "first"
    tiny().recogniser.save(run / "recogniser")
    return run


def stress(*arguments: object) -> Result:
    result = CliRunner().invoke(app, ["stress", *map(str, arguments)])
    if result.exception is not None and not isinstance(result.exception, SystemExit):
        raise result.exception
    return result


def test_the_recogniser_comes_first_and_may_be_left_out():
    assert _parted(["runs/first", "ravdess=a", "emodb=b"]) == ("runs/first", ["ravdess=a", "emodb=b"])
    assert _parted(["ravdess=a/b=c"]) == (None, ["ravdess=a/b=c"])
    assert _parted(["./lr=0.1", "ravdess=a"]) == ("./lr=0.1", ["ravdess=a"])
    with pytest.raises(ConfigError, match="Give a corpus to test on, for example: emotone stress runs/first ravdess="):
        _parted(["runs/first"])


def test_people_get_tables_and_a_line(spoken, saved):
    result = stress(saved / "recogniser", f"ravdess={spoken}", *QUICK)
    assert result.exit_code == 0
    assert "speakers unheard" in result.stdout
    assert "white noise, 0 dB" in result.stdout
    assert "tests passed" in result.stdout
    assert "couldn't be run" in result.stdout
    assert max(map(len, result.stdout.splitlines())) <= 80
    assert "30 recordings under 2 conditions, 30 clean:" in result.stderr
    assert "Failed:" in result.stdout  # white noise leaves few answers the same


def test_json_is_all_there_is_on_stdout(spoken, saved):
    result = stress(saved, f"ravdess={spoken}", *QUICK, "--json", "--limit", "3")
    document = json.loads(result.stdout)
    assert len(result.stdout.strip().splitlines()) == 1
    assert document["recogniser"] == "tiny"
    assert [one["name"] for one in document["conditions"]] == ["white_0db", "small_gain"]
    assert document["clean"]["n"] == 3
    assert document["fairness"]["n"] == 30


def test_a_runs_folder_means_the_recogniser_in_it_and_takes_the_results(spoken, saved):
    pytest.importorskip("matplotlib")
    result = stress(saved, f"ravdess={spoken}", *QUICK, "--limit", "2", "-o", saved)
    assert result.exit_code == 0
    assert sorted(path.name for path in saved.iterdir()) == ["recogniser", "stress.json", "stress.png"]
    assert json.loads((saved / "stress.json").read_text("utf-8"))["clean"]["n"] == 2
    assert "Saved" in result.stderr


def test_unreadable_recordings_are_named_and_make_exit_1(spoken, saved, tmp_path):
    (tmp_path / "Actor_01").mkdir()
    for clip in (spoken / "Actor_01").iterdir():
        (tmp_path / "Actor_01" / clip.name).write_bytes(clip.read_bytes())
    (tmp_path / "Actor_01" / "03-01-04-01-01-01-01.wav").write_text("no sound", "utf-8")
    result = stress(saved, f"ravdess={tmp_path}", *QUICK)
    assert result.exit_code == 1
    assert "emotone: Actor_01/03-01-04-01-01-01-01.wav: " in result.stderr
    assert "one speaker" in result.stderr
    assert "9 recordings under 2 conditions" in result.stderr


def test_wrong_usage_is_said_before_any_work(spoken, saved, tmp_path):
    (tmp_path / "file").write_text("", "utf-8")
    wrong = {
        "Did you mean 'noise'": (saved, f"ravdess={spoken}", "--conditions", "nois"),
        "is a file. Give a folder": (saved, f"ravdess={spoken}", "-o", tmp_path / "file"),
        "A corpus is given as NAME=FOLDER": (saved, "ravdess"),
        "number of recordings from 1": (saved, f"ravdess={spoken}", "--limit", "-2"),
        "Unknown corpus": (saved, f"ravdes={spoken}"),
    }
    for message, arguments in wrong.items():
        with pytest.raises(EmotoneError, match=message):
            stress(*arguments)
    with pytest.raises(RecogniserError, match="no recogniser 'nowhere'"):
        stress("nowhere", f"ravdess={spoken}")


def test_the_bundled_recogniser_says_that_it_knows_ravdess(spoken):
    """In a process of its own: nothing but the document on stdout, and the bundled recogniser without a name."""
    script = "from emotone.cli import main; main()"
    done = subprocess.run(
        [sys.executable, "-c", script, "stress", f"ravdess={spoken}", *QUICK, "--limit", "1", "--json"],
        env={**os.environ, "PYTHONPATH": str(SOURCE), "OMP_NUM_THREADS": "1"},
        capture_output=True,
        text=True,
        encoding="utf-8",
        check=False,
        timeout=120,
    )
    assert done.returncode == 0, done.stderr
    document = json.loads(done.stdout)
    assert document["heard"] is True
    assert "TRAINED ON THESE SPEAKERS" in document["line"]
