"""Augmentation: what rooms, telephones, codecs and careless hands do to a recording.

>>> import numpy as np
>>> from emotone import augment
>>> noisy = augment.get("noise", snr_db=10)(np.ones(16_000, np.float32), np.random.default_rng(0))
>>> noisy.shape, noisy.dtype
((16000,), dtype('float32'))

A transform is a frozen dataclass whose fields are its options, in physical units, called with a signal (float32,
``(samples,)``, 16 kHz) and a numpy Generator. It returns a new signal: float32, finite, 16 kHz, of the same length
unless the transform is about length, and in time with the old one: what encoders and filters delay is taken back.
Everything that is drawn comes from the Generator, so equal generators give equal samples. A result may exceed full
scale, as noise on a loud voice does; nothing is clipped but by `clip`, `quantise` and `codec`.

`get` makes one by name, `Chain` joins several; `emotone.stress` measures what they do to a recogniser.
"""

from __future__ import annotations

import dataclasses
import importlib
from typing import TYPE_CHECKING, Any

from emotone.errors import unknown

if TYPE_CHECKING:
    from emotone.augment.transform import Chain, Transform

__all__ = ["Chain", "Transform", "describe", "get", "names"]

_BUILT_IN = {
    "noise": "emotone.augment.noise:Noise",
    "tone": "emotone.augment.noise:Tone",
    "babble": "emotone.augment.babble:Babble",
    "reverberation": "emotone.augment.reverberation:Reverberation",
    "telephone": "emotone.augment.filters:Telephone",
    "codec": "emotone.augment.codecs:Codec",
    "gain": "emotone.augment.amplitude:Gain",
    "clip": "emotone.augment.amplitude:Clip",
    "offset": "emotone.augment.amplitude:Offset",
    "quantise": "emotone.augment.amplitude:Quantise",
    "resample": "emotone.augment.filters:Resample",
    "low_pass": "emotone.augment.filters:LowPass",
    "high_pass": "emotone.augment.filters:HighPass",
    "tilt": "emotone.augment.filters:Tilt",
    "speed": "emotone.augment.timing:Speed",
    "tempo": "emotone.augment.timing:Tempo",
    "truncate": "emotone.augment.timing:Truncate",
    "silence": "emotone.augment.timing:Silence",
    "packet_loss": "emotone.augment.timing:PacketLoss",
}


def names() -> tuple[str, ...]:
    """What `get` takes."""
    return tuple(_BUILT_IN)


def get(name: str, **options: Any) -> Transform:
    """The transform ``name`` with ``options``.

    Raises `ConfigError` for an unknown name, an unknown option, or a value out of its range.
    """
    if name not in _BUILT_IN:
        raise unknown("augmentation", name, names())
    module, _, attribute = _BUILT_IN[name].partition(":")
    kind = getattr(importlib.import_module(module), attribute)
    allowed = [field.name for field in dataclasses.fields(kind)]
    for option in options:
        if option not in allowed:
            raise unknown(f"option of the augmentation {name!r}", option, allowed)
    transform: Transform = kind(**options)
    return transform


def describe(transform: Transform) -> dict[str, Any]:
    """``{"name": ..., option: value, ...}``, for JSON; of a `Chain`, its steps. Recordings are left out."""
    fields: Any = dataclasses.fields(transform)  # type: ignore[arg-type]  # every transform is a dataclass
    options = {field.name: getattr(transform, field.name) for field in fields if field.compare}
    if transform.name == "chain":
        return {"name": "chain", "steps": [describe(step) for step in options["steps"]]}
    return {"name": transform.name, **options}


def __getattr__(name: str) -> Any:
    if name not in ("Chain", "Transform"):
        raise AttributeError(f"module 'emotone.augment' has no attribute {name!r}")
    return getattr(importlib.import_module("emotone.augment.transform"), name)
