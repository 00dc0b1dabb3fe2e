"""Does the audit find planted copies, all of them and nothing else, and how long does it take?

    python benchmarks/planted_duplicates.py [--copies 200] [--seed 0] [--jobs 2] [--json]

Copies of recordings drawn from RAVDESS and CREMA-D are written to a temporary folder under other names: re-encoded to
Opus at 32 kb/s, resampled, 6 dB up or down, 50 ms cut off at the start, the end or both, and all of that together, a
fifth each. Then `emotone.audit.listen` hears the corpora and the copies with an empty cache. The recordings that are
pairs in the corpora themselves are listed below, and are neither asked for nor wrong.

The margin: how alike the least alike copy is, beside the most alike pair of other recordings, by fingerprint (which
decides what is compared) and by waveform (which decides). The corpora lie in ``EMOTONE_DATA`` or ``../shared/data``.
"""

from __future__ import annotations

import argparse
import csv
import json
import os
import sys
import tempfile
import time
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import av
import numpy as np
import soundfile
import soxr

from emotone import audio, corpora, features
from emotone.audit import alike, listen
from emotone.audit.fingerprint import FLAGS, Fingerprint
from emotone.audit.sounds import Sounds

HERE = Path(__file__).resolve().parent
DATA = Path(os.environ.get("EMOTONE_DATA", HERE.parents[1] / "shared" / "data"))
CORPORA = ("ravdess", "crema_d")
KINDS = ("opus", "resampled", "gain", "cut", "all")
RATES = (8_000, 11_025, 22_050, 24_000, 44_100, 48_000)
CUT = round(0.050 * audio.SAMPLE_RATE)

PUBLISHED = (
    ("03-01-03-01-02-01-07", "03-01-03-01-02-02-07"),
    ("1013_WSI_SAD_XX", "1013_WSI_DIS_XX"),
    ("1017_IWW_ANG_XX", "1017_IWW_FEA_XX"),
    ("1006_TIE_HAP_XX", "1006_TIE_NEU_XX"),
)
"""Byte-identical in the originals."""
UNPUBLISHED = (
    ("1017_IWL_ANG_XX", "1017_IWL_FEA_XX"),
    ("1020_IEO_ANG_LO", "1020_IEO_ANG_MD"),
    ("1028_IEO_HAP_LO", "1028_IEO_HAP_MD"),
    ("1045_ITH_DIS_XX", "1045_IWL_DIS_XX"),
    ("1056_MTI_ANG_XX", "1056_TAI_ANG_XX"),
    ("1067_IEO_DIS_LO", "1067_IEO_FEA_LO"),
    ("1072_IEO_DIS_MD", "1072_IEO_ANG_LO", "1072_IEO_ANG_MD"),
)
"""One take cut twice, or a cut that holds others: at one fixed delay their waveforms correlate at 0.96 to 0.997 from
300 to 3400 Hz, though both went through Opus. Other takes stay under 0.3."""


@dataclass(frozen=True)
class Copy:
    """A planted file, and how it came to be."""

    file: Path
    source: int
    kind: str
    how: str


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--copies", type=int, default=200)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--jobs", type=int, default=2)
    parser.add_argument("--json", action="store_true", help="One JSON document instead of the words.")
    options = parser.parse_args()
    roots: dict[str, Path] = {name: DATA / name for name in CORPORA}
    for name, root in roots.items():
        if not root.is_dir():
            sys.exit(f"No {name} in {DATA}: set EMOTONE_DATA to the folder above it.")
    with tempfile.TemporaryDirectory() as work:
        report = experiment(Path(work), roots, options)
    folder = HERE / "results"
    folder.mkdir(exist_ok=True)
    (folder / "planted_duplicates.json").write_text(json.dumps(report, indent=2) + "\n", "utf-8")
    print(json.dumps(report)) if options.json else tell(report)


def experiment(work: Path, roots: dict[str, Path], options: argparse.Namespace) -> dict[str, Any]:
    originals = corpora.read(roots)
    copies = plant(originals, roots, work, options.copies, np.random.default_rng(options.seed))
    roots = {**roots, "table": listed(copies, work)}
    table = corpora.read(roots)
    begin, cpu = time.perf_counter(), time.process_time()
    sounds = listen(table, roots, jobs=options.jobs, cache=work / "cache")
    seconds = time.perf_counter() - begin
    truth = groups(table, copies)
    return {
        "n_recordings": len(table),
        "n_copies": len(copies),
        "seconds": round(seconds, 1),
        "cpu_seconds_of_this_process": round(time.process_time() - cpu, 1),
        "jobs": options.jobs,
        "load": round(os.getloadavg()[0], 1),
        **judged(table, sounds, copies, truth),
        **margin(table, roots, truth, work / "cache"),
    }


# --- planting ---------------------------------------------------------------------------------------------------------


def plant(table: Any, roots: dict[str, Path], work: Path, n: int, rng: np.random.Generator) -> list[Copy]:
    """``n`` copies of as many recordings, written to ``work``."""
    copies = []
    for number, source in enumerate(rng.choice(len(table), n, replace=False).tolist()):
        row = table.iloc[source]
        signal = audio.load(roots[row["corpus"]] / row["file"])
        kind = KINDS[number % len(KINDS)]
        copies.append(planted(signal, kind, work / f"copy_{number:03d}", source, rng))
    return copies


def planted(signal: np.ndarray, kind: str, stem: Path, source: int, rng: np.random.Generator) -> Copy:
    """One copy of ``signal``; ``all`` is cut, turned up or down, resampled and coded."""
    how, rate = [], audio.SAMPLE_RATE
    if kind in ("cut", "all"):
        first, last = [(CUT, 0), (0, CUT), (CUT, CUT)][rng.integers(3)]
        signal = signal[first : len(signal) - last]
        how.append(f"{1000 * first // rate} and {1000 * last // rate} ms cut off")
    if kind in ("gain", "all"):
        decibels = int(rng.choice([-6, 6]))
        signal = np.clip(signal * np.float32(10 ** (decibels / 20)), -1, 1)
        how.append(f"{decibels:+d} dB")
    if kind in ("resampled", "all"):
        # Opus has its own rates; 24 and 48 kHz are those that aren't the recordings'.
        rate = int(rng.choice((8_000, 24_000, 48_000) if kind == "all" else RATES))
        signal = soxr.resample(signal, audio.SAMPLE_RATE, rate)
        how.append(f"{rate} Hz")
    if kind in ("opus", "all"):
        how.append("Opus 32 kb/s")
        return Copy(opus(signal, rate, stem.with_suffix(".opus")), source, kind, ", ".join(how))
    ending = str(rng.choice([".wav", ".flac"]))
    soundfile.write(stem.with_suffix(ending), signal, rate, subtype="PCM_16")
    return Copy(stem.with_suffix(ending), source, kind, ", ".join(how))


def opus(signal: np.ndarray, rate: int, path: Path) -> Path:
    samples = np.rint(np.clip(signal, -1, 1) * 32767).astype(np.int16)
    with av.open(str(path), "w", format="ogg") as container:
        stream = container.add_stream("libopus", rate=rate, layout="mono")
        stream.bit_rate = 32_000
        frame = av.AudioFrame.from_ndarray(samples[None], format="s16", layout="mono")
        frame.sample_rate = rate
        for packet in (*stream.encode(frame), *stream.encode(None)):
            container.mux(packet)
    return path


def listed(copies: Iterable[Copy], work: Path) -> Path:
    """A table of the copies, for ``table=``. All are called neutral: what they are called isn't looked at."""
    path = work / "planted.csv"
    with path.open("w", newline="", encoding="utf-8") as file:
        writer = csv.writer(file)
        writer.writerow(["file", "emotion", "speaker"])
        writer.writerows([copy.file.name, "neutral", "nobody"] for copy in copies)
    return path


# --- judging ----------------------------------------------------------------------------------------------------------


def groups(table: Any, copies: list[Copy]) -> list[int]:
    """A number for each row, the same for rows with the same sound."""
    stems = [Path(file).stem for file in table["file"]]
    number = list(range(len(table)))
    row_of = {stem: row for row, stem in enumerate(stems)}
    for names in (*PUBLISHED, *UNPUBLISHED):
        present = [row_of[name] for name in names if name in row_of]
        for row in present:
            number[row] = present[0]
    for copy in copies:
        number[row_of[copy.file.stem]] = number[copy.source]
    return number


def judged(table: Any, sounds: Sounds, copies: list[Copy], truth: list[int]) -> dict[str, Any]:
    row_of = {Path(file).stem: row for row, file in enumerate(table["file"])}
    together = {row: group for group in sounds.groups for row in group}
    missed = [copy for copy in copies if copy.source not in together.get(row_of[copy.file.stem], ())]
    false = [(sounds.names[a], sounds.names[b]) for a, b, _ in sounds.pairs if truth[a] != truth[b]]
    own = [pair for pair in sounds.pairs if table["corpus"].iloc[list(pair[:2])].ne("table").all()]
    return {
        "found": {kind: sum(copy.kind == kind and copy not in missed for copy in copies) for kind in KINDS},
        "planted": {kind: sum(copy.kind == kind for copy in copies) for kind in KINDS},
        "n_missed": len(missed),
        "missed": [copy.how for copy in missed],
        "n_false": len(false),
        "false": false,
        "pairs_of_the_corpora": [[sounds.names[a], sounds.names[b], similarity] for a, b, similarity in own],
    }


def margin(table: Any, roots: dict[str, Path], truth: list[int], cache: Path) -> dict[str, Any]:
    """Fingerprints and waveforms of pairs with the same sound, and of the others that were compared."""
    folders = {name: corpora.audio_root(name, root) for name, root in roots.items()}
    X = features.extract(table, Fingerprint(), folders, cache=cache).X[:, 1 + len(FLAGS) :]
    number = np.array(truth)
    same = np.array([(a, b) for a in range(len(X)) if number[a] != a for b in [int(number[a])]])
    likely = alike.candidates(X)
    other = np.array([pair for pair in likely.pairs.tolist() if truth[pair[0]] != truth[pair[1]]])

    def waveforms(pairs: np.ndarray) -> list[float]:
        paths = [folders[corpus] / file for corpus, file in zip(table["corpus"], table["file"], strict=True)]
        return [alike.similarity(audio.load(paths[a]), audio.load(paths[b])) for a, b in pairs]

    def fingerprints(pairs: np.ndarray) -> np.ndarray:
        return np.einsum("ij,ij->i", X[pairs[:, 0]], X[pairs[:, 1]])

    return {
        "n_compared": len(likely.pairs),
        "lowest_fingerprint_of_the_same": round(float(fingerprints(same).min()), 3),
        "highest_fingerprint_of_others": round(float(fingerprints(other).max()), 3),
        "lowest_waveform_of_the_same": round(min(waveforms(same)), 3),
        "highest_waveform_of_others": round(max(waveforms(other)), 3),
    }


def tell(report: dict[str, Any]) -> None:
    print(
        f"{report['n_recordings']:,} recordings, {report['n_copies']} planted copies, {report['jobs']} processes, load "
        f"{report['load']}: {report['seconds']:.0f} s with an empty cache\n"
    )
    print(f"{'copies':<12}{'planted':>8}{'found':>8}")
    for kind in KINDS:
        print(f"{kind:<12}{report['planted'][kind]:>8}{report['found'][kind]:>8}")
    print(f"\nfalse pairs: {report['n_false']} {report['false'] or ''}")
    print(f"missed: {report['n_missed']} {report['missed'] or ''}")
    print(f"pairs in the corpora themselves: {len(report['pairs_of_the_corpora'])}")
    for a, b, similarity in report["pairs_of_the_corpora"]:
        print(f"  {similarity:.3f}  {a} = {b}")
    print(f"\n{'':<14}{'same sound, lowest':>20}{'others, highest':>18}   ({report['n_compared']} pairs compared)")
    for what in ("fingerprint", "waveform"):
        same, others = report[f"lowest_{what}_of_the_same"], report[f"highest_{what}_of_others"]
        print(f"{what:<14}{same:>20.3f}{others:>18.3f}")


if __name__ == "__main__":
    main()
