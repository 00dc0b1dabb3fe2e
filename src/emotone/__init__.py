"""Speech emotion recognition that people can use in a minute and believe.

>>> import emotone
>>> recogniser = emotone.load()                        # doctest: +SKIP
>>> recogniser.predict("speech.wav").emotion           # doctest: +SKIP
'angry'

Names are imported on first use, so ``import emotone`` itself loads nothing heavy.
"""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING, Any

__version__ = "0.1.0"

# Public name -> the module it lives in. `tests/test_public.py` holds this list true.
_HOMES = {
    "AudioError": "errors",
    "ConfigError": "errors",
    "Corpus": "corpora",
    "CorpusError": "errors",
    "DownloadError": "errors",
    "EMOTIONS": "labels",
    "EmotoneError": "errors",
    "Experiment": "experiment",
    "ExperimentError": "errors",
    "LABEL_SETS": "labels",
    "MissingExtra": "errors",
    "Recogniser": "recogniser",
    "RecogniserError": "errors",
    "RegressionResult": "result",
    "Result": "result",
    "Segment": "segment",
    "Stream": "stream",
    "StreamOptions": "stream",
    "Turn": "turns",
    "VoiceOptions": "voice",
    "load": "recogniser",
}
_MODULES = (
    "audio",
    "audit",
    "augment",
    "batch",
    "client",
    "corpora",
    "features",
    "formats",
    "labels",
    "metrics",
    "models",
    "plots",
    "splits",
    "synthetic",
)

__all__ = [
    "EMOTIONS",
    "LABEL_SETS",
    "AudioError",
    "ConfigError",
    "Corpus",
    "CorpusError",
    "DownloadError",
    "EmotoneError",
    "Experiment",
    "ExperimentError",
    "MissingExtra",
    "Recogniser",
    "RecogniserError",
    "RegressionResult",
    "Result",
    "Segment",
    "Stream",
    "StreamOptions",
    "Turn",
    "VoiceOptions",
    "__version__",
    "audio",
    "audit",
    "augment",
    "batch",
    "client",
    "corpora",
    "features",
    "formats",
    "labels",
    "load",
    "metrics",
    "models",
    "plots",
    "splits",
    "synthetic",
]

if TYPE_CHECKING:
    from emotone import (
        audio,
        audit,
        augment,
        batch,
        client,
        corpora,
        features,
        formats,
        labels,
        metrics,
        models,
        plots,
        splits,
        synthetic,
    )
    from emotone.corpora import Corpus
    from emotone.errors import (
        AudioError,
        ConfigError,
        CorpusError,
        DownloadError,
        EmotoneError,
        ExperimentError,
        MissingExtra,
        RecogniserError,
    )
    from emotone.experiment import Experiment
    from emotone.labels import EMOTIONS, LABEL_SETS
    from emotone.recogniser import Recogniser, load
    from emotone.result import RegressionResult, Result
    from emotone.segment import Segment
    from emotone.stream import Stream, StreamOptions
    from emotone.turns import Turn
    from emotone.voice import VoiceOptions


def __getattr__(name: str) -> Any:
    if name in _HOMES:
        value = getattr(importlib.import_module(f"emotone.{_HOMES[name]}"), name)
    elif name in _MODULES:
        value = importlib.import_module(f"emotone.{name}")
    else:
        raise AttributeError(f"module 'emotone' has no attribute {name!r}")
    globals()[name] = value
    return value


def __dir__() -> list[str]:
    return sorted(__all__)
