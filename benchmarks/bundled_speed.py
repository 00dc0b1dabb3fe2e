"""How fast and how large the bundled recognisers are, beside the encoders that others would run.

    python benchmarks/bundled_speed.py [--seconds 3] [--repeats 15]

Milliseconds on one thread, in turns, the median of several:

- each bundled recogniser, from a WAV file to its answer: opened, decoded, heard
- Whisper base's encoder, all six blocks, from the signal: cut to the clip, and padded to 30 s as it was published
- an encoder of the size of wav2vec2 base (95 M parameters), its weights random, from the signal

and the peak memory of ``emotone predict`` on a file, in megabytes. Figures go to
``benchmarks/results/bundled_speed.json``.
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
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import torch

import emotone
from emotone import audio, recogniser
from emotone.features import encoders

HERE = Path(__file__).resolve().parent
SHARED = HERE.parents[1] / "shared"
DATA = Path(os.environ.get("EMOTONE_DATA", SHARED / "data"))
WEIGHTS = Path(os.environ.get("EMOTONE_WEIGHTS", SHARED / "weights")) / "whisper-base"
RESULTS = HERE / "results" / "bundled_speed.json"
PADDED = 30.0


def whisper(folder: Path) -> Callable[[np.ndarray], Any]:
    """All of Whisper base's encoder."""
    network: Any = encoders.load(folder)

    def listen(signal: np.ndarray) -> Any:
        with torch.inference_mode():
            return network(network.prepare(signal))

    return listen


def wav2vec2_base() -> Callable[[np.ndarray], Any]:
    """Of its published shape: twelve blocks of 768, seven convolutions before them."""
    from transformers import Wav2Vec2Config, Wav2Vec2Model

    network = Wav2Vec2Model(Wav2Vec2Config()).eval()

    def listen(signal: np.ndarray) -> Any:
        with torch.inference_mode():
            return network(torch.from_numpy(signal)[None])

    return listen


def milliseconds(ways: dict[str, Callable[[], Any]], repeats: int) -> dict[str, float]:
    """Median processor time of each way, taken in turns after one turn that warms up."""
    spent: dict[str, list[float]] = {name: [] for name in ways}
    for turn in range(repeats + 1):
        for name, way in ways.items():
            begin = time.process_time()
            way()
            if turn:
                spent[name].append(1000 * (time.process_time() - begin))
    return {name: round(float(np.median(values)), 2) for name, values in spent.items()}


def peak_megabytes(path: Path) -> float:
    """Of ``emotone predict`` in a process of its own, begun by a small one: a child's peak counts from its parent's."""
    command = [sys.executable, "-c", "from emotone.cli import main; main()", "predict", str(path)]
    code = (
        f"import resource, subprocess; subprocess.run({command!r}, check=True, stdout=subprocess.DEVNULL);"
        "print(resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss)"
    )
    found = subprocess.run([sys.executable, "-c", code], check=True, capture_output=True, text=True)
    return round(int(found.stdout) / 1024, 1)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--seconds", type=float, default=3.0)
    parser.add_argument("--repeats", type=int, default=15)
    given = parser.parse_args()
    torch.set_num_threads(1)
    clip = audio.load(next((DATA / "ravdess").glob("Actor_*/*")))
    signal = np.resize(clip, round(given.seconds * audio.SAMPLE_RATE))
    padded = np.pad(signal, (0, round(PADDED * audio.SAMPLE_RATE) - len(signal)))
    with tempfile.TemporaryDirectory() as temporary:
        path, folder = Path(temporary, "clip.wav"), Path(temporary, "whisper")
        path.write_bytes(audio.encode_wav(signal))
        script = HERE.parent / "scripts" / "make_encoder_folder"
        subprocess.run([sys.executable, script, WEIGHTS / "encoder.npz", folder], check=True, capture_output=True)
        loaded = {name: emotone.load(name) for name in recogniser.names()}
        encoder, large = whisper(folder), wav2vec2_base()
        ways: dict[str, Callable[[], Any]] = {
            **{name: (lambda own=own: own.predict(path)) for name, own in loaded.items()},
            "whisper-base, cut": lambda: encoder(signal),
            "whisper-base, padded": lambda: encoder(padded),
            "wav2vec2-base's size": lambda: large(signal),
        }
        spent = milliseconds(ways, given.repeats)
        peak = peak_megabytes(path)
    own = spent["default"]
    found = {
        "seconds": given.seconds,
        "milliseconds": spent,
        "times real time": {name: round(1000 * given.seconds / spent[name]) for name in loaded},
        "times faster": {name: round(value / own, 1) for name, value in spent.items() if name not in loaded},
        "megabytes on disk": {
            name: round(sum(part.stat().st_size for part in (recogniser.BUNDLED / name).iterdir()) / 1e6, 2)
            for name in loaded
        },
        "peak megabytes of emotone predict": peak,
        "measured with": {"python": platform.python_version(), "machine": platform.machine(), "load": os.getloadavg()},
    }
    RESULTS.write_text(json.dumps(found, indent=2) + "\n")
    print(json.dumps(found, indent=2))


if __name__ == "__main__":
    main()
