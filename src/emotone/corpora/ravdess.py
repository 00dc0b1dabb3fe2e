"""RAVDESS, speech, audio only: 24 Canadian actors say two statements in eight emotions, two intensities,
twice."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import product
from pathlib import Path

from emotone.corpora.record import Archive, Corpus, Folds

LABELS = {
    "01": "neutral",
    "02": "calm",
    "03": "happy",
    "04": "sad",
    "05": "angry",
    "06": "fearful",
    "07": "disgusted",
    "08": "surprised",
}
ACTORS = {f"{actor:02d}": {"gender": "male" if actor % 2 else "female"} for actor in range(1, 25)}
CODES = {
    "intensity": {"01": "normal", "02": "strong"},
    "text": {"01": "Kids are talking by the door.", "02": "Dogs are sitting by the door."},
}
FIELDS = r"(?P<label>\d\d)-(?P<intensity>\d\d)-(?P<text>\d\d)-\d\d-(?P<speaker>\d\d)"


def plan(channel: str, labels: tuple[str, ...], actors: tuple[str, ...]) -> Iterator[str]:
    """The names of the whole corpus; neutral has no strong intensity."""
    for actor, label, intensity, text, take in product(actors, labels, ("01", "02"), ("01", "02"), ("01", "02")):
        if (label, intensity) != ("01", "02"):
            yield f"03-{channel}-{label}-{intensity}-{text}-{take}-{actor}"


def speech_plan(root: Path) -> Iterator[str]:
    return plan("01", tuple(LABELS), tuple(ACTORS))


def folds(*test_actors: tuple[int, ...]) -> tuple[tuple[str, ...], ...]:
    return tuple(tuple(f"ravdess/{actor:02d}" for actor in fold) for fold in test_actors)


CORPUS = Corpus(
    name="ravdess",
    title="RAVDESS (speech)",
    languages=("en",),
    licence="CC BY-NC-SA 4.0",
    commercial=False,
    citation=(
        "Livingstone SR, Russo FA (2018). The Ryerson Audio-Visual Database of Emotional Speech and Song "
        "(RAVDESS): A dynamic, multimodal set of facial and vocal expressions in North American English. "
        "PLoS ONE 13(5): e0196391. doi:10.1371/journal.pone.0196391"
    ),
    homepage="https://zenodo.org/records/1188976",
    archives=(
        Archive(
            url="https://zenodo.org/records/1188976/files/Audio_Speech_Actors_01-24.zip?download=1",
            filename="Audio_Speech_Actors_01-24.zip",
            md5="bc696df654c87fed845eb13823edef8a",
            size=208_468_073,
        ),
    ),
    example="Actor_12/03-01-06-01-02-01-12.wav",
    # Audio only (03), speech (01): a folder that also holds the videos or the songs gives neither.
    pattern=f"03-01-{FIELDS}",
    labels=LABELS,
    codes=CODES,
    people=ACTORS,
    folder=r"Actor_(?P<speaker>\d\d)",
    counts={label: 96 if label == "01" else 192 for label in LABELS},
    n_speakers=24,
    plan=speech_plan,
    sample_rate=48_000,
    seconds=(2.936, 5.272),
    official={
        "official": Folds(
            test_speakers=folds(
                *(
                    (1, 11, 20, 21),
                    (4, 10, 12, 14),
                    (8, 9, 19, 23),
                    (3, 5, 7, 24),
                    (2, 15, 16, 18),
                    (6, 13, 17, 22),
                )
            ),
            source="EmoBox (Ma et al. 2024, arXiv:2406.07162), six folds of four actors",
        ),
        "luna-jimenez": Folds(
            test_speakers=folds(
                *(
                    (2, 5, 14, 15, 16),
                    (3, 6, 7, 13, 18),
                    (10, 11, 12, 19, 20),
                    (8, 17, 21, 23, 24),
                    (1, 4, 9, 22),
                )
            ),
            source="Luna-Jiménez et al. (2021, 2022), five folds of four or five actors",
        ),
    },
    known_faults={
        "03-01-03-01-02-01-07": "same recording as 03-01-03-01-02-02-07",
        "03-01-03-01-02-02-07": "same recording as 03-01-03-01-02-01-07",
    },
    notes=(
        "All actors say the same two statements, so unseen speakers still say seen words.",
        "About half of the median clip is silence.",
        "Five of the original files are stereo.",
        "Copies in circulation often hold every clip twice, in a nested folder audio_speech_actors_01-24; "
        "the reader keeps one of each.",
    ),
)
