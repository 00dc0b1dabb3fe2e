"""Experiments as TOML files: the fields of `Experiment` as keys, and ``[[variant]]`` sections for several."""

from __future__ import annotations

import tomllib
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from emotone.errors import ConfigError, unknown
from emotone.experiment import Experiment

__all__ = ["experiment_of", "read_experiments", "read_variants"]


def read_experiments(path: str | Path, **overrides: Any) -> tuple[Experiment, ...]:
    """The experiments of a TOML file: one, or one for each ``[[variant]]``, whose keys replace those above them.

    ``overrides`` (fields of `Experiment`) replace the file's. Raises `ConfigError` for a file that can't be read or
    a key that isn't known.
    """
    return tuple(experiment_of(keys, Path(path), **overrides) for keys in read_variants(path))


def read_variants(path: str | Path) -> tuple[dict[str, Any], ...]:
    """The keys of each experiment of a TOML file, ``name`` among them, before anything is made of them.

    Raises `ConfigError` for a file that can't be read.
    """
    path = Path(path)
    try:
        document = tomllib.loads(path.read_text("utf-8"))
    except OSError as error:
        raise ConfigError(f"{path}: {error.strerror or error}. Give the path of an experiment in TOML.") from error
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise ConfigError(f"{path} is not valid TOML: {error}.") from error
    variants = document.pop("variant", [{}])
    if not isinstance(variants, list) or not variants or not all(isinstance(variant, dict) for variant in variants):
        raise ConfigError(f"{path}: variants are written as [[variant]] sections.")
    names = [path.stem] if len(variants) == 1 else [f"{path.stem} {i}" for i in range(1, len(variants) + 1)]
    return tuple({"name": name, **document, **variant} for name, variant in zip(names, variants, strict=True))


_KINDS: dict[str, tuple[type, ...]] = {
    "corpora": (list, dict),
    "labels": (str, list),
    "targets": (list,),
    "features": (str,),
    "frontend": (str, dict),
    "model": (str, dict),
    "protocol": (str, dict),
    "seed": (int,),
    "name": (str,),
    "licence": (str,),
}
"""The keys of an experiment file, and what TOML may give for them."""


def experiment_of(keys: Mapping[str, Any], path: Path, **overrides: Any) -> Experiment:
    """The experiment of one variant's ``keys`` (`read_variants`); errors name the file ``path``.

    Raises `ConfigError` for a key or value that can't be, `MissingExtra` for features whose package isn't installed.
    """
    from emotone import corpora

    given: dict[str, Any] = {}
    for key, value in keys.items():
        if key not in _KINDS:
            raise ConfigError(f"{path}: {unknown('key', key, [*_KINDS, 'variant'])}")
        if type(value) not in _KINDS[key]:
            kinds = " or ".join(_IN_TOML[kind] for kind in _KINDS[key])
            raise ConfigError(f"{path}: {key} is {kinds}, not {value!r}.")
        if key in ("frontend", "model", "protocol"):
            options = {"name": value} if isinstance(value, str) else dict(value)
            if "name" not in options:
                raise ConfigError(f"{path}: [{key}] needs a name.")
            given[key] = options.pop("name")
            given[f"{key}_options"] = options
        elif key == "corpora":
            given[key] = dict.fromkeys(value, "") if isinstance(value, list) else value
            if not all(isinstance(word, str) for word in [*given[key], *given[key].values()]):
                raise ConfigError(f"{path}: corpora are names, or names and folders in quotes, not {value!r}.")
        elif key in ("labels", "targets"):
            given[key] = value if isinstance(value, str) else tuple(value)
        else:
            given[key] = value
    if "corpora" in overrides:
        overrides["corpora"] = {**given.get("corpora", {}), **overrides["corpora"]}
    given |= overrides
    if "corpora" not in given and "features" not in given:
        raise ConfigError(
            f'{path}: no corpus is named; add corpora = ["ravdess"] or another of {", ".join(corpora.names())}.'
        )
    return Experiment(**given)


_IN_TOML = {str: "a word in quotes", list: "a list", dict: "a table", int: "a whole number"}
