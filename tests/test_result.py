"""`emotone.result`: what is told, drawn, written and read again."""

from __future__ import annotations

import json
import re
from typing import Any

import numpy as np
import pandas as pd
import pytest

from emotone import Result, metrics
from emotone.errors import ConfigError, ExperimentError

LABELS = ("neutral", "sad", "angry")
PNG = b"\x89PNG\r\n\x1a\n"


def made(
    rng: np.random.Generator,
    *,
    labels: tuple[str, ...] = LABELS,
    speakers: bool = True,
    gender: bool = True,
    **protocol: Any,
) -> Result:
    """Four folds of two speakers, twelve rows each, right more often than not."""
    n = 8 * 12
    names = np.array(labels, dtype=object)
    codes = np.arange(n) % len(labels)
    logits = rng.normal(size=(n, len(labels)))
    logits[np.arange(n), codes] += 1.2
    proba = np.exp(logits) / np.exp(logits).sum(axis=1, keepdims=True)
    who = np.repeat(np.arange(8), 12)
    table = pd.DataFrame(
        {
            "corpus": "ravdess",
            "file": [f"{i}.wav" for i in range(n)],
            "start": 0.0,
            "end": np.nan,
            "speaker": [f"ravdess/{i:02d}" for i in who] if speakers else None,
            **({"gender": np.where(who % 2, "male", "female")} if gender else {}),
            "truth": names[codes],
            "fold": who // 2,
            "predicted": names[proba.argmax(axis=1)],
        }
    ).assign(**{f"proba_{label}": proba[:, i] for i, label in enumerate(labels)})
    facts = {
        "corpora": ["ravdess"],
        "label_set": "four",
        "description": "official, 4 folds, speakers unseen",
        "split_sha256": "0" * 64,
        "seed": 0,
    }
    return Result(table, labels, facts | protocol)


@pytest.fixture
def result(rng: np.random.Generator) -> Result:
    return made(rng)


def texts(drawn: Any) -> list[str]:
    from matplotlib.text import Text

    return [text.get_text() for text in drawn.figure.findobj(Text) if text.get_text()]


# --- in words ---------------------------------------------------------------------------------------------------------


def test_a_line_has_score_interval_and_condition(result):
    uar = result.scores["uar"]
    number = f"UAR {uar['value']:.2f} [{uar['low']:.2f}, {uar['high']:.2f}]"
    assert result.line() == f"{number} · ravdess four · official, 4 folds, speakers unseen"
    assert str(result) == result.line("uar") == result.line()
    assert repr(result) == f"<Result {result.line()}>"
    assert result.condition == "ravdess four · official, 4 folds, speakers unseen"
    assert result.line("war").startswith("WA 0.")
    assert result.line("ece").startswith("ECE 0.")


def test_a_line_over_folds_has_mean_and_standard_deviation(result):
    each = [
        metrics.uar(part["truth"], part[[f"proba_{label}" for label in LABELS]].to_numpy(), LABELS)
        for _, part in result.table.groupby("fold")
    ]
    expected = f"UAR {np.mean(each):.3f} ± {np.std(each, ddof=1):.3f} over folds · {result.condition}"
    assert result.line(over_folds=True) == expected


def test_one_fold_has_no_deviation(rng):
    result = made(rng)
    one = Result(result.table.assign(fold=0), LABELS, result.protocol)
    assert re.fullmatch(r"WA 0\.\d{3} over folds · .*", one.line("war", over_folds=True))


def test_chosen_emotions_are_spelt_out_and_corpora_joined(rng):
    result = made(rng, label_set=list(LABELS), corpora=["ravdess", "emodb"])
    assert result.condition.startswith("ravdess+emodb neutral/sad/angry · ")


def test_an_unknown_metric_is_a_sentence(result):
    with pytest.raises(ConfigError, match=r"Unknown metric 'accuracy'.*Allowed: uar, war, macro_f1"):
        result.line("accuracy")


def test_the_scores_are_those_of_the_table(result):
    truth, proba = result.table["truth"].to_numpy(dtype=object), result.proba
    assert proba.shape == (96, 3)
    assert result.scores["n"] == 96
    assert result.scores["n_speakers"] == 8
    for name, score in (("uar", metrics.uar), ("war", metrics.war), ("ece", metrics.ece)):
        assert result.scores[name]["value"] == score(truth, proba, LABELS)
        assert result.scores[name]["low"] <= result.scores[name]["value"] <= result.scores[name]["high"]


def test_without_speakers_there_is_no_interval(rng):
    result = made(rng, speakers=False)
    assert re.fullmatch(r"UAR 0\.\d\d · ravdess four · .*", result.line())
    assert result.scores["n_speakers"] is None
    assert set(result.plots()) == {"confusion", "reliability"}


def test_a_summary_is_plain_data_with_its_condition(result):
    summary = json.loads(json.dumps(result.summary(), allow_nan=False))
    assert summary["line"] == result.line()
    assert summary["condition"] == result.condition
    assert summary["uar"]["value"] == result.scores["uar"]["value"]
    assert {"war", "macro_f1", "ece", "split_sha256"} <= set(summary)


# --- as a folder ------------------------------------------------------------------------------------------------------


def test_a_saved_result_has_its_parts(result, tmp_path):
    folder = result.save(tmp_path / "deep" / "run")
    assert sorted(path.name for path in folder.iterdir()) == [
        "confusion.png",
        "predictions.parquet",
        "reliability.png",
        "result.json",
        "speakers.png",
    ]
    for path in folder.glob("*.png"):
        assert path.read_bytes().startswith(PNG)
    document = json.loads((folder / "result.json").read_text("utf-8"), parse_constant=pytest.fail)
    assert document["line"] == result.line()
    assert document["labels"] == list(LABELS)
    assert document["protocol"] == result.protocol
    assert document["scores"] == json.loads(json.dumps(result.scores))


@pytest.mark.parametrize("gender", [True, False])
def test_a_saved_result_comes_back_the_same(rng, tmp_path, gender):
    result = made(rng, gender=gender)
    back = Result.load(result.save(tmp_path / "run"))
    pd.testing.assert_frame_equal(back.table, result.table, check_exact=True)
    assert (back.labels, back.protocol, back.scores) == (result.labels, result.protocol, result.scores)
    assert back.line() == result.line()
    result.save(tmp_path / "run")  # over the old one
    assert Result.load(tmp_path / "run").scores == result.scores


@pytest.mark.parametrize("spoil", ["nothing there", "no predictions", "not JSON", "no protocol", "not Parquet"])
def test_a_folder_that_is_no_run(result, tmp_path, spoil):
    folder = tmp_path / "run"
    if spoil != "nothing there":
        result.save(folder)
    match spoil:
        case "no predictions":
            (folder / "predictions.parquet").unlink()
        case "not JSON":
            (folder / "result.json").write_text("{", "utf-8")
        case "no protocol":
            (folder / "result.json").write_text('{"labels": ["sad"]}', "utf-8")
        case "not Parquet":
            (folder / "predictions.parquet").write_text("words", "utf-8")
    with pytest.raises(ExperimentError, match=r"run is not a run's folder: .*emotone train"):
        Result.load(folder)


# --- in pictures ------------------------------------------------------------------------------------------------------


def test_every_picture_has_its_condition(rng):
    shared = made(rng, description="random, 50 splits, 25 % test, speakers shared", label_set="seed")
    for name, drawn in shared.plots().items():
        written = " ".join(texts(drawn)).replace("\n", " ")
        assert "ravdess seed" in written, name
        assert "speakers shared" in written, name
    assert any("UAR" in text for text in texts(shared.plots()["confusion"]))


@pytest.mark.parametrize("labels", [("sad", "angry"), LABELS])
def test_no_picture_cuts_its_condition_off(rng, labels):
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.text import Text

    long = "official, 6 folds, 6 of 24 speakers, speakers unseen"
    for name, drawn in made(rng, labels=labels, description=long, corpora=["ravdess", "crema_d"]).plots().items():
        figure = drawn.figure
        FigureCanvasAgg(figure).draw()
        for text in figure.findobj(Text):
            if "speakers" in text.get_text():
                box, whole = text.get_window_extent(), figure.bbox
                assert box.x0 >= whole.x0 - 1, (name, text.get_text())
                assert box.x1 <= whole.x1 + 1, (name, text.get_text())
                assert box.y1 <= whole.y1 + 1, (name, text.get_text())


def test_speakers_are_drawn_by_gender_where_it_is_known(rng):
    assert {"female", "male"} <= set(texts(made(rng).plots()["speakers"]))
    assert not {"female", "male"} & set(texts(made(rng, gender=False).plots()["speakers"]))


def test_in_jupyter_it_shows_scores_and_a_picture(rng):
    page = made(rng, corpora=["<b>"])._repr_html_()
    assert "&lt;b&gt; four · official, 4 folds, speakers unseen" in page
    assert "<b>" not in page
    assert re.search(r"<td>UAR</td><td>0\.\d{3} \[0\.\d{3}, 0\.\d{3}\]</td>", page)
    assert 'src="data:image/png;base64,iVBOR' in page
