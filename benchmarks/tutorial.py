"""The tutorial's numbers, from `experiments/tutorial.toml`, on the RAVDESS that is here.

    python benchmarks/tutorial.py [--ravdess FOLDER] [--seeds 5] [--json]

Every variant of the experiment runs at 16 kHz, at 48 kHz, the rate of the original recordings, and at 8 kHz, to see
what the upper frequencies are worth. A copy at 16 kHz is resampled up: at 48 kHz its mel bands then sit where the
tutorial had them, but a quarter of them, above 8 kHz, are empty, and the floor of their logarithms disturbs the MFCCs.
Single splits and unseen speakers are done with several seeds of the network, because without a scaler its starting
weights alone move the score by points.

The table shows percent of the clips: mean and standard deviation over splits; or over all clips, with the interval over
speakers; and mean and standard deviation over the network's seeds. Beside it stands what was measured on the original
recordings. Table and versions also go to ``benchmarks/results/tutorial.json``.

RAVDESS is looked for in ``EMOTONE_DATA`` or ``../shared/data`` unless given. With one thread it takes about half an
hour.
"""

from __future__ import annotations

import os

os.environ.setdefault("OMP_NUM_THREADS", "1")  # before numpy loads: the networks are too small for more

import argparse
import dataclasses
import json
import sys
import time
from pathlib import Path
from typing import Any

import numpy as np

from emotone.experiment import Experiment, Prepared
from emotone.experiment_file import read_experiments

HERE = Path(__file__).resolve().parent
BESIDE = HERE.parents[1] / "shared" / "data"
RATES = (8_000, 16_000, 48_000)

EXPECTED = {
    "as published: one random split, seed 9": "64.0 ± 6.0 (over 20 seeds of the network)",
    "fifty random splits": "67.3 ± 5.5",
    "fifty random splits, with a scaler": "79.8 ± 2.7",
    "unseen speakers, one at a time": "56.4 [51.2, 64.5]",
    "unseen speakers, with a scaler": "59.6 [53.9, 64.2]",
}
"""On the original recordings at 48 kHz, by other code."""


def measure(one: Experiment, data: Prepared, n_seeds: int) -> dict[str, Any]:
    """One variant: scores of the first seed as the experiment prints them, and of every seed of the network."""
    results = [dataclasses.replace(one, seed=seed).run(data) for seed in range(n_seeds)]
    scores = [result.scores["war"] for result in results]
    many_splits = one.protocol == "random" and len(results[0].protocol["held_out"]) > 1
    by_seed = [100 * (score["fold_mean"] if many_splits else score["value"]) for score in scores]
    first = scores[0]
    return {
        "name": one.name,
        "line": results[0].line("war", over_folds=many_splits),
        "accuracy": by_seed[0],
        "sd_over_splits": 100 * first["fold_sd"] if many_splits else None,
        "interval_over_speakers": None if many_splits else [100 * first["low"], 100 * first["high"]],
        "accuracy_by_network_seed": by_seed,
        "split_sha256": results[0].protocol["split_sha256"],
        "expected": EXPECTED[one.name],
        "versions": results[0].protocol["versions"],
    }


def in_words(row: dict[str, Any]) -> str:
    if row["sd_over_splits"] is not None:
        return f"{row['accuracy']:.1f} ± {row['sd_over_splits']:.1f}"
    low, high = row["interval_over_speakers"]
    return f"{row['accuracy']:.1f} [{low:.1f}, {high:.1f}]"


def over_seeds(row: dict[str, Any]) -> str:
    values = row["accuracy_by_network_seed"]
    spread = f" ± {np.std(values, ddof=1):.1f}" if len(values) > 1 else ""
    return f"{np.mean(values):.1f}{spread} (n = {len(values)})"


def seeds_of(one: Experiment, n_seeds: int) -> int:
    """Fifty splits average the network's seeds out; a single split needs many of them."""
    if one.protocol == "loso":
        return n_seeds
    return 1 if one.protocol_options.get("repeats", 1) > 1 else 4 * n_seeds


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--ravdess", type=Path, default=Path(os.environ.get("EMOTONE_DATA", BESIDE)) / "ravdess")
    parser.add_argument("--seeds", type=int, default=5, help="Seeds of the network for unseen speakers.")
    parser.add_argument("--json", action="store_true", help="One JSON document instead of the table.")
    options = parser.parse_args()

    experiments = read_experiments(HERE.parent / "experiments" / "tutorial.toml", corpora={"ravdess": options.ravdess})
    report: dict[str, Any] = {"rates": {}}
    for rate in RATES:
        at_rate = [dataclasses.replace(one, frontend_options={"rate": rate}) for one in experiments]
        data = at_rate[0].prepare()
        report["rates"][str(rate)] = rows = []
        for one in at_rate:
            begin = time.perf_counter()
            rows.append(measure(one, data, seeds_of(one, options.seeds)))
            report["versions"] = rows[-1].pop("versions")
            print(f"{rate} Hz: {one.name}, {time.perf_counter() - begin:.0f} s", file=sys.stderr, flush=True)
        report["n_utterances"], report["n_speakers"] = len(data.table), data.table["speaker"].nunique()
    folder = HERE / "results"
    folder.mkdir(exist_ok=True)
    (folder / "tutorial.json").write_text(json.dumps(report, indent=2, ensure_ascii=False) + "\n", "utf-8")
    if options.json:
        print(json.dumps(report, ensure_ascii=False))
        return
    print(f"accuracy in %, {report['n_utterances']} clips of {report['n_speakers']} speakers\n")
    for rate, rows in report["rates"].items():
        print(f"{int(rate) // 1000} kHz{'':37}{'network seed 0':<22}{'several seeds':<22}originals, 48 kHz")
        for row in rows:
            print(f"  {row['name']:<40}{in_words(row):<22}{over_seeds(row):<22}{row['expected']}")


if __name__ == "__main__":
    main()
