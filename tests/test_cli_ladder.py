"""``emotone ladder``: what it prints, writes and refuses."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from typer.testing import CliRunner

from emotone import synthetic
from emotone.cli import app
from emotone.errors import ConfigError

LABELS = ("happy", "sad", "angry")


@pytest.fixture(scope="module")
def spoken(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("generated") / "ravdess"
    return synthetic.write_ravdess(folder, speakers=(1, 2, 3), emotions=LABELS, repetitions=1)


@pytest.fixture(autouse=True)
def one_cache(tmp_path_factory: pytest.TempPathFactory, monkeypatch: pytest.MonkeyPatch) -> None:
    """Features of a clip are extracted once for all tests of this file."""
    monkeypatch.setenv("EMOTONE_CACHE", str(tmp_path_factory.getbasetemp() / "ladder-cache"))


def ladder(*arguments: object):
    return CliRunner().invoke(app, ["ladder", *map(str, arguments)])


def run(*arguments: object):
    answer = ladder(*arguments)
    assert answer.exit_code == 0, answer.stderr
    return answer


def toml(folder: Path, text: str) -> Path:
    path = folder / "mine.toml"
    path.write_text(text, "utf-8")
    return path


def test_one_command_prints_the_ladder_with_its_flags(spoken):
    answer = run("-c", f"ravdess={spoken}", "--labels", ",".join(LABELS), "--jobs", 1)
    printed = answer.stdout
    assert "ravdess happy/sad/angry · librosa180 · svm" in printed
    assert printed.count("speakers shared") == 4
    assert "identical copies: +" in printed
    assert "chance: 0.333" in printed
    assert "not measured: corpus_out. There is no second corpus to train on" in answer.stderr


def test_json_is_one_document_and_the_folder_holds_it_too(spoken, tmp_path):
    command = ["-c", f"ravdess={spoken}", "--labels", "four", "--model", "tutorial_mlp", "--jobs", 1]
    experiment = toml(tmp_path, 'corpora = ["ravdess"]\nprotocol = "loso"\nfrontend = "librosa180"\n')
    answer = run(experiment, *command, "--more", "--json", "-o", tmp_path / "run")
    document = json.loads(answer.stdout)
    assert document == json.loads((tmp_path / "run" / "ladder.json").read_text("utf-8"))
    assert (tmp_path / "run" / "ladder.png").is_file()
    rungs = {rung["name"]: rung for rung in document["rungs"]}
    assert list(rungs) == ["duplicated", "augmented", "random", "sentence_out", "z_scored", "speaker_out"]
    assert rungs["random"]["flagged"]
    assert rungs["random"]["speakers"] == "shared"
    assert (rungs["speaker_out"]["flagged"], rungs["speaker_out"]["speakers"]) == (False, "unseen")
    assert rungs["random"]["control"]["n_train"] == rungs["random"]["n_train"]
    assert [one["name"] for one in document["skipped"]] == ["scaled_on_all", "corpus_out"]
    assert document["model"] == "tutorial_mlp"


def test_against_brings_the_unseen_corpus(spoken, tmp_path):
    table = tmp_path / "mine" / "other.csv"
    table.parent.mkdir()
    clips = sorted(spoken.rglob("*.wav"))
    codes = {"03": "happy", "04": "sad", "05": "angry"}
    rows = [f"{clip},{codes[clip.name[6:8]]},{'ab'[i % 2]}" for i, clip in enumerate(clips)]
    table.write_text("\n".join(["file,emotion,speaker", *rows]) + "\n", "utf-8")
    experiment = toml(tmp_path, 'corpora = ["ravdess"]\nprotocol = "loso"\nfrontend = "librosa180"\nmodel = "svm"\n')
    answer = run(experiment, "-c", f"ravdess={spoken}", "--against", f"table={table}", "--jobs", 1, "--json")
    document = json.loads(answer.stdout)
    rung = document["rungs"][-1]
    assert (rung["name"], rung["title"]) == ("corpus_out", "unseen corpus, trained on table")
    assert document["skipped"] == []


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ([], "Give an experiment in TOML or a corpus"),
        (["-c", "ravdess=x", "--against", "ravdess=x"], "ravdess is the corpus tested, so it can't be unseen"),
        (["-c", "ravdess=x", "--model", "svn"], "Unknown model 'svn'"),
        (["-c", "ravdess=x", "--against", "crema_d"], "A corpus is given as NAME=FOLDER"),
        (["-c", "ravdess=x"], "x"),
    ],
)
def test_what_is_wrong_is_said(arguments, message):
    answer = ladder(*arguments)
    assert answer.exit_code != 0
    assert message in str(answer.exception)


def test_variants_are_refused(tmp_path):
    experiment = toml(tmp_path, 'corpora = ["ravdess"]\n[[variant]]\nseed = 1\n[[variant]]\nseed = 2\n')
    answer = ladder(experiment)
    assert isinstance(answer.exception, ConfigError)
    assert "has 2 variants, but a ladder is of one model" in str(answer.exception)
