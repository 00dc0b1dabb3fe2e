"""Emotion over time: sound in, in pieces of any size, and segments out as soon as they are certain.

One state machine for files, microphones and sockets. It works on frames of 32 ms and knows nothing of the pieces that
they came in, so any way to cut the same sound into pieces gives the same segments, to the last bit.

::

    signal -> frames -> a voice's probability -> utterances, which end where speech pauses
    utterance up to 8 s -> one answer of the recogniser, the same as if it had been given alone
    longer -> overlapping windows -> parts between the changes of emotion (`emotone.moments`)
    what lies between utterances -> a segment without emotion, with the flag ``no_speech``

Segments follow each other without gap or overlap, from 0 to the end of the sound. Their times are whole samples divided
by the rate once, so that they are exact after hours, too. The sound that is kept is that of the utterance being spoken,
or of its last seconds: memory doesn't grow with time.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Iterable
from concurrent.futures import Executor
from dataclasses import dataclass, field, replace
from functools import partial
from pathlib import Path
from typing import TypeAlias

import numpy as np

from emotone.audio import SAMPLE_RATE, Signal
from emotone.errors import AudioError, ConfigError
from emotone.moments import Answer, MomentOptions, Moments, Part
from emotone.segment import Segment
from emotone.turns import Answering, Embedding, Listeners, Turn, Turns
from emotone.voice import FRAME, Stretch, Utterances, Voice, VoiceOptions, frames

__all__ = ["Stream", "StreamOptions"]

Telling: TypeAlias = Callable[[], list[Segment]]
"""What is to be said next, and may still be worked on."""

NO_SPEECH = Segment(0.0, 0.0, None, 0.0, {}, ("no_speech",))

_PIECE = 960 * FRAME  # 31 s are heard at once, so that memory is bounded whatever is fed


@dataclass(frozen=True)
class StreamOptions:
    """All that can be set about a stream. Raises `ConfigError` for values that can't be."""

    voice: VoiceOptions = field(default_factory=VoiceOptions)
    """What counts as speech, and which pause ends an utterance."""

    moments: MomentOptions = field(default_factory=MomentOptions)
    """How utterances are heard that are too long for one answer."""

    longest: float = 8.0
    """Seconds up to which an utterance gets one answer. Recognisers learn from utterances of one to ten seconds; people
    rarely go on for longer without a pause, and within longer ones moods can change."""

    provisional: float = 0.5
    """Seconds after which the provisional answer is renewed, while somebody speaks."""

    adapt: bool = False
    """Come to know each speaker while they speak, and judge by it: those whom turns name, or else all as one. Only if
    asked for, since all must really be one then, and since the same words get another answer later on."""

    def __post_init__(self) -> None:
        if not self.moments.window <= self.longest <= 60:
            raise ConfigError(
                f"The longest utterance with one answer lasts from one window ({self.moments.window} s) to 60 s, not "
                f"{self.longest} s."
            )
        if not 0.1 <= self.provisional <= 10:
            raise ConfigError(f"Provisional answers come every 0.1 to 10 s, not every {self.provisional} s.")


class Stream:
    """The segments of one channel of sound that comes in pieces. Made by `Recogniser.stream`.

    ``feed`` it, take the segments it returns, and ``flush`` it at the end. It belongs to one thread.
    """

    def __init__(
        self,
        recogniser: Answering,
        options: StreamOptions | None = None,
        *,
        channel: int | None = None,
        turns: Iterable[Turn | tuple[float, float, str]] = (),
        source: Path | None = None,
        ahead: Executor | None = None,
    ) -> None:
        """Utterances are cut where one of the ``turns`` starts or ends. Segments name the speaker, the ``channel`` and,
        for players, the ``source``. Threads that work ``ahead`` share the work on each piece that is fed, where it has
        several utterances or long ones; the segments are the same.

        Raises `ConfigError` for turns that end before they start and for a recogniser that should adapt and can't;
        `MissingExtra` where the package that finds speech isn't installed.
        """
        self.options = options or StreamOptions()
        self._channel, self._source, self._ahead = channel, source, ahead
        self._turns = Turns(turns)
        self._listeners = Listeners(recogniser, adapt=self.options.adapt)
        self._embeddings: list[Embedding] = []  # of the utterance being spoken
        self._heard = 0  # the frame up to which there are any
        self._longest, self._tick = frames(self.options.longest), frames(self.options.provisional)
        self._cuts = deque(self._turns.cuts)
        self._voice, self._utterances = Voice(), Utterances(self.options.voice)
        self._moments: Moments | None = None  # of the utterance being spoken, once it is long
        self._tape = _Tape()
        self._rest = np.zeros(0, np.float32)  # what doesn't fill a frame yet
        self._n_samples = 0
        self._told = 0  # the frame up to which segments were returned
        self._guess: tuple[int, Segment] | None = None
        self._over = False

    # --- sound in, segments out ---

    def feed(self, signal: Signal) -> list[Segment]:
        """Hear the next piece, float32 ``(samples,)``, 16 kHz, of any length; the segments that became certain.

        Raises `AudioError` for what is no signal, and leaves the stream as it was; `ConfigError` after `flush`.
        """
        self._check(signal)
        self._n_samples += len(signal)
        sound = np.concatenate([self._rest, signal])
        n_whole = len(sound) // FRAME * FRAME
        self._rest = sound[n_whole:].copy()
        return [told for first in range(0, n_whole, _PIECE) for told in self._hear(sound[first:n_whole][:_PIECE])]

    def flush(self) -> list[Segment]:
        """The segments that are left, up to the last sample: the sound is over, and so is the stream."""
        if self._over:
            return []
        self._over = True
        found = self._hear(self._rest) if len(self._rest) else []
        stretch = self._utterances.end()
        told = [] if stretch is None else self._closed(stretch)
        return found + _resolved(told + self._quiet(self._tape.end))

    @property
    def seconds(self) -> float:
        """How much was heard."""
        return self._n_samples / SAMPLE_RATE

    @property
    def told(self) -> float:
        """Up to where segments were returned, in seconds. What was heard since is an utterance or a silence that isn't
        over."""
        return self._time(self._told)

    @property
    def speaking(self) -> bool:
        """Whether somebody is speaking, or paused a moment ago."""
        return not self._over and self._utterances.start is not None

    @property
    def provisional(self) -> Segment | None:
        """The answer so far to what is being spoken, of its last window (3 s); None while nobody speaks.

        It is renewed every half a second of speech, and only if somebody asks for it. What becomes certain comes from
        `feed` and doesn't depend on it.
        """
        start = self._utterances.start
        n_ticks = 0 if start is None or self._over else (self._utterances.spoken - start) // self._tick
        if start is None or not n_ticks:
            return None
        end = start + n_ticks * self._tick
        if self._guess is None or self._guess[0] != end:
            first = max(start, self._tape.first, end - frames(self.options.moments.window))
            answer, _ = self._listener(start, end).hear(self._tape.take(first, end))
            self._guess = end, self._placed(answer, max(start, self._told), end)
        return self._guess[1]

    # --- frame by frame ---

    def _hear(self, sound: Signal) -> list[Segment]:
        told: list[Telling] = []
        for i, probability in enumerate(self._voice(sound)):
            told += self._hear_frame(sound[i * FRAME : (i + 1) * FRAME], float(probability))
        found = _resolved(told)
        self._tape.forget(self._utterances.needed if self._moments is None else self._moments.needed)
        return found

    def _hear_frame(self, frame: Signal, probability: float) -> list[Telling]:
        told = self._turn_over()
        self._tape.append(frame)
        ended = self._utterances.add(probability)
        start = self._utterances.start
        if ended is not None:
            told += self._closed(ended)
        elif start is not None:
            told += self._quiet(start) + self._spoken(start, self._utterances.spoken)
        return told

    def _turn_over(self) -> list[Telling]:
        if not self._cuts or self._cuts[0] > self._tape.end:
            return []
        self._cuts.popleft()
        ended = self._utterances.cut()
        return [] if ended is None else self._closed(ended)

    def _spoken(self, start: int, end: int) -> list[Telling]:
        """What is certain of an utterance that lasts from ``start`` to ``end`` or longer."""
        if self._moments is None and end - start > self._longest:
            self._moments = Moments(start, options=self.options.moments, ask=self._ask, quietest=self._tape.quietest)
        if self._moments is None or not self._moments.listen(end):
            return []
        return [partial(self._parts, self._moments.until, end)]

    def _closed(self, stretch: Stretch) -> list[Telling]:
        """What is left to say about an utterance that is over."""
        told = self._quiet(stretch.start)
        if self._moments is not None:
            self._moments.listen(stretch.end, over=True)
            told.append(partial(self._parts, self._moments.close, stretch.end))
            self._moments = None
        else:
            told.append(partial(self._whole, self._ask(*stretch), *stretch))
        self._listeners.learn(self._turns.speaker(*stretch), self._embeddings)
        self._embeddings, self._told = [], stretch.end
        return told

    def _quiet(self, end: int) -> list[Telling]:
        """The non-speech up to the frame ``end``, if there is any that wasn't told."""
        start, self._told = self._told, max(self._told, end)
        return [lambda: [self._placed(NO_SPEECH, start, end)]] if start < end else []

    # --- answers, once they are there ---

    def _whole(self, answer: Answer, first: int, last: int) -> list[Segment]:
        return [self._placed(answer(), first, last)]

    def _parts(self, found: Callable[[int], list[Part]], end: int) -> list[Segment]:
        parts = found(end)
        self._told = max([self._told, *(part.end for part in parts)])
        return [self._judged(part) for part in parts]

    def _listener(self, first: int, last: int) -> Answering:
        return self._listeners.of(self._turns.speaker(first, last))

    def _ask(self, first: int, last: int) -> Answer:
        listener, sound = self._listener(first, last), self._tape.take(first, last)
        if self._ahead is not None and not self.options.adapt:
            promise = self._ahead.submit(listener.hear, sound)
            return lambda: promise.result()[0]
        answer, embedding = listener.hear(sound)
        # Windows overlap; those that count don't, but for what rounding to frames leaves.
        if embedding is not None and first > self._heard - frames(self.options.moments.hop):
            self._embeddings.append(embedding)
            self._heard = last
        return lambda: answer

    def _judged(self, part: Part) -> Segment:
        start, end, flags = self._time(part.start), self._time(part.end), part.flags
        if not part.values:
            segment = Segment(start, end, None, 0.0, {}, ("no_speech", *flags))
        elif (listener := self._listener(part.start, part.end)).labels:
            segment = listener.judged(part.values, start=start, end=end, flags=flags)
        else:
            segment = Segment(start, end, None, 0.0, {}, flags, dimensions=part.values)
        return self._placed(segment, part.start, part.end)

    def _placed(self, segment: Segment, first: int, last: int) -> Segment:
        start, end = self._time(first), self._time(last)
        speaker = None if "no_speech" in segment.flags else self._turns.speaker(first, last)
        return replace(segment, start=start, end=end, speaker=speaker, channel=self._channel, source=self._source)

    def _time(self, frame: int) -> float:
        return min(frame * FRAME, self._n_samples) / SAMPLE_RATE  # the last frame may not be full

    def _check(self, signal: Signal) -> None:
        if self._over:
            raise ConfigError("This stream was flushed, so it is over. Begin another one: recogniser.stream().")
        if not isinstance(signal, np.ndarray) or signal.dtype != np.float32 or signal.ndim != 1:
            kind = type(signal).__name__
            what = f"{signal.dtype} with the shape {signal.shape}" if isinstance(signal, np.ndarray) else f"a {kind}"
            raise AudioError(
                f"A stream takes float32 samples, mono with the shape (samples,), at {SAMPLE_RATE} Hz, not {what}. "
                "Turn samples into a signal: emotone.audio.convert(samples, rate)."
            )
        if not np.isfinite(signal).all():
            raise AudioError(
                f"After {self.seconds:.2f} s there are samples that are NaN or infinite. Whatever records them has a "
                "fault; leave them out."
            )


def _resolved(told: list[Telling]) -> list[Segment]:
    return [segment for tell in told for segment in tell()]


class _Tape:
    """The last frames of the sound."""

    def __init__(self) -> None:
        self._frames: list[Signal] = []
        self.first = 0
        """The first frame that is still there."""

    @property
    def end(self) -> int:
        """Behind the last frame."""
        return self.first + len(self._frames)

    def append(self, frame: Signal) -> None:
        self._frames.append(frame)

    def forget(self, before: int) -> None:
        n = before - self.first
        if n > 0:
            del self._frames[:n]
            self.first = before

    def take(self, first: int, last: int) -> Signal:
        """The sound of the frames from ``first`` to before ``last``."""
        return np.concatenate(self._frames[first - self.first : last - self.first])

    def quietest(self, first: int, last: int) -> int:
        """The frame in whose neighbourhood there is the least sound; the earliest of equals."""
        around = range(max(self.first, first - 1), min(self.end, last + 1))
        power = [float(np.dot(self._frames[i - self.first], self._frames[i - self.first])) for i in around]
        near = np.convolve(power, np.ones(3), mode="same")[first - around.start :][: last - first]
        return first + int(near.argmin())
