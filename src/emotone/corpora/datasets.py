"""A data set in the form of Hugging Face's library: saved by ``save_to_disk``, downloaded as Parquet files, or a
folder of recordings with a ``metadata.csv``.

Give its folder, ``datasets=FOLDER``. What is read from where is said in a check's remarks:

- Emotions come from the column ``emotion`` (or ``emo``, ``label``); numbers get the names of their ``ClassLabel``.
- Recordings are files that the ``Audio`` column points to. Where it holds the sound itself, the recordings are
  written out once, into ``emotone-audio`` beside the data (or into the cache, where the data can't be written to),
  because everything else in emotone works on files.
- The parts (train, validation, test) become the column ``split``. Speakers and the like are taken from columns with
  a well-known name, exactly, and from no others.

Only pyarrow is needed: the library itself is neither imported nor asked, so nothing is decoded or downloaded.
"""

from __future__ import annotations

import csv
import hashlib
import json
import math
import os
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from typing import TYPE_CHECKING, Any

from emotone.corpora import words
from emotone.corpora.reading import Row, Scan, existing_folder, place_name, several
from emotone.corpora.record import Corpus
from emotone.errors import CorpusError, require
from emotone.fetch import cache_folder

if TYPE_CHECKING:
    import pyarrow

AUDIO_FOLDER = "emotone-audio"

_EMOTIONS = ("emotion", "emotions", "emo", "label", "labels")
_FILES = ("file", "file_name", "filename", "path", "audio_path", "filepath", "audio", "wav")
_NAMES = {
    "speaker": ("speaker", "speaker_id", "spk_id", "spk", "actor", "actor_id"),
    "gender": ("gender", "sex"),
    "text": ("text", "transcription", "transcript", "sentence", "raw_text"),
    "start": ("start",),
    "end": ("end",),
    **{name: (name,) for name in ("age", "language", "intensity", "split")},
    **{name: (name,) for name in ("arousal", "valence", "dominance", "agreement")},
}
_NUMBERS = ("start", "end", "age", "arousal", "valence", "dominance", "agreement")
_MAGIC = {b"RIFF": ".wav", b"fLaC": ".flac", b"OggS": ".ogg", b"ID3": ".mp3", b"\xff\xfb": ".mp3", b"\xff\xf3": ".mp3"}


@dataclass(frozen=True)
class _Part:
    """One part of the data: its rows, what the columns are, and where relative paths start."""

    split: str | None
    table: pyarrow.Table
    features: Mapping[str, Any]
    base: Path

    @property
    def columns(self) -> list[str]:
        return list(self.table.column_names)

    def values(self, column: str) -> list[Any]:
        """A column as Python values; numbers of a ClassLabel as their names."""
        values: list[Any] = self.table.column(column).to_pylist()
        names = self._feature(column).get("names")
        if names is None:
            return values
        return [None if value is None or value < 0 else names[value] for value in values]

    def is_audio(self, column: str) -> bool:
        held = self.table.schema.field(column).type
        fields = {held.field(place).name for place in range(held.num_fields)}
        return self._feature(column).get("_type") == "Audio" or fields == {"bytes", "path"}

    def _feature(self, column: str) -> Mapping[str, Any]:
        feature = self.features.get(column)
        return feature if isinstance(feature, dict) else {}


def scan(corpus: Corpus, root: Path) -> Scan:
    """Read the data in ``root``. Raises `CorpusError` where it isn't such data, or doesn't tell the emotions or the
    recordings."""
    existing_folder(root, corpus.name)
    parts = _parts(root)
    if not any(part.table.num_rows for part in parts):
        raise CorpusError(f"The data in {root} has no rows.")
    emotion = _column(parts[0], _EMOTIONS, root, "of emotions")
    rows: list[Row] = []
    for part in parts:
        rows += _rows(corpus, part, emotion, root)
    _refuse_what_cant_be_meant(rows, root)
    rows.sort(key=lambda row: (row["file"], row["start"]))
    remarks = (*_remarks(parts, emotion, rows, root), *_terms(parts[0].base))
    return Scan(rows, names=[place_name(row) for row in rows], remarks=remarks)


# ---- opening ----


def _parts(root: Path) -> list[_Part]:
    if (root / "dataset_dict.json").is_file():
        return [_saved(root / name, name) for name in _json(root / "dataset_dict.json").get("splits", ())]
    if (root / "state.json").is_file():
        return [_saved(root, None)]
    parquet = sorted(path for path in root.rglob("*.parquet") if path.stem != "metadata")
    if parquet:
        return _downloaded(root, parquet)
    listed = sorted(path for path in root.rglob("metadata.*") if path.suffix in (".csv", ".jsonl", ".parquet"))
    if listed:
        return [_listed(path, root) for path in listed]
    raise CorpusError(
        f"{root} isn't a saved data set: there is no dataset_dict.json, state.json, .parquet file or metadata.csv. "
        "For recordings in a folder per emotion give folder=ROOT."
    )


def _json(path: Path) -> dict[str, Any]:
    try:
        content = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        raise CorpusError(f"{path} can't be read ({error}); save the data again.") from error
    if not isinstance(content, dict):
        raise CorpusError(f"{path} isn't a JSON object; save the data again.")
    return content


def _saved(folder: Path, split: str | None) -> _Part:
    """A part written by ``save_to_disk``: Arrow streams, listed in ``state.json``."""
    pa = require("pyarrow", extra="train")
    files = [folder / str(entry.get("filename")) for entry in _json(folder / "state.json").get("_data_files", ())]
    try:
        tables = [pa.ipc.open_stream(pa.memory_map(str(file))).read_all() for file in files]
        table = pa.concat_tables(tables)
    except (OSError, ValueError) as error:  # pyarrow's errors are ValueErrors
        raise CorpusError(f"The data in {folder} can't be read ({error}); save it again.") from error
    features = _json(folder / "dataset_info.json").get("features") if (folder / "dataset_info.json").is_file() else None
    return _Part(split, table, features or _features(table), folder)


def _downloaded(root: Path, files: list[Path]) -> list[_Part]:
    """Parquet files as the hub has them: ``data/train-00000-of-00002.parquet``."""
    folders = {file.parent for file in files}
    if len(folders) > 1:
        found = several(sorted(folder.relative_to(root).as_posix() for folder in folders))
        raise CorpusError(f"{root} has Parquet files in several folders ({found}); give one of them.")
    by_split: dict[str, list[Path]] = {}
    for file in files:
        by_split.setdefault(re.sub(r"-\d+-of-\d+.*$", "", file.stem), []).append(file)
    pa, parquet = require("pyarrow", extra="train"), require("pyarrow.parquet", extra="train")
    parts = []
    for split, pieces in by_split.items():
        try:
            table = pa.concat_tables([parquet.read_table(piece) for piece in pieces])
        except (OSError, ValueError) as error:
            raise CorpusError(f"{pieces[0]} can't be read as Parquet: {error}") from error
        parts.append(_Part(split if words.split_named(split) else None, table, _features(table), root))
    return parts


def _listed(path: Path, root: Path) -> _Part:
    """A ``metadata.csv`` (or .jsonl, .parquet) beside recordings; its folder may be a part's."""
    pa = require("pyarrow", extra="train")
    if path.suffix == ".parquet":
        table = require("pyarrow.parquet", extra="train").read_table(path)
    else:
        try:
            text = path.read_text(encoding="utf-8-sig")
            lines = [line for line in text.splitlines() if line.strip()]
            entries = list(csv.DictReader(lines)) if path.suffix == ".csv" else [json.loads(line) for line in lines]
            table = pa.Table.from_pylist([{str(key): value for key, value in entry.items()} for entry in entries])
        except (ValueError, AttributeError, csv.Error) as error:
            raise CorpusError(f"{path} can't be read ({error}).") from error
    split = path.parent.name if path.parent != root and words.split_named(path.parent.name) else None
    return _Part(split, table, _features(table), path.parent)


def _features(table: pyarrow.Table) -> dict[str, Any]:
    """What the columns are, from the file's own description."""
    described = (table.schema.metadata or {}).get(b"huggingface")
    try:
        features = json.loads(described)["info"]["features"] if described else {}
    except (ValueError, KeyError, TypeError):
        return {}
    return features if isinstance(features, dict) else {}


# ---- columns ----


def _column(part: _Part, names: tuple[str, ...], root: Path, what: str) -> str:
    found = next((name for name in names if name in part.columns), None)
    if found is None:
        raise CorpusError(
            f"The data in {root} has no column {what}, which would be called {' or '.join(names)}; it has "
            f"{several(part.columns, shown=12)}. Rename the column, then save the data again."
        )
    return found


def _audio_column(part: _Part, root: Path) -> str:
    audio = [column for column in part.columns if part.is_audio(column)]
    if len(audio) > 1:
        raise CorpusError(f"The data in {root} has several columns of audio ({several(audio)}); remove all but one.")
    return audio[0] if audio else _column(part, _FILES, root, "of recordings")


def _remarks(parts: list[_Part], emotion: str, rows: list[Row], root: Path) -> Iterator[str]:
    part = parts[0]
    taken = {column: name for column in _NAMES if (name := _known(part, column)) is not None}
    audio = _audio_column(part, root)
    told = ", ".join(f"{column} from {name!r}" for column, name in taken.items())
    yield f"Emotions are read from the column {emotion!r}, recordings from {audio!r}{f', {told}' if told else ''}."
    used = {emotion, audio, "file", "label", *taken.values()}
    unused = [column for column in part.columns if column not in used and not column.startswith("p_")]
    if unused:
        yield f"Columns that aren't used: {several(unused, shown=8)}."
    written = next((row["file"] for row in rows if AUDIO_FOLDER in row["file"]), None)
    if written is not None:
        where = Path(written).parent if Path(written).is_absolute() else root / AUDIO_FOLDER
        yield f"The recordings were inside the data; they have been written to {where}."
    unknown = sorted({row["emotion"] for row in rows if row["emotion"] and not words.is_known(row["emotion"])})
    if unknown:
        yield f"These name no known emotion and keep their names: {several(unknown)}."


def _terms(base: Path) -> Iterator[str]:
    """Under which licence the data says it is."""
    path = base / "dataset_info.json"
    licence = _json(path).get("license") if path.is_file() else None
    if licence:
        yield f"Licence, as dataset_info.json has it: {licence}."


def _known(part: _Part, column: str) -> str | None:
    return next((name for name in _NAMES[column] if name in part.columns), None)


# ---- rows ----


def _rows(corpus: Corpus, part: _Part, emotion: str, root: Path) -> list[Row]:
    codes = part.values(emotion)
    given = {column: part.values(name) for column in _NAMES if (name := _known(part, column)) is not None}
    given |= {column: part.values(column) for column in part.columns if column.startswith("p_")}
    labels = part.values("label") if "label" in part.columns else codes
    rows = []
    for place, file in enumerate(_files(part, root)):
        row: Row = {"corpus": corpus.name, "file": file, "start": 0.0, "end": math.nan, "speaker": None}
        row |= {"label": _word(labels[place]), "emotion": _emotion(codes[place], part, emotion, root)}
        row |= {column: _value(column, values[place]) for column, values in given.items()}
        row["start"] = 0.0 if math.isnan(row["start"]) else row["start"]
        if row["speaker"] is not None and "/" not in row["speaker"]:
            row["speaker"] = f"{corpus.name}/{row['speaker']}"
        if row.get("gender"):
            row["gender"] = words.gender_named(row["gender"])
        if part.split is not None and row.get("split") is None and "split" not in given:
            row["split"] = words.split_named(part.split) or part.split
        rows.append(row)
    return rows


def _word(value: Any) -> str | None:
    return None if value is None or value != value or not str(value).strip() else str(value).strip()


def _emotion(value: Any, part: _Part, column: str, root: Path) -> str | None:
    word = _word(value)
    if word is not None and (not isinstance(value, str) or word.isdigit()):
        raise CorpusError(
            f"The column {column!r} of the data in {root} gives emotions as numbers ({word}) without names; make it a "
            "ClassLabel or write the names."
        )
    return None if word is None else words.emotion_named(word)


def _value(column: str, value: Any) -> Any:
    if column not in _NUMBERS and not column.startswith("p_"):
        return _word(value)
    try:
        return math.nan if value is None or value == "" else float(value)
    except (TypeError, ValueError):
        raise CorpusError(f"The column {column!r} holds {value!r}, which is no number.") from None


# ---- recordings ----


def _files(part: _Part, root: Path) -> list[str]:
    """The recording of each row, relative to ``root``; those inside the data are written out first."""
    column = _audio_column(part, root)
    if not part.is_audio(column):
        return [_relative(str(value), part.base, root) for value in part.values(column)]
    audio = part.table.column(column).combine_chunks()
    paths = audio.field("path").to_pylist()
    if audio.field("bytes").null_count == len(audio):
        return [_relative(str(path), part.base, root) for path in paths]
    named = part.values("file") if "file" in part.columns and not part.is_audio("file") else paths
    contents = audio.field("bytes")
    names = _names(named, [_sound(content)[:4].tobytes() for content in contents])
    folder = _writable(root) / (part.split or "all")
    files = []
    for place, name in enumerate(names):
        target = folder / name
        _write_once(target, contents[place])
        files.append(target.relative_to(root).as_posix() if target.is_relative_to(root) else target.as_posix())
    return files


def _relative(file: str, base: Path, root: Path) -> str:
    """POSIX path relative to ``root``; one elsewhere stays absolute."""
    path = Path(file.replace("\\", "/"))
    if not path.is_absolute():
        path = base / path
        return Path(os.path.relpath(path, root)).as_posix()
    return path.relative_to(root.absolute()).as_posix() if path.is_relative_to(root.absolute()) else path.as_posix()


def _names(named: list[str | None], beginnings: list[bytes]) -> list[str]:
    """A name of its own for each recording, from the name it had, with an ending that fits."""
    names: list[str] = []
    taken: set[str] = set()
    for place, (name, beginning) in enumerate(zip(named, beginnings, strict=True)):
        pieces = [piece for piece in PurePosixPath((name or "").replace("\\", "/")).parts if piece not in ("/", "..")]
        path = "/".join(pieces) or f"{place:06d}"
        if not PurePosixPath(path).suffix:
            path += next((ending for magic, ending in _MAGIC.items() if beginning.startswith(magic)), ".wav")
        if path.lower() in taken:
            path = str(PurePosixPath(path).with_name(f"{place:06d}_{PurePosixPath(path).name}"))
        taken.add(path.lower())
        names.append(path)
    return names


def _writable(root: Path) -> Path:
    """The folder for recordings that were inside the data: beside it, or in the cache where it can't be written."""
    if os.access(root, os.W_OK):
        return root / AUDIO_FOLDER
    digest = hashlib.blake2b(str(root.resolve()).encode(), digest_size=8).hexdigest()
    return (cache_folder() / AUDIO_FOLDER / digest).absolute()


def _write_once(target: Path, content: Any) -> None:
    sound = _sound(content)
    if not sound:
        raise CorpusError(f"The data holds the sound of other rows but none for {target.name}; remove that row.")
    if target.is_file() and target.stat().st_size == len(sound):
        return
    target.parent.mkdir(parents=True, exist_ok=True)
    half = target.with_name(f"{target.name}.part")
    half.write_bytes(sound)
    half.replace(target)


def _sound(content: Any) -> memoryview:
    """The bytes of a recording inside the data, not copied; none where there is none."""
    return memoryview(content.as_buffer()) if content.is_valid else memoryview(b"")


def _refuse_what_cant_be_meant(rows: list[Row], root: Path) -> None:
    places = [place_name(row) for row in rows]
    if len(set(places)) < len(places):
        repeated = sorted({place for place in places if places.count(place) > 1}) if len(places) < 10_000 else []
        raise CorpusError(
            f"The data in {root} has recordings more than once{f': {several(repeated)}' if repeated else ''}."
        )
    if not any((root / row["file"]).exists() for row in rows):
        raise CorpusError(
            f"None of the recordings of the data in {root} is there: looked for {root / rows[0]['file']}. Save the "
            "data where its recordings are, or with the sound in it."
        )


CORPUS = Corpus(
    name="datasets",
    title="A data set in the form of Hugging Face's library",
    licence="the data set's own",
    commercial=None,
    citation="",
    homepage="",
    obtain="Save a data set with save_to_disk, or download its Parquet files, and give the folder as datasets=FOLDER.",
    example="dataset_info.json",
    scan=scan,
    notes=(
        "Speakers are only taken from columns with a well-known name; a check says which columns were read.",
        "Sound inside the data is written out once, beside it: that takes its size again on the disk.",
    ),
)
