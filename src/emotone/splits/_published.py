"""Folds that others have drawn: published lists of speakers, and partitions that come with a corpus."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from typing import TYPE_CHECKING

import numpy as np

from emotone.errors import ExperimentError
from emotone.splits._dealing import folds_of
from emotone.splits._table import Split, emotions_of, of_folds, some, speakers_of

if TYPE_CHECKING:
    import pandas as pd

_TRAINING = ("train", "dev", "development", "val", "valid", "validation")


def official(table: pd.DataFrame, *, folds: Sequence[Collection[str]] = (), column: str = "") -> Split:
    """The test folds that a corpus's owner or a benchmark has published: lists of speakers, or a ``column``.

    Speakers are written as in the table (``ravdess/07``), of a table of one corpus also without it (``07``). All
    speakers of the table have to be listed; listed speakers that the table lacks become a note, and part of the
    description. A ``column`` is read as `given` reads ``split``.
    """
    if column:
        return partition(table, "official", column)
    who = speakers_of(table, "official")
    corpora = sorted(set(table["corpus"]))
    if not folds:
        raise ExperimentError(
            f"No official folds are known for {' and '.join(corpora)}; use the protocol speakers or loso."
        )
    listed = [{_global(name, corpora) for name in fold} for fold in folds]
    everyone, present = set().union(*listed), set(who)
    _check_lists("+".join(corpora), listed, present)
    number = {name: i for i, fold in enumerate(listed) for name in fold}
    rows = folds_of(np.array([number[name] for name in who]), len(listed))
    absent = sorted(everyone - present)
    if not absent:
        return of_folds(table, "official", f"{len(listed)} folds", rows)
    size = f"{len(listed)} folds, {len(present)} of {len(everyone)} speakers"
    note = f"The table lacks {some(absent)} of the official folds."
    return of_folds(table, "official", size, rows, notes=(note,))


def given(table: pd.DataFrame) -> Split:
    """The corpus's own partition, from the column ``split``: train, dev (or validation) and test.

    Each distinct value that starts with ``test`` (``test1``, ``test2``) is a fold; all rows called train, dev
    or validation are trained on. Rows without a value are left out, and a note says how many.
    """
    return partition(table, "given", "split")


def partition(table: pd.DataFrame, protocol: str, column: str) -> Split:
    """The split that ``column`` tells, under the name of ``protocol``."""
    emotions_of(table)
    if column not in table or table[column].isna().all():
        raise ExperimentError(
            f"The table has no column {column!r} with values; use another protocol, such as speakers."
        )
    part = table[column].fillna("").astype(str).str.lower().to_numpy()
    tests = sorted({value for value in part if value.startswith("test")})
    strange = sorted(set(part) - set(tests) - set(_TRAINING) - {""})
    train = np.flatnonzero(np.isin(part, _TRAINING))
    if strange or not tests or not len(train):
        raise ExperimentError(
            f"The column {column!r} must call rows train, dev, validation or test..., some of them train and "
            f"some test, but its values are: {', '.join(sorted(set(part) - {''}))}."
        )
    left_out = int((part == "").sum())
    notes = (f"{left_out} rows without a value in the column {column!r} are left out.",) if left_out else ()
    folds = tuple((train, np.flatnonzero(part == value)) for value in tests)
    return of_folds(table, protocol, f"{len(folds)} test part{'s' * (len(folds) > 1)}", folds, notes=notes)


def _global(name: str, corpora: list[str]) -> str:
    if "/" in name:
        return name
    if len(corpora) > 1:
        raise ExperimentError(
            f"The official folds list a speaker {name!r}, but the table has {' and '.join(corpora)}; write "
            f"{corpora[0]}/{name} or {corpora[1]}/{name}."
        )
    return f"{corpora[0]}/{name}"


def _check_lists(corpus: str, listed: list[set[str]], present: set[str]) -> None:
    everyone = set().union(*listed)
    twice = sorted(name for name in everyone if sum(name in fold for fold in listed) > 1)
    if twice:
        raise ExperimentError(f"The official folds of {corpus} list {some(twice)} twice; correct the folds.")
    unlisted = sorted(present - everyone)
    if unlisted:
        raise ExperimentError(
            f"The official folds of {corpus} don't list {some(unlisted)}, whom the table has; "
            "correct the folds, or use the protocol speakers."
        )
    for i, fold in enumerate(listed, 1):
        if not fold & present:
            raise ExperimentError(
                f"The table has nobody of official fold {i} of {len(listed)} ({some(sorted(fold))}); "
                "complete the corpus, or use the protocol speakers."
            )
