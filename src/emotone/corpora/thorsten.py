"""Thorsten, emotional: one German man reads the same 300 sentences in eight styles."""

from __future__ import annotations

import re
from pathlib import Path, PurePosixPath
from typing import TYPE_CHECKING

from emotone.corpora.reading import Row, Scan, find_side_file, scan_names
from emotone.corpora.record import Archive, Corpus
from emotone.corpora.side_tables import read_lines

if TYPE_CHECKING:
    import pandas as pd

METADATA = "thorsten-emotional-metadata.csv"
LABELS = {
    "amused": "amused",
    "angry": "angry",
    "disgusted": "disgusted",
    "drunk": "drunk",
    "neutral": "neutral",
    "sleepy": "sleepy",
    "surprised": "surprised",
    "whisper": "whispered",
}


def _the_only_speaker(match: re.Match[str]) -> Row:
    return {"speaker": "thorsten"}


def scan(corpus: Corpus, root: Path) -> Scan:
    return scan_names(corpus, root, _the_only_speaker)


def extend(table: pd.DataFrame, root: Path) -> pd.DataFrame:
    """Add the sentences, where the metadata is: a line is ``name|text``, the name without ending."""
    path = find_side_file(root, METADATA)
    if path is None:
        return table
    said = dict(line.split("|")[:2] for line in read_lines(path) if "|" in line)
    stems = [PurePosixPath(file).stem for file in table["file"]]
    return table.assign(text=[said.get(stem, text) for stem, text in zip(stems, table["text"], strict=True)])


CORPUS = Corpus(
    name="thorsten",
    title="Thorsten-Voice 2021.06 (emotional)",
    languages=("de",),
    licence="CC0 1.0",
    commercial=True,
    citation=(
        'Müller T, Kreutz D (2021). Thorsten-Voice - "Thorsten-21.06-emotional" Dataset. Zenodo. '
        "doi:10.5281/zenodo.5525023"
    ),
    homepage="https://www.openslr.org/110/",
    archives=(
        Archive(
            url="https://www.openslr.org/resources/110/thorsten-emotional_v02.tgz",
            filename="thorsten-emotional_v02.tgz",
        ),
    ),
    example="thorsten-emotional_v02/amused/c2c32794431883f9a9d6058254e998c0.wav",
    # The name is a digest of the sentence, so it does for one where the metadata is missing.
    pattern=r"(?P<label>[a-z]+)/(?P<text>[0-9a-f]{32})",
    labels=LABELS,
    people={"thorsten": {"gender": "male"}},
    side_files={METADATA: "sentences"},
    extend=extend,
    scan=scan,
    counts=dict.fromkeys(LABELS, 300),
    n_speakers=1,
    sample_rate=22_050,
    notes=(
        "One speaker: no score on unseen speakers is possible, and none on him says anything about others.",
        "Drunk and whispered are ways of speaking, not emotions.",
        "The same 300 sentences in every style: a random split tests on words heard in training.",
    ),
)
