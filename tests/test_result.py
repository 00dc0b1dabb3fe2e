"""`emotone.result`: what is told, drawn, written and read again."""

from __future__ import annotations

import dataclasses
import json
import re
from typing import Any

import numpy as np
import pandas as pd
import pytest

from emotone import Result, metrics
from emotone.errors import ConfigError, ExperimentError
from emotone.result import RegressionResult

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


# --- against raters ---


def voted(rng: np.random.Generator, *, raters: int | None = 10, leaning: float = 4.0, **facts: Any) -> Result:
    """With ten raters a clip, who lean towards its truth and otherwise choose at random."""
    result = made(rng, **facts)
    chances = np.eye(3)[[LABELS.index(truth) for truth in result.table["truth"]]] * leaning + 1
    votes = np.array([rng.multinomial(10, chance / chance.sum()) for chance in chances]) / 10
    table = result.table.assign(**{f"p_{label}": votes[:, i] for i, label in enumerate(LABELS)})
    return Result(table if raters is None else table.assign(n_raters=raters), LABELS, result.protocol)


def test_votes_are_scored_with_the_human_ceiling_beside(rng):
    result = voted(rng)
    votes = result.table[[f"p_{label}" for label in LABELS]].to_numpy()
    speakers = result.table["speaker"].to_numpy(dtype=object)
    expected = metrics.soft_scores(votes, result.proba, LABELS, speakers)
    assert result.soft_scores["agreement"] == expected["agreement"]
    agreement, people = (result.soft_scores[name] for name in ("agreement", "human_ceiling"))
    assert (
        people["agreement"] == metrics.human_ceiling(votes, LABELS, speakers, n_raters=[10] * 96)["rater"]["agreement"]
    )
    assert result.soft_line() == (
        f"agreement with a rater {agreement['value']:.2f} [{agreement['low']:.2f}, {agreement['high']:.2f}], "
        f"of raters with each other {people['agreement']['value']:.2f} · {result.condition}"
    )
    assert result.lines()[-1] == result.soft_line()
    assert result.as_dict()["soft"] == result.soft_scores


@pytest.mark.parametrize("raters", [None, 7])
def test_where_the_number_of_raters_is_not_known_or_wrong_there_is_no_ceiling(rng, raters):
    result = voted(rng, raters=raters)
    assert "human_ceiling" not in result.soft_scores
    assert "each other" not in result.soft_line()


def test_one_rater_a_clip_has_nobody_to_agree_with(rng):
    result = voted(rng)
    votes = np.eye(3)[rng.integers(0, 3, 96)]
    alone = result.table.assign(n_raters=1, **{f"p_{label}": votes[:, i] for i, label in enumerate(LABELS)})
    assert "human_ceiling" not in Result(alone, LABELS, result.protocol).soft_scores


def test_rows_without_votes_and_votes_for_other_emotions_are_left_out(rng):
    whole = voted(rng)
    table = whole.table.copy()
    table.loc[:9, [f"p_{label}" for label in LABELS]] = np.nan
    table.loc[10:19, [f"p_{label}" for label in LABELS]] *= 0.5  # half chose an emotion that isn't asked for
    table.loc[10:19, "n_raters"] = 20
    some = Result(table, LABELS, whole.protocol).soft_scores
    assert some["n"] == 86
    assert some["votes_kept"] == pytest.approx((10 * 0.5 + 76) / 86)
    rest = Result(whole.table.iloc[10:], LABELS, whole.protocol).soft_scores
    assert some["agreement"]["value"] == pytest.approx(rest["agreement"]["value"])


def test_without_votes_nothing_is_said_of_raters(rng, result):
    assert result.soft_scores is None
    assert result.soft_line() == ""
    assert "soft" not in result.as_dict()
    lacking = voted(rng)
    assert Result(lacking.table.drop(columns="p_sad"), LABELS, lacking.protocol).soft_scores is None
    empty = lacking.table.assign(**{f"p_{label}": np.nan for label in LABELS})
    assert Result(empty, LABELS, lacking.protocol).soft_scores is None


def test_votes_are_saved(rng, tmp_path):
    result = voted(rng)
    folder = result.save(tmp_path / "run")
    assert json.loads((folder / "result.json").read_text("utf-8"))["soft"] == json.loads(json.dumps(result.soft_scores))
    assert Result.load(folder).soft_scores == result.soft_scores


# --- numbers ---


def test_an_unknown_target_or_metric_is_a_sentence(rng):
    numbers = placed(rng)
    with pytest.raises(ConfigError, match=r"Unknown target 'arousl'\. Did you mean 'arousal'"):
        numbers.line(target="arousl")
    with pytest.raises(ConfigError, match=r"Unknown metric 'uar'.*Allowed: ccc, pearson"):
        numbers.line("uar")


def placed(rng: np.random.Generator, corpora: tuple[str, ...] = ("iemocap",), **columns: Any) -> RegressionResult:
    truth = rng.uniform(1, 5, 60)
    table = pd.DataFrame(
        {
            "corpus": np.resize(corpora, 60),
            "file": [f"{i}.wav" for i in range(60)],
            "start": 0.0,
            "end": np.nan,
            "speaker": [f"s{i % 6}" for i in range(60)],
            "truth_arousal": truth,
            "predicted_arousal": truth + rng.normal(0, 0.5, 60),
            "fold": np.arange(60) % 3,
        }
        | columns
    )
    facts = {
        "corpora": list(corpora),
        "label_set": [],
        "targets": ["arousal"],
        "description": "speakers, 3 folds, speakers unseen",
        "split_sha256": "0" * 64,
    }
    return RegressionResult(table, (), facts)


def test_of_one_target_the_mean_is_its_own(rng):
    numbers = placed(rng)
    ccc = metrics.ccc(numbers.table["truth_arousal"], numbers.table["predicted_arousal"])
    assert numbers.scores["ccc"]["value"] == pytest.approx(ccc)
    assert numbers.line().startswith(f"CCC {ccc:.2f} [")
    assert numbers.line().endswith("] arousal · iemocap arousal · speakers, 3 folds, speakers unseen")
    assert [line.split(" ")[0] for line in numbers.lines()] == ["CCC", "RMSE", "CCC"]
    assert numbers.proba.shape == (60, 0)
    assert json.loads(json.dumps(numbers.summary(), allow_nan=False))["ccc"]["value"] == numbers.scores["ccc"]["value"]


def test_numbers_of_several_corpora_come_apart(rng):
    parts = placed(rng, ("iemocap", "improv")).by_corpus()
    assert [type(part) for part in parts] == [RegressionResult, RegressionResult]
    assert parts[0].line().endswith("iemocap arousal · speakers, 3 folds, speakers unseen, trained with improv too")
    assert parts[0].scores["n"] == 30


def test_without_speakers_numbers_have_no_interval(rng):
    numbers = placed(rng, speaker=None)
    assert re.match(r"CCC 0\.\d\d arousal · ", numbers.line())
    assert list(numbers.plots()) == ["arousal"]


def test_a_score_that_is_not_defined_is_called_so(rng):
    numbers = placed(rng, truth_arousal=3.0, predicted_arousal=3.0)
    assert numbers.line().startswith("CCC undefined arousal · ")
    assert numbers.line(over_folds=True).startswith("CCC undefined over folds arousal · ")
    assert "<td>undefined</td>" in numbers._repr_html_()
    assert list(numbers.plots()) == ["arousal"]
    json.dumps(numbers.as_dict(), allow_nan=False)


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


def test_how_networks_learnt_is_kept_drawn_and_never_left_from_before(result, tmp_path):
    training = [
        [[{"epoch": 1, "loss": 1.2, "uar": 0.5}, {"epoch": 2, "loss": 0.8, "uar": 0.6}], [{"epoch": 1, "loss": 1}]]
    ]
    folder = dataclasses.replace(result, training=training).save(tmp_path / "run")
    back = Result.load(folder)
    assert back.training == training
    assert "training" in back.plots()
    assert (folder / "training.png").read_bytes().startswith(PNG)
    result.save(folder)  # a model that learns in one go
    assert Result.load(folder).training is None
    assert not list(folder.glob("training.*"))


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


def test_no_line_goes_without_its_speakers(rng):
    """Whatever wrote the protocol down."""
    forged = made(rng, description="official, 4 folds")
    assert forged.condition.endswith("official, 4 folds, speakers unknown")
    forged = Result(forged.table, forged.labels, forged.protocol | {"speakers": "shared"})
    assert forged.condition.endswith("official, 4 folds, speakers shared")
    told = [forged.line(), forged.line("ece"), forged.line(over_folds=True), str(forged), repr(forged), *forged.lines()]
    assert all("speakers shared" in line for line in [*told, forged.summary()["condition"], forged._repr_html_()])
    forged = Result(forged.table, forged.labels, forged.protocol | {"description": "loso, speakers unseen"})
    assert forged.condition.endswith("loso, speakers unseen, speakers shared")


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
    made_so = made(rng, labels=labels, description=long, corpora=["ravdess", "crema_d"])
    for name, drawn in dataclasses.replace(made_so, training=[[[{"epoch": 1, "loss": 1.0}]]]).plots().items():
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
