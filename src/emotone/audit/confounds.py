"""What gives the emotion away without a voice being heard: who speaks, what is said, where it comes from.

Each is tried as a table: for every recording, the commonest emotion among the *other* recordings of the same speaker
(sentence, gender, corpus). Its UAR, chance being one over the number of emotions, says how much a recogniser could
reach by telling speakers apart. In a design where everybody says everything in every emotion it is chance or below.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from emotone.audit.finding import Finding
from emotone.corpora.reading import several
from emotone.labels import in_order

if TYPE_CHECKING:
    import pandas as pd

    from emotone.splits import Split

__all__ = ["about_confounds", "table_uar"]

_WORTH_SAYING, _DECISIVE = 0.25, 0.5
"""Of the way from chance to all right. The 96 % told of URDU are 0.95; speakers and sentences of RAVDESS, CREMA-D,
EMO-DB and nEMO stay below chance."""
_ENOUGH = 5
"""Recordings for each emotion; with fewer, chance goes far."""
_WORDS = {"speaker": "speaker", "text": "sentence", "gender": "gender", "corpus": "corpus"}
_CURES = {
    "speaker": "Scores on these recordings measure who speaks; add recordings in which speakers have several emotions",
    "text": "A recogniser can learn the words; add recordings in which a sentence has several emotions",
    "gender": "A recogniser can learn male and female voices; score each gender alone",
    "corpus": "A recogniser can learn the rooms and microphones; score each corpus alone, or leave one out",
}


def about_confounds(table: pd.DataFrame, split: Split | None) -> Iterator[Finding]:
    """Findings about speaker, sentence, gender and corpus."""
    emotions = table["emotion"]
    for column, word in _WORDS.items():
        if column in table and table[column].nunique() > 1:
            known = (table[column].notna() & emotions.notna()).to_numpy()
            n_emotions = emotions[known].nunique()
            if n_emotions > 1 and known.sum() >= _ENOUGH * n_emotions:
                yield from _predicts(table[known], column, word, _is_shared(table, column, split))
    yield from _told_by_words(table)
    yield from _lonely(table)


def table_uar(key: NDArray[Any], emotion: NDArray[Any]) -> tuple[float, float]:
    """The UAR of guessing each row's ``emotion``, ``(n,)``, from the other rows of the same ``key``; and chance.

    Ties share the credit, and a row alone under its key is guessed at chance.
    """
    _, keys = np.unique(key.astype(str), return_inverse=True)
    names, truth = np.unique(emotion.astype(str), return_inverse=True)
    counts = np.zeros((keys.max() + 1, len(names)), np.int64)
    np.add.at(counts, (keys, truth), 1)
    others = counts[keys]
    others[np.arange(len(truth)), truth] -= 1
    best = others == others.max(axis=1, keepdims=True)  # all of them, where there are no others
    credit = best[np.arange(len(truth)), truth] / best.sum(axis=1)
    recall = np.bincount(truth, credit) / np.bincount(truth)
    return float(recall.mean()), 1 / len(names)


def _predicts(table: pd.DataFrame, column: str, word: str, shared: bool) -> Iterator[Finding]:
    uar, chance = table_uar(table[column].to_numpy(), table["emotion"].to_numpy())
    way = (uar - chance) / (1 - chance)
    if way < _WORTH_SAYING:
        return
    inflates = shared and way >= _DECISIVE
    text = (
        f"The {word} gives the emotion away: the commonest emotion of the same {word}'s other recordings is right "
        f"with a UAR of {uar:.2f} (chance {chance:.2f}). {_CURES[column]}."
    )
    brief = f"the {word}, which gives the emotion away (UAR {uar:.2f})"
    yield Finding("confounded", "error" if inflates else "warning", text, inflates=inflates, brief=brief)


def _is_shared(table: pd.DataFrame, column: str, split: Split | None) -> bool:
    """Whether some value of ``column`` is in train and test of a fold; so it may be where there is no split yet."""
    if split is None:
        return True
    values = table[column].to_numpy(dtype=object)
    known = table[column].notna().to_numpy()
    return any(bool({*values[a[known[a]]]} & {*values[b[known[b]]]}) for a, b in split.folds)


def _told_by_words(table: pd.DataFrame) -> Iterator[Finding]:
    """Sentences said often and in one emotion only."""
    if "text" not in table:
        return
    said = table.dropna(subset=["text", "emotion"]).groupby("text")["emotion"].agg(["size", "nunique", "first"])
    often = said[said["size"] >= 5]
    one = often[often["nunique"] == 1]
    if len(one) and len(one) < len(often):  # all of them: told by the table above
        told = several(f"“{text}” ({emotion})" for text, emotion in one["first"].items())
        text = f"{len(one):,} of {len(often):,} sentences are said in one emotion only: {told}."
        yield Finding("confounded", "note", text)


def _lonely(table: pd.DataFrame) -> Iterator[Finding]:
    """Emotions that one corpus of several has alone."""
    if table["corpus"].nunique() > 1:
        having = table.dropna(subset=["emotion"]).groupby("emotion")["corpus"].agg(["nunique", "first"])
        lone = having[having["nunique"] == 1]
        if len(lone):
            where = Counter(lone["first"])
            told = "; ".join(
                f"{', '.join(in_order(lone.index[lone['first'] == corpus]))} in {corpus} alone" for corpus in where
            )
            text = f"Some emotions tell the corpus: {told}. Their scores may be those of its microphone."
            yield Finding("confounded", "warning", text)
