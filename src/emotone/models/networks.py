"""A small network that hears emotions: log-mel in front, convolution and attention in the middle, statistics behind.

::

    signals  (n, samples)        16 kHz, the shorter ones with zeros behind their end
    log-mel  (n, 4 t, n_mels)    100 frames a second
    trunk    (n, t, width)       25 frames a second, each knowing of all others
    imitated (n, t, targets)     what a teacher says of each frame, where there is one
    embedded (n, embedding)      statistics over time, of the trunk's frames or of the imitated ones
    labels   (n, n_labels)       logits

A clip gives the same numbers alone as in a batch of longer ones: nothing behind its end is heard or counted.
`emotone.models.training` trains the network, `emotone.models.network_onnx` writes it down without torch.
"""

from __future__ import annotations

import copy
import math
from dataclasses import dataclass, replace

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn import functional

from emotone.errors import ConfigError, unknown
from emotone.features.spectrum import hann, mel_filters

__all__ = ["HOP", "RATE", "SAMPLES_PER_FRAME", "WINDOW", "Network", "NetworkOptions", "as_stored", "n_frames"]

RATE = 16_000
WINDOW, HOP = 400, 160
"""Samples of a log-mel frame and from one to the next: 25 and 10 ms."""
SAMPLES_PER_FRAME = 4 * HOP
"""Two convolutions halve the frames, to 25 a second: a fifth of a syllable each, and a sixteenth of the attention."""

POOLINGS = ("attentive", "imitated")
STORAGES = ("float32", "float16", "int8")

SILENT = 1e-10
"""The least power in a mel band, at which its logarithm ends."""
LARGE = 1024
"""Arrays of more numbers than this are stored small; the others, norms and biases, are nothing beside them."""
FAINT = 1e-12
"""The least that a row of weights is scaled by."""
DECADES = 6.0
"""Powers so many tenfolds under a clip's loudest are as good as silence: 60 dB, less than a clean recording has."""
SPREAD = 1.5
"""What log-mels are divided by: about their standard deviation, in tenfolds of power."""
CLOSED = -1e4
"""A logit that stands for impossible; its probability is 0 in every precision."""


@dataclass(frozen=True, kw_only=True)
class NetworkOptions:
    """The shape of a `Network`. The default has 5.5 million parameters."""

    width: int = 256
    """Numbers a frame."""
    layers: int = 6
    heads: int = 4
    """Of attention; they share the width."""
    kernel: int = 9
    """Frames that a block's convolution sees, an odd number: 9 are 0.36 s, a syllable with its neighbours."""
    n_mels: int = 80
    dropout: float = 0.1
    """Inside the blocks."""
    head_dropout: float = 0.2
    """Before the labels."""
    targets: int = 0
    """Numbers a frame that a teacher gives (`emotone.models.distillation`); 0 without one."""
    pooling: str = "attentive"
    """What an utterance's embedding is: statistics of the trunk's frames, ``attentive``, or of what it says in a
    teacher's place, ``imitated``, which knows less of the speakers it was trained on (`emotone.models.heads`)."""
    storage: str = "float32"
    """How a saved recogniser keeps its matrices: float32 (22 MB for the default network), float16 (12) or int8 (6)."""

    def __post_init__(self) -> None:
        for name, least in (("width", 2), ("layers", 1), ("heads", 1), ("kernel", 1), ("n_mels", 8), ("targets", 0)):
            value = getattr(self, name)
            if isinstance(value, bool) or not isinstance(value, int) or value < least:
                raise ConfigError(f"{name} of a network is a whole number of {least} or more, not {value!r}.")
        for name in ("dropout", "head_dropout"):
            value = getattr(self, name)
            if isinstance(value, bool) or not isinstance(value, int | float) or not 0 <= value < 1:
                raise ConfigError(f"{name} of a network goes from 0 to below 1, not {value!r}.")
        if self.width % (2 * self.heads):
            raise ConfigError(
                f"The width of a network is an even multiple of its {self.heads} heads, such as "
                f"{64 * self.heads}, not {self.width}."
            )
        if self.kernel % 2 == 0:
            raise ConfigError(f"The kernel of a network is an odd number of frames, such as 9, not {self.kernel}.")
        if self.pooling not in POOLINGS:
            raise unknown("pooling of a network", self.pooling, POOLINGS)
        if self.pooling == "imitated" and not self.targets:
            raise ConfigError("A network without targets imitates nobody: leave its pooling at attentive.")
        if self.storage not in STORAGES:
            raise unknown("storage of a network", self.storage, STORAGES)

    @property
    def embedding(self) -> int:
        """Numbers of an embedding: means and standard deviations."""
        return 2 * (self.targets if self.pooling == "imitated" else self.width)


def n_frames(n_samples: int) -> int:
    """Frames that the trunk gives for a signal, 25 a second; at least one."""
    return max(1, -(-(n_samples // HOP) // 4))


class Network(nn.Module):
    """The parts, in the order in which sound passes them. `forward` runs all of them; training stops in between."""

    def __init__(self, options: NetworkOptions, n_labels: int) -> None:
        super().__init__()
        self.options = options
        self.n_labels = n_labels
        self.logmel = LogMel(options.n_mels)
        self.trunk = Trunk(options)
        self.pool = AttentivePooling(options.width) if options.pooling == "attentive" else None
        self.drop = nn.Dropout(options.head_dropout)
        self.labels = nn.Linear(options.embedding, n_labels)
        self.imitation = nn.Linear(options.width, options.targets) if options.targets else None

    def forward(self, signals: Tensor, lengths: Tensor | None = None) -> Tensor:
        """Logits ``(n, n_labels)`` of ``signals (n, samples)``, of which ``lengths (n,)`` samples are sound."""
        mel, mask = self.logmel(signals, lengths)
        frames, mask = self.trunk(mel, mask)
        return self.answer(self.embed(frames, mask))

    def embed(self, frames: Tensor, mask: Tensor) -> Tensor:
        """Embeddings ``(n, embedding)`` of the trunk's ``frames (n, t, width)``."""
        if self.pool is not None:
            embeddings: Tensor = self.pool(frames, mask)
            return embeddings
        sound = mask[..., None].float()
        return statistics(self.imitate(frames).float(), sound / sound.sum(1, keepdim=True))

    def answer(self, embeddings: Tensor) -> Tensor:
        """Logits ``(n, n_labels)`` of ``embeddings (n, embedding)``, which may know the speaker
        (`emotone.models.enrolment`)."""
        logits: Tensor = self.labels(self.drop(embeddings))
        return logits

    def imitate(self, frames: Tensor) -> Tensor:
        """The teacher's numbers ``(n, t, targets)`` of the trunk's ``frames``."""
        if self.imitation is None:
            raise ConfigError("This network has no teacher to imitate: give it targets.")
        imitated: Tensor = self.imitation(frames)
        return imitated


def as_stored(network: Network, storage: str) -> Network:
    """A copy of the network whose matrices are what a file of that ``storage`` keeps of them.

    Scored like this, a network gives the very answers of the recogniser that is saved of it. With int8 each output of
    a matrix has a scale, its largest weight being 127.
    """
    kept = copy.deepcopy(network)
    kept.options = replace(network.options, storage=storage)
    with torch.no_grad():
        for parameter in kept.parameters():
            if storage == "float32" or parameter.numel() <= LARGE:
                continue
            if storage == "float16":
                parameter.copy_(parameter.half())
                continue
            others = tuple(range(1, parameter.ndim))
            scale = parameter.abs().amax(others, keepdim=True).clamp(min=FAINT) / 127
            parameter.copy_((parameter / scale).round() * scale)
    return kept


class LogMel(nn.Module):
    """Logarithms of the power in mel bands, each clip around its own mean: how loud it was recorded doesn't count.

    The Fourier transform is a product with cosines and sines, so that every ONNX runtime knows it.
    """

    def __init__(self, n_mels: int) -> None:
        super().__init__()
        self.register_buffer("fourier", torch.from_numpy(fourier_kernel()), persistent=False)  # (400, 402)
        bands = mel_filters(RATE, n_fft=WINDOW, n_mels=n_mels)
        self.register_buffer("bands", torch.from_numpy(np.tile(bands, 2).T.copy()), persistent=False)  # (402, n_mels)

    fourier: Tensor
    bands: Tensor

    def forward(self, signals: Tensor, lengths: Tensor | None = None) -> tuple[Tensor, Tensor]:
        """Log-mels ``(n, 4 t, n_mels)`` and which of them are sound, bool ``(n, 4 t)``."""
        with torch.autocast(signals.device.type, enabled=False):  # powers span ten tenfolds: bfloat16 would blur them
            windows = functional.pad(signals, (WINDOW // 2, WINDOW // 2)).unfold(1, WINDOW, HOP)[:, :-1]
            power = (windows @ self.fourier).square() @ self.bands  # (n, 4 t, 402) -> (n, 4 t, n_mels)
            mask = _until(None if lengths is None else lengths // HOP, power)
            sound = mask[..., None]
            level = power.clamp(min=SILENT).log10()
            loudest = level.masked_fill(~sound, math.log10(SILENT)).amax((1, 2), keepdim=True)
            level = torch.maximum(level, loudest - DECADES) * sound
            mean = level.sum((1, 2), keepdim=True) / (sound.sum((1, 2), keepdim=True) * level.shape[2])
            return (level - mean) / SPREAD * sound, mask


class Trunk(nn.Module):
    """Two convolutions that halve the frames, then `Block` after `Block`."""

    def __init__(self, options: NetworkOptions) -> None:
        super().__init__()
        width = options.width
        self.first = nn.Conv1d(options.n_mels, width // 2, 5, stride=2, padding=2)
        self.second = nn.Conv1d(width // 2, width, 5, stride=2, padding=2)
        self.blocks = nn.ModuleList(Block(options) for _ in range(options.layers))
        self.norm = nn.LayerNorm(width)

    def forward(self, mel: Tensor, mask: Tensor) -> tuple[Tensor, Tensor]:
        """Frames ``(n, t, width)`` of log-mels ``(n, 4 t, n_mels)``, and their mask ``(n, t)``."""
        half, quarter = mask[:, ::2], mask[:, ::4]
        flow = functional.gelu(self.first(mel.transpose(1, 2))) * half[:, None]  # (n, width / 2, 2 t)
        flow = functional.gelu(self.second(flow)).transpose(1, 2)  # (n, t, width)
        for block in self.blocks:
            flow = block(flow, quarter)
        return self.norm(flow), quarter


class Block(nn.Module):
    """Attention over the whole clip, a convolution over the neighbourhood, and a perceptron for each frame.

    After the Conformer (Gulati et al. 2020), each part added to what it was given, layer norms first. Attention is
    written out: the fused kernels have no fast backward pass on processors.
    """

    def __init__(self, options: NetworkOptions) -> None:
        super().__init__()
        width = options.width
        self.heads = options.heads
        self.norm_attention = nn.LayerNorm(width)
        self.qkv = nn.Linear(width, 3 * width)
        self.out = nn.Linear(width, width)
        self.norm_convolution = nn.LayerNorm(width)
        self.depthwise = nn.Conv1d(width, width, options.kernel, padding=options.kernel // 2, groups=width)
        self.pointwise = nn.Linear(width, width)
        self.norm_perceptron = nn.LayerNorm(width)
        self.wide = nn.Linear(width, 4 * width)
        self.narrow = nn.Linear(4 * width, width)
        self.drop = nn.Dropout(options.dropout)

    def forward(self, flow: Tensor, mask: Tensor) -> Tensor:
        """``flow (n, t, width)`` with what the block adds to it."""
        flow = flow + self.drop(self._attended(self.norm_attention(flow), mask))
        flow = flow + self.drop(self._convolved(self.norm_convolution(flow), mask))
        wide = functional.gelu(self.wide(self.norm_perceptron(flow)))  # (n, t, 4 width)
        changed: Tensor = flow + self.drop(self.narrow(wide))
        return changed

    def _attended(self, flow: Tensor, mask: Tensor) -> Tensor:
        n, t, width = flow.shape
        split = self.qkv(flow).view(n, t, 3, self.heads, width // self.heads)
        query, key, value = split.permute(2, 0, 3, 1, 4)  # each (n, heads, t, width / heads)
        scores = query * (width // self.heads) ** -0.5 @ key.transpose(2, 3)  # (n, heads, t, t)
        weights = scores.masked_fill(~mask[:, None, None], CLOSED).softmax(3).to(value.dtype)
        mixed: Tensor = self.out((weights @ value).transpose(1, 2).reshape(n, t, width))
        return mixed

    def _convolved(self, flow: Tensor, mask: Tensor) -> Tensor:
        sound = (flow * mask[..., None]).transpose(1, 2)  # (n, width, t)
        mixed: Tensor = self.pointwise(functional.silu(self.depthwise(sound).transpose(1, 2)))
        return mixed


class AttentivePooling(nn.Module):
    """Mean and standard deviation over time, frames weighed by what they are worth (Okabe et al. 2018, "Attentive
    statistics pooling"). Untrained, all weigh the same."""

    def __init__(self, width: int) -> None:
        super().__init__()
        self.hidden = nn.Linear(width, width // 2)
        self.worth = nn.Linear(width // 2, 1)
        nn.init.zeros_(self.worth.weight)
        nn.init.zeros_(self.worth.bias)

    def forward(self, frames: Tensor, mask: Tensor) -> Tensor:
        """``(n, 2 width)`` of ``frames (n, t, width)``."""
        worth = self.worth(torch.tanh(self.hidden(frames))).float()  # (n, t, 1)
        weights = worth.masked_fill(~mask[..., None], CLOSED).softmax(1)
        return statistics(frames.float(), weights)


def statistics(frames: Tensor, weights: Tensor) -> Tensor:
    """Mean and standard deviation ``(n, 2 d)`` of ``frames (n, t, d)`` with ``weights (n, t, 1)`` that sum to 1."""
    mean = (frames * weights).sum(1)
    variance = ((frames - mean[:, None]).square() * weights).sum(1)
    return torch.cat([mean, (variance + 1e-5).sqrt()], 1)


def fourier_kernel() -> np.ndarray:
    """Hann-windowed cosines and sines, float32 ``(400, 402)``: samples times it are the real and imaginary parts."""
    turns = np.outer(np.arange(WINDOW), np.arange(WINDOW // 2 + 1)) % WINDOW * (2 * np.pi / WINDOW)
    kernel: np.ndarray = hann(WINDOW)[:, np.newaxis] * np.concatenate([np.cos(turns), -np.sin(turns)], axis=1)
    return kernel.astype(np.float32)


def _until(lengths: Tensor | None, frames: Tensor) -> Tensor:
    """Which of the ``frames (n, t, d)`` come before the end, bool ``(n, t)``; the first always does."""
    n, t = frames.shape[:2]
    if lengths is None:
        return torch.ones(n, t, dtype=torch.bool, device=frames.device)
    return torch.arange(t, device=frames.device) < lengths.clamp(min=1)[:, None]
