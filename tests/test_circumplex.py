"""`emotone.circumplex`: where emotions lie, and the mean of places."""

from __future__ import annotations

import pytest

from emotone.circumplex import PLACES, place
from emotone.labels import EMOTIONS


def test_every_canonical_emotion_has_a_place_inside_the_square():
    assert set(EMOTIONS) <= set(PLACES)
    assert all(-1 <= x <= 1 and -1 <= y <= 1 for x, y in PLACES.values())


def test_places_lie_on_the_sides_that_everybody_would_say():
    assert {name for name, (valence, _) in PLACES.items() if valence > 0} == {"calm", "happy", "surprised"}
    assert {name for name, (_, arousal) in PLACES.items() if arousal < 0} == {"calm", "sad", "bored"}
    assert PLACES["neutral"] == (0, 0)


def test_a_place_is_the_mean_by_probability():
    assert place({"angry": 1.0, "sad": 0.0}) == PLACES["angry"]
    assert place({"happy": 0.5, "neutral": 0.5}) == pytest.approx((0.405, 0.255))
    assert place({"happy": 0.2, "neutral": 0.2, "contemptuous": 0.6}) == pytest.approx((0.405, 0.255))
    assert place({"contemptuous": 1.0}) is place({}) is place({"angry": 0.0}) is None
