"""PAVOQUE: one German actor reads sentences neutrally and as four characters: cheerful, gloomy, aggressive and
a cool poker player. A recording per style, with the utterances' times beside it."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path, PurePosixPath

from emotone.corpora.reading import Row, Scan, audio_files, existing_folder, find_side_file, several
from emotone.corpora.record import Archive, Corpus, Folds
from emotone.corpora.side_tables import need, read_lines
from emotone.errors import CorpusError

LABELS = {"angry": "angry", "happy": "happy", "neutral": "neutral", "poker": "poker", "sad": "sad"}
SPEAKER = "roettig"

_RECORDING = re.compile(r"pavoque-[a-z]+", re.IGNORECASE)
_RELEASE = "https://github.com/marytts/pavoque-data"
_RAW = "https://raw.githubusercontent.com/marytts/pavoque-data"


def scan(corpus: Corpus, root: Path) -> Scan:
    """The utterances of all recordings that have their table. Raises `CorpusError` if none has."""
    existing_folder(root, corpus.name)
    copies: dict[str, list[str]] = {}
    strangers = []
    for file in audio_files(root):
        name = PurePosixPath(file).stem.lower()
        if _RECORDING.fullmatch(name):
            copies.setdefault(name, []).append(file)
        else:
            strangers.append(file)
    if not copies:
        raise CorpusError(f"{root} holds no recording of {corpus.title}, such as {corpus.example}.")
    tables = {name: find_side_file(root, f"{name}.yaml") for name in copies}
    untimed = [name for name, table in tables.items() if table is None]
    if len(untimed) == len(tables):
        raise need(root, f"{untimed[0]}.yaml", corpus.title)
    rows = [
        _row(corpus, min(copies[name], key=_lossless), table, utterance)
        for name, table in tables.items()
        if table is not None
        for utterance in utterances(table)
    ]
    rows.sort(key=lambda row: (row["file"], row["start"]))
    names = [row.pop("name") for row in rows]
    kept = {min(files, key=_lossless): files for files in copies.values()}
    return Scan(
        rows,
        names,
        doubles={file: tuple(copy for copy in files if copy != file) for file, files in kept.items() if len(files) > 1},
        strangers=tuple(strangers),
        remarks=(f"Without its .yaml nothing is known about {several(untimed)}.",) if untimed else (),
    )


def _lossless(file: str) -> tuple[bool, str]:
    return (PurePosixPath(file).suffix.lower() not in (".flac", ".wav"), file)


def _row(corpus: Corpus, file: str, table: Path, utterance: dict[str, str]) -> Row:
    try:
        label, start, end = utterance["style"], float(utterance["start"]), float(utterance["end"])
    except (KeyError, ValueError) as error:
        raise CorpusError(
            f"{table} doesn't give style, start and end of {utterance.get('prompt', 'an utterance')} ({error}); get "
            "the tables of release 0.2 or later."
        ) from error
    if label not in corpus.labels or not 0 <= start < end:
        said = f"{utterance.get('prompt')} is {label!r} from {start:g} to {end:g} s"
        raise CorpusError(f"{table}: {said}; fetch the file again.")
    return {
        "name": f"{utterance.get('prompt', '')}-{label}",
        "corpus": corpus.name,
        "file": file,
        "start": start,
        "end": end,
        "speaker": f"{corpus.name}/{SPEAKER}",
        "label": label,
        "emotion": corpus.labels[label],
        "gender": "male",
        "language": "de",
        "text": utterance.get("text") or None,
    }


def utterances(table: Path) -> Iterator[dict[str, str]]:
    """The utterances of a table: a YAML list of plain ``key: value`` maps, whose lists of sounds are passed
    over. Reading that much of YAML takes no library."""
    utterance: dict[str, str] = {}
    key = ""
    for line in read_lines(table):
        field = re.match(r"(- |  )(\w+):(?: (.*))?$", line)
        if field is None:
            if key == "text" and line.startswith("    "):  # a long text goes on in the next line
                utterance[key] += f" {line.strip()}"
            continue
        if field[1] == "- " and utterance:
            yield {name: _unquoted(value) for name, value in utterance.items()}
            utterance = {}
        key = field[2]
        utterance[key] = field[3] or ""
    if utterance:
        yield {name: _unquoted(value) for name, value in utterance.items()}


def _unquoted(value: str) -> str:
    value = value.strip()
    if len(value) > 1 and value[0] == value[-1] == "'":
        return value[1:-1].replace("''", "'")
    return value[1:-1] if len(value) > 1 and value[0] == value[-1] == '"' else value


CORPUS = Corpus(
    name="pavoque",
    title="PAVOQUE",
    languages=("de",),
    licence="CC BY-NC-SA 3.0",
    commercial=False,
    citation=(
        "Steiner I, Schröder M, Klepp A (2013). The PAVOQUE corpus as a resource for analysis and synthesis of "
        "expressive speech. Phonetik & Phonologie 9"
    ),
    homepage=_RELEASE,
    archives=tuple(
        archive
        for style in LABELS
        for archive in (
            Archive(url=f"{_RELEASE}/releases/download/v0.2/pavoque-{style}.flac", filename=f"pavoque-{style}.flac"),
            Archive(url=f"{_RAW}/master/pavoque-{style}.yaml", filename=f"pavoque-{style}.yaml"),
        )
    ),
    example="pavoque-angry.flac",
    labels=LABELS,
    side_files={f"pavoque-{style}.yaml": f"utterances of the style {style}" for style in LABELS},
    scan=scan,
    segmented=True,
    n_speakers=1,
    sample_rate=44_100,
    official={
        "official": Folds(
            source="EmoBox (Ma et al. 2024, arXiv:2406.07162), one fold of rows",
            n_folds=1,
            disjoint=False,
            shared_speakers=(1, 1),
            instead="random",
        )
    },
    notes=(
        "One speaker: no score on unseen speakers is possible, and none on him says anything about others.",
        "The styles were recorded in different sessions, and the same sentences recur in them.",
        "Poker (cool, laid-back) is a manner rather than an emotion and stays out of emotone's label sets.",
        "EmoBox counts 7,334 utterances; it has the outtakes in, which aren't in the release.",
        "Every recording is long (an hour and more): cutting utterances from lossy copies is slow.",
    ),
)
