"""`Recogniser`: a front-end, a trained model as ONNX, its labels or dimensions, and what is known about it.

Recordings in, answers out, without scikit-learn, librosa or torch. `load` gets one; `emotone.saved` is about
the folder it lives in.
"""

from __future__ import annotations

import os
from collections.abc import Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, TypeAlias, TypeVar

import numpy as np
import numpy.typing as npt
import onnxruntime

from emotone import __version__, audio, features, saved
from emotone.audio import Signal
from emotone.card import as_html, write_card
from emotone.errors import AudioError, ConfigError, EmotoneError, RecogniserError
from emotone.features import FrontEnd, waveform
from emotone.saved import Parts
from emotone.segment import Segment

__all__ = ["LONG", "LONGEST", "Recogniser", "load", "names"]

Source: TypeAlias = "str | os.PathLike[str] | Signal"
Given = TypeVar("Given", bound="Source")

LONG = 30.0
"""Seconds above which an answer has the flag ``long``: models learn from utterances of one to ten seconds,
and the mean of minutes of speech is the mood of none of them."""

LONGEST = 600.0
"""Seconds that are still taken as one utterance: so no recording asks for more than about 1 GB of memory."""

BUNDLED = Path(__file__).with_name("recognisers")
DEFAULT = "default"

# Flags of the sound that leave nothing to judge, and what a segment calls them.
_REFUSALS = {"too_short": "too_short", "silent": "no_speech"}

SAMPLES = "samples"
"""The second dimension of a graph that takes the waveform itself: any number of them."""

_BATCH = 256  # rows through the model at once: its intermediate arrays are large

_SIGNAL_CURE = "Give a path, or turn samples into a signal: emotone.audio.convert(samples, rate)."


def names() -> tuple[str, ...]:
    """The names of the recognisers that came with emotone."""
    return tuple(sorted(config.parent.name for config in BUNDLED.glob(f"*/{saved.CONFIG}")))


def load(name: str | os.PathLike[str] | None = None, *, threads: int = 1) -> Recogniser:
    """The recogniser in a folder, or the bundled one called ``name``; without either, the bundled default.

    A string that is a bundled name means that one; write ``./default`` for a folder called so. ``threads`` is
    how many the model may use for one call; for models this small, one is fastest.

    Raises `RecogniserError` for a missing, altered or unknown part, and `MissingExtra` if its features need a
    package that isn't installed.
    """
    folder = _folder(name)
    return Recogniser(saved.read(folder), where=str(folder), threads=threads)


class Recogniser:
    """Tells what emotion is heard in a recording. Made by `load`, or by `create` after training.

    It knows either emotions (``labels``) or dimensions such as arousal (``dimensions``). Using it doesn't change it,
    and threads may share it.
    """

    def __init__(self, parts: Parts, *, where: str, threads: int = 1) -> None:
        """From the parts of a saved one; `load` and `create` call this. Errors name ``where`` it is from."""
        config = parts.config
        self.name: str = config["name"]
        self.labels: tuple[str, ...] = tuple(config["labels"])
        self.dimensions: dict[str, tuple[float, float]] = {
            dimension["name"]: (dimension["low"], dimension["high"]) for dimension in config.get("dimensions", [])
        }
        """What is predicted as a number, with the lowest and highest value of its training rows."""
        self.abstain_below: float = config["abstain_below"]
        self.commercial: bool | None = config["commercial"]
        """Whether the licences of what it was made from allow commercial use; None where that isn't clear."""
        self.card: str = parts.card
        self.frontend: FrontEnd = features.from_description(dict(config["frontend"]))
        self._n_features: int | str = SAMPLES if features.gives_signals(self.frontend) else len(self.frontend.names)
        self._parts, self._where, self._threads = parts, where, threads
        self._session = _session(parts.model, where, threads)
        self._check_widths()

    @classmethod
    def create(
        cls,
        *,
        model_bytes: bytes,
        frontend: FrontEnd,
        labels: Sequence[str] = (),
        dimensions: Mapping[str, tuple[float, float]] | None = None,
        abstain_below: float = 0.0,
        about: Mapping[str, Any],
    ) -> Recogniser:
        """A new recogniser around a trained model.

        ``model_bytes`` is an ONNX graph with one input, float32 features ``(n, d)`` or, where the front-end is
        ``waveform``, signals ``(n, samples)``, and one output, probabilities ``(n, len(labels))`` or numbers
        ``(n, len(dimensions))``: `emotone.models.onnx` and `emotone.models.network_onnx` write them.
        ``labels`` stand in canonical order; ``dimensions`` have the lowest and highest value of their training rows.
        There are either. With a confidence under ``abstain_below`` (0 to 1), no emotion is named. ``about`` is what its
        card tells: see `emotone.saved.configuration`.

        Raises `ConfigError` for facts that can't be, `RecogniserError` for a graph that doesn't fit them.
        """
        config = saved.configuration(
            labels=labels,
            dimensions=dimensions,
            frontend=features.describe(frontend),
            frontend_licence=getattr(frontend, "licence_note", ""),
            model=model_bytes,
            abstain_below=abstain_below,
            about=about,
            version=__version__,
        )
        where = f"The recogniser {config['name']!r}"
        return cls(Parts(config, model_bytes, write_card(config)), where=where)

    def abstaining_below(self, confidence: float) -> Recogniser:
        """The same recogniser with another threshold: 0 always names an emotion, higher ones fewer and surer.

        Its card is written anew. Raises `ConfigError` unless ``confidence`` is from 0 to 1.
        """
        config = saved.resealed(self._parts.config, abstain_below=confidence)
        parts = Parts(config, self._parts.model, write_card(config))
        return Recogniser(parts, where=self._where, threads=self._threads)

    @property
    def config(self) -> dict[str, Any]:
        """What ``config.json`` holds, as a copy."""
        return saved.resealed(self._parts.config)

    def save(self, folder: str | os.PathLike[str]) -> Path:
        """Write the recogniser to ``folder``, replacing one that is there, and return the absolute path.

        The folder appears whole or not at all. Raises `RecogniserError` if it has anything but a recogniser
        in it, or can't be written.
        """
        return saved.write(Path(folder), self._parts)

    # --- answers ---

    def predict(self, source: Source) -> Segment:
        """What is heard in ``source``: a recording's path, or a signal (float32, ``(samples,)``, 16 kHz).

        The whole is taken as one utterance; beyond `LONG` seconds the answer has the flag ``long``. All flags
        are explained in `emotone.segment.FLAGS`. Probabilities are rounded to six decimals.

        Raises `AudioError` for what can't be read, isn't a signal, or lasts longer than `LONGEST`.
        """
        signal = self._signal(source)
        path = None if isinstance(source, np.ndarray) else Path(source)
        end = len(signal) / self.frontend.rate
        heard = audio.flags(signal, self.frontend.rate)
        refusals = tuple(_REFUSALS[flag] for flag in heard if flag in _REFUSALS)
        if refusals:
            return Segment(0.0, end, None, 0.0, {}, refusals, path)
        answer = self._answer(signal, _name(source))
        if self.dimensions:
            flags = ("long",) * (end > LONG) + heard
            return Segment(0.0, end, None, 0.0, {}, flags, path, dimensions=answer)
        scores = answer
        likeliest = max(scores, key=lambda name: scores[name])
        confidence = scores[likeliest]
        unsure = confidence < self.abstain_below
        flags = ("uncertain",) * unsure + ("long",) * (end > LONG) + heard
        return Segment(0.0, end, None if unsure else likeliest, confidence, scores, flags, path)

    def predict_many(self, sources: Iterable[Given]) -> Iterator[tuple[Given, Segment | EmotoneError]]:
        """Each source with its answer, or with the `EmotoneError` that kept it from one, as they are ready."""
        # One after the other: two threads were no faster here, since little of the work is without Python's lock.
        for source in sources:
            try:
                yield source, self.predict(source)
            except EmotoneError as error:
                yield source, error

    def predict_proba(self, X: npt.ArrayLike) -> npt.NDArray[np.float32]:
        """Probabilities, ``(n, len(labels))``, of features, ``(n, d)``, that ``frontend`` gave, or of signals.

        Raises `ConfigError` for features of another shape, or that aren't finite, and where there are no labels.
        """
        if not self.labels:
            raise ConfigError(
                f"{self._where} knows {', '.join(self.dimensions)}, not emotions, and so no probabilities; use "
                "predict_dimensions."
            )
        return self._run(X)

    def predict_dimensions(self, X: npt.ArrayLike) -> npt.NDArray[np.float32]:
        """Numbers, ``(n, len(dimensions))``, of features, ``(n, d)``, that ``frontend`` gave.

        Raises `ConfigError` as `predict_proba` does, and where there are no dimensions.
        """
        if not self.dimensions:
            raise ConfigError(f"{self._where} knows emotions and predicts no dimensions; use predict_proba.")
        return self._run(X)

    def _run(self, X: Any) -> npt.NDArray[np.float32]:
        if self._n_features == SAMPLES:
            answers = [self._heard(signal) for signal in X]
            return np.array(answers, np.float32).reshape(-1, len(self._outputs))
        rows = np.asarray(X, dtype=np.float32)
        if rows.ndim != 2 or rows.shape[1] != self._n_features:
            raise ConfigError(
                f"{self.frontend.name} features have the shape (n, {self._n_features}), not {rows.shape}. "
                "Take them with the recogniser's own frontend."
            )
        if not np.isfinite(rows).all():
            raise ConfigError("Some features are NaN or infinite. Look for the recording at fault.")
        given = self._session.get_inputs()[0].name
        batches = (rows[first : first + _BATCH] for first in range(0, len(rows), _BATCH))
        answers = [self._session.run(None, {given: batch})[0] for batch in batches]
        return np.concatenate([np.zeros((0, len(self._outputs)), np.float32), *answers])

    def _heard(self, signal: npt.NDArray[Any]) -> npt.NDArray[np.float32]:
        """The mean of the answers to the pieces of one signal, ``(len(self._outputs),)``."""
        sound = waveform.as_float(np.asarray(signal))
        if sound.ndim != 1 or not np.isfinite(sound).all():
            raise ConfigError(f"{self._where} hears signals, (samples,) and finite. Look for the recording at fault.")
        short = max(0, waveform.SHORTEST - len(sound))
        cuts = waveform.pieces(len(sound))
        given = self._session.get_inputs()[0].name
        answers = [self._session.run(None, {given: np.pad(sound[cut], (0, short))[np.newaxis]})[0][0] for cut in cuts]
        return np.asarray(np.mean(answers, axis=0), np.float32)

    def _signal(self, source: Source) -> Signal:
        """The sound at the rate the front-end wants."""
        rate = self.frontend.rate
        if isinstance(source, np.ndarray):
            signal = _converted(source, rate)
        elif isinstance(source, str | os.PathLike):
            # One second more than is allowed shows that there is more, without reading hours of it.
            signal = audio.load(source, end=LONGEST + 1, rate=rate)
        else:
            kind = type(source).__name__
            raise AudioError(f"A recording is a path or a numpy array, not {kind}. {_SIGNAL_CURE}")
        if len(signal) > LONGEST * rate:
            raise AudioError(
                f"{_name(source)} lasts more than {LONGEST / 60:.0f} minutes, too long for one answer. "
                "Cut it into utterances, for example with emotone.audio.load(path, start=..., end=...)."
            )
        return signal

    @property
    def _outputs(self) -> tuple[str, ...]:
        """What the model's columns are."""
        return self.labels or tuple(self.dimensions)

    def _answer(self, signal: Signal, name: str) -> dict[str, float]:
        vector = self.frontend(signal)
        if not np.isfinite(vector).all():
            raise AudioError(f"{name} has {self.frontend.name} features that aren't finite. Record it again.")
        values = self._run(vector[np.newaxis])[0]
        return {output: round(float(value), 6) for output, value in zip(self._outputs, values, strict=True)}

    def _check_widths(self) -> None:
        inputs, outputs = self._session.get_inputs(), self._session.get_outputs()
        expected = [self._n_features, len(self._outputs)]
        found = [node.shape[-1] if len(node.shape) == 2 else node.shape for node in (*inputs, *outputs)]
        if found != expected:
            raise RecogniserError(
                f"{self._where} has a model that goes from {found[: len(inputs)]} features to "
                f"{found[len(inputs) :]} {'probabilities' if self.labels else 'numbers'}, but there are {expected[0]} "
                f"features and {expected[1]} {'labels' if self.labels else 'dimensions'}. {saved.CURE}"
            )

    # --- as a Python object ---

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Recogniser) and self._parts == other._parts

    def __hash__(self) -> int:
        return hash(self._parts.model)

    def __reduce__(self) -> tuple[Any, ...]:
        # An ONNX session can't be pickled. Its parts can, for processes that share the work.
        return _rebuilt, (self._parts, self._where, self._threads)

    def __repr__(self) -> str:
        use = {True: "", False: ", not for commercial use", None: ", commercial use not clear"}
        what = f"{len(self.labels)} emotions" if self.labels else ", ".join(self.dimensions)
        return f"<Recogniser {self.name!r}: {what} from {self.frontend.name} features{use[self.commercial]}>"

    def _repr_html_(self) -> str:
        return as_html(self._parts.config, self.card)


def _rebuilt(parts: Parts, where: str, threads: int) -> Recogniser:
    return Recogniser(parts, where=where, threads=threads)


def _name(source: Source) -> str:
    return "The signal" if isinstance(source, np.ndarray) else os.fsdecode(source)


def _converted(signal: npt.NDArray[Any], rate: int) -> Signal:
    if signal.dtype != np.float32 or signal.ndim != 1:
        raise AudioError(
            f"A signal is float32, mono with the shape (samples,), and has {audio.SAMPLE_RATE} Hz; this is "
            f"{signal.dtype} with the shape {signal.shape}. {_SIGNAL_CURE}"
        )
    return audio.convert(signal, audio.SAMPLE_RATE, to=rate)


def _session(model: bytes, where: str, threads: int) -> Any:
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = threads
    options.inter_op_num_threads = 1
    options.log_severity_level = 4  # its complaints come as exceptions too, and stderr isn't its to write to
    try:
        return onnxruntime.InferenceSession(model, options, providers=["CPUExecutionProvider"])
    except Exception as error:  # onnxruntime has a dozen error classes, without a common one of its own
        reason = " ".join(str(error).split())[:200]
        raise RecogniserError(
            f"{where} has a model that onnxruntime {onnxruntime.__version__} can't load ({reason}). Upgrade "
            "with: pip install --upgrade onnxruntime. If that doesn't help, save the recogniser again."
        ) from error


def _folder(name: str | os.PathLike[str] | None) -> Path:
    bundled = names()
    if name is None and DEFAULT not in bundled:
        raise RecogniserError(
            "This emotone came without a recogniser. Give the folder of one, or install a release: pip install emotone"
        )
    if name is None or (isinstance(name, str) and name in bundled):
        return BUNDLED / (name or DEFAULT)
    folder = Path(name)
    if folder.is_file():
        raise RecogniserError(f"{folder} is a file, and a recogniser is a folder. Give {folder.parent}.")
    if not folder.is_dir():
        raise RecogniserError(
            f"There is no recogniser {os.fspath(name)!r}: no such folder, and bundled are "
            f"{', '.join(bundled) or 'none'}."
        )
    return folder
