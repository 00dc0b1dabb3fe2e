"""The client against a real server, and against one that says what ours says only when it has a bad day."""

from __future__ import annotations

import json
import re
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import soundfile
from joined import joined
from serving import serving

import emotone
from emotone import audio, formats, synthetic
from emotone.client import Client, ServerError
from emotone.errors import AudioError, ConfigError
from emotone.segment import Segment
from emotone.timeline import BrokenOffWarning

SEGMENT = Segment(0.0, 1.5, "angry", 0.8, {"neutral": 0.2, "angry": 0.8})
SIGNAL = synthetic.speech("angry", 1, rng=np.random.default_rng(0), seconds=1.0)

Answers = list[tuple[int, dict[str, str], Any]]


@contextmanager
def saying(answers: Answers) -> Iterator[tuple[str, list[dict[str, Any]]]]:
    """A server that gives these answers, one after the other, and notes what it was asked."""
    asked: list[dict[str, Any]] = []

    class Handler(BaseHTTPRequestHandler):
        def answer(self) -> None:
            body = self.rfile.read(int(self.headers.get("Content-Length", 0)))
            asked.append({"method": self.command, "path": self.path, "body": body, **dict(self.headers)})
            status, headers, content = answers.pop(0) if answers else (204, {}, "")
            data = content if isinstance(content, bytes) else json.dumps(content).encode()
            self.send_response(status)
            for name, value in {**headers, "Content-Length": str(len(data))}.items():
                self.send_header(name, value)
            self.end_headers()
            self.wfile.write(data)

        do_GET = do_POST = do_DELETE = answer  # noqa: N815

        def log_message(self, *_: object) -> None:
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02})
    thread.start()
    try:
        yield f"http://127.0.0.1:{server.server_port}", asked
    finally:
        server.shutdown()
        thread.join()
        server.server_close()


@pytest.fixture
def recording(tmp_path: Path) -> Path:
    path = tmp_path / "Doctor Müller, 3 May.wav"
    path.write_bytes(b"RIFF, as far as the client cares")
    return path


# --- what is sent ---


def test_a_recording_is_sent_as_it_is_and_without_its_name(recording):
    with saying([(200, {}, SEGMENT.as_dict())] * 2) as (url, asked):
        found = Client(url, token="a secret").predict(recording, model="open")
        assert Client(url).predict(str(recording)) == found == SEGMENT
    assert found.source == recording
    request, other = asked
    assert "Authorization" not in other
    assert request["body"] == recording.read_bytes()
    assert request["path"] == "/v1/predict?model=open"
    assert request["Authorization"] == "Bearer a secret"
    assert "ller" not in str(request)


def test_a_signal_is_sent_exactly(tmp_path):
    with saying([(200, {}, SEGMENT.as_dict())]) as (url, asked):
        found = Client(url).predict(SIGNAL)
    assert found.source is None
    path = tmp_path / "sent.wav"
    path.write_bytes(asked[0]["body"])
    samples, rate = soundfile.read(path, dtype="float32")
    assert rate == 16_000
    np.testing.assert_array_equal(samples, SIGNAL)


def test_voices_are_a_form_with_a_file_for_each(recording):
    with saying([(200, {}, {"voice": "v1", "utterances": 2})]) as (url, asked):
        client = Client(url)
        assert client.add_voice([recording, b"another one"]) == "v1"
        client.forget_voice("v1")
    boundary = asked[0]["Content-Type"].partition("boundary=")[2].encode()
    parts = asked[0]["body"].split(b"--" + boundary)
    assert [part.partition(b"\r\n\r\n")[2] for part in parts[1:3]] == [
        recording.read_bytes() + b"\r\n",
        b"another one\r\n",
    ]
    assert parts[3] == b"--\r\n"
    assert b"ller" not in asked[0]["body"]
    assert (asked[1]["method"], asked[1]["path"]) == ("DELETE", "/v1/voices/v1")


def test_a_path_of_the_proxy_stays_in_front():
    with saying([(200, {}, {"max_seconds": 1})]) as (url, asked):
        assert Client(f"{url}/speech/").limits() == {"max_seconds": 1}
    assert asked[0]["path"] == "/speech/v1/limits"


# --- a server that is busy, refuses, or isn't one ---


def test_a_busy_server_is_asked_again_when_it_says(recording):
    answers: Answers = [
        (429, {"Retry-After": "1"}, {"error": "Too much to do."}),
        (503, {"retry-after": "0"}, {"error": "Starting."}),
        (200, {}, SEGMENT.as_dict()),
    ]
    with saying(answers) as (url, asked):
        begin = time.monotonic()
        assert Client(url).predict(recording) == SEGMENT
    assert 1.0 <= time.monotonic() - begin < 3
    assert [request["body"] for request in asked] == [recording.read_bytes()] * 3


def test_patience_has_an_end():
    with saying([(429, {"Retry-After": "2"}, {"error": "Too much to do."})] * 5) as (url, asked):
        client = Client(url, patience=1)
        with pytest.raises(ServerError, match=r"Too much to do\.") as caught:
            client.predict(SIGNAL)
    assert caught.value.status == 429
    assert len(asked) == 1


@pytest.mark.parametrize(
    ("status", "kind"),
    [*((status, AudioError) for status in (413, 415, 422)), *((status, ConfigError) for status in (400, 404, 409))],
)
def test_refusals_are_the_errors_of_the_library(status, kind):
    sentence = "It is too long. Cut it."
    with saying([(status, {}, {"error": sentence})]) as (url, _), pytest.raises(kind, match=f"^{re.escape(sentence)}$"):
        Client(url).predict(SIGNAL)


def test_a_refusal_for_want_of_a_token_says_how_to_give_one():
    with saying([(401, {}, {"error": "A token is needed."})]) as (url, _):
        client = Client(url)
        with pytest.raises(ServerError, match=r"A token is needed\. .*Client\(url, token=") as caught:
            client.models()
    assert caught.value.status == 401


def test_other_servers_are_recognised():
    with saying([(200, {}, b"<html>Hello")]) as (url, _), pytest.raises(ServerError, match="See whether it is one"):
        Client(url).limits()
    with saying([(502, {}, b"<html>Bad gateway")]) as (url, _), pytest.raises(ServerError, match="502 Bad Gateway"):
        Client(url).limits()


def test_no_server_is_a_sentence():
    with saying([]) as (url, _):
        pass  # and gone
    with pytest.raises(ServerError, match=r"127\.0\.0\.1:\d+ can't be asked: Connection refused\. .*emotone serve"):
        Client(url).predict(SIGNAL)
    with pytest.raises(ServerError, match="lets no stream begin"), Client(url).stream():
        pass


@pytest.mark.parametrize("url", ["ftp://example.org", "http://", "http://host:port", "//"])
def test_addresses_that_cannot_be(url):
    with pytest.raises(ConfigError, match="isn't a server's address"):
        Client(url)


def test_an_address_may_come_without_http():
    assert repr(Client("localhost:8000")) == "Client('http://localhost:8000')"
    assert repr(Client("https://me:secret@example.org/x/")) == "Client('https://example.org/x')"


def test_files_that_cannot_be_read(tmp_path):
    client = Client("http://127.0.0.1:9")
    with pytest.raises(AudioError, match=r"gone\.wav can't be read: No such file"):
        client.predict(tmp_path / "gone.wav")
    with pytest.raises(AudioError, match="can't be read: Is a directory"):
        client.predict(tmp_path)
    with pytest.raises(AudioError, match="can't be read"):
        client.add_voice(tmp_path / "gone.wav")
    with pytest.raises(AudioError, match="not int16 with the shape"):
        client.predict(np.zeros(10, np.int16))  # type: ignore[arg-type]


# --- jobs ---


def job(state: str, seconds: float = 0.0, **more: Any) -> dict[str, Any]:
    return {"id": "j/1", "state": state, "seconds": seconds, "duration": 9.0, "error": None, "n_segments": 0, **more}


def test_a_job_is_followed_to_its_end_and_forgotten(recording):
    answers: Answers = [
        (202, {"Location": "/v1/jobs/j%2F1"}, job("waiting")),
        (200, {}, job("running", 4.5)),
        (200, {}, job("done", 9.0)),
        (200, {}, [SEGMENT.as_dict()]),
    ]
    heard: list[tuple[float, float | None]] = []
    with saying(answers) as (url, asked):
        found = Client(url).timeline(recording, progress=lambda *now: heard.append(now))
    assert found == [SEGMENT]
    assert found[0].source == recording
    assert heard == [(4.5, 9.0), (9.0, 9.0)]
    assert "job=always" in asked[0]["path"]
    assert [(r["method"], r["path"]) for r in asked[1:]] == [
        ("GET", "/v1/jobs/j%2F1"),
        ("GET", "/v1/jobs/j%2F1"),
        ("GET", "/v1/jobs/j%2F1/result?format=json"),
        ("DELETE", "/v1/jobs/j%2F1"),
    ]


def test_a_job_that_failed_says_why_and_is_forgotten():
    answers: Answers = [(202, {}, job("waiting")), (200, {}, job("failed", error="It is damaged after 3 s."))]
    with saying(answers) as (url, asked), pytest.raises(AudioError, match=r"It is damaged after 3 s\."):
        Client(url).timeline(SIGNAL)
    assert asked[-1]["method"] == "DELETE"


def test_whoever_stops_waiting_cancels_the_job():
    def enough(seconds: float, duration: float | None) -> None:
        raise KeyboardInterrupt

    with saying([(202, {}, job("waiting")), (200, {}, job("running", 1.0))]) as (url, asked):
        client = Client(url)
        with pytest.raises(KeyboardInterrupt):
            client.timeline(SIGNAL, progress=enough)
    assert asked[-1]["method"] == "DELETE"


def test_a_recording_that_breaks_off_is_a_warning_and_what_is_there():
    answers: Answers = [(200, {"emotone-note": "It breaks off after 3.00%20s."}, [SEGMENT.as_dict()])]
    with saying(answers) as (url, _), pytest.warns(BrokenOffWarning, match=r"breaks off after 3\.00 s"):
        assert Client(url).timeline(SIGNAL) == [SEGMENT]


# --- a real server ---

TOKEN = "one-that-nobody-will-guess"


@pytest.fixture(scope="module")
def server() -> Iterator[str]:
    with serving(token=TOKEN, max_streams=1, max_predict_seconds=10) as found:
        yield found.url


@pytest.fixture
def client(server: str) -> Client:
    return Client(server, token=TOKEN)


@pytest.fixture(scope="module")
def rec() -> emotone.Recogniser:
    return emotone.load()


@pytest.fixture(scope="module")
def talk(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Two voices, one in each channel, at 44.1 kHz."""
    rng = np.random.default_rng(3)
    spoken = [("angry", 2, 1.6), ("sad", 1, 1.5)]
    made = joined([(synthetic.speech(e, who, rng=rng, seconds=s), e) for e, who, s in spoken], rng=rng).signal
    wide = audio.convert(made, 16_000, to=44_100)
    path = tmp_path_factory.mktemp("talks") / "talk.flac"
    soundfile.write(path, np.stack([wide, wide[::-1]], axis=1), 44_100)
    return path


def test_a_server_answers_as_the_library_does(client, rec, talk):
    assert client.predict(SIGNAL) == rec.predict(SIGNAL)
    assert client.predict(talk) == rec.predict(talk)
    assert client.timeline(talk) == rec.timeline(talk)
    assert client.timeline(talk, channels="each") == rec.timeline(talk, channels="each")


def test_a_job_answers_as_the_library_does(client, rec, talk):
    heard: list[tuple[float, float | None]] = []
    assert client.timeline(talk, progress=lambda *now: heard.append(now)) == rec.timeline(talk)
    assert heard[-1] == pytest.approx((soundfile.info(talk).duration,) * 2, abs=0.05)


@pytest.mark.parametrize("format", ["csv", "jsonl", "parquet"])
def test_files_read_back_as_the_segments(client, rec, talk, tmp_path, format):  # noqa: A002
    path = tmp_path / f"talk.{format}"
    path.write_bytes(client.timeline(talk, format=format))
    assert formats.read(path) == rec.timeline(talk)


def test_a_voice_is_known_until_it_is_forgotten(client, rec):
    rng = np.random.default_rng(4)
    known = [synthetic.speech(emotion, 3, rng=rng, seconds=1.0) for emotion in ("neutral", "happy", "sad")]
    voice = client.add_voice(known)
    adapted = rec.adapt(known)
    assert client.predict(SIGNAL, voice=voice) == adapted.predict(SIGNAL) != rec.predict(SIGNAL)
    client.forget_voice(voice)
    with pytest.raises(ConfigError, match="voice"):
        client.predict(SIGNAL, voice=voice)


@pytest.mark.parametrize("encoding", ["f32le", "s16le"])
def test_a_stream_answers_as_the_library_does(client, rec, talk, encoding):
    """In pieces of any size, at the rate and with the channels that the recording has."""
    samples, rate = soundfile.read(talk, dtype="float32")
    rng, place = np.random.default_rng(5), 0
    found: list[Segment] = []
    with client.stream(rate=rate, channels=2, encoding=encoding) as live:
        assert live.labels == rec.labels
        while place < len(samples):
            piece = samples[place : place + int(rng.integers(1, rate))]
            place += len(piece)
            found += live.feed(piece)
        found += live.flush()
        assert live.seconds == pytest.approx(len(samples) / rate)
        assert not live.speaking
        assert live.provisional is None
        assert live.flush() == []
    expected = rec.timeline(talk)
    assert [(s.emotion, s.flags) for s in found] == [(s.emotion, s.flags) for s in expected]
    np.testing.assert_allclose([(s.start, s.end) for s in found], [(s.start, s.end) for s in expected], atol=0.032)


def test_a_stream_thinks_aloud(client):
    with client.stream() as live:
        live.feed(np.tile(SIGNAL, 3))
        for _ in range(200):
            live.feed(b"")  # only looks what came
            if live.provisional is not None:
                break
            time.sleep(0.05)
        assert live.speaking
        assert live.provisional is not None
        assert set(live.provisional.scores) == set(live.labels)


def test_one_thread_may_speak_and_another_listen(client, rec):
    with client.stream() as live:

        def speak() -> None:
            for first in range(0, len(SIGNAL), 4000):
                live.send(SIGNAL[first : first + 4000])
            live.stop()

        speaker = threading.Thread(target=speak)
        speaker.start()
        found = list(live)
        speaker.join()
    assert found == rec.timeline(SIGNAL)


def test_what_browsers_record_is_streamed_as_it_is(client):
    pytest.importorskip("av")
    import hostile

    content = hostile.recordings(1.5)["webm"]
    with client.stream(encoding="webm") as live:
        found = [segment for i in range(0, len(content), 2000) for segment in live.feed(content[i : i + 2000])]
        found += live.flush()
    assert found[-1].end == pytest.approx(1.5, abs=0.1)


def test_refusals_of_streams_are_sentences(client, server):
    with pytest.raises(ServerError, match="token"), Client(server, token="x" * 20).stream():
        pass
    with pytest.raises(ServerError, match="samples a second"), client.stream(rate=3):
        pass
    with client.stream() as live:
        live.send(np.full(16_000, np.nan, np.float32))
        with pytest.raises(ServerError, match="NaN"):
            live.flush()


def test_a_stream_waits_for_its_turn(client, server):
    """There is one place. Whoever comes while it is taken waits as long as they have patience."""
    with client.stream():
        impatient = Client(server, token=TOKEN, patience=0)
        with pytest.raises(ServerError, match="streams"), impatient.stream():
            pass

        def wait() -> None:
            with Client(server, token=TOKEN, patience=20).stream() as live:
                found.extend(live.feed(SIGNAL) + live.flush())

        found: list[Segment] = []
        waiting = threading.Thread(target=wait)
        waiting.start()
        time.sleep(0.3)
        assert waiting.is_alive()
    waiting.join(20)
    assert found[-1].end == pytest.approx(1.0)


def test_what_the_server_has(client, server):
    [default] = client.models()
    assert default["name"] == "default"
    assert default["adapts"] is True
    assert client.limits()["needs_token"] is True
    with pytest.raises(ServerError, match="token") as caught:
        Client(server).models()
    assert caught.value.status == 401


def test_what_the_server_refuses(client, talk):
    with pytest.raises(AudioError, match="10 s"):
        client.predict(np.zeros(11 * 16_000, np.float32))
    with pytest.raises(AudioError):
        client.predict(b"no recording")
    with pytest.raises(ConfigError, match="default"):
        client.predict(SIGNAL, model="defualt")
    with pytest.raises(ConfigError, match="csv"):
        client.timeline(talk, format="cvs")
