"""Arrays and facts about them in one file: a numpy archive, which can hold numbers but nothing that runs.

Checkpoints and pretrained trunks are kept so. The facts are JSON beside the arrays, in the same archive, so that
neither can be without the other.
"""

from __future__ import annotations

import contextlib
import json
import os
import tempfile
import zipfile
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from emotone.errors import ConfigError

__all__ = ["read", "write"]

FACTS = "facts.json"


def write(path: Path, arrays: Mapping[str, NDArray[Any]], facts: Mapping[str, Any]) -> None:
    """Write ``arrays`` and ``facts`` to ``path``, whole or not at all. Raises `ConfigError` where it can't."""
    text = np.frombuffer(json.dumps(dict(facts), sort_keys=True).encode(), np.uint8)
    aside = ""
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        handle, aside = tempfile.mkstemp(prefix=f".{path.name}.", dir=path.parent)
        with os.fdopen(handle, "wb") as file:
            np.savez(file, **{FACTS: text, **arrays})  # type: ignore[arg-type]  # mypy sees savez's other keyword
        Path(aside).replace(path)
    except OSError as error:
        with contextlib.suppress(OSError):
            Path(aside).unlink()
        raise ConfigError(f"{path} can't be written: {error.strerror or error}. Choose another place.") from error


def read(path: Path, kind: str) -> tuple[dict[str, NDArray[Any]], dict[str, Any]]:
    """The arrays and facts in ``path``, whose facts call themselves of this ``kind``.

    Raises `ConfigError` for a file that can't be read, or is of another kind.
    """
    try:
        with np.load(path, allow_pickle=False) as archive:
            arrays = {name: archive[name] for name in archive.files}
        facts = json.loads(arrays.pop(FACTS).tobytes())
    except FileNotFoundError:
        raise ConfigError(f"There is no file {path}. Give the path of a {kind}.") from None
    except (OSError, ValueError, KeyError, AttributeError, zipfile.BadZipFile) as error:
        raise ConfigError(f"{path} isn't a {kind}, or is damaged ({error}). Give another file.") from error
    if not isinstance(facts, dict) or facts.get("kind") != kind:
        found = facts.get("kind") if isinstance(facts, dict) else None
        raise ConfigError(f"{path} is a {found or 'file of unknown kind'}, not a {kind}. Give another file.")
    return arrays, facts
