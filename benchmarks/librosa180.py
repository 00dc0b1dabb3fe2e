"""``librosa180`` against the tutorial's recipe, and against the least that any such feature costs.

Side by side on the same files, in one process and on one thread: the recipe with librosa, the front-end, and
*decode and one rfft*: reading the file and one ``numpy.fft.rfft`` of its frames, cut and windowed beforehand,
in double precision, which librosa's numbers need (single precision is shown too). All times are processor
time and include reading the file.

    python benchmarks/librosa180.py [--clips 12] [--repeats 15] [--json]

The recordings are RAVDESS clips, from ``EMOTONE_DATA`` or ``../shared/data``, written to a temporary folder
as 16-bit WAV: at 16 kHz as they are, and resampled to 48 kHz.
"""

from __future__ import annotations

import argparse
import json
import os
import tempfile
import time
import warnings
from collections.abc import Callable
from pathlib import Path

import librosa
import numpy as np
import soundfile
import soxr
from threadpoolctl import threadpool_limits

from emotone.features import spectrum
from emotone.features.librosa180 import Librosa180

BESIDE = Path(__file__).resolve().parents[2] / "shared" / "data"


def recipe(path: Path) -> np.ndarray:
    """The tutorial's 180 features, its way: three transforms and a tuning estimate."""
    signal, rate = soundfile.read(path, dtype="float32")
    magnitude = np.abs(librosa.stft(signal))
    mfcc = np.mean(librosa.feature.mfcc(y=signal, sr=rate, n_mfcc=40).T, axis=0)
    chroma = np.mean(librosa.feature.chroma_stft(S=magnitude, sr=rate).T, axis=0)
    mel = np.mean(librosa.feature.melspectrogram(y=signal, sr=rate).T, axis=0)
    return np.hstack([mfcc, chroma, mel])


def ours(path: Path) -> np.ndarray:
    signal, rate = soundfile.read(path, dtype="float32")
    return Librosa180(rate)(signal)


def decode_and_rfft(dtype: type[np.floating]) -> Callable[[Path], np.ndarray]:
    """Reading the file, and one ``rfft`` of frames that were cut and windowed before the clock started."""
    ready: dict[Path, np.ndarray] = {}

    def run(path: Path) -> np.ndarray:
        signal, _ = soundfile.read(path, dtype="float32")
        if path not in ready:
            frames = spectrum.frames(np.pad(signal, 1024), length=spectrum.N_FFT, hop=spectrum.HOP)
            ready[path] = (frames * spectrum.hann(spectrum.N_FFT)).astype(dtype)
        # norm="forward": otherwise numpy transforms single precision in double
        return np.fft.rfft(ready[path], norm="forward")

    return run


CONTENDERS: dict[str, Callable[[Path], np.ndarray]] = {
    "recipe": recipe,
    "librosa180": ours,
    "decode + rfft, double": decode_and_rfft(np.float64),
    "decode + rfft, single": decode_and_rfft(np.float32),
}


def milliseconds(paths: list[Path], repeats: int) -> dict[str, float]:
    """Median over the files of each contender's median time; they take turns, each going through all files."""
    times = {name: np.empty((repeats, len(paths))) for name in CONTENDERS}
    for run in CONTENDERS.values():
        for path in paths:
            run(path)
    for i in range(repeats):
        for name, run in CONTENDERS.items():
            for j, path in enumerate(paths):
                begin = time.process_time()
                run(path)
                times[name][i, j] = time.process_time() - begin
    return {name: 1000 * float(np.median(np.median(seconds, axis=0))) for name, seconds in times.items()}


def worst_difference(paths: list[Path]) -> float:
    """The largest relative difference of any feature of any file from librosa's."""
    worst = 0.0
    for path in paths:
        theirs, here = recipe(path), ours(path)
        differ = theirs != here
        if differ.any():
            worst = max(worst, float(np.max(np.abs(here - theirs)[differ] / np.abs(theirs)[differ])))
    return worst


def write_clips(folder: Path, n_clips: int) -> dict[int, list[Path]]:
    """WAV files by rate, of clips spread evenly over the actors."""
    root = Path(os.environ.get("EMOTONE_DATA", BESIDE)) / "ravdess"
    found = sorted(path for path in root.glob("Actor_*/*") if path.suffix in {".wav", ".flac"})
    if not found:
        raise SystemExit(f"No RAVDESS in {root}: set EMOTONE_DATA to a folder that holds ravdess/.")
    clips: dict[int, list[Path]] = {16_000: [], 48_000: []}
    for path in found[:: max(1, len(found) // n_clips)][:n_clips]:
        signal, rate = soundfile.read(path, dtype="float32")
        for to, paths in clips.items():
            paths.append(folder / f"{path.stem}-{to}.wav")
            soundfile.write(paths[-1], soxr.resample(signal, rate, to), to, subtype="PCM_16")
    return clips


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--clips", type=int, default=12)
    parser.add_argument("--repeats", type=int, default=15)
    parser.add_argument("--json", action="store_true", help="One JSON document instead of the table.")
    arguments = parser.parse_args()
    warnings.simplefilter("ignore")
    report = {}
    with tempfile.TemporaryDirectory() as folder, threadpool_limits(1):
        for rate, paths in write_clips(Path(folder), arguments.clips).items():
            taken = milliseconds(paths, arguments.repeats)
            mine = taken["librosa180"]
            report[str(rate)] = {
                "milliseconds": taken,
                "seconds_per_clip": float(np.median([soundfile.info(path).duration for path in paths])),
                "worst_relative_difference": worst_difference(paths),
                "times_faster_than_recipe": taken["recipe"] / mine,
                "times_decode_and_rfft": mine / taken["decode + rfft, double"],
                "times_decode_and_rfft_single": mine / taken["decode + rfft, single"],
            }
    if arguments.json:
        print(json.dumps(report))
        return
    for rate, result in report.items():
        mine = result["milliseconds"]["librosa180"]
        print(f"{rate} Hz, clips of {result['seconds_per_clip']:.1f} s, one thread")
        for name, value in result["milliseconds"].items():
            print(f"  {name:28s} {value:7.2f} ms   librosa180 takes {mine / value:5.2f} times this")
        faster, limit = result["times_faster_than_recipe"], result["times_decode_and_rfft"]
        print(f"  {faster:.1f} times faster than the recipe (bar: 5); ", end="")
        print(f"{limit:.2f} times decode and one rfft (bar: 2.5)")
        print(f"  largest relative difference from librosa: {result['worst_relative_difference']:.1e}")


if __name__ == "__main__":
    main()
