"""Features on disk, so that nothing is computed twice.

One SQLite database in the cache folder maps a key (a hash of all that decides the numbers, see `extraction`)
to float32 values. Whatever goes wrong with it costs time, never a wrong number: each row carries a checksum,
a damaged database is replaced, and one that can't be written to is left alone, each with a `CacheWarning`.
Several processes may use it at once.
"""

from __future__ import annotations

import contextlib
import hashlib
import sqlite3
import time
import warnings
from pathlib import Path
from types import TracebackType
from typing import Self

import numpy as np
from numpy.typing import NDArray

__all__ = ["CacheWarning", "FeatureCache"]

SCHEMA = 1
"""Raised whenever what is stored changes; part of the file's name, so that versions don't meet."""

_ROWS_PER_WRITE = 64
_SECONDS_PER_WRITE = 1.0
_SECONDS_TO_WAIT = 30.0  # for another process that is writing
_DAMAGED = {sqlite3.SQLITE_CORRUPT, sqlite3.SQLITE_NOTADB}


class CacheWarning(UserWarning):
    """The cache of features couldn't be used, or had to be rebuilt; the features are right all the same."""


class FeatureCache:
    """The features in ``folder``, which is created when needed; to be used as a context manager.

    Values are written in batches: the last ones on `close`, which the end of the ``with`` block calls, also
    after Ctrl-C.
    """

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._connection: sqlite3.Connection | None = None
        self._waiting: list[tuple[bytes, bytes]] = []
        self._last_write = time.monotonic()
        self._rebuilt = False
        self._open(self._newest())

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def get(self, key: bytes, n: int) -> NDArray[np.float32] | None:
        """The ``n`` values stored under ``key``, or None."""
        if self._connection is None:
            return None
        try:
            row = self._connection.execute("SELECT value FROM features WHERE key = ?", (key,)).fetchone()
        except sqlite3.Error as error:
            self._after(error)
            return None
        if row is None:
            return None
        values = _unpacked(key, row[0], n)
        if values is None:
            self._warn("holds a damaged entry, which is computed again")
        return values

    def put(self, key: bytes, values: NDArray[np.float32]) -> None:
        """Store ``values``, ``(n,)``, under ``key``."""
        if self._connection is None:
            return
        self._waiting.append((key, _packed(key, values)))
        if len(self._waiting) >= _ROWS_PER_WRITE or time.monotonic() - self._last_write > _SECONDS_PER_WRITE:
            self._write()

    def close(self) -> None:
        """Write what is waiting, and let go of the database."""
        self._write()
        self._disconnect()

    def _write(self) -> None:
        # all at once: a transaction left open between results would lock other processes out
        if self._connection is None or not self._waiting:
            return
        try:
            with self._connection:
                self._connection.executemany("INSERT OR REPLACE INTO features VALUES (?, ?)", self._waiting)
        except sqlite3.Error as error:
            self._after(error)
            self._write()  # into the new database, if there is one
        self._waiting.clear()
        self._last_write = time.monotonic()

    def _newest(self) -> int:
        """Number of the database in use; a damaged one is followed by the next number.

        Its file isn't used again under the same name: another process that still holds the old one deletes
        the log beside it, by name, when it is done.
        """
        found = [path.stem.rpartition("-")[2] for path in self._folder.glob(f"features-{SCHEMA}-*.sqlite3")]
        return max((int(number) for number in found if number.isdigit()), default=0)

    def _open(self, number: int) -> None:
        self._number = number
        self._path = self._folder / f"features-{SCHEMA}-{number}.sqlite3"
        try:
            self._folder.mkdir(parents=True, exist_ok=True)
            self._connection = sqlite3.connect(self._path, timeout=_SECONDS_TO_WAIT)
            self._connection.execute("PRAGMA journal_mode = WAL")
            self._connection.execute("PRAGMA synchronous = NORMAL")
            self._connection.execute("CREATE TABLE IF NOT EXISTS features (key BLOB PRIMARY KEY, value BLOB NOT NULL)")
        except OSError as error:
            self._give_up(error.strerror or str(error))
        except sqlite3.Error as error:
            self._after(error)

    def _after(self, error: sqlite3.Error) -> None:
        """Replace a damaged database, once; do without one that makes any other trouble."""
        code = getattr(error, "sqlite_errorcode", 0) & 0xFF
        if code not in _DAMAGED or self._rebuilt:
            self._give_up(str(error))
            return
        self._warn("was damaged; it is built anew")
        self._rebuilt = True
        self._disconnect()
        damaged = self._path
        self._open(max(self._newest(), self._number + 1))
        for ending in ("", "-wal", "-shm"):
            with contextlib.suppress(OSError):
                damaged.with_name(damaged.name + ending).unlink()

    def _give_up(self, reason: str) -> None:
        self._warn(f"can't be used ({reason}); features are computed without it")
        self._disconnect()

    def _disconnect(self) -> None:
        if self._connection is not None:
            self._connection.close()
            self._connection = None

    def _warn(self, what: str) -> None:
        warnings.warn(f"The cache of features {self._path} {what}.", CacheWarning, stacklevel=2)


def _packed(key: bytes, values: NDArray[np.float32]) -> bytes:
    content = values.astype("<f4", copy=False).tobytes()
    return _checksum(key, content) + content


def _unpacked(key: bytes, value: object, n: int) -> NDArray[np.float32] | None:
    if not isinstance(value, bytes) or len(value) != 8 + 4 * n or _checksum(key, value[8:]) != value[:8]:
        return None
    return np.frombuffer(value, "<f4", offset=8).astype(np.float32)


def _checksum(key: bytes, content: bytes) -> bytes:
    return hashlib.blake2b(key + content, digest_size=8).digest()
