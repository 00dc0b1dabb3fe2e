"""The model ``finetune``: a published speech encoder that is trained on, wholly, partly or not at all.

    model = models.get("finetune", encoder="models/whisper-base", tuned=2, epochs=10)

Each layer of the encoder is normalised, and a learned share of each (Yang et al. 2021, SUPERB) is summed; the sum is
pooled over time and classified. The encoder itself is frozen, or its upper blocks are trained (``tuned``), or each
attention gets a small correction beside its frozen matrices (``lora``; Hu et al. 2021). `emotone.models.training` is
the loop, as for the network of our own, whose parts this one has too: ``logmel``, ``trunk``, ``embed`` and ``answer``.

A frozen encoder is passed through at every step all the same. Where it stays frozen, the features ``embeddings`` with
a classic model are minutes instead of hours, and often as good.
"""

from __future__ import annotations

import dataclasses
import inspect
import io
import warnings
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn.utils import parametrize

from emotone.errors import ConfigError, require, unknown
from emotone.features import encoders
from emotone.features.embeddings import forbidden_by
from emotone.features.encoders import places
from emotone.features.spectrum import mel_filters
from emotone.features.waveform import PIECE, as_float
from emotone.models.examples import Examples
from emotone.models.network import FitOptions, NetworkClassifier
from emotone.models.networks import HOP, RATE, WINDOW, AttentivePooling, fourier_kernel, statistics
from emotone.models.options import TrainingOptions

__all__ = ["FineTunable", "FineTuneOptions", "FineTunedClassifier", "finetune"]

POOLINGS = ("mean+sd", "attentive")
ADAPTED = ("q_proj", "v_proj")
"""Matrices of attention that get corrections: those of the paper."""
SILENT, RANGE = 1e-10, 8.0
"""The least power in a mel band, and how many tenfolds under the loudest count as silence: Whisper's."""
N_FOR_SCALE = 200
"""Clips, at most, that tell how large the encoder's numbers are."""
LEAST = 4
"""Steps of 10 ms that every encoder needs for a frame; the loop's batches are never shorter."""

_GENTLE = {"learning_rate": 1e-3, "epochs": 12, "batch": 16, "average": 0.99}
"""Defaults of the training that differ from those for a network that begins at nothing."""
_TRUNK_RATE = {"blocks": 0.03, "corrections": 0.5}
"""Blocks know a lot that a fast step would wipe out; corrections begin at nothing."""


@dataclass(frozen=True, kw_only=True)
class FineTuneOptions:
    """Which encoder, and how much of it is trained. Raises `ConfigError` for what can't be."""

    encoder: str = "openai/whisper-base"
    """A folder, or a name on the Hugging Face Hub that was fetched before; see `emotone.features.encoders.places`."""
    revision: str = ""
    sha256: str = ""
    """Of the weights; others are refused."""
    blocks: int = 0
    """How many of the encoder's blocks are kept, from the first on; 0 keeps all."""
    tuned: int = 0
    """How many of those are trained, from the last back; as many as are kept trains the whole encoder."""
    lora: int = 0
    """Rank of the corrections to attention in every block; 0 for none."""
    pooling: str = "mean+sd"
    """How frames become one: all alike, or weighed by what they are worth (``attentive``)."""
    head_dropout: float = 0.2

    def __post_init__(self) -> None:
        for name in ("blocks", "tuned", "lora"):
            value = getattr(self, name)
            if isinstance(value, bool) or not isinstance(value, int) or value < 0:
                raise ConfigError(f"{name} of finetune is a whole number from 0 on, not {value!r}.")
        if self.pooling not in POOLINGS:
            raise unknown("pooling of finetune", self.pooling, POOLINGS)
        if not isinstance(self.head_dropout, int | float) or not 0 <= self.head_dropout < 1:
            raise ConfigError(f"head_dropout of finetune goes from 0 to below 1, not {self.head_dropout!r}.")
        if self.tuned and self.lora:
            raise ConfigError("Either blocks are tuned or they get corrections (lora); set one of them to 0.")


_KINDS = (FineTuneOptions, TrainingOptions, FitOptions)
_OPTIONS = [each.name for kind in _KINDS for each in dataclasses.fields(kind) if each.name != "init"]


def finetune(*, seed: int = 0, **options: Any) -> FineTunedClassifier:
    """A `FineTunedClassifier`. Its options are the fields of `FineTuneOptions`, `TrainingOptions` and `FitOptions`."""
    for option in options:
        if option not in _OPTIONS:
            raise unknown("option of model 'finetune'", option, _OPTIONS)
    gentle = {"trunk_rate": _TRUNK_RATE["corrections" if options.get("lora") else "blocks"], **_GENTLE}
    given = {**gentle, **options}
    shape, training, fitting = (_part(kind, given) for kind in _KINDS)
    _check_blocks(shape)
    return FineTunedClassifier(shape, training, fitting, seed=seed)


def _part(kind: Any, given: dict[str, Any]) -> Any:
    """The options of one ``kind``."""
    return kind(**{each.name: given[each.name] for each in dataclasses.fields(kind) if each.name in given})


finetune.__signature__ = inspect.Signature(  # type: ignore[attr-defined]  # so that `models.get` knows the options
    [inspect.Parameter(name, inspect.Parameter.KEYWORD_ONLY, default=None) for name in ("seed", *_OPTIONS)]
)


class FineTunedClassifier(NetworkClassifier):
    """A `NetworkClassifier` around `FineTunable`; ``shape`` are `FineTuneOptions`. Its graph takes no shift yet."""

    learns_speakers = False

    def _train(self, examples: Examples, *rest: Any) -> Any:
        self._signals = examples.signals
        try:
            return super()._train(examples, *rest)
        finally:
            del self._signals

    def _fresh(self) -> Any:
        with torch.random.fork_rng(devices=[]):
            torch.manual_seed(self.seed)
            options: Any = self.shape or FineTuneOptions()
            network = FineTunable(options, len(self.classes_)).eval()
        chosen = np.unique(np.linspace(0, len(self._signals) - 1, N_FOR_SCALE).round().astype(int))
        network.scale_by([as_float(self._signals[int(row)])[: round(PIECE * RATE)] for row in chosen])
        return network

    def origin(self) -> dict[str, str]:
        """Facts for the card about the encoder, whose weights a recogniser contains: its name, its ``licence``, and as
        ``licence_note`` what that forbids; empty where its folder states no licence, or nothing is forbidden."""
        options: Any = self.shape or FineTuneOptions()
        name, licence = places.name_of(options.encoder), places.licence_of(_folder(options))
        facts = {"encoder": name, "licence": licence, "licence_note": forbidden_by(licence, name)}
        return {key: value for key, value in facts.items() if value}

    def to_onnx(self, labels: Sequence[str]) -> bytes:
        """The fitted model as a serialised ONNX graph, by torch's exporter.

        Input ``waveform``, float32 ``(n, samples)`` at 16 kHz, from 640 samples to a piece's; output ``probabilities``,
        float32 ``(n, len(labels))``. Raises `ConfigError` for labels that aren't its classes, and where the exporter
        can't write this encoder.
        """
        require("onnx", extra="train")
        if sorted(labels) != sorted(self.classes_):
            raise ConfigError(f"The labels must be the model's classes ({', '.join(map(str, self.classes_))}).")
        order = torch.from_numpy(np.searchsorted(self.classes_, list(labels)))
        answering = _Answering(self.network_, float(self.temperature_), order).eval()
        graph = io.BytesIO()
        try:
            with torch.no_grad(), warnings.catch_warnings():
                warnings.simplefilter("ignore")  # of how the exporter works
                torch.onnx.export(
                    answering,
                    (torch.randn(1, 2 * RATE, generator=torch.Generator().manual_seed(0)) * 0.1,),
                    graph,  # a file is fine for this exporter
                    input_names=["waveform"],
                    output_names=["probabilities"],
                    dynamic_axes={"waveform": {0: "n", 1: "samples"}, "probabilities": {0: "n"}},
                    opset_version=17,
                    dynamo=False,
                )
        except Exception as error:  # of the exporter's many classes
            raise ConfigError(
                f"torch {torch.__version__} can't write the encoder {self.network_.options.encoder} as ONNX "
                f"({' '.join(str(error).split())[:200]}). The model itself is trained and can be used in Python."
            ) from error
        return graph.getvalue()


class FineTunable(nn.Module):
    """An encoder with a head, in the parts that `emotone.models.training` knows."""

    centre: Tensor
    spread: Tensor

    def __init__(self, options: FineTuneOptions, n_labels: int) -> None:
        super().__init__()
        self.options = options
        self.n_labels = n_labels
        folder = _folder(options)
        encoder = encoders.load(folder, n_blocks=options.blocks or None)
        self.logmel = WhisperInput(encoder.facts.n_mels) if encoder.facts.n_mels else WaveformInput(encoder.facts)
        self.trunk = Trunk(encoder, options)
        width, n_layers = encoder.facts.width, encoder.n_blocks + 1
        self.shares = nn.Parameter(torch.zeros(n_layers))  # equal ones
        self.register_buffer("centre", torch.zeros(2 * width))
        self.register_buffer("spread", torch.ones(2 * width))
        self.pool = AttentivePooling(width) if options.pooling == "attentive" else EvenPooling()
        self.drop = nn.Dropout(options.head_dropout)
        self.labels = nn.Linear(2 * width, n_labels)

    def forward(self, signals: Tensor, lengths: Tensor | None = None) -> Tensor:
        """Logits ``(n, n_labels)`` of ``signals (n, samples)``, of which ``lengths (n,)`` samples are sound."""
        frames, mask = self.trunk(*self.logmel(signals, lengths))
        return self.answer(self.embed(frames, mask))

    def embed(self, layers: Tensor, mask: Tensor) -> Tensor:
        """Embeddings ``(n, 2 width)`` of the trunk's ``layers (n, n_layers, t, width)``."""
        return (self.pooled(layers, mask) - self.centre) / self.spread

    def answer(self, embeddings: Tensor) -> Tensor:
        """Logits ``(n, n_labels)`` of ``embeddings (n, 2 width)``."""
        logits: Tensor = self.labels(self.drop(embeddings))
        return logits

    def pooled(self, layers: Tensor, mask: Tensor) -> Tensor:
        """Statistics ``(n, 2 width)`` over time of the layers' weighted sum."""
        frames = (layers * self.shares.softmax(0)[:, None, None]).sum(1)
        statistics_: Tensor = self.pool(frames, mask)
        return statistics_

    @torch.no_grad()
    def scale_by(self, signals: Sequence[Any]) -> None:
        """Standardise what is pooled as it is for ``signals``, ``(samples,)`` each: encoders have numbers that barely
        change from clip to clip beside others that are hundreds of times larger."""
        heard = torch.cat([self.pooled(*self.trunk(*self.logmel(torch.from_numpy(one[None])))) for one in signals])
        self.centre.copy_(heard.mean(0))
        self.spread.copy_(heard.std(0, correction=0).clamp(min=1e-5))


class Trunk(nn.Module):
    """The encoder, of which as much learns as the options say."""

    def __init__(self, encoder: Any, options: FineTuneOptions) -> None:
        super().__init__()
        self.encoder = encoder.requires_grad_(False)
        blocks = list(encoder.blocks)
        if options.tuned == len(blocks):
            encoder.requires_grad_(True)
        for block in blocks[len(blocks) - options.tuned :]:
            block.requires_grad_(True)
        for block in blocks if options.lora else ():
            for name, part in block.named_modules():
                if name.rpartition(".")[2] in ADAPTED:
                    parametrize.register_parametrization(part, "weight", LowRank(part.weight, options.lora))

    def train(self, mode: bool = True) -> Trunk:
        """Only what is around the encoder: its own dropout and skipped blocks would come on top of the loop's."""
        super().train(mode)
        self.encoder.eval()
        return self

    def forward(self, prepared: Tensor, mask: Tensor) -> tuple[Tensor, Tensor]:
        """Layers ``(n, n_layers, t, width)`` of what ``logmel`` gave, and which frames are sound ``(n, t)``.

        Rows of one length go through together, without any padding.
        """
        steps = mask.sum(1)
        parts = {
            length: self.layers(prepared[steps == length], length) for length in np.unique(steps.cpu().numpy()).tolist()
        }
        n, n_layers = len(prepared), self.encoder.n_blocks + 1
        n_frames = max(part.shape[2] for part in parts.values())
        layers = prepared.new_zeros(n, n_layers, n_frames, self.encoder.facts.width)
        heard = torch.zeros(n, n_frames, dtype=torch.bool, device=mask.device)
        for length, part in parts.items():
            layers[steps == length, :, : part.shape[2]] = part
            heard[steps == length, : part.shape[2]] = True
        return layers, heard

    def layers(self, prepared: Tensor, n_steps: int) -> Tensor:
        """Layers ``(n, n_layers, t, width)`` of the first ``n_steps`` of 10 ms, each frame normalised: some layers are
        far larger than others."""
        if self.encoder.facts.n_mels:
            layers = self.encoder(prepared[:, :n_steps].transpose(1, 2))
        else:
            layers = self.encoder(prepared[:, : n_steps * HOP, 0])
        return nn.functional.layer_norm(torch.stack(layers, 1).float(), (self.encoder.facts.width,))


class LowRank(nn.Module):
    """A matrix plus a correction of small rank, which begins at zero."""

    def __init__(self, weight: Tensor, rank: int) -> None:
        super().__init__()
        n_out, n_in = weight.shape
        self.down = nn.Parameter(torch.randn(rank, n_in) / n_in**0.5)
        self.up = nn.Parameter(torch.zeros(n_out, rank))

    def forward(self, weight: Tensor) -> Tensor:
        """``weight (n_out, n_in)``, corrected."""
        return weight + self.up @ self.down


class EvenPooling(nn.Module):
    """Mean and standard deviation over time, all frames alike."""

    def forward(self, frames: Tensor, mask: Tensor) -> Tensor:
        """``(n, 2 width)`` of ``frames (n, t, width)``."""
        sound = mask[..., None].float()
        return statistics(frames.float(), sound / sound.sum(1, keepdim=True))


class WhisperInput(nn.Module):
    """Whisper's log-mel of a batch: `emotone.features.encoders.inputs.log_mel`, but with silence behind an end, as when
    Whisper's own programs pad. So a clip alone is what it is in a batch."""

    fourier: Tensor
    bands: Tensor

    def __init__(self, n_mels: int) -> None:
        super().__init__()
        kernel = np.ascontiguousarray(fourier_kernel().T[:, np.newaxis])  # (402, 1, 400)
        self.register_buffer("fourier", torch.from_numpy(kernel), persistent=False)
        bands = np.tile(mel_filters(RATE, n_fft=WINDOW, n_mels=n_mels), 2)  # real and imaginary parts
        self.register_buffer("bands", torch.from_numpy(bands), persistent=False)

    def forward(self, signals: Tensor, lengths: Tensor | None = None) -> tuple[Tensor, Tensor]:
        """Log-mels ``(n, t, n_mels)``, 0 behind each end, and which of them are sound ``(n, t)``."""
        with torch.autocast(signals.device.type, enabled=False):
            mirrored = signals[:, 1 : WINDOW // 2 + 1].flip(1)
            padded = torch.cat([mirrored, nn.functional.pad(signals, (0, WINDOW // 2))], 1)
            waves = nn.functional.conv1d(padded[:, None], self.fourier, stride=HOP)[:, :, :-1]
            level = (self.bands @ waves.square()).clamp(min=SILENT).log10().transpose(1, 2)
            mask = _sound(level.shape[1], lengths, signals)
            loudest = level.masked_fill(~mask[..., None], -torch.inf).amax((1, 2), keepdim=True)
            return (torch.maximum(level, loudest - RANGE) + 4) / 4 * mask[..., None], mask


class WaveformInput(nn.Module):
    """The waveform of a batch, each clip with mean 0 and variance 1 where its encoder wants that."""

    def __init__(self, facts: places.Facts) -> None:
        super().__init__()
        self.standardised = facts.standardised

    def forward(self, signals: Tensor, lengths: Tensor | None = None) -> tuple[Tensor, Tensor]:
        """Samples ``(n, samples, 1)``, and which steps of 10 ms are sound, ``(n, samples // 160)``."""
        mask = _sound(signals.shape[1] // HOP, lengths, signals)
        if not self.standardised:
            return signals[..., None], mask
        ends = lengths if lengths is not None else torch.full((len(signals),), signals.shape[1], device=signals.device)
        sound = torch.arange(signals.shape[1], device=signals.device) < ends[:, None]
        count = sound.sum(1, keepdim=True)
        centred = (signals - (signals * sound).sum(1, keepdim=True) / count) * sound
        variance = centred.square().sum(1, keepdim=True) / count
        return (centred / (variance + 1e-7).sqrt())[..., None], mask


class _Answering(nn.Module):
    """From the waveform to calibrated probabilities."""

    def __init__(self, network: FineTunable, temperature: float, order: Tensor) -> None:
        super().__init__()
        self.network, self.temperature, self.order = network, temperature, order

    def forward(self, waveform: Tensor) -> Tensor:
        prepared, mask = self.network.logmel(waveform)
        layers = self.network.trunk.layers(prepared, mask.shape[1])
        embeddings = self.network.embed(layers, torch.ones_like(layers[:, 0, :, 0], dtype=torch.bool))
        logits = self.network.answer(embeddings)
        return (logits / self.temperature).softmax(1)[:, self.order]


def _sound(n_steps: int, lengths: Tensor | None, like: Tensor) -> Tensor:
    """Which steps of 10 ms come before the end, bool ``(n, n_steps)``; the first `LEAST` always do."""
    steps = torch.arange(n_steps, device=like.device)
    if lengths is None:
        return (steps >= 0).expand(like.shape[0], -1)
    return steps < torch.div(lengths, HOP, rounding_mode="floor").clamp(min=LEAST)[:, None]


def _folder(options: FineTuneOptions) -> Any:
    folder = places.find(options.encoder, revision=options.revision, sha256=options.sha256)
    places.checked_sha256(folder, options.sha256)
    return folder


def _check_blocks(options: FineTuneOptions) -> None:
    """Raise `ConfigError` for an encoder that isn't here, or for more blocks than it has."""
    there = places.facts_of(_folder(options)).n_blocks
    if options.blocks > there or options.tuned > (options.blocks or there):
        raise ConfigError(
            f"The encoder {options.encoder} has {there} blocks: keep at most as many (blocks={options.blocks}), and "
            f"tune at most those kept (tuned={options.tuned})."
        )
