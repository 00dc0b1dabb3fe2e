"""The folder of an archive: on a disk, or behind an address. Files appear in it whole or not at all.

On a disk they are written aside, brought to the disk, and renamed. Object stores (S3, Google Cloud, Azure) show an
object when all of it has arrived; other addresses are written aside and moved.

One run writes into a folder at a time. On a disk, the system holds the lock and lets go of it when a process dies, by
whatever signal. Behind an address, the lock is an object renewed every `BEAT` seconds, and taken over when that has
stopped for `STALE` seconds.
"""

from __future__ import annotations

import contextlib
import json
import os
import secrets
import socket
import threading
import time
from collections.abc import Iterator
from pathlib import Path
from typing import IO, Any, Protocol

from emotone.batch.reading import filesystem, is_address, words
from emotone.errors import ConfigError, EmotoneError

__all__ = ["BEAT", "LOCK", "STALE", "Store", "at"]

LOCK = "_lock"
BEAT, STALE = 20.0, 120.0
"""Seconds."""

_OBJECTS = {"s3", "s3a", "gs", "gcs", "abfs", "abfss", "az", "adl", "memory"}
"""Kinds of address where an object appears whole."""


class Store(Protocol):
    """What the rest of the package asks of a folder. Names are relative, with slashes."""

    name: str

    def read(self, name: str) -> bytes | None:
        """The content of a file; None if it isn't there. Raises `ConfigError` if it can't be read."""

    def write(self, name: str, content: bytes | memoryview) -> None:
        """A file with that content, in the place of one that is there, whole or not at all. Raises `ConfigError`."""

    def remove(self, name: str) -> None:
        """No file of that name any more."""

    def names(self, folder: str) -> list[str]:
        """The names of the files in a folder, sorted; none if it isn't there."""

    def locked(self) -> contextlib.AbstractContextManager[None]:
        """The folder for this run alone, made if need be. Raises `ConfigError` if another one has it."""

    def dataset(self, names: list[str], schema: Any) -> Any:
        """A pyarrow dataset of these Parquet files."""


def at(place: str | os.PathLike[str]) -> Store:
    """The store at a path or an address."""
    name = os.fspath(place)
    return _Remote(name) if is_address(name) else _Local(Path(name))


class _Local:
    def __init__(self, root: Path) -> None:
        self.name = str(root)
        self._root = root

    def read(self, name: str) -> bytes | None:
        try:
            return (self._root / name).read_bytes()
        except (FileNotFoundError, NotADirectoryError):
            return None
        except OSError as error:
            raise ConfigError(
                f"{self._root / name} can't be read ({error.strerror}). Check its permissions."
            ) from error

    def write(self, name: str, content: bytes | memoryview) -> None:
        target = self._root / name
        half = target.with_name(f".{target.name}-{secrets.token_hex(4)}")
        try:
            target.parent.mkdir(parents=True, exist_ok=True)
            try:
                with half.open("xb") as file:
                    file.write(content)
                    file.flush()
                    os.fsync(file.fileno())
                half.replace(target)
            except BaseException:
                half.unlink(missing_ok=True)
                raise
        except OSError as error:
            raise _unwritable(self.name, error.strerror or str(error)) from error

    def remove(self, name: str) -> None:
        try:
            (self._root / name).unlink(missing_ok=True)
        except OSError as error:
            raise _unwritable(self.name, error.strerror or str(error)) from error

    def names(self, folder: str) -> list[str]:
        try:
            return sorted(entry.name for entry in os.scandir(self._root / folder) if not entry.name.startswith("."))
        except (FileNotFoundError, NotADirectoryError):
            return []
        except OSError as error:
            raise ConfigError(f"{self._root / folder} can't be listed ({error.strerror}).") from error

    @contextlib.contextmanager
    def locked(self) -> Iterator[None]:
        try:
            self._root.mkdir(parents=True, exist_ok=True)
            file = (self._root / LOCK).open("a+", encoding="utf-8")
        except OSError as error:
            raise _unwritable(self.name, error.strerror or str(error)) from error
        with file:
            if not _taken(file):
                file.seek(0)
                raise _in_use(self.name, file.read())
            file.seek(0)
            file.truncate()
            file.write(json.dumps(_whoever()))
            file.flush()
            self._clear()
            yield
            with contextlib.suppress(OSError):  # what remains of it does no harm
                file.truncate(0)

    def dataset(self, names: list[str], schema: Any) -> Any:
        import pyarrow.dataset

        paths = [str(self._root / name) for name in names]
        return pyarrow.dataset.dataset(paths, schema=schema, format="parquet")

    def _clear(self) -> None:
        """Away with what a killed run had half written."""
        for half in self._root.glob("*/.part-*-*"):
            with contextlib.suppress(OSError):
                half.unlink()


class _Remote:
    def __init__(self, address: str) -> None:
        self.name = address.rstrip("/")
        self._fs, path = filesystem(address)
        self._root = path.rstrip("/")
        protocols = self._fs.protocol if isinstance(self._fs.protocol, tuple | list) else (self._fs.protocol,)
        self._is_object_store = bool(_OBJECTS.intersection(protocols))

    def read(self, name: str) -> bytes | None:
        try:
            content: bytes = self._fs.cat_file(self._path(name))
        except FileNotFoundError:
            return None
        except Exception as error:  # each kind of address has errors of its own
            raise ConfigError(f"{self.name}/{name} can't be read ({words(error)}). Check the connection.") from error
        return content

    def write(self, name: str, content: bytes | memoryview) -> None:
        path = self._path(name)
        aside = path if self._is_object_store else f"{path.rpartition('/')[0]}/.{secrets.token_hex(4)}"
        try:
            if not self._is_object_store:
                self._fs.makedirs(aside.rpartition("/")[0], exist_ok=True)
            self._fs.pipe_file(aside, bytes(content))
            if aside != path:
                self._fs.mv(aside, path)
        except Exception as error:
            raise _unwritable(self.name, words(error)) from error

    def remove(self, name: str) -> None:
        try:
            self._fs.rm_file(self._path(name))
        except FileNotFoundError:
            pass
        except Exception as error:
            raise _unwritable(self.name, words(error)) from error

    def names(self, folder: str) -> list[str]:
        try:
            self._fs.invalidate_cache()
            found = self._fs.ls(self._path(folder), detail=False)
        except FileNotFoundError:
            return []
        except Exception as error:
            raise ConfigError(
                f"{self.name}/{folder} can't be listed ({words(error)}). Check the connection."
            ) from error
        return sorted(name for path in found if not (name := path.rstrip("/").rpartition("/")[2]).startswith("."))

    @contextlib.contextmanager
    def locked(self) -> Iterator[None]:
        mine = _whoever()
        held = self.read(LOCK)
        if held and time.time() - _json(held).get("beat", 0) < STALE:
            raise _in_use(self.name, held.decode())
        self._beat(mine)
        if _json(self.read(LOCK) or b"{}").get("token") != mine["token"]:  # somebody else was as quick
            raise _in_use(self.name, "")
        over = threading.Event()
        keeper = threading.Thread(target=self._keep, args=(mine, over), daemon=True)
        keeper.start()
        try:
            yield
        finally:
            over.set()
            keeper.join()
            with contextlib.suppress(EmotoneError):
                self.remove(LOCK)

    def dataset(self, names: list[str], schema: Any) -> Any:
        import pyarrow.dataset
        import pyarrow.fs

        files = pyarrow.fs.PyFileSystem(pyarrow.fs.FSSpecHandler(self._fs))
        paths = [self._path(name) for name in names]
        return pyarrow.dataset.dataset(paths, schema=schema, format="parquet", filesystem=files)

    def _keep(self, mine: dict[str, Any], over: threading.Event) -> None:
        while not over.wait(BEAT):
            with contextlib.suppress(EmotoneError):  # the next time; and whoever writes rows tells of it
                self._beat(mine)

    def _beat(self, mine: dict[str, Any]) -> None:
        self.write(LOCK, json.dumps({**mine, "beat": time.time()}).encode())

    def _path(self, name: str) -> str:
        return f"{self._root}/{name}"


def _taken(file: IO[str]) -> bool:
    """Whether the system gave this process the lock."""
    try:
        import fcntl
    except ImportError:  # Windows
        import msvcrt

        try:
            # A byte far behind what is written, since there locked bytes can't be read.
            file.seek(1 << 20)
            msvcrt.locking(file.fileno(), msvcrt.LK_NBLCK, 1)  # type: ignore[attr-defined,unused-ignore]
        except OSError:
            return False
        return True
    try:
        fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    except OSError:
        return True  # a file system without locks: better no protection than no work
    return True


def _whoever() -> dict[str, Any]:
    return {
        "host": socket.gethostname(),
        "process": os.getpid(),
        "since": time.strftime("%Y-%m-%d %H:%M:%S"),
        "token": secrets.token_hex(8),
    }


def _in_use(where: str, held: str) -> ConfigError:
    holder = _json(held.encode())
    who = f" (process {holder['process']} on {holder['host']}, since {holder['since']})" if "process" in holder else ""
    return ConfigError(
        f"Another run is writing into {where}{who}. Wait for it, stop it, or give this one another folder."
    )


def _json(content: bytes) -> dict[str, Any]:
    try:
        found = json.loads(content)
    except ValueError:
        return {}
    return found if isinstance(found, dict) else {}


def _unwritable(where: str, reason: str) -> ConfigError:
    return ConfigError(
        f"{where} can't be written to: {reason}. What is finished there is whole; make room or give a folder that "
        "can be written to, and the same command goes on from there."
    )
