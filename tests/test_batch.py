"""Archives: what is in their tables, by whatever source."""

from __future__ import annotations

import json
import tarfile
import time
from collections import Counter
from pathlib import Path

import numpy as np
import pytest

import emotone
from emotone import audio, synthetic
from emotone.errors import ConfigError

arrow = pytest.importorskip("pyarrow", reason="needs pyarrow, the extra batch")
pytest.importorskip("fsspec", reason="needs fsspec, the extra batch")

from small_archives import TWO, EnoughError, after, described, failed, levels, rows  # noqa: E402

from emotone.batch import Archive, ArchiveOptions, annotate  # noqa: E402


@pytest.fixture(scope="module")
def talks(tmp_path_factory) -> Path:
    """A folder with seven recordings, one of them silent, one in stereo, and things that aren't any."""
    rng = np.random.default_rng(3)
    folder = tmp_path_factory.mktemp("talks")
    (folder / "inner").mkdir()
    (folder / ".hidden").mkdir()
    for i, name in enumerate(["b", "a", "inner/d", "inner/c", ".hidden/x"]):
        sound = synthetic.speech(("sad", "angry")[i % 2], i, rng=rng, seconds=1.0 + 0.1 * i)
        (folder / f"{name}.wav").write_bytes(audio.encode_wav(sound))
    (folder / "silent.wav").write_bytes(audio.encode_wav(np.zeros(16_000, np.float32)))
    import soundfile

    pair = [synthetic.speech(emotion, 1, rng=rng, seconds=1.5) for emotion in ("sad", "angry")]
    soundfile.write(folder / "stereo.flac", np.stack(pair, axis=1), 16_000)
    (folder / "broken.mp3").write_bytes(b"nothing of the kind")
    (folder / "notes.txt").write_text("not a recording")
    return folder


@pytest.fixture(scope="module")
def predictions(talks, tmp_path_factory) -> Archive:
    return annotate(talks, tmp_path_factory.mktemp("out") / "predictions", engine=TWO)


# --- what is in the tables ---


def test_predictions_are_those_of_predict_a_row_for_each_recording_in_order(talks, predictions):
    recogniser = emotone.load()
    table = rows(predictions)
    names = [str(talks / name) for name in ("a.wav", "b.wav", "silent.wav", "stereo.flac")]
    names += [str(talks / "inner" / name) for name in ("c.wav", "d.wav")]
    assert [row["file"] for row in table] == names
    for row in table:
        segment = recogniser.predict(row["file"])
        assert (row["start"], row["end"], row["emotion"]) == (0.0, segment.end, segment.emotion)
        assert row["confidence"] == segment.confidence
        assert tuple(row["flags"]) == segment.flags
        assert tuple(row["likely"]) == segment.likely
        found = {name: row[f"p_{name}"] for name in recogniser.labels}
        assert found == (dict(segment.scores) or dict.fromkeys(recogniser.labels))
    assert failed(predictions) == [("broken.mp3", "decode")]
    reason = predictions.failures().to_table()["reason"][0].as_py()
    assert str(talks / "broken.mp3") in reason


def test_the_manifest_says_by_what_and_how_much(predictions):
    manifest = json.loads(Path(predictions.folder, "manifest.json").read_text())
    config = emotone.load().config
    assert manifest["kind"] == "emotone archive"
    assert manifest["state"] == "finished"
    assert manifest["asked"]["model"]["config_sha256"] == config["config_sha256"]
    assert manifest["columns"] == predictions.segments().schema.names
    assert manifest["runs"][0]["versions"]["emotone"] == emotone.__version__
    counts = manifest["counts"]
    assert (counts["listed"], counts["recordings"], counts["segments"]) == (7, 6, 6)
    assert counts["failures"] == {"decode": 1}
    assert counts["silent"] == 1
    assert sum(one["segments"] for one in counts["emotions"].values()) + counts["uncertain"] == 5
    assert predictions.tally.as_dict().items() <= counts.items()


def test_four_programs_read_the_tables_alike(predictions):
    duckdb, polars = pytest.importorskip("duckdb"), pytest.importorskip("polars")
    pandas = pytest.importorskip("pandas")
    expected = [row["file"] for row in rows(predictions)]
    pattern = f"{predictions.folder}/segments/*.parquet"
    found = duckdb.sql(f"select file, p_angry from read_parquet('{pattern}') order by all").fetchall()
    assert sorted(expected) == [row[0] for row in found]
    assert polars.read_parquet(pattern)["file"].to_list() == expected
    frame = pandas.read_parquet(f"{predictions.folder}/segments")
    assert list(frame["file"]) == expected
    assert str(frame["p_angry"].dtype) == "float64"


def test_timelines_are_those_of_timeline(talks, tmp_path):
    recogniser = emotone.load()
    options = ArchiveOptions(what="timeline", model=recogniser, channels="each")
    archive = annotate([talks / "stereo.flac", talks / "a.wav"], tmp_path / "out", options, engine=TWO)
    table = rows(archive)
    expected = [
        (str(path), segment.channel, segment.start, segment.end, segment.emotion)
        for path in (talks / "stereo.flac", talks / "a.wav")
        for segment in recogniser.timeline(path, channels="each")
    ]
    assert [(r["file"], r["channel"], r["start"], r["end"], r["emotion"]) for r in table] == expected
    assert {row["channel"] for row in table} == {0, 1}
    assert archive.tally.seconds == pytest.approx(2 * 1.5 + audio.inspect(talks / "a.wav").duration, abs=0.01)


def test_a_recording_that_breaks_off_has_rows_and_a_failure(talks, tmp_path):
    whole = (talks / "a.wav").read_bytes()
    (tmp_path / "cut.wav").write_bytes(whole[: len(whole) // 3])
    archive = annotate(tmp_path / "cut.wav", tmp_path / "out", ArchiveOptions(what="timeline"), engine=TWO)
    assert rows(archive)
    assert failed(archive) == [("cut.wav", "decode")]
    assert "breaks off" in archive.failures().to_table()["reason"][0].as_py()


def test_embeddings_are_vectors_of_one_width_and_none_for_silence(talks, tmp_path):
    recogniser = emotone.load()
    names = [talks / "a.wav", talks / "silent.wav"]
    archive = annotate(names, tmp_path / "out", ArchiveOptions(what="embeddings", model=recogniser), engine=TWO)
    heard, silent = rows(archive)
    np.testing.assert_array_equal(np.array(heard["embedding"], np.float32), recogniser.hear(talks / "a.wav")[1])
    assert silent["embedding"] is None
    assert archive.segments().schema.field("embedding").type.list_size == len(heard["embedding"])


def test_features_are_those_of_the_front_end(tmp_path):
    paths = levels(tmp_path / "in", 3)
    archive = annotate(paths, tmp_path / "out", described(tmp_path), engine=TWO)
    found = [row["features"] for row in rows(archive)]
    assert [numbers[1] for numbers in found] == [1600.0, 1601.0, 1602.0]
    assert archive.manifest["features"] == {"names": ["level", "samples"]}


# --- tables, tars, addresses ---


def test_parts_and_further_columns_of_a_table_come_through(talks, tmp_path, monkeypatch):
    monkeypatch.chdir(talks)
    (tmp_path / "t.csv").write_text(
        "file,start,end,speaker,emotion,note\n"
        "a.wav,0.2,0.9,anna,angry,x\na.wav,,,anna,sad,\nb.wav,0.5,,bert,angry,y\nb.wav,0.9,0.1,bert,,z\n,1,2,,,\n"
    )
    archive = annotate(tmp_path / "t.csv", tmp_path / "out", engine=TWO)
    table = rows(archive)
    assert [(row["file"], row["speaker"], row["given_emotion"], row["note"]) for row in table] == [
        ("a.wav", "anna", "angry", "x"),
        ("a.wav", "anna", "sad", ""),
        ("b.wav", "bert", "angry", "y"),
    ]
    whole = audio.inspect("a.wav").duration
    assert (table[0]["start"], table[0]["end"]) == (0.2, pytest.approx(0.9, abs=1e-4))
    assert (table[1]["start"], table[1]["end"]) == (0.0, pytest.approx(whole))
    recogniser = emotone.load()
    part_of_it = recogniser.predict(audio.load("a.wav", start=0.2, end=0.9))
    assert table[0]["confidence"] == part_of_it.confidence
    assert [stage for _, stage in failed(archive)] == ["list", "list"]
    assert archive.tally.failures == {"list": 2}


def test_columns_of_parquet_keep_their_types(tmp_path):
    import pyarrow.parquet

    paths = levels(tmp_path / "in", 3)
    given = arrow.table(
        {"file": [path.name for path in paths], "age": arrow.array([30, None, 50], arrow.int16()), "shard": ["x"] * 3}
    )
    pyarrow.parquet.write_table(given, tmp_path / "t.parquet")
    options = described(tmp_path, root=str(tmp_path / "in"))
    archive = annotate(tmp_path / "t.parquet", tmp_path / "out", options, engine=TWO)
    table = archive.segments().to_table()
    assert table.schema.field("age").type == arrow.int16()
    assert table.select(["file", "age", "shard"]).to_pydict() == given.to_pydict()


def test_tars_are_read_as_streams_and_a_cut_one_up_to_its_cut(talks, tmp_path):
    names = ["a.wav", "notes.txt", "b.wav", "broken.mp3", "inner/c.wav"]
    for file, mode in (("plain.tar", "w"), ("packed.tar.gz", "w:gz")):
        with tarfile.open(tmp_path / file, mode) as tar:
            for name in names:
                tar.add(talks / name, name)
    whole = (tmp_path / "plain.tar").read_bytes()
    (tmp_path / "cut.tar").write_bytes(whole[: whole.index(b"inner/c.wav") + 3000])
    (tmp_path / "endless.tar").write_bytes(whole[: whole.index(b"inner/c.wav")])
    (tmp_path / "none.tar").write_bytes(b"x" * 2000)
    tars = [tmp_path / f"{name}" for name in ("plain.tar", "packed.tar.gz", "cut.tar", "endless.tar", "none.tar")]
    tars.append(f"file://{tmp_path}/packed.tar.gz")
    archive = annotate(tars, tmp_path / "out", engine=TWO)
    found = [(str(path), inner) for path in tars for inner in ("a.wav", "b.wav", "inner/c.wav")]
    whole_ones = [f"{path}/{inner}" for path, inner in found if "none" not in path]
    expected = [name for name in whole_ones if not name.endswith(("cut.tar/inner/c.wav", "endless.tar/inner/c.wav"))]
    assert [row["file"] for row in rows(archive)] == expected
    one = {row["file"]: row["confidence"] for row in rows(archive)}
    assert one[f"{tars[0]}/a.wav"] == one[f"{tars[1]}/a.wav"] == emotone.load().predict(talks / "a.wav").confidence
    assert Counter(failed(archive)) == Counter(
        {
            ("broken.mp3", "decode"): 5,
            ("cut.tar", "read"): 1,
            ("endless.tar", "read"): 1,
            ("none.tar", "read"): 1,
        }
    )
    reasons = archive.failures().to_table()["reason"].to_pylist()
    assert sum("breaks off after 3 whole recordings" in reason for reason in reasons) == 2
    assert not any("/proc/" in reason for reason in reasons)


def test_addresses_give_the_rows_of_files(talks, predictions, tmp_path):
    archive = annotate(f"file://{talks}", f"file://{tmp_path}/out", engine=TWO)
    found = [{**row, "file": row["file"].removeprefix("file://")} for row in rows(archive)]
    by_name = sorted(rows(predictions), key=lambda row: row["file"])
    assert sorted(found, key=lambda row: row["file"]) == by_name
    assert failed(archive) == failed(predictions)
    assert not list(tmp_path.glob("out/**/.*"))


def test_an_archive_in_an_object_store_is_gone_on_with(tmp_path):
    import fsspec

    paths = levels(tmp_path / "in", 6)
    options = described(tmp_path, shard_files=2)
    with pytest.raises(EnoughError):
        annotate(tmp_path / "in", "memory://bucket/out", options, engine=TWO, tell=after(5))
    store = fsspec.filesystem("memory")
    before = store.ls("/bucket/out/segments", detail=False)
    assert 0 < len(before) < 3
    archive = annotate(tmp_path / "in", "memory://bucket/out", options, engine=TWO)
    assert [row["file"] for row in rows(archive)] == [str(path) for path in paths]
    assert not store.exists("/bucket/out/_lock")
    store.pipe_file("/bucket/out/_lock", json.dumps({"host": "x", "process": 1, "since": "y", "beat": 9e9}).encode())
    with pytest.raises(ConfigError, match=r"Another run is writing into memory://bucket/out \(process 1 on x"):
        annotate(tmp_path / "in", "memory://bucket/out", options, engine=TWO)
    stale = {"host": "x", "process": 1, "since": "y", "beat": time.time() - 1000}
    store.pipe_file("/bucket/out/_lock", json.dumps(stale).encode())
    assert annotate(tmp_path / "in", "memory://bucket/out", options, engine=TWO).is_finished


@pytest.mark.parametrize(
    ("source", "message"),
    [
        ("nosuch://bucket/x", "can't be opened"),
        ("file:///nowhere/at/all/", "There is nothing at"),
        ("nothing-here/*.wav", "holds no recordings"),
        ("missing.csv", "can't be opened"),
        ("empty.txt", "names no recordings"),
        ("other.csv", "has no column 'file', only path, emotion"),
        ("broken.parquet", "can't be read as Parquet"),
    ],
)
def test_sources_that_are_none_are_said_in_a_sentence(tmp_path, monkeypatch, source, message):
    monkeypatch.chdir(tmp_path)
    Path("empty.txt").touch()
    Path("other.csv").write_text("path,emotion\nx,y\n")
    Path("broken.parquet").write_bytes(b"PAR1 and nothing more")
    with pytest.raises(ConfigError, match=message):
        annotate(source, tmp_path / "out", engine=TWO)
