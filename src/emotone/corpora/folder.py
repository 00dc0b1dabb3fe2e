"""Your own recordings, a folder per emotion: ``angry/a.wav``; with speakers ``anna/angry/a.wav`` or
``angry/anna/a.wav``.

The level whose names are emotions (in any common spelling) is found by itself. A level called train, test and
the like becomes the column ``split``; one further level is taken for the speakers. Without it the speakers
are unknown: such a table can be trained on, but not scored on unseen speakers.
"""

from __future__ import annotations

import math
from collections import Counter
from dataclasses import dataclass
from pathlib import Path, PurePosixPath

from emotone.corpora import words
from emotone.corpora.reading import Row, Scan, audio_files, existing_folder, likely_corpus, several
from emotone.corpora.record import Corpus
from emotone.errors import CorpusError


@dataclass(frozen=True)
class _Levels:
    """Which folder level (counted from the top) says what."""

    emotion: int
    speaker: int | None
    split: int | None


def scan(corpus: Corpus, root: Path) -> Scan:
    """Find the recordings under ``root``; their folders give emotion, speaker and split. Raises `CorpusError`
    where the folders can't be told apart."""
    existing_folder(root, corpus.name)
    files = audio_files(root)
    if not files:
        raise CorpusError(f"{root} holds no recordings; folder=ROOT expects them in a folder per emotion.")
    wrapping = _wrapping(files)
    folders = {file: PurePosixPath(file).parts[wrapping:-1] for file in files}
    levels = _levels(root, folders)
    rows = [_row(corpus, file, parts, levels) for file, parts in folders.items() if len(parts) > levels.emotion]
    read = {row["file"] for row in rows}
    return Scan(
        rows,
        names=[row["file"] for row in rows],
        strangers=tuple(file for file in files if file not in read),
        remarks=tuple(_remarks(rows, levels)),
    )


def _wrapping(files: list[str]) -> int:
    """How many folders at the top wrap everything and say nothing (``archive/data/angry/a.wav``: 2)."""
    folders = [PurePosixPath(file).parts[:-1] for file in files]
    n_wrapping = 0
    for names in zip(*folders, strict=False):  # as deep as the shallowest
        if len(set(names)) > 1 or words.is_known(names[0]):
            break
        n_wrapping += 1
    return max(0, min(n_wrapping, min(map(len, folders)) - 1))


def _levels(root: Path, folders: dict[str, tuple[str, ...]]) -> _Levels:
    depth = max(map(len, folders.values()))
    names = [Counter(parts[level] for parts in folders.values() if len(parts) > level) for level in range(depth)]
    splits = [level for level in range(depth) if all(map(words.split_named, names[level]))]
    others = [level for level in range(depth) if level not in splits]
    n_known = {level: sum(n for name, n in names[level].items() if words.is_known(name)) for level in others}
    if not any(n_known.values()):
        _refuse_other_corpora(root, folders)
        if len(others) != 1:
            found = several(sorted({name for level in others for name in names[level]}), shown=6)
            raise CorpusError(
                f"No folder in {root} is named after an emotion (found: {found or 'no folders'}). Name the "
                "folders angry, happy, ..., or give table=FILE with the columns file and emotion."
            )
    emotion = max(others, key=lambda level: n_known[level])
    rest = [level for level in others if level != emotion]
    if len(rest) > 1:
        raise CorpusError(
            f"Beside the emotions, the folders in {root} have {len(rest)} more levels "
            f"({'; '.join(several(sorted(names[level])) for level in rest)}), and only one can be the "
            "speaker. Give table=FILE with the columns file, emotion and speaker instead."
        )
    return _Levels(emotion, rest[0] if rest else None, splits[0] if splits else None)


def _refuse_other_corpora(root: Path, folders: dict[str, tuple[str, ...]]) -> None:
    other = likely_corpus(folders)
    if other:
        raise CorpusError(f"{root} has no folder per emotion; this looks like {other}. Try {other}={root}.")


def _row(corpus: Corpus, file: str, parts: tuple[str, ...], levels: _Levels) -> Row:
    label = parts[levels.emotion]
    row: Row = {"corpus": corpus.name, "file": file, "start": 0.0, "end": math.nan, "speaker": None}
    row |= {"label": label, "emotion": words.emotion_named(label)}
    if levels.speaker is not None and len(parts) > levels.speaker:
        row["speaker"] = f"{corpus.name}/{parts[levels.speaker]}"
    if levels.split is not None:
        row["split"] = words.split_named(parts[levels.split]) if len(parts) > levels.split else None
    return row


def _remarks(rows: list[Row], levels: _Levels) -> list[str]:
    remarks = []
    if levels.speaker is not None:
        speakers = sorted({row["speaker"].partition("/")[2] for row in rows if row["speaker"] is not None})
        remarks.append(f"These folders are taken for speakers: {several(speakers)}.")
    unknown = sorted({row["label"] for row in rows if not words.is_known(row["label"])})
    if unknown:
        remarks.append(f"These folders name no known emotion and keep their names: {several(unknown)}.")
    return remarks


CORPUS = Corpus(
    name="folder",
    title="Your own recordings, a folder per emotion",
    licence="yours",
    commercial=None,
    citation="",
    homepage="",
    obtain="Put recordings into folders angry, happy, ..., better speaker/emotion, and give folder=ROOT.",
    example="anna/angry/take-1.wav",
    scan=scan,
    notes=("Without a folder level for the speakers they are unknown, and no score on unseen speakers is possible.",),
)
