"""Protocols: who is trained on and who is tested on, and what the two sides share.

============  =======================================================================  =========
protocol      test folds                                                               speakers
============  =======================================================================  =========
``speakers``  groups of speakers, alike in gender, emotions and size (the default)     unseen
``loso``      one speaker each                                                         unseen
``official``  the lists of speakers that a corpus's owner or a benchmark published     unseen
``holdout``   one group of speakers, named or drawn                                    unseen
``given``     the rows that the table's column ``split`` calls test                    as found
``corpora``   one corpus each, over the emotions that all have                         unseen
``across``    some corpora, trained on others, over the emotions that both have        unseen
``sentences`` groups of sentences                                                      as found
``file``      those of a split that was saved                                          as found
``random``    rows at random                                                           shared
============  =======================================================================  =========

The last column is what to expect. What train and test share is looked up in the table, never assumed, and whatever
way a `Split` was come by, its description ends with it.
"""

from __future__ import annotations

import inspect
from collections.abc import Callable, Collection
from typing import TYPE_CHECKING, Any

import numpy as np

from emotone.errors import ConfigError, ExperimentError, require, unknown
from emotone.splits._crossing import across, corpora
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
from emotone.splits._files import document, file, load, read, save, write
from emotone.splits._published import given, official
from emotone.splits._table import (
    Split,
    check_lone_emotions,
    emotions_of,
    fingerprint,
    genders_of,
    of_folds,
    sentences_of,
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
    "across",
    "corpora",
    "document",
    "file",
    "fingerprint",
    "get",
    "given",
    "holdout",
    "inner_folds",
    "load",
    "loso",
    "names",
    "of_folds",
    "official",
    "random",
    "read",
    "save",
    "sentences",
    "speakers",
    "split",
    "write",
]


def split(table: pd.DataFrame, protocol: str = "speakers", **options: Any) -> Split:
    """The folds of ``protocol`` (one of `names`) over ``table``, every row of which must have an emotion.

    ``options`` are those of the function of that name (`get`), and None means its default. Raises `ConfigError` for
    an option that the protocol doesn't have (except a seed: some have nothing to draw), `ExperimentError` for
    a table that can't be split so.
    """
    chosen = get(protocol)
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
    return of_folds(table, "speakers", f"{n_folds} folds", folds_of(fold, n_folds))


def loso(table: pd.DataFrame) -> Split:
    """Leave one speaker out: as many folds as speakers, in the order of their names."""
    who, y = speakers_of(table, "loso"), emotions_of(table)
    n_speakers = len(set(who))
    if n_speakers < 2:
        raise ExperimentError(_ONE_SPEAKER.format(who[0]))
    check_lone_emotions(who, y)
    return of_folds(table, "loso", f"{n_speakers} folds", folds_of(codes_of(who), n_speakers))


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
    return of_folds(table, "holdout", size, ((np.flatnonzero(~test), np.flatnonzero(test)),))


def sentences(table: pd.DataFrame, *, n_folds: int | None = None, seed: int = 0) -> Split:
    """Each sentence (the column ``text``) in one test fold, speakers as they fall; at most five folds unless told.

    Where everybody says everything, as in acted corpora, the speakers are on both sides.
    """
    said, y = sentences_of(table), emotions_of(table)
    n_sentences = len(set(said))
    n_folds = min(5, n_sentences) if n_folds is None else n_folds
    if not 2 <= n_folds <= n_sentences:
        raise ExperimentError(
            f"{n_folds} folds can't be made of {n_sentences} sentences; use 2 to {n_sentences} folds."
        )
    check_lone_emotions(said, y)
    fold = deal_speakers(codes_of(said), codes_of(y), _balanced(table), n_folds, np.random.default_rng(seed))
    if fold is None:
        raise ExperimentError(
            f"No {n_folds} folds of the {n_sentences} sentences leave every emotion something to train on; "
            "use fewer folds, or leave out the rarest emotion."
        )
    return of_folds(table, "sentences", f"{n_folds} folds of unseen sentences", folds_of(fold, n_folds))


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
        return of_folds(table, "random", f"{n_folds} folds", folds_of(fold, n_folds))
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
    return of_folds(table, "random", f"{how}, {100 * test_size:g} % test", tuple((a, b) for a, b in folds))


_PROTOCOLS: dict[str, Callable[..., Split]] = {
    "speakers": speakers,
    "loso": loso,
    "official": official,
    "holdout": holdout,
    "given": given,
    "corpora": corpora,
    "across": across,
    "sentences": sentences,
    "file": file,
    "random": random,
}
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
