"""The honesty ladder on RAVDESS with the tutorial's features: known order and sizes, from one command, timed.

    python benchmarks/ladder.py [--data FOLDER] [--json]

Runs `emotone ladder experiments/ladder.toml --against crema_d=... --more` in a process of its own with an empty cache,
so that all features are computed, and puts each rung and control beside what other code measured on the original
recordings at their own rates. Wall time and processor time of the process and its workers are printed, the table goes
to ``benchmarks/results/ladder.json``, and the exit status is 1 where the order isn't the known one.

The corpora are looked for in ``EMOTONE_DATA`` or ``../shared/data`` unless given.
"""

from __future__ import annotations

import argparse
import json
import os
import resource
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

HERE = Path(__file__).resolve().parent
BESIDE = HERE.parents[1] / "shared" / "data"
SECONDS = 600

KNOWN = {
    "duplicated": (0.858, 0.644),
    "augmented": (0.673, 0.609),
    "random": (0.644, 0.418),
    "sentence_out": (0.584, 0.587),
    "z_scored": (0.464, 0.378),
    "scaled_on_all": (0.382, 0.378),
    "speaker_out": (0.418, 0.644),
}
"""Rung and control on the original recordings. Unseen speakers are EmoBox's folds in ``random`` and ``speaker_out``,
and other groups of actors in ``z_scored`` and ``scaled_on_all``."""

ORDER = ("duplicated", "augmented", "random", "sentence_out", "z_scored", "speaker_out", "corpus_out")


def measured(data: Path) -> tuple[dict[str, Any], dict[str, float]]:
    """The ladder as JSON, and what it took."""
    command = [sys.executable, "-c", "from emotone.cli import main; main()", "ladder"]
    command += [
        str(HERE.parent / "experiments" / "ladder.toml"),
        "-c",
        f"ravdess={data / 'ravdess'}",
        "--more",
        "--json",
    ]
    command += ["--against", f"crema_d={data / 'crema_d'}"] * (data / "crema_d").is_dir()
    source = str(HERE.parent / "src")
    with tempfile.TemporaryDirectory() as cache:
        environment = {**os.environ, "EMOTONE_CACHE": cache, "OMP_NUM_THREADS": "1", "PYTHONPATH": source}
        begin = time.perf_counter()
        done = subprocess.run(command, env=environment, stdout=subprocess.PIPE, check=True)
        wall = time.perf_counter() - begin
    used = resource.getrusage(resource.RUSAGE_CHILDREN)
    took = {
        "wall_s": round(wall, 1),
        "cpu_s": round(used.ru_utime + used.ru_stime, 1),
        "n_processors": os.cpu_count() or 1,
    }
    return json.loads(done.stdout), took


def row(rung: dict[str, Any]) -> dict[str, Any]:
    known = KNOWN.get(rung["name"], (None, None))
    return {
        "name": rung["name"],
        "uar": rung["value"],
        "interval": [rung["low"], rung["high"]],
        "control": rung["control"]["value"],
        "n_train": [rung["n_train"], rung["control"]["n_train"]],
        "worth": None if rung["worth"] is None else [rung["worth"][key] for key in ("value", "low", "high")],
        "flag": rung["flag"],
        "known_uar": known[0],
        "known_control": known[1],
    }


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--data", type=Path, default=Path(os.environ.get("EMOTONE_DATA", BESIDE)))
    parser.add_argument("--json", action="store_true", help="One JSON document instead of the table.")
    options = parser.parse_args()

    ladder, took = measured(options.data)
    rows = [row(rung) for rung in ladder["rungs"]]
    values = {one["name"]: one["uar"] for one in rows}
    found = [values[name] for name in ORDER if name in values]
    in_order = found == sorted(found, reverse=True)
    fair = all(one["n_train"][0] == one["n_train"][1] for one in rows)
    report = {"line": ladder["line"], "rungs": rows, "skipped": ladder["skipped"], "in_order": in_order, **took}
    (HERE / "results").mkdir(exist_ok=True)
    (HERE / "results" / "ladder.json").write_text(json.dumps(report, indent=2, ensure_ascii=False) + "\n", "utf-8")
    if options.json:
        print(json.dumps(report, ensure_ascii=False))
    else:
        print(f"{'rung':<15}{'UAR':>7}{'known':>8}{'control':>9}{'known':>8}{'train':>8}  flag")
        for one in rows:
            known, beside = (f"{one[key]:.3f}" if one[key] else "" for key in ("known_uar", "known_control"))
            sizes = f"{one['control']:>9.3f}{beside:>8}{one['n_train'][0]:>8,}"
            print(f"{one['name']:<15}{one['uar']:>7.3f}{known:>8}{sizes}  {one['flag']}")
        print(f"\n{took['wall_s']} s, {took['cpu_s']} s of processor time on {took['n_processors']} processors")
        print(f"known order: {in_order}; controls of equal size: {fair}; under ten minutes: {took['wall_s'] < SECONDS}")
    sys.exit(0 if in_order and fair else 1)


if __name__ == "__main__":
    main()
