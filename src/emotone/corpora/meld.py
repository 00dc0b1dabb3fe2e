"""MELD: utterances from dialogues of the television series Friends, seven emotions."""

from __future__ import annotations

import re
from pathlib import Path

from emotone.corpora.reading import Row, Scan, existing_folder, scan_names
from emotone.corpora.record import Corpus, Folds
from emotone.corpora.side_tables import need, read_rows

SPLITS = ("train", "dev", "test")
_COLUMNS = ("Utterance", "Speaker", "Emotion", "Dialogue_ID", "Utterance_ID")
_NUMBERS = re.compile(r"dia(\d+)_utt(\d+)$", re.IGNORECASE)


def scan(corpus: Corpus, root: Path) -> Scan:
    """Find the clips and look them up in the table of their part: the same numbers are in all three."""
    listed = _listed(existing_folder(root, corpus.name))
    if not listed:
        raise need(root, "train_sent_emo.csv, dev_sent_emo.csv and test_sent_emo.csv", corpus.title)
    return scan_names(corpus, root, lambda match: listed.get(_key(match)))


def _key(match: re.Match[str]) -> tuple[str, int, int]:
    numbers = _NUMBERS.search(match["_name"])
    assert numbers is not None  # the pattern ends so
    return match["split"].lower(), int(numbers[1]), int(numbers[2])


def _listed(root: Path) -> dict[tuple[str, int, int], Row]:
    return {
        (split, int(row["Dialogue_ID"]), int(row["Utterance_ID"])): {
            "speaker": row["Speaker"],
            "label": row["Emotion"],
            "text": row["Utterance"],
            "split": split,
        }
        for split in SPLITS
        for row in read_rows(root, f"{split}_sent_emo.csv", _COLUMNS, title="MELD")
    }


CORPUS = Corpus(
    name="meld",
    title="MELD",
    languages=("en",),
    licence="GPL-3.0 (labels); the recordings are of a television series",
    commercial=False,
    may_be_shared=False,
    citation=(
        "Poria S, Hazarika D, Majumder N, Naik G, Cambria E, Mihalcea R (2019). MELD: A Multimodal Multi-Party Dataset "
        "for Emotion Recognition in Conversations. ACL 2019: 527-536. doi:10.18653/v1/P19-1050"
    ),
    homepage="https://affective-meld.github.io/",
    obtain=(
        "Download MELD.Raw.tar.gz from the homepage, unpack it and the archives in it, and put train_sent_emo.csv, "
        "dev_sent_emo.csv and test_sent_emo.csv beside the folders."
    ),
    example="train_splits/dia12_utt3.mp4",
    # Also train_dia12_utt3, where all were put into one folder. Clips called final_videos_test... are duplicates.
    pattern=r"\w*?(?P<split>train|dev|test)\w*?[/_](?:[^/]+/)*?dia\d+_utt\d+",
    labels={
        "neutral": "neutral",
        "joy": "happy",
        "sadness": "sad",
        "anger": "angry",
        "fear": "fearful",
        "disgust": "disgusted",
        "surprise": "surprised",
    },
    side_files={f"{split}_sent_emo.csv": "labels" for split in SPLITS},
    scan=scan,
    counts={
        "neutral": 6436,
        "joy": 2308,
        "sadness": 1002,
        "anger": 1607,
        "fear": 358,
        "disgust": 361,
        "surprise": 1636,
    },
    n_speakers=304,
    official={
        "official": Folds(
            source="the owners' parts train, dev and test (9,989, 1,109 and 2,610 utterances)",
            column="split",
            disjoint=False,
        )
    },
    known_faults={"train_splits_dia125_utt3": "can't be decoded"},
    notes=(
        "The owners' test part has the six leading roles of the training part: its scores are on seen speakers.",
        "A speaker is a role's name; Man, Woman, All and the like are several people.",
        "Laughter of the audience is in the recordings, and tells the emotion.",
        "Labels were given with picture, words and context: by voice alone they can't all be told.",
        "Nearly half of the utterances are neutral: report UAR beside accuracy.",
        "dev dia110_utt7 is in the table but not among the recordings.",
    ),
)
