"""Unpacking downloads without trusting them.

`install` unpacks zip and tar archives into a new folder, all or nothing. An archive with absolute paths,
``..``, links or devices, or one that swells beyond reason, is refused as a whole.
"""

from __future__ import annotations

import shutil
import stat
import tarfile
import tempfile
import zipfile
import zlib
from collections.abc import Callable, Iterator, Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from typing import IO

from emotone.errors import DownloadError

__all__ = ["free_folder", "install", "unpack"]

MAX_SWELLING = 100
"""Times its own size an archive may unpack to: recordings compress to a third at best, digital silence to a
hundredth."""
ALWAYS_ALLOWED = 100 << 20
"""Bytes any archive may unpack to."""
MAX_MEMBERS = 1_000_000

_CHUNK = 1 << 18
_ARCHIVES = (".zip", ".tar", ".tar.gz", ".tgz", ".tar.bz2", ".tar.xz")


@dataclass(frozen=True)
class _Member:
    """A regular file in an archive."""

    name: str
    open: Callable[[], IO[bytes]]


def free_folder(to: Path) -> Path:
    """``to``, if nothing is there but perhaps an empty folder; `DownloadError` otherwise."""
    if to.exists() and not (to.is_dir() and not any(to.iterdir())):
        raise DownloadError(f"{to} already exists and isn't an empty folder; name another, or remove it first.")
    return to


def unpack(archive: Path, to: Path) -> Path:
    """Unpack a zip or tar archive into the new folder ``to``, which is returned; see `install`."""
    return install([archive], to)


def install(files: Sequence[Path], to: Path) -> Path:
    """Unpack the archives among ``files`` and copy the others into the new folder ``to``, which is returned.

    All or nothing: ``to`` appears when everything is in it. Raises `DownloadError` where ``to`` is taken or
    an archive is damaged or unsafe.
    """
    free_folder(to)
    to.parent.mkdir(parents=True, exist_ok=True)
    scratch = Path(tempfile.mkdtemp(prefix=f".{to.name}-", dir=to.parent))
    content = scratch / "content"  # a folder of its own: mkdtemp's is readable to nobody else
    content.mkdir()
    try:
        for file in files:
            if file.name.lower().endswith(_ARCHIVES):
                _extract(file, content)
            else:
                shutil.copyfile(file, content / file.name)
        if to.exists():
            to.rmdir()
        content.rename(to)
    finally:
        shutil.rmtree(scratch, ignore_errors=True)
    return to


def _extract(archive: Path, folder: Path) -> None:
    allowed = max(MAX_SWELLING * archive.stat().st_size, ALWAYS_ALLOWED)
    written = 0
    try:
        for number, member in enumerate(_members(archive), start=1):
            if number > MAX_MEMBERS:
                raise DownloadError(f"{archive} holds more than {MAX_MEMBERS:,} files; it isn't unpacked.")
            target = folder / _safe_path(archive, member.name)
            target.parent.mkdir(parents=True, exist_ok=True)
            with member.open() as source, target.open("wb") as file:
                while chunk := source.read(_CHUNK):
                    written += len(chunk)
                    if written > allowed:
                        raise DownloadError(
                            f"{archive} swells to more than {allowed:,} bytes, {MAX_SWELLING} times its "
                            "size; it isn't unpacked."
                        )
                    file.write(chunk)
    except DownloadError:
        raise
    except (
        zipfile.BadZipFile,
        tarfile.TarError,
        zlib.error,
        EOFError,
        OSError,
        RuntimeError,
        ValueError,
    ) as error:
        raise DownloadError(f"{archive} can't be unpacked: {_what(archive, error)}.") from error


def _what(archive: Path, error: Exception) -> str:
    """What is wrong with an archive; servers like to answer with a web page."""
    with suppress(OSError), archive.open("rb") as file:
        if file.read(64).lstrip()[:1] == b"<":
            return "it is a web page, not an archive"
    return str(error) or type(error).__name__


def _members(archive: Path) -> Iterator[_Member]:
    """The regular files of an archive. Raises `DownloadError` for anything that isn't a file or folder."""
    if archive.name.lower().endswith(".zip"):
        with zipfile.ZipFile(archive) as content:
            for info in content.infolist():
                kind = stat.S_IFMT(info.external_attr >> 16)
                if kind not in {0, stat.S_IFREG, stat.S_IFDIR}:
                    raise _unsafe(archive, info.filename, "is a link or device")
                if not info.is_dir():
                    yield _Member(info.filename, lambda info=info: content.open(info))  # type: ignore[misc]
        return
    with tarfile.open(archive) as tape:
        for entry in tape:
            if not (entry.isfile() or entry.isdir()):
                raise _unsafe(archive, entry.name, "is a link or device")
            if entry.isfile():
                yield _Member(entry.name, lambda entry=entry: _tar_file(tape, entry))  # type: ignore[misc]


def _tar_file(tape: tarfile.TarFile, entry: tarfile.TarInfo) -> IO[bytes]:
    file = tape.extractfile(entry)
    assert file is not None  # it is a regular file
    return file


def _safe_path(archive: Path, name: str) -> PurePosixPath:
    """The relative path a member is unpacked to. Raises `DownloadError` if it leads out of the folder."""
    path = PurePosixPath(name.replace("\\", "/"))
    drive = len(path.parts) > 0 and path.parts[0][1:2] == ":"
    if path.is_absolute() or drive or ".." in path.parts or not path.parts or "\0" in name:
        raise _unsafe(archive, name, "leads out of the folder")
    return path


def _unsafe(archive: Path, name: str, why: str) -> DownloadError:
    return DownloadError(f"{archive} isn't unpacked: its member {name!r} {why}.")
