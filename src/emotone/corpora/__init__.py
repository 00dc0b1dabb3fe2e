"""Corpora: what they are, how to get them, how to read and check them.

>>> from emotone import corpora
>>> corpora.names()[:3]
('ravdess', 'ravdess_song', 'crema_d')
>>> corpora.get("ravdess").licence
'CC BY-NC-SA 4.0'
>>> table = corpora.load("ravdess", "data/ravdess")     # doctest: +SKIP

A corpus is a `Corpus` record; each has a short file of its own here, facts first, and installed packages
bring more by the entry point group ``emotone.corpora``. ``folder`` and ``table`` read anybody's own
recordings. A table has one row per utterance and always the columns `COLUMNS`; where its corpus knows them
also `OPTIONAL_COLUMNS` and the raters' votes ``p_<emotion>``.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import TYPE_CHECKING

from emotone.corpora.findings import Finding, check_corpus
from emotone.corpora.published import published_folds
from emotone.corpora.reading import COLUMNS, OPTIONAL_COLUMNS, in_column_order, pandas
from emotone.corpora.record import Archive, Corpus, Folds
from emotone.corpora.registry import get, names
from emotone.errors import ConfigError

if TYPE_CHECKING:
    import pandas as pd

__all__ = [
    "COLUMNS",
    "OPTIONAL_COLUMNS",
    "Archive",
    "Corpus",
    "Finding",
    "Folds",
    "audio_root",
    "check",
    "export",
    "fetch",
    "get",
    "load",
    "names",
    "published_folds",
    "read",
]


def load(name: str, root: Path | str) -> pd.DataFrame:
    """The table of corpus ``name`` in the folder ``root`` (for ``table``: the table's file), one row per
    utterance.

    An utterance that is there twice gives one row. Raises `ConfigError` for an unknown name, `CorpusError`
    for a root that isn't this corpus.
    """
    return get(name).read(root)


def read(roots: Mapping[str, Path | str]) -> pd.DataFrame:
    """The tables of several corpora (name to root), one below the other, with the columns any of them has."""
    if not roots:
        raise ConfigError("No corpus is given; give at least one as NAME=FOLDER, for example ravdess=data/ravdess.")
    tables = [load(name, root) for name, root in roots.items()]
    return in_column_order(pandas().concat(tables, ignore_index=True)) if len(tables) > 1 else tables[0]


def audio_root(name: str, root: Path | str) -> Path:
    """The folder that the column ``file`` of corpus ``name`` is relative to: ``root``, or where ``root`` is a
    table's file, the folder it lies in."""
    return Path(root).parent if get(name).name == "table" or Path(root).is_file() else Path(root)


def check(
    name: str, root: Path | str, *, audio: bool = True, progress: Callable[[int, int], None] | None = None
) -> list[Finding]:
    """What is missing, doubled, silent, mislabelled, unreadable or odd about the copy of corpus ``name`` in
    ``root``.

    An ``error`` sets this copy apart from the published corpus (or makes it unusable), a ``warning`` is worth
    knowing before training on it, a ``note`` explains a difference. ``audio=False`` looks at names and bytes
    only. ``progress`` is called with (recordings done, recordings in all). Raises as `load` does.
    """
    return check_corpus(get(name), Path(root), audio=audio, progress=progress)


def export(
    name: str,
    root: Path | str,
    to: Path | str,
    *,
    form: str,
    copy_audio: bool = False,
    progress: Callable[[int, int], None] | None = None,
) -> Path:
    """Write the table of corpus ``name`` in ``root`` into the new folder ``to``, which is returned, as an
    ``audformat`` database, a Hugging Face data set (``datasets``), ``csv`` or ``parquet``, with its licence.

    The recordings stay where they are, and the table points to them, unless ``copy_audio``. Raises as `load` does,
    and what `emotone.corpora.exchange.export_table` raises.
    """
    from emotone.corpora.exchange import export_table

    table = load(name, root)
    folder = audio_root(name, root)
    return export_table(table, get(name), folder, Path(to), form=form, copy_audio=copy_audio, progress=progress)


def fetch(name: str, to: Path | str, *, progress: Callable[[str, int, int | None], None] | None = None) -> Path:
    """Download corpus ``name`` and unpack it into the new folder ``to``, which is returned.

    Archives land in the cache folder first, resume where a broken download stopped, and are removed once
    unpacked. ``progress`` is called with (file name, bytes done, bytes in all or None). Raises `ConfigError`
    where there is no open download, `DownloadError` for whatever goes wrong on the way. Show the licence and
    citation before calling.
    """
    from emotone.corpora import unpacking
    from emotone.fetch import cache_folder, download

    corpus = get(name)
    if not corpus.archives:
        raise ConfigError(f"{corpus.title} has no open download. {corpus.obtain} Homepage: {corpus.homepage or 'none'}")
    target = unpacking.free_folder(Path(to))
    store = cache_folder() / "downloads" / name
    files = []
    for archive in corpus.archives:
        files.append(
            download(
                archive.url,
                store / archive.filename,
                sha256=archive.sha256,
                md5=archive.md5,
                size=archive.size,
                progress=None if progress is None else _named(progress, archive.filename),
            )
        )
    unpacking.install(files, target)
    for file in files:
        file.unlink()
    return target


def _named(progress: Callable[[str, int, int | None], None], filename: str) -> Callable[[int, int | None], None]:
    return lambda done, total: progress(filename, done, total)
