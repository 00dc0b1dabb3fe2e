"""Emotion names, their order, the label sets, and how one set of labels becomes another.

A corpus speaks its own code (``03``, ``HAP``, ``F``); its reader keeps that in the column ``label`` and writes the
harmonised name into ``emotion``. Names outside the canonical eight (``bored``, ``contemptuous``, ...) stay there too.
`harmonise` then restricts a table to a label set, and reports what it merged and what it dropped.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from emotone.errors import ConfigError, unknown

if TYPE_CHECKING:
    import pandas as pd

__all__ = ["COLOURS", "EMOTIONS", "LABEL_SETS", "Harmonised", "colour", "harmonise", "in_order", "resolve"]

EMOTIONS = ("neutral", "calm", "happy", "sad", "angry", "fearful", "disgusted", "surprised")
"""The canonical emotions, in the order every array of scores uses."""

LABEL_SETS: dict[str, tuple[str, ...]] = {
    "eight": EMOTIONS,
    "seven": tuple(name for name in EMOTIONS if name != "calm"),
    "six": ("neutral", "happy", "sad", "angry", "fearful", "disgusted"),
    "four": ("neutral", "happy", "sad", "angry"),
    "seed": ("calm", "happy", "fearful", "disgusted"),
}
"""Named label sets. ``seed`` is the tutorial's choice; ``six`` is CREMA-D's. ``all`` (whatever the table holds) is
accepted wherever these are."""

COLOURS = {
    "neutral": "#676c71",
    "calm": "#289b84",
    "happy": "#c08f30",
    "sad": "#356ed3",
    "angry": "#d4141f",
    "fearful": "#80489d",
    "disgusted": "#28731f",
    "surprised": "#ee66b2",
}
"""One colour per canonical emotion, wherever one is drawn. They were searched for so as to stay apart in
protan, deutan and tritan vision (Machado et al. 2009) and to stand out from white and from near-black; a name
is always beside them."""

_OTHER_COLOURS = ("#8a6d52", "#4d8fa8", "#9a7f9e", "#7d8a3c")

_MERGES: dict[str, dict[str, str]] = {"four": {"excited": "happy"}}


@dataclass(frozen=True)
class Harmonised:
    """What `harmonise` gives: the table restricted to ``labels``, and how many rows were merged and dropped."""

    table: pd.DataFrame
    labels: tuple[str, ...]
    merged: dict[str, int] = field(default_factory=dict)
    """``{"excited -> happy": 12}``"""
    dropped: dict[str, int] = field(default_factory=dict)
    """``{"bored": 81}``; rows without an emotion count under ``(no emotion)``"""


def in_order(names: Iterable[str]) -> tuple[str, ...]:
    """The distinct ``names``: canonical ones first, in canonical order, then the others alphabetically."""
    given = set(names)
    return tuple(name for name in EMOTIONS if name in given) + tuple(sorted(given - set(EMOTIONS)))


def colour(emotion: str) -> str:
    """The colour of an emotion; a name outside the canonical eight always gets the same of a few others."""
    return COLOURS.get(emotion) or _OTHER_COLOURS[sum(emotion.encode()) % len(_OTHER_COLOURS)]


def resolve(labels: str | Sequence[str]) -> tuple[str, ...] | None:
    """The emotions of a label set's name or of a list of names; None for ``"all"``.

    Raises `ConfigError` for an unknown set, an empty list or a repeated name.
    """
    if isinstance(labels, str):
        if labels == "all":
            return None
        if labels not in LABEL_SETS:
            raise unknown("label set", labels, [*LABEL_SETS, "all"])
        return LABEL_SETS[labels]
    if not labels or len(set(labels)) != len(labels):
        raise ConfigError(f"Labels must be a non-empty list without repeats, not {list(labels)!r}.")
    return in_order(labels)


def harmonise(table: pd.DataFrame, to: str | Sequence[str] = "eight") -> Harmonised:
    """Restrict ``table`` to the label set ``to`` (a name, ``"all"`` or a list of emotions).

    ``labels`` of the answer holds the emotions of the set that the table really has, in canonical order. The given
    table isn't changed. Raises `ConfigError` when nothing is left, or for a name that neither the table nor the eight
    have: it is misspelt.
    """
    wanted = resolve(to)
    known = in_order([*EMOTIONS, *table["emotion"].dropna().unique()])
    for name in wanted or ():
        if name not in known:
            raise unknown("emotion", name, known)
    merges = _MERGES.get(to, {}) if isinstance(to, str) else {}
    merged_rows = table["emotion"].isin(list(merges))
    merged = {
        f"{name} -> {merges[str(name)]}": int(count)
        for name, count in table.loc[merged_rows, "emotion"].value_counts().items()
    }
    emotion = table["emotion"].replace(merges)
    keep = emotion.notna() if wanted is None else emotion.isin(list(wanted))
    dropped = {
        str(name): int(count)
        for name, count in emotion[~keep].fillna("(no emotion)").value_counts().sort_index().items()
    }
    if not keep.any():
        present = ", ".join(in_order(emotion.dropna().unique())) or "none"
        raise ConfigError(f"No utterance has a label of the set {to!r}; the emotions present are: {present}.")
    kept = table.loc[keep].assign(emotion=emotion[keep]).reset_index(drop=True)
    return Harmonised(kept, in_order(kept["emotion"].unique()), merged, dropped)
