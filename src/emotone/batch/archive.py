"""An archive that was written: its manifest, its rows and its failures, of finished shards only."""

from __future__ import annotations

import io
import json
import os
import re
from collections.abc import Iterable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import Any

from emotone.batch import manifest as manifests
from emotone.batch import store as stores
from emotone.batch.parts import FAILURES_FOLDER, KEY, SEGMENTS_FOLDER, part
from emotone.batch.schema import parquet, pyarrow
from emotone.batch.store import Store
from emotone.batch.tally import Tally
from emotone.errors import ConfigError

__all__ = ["Archive", "done_shards", "tallies"]

_AT_ONCE = 16  # small files fetched together: behind an address, each takes its time


@dataclass(frozen=True)
class Archive:
    """What `annotate` wrote. Get one by `Archive.open`."""

    folder: str
    manifest: dict[str, Any]
    shards: tuple[int, ...]
    """The numbers of those that are finished."""
    _store: Store

    @classmethod
    def open(cls, folder: str | os.PathLike[str]) -> Archive:
        """The archive in a folder or behind an address, finished or not. Raises `ConfigError` if there is none."""
        store = stores.at(folder)
        manifest = manifests.read(store)
        if manifest is None:
            raise ConfigError(f"{store.name} holds no archive: {manifests.MANIFEST} is missing.")
        return cls(store.name, manifest, tuple(sorted(done_shards(store))), store)

    @property
    def is_finished(self) -> bool:
        """Whether everything that was listed is done."""
        return bool(self.manifest["state"] == "finished")

    @property
    def tally(self) -> Tally:
        """What it comes to: all of it, or the shards that are finished."""
        if self.is_finished:
            return Tally.from_dict(self.manifest["counts"])
        total = Tally()
        for tally in tallies(self._store, self.shards):
            total.add(tally)
        return total

    @property
    def labels(self) -> tuple[str, ...]:
        """The emotions of its recogniser; none in an archive of features."""
        model = self.manifest["asked"]["model"]
        return tuple(model["labels"]) if model else ()

    @property
    def dimensions(self) -> tuple[str, ...]:
        """The dimensions of its recogniser."""
        model = self.manifest["asked"]["model"]
        return tuple(model["dimensions"]) if model else ()

    def segments(self) -> Any:
        """The rows, as a pyarrow dataset."""
        return self._dataset(SEGMENTS_FOLDER)

    def failures(self) -> Any:
        """The failures, as a pyarrow dataset: file, start, end, stage, reason, shard."""
        return self._dataset(FAILURES_FOLDER)

    def batches(self, columns: Sequence[str] | None = None) -> Iterator[Any]:
        """Arrow record batches of the rows, shard by shard, in bounded memory."""
        if self.shards:
            yield from self.segments().to_batches(columns=None if columns is None else list(columns), use_threads=False)

    def _dataset(self, folder: str) -> Any:
        if not self.shards:
            raise ConfigError(f"{self.folder} has no finished shard yet. Run the same emotone annotate again.")
        names = [part(folder, shard) for shard in self.shards]
        first = self._store.read(names[0])
        schema = parquet().read_schema(io.BytesIO(first or b"")).remove_metadata()
        return self._store.dataset(names, schema)


def done_shards(store: Store) -> set[int]:
    """The numbers of the shards whose segments are there."""
    found = (re.fullmatch(r"part-(\d+)\.parquet", name) for name in store.names(SEGMENTS_FOLDER))
    return {int(match[1]) for match in found if match}


def tallies(store: Store, shards: Iterable[int]) -> Iterator[Tally]:
    """What finished shards came to. Raises `ConfigError` for one that can't be read."""
    arrow = pyarrow()

    def tally(shard: int) -> Tally:
        # The failures hold it, too, and are small.
        name = part(FAILURES_FOLDER, shard)
        try:
            noted = parquet().read_schema(io.BytesIO(store.read(name) or b"")).metadata[KEY]
            return Tally.from_dict(json.loads(noted))
        except (arrow.ArrowException, OSError, ValueError, KeyError, TypeError) as error:
            raise ConfigError(
                f"{store.name}/{name} is missing or broken ({error}). Delete {part(SEGMENTS_FOLDER, shard)}, and the "
                "same command makes both again."
            ) from error

    with ThreadPoolExecutor(_AT_ONCE) as pool:
        yield from pool.map(tally, shards)
