"""The results table: rows from experiments, what was committed, and what differs."""

from __future__ import annotations

import dataclasses
import json
import sys
from pathlib import Path

import pytest
from typer.testing import CliRunner, Result

from emotone import benchmark as bench
from emotone import synthetic
from emotone.cli import app
from emotone.errors import ConfigError

README = Path(__file__).parents[1] / "README.md"


@pytest.fixture(scope="session")
def spoken(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Clips named as in RAVDESS, of the tutorial's four emotions."""
    folder = tmp_path_factory.mktemp("benchmark") / "ravdess"
    emotions = ("calm", "happy", "fearful", "disgusted")
    return synthetic.write_ravdess(folder, speakers=(1, 2, 3), emotions=emotions, repetitions=1)


@pytest.fixture(autouse=True)
def nowhere_else(monkeypatch: pytest.MonkeyPatch, tmp_path: Path, tmp_path_factory: pytest.TempPathFactory) -> None:
    """No corpora but those a test gives; features are taken once a session."""
    monkeypatch.delenv("EMOTONE_DATA", raising=False)
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("EMOTONE_CACHE", str(tmp_path_factory.getbasetemp() / "benchmark-cache"))


def benchmark(*arguments: object) -> Result:
    result = CliRunner().invoke(app, ["benchmark", *map(str, arguments)])
    if result.exception is not None and not isinstance(result.exception, SystemExit):
        raise result.exception
    return result


def test_every_row_is_an_experiment_and_has_committed_figures():
    names = [one.name for one in bench.rows()]
    assert len(names) == len(set(names)) > 10
    known = bench.committed()
    assert {name.partition("/")[0] for name in known} == set(names)
    for name in known:
        assert known[name].name == name
        assert 0 < known[name].value < 1
        assert len(known[name].split_sha256) == 64


def test_shared_speakers_are_said_in_the_table():
    known = bench.committed()
    shared = [row for row in known.values() if row.speakers == "shared"]
    assert {row.name for row in shared} == {"tutorial-random", "tutorial-random-scaler"}
    for line in bench.as_markdown(shared).splitlines()[2:]:
        assert "**shared**" in line


def test_the_readme_has_the_committed_table():
    text = README.read_text("utf-8")
    missing = [line for line in bench.as_markdown(bench.committed().values()).splitlines() if line not in text]
    assert not missing, "copy the output of `emotone benchmark --list` into README.md:\n" + "\n".join(missing)


def test_rows_are_chosen_by_name_and_placed_by_root():
    chosen = bench.rows("emodb-*", roots={"emodb": Path("here")})
    assert {one.name for one in chosen} >= {"emodb-functionals", "emodb-egemaps"}
    assert all(one.corpora == {"emodb": Path("here")} for one in chosen)
    with pytest.raises(ConfigError, match=r"Unknown row of the benchmark 'ravdes-functionals'.*ravdess-functionals"):
        bench.rows("ravdes-functionals")
    with pytest.raises(ConfigError, match="Unknown corpus of the benchmark 'tess'"):
        bench.rows(roots={"tess": Path("here")})


def test_a_row_is_run_from_the_recordings(spoken, tmp_path):
    result = benchmark(f"ravdess={spoken}", "--only", "tutorial-loso-scaler", "-o", "rows.json", "--json")
    assert result.exit_code == 0
    document = json.loads(result.stdout)
    [row] = document["rows"]
    assert row["name"] == "tutorial-loso-scaler"
    assert (row["n"], row["n_speakers"], row["speakers"], row["metric"]) == (48, 3, "unseen", "war")
    assert row["value"] > 0.3
    assert "other recordings or folds than committed" in row["committed"]
    assert bench.committed(tmp_path / "rows.json")["tutorial-loso-scaler"].value == row["value"]


def test_what_is_not_here_is_skipped_in_words(spoken):
    result = benchmark(f"ravdess={spoken}", "--only", "*-loso*")
    assert result.exit_code == 0
    assert "| ravdess seed, 3 speakers | librosa180, tutorial_mlp | loso, 3 folds | unseen |" in result.stdout
    chosen = bench.rows("*-functionals", roots={})
    answers = list(bench.run(chosen))
    assert all(isinstance(answer, bench.Skipped) and "Where is" in answer.reason for answer in answers)
    with pytest.raises(ConfigError, match="No row could be run"):
        benchmark("--only", "emodb-functionals")


def test_without_opensmile_its_rows_are_skipped_and_the_others_done(spoken, monkeypatch):
    monkeypatch.setitem(sys.modules, "opensmile", None)  # as where it isn't installed
    chosen = {one.name: one for one in bench.rows("*", roots={"ravdess": spoken})}
    [answer] = bench.run([chosen["ravdess-egemaps"]])
    assert isinstance(answer, bench.Skipped)
    assert "pip install 'emotone[egemaps]'" in answer.reason
    assert benchmark(f"ravdess={spoken}", "--only", "tutorial-loso-scaler").exit_code == 0


def test_a_score_that_changed_on_the_same_data_is_an_alarm(spoken, tmp_path, monkeypatch):
    arguments = (f"ravdess={spoken}", "--only", "tutorial-loso-scaler", "-o", "rows.json")
    benchmark(*arguments)
    [row] = bench.committed(tmp_path / "rows.json").values()
    monkeypatch.setattr(bench, "COMMITTED", tmp_path / "other.json")
    bench.save([row], tmp_path / "other.json")
    same = benchmark(*arguments)
    assert same.exit_code == 0
    assert "as committed" in same.stderr
    bench.save([dataclasses.replace(row, value=row.value - 0.1)], tmp_path / "other.json")
    changed = benchmark(*arguments)
    assert changed.exit_code == 1
    assert "DIFFERENT: +0.100" in changed.stderr


def test_saving_replaces_rows_of_the_same_name_only(tmp_path):
    first, second = list(bench.committed().values())[:2]
    path = tmp_path / "rows.json"
    bench.save([first, second], path)
    bench.save([dataclasses.replace(first, value=0.5)], path)
    kept = bench.committed(path)
    assert list(kept) == [first.name, second.name]
    assert kept[first.name].value == 0.5
    assert kept[second.name] == second
    path.write_text("[{}]", "utf-8")
    with pytest.raises(ConfigError, match=r"rows\.json doesn't hold rows"):
        bench.committed(path)


def test_the_committed_table_can_be_printed():
    result = benchmark("--list")
    assert result.stdout == bench.as_markdown(bench.committed().values())
    assert len(json.loads(benchmark("--list", "--json").stdout)) == len(bench.committed())
