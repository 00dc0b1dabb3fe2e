"""What a split is; what is read from a table to make one; what its train and test sides turn out to share."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, TypeAlias

import numpy as np

from emotone.errors import ExperimentError
from emotone.labels import in_order
from emotone.splits._dealing import codes_of

if TYPE_CHECKING:
    import pandas as pd
    from numpy.typing import NDArray

    from emotone.splits._dealing import Fold

    Names: TypeAlias = NDArray[np.object_]


@dataclass(frozen=True, kw_only=True)
class Split:
    """The folds of a protocol over the rows of one table. `of_folds` makes one, and looks up what it shares."""

    protocol: str
    size: str
    """How it was cut, in words: ``6 folds``."""
    folds: tuple[Fold, ...]
    """``(train, test)`` positions of rows, int64; to be used in this order, which may matter to a trainer."""
    shares: tuple[str, ...]
    """What some fold's train and test sides have in common: of ``speakers``, ``sentences``,
    ``recordings``."""
    speakers: str
    """``unseen``, ``shared``, or ``unknown`` where the table doesn't name all speakers."""
    held_out: tuple[dict[str, tuple[str, ...]], ...]
    """Each test fold's speakers by gender: ``{"female": ("ravdess/02", ...), "male": (...)}``"""
    notes: tuple[str, ...] = ()
    """What a reader of the score should know, one sentence each."""
    labels: tuple[str, ...] | None = None
    """The emotions that the folds have, where a protocol leaves some of the table's out; None: all of them."""
    origin: str = ""
    """Of folds from a file: how they were first made, ``official, 6 folds``."""

    @property
    def description(self) -> str:
        """For beside a score: ``official, 6 folds, speakers unseen``. No split goes without its last words."""
        return f"{self.protocol}, {self.size}, speakers {self.speakers}"


# --- what a protocol reads ----------------------------------------------------------------------------------


def emotions_of(table: pd.DataFrame) -> Names:
    """The column ``emotion``, which must be complete and name two emotions or more."""
    missing = int(table["emotion"].isna().sum())
    if missing:
        raise ExperimentError(
            f"{missing} of {len(table)} rows have no emotion; leave them out first, with labels.harmonise."
        )
    emotions: Names = table["emotion"].to_numpy(dtype=object)
    found = in_order(emotions)
    if len(found) < 2:
        raise ExperimentError(
            f"There is nothing to tell apart: the table's only emotion is {found[0]}."
            if found
            else "The table has no rows to split."
        )
    return emotions


def speakers_of(table: pd.DataFrame, protocol: str) -> Names:
    """The column ``speaker``, which must be complete and not empty."""
    who = _optional(table, "speaker")
    missing = int((who == "").sum())
    if missing or not len(who):
        raise ExperimentError(
            f"{missing} of {len(who)} rows have no speaker, so the protocol {protocol} can't keep speakers "
            "apart; fill in the column 'speaker', or use the protocol random, whose score will then say "
            "'speakers unknown'."
            if len(who)
            else "The table has no rows to split."
        )
    return who


def sentences_of(table: pd.DataFrame) -> Names:
    """The column ``text``, which must be complete and name two sentences or more."""
    said = _optional(table, "text")
    missing = int((said == "").sum())
    if missing or len(set(said)) < 2:
        raise ExperimentError(
            f"{missing} of {len(said)} rows have no text, so the protocol sentences can't keep sentences apart; fill "
            "in the column 'text', or use the protocol speakers."
            if missing or not len(said)
            else f"All rows say the same sentence ({said[0]!r}), so none is left to test on; use the protocol speakers."
        )
    return said


def genders_of(table: pd.DataFrame) -> Names:
    """The column ``gender``, ``unknown`` where there is none."""
    genders = _optional(table, "gender")
    genders[genders == ""] = "unknown"
    return genders


def _optional(table: pd.DataFrame, column: str) -> Names:
    """A column as strings, empty where missing or where the table has no such column."""
    if column not in table:
        return np.full(len(table), "", dtype=object)
    values: Names = table[column].to_numpy(dtype=object, copy=True)
    values[table[column].isna().to_numpy()] = ""
    return np.array([str(value) for value in values], dtype=object)


def check_lone_emotions(who: Names, y: Names) -> None:
    """Raise `ExperimentError` for an emotion that one speaker alone has: nobody could learn it for their
    fold."""
    for emotion in in_order(y):
        having = sorted(set(who[y == emotion]))
        if len(having) == 1:
            raise ExperimentError(
                f"Only {having[0]} has rows of {emotion}, so it can't be learnt when they are held out; "
                f"leave {emotion} out of the labels, or use the protocol random."
            )


def some(names: Sequence[str], most: int = 8) -> str:
    """``a, b, c`` or ``a, b, ... and 20 more``."""
    shown = ", ".join(names[:most])
    return shown if len(names) <= most else f"{shown} and {len(names) - most} more"


# --- what the sides share -----------------------------------------------------------------------------------


def of_folds(
    table: pd.DataFrame,
    protocol: str,
    size: str,
    folds: tuple[Fold, ...],
    *,
    notes: tuple[str, ...] = (),
    labels: tuple[str, ...] | None = None,
    origin: str = "",
) -> Split:
    """The `Split` of any ``(train, test)`` positions of rows: what they share and who is held out is looked up.

    ``protocol`` and ``size`` start its description. Raises `ExperimentError` for an emotion with nothing to train
    on.
    """
    _check_training(table, folds)
    who, genders = _optional(table, "speaker"), genders_of(table)
    shares = tuple(what for what, key in _identities(table, who).items() if _is_shared(key, folds))
    held_out = tuple(_by_gender(who[test], genders[test]) for _, test in folds)
    return Split(
        protocol=protocol,
        size=size,
        folds=folds,
        shares=shares,
        speakers="shared" if "speakers" in shares else "unknown" if (who == "").any() else "unseen",
        held_out=held_out,
        notes=notes + _notes(held_out, set(genders)) + (_SAME_RECORDINGS,) * ("recordings" in shares),
        labels=labels,
        origin=origin,
    )


_SAME_RECORDINGS = "Some recordings are on both sides: parts of them are trained on, parts are tested."


def _check_training(table: pd.DataFrame, folds: tuple[Fold, ...]) -> None:
    y = emotions_of(table)
    used = np.unique(np.concatenate([rows for fold in folds for rows in fold]))
    every = set(y[used])
    for i, (train, _) in enumerate(folds, 1):
        lacking = in_order(every - set(y[train]))
        if lacking:
            n = int((y == lacking[0]).sum())
            raise ExperimentError(
                f"Fold {i} of {len(folds)} would train on no row of {lacking[0]}, which has {n} in all; "
                f"use another seed or fewer folds, or leave {lacking[0]} out of the labels."
            )


def _identities(table: pd.DataFrame, who: Names) -> dict[str, Names]:
    """What could leak, by name: one value per row, empty where not known."""
    files = _optional(table, "file")
    return {
        "speakers": who,
        "sentences": _optional(table, "text"),
        "recordings": np.where(files == "", "", _optional(table, "corpus") + "/" + files),
    }


def _is_shared(key: Names, folds: tuple[Fold, ...]) -> bool:
    known = key != ""
    codes = codes_of(key)
    return any(len(np.intersect1d(codes[a][known[a]], codes[b][known[b]])) for a, b in folds)


def _by_gender(who: Names, genders: Names) -> dict[str, tuple[str, ...]]:
    return {
        str(gender): tuple(sorted(set(who[(genders == gender) & (who != "")])))
        for gender in sorted(set(genders[who != ""]))
    }


def _notes(held_out: tuple[dict[str, tuple[str, ...]], ...], genders: set[Any]) -> tuple[str, ...]:
    """Test folds of several speakers of one gender, where the table has more: their scores mislead."""
    if len(genders) < 2:
        return ()
    single = [(i, next(iter(fold))) for i, fold in enumerate(held_out, 1) if len(fold) == 1]
    return tuple(
        f"Test fold {i} holds only {gender} speakers." for i, gender in single if len(held_out[i - 1][gender]) > 1
    )


def fingerprint(split: Split, table: pd.DataFrame) -> str:
    """sha256 (64 hex digits) of which utterances each fold trains and tests on.

    Utterances count by corpus, file and times; the order of rows, of the table or in a fold, and of folds
    doesn't. So two scores of equal fingerprint were taken on the same split.
    """
    keys = np.array(["\t".join(key) for key in keys_of(table)], dtype=object)
    return digest([(keys[train], keys[test]) for train, test in split.folds])


Key: TypeAlias = tuple[str, str, str, str]
"""What names an utterance: corpus, file, start and end, the times in seconds to a millionth, or empty."""


def keys_of(table: pd.DataFrame) -> list[Key]:
    """The key of each row."""
    corpora, files, *times = (_optional(table, name) for name in ("corpus", "file", "start", "end"))
    starts, ends = ([f"{float(time):.6f}" if time else "" for time in column] for column in times)
    return list(zip(corpora, files, starts, ends, strict=True))


def digest(folds: Sequence[tuple[Iterable[str], Iterable[str]]]) -> str:
    """sha256 of the folds' train and test keys, tab-separated, whatever their order."""
    texts = (("\n".join(sorted(train)), "\n".join(sorted(test))) for train, test in folds)
    digests = sorted(hashlib.sha256(f"train\n{train}\ntest\n{test}".encode()).hexdigest() for train, test in texts)
    return hashlib.sha256("\n".join(digests).encode()).hexdigest()
