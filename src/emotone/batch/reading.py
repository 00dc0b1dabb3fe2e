"""The bytes of recordings that aren't files here: behind an address, or inside a tar.

Decoders want a path. What isn't a file is given one that leads to memory (an anonymous file of Linux), so that
nothing is unpacked to disk; elsewhere, and for what is larger than `LARGEST_IN_MEMORY`, it is a temporary file, one
at a time and gone at once.
"""

from __future__ import annotations

import os
import shutil
import tarfile
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import IO, Any, NamedTuple, TypeVar

from emotone import decoding
from emotone.audio import SUFFIXES
from emotone.errors import AudioError, MissingExtra, require

__all__ = [
    "CONNECTION",
    "INSTALL",
    "LARGEST_IN_MEMORY",
    "Member",
    "filesystem",
    "is_address",
    "is_tar",
    "members",
    "opened",
    "readable",
    "words",
]

LARGEST_IN_MEMORY = 1 << 29
"""Bytes. Two hours of CD sound; a worker should stay within a few GB."""

PAUSE = 1.0
"""Seconds until an address that gave an error is asked again; four times as many until the third and last time."""

_LARGEST_MEMBER = 1 << 32
"""Bytes of a recording in a tar: a compressed one may pretend to hold more than there are disks."""

CONNECTION, INSTALL = "Check the connection.", "Install that package beside emotone."
"""How sentences end about an address that can't be reached, or only with another package: as none like it can."""

TARS = (".tar", ".tar.gz", ".tgz", ".tar.bz2", ".tar.xz")

_BLOCK = 1 << 22  # bytes read at once

Answer = TypeVar("Answer")


class Member(NamedTuple):
    """A recording inside a tar: a path under which it can be read as long as the next one isn't asked for."""

    name: str
    path: Path | None
    trouble: str = ""
    """Why there is no path."""


def is_address(name: str) -> bool:
    """Whether fsspec has to open it: ``s3://bucket/call.wav``."""
    return "://" in name


def is_tar(name: str) -> bool:
    """Whether it is a tar, by its ending."""
    return name.lower().endswith(TARS)


def filesystem(address: str) -> tuple[Any, str]:
    """The fsspec file system of an address, and the path there.

    Raises `MissingExtra` without fsspec or the package for that kind of address, `AudioError` for one that fsspec
    can't make anything of.
    """
    fsspec = require("fsspec", extra="batch")
    try:
        fs, path = fsspec.core.url_to_fs(address)
    except ImportError as error:
        raise MissingExtra(f"{address} can't be opened: {error}. {INSTALL}") from error
    except Exception as error:  # each kind of address has errors of its own
        raise AudioError(f"{address} can't be opened ({words(error)}). Check the address.") from error
    return fs, str(path)


@contextmanager
def readable(name: str) -> Iterator[Path]:
    """A path under which the recording ``name``, a file or an address, can be read.

    Raises `AudioError` for what isn't there or can't be fetched.
    """
    if not is_address(name):
        yield _checked(decoding.existing(name))
        return
    fs, path = filesystem(name)
    size = _insisting(lambda: fs.info(path).get("size"), name)
    with _spared(size) as (file, copy):
        _insisting(lambda: _fetch(fs, path, file), name)
        yield copy


@contextmanager
def opened(name: str) -> Iterator[IO[bytes]]:
    """A stream of the bytes of a file or an address; `AudioError` where there are none."""
    if is_address(name):
        fs, path = filesystem(name)
        stream = _insisting(lambda: fs.open(path, "rb", block_size=_BLOCK), name)
    else:
        try:
            stream = Path(name).open("rb")  # noqa: SIM115 - closed below
        except (OSError, ValueError) as error:
            raise AudioError(f"{name} can't be opened ({words(error)}). Check its name and permissions.") from error
    with stream:
        yield stream


def members(name: str, first: int = 0) -> Iterator[Member]:
    """The recordings in the tar ``name``, from number ``first`` on, in its order; known by their endings.

    Read as a stream, whether it is compressed or not. Raises `AudioError` where it can't be opened, isn't a tar, or
    breaks off: after the last whole member.
    """
    n_whole = 0
    with opened(name) as stream:
        # From an address as a stream: to go to and fro would fetch it in small pieces.
        mode = "r|*" if is_address(name) else "r:*"
        try:
            with tarfile.open(fileobj=stream, mode=mode, tarinfo=_StrictMember, bufsize=_BLOCK) as tar:  # type: ignore[call-overload]
                for member in tar:
                    tar.members = []  # it would remember all of them
                    if _is_recording(member):
                        if n_whole >= first:
                            yield from _member(tar, member, f"{name}/{member.name.removeprefix('./')}")
                        n_whole += 1
        except Exception as error:  # of tarfile, of four compressions, of each kind of address
            if not n_whole:
                raise AudioError(f"{name} can't be read as a tar ({words(error)}). Copy it again.") from error
            raise AudioError(
                f"{name} breaks off after {n_whole} whole recordings ({words(error)}). They were heard; copy the tar "
                "again for the rest."
            ) from error


class _StrictMember(tarfile.TarInfo):
    """Python takes a tar whose end is missing for one that ends there."""

    @classmethod
    def fromtarfile(cls, tarfile_: tarfile.TarFile) -> tarfile.TarInfo:  # type: ignore[override]
        try:
            return super().fromtarfile(tarfile_)
        except (tarfile.EmptyHeaderError, tarfile.TruncatedHeaderError, tarfile.InvalidHeaderError) as error:  # type: ignore[attr-defined]
            if tarfile_.offset == 0:
                raise
            raise tarfile.SubsequentHeaderError(f"its end is missing: {error}") from error  # type: ignore[attr-defined]


def _member(tar: tarfile.TarFile, member: tarfile.TarInfo, name: str) -> Iterator[Member]:
    if member.size == 0:
        yield Member(name, None, f"{name} is empty (0 bytes). Record or copy it again.")
        return
    if member.size > _LARGEST_MEMBER:
        yield Member(name, None, f"{name} has {member.size / 1e9:.1f} GB, too much inside a tar. Give it as a file.")
        return
    stream = tar.extractfile(member)
    assert stream is not None  # it is a file
    with _spared(member.size) as (file, copy):
        shutil.copyfileobj(stream, file, _BLOCK)
        file.flush()
        yield Member(name, copy)


def _is_recording(member: tarfile.TarInfo) -> bool:
    """Hidden ones are left out: ``._x.wav`` is a Mac's note about x.wav."""
    name = Path(member.name)
    return member.isfile() and name.suffix.lower() in SUFFIXES and not name.name.startswith(".")


@contextmanager
def _spared(size: int | None) -> Iterator[tuple[IO[bytes], Path]]:
    """A file for ``size`` bytes that is gone afterwards, in memory if it can be, and its path."""
    if hasattr(os, "memfd_create") and size is not None and size <= LARGEST_IN_MEMORY:
        with os.fdopen(os.memfd_create("emotone"), "wb") as file:
            yield file, Path(f"/proc/self/fd/{file.fileno()}")
    else:
        with tempfile.TemporaryDirectory(prefix="emotone-") as folder, Path(folder, "recording").open("wb") as file:
            yield file, Path(file.name)


def _fetch(fs: Any, path: str, file: IO[bytes]) -> None:
    file.seek(0)  # the try before may have come half the way
    file.truncate()
    with fs.open(path, "rb", block_size=_BLOCK) as stream:
        shutil.copyfileobj(stream, file, _BLOCK)
    file.flush()


def _insisting(ask: Callable[[], Answer], name: str) -> Answer:
    """The answer of a network, asked again where it may be a matter of time. Raises `AudioError`."""
    for pause in (PAUSE, 4 * PAUSE, None):
        try:
            return ask()
        except (FileNotFoundError, PermissionError) as error:
            raise AudioError(f"{name} can't be read ({words(error)}). Check its name and permissions.") from error
        except Exception as error:  # each kind of address has errors of its own
            if pause is None:
                raise AudioError(f"{name} can't be read ({words(error)}). {CONNECTION}") from error
            time.sleep(pause)
    raise AssertionError("unreachable")


def _checked(path: Path) -> Path:
    """``path``, if its first byte can be read."""
    try:
        with path.open("rb") as file:
            file.read(1)
    except OSError as error:
        raise AudioError(f"{path} can't be opened ({error.strerror}). Check its permissions.") from error
    return path


def words(error: BaseException) -> str:
    """An error's own words, in one line."""
    return (" ".join(str(error).split()) or type(error).__name__)[:200]
