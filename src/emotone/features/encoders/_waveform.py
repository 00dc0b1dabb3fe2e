"""wav2vec2, HuBERT, WavLM and data2vec: encoders of the waveform, as transformers implements them.

What transformers calls the hidden states differs between its versions where a normalisation follows the last block,
so the layers are taken from the blocks themselves.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

from emotone.errors import ConfigError, EmotoneError, require
from emotone.features.encoders._network import Network, check_complete
from emotone.features.encoders.inputs import standardised
from emotone.features.encoders.places import Facts

__all__ = ["OfWaveforms"]


class OfWaveforms(Network):
    """Waveform in, layers out. Not for several threads at once: the blocks note what passes through them."""

    def __init__(self, facts: Facts, *, n_blocks: int | None = None) -> None:
        super().__init__()
        self.facts = facts
        self.n_blocks = facts.n_blocks if n_blocks is None else n_blocks
        self.model = _model(facts)
        self._seen: list[torch.Tensor] = []
        blocks = self.model.encoder.layers[: max(self.n_blocks, 1)]  # layer 0 is what the first block receives
        self.model.encoder.layers = blocks
        blocks[0].register_forward_pre_hook(self._note_input)
        for block in blocks[: self.n_blocks]:
            block.register_forward_hook(self._note_output)

    def prepare(self, signal: NDArray[np.float32]) -> torch.Tensor:
        heard = standardised(signal) if self.facts.standardised else signal
        return torch.from_numpy(np.array(heard[np.newaxis], np.float32))

    def forward(self, prepared: torch.Tensor) -> list[torch.Tensor]:
        self._seen = []
        try:
            self.model(prepared)
            return self._seen
        finally:
            self._seen = []

    @property
    def blocks(self) -> torch.nn.ModuleList:
        blocks: torch.nn.ModuleList = self.model.encoder.layers[: self.n_blocks]
        return blocks

    def _note_input(self, block: torch.nn.Module, given: tuple[Any, ...]) -> None:
        self._seen.append(given[0])

    def _note_output(self, block: torch.nn.Module, given: tuple[Any, ...], output: Any) -> None:
        self._seen.append(output[0] if isinstance(output, tuple) else output)


def _model(facts: Facts) -> Any:
    """transformers' model with the weights in the folder. Parameters that aren't there would be random: an error."""
    transformers = require("transformers", extra="deep")
    try:
        with _quiet(transformers.utils.logging):
            model, found = transformers.AutoModel.from_pretrained(
                facts.folder,
                local_files_only=True,
                output_loading_info=True,
                attn_implementation="eager",  # the plainest, which all families and versions have
            )
    except EmotoneError:
        raise
    except Exception as error:  # of transformers', torch's, pickle's and safetensors' own classes
        raise ConfigError(
            f"transformers {transformers.__version__} can't load the encoder in {facts.folder} "
            f"({' '.join(str(error).split())[:200]}). Copy its folder again, or upgrade with: "
            "pip install --upgrade transformers"
        ) from error
    # The vector for masked frames is used in training only, and some published weights are without it.
    check_complete(sorted(name for name in found["missing_keys"] if name != "masked_spec_embed"), facts)
    return model.float()


@contextmanager
def _quiet(logging: Any) -> Iterator[None]:
    """Without transformers' bars and tables on stderr, which isn't ours to write to."""
    level, bars = logging.get_verbosity(), logging.is_progress_bar_enabled()
    logging.set_verbosity_error()
    logging.disable_progress_bar()
    try:
        yield
    finally:
        logging.set_verbosity(level)
        if bars:
            logging.enable_progress_bar()
