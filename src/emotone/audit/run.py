"""The table and the split of a run that was saved."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from emotone import corpora, splits
from emotone.errors import ConfigError, ExperimentError
from emotone.experiment import corpus_root
from emotone.labels import harmonise
from emotone.result import Result
from emotone.targets import choose, strata

if TYPE_CHECKING:
    import pandas as pd

    from emotone.splits import Split

__all__ = ["of_run", "roots_of_run"]


def roots_of_run(folder: str | Path) -> dict[str, Path]:
    """Where the corpora of a run lie: under ``EMOTONE_DATA`` or ``data``. Raises `CorpusError` where they don't."""
    return {name: corpus_root(name, "") for name in Result.load(folder).protocol["corpora"]}


def of_run(folder: str | Path, roots: Mapping[str, Path | str]) -> tuple[pd.DataFrame, Split]:
    """The table that a run was made on, read from its corpora in ``roots``, and its split.

    Raises `ConfigError` where ``roots`` lacks a corpus of the run, `ExperimentError` for a folder that isn't a run's,
    or corpora that lack what a fold needs.
    """
    result = Result.load(folder)
    missing = [name for name in result.protocol["corpora"] if name not in roots]
    if missing:
        raise ConfigError(f"The run {folder} was made on {', '.join(missing)} too; add {missing[0]}=FOLDER.")
    table = corpora.read({name: roots[name] for name in result.protocol["corpora"]})
    if result.targets:
        return _of_targets(folder, choose(table, result.targets).table, result)
    label_set = result.protocol["label_set"]
    table = harmonise(table, label_set if isinstance(label_set, str) else tuple(label_set)).table
    return table, _split(folder, table, result)


def _of_targets(folder: str | Path, table: pd.DataFrame, result: Result) -> tuple[pd.DataFrame, Split]:
    """Splits look at emotions; where numbers are predicted, classes of them stand in for these."""
    refused = ExperimentError("There are no rows to split.")
    for classes in strata(table, result.targets):
        try:
            return table, _split(folder, table.assign(emotion=classes), result)
        except ExperimentError as error:
            refused = error
    raise refused


def _split(folder: str | Path, table: pd.DataFrame, result: Result) -> Split:
    return splits.load(folder, table) if result.split is not None else _from_predictions(table, result)


def _from_predictions(table: pd.DataFrame, result: Result) -> Split:
    """The split of a run without ``split.json``: whatever a fold didn't test, it is taken to have trained on."""
    place = ["corpus", "file", "start"]
    row_of = {key: row for row, key in enumerate(zip(*(table[column] for column in place), strict=True))}
    folds = []
    for fold, part in result.table.groupby("fold"):
        tested = [row_of.get(key) for key in zip(*(part[column] for column in place), strict=True)]
        test = np.array(sorted(row for row in tested if row is not None), dtype=np.int64)
        if not len(test):
            raise ExperimentError(f"Nothing that fold {fold} of the run tested is in these corpora; give those it had.")
        folds.append((np.setdiff1d(np.arange(len(table)), test), test))
    return splits.of_folds(table, str(result.protocol["protocol"]["name"]), f"{len(folds)} folds", tuple(folds))
