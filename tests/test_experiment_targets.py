"""`emotone.experiment` with targets: arousal and valence from recordings to a score and a recogniser.

The recordings are generated: arousal is how strongly they are angry (above 4) or sad (below), valence nothing at all.
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
import soundfile

import emotone
from emotone import Experiment, Result, synthetic
from emotone.errors import ConfigError, ExperimentError
from emotone.experiment import Prepared
from emotone.experiment_file import read_experiments
from emotone.result import RegressionResult

SPEAKERS, TAKES = 8, 12


@pytest.fixture(scope="session")
def listed(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A table of 96 recordings by eight speakers."""
    folder = tmp_path_factory.mktemp("rated")
    rng = np.random.default_rng(0)
    rows = []
    for i in range(SPEAKERS * TAKES):
        speaker, height = i // TAKES, rng.uniform(-1, 1)
        kind, strength = ("angry" if height > 0 else "sad"), 1.2 * abs(height)
        clip = synthetic.speech(kind, speaker, rng=rng, seconds=1.2, strength=strength)
        soundfile.write(folder / f"{i:02}.wav", clip, 16_000)
        rows.append(
            {
                "file": f"{i:02}.wav",
                "emotion": "",
                "speaker": f"s{speaker}",
                "gender": "female" if speaker % 2 == 0 else "male",
                "age": 20 + speaker,
                "arousal": 4 + 3 * height + rng.normal(0, 0.3),
                "valence": rng.uniform(-1, 1),
            }
        )
    pd.DataFrame(rows).to_csv(folder / "ratings.csv", index=False)
    return folder / "ratings.csv"


def experiment(listed: Path, **changes: Any) -> Experiment:
    settings: dict[str, Any] = {
        "corpora": {"table": listed},
        "targets": ("arousal", "valence"),
        "frontend": "librosa180",
        "protocol_options": {"n_folds": 4} if changes.get("protocol", "speakers") == "speakers" else {},
    }
    return Experiment(**(settings | changes))


@pytest.fixture(scope="session")
def prepared(listed: Path) -> Prepared:
    return experiment(listed).prepare(jobs=1, cache=False)


@pytest.fixture(scope="session")
def result(listed: Path, prepared: Prepared) -> RegressionResult:
    found = experiment(listed).run(prepared)
    assert isinstance(found, RegressionResult)
    return found


# --- scores -----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("model", ["ridge", "svr"])
def test_what_is_in_the_sound_is_predicted_and_what_is_not_is_not(listed, prepared, model):
    scores = experiment(listed, model=model).run(prepared).scores["per_target"]
    assert scores["arousal"]["ccc"]["low"] > 0.75
    assert abs(scores["valence"]["ccc"]["value"]) < 0.2
    spread = prepared.table[["arousal", "valence"]].std()
    assert scores["arousal"]["rmse"]["value"] < 0.55 * spread["arousal"]
    assert scores["valence"]["rmse"]["value"] > 0.95 * spread["valence"]


@pytest.mark.parametrize("model", ["ridge", "svr"])
def test_shuffled_targets_give_nothing_through_the_whole_path(listed, tmp_path, model):
    """Ratings are dealt out anew within each speaker; anything that leaks the truth shows."""
    found = []
    for seed in range(5):
        frame = pd.read_csv(listed, dtype={"speaker": str})
        rng = np.random.default_rng(seed)
        frame["arousal"] = frame.groupby("speaker")["arousal"].transform(
            lambda column, rng=rng: rng.permutation(column)
        )
        frame["file"] = [str(listed.parent / name) for name in frame["file"]]
        path = tmp_path / f"{seed}.csv"
        frame.to_csv(path, index=False)
        ccc = experiment(path, targets=("arousal",), model=model, seed=seed).run(jobs=1).scores["ccc"]
        found.append(ccc["value"])
    assert abs(np.mean(found)) < 0.12
    assert np.abs(found).max() < 0.35  # 96 recordings: luck has a standard deviation of about 0.1


def test_every_row_is_tested_once_by_a_model_that_never_heard_its_speaker(prepared, result):
    table = result.table
    assert sorted(table["file"]) == sorted(prepared.table["file"])
    assert (table.groupby("speaker")["fold"].nunique() == 1).all()
    truth = prepared.table.set_index("file")
    for target in ("arousal", "valence"):
        assert (table.set_index("file")[f"truth_{target}"] == truth[target][table["file"]]).all()
        low, high = prepared.scales[target]
        assert table[f"predicted_{target}"].between(low, high).all()
    assert {"gender", "age"} <= set(table)


def test_the_lines_say_what_was_predicted_and_how_it_was_tested(result):
    condition = "table arousal/valence · speakers, 4 folds, speakers unseen"
    arousal = result.scores["per_target"]["arousal"]["ccc"]
    ends = f"[{arousal['low']:.2f}, {arousal['high']:.2f}]"
    assert result.line(target="arousal") == f"CCC {arousal['value']:.2f} {ends} arousal · {condition}"
    assert result.line().startswith(f"CCC {result.scores['ccc']['value']:.2f} [")
    assert result.line().endswith(f"] mean of arousal and valence · {condition}")
    assert result.line(over_folds=True).startswith("CCC 0.")
    assert "± 0." in result.line(over_folds=True)
    assert [line.split(" ")[0] for line in result.lines()] == ["CCC", "CCC", "CCC", "RMSE", "RMSE", "CCC"]
    assert all(line.endswith(condition) for line in result.lines())


def test_the_same_seed_gives_the_same_predictions_to_the_last_digit(listed, prepared, result):
    again = experiment(listed).run(prepared)
    pd.testing.assert_frame_equal(again.table, result.table, check_exact=True)
    assert again.protocol == result.protocol


@pytest.mark.parametrize(
    ("protocol", "condition"),
    [
        ("loso", "table arousal/valence · loso, 8 folds, speakers unseen"),
        ("holdout", "table arousal/valence · holdout, 2 of 8 speakers, speakers unseen"),
        ("random", "table arousal/valence · random, 5 folds, speakers shared"),
    ],
)
def test_targets_go_with_every_protocol(listed, prepared, protocol, condition):
    assert experiment(listed, protocol=protocol).run(prepared).condition == condition


def test_the_protocol_names_targets_and_scales(listed, prepared, result):
    assert result.protocol["targets"] == ["arousal", "valence"]
    assert result.protocol["label_set"] == []
    assert result.protocol["scales"] == {name: list(ends) for name, ends in prepared.scales.items()}
    assert result.protocol["model"] == {"name": "ridge"}
    assert str(listed.parent) not in json.dumps(result.protocol)


def test_any_column_of_numbers_is_a_target(listed):
    """Age is the speaker's, and nobody of an age was heard before: nothing should come of it."""
    result = experiment(listed, targets=["age"]).run(jobs=1)
    assert result.line().startswith("CCC ")
    assert " age · table age · speakers" in result.line()
    assert result.scores["per_target"]["age"]["ccc"]["value"] < 0.6


# --- the recogniser ---------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("model", ["ridge", "svr"])
def test_the_recogniser_predicts_as_the_model_does(listed, prepared, tmp_path, model):
    one = experiment(listed, model=model, name="placed")
    recogniser = emotone.load(one.fit(prepared, result=one.run(prepared)).save(tmp_path / "placed"))
    fitted = emotone.experiment.fit_model(one.make_model(), prepared, np.arange(len(prepared.table)))
    expected = fitted.predict(prepared.X)
    assert np.abs(recogniser.predict_dimensions(prepared.X) - expected).max() < 1e-4
    for row in (0, 40, 95):
        heard = recogniser.predict(listed.parent / prepared.table["file"][row])
        assert list(heard.dimensions) == ["arousal", "valence"]
        assert np.abs(np.array(list(heard.dimensions.values())) - expected[row]).max() < 1e-4
        assert (heard.emotion, heard.confidence, heard.scores, heard.flags) == (None, 0.0, {}, ())
    assert recogniser.labels == ()
    assert recogniser.dimensions == prepared.scales


def test_the_card_has_scale_and_scores(listed, prepared, result):
    recogniser = experiment(listed).fit(prepared, result=result)
    low, high = prepared.scales["arousal"]
    assert f"arousal ({low:g} to {high:g}) and valence (" in recogniser.card
    assert result.line() in recogniser.card
    assert f"CCC {result.scores['per_target']['arousal']['ccc']['value']:.2f}" in recogniser.card
    assert "It names no emotions" in recogniser.card
    assert '- "ccc"' in recogniser.card
    assert "UAR" not in recogniser.card


def test_a_recogniser_takes_the_scores_of_its_own_targets_only(listed, prepared, result):
    other = experiment(listed, targets=("arousal",))
    data = other.prepare(jobs=1)
    with pytest.raises(ConfigError, match=r"reached with targets \['arousal', 'valence'\], not \['arousal'\]"):
        other.fit(data, result=result)


# --- what can't be done -----------------------------------------------------------------------------------------------


def test_rows_without_a_rating_are_left_out_and_noted(listed, tmp_path):
    frame = pd.read_csv(listed)
    frame["file"] = [str(listed.parent / name) for name in frame["file"]]
    frame.loc[[3, 60], "arousal"] = np.nan
    frame.to_csv(tmp_path / "gaps.csv", index=False)
    one = experiment(tmp_path / "gaps.csv")
    data = one.prepare(jobs=1)
    assert len(data.table) == len(data.X) == 94
    assert data.notes == ("left out: 2 of 96 rows of table without arousal and valence",)
    assert data.notes[0] in one.run(data).protocol["notes"]


def test_one_speaker_alone(listed, tmp_path):
    frame = pd.read_csv(listed).assign(speaker="s0")
    frame["file"] = [str(listed.parent / name) for name in frame["file"]]
    frame.to_csv(tmp_path / "one.csv", index=False)
    with pytest.raises(ExperimentError, match=r"All rows are of one speaker \(table/s0\)"):
        experiment(tmp_path / "one.csv").run(jobs=1)
    shared = experiment(tmp_path / "one.csv", protocol="random").run(jobs=1)
    assert shared.condition.endswith("speakers shared")
    assert shared.scores["ccc"]["low"] is None


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"targets": "arousal"}, "Targets are a list of names"),
        ({"targets": ("arousal", "arousal")}, "named once"),
        (
            {"labels": "six"},
            r"predicts emotions or numbers: leave out the targets arousal, valence or the labels 'six'",
        ),
        ({"model": "svm"}, r"'svm' tells emotions apart and can't predict arousal and valence; use ridge or svr"),
        ({"targets": (), "model": "ridge"}, r"'ridge' predicts numbers; name its targets"),
    ],
)
def test_what_cannot_be_meant_is_said_at_once(listed, changes, message):
    with pytest.raises(ConfigError, match=message):
        experiment(listed, **changes)


def test_a_target_that_is_not_there(listed):
    with pytest.raises(ExperimentError, match=r"no column 'dominance' to predict; its columns of numbers are: age, ar"):
        experiment(listed, targets=("dominance",)).prepare(jobs=1)


def test_targets_stand_in_experiment_files(tmp_path):
    path = tmp_path / "mine.toml"
    path.write_text('corpora = ["ravdess"]\ntargets = ["arousal", "valence"]\n')
    (one,) = read_experiments(path)
    assert (one.targets, one.model) == (("arousal", "valence"), "ridge")
    assert read_experiments(path, targets=("age",))[0].targets == ("age",)
    path.write_text('corpora = ["ravdess"]\ntargets = "arousal"\n')
    with pytest.raises(ConfigError, match=r"targets is a list, not 'arousal'"):
        read_experiments(path)


# --- in a folder and in pictures --------------------------------------------------------------------------------------


def test_a_saved_result_comes_back_the_same(result, tmp_path):
    folder = result.save(tmp_path / "run")
    names = {path.name for path in folder.iterdir()}
    assert {"arousal.png", "valence.png", "arousal_speakers.png", "valence_speakers.png", "result.json"} <= names
    back = Result.load(folder)
    assert isinstance(back, RegressionResult)
    pd.testing.assert_frame_equal(back.table, result.table, check_exact=True)
    assert (back.targets, back.labels, back.scores) == (result.targets, (), result.scores)
    assert back.line() == result.line()
    document = json.loads((folder / "result.json").read_text("utf-8"), parse_constant=pytest.fail)
    assert document["line"] == result.line()
    assert set(document["scores"]["per_target"]) == {"arousal", "valence"}
    assert "soft" not in document


def test_every_picture_has_its_condition(result):
    from matplotlib.text import Text

    for name, drawn in result.plots().items():
        words = " ".join(text.get_text() for text in drawn.figure.findobj(Text)).replace("\n", " ")
        assert "speakers unseen" in words, name
        assert name.removesuffix("_speakers") in words, name


def test_in_jupyter_it_shows_scores_and_a_picture(result):
    page = result._repr_html_()
    assert "mean of arousal and valence" in page
    assert "<td>CCC arousal</td>" in page
    assert "<td>RMSE valence</td>" in page
    assert 'alt="arousal" src="data:image/png;base64,' in page


# --- the command line -------------------------------------------------------------------------------------------------


def test_train_and_predict_from_the_command_line(listed, tmp_path):
    from typer.testing import CliRunner

    from emotone.cli import app

    run = tmp_path / "run"
    given = ["--corpus", f"table={listed}", "--targets", "arousal, valence", "--frontend", "librosa180", "--jobs", "1"]
    trained = CliRunner().invoke(app, ["train", *given, "--folds", "4", "-o", str(run)])
    assert trained.exit_code == 0, trained.output
    first = trained.stdout.splitlines()[0]
    assert first.startswith("CCC 0.")
    assert first.endswith(" arousal · table arousal/valence · speakers, 4 folds, speakers unseen")
    asked = ["predict", "--model", str(run / "recogniser"), str(listed.parent / "00.wav"), "--json"]
    [line] = CliRunner().invoke(app, asked).stdout.splitlines()
    answer = json.loads(line)
    assert answer["emotion"] is None
    assert set(answer["dimensions"]) == {"arousal", "valence"}
