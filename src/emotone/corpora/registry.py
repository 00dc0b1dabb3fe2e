"""Which corpora there are: those of this package, then those that installed packages bring.

A package brings one by an entry point of the group ``emotone.corpora`` whose name is the corpus's and whose
value is its `Corpus` record. The built-in corpora come first, and a plug-in can't replace one of them.
"""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING

from emotone.corpora.record import Corpus
from emotone.errors import ConfigError, unknown

if TYPE_CHECKING:
    from importlib.metadata import EntryPoint

__all__ = ["get", "names"]

_BUILT_IN = (
    "ravdess",
    "ravdess_song",
    "crema_d",
    "emodb",
    "nemo",
    "tess",
    "savee",
    "urdu",
    "iemocap",
    "meld",
    "msp_podcast",
    "msp_improv",
    "emovo",
    "shemo",
    "jl",
    "cafe",
    "subesco",
    "aesdd",
    "enterface",
    "esd",
    "emov_db",
    "emozionalmente",
    "ased",
    "turev",
    "mesd",
    "oreau",
    "polish",
    "resd",
    "casia",
    "asvp_esd",
    "mead",
    "emns",
    "pavoque",
    "demos",
    "emofilm",
    "portuguese",
    "emouerj",
    "baved",
    "banglaser",
    "dusha",
    "thai_ser",
    "vivae",
    "mess",
    "thorsten",
    "jvnv",
    "eesc",
    "folder",
    "table",
    "audformat",
    "datasets",
)


def names() -> tuple[str, ...]:
    """The names of all corpora: built-in ones, then those of installed packages in alphabetical order."""
    return (*_BUILT_IN, *sorted(_plug_ins()))


def get(name: str) -> Corpus:
    """The corpus called ``name``. Raises `ConfigError` for an unknown name or a broken plug-in."""
    if name in _BUILT_IN:
        corpus: Corpus = importlib.import_module(f"emotone.corpora.{name}").CORPUS
        return corpus
    plug_ins = _plug_ins()
    if name not in plug_ins:
        raise unknown("corpus", name, names())
    return _load(plug_ins[name])


def _plug_ins() -> dict[str, EntryPoint]:
    from importlib.metadata import entry_points

    return {entry.name: entry for entry in entry_points(group="emotone.corpora") if entry.name not in _BUILT_IN}


def _load(entry: EntryPoint) -> Corpus:
    try:
        corpus = entry.load()
    except (ImportError, AttributeError) as error:
        raise ConfigError(f"The corpus {entry.name!r} ({entry.value}) can't be loaded: {error}.") from error
    if not isinstance(corpus, Corpus) or corpus.name != entry.name:
        raise ConfigError(f"{entry.value} must be a Corpus whose name is {entry.name!r}, not {corpus!r}.")
    return corpus
