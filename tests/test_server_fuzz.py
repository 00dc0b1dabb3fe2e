"""Input that nobody means: damaged recordings, lengths that lie, frames that break the protocol, and what schemathesis
makes of the server's own description. Refused in words, and nobody else notices.

In short here; thousands of cases are in ``benchmarks/server_load.py fuzz``.
"""

from __future__ import annotations

import json
import os
import select
import socket
import struct
import time
import urllib.error
import urllib.request
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

import hostile
import numpy as np
import pytest
import raw_sockets
from raw_sockets import BINARY, CLOSE, STOP, TEXT, Frames, frame
from serving import Server, serving

from emotone import audio, synthetic
from emotone.client import Client

SIGNAL = synthetic.speech("angry", 1, rng=np.random.default_rng(0), seconds=1.2)
SOUND = (SIGNAL * 32767).astype("<i2").tobytes()
LIMIT = 3_000_000  # bytes of an upload


@pytest.fixture(scope="module")
def server() -> Iterator[Server]:
    """Everybody is one client here, so limits on one are lifted."""
    lifted = {"client_rate": 100_000, "client_requests": 1000, "client_jobs": 1000, "max_jobs": 1000}
    with serving(max_upload_bytes=LIMIT, idle_seconds=3, **lifted) as found:
        yield found


@pytest.fixture(autouse=True)
def others(server: Server) -> Iterator[None]:
    """Somebody else, who is answered as ever behind each of these tests; and nothing is left of what they sent."""
    before = Client(server.url).predict(SIGNAL)
    yield
    assert Client(server.url, patience=2).predict(SIGNAL) == before
    end = time.monotonic() + 10
    while left_behind(server) and time.monotonic() < end:
        time.sleep(0.05)
    assert not left_behind(server)


def left_behind(server: Server) -> float:
    """Streams, and bytes of uploads."""
    return server.metric("emotone_streams ") + server.metric("emotone_spool_bytes ")


def asked(server: Server, path: str, content: bytes) -> tuple[int, str]:
    """Status, and the sentence if it is an error."""
    request = urllib.request.Request(f"{server.url}{path}", data=content)
    request.add_header("Content-Type", "application/octet-stream")
    try:
        with urllib.request.urlopen(request, timeout=30) as answer:
            return answer.status, ""
    except urllib.error.HTTPError as error:
        return error.code, json.loads(error.read())["error"]


@contextmanager
def connected(server: Server) -> Iterator[socket.socket]:
    with socket.create_connection(("127.0.0.1", server.port), timeout=20) as connection:
        yield connection


def said(connection: socket.socket) -> bytes:
    """All that comes until the other end closes."""
    content = b""
    with suppress(ConnectionResetError):
        while more := connection.recv(65_536):
            content += more
    return content


# --- recordings ---


def test_damaged_recordings_are_heard_or_refused_in_words(server):
    statuses: Counter[int] = Counter()
    for i, (name, content) in enumerate(hostile.mutants(hostile.recordings(0.8), 60, seed=1)):
        status, words = asked(server, "/v1/timeline" if i % 3 == 0 else "/v1/predict", content)
        statuses[status] += 1
        assert status in (200, 202, 400, 413, 415, 422), f"mutant {i} of {name}: {status} {words}"
        assert status < 400 or (len(words) > 20 and "/proc" not in words and "Traceback" not in words)
    assert statuses[200] > 5
    assert statuses[422] > 5


@pytest.mark.parametrize("channels", [1, 8])
def test_days_of_silence_in_few_bytes_are_refused_at_once(server, channels):
    bomb = hostile.silent_flac(40, channels=channels)
    assert len(bomb) < 2_000_000
    begin = time.monotonic()
    for path in ("/v1/predict", "/v1/timeline", "/v1/timeline?job=always", "/v1/voices"):
        status, words = asked(server, path, bomb)
        assert status == 413, (path, words)
        assert "longest" in words
    assert time.monotonic() - begin < 20


@pytest.mark.parametrize("promised", [0, 16_000])
def test_a_header_that_hides_the_length_helps_nobody(server, promised):
    """The same, promising nothing or a second: what counts is what comes."""
    bomb = bytearray(hostile.silent_flac(40))
    facts = int.from_bytes(bomb[18:26], "big") >> 36 << 36
    bomb[18:26] = (facts | promised).to_bytes(8, "big")
    begin = time.monotonic()
    status, words = asked(server, "/v1/predict", bytes(bomb))
    assert status in (200, 413, 422), words
    assert time.monotonic() - begin < 10


def test_what_is_no_recording_is_refused_in_words(server):
    rng = np.random.default_rng(0)
    short = (b"", b"x", b"RIFF", b"#!/bin/sh\n", b"\x1f\x8b" + rng.bytes(99))
    for content in (*short, rng.bytes(100_000), b"\0" * 100_000):
        status, words = asked(server, "/v1/predict", content)
        assert status in (400, 415, 422)
        assert len(words) > 20


# --- HTTP ---


def test_an_upload_that_never_ends_is_cut_off(server):
    """In chunks, so that it says nothing about its length. What is too much isn't kept while it is thrown away."""
    memory = Path(f"/proc/{server.process.pid}/statm")
    if not memory.exists():
        pytest.skip("the system doesn't tell how much memory a process has")
    before = int(memory.read_text().split()[1])
    with connected(server) as connection:
        head = "POST /v1/predict HTTP/1.1\r\nHost: 127.0.0.1\r\nTransfer-Encoding: chunked\r\n\r\n"
        connection.sendall(head.encode())
        piece = b"10000\r\n" + bytes(0x10000) + b"\r\n"
        begin = time.monotonic()
        with suppress(ConnectionError):
            while not select.select([connection], [], [], 0)[0]:
                connection.sendall(piece)
                assert time.monotonic() - begin < 20
        answer = said(connection)
    assert answer == b"" or answer.startswith(b"HTTP/1.1 413 ")
    assert (int(memory.read_text().split()[1]) - before) * os.sysconf("SC_PAGE_SIZE") < 10 * LIMIT


def test_lengths_that_are_not_numbers(server):
    for length in ("-1", "1e9", "0x10", "9" * 400, "5, 6"):
        with connected(server) as connection:
            head = f"POST /v1/predict HTTP/1.1\r\nHost: 127.0.0.1\r\nContent-Length: {length}\r\n\r\nhello"
            connection.sendall(head.encode())
            assert said(connection)[9:12] in (b"400", b"413")


@pytest.mark.parametrize(
    "content",
    [
        b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n" + bytes(100),
        b"GET / HTTP/1.1\r\n" + b"X: y\r\n" * 20_000 + b"\r\n",
        b"GET /" + b"a" * 200_000 + b" HTTP/1.1\r\nHost: 127.0.0.1\r\n\r\n",
        b"GET /../../etc/passwd HTTP/1.1\r\nHost: 127.0.0.1\r\nConnection: close\r\n\r\n",
        b"GET /%2e%2e/settings.py HTTP/1.1\r\nHost: 127.0.0.1\r\nConnection: close\r\n\r\n",
        b"\0" * 5000 + b"\r\n\r\n",
        b"POST / HTTP/1.1\r\nHost: 127.0.0.1\r\nContent-Length: 5\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\nGET",
    ],
    ids=["http2", "headers", "path", "dots", "encoded-dots", "zeros", "smuggling"],
)
def test_what_is_no_request_is_refused(server, content):
    with connected(server) as connection:
        with suppress(ConnectionError):
            connection.sendall(content)
            connection.shutdown(socket.SHUT_WR)
        answer = said(connection)
    assert answer == b"" or answer[9:10] == b"4"
    assert b"root:" not in answer


def test_requests_that_its_own_description_suggests(server):
    pytest.importorskip("schemathesis")
    statuses, faults, slowest = hostile.fuzz(server.url, 120, seed=3)
    assert not faults, "\n".join(faults[:10])
    assert sum(statuses.values()) >= 120
    assert slowest < 10


# --- streams ---


def begun(connection: socket.socket, server: Server) -> bytes:
    """A WebSocket on this connection; what came behind the server's consent."""
    connection.sendall(raw_sockets.upgrade(f"127.0.0.1:{server.port}"))
    head = b""
    while b"\r\n\r\n" not in head and (more := connection.recv(65_536)):
        head += more
    assert b" 101 " in head[:20]
    return head.partition(b"\r\n\r\n")[2]


def streamed(server: Server, *messages: bytes) -> tuple[list[dict[str, Any]], int | None]:
    """All that the server says to these messages, and the code with which it closes; None if it just leaves."""
    answers: list[dict[str, Any]] = []
    with connected(server) as connection:
        content, reader = begun(connection, server), Frames()
        with suppress(ConnectionError):
            connection.sendall(b"".join(messages))
        with suppress(ConnectionError):
            while True:
                for kind, text in reader.feed(content):
                    if kind == TEXT:
                        answers.append(json.loads(text))
                    elif kind == CLOSE:
                        connection.sendall(frame(CLOSE, text[:2]))
                        return answers, int.from_bytes(text[:2], "big")
                if not (content := connection.recv(65_536)):
                    break
    return answers, None


def refused(answers: list[dict[str, Any]], code: int | None, *codes: int) -> str:
    """The sentence with which a stream was refused."""
    assert answers[-1]["type"] == "error"
    assert code in codes
    words = str(answers[-1]["error"])
    assert len(words) > 15
    return words


@pytest.mark.parametrize(
    "greeting",
    [
        {"rate": 0}, {"rate": -16000}, {"rate": 10**12}, {"rate": 16000.5}, {"rate": "16000"}, {"rate": [16000]},
        {"rate": float("nan")}, {"rate": float("inf")}, {"channels": 0}, {"channels": 10**9}, {"channels": 1.5},
        {"encoding": "mp3"}, {"encoding": None}, {"encoding": ["s16le"]}, {"model": "../../etc"}, {"model": 7},
        {"voice": "x" * 100_000}, {"adapt": "yes"}, {"type": "hello"}, {"nonsense": 1},
    ],
)  # fmt: skip
def test_greetings_that_cannot_be_are_refused_in_words(server, greeting):
    refused(*streamed(server, raw_sockets.start(**greeting)), 1003, 1008)


@pytest.mark.parametrize(
    "first",
    [
        frame(BINARY, bytes(3200)),
        frame(TEXT, b"\xff\xfe\xfd"),
        frame(TEXT, b"[" * 100_000),
        frame(TEXT, b"null"),
        frame(TEXT, b'{"type": "start", "encoding": "s16le", "rate": 1' + b"0" * 5000 + b"}"),
        STOP,
    ],
    ids=["binary", "not utf-8", "deep", "null", "long number", "stop"],
)
def test_first_messages_that_are_no_greeting(server, first):
    answers, code = streamed(server, first)
    assert code == 1007 or refused(answers, code, 1003, 1008)


def test_noise_is_refused_where_it_cannot_be_sound(server):
    """All bytes are integers. As floats, most are too loud, NaN or infinite; as WebM, they say nothing."""
    noise = np.random.default_rng(0).bytes(64_000)
    answers, code = streamed(server, raw_sockets.start(), frame(BINARY, noise), STOP)
    assert code == 1000
    assert answers[-1] == {"type": "end", "seconds": 2.0}
    refused(*streamed(server, raw_sockets.start(encoding="f32le"), frame(BINARY, noise), STOP), 1003)
    refused(*streamed(server, raw_sockets.start(encoding="webm"), frame(BINARY, noise), STOP), 1003)


def test_odd_numbers_of_bytes_and_empty_messages(server):
    pieces = [frame(BINARY, SOUND[first : first + 777]) for first in range(0, len(SOUND), 777)]
    answers, code = streamed(server, raw_sockets.start(), frame(BINARY, b""), *pieces, STOP)
    assert code == 1000
    assert answers[-1]["seconds"] == pytest.approx(len(SIGNAL) / 16_000)
    whole, _ = streamed(server, raw_sockets.start(), frame(BINARY, SOUND), STOP)
    told = [[answer for answer in each if answer["type"] == "segment"] for each in (answers, whole)]
    assert told[0] == told[1] != []


@pytest.mark.parametrize("rate", [1000, 8000, 192_000, 768_000])
def test_a_rate_that_is_not_true_is_only_heard_wrongly(server, rate):
    """Sound of 16 kHz declared as another; nothing in samples tells."""
    answers, code = streamed(server, raw_sockets.start(rate=rate), frame(BINARY, SOUND), STOP)
    assert code == 1000
    assert answers[-1]["seconds"] == pytest.approx(len(SIGNAL) / rate, abs=0.01)


@pytest.mark.parametrize(
    ("rude", "codes"),
    [
        (bytes([0x82, 0x05]) + b"hello", {1002}),  # not masked
        (bytes([0xF2, 0x80, 0, 0, 0, 0]), {1002}),  # bits that nobody agreed on
        (bytes([0x8B, 0x80, 0, 0, 0, 0]), {1002}),  # no such kind
        (bytes([0x82, 0xFF]) + struct.pack("!Q", 1 << 62) + bytes(4), {1009}),  # four exabytes
        (bytes([0x89, 0xFE, 0x01, 0x00]) + bytes(4 + 256), {1002}),  # a ping that is too long
        (np.random.default_rng(0).bytes(500), {None, 1002, 1007, 1008, 1009}),
    ],
    ids=["unmasked", "reserved", "kind", "exabytes", "ping", "random"],
)
def test_frames_that_break_the_protocol(server, rude, codes):
    _, code = streamed(server, raw_sockets.start(), rude)
    assert code in codes


def test_a_message_without_an_end_is_refused(server):
    """In pieces, none of which is large."""
    piece = bytes([0x02, 0xFF]) + struct.pack("!Q", 500_000) + bytes(4 + 500_000)
    more = bytes([0x00]) + piece[1:]
    with connected(server) as connection:
        begun(connection, server)
        connection.sendall(raw_sockets.start() + piece)
        with suppress(ConnectionError):
            for _ in range(100):
                connection.sendall(more)
        assert struct.pack("!H", 1009) in said(connection)


def test_those_who_never_read_keep_nobody_waiting(server):
    """They send, and leave what they are told in the socket until it is full."""
    with connected(server) as connection:
        connection.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
        begun(connection, server)
        connection.sendall(raw_sockets.start())
        connection.settimeout(0.5)
        with suppress(OSError):
            for _ in range(40):
                connection.sendall(frame(BINARY, bytes(64_000)))
        assert asked(server, "/v1/predict", audio.encode_wav(SIGNAL))[0] == 200


def test_who_does_not_say_good_bye_back_is_let_go(server):
    with connected(server) as connection:
        begun(connection, server)
        connection.sendall(frame(TEXT, b"null"))
        begin = time.monotonic()
        assert b"error" in said(connection)
        assert time.monotonic() - begin < 15
