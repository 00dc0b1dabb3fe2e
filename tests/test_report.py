"""`emotone.report`: what the page holds, that it is sound, and that nothing in it can load or run anything."""

from __future__ import annotations

import base64
import hashlib
import json
import re
import shlex
from dataclasses import dataclass, field
from html import unescape
from html.parser import HTMLParser
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
from made_runs import AUDIT, LABELS, LADDER, STRESS, TRAINING, made, protocol, regression, saved

from emotone import audio, report, synthetic
from emotone.errors import ConfigError, CorpusError, ExperimentError
from emotone.experiment import Experiment
from emotone.experiment_file import read_experiments
from emotone.report import _charts, _facts, _html, _sound
from emotone.result import Result

VOID = {"br", "hr", "img", "meta", "source"}
EVIL = '"><script>alert(1)</script><img src=x onerror=alert(1)>'


# --- reading a page ---------------------------------------------------------------------------------------------------


@dataclass
class Element:
    name: str
    attributes: dict[str, str]
    text: str = ""


@dataclass
class Reader(HTMLParser):
    """All elements of a page with the text inside them; fails on tags that don't close as they opened."""

    elements: list[Element] = field(default_factory=list)
    open: list[Element] = field(default_factory=list)

    def __post_init__(self) -> None:
        super().__init__(convert_charrefs=True)

    def handle_starttag(self, tag: str, attrs: Any) -> None:
        names = [name for name, _ in attrs]
        assert len(set(names)) == len(names), f"<{tag}> has an attribute twice: {names}"
        element = Element(tag, {name: value or "" for name, value in attrs})
        self.elements.append(element)
        if tag not in VOID:
            self.open.append(element)

    def handle_startendtag(self, tag: str, attrs: Any) -> None:
        self.elements.append(Element(tag, {name: value or "" for name, value in attrs}))

    def handle_endtag(self, tag: str) -> None:
        assert self.open, f"</{tag}> closes nothing"
        assert self.open[-1].name == tag, f"</{tag}> closes <{self.open[-1].name}>"
        self.open.pop()

    def handle_data(self, data: str) -> None:
        for element in self.open:
            element.text += data


def parsed(page: str) -> list[Element]:
    reader = Reader()
    reader.feed(page)
    reader.close()
    assert not reader.open, f"never closed: {[element.name for element in reader.open]}"
    return reader.elements


def sections(page: str) -> dict[str, str]:
    """Anchor to the text of each section, white space as one blank."""
    found = [element for element in parsed(page) if element.name == "section"]
    return {element.attributes["id"]: " ".join(element.text.split()) for element in found}


def words(page: str) -> str:
    body = re.sub(r"<(style|script)>.*?</\1>", "", page, flags=re.DOTALL)
    return " ".join(unescape(re.sub(r"<[^>]+>", " ", body)).split())


def built(result: Result, folder: Path, **documents: Any) -> str:
    return report.build(saved(result, folder / "run", **documents)).html


@pytest.fixture
def full(tmp_path: Path) -> str:
    return built(made(), tmp_path, ladder=LADDER, stress=STRESS, audit=AUDIT, training=TRAINING)


ALL = ["confusion", "emotions", "speakers", "confidence", "folds", "training", "ladder", "stress", "audit"]
ALL += ["mistakes", "data", "again", "words"]


# --- the file ---------------------------------------------------------------------------------------------------------


def pages(tmp_path: Path) -> dict[str, str]:
    one, two = (
        saved(made(), tmp_path / "one", ladder=LADDER, stress=STRESS, audit=AUDIT, training=TRAINING),
        saved(made(seed=1), tmp_path / "two"),
    )
    three = saved(made(seed=2), tmp_path / "three")
    return {
        "run": report.build(one).html,
        "comparison": report.build([one, two]).html,
        "three runs": report.build([one, two, three]).html,
        "numbers": report.build(saved(regression(), tmp_path / "numbers")).html,
    }


def test_every_page_is_well_formed_and_loads_nothing(tmp_path):
    for name, page in pages(tmp_path).items():
        assert page.startswith('<!doctype html>\n<html lang="en">'), name
        elements = parsed(page)
        assert {"main", "nav", "h1", "section", "table", "svg"} <= {element.name for element in elements}
        for element in elements:
            assert element.name not in ("link", "iframe", "object", "embed", "base", "form", "img", "use"), element
            assert "style" not in element.attributes, element
            assert not [key for key in element.attributes if key.startswith("on")], element
            loads = {
                key: value for key, value in element.attributes.items() if key in ("src", "srcset", "data", "poster")
            }
            assert all(value.startswith("data:audio/") for value in loads.values()), element
            if "href" in element.attributes:
                assert element.name == "a", element
                assert element.attributes["href"].startswith(("#", "https://", "http://")), element
        [style] = [element.text for element in elements if element.name == "style"]
        assert "url(" not in style
        assert "@import" not in style


def test_the_policy_allows_this_style_and_this_script_alone(full):
    elements = parsed(full)
    [policy] = [
        e.attributes["content"] for e in elements if e.attributes.get("http-equiv") == "Content-Security-Policy"
    ]
    rules = dict(rule.strip().split(" ", 1) for rule in policy.split(";"))
    assert rules["default-src"] == "'none'"
    assert rules["media-src"] == "data:"
    for kind in ("style", "script"):
        [text] = [element.text for element in elements if element.name == kind]
        digest = base64.b64encode(hashlib.sha256(text.encode()).digest()).decode()
        assert rules[f"{kind}-src"] == f"'sha256-{digest}'"
    assert "unsafe" not in policy


def test_ids_are_unique_and_all_inner_links_lead_somewhere(tmp_path):
    for name, page in pages(tmp_path).items():
        elements = parsed(page)
        ids = [element.attributes["id"] for element in elements if "id" in element.attributes]
        assert len(set(ids)) == len(ids), name
        targets = [
            element.attributes["href"][1:] for element in elements if element.attributes.get("href", "")[:1] == "#"
        ]
        assert targets
        assert set(targets) <= set(ids)
        assert {element.attributes["aria-labelledby"] for element in elements if element.name == "section"} <= set(ids)


def test_drawings_speak_or_are_silent(full):
    drawings = [element for element in parsed(full) if element.name == "svg"]
    assert len(drawings) > 20
    for drawing in drawings:
        spoken = drawing.attributes.get("role") == "img" and drawing.attributes.get("aria-label")
        assert spoken or drawing.attributes.get("aria-hidden") == "true", drawing


def test_tables_have_captions_and_headings(full):
    elements = parsed(full)
    tables = [element for element in elements if element.name == "table"]
    assert len(tables) > 8
    assert len([element for element in elements if element.name == "caption"]) == len(tables)
    assert all(e.attributes.get("scope") in ("row", "col") for e in elements if e.name == "th")


def test_the_same_run_gives_the_same_bytes(tmp_path):
    folder = saved(made(), tmp_path / "run", ladder=LADDER)
    assert report.build(folder) == report.build(folder)


def test_nothing_can_become_markup(tmp_path):
    result = made(corpora=["ravdess", EVIL], notes=[EVIL], name=EVIL, description=f"{EVIL}, speakers unseen")
    table = result.table.assign(file=[f"{EVIL}{i}.wav" for i in range(96)], speaker=result.table["speaker"] + EVIL)
    table["corpus"] = [EVIL if i % 2 else "ravdess" for i in range(96)]
    hostile = tuple(sorted(("neutral", EVIL)))
    renamed = table.replace({"truth": {"sad": EVIL, "angry": EVIL}, "predicted": {"sad": EVIL, "angry": EVIL}})
    renamed = renamed.assign(**{f"proba_{EVIL}": renamed["proba_sad"] + renamed["proba_angry"]})
    evil_ladder = json.loads(json.dumps(LADDER).replace("noisy copies before the split", json.dumps(EVIL)[1:-1]))
    evil_audit = json.loads(json.dumps(AUDIT).replace("ravdess/one.wav", json.dumps(EVIL)[1:-1]))
    evil_stress = json.loads(json.dumps(STRESS).replace("babble at 0 dB", json.dumps(EVIL)[1:-1]))
    run = Result(renamed, hostile, result.protocol)
    documents = {"ladder": evil_ladder, "audit": evil_audit, "stress": evil_stress}
    one, two = saved(run, tmp_path / "one", **documents), saved(run, tmp_path / "two")
    for page in (report.build(one).html, report.build([one, two]).html):
        elements = parsed(page)
        assert [element.name for element in elements].count("script") == 1
        assert "img" not in {element.name for element in elements}
        assert page.count("alert(1)") > 3  # it is shown


# --- the headline -----------------------------------------------------------------------------------------------------


def test_the_headline_has_score_interval_chance_and_condition(full):
    scores = made().scores
    uar = scores["uar"]
    text = words(full)
    assert f"{uar['value']:.2f} UAR 95 % interval {uar['low']:.2f} to {uar['high']:.2f} " in text
    assert "guessing 0.333" in text
    assert "ravdess neutral/sad/angry · speakers, 4 folds, speakers unseen" in text
    share, low, high = (f"{100 * uar[key]:.0f}" for key in ("value", "low", "high"))
    assert (
        "Given 100 recordings of people it has never heard, with every emotion equally often, it would name the right "
        f"one of 3 emotions about {share} times; guessing would be right about 33 times. For other people like these, "
        f"expect {low} to {high}." in text
    )
    assert f"{scores['war']['value']:.2f} {scores['war']['low']:.2f} to {scores['war']['high']:.2f}" in text


@pytest.mark.parametrize(
    ("state", "banner"),
    [("unseen", None), ("shared", "Speakers shared."), ("unknown", "Speakers unknown.")],
)
def test_a_leak_is_said_above_everything_else(tmp_path, state, banner):
    page = built(made(speakers=state, description=f"random, 4 folds, speakers {state}"), tmp_path)
    found = [element for element in parsed(page) if element.attributes.get("class") == "banner"]
    assert [element.text.startswith(banner) for element in found] == ([True] if banner else [])
    if banner:
        assert page.index('class="banner"') < page.index('class="hero"')
        assert "never heard" not in words(page)


def test_a_run_of_an_older_version_that_says_it_only_in_words_still_gets_its_banner(tmp_path):
    result = made(description="random, 4 folds, speakers shared")
    del result.protocol["speakers"]
    assert "Speakers shared." in words(built(result, tmp_path))


def test_a_score_no_better_than_chance_is_called_that(tmp_path):
    assert "That can't be told from guessing." in words(built(made(skill=0), tmp_path))
    assert "That can't be told from guessing." not in words(built(made(skill=3), tmp_path / "good"))


def test_repeated_tests_are_told_as_mean_and_deviation(tmp_path):
    again = pd.concat([made().table, made(seed=1).table.assign(fold=9)], ignore_index=True)
    result = Result(again, LABELS, protocol())
    text = words(built(result, tmp_path))
    uar = result.scores["uar"]
    assert f"{uar['fold_mean']:.2f} UAR ± {uar['fold_sd']:.2f} over 5 tests" in text
    assert "96 recordings of 8 speakers" in text


# --- the sections -----------------------------------------------------------------------------------------------------


def test_every_section_is_there_when_its_file_is(full):
    assert list(sections(full)) == ALL


@pytest.mark.parametrize("name", ["ladder", "stress", "audit", "training"])
def test_a_section_is_absent_without_its_file(tmp_path, name):
    documents = {"ladder": LADDER, "stress": STRESS, "audit": AUDIT, "training": TRAINING}
    del documents[name]
    assert list(sections(built(made(), tmp_path, **documents))) == [anchor for anchor in ALL if anchor != name]


def test_confusion_shows_shares_and_counts(full):
    counts = np.array(made().scores["confusion"])
    shares = [f"{100 * count / row.sum():.0f}{count}" for row in counts for count in row if count]
    elements = parsed(full)
    cells = [e.text for e in elements if e.name == "td" and re.match(r"h\d+( |$)", e.attributes.get("class", ""))]
    assert [cell for cell in cells if cell] == shares
    rows = [f"{label}{''.join(map(str, row))}{row.sum()}" for label, row in zip(LABELS, counts, strict=True)]
    assert all(row in sections(full)["confusion"] for row in rows)


def test_each_emotion_has_its_scores(full):
    text = sections(full)["emotions"]
    for label, one in made().scores["per_class"].items():
        assert f"{label}{one['recall']:.2f}{one['precision']:.2f}{one['f1']:.2f}{one['support']}" in text.replace(
            " ", ""
        )


def test_speakers_are_listed_best_first_with_gender(full):
    text = sections(full)["speakers"]
    listed = re.findall(r"ravdess/(\d\d) ?(?:●|■) (female|male)12(0\.\d\d|1\.00)", text)
    assert len(listed) == 8
    assert [float(value) for *_, value in listed] == sorted((float(value) for *_, value in listed), reverse=True)
    assert all((gender == "male") == bool(int(name) % 2) for name, gender, _ in listed)
    assert re.search(r"● female40\.\d\d", text)  # four female speakers


def test_many_speakers_are_shown_by_their_ends_and_all_in_a_table(tmp_path):
    text = sections(built(made(n_speakers=50, n_each=6), tmp_path))["speakers"]
    assert "Shown are the 20 highest and the 20 lowest." in text
    assert "All 50 speakers" in text


def test_unknown_speakers_and_a_single_one_are_said(tmp_path):
    result = made()
    unknown = Result(result.table.assign(speaker=None), LABELS, protocol(speakers="unknown"))
    assert "no intervals over speakers" in sections(built(unknown, tmp_path))["speakers"]
    one = built(made(n_speakers=1, n_each=24), tmp_path / "one")
    assert "There is one speaker only" in sections(one)["speakers"]
    assert "95 % interval 0" not in words(one)


def test_missing_genders_leave_the_column_out(tmp_path):
    result = made()
    page = built(Result(result.table.drop(columns="gender"), LABELS, protocol()), tmp_path)
    assert "gender" not in sections(page)["speakers"]


def test_confidence_has_calibration_risk_and_sets(full):
    from emotone import metrics

    result = made()
    text = sections(full)["confidence"]
    ece = result.scores["ece"]
    assert f"{ece['value']:.2f}{ece['low']:.2f} to {ece['high']:.2f}" in text
    found = metrics.risk_coverage(result.table["truth"].to_numpy(object), result.proba, LABELS)
    half = found.risk[int(np.searchsorted(found.coverage, 0.5))]
    assert f"50 %{100 * half:.0f} %{100 * (1 - half):.0f} %" in text
    assert f"right in {100 * (1 - half):.0f} % of the rest" in text
    assert re.search(r"80 %\d+ %.* of 3", text)
    assert "no speaker sets their own" in text


def test_conformal_sets_are_calibrated_on_the_other_folds(full):
    from emotone import metrics

    result = made()
    truth, folds = result.table["truth"].to_numpy(object), result.table["fold"].to_numpy()
    speakers = result.table["speaker"].to_numpy(object)
    index = np.array([LABELS.index(name) for name in truth])
    held, sizes = [], []
    for fold in range(4):
        rest, own = folds != fold, np.flatnonzero(folds == fold)
        limit = metrics.conformal_quantile(truth[rest], result.proba[rest], LABELS, level=0.8, groups=speakers[rest])
        inside = 1 - result.proba[own] <= limit
        held += list(inside[np.arange(len(own)), index[own]])
        sizes += list(inside.sum(axis=1))
    assert np.mean(sizes) < 3
    cells = sections(full)["confidence"]
    assert re.search(rf"80 %{100 * np.mean(held):.0f} %.*? %{np.mean(sizes):.1f} of 3", cells), cells


def test_folds_say_who_was_tested(full):
    text = sections(full)["folds"]
    assert "1 female: ravdess/00" in text
    assert "1 male: ravdess/07" in text
    assert "Test fold 2 holds only one gender." in text
    assert "share: sentences" in text


def test_the_ladder_flags_what_flatters(full):
    text = sections(full)["ladder"]
    assert "noisy copies before the split speakers shared" in text
    assert "0.67+6.2 [+3.1, +9.3]1,200" in text
    assert "control: copies kept beside their parents" in text
    assert re.search(r"people it never heardnobody tested was trained on0\.41", text)
    assert "corpora: one corpus alone" in text


def test_training_has_a_line_and_a_row_for_each(full):
    text = sections(full)["training"]
    assert "The loss fell from 1.32 after the first epoch to 1.00 after the last, on average." in text
    for row in (("1.1", "3", "1.40", "0.60", "2", "0.70"), ("1.2", "2", "1.50", "1.00", "–", "–")):
        assert "".join(row) in text  # the best epoch isn't always the last
    lines = [element for element in parsed(full) if "thin" in element.attributes.get("class", "")]
    assert [line.attributes["class"] for line in lines].count("curve thin") == 4  # two of the loss, two of the UAR
    assert [line.attributes["class"] for line in lines].count("curve thin dashed") == 2
    points = [tuple(map(float, pair.split(","))) for pair in lines[0].attributes["points"].split()]
    assert [x for x, _ in points] == sorted(x for x, _ in points)
    assert [y for _, y in points] == sorted(y for _, y in points)  # a falling loss falls on the page


def test_training_without_held_out_speakers_says_so(tmp_path):
    folds = [[trainings[-1]] for trainings in TRAINING["folds"]]
    text = sections(built(made(), tmp_path, training={"folds": folds}))["training"]
    assert "No speakers were held out" in text
    assert "UAR on held-out" not in text


def test_stress_tells_falls_groups_and_tests(full):
    text = sections(full)["stress"]
    assert "The recogniser was trained on these speakers." in text
    assert "babble at 0 dBbabble0.31−29.040 %" in text
    assert "gender: female480.50−12.08.0✗ failed" in text
    assert "✓ passed Gender: No gap that chance doesn't explain." in text


def test_the_audit_lists_findings_and_some_files(full):
    text = sections(full)["audit"]
    assert "Something inflates the score." in text
    assert "✗ error 1 recording has a copy on the other side. inflates the score" in text
    assert "ravdess/one.wav = ravdess/two.wav (0.998)" in text
    assert "1 pair" in text
    assert "12 recordings" in text
    assert "ravdess/silent-7.wav" in text
    assert "and 4 more" in text


def test_votes_of_listeners_bring_their_section(tmp_path):
    result = made()
    rng = np.random.default_rng(3)
    votes = rng.multinomial(9, [1 / 3] * 3, size=96) / 9
    columns = {f"p_{label}": votes[:, i] for i, label in enumerate(LABELS)}
    with_votes = Result(result.table.assign(**columns, n_raters=9), LABELS, protocol())
    text = sections(built(with_votes, tmp_path))["raters"]
    found = with_votes.soft_scores
    assert f"what {100 * found['agreement']['value']:.0f} % of the listeners chose" in text
    assert f"agrees with {100 * found['human_ceiling']['agreement']['value']:.0f} % of the others" in text
    without = Result(result.table.assign(**columns), LABELS, protocol())
    assert "isn't known" in sections(built(without, tmp_path / "without"))["raters"]


def test_licences_propagate(tmp_path):
    text = sections(built(made(corpora=["ravdess", "crema_d"]), tmp_path))["data"]
    assert text.startswith("Data and licencesNot for commercial use, because of RAVDESS (speech) (CC BY-NC-SA 4.0).")
    assert "Livingstone SR" in text
    free = built(made(corpora=["crema_d"]), tmp_path / "free")
    assert "Everything this was made from allows commercial use." in sections(free)["data"]
    mixed = built(made(corpora=["crema_d", "emovo"]), tmp_path / "mixed")
    assert "ask their owners" in sections(mixed)["data"]


def test_a_corpus_of_an_absent_package_is_told_from_the_recogniser(tmp_path):
    folder = saved(made(corpora=["theirs"]), tmp_path / "run")
    assert "not stated" in sections(report.build(folder).html)["data"]
    (folder / "recogniser").mkdir()
    known = {"name": "theirs", "title": "Theirs", "licence": "CC BY-NC 4.0", "commercial": False, "citation": "They."}
    config = {"corpora": [known], "frontend_licence": ""}
    (folder / "recogniser" / "config.json").write_text(json.dumps(config), "utf-8")
    assert "because of Theirs (CC BY-NC 4.0)" in sections(report.build(folder).html)["data"]


# --- running it again -------------------------------------------------------------------------------------------------


def test_weights_inside_the_model_bring_their_licence(tmp_path):
    run = saved(made(corpora=["crema_d"], model={"name": "finetune", "encoder": "big"}), tmp_path / "run")
    note = "the encoder big is under cc-by-nc-4.0"
    assert note not in words(report.build(run).html)
    (run / "recogniser").mkdir()
    config = {"model": {"name": "finetune", "licence_note": note}, "corpora": []}
    (run / "recogniser" / "config.json").write_text(json.dumps(config), "utf-8")
    assert f"Not for commercial use , because of the model finetune ({note})." in words(report.build(run).html)


def test_the_command_repeats_the_run(tmp_path):
    page = built(made(), tmp_path)
    command, experiment = _facts.rerun(made().protocol)
    assert experiment == ""
    assert command in words(page)
    assert shlex.split(command) == [
        *(
            "emotone",
            "train",
            "--corpus",
            "ravdess=FOLDER",
            "--labels",
            "neutral,sad,angry",
            "--frontend",
            "librosa180",
        ),
        *("--model", "svm", "--protocol", "speakers", "--folds", "4", "--seed", "0", "-o", "RUN"),
    ]
    for part in ("c7aac1ef" * 8, "35b392e3" * 8, "python 3.11.7"):
        assert part in sections(page)["again"]


@pytest.mark.parametrize(
    "changes",
    [
        {"model": {"name": "svm", "C": 10.0, "gamma": 0.1}},
        {"frontend": {"name": "functionals", "version": 1, "same_level": True}, "label_set": "four"},
        {"protocol": {"name": "random", "test_size": 0.25, "repeats": 4}, "seed": 7},
    ],
)
def test_options_need_a_file_that_gives_the_same_experiment(tmp_path, changes):
    told = protocol(**changes)
    command, text = _facts.rerun(told)
    assert command == "emotone train experiment.toml --corpus ravdess=FOLDER -o RUN"
    path = tmp_path / "experiment.toml"
    path.write_text(text, "utf-8")
    [found] = read_experiments(path, corpora={"ravdess": "x"}, name="")
    options = {key: value for key, value in told["frontend"].items() if key not in ("name", "version")}
    model, split = dict(told["model"]), dict(told["protocol"])
    labels = told["label_set"]
    assert found == Experiment(
        corpora={"ravdess": "x"},
        labels=labels if isinstance(labels, str) else tuple(labels),
        frontend=told["frontend"]["name"],
        frontend_options=options,
        model=model.pop("name"),
        model_options=model,
        protocol=split.pop("name"),
        protocol_options=split,
        seed=told["seed"],
    )


# --- worst mistakes and sound -----------------------------------------------------------------------------------------


def test_the_worst_mistakes_are_the_surest_wrong_answers(full):
    result = made()
    wrong = result.table[result.table["truth"] != result.table["predicted"]]
    sureness = wrong[[f"proba_{label}" for label in LABELS]].max(axis=1).sort_values(ascending=False)
    expected = [f"ravdess/{wrong.at[row, 'file']}" for row in sureness.index[:10]]
    text = sections(full)["mistakes"]
    assert re.findall(r"ravdess/Actor_\d+/\d+\.wav", text) == expected
    assert f"at {100 * sureness.iloc[0]:.0f} %" in text
    assert "write this page with --audio ravdess=FOLDER" in text


def test_a_run_without_mistakes_has_no_such_section(tmp_path):
    result = made()
    table = result.table.assign(predicted=result.table["truth"])
    table = table.assign(**{f"proba_{label}": (table["truth"] == label).astype(float) for label in LABELS})
    assert "mistakes" not in sections(built(Result(table, LABELS, protocol()), tmp_path))


@pytest.fixture
def recordings(tmp_path: Path) -> Path:
    """A recording for every row of `made`."""
    root = tmp_path / "audio"
    signal = synthetic.speech("angry", 1, rng=np.random.default_rng(0), seconds=0.6)
    content = audio.encode_wav(signal)
    for file in made().table["file"]:
        (root / file).parent.mkdir(parents=True, exist_ok=True)
        (root / file).write_bytes(content)
    return root


def players(page: str) -> list[str]:
    return [element.attributes["src"] for element in parsed(page) if element.name == "audio"]


def test_recordings_can_be_heard_where_the_licence_lets_them(tmp_path, recordings):
    page = report.build(saved(made(), tmp_path / "run"), roots={"ravdess": recordings})
    assert (page.n_players, page.troubles) == (10, ())
    addresses = players(page.html)
    assert len(addresses) == 10
    kind, content = addresses[0].split(";base64,")
    assert kind == "data:audio/mpeg"
    (tmp_path / "heard.mp3").write_bytes(base64.b64decode(content))
    heard = audio.load(tmp_path / "heard.mp3")
    original = audio.load(recordings / made().table["file"][0])
    assert len(heard) == pytest.approx(len(original), abs=2500)  # the encoder pads
    assert np.sqrt((heard**2).mean()) == pytest.approx(np.sqrt((original**2).mean()), rel=0.15)
    text = sections(page.html)["mistakes"]
    assert "CC BY-NC-SA 4.0" in text
    assert "Livingstone SR" in text
    assert "Changed for this page: mixed to mono, 16 kHz, MP3 at 48 kb/s." in text


def test_a_wav_is_taken_where_mp3_cannot_be_written(monkeypatch):
    monkeypatch.setattr(_sound, "_mp3", lambda signal: None)
    signal = np.zeros(1600, dtype=np.float32)
    address = _sound.data_address(signal)
    assert base64.b64decode(address.removeprefix("data:audio/wav;base64,")) == audio.encode_wav(signal)


def test_part_of_a_recording_is_that_part_and_long_ones_are_cut(tmp_path, recordings):
    result = made()
    for length, expected in ((0.2, 0.2), (None, 0.6)):
        end = np.nan if length is None else 0.1 + length
        start = 0.0 if length is None else 0.1
        part = Result(result.table.assign(start=start, end=end), LABELS, protocol())
        page = report.build(saved(part, tmp_path / "run"), roots={"ravdess": recordings})
        (tmp_path / "part.mp3").write_bytes(base64.b64decode(players(page.html)[0].split(",")[1]))
        assert len(audio.load(tmp_path / "part.mp3")) / 16_000 == pytest.approx(expected, abs=0.16)


def test_a_licence_that_forbids_it_keeps_recordings_out(tmp_path, recordings):
    result = made(corpora=["savee"])
    run = saved(Result(result.table.assign(corpus="savee"), LABELS, result.protocol), tmp_path / "run")
    page = report.build(run, roots={"savee": recordings})
    assert page.n_players == 0
    assert "its licence (research only) isn't known to let them be passed on" in words(page.html)
    assert report.build(run, roots={"savee": recordings}, may_embed=("savee",)).n_players == 10


def test_recordings_that_cannot_be_read_are_named_and_the_rest_is_there(tmp_path, recordings):
    run = saved(made(), tmp_path / "run")
    first = re.findall(r"ravdess/(Actor_\d+/\d+\.wav)", sections(report.build(run).html)["mistakes"])
    (recordings / first[0]).unlink()
    (recordings / first[1]).write_bytes(b"nonsense")
    page = report.build(run, roots={"ravdess": recordings})
    assert page.n_players == 8
    assert len(page.troubles) == 2
    assert first[0] in page.troubles[0]


def test_no_file_outside_the_corpus_is_embedded(tmp_path, recordings):
    secret = tmp_path / "secret.wav"
    secret.write_bytes(audio.encode_wav(np.zeros(8000, dtype=np.float32)))
    result = made()
    run = saved(
        Result(result.table.assign(file="../secret.wav", start=np.arange(96.0)), LABELS, protocol()), tmp_path / "run"
    )
    page = report.build(run, roots={"ravdess": recordings})
    assert page.n_players == 0
    assert "lies outside" in page.troubles[0]


def test_roots_that_cannot_be_meant_are_refused(tmp_path):
    run = saved(made(), tmp_path / "run")
    with pytest.raises(ConfigError, match=r"Unknown corpus of this run 'ravdes'\. Did you mean 'ravdess'\?"):
        report.build(run, roots={"ravdes": tmp_path})
    with pytest.raises(CorpusError, match=r"There is no folder .*nowhere with the recordings of ravdess"):
        report.build(run, roots={"ravdess": tmp_path / "nowhere"})


# --- comparisons and numbers ------------------------------------------------------------------------------------------


def test_a_comparison_tells_the_difference_and_what_differs(tmp_path):
    old, new = (
        saved(made(skill=0.5), tmp_path / "old"),
        saved(made(skill=2, seed=1, model={"name": "mlp"}), tmp_path / "new"),
    )
    page = report.build([old, new])
    assert page.default == new / "comparison.html"
    text = words(page.html)
    assert page.line.startswith("new is better than old by")
    assert f"{page.line}." in text
    found = sections(page.html)
    assert list(found) == ["differs", "scores", "emotions", "speakers", "recordings", "again", "words"]
    assert "modelsvmmlp" in found["differs"]
    assert re.search(r"new is better for \d of 8 speakers", found["speakers"])
    [one] = page.comparisons
    assert f"only new{one.agreement['only_b']}" in found["recordings"].replace(" ", "").replace("onlynew", "only new")
    assert "emotone report RUN RUN_2" in found["again"]


def test_several_runs_are_compared_with_the_first(tmp_path):
    folders = [saved(made(seed=i, skill=1 + i), tmp_path / name) for i, name in enumerate(("a", "b", "c"))]
    page = report.build(folders)
    found = sections(page.html)
    assert [anchor for anchor in found if anchor.startswith("scores")] == ["scores-1", "scores-2"]
    assert "after Holm's correction" in words(page.html)
    assert page.title == "b, c against a"


def test_a_leak_on_one_side_of_a_comparison_is_loud(tmp_path):
    leaky = made(skill=3, speakers="shared", description="random, 4 folds, speakers shared")
    page = report.build([saved(made(), tmp_path / "a"), saved(leaky, tmp_path / "b")]).html
    [banner] = [element.text for element in parsed(page) if element.attributes.get("class") == "banner"]
    assert banner.startswith("Speakers shared. b was tested on people also trained on")


def test_runs_of_one_name_are_told_apart(tmp_path):
    one, two = saved(made(name="svm"), tmp_path / "one"), saved(made(name="svm", seed=1), tmp_path / "two")
    assert report.build([one, two]).title == "two against one"
    assert report.build([one, one]).title == "one (2) against one (1)"


def test_numbers_have_their_own_page(tmp_path):
    result = regression()
    page = report.build(saved(result, tmp_path / "run"))
    found = sections(page.html)
    assert list(found) == ["agreement", "speakers", "data", "again", "words"]
    ccc = result.scores["ccc"]
    text = words(page.html)
    assert f"{ccc['value']:.2f} CCC mean of arousal and valence, 95 % interval {ccc['low']:.2f}" in text
    scores = result.scores["per_target"]["valence"]
    assert f"valence{scores['ccc']['value']:.2f}{scores['pearson']['value']:.2f}" in found["agreement"]
    assert 'targets = ["arousal", "valence"]' in found["again"]
    assert "CCC" in found["words"]
    assert page.html.count('class="speck"') == 120


# --- bad input --------------------------------------------------------------------------------------------------------


def broken(folder: Path, how: str) -> None:
    if how == "not json":
        (folder / "result.json").write_text("{", "utf-8")
    elif how == "old":
        facts = {key: value for key, value in protocol().items() if key != "description"}
        (folder / "result.json").write_text(json.dumps({"labels": LABELS, "protocol": facts}), "utf-8")
    elif how == "list":
        (folder / "result.json").write_text(json.dumps({"labels": LABELS, "protocol": []}), "utf-8")
    elif how == "empty":
        made().table.iloc[:0].to_parquet(folder / "predictions.parquet", index=False)
    elif how == "columns":
        made().table.drop(columns=["fold", "proba_sad"]).to_parquet(folder / "predictions.parquet", index=False)
    elif how == "ladder":
        (folder / "ladder.json").write_text('{"rung": []}', "utf-8")
    elif how == "training":
        (folder / "training.json").write_text('{"folds": [[["lost"]]]}', "utf-8")
    elif how == "audit":
        (folder / "audit.json").write_text("[", "utf-8")


@pytest.mark.parametrize(
    ("how", "message"),
    [
        ("not json", "is not a run's folder"),
        ("old", "lacks description: it was written by another version of emotone. Train again"),
        ("list", "has no protocol that can be read"),
        ("empty", "has no predictions: its predictions.parquet is empty"),
        ("columns", "lacks the columns fold, proba_sad"),
        ("ladder", r"ladder\.json isn't what its name says: it lacks rungs"),
        ("audit", r"audit\.json can't be read"),
        ("training", r"training\.json has epochs without a loss"),
    ],
)
def test_what_is_wrong_with_a_run_is_said(tmp_path, how, message):
    folder = saved(made(), tmp_path / "run")
    broken(folder, how)
    with pytest.raises(ExperimentError, match=message):
        report.build(folder)


def test_a_file_and_an_empty_folder_are_not_runs(tmp_path):
    folder = saved(made(), tmp_path / "run")
    with pytest.raises(ExperimentError, match=r"is a file, and a run is a folder. Give .*run"):
        report.build(folder / "result.json")
    with pytest.raises(ExperimentError, match="is not a run's folder"):
        report.build(tmp_path)
    with pytest.raises(ExperimentError, match="No run is given"):
        report.build([])


def test_facts_that_an_older_version_didnt_write_are_left_out(tmp_path):
    result = made()
    for key in ("shares", "held_out", "notes", "versions", "seed", "data_sha256", "split_sha256", "frontend", "model"):
        del result.protocol[key]
    found = sections(built(result, tmp_path))
    assert "not recorded" in found["again"]
    assert "Mean of the folds" in found["folds"]


def test_a_report_that_is_there_survives_a_failure(tmp_path, monkeypatch):
    folder = saved(made(), tmp_path / "run")
    path = report.write(folder)
    assert path == folder / "report.html"
    before = path.read_text("utf-8")

    def fails(self: Path, target: Path) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(Path, "replace", fails)
    with pytest.raises(ExperimentError, match=r"can't be written to .*report\.html: No space left on device"):
        report.write(saved(made(seed=1), folder))
    assert path.read_text("utf-8") == before
    assert sorted(p.name for p in folder.iterdir()) == ["predictions.parquet", "report.html", "result.json"]


def test_the_output_can_be_a_file_or_a_folder(tmp_path):
    folder = saved(made(), tmp_path / "run")
    (tmp_path / "out").mkdir()
    assert report.write(folder, output=tmp_path / "out") == tmp_path / "out" / "report.html"
    assert report.write(folder, output=tmp_path / "new" / "x.html") == tmp_path / "new" / "x.html"
    with pytest.raises(ExperimentError, match="can't be written"):
        report.write(folder, output=folder / "result.json" / "x.html")


# --- small parts ------------------------------------------------------------------------------------------------------


def test_html_escapes_all_but_html():
    assert _html.tag("p", "a < b", _html.tag("b", "&"), class_="x", hidden=True, title=None) == (
        '<p class="x" hidden>a &lt; b<b>&amp;</b></p>'
    )
    assert _html.tag("a", "x", href='"><') == '<a href="&quot;&gt;&lt;">x</a>'


@pytest.mark.parametrize(
    ("values", "end"), [([0.02], 0.05), ([-0.07, 0.01], 0.1), ([None], 0.05), ([0.4], 0.5), ([0.9], 1.0)]
)
def test_a_centred_scale_holds_all_values(values, end):
    scale = _charts.centred(values)
    assert (scale.low, scale.high) == (-end, end)
    assert scale.at(0) == 50


@pytest.mark.parametrize(
    ("licence", "override", "expected"),
    [
        ("CC BY-NC-SA 4.0", None, True),
        ("CC BY-NC-ND 4.0", None, False),
        ("ODbL 1.0 / DbCL 1.0", None, True),
        ("research only", None, False),
        ("yours", None, False),
        ("none stated", None, False),
        ("CC BY 4.0", False, False),
        ("yours", True, True),
    ],
)
def test_which_licences_let_a_recording_be_passed_on(licence, override, expected):
    from emotone.corpora import Corpus

    facts = {"name": "c", "title": "C", "commercial": None, "citation": "", "homepage": ""}
    assert Corpus(**facts, licence=licence, may_be_shared=override).shareable is expected
