"""What noise, rooms, telephones and codecs do to a bundled recogniser, and what the transforms cost.

    python benchmarks/stress.py [ravdess=FOLDER] [nemo=FOLDER] [--recogniser open] [--limit 150] [--jobs 2]
    python benchmarks/stress.py --transforms

`open` has heard neither RAVDESS nor nEMO, nor any Polish: the figures to believe. What `default` loses on speakers it
hasn't heard is in ``bundled.json``. Corpora are looked for in ``EMOTONE_DATA`` or ``../shared/data`` unless given.
``--transforms`` only times the transforms of `emotone.augment` on three seconds of speech, on one thread. Figures go to
``benchmarks/results/stress.json``, a part for each corpus: those of corpora that aren't run stay.
"""

from __future__ import annotations

import os

os.environ.setdefault("OMP_NUM_THREADS", "1")  # before numpy loads

import argparse
import json
import statistics
import sys
import time
from pathlib import Path
from typing import Any

import numpy as np

from emotone import augment, corpora, recogniser, stress, synthetic
from emotone.augment.codecs import CODINGS

HERE = Path(__file__).resolve().parent
RESULTS = HERE / "results" / "stress.json"
BESIDE = Path(os.environ.get("EMOTONE_DATA", HERE.parents[1] / "shared" / "data"))
KEPT = (
    "name",
    "value",
    "difference",
    "difference_low",
    "difference_high",
    "same_answer",
    "abstained",
    "leans_to",
    "leans_by",
)
REPEATS = 9


def milliseconds() -> dict[str, float]:
    """Median processor time of each transform for three seconds of speech."""
    voice = synthetic.speech("happy", 1, rng=np.random.default_rng(0), seconds=3.0)
    cases: dict[str, tuple[str, dict[str, Any]]] = {name: (name, {}) for name in augment.names() if name != "codec"}
    cases |= {f"codec {coding}": ("codec", {"coding": coding}) for coding in CODINGS}
    cases |= {f"noise {colour}": ("noise", {"colour": colour}) for colour in ("pink", "speech")}
    return {title: timed(augment.get(name, **options), voice) for title, (name, options) in cases.items()}


def timed(transform: augment.Transform, voice: np.ndarray) -> float:
    transform(voice, np.random.default_rng(0))
    times = []
    for _ in range(REPEATS):
        begin = time.process_time()
        transform(voice, np.random.default_rng(0))
        times.append(time.process_time() - begin)
    return round(1000 * statistics.median(times), 2)


def figures(found: stress.Stress, seconds: float) -> dict[str, Any]:
    """The document in brief, without a line for each speaker and sentence."""
    document = found.as_dict()
    return {
        "line": found.line,
        "seconds": round(seconds),
        **{key: rounded(document[key]) for key in ("heard", "clean", "fairness", "notes")},
        "conditions": [rounded({key: one[key] for key in KEPT}) for one in document["conditions"]],
        "groups": [rounded(one) for one in document["groups"] if one["by"] not in ("speaker", "sentence")],
        "tests": {one["name"]: one["sentence"] for one in document["tests"]},
    }


def rounded(value: Any) -> Any:
    if isinstance(value, dict):
        return {key: rounded(one) for key, one in value.items()}
    return round(value, 4) if isinstance(value, float) else value


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("corpora", nargs="*", metavar="NAME=FOLDER")
    parser.add_argument("--recogniser", default="open", help="one that hasn't heard the corpora (default: open)")
    parser.add_argument("--limit", type=int, default=150)
    parser.add_argument("--jobs", type=int, default=None)
    parser.add_argument("--transforms", action="store_true")
    options = parser.parse_args()
    results = json.loads(RESULTS.read_text("utf-8")) if RESULTS.exists() else {}
    if options.transforms:
        results["milliseconds"] = milliseconds()
        for name, cost in results["milliseconds"].items():
            print(f"{name:<16}{cost:8.2f} ms")
    else:
        usual = [f"{name}={BESIDE / name}" for name in ("ravdess", "nemo")]
        for name, _, root in (pair.partition("=") for pair in options.corpora or usual):
            begin = time.monotonic()
            table = corpora.load(name, root)
            found = stress.stress(
                recogniser.load(options.recogniser), table, {name: root}, limit=options.limit, jobs=options.jobs
            )
            results[name] = figures(found, time.monotonic() - begin)
            print(found.line)
            for one in found.conditions:
                print(f"{one.title:<36}{one.value:6.2f}{one.difference:+7.2f}{one.same_answer:6.0%}  {one.leans_to}")
            print(f"{results[name]['seconds']} s", file=sys.stderr)
    RESULTS.write_text(json.dumps(results, indent=1, ensure_ascii=False) + "\n", "utf-8")


if __name__ == "__main__":
    main()
