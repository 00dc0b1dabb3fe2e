"""MSP-Podcast: turns cut from podcasts, rated by at least five people each; grows with every release."""

from __future__ import annotations

from collections import defaultdict
from pathlib import Path, PurePosixPath

from emotone.corpora.reading import Row, Scan, existing_folder, scan_names
from emotone.corpora.record import Corpus, Folds
from emotone.corpora.side_tables import need, read_rows, shares
from emotone.corpora.words import emotion_named, split_named

LABELS = {
    "N": "neutral",
    "H": "happy",
    "S": "sad",
    "A": "angry",
    "F": "fearful",
    "D": "disgusted",
    "U": "surprised",
    "C": "contemptuous",
    "O": "other",
    "X": "no_agreement",
}
VOTED = tuple(emotion for code, emotion in LABELS.items() if code != "X")
CONSENSUS = "Labels/labels_consensus.csv"
DETAILED = "Labels/labels_detailed.csv"
_COLUMNS = ("FileName", "EmoClass", "EmoAct", "EmoVal", "EmoDom", "SpkrID", "Gender", "Split_Set")
_GENDERS = {"female": "female", "male": "male"}


def scan(corpus: Corpus, root: Path) -> Scan:
    """Find the turns and look them up in the owners' tables."""
    listed = _consensus(existing_folder(root, corpus.name))
    if not listed:
        raise need(root, CONSENSUS, corpus.title)
    votes = _votes(root)
    return scan_names(corpus, root, lambda match: _row(match["_name"], listed, votes))


def _row(name: str, listed: dict[str, Row], votes: dict[str, Row]) -> Row | None:
    return {**listed[name], **votes.get(name, {})} if name in listed else None


def _consensus(root: Path) -> dict[str, Row]:
    """Turn to label, dimensions, speaker and part."""
    rows = read_rows(root, CONSENSUS, _COLUMNS, title="MSP-Podcast")
    return {
        PurePosixPath(row["FileName"]).stem: {
            "label": row["EmoClass"],
            "arousal": float(row["EmoAct"]),
            "valence": float(row["EmoVal"]),
            "dominance": float(row["EmoDom"]),
            "speaker": None if row["SpkrID"].lower() == "unknown" else row["SpkrID"],
            "gender": _GENDERS.get(row["Gender"].lower()),
            "split": split_named(row["Split_Set"]) or row["Split_Set"].lower(),
        }
        for row in rows
    }


def _votes(root: Path) -> dict[str, Row]:
    ballots: dict[str, list[tuple[str]]] = defaultdict(list)
    for row in read_rows(root, DETAILED, ("FileName", "EmoClass_Major"), title="MSP-Podcast"):
        chosen = row["EmoClass_Major"]
        # "Other-" is followed by a word of the rater's own
        emotion = "other" if chosen.lower().startswith("other") else emotion_named(chosen)
        ballots[PurePosixPath(row["FileName"]).stem].append((emotion,))
    return {name: shares(cast, VOTED) for name, cast in ballots.items()}


CORPUS = Corpus(
    name="msp_podcast",
    title="MSP-Podcast",
    languages=("en",),
    licence="academic licence, signed by the institution",
    commercial=False,
    citation=(
        "Lotfian R, Busso C (2019). Building Naturalistic Emotionally Balanced Speech Corpus by Retrieving Emotional "
        "Speech from Existing Podcast Recordings. IEEE Transactions on Affective Computing 10(4): 471-483. "
        "doi:10.1109/TAFFC.2017.2736999"
    ),
    homepage="https://ecs.utdallas.edu/research/researchlabs/msp-lab/MSP-Podcast.html",
    obtain="Have your institution sign the licence on the homepage; there is a commercial licence too.",
    example="Audios/MSP-PODCAST_0001_0008.wav",
    pattern=r"MSP-PODCAST_\d+_\w+",
    labels=LABELS,
    side_files={CONSENSUS: "labels", DETAILED: "the raters' votes (p_<emotion>, agreement)"},
    scan=scan,
    n_speakers=1273,
    sample_rate=16_000,
    official={
        "official": Folds(
            source=(
                "the owners' parts (Split_Set): Train, Development, Test1 and Test2, apart in all speakers that the "
                "owners could identify"
            ),
            column="split",
        )
    },
    notes=(
        "Releases differ in size: EmoBox used 73,042 utterances of 1,273 speakers, later ones have 116,000 to 265,000. "
        "Name the release.",
        "Report the parts apart: Test1 has known speakers, Test2 podcasts that are in no other part, and Test3, which "
        "is balanced, has no public labels and is left out.",
        "Turns of unidentified speakers have no speaker here; folds by speaker need them left out.",
        "O (other) and X (no agreement) are labels of the table; they drop out of the label sets.",
        "Arousal, valence and dominance are means of raters' scores from 1 to 7.",
        "Neutral and happy are by far the most frequent: report UAR or macro-F1.",
    ),
)
