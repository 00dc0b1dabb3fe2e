"""Ten thousand utterances: flat memory, Ctrl-C half-way, and a second run that does the rest only.

Some hundred clips are synthesised, and each is written often, cut and levelled differently. A first run over
all of them reports the memory of the calling process and of its workers at each tenth, and is interrupted by
SIGINT half-way, as by Ctrl-C in a terminal. A second run with the same cache has to compute only the rest. A
third one, without the cache, gives the numbers to compare with.

    python benchmarks/extract_ten_thousand.py [--utterances 10000] [--frontend librosa180] [--jobs 2] [--json]

Linux only: memory is read from /proc.
"""

from __future__ import annotations

import argparse
import json
import os
import signal
import sqlite3
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np

from emotone import audio, features
from emotone.features import extraction
from emotone.labels import EMOTIONS
from emotone.synthetic import speech

N_CLIPS = 200
SECONDS = (0.8, 1.6)
REPORTS = 10


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--utterances", type=int, default=10_000)
    parser.add_argument("--frontend", default="librosa180")
    parser.add_argument("--jobs", type=int, default=2)
    parser.add_argument("--json", action="store_true", help="One JSON document instead of the words.")
    parser.add_argument("--worker", type=Path, help=argparse.SUPPRESS)  # this program runs itself for each run
    parser.add_argument("--no-cache", action="store_true", help=argparse.SUPPRESS)
    arguments = parser.parse_args()
    if arguments.worker is not None:
        extract(arguments.worker, arguments.frontend, arguments.jobs, cache=not arguments.no_cache)
        return
    with tempfile.TemporaryDirectory() as folder:
        report = experiment(Path(folder), arguments)
    if arguments.json:
        print(json.dumps(report))
    else:
        tell(report)


def experiment(work: Path, arguments: argparse.Namespace) -> dict[str, Any]:
    n = arguments.utterances
    write_utterances(work / "utterances", n)

    running = start(work, arguments)
    memory, words = [], []
    for said in spoken(running):
        if "done" not in said:
            words.append(said)
            continue
        memory.append(said)
        if said["done"] == n // 2:
            os.killpg(running.pid, signal.SIGINT)
            interrupted = time.monotonic()
    stopped = time.monotonic() - interrupted
    (database,) = (work / "cache").rglob("*.sqlite3")
    connection = sqlite3.connect(database)
    (kept,) = connection.execute("SELECT count(*) FROM features").fetchone()
    connection.close()

    *resumed_memory, resumed = spoken(start(work, arguments))
    second = np.load(work / "X.npy")
    *fresh_memory, fresh = spoken(start(work, arguments, "--no-cache"))
    third = np.load(work / "X.npy")
    return {
        "utterances": n,
        "frontend": arguments.frontend,
        "jobs": arguments.jobs,
        "interrupted": {"memory": memory, "said": words, "seconds_to_stop": stopped, "kept": kept},
        "resumed": {"memory": resumed_memory, **resumed},
        "uncached": {"memory": fresh_memory, **fresh},
        "equal": bool(np.array_equal(second, third)),
    }


def write_utterances(folder: Path, n: int) -> None:
    """``n`` WAV files, all different: cuts of some synthetic clips, each at its own level."""
    rng = np.random.default_rng(0)
    clips = [
        speech(EMOTIONS[i % len(EMOTIONS)], i // len(EMOTIONS), rng=rng, seconds=SECONDS[1])
        for i in range(min(n, N_CLIPS))
    ]
    folder.mkdir()
    for i in range(n):
        length = round(16_000 * rng.uniform(*SECONDS))
        cut = clips[i % len(clips)][:length] * np.float32(rng.uniform(0.3, 1.0))
        (folder / f"{i:06d}.wav").write_bytes(audio.encode_wav(cut))


def start(work: Path, arguments: argparse.Namespace, *more: str) -> subprocess.Popen[str]:
    """This program as a worker, in a session of its own, as if in another terminal."""
    command = [sys.executable, __file__, "--worker", str(work), "--frontend", arguments.frontend]
    return subprocess.Popen(
        [*command, "--jobs", str(arguments.jobs), *more],
        env={**os.environ, "EMOTONE_CACHE": str(work / "cache")},
        stderr=subprocess.PIPE,
        text=True,
        start_new_session=True,
    )


def spoken(running: subprocess.Popen[str]) -> Iterator[dict[str, Any]]:
    """What a run says, line by line, until it ends."""
    assert running.stderr is not None
    for line in running.stderr:
        yield json.loads(line) if line.startswith("{") else {"said": line.rstrip()}
    running.wait()


def extract(work: Path, frontend: str, jobs: int, *, cache: bool) -> None:
    """One run: says how far it is and how much memory it has, and in the end how many it computed."""
    signal.signal(signal.SIGINT, signal.default_int_handler)  # shells switch it off for what runs in the background
    files = sorted((work / "utterances").iterdir())
    begin = time.monotonic()
    done = computed = 0

    def progress(n: int) -> None:
        nonlocal done
        done += n
        if done % max(1, len(files) // REPORTS) == 0:
            say({"done": done, "seconds": round(time.monotonic() - begin, 1), "megabytes": resident()})

    class Counting(extraction._Results):
        def take(self, *result: Any) -> None:
            nonlocal computed
            computed += 1
            super().take(*result)

    extraction._Results = Counting  # type: ignore[misc]
    try:
        extracted = features.extract_files(
            files, features.get(frontend), jobs=jobs, cache=None if cache else False, progress=progress
        )
    except KeyboardInterrupt:
        sys.exit("Interrupted; what was finished is kept.")
    np.save(work / "X.npy", extracted.X)
    say({"computed": computed, "failures": len(extracted.failures), "seconds": round(time.monotonic() - begin, 1)})


def say(document: dict[str, Any]) -> None:
    print(json.dumps(document), file=sys.stderr, flush=True)


def resident() -> list[float]:
    """Resident memory in MB: of this process, then of its workers."""
    me = os.getpid()
    children = Path(f"/proc/{me}/task/{me}/children").read_text().split()
    sizes = [megabytes(int(pid)) for pid in (me, *children)]
    return [sizes[0], *(size for size in sizes[1:] if size > 20)]  # without multiprocessing's small tracker


def megabytes(pid: int) -> float:
    try:
        pages = int(Path(f"/proc/{pid}/statm").read_text().split()[1])
    except OSError:
        return 0.0  # it ended just now
    return round(pages * os.sysconf("SC_PAGE_SIZE") / 1e6, 1)


def tell(report: dict[str, Any]) -> None:
    print(f"{report['utterances']} utterances, {report['frontend']}, {report['jobs']} jobs")
    for name in ("interrupted", "resumed", "uncached"):
        print(f"\n{name}: memory in MB of the calling process and of its workers")
        for line in report[name]["memory"]:
            print(f"  {line['done']:>7}  {line['seconds']:6.1f} s  {line['megabytes']}")
    first, second = report["interrupted"], report["resumed"]
    print(f"\nstopped {first['seconds_to_stop']:.2f} s after SIGINT; it said: {[one['said'] for one in first['said']]}")
    print(f"kept in the cache: {first['kept']}; then computed: {second['computed']} in {second['seconds']} s")
    print(f"same numbers as without cache: {report['equal']} ({report['uncached']['seconds']} s)")


if __name__ == "__main__":
    main()
