"""`emotone audit`: what it prints where, what it leaves behind, and how it exits."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import pytest
from typer.testing import CliRunner, Result

from emotone import Experiment, synthetic
from emotone.cli import app
from emotone.errors import ConfigError, CorpusError


@pytest.fixture(autouse=True)
def narrow_and_cached(tmp_path_factory: pytest.TempPathFactory, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("COLUMNS", "80")
    monkeypatch.setenv("EMOTONE_CACHE", str(tmp_path_factory.getbasetemp() / "audit-cache"))


@pytest.fixture(scope="module")
def spoken(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Eighteen generated clips of three speakers, named as in RAVDESS."""
    root = tmp_path_factory.mktemp("spoken") / "ravdess"
    return synthetic.write_ravdess(root, speakers=(1, 2, 3), emotions=("neutral", "angry"), repetitions=1)


@pytest.fixture
def doubled(spoken: Path, tmp_path: Path) -> Path:
    root = Path(shutil.copytree(spoken, tmp_path / "doubled"))
    shutil.copytree(spoken, root / "audio_speech_actors_01-24")
    return root


def audit(*arguments: object) -> Result:
    """The command; what emotone raises on purpose comes through, for `emotone.cli.main` to put into words."""
    result = CliRunner().invoke(app, ["audit", *map(str, arguments), "--jobs", "1"])
    if result.exception is not None and not isinstance(result.exception, SystemExit):
        raise result.exception
    return result


def plain(text: str) -> str:
    """Without the line breaks of a narrow terminal."""
    return " ".join(text.split())


def test_nothing_found_is_one_line_and_exit_0(spoken):
    result = audit(f"ravdess={spoken}")
    assert result.exit_code == 0
    assert plain(result.stdout) == "Audit of 18 recordings: nothing found that would inflate a score."
    assert result.stderr == ""


def test_a_doubled_folder_is_exit_1_worst_first_within_eighty_columns(doubled):
    result = audit(f"ravdess={doubled}")
    assert result.exit_code == 1
    lines = result.stdout.splitlines()
    assert plain(result.stdout).startswith(
        "Audit of 18 recordings: a score would be inflated by 18 files that are there twice, in programs that read all."
    )
    assert "error doubled 18 of 18 (100 %) recordings are there again" in plain(result.stdout)
    assert max(map(len, lines)) <= 80
    assert "Every file by name: --json" in result.stderr


def test_json_is_one_document_on_stdout_and_nothing_else(doubled):
    result = audit(f"ravdess={doubled}", "--json")
    assert result.exit_code == 1
    assert result.stderr == ""
    assert result.stdout.count("\n") == 1
    document = json.loads(result.stdout)
    assert document["inflates"] is True
    assert document["n_recordings"] == 18
    assert document["findings"][0]["kind"] == "doubled"
    assert len(document["findings"][0]["pairs"]) == 18
    assert set(document["findings"][0]["pairs"][0]) == {"a", "b", "similarity"}


def test_a_protocol_is_audited_by_its_folds(spoken):
    unseen = audit(f"ravdess={spoken}", "--protocol", "loso")
    assert unseen.exit_code == 0
    assert "nothing found that inflates this score (1 note)" in plain(unseen.stdout)
    assert "note sentences 2 of 2 tested sentences" in plain(unseen.stdout)
    shared = audit(f"ravdess={spoken}", "--protocol", "random", "--folds", 3, "--labels", "neutral,angry")
    assert shared.exit_code == 1
    assert "this score is inflated by 3 of 3 speakers in train and test" in plain(shared.stdout)


def test_a_run_is_audited_and_keeps_what_was_found(spoken, tmp_path):
    one = Experiment(
        corpora={"ravdess": spoken},
        frontend="librosa180",
        model="svm",
        protocol="random",
        protocol_options={"n_folds": 2},
    )
    one.run(jobs=1).save(tmp_path / "run")
    result = audit(f"ravdess={spoken}", "--run", tmp_path / "run", "--json")
    assert result.exit_code == 1
    document = json.loads(result.stdout)
    assert document == json.loads((tmp_path / "run" / "audit.json").read_text("utf-8"))
    assert [each["kind"] for each in document["findings"] if each["inflates"]] == ["speakers"]
    assert "audit.json" in result.stderr


def test_a_run_alone_finds_its_corpora_where_data_lies(spoken, tmp_path, monkeypatch):
    Experiment(corpora={"ravdess": spoken}, frontend="librosa180", model="svm", protocol="loso").run(jobs=1).save(
        tmp_path / "run"
    )
    monkeypatch.setenv("EMOTONE_DATA", str(spoken.parent))
    assert audit("--run", tmp_path / "run").exit_code == 0


def test_an_unreadable_recording_is_named_the_rest_is_done_and_it_is_exit_1(spoken, tmp_path):
    root = Path(shutil.copytree(spoken, tmp_path / "ravdess"))
    broken = sorted(root.rglob("*.wav"))[4]
    broken.write_bytes(b"these are words")
    result = audit(f"ravdess={root}", "--json")
    assert result.exit_code == 1
    document = json.loads(result.stdout)
    assert document["inflates"] is False
    (finding,) = [each for each in document["findings"] if each["kind"] == "unreadable"]
    assert broken.name in finding["message"]
    assert finding["files"] == [broken.relative_to(root).as_posix()]


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ((), "Give a corpus as NAME=FOLDER, for example ravdess=data/ravdess."),
        (("ravdess",), "A corpus is given as NAME=FOLDER"),
        (("ravdes=x",), "Unknown corpus 'ravdes'. Did you mean 'ravdess'?"),
        (("ravdess=x", "--protocol", "losso"), "Unknown protocol 'losso'. Did you mean 'loso'?"),
        (("ravdess=x", "--folds", 3), "--folds belongs to a --protocol"),
        (("ravdess=x", "--run", "y", "--protocol", "loso"), "Give --run or a --protocol"),
        (("ravdess=x", "--protocol", "loso", "--folds", 3), "Unknown option of the protocol 'loso' 'n_folds'"),
    ],
)
def test_wrong_usage(arguments, message):
    with pytest.raises(ConfigError) as refusal:
        audit(*arguments)
    assert message in str(refusal.value)


def test_an_empty_folder_is_one_sentence(tmp_path):
    with pytest.raises(CorpusError, match="holds no recordings"):
        audit(f"ravdess={tmp_path}")
