"""`emotone predict`: what it prints where, and how it exits."""

from __future__ import annotations

import csv
import io
import json
import os
import pty
import re
import shutil
import subprocess
import sys
import time
from pathlib import Path
from threading import Thread
from typing import Any

import numpy as np
import pytest
import soundfile
from commands import runner
from tiny import LABELS, tiny, tiny_adapting, tiny_dimensions
from typer import Typer
from typer.testing import CliRunner, Result

import emotone
from emotone import saved, synthetic
from emotone.cli.predict import _cropped, predict
from emotone.errors import AudioError, ConfigError, RecogniserError
from emotone.recogniser import Recogniser
from emotone.segment import FLAGS, Segment

ROOT = Path(__file__).resolve().parents[1]

app = Typer()
app.command()(predict)


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
def clips(tmp_path, monkeypatch) -> Path:
    """The working folder, with three recordings in ``clips``, one of them a folder down."""
    monkeypatch.chdir(tmp_path)
    rng = np.random.default_rng(3)
    for name, emotion, speaker in (("a", "angry", 1), ("b", "sad", 2), ("more/c", "neutral", 4)):
        path = tmp_path / "clips" / f"{name}.wav"
        path.parent.mkdir(parents=True, exist_ok=True)
        soundfile.write(path, synthetic.speech(emotion, speaker, rng=rng, seconds=1.2), 16_000)
    return Path("clips")


@pytest.fixture
def silent(clips) -> Path:
    soundfile.write(clips / "silent.wav", np.zeros(16_000), 16_000)
    return clips / "silent.wav"


@pytest.fixture
def run(model):
    return runner(app, "--model", model)


# --- for people ---


def test_one_recording_gets_a_bar_for_every_emotion(run, rec, clips):
    result = run(clips / "a.wav")
    segment = rec.predict(clips / "a.wav")
    first, *bars = result.stdout.splitlines()
    assert first == f"{segment.emotion} {100 * segment.confidence:.0f} %  clips/a.wav, 1.2 s"
    assert [bar.split()[0] for bar in bars] == list(LABELS)
    for bar, share in zip(bars, segment.scores.values(), strict=True):
        assert bar.endswith(f" {100 * share:.0f} %")
        assert bar.count("█") == int(40 * share + 1 / 16)
        assert len(bar) <= 80
    assert (result.exit_code, result.stderr) == (0, "")


def test_many_recordings_get_a_line_each(run, rec, clips):
    result = run(clips)
    lines = result.stdout.splitlines()
    assert [line.split()[0] for line in lines] == ["clips/a.wav", "clips/b.wav", "clips/more/c.wav"]
    for line in lines:
        segment = rec.predict(line.split()[0])
        assert (segment.emotion or "can't tell") in line
        assert f"{100 * segment.confidence:.0f} %" in line
        assert len(line) <= 80
    assert result.exit_code == 0


def test_long_names_keep_their_ends_and_the_line_its_width(run, clips):
    for number in range(3):
        shutil.copy(clips / "a.wav", clips / f"{'long ' * 20}{number}.wav")
    lines = run(*clips.glob("long*")).stdout.splitlines()
    assert all(line.startswith("…") and len(line) <= 80 for line in lines)
    assert {re.search(r"(\d)\.wav  ", line)[1] for line in lines} == {"0", "1", "2"}


def test_flags_are_put_into_words(run, silent):
    result = run(silent)
    assert result.stdout.splitlines() == [
        f"no speech  {silent}, 1.0 s",
        f"  no_speech: {FLAGS['no_speech']}",
    ]
    assert result.exit_code == 0
    assert re.search(r"silent\.wav +no speech *$", run("clips").stdout, re.MULTILINE)


def test_an_uncertain_answer_says_what_it_might_be(rec, clips, run, tmp_path):
    unsure = rec.abstaining_below(1.0).save(tmp_path / "unsure")
    likeliest = f"{max((s := rec.predict(clips / 'b.wav').scores), key=s.get)} {100 * max(s.values()):.0f} %"
    full = run(clips / "b.wav", "--model", unsure).stdout
    assert full.startswith("can't tell  clips/b.wav")
    assert f"uncertain: {FLAGS['uncertain']}" in full
    assert f"uncertain, {likeliest}?\n" in run(clips, "--model", unsure).stdout


def test_what_cannot_be_ruled_out_is_listed(rec, clips, run, tmp_path):
    config = saved.resealed(rec.config, conformal={"level": 0.9, "threshold": 1.0})
    folder = saved.write(tmp_path / "sets", saved.Parts(config, rec._parts.model, "# card\n"))
    full = run(clips / "b.wav", "--model", folder).stdout.splitlines()
    assert full[-1] == "  likely: neutral, sad, angry  (90 % of such lists hold the true emotion)"
    assert "likely" not in run(clips / "b.wav").stdout
    [first, *_] = csv.DictReader(io.StringIO(run(clips, "--csv", "--model", folder).stdout))
    assert first["likely"] == "neutral sad angry"


def test_a_picture_of_one(run, clips, silent, tmp_path):
    result = run(clips / "a.wav", "--plot", tmp_path / "new" / "a.png", "--json")
    assert json.loads(result.stdout)["file"] == "clips/a.wav"
    assert (tmp_path / "new" / "a.png").read_bytes().startswith(b"\x89PNG")
    assert str(tmp_path / "new" / "a.png") in result.stderr.replace("\n", "")
    assert run(silent, "--plot", tmp_path / "silent.svg").exit_code == 0
    assert "can't tell" in (tmp_path / "silent.svg").read_text() or (tmp_path / "silent.svg").stat().st_size
    with pytest.raises(ConfigError, match="draws one recording, and there are 4"):
        run(clips, "--plot", "x.png")
    assert run("missing.wav", "--plot", tmp_path / "b.png").exit_code == 1
    assert not (tmp_path / "b.png").exists()


# --- for programs ---


def test_a_line_of_json_for_each(run, rec, clips):
    result = run(clips, "--json")
    rows = [json.loads(line) for line in result.stdout.splitlines()]
    assert [row["file"] for row in rows] == ["clips/a.wav", "clips/b.wav", "clips/more/c.wav"]
    for row in rows:
        assert list(row) == ["file", "start", "end", "emotion", "confidence", "scores", "likely", "dimensions", "flags"]
        assert Segment.from_dict(row) == rec.predict(row["file"])
    assert result.stderr == ""


def test_a_table(run, rec, clips, silent):
    [*rows] = csv.DictReader(io.StringIO(run(clips, "--csv").stdout))
    assert list(rows[0]) == [
        *("file", "start", "end", "emotion", "confidence", "flags", "likely"),
        *(f"p_{label}" for label in LABELS),
    ]
    assert len(rows) == 4
    for row in rows:
        segment = rec.predict(row["file"])
        assert row["emotion"] == (segment.emotion or "")
        assert float(row["confidence"]) == segment.confidence
        assert row["flags"].split() == list(segment.flags)
        assert row["p_sad"] == str(segment.scores.get("sad", ""))


@pytest.fixture
def of_dimensions(tmp_path):
    """The same command with a recogniser of arousal and valence."""
    folder = tiny_dimensions().recogniser.save(tmp_path / "dimensions")

    def run(*arguments: object) -> Result:
        return CliRunner().invoke(app, ["--model", str(folder), *map(str, arguments)], catch_exceptions=False)

    return run


def test_dimensions_are_numbers_in_every_form(of_dimensions, clips, silent):
    segment = tiny_dimensions().recogniser.predict(clips / "a.wav")
    arousal, valence = segment.dimensions.values()
    words = f"arousal {arousal:.2f}, valence {valence:.2f}"
    assert of_dimensions(clips / "a.wav").stdout == f"{words}  clips/a.wav, 1.2 s\n"
    lines = of_dimensions(clips).stdout.splitlines()
    assert lines[0].split(maxsplit=1) == ["clips/a.wav", words]
    assert lines[-1].split(maxsplit=1) == ["clips/silent.wav", "no speech, no_speech"]
    [first, *_] = [json.loads(line) for line in of_dimensions(clips, "--json").stdout.splitlines()]
    assert (first["emotion"], first["scores"]) == (None, {})
    assert first["dimensions"] == {"arousal": arousal, "valence": valence}
    [row, *_, last] = csv.DictReader(io.StringIO(of_dimensions(clips, "--csv").stdout))
    assert list(row) == ["file", "start", "end", "emotion", "confidence", "flags", "likely", "arousal", "valence"]
    assert (row["arousal"], row["valence"]) == (str(arousal), str(valence))
    assert (last["arousal"], last["flags"]) == ("", "no_speech")


def test_dimensions_have_no_picture(of_dimensions, clips):
    with pytest.raises(ConfigError, match=r"tiny dimensions has none\. Leave out --plot"):
        of_dimensions(clips / "a.wav", "--plot", "x.png")


@pytest.mark.parametrize("form", [[], ["--json"], ["--csv"]])
def test_a_bad_one_is_named_and_the_rest_is_done(run, clips, form):
    (clips / "b.wav").write_text("no sound at all")
    result = run("missing.wav", clips, *form)
    assert result.exit_code == 1
    assert "clips/a.wav" in result.stdout
    assert "clips/more/c.wav" in result.stdout
    assert "b.wav" not in result.stdout
    assert len(result.stderr.splitlines()) == 2
    assert "emotone: There is no file missing.wav" in result.stderr
    assert "emotone: clips/b.wav" in result.stderr


def test_a_table_without_rows_is_empty(run):
    result = run("missing.wav", "--csv")
    assert (result.stdout, result.exit_code) == ("", 1)


# --- which recordings ---


def test_a_file_with_the_signs_of_a_pattern_in_its_name(run, clips):
    shutil.copy(clips / "a.wav", clips / "take [1].wav")
    assert json.loads(run(clips / "take [1].wav", "--json").stdout)["file"] == "clips/take [1].wav"


def test_where_nothing_matches_it_says_so(run, clips):
    (clips / "empty").mkdir()
    with pytest.raises(ConfigError, match=r"The folder clips/empty holds no recordings.*The pattern \*\.flac"):
        run(clips / "empty", "*.flac")
    result = run("*.flac", clips / "a.wav", "--json")
    assert result.exit_code == 1
    assert "The pattern *.flac holds no recordings" in result.stderr
    assert json.loads(result.stdout)["file"] == "clips/a.wav"


def test_a_recording_from_a_pipe(run, rec, clips):
    sound = (clips / "a.wav").read_bytes()
    row = json.loads(run("-", "--json", stdin=sound).stdout)
    assert row["file"] == "-"
    assert Segment.from_dict(row | {"file": None}) == rec.predict(clips / "a.wav")
    for nothing in (b"", b"no sound"):
        result = run("-", stdin=nothing)
        assert result.exit_code == 1
        assert result.stderr.startswith("emotone: - ")
        assert "tmp" not in result.stderr


@pytest.mark.parametrize("name", ["[bold]x[/].wav", "new\nline.wav", "esc\x1b[31m.wav", "日本語.wav", b"\xff.wav"])
@pytest.mark.parametrize("form", [[], ["--json"], ["--csv"]])
def test_odd_names(run, clips, name, form):
    path = clips / os.fsdecode(name)
    try:
        shutil.copy(clips / "a.wav", path)
    except OSError:
        pytest.skip("this file system takes no such name")
    result = run(path, *form)
    readable = "".join(c if c.isprintable() else "\ufffd" for c in path.name)
    assert readable in result.stdout
    assert result.exit_code == 0
    path.write_bytes(b"")
    failed = run(path, *form)
    assert failed.exit_code == 1
    assert "is empty" in failed.stderr
    assert "\x1b" not in failed.stderr


def test_names_are_cropped_to_columns_not_letters():
    assert _cropped("abc", 5) == "abc  "
    assert _cropped("abcdef", 5) == "…cdef"
    assert _cropped("日本語", 5) == "…本語"
    assert _cropped("日本語", 6) == "日本語"


# --- who speaks ---


@pytest.fixture
def adapting(tmp_path):
    """A recogniser that can adapt, and its folder."""
    able = tiny_adapting().recogniser
    return able, able.save(tmp_path / "adapting")


def test_recordings_of_the_speaker_change_the_answer_and_nothing_else(run, adapting, clips, silent):
    able, folder = adapting
    plain = run("--model", folder, "--json", clips / "a.wav")
    known = run("--model", folder, "--json", clips / "a.wav", "--adapt", clips, "--adapt", clips / "a.wav")
    assert plain.stderr == ""
    assert known.stderr == "Knows the speaker from 3 utterances (1 utterance too short or silent).\n"
    before, after = json.loads(plain.stdout), json.loads(known.stdout)
    assert list(before) == list(after)
    assert before["scores"] != after["scores"]
    paths = [clips / "a.wav", clips / "b.wav", clips / "more" / "c.wav", silent]
    assert after == {"file": str(clips / "a.wav"), **able.adapt(paths).predict(clips / "a.wav").as_dict()}
    alone = run("--model", folder, clips / "a.wav", "--adapt", clips / "b.wav")
    assert alone.stderr == "Knows the speaker from 1 utterance.\n"


@pytest.mark.parametrize(
    ("given", "error", "words"),
    [
        (
            "silent.wav",
            ConfigError,
            "Recordings tell how a speaker sounds, but nobody speaks in those given, or too shortly",
        ),
        ("nobody.wav", AudioError, "nobody.wav"),
        ("nothing/*.wav", ConfigError, "The pattern clips/nothing/*.wav holds no recordings"),
    ],
)
def test_a_speaker_who_can_not_be_known_is_said_before_any_answer(run, adapting, clips, silent, given, error, words):
    with pytest.raises(error, match=re.escape(words)):
        run("--model", adapting[1], clips / "a.wav", "--adapt", clips / given)


def test_a_recogniser_that_can_not_adapt_says_so(run, clips):
    with pytest.raises(ConfigError, match="can't adapt to a speaker"):
        run(clips / "a.wav", "--adapt", clips / "b.wav")


# --- wrong usage ---


def test_wrong_usage(run, clips, tmp_path):
    with pytest.raises(ConfigError, match="--json and --csv"):
        run(clips, "--json", "--csv")
    with pytest.raises(RecogniserError, match="There is no recogniser 'nowhere'"):
        run(clips, "--model", "nowhere")
    assert run().exit_code == 2
    assert run(clips, "--jsno").exit_code == 2


# --- as a process ---


def process(*arguments: object, **options: Any) -> subprocess.Popen[bytes]:
    code = "import sys; from emotone.cli import main; sys.argv[0] = 'emotone'; main()"
    command = [sys.executable, "-c", code, "predict", *map(str, arguments)]
    source = {"PYTHONPATH": str(Path(emotone.__file__).parents[1])}  # it may be relative, and this isn't its folder
    env = {**os.environ, **source, **options.pop("env", {})}
    pipes = {"stdout": subprocess.PIPE, "stderr": subprocess.PIPE} | options
    return subprocess.Popen(command, env=env, **pipes)  # type: ignore[call-overload,no-any-return]


def test_the_whole_command(model, clips, tmp_path):
    began = time.perf_counter()
    with process("-m", model, clips / "a.wav", "--json") as running:
        out, err = running.communicate()
    print(f"emotone predict, whole process: {time.perf_counter() - began:.2f} s")
    assert json.loads(out)["emotion"]
    assert (running.returncode, err) == (0, b"")
    for arguments, code, words in (
        (["missing.wav"], 1, "There is no file missing.wav"),
        (["*.flac"], 2, "holds no recordings"),
        ([clips, "--json", "--csv"], 2, "Choose one"),
        ([clips, "-m", tmp_path], 2, "has no config.json"),
    ):
        with process("-m", model, *arguments) as running:
            out, err = running.communicate()
        assert (running.returncode, out) == (code, b"")
        assert words in err.decode()
        assert "Traceback" not in err.decode()


def test_lines_come_as_they_are_ready_and_a_closed_pipe_is_no_crash(model, clips):
    for number in range(80):
        shutil.copy(clips / "a.wav", clips / f"copy{number:02}.wav")
    with process("-m", model, "--json", clips) as running:
        assert json.loads(running.stdout.readline())["file"] == "clips/a.wav"
        assert running.poll() is None
        running.stdout.close()
        err = running.stderr.read()
    assert b"Traceback" not in err


def test_where_the_terminal_knows_only_ascii(model, clips):
    shutil.copy(clips / "a.wav", clips / "é.wav")
    plain = {"PYTHONIOENCODING": "ascii", "PYTHONUTF8": "0"}
    with process("-m", model, clips / "é.wav", env=plain) as running:
        out, err = running.communicate()
    assert (running.returncode, err) == (0, b"")
    assert out.isascii()
    assert b"?.wav" in out
    assert b"###" in out


def on_a_terminal(*arguments: object, stdout_too: bool) -> tuple[str, str]:
    """What a terminal gets from a command whose stderr, at least, it is; and what a pipe for stdout gets."""
    leader, terminal = pty.openpty()
    seen: list[bytes] = []

    def read() -> None:
        try:
            while chunk := os.read(leader, 4096):
                seen.append(chunk)
        except OSError:  # the other side has gone
            pass

    reader = Thread(target=read)
    reader.start()
    stdout = {"stdout": terminal} if stdout_too else {}
    with process(*arguments, stderr=terminal, env={"TERM": "xterm-256color"}, **stdout) as running:
        out, _ = running.communicate()
    os.close(terminal)
    reader.join()
    os.close(leader)
    assert running.returncode == 0
    return b"".join(seen).decode(), (out or b"").decode()


@pytest.mark.parametrize("form", [[], ["--json"], ["--csv"]])
@pytest.mark.parametrize("stdout_too", [False, True])
def test_a_progress_bar_never_mixes_with_the_answers(model, clips, form, stdout_too):
    for number in range(12):
        shutil.copy(clips / "a.wav", clips / f"copy{number:02}.wav")
    screen, piped = on_a_terminal("-m", model, clips, *form, stdout_too=stdout_too)
    assert ("Listening" in screen) == (not form or not stdout_too)
    assert "Listening" not in piped
    # Each answer starts on a line that was empty, or was wiped just before (ESC [2K).
    lines = re.split(r"\r?\n|\x1b\[2K", screen if stdout_too else piped)
    start = '{"file": "' if form == ["--json"] else ""
    assert sum(bool(re.match(rf"{start}clips/copy\d\d\.wav", line)) for line in lines) == 12
    if not stdout_too:
        assert "copy" not in screen


def test_the_demo_says_what_it_cannot_use_before_it_installs_anything(tmp_path):
    demo = [str(ROOT / "scripts" / "demo")]
    for arguments, words in ((["nowhere.wav"], "nowhere.wav"), (["a", "b"], "scripts/demo [FILE]")):
        done = subprocess.run([*demo, *arguments], cwd=tmp_path, capture_output=True, text=True, check=False)
        assert done.returncode == 2
        assert words in done.stderr
    helped = subprocess.run([*demo, "--help"], cwd=tmp_path, capture_output=True, text=True, check=False)
    assert (helped.returncode, helped.stderr) == (0, "")
    assert "scripts/demo [FILE]" in helped.stdout
