"""BanglaSER: 34 Bangladeshi speakers say three sentences in five emotions, three times, into smartphones."""

from __future__ import annotations

from emotone.corpora.record import Archive, Corpus

LABELS = {"01": "happy", "02": "sad", "03": "angry", "04": "surprised", "05": "neutral"}

CORPUS = Corpus(
    name="banglaser",
    title="BanglaSER",
    languages=("bn",),
    licence="CC BY 4.0",
    commercial=True,
    citation=(
        "Das RK, Islam N, Ahmed MR, Islam S, Shatabda S, Islam AKMM (2022). BanglaSER: A speech emotion recognition "
        "dataset for the Bangla language. Data in Brief 42: 108091. doi:10.1016/j.dib.2022.108091"
    ),
    homepage="https://data.mendeley.com/datasets/t9h6p943xy/5",
    archives=(
        Archive(
            url="https://prod-dcd-datasets-cache-zipfiles.s3.eu-west-1.amazonaws.com/t9h6p943xy-5.zip",
            filename="t9h6p943xy-5.zip",
        ),
    ),
    example="03-01-03-02-03-01-34.wav",
    # RAVDESS's form with other meanings: a third sentence, a third repetition, 34 speakers.
    pattern=r"03-01-(?P<label>0[1-5])-(?P<intensity>0[12])-(?P<text>0[123])-0[123]-(?P<speaker>[0-3]\d)",
    labels=LABELS,
    codes={
        "intensity": {"01": "normal", "02": "strong"},
        "text": {"01": "১২ টা বেজে গেছে", "02": "আমি জানতাম এমন কিছু হবে", "03": "এ কেমন উপহার"},
    },
    people={f"{actor:02d}": {"gender": "male" if actor % 2 else "female"} for actor in range(1, 35)},
    counts={label: 243 if label == "05" else 306 for label in LABELS},
    n_speakers=34,
    notes=(
        "The names look like RAVDESS's and mean something else (01 is happy here, neutral there): keep the two "
        "apart, each in its own folder.",
        "All speakers say the same three sentences, so unseen speakers still say seen words.",
        "Seven of the 34 speakers have no neutral, and intensity goes with the emotion: happy and sad are normal, "
        "angry and surprised strong.",
    ),
)
