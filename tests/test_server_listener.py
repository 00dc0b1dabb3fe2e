"""The orderly end, and what the docs promise, tried on a real server."""

from __future__ import annotations

import html
import io
import json
import re
import shutil
import signal
import subprocess
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np
import pytest
import soundfile
from serving import serving, started

from emotone import audio

SAMPLE = Path(audio.__file__).with_name("samples") / "angry.wav"


def speech(seconds: int) -> bytes:
    buffer = io.BytesIO()
    soundfile.write(buffer, np.resize(audio.load(SAMPLE), seconds * 16_000), 16_000, format="WAV", subtype="PCM_16")
    return buffer.getvalue()


def test_sigterm_finishes_what_was_begun_and_begins_nothing_new():
    with (
        serving(decoders=1, job_seconds=1000, workers=1, drain_seconds=60) as server,
        server.client() as client,
        ThreadPoolExecutor() as others,
    ):
        long = others.submit(client.post, "/v1/timeline?job=never", content=speech(300))
        while not server.metric("emotone_requests_admitted "):
            time.sleep(0.01)
        server.process.send_signal(signal.SIGTERM)
        while client.get("/readyz").status_code == 200:
            time.sleep(0.01)
        refused = client.post("/v1/predict", content=SAMPLE.read_bytes())
        assert refused.status_code == 503
        assert "about to end" in refused.json()["error"]
        assert int(refused.headers["retry-after"]) >= 1
        assert client.get("/healthz").status_code == 200, "it lives while it drains"
        answer = long.result()
        assert answer.status_code == 200
        assert answer.json()[-1]["end"] == 300.0
        assert server.process.wait(30) == 0
    assert "Traceback" not in "".join(server.log)


def test_a_second_signal_ends_it_now():
    with (
        serving(decoders=1, job_seconds=10_000, workers=1, drain_seconds=60) as server,
        server.client() as client,
        ThreadPoolExecutor() as others,
    ):
        others.submit(client.post, "/v1/timeline?job=never", content=speech(3000))
        while not server.metric("emotone_requests_admitted "):
            time.sleep(0.01)
        server.process.send_signal(signal.SIGTERM)
        time.sleep(0.3)
        assert server.process.poll() is None
        server.process.send_signal(signal.SIGTERM)
        assert server.process.wait(15) is not None


def test_decoders_end_with_a_server_that_is_killed():
    import psutil

    with serving(decoders=2) as server:
        children = psutil.Process(server.process.pid).children()
        assert len(children) == 3
        server.process.kill()
        _, alive = psutil.wait_procs(children, timeout=10)
        assert not alive


def test_a_recogniser_that_is_not_there_is_told_before_anything_is_served():
    process = started(models="nobody")
    _, said = process.communicate(timeout=60)
    assert process.returncode == 2
    assert "no recogniser 'nobody'" in said
    assert "Traceback" not in said


def test_decoders_that_cannot_start_are_told_in_a_sentence(tmp_path, monkeypatch):
    (tmp_path / "sitecustomize.py").write_text(
        "import os, sys\nif 'emotone.server.decoder' in sys.orig_argv:\n    os._exit(1)\n", encoding="utf-8"
    )
    monkeypatch.setenv("PYTHONPATH", str(tmp_path))
    process = started(decoders=1)
    _, said = process.communicate(timeout=60)
    assert process.returncode == 1
    assert "emotone: The processes that decode recordings can't be started: they end" in said
    assert "Traceback" not in said


@pytest.mark.skipif(shutil.which("curl") is None, reason="needs curl")
def test_the_commands_in_the_docs_run(tmp_path):
    (tmp_path / "speech.wav").write_bytes(SAMPLE.read_bytes())
    (tmp_path / "one.wav").write_bytes(SAMPLE.read_bytes())
    (tmp_path / "two.wav").write_bytes(SAMPLE.read_bytes())
    with serving(decoders=1) as server, server.client() as client:
        (tmp_path / "segments.json").write_bytes(client.post("/v1/timeline", content=SAMPLE.read_bytes()).content)
        place = client.post("/v1/timeline?job=always", content=SAMPLE.read_bytes()).headers["location"]
        voice = client.post("/v1/voices", content=SAMPLE.read_bytes()).json()["voice"]
        while client.get(place).json()["state"] != "done":
            time.sleep(0.05)
        commands = [
            html.unescape(each) for each in re.findall("<pre><code>(.*?)</code></pre>", client.get("/docs").text)
        ]
        assert len(commands) >= 13
        for command in sorted(commands, key=lambda command: "DELETE" in command):
            made = command.replace("voices/ID", f"voices/{voice}").replace("/v1/jobs/ID", place)
            assert server.url in made, "they are for this server"
            done = subprocess.run(
                ["sh", "-c", f"{made} -f"], cwd=tmp_path, capture_output=True, timeout=30, check=False
            )
            assert done.returncode == 0, (command, done.stderr)
            if "/v1/predict" in command:
                assert json.loads(done.stdout)["end"] == 2.8
