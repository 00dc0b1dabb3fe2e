"""A recogniser trained in a second or two on synthetic speech, for tests of everything around recognisers."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cache
from typing import Any

import numpy as np
from numpy.typing import NDArray

from emotone import features, models, synthetic
from emotone.models.onnx import regression_to_onnx, to_onnx
from emotone.models.speakers import SHRINKAGE
from emotone.recogniser import Recogniser

LABELS = ("neutral", "sad", "angry")
ABOUT: dict[str, Any] = {
    "name": "tiny",
    "model": {"name": "logistic", "C": 1.0},
    "seed": 0,
    "corpora": [
        {
            "name": "synthetic",
            "title": "Synthetic speech",
            "licence": "CC BY-NC-SA 4.0",
            "commercial": False,
            "n_utterances": 72,
            "n_speakers": 6,
            "languages": ["en"],
            "homepage": "https://example.org/corpus",
            "citation": "Nobody (2020). Sounds of nobody.",
        }
    ],
    "scores": [
        {
            "line": "UAR 0.90 [0.80, 0.95] · synthetic three · speakers, 6 folds, speakers unseen",
            "uar": {"value": 0.9, "low": 0.8, "high": 0.95},
            "war": {"value": 0.91, "low": 0.85, "high": 0.97},
        }
    ],
    "licence": "CC BY-NC-SA 4.0",
    "versions": {"emotone": "0.1.0"},
}


@dataclass(frozen=True)
class Tiny:
    """The recogniser beside the scikit-learn model it was made from, and that model's training data."""

    recogniser: Recogniser
    model: Any
    X: NDArray[np.float32]


@cache
def tiny() -> Tiny:
    frontend = features.get("librosa180")
    rng = np.random.default_rng(0)
    rows = [(label, speaker) for label in LABELS for speaker in range(6) for _ in range(4)]
    # Emotions so weak that they overlap, hence probabilities that are not all 0 and 1.
    clips = (synthetic.speech(label, who, rng=rng, seconds=1.2, strength=0.3) for label, who in rows)
    X = np.stack([frontend(clip) for clip in clips])
    y, groups = (np.array(column) for column in zip(*rows, strict=True))
    model = models.get("logistic", C=1.0).fit(X, y, groups=groups)
    recogniser = Recogniser.create(
        model_bytes=to_onnx(model, LABELS, X.shape[1]),
        frontend=frontend,
        labels=LABELS,
        abstain_below=0.4,
        about=ABOUT,
    )
    return Tiny(recogniser, model, X)


@cache
def tiny_adapting() -> Tiny:
    """The same as `tiny`, of a model that learned what to do with a voice it knows."""
    X = tiny().X
    y, speakers = np.repeat(LABELS, 24), np.tile(np.repeat(np.arange(6), 4), 3)
    model = models.get("logistic", C=1.0, known_speakers=True).fit(X, y, groups=speakers)
    recogniser = Recogniser.create(
        model_bytes=to_onnx(model, LABELS, X.shape[1]),
        frontend=tiny().recogniser.frontend,
        labels=LABELS,
        adaptation={"shrinkage": SHRINKAGE, "population": model.population_.tolist()},
        about=ABOUT,
    )
    return Tiny(recogniser, model, X)


@cache
def tiny_dimensions() -> Tiny:
    """The same for arousal, which here is how strongly speech is angry, and valence, which nothing tells."""
    frontend = features.get("librosa180")
    rng = np.random.default_rng(1)
    arousal = rng.uniform(0.0, 1.0, 72)
    speakers = np.repeat(np.arange(6), 12)
    clips = [
        synthetic.speech("angry", int(who), rng=rng, seconds=1.2, strength=float(strength))
        for who, strength in zip(speakers, arousal, strict=True)
    ]
    X = np.stack([frontend(clip) for clip in clips])
    y = np.stack([1 + 6 * arousal, rng.uniform(-1.0, 1.0, 72)], axis=1)
    model = models.get("ridge").fit(X, y, groups=speakers)
    recogniser = Recogniser.create(
        model_bytes=regression_to_onnx(model, X.shape[1]),
        frontend=frontend,
        dimensions={"arousal": (1.0, 7.0), "valence": (-1.0, 1.0)},
        about=ABOUT | {"name": "tiny dimensions", "model": {"name": "ridge"}, "scores": []},
    )
    return Tiny(recogniser, model, X)
