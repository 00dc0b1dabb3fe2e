"""Which recordings are meant by what is given, and answers that go out at once."""

from __future__ import annotations

import io
import os
import shutil
import sys
from pathlib import Path

import numpy as np
import pytest
import soundfile

from emotone.cli.recordings import find, printable, writer


@pytest.fixture
def clips(tmp_path, monkeypatch) -> Path:
    """A folder of recordings, in the working folder."""
    monkeypatch.chdir(tmp_path)
    folder = Path("clips")
    for name in ("a.wav", "b.wav", "loud.WAV", "more/c.wav", ".hidden/a.wav"):
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        soundfile.write(folder / name, np.zeros(100), 16_000, format="WAV")
    (folder / "notes.txt").write_text("not a sound", encoding="utf-8")
    (folder / "._a.wav").write_text("what a Mac leaves behind", encoding="utf-8")
    return folder


@pytest.mark.parametrize(
    ("given", "found"),
    [
        (["clips/a.wav"], ["a.wav"]),
        (["clips/notes.txt"], ["notes.txt"]),  # asked for by name
        (["clips"], ["a.wav", "b.wav", "loud.WAV", "more/c.wav"]),
        (["clips/*.wav"], ["a.wav", "b.wav"]),
        (["clips/*"], ["a.wav", "b.wav", "loud.WAV", "more/c.wav"]),
        (["clips/**/*.wav"], ["a.wav", "b.wav", "more/c.wav"]),
        (["clips/**"], ["a.wav", "b.wav", "loud.WAV", "more/c.wav"]),
        (["clips/b.wav", "clips", "clips/./b.wav"], ["b.wav", "a.wav", "loud.WAV", "more/c.wav"]),
        (["clips/[ab].wav", "missing.wav"], ["a.wav", "b.wav", "../missing.wav"]),
    ],
)
def test_files_folders_and_patterns(clips, given, found):
    paths, unmatched = find(given, None)
    assert [os.path.relpath(path, clips) for path in paths] == found
    assert unmatched == []


def test_what_matches_nothing_is_named(clips):
    shutil.rmtree(clips / "more")
    (clips / "more").mkdir()
    paths, unmatched = find(["clips/more", "*.flac", "clips/a.wav"], None)
    assert paths == [clips / "a.wav"]
    assert [words.partition(" holds")[0] for words in unmatched] == ["The folder clips/more", "The pattern *.flac"]


def test_bytes_that_are_no_text_and_control_characters_are_replaced():
    assert printable(Path(os.fsdecode(b"a\xff\n\x1b[1mb"))) == "a\ufffd\ufffd\ufffd[1mb"
    assert printable(Path("é 日本.wav")) == "é 日本.wav"


def test_an_answer_does_not_wait_in_a_buffer(monkeypatch):
    arrived = io.BytesIO()
    monkeypatch.setattr(sys, "stdout", io.TextIOWrapper(io.BufferedWriter(arrived)))  # type: ignore[type-var]
    writer()("at once\n")
    assert arrived.getvalue() == b"at once\n"
