"""Features of recordings with noise on them, made in memory."""

from __future__ import annotations

import functools
import zlib
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, ClassVar

import numpy as np
from numpy.typing import NDArray

from emotone import augment, features
from emotone.features import FrontEnd


@dataclass(frozen=True)
class Noisy:
    """A front-end that puts white noise on the signal first, ``snr_db`` under the voice (`emotone.augment`).

    ``of`` describes the front-end beneath (`emotone.features.describe`). The noise follows from ``seed`` and the
    signal, so that it is the same in any process and in any order; the cache of features knows these from others.
    """

    name: ClassVar[str] = "noisy"
    version: ClassVar[int] = 1

    of: Mapping[str, Any] = field(hash=False)
    snr_db: float = 20.0
    seed: int = 0

    @functools.cached_property
    def beneath(self) -> FrontEnd:
        return features.from_description(dict(self.of))

    @property
    def rate(self) -> int:
        return self.beneath.rate

    @property
    def names(self) -> tuple[str, ...]:
        return self.beneath.names

    def __call__(self, signal: NDArray[np.float32]) -> NDArray[np.float32]:
        """Features, float32 ``(d,)``, of ``signal`` with noise, ``(samples,)`` at ``rate``."""
        rng = np.random.default_rng([self.seed, zlib.crc32(signal.tobytes())])
        return self.beneath(augment.get("noise", snr_db=self.snr_db)(signal, rng))
