"""MESD: Mexican women, men and children say single words in six emotions."""

from __future__ import annotations

from emotone.corpora.record import Corpus, Folds

CORPUS = Corpus(
    name="mesd",
    title="MESD",
    languages=("es",),
    licence="CC BY 4.0",
    commercial=True,
    citation=(
        "Duville MM, Alonso-Valerdi LM, Ibarra-Zarate DI (2021). The Mexican Emotional Speech Database (MESD): "
        "elaboration and assessment based on machine learning. EMBC 2021: 1644-1647. "
        "doi:10.1109/EMBC46164.2021.9629934"
    ),
    homepage="https://data.mendeley.com/datasets/cy34mh68j9/5",
    obtain="Download all files from the homepage (no account needed) and unpack them.",
    example="Anger_F_B_abajo.wav",
    pattern=r"(?P<label>[a-z]+)_(?P<gender>[FMC])_[AB]_(?P<text>[^\W\d]+)",
    labels={
        "Anger": "angry",
        "Disgust": "disgusted",
        "Fear": "fearful",
        "Happiness": "happy",
        "Neutral": "neutral",
        "Sadness": "sad",
    },
    # C is a child, whose gender the name doesn't tell
    codes={"gender": {"F": "female", "M": "male", "C": None}},
    counts={"Anger": 143, "Disgust": 144, "Fear": 144, "Happiness": 144, "Neutral": 143, "Sadness": 144},
    sample_rate=48_000,
    official={
        "official": Folds(
            source="EmoBox (Ma et al. 2024, arXiv:2406.07162), one fold of rows",
            n_folds=1,
            disjoint=None,
            instead="random",
        )
    },
    notes=(
        "The names tell a woman, a man or a child, but not who: no score on unseen speakers is possible, and every "
        "published one may have trained on the voices it was tested on.",
        "Single words of half a second to a second. Those of corpus A are the same for all emotions, those of corpus "
        "B differ between emotions and tell them.",
        "The paper has 864 recordings, the copy of version 5 that EmoBox lists 862; the counts here are the latter's.",
    ),
)
