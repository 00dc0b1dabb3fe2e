"""How networks are trained: every setting of the loop, with the reason for its default."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from emotone import augment
from emotone.augment.transform import Transform
from emotone.errors import ConfigError, unknown
from emotone.models.networks import RATE, SAMPLES_PER_FRAME

__all__ = ["TrainingOptions"]

DEVICES = ("auto", "cpu", "cuda")
PRECISIONS = ("auto", "float32", "bfloat16")
TRANSFORM_SHARE = 0.25

_RANGES: dict[str, tuple[float, float, bool]] = {
    "epochs": (1, math.inf, True),
    "batch": (1, math.inf, True),
    "seconds": (0.1, 60, False),
    "learning_rate": (0, 1, False),
    "trunk_rate": (0, 1, False),
    "warmup": (0, 1, False),
    "weight_decay": (0, 1, False),
    "clip": (1e-6, math.inf, False),
    "average": (0, 1, False),
    "patience": (0, math.inf, True),
    "balance": (0, 1, False),
    "votes": (0, 1, False),
    "label_share": (0, math.inf, False),
    "augment": (0, 2, False),
    "speed": (0, 0.5, False),
    "mask_bands": (0, math.inf, True),
    "mask_frames": (0, math.inf, True),
    "mixup": (0, 10, False),
}
"""The least, the most, and whether it is a whole number."""


@dataclass(frozen=True, kw_only=True)
class TrainingOptions:
    """Settings of `emotone.models.training.train`. Raises `ConfigError` for one out of its range."""

    epochs: int = 30
    batch: int = 32
    seconds: float = 3.0
    """Of a crop: about what an acted utterance lasts. Shorter clips are heard whole."""
    learning_rate: float = 1e-3
    trunk_rate: float = 1.0
    """The trunk's learning rate over that of the rest: below 1 for a pretrained one, 0 leaves it as it is."""
    warmup: float = 0.05
    """Share of all steps in which the learning rate rises."""
    weight_decay: float = 0.02
    clip: float = 1.0
    """The most that a gradient may measure."""
    average: float = 0.999
    """How much of the average of parameters a step keeps: 0.999 remembers the last thousand steps."""
    patience: int = 0
    """Epochs without a better one after which training stops; 0 never. The learning rate falls on a plan, and the last
    epochs are mostly the best, so stopping saves time and nothing else."""

    balance: float = 1.0
    """From 0, labels weigh as many as there are, to 1, all labels weigh alike."""
    votes: float = 0.5
    """Share of the raters' votes in a label, where there are any; the rest is the label itself."""
    label_share: float = 1.0
    """Weight of the labels' loss; the teacher's frames have 1. 0 leaves labels out."""

    augment: float = 1.0
    """How much of noise, voices, rooms, microphones and telephones: 0 none, 1 three in four crops, 2 nearly all, by
    several of them."""
    speed: float = 0.1
    """The most by which crops are faster or slower, where no teacher gives the time."""
    mask_bands: int = 12
    mask_frames: int = 30
    """The widest stripes of SpecAugment, in bands and in frames of 10 ms."""
    mixup: float = 0.2
    """The parameter of mixup's beta distribution, 0 for none; without a teacher only."""
    transforms: Sequence[Mapping[str, Any]] = ()
    """Transforms of `emotone.augment` besides: ``{"name": "codec", "coding": "opus", "share": 0.1}``, where ``share``
    is how many of the crops meet it (default 0.25) and the rest are its options."""

    device: str = "auto"
    """cpu, cuda, or auto: a GPU where there is one."""
    precision: str = "auto"
    """float32, bfloat16, or auto: bfloat16 where the hardware multiplies it."""

    def __post_init__(self) -> None:
        for name, (least, most, whole) in _RANGES.items():
            value = getattr(self, name)
            right_kind = isinstance(value, int if whole else int | float) and not isinstance(value, bool)
            if not right_kind or not least <= value <= most:
                bounds = f"from {least:g} to {most:g}" if math.isfinite(most) else f"of {least:g} or more"
                raise ConfigError(f"{name} is a {'whole ' if whole else ''}number {bounds}, not {value!r}.")
        for name, allowed in (("device", DEVICES), ("precision", PRECISIONS)):
            if getattr(self, name) not in allowed:
                raise unknown(name, getattr(self, name), allowed)
        self.made_transforms()

    @property
    def crop(self) -> int:
        """Samples of a crop, a multiple of a frame's."""
        return max(1, round(self.seconds * RATE / SAMPLES_PER_FRAME)) * SAMPLES_PER_FRAME

    def made_transforms(self) -> tuple[tuple[float, Transform], ...]:
        """Each of ``transforms`` after the share of the crops that meet it."""
        return tuple(_made(each) for each in self.transforms)


def _made(described: Mapping[str, Any]) -> tuple[float, Transform]:
    if not isinstance(described, Mapping) or "name" not in described:
        raise ConfigError(f'A transform is written {{name = "codec", coding = "opus"}}, not {described!r}.')
    options = dict(described)
    name, share = options.pop("name"), options.pop("share", TRANSFORM_SHARE)
    if isinstance(share, bool) or not isinstance(share, int | float) or not 0 <= share <= 1:
        raise ConfigError(f"The share of crops that meet {name!r} goes from 0 to 1, not {share!r}.")
    return float(share), augment.get(name, **options)
