"""Listening to every recording of a table once: levels, and who sounds like whom."""

from __future__ import annotations

import hashlib
import math
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal, NamedTuple

import numpy as np
from numpy.typing import NDArray

from emotone import audio, corpora, features
from emotone.audit.alike import LONGEST, SAME_SOUND, candidates, similarity
from emotone.audit.fingerprint import FLAGS, Fingerprint
from emotone.errors import AudioError
from emotone.prepared import counted

if TYPE_CHECKING:
    import pandas as pd

__all__ = ["Double", "Sounds", "listen", "names_of"]

Progress = Callable[[int, int], None]

_SIGNALS_KEPT = 32
"""Decoded recordings kept for the next comparison; the pairs come sorted, so that one often follows itself."""


class Double(NamedTuple):
    """A file that the corpus's reader passed over, because another has the same name."""

    row: int
    """Of the one that was read."""
    file: str
    similarity: float
    """1.0 for the same bytes."""


@dataclass(frozen=True)
class Sounds:
    """What was heard in the rows of a table."""

    names: tuple[str, ...]
    """How findings call each row: its file, with times where it is a part."""
    seconds: NDArray[np.float32]
    """``(n,)``, NaN where unreadable"""
    flags: Mapping[str, NDArray[np.bool_]]
    """Each of `FLAGS` to ``(n,)``"""
    pairs: tuple[tuple[int, int, float], ...]
    """Rows with the same sound and their similarity, enough to link each group."""
    groups: tuple[tuple[int, ...], ...]
    """Rows with the same sound, two or more each, sorted."""
    doubles: tuple[Double, ...] = ()
    failures: tuple[features.Failure, ...] = ()
    n_unheard: int = 0
    """Pairs that are like each other, but too many to be compared in full."""


def listen(
    table: pd.DataFrame,
    roots: Mapping[str, Path | str],
    *,
    jobs: int | None = None,
    cache: Path | str | Literal[False] | None = None,
    progress: Progress | None = None,
) -> Sounds:
    """Listen to all rows of ``table``, whose corpora lie in ``roots`` as given to `emotone.corpora.read`.

    ``jobs`` and ``cache`` are those of `emotone.features.extract`; ``progress`` is called with (done, in all). A file
    that can't be read is one of the ``failures``. Raises `ConfigError` where ``roots`` lacks a corpus.
    """
    folders = {name: _audio_root(name, root) for name, root in roots.items()}
    step = counted(progress, len(table))
    heard = features.extract(table, Fingerprint(), folders, jobs=jobs, cache=cache, progress=step)
    X = np.nan_to_num(heard.X)
    flags = {flag: X[:, 1 + column] > 0 for column, flag in enumerate(FLAGS)}
    prints = X[:, 1 + len(FLAGS) :]
    prints[flags["silent"] | flags["too_short"]] = 0.0  # silences are all alike, and the shortest clicks too
    reader = _Reader(table, folders)
    pairs, groups, n_unheard = _same_sounds(prints, X[:, 0], reader, progress)
    return Sounds(
        names=names_of(table),
        seconds=heard.X[:, 0].copy(),
        flags=flags,
        pairs=pairs,
        groups=groups,
        doubles=tuple(_doubles(table, roots, folders)),
        failures=heard.failures,
        n_unheard=n_unheard,
    )


def _audio_root(name: str, root: Path | str) -> Path:
    return corpora.audio_root(name, root) if name in corpora.names() else Path(root)


def names_of(table: pd.DataFrame) -> tuple[str, ...]:
    """``a.wav``, or ``a.wav[1.5:3]`` for a part, with the corpus before it where the table has several."""
    several = table["corpus"].nunique() > 1
    rows = zip(table["corpus"], table["file"], table["start"], table["end"], strict=True)
    return tuple(
        f"{corpus}/{_part(file, start, end)}" if several else _part(file, start, end)
        for corpus, file, start, end in rows
    )


def _part(file: Any, start: Any, end: Any) -> str:
    first, last = _seconds(start) or 0.0, _seconds(end)
    if not first and last is None:
        return str(file)
    return f"{file}[{first:g}:{'' if last is None else f'{last:g}'}]"


def _seconds(value: Any) -> float | None:
    return None if value is None or math.isnan(value) else float(value)


# --- the same sound ---------------------------------------------------------------------------------------------------


class _Reader:
    """Signals of rows, the last few kept."""

    def __init__(self, table: pd.DataFrame, folders: Mapping[str, Path]) -> None:
        self._rows: Sequence[tuple[Any, ...]] = list(
            zip(table["corpus"], table["file"], table["start"], table["end"], strict=True)
        )
        self._folders = folders
        self.signal = lru_cache(_SIGNALS_KEPT)(self._signal)

    def path(self, row: int) -> Path:
        corpus, file, _, _ = self._rows[row]
        return self._folders[corpus] / str(file)

    def _signal(self, row: int) -> NDArray[np.float32]:
        _, _, start, end = self._rows[row]
        first, last = _seconds(start) or 0.0, _seconds(end)
        return audio.load(self.path(row), start=first, end=min(first + LONGEST, math.inf if last is None else last))


def _same_sounds(
    prints: NDArray[np.float32], seconds: NDArray[np.float32], reader: _Reader, progress: Progress | None
) -> tuple[tuple[tuple[int, int, float], ...], tuple[tuple[int, ...], ...], int]:
    """Pairs of rows with the same sound, the groups that they link, and how many likely pairs were too many."""
    likely = candidates(prints)
    groups = _Groups(len(prints))
    pairs = []
    for done, (a, b) in enumerate(likely.pairs.tolist(), start=1):
        if not groups.linked(a, b):
            # Equal to the last digit: the same samples, as of a copied file. No need to decode them.
            exact = seconds[a] == seconds[b] and np.array_equal(prints[a], prints[b])
            alike = 1.0 if exact else _heard_alike(reader, a, b)
            if alike >= SAME_SOUND:
                groups.link(a, b)
                pairs.append((a, b, round(alike, 4)))
        if progress is not None:
            progress(len(prints) + done, len(prints) + len(likely.pairs))
    return tuple(pairs), groups.of_several(), likely.n_left_out


def _heard_alike(reader: _Reader, a: int, b: int) -> float:
    try:
        return similarity(reader.signal(a), reader.signal(b))
    except AudioError:  # it could be read a minute ago: gone now
        return 0.0


class _Groups:
    """Rows linked with each other, directly or through others."""

    def __init__(self, n: int) -> None:
        self._head = list(range(n))

    def _head_of(self, row: int) -> int:
        while self._head[row] != row:
            self._head[row] = self._head[self._head[row]]
            row = self._head[row]
        return row

    def linked(self, a: int, b: int) -> bool:
        return self._head_of(a) == self._head_of(b)

    def link(self, a: int, b: int) -> None:
        low, high = sorted((self._head_of(a), self._head_of(b)))
        self._head[high] = low

    def of_several(self) -> tuple[tuple[int, ...], ...]:
        members: dict[int, list[int]] = {}
        for row in range(len(self._head)):
            members.setdefault(self._head_of(row), []).append(row)
        return tuple(tuple(rows) for rows in members.values() if len(rows) > 1)


# --- files that the reader passed over --------------------------------------------------------------------------------


def _doubles(table: pd.DataFrame, roots: Mapping[str, Path | str], folders: Mapping[str, Path]) -> Iterator[Double]:
    """Further files of an utterance: a corpus with every file twice gives one row each, and this says so."""
    for name, root in roots.items():
        rows = {
            str(file): row
            for row, (corpus, file) in enumerate(zip(table["corpus"], table["file"], strict=True))
            if corpus == name
        }
        for kept, others in _passed_over(name, Path(root)).items():
            if kept in rows:
                for other in others:
                    yield Double(rows[kept], other, _files_alike(folders[name] / kept, folders[name] / other))


def _passed_over(name: str, root: Path) -> Mapping[str, Iterable[str]]:
    if name not in corpora.names():
        return {}
    corpus = corpora.get(name)
    return corpus.scan(corpus, root).doubles


def _files_alike(a: Path, b: Path) -> float:
    try:
        if a.stat().st_size == b.stat().st_size and _digest(a) == _digest(b):
            return 1.0
        return round(similarity(*(audio.load(path, end=LONGEST) for path in (a, b))), 4)
    except (AudioError, OSError):
        return 0.0


def _digest(path: Path) -> bytes:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "blake2b").digest()
