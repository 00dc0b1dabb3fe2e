"""Make metrics.json: small cases, worked by scikit-learn, scipy or plain loops, that ``test_metrics*.py`` must meet.

    python tests/golden/generate_metrics.py

The references share no code with `emotone.metrics`. Run it again only to add a case, and read the difference.
"""

from __future__ import annotations

import itertools
import json
import math
import warnings
from fractions import Fraction
from pathlib import Path
from typing import Any

import numpy as np
from scipy.spatial.distance import cosine, jensenshannon
from scipy.stats import entropy, wilcoxon
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


# --- numbers ---


def number_cases() -> dict[str, tuple[list[float], list[float]]]:
    """Name -> truth, predictions."""
    rng = np.random.default_rng(3)
    drawn_truth = rng.uniform(1, 7, 25).round(2)
    return {
        "perfect": ([1.0, 2.0, 4.0], [1.0, 2.0, 4.0]),
        "upside down": ([1.0, 2.0, 3.0], [3.0, 2.0, 1.0]),
        "shifted by one": ([1.0, 2.0, 3.0], [2.0, 3.0, 4.0]),
        "always the middle": ([1.0, 2.0, 3.0], [2.0, 2.0, 2.0]),
        "one row": ([1.0], [2.0]),
        "all one number": ([2.0, 2.0], [2.0, 2.0]),
        "two numbers": ([2.0, 2.0], [3.0, 3.0]),
        "drawn": (drawn_truth.tolist(), (0.5 * drawn_truth + rng.normal(1, 1, 25)).round(2).tolist()),
    }


def number_references(truth: list[float], predicted: list[float]) -> dict[str, float | None]:
    """In fractions, so without rounding up to the last step; None where undefined."""
    x, y, n = [Fraction(v) for v in truth], [Fraction(v) for v in predicted], len(truth)
    mean_x, mean_y = sum(x) / n, sum(y) / n
    var_x, var_y = sum((v - mean_x) ** 2 for v in x) / n, sum((v - mean_y) ** 2 for v in y) / n
    both = sum((a - mean_x) * (b - mean_y) for a, b in zip(x, y, strict=True)) / n
    apart = var_x + var_y + (mean_x - mean_y) ** 2
    return {
        "ccc": float(2 * both / apart) if n > 1 and apart else None,
        "pearson": float(both) / math.sqrt(var_x * var_y) if n > 1 and var_x and var_y else None,
        "rmse": math.sqrt(sum((a - b) ** 2 for a, b in zip(x, y, strict=True)) / n),
        "mae": float(sum(abs(a - b) for a, b in zip(x, y, strict=True)) / n),
    }


# --- votes ---


def vote_cases() -> dict[str, tuple[list[list[int]], list[list[float]]]]:
    """Name -> counts of votes, probabilities."""
    rng = np.random.default_rng(4)
    return {
        "unanimous and right": ([[3, 0, 0, 0], [0, 0, 3, 0]], sure_of(["neutral", "sad"], 0.7)),
        "two against two": ([[2, 2, 0, 0], [0, 0, 2, 2]], sure_of(["happy", "neutral"], 0.4)),
        "all differ": ([[1, 1, 1, 1]], sure_of(["angry"], 0.55)),
        "certain and wrong": ([[5, 1, 0, 0]], sure_of(["angry"], 1.0)),
        "drawn": (
            rng.multinomial(6, rng.dirichlet(np.ones(4), 12)).tolist(),
            rng.dirichlet(np.ones(4), 12).round(3).tolist(),
        ),
    }


def vote_references(counts: list[list[int]], proba: list[list[float]]) -> dict[str, Any]:
    tiny = np.finfo(float).eps
    rows = []
    for count, row in zip(counts, proba, strict=True):
        votes, p = np.array(count) / sum(count), np.array(row)
        modes = [i for i, c in enumerate(count) if c == max(count)]
        answer = row.index(max(row))
        rows.append(
            {
                "kl": entropy(votes, np.maximum(p, tiny)) - math.log(np.maximum(p, tiny).sum()),
                "js": jensenshannon(votes, p, base=2) ** 2,
                "cross_entropy": -sum(v * math.log(max(q, tiny)) for v, q in zip(votes, row, strict=True)),
                "soft_accuracy": 1 - sum(abs(votes - p)) / 2,
                "agreement": votes[answer],
                "plurality": (answer in modes) / len(modes),
                "cosine": 1 - cosine(votes, p),
            }
        )
    return {name: float(np.mean([row[name] for row in rows])) for name in rows[0]}


def ceiling_references(counts: list[list[int]]) -> dict[str, dict[str, float]]:
    """One rater at a time, each written out."""
    of_rows = []
    for count in counts:
        raters = [label for label, c in enumerate(count) for _ in range(c)]
        own = []
        for i, vote in enumerate(raters):
            others = raters[:i] + raters[i + 1 :]
            shares = np.bincount(others, minlength=len(LABELS)) / len(others)
            onehot = np.eye(len(LABELS))[vote]
            modes = np.flatnonzero(shares == shares.max())
            forecast = (np.bincount(others, minlength=len(LABELS)) + 0.5) / (len(others) + 0.5 * len(LABELS))
            own.append(
                [
                    others.count(vote) / len(others),
                    jensenshannon(shares, onehot, base=2) ** 2,
                    1 - cosine(shares, onehot),
                    (vote in modes) / len(modes),
                    -math.log(forecast[vote]),
                ]
            )
        of_rows.append([*np.mean(own, axis=0), entropy(np.array(count) / sum(count))])
    agreement, js, cos, plurality, loss, spread = (float(v) for v in np.mean(of_rows, axis=0))
    return {
        "rater": {"soft_accuracy": agreement, "agreement": agreement, "js": js, "cosine": cos, "plurality": plurality},
        "panel": {"agreement": plurality, "cross_entropy": loss, "kl": loss - spread},
    }


# --- confidence ---


def area_under_risk(truth: list[str], proba: list[list[float]]) -> dict[str, float]:
    """AURC: the mean over every order that ties allow, each order walked through."""
    rows = [(max(row), LABELS[row.index(max(row))] != true) for true, row in zip(truth, proba, strict=True)]
    groups = [
        [wrong for confidence, wrong in rows if confidence == level] for level in sorted({r[0] for r in rows})[::-1]
    ]
    areas = []
    for order in itertools.product(*(set(itertools.permutations(group)) for group in groups)):
        errors = list(itertools.chain(*order))
        areas.append(np.mean([sum(errors[: k + 1]) / (k + 1) for k in range(len(errors))]))
    best = sorted(wrong for _, wrong in rows)
    return {
        "aurc": float(np.mean(areas)),
        "optimal": float(np.mean([sum(best[: k + 1]) / (k + 1) for k in range(len(best))])),
    }


def confidence_cases() -> dict[str, tuple[list[str], list[list[float]]]]:
    answers = ["neutral", "happy", "sad", "angry", "sad"]
    two_wrong = ["neutral", "angry", "sad", "angry", "happy"]
    sure = [0.9, 0.8, 0.7, 0.6, 0.5]

    def given(confidences: list[float]) -> list[list[float]]:
        return [sure_of([answer], c)[0] for answer, c in zip(answers, confidences, strict=True)]

    return {
        "all right": (answers, given(sure)),
        "all wrong": ([*answers[1:], "happy"], given(sure)),
        "one wrong, the surest": (["sad", *answers[1:]], given(sure)),
        "one wrong, the least sure": ([*answers[:-1], "happy"], given(sure)),
        "three tie, one of them wrong": (two_wrong, given([0.9, 0.7, 0.7, 0.7, 0.5])),
        "all tie": (two_wrong, given([0.7] * 5)),
        "one row": (["sad"], sure_of(["sad"], 0.4)),
    }


# --- differences of speakers ---


def rank_cases() -> dict[str, list[float]]:
    """Name -> gain of each speaker, in sixteenths."""
    return {
        "all up": [1.0, 2.0, 3.0, 4.0, 5.0, 6.0],
        "even": [1.0, -2.0, 3.0, -4.0],
        "ties": [1.0, 1.0, -1.0, 2.0, 2.0, 3.0, -4.0],
        "zeros": [0.0, 0.0, 1.0, 2.0, -3.0, 5.0],
        "one": [3.0],
    }


def rank_reference(gains: list[float]) -> dict[str, float]:
    """Every assignment of signs, counted."""
    kept = np.array([gain for gain in gains if gain])
    ranks = [float(np.mean(np.flatnonzero(np.sort(abs(kept)) == abs(gain)) + 1)) for gain in kept]

    def smaller(signs: tuple[float, ...]) -> float:
        above = sum(rank for rank, sign in zip(ranks, signs, strict=True) if sign > 0)
        return min(above, sum(ranks) - above)

    found = smaller(tuple(kept))
    counted = [smaller(signs) <= found for signs in itertools.product((-1.0, 1.0), repeat=len(kept))]
    if len(set(abs(kept))) == len(kept):
        exact = wilcoxon(kept, method="exact")
        assert (exact.statistic, round(exact.pvalue, 12)) == (found, round(sum(counted) / len(counted), 12))
    return {"statistic": found, "p": sum(counted) / len(counted), "n": len(kept)}


def main() -> None:
    document: dict[str, Any] = {"labels": LABELS, "cases": {}}
    for name, (truth, proba) in cases().items():
        given = (np.array(proba) / np.sum(proba, axis=1, keepdims=True)).tolist()
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # about absent classes, which is what some cases are for
            document["cases"][name] = {"truth": truth, "proba": given, "scores": references(truth, proba)}
    document["regression"] = {
        name: {"truth": truth, "predicted": predicted, "scores": number_references(truth, predicted)}
        for name, (truth, predicted) in number_cases().items()
    }
    document["votes"] = {}
    for name, (counts, drawn_proba) in vote_cases().items():
        given = (np.array(drawn_proba) / np.sum(drawn_proba, axis=1, keepdims=True)).tolist()
        worked = {"scores": vote_references(counts, given), "ceiling": ceiling_references(counts)}
        document["votes"][name] = {"counts": counts, "proba": given, **worked}
    document["confidence"] = {
        name: {"truth": truth, "proba": proba, **area_under_risk(truth, proba)}
        for name, (truth, proba) in confidence_cases().items()
    }
    document["ranks"] = {name: {"gains": gains, **rank_reference(gains)} for name, gains in rank_cases().items()}
    text = json.dumps(document, indent=1).replace("NaN", "null")
    Path(__file__).with_name("metrics.json").write_text(text + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
