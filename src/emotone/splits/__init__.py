"""Protocols: who is trained on and who is tested on, and what the two sides share.

============  =======================================================================  =========
protocol      test folds                                                               speakers
============  =======================================================================  =========
``speakers``  groups of speakers, alike in gender, emotions and size (the default)     unseen
``loso``      one speaker each                                                         unseen
``official``  the lists of speakers that a corpus's owner or a benchmark published     unseen
``holdout``   one group of speakers, named or drawn                                    unseen
``given``     the rows that the table's column ``split`` calls test                    as found
``random``    rows at random                                                           shared
============  =======================================================================  =========

What train and test share is looked up in the table, never assumed; `Split` and its description tell.
"""

from __future__ import annotations

import inspect
from collections.abc import Callable, Collection, Sequence
from typing import TYPE_CHECKING

import numpy as np

from emotone.errors import ConfigError, ExperimentError, require, unknown
from emotone.splits._dealing import (
    InnerFolds,
    codes_of,
    deal_groups,
    deal_rows,
    deal_speakers,
    folds_of,
    inner_folds,
    traits,
)
from emotone.splits._table import (
    Split,
    check_lone_emotions,
    emotions_of,
    fingerprint,
    genders_of,
    make_split,
    some,
    speakers_of,
)

if TYPE_CHECKING:
    import pandas as pd

    from emotone.splits._dealing import Ints
    from emotone.splits._table import Names

__all__ = [
    "InnerFolds",
    "Split",
    "fingerprint",
    "get",
    "given",
    "holdout",
    "inner_folds",
    "loso",
    "names",
    "official",
    "random",
    "speakers",
    "split",
]


def split(
    table: pd.DataFrame,
    protocol: str = "speakers",
    *,
    n_folds: int | None = None,
    seed: int | None = None,
    folds: Sequence[Collection[str]] | None = None,
    test_speakers: Collection[str] | None = None,
    test_size: float | None = None,
    repeats: int | None = None,
) -> Split:
    """The folds of ``protocol`` (one of `names`) over ``table``, every row of which must have an emotion.

    Options are those of the function of that name, and None means its default. Raises `ConfigError` for
    an option that the protocol doesn't have (except a seed: some have nothing to draw), `ExperimentError` for
    a table that can't be split so.
    """
    chosen = get(protocol)
    options = {
        "n_folds": n_folds,
        "folds": folds,
        "test_speakers": test_speakers,
        "test_size": test_size,
        "repeats": repeats,
        "seed": seed,
    }
    wanted = {name: value for name, value in options.items() if value is not None}
    taken = list(inspect.signature(chosen).parameters)[1:]
    strange = [name for name in wanted if name not in taken and name != "seed"]
    if strange:
        raise ConfigError(
            f"The protocol {protocol!r} has no option {strange[0]!r}; it has: {', '.join(taken) or 'none'}."
        )
    return chosen(table, **{name: value for name, value in wanted.items() if name in taken})


def names() -> list[str]:
    """The names of the protocols, the default first."""
    return list(_PROTOCOLS)


def get(name: str) -> Callable[..., Split]:
    """The protocol of that name, a function of the table and its own options. Raises `ConfigError` for
    others."""
    if name not in _PROTOCOLS:
        raise unknown("protocol", name, _PROTOCOLS)
    return _PROTOCOLS[name]


# --- protocols ----------------------------------------------------------------------------------------------


def speakers(table: pd.DataFrame, *, n_folds: int = 5, seed: int = 0) -> Split:
    """Each speaker in one test fold; folds as alike as can be in gender, corpus, emotions and size."""
    who, y = speakers_of(table, "speakers"), emotions_of(table)
    n_speakers = len(set(who))
    if n_speakers < 2:
        raise ExperimentError(_ONE_SPEAKER.format(who[0]))
    if not 2 <= n_folds <= n_speakers:
        raise ExperimentError(
            f"{n_folds} folds can't be made of {n_speakers} speakers; use 2 to {n_speakers} folds, "
            "or the protocol loso."
        )
    check_lone_emotions(who, y)
    rng = np.random.default_rng(seed)
    fold = deal_speakers(codes_of(who), codes_of(y), _balanced(table), n_folds, rng)
    if fold is None:
        raise ExperimentError(
            f"No {n_folds} folds of the {n_speakers} speakers leave every emotion something to train on; "
            "use fewer folds, or leave out the rarest emotion."
        )
    return make_split(table, "speakers", f"{n_folds} folds", folds_of(fold, n_folds))


def loso(table: pd.DataFrame) -> Split:
    """Leave one speaker out: as many folds as speakers, in the order of their names."""
    who, y = speakers_of(table, "loso"), emotions_of(table)
    n_speakers = len(set(who))
    if n_speakers < 2:
        raise ExperimentError(_ONE_SPEAKER.format(who[0]))
    check_lone_emotions(who, y)
    return make_split(table, "loso", f"{n_speakers} folds", folds_of(codes_of(who), n_speakers))


def official(table: pd.DataFrame, *, folds: Sequence[Collection[str]] = ()) -> Split:
    """The test folds that a corpus's owner or a benchmark has published, as lists of speakers.

    Speakers may be written as in the table (``ravdess/07``) or without the corpus (``07``). All speakers of
    the table, which must be of one corpus, have to be listed; listed speakers that the table lacks become a
    note, and part of the description.
    """
    who = speakers_of(table, "official")
    corpora = sorted(set(table["corpus"]))
    if len(corpora) > 1 or not folds:
        reason = (
            f"Official folds belong to one corpus, but the table has {', '.join(corpora)}"
            if len(corpora) > 1
            else f"No official folds are known for {corpora[0]}"
        )
        raise ExperimentError(f"{reason}; use the protocol speakers or loso.")
    listed = [{_global(name, corpora[0]) for name in fold} for fold in folds]
    everyone, present = set().union(*listed), set(who)
    _check_official(corpora[0], listed, present)
    number = {name: i for i, fold in enumerate(listed) for name in fold}
    rows = folds_of(np.array([number[name] for name in who]), len(listed))
    absent = sorted(everyone - present)
    if not absent:
        return make_split(table, "official", f"{len(listed)} folds", rows)
    size = f"{len(listed)} folds, {len(present)} of {len(everyone)} speakers"
    return make_split(table, "official", size, rows, (f"The table lacks {some(absent)} of the official folds.",))


def _global(name: str, corpus: str) -> str:
    return name if "/" in name else f"{corpus}/{name}"


def _check_official(corpus: str, listed: list[set[str]], present: set[str]) -> None:
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


def holdout(
    table: pd.DataFrame,
    *,
    test_size: float | None = None,
    test_speakers: Collection[str] | None = None,
    seed: int = 0,
) -> Split:
    """One test fold: the ``test_speakers``, or the share ``test_size`` (0.25) of all speakers, at least one
    and not all, drawn by ``seed`` to resemble the rest in gender and emotions."""
    who, y = speakers_of(table, "holdout"), emotions_of(table)
    everyone = sorted(set(who))
    if len(everyone) < 2:
        raise ExperimentError(_ONE_SPEAKER.format(who[0]))
    if test_speakers is not None:
        if test_size is not None:
            raise ConfigError("Give the holdout either test_speakers or test_size, not both.")
        chosen = _named(test_speakers, everyone)
    else:
        chosen = _drawn(table, 0.25 if test_size is None else test_size, who, y, seed)
    test = np.isin(who.astype(str), chosen)
    size = f"{len(chosen)} of {len(everyone)} speakers"
    return make_split(table, "holdout", size, ((np.flatnonzero(~test), np.flatnonzero(test)),))


def given(table: pd.DataFrame) -> Split:
    """The corpus's own partition, from the column ``split``: train, dev (or validation) and test.

    Each distinct value that starts with ``test`` (``test1``, ``test2``) is a fold; all rows called train, dev
    or validation are trained on. Rows without a value are left out, and a note says how many.
    """
    emotions_of(table)
    if "split" not in table or table["split"].isna().all():
        raise ExperimentError("The table has no column 'split' with values; use another protocol, such as speakers.")
    part = table["split"].fillna("").astype(str).str.lower().to_numpy()
    tests = sorted({value for value in part if value.startswith("test")})
    strange = sorted(set(part) - set(tests) - set(_TRAINING) - {""})
    train = np.flatnonzero(np.isin(part, _TRAINING))
    if strange or not tests or not len(train):
        raise ExperimentError(
            "The column 'split' must call rows train, dev, validation or test..., some of them train and "
            f"some test, but its values are: {', '.join(sorted(set(part) - {''}))}."
        )
    left_out = int((part == "").sum())
    notes = (f"{left_out} rows without a value in the column 'split' are left out.",) if left_out else ()
    folds = tuple((train, np.flatnonzero(part == value)) for value in tests)
    return make_split(table, "given", f"{len(folds)} test part{'s' * (len(folds) > 1)}", folds, notes)


def random(
    table: pd.DataFrame,
    *,
    n_folds: int | None = None,
    test_size: float | None = None,
    repeats: int | None = None,
    seed: int = 0,
) -> Split:
    """Rows at random, so that each speaker is on both sides: comparable with tutorials, not with life.

    ``n_folds`` (5) folds with the emotions balanced; or, with ``test_size``, ``repeats`` (1) splits with the
    seeds ``seed``, ``seed + 1``, ...: each is scikit-learn's ``train_test_split(..., test_size=test_size,
    random_state=seed)`` over the rows in their order, to the last index. It needs the extra ``train``.
    """
    y = emotions_of(table)
    if test_size is None:
        if repeats is not None:
            raise ConfigError("repeats belongs to test_size: give a test_size, such as 0.25, or n_folds alone.")
        n_folds = 5 if n_folds is None else n_folds
        if not 2 <= n_folds <= len(y):
            raise ExperimentError(f"{n_folds} folds can't be made of {len(y)} rows; use 2 folds to {len(y)}.")
        fold = deal_rows(codes_of(y), n_folds, np.random.default_rng(seed))
        return make_split(table, "random", f"{n_folds} folds", folds_of(fold, n_folds))
    if n_folds is not None:
        raise ConfigError("Give the random protocol either n_folds or test_size, not both.")
    repeats = 1 if repeats is None else repeats
    if repeats < 1:
        raise ConfigError(f"repeats must be 1 or more, not {repeats}.")
    _check_share(test_size)
    if int(np.ceil(test_size * len(y))) >= len(y):
        raise ExperimentError(f"A test share of {test_size:g} leaves none of the {len(y)} rows to train on.")
    cut = require("sklearn.model_selection", extra="train").train_test_split
    folds = tuple(cut(np.arange(len(y)), test_size=test_size, random_state=seed + i) for i in range(repeats))
    how = f"1 split, seed {seed}" if repeats == 1 else f"{repeats} splits"
    return make_split(table, "random", f"{how}, {100 * test_size:g} % test", tuple((a, b) for a, b in folds))


_PROTOCOLS: dict[str, Callable[..., Split]] = {
    "speakers": speakers,
    "loso": loso,
    "official": official,
    "holdout": holdout,
    "given": given,
    "random": random,
}
_TRAINING = ("train", "dev", "development", "val", "valid", "validation")
_ONE_SPEAKER = (
    "All rows are of one speaker ({}), so nobody is left to test on; the protocol random works, and its "
    "score will say that speakers are shared."
)


def _balanced(table: pd.DataFrame) -> tuple[Ints, ...]:
    """What folds should have alike besides emotions and size."""
    return codes_of(genders_of(table)), codes_of(table["corpus"])


def _named(wanted: Collection[str], everyone: list[str]) -> list[str]:
    """The speakers of the table that ``wanted`` names, in full or without the corpus."""
    chosen: list[str] = []
    for name in wanted:
        found = [speaker for speaker in everyone if name in (speaker, speaker.partition("/")[2])]
        if len(found) != 1:
            raise ExperimentError(
                f"The test speaker {name!r} is {'in several corpora' if found else 'not in the table'}; "
                f"its speakers are: {some(found or everyone)}."
            )
        chosen += found
    if not chosen or len(set(chosen)) == len(everyone):
        raise ExperimentError(
            f"The test speakers must be some of the table's {len(everyone)}, not {len(set(chosen))} of them."
        )
    return sorted(set(chosen))


def _drawn(table: pd.DataFrame, test_size: float, who: Names, y: Names, seed: int) -> list[str]:
    _check_share(test_size)
    check_lone_emotions(who, y)
    everyone = sorted(set(who))
    n_test = min(max(round(test_size * len(everyone)), 1), len(everyone) - 1)
    sizes = np.array([n_test, len(everyone) - n_test])
    shares = traits(codes_of(who), codes_of(y), *_balanced(table))
    fold = deal_groups(shares, sizes / len(everyone), np.random.default_rng(seed), capacity=sizes)
    return [name for name, side in zip(everyone, fold, strict=True) if side == 0]


def _check_share(test_size: float) -> None:
    if not 0 < test_size < 1:
        raise ConfigError(f"test_size is the share held out, between 0 and 1, such as 0.25, not {test_size}.")
