"""Labels, people and votes from tables beside the recordings: the helpers, and the corpora that live by them."""

from __future__ import annotations

import math
from pathlib import Path
from typing import Any

import pytest

from emotone import corpora
from emotone.corpora.side_tables import read_lines, read_rows, shares
from emotone.errors import CorpusError

pytest.importorskip("pandas")

LISTINGS = Path(__file__).parent / "listings"


def planted(root: Path, name: str) -> Path:
    """The side tables of a listing, and the recordings that its lines without braces or with one pair stand for."""
    target: Path | None = None
    for line in (LISTINGS / f"{name}.txt").read_text("utf-8").splitlines():
        if line.startswith("@ "):
            target = root / line[2:]
            target.parent.mkdir(parents=True, exist_ok=True)
            target.write_text("", "utf-8")
        elif line.startswith("| ") and target is not None:
            with target.open("a", encoding="utf-8") as table:
                table.write(line[2:] + "\n")
        elif line and not line.startswith("#"):
            for file in expanded(line):
                (root / file).parent.mkdir(parents=True, exist_ok=True)
                (root / file).touch()
    return root


def expanded(line: str) -> list[str]:
    before, brace, rest = line.partition("{")
    if not brace:
        return [line]
    inside, _, after = rest.partition("}")
    if ".." in inside:
        first, last = inside.split("..")
        return [f"{before}{n}{after}" for n in range(int(first), int(last) + 1)]
    return [f"{before}{each}{after}" for each in inside.split(",")]


def row(name: str, root: Path, ending: str) -> dict[str, Any]:
    (found,) = [each for each in corpora.load(name, root).to_dict("records") if each["file"].endswith(ending)]
    return found


# ---- helpers ----


def test_votes_become_fractions_of_raters() -> None:
    votes = shares([("sad",), ("sad",), ("sad", "happy"), ("smug",)], ["happy", "sad", "angry"])
    assert votes == {"p_happy": 0.5 / 3, "p_sad": 2.5 / 3, "p_angry": 0.0, "agreement": 2.5 / 3}
    assert shares([("smug",), ()], ["happy"]) == {}
    assert shares([], ["happy"]) == {}


def test_tables_are_read_in_either_encoding_and_with_blanks_cut(tmp_path: Path) -> None:
    (tmp_path / "a.csv").write_bytes("name,said\nx , it’s\n".encode("cp1252"))
    (tmp_path / "b.csv").write_text("\ufeffname;said\ny;è\n", "utf-8")
    assert read_rows(tmp_path, "a.csv", ["name"], title="A") == [{"name": "x", "said": "it’s"}]
    assert read_rows(tmp_path, "b.csv", ["name", "said"], title="B", delimiter=";") == [{"name": "y", "said": "è"}]
    assert read_rows(tmp_path, "c.csv", ["name"], title="C") == []
    assert read_lines(tmp_path / "a.csv")[0] == "name,said"


@pytest.mark.parametrize("text", ["", "name,sad\nx,1\n", "name,said\nx\n"])
def test_a_table_without_its_columns_is_named(text: str, tmp_path: Path) -> None:
    (tmp_path / "a.csv").write_text(text, "utf-8")
    with pytest.raises(CorpusError, match=r"a.csv lacks Abc's columns name, said; fetch it again or remove it"):
        read_rows(tmp_path, "a.csv", ["name", "said"], title="Abc")


@pytest.mark.parametrize(
    ("name", "file", "table"),
    [
        ("iemocap", "Ses01F_impro01_F000.wav", r"Session\*/dialog/EmoEvaluation/\*.txt"),
        ("meld", "train_splits/dia0_utt0.mp4", "train_sent_emo.csv"),
        ("msp_podcast", "MSP-PODCAST_0001_0008.wav", "Labels/labels_consensus.csv"),
        ("msp_improv", "MSP-IMPROV-S01A-F01-P-FM01.wav", "Evalution.txt"),
        ("emozionalmente", "1613655062436.wav", "metadata/samples.csv"),
    ],
)
def test_without_the_labels_no_table_but_where_to_look(name: str, file: str, table: str, tmp_path: Path) -> None:
    (tmp_path / file).parent.mkdir(exist_ok=True)
    (tmp_path / file).touch()
    title = corpora.get(name).title
    with pytest.raises(CorpusError, match=rf"The labels of {title} are in {table}.*, which isn't in .* both"):
        corpora.load(name, tmp_path)
    with pytest.raises(CorpusError, match="There is no folder"):
        corpora.load(name, tmp_path / "nowhere")


def test_recordings_that_the_table_lacks_are_left_out_and_named(tmp_path: Path) -> None:
    root = planted(tmp_path, "emozionalmente")
    (root / "emozionalmente_dataset/audio/1600000000000.wav").touch()
    assert len(corpora.load("emozionalmente", root)) == 7
    said = [f.message for f in corpora.check("emozionalmente", root, audio=False) if f.kind == "remark"]
    assert said == [
        "1 recording without a label in Emozionalmente's table left out: "
        "emozionalmente_dataset/audio/1600000000000.wav."
    ]
    for file in root.rglob("16[1-9]*.wav"):
        file.unlink()
    with pytest.raises(CorpusError, match=r"None of the 1 recordings of Emozionalmente .* is in its table of labels"):
        corpora.load("emozionalmente", root)


# ---- IEMOCAP ----


def test_the_speaker_of_iemocap_is_that_of_the_turn(tmp_path: Path) -> None:
    root = planted(tmp_path, "iemocap")
    man = row("iemocap", root, "Ses01F_impro01_M000.wav")  # the front of the name says F
    assert (man["speaker"], man["gender"]) == ("iemocap/Ses01M", "male")
    woman = row("iemocap", root, "Ses05M_script01_1b_F000.wav")
    assert (woman["speaker"], woman["gender"]) == ("iemocap/Ses05F", "female")
    sessions = corpora.get("iemocap").official["official"].test_sessions
    table = corpora.load("iemocap", root)
    assert table["speaker"].str.startswith(tuple(each for fold in sessions for each in fold)).all()


def test_iemocap_has_dimensions_words_and_the_votes_of_others_only(tmp_path: Path) -> None:
    first = row("iemocap", planted(tmp_path, "iemocap"), "Ses01F_impro01_F001.wav")
    assert (first["label"], first["emotion"]) == ("hap", "happy")
    assert (first["valence"], first["arousal"], first["dominance"]) == (2.5, 2.0, 3.5)  # the file's order is V, A, D
    # three raters, one of whom chose two emotions; the actor's own "Fear" doesn't count
    assert first["p_happy"] == pytest.approx(2.5 / 3)
    assert first["p_angry"] == pytest.approx(0.5 / 3)
    assert first["p_fearful"] == 0
    assert first["agreement"] == pytest.approx(2.5 / 3)
    assert row("iemocap", tmp_path, "Ses01F_impro01_F000.wav")["text"] == "Excuse me."
    assert row("iemocap", tmp_path, "Ses01F_impro01_F004.wav")["p_neutral"] == pytest.approx(2.5 / 3)  # neutral state
    assert row("iemocap", tmp_path, "Ses01F_impro01_M004.wav")["emotion"] == "no_agreement"


def test_whole_dialogues_of_iemocap_are_no_strangers(tmp_path: Path) -> None:
    root = planted(tmp_path, "iemocap")
    (root / "Session1/dialog/wav").mkdir()
    (root / "Session1/dialog/wav/Ses01F_impro01.wav").touch()
    assert "unknown" not in {finding.kind for finding in corpora.check("iemocap", root, audio=False)}


def test_happy_and_excited_stay_apart_until_four_classes_are_asked_for(tmp_path: Path) -> None:
    from emotone.labels import harmonise

    four = harmonise(corpora.load("iemocap", planted(tmp_path, "iemocap")), "four")
    assert four.merged == {"excited -> happy": 1}
    assert four.dropped["no_agreement"] == 1


# ---- MELD ----


def test_meld_keeps_equal_numbers_of_its_parts_apart(tmp_path: Path) -> None:
    root = planted(tmp_path, "meld")
    table = corpora.load("meld", root).set_index("file")
    assert table.loc["train_splits/dia0_utt0.mp4", ["speaker", "emotion", "split"]].tolist() == [
        "meld/Chandler",
        "neutral",
        "train",
    ]
    assert table.loc["dev_splits_complete/dia0_utt0.mp4", ["speaker", "emotion", "split"]].tolist() == [
        "meld/Phoebe",
        "fearful",
        "dev",
    ]
    assert table["split"].value_counts().to_dict() == {"train": 4, "test": 3, "dev": 2}


def test_meld_in_one_folder_and_its_duplicates(tmp_path: Path) -> None:
    root = planted(tmp_path, "meld")
    folder = root / "output_repeated_splits_test"
    (folder / "final_videos_testdia0_utt0.mp4").touch()
    assert len(corpora.load("meld", root)) == 9
    for file in folder.glob("dia0_utt*.mp4"):
        file.rename(root / f"test_{file.name}")
    assert corpora.load("meld", root)["split"].value_counts()["test"] == 3


def test_words_from_windows_are_read(tmp_path: Path) -> None:
    root = planted(tmp_path, "meld")
    table = root / "train_sent_emo.csv"
    table.write_bytes(table.read_text("utf-8").replace("You must've", "You must\u2019ve").encode("cp1252"))
    assert row("meld", root, "train_splits/dia0_utt1.mp4")["text"] == "You must’ve had your hands full."


# ---- MSP ----


def test_msp_podcast_parts_dimensions_speakers_and_votes(tmp_path: Path) -> None:
    root = planted(tmp_path, "msp_podcast")
    table = corpora.load("msp_podcast", root)
    assert set(table["split"]) == {"train", "dev", "test1", "test2"}
    assert table["speaker"].isna().sum() == 1  # the owners don't know who it is
    assert table["gender"].isna().sum() == 1
    first = row("msp_podcast", root, "0001_0008.wav")
    assert (first["arousal"], first["valence"], first["dominance"]) == (2.0, 6.0, 4.2)
    assert (first["p_neutral"], first["p_happy"], first["p_other"]) == (0.5, 0.25, 0.25)
    assert row("msp_podcast", root, "0001_0019.wav")["p_contemptuous"] == 1
    assert math.isnan(row("msp_podcast", root, "0001_0023.wav")["agreement"])
    warning = [f for f in corpora.check("msp_podcast", root, audio=False) if f.kind == "speakers"]
    assert warning[0].message.startswith("1 of 10 utterances have no speaker")


def test_msp_improv_labels_are_what_was_heard(tmp_path: Path) -> None:
    root = planted(tmp_path, "msp_improv")
    happy = row("msp_improv", root, "S01A-F01-P-MF02.wav")  # the scene was written for anger
    assert (happy["emotion"], happy["speaker"], happy["gender"]) == ("happy", "msp_improv/F01", "female")
    assert (happy["arousal"], happy["valence"], happy["dominance"]) == (3.0, 3.5, 2.5)
    assert (happy["p_neutral"], happy["p_angry"], happy["p_other"]) == (0.25, 0.5, 0.25)
    assert math.isnan(row("msp_improv", root, "S20N-M06-S-MM03.wav")["dominance"])
    (root / "Evalution.txt").rename(root / "Evaluation.txt")  # some copies mend the owners' spelling
    assert len(corpora.load("msp_improv", root)) == 6


# ---- Emozionalmente and ESD ----


def test_emozionalmente_people_sentences_and_votes(tmp_path: Path) -> None:
    root = planted(tmp_path, "emozionalmente")
    first = row("emozionalmente", root, "1613655062436.wav")
    assert (first["speaker"], first["gender"], first["age"]) == ("emozionalmente/user0", "female", 31)
    assert (first["emotion"], first["text"]) == ("neutral", "Gli operai si alzano presto")
    assert (first["p_neutral"], first["p_sad"], first["p_angry"], first["agreement"]) == (0.6, 0.2, 0.2, 0.6)
    other = row("emozionalmente", root, "1613063132088.wav")
    assert math.isnan(other["gender"])
    assert math.isnan(other["age"])
    assert math.isnan(other["agreement"])


@pytest.mark.parametrize("encoding", ["utf-8", "utf-16", "gb18030", "latin-1"])
def test_esd_sentences_in_every_encoding(encoding: str, tmp_path: Path) -> None:
    speaker, said = ("0001", "打远一看,它们的确很是美丽。") if encoding != "latin-1" else ("0011", "Olé says the café.")
    folder = tmp_path / speaker / "Neutral" / "evaluation"
    folder.mkdir(parents=True)
    (folder / f"{speaker}_000001.wav").touch()
    lines = f"{speaker}_000001\t{said}\tNeutral\r\n\r\n{speaker}_000002 {said}\r\n"
    (tmp_path / speaker / f"{speaker}.txt").write_bytes(lines.encode(encoding))
    (found,) = corpora.load("esd", tmp_path).to_dict("records")
    assert found["text"] == said
    assert (found["split"], found["language"]) == ("dev", "zh" if speaker == "0001" else "en")


# ---- oddities of names ----


@pytest.mark.parametrize(
    ("name", "file", "speaker", "emotion"),
    [
        ("enterface", "subject 11/anger/sentence 1/s12_an_1.avi", "11", "angry"),
        ("enterface", "subject 6/surprise/s6_su_2.avi", "6", "surprised"),
        ("enterface", "s_3_fe_1.wav", "3", "fearful"),
        ("aesdd", "fear/f10 (01).wav", "1", "fearful"),
        ("aesdd", "sadness/s01 (5)b.wav", "5", "sad"),
        ("subesco", "F_02_MONIKA_S_2_SURPRISE_3].wav", "F_02", "surprised"),
        ("ased", "04Sad/S4-04-02-01-29.wav", "29", "sad"),
        ("emov_db", "sam/Disgusted/disgust_1-28_0003.wav", "sam", "disgusted"),
        ("esd", "0020/Surprise/train/0020_001500.wav", "0020", "surprised"),
        ("shemo", "F09F02.wav", "F09", "fearful"),
        ("oreau", "m/sesss/07z03Sa.wav", "07", "surprised"),
    ],
)
def test_oddly_named_recordings_are_whose_they_are(
    name: str, file: str, speaker: str, emotion: str, tmp_path: Path
) -> None:
    (tmp_path / file).parent.mkdir(parents=True, exist_ok=True)
    (tmp_path / file).touch()
    (found,) = corpora.load(name, tmp_path).to_dict("records")
    assert (found["speaker"], found["emotion"]) == (f"{name}/{speaker}", emotion)


def test_mesd_has_no_speakers_and_says_so(tmp_path: Path) -> None:
    for file in ("Anger_F_B_abajo.wav", "Fear_C_A_por_favor.wav"):
        (tmp_path / file).touch()
    table = corpora.load("mesd", tmp_path)
    assert table["speaker"].isna().all()
    assert table["gender"].isna().tolist() == [False, True]  # a child
    assert table["text"].tolist() == ["abajo", "por_favor"]
    said = [f.message for f in corpora.check("mesd", tmp_path, audio=False) if f.kind == "speakers"]
    assert said[0].startswith("No speakers are known")
