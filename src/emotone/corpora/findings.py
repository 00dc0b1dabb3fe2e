"""What is wrong with a copy of a corpus, by name.

`check_corpus` compares the names with the corpus's plan and, with ``audio``, listens to every recording.
Severities::

    error     this copy isn't the published corpus, or can't be used: missing, unreadable, mislabelled
    warning   worth knowing before training: known faults, doubled names, clipping, unknown speakers
    note      explains a difference that isn't a fault: resampled, lossy, another corpus beside it
"""

from __future__ import annotations

import hashlib
import re
from collections import Counter, defaultdict
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from typing import Literal

from emotone.corpora.reading import (
    Row,
    Scan,
    decode,
    find_side_file,
    likely_corpus,
    match_name,
    parse_name,
    several,
)
from emotone.corpora.record import Corpus

__all__ = ["SEVERITIES", "Finding", "check_corpus"]

Severity = Literal["error", "warning", "note"]
SEVERITIES: tuple[Severity, ...] = ("error", "warning", "note")

_MANY_GROUPS = 8  # more groups of identical recordings than this are told in one finding
_LFS_POINTER = b"version https://git-lfs"


@dataclass(frozen=True)
class Finding:
    """One thing that is wrong or odd: which ``files`` (or utterance names, where files are missing), and a
    sentence."""

    kind: str
    severity: Severity
    message: str
    files: tuple[str, ...] = ()


def check_corpus(
    corpus: Corpus, root: Path, *, audio: bool = True, progress: Callable[[int, int], None] | None = None
) -> list[Finding]:
    """What is wrong with the copy of ``corpus`` in ``root``, worst first; see `emotone.corpora.check`."""
    scan = corpus.scan(corpus, root)
    folder = root if root.is_dir() else root.parent
    findings = [
        *_missing(corpus, scan, root),
        *_misplaced(corpus, scan),
        *_doubled(scan, folder),
        *_strangers(corpus, scan),
        *_side_files(corpus, root),
        *_people(scan.rows),
        *(Finding("remark", "note", remark) for remark in scan.remarks),
    ]
    broken, usable = _files(scan, folder)
    findings += broken
    if audio:
        from emotone.corpora.listening import listen

        findings += listen(corpus, scan, usable, folder, progress)
    else:
        findings += identical(corpus, scan, _same_bytes(scan, usable, folder))
    return sorted(findings, key=lambda finding: SEVERITIES.index(finding.severity))


# ---- against the design ----


def _missing(corpus: Corpus, scan: Scan, root: Path) -> Iterator[Finding]:
    planned = list(corpus.plan(root)) if corpus.plan is not None else []
    if planned:
        yield from _against_plan(corpus, scan, planned)
    elif corpus.counts or corpus.total:
        yield from _against_counts(corpus, scan)


def _against_plan(corpus: Corpus, scan: Scan, planned: list[str]) -> Iterator[Finding]:
    present = {name.lower() for name in scan.names}
    by_speaker: dict[str, list[str]] = defaultdict(list)
    for name in planned:
        by_speaker[_speaker_of(corpus, name)].append(name)
    absent = [speaker for speaker, names in by_speaker.items() if not any(name.lower() in present for name in names)]
    if absent:
        names = [name for speaker in absent for name in by_speaker[speaker]]
        yield Finding(
            "missing",
            "error",
            f"{len(absent)} of {len(by_speaker)} speakers absent: {runs(absent)} ({len(names):,} utterances).",
            tuple(names),
        )
    gone = [
        name
        for speaker, names in by_speaker.items()
        if speaker not in absent
        for name in names
        if name.lower() not in present
    ]
    if gone:
        those = " of the other speakers" if absent else ""
        text = f"{len(gone):,} of {len(planned):,} utterances{those} missing: {several(gone)}."
        yield Finding("missing", "error", text, tuple(gone))
    known = {name.lower() for name in planned}
    surplus = [row["file"] for row, name in zip(scan.rows, scan.names, strict=True) if name.lower() not in known]
    if surplus:
        text = f"{_are(surplus, 'recording')} named as in {corpus.title} but not part of it: {several(surplus)}."
        yield Finding("unknown", "warning", text, tuple(surplus))


def _speaker_of(corpus: Corpus, name: str) -> str:
    match = match_name(corpus, name)
    # Names that tell nothing are all one speaker's, so that gaps are told by name and not as absent people.
    return str(parse_name(corpus, match)["speaker"]) if match else ""


def _against_counts(corpus: Corpus, scan: Scan) -> Iterator[Finding]:
    found = Counter(str(row["label"]) for row in scan.rows)
    for label, expected in corpus.counts.items():
        if found[label] != expected:
            emotion = label if label == corpus.labels[label] else f"{label} ({corpus.labels[label]})"
            if found[label] < expected:
                text = f"{expected - found[label]:,} of {expected:,} utterances labelled {emotion} missing."
                yield Finding("missing", "error", text)
            else:
                text = f"{found[label]:,} utterances labelled {emotion}, where the corpus has {expected:,}."
                files = tuple(row["file"] for row in scan.rows if row["label"] == label)
                yield Finding("unknown", "warning", text, files)
    if corpus.total and len(scan.rows) != corpus.total:  # a number from the literature, and releases differ
        text = f"{len(scan.rows):,} utterances, where the corpus is said to have {corpus.total:,}."
        yield Finding("missing" if len(scan.rows) < corpus.total else "unknown", "warning", text)
    speakers = {row["speaker"] for row in scan.rows}
    if corpus.n_speakers and len(speakers) != corpus.n_speakers:
        text = f"{len(speakers)} speakers, where the corpus has {corpus.n_speakers}."
        yield Finding("missing", "error" if len(speakers) < corpus.n_speakers else "warning", text)


def runs(ids: Iterable[str]) -> str:
    """Numbered ids as runs: ``1001, 1076–1091``; other ids in their order."""
    listed = list(ids)
    if not all(each.isdigit() for each in listed):
        return several(listed, shown=12)
    spans: list[list[str]] = []
    for each in sorted(listed, key=int):
        if spans and int(each) == int(spans[-1][-1]) + 1:
            spans[-1][1:] = [each]
        else:
            spans.append([each])
    return ", ".join("–".join(span) for span in spans)


def _misplaced(corpus: Corpus, scan: Scan) -> Iterator[Finding]:
    """Files whose name says one speaker or label and whose folder another."""
    if not corpus.folder:
        return
    form = re.compile(corpus.folder, re.IGNORECASE)
    wrong = []
    for row in scan.rows:
        match = form.fullmatch(PurePosixPath(row["file"]).parent.name)
        said = {} if match is None else match.groupdict()
        own = {"label": row["label"], "speaker": str(row["speaker"]).rpartition("/")[2]}
        if any(str(decode(corpus, column, code)).lower() != own[column].lower() for column, code in said.items()):
            wrong.append(row["file"])
    if wrong:
        text = f"{_are(wrong, 'file')} in a folder that contradicts the name: {several(wrong)}."
        yield Finding("mislabelled", "error", text, tuple(wrong))


def _strangers(corpus: Corpus, scan: Scan) -> Iterator[Finding]:
    if not scan.strangers:
        return
    other = likely_corpus(scan.strangers)
    if other:
        text = f"{_are(scan.strangers, 'recording')} left out as {other}'s: {several(scan.strangers)}."
        yield Finding("unknown", "note", text, scan.strangers)
    else:
        untold = "the labels don't list it" if corpus.counts or corpus.total else "it is in no emotion's folder"
        why = f"names should look like {corpus.example}" if corpus.pattern else untold
        text = f"{_are(scan.strangers, 'recording')} left out ({why}): {several(scan.strangers)}."
        yield Finding("unknown", "warning", text, scan.strangers)


def _side_files(corpus: Corpus, root: Path) -> Iterator[Finding]:
    for name, brings in corpus.side_files.items():
        if find_side_file(root, name) is None:
            text = f"{name} isn't there, so the table has no {brings}; get it from {corpus.homepage}"
            yield Finding("side_table", "warning", text, (name,))


# ---- the speakers ----


def _people(rows: list[Row]) -> Iterator[Finding]:
    nameless = [row["file"] for row in rows if row["speaker"] is None]
    if nameless:
        all_of_them = len(nameless) == len(rows)
        who = (
            "No speakers are known" if all_of_them else f"{len(nameless):,} of {len(rows):,} utterances have no speaker"
        )
        text = (
            f"{who}: the same person may be trained on and tested, which typically adds 10 to 30 points to a "
            "score, and no score on unseen speakers is possible. Add a folder level or a column for the "
            "speaker."
        )
        yield Finding("speakers", "warning", text, () if all_of_them else tuple(nameless))
    emotions: dict[str, set[str]] = defaultdict(set)
    speakers: dict[str, set[str]] = defaultdict(set)
    for row in rows:
        if row["speaker"] is not None and row["emotion"] is not None:
            emotions[row["speaker"]].add(row["emotion"])
            speakers[row["emotion"]].add(row["speaker"])
    single = sorted(speaker for speaker, spoken in emotions.items() if len(spoken) == 1)
    # With one or two utterances each, a speaker having one emotion says nothing.
    if len(speakers) > 1 and len(single) * 2 > len(emotions) and len(rows) >= 3 * len(emotions):
        text = (
            f"{len(single)} of {len(emotions)} speakers have one emotion only: who speaks gives the emotion "
            "away, and scores on this corpus hardly measure emotion."
        )
        yield Finding("confounded", "warning", text)
    lonely = sorted(emotion for emotion, voices in speakers.items() if len(voices) == 1 and len(emotions) > 1)
    if lonely:
        yield Finding(
            "speakers",
            "warning",
            f"Only one speaker has {several(lonely)}: it can't be scored on unseen ones.",
        )


# ---- the files ----


def _files(scan: Scan, folder: Path) -> tuple[list[Finding], list[int]]:
    """Findings about files that can't be recordings, and the positions of the rows whose files can."""
    gone: dict[str, None] = {}
    empty: dict[str, None] = {}
    pointers: dict[str, None] = {}
    usable = []
    for position, row in enumerate(scan.rows):
        path = folder / row["file"]
        size = path.stat().st_size if path.exists() else -1
        if size < 0:
            gone[row["file"]] = None
        elif size == 0:
            empty[row["file"]] = None
        elif size < 1024 and path.read_bytes().startswith(_LFS_POINTER):
            pointers[row["file"]] = None
        else:
            usable.append(position)
    findings = []
    if gone:
        findings.append(Finding("missing", "error", f"{_are(gone, 'file')} not there: {several(gone)}.", tuple(gone)))
    if empty:
        findings.append(Finding("unreadable", "error", f"{_are(empty, 'file')} empty: {several(empty)}.", tuple(empty)))
    if pointers:
        text = (
            f"{_are(pointers, 'recording')} only a Git LFS pointer ({several(pointers)}): install git-lfs "
            "and run 'git lfs pull' in the corpus folder."
        )
        findings.append(Finding("pointer", "error", text, tuple(pointers)))
    return findings, usable


def _doubled(scan: Scan, folder: Path) -> Iterator[Finding]:
    """Further files of one utterance: in another format, the same once more, or the name with other
    contents."""
    formats: list[str] = []
    copies: list[str] = []
    contradicting: list[str] = []
    for kept, others in scan.doubles.items():
        for other in others:
            if PurePosixPath(other).suffix.lower() != PurePosixPath(kept).suffix.lower():
                formats.append(other)
            elif _digest(folder / kept) == _digest(folder / other):
                copies.append(other)
            else:
                contradicting.append(other)
    if formats:
        text = f"{_are(formats, 'utterance')} there in another format too, and read once: {several(formats)}."
        yield Finding("repeated", "note", text, tuple(formats))
    if copies:
        text = f"{_are(copies, 'utterance')} there twice and read once; the copy isn't read: {several(copies)}."
        yield Finding("repeated", "warning", text, tuple(copies))
    if contradicting:
        text = (
            f"{_are(contradicting, 'name')} there again with another content: {several(contradicting)}. Find "
            "out which is right and remove the other."
        )
        yield Finding("repeated", "error", text, tuple(contradicting))


def _same_bytes(scan: Scan, positions: list[int], folder: Path) -> list[list[int]]:
    """Groups of rows with byte-identical files; only files of equal size are opened."""
    if any(row["start"] != 0 or row["end"] == row["end"] for row in scan.rows):
        return []  # parts of recordings: equal files mean nothing
    by_size: dict[int, list[int]] = defaultdict(list)
    for position in positions:
        by_size[(folder / scan.rows[position]["file"]).stat().st_size].append(position)
    by_content: dict[bytes, list[int]] = defaultdict(list)
    for group in by_size.values():
        if len(group) > 1:
            for position in group:
                by_content[_digest(folder / scan.rows[position]["file"])].append(position)
    return [group for group in by_content.values() if len(group) > 1]


def _digest(path: Path) -> bytes:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "blake2b").digest()


def identical(corpus: Corpus, scan: Scan, groups: list[list[int]]) -> Iterator[Finding]:
    """Findings about ``groups`` of rows (positions) that hold one and the same recording."""
    sorted_out: dict[tuple[Severity, bool, bool], list[list[int]]] = defaultdict(list)
    for group in groups:
        labels = {scan.rows[position]["label"] for position in group}
        known = all(scan.names[position] in corpus.known_faults for position in group)
        severity: Severity = "error" if len(labels) > 1 and not known else "warning"
        sorted_out[severity, len(labels) > 1, known].append(group)
    for (severity, contradicting, known), alike in sorted_out.items():
        labels_say = "with different labels" if contradicting else "with the same label"
        origin = ", a known fault of the corpus" if known else ""
        files = [[str(scan.rows[position]["file"]) for position in group] for group in alike]
        told = [f"{' = '.join(group)}: the same recording {labels_say}{origin}." for group in files]
        if len(told) > _MANY_GROUPS:
            pairs = several((" = ".join(group) for group in files), shown=2)
            told = [f"{len(files):,} recordings appear under several names {labels_say}: {pairs}."]
            files = [[file for group in files for file in group]]
        for text, names in zip(told, files, strict=True):
            yield Finding("identical", severity, text, tuple(names))


def _are(things: Iterable[str], noun: str) -> str:
    """``1 file is``, ``1,440 files are``."""
    n = len(list(things))
    return f"{n:,} {noun} is" if n == 1 else f"{n:,} {noun}s are"
