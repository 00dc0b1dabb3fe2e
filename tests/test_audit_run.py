"""A saved run's table and split, from its folder and its corpora."""

from __future__ import annotations

import shutil
from pathlib import Path

import numpy as np
import pytest
import soundfile

from emotone import Experiment, synthetic
from emotone.audit import of_run, roots_of_run
from emotone.errors import ConfigError, CorpusError, ExperimentError
from emotone.splits import fingerprint


@pytest.fixture(scope="module")
def spoken(tmp_path_factory: pytest.TempPathFactory) -> Path:
    root = tmp_path_factory.mktemp("data") / "ravdess"
    return synthetic.write_ravdess(root, speakers=(1, 2, 3), emotions=("neutral", "angry"), repetitions=1)


@pytest.fixture(scope="module")
def run(spoken: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    one = Experiment(corpora={"ravdess": spoken}, frontend="librosa180", model="svm", protocol="loso")
    return one.run(jobs=1, cache=False).save(tmp_path_factory.mktemp("run"))


def test_the_split_is_the_run_s_own(run, spoken):
    table, split = of_run(run, {"ravdess": spoken})
    assert len(table) == 18
    assert [len(test) for _, test in split.folds] == [6, 6, 6]
    assert split.speakers == "unseen"
    for train, test in split.folds:
        assert table["speaker"].iloc[test].nunique() == 1
        assert not set(table["speaker"].iloc[train]) & set(table["speaker"].iloc[test])


def test_a_run_without_its_split_file_is_understood_from_its_predictions(run, spoken, tmp_path):
    older = Path(shutil.copytree(run, tmp_path / "older"))
    (older / "split.json").unlink()
    table, split = of_run(older, {"ravdess": spoken})
    again, kept = of_run(run, {"ravdess": spoken})
    assert fingerprint(split, table) == fingerprint(kept, again)


def test_a_run_of_targets_has_rows_without_emotions(tmp_path):
    rng = np.random.default_rng(0)
    lines = ["file,speaker,emotion,arousal"]
    for speaker in range(4):
        for take in range(6):
            signal = synthetic.speech("angry" if take % 2 else "sad", speaker, rng=rng, seconds=0.6)
            wav = tmp_path / f"{speaker}-{take}.wav"
            soundfile.write(wav, signal, 16_000)
            lines.append(f"{wav.name},s{speaker},,{1 + take % 2 * 3 + rng.uniform():.3f}")
    (tmp_path / "rated.csv").write_text("\n".join(lines) + "\n")
    roots = {"table": tmp_path / "rated.csv"}
    one = Experiment(
        corpora=roots, targets=("arousal",), frontend="librosa180", model="ridge", protocol_options={"n_folds": 2}
    )
    folder = one.run(jobs=1, cache=False).save(tmp_path / "run")
    table, split = of_run(folder, roots)
    assert len(table) == 24
    assert sorted(np.concatenate([test for _, test in split.folds])) == list(range(24))


def test_what_is_missing_is_said(run, spoken, tmp_path, monkeypatch):
    with pytest.raises(ConfigError, match=r"was made on ravdess too; add ravdess=FOLDER"):
        of_run(run, {"emodb": spoken})
    with pytest.raises(ExperimentError, match="is not a run's folder"):
        of_run(tmp_path, {"ravdess": spoken})
    other = synthetic.write_ravdess(tmp_path / "other", speakers=(5, 6), emotions=("neutral", "angry"), repetitions=1)
    with pytest.raises(ExperimentError, match="table has nothing of what fold 1"):
        of_run(run, {"ravdess": other})
    monkeypatch.chdir(tmp_path)
    monkeypatch.delenv("EMOTONE_DATA", raising=False)
    with pytest.raises(CorpusError, match="Where is ravdess"):
        roots_of_run(run)
    monkeypatch.setenv("EMOTONE_DATA", str(spoken.parent))
    assert roots_of_run(run) == {"ravdess": spoken}
