"""Every format written, read back and compared with what was written; and every way a file can be broken."""

from __future__ import annotations

import contextlib
import io
import os
import subprocess
import sys
import time
import tracemalloc
import wave
from collections.abc import Callable
from pathlib import Path
from types import SimpleNamespace

import av
import numpy as np
import numpy.typing as npt
import pytest
import soundfile
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from emotone import audio, decoding
from emotone.errors import AudioError

Array = npt.NDArray[np.float32]
SECONDS = 2.0


def sweep(rate: int, seconds: float = SECONDS, level: float = 0.5) -> Array:
    """From 200 Hz up to 1500 Hz, so that a shift in time or a wrong rate shows."""
    time_ = np.arange(round(rate * seconds)) / rate
    return (level * np.sin(2 * np.pi * (200 * time_ + 650 / seconds * time_**2))).astype(np.float32)


def assert_is_sweep(signal: Array, rate: int, *, correlation: float, padding: float = 0.0, level: float = 0.5) -> None:
    """``signal`` is the sweep from its first sample on: length (to ``padding`` s more), level and shape."""
    expected = sweep(rate, level=level)
    assert signal.dtype == np.float32
    assert signal.ndim == 1
    assert len(expected) - 1 <= len(signal) <= len(expected) + 1 + padding * rate
    inner = slice(rate // 10, len(expected) - rate // 10)
    assert np.corrcoef(signal[inner], expected[inner])[0, 1] > correlation
    assert np.sqrt(np.mean(signal[inner] ** 2)) == pytest.approx(0.5 / np.sqrt(2), rel=0.05)


def write_with_ffmpeg(path: Path, codec: str, rate: int, *, video: str = "") -> Path:
    """The sweep through an encoder of FFmpeg, with a second of moving pictures if ``video`` names a codec."""
    samples = sweep(rate)
    with av.open(str(path), "w") as container:
        sound = container.add_stream(codec, rate=rate, layout="mono")
        if video:
            pictures = container.add_stream(video, rate=25, width=64, height=64, pix_fmt="yuv420p")
            for index in range(25):
                grey = av.VideoFrame.from_ndarray(np.full((96, 64), 8 * index, np.uint8), format="yuv420p")
                grey.pts = index
                container.mux(pictures.encode(grey))
            container.mux(pictures.encode(None))
        if codec == "wmav2":
            sound.bit_rate = 64_000
        resampler = av.AudioResampler(format=sound.format.name, layout="mono", rate=rate)
        for start in range(0, len(samples), 1024):
            frame = av.AudioFrame.from_ndarray(samples[None, start : start + 1024], format="fltp", layout="mono")
            frame.sample_rate, frame.pts = rate, start
            for piece in resampler.resample(frame):
                container.mux(sound.encode(piece))
        container.mux(sound.encode(None))
    return path


@pytest.fixture(scope="module")
def encoded(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    """One small file of every container that FFmpeg reads here."""
    root = tmp_path_factory.mktemp("encoded")
    return {
        name: write_with_ffmpeg(root / name, codec, rate, video=video)
        for name, codec, rate, video in (
            ("memo.m4a", "aac", 44100, ""),
            ("memo.aac", "aac", 16000, ""),
            ("talk.mp4", "aac", 48000, "mpeg4"),
            ("call.webm", "libopus", 48000, "libvpx"),
            ("talk.mkv", "flac", 22050, "mpeg4"),
            ("apple.mov", "alac", 44100, "mpeg4"),
            ("phone.3gp", "aac", 16000, ""),
            ("phone.amr", "libopencore_amrnb", 8000, ""),
            ("song.mp3", "libmp3lame", 44100, ""),
            ("old.avi", "libmp3lame", 44100, "mpeg4"),
            ("voice.opus", "libopus", 48000, ""),
            ("stream.ts", "aac", 48000, "mpeg4"),
            ("windows.wma", "wmav2", 44100, ""),
        )
    }


# ---------------------------------------------------------------- formats


@pytest.mark.parametrize("subtype", ["PCM_U8", "PCM_16", "PCM_24", "PCM_32", "FLOAT", "DOUBLE"])
@pytest.mark.parametrize("n_channels", [1, 2, 8])
def test_wav_of_every_width(tmp_path: Path, subtype: str, n_channels: int) -> None:
    samples = np.repeat(sweep(16000)[:, None], n_channels, axis=1)
    soundfile.write(tmp_path / "a.wav", samples, 16000, subtype=subtype)
    signal = audio.load(tmp_path / "a.wav")
    step = {"PCM_U8": 2**-7, "PCM_16": 2**-15}.get(subtype, 1e-6)
    np.testing.assert_allclose(signal, sweep(16000), atol=step)


@pytest.mark.parametrize("rate", [8000, 11025, 16000, 22050, 24414, 44100, 48000, 96000, 192000])
def test_every_rate_becomes_16_khz(tmp_path: Path, rate: int) -> None:
    soundfile.write(tmp_path / "a.wav", sweep(rate), rate)
    assert_is_sweep(audio.load(tmp_path / "a.wav"), 16000, correlation=0.99999)


@pytest.mark.parametrize(
    ("ending", "subtype", "correlation"),
    [
        ("flac", "PCM_16", 0.99999),
        ("flac", "PCM_24", 0.99999),
        ("ogg", "VORBIS", 0.999),
        ("mp3", "MPEG_LAYER_III", 0.999),
        ("aiff", "PCM_16", 0.99999),
        ("au", "ULAW", 0.999),
        ("caf", "PCM_16", 0.99999),
        ("w64", "PCM_24", 0.99999),
        ("wav", "ALAW", 0.999),
        ("wav", "IMA_ADPCM", 0.999),
        ("wav", "GSM610", 0.99),
        ("voc", "PCM_16", 0.99999),
    ],
)
def test_what_libsndfile_writes(tmp_path: Path, ending: str, subtype: str, correlation: float) -> None:
    path = tmp_path / f"a.{ending}"
    soundfile.write(path, sweep(44100), 44100, subtype=subtype)
    # ADPCM and GSM fill their last block.
    assert_is_sweep(audio.load(path), 16000, correlation=correlation, padding=0.05)
    info = audio.inspect(path)
    assert (info.sample_rate, info.channels) == (44100, 1)
    assert info.duration == pytest.approx(SECONDS, abs=0.05)


def test_opus_in_ogg(tmp_path: Path) -> None:
    soundfile.write(tmp_path / "a.opus", sweep(48000), 48000, format="OGG", subtype="OPUS")
    assert_is_sweep(audio.load(tmp_path / "a.opus"), 16000, correlation=0.999)
    assert audio.inspect(tmp_path / "a.opus") == audio.AudioInfo(SECONDS, 48000, 1, "ogg opus")


@pytest.mark.parametrize(
    ("name", "format_name", "correlation"),
    [
        ("memo.m4a", "m4a aac", 0.99),
        ("talk.mp4", "mp4 aac", 0.99),
        ("call.webm", "webm opus", 0.999),
        ("talk.mkv", "matroska flac", 0.99999),
        ("apple.mov", "mov alac", 0.99999),
        ("phone.3gp", "3gp aac", 0.99),
        ("song.mp3", "mp3 mp3", 0.999),
        ("voice.opus", "ogg opus", 0.999),
    ],
)
def test_what_phones_and_browsers_write(
    encoded: dict[str, Path], name: str, format_name: str, correlation: float
) -> None:
    assert_is_sweep(audio.load(encoded[name]), 16000, correlation=correlation, padding=0.07)
    info = audio.inspect(encoded[name])
    assert info.format == format_name
    assert info.duration == pytest.approx(SECONDS, abs=0.1)
    assert info.channels == 1


@pytest.mark.parametrize(
    ("name", "delay"),  # samples: what encoders put in front, or swallow, and these containers don't tell
    [("memo.aac", 1024), ("stream.ts", 341), ("old.avi", 401), ("phone.amr", 80), ("windows.wma", -743)],
)
def test_formats_that_hide_the_encoders_delay(encoded: dict[str, Path], name: str, delay: int) -> None:
    signal = audio.load(encoded[name])
    assert len(signal) / 16000 == pytest.approx(SECONDS, abs=0.15)
    expected = sweep(16000)[1600:28000]
    lags = range(delay - 10, delay + 11)
    best = max(np.corrcoef(expected, signal[1600 + lag : 28000 + lag])[0, 1] for lag in lags)
    assert best > 0.94


def test_the_content_decides_not_the_ending(tmp_path: Path, encoded: dict[str, Path]) -> None:
    for ending in ("wav", "raw", "mp3", "txt", "flac"):
        path = tmp_path / f"a.{ending}"
        path.write_bytes(encoded["memo.m4a"].read_bytes())
        assert len(audio.load(path)) > 31000
        soundfile.write(path, sweep(16000), 16000, format="WAV")
        assert len(audio.load(path)) == 32000


def test_names_that_look_like_addresses(
    tmp_path: Path, encoded: dict[str, Path], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    for name in ("http:a.m4a", "concat:a|b.m4a", "a b%20ü.m4a", "-i.m4a"):
        Path(name).write_bytes(encoded["memo.m4a"].read_bytes())
        assert len(audio.load(name)) > 31000
    locked = os.fsencode(tmp_path) + b"/latin-\xe9.m4a"
    with contextlib.suppress(OSError), open(locked, "wb") as file:  # noqa: PTH123 - some systems refuse such a name
        file.write(encoded["memo.m4a"].read_bytes())
        file.flush()
        assert len(audio.load(os.fsdecode(locked))) > 31000


def test_every_suffix_is_lower_case_and_the_formats_above_are_among_them(encoded: dict[str, Path]) -> None:
    assert all(suffix.startswith(".") and suffix == suffix.lower() for suffix in audio.SUFFIXES)
    assert {Path(name).suffix for name in encoded} - {".ts"} <= audio.SUFFIXES


# ---------------------------------------------------------------- rate, start and end, blocks


def test_the_asked_rate_needs_no_resampling(tmp_path: Path, rng: np.random.Generator) -> None:
    samples = rng.uniform(-1, 1, 9000).astype(np.float32)
    soundfile.write(tmp_path / "a.wav", samples, 48000, subtype="FLOAT")
    np.testing.assert_array_equal(audio.load(tmp_path / "a.wav", rate=48000), samples)


@pytest.mark.parametrize("rate", [0, 999, 800_000, -16000, 16000.5, float("nan")])
def test_rates_outside_the_range_are_refused(tmp_path: Path, rate: int) -> None:
    soundfile.write(tmp_path / "a.wav", sweep(16000), 16000)
    with pytest.raises(AudioError, match="only whole numbers from 1000 to 768000"):
        audio.load(tmp_path / "a.wav", rate=rate)


@pytest.mark.parametrize("rate", [500, 999_999])
def test_recordings_outside_the_range_are_refused(tmp_path: Path, rate: int) -> None:
    soundfile.write(tmp_path / "a.wav", sweep(16000), rate)
    with pytest.raises(AudioError, match=f"a.wav has a sample rate of {rate} Hz"):
        audio.load(tmp_path / "a.wav")


@pytest.mark.parametrize("file_rate", [16000, 44100, 48000, 11127, 8000])
@pytest.mark.parametrize("ending", ["wav", "flac", "ogg"])
def test_a_part_is_that_slice_of_the_whole(
    tmp_path: Path, file_rate: int, ending: str, rng: np.random.Generator
) -> None:
    samples = rng.uniform(-0.5, 0.5, (file_rate * 3, 2)).astype(np.float32)
    path = tmp_path / f"a.{ending}"
    soundfile.write(path, samples, file_rate)
    whole = audio.load(path)
    for start, end in (
        (0.0, 0.01),
        (0.5, 0.7),
        (1.23456, 2.34567),
        (2.9, 99.0),
        (0.0, None),
        (2.0, float("nan")),
    ):
        part = audio.load(path, start=start, end=end)
        last = len(whole) if end is None or np.isnan(end) else round(end * 16000)
        expected = whole[round(start * 16000) : last]
        assert part.shape == expected.shape
        tolerance = 0 if file_rate == 16000 else 5e-6
        np.testing.assert_allclose(part, expected, atol=tolerance, rtol=0)


def test_a_part_of_a_long_file_decodes_only_that_part(tmp_path: Path) -> None:
    soundfile.write(tmp_path / "a.flac", np.zeros(16000 * 1800, np.int16), 16000)
    began = time.perf_counter()
    assert len(audio.load(tmp_path / "a.flac", start=1700, end=1701)) == 16000
    assert time.perf_counter() - began < 0.2


@pytest.mark.parametrize(("start", "end"), [(-1, None), (1, 1), (2, 1), (float("nan"), None), (float("inf"), None)])
def test_parts_that_make_no_sense_are_refused(tmp_path: Path, start: float, end: float | None) -> None:
    soundfile.write(tmp_path / "a.wav", sweep(16000), 16000)
    with pytest.raises(AudioError, match="A part starts at 0 s or later and ends after its start"):
        audio.load(tmp_path / "a.wav", start=start, end=end)


def test_a_part_behind_the_end_is_refused(tmp_path: Path, encoded: dict[str, Path]) -> None:
    soundfile.write(tmp_path / "a.wav", sweep(16000), 16000)
    for path in (tmp_path / "a.wav", encoded["talk.mkv"]):
        with pytest.raises(AudioError, match=r"lasts 2\.00 s: there is nothing from 5\.00 s on"):
            audio.load(path, start=5, end=6)


@pytest.mark.parametrize("seconds", [0.0001, 0.3, 0.5, 1.9999, 2.0, 50.0])
@pytest.mark.parametrize("name", ["a.wav", "talk.mkv", "song.mp3"])
def test_blocks_joined_are_the_whole(
    tmp_path: Path, encoded: dict[str, Path], name: str, seconds: float, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("emotone.decoding._CHUNK_VALUES", 5000)  # many chunks out of a short file
    path = encoded.get(name, tmp_path / name)
    if name == "a.wav":
        soundfile.write(path, sweep(44100), 44100)
    blocks = list(audio.blocks(path, seconds=seconds))
    n_samples = max(1, round(seconds * 16000))
    assert all(len(block) == n_samples for block in blocks[:-1])
    assert 0 < len(blocks[-1]) <= n_samples
    joined = np.concatenate(blocks)
    np.testing.assert_array_equal(joined, audio.load(path))
    monkeypatch.undo()
    np.testing.assert_array_equal(joined, audio.load(path))  # the size of the chunks doesn't matter either


def test_blocks_need_little_memory(tmp_path: Path) -> None:
    with soundfile.SoundFile(tmp_path / "a.wav", "w", 48000, 1) as file:
        for _ in range(15):
            file.write(np.zeros(48000 * 60, np.int16))
    tracemalloc.start()
    n_samples = sum(len(block) for block in audio.blocks(tmp_path / "a.wav", seconds=10))
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert n_samples == 15 * 60 * 16000
    assert peak < 30e6  # the whole is 58 MB


def test_blocks_fail_at_once(tmp_path: Path) -> None:
    with pytest.raises(AudioError, match="There is no file"):
        audio.blocks(tmp_path / "missing.wav")
    soundfile.write(tmp_path / "a.wav", sweep(16000), 16000)
    for seconds in (0, -1, float("inf"), float("nan")):
        with pytest.raises(AudioError, match="more than 0 seconds"):
            audio.blocks(tmp_path / "a.wav", seconds=seconds)


# ---------------------------------------------------------------- channels and levels


def test_channels_are_averaged(tmp_path: Path, rng: np.random.Generator) -> None:
    samples = rng.uniform(-0.5, 0.5, (8000, 3)).astype(np.float32)
    soundfile.write(tmp_path / "a.wav", samples, 16000, subtype="FLOAT")
    np.testing.assert_allclose(audio.load(tmp_path / "a.wav"), samples.mean(axis=1), atol=1e-7)


def test_one_live_channel_of_eight_is_still_a_mean(tmp_path: Path) -> None:
    samples = np.zeros((32000, 8), np.float32)
    samples[:, 5] = sweep(16000)
    soundfile.write(tmp_path / "a.wav", samples, 16000, subtype="FLOAT")
    np.testing.assert_allclose(audio.load(tmp_path / "a.wav"), sweep(16000) / 8, atol=1e-7)


def test_channels_that_cancel_leave_the_loudest(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("emotone.decoding._CHUNK_VALUES", 4000)
    silence = np.zeros((8000, 2), np.float32)  # the first chunks tell nothing
    speech = np.stack([0.95 * sweep(16000), -sweep(16000)], axis=1)
    soundfile.write(tmp_path / "a.wav", np.concatenate([silence, speech]), 16000, subtype="FLOAT")
    signal = audio.load(tmp_path / "a.wav")
    np.testing.assert_allclose(signal[8000:], -sweep(16000), atol=1e-7)
    assert "silent" not in audio.flags(signal)


def test_floats_above_full_scale_are_kept(tmp_path: Path) -> None:
    soundfile.write(tmp_path / "a.wav", 3 * sweep(16000, level=0.5), 16000, subtype="FLOAT")
    assert np.abs(audio.load(tmp_path / "a.wav")).max() == pytest.approx(1.5, rel=1e-3)


def test_integers_stored_as_floats_are_refused(tmp_path: Path) -> None:
    soundfile.write(tmp_path / "a.wav", 32767 * sweep(16000), 16000, subtype="FLOAT")
    with pytest.raises(AudioError, match=r"a\.wav reaches 16\d\d\d where full scale is 1: .* Divide them"):
        audio.load(tmp_path / "a.wav")


@pytest.mark.parametrize("value", [np.nan, np.inf, -np.inf])
@pytest.mark.parametrize("n_channels", [1, 2])
@pytest.mark.parametrize("rate", [16000, 48000])
def test_samples_that_are_no_numbers_are_refused(tmp_path: Path, value: float, n_channels: int, rate: int) -> None:
    samples = np.repeat(sweep(rate)[:, None], n_channels, axis=1)
    samples[rate // 2 : rate // 2 + 3, -1] = value
    soundfile.write(tmp_path / "a.wav", samples, rate, subtype="FLOAT")
    with pytest.raises(AudioError, match=r"a\.wav holds 3 samples that are no numbers .* first at 0\.500 s"):
        audio.load(tmp_path / "a.wav")


def test_a_double_too_large_for_float32_is_refused(tmp_path: Path) -> None:
    samples = sweep(16000).astype(float)
    samples[7] = 1e300
    soundfile.write(tmp_path / "a.wav", samples, 16000, subtype="DOUBLE")
    with pytest.raises(AudioError, match="holds 1 samples that are no numbers"):
        audio.load(tmp_path / "a.wav")


# ---------------------------------------------------------------- broken files


def broken_files(root: Path, encoded: dict[str, Path]) -> dict[str, tuple[Path, str]]:
    """Name of a fault -> a file with it, and what its error must say."""
    soundfile.write(root / "good.wav", sweep(16000), 16000)
    wav = (root / "good.wav").read_bytes()
    m4a, mkv = encoded["memo.m4a"].read_bytes(), encoded["talk.mkv"].read_bytes()
    mp4 = root / "mute.mp4"
    with av.open(str(mp4), "w") as container:
        pictures = container.add_stream("mpeg4", rate=25, width=64, height=64, pix_fmt="yuv420p")
        container.mux(pictures.encode(av.VideoFrame.from_ndarray(np.zeros((96, 64), np.uint8), format="yuv420p")))
        container.mux(pictures.encode(None))
    contents: dict[str, tuple[bytes, str]] = {
        "empty": (b"", r"is empty \(0 bytes\)\. Record or copy it again"),
        "one byte": (b"R", "can't be read"),
        "header only": (wav[:44], "holds no samples"),
        "half a header": (wav[:20], "is damaged, or in no audio or video format known here. Export it again"),
        "text": (b"Hello, this is no sound.\n" * 50, "is text that begins 'Hello, this is no sound"),
        "page": (
            "<!DOCTYPE html><title>Nicht gefunden: Übung</title>".encode() * 9,
            "is text that begins '<!DOCTYPE",
        ),
        "picture": (b"\x89PNG\r\n\x1a\n" + bytes(100), "is a picture"),
        "pdf": (b"%PDF-1.7\n" + bytes(100), "is a PDF"),
        "zip": (b"PK\x03\x04" + bytes(100), "is a ZIP archive"),
        "zeros": (bytes(50_000), "is damaged, or in no audio"),
        "noise": (np.random.default_rng(3).bytes(50_000), "is damaged, or in no audio"),
        "m4a without its index": (m4a[: len(m4a) // 2], "its index is missing"),
        "unknown coding": (mkv.replace(b"A_FLAC", b"A_ZZZZ"), "its audio coding isn't known here"),
        "playlist": (
            b"#EXTM3U\n#EXTINF:1,\nhttp://127.0.0.1:9/a.ts\n#EXT-X-ENDLIST\n",
            "is text that begins '#EXTM3U",
        ),
    }
    files = {fault: (root / f"{fault}.wav", pattern) for fault, (_, pattern) in contents.items()}
    for fault, (content, _) in contents.items():
        files[fault][0].write_bytes(content)
    locked = root / "locked.wav"
    locked.write_bytes(wav)
    locked.chmod(0)
    os.mkfifo(root / "pipe.wav")
    return files | {
        "no file": (root / "missing.wav", r"There is no file .*missing\.wav\. Check its spelling"),
        "below a file": (root / "good.wav" / "a.wav", "There is no file"),
        "folder": (root, r"is a folder\. Give a recording in it"),
        "pipe": (root / "pipe.wav", "isn't a file but a pipe or a device"),
        "device": (Path("/dev/zero"), "isn't a file but a pipe or a device"),
        "nul": (Path("a\0b.wav"), "can't be opened"),
        "no sound": (mp4, "has no audio track. Give a recording with sound"),
        "locked": (locked, "can't be opened .*Permission denied.*Check its permissions"),
    }


@pytest.mark.skipif(sys.platform == "win32", reason="pipes, devices and permissions are POSIX's here")
def test_every_fault_has_one_sentence(
    tmp_path: Path, encoded: dict[str, Path], capfd: pytest.CaptureFixture[str]
) -> None:
    for fault, (path, pattern) in broken_files(tmp_path, encoded).items():
        if fault == "locked" and os.access(path, os.R_OK):
            continue  # nothing is locked to root
        for read in (audio.load, audio.inspect, audio.blocks):
            if read is audio.inspect and fault == "header only":
                continue
            began = time.perf_counter()
            with pytest.raises(AudioError, match=pattern) as caught:
                read(path)
            assert time.perf_counter() - began < 2, fault
            message = str(caught.value)
            assert str(path).replace("\0", "\\x00") in message, fault
            assert "\n" not in message, fault
            assert message.endswith((".", ".wav")), fault
    assert capfd.readouterr() == ("", "")


@pytest.mark.parametrize("seconds", [1 / 48000, 2 / 48000, 0.01, 0.2])
@pytest.mark.parametrize("rate", [8000, 16000, 48000])
def test_a_single_sample_is_a_signal(tmp_path: Path, seconds: float, rate: int) -> None:
    n_samples = max(1, round(seconds * rate))
    soundfile.write(tmp_path / "a.wav", np.full(n_samples, 0.25), rate)
    signal = audio.load(tmp_path / "a.wav")
    assert len(signal) >= 1
    assert np.isfinite(signal).all()
    assert "too_short" in audio.flags(signal)


@pytest.mark.parametrize("size", [0, 0xFFFFFFFF, 0x7FFFFFFF])
def test_a_wav_from_a_stream_has_a_wrong_size(tmp_path: Path, size: int) -> None:
    soundfile.write(tmp_path / "a.wav", sweep(16000), 16000)
    content = bytearray((tmp_path / "a.wav").read_bytes())
    content[4:8] = content[40:44] = size.to_bytes(4, "little")
    (tmp_path / "a.wav").write_bytes(content)
    assert_is_sweep(audio.load(tmp_path / "a.wav"), 16000, correlation=0.9999)


@pytest.mark.parametrize("n_frames", [0, (1 << 36) - 1])
def test_a_flac_from_a_stream_has_a_wrong_size(tmp_path: Path, n_frames: int) -> None:
    soundfile.write(tmp_path / "a.flac", sweep(16000), 16000)
    content = bytearray((tmp_path / "a.flac").read_bytes())
    content[21] = (content[21] & 0xF0) | (n_frames >> 32)
    content[22:26] = (n_frames & 0xFFFFFFFF).to_bytes(4, "big")
    (tmp_path / "a.flac").write_bytes(content)
    assert_is_sweep(audio.load(tmp_path / "a.flac"), 16000, correlation=0.9999)
    if n_frames == 0:  # "unknown", so counted; the other one is a lie
        assert audio.inspect(tmp_path / "a.flac").duration == SECONDS


def test_the_duration_of_a_bare_mp3_is_counted(tmp_path: Path) -> None:
    """Without the Xing header FFmpeg takes the first frame's bit rate for all: far off where it varies."""
    samples = np.zeros(16000 * 6, np.float32)
    samples[48000:] = 0.3 * np.random.default_rng(0).standard_normal(48000)
    with av.open(str(tmp_path / "a.mp3"), "w", options={"write_xing": "0"}) as container:
        sound = container.add_stream("libmp3lame", rate=16000, layout="mono", options={"global_quality": "236"})
        sound.codec_context.flags |= 2  # a quality rather than a bit rate
        for start in range(0, len(samples), 1024):
            frame = av.AudioFrame.from_ndarray(samples[None, start : start + 1024], format="fltp", layout="mono")
            frame.sample_rate, frame.pts = 16000, start
            container.mux(sound.encode(frame))
        container.mux(sound.encode(None))
    with av.open(str(tmp_path / "a.mp3")) as container:
        assert abs(container.duration / 1e6 - 6) > 0.5
    assert audio.inspect(tmp_path / "a.mp3").duration == pytest.approx(6, abs=0.15)


def test_tags_in_an_old_encoding_do_no_harm(tmp_path: Path, encoded: dict[str, Path]) -> None:
    content = encoded["talk.mkv"].read_bytes()
    assert b"Lavf" in content
    (tmp_path / "a.mkv").write_bytes(content.replace(b"Lavf", "Lävf".encode("latin-1")))
    assert len(audio.load(tmp_path / "a.mkv")) == 32000


def test_a_damaged_packet_with_many_channels_is_left_out() -> None:
    """A damaged AAC packet did pretend 49 channels, and reading it ended the whole process."""
    frame = SimpleNamespace(layout=SimpleNamespace(nb_channels=49), sample_rate=16000)
    with pytest.raises(ValueError, match="49 channels"):
        decoding._frame_samples(frame)  # type: ignore[arg-type]


def test_mostly_damaged_is_an_error(tmp_path: Path, encoded: dict[str, Path], rng: np.random.Generator) -> None:
    content = bytearray(encoded["phone.3gp"].read_bytes())
    start, end = content.index(b"mdat") + 4, content.index(b"moov") - 4
    kept = (end - start) // 5
    content[start + kept : end] = rng.bytes(end - start - kept)
    (tmp_path / "a.3gp").write_bytes(content)
    with pytest.raises(AudioError, match=r"is damaged: \d+ of its packets can't be decoded"):
        audio.load(tmp_path / "a.3gp")


def test_more_than_eight_channels(tmp_path: Path) -> None:
    """Fine in WAV; refused where PyAV would read beyond its memory."""
    samples = np.repeat(sweep(16000)[:, None], 16, axis=1)
    soundfile.write(tmp_path / "a.wav", samples, 16000)
    assert_is_sweep(audio.load(tmp_path / "a.wav"), 16000, correlation=0.9999)
    with av.open(str(tmp_path / "a.m4a"), "w") as container:
        sound = container.add_stream("aac", rate=16000, layout="hexadecagonal")
        resampler = av.AudioResampler(format="fltp", layout="hexadecagonal", rate=16000)
        frame = av.AudioFrame.from_ndarray(samples.reshape(1, -1), format="flt", layout="hexadecagonal")
        frame.sample_rate, frame.pts = 16000, 0
        for piece in resampler.resample(frame):
            container.mux(sound.encode(piece))
        container.mux(sound.encode(None))
    for read in (audio.load, audio.inspect):
        with pytest.raises(AudioError, match=r"a\.m4a has 16 channels\. Mix it to one: ffmpeg -i INPUT -ac 1"):
            read(tmp_path / "a.m4a")


@pytest.mark.parametrize("name", ["a.wav", "a.flac", "a.aiff", "song.mp3", "talk.mkv", "call.webm", "memo.aac"])
def test_a_file_cut_short_gives_what_it_holds(
    tmp_path: Path, encoded: dict[str, Path], name: str, capfd: pytest.CaptureFixture[str]
) -> None:
    whole = encoded.get(name, tmp_path / name)
    if name.startswith("a."):
        soundfile.write(whole, sweep(48000), 48000)
    content = whole.read_bytes()
    short = tmp_path / f"short{whole.suffix}"
    short.write_bytes(content[: round(0.7 * len(content))])
    signal, expected = audio.load(short), audio.load(whole)
    assert 0.4 * len(expected) < len(signal) < 0.9 * len(expected)
    assert np.corrcoef(signal[1000:-3000], expected[1000 : len(signal) - 3000])[0, 1] > 0.99
    assert capfd.readouterr() == ("", "")


def test_damage_in_the_middle_of_a_flac_costs_a_moment(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("emotone.decoding._CHUNK_VALUES", 4000)  # so that libsndfile gives some of it first
    soundfile.write(tmp_path / "a.flac", sweep(16000, 10.0), 16000)
    expected = audio.load(tmp_path / "a.flac")
    content = bytearray((tmp_path / "a.flac").read_bytes())
    middle = len(content) // 2
    content[middle : middle + 50] = bytes(range(50))
    (tmp_path / "a.flac").write_bytes(content)
    signal = audio.load(tmp_path / "a.flac")
    assert len(expected) - 9000 < len(signal) < len(expected)
    np.testing.assert_array_equal(signal[:60000], expected[:60000])
    np.testing.assert_array_equal(signal[-60000:], expected[-60000:])


MUTABLE = (
    "memo.m4a",
    "talk.mp4",
    "call.webm",
    "song.mp3",
    "memo.aac",
    "a.wav",
    "a.flac",
    "a.ogg",
    "a.aiff",
    "a.mat",
)


@settings(
    max_examples=150,
    deadline=3000,
    derandomize=True,
    suppress_health_check=[HealthCheck.function_scoped_fixture],
)
@given(
    name=st.sampled_from(MUTABLE),
    keep=st.floats(0.0, 1.0),
    changes=st.lists(st.tuples(st.floats(0.0, 0.9999), st.integers(0, 255)), max_size=12),
    in_header=st.booleans(),
)
def test_any_damage_gives_a_signal_or_an_audio_error(
    tmp_path: Path,
    encoded: dict[str, Path],
    name: str,
    keep: float,
    changes: list[tuple[float, int]],
    in_header: bool,
) -> None:
    whole = encoded.get(name, tmp_path / name)
    if not whole.exists():
        soundfile.write(whole, sweep(16000, 0.5), 16000, format="MAT5" if name == "a.mat" else None)
    content = bytearray(whole.read_bytes())
    for place, value in changes:
        content[int(place * (min(200, len(content)) if in_header else len(content)))] = value
    damaged = tmp_path / "damaged.bin"
    damaged.write_bytes(content[: round(keep * len(content))])
    with contextlib.suppress(AudioError):
        signal = audio.load(damaged)
        assert signal.dtype == np.float32
        assert signal.ndim == 1
        assert len(signal) > 0
        assert np.isfinite(signal).all()
    with contextlib.suppress(AudioError):
        assert audio.inspect(damaged).channels > 0


# ---------------------------------------------------------------- convert, flags, encode_wav


@pytest.mark.parametrize(
    ("samples", "expected"),
    [
        (np.array([-32768, 0, 16384], np.int16), [-1, 0, 0.5]),
        (np.array([-(2**31), 0, 2**30], np.int32), [-1, 0, 0.5]),
        (np.array([0, 128, 192], np.uint8), [-1, 0, 0.5]),
        (np.array([-1, 0, 0.5]), [-1, 0, 0.5]),
        (np.array([-1, 0, 0.5], np.float16), [-1, 0, 0.5]),
        (np.array([[-1, 0], [0.5, -0.5], [0, 1]]), [-0.5, 0, 0.5]),
        ([0.25, -0.25], [0.25, -0.25]),
    ],
)
def test_convert_scales_by_type(samples: npt.ArrayLike, expected: list[float]) -> None:
    signal = audio.convert(samples, 16000)
    assert signal.dtype == np.float32
    np.testing.assert_array_equal(signal, expected)


def test_convert_equals_load_and_leaves_its_argument_alone(tmp_path: Path) -> None:
    samples = sweep(44100)
    soundfile.write(tmp_path / "a.wav", samples, 44100, subtype="FLOAT")
    np.testing.assert_array_equal(audio.convert(samples, 44100), audio.load(tmp_path / "a.wav"))
    same_rate = audio.convert(samples, 44100, to=44100)
    same_rate[:] = 0
    np.testing.assert_array_equal(samples, sweep(44100))


@pytest.mark.parametrize(
    ("samples", "rate", "pattern"),
    [
        (np.zeros(0), 16000, r"not \(0,\)"),
        (np.zeros((0, 2)), 16000, r"not \(0, 2\)"),
        (np.float32(0.5), 16000, r"not \(\)"),
        (np.zeros((2, 3, 4)), 16000, r"not \(2, 3, 4\)"),
        (np.zeros((2, 16000)), 16000, "16000 channels. Transpose them"),
        (np.zeros(9, bool), 16000, "integers or floats, not bool"),
        (np.zeros(9, complex), 16000, "integers or floats, not complex128"),
        (["a"], 16000, "integers or floats"),
        (np.full(9, np.nan), 16000, "The array holds 9 samples that are no numbers"),
        (np.full(9, 1e300), 16000, "The array holds 9 samples that are no numbers"),
        (np.full(9, 20000.0), 16000, "The array reaches 20000"),
        (np.zeros(9), 10, "a sample rate of 10 Hz"),
    ],
)
def test_convert_refuses(samples: npt.ArrayLike, rate: int, pattern: str) -> None:
    with pytest.raises(AudioError, match=pattern):
        audio.convert(samples, rate)


def speechlike(rng: np.random.Generator, seconds: float = 2.0) -> Array:
    """Pulses at 120 Hz through one resonance, in bursts: peaky like a voice, peak 0.9."""
    pulses = np.zeros(round(16000 * seconds))
    pulses[:: 16000 // 120] = rng.uniform(0.2, 1, len(pulses[:: 16000 // 120]))
    decay = np.exp(-np.arange(400) / 60) * np.sin(2 * np.pi * 600 / 16000 * np.arange(400))
    voice = np.convolve(pulses, decay)[: len(pulses)]
    return (0.9 * voice / np.abs(voice).max()).astype(np.float32)


def test_flags_of_good_speech_are_none(rng: np.random.Generator) -> None:
    voice = speechlike(rng)
    assert audio.flags(voice) == ()
    assert audio.flags(voice / 0.9) == ()  # normalised to full scale isn't clipped


def test_flags_by_length_and_level(rng: np.random.Generator) -> None:
    voice = speechlike(rng)
    assert audio.flags(voice[:3999]) == ("too_short",)
    assert audio.flags(voice[:4000]) == ()
    assert audio.flags(voice[:8000], rate=48000) == ("too_short",)
    assert audio.flags(np.zeros(16000, np.float32)) == ("silent",)
    assert audio.flags(np.full(16000, 0.3, np.float32)) == ("silent",)  # an offset is no sound
    assert audio.flags(np.zeros(0, np.float32)) == ("too_short", "silent")
    assert audio.flags(np.zeros(1, np.float32)) == ("too_short", "silent")
    tone = np.sqrt(2) * np.sin(2 * np.pi * 100 / 16000 * np.arange(32000)).astype(np.float32)
    assert audio.flags(tone * audio.SILENT * 0.99) == ("silent",)
    assert audio.flags(tone * audio.SILENT * 1.01) == ("low_level",)
    assert audio.flags(tone * audio.LOW_LEVEL * 1.01) == ()
    one_word = np.concatenate([np.zeros(160000, np.float32), voice[:8000], np.zeros(160000, np.float32)])
    assert audio.flags(one_word) == ()  # long pauses don't make it quiet


def test_clipping_is_flagged_at_full_scale_and_below(rng: np.random.Generator) -> None:
    clipped = np.clip(3 * speechlike(rng), -1, 1)
    assert audio.flags(clipped) == ("clipped",)
    assert audio.flags(clipped * np.float32(0.4)) == ("clipped",)  # turned down afterwards
    assert audio.flags(audio.convert(np.clip(3 * audio.convert(speechlike(rng), 16000, to=48000), -1, 1), 48000)) == (
        "clipped",
    )
    assert audio.flags(np.clip(3 * speechlike(rng), -9, 0.5)) == ("clipped",)  # on one side only
    for frequency in (20, 50, 100, 440):  # the tops of slow waves are round, not flat
        assert audio.flags(0.7 * np.sin(2 * np.pi * frequency / 16000 * np.arange(32000))) == ()


def test_encoded_wav_is_a_wav(tmp_path: Path) -> None:
    signal = np.array([-2, -1, -0.5, 0, 0.5, 1, 2], np.float32)
    content = audio.encode_wav(signal, 22050)
    with wave.open(io.BytesIO(content)) as file:
        assert (file.getframerate(), file.getnchannels(), file.getsampwidth()) == (22050, 1, 2)
        whole = np.frombuffer(file.readframes(99), "<i2")
    np.testing.assert_array_equal(whole, [-32768, -32768, -16384, 0, 16384, 32767, 32767])
    (tmp_path / "a.wav").write_bytes(content)
    np.testing.assert_array_equal(audio.load(tmp_path / "a.wav", rate=22050), whole / np.float32(32768))


# ---------------------------------------------------------------- the whole process, and real recordings


def run_python(code: str, *arguments: object) -> subprocess.CompletedProcess[str]:
    source = Path(audio.__file__).parents[1]
    return subprocess.run(
        [sys.executable, "-c", code, *map(str, arguments)],
        env={**os.environ, "PYTHONPATH": str(source)},
        capture_output=True,
        text=True,
        timeout=60,
        check=True,
    )


def test_ffmpeg_is_loaded_only_when_needed(tmp_path: Path, encoded: dict[str, Path]) -> None:
    soundfile.write(tmp_path / "a.wav", sweep(16000), 16000)
    code = "import sys; from emotone import audio; audio.load(sys.argv[1]); print('av' in sys.modules)"
    assert run_python(code, tmp_path / "a.wav").stdout == "False\n"
    done = run_python(code, encoded["memo.m4a"])
    assert (done.stdout, done.stderr) == ("True\n", "")


# --- in pieces ---


@pytest.mark.parametrize("rate", [16_000, 44_100])
def test_pieces_of_any_size_are_converted_as_a_whole_is(rng, rate):
    samples = rng.normal(0, 0.1, (20_001, 2)).astype(np.float32)
    expected = audio.convert(samples, rate)
    for longest in (10, 3_000, 50_000):
        converter, first, found = audio.Converter(rate), 0, []
        while first < len(samples):
            n = int(rng.integers(0, longest))
            found.append(converter.feed(samples[first : first + n]))
            first += n
        assert np.array_equal(np.concatenate([*found, converter.flush()]), expected)


def test_a_fault_in_a_piece_is_placed_and_what_came_before_stays():
    converter = audio.Converter(8_000, to=8_000, name="The cable")
    assert len(converter.feed(np.zeros((800, 1), np.int16))) == 800
    with pytest.raises(AudioError, match=r"The cable holds 1 samples that are no numbers .* at 0.101 s"):
        converter.feed(np.array([[0.0]] * 8 + [[np.nan]], np.float32))
    assert len(converter.flush()) == 0
    with pytest.raises(AudioError, match="sample rate of 10 Hz"):
        audio.Converter(10)


@pytest.mark.corpus
@pytest.mark.parametrize(
    ("pattern", "n_files", "rate", "shortest", "longest"),
    [
        ("ravdess/Actor_*/*.flac", 1440, 16000, 2.9, 5.3),
        ("crema_d/AudioWAV/*.opus", 6131, 16000, 1.2, 5.1),
        ("emodb/wav/*.opus", 535, 16000, 1.2, 9.0),
        ("nemo/samples/*.opus", 4481, 16000, 0.9, 6.0),
        ("ravdess_song/Actor_*/*.opus", 1012, 16000, 3.4, 6.5),
        ("librispeech/*.opus", 351, 16000, 1.5, 25.0),
    ],
)
def test_real_recordings(
    data: Path,
    rng: np.random.Generator,
    pattern: str,
    n_files: int,
    rate: int,
    shortest: float,
    longest: float,
) -> None:
    files = sorted(data.glob(pattern))
    assert len(files) == n_files
    n_flagged = 0
    for index in rng.choice(len(files), 25, replace=False):
        info, signal = audio.inspect(files[index]), audio.load(files[index])
        assert (info.sample_rate, info.channels) == (rate, 1)
        assert len(signal) == round(info.duration * rate)
        assert shortest < info.duration < longest
        assert 0.001 < np.abs(signal).max() < 1.3
        n_flagged += bool({"silent", "too_short"} & set(audio.flags(signal)))
    assert n_flagged == 0


@pytest.mark.corpus
def test_clipping_in_real_recordings(data: Path) -> None:
    """RAVDESS doesn't clip; CREMA-D does, in some 5 % of its clips."""

    def share_clipped(files: list[Path]) -> float:
        return float(np.mean(["clipped" in audio.flags(audio.load(file)) for file in files]))

    assert share_clipped(sorted((data / "ravdess").glob("Actor_*/*.flac"))[::6]) == 0
    assert 0.02 < share_clipped(sorted((data / "crema_d" / "AudioWAV").glob("*.opus"))[::11]) < 0.08


@pytest.mark.corpus
def test_load_adds_little_to_soundfile(data: Path) -> None:
    files = sorted((data / "ravdess" / "Actor_01").glob("*.flac"))

    def seconds(read: Callable[[Path], object], file: Path) -> float:
        began = time.perf_counter()
        read(file)
        return time.perf_counter() - began

    ours = theirs = 0.0
    for file in files:  # in turns, and the best of each, so that a busy machine weighs on both alike
        ours += min(seconds(audio.load, file) for _ in range(7))
        theirs += min(seconds(lambda file: soundfile.read(file, dtype="float32"), file) for _ in range(7))
    assert ours < 1.5 * theirs
