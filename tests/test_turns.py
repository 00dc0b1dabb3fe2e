"""Who speaks when, and the recogniser that knows them."""

from __future__ import annotations

import numpy as np
import pytest
from tiny import tiny

from emotone.errors import ConfigError
from emotone.turns import REMEMBERED, Listeners, Turn, Turns
from emotone.voice import frames


def test_turns_are_cut_at_both_ends_once():
    turns = Turns([(1.0, 2.0, "ben"), Turn(0.0, 1.0, "anna"), (1.5, 3.0, "anna")])
    assert turns.cuts == [frames(time) for time in (1.0, 1.5, 2.0, 3.0)]
    assert Turns([]).cuts == []


@pytest.mark.parametrize(
    ("second", "speaker"), [(0.5, "anna"), (1.2, "ben"), (1.7, "anna"), (2.9, "anna"), (3.5, None)]
)
def test_who_speaks_is_who_began_last(second, speaker):
    turns = Turns([(1.0, 2.0, "ben"), (0.0, 1.0, "anna"), (1.5, 3.0, "anna")])
    middle = frames(second)
    assert turns.speaker(middle - 5, middle + 5) == speaker


@pytest.mark.parametrize("turn", [(2.0, 1.0), (1.0, 1.0), (-1.0, 1.0), (float("nan"), 1.0), (0.0, float("inf"))])
def test_turns_that_cannot_be(turn):
    with pytest.raises(ConfigError, match="The turn of anna"):
        Turns([(*turn, "anna")])


class Known:
    """Remembers the embeddings it was made of."""

    labels = ("sad", "angry")

    def __init__(self, rows: np.ndarray | None = None) -> None:
        self.rows = rows

    def knowing(self, embeddings: np.ndarray, /) -> Known:
        return Known(np.asarray(embeddings))


def test_each_speaker_gets_a_listener_of_their_own():
    first = Known()
    listeners = Listeners(first, adapt=True)
    assert listeners.of("anna") is listeners.of(None) is first
    listeners.learn("anna", [np.ones(2, np.float32)])
    listeners.learn("ben", [np.zeros(2, np.float32)])
    listeners.learn("anna", [np.full(2, 3, np.float32), np.full(2, 5, np.float32)])
    listeners.learn("anna", [])
    np.testing.assert_array_equal(listeners.of("anna").rows, [[1, 1], [3, 3], [5, 5]])
    np.testing.assert_array_equal(listeners.of("ben").rows, [[0, 0]])
    assert listeners.of(None) is first


def test_what_is_remembered_of_a_speaker_has_an_end():
    listeners = Listeners(Known(), adapt=True)
    for i in range(3):
        listeners.learn("anna", [np.full(2, 100 * i + j, np.float32) for j in range(100)])
    rows = listeners.of("anna").rows
    assert (len(rows), rows[0, 0], rows[-1, 0]) == (REMEMBERED, 100, 299)


def test_without_adapting_nothing_is_learned():
    first = Known()
    listeners = Listeners(first, adapt=False)
    listeners.learn("anna", [np.ones(2, np.float32)])
    assert listeners.of("anna") is first


def test_what_cannot_adapt_says_so_before_anything_is_heard():
    with pytest.raises(ConfigError, match="can't adapt to a speaker"):
        Listeners(tiny().recogniser, adapt=True)
    assert Listeners(tiny().recogniser, adapt=False).of("anna") is tiny().recogniser
