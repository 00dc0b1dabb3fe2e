"""Runs' folders made of random answers, for tests of what is done with runs."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from emotone.result import Result

LABELS = ("neutral", "sad", "angry")
VERSIONS = {"python": "3.11.7", "emotone": "0.1.0"}


def protocol(**changes: Any) -> dict[str, Any]:
    return {
        "name": "",
        "corpora": ["ravdess"],
        "label_set": list(LABELS),
        "frontend": {"name": "librosa180", "version": 1, "rate": 16_000},
        "model": {"name": "svm"},
        "protocol": {"name": "speakers", "n_folds": 4},
        "seed": 0,
        "description": "speakers, 4 folds, speakers unseen",
        "speakers": "unseen",
        "shares": ["sentences"],
        "held_out": [{"female": [f"ravdess/{i:02d}"], "male": [f"ravdess/{i + 1:02d}"]} for i in range(0, 8, 2)],
        "notes": ["Test fold 2 holds only one gender."],
        "split_sha256": "c7aac1ef" * 8,
        "data_sha256": "35b392e3" * 8,
        "versions": VERSIONS,
        **changes,
    }


def made(
    *,
    labels: tuple[str, ...] = LABELS,
    skill: float = 1.2,
    seed: int = 0,
    n_speakers: int = 8,
    n_each: int = 12,
    **changes: Any,
) -> Result:
    """``n_each`` recordings of each speaker, two speakers in a fold, right more often the higher the ``skill``. The
    truth is the same for every seed."""
    rng = np.random.default_rng(seed)
    n = n_speakers * n_each
    codes = np.arange(n) % len(labels)
    logits = rng.normal(size=(n, len(labels)))
    logits[np.arange(n), codes] += skill
    proba = np.exp(logits) / np.exp(logits).sum(axis=1, keepdims=True)
    who = np.repeat(np.arange(n_speakers), n_each)
    names = np.array(labels, dtype=object)
    table = pd.DataFrame(
        {
            "corpus": "ravdess",
            "file": [f"Actor_{speaker:02d}/{i}.wav" for i, speaker in enumerate(who)],
            "start": 0.0,
            "end": np.nan,
            "speaker": [f"ravdess/{i:02d}" for i in who],
            "gender": np.where(who % 2, "male", "female"),
            "truth": names[codes],
            "fold": who // 2,
            "predicted": names[proba.argmax(axis=1)],
        }
    ).assign(**{f"proba_{label}": proba[:, i] for i, label in enumerate(labels)})
    return Result(table, labels, protocol(**{"label_set": list(labels), **changes}))


def saved(result: Result, folder: Path, **documents: Any) -> Path:
    """The run's folder, without pictures; ``documents`` are written as JSON beside: ``ladder={...}``."""
    folder.mkdir(parents=True, exist_ok=True)
    result.table.to_parquet(folder / "predictions.parquet", index=False)
    told = {"labels": result.labels, "protocol": result.protocol}
    for name, document in {"result": told, **documents}.items():
        (folder / f"{name}.json").write_text(json.dumps(document), "utf-8")
    return folder


def regression(*, n_speakers: int = 6, n_each: int = 10, seed: int = 0) -> Result:
    """Arousal and valence between 1 and 7, predicted with noise."""
    from emotone.result import RegressionResult

    rng = np.random.default_rng(seed)
    n = n_speakers * n_each
    who = np.repeat(np.arange(n_speakers), n_each)
    columns: dict[str, Any] = {
        "corpus": "table",
        "file": [f"{i}.wav" for i in range(n)],
        "start": 0.0,
        "end": np.nan,
        "speaker": [f"table/{i}" for i in who],
        "fold": who // 2,
    }
    for target, noise in (("arousal", 0.5), ("valence", 2.0)):
        truth = rng.uniform(1, 7, size=n)
        columns |= {f"truth_{target}": truth, f"predicted_{target}": truth + noise * rng.normal(size=n)}
    facts = protocol(corpora=["table"], targets=["arousal", "valence"], held_out=[], model={"name": "ridge"})
    return RegressionResult(pd.DataFrame(columns), (), facts)


TRAINING = {
    "folds": [
        [
            [
                {"epoch": 1, "loss": 1.4, "uar": 0.4, "nll": 1.2},
                {"epoch": 2, "loss": 0.9, "uar": 0.7, "nll": 0.8},
                {"epoch": 3, "loss": 0.6, "uar": 0.65, "nll": 0.7},
            ],
            [{"epoch": 1, "loss": 1.5}, {"epoch": 2, "loss": 1.0}],
        ],
        [[{"epoch": 1, "loss": 1.1, "uar": 0.5, "nll": 1.0}], [{"epoch": 1, "loss": 1.3}]],
    ]
}
"""Two folds, in each of which one training held speakers out and one learnt from all."""

LADDER = {
    "line": "ravdess · UAR 0.64 random (speakers shared), 0.41 unseen speakers",
    "corpora": ["ravdess"],
    "labels": list(LABELS),
    "frontend": "librosa180",
    "model": "svm",
    "chance": 1 / 3,
    "rungs": [
        {
            "name": "augmented",
            "title": "noisy copies before the split",
            "explanation": "a copy of the test clip was trained on",
            "speakers": "shared",
            "flagged": True,
            "value": 0.67,
            "low": 0.62,
            "high": 0.72,
            "n_train": 1200,
            "n_test": 240,
            "control": {
                "title": "copies kept beside their parents",
                "explanation": "as many rows",
                "value": 0.61,
                "low": 0.56,
                "high": 0.66,
                "n_train": 1200,
            },
            "worth": {"what": "noisy copies of test clips", "value": 0.062, "low": 0.031, "high": 0.093},
        },
        {
            "name": "speakers",
            "title": "people it never heard",
            "explanation": "nobody tested was trained on",
            "speakers": "unseen",
            "flagged": False,
            "value": 0.41,
            "low": None,
            "high": None,
            "n_train": 1200,
            "n_test": 240,
            "control": None,
        },
    ],
    "skipped": [{"name": "corpora", "reason": "one corpus alone"}],
}

STRESS = {
    "line": "tiny on ravdess: UAR 0.60 clean, 0.31 under babble",
    "recogniser": "tiny",
    "corpora": ["ravdess"],
    "heard": True,
    "clean": {"value": 0.6, "low": 0.5, "high": 0.7, "n": 96, "n_speakers": 8},
    "conditions": [
        {
            "name": "babble_0db",
            "family": "babble",
            "title": "babble at 0 dB",
            "value": 0.31,
            "low": 0.25,
            "high": 0.4,
            "difference": -0.29,
            "difference_low": -0.35,
            "difference_high": -0.2,
            "same_answer": 0.4,
            "abstained": 0.1,
        }
    ],
    "groups": [
        {
            "by": "gender",
            "group": "female",
            "n": 48,
            "n_speakers": 4,
            "value": 0.5,
            "low": 0.4,
            "high": 0.6,
            "difference": -0.12,
            "threshold": 0.08,
            "passed": False,
        }
    ],
    "tests": [
        {
            "name": "gender",
            "title": "Gender",
            "passed": True,
            "value": 0.01,
            "threshold": 0.05,
            "sentence": "No gap that chance doesn't explain.",
        }
    ],
}

AUDIT = {
    "inflates": True,
    "line": "Audit of 96 recordings: this score is inflated by 1 copy in train and test",
    "n_recordings": 96,
    "findings": [
        {
            "kind": "copies",
            "severity": "error",
            "inflates": True,
            "message": "1 recording has a copy on the other side.",
            "files": [],
            "pairs": [{"a": "ravdess/one.wav", "b": "ravdess/two.wav", "similarity": 0.998}],
        },
        {
            "kind": "silent",
            "severity": "warning",
            "inflates": False,
            "message": "12 recordings are silent.",
            "files": [f"ravdess/silent-{i}.wav" for i in range(12)],
            "pairs": [],
        },
    ],
}
"""What the library writes beside a run, small."""
