"""The card's header, held against Hugging Face's description of model-card metadata."""

from __future__ import annotations

from typing import Any

import pytest
from made_runs import made, regression
from tiny import tiny

from emotone import card, saved

yaml = pytest.importorskip("yaml")


def header(config: dict[str, Any]) -> dict[str, Any]:
    text = card.write_card(config)
    assert text.startswith("---\n")
    found: dict[str, Any] = yaml.safe_load(text.split("---\n", 2)[1])
    return found


def config(**changes: Any) -> dict[str, Any]:
    return saved.resealed(tiny().recogniser.config, **changes)


def test_scores_become_a_model_index():
    result = made()
    corpus = {"name": "ravdess", "title": "RAVDESS (speech)", "licence": "CC BY-NC-SA 4.0", "commercial": False}
    [index] = header(config(scores=[result.summary()], corpora=[corpus]))["model-index"]
    assert index["name"] == "tiny"
    [found] = index["results"]
    assert found["task"]["type"] == "audio-classification"
    assert found["dataset"] == {
        "type": "ravdess",
        "name": "RAVDESS (speech) (neutral/sad/angry · speakers, 4 folds, speakers unseen)",
    }
    metrics = {metric["type"]: metric for metric in found["metrics"]}
    assert set(metrics) == {"recall", "accuracy", "f1", "ece"}
    uar = result.scores["uar"]
    assert metrics["recall"]["value"] == pytest.approx(uar["value"], abs=1e-4)
    assert metrics["recall"]["args"] == {"average": "macro"}
    assert metrics["recall"]["name"] == f"UAR, 95 % interval {uar['low']:.2f} to {uar['high']:.2f}"


def test_a_score_with_shared_speakers_says_so_in_the_index():
    leaky = made(speakers="shared", description="random, 4 folds, speakers shared")
    [index] = header(config(scores=[leaky.summary()]))["model-index"]
    assert "speakers shared" in index["results"][0]["dataset"]["name"]


def test_numbers_are_indexed_by_target():
    [index] = header(config(scores=[regression().summary()]))["model-index"]
    names = [metric["name"].split(",")[0] for metric in index["results"][0]["metrics"]]
    assert {"CCC arousal", "CCC valence"} <= set(names)


def test_without_scores_there_is_no_index():
    assert "model-index" not in header(config(scores=[]))
    assert "model-index" not in header(config(scores=[{"line": "UAR 0.5, from memory"}]))


def test_hugging_faces_own_reader_accepts_it():
    hub = pytest.importorskip("huggingface_hub")
    read = hub.ModelCard(card.write_card(config(scores=[made().summary()])))
    assert [one.metric_type for one in read.data.eval_results] == ["recall", "accuracy", "f1", "ece"]
    assert read.data.model_name == "tiny"
    assert read.data.license == "cc-by-nc-sa-4.0"
    assert read.data.pipeline_tag == "audio-classification"


@pytest.mark.parametrize(
    ("licence", "commercial", "identifier", "name"),
    [
        ("MIT", False, "other", "MIT, not for commercial use"),
        ("MIT", True, "mit", None),
        ("CC BY-NC-SA 4.0", False, "cc-by-nc-sa-4.0", None),
        ("Ours", True, "other", "Ours"),
    ],
)
def test_the_licence_in_the_header_never_promises_more_than_the_corpora(licence, commercial, identifier, name):
    corpus = {"name": "c", "licence": "l", "commercial": commercial}
    found = header(config(licence=licence, corpora=[corpus]))
    assert found["license"] == identifier
    assert found.get("license_name") == name
    assert ("non-commercial" in found["tags"]) is (not commercial)


def test_odd_names_keep_the_header_whole():
    odd = {"line": "a", "condition": 'x: "y" · {z}, speakers unseen', "uar": {"value": 0.5, "low": None, "high": None}}
    found = header(config(scores=[odd], name="no: [1]"))
    assert found["model-index"][0]["name"] == "no: [1]"
    assert found["model-index"][0]["results"][0]["metrics"][0]["name"] == "UAR"
