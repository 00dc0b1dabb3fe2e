"""eNTERFACE'05: 44 people of fourteen nations react in English to a story they were told, on video; six
emotions, five sentences each."""

from __future__ import annotations

from emotone.corpora.record import Archive, Corpus, Folds

LABELS = {
    "anger": "angry",
    "disgust": "disgusted",
    "fear": "fearful",
    "happiness": "happy",
    "sadness": "sad",
    "surprise": "surprised",
}

CORPUS = Corpus(
    name="enterface",
    title="eNTERFACE'05",
    languages=("en",),
    licence="research only",
    commercial=False,
    citation=(
        "Martin O, Kotsia I, Macq B, Pitas I (2006). The eNTERFACE'05 Audio-Visual Emotion Database. ICDE "
        "Workshops 2006: 8. doi:10.1109/ICDEW.2006.145"
    ),
    homepage="https://enterface.net/enterface05/main.php?frame=emotion",
    archives=(
        Archive(
            url="http://www.enterface.net/enterface05/docs/results/databases/project2_database.zip",
            filename="project2_database.zip",
        ),
    ),
    example="subject 14/anger/sentence 3/s14_an_3.avi",
    # The folders are right where the file names aren't (subject 11's files begin with s12, subject 3's with s_3);
    # names alone are read where the files were put into one folder.
    pattern=r"(?:subject |s_?)(?P<speaker>\d+)[/_](?P<label>[a-z]+)(?:/(?:sentence \d/)?[^/]+|_\d\w*)",
    labels=LABELS,
    codes={"label": {name[:2]: name for name in LABELS}},
    n_speakers=43,
    sample_rate=48_000,
    official={
        "official": Folds(
            source="EmoBox (Ma et al. 2024, arXiv:2406.07162), one fold of rows",
            n_folds=1,
            disjoint=False,
            shared_speakers=(43, 43),
        )
    },
    notes=(
        "There is no neutral.",
        "All say the same five sentences for an emotion, and others for another: the words tell the emotion, and "
        "unseen speakers say seen words.",
        "Few of the speakers are native: the accent varies more than in other English corpora.",
        "Subject 6 isn't cut into sentences. The literature counts 42 to 44 subjects and 1,263 to 1,293 utterances; "
        "EmoBox lists 43 subjects, and counts of a whole copy are unverified.",
        "Videos (.avi): the sound is decoded from them, which needs nothing more.",
    ),
)
