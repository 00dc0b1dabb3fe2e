"""Archives: as fast as a bare loop, flat memory, broken files listed, killed at any moment, a million files listed.

    python benchmarks/archive.py [throughput] [kills] [million] [--files 10000] [--jobs 2] [--json]

`throughput` writes recordings (real speech of the corpora in EMOTONE_DATA, cut, joined, at another level, with noise;
one in a hundred broken), hears them with two bare loops of `predict`, then with `annotate`, and compares: by the clock,
and by the processor's time, which other work on the machine disturbs less. `kills` kills drivers and workers at random
moments with signal 9, goes on, and compares the rows with those of an undisturbed run. `million` makes a million names
of short files (hard links) and measures how soon the first answer comes, and in how much memory they are all listed.

The files lie in --work, by default a temporary folder; given one, files of an earlier call are used again. Linux only.
"""

from __future__ import annotations

import argparse
import json
import os
import random
import resource
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import soundfile

from emotone import audio

RATE = audio.SAMPLE_RATE
ROOT = Path(os.environ.get("EMOTONE_DATA", Path(__file__).resolve().parents[2] / "shared" / "data"))
CORPORA = ("ravdess", "emodb", "crema_d", "nemo", "librispeech")
N_SOURCES = 400
SECONDS = (1.5, 6.0)  # of an utterance, as in the corpora
BROKEN_EVERY = 100
N_SHARDS = 40
MILLION = 1_000_000
KILLS = 10


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("what", nargs="*", help="throughput, kills, million; all if none is named")
    parser.add_argument("--files", type=int, default=10_000)
    parser.add_argument("--million", type=int, default=MILLION, help="names to list")
    parser.add_argument("--jobs", type=int, default=2)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--work", type=Path, help="keep the files here")
    parser.add_argument("--json", action="store_true")
    parser.add_argument("--bare", help=argparse.SUPPRESS)  # this program runs itself
    parser.add_argument("--annotate", nargs=2, help=argparse.SUPPRESS)
    arguments = parser.parse_args()
    if arguments.bare is not None:
        bare_loop(Path(arguments.bare))
    elif arguments.annotate is not None:
        annotate(*arguments.annotate, jobs=arguments.jobs)
    elif arguments.work is not None:
        arguments.work.mkdir(parents=True, exist_ok=True)
        tell(measured(arguments.work, arguments), as_json=arguments.json)
    else:
        with tempfile.TemporaryDirectory() as folder:
            tell(measured(Path(folder), arguments), as_json=arguments.json)


def measured(work: Path, arguments: argparse.Namespace) -> dict[str, Any]:
    wanted = arguments.what or ["throughput", "kills", "million"]
    report: dict[str, Any] = {"files": arguments.files, "jobs": arguments.jobs}
    if {"throughput", "kills"} & set(wanted):
        speech = work / f"speech-{arguments.files}"
        if not speech.is_dir():
            write_speech(speech, arguments.files, seed=arguments.seed)
    if "throughput" in wanted:
        report["throughput"] = throughput(work, speech, arguments)
    if "kills" in wanted:
        report["kills"] = kills(work, speech, arguments)
    if "million" in wanted:
        report["million"] = million(work, arguments)
    return report


# --- recordings ---


def write_speech(folder: Path, n: int, *, seed: int) -> None:
    """``n`` recordings, all different, one in `BROKEN_EVERY` of them broken; in folders of a thousand."""
    rng = np.random.default_rng(seed)
    found = [path for name in CORPORA for path in sorted((ROOT / name).rglob("*")) if path.suffix in (".flac", ".opus")]
    if not found:
        sys.exit(f"There are no recordings in {ROOT}. Set EMOTONE_DATA to a folder with {', '.join(CORPORA)}.")
    chosen = rng.choice(len(found), min(N_SOURCES, len(found)), replace=False)
    sources = [audio.load(found[i]) for i in sorted(chosen)]
    half = folder.with_name(f".{folder.name}")
    for i in range(n):
        place = half / f"{i // 1000:04d}"
        if i % 1000 == 0:
            place.mkdir(parents=True)
        if i % BROKEN_EVERY == BROKEN_EVERY // 2:
            (place / f"{i:06d}.wav").write_bytes(broken(i // BROKEN_EVERY))
        else:
            soundfile.write(place / f"{i:06d}.{('wav', 'flac')[i % 2]}", utterance(sources, rng), RATE)
    half.rename(folder)


def utterance(sources: list[audio.Signal], rng: np.random.Generator) -> audio.Signal:
    """Cuts of one to three recordings, one after the other, at another level and with noise."""
    length = rng.uniform(*SECONDS)
    pieces = []
    for source in (sources[i] for i in rng.integers(len(sources), size=rng.integers(1, 4))):
        first = rng.integers(max(1, len(source) // 4))
        pieces.append(source[first : first + round(RATE * length)])
    joined = np.concatenate(pieces)[: round(RATE * length)]
    level = rng.uniform(0.3, 1.0) / max(0.05, float(np.abs(joined).max()))
    noise = rng.standard_normal(len(joined)) * 10 ** (-rng.uniform(45, 70) / 20)
    return np.clip(level * joined + noise, -1, 1).astype(np.float32)


def broken(number: int) -> bytes:
    """Bytes that nobody can hear, each in another way."""
    kinds = (b"", b"<html>not found</html>", b"RIFF\x24\x00\x00\x00WAVEfmt ", bytes(5000), b"\xff\xfb" + bytes(3))
    return kinds[number % len(kinds)]


# --- as fast as a bare loop ---


def throughput(work: Path, speech: Path, arguments: argparse.Namespace) -> dict[str, Any]:
    before = processor()
    bare = bare_loops(work, speech, arguments.jobs)
    between = processor()
    running = start(speech, fresh(work / "annotated"), arguments)
    memory, last = [], 0
    for said in spoken(running):
        if said.get("done", 0) - last >= arguments.files // 20:
            last = said["done"]
            memory.append({"done": last, "megabytes": resident(running.pid)})
    after = processor()
    n_broken = sum(1 for i in range(arguments.files) if i % BROKEN_EVERY == BROKEN_EVERY // 2)
    n_good = arguments.files - n_broken
    rows, failures = tables(work / "annotated")
    return {
        "bare_per_second": round(n_good / bare, 1),
        "annotate_per_second": round(n_good / said["seconds"], 1),
        "of_the_ideal": round(bare / said["seconds"], 3),
        "processor_seconds": {"bare": round(between - before, 1), "annotate": round(after - between, 1)},
        "of_the_ideal_by_processor": round((between - before) / (after - between), 3),
        "exit": running.returncode,
        "rows": len(rows),
        "rows_expected": n_good,
        "failures": len(failures),
        "failures_expected": n_broken,
        "memory": memory,
    }


def bare_loops(work: Path, speech: Path, jobs: int) -> float:
    """Seconds that so many processes need, each with its share of the good files and no idea of the others."""
    files = [path for path in sorted(speech.rglob("*.*")) if int(path.stem) % BROKEN_EVERY != BROKEN_EVERY // 2]
    lists = []
    for i in range(jobs):
        lists.append(work / f"bare-{i}.txt")
        lists[-1].write_text("\n".join(map(str, files[i::jobs])))
    begin = time.monotonic()
    running = [subprocess.Popen([sys.executable, __file__, "--bare", str(one)], env=environment()) for one in lists]
    for one in running:
        one.wait()
    return time.monotonic() - begin


def processor() -> float:
    """Seconds of it that the programs started here have used."""
    used = resource.getrusage(resource.RUSAGE_CHILDREN)
    return used.ru_utime + used.ru_stime


def bare_loop(listed: Path) -> None:
    import emotone

    recogniser = emotone.load()
    for name in listed.read_text().splitlines():
        recogniser.predict(name)


# --- killed at any moment ---


def kills(work: Path, speech: Path, arguments: argparse.Namespace) -> dict[str, Any]:
    undisturbed = fresh(work / "undisturbed")
    begin = time.monotonic()
    for _ in spoken(start(speech, undisturbed, arguments)):
        pass
    seconds = time.monotonic() - begin
    expected, expected_failures = tables(undisturbed)
    rng = random.Random(arguments.seed)
    out, moments = fresh(work / "killed"), []
    for number in range(KILLS):
        running = start(speech, out, arguments)
        until = time.monotonic() + rng.uniform(0, 1.2 * seconds / KILLS)
        while time.monotonic() < until and running.poll() is None:
            time.sleep(0.01)
        workers = children(running.pid)
        if number % 2 and workers:
            os.kill(rng.choice(workers), signal.SIGKILL)  # and it goes on for a while
            time.sleep(rng.uniform(0, 0.3 * seconds / KILLS))
        running.kill()
        running.communicate()
        moments.append({"killed": "worker, then driver" if number % 2 else "driver", "parts": count(out)})
    for _ in spoken(start(speech, out, arguments)):
        pass
    rows, failures = tables(out)
    files = [row["file"] for row in rows]
    return {
        "kills": moments,
        "rows": len(rows),
        "twice": len(files) - len(set(files)),
        "equal": rows == expected and failures == expected_failures,
        "same_bytes": contents(out) == contents(undisturbed),
    }


# --- a million ---


def million(work: Path, arguments: argparse.Namespace) -> dict[str, Any]:
    folder = work / f"names-{arguments.million}"
    if not folder.is_dir():
        write_names(folder, arguments.million, seed=arguments.seed)
    running = start(folder, fresh(work / "million"), arguments, "--shard-files", "1000")
    first = listed = None
    peak = 0.0
    for said in spoken(running):
        if said.get("done") and first is None:
            first = said["at"]
        peak = max(peak, megabytes(running.pid))
        if said.get("complete"):
            listed = {"names": said["listed"], "seconds": said["at"]}
            break
    running.kill()
    running.communicate()
    return {"first_result_after": first, "listed": listed, "peak_megabytes_of_the_driver": peak}


def write_names(folder: Path, n: int, *, seed: int) -> None:
    rng = np.random.default_rng(seed)
    half = folder.with_name(f".{folder.name}")
    half.mkdir()
    clip = b""
    for i in range(n):
        if i % 1000 == 0:
            (half / f"{i // 1000:06d}").mkdir()
        place = half / f"{i // 1000:06d}" / f"{i:08d}.wav"
        if i % 30_000 == 0:  # no file may have more names
            clip = audio.encode_wav((0.1 * rng.standard_normal(8000)).astype(np.float32))
            place.write_bytes(clip)
            original = place
        else:
            place.hardlink_to(original)
    half.rename(folder)


# --- runs ---


def start(source: Path, out: Path, arguments: argparse.Namespace, *more: str) -> subprocess.Popen[str]:
    """This program as a driver."""
    command = [sys.executable, __file__, "--annotate", str(source), str(out), "--jobs", str(arguments.jobs)]
    shards = more[1] if more else str(max(10, arguments.files // N_SHARDS))
    return subprocess.Popen(command, env=environment(SHARD=shards), stdout=subprocess.PIPE, text=True)


def annotate(source: str, out: str, *, jobs: int) -> None:
    """A run: says now and then how far it is, and in the end how long it took from its very beginning."""
    begin = time.time() - age()
    from emotone import batch

    last = 0.0

    def tell(progress: batch.Progress) -> None:
        nonlocal last
        now = time.time()
        if now - last > 0.2 or not last:
            last = now
            say(done=progress.done, listed=progress.listed, complete=progress.complete, at=round(now - begin, 2))

    options = batch.ArchiveOptions(shard_files=int(os.environ["SHARD"]))
    archive = batch.annotate(source, out, options, engine=batch.LocalEngine(jobs=jobs), tell=tell)
    say(seconds=round(time.time() - begin, 3))
    sys.exit(1 if archive.tally.failed else 0)


def say(**facts: Any) -> None:
    print(json.dumps(facts), flush=True)


def spoken(running: subprocess.Popen[str]) -> Iterator[dict[str, Any]]:
    assert running.stdout is not None
    for line in running.stdout:
        yield json.loads(line)
    running.wait()


def environment(**more: str) -> dict[str, str]:
    threads = dict.fromkeys(("OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS", "OMP_NUM_THREADS"), "1")
    return {**os.environ, **threads, **more}


def fresh(folder: Path) -> Path:
    import shutil

    shutil.rmtree(folder, ignore_errors=True)
    return folder


def tables(folder: Path) -> tuple[list[dict[str, Any]], list[dict[str, Any]]]:
    from emotone.batch import Archive

    archive = Archive.open(folder)
    return archive.segments().to_table().to_pylist(), archive.failures().to_table().to_pylist()


def contents(folder: Path) -> dict[str, bytes]:
    return {str(path.relative_to(folder)): path.read_bytes() for path in folder.glob("*s/*")}


def count(folder: Path) -> int:
    return len(list(folder.glob("segments/part-*")))


def age() -> float:
    """Seconds since this process began."""
    started = float(Path("/proc/self/stat").read_text().rpartition(")")[2].split()[19]) / os.sysconf("SC_CLK_TCK")
    return float(Path("/proc/uptime").read_text().split()[0]) - started


def children(pid: int) -> list[int]:
    """Workers, without multiprocessing's small tracker."""
    try:
        found = Path(f"/proc/{pid}/task/{pid}/children").read_text().split()
    except OSError:
        return []
    return [int(child) for child in found if megabytes(int(child)) > 40]


def resident(pid: int) -> list[float]:
    """Memory in MB: of the driver, then of its workers."""
    return [megabytes(pid), *map(megabytes, children(pid))]


def megabytes(pid: int) -> float:
    try:
        pages = int(Path(f"/proc/{pid}/statm").read_text().split()[1])
    except OSError:
        return 0.0  # it ended just now
    return round(pages * os.sysconf("SC_PAGE_SIZE") / 1e6, 1)


def tell(report: dict[str, Any], *, as_json: bool) -> None:
    if as_json:
        print(json.dumps(report))
        return
    for name, facts in report.items():
        if not isinstance(facts, dict):
            print(f"{name}: {facts}")
            continue
        print(f"\n{name}")
        for fact, value in facts.items():
            if isinstance(value, list):
                print(f"  {fact}")
                for line in value:
                    print(f"    {line}")
            else:
                print(f"  {fact}: {value}")


if __name__ == "__main__":
    main()
