"""Speech encoders with published weights: Whisper, wav2vec2, HuBERT, WavLM and data2vec, as Hugging Face stores them.

``places`` finds an encoder's folder and says what it is, ``inputs`` makes of a signal what it expects, and `load` makes
a network of it, which needs torch. An encoder's *layers* are what its blocks give: layer k comes out of block k, and
layer 0 goes into block 1. None passes through a final normalisation, which some families have after the last block and
which would make the last layer of one another thing than the last layer of the other.
"""

from __future__ import annotations

import importlib
from pathlib import Path
from typing import TYPE_CHECKING

from emotone.features.encoders.places import facts_of

if TYPE_CHECKING:
    from emotone.features.encoders._network import Network

__all__ = ["load"]

_NETWORKS = {"whisper": "emotone.features.encoders._whisper:Whisper"}
_ANY_OTHER = "emotone.features.encoders._waveform:OfWaveforms"


def load(folder: Path, *, n_blocks: int | None = None) -> Network:
    """The encoder in ``folder`` as a torch module in evaluation mode, float32, on the processor.

    Only its first ``n_blocks`` blocks are kept (None: all), so what comes after the layers wanted costs nothing.
    Raises `ConfigError` for a folder without a known encoder, or with weights that don't fit its ``config.json``.
    """
    facts = facts_of(folder)
    module, _, name = _NETWORKS.get(facts.family, _ANY_OTHER).partition(":")
    network: Network = getattr(importlib.import_module(module), name)(facts, n_blocks=n_blocks)
    return network.eval()
