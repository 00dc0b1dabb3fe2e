"""Which corpora there are: those of this package, then those that installed packages bring.

A package brings one by an entry point of the group ``emotone.corpora`` whose name is the corpus's and whose
value is its `Corpus` record (`emotone.plugins`). The built-in corpora come first, and a plug-in can't replace one of
them.
"""

from __future__ import annotations

import importlib
from collections.abc import Iterator

from emotone import plugins
from emotone.corpora.record import Corpus
from emotone.errors import ConfigError, unknown

__all__ = ["ENTRY_POINTS", "added", "get", "names", "records"]

ENTRY_POINTS = "emotone.corpora"
"""The entry point group under which other packages register corpora."""

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
    return (*_BUILT_IN, *plugins.installed(ENTRY_POINTS, _BUILT_IN))


def get(name: str) -> Corpus:
    """The corpus called ``name``. Raises `ConfigError` for an unknown name or a broken plug-in."""
    if name in _BUILT_IN:
        corpus: Corpus = importlib.import_module(f"emotone.corpora.{name}").CORPUS
        return corpus
    others = plugins.installed(ENTRY_POINTS, _BUILT_IN)
    if name not in others:
        raise unknown("corpus", name, (*_BUILT_IN, *others))
    return _load(others[name])


def records() -> Iterator[Corpus]:
    """All corpora, in the order of `names`; a broken plug-in is a warning (`emotone.plugins.PluginWarning`)."""
    yield from (get(name) for name in _BUILT_IN)
    for plugin in plugins.installed(ENTRY_POINTS, _BUILT_IN).values():
        try:
            yield _load(plugin)
        except ConfigError as error:
            plugins.warn_of(error)


def added() -> list[plugins.Plugin]:
    """What other packages offer as corpora, whether or not it can be used."""
    return plugins.found(ENTRY_POINTS, _BUILT_IN)


def _load(plugin: plugins.Plugin) -> Corpus:
    corpus = plugin.load()
    if not isinstance(corpus, Corpus) or corpus.name != plugin.name:
        raise ConfigError(
            f"{plugin.value} must be a Corpus whose name is {plugin.name!r}, not {corpus!r} ({plugin.package})."
        )
    return corpus
