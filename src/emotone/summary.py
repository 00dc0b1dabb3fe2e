"""What a timeline comes to: how long each emotion was heard, how sure that is, and which moments to listen to.

Times in an emotion are told twice: by the names that segments were given, and by their scores, each emotion getting its
probability's share of every segment. The latter count what names hide, and are the better estimate of a total where the
recogniser is calibrated; the former are what can be listened to.

Arousal and valence are the recogniser's own where it predicts them. Otherwise the scores are projected onto the
circumplex of affect (`emotone.circumplex`), and the summary says so.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from emotone import circumplex
from emotone.errors import ConfigError
from emotone.labels import in_order
from emotone.segment import Segment

__all__ = ["Change", "ChannelSummary", "Course", "Moment", "Summary", "summarise"]

LARGEST = 3
"""How many of the largest changes are named."""

POINTS = 240
"""Of a course over time at most: a point a minute for four hours, and enough for a picture."""

FINEST = 1.0
"""Seconds of a course's step at least; doubled whenever there would be more than `POINTS` of them."""

_ROUNDING = 6  # decimals of everything that is told


@dataclass(frozen=True)
class Moment:
    """Where to listen: from ``start`` to ``end``, seconds."""

    start: float
    end: float
    confidence: float


@dataclass(frozen=True)
class Change:
    """Between two segments of speech that follow each other, however long the silence between them."""

    at: float
    """Where the second one starts, seconds."""
    before: str | None
    """What was heard; None where no emotion was likely enough to name one."""
    after: str | None
    size: float
    """How much probability moved, 0 to 1 (total variation); of dimensions, the distance on their own scales."""


@dataclass(frozen=True)
class Course:
    """A number over time: its mean in speech, and the mean in each ``step`` seconds from 0 on, None without speech."""

    mean: float
    step: float
    values: tuple[float | None, ...]


@dataclass(frozen=True)
class ChannelSummary:
    """One recording, or one of its channels. Times are seconds; emotions stand in canonical order."""

    file: str | None
    channel: int | None
    duration: float
    speech: float
    uncertain: float
    """Of the speech, without an answer: no emotion was likely enough, or there was too little to judge."""
    named: Mapping[str, float]
    """Seconds of the segments that were given each emotion."""
    expected: Mapping[str, float]
    """Seconds by the scores: each emotion's probability times the segment's duration."""
    courses: Mapping[str, Course]
    """Of each dimension the recogniser predicts, or of valence and arousal as `projected`."""
    projected: bool
    """Whether the courses are a projection of scores onto the circumplex, and not what a recogniser predicted."""
    surest: Mapping[str, Moment]
    """The segment of each emotion with the highest confidence."""
    largest_changes: tuple[Change, ...]
    """The `LARGEST`, the largest first."""
    n_changes: int
    """From a named emotion to another, those without a name left out."""

    @property
    def speech_share(self) -> float:
        """Of the duration."""
        return _share(self.speech, self.duration)

    @property
    def uncertain_share(self) -> float:
        """Of the speech."""
        return _share(self.uncertain, self.speech)

    @property
    def changes_per_minute(self) -> float:
        """Of speech."""
        return 60 * _share(self.n_changes, self.speech)

    def as_dict(self) -> dict[str, Any]:
        """Plain data for JSON, seconds and shares."""
        note = f"a projection of the scores onto the circumplex of affect; {circumplex.SOURCE}"
        return {
            "file": self.file,
            "channel": self.channel,
            "duration": _rounded(self.duration),
            "speech": _rounded(self.speech),
            "speech_share": _rounded(self.speech_share),
            "uncertain": _rounded(self.uncertain),
            "uncertain_share": _rounded(self.uncertain_share),
            "named": _rounded(self.named),
            "expected": _rounded(self.expected),
            "courses": {name: _rounded(vars(course)) for name, course in self.courses.items()},
            "courses_are": note if self.projected else "predicted by the recogniser" if self.courses else None,
            "surest": {name: _rounded(vars(moment)) for name, moment in self.surest.items()},
            "largest_changes": [_rounded(vars(change)) for change in self.largest_changes],
            "n_changes": self.n_changes,
            "changes_per_minute": _rounded(self.changes_per_minute),
        }

    def __str__(self) -> str:
        return "\n".join(self._lines())

    def _lines(self) -> list[str]:
        who = [self.file or ("recording" if self.channel is None else "")]
        who += [] if self.channel is None else [f"channel {self.channel}"]
        head = f"{', '.join(filter(None, who))}: {_clock(self.duration)}"
        if not self.speech:
            return [f"{head}, no speech"]
        lines = [f"{head}, speech {_clock(self.speech)} ({_percent(self.speech_share)})"]
        if self.expected:
            lines += [f"  {'':<11}{'named':>9}{'':7}{'by scores':>11}"]
            lines += [self._time_in(name) for name in in_order([*self.named, *self.expected])]
        if self.uncertain:
            lines += [f"  {'uncertain':<11}{_clock(self.uncertain):>9}{_percent(self.uncertain_share):>7}"]
        means = ", ".join(f"{name} {course.mean:+.2f}" for name, course in self.courses.items())
        source = "projected from the scores onto Russell's circumplex of 1980" if self.projected else "predicted"
        lines += [f"  on average {means} ({source})"] if means else []
        lines += [
            f"  surest {name}: {_percent(moment.confidence)} at {_clock(moment.start)}–{_clock(moment.end)}"
            for name, moment in self.surest.items()
        ]
        lines += [
            f"  change at {_clock(change.at)}: {change.before or 'uncertain'} to {change.after or 'uncertain'}"
            for change in self.largest_changes
            if change.before or change.after
        ]
        changes = f"{self.n_changes} change{'s' * (self.n_changes != 1)}"
        return [*lines, f"  {changes}, {self.changes_per_minute:.1f} a minute of speech"]

    def _time_in(self, name: str) -> str:
        named, expected = self.named.get(name, 0.0), self.expected.get(name, 0.0)
        shares = _percent(_share(named, self.speech)), _percent(_share(expected, self.speech))
        return f"  {name:<11}{_clock(named):>9}{shares[0]:>7}{_clock(expected):>11}{shares[1]:>7}"


@dataclass(frozen=True)
class Summary:
    """Of each recording and channel, in the order in which they came."""

    channels: tuple[ChannelSummary, ...]

    def as_dict(self) -> dict[str, Any]:
        """Plain data for JSON."""
        return {"channels": [channel.as_dict() for channel in self.channels]}

    def __str__(self) -> str:
        return "\n\n".join(map(str, self.channels)) or "Nothing was heard."


def summarise(segments: Iterable[Segment]) -> Summary:
    """Of ``segments`` as `Recogniser.timeline` gives them, of one recording or several.

    They are taken one by one, in the order of time within a channel, and aren't kept: memory doesn't grow with their
    number. Raises `ConfigError` for one that ends before it starts or has numbers that aren't finite.
    """
    tallies: dict[tuple[Path | None, int | None], _Tally] = {}
    for segment in segments:
        if not (math.isfinite(segment.end) and 0 <= segment.start <= segment.end):
            raise ConfigError(
                f"A segment lasts from 0 s or later to its end, not from {segment.start} to {segment.end} s."
            )
        tallies.setdefault((segment.source, segment.channel), _Tally()).add(segment)
    return Summary(tuple(tally.summary(source, channel) for (source, channel), tally in tallies.items()))


@dataclass
class _Tally:
    """What is remembered of a channel."""

    duration: float = 0.0
    speech: float = 0.0
    uncertain: float = 0.0
    named: dict[str, float] = field(default_factory=dict)
    expected: dict[str, float] = field(default_factory=dict)
    predicted: dict[str, _Bins] = field(default_factory=dict)
    projected: dict[str, _Bins] = field(default_factory=dict)
    surest: dict[str, Moment] = field(default_factory=dict)
    changes: list[Change] = field(default_factory=list)
    n_changes: int = 0
    last: Segment | None = None
    last_name: str | None = None

    def add(self, segment: Segment) -> None:
        self.duration = max(self.duration, segment.end)
        if "no_speech" in segment.flags:
            return
        self.speech += segment.duration
        if segment.emotion is None and (segment.scores or not segment.dimensions):
            self.uncertain += segment.duration
        for name, score in segment.scores.items():
            self.expected[name] = self.expected.get(name, 0.0) + score * segment.duration
        for name, value in segment.dimensions.items():
            self.predicted.setdefault(name, _Bins()).add(segment, value)
        place = circumplex.place(segment.scores)
        for name, value in zip(("valence", "arousal"), place or (), strict=False):
            self.projected.setdefault(name, _Bins()).add(segment, value)
        if segment.emotion is not None:
            self._name(segment, segment.emotion)
        if segment.scores or segment.dimensions:
            self._compare(segment)

    def _name(self, segment: Segment, emotion: str) -> None:
        self.named[emotion] = self.named.get(emotion, 0.0) + segment.duration
        self.n_changes += self.last_name not in (None, emotion)
        self.last_name = emotion
        if emotion not in self.surest or segment.confidence > self.surest[emotion].confidence:
            self.surest[emotion] = Moment(segment.start, segment.end, segment.confidence)

    def _compare(self, segment: Segment) -> None:
        before, self.last = self.last, segment
        size = 0.0 if before is None else _distance(before, segment)
        if before is not None and size > 0:
            self.changes.append(Change(segment.start, before.emotion, segment.emotion, size))
            self.changes = sorted(self.changes, key=lambda change: (-change.size, change.at))[:LARGEST]

    def summary(self, source: Path | None, channel: int | None) -> ChannelSummary:
        bins = self.predicted or self.projected
        return ChannelSummary(
            file=None if source is None else str(source),
            channel=channel,
            duration=self.duration,
            speech=self.speech,
            uncertain=self.uncertain,
            named={name: self.named[name] for name in in_order(self.named)},
            expected={name: self.expected[name] for name in in_order(self.expected)},
            courses={name: kept.course() for name, kept in bins.items()},
            projected=bool(bins) and not self.predicted,
            surest={name: self.surest[name] for name in in_order(self.surest)},
            largest_changes=tuple(self.changes),
            n_changes=self.n_changes,
        )


class _Bins:
    """Sums over time in at most `POINTS` steps of equal length, which are joined in pairs when they are too many."""

    def __init__(self) -> None:
        self.step = FINEST
        self.seconds: list[float] = []
        self.sums: list[float] = []

    def add(self, segment: Segment, value: float) -> None:
        while segment.end > self.step * POINTS:
            self.step *= 2
            self.seconds, self.sums = _in_pairs(self.seconds), _in_pairs(self.sums)
        first = int(segment.start // self.step)
        last = max(first + 1, math.ceil(segment.end / self.step))
        missing = [0.0] * (last - len(self.seconds))
        self.seconds += missing
        self.sums += missing
        for place in range(first, last):
            within = min(segment.end, (place + 1) * self.step) - max(segment.start, place * self.step)
            self.seconds[place] += within
            self.sums[place] += within * value

    def course(self) -> Course:
        means = [total / seconds if seconds else None for total, seconds in zip(self.sums, self.seconds, strict=True)]
        return Course(_share(sum(self.sums), sum(self.seconds)), self.step, tuple(means))


def _in_pairs(values: list[float]) -> list[float]:
    return [sum(values[place : place + 2]) for place in range(0, len(values), 2)]


def _distance(one: Segment, other: Segment) -> float:
    if one.scores and other.scores:
        names = set(one.scores) | set(other.scores)
        return sum(abs(one.scores.get(name, 0.0) - other.scores.get(name, 0.0)) for name in names) / 2
    names = set(one.dimensions) & set(other.dimensions)
    return math.dist([one.dimensions[name] for name in names], [other.dimensions[name] for name in names])


def _share(part: float, whole: float) -> float:
    return part / whole if whole else 0.0


def _rounded(value: Any) -> Any:
    if isinstance(value, float):
        return round(value, _ROUNDING)
    if isinstance(value, Mapping):
        return {name: _rounded(each) for name, each in value.items()}
    return [_rounded(each) for each in value] if isinstance(value, tuple) else value


def _clock(seconds: float) -> str:
    """``3:07``, or ``1:03:07``."""
    minutes, second = divmod(round(seconds), 60)
    hours, minute = divmod(minutes, 60)
    return f"{hours}:{minute:02}:{second:02}" if hours else f"{minute}:{second:02}"


def _percent(share: float) -> str:
    return f"{100 * share:.0f} %"
