"""Those who mean no good, or don't know better, against a real server: refused in words, and nobody else notices."""

from __future__ import annotations

import contextlib
import io
import json
import os
import signal
import socket
import threading
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import httpx
import numpy as np
import psutil
import pytest
import soundfile
from serving import Server, serving
from websockets.sync.client import connect

import emotone
from emotone import audio

SAMPLE = Path(audio.__file__).with_name("samples") / "angry.wav"
TOKEN = "correct-horse-battery"


@pytest.fixture(scope="module")
def server() -> Iterator[Server]:
    with serving(
        decoders=2,
        max_upload_bytes=2_000_000,
        max_seconds=600,
        max_requests=8,
        max_connections=60,
        header_seconds=1,
        idle_seconds=1.5,
        upload_seconds=3,
    ) as each:
        yield each


def answered(server: Server) -> bool:
    """Whether somebody who means well is served."""
    with server.client() as client:
        return client.post("/v1/predict", content=SAMPLE.read_bytes()).status_code == 200


def raw(server: Server, *pieces: bytes, pause: float = 0.0, seconds: float = 10) -> bytes:
    """What the server says to these bytes, until it hangs up."""
    with socket.create_connection(("127.0.0.1", server.port), timeout=seconds) as connection:
        with contextlib.suppress(OSError):
            for piece in pieces:
                connection.sendall(piece)
                time.sleep(pause)
        said = b""
        with contextlib.suppress(ConnectionResetError):
            while more := connection.recv(65536):
                said += more
        return said


def head(path: str = "/v1/predict", **headers: str) -> bytes:
    lines = {"Host": "127.0.0.1", **{name.replace("_", "-"): value for name, value in headers.items()}}
    return (f"POST {path} HTTP/1.1\r\n" + "".join(f"{k}: {v}\r\n" for k, v in lines.items()) + "\r\n").encode()


# --- too large, too slow, too many ---


def test_500_megabytes_are_refused_without_being_kept(server):
    process = psutil.Process(server.process.pid)
    before = process.memory_info().rss
    pieces = (bytes(1_000_000) for _ in range(500))
    with server.client() as client:
        begun = time.monotonic()
        told = client.post("/v1/predict", content=b"x" * 3_000_000)
        assert told.status_code == 413
        assert "2,000,000 bytes" in told.json()["error"]
        with contextlib.suppress(httpx.WriteError, httpx.ReadError):  # it may hang up on who doesn't stop
            unsaid = client.post("/v1/predict", content=pieces)
            assert unsaid.status_code == 413
        assert time.monotonic() - begun < 60
    assert process.memory_info().rss - before < 40e6
    assert server.metric("emotone_spool_bytes") == 0
    assert answered(server)


def test_whoever_asks_first_is_told_before_sending(server):
    said = raw(server, head(Content_Length="500000000", Expect="100-continue"))
    assert said.startswith(b"HTTP/1.1 413")
    assert b"100 Continue" not in said


def test_whoever_listens_while_sending_is_told_at_once(server):
    with socket.create_connection(("127.0.0.1", server.port), timeout=10) as connection:
        begun = time.monotonic()
        connection.sendall(head(Content_Length="500000000") + b"x" * 1000)
        said = b""
        while not said.endswith(b"}"):
            more = connection.recv(65536)
            assert more, said
            said += more
        assert time.monotonic() - begun < 2
        assert said.startswith(b"HTTP/1.1 413")
        assert b"connection: close" in said.lower()
        connection.sendall(b"x" * 100_000)  # which is still taken, for those who only listen later
        assert connection.recv(65536) == b""
        assert 2 < time.monotonic() - begun < 9


def test_slow_heads_and_silent_connections_are_closed(server):
    begun = time.monotonic()
    with ThreadPoolExecutor(30) as many:
        silent = [many.submit(raw, server) for _ in range(10)]
        slow = [many.submit(raw, server, *[b"GET / HTTP/1.1\r\n", *[b"X: y\r\n"] * 12], pause=0.25) for _ in range(10)]
        time.sleep(0.2)
        assert answered(server)
        assert all(each.result() == b"" for each in (*silent, *slow))
    assert time.monotonic() - begun < 8
    second = b"GET /healthz HTTP/1.1\r\nHost: 127.0.0.1\r\n\r\n"
    said = raw(server, second, b"GET /hea", b"lthz")
    assert said.count(b"HTTP/1.1") == 1, "the second head never came"


def test_slow_bodies_are_told_so(server):
    stopped = raw(server, head(Content_Length="100000"), b"x" * 1000)
    assert stopped.startswith(b"HTTP/1.1 408")
    dripping = raw(server, head(Content_Length="100000"), *[b"x"] * 16, pause=0.25)
    assert dripping.startswith(b"HTTP/1.1 408")
    assert b"came too slowly" in dripping
    assert answered(server)


def test_too_many_connections_are_told_so(server):
    with contextlib.ExitStack() as stack:
        for _ in range(60):
            stack.enter_context(socket.create_connection(("127.0.0.1", server.port)))
        time.sleep(0.3)
        said = raw(server, b"GET /healthz HTTP/1.1\r\nHost: 127.0.0.1\r\n\r\n")
    assert said.startswith(b"HTTP/1.1 429")
    assert json.loads(said.partition(b"\r\n\r\n")[2])["error"].startswith("There are too many connections")
    time.sleep(0.5)
    assert answered(server)


def test_overload_is_429_and_over_within_a_second(server):
    content = SAMPLE.read_bytes()
    expected = emotone.load().predict(SAMPLE).as_dict()

    def ask(client: httpx.Client) -> httpx.Response:
        return client.post("/v1/predict", content=content)

    with server.client() as client, ThreadPoolExecutor(40) as many:
        answers = list(many.map(ask, [client] * 300))
        begun = time.monotonic()
        assert ask(client).status_code == 200
        assert time.monotonic() - begun < 1
    statuses = {each.status_code for each in answers}
    assert statuses == {200, 429}, {each.text for each in answers if each.status_code not in (200, 429)}
    assert all(int(each.headers["retry-after"]) >= 1 for each in answers if each.status_code == 429)
    assert all(each.json() == expected for each in answers if each.status_code == 200)


def test_what_is_no_http_is_refused(server):
    assert raw(server, b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03" + bytes(500)).startswith(b"HTTP/1.1 400")
    assert raw(server, b"GET / HTTP/1.1\r\nX: " + b"y" * 200_000).startswith(b"HTTP/1.1 4")
    assert answered(server)


# --- bombs ---


def test_hours_of_silence_in_a_small_file_are_refused(server):
    bomb = io.BytesIO()
    with soundfile.SoundFile(bomb, "w", 1000, 1, format="FLAC") as file:
        for _ in range(100):
            file.write(np.zeros(3_600_000, np.int16))
    assert len(bomb.getvalue()) < 2_000_000
    process = psutil.Process(server.process.pid)
    before = process.memory_info().rss
    with server.client() as client:
        for path in ("/v1/predict", "/v1/timeline", "/v1/timeline?job=always", "/v1/voices"):
            begun = time.monotonic()
            answer = client.post(path, content=bomb.getvalue())
            assert answer.status_code == 413, path
            assert "s, which is the longest" in answer.json()["error"]
            assert time.monotonic() - begun < 5
    assert process.memory_info().rss - before < 40e6


def test_a_form_of_very_many_files_is_refused(server):
    with server.client() as client:
        answer = client.post("/v1/voices", files=[("file", b"x")] * 100)
    assert answer.status_code == 413


# --- half-open ---


def test_clients_that_vanish_leave_nothing(server):
    content = SAMPLE.read_bytes()
    for _ in range(10):
        with socket.create_connection(("127.0.0.1", server.port)) as connection:
            connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, b"\1\0\0\0\0\0\0\0")  # RST
            connection.sendall(head(Content_Length=str(len(content))) + content[:50_000])
    for _ in range(5):
        with connect(server.ws, proxy=None) as each:
            each.send('{"type": "start", "encoding": "s16le", "rate": 16000}')
            each.recv()
            each.send(bytes(3200))
            each.socket.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, b"\1\0\0\0\0\0\0\0")
            each.close_socket()
    end = time.monotonic() + 10
    names = ("emotone_streams", "emotone_spool_bytes", "emotone_requests_admitted")
    while any(server.metric(f"{name} ") for name in names) and time.monotonic() < end:
        time.sleep(0.05)
    assert [server.metric(f"{name} ") for name in names] == [0, 0, 0]
    assert answered(server)


# --- decoders ---


def test_killed_decoders_cost_one_answer_each_at_most(server):
    """Somebody kills decoding processes while sixty recordings come in."""
    content = SAMPLE.read_bytes()
    over = threading.Event()
    n_killed = 0

    def kill() -> None:
        nonlocal n_killed
        while not over.wait(0.4) and n_killed < 6:
            children = psutil.Process(server.process.pid).children()
            with contextlib.suppress(ProcessLookupError, IndexError):
                os.kill(children[n_killed % len(children)].pid, signal.SIGKILL)
                n_killed += 1

    killing = threading.Thread(target=kill)
    killing.start()
    try:
        with server.client() as client, ThreadPoolExecutor(4) as many:
            answers = list(many.map(lambda _: client.post("/v1/predict", content=content), range(60)))
    finally:
        over.set()
        killing.join()
    failed = [each for each in answers if each.status_code != 200]
    assert n_killed
    assert len(failed) <= n_killed
    assert all(each.status_code == 503 and "retry-after" in each.headers for each in failed)
    assert all("ended from outside" in each.json()["error"] for each in failed)
    end = time.monotonic() + 20
    while server.metric("emotone_decoders ") < 3 and time.monotonic() < end:
        time.sleep(0.1)
    assert answered(server)
    assert len(psutil.Process(server.process.pid).children()) == 3


def test_nothing_of_an_upload_is_left_on_the_disk(tmp_path):
    rng = np.random.default_rng(0)
    buffer = io.BytesIO()
    soundfile.write(buffer, 0.1 * rng.standard_normal(6_000_000), 16_000, format="WAV", subtype="PCM_16")
    with serving(decoders=1, spool_folder=str(tmp_path)) as server, server.client() as client:
        job = client.post("/v1/timeline?job=always", content=buffer.getvalue())
        assert job.status_code == 202
        assert server.metric("emotone_spool_bytes") == len(buffer.getvalue()), "it is there"
        assert not list(tmp_path.iterdir()), "and has no name"
        server.process.kill()
        server.process.wait()
    assert not list(tmp_path.iterdir())


# --- who may come in ---


def test_names_that_are_not_ours_are_refused(server):
    for host in ("evil.example", "evil.example:80", "127.0.0.1.evil.example", "", "a b", "[::1", "localhost:99999999"):
        said = raw(server, f"GET / HTTP/1.1\r\nHost: {host}\r\nConnection: close\r\n\r\n".encode())
        assert said.startswith((b"HTTP/1.1 403", b"HTTP/1.1 400")), host
    for host in ("localhost", f"localhost:{server.port}", "127.0.0.1", "[::1]:8000", "192.168.1.7"):
        said = raw(server, f"GET / HTTP/1.1\r\nHost: {host}\r\nConnection: close\r\n\r\n".encode())
        assert said.startswith(b"HTTP/1.1 200"), host


@pytest.mark.parametrize(
    "headers",
    [
        {"Origin": "https://evil.example"},
        {"Origin": "null"},
        {"Origin": "http://127.0.0.1:1"},
        {"Sec-Fetch-Site": "cross-site"},
        {"Sec-Fetch-Site": "same-site"},
    ],
)
def test_pages_of_other_sites_can_ask_nothing(server, headers):
    with server.client(headers=headers) as client:
        assert client.post("/v1/predict", content=SAMPLE.read_bytes()).status_code == 403
        assert client.delete("/v1/jobs/x").status_code == 403
        answer = client.get("/v1/models")
        assert "access-control-allow-origin" not in answer.headers
        assert answer.headers["cross-origin-resource-policy"] == "same-origin"
        preflight = client.options("/v1/predict", headers={"Access-Control-Request-Method": "POST"})
        assert "access-control-allow-origin" not in preflight.headers


def test_the_pages_own_requests_pass(server):
    own = {"Origin": server.url, "Sec-Fetch-Site": "same-origin"}
    with server.client(headers=own) as client:
        assert client.post("/v1/predict", content=SAMPLE.read_bytes()).status_code == 200


def test_tokens_keep_everything_closed_but_the_page():
    with serving(decoders=1, token=TOKEN, origins="https://app.example") as server:
        with server.client() as client:
            for path in ("/", "/docs", "/healthz", "/readyz", "/v1/limits", "/openapi.json"):
                assert client.get(path).status_code == 200, path
            assert client.get("/v1/limits").json()["needs_token"] is True
            for path in ("/v1/models", "/metrics", "/v1/jobs/x"):
                answer = client.get(path)
                assert answer.status_code == 401, path
                assert answer.headers["www-authenticate"] == "Bearer"
            assert client.post("/v1/predict", content=SAMPLE.read_bytes()).status_code == 401
            right = {"Authorization": f"Bearer {TOKEN}"}
            assert client.get("/v1/models", headers=right).status_code == 200
            allowed = {**right, "Origin": "https://app.example"}
            assert client.post("/v1/predict", content=SAMPLE.read_bytes(), headers=allowed).status_code == 200
        for token, expected in ((TOKEN, "ready"), ("wrong", "error"), (None, "error")):
            with connect(server.ws, proxy=None) as each:
                each.send(json.dumps({"type": "start", "encoding": "s16le", "token": token}))
                assert json.loads(each.recv())["type"] == expected
        with connect(server.ws, proxy=None, additional_headers=right) as each:
            each.send('{"type": "start", "encoding": "s16le"}')
            assert json.loads(each.recv())["type"] == "ready"
        with server.client() as client:
            wrong = [
                client.get("/v1/models", headers={"Authorization": "Bearer nonono"}).status_code for _ in range(20)
            ]
            assert wrong[0] == 401
            assert wrong[-1] == 429
            assert client.get("/v1/models", headers=right).status_code == 200, "who knows the token isn't locked out"
        assert TOKEN not in "".join(server.log)


def test_one_client_cannot_ask_without_end():
    with serving(decoders=1, client_rate=5) as server, server.client() as client:
        answers = [client.get("/v1/models") for _ in range(30)]
        assert [each.status_code for each in answers[:5]] == [200] * 5
        assert answers[-1].status_code == 429
        assert client.get("/healthz").status_code == 200
        time.sleep(0.5)
        assert client.get("/v1/models").status_code == 200
