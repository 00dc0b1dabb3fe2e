"""A frozen speech encoder through emotone's own path: is it the published one, what does it know, what does it cost?

    python benchmarks/encoder_probe.py reference
    python benchmarks/encoder_probe.py speed [--seconds 3] [--repeats 7]
    python benchmarks/encoder_probe.py scores [--corpora ravdess ...] [--layers 4 ...] [--jobs 1]
    python benchmarks/encoder_probe.py table

*reference*: the relative error against outputs that the publisher's own implementation gave (``reference.npz``).

*speed*: milliseconds for one clip on one thread, cut to what there is, against the same clip padded to 30 s as Whisper
is published; the median of several.

*scores*: UAR of ``logistic`` on mean and deviation of a layer, with its interval over speakers, through
`emotone.experiment`: RAVDESS under its published folds, CREMA-D in five folds of speakers, EMO-DB leaving one out.

The weights are Whisper base's encoder as arrays (``encoder.npz`` in ``EMOTONE_WEIGHTS``/whisper-base, else in
``../shared/weights``), put into Hugging Face's layout first. Figures join ``benchmarks/results/encoder_probe.json``.
"""

from __future__ import annotations

import os

os.environ["OMP_NUM_THREADS"] = "1"  # before numpy loads

import argparse
import json
import platform
import subprocess
import sys
import tempfile
import time
from importlib.metadata import version
from pathlib import Path
from typing import Any

import numpy as np

from emotone import audio, features
from emotone.experiment import Experiment
from emotone.features import encoders

HERE = Path(__file__).resolve().parent
SHARED = HERE.parents[1] / "shared"
DATA = Path(os.environ.get("EMOTONE_DATA", SHARED / "data"))
WEIGHTS = Path(os.environ.get("EMOTONE_WEIGHTS", SHARED / "weights")) / "whisper-base"
RESULTS = HERE / "results" / "encoder_probe.json"

CORPORA: dict[str, dict[str, Any]] = {
    "ravdess": {"labels": "eight", "protocol": "official"},
    "crema_d": {"labels": "six", "protocol": "speakers", "protocol_options": {"n_folds": 5}},
    "emodb": {"labels": "all", "protocol": "loso"},
}
BARS = {"ravdess": 0.72}
"""UAR that the probe has to reach."""
PADDED = 30.0
"""Seconds that Whisper takes as published."""


def reference(folder: Path) -> dict[str, Any]:
    """Relative error of normalisation and blocks, in that order, as the reference was made."""
    import torch

    arrays = {key: value.astype(np.float32) for key, value in np.load(WEIGHTS / "reference.npz").items()}
    network: Any = encoders.load(folder)
    with torch.inference_mode():
        frames = network.layer_norm(torch.from_numpy(arrays["input"])[None])
        for block in network.layers:
            frames = block(frames)
    wrong = np.linalg.norm(frames[0].numpy() - arrays["output"]) / np.linalg.norm(arrays["output"])
    rounding = arrays["output"] * 2.0**-11 / np.sqrt(3)
    return {
        "relative_error": float(wrong),
        "of_which_float16": float(np.linalg.norm(rounding) / np.linalg.norm(arrays["output"])),
    }


def speed(folder: Path, *, seconds: float, repeats: int) -> dict[str, Any]:
    """Median milliseconds of each way, taken in turns."""
    path = next((DATA / "ravdess").glob("Actor_*/*"))
    clip = np.resize(audio.load(path), round(seconds * 16_000))
    padded = np.pad(clip, (0, round(PADDED * 16_000) - len(clip)))
    found: dict[str, list[float]] = {}
    for layer in ("middle", 6):
        frontend = features.get("embeddings", encoder=str(folder), layer=layer)
        for name, signal in (("cut", clip), ("padded", padded)):
            frontend(signal)
            found[f"block {frontend.layer}, {name}"] = [_milliseconds(frontend, signal) for _ in range(repeats)]
    return {"seconds": seconds, **{name: round(float(np.median(values)), 1) for name, values in found.items()}}


def _milliseconds(frontend: Any, signal: np.ndarray) -> float:
    begin = time.process_time()
    frontend(signal)
    return 1000 * (time.process_time() - begin)


def scores(folder: Path, corpora: list[str], layers: list[int], *, jobs: int) -> dict[str, Any]:
    found = {}
    for corpus in corpora:
        for layer in layers:
            options = {"encoder": str(folder), "layer": layer}
            rest = {"frontend": "embeddings", "frontend_options": options, "model": "logistic", **CORPORA[corpus]}
            result = Experiment(corpora={corpus: DATA / corpus}, **rest).run(jobs=jobs)
            summary = result.summary()
            uar = summary["uar"]
            found[f"{corpus}, block {layer}"] = {"line": summary["line"], **uar, "bar": BARS.get(corpus)}
            print(summary["line"], file=sys.stderr)
    return found


def keep(part: str, figures: dict[str, Any]) -> None:
    """Join the figures to what the file holds, with where they were measured."""
    known = json.loads(RESULTS.read_text()) if RESULTS.exists() else {}
    merged = {**known.get(part, {}), **figures} if part == "scores" else figures
    packages = {name: version(name) for name in ("numpy", "torch", "scikit-learn")}
    facts = {"python": platform.python_version(), "machine": platform.machine(), **packages}
    RESULTS.write_text(json.dumps({**known, part: merged, "measured_with": facts}, indent=2) + "\n")


def table() -> None:
    if not RESULTS.exists():
        sys.exit("Nothing was measured yet.")
    for part, figures in json.loads(RESULTS.read_text()).items():
        print(part)
        for name, value in figures.items():
            print(f"  {name:24}  {value['line'] if isinstance(value, dict) else value}")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("what", choices=("reference", "speed", "scores", "table"))
    parser.add_argument("--seconds", type=float, default=3.0)
    parser.add_argument("--repeats", type=int, default=7)
    parser.add_argument("--corpora", nargs="+", choices=tuple(CORPORA), default=["ravdess"])
    parser.add_argument("--layers", nargs="+", type=int, default=[4])
    parser.add_argument("--jobs", type=int, default=1)
    given = parser.parse_args()
    if given.what == "table":
        table()
        return
    if not (WEIGHTS / "encoder.npz").is_file():
        sys.exit(f"No encoder.npz in {WEIGHTS}: set EMOTONE_WEIGHTS to the folder above whisper-base.")
    with tempfile.TemporaryDirectory() as aside:
        folder = Path(aside) / "whisper-base"
        maker = HERE.parent / "scripts" / "make_encoder_folder"
        subprocess.run([sys.executable, maker, WEIGHTS / "encoder.npz", folder], check=True, stdout=subprocess.DEVNULL)
        if given.what == "reference":
            keep("reference", reference(folder))
        elif given.what == "speed":
            keep("speed", speed(folder, seconds=given.seconds, repeats=given.repeats))
        else:
            keep("scores", scores(folder, given.corpora, given.layers, jobs=given.jobs))
    table()


if __name__ == "__main__":
    main()
