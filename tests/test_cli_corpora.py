"""`emotone corpora`: what it prints where, and how it exits."""

from __future__ import annotations

import json
import sys
import threading
import zipfile
from collections.abc import Iterator
from functools import partial
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import numpy as np
import pytest
import soundfile
from typer.testing import CliRunner, Result

from emotone import corpora
from emotone.cli.corpora import app
from emotone.errors import ConfigError


@pytest.fixture(autouse=True)
def eighty_columns(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("COLUMNS", "80")


def run(*arguments: object) -> Result:
    """The command; what emotone raises on purpose comes through, for `emotone.cli.main` to put into words."""
    result = CliRunner().invoke(app, [str(argument) for argument in arguments])
    if result.exception is not None and not isinstance(result.exception, SystemExit):
        raise result.exception
    return result


def plain(text: str) -> str:
    """Without the line breaks of a narrow terminal."""
    return " ".join(text.split())


@pytest.fixture
def emodb(tmp_path: Path, rng: np.random.Generator) -> Path:
    """Three recordings of EMO-DB, so nearly all of it is missing."""
    (tmp_path / "emodb").mkdir()
    for number, name in enumerate(("03a01Fa", "03a01Nc", "08a01Wa")):
        samples = rng.normal(scale=0.05, size=32_000 + number)
        soundfile.write(tmp_path / "emodb" / f"{name}.wav", samples, 16_000)
    return tmp_path / "emodb"


@pytest.fixture
def own(tmp_path: Path, rng: np.random.Generator) -> Path:
    """A folder per speaker and emotion, nothing wrong with it."""
    for speaker in ("anna", "ben"):
        for emotion in ("sad", "angry"):
            path = tmp_path / "own" / speaker / emotion / "1.wav"
            path.parent.mkdir(parents=True)
            soundfile.write(path, rng.normal(scale=0.05, size=16_000), 16_000)
    return tmp_path / "own"


TINY = """
from emotone.corpora import Archive, Corpus
CORPUS = Corpus(
    name="tiny", title="Tiny", licence="CC0 1.0", commercial=True, homepage="{url}",
    citation="Nobody (2020).",
    archives=(Archive(url="{url}/tiny.zip", filename="tiny.zip"),),
    example="anna_sad.wav", pattern=r"(?P<speaker>[a-z]+)_(?P<label>[a-z]+)",
    labels={{"sad": "sad"}}, counts={{"sad": 2}}, n_speakers=2,
)
"""


class Quiet(SimpleHTTPRequestHandler):
    def log_message(self, *arguments: object) -> None:
        pass


@pytest.fixture
def online(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """The folder of a web server on this machine, from which an installed corpus ``tiny`` is fetched."""
    served = tmp_path / "served"
    about = tmp_path / "installed" / "tiny-1.0.dist-info"
    served.mkdir()
    about.mkdir(parents=True)
    server = ThreadingHTTPServer(("127.0.0.1", 0), partial(Quiet, directory=str(served)))
    url = f"http://127.0.0.1:{server.server_address[1]}"
    (about / "METADATA").write_text("Metadata-Version: 2.1\nName: tiny\nVersion: 1.0\n")
    (about / "entry_points.txt").write_text("[emotone.corpora]\ntiny = tiny_corpus:CORPUS\n")
    (tmp_path / "installed" / "tiny_corpus.py").write_text(TINY.format(url=url))
    monkeypatch.syspath_prepend(tmp_path / "installed")
    monkeypatch.delitem(sys.modules, "tiny_corpus", raising=False)
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
    thread.start()
    yield served
    server.shutdown()
    server.server_close()
    thread.join()


# ---- list ----


def test_list_shows_every_corpus_within_eighty_columns() -> None:
    result = run("list")
    assert result.exit_code == 0
    lines = result.stdout.splitlines()
    for name in corpora.names():
        assert any(line.startswith(name) for line in lines)
    assert max(map(len, lines)) <= 80
    (ravdess,) = [line for line in lines if line.startswith("ravdess ")]
    assert ravdess.split() == [
        "ravdess",
        "en",
        "1,440",
        "24",
        "8",
        "CC",
        "BY-NC-SA",
        "4.0",
        "open,",
        "208",
        "MB",
    ]
    assert "emotone corpora show NAME" in result.stderr


def test_list_as_json_is_one_document_with_the_facts() -> None:
    result = run("list", "--json")
    assert result.stderr == ""
    records = {record["name"]: record for record in json.loads(result.stdout)}
    assert tuple(records) == corpora.names()
    assert records["emodb"]["labels"]["L"] == "bored"
    assert records["ravdess"]["archives"][0]["md5"] == "bc696df654c87fed845eb13823edef8a"
    assert records["savee"]["commercial"] is False


# ---- show ----


@pytest.mark.parametrize("name", corpora.names())
def test_show_says_what_is_known(name: str) -> None:
    corpus = corpora.get(name)
    result = run("show", name)
    assert result.exit_code == 0
    said = plain(result.stdout)
    for words in (corpus.title, corpus.licence, corpus.citation, corpus.obtain, *corpus.notes):
        assert plain(words) in said
    for fault in corpus.known_faults:
        assert fault in said
    assert max(map(len, result.stdout.splitlines())) <= 80


def test_show_lists_the_folds() -> None:
    assert "01 11 20 21 | 04 10 12 14 | 08 09 19 23" in plain(run("show", "ravdess").stdout)
    folds = json.loads(run("show", "ravdess", "--json").stdout)["official"]["official"]
    assert folds["test_speakers"][0] == ["ravdess/01", "ravdess/11", "ravdess/20", "ravdess/21"]
    assert folds["disjoint"] is True


def test_show_of_an_unknown_corpus_suggests_one() -> None:
    with pytest.raises(ConfigError, match="Did you mean 'crema_d'"):
        run("show", "cremad")


# ---- check ----


def test_check_prints_the_findings_and_exits_1_on_errors(emodb: Path) -> None:
    result = run("check", f"emodb={emodb}")
    assert result.exit_code == 1
    assert plain(result.stdout).startswith(f"emodb {emodb}: 8 errors")
    assert "error missing 126 of 127 utterances labelled W (angry) missing." in plain(result.stdout)


def test_check_of_a_sound_folder_exits_0(own: Path) -> None:
    result = run("check", f"folder={own}")
    assert result.exit_code == 0
    assert "1 note" in plain(result.stdout)
    assert "These folders are taken for speakers: anna, ben." in plain(result.stdout)


def test_warnings_count_only_when_strict(own: Path, rng: np.random.Generator) -> None:
    soundfile.write(own / "anna" / "sad" / "2.wav", rng.normal(scale=0.05, size=16_000), 8_000)
    assert run("check", f"folder={own}").exit_code == 0
    assert run("check", f"folder={own}", "--strict").exit_code == 1


def test_check_without_audio_decodes_nothing(own: Path) -> None:
    (own / "anna" / "sad" / "1.wav").write_bytes(b"not a recording")
    assert run("check", f"folder={own}", "--no-audio").exit_code == 0
    assert run("check", f"folder={own}").exit_code == 1


def test_check_as_json_names_every_file_and_goes_on_after_a_bad_root(emodb: Path, tmp_path: Path) -> None:
    result = run("check", f"ravdess={tmp_path / 'nowhere'}", f"emodb={emodb}", "--json")
    assert result.exit_code == 1
    bad, good = json.loads(result.stdout)
    assert bad["corpus"] == "ravdess"
    assert "There is no folder" in bad["trouble"]
    assert "There is no folder" in result.stderr
    assert bad["findings"] == []
    assert good["trouble"] is None
    assert {finding["severity"] for finding in good["findings"]} <= {"error", "warning", "note"}


def test_check_refuses_wrong_usage_before_any_work(emodb: Path) -> None:
    with pytest.raises(ConfigError, match="NAME=FOLDER"):
        run("check", emodb)
    result = CliRunner().invoke(app, ["check", f"emodb={emodb}", f"emo={emodb}"])
    assert isinstance(result.exception, ConfigError)
    assert result.stdout == ""


# ---- fetch ----


def test_fetch_shows_the_licence_then_fetches_and_checks(online: Path, tmp_path: Path) -> None:
    with zipfile.ZipFile(online / "tiny.zip", "w") as archive:
        archive.writestr("tiny-main/anna_sad.wav", b"1")
    result = run("fetch", "tiny", "--to", tmp_path / "new")
    assert result.stderr.startswith("Tiny\nLicence: CC0 1.0 (commercial use allowed)\nPlease cite: Nobody (2020).\n")
    assert result.stderr.rstrip().endswith(f"Use it as tiny={tmp_path / 'new'}")
    assert (tmp_path / "new" / "tiny-main" / "anna_sad.wav").read_bytes() == b"1"
    assert "1 of 2 utterances labelled sad missing" in plain(result.stdout)
    assert result.exit_code == 1


def test_a_failed_download_is_one_sentence(online: Path, tmp_path: Path) -> None:
    result = run("fetch", "tiny", "--to", tmp_path / "new")
    assert result.exit_code == 1
    assert result.stdout == ""
    last = result.stderr.rstrip().splitlines()[-1]
    assert last.startswith("emotone: http://127.0.0.1:")
    assert last.endswith("/tiny.zip can't be fetched: the server says 404 File not found.")
    assert not (tmp_path / "new").exists()


def test_fetch_goes_to_a_folder_of_its_own_by_default(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "data" / "ravdess").mkdir(parents=True)
    (tmp_path / "data" / "ravdess" / "mine.txt").touch()
    result = run("fetch", "ravdess")  # refused before the network is touched
    assert result.exit_code == 1
    assert "data/ravdess already exists" in plain(result.stderr)


def test_fetch_of_a_corpus_without_open_download_says_how_to_ask() -> None:
    with pytest.raises(ConfigError, match=r"SAVEE has no open download\. Register"):
        run("fetch", "savee")


# ---- export ----


def test_export_writes_a_folder_and_says_the_licence(emodb: Path, tmp_path: Path) -> None:
    out = tmp_path / "out"
    result = run("export", f"emodb={emodb}", "--to", "csv", "-o", out)
    assert result.exit_code == 0
    assert result.stdout == ""
    assert "holds EMO-DB for csv, without its recordings" in plain(result.stderr)
    assert "Licence: free (CC0 1.0 at audEERING) (commercial use allowed)" in plain(result.stderr)
    assert sorted(path.name for path in out.iterdir()) == ["README.md", "emodb.csv"]
    assert len(corpora.load("table", out / "emodb.csv")) == 3


def test_export_as_json_with_the_recordings(emodb: Path, tmp_path: Path) -> None:
    out = tmp_path / "out"
    result = run("export", f"emodb={emodb}", "--to", "datasets", "-o", out, "--copy-audio", "--json")
    assert json.loads(result.stdout) == {
        "corpus": "emodb",
        "form": "datasets",
        "folder": str(out),
        "licence": "free (CC0 1.0 at audEERING)",
        "audio": True,
    }
    assert result.stderr == ""
    assert len(corpora.load("datasets", out)) == 3


def test_export_refuses_wrong_usage(emodb: Path, tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match=r"Unknown form 'dataset'\. Did you mean 'datasets'"):
        run("export", f"emodb={emodb}", "--to", "dataset", "-o", tmp_path / "out")
    with pytest.raises(ConfigError, match="NAME=FOLDER"):
        run("export", emodb, "--to", "csv", "-o", tmp_path / "out")
    with pytest.raises(ConfigError, match="isn't an empty folder"):
        run("export", f"emodb={emodb}", "--to", "csv", "-o", emodb)
    assert not (tmp_path / "out").exists()
