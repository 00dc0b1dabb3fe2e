"""Features that were extracted before, by ``emotone features`` or ``emotone annotate --what features``, to train on.

Numbers go from the Parquet files, a batch at a time, into one memory-mapped file of float32 that the system keeps in
memory as far as there is room, and that is gone when nobody uses it any more. What stands beside them becomes the
table. The recordings themselves aren't needed.
"""

from __future__ import annotations

import json
import os
import tempfile
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from emotone import corpora, features
from emotone.corpora import words
from emotone.corpora.reading import COLUMNS, OPTIONAL_COLUMNS, in_column_order
from emotone.errors import ConfigError, require
from emotone.features import FrontEnd

if TYPE_CHECKING:
    import pandas as pd

__all__ = ["FOOTER", "ExtractedFeatures", "Stored", "adopted", "only"]

FOOTER = b"emotone.frontend"
"""The entry of a Parquet file's footer that describes the front-end."""
AT_ONCE = 8_192
"""Rows that are in memory together."""
OWN = "table"
"""The corpus of rows that name none, or one that emotone doesn't know: your own."""
_VECTOR = "features"
_NUMBERS = ("start", "end", "age", "arousal", "valence", "dominance", "agreement", "n_raters")
_MANIFEST = "manifest.json"


@dataclass(frozen=True)
class Stored:
    """Rows and their features."""

    table: pd.DataFrame
    """The columns of a corpus's table, as far as the files have them."""
    X: NDArray[np.float32]
    """``(len(table), d)``, memory-mapped."""
    notes: tuple[str, ...] = ()
    """What was left out, one sentence each."""


class ExtractedFeatures:
    """The Parquet file, folder of files, or archive at ``path``; nothing but its description is read yet.

    Raises `ConfigError` for what holds no features, or doesn't say by which front-end, and `MissingExtra` without
    pyarrow.
    """

    def __init__(self, path: str | os.PathLike[str]) -> None:
        self._place = Path(path).expanduser()
        self._arrow = require("pyarrow", extra="train")
        self._dataset = self._opened()
        self._known = [name for name in self._dataset.schema.names if name in {*COLUMNS, *OPTIONAL_COLUMNS}]
        self._known += [name for name in self._dataset.schema.names if name.startswith("p_")]
        self.frontend = self._front_end()
        self._columns = [_VECTOR] if self._is_archive else list(self.frontend.names)
        self._check()

    @property
    def corpora(self) -> tuple[str, ...]:
        """The corpora of its rows, in their order."""
        if "corpus" not in self._known:
            return (OWN,)
        names: dict[str, None] = {}
        for batch in self._dataset.to_batches(columns=["corpus"]):
            names |= dict.fromkeys(batch["corpus"].unique().to_pylist())
        return tuple(dict.fromkeys(_corpus(name) for name in names)) or (OWN,)

    def read(self, *, progress: Callable[[int, int], None] | None = None) -> Stored:
        """All rows. ``progress`` is called with (rows read, rows in all).

        Raises `ConfigError` where there is no room for them.
        """
        n = self._dataset.count_rows()
        X = _mapped(n, len(self.frontend.names))
        parts, n_kept, n_seen = [], 0, 0
        for batch in self._batches():
            vectors, there = self._vectors(batch)
            X[n_kept : n_kept + len(vectors)] = vectors
            parts.append(batch.select(self._known).filter(self._arrow.array(there)))
            n_kept += len(vectors)
            n_seen += batch.num_rows
            if progress:
                progress(n_seen, n)
        if not n_kept:
            raise ConfigError(f"{self._place} has no rows with features.")
        notes = (f"left out: {n - n_kept} rows without features, or with some that aren't finite",) * (n > n_kept)
        table = _as_corpus(self._arrow.Table.from_batches(parts).to_pandas())
        return Stored(table, X[:n_kept], notes)

    # --- what it is ---

    def _opened(self) -> Any:
        dataset = require("pyarrow.dataset", extra="train").dataset
        place = self._place
        if not place.exists():
            raise ConfigError(
                f"There are no features at {place}. Give a Parquet file that emotone features wrote, or the folder of "
                "emotone annotate --what features."
            )
        self._manifest = _manifest(place)
        self._is_archive = self._manifest is not None
        try:
            return dataset(str(place / "segments" if self._is_archive else place), format="parquet")
        except (self._arrow.ArrowException, OSError) as error:
            raise ConfigError(f"{place} can't be read as Parquet: {str(error).splitlines()[0]}") from error

    def _front_end(self) -> FrontEnd:
        if self._manifest is not None:
            what = self._manifest["what"]
            if what != "features":
                raise ConfigError(
                    f"{self._place} is an archive of {what}, which no front-end could take again from new recordings. "
                    "Extract features: emotone annotate ... --what features --frontend functionals, or embeddings for "
                    "those of a speech encoder."
                )
            return features.from_description(self._manifest["asked"]["frontend"])
        footer = (self._dataset.schema.metadata or {}).get(FOOTER)
        if footer is None:
            raise ConfigError(
                f"{self._place} doesn't say which front-end its columns are from. Extract them again with this "
                "emotone: emotone features FRONTEND ... -o NAME.parquet"
            )
        return features.from_description(json.loads(footer))

    def _check(self) -> None:
        there = set(self._dataset.schema.names)
        missing = [name for name in ("file", *self._columns) if name not in there]
        if missing:
            raise ConfigError(f"{self._place} lacks the column {missing[0]!r} of the features {self.frontend.name!r}.")
        if not there & {"emotion", "label", "arousal", "valence", "dominance"}:
            raise ConfigError(
                f"{self._place} has features, but nothing to learn: no column emotion, label, arousal, valence or "
                "dominance. List the recordings in a table that has one: annotate carries it through."
            )

    # --- numbers ---

    def _batches(self) -> Iterator[Any]:
        """Of one file after the other: a dataset would read far ahead."""
        parquet = require("pyarrow.parquet", extra="train")
        columns = list(dict.fromkeys([*self._known, *self._columns]))
        for fragment in self._dataset.get_fragments():
            with parquet.ParquetFile(fragment.path, pre_buffer=False) as file:
                yield from file.iter_batches(AT_ONCE, columns=columns, use_threads=False)

    def _vectors(self, batch: Any) -> tuple[NDArray[np.float32], NDArray[np.bool_]]:
        """The features of those rows that have finite ones, and which these are."""
        if self._is_archive:
            column = batch[_VECTOR]
            rows = column.flatten().to_numpy(zero_copy_only=False).reshape(-1, len(self.frontend.names))
            there = column.is_valid().to_numpy(zero_copy_only=False)
        else:
            rows = np.stack([batch[name].to_numpy(zero_copy_only=False) for name in self._columns], axis=1)
            there = np.ones(len(rows), bool)
        whole: NDArray[np.float32] = np.full((batch.num_rows, len(self.frontend.names)), np.nan, np.float32)
        whole[there] = rows
        there = there & np.isfinite(whole).all(axis=1)
        return whole[there], there


def adopted(
    path: str | os.PathLike[str], frontend: str, options: Mapping[str, Any], roots: Mapping[str, str | Path]
) -> dict[str, Any]:
    """``frontend``, ``frontend_options`` and ``corpora`` of an experiment with the features at ``path``.

    What the experiment names of them has to be what is there: ``roots`` say where the recordings of some corpora are.
    Raises `ConfigError` otherwise, and as `ExtractedFeatures` does.
    """
    stored = ExtractedFeatures(path)
    facts = features.describe(stored.frontend)
    name, own = facts["name"], {key: facts[key] for key in facts if key not in ("name", "version")}
    if frontend not in ("", name) or any(own.get(key) != value for key, value in options.items()):
        raise ConfigError(f"The features in {path} are {name!r} with {own}; leave the front-end out.")
    strange = [corpus for corpus in roots if corpus not in stored.corpora]
    if strange:
        there = ", ".join(stored.corpora)
        raise ConfigError(f"The features in {path} are of {there}, and none of {strange[0]}. Leave that corpus out.")
    return {
        "frontend": name,
        "frontend_options": own,
        "corpora": {corpus: roots.get(corpus, "") for corpus in stored.corpora},
    }


def only(X: NDArray[np.float32], rows: NDArray[np.int64]) -> NDArray[np.float32]:
    """The ``rows`` (ascending) of a memory-mapped matrix, moved to its beginning: no second one is needed."""
    for first in range(0, len(rows), AT_ONCE):
        chosen = rows[first : first + AT_ONCE]
        X[first : first + len(chosen)] = X[chosen]
    return X[: len(rows)]


def _manifest(place: Path) -> dict[str, Any] | None:
    """That of an archive; None for anything else."""
    try:
        found = json.loads((place / _MANIFEST).read_text("utf-8"))
    except (OSError, ValueError):
        return None
    return found if isinstance(found, dict) and found.get("kind") == "emotone archive" else None


def _mapped(n: int, width: int) -> NDArray[np.float32]:
    """An empty matrix in a nameless file beside the cache."""
    from emotone.fetch import cache_folder

    folder = cache_folder() / "signals"
    try:
        folder.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryFile(dir=folder) as file:
            if hasattr(os, "posix_fallocate"):  # a full disk is a sentence now, or a crash later
                os.posix_fallocate(file.fileno(), 0, max(1, n * width) * 4)
            return np.memmap(file, np.float32, mode="r+", shape=(max(1, n), width))
    except OSError as error:
        raise ConfigError(
            f"{4 * n * width / 1e9:.1f} GB of features can't be kept in {folder}: {error.strerror or error}. Make room "
            "there, or name a folder on another disk in EMOTONE_CACHE."
        ) from error


# --- the table ---


def _as_corpus(table: pd.DataFrame) -> pd.DataFrame:
    """The rows as a corpus's table has them."""
    pandas = require("pandas", extra="train")
    label = table["label"] if "label" in table else table.get("emotion")
    emotion = table.get("emotion", label)
    table = table.assign(
        corpus=table["corpus"].map(_corpus) if "corpus" in table else OWN,
        label=label,
        emotion=None if emotion is None else _mapped_words(emotion, words.emotion_named),
        start=table["start"].fillna(0.0) if "start" in table else 0.0,
        end=table["end"] if "end" in table else float("nan"),
        speaker=table.get("speaker"),
    )
    table["speaker"] = _global(table)
    if "gender" in table:
        table["gender"] = _mapped_words(table["gender"], words.gender_named)
    for name in table.columns.intersection(list(_NUMBERS)):
        table[name] = pandas.to_numeric(table[name], errors="coerce")
    return in_column_order(table)


def _mapped_words(column: Any, named: Callable[[str], str]) -> Any:
    known = {word: named(str(word)) for word in column.dropna().unique()}
    return column.map(known).astype(object)


def _global(table: pd.DataFrame) -> Any:
    """Speakers with their corpus's name before them, where they lack one."""
    speaker = table["speaker"].astype(object)
    known = speaker.notna()
    with_corpus = table["corpus"].astype(str) + "/" + speaker.astype(str)
    is_global = speaker.astype(str).str.contains("/", regex=False)
    return speaker.where(is_global, with_corpus).where(known, None)


def _corpus(name: Any) -> str:
    return str(name) if name in corpora.names() else OWN
