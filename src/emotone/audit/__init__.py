"""The audit: whatever would make a score look better than it is, found before the score is believed.

>>> from emotone import audit, corpora
>>> roots = {"ravdess": "data/ravdess"}
>>> found = audit.audit(corpora.read(roots), roots)     # doctest: +SKIP
>>> found.line                                          # doctest: +SKIP
'Audit of 1,440 recordings: nothing found that would inflate a score (1 warning)'

`audit` listens to every recording (`listen`), so copies are found by their sound, whatever their format, rate, gain or
name. With a split, the findings are about one score: what its train and test sides share. `of_run` reads the split that
a run's folder holds.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Literal

from emotone.audit.confounds import about_confounds, table_uar
from emotone.audit.copies import about_sounds
from emotone.audit.finding import SEVERITIES, Audit, Finding, Pair
from emotone.audit.run import of_run, roots_of_run
from emotone.audit.sides import about_sides, about_table
from emotone.audit.sounds import Sounds, listen, names_of
from emotone.errors import ConfigError

if TYPE_CHECKING:
    import pandas as pd

    from emotone.splits import Split

__all__ = ["SEVERITIES", "Audit", "Finding", "Pair", "Sounds", "audit", "listen", "of_run", "roots_of_run", "table_uar"]


def audit(
    table: pd.DataFrame,
    roots: Mapping[str, Path | str],
    *,
    split: Split | None = None,
    sounds: Sounds | None = None,
    jobs: int | None = None,
    cache: Path | str | Literal[False] | None = None,
    progress: Callable[[int, int], None] | None = None,
) -> Audit:
    """What about the recordings of ``table``, or about one ``split`` of its rows, would make a score misleading.

    ``roots`` are the corpora's names and folders, as for `emotone.corpora.read`. ``sounds``, what `listen` gave for the
    same table, saves listening again; otherwise the options are `listen`'s. A recording that can't be read is a
    finding, and the others are audited. Raises `ConfigError` for an empty table, or a split or sounds of another one.
    """
    if not len(table):
        raise ConfigError("The table has no rows, so there is nothing to audit.")
    if split is not None and max(
        (int(rows.max()) for fold in split.folds for rows in fold if len(rows)), default=0
    ) >= len(table):
        raise ConfigError(f"The split is of another table: it has rows beyond the {len(table)} of this one.")
    heard = sounds or listen(table, roots, jobs=jobs, cache=cache, progress=progress)
    if heard.names != names_of(table):
        raise ConfigError("The sounds are those of another table; listen to this one.")
    findings = [*about_sounds(table, heard, split), *about_table(table), *about_confounds(table, split)]
    if split is not None:
        findings += about_sides(table, split)
    return Audit.of(len(table), findings, of_split=split is not None)
