"""Timelines of recordings of which everything is known: real utterances, joined with pauses, noise and known changes.

    python benchmarks/timeline.py [--model FOLDER] [--recordings 20] [--corpus nemo] [--chunkings 1000] [--hours 10]

The speakers are those of a corpus that the recogniser hasn't heard. Each recording has utterances of one speaker
between pauses, clean and with pink noise at 10 dB; and there are recordings in which the emotion changes without a
pause. It measures where borders are found, what is taken for speech, whether the emotion is that of the same utterance
given singly, how long a listener waits, and what it costs. ``--chunkings`` cuts the recordings into random chunks that
often and compares the segments; ``--hours`` writes a recording that long to the folder for temporary files (115 MB an
hour) and measures time, memory and drift. Corpora are looked for in ``EMOTONE_DATA`` or ``../shared/data``. Figures go
to ``benchmarks/results/timeline.json``.
"""

from __future__ import annotations

import os

os.environ.setdefault("OMP_NUM_THREADS", "1")  # before numpy loads

import argparse
import json
import resource
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

from emotone import audio, corpora, recogniser, timeline  # noqa: E402
from emotone.audio import SAMPLE_RATE, Signal  # noqa: E402
from emotone.recogniser import Recogniser  # noqa: E402
from emotone.segment import Segment  # noqa: E402
from emotone.stream import StreamOptions  # noqa: E402
from emotone.voice import VoiceOptions  # noqa: E402

RESULTS = HERE / "results" / "timeline.json"
BESIDE = Path(os.environ.get("EMOTONE_DATA", HERE.parents[1] / "shared" / "data"))

EMOTIONS = ("neutral", "happy", "sad", "angry")
"""Those of the Zaion benchmark; neutral counts as no emotion there."""

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


def long_recording(rec: Recogniser, recording: Joined, hours: float) -> dict[str, float]:
    """Speed, memory and exactness over a recording that is ``recording`` again and again."""
    n = max(2, round(3600 * hours / recording.seconds))
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder, "long.wav")
        with soundfile.SoundFile(path, "w", SAMPLE_RATE, 1, "PCM_16") as file:
            for _ in range(n):
                file.write(recording.signal)
        begin, starts = time.perf_counter(), []
        for segment in timeline.segments(rec, path):
            starts = [*starts[-50:], segment.start]
        seconds = time.perf_counter() - begin
    shift = (n - 1) * len(recording.signal) / SAMPLE_RATE
    # Where its borders are in the last repetition. Frames begin elsewhere in each, hence differences of up to a frame.
    wanted = np.array([segment.start for segment in rec.timeline(recording.signal)[2:]]) + shift
    drift = np.abs(np.array(starts) - wanted[:, np.newaxis]).min(axis=1)
    return {
        "hours": round(n * recording.seconds / 3600, 3),
        "times_real_time": round(n * recording.seconds / seconds, 1),
        "peak_memory_mb": round(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024),
        "median_shift_of_borders_at_the_end": round(float(np.median(drift)), 4),
    }


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


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--model", default=None)
    parser.add_argument("--corpus", default="nemo")
    parser.add_argument("--recordings", type=int, default=20)
    parser.add_argument("--threshold", type=float, default=VoiceOptions().threshold)
    parser.add_argument("--padding", type=float, default=VoiceOptions().padding)
    parser.add_argument("--chunkings", type=int, default=0)
    parser.add_argument("--hours", type=float, default=0.0)
    parser.add_argument("--seed", type=int, default=0)
    given = parser.parse_args()
    rec = recogniser.load(given.model)
    options = StreamOptions(voice=VoiceOptions(threshold=given.threshold, padding=given.padding))
    rng = np.random.default_rng(given.seed)
    files = list(clips_by_speaker(given.corpus, BESIDE / given.corpus).values())
    picked = [chosen(files[i % len(files)], UTTERANCES, rng) for i in range(given.recordings)]
    found: dict[str, Any] = {"model": rec.name, "corpus": given.corpus, "seed": given.seed}
    for title, snr in (("clean", None), ("noise_10_db", 10.0)):
        made = [(joined(clips, rng=rng, snr=snr), clips) for clips in picked]
        found[title] = figures(rec, made, options)
        print(title, json.dumps(found[title], indent=1))
    many = [changing(chosen(files[i % len(files)], 24, rng), rng) for i in range(given.recordings // 2)]
    found["changes"] = figures_of_changes(rec, [recording for recording in many if recording], options)
    print("changes", json.dumps(found["changes"], indent=1))
    clean = [joined(clips, rng=rng) for clips in picked]
    if given.chunkings:
        found["chunkings"] = {"n": given.chunkings, "unequal": unequal_chunkings(rec, clean, given.chunkings, rng)}
        print("chunkings", found["chunkings"])
    if given.hours:
        found["long"] = long_recording(rec, clean[0], given.hours)
        print("long", json.dumps(found["long"], indent=1))
    RESULTS.parent.mkdir(exist_ok=True)
    RESULTS.write_text(json.dumps(found, indent=2) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
