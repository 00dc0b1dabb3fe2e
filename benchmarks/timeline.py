"""Timelines of recordings of which everything is known: real utterances, joined with pauses, noise and known changes.

    python benchmarks/timeline.py                                      speech (clean and in noise), and changes
    python benchmarks/timeline.py chunkings --chunkings 1000
    python benchmarks/timeline.py long --hours 10
    python benchmarks/timeline.py refusals
    ... [--model open] [--corpus ravdess] [--recordings 20] [--seed 0]

The speakers are those of a corpus that the recogniser hasn't heard.

- ``speech``: each recording has utterances of one speaker between pauses, clean and with pink noise at 10 dB. Where
  are borders found, what is taken for speech, is the emotion that of the same utterance given singly, how long does a
  listener wait, and what does it cost?
- ``changes``: recordings in which the emotion changes without a pause.
- ``chunkings``: recordings cut into random chunks; how often are the segments others than those of the whole?
- ``long``: a recording that long, written to the folder for temporary files (115 MB an hour), and one of a tenth of
  that in which nobody ever pauses. Time, memory and drift are those of a process that does nothing else.
- ``refusals``: of all recordings of all corpora that are there, the share in which nobody is heard to speak.

Corpora are looked for in ``EMOTONE_DATA`` or ``../shared/data``. Figures go to ``benchmarks/results/timeline.json``,
where those of parts that weren't run stay.
"""

from __future__ import annotations

import os

os.environ.setdefault("OMP_NUM_THREADS", "1")  # before numpy loads

import argparse
import json
import resource
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

import numpy as np
import soundfile

HERE = Path(__file__).resolve().parent
sys.path.insert(0, str(HERE.parent / "tests"))

from joined import (  # noqa: E402
    Joined,
    Span,
    border_errors,
    heard_in,
    joined,
    longest_pause,
    speaking,
    trimmed,
    truly_speaking,
)

from emotone import audio, corpora, recogniser, timeline, voice  # noqa: E402
from emotone.audio import SAMPLE_RATE, Signal  # noqa: E402
from emotone.recogniser import Recogniser  # noqa: E402
from emotone.segment import Segment  # noqa: E402
from emotone.stream import StreamOptions  # noqa: E402
from emotone.voice import FRAME  # noqa: E402

RESULTS = HERE / "results" / "timeline.json"
BESIDE = Path(os.environ.get("EMOTONE_DATA", HERE.parents[1] / "shared" / "data"))

EMOTIONS = ("neutral", "happy", "sad", "angry")
"""Those of the Zaion benchmark; neutral counts as no emotion there."""

PARTS = ("speech", "changes", "chunkings", "long", "refusals")

UTTERANCES = 6  # in a recording
CHUNK = 320  # samples: 20 ms, as a microphone gives them
MOST_PAUSE = 0.3  # seconds of silence inside an utterance: a longer one might rightly end it

Clip = tuple[Signal, str]


def clips_by_speaker(name: str, root: Path) -> dict[str, list[tuple[Path, str]]]:
    """The files of the four emotions, by speaker."""
    table = corpora.get(name).read(root)
    table = table[table["emotion"].isin(EMOTIONS)]
    return {
        str(speaker): [(root / file, emotion) for file, emotion in zip(rows["file"], rows["emotion"], strict=True)]
        for speaker, rows in table.groupby("speaker")
    }


def chosen(files: list[tuple[Path, str]], n: int, rng: np.random.Generator) -> list[Clip]:
    """Utterances without a long pause in them, in random order."""
    found: list[Clip] = []
    for i in rng.permutation(len(files)):
        signal = audio.load(files[i][0])
        if longest_pause(signal) <= MOST_PAUSE and len(trimmed(signal)) > SAMPLE_RATE:
            found.append((signal, files[i][1]))
        if len(found) == n:
            break
    return found


def changing(clips: list[Clip], rng: np.random.Generator) -> Joined | None:
    """One emotion for 6 s or more, then another, with only 0.1 to 0.2 s between utterances."""
    first = clips[0][1]
    other = next((emotion for _, emotion in clips if emotion != first), None)
    halves = [[clip for clip in clips if clip[1] == emotion] for emotion in (first, other)]
    chosen_clips: list[Clip] = []
    for half in halves:
        seconds = 0.0
        for signal, emotion in half:
            if seconds < 6:
                chosen_clips.append((signal, emotion))
                seconds += len(trimmed(signal)) / SAMPLE_RATE
        if seconds < 6:
            return None
    return joined(chosen_clips, rng=rng, pauses=(0.1, 0.2))


def streamed(
    rec: Recogniser, recording: Joined, options: StreamOptions
) -> tuple[list[Segment], dict[str, list[float]]]:
    """The segments of a recording that comes in as from a microphone, the delays, and the seconds each chunk took."""
    stream = rec.stream(options)
    segments: list[Segment] = []
    measured: dict[str, list[float]] = {"delays": [], "chunks": []}
    for first in range(0, len(recording.signal), CHUNK):
        begin = time.process_time()
        found = stream.feed(recording.signal[first : first + CHUNK])
        _ = stream.provisional
        measured["chunks"].append(time.process_time() - begin)
        for segment in found:
            if "no_speech" not in segment.flags:
                now = stream.seconds + measured["chunks"][-1]
                ends = [span.end for span in recording.spans if segment.start < span.end <= now]
                measured["delays"] += [now - max(ends)] if ends else []
        segments += found
    return segments + stream.flush(), measured


def unequal_chunkings(rec: Recogniser, made: list[Joined], n: int, rng: np.random.Generator) -> int:
    """How many of ``n`` random ways to cut recordings into chunks gave other segments than the whole at once."""
    expected = [rec.timeline(recording.signal) for recording in made]
    wrong = 0
    for i in range(n):
        stream, signal, first = rec.stream(), made[i % len(made)].signal, 0
        segments: list[Segment] = []
        longest = int(10 ** rng.uniform(1.5, 5))
        while first < len(signal):
            last = first + int(rng.integers(1, longest))
            segments += stream.feed(signal[first:last])
            first = last
        wrong += segments + stream.flush() != expected[i % len(made)]
    return wrong


def long_recording(rec: Recogniser, recording: Joined, hours: float, *, model: str | None) -> dict[str, float]:
    """Speed, memory and exactness over a recording that is ``recording`` again and again."""
    # Whole frames, so that in each repetition they begin at the same samples.
    signal = recording.signal[: len(recording.signal) // FRAME * FRAME]
    n = max(2, round(3600 * hours * SAMPLE_RATE / len(signal)))
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder, "long.wav")
        with soundfile.SoundFile(path, "w", SAMPLE_RATE, 1, "PCM_16") as file:
            for _ in range(n):
                file.write(signal)
        command = [sys.executable, __file__, "hear", "--file", str(path), *(("--model", model) if model else ())]
        measured = json.loads(subprocess.run(command, check=True, capture_output=True, text=True).stdout)
    seconds = n * len(signal) / SAMPLE_RATE
    found = {
        "hours": round(seconds / 3600, 3),
        "times_real_time": round(seconds / measured["seconds"], 1),
        "peak_memory_mb": measured["peak_memory_mb"],
    }
    shift = (n - 1) * len(signal) / SAMPLE_RATE
    wanted = np.array([segment.start for segment in rec.timeline(signal)[2:]]) + shift
    if len(wanted):  # without pauses, where parts end depends on when the first one began
        drift = np.abs(np.array(measured["last_starts"]) - wanted[:, np.newaxis]).min(axis=1)
        found["median_shift_of_borders_at_the_end"] = round(float(np.median(drift)), 4)
        found["largest_shift_of_borders_at_the_end"] = round(float(np.max(drift)), 4)
    return found


def hear(path: Path, model: str | None) -> dict[str, Any]:
    """The timeline of a file by a process of its own, that loads no corpora: how long it takes, and how much memory."""
    rec = recogniser.load(model)
    begin, starts = time.perf_counter(), []
    for segment in timeline.segments(rec, path):
        starts = [*starts[-50:], segment.start]
    return {
        "seconds": time.perf_counter() - begin,
        "peak_memory_mb": round(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024),
        "last_starts": starts,
    }


def without_pauses(recording: Joined) -> Joined:
    """Its utterances one behind the other, with a tenth of a second between them."""
    gap = np.zeros(SAMPLE_RATE // 10, np.float32)
    pieces = [piece for span in recording.spans for piece in (cut(recording, span), gap)]
    return Joined(np.concatenate(pieces), ())


def refusals(root: Path) -> dict[str, Any]:
    """Of each corpus, in how many recordings nobody is heard to speak, and in which."""
    found = {}
    for folder in sorted(path for path in root.iterdir() if path.is_dir()):
        files = sorted(file for file in folder.rglob("*") if file.suffix.lower() in audio.SUFFIXES)
        refused = [str(file.relative_to(folder)) for file in files if not voice.speaks(audio.load(file))]
        found[folder.name] = {"recordings": len(files), "refused": len(refused), "which": refused[:20]}
    return found


def likeliest(segment: Segment) -> str:
    """Among the four emotions, whatever the recogniser knows besides."""
    return max(EMOTIONS, key=lambda name: segment.scores.get(name, 0.0)) if segment.scores else "neutral"


def error_rate(recordings: list[tuple[Joined, list[Segment]]]) -> float:
    """Emotion diarisation error rate (Wang et al. 2023): false alarms, misses and confusions of emotional speech, as a
    share of its time."""
    wrong = total = 0.0
    for recording, segments in recordings:
        truth = np.full(round(100 * recording.seconds), "neutral", "U9")
        found = truth.copy()
        for span in recording.spans:
            truth[round(100 * span.start) : round(100 * span.end)] = span.emotion
        for segment in segments:
            found[round(100 * segment.start) : round(100 * segment.end)] = likeliest(segment)
        wrong += np.count_nonzero(truth != found)
        total += np.count_nonzero(truth != "neutral")
    return wrong / total


def cut(recording: Joined, span: Span) -> Signal:
    """An utterance out of its recording, noise and all."""
    return recording.signal[round(span.start * SAMPLE_RATE) : round(span.end * SAMPLE_RATE)]


def figures(rec: Recogniser, made: list[tuple[Joined, list[Clip]]], options: StreamOptions) -> dict[str, Any]:
    """What there is to say about recordings with pauses."""
    heard = [streamed(rec, recording, options) for recording, _ in made]
    pairs = [(recording, segments) for (recording, _), (segments, _) in zip(made, heard, strict=True)]
    wrong = [np.mean(speaking(found, recording.seconds) != truly_speaking(recording)) for recording, found in pairs]
    borders = np.concatenate([border_errors(recording, found) for recording, found in pairs])
    in_time = [
        likeliest(heard_in(found, span)) == span.emotion for recording, found in pairs for span in recording.spans
    ]
    singly = [
        likeliest(rec.predict(cut(recording, span))) == span.emotion
        for recording, _ in made
        for span in recording.spans
    ]
    as_clips = [likeliest(rec.predict(signal)) == emotion for _, clips in made for signal, emotion in clips]
    delays = [delay for _, measured in heard for delay in measured["delays"]]
    chunks = np.concatenate([measured["chunks"] for _, measured in heard])
    return {
        "recordings": len(made),
        "utterances": len(singly),
        "seconds": round(sum(recording.seconds for recording, _ in made), 1),
        "speech_error": round(float(np.mean(wrong)), 4),
        "border_error_median": round(float(np.median(borders)), 3),
        "border_error_p90": round(float(np.quantile(borders, 0.9)), 3),
        "accuracy_in_timeline": round(float(np.mean(in_time)), 4),
        "accuracy_singly": round(float(np.mean(singly)), 4),
        "accuracy_of_original_clips": round(float(np.mean(as_clips)), 4),
        "emotion_diarisation_error_rate": round(error_rate(pairs), 4),
        "delay_median": round(float(np.median(delays)), 3),
        "delay_p90": round(float(np.quantile(delays, 0.9)), 3),
        "cost_share_of_real_time": round(float(chunks.sum() * SAMPLE_RATE / CHUNK / len(chunks)), 4),
        "slowest_chunk_ms": round(1000 * float(chunks.max()), 1),
    }


def figures_of_changes(rec: Recogniser, made: list[Joined], options: StreamOptions) -> dict[str, Any]:
    """How near the change of emotion in the middle of each recording is found, and how many more are."""
    near, extra = [], 0
    for recording in made:
        emotions = [span.emotion for span in recording.spans]
        change = recording.spans[emotions.index(emotions[-1])].start
        spoken = [s for s in rec.timeline(recording.signal, options=options) if "no_speech" not in s.flags]
        starts = np.array([segment.start for segment in spoken[1:]])
        near.append(float(np.abs(starts - change).min(initial=np.inf)))
        extra += max(0, len(starts) - 1)
    found = [distance for distance in near if distance <= 2]
    return {
        "recordings": len(made),
        "changes_found_within_2_s": len(found),
        "error_median_of_those": round(float(np.median(found)), 3) if found else None,
        "further_cuts": extra,
    }


def speech(rec: Recogniser, picked: list[list[Clip]], rng: np.random.Generator) -> dict[str, Any]:
    """The figures of clean recordings and of those in noise."""
    conditions = (("clean", None), ("noise_10_db", 10.0))
    return {
        title: figures(rec, [(joined(clips, rng=rng, snr=snr), clips) for clips in picked], StreamOptions())
        for title, snr in conditions
    }


def measured(rec: Recogniser, part: str, given: argparse.Namespace) -> dict[str, Any]:
    """What a part adds to the results."""
    if part == "refusals":
        return {"refusals": refusals(BESIDE)}
    rng = np.random.default_rng(given.seed)
    files = list(clips_by_speaker(given.corpus, BESIDE / given.corpus).values())

    def some(n: int, utterances: int) -> list[list[Clip]]:
        return [chosen(files[i % len(files)], utterances, rng) for i in range(n)]

    if part == "changes":
        made = [changing(clips, rng) for clips in some(given.recordings // 2, 24)]
        return {"changes": figures_of_changes(rec, [each for each in made if each], StreamOptions())}
    picked = some(given.recordings if part != "long" else 1, UTTERANCES)
    if part == "speech":
        return speech(rec, picked, rng)
    clean = [joined(clips, rng=rng) for clips in picked]
    if part == "chunkings":
        return {"chunkings": {"n": given.chunkings, "unequal": unequal_chunkings(rec, clean, given.chunkings, rng)}}
    breathless = without_pauses(clean[0])
    return {
        "long": long_recording(rec, clean[0], given.hours, model=given.model),
        "long_without_pauses": long_recording(rec, breathless, given.hours / 10, model=given.model),
    }


def kept(protocol: dict[str, Any], *, fresh: bool) -> dict[str, Any]:
    """The results so far, as far as they are of the same model, speakers and seed."""
    if fresh or not RESULTS.is_file():
        return protocol
    found: dict[str, Any] = json.loads(RESULTS.read_text("utf-8"))
    other = {name: found.get(name) for name in protocol}
    if other != protocol:
        sys.exit(f"{RESULTS} has figures of {other}, not of {protocol}. Say --fresh to replace them all.")
    return found


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("parts", nargs="*", choices=[*PARTS, "hear", []], default=[])
    parser.add_argument("--model", default="open")
    parser.add_argument("--corpus", default="ravdess")
    parser.add_argument("--recordings", type=int, default=20)
    parser.add_argument("--chunkings", type=int, default=1000)
    parser.add_argument("--hours", type=float, default=10.0)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--fresh", action="store_true", help="forget all results there are")
    parser.add_argument("--file", type=Path, help=argparse.SUPPRESS)
    given = parser.parse_args()
    if given.parts == ["hear"]:
        print(json.dumps(hear(given.file, given.model)))
        return
    rec = recogniser.load(given.model)
    protocol = {"model": rec.name, "corpus": given.corpus, "seed": given.seed}
    found = kept(protocol, fresh=given.fresh)
    RESULTS.parent.mkdir(exist_ok=True)
    for part in given.parts or ("speech", "changes"):
        more = measured(rec, part, given)
        print(json.dumps(more, indent=1))
        found |= more
        RESULTS.write_text(json.dumps(found, indent=2) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
