"""Dusha: Russian phrases acted by the crowd (and podcasts, whose sound isn't published), rated by many."""

from __future__ import annotations

import json
import re
from collections import Counter
from collections.abc import Iterator
from pathlib import Path

from emotone.corpora.reading import Row, Scan, find_side_file, scan_names
from emotone.corpora.record import Corpus, Folds
from emotone.corpora.side_tables import need, shares
from emotone.errors import CorpusError

LABELS = {"angry": "angry", "neutral": "neutral", "other": "other", "positive": "happy", "sad": "sad"}
MANIFESTS = {f"raw_{domain}_{split}.jsonl": split for domain in ("crowd", "podcast") for split in ("train", "test")}
_FIELDS = ("hash_id", "annotator_emo", "golden_emo", "speaker_text", "source_id")


def _votes(path: Path) -> Iterator[dict[str, str]]:
    """The lines of a manifest, one per recording and rater."""
    with path.open(encoding="utf-8") as lines:
        for number, line in enumerate(lines, start=1):
            try:
                vote = json.loads(line)
                yield {field: "" if vote[field] is None else str(vote[field]) for field in _FIELDS}
            except (ValueError, TypeError, KeyError) as error:
                raise CorpusError(
                    f"{path}, line {number} isn't one of Dusha's ({error}): it should be a JSON object with "
                    f"{', '.join(_FIELDS)}. Fetch the file again."
                ) from error


def _described(root: Path) -> dict[str, Row]:
    """Name of a recording to its columns. The label is what most raters chose, missing where none leads."""
    ballots: dict[str, list[str]] = {}
    facts: dict[str, Row] = {}
    for manifest, split in MANIFESTS.items():
        path = find_side_file(root, manifest)
        for vote in _votes(path) if path is not None else ():
            if vote["golden_emo"] in ("", "nan"):  # others were there to test the raters
                name = vote["hash_id"]
                ballots.setdefault(name, []).append(vote["annotator_emo"])
                facts[name] = {"speaker": vote["source_id"], "text": vote["speaker_text"] or None, "split": split}
    return {name: {**_rated(ballots[name]), **row} for name, row in facts.items()}


def _rated(votes: list[str]) -> Row:
    """Label and votes of one recording."""
    return {"label": _leading(votes), **shares(((LABELS.get(vote, vote),) for vote in votes), LABELS.values())}


def _leading(votes: list[str]) -> str | None:
    (label, most), *others = Counter(votes).most_common(2)
    return None if others and others[0][1] == most else label


def scan(corpus: Corpus, root: Path) -> Scan:
    described = _described(root) if root.is_dir() else {}
    if root.is_dir() and not described:
        raise need(root, next(iter(MANIFESTS)), corpus.title)

    def describe(match: re.Match[str]) -> Row | None:
        return described.get(match["_name"].rpartition("/")[2])

    return scan_names(corpus, root, describe)


CORPUS = Corpus(
    name="dusha",
    title="Dusha",
    languages=("ru",),
    licence="Golos licence (attribution, conditions)",
    commercial=None,
    citation=(
        "Kondratenko V, Sokolov A, Karpov N, Kutuzov O, Savushkin N, Minkin F (2022). Large Raw Emotional Dataset "
        "with Aggregation Mechanism. arXiv:2212.12266"
    ),
    homepage="https://github.com/salute-developers/golos/tree/master/dusha",
    obtain="Download crowd.tar (28 GB) through the link on the homepage and unpack it.",
    example="crowd_train/wavs/0a1b2c3d4e5f60718293a4b5c6d7e8f9.wav",
    pattern=r"(?:(?:crowd|podcast)_(?:train|test)/)?wavs/[0-9a-f]{32}",
    labels=LABELS,
    side_files={"raw_crowd_train.jsonl": "the training part", "raw_crowd_test.jsonl": "the test part"},
    scan=scan,
    total=201_850,
    n_speakers=2_068,
    sample_rate=16_000,
    official={
        "official": Folds(
            source="the owners' train and test sets (Kondratenko et al. 2022)", column="split", disjoint=None
        )
    },
    notes=(
        "The label is the majority of the raters; the owners aggregate by Dawid and Skene's method and keep only what "
        "it is confident of, so their scores are on other, easier sets.",
        "Numbers and reader are for the crowd's part; the podcasts' sound isn't published.",
        "The field source_id is taken for the speaker, which is unverified for podcasts.",
        "Positive counts as happy. Recordings that tested the raters (golden_emo) are left out, as the owners do.",
    ),
)
