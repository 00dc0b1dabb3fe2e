"""The error tree.

::

    EmotoneError                      catch this one
    ├── AudioError       (ValueError)   a recording that can't be read or used
    ├── CorpusError      (ValueError)   a corpus folder or table that isn't what its reader expects
    ├── ConfigError      (ValueError)   an unknown name, option or experiment key
    ├── ExperimentError  (ValueError)   data that can't be split, trained or scored as asked
    ├── RecogniserError  (ValueError)   a saved recogniser with a missing, altered or unknown part
    ├── DownloadError    (OSError)      a download that failed or isn't what it should be
    └── MissingExtra     (ImportError)  an optional package that isn't installed

Every message is one sentence or two: what was given, why it can't be used, and the cure. The command line prints the
message and nothing else, so it has to stand alone.
"""

from __future__ import annotations

import difflib
import importlib
from collections.abc import Iterable
from types import ModuleType

__all__ = [
    "AudioError",
    "ConfigError",
    "CorpusError",
    "DownloadError",
    "EmotoneError",
    "ExperimentError",
    "MissingExtra",
    "RecogniserError",
    "require",
    "unknown",
]


class EmotoneError(Exception):
    """Anything emotone raises on purpose."""


class AudioError(EmotoneError, ValueError):
    """A recording that can't be read or used."""


class CorpusError(EmotoneError, ValueError):
    """A corpus folder or table that isn't what its reader expects."""


class ConfigError(EmotoneError, ValueError):
    """An unknown name, option or experiment key."""


class ExperimentError(EmotoneError, ValueError):
    """Data that can't be split, trained or scored as asked."""


class RecogniserError(EmotoneError, ValueError):
    """A saved recogniser with a missing, altered or unknown part."""


class DownloadError(EmotoneError, OSError):
    """A download that failed or isn't what it should be."""


class MissingExtra(EmotoneError, ImportError):
    """An optional package that isn't installed."""


def require(module: str, *, extra: str) -> ModuleType:
    """Import an optional ``module`` or raise `MissingExtra` naming the ``extra`` that brings it."""
    try:
        return importlib.import_module(module)
    except ImportError as error:
        package = module.partition(".")[0]
        raise MissingExtra(
            f"{package} is needed for this and could not be imported ({error}). "
            f"Install it with: pip install 'emotone[{extra}]'"
        ) from error


def unknown(kind: str, name: object, allowed: Iterable[str]) -> ConfigError:
    """The `ConfigError` for a ``name`` that isn't one of the ``allowed`` ones, with the likeliest one suggested."""
    choices = list(allowed)
    close = difflib.get_close_matches(str(name), choices, n=1)
    hint = f" Did you mean {close[0]!r}?" if close else ""
    return ConfigError(f"Unknown {kind} {str(name)!r}.{hint} Allowed: {', '.join(choices) or 'none'}.")
