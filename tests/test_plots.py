"""`emotone.plots`: what is drawn, that nothing is cut off, and that nothing else is touched."""

from __future__ import annotations

import subprocess
import sys

import numpy as np
import pytest

from emotone import metrics, plots
from emotone.errors import AudioError, ExperimentError
from emotone.labels import EMOTIONS
from emotone.plots._figure import INK, figure_of
from emotone.plots._signals import FLOOR_DB, LOWEST_HZ, N_MELS

pytest.importorskip("matplotlib")

PROBABILITIES = dict(zip(EMOTIONS, [0.02, 0.01, 0.07, 0.02, 0.81, 0.03, 0.03, 0.01], strict=True))


def condition(name, value, family="noise", **ends):
    """As ``stress.json`` has it."""
    known = {"low": value - 0.1, "high": value + 0.1, "difference_high": 0.1, "same_answer": 0.62} | ends
    return {"name": name, "family": family, "title": f"{name}, 10 dB", "value": value, **known}


def rung(name, value, *, flag="", control=None, worth=None):
    """As ``ladder.json`` has it; ``control`` is a value, ``worth`` one with its interval."""
    beside = control and {"title": f"{name} without", "explanation": "", "value": control, "low": 0.2, "high": 0.9}
    gain = worth and dict(zip(("what", "value", "low", "high"), (f"known {name}", *worth), strict=True))
    ends = {"low": value - 0.05, "high": value + 0.05, "n_train": 100, "n_test": 120, "chance": 0.125}
    words = {"title": f"{name}, of a title of usual length", "explanation": "", "protocol": "", "flag": flag}
    shared = {"speakers": "shared" if flag == "speakers shared" else "unseen", "flagged": bool(flag)}
    return {"name": name, "value": value, **ends, **words, **shared, "control": beside, "worth": gain}


LADDER = {
    "line": "",
    "corpora": ["ravdess"],
    "label_set": "eight",
    "labels": list(EMOTIONS),
    "frontend": "librosa180",
    "model": "svm",
    "chance": 0.125,
    "rungs": [
        rung("copies", 0.93, flag="speakers shared", control=0.64, worth=(0.29, 0.2, 0.3)),
        rung("sentences", 0.57, flag="speakers shared", control=0.59, worth=(-0.02, -0.05, -0.001)),
        rung("statistics", 0.47, flag="test data used", control=0.39, worth=(0.08, 0.03, 0.14)),
        rung("speakers", 0.39, control=0.63) | {"low": None, "high": None},
        rung("corpus", 0.29, control=0.44, worth=(0.15, 0.09, 0.2)),
    ],
    "skipped": [{"name": "another", "reason": "There is no such thing here, nor anywhere else. " * 4}],
}

CONDITIONS = [
    condition("white noise", 0.2, difference_high=-0.05),
    condition("pink noise", 0.45),
    condition("babble", 0.3, "babble", low=None, high=None, difference_high=None),
]


@pytest.fixture
def speech(rng):
    """Two seconds with a pause: a hum of 200 Hz and its harmonics, and noise."""
    seconds = np.arange(32_000) / 16_000
    hum = sum(np.sin(2 * np.pi * 200 * k * seconds) / k for k in range(1, 20))
    return (0.1 * hum * (seconds > 0.5) + 0.001 * rng.normal(size=32_000)).astype(np.float32)


def results(n_speakers, rng):
    truth = np.tile(np.array(EMOTIONS, dtype=object), 5 * n_speakers)
    logits = rng.normal(size=(len(truth), 8))
    logits[np.arange(len(truth)), np.tile(np.arange(8), 5 * n_speakers)] += 1.5
    proba = np.exp(logits) / np.exp(logits).sum(axis=1, keepdims=True)
    return truth, proba, np.repeat([f"ravdess/{i + 1:02}" for i in range(n_speakers)], 40)


def all_pictures(speech, rng):
    truth, proba, who = results(24, rng)
    values = metrics.by_group("uar", truth, proba, who, EMOTIONS)
    genders = {name: ("female", "male")[int(name[-2:]) % 2] for name in values}
    title = "UAR 0.59 [0.55, 0.63] · ravdess eight · official, 6 folds, speakers unseen"
    return {
        "waveform": plots.waveform(speech),
        "spectrogram": plots.spectrogram(speech),
        "scores": plots.scores(PROBABILITIES),
        "prediction": plots.prediction(speech, PROBABILITIES, title="Actor_12/03-01-05-02-01-01-12.flac"),
        "confusion": plots.confusion(metrics.confusion(truth, proba, EMOTIONS), EMOTIONS, title=title),
        "reliability": plots.reliability(metrics.reliability(truth, proba, EMOTIONS)),
        "per_speaker": plots.per_speaker(values, genders=genders, overall=(0.5, 0.4, 0.6), chance=1 / 8),
        "ladder": plots.ladder(LADDER),
        "stress": plots.stress(CONDITIONS, clean=(0.5, 0.4, 0.6), title="default on nemo, 150 recordings"),
        "training": plots.training([[of(1.5, 1.0, uars=(0.3, 0.6)), of(1.6, 1.1)]], title=title),
        "many speakers": plots.per_speaker({f"crema_d/{i}": i / 91 for i in range(91)}),
    }


def texts(drawn) -> list[str]:
    from matplotlib.text import Text

    return [text.get_text() for text in drawn.findobj(Text) if text.get_text()]


# --- colours ---


def linear(colour: str) -> np.ndarray:
    channel = np.array([int(colour[i : i + 2], 16) for i in (1, 3, 5)]) / 255
    return np.where(channel <= 0.04045, channel / 12.92, ((channel + 0.055) / 1.055) ** 2.4)


def oklab(rgb: np.ndarray) -> np.ndarray:
    """Ottosson 2020."""
    to_cones = [[0.41222, 0.53633, 0.05145], [0.21190, 0.68070, 0.10740], [0.08830, 0.28172, 0.62998]]
    to_lab = [[0.21045, 0.79362, -0.00407], [1.97800, -2.42859, 0.45059], [0.02590, 0.78277, -0.80868]]
    return np.array(to_lab) @ np.cbrt(np.array(to_cones) @ rgb)


VISION = {  # Machado, Oliveira and Fernandes 2009, complete deficiency
    "ordinary": np.eye(3),
    "protan": [
        [0.152286, 1.052583, -0.204868],
        [0.114503, 0.786281, 0.099216],
        [-0.003882, -0.048116, 1.051998],
    ],
    "deutan": [
        [0.367322, 0.860646, -0.227968],
        [0.280085, 0.672501, 0.047413],
        [-0.011820, 0.042940, 0.968881],
    ],
    "tritan": [
        [1.255528, -0.076749, -0.178779],
        [-0.078411, 0.930809, 0.147602],
        [0.004733, 0.691367, 0.303900],
    ],
}


@pytest.mark.parametrize("vision", VISION)
def test_emotions_can_be_told_apart_by_everyone(vision):
    """OKLab: 0.02 is just noticeable."""
    seen = [oklab(np.clip(np.array(VISION[vision]) @ linear(plots.COLOURS[name]), 0, 1)) for name in EMOTIONS]
    gaps = [np.linalg.norm(a - b) for i, a in enumerate(seen) for b in seen[:i]]
    assert min(gaps) > (0.13 if vision == "ordinary" else 0.07)


@pytest.mark.parametrize("name", EMOTIONS)
def test_colours_stand_out_from_white_and_from_near_black(name):
    luminance = linear(plots.COLOURS[name]) @ [0.2126, 0.7152, 0.0722]
    near_black = linear("#121212") @ [0.2126, 0.7152, 0.0722]
    assert 1.05 / (luminance + 0.05) > 2.7
    assert (luminance + 0.05) / (near_black + 0.05) > 2.7


def test_every_emotion_has_a_colour_and_others_keep_theirs():
    assert tuple(plots.COLOURS) == EMOTIONS
    assert plots.colour("sad") == plots.COLOURS["sad"]
    assert plots.colour("bored") == plots.colour("bored")
    assert plots.colour("bored") not in plots.COLOURS.values()


# --- what is drawn ---


def test_no_text_is_cut_off(speech, rng):
    for name, drawn in all_pictures(speech, rng).items():
        figure = figure_of(drawn)
        figure.draw_without_rendering()
        renderer = figure._get_renderer()
        frame = figure.bbox.padded(0.5)
        for text in figure.findobj(lambda artist: hasattr(artist, "get_text")):
            if text.get_text() and text.get_visible():
                box = text.get_window_extent(renderer)
                inside = frame.contains(box.x0, box.y0) and frame.contains(box.x1, box.y1)
                assert inside or box.width == 0, (name, text.get_text())


def test_pictures_are_pngs_of_some_size(speech, rng):
    for name, drawn in all_pictures(speech, rng).items():
        image = plots.png(drawn, dpi=60)
        assert image.startswith(b"\x89PNG"), name
        assert len(image) > 3000, name


def test_an_ax_is_used_and_returned(speech, rng):
    from matplotlib.figure import Figure

    truth, proba, _ = results(2, rng)
    matrix, bins = metrics.confusion(truth, proba, EMOTIONS), metrics.reliability(truth, proba, EMOTIONS)
    draws = [
        lambda ax: plots.waveform(speech, ax=ax),
        lambda ax: plots.spectrogram(speech, ax=ax),
        lambda ax: plots.scores(PROBABILITIES, ax=ax),
        lambda ax: plots.confusion(matrix, EMOTIONS, ax=ax),
        lambda ax: plots.reliability(bins, ax=ax),
        lambda ax: plots.per_speaker({"a": 0.3}, ax=ax),
    ]
    for draw in draws:
        figure = Figure()
        ax = figure.add_subplot()
        assert draw(ax) is ax
        assert figure.axes == [ax]


def test_waveform_keeps_peaks_of_long_signals():
    signal = np.zeros(1_000_000, dtype=np.float32)
    signal[654_321] = 0.8
    ax = plots.waveform(signal)
    assert ax.get_ylim()[1] > 0.8
    (area,) = ax.collections
    corners = area.get_paths()[0].vertices
    assert len(corners) < 4000
    peak = corners[corners[:, 1].argmax()]
    assert peak == pytest.approx([654_321 / 16_000, 0.8], abs=0.05)


@pytest.mark.parametrize("rate", [8000, 16_000, 22_050, 48_000])
@pytest.mark.parametrize("hertz", [120, 1000, 3000])
def test_spectrogram_shows_a_tone_where_it_is(rate, hertz):
    tone = np.sin(2 * np.pi * hertz * np.arange(rate) / rate)
    ax = plots.spectrogram(tone, rate=rate)
    level = ax.images[0].get_array()
    band = level[:, level.shape[1] // 2].argmax() + 0.5
    mel = lambda f: 2595 * np.log10(1 + f / 700)  # noqa: E731
    expected = N_MELS * (mel(hertz) - mel(LOWEST_HZ)) / (mel(rate / 2) - mel(LOWEST_HZ))
    assert band == pytest.approx(expected, abs=1.1)
    ticks = {label.get_text(): place for label, place in zip(ax.get_yticklabels(), ax.get_yticks(), strict=True)}
    if hertz == 1000:
        assert ticks["1 kHz"] == pytest.approx(expected)
    assert (level.min(), level.max()) == (-FLOOR_DB, 0)
    assert ax.get_xlim() == (0, 1)


@pytest.mark.parametrize("signal", [np.zeros(16_000), np.zeros(1), [0.5], np.full(100, 1.0)])
def test_silent_and_tiny_signals_are_drawn(signal):
    plots.png(plots.prediction(signal, PROBABILITIES), dpi=30)


def test_scores_are_in_canonical_order_with_percents():
    shuffled = dict(sorted(PROBABILITIES.items()))
    ax = plots.scores(shuffled | {"bored": 0.004})
    labels = ax.get_yticklabels()
    assert [label.get_text() for label in labels] == [*EMOTIONS, "bored"]
    assert [label.get_text() for label in labels if label.get_fontweight() == "bold"] == ["angry"]
    assert [text.get_text() for text in ax.texts] == [
        "2 %",
        "1 %",
        "7 %",
        "2 %",
        "81 %",
        "3 %",
        "3 %",
        "1 %",
        "0 %",
    ]
    assert ax.get_ylim()[0] > ax.get_ylim()[1]  # the first from above


def test_a_prediction_says_what_it_is(speech):
    figure = plots.prediction(speech, PROBABILITIES, title="speech.wav")
    assert {"angry · 81 %", "speech.wav", "seconds"} <= set(texts(figure))
    unsure = texts(plots.prediction(speech, PROBABILITIES, answered=False))
    assert "can't tell" in unsure
    assert not any("·" in text for text in unsure)


def test_confusion_shows_shares_and_counts():
    ax = plots.confusion([[3, 1], [0, 0]], ("sad", "happy"))
    assert [text.get_text() for text in ax.texts] == ["75", "3", "25", "1"]
    assert [label.get_text() for label in ax.get_yticklabels()] == ["sad", "happy"]


def test_reliability_prints_the_ece(rng):
    truth, proba, _ = results(10, rng)
    ax = plots.reliability(metrics.reliability(truth, proba, EMOTIONS))
    assert f"ECE {metrics.ece(truth, proba, EMOTIONS):.3f}" in texts(ax)


def test_per_speaker_sorts_and_says_who():
    ax = plots.per_speaker(
        {"a": 0.5, "b": 0.9, "c": 0.1},
        genders={"a": "female", "b": "male"},
        overall=(0.5, 0.4, 0.6),
        chance=0.125,
    )
    assert [label.get_text() for label in ax.get_yticklabels()] == ["c", "a", "b"]
    assert {"all 0.50 [0.40, 0.60]", "female", "male", "UAR of each speaker"} <= set(texts(ax))


def test_a_score_below_zero_is_on_the_picture():
    ax = plots.per_speaker({"a": 0.5, "b": -0.3}, metric="CCC")
    assert ax.get_xlim()[0] < -0.3
    assert plots.per_speaker({"a": 0.5, "b": 0.3}).get_xlim() == (0, 1)


def test_agreement_has_one_scale_for_both_and_a_line_where_they_are_equal(rng):
    truth = rng.uniform(1, 7, 50)
    ax = plots.agreement(truth, truth + rng.normal(size=50), what="arousal", title="CCC 0.83")
    assert ax.get_xlim() == ax.get_ylim()
    assert ax.get_xlim()[0] < 1.3
    assert {"arousal, truth", "arousal, predicted", "CCC 0.83"} <= set(texts(ax))
    [points] = ax.collections
    assert len(points.get_offsets()) == 50
    [line] = ax.lines
    assert (line.get_xdata() == line.get_ydata()).all()
    with pytest.raises(ExperimentError, match=r"one length, above 0, not \(3,\) and \(2,\)"):
        plots.agreement([1, 2, 3], [1, 2])


# --- files, and what is left alone ---


def test_a_ladder_tells_flattering_rungs_by_words_hatching_and_colour():
    ax = plots.ladder(LADDER)
    written = texts(ax)
    assert written.count("SPEAKERS SHARED") == 2
    assert written.count("TEST DATA USED") == 1
    assert written.count("HONEST") == 2
    assert "known copies: +29 points [+20, +30]" in written
    assert "known sentences: \N{MINUS SIGN}2 points [\N{MINUS SIGN}5, 0]" in written
    assert "\N{WHITE DIAMOND} copies without: 0.64 · chance 0.125" in written
    assert any("Not measured: another" in text for text in written)
    bars = {bar.get_hatch(): bar.get_facecolor() for bar in ax.patches if bar.get_width() > 0.28}
    assert set(bars) == {"///", "...", None} or set(bars) == {"///", "...", ""}
    assert len(set(bars.values())) == 3
    diamonds = [line.get_xdata()[0] for line in ax.lines if line.get_marker() == "D"]
    assert diamonds == [0.64, 0.59, 0.39, 0.63, 0.44]


def test_a_ladder_without_rungs_is_refused():
    with pytest.raises(ExperimentError, match="none of the protocols could be measured"):
        plots.ladder(LADDER | {"rungs": []})


@pytest.mark.parametrize("ending", ["png", "svg", "pdf", "PNG"])
def test_save_makes_the_folder(tmp_path, ending):
    path = plots.save(plots.scores(PROBABILITIES), tmp_path / "new" / f"picture.{ending}")
    assert path.stat().st_size > 1000


def test_nothing_of_matplotlib_is_changed_and_no_pyplot_is_loaded():
    code = """
import sys, numpy as np
from emotone import plots
assert "matplotlib" not in sys.modules
import matplotlib
before = matplotlib.rcParams.copy()  # dict() would choose a backend, and load pyplot for it
plots.png(plots.prediction(np.zeros(16000), {"sad": 0.7, "happy": 0.3}))
assert matplotlib.rcParams.copy() == before
assert "matplotlib.pyplot" not in sys.modules
"""
    subprocess.run([sys.executable, "-W", "error", "-c", code], check=True, timeout=60)


# --- bad input ---


def test_bad_input_is_explained(tmp_path, rng):
    with pytest.raises(AudioError, match=r"not shape \(0,\)"):
        plots.waveform([])
    with pytest.raises(AudioError, match=r"not shape \(2, 3\)"):
        plots.spectrogram(np.zeros((2, 3)))
    with pytest.raises(ExperimentError, match="no scores to draw"):
        plots.scores({})
    with pytest.raises(ExperimentError, match=r"of 3 labels has shape \(3, 3\), not \(2, 2\)"):
        plots.confusion(np.eye(2), ("a", "b", "c"))
    with pytest.raises(ExperimentError, match="no speakers to draw"):
        plots.per_speaker({})
    with pytest.raises(ExperimentError, match=r"'picture.bmpx'; the ending must be one of .*png"):
        plots.save(plots.scores(PROBABILITIES), tmp_path / "picture.bmpx")
    (tmp_path / "file").write_text("")
    with pytest.raises(ExperimentError, match=r"can't be written: (Not a directory|File exists)"):
        plots.save(plots.scores(PROBABILITIES), tmp_path / "file" / "picture.png")


@pytest.mark.corpus
def test_a_real_recording(data):
    soundfile = pytest.importorskip("soundfile")
    signal, rate = soundfile.read(data / "ravdess" / "Actor_12" / "03-01-05-02-01-01-12.flac", dtype="float32")
    assert len(plots.png(plots.prediction(signal, PROBABILITIES, rate=rate))) > 30_000


# --- stress ---


def test_stress_draws_a_row_for_each_condition_under_its_family():
    ax = plots.stress(CONDITIONS, clean=(0.5, 0.4, 0.6))
    assert [label.get_text() for label in ax.get_yticklabels()] == [one["title"] for one in CONDITIONS]
    shown = texts(ax)
    assert shown.count("noise") == shown.count("babble") == 1
    assert shown.count("62 %") == 3
    assert any("clean: UAR 0.50 [0.40, 0.60]" in text for text in shown)
    rows = ax.get_yticks()
    assert rows[2] - rows[1] > rows[1] - rows[0] > 0  # room for the name of the next family
    assert ax.get_ylim()[0] > ax.get_ylim()[1]  # the first one on top


def test_stress_marks_what_is_surely_worse_alone():
    from matplotlib.collections import PathCollection
    from matplotlib.colors import to_hex

    ax = plots.stress(CONDITIONS, clean=(0.5, None, None))
    points = [one for one in ax.collections if isinstance(one, PathCollection)]
    assert [to_hex(one.get_facecolor()[0]) for one in points] == [plots.COLOURS["angry"], INK, INK]
    assert [float(one.get_offsets()[0][0]) for one in points] == [0.2, 0.45, 0.3]


def test_stress_needs_a_condition():
    with pytest.raises(ExperimentError, match="no conditions to draw"):
        plots.stress([], clean=(0.5, None, None))


# --- training ---


def of(*losses: float, uars: tuple[float, ...] = ()) -> list[dict[str, float]]:
    """A training as `emotone.Result.training` has it."""
    scores = [{"uar": uar} for uar in uars] or [{} for _ in losses]
    return [{"epoch": i, "loss": loss, **score} for i, (loss, score) in enumerate(zip(losses, scores, strict=True), 1)]


def test_training_draws_each_one_and_marks_the_best_epoch():
    folds = [[of(1.5, 1.0, 0.7, uars=(0.3, 0.6, 0.5)), of(1.6, 1.1)], [of(1.4, uars=(0.4,))]]
    loss, uar = plots.training(folds, title="ravdess eight").axes
    assert [list(line.get_ydata()) for line in loss.lines] == [[1.5, 1.0, 0.7], [1.6, 1.1], [1.4]]
    assert [list(line.get_ydata()) for line in uar.lines] == [[0.3, 0.6, 0.5], [0.4]]
    best = [tuple(map(float, dots.get_offsets()[0])) for dots in uar.collections]
    assert best == [(2.0, 0.6), (1.0, 0.4)]
    assert loss.lines[0].get_color() != loss.lines[1].get_color()  # the latter held nobody out
    assert [line.get_marker() for line in loss.lines] == ["None", "None", "o"]  # of one point there is no line
    assert loss.get_ylim()[0] == 0


def test_training_without_held_out_speakers_is_the_loss_alone():
    [ax] = plots.training([[of(1.5, 1.0)]]).axes
    assert ax.get_title(loc="left") == "loss while training"
    with pytest.raises(ExperimentError, match="no epochs to draw"):
        plots.training([[], [[]]])
