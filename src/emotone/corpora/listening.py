"""Listening to every recording of a corpus: the part of a check that decodes audio.

Recordings are compared by a digest of their decoded samples, so a FLAC copy of a WAV file, or two Ogg files
that differ in nothing but their serial number, count as the same. Decoding happens at the recording's own
rate, in threads.
"""

from __future__ import annotations

import hashlib
import math
import os
from collections import Counter, defaultdict
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from statistics import median

from emotone.corpora.findings import Finding, Severity, identical
from emotone.corpora.reading import Row, Scan, several
from emotone.corpora.record import Corpus
from emotone.errors import AudioError

__all__ = ["listen"]

_LOSSY = (".opus", ".ogg", ".mp3", ".m4a", ".aac", ".mp4", ".webm", ".wma")
_SLACK = 0.05  # seconds by which a duration may leave the published range: encoders pad
_ODD_RATIO = 10  # times the median duration, either way, where no range is published

_LEVELS: tuple[tuple[str, Severity, str], ...] = (
    ("silent", "error", "silent"),
    ("too_short", "warning", "too short to hold speech"),
    ("low_level", "warning", "very quiet"),
    ("clipped", "warning", "clipped"),
)


@dataclass(frozen=True)
class Heard:
    """One utterance as decoded; ``seconds`` is its length, ``trouble`` why it can't be decoded."""

    digest: bytes = b""
    seconds: float = 0.0
    rate: int = 0
    channels: int = 0
    flags: tuple[str, ...] = ()
    trouble: str = ""


def listen(
    corpus: Corpus,
    scan: Scan,
    positions: list[int],
    folder: Path,
    progress: Callable[[int, int], None] | None,
) -> Iterator[Finding]:
    """Findings from decoding the rows at ``positions``; ``progress`` is called with (done, in all)."""
    heard = _hear_all([scan.rows[position] for position in positions], folder, progress)
    audible = {position: each for position, each in zip(positions, heard, strict=True) if not each.trouble}
    yield from _unreadable(scan, {p: each for p, each in zip(positions, heard, strict=True) if each.trouble})
    yield from _levels(corpus, scan, audible)
    yield from identical(corpus, scan, _same_samples(audible))
    yield from _formats(corpus, scan, audible)
    yield from _durations(corpus, scan, audible)


def _hear_all(rows: list[Row], folder: Path, progress: Callable[[int, int], None] | None) -> list[Heard]:
    heard = []
    # Decoders release the interpreter lock, so threads help; leaving by Ctrl-C drops what hasn't begun.
    pool = ThreadPoolExecutor(max_workers=min(os.cpu_count() or 1, 8))
    try:
        for each in pool.map(lambda row: _hear(folder, row), rows):
            heard.append(each)
            if progress is not None:
                progress(len(heard), len(rows))
    finally:
        pool.shutdown(wait=True, cancel_futures=True)
    return heard


def _hear(folder: Path, row: Row) -> Heard:
    from emotone import audio

    path = folder / row["file"]
    end = None if math.isnan(row["end"]) else row["end"]
    try:
        about = audio.inspect(path)
        signal = audio.load(path, start=row["start"], end=end, rate=about.sample_rate)
    except AudioError as error:
        return Heard(trouble=str(error))
    return Heard(
        digest=hashlib.blake2b(signal.tobytes(), digest_size=16).digest(),
        seconds=len(signal) / about.sample_rate,
        rate=about.sample_rate,
        channels=about.channels,
        flags=audio.flags(signal, about.sample_rate),
    )


def _files(scan: Scan, positions: list[int]) -> list[str]:
    return [str(scan.rows[position]["file"]) for position in positions]


def _unreadable(scan: Scan, mute: dict[int, Heard]) -> Iterator[Finding]:
    for position, each in list(mute.items())[:5]:
        yield Finding("unreadable", "error", each.trouble, tuple(_files(scan, [position])))
    rest = _files(scan, list(mute)[5:])
    if rest:
        text = f"{len(rest):,} more recordings can't be read either: {several(rest)}."
        yield Finding("unreadable", "error", text, tuple(rest))


def _levels(corpus: Corpus, scan: Scan, audible: dict[int, Heard]) -> Iterator[Finding]:
    for flag, severity, what in _LEVELS:
        flagged = [position for position, each in audible.items() if flag in each.flags]
        known = [position for position in flagged if scan.names[position] in corpus.known_faults]
        new = [position for position in flagged if position not in known]
        for positions, how, origin in (
            (new, severity, ""),
            (known, "warning", ", a known fault of the corpus"),
        ):
            if positions:
                files = _files(scan, positions)
                text = f"{_count(len(files))} {what}{origin}: {several(files)}."
                yield Finding(flag, how, text, tuple(files))


def _count(n: int) -> str:
    return "1 recording is" if n == 1 else f"{n:,} recordings are"


def _same_samples(audible: dict[int, Heard]) -> list[list[int]]:
    groups: dict[bytes, list[int]] = defaultdict(list)
    for position, each in audible.items():
        if "silent" not in each.flags:  # silences are all alike
            groups[each.digest].append(position)
    return [group for group in groups.values() if len(group) > 1]


def _formats(corpus: Corpus, scan: Scan, audible: dict[int, Heard]) -> Iterator[Finding]:
    rates = {position: f"{each.rate / 1000:g} kHz" for position, each in audible.items()}
    yield from _odd_ones(scan, "rate", rates)
    channels = {position: _channels(each.channels) for position, each in audible.items()}
    yield from _odd_ones(scan, "channels", channels)
    if not audible or not corpus.pattern:
        return
    usual = Counter(each.rate for each in audible.values()).most_common(1)[0][0]
    if corpus.sample_rate and usual != corpus.sample_rate:
        published = f"{corpus.sample_rate / 1000:g} kHz"
        text = f"This copy is at {usual / 1000:g} kHz, the published corpus at {published}."
        yield Finding("rate", "note", text)
    lossy = [position for position in audible if PurePosixPath(scan.rows[position]["file"]).suffix.lower() in _LOSSY]
    if lossy:
        endings = ", ".join(sorted({PurePosixPath(file).suffix.lower() for file in _files(scan, lossy)}))
        whole = "This copy" if len(lossy) == len(audible) else f"Part of this copy ({len(lossy):,} recordings)"
        yield Finding("lossy", "note", f"{whole} is lossy ({endings}); the published recordings aren't.")


def _channels(n: int) -> str:
    return {1: "mono", 2: "stereo"}.get(n, f"{n} channels")


def _odd_ones(scan: Scan, kind: str, values: dict[int, str]) -> Iterator[Finding]:
    """Whatever differs from what most recordings have."""
    by_value: dict[str, list[int]] = defaultdict(list)
    for position, value in values.items():
        by_value[value].append(position)
    usual = max(by_value, key=lambda value: len(by_value[value]), default="")
    for value, positions in sorted(by_value.items()):
        if value != usual:
            files = _files(scan, positions)
            text = f"{_count(len(files))} {value}, the others {usual}: {several(files)}."
            yield Finding(kind, "warning", text, tuple(files))


def _durations(corpus: Corpus, scan: Scan, audible: dict[int, Heard]) -> Iterator[Finding]:
    if not audible:
        return
    seconds = {position: each.seconds for position, each in audible.items()}
    length, n_alike = Counter(round(each, 3) for each in seconds.values()).most_common(1)[0]
    if n_alike >= 10 and n_alike * 2 > len(seconds):
        severity: Severity = "error" if corpus.seconds else "warning"
        text = f"{n_alike:,} of {len(seconds):,} last exactly {length:.3f} s: they were cut or padded."
        yield Finding("duration", severity, text)
    middle = median(seconds.values())
    shortest, longest = corpus.seconds or (middle / _ODD_RATIO, middle * _ODD_RATIO)
    odd = [position for position, each in seconds.items() if not shortest - _SLACK <= each <= longest + _SLACK]
    if odd:
        files = _files(scan, odd)
        usual = f"outside {shortest:.1f} to {longest:.1f} s" if corpus.seconds else f"far from the usual {middle:.1f} s"
        some = several(f"{file} ({seconds[position]:.2f} s)" for file, position in zip(files, odd, strict=True))
        yield Finding("duration", "warning", f"{_count(len(files))} {usual} long: {some}.", tuple(files))
