"""The model ``network``: a network of `emotone.models.networks` behind the face that all models have.

    model = models.get("network", epochs=20, init="trunk.npz")
    model.fit(signals, emotions, groups=speakers, corpora=corpora)
    model.predict_proba(signals)

Its rows are signals of any length (`emotone.features.waveform`), not features.
"""

from __future__ import annotations

import dataclasses
import inspect
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from sklearn.base import BaseEstimator, ClassifierMixin
from sklearn.utils.validation import check_is_fitted

from emotone.errors import ConfigError, ExperimentError, unknown
from emotone.models import weights
from emotone.models.calibration import check_classes, softmax, temperature
from emotone.models.examples import Examples, chosen
from emotone.models.networks import Network, NetworkOptions
from emotone.models.options import TrainingOptions
from emotone.models.speakers import population_of
from emotone.models.training import embeddings_of, fingerprint, logits_of, train
from emotone.splits import InnerFolds, inner_folds

__all__ = ["NetworkClassifier", "load_network", "network", "save_network"]

Floats = NDArray[np.float64]
Progress = Callable[[int, int], None]

KIND = "emotone network"
TRUNK = ("width", "layers", "heads", "kernel", "n_mels")
"""Options that a pretrained trunk decides."""


@dataclass(frozen=True, kw_only=True)
class FitOptions:
    """How a network is fitted besides its training."""

    init: str = ""
    """File of a network (`save_network`) whose trunk to begin with."""
    n_folds: int = 5
    """Into how many groups the training speakers are dealt."""
    rounds: int = 1
    """How many of the groups are held out, one after the other, from a network each: their answers set the
    temperature, and their best epochs how long the last training takes. 0 takes everything on trust."""
    refit: bool = True
    """Whether a last network learns from all rows. Otherwise the first round's, which lacks a group, is kept."""
    checkpoints: str = ""
    """Folder for checkpoints; a training that stopped goes on from there. Each training has a file of its own."""

    def __post_init__(self) -> None:
        for name, least in (("n_folds", 2), ("rounds", 0)):
            value = getattr(self, name)
            if isinstance(value, bool) or not isinstance(value, int) or value < least:
                raise ConfigError(f"{name} is a whole number of {least} or more, not {value!r}.")
        if not isinstance(self.refit, bool):
            raise ConfigError(f"refit must be true or false, not {self.refit!r}.")
        if self.rounds == 0 and not self.refit:
            raise ConfigError("Without rounds and without refit nothing would be trained: set one of them.")
        if self.rounds > self.n_folds:
            raise ConfigError(f"At most {self.n_folds} rounds can be held out of {self.n_folds} folds.")


_KINDS: tuple[type, ...] = (NetworkOptions, TrainingOptions, FitOptions)


def network(*, seed: int = 0, **options: Any) -> NetworkClassifier:
    """A `NetworkClassifier`. Its options are the fields of `NetworkOptions`, `TrainingOptions` and `FitOptions`."""
    known = {each.name: kind for kind in _KINDS for each in dataclasses.fields(kind)}
    given: dict[type, dict[str, Any]] = {kind: {} for kind in _KINDS}
    for name, value in options.items():
        if name not in _OPTIONS:
            raise unknown("option of model 'network'", name, _OPTIONS)
        given[known[name]][name] = value
    return NetworkClassifier(
        NetworkOptions(**given[NetworkOptions]),
        TrainingOptions(**given[TrainingOptions]),
        FitOptions(**given[FitOptions]),
        seed=seed,
    )


_OF_TEACHERS = ("targets", "pooling")
"""Options of networks that a teacher taught, which `NetworkClassifier` has none of."""
_OPTIONS = [each.name for kind in _KINDS for each in dataclasses.fields(kind) if each.name not in _OF_TEACHERS]
network.__signature__ = inspect.Signature(  # type: ignore[attr-defined]  # so that `models.get` knows the options
    [inspect.Parameter(name, inspect.Parameter.KEYWORD_ONLY, default=None) for name in ("seed", *_OPTIONS)]
)


class NetworkClassifier(ClassifierMixin, BaseEstimator):
    """Emotions of signals, by a network trained with `emotone.models.training.train`.

    Learned: ``network_``, ``classes_``, ``temperature_`` (Guo et al. 2017), ``history_`` (a list of records an epoch
    for each round, then for the last training), ``speakers_shared_``, and of the rows that rounds held out
    ``held_out_rows_`` with their calibrated probabilities ``held_out_proba_``, as of
    `emotone.models.calibration.CalibratedClassifier`. With ``rounds=0`` there are no such rows, and the temperature
    is 1.

    Where it is told the speakers, it learns what to do with a voice it knows (`emotone.models.enrolment`), and
    ``population_ (2 width,)`` is the mean over the training speakers of their mean embedding; otherwise None.
    """

    wants = "signals"
    """Other models want features."""
    learns_speakers = True
    """Whether it learns what to do with a voice it knows: only if its graph can be told of one."""

    def __init__(
        self,
        shape: NetworkOptions | None = None,
        training: TrainingOptions | None = None,
        fitting: FitOptions | None = None,
        *,
        seed: int = 0,
    ) -> None:
        self.shape = shape
        self.training = training
        self.fitting = fitting
        self.seed = seed

    def fit(
        self,
        X: Sequence[NDArray[Any]],
        y: Any,
        groups: Any = None,
        *,
        corpora: Any = None,
        votes: Mapping[str, Any] | None = None,
        progress: Progress | None = None,
    ) -> NetworkClassifier:
        """Train on the signals ``X``, ``n`` of them, and emotions ``y (n,)``; ``groups (n,)`` are the speakers.

        ``corpora (n,)`` says which rows know the same emotions; without, all rows know all. ``votes`` are shares of
        raters by emotion, ``(n,)`` each, NaN where nobody voted. ``progress`` is called with (steps done, steps in
        all) of each training.

        Raises `ExperimentError` for a single class, a loss that isn't finite, or too little memory; `ConfigError`
        for a network in ``init`` that can't be read.
        """
        fitting, options = self.fitting or FitOptions(), self.training or TrainingOptions()
        y = np.asarray(y)
        _check_signals(X, y)
        self.classes_, codes = np.unique(y, return_inverse=True)
        check_classes(self.classes_)
        labels = [str(name) for name in self.classes_]
        speakers = np.asarray(groups).astype(str) if groups is not None and self.learns_speakers else None
        examples = Examples.of(
            X, y.astype(str), labels, corpora=corpora, votes=votes, votes_share=options.votes, speakers=speakers
        )
        folds = self._folds(y, groups, fitting)
        self.speakers_shared_ = folds.by_rows
        self.history_: list[list[dict[str, float]]] = []
        held_rows, held_logits, best_epochs, first = [], [], [], None
        for inside, outside in list(folds)[: fitting.rounds]:
            trained = self._train(examples.some(inside), examples.some(outside), options, progress)
            held_rows.append(outside)
            held_logits.append(logits_of(trained.network, chosen(X, outside)))
            best_epochs.append(trained.best_epoch)
            first = first or trained.network
        if fitting.refit or first is None:
            epochs = round(float(np.mean(best_epochs))) if best_epochs else options.epochs
            first = self._train(examples, None, options, progress, epochs).network
        self.network_ = first
        self.population_ = self._population(X, speakers)
        self._calibrate(codes, examples.allowed, held_rows, held_logits)
        return self

    def predict_proba(self, X: Sequence[NDArray[Any]]) -> Floats:
        """Calibrated probabilities ``(n, n_classes)`` of signals, columns as in ``classes_``."""
        check_is_fitted(self)
        return softmax(logits_of(self.network_, X) / self.temperature_)

    def predict(self, X: Sequence[NDArray[Any]]) -> NDArray[Any]:
        """The likeliest class of each signal."""
        answer: NDArray[Any] = self.classes_[self.predict_proba(X).argmax(axis=1)]
        return answer

    def to_onnx(self, labels: Sequence[str]) -> bytes:
        """The fitted model as an ONNX graph: see `emotone.models.network_onnx.network_to_onnx`."""
        from emotone.models.network_onnx import network_to_onnx

        check_is_fitted(self)
        return network_to_onnx(self, labels)

    def _population(self, signals: Sequence[NDArray[Any]], speakers: NDArray[Any] | None) -> Floats | None:
        """What everybody's embeddings are around; None where the network never learnt to tell a voice from it."""
        if speakers is None:
            return None
        return population_of(embeddings_of(self.network_, signals), speakers)

    def _folds(self, y: NDArray[Any], groups: Any, fitting: FitOptions) -> InnerFolds:
        if fitting.rounds == 0:
            return InnerFolds((), by_rows=False)
        return inner_folds(y, groups, n_folds=fitting.n_folds, seed=self.seed)

    def _train(
        self,
        examples: Examples,
        held_out: Examples | None,
        options: TrainingOptions,
        progress: Progress | None,
        stop: int = 0,
    ) -> Any:
        net = self._fresh()
        checkpoint = None
        folder = (self.fitting or FitOptions()).checkpoints
        if folder:
            identity = fingerprint(net, examples, options, self.seed, held_out)
            checkpoint = Path(folder) / f"{identity[:16]}.npz"
        trained = train(
            net,
            examples,
            options,
            seed=self.seed,
            held_out=held_out,
            stop=stop,
            checkpoint=checkpoint,
            progress=progress,
        )
        self.history_.append(trained.history)
        return trained

    def _fresh(self) -> Network:
        """A network at its beginning, the same for the same seed."""
        shape, init = self.shape or NetworkOptions(), (self.fitting or FitOptions()).init
        source = load_network(Path(init))[0] if init else None
        if source is not None:
            kept = {name: getattr(source.options, name) for name in TRUNK}
            shape = dataclasses.replace(shape, **kept, targets=0)
        with torch.random.fork_rng(devices=[]):
            torch.manual_seed(self.seed)
            net = Network(shape, len(self.classes_))
        if source is not None:
            net.trunk.load_state_dict(source.trunk.state_dict())
        return net

    def _calibrate(
        self,
        codes: NDArray[np.int64],
        allowed: NDArray[np.bool_],
        rows: list[NDArray[np.int64]],
        logits: list[Floats],
    ) -> None:
        if not rows:
            self.temperature_ = 1.0
            return
        together = np.concatenate(rows)
        order = np.argsort(together)
        self.held_out_rows_ = held = together[order]
        scores = np.concatenate(logits)[order]
        # How sure to be is learnt among the labels that a corpus has; thresholds are for answers among all.
        self.temperature_ = temperature(scores, codes[held], allowed[held])
        self.held_out_proba_ = softmax(scores / self.temperature_)


def save_network(
    path: str | Path, net: Network, labels: Sequence[str] = (), about: Mapping[str, Any] | None = None
) -> None:
    """Write a network to ``path``, an ``.npz``: its parameters, its options, its ``labels``, and facts ``about`` how it
    was made. `FitOptions.init` takes it."""
    arrays = {name: value.detach().cpu().numpy() for name, value in net.state_dict().items()}
    facts = {"kind": KIND, "format": 1, "options": asdict(net.options), "n_labels": net.n_labels}
    weights.write(Path(path), arrays, {**facts, "labels": list(labels), "about": dict(about or {})})


def load_network(path: str | Path) -> tuple[Network, dict[str, Any]]:
    """The network in ``path`` and the facts beside it. Raises `ConfigError` for a file that isn't one."""
    arrays, facts = weights.read(Path(path), KIND)
    try:
        net = Network(NetworkOptions(**facts["options"]), facts["n_labels"])
        net.load_state_dict({name: torch.from_numpy(value) for name, value in arrays.items()})
    except (KeyError, TypeError, RuntimeError) as error:
        reason = " ".join(str(error).split())[:200]
        raise ConfigError(f"{path} is a network that this emotone can't build ({reason}). Train it again.") from error
    return net.eval(), facts


def _check_signals(X: Any, y: NDArray[Any]) -> None:
    if len(X) != len(y) or y.ndim != 1:
        raise ExperimentError(f"A network needs an emotion for each signal, not {y.shape} for {len(X)} signals.")
    if not len(X):
        raise ExperimentError("A network needs signals to learn from, but there are none.")
    for row in range(len(X)):
        signal = np.asarray(X[row])
        if signal.ndim != 1 or not len(signal) or signal.dtype not in (np.int16, np.float32, np.float64):
            raise ConfigError(
                f"Row {row} isn't a signal but {signal.dtype} {signal.shape}: the model 'network' learns from signals, "
                'so use the features "waveform".'
            )
