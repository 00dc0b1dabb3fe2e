"""One training loop for networks, on processors and GPUs.

>>> trained = train(network, examples, TrainingOptions(epochs=20), held_out=others)      # doctest: +SKIP

**Examples** are signals with what is known of each: labels, soft where raters disagreed; which labels its corpus has
at all; and what a teacher says of it, frame by frame. Any of them may be missing. The loss of a row counts only labels
that its corpus has: that RAVDESS is calm says nothing against a corpus nobody was calm in.

**Each step** cuts a crop from each of a batch of clips, perturbs it, and moves the network down the gradient. What is
drawn comes from the seed and the number of the step, so training that was stopped goes on to the very same numbers.

**Each epoch** ends with the average of the network's recent parameters hearing the held-out speakers; the best such
average is what training gives back. Then comes a checkpoint.

**Several processes**, one for each GPU, can share the work: see `emotone.models.together`.
"""

from __future__ import annotations

import contextlib
import copy
import dataclasses
import hashlib
import json
import math
from collections.abc import Callable, Iterator, Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from emotone.errors import ConfigError, ExperimentError
from emotone.features.waveform import SHORTEST, as_float, pieces
from emotone.models import weights
from emotone.models.calibration import _mean_recall, softmax
from emotone.models.examples import Examples, batches, n_steps
from emotone.models.networks import CLOSED, Network
from emotone.models.objective import Loss, precision_of
from emotone.models.options import TrainingOptions
from emotone.models.together import Hearing, Together

__all__ = ["Examples", "Trained", "TrainingOptions", "embeddings_of", "logits_of", "train"]

Floats = NDArray[np.float32]
Progress = Callable[[int, int], None]
"""Called with (steps done, steps in all)."""

CHECKPOINT = "checkpoint of a training"


@dataclass
class Trained:
    """What `train` gives."""

    network: Network
    """The best epoch's average, on the processor, ready to answer."""
    history: list[dict[str, float]] = field(default_factory=list)
    """A record an epoch: ``epoch``, ``loss``, its parts, and the held-out speakers' ``uar`` and ``nll``."""
    best_epoch: int = 0


# --- the loop ---


def train(
    network: Network,
    examples: Examples,
    options: TrainingOptions,
    *,
    seed: int = 0,
    held_out: Examples | None = None,
    stop: int = 0,
    checkpoint: Path | None = None,
    progress: Progress | None = None,
) -> Trained:
    """Train ``network`` (its parameters change) on the ``examples``.

    ``held_out``, of speakers who aren't in the examples, decides which epoch was the best and, with patience, when to
    stop; without them the last epoch is taken, or that of the number ``stop``. ``checkpoint`` is a file that is written
    after each epoch; where it is there already, from the same training, training goes on from it. Of several processes
    (`emotone.models.together`) the first writes it, all read it, and all end with the same network.

    Raises `ExperimentError` when the loss isn't finite any more or memory runs out: the checkpoint of the last whole
    epoch stays. `ConfigError` for a checkpoint of another training.
    """
    together = Together.now()
    device = together.device(device_of(options.device).type)
    loss_of = Loss(examples, options, device)
    hearing = Hearing(network.to(device), teaching=loss_of.teaching, together=together)
    state = _State(network, options)
    identity = fingerprint(network, examples, options, seed, held_out)
    if checkpoint is not None and together.told(checkpoint.exists()):
        state.load(checkpoint, identity, loss_of)
    per_epoch = n_steps(examples, options.batch, options.crop)
    total = per_epoch * options.epochs
    devices = [device] if device.type == "cuda" else []
    with torch.random.fork_rng(devices=devices), _in_words(state, options, checkpoint):
        while state.epoch < (stop or options.epochs) and not state.exhausted:
            state.network.train()
            sums: dict[str, float] = {}
            order = np.random.default_rng([seed, 0, state.epoch])
            dealt = batches(examples, options.batch, options.crop, order)
            for step, rows in enumerate(dealt, per_epoch * state.epoch):
                rng = np.random.default_rng([seed, 1, step])
                torch.manual_seed(int(rng.integers(2**63)) + together.rank)  # dropout's, inside the fork
                loss, parts = loss_of(hearing, rows, rng)
                state.update(loss, step, total)
                for name, value in {"loss": float(loss.detach()), **parts}.items():
                    sums[name] = sums.get(name, 0.0) + value / per_epoch
                if progress:
                    progress(step + 1, total)
            scores = {} if held_out is None else scores_of(state.average, held_out, options)
            state.close_epoch(sums, together.told(scores))  # all have to stop after the same epoch
            if checkpoint is not None and together.first:
                state.save(checkpoint, identity, loss_of)
    if progress:
        progress(total, total)
    return Trained(state.best.cpu().eval(), state.history, state.best_epoch)


class _State:
    """All that changes while training, and all that a checkpoint holds."""

    def __init__(self, network: Network, options: TrainingOptions) -> None:
        self.network, self.options = network, options
        self.average = copy.deepcopy(network).eval().requires_grad_(False)
        self.best = copy.deepcopy(self.average)
        self.best_epoch, self.best_score = 0, -math.inf
        self.epoch = 0
        self.history: list[dict[str, float]] = []
        self.optimiser = torch.optim.AdamW(_groups(network, options), lr=options.learning_rate, betas=(0.9, 0.98))
        self.rates = [group["lr"] for group in self.optimiser.param_groups]

    @property
    def exhausted(self) -> bool:
        """Whether the best epoch is longer ago than patience lasts."""
        patience = self.options.patience
        return bool(patience) and self.epoch - self.best_epoch >= patience

    def update(self, loss: Tensor, step: int, total: int) -> None:
        """One step down the gradient, and the average a little after it."""
        if not torch.isfinite(loss):
            raise _NotFiniteError
        factor = rate_factor(step, total, self.options.warmup)
        for group, rate in zip(self.optimiser.param_groups, self.rates, strict=True):
            group["lr"] = rate * factor
        self.optimiser.zero_grad(set_to_none=True)
        loss.backward()
        size = torch.nn.utils.clip_grad_norm_(self.network.parameters(), self.options.clip)
        if not torch.isfinite(size):  # one step more, and the parameters are gone too
            raise _NotFiniteError
        self.optimiser.step()
        share = min(self.options.average, (step + 1) / (step + 20))  # the first averages are short, or they'd be noise
        with torch.no_grad():
            for mean, now in zip(self.average.parameters(), self.network.parameters(), strict=True):
                mean.lerp_(now, 1 - share)

    def close_epoch(self, losses: dict[str, float], scores: dict[str, float]) -> None:
        """Note down how the epoch went, and keep the average if it is the best so far."""
        self.epoch += 1
        self.history.append({"epoch": self.epoch, **losses, **scores})
        score = scores.get("uar", -scores["loss_held_out"] if "loss_held_out" in scores else float(self.epoch))
        if score > self.best_score:
            self.best_epoch, self.best_score = self.epoch, score
            self.best.load_state_dict(self.average.state_dict())

    def save(self, path: Path, identity: str, loss_of: Loss) -> None:
        """Everything to ``path``."""
        arrays: dict[str, NDArray[Any]] = loss_of.state()
        for name, part in (("network", self.network), ("average", self.average), ("best", self.best)):
            arrays |= {f"{name}/{key}": value.cpu().numpy() for key, value in part.state_dict().items()}
        for i, moments in self.optimiser.state_dict()["state"].items():
            arrays |= {f"optimiser/{i}/{key}": value.cpu().numpy() for key, value in moments.items()}
        facts = {"epoch": self.epoch, "best_epoch": self.best_epoch, "best_score": self.best_score}
        more = {"kind": CHECKPOINT, "format": 1, "identity": identity, "history": self.history}
        weights.write(path, arrays, {**facts, **more})

    def load(self, path: Path, identity: str, loss_of: Loss) -> None:
        """Everything back from ``path``; `ConfigError` if it is of another training."""
        arrays, facts = weights.read(path, CHECKPOINT)
        if facts["identity"] != identity:
            raise ConfigError(
                f"{path} is the checkpoint of a training with other data, options or seed. Remove it, or name another."
            )
        loss_of.load(arrays)
        tensors = {key: torch.from_numpy(value) for key, value in arrays.items()}
        for name, part in (("network", self.network), ("average", self.average), ("best", self.best)):
            own = {key.partition("/")[2]: value for key, value in tensors.items() if key.startswith(f"{name}/")}
            part.load_state_dict(own)
        moments: dict[int, dict[str, Tensor]] = {}
        for key, value in tensors.items():
            kind, _, rest = key.partition("/")
            if kind == "optimiser":
                number, _, moment = rest.partition("/")
                moments.setdefault(int(number), {})[moment] = value
        self.optimiser.load_state_dict({**self.optimiser.state_dict(), "state": moments})
        self.epoch, self.history = facts["epoch"], facts["history"]
        self.best_epoch, self.best_score = facts["best_epoch"], facts["best_score"]


def _groups(network: Network, options: TrainingOptions) -> list[dict[str, Any]]:
    """Parameters with their learning rates: the trunk's may be slower, and only matrices decay."""
    groups = []
    for in_trunk in (False, True):
        rate = options.learning_rate * (options.trunk_rate if in_trunk else 1.0)
        named = [value for name, value in network.named_parameters() if name.startswith("trunk.") == in_trunk]
        for matrices in (False, True):
            chosen = [value for value in named if (value.ndim > 1) == matrices]
            groups.append({"params": chosen, "lr": rate, "weight_decay": options.weight_decay if matrices else 0.0})
    return groups


def rate_factor(step: int, total: int, warmup: float) -> float:
    """Up in a line over the share ``warmup`` of all steps, then down along a cosine to a hundredth."""
    rise = max(1.0, warmup * total)
    if step < rise:
        return (step + 1) / rise
    return 0.01 + 0.99 * 0.5 * (1 + math.cos(math.pi * (step - rise) / max(1.0, total - rise)))


# --- listening ---


def logits_of(
    network: Network,
    signals: Sequence[NDArray[Any]],
    *,
    precision: torch.dtype = torch.float32,
    batch: int = 32,
) -> NDArray[np.float64]:
    """Logits ``(n, n_labels)`` of whole signals.

    Those longer than `emotone.features.waveform.PIECE` seconds are heard in pieces: their logits are the logarithms of
    the mean of the pieces' probabilities.
    """
    heard = _heard(network, signals, network, precision, batch)
    whole = [each[0] if len(each) == 1 else _of_pieces(np.array(each)) for each in heard]
    return np.array(whole).reshape(len(signals), network.n_labels)


def embeddings_of(
    network: Network,
    signals: Sequence[NDArray[Any]],
    *,
    precision: torch.dtype = torch.float32,
    batch: int = 32,
) -> NDArray[np.float64]:
    """Embeddings ``(n, 2 width)`` of whole signals, what `Network.answer` takes; of several pieces their mean."""

    def embed(padded: Tensor, lengths: Tensor) -> Tensor:
        return network.embed(*network.trunk(*network.logmel(padded, lengths)))

    heard = _heard(network, signals, embed, precision, batch)
    return np.array([np.mean(each, axis=0) for each in heard]).reshape(len(signals), -1)


def _heard(
    network: Network,
    signals: Sequence[NDArray[Any]],
    listen: Callable[[Tensor, Tensor], Tensor],
    precision: torch.dtype,
    batch: int,
) -> list[list[NDArray[np.float64]]]:
    """What ``listen`` gives of each signal's pieces, in the order of the signals."""
    network.eval()
    device = next(network.parameters()).device
    cuts = [(row, cut) for row in range(len(signals)) for cut in pieces(len(signals[row]))]
    order = sorted(cuts, key=lambda each: each[1].stop - each[1].start)  # a batch of like lengths has little padding
    heard: list[list[NDArray[np.float64]]] = [[] for _ in signals]
    with torch.inference_mode(), torch.autocast(device.type, torch.bfloat16, enabled=precision is torch.bfloat16):
        for first in range(0, len(order), batch):
            chosen = order[first : first + batch]
            padded, lengths = _padded([as_float(signals[row][cut]) for row, cut in chosen])
            given = listen(padded.to(device), lengths.to(device)).double().cpu().numpy()
            for (row, _), each in zip(chosen, given, strict=True):
                heard[row].append(each)
    return heard


def _of_pieces(logits: NDArray[np.float64]) -> NDArray[np.float64]:
    proba = softmax(logits).mean(axis=0)
    answer: NDArray[np.float64] = np.log(np.maximum(proba, 1e-30))
    return answer


def _padded(sound: Sequence[Floats]) -> tuple[Tensor, Tensor]:
    """Signals side by side, ``(n, samples)``, and their lengths ``(n,)``, at least `SHORTEST`."""
    lengths = np.array([max(SHORTEST, len(signal)) for signal in sound])
    rows = np.zeros((len(sound), int(lengths.max())), np.float32)
    for row, signal in zip(rows, sound, strict=True):
        row[: len(signal)] = signal
    return torch.from_numpy(rows), torch.from_numpy(lengths)


def scores_of(network: Network, held_out: Examples, options: TrainingOptions) -> dict[str, float]:
    """How the network does on held-out rows: ``uar`` and ``nll`` over their labels where labels are learnt and known,
    otherwise the imitation's loss, ``loss_held_out``."""
    rows = np.flatnonzero(held_out.labelled)
    device = next(network.parameters()).device
    if len(rows) and options.label_share:
        precision = precision_of(options.precision, device)

        def listen(some: NDArray[np.int64]) -> NDArray[np.float64]:
            return logits_of(network, [held_out.signals[int(row)] for row in some], precision=precision)

        heard = Together.now().dealt(rows, listen)
        rows, logits = (np.concatenate(parts) for parts in zip(*heard, strict=True))
        proba = softmax(np.where(held_out.allowed[rows], logits, CLOSED))
        truth = held_out.labels[rows].argmax(axis=1)
        nll = -np.log(np.maximum(proba[np.arange(len(rows)), truth], 1e-30)).mean()
        return {"uar": _mean_recall(truth, proba), "nll": float(nll)}
    if held_out.targets is None:
        return {}
    still = dataclasses.replace(options, augment=0.0, transforms=(), mask_bands=0, mask_frames=0, label_share=0.0)
    loss_of, rng = Loss(held_out, still, device), np.random.default_rng(0)
    hearing = Hearing(network, teaching=loss_of.teaching)
    with torch.inference_mode():
        losses = [float(loss_of(hearing, rows, rng)[0]) for rows in batches(held_out, still.batch, still.crop, rng)]
    return {"loss_held_out": float(np.mean(losses))}


def device_of(name: str) -> torch.device:
    """Where to train. Raises `ConfigError` where a GPU is asked for and there is none."""
    there = torch.cuda.is_available()
    if name == "cuda" and not there:
        raise ConfigError("There is no GPU that torch can use here. Leave device at auto, or say cpu.")
    return torch.device("cuda" if there and name != "cpu" else "cpu")


# --- what goes wrong ---


class _NotFiniteError(ArithmeticError):
    """The loss is NaN or infinite."""


@contextlib.contextmanager
def _in_words(state: _State, options: TrainingOptions, checkpoint: Path | None) -> Iterator[None]:
    """The two ways in which trainings die, each in a sentence with the cure."""
    try:
        yield
    except _NotFiniteError as error:
        raise ExperimentError(
            f"The loss wasn't finite any more in epoch {state.epoch + 1}: use a learning_rate below "
            f"{options.learning_rate:g}, or precision float32. {_kept(state, checkpoint)}"
        ) from error
    except (MemoryError, RuntimeError) as error:
        if isinstance(error, RuntimeError) and not _of_memory(error):
            raise
        raise ExperimentError(
            f"There wasn't enough memory for a batch of {options.batch} crops of {options.seconds:g} s: use a batch of "
            f"{max(1, options.batch // 2)}, or shorter crops. {_kept(state, checkpoint)}"
        ) from error


def _of_memory(error: RuntimeError) -> bool:
    """Whether torch says that there was no memory left; on processors it has no class for that."""
    return isinstance(error, torch.OutOfMemoryError) or "allocate memory" in str(error)


def _kept(state: _State, checkpoint: Path | None) -> str:
    if checkpoint is None or not checkpoint.exists():
        return "No checkpoint was kept."
    return f"The last good checkpoint, of epoch {state.epoch}, is {checkpoint}."


def fingerprint(
    network: Network, examples: Examples, options: TrainingOptions, seed: int, held_out: Examples | None
) -> str:
    """Of all that decides how a training goes: 64 hex digits."""
    facts = [asdict(network.options), network.n_labels, asdict(options), seed]
    digest = hashlib.sha256(json.dumps(facts, sort_keys=True, default=repr).encode())
    for value in network.state_dict().values():
        digest.update(value.detach().cpu().numpy().tobytes())
    for part in (examples, held_out):
        if part is None:
            continue
        for signal in part.signals:
            digest.update(np.int64(len(signal)).tobytes() + np.ascontiguousarray(signal).tobytes())
        digest.update(part.labels.tobytes() + part.allowed.tobytes())
        if part.speakers is not None:
            digest.update(part.speakers.tobytes())
        if part.targets is not None:
            sample = part.targets.frames[:: max(1, len(part.targets.frames) // 10_000)]  # they are gigabytes
            digest.update(part.targets.starts.tobytes() + np.ascontiguousarray(sample).tobytes())
    return digest.hexdigest()
