"""Samples out of files, in whatever format, rate and number of channels they are. The ground under `audio`.

Two libraries decode. libsndfile (through soundfile) comes first: it is fast, exact, and knows WAV, FLAC,
AIFF, Ogg Vorbis and Opus. FFmpeg (through PyAV, whose wheels bring it along) reads the rest: M4A, MP4, WebM,
MKV, WMA, AMR, and also what libsndfile refuses or stops at, such as a WAV whose header says zero bytes or a
damaged FLAC. The rest includes MP3 and CAF on purpose: libsndfile 1.2 shifts MP3 that is read in pieces, and
prints its own complaints about damage in either. So the file's first bytes choose the library.
"""

from __future__ import annotations

import os
import stat
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np
import numpy.typing as npt
import soundfile

from emotone.errors import AudioError

if TYPE_CHECKING:
    from av.audio.frame import AudioFrame
    from av.audio.stream import AudioStream
    from av.container import InputContainer

__all__ = [
    "FFMPEG_CURE",
    "AudioInfo",
    "Chunk",
    "Samples",
    "Window",
    "decode",
    "existing",
    "header",
    "promised",
    "to_float",
]

Samples = npt.NDArray[np.float32]
Window = Callable[[int], tuple[int, float]]
"""From a recording's rate to the first and last frame (excluded, may be infinite) wanted of it."""

FFMPEG_CURE = "Export it again, or convert it: ffmpeg -i INPUT OUTPUT.wav"

_MIX_CURE = "ffmpeg -i INPUT -ac 1 OUTPUT.wav"

_MOST_CHANNELS = 8  # of FFmpeg's frames; PyAV 18 reads beyond the memory of a planar frame with more
_CHUNK_VALUES = 1 << 20  # samples of all channels held at a time: 4 MB

# Beginnings of WAV, Wave64, FLAC, Ogg, AIFF, AU, NIST SPHERE and VOC.
_SOUNDFILE_HEADS = (b"RIF", b"RF64", b"riff", b"fLaC", b"OggS", b"FORM", b".snd", b"NIST", b"Creative Voice")

# Codings in which libsndfile's seek lands on the exact sample and gives the bits of a straight read.
_EXACT_SEEK = ("PCM_", "FLOAT", "DOUBLE", "ULAW", "ALAW")

# FFmpeg's demuxers for recordings. Without this list it also "plays" text, pictures, and playlists with the
# addresses and file names in them.
_DEMUXERS = (
    "mov,matroska,asf,avi,flv,mp3,aac,ogg,flac,wav,w64,aiff,au,caf,amr,amrnb,amrwb,ac3,eac3,mpeg,mpegts,"
    "wv,ape,tta,mpc,mpc8,dsf,rm,nut,voc,gsm"
)

_SOUNDFILE_ERRORS: tuple[type[Exception], ...] = (
    soundfile.SoundFileError,
    MemoryError,
    OSError,
    TypeError,  # its answer to a name that ends in .raw
    ValueError,
)

_MAGIC = {
    b"\x89PNG": "a picture",
    b"\xff\xd8\xff": "a picture",
    b"GIF8": "a picture",
    b"%PDF": "a PDF",
    b"PK\x03\x04": "a ZIP archive",
    b"\x1f\x8b": "a gzip archive",
}


@dataclass(frozen=True)
class AudioInfo:
    """What a recording's header says."""

    duration: float
    """seconds; exact for what libsndfile reads, to within about one codec frame (0.1 s) for the rest"""
    sample_rate: int
    channels: int
    format: str
    """container and coding, such as ``wav pcm_16``, ``ogg opus`` or ``mp4 aac``"""


class Chunk(NamedTuple):
    """A stretch of a recording at its own rate."""

    rate: int
    offset: int  # frames before it
    samples: Samples  # (frames, channels)


def existing(path: str | os.PathLike[str]) -> Path:
    """``path``, if it is a regular file with something in it; else an `AudioError`."""
    file = Path(os.fsdecode(path))
    try:
        status = file.stat()
    except (FileNotFoundError, NotADirectoryError):
        raise AudioError(f"There is no file {file}. Check its spelling and the working folder.") from None
    except (OSError, ValueError) as error:  # a folder above it is locked; a NUL in the name
        raise AudioError(f"{str(file)!r} can't be opened ({error}). Check its name and permissions.") from error
    if stat.S_ISDIR(status.st_mode):
        raise AudioError(f"{file} is a folder. Give a recording in it.")
    if not stat.S_ISREG(status.st_mode):  # opening a pipe could wait forever
        raise AudioError(f"{file} isn't a file but a pipe or a device. Save the recording to a file first.")
    if status.st_size == 0:
        raise AudioError(f"{file} is empty (0 bytes). Record or copy it again.")
    return file


def decode(path: Path, window: Window) -> Iterator[Chunk]:
    """The recording's samples, at least those of ``window``, in order and without gaps.

    The first chunk may begin before the window, never within it. Raises `AudioError` if nothing can be
    decoded; a file that is cut short or breaks off gives what it holds.
    """
    position = 0
    if _head(path).startswith(_SOUNDFILE_HEADS):
        try:
            for chunk in _soundfile_chunks(path, window):
                yield chunk
                position = chunk.offset + len(chunk.samples)
            if position:
                return
        except _SOUNDFILE_ERRORS:
            pass  # FFmpeg skips damage that libsndfile stops at, and says why where it can't
    try:
        for chunk in _ffmpeg_chunks(path, window):
            n_known = max(0, position - chunk.offset)
            if n_known < len(chunk.samples):
                yield Chunk(chunk.rate, chunk.offset + n_known, chunk.samples[n_known:])
    except AudioError:
        if not position:
            raise


def header(path: Path) -> AudioInfo:
    """The header of a recording; decodes it only if that has no duration, as for MP3. Raises `AudioError`."""
    if _head(path).startswith(_SOUNDFILE_HEADS):
        try:
            info = soundfile.info(str(path))
        except _SOUNDFILE_ERRORS:
            pass  # FFmpeg may know it, and says why where it doesn't
        else:
            if 0 < info.frames < 1 << 60 and info.samplerate > 0:  # no length is the largest number there is
                name = f"{info.format} {info.subtype}".lower()
                return AudioInfo(info.frames / info.samplerate, info.samplerate, info.channels, name)
    with _opened(path) as (container, stream):
        names = container.format.name.split(",")  # one demuxer for several: "mov,mp4,m4a,3gp"
        ending = path.suffix.lower().lstrip(".")
        name = f"{ending if ending in names else names[0]} {stream.codec_context.codec.canonical_name}"
        rate, channels = stream.codec_context.sample_rate, stream.codec_context.channels
        duration = _header_duration(container, stream)
    if not (duration and rate):
        decoded = [(len(chunk.samples), chunk.rate) for chunk in _ffmpeg_chunks(path, _everything)]
        rate = decoded[0][1]
        duration = sum(n_frames for n_frames, _ in decoded) / rate
    return AudioInfo(duration, rate, channels, name)


def promised(path: Path, *, guess: bool = False) -> float | None:
    """Seconds that a recording's header says it lasts; None where it doesn't say, or the file can't be read at all.

    Nothing is decoded. ``guess`` takes FFmpeg's guess by the bit rate, too.
    """
    if _head(path).startswith(b"RIF"):
        return _wav_duration(path)
    if _head(path).startswith(_SOUNDFILE_HEADS):
        try:
            info = soundfile.info(str(path))
        except _SOUNDFILE_ERRORS:
            return None
        return info.frames / info.samplerate if 0 < info.frames < 1 << 60 and info.samplerate > 0 else None
    try:
        with _opened(path) as (container, stream):
            guessed = container.duration / 1e6 if guess and container.duration else None
            return _header_duration(container, stream) or guessed
    except AudioError:
        return None


def _wav_duration(path: Path) -> float | None:
    """What a WAV file's own header says: libsndfile corrects it by the file's size."""
    bytes_per_second = 0
    with path.open("rb") as file:
        file.seek(12)
        while len(chunk := file.read(8)) == 8:
            name, size = chunk[:4], int.from_bytes(chunk[4:], "little")
            if name == b"data":
                # What was written as it came couldn't know its size, and says 0 or the largest number.
                known = bytes_per_second and 0 < size < 0xFFFF0000
                return size / bytes_per_second if known else None
            content = file.read(16) if name == b"fmt " else b""
            if len(content) == 16:
                bytes_per_second = int.from_bytes(content[8:12], "little")
            file.seek(size + size % 2 - len(content), os.SEEK_CUR)
    return None


def to_float(samples: npt.NDArray[Any]) -> Samples:
    """Integers of any width scaled to [-1, 1], unsigned ones around their middle; floats only made float32."""
    if samples.dtype.kind == "f":
        with np.errstate(over="ignore"):  # what becomes infinite is reported as such
            return samples.astype(np.float32, copy=False)
    scale = 2.0 ** (8 * samples.dtype.itemsize - 1)
    middle = scale if samples.dtype.kind == "u" else 0.0
    return ((samples - middle) / scale).astype(np.float32)


def _everything(rate: int) -> tuple[int, float]:
    return 0, float("inf")


def _soundfile_chunks(path: Path, window: Window) -> Iterator[Chunk]:
    with soundfile.SoundFile(str(path)) as file:
        if file.subtype.startswith("MPEG"):
            return
        rate = file.samplerate
        first, last = window(rate)
        position = 0
        if first and file.subtype.startswith(_EXACT_SEEK) and file.seekable():
            position = file.seek(first)
        n_frames = max(1, _CHUNK_VALUES // file.channels)
        while position < last:
            samples = file.read(int(min(n_frames, last - position)), dtype="float32", always_2d=True)
            if not len(samples):
                return
            yield Chunk(rate, position, samples)
            position += len(samples)


def _ffmpeg_errors() -> tuple[type[Exception], ...]:
    """FFmpeg's own errors, and what PyAV's bindings let through when a file is broken enough."""
    import av

    return av.FFmpegError, ArithmeticError, LookupError, MemoryError, OSError, RuntimeError, ValueError


@contextmanager
def _opened(path: Path) -> Iterator[tuple[InputContainer, AudioStream]]:
    """The container and its best audio stream."""
    import av  # late: it takes 50 ms, and most recordings don't need it

    try:
        container = av.open(
            f"file:{path}",  # so a name with a colon isn't taken for an address
            metadata_errors="replace",  # tags in Latin-1 are no reason to fail
            container_options={"format_whitelist": _DEMUXERS},
        )
    except _ffmpeg_errors() as error:
        raise AudioError(f"{path} can't be read: {_guess(_head(path))}") from error
    with container:
        stream: Any = container.streams.best("audio")
        if stream is None:
            raise AudioError(f"{path} has no audio track. Give a recording with sound.")
        if stream.codec_context is None:
            raise AudioError(f"{path} can't be read: its audio coding isn't known here. {FFMPEG_CURE}")
        if stream.codec_context.channels > _MOST_CHANNELS:
            raise AudioError(f"{path} has {stream.codec_context.channels} channels. Mix it to one: {_MIX_CURE}")
        yield container, stream


def _ffmpeg_chunks(path: Path, window: Window) -> Iterator[Chunk]:
    """Decoded from the start, since seeking isn't exact in these formats, to the end of ``window``."""
    position = 0
    with _opened(path) as (container, stream):
        for rate, samples in _gathered(_ffmpeg_frames(path, container, stream)):
            yield Chunk(rate, position, samples)
            position += len(samples)
            if position >= window(rate)[1]:
                return
    if not position:
        raise AudioError(f"{path} holds no samples: only a header, or cut off behind it. Record or copy it again.")


def _ffmpeg_frames(path: Path, container: InputContainer, stream: AudioStream) -> Iterator[tuple[int, Samples]]:
    """Rate and samples of what decodes. Damaged packets are left out, as players do, unless they outnumber it."""
    n_good = n_bad = 0
    packets = container.demux(stream)
    while True:
        try:
            packet = next(packets, None)
        except _ffmpeg_errors():  # damage between packets: what came before it stands
            packet = None
        if packet is None:
            break
        try:
            frames = [(frame.sample_rate, _frame_samples(frame)) for frame in packet.decode()]
        except _ffmpeg_errors():
            n_bad += 1
            continue
        n_good += len(frames)
        yield from frames
    if n_bad > n_good:
        raise AudioError(f"{path} is damaged: {n_bad} of its packets can't be decoded, {n_good} can. Copy it again.")


def _frame_samples(frame: AudioFrame) -> Samples:
    """Shape (frames, channels)."""
    if frame.layout.nb_channels > _MOST_CHANNELS:
        raise ValueError(f"{frame.layout.nb_channels} channels")  # as a damaged packet may pretend
    samples = to_float(frame.to_ndarray())
    return samples.T if frame.format.is_planar else samples.reshape(-1, frame.layout.nb_channels)


def _gathered(frames: Iterator[tuple[int, Samples]]) -> Iterator[tuple[int, Samples]]:
    """Codec frames joined to chunks, as long as their rate and number of channels stay the same."""
    waiting: list[Samples] = []
    kind, n_values = (0, 0), 0
    for rate, samples in frames:
        if waiting and (kind != (rate, samples.shape[1]) or n_values >= _CHUNK_VALUES):
            yield kind[0], np.concatenate(waiting)
            waiting, n_values = [], 0
        kind = (rate, samples.shape[1])
        waiting.append(samples)
        n_values += samples.size
    if waiting:
        yield kind[0], np.concatenate(waiting)


def _header_duration(container: InputContainer, stream: AudioStream) -> float | None:
    """Seconds; None where the header has none, or FFmpeg guesses by the bit rate, as for MP3 and bare AAC."""
    if container.format.name in ("mp3", "aac"):
        return None
    if stream.duration and stream.time_base:
        return float(stream.duration * stream.time_base)
    return container.duration / 1e6 if container.duration else None


def _head(path: Path) -> bytes:
    try:
        with path.open("rb") as file:
            return file.read(64)
    except OSError as error:
        raise AudioError(f"{path} can't be opened ({error.strerror}). Check its permissions.") from error


def _guess(head: bytes) -> str:
    """Why a file that begins like this can't be decoded, and the cure."""
    for magic, what in _MAGIC.items():
        if head.startswith(magic):
            return f"it is {what}, whatever its name says. Give a recording."
    if head[4:8] == b"ftyp":
        return "its index is missing, as after a broken-off recording or download. Copy it again."
    text = head.decode("utf-8", "ignore")
    if len(text.encode()) > len(head) - 4 and all(c.isprintable() or c.isspace() for c in text):
        return f"it is text that begins {text[:30]!r}. Give a recording, or download it again."
    return f"it is damaged, or in no audio or video format known here. {FFMPEG_CURE}"
