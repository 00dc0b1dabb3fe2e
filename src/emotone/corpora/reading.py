"""From a folder to a table: find the recordings, read their names, and say clearly when it is the wrong
folder.

Copies in circulation are untidy, so reading is tolerant about where files lie and strict about what they are
called:

- Recordings are found at any depth, in any format `emotone.audio` takes; dot files and ``__MACOSX`` are
  passed over.
- An utterance is known by its name. Where one is there twice (a nested second copy, the same clip as WAV and
  MP3), it gives *one* row: a doubled corpus would put test clips into training. Lossless formats win, then
  the shallowest path, then alphabetical order; `emotone.corpora.check` names the others.
- Rows are sorted by file, so every machine gets the same table.
"""

from __future__ import annotations

import math
import os
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path, PurePosixPath
from types import ModuleType
from typing import TYPE_CHECKING, Any

from emotone.errors import CorpusError, require

if TYPE_CHECKING:
    import re

    import pandas as pd

    from emotone.corpora.record import Corpus

__all__ = [
    "COLUMNS",
    "OPTIONAL_COLUMNS",
    "Row",
    "Scan",
    "audio_files",
    "build_table",
    "decode",
    "existing_folder",
    "find_side_file",
    "in_column_order",
    "likely_corpus",
    "match_name",
    "pandas",
    "parse_name",
    "place_name",
    "scan_names",
    "several",
]

COLUMNS = ("corpus", "file", "start", "end", "speaker", "label", "emotion")
"""The columns every table has."""

OPTIONAL_COLUMNS = (
    *("gender", "age", "language", "text", "intensity", "split"),
    *("arousal", "valence", "dominance", "agreement", "n_raters"),
)
"""The columns a table has when its corpus does; after them come the raters' votes, ``p_<emotion>``."""

_LOSSLESS = (".wav", ".wave", ".flac", ".aiff", ".aif")

_LOOKED_AT = 500
"""Names compared with those of every corpus, when it is unknown which one they are of."""

Row = dict[str, Any]
"""One utterance: column to value."""


@dataclass
class Scan:
    """What a look through a corpus folder found."""

    rows: list[Row]
    """Sorted by file (and start)."""
    names: list[str]
    """The utterance name of each row, in the corpus's own spelling: ``03-01-06-01-02-01-12``."""
    doubles: dict[str, tuple[str, ...]] = field(default_factory=dict)
    """File of a row to further files of the same utterance."""
    strangers: tuple[str, ...] = ()
    """Recordings whose name isn't one of this corpus."""
    remarks: tuple[str, ...] = ()
    """What the reader had to guess or leave out, a sentence each."""


def pandas() -> ModuleType:
    """pandas, or `MissingExtra`."""
    return require("pandas", extra="train")


# ---- folders ----


def existing_folder(root: Path, corpus: str) -> Path:
    """``root``, or a `CorpusError` that says what it is instead of a folder."""
    if root.is_dir():
        return root
    if not root.exists():
        raise CorpusError(f"There is no folder {root}; give the folder that holds the recordings as {corpus}=FOLDER.")
    cure = (
        "unpack it and give the folder" if root.suffix.lower() in {".zip", ".gz", ".tar", ".tgz"} else "give its folder"
    )
    raise CorpusError(f"{root} is a file, and {corpus} is read from a folder: {cure}.")


def _walk(root: Path) -> Iterator[tuple[str, list[str]]]:
    """Folders under ``root`` with their visible files; follows links, each folder once."""
    seen: set[str] = set()
    for folder, subfolders, files in os.walk(root, followlinks=True, onerror=_refuse_unreadable):
        real = os.path.realpath(folder)
        if real in seen:
            subfolders.clear()
            continue
        seen.add(real)
        subfolders[:] = sorted(name for name in subfolders if not name.startswith(".") and name != "__MACOSX")
        yield folder, [name for name in files if not name.startswith(".")]


def _refuse_unreadable(error: OSError) -> None:
    """A folder passed over in silence would make a smaller corpus of the same name."""
    raise CorpusError(f"The folder {error.filename} can't be read: {error.strerror}.") from error


def audio_files(root: Path) -> list[str]:
    """Recordings under ``root`` at any depth: POSIX paths relative to it, sorted."""
    from emotone.audio import SUFFIXES

    found = []
    for folder, files in _walk(root):
        inside = PurePosixPath(Path(folder).relative_to(root).as_posix())
        found += [str(inside / name) for name in files if PurePosixPath(name).suffix.lower() in SUFFIXES]
    return sorted(found)


def find_side_file(root: Path, name: str) -> Path | None:
    """The side file ``name`` of the corpus at ``root``: in it, right above it (where ``root`` is the audio
    folder), or anywhere below; None if there is none. Only the last part of ``name`` counts below the
    root."""
    for candidate in (root / name, root.parent / name):
        if candidate.is_file():
            return candidate
    wanted = PurePosixPath(name).name.lower()
    for folder, files in _walk(root):
        for file in files:
            if file.lower() == wanted:
                return Path(folder, file)
    return None


# ---- names ----


def match_name(corpus: Corpus, file: str) -> re.Match[str] | None:
    """How the corpus's pattern fits a file's path, or None."""
    path = PurePosixPath(file)
    stem = corpus.misspelt.get(path.stem, path.stem)
    return corpus.matcher.search(str(path.with_name(stem)))


def utterance_name(match: re.Match[str]) -> str:
    """An utterance's name: what the pattern matched, folders included, as one word (``DC/a01`` and ``DC_a01``
    agree)."""
    return match["_name"].replace("/", "_")


def parse_name(corpus: Corpus, match: re.Match[str]) -> Row:
    """Column to value, as the groups of ``match`` say. ``emotion`` is missing for a code without an entry in
    ``labels``, ``speaker`` isn't global yet, and both are missing where names don't tell them."""
    said = {column: decode(corpus, column, code) for column, code in match.groupdict().items() if column != "_name"}
    return _completed(corpus, {"speaker": None, "label": None, **said})


def _completed(corpus: Corpus, row: Row) -> Row:
    """``row`` with the emotion of its label and what is known of its speaker."""
    speaker, label = row["speaker"], row["label"]
    speaker = None if speaker is None else _spelling(speaker, corpus.people)
    label = None if label is None else _spelling(label, corpus.labels)
    person = {} if speaker is None else corpus.people.get(speaker, {})
    emotion = None if label is None else corpus.labels.get(label)
    return {**row, "speaker": speaker, "label": label, "emotion": emotion, **person}


def decode(corpus: Corpus, column: str, code: str | None) -> Any:
    """What a matched ``code`` means in a column; itself where the corpus lists no codes for it."""
    meanings = corpus.codes.get(column, {})
    return meanings.get(_spelling(code, meanings), code) if code is not None else None


def _spelling(code: str, known: Mapping[str, object]) -> str:
    """``code`` as ``known`` spells it, should only upper and lower case differ."""
    if code in known:
        return code
    return next((key for key in known if key.lower() == code.lower()), code)


def scan_names(corpus: Corpus, root: Path, describe: Callable[[re.Match[str]], Row | None] | None = None) -> Scan:
    """Find the utterances under ``root`` by their file names.

    ``describe`` gives the columns that a side table has for a matched name, or None: the table doesn't list it,
    and it is left out. Raises `CorpusError`: no such folder, none found, none listed, or a code that the label
    map lacks.
    """
    existing_folder(root, corpus.name)
    found: dict[str, list[str]] = {}
    matches: dict[str, re.Match[str]] = {}
    strangers = []
    files = audio_files(root)
    for file in files:
        match = match_name(corpus, file)
        if match is None:
            strangers.append(file)
        else:
            found.setdefault(utterance_name(match).lower(), []).append(file)
            matches[file] = match
    if not found:
        raise _nothing_found(corpus, root, files)
    kept = {min(copies, key=_preference): copies for copies in found.values()}
    parsed = {file: parse_name(corpus, matches[file]) for file in sorted(kept)}
    remarks: tuple[str, ...] = ()
    if describe is not None:
        parsed, remarks = _described(
            corpus, root, {file: (row, describe(matches[file])) for file, row in parsed.items()}
        )
    _refuse_unknown_codes(corpus, parsed)
    return Scan(
        rows=[_finished(corpus, file, row) for file, row in parsed.items()],
        names=[utterance_name(matches[file]) for file in parsed],
        doubles={file: tuple(c for c in kept[file] if c != file) for file in parsed if len(kept[file]) > 1},
        strangers=tuple(strangers),
        remarks=remarks,
    )


def _described(
    corpus: Corpus, root: Path, found: Mapping[str, tuple[Row, Row | None]]
) -> tuple[dict[str, Row], tuple[str, ...]]:
    """Rows of the files that the side table lists, and a remark about the others."""
    unlisted = [file for file, (_, listed) in found.items() if listed is None]
    rows = {
        file: _completed(corpus, {**named, **listed}) for file, (named, listed) in found.items() if listed is not None
    }
    if not rows:
        raise CorpusError(
            f"None of the {len(found):,} recordings of {corpus.title} in {root} is in its table of labels, such as "
            f"{unlisted[0]}; are both of one release?"
        )
    if not unlisted:
        return rows, ()
    n = f"{len(unlisted):,} recording{'s' if len(unlisted) > 1 else ''}"
    return rows, (f"{n} without a label in {corpus.title}'s table left out: {several(unlisted)}.",)


def _preference(file: str) -> tuple[int, int, str]:
    path = PurePosixPath(file)
    suffix = path.suffix.lower()
    return (_LOSSLESS.index(suffix) if suffix in _LOSSLESS else len(_LOSSLESS), len(path.parts), file)


def _finished(corpus: Corpus, file: str, row: Row) -> Row:
    owner = corpus.people_of or corpus.name
    language = {"language": corpus.languages[0]} if len(corpus.languages) == 1 else {}
    place = {"corpus": corpus.name, "file": file, "start": 0.0, "end": math.nan}
    speaker = None if row["speaker"] is None else f"{owner}/{row['speaker']}"
    return {**place, **language, **row, "speaker": speaker}


def _refuse_unknown_codes(corpus: Corpus, parsed: dict[str, Row]) -> None:
    unmapped: dict[str, list[str]] = {}
    for file, row in parsed.items():
        if row["label"] is not None and row["label"] not in corpus.labels:
            unmapped.setdefault(row["label"], []).append(file)
    if unmapped:
        codes = "; ".join(f"{code!r} ({len(files)}, such as {files[0]})" for code, files in unmapped.items())
        raise CorpusError(
            f"The label map of {corpus.name} knows {', '.join(corpus.labels)}, but there are files with "
            f"{codes}. Move those files out of the folder if they don't belong to {corpus.title}."
        )


def _nothing_found(corpus: Corpus, root: Path, files: list[str]) -> CorpusError:
    if not files:
        packed = sorted(path.name for path in root.glob("*") if path.suffix.lower() in {".zip", ".gz", ".tar", ".tgz"})
        if packed:
            return CorpusError(f"{root} holds no recordings but archives ({several(packed)}): unpack them first.")
        return CorpusError(f"{root} holds no recordings; {corpus.name} has files such as {corpus.example}.")
    other = likely_corpus(files)
    if other:
        return CorpusError(f"{root} isn't {corpus.name}: this looks like {other} ({files[0]}). Try {other}={root}.")
    return CorpusError(
        f"None of the {len(files):,} recordings in {root} is named as in {corpus.title}: expected names such "
        f"as {corpus.example}, found {files[0]}."
    )


def likely_corpus(files: Iterable[str]) -> str | None:
    """The corpus whose naming fits at least half of the ``files``, if any; of very many, a sample is looked at."""
    from emotone.corpora import registry

    paths = list(files)
    paths = paths[:: len(paths) // _LOOKED_AT + 1]
    fits = {}
    for corpus in registry.records():
        if corpus.pattern:
            matches = (match_name(corpus, file) for file in paths)
            fits[corpus.name] = sum(match is not None and _is_labelled(corpus, match) for match in matches)
    best = max(fits, key=lambda name: fits[name], default=None)
    return best if best and fits[best] * 2 >= len(paths) > 0 else None


def _is_labelled(corpus: Corpus, match: re.Match[str]) -> bool:
    """Whether a name has a label of the corpus, and one of its speakers where they are listed; names that never
    tell the label are taken at their word."""
    named = parse_name(corpus, match)
    known = {code.lower() for code in corpus.labels}
    if "label" in match.re.groupindex and str(named["label"]).lower() not in known:
        return False
    return not corpus.people or named["speaker"] is None or named["speaker"] in corpus.people


def place_name(row: Row) -> str:
    """The name of a place in a recording: ``a.wav``, or for a part of it ``a.wav[1.5:3]``."""
    if row["start"] == 0 and math.isnan(row["end"]):
        return str(row["file"])
    end = "" if math.isnan(row["end"]) else f"{row['end']:g}"
    return f"{row['file']}[{row['start']:g}:{end}]"


def several(names: Iterable[str], shown: int = 3) -> str:
    """``a, b, c and 12 more``."""
    listed = list(names)
    rest = len(listed) - shown
    if rest <= 1:  # "and 1 more" is no shorter than the name itself
        return ", ".join(listed)
    return f"{', '.join(listed[:shown])} and {rest:,} more"


# ---- table ----


def build_table(corpus: Corpus, root: Path) -> pd.DataFrame:
    """The table of the corpus at ``root``: scanned, extended by the side files, columns in order."""
    pd = pandas()
    scan = corpus.scan(corpus, root)
    table = pd.DataFrame(scan.rows)
    if corpus.extend is not None:
        table = corpus.extend(table, root)
    return in_column_order(table)


def in_column_order(table: pd.DataFrame) -> pd.DataFrame:
    """``table`` with the columns every table has first, then the optional ones, then votes, then anything
    else."""
    votes = [f"p_{name}" for name in _vote_emotions(table)]
    known = [*COLUMNS, *(column for column in OPTIONAL_COLUMNS if column in table), *votes]
    return table[[*known, *(column for column in table if column not in known)]]


def _vote_emotions(table: pd.DataFrame) -> tuple[str, ...]:
    from emotone.labels import in_order

    return in_order(str(column)[2:] for column in table if str(column).startswith("p_"))
