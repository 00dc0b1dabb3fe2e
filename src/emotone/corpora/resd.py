"""RESD: Russian actors play short dialogues, each of the two voices with one emotion."""

from __future__ import annotations

from emotone.corpora.record import Corpus, Folds

CORPUS = Corpus(
    name="resd",
    title="RESD (Russian Emotional Speech Dialogs)",
    languages=("ru",),
    licence="MIT",
    commercial=True,
    citation="Aniemore (2022). Russian Emotional Speech Dialogs (RESD). https://github.com/aniemore/Aniemore",
    homepage="https://huggingface.co/datasets/Aniemore/resd_annotated",
    obtain="Save the audio of the data set on the homepage under its paths, such as test/neutral_fear_27/27_....wav.",
    example="test/neutral_fear_27/27_neutral_fear_n_100.wav",
    # Dialogue, the emotions of its two voices, the initial of the one that speaks here, and the place in it.
    pattern=r"(?:(?P<split>train|test)/[^/]+/)?\d\d_[a-z]+_[a-z]+[_ ](?P<label>[a-z])_\d{3}",
    labels={
        "a": "angry",
        "d": "disgusted",
        "e": "enthusiastic",
        "f": "fearful",
        "h": "happy",
        "n": "neutral",
        "s": "sad",
    },
    total=1_396,
    official={
        "official": Folds(
            source="the owners' train and test sets (1,116 and 280 recordings)",
            column="split",
            disjoint=False,
        )
    },
    notes=(
        "The actors aren't named, so no score on unseen speakers is possible; voices known from training are tested "
        "in every split, the owners' own included, which cuts through the dialogues.",
        "Within a dialogue a voice has one emotion, so who speaks gives the emotion away.",
        "Some originals are at 16 kHz, the others at 44.1 kHz.",
    ),
)
