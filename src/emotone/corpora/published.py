"""Published folds of one corpus, or of several side by side: from the facts in the records to what a split needs."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any

from emotone.corpora.record import Corpus, Folds
from emotone.errors import ExperimentError, unknown

__all__ = ["published_folds"]


def published_folds(records: Sequence[Corpus], wanted: str, speakers: Iterable[str]) -> dict[str, Any]:
    """The list of folds called ``wanted`` as options of `emotone.splits.official`: ``folds`` or ``column``.

    Fold after fold, those of several corpora are joined; a corpus that borrows another's speakers goes with it.
    ``speakers`` are those of the table, among whom sessions find theirs. Raises `ConfigError` for a list that a corpus
    doesn't have, `ExperimentError` where there is none, where its rows aren't known, or where several don't fit.
    """
    present = sorted(set(speakers))
    borrowed = {record.name for record in records if record.people_of in {other.name for other in records}}
    lists = {record.name: _list_of(record, wanted) for record in records if record.name not in borrowed}
    columns = {folds.column for folds in lists.values()}
    if len(columns) > 1:
        told = "; ".join(f"{name}: {_kind(folds)}" for name, folds in lists.items())
        raise ExperimentError(
            f"The official folds of these corpora can't be joined, for they are of different kinds ({told}); "
            "use the protocol speakers, or one corpus at a time."
        )
    if columns != {""}:
        return {"column": columns.pop()}
    tested = {name: _test_speakers(name, folds, present) for name, folds in lists.items()}
    if len({len(folds) for folds in tested.values()}) > 1:
        told = ", ".join(f"{name} has {len(folds)}" for name, folds in tested.items())
        raise ExperimentError(
            f"The official folds of these corpora can't be joined, for they aren't equally many: {told}. Choose "
            "another list where a corpus has several, use the protocol speakers, or one corpus at a time."
        )
    return {"folds": [sum(together, ()) for together in zip(*tested.values(), strict=True)]}


def _list_of(record: Corpus, wanted: str) -> Folds:
    if not record.official:
        raise ExperimentError(f"No official folds are known for {record.name}; use the protocol speakers or loso.")
    if wanted not in record.official:
        raise unknown(f"list of folds of {record.name}", wanted, record.official)
    folds = record.official[wanted]
    if not folds.known:
        known = folds.state.replace("leaking", "leak", 1) if folds.disjoint is False else "are known by name only"
        raise ExperimentError(
            f"The published folds of {record.name} ({folds.source}) {known}. Their rows aren't held here; use the "
            f"protocol {folds.instead}, or give the rows as a split file with the protocol file."
        )
    return folds


def _kind(folds: Folds) -> str:
    return f"the column {folds.column!r}" if folds.column else "lists of speakers"


def _test_speakers(name: str, folds: Folds, present: list[str]) -> tuple[tuple[str, ...], ...]:
    if folds.test_speakers:
        return folds.test_speakers
    found = tuple(tuple(who for who in present if who.startswith(sessions)) for sessions in folds.test_sessions)
    for sessions, who in zip(folds.test_sessions, found, strict=True):
        if not who:
            raise ExperimentError(
                f"The table has nobody of {' and '.join(sessions)}, an official fold of {name}; complete the corpus, "
                "or use the protocol speakers."
            )
    return found
