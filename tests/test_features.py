"""`features`: the registry, what every front-end promises, descriptions, plug-ins."""

from __future__ import annotations

import dataclasses
import json
import pickle
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from emotone import features
from emotone.errors import ConfigError, MissingExtra, RecogniserError
from emotone.synthetic import speech

SIZES = {"librosa180": 180, "functionals": None, "egemaps": 88, "compare": 6373}
"""Dimension of each front-end of this package; None where it may still change."""


@pytest.fixture
def signal(rng: np.random.Generator) -> np.ndarray:
    return speech("angry", 1, rng=rng, seconds=1.5)


def made(name: str) -> features.FrontEnd:
    if name in {"egemaps", "compare"}:
        pytest.importorskip("opensmile")
    return features.get(name)


def test_names() -> None:
    assert features.names()[: len(SIZES)] == tuple(SIZES)


@pytest.mark.parametrize("name", SIZES)
def test_every_front_end_keeps_the_contract(name: str, signal: np.ndarray) -> None:
    frontend = made(name)
    assert isinstance(frontend, features.FrontEnd)
    assert dataclasses.is_dataclass(frontend)
    assert frontend.name == name
    assert frontend.version >= 1
    assert frontend.rate == 16_000
    before = signal.copy()
    values = frontend(signal)
    assert np.array_equal(signal, before)
    assert values.dtype == np.float32
    assert values.shape == (len(frontend.names),) == (SIZES[name] or len(frontend.names),)
    assert np.isfinite(values).all()
    assert len(set(frontend.names)) == len(frontend.names)
    assert np.array_equal(frontend(signal), values)


@pytest.mark.parametrize("name", SIZES)
def test_every_front_end_is_a_frozen_value(name: str) -> None:
    frontend = made(name)
    assert frontend == features.get(name)
    assert hash(frontend) == hash(features.get(name))
    assert pickle.loads(pickle.dumps(frontend)) == frontend
    with pytest.raises(dataclasses.FrozenInstanceError):
        frontend.rate = 8_000  # type: ignore[misc]


@pytest.mark.parametrize("name", SIZES)
def test_every_front_end_survives_json(name: str) -> None:
    frontend = made(name)
    description = features.describe(frontend)
    assert (description["name"], description["version"]) == (name, frontend.version)
    assert features.from_description(json.loads(json.dumps(description))) == frontend


def test_options_are_part_of_the_description() -> None:
    frontend = features.get("librosa180", rate=48_000)
    assert features.describe(frontend) == {"name": "librosa180", "version": 1, "rate": 48_000}
    assert features.from_description(features.describe(frontend)) == frontend != features.get("librosa180")


def test_unknown_names_and_options_name_the_allowed_ones() -> None:
    with pytest.raises(ConfigError, match=r"Unknown features 'librosa18'.*'librosa180'.*functionals.*compare"):
        features.get("librosa18")
    with pytest.raises(ConfigError, match=r"option of the features 'librosa180' 'rat'.*Allowed: rate"):
        features.get("librosa180", rat=48_000)


@pytest.mark.parametrize(
    ("description", "words"),
    [
        ({"name": "librosa180", "version": 7, "rate": 16_000}, r"version 7 .*has version 1.*pip install"),
        ({"name": "librosa180"}, r"version None .*has version 1"),
        ({"name": "spectra", "version": 1}, r"'spectra'; this emotone has only librosa180.*pip install"),
        ({}, "None; this emotone has only"),
        ({"name": "librosa180", "version": 1, "hop": 5}, r"'librosa180' can't be made .*'hop'.*Allowed: rate"),
        ({"name": "librosa180", "version": 1, "rate": -1}, r"can't be made as described.*8000 to 192000"),
    ],
)
def test_descriptions_that_this_emotone_cannot_follow(description: dict[str, object], words: str) -> None:
    with pytest.raises(RecogniserError, match=words):
        features.from_description(description)


def test_a_missing_extra_names_the_cure(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "opensmile", None)
    with pytest.raises(MissingExtra, match=r"opensmile.*pip install 'emotone\[egemaps\]'"):
        features.get("egemaps")


PLUG_IN = """
from dataclasses import dataclass
from typing import ClassVar
import numpy as np

@dataclass(frozen=True)
class Loudness:
    name: ClassVar[str] = "loudness"
    version: ClassVar[int] = 4
    names: ClassVar[tuple[str, ...]] = ("rms",)
    rate: int = 16_000

    def __call__(self, signal):
        return np.sqrt(np.mean(np.square(signal), keepdims=True))

@dataclass(frozen=True)
class Misnamed(Loudness):
    name: ClassVar[str] = "something else"
"""


@pytest.fixture
def plug_in(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """An installed package with three front-ends, two of them faulty, and one that claims a built-in name."""
    (tmp_path / "emotone_loudness.py").write_text(PLUG_IN)
    facts = tmp_path / "emotone_loudness-1.0.dist-info"
    facts.mkdir()
    (facts / "METADATA").write_text("Metadata-Version: 2.1\nName: emotone-loudness\nVersion: 1.0\n")
    (facts / "entry_points.txt").write_text(
        "[emotone.features]\n"
        "loudness = emotone_loudness:Loudness\n"
        "misnamed = emotone_loudness:Misnamed\n"
        "absent = emotone_loudness:Absent\n"
        "librosa180 = emotone_loudness:Loudness\n"
    )
    monkeypatch.syspath_prepend(tmp_path)
    monkeypatch.delitem(sys.modules, "emotone_loudness", raising=False)


@pytest.mark.usefixtures("plug_in")
def test_packages_bring_front_ends(signal: np.ndarray) -> None:
    assert features.names() == (*SIZES, "embeddings", "waveform", "absent", "loudness", "misnamed")
    loudness = features.get("loudness", rate=8_000)
    assert isinstance(loudness, features.FrontEnd)
    assert features.describe(loudness) == {"name": "loudness", "version": 4, "rate": 8_000}
    assert loudness(signal).shape == (1,)
    assert len(features.get("librosa180").names) == 180


@pytest.mark.usefixtures("plug_in")
def test_faulty_plug_ins_are_named() -> None:
    with pytest.raises(ConfigError, match=r"'absent' \(emotone_loudness:Absent\) can't be loaded"):
        features.get("absent")
    with pytest.raises(ConfigError, match="emotone_loudness:Misnamed must be a dataclass whose name is 'misnamed'"):
        features.get("misnamed")


def test_the_public_names_exist() -> None:
    for name in features.__all__:
        assert getattr(features, name) is not None
    with pytest.raises(AttributeError, match="no attribute 'extracts'"):
        _ = features.extracts


def test_asking_for_names_loads_nothing() -> None:
    program = (
        "import sys\n"
        "from emotone import features\n"
        "features.names()\n"
        "heavy = {'numpy', 'pandas', 'librosa', 'scipy', 'sklearn', 'opensmile', 'soundfile'} & set(sys.modules)\n"
        "assert not heavy, heavy\n"
    )
    subprocess.run([sys.executable, "-c", program], check=True)
