"""The plan of an archive: what was listed, cut into shards, kept on disk.

Listing goes on in a thread of its own, ahead of the work. What it finds is written down in chunks before anybody works
on it, so that a run that is killed goes on with the same shards, and so that memory holds one chunk at a time. Once the
listing has come to its end, the plan is what the archive is about: recordings that come later belong to another one.
"""

from __future__ import annotations

import io
import itertools
import json
import os
import threading
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from types import TracebackType
from typing import Any, Self

from emotone.batch.listing import Listed
from emotone.batch.schema import Column, arrow_type, parquet, pyarrow
from emotone.batch.store import Store
from emotone.batch.work import Failure, Item, Task
from emotone.errors import ConfigError

__all__ = ["FOLDER", "Plan", "Shard"]

FOLDER = "_plan"
COMPLETE = f"{FOLDER}/complete.json"

SHARD_BYTES = 1 << 28
"""A shard of long recordings is closed earlier: what is under way is what a killed run loses."""

CHUNK_SHARDS = 32
"""Shards in a chunk of the plan; fewer in the first ones, so that work can begin at once."""

_OWN = (
    Column("shard", "integer"),
    Column("file", "text"),
    Column("path", "bytes"),
    Column("start", "number"),
    Column("end", "number"),
    Column("size", "integer"),
    Column("problem", "text"),
)
_CARRIED = "given."
"""Before the names of the user's own columns."""


@dataclass(frozen=True)
class Shard:
    """The listed things that become one file."""

    number: int
    table: Any
    """Arrow: what the plan says of them."""

    def tasks(self) -> Iterator[Task]:
        """What can be worked on."""
        for position, row in enumerate(self._rows()):
            if row["problem"] is None:
                path = None if row["path"] is None else os.fsdecode(row["path"])
                yield Task(self.number, position, Item(row["file"], row["start"], row["end"], path))

    def problems(self) -> Iterator[tuple[int, Failure]]:
        """Position and failure of what can't."""
        for position, row in enumerate(self._rows()):
            if row["problem"] is not None:
                yield position, Failure(row["file"], row["start"], row["end"], "list", row["problem"])

    def carried(self, name: str) -> Any:
        """The cells of a column of the user's, in order of position."""
        return self.table[_CARRIED + name]

    def _rows(self) -> list[dict[str, Any]]:
        rows: list[dict[str, Any]] = self.table.select([column.name for column in _OWN]).to_pylist()
        return rows


class Plan:
    """The shards of what ``listing`` gives; to be used as a context manager, within which the listing goes on."""

    def __init__(
        self, store: Store, listing: Iterable[Listed], *, carried: Mapping[str, Any], shard_files: int, fresh: bool
    ) -> None:
        """``carried`` has name and Arrow type of the user's columns. A ``fresh`` plan forgets an older one."""
        self._store, self._listing, self._carried, self._shard_files = store, listing, dict(carried), shard_files
        self._changed = threading.Condition()
        self._stop = threading.Event()
        self._error: BaseException | None = None
        self._thread: threading.Thread | None = None
        self._n_chunks = self._n_stored = 0
        self._n_shards = 0
        self.listed = 0
        """How many things were listed so far."""
        self.complete = False
        """Whether those are all."""
        if fresh:
            self._forget()

    def __enter__(self) -> Self:
        content = self._store.read(COMPLETE)
        if content is not None:
            facts = json.loads(content)
            self._n_chunks, self._n_shards, self.listed = facts["chunks"], facts["shards"], facts["listed"]
            self.complete = True
        else:
            self._n_stored = sum(name.endswith(".parquet") for name in self._store.names(FOLDER))
            self._thread = threading.Thread(target=self._list, name="emotone-listing", daemon=True)
            self._thread.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._stop.set()
        if self._thread is not None:
            self._thread.join(timeout=5.0)  # it may wait for a network, and ends with the process

    @property
    def n_shards(self) -> int:
        """So far."""
        return self._n_shards

    def shards(self) -> Iterator[Shard]:
        """Every shard, as soon as it is written down. Raises what the listing raised, after all shards before."""
        for number in itertools.count():
            with self._changed:
                while number >= self._n_chunks and not (self.complete or self._error or self._stop.is_set()):
                    self._changed.wait(timeout=0.2)  # a wait without an end would keep Ctrl-C waiting
                if number >= self._n_chunks:
                    if self._error is not None:
                        raise self._error
                    return
            yield from self._shards_of(self._chunk(number))

    # --- writing it down ---

    def _list(self) -> None:
        try:
            listing = iter(self._listing)
            for number in range(self._n_stored):
                table = self._chunk(number)
                self._check_same(table, itertools.islice(listing, len(table)))
                self._add(table)
            while (table := self._cut(listing)) is not None:
                self._store.write(_name(self._n_chunks), _content(table))
                self._add(table)
            facts = {"chunks": self._n_chunks, "shards": self._n_shards, "listed": self.listed}
            self._store.write(COMPLETE, json.dumps(facts).encode())
            self.complete = True
        except _StoppedError:
            pass
        except BaseException as error:  # raised where the shards are asked for
            self._error = error
        finally:
            with self._changed:
                self._changed.notify_all()

    def _add(self, table: Any) -> None:
        with self._changed:
            self._n_chunks += 1
            self._n_shards = table["shard"][-1].as_py() + 1
            self.listed += len(table)
            self._changed.notify_all()

    def _cut(self, listing: Iterator[Listed]) -> Any:
        """The next chunk, None at the end."""
        rows: list[Listed] = []
        numbers: list[int] = []
        shard, n_bytes, n_files = self._n_shards, 0, 0
        last = shard + min(CHUNK_SHARDS, 1 << min(self._n_chunks, 30))
        for listed in listing:
            if self._stop.is_set():
                raise _StoppedError
            rows.append(listed)
            numbers.append(shard)
            n_files += 1
            n_bytes += listed.size or 0
            item_is_tar = Item(listed.file, path=listed.path).is_tar
            if n_files >= self._shard_files or n_bytes >= SHARD_BYTES or item_is_tar:
                shard, n_bytes, n_files = shard + 1, 0, 0
            if shard == last:
                break
        return self._table(numbers, rows) if rows else None

    def _table(self, numbers: list[int], rows: list[Listed]) -> Any:
        arrow = pyarrow()
        cells = {
            "shard": numbers,
            "file": [row.file for row in rows],
            "path": [None if row.path is None else os.fsencode(row.path) for row in rows],
            "start": [row.start for row in rows],
            "end": [row.end for row in rows],
            "size": [row.size for row in rows],
            "problem": [row.problem for row in rows],
        }
        arrays = {column.name: arrow.array(cells[column.name], arrow_type(column.kind)) for column in _OWN}
        for name, kind in self._carried.items():
            arrays[_CARRIED + name] = arrow.array([row.carried.get(name) for row in rows], kind)
        return arrow.table(arrays)

    def _check_same(self, table: Any, listing: Iterator[Listed]) -> None:
        """Raise `ConfigError` unless what was written down is listed again."""
        before = table["file"].to_pylist()
        now = [listed.file for listed in listing]
        if now != before:
            changed = next((pair for pair in itertools.zip_longest(before, now) if pair[0] != pair[1]), ("", ""))
            was, found = (f"was {changed[0]}", changed[1] or "nothing more")
            raise ConfigError(
                f"What is to be annotated has changed since {self._store.name} was begun: where there {was}, there is "
                f"now {found}. Put it back as it was, or give another folder."
            )

    # --- reading it ---

    def _chunk(self, number: int) -> Any:
        content = self._store.read(_name(number))
        arrow = pyarrow()
        try:
            return parquet().read_table(io.BytesIO(content or b""))
        except (arrow.ArrowException, OSError) as error:
            raise ConfigError(
                f"{self._store.name}/{_name(number)}, part of the plan, is missing or broken ({error}). Begin again in "
                "another folder."
            ) from error

    def _shards_of(self, table: Any) -> Iterator[Shard]:
        first = 0
        for number, rows in itertools.groupby(table["shard"].to_pylist()):
            n_rows = sum(1 for _ in rows)
            yield Shard(number, table.slice(first, n_rows))
            first += n_rows

    def _forget(self) -> None:
        self._store.remove(COMPLETE)
        for name in self._store.names(FOLDER):
            self._store.remove(f"{FOLDER}/{name}")


class _StoppedError(Exception):
    """Nobody waits for the rest of the listing."""


def _name(chunk: int) -> str:
    return f"{FOLDER}/plan-{chunk:06d}.parquet"


def _content(table: Any) -> memoryview:
    buffer = pyarrow().BufferOutputStream()
    parquet().write_table(table, buffer, compression="zstd")
    return memoryview(buffer.getvalue())
