"""What every encoder is once it is loaded: a torch module from prepared signals to its layers."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import torch
from numpy.typing import NDArray

from emotone.errors import ConfigError
from emotone.features.encoders.places import Facts

__all__ = ["Network", "check_complete"]


class Network(torch.nn.Module):
    """An encoder. `prepare` a signal, and call the module with what it gives, for all layers."""

    facts: Facts
    n_blocks: int
    """Blocks that are kept."""

    def prepare(self, signal: NDArray[np.float32]) -> torch.Tensor:
        """What the module takes of ``signal``, ``(samples,)`` at 16 kHz: a batch of one."""
        raise NotImplementedError

    def forward(self, prepared: torch.Tensor) -> list[torch.Tensor]:
        """Layers 0 to ``n_blocks``, each ``(batch, n_frames, width)``, 50 frames a second.

        A batch has signals of one length: several of these encoders normalise over time, and so hear any padding.
        """
        raise NotImplementedError

    @property
    def blocks(self) -> torch.nn.ModuleList:
        """Those that are kept."""
        raise NotImplementedError


def check_complete(missing: Sequence[str], facts: Facts) -> None:
    """Raise `ConfigError` where the weights lack parameters, which would stay random."""
    if missing:
        raise ConfigError(
            f"The weights in {facts.folder} lack {len(missing)} parameters of a {facts.family} encoder, among them "
            f"{missing[0]}; copy the encoder's folder again."
        )
