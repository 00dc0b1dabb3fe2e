"""IEMOCAP: ten American actors in five sessions, a woman and a man each, improvise and play scenes; three people
rated every turn."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

from emotone.corpora.reading import Row, Scan, existing_folder, scan_names
from emotone.corpora.record import Corpus, Folds
from emotone.corpora.side_tables import need, read_lines, shares
from emotone.corpora.words import emotion_named

LABELS = {
    "ang": "angry",
    "hap": "happy",
    "exc": "excited",
    "sad": "sad",
    "neu": "neutral",
    "fru": "frustrated",
    "fea": "fearful",
    "sur": "surprised",
    "dis": "disgusted",
    "oth": "other",
    "xxx": "no_agreement",
}
VOTED = tuple(emotion for code, emotion in LABELS.items() if code != "xxx")
SESSIONS = tuple(f"Ses{number:02d}" for number in range(1, 6))
PEOPLE = {
    f"{session}{letter}": {"gender": gender}
    for session in SESSIONS
    for letter, gender in (("F", "female"), ("M", "male"))
}

_TURN = re.compile(r"\[[\d.]+ - [\d.]+\]\s+(\S+)\s+(\w+)\s+\[([\d.]+), ([\d.]+), ([\d.]+)\]")
_VOTE = re.compile(r"C-E\d+:\s*([^(]*)")  # C-F1 and C-M1 are the actors' own opinions
_WORDS = re.compile(r"(\S+) \[[\d.-]+\]:\s*(.*)")


def scan(corpus: Corpus, root: Path) -> Scan:
    """Find the turns and look their labels up in ``dialog/EmoEvaluation``."""
    turns = _turns(existing_folder(root, corpus.name))
    if not turns:
        raise need(root, "Session*/dialog/EmoEvaluation/*.txt", corpus.title)
    text = dict(_spoken(root))
    found = scan_names(corpus, root, lambda match: _row(match["_name"], turns, text))
    # Whole dialogues lie beside the turns that were cut from them.
    return replace(found, strangers=tuple(file for file in found.strangers if "dialog/" not in file))


def _row(name: str, turns: dict[str, Row], text: dict[str, str]) -> Row | None:
    """The speaker is the session and the letter at the end, of the turn: the letter in front only says who wore the
    motion capture markers."""
    if name not in turns:
        return None
    speaker = name[:5] + name.rpartition("_")[2][0]
    return {"speaker": speaker, **turns[name], **({"text": text.get(name)} if text else {})}


def _turns(root: Path) -> dict[str, Row]:
    """Turn to label, dimensions and votes."""
    turns: dict[str, Row] = {}
    for path in sorted(root.rglob("EmoEvaluation/Ses*.txt")):
        name = ""
        ballots: list[tuple[str, ...]] = []
        for line in (*read_lines(path), "[0 - 0] end end [0, 0, 0]"):
            turn = _TURN.match(line)
            vote = _VOTE.match(line)
            if turn:
                turns.get(name, {}).update(shares(ballots, VOTED))
                name, ballots = turn[1], []
                valence, arousal, dominance = (float(turn[i]) for i in (3, 4, 5))
                turns[name] = {"label": turn[2], "arousal": arousal, "valence": valence, "dominance": dominance}
            elif vote:
                ballots.append(tuple(_voted(word) for word in vote[1].split(";") if word.strip()))
        turns.pop("end", None)
    return turns


def _voted(word: str) -> str:
    return emotion_named(word.lower().replace("state", "").strip())


def _spoken(root: Path) -> Iterator[tuple[str, str]]:
    """Turn and what was said."""
    for path in sorted(root.rglob("transcriptions/Ses*.txt")):
        for line in read_lines(path):
            said = _WORDS.match(line)
            if said:
                yield said[1], said[2].strip()


CORPUS = Corpus(
    name="iemocap",
    title="IEMOCAP",
    languages=("en",),
    licence="own licence, signed form, non-commercial",
    commercial=False,
    citation=(
        "Busso C, Bulut M, Lee CC, Kazemzadeh A, Mower E, Kim S, Chang JN, Lee S, Narayanan SS (2008). IEMOCAP: "
        "interactive emotional dyadic motion capture database. Language Resources and Evaluation 42(4): 335-359. "
        "doi:10.1007/s10579-008-9076-6"
    ),
    homepage="https://sail.usc.edu/iemocap/iemocap_release.htm",
    obtain="Fill in the release form on the homepage; the owners send a download link.",
    example="Session1/sentences/wav/Ses01F_impro01/Ses01F_impro01_F000.wav",
    pattern=r"Ses\d\d[FM]_(?:impro|script)\w+_[FM][X\d]\d\d",
    labels=LABELS,
    people=PEOPLE,
    scan=scan,
    counts={
        "ang": 1103,
        "hap": 595,
        "exc": 1041,
        "sad": 1084,
        "neu": 1708,
        "fru": 1849,
        "fea": 40,
        "sur": 107,
        "dis": 2,
        "oth": 3,
        "xxx": 2507,
    },
    n_speakers=10,
    sample_rate=16_000,
    official={
        "official": Folds(
            source="leave one session out (EmoBox, Ma et al. 2024, arXiv:2406.07162, and most papers)",
            test_sessions=tuple((f"iemocap/{session}",) for session in SESSIONS),
        )
    },
    notes=(
        "The usual four classes are angry, happy, neutral, sad. With excited counted as happy, as the label set 'four' "
        "does, these are 5,531 turns, without it 4,490: say which.",
        "The speaker is the session and the letter of the turn (Ses01F_impro01_M000 is the man), not the front of the "
        "name; who takes the front gets folds that share speakers.",
        "Both speakers of a session are in one dialogue: leave out sessions, not speakers.",
        "About half of the turns are scripted, and the scripts are the same in all sessions: words of the test are "
        "seen in training. Improvised turns alone are the cleaner test.",
        "A quarter of the turns have no majority (xxx, here no_agreement).",
        "Arousal, valence and dominance are means of raters' scores from 1 to 5.",
    ),
)
