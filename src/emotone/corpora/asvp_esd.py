"""ASVP-ESD: emotional speech and sounds (laughter, cries, sighs) collected from films, shows and the web."""

from __future__ import annotations

from emotone.corpora.record import Archive, Corpus, Folds

CORPUS = Corpus(
    name="asvp_esd",
    title="ASVP-ESD",
    languages=("zh", "en", "fr", "ru"),
    licence="unverified (collected media)",
    commercial=None,
    citation=(
        "Landry DTT, He Q, Yan H, Li Y (2020). ASVP-ESD: A dataset and its benchmark for emotion recognition using "
        "both speech and non-speech utterances. Global Scientific Journals 8: 1793-1798"
    ),
    homepage="https://zenodo.org/records/7132783",
    archives=(
        Archive(
            url="https://zenodo.org/records/7132783/files/ASVP-ESD-Update.zip?download=1",
            filename="ASVP-ESD-Update.zip",
        ),
    ),
    example="Audio/actor_63/03-01-05-01-03-63-02-02-02.wav",
    # Modality, channel (01 speech, 02 other sounds), emotion, intensity, number, actor, age, source, mostly
    # language and more: RAVDESS's form, but longer.
    pattern=r"03-0[12]-(?P<label>\d\d)-(?P<intensity>\d\d)-\d+-(?P<speaker>\d+)-\d\d-\d\d(?:-\d\d)+",
    labels={
        "01": "bored",
        "02": "neutral",
        "03": "happy",
        "04": "sad",
        "05": "angry",
        "06": "fearful",
        "07": "disgusted",
        "08": "surprised",
        "09": "excited",
        "10": "pleasure",
        "11": "pain",
        "12": "disappointed",
        "13": "other",
    },
    codes={"intensity": {"01": "normal", "02": "high"}},
    folder=r"actor_(?P<speaker>\d+)",
    total=13_964,
    n_speakers=131,
    sample_rate=16_000,
    official={
        "official": Folds(
            source="EmoBox (Ma et al. 2024, arXiv:2406.07162), one fold of rows",
            n_folds=1,
            disjoint=False,
            shared_speakers=(130, 130),
        )
    },
    notes=(
        "Much of it isn't speech: names with 02 in the second place are laughter, cries, sighs and the like.",
        "Long sounds are cut into numbered pieces (...-12-04, ...-12-06), so pieces of one sound must not be parted.",
        "Collected from films, shows and the web: check whether you may use it at all.",
        "The numbers of utterances and speakers are EmoBox's; the versions on Zenodo differ.",
        "The folder Bonus holds babies' voices.",
    ),
)
