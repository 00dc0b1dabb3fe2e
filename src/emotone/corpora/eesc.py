"""EESC, the Estonian Emotional Speech Corpus: sentences of texts read aloud, named by listeners."""

from __future__ import annotations

import math
import re
from pathlib import Path

from emotone.corpora.reading import Row, Scan, audio_files, existing_folder, several
from emotone.corpora.record import Corpus
from emotone.errors import CorpusError

LABELS = {"anger": "angry", "joy": "happy", "neutral": "neutral", "sadness": "sad"}


def scan(corpus: Corpus, root: Path) -> Scan:
    """The recordings that have a Praat TextGrid beside them. Raises `CorpusError` if none has, or if one names
    an emotion the corpus doesn't have."""
    existing_folder(root, corpus.name)
    files = audio_files(root)
    grids = {file: (root / file).with_suffix(".TextGrid") for file in files}
    described = {file: first_marks(grid) for file, grid in grids.items() if grid.is_file()}
    if not described:
        raise CorpusError(
            f"None of the {len(files):,} recordings in {root} has a .TextGrid beside it, as in {corpus.title}."
        )
    rows = [_row(corpus, file, marks) for file, marks in described.items()]
    unknown = sorted({str(row["label"]) for row in rows if row["label"] not in corpus.labels})
    if unknown:
        raise CorpusError(f"The TextGrids in {root} name {several(unknown)}; {corpus.title} has {', '.join(LABELS)}.")
    return Scan(
        rows, names=[row["file"] for row in rows], strangers=tuple(file for file in files if file not in described)
    )


def _row(corpus: Corpus, file: str, marks: dict[str, str]) -> Row:
    label = marks.get("emotion", "").strip().lower()
    return {
        "corpus": corpus.name,
        "file": file,
        "start": 0.0,
        "end": math.nan,
        "speaker": None,
        "label": label,
        "emotion": corpus.labels.get(label),
        "language": "et",
        "text": marks.get("sentence", "").strip() or None,
    }


def first_marks(grid: Path) -> dict[str, str]:
    """Tier to its first mark. In both of Praat's text formats the quoted words come in one order: the kind of
    tier, its name, its marks."""
    raw = grid.read_bytes()
    text = raw.decode("utf-16" if raw[:2] in (b"\xff\xfe", b"\xfe\xff") else "utf-8-sig", errors="replace")
    words = [word.replace('""', '"') for word in re.findall(r'"((?:[^"]|"")*)"', text)]
    starts = [place for place, word in enumerate(words) if word in ("IntervalTier", "TextTier")]
    return {words[place + 1]: words[place + 2] for place in starts if place + 2 < len(words)}


CORPUS = Corpus(
    name="eesc",
    title="EESC (Estonian Emotional Speech Corpus)",
    languages=("et",),
    licence="CC BY",
    commercial=True,
    citation=(
        "Altrov R, Pajupuu H (2012). Estonian Emotional Speech Corpus: theoretical base and implementation. "
        "4th International Workshop on Corpora for Research on Emotion, Sentiment & Social Signals: 50-53"
    ),
    homepage=(
        "https://metashare.ut.ee/repository/browse/estonian-emotional-speech-corpus/"
        "4d42d7a8463411e2a6e4005056b40024a19021a316b54b7fb707757d43d1a889/"
    ),
    obtain="Download the archive from the homepage and unpack it; every recording comes with a Praat TextGrid.",
    example="13867.wav",
    labels=LABELS,
    scan=scan,
    total=1_234,
    notes=(
        "The names don't tell who speaks, and sources differ on whether one voice or ten were published: no score on "
        "unseen speakers is possible.",
        "Read texts whose words carry emotion too; listeners named the emotions, some by the voice alone.",
        "The number of utterances is from the literature and unverified.",
    ),
)
