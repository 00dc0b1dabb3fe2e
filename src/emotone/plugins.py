"""What other packages add to emotone: corpora, front-ends and models, by entry points.

====================  ==========================================================================================
group                 what an entry is
====================  ==========================================================================================
``emotone.corpora``   a `emotone.Corpus`, under its own name
``emotone.features``  a front-end: a frozen dataclass that is an `emotone.features.FrontEnd`, under its own name
``emotone.models``    a function of ``seed`` and its own options that returns an unfitted estimator
====================  ==========================================================================================

A package is found where it is installed. While it is being written, ``EMOTONE_PLUGINS`` names its folder (or several,
as in ``PATH``), and the entry points are read from its ``pyproject.toml``; nothing has to be installed.

A name of emotone's own can't be taken, nor one that a package earlier in the alphabet has: such an entry is never
used, and `Plugin.trouble` says so. An entry that can't be loaded is a `ConfigError` for whoever asks for it, and no
more than a `PluginWarning` for whoever looks at all of them.
"""

from __future__ import annotations

import os
import sys
import tomllib
import warnings
from collections.abc import Collection, Iterator
from dataclasses import dataclass, field, replace
from importlib.metadata import EntryPoint, entry_points
from pathlib import Path
from typing import Any

from emotone.errors import ConfigError

__all__ = ["FOLDERS", "GROUPS", "Plugin", "PluginWarning", "found", "installed", "warn_of"]

GROUPS = {"corpora": "corpus", "features": "features", "models": "model"}
"""The entry point groups after ``emotone.``, and what one entry of each is called."""

FOLDERS = "EMOTONE_PLUGINS"
"""The environment variable that names folders of packages that aren't installed."""


class PluginWarning(UserWarning):
    """An entry of another package that was passed over, with its name and the reason."""


@dataclass(frozen=True)
class Plugin:
    """One entry of a package: what it adds, and where it comes from."""

    group: str
    name: str
    value: str
    """``module:attribute``"""
    package: str
    """``emotone-parrots 1.0``, or the folder of one that isn't installed."""
    trouble: str = ""
    """Why it is never used: its name is taken. Empty for one that may be."""
    folder: Path | None = field(default=None, repr=False)
    """Of a package that isn't installed."""

    @property
    def kind(self) -> str:
        """``corpus``, ``features`` or ``model``."""
        return GROUPS[self.group.removeprefix("emotone.")]

    def load(self) -> Any:
        """What the entry stands for. Raises `ConfigError`, with its name, for whatever goes wrong in the package."""
        if self.folder is not None:
            _make_importable(self.folder)
        try:
            return EntryPoint(self.name, self.value, self.group).load()
        except Exception as error:  # the package is somebody else's, and may do anything
            said = str(error).strip().rstrip(".") or type(error).__name__
            raise ConfigError(
                f"The {self.kind} {self.name!r} ({self.value}) can't be loaded from {self.package}: {said}."
            ) from error


def installed(group: str, own: Collection[str]) -> dict[str, Plugin]:
    """The entries of ``group`` that may be used, by name in alphabetical order; ``own`` are emotone's names."""
    return {plugin.name: plugin for plugin in found(group, own) if not plugin.trouble}


def found(group: str, own: Collection[str]) -> list[Plugin]:
    """All entries of ``group`` in alphabetical order, those that are never used included. Nothing is loaded.

    Raises `ConfigError` for a folder in ``EMOTONE_PLUGINS`` that isn't a package's.
    """
    entries = {(one.name, one.package, one.value): one for one in (*_of_installed(group), *_of_folders(group))}
    owners = dict.fromkeys(own, "emotone")
    told = []
    for _, one in sorted(entries.items()):
        if one.name in owners:
            one = replace(one, trouble=f"The name {one.name!r} is taken, by {owners[one.name]}; rename it.")
        owners.setdefault(one.name, one.package)
        told.append(one)
    return told


def warn_of(error: ConfigError) -> None:
    """Say as a `PluginWarning` that an entry was passed over, where nobody asked for it by name."""
    warnings.warn(f"{error} It is passed over.", PluginWarning, stacklevel=3)


def _of_installed(group: str) -> Iterator[Plugin]:
    for entry in entry_points(group=group):
        about = entry.dist
        package = f"{about.name} {about.version}" if about is not None else "an unnamed package"
        yield Plugin(group, entry.name, entry.value, package)


def _of_folders(group: str) -> Iterator[Plugin]:
    for named in filter(None, os.environ.get(FOLDERS, "").split(os.pathsep)):
        folder = Path(named).expanduser()
        for name, value in _project(folder).get("entry-points", {}).get(group, {}).items():
            yield Plugin(group, name, value, str(named), folder=folder.absolute())


def _project(folder: Path) -> dict[str, Any]:
    """The table ``[project]`` of the package in ``folder``."""
    file = folder / "pyproject.toml"
    try:
        project = tomllib.loads(file.read_text("utf-8")).get("project", {})
    except OSError as error:
        raise ConfigError(
            f"{FOLDERS} names {folder}, which has no pyproject.toml; give the folder of a package."
        ) from error
    except ValueError as error:  # broken TOML, or bytes that are no text
        raise ConfigError(f"{file}, named by {FOLDERS}, can't be read: {error}.") from error
    return project if isinstance(project, dict) else {}


def _make_importable(folder: Path) -> None:
    """As an editable installation would: the folder's modules can be imported, by worker processes too, which are
    given this process's ``sys.path``."""
    for place in (folder / "src", folder):
        if place.is_dir() and str(place) not in sys.path:
            sys.path.append(str(place))
