"""What nobody sends by mistake: damaged recordings of every format, hours of silence in a few bytes, idle connections.

The tests use a little of it, `benchmarks/server_load.py` thousands. Everything comes from a seed.
"""

from __future__ import annotations

import io
import itertools
import json
import socket
import time
from collections import Counter
from collections.abc import Iterator, Mapping
from contextlib import ExitStack, contextmanager, suppress

import numpy as np
import soundfile

from emotone import synthetic
from emotone.audio import SAMPLE_RATE

RATE = SAMPLE_RATE

FORMATS: dict[str, tuple[str, str]] = {
    "wav": ("WAV", "PCM_16"),
    "wav_float": ("WAV", "FLOAT"),
    "wav_adpcm": ("WAV", "IMA_ADPCM"),
    "flac": ("FLAC", "PCM_16"),
    "mp3": ("MP3", "MPEG_LAYER_III"),
    "ogg": ("OGG", "VORBIS"),
    "opus": ("OGG", "OPUS"),
}
"""What soundfile calls each; ``webm`` and ``m4a`` come from PyAV."""

_INTERESTING = (0, 1, 0x7F, 0x80, 0xFF, 0x7FFF, 0x8000, 0xFFFF, 0x7FFFFFFF, 0x80000000, 0xFFFFFFFE, 0xFFFFFFFF)


# --- recordings ---


def recordings(seconds: float = 1.5, *, seed: int = 0) -> dict[str, bytes]:
    """A sound recording of synthetic speech in each format."""
    signal = synthetic.speech("angry", 1, rng=np.random.default_rng(seed), seconds=seconds)
    found = {name: encoded(signal, *form) for name, form in FORMATS.items()}
    return found | {"webm": _muxed(signal, "webm", "libopus", 48_000), "m4a": _muxed(signal, "mp4", "aac", RATE)}


def encoded(signal: np.ndarray, container: str, subtype: str, rate: int = RATE) -> bytes:
    """A signal as the content of a file."""
    buffer = io.BytesIO()
    soundfile.write(buffer, signal, rate, format=container, subtype=subtype)
    return buffer.getvalue()


def _muxed(signal: np.ndarray, container: str, codec: str, rate: int) -> bytes:
    import av

    buffer = io.BytesIO()
    with av.open(buffer, "w", format=container) as file:
        stream = file.add_stream(codec, rate=rate, layout="mono")
        resampler = av.AudioResampler(format=stream.codec_context.format or "fltp", layout="mono", rate=rate)
        frame = av.AudioFrame.from_ndarray(signal[np.newaxis], format="flt", layout="mono")
        frame.sample_rate = RATE
        fifo = av.AudioFifo()
        for converted in [*resampler.resample(frame), *resampler.resample(None)]:
            converted.pts = None
            fifo.write(converted)
        size = stream.codec_context.frame_size or 960
        while (piece := fifo.read(size, partial=True)) is not None:
            file.mux(stream.encode(piece))
        file.mux(stream.encode(None))
    return buffer.getvalue()


def mutants(originals: Mapping[str, bytes], n: int, *, seed: int) -> Iterator[tuple[str, bytes]]:
    """``n`` damaged recordings, each with the name of the format it once had."""
    rng = np.random.default_rng(seed)
    names = sorted(originals)
    for _ in range(n):
        name = names[int(rng.integers(len(names)))]
        other = originals[names[int(rng.integers(len(names)))]]
        yield name, mutated(originals[name], rng, other=other)


def mutated(content: bytes, rng: np.random.Generator, *, other: bytes = b"") -> bytes:
    """One to eight kinds of damage, most of it near the beginning, where headers are."""
    data = bytearray(content)
    for _ in range(int(rng.integers(1, 9))):
        damage = _DAMAGES[int(rng.integers(len(_DAMAGES)))]
        damage(data, _place(len(data), rng), rng, other)
    return bytes(data)


def _place(size: int, rng: np.random.Generator) -> int:
    near = size if rng.random() < 0.4 else min(size, 128)
    return int(rng.integers(max(1, near)))


def _flip(data: bytearray, place: int, rng: np.random.Generator, other: bytes) -> None:
    for position in range(place, min(len(data), place + int(rng.integers(1, 5)))):
        data[position] ^= 1 << int(rng.integers(8))


def _number(data: bytearray, place: int, rng: np.random.Generator, other: bytes) -> None:
    """A number that is at an edge, or huge, instead of a length, rate or count."""
    width = int(rng.choice([1, 2, 3, 4, 8]))
    value = _INTERESTING[int(rng.integers(len(_INTERESTING)))] & ((1 << 8 * width) - 1)
    data[place : place + width] = value.to_bytes(width, "little" if rng.random() < 0.5 else "big")


def _noise(data: bytearray, place: int, rng: np.random.Generator, other: bytes) -> None:
    n = int(2 ** rng.uniform(0, 12))
    data[place : place + n] = rng.bytes(n)


def _drop(data: bytearray, place: int, rng: np.random.Generator, other: bytes) -> None:
    del data[place : place + int(2 ** rng.uniform(0, 12))]


def _again(data: bytearray, place: int, rng: np.random.Generator, other: bytes) -> None:
    n = int(2 ** rng.uniform(0, 12))
    data[place:place] = data[place : place + n] * int(rng.integers(1, 20))


def _cut(data: bytearray, place: int, rng: np.random.Generator, other: bytes) -> None:
    del data[int(rng.integers(len(data) + 1)) :]


def _graft(data: bytearray, place: int, rng: np.random.Generator, other: bytes) -> None:
    """The rest is of another format."""
    data[place:] = other[int(rng.integers(max(1, len(other)))) :]


_DAMAGES = (_flip, _flip, _number, _number, _number, _noise, _drop, _again, _cut, _graft)


# --- much sound in few bytes ---


def silent_flac(hours: float, *, rate: int = RATE, channels: int = 1) -> bytes:
    """A valid FLAC file of silence. An hour at 16 kHz is 12 kB: the format says "65,535 times the same" in 14 bytes."""
    block, bits = 65_535, 16
    n_blocks = max(1, round(hours * 3600 * rate / block))
    facts = (rate << 44) | ((channels - 1) << 41) | ((bits - 1) << 36) | (n_blocks * block)
    info = block.to_bytes(2, "big") * 2 + bytes(6) + facts.to_bytes(8, "big") + bytes(16)
    frames = (_silent_frame(number, block, channels) for number in range(n_blocks))
    return b"fLaC" + bytes([0x80, 0, 0, len(info)]) + info + b"".join(frames)


def _silent_frame(number: int, block: int, channels: int) -> bytes:
    head = bytes([0xFF, 0xF8, 0x70, ((channels - 1) << 4) | 0x08]) + _utf8(number) + (block - 1).to_bytes(2, "big")
    head += bytes([_crc(head, 8, 0x07)])
    body = head + bytes(3) * channels
    return body + _crc(body, 16, 0x8005).to_bytes(2, "big")


def _utf8(number: int) -> bytes:
    return chr(number).encode("utf-8", "surrogatepass")


def _crc(content: bytes, width: int, polynomial: int) -> int:
    value, top = 0, 1 << (width - 1)
    for byte in content:
        value ^= byte << (width - 8)
        for _ in range(8):
            value = ((value << 1) ^ (polynomial if value & top else 0)) & ((1 << width) - 1)
    return value


# --- connections ---


@contextmanager
def idle_connections(port: int, n: int, begin: bytes = b"") -> Iterator[list[socket.socket]]:
    """``n`` connections that have said ``begin`` and then nothing."""
    with ExitStack() as stack:
        sockets = [stack.enter_context(socket.create_connection(("127.0.0.1", port), timeout=10)) for _ in range(n)]
        for connection in sockets:
            connection.sendall(begin)
        yield sockets


# --- requests that its own description suggests ---


def fuzz(url: str, n: int, *, seed: int = 0, token: str = "") -> tuple[Counter[int], list[str], float]:
    """Send ``n`` requests that schemathesis makes of the server's OpenAPI description, valid and invalid ones in turns.
    A description can't hold recordings, so those that are sent as a body come from here.

    Returns how many answers had which status, what was wrong with answers, and the seconds that the slowest took. Wrong
    are 500 and above, but for a 503 that says why and when to come back; refusals without words; and no answer at all.
    """
    import hypothesis
    import requests
    import schemathesis
    from hypothesis import strategies

    bodies = strategies.sampled_from(list(recordings(seed=seed).values())) | strategies.binary()
    schemathesis.openapi.media_type("application/octet-stream", bodies, aliases=["audio/*"])
    schema = schemathesis.openapi.from_url(f"{url}/openapi.json")
    operations = [operation.ok() for operation in schema.get_all_operations()]
    statuses: Counter[int] = Counter()
    faults: list[str] = []
    slowest = 0.0
    headers = {"Authorization": f"Bearer {token}"} if token else {}

    def one(case: schemathesis.Case) -> None:
        nonlocal slowest
        begin = time.perf_counter()
        try:
            answer = case.call(headers=headers, timeout=30)
        except requests.RequestException as error:
            faults.append(f"{case.method} {case.formatted_path}: {error!r}")
            return
        slowest = max(slowest, time.perf_counter() - begin)
        statuses[answer.status_code] += 1
        if wrong := _wrong(answer.status_code, dict(answer.headers), answer.content):
            faults.append(f"{wrong}: {case.as_curl_command()[:500]}")

    modes = [schemathesis.GenerationMode.POSITIVE, schemathesis.GenerationMode.NEGATIVE]
    each = -(-n // (len(operations) * len(modes)))
    settings = hypothesis.settings(
        max_examples=each,
        deadline=None,
        database=None,
        suppress_health_check=list(hypothesis.HealthCheck),
        phases=[hypothesis.Phase.generate],
    )
    for turn in range(10):  # some operations have nothing to vary, so others get more turns
        for operation, mode in itertools.product(operations, modes):
            if sum(statuses.values()) >= n and turn:
                break
            ask = hypothesis.given(operation.as_strategy(generation_mode=mode))(one)
            with suppress(hypothesis.errors.Unsatisfiable):  # nothing can be wrong about what takes nothing
                hypothesis.seed(seed + turn)(settings(ask))()
    return statuses, faults, slowest


def _wrong(status: int, headers: Mapping[str, str], content: bytes) -> str:
    """What is wrong with an answer; empty if nothing is."""
    if status < 400:
        return ""
    try:
        words = json.loads(content)["error"]
    except (ValueError, TypeError, KeyError):
        # What isn't there has no words: other methods, and paths that are no part of the API.
        return "" if status in (404, 405) else f"{status} without words"
    if status >= 500 and not (status == 503 and "retry-after" in {name.lower() for name in headers}):
        return f"{status} {words}"
    return "" if isinstance(words, str) and words else f"{status} without words"
