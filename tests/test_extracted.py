"""Training on features that were taken before: the same as on those taken now, and no more of them in memory."""

from __future__ import annotations

import csv
import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from typer.testing import CliRunner

import emotone
from emotone import corpora, synthetic
from emotone.cli import app
from emotone.errors import ConfigError
from emotone.experiment import Experiment
from emotone.extracted import FOOTER, ExtractedFeatures, only

arrow = pytest.importorskip("pyarrow", reason="needs pyarrow, the extra train")
from pyarrow import parquet  # noqa: E402

LABELS = ("neutral", "sad", "angry")
PLAN: dict[str, Any] = {"labels": LABELS, "model": "logistic", "protocol_options": {"n_folds": 3}}


@pytest.fixture(scope="module")
def root(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Thirty generated clips of three speakers, named as in RAVDESS."""
    folder = tmp_path_factory.mktemp("spoken") / "ravdess"
    return synthetic.write_ravdess(folder, speakers=(1, 2, 3), emotions=LABELS, repetitions=1)


@pytest.fixture(scope="module")
def table(root: Path) -> Path:
    """Their features by ``emotone features``."""
    output = root.parent / "ravdess.parquet"
    done = CliRunner().invoke(app, ["features", "librosa180", f"ravdess={root}", "-o", str(output), "--no-cache"])
    assert done.exit_code == 0, done.output
    return output


@pytest.fixture(scope="module")
def archive(root: Path) -> Path:
    """The same by ``emotone annotate``, from a table of your own with one broken recording."""
    pytest.importorskip("pyarrow.dataset")
    from emotone import batch

    listed = corpora.load("ravdess", root)
    names = root.parent / "calls.csv"
    with names.open("w", newline="", encoding="utf-8") as file:
        rows = [[root / row.file, row.speaker.split("/")[1], row.label, row.emotion] for row in listed.itertuples()]
        rows.append([root / "missing.wav", "1", "sad", "sad"])
        csv.writer(file).writerows([["file", "speaker", "label", "emotion"], *rows])
    options = batch.ArchiveOptions(what="features", frontend="librosa180", shard_files=7)
    batch.annotate(names, root.parent / "vectors", options, engine=batch.LocalEngine(jobs=1))
    return root.parent / "vectors"


def test_what_was_extracted_trains_as_what_is_extracted_now(root: Path, table: Path) -> None:
    now = Experiment(corpora={"ravdess": root}, frontend="librosa180", **PLAN)
    before = Experiment(features=table, **PLAN)
    assert before.corpora == {"ravdess": ""}
    assert before.frontend == "librosa180"
    fresh, stored = now.prepare(cache=False, jobs=1), before.prepare()
    assert isinstance(stored.X, np.memmap)
    assert stored.sha256 == fresh.sha256
    one, two = now.run(fresh), before.run(stored)
    assert one.scores["confusion"] == two.scores["confusion"]
    # Sums may differ in the last bit.
    assert one.scores["brier"]["value"] == pytest.approx(two.scores["brier"]["value"])
    assert one.protocol["split_sha256"] == two.protocol["split_sha256"]
    recogniser = before.fit(stored, result=two)
    clip = next(root.rglob("*.wav"))
    assert recogniser.predict(clip).scores == pytest.approx(now.fit(fresh).predict(clip).scores, abs=1e-5)


def test_an_archive_of_features_trains_too(root: Path, archive: Path) -> None:
    experiment = Experiment(features=archive, **PLAN)
    assert experiment.corpora == {"table": ""}
    data = experiment.prepare()
    assert set(data.table["speaker"]) == {"table/01", "table/02", "table/03"}
    fresh = Experiment(corpora={"ravdess": root}, frontend="librosa180", **PLAN).prepare(cache=False, jobs=1)
    assert len(data.table) == len(fresh.table) == 30
    order = np.argsort(data.table["file"].str.rsplit("/", n=1).str[-1].to_numpy())
    other = np.argsort(fresh.table["file"].str.rsplit("/", n=1).str[-1].to_numpy())
    assert np.array_equal(data.X[order], fresh.X[other])
    assert list(data.table["emotion"].iloc[order]) == list(fresh.table["emotion"].iloc[other])


def test_the_command_line_trains_on_them(archive: Path, tmp_path: Path) -> None:
    arguments = ["train", "--features", str(archive), "--labels", ",".join(LABELS), "--model", "svm", "--folds", "3"]
    done = CliRunner().invoke(app, [*arguments, "-o", str(tmp_path / "run"), "--json"])
    assert done.exit_code == 0, done.output
    document = json.loads(done.stdout)
    assert document["protocol"]["corpora"] == ["table"]
    assert document["audit"] is None
    assert "No audit" in done.stderr
    assert emotone.load(tmp_path / "run" / "recogniser").labels == LABELS
    experiment = tmp_path / "large.toml"
    experiment.write_text(f'features = "{archive.as_posix()}"\nlabels = ["sad", "angry"]\nmodel = "svm"\n', "utf-8")
    done = CliRunner().invoke(app, ["train", str(experiment), "--folds", "3", "--json"])
    assert json.loads(done.stdout)["labels"] == ["sad", "angry"]


def test_rows_without_numbers_are_left_out_and_counted(table: Path, tmp_path: Path) -> None:
    rows = parquet.read_table(table)
    first = rows.column_names[-1]
    broken = rows[first].to_numpy().copy()
    broken[[3, 5]] = np.nan
    other = rows.set_column(rows.column_names.index(first), first, arrow.array(broken))
    parquet.write_table(other, tmp_path / "broken.parquet")
    stored = ExtractedFeatures(tmp_path / "broken.parquet").read()
    assert len(stored.table) == len(stored.X) == 28
    assert stored.notes == ("left out: 2 rows without features, or with some that aren't finite",)
    kept = np.setdiff1d(np.arange(30), [3, 5])
    assert list(stored.table["file"]) == [rows["file"][int(row)].as_py() for row in kept]


def test_rows_are_chosen_in_place() -> None:
    X = np.arange(60_000, dtype=np.float32).reshape(20_000, 3)
    rows = np.arange(1, 20_000, 2)
    expected = X[rows].copy()
    chosen = only(X, rows)
    assert np.array_equal(chosen, expected)
    assert np.shares_memory(chosen, X)


def test_a_large_matrix_is_read_without_holding_it(tmp_path: Path) -> None:
    """150 MB of features, and less than half as much memory of its own; what is mapped is the system's."""
    from emotone import features

    front = features.get("librosa180")
    n = 210_000
    rng = np.random.default_rng(0)
    some = rng.normal(size=(42_000, 180)).astype(np.float32)
    columns = {name: some[:, i] for i, name in enumerate(front.names)}
    facts = {"file": [f"{i}.wav" for i in range(42_000)], "emotion": ["sad", "angry"] * 21_000}
    part = arrow.table({**facts, **columns})
    described = {FOOTER: json.dumps(features.describe(front)).encode()}
    part = part.replace_schema_metadata(described)
    plain = {"compression": "none", "use_dictionary": False}
    with parquet.ParquetWriter(tmp_path / "large.parquet", part.schema, **plain) as writer:
        for _ in range(n // len(part)):
            writer.write_table(part)
    script = (
        "import sys\n"
        "from emotone.extracted import ExtractedFeatures\n"
        "def own():\n"
        "    lines = open('/proc/self/status').read().splitlines()\n"
        "    return max(int(line.split()[1]) for line in lines if line.startswith('RssAnon')) / 1e3\n"
        "features = ExtractedFeatures(sys.argv[1])\n"
        "peak = []\n"
        "stored = features.read(progress=lambda done, total: peak.append(own()))\n"
        "print(len(stored.X), stored.X.nbytes / 1e6, max(peak) - peak[0])\n"
    )
    if not Path("/proc/self/status").exists():
        pytest.skip("reads what Linux says of a process")
    environment = {**os.environ, "PYTHONPATH": str(Path(emotone.__file__).parents[1])}
    arguments = [sys.executable, "-c", script, tmp_path / "large.parquet"]
    done = subprocess.run(arguments, capture_output=True, text=True, check=True, timeout=200, env=environment)
    rows, size, grown = map(float, done.stdout.split())
    assert rows == n
    assert size > 150
    assert grown < size / 2


# --- what can't be ---


def test_what_holds_no_features_is_a_sentence(table: Path, archive: Path, tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="There are no features at"):
        ExtractedFeatures(tmp_path / "nothing")
    (tmp_path / "text.parquet").write_text("no", "utf-8")
    with pytest.raises(ConfigError, match="can't be read as Parquet"):
        ExtractedFeatures(tmp_path / "text.parquet")
    rows = parquet.read_table(table)
    parquet.write_table(rows.replace_schema_metadata(None), tmp_path / "bare.parquet")
    with pytest.raises(ConfigError, match="which front-end"):
        ExtractedFeatures(tmp_path / "bare.parquet")
    parquet.write_table(rows.drop_columns([rows.column_names[-1]]), tmp_path / "narrow.parquet")
    with pytest.raises(ConfigError, match="lacks the column"):
        ExtractedFeatures(tmp_path / "narrow.parquet")
    parquet.write_table(rows.drop_columns(["emotion", "label"]), tmp_path / "unlabelled.parquet")
    with pytest.raises(ConfigError, match="nothing to learn"):
        ExtractedFeatures(tmp_path / "unlabelled.parquet")
    other = tmp_path / "other"
    other.mkdir()
    manifest = json.loads((archive / "manifest.json").read_text("utf-8"))
    (other / "manifest.json").write_text(json.dumps(manifest | {"what": "embeddings"}), "utf-8")
    (other / "segments").symlink_to(archive / "segments")
    with pytest.raises(ConfigError, match="an archive of embeddings"):
        ExtractedFeatures(other)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"frontend": "functionals"}, "leave the front-end out"),
        ({"frontend_options": {"rate": 8000}}, "leave the front-end out"),
        ({"corpora": {"crema_d": "x"}}, "none of crema_d"),
        ({"model": "network"}, "can't learn from"),
    ],
)
def test_what_does_not_go_together(table: Path, options: dict[str, Any], message: str) -> None:
    if options.get("model") == "network":
        pytest.importorskip("torch")
    with pytest.raises(ConfigError, match=message):
        Experiment(features=table, **{**PLAN, **options})
