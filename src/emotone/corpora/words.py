"""What people call emotions, in folder names and label columns, and the name emotone has for each."""

from __future__ import annotations

import re

__all__ = ["emotion_named", "gender_named", "is_known", "split_named"]

# Only words that mean the emotion itself: "excited" isn't happy and "bored" isn't sad; they keep their own
# names.
_SYNONYMS = {
    "neutral": "neu neut normal neutrality no_emotion emotionless",
    "calm": "cal calmness relaxed",
    "happy": "hap happiness joy joyful gioia freude",
    "sad": "sadness unhappy sorrow",
    "angry": "ang anger",
    "fearful": "fea fear scared afraid",
    "disgusted": "dis disgust",
    "surprised": "sur surprise ps pleasant_surprise pleasant_surprised pleasantly_surprised",
    "bored": "bor boredom",
    "excited": "exc excitement",
    "frustrated": "fru frustration",
    "contemptuous": "contempt",
    "amused": "amusement",
    "sleepy": "sleepiness",
    "anxious": "anxiety",
}
_GENDERS = {"f": "female", "w": "female", "woman": "female", "m": "male", "man": "male"}
_SPLITS = {
    **dict.fromkeys(("train", "training"), "train"),
    **dict.fromkeys(("dev", "devel", "development", "val", "valid", "validation"), "dev"),
    **dict.fromkeys(("test", "testing", "eval", "evaluation"), "test"),
}
_NAMES = {word: emotion for emotion, words in _SYNONYMS.items() for word in (emotion, *words.split())}


def _plain(word: str) -> str:
    """``" 05-Pleasant Surprise "`` to ``pleasant_surprise``: lower case, one underscore between words, no
    number."""
    return re.sub(r"^\d+_|_\d+$", "", re.sub(r"[^\w]+", "_", word.strip().lower()).strip("_"))


def emotion_named(word: str) -> str:
    """The emotion a free ``word`` means: ``Angry``, ``anger`` and ``ANG`` are ``angry``; one that isn't known
    stays what it is, in lower case."""
    plain = _plain(word)
    return _NAMES.get(plain, plain)


def gender_named(word: str) -> str:
    """``female`` or ``male`` for what people write for them; anything else in lower case."""
    plain = word.strip().lower()
    return _GENDERS.get(plain, plain)


def split_named(word: str) -> str | None:
    """``train``, ``dev`` or ``test`` for what people call a part of a corpus (``validation``, ``test-1`` stays
    ``test-1``); None for a word that isn't one."""
    plain = word.strip().lower()
    return plain if re.fullmatch(r"test[-_]?\d+", plain) else _SPLITS.get(plain)


def is_known(word: str) -> bool:
    """Whether a free ``word`` is known to name an emotion."""
    return _plain(word) in _NAMES
