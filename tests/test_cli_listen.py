"""`emotone listen`, as people run it: in a pipe, at a terminal, ended by Ctrl-C."""

from __future__ import annotations

import json
import os
import pty
import re
import select
import shutil
import signal
import struct
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import joined
import numpy as np
import pytest
import soundfile
from tiny import tiny, tiny_adapting
from typer import Typer
from typer.testing import CliRunner

import emotone
from emotone import audio, formats
from emotone.cli.listen import listen
from emotone.errors import ConfigError
from emotone.recogniser import Recogniser
from emotone.segment import Segment
from emotone.stream import StreamOptions

RATE = 16_000

app = Typer()
app.command()(listen)


@pytest.fixture(scope="module")
def rec() -> Recogniser:
    return tiny().recogniser


@pytest.fixture(scope="module")
def model(tmp_path_factory, rec) -> Path:
    return rec.save(tmp_path_factory.mktemp("recognisers") / "tiny")


@pytest.fixture(scope="module")
def talk(tmp_path_factory) -> Path:
    path = tmp_path_factory.mktemp("talks") / "talk.wav"
    soundfile.write(path, joined.talk().signal, RATE)
    return path


def raw(path: Path) -> bytes:
    return np.rint(audio.load(path) * 32768).astype("<i2").tobytes()


@contextmanager
def process(*arguments: object, home: Path | None = None, **streams: int) -> Iterator[subprocess.Popen[bytes]]:
    environment = {**os.environ, "PYTHONPATH": str(Path(emotone.__file__).parents[1]), "TERM": "xterm"}
    environment |= {"COLUMNS": "80"} | ({} if home is None else {"HOME": str(home)})
    code = "import sys; from emotone.cli import main; sys.argv[0] = 'emotone'; main()"
    command = [sys.executable, "-c", code, "listen", *map(str, arguments)]
    streams = {"stdin": subprocess.PIPE, "stdout": subprocess.PIPE, "stderr": subprocess.PIPE} | streams
    with subprocess.Popen(command, env=environment, **streams) as running:
        try:
            yield running
        finally:
            running.kill()


def listened(content: bytes, *arguments: object) -> tuple[int, str, str]:
    """Exit code, stdout and stderr."""
    with process("--stdin", *arguments) as running:
        out, err = running.communicate(content, timeout=60)
    assert b"Traceback" not in err, err
    return running.returncode, out.decode(), err.decode()


def segments(lines: str) -> list[Segment]:
    return [Segment.from_dict(json.loads(line)) for line in lines.splitlines()]


# --- through a pipe ---


def test_segments_are_those_of_the_recording(rec, model, talk, tmp_path):
    """On stdout, and in every file that was asked for."""
    files = [tmp_path / f"session{ending}" for ending in (".json", ".csv", ".TextGrid")]
    outputs = [part for file in files for part in ("-o", file)]
    code, out, err = listened(raw(talk), "-m", model, "--json", *outputs)
    expected = rec.timeline(audio.load(talk))
    assert code == 0, err
    assert segments(out) == expected
    assert formats.read(files[0]) == formats.read(files[1]) == expected
    assert "angry" in files[2].read_text(encoding="utf-8") or "sad" in files[2].read_text(encoding="utf-8")
    assert f"Wrote {files[0]}." in err


def test_people_get_lines(rec, model, talk):
    code, out, err = listened(talk.read_bytes(), "-m", model)  # a WAV file
    lines = out.splitlines()
    assert code == 0
    assert len(lines) == len(rec.timeline(talk)) == 7
    assert lines[0].endswith("no speech")
    assert "\x1b" not in out + err
    assert re.search(r"Heard 0:\d\d\.\d\d\.\n", err)


def test_ffmpeg_feeds_it(rec, model, talk):
    if shutil.which("ffmpeg") is None:
        pytest.skip("no ffmpeg to feed a pipe with")
    command = ["ffmpeg", "-v", "error", "-i", talk, "-f", "f32le", "-ar", "44100", "-ac", "2", "-"]
    with subprocess.Popen(command, stdout=subprocess.PIPE) as feeding:
        arguments = ("--stdin", "--rate", 44100, "--channels", 2, "--encoding", "f32le", "-m", model, "--json")
        with process(*arguments, stdin=feeding.stdout) as running:  # type: ignore[arg-type]
            out, err = running.communicate(timeout=60)
    found, expected = segments(out.decode()), rec.timeline(talk)
    assert running.returncode == 0, err
    assert [each.flags for each in found] == [each.flags for each in expected]
    assert np.allclose([each.end for each in found], [each.end for each in expected], atol=0.07)


def test_what_may_change_yet_is_marked(model, talk):
    _, out, _ = listened(raw(talk), "-m", model, "--json", "--provisional")
    rows = [json.loads(line) for line in out.splitlines()]
    certain = [row for row in rows if "provisional" not in row]
    assert [row.pop("provisional") for row in rows if "provisional" in row] == [True] * (len(rows) - len(certain))
    assert len(certain) == 7
    assert len(rows) - len(certain) >= 6  # one for each half second of some five seconds
    last = next(i for i, row in enumerate(rows) if row["emotion"] and row in certain)
    assert rows[last - 1]["start"] == rows[last]["start"]
    assert rows[last - 1] not in certain


def test_it_comes_to_know_the_voice(talk, tmp_path):
    adapting = tiny_adapting().recogniser
    _, out, _ = listened(raw(talk), "-m", adapting.save(tmp_path / "adapting"), "--json", "--adapt")
    expected = adapting.timeline(audio.load(talk), options=StreamOptions(adapt=True))
    assert segments(out) == expected != adapting.timeline(audio.load(talk))


def test_segments_do_not_wait_for_the_end(model, talk):
    content = raw(talk)
    with process("--stdin", "--json", "-m", model) as running:
        running.stdin.write(content[: len(content) * 2 // 3])
        running.stdin.flush()
        first = [json.loads(running.stdout.readline()) for _ in range(3)]
        assert running.poll() is None
        running.stdin.close()
        running.wait(30)
    assert first[1]["emotion"]


# --- how it ends ---


def test_ctrl_c_writes_the_session(rec, model, talk, tmp_path):
    content = raw(talk)[: 2 * 5 * RATE]
    with process("--stdin", "--json", "-m", model, "-o", tmp_path / "session.jsonl") as running:
        running.stdin.write(content)
        running.stdin.flush()
        lines = [running.stdout.readline() for _ in range(3)]
        time.sleep(0.5)  # for the rest of what was written to be heard
        running.send_signal(signal.SIGINT)
        rest, err = running.communicate(timeout=30)
    assert running.returncode == 0, err
    expected = rec.timeline(np.frombuffer(content, "<i2").astype(np.float32) / 32768)
    assert segments((b"".join(lines) + rest).decode()) == expected
    assert formats.read(tmp_path / "session.jsonl") == expected
    assert b"Heard 0:05.00." in err


def test_whoever_reads_may_go_and_the_session_is_kept(rec, model, talk, tmp_path):
    with process("--stdin", "--json", "-m", model, "-o", tmp_path / "session.json") as running:
        content = raw(talk)
        running.stdin.write(content[: len(content) // 2])
        running.stdin.flush()
        running.stdout.readline()
        running.stdout.close()
        running.stdin.write(content[len(content) // 2 :])
        running.stdin.close()
        err = running.stderr.read()
        running.wait(30)
    assert running.returncode == 1  # as any command whose reader goes
    assert b"Traceback" not in err
    found = formats.read(tmp_path / "session.json")
    assert len(found) > 1
    assert found[:-1] == rec.timeline(audio.load(talk))[: len(found) - 1]


def test_what_came_before_a_fault_is_kept_and_the_fault_is_said(model, talk, tmp_path):
    target = tmp_path / "session.json"
    code, out, err = listened(raw(talk)[:-1], "-m", model, "--json", "-o", target)
    assert code == 1
    assert "closed within a sample" in err
    assert len(segments(out)) == len(formats.read(target)) == 7
    target.unlink()
    code, out, err = listened(b"", "-m", model, "-o", target)
    assert (code, out) == (1, "")
    assert "closed before there was any sound" in err
    assert "Nothing was heard." in err
    assert not target.exists()


def test_a_session_that_cannot_be_written_is_kept_elsewhere(model, talk, tmp_path):
    target = tmp_path / "gone" / "session.json"
    content = raw(talk)
    with process("--stdin", "-m", model, "-o", target) as running:
        running.stdin.write(content)
        running.stdin.flush()
        running.stdout.readline()
        target.parent.rmdir()
        target.parent.write_text("in the way", encoding="utf-8")
        _, err = running.communicate(timeout=30)
    assert running.returncode == 1
    words = err.decode()
    assert f"{target} can't be written" in words
    rescued = Path(re.search(r"The session is kept in (.+)\.\n", words).group(1))  # type: ignore[union-attr]
    assert len(formats.read(rescued)) == 7
    shutil.rmtree(rescued.parent)


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["--provisional"], "goes with --json"),
        (["--rate", "8000"], "about raw samples in a pipe"),
        (["--stdin", "--device", "1"], "exclude each other"),
        (["--stdin", "-o", "x.docx"], "Known endings"),
        (["--stdin", "--encoding", "s16be"], "Allowed: s16le, f32le"),
    ],
)
def test_wrong_usage(model, tmp_path, monkeypatch, arguments, message):
    monkeypatch.chdir(tmp_path)
    result = CliRunner().invoke(app, ["-m", str(model), *arguments])
    assert isinstance(result.exception, ConfigError)
    assert re.search(message, str(result.exception))


# --- microphones ---


@pytest.fixture
def portaudio() -> None:
    try:
        import sounddevice  # noqa: F401
    except (ImportError, OSError) as error:
        pytest.skip(f"no sounddevice, or no PortAudio: {error}")


def test_devices_are_listed_or_their_absence_is_said(tmp_path, model, portaudio):
    (tmp_path / ".asoundrc").write_text("", encoding="utf-8")
    with process("--list-devices", "--json", home=tmp_path) as running:
        out, err = running.communicate(timeout=30)
    assert running.returncode == 0, err
    found = json.loads(out)["devices"]
    if found:
        assert set(found[0]) == {"number", "name", "channels", "rate", "default"}
        return
    with process("-m", model, home=tmp_path) as running:
        out, err = running.communicate(timeout=30)
    assert (running.returncode, out) == (2, b"")
    assert b"No microphone was found" in err
    assert b"Traceback" not in err


def test_a_microphone_until_ctrl_c(tmp_path, model, talk, portaudio):
    """ALSA, on Linux, has a microphone that plays a file, and then silence."""
    audio.load(talk, rate=44_100).astype("<f4").tofile(tmp_path / "sound.raw")
    (tmp_path / ".asoundrc").write_text(
        "pcm.nothing { type null }\n"
        f'pcm.played {{ type file slave.pcm "nothing" file /dev/null infile {tmp_path}/sound.raw format raw }}\n',
        encoding="utf-8",
    )
    with process("--list-devices", home=tmp_path) as running:
        if b"played" not in running.communicate(timeout=30)[0]:
            pytest.skip("no microphone can be made up here: it takes Linux, ALSA and PortAudio")
    target = tmp_path / "session.json"
    with process("--device", "played", "--json", "-m", model, "-o", target, home=tmp_path) as running:
        lines = [running.stdout.readline() for _ in range(5)]
        running.send_signal(signal.SIGINT)
        rest, err = running.communicate(timeout=30)
    assert running.returncode == 0, err
    found = segments((b"".join(lines) + rest).decode())
    assert formats.read(target) == found
    assert sum(bool(each.scores) for each in found) >= 2
    assert b"Listening to played. Ctrl-C ends it." in err


# --- at a terminal ---


def screen(output: str) -> list[str]:
    """The lines that a terminal shows after this output, as far as rich's ways go: up, back, and erase a line."""
    lines, row = [""], 0
    for part in re.findall(r"\x1b\[[0-9;?]*[A-Za-z]|\r|\n|[^\x1b\r\n]+", output):
        if part == "\n":
            row += 1
            lines += [""] * (row + 1 - len(lines))
        elif part.endswith("A") and part.startswith("\x1b"):
            row -= int(part[2:-1] or 1)
            assert row >= 0, "above the top of the screen"
        elif part == "\x1b[2K":
            lines[row] = ""
        elif part[0] not in "\r\x1b":
            lines[row] += part
    return [line.rstrip() for line in lines if line.strip()]


def test_a_terminal_stays_readable(rec, model, talk):
    above, below = pty.openpty()
    import fcntl
    import termios

    fcntl.ioctl(below, termios.TIOCSWINSZ, struct.pack("HHHH", 24, 80, 0, 0))
    content, output = raw(talk), b""
    with process("--stdin", "-m", model, stdout=below, stderr=below) as running:
        os.close(below)
        for first in range(0, len(content), 8000):  # a quarter of a second
            running.stdin.write(content[first : first + 8000])
            running.stdin.flush()
            if select.select([above], [], [], 0.12)[0]:
                output += os.read(above, 65_536)
        running.stdin.close()
        running.wait(30)
        while select.select([above], [], [], 0.2)[0]:
            try:
                output += os.read(above, 65_536)
            except OSError:  # the terminal's other end is gone
                break
    os.close(above)
    words = output.decode()
    assert running.returncode == 0
    assert "Traceback" not in words
    frames = words.split("\x1b[2K")
    assert any(re.search(r"● speech", frame) for frame in frames)
    assert any(re.search(r"○ no speech", frame) for frame in frames)
    assert any(re.search(r" -\d\d dB", frame) for frame in frames)
    shown = screen(words)
    assert len(shown) == len(rec.timeline(talk)) + 1, shown
    assert [line.split("  ")[0].strip()[:4] for line in shown[:2]] == ["0:00", "0:01"]
    assert shown[-1].startswith("Heard 0:")
    assert all(len(line) <= 80 for line in shown)


def test_the_display_leaves_a_pipe_alone(model, talk):
    """JSON goes on to a program, and the person at the terminal still sees something."""
    above, below = pty.openpty()
    arguments = ("--stdin", "--json", "--provisional", "-m", model)
    with process(*arguments, stderr=below) as running:
        os.close(below)
        out, _ = running.communicate(raw(talk), timeout=60)
    words = os.read(above, 100_000).decode()
    os.close(above)
    rows = [json.loads(line) for line in out.decode().splitlines()]
    assert len([row for row in rows if "provisional" not in row]) == 7
    assert len(rows) > 10
    assert "speech" in words
    assert "{" not in words
