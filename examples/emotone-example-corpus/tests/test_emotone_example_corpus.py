"""The names that the corpus has are read, and its folds keep speakers apart."""

from emotone_example_corpus import CORPUS

NAMES = [f"{who}/{who}_{word}_{n:02d}.wav" for who in CORPUS.people for word in CORPUS.labels for n in range(1, 6)]


def test_the_names_are_read(tmp_path):
    for name in NAMES:
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).touch()
    table = CORPUS.read(tmp_path)
    assert list(table["file"]) == sorted(NAMES)
    assert table["label"].value_counts().to_dict() == dict(CORPUS.counts)
    assert set(table["gender"]) == {"female", "male"}


def test_the_folds_are_disjoint_and_test_everybody():
    tested = [name for fold in CORPUS.official["official"].test_speakers for name in fold]
    assert sorted(tested) == [f"harbour/{who}" for who in CORPUS.people]
