"""Sound as it comes, from a microphone or through a pipe: pieces of signal, and a reason where it ends before its time.

Both run by themselves, the microphone in PortAudio's thread (the package ``sounddevice``, MIT), the pipe in one of
ours, so that whoever listens can do something else while nothing comes.
"""

from __future__ import annotations

import struct
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from queue import Empty, Queue
from threading import Thread
from types import ModuleType
from typing import Any, BinaryIO, Protocol

import numpy as np
import numpy.typing as npt

from emotone.audio import SAMPLE_RATE, Converter, Signal
from emotone.errors import AudioError, ConfigError, MissingExtra, require, unknown

__all__ = ["ENCODINGS", "PCM", "Device", "Microphone", "Pipe", "Source", "choose", "devices"]

ENCODINGS = {"s16le": "<i2", "f32le": "<f4"}
"""How samples are stored in a pipe, by FFmpeg's names."""

STALLED = 5.0
"""Seconds without sound after which a microphone counts as gone: they give some every few hundredths of a second."""

_IN_WAV = {(1, 8): "u1", (1, 16): "<i2", (1, 32): "<i4", (3, 32): "<f4", (3, 64): "<f8"}
"""Of a WAV file's format tag and bits per sample, what numpy calls it."""

_EXTENSIBLE = 0xFFFE
_UNKNOWN_SIZE = 0x7FFF0000  # from here on, sizes stand for "whatever comes"; so does 0
_LONGEST_HEADER = 1 << 20  # bytes
_AT_ONCE = 8192  # bytes. A quarter of a second of 16-bit samples
_AHEAD = 64  # pieces that are read before they are asked for

_OTHER_FORMATS = (
    (0, b"OggS", "Ogg"),
    (0, b"fLaC", "FLAC"),
    (0, b"ID3", "MP3"),
    (4, b"ftyp", "MP4"),
    (0, b"\x1aE\xdf\xa3", "Matroska or WebM"),
)
"""Where a file of each format has which mark."""


class Source(Protocol):
    """What can be listened to."""

    @property
    def n_lost(self) -> int:
        """How often sound was lost since nobody took it in time."""

    def take(self, seconds: float) -> Signal | None:
        """The next piece of signal, ``(samples,)`` at 16 kHz, empty if nothing came in ``seconds``; None at the end.

        Raises `AudioError` where the sound ends that shouldn't have; all that came before was given by then.
        """

    def rest(self) -> Signal:
        """What the resampling filter still held, once nothing more is taken."""

    def close(self) -> None:
        """Let go of the device."""


# --- a pipe ---


@dataclass(frozen=True)
class PCM:
    """How raw samples are to be read. Raises `ConfigError` for what can't be.

    Nothing in raw samples tells their rate: with a wrong one, all is heard too fast or too slow.
    """

    rate: int = SAMPLE_RATE
    channels: int = 1
    encoding: str = "s16le"

    def __post_init__(self) -> None:
        if self.encoding not in ENCODINGS:
            raise unknown("encoding", self.encoding, ENCODINGS)
        if not 1 <= self.channels <= 64:
            raise ConfigError(f"There are 1 to 64 channels, not {self.channels}.")

    @property
    def dtype(self) -> np.dtype[Any]:
        """What numpy calls the encoding."""
        return np.dtype(ENCODINGS[self.encoding])


class Pipe:
    """Raw samples, or a WAV file, that somebody writes into a pipe."""

    n_lost = 0  # who writes waits for us

    def __init__(self, stream: BinaryIO, form: PCM | None = None) -> None:
        """Starts to read. The ``stream`` is unbuffered: it gives what is there. A WAV file says itself what it holds;
        ``form`` is about anything else. Raises `AudioError` for a rate that can't be."""
        self._reader = _Reader(form or PCM())
        self._queue: Queue[bytes] = Queue(_AHEAD)
        # A daemon, since nothing can wake it while nobody writes.
        Thread(target=self._fill, args=(stream,), daemon=True).start()

    def _fill(self, stream: BinaryIO) -> None:
        try:
            while content := stream.read(_AT_ONCE):
                self._queue.put(content)
        except (OSError, ValueError):  # closed under our hands: the end, like any other
            pass
        self._queue.put(b"")

    def take(self, seconds: float) -> Signal | None:
        """See `Source.take`."""
        try:
            content = self._queue.get(timeout=seconds)
        except Empty:
            return np.zeros(0, np.float32)
        if content:
            return self._reader.feed(content)
        self._queue.put(b"")  # it stays at its end
        self._reader.check_end()
        return None

    def rest(self) -> Signal:
        """See `Source.rest`."""
        return self._reader.rest()

    def close(self) -> None:
        """See `Source.close`."""


class _Reader:
    """Bytes in pieces to signal in pieces."""

    def __init__(self, form: PCM) -> None:
        self._given = form
        self._converter = Converter(form.rate, name="The pipe")
        self._dtype, self._n_channels = form.dtype, form.channels
        self._bytes = b""  # that aren't a whole frame yet, or a whole header
        self._begun = False
        self._promised: int | None = None  # bytes of sound, where a header tells
        self._n_bytes = 0

    def feed(self, content: bytes) -> Signal:
        self._bytes += content
        if not self._begun and not self._begin():
            return np.zeros(0, np.float32)
        return self._heard()

    def check_end(self) -> None:
        """Raise `AudioError` if the pipe shouldn't have closed here."""
        if not self._n_bytes:
            raise AudioError(
                "The pipe closed before there was any sound. See what the program that writes into it says; for "
                "example, ffmpeg -i FILE -f s16le -ar 16000 -ac 1 - writes raw samples."
            )
        if self._promised is not None and self._n_bytes < self._promised:
            share = self._n_bytes / self._promised
            raise AudioError(
                f"The pipe closed early: {100 * share:.0f} % came of the sound that the WAV header promises. What came "
                "was heard."
            )
        if self._bytes and self._promised is None:
            raise AudioError(
                f"The pipe closed within a sample: the last {len(self._bytes)} of its bytes were left out, and the "
                f"rest was heard. Raw samples are taken for {self._given.encoding} with {self._n_channels} channels; "
                "say so if they are something else."
            )

    def rest(self) -> Signal:
        return self._converter.flush()

    def _begin(self) -> bool:
        """Whether it is known what comes."""
        beginning = self._bytes
        if len(beginning) < 12:
            return False
        if beginning[:4] in (b"RIFF", b"RF64") and beginning[8:12] == b"WAVE":
            self._begun = self._begin_wav()
            return self._begun
        for place, mark, name in _OTHER_FORMATS:
            if beginning[place:].startswith(mark):
                raise AudioError(
                    f"What comes through the pipe is {name}, neither raw samples nor WAV. Decode it: ffmpeg -i FILE -f "
                    "s16le -ar 16000 -ac 1 -"
                )
        self._begun = True
        return True

    def _begin_wav(self) -> bool:
        form: bytes | None = None
        for kind, first, size in _chunks(self._bytes):
            if kind == b"fmt " and len(self._bytes) >= first + size:
                form = self._bytes[first : first + size]
            elif kind == b"data" and form is not None:
                self._take_form(form)
                self._promised = None if size == 0 or size >= _UNKNOWN_SIZE else size
                self._bytes = self._bytes[first:]
                return True
        if len(self._bytes) > _LONGEST_HEADER:
            raise AudioError("What comes through the pipe begins as a WAV file, and there is no sound in it.")
        return False

    def _take_form(self, form: bytes) -> None:
        if len(form) < 16:
            raise AudioError("The WAV header in the pipe is damaged: it doesn't say how samples are stored.")
        tag, n_channels, rate, _, _, bits = struct.unpack("<HHIIHH", form[:16])
        if tag == _EXTENSIBLE and len(form) >= 26:
            tag = int.from_bytes(form[24:26], "little")
        if (tag, bits) not in _IN_WAV or not n_channels:
            raise AudioError(
                f"The WAV file in the pipe has {bits}-bit samples of the kind {tag} in {n_channels} channels, which "
                "isn't read here. Let it be decoded: ffmpeg -i FILE -f s16le -ar 16000 -ac 1 -"
            )
        self._dtype, self._n_channels = np.dtype(_IN_WAV[tag, bits]), n_channels
        self._converter = Converter(rate, name="The pipe")

    def _heard(self) -> Signal:
        wanted = len(self._bytes) if self._promised is None else self._promised - self._n_bytes
        frame = self._dtype.itemsize * self._n_channels
        n_bytes = min(wanted, len(self._bytes)) // frame * frame
        content, self._bytes = self._bytes[:n_bytes], self._bytes[n_bytes:]
        if self._promised is not None and wanted - n_bytes < frame:
            self._bytes = b""  # what follows the sound isn't sound
            self._promised = self._n_bytes + n_bytes
        self._n_bytes += n_bytes
        try:
            return self._converter.feed(np.frombuffer(content, self._dtype).reshape(-1, self._n_channels))
        except AudioError as error:
            if self._promised is not None or self._dtype.kind != "f":
                raise
            raise AudioError(f"{error} If they aren't {self._given.encoding}, say what they are.") from error


def _chunks(content: bytes) -> Iterator[tuple[bytes, int, int]]:
    """Name, first byte and size of each chunk in the beginning of a WAV file."""
    place = 12
    while place + 8 <= len(content):
        kind, size = content[place : place + 4], int.from_bytes(content[place + 4 : place + 8], "little")
        yield kind, place + 8, size
        place += 8 + size + size % 2


# --- a microphone ---


@dataclass(frozen=True)
class Device:
    """Something that sound can be recorded with."""

    number: int
    name: str
    channels: int
    rate: int
    """Samples per second that it gives by itself."""
    default: bool


def devices() -> list[Device]:
    """All there are, as PortAudio finds them. Raises `MissingExtra` without sounddevice or PortAudio."""
    sounddevice = _sounddevice()
    default = sounddevice.default.device[0]
    return [
        Device(
            number=number,
            name=facts["name"],
            channels=facts["max_input_channels"],
            rate=round(facts["default_samplerate"]),
            default=number == default,
        )
        for number, facts in enumerate(sounddevice.query_devices())
        if facts["max_input_channels"] > 0
    ]


def choose(found: Sequence[Device], wanted: str | None = None) -> Device:
    """Of the devices ``found``, the one with the number or part of the name ``wanted``; without, the default one.

    Raises `AudioError` where there is none, `ConfigError` for one that isn't there or isn't clear.
    """
    if not found:
        raise AudioError(
            "No microphone was found. Plug one in, allow its use in the system's settings, or let sound come through a "
            "pipe: ffmpeg -i FILE -f s16le -ar 16000 -ac 1 - | emotone listen --stdin"
        )
    if wanted is None:
        return next((device for device in found if device.default), found[0])
    if wanted.isdecimal():
        matches = [device for device in found if device.number == int(wanted)]
    else:
        matches = [device for device in found if device.name == wanted]
        matches = matches or [device for device in found if wanted.casefold() in device.name.casefold()]
    if len(matches) != 1:
        all_of_them = "; ".join(f"{device.number} {device.name}" for device in (matches or found))
        trouble = f"{len(matches)} devices are called so" if matches else "There is no such device"
        raise ConfigError(f"The device {wanted!r} can't be used. {trouble}: {all_of_them}. Give a number.")
    return matches[0]


class Microphone:
    """A device that is being recorded with, one channel, at the rate it has by itself."""

    def __init__(self, device: Device) -> None:
        """Starts to record. Raises `AudioError` where that can't be, and as `devices`."""
        sounddevice = _sounddevice()
        self.device, self.n_lost = device, 0
        self._queue: Queue[npt.NDArray[np.float32]] = Queue()  # unbounded: whoever records must never wait
        self._converter = Converter(device.rate, name=device.name)
        self._last, self._over = time.monotonic(), False
        try:
            self._stream = sounddevice.InputStream(
                device=device.number,
                samplerate=device.rate,
                channels=_n_channels(sounddevice, device),
                dtype="float32",
                callback=self._hear,
                finished_callback=self._finish,
            )
            self._stream.start()
        except sounddevice.PortAudioError as error:
            raise AudioError(
                f"{device.name} can't be recorded with: {error}. Another program may use it; or choose another one "
                "with --device."
            ) from error

    def _hear(self, samples: npt.NDArray[np.float32], n_frames: int, times: Any, status: Any) -> None:
        self.n_lost += bool(status.input_overflow)
        self._queue.put(samples.copy())

    def _finish(self) -> None:
        self._over = True

    def take(self, seconds: float) -> Signal | None:
        """See `Source.take`."""
        try:
            samples = self._queue.get(timeout=seconds)
        except Empty:
            silent = time.monotonic() - self._last
            if not (self._over or silent > STALLED):
                return np.zeros(0, np.float32)
            raise AudioError(
                f"{self.device.name} gives no sound any more: it was unplugged, or something else took it. What it "
                "gave was heard."
            ) from None
        self._last = time.monotonic()
        return self._converter.feed(samples)

    def rest(self) -> Signal:
        """See `Source.rest`."""
        return self._converter.flush()

    def close(self) -> None:
        """See `Source.close`."""
        self._stream.abort(ignore_errors=True)
        self._stream.close(ignore_errors=True)


def _n_channels(sounddevice: ModuleType, device: Device) -> int:
    """One, or all of them where the device can't give one alone."""
    try:
        sounddevice.check_input_settings(device=device.number, channels=1, samplerate=device.rate, dtype="float32")
    except sounddevice.PortAudioError:
        return device.channels
    return 1


def _sounddevice() -> ModuleType:
    try:
        return require("sounddevice", extra="live")
    except OSError as error:
        raise MissingExtra(
            f"Microphones are heard through PortAudio, which isn't there ({error}). Install it: sudo apt install "
            "libportaudio2, or what your system calls it. Sound can also come through a pipe: --stdin"
        ) from error
