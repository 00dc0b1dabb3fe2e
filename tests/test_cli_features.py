"""`emotone features`: the table it writes, what it says where, and how it exits."""

from __future__ import annotations

import json
import sys
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from typer.testing import CliRunner, Result

from emotone import audio, features
from emotone.cli import app
from emotone.errors import ConfigError, CorpusError
from emotone.synthetic import speech, write_ravdess


def run(*arguments: object) -> Result:
    """The command; what emotone raises on purpose comes through, for `emotone.cli.main` to put into words."""
    result = CliRunner().invoke(app, ["features", *(str(argument) for argument in arguments)])
    if result.exception is not None and not isinstance(result.exception, SystemExit):
        raise result.exception
    return result


@pytest.fixture
def clips(tmp_path: Path, rng: np.random.Generator, monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """Four recordings, two of them in a folder, relative to the working folder."""
    monkeypatch.chdir(tmp_path)
    Path("more/deep").mkdir(parents=True)
    files = ["a.wav", "b.wav", "more/c.wav", "more/deep/d.WAV"]
    for i, file in enumerate(files):
        Path(file).write_bytes(audio.encode_wav(speech("happy", i, rng=rng, seconds=1.0)))
    Path("more/notes.txt").write_text("not a recording")
    return files


def test_files_and_folders_to_parquet(clips: list[str]) -> None:
    result = run("librosa180", "b.wav", "a.wav", "more", "-o", "out.parquet")
    assert result.exit_code == 0
    assert result.stdout == ""
    assert "out.parquet: 4 rows, 180 features" in result.stderr
    table = pd.read_parquet("out.parquet")
    assert list(table.columns) == ["file", "start", "end", *features.get("librosa180").names]
    assert list(table["file"]) == ["b.wav", "a.wav", "more/c.wav", "more/deep/d.WAV"]
    assert (table["start"] == 0).all()
    assert table["end"].isna().all()
    assert (table.dtypes.iloc[3:] == np.float32).all()
    expected = features.get("librosa180")(audio.load("a.wav"))
    np.testing.assert_allclose(table.iloc[1, 3:].to_numpy(np.float32), expected, rtol=1e-5, atol=1e-5)


def test_patterns_and_csv(clips: list[str]) -> None:
    assert run("librosa180", "*.wav", "more/**/*.WAV", "-o", "out.csv").exit_code == 0
    table = pd.read_csv("out.csv")
    assert list(table["file"]) == ["a.wav", "b.wav", "more/deep/d.WAV"]
    assert table.shape == (3, 183)


def test_corpora_bring_their_columns(tmp_path: Path) -> None:
    root = write_ravdess(tmp_path / "ravdess", speakers=[1], emotions=["happy", "sad"], repetitions=1)
    output = tmp_path / "out.parquet"
    assert run("librosa180", f"ravdess={root}", "-o", output).exit_code == 0
    table = pd.read_parquet(output)
    assert list(table.columns[:8]) == ["corpus", "file", "start", "end", "speaker", "label", "emotion", "mfcc_01"]
    assert set(table["corpus"]) == {"ravdess"}
    assert set(table["speaker"]) == {"ravdess/01"}
    assert set(table["emotion"]) == {"happy", "sad"}
    assert len(table) == 8


def test_options_of_the_front_end(clips: list[str]) -> None:
    run("librosa180", "a.wav", "--set", "rate=48000", "-o", "48.csv")
    run("librosa180", "a.wav", "-o", "16.csv")
    high, low = pd.read_csv("48.csv"), pd.read_csv("16.csv")
    assert high["mel_128"].item() < 1e-6 < low["mel_128"].item()


def test_recordings_that_fail_are_named_and_left_out(clips: list[str]) -> None:
    result = run("librosa180", "a.wav", "gone.wav", "more/notes.txt", "b.wav", "-o", "out.csv")
    assert result.exit_code == 1
    assert "gone.wav" in result.stderr
    assert "notes.txt" in result.stderr
    assert "out.csv: 2 rows" in result.stderr
    assert list(pd.read_csv("out.csv")["file"]) == ["a.wav", "b.wav"]


def test_when_all_fail_no_table_is_written(clips: list[str]) -> None:
    result = run("librosa180", "gone.wav", "-o", "out.csv")
    assert result.exit_code == 1
    assert not Path("out.csv").exists()


def test_a_table_is_replaced_whole(clips: list[str]) -> None:
    Path("out.csv").write_text("older")
    run("librosa180", "a.wav", "-o", "out.csv")
    assert len(pd.read_csv("out.csv")) == 1
    assert not [path for path in Path().iterdir() if path.name.endswith(".part")]


def test_the_cache_is_used_unless_told_not_to(clips: list[str], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("EMOTONE_CACHE", "cache")
    run("librosa180", "a.wav", "-o", "out.csv", "--no-cache")
    assert not Path("cache").exists()
    run("librosa180", "a.wav", "-o", "out.csv")
    assert list(Path("cache").rglob("*.sqlite3"))


def test_trouble_with_the_cache_is_a_sentence(clips: list[str], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("EMOTONE_CACHE", str(Path("a.wav").absolute()))
    result = run("librosa180", "b.wav", "-o", "out.csv")
    assert result.exit_code == 0
    assert "can't be used" in result.stderr
    assert "Warning" not in result.stderr


def test_list() -> None:
    result = run("--list")
    assert result.exit_code == 0
    for name in features.names():
        assert name in result.stdout


def test_list_as_json() -> None:
    pytest.importorskip("opensmile")
    facts = {one["name"]: one for one in json.loads(run("--list", "--json").stdout)}
    assert tuple(facts) == features.names()
    assert facts["librosa180"]["n_features"] == 180
    assert facts["librosa180"]["options"] == {"rate": 16_000}
    assert facts["librosa180"]["licence_note"] is None
    assert facts["compare"]["n_features"] == 6373
    assert "research" in facts["compare"]["licence_note"]


def test_list_says_what_is_not_installed(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "opensmile", None)
    facts = {one["name"]: one for one in json.loads(run("--list", "--json").stdout)}
    assert "pip install 'emotone[egemaps]'" in facts["egemaps"]["missing"]
    assert facts["librosa180"]["missing"] is None


def test_a_research_licence_is_said_aloud(clips: list[str]) -> None:
    pytest.importorskip("opensmile")
    assert "research" in run("egemaps", "a.wav", "-o", "out.csv").stderr
    assert pd.read_csv("out.csv").shape == (1, 91)


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        ([], "Give a front-end.*for example"),
        (["librosa180"], "Give a front-end"),
        (["librosa180", "a.wav"], "where to write"),
        (["librosa", "a.wav", "-o", "out.csv"], "Unknown features 'librosa'.*librosa180"),
        (["librosa180", "a.wav", "-o", "out.xlsx"], r"\.parquet or \.csv, not 'out\.xlsx'"),
        (["librosa180", "a.wav", "-o", "no/out.csv"], "no folder no to write out.csv"),
        (["librosa180", "a.wav", "-o", "folder.csv"], "is a folder"),
        (["librosa180", "empty", "-o", "out.csv"], "no recordings in empty"),
        (["librosa180", "*.flac", "-o", "out.csv"], r"no recordings in \*\.flac"),
        (["librosa180", "ravdess=x", "a.wav", "-o", "out.csv"], "not both: ravdess=x and a.wav"),
        (["librosa180", "ravdes=more", "-o", "out.csv"], "Unknown corpus 'ravdes'"),
        (["librosa180", "a.wav", "--set", "rate", "-o", "out.csv"], "OPTION=VALUE.*not 'rate'"),
        (["librosa180", "a.wav", "--set", "rat=1", "-o", "out.csv"], "'rat'.*Allowed: rate"),
        (["librosa180", "a.wav", "--set", "rate=fast", "-o", "out.csv"], "not 'fast'"),
    ],
)
def test_wrong_usage_is_one_sentence(clips: list[str], arguments: list[str], words: str) -> None:
    Path("empty").mkdir()
    Path("folder.csv").mkdir()
    with pytest.raises(ConfigError, match=words):
        run(*arguments)


def test_a_root_that_is_not_the_corpus(clips: list[str]) -> None:
    with pytest.raises(CorpusError):
        run("librosa180", "ravdess=more", "-o", "out.csv")
    assert not Path("out.csv").exists()
