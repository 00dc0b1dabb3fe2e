"""Corpora: records, readers, checks. Reading needs names only, so most trees here are of empty files."""

from __future__ import annotations

import dataclasses
import itertools
import math
import os
import re
import sys
from collections import Counter
from collections.abc import Iterable, Iterator
from fnmatch import fnmatch
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import soundfile

from emotone import corpora
from emotone.corpora import words
from emotone.corpora.findings import Finding, runs
from emotone.corpora.reading import likely_corpus, several
from emotone.errors import ConfigError, CorpusError
from emotone.labels import EMOTIONS

pd = pytest.importorskip("pandas")

LISTINGS = Path(__file__).parent / "listings"
PUBLISHED = [name for name in corpora.names() if name not in {"folder", "table", "audformat", "datasets"}]


# ---- trees of files ----


def expand(line: str) -> Iterator[str]:
    """Shell braces: ``{a,b}``, ``{01..12}``, also mixed."""
    parts = re.split(r"\{(.*?)\}", line)
    choices = [
        [part] if i % 2 == 0 else [one for each in part.split(",") for one in _range(each)]
        for i, part in enumerate(parts)
    ]
    return map("".join, itertools.product(*choices))


def _range(text: str) -> list[str]:
    first, dots, last = text.partition("..")
    return [f"{n:0{len(first)}d}" for n in range(int(first), int(last) + 1)] if dots else [text]


def lines_of(name: str) -> list[str]:
    return (LISTINGS / f"{name}.txt").read_text(encoding="utf-8").splitlines()


def listing(name: str) -> list[str]:
    """The recordings of a corpus: shell braces stand for many, lines with ``- `` take names away again."""
    files: list[str] = []
    for line in lines_of(name):
        if line.startswith("- "):
            files = [file for file in files if not fnmatch(file, line[2:])]
        elif line and not line.startswith(("#", "@ ", "| ")):
            files += expand(line)
    return files


def side_tables(name: str) -> dict[str, str]:
    """The small side tables in a listing: ``@ metadata.csv``, then its lines, each after ``| ``."""
    tables: dict[str, str] = {}
    for line in lines_of(name):
        if line.startswith("@ "):
            tables[path := line[2:]] = ""
        elif line.startswith("| "):
            tables[path] += line[2:] + "\n"
    return tables


def is_sample(name: str) -> bool:
    """Whether a listing holds only some of the corpus, as its first line then says."""
    return lines_of(name)[0].startswith("# A sample")


def plant_listed(root: Path, name: str) -> Path:
    """The listed recordings of a corpus, as empty files, and its side tables."""
    plant(root, listing(name))
    for path, text in side_tables(name).items():
        (root / path).parent.mkdir(parents=True, exist_ok=True)
        (root / path).write_text(text, encoding="utf-8")
    return root


def plant(root: Path, files: Iterable[str]) -> Path:
    """Empty files."""
    root.mkdir(parents=True, exist_ok=True)
    made: set[Path] = set()
    for file in files:
        path = root / file
        if path.parent not in made:
            path.parent.mkdir(parents=True, exist_ok=True)
            made.add(path.parent)
        path.touch()
    return root


def record(
    path: Path, rng: np.random.Generator, *, seconds: float = 0.5, rate: int = 16_000, channels: int = 1
) -> None:
    """A recording nobody else has."""
    path.parent.mkdir(parents=True, exist_ok=True)
    samples = rng.normal(scale=0.05, size=(round(seconds * rate), channels))
    soundfile.write(path, samples, rate, subtype="PCM_16")


def record_all(root: Path, files: Iterable[str], rng: np.random.Generator) -> Path:
    for file in files:
        record(root / file, rng)
    return root


def kinds(findings: list[Finding]) -> set[tuple[str, str]]:
    return {(finding.severity, finding.kind) for finding in findings}


def only(findings: list[Finding], kind: str) -> Finding:
    (found,) = [finding for finding in findings if finding.kind == kind]
    return found


# ---- records ----


def test_brace_expansion_of_listings() -> None:
    assert list(expand("a{01..03,x}/{p,q}")) == [
        "a01/p",
        "a01/q",
        "a02/p",
        "a02/q",
        "a03/p",
        "a03/q",
        "ax/p",
        "ax/q",
    ]


def test_every_published_corpus_has_a_listing_and_no_listing_is_left_over() -> None:
    assert {path.stem for path in LISTINGS.glob("*.txt")} == set(PUBLISHED)


@pytest.mark.parametrize("name", PUBLISHED)
def test_a_tree_of_the_listed_names_is_the_whole_corpus(name: str, tmp_path: Path) -> None:
    corpus = corpora.get(name)
    files = listing(name)
    table = corpora.load(name, plant_listed(tmp_path / name, name))

    assert tuple(table.columns[:7]) == corpora.COLUMNS
    votes = [c for c in table.columns if c.startswith("p_")]
    assert [*(c for c in table.columns if c in corpora.OPTIONAL_COLUMNS), *votes] == list(table.columns[7:])
    if corpus.segmented:
        assert set(table["file"]) == set(files)
        assert (table["start"] < table["end"]).all()
    else:
        assert list(table["file"]) == sorted(files)
        assert (table["start"] == 0.0).all()
        assert table["end"].isna().all()
    counts = table["label"].value_counts().to_dict()
    if is_sample(name):
        assert all(n <= corpus.counts[label] for label, n in counts.items() if label in corpus.counts)
        assert corpus.n_speakers is None or table["speaker"].nunique() <= corpus.n_speakers
    else:
        assert counts == dict(corpus.counts)
        assert table["speaker"].nunique() == (corpus.n_speakers or 0)
        assert len(table) == corpus.n_utterances
    owner = corpus.people_of or name
    assert table["speaker"].dropna().str.startswith(f"{owner}/").all()
    assert table["speaker"].notna().any() == (corpus.n_speakers is not None)
    assert set(table["corpus"]) == {name}
    # the label map holds both ways
    assert set(table["label"].dropna()) == set(corpus.labels)
    named = table["label"].map(dict(corpus.labels))
    assert ((table["emotion"] == named) | (table["emotion"].isna() & named.isna())).all()
    if corpus.people:
        assert table["gender"].isin(["female", "male"]).all()
    for column in votes:
        assert table[column].dropna().between(0, 1).all()
    if votes:
        assert table[votes].sum(axis="columns")[table[votes].notna().all(axis="columns")].round(9).eq(1).all()


@pytest.mark.parametrize("name", PUBLISHED)
def test_the_plan_of_a_corpus_names_exactly_the_listed_files(name: str, tmp_path: Path) -> None:
    corpus = corpora.get(name)
    root = plant_listed(tmp_path / name, name)
    findings = corpora.check(name, root, audio=False)
    absent = set() if is_sample(name) else {"missing"}
    assert not {*absent, "unknown", "mislabelled", "repeated"} & {finding.kind for finding in findings}
    if corpus.plan is not None and not corpus.side_files:
        assert sum(1 for _ in corpus.plan(root)) == corpus.n_utterances


@pytest.mark.parametrize("name", PUBLISHED)
def test_the_names_of_a_corpus_are_taken_for_no_other_s(name: str) -> None:
    if corpora.get(name).pattern:
        assert likely_corpus(listing(name)) == name


@pytest.mark.parametrize("name", PUBLISHED)
def test_facts_are_complete(name: str, tmp_path: Path) -> None:
    corpus = corpora.get(name)
    assert corpus.name == name
    assert corpus.licence
    assert re.search(r"\((19|20)\d\d\)", corpus.citation)
    assert corpus.homepage.startswith("http")
    assert corpus.archives or corpus.obtain
    assert corpus.languages
    assert corpus.counts.keys() in (corpus.labels.keys(), set())  # counts are stated for all codes, or for none
    assert all(re.fullmatch(r"[a-z_]+", emotion) for emotion in corpus.labels.values())
    assert corpus.example
    assert not corpus.pattern or corpus.matcher.search(Path(corpus.example).with_suffix("").as_posix())
    for archive in corpus.archives:
        assert archive.url.startswith("http")
        assert len(archive.sha256 or "0" * 64) == 64
        assert len(archive.md5 or "0" * 32) == 32
    if corpus.plan is not None:
        planned = set(corpus.plan(tmp_path))
        assert not planned or corpus.known_faults.keys() <= planned


def test_official_folds_are_disjoint_and_test_everyone() -> None:
    ravdess = corpora.get("ravdess")
    everyone = {f"ravdess/{actor:02d}" for actor in range(1, 25)}
    assert [len(fold) for fold in ravdess.official["official"].test_speakers] == [4] * 6
    assert [len(fold) for fold in ravdess.official["luna-jimenez"].test_speakers] == [5, 5, 5, 5, 4]
    for folds in ravdess.official.values():
        assert folds.disjoint
        assert folds.source
        tested = [speaker for fold in folds.test_speakers for speaker in fold]
        assert len(tested) == 24
        assert set(tested) == everyone


@pytest.mark.parametrize("name", [name for name in PUBLISHED if corpora.get(name).official])
def test_published_folds_are_of_the_corpus_s_own_speakers(name: str, tmp_path: Path) -> None:
    table = corpora.load(name, plant_listed(tmp_path / name, name))
    present = set(table["speaker"].dropna())
    for folds in corpora.get(name).official.values():
        assert folds.source
        assert folds.disjoint is not True or folds.shared_speakers is None
        assert folds.known or folds.instead in {"speakers", "loso", "random"}
        assert not folds.column or table[folds.column].notna().any()
        assert not folds.test_sessions or all(who.startswith(sum(folds.test_sessions, ())) for who in present)
        if folds.test_speakers:
            tested = [speaker for fold in folds.test_speakers for speaker in fold]
            assert len(tested) == len(set(tested)) or not folds.disjoint
            assert set(tested) >= present if is_sample(name) else set(tested) == present


def test_records_are_frozen_and_can_be_varied() -> None:
    urdu = corpora.get("urdu")
    with pytest.raises(dataclasses.FrozenInstanceError):
        urdu.licence = "mine"  # type: ignore[misc]
    assert dataclasses.replace(urdu, licence="mine").licence == "mine"


def test_an_unknown_corpus_is_refused_with_a_suggestion() -> None:
    with pytest.raises(ConfigError, match=r"Unknown corpus 'ravdes'. Did you mean 'ravdess'"):
        corpora.load("ravdes", "anywhere")


# ---- plug-ins ----

PLUG_IN = """
from emotone.corpora import Corpus
CORPUS = Corpus(
    name="parrots", title="Parrots", licence="CC0 1.0", commercial=True, citation="James J (2018).", homepage="https://x.org",
    example="male1_angry_10a_1.wav", pattern=r"(?P<speaker>(?:fe)?male[12])_(?P<label>[a-z]+)_\\d+[ab]_[12]",
    labels={"angry": "angry", "sad": "sad"}, counts={"angry": 1, "sad": 1}, n_speakers=2,
)
NOT_ONE = "parrots"
"""


def install_plug_in(folder: Path, monkeypatch: pytest.MonkeyPatch, entries: str) -> None:
    (folder / "parrots_corpus.py").write_text(PLUG_IN)
    about = folder / "parrots_corpus-1.0.dist-info"
    about.mkdir()
    (about / "METADATA").write_text("Metadata-Version: 2.1\nName: parrots-corpus\nVersion: 1.0\n")
    (about / "entry_points.txt").write_text(f"[emotone.corpora]\n{entries}\n")
    monkeypatch.syspath_prepend(folder)
    monkeypatch.delitem(sys.modules, "parrots_corpus", raising=False)


def test_an_installed_package_brings_a_corpus(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    install_plug_in(tmp_path, monkeypatch, "parrots = parrots_corpus:CORPUS")
    assert corpora.names()[-1] == "parrots"
    root = plant(tmp_path / "data", ["male1_angry_10a_1.wav", "female2_sad_3b_2.wav"])
    assert list(corpora.load("parrots", root)["speaker"]) == ["parrots/female2", "parrots/male1"]
    found = kinds(corpora.check("parrots", root, audio=False))
    assert found == {("error", "unreadable"), ("warning", "speakers")}  # empty files; a speaker per emotion


def test_a_broken_plug_in_is_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    install_plug_in(
        tmp_path,
        monkeypatch,
        "gone = parrots_corpus:NOWHERE\nparrots = parrots_corpus:NOT_ONE\nravdess = parrots_corpus:CORPUS",
    )
    with pytest.raises(ConfigError, match=r"corpus 'gone' .* can't be loaded"):
        corpora.get("gone")
    with pytest.raises(ConfigError, match="must be a Corpus whose name is 'parrots'"):
        corpora.get("parrots")
    assert corpora.get("ravdess").title == "RAVDESS (speech)"  # nobody replaces a built-in one


# ---- reading by names ----


@pytest.mark.parametrize("ending", [".wav", ".WAV", ".flac", ".opus", ".Mp3"])
def test_the_same_reader_takes_every_format(ending: str, tmp_path: Path) -> None:
    root = plant(tmp_path, [f"wav/03a01Fa{ending}", f"WAV2/03A02NC{ending}"])
    table = corpora.load("emodb", root)
    assert list(table["emotion"]) == ["neutral", "happy"]
    assert set(table["speaker"]) == {"emodb/03"}
    assert set(table["gender"]) == {"male"}
    assert set(table["age"]) == {31}
    assert table["text"].iloc[0] == "Das will sie am Mittwoch abgeben."


def test_ravdess_columns(tmp_path: Path) -> None:
    root = plant(tmp_path, ["Actor_12/03-01-06-02-02-01-12.wav", "Actor_01/03-01-01-01-01-01-01.wav"])
    first, second = corpora.load("ravdess", root).to_dict("records")
    assert (first["gender"], first["intensity"], first["emotion"], first["label"]) == (
        "male",
        "normal",
        "neutral",
        "01",
    )
    assert (second["gender"], second["intensity"], second["emotion"]) == ("female", "strong", "fearful")
    assert second["text"] == "Dogs are sitting by the door."
    assert second["speaker"] == "ravdess/12"
    assert second["language"] == "en"


def test_speech_song_and_video_in_one_folder_are_told_apart(tmp_path: Path) -> None:
    names = ["03-01-03-01-01-01-07.wav", "03-02-03-01-01-01-07.wav", "01-01-03-01-01-01-07.mp4"]
    root = plant(tmp_path, [f"Actor_07/{name}" for name in names])
    speech = corpora.load("ravdess", root)
    song = corpora.load("ravdess_song", root)
    assert list(speech["file"]) == [f"Actor_07/{names[0]}"]
    assert list(song["file"]) == [f"Actor_07/{names[1]}"]
    # one person, so folds by speaker over both keep together
    assert set(speech["speaker"]) == set(song["speaker"]) == {"ravdess/07"}


def test_a_nested_second_copy_gives_each_utterance_once(tmp_path: Path) -> None:
    names = [f"Actor_01/03-01-01-01-{a}-{b}-01.wav" for a, b in itertools.product(("01", "02"), repeat=2)]
    root = plant(tmp_path, [*names, *(f"audio_speech_actors_01-24/{name}" for name in names)])
    assert list(corpora.load("ravdess", root)["file"]) == names


def test_of_several_formats_the_lossless_one_is_read(tmp_path: Path) -> None:
    root = plant(tmp_path, ["AudioMP3/1001_DFA_ANG_XX.mp3", "deep/AudioWAV/1001_DFA_ANG_XX.wav"])
    assert list(corpora.load("crema_d", root)["file"]) == ["deep/AudioWAV/1001_DFA_ANG_XX.wav"]


def test_hidden_files_are_passed_over_and_linked_folders_followed_once(tmp_path: Path) -> None:
    root = plant(tmp_path / "root", ["__MACOSX/._03a01Fa.wav", "._03a01Fa.wav", ".git/03a01Fa.wav", "03a01Nc.wav"])
    elsewhere = plant(tmp_path / "elsewhere", ["03a01Wa.wav"])
    (root / "linked").symlink_to(elsewhere)
    (elsewhere / "back").symlink_to(root)
    assert list(corpora.load("emodb", root)["file"]) == ["03a01Nc.wav", "linked/03a01Wa.wav"]
    scan = corpora.get("emodb").scan(corpora.get("emodb"), root)
    assert (scan.doubles, scan.strangers) == ({}, ())


def test_tess_folders_and_its_typo(tmp_path: Path) -> None:
    root = plant(tmp_path, ["OAF_neutral/OA_bite_neutral.wav", "YAF_pleasant_surprised/YAF_back_ps.wav"])
    table = corpora.load("tess", root)
    assert list(table["speaker"]) == ["tess/OAF", "tess/YAF"]
    assert list(table["emotion"]) == ["neutral", "surprised"]
    assert list(table["text"]) == ["Say the word bite.", "Say the word back."]
    assert list(table["age"]) == [64, 26]
    assert "mislabelled" not in {f.kind for f in corpora.check("tess", root, audio=False)}


def test_savee_by_folder_and_by_prefix(tmp_path: Path) -> None:
    by_folder = corpora.load("savee", plant(tmp_path / "a", ["DC/sa01.wav", "KL/su02.wav", "DC/a01.wav", "KL/a01.wav"]))
    by_prefix = corpora.load("savee", plant(tmp_path / "b", ["DC_sa01.wav", "KL_su02.wav", "DC_a01.wav", "KL_a01.wav"]))
    for table in (by_folder, by_prefix):
        assert list(table["emotion"]) == ["angry", "sad", "angry", "surprised"]
        assert list(table["speaker"]) == ["savee/DC", "savee/DC", "savee/KL", "savee/KL"]


def test_urdu_speakers_tell_their_gender(tmp_path: Path) -> None:
    table = corpora.load("urdu", plant(tmp_path, ["Angry/SM5_F63_A091.wav", "Happy/SF1_F10_H010.wav"]))
    assert list(table["gender"]) == ["male", "female"]
    assert list(table["speaker"]) == ["urdu/SM5", "urdu/SF1"]


# ---- side tables ----

VOTES = """"","A","D","F","H","N","S","fileName","numResponses"
"100001",0,0,0,1,3,0,"1001_DFA_ANG_XX",4
"200001",9,0,0,0,0,0,"1001_DFA_ANG_XX",9
"300001",0,9,0,0,0,0,"1001_DFA_ANG_XX",9
"""


def crema_d(root: Path) -> Path:
    plant(root, ["AudioWAV/1001_DFA_ANG_XX.wav", "AudioWAV/1002_IEO_SAD_HI.wav", "processedResults/x.txt"])
    (root / "processedResults/tabulatedVotes.csv").write_text(VOTES)
    (root / "VideoDemographics.csv").write_text('"ActorID","Age","Sex"\n1001,51,"Male"\n1002,21,"Female"\n')
    return root


@pytest.mark.parametrize("inside", ["", "AudioWAV"])
def test_crema_d_has_people_and_the_votes_by_voice_alone(inside: str, tmp_path: Path) -> None:
    first, second = corpora.load("crema_d", crema_d(tmp_path) / inside).to_dict("records")
    assert (first["gender"], first["age"], first["intensity"]) == ("male", 51, "unspecified")
    assert (second["gender"], second["age"], second["intensity"]) == ("female", 21, "high")
    assert first["text"] == "Don't forget a jacket."
    votes = {emotion: first[f"p_{emotion}"] for emotion in ("neutral", "happy", "sad", "angry", "fearful", "disgusted")}
    assert votes == {"neutral": 0.75, "happy": 0.25, "sad": 0, "angry": 0, "fearful": 0, "disgusted": 0}
    assert (first["agreement"], first["n_raters"]) == (0.75, 4)
    assert math.isnan(second["agreement"])  # nobody rated it
    assert math.isnan(second["n_raters"])


def test_crema_d_votes_come_in_canonical_order(tmp_path: Path) -> None:
    columns = [column for column in corpora.load("crema_d", crema_d(tmp_path)) if column.startswith("p_")]
    assert columns == ["p_neutral", "p_happy", "p_sad", "p_angry", "p_fearful", "p_disgusted"]


def test_without_side_tables_their_columns_are_absent_and_check_says_so(tmp_path: Path) -> None:
    root = plant(tmp_path / "crema_d", ["1001_DFA_ANG_XX.wav"])
    assert not {"gender", "age", "agreement", "p_angry"} & set(corpora.load("crema_d", root))
    said = [f.message for f in corpora.check("crema_d", root, audio=False) if f.kind == "side_table"]
    assert len(said) == 2
    assert "VideoDemographics.csv isn't there, so the table has no gender and age" in said[0]


def test_a_damaged_side_table_is_named(tmp_path: Path) -> None:
    root = crema_d(tmp_path)
    (root / "VideoDemographics.csv").write_text("ActorID,Sex\n1001,Male\n")
    with pytest.raises(CorpusError, match=r"VideoDemographics.csv lacks CREMA-D's columns Age"):
        corpora.load("crema_d", root)


def test_crema_d_knows_the_name_many_copies_misspell(tmp_path: Path) -> None:
    root = plant(tmp_path, ["1040_ITH_SAD_X.wav"])
    (root / "tabulatedVotes.csv").write_text(VOTES.replace("1001_DFA_ANG_XX", "1040_ITH_SAD_XX"))
    table = corpora.load("crema_d", root)
    assert table["p_neutral"].item() == 0.75
    assert table["emotion"].item() == "sad"
    assert table["intensity"].item() == "unspecified"


def test_nemo_side_table_brings_people_text_and_plan(tmp_path: Path) -> None:
    root = plant(tmp_path, ["samples/KS0_surprised_70.wav", "samples/EB0_anger_1.wav"])
    assert not {"gender", "age", "text"} & set(corpora.load("nemo", root))
    rows = [("KS0_surprised_70", "male", 23), ("EB0_anger_1", "female", 27), ("EB0_anger_2", "female", 27)]
    lines = ["file_id\temotion\traw_text\tspeaker_id\tgender\tage"]
    lines += [f"{name}.wav\tx\tAla ma kota.\t  {name[:3]}\t{gender}\t{age}" for name, gender, age in rows]
    (root / "data.tsv").write_text("\n".join(lines), encoding="utf-8")
    table = corpora.load("nemo", root)
    assert list(table["gender"]) == ["female", "male"]
    assert list(table["age"]) == [27, 23]
    assert set(table["text"]) == {"Ala ma kota."}
    missing = only(corpora.check("nemo", root, audio=False), "missing")
    assert missing.files == ("EB0_anger_2",)


@pytest.mark.parametrize(
    ("name", "file", "emotion", "speaker", "gender"),
    [
        ("polish", "m3.s_trzymaj_5.wav", "fearful", "m3", "male"),
        ("resd", "test/x/27_neutral_fear_f_090.wav", "fearful", None, None),
        ("casia", "wangzhe/fear/201.wav", "fearful", "wangzhe", None),
        ("asvp_esd", "Audio/actor_63/03-01-12-02-59-63-02-02-02.wav", "disappointed", "63", None),
        ("mead", "W009/contempt/level_3/001.m4a", "contemptuous", "W009", "female"),
        ("demos", "DEMOS/PR_m_67_tri04c.wav", "sad", "67", "male"),
        ("demos", "NEU/f_61_neu00a.wav", "neutral", "61", "female"),
        ("emofilm", "m_dis021bit.wav", "contemptuous", None, "male"),
        ("portuguese", "186sB_surprise28.wav", "surprised", "B", "female"),
        ("emouerj", "w04a11.wav", "angry", "w04", "female"),
        ("banglaser", "03-01-01-01-03-02-34.wav", "happy", "34", "female"),
        ("banglaser", "03-01-05-01-01-01-01.wav", "neutral", "01", "male"),
        ("vivae", "full_set/S05_anger_peak_041.wav", "angry", "S05", None),
        ("mess", "CM3T27_SCR.wav", "calm", "M3", "male"),
        ("jvnv", "F1_anger_free_01.wav", "angry", "F1", "female"),
    ],
)
def test_codes_mean_what_the_owners_say(
    name: str, file: str, emotion: str, speaker: str | None, gender: str | None, tmp_path: Path
) -> None:
    (row,) = corpora.load(name, plant(tmp_path, [file])).to_dict("records")
    assert row["emotion"] == emotion
    assert row["speaker"] == (speaker and f"{name}/{speaker}")
    assert row.get("gender") == gender


def listed(name: str, tmp_path: Path) -> dict[str, dict[str, Any]]:
    """The rows of a corpus's listing by file stem."""
    table = corpora.load(name, plant_listed(tmp_path / name, name))
    return {Path(row["file"]).stem: row for row in table.to_dict("records")}


def test_dusha_labels_are_the_raters_majority_and_their_votes_are_kept(tmp_path: Path) -> None:
    rows = listed("dusha", tmp_path)
    angry, sad = rows["0a1b2c3d4e5f60718293a4b5c6d7e8f9"], rows["4a1b2c3d4e5f60718293a4b5c6d7e8f9"]
    assert (angry["label"], angry["emotion"], angry["speaker"], angry["split"]) == (
        "angry",
        "angry",
        "dusha/11",
        "train",
    )
    assert (angry["p_angry"], angry["p_sad"], angry["agreement"]) == pytest.approx((2 / 3, 1 / 3, 2 / 3))
    assert (sad["emotion"], sad["split"]) == ("sad", "test")
    tied = rows["5a1b2c3d4e5f60718293a4b5c6d7e8f9"]
    assert pd.isna(tied["emotion"])
    assert tied["agreement"] == 0.5
    assert rows["1a1b2c3d4e5f60718293a4b5c6d7e8f9"]["emotion"] == "happy"
    assert pd.isna(rows["2a1b2c3d4e5f60718293a4b5c6d7e8f9"]["text"])


def test_dusha_leaves_out_the_tests_of_its_raters(tmp_path: Path) -> None:
    root = plant_listed(tmp_path, "dusha")
    path = root / "crowd_train" / "raw_crowd_train.jsonl"
    path.write_text(
        path.read_text(encoding="utf-8").replace('"golden_emo": ""', '"golden_emo": "sad"'), encoding="utf-8"
    )
    assert len(corpora.load("dusha", root)) == 3  # one vote with null, and the two of the test part
    path.write_text("{}\n")
    with pytest.raises(CorpusError, match=r"raw_crowd_train\.jsonl, line 1 isn't one of Dusha's"):
        corpora.load("dusha", root)


def test_thai_ser_splits_a_rater_s_vote_and_reads_one_microphone(tmp_path: Path) -> None:
    rows = listed("thai_ser", tmp_path)
    first = rows["s001_con_actor001_impro1_1"]
    assert (first["speaker"], first["gender"], first["age"]) == ("thai_ser/001", "female", 24)
    assert (first["p_neutral"], first["p_sad"]) == (0.875, 0.125)
    assert pd.isna(rows["s001_con_actor002_script1_1_1a"]["emotion"])  # no majority
    other = plant(tmp_path / "thai_ser", ["studio1-10/studio001/clip/s001_clip_actor001_impro1_1.flac"])
    assert len(corpora.load("thai_ser", other)) == len(rows)
    remark = only(corpora.check("thai_ser", other, audio=False), "remark")
    assert "1 recording without a label" in remark.message


def test_pavoque_utterances_have_times_in_one_recording_per_style(tmp_path: Path) -> None:
    table = corpora.load("pavoque", plant_listed(tmp_path, "pavoque"))
    angry = table[table["label"] == "angry"]
    assert list(angry["start"]) == [0.0, 31.02, 33.5]
    assert list(angry["end"]) == [1.58, 33.5, 37.25]
    assert list(angry["text"]) == [
        "Ich bin Spike.",
        "Als Interieur bezeichnet man:",
        "Danton war am zehnten Juli aus dem Ausschuss abberufen worden.",
    ]
    assert set(table["speaker"]) == {"pavoque/roettig"}
    (tmp_path / "pavoque-sad.yaml").unlink()
    assert set(corpora.load("pavoque", tmp_path)["label"]) == {"angry", "happy", "neutral", "poker"}
    (tmp_path / "pavoque-happy.yaml").write_text("- prompt: poppy0001\n  style: happy\n")
    with pytest.raises(CorpusError, match=r"doesn't give style, start and end of poppy0001"):
        corpora.load("pavoque", tmp_path)


def test_emns_needs_its_table_and_misses_what_it_lists(tmp_path: Path) -> None:
    rows = listed("emns", tmp_path)
    sad = rows["recorded_audio_3aCYrjz"]
    assert (sad["emotion"], sad["intensity"], sad["gender"], sad["speaker"]) == ("sad", "7", "female", "emns/3")
    assert sad["text"].startswith("There are two mechanisms")
    root = tmp_path / "emns"
    (root / "wavs" / "recorded_audio_3aCYrjz.webm").unlink()
    missing = [f for f in corpora.check("emns", root, audio=False) if f.kind == "missing"]
    assert any(f.files == ("recorded_audio_3aCYrjz",) for f in missing)
    (root / "metadata.csv").unlink()
    with pytest.raises(CorpusError, match=r"The labels of EMNS are in metadata\.csv, which isn't in"):
        corpora.load("emns", root)


def test_eesc_reads_both_kinds_of_textgrids(tmp_path: Path) -> None:
    rows = listed("eesc", tmp_path)
    assert (rows["13867"]["emotion"], rows["13867"]["text"]) == ("neutral", 'Ta ütles "ei".')
    assert (rows["121097"]["emotion"], rows["14111"]["emotion"]) == ("sad", "happy")
    (tmp_path / "eesc" / "375.TextGrid").write_text('"IntervalTier" "emotion" "viha"')
    with pytest.raises(CorpusError, match=r"The TextGrids in .* name viha; EESC"):
        corpora.load("eesc", tmp_path / "eesc")


def test_emofilm_and_thorsten_take_what_their_tables_add(tmp_path: Path) -> None:
    film = plant(tmp_path / "film", ["f_gio017aen_16k.wav", "m_ans014bes_16k.wav", "m_tri026aen.wav"])
    assert corpora.load("emofilm", film)["speaker"].isna().all()
    (film / "f_m_corpus_it_es_en_legend.csv").write_text(
        "file,speaker,film\nf_gio017aen,Anne  Hathaway,x\nm_ans014bes,???,Saw\n", encoding="utf-8"
    )
    table = corpora.load("emofilm", film)
    assert [None if pd.isna(who) else who for who in table["speaker"]] == ["emofilm/anne hathaway", None, None]
    assert list(table["language"]) == ["en", "es", "en"]
    voice = plant_listed(tmp_path / "voice", "thorsten")
    digest = "eeb7558b90c6c160afcdff23abddc315"
    assert set(corpora.load("thorsten", voice)["gender"]) == {"male"}
    (voice / "thorsten-emotional-metadata.csv").write_text(
        f"{digest}|Mist, wieder nichts geschafft.\n", encoding="utf-8"
    )
    table = corpora.load("thorsten", voice)
    said = table[table["file"].str.contains(digest)]
    assert list(said["label"]) == ["angry", "disgusted"]
    assert set(said["text"]) == {"Mist, wieder nichts geschafft."}


def test_casia_by_folders_and_by_name(tmp_path: Path) -> None:
    by_folder = corpora.load("casia", plant(tmp_path / "a", ["wangzhe/angry/201.wav", "ZhaoZuoxiang/sad/250.wav"]))
    by_name = corpora.load("casia", plant(tmp_path / "b", ["201-angry-wangzhe.wav", "250-sad-zhaozuoxiang.wav"]))
    for table in (by_folder, by_name):
        assert set(zip(table["speaker"], table["emotion"], strict=True)) == {
            ("casia/wangzhe", "angry"),
            ("casia/ZhaoZuoxiang", "sad"),
        }


def test_baved_levels_are_no_emotions(tmp_path: Path) -> None:
    table = corpora.load("baved", plant(tmp_path, ["2/55-m-16-2-0-778.wav", "2/50-F-5-2-2-599.wav"]))
    assert list(table["emotion"]) == ["high_emotion", "low_emotion"]
    assert list(table["age"]) == [5, 16]
    assert list(table["gender"]) == ["female", "male"]


def test_a_corpus_of_a_known_size_only_is_measured_by_it(tmp_path: Path) -> None:
    root = plant_listed(tmp_path, "vivae")
    (gap,) = [f for f in corpora.check("vivae", root, audio=False) if f.kind == "missing" and "utterances" in f.message]
    assert (gap.severity, gap.message) == ("warning", "39 utterances, where the corpus is said to have 1,085.")


# ---- wrong roots ----


def test_wrong_roots_are_told_apart(tmp_path: Path) -> None:
    song = plant(tmp_path / "song", ["Actor_01/03-02-01-01-01-01-01.wav"])
    crema = plant(tmp_path / "crema", ["1001_DFA_ANG_XX.wav", "1002_DFA_ANG_XX.wav", "other.wav"])
    foreign = plant(tmp_path / "foreign", ["a.wav", "b.wav"])
    packed = plant(tmp_path / "packed", ["Audio_Speech_Actors_01-24.zip"])
    for root, said in [
        (tmp_path / "nowhere", "There is no folder .*nowhere; .* ravdess=FOLDER"),
        (packed / "Audio_Speech_Actors_01-24.zip", "is a file, and ravdess is read from a folder: unpack it"),
        (packed, "holds no recordings but archives .*unpack them first"),
        (
            plant(tmp_path / "bare", ["notes.txt"]),
            "holds no recordings; ravdess has files such as Actor_12/03-01-06",
        ),
        (song, "isn't ravdess: this looks like ravdess_song .* Try ravdess_song="),
        (crema, "isn't ravdess: this looks like crema_d"),
        (foreign, "None of the 2 recordings .* expected names such as Actor_12/03-01-.*, found a.wav"),
    ]:
        with pytest.raises(CorpusError, match=said):
            corpora.load("ravdess", root)


def test_a_folder_that_cant_be_opened_is_not_passed_over(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    root = plant(tmp_path, ["a/03a01Fa.wav", "b/03a01Na.wav"])
    really = os.scandir

    def guarded(path: str) -> Any:
        if str(path).endswith("b"):
            raise PermissionError(13, "Permission denied", path)
        return really(path)

    monkeypatch.setattr(os, "scandir", guarded)
    with pytest.raises(CorpusError, match=r"The folder .*b can't be read: Permission denied"):
        corpora.load("emodb", root)


def test_a_label_map_that_misses_a_code_says_which(tmp_path: Path) -> None:
    root = plant(tmp_path, ["03a01Fa.wav", "03a01Xa.wav", "03a02Xa.wav"])
    with pytest.raises(CorpusError, match=r"label map of emodb knows W, L, .* 'X' \(2, such as 03a01Xa.wav\)"):
        corpora.load("emodb", root)


# ---- folder= ----


def test_a_folder_per_emotion_in_anyones_spelling(tmp_path: Path) -> None:
    root = plant(
        tmp_path,
        ["Angry/1.wav", "HAPPINESS/1.mp3", "fear/1.wav", "ps/1.wav", "03-Disgust/1.wav", "Smug/1.wav"],
    )
    table = corpora.load("folder", root)
    named = {"Angry": "angry", "HAPPINESS": "happy", "fear": "fearful", "ps": "surprised"}
    named |= {"03-Disgust": "disgusted", "Smug": "smug"}
    assert dict(zip(table["label"], table["emotion"], strict=True)) == named
    assert table["speaker"].isna().all()
    remark = only(corpora.check("folder", root, audio=False), "remark")
    assert "Smug" in remark.message


@pytest.mark.parametrize(
    "files",
    [
        ["anna/angry/1.wav", "anna/happy/1.wav", "ben/angry/1.wav"],
        ["angry/anna/1.wav", "happy/anna/1.wav", "angry/ben/1.wav"],
        ["archive/data/angry/anna/1.wav", "archive/data/happy/anna/1.wav", "archive/data/angry/ben/1.wav"],
    ],
)
def test_one_more_level_of_folders_is_the_speakers(files: list[str], tmp_path: Path) -> None:
    table = corpora.load("folder", plant(tmp_path, files))
    assert Counter(zip(table["speaker"], table["emotion"], strict=True)) == Counter(
        [("folder/anna", "angry"), ("folder/anna", "happy"), ("folder/ben", "angry")]
    )


def test_train_and_test_folders_are_splits(tmp_path: Path) -> None:
    table = corpora.load(
        "folder", plant(tmp_path, ["train/anna/sad/1.wav", "val/ben/sad/1.wav", "test/cleo/calm/1.wav"])
    )
    assert dict(zip(table["speaker"], table["split"], strict=True)) == {
        "folder/anna": "train",
        "folder/ben": "dev",
        "folder/cleo": "test",
    }


def test_folders_that_tell_nothing_are_refused(tmp_path: Path) -> None:
    for files, said in [
        ([], "holds no recordings"),
        (["1.wav", "2.wav"], r"named after an emotion \(found: no folders\)"),
        (["x/y/1.wav", "z/w/1.wav"], r"named after an emotion \(found: w, x, y, z\)"),
        (["a/b/sad/1.wav", "c/d/calm/1.wav"], "2 more levels .*only one can be the speaker"),
        (["Actor_01/03-01-01-01-01-01-01.wav"], "this looks like ravdess. Try ravdess="),
    ]:
        with pytest.raises(CorpusError, match=said):
            corpora.load("folder", plant(tmp_path / str(len(files)) / said[:3], files))


def test_a_recording_beside_the_emotion_folders_is_left_out_and_named(tmp_path: Path) -> None:
    root = plant(tmp_path, ["angry/1.wav", "sad/1.wav", "stray.wav"])
    assert len(corpora.load("folder", root)) == 2
    found = [f for f in corpora.check("folder", root, audio=False) if f.kind == "unknown"]
    assert [f.files for f in found] == [("stray.wav",)]


def test_words_for_emotions() -> None:
    assert {words.emotion_named(name) for name in EMOTIONS} == set(EMOTIONS)
    for word, emotion in [
        ("ANG", "angry"),
        ("Pleasant Surprise", "surprised"),
        (" Boredom ", "bored"),
        ("5_fear", "fearful"),
    ]:
        assert words.emotion_named(word) == emotion
        assert words.is_known(word)
    assert words.emotion_named("Excited") == "excited"  # never silently happy
    assert not words.is_known("smug")


# ---- table= ----


def write_table(folder: Path, text: str, *, name: str = "t.csv", files: Iterable[str] = ("a.wav", "b.wav")) -> Path:
    plant(folder, files)
    (folder / name).write_text(text, encoding="utf-8")
    return folder / name


def test_a_table_with_the_least_it_needs(tmp_path: Path) -> None:
    path = write_table(tmp_path, "file,emotion\nb.wav,Anger\na.wav,\n")
    table = corpora.load("table", path)
    assert tuple(table.columns) == corpora.COLUMNS
    assert list(table["file"]) == ["a.wav", "b.wav"]
    assert table["emotion"].tolist()[1] == "angry"
    assert table["emotion"].isna().tolist() == [True, False]
    assert table["label"].tolist()[1] == "Anger"
    assert table["speaker"].isna().all()
    assert corpora.audio_root("table", path) == tmp_path
    assert corpora.audio_root("ravdess", tmp_path) == tmp_path


def test_columns_pass_through_as_what_they_are(tmp_path: Path) -> None:
    text = (
        "file;start;end;label;emotion;speaker;gender;age;p_sad;p_happy;arousal;corpus;mood\n"
        "a.wav;0.5;1.5;03;joy;007;F;31;0.25;0.75;0.1;x;y\na.wav;1.5;;04;SAD;x/8;male;;;;;x;y\n"
    )
    path = write_table(tmp_path, "\ufeff" + text)
    first, second = corpora.load("table", path).to_dict("records")
    assert (first["start"], first["end"], first["label"], first["emotion"]) == (0.5, 1.5, "03", "happy")
    assert (first["speaker"], first["gender"], first["age"]) == ("table/007", "female", 31)
    assert (first["p_happy"], first["p_sad"], first["arousal"]) == (0.75, 0.25, 0.1)
    assert (second["start"], second["speaker"], second["emotion"]) == (1.5, "x/8", "sad")
    assert math.isnan(second["end"])
    assert first["corpus"] == "table"
    remark = only(corpora.check("table", path, audio=False), "remark")
    assert remark.message.startswith("Columns that aren't used: corpus, mood.")


def test_tsv_parquet_and_windows_paths(tmp_path: Path) -> None:
    pytest.importorskip("pyarrow")
    tsv = write_table(tmp_path, "file\tlabel\nsub\\a.wav\tsad\n", name="t.TSV", files=["sub/a.wav"])
    frame = pd.DataFrame({"file": [str(tmp_path.absolute() / "sub/a.wav")], "label": ["sad"], "age": [3]})
    frame.to_parquet(tmp_path / "t.parquet")
    for path in (tsv, tmp_path / "t.parquet"):
        table = corpora.load("table", path)
        assert table["file"].item() == "sub/a.wav"
        assert table["emotion"].item() == "sad"


@pytest.mark.parametrize(
    ("text", "said"),
    [
        (
            "path,emotion\na.wav,sad\n",
            r"lacks the column 'file'; it has 'path', 'emotion'. Rename 'path' to 'file'\?",
        ),
        (
            "Filename,Class\na.wav,sad\n",
            "lacks the columns 'file' and 'emotion'.*'Filename' to 'file' and 'Class' to",
        ),
        ("a,b\n1,2\n", "lacks the columns 'file' and 'emotion'; it has 'a', 'b'.$"),
        ("file,emotion\n", "has no rows"),
        ("file,file,emotion\na.wav,a.wav,sad\n", "more than one column 'file'"),
        ("file,emotion\na.wav,sad,happy\n", "line 2: 3 values for 2 columns"),
        ('file,emotion\n"a.wav,sad\n', "line 2: unexpected end of data"),
        ("file,emotion\na.wav,3\n", r"gives emotions as numbers \(3\); write their names"),
        ("file,emotion\na.wav,sad\nb.wav,sad\na.wav,calm\n", "lists these more than once: a.wav."),
        ("file,emotion,start,end\na.wav,sad,2,1\n", "row 1: start and end must be seconds.*not 2 and 1"),
        ("file,emotion,age\na.wav,sad,old\n", "row 1: age is 'old', which is no number"),
        (
            "file,emotion,p_sad,p_calm\na.wav,sad,1,1\n",
            "row 1: p_sad, p_calm must be fractions that sum to 1",
        ),
        ("file,emotion\n,sad\n", "row 1: there is no file"),
        ("file,emotion\nx/c.wav,sad\n", "None of the files .* exists. .*looked for .*c.wav"),
    ],
)
def test_tables_that_cant_be_meant(text: str, said: str, tmp_path: Path) -> None:
    with pytest.raises(CorpusError, match=said):
        corpora.load("table", write_table(tmp_path, text))


def test_tables_that_arent_one(tmp_path: Path) -> None:
    (tmp_path / "latin.csv").write_bytes("file,emotion\ncafé.wav,sad\n".encode("latin-1"))
    (tmp_path / "bad.parquet").write_bytes(b"not parquet")
    for path, said in [
        (tmp_path, "is a folder, and table= takes .* such as table=.*bad.parquet"),
        (tmp_path / "x.csv", "There is no file"),
        (tmp_path / "x.xlsx", r"takes a file ending in .csv, .tsv, .parquet"),
        (tmp_path / "latin.csv", "isn't UTF-8 text"),
        (tmp_path / "bad.parquet", "can't be read as Parquet"),
    ]:
        with pytest.raises(CorpusError, match=said):
            corpora.load("table", path)


# ---- several corpora ----


def test_tables_of_several_corpora_are_one(tmp_path: Path) -> None:
    emodb = plant(tmp_path / "emodb", ["03a01Fa.wav"])
    folder = plant(tmp_path / "mine", ["anna/sad/1.wav", "ben/calm/1.wav"])
    table = corpora.read({"emodb": emodb, "folder": folder, "crema_d": crema_d(tmp_path / "crema_d")})
    assert list(table["corpus"]) == ["emodb", "folder", "folder", "crema_d", "crema_d"]
    assert list(table.index) == [0, 1, 2, 3, 4]
    assert tuple(table.columns[:7]) == corpora.COLUMNS
    assert list(table.columns[7:13]) == ["gender", "age", "language", "text", "intensity", "agreement"]
    with pytest.raises(ConfigError, match="No corpus is given"):
        corpora.read({})


# ---- checks by name ----


def small_emodb(root: Path, rng: np.random.Generator) -> Path:
    return record_all(root, ["wav/03a01Fa.wav", "wav/03a01Nc.wav", "wav/08a01Fd.wav"], rng)


def test_absent_speakers_are_told_in_one_line_and_other_gaps_by_name(tmp_path: Path) -> None:
    files = [f for f in listing("crema_d") if not f.startswith(("AudioWAV/1076", "AudioWAV/109", "AudioWAV/1080"))]
    files.remove("AudioWAV/1001_DFA_ANG_XX.wav")
    missing = [f for f in corpora.check("crema_d", plant(tmp_path, files), audio=False) if f.kind == "missing"]
    assert missing[0].message == "4 of 91 speakers absent: 1076, 1080, 1090–1091 (327 utterances)."
    assert missing[1].message == "1 of 7,442 utterances of the other speakers missing: 1001_DFA_ANG_XX."
    assert {f.severity for f in missing} == {"error"}


def test_without_a_plan_gaps_are_counted(tmp_path: Path) -> None:
    files = [f for f in listing("emodb") if "/03" not in f] + ["wav/08a01Fz.wav"]
    said = [f.message for f in corpora.check("emodb", plant(tmp_path, files), audio=False) if f.kind == "missing"]
    assert "14 of 127 utterances labelled W (angry) missing." in said
    assert "9 speakers, where the corpus has 10." in said


def test_names_outside_the_design_are_reported(tmp_path: Path) -> None:
    root = plant(tmp_path, [*listing("ravdess"), "Actor_01/03-01-01-02-01-01-01.wav"])  # neutral isn't strong
    unknown = only(corpora.check("ravdess", root, audio=False), "unknown")
    assert unknown.files == ("Actor_01/03-01-01-02-01-01-01.wav",)


def test_a_file_in_the_wrong_folder_is_mislabelled(tmp_path: Path) -> None:
    root = plant(tmp_path / "r", ["Actor_02/03-01-03-01-01-01-01.wav", "Actor_01/03-01-03-01-01-02-01.wav"])
    assert only(corpora.check("ravdess", root, audio=False), "mislabelled").files == (
        "Actor_02/03-01-03-01-01-01-01.wav",
    )
    root = plant(tmp_path / "u", ["Happy/SM5_F63_A091.wav", "Sad/SM6_F2_S098.wav"])
    assert only(corpora.check("urdu", root, audio=False), "mislabelled").files == ("Happy/SM5_F63_A091.wav",)


def test_doubled_names_same_copy_other_content_other_format(tmp_path: Path, rng: np.random.Generator) -> None:
    root = small_emodb(tmp_path, rng)
    for name in ("03a01Fa.wav", "03a01Nc.wav"):
        (root / "more").mkdir(exist_ok=True)
        (root / "more" / name).write_bytes((root / "wav" / name).read_bytes())
    record(root / "more" / "03a01Nc.wav", rng)
    plant(root, ["mp3/08a01Fd.mp3"])
    doubled = {f.severity: f for f in corpora.check("emodb", root, audio=False) if f.kind == "repeated"}
    assert doubled["warning"].files == ("wav/03a01Fa.wav",)  # of two at one depth the first is read
    assert doubled["error"].files == ("wav/03a01Nc.wav",)
    assert doubled["note"].files == ("mp3/08a01Fd.mp3",)


def test_another_corpus_beside_this_one_is_a_note(tmp_path: Path) -> None:
    root = plant(tmp_path, ["03a01Fa.wav", "1001_DFA_ANG_XX.wav", "what.wav"])
    (note,) = [f for f in corpora.check("emodb", root, audio=False) if f.kind == "unknown"]
    assert (note.severity, "crema_d" in note.message) == ("note", True)
    (root / "1001_DFA_ANG_XX.wav").unlink()
    (warning,) = [f for f in corpora.check("emodb", root, audio=False) if f.kind == "unknown"]
    assert (warning.severity, warning.files) == ("warning", ("what.wav",))


def test_speakers_unknown_confounded_or_alone(tmp_path: Path) -> None:
    unknown = only(corpora.check("folder", plant(tmp_path / "a", ["sad/1.wav", "calm/1.wav"]), audio=False), "speakers")
    assert "No speakers are known" in unknown.message
    assert "no score on unseen speakers is possible" in unknown.message
    confounded = corpora.check("urdu", plant(tmp_path / "u", listing("urdu")), audio=False)
    assert only(confounded, "confounded").message.startswith("26 of 29 speakers have one emotion only")
    files = ["anna/sad/1.wav", "anna/calm/1.wav", "ben/sad/1.wav"]
    alone = only(corpora.check("folder", plant(tmp_path / "f", files), audio=False), "speakers")
    assert alone.message.startswith("Only one speaker has calm")


def test_git_lfs_pointers_and_empty_files(tmp_path: Path, rng: np.random.Generator) -> None:
    root = small_emodb(tmp_path, rng)
    (root / "wav/03a01Fa.wav").write_bytes(b"version https://git-lfs.github.com/spec/v1\noid sha256:0\nsize 1\n")
    (root / "wav/03a01Nc.wav").write_bytes(b"")
    for audio in (True, False):
        findings = corpora.check("emodb", root, audio=audio)
        assert only(findings, "pointer").files == ("wav/03a01Fa.wav",)
        assert only(findings, "unreadable").files == ("wav/03a01Nc.wav",)


def test_files_a_table_lists_in_vain(tmp_path: Path) -> None:
    path = write_table(tmp_path, "file,emotion\na.wav,sad\nc.wav,calm\n")
    assert only(corpora.check("table", path, audio=False), "missing").files == ("c.wav",)


# ---- checks by ear ----


def test_one_recording_under_two_names_and_labels(tmp_path: Path, rng: np.random.Generator) -> None:
    root = small_emodb(tmp_path, rng)
    samples, rate = soundfile.read(root / "wav/03a01Fa.wav", dtype="int16")
    soundfile.write(root / "wav/08a02Wa.flac", samples, rate)
    identical = only(corpora.check("emodb", root), "identical")
    assert identical.severity == "error"
    assert identical.files == ("wav/03a01Fa.wav", "wav/08a02Wa.flac")
    assert "with different labels" in identical.message
    # bytes alone can't tell a FLAC copy, but do tell a plain one
    assert "identical" not in {f.kind for f in corpora.check("emodb", root, audio=False)}
    (root / "wav/08a02Fa.wav").write_bytes((root / "wav/08a01Fd.wav").read_bytes())
    plain = only(corpora.check("emodb", root, audio=False), "identical")
    assert (plain.severity, plain.files) == ("warning", ("wav/08a01Fd.wav", "wav/08a02Fa.wav"))


@pytest.mark.parametrize(
    ("name", "first", "second"),
    [
        ("ravdess", "Actor_07/03-01-03-01-02-01-07.wav", "Actor_07/03-01-03-01-02-02-07.wav"),
        ("crema_d", "1006_TIE_HAP_XX.wav", "1006_TIE_NEU_XX.wav"),  # even with different labels
    ],
)
def test_a_known_fault_is_a_warning(
    name: str, first: str, second: str, tmp_path: Path, rng: np.random.Generator
) -> None:
    record(tmp_path / first, rng)
    (tmp_path / second).write_bytes((tmp_path / first).read_bytes())
    for audio in (True, False):
        known = only(corpora.check(name, tmp_path, audio=audio), "identical")
        assert (known.severity, known.files) == ("warning", (first, second))
        assert "known fault" in known.message


def test_silences_are_silent_but_not_copies_of_each_other(tmp_path: Path) -> None:
    for name in ("03a01Fa", "03a01Nc"):
        soundfile.write(tmp_path / f"{name}.wav", np.zeros(32_000), 16_000)
    findings = corpora.check("emodb", tmp_path)
    assert only(findings, "silent").files == ("03a01Fa.wav", "03a01Nc.wav")
    assert "identical" not in {finding.kind for finding in findings}


def test_many_identical_recordings_are_told_at_once(tmp_path: Path, rng: np.random.Generator) -> None:
    for n in range(12):
        record(tmp_path / f"sad/{n}.wav", rng)
        (tmp_path / "calm").mkdir(exist_ok=True)
        (tmp_path / f"calm/{n}.wav").write_bytes((tmp_path / f"sad/{n}.wav").read_bytes())
    identical = only(corpora.check("folder", tmp_path), "identical")
    assert len(identical.files) == 24
    assert identical.message.startswith("12 recordings appear under several names with different labels")


def test_levels_rates_channels_and_unreadable_files(tmp_path: Path, rng: np.random.Generator) -> None:
    for n in range(6):
        record(tmp_path / f"sad/{n}.wav", rng)
    soundfile.write(tmp_path / "sad/silent.wav", np.zeros(8000), 16_000)
    soundfile.write(tmp_path / "sad/clipped.wav", np.clip(rng.normal(size=8000), -1, 1), 16_000)
    record(tmp_path / "sad/high.wav", rng, rate=44_100)
    record(tmp_path / "sad/stereo.wav", rng, channels=2)
    (tmp_path / "sad/text.wav").write_text("this is no recording\n" * 100)
    findings = corpora.check("folder", tmp_path)
    for kind, severity, file in [
        ("silent", "error", "silent"),
        ("clipped", "warning", "clipped"),
        ("rate", "warning", "high"),
        ("channels", "warning", "stereo"),
        ("unreadable", "error", "text"),
    ]:
        found = only(findings, kind)
        assert (found.severity, found.files) == (severity, (f"sad/{file}.wav",))
    assert "44.1 kHz, the others 16 kHz" in only(findings, "rate").message
    assert "stereo, the others mono" in only(findings, "channels").message
    order = [finding.severity for finding in findings]
    assert order == sorted(order, key=["error", "warning", "note"].index)


def test_odd_durations_and_a_copy_cut_to_one_length(tmp_path: Path, rng: np.random.Generator) -> None:
    for n in range(10):
        record(tmp_path / f"cut/03a0{n}Fa.wav", rng, seconds=2.0)
        record(tmp_path / f"odd/0{n}a01Fa.wav", rng, seconds=1.5 + n / 10)
    record(tmp_path / "odd/16b10Wa.wav", rng, seconds=12)
    cut = [f for f in corpora.check("emodb", tmp_path / "cut") if f.kind == "duration"]
    assert [(f.severity, f.message) for f in cut] == [
        ("error", "10 of 10 last exactly 2.000 s: they were cut or padded.")
    ]
    odd = only(corpora.check("emodb", tmp_path / "odd"), "duration")
    assert odd.files == ("16b10Wa.wav",)
    assert "(12.00 s)" in odd.message


def test_parts_of_a_recording_are_checked_as_parts(tmp_path: Path, rng: np.random.Generator) -> None:
    samples = rng.normal(scale=0.05, size=32_000)
    samples[16_000:] = 0
    soundfile.write(tmp_path / "a.wav", samples, 16_000, subtype="PCM_16")
    path = write_table(tmp_path, "file,start,end,emotion\na.wav,0,1,sad\na.wav,1,2,calm\n", files=())
    assert only(corpora.check("table", path), "silent").files == ("a.wav",)
    assert "identical" not in {f.kind for f in corpora.check("table", path)}


def test_resampled_and_lossy_copies_are_noted(tmp_path: Path, rng: np.random.Generator) -> None:
    (tmp_path / "Actor_01").mkdir()
    for a, b in itertools.product(("01", "02"), repeat=2):
        path = tmp_path / f"Actor_01/03-01-01-01-{a}-{b}-01.ogg"
        soundfile.write(path, rng.normal(scale=0.05, size=48_000), 16_000, format="OGG", subtype="OPUS")
    notes = {f.kind: f.message for f in corpora.check("ravdess", tmp_path) if f.severity == "note"}
    assert notes["rate"] == "This copy is at 16 kHz, the published corpus at 48 kHz."
    assert "lossy (.ogg)" in notes["lossy"]


def test_progress_counts_to_the_end(tmp_path: Path, rng: np.random.Generator) -> None:
    seen: list[tuple[int, int]] = []
    corpora.check("emodb", small_emodb(tmp_path, rng), progress=lambda done, total: seen.append((done, total)))
    assert seen == [(1, 3), (2, 3), (3, 3)]


def test_short_lists_and_runs() -> None:
    assert several("abcd") == "a, b, c, d"
    assert several("abcdef") == "a, b, c and 3 more"
    assert runs(["1003", "1001", "1002", "1009"]) == "1001–1003, 1009"
    assert runs(["DC", "KL"]) == "DC, KL"


# ---- real recordings ----


@pytest.mark.corpus
@pytest.mark.parametrize(
    ("name", "n_utterances", "n_speakers", "n_emotions"),
    [
        ("ravdess", 1440, 24, 8),
        ("ravdess_song", 1012, 23, 6),
        ("crema_d", 6131, 75, 6),
        ("emodb", 535, 10, 7),
        ("nemo", 4481, 9, 6),
    ],
)
def test_real_corpora(data: Path, name: str, n_utterances: int, n_speakers: int, n_emotions: int) -> None:
    if not (data / name).is_dir():
        pytest.skip(f"no {name} in {data}")
    table = corpora.load(name, data / name)
    assert len(table) == n_utterances
    assert table["speaker"].nunique() == n_speakers
    assert table["emotion"].nunique() == n_emotions
    assert table["file"].is_unique
    assert not table.drop(columns="end").isna().any(axis=None)
    assert all((corpora.audio_root(name, data / name) / file).is_file() for file in table["file"])
    if name != "crema_d":
        assert table["label"].value_counts().to_dict() == dict(corpora.get(name).counts)
    assert set(table["gender"]) == {"female", "male"}


@pytest.mark.corpus
def test_real_votes_by_voice_alone(data: Path) -> None:
    table = corpora.load("crema_d", data / "crema_d")
    votes = table[[column for column in table if column.startswith("p_")]]
    assert np.allclose(votes.sum(axis=1), 1)
    assert np.allclose(votes.max(axis=1), table["agreement"])
    meant = votes.to_numpy()[np.arange(len(table)), [votes.columns.get_loc(f"p_{e}") for e in table["emotion"]]]
    assert 0.38 < meant.mean() < 0.42  # published: 40.0 % of all responses
    assert (votes.idxmax(axis=1) == "p_neutral").mean() > 0.5
    assert table["age"].between(20, 74).all()


@pytest.mark.corpus
def test_real_faults_of_ravdess_are_found(data: Path) -> None:
    findings = corpora.check("ravdess", data / "ravdess")
    assert only(findings, "identical").files == (
        "Actor_07/03-01-03-01-02-01-07.flac",
        "Actor_07/03-01-03-01-02-02-07.flac",
    )
    assert not [finding for finding in findings if finding.severity == "error"]


@pytest.mark.corpus
def test_real_faults_of_crema_d_are_found(data: Path, tmp_path: Path) -> None:
    # the actors of the three known pairs only: listening to all 6,131 takes most of a minute
    (tmp_path / "AudioWAV").mkdir()
    for path in (data / "crema_d" / "AudioWAV").iterdir():
        if path.name.startswith(("1006", "1013", "1017")):
            (tmp_path / "AudioWAV" / path.name).symlink_to(path)
    findings = corpora.check("crema_d", tmp_path)
    pairs = {tuple(Path(file).stem for file in f.files) for f in findings if f.kind == "identical"}
    assert pairs == {
        ("1006_TIE_HAP_XX", "1006_TIE_NEU_XX"),
        ("1013_WSI_DIS_XX", "1013_WSI_SAD_XX"),
        ("1017_IWW_ANG_XX", "1017_IWW_FEA_XX"),
    }
    assert all("different labels, a known fault" in f.message for f in findings if f.kind == "identical")
    whole: Any = corpora.check("crema_d", data / "crema_d", audio=False)
    assert only(whole, "missing").message == "16 of 91 speakers absent: 1076–1091 (1,311 utterances)."
