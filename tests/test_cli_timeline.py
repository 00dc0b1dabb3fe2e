"""`emotone timeline`: what it prints where, and how it exits."""

from __future__ import annotations

import csv
import io
import json
import os
import pty
import re
import subprocess
import sys
from pathlib import Path

import joined
import numpy as np
import pytest
import soundfile
from commands import runner
from tiny import LABELS, tiny, tiny_adapting, tiny_dimensions
from typer import Typer
from typer.testing import CliRunner

import emotone
from emotone import formats
from emotone.cli.lines import clock
from emotone.cli.timeline import timeline
from emotone.errors import ConfigError
from emotone.recogniser import Recogniser
from emotone.segment import Segment
from emotone.stream import StreamOptions
from emotone.summary import summarise

RATE = 16_000

app = Typer()
app.command()(timeline)


@pytest.fixture(autouse=True)
def eighty_columns(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("COLUMNS", "80")


@pytest.fixture(scope="module")
def rec() -> Recogniser:
    return tiny().recogniser


@pytest.fixture(scope="module")
def model(tmp_path_factory, rec) -> Path:
    return rec.save(tmp_path_factory.mktemp("recognisers") / "tiny")


@pytest.fixture
def talk(tmp_path, monkeypatch) -> Path:
    """A recording in the working folder."""
    monkeypatch.chdir(tmp_path)
    soundfile.write("talk.wav", joined.talk().signal, RATE)
    return Path("talk.wav")


@pytest.fixture
def run(model):
    return runner(app, "--model", model)


def test_people_get_a_line_for_each_segment(run, rec, talk):
    result = run(talk)
    segments = rec.timeline(talk)
    lines = result.stdout.splitlines()
    assert (result.exit_code, result.stderr) == (0, "")
    assert len(lines) == len(segments) == 7
    for line, segment in zip(lines, segments, strict=True):
        assert line.startswith(f"{clock(segment.start)}–{clock(segment.end)}  ")
        if "no_speech" in segment.flags:
            assert line.endswith("no speech")
        else:
            named = segment.emotion or "can't tell"
            assert re.search(rf"  {named} +{100 * segment.confidence:.0f} %", line)
            assert ("uncertain" in line) == (segment.emotion is None)


def test_json_has_a_line_for_each_segment(run, rec, talk):
    result = run(talk, "--json")
    rows = [json.loads(line) for line in result.stdout.splitlines()]
    assert {row["file"] for row in rows} == {"talk.wav"}
    assert [Segment.from_dict(row) for row in rows] == rec.timeline(talk)


def test_csv_has_a_row_for_each_segment(run, rec, talk):
    rows = list(csv.DictReader(io.StringIO(run(talk, "--csv").stdout)))
    segments = rec.timeline(talk)
    header = ["file", "channel", "speaker", "start", "end", "emotion", "confidence", "flags", "likely"]
    header += [f"p_{name}" for name in LABELS]
    assert list(rows[0]) == header
    assert [float(row["end"]) for row in rows] == [segment.end for segment in segments]
    assert [row["emotion"] for row in rows] == [segment.emotion or "" for segment in segments]
    assert [row["flags"] for row in rows] == [" ".join(segment.flags) for segment in segments]
    assert {row["channel"] for row in rows} == {""}


def test_several_recordings_have_headings_and_one_table(run, talk):
    Path("again.wav").write_bytes(talk.read_bytes())
    lines = run("again.wav", talk).stdout.splitlines()
    assert [line for line in lines if line.endswith(".wav")] == ["again.wav", "talk.wav"]
    table = run("again.wav", talk, "--csv").stdout.splitlines()
    assert sum(line.startswith("file,") for line in table) == 1


def test_channels_by_themselves(run, talk):
    signal, _ = soundfile.read(talk)
    soundfile.write("call.wav", np.stack([signal, np.zeros_like(signal)], axis=1), RATE)
    lines = run("call.wav", "--channels", "each").stdout.splitlines()
    assert lines[0] == "channel 0"
    assert lines[-2] == "channel 1"
    assert lines[-1].endswith("no speech")
    rows = [json.loads(line) for line in run("call.wav", "--channels", "each", "--json").stdout.splitlines()]
    assert [row["channel"] for row in rows] == [0] * (len(rows) - 1) + [1]


def test_what_is_piped_in_is_heard(run, talk):
    result = run("-", "--json", stdin=talk.read_bytes())
    assert {json.loads(line)["file"] for line in result.stdout.splitlines()} == {"-"}
    assert len(result.stdout.splitlines()) == 7


def test_dimensions_are_told(tmp_path, talk):
    folder = tiny_dimensions().recogniser.save(tmp_path / "dimensions")
    result = CliRunner().invoke(app, ["--model", str(folder), str(talk)])
    spoken = [line for line in result.stdout.splitlines() if not line.endswith("no speech")]
    assert len(spoken) == 3
    assert all(re.search(r"arousal -?\d+\.\d\d, valence -?\d+\.\d\d", line) for line in spoken)


# --- what can be wrong ---


def test_a_recording_that_fails_is_named_and_the_rest_is_done(run, talk):
    Path("words.wav").write_text("no sound at all", encoding="utf-8")
    result = run("words.wav", "missing.wav", talk, "--json")
    assert result.exit_code == 1
    assert len(result.stdout.splitlines()) == 7
    assert "words.wav can't be read: it is text" in result.stderr
    assert "There is no file missing.wav" in result.stderr
    assert "Traceback" not in result.stderr


def test_what_is_there_of_a_broken_recording_is_printed_and_the_rest_is_said(run, talk):
    content = talk.read_bytes()
    Path("cut.wav").write_bytes(content[: len(content) * 2 // 3])
    result = run("cut.wav")
    assert result.exit_code == 1
    assert len(result.stdout.splitlines()) >= 4
    assert re.search(r"cut\.wav breaks off after \d+\.\d\d s of the \d+\.\d\d s", result.stderr)


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["--json", "--csv"], "exclude each other"),
        (["--channels", "left"], "Allowed: mix, each"),
    ],
)
def test_wrong_usage(run, talk, arguments, message):
    with pytest.raises(ConfigError, match=message):
        run(talk, *arguments)


def test_nothing_to_hear(run, tmp_path):
    with pytest.raises(ConfigError, match="holds no recordings"):
        run(tmp_path)


@pytest.mark.parametrize(
    ("seconds", "words"),
    [(0.0, " 0:00.00"), (59.996, " 1:00.00"), (61.25, " 1:01.25"), (3599.999, "1:00:00.00"), (36_000.5, "10:00:00.50")],
)
def test_theclock(seconds, words):
    assert clock(seconds) == words


# --- seen from outside ---


def test_a_terminal_gets_a_bar_and_the_lines_stay_whole(model, talk, rec):
    """stderr is a terminal, stdout a pipe."""
    above, below = pty.openpty()
    environment = {**os.environ, "PYTHONPATH": str(Path(emotone.__file__).parents[1]), "TERM": "xterm"}
    command = [sys.executable, "-m", "emotone", "timeline", str(talk), "--model", str(model)]
    if not (Path(emotone.__file__).parent / "__main__.py").exists():
        command[1:3] = ["-c", "from emotone.cli import main; main()"]
    done = subprocess.run(command, stdout=subprocess.PIPE, stderr=below, env=environment, timeout=60, check=False)
    os.close(below)
    words = os.read(above, 100_000).decode()
    os.close(above)
    assert done.returncode == 0, words
    assert "Listening" in words
    assert len(done.stdout.decode().splitlines()) == len(rec.timeline(talk))


# --- files ---


def test_files_hold_what_would_be_printed(run, rec, talk, tmp_path):
    files = [Path(f"out/talk{ending}") for ending in (".json", ".jsonl", ".csv", ".TextGrid", ".vtt", ".rttm", ".txt")]
    result = run(talk, *(part for file in files for part in ("-o", file)))
    assert (result.exit_code, result.stdout) == (0, "")
    expected = rec.timeline(talk)
    assert formats.read(files[0]) == formats.read(files[1]) == formats.read(files[2]) == expected
    assert files[3].read_text(encoding="utf-8") == formats.dumps(expected, "textgrid", source="talk.wav")
    assert all(file.stat().st_size > 50 for file in files)
    assert len(run(talk, "-o", "again.json", "--json").stdout.splitlines()) == 7  # both, if both are asked for


@pytest.mark.parametrize("name", ["json", "textgrid", "audacity", "vtt", "rttm"])
def test_any_format_can_be_printed(run, rec, talk, name):
    expected = formats.dumps(rec.timeline(talk), name, source="talk.wav", labels=rec.labels)
    assert run(talk, "--format", name).stdout == expected


def test_a_folder_gets_a_file_for_each_and_what_is_done_is_left_out(run, talk):
    content = talk.read_bytes()
    for name in ("calls/a.wav", "calls/more/a.wav", "calls/cut.wav"):
        Path(name).parent.mkdir(parents=True, exist_ok=True)
        Path(name).write_bytes(content if "cut" not in name else content[: len(content) * 2 // 3])
    result = run("calls", "-o", "out", "--format", "csv", "--resume")
    assert result.exit_code == 1
    assert "cut.wav breaks off after" in result.stderr
    written = [Path("out/a.csv"), Path("out/more/a.csv"), Path("out/cut.csv")]
    assert [len(formats.read(path)) for path in written] == [7, 7, 5]
    before = [path.stat().st_mtime_ns for path in written]
    result = run("calls", "-o", "out", "--format", "csv", "--resume")
    assert "2 of 3 recordings are done already." in result.stderr
    assert [path.stat().st_mtime_ns for path in written] == before  # the torn one was heard again, and dated again
    Path("calls/cut.wav").write_bytes(content)
    assert run("calls", "-o", "out", "--format", "csv", "--resume").exit_code == 0
    assert len(formats.read(written[2])) == 7


def test_one_table_of_several_recordings(run, talk):
    Path("again.wav").write_bytes(talk.read_bytes())
    run("again.wav", talk, "-o", "all.csv")
    assert [str(segment.source) for segment in formats.read("all.csv")] == ["again.wav"] * 7 + ["talk.wav"] * 7


# --- who speaks, and what it comes to ---


def turns(*names: str) -> None:
    lines = [
        f"SPEAKER {name} 1 {start} {seconds} <NA> <NA> {who} <NA> <NA>"
        for name in names
        for start, seconds, who in ((0, 3.4, "Ann"), (3.4, 60, "Bob"))
    ]
    Path("turns.rttm").write_text("\n".join(lines), encoding="utf-8")


def test_speakers_are_named_and_adapt_to_themselves(tmp_path, talk):
    adapting = tiny_adapting().recogniser
    folder = adapting.save(tmp_path / "adapting")

    def rows(*arguments: object) -> list[Segment]:
        result = CliRunner().invoke(app, ["--model", str(folder), "--json", str(talk), *map(str, arguments)])
        assert result.exit_code == 0, result.stderr
        return [Segment.from_dict(json.loads(line)) for line in result.stdout.splitlines()]

    turns("anything")  # with one recording and one name, that one is meant
    given = [(0.0, 3.4, "Ann"), (3.4, 63.4, "Bob")]
    expected = adapting.timeline(talk, turns=given, options=StreamOptions(adapt=True))
    assert rows("--turns", "turns.rttm") == expected
    assert {segment.speaker for segment in expected} == {"Ann", "Bob", None}
    assert rows("--turns", "turns.rttm", "--no-adapt") == adapting.timeline(talk, turns=given) != expected
    assert rows("--adapt") == adapting.timeline(talk, options=StreamOptions(adapt=True)) != rows()


def test_turns_of_several_recordings(run, talk):
    Path("again.wav").write_bytes(talk.read_bytes())
    turns("again", "talk")
    rows = [json.loads(line) for line in run("again.wav", talk, "--turns", "turns.rttm", "--json").stdout.splitlines()]
    assert {row["file"] for row in rows if row.get("speaker") == "Ann"} == {"again.wav", "talk.wav"}
    turns("talk")
    with pytest.raises(ConfigError, match=r"turns.rttm tells nothing of again.wav, only of talk"):
        run("again.wav", talk, "--turns", "turns.rttm")
    Path("turns.rttm").write_text("no turns at all", encoding="utf-8")
    with pytest.raises(ConfigError, match=r"line 1 isn't RTTM"):
        run(talk, "--turns", "turns.rttm")


def test_a_summary_instead(run, rec, talk):
    result = run(talk, "--summary")
    assert result.stdout.strip() == str(summarise(rec.timeline(talk)))
    found = json.loads(run(talk, "--summary", "--json").stdout)
    assert found == summarise(rec.timeline(talk)).as_dict()
    assert json.loads(run("-", "--summary", "--json", stdin=talk.read_bytes()).stdout)["channels"][0]["file"] == "-"


def test_a_picture_and_a_page(run, talk):
    pytest.importorskip("matplotlib")
    result = run(talk, "--plot", "talk.png", "--page", "talk.html", "--audio")
    assert Path("talk.png").read_bytes().startswith(b"\x89PNG")
    page = Path("talk.html").read_text(encoding="utf-8")
    assert "<h1>talk.wav</h1>" in page
    assert "<audio" in page
    assert "Page: talk.html" in result.stderr
    assert len(result.stdout.splitlines()) == 7


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["--json", "--format", "vtt"], "--json and --format exclude each other"),
        (["--summary", "--csv"], "Leave out --csv"),
        (["--format", "parquet"], r"isn't text and can't be printed. Write it: -o FILE"),
        (["--format", "vt"], "Did you mean 'vtt'"),
        (["-o", "x.docx"], "Known endings"),
        (["-o", "talk.wav/x.json"], "can't be written"),
        (["--audio"], "Say into which one: --page OUT.html"),
        (["--resume"], "Name a folder: -o FOLDER"),
        (["--resume", "again.wav", "-o", "all.csv"], "Name a folder: -o FOLDER"),
        (["again.wav", "-o", "all.vtt"], "holds one recording, and there are 2"),
        (["again.wav", "--format", "vtt"], "holds one recording, and there are 2"),
        (["again.wav", "--page", "x.html"], "--page shows one recording, and there are 2"),
        (["--adapt"], "can't adapt to a speaker"),
    ],
)
def test_wrong_usage_of_files(run, talk, arguments, message):
    Path("again.wav").write_bytes(talk.read_bytes())
    with pytest.raises(ConfigError, match=message):
        run(talk, *arguments)
