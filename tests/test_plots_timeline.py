"""`plots.timeline`: what is drawn of segments, a row for each channel, for seconds and for hours."""

from __future__ import annotations

import time
from dataclasses import replace

import numpy as np
import pytest
import soundfile

from emotone import audio, plots
from emotone.errors import AudioError, ExperimentError
from emotone.labels import EMOTIONS, colour
from emotone.plots import _timeline
from emotone.segment import Segment

pytest.importorskip("matplotlib")

RATE = 16_000
SCORES = {"neutral": 0.25, "sad": 0.0, "angry": 0.75}
QUIET = Segment(0.0, 2.0, None, 0.0, {}, ("no_speech",))
ANGRY = Segment(2.0, 6.0, "angry", 0.75, SCORES)
UNSURE = Segment(6.0, 9.0, None, 1 / 3, dict.fromkeys(SCORES, 1 / 3), ("uncertain",))
SAD = Segment(9.0, 10.0, "sad", 1.0, {"neutral": 0.0, "sad": 1.0, "angry": 0.0})
TIMELINE = [QUIET, ANGRY, UNSURE, SAD]
STEREO = [replace(segment, channel=channel) for channel in (0, 1) for segment in TIMELINE]
PLACED = [QUIET, Segment(2.0, 10.0, None, 0.0, {}, dimensions={"arousal": 5.2, "valence": 2.0})]


@pytest.fixture
def sound(rng):
    return (0.1 * rng.normal(size=10 * RATE)).clip(-0.9, 0.9).astype(np.float32)


def texts(drawn) -> list[str]:
    from matplotlib.text import Text

    return [text.get_text() for text in drawn.findobj(Text) if text.get_text()]


def hexes(artist) -> set[str]:
    from matplotlib.colors import to_hex

    return {to_hex(tint) for tint in artist.get_facecolor()}


def areas(ax) -> dict[str, np.ndarray]:
    """By colour the corners of what is filled."""
    return {
        tint: np.concatenate([path.vertices for path in artist.get_paths()])
        for artist in ax.collections
        if artist.get_paths()
        for tint in hexes(artist)
    }


def many(n, step=4.0):
    """``n`` segments, every third without speech."""
    kinds = [QUIET, ANGRY, SAD]
    return [replace(kinds[k % 3], start=k * step, end=(k + 1) * step) for k in range(n)]


# --- rows ---


def test_a_row_has_sound_probabilities_and_doubt(sound):
    figure = plots.timeline(TIMELINE, source=sound, title="call.wav")
    top, shares, doubt = figure.axes
    assert {"call.wav", "probability", "unsure", "angry", "uncertain", "no speech", "0:00", "0:10"} <= set(
        texts(figure)
    )
    assert all(ax.get_xlim() == (0, 10) for ax in figure.axes)
    filled = areas(shares)
    assert set(filled) == {colour(name) for name in SCORES}
    angry = filled[colour("angry")]
    assert angry[:, 0].min() == 2
    assert angry[:, 0].max() == 10
    assert angry[angry[:, 0] < 6][:, 1].min() == pytest.approx(0.25)
    assert angry[:, 1].max() == pytest.approx(1)
    entropy = areas(doubt)[_timeline.MUTED]
    level = -(0.25 * np.log(0.25) + 0.75 * np.log(0.75)) / np.log(3)
    assert set(np.round(np.unique(entropy[:, 1]), 6)) == {0, round(level, 6), 1}
    assert {colour("angry"), colour("sad"), _timeline._NAMELESS, _timeline._SILENCE} <= set(areas(top))


def test_each_channel_has_a_row(sound):
    figure = plots.timeline(STEREO, source=sound)
    assert len(figure.axes) == 6
    assert {"channel 0", "channel 1"} <= set(texts(figure))
    missing = plots.timeline([*STEREO[:4], replace(QUIET, channel=1, end=10.0)], source=sound)
    assert len(missing.axes) == 4  # nobody spoke: nothing to be sure of


def test_dimensions_are_lines_with_names():
    figure = plots.timeline(PLACED)
    assert len(figure.axes) == 2
    arousal, valence = (patch.get_data().values for patch in figure.axes[1].patches)
    assert arousal[-1] == 5.2
    assert valence[-1] == 2.0
    assert np.isnan(arousal[0])
    assert {"arousal", "valence", "speech", "no speech"} <= set(texts(figure))
    assert "uncertain" not in texts(figure)


def test_every_colour_has_its_name_beside_it():
    figure = plots.timeline(TIMELINE)
    [legend] = figure.legends
    assert [text.get_text() for text in legend.get_texts()] == ["neutral", "sad", "angry", "uncertain", "no speech"]
    odd = replace(ANGRY, emotion="bored", scores={"bored": 0.9, "angry": 0.1})
    assert "bored" in texts(plots.timeline([odd]))


def test_a_name_stands_where_it_has_room():
    long, short = replace(ANGRY, end=9.9), Segment(9.9, 10.0, "sad", 1.0, SCORES)
    top = plots.timeline([QUIET, long, short]).axes[0]
    assert [text.get_text() for text in top.texts] == ["angry"]


# --- the sound ---


def test_the_sound_of_each_channel_is_read_from_the_file(tmp_path, sound):
    path = tmp_path / "stereo.wav"
    pause = np.where(np.arange(len(sound)) < 5 * RATE, 0, sound)
    soundfile.write(path, np.column_stack([sound, pause]), RATE, subtype="FLOAT")
    low, high = audio.envelope(path, 10.0, _timeline.COLUMNS, channel=1).T
    assert not high[:799].any()
    assert high[801:].min() > 0 > low[801:].max()
    assert audio.envelope(path, 10.0, _timeline.COLUMNS, channel=0)[:799, 1].min() > 0
    assert len(plots.timeline([replace(s, source=path) for s in STEREO]).axes) == 6


def test_the_envelope_keeps_every_peak_wherever_blocks_end(tmp_path, monkeypatch):
    signal = np.zeros(70 * RATE, np.float32)
    peaks = [0, 480_000, 479_999, 777_777, 70 * RATE - 1]
    signal[peaks] = [0.5, 0.6, -0.7, 0.8, -0.9]
    soundfile.write(tmp_path / "x.wav", signal, RATE, subtype="FLOAT")
    for source in (signal, tmp_path / "x.wav"):
        low, high = audio.envelope(source, 70.0, _timeline.COLUMNS).T
        assert sorted(high[high > 0]) == pytest.approx([0.5, 0.6, 0.8])
        assert sorted(low[low < 0]) == pytest.approx([-0.9, -0.7])
        assert high[int(777_777 / RATE / 70 * _timeline.COLUMNS)] == pytest.approx(0.8)


def test_a_file_that_broke_off_is_drawn_as_far_as_it_goes(tmp_path, sound):
    path = tmp_path / "x.wav"
    soundfile.write(path, sound[: 5 * RATE], RATE, subtype="FLOAT")
    low, high = audio.envelope(path, 10.0, _timeline.COLUMNS).T
    assert high[:800].min() > 0
    assert not high[800:].any()
    assert not low[800:].any()


def test_sound_that_is_not_there_is_left_out_or_an_error(tmp_path):
    gone = [replace(segment, source=tmp_path / "gone.wav") for segment in TIMELINE]
    assert len(plots.timeline(gone).axes) == 3
    with pytest.raises(AudioError, match="gone"):
        plots.timeline(TIMELINE, source=tmp_path / "gone.wav")
    plots.png(plots.timeline(TIMELINE, source=np.zeros(0, np.float32)), dpi=30)
    plots.png(plots.timeline(TIMELINE, source=np.zeros(100, np.float32)), dpi=30)


# --- short, long, empty ---


def test_many_segments_become_columns_that_keep_the_means():
    few, lots = _timeline._Row(many(600), 2400.0), _timeline._Row(many(9000), 36_000.0)
    assert few.exact
    assert not lots.exact
    assert len(lots.edges) == _timeline.MEANS + 1
    means = lots.means(lots.labels, "scores")
    assert means.sum(axis=0) == pytest.approx(np.ones(_timeline.MEANS))
    assert means.mean(axis=1) == pytest.approx([0.125, 0.5, 0.375], abs=0.02)
    assert set(lots.strip()) <= {colour("angry"), colour("sad")}
    quiet = _timeline._Row([replace(QUIET, start=4.0 * k, end=4.0 * (k + 1)) for k in range(900)], 3600.0)
    assert set(quiet.strip()) == {_timeline._SILENCE}
    assert "9,000 segments, in columns of 90 s" in texts(plots.timeline(many(9000)))


def test_ten_hours_are_drawn_in_seconds():
    started = time.process_time()
    image = plots.png(plots.timeline(many(18_000, step=2.0)), dpi=80)
    seconds = time.process_time() - started
    print(f"\n18,000 segments: {seconds:.1f} s")
    assert seconds < 15
    assert len(image) > 3000


@pytest.mark.parametrize(
    ("end", "last"), [(0.35, "0:00.3"), (7.0, "0:07"), (100.0, "1:40"), (3700.0, "1:00:00"), (36_000.0, "10:00:00")]
)
def test_ticks_are_times_that_people_read(end, last):
    figure = plots.timeline([replace(ANGRY, start=0.0, end=end)])
    ticks = [label.get_text() for label in figure.axes[-1].get_xticklabels()]
    assert 2 <= len(ticks) <= 13
    assert ticks[-1] == last


@pytest.mark.parametrize("segments", [[], [replace(QUIET, end=0.0)]])
def test_nothing_is_no_picture(segments):
    with pytest.raises(ExperimentError, match="no timeline to draw"):
        plots.timeline(segments)


@pytest.mark.parametrize(
    "segments", [[QUIET], [ANGRY], [replace(ANGRY, start=0.0, end=0.01)], [UNSURE, ANGRY], [ANGRY, ANGRY], PLACED[1:]]
)
def test_odd_timelines_are_drawn(segments):
    plots.png(plots.timeline(iter(segments)), dpi=40)


def test_no_text_is_cut_off(sound):
    eight = [replace(ANGRY, scores=dict.fromkeys(EMOTIONS, 0.125), channel=channel) for channel in (0, 1)]
    dimensions = [replace(PLACED[1], dimensions={"arousal": 1.0, "valence": 2.0, "dominance": 3.0})]
    for segments in (TIMELINE, [*STEREO, *eight], many(1000), dimensions):
        figure = plots.timeline(segments, source=sound, title="Actor_12/03-01-05-02-01-01-12.flac")
        figure.draw_without_rendering()
        renderer = figure._get_renderer()
        frame = figure.bbox.padded(0.5)
        for text in figure.findobj(lambda artist: hasattr(artist, "get_text")):
            if text.get_text() and text.get_visible():
                box = text.get_window_extent(renderer)
                inside = frame.contains(box.x0, box.y0) and frame.contains(box.x1, box.y1)
                assert inside or box.width == 0, text.get_text()
