"""`Recogniser`: a front-end, a trained model as ONNX, its labels or dimensions, and what is known about it.

Recordings in, answers out, without scikit-learn, librosa or torch. `load` gets one; `emotone.saved` is about
the folder it lives in.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, TypeAlias, TypeVar

import numpy as np
import numpy.typing as npt
import onnxruntime

from emotone import __version__, audio, features, saved, timeline, voice
from emotone.audio import Signal
from emotone.card import as_html, utterances, write_card
from emotone.errors import AudioError, ConfigError, EmotoneError, MissingExtra, RecogniserError
from emotone.features import FrontEnd, waveform
from emotone.saved import Parts
from emotone.segment import Segment
from emotone.stream import Stream, StreamOptions

__all__ = ["LONG", "LONGEST", "Recogniser", "interface", "load", "names"]

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

EMBEDDINGS, SHIFT = "embeddings", "shift"
"""What a graph gives beside its answer, and takes beside the features or signals, where it can be told who speaks."""

_BATCH = 256  # rows through the model at once: its intermediate arrays are large

_DTYPES = {"tensor(float)": "float32", "tensor(double)": "float64", "tensor(int64)": "int64"}

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


def interface(parts: Parts, *, where: str) -> dict[str, list[dict[str, Any]]]:
    """The ``inputs``, ``optional_inputs`` and ``outputs`` of a recogniser's ONNX graph: of each ``name``, ``shape`` and
    ``dtype``.

    Names in a shape stand for any number. Raises `RecogniserError`, which names ``where`` the parts are from, for a
    graph that onnxruntime can't load.
    """
    session = _session(parts.model, where, 1)
    ends = {
        "inputs": session.get_inputs(),
        "optional_inputs": session.get_overridable_initializers(),
        "outputs": session.get_outputs(),
    }
    return {
        kind: [
            {"name": node.name, "shape": list(node.shape), "dtype": _DTYPES.get(node.type, node.type)} for node in nodes
        ]
        for kind, nodes in ends.items()
    }


class Recogniser:
    """Tells what emotion is heard in a recording. Made by `load`, or by `create` after training.

    It knows either emotions (``labels``) or dimensions such as arousal (``dimensions``). Using it doesn't change it,
    and threads may share it.
    """

    def __init__(self, parts: Parts, *, where: str, threads: int = 1, like: Recogniser | None = None) -> None:
        """From the parts of a saved one; `load` and `create` call this. Errors name ``where`` it is from. One ``like``
        it, of the same model, saves loading that again."""
        config = parts.config
        self.name: str = config["name"]
        self.labels: tuple[str, ...] = tuple(config["labels"])
        self.dimensions: dict[str, tuple[float, float]] = {
            dimension["name"]: (dimension["low"], dimension["high"]) for dimension in config.get("dimensions", [])
        }
        """What is predicted as a number, with the lowest and highest value of its training rows."""
        self.abstain_below: float = config["abstain_below"]
        self.conformal: dict[str, float] | None = config.get("conformal")
        """The ``level`` and the ``threshold`` of `Segment.likely`; None where sets weren't calibrated."""
        self.commercial: bool | None = config["commercial"]
        """Whether the licences of what it was made from allow commercial use; None where that isn't clear."""
        self.card: str = parts.card
        self.can_adapt: bool = "adaptation" in config
        """Whether it learned what to do with a voice it knows; see `adapt`."""
        self.adapted_to: int = config.get("speaker", {}).get("count", 0)
        """How many utterances of the speaker it knows; 0 where it knows nobody."""
        self._shift = _shift(config)
        self.frontend: FrontEnd = like.frontend if like else features.from_description(dict(config["frontend"]))
        self._n_features: int | str = SAMPLES if features.gives_signals(self.frontend) else len(self.frontend.names)
        self._parts, self._where, self._threads = parts, where, threads
        self._session: Any = like._session if like else _session(parts.model, where, threads)
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
        conformal: Mapping[str, float] | None = None,
        adaptation: Mapping[str, Any] | None = None,
        about: Mapping[str, Any],
    ) -> Recogniser:
        """A new recogniser around a trained model.

        ``model_bytes`` is an ONNX graph with one input, float32 features ``(n, d)`` or, where the front-end is
        ``waveform``, signals ``(n, samples)``, and one output, probabilities ``(n, len(labels))`` or numbers
        ``(n, len(dimensions))``: `emotone.models.onnx` and `emotone.models.network_onnx` write them.
        ``labels`` stand in canonical order; ``dimensions`` have the lowest and highest value of their training rows.
        There are either. With a confidence under ``abstain_below`` (0 to 1), no emotion is named. ``conformal`` has the
        ``level`` and ``threshold`` of sets that hold the true emotion, ``adaptation`` the ``shrinkage`` and
        ``population`` of a model that learned what to do with a voice it knows. ``about`` is what its card tells. For
        these, see `emotone.saved.configuration`.

        A graph that can adapt has a second output, ``embeddings (n, d)``, and a second input that may be left out,
        ``shift (d,)``, which is added to them.

        Raises `ConfigError` for facts that can't be, `RecogniserError` for a graph that doesn't fit them.
        """
        config = saved.configuration(
            labels=labels,
            dimensions=dimensions,
            frontend=features.describe(frontend),
            frontend_licence=getattr(frontend, "licence_note", ""),
            model=model_bytes,
            abstain_below=abstain_below,
            conformal=conformal,
            adaptation=adaptation,
            about=about,
            version=__version__,
        )
        where = f"The recogniser {config['name']!r}"
        return cls(Parts(config, model_bytes, write_card(config)), where=where)

    def abstaining_below(self, confidence: float) -> Recogniser:
        """The same recogniser with another threshold: 0 always names an emotion, higher ones fewer and surer.

        Its card is written anew. Raises `ConfigError` unless ``confidence`` is from 0 to 1.
        """
        return self._with(abstain_below=confidence)

    def _with(self, **changes: Any) -> Recogniser:
        """The same with changes in its configuration."""
        config = saved.resealed(self._parts.config, **changes)
        parts = Parts(config, self._parts.model, write_card(config))
        return Recogniser(parts, where=self._where, threads=self._threads, like=self)

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

        The whole is taken as one utterance; beyond `LONG` seconds the answer has the flag ``long``, and where nobody
        speaks (`emotone.voice.speaks`) ``no_speech``. All flags are explained in `emotone.segment.FLAGS`. Probabilities
        are rounded to six decimals.

        Raises `AudioError` for what can't be read, isn't a signal, or lasts longer than `LONGEST`.
        """
        return self._hear(source, somebody_speaks=_somebody_speaks)[0]

    def hear(self, source: Source) -> tuple[Segment, npt.NDArray[np.float32] | None]:
        """As `predict`, but nobody asks whether there is speech in it: for what is known to be an utterance, and for
        sounds that aren't quite speech. With the embedding ``(d,)`` of what is heard, from which `knowing` can tell the
        speaker.

        The embedding is the same whether a speaker is known or not. It is None where there is nothing to judge, or
        the model gives none.
        """
        return self._hear(source, somebody_speaks=lambda signal, rate: True)

    def _hear(
        self, source: Source, *, somebody_speaks: Callable[[Signal, int], bool]
    ) -> tuple[Segment, npt.NDArray[np.float32] | None]:
        signal = self._signal(source)
        path = None if isinstance(source, np.ndarray) else Path(source)
        end = len(signal) / self.frontend.rate
        heard = audio.flags(signal, self.frontend.rate)
        refusals = tuple(_REFUSALS[flag] for flag in heard if flag in _REFUSALS)
        if not refusals and not somebody_speaks(signal, self.frontend.rate):
            refusals = ("no_speech",)
        if refusals:
            return Segment(0.0, end, None, 0.0, {}, refusals, path), None
        answer, embedding = self._answer(signal, _name(source))
        flags = ("long",) * (end > LONG) + heard
        if self.dimensions:
            return Segment(0.0, end, None, 0.0, {}, flags, path, dimensions=answer), embedding
        return self.judged(answer, end=end, flags=flags, source=path), embedding

    def predict_many(self, sources: Iterable[Given]) -> Iterator[tuple[Given, Segment | EmotoneError]]:
        """Each source with its answer, or with the `EmotoneError` that kept it from one, as they are ready."""
        # One after the other: two threads were no faster here, since little of the work is without Python's lock.
        for source in sources:
            try:
                yield source, self.predict(source)
            except EmotoneError as error:
                yield source, error

    def judged(
        self,
        scores: Mapping[str, float],
        *,
        start: float = 0.0,
        end: float,
        flags: tuple[str, ...] = (),
        source: Path | None = None,
    ) -> Segment:
        """The answer where the probabilities are ``scores``, in canonical order: named only if it is likely enough."""
        likeliest = max(scores, key=lambda name: scores[name])
        confidence = scores[likeliest]
        unsure = confidence < self.abstain_below
        emotion, likely = None if unsure else likeliest, self._likely(scores)
        flags = ("uncertain",) * unsure + flags
        return Segment(start, end, emotion, confidence, scores, flags, source, likely=likely)

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

    # --- who speaks ---

    def adapt(self, recordings: Source | Iterable[Source]) -> Recogniser:
        """A recogniser that knows the ordinary voice of whoever speaks in the ``recordings``, and judges by it.

        They are utterances of one person, paths or signals, without labels; the more of them and of the more emotions,
        the better. Each counts as one, and not at all if nobody speaks in it or it is too short. Few of them change
        little: the speaker's mean embedding is drawn towards everybody's, as if ``shrinkage`` utterances of everybody
        were among them. What it knew of another speaker is forgotten.

        Saved, the new recogniser keeps that mean, which is a fact about a person's voice.

        Raises `ConfigError` for a recogniser that didn't learn what to do with a voice it knows, and where no recording
        can be used; `AudioError` for one that can't be read.
        """
        self._check_that_it_can_adapt()
        sources = [recordings] if isinstance(recordings, str | os.PathLike | np.ndarray) else recordings
        heard = [self._hear(source, somebody_speaks=_somebody_speaks)[1] for source in sources]
        embeddings = [embedding for embedding in heard if embedding is not None]
        if not embeddings:
            trouble = "nobody speaks in those given, or too shortly" if heard else "none were given"
            raise ConfigError(f"Recordings tell how a speaker sounds, but {trouble}. Give some with speech in them.")
        return self.knowing(embeddings)

    def knowing(self, embeddings: npt.ArrayLike) -> Recogniser:
        """The same, knowing the speaker of utterances with these ``embeddings (n, d)``, as `hear` gives them; of no
        embeddings, knowing nobody.

        It takes about two milliseconds, so that a running conversation can adapt with each utterance. Raises
        `ConfigError` as `adapt` does, and for embeddings of another shape or that aren't finite.
        """
        self._check_that_it_can_adapt()
        rows, width = np.asarray(embeddings, np.float64), len(self._parts.config["adaptation"]["population"])
        if not len(rows):
            return self._with(speaker=None)
        if rows.ndim != 2 or rows.shape[1] != width or not np.isfinite(rows).all():
            raise ConfigError(f"Embeddings have the shape (n, {width}) and are finite, unlike these, {rows.shape}.")
        return self._with(speaker={"count": len(rows), "mean": rows.mean(axis=0).tolist()})

    def _check_that_it_can_adapt(self) -> None:
        if not self.can_adapt:
            raise ConfigError(
                f"{self._where} can't adapt to a speaker: its model hasn't learned what to do with a voice it knows. "
                "Use one that has, or leave the speaker's recordings out."
            )

    # --- the model ---

    def _run(self, X: Any) -> npt.NDArray[np.float32]:
        if self._n_features == SAMPLES:
            answers = [self._heard(signal)[0] for signal in X]
            return np.array(answers, np.float32).reshape(-1, len(self._outputs))
        rows = self._rows(X)
        batches = (rows[first : first + _BATCH] for first in range(0, len(rows), _BATCH))
        answers = [self._asked(batch)[0] for batch in batches]
        return np.concatenate([np.zeros((0, len(self._outputs)), np.float32), *answers])

    def _rows(self, X: Any) -> npt.NDArray[np.float32]:
        """Features, if that is what they are."""
        rows = np.asarray(X, dtype=np.float32)
        if rows.ndim != 2 or rows.shape[1] != self._n_features:
            raise ConfigError(
                f"{self.frontend.name} features have the shape (n, {self._n_features}), not {rows.shape}. "
                "Take them with the recogniser's own frontend."
            )
        if not np.isfinite(rows).all():
            raise ConfigError("Some features are NaN or infinite. Look for the recording at fault.")
        return rows

    def _asked(self, rows: npt.NDArray[np.float32]) -> list[npt.NDArray[np.float32]]:
        """What the model gives for ``rows`` of features or signals: answers, and embeddings if it has any."""
        known = {} if self._shift is None else {SHIFT: self._shift}
        outputs: list[Any] = self._session.run(None, {self._session.get_inputs()[0].name: rows, **known})
        return outputs

    def _heard(self, signal: npt.NDArray[Any]) -> list[npt.NDArray[np.float32]]:
        """The mean of the answers to the pieces of one signal, ``(len(self._outputs),)``, and that of their embeddings
        where the model gives any."""
        sound = waveform.as_float(np.asarray(signal))
        if sound.ndim != 1 or not np.isfinite(sound).all():
            raise ConfigError(f"{self._where} hears signals, (samples,) and finite. Look for the recording at fault.")
        short = max(0, waveform.SHORTEST - len(sound))
        cuts = waveform.pieces(len(sound))
        heard = [self._asked(np.pad(sound[cut], (0, short))[np.newaxis]) for cut in cuts]
        return [np.mean([piece[0] for piece in pieces], axis=0) for pieces in zip(*heard, strict=True)]

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

    def _answer(self, signal: Signal, name: str) -> tuple[dict[str, float], npt.NDArray[np.float32] | None]:
        """A number for each output, and the embedding."""
        vector = self.frontend(signal)
        if not np.isfinite(vector).all():
            raise AudioError(f"{name} has {self.frontend.name} features that aren't finite. Record it again.")
        if self._n_features == SAMPLES:
            values, *embeddings = self._heard(vector)
        else:
            values, *embeddings = (found[0] for found in self._asked(self._rows(vector[np.newaxis])))
        answer = {output: round(float(value), 6) for output, value in zip(self._outputs, values, strict=True)}
        return answer, embeddings[0] if embeddings else None

    def _likely(self, scores: Mapping[str, float]) -> tuple[str, ...]:
        """The emotions that can't be ruled out, never none: the likeliest joins where no other does."""
        if self.conformal is None:
            return ()
        least = min(1 - self.conformal["threshold"], max(scores.values()))
        return tuple(name for name, share in scores.items() if share >= least)

    def _check_widths(self) -> None:
        inputs = self._session.get_inputs()
        outputs = [node for node in self._session.get_outputs() if node.name != EMBEDDINGS]
        expected = [self._n_features, len(self._outputs)]
        found = [node.shape[-1] if len(node.shape) == 2 else node.shape for node in (*inputs, *outputs)]
        if found != expected:
            raise RecogniserError(
                f"{self._where} has a model that goes from {found[: len(inputs)]} features to "
                f"{found[len(inputs) :]} {'probabilities' if self.labels else 'numbers'}, but there are {expected[0]} "
                f"features and {expected[1]} {'labels' if self.labels else 'dimensions'}. {saved.CURE}"
            )
        width = len(self._parts.config["adaptation"]["population"]) if self.can_adapt else 0
        if width and width != self._embedding_width():
            raise RecogniserError(
                f"{self._where} has a population of {width} numbers, and a model with embeddings of "
                f"{self._embedding_width() or 'none'} that can be shifted. {saved.CURE}"
            )

    def _embedding_width(self) -> int:
        """How many numbers the embeddings have that the model can be told to shift; 0 where it can't be told."""
        widths = {node.name: node.shape[-1] for node in self._session.get_outputs()}
        shifts = {node.name: node.shape for node in self._session.get_overridable_initializers()}
        width = widths.get(EMBEDDINGS)
        return width if isinstance(width, int) and shifts.get(SHIFT) == [width] else 0

    # --- over time ---

    def stream(self, options: StreamOptions | None = None, *, channel: int | None = None) -> Stream:
        """A `Stream` for sound that comes in pieces: ``feed`` it, take the segments it returns, ``flush`` it last.

        Segments name the ``channel``, if one is given. Raises `MissingExtra` where the package that finds speech isn't
        installed.
        """
        return Stream(self, options, channel=channel)

    def timeline(
        self,
        source: Source,
        *,
        options: StreamOptions | None = None,
        channels: str = "mix",
        turns: Iterable[tuple[float, float, str]] = (),
    ) -> list[Segment]:
        """What is heard from moment to moment: segments from 0 to the end, through the same machine as `stream`.

        Of any length, in bounded memory. See `emotone.timeline.timeline` for the options, and for what is raised.
        """
        return timeline.timeline(self, source, options=options, channels=channels, turns=turns)

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
        known = f", knows the speaker from {utterances(self.adapted_to)}" if self.adapted_to else ""
        return f"<Recogniser {self.name!r}: {what} from {self.frontend.name} features{known}{use[self.commercial]}>"

    def _repr_html_(self) -> str:
        return as_html(self._parts.config, self.card)


def _shift(config: Mapping[str, Any]) -> npt.NDArray[np.float32] | None:
    """What to add to embeddings for the speaker it knows, ``(d,)``: of the way from the mean of somebody's ``count``
    utterances to everybody's the share ``count / (count + shrinkage)`` (`emotone.models.enrolment`). None for nobody.
    """
    if "speaker" not in config:
        return None
    adaptation, speaker = config["adaptation"], config["speaker"]
    share = speaker["count"] / (speaker["count"] + adaptation["shrinkage"])
    way = np.subtract(adaptation["population"], speaker["mean"], dtype=np.float64)
    return np.asarray(share * way, np.float32)


def _rebuilt(parts: Parts, where: str, threads: int) -> Recogniser:
    return Recogniser(parts, where=where, threads=threads)


def _somebody_speaks(signal: Signal, rate: int) -> bool:
    """As far as that can be told: yes, where the package that finds speech has no build for a platform."""
    try:
        return voice.speaks(audio.convert(signal, rate))
    except MissingExtra:
        return True


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
