"""The public surface: every name that is promised exists, and says what it does."""

from __future__ import annotations

import ast
import importlib
import inspect
import types
from pathlib import Path

import pytest

import emotone

ROOT = Path(emotone.__file__).parent


def public_modules() -> list[str]:
    """Modules without an underscore in their path. The command line is for people, who see its help pages."""
    found = []
    for file in sorted(ROOT.rglob("*.py")):
        parts = file.relative_to(ROOT.parent).with_suffix("").parts
        parts = parts[:-1] if parts[-1] == "__init__" else parts
        if parts[1:2] != ("cli",) and not any(part.startswith("_") for part in parts):
            found.append(".".join(parts))
    return found


MODULES = public_modules()


def test_there_are_modules_to_look_at():
    assert {"emotone", "emotone.audio", "emotone.models", "emotone.models.classic"} <= set(MODULES)
    assert len(MODULES) > 25


@pytest.mark.parametrize("name", emotone.__all__)
def test_every_public_name_resolves(name):
    assert getattr(emotone, name) is not None


def test_the_public_list_is_the_whole_truth():
    assert len(set(emotone.__all__)) == len(emotone.__all__)
    assert dir(emotone) == sorted(emotone.__all__)
    for name, home in emotone._HOMES.items():
        module = importlib.import_module(f"emotone.{home}")
        assert name in module.__all__, f"emotone.{name} is public, but not in the list of emotone.{home}"
        assert getattr(emotone, name) is getattr(module, name)
    with pytest.raises(AttributeError, match="no attribute 'lode'"):
        _ = emotone.lode


def test_type_checkers_see_the_same_names():
    tree = ast.parse((ROOT / "__init__.py").read_text(encoding="utf-8"))
    [block] = [node for node in tree.body if isinstance(node, ast.If) and "TYPE_CHECKING" in ast.unparse(node.test)]
    seen = {
        alias.name: str(node.module).removeprefix("emotone").removeprefix(".")
        for node in block.body
        if isinstance(node, ast.ImportFrom)
        for alias in node.names
    }
    assert seen == {**emotone._HOMES, **dict.fromkeys(emotone._MODULES, "")}


def imported(path: str) -> types.ModuleType:
    """The module, or a skip where it is about networks and torch isn't here."""
    try:
        return importlib.import_module(path)
    except ModuleNotFoundError as error:
        if error.name != "torch":
            raise
        pytest.skip(f"{path} needs torch: pip install 'emotone[deep]'")


def offered(path: str) -> list[str]:
    """What a module lists in ``__all__``; a corpus's file offers its record, and needs no list."""
    module = imported(path)
    names = getattr(module, "__all__", None)
    if names is None and isinstance(getattr(module, "CORPUS", None), emotone.Corpus):
        return ["CORPUS"]
    assert names, f"{path} has no __all__"
    return list(names)


@pytest.mark.parametrize("path", MODULES)
def test_every_list_is_true(path):
    names = offered(path)
    assert len(set(names)) == len(names)
    missing = [name for name in names if not hasattr(imported(path), name)]
    assert not missing, f"{path}.__all__ promises {missing}"


@pytest.mark.parametrize("path", MODULES)
def test_everything_public_is_documented(path):
    module = imported(path)
    silent = [f"{path}.{gap}" for name in offered(path) for gap in undocumented(name, getattr(module, name))]
    assert module.__doc__, f"{path} has no docstring"
    assert not silent, f"without a docstring: {', '.join(silent)}"


def undocumented(name: str, thing: object) -> list[str]:
    """``name`` and the public methods of the class it stands for, as far as emotone wrote them without a docstring."""
    if not (inspect.isclass(thing) or inspect.isroutine(thing)) or isinstance(thing, types.GenericAlias):
        return []
    if not str(getattr(thing, "__module__", "")).startswith("emotone"):
        return []
    silent = [] if own_doc(thing) else [name]
    if inspect.isclass(thing):
        for key, member in vars(thing).items():
            written = isinstance(member, property | classmethod | staticmethod) or inspect.isfunction(member)
            if written and not key.startswith("_") and not own_doc(member):
                silent.append(f"{name}.{key}")
    return silent


def own_doc(thing: object) -> str:
    """The docstring that was written, not the signature that a dataclass writes for itself."""
    text = (getattr(thing, "__doc__", None) or "").strip()
    return "" if inspect.isclass(thing) and text.startswith(f"{thing.__name__}(") else text
