"""Sound from pipes and microphones: whatever way it is cut, it is the signal of the file, and its end is understood."""

from __future__ import annotations

import io
import os
import struct
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pytest
import soundfile

import emotone
from emotone import audio, live, synthetic
from emotone.errors import AudioError, ConfigError, MissingExtra
from emotone.live import PCM, Pipe

RATE = 16_000


class Cut(io.RawIOBase):
    """A pipe that gives what is there in pieces of any size."""

    def __init__(self, content: bytes, rng: np.random.Generator) -> None:
        self._content, self._rng, self._place = content, rng, 0

    def read(self, size: int = -1) -> bytes:
        n = int(self._rng.integers(1, size))
        piece = self._content[self._place : self._place + n]
        self._place += n
        return piece


def heard(content: bytes, form: PCM | None = None, *, rng: np.random.Generator | None = None) -> np.ndarray:
    """Everything that comes; what ends it early is raised."""
    pipe = Pipe(Cut(content, rng or np.random.default_rng(0)), form)
    found = []
    while (signal := pipe.take(5)) is not None:
        found.append(signal)
    return np.concatenate([*found, pipe.rest()])


def before_the_end(content: bytes, form: PCM | None = None) -> tuple[np.ndarray, str]:
    """What was heard, and why it ended early."""
    pipe = Pipe(io.BytesIO(content), form)
    found: list[np.ndarray] = []
    with pytest.raises(AudioError) as caught:  # noqa: PT012
        while True:
            signal = pipe.take(5)
            assert signal is not None, "it ended as if all were well"
            found.append(signal)
    return np.concatenate([*found, pipe.rest()]), str(caught.value)


@pytest.fixture
def sound(rng) -> np.ndarray:
    return synthetic.speech("angry", 1, rng=rng, seconds=1.5)


def wav(samples: np.ndarray, rate: int, **options: str) -> bytes:
    buffer = io.BytesIO()
    soundfile.write(buffer, samples, rate, **{"format": "WAV", **options})
    return buffer.getvalue()


# --- raw samples ---


def test_samples_at_16_khz_come_bit_for_bit(sound, rng):
    whole = np.rint(np.clip(sound, -1, 0.999) * 32768).astype("<i2")
    expected = (whole / 32768).astype(np.float32)
    for _ in range(5):
        assert np.array_equal(heard(whole.tobytes(), rng=rng), expected)
    assert np.array_equal(heard(expected.astype("<f4").tobytes(), PCM(encoding="f32le"), rng=rng), expected)


@pytest.mark.parametrize(("rate", "channels"), [(44_100, 1), (48_000, 2), (8_000, 1)])
def test_other_rates_and_channels_are_what_convert_makes_of_them(sound, rng, rate, channels):
    samples = np.stack([sound * (1 - 0.3 * n) for n in range(channels)], axis=1).astype("<f4")
    found = heard(samples.tobytes(), PCM(rate=rate, channels=channels, encoding="f32le"), rng=rng)
    expected = audio.convert(samples, rate)
    assert len(found) == len(expected)
    assert np.abs(found - expected).max() < 1e-6


@pytest.mark.parametrize(
    ("form", "words"),
    [({"encoding": "s16"}, "Did you mean 's16le'"), ({"channels": 0}, "1 to 64 channels, not 0")],
)
def test_forms_that_cannot_be(form, words):
    with pytest.raises(ConfigError, match=words):
        PCM(**form)


def test_a_rate_that_cannot_be():
    with pytest.raises(AudioError, match="sample rate of 10 Hz"):
        Pipe(io.BytesIO(b""), PCM(rate=10))


# --- WAV ---


@pytest.mark.parametrize("subtype", ["PCM_U8", "PCM_16", "PCM_32", "FLOAT", "DOUBLE"])
def test_a_wav_file_says_itself_what_it_holds(tmp_path, sound, rng, subtype):
    content = wav(np.stack([sound, sound], axis=1), 22_050, subtype=subtype)
    (tmp_path / "x.wav").write_bytes(content)
    expected = audio.load(tmp_path / "x.wav")
    found = heard(content, PCM(rate=8_000, channels=1), rng=rng)
    assert len(found) == len(expected)
    assert np.abs(found - expected).max() < 1e-6


def test_headers_of_any_length_and_what_follows_the_sound(sound):
    content = wav(sound, RATE, subtype="PCM_16")
    note = b"LIST" + struct.pack("<I", 31) + b"x" * 32
    padded = content[:12] + note + content[12:] + note
    assert np.array_equal(heard(padded), heard(content))
    assert np.array_equal(heard(wav(sound, RATE, format="WAVEX", subtype="PCM_16")), heard(content))


@pytest.mark.parametrize("size", [0, 0x7FFFFFFF, 0xFFFFFFFF])
def test_a_wav_file_of_unknown_length(sound, size):
    content = wav(sound, RATE, subtype="PCM_16")
    place = content.index(b"data") + 4
    endless = content[:place] + struct.pack("<I", size) + content[place + 4 :]
    assert np.array_equal(heard(endless), heard(content))


# --- ends and faults ---


def test_what_was_heard_before_a_torn_end_is_kept(sound):
    whole = np.rint(sound * 30_000).astype("<i2").tobytes()
    found, words = before_the_end(whole[:-1])
    assert len(found) == len(sound) - 1
    assert "closed within a sample: the last 1 of its bytes" in words
    content = wav(sound, RATE, subtype="PCM_16")
    found, words = before_the_end(content[: len(content) // 2])
    assert len(found) == pytest.approx(len(sound) / 2, abs=50)
    assert "closed early: 50 % came" in words


@pytest.mark.parametrize(
    ("content", "words"),
    [
        (b"", "closed before there was any sound"),
        (b"ab", "closed before there was any sound"),
        (wav(np.zeros(0), RATE), "closed before there was any sound"),
        (wav(np.zeros(10), RATE)[:30], "closed before there was any sound"),
        (b"OggS" + b"\0" * 100, "is Ogg, neither raw samples nor WAV"),
        (b"ID3\3" + b"\0" * 100, "is MP3"),
        (b"\0\0\0\x20ftypisom" + b"\0" * 100, "is MP4"),
        (wav(np.zeros(10), RATE, subtype="PCM_24"), "24-bit samples of the kind 1"),
        (wav(np.zeros(10), RATE, subtype="ULAW"), "8-bit samples of the kind 7"),
    ],
)
def test_what_is_no_sound(content, words):
    found, said = before_the_end(content)
    assert len(found) == 0
    assert words in said


def test_samples_that_are_no_numbers(sound):
    samples = np.concatenate([sound, np.full(5_000, np.nan)]).astype("<f4")
    found, words = before_the_end(samples.tobytes(), PCM(encoding="f32le"))
    assert 0 < len(found) <= len(sound)
    assert len(found) > len(sound) - 2048  # what was read with the fault goes, not more
    assert "no numbers" in words
    loud = np.rint(sound * 30_000).astype("<f4")
    assert "integers stored as floats" in before_the_end(loud.tobytes(), PCM(encoding="f32le"))[1]


def test_while_nothing_comes_nobody_is_kept_waiting():
    reading, writing = os.pipe()
    with os.fdopen(reading, "rb", buffering=0) as stream:
        pipe = Pipe(stream)
        began = time.monotonic()
        signal = pipe.take(0.05)
        assert signal is not None
        assert len(signal) == 0
        assert time.monotonic() - began < 2
        os.write(writing, b"\0" * 640)
        signal = pipe.take(5)
        assert signal is not None
        assert len(signal) == 320
        os.close(writing)
        assert pipe.take(5) is None
        assert pipe.take(5) is None  # and stays so


# --- microphones ---


def started(code: str, home: Path) -> subprocess.CompletedProcess[str]:
    """Code in a process of its own: PortAudio looks for devices once, by the settings in the home folder."""
    environment = {**os.environ, "HOME": str(home), "PYTHONPATH": f"{home}:{Path(emotone.__file__).parents[1]}"}
    return subprocess.run(
        [sys.executable, "-c", code], env=environment, capture_output=True, text=True, timeout=60, check=False
    )


def test_without_portaudio_it_says_what_to_install(tmp_path):
    (tmp_path / "sounddevice.py").write_text("raise OSError('PortAudio library not found')", encoding="utf-8")
    done = started("from emotone import live; live.devices()", tmp_path)
    assert f"{MissingExtra.__name__}: Microphones are heard through PortAudio" in done.stderr
    assert "libportaudio2" in done.stderr
    (tmp_path / "sounddevice.py").write_text("raise ImportError('no')", encoding="utf-8")
    assert "pip install 'emotone[live]'" in started("from emotone import live; live.devices()", tmp_path).stderr


def device(number: int, name: str, *, default: bool = False) -> live.Device:
    return live.Device(number, name, 1, 48_000, default)


@pytest.mark.parametrize(
    ("wanted", "number"), [(None, 3), ("1", 1), ("usb", 1), ("built-in", 3), ("Built-in Microphone", 3)]
)
def test_a_device_is_chosen_by_its_number_or_name(wanted, number):
    found = [device(1, "USB PnP Sound"), device(3, "Built-in Microphone", default=True)]
    assert live.choose(found, wanted).number == number


def test_devices_that_are_not_there_or_not_clear():
    found = [device(1, "USB one"), device(3, "USB two")]
    with pytest.raises(ConfigError, match="There is no such device: 1 USB one; 3 USB two"):
        live.choose(found, "2")
    with pytest.raises(ConfigError, match="2 devices are called so"):
        live.choose(found, "usb")
    assert live.choose(found).number == 1  # where none is the default
    with pytest.raises(AudioError, match=r"No microphone was found.*--stdin"):
        live.choose([])


@pytest.fixture
def home(tmp_path, sound) -> Path:
    """A home folder in which ALSA, on Linux, has a microphone that plays a file."""
    sound.astype("<f4").tofile(tmp_path / "sound.raw")
    (tmp_path / ".asoundrc").write_text(
        "pcm.nothing { type null }\n"
        f'pcm.played {{ type file slave.pcm "nothing" file /dev/null infile {tmp_path}/sound.raw format raw }}\n',
        encoding="utf-8",
    )
    done = started("import sounddevice; print(sounddevice.query_devices())", tmp_path)
    if "played" not in done.stdout:
        pytest.skip("no microphone can be made up here: it takes Linux, ALSA, PortAudio and sounddevice")
    return tmp_path


def test_a_microphone_is_heard_and_its_loss_is_said(home):
    """PortAudio is stopped as it stops itself when a device is unplugged."""
    done = started(
        "import numpy as np\n"
        "from emotone import live\n"
        "from emotone.errors import AudioError\n"
        "microphone = live.Microphone(live.choose(live.devices(), 'played'))\n"
        "print(microphone.device.rate)\n"
        "found = [microphone.take(5) for _ in range(30)]\n"
        "microphone._stream.stop()\n"
        "try:\n"
        "    while True: found.append(microphone.take(1))\n"
        "except AudioError as error: print(error)\n"
        "print(float(np.abs(np.concatenate(found)).max()))\n"
        "microphone.close()\n",
        home,
    )
    rate, words, loudest = done.stdout.splitlines()
    assert int(rate) >= 16_000, done.stderr
    assert words.startswith("played gives no sound any more: it was unplugged")
    assert float(loudest) > 0.05
