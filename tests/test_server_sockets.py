"""Streams of a real server: the segments of the library's timeline, what is thought on the way, words for mistakes."""

from __future__ import annotations

import json
import signal
import time
from collections.abc import Iterator
from contextlib import ExitStack, suppress
from pathlib import Path
from threading import Thread
from typing import Any

import av
import numpy as np
import pytest
from serving import Server, serving
from websockets.exceptions import ConnectionClosed, InvalidStatus
from websockets.sync.client import ClientConnection, connect

import emotone
from emotone import audio, formats
from emotone.audio import SAMPLE_RATE, Signal
from emotone.segment import Segment
from emotone.stream import StreamOptions

SAMPLE = Path(audio.__file__).with_name("samples") / "angry.wav"
START = {"type": "start", "encoding": "s16le", "rate": 16_000}


@pytest.fixture(scope="module")
def server() -> Iterator[Server]:
    with serving(decoders=1, max_streams=3, max_webm_streams=1, max_stream_seconds=30, idle_seconds=1.5) as each:
        yield each


@pytest.fixture(scope="module")
def talk() -> Signal:
    """Twelve seconds with pauses, at full 16 bits."""
    sample = audio.load(SAMPLE)
    whole = np.concatenate([sample, np.zeros(9_600, np.float32), sample, sample, np.zeros(16_000, np.float32), sample])
    return (np.round(whole * 32768).clip(-32768, 32767) / 32768).astype(np.float32)


def spoken(server: Server, content: bytes, start: dict[str, Any], *, piece: int = 3200, stop: bool = True) -> list[Any]:
    """All messages of a stream that gets this content, and the closing code."""
    with connect(server.ws, proxy=None) as socket:
        socket.send(json.dumps({**START, **start}))
        for first in range(0, len(content), piece):
            socket.send(content[first : first + piece])
        if stop:
            socket.send('{"type": "stop"}')
        return told(socket)


def told(socket: ClientConnection) -> list[Any]:
    messages: list[Any] = []
    try:
        while True:
            messages.append(json.loads(socket.recv(timeout=30)))
    except ConnectionClosed:
        return [*messages, socket.close_code]


def of_type(messages: list[Any], name: str) -> list[Any]:
    return [each for each in messages if isinstance(each, dict) and each["type"] == name]


def plain(segments: list[Segment]) -> list[dict[str, Any]]:
    return json.loads(json.dumps([segment.as_dict() for segment in segments]))


def pcm(signal: Signal) -> bytes:
    return np.round(signal * 32768).clip(-32768, 32767).astype("<i2").tobytes()


@pytest.mark.parametrize(("encoding", "piece"), [("s16le", 3200), ("s16le", 777), ("f32le", 100_000)])
def test_segments_are_those_of_the_timeline(server, talk, encoding, piece):
    content = pcm(talk) if encoding == "s16le" else talk.tobytes()
    messages = spoken(server, content, {"encoding": encoding}, piece=piece)
    assert [each["segment"] for each in of_type(messages, "segment")] == plain(emotone.load().timeline(talk))
    assert messages[0] == {"type": "ready", "labels": list(emotone.load().labels), "max_seconds": 30.0}
    assert messages[-2] == {"type": "end", "seconds": len(talk) / SAMPLE_RATE}
    assert messages[-1] == 1000


def test_what_is_thought_comes_for_every_half_second(server, talk):
    messages = spoken(server, pcm(talk), {})
    guesses = of_type(messages, "provisional")
    assert [each["seconds"] for each in guesses] == [n / 2 for n in range(1, int(len(talk) / SAMPLE_RATE * 2) + 1)]
    stream, expected = emotone.load().stream(), []
    for first in range(0, len(talk) - 7999, 8000):
        stream.feed(talk[first : first + 8000])
        expected.append((stream.speaking, stream.provisional))
    for each, (speaking, segment) in zip(guesses, expected, strict=True):
        assert each["speaking"] == speaking
        assert each["segment"] == (None if segment is None else plain([segment])[0])


def test_other_rates_and_channels_are_heard_like_a_file_of_them(server, talk):
    stereo = np.stack([audio.convert(talk, 16_000, to=48_000)] * 2, axis=1)
    samples = np.round(stereo * 32768).clip(-32768, 32767).astype("<i2")
    messages = spoken(server, samples.tobytes(), {"rate": 48_000, "channels": 2}, piece=9600)
    expected = emotone.load().timeline(audio.convert(samples, 48_000))
    assert [each["segment"] for each in of_type(messages, "segment")] == plain(expected)


def test_a_stream_can_adapt_and_know_a_voice(server, talk):
    recogniser = emotone.load()
    messages = spoken(server, pcm(talk), {"adapt": True})
    expected = recogniser.timeline(talk, options=StreamOptions(adapt=True))
    assert [each["segment"] for each in of_type(messages, "segment")] == plain(expected)
    with server.client() as client:
        voice = client.post("/v1/voices", content=SAMPLE.read_bytes()).json()["voice"]
    messages = spoken(server, pcm(talk), {"voice": voice})
    expected = recogniser.adapt([SAMPLE]).timeline(talk)
    assert [each["segment"] for each in of_type(messages, "segment")] == plain(expected)


def test_webm_is_heard_like_the_file(server, talk, tmp_path):
    path = tmp_path / "talk.webm"
    with av.open(str(path), "w") as container:
        stream = container.add_stream("libopus", rate=48_000, layout="mono")
        sound = audio.convert(talk, 16_000, to=48_000)
        for first in range(0, len(sound) - 959, 960):
            frame = av.AudioFrame.from_ndarray(sound[np.newaxis, first : first + 960], "flt", "mono")
            frame.rate, frame.pts = 48_000, first
            container.mux(stream.encode(frame))
        container.mux(stream.encode(None))
    messages = spoken(server, path.read_bytes(), {"encoding": "webm"}, piece=1500)
    assert [each["segment"] for each in of_type(messages, "segment")] == plain(emotone.load().timeline(path))
    assert messages[-1] == 1000
    bad = spoken(server, b"\0" * 20_000, {"encoding": "webm"})
    assert "WebM" in bad[-2]["error"]
    assert bad[-1] == 1003


# --- mistakes ---


@pytest.mark.parametrize(
    ("first", "words"),
    [
        ("hello", "begins with a text message"),
        ("[" * 5000, "begins with a text message"),
        (b"\0\1", "begins with a text message"),
        ({"type": "stop"}, "begins with a text message"),
        ({"encoding": None}, "says the encoding"),
        ({"encoding": "mp3"}, "Unknown encoding 'mp3'"),
        ({"encodign": "s16le"}, "Did you mean 'encoding'?"),
        ({"rate": 0}, "not 0"),
        ({"rate": -16000}, "not -16000"),
        ({"rate": 1e12}, "samples a second"),
        ({"rate": "fast"}, "whole number"),
        ({"rate": 44100.5}, "whole number"),
        ({"rate": True}, "whole number"),
        ({"rate": float("nan")}, "whole number"),
        ({"channels": 99}, "1 to 8 channels"),
        ({"model": "none"}, "there are: default"),
        ({"model": 3}, "a text or null"),
        ({"voice": "none"}, "Calibrate again"),
        ({"adapt": "yes"}, "true or false"),
    ],
)
def test_what_a_stream_cannot_begin_with(server, first, words):
    with connect(server.ws, proxy=None) as socket:
        socket.send(json.dumps({**START, **first}) if isinstance(first, dict) else first)
        [error, code] = told(socket)
    assert error["type"] == "error"
    assert words in error["error"]
    assert 400 <= error["status"] < 500
    assert code == 1008


def test_random_bytes_are_sound_or_refused_and_others_go_on(server, talk):
    noise = np.random.default_rng(0).bytes(64_000)
    with connect(server.ws, proxy=None) as other:
        other.send(json.dumps(START))
        other.send(pcm(talk)[:100_000])
        assert spoken(server, noise, {})[-1] == 1000, "any bytes are 16-bit samples"
        broken = spoken(server, noise, {"encoding": "f32le"})
        assert broken[-1] == 1003
        assert "NaN" in broken[-2]["error"] or "full scale" in broken[-2]["error"]
        other.send(pcm(talk)[100_000:])
        other.send('{"type": "stop"}')
        messages = told(other)
    assert [each["segment"] for each in of_type(messages, "segment")] == plain(emotone.load().timeline(talk))


def test_text_in_the_middle_is_a_mistake(server):
    with connect(server.ws, proxy=None) as socket:
        socket.send(json.dumps(START))
        socket.send("louder")
        messages = told(socket)
    assert "binary messages" in messages[-2]["error"]
    assert messages[-1] == 1008


def test_a_message_that_is_too_large_ends_the_stream_and_no_other(server):
    with connect(server.ws, proxy=None) as socket:
        socket.send(json.dumps(START))
        socket.send(bytes(2_000_000))
        assert told(socket)[-1] == 1009
    assert spoken(server, b"", {})[-1] == 1000


def test_silence_on_the_line_ends_a_stream(server):
    with connect(server.ws, proxy=None) as socket:
        socket.send(json.dumps(START))
        begun = time.monotonic()
        messages = []
        try:
            while True:
                messages.append(json.loads(socket.recv(timeout=10)))
                socket.send(b"")  # nothing isn't sound
        except ConnectionClosed:
            pass
    assert 1.4 < time.monotonic() - begun < 6
    assert "No sound came for 1.5 s" in messages[-1]["error"]


def test_a_stream_has_an_end(server, talk):
    messages = spoken(server, pcm(np.tile(talk, 3)), {}, piece=32_000, stop=False)
    assert "30 s at most" in messages[-2]["error"]
    assert messages[-1] == 1008
    segments = of_type(messages, "segment")
    assert segments[-1]["segment"]["end"] == 30.0


def test_streams_are_few_and_places_come_free(server):
    with ExitStack() as stack:
        sockets = [stack.enter_context(connect(server.ws, proxy=None)) for _ in range(4)]
        for socket in sockets:
            socket.send(json.dumps(START))
        first = [json.loads(socket.recv(timeout=10)) for socket in sockets]
        assert [each["type"] for each in first] == ["ready"] * 3 + ["error"]
        assert told(sockets[3])[-1] == 1013
        sockets[0].close_socket()  # without a word
    end = time.monotonic() + 10
    while server.metric("emotone_streams") and time.monotonic() < end:
        time.sleep(0.05)
    assert spoken(server, b"", {})[-1] == 1000
    with ExitStack() as stack:
        webm = [stack.enter_context(connect(server.ws, proxy=None)) for _ in range(2)]
        for socket in webm:
            socket.send(json.dumps({**START, "encoding": "webm"}))
            time.sleep(0.1)
        assert [json.loads(socket.recv(timeout=20))["type"] for socket in webm] == ["ready", "error"]


def test_pages_of_other_sites_cannot_listen_in(server):
    port = server.port
    for origin in ("https://evil.example", "null", f"http://127.0.0.1:{port + 1}", f"https://127.0.0.1.evil:{port}"):
        with pytest.raises(InvalidStatus, match="403"), connect(server.ws, proxy=None, origin=origin):
            pass
    for origin in (f"http://127.0.0.1:{port}", None):
        with connect(server.ws, proxy=None, origin=origin) as socket:
            socket.send(json.dumps(START))
            assert json.loads(socket.recv())["type"] == "ready"


def test_faster_than_speech_is_slowed_down_and_memory_stays_flat(talk):
    import psutil

    with serving(decoders=1) as server:
        process = psutil.Process(server.process.pid)
        content = pcm(np.tile(talk, 100))  # 20 minutes, 38 MB

        def send(socket: ClientConnection) -> None:
            with suppress(ConnectionClosed):
                for first in range(0, len(content), 32_000):
                    socket.send(content[first : first + 32_000])

        with connect(server.ws, proxy=None, close_timeout=1) as socket:
            socket.send(json.dumps(START))
            before = process.memory_info().rss
            sending = Thread(target=send, args=(socket,))
            sending.start()
            heard = 0.0
            for _ in range(30):
                heard = json.loads(socket.recv(timeout=20)).get("seconds", heard)
            assert heard < 60, "what is sent waits in the network until it is heard"
            assert process.memory_info().rss - before < 30e6
        sending.join(20)


# --- the end of the server ---


def test_sigterm_says_good_bye_with_everything_that_was_heard(talk):
    with serving(decoders=1, drain_seconds=10) as server, connect(server.ws, proxy=None) as socket:
        socket.send(json.dumps(START))
        socket.send(pcm(talk))
        heard = 0.0
        while heard < 8:
            heard = json.loads(socket.recv(timeout=20)).get("seconds", heard)
        server.process.send_signal(signal.SIGTERM)
        messages = told(socket)
        assert "about to end" in messages[-2]["error"]
        assert messages[-1] == 1001
        assert of_type(messages, "segment"), "what was being spoken is told"
        assert server.process.wait(20) == 0


def test_the_real_thing_is_the_timeline_of_the_file(server, data):
    path = sorted((data / "librispeech").glob("*.opus"))[0]
    signal = audio.load(path)[: 25 * SAMPLE_RATE]
    messages = spoken(server, signal.tobytes(), {"encoding": "f32le"}, piece=6400)
    assert [each["segment"] for each in of_type(messages, "segment")] == plain(emotone.load().timeline(signal))


def test_formats_take_what_a_stream_says(server, talk):
    segments = [Segment.from_dict(each["segment"]) for each in of_type(spoken(server, pcm(talk), {}), "segment")]
    assert formats.dumps(segments, "vtt").startswith("WEBVTT")
