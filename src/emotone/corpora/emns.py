"""EMNS: one British woman reads sentences in eight expressive styles, with ten degrees of expressiveness."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path, PurePosixPath

from emotone.corpora.reading import Row, Scan, scan_names
from emotone.corpora.record import Archive, Corpus, Folds
from emotone.corpora.side_tables import need, read_rows

METADATA = "metadata.csv"
_COLUMNS = ("audio_recording", "emotion", "level", "gender", "utterance", "user_id")


def _described(root: Path) -> dict[str, Row]:
    """Name of a recording to its columns."""
    return {
        PurePosixPath(row["audio_recording"]).stem: {
            "speaker": row["user_id"],
            "label": row["emotion"],
            "gender": row["gender"].lower(),
            "text": row["utterance"],
            "intensity": row["level"],
        }
        for row in read_rows(root, METADATA, _COLUMNS, title="EMNS", delimiter="|")
    }


def scan(corpus: Corpus, root: Path) -> Scan:
    described = _described(root)
    if root.is_dir() and not described:
        raise need(root, METADATA, corpus.title)

    def describe(match: re.Match[str]) -> Row | None:
        return described.get(match["_name"])

    return scan_names(corpus, root, describe)


def plan(root: Path) -> Iterator[str]:
    return iter(_described(root))


CORPUS = Corpus(
    name="emns",
    title="EMNS",
    languages=("en",),
    licence="Apache-2.0",
    commercial=True,
    citation=(
        "Noriy KA, Yang X, Zhang JJ (2023). EMNS /Imz/ Corpus: An emotive single-speaker dataset for narrative "
        "storytelling in games, television and graphic novels. arXiv:2305.13137"
    ),
    homepage="https://www.openslr.org/136/",
    archives=(
        Archive(url="https://www.openslr.org/resources/136/raw_webm.tar.xz", filename="raw_webm.tar.xz"),
        Archive(url="https://www.openslr.org/resources/136/metadata.csv", filename=METADATA),
    ),
    example="recorded_audio_3aCYrjz.webm",
    pattern=r"recorded_audio\w*",
    labels={
        "Angry": "angry",
        "Disgust": "disgusted",
        "Excited": "excited",
        "Happy": "happy",
        "Neutral": "neutral",
        "Sad": "sad",
        "Sarcastic": "sarcastic",
        "Surprised": "surprised",
    },
    side_files={METADATA: "labels, level and text"},
    scan=scan,
    plan=plan,
    total=1_206,
    n_speakers=1,
    sample_rate=48_000,
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
        "One speaker: no score on unseen speakers is possible, and none on her says anything about others.",
        "Intensity is the degree of expressiveness from 0 (neutral) to 10.",
        "EmoBox counts 1,181 utterances; the owners' page speaks of 1,206.",
    ),
)
