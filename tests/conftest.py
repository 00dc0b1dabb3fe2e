"""Shared fixtures: where real recordings are, a seeded generator, and a home folder nobody else uses."""

from __future__ import annotations

import os
from pathlib import Path

import numpy as np
import pytest

BESIDE = Path(__file__).resolve().parents[2] / "shared" / "data"


@pytest.fixture(scope="session")
def data() -> Path:
    """The folder of real corpora: ``EMOTONE_DATA``, or ``../shared/data`` beside the checkout."""
    root = Path(os.environ.get("EMOTONE_DATA", BESIDE))
    if not (root / "ravdess").is_dir():
        pytest.skip(f"no real recordings: set EMOTONE_DATA to a folder with ravdess/ in it ({root} has none)")
    return root


@pytest.fixture
def rng() -> np.random.Generator:
    return np.random.default_rng(0)


@pytest.fixture(autouse=True)
def own_home(tmp_path_factory: pytest.TempPathFactory, monkeypatch: pytest.MonkeyPatch) -> None:
    """Caches and settings of a test never touch the user's."""
    monkeypatch.setenv("EMOTONE_CACHE", str(tmp_path_factory.mktemp("cache")))
