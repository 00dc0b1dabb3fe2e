"""A shard's rows and failures as two Parquet files.

The failures are written first. A shard counts as done when its segments are there, so whatever happens in between, it
is made again, and both files with it. The same pieces always give the same bytes, in whatever order they came.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

import numpy as np

from emotone.batch.plan import Shard
from emotone.batch.schema import FAILURES, Column, arrow_schema, arrow_type, parquet, pyarrow
from emotone.batch.store import Store
from emotone.batch.tally import Tally
from emotone.batch.work import Failure, Job, Piece

__all__ = ["FAILURES_FOLDER", "KEY", "SEGMENTS_FOLDER", "Parts", "part"]

SEGMENTS_FOLDER, FAILURES_FOLDER = "segments", "failures"
KEY = b"emotone"
"""The entry of both files' footers that holds the shard's tally."""


def part(folder: str, shard: int) -> str:
    """The name of a shard's file."""
    return f"{folder}/part-{shard:06d}.parquet"


class Parts:
    """Writes shards into a store."""

    def __init__(self, store: Store, job: Job, carried: Mapping[str, Any], shown: Mapping[str, str]) -> None:
        """``carried`` has name and Arrow type of the user's columns, ``shown`` their names in the archive."""
        self._store, self._columns, self._shown = store, job.columns, dict(shown)
        self._schema = arrow_schema(job.columns, {shown[name]: kind for name, kind in carried.items()})
        self._names = [column.name for column in job.columns]

    def write(self, shard: Shard, pieces: Sequence[Piece]) -> tuple[Tally, list[Failure]]:
        """Write what came of a shard. Returns its tally, and failures that aren't in the pieces.

        Raises `ConfigError` where the store can't be written to.
        """
        ordered = sorted(pieces, key=lambda piece: (piece.position, piece.member))
        table, ordered, unfit = self._table(shard, ordered)
        listed = dict(shard.problems())
        tally = Tally()
        tally.add_pieces(ordered, self._names)
        tally.failures.update(failure.stage for failure in listed.values())
        tally = Tally.from_dict(tally.as_dict())  # rounded, as those who go on with the archive will read it
        failures = [
            *((position, failure) for position, failure in listed.items()),
            *((piece.position, failure) for piece in ordered for failure in piece.failures),
        ]
        failures.sort(key=lambda pair: pair[0])
        content = [failure for _, failure in failures]
        self._put(part(FAILURES_FOLDER, shard.number), self._failure_table(shard.number, content), tally)
        self._put(part(SEGMENTS_FOLDER, shard.number), table, tally)
        return tally, [*listed.values(), *unfit]

    def _table(self, shard: Shard, pieces: list[Piece]) -> tuple[Any, list[Piece], list[Failure]]:
        """The rows as a table; pieces that don't fit into one become failures."""
        arrow = pyarrow()
        try:
            return self._rows(shard, pieces), pieces, []
        except (arrow.ArrowException, TypeError, ValueError, OverflowError):
            fit, unfit = [], []
            for piece in pieces:
                try:
                    self._rows(shard, [piece])
                    fit.append(piece)
                except (arrow.ArrowException, TypeError, ValueError, OverflowError) as error:
                    file = str(piece.rows[0][0])
                    failure = Failure(file, None, None, "write", f"{file} doesn't fit into the table ({error}).")
                    unfit.append(failure)
                    fit.append(piece._replace(rows=(), failures=(*piece.failures, failure)))
            return self._rows(shard, fit), fit, unfit

    def _rows(self, shard: Shard, pieces: Sequence[Piece]) -> Any:
        arrow = pyarrow()
        rows = [row for piece in pieces for row in piece.rows]
        places = arrow.array([piece.position for piece in pieces for _ in piece.rows], arrow.int64())
        cells = zip(*rows, strict=True) if rows else ([] for _ in self._columns)
        arrays = {
            column.name: _array(column, list(values)) for column, values in zip(self._columns, cells, strict=True)
        }
        for name, shown in self._shown.items():
            given = shard.carried(name).combine_chunks().take(places)
            if shown == "speaker":  # a timeline's own are of the same recording, and know more
                given = arrow.compute.coalesce(arrays["speaker"], given.cast(arrow.string()))
            arrays[shown] = given
        return arrow.table([arrays[field.name] for field in self._schema], schema=self._schema)

    def _failure_table(self, shard: int, failures: Iterable[Failure]) -> Any:
        rows = [(*failure, shard) for failure in failures]
        cells = zip(*rows, strict=True) if rows else ([] for _ in FAILURES)
        arrays = [_array(column, list(values)) for column, values in zip(FAILURES, cells, strict=True)]
        return pyarrow().table(arrays, schema=arrow_schema(FAILURES))

    def _put(self, name: str, table: Any, tally: Tally) -> None:
        noted = table.replace_schema_metadata({KEY: json.dumps(tally.as_dict()).encode()})
        buffer = pyarrow().BufferOutputStream()
        parquet().write_table(noted, buffer, compression="zstd")
        self._store.write(name, memoryview(buffer.getvalue()))


def _array(column: Column, cells: list[Any]) -> Any:
    arrow = pyarrow()
    kind = arrow_type(column.kind)
    if not isinstance(column.kind, int):
        return arrow.array(cells, kind)
    empty = np.zeros(column.kind, np.float32)
    values = np.stack([empty if cell is None else cell for cell in cells]) if cells else empty[:0]
    missing = arrow.array([cell is None for cell in cells], arrow.bool_())
    return arrow.FixedSizeListArray.from_arrays(arrow.array(values.ravel()), type=kind, mask=missing)
