"""Front-ends: signals in, feature vectors out.

>>> from emotone import features
>>> frontend = features.get("librosa180")
>>> len(frontend.names), frontend.rate
(180, 16000)

A front-end is a frozen dataclass whose fields are its options, called with a signal. It sees no label and
learns nothing. `get` makes one by name; `extract` runs it over a table, `extract_files` over files;
`describe` and `from_description` take it to JSON and back, as a saved recogniser does.

Packages add front-ends by the entry point group ``emotone.features``: the entry's name is the front-end's,
its value the dataclass (`emotone.plugins`).
"""

from __future__ import annotations

import dataclasses
import importlib
from typing import TYPE_CHECKING, Any, ClassVar, Protocol, runtime_checkable

from emotone import plugins
from emotone.errors import ConfigError, RecogniserError, unknown

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    from emotone.features.extraction import Extracted, Failure, extract, extract_files

__all__ = [
    "ENTRY_POINTS",
    "Extracted",
    "Failure",
    "FrontEnd",
    "added",
    "describe",
    "extract",
    "extract_files",
    "from_description",
    "get",
    "gives_signals",
    "names",
]

ENTRY_POINTS = "emotone.features"
"""The entry point group under which other packages register front-ends."""

_BUILT_IN = {
    "librosa180": "emotone.features.librosa180:Librosa180",
    "functionals": "emotone.features.functionals:Functionals",
    "egemaps": "emotone.features.opensmile:Egemaps",
    "compare": "emotone.features.opensmile:Compare",
    "embeddings": "emotone.features.embeddings:Embeddings",
    "waveform": "emotone.features.waveform:Waveform",
}


@runtime_checkable
class FrontEnd(Protocol):
    """What every front-end has. One whose licence forbids something says so in a ``licence_note``; one that gives
    signals of any length in place of features has no names and says ``gives = "signals"`` (`gives_signals`)."""

    name: ClassVar[str]
    version: ClassVar[int]
    """Raised whenever the numbers change, so that neither the cache nor a saved recogniser mixes them up."""

    @property
    def rate(self) -> int:
        """Sample rate in Hz at which it wants the signal."""

    @property
    def names(self) -> tuple[str, ...]:
        """Names of the d features."""

    def __call__(self, signal: NDArray[np.float32], /) -> NDArray[np.float32]:
        """Features, float32 ``(d,)``, of ``signal``, ``(samples,)``; `AudioError` where it has none."""


def gives_signals(frontend: FrontEnd) -> bool:
    """Whether ``frontend`` gives signals, which only models that want signals can learn from."""
    return getattr(frontend, "gives", "features") == "signals"


def names() -> tuple[str, ...]:
    """What `get` takes: the built-in front-ends, then those of installed packages."""
    return (*_BUILT_IN, *plugins.installed(ENTRY_POINTS, _BUILT_IN))


def added() -> list[plugins.Plugin]:
    """What other packages offer as front-ends, whether or not it can be used."""
    return plugins.found(ENTRY_POINTS, _BUILT_IN)


def get(name: str, **options: Any) -> FrontEnd:
    """The front-end ``name`` with ``options``.

    Raises `ConfigError` for an unknown name, an unknown option or a value that it can't take, and
    `MissingExtra` where it needs a package that isn't installed.
    """
    kind = _class(name)
    allowed = _options(kind)
    for option in options:
        if option not in allowed:
            raise unknown(f"option of the features {name!r}", option, allowed)
    frontend: FrontEnd = kind(**options)
    return frontend


def describe(frontend: FrontEnd) -> dict[str, Any]:
    """``{"name": ..., "version": ..., option: value, ...}``, for JSON; `from_description` takes it back."""
    options = {option: getattr(frontend, option) for option in _options(type(frontend))}
    return {"name": frontend.name, "version": frontend.version, **options}


def from_description(description: dict[str, Any]) -> FrontEnd:
    """The front-end that `describe` described.

    Raises `RecogniserError` where this emotone lacks it or has another version of it: another version means
    other numbers, which a model trained on the first would misread.
    """
    options = dict(description)
    name, version = options.pop("name", None), options.pop("version", None)
    if name not in names():
        raise RecogniserError(
            f"This was made with the features {name!r}; this emotone has only {', '.join(names())}. "
            "Install the package that brings them, or upgrade with: pip install --upgrade emotone"
        )
    here = _class(name).version
    if version != here:
        raise RecogniserError(
            f"This was made with version {version!r} of the features {name!r}; this emotone has version "
            f"{here}, with other numbers. If it is the older one, upgrade with: pip install --upgrade "
            "emotone. If not, train again."
        )
    try:
        return get(name, **options)
    except ConfigError as error:
        raise RecogniserError(f"The features {name!r} can't be made as described. {error}") from error


def _class(name: str) -> Any:
    """The dataclass of front-end ``name``, imported only now."""
    if name in _BUILT_IN:
        module, _, attribute = _BUILT_IN[name].partition(":")
        return getattr(importlib.import_module(module), attribute)
    others = plugins.installed(ENTRY_POINTS, _BUILT_IN)
    if name not in others:
        raise unknown("features", name, (*_BUILT_IN, *others))
    plugin = others[name]
    kind = plugin.load()
    if not dataclasses.is_dataclass(kind) or getattr(kind, "name", None) != plugin.name:
        raise ConfigError(f"{plugin.value} must be a dataclass whose name is {plugin.name!r} ({plugin.package}).")
    return kind


def _options(kind: Any) -> list[str]:
    return [field.name for field in dataclasses.fields(kind) if field.init]


def __getattr__(name: str) -> Any:
    if name not in ("Extracted", "Failure", "extract", "extract_files"):
        raise AttributeError(f"module 'emotone.features' has no attribute {name!r}")
    value = getattr(importlib.import_module("emotone.features.extraction"), name)
    globals()[name] = value
    return value
