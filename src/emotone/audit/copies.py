"""Findings about the sound itself: copies, labels that contradict each other, levels."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from emotone import corpora
from emotone.audit.alike import SAME_SOUND
from emotone.audit.finding import Finding, Pair, Severity, are, share
from emotone.audit.sounds import Double, Sounds
from emotone.corpora.reading import match_name, several, utterance_name

if TYPE_CHECKING:
    import pandas as pd

    from emotone.splits import Split

__all__ = ["about_sounds"]


def about_sounds(table: pd.DataFrame, sounds: Sounds, split: Split | None) -> Iterator[Finding]:
    """All findings of this file."""
    yield from _unreadable(sounds)
    yield from _copies_between(sounds, split) if split is not None else _copies(table, sounds)
    yield from _doubles(sounds, split)
    yield from _conflicts(table, sounds)
    yield from _two_names(table, sounds)
    yield from _levels(table, sounds)
    if sounds.n_unheard:
        yield Finding(
            "duplicates",
            "note",
            f"{sounds.n_unheard:,} more pairs of recordings are somewhat alike and were not compared in full.",
        )


def _unreadable(sounds: Sounds) -> Iterator[Finding]:
    if sounds.failures:
        first = sounds.failures[0]
        n = share(len(sounds.failures), len(sounds.names))
        text = f"{n} recordings can't be read and weren't audited. The first: {first.reason}"
        yield Finding("unreadable", "error", text, files=tuple(sounds.names[each.row] for each in sounds.failures))


# --- copies -----------------------------------------------------------------------------------------------------------


def _copies_between(sounds: Sounds, split: Split) -> Iterator[Finding]:
    """Copies in train and test of one fold, and those that are always on one side."""
    group_of = np.full(len(sounds.names), -1)
    for number, group in enumerate(sounds.groups):
        group_of[list(group)] = number
    crossing: set[int] = set()
    n_copied = n_tested = 0
    for train, test in split.folds:
        trained = np.unique(group_of[train])
        copied = np.isin(group_of[test], trained[trained >= 0])
        crossing |= set(group_of[test[copied]].tolist())
        n_copied += int(copied.sum())
        n_tested += len(test)
    if crossing:
        alike = [group for number, group in enumerate(sounds.groups) if number in crossing]
        text = (
            f"{share(n_copied, n_tested)} tested recordings are trained on too, under another name: "
            f"{_told(sounds, alike)}. Keep one of each before splitting."
        )
        brief = f"{n_copied:,} cop{'y' if n_copied == 1 else 'ies'} in train and test"
        yield _finding("duplicates", "error", text, sounds, alike, inflates=True, brief=brief)
    # Rows outside every fold, as those without a partition, are no concern of this score.
    used = set(np.concatenate([rows for fold in split.folds for rows in fold]).tolist())
    inside = [
        group for number, group in enumerate(sounds.groups) if number not in crossing and len(used & set(group)) > 1
    ]
    if inside:
        text = (
            f"{are(len(inside), 'recording')} there more than once, never on both sides of a fold: "
            f"{_told(sounds, inside)}. They count several times; keep one of each."
        )
        yield _finding("duplicates", "note", text, sounds, inside)


def _copies(table: pd.DataFrame, sounds: Sounds) -> Iterator[Finding]:
    """Copies in a table that isn't split yet; what every copy of a published corpus has is told apart."""
    known = [group for group in sounds.groups if _is_known_fault(table, group)]
    new = [group for group in sounds.groups if group not in known]
    if new:
        n = sum(len(group) - 1 for group in new)
        text = (
            f"{are(len(new), 'recording')} there more than once, {n:,} cop{'y' if n == 1 else 'ies'} in all: "
            f"{_told(sounds, new)}. Split apart, they are tested on what was trained on: keep one of each."
        )
        brief = f"{n:,} cop{'y' if n == 1 else 'ies'}, wherever train and test part them"
        yield _finding("duplicates", "error", text, sounds, new, inflates=True, brief=brief)
    if known:
        text = (
            f"{are(len(known), 'recording')} there under two names, a known fault of the corpus: "
            f"{_told(sounds, known)}. Keep one of each."
        )
        yield _finding("duplicates", "warning", text, sounds, known)


def _doubles(sounds: Sounds, split: Split | None) -> Iterator[Finding]:
    """Files of one name: emotone reads one, others read all."""
    same = [double for double in sounds.doubles if double.similarity >= SAME_SOUND]
    other = [double for double in sounds.doubles if double.similarity < SAME_SOUND]
    if same:
        n = len({double.row for double in same})
        text = (
            f"{share(n, len(sounds.names))} recordings are there again in other folders or formats: "
            f"{_of_doubles(sounds, same)}. emotone reads each once; a program that reads every file tests on what it "
            f"trained on. Remove the copies."
        )
        yield Finding(
            "doubled",
            "warning" if split is not None else "error",
            text,
            inflates=split is None,
            brief="" if split is not None else f"{len(same):,} files that are there twice, in programs that read all",
            files=tuple(double.file for double in same),
            pairs=tuple(Pair(sounds.names[each.row], each.file, each.similarity) for each in same),
        )
    if other:
        text = (
            f"{are(len(other), 'name')} there again with another sound: {_of_doubles(sounds, other)}. Find out which "
            "is right and remove the other."
        )
        yield Finding("doubled", "error", text, files=tuple(double.file for double in other))


def _of_doubles(sounds: Sounds, doubles: Sequence[Double]) -> str:
    return several((f"{sounds.names[each.row]} = {each.file}" for each in doubles), shown=1)


def _is_known_fault(table: pd.DataFrame, group: Iterable[int]) -> bool:
    for row in group:
        name = table["corpus"].iloc[row]
        if name not in corpora.names():
            return False
        corpus = corpora.get(name)
        match = match_name(corpus, str(table["file"].iloc[row])) if corpus.pattern else None
        if match is None or utterance_name(match) not in corpus.known_faults:
            return False
    return True


def _told(sounds: Sounds, groups: Sequence[Sequence[int]]) -> str:
    """``a.wav = b.wav, c.wav = d.wav and 5 more``"""
    return several((" = ".join(_short(sounds, group)) for group in groups), shown=2)


def _short(sounds: Sounds, group: Sequence[int]) -> list[str]:
    """The names of a group, three at most, without their folders where they differ all the same."""
    names = _last_parts([sounds.names[row] for row in group])
    return names if len(names) <= 4 else [*names[:3], f"{len(names) - 3} more"]


def _finding(
    kind: str,
    severity: Severity,
    text: str,
    sounds: Sounds,
    groups: Sequence[Sequence[int]],
    *,
    inflates: bool = False,
    brief: str = "",
) -> Finding:
    rows = {row for group in groups for row in group}
    return Finding(
        kind,
        severity,
        text,
        inflates=inflates,
        brief=brief,
        files=tuple(sounds.names[row] for row in sorted(rows)),
        pairs=tuple(Pair(sounds.names[a], sounds.names[b], alike) for a, b, alike in sounds.pairs if a in rows),
    )


# --- what is said about one sound -------------------------------------------------------------------------------------


def _conflicts(table: pd.DataFrame, sounds: Sounds) -> Iterator[Finding]:
    """One sound, two emotions."""
    emotions = table["emotion"].to_numpy(dtype=object)
    known_emotion = table["emotion"].notna().to_numpy()
    torn = [group for group in sounds.groups if len({emotions[row] for row in group if known_emotion[row]}) > 1]
    sorted_out: tuple[tuple[list[tuple[int, ...]], Severity, str], ...] = (
        ([group for group in torn if not _is_known_fault(table, group)], "error", ""),
        ([group for group in torn if _is_known_fault(table, group)], "warning", ", a known fault of the corpus"),
    )
    for groups, severity, origin in sorted_out:
        if groups:
            told = several((_contradiction(sounds, group, emotions) for group in groups), shown=2)
            text = (
                f"{are(len(groups), 'recording')} labelled with different emotions{origin}: {told}. No answer is right "
                "for both: leave them out, or find out which label is right."
            )
            yield _finding("conflicting", severity, text, sounds, groups)


def _contradiction(sounds: Sounds, group: Sequence[int], emotions: NDArray[np.object_]) -> str:
    """``a.wav (angry) = b.wav (sad)``"""
    named = zip(_short(sounds, group), group, strict=False)
    return " = ".join(f"{name} ({emotions[row]})" for name, row in named)


def _two_names(table: pd.DataFrame, sounds: Sounds) -> Iterator[Finding]:
    """One sound, two speakers: perhaps one person under two names."""
    speakers = table["speaker"].to_numpy(dtype=object)
    named = table["speaker"].notna().to_numpy()
    who = [sorted({str(speakers[row]) for row in group if named[row]}) for group in sounds.groups]
    groups = [group for group, people in zip(sounds.groups, who, strict=True) if len(people) > 1]
    if groups:
        together = Counter(" = ".join(people) for people in who if len(people) > 1)
        text = (
            f"{are(len(groups), 'recording')} filed under several speakers: {several(together)}. If they are one "
            "person, give them one name, or a split by speakers will part them."
        )
        yield _finding("identity", "warning", text, sounds, groups)


# --- levels -----------------------------------------------------------------------------------------------------------

_LEVELS: tuple[tuple[str, Severity, str, str], ...] = (
    ("silent", "warning", "silent", "There is nothing to learn from or to test: leave them out."),
    ("too_short", "warning", "too short to hold speech", "Leave them out."),
    ("clipped", "note", "clipped", "Distortion sounds like arousal."),
    ("low_level", "note", "very quiet", "Listen to some of them."),
)


def _levels(table: pd.DataFrame, sounds: Sounds) -> Iterator[Finding]:
    for flag, severity, what, cure in _LEVELS:
        rows = np.flatnonzero(sounds.flags[flag])
        if len(rows):
            files = tuple(sounds.names[row] for row in rows)
            text = f"{are(len(rows), 'recording')} {what}{_mostly(table, rows)}: {several(_last_parts(files))}. {cure}"
            yield Finding(flag, severity, text, files=files)


def _last_parts(files: Sequence[str]) -> list[str]:
    """Without folders, where that leaves them distinct."""
    last = [file.rpartition("/")[2] for file in files]
    return last if len(set(last)) == len(files) else list(files)


def _mostly(table: pd.DataFrame, rows: NDArray[np.int64]) -> str:
    """`` (82 % of them angry)``, where one emotion has most of many."""
    counts = Counter(table["emotion"].iloc[rows].dropna())
    emotion, n = counts.most_common(1)[0] if counts else ("", 0)
    return f" ({100 * n / len(rows):.0f} % of them {emotion})" if len(rows) >= 10 and n * 2 > len(rows) else ""
