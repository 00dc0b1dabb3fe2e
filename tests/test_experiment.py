"""`emotone.experiment`: the whole path from recordings to a score and a recogniser, and what it refuses."""

from __future__ import annotations

import dataclasses
import json
import re
import shutil
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest

from emotone import Experiment, Result, synthetic
from emotone.errors import ConfigError, CorpusError, EmotoneError, ExperimentError
from emotone.experiment import Prepared, fit_model
from emotone.experiment_file import read_experiments

LABELS = ("neutral", "sad", "angry")
SPEAKERS = (1, 2, 3, 4, 6, 8)  # one of each of RAVDESS's official folds
CHANCE = 1 / len(LABELS)
LINE = re.compile(r"UAR 0\.\d\d \[\d\.\d\d, \d\.\d\d\] · (.+)")


@pytest.fixture(scope="session")
def root(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Sixty generated clips, ten a speaker, named as in RAVDESS."""
    folder = tmp_path_factory.mktemp("generated") / "ravdess"
    return synthetic.write_ravdess(folder, speakers=SPEAKERS, emotions=LABELS, repetitions=1)


def experiment(root: Path, **changes: Any) -> Experiment:
    """A quick one."""
    settings: dict[str, Any] = {
        "corpora": {"ravdess": root},
        "labels": LABELS,
        "frontend": "librosa180",
        "model": "svm",
        "protocol_options": {"n_folds": 3} if changes.get("protocol", "speakers") == "speakers" else {},
    }
    return Experiment(**(settings | changes))


@pytest.fixture(scope="session")
def prepared(root: Path) -> Prepared:
    return experiment(root).prepare(jobs=1, cache=False)


@pytest.fixture
def copy(root: Path, tmp_path: Path) -> Path:
    """The corpus, to be spoilt."""
    return Path(shutil.copytree(root, tmp_path / "copy"))


def clips(root: Path) -> list[Path]:
    return sorted(root.rglob("*.wav"))


def write_table(path: Path, rows: list[tuple[Path, str, str]]) -> Path:
    """A CSV for the corpus ``table``."""
    frame = pd.DataFrame(rows, columns=["file", "emotion", "speaker"])
    frame.to_csv(path, index=False)
    return path


def toml(folder: Path, text: str) -> Path:
    path = folder / "mine.toml"
    path.write_text(text, "utf-8")
    return path


# --- scores -----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("model", ["logistic", "svm", "mlp", "tutorial_mlp"])
def test_the_same_seed_gives_the_same_predictions_to_the_last_digit(root, prepared, model):
    first, second = (experiment(root, model=model, seed=7).run(prepared) for _ in range(2))
    pd.testing.assert_frame_equal(first.table, second.table, check_exact=True)
    assert first.scores == second.scores
    assert first.protocol == second.protocol


def test_preparing_again_gives_the_same_data_and_another_seed_other_folds(root, prepared):
    again = experiment(root).prepare(jobs=1)
    assert np.array_equal(again.X, prepared.X)
    pd.testing.assert_frame_equal(again.table, prepared.table)
    folds = {seed: experiment(root, seed=seed).run(prepared).protocol["split_sha256"] for seed in (0, 1, 2)}
    assert len(set(folds.values())) > 1


@pytest.mark.parametrize(
    ("changes", "condition"),
    [
        ({}, "ravdess neutral/sad/angry · speakers, 3 folds, speakers unseen"),
        ({"labels": "six"}, "ravdess six · speakers, 3 folds, speakers unseen"),
        ({"protocol": "loso"}, "ravdess neutral/sad/angry · loso, 6 folds, speakers unseen"),
        (
            {"labels": "eight", "protocol": "official"},
            "ravdess eight · official, 6 folds, 6 of 24 speakers, speakers unseen",
        ),
        ({"protocol": "random"}, "ravdess neutral/sad/angry · random, 5 folds, speakers shared"),
    ],
)
def test_a_score_says_how_it_was_come_by(root, prepared, changes, condition):
    result = experiment(root, **changes).run(prepared)
    found = LINE.fullmatch(result.line())
    assert found, result.line()
    assert found[1] == condition
    assert str(result) == result.line()


@pytest.mark.parametrize("protocol", ["speakers", "loso", "official"])
def test_every_clip_is_tested_once_by_a_model_that_never_heard_its_speaker(root, prepared, protocol):
    table = experiment(root, protocol=protocol).run(prepared).table
    assert sorted(table["file"]) == sorted(prepared.table["file"])
    assert (table.groupby("speaker")["fold"].nunique() == 1).all()
    proba = table[[f"proba_{label}" for label in LABELS]].to_numpy()
    assert np.allclose(proba.sum(axis=1), 1)
    assert (table["predicted"] == np.array(LABELS)[proba.argmax(axis=1)]).all()
    truth = prepared.table.set_index("file")["emotion"]
    assert (table.set_index("file")["truth"] == truth[table["file"]]).all()


def test_the_generated_emotions_are_recognised(root, prepared):
    """Otherwise the test of random labels below would prove nothing."""
    assert experiment(root).run(prepared).scores["uar"]["low"] > CHANCE


@pytest.mark.parametrize("model", ["logistic", "svm", "mlp"])
def test_random_labels_give_chance_through_the_whole_path(root, tmp_path, model):
    """Labels are dealt out anew within each speaker and go the whole way: a table's file, features, inner folds with
    their choice and calibration, outer folds, metrics. Anything that leaks the truth shows."""
    files = clips(root)
    speakers = [path.stem[-2:] for path in files]
    uar, holds, confidence = [], [], []
    for seed in range(6):
        rng = np.random.default_rng(seed)
        codes = np.concatenate([rng.permutation(np.arange(10) % 3) for _ in SPEAKERS])
        emotions = np.array(LABELS)[codes]
        table = write_table(tmp_path / f"{seed}.csv", list(zip(files, emotions, speakers, strict=True)))
        result = experiment(root, corpora={"table": table}, model=model, seed=seed).run(jobs=1)
        score = result.scores["uar"]
        uar.append(score["value"])
        holds.append(score["low"] <= CHANCE <= score["high"])
        confidence.append(result.proba.max(axis=1).mean())
    assert sum(holds) >= 5
    assert np.mean(uar) == pytest.approx(CHANCE, abs=0.09)  # its standard error is 0.025
    assert np.mean(confidence) < 0.5  # calibration noticed that there was nothing to learn


# --- "speakers shared" ------------------------------------------------------------------------------------------------


def texts(drawn: Any) -> str:
    from matplotlib.text import Text

    return " ".join(text.get_text() for text in drawn.figure.findobj(Text)).replace("\n", " ")


def test_random_says_speakers_shared_wherever_it_appears(root, prepared, tmp_path):
    one = experiment(root, protocol="random")
    result = one.run(prepared)
    assert result.protocol["speakers"] == "shared"
    assert "speakers" in result.protocol["shares"]
    for metric in ("uar", "war", "macro_f1", "ece"):
        assert result.line(metric).endswith("speakers shared")
        assert result.line(metric, over_folds=True).endswith("speakers shared")
    for name, drawn in result.plots().items():
        assert "speakers shared" in texts(drawn), name
    assert "speakers shared" in result._repr_html_()
    document = json.loads((result.save(tmp_path / "run") / "result.json").read_text("utf-8"))
    assert document["line"].endswith("speakers shared")
    assert document["protocol"]["description"].endswith("speakers shared")
    assert "speakers shared" in one.fit(prepared, result=result).card


def test_unseen_speakers_are_called_unseen_in_the_same_places(root, prepared):
    result = experiment(root).run(prepared)
    assert result.protocol["speakers"] == "unseen"
    assert "speakers" not in result.protocol["shares"]
    for name, drawn in result.plots().items():
        assert "speakers unseen" in texts(drawn), name


# --- the protocol on record -------------------------------------------------------------------------------------------


def test_the_protocol_tells_all_that_repeating_takes_and_no_local_path(copy, tmp_path):
    clips(copy)[0].write_bytes(b"")
    one = experiment(copy, name="mine", seed=3, model_options={"C": 2.0})
    result = one.run(jobs=1)
    protocol = result.protocol
    assert protocol["name"] == "mine"
    assert protocol["corpora"] == ["ravdess"]
    assert protocol["label_set"] == list(LABELS)
    assert protocol["frontend"] == {"name": "librosa180", "version": 1, "rate": 16_000}
    assert protocol["model"] == {"name": "svm", "C": 2.0}
    assert protocol["protocol"] == {"name": "speakers", "n_folds": 3}
    assert protocol["seed"] == 3
    assert len(protocol["held_out"]) == 3
    assert len(protocol["split_sha256"]) == len(protocol["data_sha256"]) == 64
    assert {"python", "emotone", "numpy", "scikit-learn"} <= set(protocol["versions"])
    saved = (result.save(tmp_path / "run") / "result.json").read_text("utf-8")
    recogniser = one.fit(result=result, jobs=1)
    for text in (json.dumps(protocol), saved, recogniser.card, json.dumps(recogniser.config)):
        assert str(tmp_path) not in text


def test_what_was_left_out_is_noted(root, prepared):
    assert prepared.notes == ()
    eight = experiment(root, labels="eight").prepare(jobs=1, cache=False)
    assert any("no recording of calm, happy, fearful, disgusted, surprised" in note for note in eight.notes)
    two = experiment(root, labels=("sad", "angry")).prepare(jobs=1, cache=False)
    assert two.notes == ("left out, not in the label set: 12 neutral",)
    assert two.labels == ("sad", "angry")


def test_progress_is_told_of_recordings_and_of_folds(root):
    recordings, folds = [], []
    one = experiment(root)
    data = one.prepare(jobs=1, cache=False, progress=lambda done, total: recordings.append((done, total)))
    one.run(data, progress=lambda done, total: folds.append((done, total)))
    assert recordings[-1] == (60, 60)
    assert [done for done, _ in recordings] == sorted(done for done, _ in recordings)
    assert folds == [(1, 3), (2, 3), (3, 3)]


def test_several_corpora_make_one_table(root, tmp_path):
    own = synthetic.write_folder(tmp_path / "own", speakers=(1, 2), emotions=LABELS, repetitions=1)
    for path in clips(own):  # speaker/emotion/file
        target = own.parent / "people" / path.stem[:5] / path.parent.name / path.name
        target.parent.mkdir(parents=True, exist_ok=True)
        path.rename(target)
    both = experiment(root, corpora={"ravdess": root, "folder": own.parent / "people"}, protocol="loso")
    result = both.run(jobs=1)
    assert result.line().endswith("ravdess+folder neutral/sad/angry · loso, 8 folds, speakers unseen")
    assert set(result.table["corpus"]) == {"ravdess", "folder"}


# --- the recogniser ---------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("model", ["logistic", "svm", "mlp", "tutorial_mlp"])
def test_the_recogniser_predicts_as_the_model_does(root, prepared, model):
    one = experiment(root, model=model)
    recogniser = one.fit(prepared)
    fitted = fit_model(one.make_model(), prepared, np.arange(len(prepared.table)))
    order = [list(fitted.classes_).index(label) for label in prepared.labels]
    expected = fitted.predict_proba(prepared.X)[:, order]
    assert recogniser.labels == prepared.labels
    assert np.abs(recogniser.predict_proba(prepared.X) - expected).max() < 1e-5
    for row in (0, 17, 59):
        heard = recogniser.predict(root / prepared.table["file"][row])
        assert list(heard.scores) == list(LABELS)
        assert np.abs(np.array(list(heard.scores.values())) - expected[row]).max() < 1e-5
    if model == "tutorial_mlp":
        assert recogniser.abstain_below == 0
    else:
        sureness = fitted.held_out_proba_.max(axis=1)
        assert np.mean(sureness < recogniser.abstain_below) == pytest.approx(0.1, abs=0.02)


def test_the_card_has_the_score_on_unseen_speakers(root, prepared):
    one = experiment(root, name="my first")
    result = one.run(prepared)
    recogniser = one.fit(prepared, result=result)
    assert recogniser.name == "my first"
    assert result.line() in recogniser.card
    assert "CC BY-NC-SA 4.0" in recogniser.card
    assert "**Not for commercial use**" in recogniser.card
    assert recogniser.config["commercial"] is recogniser.commercial is False


def test_a_recogniser_takes_the_scores_of_its_own_kind_only(root, prepared):
    other = experiment(root, model="tutorial_mlp").run(prepared)
    with pytest.raises(ConfigError, match=r"was reached with model .*tutorial_mlp.*not .*svm"):
        experiment(root).fit(prepared, result=other)


def test_recordings_without_speakers_can_be_trained_on_but_not_scored(tmp_path):
    own = synthetic.write_folder(tmp_path / "own", speakers=(1, 2, 3), emotions=LABELS, repetitions=2)
    one = experiment(own, corpora={"folder": own})
    data = one.prepare(jobs=1)
    assert one.fit(data).labels == LABELS
    with pytest.raises(ExperimentError, match=r"18 of 18 rows have no speaker.*column 'speaker'"):
        one.run(data)
    assert experiment(own, corpora={"folder": own}, protocol="random").run(data).line().endswith("speakers unknown")


# --- data that can't be used ------------------------------------------------------------------------------------------


def test_a_corrupt_recording_is_named_and_the_rest_is_done(copy):
    broken, empty, *_ = clips(copy)
    broken.write_bytes(b"these are words")
    empty.write_bytes(b"")
    result = experiment(copy).run(jobs=1)
    assert len(result.table) == 58
    notes = [note for note in result.protocol["notes"] if note.startswith("left out")]
    assert [name in note for name, note in zip((broken.name, empty.name), notes, strict=True)] == [True, True]


def test_nothing_but_corrupt_recordings(copy):
    for path in clips(copy):
        path.write_bytes(b"words")
    with pytest.raises(ExperimentError, match=r"None of the 60 recordings could be used; the first: .*wav"):
        experiment(copy).run(jobs=1)


def test_a_class_that_one_speaker_has(copy):
    for path in copy.rglob("03-01-05-*.wav"):
        if path.stem[-2:] != "04":
            path.unlink()
    with pytest.raises(ExperimentError, match=r"Only ravdess/04 has rows of angry.*leave angry out"):
        experiment(copy).run(jobs=1)


def test_fewer_speakers_than_folds(root, prepared):
    with pytest.raises(ExperimentError, match=r"7 folds can't be made of 6 speakers; use 2 to 6 folds"):
        experiment(root, protocol_options={"n_folds": 7}).run(prepared)


def test_one_emotion_alone(root):
    with pytest.raises(ExperimentError, match="the table's only emotion is sad"):
        experiment(root, labels=("sad",)).run(jobs=1)


def test_a_wrong_root(tmp_path, rng):
    with pytest.raises(CorpusError, match=r"There is no folder .*nowhere"):
        experiment(tmp_path / "nowhere").run()
    (tmp_path / "empty").mkdir()
    with pytest.raises(CorpusError, match=r"empty holds no recordings; ravdess has files such as Actor_12"):
        experiment(tmp_path / "empty").run()


def test_a_corpus_without_a_root_is_looked_for(root, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    monkeypatch.delenv("EMOTONE_DATA", raising=False)
    one = experiment(root, corpora={"ravdess": ""})
    with pytest.raises(CorpusError, match=r"Where is ravdess\? Say ravdess=FOLDER"):
        one.prepare()
    monkeypatch.setenv("EMOTONE_DATA", str(root.parent))
    assert len(one.prepare(jobs=1).table) == 60


# --- settings that can't be -------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"corpora": {}}, "An experiment needs a corpus"),
        ({"corpora": {"ravdes": "x"}}, r"Unknown corpus 'ravdes'\. Did you mean 'ravdess'\?"),
        ({"labels": "eihgt"}, r"Unknown label set 'eihgt'\. Did you mean 'eight'\?"),
        ({"labels": ()}, "non-empty list"),
        ({"frontend": "functional"}, r"Unknown features 'functional'\. Did you mean 'functionals'\?"),
        ({"model": "logit"}, r"Unknown model 'logit'.*Allowed: logistic, svm, mlp, tutorial_mlp"),
        ({"protocol": "losso"}, r"Unknown protocol 'losso'\. Did you mean 'loso'\?"),
        ({"seed": -1}, "whole number from 0 on, not -1"),
        ({"seed": 1.5}, "whole number from 0 on, not 1.5"),
        ({"seed": 2**40}, "whole number from 0 to"),
        ({"frontend_options": {"rat": 8000}}, r"Unknown option of the features 'librosa180' 'rat'.*'rate'"),
        ({"model_options": {"c": 1}}, r"Unknown option of model 'svm' 'c'.*Allowed: C, gamma"),
        ({"model_options": {"C": "big"}}, "C must be a number"),
        ({"protocol_options": {"n_fold": 3}}, r"Unknown option of the protocol 'speakers' 'n_fold'.*'n_folds'"),
        ({"protocol_options": {"list": "official"}}, r"Unknown option of the protocol 'speakers' 'list'"),
        ({"protocol": "loso", "protocol_options": {"repeats": 3}}, r"option of the protocol 'loso' 'repeats'"),
    ],
)
def test_what_is_misspelt_is_found_before_any_work(root, changes, message):
    with pytest.raises(ConfigError, match=message):
        experiment(root, **changes)


@pytest.mark.parametrize(
    ("protocol", "options"),
    [
        ("speakers", {"n_folds": "three"}),
        ("speakers", {"n_folds": 2.5}),
        ("random", {"test_size": "a quarter"}),
        ("random", {"test_size": 0.25, "repeats": "many"}),
        ("random", {"seed": -1}),
        ("random", {"seed": "nine"}),
        ("official", {"folds": 3}),
    ],
)
def test_an_option_of_the_wrong_kind_is_a_sentence(root, prepared, protocol, options):
    with pytest.raises(EmotoneError, match=rf"{protocol}.*{next(reversed(options))}"):
        experiment(root, protocol=protocol, protocol_options=options).run(prepared)


def test_an_unknown_list_of_official_folds(root, prepared):
    with pytest.raises(ConfigError, match=r"Unknown list of folds of ravdess 'luna'.*official, luna-jimenez"):
        experiment(root, protocol="official", protocol_options={"list": "luna"}).run(prepared)


# --- protocols --------------------------------------------------------------------------------------------------------


@pytest.fixture(scope="session")
def two(root: Path, prepared: Prepared) -> Prepared:
    """The corpus and, as another, half of its speakers with an emotion fewer and one that's new."""
    other = prepared.table[prepared.table["speaker"] > "ravdess/03"]
    other = other.assign(
        corpus="crema_d",
        speaker=other["speaker"].str.replace("ravdess", "crema_d"),
        emotion=other["emotion"].replace({"neutral": "happy"}),
    )
    table = pd.concat([prepared.table, other], ignore_index=True)
    labels = ("neutral", "happy", "sad", "angry")
    return Prepared(table, labels, np.concatenate([prepared.X, prepared.X[other.index]]))


def crossed(root: Path, **changes: Any) -> Experiment:
    return experiment(root, corpora={"ravdess": root, "crema_d": root}, labels="eight", **changes)


def test_across_corpora_is_scored_over_the_emotions_both_have(root, two):
    one = crossed(root, protocol="across", protocol_options={"test": ["ravdess"]})
    result = one.run(two)
    assert result.labels == ("sad", "angry")
    assert result.line().endswith(
        "ravdess+crema_d eight · across, trained on crema_d, tested on ravdess, 2 of 3 emotions, 48 of 60 clips, "
        "speakers unseen"
    )
    assert set(result.table["truth"]) == {"sad", "angry"}
    assert "Left out of ravdess, not shared: 12 neutral." in result.protocol["notes"]
    assert result.scores["chance"]["uar"] == 0.5
    assert result.by_corpus() == ()
    assert one.fit(two, result=result).labels == ("neutral", "happy", "sad", "angry")


def test_each_corpus_left_out_is_a_part_of_the_result(root, two):
    result = crossed(root, protocol="corpora").run(two)
    first, second = (part.condition for part in result.by_corpus())
    assert first.startswith("ravdess eight · corpora, 2 folds, 2 of 4 emotions")
    assert first.endswith("speakers unseen, trained on crema_d")
    assert second.endswith("speakers unseen, trained on ravdess")


def test_a_run_keeps_its_split_and_another_can_use_it(root, prepared, tmp_path):
    first = experiment(root, protocol="random").run(prepared)
    folder = first.save(tmp_path / "run")
    content = json.loads((folder / "split.json").read_text("utf-8"))
    assert content["sha256"] == first.protocol["split_sha256"]
    assert content["description"].endswith("speakers shared")
    second = experiment(root, protocol="file", protocol_options={"path": str(folder)}).run(prepared)
    assert second.protocol["split_sha256"] == first.protocol["split_sha256"]
    assert second.line().endswith("file, first made by random, 5 folds, speakers shared")
    assert second.protocol["protocol"] == {"name": "file", "path": "run"}  # local paths are nobody's business
    assert str(tmp_path) not in json.dumps(second.protocol)
    pd.testing.assert_frame_equal(first.table, second.table)
    assert Result.load(folder).split == first.split == content


def test_leaking_published_folds_are_refused_with_the_leak(root, two):
    with pytest.raises(
        ExperimentError, match=r"of crema_d .* leak: 91 of 91 test speakers also train.*protocol speakers"
    ):
        crossed(root, protocol="official").run(two)


def test_official_folds_of_several_corpora_must_be_equally_many(root, two):
    one = experiment(root, corpora={"ravdess": root, "savee": root}, protocol="official")
    with pytest.raises(ExperimentError, match=r"can't be joined.*ravdess has 6, savee has 4"):
        one.split(two.table)


def test_inner_folds_of_rows_are_noted(root, prepared):
    """Two training speakers, each with emotions of their own, can't be kept apart."""
    rows = prepared.table["speaker"].isin(["ravdess/01", "ravdess/02"]).to_numpy()
    few = Prepared(prepared.table[rows].reset_index(drop=True), prepared.labels, prepared.X[rows])
    result = experiment(root, protocol="loso", protocol_options={}).run(few)
    (note,) = [note for note in result.protocol["notes"] if "training speakers" in note]
    assert note.startswith("In 2 of 2 folds no two training speakers could be kept apart")
    assert result.split["notes"][-1] == note
    kept_apart = experiment(root, protocol="loso", protocol_options={}).run(prepared)
    assert not [note for note in kept_apart.protocol["notes"] if "training speakers" in note]


# --- experiment files -------------------------------------------------------------------------------------------------


def test_a_file_with_everything(root, tmp_path):
    path = toml(
        tmp_path,
        f"""
        labels = ["neutral", "sad", "angry"]
        frontend = {{ name = "librosa180", rate = 16000 }}
        model = "svm"
        seed = 4
        name = "whole"
        [corpora]
        ravdess = '{root}'
        [protocol]
        name = "speakers"
        n_folds = 3
        """,
    )
    (one,) = read_experiments(path)
    assert one == experiment(
        root, corpora={"ravdess": str(root)}, name="whole", seed=4, frontend_options={"rate": 16000}
    )
    assert one.run(jobs=1).line().endswith("speakers, 3 folds, speakers unseen")


def test_variants_replace_the_keys_above_them(root, tmp_path):
    path = toml(
        tmp_path,
        """
        corpora = ["ravdess"]
        frontend = "librosa180"
        model = { name = "svm", C = 2.0 }
        [[variant]]
        [[variant]]
        name = "by speakers"
        model = "logistic"
        protocol = { name = "loso" }
        [[variant]]
        seed = 5
        """,
    )
    first, second, third = read_experiments(path, corpora={"ravdess": root})
    assert [one.name for one in (first, second, third)] == ["mine 1", "by speakers", "mine 3"]
    assert (first.model, first.model_options, first.protocol) == ("svm", {"C": 2.0}, "speakers")
    assert (second.model, second.model_options, second.protocol) == ("logistic", {}, "loso")
    assert (third.model_options, third.seed) == ({"C": 2.0}, 5)
    assert all(one.corpora == {"ravdess": root} for one in (first, second, third))


def test_a_file_without_variants_is_one_experiment_of_its_name(tmp_path):
    (one,) = read_experiments(toml(tmp_path, 'corpora = ["ravdess"]'))
    assert one == Experiment(corpora={"ravdess": ""}, name="mine")


def test_overrides_replace_the_file(tmp_path):
    path = toml(tmp_path, 'corpora = ["ravdess"]\nlabels = "four"\nmodel = { name = "svm", C = 2.0 }\nseed = 1')
    (one,) = read_experiments(path, model="mlp", model_options={}, seed=2, corpora={"emodb": "somewhere"})
    assert (one.labels, one.model, one.model_options, one.seed) == ("four", "mlp", {}, 2)
    assert one.corpora == {"ravdess": "", "emodb": "somewhere"}


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ('corpora = ["ravdess"]\nprotcol = "loso"', r"Unknown key 'protcol'\. Did you mean 'protocol'\?"),
        ('labels = "six"', r"no corpus is named; add corpora = \[\"ravdess\"\] or another of .*emodb"),
        ('corpora = "ravdess"', r"corpora is a list or a table, not 'ravdess'"),
        ("corpora = { ravdess = 5 }", r"corpora are names, or names and folders in quotes"),
        ("corpora = [1]", r"corpora are names, or names and folders in quotes"),
        ("labels = 8", r"labels is a word in quotes or a list, not 8"),
        ("frontend = 5", r"frontend is a word in quotes or a table, not 5"),
        ('seed = "nine"', r"seed is a whole number, not 'nine'"),
        ("seed = true", r"seed is a whole number, not True"),
        ("name = 3", r"name is a word in quotes, not 3"),
        ("[model]\nC = 1.0", r"\[model\] needs a name"),
        ('[variant]\nname = "one"', r"variants are written as \[\[variant\]\]"),
        ("variant = [1]", r"variants are written as \[\[variant\]\]"),
        ('[[variant]]\nmodle = "svm"', r"Unknown key 'modle'\. Did you mean 'model'\?"),
        ("labels = eight", r"is not valid TOML"),
    ],
)
def test_a_wrong_file_is_one_sentence_that_names_it(tmp_path, text, message):
    with pytest.raises(ConfigError, match=rf"mine\.toml.*{message}"):
        read_experiments(toml(tmp_path, text))


def test_a_file_that_is_not_there(tmp_path):
    with pytest.raises(ConfigError, match=r"none\.toml: No such file"):
        read_experiments(tmp_path / "none.toml")
    (tmp_path / "bytes.toml").write_bytes(b"\xff\xfe\x00")
    with pytest.raises(ConfigError, match="not valid TOML"):
        read_experiments(tmp_path / "bytes.toml")


def test_the_tutorial_is_an_experiment_in_pairs():
    path = Path(__file__).resolve().parents[1] / "experiments" / "tutorial.toml"
    variants = read_experiments(path)
    assert [one.protocol for one in variants] == ["random", "random", "random", "loso", "loso"]
    assert all((one.labels, one.frontend, one.model) == ("seed", "librosa180", "tutorial_mlp") for one in variants)
    assert variants[0].protocol_options["seed"] == 9
    assert len({one.name for one in variants}) == 5


# --- real recordings --------------------------------------------------------------------------------------------------


@pytest.fixture(scope="session")
def real(data: Path, tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Prepared]:
    """Six actors of RAVDESS, the tutorial's four emotions and features: 192 clips."""
    few = tmp_path_factory.mktemp("real") / "ravdess"
    few.mkdir()
    for actor in range(1, 7):
        (few / f"Actor_{actor:02d}").symlink_to(data / "ravdess" / f"Actor_{actor:02d}")
    return few, experiment(few, labels="seed").prepare(jobs=1, cache=False)


@pytest.mark.corpus
def test_on_real_recordings_known_voices_flatter(real):
    few, data = real
    assert len(data.table) == 192
    scores: dict[str, Result] = {
        protocol: experiment(few, labels="seed", protocol=protocol).run(data) for protocol in ("random", "loso")
    }
    assert scores["random"].line().endswith("ravdess seed · random, 5 folds, speakers shared")
    assert scores["loso"].line().endswith("ravdess seed · loso, 6 folds, speakers unseen")
    known, new = (result.scores["uar"]["value"] for result in scores.values())
    assert 0.25 < new < known - 0.1


@pytest.mark.corpus
def test_on_real_recordings_random_labels_give_chance(real):
    few, data = real
    scores = []
    for seed in range(5):
        rng = np.random.default_rng(seed)
        shuffled = data.table.groupby("speaker")["emotion"].transform(lambda column, rng=rng: rng.permutation(column))
        random = dataclasses.replace(data, table=data.table.assign(emotion=shuffled))
        scores.append(experiment(few, labels="seed", protocol="loso", seed=seed).run(random).scores["uar"])
    assert sum(score["low"] <= 0.25 <= score["high"] for score in scores) >= 4
    assert np.mean([score["value"] for score in scores]) == pytest.approx(0.25, abs=0.05)
