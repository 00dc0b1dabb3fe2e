"""Decoding in confined processes: the same sound as `emotone.audio` gives, and nothing else gets out."""

from __future__ import annotations

import asyncio
import io
import os
import signal
import subprocess
import sys
import textwrap
import time
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any

import av
import numpy as np
import pytest
import soundfile

from emotone import audio
from emotone.audio import Signal
from emotone.server import frames
from emotone.server.decoders import Decoders
from emotone.server.frames import Task
from emotone.server.refusal import Refusal
from emotone.server.settings import Settings

SAMPLE = Path(audio.__file__).with_name("samples") / "angry.wav"

linux = pytest.mark.skipif(sys.platform != "linux", reason="the kernel's filters are Linux's")


def with_decoders(work: Callable[[Decoders], Awaitable[Any]], **settings: Any) -> Any:
    async def run() -> Any:
        decoders = Decoders(Settings(**{"decoders": 1, "running_jobs": 1, **settings}))
        await decoders.start()
        try:
            return await work(decoders)
        finally:
            await decoders.stop()

    return asyncio.run(run())


async def sound(
    decoders: Decoders,
    path: Path,
    *,
    seconds: float = 100.0,
    block: float = 10.0,
    kind: bytes = frames.UTTERANCE,
    hit: Callable[[int], None] = lambda pid: None,
) -> Signal:
    """All of a recording; its decoder is ``hit`` before the second block is asked for."""
    with path.open("rb") as file:
        async with decoders.decoding(file.fileno(), Task(kind, seconds, block)) as recording:
            blocks = []
            async for block_ in recording.blocks():
                blocks.append(block_)
                hit(recording._process.pid)
            return np.concatenate(blocks)


@pytest.fixture(scope="module")
def kinds(tmp_path_factory: pytest.TempPathFactory) -> list[Path]:
    """One sound in formats of both libraries."""
    folder = tmp_path_factory.mktemp("kinds")
    rng = np.random.default_rng(1)
    samples = (0.2 * rng.standard_normal((3 * 44_100, 2))).astype(np.float32)
    paths = []
    for name in ("a.wav", "a.flac", "a.ogg"):
        soundfile.write(folder / name, samples, 44_100)
        paths.append(folder / name)
    encoded(folder / "a.m4a", samples.T, 44_100, "aac")
    encoded(folder / "a.webm", samples.T[:, : 3 * 44_100], 48_000, "libopus")
    return [*paths, folder / "a.m4a", folder / "a.webm", SAMPLE]


def encoded(path: Path, samples: np.ndarray, rate: int, codec: str) -> Path:
    with av.open(str(path), "w") as container:
        stream = container.add_stream(codec, rate=rate, layout="stereo" if len(samples) == 2 else "mono")
        size = 960 if codec == "libopus" else 1024
        for first in range(0, samples.shape[1] - size + 1, size):
            frame = av.AudioFrame.from_ndarray(
                np.ascontiguousarray(samples[:, first : first + size]), "fltp", stream.layout.name
            )
            frame.rate, frame.pts = rate, first
            if codec == "libopus":
                frame = av.AudioResampler("flt", stream.layout.name, rate).resample(frame)[0]
            container.mux(stream.encode(frame))
        container.mux(stream.encode(None))
    return path


def test_the_sound_is_that_of_the_library(kinds):
    async def work(decoders: Decoders) -> list[Signal]:
        return [await sound(decoders, path) for path in kinds]

    for path, found in zip(kinds, with_decoders(work), strict=True):
        assert np.array_equal(found, audio.load(path)), path.name


def test_facts_come_first_and_channels_one_by_one(kinds):
    async def work(decoders: Decoders) -> tuple[Any, Signal]:
        with kinds[0].open("rb") as file:
            async with decoders.decoding(file.fileno(), Task(frames.RECORDING, 100.0, 1.0, 1)) as recording:
                blocks = [block async for block in recording.blocks()]
        return recording, np.concatenate(blocks)

    recording, found = with_decoders(work)
    assert (recording.promised, recording.certain, recording.n_channels) == (3.0, 3.0, 2)
    assert np.array_equal(found, np.concatenate(list(audio.blocks(kinds[0], channel=1))))


def test_what_is_no_recording_is_refused_without_a_name(tmp_path):
    text = tmp_path / "secret-name.txt"
    text.write_text("Nobody speaks in here, and nobody will.", encoding="utf-8")

    async def work(decoders: Decoders) -> tuple[str, str]:
        refusals = []
        for path in (text, Path("/dev/null")):
            with pytest.raises(Refusal) as refused:
                await sound(decoders, path)
            refusals.append(refused.value)
        assert np.array_equal(await sound(decoders, SAMPLE), audio.load(SAMPLE))
        assert decoders.n_replaced == 0
        assert [each.status for each in refusals] == [422, 422]
        return str(refusals[0]), str(refusals[1])

    words, others = with_decoders(work)
    assert words.startswith("The recording can't be read: it is text that begins 'Nobody")
    assert "/proc" not in words + others
    assert "secret" not in words


def test_an_hour_of_silence_in_few_bytes_is_refused_at_once(tmp_path):
    bomb = tmp_path / "silence.flac"
    with soundfile.SoundFile(bomb, "w", 8000, 1, format="FLAC") as file:
        for _ in range(3600):
            file.write(np.zeros(8000, np.int16))
    assert bomb.stat().st_size < 400_000

    async def work(decoders: Decoders) -> None:
        for kind in (frames.RECORDING, frames.UTTERANCE):
            with pytest.raises(Refusal, match="more than 60 s") as refused:
                await sound(decoders, bomb, seconds=60.0, kind=kind)
            assert refused.value.status == 413
        assert len(await sound(decoders, SAMPLE)) == 44_800

    with_decoders(work)


def test_memory_has_a_limit(tmp_path):
    """A header that has the decoder ask for gigabytes: eight channels at 768 kHz don't, so a block does."""
    long = tmp_path / "long.wav"
    soundfile.write(long, np.zeros(4_000_000, np.int16), 1000)  # 4,000 s: 256 MB at 16 kHz

    async def work(decoders: Decoders) -> None:
        with pytest.raises(Refusal, match="too much memory"):
            await sound(decoders, long, seconds=1e6, block=1e6)
        assert len(await sound(decoders, SAMPLE)) == 44_800

    with_decoders(work, decode_memory_bytes=100_000_000)


def test_a_decoder_that_is_killed_costs_its_recording_and_no_other(tmp_path):
    long = tmp_path / "long.wav"
    soundfile.write(long, np.zeros(16_000 * 600, np.int16), 16_000)

    async def work(decoders: Decoders) -> None:
        others: list[asyncio.Task[Signal]] = []

        def kill(pid: int) -> None:
            others.extend(asyncio.create_task(sound(decoders, SAMPLE)) for _ in range(3))
            os.kill(pid, signal.SIGKILL)

        with pytest.raises(Refusal, match="ended from outside") as refused:
            await sound(decoders, long, seconds=1e4, kind=frames.RECORDING, hit=kill)
        assert refused.value.status == 503
        assert refused.value.retry_after == 1
        assert {len(each) for each in await asyncio.gather(*others)} == {44_800}
        assert decoders.n_replaced == 1
        end = time.monotonic() + 20
        while len(decoders.pids) < 2 and time.monotonic() < end:
            await asyncio.sleep(0.05)
        await asyncio.gather(*(sound(decoders, SAMPLE) for _ in range(4)))
        assert len(decoders.pids) == 2

    with_decoders(work)


def test_a_crash_of_its_own_is_the_recordings_fault_and_slowness_too(tmp_path):
    long = tmp_path / "long.wav"
    soundfile.write(long, np.zeros(16_000 * 600, np.int16), 16_000)

    async def stopped_by(decoders: Decoders, number: int) -> Refusal:
        with pytest.raises(Refusal) as refused:
            await sound(decoders, long, seconds=1e4, kind=frames.RECORDING, hit=lambda pid: os.kill(pid, number))
        return refused.value

    async def work(decoders: Decoders) -> None:
        broken, slow = await stopped_by(decoders, signal.SIGSEGV), await stopped_by(decoders, signal.SIGSTOP)
        assert (broken.status, slow.status) == (422, 422)
        assert "its decoder broke" in str(broken)
        assert "takes too long" in str(slow)

    with_decoders(work, decode_seconds=1.0)


def test_a_recording_that_nobody_wants_any_more_stops_its_decoder(tmp_path):
    long = tmp_path / "long.wav"
    soundfile.write(long, np.zeros(16_000 * 600, np.int16), 16_000)

    async def work(decoders: Decoders) -> None:
        with long.open("rb") as file:
            async with decoders.decoding(file.fileno(), Task(frames.RECORDING, 1e4, 10.0)) as recording:
                await anext(recording.blocks())
                pid = recording._process.pid
        with pytest.raises(ProcessLookupError):
            os.kill(pid, 0)

    with_decoders(work)


def test_webm_is_heard_while_it_comes(tmp_path):
    tone = 0.1 * np.sin(np.arange(5 * 48_000) * 2 * np.pi * 300 / 48_000, dtype=np.float32)[np.newaxis]
    path = encoded(tmp_path / "a.webm", tone, 48_000, "libopus")
    content = path.read_bytes()

    async def work(decoders: Decoders) -> tuple[list[int], Signal]:
        process = await decoders.live(Task(frames.LIVE, 0, 0))
        pieces: list[bytes] = []
        seen: list[int] = []

        async def take() -> None:
            while True:
                kind, piece = await process.answer(20)
                if kind == frames.DONE:
                    return
                pieces.append(piece)

        taking = asyncio.create_task(take())
        for first in range(0, len(content), 2000):
            await process.write(content[first : first + 2000])
            await asyncio.sleep(0.02)
            seen.append(sum(map(len, pieces)) // 4)
        await process.write(b"")
        await taking
        decoders.end(process)
        return seen, np.frombuffer(b"".join(pieces), np.float32)

    seen, found = with_decoders(work)
    assert seen[len(seen) // 2] > 16_000, "half of the file gives at least a second of sound before the rest comes"
    assert np.array_equal(found, audio.load(path))


@pytest.mark.parametrize("content", [b"", b"\0" * 5000, SAMPLE.read_bytes()])
def test_a_live_stream_that_is_no_webm_is_refused(content):
    async def work(decoders: Decoders) -> None:
        process = await decoders.live(Task(frames.LIVE, 0, 0))
        await process.write(content)
        if content:
            await process.write(b"")
        with pytest.raises(Refusal, match="WebM"):
            await process.answer(20)
        decoders.end(process)

    with_decoders(work)


def test_decoders_know_no_secrets_and_end_with_the_server(monkeypatch):
    monkeypatch.setenv("EMOTONE_SERVE_TOKEN", "0123456789abcdef")

    async def work(decoders: Decoders) -> list[int]:
        for pid in decoders.pids:
            assert b"EMOTONE" not in Path(f"/proc/{pid}/environ").read_bytes()
        return decoders.pids

    for pid in with_decoders(work):
        with pytest.raises(ProcessLookupError):
            os.kill(pid, 0)


@linux
def test_a_confined_process_can_do_nothing_but_compute(tmp_path):
    (tmp_path / "there").write_bytes(b"x")
    script = textwrap.dedent(
        f"""
        import os, socket, subprocess, signal, threading
        from emotone.server.confinement import confine
        confine(300_000_000)
        def denied(what):
            try:
                what()
            except (OSError, MemoryError) as error:
                return type(error).__name__
            return "done"
        def write():
            with open({str(tmp_path / "new")!r}, "wb", buffering=0) as file:
                file.write(b"x" * 10)
        print(
            denied(socket.socket), denied(lambda: subprocess.run(["/bin/true"])),
            denied(lambda: os.kill(os.getppid(), 0)),
            denied(lambda: os.unlink({str(tmp_path / "there")!r})), denied(write),
            denied(lambda: os.mkdir({str(tmp_path / "folder")!r})), denied(lambda: bytearray(500_000_000)),
        )
        thread = threading.Thread(target=lambda: print(sum(range(10))))
        thread.start(), thread.join()
        """
    )
    done = subprocess.run(
        [sys.executable, "-c", script],
        env={**os.environ, "PYTHONPATH": os.pathsep.join(filter(None, sys.path))},
        capture_output=True,
        text=True,
        timeout=60,
        check=True,
    )
    kinds, total = done.stdout.splitlines()
    assert kinds.split() == [*["PermissionError"] * 6, "MemoryError"]
    assert total == "45"
    assert (tmp_path / "there").exists()


def test_frames_say_how_long_they_are():
    assert frames.HEAD.unpack(frames.framed(frames.SOUND, b"abc")[:5]) == (b"S", 3)
    assert frames.TASK.unpack(Task(frames.LIVE, 1.0, 2.0).packed()) == (b"L", 1.0, 2.0, -1)
    assert io.BytesIO(frames.framed(frames.DONE)).read() == b"D\0\0\0\0"
