"""The catalogue: every feature has one name, a sentence that reads well, a unit and a source that exists."""

from __future__ import annotations

import importlib.machinery
import importlib.util
import re
from pathlib import Path

import pytest

from emotone.features.catalogue import families, meaning
from emotone.features.references import REFERENCES

ROOT = Path(__file__).resolve().parents[1]
FEATURES = {name: feature for family in families().values() for name, feature in family.features.items()}


def test_names_are_unique_plain_and_ordered() -> None:
    assert sum(len(family.features) for family in families().values()) == len(FEATURES)
    for name in FEATURES:
        assert re.fullmatch(r"[a-z0-9_.]+", name), name


def test_meanings_are_sentences_and_all_different() -> None:
    sentences = [meaning(name) for name in FEATURES]
    assert len(set(sentences)) == len(sentences)
    for sentence in sentences:
        assert re.fullmatch(r"[A-Z0-9].*\)\.", sentence), sentence
        assert "  " not in sentence
        assert not re.search(r"\b(\w+) \1\b", sentence), f"a word twice: {sentence}"
        assert len(sentence) < 260, sentence


def test_a_sentence_in_full() -> None:
    assert meaning("centroid_mean") == (
        "Mean over active frames of the centre of gravity of the magnitude spectrum, in kHz (Peeters 2004)."
    )
    assert meaning("jitter").endswith("over its mean (Lieberman 1961).")


def test_an_unknown_name_is_a_key_error() -> None:
    with pytest.raises(KeyError, match="loudness"):
        meaning("loudness")


def test_units_are_few() -> None:
    base = r"(1|s|ln|nat|dB|dBov|kHz|dB/kHz|semitones|semitones over 100 Hz)"
    strange = {feature.unit for feature in FEATURES.values()} - {"1/s", "semitones/s"}
    strange = {unit for unit in strange if not re.fullmatch(base + r"(/frame²?)?", unit)}
    assert strange == set()


def test_every_source_is_listed_and_every_listed_one_is_used() -> None:
    used = {source for feature in FEATURES.values() for source in feature.source.split("; ")}
    assert used == set(REFERENCES)
    assert list(REFERENCES) == sorted(REFERENCES, key=str.lower)
    for short, full in REFERENCES.items():
        assert short.split()[0].rstrip(",") in full, f"{short}: {full}"


def test_families_say_what_they_are_about() -> None:
    for family in families().values():
        assert family.title[0].isupper()
        assert family.about.endswith(".")
        assert family.features


def test_the_page_is_what_the_code_says() -> None:
    """Otherwise: run ``scripts/make_feature_docs``."""
    loader = importlib.machinery.SourceFileLoader("make_feature_docs", str(ROOT / "scripts" / "make_feature_docs"))
    spec = importlib.util.spec_from_loader("make_feature_docs", loader)
    assert spec is not None
    generator = importlib.util.module_from_spec(spec)
    loader.exec_module(generator)
    page = (ROOT / "docs" / "features.md").read_text("utf-8")
    assert page == generator.document()
    for name, feature in FEATURES.items():
        assert f"| `{name}` | {feature.meaning} | {feature.unit} | {feature.source} |" in page
