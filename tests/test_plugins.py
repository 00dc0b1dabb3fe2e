"""What other packages add: the examples, built, installed and used; names that are taken; packages that are broken."""

from __future__ import annotations

import importlib.util
import json
import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from typer.testing import CliRunner

import emotone
from emotone import corpora, features, models, plugins, synthetic
from emotone.audio import encode_wav
from emotone.cli import app
from emotone.corpora import registry
from emotone.corpora.reading import likely_corpus
from emotone.errors import ConfigError
from emotone.plugins import FOLDERS, PluginWarning

EXAMPLES = Path(__file__).resolve().parents[1] / "examples"
PACKAGES = sorted(EXAMPLES.glob("emotone-example-*"))
SOURCE = Path(emotone.__file__).resolve().parents[1]
PARROTS = """
from emotone.corpora import Corpus
CORPUS = Corpus(name="parrots", title="Parrots", licence="CC0 1.0", commercial=True, citation="", homepage="")
"""


def package(
    folder: Path,
    monkeypatch: pytest.MonkeyPatch,
    entries: dict[str, str],
    *,
    name: str = "parrots",
    code: str = PARROTS,
) -> None:
    """An installed package whose module is called as it is; ``entries`` are the lines of each group."""
    about = folder / f"emotone_{name}-2.5.dist-info"
    about.mkdir(parents=True)
    (folder / f"emotone_{name}.py").write_text(code, "utf-8")
    (about / "METADATA").write_text(f"Metadata-Version: 2.1\nName: emotone-{name}\nVersion: 2.5\n", "utf-8")
    lines = "\n".join(f"[{group}]\n{lines}" for group, lines in entries.items())
    (about / "entry_points.txt").write_text(lines, "utf-8")
    monkeypatch.syspath_prepend(folder)
    monkeypatch.delitem(sys.modules, f"emotone_{name}", raising=False)


def command(*arguments: str) -> object:
    return CliRunner().invoke(app, arguments)


# ---- the examples ----


def test_there_is_an_example_of_each_kind() -> None:
    kinds = {plugin.kind for home in (registry, features, models) for plugin in _of_examples(home)}
    assert kinds == set(plugins.GROUPS.values())
    assert len(PACKAGES) == 3


def _of_examples(home: object) -> list[plugins.Plugin]:
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv(FOLDERS, os.pathsep.join(map(str, PACKAGES)))
        return home.added()  # type: ignore[attr-defined]


@pytest.mark.parametrize("folder", PACKAGES, ids=lambda path: path.name)
def test_the_test_of_an_example_passes(folder: Path) -> None:
    done = subprocess.run(
        [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", "-W", "error"],
        cwd=folder,
        env=os.environ | {"PYTHONPATH": str(SOURCE), "PYTHONDONTWRITEBYTECODE": "1"},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stdout + done.stderr


@pytest.fixture(scope="module")
def installed(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The examples, built and installed into a folder of their own, without the network."""
    if importlib.util.find_spec("hatchling") is None:
        pytest.skip("hatchling isn't here to build the examples: pip install hatchling")
    target = tmp_path_factory.mktemp("installed")
    quiet = ["--quiet", "--disable-pip-version-check", "--no-index", "--no-deps", "--no-build-isolation"]
    command = [sys.executable, "-m", "pip", "install", *quiet, "--target", str(target), *map(str, PACKAGES)]
    if importlib.util.find_spec("pip") is None:
        pytest.skip("pip isn't here to install the examples")
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    return target


def test_installed_examples_train_and_are_used_without_their_source(installed: Path, tmp_path: Path) -> None:
    """The corpus, the features and the model of three packages in one recogniser, on the command line."""
    root = tmp_path / "harbour"
    rng = np.random.default_rng(1)
    speech = {"blij": "happy", "boos": "angry", "droevig": "sad", "gewoon": "neutral"}
    for number, who in enumerate(("anna", "bram", "cato", "dirk")):
        (root / who).mkdir(parents=True)
        for word, emotion in speech.items():
            for n in (1, 2, 3):
                signal = synthetic.speech(emotion, number, rng=rng, seconds=1.0, strength=1.5)
                (root / who / f"{who}_{word}_{n:02d}.wav").write_bytes(encode_wav(signal))
    environment = os.environ | {"PYTHONPATH": os.pathsep.join([str(installed), str(SOURCE)])}
    environment.pop(FOLDERS, None)

    def emotone_says(*arguments: str) -> str:
        program = [sys.executable, "-c", "from emotone.cli import main; main()", *arguments]
        done = subprocess.run(program, env=environment, capture_output=True, text=True, check=False, cwd=tmp_path)
        assert done.returncode == 0, done.stderr
        return done.stdout

    ready = json.loads(emotone_says("plugins", "--json"))
    assert {(one["kind"], one["name"], one["package"], one["trouble"]) for one in ready} == {
        ("corpus", "harbour", "emotone-example-corpus 0.1.0", None),
        ("features", "rhythm", "emotone-example-features 0.1.0", None),
        ("model", "lda", "emotone-example-model 0.1.0", None),
    }
    options = ["--frontend", "rhythm", "--model", "lda", "--protocol", "official", "--no-audit", "--jobs", "2"]
    found = json.loads(emotone_says("train", "--corpus", f"harbour={root}", *options, "--json", "-o", "run"))
    assert found["line"].endswith("harbour eight · official, 2 folds, speakers unseen")
    recording = SOURCE / "emotone" / "samples" / "angry.wav"
    answer = json.loads(emotone_says("predict", "--model", "run/recogniser", "--json", str(recording)))
    assert set(answer["scores"]) == set(speech.values())
    record = json.loads(emotone_says("corpora", "list", "--json"))[-1]
    assert (record["name"], record["package"]) == ("harbour", "emotone-example-corpus 0.1.0")


# ---- folders that aren't installed ----


def test_a_package_need_not_be_installed(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "path", list(sys.path))
    monkeypatch.setenv(FOLDERS, os.pathsep.join(map(str, PACKAGES)))
    assert corpora.get("harbour").n_speakers == 4
    assert len(features.get("rhythm").names) == 10
    assert models.get("lda", shrinkage=0.5).shrinkage == 0.5
    assert features.from_description(features.describe(features.get("rhythm", rate=8_000))).rate == 8_000
    for module in ("corpus", "features", "model"):
        sys.modules.pop(f"emotone_example_{module}")


def test_a_folder_that_is_no_package_is_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(FOLDERS, str(tmp_path))
    with pytest.raises(ConfigError, match=r"EMOTONE_PLUGINS names .*, which has no pyproject\.toml"):
        corpora.names()
    (tmp_path / "pyproject.toml").write_text("[project", "utf-8")
    with pytest.raises(ConfigError, match=r"pyproject\.toml, named by EMOTONE_PLUGINS, can't be read"):
        corpora.names()


# ---- names, and broken packages ----


def test_names_of_emotone_cant_be_taken_and_nobody_is_silent_about_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    entries = {
        "emotone.corpora": "parrots = emotone_parrots:CORPUS\nravdess = emotone_parrots:CORPUS",
        "emotone.features": "functionals = emotone_parrots:CORPUS",
        "emotone.models": "svm = emotone_parrots:CORPUS",
    }
    package(tmp_path, monkeypatch, entries)
    assert corpora.get("ravdess").title == "RAVDESS (speech)"
    result = command("plugins", "--json")
    trouble = {one["name"]: one["trouble"] for one in json.loads(result.stdout)}
    assert trouble.pop("parrots") is None
    assert trouble == {
        name: f"The name {name!r} is taken, by emotone; rename it." for name in ("ravdess", "functionals", "svm")
    }
    assert result.exit_code == 1
    listed = command("corpora", "list")
    assert "parrots comes from emotone-parrots 2.5" in listed.stderr
    assert "The corpus 'ravdess' of emotone-parrots 2.5 isn't used. The name 'ravdess' is taken" in listed.stderr
    assert "'functionals' of emotone-parrots 2.5 isn't used" in command("features", "--list").stderr


def test_of_two_packages_with_one_name_the_first_has_it(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    package(tmp_path / "z", monkeypatch, {"emotone.corpora": "parrots = emotone_zebras:CORPUS"}, name="zebras")
    package(tmp_path / "p", monkeypatch, {"emotone.corpora": "parrots = emotone_parrots:CORPUS"})
    used, refused = registry.added()
    assert (used.package, used.trouble) == ("emotone-parrots 2.5", "")
    assert (refused.package, refused.trouble) == (
        "emotone-zebras 2.5",
        "The name 'parrots' is taken, by emotone-parrots 2.5; rename it.",
    )
    assert registry.names()[-1] == "parrots"
    assert registry.names().count("parrots") == 1


@pytest.mark.parametrize(
    ("code", "said"),
    [
        ("raise RuntimeError('a feather is missing.')", "a feather is missing"),
        ("1 / 0", "division by zero"),
        ("import parrot_food", "No module named 'parrot_food'"),
        ("CORPUS = (", "'\\(' was never closed"),
        ("OTHER = 1", "has no attribute 'CORPUS'"),
    ],
)
def test_a_broken_package_is_named_and_breaks_nothing_else(
    code: str, said: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    package(tmp_path, monkeypatch, {"emotone.corpora": "parrots = emotone_parrots:CORPUS"}, code=code)
    message = rf"The corpus 'parrots' \(emotone_parrots:CORPUS\) can't be loaded from emotone-parrots 2.5: .*{said}.*\."
    with pytest.raises(ConfigError, match=message):
        corpora.get("parrots")
    with pytest.warns(PluginWarning, match=message):
        records = list(registry.records())
    assert [record.name for record in records] == list(registry.names())[:-1]
    with pytest.warns(PluginWarning, match="It is passed over"):
        assert likely_corpus(["Actor_01/03-01-05-01-01-01-01.wav"]) == "ravdess"
    listed = command("corpora", "list")
    assert listed.exit_code == 0
    assert "It is passed over" in listed.stderr
    assert "ravdess" in listed.stdout
    [told] = json.loads(command("plugins", "--json").stdout)
    assert "can't be loaded from emotone-parrots 2.5" in told["trouble"]


def test_things_of_the_wrong_kind_are_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    code = "THING = 3"
    entries = {f"emotone.{group}": "parrots = emotone_parrots:THING" for group in plugins.GROUPS}
    package(tmp_path, monkeypatch, entries, code=code)
    with pytest.raises(ConfigError, match=r"must be a Corpus whose name is 'parrots', not 3 \(emotone-parrots 2.5\)"):
        corpora.get("parrots")
    with pytest.raises(ConfigError, match=r"must be a dataclass whose name is 'parrots' \(emotone-parrots 2.5\)"):
        features.get("parrots")
    with pytest.raises(ConfigError, match=r"must be a function that makes a model, not 3 \(emotone-parrots 2.5\)"):
        models.get("parrots")


def test_without_plug_ins_the_command_says_how_to_write_one() -> None:
    if any(home.added() for home in (registry, features, models)):
        pytest.skip("this environment has plug-ins")
    result = command("plugins")
    assert result.exit_code == 0
    assert "docs/extend.md" in result.stderr
    assert json.loads(command("plugins", "--json").stdout) == []
