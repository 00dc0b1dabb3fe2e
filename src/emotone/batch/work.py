"""The work: a listed recording in, rows and failures out. The same in every engine, in every process.

A recording that can't be used is a `Failure`, never an exception: ten thousand others wait behind it.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from emotone import audio, features, timeline
from emotone.batch import reading
from emotone.batch.schema import Column, columns
from emotone.errors import AudioError, ConfigError, EmotoneError, unknown
from emotone.recogniser import LONGEST
from emotone.segment import Segment
from emotone.stream import StreamOptions

if TYPE_CHECKING:
    from emotone.features import FrontEnd
    from emotone.recogniser import Recogniser

__all__ = ["LOST", "STAGES", "WHAT", "Annotator", "Failure", "Item", "Job", "Piece", "Task", "lost"]

WHAT = ("predictions", "timeline", "embeddings", "features")
"""What an archive can hold: an answer for each recording, segments from its beginning to its end, the recogniser's
vectors for search and clustering, or a front-end's to learn from."""

STAGES = ("list", "read", "decode", "recognise", "write")
"""Where a recording can fail: as it is named, fetched, decoded, judged, and written."""

LOST = "Every process that heard it died, as of a crash in a decoder or for want of memory."

Row = tuple[Any, ...]
Vector = NDArray[np.float32]
At = Callable[[str], None]
"""Told at which of `STAGES` the work is."""


@dataclass(frozen=True)
class Item:
    """What was listed: a recording, a part of one from ``start`` to ``end`` (seconds; None: from its beginning, to its
    end), or a tar of recordings."""

    file: str
    """Its name in all tables."""
    start: float | None = None
    end: float | None = None
    path: str | None = None
    """Where it is, if that isn't its name: below a root, or with bytes in its name that aren't UTF-8."""

    @property
    def place(self) -> str:
        """What to open."""
        return self.path or self.file

    @property
    def is_tar(self) -> bool:
        """Whether its members are the recordings."""
        return reading.is_tar(self.place)

    @property
    def is_part(self) -> bool:
        """Whether it is less than a whole recording."""
        return bool(self.start) or self.end is not None


@dataclass(frozen=True)
class Task:
    """An item, and where its rows belong. Of a tar's recordings, those from ``first`` to before ``last``."""

    shard: int
    position: int
    item: Item
    first: int = 0
    last: int | None = None

    def but(self, *, first: int, last: int | None = None) -> Task:
        """The same for other members."""
        return replace(self, first=first, last=last)


class Failure(NamedTuple):
    """A recording, or a part of it, without rows: at which of `STAGES`, and why, in a sentence."""

    file: str
    start: float | None
    end: float | None
    stage: str
    reason: str


class Piece(NamedTuple):
    """What came of one recording. A task of a tar has one for each member, in their order; ``done`` is the last."""

    shard: int
    position: int
    member: int
    rows: tuple[Row, ...]
    """Cells in the order of `Job.columns`."""
    failures: tuple[Failure, ...]
    seconds: float
    """Of sound that was heard."""
    done: bool

    def ends(self, task: Task) -> bool:
        """Whether it stands for no recording, but for the end of the tar of ``task``, or for where that breaks off."""
        return task.item.is_tar and not self.rows and all(failed.file == task.item.file for failed in self.failures)


@dataclass(frozen=True)
class Job:
    """What is done with every recording. Made by `Job.of`; sent to each worker process once."""

    what: str
    recogniser: Recogniser | None
    frontend: FrontEnd | None
    channels: str
    adapt: bool
    width: int
    """How many numbers a vector has; 0 where there is none."""

    @classmethod
    def of(
        cls,
        what: str,
        *,
        recogniser: Recogniser | None = None,
        frontend: FrontEnd | None = None,
        channels: str = "mix",
        adapt: bool = False,
    ) -> Job:
        """A job that can be done. ``features`` wants a ``frontend``, everything else a ``recogniser``.

        ``channels`` is ``mix`` or ``each``; with ``adapt``, a timeline judges by the voice heard so far in the same
        recording. Raises `ConfigError` for what doesn't go together.
        """
        if what not in WHAT:
            raise unknown("kind of archive", what, WHAT)
        if channels not in timeline.CHANNELS:
            raise unknown("choice of channels", channels, timeline.CHANNELS)
        if adapt and what != "timeline":
            raise ConfigError(
                f"To adapt is to judge by the voice heard before in the same recording, and {what} have no before. "
                "Ask for a timeline."
            )
        if adapt and recogniser is not None and not recogniser.can_adapt:
            recogniser.knowing([])  # says why it can't
        if (what == "features") != (frontend is not None) or (what != "features") != (recogniser is not None):
            wanted = "a front-end and no recogniser" if what == "features" else "a recogniser and no front-end"
            raise ConfigError(f"An archive of {what} needs {wanted}.")
        return cls(what, recogniser, frontend, channels, adapt, _width(what, recogniser, frontend))

    @property
    def columns(self) -> tuple[Column, ...]:
        """Of a row; see `emotone.batch.schema`."""
        labels = self.recogniser.labels if self.recogniser is not None else ()
        dimensions = tuple(self.recogniser.dimensions) if self.recogniser is not None else ()
        return columns(self.what, labels, dimensions, self.width)


class Annotator:
    """Does a job's tasks, one after the other. Each worker process has one."""

    def __init__(self, job: Job) -> None:
        self._job = job
        self._names = tuple(column.name for column in job.columns)
        self._hear = {
            "predictions": self._predicted,
            "timeline": self._over_time,
            "embeddings": self._embedded,
            "features": self._described,
        }[job.what]

    def pieces(self, task: Task, at: At = lambda stage: None) -> Iterator[Piece]:
        """What came of each recording of ``task``, as it is ready. ``at`` is told the stages on the way."""
        at("read")
        if task.item.is_tar:
            yield from self._members(task, at)
            return
        item = task.item
        try:
            with reading.readable(item.place) as path:
                found = self._heard(item, path, at)
        except EmotoneError as error:
            found = _Found(failures=[_failure(item, "read", str(error).replace(item.place, item.file))])
        except Exception as error:  # of a kind of address that nobody has tried
            reason = f"{item.file} can't be read ({type(error).__name__}: {reading.words(error)})."
            found = _Found(failures=[_failure(item, "read", reason)])
        yield found.as_piece(task, 0, done=True)

    def _members(self, task: Task, at: At) -> Iterator[Piece]:
        number = task.first
        try:
            for member in reading.members(task.item.place, task.first):
                item = Item(member.name.replace(task.item.place, task.item.file, 1))
                if member.path is None:
                    found = _Found(failures=[_failure(item, "read", member.trouble)])
                else:
                    found = self._heard(item, member.path, at)
                is_last = task.last is not None and number + 1 >= task.last
                yield found.as_piece(task, number, done=is_last)
                if is_last:
                    return
                number += 1
                at("read")
        except EmotoneError as error:
            reason = str(error).replace(task.item.place, task.item.file)
            yield _Found(failures=[_failure(task.item, "read", reason)]).as_piece(task, number, done=True)
            return
        yield _Found().as_piece(task, number, done=True)

    def _heard(self, item: Item, path: Path, at: At) -> _Found:
        """What came of a recording that can be read under ``path``."""
        found = _Found()
        stage = "decode"

        def now(at_stage: str) -> None:
            nonlocal stage
            stage = at_stage
            at(at_stage)

        now("decode")
        try:
            if self._job.channels == "each" and item.is_part:
                stage = "list"
                raise AudioError(
                    f"{item.file} is to be heard from {item.start or 0:g} s on, and channels are only heard one by one "
                    "in whole recordings. List the whole, or mix the channels."
                )
            self._hear(item, path, found, now)
        except EmotoneError as error:
            found.failures.append(_failure(item, stage, _named(error, path, item)))
        except Exception as error:  # one recording's fault shouldn't cost the ten thousand others
            reason = f"{item.file} broke the recogniser ({type(error).__name__}: {reading.words(error)})."
            found.failures.append(_failure(item, "recognise", reason))
        return found

    # --- what is asked for ---

    def _predicted(self, item: Item, path: Path, found: _Found, at: At) -> None:
        assert self._job.recogniser is not None
        for channel, source in self._utterances(item, path):
            segment, _ = self._job.recogniser.hear(source)
            found.rows.append(self._row(item, replace(segment, channel=channel)))
            found.seconds += segment.end

    def _embedded(self, item: Item, path: Path, found: _Found, at: At) -> None:
        assert self._job.recogniser is not None
        for channel, source in self._utterances(item, path):
            segment, embedding = self._job.recogniser.hear(source)
            found.rows.append(self._row(item, replace(segment, channel=channel), embedding))
            found.seconds += segment.end

    def _described(self, item: Item, path: Path, found: _Found, at: At) -> None:
        frontend = self._job.frontend
        assert frontend is not None
        for channel, source in self._utterances(item, path):
            signal = source if isinstance(source, np.ndarray) else _short_enough(source, frontend.rate)
            at("recognise")
            vector = np.asarray(frontend(signal), np.float32)
            if vector.shape != (self._job.width,) or not np.isfinite(vector).all():
                raise AudioError(
                    f"{item.file} has {frontend.name} features with the shape {vector.shape}, of {self._job.width} "
                    "numbers, or such that aren't finite."
                )
            flags = audio.flags(signal, frontend.rate)
            end = len(signal) / frontend.rate
            found.rows.append(self._row(item, Segment(0.0, end, None, 0.0, {}, flags, channel=channel), vector))
            found.seconds += end
            at("decode")

    def _over_time(self, item: Item, path: Path, found: _Found, at: At) -> None:
        def heard(seconds: float) -> None:
            found.seconds += seconds
            at("decode")  # a sign of life, for a recording may last ten hours; and what comes next

        source = audio.load(path, start=item.start or 0.0, end=item.end) if item.is_part else path
        segments = timeline.segments(
            self._job.recogniser,  # type: ignore[arg-type]
            source,
            options=StreamOptions(adapt=self._job.adapt),
            channels=self._job.channels,
            heard=heard,
        )
        for segment in segments:
            found.rows.append(self._row(item, segment))

    def _utterances(self, item: Item, path: Path) -> Iterator[tuple[int | None, Path | audio.Signal]]:
        """Channels and their sound; a path stands for the whole of it, so that answers are those of `predict`."""
        rate = audio.SAMPLE_RATE if self._job.frontend is None else self._job.frontend.rate
        if self._job.channels == "each":
            for channel in range(timeline.n_channels(path)):
                yield channel, _one_channel(path, channel, rate)
        elif item.is_part:
            start = item.start or 0.0
            end = start + LONGEST + 1 if item.end is None else min(item.end, start + LONGEST + 1)
            yield None, _checked_length(path, audio.load(path, start=start, end=end, rate=rate), rate)
        else:
            yield None, path

    def _row(self, item: Item, segment: Segment, vector: Vector | None = None) -> Row:
        offset = item.start or 0.0
        cells: dict[str, Any] = {
            "file": item.file,
            "channel": segment.channel,
            "speaker": segment.speaker,
            "start": offset + segment.start,
            "end": offset + segment.end,
            "emotion": segment.emotion,
            "confidence": segment.confidence,
            "flags": list(segment.flags),
            "likely": list(segment.likely),
            "embedding": vector,
            "features": vector,
            **{f"p_{name}": score for name, score in segment.scores.items()},
            **segment.dimensions,
        }
        return tuple(cells.get(name) for name in self._names)


def lost(task: Task, member: int, stage: str, reason: str = LOST, *, done: bool) -> Piece:
    """The piece of a recording over which workers died."""
    failure = _failure(task.item, stage, reason)
    if task.item.is_tar:
        failure = failure._replace(reason=f"Its recording number {member + 1}: {reason}")
    return _Found(failures=[failure]).as_piece(task, member, done=done)


class _Found:
    """Rows and failures of one recording, as they come."""

    def __init__(self, failures: Sequence[Failure] = ()) -> None:
        self.rows: list[Row] = []
        self.failures = list(failures)
        self.seconds = 0.0

    def as_piece(self, task: Task, member: int, *, done: bool) -> Piece:
        return Piece(task.shard, task.position, member, tuple(self.rows), tuple(self.failures), self.seconds, done)


def _failure(item: Item, stage: str, reason: str) -> Failure:
    return Failure(item.file, item.start, item.end, stage, reason)


def _named(error: EmotoneError, path: Path, item: Item) -> str:
    """The error's sentence, with the recording's name for what stood in for it."""
    message = str(error).replace(str(path), item.file)
    return message.replace("The signal", item.file, 1) if message.startswith("The signal") else message


def _one_channel(path: Path, channel: int, rate: int) -> audio.Signal:
    blocks, n_samples = [], 0
    for block in audio.blocks(path, rate=rate, channel=channel):
        blocks.append(block)
        n_samples += len(block)
        if n_samples > LONGEST * rate:
            break
    return _checked_length(path, np.concatenate(blocks), rate)


def _short_enough(path: Path, rate: int) -> audio.Signal:
    return _checked_length(path, audio.load(path, end=LONGEST + 1, rate=rate), rate)


def _checked_length(path: Path, signal: audio.Signal, rate: int) -> audio.Signal:
    """``signal``, if it can be taken as one utterance."""
    if len(signal) > LONGEST * rate:
        raise AudioError(
            f"{path} lasts more than {LONGEST / 60:.0f} minutes, too long for one answer. List parts of it, or ask for "
            "a timeline."
        )
    return signal


def _width(what: str, recogniser: Recogniser | None, frontend: FrontEnd | None) -> int:
    """How many numbers a vector has. Raises `ConfigError` where there are none to be had."""
    if frontend is not None:
        if features.gives_signals(frontend) or not frontend.names:
            raise ConfigError(
                f"The features {frontend.name!r} are the signals themselves, and don't fit in a table. Name others."
            )
        return len(frontend.names)
    if what != "embeddings" or recogniser is None:
        return 0
    # Only the graph knows. A second of a tone is a sound like any other.
    tone = np.sin(np.arange(audio.SAMPLE_RATE, dtype=np.float32) / 10) / 2
    embedding = recogniser.hear(np.asarray(tone, np.float32))[1]
    if embedding is None:
        raise ConfigError(f"The recogniser {recogniser.name!r} gives no embeddings. Use one that does, as the default.")
    return len(embedding)
