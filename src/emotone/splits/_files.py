"""Splits as files: which utterances each fold trains and tests on, by name, so that anybody can use them again.

A file says what it is, carries the sha256 of its folds (`emotone.splits.fingerprint`) and can be read by people::

    {"format": "emotone split 1", "protocol": "official", "size": "6 folds", "speakers": "unseen", ...,
     "folds": [{"held_out": {"male": ["ravdess/01", ...]}, "test": {"ravdess": ["Actor_01/03-...-01.wav", ...]},
                "train": "the rest"}, ...]}

``the rest`` are the utterances that the other folds test, in the table's order. An utterance that isn't a whole file
is written ``[file, start, end]``, in seconds.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable, Mapping
from pathlib import Path, PurePosixPath
from typing import TYPE_CHECKING, Any

import numpy as np

from emotone.errors import ConfigError, ExperimentError
from emotone.splits._table import Split, digest, fingerprint, keys_of, of_folds, some

if TYPE_CHECKING:
    import pandas as pd

    from emotone.splits._dealing import Fold, Ints
    from emotone.splits._table import Key

FORMAT = "emotone split 1"
REST = "the rest"
WHOLE = ("0.000000", "")
"""Start and end of an utterance that is its file."""


def document(split: Split, table: pd.DataFrame) -> dict[str, Any]:
    """``split`` of ``table`` as plain data, ready for JSON."""
    keys = keys_of(table)
    tested = {int(row) for _, test in split.folds for row in test}
    folds = []
    for (train, test), held_out in zip(split.folds, split.held_out, strict=True):
        rest = train.tolist() == sorted(tested - set(test.tolist()))
        folds.append(
            {
                "n_train": len(train),
                "n_test": len(test),
                "held_out": {gender: list(who) for gender, who in held_out.items()},
                "test": _written(keys[row] for row in test),
                "train": REST if rest else _written(keys[row] for row in train),
            }
        )
    return {
        "format": FORMAT,
        "protocol": split.protocol,
        "size": split.size,
        "description": split.description,
        "speakers": split.speakers,
        "shares": list(split.shares),
        "labels": None if split.labels is None else list(split.labels),
        "origin": split.origin or f"{split.protocol}, {split.size}",
        "notes": list(split.notes),
        "sha256": fingerprint(split, table),
        "folds": folds,
    }


def save(split: Split, table: pd.DataFrame, path: str | Path) -> Path:
    """Write ``split`` of ``table`` to ``path``, which is returned; `load` and the protocol ``file`` take it back."""
    return write(document(split, table), path)


def write(content: Mapping[str, Any], path: str | Path) -> Path:
    """Write the `document` of a split."""
    target = Path(path)
    try:
        target.parent.mkdir(parents=True, exist_ok=True)
        target.write_text(json.dumps(content, indent=1, ensure_ascii=False, allow_nan=False) + "\n", "utf-8")
    except OSError as error:
        raise ExperimentError(f"The split can't be written to {target}: {error.strerror or error}.") from error
    return target


def read(path: str | Path) -> dict[str, Any]:
    """The `document` in a split file, or in the folder of a run. Raises `ExperimentError` for anything else."""
    source = Path(path).expanduser()
    source = source / "split.json" if source.is_dir() else source
    try:
        content = json.loads(source.read_text("utf-8"))
    except OSError as error:
        raise ExperimentError(
            f"The split file {source} can't be read: {error.strerror or error}. Every run writes one: RUN/split.json."
        ) from error
    except ValueError as error:
        raise ExperimentError(f"{source} is no split file, because it isn't JSON: {error}.") from error
    if not isinstance(content, dict) or content.get("format") != FORMAT:
        raise ExperimentError(f"{source} is no split file: its format isn't {FORMAT!r}. Every run writes one.")
    return content


def load(path: str | Path, table: pd.DataFrame) -> Split:
    """The split of a file (or of a run's folder) over ``table``, whose rows may be in any order.

    What the sides share is looked up in ``table`` again. Utterances that the table lacks, or has more of, become
    notes and part of the description; files may have other endings than when the split was saved. Raises
    `ExperimentError` for a file that isn't a split, was altered, or has a fold of which the table has nothing.
    """
    content = read(path)
    name = Path(path).name
    wanted = _folds_of(content, name)
    rows_of, key_of = _rows_by_key(table, wanted)
    everyone = {key for train, test in wanted for key in (*train, *test)}
    known = {key_of(key) for key in everyone}
    absent = [key for key in everyone if key_of(key) not in rows_of]
    spare = [key for key in keys_of(table) if key_of(key) not in known]

    def rows(keys: list[Key]) -> Ints:
        return np.array([row for key in keys for row in rows_of.get(key_of(key), ())], dtype=np.int64)

    # "the rest" in the table's order, as it was: to a trainer the order of rows may matter.
    in_order = [fold["train"] == REST for fold in content["folds"]]
    folds = tuple(
        (np.sort(rows(train)) if as_table else rows(train), rows(test))
        for (train, test), as_table in zip(wanted, in_order, strict=True)
    )
    _check_present(name, wanted, folds)
    size = f"first made by {content['origin']}"
    if absent:
        size += f", {len(everyone) - len(absent):,} of {len(everyone):,} utterances"
    notes = _differences(name, absent, spare)
    labels = None if content.get("labels") is None else tuple(content["labels"])
    return of_folds(table, "file", size, folds, notes=notes, labels=labels, origin=content["origin"])


def file(table: pd.DataFrame, *, path: str | Path = "") -> Split:
    """The folds of a saved split: ``path`` is its file, or the folder of the run that wrote it. See `load`."""
    if not str(path):
        raise ConfigError("The protocol file needs the path of a split: a run's split.json, or the run's folder.")
    return load(path, table)


def _written(keys: Iterable[Key]) -> dict[str, list[Any]]:
    """Utterances by corpus; whole files by name alone."""
    by_corpus: dict[str, list[Any]] = {}
    for corpus, name, start, end in keys:
        whole = (start, end) == WHOLE
        part = [name, *(float(time) if time else None for time in (start, end))]
        by_corpus.setdefault(corpus, []).append(name if whole else part)
    return by_corpus


def _read(written: Mapping[str, list[Any]]) -> list[Key]:
    keys: list[Key] = []
    for corpus, entries in written.items():
        for entry in entries:
            if isinstance(entry, str):
                keys.append((corpus, entry, *WHOLE))
            else:
                name, start, end = entry
                keys.append((corpus, name, *("" if time is None else f"{time:.6f}" for time in (start, end))))
    return keys


def _folds_of(content: Mapping[str, Any], name: str) -> list[tuple[list[Key], list[Key]]]:
    """Train and test keys of each fold, checked against the file's own sha256."""
    try:
        tests = [_read(fold["test"]) for fold in content["folds"]]
        in_all = dict.fromkeys(key for test in tests for key in test)
        folds = []
        for fold, test in zip(content["folds"], tests, strict=True):
            own = set(test)
            train = [key for key in in_all if key not in own] if fold["train"] == REST else _read(fold["train"])
            folds.append((train, test))
        said = content["sha256"]
    except (KeyError, TypeError, ValueError, AttributeError) as error:
        raise ExperimentError(f"{name} is no split file: {error!r} where its folds should be.") from error
    found = digest([(["\t".join(key) for key in train], ["\t".join(key) for key in test]) for train, test in folds])
    if said != found:
        raise ExperimentError(
            f"{name} was altered after it was saved: its folds have the sha256 {found[:12]}..., but it says "
            f"{str(said)[:12]}.... Take the split from the run again; if the change was meant, correct the sha256."
        )
    return folds


def _rows_by_key(
    table: pd.DataFrame, wanted: list[tuple[list[Key], list[Key]]]
) -> tuple[dict[Key, list[int]], Callable[[Key], Key]]:
    """The table's rows by key, and how to make a key of theirs from one of the file's: as it is, or where no file of
    the split is in the table under its own name, without the ending (a copy may be .flac and not .wav)."""
    keys = keys_of(table)
    names = {key[:2] for key in keys}
    exact = any(key[:2] in names for train, test in wanted for key in (*train, *test))
    key_of = _as_it_is if exact else _without_ending
    rows: dict[Key, list[int]] = {}
    for row, key in enumerate(keys):
        rows.setdefault(key_of(key), []).append(row)
    return rows, key_of


def _as_it_is(key: Key) -> Key:
    return key


def _without_ending(key: Key) -> Key:
    corpus, name, start, end = key
    return corpus, str(PurePosixPath(name).with_suffix("")), start, end


def _check_present(name: str, wanted: list[tuple[list[Key], list[Key]]], folds: tuple[Fold, ...]) -> None:
    """Raise `ExperimentError` for a fold of which the table has nothing."""
    for i, (sides, found) in enumerate(zip(wanted, folds, strict=True), 1):
        for keys, rows, does in zip(sides, found, ("trains on", "tests"), strict=True):
            if not len(rows):
                corpora = sorted({key[0] for key in keys})
                raise ExperimentError(
                    f"The table has nothing of what fold {i} of {len(folds)} of {name} {does}, such as "
                    f"{_said(keys[0])}; give the corpora that the split was made of, here {', '.join(corpora)}."
                    if keys
                    else f"Fold {i} of {len(folds)} of {name} {does} nothing; make the split again."
                )


def _differences(name: str, absent: list[Key], spare: list[Key]) -> tuple[str, ...]:
    notes = []
    if absent:
        notes.append(f"The table lacks {len(absent):,} utterances of {name}: {some(sorted(map(_said, absent)), 3)}.")
    if spare:
        notes.append(f"{len(spare):,} rows aren't in {name} and are left out: {some(sorted(map(_said, spare)), 3)}.")
    return tuple(notes)


def _said(key: Key) -> str:
    corpus, name, start, end = key
    return f"{corpus}/{name}" + ("" if (start, end) == WHOLE else f" from {start or 0} s")
