"""MSP-IMPROV: twelve American actors in six sessions improvise scenes that lead to a given sentence; rated by a
crowd."""

from __future__ import annotations

import re
from collections import defaultdict
from pathlib import Path

from emotone.corpora.reading import Row, Scan, existing_folder, find_side_file, scan_names
from emotone.corpora.record import Corpus, Folds
from emotone.corpora.side_tables import need, read_lines, shares

LABELS = {
    "A": "angry",
    "H": "happy",
    "S": "sad",
    "N": "neutral",
    "O": "other",
    "X": "no_agreement",
}
VOTED = tuple(emotion for code, emotion in LABELS.items() if code != "X")
EVALUATION = "Evalution.txt"  # the owners' spelling
_ALSO_CALLED = "Evaluation.txt"
_NUMBER = r"(\d+(?:\.\d+)?|NaN)"
_TURN = re.compile(rf"UTD-IMPROV-(\S+?)\.\w+;\s*([A-Z]);\s*A:{_NUMBER};\s*V:{_NUMBER};\s*D:{_NUMBER}", re.IGNORECASE)


def scan(corpus: Corpus, root: Path) -> Scan:
    """Find the turns and look them up in the owners' file."""
    existing_folder(root, corpus.name)
    path = find_side_file(root, EVALUATION) or find_side_file(root, _ALSO_CALLED)
    if path is None:
        raise need(root, EVALUATION, corpus.title)
    turns = _turns(read_lines(path))
    return scan_names(corpus, root, lambda match: turns.get(match["_name"].upper()))


def _turns(lines: list[str]) -> dict[str, Row]:
    """Turn to label, dimensions and votes: a line for the turn, then one for each rater."""
    turns: dict[str, Row] = {}
    ballots: dict[str, list[tuple[str]]] = defaultdict(list)
    name = ""
    for line in lines:
        turn = _TURN.match(line.strip())
        parts = line.split(";")
        if turn:
            name = f"MSP-IMPROV-{turn[1]}".upper()
            arousal, valence, dominance = (float(turn[i]) for i in (3, 4, 5))
            turns[name] = {"label": turn[2], "arousal": arousal, "valence": valence, "dominance": dominance}
        elif len(parts) > 1 and parts[1].strip():
            ballots[name].append((LABELS.get(parts[1].strip()[0].upper(), "other"),))
    return {name: {**row, **shares(ballots[name], VOTED)} for name, row in turns.items()}


CORPUS = Corpus(
    name="msp_improv",
    title="MSP-IMPROV",
    languages=("en",),
    licence="academic licence, signed by the institution",
    commercial=False,
    citation=(
        "Busso C, Parthasarathy S, Burmania A, AbdelWahab M, Sadoughi N, Mower Provost E (2017). MSP-IMPROV: An Acted "
        "Corpus of Dyadic Interactions to Study Emotion Perception. IEEE Transactions on Affective Computing 8(1): "
        "67-80. doi:10.1109/TAFFC.2016.2515617"
    ),
    homepage="https://ecs.utdallas.edu/research/researchlabs/msp-lab/MSP-Improv.html",
    obtain="Have your institution sign the licence on the homepage.",
    example="session1/S01A/P/MSP-IMPROV-S01A-F01-P-FM01.wav",
    pattern=r"MSP-IMPROV-S\d\d[A-Z]-(?P<speaker>(?P<gender>[FM])\d\d)-[A-Z]-[FM]{2}\d\d",
    labels=LABELS,
    codes={"gender": {"F": "female", "M": "male"}},
    side_files={EVALUATION: "labels"},
    scan=scan,
    total=8438,
    n_speakers=12,
    official={
        "official": Folds(
            source="leave one of the six sessions out, as is usual",
            test_speakers=tuple((f"msp_improv/F{number:02d}", f"msp_improv/M{number:02d}") for number in range(1, 7)),
        )
    },
    notes=(
        "The label is what raters heard, not the emotion in the name (the letter after the sentence's number), which "
        "is the one the scene was written for.",
        "Both speakers of a session are in one dialogue: leave out sessions, not speakers.",
        "Twenty sentences are said in every emotion by everybody; the improvisations around them are free.",
        "The four classes have 7,798 turns, 3,477 of them neutral and 792 angry (from the literature, unverified).",
        "Arousal, valence and dominance are means of raters' scores from 1 to 5.",
    ),
)
