"""What an archive comes to, in numbers that add up: of shards, of runs, of archives."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any

from emotone.batch.work import STAGES, Piece
from emotone.labels import in_order

__all__ = ["Tally"]

_WITHOUT_ANSWER = ("no_speech", "too_short", "silent")


@dataclass
class Tally:
    """Counts of recordings, rows and seconds. ``emotions`` and ``uncertain`` are of rows with an answer or the lack of
    one: silence counts for neither."""

    recordings: int = 0
    """Those that gave rows; of a tar, each member."""
    segments: int = 0
    seconds: float = 0.0
    """Of sound that was heard."""
    failures: Counter[str] = field(default_factory=Counter)
    """By stage."""
    emotions: Counter[str] = field(default_factory=Counter)
    emotion_seconds: dict[str, float] = field(default_factory=dict)
    uncertain: int = 0
    silent: int = 0
    """Rows in which nobody speaks, or too shortly to tell."""

    @property
    def failed(self) -> int:
        """How many failures there are."""
        return sum(self.failures.values())

    @property
    def shares(self) -> dict[str, float]:
        """Of the rows with a named emotion, each emotion's share, in canonical order."""
        total = sum(self.emotions.values())
        return {name: self.emotions[name] / total for name in in_order(self.emotions)} if total else {}

    @property
    def uncertain_share(self) -> float:
        """Of the rows with speech, those for which no emotion was likely enough."""
        judged = sum(self.emotions.values()) + self.uncertain
        return self.uncertain / judged if judged else 0.0

    def add_pieces(self, pieces: Iterable[Piece], names: Iterable[str]) -> None:
        """Count what came of recordings; ``names`` are the columns of their rows."""
        places = {name: place for place, name in enumerate(names)}
        emotion = places.get("emotion")
        flags, start, end = (places[name] for name in ("flags", "start", "end"))
        for piece in pieces:
            self.recordings += bool(piece.rows)
            self.segments += len(piece.rows)
            self.seconds += piece.seconds
            self.failures.update(failure.stage for failure in piece.failures)
            for row in piece.rows:
                self.silent += any(flag in row[flags] for flag in _WITHOUT_ANSWER)
                self.uncertain += "uncertain" in row[flags]
                if emotion is not None and row[emotion] is not None:
                    self.emotions[row[emotion]] += 1
                    self._add_seconds(row[emotion], row[end] - row[start])

    def add(self, other: Tally) -> None:
        """Count what another counted."""
        self.recordings += other.recordings
        self.segments += other.segments
        self.seconds += other.seconds
        self.uncertain += other.uncertain
        self.silent += other.silent
        self.failures.update(other.failures)
        self.emotions.update(other.emotions)
        for name, seconds in other.emotion_seconds.items():
            self._add_seconds(name, seconds)

    def as_dict(self) -> dict[str, Any]:
        """Plain data for JSON."""
        return {
            "recordings": self.recordings,
            "segments": self.segments,
            "seconds": round(self.seconds, 3),
            "failures": {stage: self.failures[stage] for stage in STAGES if self.failures[stage]},
            "emotions": {
                name: {"segments": self.emotions[name], "seconds": round(self.emotion_seconds[name], 3)}
                for name in in_order(self.emotions)
            },
            "uncertain": self.uncertain,
            "silent": self.silent,
        }

    @classmethod
    def from_dict(cls, data: Mapping[str, Any]) -> Tally:
        """What `as_dict` gave."""
        emotions = data["emotions"]
        return cls(
            recordings=data["recordings"],
            segments=data["segments"],
            seconds=data["seconds"],
            failures=Counter(data["failures"]),
            emotions=Counter({name: one["segments"] for name, one in emotions.items()}),
            emotion_seconds={name: one["seconds"] for name, one in emotions.items()},
            uncertain=data["uncertain"],
            silent=data["silent"],
        )

    def _add_seconds(self, emotion: str, seconds: float) -> None:
        self.emotion_seconds[emotion] = self.emotion_seconds.get(emotion, 0.0) + seconds
