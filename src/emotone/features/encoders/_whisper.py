"""Whisper's encoder, for as many frames as there are.

The published implementations insist on 30 s of input, most of it padding: fifteen times the work for a clip of three
seconds. The positions are sinusoids added to the frames, so the first of them do for a shorter input. Source: Radford
et al. (2022), Robust speech recognition via large-scale weak supervision. Only the encoder's parameters are read.
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray
from torch import nn
from torch.nn.functional import gelu, scaled_dot_product_attention

from emotone.errors import ConfigError, EmotoneError, require
from emotone.features.encoders._network import Network, check_complete
from emotone.features.encoders.inputs import log_mel
from emotone.features.encoders.places import Facts, weight_files

__all__ = ["Block", "Whisper"]

_FIRST = "conv1.weight"


class Whisper(Network):
    """Log-mel in, layers out. Parameters have Hugging Face's names."""

    def __init__(self, facts: Facts, *, n_blocks: int | None = None) -> None:
        super().__init__()
        self.facts = facts
        self.n_blocks = facts.n_blocks if n_blocks is None else n_blocks
        weights = dict(_encoder_weights(facts.folder))
        n_positions, width = _shape(weights, "embed_positions.weight", facts)
        hidden, _ = _shape(weights, "layers.0.fc1.weight", facts)
        with torch.device("meta"):  # the weights are put in their places, not copied over random ones
            self.conv1 = nn.Conv1d(facts.n_mels, width, 3, padding=1)
            self.conv2 = nn.Conv1d(width, width, 3, stride=2, padding=1)
            self.embed_positions = nn.Embedding(n_positions, width)
            self.layers = nn.ModuleList(Block(width, hidden, facts.n_heads) for _ in range(self.n_blocks))
            self.layer_norm = nn.LayerNorm(width)
        try:
            found = self.load_state_dict(weights, strict=False, assign=True)
        except RuntimeError as error:  # of shapes; the others are listed
            raise ConfigError(
                f"The weights in {facts.folder} don't fit its config.json ({' '.join(str(error).split())[:200]}); "
                "copy the encoder's folder again."
            ) from error
        check_complete(found.missing_keys, facts)

    def prepare(self, signal: NDArray[np.float32]) -> torch.Tensor:
        return torch.from_numpy(log_mel(signal, n_mels=self.facts.n_mels)[np.newaxis])

    def forward(self, prepared: torch.Tensor) -> list[torch.Tensor]:
        frames = gelu(self.conv2(gelu(self.conv1(prepared)))).transpose(1, 2)
        layers = [frames + self.embed_positions.weight[: frames.shape[1]]]
        for block in self.layers:
            layers.append(block(layers[-1]))
        return layers

    @property
    def blocks(self) -> nn.ModuleList:
        return self.layers


class Block(nn.Module):
    """Normalisation before attention and before the two-layer network, each added to what goes in."""

    def __init__(self, width: int, hidden: int, n_heads: int) -> None:
        super().__init__()
        self.self_attn = Attention(width, n_heads)
        self.self_attn_layer_norm = nn.LayerNorm(width)
        self.fc1 = nn.Linear(width, hidden)
        self.fc2 = nn.Linear(hidden, width)
        self.final_layer_norm = nn.LayerNorm(width)

    def forward(self, frames: torch.Tensor) -> torch.Tensor:
        frames = frames + self.self_attn(self.self_attn_layer_norm(frames))
        changed: torch.Tensor = frames + self.fc2(gelu(self.fc1(self.final_layer_norm(frames))))
        return changed


class Attention(nn.Module):
    """Every frame to every frame, in ``n_heads`` heads."""

    def __init__(self, width: int, n_heads: int) -> None:
        super().__init__()
        self.n_heads = n_heads
        self.q_proj = nn.Linear(width, width)
        self.k_proj = nn.Linear(width, width, bias=False)
        self.v_proj = nn.Linear(width, width)
        self.out_proj = nn.Linear(width, width)

    def forward(self, frames: torch.Tensor) -> torch.Tensor:
        queries, keys, values = (
            project(frames).unflatten(-1, (self.n_heads, -1)).transpose(1, 2)
            for project in (self.q_proj, self.k_proj, self.v_proj)
        )
        heard = scaled_dot_product_attention(queries, keys, values)
        mixed: torch.Tensor = self.out_proj(heard.transpose(1, 2).flatten(-2))
        return mixed


def _encoder_weights(folder: Path) -> Iterator[tuple[str, torch.Tensor]]:
    """Names below the encoder, and float32 tensors. The decoder, most of the file, isn't read."""
    for path in weight_files(folder):
        for name, tensor in _tensors(path):
            place, _, own = name.rpartition("encoder.")
            if place in ("", "model.") and name.startswith(f"{place}encoder."):
                yield own, tensor.to(torch.float32)


def _tensors(path: Path) -> Iterator[tuple[str, torch.Tensor]]:
    try:
        if path.suffix == ".bin":
            # Tensors and nothing that could run.
            yield from torch.load(path, map_location="cpu", weights_only=True, mmap=True).items()
            return
        with require("safetensors", extra="deep").safe_open(path, framework="pt") as file:
            for name in file.keys():  # noqa: SIM118 (it isn't a dict)
                if "encoder." in name:
                    yield name, file.get_tensor(name)
    except EmotoneError:
        raise
    except Exception as error:  # of torch's, pickle's and safetensors' own classes
        raise ConfigError(
            f"The weights {path} can't be read ({' '.join(str(error).split())[:200]}); copy the encoder's folder again."
        ) from error


def _shape(weights: dict[str, torch.Tensor], name: str, facts: Facts) -> tuple[int, ...]:
    check_complete([name] if name not in weights else [], facts)
    return tuple(weights[name].shape)
