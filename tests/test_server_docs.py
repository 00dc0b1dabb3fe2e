"""Every snippet of docs/server.md, run as people run it, against a server as the page describes it."""

from __future__ import annotations

import base64
import json
import os
import re
import shutil
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import soundfile
from joined import joined
from serving import serving

import emotone
from emotone import formats, synthetic
from emotone.client import Client
from emotone.segment import FLAGS, Segment

ROOT = Path(__file__).parents[1]
PAGE = (ROOT / "docs" / "server.md").read_text("utf-8")
ADDRESS = "http://127.0.0.1:8000"
TOKEN = "a token that is long enough".replace(" ", "-")

SNIPPETS = [
    pytest.param(language, code, id=f"{language}-{PAGE[: PAGE.index(code)].count(chr(10)) + 1}")
    for language, code in re.findall(r"^```(\w+)\n(.*?)^```$", PAGE, flags=re.MULTILINE | re.DOTALL)
]


def test_the_page_has_snippets_of_all_kinds():
    languages = [snippet.values[0] for snippet in SNIPPETS]
    assert languages.count("bash") >= 9
    assert languages.count("python") >= 7
    assert set(languages) == {"bash", "python", "javascript", "json", "console"}
    assert languages.count("console") == 1, "what isn't run is only how to install and start it"


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """With the recordings that the page speaks of."""
    rng = np.random.default_rng(7)
    spoken = [("angry", 2, 2.0), ("sad", 1, 1.5), ("happy", 4, 1.8)]
    call = joined([(synthetic.speech(e, who, rng=rng, seconds=s), e) for e, who, s in spoken], rng=rng).signal
    path = tmp_path_factory.mktemp("snippets")
    soundfile.write(path / "call.wav", call, 16_000)
    soundfile.write(path / "speech.wav", synthetic.speech("angry", 2, rng=rng, seconds=2.1), 16_000)
    return path


@pytest.fixture(scope="module")
def server() -> Iterator[str]:
    """A server as the page describes it."""
    with serving(models=("default", "open")) as found:
        yield found.url


def run(command: list[str], folder: Path, *, stdin: str | None = None) -> str:
    environment = {**os.environ, "PYTHONPATH": str(ROOT / "src"), "TOKEN": TOKEN, "no_proxy": "127.0.0.1"}
    done = subprocess.run(
        command, cwd=folder, env=environment, input=stdin, capture_output=True, text=True, timeout=60, check=False
    )
    assert done.returncode == 0, f"{done.stdout}\n{done.stderr}"
    return done.stdout


def in_python(code: str, folder: Path) -> str:
    return run([sys.executable, "-W", "error", "-c", code], folder)


def in_bash(code: str, folder: Path) -> str:
    if shutil.which("curl") is None or shutil.which("bash") is None:
        pytest.skip("there is no curl")
    return run(["bash", "-euo", "pipefail", "-c", code], folder)


def in_javascript(code: str, folder: Path) -> str:
    """In Node.js, which has what browsers have: fetch, Blob and, for now behind a flag, WebSocket."""
    node = shutil.which("node")
    if node is None:
        pytest.skip("there is no node")
    recording = base64.b64encode((folder / "speech.wav").read_bytes()).decode()
    samples, _ = soundfile.read(folder / "call.wav", dtype="int16")
    sound = base64.b64encode(samples.tobytes()).decode()
    given = (
        f'const recording = new Blob([Buffer.from("{recording}", "base64")]);\n'
        f'const sound = new Uint8Array(Buffer.from("{sound}", "base64")).buffer;\n'
    )
    return run([node, "--experimental-websocket", "--input-type=module", "-"], folder, stdin=given + code)


RUNNERS = {"python": in_python, "bash": in_bash, "javascript": in_javascript}


@pytest.mark.parametrize(("language", "code"), [each for each in SNIPPETS if each.values[0] in RUNNERS])
def test_the_snippet_runs_and_says_something(server, folder, language, code):
    assert ADDRESS in code or "ws://127.0.0.1:8000" in code
    said = RUNNERS[language](code.replace("127.0.0.1:8000", server.removeprefix("http://")), folder)
    made = folder / "call.TextGrid"
    assert said.strip() or made.exists()
    assert "undefined" not in said
    assert "NaN" not in said


# --- what the page says is what the server does ---


def test_the_three_languages_agree(server, folder):
    segment = Client(server).predict(folder / "speech.wav")
    codes = {language: code for language, code in (each.values for each in reversed(SNIPPETS)) if "predict" in code}
    assert set(codes) == {"python", "bash", "javascript"}
    for language in ("python", "javascript"):
        said = RUNNERS[language](codes[language].replace("127.0.0.1:8000", server.removeprefix("http://")), folder)
        emotion, confidence = said.split()
        assert emotion.replace("null", "None") == str(segment.emotion)
        assert float(confidence) == segment.confidence
    [first, *_] = [each.values[1] for each in SNIPPETS if each.values[0] == "bash"]
    said = in_bash(first.replace("127.0.0.1:8000", server.removeprefix("http://")), folder)
    assert Segment.from_dict(json.loads(said)) == segment


def test_the_streamed_segments_are_those_of_the_timeline(server, folder):
    [code] = [
        code for language, code in (each.values for each in SNIPPETS) if language == "javascript" and "ws:" in code
    ]
    said = in_javascript(code.replace("127.0.0.1:8000", server.removeprefix("http://")), folder).splitlines()
    timeline = Client(server).timeline(folder / "call.wav")
    assert [line.split()[2].replace("null", "None") for line in said] == [str(each.emotion) for each in timeline]
    assert [float(line.split()[0]) for line in said] == [each.start for each in timeline]
    assert timeline == emotone.load().timeline(folder / "call.wav")


def test_the_example_of_an_answer_has_the_form_of_an_answer(server, folder):
    [example] = [json.loads(code) for language, code in (each.values for each in SNIPPETS) if language == "json"]
    answer: dict[str, Any] = Client(server).predict(folder / "speech.wav").as_dict()
    assert list(example) == list(answer)
    assert list(example["scores"]) == list(answer["scores"])
    assert sum(example["scores"].values()) == pytest.approx(1)
    Segment.from_dict(example)


def test_the_page_names_every_format_flag_and_route(server):
    import urllib.request

    assert all(f"`{name}`" in PAGE for name in formats.names())
    assert all(f"`{flag}`" in PAGE for flag in FLAGS)
    with urllib.request.urlopen(f"{server}/openapi.json") as answer:
        paths = json.loads(answer.read())["paths"]
    said = re.sub(r"\$job", "{id}", PAGE)
    assert len(paths) > 8
    missing = [path for path in paths if path.startswith("/v1/") and path.partition("/{")[0] not in said]
    assert not missing
