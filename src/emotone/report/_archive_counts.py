"""What an archive's rows come to, batch by batch: ten million of them never stand in memory.

Everything is counted in seconds of sound and in rows, by *kind*: an emotion, ``uncertain`` (speech, but no emotion was
likely enough), ``speech`` (of an archive that names no emotions) or ``no speech``. Whatever there may be too many of
(speakers, folders, days) has a limit: past it, folders are counted further up, and the others not at all.
"""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import PurePosixPath
from typing import Any

import numpy as np

from emotone.errors import require

__all__ = ["BIN", "NO_SPEECH", "SPEECH", "UNCERTAIN", "Counts", "Groups", "Moment"]

UNCERTAIN, SPEECH, NO_SPEECH = "uncertain", "speech", "no speech"
_UNHEARD = ("no_speech", "too_short")

MOST_GROUPS = 20_000
"""Of speakers or folders. A page shows a few dozen; the rest is for choosing them."""
MOST_VALUES = 1_000
"""Of any other column, before it is clear that it says something else about each recording."""
MOMENTS = 3
"""For each emotion, and for both ends of each dimension; from different recordings."""
_CANDIDATES = 40 * MOMENTS
"""How many of a batch are looked at: a recording may have many extreme moments."""
BIN = 10.0
"""Seconds of the finest step of a position."""

_DATES = ("date", "time", "datetime", "timestamp", "started", "started_at", "recorded", "recorded_at", "created_at")
"""Names of text columns that may say when a recording was made, as ISO 8601."""

Pair = tuple[Any, str]
"""A group and a kind."""


@dataclass(frozen=True, order=True)
class Moment:
    """Where to listen. ``value`` is a probability, or a number of a dimension."""

    value: float
    file: str
    start: float
    end: float
    flags: tuple[str, ...] = ()


@dataclass
class Groups:
    """Rows and seconds of each kind in each group, to a limit of groups."""

    most: int
    n: Counter[Pair] = field(default_factory=Counter)
    seconds: defaultdict[Pair, float] = field(default_factory=lambda: defaultdict(float))
    names: set[Any] = field(default_factory=set)
    too_many: bool = False

    def add(self, rows: Iterable[tuple[Any, str, int, float]]) -> None:
        """Count (group, kind, rows, seconds); a group that is None isn't one."""
        if self.too_many:
            return
        for name, kind, n, seconds in rows:
            if name is not None:
                self.names.add(name)
                self.n[name, kind] += n
                self.seconds[name, kind] += seconds
        if len(self.names) > self.most:
            self._overflow()

    def _overflow(self) -> None:
        self.too_many = True
        self.n.clear()
        self.seconds.clear()
        self.names.clear()

    def kinds_of(self, name: Any, kinds: Sequence[str]) -> dict[str, float]:
        """Seconds of each of the ``kinds`` in a group."""
        return {kind: self.seconds.get((name, kind), 0.0) for kind in kinds}

    def rows_of(self, name: Any, kinds: Sequence[str]) -> int:
        """Rows of these ``kinds`` in a group."""
        return sum(self.n.get((name, kind), 0) for kind in kinds)

    def renamed(self, to: Any) -> Groups:
        """The same, with groups that ``to`` gives one name counted together."""
        merged = Groups(len(self.names))
        merged.add((to(name), kind, n, self.seconds[name, kind]) for (name, kind), n in self.n.items())
        return merged


@dataclass
class _Folders(Groups):
    """By folder; where there are too many, by the folders above them."""

    depth: int = 32

    def add(self, rows: Iterable[tuple[Any, str, int, float]]) -> None:
        super().add((self._cut(name), kind, n, seconds) for name, kind, n, seconds in rows)

    def _cut(self, name: str | None) -> str | None:
        return name if name is None or name.count("/") < self.depth else "/".join(name.split("/")[: self.depth])

    def _overflow(self) -> None:
        while len(self.names) > self.most and self.depth > 1:
            self.depth -= 1
            merged = self.renamed(self._cut)
            self.n, self.seconds, self.names = merged.n, merged.seconds, merged.names
        if len(self.names) > self.most:
            super()._overflow()


class Counts:
    """All that the page says of the rows."""

    def __init__(self, schema: Any, labels: Sequence[str], dimensions: Sequence[str], carried: Sequence[str]) -> None:
        """For batches of the Arrow ``schema``; ``carried`` are columns of the user's table."""
        self._arrow, self._compute = require("pyarrow", extra="batch"), require("pyarrow.compute", extra="batch")
        self.labels = [name for name in labels if f"p_{name}" in schema.names]
        self.dimensions = [name for name in dimensions if name in schema.names]
        self.has_emotions = "emotion" in schema.names
        self.when = self._date_column(schema, carried)
        self._texts = [name for name in carried if name != self.when and self._is_text(schema, name)]
        self.kinds = Groups(100)
        self.speakers, self.folders = Groups(MOST_GROUPS), _Folders(MOST_GROUPS)
        self.values = {name: Groups(MOST_VALUES) for name in self._texts}
        self.days, self.hours = Groups(MOST_GROUPS), Groups(24)
        self.positions = Groups(MOST_GROUPS)
        self.expected: Counter[str] = Counter()
        """Seconds of each emotion by its probabilities."""
        self.flags: Groups = Groups(MOST_VALUES)
        self.surest: dict[str, list[Moment]] = defaultdict(list)
        self.lowest: dict[str, list[Moment]] = defaultdict(list)
        self.highest: dict[str, list[Moment]] = defaultdict(list)
        self.means: dict[str, list[float]] = {name: [0.0, 0.0] for name in self.dimensions}
        """Of each dimension the sum over seconds, and the seconds."""

    @property
    def columns(self) -> list[str]:
        """What batches have to hold."""
        answer = ["emotion", "confidence"] if self.has_emotions else []
        votes = [f"p_{label}" for label in self.labels]
        more = [*self._texts, *([self.when] if self.when else [])]
        return ["file", "speaker", "start", "end", "flags", *answer, *votes, *self.dimensions, *more]

    def add(self, table: Any) -> None:
        """Count the rows of an Arrow table."""
        compute = self._compute
        table = table.combine_chunks()
        seconds = compute.subtract(table["end"], table["start"])
        flagged = self._flagged(table["flags"])
        kind = self._kind(table, flagged)
        table = table.append_column("seconds", seconds).append_column("kind", kind)
        self.kinds.add((name, name, n, total) for name, n, total in self._sums(table, ["kind"]))
        heard = table.filter(compute.not_equal(kind, NO_SPEECH))
        self._add_flags(table)
        self._add_groups(heard)
        self._add_times(heard)
        for label in self.labels:
            share = compute.sum(compute.multiply(heard[f"p_{label}"], heard["seconds"])).as_py()
            self.expected[label] += share or 0.0  # type: ignore[assignment]  # seconds aren't whole
        self._add_moments(heard)

    # --- kinds and flags ---

    def _flagged(self, flags: Any) -> Any:
        """Which rows have a flag that says that nobody was heard."""
        compute, arrow = self._compute, self._arrow
        words, rows = self._flat(flags)
        unheard = np.zeros(len(flags), bool)
        unheard[rows.filter(compute.is_in(words, value_set=arrow.array(_UNHEARD))).to_numpy()] = True
        return arrow.array(unheard)

    def _flat(self, flags: Any) -> tuple[Any, Any]:
        """All flags, and the row of each."""
        whole = flags.combine_chunks()
        return self._compute.list_flatten(whole), self._compute.list_parent_indices(whole)

    def _kind(self, table: Any, unheard: Any) -> Any:
        compute = self._compute
        if not self.has_emotions:
            return compute.if_else(unheard, NO_SPEECH, SPEECH)
        without = UNCERTAIN if self.labels else SPEECH
        return compute.if_else(unheard, NO_SPEECH, compute.fill_null(table["emotion"], without))

    def _add_flags(self, table: Any) -> None:
        words, rows = self._flat(table["flags"])
        flags = self._arrow.table({"flag": words, "seconds": table["seconds"].take(rows)})
        self.flags.add((flag, "", n, total) for flag, n, total in self._sums(flags, ["flag"]))

    def _sums(self, table: Any, keys: list[str]) -> Iterable[tuple[Any, ...]]:
        """For each combination of ``keys``: it, its rows, and its seconds."""
        found = table.group_by(keys).aggregate([("seconds", "count"), ("seconds", "sum")])
        columns = [found[name].to_pylist() for name in (*keys, "seconds_count", "seconds_sum")]
        return zip(*columns, strict=True)

    # --- groups ---

    def _add_groups(self, table: Any) -> None:
        folder = self._compute.replace_substring_regex(table["file"], pattern="/?[^/]*$", replacement="")
        table = table.append_column("folder", folder)
        named: list[tuple[str, Groups]] = [("speaker", self.speakers), ("folder", self.folders), *self.values.items()]
        for name, groups in named:
            if not groups.too_many:
                groups.add(self._sums(table, [name, "kind"]))

    @staticmethod
    def _is_text(schema: Any, name: str) -> bool:
        return name in schema.names and str(schema.field(name).type) in ("string", "large_string", "bool")

    # --- time ---

    def _date_column(self, schema: Any, carried: Sequence[str]) -> str | None:
        """The column that says when: one of dates or timestamps, or else a text of a telling name."""
        types = self._arrow.types
        there = [name for name in carried if name in schema.names]
        dated = [name for name in there if types.is_timestamp(schema.field(name).type)]
        dated += [name for name in there if types.is_date(schema.field(name).type)]
        dated += [name for name in there if name.lower() in _DATES and types.is_string(schema.field(name).type)]
        return dated[0] if dated else None

    def _add_times(self, table: Any) -> None:
        compute, arrow = self._compute, self._arrow
        bins = compute.cast(compute.floor(compute.divide(table["start"], BIN)), arrow.int64())
        self.positions.add(self._sums(table.append_column("bin", bins), ["bin", "kind"]))
        if self.when is None:
            return
        moments = self._moments_in_time(table)
        if moments is None:
            self.when = None
            return
        days = compute.cast(moments, arrow.date32(), safe=False)
        self.days.add(self._sums(table.append_column("day", days), ["day", "kind"]))
        if self._has_hours:
            self.hours.add(self._sums(table.append_column("hour", compute.hour(moments)), ["hour", "kind"]))

    def _moments_in_time(self, table: Any) -> Any:
        """When each row was said, local to where it was; None where the column's text isn't a time."""
        compute, arrow = self._compute, self._arrow
        column = table[self.when]
        self._has_hours = not arrow.types.is_date(column.type)
        try:
            if arrow.types.is_timestamp(column.type) and column.type.tz:
                column = compute.local_timestamp(column)
            if arrow.types.is_string(column.type):
                self._has_hours = bool(compute.any(compute.match_substring(column, ":")).as_py())
            moments = compute.cast(compute.cast(column, arrow.timestamp("us")), arrow.timestamp("ms"), safe=False)
        except (arrow.ArrowInvalid, arrow.ArrowNotImplementedError):
            return None
        since = compute.cast(compute.multiply(table["start"], 1000.0), arrow.int64(), safe=False)
        return compute.add(moments, compute.cast(since, arrow.duration("ms")))

    # --- moments ---

    def _add_moments(self, table: Any) -> None:
        compute = self._compute
        for emotion in self.labels:
            own = table.filter(compute.equal(table["emotion"], emotion))
            self.surest[emotion] = self._best(self.surest[emotion], own, "confidence", "descending")
        for name in self.dimensions:
            own = table.filter(compute.is_valid(table[name]))
            self.lowest[name] = self._best(self.lowest[name], own, name, "ascending")
            self.highest[name] = self._best(self.highest[name], own, name, "descending")
            total = compute.sum(compute.multiply(own[name], own["seconds"])).as_py() or 0.0
            self.means[name][0] += total
            self.means[name][1] += compute.sum(own["seconds"]).as_py() or 0.0

    def _best(self, known: list[Moment], table: Any, column: str, order: str) -> list[Moment]:
        """The first `MOMENTS` of those known and the ``table``'s, one of each recording."""
        if not len(table):
            return known
        keys = [(column, order), ("file", "ascending"), ("start", "ascending")]
        chosen = table.take(self._compute.select_k_unstable(table, k=min(_CANDIDATES, len(table)), sort_keys=keys))
        names = (column, "file", "start", "end", "flags")
        rows = zip(*(chosen[name].to_pylist() for name in names), strict=True)
        found = known + [Moment(value, file, start, end, tuple(flags)) for value, file, start, end, flags in rows]
        sign = 1 if order == "ascending" else -1
        found.sort(key=lambda one: (sign * one.value, one.file, one.start))
        first: dict[str, Moment] = {}
        for one in found:
            first.setdefault(one.file, one)
        return list(first.values())[:MOMENTS]


def parts_of(folder: str) -> tuple[str, ...]:
    """A folder's names; of an address, those below the bucket's scheme."""
    return tuple(part for part in PurePosixPath(folder.partition("://")[2] or folder).parts if part != "/")


def now() -> str:
    """The date, for a page that is made while its archive still grows."""
    return f"{datetime.now(UTC):%Y-%m-%d %H:%M} UTC"
