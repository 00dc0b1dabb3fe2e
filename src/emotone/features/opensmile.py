"""``egemaps`` and ``compare``: openSMILE's standard feature sets, for comparison with published work.

**openSMILE is not free software.** Its licence allows private, research and educational use only; a product
that uses these features, or a recogniser trained on them, needs a commercial licence from audEERING. That is
why they are behind an extra of their own, ``pip install 'emotone[egemaps]'``, and why emotone's own
recognisers use ``functionals`` instead.

openSMILE reads 16-bit integers, and the opensmile package converts to them without a limit: a sample of +1.0
becomes 32768, wraps round to -32768, and that click moves many of the features. Here samples are limited to
what fits first.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache
from typing import Any, ClassVar

import numpy as np
from numpy.typing import NDArray

from emotone.errors import AudioError, require

__all__ = ["FULL_SCALE", "LICENCE_NOTE", "SHORTEST", "Compare", "Egemaps"]

Floats = NDArray[np.float32]

FULL_SCALE = 32767 / 32768
"""The largest 16-bit sample."""
SHORTEST = 0.06
"""Seconds: openSMILE's longest frame, that of the pitch."""

LICENCE_NOTE = (
    "openSMILE's licence allows private, research and educational use only; "
    "anything commercial, trained models included, needs a licence from audEERING."
)


class _OpenSmile:
    """What both sets share; made on first use in each process, since openSMILE's own objects can't be sent."""

    name: ClassVar[str]
    _feature_set: ClassVar[str]

    version: ClassVar[int] = 1
    rate: ClassVar[int] = 16_000
    licence_note: ClassVar[str] = LICENCE_NOTE

    def __post_init__(self) -> None:
        require("opensmile", extra="egemaps")

    @property
    def names(self) -> tuple[str, ...]:
        """openSMILE's names of the features."""
        return tuple(_smile(self._feature_set).feature_names)

    def __call__(self, signal: Floats) -> Floats:
        """Features, ``(d,)``, of ``signal``, ``(samples,)``, at 16 kHz.

        Raises `AudioError` for less than `SHORTEST`, from which openSMILE makes no features.
        """
        if len(signal) < SHORTEST * self.rate:
            raise AudioError(
                f"openSMILE needs {1000 * SHORTEST:.0f} ms of sound for its features; "
                f"these are {1000 * len(signal) / self.rate:.0f} ms. Give a longer recording."
            )
        limited = np.clip(signal, -1.0, FULL_SCALE, dtype=np.float32)
        features: Floats = _smile(self._feature_set)(limited, self.rate)
        return features.reshape(-1)


@dataclass(frozen=True)
class Egemaps(_OpenSmile):
    """The 88 functionals of eGeMAPSv02 (Eyben et al., 2016, IEEE Transactions on Affective Computing 7(2))."""

    name: ClassVar[str] = "egemaps"
    _feature_set: ClassVar[str] = "eGeMAPSv02"


@dataclass(frozen=True)
class Compare(_OpenSmile):
    """The 6,373 functionals of ComParE 2016 (Schuller et al., 2016, Interspeech)."""

    name: ClassVar[str] = "compare"
    _feature_set: ClassVar[str] = "ComParE_2016"


@lru_cache(maxsize=2)
def _smile(feature_set: str) -> Any:
    import opensmile

    return opensmile.Smile(
        feature_set=getattr(opensmile.FeatureSet, feature_set),
        feature_level=opensmile.FeatureLevel.Functionals,
    )
