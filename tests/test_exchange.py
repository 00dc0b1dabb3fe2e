"""Corpora out to audformat, Hugging Face datasets, CSV and Parquet, and in again; read by those libraries too."""

from __future__ import annotations

import json
import math
import os
import socket
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import soundfile

from emotone import corpora
from emotone.corpora.exchange import FORMS
from emotone.errors import ConfigError, CorpusError

pd = pytest.importorskip("pandas")
pytest.importorskip("pyarrow")

# audformat's own code, on the newest pandas.
pytestmark = pytest.mark.filterwarnings("ignore:The inplace keyword")

READERS = {"audformat": "audformat", "datasets": "datasets", "csv": "table", "parquet": "table"}


@pytest.fixture(autouse=True)
def offline(monkeypatch: pytest.MonkeyPatch) -> None:
    """Nothing here may ask the network."""

    def refuse(*arguments: object) -> None:
        raise AssertionError(f"a connection to {arguments[1:]}")

    monkeypatch.setattr(socket.socket, "connect", refuse)
    monkeypatch.setattr(socket, "getaddrinfo", refuse)


def record(path: Path, rng: np.random.Generator) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    soundfile.write(path, rng.normal(scale=0.05, size=400), 16_000, subtype="PCM_16")


# ---- any table, out and in again ----


def any_table(folder: Path, rng: np.random.Generator, *, segmented: bool, missing: bool) -> Path:
    """A table of a random make-up, as ``table=`` reads it, with its recordings; its path."""
    n = int(rng.integers(1, 30))
    files = [f"d{i % 3}/clip {i}.wav" for i in range(n)]
    for file in files:
        record(folder / file, rng)
    speakers = [f"a/{i}" if i % 2 else f"{i}" for i in rng.integers(0, 4, n)]
    emotions = list(rng.choice(["angry", "neutral", "bored", "odd one"], n))
    columns: dict[str, list[Any]] = {"file": files, "emotion": emotions, "speaker": speakers}
    columns["label"] = [f"0{len(emotion)}" for emotion in emotions]
    optional: dict[str, list[Any]] = {
        "gender": ["female" if speaker[-1] in "02" else "male" for speaker in speakers],
        "age": list(rng.integers(5, 90, n).astype(float)),
        "language": list(rng.choice(["en", "de"], n)),
        "text": list(rng.choice(["NA", "Ja, „nein“;\tdoch", "line\nbreak", "007", "null"], n)),
        "intensity": list(rng.choice(["low", "2"], n)),
        "split": list(rng.choice([["train", "dev", "test-1", "test"], ["fold a", "train"]][rng.integers(2)], n)),
        "arousal": list(rng.normal(size=n)),
        "agreement": list(rng.random(n)),
    }
    columns |= {name: values for name, values in optional.items() if rng.random() < 0.6}
    if rng.random() < 0.5:
        shares = rng.dirichlet(np.ones(3), n)
        columns |= {f"p_{name}": list(shares[:, i]) for i, name in enumerate(("angry", "neutral", "bored"))}
    if segmented:  # every recording twice
        columns = {name: [*values, *values] for name, values in columns.items()}
        columns["start"] = [0.0] * n + [0.01] * n
        columns["end"] = [0.01] * n + [math.nan] * n
    table = pd.DataFrame(columns)
    if missing:
        for column in table.columns.difference(["file", "start", "end", "emotion", "label"]):
            gone = rng.random(len(table)) < 0.3
            group = [column] if not column.startswith("p_") else [c for c in table if c.startswith("p_")]
            table.loc[gone, group] = None
        table.loc[rng.random(len(table)) < 0.2, ["emotion", "label"]] = None
    table.to_csv(folder / "table.csv", index=False)
    return folder / "table.csv"


def comparable(table: pd.DataFrame, base: Path, *, inside: str = "") -> list[dict[str, Any]]:
    """Rows that can be compared, whatever the reader: recordings by their place, without the corpus's name."""
    rows = []
    for row in table.to_dict("records"):
        row["file"] = str((base / row["file"]).resolve()) if not inside else row["file"].removeprefix(inside)
        row["speaker"] = row["speaker"] and str(row["speaker"]).rpartition("/")[2]
        row.pop("corpus")
        for column, value in row.items():
            if value is None or (isinstance(value, float) and math.isnan(value)):
                row[column] = None
            elif isinstance(value, float):
                row[column] = pytest.approx(value, abs=1e-8)
        rows.append(row)
    return sorted(rows, key=lambda row: (row["file"].rpartition("/")[2], str(row["start"])))


@pytest.mark.parametrize("form", FORMS)
@pytest.mark.parametrize("seed", range(6))
def test_every_table_comes_back(form: str, seed: int, tmp_path: Path) -> None:
    pytest.importorskip("audformat")
    rng = np.random.default_rng([seed, FORMS.index(form)])
    path = any_table(tmp_path / "own", rng, segmented=seed % 3 == 2, missing=seed % 2 == 1)
    table = corpora.load("table", path)
    out = corpora.export("table", path, tmp_path / "away" / "out", form=form)
    there = out / f"table.{form}" if READERS[form] == "table" else out
    back = corpora.load(READERS[form], there)
    assert list(back.columns) == list(table.columns)
    assert comparable(back, out) == comparable(table, path.parent)
    assert not list(out.rglob("*.wav"))


@pytest.mark.parametrize("form", FORMS)
def test_with_its_audio_an_export_stands_alone(form: str, tmp_path: Path, rng: np.random.Generator) -> None:
    pytest.importorskip("audformat")
    path = any_table(tmp_path / "own", rng, segmented=False, missing=True)
    table = corpora.load("table", path)
    contents = {file: (path.parent / file).read_bytes() for file in table["file"]}
    done: list[tuple[int, int]] = []
    out = corpora.export(
        "table", path, tmp_path / "out", form=form, copy_audio=True, progress=lambda *n: done.append(n)
    )
    assert done[-1] == (len(table), len(table))
    for file in contents:
        (path.parent / file).unlink()
    there = out / f"table.{form}" if READERS[form] == "table" else out
    back = corpora.load(READERS[form], there)
    inside = "" if form != "datasets" else "emotone-audio/"
    files = [file.removeprefix(inside) for file in back["file"]]
    if form == "datasets":  # each part has a folder
        files = [file.partition("/")[2] for file in files]
    assert sorted(files) == sorted(table["file"])
    assert all(
        (out / back_file).read_bytes() == contents[file] for back_file, file in zip(back["file"], files, strict=True)
    )


def test_a_recording_from_elsewhere_gets_a_place_inside(tmp_path: Path, rng: np.random.Generator) -> None:
    record(tmp_path / "far" / "a.wav", rng)
    (tmp_path / "own").mkdir()
    (tmp_path / "own" / "t.csv").write_text("file,emotion\n../far/a.wav,sad\n")
    out = corpora.export("table", tmp_path / "own" / "t.csv", tmp_path / "out", form="csv", copy_audio=True)
    (file,) = corpora.load("table", out / "table.csv")["file"]
    assert file.startswith("audio/")
    assert (out / file).read_bytes() == (tmp_path / "far" / "a.wav").read_bytes()


def test_the_licence_goes_along(tmp_path: Path) -> None:
    audformat = pytest.importorskip("audformat")
    (tmp_path / "emodb").mkdir()
    (tmp_path / "emodb" / "03a01Fa.wav").touch()
    corpus = corpora.get("urdu")
    (tmp_path / "urdu").mkdir()
    (tmp_path / "urdu" / "SM5_F63_A091.wav").touch()
    for form in FORMS:
        out = corpora.export("urdu", tmp_path / "urdu", tmp_path / form, form=form)
        said = (out / "README.md").read_text(encoding="utf-8")
        assert "**Licence:** research only" in said
        assert "**Commercial use:** not allowed" in said
        assert corpus.citation in said
        assert corpus.notes[0] in said
        assert "The recordings aren't in here" in said
    header = audformat.Database.load(str(tmp_path / "audformat"))
    assert (header.license, header.usage, header.meta["citation"]) == ("research only", "research", corpus.citation)
    info = json.loads((tmp_path / "datasets" / "dataset_info.json").read_text(encoding="utf-8"))
    assert (info["license"], info["citation"]) == ("research only", corpus.citation)
    for name in ("audformat", "datasets"):
        remarks = [f.message for f in corpora.check(name, tmp_path / name, audio=False) if f.kind == "remark"]
        assert any("research only" in remark for remark in remarks)


# ---- read by the libraries themselves ----


def small(folder: Path, rng: np.random.Generator) -> Path:
    """EMO-DB, four recordings of two speakers."""
    for name in ("03a01Fa", "03a02Nc", "08a01Wa", "08a02La"):
        record(folder / "wav" / f"{name}.wav", rng)
    return folder


def test_audformat_loads_what_is_written(tmp_path: Path, rng: np.random.Generator) -> None:
    audformat = pytest.importorskip("audformat")
    out = corpora.export("emodb", small(tmp_path / "emodb", rng), tmp_path / "out", form="audformat", copy_audio=True)
    database = audformat.Database.load(str(out))
    assert database.name == "emodb"
    assert database.languages == ["deu"]
    assert database.schemes["emotion"].labels == ["neutral", "happy", "angry", "bored"]
    assert list(database["emotion"]["emotion"].get()) == ["happy", "neutral", "angry", "bored"]
    assert list(database["emotion"]["speaker"].get(map="gender")) == ["male", "male", "female", "female"]
    assert database.is_portable
    assert all(Path(out, file).is_file() for file in database.files)


def test_audformat_parts_and_places(tmp_path: Path, rng: np.random.Generator) -> None:
    audformat = pytest.importorskip("audformat")
    record(tmp_path / "own" / "a.wav", rng)
    (tmp_path / "own" / "t.csv").write_text(
        "file,emotion,split,start,end\na.wav,sad,train,0,0.01\na.wav,calm,test,0.01,\n"
    )
    out = corpora.export("table", tmp_path / "own" / "t.csv", tmp_path / "out", form="audformat", copy_audio=True)
    database = audformat.Database.load(str(out))
    train, test = "emotion.categories.train.gold_standard", "emotion.categories.test.gold_standard"
    assert set(database.tables) == {train, test}
    assert database[train].split_id == "train"
    assert database.splits["test"].type == "test"
    ((file, start, end),) = database[train].index
    assert (file, start.total_seconds(), end.total_seconds()) == ("a.wav", 0.0, 0.01)


@pytest.mark.filterwarnings("ignore")  # of the library's own imports
def test_datasets_loads_what_is_written(tmp_path: Path, rng: np.random.Generator) -> None:
    datasets = pytest.importorskip("datasets")
    root = small(tmp_path / "emodb", rng)
    for copy_audio in (False, True):
        out = corpora.export("emodb", root, tmp_path / f"{copy_audio}", form="datasets", copy_audio=copy_audio)
        data = datasets.load_from_disk(str(out))
        assert isinstance(data, datasets.Dataset)
        assert data.features["emotion"].names == ["neutral", "happy", "angry", "bored"]
        assert isinstance(data.features["audio"], datasets.Audio)
        assert data.info.license == "free (CC0 1.0 at audEERING)"
        first = data.cast_column("audio", datasets.Audio(decode=False))[0]
        assert data.features["emotion"].int2str(first["emotion"]) == "happy"
        assert (first["speaker"], first["gender"], first["age"], first["end"]) == ("emodb/03", "male", 31.0, None)
        if copy_audio:
            assert first["audio"]["bytes"] == (root / "wav" / "03a01Fa.wav").read_bytes()
        else:
            assert first["audio"] == {"bytes": None, "path": str((root / "wav" / "03a01Fa.wav").absolute())}


@pytest.mark.filterwarnings("ignore")
def test_datasets_parts(tmp_path: Path, rng: np.random.Generator) -> None:
    datasets = pytest.importorskip("datasets")
    for name in "abc":
        record(tmp_path / "own" / f"{name}.wav", rng)
    (tmp_path / "own" / "t.csv").write_text("file,emotion,split\na.wav,sad,train\nb.wav,calm,test-1\nc.wav,,\n")
    out = corpora.export("table", tmp_path / "own" / "t.csv", tmp_path / "out", form="datasets")
    data = datasets.load_from_disk(str(out))
    assert isinstance(data, datasets.DatasetDict)
    assert {name: part.num_rows for name, part in data.items()} == {"train": 1, "test_1": 1, "unassigned": 1}
    back = corpora.load("datasets", out)
    assert [None if pd.isna(split) else split for split in back["split"]] == ["train", "test-1", None]


# ---- exports that can't be ----


def test_exports_that_cant_be_leave_nothing(tmp_path: Path, rng: np.random.Generator) -> None:
    root = small(tmp_path / "emodb", rng)
    taken = tmp_path / "taken"
    taken.mkdir()
    (taken / "mine.txt").touch()
    with pytest.raises(ConfigError, match=r"taken already exists and isn't an empty folder"):
        corpora.export("emodb", root, taken, form="csv")
    with pytest.raises(ConfigError, match=r"Unknown form 'audioformat'. Did you mean 'audformat'"):
        corpora.export("emodb", root, tmp_path / "out", form="audioformat")
    table = tmp_path / "t.csv"
    table.write_text("file,emotion,start,end\nemodb/wav/03a01Fa.wav,sad,0,1\nemodb/wav/03a01Fa.wav,calm,1,2\n")
    with pytest.raises(ConfigError, match=r"would be put into the data once for each"):
        corpora.export("table", table, tmp_path / "out", form="datasets", copy_audio=True)
    table.write_text("file,emotion\nemodb/wav/03a01Fa.wav,sad\ngone.wav,calm\n")
    for form in FORMS:
        pytest.importorskip("audformat")
        with pytest.raises(CorpusError, match=r"gone\.wav can't be (copied|read): No such file"):
            corpora.export("table", table, tmp_path / "out", form=form, copy_audio=True)
    assert sorted(path.name for path in tmp_path.iterdir()) == ["emodb", "t.csv", "taken"]


def test_an_empty_folder_may_be_given(tmp_path: Path, rng: np.random.Generator) -> None:
    (tmp_path / "out").mkdir()
    out = corpora.export("emodb", small(tmp_path / "emodb", rng), tmp_path / "out", form="csv")
    assert sorted(path.name for path in out.iterdir()) == ["README.md", "emodb.csv"]


# ---- audformat databases as they are found ----


def database(folder: Path, rng: np.random.Generator, *, media: int = 6) -> Any:
    """A database with speakers, texts and languages in a table of its own."""
    audformat = pytest.importorskip("audformat")
    files = [f"wav/{i}.wav" for i in range(media)]
    for file in files:
        record(folder / file, rng)
    db = audformat.Database("wild", languages=["de"], license="CC0-1.0")
    db.schemes["emotion"] = audformat.Scheme(labels={"W": "anger", "N": "neutral", "X": "smugness"})
    db.schemes["speaker"] = audformat.Scheme(
        labels={3: {"gender": "female", "age": 31}, 8: {"gender": "male", "age": 40}}
    )
    db.schemes["transcription"] = audformat.Scheme(labels={"a01": "Der Lappen.", "a02": "Das will sie."})
    db["files"] = audformat.Table(audformat.filewise_index(files))
    db["files"]["speaker"] = audformat.Column(scheme_id="speaker")
    db["files"]["speaker"].set([3 if i % 2 else 8 for i in range(media)])
    db["files"]["transcription"] = audformat.Column(scheme_id="transcription")
    db["files"]["transcription"].set(["a01", "a02"] * (media // 2))
    return db


def emotions(db: Any, name: str, index: Any, **columns: list[Any]) -> None:
    import audformat

    db[name] = audformat.Table(index)
    for column, values in columns.items():
        scheme = column if column in db.schemes else "emotion"
        db[name][column] = audformat.Column(scheme_id=scheme)
        db[name][column].set(values)


def remarks(name: str, root: Path) -> list[str]:
    return [finding.message for finding in corpora.check(name, root, audio=False) if finding.kind == "remark"]


def test_gold_standards_and_parts_go_before_other_tables(tmp_path: Path, rng: np.random.Generator) -> None:
    db = database(tmp_path, rng)
    import audformat

    index = audformat.filewise_index
    emotions(db, "emotion", index([f"wav/{i}.wav" for i in range(6)]), emotion=["N"] * 6)
    emotions(
        db,
        "emotion.categories.train.gold_standard",
        index(["wav/0.wav", "wav/1.wav", "wav/2.wav"]),
        emotion=["W", "N", None],
    )
    emotions(db, "emotion.categories.test.gold_standard", index(["wav/4.wav"]), emotion=["X"])
    db.save(str(tmp_path), storage_format="csv")
    table = corpora.load("audformat", tmp_path)
    assert list(table["file"]) == ["wav/0.wav", "wav/1.wav", "wav/2.wav", "wav/4.wav"]
    assert [None if pd.isna(x) else x for x in table["emotion"]] == ["angry", "neutral", None, "smugness"]
    assert [None if pd.isna(x) else x for x in table["label"]] == ["W", "N", None, "X"]
    assert list(table["split"]) == ["train", "train", "train", "test"]
    assert list(table["speaker"]) == ["audformat/8", "audformat/3", "audformat/8", "audformat/8"]
    assert list(table["gender"]) == ["male", "female", "male", "male"]
    assert list(table["age"]) == [40, 31, 40, 40]
    assert list(table["text"]) == ["Der Lappen.", "Das will sie.", "Der Lappen.", "Der Lappen."]
    assert set(table["language"]) == {"de"}
    said = remarks("audformat", tmp_path)
    assert said[0].startswith("Emotions are read from the column 'emotion' of emotion.categories.test.gold_standard, ")
    assert "Other tables of emotions, not read: emotion." in said
    assert "These name no known emotion and keep their names: smugness." in said
    assert "Licence, as db.yaml has it: CC0-1.0, usage unrestricted." in said


def test_the_table_to_read_can_be_given_as_a_file(tmp_path: Path, rng: np.random.Generator) -> None:
    db = database(tmp_path, rng)
    import audformat

    index = audformat.filewise_index([f"wav/{i}.wav" for i in range(6)])
    emotions(db, "induced", index, emotion=["W"] * 6)
    emotions(db, "perceived", index, emotion=["N"] * 6)
    db.save(str(tmp_path), storage_format="csv")
    with pytest.raises(CorpusError, match=r"several tables of emotions \(induced, perceived\).*db\.induced\.csv"):
        corpora.load("audformat", tmp_path)
    assert set(corpora.load("audformat", tmp_path / "db.perceived.csv")["emotion"]) == {"neutral"}
    assert corpora.audio_root("audformat", tmp_path / "db.perceived.csv") == tmp_path
    with pytest.raises(CorpusError, match=r"db\.files\.csv isn't a table of its database with one column of emotions"):
        corpora.load("audformat", tmp_path / "db.files.csv")


def test_raters_columns_are_votes_and_dimensions_are_joined(tmp_path: Path, rng: np.random.Generator) -> None:
    db = database(tmp_path, rng, media=2)
    import audformat

    start, end = pd.to_timedelta([0.0, 0.01], unit="s"), pd.to_timedelta([0.01, 0.02], unit="s")
    index = audformat.segmented_index(["wav/0.wav", "wav/1.wav"], list(start), list(end))
    emotions(db, "emotion.categories.gold_standard", index, emotion=["W", "N"])
    for rater in ("r1", "r2", "r3", "r4"):
        db.raters[rater] = audformat.Rater()
    emotions(db, "emotion.categories", index, r1=["W", "N"], r2=["W", "N"], r3=["W", None], r4=["N", None])
    for dimension in ("arousal", "valence"):
        db.schemes[dimension] = audformat.Scheme("float")
    emotions(db, "emotion.dimensions.gold_standard", index, arousal=[0.25, 0.5], valence=[-1.0, None])
    db.save(str(tmp_path), storage_format="parquet")
    first, second = corpora.load("audformat", tmp_path).to_dict("records")
    assert (first["start"], first["end"], first["emotion"]) == (0.0, 0.01, "angry")
    assert (first["p_angry"], first["p_neutral"], first["agreement"]) == (0.75, 0.25, 0.75)
    assert (second["p_angry"], second["p_neutral"]) == (0.0, 1.0)
    assert (first["arousal"], first["valence"], second["arousal"]) == (0.25, -1.0, 0.5)
    assert math.isnan(second["valence"])
    assert first["speaker"] == "audformat/8"  # told of the whole file


def test_databases_that_cant_be_read(tmp_path: Path, rng: np.random.Generator) -> None:
    db = database(tmp_path / "none", rng)
    db.save(str(tmp_path / "none"), storage_format="csv")
    (tmp_path / "bare").mkdir()
    broken = tmp_path / "broken"
    broken.mkdir()
    (broken / "db.yaml").write_text("name: [x\n")
    gone = database(tmp_path / "gone", rng)
    import audformat

    emotions(gone, "emotion", audformat.filewise_index(["x/1.wav"]), emotion=["W"])
    gone.save(str(tmp_path / "gone"), storage_format="csv")
    for root, said in [
        (tmp_path / "nowhere", "There is no folder"),
        (tmp_path / "bare", "has no db.yaml, so it isn't an audformat database"),
        (broken, r"db\.yaml isn't the header of an audformat database"),
        (tmp_path / "none", r"No table in .* has one column of emotions; there are: files \(speaker, transcription\)"),
        (tmp_path / "gone", r"None of the recordings of the database .* looked for .*x/1\.wav"),
    ]:
        with pytest.raises(CorpusError, match=said):
            corpora.load("audformat", root)


def test_a_database_cant_run_a_program(tmp_path: Path, rng: np.random.Generator) -> None:
    db = database(tmp_path, rng)
    import audformat

    emotions(db, "emotion", audformat.filewise_index(["wav/0.wav"]), emotion=["W"])
    db.save(str(tmp_path), storage_format="csv")
    (tmp_path / "db.emotion.pkl").write_bytes(b"cos\nsystem\n(S'touch %s'\ntR." % bytes(tmp_path / "run"))
    assert list(corpora.load("audformat", tmp_path)["emotion"]) == ["angry"]  # from the CSV beside it
    (tmp_path / "db.emotion.csv").unlink()
    with pytest.raises(CorpusError, match=r"db\.emotion\.pkl is a pickle, which could run a program"):
        corpora.load("audformat", tmp_path)
    header = (tmp_path / "db.yaml").read_text()
    (tmp_path / "db.yaml").write_text(f"{header}\nx: !!python/object/apply:os.system ['touch {tmp_path / 'run'}']\n")
    with pytest.raises(CorpusError, match="isn't the header"):
        corpora.load("audformat", tmp_path)
    assert not (tmp_path / "run").exists()


# ---- Hugging Face data as it is found ----


@pytest.mark.filterwarnings("ignore")
def test_data_with_the_sound_inside_is_written_out_once(tmp_path: Path, rng: np.random.Generator) -> None:
    datasets = pytest.importorskip("datasets")
    pa = pytest.importorskip("pyarrow")
    for name in ("a", "b"):
        record(tmp_path / f"{name}.wav", rng)
    sounds = [(tmp_path / f"{name}.wav").read_bytes() for name in ("a", "b")]
    features = datasets.Features(
        {
            "speech": datasets.Audio(),
            "file": datasets.Value("string"),
            "emotion": datasets.ClassLabel(names=["anger", "joy"]),
            "speaker_id": datasets.Value("int64"),
            "sentence": datasets.Value("string"),
            "mood": datasets.Value("string"),
        }
    )
    table = pa.table(
        {
            "speech": [{"bytes": sounds[0], "path": None}, {"bytes": sounds[1], "path": None}],
            "file": ["../x/one.wav", None],
            "emotion": [1, -1],
            "speaker_id": [7, 8],
            "sentence": ["Ja.", None],
            "mood": ["x", "y"],
        },
        schema=features.arrow_schema,
    )
    data = datasets.Dataset(table, info=datasets.DatasetInfo(features=features))
    datasets.DatasetDict({"validation": data}).save_to_disk(str(tmp_path / "saved"))
    (tmp_path / "hub" / "data").mkdir(parents=True)
    data.to_parquet(str(tmp_path / "hub" / "data" / "validation-00000-of-00001.parquet"))
    for root in (tmp_path / "saved", tmp_path / "hub"):
        for _ in range(2):
            rows = corpora.load("datasets", root).to_dict("records")
            assert [row["emotion"] for row in rows if row["file"].endswith("one.wav")] == ["happy"]
            first, second = sorted(rows, key=lambda row: row["speaker"])
            assert first["file"] == "emotone-audio/validation/x/one.wav"
            assert second["file"] == "emotone-audio/validation/000001.wav"
            assert [(root / row["file"]).read_bytes() for row in (first, second)] == sounds
            assert (first["label"], first["speaker"], first["text"], first["split"]) == (
                "joy",
                "datasets/7",
                "Ja.",
                "dev",
            )
            assert second["emotion"] is None or pd.isna(second["emotion"])
        said = remarks("datasets", root)
        assert "speaker from 'speaker_id', text from 'sentence'" in said[0]
        assert "Columns that aren't used: mood." in said
        assert any("were inside the data" in remark for remark in said)


def test_a_folder_with_metadata(tmp_path: Path, rng: np.random.Generator) -> None:
    for part in ("train", "test"):
        record(tmp_path / part / "clips" / "1.wav", rng)
    (tmp_path / "train" / "metadata.csv").write_text("file_name,label,actor\nclips/1.wav,Sadness,x\n")
    (tmp_path / "test" / "metadata.jsonl").write_text('{"file_name": "clips/1.wav", "label": "ANG", "actor": "y"}\n')
    table = corpora.load("datasets", tmp_path)
    assert list(table["file"]) == ["test/clips/1.wav", "train/clips/1.wav"]
    assert list(table["emotion"]) == ["angry", "sad"]
    assert list(table["split"]) == ["test", "train"]
    assert list(table["speaker"]) == ["datasets/y", "datasets/x"]


def test_data_that_cant_be_read(tmp_path: Path, rng: np.random.Generator) -> None:
    record(tmp_path / "a.wav", rng)

    def folder(name: str, text: str) -> Path:
        (tmp_path / name).mkdir()
        (tmp_path / name / "metadata.csv").write_text(text)
        return tmp_path / name

    two = tmp_path / "two"
    for config in ("clean", "noisy"):
        (two / config).mkdir(parents=True)
        pd.DataFrame({"path": ["a.wav"]}).to_parquet(two / config / "train.parquet")
    (tmp_path / "half").mkdir()
    (tmp_path / "half" / "state.json").write_text('{"_data_files": [{"filename": "data.arrow"}]}')
    for root, said in [
        (tmp_path / "nowhere", "There is no folder"),
        (two, r"Parquet files in several folders \(clean, noisy\); give one of them"),
        (tmp_path / "half", "can't be read .*save it again"),
        (folder("no_emotion", "file_name,mood\nx.wav,sad\n"), r"has no column of emotions, .*it has file_name, mood"),
        (folder("no_file", "clip,label\nx.wav,sad\n"), r"has no column of recordings, .*it has clip, label"),
        (folder("numbers", "file_name,label\nx.wav,3\n"), r"gives emotions as numbers \(3\) without names"),
        (folder("elsewhere", "file_name,label\nx.wav,sad\n"), r"None of the recordings .*looked for .*x\.wav"),
        (folder("age", "file_name,label,age\n../a.wav,sad,old\n"), r"'age' holds 'old', which is no number"),
        (folder("twice", "file_name,label\n../a.wav,sad\n../a.wav,sad\n"), r"more than once: \.\./a\.wav"),
        (folder("empty", "file_name,label\n"), r"has no rows"),
    ]:
        with pytest.raises(CorpusError, match=said):
            corpora.load("datasets", root)
    (tmp_path / "other").mkdir()
    with pytest.raises(CorpusError, match=r"isn't a saved data set: .*give folder=ROOT"):
        corpora.load("datasets", tmp_path / "other")


@pytest.mark.skipif(os.name == "nt" or not hasattr(os, "geteuid"), reason="needs POSIX permissions")
def test_sound_inside_data_that_cant_be_written_goes_to_the_cache(
    tmp_path: Path, rng: np.random.Generator, monkeypatch: pytest.MonkeyPatch
) -> None:
    out = corpora.export("emodb", small(tmp_path / "emodb", rng), tmp_path / "out", form="datasets", copy_audio=True)
    monkeypatch.setenv("EMOTONE_CACHE", str(tmp_path / "cache"))
    monkeypatch.setattr(os, "access", lambda path, mode: False)
    table = corpora.load("datasets", out)
    assert all(Path(file).is_relative_to(tmp_path / "cache") and Path(file).is_file() for file in table["file"])
    assert not (out / "emotone-audio").exists()
    assert any(str(tmp_path / "cache") in remark for remark in remarks("datasets", out))
