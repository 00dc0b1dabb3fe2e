"""What the names of recordings likely tell: which part is the emotion, which the speaker.

Names are cut at ``- _ . space /``. Of names that are cut alike, each part is looked at over all files: one that never
changes is literal text; one whose values are words for emotions is the emotion; of the rest, the speaker is the part
that looks like an id, comes early, and has every emotion.
"""

from __future__ import annotations

import re
from collections import Counter, defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import PurePosixPath

from emotone.corpora import words
from emotone.errors import CorpusError

__all__ = ["Guess", "guess", "likely_emotion"]

MOST_EMOTIONS = 20
"""A part with more values than this is no emotion."""
MOST_SPEAKERS = 2000
LEAST_KNOWN = 0.5
"""Share of a part's values that have to be words for emotions."""

_CUT = re.compile(r"([-_. /]+)")
_PERSON = re.compile(
    r"(actor|speaker|spk|subject|subj|person|participant|sub|id|[sfmp])[-_]?\d+|[fm]\d*", re.IGNORECASE
)
_ANNOUNCED = re.compile(r"(actor|speaker|spk|subject|subj|person|participant|voice)", re.IGNORECASE)
_GENDERS = frozenset({"m", "f", "w", "male", "female"})
_INTENSITIES = frozenset({"normal", "strong", "weak", "low", "lo", "medium", "mid", "md", "high", "hi", "xx"})
_LETTERS = {"a": "angry", "c": "calm", "d": "disgusted", "f": "fearful", "h": "happy", "n": "neutral", "s": "sad"}


@dataclass(frozen=True)
class Guess:
    """A likely pattern, and what is doubtful about it, a sentence each."""

    pattern: str
    notes: tuple[str, ...] = ()


def likely_emotion(code: str) -> str | None:
    """The emotion that a code in a file name means: a known word, or a letter that begins one; None if neither."""
    if words.is_known(code):
        return words.emotion_named(code)
    return _LETTERS.get(code.lower())


def guess(files: Sequence[str]) -> Guess:
    """The likely pattern of the names of ``files``, POSIX paths relative to their folder.

    Raises `CorpusError` where no part of the names could be an emotion: the pattern has to be given then.
    """
    kept, left = _of_one_form(files)
    columns = list(zip(*(_pieces(file) for file in kept), strict=True))
    emotion = _emotion(columns)
    if emotion is None:
        raise CorpusError(
            f"No part of names such as {files[0]} could be an emotion. Give the pattern, for example "
            "'{speaker}-{emotion}-{n}.wav'; a field of a known width is {speaker:2}."
        )
    speaker = _speaker(columns, emotion)
    notes = []
    if left:
        notes.append(f"{left:,} of {len(files):,} recordings are named in another way and left out.")
    if speaker is None:
        notes.append("No part of the names looks like a speaker; without one, no score on unseen speakers is possible.")
    if not _tells_words(columns[emotion]):
        notes.append("What the codes of the emotion mean has to be said.")
    return Guess(_written(columns, emotion, speaker), tuple(notes))


# ---- cutting ----


def _pieces(file: str) -> list[str]:
    """Parts and what parts them, in turn: ``a_b`` is ``["a", "_", "b"]``."""
    return _CUT.split(str(PurePosixPath(file).with_suffix("")))


def _of_one_form(files: Sequence[str]) -> tuple[list[str], int]:
    """The files of the most common form (the same separators in the same places), and how many are of another."""
    forms: dict[tuple[str, ...], list[str]] = defaultdict(list)
    for file in files:
        forms[tuple(_pieces(file)[1::2])].append(file)
    if not forms:
        raise CorpusError("There are no recordings to take a pattern from.")
    largest = max(forms.values(), key=len)
    return largest, len(files) - len(largest)


# ---- which part is what ----


def _emotion(columns: Sequence[tuple[str, ...]]) -> int | None:
    """The place of the part that names emotions: the one with most known words, or else a lone part of few codes."""
    shares = {}
    for place in range(0, len(columns), 2):
        values = set(columns[place])
        if 1 < len(values) <= MOST_EMOTIONS:
            shares[place] = sum(map(words.is_known, values)) / len(values)
    known = {place: share for place, share in shares.items() if share >= LEAST_KNOWN}
    if known:
        return max(known, key=lambda place: (known[place], len(set(columns[place]))))
    coded = [place for place in shares if _looks_coded(set(columns[place]))]
    return coded[0] if len(coded) == 1 else None


def _looks_coded(values: set[str]) -> bool:
    """Whether all values are letters that begin emotions' names."""
    return len(values) > 2 and all(value.lower() in _LETTERS or value.lower() in {"w", "su", "sa"} for value in values)


def _tells_words(values: Iterable[str]) -> bool:
    return all(map(words.is_known, set(values)))


def _speaker(columns: Sequence[tuple[str, ...]], emotion: int) -> int | None:
    """The place of the part that likely names the speaker, in the file's own name rather than its folder's."""
    again = _said_again(columns)
    scores: dict[int, float] = {}
    for place in range(0, len(columns), 2):
        if place != emotion:
            told = again.get(place, place)
            scores[told] = max(scores.get(told, 0.0), _speaker_score(columns, place, emotion))
    best = max(scores, key=lambda place: (scores[place], -place), default=None)
    return best if best is not None and scores[best] >= 2 else None


def _speaker_score(columns: Sequence[tuple[str, ...]], place: int, emotion: int) -> float:
    """How much a part looks like a speaker: 2 and more is likely."""
    values = columns[place]
    distinct = set(values)
    if not 1 < len(distinct) <= min(MOST_SPEAKERS, len(values) // 2) or distinct <= _GENDERS:
        return -1.0
    score = 2.0 * all(_PERSON.fullmatch(value) for value in distinct)
    before = columns[place - 2][0] if place >= 2 and len(set(columns[place - 2])) == 1 else ""
    score += 2.0 * bool(_ANNOUNCED.search(before))
    score += 0.5 * all(re.fullmatch(r"[A-Za-z]{2,}\d*", value) for value in distinct)
    score += 1.0 * (place == 0) + 0.5 * (place < len(columns) - 1)
    return score + _every_emotion(values, columns[emotion])


def _every_emotion(speakers: Sequence[str], emotions: Sequence[str]) -> float:
    """The share of pairs of a speaker and an emotion that are there: speakers of acted corpora do them all."""
    pairs = len(set(zip(speakers, emotions, strict=True)))
    return pairs / (len(set(speakers)) * len(set(emotions)))


def _said_again(columns: Sequence[tuple[str, ...]]) -> dict[int, int]:
    """The places of folders that tell no more than a part of the file's own name, to that part's place:
    ``Actor_07/...-07.wav``."""
    named = max((place for place in range(1, len(columns), 2) if "/" in columns[place][0]), default=-1)
    found = {}
    for place in range(0, max(named, 0), 2):
        same = [own for own in range(named + 1, len(columns), 2) if _same(columns[place], columns[own])]
        if same and len(set(columns[place])) > 1:
            found[place] = same[0]
    return found


def _same(one: Sequence[str], other: Sequence[str]) -> bool:
    """Whether either of two parts tells the other."""
    return len(set(one)) == len(set(other)) == len(set(zip(one, other, strict=True)))


# ---- writing it down ----


def _written(columns: Sequence[tuple[str, ...]], emotion: int, speaker: int | None) -> str:
    """The pattern; folders above the first one that tells something are left away."""
    names = _names(columns, emotion, speaker)
    parts = [f"{{{names[place]}}}" if place in names else columns[place][0] for place in range(len(columns))]
    first = min(names)
    above = "".join(parts[:first]).rpartition("/")
    return above[2] + "".join(parts[first:])


def _names(columns: Sequence[tuple[str, ...]], emotion: int, speaker: int | None) -> dict[int, str]:
    """The name of each part that is a field; parts that never change, and what parts them, are literal."""
    names = {emotion: "emotion"}
    if speaker is not None:
        names[speaker] = "speaker"
    taken = Counter(names.values())
    again = _said_again(columns)
    for place in range(0, len(columns), 2):
        values = {value.lower() for value in columns[place]}
        if place in names or place in again or len(values) == 1:
            continue
        name = "gender" if values <= _GENDERS else "intensity" if values <= _INTENSITIES else "n"
        taken[name] += 1
        names[place] = name if taken[name] == 1 else f"{'n' if name != 'n' else name}{taken[name]}"
    return names
