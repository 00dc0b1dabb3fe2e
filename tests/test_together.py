"""Trainings in several processes: what each hears, and that they come to what one process comes to.

The processes are real ones, started by torchrun on processors.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

torch = pytest.importorskip("torch", reason="networks need torch, the extra deep")

import emotone  # noqa: E402
from emotone import synthetic  # noqa: E402
from emotone.models.together import Together, launched  # noqa: E402
from emotone.models.training import logits_of  # noqa: E402

SOURCE = Path(emotone.__file__).resolve().parents[1]

TRAINING = """
import sys
from pathlib import Path

import numpy as np
import torch

from emotone.models.distillation import Targets
from emotone.models.examples import Examples
from emotone.models.network import save_network
from emotone.models.networks import Network, NetworkOptions, n_frames
from emotone.models.options import TrainingOptions
from emotone.models.together import joined
from emotone.models.training import train

rng = np.random.default_rng(0)
labels = np.eye(3, dtype=np.float32)[np.arange(23) % 3]
labels[5] = 0  # of which nobody knows what it is
signals = [(0.1 * rng.normal(size=int(rng.uniform(4_000, 13_000)))).astype(np.float32) for _ in labels]
allowed = np.ones(labels.shape, bool)
speakers = (np.arange(23) // 3 % 4).astype(np.int64)
plain = {"batch": 5, "seconds": 0.4, "device": "cpu", "precision": "float32", "average": 0.9, "learning_rate": 3e-3}


def fresh(**more):
    torch.manual_seed(0)
    sizes = {"width": 16, "layers": 1, "heads": 2, "kernel": 3, "n_mels": 16}
    return Network(NetworkOptions(**sizes, dropout=0.0, head_dropout=0.0, **more), 3)


def taught():
    starts = np.concatenate([[0], np.cumsum([n_frames(len(one)) for one in signals])])
    frames = np.random.default_rng(1).normal(size=(starts[-1], 4)).astype(np.float16)
    return Targets(frames, starts, np.ones(4, np.float32))


folder = Path(sys.argv[1])
with joined() as together:
    quick = TrainingOptions(epochs=2, **plain)
    own = Examples(signals, labels, allowed, speakers=speakers)
    others = Examples(signals[:7], labels[:7], allowed[:7])
    kept = folder / "checkpoint.npz"
    options = TrainingOptions(epochs=3, **plain)
    made = {
        "labels": train(fresh(), own, options, held_out=others, checkpoint=kept),
        "teacher": train(fresh(targets=4), Examples(signals, labels, allowed, taught()), quick),
    }
    for name, trained in made.items():
        assert all(torch.isfinite(value).all() for value in trained.network.state_dict().values())
        everybody = [trained.history]
        if together.size > 1:
            everybody = [None] * together.size
            torch.distributed.all_gather_object(everybody, trained.history)
        assert all(one == everybody[0] for one in everybody), everybody
        if together.first:
            save_network(folder / f"{name}.npz", trained.network, about={"history": trained.history})
"""


def launch(n: int, *arguments: object, cwd: Path) -> subprocess.CompletedProcess[str]:
    """``arguments`` of Python, in ``n`` processes that torchrun starts."""
    launcher = ["-m", "torch.distributed.run", "--standalone", f"--nproc-per-node={n}"] if n > 1 else []
    environment = {**os.environ, "PYTHONPATH": str(SOURCE), "OMP_NUM_THREADS": "1"}
    return subprocess.run(
        [sys.executable, *launcher, *map(str, arguments)],
        env=environment,
        cwd=cwd,
        capture_output=True,
        text=True,
        check=False,
        timeout=280,
    )


@pytest.fixture(scope="module")
def trained(tmp_path_factory: pytest.TempPathFactory) -> dict[int, Path]:
    """The folders of the same trainings in one process and in two."""
    script = tmp_path_factory.mktemp("together") / "training.py"
    script.write_text(TRAINING, "utf-8")
    folders = {}
    for n in (1, 2):
        folders[n] = script.parent / str(n)
        folders[n].mkdir()
        done = launch(n, script, folders[n], cwd=script.parent)
        assert done.returncode == 0, done.stderr
    return folders


@pytest.mark.parametrize("what", ["labels", "teacher"])
def test_two_processes_come_to_what_one_comes_to(trained: dict[int, Path], what: str) -> None:
    from emotone.models.network import load_network

    (one, alone), (two, together) = (load_network(trained[n] / f"{what}.npz") for n in (1, 2))
    rng = np.random.default_rng(2)
    signals = [(0.1 * rng.normal(size=9_000)).astype(np.float32) for _ in range(8)]
    # Not parameter by parameter: a bias that changes nothing has a gradient of rounding alone, which Adam blows up.
    assert np.abs(logits_of(one, signals) - logits_of(two, signals)).max() < 2e-4
    for here, there in zip(alone["about"]["history"], together["about"]["history"], strict=True):
        assert here == pytest.approx(there, abs=2e-4)


def test_the_checkpoint_of_two_processes_goes_on_in_one(trained: dict[int, Path]) -> None:
    """Only one of them writes it, and how many there were is no part of the training."""
    facts = [json.loads(np.load(trained[n] / "checkpoint.npz")["facts.json"].tobytes()) for n in (1, 2)]
    assert facts[0]["identity"] == facts[1]["identity"]
    assert facts[0]["epoch"] == facts[1]["epoch"] == 3


def test_the_command_line_trains_in_two_processes_and_one_of_them_speaks(tmp_path: Path) -> None:
    pytest.importorskip("transformers", reason="needs emotone[deep]")
    encoder = tiny_encoder(tmp_path / "encoder")
    corpus = synthetic.write_ravdess(
        tmp_path / "ravdess", speakers=(1, 2, 3, 4), emotions=("sad", "angry"), repetitions=1
    )
    experiment = tmp_path / "finetune.toml"
    experiment.write_text(
        f"""
corpora = {{ ravdess = "{corpus.as_posix()}" }}
labels = ["sad", "angry"]
protocol = {{ name = "speakers", n_folds = 2 }}
[model]
name = "finetune"
encoder = "{encoder.as_posix()}"
lora = 2
epochs = 1
batch = 8
rounds = 0
device = "cpu"
precision = "float32"
""",
        "utf-8",
    )
    script = tmp_path / "main.py"
    script.write_text("from emotone.cli import main\n\nif __name__ == '__main__':\n    main()\n", "utf-8")
    arguments = (script, "train", experiment, "-o", tmp_path / "run", "--json", "--jobs", 1, "--no-audit")
    done = launch(2, *arguments, cwd=tmp_path)
    assert done.returncode == 0, done.stderr
    [line] = done.stdout.splitlines()
    assert json.loads(line)["scores"]["uar"]["value"] is not None
    assert done.stderr.count("Saved") == 1
    assert emotone.load(tmp_path / "run" / "recogniser").labels == ("sad", "angry")
    refused = launch(2, *arguments, "--model", "logistic", cwd=tmp_path)
    assert refused.returncode != 0
    assert "start it without torchrun" in refused.stderr


def tiny_encoder(folder: Path) -> Path:
    """A tiny, untrained encoder in Hugging Face's layout."""
    import transformers

    sizes = {"hidden_size": 32, "num_hidden_layers": 2, "num_attention_heads": 2, "intermediate_size": 64}
    convolutions = {"conv_dim": (16,) * 7, "num_conv_pos_embeddings": 16, "num_conv_pos_embedding_groups": 2}
    torch.manual_seed(0)
    transformers.utils.logging.disable_progress_bar()
    transformers.Wav2Vec2Model(transformers.Wav2Vec2Config(**sizes, **convolutions)).save_pretrained(folder)
    transformers.utils.logging.enable_progress_bar()
    return folder


# --- without processes ---


def test_every_row_is_heard_by_one_process() -> None:
    rows = torch.arange(7)
    shares = [Together(rank, 3).own(rows).tolist() for rank in range(3)]
    assert shares == [[0, 1, 2], [3, 4, 5], [6, 6, 6]]
    assert [Together(rank, 3).own(rows[:1]).tolist() for rank in range(3)] == [[0]] * 3
    assert Together().own(rows) is rows


def test_alone_there_is_nobody_to_ask() -> None:
    alone = Together.now()
    part = torch.ones(2, 3)
    assert (alone.rank, alone.size, alone.first) == (0, 1, True)
    assert alone.all_of(part, 2) is part
    assert alone.told("a fact") == "a fact"
    [(items, answer)] = alone.dealt(np.arange(4), lambda some: some * 2)
    assert items.tolist() == [0, 1, 2, 3]
    assert answer.tolist() == [0, 2, 4, 6]


@pytest.mark.parametrize(
    ("environment", "n"), [({}, 1), ({"WORLD_SIZE": "4"}, 1), ({"WORLD_SIZE": "4", "RANK": "1"}, 4)]
)
def test_a_launcher_is_known_by_what_it_says(
    environment: dict[str, str], n: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in ("WORLD_SIZE", "RANK"):
        monkeypatch.delenv(name, raising=False)
    for name, value in environment.items():
        monkeypatch.setenv(name, value)
    assert launched() == n
