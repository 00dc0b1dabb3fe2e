"""Long utterances: which windows are heard, where they are cut, and what the parts' probabilities are."""

from __future__ import annotations

import itertools
from collections.abc import Callable
from functools import partial

import numpy as np
import pytest

from emotone.errors import ConfigError
from emotone.moments import Answer, MomentOptions, Moments, Part
from emotone.segment import Segment
from emotone.voice import frames

OPTIONS = MomentOptions()
WINDOW, HOP = frames(OPTIONS.window), frames(OPTIONS.hop)
LABELS = ("neutral", "sad", "angry")

Scores = Callable[[int], tuple[float, ...]]
"""Probabilities at a frame; those of a window are their mean."""


def constant(*values: float) -> Scores:
    return lambda frame: values


def switching(at: int, before: tuple[float, ...], after: tuple[float, ...]) -> Scores:
    return lambda frame: before if frame < at else after


class Ear:
    """Hears what the frames say, and remembers which windows were asked for."""

    def __init__(self, scores: Scores, flags: Callable[[int, int], tuple[str, ...]] = lambda first, last: ()) -> None:
        self.scores, self.flags, self.windows = scores, flags, []

    def ask(self, first: int, last: int) -> Answer:
        self.windows.append((first, last))
        mean = np.mean([self.scores(frame) for frame in range(first, last)], axis=0)
        values = dict(zip(LABELS, map(float, mean), strict=True)) if len(mean) else {}
        return partial(Segment, 0.0, 1.0, None, max(mean, default=0.0), values, self.flags(first, last))


def parts_of(
    ear: Ear,
    length: int,
    *,
    options: MomentOptions = OPTIONS,
    start: int = 100,
    quietest: Callable[[int, int], int] = lambda first, last: (first + last) // 2,
) -> list[Part]:
    moments = Moments(start, options=options, ask=ear.ask, quietest=quietest)
    found = [part for end in range(start + 1, start + length) for part in moments.until(end)]
    return found + moments.close(start + length)


def tiled(parts: list[Part], start: int, end: int) -> bool:
    borders = [parts[0].start, *(part.end for part in parts)]
    rising = all(one < other for one, other in itertools.pairwise(borders))
    return rising and [part.start for part in parts] == borders[:-1] and (borders[0], borders[-1]) == (start, end)


ANGRY, SAD = (0.1, 0.1, 0.8), (0.1, 0.8, 0.1)


def test_windows_overlap_and_cover_all():
    ear = Ear(constant(*ANGRY))
    length = 10 * HOP + 7
    parts_of(ear, length)
    regular = [(100 + k * HOP, 100 + k * HOP + WINDOW) for k in range(8)]
    assert ear.windows == [*regular, (100 + length - WINDOW, 100 + length)]


def test_one_emotion_is_one_part_with_the_mean_of_its_windows():
    [part] = parts_of(Ear(constant(*ANGRY)), 300)
    assert (part.start, part.end, part.flags) == (100, 400, ())
    assert part.values == dict(zip(LABELS, ANGRY, strict=True))


@pytest.mark.parametrize("at", [*range(100 + 5 * HOP, 100 + 7 * HOP, 7)])
def test_a_change_is_found_near_where_it_is(at):
    parts = parts_of(Ear(switching(at, SAD, ANGRY)), 13 * HOP)
    assert [max(part.values, key=part.values.get) for part in parts] == ["sad", "angry"]
    assert tiled(parts, 100, 100 + 13 * HOP)
    assert abs(parts[0].end - at) <= 0.75 * HOP


def test_the_cut_is_where_it_is_quietest():
    at = 100 + 6 * HOP
    pause = at + 9

    def quietest(first: int, last: int) -> int:
        return pause if first <= pause < last else first

    parts = parts_of(Ear(switching(at, SAD, ANGRY)), 13 * HOP, quietest=quietest)
    assert [part.end for part in parts] == [pause, 100 + 13 * HOP]


def test_probabilities_stay_a_mixture(rng):
    table = rng.dirichlet(np.ones(3), 2000)
    parts = parts_of(Ear(lambda frame: tuple(table[frame // 40])), 1700)
    for part in parts:
        assert sum(part.values.values()) == pytest.approx(1, abs=3e-6)
        assert all(0 <= value <= 1 for value in part.values.values())


def test_what_nearly_ties_does_not_flicker():
    """Two emotions that lead in turns, by less than the margin."""
    less = OPTIONS.margin * 0.45

    def scores(frame: int) -> tuple[float, ...]:
        sign = 1 if frame // (4 * HOP) % 2 else -1
        return (0.0, 0.5 + sign * less, 0.5 - sign * less)

    assert len(parts_of(Ear(scores), 20 * HOP)) == 1


def test_what_does_not_last_is_no_change():
    def scores(frame: int) -> tuple[float, ...]:
        return ANGRY if 100 + 6 * HOP <= frame < 100 + 7 * HOP else SAD

    assert len(parts_of(Ear(scores), 15 * HOP)) == 1
    lasting = parts_of(Ear(lambda frame: ANGRY if 6 * HOP <= frame - 100 < 11 * HOP else SAD), 18 * HOP)
    assert [max(part.values, key=part.values.get) for part in lasting] == ["sad", "angry", "sad"]


def test_a_rival_that_loses_may_be_followed_by_another():
    """Windows of one moment each, so that nothing is smeared."""
    row = [SAD] * 4 + [ANGRY] + [(0.8, 0.1, 0.1)] * 5
    options = MomentOptions(window=1.0, hop=1.0)
    parts = parts_of(Ear(lambda frame: row[(frame - 100) // HOP]), len(row) * HOP, options=options)
    assert [max(part.values, key=part.values.get) for part in parts] == ["sad", "neutral"]
    assert abs(parts[0].end - (100 + 5 * HOP)) <= 1


def test_parts_are_told_after_half_a_minute_even_if_nothing_changes():
    length = frames(100)
    parts = parts_of(Ear(constant(*ANGRY)), length)
    assert tiled(parts, 100, 100 + length)
    assert len(parts) == 4
    assert max(part.end - part.start for part in parts) <= frames(OPTIONS.longest_part) + HOP


@pytest.mark.parametrize("extra", range(0, HOP, 5))
def test_every_length_is_tiled(extra, rng):
    """Also where the windows don't overlap, and where the cut is as far off as it may be."""
    table = rng.dirichlet(np.full(3, 0.3), 2000)
    for options in (OPTIONS, MomentOptions(window=1.0, hop=1.0, minimum_change=1.0, longest_part=3.0, margin=0.0)):
        for quietest in (lambda first, last: first, lambda first, last: last - 1):
            ear = Ear(lambda frame: tuple(table[frame // 60]))
            length = frames(9) + extra
            parts = parts_of(ear, length, options=options, quietest=quietest)
            assert tiled(parts, 100, 100 + length)
            assert all(part.values for part in parts)


def test_what_was_told_does_not_depend_on_how_often_is_asked(rng):
    table = rng.dirichlet(np.full(3, 0.3), 2000)
    ear = Ear(lambda frame: tuple(table[frame // 60]))
    length = frames(40)
    at_once = Moments(100, options=OPTIONS, ask=ear.ask, quietest=lambda first, last: first)
    assert at_once.until(100 + length - 3) + at_once.close(100 + length) == parts_of(
        ear, length, quietest=lambda first, last: first
    )


def test_nothing_behind_what_is_needed_is_heard():
    ear = Ear(constant(*ANGRY))
    moments = Moments(100, options=OPTIONS, ask=ear.ask, quietest=lambda first, last: first)
    for end in range(101, 100 + 12 * HOP, 10):
        needed = moments.needed
        n_before = len(ear.windows)
        moments.until(end)
        assert all(first >= needed for first, _ in ear.windows[n_before:])


def test_flags_of_windows_become_the_parts():
    loud = Ear(constant(*ANGRY), lambda first, last: ("uncertain", "clipped") if first == 100 else ("low_level",))
    assert parts_of(loud, 300)[0].flags == ("clipped",)
    quiet = Ear(constant(*ANGRY), lambda first, last: ("low_level", "uncertain"))
    assert parts_of(quiet, 300)[0].flags == ("low_level",)


def test_where_no_window_can_be_judged_there_are_no_values():
    [part] = parts_of(Ear(lambda frame: (), lambda first, last: ("no_speech",)), 300)
    assert part == Part(100, 400, {}, ())


def test_dimensions_are_averaged_too():
    def ask(first: int, last: int) -> Answer:
        return partial(Segment, 0.0, 1.0, None, 0.0, {}, dimensions={"arousal": first / 100, "valence": 1.0})

    moments = Moments(0, options=OPTIONS, ask=ask, quietest=lambda first, last: first)
    [part] = moments.close(WINDOW + 2 * HOP)
    assert set(part.values) == {"arousal", "valence"}
    assert 0 < part.values["arousal"] < 2 * HOP / 100
    assert part.values["valence"] == 1.0


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"hop": 0.1}, "0.5 s later"),
        ({"hop": 4.0}, "not behind its end"),
        ({"window": 40.0}, "up to 30 s"),
        ({"margin": 1.0}, "margin"),
        ({"minimum_change": 0.0}, "more than 0 s"),
        ({"minimum_change": 5.0, "longest_part": 4.0}, "no longer than the longest part"),
        ({"longest_part": float("inf")}, "at most 600 s"),
    ],
)
def test_options_that_cannot_be(options, message):
    with pytest.raises(ConfigError, match=message):
        MomentOptions(**options)
