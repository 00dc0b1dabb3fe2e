"""`emotone report`: what it prints where, what it writes, and how it exits."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from made_runs import LADDER, made, saved
from typer.testing import CliRunner, Result

import emotone
from emotone import audio, synthetic
from emotone.cli import app
from emotone.errors import ConfigError, EmotoneError, ExperimentError

SOURCE = Path(emotone.__file__).resolve().parents[1]


def run(*arguments: object) -> Result:
    result = CliRunner().invoke(app, ["report", *map(str, arguments)])
    if isinstance(result.exception, EmotoneError):
        raise result.exception
    return result


@pytest.fixture
def one(tmp_path: Path) -> Path:
    return saved(made(), tmp_path / "one", ladder=LADDER)


@pytest.fixture
def two(tmp_path: Path) -> Path:
    return saved(made(seed=1, skill=2.5), tmp_path / "two")


def test_one_run_prints_its_score_and_where_the_page_is(one):
    result = run(one)
    assert result.exit_code == 0
    assert result.stdout == f"{made().line()}\n"
    assert f"Wrote {one / 'report.html'}" in result.stderr
    assert (one / "report.html").read_text("utf-8").startswith("<!doctype html>")


def test_two_runs_print_the_difference_in_words(one, two, tmp_path):
    result = run(one, two, "-o", tmp_path / "x.html")
    assert result.exit_code == 0
    assert result.stdout.startswith("two is better than one by ")
    assert "points UAR [" in result.stdout
    assert "over 8 speakers; Wilcoxon p = " in result.stdout
    assert result.stdout.count("\n") == 1
    assert (tmp_path / "x.html").is_file()
    assert not (two / "comparison.html").exists()


def test_what_makes_a_comparison_doubtful_goes_to_stderr(one, tmp_path):
    leaky = saved(made(seed=2, speakers="shared", description="random, 4 folds, speakers shared"), tmp_path / "leaky")
    result = run(one, leaky)
    assert "they can't be compared" in result.stdout
    assert "note: leaky was tested on voices it had trained on" in result.stderr
    assert (leaky / "comparison.html").is_file()


def test_json_is_one_document(one, two):
    document = json.loads(run(one, two, "--json").stdout)
    assert document["path"] == str(two / "comparison.html")
    [found] = document["comparisons"]
    assert found["names"] == ["one", "two"]
    assert found["scores"]["uar"]["difference"] > 0
    assert document["line"] == found["line"]
    alone = json.loads(run(one, "--json").stdout)
    assert "ladder" in alone["sections"]
    assert alone["line"] == made().line()
    assert "comparisons" not in alone


def test_recordings_are_embedded_and_missing_ones_named(one, tmp_path):
    content = audio.encode_wav(synthetic.speech("sad", 1, rng=np.random.default_rng(0), seconds=0.5))
    for file in made().table["file"]:
        path = tmp_path / "audio" / file
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(content)
    result = run(one, "--audio", f"ravdess={tmp_path / 'audio'}")
    assert result.exit_code == 0
    assert "10 recordings inside" in result.stderr
    (tmp_path / "nothing").mkdir()
    result = run(one, "--audio", f"ravdess={tmp_path / 'nothing'}")
    assert result.exit_code == 1
    assert result.stderr.count("emotone: ") == 10
    assert (one / "report.html").is_file()


def test_wrong_usage(one, tmp_path):
    with pytest.raises(ExperimentError, match="is not a run's folder"):
        run(tmp_path / "nothing")
    with pytest.raises(ConfigError, match="given as NAME=FOLDER"):
        run(one, "--audio", "ravdess")
    with pytest.raises(ConfigError, match="Unknown corpus of this run 'emodb'"):
        run(one, "--may-embed", "emodb")
    assert run().exit_code == 2
    assert not (one / "report.html").exists()


def test_in_a_process_of_its_own_a_bad_folder_is_one_sentence(tmp_path):
    done = subprocess.run(
        [sys.executable, "-c", "from emotone.cli import main; main()", "report", str(tmp_path), "--json"],
        env={**os.environ, "PYTHONPATH": str(SOURCE), "OMP_NUM_THREADS": "1"},
        capture_output=True,
        text=True,
        encoding="utf-8",
        check=False,
        timeout=120,
    )
    assert done.returncode == 2
    assert done.stdout == ""
    assert len(done.stderr.strip().splitlines()) == 1
    assert done.stderr.startswith("emotone: ")


def test_a_real_run_of_train_has_a_report(tmp_path, monkeypatch):
    monkeypatch.setenv("EMOTONE_CACHE", str(tmp_path / "cache"))
    corpus = synthetic.write_ravdess(
        tmp_path / "ravdess", speakers=(1, 2, 3), emotions=("neutral", "sad", "angry"), repetitions=1
    )
    options = ["--labels", "neutral,sad,angry", "--frontend", "librosa180", "--model", "svm", "--folds", "3"]
    arguments = ["train", "-c", f"ravdess={corpus}", *options, "--jobs", "1", "-o", str(tmp_path / "run")]
    trained = CliRunner().invoke(app, arguments)
    assert trained.exit_code == 0, trained.output
    result = run(tmp_path / "run", "--audio", f"ravdess={corpus}", "--json")
    document = json.loads(result.stdout)
    assert {"confusion", "speakers", "confidence", "folds", "data", "again"} <= set(document["sections"])
    assert result.exit_code == 0
    page = (tmp_path / "run" / "report.html").read_text("utf-8")
    assert str(tmp_path) not in page
