"""Every registered model: trained, exported, and answering from its folder as it did when it was trained."""

from __future__ import annotations

import json
import re
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
from typer.testing import CliRunner

from emotone import models, recogniser, synthetic
from emotone.cli import app
from emotone.experiment import Experiment
from emotone.prepared import fit_model

LABELS = ("neutral", "sad", "angry")

QUICK: dict[str, Any] = {"epochs": 2, "batch": 8, "seconds": 0.64, "augment": 0.0, "n_folds": 2, "device": "cpu"}
QUICK |= {"precision": "float32", "average": 0.5}
OPTIONS: dict[str, dict[str, Any]] = {
    "mlp": {"epochs": 5},
    "network": {"width": 16, "layers": 1, "heads": 2, "learning_rate": 0.01, **QUICK},
    "finetune": {"learning_rate": 0.01, **QUICK},
}
"""What makes a model small and quick. The others are so by themselves."""

HEARING = ("network", "finetune")
"""Those that take signals."""


@pytest.fixture(scope="module")
def corpora(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    """Thirty generated clips, as a corpus of emotions and as a table of numbers."""
    folder = tmp_path_factory.mktemp("generated") / "ravdess"
    synthetic.write_ravdess(folder, speakers=(1, 2, 3), emotions=LABELS, repetitions=1)
    files = sorted(folder.rglob("*.wav"))
    rng = np.random.default_rng(0)
    numbers = [LABELS.index("angry") * ("-05-" in path.name) + rng.normal(0, 0.1) for path in files]
    rows = {"file": [str(path) for path in files], "speaker": [path.parent.name for path in files], "arousal": numbers}
    table = folder.parent / "table.csv"
    pd.DataFrame(rows).to_csv(table, index=False)
    return {"ravdess": folder, "table": table}


@pytest.fixture(scope="module")
def encoder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A tiny, untrained encoder in Hugging Face's layout."""
    torch = pytest.importorskip("torch", reason="needs emotone[deep]")
    transformers = pytest.importorskip("transformers", reason="needs emotone[deep]")
    torch.manual_seed(0)
    sides = {"layers": 2, "attention_heads": 2, "ffn_dim": 64}
    sizes = {f"{side}_{size}": number for side in ("encoder", "decoder") for size, number in sides.items()}
    special = dict.fromkeys(("pad_token_id", "bos_token_id", "eos_token_id", "decoder_start_token_id"), 0)
    config = transformers.WhisperConfig(d_model=32, vocab_size=50, num_mel_bins=80, **sizes, **special)
    folder = tmp_path_factory.mktemp("encoder")
    transformers.utils.logging.disable_progress_bar()
    transformers.WhisperModel(config).save_pretrained(folder)
    transformers.utils.logging.enable_progress_bar()
    (folder / "README.md").write_text("---\nlicense: cc-by-nc-4.0\n---\n", "utf-8")
    return folder


@pytest.fixture(params=models.names())
def experiment(request: pytest.FixtureRequest, corpora: dict[str, Path]) -> Experiment:
    name = request.param
    options = dict(OPTIONS.get(name, {}))
    if name in HEARING:
        pytest.importorskip("torch", reason="needs emotone[deep]")
    if name == "finetune":
        options["encoder"] = str(request.getfixturevalue("encoder"))
    settings: dict[str, Any] = {"model": name, "model_options": options}
    if name in models.REGRESSORS:
        settings |= {"corpora": {"table": corpora["table"]}, "targets": ("arousal",)}
    else:
        settings |= {"corpora": {"ravdess": corpora["ravdess"]}, "labels": LABELS}
    return Experiment(**settings, frontend="" if name in HEARING else "librosa180")


def test_it_exports_to_a_folder_that_answers_as_it_did_in_training(experiment: Experiment, tmp_path: Path) -> None:
    data = experiment.prepare(jobs=1)
    trained = fit_model(experiment.make_model(), data, np.arange(len(data.table)))
    run = experiment.fit(data).save(tmp_path / "run" / "recogniser").parent
    arguments = ["models", "export", str(run), "-o", str(tmp_path / "mine"), "--json"]
    done = CliRunner().invoke(app, arguments, catch_exceptions=False)
    assert done.exit_code == 0
    exported = recogniser.load(tmp_path / "mine")
    if experiment.targets:
        expected, answers = trained.predict(data.X).reshape(-1, 1), exported.predict_dimensions(data.X)
    else:
        order = [list(trained.classes_).index(label) for label in LABELS]
        expected, answers = trained.predict_proba(data.X)[:, order], exported.predict_proba(data.X)
    assert answers.shape == expected.shape
    assert expected.std(axis=0).max() > 1e-3  # of answers that are all alike, agreeing says nothing
    np.testing.assert_allclose(answers, expected, atol=1e-4)
    if experiment.model in HEARING:
        clip = next(iter(sorted(Path(experiment.corpora["ravdess"]).rglob("*.wav"))))
        said = said_without_emotone(json.loads(done.stdout)["example"], shutil.copy(clip, tmp_path / "speech.wav"))
        assert said == pytest.approx(exported.predict(clip).scores, abs=1e-4)

    assert ("torch" in exported.config["versions"]) == (experiment.model in HEARING)
    if experiment.model == "finetune":
        check_origin(exported, Path(experiment.model_options["encoder"]))


def check_origin(exported: recogniser.Recogniser, encoder: Path) -> None:
    """A fine-tuned encoder is inside: the card names it and its licence, and where it lay is nobody's business."""
    model = exported.config["model"]
    assert (model["encoder"], model["licence"]) == (encoder.name, "cc-by-nc-4.0")
    assert exported.commercial is False
    assert f"the model finetune (the encoder {encoder.name} is under cc-by-nc-4.0)" in exported.card
    assert f"encoder {encoder.name}" in exported.card
    assert str(encoder) not in json.dumps(exported.config)
    assert "transformers" in exported.config["versions"]


def said_without_emotone(example: str, clip: Path) -> dict[str, float]:
    """What the example prints beside the ``clip``, in an interpreter that knows no emotone."""
    code = f"import sys\nsys.modules['emotone'] = None\n{example}"
    done = subprocess.run([sys.executable, "-c", code], cwd=clip.parent, capture_output=True, text=True, check=True)
    return {name: float(value) for name, value in re.findall(r"'([a-z]+)': (?:np.float32\()?([-\d.e]+)", done.stdout)}
