"""BAVED: single Arabic words at three levels of emotion, which aren't emotions."""

from __future__ import annotations

from emotone.corpora.record import Archive, Corpus

CORPUS = Corpus(
    name="baved",
    title="BAVED (Basic Arabic Vocal Emotions Dataset)",
    languages=("ar",),
    licence="none stated",
    commercial=None,
    citation=(
        "Aouf A (2019). Basic Arabic Vocal Emotions Dataset (BAVED). "
        "https://github.com/40uf411/Basic-Arabic-Vocal-Emotions-Dataset"
    ),
    homepage="https://github.com/40uf411/Basic-Arabic-Vocal-Emotions-Dataset",
    archives=(
        Archive(
            url="https://github.com/40uf411/Basic-Arabic-Vocal-Emotions-Dataset/archive/refs/heads/master.zip",
            filename="Basic-Arabic-Vocal-Emotions-Dataset-master.zip",
        ),
    ),
    example="2/55-m-16-2-0-778.wav",
    pattern=r"(?P<speaker>\d+)-(?P<gender>[fm])-(?P<age>\d+)-(?P<text>\d)-(?P<label>\d)-\d+",
    # A level says how much emotion there is, not which: only the middle one is one of ours.
    labels={"0": "low_emotion", "1": "neutral", "2": "high_emotion"},
    codes={
        "gender": {"f": "female", "m": "male"},
        "age": {str(years): years for years in range(100)},
        "text": {"0": "اعجبني", "1": "لم يعجبني", "2": "هذا", "3": "الفيلم", "4": "رائع", "5": "مقبول", "6": "سيئ"},
    },
    total=1_935,
    n_speakers=61,
    sample_rate=16_000,
    notes=(
        "The labels are levels: low (as if tired or down), neutral, and high, which may be joy as well as anger. "
        "Only neutral takes part in emotone's label sets.",
        "Seven words, and the speakers say the same ones; some words (I liked it, bad) already tell the valence.",
        "The numbers of recordings per speaker differ by a factor of more than thirty; some speakers are children.",
    ),
)
