"""THAI-SER: 200 Thai actors, in pairs, by script and improvising, in studios and over Zoom; rated by the
crowd."""

from __future__ import annotations

import json
import re
from pathlib import Path, PurePosixPath
from typing import Any

from emotone.corpora.reading import Row, Scan, find_side_file, scan_names
from emotone.corpora.record import Archive, Corpus
from emotone.corpora.side_tables import need, shares
from emotone.errors import CorpusError

VOTES = "emotion_label.json"
PEOPLE = "actor_demography.json"
LABELS = {"Angry": "angry", "Frustrated": "frustrated", "Happy": "happy", "Neutral": "neutral", "Sad": "sad"}

_RELEASE = "https://github.com/vistec-AI/dataset-releases/releases/download/v1"
_PARTS = (*(f"studio{first}-{first + 9}" for first in range(1, 80, 10)), "zoom1-10", "zoom11-20")


def _read(root: Path, name: str) -> Any:
    """A JSON file of the corpus; None if it isn't there."""
    path = find_side_file(root, name)
    if path is None:
        return None
    try:
        return json.loads(path.read_text(encoding="utf-8"))
    except ValueError as error:
        raise CorpusError(f"{path} isn't JSON ({error}); fetch it again.") from error


def _people(root: Path) -> dict[str, Row]:
    """Number of an actor to gender and age; none if the file isn't there."""
    listed = _read(root, PEOPLE)
    try:
        return {
            str(actor["Actor's ID"]).zfill(3): {"gender": str(actor["Sex"]).lower(), "age": int(actor["Age"])}
            for actor in (listed["data"] if listed else ())
        }
    except (KeyError, TypeError, ValueError) as error:
        raise CorpusError(f"{PEOPLE} isn't THAI-SER's ({error!r}); fetch it again.") from error


def _rated(entry: Any) -> Row:
    """Columns from an entry of the votes. The label is the majority's, missing where there is none."""
    votes, majority = entry[0]["annotated"], entry[0]["majority_emo"]
    ballots = [[LABELS.get(str(choice).strip().capitalize(), "") for choice in vote] for vote in votes]
    return {"label": majority if majority in LABELS else None, **shares(ballots, sorted(LABELS.values()))}


def scan(corpus: Corpus, root: Path) -> Scan:
    labels = _read(root, VOTES) if root.is_dir() else {}
    if labels is None:
        raise need(root, VOTES, corpus.title)
    people = _people(root)
    try:
        rated = {PurePosixPath(name).stem: _rated(entry) for name, entry in labels.items()}
    except (KeyError, TypeError, IndexError, AttributeError) as error:
        raise CorpusError(f"{VOTES} isn't THAI-SER's ({error!r}); fetch it again.") from error

    def describe(match: re.Match[str]) -> Row | None:
        votes = rated.get(match["_name"])
        return None if votes is None else {**votes, **people.get(match["speaker"], {})}

    return scan_names(corpus, root, describe)


CORPUS = Corpus(
    name="thai_ser",
    title="THAI-SER",
    languages=("th",),
    licence="CC BY-SA 4.0",
    commercial=True,
    citation=(
        "Wongpithayadisai J, Chaksangchaichot C, Sangnark S, Prakrankamanant P, Gangwanpongpun K, Boonpunmongkol S, "
        "Milindasuta P, Na-Pombejra D, Nutanong S, Chuangsuwanich E (2025). THAI Speech Emotion Recognition "
        "(THAI-SER) corpus. arXiv:2507.09618"
    ),
    homepage="https://github.com/vistec-AI/dataset-releases/releases/tag/v1",
    archives=tuple(
        Archive(url=f"{_RELEASE}/{name}", filename=name)
        for name in (VOTES, PEOPLE, *(f"{part}.zip" for part in _PARTS))
    ),
    example="studio1-10/studio001/con/s001_con_actor001_impro1_1.flac",
    pattern=r"[sz]\d{3}_[a-z]+_actor(?P<speaker>\d{3})_(?:impro|script)\w+",
    labels=LABELS,
    side_files={VOTES: "labels and the raters' votes", PEOPLE: "gender and age"},
    scan=scan,
    total=27_854,
    n_speakers=200,
    sample_rate=44_100,
    notes=(
        "Every utterance was recorded by several microphones. Only the one whose recordings were rated is read; the "
        "others would put the same words of the same actor on both sides of a split.",
        "The label is the raters' majority, missing where there is none; what the actors were asked to play isn't in "
        "the table.",
        "Votes for other emotions than the five aren't counted. Frustrated isn't one of emotone's label sets.",
        "The scripts are three sentences, so unseen speakers still say seen words.",
    ),
)
