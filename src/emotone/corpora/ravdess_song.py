"""RAVDESS, song, audio only: the same actors sing the two statements in six emotions. There is no song by
actor 18.

The speakers are RAVDESS's own (``ravdess/07``), so grouped folds over speech and song never part a person.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

from emotone.corpora import ravdess
from emotone.corpora.record import Archive

LABELS = {code: emotion for code, emotion in ravdess.LABELS.items() if code <= "06"}
ACTORS = {actor: facts for actor, facts in ravdess.ACTORS.items() if actor != "18"}


def song_plan(root: Path) -> Iterator[str]:
    return ravdess.plan("02", tuple(LABELS), tuple(ACTORS))


CORPUS = replace(
    ravdess.CORPUS,
    name="ravdess_song",
    title="RAVDESS (song)",
    archives=(
        Archive(
            url="https://zenodo.org/records/1188976/files/Audio_Song_Actors_01-24.zip?download=1",
            filename="Audio_Song_Actors_01-24.zip",
            md5="5411230427d67a21e18aa4d466e6d1b9",
            size=225_505_317,
        ),
    ),
    example="Actor_12/03-02-06-01-02-01-12.wav",
    pattern=f"03-02-{ravdess.FIELDS}",
    labels=LABELS,
    people=ACTORS,
    people_of="ravdess",
    counts={label: 92 if label == "01" else 184 for label in LABELS},
    n_speakers=23,
    plan=song_plan,
    seconds=(3.503, 6.374),
    official={},
    known_faults={},
    notes=(
        "Song, not speech: a recogniser of speech isn't tested by it.",
        "The speakers are those of ravdess and carry its ids.",
        "There is no song by actor 18.",
    ),
)
