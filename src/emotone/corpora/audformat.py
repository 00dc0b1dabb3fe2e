"""A database in audformat's form: ``db.yaml``, its tables, and the recordings beside them.

Give its folder, ``audformat=FOLDER``; where it has several tables of emotions that can't all be meant, the one
to read as a file, ``audformat=FOLDER/db.emotion.csv``. What is read from where is said in a check's remarks:

- Emotions come from the column of that name (or with a scheme of that name). Tables of a gold standard go before
  others; tables named after parts (``emotion.categories.train.gold_standard``) give the column ``split``.
- Speakers, gender, age, texts and dimensions come from the same table or from another one about the same files.
- Several columns of emotions in a table are raters' votes and become ``p_<emotion>``.

The library's own loader isn't used for the header and for pickled tables: both could run a program.
"""

from __future__ import annotations

import math
import shutil
import tempfile
from collections.abc import Callable, Iterable, Mapping
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from emotone.corpora import words
from emotone.corpora.reading import Row, Scan, existing_folder, place_name, several
from emotone.corpora.record import Corpus
from emotone.corpora.side_tables import shares
from emotone.errors import CorpusError, require

if TYPE_CHECKING:
    import pandas as pd

_EMOTIONS = ("emotion", "emotions", "emotion.categories", "emotion.category")
_NAMES = {"text": ("text", "transcription", "transcript"), "speaker": ("speaker", "speaker_id")}
_WORDS = ("gender", "text", "intensity", "language", "split")
_NUMBERS = ("age", "arousal", "valence", "dominance", "agreement")
_OF_A_PERSON = ("gender", "age")


@dataclass(frozen=True)
class _Table:
    """A table of the database: which emotions, of which part of the corpus."""

    name: str
    frame: pd.DataFrame
    schemes: Mapping[str, str | None]
    """Column to the name of its scheme."""
    split: str | None

    @property
    def emotions(self) -> list[str]:
        """The columns of emotions: one, or a vote per rater."""
        named = [column for column in self.schemes if column in _EMOTIONS]
        return named or [column for column, scheme in self.schemes.items() if scheme in _EMOTIONS]

    @property
    def family(self) -> str:
        """Its name without the part of the corpus: tables of one family are one table."""
        return ".".join(word for word in self.name.split(".") if words.split_named(word) is None)

    @property
    def rank(self) -> int:
        return 0 if "gold_standard" in self.name.split(".") else 1 if self.family in _EMOTIONS else 2


def scan(corpus: Corpus, root: Path) -> Scan:
    """Read the database in ``root``. Raises `CorpusError` where it isn't one, or doesn't tell which emotions are
    meant."""
    folder = root.parent if root.is_file() else existing_folder(root, corpus.name)
    database = _open(folder)
    tables = _tables(database, folder)
    chosen = _chosen(tables, root)
    rows = _rows(corpus, database, chosen, tables)
    _refuse_elsewhere(rows, folder)
    rows.sort(key=lambda row: (row["file"], row["start"]))
    remarks = (*_remarks(chosen, tables, rows), *_terms(database))
    return Scan(rows, names=[place_name(row) for row in rows], remarks=remarks)


# ---- opening ----


def _open(folder: Path) -> Any:
    """The database's header, its tables not loaded yet."""
    audformat, yaml = require("audformat", extra="audformat"), require("yaml", extra="audformat")
    path = folder / "db.yaml"
    if not path.is_file():
        raise CorpusError(f"{folder} has no db.yaml, so it isn't an audformat database; give the folder that has it.")
    try:
        header = yaml.safe_load(path.read_text(encoding="utf-8"))
        return audformat.Database.load_header_from_yaml(header)
    except (yaml.YAMLError, ValueError, TypeError, KeyError, AttributeError, RuntimeError) as error:
        reason = str(error).splitlines()[0] if str(error) else type(error).__name__
        raise CorpusError(f"{path} isn't the header of an audformat database ({reason}).") from error


def _tables(database: Any, folder: Path) -> list[_Table]:
    """All tables about recordings, loaded."""
    for name in database.misc_tables:  # first: they say what the codes in others mean
        _load(database.misc_tables[name], folder / f"db.{name}")
    found = []
    for name in database.tables:
        table = database.tables[name]
        _load(table, folder / f"db.{name}")
        split = _part(database, table, name)
        schemes = {column: table.columns[column].scheme_id for column in table.columns}
        found.append(_Table(name, table.df, schemes, split))
    return found


def _load(table: Any, stem: Path) -> None:
    try:
        if not Path(f"{stem}.pkl").exists():
            table.load(str(stem))
            return
        with tempfile.TemporaryDirectory() as aside:  # the library would prefer the pickle
            for ending in ("parquet", "csv"):
                with suppress(FileNotFoundError):
                    shutil.copyfile(f"{stem}.{ending}", Path(aside, f"{stem.name}.{ending}"))
            if not any(Path(aside).iterdir()):
                raise CorpusError(
                    f"{stem}.pkl is a pickle, which could run a program and isn't opened, and there is no CSV or "
                    "Parquet of the table. Save the database again with storage_format='parquet'."
                )
            table.load(str(Path(aside, stem.name)))
    except (RuntimeError, ValueError, OSError) as error:
        if isinstance(error, CorpusError):
            raise
        raise CorpusError(f"The table {stem.name} in {stem.parent} can't be read: {error}") from error


def _part(database: Any, table: Any, name: str) -> str | None:
    """Which part of the corpus a table is about, by its split or its name."""
    said = [word for part in name.split(".") if (word := words.split_named(part))]
    if said:
        return said[0]
    return words.split_named(database.splits[table.split_id].type) if table.split_id else None


# ---- choosing ----


def _chosen(tables: list[_Table], root: Path) -> list[_Table]:
    """The tables that say the emotions: parts of one, without overlap."""
    if root.is_file():
        named = [table for table in tables if root.name.startswith(f"db.{table.name}.")]
        if not named or len(named[0].emotions) != 1:
            raise CorpusError(f"{root} isn't a table of its database with one column of emotions.")
        return named[:1]
    labelled = [table for table in tables if len(table.emotions) == 1]
    if not labelled:
        found = several([f"{table.name} ({', '.join(table.schemes) or 'no columns'})" for table in tables], shown=6)
        raise CorpusError(f"No table in {root} has one column of emotions; there are: {found or 'none'}.")
    best = min(table.rank for table in labelled)
    families = sorted({table.family for table in labelled if table.rank == best})
    if len(families) > 1:
        raise CorpusError(
            f"{root} has several tables of emotions ({several(families, shown=6)}); give the one to read as a file, "
            f"such as audformat={root}/db.{next(t.name for t in labelled if t.family == families[0])}.csv"
        )
    family = [table for table in labelled if table.rank == best]
    return [table for table in family if table.split] or family


def _remarks(chosen: list[_Table], tables: list[_Table], rows: list[Row]) -> Iterable[str]:
    names = [table.name for table in chosen]
    yield f"Emotions are read from the column {chosen[0].emotions[0]!r} of {several(names, shown=6)}."
    others = [table.name for table in tables if len(table.emotions) == 1 and table.name not in names]
    if others:
        yield f"Other tables of emotions, not read: {several(others, shown=6)}."
    unknown = sorted({row["emotion"] for row in rows if row["emotion"] and not words.is_known(row["emotion"])})
    if unknown:
        yield f"These name no known emotion and keep their names: {several(unknown)}."


def _terms(database: Any) -> Iterable[str]:
    """Under which licence the database says it is."""
    if database.license or database.usage:
        licence = f"{database.license}, " if database.license else ""
        yield f"Licence, as db.yaml has it: {licence}usage {database.usage}."


# ---- rows ----


def _rows(corpus: Corpus, database: Any, chosen: list[_Table], tables: list[_Table]) -> list[Row]:
    rows = []
    ballots = _ballots(database, chosen[0], tables)
    for table in chosen:
        own = [table, *(other for other in tables if other not in chosen)]
        look = {
            column: _looked_up(database, column, own)
            for column in ("speaker", "label", *_WORDS, *_NUMBERS, *_votes(table.frame))
        }
        read_emotion = _reader(database, table, table.emotions[0])
        for place, code in zip(_places(table.frame), _values(table.frame, table.emotions[0]), strict=True):
            said = {column: value for column, find in look.items() if find and (value := find(place)) is not None}
            emotion = read_emotion(code)
            row: Row = {"corpus": corpus.name, "file": place[0], "start": place[1], "end": place[2], "speaker": None}
            row |= {
                "label": None if emotion is None else str(code),
                "emotion": emotion,
                **ballots.get(place, {}),
                **said,
            }
            if table.split:
                row["split"] = table.split
            rows.append(_finished(corpus, row))
    _add_language(database, rows)
    _add_people(database, chosen, tables, rows)
    _fill(rows)
    if len({(row["file"], row["start"], str(row["end"])) for row in rows}) < len(rows):
        raise CorpusError(
            f"The tables {several([t.name for t in chosen])} have recordings in common; give one as a file."
        )
    return rows


Place = tuple[str, float, float | None]
"""File, start, end in seconds; no end: the recording's."""


def _places(frame: pd.DataFrame) -> list[Place]:
    if frame.index.nlevels == 1:
        return [(str(file), 0.0, None) for file in frame.index]
    return [
        (str(file), 0.0 if start != start else start.total_seconds(), None if end != end else end.total_seconds())
        for file, start, end in frame.index
    ]


def _values(frame: pd.DataFrame, column: str) -> list[Any]:
    """A column's values; None where one is missing, whatever the column's type has for it."""
    values = frame[column].astype(object)
    return list(values.where(frame[column].notna(), None))


def _looked_up(database: Any, column: str, tables: list[_Table]) -> Callable[[Place], Any] | None:
    """How to find a column's value for a place: in the first table that has the column and says it of the same
    places, or of whole files."""
    for table in tables:
        for name in _NAMES.get(column, (column,)):
            if name in table.schemes:
                read = _plain_reader(database, table, name, number=column in _NUMBERS or column.startswith("p_"))
                values = dict(zip(_places(table.frame), _values(table.frame, name), strict=True))
                return lambda place: read(values.get(place, values.get((place[0], 0.0, None))))
    return None


def _plain_reader(database: Any, table: _Table, column: str, *, number: bool) -> Callable[[Any], Any]:
    meanings = {} if column in _NAMES["speaker"] else _meanings(database, table.schemes[column])

    def read(value: Any) -> Any:
        if value is None:
            return None
        meaning = meanings.get(value)
        plain = meaning if isinstance(meaning, str) else value
        return float(plain) if number else str(plain)

    return read


def _reader(database: Any, table: _Table, column: str) -> Callable[[Any], str | None]:
    """From a code to the emotion it means, as the scheme's labels say."""
    meanings = _meanings(database, table.schemes[column])

    def read(code: Any) -> str | None:
        if code is None:
            return None
        meaning = meanings.get(code)
        return words.emotion_named(meaning if isinstance(meaning, str) else str(code))

    return read


def _meanings(database: Any, scheme: str | None) -> dict[Any, Any]:
    """What a scheme's labels say about each code: a word, a dict of facts, or nothing."""
    labels = database.schemes[scheme].labels if scheme in database.schemes else None
    if isinstance(labels, str):  # the name of a table
        facts = database.misc_tables[labels].df
        known = {str(column): _values(facts, column) for column in facts}
        return {str(code): {column: known[column][row] for column in known} for row, code in enumerate(facts.index)}
    return dict(labels) if isinstance(labels, dict) else {}


def _votes(frame: pd.DataFrame) -> list[str]:
    return [str(column) for column in frame if str(column).startswith("p_")]


def _ballots(database: Any, chosen: _Table, tables: list[_Table]) -> dict[Place, Row]:
    """Votes by place, from tables with several columns of emotions."""
    ballots: dict[Place, list[list[str]]] = {}
    for table in tables:
        readers = [(column, _reader(database, table, column)) for column in table.emotions]
        if len(readers) > 1 and not _votes(chosen.frame):
            columns = [[read(code) for code in _values(table.frame, name)] for name, read in readers]
            for place, *votes in zip(_places(table.frame), *columns, strict=True):
                ballots.setdefault(place, []).extend([vote] for vote in votes if vote is not None)
    emotions = {vote for cast in ballots.values() for (vote,) in cast}
    return {place: shares(cast, emotions) for place, cast in ballots.items()}


def _finished(corpus: Corpus, row: Row) -> Row:
    row["file"] = row["file"].replace("\\", "/")
    row["end"] = math.nan if row["end"] is None else row["end"]
    if row["speaker"] is not None and "/" not in row["speaker"]:
        row["speaker"] = f"{corpus.name}/{row['speaker']}"
    if row.get("gender"):
        row["gender"] = words.gender_named(row["gender"])
    return row


def _add_people(database: Any, chosen: list[_Table], tables: list[_Table], rows: list[Row]) -> None:
    """Gender and age from what the scheme of the speakers says of them."""
    for table in (*chosen, *tables):
        for name in _NAMES["speaker"]:
            known = {str(code): facts for code, facts in _meanings(database, table.schemes.get(name)).items()}
            if known:
                for row in rows:
                    who = row["speaker"]
                    facts = known.get(who, known.get(who.partition("/")[2])) if who else None
                    for fact in _OF_A_PERSON:
                        value = facts.get(fact) if isinstance(facts, dict) else None
                        if value is not None and value == value and row.get(fact) is None:
                            row[fact] = words.gender_named(str(value)) if fact == "gender" else float(value)
                return


def _add_language(database: Any, rows: list[Row]) -> None:
    """ISO 639-1, as tables have it; audformat has ISO 639-3."""
    iso639 = require("iso639", extra="audformat")

    def short(name: str) -> str:
        with suppress(LookupError, ValueError, TypeError):
            return iso639.Lang(name).pt1 or name
        return name

    only = str(database.languages[0]) if len(database.languages) == 1 else None
    for row in rows:
        said = row.get("language") or only
        if said:
            row["language"] = short(said)


def _fill(rows: list[Row]) -> None:
    """The same columns in every row."""
    columns = {column for row in rows for column in row}
    for row in rows:
        for column in columns - row.keys():
            row[column] = math.nan if column in _NUMBERS or column.startswith("p_") else None


def _refuse_elsewhere(rows: list[Row], folder: Path) -> None:
    if rows and not any((folder / row["file"]).exists() for row in rows):
        raise CorpusError(
            f"None of the recordings of the database in {folder} is there: looked for {folder / rows[0]['file']}. "
            "Load it with its media."
        )


CORPUS = Corpus(
    name="audformat",
    title="A database in audformat's form",
    licence="the database's own",
    commercial=None,
    citation="",
    homepage="",
    obtain="Load or save a database with audb or audformat, and give the folder that has db.yaml as audformat=FOLDER.",
    example="db.yaml",
    scan=scan,
    notes=(
        "Several tables may disagree; a check says which one was read.",
        "The licence and the citation are in the database's db.yaml.",
    ),
)
