"""Findings about who and what is where: in train and in test, or in the table at all."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from emotone.audit.finding import Finding, percent, share
from emotone.corpora.reading import several
from emotone.labels import in_order

if TYPE_CHECKING:
    import pandas as pd

    from emotone.splits import Split

__all__ = ["about_sides", "about_table"]

_UNEVEN = 3.0
"""The commonest emotion has so many times the rows of the rarest."""
_FEW = 5
"""Rows of an emotion in a test fold: one more right answer moves its recall by 20 points."""
_GENDER_GAP = 0.25
"""Difference of the share of women between train and test."""


def about_table(table: pd.DataFrame) -> Iterator[Finding]:
    """What is true of the table however it is split."""
    nameless = int(table["speaker"].isna().sum())
    if nameless:
        text = (
            f"The speaker of {share(nameless, len(table))} recordings isn't known, so nobody can tell whether they are "
            "in train and test. Fill in the column speaker."
        )
        yield Finding("unknown_speakers", "warning", text, files=_files(table, table["speaker"].isna().to_numpy()))
    elif table["speaker"].nunique() == 1:
        text = (
            f"All recordings are of one speaker, {table['speaker'].iloc[0]}: no score on unseen speakers is possible."
        )
        yield Finding("one_speaker", "warning", text)
    counts = table["emotion"].value_counts()
    unlabelled = int(table["emotion"].isna().sum())
    if unlabelled:
        text = f"{share(unlabelled, len(table))} recordings have no emotion and can't be trained on or scored."
        yield Finding("unlabelled", "note", text, files=_files(table, table["emotion"].isna().to_numpy()))
    if len(counts) == 1:
        yield Finding(
            "one_emotion", "warning", f"All recordings are {counts.index[0]}: there is nothing to tell apart."
        )
    elif len(counts) and counts.iloc[0] >= _UNEVEN * counts.iloc[-1]:
        text = (
            f"Emotions are uneven: {counts.iloc[0]:,} recordings are {counts.index[0]}, {counts.iloc[-1]:,} "
            f"{counts.index[-1]}. Report UAR; plain accuracy rewards guessing {counts.index[0]}."
        )
        yield Finding("imbalance", "note", text)
    yield from _genders(table)


def _genders(table: pd.DataFrame) -> Iterator[Finding]:
    if "gender" not in table or table["speaker"].nunique() < 2:
        return
    people = table.dropna(subset=["speaker", "gender"]).drop_duplicates("speaker")["gender"].value_counts()
    if len(people) == 1:
        text = f"All {people.iloc[0]} speakers are {people.index[0]}: nothing is learnt or said about other voices."
        yield Finding("gender", "warning", text)
    elif len(people) and people.iloc[0] >= _UNEVEN * people.iloc[-1]:
        text = (
            f"{people.iloc[0]} speakers are {people.index[0]}, {people.iloc[-1]} {people.index[-1]}: score each alone."
        )
        yield Finding("gender", "note", text)


def _files(table: pd.DataFrame, chosen: NDArray[np.bool_]) -> tuple[str, ...]:
    from emotone.audit.sounds import names_of

    return names_of(table[chosen])


# --- between train and test -------------------------------------------------------------------------------------------


def about_sides(table: pd.DataFrame, split: Split) -> Iterator[Finding]:
    """What the train and test sides of the folds share, and how unlike they are."""
    yield from _speakers(table, split)
    yield from _recordings(table, split)
    yield from _sentences(table, split)
    yield from _absent_emotions(table, split)
    yield from _one_gender(table, split)


def _shared(values: NDArray[Any], known: NDArray[np.bool_], split: Split) -> tuple[int, int, set[Any], set[Any]]:
    """How many tested rows have a value that is trained on too, and how many are tested; those values, and all that
    are tested."""
    n_shared = n_tested = 0
    both: set[Any] = set()
    tested: set[Any] = set()
    for train, test in split.folds:
        trained = set(values[train[known[train]]])
        here = [value for value, sure in zip(values[test], known[test], strict=True) if sure]
        both |= trained & set(here)
        tested |= set(here)
        n_shared += sum(value in trained for value in here)
        n_tested += len(test)
    return n_shared, n_tested, both, tested


def _speakers(table: pd.DataFrame, split: Split) -> Iterator[Finding]:
    who = table["speaker"].to_numpy(dtype=object)
    n, of, both, tested = _shared(who, table["speaker"].notna().to_numpy(), split)
    if both:
        text = (
            f"{len(both)} of {len(tested)} tested speakers are trained on too ({percent(n, of)} of the "
            "tested recordings): the score is for voices that are known. Use the protocol speakers, loso or official."
        )
        brief = f"{len(both)} of {len(tested)} speakers in train and test"
        yield Finding("speakers", "error", text, inflates=True, brief=brief, files=tuple(sorted(map(str, both))))


def _recordings(table: pd.DataFrame, split: Split) -> Iterator[Finding]:
    """Parts of one file on both sides: the same room, hour and often speaker."""
    key = (table["corpus"].astype(str) + "/" + table["file"].astype(str)).to_numpy(dtype=object)
    n, of, both, _ = _shared(key, np.ones(len(table), bool), split)
    if both:
        files = tuple(sorted(str(each).partition("/")[2] for each in both))
        text = (
            f"{share(n, of)} tested rows are parts of files of which other parts are trained on: {several(files)}. "
            "Keep all parts of a file on one side."
        )
        brief = f"{len(files):,} file{'s' * (len(files) > 1)} with parts in train and test"
        yield Finding("recordings", "error", text, inflates=True, brief=brief, files=files)


def _sentences(table: pd.DataFrame, split: Split) -> Iterator[Finding]:
    if "text" not in table:
        return
    n, of, both, tested = _shared(table["text"].to_numpy(dtype=object), table["text"].notna().to_numpy(), split)
    if both:
        text = (
            f"{len(both):,} of {len(tested):,} tested sentences are trained on too ({percent(n, of)} of the "
            "tested recordings): the score is for known words."
        )
        yield Finding("sentences", "note", text)


def _absent_emotions(table: pd.DataFrame, split: Split) -> Iterator[Finding]:
    """Emotions that a test fold lacks or hardly has, where the table has them."""
    emotions = table["emotion"].to_numpy(dtype=object)
    used = np.concatenate([rows for fold in split.folds for rows in fold])
    everything = split.labels or in_order(table["emotion"].iloc[used].dropna())
    absent, few = [], []
    for number, (_, test) in enumerate(split.folds, start=1):
        counts = {emotion: int((emotions[test] == emotion).sum()) for emotion in everything}
        absent += [f"{emotion} in fold {number}" for emotion, n in counts.items() if n == 0]
        if table["speaker"].iloc[test].nunique() > 1:  # nobody expects much of one speaker's fold
            few += [f"{n} {emotion} in fold {number}" for emotion, n in counts.items() if 0 < n < _FEW]
    if absent:
        text = f"Test folds lack emotions ({several(absent)}): their own UAR is over fewer emotions. Use fewer folds."
        yield Finding("imbalance", "warning", text)
    if few:
        text = (
            f"Test folds hardly have some emotions ({several(few)}): trust the score over all folds, not each fold's."
        )
        yield Finding("imbalance", "note", text)


def _one_gender(table: pd.DataFrame, split: Split) -> Iterator[Finding]:
    """Test folds of several speakers of one gender, or with another mixture than their training."""
    if "gender" not in table:
        return
    known = table["gender"].notna().to_numpy() & table["speaker"].notna().to_numpy()
    female = (table["gender"] == "female").to_numpy()
    who = table["speaker"].to_numpy(dtype=object)
    single, uneven = [], []
    for number, (train, test) in enumerate(split.folds, start=1):
        train, test = train[known[train]], test[known[test]]
        if not len(train) or len(set(who[test])) < 2 or len(set(female[train]) | set(female[test])) < 2:
            continue
        if len(set(female[test])) == 1:
            single.append(f"{number} ({table['gender'].iloc[test[0]]})")
        elif abs(female[train].mean() - female[test].mean()) > _GENDER_GAP:
            uneven.append(f"{number} ({100 * female[test].mean():.0f} % female)")
    if single:
        text = (
            f"Test folds of one gender: {several(single, shown=6)}. Their scores differ by gender as well as by "
            "speaker; the protocol speakers balances both."
        )
        yield Finding("gender", "warning", text)
    if uneven:
        yield Finding(
            "gender", "note", f"Test folds with another share of women than their training: {several(uneven, shown=6)}."
        )
