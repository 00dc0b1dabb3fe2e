"""How many machines an archive needs: arithmetic on what was measured on one.

    python benchmarks/sizing.py                      the table, from figures that are there
    python benchmarks/sizing.py --measure            measures what the writing process does for each recording, first
    python benchmarks/sizing.py --into docs/cluster.md

Everything that wasn't measured is a product of what was, and is called extrapolated. Figures go to
``benchmarks/results/sizing.json``. The speed of a worker is that of ``benchmarks/results/timeline.json`` (a recording
of an hour or more, alone on its processor) and of ``bundled_speed.json`` (single utterances).

``--measure`` sends tiny recordings, over which workers hardly think, through the Ray engine and counts the processor
time of the process that writes. It bounds how many workers one such process can keep busy.
"""

from __future__ import annotations

import os

os.environ.setdefault("OMP_NUM_THREADS", "1")  # before numpy loads

import argparse
import json
import math
import platform
import tempfile
import time
from pathlib import Path
from typing import Any

HERE = Path(__file__).resolve().parent
RESULTS = HERE / "results"
BEGIN, END = "<!-- sizing begin -->", "<!-- sizing end -->"

CORES = 32
"""Processors of a machine in the table."""
UTTERANCE = 3.0
"""Seconds of a recording that gets a single answer."""
CALL = 300.0
"""Seconds of a recording that gets a timeline."""
BITRATE = 24_000
"""Bits a second of compressed speech, for what has to be read."""
SPEECH_SEGMENT = 4.0
"""Seconds of a timeline's segment, about."""
BYTES_PER_ROW = 100
ARCHIVES = (1_000, 10_000, 100_000, 1_000_000)
"""Hours."""
FLEETS = (1, 10)
"""Machines."""


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--measure", action="store_true", help="measure the writing process first")
    parser.add_argument("--recordings", type=int, default=3000)
    parser.add_argument("--into", type=Path, help="a document to put the table into, between its marks")
    arguments = parser.parse_args()
    if arguments.measure:
        keep(measure_driver(arguments.recordings))
    text = table(figures())
    if arguments.into is None:
        print(text)
        return
    document = arguments.into.read_text("utf-8")
    before, _, rest = document.partition(BEGIN)
    _, _, after = rest.partition(END)
    arguments.into.write_text(f"{before}{BEGIN}\n{text}\n{END}{after}", "utf-8")


# --- what was measured ---


def figures() -> dict[str, Any]:
    """The measured figures that the table is made of."""
    timeline = json.loads((RESULTS / "timeline.json").read_text("utf-8"))
    speed = json.loads((RESULTS / "bundled_speed.json").read_text("utf-8"))
    kept = RESULTS / "sizing.json"
    driver = json.loads(kept.read_text("utf-8")) if kept.exists() else {}
    return {
        "timeline": float(timeline["long"]["times_real_time"]),
        "predictions": float(speed["times real time"]["default"]),
        "driver_ms": driver.get("driver_ms_per_recording"),
        "driver_machine": driver.get("machine"),
    }


def measure_driver(n: int) -> dict[str, Any]:
    """Milliseconds of processor time that a recording costs the process that lists, hands out and writes."""
    import numpy as np

    from emotone import audio, batch
    from emotone.batch.ray_engine import RayEngine

    with tempfile.TemporaryDirectory() as folder:
        calls = Path(folder) / "calls"
        calls.mkdir()
        sound = audio.encode_wav(np.zeros(1600, np.float32))  # silence: a worker has nothing to think about
        for i in range(n):
            (calls / f"{i:06d}.wav").write_bytes(sound)
        marks: list[tuple[float, int]] = []

        def tell(progress: batch.Progress) -> None:
            marks.append((time.process_time(), progress.recordings))

        batch.annotate(calls, Path(folder) / "out", engine=RayEngine(jobs=2), tell=tell)
    (first, n_first), (last, n_last) = marks[len(marks) // 5], marks[-1]  # without its start
    each = 1000 * (last - first) / (n_last - n_first)
    return {"driver_ms_per_recording": round(each, 3), "recordings": n, "machine": platform.machine()}


def keep(found: dict[str, Any]) -> None:
    RESULTS.mkdir(exist_ok=True)
    (RESULTS / "sizing.json").write_text(json.dumps(found, indent=2) + "\n", "utf-8")


# --- arithmetic ---


def table(measured: dict[str, Any]) -> str:
    """Markdown: what was measured, and what follows."""
    lines = [
        "Measured, on one processor of a small cloud machine (x86-64):",
        "",
        f"- timelines: **{measured['timeline']:.0f} hours of sound an hour** (`benchmarks/timeline.py long`);",
        f"- single answers to utterances of {UTTERANCE:.0f} s: **{measured['predictions']:.0f} hours an hour** "
        "(`benchmarks/bundled_speed.py`);",
    ]
    if measured["driver_ms"]:
        lines.append(said_of_driver(measured))
    lines += [
        "",
        f"Extrapolated in proportion, **not measured**: machines of {CORES} processors that read speech of "
        f"{BITRATE // 1000} kbit/s.",
        "",
        f"| {' | '.join(HEADINGS)} |",
        f"|{'---|' * len(HEADINGS)}",
    ]
    for hours in ARCHIVES:
        for what in ("timeline", "predictions"):
            lines.append(row(hours, what, measured))
    return "\n".join(lines)


HEADINGS = (
    "hours of sound",
    "what",
    "for one processor",
    "one machine",
    "ten machines",
    "to read",
    "by ten, a second",
    "tables",
)


def said_of_driver(measured: dict[str, Any]) -> str:
    """How many workers one writing process keeps up with."""
    each = measured["driver_ms"]
    on_utterances = floor(workers(measured["predictions"], UTTERANCE, each))
    on_calls = floor(workers(measured["timeline"], CALL, each))
    return (
        f"- the process that lists and writes: **{each:.2f} ms of its processor for a recording** "
        f"(`benchmarks/sizing.py --measure`), so that one keeps up with {floor(rate(each)):,} recordings a second: "
        f"{on_utterances:,} workers on utterances, {on_calls:,} on timelines of calls of five minutes."
    )


def row(hours: int, what: str, measured: dict[str, Any]) -> str:
    """A line of the table."""
    work = hours / measured[what]
    each = UTTERANCE if what == "predictions" else SPEECH_SEGMENT
    size = hours * 3600 * BITRATE / 8
    spans = [work / (CORES * n) for n in FLEETS]
    if what == "predictions" and measured["driver_ms"]:
        least = hours * 3600 / UTTERANCE * measured["driver_ms"] / 3.6e6
        spans = [max(span, least) for span in spans]
    network = size / (spans[-1] * 3600)
    stored = hours * 3600 / each * BYTES_PER_ROW
    cells = [f"{hours:,}", what, lasting(work), *map(lasting, spans), amount(size), amount(network), amount(stored)]
    return f"| {' | '.join(cells)} |"


def rate(driver_ms: float) -> float:
    """Recordings a second that one writing process can take."""
    return 1000 / driver_ms


def workers(speed: float, seconds: float, driver_ms: float) -> float:
    """Workers that hear so many recordings of ``seconds`` each, ``speed`` times as fast as they were spoken."""
    return rate(driver_ms) * seconds / speed


def floor(number: float) -> int:
    """Rounded down to one digit."""
    power = 10 ** int(math.log10(max(number, 1)))
    return int(number // power * power)


def lasting(hours: float) -> str:
    if hours >= 72:
        return f"{hours / 24:,.0f} d"
    return f"{hours:.1f} h" if hours >= 1 else f"{60 * hours:.0f} min" if hours * 60 >= 1 else "1 min"


def amount(n_bytes: float) -> str:
    for unit, size in (("TB", 1e12), ("GB", 1e9), ("MB", 1e6)):
        if n_bytes >= size:
            return f"{n_bytes / size:.3g} {unit}"
    return "1 MB"


if __name__ == "__main__":
    main()
