"""``emotone features``: feature vectors of corpora or files, as a Parquet or CSV table."""

from __future__ import annotations

import glob
import json
import warnings
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from emotone.cli.console import complain, emit_json, parse_roots, progress_bar, say, stdout
from emotone.errors import ConfigError, MissingExtra, require

if TYPE_CHECKING:
    import numpy as np
    import pandas as pd
    from numpy.typing import NDArray

    from emotone.features import Failure, FrontEnd

__all__ = ["features"]

SUFFIXES = (".parquet", ".csv")


def features(
    frontend: Annotated[
        str | None, typer.Argument(metavar="FRONTEND", help="A name from --list.", show_default=False)
    ] = None,
    sources: Annotated[
        list[str] | None,
        typer.Argument(metavar="NAME=ROOT...|FILE...", help="Corpora, or files and folders.", show_default=False),
    ] = None,
    output: Annotated[
        Path | None,
        typer.Option("--output", "-o", help="Table to write, .parquet or .csv.", show_default=False),
    ] = None,
    settings: Annotated[
        list[str] | None,
        typer.Option("--set", metavar="OPTION=VALUE", help="Option of the front-end, such as rate=48000."),
    ] = None,
    jobs: Annotated[int | None, typer.Option(min=1, help="Processes; default: all processors.")] = None,
    no_cache: Annotated[
        bool, typer.Option("--no-cache", help="Compute all anew, and don't keep the features.")
    ] = False,
    list_them: Annotated[bool, typer.Option("--list", help="Say which front-ends there are.")] = False,
    as_json: Annotated[bool, typer.Option("--json", help="With --list: one JSON document on stdout.")] = False,
) -> None:
    """Write the features of corpora or files to a table, one row per utterance, one column per feature.

    emotone features functionals ravdess=data/ravdess -o ravdess.parquet

    emotone features librosa180 speech.wav recordings/ -o features.csv

    Recordings that can't be used are named and left out (exit 1). An empty 'end' means the end of the file.
    """
    if list_them:
        _list(as_json)
        return
    if frontend is None or not sources or output is None:
        raise ConfigError(
            "Give a front-end, what to read, and where to write, for example: "
            "emotone features functionals ravdess=data/ravdess -o ravdess.parquet. "
            "The front-ends: emotone features --list"
        )
    _check_output(output)
    front = _front_end(frontend, settings or [])
    if not front.names:
        raise ConfigError(f"The features {frontend!r} are the signals themselves, and don't fit in a table.")
    table, roots = _table(sources)
    note = getattr(front, "licence_note", None)
    if note:
        say(note)
    from emotone.features import extract

    with progress_bar(frontend, total=len(table)) as advance, _warnings_in_words():
        extracted = extract(table, front, roots, jobs=jobs, cache=False if no_cache else None, progress=advance)
    _name_failures(extracted.failures)
    n_rows = len(table) - len(extracted.failures)
    if n_rows:
        _write(_with_features(table, front, extracted.X, extracted.failures), output, front)
        say(f"{output}: {n_rows} rows, {len(front.names)} features")
    if extracted.failures or not n_rows:
        raise typer.Exit(1)


def _list(as_json: bool) -> None:
    from emotone import features
    from emotone.cli.plugins import tell_of

    added = features.added()
    package = {plugin.name: plugin.package for plugin in added if not plugin.trouble}
    facts = [_facts(name) | {"package": package.get(name, "emotone")} for name in features.names()]
    if as_json:
        emit_json(facts)
        return
    from rich.table import Table

    table = Table("name", "features", "options", "what they are", box=None, pad_edge=False)
    for one in facts:
        options = ", ".join(f"{option}={value}" for option, value in one["options"].items())
        words = [one["summary"], one["licence_note"], one["missing"]]
        table.add_row(one["name"], str(one["n_features"] or ""), options, "\n".join(filter(None, words)))
    stdout().print(table)
    tell_of(added)


def _facts(name: str) -> dict[str, Any]:
    """What ``--list`` says of a front-end; ``missing`` is what keeps it from being used."""
    from emotone import features

    try:
        front = features.get(name)
        options = features.describe(front)
        return {
            "name": options.pop("name"),
            "version": options.pop("version"),
            "n_features": len(front.names),
            "rate": front.rate,
            "options": options,
            "summary": (type(front).__doc__ or "").strip().partition("\n")[0],
            "licence_note": getattr(front, "licence_note", None),
            "missing": None,
        }
    except (MissingExtra, ConfigError) as error:
        unknown = dict.fromkeys(("version", "n_features", "rate", "summary", "licence_note"))
        return {"name": name, **unknown, "options": {}, "missing": str(error)}


def _front_end(name: str, settings: list[str]) -> FrontEnd:
    from emotone import features

    options: dict[str, Any] = {}
    for setting in settings:
        option, equals, value = setting.partition("=")
        if not equals:
            raise ConfigError(f"An option is given as OPTION=VALUE, for example rate=48000, not {setting!r}.")
        try:
            options[option] = json.loads(value)
        except ValueError:
            options[option] = value
    return features.get(name, **options)


def _table(sources: list[str]) -> tuple[pd.DataFrame, dict[str, Path]]:
    """The utterances of ``sources``, and the folder that each corpus's files lie in."""
    pairs = [source for source in sources if "=" in source and not Path(source).exists()]
    if pairs and len(pairs) < len(sources):
        other = next(source for source in sources if source not in pairs)
        raise ConfigError(f"Give either corpora as NAME=ROOT or files, not both: {pairs[0]} and {other}.")
    if pairs:
        from emotone import corpora

        roots = parse_roots(pairs)
        return corpora.read(roots), {name: corpora.audio_root(name, root) for name, root in roots.items()}
    pandas = require("pandas", extra="train")
    files = _files(sources)
    table = pandas.DataFrame({"corpus": "", "file": files, "start": 0.0, "end": float("nan")})
    return table, {"": Path()}


def _files(sources: list[str]) -> list[str]:
    """The files that ``sources`` name: files, folders with all recordings below them, patterns with ``*``."""
    from emotone.audio import SUFFIXES as RECORDINGS

    files: list[str] = []
    for source in sources:
        path = Path(source)
        if path.is_dir():
            found = sorted(inside for inside in path.rglob("*") if inside.suffix.lower() in RECORDINGS)
        elif glob.has_magic(source) and not path.exists():
            found = [Path(name) for name in sorted(glob.iglob(source, recursive=True))]  # noqa: PTH207
        else:
            found = [path]  # if it isn't there, the extraction says so, and goes on with the others
        if not found:
            raise ConfigError(f"There are no recordings in {source}.")
        files += [file.as_posix() for file in found]
    return files


def _with_features(
    table: pd.DataFrame, front: FrontEnd, X: NDArray[np.float32], failures: Sequence[Failure]
) -> pd.DataFrame:
    """The columns that say what a row is, then one column per feature; without the rows that failed."""
    pandas = require("pandas", extra="train")
    wanted = ("corpus", "file", "start", "end", "speaker", "label", "emotion")
    kept = [column for column in wanted if column in table and not (table[column] == "").all()]
    values = pandas.DataFrame(X, columns=list(front.names), index=table.index)
    joined: pd.DataFrame = pandas.concat([table[kept], values], axis=1)
    return joined.drop(index=table.index[[failure.row for failure in failures]])


def _check_output(output: Path) -> None:
    """Whatever would make the writing fail, said before the work."""
    if output.suffix.lower() not in SUFFIXES:
        raise ConfigError(f"The table's name has to end in {' or '.join(SUFFIXES)}, not {output.name!r}.")
    if not output.parent.is_dir():
        raise ConfigError(f"There is no folder {output.parent} to write {output.name} into; make it first.")
    if output.is_dir():
        raise ConfigError(f"{output} is a folder; give the name of a file.")
    require("pandas", extra="train")
    if output.suffix.lower() == ".parquet":
        require("pyarrow", extra="train")


def _write(table: pd.DataFrame, output: Path, front: FrontEnd) -> None:
    """Write beside ``output`` and rename, so that a table is either whole or not there. Parquet says in its footer by
    which front-end, for ``emotone train --features``."""
    part = output.with_name(f".{output.name}.part")
    try:
        if output.suffix.lower() == ".parquet":
            _to_parquet(table, part, front)
        else:
            table.to_csv(part, index=False)
        part.replace(output)
    except OSError as error:
        raise ConfigError(f"{output} can't be written ({error.strerror or error}).") from error
    finally:
        part.unlink(missing_ok=True)


def _to_parquet(table: pd.DataFrame, path: Path, front: FrontEnd) -> None:
    from emotone.extracted import FOOTER
    from emotone.features import describe

    arrow, parquet = require("pyarrow", extra="train"), require("pyarrow.parquet", extra="train")
    rows = arrow.Table.from_pandas(table, preserve_index=False)
    facts = {**(rows.schema.metadata or {}), FOOTER: json.dumps(describe(front)).encode()}
    parquet.write_table(rows.replace_schema_metadata(facts), path)


def _name_failures(failures: Sequence[Failure]) -> None:
    for failure in failures:
        reason = failure.reason
        complain(reason if Path(failure.file).name in reason else f"{failure.file}: {reason}")


@contextmanager
def _warnings_in_words() -> Iterator[None]:
    """Trouble with the cache as a sentence, instead of Python's two lines with the source."""
    from emotone.features.cache import CacheWarning

    with warnings.catch_warnings():
        warnings.simplefilter("always", CacheWarning)
        warnings.showwarning = lambda message, *_, **__: say(str(message))
        yield
