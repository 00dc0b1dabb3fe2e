"""How often a 95 % interval of `emotone.metrics.interval` holds the truth, in simulated experiments.

    python benchmarks/interval_coverage.py [--experiments 1000] [--json]

A simulated recogniser answers from eight logits: unit noise, plus a margin for the true emotion that differs
between emotions and speakers, plus a leaning of each speaker towards each answer. The margins' and leanings'
spread makes single speakers' UAR scatter with a standard deviation of 0.16 (strong: RAVDESS's published
per-actor scores scatter less). The truth is the score over 20,000 other speakers. *even*: 60 rows a speaker,
half as many neutral, as RAVDESS has. *uneven*: 5 to some 200 rows, classes in a proportion of each speaker's
own. Beside the interval in use, the plain percentile interval from the same sums.
"""

from __future__ import annotations

import argparse
import json
import sys

import numpy as np

from emotone import metrics
from emotone.labels import EMOTIONS
from emotone.metrics._rows import Rows, group_codes, validate
from emotone.metrics._scores import METRICS

SPEAKERS = (4, 10, 24, 90)
N_POPULATION = 20_000
MARGIN, MARGIN_SD, LEANING_SD, SHARPNESS = 1.6, 0.55, 0.45, 1.6
K = len(EMOTIONS)


def simulate(n_speakers: int, rng: np.random.Generator, *, uneven: bool) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Indices of the true emotions ``(n,)``, probabilities ``(n, 8)`` and speakers ``(n,)``."""
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
    proba = np.exp(SHARPNESS * logits)
    return truth, proba / proba.sum(axis=1, keepdims=True), speaker


def true_scores(*, uneven: bool) -> dict[str, float]:
    truth, proba, _ = simulate(N_POPULATION, np.random.default_rng(2**31), uneven=uneven)
    rows = Rows(truth, proba.argmax(axis=1), proba, K)
    return {name: METRICS[name].of(rows) for name in metrics.NAMES}


def percentile(metric: str, rows: Rows, speakers: np.ndarray, seed: int) -> tuple[float, float]:
    """The textbook interval, for comparison."""
    _, codes = group_codes(speakers, len(rows.truth))
    s = int(codes.max()) + 1
    draws = np.random.default_rng(seed).multinomial(s, np.full(s, 1 / s), size=1000)
    scores = METRICS[metric].score(draws @ METRICS[metric].sums(rows, codes, s))
    low, high = np.quantile(scores, [0.025, 0.975])
    return float(low), float(high)


def coverage(n_speakers: int, n_experiments: int, truths: dict[str, float], *, uneven: bool) -> list[dict[str, object]]:
    """One row for each metric: percent of experiments whose interval holds the truth, and the intervals' mean
    width."""
    names = np.array(EMOTIONS, dtype=object)
    found: dict[str, list[tuple[float, float, float, float]]] = {name: [] for name in metrics.NAMES}
    for experiment in range(n_experiments):
        rng = np.random.default_rng([n_speakers, experiment, uneven])
        truth, proba, speakers = simulate(n_speakers, rng, uneven=uneven)
        rows = validate(names[truth], proba, EMOTIONS)
        for name in metrics.NAMES:
            used = metrics.interval(name, names[truth], proba, speakers, EMOTIONS, seed=experiment)
            found[name].append((*used, *percentile(name, rows, speakers, experiment)))
    table = []
    for name, ends in found.items():
        low, high, plain_low, plain_high = np.array(ends).T
        table.append(
            {
                "rows": "uneven" if uneven else "even",
                "speakers": n_speakers,
                "metric": name,
                "coverage": 100 * float(np.mean((low <= truths[name]) & (truths[name] <= high))),
                "width": float(np.mean(high - low)),
                "percentile_coverage": 100 * float(np.mean((plain_low <= truths[name]) & (truths[name] <= plain_high))),
            }
        )
    return table


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--experiments", type=int, default=1000)
    parser.add_argument("--json", action="store_true")
    options = parser.parse_args()
    table = []
    for uneven in (False, True):
        truths = true_scores(uneven=uneven)
        for n_speakers in SPEAKERS:
            table += coverage(n_speakers, options.experiments, truths, uneven=uneven)
            print(f"{n_speakers} speakers done", file=sys.stderr)
    if options.json:
        print(json.dumps(table))
        return
    print(f"{'rows':<8}{'speakers':>8}  {'metric':<10}{'coverage %':>10}{'mean width':>12}{'percentile %':>14}")
    for row in table:
        print(
            f"{row['rows']:<8}{row['speakers']:>8}  {row['metric']:<10}{row['coverage']:>10.1f}"
            f"{row['width']:>12.3f}{row['percentile_coverage']:>14.1f}"
        )


if __name__ == "__main__":
    main()
