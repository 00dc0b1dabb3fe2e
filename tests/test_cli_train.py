"""`emotone train`: what it prints where, what it leaves behind, and how it exits."""

from __future__ import annotations

import importlib.util
import json
import os
import pty
import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
import soundfile
from typer.testing import CliRunner, Result

import emotone
from emotone import report, synthetic
from emotone.cli import app
from emotone.errors import ConfigError, EmotoneError
from emotone.experiment import Experiment

LABELS = ("neutral", "sad", "angry")
QUICK = ("--labels", "neutral,sad,angry", "--frontend", "librosa180", "--model", "svm", "--folds", "3", "--jobs", "1")
SOURCE = Path(emotone.__file__).resolve().parents[1]


@pytest.fixture(scope="session")
def spoken(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Thirty generated clips of three speakers, named as in RAVDESS."""
    folder = tmp_path_factory.mktemp("spoken") / "ravdess"
    return synthetic.write_ravdess(folder, speakers=(1, 2, 3), emotions=LABELS, repetitions=1)


@pytest.fixture(autouse=True)
def one_cache(tmp_path_factory: pytest.TempPathFactory, monkeypatch: pytest.MonkeyPatch) -> None:
    """The features of the session's clips are taken once."""
    monkeypatch.setenv("EMOTONE_CACHE", str(tmp_path_factory.getbasetemp() / "train-cache"))


def train(*arguments: object) -> Result:
    """The command; what emotone raises on purpose comes through, for `emotone.cli.main` to put into words."""
    result = CliRunner().invoke(app, ["train", *map(str, arguments)])
    if result.exception is not None and not isinstance(result.exception, SystemExit):
        raise result.exception
    return result


def process(*arguments: object, **environment: str) -> subprocess.CompletedProcess[str]:
    """The real thing, in a process of its own."""
    inherited = {**os.environ, "PYTHONPATH": str(SOURCE), "OMP_NUM_THREADS": "1", **environment}
    return subprocess.run(
        [sys.executable, "-c", "from emotone.cli import main; main()", "train", *map(str, arguments)],
        env=inherited,
        capture_output=True,
        text=True,
        encoding="utf-8",
        check=False,
        timeout=200,
    )


def complaint(answer: subprocess.CompletedProcess[str]) -> str:
    """The one line on stderr of a command that refused."""
    assert answer.returncode == 2, answer
    assert answer.stdout == ""
    lines = answer.stderr.strip().splitlines()
    assert len(lines) == 1, answer.stderr
    assert lines[0].startswith("emotone: ")
    return lines[0]


# --- what it prints ---------------------------------------------------------------------------------------------------


def test_scores_go_to_stdout_with_their_condition(spoken):
    result = train("--corpus", f"ravdess={spoken}", *QUICK)
    lines = result.stdout.strip().splitlines()
    assert [line.split()[0] for line in lines] == ["UAR", "WA", "macro-F1", "ECE", "UAR"]
    assert all(line.endswith("ravdess neutral/sad/angry · speakers, 3 folds, speakers unseen") for line in lines)
    assert re.match(r"UAR \d\.\d\d \[\d\.\d\d, \d\.\d\d\] · ", lines[0])
    assert re.match(r"UAR \d\.\d{3} ± \d\.\d{3} over folds · ", lines[-1])


def test_random_is_called_shared_in_every_line(spoken):
    result = train("-c", f"ravdess={spoken}", *QUICK, "--protocol", "random")
    lines = result.stdout.strip().splitlines()
    assert len(lines) == 5
    assert all(line.endswith("random, 3 folds, speakers shared") for line in lines)


def test_a_split_is_used_again_and_still_says_what_it_shares(spoken, tmp_path):
    train("-c", f"ravdess={spoken}", *QUICK, "--protocol", "random", "-o", tmp_path / "run")
    quick = [*QUICK[:6], "--jobs", 1, "--no-audit"]
    again = train("-c", f"ravdess={spoken}", *quick, "--split", tmp_path / "run", "-o", tmp_path / "again")
    assert all(line.endswith("first made by random, 3 folds, speakers shared") for line in again.stdout.splitlines())
    hashes = [json.loads((tmp_path / name / "split.json").read_text("utf-8"))["sha256"] for name in ("run", "again")]
    assert hashes[0] == hashes[1]


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["--split", "x", "--protocol", "loso"], "--split belong to the protocol file, not loso"),
        (["--test-on", "ravdess", "--protocol", "loso"], "--train-on and --test-on belong to the protocol across"),
        (["--split", "x", "--test-on", "ravdess"], "either --split or corpora to train and test on"),
        (["--split", "nowhere.json"], "The split file nowhere.json can't be read"),
        (["--test-on", "ravdess"], "The protocol across needs two corpora or more, and the table has only ravdess"),
    ],
)
def test_protocol_flags_that_do_not_go_together(spoken, arguments, message):
    with pytest.raises(EmotoneError, match=message):
        train("-c", f"ravdess={spoken}", *QUICK[:6], "--jobs", 1, "--no-audit", *arguments)


def test_repeated_splits_are_told_as_mean_and_deviation(spoken, tmp_path):
    path = tmp_path / "repeated.toml"
    path.write_text('protocol = { name = "random", test_size = 0.25, repeats = 4 }\n', "utf-8")
    result = train(path, "-c", f"ravdess={spoken}", *QUICK[:6], "--jobs", 1)
    lines = result.stdout.strip().splitlines()
    assert len(lines) == 4
    assert all(re.match(r"\S+ \d\.\d{3} ± \d\.\d{3} over folds · .* random, 4 splits", line) for line in lines)


def test_json_is_one_document_on_stdout_and_nothing_else(spoken, tmp_path):
    answer = process("-c", f"ravdess={spoken}", *QUICK, "--json", "-o", tmp_path / "run")
    assert answer.returncode == 0, answer.stderr
    assert answer.stdout.count("\n") == 1
    document = json.loads(answer.stdout)
    assert set(document) == {"name", "labels", "line", "protocol", "scores", "audit"}
    assert document["audit"]["n_recordings"] == 30
    assert document["audit"]["inflates"] is False
    assert document["line"].endswith("speakers, 3 folds, speakers unseen")
    assert document["protocol"]["speakers"] == "unseen"
    assert document["scores"]["n"] == 30
    assert "Saved" in answer.stderr


def test_two_processes_give_the_same_document_to_the_last_digit(spoken):
    answers = [
        process("-c", f"ravdess={spoken}", *QUICK, "--model", "mlp", "--seed", 5, "--json", PYTHONHASHSEED=seed).stdout
        for seed in ("1", "2")
    ]
    assert answers[0] == answers[1]
    assert json.loads(answers[0])["protocol"]["seed"] == 5


def test_what_the_audit_found_is_said_beside_the_score(spoken, tmp_path):
    copy = Path(shutil.copytree(spoken, tmp_path / "copy"))
    signal = emotone.audio.load(copy / "Actor_01" / "03-01-05-01-01-01-01.wav")
    soundfile.write(copy / "Actor_02" / "03-01-05-02-02-02-02.flac", signal[800:] / 2, 16_000)
    result = train("-c", f"ravdess={copy}", *QUICK, "-o", tmp_path / "run")
    said = result.stderr.splitlines()
    (line,) = [line for line in said if line.startswith("Audit of 31 recordings")]
    assert line == "Audit of 31 recordings: this score is inflated by 2 copies in train and test."
    assert said[said.index(line) + 1] == f"What was found: emotone audit ravdess={copy}"
    assert json.loads((tmp_path / "run" / "audit.json").read_text("utf-8"))["inflates"] is True


def test_a_score_of_shared_speakers_is_called_inflated(spoken):
    result = train("-c", f"ravdess={spoken}", *QUICK, "--protocol", "random")
    assert "this score is inflated by 3 of 3 speakers in train and test." in result.stderr


def test_no_audit_says_and_leaves_nothing(spoken, tmp_path):
    result = train("-c", f"ravdess={spoken}", *QUICK, "--no-audit", "--json", "-o", tmp_path / "run")
    assert "Audit" not in result.stderr
    assert json.loads(result.stdout)["audit"] is None
    assert not (tmp_path / "run" / "audit.json").exists()


# --- what it leaves behind --------------------------------------------------------------------------------------------


def test_a_run_folder_holds_everything(spoken, tmp_path):
    folder = tmp_path / "run"
    result = train("-c", f"ravdess={spoken}", *QUICK, "-o", folder)
    assert sorted(path.name for path in folder.iterdir()) == [
        "audit.json",
        "confusion.png",
        "predictions.parquet",
        "recogniser",
        "reliability.png",
        "result.json",
        "speakers.png",
        "split.json",
    ]
    saved = emotone.Result.load(folder)
    assert saved.line() == result.stdout.splitlines()[0]
    recogniser = emotone.load(folder / "recogniser")
    assert recogniser.labels == LABELS
    assert saved.line() in recogniser.card
    assert set(recogniser.predict(next(spoken.rglob("*.wav"))).scores) == set(LABELS)
    assert f"emotone predict --model {folder / 'recogniser'} FILE" in result.stderr


def test_a_network_leaves_its_loss_curves_and_they_are_in_the_report(spoken, tmp_path):
    pytest.importorskip("torch", reason="needs emotone[deep]")
    path = tmp_path / "network.toml"
    path.write_text(
        'corpora = ["ravdess"]\nlabels = ["neutral", "sad", "angry"]\nprotocol = { name = "speakers", n_folds = 3 }\n'
        'model = { name = "network", width = 16, layers = 1, heads = 2, epochs = 2, batch = 8, seconds = 0.64, '
        'augment = 0.0, n_folds = 2, device = "cpu", precision = "float32" }\n',
        "utf-8",
    )
    folder = tmp_path / "run"
    train(path, "-c", f"ravdess={spoken}", "--no-audit", "-o", folder)
    assert (folder / "training.png").read_bytes().startswith(b"\x89PNG")
    training = json.loads((folder / "training.json").read_text("utf-8"))["folds"]
    assert len(training) == 3
    for fold in training:
        held_out, last = fold
        assert [record["epoch"] for record in held_out] == [1, 2]
        assert all({"loss", "uar", "nll"} <= set(record) for record in held_out)
        assert all("uar" not in record for record in last)
    assert "training" in report.build(folder).sections


def test_steps_are_told_of_each_training_of_a_network_alone(spoken):
    told: dict[str, list[tuple[int, int]]] = {}
    options = {"width": 16, "layers": 1, "heads": 2, "epochs": 1, "batch": 8, "seconds": 0.64, "rounds": 0}
    models = {"svm": {}} | ({"network": options} if importlib.util.find_spec("torch") else {})
    for model, own in models.items():
        steps = told.setdefault(model, [])
        one = Experiment(
            corpora={"ravdess": spoken},
            labels=LABELS,
            frontend="librosa180" if model == "svm" else "",
            model=model,
            model_options=own,
            protocol_options={"n_folds": 3},
        )
        one.run(one.prepare(jobs=1), steps=lambda done, total, steps=steps: steps.append((done, total)))
    assert told.pop("svm") == []
    for steps in told.values():
        total = steps[0][1]
        assert {of for _, of in steps} == {total}
        assert [done for done, _ in steps].count(1) == 3  # one training a fold
        assert max(done for done, _ in steps) == total


def test_two_bars_on_a_terminal_and_none_elsewhere():
    code = (
        "from emotone.cli.console import progress_of_both\n"
        "with progress_of_both('folds', 'steps') as (folds, steps):\n"
        "    steps(3, 40)\n"
        "    folds(1, 5)\n"
    )
    command = [sys.executable, "-c", code]
    environment = {**os.environ, "PYTHONPATH": str(SOURCE), "TERM": "xterm-256color", "COLUMNS": "80"}
    leader, terminal = pty.openpty()
    done = subprocess.run(command, env=environment, stdout=subprocess.PIPE, stderr=terminal, check=True, timeout=60)
    os.close(terminal)
    screen = os.read(leader, 65536).decode()
    os.close(leader)
    assert "1/5" in screen
    assert "3/40" in screen
    assert done.stdout == b""
    quiet = subprocess.run(command, env=environment, capture_output=True, check=True, timeout=60)
    assert quiet.stderr == quiet.stdout == b""


def test_variants_get_folders_of_their_own(spoken, tmp_path):
    path = tmp_path / "pair.toml"
    path.write_text(
        'labels = ["neutral", "sad", "angry"]\nfrontend = "librosa180"\nmodel = "svm"\n'
        '[[variant]]\nname = "Known voices, one split"\nprotocol = "random"\n'
        '[[variant]]\nprotocol = "loso"\n',
        "utf-8",
    )
    result = train(path, "-c", f"ravdess={spoken}", "--jobs", 1, "-o", tmp_path / "runs", "--json")
    assert sorted(folder.name for folder in (tmp_path / "runs").iterdir()) == ["known-voices-one-split", "pair-2"]
    documents = json.loads(result.stdout)
    assert [one["name"] for one in documents] == ["Known voices, one split", "pair 2"]
    assert [one["protocol"]["speakers"] for one in documents] == ["shared", "unseen"]
    spoken_of = train(path, "-c", f"ravdess={spoken}", "--jobs", 1).stdout
    assert spoken_of.index("Known voices, one split") < spoken_of.index("speakers shared") < spoken_of.index("pair 2")


def test_flags_override_the_file(spoken, tmp_path):
    path = tmp_path / "mine.toml"
    path.write_text(
        'labels = "eight"\nfrontend = "egemaps"\nmodel = { name = "logistic", C = 1.0 }\nseed = 1\n'
        'protocol = { name = "holdout", test_size = 0.5 }\n[corpora]\nravdess = "nowhere"\n',
        "utf-8",
    )
    flags = (path, "-c", f"ravdess={spoken}", *QUICK, "--protocol", "speakers", "--json")
    document = json.loads(train(*flags).stdout)
    protocol = document["protocol"]
    assert document["name"] == "mine"
    assert protocol["label_set"] == list(LABELS)
    assert protocol["frontend"]["name"] == "librosa180"
    assert protocol["model"] == {"name": "svm"}
    assert protocol["protocol"] == {"name": "speakers", "n_folds": 3}
    assert protocol["seed"] == 1
    assert json.loads(train(*flags, "--seed", 0).stdout)["protocol"]["seed"] == 0


def test_a_corrupt_recording_is_named_and_the_rest_is_done(spoken, tmp_path):
    copy = Path(shutil.copytree(spoken, tmp_path / "copy"))
    broken = sorted(copy.rglob("*.wav"))[4]
    broken.write_bytes(b"these are words")
    answer = process("-c", f"ravdess={copy}", *QUICK, "--json")
    assert answer.returncode == 0, answer.stderr
    assert broken.name in answer.stderr
    document = json.loads(answer.stdout)
    assert document["scores"]["n"] == 29
    assert any(broken.name in note for note in document["protocol"]["notes"])


# --- what it refuses --------------------------------------------------------------------------------------------------


def test_nothing_given():
    with pytest.raises(ConfigError, match=r"Give an experiment in TOML or a corpus, for example --corpus ravdess="):
        train()


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (("-c", "ravdess"), "NAME=FOLDER"),
        (("-c", "ravdes=x"), "Unknown corpus 'ravdes'. Did you mean 'ravdess'?"),
        (("-c", "ravdess=x", "--model", "logit"), "Unknown model 'logit'."),
        (("-c", "ravdess=x", "--protocol", "losso"), "Unknown protocol 'losso'. Did you mean 'loso'?"),
        (("-c", "ravdess=x", "--frontend", "functional"), "Unknown features 'functional'."),
        (("-c", "ravdess=x", "--labels", "nine"), "Unknown label set 'nine'."),
        (("-c", "ravdess=x", "--protocol", "loso", "--folds", "3"), "Unknown option of the protocol 'loso' 'n_folds'"),
        (("-c", "ravdess=x", "--seed", "-1"), "The seed must be a whole number from 0 on"),
    ],
)
def test_what_is_misspelt(arguments, message):
    with pytest.raises(ConfigError) as refusal:
        train(*arguments)
    assert message in str(refusal.value)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ('corpora = ["ravdess"]\nmodle = "svm"\n', "Unknown key 'modle'. Did you mean 'model'?"),
        ('corpora = ["ravdess"]\nmodel = { name = "svm", c = 1 }\n', "Unknown option of model 'svm' 'c'."),
        ('corpora = { ravdess = "no/such/folder" }\n', "There is no folder no/such/folder"),
    ],
)
def test_a_wrong_file_is_one_sentence_and_exit_2(tmp_path, text, message):
    path = tmp_path / "wrong.toml"
    path.write_text(text, "utf-8")
    assert message in complaint(process(path))


def test_a_class_with_one_speaker_is_one_sentence_and_exit_2(spoken, tmp_path):
    copy = Path(shutil.copytree(spoken, tmp_path / "copy"))
    for path in copy.rglob("03-01-05-*"):
        if path.stem[-2:] != "02":
            path.unlink()
    assert "Only ravdess/02 has rows of angry" in complaint(process("-c", f"ravdess={copy}", *QUICK))


def test_fewer_speakers_than_folds_is_one_sentence_and_exit_2(spoken):
    said = complaint(process("-c", f"ravdess={spoken}", *QUICK, "--folds", 8))
    assert "8 folds can't be made of 3 speakers; use 2 to 3 folds" in said
