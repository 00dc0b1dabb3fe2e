"""Which file is written for which recording, and what is refused before any work."""

from __future__ import annotations

import os
from pathlib import Path

import pytest
from tiny import tiny_dimensions

from emotone.cli.outputs import Outputs, check_formats, check_output, check_picture
from emotone.errors import ConfigError


@pytest.fixture(autouse=True)
def calls(tmp_path, monkeypatch) -> None:
    """Files that are taken for recordings, in the working folder."""
    monkeypatch.chdir(tmp_path)
    for name in ("calls/a.wav", "calls/b/a.wav", "calls/b/c.mp3", "calls/b/c.mp4"):
        Path(name).parent.mkdir(parents=True, exist_ok=True)
        Path(name).write_bytes(b"-")


def targets(given: list[str], paths: list[str], place: str = "out", format: str | None = None) -> list[str]:  # noqa: A002
    written = Outputs.of([Path(path) for path in paths], given, [Path(place)], format)
    return [str(target) for target in written.all]


def test_a_file_for_each_recording_in_a_folder():
    paths = ["calls/a.wav", "calls/b/a.wav", "calls/b/c.mp3", "calls/b/c.mp4"]
    expected = ["out/a.json", "out/b/a.json", "out/b/c.mp3.json", "out/b/c.mp4.json"]
    assert targets(["calls"], paths) == expected
    assert targets(["calls/**"], paths) == expected
    assert targets(["./calls/"], paths) == expected
    assert Path("out/b").is_dir()


def test_recordings_that_are_named_lose_their_folders():
    assert targets(["calls/b/a.wav"], ["calls/b/a.wav"]) == ["out/a.json"]
    # Both endings are kept where only they differ; where nothing does, it is said.
    assert targets(["calls/b/*.mp?"], ["calls/b/c.mp3", "calls/b/c.mp4"]) == ["out/c.mp3.json", "out/c.mp4.json"]
    with pytest.raises(ConfigError, match=r"calls/a.wav and calls/b/a.wav would both be written to out/a.wav.json"):
        targets(["calls/a.wav", "calls/b/a.wav"], ["calls/a.wav", "calls/b/a.wav"])


@pytest.mark.parametrize(("format", "suffix"), [("textgrid", ".textgrid"), ("audacity", ".txt"), ("csv", ".csv")])
def test_the_format_in_a_folder(format, suffix):  # noqa: A002
    assert targets(["calls/a.wav"], ["calls/a.wav"], format=format) == [f"out/a{suffix}"]


def test_one_table_of_several_recordings():
    both = ["calls/a.wav", "calls/b/a.wav"]
    written = Outputs.of(list(map(Path, both)), both, [Path("all.csv"), Path("all.jsonl")], None)
    assert written.joint == (Path("all.csv"), Path("all.jsonl"))
    with pytest.raises(ConfigError, match=r"holds one recording, and there are 2.*-o all --format textgrid"):
        targets(both, both, place="all.TextGrid")


def test_what_is_done_is_newer_and_whole(tmp_path):
    path = Path("calls/a.wav")
    written = Outputs.of([path], ["calls"], [Path("out")], None)
    assert not written.are_done(path)
    Path("out/a.json").write_text("{}", encoding="utf-8")
    os.utime(path, (1000, 1000))
    assert written.are_done(path)
    os.utime(path, (2e9, 2e9))
    assert not written.are_done(path)
    assert not Outputs.of([path], ["calls"], [], None).are_done(path)


def test_places_that_cannot_be_written_to():
    with pytest.raises(ConfigError, match=r"calls/a.wav/x.json can't be written"):
        check_output(Path("calls/a.wav/x.json"))
    with pytest.raises(ConfigError, match="it is a folder"):
        check_output(Path("calls"))
    check_output(Path("new/folder/x.json"))
    assert Path("new/folder").is_dir()


def test_pictures_and_formats():
    pytest.importorskip("matplotlib")
    check_picture(Path("new.png"))
    with pytest.raises(ConfigError, match=r"'new.mp3'; the ending must be one of .*png"):
        check_picture(Path("new.mp3"))
    with pytest.raises(ConfigError, match=r"Known endings: .json"):
        targets(["calls/a.wav"], ["calls/a.wav"], place="a.docx")
    with pytest.raises(ConfigError, match="RTTM holds names"):
        check_formats(tiny_dimensions().recogniser, [Path("a.json"), Path("a.rttm")], None)
