"""The page about recognisers and models is generated, whole and true."""

from __future__ import annotations

import importlib.machinery
import importlib.util
import inspect
import re
from pathlib import Path
from types import ModuleType

import pytest

from emotone import models, recogniser, saved
from emotone.features.encoders import places

ROOT = Path(__file__).resolve().parents[1]
PAGE = ROOT / "docs" / "models.md"


@pytest.fixture(scope="module")
def generator() -> ModuleType:
    loader = importlib.machinery.SourceFileLoader("make_model_docs", str(ROOT / "scripts" / "make_model_docs"))
    spec = importlib.util.spec_from_loader("make_model_docs", loader)
    assert spec is not None
    module = importlib.util.module_from_spec(spec)
    loader.exec_module(module)
    return module


def test_the_page_is_what_the_recognisers_and_the_code_say(generator: ModuleType) -> None:
    """Otherwise: run ``scripts/make_model_docs``."""
    assert PAGE.read_text("utf-8") == generator.document()


@pytest.mark.parametrize("name", recogniser.names())
def test_every_bundled_recogniser_is_there_with_what_a_user_must_know(name: str) -> None:
    config = saved.read(recogniser.BUNDLED / name).config
    page = PAGE.read_text("utf-8")
    [row] = re.findall(rf"^\| \[`{name}`\]\(#{name}\) \|.*$", page, re.MULTILINE)
    section = page.split(f"\n### {name}\n")[1].split("\n### ")[0].split("\n## ")[0]
    assert config["licence"] in row
    assert {True: "| yes |", False: "| **no** |", None: "| not clear |"}[config["commercial"]] in row
    assert config["scores"][0]["line"] in row
    assert all(score["line"] in section for score in config["scores"])
    assert all(label in section for label in config["labels"])
    assert all(corpus["title"] in section for corpus in config["corpora"])
    n_bytes = sum((recogniser.BUNDLED / name / part).stat().st_size for part in saved.PARTS)
    assert f"| {n_bytes / 1e6:.1f} MB |" in row


@pytest.mark.parametrize("name", models._BUILT_IN)
def test_every_model_is_there_with_every_option(name: str) -> None:
    if name in ("network", "finetune"):
        pytest.importorskip("torch", reason="needs emotone[deep]")
    page = PAGE.read_text("utf-8")
    anchor = f"model-{name.replace('_', '-')}"
    assert f"[`{name}`](#{anchor})" in page
    section = page.split(f'<a id="{anchor}"></a>')[1].split("\n### ")[0]
    if name == "finetune":  # shares them
        section += page.split('<a id="model-network"></a>')[1].split("\n### ")[0]
    options = set(inspect.signature(models._maker(name)).parameters) - {"seed"}
    listed = set(re.findall(r"^\| `(\w+)` \| ", section, re.MULTILINE))
    assert options <= listed
    if name != "finetune":
        assert listed <= options


def test_defaults_are_those_of_the_model() -> None:
    pytest.importorskip("torch", reason="needs emotone[deep]")
    from emotone.models.finetune import _GENTLE, _TRUNK_RATE

    section = PAGE.read_text("utf-8").split('<a id="model-finetune"></a>')[1]
    for option, value in _GENTLE.items():
        assert f"`{option}` {value:g}" in section
    assert all(f"{value:g}" in section for value in _TRUNK_RATE.values())
    for option, value in vars(models.get("network").training).items():
        if not option.startswith("_"):
            assert f"| `{option}` | `{value!r}` |" in PAGE.read_text("utf-8")


def test_encoders_are_named() -> None:
    page = PAGE.read_text("utf-8")
    assert all(f"`{family}`" in page for family in places.FAMILIES)


def test_a_fact_about_speed_gets_a_column(
    generator: ModuleType, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    parts = saved.read(recogniser.BUNDLED / recogniser.DEFAULT)
    monkeypatch.setattr(recogniser, "BUNDLED", tmp_path)
    for name, model in (("a", {"name": "svm"}), ("default", {"name": "network", "speed": "400 times real time"})):
        config = saved.resealed(parts.config, model=model)
        saved.write(tmp_path / name, saved.Parts(config, parts.model, parts.card))
    page = "\n".join(generator.bundled())
    assert "| on disk | speed | licence |" in page
    assert page.count("| 400 times real time |") == 1
    assert page.index("### default") < page.index("### a")
    saved.write(tmp_path / "default", saved.read(tmp_path / "a"))
    assert "| speed |" not in "\n".join(generator.bundled())
