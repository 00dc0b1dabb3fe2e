"""`emotone.summary`: seconds, shares, moments and courses of known timelines, in memory that doesn't grow."""

from __future__ import annotations

import json
import tracemalloc
from dataclasses import replace
from pathlib import Path

import pytest

from emotone.circumplex import PLACES
from emotone.errors import ConfigError
from emotone.segment import Segment
from emotone.summary import LARGEST, POINTS, Moment, summarise


def quiet(start: float, end: float, **more) -> Segment:
    return Segment(start, end, None, 0.0, {}, ("no_speech",), **more)


def heard(start: float, end: float, emotion: str | None, **scores: float) -> Segment:
    flags = () if emotion else ("uncertain",)
    return Segment(start, end, emotion, max(scores.values()), scores, flags)


TIMELINE = [
    quiet(0, 10),
    heard(10, 20, "neutral", neutral=0.8, sad=0.1, angry=0.1),
    heard(20, 25, "angry", neutral=0.2, sad=0.1, angry=0.7),
    quiet(25, 30),
    heard(30, 34, None, neutral=0.4, sad=0.3, angry=0.3),
    heard(34, 35, "angry", neutral=0.0, sad=0.0, angry=1.0),
    Segment(35, 35.2, None, 0.0, {}, ("too_short",)),
    quiet(35.2, 40),
]


def one(segments):
    [channel] = summarise(segments).channels
    return channel


def test_seconds_and_shares():
    found = one(TIMELINE)
    assert (found.file, found.channel, found.duration) == (None, None, 40)
    assert found.speech == pytest.approx(20.2)
    assert found.speech_share == pytest.approx(20.2 / 40)
    assert found.uncertain == pytest.approx(4.2)
    assert found.uncertain_share == pytest.approx(4.2 / 20.2)
    assert found.named == {"neutral": 10, "angry": 6}
    assert list(found.expected) == ["neutral", "sad", "angry"]
    assert found.expected == pytest.approx({"neutral": 10.6, "sad": 2.7, "angry": 6.7})
    assert sum(found.expected.values()) == pytest.approx(20)


def test_moments_and_changes():
    found = one(TIMELINE)
    assert found.surest == {"neutral": Moment(10, 20, 0.8), "angry": Moment(34, 35, 1.0)}
    assert found.n_changes == 1
    assert found.changes_per_minute == pytest.approx(60 / 20.2)
    told = [(change.at, change.before, change.after, round(change.size, 6)) for change in found.largest_changes]
    assert told == [(34, None, "angry", 0.7), (20, "neutral", "angry", 0.6), (30, "angry", None, 0.4)]


def test_the_largest_changes_are_few_and_the_earlier_of_equals_comes_first():
    flicker = [heard(n, n + 1, ("sad", "angry")[n % 2], sad=1.0 - n % 2, angry=float(n % 2)) for n in range(20)]
    found = one([*flicker, flicker[-1]])
    assert [change.at for change in found.largest_changes] == [1, 2, 3][:LARGEST]
    assert found.n_changes == 19


def test_scores_are_projected_and_it_says_so():
    found = one(TIMELINE)
    assert found.projected
    assert list(found.courses) == ["valence", "arousal"]
    _, arousal = found.courses.values()
    assert (arousal.step, len(arousal.values)) == (1.0, 35)
    assert arousal.values[0] is None
    assert arousal.values[34] == PLACES["angry"][1]
    expected = sum(
        segment.duration * score * PLACES[name][1] for segment in TIMELINE for name, score in segment.scores.items()
    )
    assert arousal.mean == pytest.approx(expected / 20)
    assert "projected from the scores onto Russell's circumplex" in str(found)
    assert found.as_dict()["courses_are"].startswith("a projection of the scores onto the circumplex")


def test_predicted_dimensions_are_preferred():
    placed = [
        Segment(0, 2, None, 0.0, {}, dimensions={"arousal": 5.0, "valence": 1.0}),
        quiet(2, 3),
        Segment(3, 4, None, 0.0, {}, dimensions={"arousal": 2.0, "valence": 1.0}),
    ]
    found = one(placed)
    assert not found.projected
    assert found.uncertain == 0
    assert found.courses["arousal"].mean == pytest.approx(4)
    assert found.courses["arousal"].values == (5, 5, None, 2)
    assert [(change.at, change.size) for change in found.largest_changes] == [(3, 3)]
    assert found.as_dict()["courses_are"] == "predicted by the recogniser"
    assert "arousal +4.00, valence +1.00 (predicted)" in str(found)
    both = one([replace(placed[0], scores={"sad": 1.0}, emotion="sad", confidence=1.0)])
    assert not both.projected
    assert both.courses["valence"].mean == 1


def test_a_course_has_few_points_however_long_and_keeps_its_mean():
    hours = [heard(7.3 * n, 7.3 * (n + 1), "sad", sad=0.9, angry=0.1) for n in range(2_000)]
    course = one(hours).courses["valence"]
    assert POINTS / 2 <= len(course.values) <= POINTS
    assert course.step == 64
    each = 0.9 * PLACES["sad"][0] + 0.1 * PLACES["angry"][0]
    assert course.values == pytest.approx([each] * len(course.values))
    assert course.mean == pytest.approx(each)


def test_a_segment_counts_in_every_step_that_it_touches():
    course = one([heard(0.5, 2.25, "sad", sad=1.0), heard(2.25, 3.0, "neutral", neutral=1.0)]).courses["valence"]
    sad = PLACES["sad"][0]
    assert course.values == pytest.approx((sad, sad, sad * 0.25))


def test_channels_and_recordings_are_told_apart():
    left = [replace(segment, channel=0, source=Path("a.wav")) for segment in TIMELINE]
    right = [replace(quiet(0, 40), channel=1, source=Path("a.wav"))]
    other = [replace(segment, source=Path("b.wav")) for segment in TIMELINE]
    found = summarise([*left, *right, *other]).channels
    assert [(each.file, each.channel) for each in found] == [("a.wav", 0), ("a.wav", 1), ("b.wav", None)]
    mixed = summarise([segment for pair in zip(left, other, strict=True) for segment in pair]).channels
    assert mixed == (found[0], found[2])
    assert replace(found[0], file="b.wav", channel=None) == found[2]


def test_silence_and_nothing():
    found = one([quiet(0, 3600)])
    assert (found.speech, found.speech_share, found.uncertain_share, found.changes_per_minute) == (0, 0, 0, 0)
    assert str(found) == "recording: 1:00:00, no speech"
    assert found.as_dict()["courses_are"] is None
    assert str(summarise([])) == "Nothing was heard."
    assert summarise([]).as_dict() == {"channels": []}


def test_it_prints():
    text = str(summarise([replace(segment, channel=1, source=Path("call.wav")) for segment in TIMELINE]))
    assert text.splitlines()[0] == "call.wav, channel 1: 0:40, speech 0:20 (51 %)"
    assert "  neutral         0:10   50 %       0:11   52 %" in text
    assert "  uncertain       0:04   21 %" in text
    assert "  surest angry: 100 % at 0:34–0:35" in text
    assert "  change at 0:34: uncertain to angry" in text
    assert text.splitlines()[-1] == "  1 change, 3.0 a minute of speech"


def test_as_dict_is_plain_json():
    data = summarise([replace(segment, source=Path("call.wav")) for segment in TIMELINE]).as_dict()
    assert json.loads(json.dumps(data, allow_nan=False)) == data
    [channel] = data["channels"]
    assert channel["file"] == "call.wav"
    assert channel["surest"]["angry"] == {"start": 34, "end": 35, "confidence": 1.0}
    assert channel["largest_changes"][1] == {"at": 20, "before": "neutral", "after": "angry", "size": 0.6}
    assert channel["courses"]["arousal"]["step"] == 1.0


@pytest.mark.parametrize(("start", "end"), [(2, 1), (-1, 1), (0, float("inf")), (float("nan"), 1)])
def test_a_segment_that_can_not_be_is_refused(start, end):
    with pytest.raises(ConfigError, match="A segment lasts from 0 s or later to its end, not from"):
        summarise([quiet(start, end)])


def test_memory_does_not_grow_with_the_number_of_segments():
    def stream(n):
        return (replace(TIMELINE[1 + k % 2], start=10.0 * k, end=10.0 * (k + 1)) for k in range(n))

    def peak(n):
        tracemalloc.start()
        summarise(stream(n))
        size = tracemalloc.get_traced_memory()[1]
        tracemalloc.stop()
        return size

    assert peak(6_000) < 1.5 * peak(600) + 20_000
