"""Where emotions lie between unpleasant and pleasant, calm and aroused: Russell's circumplex of affect.

It places emotions by what people say of the words. That is a projection of names, and no measurement of a voice: two
people who are heard as angry get the same place, however aroused they are. Where a recogniser predicts arousal and
valence themselves, its numbers are better.
"""

from __future__ import annotations

from collections.abc import Mapping

__all__ = ["PLACES", "SOURCE", "place"]

SOURCE = "Russell (1980), figure 4; Russell and Mehrabian (1977), table 4"
"""J. A. Russell: A circumplex model of affect, Journal of Personality and Social Psychology 39, 1161-1178.

J. A. Russell and A. Mehrabian: Evidence for a three-factor theory of emotions, Journal of Research in Personality 11,
273-294."""

PLACES = {
    "neutral": (0.0, 0.0),
    "calm": (0.55, -0.30),
    "happy": (0.81, 0.51),
    "sad": (-0.63, -0.27),
    "angry": (-0.51, 0.59),
    "fearful": (-0.64, 0.60),
    "disgusted": (-0.60, 0.35),
    "surprised": (0.40, 0.67),
    "bored": (-0.65, -0.62),
}
"""Valence (pleasure) and arousal of each emotion, each from -1 to 1: means of ratings of the word, from the table; calm
isn't in it and was read off the figure, so its second decimal is uncertain. Neutral is the origin by definition."""


def place(scores: Mapping[str, float]) -> tuple[float, float] | None:
    """Valence and arousal of ``scores``: the mean of the emotions' places, by their probabilities.

    Emotions without a place (contemptuous, ...) are left out; None where only they have a probability.
    """
    placed = [(score, *PLACES[name]) for name, score in scores.items() if name in PLACES]
    total = sum(score for score, _, _ in placed)
    if total <= 0:
        return None
    return sum(score * x for score, x, _ in placed) / total, sum(score * y for score, _, y in placed) / total
