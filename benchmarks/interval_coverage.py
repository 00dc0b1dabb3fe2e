"""How often a 95 % interval of `emotone.metrics` holds the truth, and a 90 % set the true label, in simulated
experiments.

    python benchmarks/interval_coverage.py [--experiments 1000] [--json]

A simulated recogniser answers from eight logits: unit noise, plus a margin for the true emotion that differs
between emotions and speakers, plus a leaning of each speaker towards each answer. The margins' and leanings'
spread makes single speakers' UAR scatter with a standard deviation of 0.16 (strong: RAVDESS's published
per-actor scores scatter less). A second recogniser, for `difference`, hears the same logits through more noise and
leanings of its own. For CCC, RMSE and MAE a speaker has a mean arousal, and the recogniser a slope and an offset
for each. The truth is the score over 20,000 other speakers. *even*: 60 rows a speaker, half as many neutral, as
RAVDESS has. *uneven*: 5 to some 200 rows, classes in a proportion of each speaker's own. Beside each interval the
percentile interval of a bootstrap of speakers.

Sets are calibrated on some speakers and tested on 200 rows of as many others, once with every row counted alike and
once with ``groups``.
"""

from __future__ import annotations

import argparse
import json
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np

from emotone import metrics
from emotone.labels import EMOTIONS
from emotone.metrics._intervals import interval_of
from emotone.metrics._regression import REGRESSION
from emotone.metrics._rows import Numbers, Rows
from emotone.metrics._scores import METRICS
from emotone.metrics._selective import aurc_with_ends

SPEAKERS = (4, 10, 24, 90)
N_POPULATION = 20_000
MARGIN, MARGIN_SD, LEANING_SD, SHARPNESS = 1.6, 0.55, 0.45, 1.6
BLUR, OTHER_LEANING_SD = 0.7, 0.25
K = len(EMOTIONS)
NAMES = np.array(EMOTIONS, dtype=object)

Arrays = dict[str, np.ndarray]


def simulate(n_speakers: int, rng: np.random.Generator, *, uneven: bool) -> Arrays:
    """``truth`` (indices), ``speaker``, ``proba`` and ``other`` (n, 8), and the numbers ``heard`` and ``guessed``."""
    if uneven:
        shares = rng.dirichlet(np.full(K, 3.0), size=n_speakers)
        sizes = np.maximum(5, rng.poisson(60 * rng.gamma(4, 0.25, size=n_speakers)))
        truth = np.concatenate([rng.choice(K, size, p=share) for size, share in zip(sizes, shares, strict=True)])
    else:
        truth = np.tile(np.repeat(np.arange(K), [4] + [8] * (K - 1)), n_speakers)
        sizes = np.full(n_speakers, 60)
    speaker = np.repeat(np.arange(n_speakers), sizes)
    margins = MARGIN + np.linspace(-0.8, 0.8, K) + rng.normal(0, MARGIN_SD, (n_speakers, 1))
    leanings = rng.normal(0, LEANING_SD, (n_speakers, K))
    logits = rng.normal(size=(len(truth), K)) + leanings[speaker]
    logits[np.arange(len(truth)), truth] += margins[speaker, truth]
    other = rng.normal(logits, BLUR) + rng.normal(0, OTHER_LEANING_SD, (n_speakers, K))[speaker]
    heard = rng.normal(rng.normal(0, 0.06, n_speakers)[speaker], 0.14)
    slopes, offsets = rng.normal(0.7, 0.25, n_speakers), rng.normal(0, 0.06, n_speakers)
    guessed = rng.normal(slopes[speaker] * heard + offsets[speaker], 0.1)
    both = {"proba": softmax(logits), "other": softmax(other)}
    return {"truth": truth, "speaker": speaker, **both, "heard": heard, "guessed": guessed}


def softmax(logits: np.ndarray) -> np.ndarray:
    exponentials = np.exp(SHARPNESS * logits)
    return exponentials / exponentials.sum(axis=1, keepdims=True)


def rows_of(data: Arrays, proba: str = "proba") -> Rows:
    return Rows(data["truth"], data[proba].argmax(axis=1), data[proba], K)


def numbers_of(data: Arrays) -> Numbers:
    return Numbers(data["heard"], data["guessed"])


def sums_of(name: str, data: Arrays) -> np.ndarray:
    """Of each speaker, ``(n_speakers, ...)``."""
    speaker = data["speaker"]
    s = int(speaker.max()) + 1
    if name in REGRESSION:
        return REGRESSION[name].sums(numbers_of(data), speaker, s)
    return METRICS[name].sums(rows_of(data), speaker, s)


def both_ends(name: str, data: Arrays, rng: np.random.Generator) -> tuple[float, float, float, float]:
    """The interval in use, and the textbook's percentile interval."""
    sizes = np.bincount(data["speaker"])
    if name == "aurc":
        ends = aurc_with_ends(rows_of(data), data["speaker"], level=0.95)
        return ends["low"], ends["high"], np.nan, np.nan
    if name == "difference":
        found = metrics.difference("uar", NAMES[data["truth"]], data["proba"], data["other"], data["speaker"], EMOTIONS)
        uar = METRICS["uar"]
        sums = np.stack(
            [uar.sums(rows_of(data, proba), data["speaker"], len(sizes)) for proba in ("proba", "other")], 1
        )
        return found.low, found.high, *percentile(lambda sums: -np.diff(uar.score(sums), axis=-1)[..., 0], sums, rng)
    metric = (METRICS | REGRESSION)[name]
    sums = sums_of(name, data)
    return *interval_of(metric, sums, sizes, level=0.95), *percentile(metric.score, sums, rng)


def percentile(
    score: Callable[[np.ndarray], np.ndarray], sums: np.ndarray, rng: np.random.Generator
) -> tuple[float, float]:
    draws = rng.multinomial(len(sums), np.full(len(sums), 1 / len(sums)), size=1000)
    low, high = np.quantile(score(np.tensordot(draws, sums, 1)), [0.025, 0.975])
    return float(low), float(high)


def true_scores(*, uneven: bool) -> dict[str, float]:
    data = simulate(N_POPULATION, np.random.default_rng(2**31), uneven=uneven)
    rows = rows_of(data)
    found = {name: metric.of(rows) for name, metric in METRICS.items()}
    found["difference"] = found["uar"] - METRICS["uar"].of(rows_of(data, "other"))
    found["aurc"] = float(aurc_with_ends(rows, None, level=0.95)["value"])
    return found | {name: metric.of(numbers_of(data)) for name, metric in REGRESSION.items()}


def coverage(n_speakers: int, n_experiments: int, truths: dict[str, float], *, uneven: bool) -> list[dict[str, Any]]:
    """One row for each score: percent of experiments whose interval holds the truth, and the intervals' mean
    width."""
    found: dict[str, list[tuple[float, ...]]] = {name: [] for name in truths}
    for experiment in range(n_experiments):
        rng = np.random.default_rng([n_speakers, experiment, uneven])
        data = simulate(n_speakers, rng, uneven=uneven)
        for name in truths:
            found[name].append(both_ends(name, data, rng))
    table = []
    for name, ends in found.items():
        low, high, plain_low, plain_high = np.array(ends).T
        held = 100 * float(np.mean((plain_low <= truths[name]) & (truths[name] <= plain_high)))
        table.append(
            {
                "rows": "uneven" if uneven else "even",
                "speakers": n_speakers,
                "metric": name,
                "coverage": round(100 * float(np.mean((low <= truths[name]) & (truths[name] <= high))), 1),
                "width": round(float(np.mean(high - low)), 4),
                "percentile_coverage": None if name == "aurc" else round(held, 1),
            }
        )
    return table


def sets(n_speakers: int, n_experiments: int, *, uneven: bool, level: float = 0.9) -> list[dict[str, Any]]:
    """Of sets calibrated on ``n_speakers``: percent that hold the true label of a new speaker's row, the percent of
    experiments in which that falls below ``level`` by more than 5 points, and the labels in a set."""
    found: dict[str, list[tuple[float, float]]] = {"rows alike": [], "by speaker": []}
    for experiment in range(n_experiments):
        rng = np.random.default_rng([n_speakers, experiment, uneven, 1])
        known, new = simulate(n_speakers, rng, uneven=uneven), simulate(200, rng, uneven=uneven)
        truth = NAMES[known["truth"]]
        # One row of each new speaker at a time would be exact; weighting the rows by speaker is the same on average.
        weight = 1 / np.bincount(new["speaker"])[new["speaker"]] / 200
        for way, groups in (("rows alike", None), ("by speaker", known["speaker"])):
            limit = metrics.conformal_quantile(truth, known["proba"], EMOTIONS, level=level, groups=groups)
            chosen = metrics.conformal_sets(new["proba"], EMOTIONS, limit)
            held = chosen[np.arange(len(chosen)), new["truth"]]
            found[way].append((float(held @ weight), float(chosen.sum(axis=1) @ weight)))
    return [
        {
            "rows": "uneven" if uneven else "even",
            "speakers": n_speakers,
            "calibrated": way,
            "coverage": round(100 * float(np.mean([held for held, _ in results])), 1),
            "far_below": round(100 * float(np.mean([held < level - 0.05 for held, _ in results])), 1),
            "size": round(float(np.mean([size for _, size in results])), 2),
        }
        for way, results in found.items()
    ]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--experiments", type=int, default=1000)
    parser.add_argument("--json", action="store_true")
    options = parser.parse_args()
    table: dict[str, list[dict[str, Any]]] = {"intervals": [], "sets": []}
    for uneven in (False, True):
        truths = true_scores(uneven=uneven)
        for n_speakers in SPEAKERS:
            table["intervals"] += coverage(n_speakers, options.experiments, truths, uneven=uneven)
            table["sets"] += sets(n_speakers, max(1, options.experiments // 5), uneven=uneven)
            print(f"{n_speakers} speakers done", file=sys.stderr)
    text = json.dumps({"experiments": options.experiments, **table}, indent=1)
    results = Path(__file__).parent / "results"
    results.mkdir(exist_ok=True)
    (results / "interval_coverage.json").write_text(text + "\n", encoding="utf-8")
    if options.json:
        print(text)
        return
    for rows in table.values():
        print("".join(f"{key:>22}" for key in rows[0]))
        for row in rows:
            print("".join(f"{value if value is not None else '-':>22}" for value in row.values()))


if __name__ == "__main__":
    main()
