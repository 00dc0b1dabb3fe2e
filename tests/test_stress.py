"""`emotone.stress`: that the figures are those of the answers, the groups those of the table, and that nothing is
hidden: voices heard in training, recordings left out, tests that couldn't be run."""

from __future__ import annotations

import itertools
import json
import pickle

import numpy as np
import pytest
from tiny import ABOUT, LABELS, tiny

from emotone import audio, augment, corpora, metrics, recogniser, stress, synthetic
from emotone.augment import Chain
from emotone.errors import ConfigError, ExperimentError
from emotone.stress import checks, groups
from emotone.stress.conditions import DEFAULT, FAMILIES, Condition, choose
from emotone.stress.listening import Clip, listen
from emotone.stress.scores import Heard, of_conditions

pandas = pytest.importorskip("pandas")

SAME = Condition("same", "own", "nothing changed", augment.get("gain", db=0))
SILENT = Condition("silent", "own", "far too quiet", Chain((augment.get("gain", db=-80), augment.get("gain", db=-80))))
NOISY = Condition("noisy", "own", "white noise, 0 dB", augment.get("noise", snr_db=0))


@pytest.fixture(scope="module")
def root(tmp_path_factory):
    """Fifty-six generated clips of four speakers, named as in RAVDESS: the three emotions of `tiny`, and happy."""
    folder = tmp_path_factory.mktemp("stress") / "ravdess"
    return synthetic.write_ravdess(
        folder, speakers=(1, 2, 3, 4), emotions=("neutral", "happy", "sad", "angry"), repetitions=1
    )


@pytest.fixture(scope="module")
def table(root):
    return corpora.load("ravdess", root)


@pytest.fixture(scope="module")
def found(root, table):
    return stress.stress(tiny().recogniser, table, {"ravdess": root}, conditions=[SAME, SILENT, NOISY], jobs=1)


def small(table, root, *, conditions=(SAME,), rec=None, **options):
    chosen = tiny().recogniser if rec is None else rec
    return stress.stress(chosen, table, {"ravdess": root}, conditions=conditions, jobs=1, **options)


def trained_on(*names):
    """`tiny`, saying that it learnt from these corpora."""
    about = ABOUT | {"corpora": [{"name": name, "licence": "CC0 1.0", "commercial": True} for name in names]}
    parts = pickle.loads(pickle.dumps(tiny().recogniser))
    return recogniser.Recogniser.create(
        model_bytes=parts._parts.model, frontend=parts.frontend, labels=LABELS, abstain_below=0.4, about=about
    )


# --- conditions -------------------------------------------------------------------------------------------------------


def test_conditions_have_names_of_their_own_and_stand_by_family():
    names = [condition.name for condition in DEFAULT]
    assert len(set(names)) == len(names) > 35
    assert not set(names) & set(FAMILIES)
    order = [condition.family for condition in DEFAULT]
    assert sum(a != b for a, b in itertools.pairwise(order)) == len(FAMILIES) - 1
    assert pickle.loads(pickle.dumps(DEFAULT)) == DEFAULT


def test_every_condition_changes_a_voice_and_can_be_described():
    voice = synthetic.speech("neutral", 1, rng=np.random.default_rng(0), seconds=1.5)
    for condition in DEFAULT:
        changed = condition.transform(voice, np.random.default_rng(0))
        assert len(changed) != len(voice) or not np.array_equal(changed, voice), condition.name
        assert json.dumps(augment.describe(condition.transform))


def test_conditions_are_chosen_by_name_and_family_in_the_usual_order():
    assert [one.name for one in choose(["gaps", "white_0db"])] == ["white_0db", "loss_5", "loss_20"]
    assert choose(DEFAULT) == DEFAULT
    assert choose([SAME, "white_0db"])[-1] is SAME


def test_conditions_that_cannot_be():
    with pytest.raises(ConfigError, match=r"Unknown condition 'nois'. Did you mean 'noise'\?"):
        choose(["nois"])
    with pytest.raises(ConfigError, match="at least one condition or family"):
        choose([])
    with pytest.raises(ConfigError, match="given twice: 'same'"):
        choose([SAME, Condition("same", "own", "another", augment.get("gain"))])
    with pytest.raises(ConfigError, match="other than 'clean'"):
        choose([Condition("clean", "own", "another", augment.get("gain"))])


def test_the_tests_of_robustness_ask_for_conditions_that_there_are():
    asked = {name for test in checks._ROBUSTNESS.values() for name in test.conditions}
    assert asked <= {condition.name for condition in DEFAULT}
    assert {name for name in asked if name.startswith("small")} == {one.name for one in choose(["small"])}


# --- what is found ----------------------------------------------------------------------------------------------------


def test_the_scores_are_those_of_the_answers(found, root, table):
    rec = tiny().recogniser
    known = table[table["emotion"].isin(LABELS)]
    answers = [rec.abstaining_below(0).predict(root / file).emotion for file in known["file"]]
    truth = known["emotion"].to_numpy(dtype=object)
    assert found.n == found.n_fairness == len(known) == 40
    assert found.clean.value == pytest.approx(metrics.uar(truth, answers, LABELS))
    low, high = metrics.interval("uar", truth, answers, known["speaker"].to_numpy(dtype=object), LABELS)
    assert (found.clean.low, found.clean.high) == pytest.approx((low, high))
    assert found.fairness == found.clean


def test_an_unchanged_voice_gets_the_same_answers(found):
    same = found.conditions[0]
    assert (same.value, same.low, same.high) == tuple(found.clean)
    assert (same.difference, same.same_answer, same.abstained_more, same.confidence) == (0, 1, 0, 0)
    assert same.difference_low == same.difference_high == 0


def test_a_refusal_is_a_miss_and_counted(found):
    silent = found.conditions[1]
    assert silent.value == 0
    assert silent.abstained == 1
    assert silent.same_answer == 0
    assert silent.confidence is None
    assert silent.difference == pytest.approx(-found.clean.value)


def test_noise_changes_answers_and_says_towards_what(found, root, table):
    noisy = found.conditions[2]
    assert noisy.same_answer < 1
    assert noisy.difference == pytest.approx(noisy.value - found.clean.value)
    assert noisy.difference_low <= noisy.difference <= noisy.difference_high
    assert noisy.leans_to in LABELS
    assert 0 <= noisy.leans_by <= 1


def test_what_is_left_out_is_said(found):
    assert found.labels == LABELS
    assert found.notes[0] == "Left out, since the recogniser doesn't know them: happy (16)."


def test_answers_that_no_recording_is_are_named(root, table):
    part = small(table[table["emotion"] != "sad"], root)
    assert any(note.startswith("The recogniser also answers sad,") for note in part.notes)


def test_several_jobs_give_the_same(found, root, table):
    again = stress.stress(tiny().recogniser, table, {"ravdess": root}, conditions=[SAME, SILENT, NOISY], jobs=2)
    assert again.as_dict() == found.as_dict()


def test_noise_is_drawn_for_each_clip_and_seed_and_the_same_each_time(root, table):
    clip = Clip(str(root / table["file"][0]), 0.0, None, True)

    def noisy(seed):
        found = listen(tiny().recogniser, [clip, clip], [NOISY], jobs=1, seed=seed, progress=None)
        return [one.proba[1].tolist() for one in found]

    first, again, other = noisy(0), noisy(0), noisy(1)
    assert first == again
    assert len({str(one) for one in first + other}) == 4


def test_progress_counts_answers(root, table):
    seen = []
    small(table, root, conditions=[SAME, SILENT], limit=3, progress=lambda done, total: seen.append((done, total)))
    # Three recordings three times, and the rest of the sample (ten times as many, or all there are) once.
    assert seen[0] == (3, 3 * 3 + 27)
    assert seen[-1] == (36, 36)


# --- which recordings -------------------------------------------------------------------------------------------------


def test_every_beginning_of_the_order_is_balanced(table):
    order = stress._balanced(table, 12, np.random.default_rng(0))
    first = table.iloc[order]
    assert len(set(order)) == 12
    assert set(first["emotion"].value_counts()) == {3}
    assert first["speaker"].value_counts().max() - first["speaker"].value_counts().min() <= 1
    assert sorted(stress._balanced(table, 10**6, np.random.default_rng(0))) == list(range(len(table)))


def test_what_is_rare_is_taken_until_there_is_no_more(table):
    few = table[(table["emotion"] != "sad") | (np.arange(len(table)) == table.index[table["emotion"] == "sad"][0])]
    first = few.iloc[stress._balanced(few, 9, np.random.default_rng(0))]
    assert first["emotion"].value_counts()["sad"] == 1


def test_a_limit_counts_recordings_under_conditions(root, table):
    part = small(table, root, limit=2)
    assert (part.n, part.n_fairness) == (2, 20)
    assert small(table, root, limit=None).n == 40
    for wrong in (0, -1, True):
        with pytest.raises(ConfigError, match="number of recordings from 1"):
            small(table, root, limit=wrong)


def test_unreadable_recordings_are_named_and_the_rest_is_done(root, table):
    broken = table.copy()
    broken.loc[broken.index[0], "file"] = "Actor_01/gone.wav"
    part = small(broken, root)
    assert [file for file, _ in part.failures] == ["Actor_01/gone.wav"]
    assert "There is no file" in part.failures[0][1]
    assert part.n == 39
    with pytest.raises(ExperimentError, match="None of 40 recordings could be used; the first: There is no file"):
        small(table.assign(file="gone.wav"), root)


def test_bad_input_is_told(root, table):
    with pytest.raises(ExperimentError, match=r"knows neutral, sad, angry, and the recordings are happy\."):
        small(table[table["emotion"] == "happy"], root)
    with pytest.raises(ConfigError, match="lacks the columns speaker"):
        small(table.drop(columns="speaker"), root)
    with pytest.raises(ConfigError, match="No folder is given for 'ravdess'; there are: other"):
        stress.stress(tiny().recogniser, table, {"other": root})
    with pytest.raises(ConfigError, match="number of jobs"):
        stress.stress(tiny().recogniser, table, {"ravdess": root}, jobs=0)


def test_recognisers_of_dimensions_are_turned_away(root, table):
    three = tiny().recogniser
    numbers = recogniser.Recogniser.create(
        model_bytes=three._parts.model,
        frontend=three.frontend,
        dimensions={"arousal": (1, 7), "valence": (1, 7), "dominance": (1, 7)},
        about=ABOUT,
    )
    with pytest.raises(ConfigError, match="tiny knows dimensions, and stress tests are for recognisers of emotions"):
        small(table, root, rec=numbers)


def test_one_speaker_one_emotion_and_no_gender_are_said(root, table):
    one = small(table[table["speaker"] == "ravdess/01"].drop(columns="gender"), root)
    assert one.clean.low is None
    assert one.conditions[0].difference_low is None
    assert any("of one speaker" in note for note in one.notes)
    assert "fairness_gender" in dict(one.skipped)
    sad = small(table[table["emotion"] == "sad"], root)
    assert any("UAR is the recall of that emotion" in note for note in sad.notes)
    unknown = small(table.assign(speaker=None), root)
    assert unknown.n_speakers is None
    assert unknown.clean.high is None
    assert any("speakers are unknown" in note for note in unknown.notes)


def test_parts_of_files_are_heard_alone(root, table):
    """``start`` and ``end`` count: a part of 0.1 s is too short to judge."""
    part = small(table.assign(end=0.1), root)
    assert part.clean.value == 0
    assert part.conditions[0].abstained == 1


# --- voices heard in training -----------------------------------------------------------------------------------------


def test_voices_heard_in_training_are_shouted_about(root, table, found):
    assert found.heard is False
    assert "speakers unheard" in found.line
    known = small(table, root, rec=trained_on("ravdess"))
    assert known.heard is True
    assert "TRAINED ON THESE SPEAKERS" in known.line
    assert small(table, root, rec=trained_on("crema_d")).heard is False
    nobody = small(table, root, rec=trained_on())
    assert nobody.heard is None
    assert "isn't known" in nobody.line


def test_the_same_people_in_another_corpus_count_as_heard(root, table):
    song = table.assign(corpus="ravdess_song")  # whose speakers are those of ravdess
    part = stress.stress(trained_on("ravdess"), song, {"ravdess_song": root}, conditions=[SAME], jobs=1)
    assert part.heard is True


# --- groups -----------------------------------------------------------------------------------------------------------


def heard_of(right, genders, *, speakers=None, truth=None):
    """Clean answers: ``right`` says which are, the others are the next emotion."""
    right = np.asarray(right)
    truth = np.resize(np.array(LABELS, dtype=object), len(right)) if truth is None else truth
    codes = np.array([LABELS.index(name) for name in truth])
    proba = np.eye(3)[np.where(right, codes, (codes + 1) % 3)][:, None, :]
    rows = pandas.DataFrame(
        {
            "corpus": "made",
            "emotion": truth,
            "gender": genders,
            "speaker": [f"made/{i // 30:02}" for i in range(len(right))] if speakers is None else speakers,
        }
    )
    return Heard(rows, LABELS, proba, np.zeros((len(right), 1), bool))


def of_kind(heard, kind, seconds=None):
    n = len(heard.rows)
    lengths = np.full(n, 3.0) if seconds is None else seconds
    return {one.group: one for one in groups.of_groups(heard, lengths, np.full(n, 150.0)) if one.by == kind}


def test_a_bias_against_men_is_found_and_none_is_not(rng):
    gender = np.repeat(["female", "male"], 600).astype(object)  # twenty women, twenty men
    fair = of_kind(heard_of(rng.random(1200) < 0.6, gender), "gender")
    assert all(one.passed for one in fair.values())
    biased = of_kind(heard_of(rng.random(1200) < np.where(gender == "male", 0.45, 0.75), gender), "gender")
    assert not any(one.passed for one in biased.values())
    assert biased["male"].difference == pytest.approx(-0.15, abs=0.05)
    assert biased["male"].source == groups.EXCHANGED
    assert (biased["male"].n, biased["male"].n_speakers) == (600, 20)
    assert biased["male"].low < biased["male"].value < biased["male"].high


def test_few_speakers_are_not_exchanged(rng):
    gender = np.repeat(["female", "male"], 60).astype(object)  # two women and two men
    assert of_kind(heard_of(rng.random(120) < 0.6, gender), "gender")["male"].source == groups.SIMULATED
    speakers = np.array(["a", "b", "c", "d", "e", "f", "g", "h"], dtype=object)
    assert groups._exchangeable(speakers, np.array(list("ffffmmmm"), dtype=object))
    assert not groups._exchangeable(speakers, np.array(list("ffffffmm"), dtype=object))  # 28 ways
    assert not groups._exchangeable(np.array(list("aabbccdd"), dtype=object), np.array(list("fmfmfmfm"), dtype=object))


def test_speakers_who_differ_are_no_bias_of_gender(rng):
    """Each speaker easy or hard, at random: what looks like a gap between the genders is luck, and passes as such."""
    gender = np.repeat(["female", "male"], 300).astype(object)
    failed = 0
    for _ in range(20):
        ease = np.repeat(rng.uniform(0.2, 0.95, 20), 30)
        failed += not all(one.passed for one in of_kind(heard_of(rng.random(600) < ease, gender), "gender").values())
    assert failed <= 4


def test_small_and_single_groups_are_left_out(rng):
    gender = np.array(["female"] * 500 + ["male"] * 19 + [None] * 81, dtype=object)
    heard = heard_of(rng.random(600) < 0.6, gender)
    assert not of_kind(heard, "gender")
    assert checks.impossible(heard, [], groups.of_groups(heard, np.full(600, 3.0), np.full(600, 150.0)))[
        "fairness_gender"
    ]


def test_one_person_is_no_group(rng):
    heard = heard_of(rng.random(300) < 0.6, np.array(["female"] * 270 + ["male"] * 30, dtype=object))
    assert not of_kind(heard, "gender")
    assert not groups.class_gaps(heard, "gender")
    assert len(of_kind(heard, "speaker")) == 10


def test_lengths_ages_and_pitches_are_banded(rng):
    heard = heard_of(rng.random(300) < 0.6, None)
    ages = heard._replace(rows=heard.rows.assign(age=np.repeat([29, 30, np.nan], 100)))
    assert set(of_kind(ages, "age")) == {"under 30", "30 to 44"}
    assert set(of_kind(heard, "length", np.repeat([1.99, 2.0, 4.0], 100))) == {"under 2 s", "2 to 4 s", "over 4 s"}
    hertz = np.repeat([120.0, 160.0, np.nan, 240.0, 240.0], 60)  # of ten speakers, one with clips of no pitch at all
    kinds = groups._groupings(heard.rows, np.full(300, 3.0), hertz)["pitch"]
    assert list(dict.fromkeys(kinds)) == ["low", "medium", "", "high"]


def test_an_emotion_missed_in_women_alone_is_found(rng):
    truth = np.resize(np.array(LABELS, dtype=object), 1200)
    gender = np.repeat(["female", "male"], 600).astype(object)
    chance = np.where((gender == "female") & (truth == "sad"), 0.2, 0.7)
    gap = groups.class_gaps(heard_of(rng.random(1200) < chance, gender, truth=truth), "gender")
    assert gap["recall"].label == "sad"
    assert abs(gap["recall"].value) > 2 * gap["recall"].threshold
    assert gap["share"].label in ("sad", "angry")  # which it is taken for
    fair = groups.class_gaps(heard_of(rng.random(1200) < 0.6, gender, truth=truth), "gender")
    assert abs(fair["recall"].value) <= 1.3 * fair["recall"].threshold


def test_women_who_are_sad_more_often_are_no_bias(rng):
    """Shares of answers are compared with the truth's."""
    truth = np.array(["sad"] * 500 + ["angry"] * 100 + ["sad"] * 100 + ["angry"] * 500, dtype=object)
    gender = np.repeat(["female", "male"], 600).astype(object)
    gap = groups.class_gaps(heard_of(np.ones(1200, bool), gender, truth=truth), "gender")["share"]
    assert gap.value == 0


# --- tests ------------------------------------------------------------------------------------------------------------


def test_each_test_passes_or_fails_in_a_sentence(rng):
    heard = heard_of(rng.random(300) < np.resize([0.9, 0.9, 0.3], 300), None)
    found = {one.name: one for one in checks.check_all(heard, [], [])}
    assert found["correctness_uar"].passed
    assert found["correctness_uar"].sentence.startswith("Passed: UAR is 0.68 (at least 0.5 asked")
    recall = found["correctness_recall"]
    assert not recall.passed
    assert recall.sentence.startswith("Failed: the lowest recall is 0.")
    assert recall.sentence.endswith(", of angry (at least 0.5 asked; ser-tests).")
    assert recall.value < recall.threshold == 0.5
    share = found["correctness_distribution"]
    assert not share.passed
    assert "answered" in share.sentence
    assert "correctness_speaker_average" in found


def test_thresholds_of_robustness(rng):
    right = rng.random(300) < 0.9
    heard = heard_of(right, None)
    both = heard._replace(
        proba=np.concatenate([heard.proba, heard_of(right & (np.arange(300) % 6 > 0), None).proba], 1)
    )
    both = both._replace(abstained=np.zeros((300, 2), bool))
    for name, passed in (("white_20db", (False, False)), ("tilt_up", (False, True)), ("small_gain", (False,))):
        scores = of_conditions(both, [next(one for one in DEFAULT if one.name == name)])
        found = [one for one in checks.check_all(both, scores, []) if one.family == "robustness"]
        assert tuple(one.passed for one in found) == passed, name
        assert all(one.value == scores[0].same_answer for one in found if "_same_" in one.name)
        skipped = checks.impossible(both, scores, [])
        assert sum(test.startswith("robustness") for test in skipped) == 5


# --- what is kept -----------------------------------------------------------------------------------------------------


def test_the_document_has_all_that_others_rely_on(found):
    document = json.loads(json.dumps(found.as_dict(), allow_nan=False))
    assert set(document) >= {"line", "recogniser", "corpora", "heard", "clean", "conditions", "groups", "tests"}
    assert set(document["clean"]) == {"value", "low", "high", "n", "n_speakers"}
    assert set(document["conditions"][0]) >= {
        *("name", "family", "title", "value", "low", "high", "difference", "difference_low", "difference_high"),
        *("same_answer", "abstained"),
    }
    for one in document["groups"]:
        assert set(one) >= {
            "by",
            "group",
            "n",
            "n_speakers",
            "value",
            "low",
            "high",
            "difference",
            "threshold",
            "passed",
        }
    for one in document["tests"]:
        assert set(one) >= {"name", "title", "passed", "value", "threshold", "sentence"}
        assert isinstance(one["passed"], bool)
    assert (document["recogniser"], document["corpora"]) == ("tiny", ["ravdess"])


def test_saving_leaves_two_files_and_nothing_else(found, tmp_path):
    pytest.importorskip("matplotlib")
    folder = found.save(tmp_path / "runs" / "first")
    assert sorted(path.name for path in folder.iterdir()) == ["stress.json", "stress.png"]
    assert json.loads((folder / "stress.json").read_text("utf-8")) == found.as_dict()
    assert (folder / "stress.png").read_bytes().startswith(b"\x89PNG")
    (tmp_path / "file").write_text("")
    with pytest.raises(ExperimentError, match="can't be saved in"):
        found.save(tmp_path / "file" / "below")


@pytest.mark.parametrize("corpus", ["nemo"])
def test_on_real_recordings(data, corpus):
    """The bundled recogniser hears a few of nEMO's speakers, whom it doesn't know, in noise."""
    rec = recogniser.load("open")  # which never heard Polish
    rows = corpora.load(corpus, data / corpus)
    part = stress.stress(rec, rows, {corpus: data / corpus}, conditions=["quiet", "babble_0db"], limit=8, jobs=1)
    babble, quiet = part.conditions
    assert part.heard is False
    assert quiet.same_answer == 1
    assert babble.same_answer < 0.8
    assert part.n_fairness == 80
    assert audio.SAMPLE_RATE == 16_000
