"""A recogniser's answers to many recordings under many conditions, shared among processes."""

from __future__ import annotations

import functools
import math
import zlib
from collections.abc import Callable, Iterator, Sequence
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from emotone import audio
from emotone.audio import SAMPLE_RATE, Signal
from emotone.errors import ConfigError, EmotoneError
from emotone.features.pitch import track_pitch
from emotone.features.workers import Workers, n_processors
from emotone.recogniser import Recogniser
from emotone.stress.conditions import Condition

__all__ = ["Answers", "Clip", "listen"]

LOST = "The process that read it died, as of a crash in a decoder or for want of memory."

_HOP = SAMPLE_RATE // 100  # of the pitch track


class Clip(NamedTuple):
    """A part of a file, and whether it is to be heard under all conditions or just clean."""

    path: str
    start: float
    end: float | None
    stressed: bool


class Answers(NamedTuple):
    """What was heard in a clip: clean first, then under each condition if it was stressed."""

    proba: NDArray[np.float32]
    """``(1 + n_conditions, n_labels)``; rows of NaN where the recogniser refused to judge"""
    abstained: NDArray[np.bool_]
    """Where no emotion was named: refused, or unsure."""
    seconds: float
    hertz: float
    """Mean pitch of what is voiced; NaN if nothing is."""


def listen(
    recogniser: Recogniser,
    clips: Sequence[Clip],
    conditions: Sequence[Condition],
    *,
    jobs: int | None,
    seed: int,
    progress: Callable[[int, int], None] | None,
) -> list[Answers | str]:
    """For each clip its answers, or in a sentence why there are none. ``progress(done, total)`` counts answers.

    What a condition draws depends on ``seed``, its name and the clip's place in the list alone, not on ``jobs``.
    """
    work = functools.partial(_answers, recogniser, tuple(conditions), seed)
    found: list[Answers | str] = [LOST] * len(clips)
    sizes = [1 + len(conditions) * clip.stressed for clip in clips]
    done, total = 0, sum(sizes)
    for index, outcome in _shared(work, list(enumerate(clips)), n_jobs(jobs)):
        found[index] = outcome
        done += sizes[index]
        if progress is not None:
            progress(done, total)
    return found


def n_jobs(jobs: int | None) -> int:
    """How many processes; None: one per processor."""
    if jobs is not None and (isinstance(jobs, bool) or not isinstance(jobs, int) or jobs < 1):
        raise ConfigError(f"The number of jobs is a whole number from 1, or None, not {jobs!r}.")
    return jobs or n_processors()


_Task = tuple[int, Clip]


def _shared(
    work: Callable[[_Task], Answers | str], tasks: list[_Task], jobs: int
) -> Iterator[tuple[int, Answers | str]]:
    if jobs == 1 or len(tasks) < 2:
        yield from ((task[0], work(task)) for task in tasks)
        return
    workers: Workers[_Task, Answers | str] = Workers(work, jobs, lost=LOST)
    with workers:
        for task, outcome in workers.map(tasks):
            yield task[0], outcome


def _answers(recogniser: Recogniser, conditions: tuple[Condition, ...], seed: int, task: _Task) -> Answers | str:
    """The work itself, done in a worker or here."""
    index, clip = task
    try:
        signal = audio.load(clip.path, start=clip.start, end=clip.end)
        proba, abstained = _judged(recogniser, signal)
        heard = [(proba, abstained)]
        for condition in conditions if clip.stressed else ():
            rng = np.random.default_rng([seed, zlib.crc32(condition.name.encode()), index])
            heard.append(_judged(recogniser, condition.transform(signal, rng)))
        hertz = _mean_pitch(signal)
    except EmotoneError as error:
        return str(error)
    except Exception as error:  # one recording's fault shouldn't cost the others
        return f"It broke the test ({type(error).__name__}: {error})."
    return Answers(
        np.stack([row for row, _ in heard]),
        np.array([flag for _, flag in heard]),
        len(signal) / SAMPLE_RATE,
        hertz,
    )


def _judged(recogniser: Recogniser, signal: Signal) -> tuple[NDArray[np.float32], bool]:
    answer = recogniser.predict(signal)
    proba = [answer.scores.get(label, math.nan) for label in recogniser.labels]
    return np.array(proba, np.float32), answer.emotion is None


def _mean_pitch(signal: Signal) -> float:
    track = track_pitch(signal, 1 + len(signal) // _HOP)
    return float(track.hz[track.voiced].mean()) if track.voiced.any() else math.nan
