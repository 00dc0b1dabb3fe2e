"""What is asked over HTTP, of a real server: the library's own answers, jobs, exports, voices, words for mistakes."""

from __future__ import annotations

import io
import json
import time
from collections.abc import Iterator
from functools import cache
from pathlib import Path
from typing import Any

import httpx
import numpy as np
import pytest
import soundfile
from serving import Server, serving

import emotone
from emotone import audio, formats, synthetic
from emotone.recogniser import Recogniser
from emotone.segment import Segment
from emotone.stream import StreamOptions

SAMPLE = Path(audio.__file__).with_name("samples") / "angry.wav"


@pytest.fixture(scope="module")
def server() -> Iterator[Server]:
    with serving(
        decoders=1, job_seconds=8, max_predict_seconds=10, max_seconds=200, max_jobs=3, models=["default", "open"]
    ) as each:
        yield each


@pytest.fixture(scope="module")
def client(server: Server) -> Iterator[httpx.Client]:
    with server.client() as each:
        yield each


@cache
def recogniser() -> Recogniser:
    return emotone.load()


@pytest.fixture(scope="module")
def call(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Two people on two channels, at another rate, for 20 s."""
    rng = np.random.default_rng(3)
    sides = []
    for emotion in ("sad", "angry"):
        parts = [synthetic.speech(emotion, speaker=1, rng=rng) for _ in range(4)]
        quiet = [np.zeros(12_000, np.float32)] * 4
        sides.append(np.concatenate([part for pair in zip(parts, quiet, strict=True) for part in pair]))
    length = 20 * 16_000
    stereo = np.stack([np.resize(side, length) for side in sides], axis=1)
    path = tmp_path_factory.mktemp("call") / "call.flac"
    soundfile.write(path, audio_at(stereo, 22_050), 22_050)
    return path


def audio_at(stereo: np.ndarray, rate: int) -> np.ndarray:
    return np.stack([audio.convert(side, 16_000, to=rate) for side in stereo.T], axis=1)


def plain(segments: list[Segment]) -> list[dict[str, Any]]:
    return json.loads(json.dumps([segment.as_dict() for segment in segments]))


def finished(client: httpx.Client, place: str, state: str = "done", seconds: float = 60) -> dict[str, Any]:
    end = time.monotonic() + seconds
    while (job := client.get(place).json())["state"] in ("waiting", "running") and time.monotonic() < end:
        time.sleep(0.05)
    assert job["state"] == state, job
    return job


# --- recordings ---


@pytest.mark.parametrize("way", ["body", "form", "chunks"])
def test_a_prediction_is_the_librarys(client, way):
    content = SAMPLE.read_bytes()
    if way == "form":
        answer = client.post("/v1/predict", files={"file": ("any name.wav", content)}, data={"other": "field"})
    else:
        pieces = iter([content[:1000], content[1000:]])
        answer = client.post("/v1/predict", content=content if way == "body" else pieces)
    assert answer.status_code == 200
    assert answer.json() == recogniser().predict(SAMPLE).as_dict()


def test_another_model_answers_when_it_is_asked(client):
    answer = client.post("/v1/predict?model=open", content=SAMPLE.read_bytes())
    assert answer.json() == emotone.load("open").predict(SAMPLE).as_dict()


def test_a_timeline_is_the_librarys(client, call):
    expected = recogniser().timeline(SAMPLE)
    assert client.post("/v1/timeline", content=SAMPLE.read_bytes()).json() == plain(expected)


@pytest.mark.parametrize("channels", ["mix", "each"])
def test_so_is_that_of_a_call_which_takes_a_job(client, call, channels):
    answer = client.post(f"/v1/timeline?channels={channels}", content=call.read_bytes())
    assert answer.status_code == 202
    place = answer.headers["location"]
    job = finished(client, place)
    assert job["duration"] == pytest.approx(20, abs=0.01)
    assert job["seconds"] == pytest.approx(20 * (2 if channels == "each" else 1), abs=0.1)
    found = client.get(f"{place}/result").json()
    assert found == plain(recogniser().timeline(call, channels=channels))
    assert job["n_segments"] == len(found) > 5
    rows = client.get(f"{place}/result?format=csv")
    assert rows.headers["content-type"].startswith("text/csv")
    assert client.delete(place).status_code == 200
    assert client.get(place).status_code == 404


def test_a_timeline_can_adapt_while_it_is_heard(client, call):
    answer = client.post("/v1/timeline?adapt=true&job=always", content=call.read_bytes())
    place = answer.headers["location"]
    finished(client, place)
    found = client.get(f"{place}/result").json()
    client.delete(place)
    expected = recogniser().timeline(call, options=StreamOptions(adapt=True))
    assert found == plain(expected)
    assert found != plain(recogniser().timeline(call))


@pytest.mark.parametrize("name", formats.names())
def test_every_format_is_what_the_library_writes(client, name, tmp_path):
    answer = client.post(f"/v1/timeline?format={name}", content=SAMPLE.read_bytes())
    assert answer.status_code == 200, answer.text
    segments = recogniser().timeline(SAMPLE)
    if name == "json":
        assert answer.json() == plain(segments)
        return
    told = {"source": "timeline", "labels": recogniser().labels}
    assert "attachment" in answer.headers["content-disposition"]
    if formats.FORMATS[name].is_text:
        assert answer.text == formats.dumps(segments, name, **told)
    else:
        (tmp_path / "x.parquet").write_bytes(answer.content)
        assert formats.read(tmp_path / "x.parquet") == segments


def test_what_breaks_off_is_heard_as_far_as_it_goes(client):
    content = SAMPLE.read_bytes()[:50_000]
    answer = client.post("/v1/timeline", content=content)
    assert answer.status_code == 200
    assert "breaks off after 1.56 s of the 2.80 s" in answer.headers["emotone-note"]
    assert answer.json()[-1]["end"] == pytest.approx(1.561, abs=0.001)
    place = client.post("/v1/timeline?job=always", content=content).headers["location"]
    assert "breaks off" in finished(client, place)["error"]
    client.delete(place)


# --- jobs ---


def long_recording(seconds: int) -> bytes:
    speech = np.resize(audio.load(SAMPLE), 16_000 * seconds)
    buffer = io.BytesIO()
    soundfile.write(buffer, speech, 16_000, format="FLAC", subtype="PCM_16")
    return buffer.getvalue()


def test_jobs_are_few_tell_how_far_they_are_and_can_be_cancelled(client, server):
    content = long_recording(120)
    places = [client.post("/v1/timeline", content=content).headers["location"] for _ in range(3)]
    refused = client.post("/v1/timeline", content=content)
    assert refused.status_code == 429
    assert int(refused.headers["retry-after"]) > 0
    assert client.get(f"{places[2]}/result").status_code == 409
    seen = set()
    for _ in range(200):
        job = client.get(places[0]).json()
        seen.add(job["seconds"])
        if job["state"] == "done" or len(seen) > 3:
            break
        time.sleep(0.02)
    assert len(seen) > 2, "progress is told on the way"
    states = [client.get(place).json()["state"] for place in places]
    assert states[2] == "waiting"
    for place in places:
        assert client.delete(place).json()["state"] in ("cancelled", "done")
    assert all(client.get(place).status_code == 404 for place in places)
    assert client.post("/v1/predict", content=SAMPLE.read_bytes()).status_code == 200
    assert server.metric("emotone_spool_bytes") == 0


def test_a_job_is_asked_for_or_not(client):
    answer = client.post("/v1/timeline?job=always", content=SAMPLE.read_bytes())
    assert answer.status_code == 202
    assert set(answer.json()) == {"id", "state", "seconds", "duration", "error", "n_segments"}
    finished(client, answer.headers["location"])
    client.delete(answer.headers["location"])
    never = client.post("/v1/timeline?job=never", content=long_recording(20))
    assert never.status_code == 413
    assert "job=auto" in never.json()["error"]


# --- exports and voices ---


def test_segments_can_be_exported(client, tmp_path):
    segments = recogniser().timeline(SAMPLE)
    answer = client.post("/v1/export?format=json&name=My+talk", json=plain(segments))
    (tmp_path / "x.json").write_bytes(answer.content)
    assert formats.read(tmp_path / "x.json") == segments
    assert 'filename="My talk.json"' in answer.headers["content-disposition"]
    grid = client.post("/v1/export?format=textgrid&name=Gespräch%22%0A", json=plain(segments))
    assert grid.status_code == 200
    assert "\n" not in grid.headers["content-disposition"]
    assert ".TextGrid" in grid.headers["content-disposition"]


@pytest.mark.parametrize(
    "body", ["", "[", "{}", "[]", "[1]", '[{"start": 0}]', '[{"file": "/etc/passwd"}]', "NaN", "[" * 9000]
)
def test_what_are_no_segments_is_refused(client, body):
    answer = client.post("/v1/export", content=body)
    assert answer.status_code == 400
    assert answer.json()["error"]


def test_a_voice_is_known_until_it_is_forgotten(client):
    content = SAMPLE.read_bytes()
    answer = client.post("/v1/voices", files=[("file", content), ("file", content)])
    assert answer.status_code == 200, answer.text
    voice = answer.json()["voice"]
    assert answer.json()["utterances"] == 2
    knowing = recogniser().adapt([SAMPLE, SAMPLE])
    assert client.post(f"/v1/predict?voice={voice}", content=content).json() == knowing.predict(SAMPLE).as_dict()
    assert client.post(f"/v1/timeline?voice={voice}", content=content).json() == plain(knowing.timeline(SAMPLE))
    assert client.post(f"/v1/predict?voice={voice}&model=open", content=content).status_code == 404
    assert client.delete(f"/v1/voices/{voice}").status_code == 204
    gone = client.post(f"/v1/predict?voice={voice}", content=content)
    assert gone.status_code == 404
    assert "Calibrate again" in gone.json()["error"]
    silence = audio.encode_wav(np.zeros(16_000, np.float32))
    unheard = client.post("/v1/voices", content=silence)
    assert unheard.status_code == 422
    assert unheard.json()["error"].startswith("Nobody speaks in what was sent, or too shortly")


# --- mistakes ---


@pytest.mark.parametrize(
    ("path", "content", "status", "words"),
    [
        ("/v1/predict", b"", 400, "no recording"),
        ("/v1/predict", b"Nobody speaks in here at all, and so nobody is heard.", 422, "it is text"),
        ("/v1/predict?modle=open", b"x", 400, "Did you mean 'model'?"),
        ("/v1/predict?model=none", b"x", 404, "there are: default, open"),
        ("/v1/predict?voice=none", b"x", 404, "Calibrate again"),
        ("/v1/timeline?format=xls", b"x", 400, "Unknown format 'xls'"),
        ("/v1/timeline?channels=left", b"x", 400, "channels is mix or each, not 'left'."),
        ("/v1/timeline?job=maybe", b"x", 400, "job is auto, always or never, not 'maybe'."),
        ("/v1/timeline?adapt=perhaps", b"x", 400, "adapt is true or false, not 'perhaps'."),
        ("/v1/timeline?channels=" + 200 * "x", b"x", 400, "xxx...."),
        ("/v1/nothing", b"x", 404, "/docs"),
    ],
)
def test_mistakes_are_told_in_words(client, path, content, status, words):
    answer = client.post(path, content=content)
    assert answer.status_code == status
    assert words in answer.json()["error"]
    assert set(answer.json()) == {"error"}


def test_too_long_for_one_answer_or_for_any(client):
    answer = client.post("/v1/predict", content=long_recording(11))
    assert answer.status_code == 413
    assert "more than 10 s" in answer.json()["error"]
    assert client.post("/v1/timeline", content=long_recording(201)).status_code == 413


@pytest.mark.parametrize(
    ("kind", "body"),
    [
        ("multipart/form-data", b"--x\r\n"),
        ("multipart/form-data; boundary=x", b"no form"),
        ("multipart/form-data; boundary=x", b'--x\r\nContent-Disposition: form-data; name="file"\r\n\r\nabc'),
        (
            "multipart/form-data; boundary=x",
            b'--x\r\nContent-Disposition: form-data; name="fil"\r\n\r\nabc\r\n--x--\r\n',
        ),
        ("multipart/form-data; boundary=" + "x" * 500, b"abc"),
    ],
)
def test_broken_forms_are_refused(client, kind, body):
    answer = client.post("/v1/predict", content=body, headers={"Content-Type": kind})
    assert answer.status_code == 400, answer.text
    assert answer.json()["error"]


def test_other_methods_are_told_so(client):
    assert client.get("/v1/predict").status_code == 405
    assert client.put("/v1/predict").json()["error"]


# --- what there is ---


def test_models_and_limits_are_told(client):
    told = client.get("/v1/models").json()
    assert told["default"] == "default"
    first, second = told["models"]
    assert (first["name"], second["name"]) == ("default", "open")
    assert first["labels"] == list(recogniser().labels)
    assert first["colours"]["angry"].startswith("#")
    assert first["adapts"] is True
    assert "Workplaces and schools" in first["limits"]
    limits = client.get("/v1/limits").json()
    assert limits["needs_token"] is False
    assert limits["max_predict_seconds"] == 10


def test_the_page_the_docs_and_signs_of_life(client):
    for path in ("/", "/docs", "/docs.css"):
        answer = client.get(path)
        assert answer.status_code == 200
        assert "://" not in answer.text.replace(str(client.base_url).rstrip("/"), "").replace(
            "http://www.w3.org/2000/svg", ""
        )
    api = client.get("/openapi.json").json()
    assert {"/v1/predict", "/v1/timeline", "/v1/models"} <= set(api["paths"])
    docs = client.get("/docs").text
    assert all(path in docs for path in api["paths"])
    assert client.get("/healthz").status_code == client.get("/readyz").status_code == 200
    metrics = client.get("/metrics").text
    assert 'emotone_requests_total{route="/v1/predict",status="200"}' in metrics
    assert "emotone_provisional_glances_total 0.0" in metrics
    assert "python_info" not in metrics


def test_the_description_names_what_is_served(client):
    api = client.get("/openapi.json").json()
    routes = {(path, method): about for path, methods in api["paths"].items() for method, about in methods.items()}
    told = {
        (*route, each["name"]): each["schema"]
        for route, about in routes.items()
        for each in about.get("parameters", [])
    }
    for path in ("/v1/predict", "/v1/timeline", "/v1/voices"):
        assert told[path, "post", "model"]["enum"] == ["default", "open"]
    assert told["/v1/predict", "post", "voice"] == {"type": "string", "title": "Voice"}
    for route in (("/v1/timeline", "post"), ("/v1/export", "post"), ("/v1/jobs/{id}/result", "get")):
        assert told[*route, "format"]["enum"] == list(formats.names())
    hearing = {path for (path, _), about in routes.items() if "422" in about["responses"]}
    assert hearing == {"/v1/predict", "/v1/timeline", "/v1/voices"}, "422 is for what is wrong with a recording"
    assert "ValidationError" not in str(api)
    assert "default or open" in client.get("/docs").text


def test_every_answer_keeps_browsers_strict(client):
    for path in ("/", "/v1/models", "/nothing", "/docs"):
        headers = client.get(path).headers
        assert "default-src 'none'" in headers["content-security-policy"]
        assert "unsafe" not in headers["content-security-policy"]
        assert headers["x-content-type-options"] == "nosniff"
        assert headers["referrer-policy"] == "no-referrer"
        assert "access-control-allow-origin" not in headers
        assert "server" not in headers
    assert client.get("/v1/models").headers["cache-control"] == "no-store"


def test_files_of_the_package_outside_the_page_are_not_served(client):
    for path in ("/../app.py", "/%2e%2e/app.py", "/app.py", "/page/index.html", "/..%2fsettings.py"):
        assert client.get(path).status_code == 404


def test_the_log_tells_routes_and_nothing_about_people(client, server):
    client.post("/v1/export?name=secret-name", json=plain(recogniser().timeline(SAMPLE)))
    client.get("/v1/jobs/secret-id")
    time.sleep(0.2)
    log = "".join(server.log)
    assert "POST /v1/export 200" in log
    assert "GET /v1/jobs/{id} 404" in log
    assert "secret" not in log
    assert "Traceback" not in log
