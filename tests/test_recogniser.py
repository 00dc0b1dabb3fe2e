"""`Recogniser`: its answers, its folder, its card, and everything that can be wrong with them."""

from __future__ import annotations

import hashlib
import itertools
import json
import pickle
import re
import shutil
import subprocess
import sys
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import soundfile
from tiny import ABOUT, LABELS, tiny, tiny_dimensions

import emotone
from emotone import audio, card, features, recogniser, saved, synthetic, voice
from emotone.errors import AudioError, ConfigError, MissingExtra, RecogniserError
from emotone.features.librosa180 import Librosa180
from emotone.recogniser import Recogniser
from emotone.segment import FLAGS, Segment


@pytest.fixture(scope="module")
def rec() -> Recogniser:
    return tiny().recogniser


@pytest.fixture(scope="module")
def speech() -> np.ndarray:
    return synthetic.speech("angry", 2, rng=np.random.default_rng(7), seconds=1.5)


@pytest.fixture
def clip(tmp_path, speech) -> Path:
    path = tmp_path / "clip.wav"
    soundfile.write(path, speech, 16_000, subtype="FLOAT")
    return path


@pytest.fixture
def folder(tmp_path, rec) -> Path:
    return rec.save(tmp_path / "mine")


# --- answers ---


def test_probabilities_equal_scikit_learns(rec):
    expected = tiny().model.predict_proba(tiny().X)
    columns = [list(tiny().model.classes_).index(label) for label in LABELS]
    assert np.abs(rec.predict_proba(tiny().X) - expected[:, columns]).max() < 1e-5


def test_a_recording_gets_an_emotion_with_probabilities(rec, clip, speech):
    segment = rec.predict(clip)
    [expected] = rec.predict_proba([rec.frontend(speech)])
    assert tuple(segment.scores) == LABELS
    np.testing.assert_allclose(list(segment.scores.values()), expected, atol=1e-6)
    assert sum(segment.scores.values()) == pytest.approx(1, abs=1e-5)
    assert segment.emotion == max(segment.scores, key=segment.scores.get) == "angry"
    assert segment.confidence == segment.scores["angry"]
    assert (segment.start, segment.end, segment.flags) == (0.0, 1.5, ())
    assert segment.source == clip


def test_a_path_its_string_and_its_signal_get_the_same_answer(rec, clip, speech):
    assert rec.predict(clip) == rec.predict(str(clip)) == rec.predict(speech)
    assert rec.predict(speech).source is None


def test_the_signal_is_not_changed(rec, speech):
    before = speech.copy()
    rec.predict(speech)
    np.testing.assert_array_equal(speech, before)


def quiet(signal: np.ndarray) -> np.ndarray:
    return signal * np.float32(1e-3 / np.abs(signal).max())


def loud(signal: np.ndarray) -> np.ndarray:
    return np.clip(signal * np.float32(8 / np.abs(signal).max()), -1, 1)


@pytest.mark.parametrize(
    ("change", "flags"),
    [
        (lambda s: s * 0, ("no_speech",)),
        (lambda s: s[12_000:15_000], ("too_short",)),
        (lambda s: s[:1], ("too_short", "no_speech")),
    ],
)
def test_where_there_is_nothing_to_judge_it_says_why(rec, speech, change, flags):
    signal = change(speech)
    segment = rec.predict(signal)
    assert (segment.emotion, segment.confidence, segment.scores) == (None, 0.0, {})
    assert segment.flags == flags
    assert segment.end == len(signal) / 16_000


def test_where_nobody_speaks_there_is_no_answer(rec, rng):
    """However loud: a fan, a whistle, a street."""
    tone = np.sin(2 * np.pi * 440 * np.arange(48_000) / 16_000)
    noise = 0.3 * rng.standard_normal(48_000)
    for sound in (noise, 0.2 * tone, np.convolve(noise, np.ones(8) / 8, "same")):
        segment = rec.predict(sound.astype(np.float32))
        assert (segment.emotion, segment.scores, segment.headline) == (None, {}, "no speech")
        assert segment.flags == ("no_speech",)
        assert rec.hear(sound.astype(np.float32))[0].scores  # who asks for it is told what it sounds like


def test_speech_somewhere_in_noise_is_answered(rec, speech, rng):
    signal = (0.001 * rng.standard_normal(160_000)).astype(np.float32)
    signal[120_000 : 120_000 + len(speech)] += speech
    assert rec.abstaining_below(0).predict(signal).emotion in LABELS


def test_without_the_package_that_finds_speech_everything_is_answered(rec, monkeypatch, rng):
    def missing() -> None:
        raise MissingExtra("not here")

    monkeypatch.setattr(voice, "_network", missing)
    assert rec.predict((0.3 * rng.standard_normal(48_000)).astype(np.float32)).scores


def test_an_utterance_in_a_stream_is_not_looked_through_again(rec, speech, monkeypatch):
    asked = []
    monkeypatch.setattr(voice, "speaks", lambda signal: asked.append(1) or True)
    rec.timeline(speech)
    assert not asked
    rec.predict(speech)
    assert asked


@pytest.mark.parametrize(("change", "flag"), [(quiet, "low_level"), (loud, "clipped")])
def test_poor_sound_is_flagged_on_a_real_answer(rec, speech, change, flag):
    segment = rec.abstaining_below(0).predict(change(speech))
    assert segment.emotion in LABELS
    assert segment.flags == (flag,)


def test_below_its_threshold_it_names_none_and_still_gives_the_scores(rec, speech):
    sure = rec.predict(speech)
    unsure = rec.abstaining_below(1.0).predict(loud(speech))
    assert unsure.emotion is None
    assert unsure.flags == ("uncertain", "clipped")
    assert unsure.confidence == max(unsure.scores.values()) > 0
    assert rec.abstaining_below(sure.confidence).predict(speech) == sure


def test_every_flag_it_gives_is_explained(rec, speech):
    signals = [speech * 0, speech[:100], quiet(speech), loud(speech), np.tile(speech, 25)]
    given = {flag for s in signals for flag in rec.abstaining_below(1.0).predict(s).flags}
    assert given == set(FLAGS)


def test_a_long_recording_gets_one_answer_and_a_flag(rec, speech):
    n = int(recogniser.LONG * 16_000)
    signal = np.resize(speech, n + 1)
    assert "long" not in rec.predict(signal[:n]).flags
    assert "long" in rec.predict(signal).flags


def test_a_very_long_recording_is_refused_without_being_read_whole(rec, tmp_path):
    path = tmp_path / "hours.flac"
    with soundfile.SoundFile(path, "w", 8_000, 1) as file:
        for _ in range(60):
            file.write(np.zeros(8_000 * 120, np.float32))  # two hours
    began = time.process_time()
    with pytest.raises(AudioError, match=r"hours\.flac lasts more than 10 minutes, too long for one answer"):
        rec.predict(path)
    assert time.process_time() - began < 3
    with pytest.raises(AudioError, match="The signal lasts more than 10 minutes"):
        rec.predict(np.zeros(int(16_000 * recogniser.LONGEST) + 1, np.float32))


@pytest.mark.parametrize(
    ("source", "message"),
    [
        (np.zeros(16_000), r"float64 with the shape \(16000,\).*audio\.convert"),
        (np.zeros(16_000, np.int16), "int16"),
        (np.zeros((16_000, 2), np.float32), r"\(16000, 2\)"),
        (np.zeros(0, np.float32), "shape"),
        (np.full(16_000, np.nan, np.float32), "NaN"),
        (np.full(16_000, 20_000, np.float32), "Divide"),
        ((np.zeros(16_000, np.float32), 16_000), "not tuple"),
        (b"speech.wav", "not bytes"),
        (None, "not NoneType"),
        ("nowhere.wav", "There is no file nowhere.wav"),
        (".", "folder"),
    ],
)
def test_what_is_no_recording_is_said(rec, source, message):
    with pytest.raises(AudioError, match=message):
        rec.predict(source)


def test_features_that_are_no_numbers_are_no_answer(speech):
    class Broken:
        name, rate, names = "broken", 16_000, tuple("abc")

        def __call__(self, signal: np.ndarray) -> np.ndarray:
            return np.array([1, np.nan, 2], np.float32)

    own = pickle.loads(pickle.dumps(tiny().recogniser))
    own.frontend = Broken()
    with pytest.raises(AudioError, match="The signal has broken features that aren't finite"):
        own.predict(speech)


def test_a_front_end_at_another_rate_gets_its_rate(tmp_path, speech):
    wide = Recogniser.create(
        model_bytes=tiny().recogniser._parts.model,
        frontend=Librosa180(rate=48_000),
        labels=LABELS,
        abstain_below=0.0,
        about={},
    )
    path = tmp_path / "wide.wav"
    soundfile.write(path, audio.convert(speech, 16_000, to=48_000), 48_000, subtype="FLOAT")
    segment = wide.predict(path)
    assert segment.end == pytest.approx(1.5)
    [expected] = wide.predict_proba([wide.frontend(audio.load(path, rate=48_000))])
    np.testing.assert_allclose(list(segment.scores.values()), expected, atol=1e-6)
    assert wide.predict(speech).scores == pytest.approx(segment.scores, abs=0.02)
    soundfile.write(path, np.full(7_200, 0.1), 48_000)
    assert wide.predict(path).flags == ("too_short", "no_speech")


def test_many_recordings_in_order_with_failures_among_them(rec, tmp_path, speech):
    paths: list[Path] = []
    for number in range(9):
        paths.append(tmp_path / f"{number}.wav")
        if number % 4:
            soundfile.write(paths[-1], speech[number * 500 :], 16_000)
    answers = list(rec.predict_many(paths))
    assert [source for source, _ in answers] == paths
    for number, (source, answer) in enumerate(answers):
        if number % 4:
            assert answer == rec.predict(source)
        else:
            assert isinstance(answer, AudioError)
            assert source.name in str(answer)


def test_of_many_recordings_none_is_taken_in_advance(rec, speech):
    taken = itertools.count()
    answers = rec.predict_many(speech for _ in taken)
    assert next(answers)[1] == next(answers)[1] == rec.predict(speech)
    assert next(taken) == 2


def test_threads_may_share_it(rec):
    signals = [synthetic.speech("sad", who, rng=np.random.default_rng(who), seconds=0.6) for who in range(12)]
    with ThreadPoolExecutor(4) as pool:
        assert list(pool.map(rec.predict, signals)) == [rec.predict(signal) for signal in signals]


def test_probabilities_of_many_rows_and_of_none(rec):
    many = np.tile(tiny().X, (10, 1))
    assert len(many) > 2 * recogniser._BATCH
    once = rec.predict_proba(tiny().X)
    np.testing.assert_allclose(rec.predict_proba(many), np.tile(once, (10, 1)), atol=1e-6)
    assert rec.predict_proba(np.zeros((0, 180))).shape == (0, 3)


@pytest.mark.parametrize(
    ("X", "message"),
    [
        (np.zeros((2, 179)), r"\(n, 180\), not \(2, 179\)"),
        (np.zeros(180), r"not \(180,\)"),
        (np.full((1, 180), np.inf), "infinite"),
    ],
)
def test_features_that_do_not_fit_are_said(rec, X, message):
    with pytest.raises(ConfigError, match=message):
        rec.predict_proba(X)


# --- the folder ---


def test_saved_and_loaded_it_is_the_same(rec, folder, clip):
    again = emotone.load(folder)
    assert sorted(path.name for path in folder.iterdir()) == sorted(saved.PARTS)
    assert again == rec
    assert hash(again) == hash(rec)
    assert again.config == rec.config
    assert again.card == rec.card == (folder / "card.md").read_text("utf-8")
    assert again.predict(clip) == rec.predict(clip)
    assert again.save(folder.parent / "copy") == folder.parent / "copy"
    assert all((folder / part).read_bytes() == (folder.parent / "copy" / part).read_bytes() for part in saved.PARTS)


def test_another_threshold_is_another_recogniser(rec, folder):
    other = rec.abstaining_below(0.7)
    assert other != rec
    assert other.abstain_below == 0.7
    assert "below 70 %" in other.card
    assert emotone.load(other.save(folder)) == other
    for wrong in (-0.1, 1.1, float("nan")):
        with pytest.raises(ConfigError):
            rec.abstaining_below(wrong)


def test_saving_makes_folders_and_leaves_no_others(rec, tmp_path):
    rec.save(tmp_path / "a" / "b")
    rec.save(tmp_path / "a" / "b")
    (tmp_path / "a" / "empty").mkdir()
    rec.save(tmp_path / "a" / "empty")
    assert sorted(path.name for path in (tmp_path / "a").iterdir()) == ["b", "empty"]


def test_saving_through_a_link_replaces_what_it_leads_to(rec, folder):
    link = folder.parent / "link"
    link.symlink_to(folder)
    rec.abstaining_below(0.6).save(link)
    assert link.is_symlink()
    assert emotone.load(folder).abstain_below == 0.6


def in_the_way(kind: str, folder: Path) -> Path:
    if kind == "another file in it":
        (folder / "notes.txt").write_text("mine")
        return folder
    if kind == "a file":
        (folder.parent / "file").write_text("mine")
        return folder.parent / "file"
    other = folder.parent / "other"
    other.mkdir()
    (other / "config.json").write_text({"another's config": '{"port": 80}', "broken config": "{"}[kind])
    return other


@pytest.mark.parametrize("kind", ["another file in it", "a file", "another's config", "broken config"])
def test_only_a_recogniser_is_overwritten(rec, folder, kind):
    target = in_the_way(kind, folder)
    before = {path: path.read_bytes() for path in folder.parent.rglob("*") if path.is_file()}
    with pytest.raises(RecogniserError, match=r"isn't just a recogniser.*left alone"):
        rec.save(target)
    assert before == {path: path.read_bytes() for path in folder.parent.rglob("*") if path.is_file()}


def test_a_place_that_cannot_be_written_is_said(rec, tmp_path):
    (tmp_path / "file").write_text("")
    with pytest.raises(RecogniserError, match=r"can't be saved as .*Choose another folder"):
        rec.save(tmp_path / "file" / "inside")


def test_if_the_new_one_cannot_take_the_place_the_old_one_stays(folder):
    before = (folder / "config.json").read_bytes()
    with pytest.raises(OSError, match="missing"):
        saved._swap(folder.parent / "missing", folder, folder.parent / "old")
    assert (folder / "config.json").read_bytes() == before
    assert not (folder.parent / "old").exists()


def edit(folder: Path, *, seal: bool = True, **changes: Any) -> None:
    """Change the configuration as a careful forger would, or (``seal=False``) with a text editor."""
    config = json.loads((folder / "config.json").read_text("utf-8")) | changes
    if seal:
        config["config_sha256"] = saved._checksum(config)
    (folder / "config.json").write_text(json.dumps(config), "utf-8")


def put_model(folder: Path, model: bytes) -> None:
    (folder / "model.onnx").write_bytes(model)
    edit(folder, model_sha256=hashlib.sha256(model).hexdigest())


def forget(folder: Path, key: str) -> None:
    config = json.loads((folder / "config.json").read_text("utf-8"))
    del config[key]
    config["config_sha256"] = saved._checksum(config)
    (folder / "config.json").write_text(json.dumps(config), "utf-8")


DAMAGE: dict[str, tuple[Callable[[Path], object], str]] = {
    "no model": (lambda f: (f / "model.onnx").unlink(), r"mine has no model\.onnx.*[Cc]opy"),
    "no config": (lambda f: (f / "config.json").unlink(), r"has no config\.json"),
    "no card": (lambda f: (f / "card.md").unlink(), r"has no card\.md"),
    "part is a folder": (
        lambda f: ((f / "card.md").unlink(), (f / "card.md").mkdir()),
        r"card\.md can't be read",
    ),
    "broken JSON": (lambda f: (f / "config.json").write_text('{"kind":'), "broken config.json"),
    "deep JSON": (lambda f: (f / "config.json").write_text("[" * 100_000), "broken config.json"),
    "not UTF-8": (lambda f: (f / "card.md").write_bytes(b"\xff"), "broken config.json or card.md"),
    "a list": (lambda f: (f / "config.json").write_text("[]"), "isn't the configuration of a recogniser"),
    "another's": (lambda f: edit(f, kind="web server"), "isn't the configuration of a recogniser"),
    "newer": (lambda f: edit(f, format=2), r"format 2, and this emotone knows format 1.*--upgrade emotone"),
    "labels swapped": (
        lambda f: edit(f, seal=False, labels=["neutral", "angry", "sad"]),
        "was changed after it was saved",
    ),
    "threshold edited": (lambda f: edit(f, seal=False, abstain_below=0), "abstaining_below"),
    "labels out of order": (lambda f: edit(f, labels=["sad", "neutral", "angry"]), "order neutral, sad, angry"),
    "one label twice": (lambda f: edit(f, labels=["sad", "sad", "angry"]), "once each"),
    "one label": (lambda f: edit(f, labels=["sad"]), "two or more"),
    "more labels": (lambda f: edit(f, labels=["neutral", "happy", "sad", "angry"]), "4 labels"),
    "no labels": (lambda f: forget(f, "labels"), "it has no 'labels'"),
    "odd labels": (lambda f: edit(f, labels="sad"), "its 'labels' is 'sad'"),
    "odd threshold": (lambda f: edit(f, abstain_below=2), "from 0 to 1"),
    "odd corpus": (lambda f: edit(f, corpora=["ravdess"]), "a corpus has a name"),
    "odd score": (lambda f: edit(f, scores=[{"uar": 1}]), "a score is a dict"),
    "odd name": (lambda f: edit(f, name="a\nb"), "printable"),
    "features of another version": (
        lambda f: edit(f, frontend={"name": "librosa180", "version": 99}),
        "version 99",
    ),
    "unknown features": (lambda f: edit(f, frontend={"name": "sniff", "version": 1}), "'sniff'"),
    "features without a name": (lambda f: edit(f, frontend={}), "features"),
    "unknown option": (
        lambda f: edit(f, frontend={"name": "librosa180", "version": 1, "hop": 3}),
        "hop",
    ),
    "model cut short": (
        lambda f: (f / "model.onnx").write_bytes((f / "model.onnx").read_bytes()[:-1]),
        r"model\.onnx isn't the model that was saved",
    ),
    "model is text": (lambda f: put_model(f, b"version https://git-lfs"), "onnxruntime .* can't load"),
    "model is empty": (lambda f: put_model(f, b""), "can't load"),
}


@pytest.mark.parametrize("damage", DAMAGE)
def test_a_damaged_folder_is_one_sentence_with_a_cure(folder, damage, capfd):
    spoil, message = DAMAGE[damage]
    spoil(folder)
    with pytest.raises(RecogniserError, match=message) as caught:
        emotone.load(folder)
    assert "\n" not in str(caught.value)
    assert "mine" in str(caught.value) or "features" in str(caught.value)
    assert capfd.readouterr() == ("", "")


def test_people_may_write_on_the_card(folder):
    (folder / "card.md").write_text("# Mine\n", "utf-8")
    again = emotone.load(folder)
    assert again.card == "# Mine\n"
    assert emotone.load(again.save(folder)).card == "# Mine\n"


def test_a_graph_that_does_not_fit_is_not_saved_in_the_first_place(rec):
    with pytest.raises(RecogniserError, match=r"The recogniser 'unnamed' has a model .* 2 labels"):
        Recogniser.create(
            model_bytes=rec._parts.model,
            frontend=Librosa180(),
            labels=LABELS[:2],
            abstain_below=0,
            about={},
        )


@pytest.mark.parametrize(
    ("about", "message"),
    [
        ({"corpus": []}, "Unknown fact about a recogniser 'corpus'.*Allowed: name, model, corpora"),
        ({"scores": [{"line": "x", "uar": float("nan")}]}, "plain, finite JSON"),
        ({"seed": np.int64(3)}, "plain, finite JSON"),
        ({"corpora": [{"name": "ravdess"}]}, "a corpus has a name, a licence and commercial"),
        ({"name": ""}, "printable"),
        ({"name": 3}, "its 'name' is 3"),
    ],
)
def test_facts_that_cannot_be_are_said(rec, about, message):
    with pytest.raises(ConfigError, match=message):
        Recogniser.create(
            model_bytes=rec._parts.model,
            frontend=rec.frontend,
            labels=LABELS,
            abstain_below=0,
            about=about,
        )


def test_what_is_no_recogniser_is_said(folder, clip):
    with pytest.raises(RecogniserError, match=r"There is no recogniser 'nowhere'"):
        emotone.load("nowhere")
    with pytest.raises(RecogniserError, match=r"is a file, and a recogniser is a folder. Give .*mine\."):
        emotone.load(folder / "config.json")
    with pytest.raises(RecogniserError, match=r"has no config\.json"):
        emotone.load(clip.parent)
    folder.rename(folder.parent / "recogniser")
    with pytest.raises(RecogniserError, match=r"Give .*/recogniser\."):
        emotone.load(clip.parent)


def test_bundled_ones_are_known_by_name(folder, monkeypatch):
    monkeypatch.setattr(recogniser, "BUNDLED", folder.parent)
    assert recogniser.names() == ("mine",)
    assert emotone.load("mine").name == "tiny"
    with pytest.raises(RecogniserError, match="bundled are mine"):
        emotone.load("yours")
    with pytest.raises(RecogniserError, match="came without a recogniser"):
        emotone.load()
    folder.rename(folder.parent / "default")
    assert emotone.load().name == "tiny"


# --- without what training needs ---


def test_it_answers_without_the_training_packages_and_quickly(folder, clip, rec):
    code = (
        "import sys, time; began = time.perf_counter()\n"
        "for name in 'sklearn librosa torch pandas scipy matplotlib onnx numba'.split(): sys.modules[name] = None\n"
        "import json, emotone\n"
        "answer = emotone.load(sys.argv[1]).predict(sys.argv[2]).as_dict()\n"
        "print(json.dumps([answer, time.perf_counter() - began, time.process_time()]))"
    )
    done = subprocess.run(
        [sys.executable, "-c", code, str(folder), str(clip)], capture_output=True, text=True, check=True
    )
    answer, wall, work = json.loads(done.stdout)
    print(f"import, load and predict: {wall:.2f} s, {work:.2f} s of it work")
    assert answer == rec.predict(clip).as_dict()
    assert done.stderr == ""


def test_it_can_be_sent_to_another_process(rec, speech):
    again = pickle.loads(pickle.dumps(rec))
    assert again == rec
    assert again.predict(speech) == rec.predict(speech)


# --- the card, and showing ---


def parsed(text: str) -> tuple[dict[str, Any], str]:
    yaml = pytest.importorskip("yaml")
    _, header, body = text.split("---\n", 2)
    return yaml.safe_load(header), body


def test_the_card_tells_what_it_is_and_what_it_is_not_for(rec):
    header, body = parsed(rec.card)
    assert header["license"] == "cc-by-nc-sa-4.0"
    assert header["datasets"] == ["synthetic"]
    assert header["language"] == ["en"]
    assert header["metrics"] == ["uar", "war"]
    assert "speech-emotion-recognition" in header["tags"]
    assert header["pipeline_tag"] == "audio-classification"
    assert "# tiny" in body
    assert ABOUT["scores"][0]["line"] in body
    assert "WA 0.91 [0.85, 0.97]" in body
    assert "logistic (C 1.0)" in body
    assert "[Synthetic speech](https://example.org/corpus) | 72 | 6 | CC BY-NC-SA 4.0 | not allowed" in body
    assert "Article 5(1)(f)" in body
    assert "**Not for commercial use**, because of Synthetic speech (CC BY-NC-SA 4.0)" in body
    assert "Nobody (2020)" in body
    assert "neutral, sad, angry" in body
    assert "below 40 %" in body


def corpus(name: str, *, commercial: bool | None) -> dict[str, Any]:
    return {"name": name, "licence": "CC BY 4.0", "commercial": commercial}


@pytest.mark.parametrize(
    ("corpora", "commercial", "words"),
    [
        ([], None, "don't say clearly"),
        ([corpus("a", commercial=True)], True, "allows commercial use"),
        ([corpus("a", commercial=True), corpus("b", commercial=None)], None, "don't say clearly"),
        (
            [corpus("a", commercial=None), corpus("b", commercial=False)],
            False,
            r"Not for commercial use\*\*, because of b \(CC BY 4\.0\)\.",
        ),
    ],
)
def test_one_corpus_that_forbids_it_forbids_commercial_use(rec, corpora, commercial, words):
    made = Recogniser.create(
        model_bytes=rec._parts.model,
        frontend=rec.frontend,
        labels=LABELS,
        abstain_below=0,
        about={"corpora": corpora},
    )
    assert made.commercial is commercial
    assert made.config["commercial"] is commercial
    header, body = parsed(made.card)
    assert header["license"] == "other"
    assert header["license_name"]
    assert "when its confidence" not in body
    assert "No score was recorded" in body
    assert re.search(words, body)


def test_the_licence_of_the_features_counts_too(rec):
    config = saved.configuration(
        labels=LABELS,
        frontend=features.describe(rec.frontend),
        frontend_licence="research only",
        model=b"",
        abstain_below=0,
        about={"corpora": [corpus("a", commercial=True)]},
        version="1",
    )
    assert config["commercial"] is False
    assert "because of the features librosa180 (research only)" in card.write_card(config)


def test_odd_names_do_not_break_the_card(rec):
    odd = {"name": "a|b", "title": "x|y\nz", "licence": "no: [this", "commercial": None, "languages": ["no"]}
    config = saved.resealed(rec.config, corpora=[odd], licence="yes: {", scores=[{"line": "a\nb"}])
    header, body = parsed(card.write_card(config))
    assert header["license_name"] == "yes: {"
    assert header["language"] == ["no"]
    assert header["datasets"] == ["a|b"]
    assert r"| x\|y z | ? | ? | no: [this | not clear |" in body
    assert "- a b\n" in body


def test_in_a_terminal_and_in_a_notebook(rec):
    assert repr(rec) == "<Recogniser 'tiny': 3 emotions from librosa180 features, not for commercial use>"
    html = rec._repr_html_()
    for words in ("tiny", *LABELS, "logistic", ABOUT["scores"][0]["line"], "Not for commercial use", "40 %"):
        assert words in html
    assert "The whole card" in html
    assert "Article 5(1)(f)" in html


def test_names_cannot_become_html(rec):
    evil = "<script>"
    corpora = [corpus(evil, commercial=False)]
    config = saved.resealed(rec.config, name=evil, corpora=corpora, scores=[{"line": evil}], licence=evil)
    config["model"] = {"name": evil}
    assert evil not in card.as_html(config, card.write_card(config))


def test_the_folder_survives_being_copied(folder, tmp_path, rec):
    shutil.copytree(folder, tmp_path / "copied")
    text = (tmp_path / "copied" / "config.json").read_text("utf-8").replace("\n", "\r\n")
    (tmp_path / "copied" / "config.json").write_bytes(text.encode())
    assert emotone.load(tmp_path / "copied") == rec


# --- dimensions ---


@pytest.fixture(scope="module")
def placing() -> Recogniser:
    return tiny_dimensions().recogniser


def test_dimensions_equal_scikit_learns(placing):
    expected = tiny_dimensions().model.predict(tiny_dimensions().X)
    assert np.abs(placing.predict_dimensions(tiny_dimensions().X) - expected).max() < 1e-4


def test_dimensions_are_an_answer_without_an_emotion(placing, speech):
    segment = placing.predict(speech)
    [expected] = placing.predict_dimensions([placing.frontend(speech)])
    np.testing.assert_allclose(list(segment.dimensions.values()), expected, atol=1e-6)
    assert (segment.emotion, segment.confidence, segment.scores, segment.flags) == (None, 0.0, {}, ())
    assert placing.predict(speech * 0) == Segment(0.0, 1.5, None, 0.0, {}, ("no_speech",))
    assert placing.predict(loud(speech)).flags == ("clipped",)
    assert "long" in placing.predict(np.tile(speech, 25)).flags


def test_dimensions_stay_on_their_scale(placing):
    far = 1e3 * tiny_dimensions().X
    predicted = placing.predict_dimensions(np.concatenate([far, -far]))
    for column, (low, high) in zip(predicted.T, placing.dimensions.values(), strict=True):
        assert low <= column.min() <= column.max() <= high


def test_one_kind_of_answer_is_not_the_other(rec, placing):
    with pytest.raises(
        ConfigError, match="knows arousal, valence, not emotions, and so no probabilities; use predict_d"
    ):
        placing.predict_proba(tiny_dimensions().X)
    with pytest.raises(ConfigError, match="knows emotions and predicts no dimensions; use predict_proba"):
        rec.predict_dimensions(tiny().X)
    assert (rec.dimensions, placing.labels) == ({}, ())


def test_dimensions_are_saved_with_their_scale(placing, tmp_path, speech):
    back = recogniser.load(placing.save(tmp_path / "placing"))
    assert back == placing
    assert back.predict(speech) == placing.predict(speech)
    assert back.dimensions == {"arousal": (1.0, 7.0), "valence": (-1.0, 1.0)}
    assert back.config["dimensions"][0] == {"name": "arousal", "low": 1.0, "high": 7.0}
    assert pickle.loads(pickle.dumps(placing)).predict(speech) == placing.predict(speech)
    assert repr(back) == (
        "<Recogniser 'tiny dimensions': arousal, valence from librosa180 features, not for commercial use>"
    )


def test_the_card_of_dimensions_names_the_scale(placing):
    assert "numbers for arousal (1 to 7) and valence (-1 to 1)" in placing.card
    assert "It names no emotions" in placing.card
    assert "**Not for commercial use**" in placing.card
    page = placing._repr_html_()
    assert "arousal (1 to 7) and valence (-1 to 1)" in page
    assert "emotions</td>" not in page


@pytest.mark.parametrize(
    ("dimensions", "message"),
    [
        ([], r"labels are two or more names, not \[\]"),
        ("arousal", "'dimensions' is 'arousal'"),
        (["arousal"], "a dimension has a name, low and high, unlike"),
        ([{"name": "", "low": 1, "high": 2}], "a dimension has a name"),
        ([{"name": "arousal", "low": 1}], "low and high of a dimension are numbers"),
        ([{"name": "arousal", "low": 1, "high": True}], "low and high of a dimension are numbers"),
        ([{"name": "a", "low": 1, "high": 2}] * 2, "dimensions stand once each, not a, a"),
    ],
)
def test_dimensions_that_cannot_be(placing, dimensions, message):
    with pytest.raises(ConfigError, match=message):
        saved.resealed(placing.config, dimensions=dimensions)


def test_labels_and_dimensions_exclude_each_other(placing):
    with pytest.raises(ConfigError, match="has labels and dimensions"):
        saved.resealed(placing.config, labels=["sad", "angry"])


def test_a_model_of_another_width_than_its_dimensions(placing):
    one = {"arousal": (1.0, 7.0)}
    with pytest.raises(RecogniserError, match=r"to \[2\] numbers, but there are 180 features and 1 dimensions"):
        Recogniser.create(model_bytes=placing._parts.model, frontend=placing.frontend, dimensions=one, about=ABOUT)


def test_a_recogniser_of_emotions_is_saved_as_before(rec):
    assert "dimensions" not in rec.config
