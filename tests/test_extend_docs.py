"""docs/extend.md (extend.md) does what it says, from top to bottom."""

from __future__ import annotations

import os
import re
import shutil
import sys
from pathlib import Path

import numpy as np
import pages
import pytest
import soundfile
from pages import DOCS, ROOT, blocks

from emotone import synthetic

for package in ("pandas", "sklearn", "pyarrow", "onnx"):
    pytest.importorskip(package, reason="the page trains: pip install 'emotone[train]'")

PAGE = DOCS / "extend.md"
EMOTIONS = ("neutral", "happy", "sad", "angry")


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """What the page takes for granted: RAVDESS, the examples, a recording, and recordings of one's own."""
    synthetic.write_ravdess(tmp_path / "data" / "ravdess", speakers=range(1, 6), emotions=EMOTIONS, repetitions=1)
    for clip in (tmp_path / "data" / "ravdess").glob("*/03-01-??-02-*.wav"):
        clip.unlink()
    shutil.copytree(ROOT / "examples", tmp_path / "examples", ignore=shutil.ignore_patterns("__pycache__"))
    shutil.copy(Path(synthetic.__file__).with_name("samples") / "angry.wav", tmp_path / "speech.wav")
    rng = np.random.default_rng(0)
    (tmp_path / "my" / "voices").mkdir(parents=True)
    for number, name in enumerate(("ada", "ben", "cleo")):
        for code, emotion in {"W": "angry", "F": "happy", "T": "sad"}.items():
            for take in (1, 2, 3):
                signal = synthetic.speech(emotion, number, rng=rng, seconds=1.2)
                soundfile.write(tmp_path / "my" / "voices" / f"{name}_{code}_{take:02d}.wav", signal, 16_000)
    return tmp_path


@pytest.mark.timeout(1200)
def test_the_page_runs_from_top_to_bottom(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Sections whose packages aren't here are left out, but not those after them."""
    environment = pages.shell_environment(folder / "bin", Path(os.environ["EMOTONE_CACHE"]))
    monkeypatch.setattr(sys, "path", list(sys.path))
    runner = pages.Runner(folder, environment)
    left_out, missing = [], False
    headings = headings_above()
    before = ""
    for block in blocks(PAGE):
        missing = missing and headings[block.line] == before
        before = headings[block.line]
        if not missing:
            reason = runner.run(block)
            missing = bool(reason)
            environment.update(re.findall(r"^export (\w+)=(\S+)", block.text, re.MULTILINE))  # as in one terminal
            left_out += [reason] * missing
    assert len(left_out) < 4, left_out
    assert (folder / "runs" / "voices" / "recogniser" / "model.onnx").exists()


def headings_above() -> dict[int, str]:
    """The heading that each line of the page is under."""
    found, heading = {}, ""
    for number, line in enumerate(PAGE.read_text("utf-8").splitlines(), 1):
        heading = line if line.startswith("## ") else heading
        found[number] = heading
    return found


def test_every_kind_of_plug_in_is_explained() -> None:
    from emotone.plugins import GROUPS

    page = PAGE.read_text("utf-8")
    for group in GROUPS:
        assert f'project.entry-points."emotone.{group}"' in page or f"entry point `emotone.{group}`" in page
