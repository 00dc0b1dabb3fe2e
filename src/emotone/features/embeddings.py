"""``embeddings``: what a published speech encoder makes of a recording, pooled over time.

The middle layers of encoders that were trained on tens of thousands of hours, for other ends, hold more about emotion
than any designed feature: on RAVDESS's unseen actors a linear model on Whisper base's fourth block tells eight emotions
apart in about 73 % of cases, on emotone's ``functionals`` in about 60 %. The price is torch, weights of 40 MB to 2 GB,
and seconds instead of milliseconds per minute of speech.

Nothing is downloaded here: `emotone.features.encoders.places` says where encoders are looked for, and its ``download``
fetches one. The weights' hash is part of the front-end, so neither the cache nor a saved recogniser takes one encoder
for another.
"""

from __future__ import annotations

import importlib.util
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from functools import cached_property, lru_cache
from pathlib import Path
from typing import TYPE_CHECKING, ClassVar

import numpy as np
from numpy.typing import NDArray

from emotone.errors import AudioError, ConfigError, require, unknown
from emotone.features import encoders
from emotone.features.encoders import places
from emotone.features.encoders.inputs import RATE

if TYPE_CHECKING:
    from emotone.features.encoders._network import Network

__all__ = ["LONGEST", "POOLINGS", "SHORTEST", "Embeddings", "forbidden_by"]

Floats = NDArray[np.float32]

SHORTEST = 0.1
"""Seconds: five frames."""
LONGEST = 30.0
"""Seconds that go through an encoder at once. Longer recordings go through in equal parts: Whisper has no positions for
more, and the others' work and memory grow with the square."""
POOLINGS = ("mean+sd", "mean")

_FREE = ("mit", "apache-2.0", "bsd-3-clause", "cc0-1.0", "cc-by-4.0", "cc-by-3.0", "cc-by-sa-3.0", "cc-by-sa-4.0")
"""Licences of encoders, in Hugging Face's words, that allow commercial use."""

_ONE_AT_A_TIME = threading.Lock()


@dataclass(frozen=True)
class Embeddings:
    """A layer of a speech encoder (Whisper, wav2vec2, HuBERT, WavLM, data2vec): mean and deviation over time.

    ``encoder`` is a folder in Hugging Face's layout, or a name on the Hugging Face Hub that was fetched before, at the
    commit ``revision``. ``layer`` counts blocks: 4 is what comes out of the fourth, 0 what goes into the first,
    ``"middle"`` is two thirds up, where emotion is commonly clearest, and ``"all"`` is all of them, one after the
    other.

    What is left open here is filled in when it is made, so that its description says all: the layer's number, the
    revision, the weights' ``sha256``, and the encoder's ``licence`` where its folder states one. Given, ``sha256`` is
    compared. Raises `ConfigError` for an encoder that isn't on this machine or isn't the one described, `MissingExtra`
    without torch.
    """

    name: ClassVar[str] = "embeddings"
    version: ClassVar[int] = 1
    rate: ClassVar[int] = RATE

    encoder: str = "openai/whisper-base"
    layer: int | str = "middle"
    pooling: str = "mean+sd"
    revision: str = ""
    sha256: str = ""
    licence: str = ""
    _folder: Path = field(init=False, repr=False, compare=False)

    def __post_init__(self) -> None:
        for key in ("encoder", "pooling", "revision", "sha256", "licence"):
            if not isinstance(getattr(self, key), str):
                raise ConfigError(f"The {key} of embeddings is text, not {getattr(self, key)!r}.")
        if self.pooling not in POOLINGS:
            raise unknown("pooling of embeddings", self.pooling, POOLINGS)
        for package in ("torch", "safetensors"):
            if importlib.util.find_spec(package) is None:  # importing torch to see whether it is there takes a second
                require(package, extra="deep")
        folder = places.find(self.encoder, revision=self.revision, sha256=self.sha256)
        filled = {
            "_folder": folder,
            "layer": _layer(self.layer, places.facts_of(folder)),
            "sha256": places.checked_sha256(folder, self.sha256),
            "encoder": places.name_of(self.encoder),
            "revision": self.revision if self.sha256 else places.revision_of(folder),
            "licence": self.licence or places.licence_of(folder),
        }
        for key, value in filled.items():
            object.__setattr__(self, key, value)
        places.remember(self.sha256, folder)

    @cached_property
    def names(self) -> tuple[str, ...]:
        """``block_04_mean_0000`` and so on: layer by layer, means before deviations."""
        width = places.facts_of(self._folder).width
        return tuple(
            f"block_{layer:02d}_{statistic}_{i:04d}"
            for layer in self._layers
            for statistic in self.pooling.split("+")
            for i in range(width)
        )

    @property
    def licence_note(self) -> str:
        """What the encoder's licence forbids, as far as it is known; nothing where it allows commercial use."""
        return forbidden_by(self.licence, self.encoder)

    def __call__(self, signal: Floats) -> Floats:
        """Features, ``(len(names),)``, of ``signal``, ``(samples,)`` at 16 kHz; `AudioError` under `SHORTEST`."""
        layers = self.frames(signal)
        pooled = [layers.mean(axis=1)]
        if self.pooling == "mean+sd":
            pooled.append(layers.std(axis=1))
        return np.concatenate(pooled, axis=1).ravel()

    def frames(self, signal: Floats) -> Floats:
        """The layers themselves, ``(n_layers, n_frames, width)``, 50 frames a second; the rest as when called."""
        if len(signal) < SHORTEST * RATE:
            raise AudioError(
                f"Encoders need {1000 * SHORTEST:.0f} ms of sound; these are {1000 * len(signal) / RATE:.0f} ms. "
                "Give a longer recording."
            )
        torch = require("torch", extra="deep")
        kept, n_parts = self._layers, -(-len(signal) // round(LONGEST * RATE))
        with _ONE_AT_A_TIME, _one_thread(), torch.inference_mode():
            network = _network(self._folder, max(kept), self.sha256)
            parts = []
            for part in np.array_split(signal, n_parts):
                layers = network(network.prepare(part))
                parts.append(np.stack([layers[layer][0].numpy() for layer in kept]))
        return np.concatenate(parts, axis=1)

    @cached_property
    def _layers(self) -> tuple[int, ...]:
        if isinstance(self.layer, int):
            return (self.layer,)
        return tuple(range(places.facts_of(self._folder).n_blocks + 1))


def forbidden_by(licence: str, encoder: str) -> str:
    """What the ``licence`` of an ``encoder``, in Hugging Face's words, forbids whoever builds upon it; nothing where it
    allows commercial use, and a warning where it is empty."""
    if licence.lower() in _FREE:
        return ""
    if not licence:
        return f"the licence of the encoder {encoder} isn't on record: look it up before any commercial use"
    return f"the encoder {encoder} is under {licence}"


def _layer(wanted: int | str, facts: places.Facts) -> int | str:
    """The layer's number, or ``"all"``."""
    if wanted == "all":
        return "all"
    if wanted == "middle":
        return round(2 / 3 * facts.n_blocks)
    if isinstance(wanted, bool) or not isinstance(wanted, int) or not 0 <= wanted <= facts.n_blocks:
        raise ConfigError(
            f"The layer of this encoder is a number from 0 to {facts.n_blocks}, 'middle' or 'all', not {wanted!r}."
        )
    return wanted


@lru_cache(maxsize=1)
def _network(folder: Path, n_blocks: int, sha256: str) -> Network:
    """The encoder, loaded once in each process; ``sha256`` so that weights that were replaced are loaded again."""
    return encoders.load(folder, n_blocks=n_blocks)


@contextmanager
def _one_thread() -> Iterator[None]:
    """One thread for torch, so that sums have one order wherever features are taken; then as many as before."""
    import torch

    before = torch.get_num_threads()
    torch.set_num_threads(1)
    try:
        yield
    finally:
        torch.set_num_threads(before)
