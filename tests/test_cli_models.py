"""`emotone models`: which recognisers there are, and that licences propagate to where people look."""

from __future__ import annotations

import json
import re
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from tiny import LABELS, tiny, tiny_dimensions
from typer.testing import CliRunner, Result

from emotone import card, recogniser, saved, synthetic
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


def test_weights_that_forbid_it_forbid_commercial_use(tmp_path):
    free = {**tiny().recogniser.config["corpora"][0], "licence": "CC BY 4.0", "commercial": True}
    for note, commercial in (("", True), ("the encoder big is under cc-by-nc-4.0", False)):
        model = {"name": "finetune", "licence_note": note}
        config = saved.resealed(tiny().recogniser.config, corpora=[free], model=model, licence="MIT")
        assert config["commercial"] is commercial
        folder = saved.write(tmp_path / "mine", saved.Parts(config, tiny().recogniser._parts.model, "# card\n"))
        shown = " ".join(run("show", folder).stdout.split())
        assert ("because of the model finetune (the encoder big is under cc-by-nc-4.0)" in shown) is not commercial
        assert "licence_note" not in shown
        assert "licence_note" not in card.write_card(config)


# --- export -----------------------------------------------------------------------------------------------------------


def test_a_bundled_one_becomes_a_folder_that_answers_alike(tmp_path):
    result = run("export", "default", "-o", tmp_path / "mine")
    exported, bundled = recogniser.load(tmp_path / "mine"), recogniser.load("default")
    assert exported == bundled
    assert sorted(path.name for path in (tmp_path / "mine").iterdir()) == sorted(saved.PARTS)
    assert f"Wrote {tmp_path / 'mine'} (config.json, model.onnx, card.md; " in result.stdout
    assert f"output  probabilities  float32 (n, {len(bundled.labels)})" in result.stdout
    assert card.licence_in_words(bundled.config).replace("**", "") in result.stdout


def test_export_of_a_run_tells_the_graph_the_licence_and_an_example_that_runs(folder, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    result = run("export", folder.parent, "-o", "mine")
    assert "input  features  float32 (n, 180)" in result.stdout
    assert "Not for commercial use, because of Synthetic speech" in result.stdout
    assert "emotone predict --model mine speech.wav" in result.stdout
    rows = tiny().X[:2]
    np.save("features.npy", rows)
    assert said_by(result.stdout.split("Without:\n\n")[1]) == pytest.approx(
        dict(zip(LABELS, tiny().recogniser.predict_proba(rows)[0], strict=True)), abs=1e-6
    )


def said_by(example: str) -> dict[str, float]:
    """What the example prints, in an interpreter that knows no emotone."""
    assert len(example.strip().splitlines()) == 6
    code = f"import sys\nsys.modules['emotone'] = None\n{example}"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    return {name: float(value) for name, value in re.findall(r"'([a-z]+)': (?:np.float32\()?([-\d.e]+)", done.stdout)}


def test_export_as_json(folder, tmp_path):
    document = json.loads(run("export", folder, "-o", tmp_path / "mine", "--json").stdout)
    assert document["folder"] == str(tmp_path / "mine")
    assert document["parts"] == list(saved.PARTS)
    assert document["inputs"] == [{"name": "features", "shape": ["n", 180], "dtype": "float32"}]
    assert document["outputs"] == [{"name": "probabilities", "shape": ["n", 3], "dtype": "float32"}]
    assert document["commercial"] is False
    assert "InferenceSession" in document["example"]
    assert document["labels"] == list(LABELS)


def test_the_example_of_dimensions_names_them(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    given = tiny_dimensions().recogniser.save(tmp_path / "given")
    document = json.loads(run("export", given, "-o", "mine", "--json").stdout)
    np.save("features.npy", tiny_dimensions().X[:1])
    [expected] = tiny_dimensions().recogniser.predict_dimensions(tiny_dimensions().X[:1])
    assert said_by(document["example"]) == pytest.approx(
        {"arousal": expected[0], "valence": expected[1]}, rel=1e-5, abs=1e-5
    )


def test_export_replaces_recognisers_and_nothing_else(folder, tmp_path):
    run("export", folder, "-o", tmp_path / "mine")
    run("export", "default", "-o", tmp_path / "mine")
    assert recogniser.load(tmp_path / "mine").name == "default"
    (tmp_path / "work").mkdir()
    (tmp_path / "work" / "thesis.txt").write_text("all of it", "utf-8")
    with pytest.raises(RecogniserError, match=r"isn't just a recogniser \(it has thesis\.txt\)"):
        run("export", folder, "-o", tmp_path / "work")
    assert (tmp_path / "work" / "thesis.txt").read_text("utf-8") == "all of it"
    with pytest.raises(ConfigError, match=r"Unknown recogniser 'defalt'"):
        run("export", "defalt", "-o", tmp_path / "other")
    assert run("export", "default").exit_code == 2
