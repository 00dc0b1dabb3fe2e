"""Make metrics.json: small cases, worked by scikit-learn or by plain loops, that `test_metrics.py` must meet.

    python tests/golden/generate_metrics.py

The references share no code with `emotone.metrics`. Run it again only to add a case, and read the difference.
"""

from __future__ import annotations

import json
import warnings
from pathlib import Path
from typing import Any

import numpy as np
from sklearn.metrics import balanced_accuracy_score, confusion_matrix, f1_score, log_loss, precision_score

LABELS = ["neutral", "happy", "sad", "angry"]


def sure_of(answers: list[str], confidence: float) -> list[list[float]]:
    rest = (1 - confidence) / (len(LABELS) - 1)
    return [[confidence if label == answer else rest for label in LABELS] for answer in answers]


def drawn(seed: int, n: int, classes: list[str]) -> tuple[list[str], list[list[float]]]:
    rng = np.random.default_rng(seed)
    truth = [classes[i] for i in rng.integers(0, len(classes), n)]
    return truth, rng.dirichlet(np.full(len(LABELS), 0.7), size=n).round(3).tolist()


def cases() -> dict[str, tuple[list[str], list[list[float]]]]:
    """Name -> truth, probabilities."""
    return {
        "perfect": (LABELS * 2, sure_of(LABELS * 2, 1.0)),
        "all wrong": (LABELS, sure_of(LABELS[1:] + LABELS[:1], 0.7)),
        "one row": (["sad"], sure_of(["sad"], 0.55)),
        "one class in the truth": (["sad"] * 4, sure_of(["sad", "happy", "sad", "angry"], 0.4)),
        "always the same answer": (
            ["neutral"] * 6 + ["happy", "sad", "angry"],
            sure_of(["neutral"] * 9, 0.9),
        ),
        "a class never true but answered": (
            ["neutral", "neutral", "happy", "happy", "sad"],
            sure_of(["neutral", "angry", "happy", "sad", "sad"], 0.8),
        ),
        "drawn, uneven": drawn(1, 41, ["neutral"] * 5 + ["happy", "sad", "angry"]),
        "drawn, without sad": drawn(2, 30, ["neutral", "happy", "angry"]),
    }


def expected_calibration_error(truth: list[str], proba: list[list[float]], n_bins: int = 15) -> float:
    bins: dict[int, list[tuple[float, bool]]] = {}
    for true, row in zip(truth, proba, strict=True):
        confidence = max(row)
        number = next(i for i in range(1, n_bins + 1) if confidence <= i / n_bins + 1e-6)
        bins.setdefault(number, []).append((confidence, LABELS[row.index(confidence)] == true))
    gaps = [abs(sum(hit for _, hit in rows) - sum(confidence for confidence, _ in rows)) for rows in bins.values()]
    return sum(gaps) / len(truth)


def references(truth: list[str], proba: list[list[float]]) -> dict[str, Any]:
    answers = [LABELS[int(np.argmax(row))] for row in proba]
    present = [label for label in LABELS if label in truth]
    onehot = np.array([[label == true for label in LABELS] for true in truth], dtype=float)
    given = np.array(proba) / np.sum(proba, axis=1, keepdims=True)
    return {
        "uar": float(balanced_accuracy_score(truth, answers)),
        "war": sum(a == b for a, b in zip(truth, answers, strict=True)) / len(truth),
        "macro_f1": float(f1_score(truth, answers, labels=present, average="macro", zero_division=0)),
        "precision": precision_score(truth, answers, labels=LABELS, average=None, zero_division=np.nan).tolist(),
        # scikit-learn wants the labels in alphabetical order.
        "nll": float(log_loss(truth, given[:, np.argsort(LABELS)], labels=sorted(LABELS))),
        "brier": float(((given - onehot) ** 2).sum(axis=1).mean()),
        "ece": expected_calibration_error(truth, given.tolist()),
        "confusion": confusion_matrix(truth, answers, labels=LABELS).tolist(),
    }


def main() -> None:
    document = {"labels": LABELS, "cases": {}}
    for name, (truth, proba) in cases().items():
        given = (np.array(proba) / np.sum(proba, axis=1, keepdims=True)).tolist()
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # about absent classes, which is what some cases are for
            document["cases"][name] = {"truth": truth, "proba": given, "scores": references(truth, proba)}
    text = json.dumps(document, indent=1).replace("NaN", "null")
    Path(__file__).with_name("metrics.json").write_text(text + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
