"""Random labels must give chance: RAVDESS through the whole path, with its emotions dealt out anew.

    python benchmarks/random_labels.py [--ravdess FOLDER] [--seeds 5] [--frontend functionals] [--models logistic svm]

The emotions are permuted over all clips, so they mean nothing. (Not within each speaker: where speakers are shared, a
model then knows which emotions of a speaker it has *not* seen in training, avoids those that are tested, and falls
below chance.) Then everything goes as it always does: features, folds, choice of settings and calibration on inner
folds of the training speakers, metrics and intervals. A score above chance (12.5 % for eight emotions) would mean that
some step has seen what it is tested on. Once for speakers apart (the official folds) and once for random folds, which
share speakers: with labels that mean nothing, even that is no help. A 95 % interval misses now and then: over several
seeds the mean should be chance, most intervals should hold it, and the calibrated confidence should have shrunk to
nearly nothing. The true labels, last, show what the same path finds when there is something to find.

RAVDESS is looked for in ``EMOTONE_DATA`` or ``../shared/data`` unless given. Results also go to
``benchmarks/results/random_labels.json``.
"""

from __future__ import annotations

import os

os.environ.setdefault("OMP_NUM_THREADS", "1")  # before numpy loads

import argparse
import dataclasses
import json
import sys
from pathlib import Path
from typing import Any

import numpy as np

from emotone.experiment import Experiment, Prepared

HERE = Path(__file__).resolve().parent
BESIDE = HERE.parents[1] / "shared" / "data"
PROTOCOLS = ("official", "random")


def dealt_anew(data: Prepared, seed: int) -> Prepared:
    """The same features and speakers, the emotions permuted."""
    emotions = np.random.default_rng(seed).permutation(data.table["emotion"].to_numpy())
    return dataclasses.replace(data, table=data.table.assign(emotion=emotions))


def row(labels: str, one: Experiment, data: Prepared) -> dict[str, Any]:
    result = one.run(data)
    uar, chance = result.scores["uar"], result.scores["chance"]["uar"]
    found = {
        "labels": labels,
        "protocol": one.protocol,
        "model": one.model,
        "seed": one.seed,
        "uar": uar["value"],
        "low": uar["low"],
        "high": uar["high"],
        "chance": chance,
        "holds_chance": uar["low"] <= chance <= uar["high"],
        "mean_confidence": float(result.proba.max(axis=1).mean()),
    }
    print(
        f"{labels:<8}{one.protocol:<10}{one.model:<10}seed {one.seed}  UAR {100 * uar['value']:.1f} "
        f"[{100 * uar['low']:.1f}, {100 * uar['high']:.1f}], confidence {100 * found['mean_confidence']:.1f}",
        file=sys.stderr,
        flush=True,
    )
    return found


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--ravdess", type=Path, default=Path(os.environ.get("EMOTONE_DATA", BESIDE)) / "ravdess")
    parser.add_argument("--seeds", type=int, default=5)
    parser.add_argument("--frontend", default="functionals")
    parser.add_argument("--models", nargs="+", default=["logistic", "svm"])
    parser.add_argument("--json", action="store_true", help="One JSON document instead of the table.")
    options = parser.parse_args()

    base = Experiment(corpora={"ravdess": options.ravdess}, frontend=options.frontend, protocol="official")
    data = base.prepare()
    rows = []
    for model in options.models:
        for protocol in PROTOCOLS:
            one = dataclasses.replace(base, model=model, protocol=protocol)
            rows += [
                row("random", dataclasses.replace(one, seed=seed), dealt_anew(data, seed))
                for seed in range(options.seeds)
            ]
            rows.append(row("true", one, data))
    folder = HERE / "results"
    folder.mkdir(exist_ok=True)
    report = {"frontend": options.frontend, "n_utterances": len(data.table), "rows": rows}
    (folder / "random_labels.json").write_text(json.dumps(report, indent=2) + "\n", "utf-8")
    if options.json:
        print(json.dumps(report))
        return
    print(f"{options.frontend}, UAR in %, {options.seeds} seeds, chance {100 * rows[0]['chance']:.1f}\n")
    print(
        f"{'model':<10}{'protocol':<10}{'random labels':<18}{'intervals with chance':<24}{'confidence':<12}true labels"
    )
    for model in options.models:
        for protocol in PROTOCOLS:
            mine = [found for found in rows if (found["model"], found["protocol"]) == (model, protocol)]
            random = [found for found in mine if found["labels"] == "random"]
            values = [100 * found["uar"] for found in random]
            spread = f" ± {np.std(values, ddof=1):.1f}" if len(values) > 1 else ""
            holding = f"{sum(found['holds_chance'] for found in random)} of {len(random)}"
            confidence = 100 * np.mean([found["mean_confidence"] for found in random])
            print(
                f"{model:<10}{protocol:<10}{f'{np.mean(values):.1f}{spread}':<18}{holding:<24}{confidence:<12.1f}"
                f"{100 * mine[-1]['uar']:.1f}"
            )


if __name__ == "__main__":
    main()
