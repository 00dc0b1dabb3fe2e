"""Tables beside the recordings: the labels, people and votes that file names don't tell."""

from __future__ import annotations

import csv
from collections.abc import Iterable, Sequence
from pathlib import Path

from emotone.corpora.reading import Row, find_side_file
from emotone.errors import CorpusError

__all__ = ["need", "read_lines", "read_rows", "shares"]

_ENCODINGS = ("utf-8-sig", "cp1252")
"""Tables written on Windows now and then aren't UTF-8; every byte is a letter of some kind in the second."""


def read_lines(path: Path) -> list[str]:
    """The lines of a text file in UTF-8 or, failing that, in Windows's Western encoding."""
    raw = path.read_bytes()
    for encoding in _ENCODINGS:
        try:
            return raw.decode(encoding).splitlines()
        except UnicodeDecodeError:
            continue
    raise CorpusError(f"{path} isn't text; fetch it again.")


def read_rows(
    root: Path, name: str, columns: Sequence[str], *, title: str, delimiter: str = ","
) -> list[dict[str, str]]:
    """The rows of the side table ``name`` of the corpus ``title`` at ``root``; none if it isn't there. Raises
    `CorpusError` if it lacks one of the ``columns``, in whole or in a row."""
    path = find_side_file(root, name)
    if path is None:
        return []
    rows = list(csv.DictReader(read_lines(path), delimiter=delimiter))
    if not rows or any(row.get(column) is None for row in rows for column in columns):
        raise CorpusError(f"{path} lacks {title}'s columns {', '.join(columns)}; fetch it again or remove it.")
    return [{str(column).strip(): (value or "").strip() for column, value in row.items() if column} for row in rows]


def need(root: Path, name: str, title: str) -> CorpusError:
    """The error for a missing table without which there are no labels."""
    return CorpusError(
        f"The labels of {title} are in {name}, which isn't in {root}, above it or below: give the folder that holds "
        "both the recordings and the labels."
    )


def shares(ballots: Iterable[Sequence[str]], emotions: Iterable[str]) -> Row:
    """Votes as columns: ``p_<emotion>``, the fraction of the raters who chose it, for each of ``emotions``, and
    ``agreement``, the largest of these. A rater who chose several emotions splits one vote. Choices outside
    ``emotions`` don't count; nothing, if none is left."""
    sums = dict.fromkeys(emotions, 0.0)
    cast = 0
    for ballot in ballots:
        chosen = [choice for choice in ballot if choice in sums]
        cast += bool(chosen)
        for choice in chosen:
            sums[choice] += 1 / len(chosen)
    if not cast:
        return {}
    return {**{f"p_{emotion}": votes / cast for emotion, votes in sums.items()}, "agreement": max(sums.values()) / cast}
