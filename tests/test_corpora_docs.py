"""The page about the corpora is generated, whole and true."""

from __future__ import annotations

import importlib.machinery
import importlib.util
import re
from pathlib import Path
from types import ModuleType

import pytest

from emotone import corpora

ROOT = Path(__file__).resolve().parents[1]
PAGE = ROOT / "docs" / "corpora.md"
OWN_RECORDINGS = {"folder", "table", "audformat", "datasets"}


@pytest.fixture(scope="module")
def generator() -> ModuleType:
    loader = importlib.machinery.SourceFileLoader("make_corpora_docs", str(ROOT / "scripts" / "make_corpora_docs"))
    spec = importlib.util.spec_from_loader("make_corpora_docs", loader)
    assert spec is not None
    module = importlib.util.module_from_spec(spec)
    loader.exec_module(module)
    return module


def test_the_page_is_what_the_records_say(generator: ModuleType) -> None:
    """Otherwise: run ``scripts/make_corpora_docs``."""
    assert PAGE.read_text("utf-8") == generator.document()


def test_every_corpus_is_on_the_page_with_what_a_user_must_know() -> None:
    page = PAGE.read_text("utf-8")
    for name in set(corpora.names()) - OWN_RECORDINGS:
        corpus = corpora.get(name)
        section = page.split(f'<a id="{name}"></a>')[1].split("\n## ")[0]
        assert f"](#{name}) |" in page
        assert corpus.citation in section
        assert corpus.licence in section
        assert f"<{corpus.homepage}>" in section
        assert all(f"`{code}` {emotion}" in section for code, emotion in corpus.labels.items())
        assert all(note in section for note in corpus.notes)
        assert all(folds.source in section and folds.state in section for folds in corpus.official.values())
        assert f"`emotone corpora fetch {name}`" in section if corpus.archives else corpus.obtain in section


def test_the_readers_of_own_recordings_have_no_section() -> None:
    page = PAGE.read_text("utf-8")
    assert not [name for name in OWN_RECORDINGS if f'<a id="{name}"></a>' in page]


def test_the_table_has_a_row_for_each_section_in_order_of_title() -> None:
    page = PAGE.read_text("utf-8")
    rows = re.findall(r"^\| \[[^\]]+\]\(#(\w+)\)", page, re.MULTILINE)
    assert rows == re.findall(r'^## <a id="(\w+)">', page, re.MULTILINE)
    assert len(rows) >= 40
    assert f"reads {len(rows)} corpora" in page


def test_languages_have_names(generator: ModuleType) -> None:
    codes = {code for name in corpora.names() for code in corpora.get(name).languages}
    assert codes <= set(generator.LANGUAGES)
