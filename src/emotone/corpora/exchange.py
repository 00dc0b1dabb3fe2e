"""Corpora for other tools: the table written as an audformat database, a Hugging Face data set, CSV or Parquet.

`export` makes a new folder, all or nothing, with the table, a ``README.md`` that carries licence, citation and notes,
and the recordings only if asked: otherwise the table points to where they are. What it writes, emotone reads again
as the same table (``audformat=``, ``datasets=``, ``table=``), but for the column ``corpus``, which says what was read.

The form of the data set is written with pyarrow alone (Arrow streams, ``state.json``, ``dataset_info.json``), since
the library would load torch to store the path of a sound, and would always put the sound itself into the data.
"""

from __future__ import annotations

import json
import math
import os
import re
import shutil
import tempfile
from collections.abc import Callable, Iterator, Sequence
from hashlib import blake2b
from pathlib import Path, PurePosixPath
from typing import TYPE_CHECKING, Any

from emotone.corpora import words
from emotone.corpora.record import Corpus
from emotone.errors import ConfigError, CorpusError, require, unknown
from emotone.labels import in_order

if TYPE_CHECKING:
    import pandas as pd

__all__ = ["FORMS", "export_table"]

FORMS = ("audformat", "datasets", "csv", "parquet")

_NUMBERS = ("start", "end", "age", "arousal", "valence", "dominance", "agreement")
_OF_A_PERSON = ("gender", "age")
_USAGE = {True: "commercial", False: "research", None: "other"}
_ROWS_AT_ONCE = 64
"""Rows with their sound that are in memory at the same time."""

Progress = Callable[[int, int], None]


def export_table(
    table: pd.DataFrame,
    corpus: Corpus,
    root: Path,
    to: Path,
    *,
    form: str,
    copy_audio: bool = False,
    progress: Progress | None = None,
) -> Path:
    """Write ``table``, whose files are relative to the folder ``root``, into the new folder ``to`` in one of the
    `FORMS`; returns ``to``.

    ``copy_audio`` copies the recordings into it (into the data itself for ``datasets``); ``progress`` is then called
    with (recordings done, recordings in all). Raises `ConfigError` for an unknown form or a folder that is taken,
    `CorpusError` for a recording that isn't there, `MissingExtra`.
    """
    if form not in FORMS:
        raise unknown("form", form, FORMS)
    if to.exists() and not (to.is_dir() and not any(to.iterdir())):
        raise ConfigError(f"{to} already exists and isn't an empty folder; name another, or remove it first.")
    if not len(table):
        raise CorpusError(f"The table of {corpus.title} has no rows to export.")
    to.parent.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(dir=to.parent, prefix=f".{to.name}-") as half:
        folder = Path(half, "new")
        folder.mkdir()
        if form == "datasets":
            _write_dataset(table, corpus, root, folder, embed=copy_audio, progress=progress)
        else:
            files = _copied(table, root, folder, progress) if copy_audio else _pointing(table, root, to)
            write = {"audformat": _write_audformat, "csv": _write_csv, "parquet": _write_parquet}[form]
            write(table.assign(file=files), corpus, folder)
        where = "" if copy_audio else "\nThe recordings aren't in here; the table points to where they were.\n"
        (folder / "README.md").write_text(_description(table, corpus) + where, encoding="utf-8")
        if to.exists():
            to.rmdir()
        folder.replace(to)
    return to


# ---- recordings ----


def _pointing(table: pd.DataFrame, root: Path, to: Path) -> list[str]:
    """Paths from the new folder to the recordings, where they are."""
    start = to.absolute()
    paths = {file: Path(os.path.relpath((root / file).absolute(), start)).as_posix() for file in set(table["file"])}
    return [paths[file] for file in table["file"]]


def _copied(table: pd.DataFrame, root: Path, folder: Path, progress: Progress | None) -> list[str]:
    """The recordings copied into ``folder``, and their paths there: the same as before, where that is inside."""
    places = {file: _inside(file) for file in sorted(set(table["file"]))}
    for done, (file, place) in enumerate(places.items(), start=1):
        target = folder / place
        target.parent.mkdir(parents=True, exist_ok=True)
        try:
            shutil.copyfile(root / file, target)
        except OSError as error:
            raise CorpusError(f"{root / file} can't be copied: {error.strerror or error}.") from error
        if progress is not None:
            progress(done, len(places))
    return [places[file] for file in table["file"]]


def _inside(file: str) -> str:
    path = PurePosixPath(file)
    if not path.is_absolute() and ".." not in path.parts and not Path(file).is_absolute():
        return file
    return f"audio/{blake2b(file.encode(), digest_size=4).hexdigest()}_{path.name}"


# ---- words about it ----


def _description(table: pd.DataFrame, corpus: Corpus) -> str:
    """Licence, citation and notes in Markdown."""
    lines = [f"# {corpus.title}", "", f"{len(table):,} utterances, exported by emotone.", ""]
    facts = {
        "Licence": corpus.licence,
        "Commercial use": {True: "allowed", False: "not allowed", None: "ask the owners"}[corpus.commercial],
        "Please cite": corpus.citation,
        "Homepage": corpus.homepage,
        "Columns": ", ".join(map(str, table.columns)),
    }
    lines += [f"- **{name}:** {fact}" for name, fact in facts.items() if fact]
    if corpus.notes:
        lines += ["", "## To know", "", *(f"- {note}" for note in corpus.notes)]
    return "\n".join([*lines, ""])


# ---- one file ----


def _write_csv(table: pd.DataFrame, corpus: Corpus, folder: Path) -> None:
    table.to_csv(folder / f"{corpus.name}.csv", index=False)


def _write_parquet(table: pd.DataFrame, corpus: Corpus, folder: Path) -> None:
    require("pyarrow", extra="train")
    table.to_parquet(folder / f"{corpus.name}.parquet", index=False)


# ---- audformat ----


def _write_audformat(table: pd.DataFrame, corpus: Corpus, folder: Path) -> None:
    """A table of emotions (one per part, where there are parts), and one of the speakers."""
    audformat = require("audformat", extra="audformat")
    database = audformat.Database(
        name=corpus.name,
        source=corpus.homepage,
        usage=_USAGE[corpus.commercial],
        languages=_languages(audformat, corpus),
        description=_description(table, corpus),
        license=corpus.licence,
        meta={"citation": corpus.citation},
    )
    table = table.drop(columns="corpus")
    people = _people(table)
    columns = [column for column in table.columns if column not in ("file", "start", "end", *people.columns)]
    by_part = _named_parts(table)
    if by_part:
        columns.remove("split")
    _declare(audformat, database, table, people, columns)
    for part, name in by_part.items() or {None: "emotion"}.items():
        rows = table if part is None else table[table["split"] == part]
        if part is not None:
            database.splits[part] = audformat.Split(part.partition("-")[0].partition("_")[0])
        made = audformat.Table(_index(audformat, rows), split_id=part)
        database[name] = made
        for column in columns:
            made[column] = audformat.Column(scheme_id=column)
            made[column].set([None if value != value else value for value in rows[column]])
    database.save(str(folder), storage_format="parquet")


def _languages(audformat: Any, corpus: Corpus) -> list[str]:
    known = []
    for language in corpus.languages:
        try:
            known.append(audformat.utils.map_language(language))
        except ValueError:
            continue
    return known


def _named_parts(table: pd.DataFrame) -> dict[str | None, str]:
    """Part of the corpus to the name of its table; none unless every row has a part of a usual name."""
    parts = list(dict.fromkeys(table["split"])) if "split" in table else []
    if any(not isinstance(part, str) or words.split_named(part) != part for part in parts):
        return {}
    return {part: f"emotion.categories.{part}.gold_standard" for part in parts}


def _people(table: pd.DataFrame) -> pd.DataFrame:
    """What holds for all utterances of every speaker, by speaker; no columns if nothing does."""
    known = table[table["speaker"].notna()].groupby("speaker", sort=True)
    constant = [
        column
        for column in _OF_A_PERSON
        if column in table and table["speaker"].notna().all() and (known[column].nunique(dropna=False) == 1).all()
    ]
    people: pd.DataFrame = known[constant].first()
    return people


def _declare(audformat: Any, database: Any, table: pd.DataFrame, people: pd.DataFrame, columns: Sequence[str]) -> None:
    """The schemes: what may be in which column."""
    for column in (*columns, *people.columns):
        database.schemes[column] = audformat.Scheme("float" if _is_number(column) else "str")
    emotions = in_order(table["emotion"].dropna())
    if emotions:
        database.schemes["emotion"] = audformat.Scheme(labels=list(emotions))
    if len(people.columns):
        facts = audformat.MiscTable(people.index.rename("speaker"))
        database["speaker"] = facts
        for column in people.columns:
            facts[column] = audformat.Column(scheme_id=column)
            facts[column].set([None if value != value else value for value in people[column]])
        database.schemes["speaker"] = audformat.Scheme("str", labels="speaker")


def _is_number(column: str) -> bool:
    return column in _NUMBERS or column.startswith("p_")


def _index(audformat: Any, rows: pd.DataFrame) -> Any:
    files = list(rows["file"])
    if (rows["start"] == 0).all() and rows["end"].isna().all():
        return audformat.filewise_index(files)
    pandas = require("pandas", extra="train")
    return audformat.segmented_index(
        files,
        pandas.to_timedelta(rows["start"], unit="s").tolist(),
        pandas.to_timedelta(rows["end"], unit="s").tolist(),
    )


# ---- Hugging Face datasets ----


def _write_dataset(
    table: pd.DataFrame, corpus: Corpus, root: Path, folder: Path, *, embed: bool, progress: Progress | None
) -> None:
    """Parts in a folder each, as ``DatasetDict.save_to_disk`` leaves them, or one without parts."""
    if embed and table["file"].duplicated().any():
        raise ConfigError(
            "Recordings with several utterances would be put into the data once for each; export without the audio, "
            "or to audformat."
        )
    features = _features(table)
    done = 0

    def advance(n: int) -> None:
        nonlocal done
        done += n
        if progress is not None and embed:
            progress(done, len(table))

    parts = _parts(table)
    if parts:
        names = {part: re.sub(r"\W+", "_", part) for part in parts}
        (folder / "dataset_dict.json").write_text(json.dumps({"splits": list(names.values())}), encoding="utf-8")
    for part, rows in parts.items() or {"": table}.items():
        place = folder / names[part] if part else folder
        place.mkdir(exist_ok=True)
        _write_part(
            rows, corpus, root, place, features, embed=embed, split=place.name if part else None, advance=advance
        )


def _parts(table: pd.DataFrame) -> dict[str, pd.DataFrame]:
    """Rows by part; those without one are a part of their own. None, where there are no parts."""
    if "split" not in table or table["split"].isna().all():
        return {}
    named = table["split"].fillna("unassigned")
    return {str(part): table[named == part] for part in dict.fromkeys(named)}


def _features(table: pd.DataFrame) -> dict[str, Any]:
    """What the columns are, in the library's own words."""
    features: dict[str, Any] = {"audio": {"_type": "Audio"}}
    for column in table.columns:
        kind = "float64" if _is_number(column) else "string"
        features[column] = {"dtype": kind, "_type": "Value"}
    features["emotion"] = {"names": list(in_order(table["emotion"].dropna())), "_type": "ClassLabel"}
    return features


def _write_part(
    rows: pd.DataFrame,
    corpus: Corpus,
    root: Path,
    folder: Path,
    features: dict[str, Any],
    *,
    embed: bool,
    split: str | None,
    advance: Callable[[int], None],
) -> None:
    pa = require("pyarrow", extra="train")
    audio = pa.struct([("bytes", pa.binary()), ("path", pa.string())])
    kinds = {"float64": pa.float64(), "string": pa.string()}
    schema = pa.schema(
        [
            (name, audio if name == "audio" else kinds.get(kind.get("dtype"), pa.int64()))
            for name, kind in features.items()
        ],
        metadata={"huggingface": json.dumps({"info": {"features": features}})},
    )
    name = "data-00000-of-00001.arrow"
    with pa.OSFile(str(folder / name), "wb") as sink, pa.ipc.new_stream(sink, schema) as stream:
        for batch in _batches(rows, root, features, embed=embed):
            stream.write_batch(pa.RecordBatch.from_pylist(batch, schema=schema))
            advance(len(batch))
    state: dict[str, Any] = {
        "_data_files": [{"filename": name}],
        "_fingerprint": blake2b(
            (folder / name).read_bytes() if not embed else os.urandom(8), digest_size=8
        ).hexdigest(),
        "_format_columns": None,
        "_format_kwargs": {},
        "_format_type": None,
        "_output_all_columns": False,
        "_split": split,
    }
    info = {
        "citation": corpus.citation,
        "description": _description(rows, corpus),
        "features": features,
        "homepage": corpus.homepage,
        "license": corpus.licence,
    }
    (folder / "state.json").write_text(json.dumps(state, indent=2), encoding="utf-8")
    (folder / "dataset_info.json").write_text(json.dumps(info, indent=2, ensure_ascii=False), encoding="utf-8")


def _batches(
    rows: pd.DataFrame, root: Path, features: dict[str, Any], *, embed: bool
) -> Iterator[list[dict[str, Any]]]:
    """Rows as plain values, some at a time; ``emotion`` as a number, missing values as None."""
    numbers = {name: number for number, name in enumerate(features["emotion"]["names"])}
    for first in range(0, len(rows), _ROWS_AT_ONCE):
        batch: list[dict[Any, Any]] = rows.iloc[first : first + _ROWS_AT_ONCE].to_dict("records")
        for row in batch:
            for column, value in row.items():
                row[column] = None if value is None or (isinstance(value, float) and math.isnan(value)) else value
            row["emotion"] = numbers.get(row["emotion"])
            row["audio"] = _audio(root / row["file"], embed=embed)
        yield batch


def _audio(file: Path, *, embed: bool) -> dict[str, Any]:
    if not embed:
        return {"bytes": None, "path": str(file.absolute())}
    try:
        return {"bytes": file.read_bytes(), "path": file.name}
    except OSError as error:
        raise CorpusError(f"{file} can't be read: {error.strerror or error}.") from error
