"""What people call emotions, in folder names and label columns, and the name emotone has for each."""

from __future__ import annotations

import re

__all__ = ["emotion_named", "is_known"]

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


def is_known(word: str) -> bool:
    """Whether a free ``word`` is known to name an emotion."""
    return _plain(word) in _NAMES
