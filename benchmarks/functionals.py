"""``functionals`` against openSMILE's eGeMAPS and ComParE: how fast, and how much the same classifiers make of them.

    python benchmarks/functionals.py speed [--clips 30] [--repeats 5] [--frontends ...]
    python benchmarks/functionals.py scores [--corpora ...] [--frontends ...] [--models ...] [--jobs 1]
    python benchmarks/functionals.py table

*speed*: processor time of one thread for the features of one clip, already decoded. The front-ends take turns on the
same clips; the median over clips of the median over repeats.

*scores*: UAR with its interval over speakers, through `emotone.experiment` and nothing else, so that corpus, labels,
folds, models, inner choices and seed are the same for each front-end: RAVDESS under its published folds, CREMA-D in
five folds of speakers, EMO-DB leaving one speaker out. Nothing was tuned on these scores.

Slow parts can be run one by one, ComParE on CREMA-D above all: each score joins ``benchmarks/results/functionals.json``
when it is there (or replaces the one that was), and the features are cached. *table* prints what the file holds.

The recordings lie in ``EMOTONE_DATA`` or ``../shared/data``. openSMILE's licence is for research only.
"""

from __future__ import annotations

import os

os.environ["OMP_NUM_THREADS"] = "1"  # before numpy loads

import argparse
import json
import platform
import sys
import time
from importlib.metadata import version
from pathlib import Path
from typing import Any

import numpy as np

from emotone import audio, features
from emotone.experiment import Experiment, Prepared

HERE = Path(__file__).resolve().parent
DATA = Path(os.environ.get("EMOTONE_DATA", HERE.parents[1] / "shared" / "data"))
RESULTS = HERE / "results" / "functionals.json"

FRONTENDS = ("functionals", "egemaps", "compare")
MODELS = ("logistic", "svm")
CORPORA: dict[str, dict[str, Any]] = {
    "ravdess": {"labels": "eight", "protocol": "official"},
    "crema_d": {"labels": "six", "protocol": "speakers", "protocol_options": {"n_folds": 5}},
    "emodb": {"labels": "all", "protocol": "loso"},
}
AIMS = {"ravdess": 0.62, "crema_d": 0.65, "emodb": 0.80}
"""UAR that ``functionals`` is meant to reach."""
TIMES_FASTER = 4.0
"""How many times faster than eGeMAPS it is meant to be."""


# --- speed --------------------------------------------------------------------------------------------------


def clips(n: int) -> list[np.ndarray]:
    """Signals of ``n`` clips of each corpus, spread evenly over its files."""
    found = []
    for corpus, pattern in (("ravdess", "Actor_*/*"), ("crema_d", "AudioWAV/*"), ("emodb", "wav/*")):
        paths = sorted((DATA / corpus).glob(pattern))
        if not paths:
            sys.exit(f"No {corpus} in {DATA}: set EMOTONE_DATA to the folder above it.")
        found += [audio.load(path) for path in paths[:: max(1, len(paths) // n)][:n]]
    return found


def measure_speed(frontends: tuple[str, ...], *, n_clips: int, repeats: int) -> dict[str, Any]:
    signals = clips(max(1, n_clips // len(CORPORA)))
    made = {name: features.get(name) for name in frontends}
    for frontend in made.values():
        frontend(signals[0])
    seconds = {name: np.empty((repeats, len(signals))) for name in made}
    for i in range(repeats):
        for j, signal in enumerate(signals):
            for name, frontend in made.items():
                begin = time.process_time()
                frontend(signal)
                seconds[name][i, j] = time.process_time() - begin
    per_clip = {name: np.median(taken, axis=0) for name, taken in seconds.items()}
    mine = per_clip["functionals"]
    return {
        "n_clips": len(signals),
        "repeats": repeats,
        "seconds_per_clip": float(np.median([len(signal) / audio.SAMPLE_RATE for signal in signals])),
        "milliseconds": {name: 1000 * float(np.median(taken)) for name, taken in per_clip.items()},
        "n_features": {name: len(frontend.names) for name, frontend in made.items()},
        "times_slower_than_functionals": {
            name: float(np.median(taken / mine)) for name, taken in per_clip.items() if name != "functionals"
        },
        "versions": versions(),
    }


# --- scores -------------------------------------------------------------------------------------------------


def measure_scores(corpus: str, frontend: str, models: tuple[str, ...], *, jobs: int, seed: int) -> None:
    """Scores of each model on one corpus with one front-end, saved as they come."""
    data: Prepared | None = None
    for model in models:
        one = Experiment(corpora={corpus: DATA / corpus}, frontend=frontend, model=model, seed=seed, **CORPORA[corpus])
        begin = time.perf_counter()
        data = data or one.prepare(jobs=jobs, progress=counter(f"{corpus} {frontend}"))
        extracted = time.perf_counter()
        result = one.run(data, progress=counter(f"{corpus} {frontend} {model}, fold"))
        score = {
            "line": result.line(),
            **{name: result.scores[name] for name in ("uar", "war", "macro_f1", "ece")},
            "n": len(data.table),
            "n_features": int(data.X.shape[1]),
            "seconds": {"features": round(extracted - begin, 1), "model": round(time.perf_counter() - extracted, 1)},
            "protocol": {name: result.protocol[name] for name in KEPT},
        }
        update("scores", f"{corpus}/{frontend}/{model}", score)
        print(f"{frontend} + {model}: {score['line']}", flush=True)


KEPT = ("frontend", "model", "protocol", "seed", "description", "notes", "split_sha256", "data_sha256", "versions")
"""Of a result's protocol, what the file keeps."""


def counter(what: str) -> Any:
    """A progress callback that rewrites one line on a terminal and is silent elsewhere."""

    def show(done: int, total: int) -> None:
        if sys.stderr.isatty():
            print(f"\r{what} {done}/{total} ", end="" if done < total else "\n", file=sys.stderr, flush=True)

    return show


# --- results ------------------------------------------------------------------------------------------------


def versions() -> dict[str, str]:
    found = {package: version(package) for package in ("numpy", "scikit-learn", "opensmile")}
    return {"python": platform.python_version(), "machine": platform.machine(), **found}


def read() -> dict[str, Any]:
    return json.loads(RESULTS.read_text("utf-8")) if RESULTS.exists() else {}


def update(part: str, key: str | None, value: Any) -> None:
    """Put ``value`` where it belongs in the file, beside what other runs have put there meanwhile."""
    document = read()
    if key is None:
        document[part] = value
    else:
        document[part] = dict(sorted({**document.get(part, {}), key: value}.items()))
    RESULTS.parent.mkdir(exist_ok=True)
    unfinished = RESULTS.with_suffix(".part")
    unfinished.write_text(json.dumps(document, indent=1, ensure_ascii=False, allow_nan=False) + "\n", "utf-8")
    unfinished.replace(RESULTS)


def table() -> str:
    document = read()
    lines = []
    if speed := document.get("speed"):
        head = f"{speed['n_clips']} clips of {speed['seconds_per_clip']:.1f} s (median), one thread, without decoding"
        lines += [head, ""]
        for name, milliseconds in speed["milliseconds"].items():
            ratio = speed["times_slower_than_functionals"].get(name)
            beside = "" if ratio is None else f"   {ratio:5.1f} times as long as functionals"
            bar = f" (bar: {TIMES_FASTER:g})" if name == "egemaps" else ""
            lines.append(f"  {name:12s} {speed['n_features'][name]:5d} features {milliseconds:7.2f} ms{beside}{bar}")
        lines.append("")
    scores = document.get("scores", {})
    for corpus in CORPORA:
        found = {key.split("/", 1)[1]: score for key, score in scores.items() if key.startswith(f"{corpus}/")}
        if not found:
            continue
        condition = next(iter(found.values()))["line"].split(" · ", 1)[1]
        lines += [f"{condition}; aim {AIMS[corpus]:.2f}", ""]
        for model in MODELS:
            for frontend in FRONTENDS:
                if score := found.get(f"{frontend}/{model}"):
                    uar = score["uar"]
                    ends = f"[{uar['low']:.3f}, {uar['high']:.3f}]"
                    lines.append(
                        f"  {model:9s} {frontend:12s} UAR {uar['value']:.3f} {ends}   WA {score['war']['value']:.3f}"
                    )
        lines.append("")
    return "\n".join(lines) or f"Nothing in {RESULTS.name} yet."


def main() -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("part", choices=("speed", "scores", "table"))
    parser.add_argument("--corpora", nargs="+", choices=CORPORA, default=list(CORPORA))
    parser.add_argument("--frontends", nargs="+", choices=FRONTENDS, default=list(FRONTENDS))
    parser.add_argument("--models", nargs="+", choices=MODELS, default=list(MODELS))
    parser.add_argument("--clips", type=int, default=30)
    parser.add_argument("--repeats", type=int, default=5)
    parser.add_argument("--jobs", type=int, default=1, help="processes for the features (scores only)")
    parser.add_argument("--seed", type=int, default=0)
    arguments = parser.parse_args()
    if arguments.part == "speed":
        frontends = tuple(dict.fromkeys(["functionals", *arguments.frontends]))
        update("speed", None, measure_speed(frontends, n_clips=arguments.clips, repeats=arguments.repeats))
    if arguments.part == "scores":
        for corpus in arguments.corpora:
            for frontend in arguments.frontends:
                measure_scores(corpus, frontend, tuple(arguments.models), jobs=arguments.jobs, seed=arguments.seed)
    print(table())


if __name__ == "__main__":
    main()
