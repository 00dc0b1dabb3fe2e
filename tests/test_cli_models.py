"""`emotone models`: which recognisers there are, and that licences propagate to where people look."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from tiny import LABELS, tiny
from typer.testing import CliRunner, Result

from emotone import recogniser, saved, synthetic
from emotone.cli import app
from emotone.errors import ConfigError, EmotoneError, RecogniserError
from emotone.experiment import Experiment


def run(*arguments: object) -> Result:
    result = CliRunner().invoke(app, ["models", *map(str, arguments)])
    if isinstance(result.exception, EmotoneError):
        raise result.exception
    return result


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    return tiny().recogniser.save(tmp_path / "run" / "recogniser")


def test_bundled_ones_are_listed(tmp_path):
    result = run("list")
    assert result.exit_code == 0
    for name in recogniser.names():
        assert name in result.stdout
    documents = json.loads(run("list", "--json").stdout)
    assert [document["name"] for document in documents] == list(recogniser.names())
    default = documents[0]
    assert default["commercial"] is False
    assert default["bytes"] > 100_000
    assert {"labels", "frontend", "scores", "corpora", "licence", "licence_in_words"} <= set(default)


def test_given_ones_join_them_alone_in_runs_or_in_folders_of_runs(folder):
    for given in (folder, folder.parent, folder.parent.parent):
        documents = json.loads(run("list", given, "--json").stdout)
        assert documents[-1]["title"] == "tiny"
        assert Path(documents[-1]["name"]) == folder
        assert len(documents) == len(recogniser.names()) + 1


def test_the_full_line_of_the_score_is_shown(folder):
    text = " ".join(run("list", folder).stdout.split())
    assert "3 emotions · librosa180" in text
    assert "commercial use not allowed" in text
    assert "UAR 0.90 [0.80, 0.95] · synthetic three · speakers, 6 folds, speakers unseen" in text


def test_a_broken_one_is_named_and_the_rest_listed(folder):
    (folder / saved.CONFIG).write_text("{}", "utf-8")
    result = run("list", folder, "--json")
    assert result.exit_code == 1
    assert [document["name"] for document in json.loads(result.stdout)] == list(recogniser.names())
    assert str(folder) in result.stderr


def test_show_has_the_essentials_of_the_card(folder):
    text = " ".join(run("show", folder).stdout.split())
    for words in (
        "neutral, sad, angry",
        "below 40 % confidence",
        "librosa180, version",
        "logistic (C 1.0)",
        "UAR 0.90 [0.80, 0.95] · synthetic three",
        "Synthetic speech: 72 recordings of 6 speakers, CC BY-NC-SA 4.0, commercial use not allowed",
        "Not for commercial use, because of Synthetic speech (CC BY-NC-SA 4.0)",
    ):
        assert words in text
    assert json.loads(run("show", folder.parent, "--json").stdout)["title"] == "tiny"


def test_without_a_name_it_is_the_default():
    assert json.loads(run("show", "--json").stdout)["name"] == recogniser.DEFAULT


def test_wrong_names(tmp_path, folder):
    with pytest.raises(ConfigError, match=r"Unknown recogniser 'defalt'\. Did you mean 'default'\?"):
        run("show", "defalt")
    with pytest.raises(RecogniserError, match="There is no folder"):
        run("show", tmp_path / "nothing" / "here")
    (tmp_path / "empty").mkdir()
    with pytest.raises(RecogniserError, match="holds no recogniser"):
        run("show", tmp_path / "empty")
    tiny().recogniser.save(tmp_path / "run" / "other")
    with pytest.raises(RecogniserError, match="holds 2 recognisers; give one of them"):
        run("show", tmp_path / "run")


def test_names_with_brackets_are_shown_as_they_are(tmp_path):
    config = saved.resealed(tiny().recogniser.config, name="[red]tiny[/red]")
    parts = saved.Parts(config, tiny().recogniser._parts.model, "# card\n")
    folder = saved.write(tmp_path / "brackets", parts)
    assert "[red]tiny[/red]" in run("show", folder).stdout


# --- licences, from the corpora to where people look ------------------------------------------------------------------


@pytest.fixture(scope="module")
def corpus(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("spoken") / "ravdess"
    return synthetic.write_ravdess(folder, speakers=(1, 2, 3), emotions=LABELS, repetitions=1)


def test_a_model_of_non_commercial_corpora_says_so_everywhere(corpus, tmp_path):
    yaml = pytest.importorskip("yaml")
    experiment = Experiment(
        corpora={"ravdess": corpus},
        labels=LABELS,
        frontend="librosa180",
        model="logistic",
        model_options={"C": 1.0},
        protocol_options={"n_folds": 3},
        licence="MIT",  # what someone would like it to be
    )
    prepared = experiment.prepare(jobs=1)
    folder = experiment.fit(prepared, result=experiment.run(prepared)).save(tmp_path / "mine")
    config = json.loads((folder / saved.CONFIG).read_text("utf-8"))
    assert config["commercial"] is False
    _, header, body = (folder / "card.md").read_text("utf-8").split("---\n", 2)
    facts = yaml.safe_load(header)
    assert facts["license"] == "other"
    assert facts["license_name"] == "MIT, not for commercial use"
    assert "non-commercial" in facts["tags"]
    assert "**Not for commercial use**, because of RAVDESS (speech) (CC BY-NC-SA 4.0)" in body
    shown = " ".join(run("show", folder).stdout.split())
    assert "Not for commercial use, because of RAVDESS (speech) (CC BY-NC-SA 4.0)" in shown
    assert json.loads(run("show", folder, "--json").stdout)["commercial"] is False
    assert "commercial use not allowed" in " ".join(run("list", folder).stdout.split())
