"""Who speaks when, as far as somebody told, and the recogniser that has come to know them.

Speakers differ more than emotions do. Where it is known who speaks (from a diarisation, or since each channel of a call
has one voice), each utterance can be judged by a recogniser that knows the ordinary voice of its speaker from all of
theirs before.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Iterable, Mapping
from typing import NamedTuple, Protocol

import numpy as np
import numpy.typing as npt

from emotone.audio import Signal
from emotone.errors import ConfigError
from emotone.segment import Segment
from emotone.voice import FRAME_SECONDS, frames

__all__ = ["Answering", "Listeners", "Turn", "Turns"]

Embedding = npt.NDArray[np.float32]


class Answering(Protocol):
    """What a stream asks of a recogniser."""

    @property
    def labels(self) -> tuple[str, ...]:
        """The emotions it knows; none if it predicts dimensions."""

    def hear(self, source: Signal, /) -> tuple[Segment, Embedding | None]:
        """Its answer to a signal, and the embedding of what is heard."""

    def judged(self, scores: Mapping[str, float], *, start: float, end: float, flags: tuple[str, ...]) -> Segment:
        """Its answer where the probabilities are these."""

    def knowing(self, embeddings: npt.ArrayLike, /) -> Answering:
        """The same, knowing the speaker of utterances with these embeddings. `ConfigError` where it can't."""


class Turn(NamedTuple):
    """Somebody's turn to speak, in seconds."""

    start: float
    end: float
    speaker: str


class Turns:
    """All turns of a recording; they may overlap, and there may be none."""

    def __init__(self, turns: Iterable[Turn | tuple[float, float, str]]) -> None:
        """Raises `ConfigError` for one that ends before it starts."""
        self._turns = sorted(Turn(*turn) for turn in turns)
        for start, end, speaker in self._turns:
            if not 0 <= start < end < float("inf"):
                raise ConfigError(
                    f"The turn of {speaker} from {start} to {end} s isn't one: it must end after its start."
                )

    @property
    def cuts(self) -> list[int]:
        """The frames before which a turn starts or ends, in order."""
        times = {time for turn in self._turns for time in (turn.start, turn.end)}
        return sorted({frames(time) for time in times} - {0})

    def speaker(self, first: int, last: int) -> str | None:
        """Who speaks in the middle of these frames: of several, who began last. None where nobody said."""
        middle = (first + last) / 2 * FRAME_SECONDS
        found = [turn for turn in self._turns if turn.start <= middle < turn.end]
        return found[-1].speaker if found else None


REMEMBERED = 200
"""A speaker's last utterances by which they are known: more say nothing new, and ten hours would pile up thousands."""


class Listeners:
    """The recogniser for each speaker: the one that was given or, if they ``adapt``, one that came to know them."""

    def __init__(self, recogniser: Answering, *, adapt: bool) -> None:
        """Raises `ConfigError` if it should adapt and can't."""
        self._recogniser, self._adapt = recogniser, adapt
        self._known: dict[str | None, Answering] = {}
        self._embeddings: dict[str | None, deque[Embedding]] = {}
        if adapt:
            recogniser.knowing([])  # so that what can't be fails now, and not with the first utterance

    def of(self, speaker: str | None) -> Answering:
        """Whom to ask about this speaker's utterances. Those that nobody is named for are taken for one person's."""
        return self._known.get(speaker, self._recogniser)

    def learn(self, speaker: str | None, embeddings: list[Embedding]) -> None:
        """Come to know the speaker better, from what was heard of another utterance."""
        if self._adapt and embeddings:
            rows = self._embeddings.setdefault(speaker, deque(maxlen=REMEMBERED))
            rows.extend(embeddings)
            self._known[speaker] = self._recogniser.knowing(np.stack(rows))
