"""Corpora kept apart: trained on some, tested on others, over the emotions that both sides have.

An emotion that a tested corpus has and no training corpus knows can't be recognised, and one that a tested corpus
lacks can't be tested; so both sides keep the emotions that every tested corpus and some training corpus of each fold
has. What that costs is counted and said: a score over six of eight emotions is another task, with another chance.
"""

from __future__ import annotations

from collections.abc import Collection
from typing import TYPE_CHECKING, TypeAlias

import numpy as np

from emotone.errors import ConfigError, ExperimentError, unknown
from emotone.labels import in_order
from emotone.splits._table import Split, emotions_of, of_folds

if TYPE_CHECKING:
    import pandas as pd

    from emotone.splits._table import Names

    Sides: TypeAlias = list[tuple[tuple[str, ...], tuple[str, ...]]]


def corpora(table: pd.DataFrame, *, shared: bool = True) -> Split:
    """Leave one corpus out: as many folds as corpora, over the emotions that all of them have.

    ``shared=False`` keeps every row whatever its emotion, for where emotions aren't what is predicted.
    """
    present = _corpora_of(table, "corpora")
    sides: Sides = [(tuple(other for other in present if other != name), (name,)) for name in present]
    return _crossed(table, "corpora", f"{len(present)} folds", sides, shared=shared)


def across(
    table: pd.DataFrame,
    *,
    train: Collection[str] | str | None = None,
    test: Collection[str] | str | None = None,
    shared: bool = True,
) -> Split:
    """Train on the corpora ``train``, test on the corpora ``test``; either may be left out and is then the rest.

    One fold. Corpora on neither side are left out, and a note says so. ``shared`` is as in `corpora`.
    """
    present = _corpora_of(table, "across")
    trained, tested = _named(train, present), _named(test, present)
    if not trained and not tested:
        raise ConfigError(
            f'The protocol across needs to know whom to test: give test = ["{present[-1]}"], train = [...] or both.'
        )
    trained = trained or tuple(name for name in present if name not in tested)
    tested = tested or tuple(name for name in present if name not in trained)
    both = sorted(set(trained) & set(tested))
    if both or not trained or not tested:
        raise ConfigError(
            f"{both[0]} can't be both trained and tested on; use the protocol speakers for that."
            if both
            else f"Nothing is left to {'test' if trained else 'train'} on; the table's corpora: {', '.join(present)}."
        )
    size = f"trained on {' and '.join(trained)}, tested on {' and '.join(tested)}"
    idle = sorted(set(present) - set(trained) - set(tested))
    notes = (f"Neither trained nor tested on: {', '.join(idle)}.",) if idle else ()
    return _crossed(table, "across", size, [(trained, tested)], shared=shared, notes=notes)


def _corpora_of(table: pd.DataFrame, protocol: str) -> list[str]:
    emotions_of(table)
    present = sorted(set(table["corpus"]))
    if len(present) < 2:
        raise ExperimentError(
            f"The protocol {protocol} needs two corpora or more, and the table has only {present[0]}; "
            "add another, or use the protocol speakers."
        )
    return present


def _named(names: Collection[str] | str | None, present: list[str]) -> tuple[str, ...]:
    wanted = (names,) if isinstance(names, str) else tuple(names or ())
    for name in wanted:
        if name not in present:
            raise unknown("corpus of the table", name, present)
    return tuple(dict.fromkeys(wanted))


def _crossed(
    table: pd.DataFrame, protocol: str, size: str, sides: Sides, *, shared: bool, notes: tuple[str, ...] = ()
) -> Split:
    corpus, y = table["corpus"].to_numpy(dtype=object), emotions_of(table)
    labels = _shared_emotions(corpus, y, sides) if shared else in_order(y)
    usable = np.isin(y.astype(str), labels)
    folds = tuple(
        (np.flatnonzero(usable & np.isin(corpus, train)), np.flatnonzero(usable & np.isin(corpus, test)))
        for train, test in sides
    )
    if not shared:
        return of_folds(table, protocol, size, folds, notes=notes)
    tested = np.isin(corpus, [name for _, test in sides for name in test])
    emotions = f"{len(labels)} of {len(set(y[tested]))} emotions"
    coverage = f"{emotions}, {int((tested & usable).sum()):,} of {int(tested.sum()):,} clips"
    used = np.isin(corpus, [name for train, test in sides for name in (*train, *test)])
    lost = tuple(
        f"Left out of {name}, not shared: {_counts(y[here])}."
        for name in sorted(set(corpus))
        if (here := used & ~usable & (corpus == name)).any()
    )
    chance = f"Chance is 1 in {len(labels)}, a UAR of {1 / len(labels):.3f}."
    return of_folds(table, protocol, f"{size}, {coverage}", folds, notes=(*notes, *lost, chance), labels=labels)


def _shared_emotions(corpus: Names, y: Names, sides: Sides) -> tuple[str, ...]:
    """The emotions of every tested corpus that some training corpus of each fold has too."""
    has = {name: set(y[corpus == name]) for name in set(corpus)}
    per_fold = [
        set.intersection(*(has[name] for name in test)) & set.union(*(has[name] for name in train))
        for train, test in sides
    ]
    shared = in_order(set.intersection(*per_fold))
    if len(shared) < 2:
        each = "; ".join(f"{name} has {', '.join(in_order(has[name]))}" for name in sorted(has))
        raise ExperimentError(
            f"The corpora share {f'only the emotion {shared[0]}' if shared else 'no emotion'}, so there is nothing to "
            f"tell apart: {each}. Choose other corpora, or a label set that merges emotions."
        )
    return shared


def _counts(y: Names) -> str:
    return ", ".join(f"{int((y == emotion).sum()):,} {emotion}" for emotion in in_order(y))
