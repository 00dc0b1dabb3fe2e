"""What SOURCE... means, in which order, and how a plan keeps it."""

from __future__ import annotations

import io
import itertools
import os
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest

from emotone.errors import ConfigError

arrow = pytest.importorskip("pyarrow", reason="needs pyarrow, the extra batch")
fsspec = pytest.importorskip("fsspec", reason="needs fsspec, the extra batch")

from emotone.batch import store as stores  # noqa: E402
from emotone.batch.listing import Listed, Sources  # noqa: E402
from emotone.batch.plan import CHUNK_SHARDS, Plan  # noqa: E402
from emotone.batch.schema import carried_names  # noqa: E402
from emotone.batch.tally import Tally  # noqa: E402
from emotone.batch.work import Item, Piece, Task  # noqa: E402


@pytest.fixture
def folder(tmp_path, monkeypatch) -> Path:
    monkeypatch.chdir(tmp_path)
    for name in ("b.wav", "a.FLAC", "in/z.mp3", "in/deep/y.tar", ".x.wav", ".git/w.wav", "notes.txt", "empty/readme"):
        path = Path("calls", name)
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(b"12345")
    return Path("calls")


def files(*given: str, **more) -> list[str]:
    return [listed.file for listed in Sources(given, **more)]


def test_a_folder_is_listed_by_name_without_what_is_hidden(folder):
    expected = ["calls/a.FLAC", "calls/b.wav", "calls/in/z.mp3", "calls/in/deep/y.tar"]
    assert files("calls") == expected
    assert [listed.size for listed in Sources(("calls",))] == [5] * 4
    assert files("calls/in", "calls/b.wav", "nowhere.wav") == [*expected[2:], "calls/b.wav", "nowhere.wav"]
    assert files("calls/**/*.*3") == ["calls/in/z.mp3"]
    with pytest.raises(ConfigError, match="The folder calls/empty holds no recordings"):
        files("calls/empty")


def test_an_address_is_listed_as_a_folder_is(folder):
    memory = fsspec.filesystem("memory")
    for path in folder.rglob("*.*"):
        if path.is_file():
            memory.pipe_file(f"/listed/{path.relative_to(folder)}", path.read_bytes())
    expected = [f"memory:///listed/{name}" for name in ("a.FLAC", "b.wav", "in/z.mp3", "in/deep/y.tar")]
    assert files("memory://listed") == expected
    assert [listed.size for listed in Sources(("memory://listed",))] == [5] * 4
    assert files("memory://listed/*.wav") == ["memory:///listed/b.wav"]
    assert files("memory://listed/b.wav") == ["memory:///listed/b.wav"]
    memory.pipe_file("/lists/l.txt", b"../listed/b.wav\nmemory://listed/a.FLAC\n")
    (first, second) = Sources(("memory://lists/l.txt",))
    assert (first.file, first.path) == ("../listed/b.wav", "memory://lists/../listed/b.wav")
    assert (second.file, second.path) == ("memory://listed/a.FLAC", None)


def test_names_in_lists_keep_their_spelling_and_are_found_below_a_root(tmp_path):
    piped = io.StringIO("a b.wav\r\n\n/abs/c.wav\ns3://bucket/d.wav\ntab\there.wav\n")
    found = list(Sources(("-",), "/data", piped))
    assert [(listed.file, listed.path) for listed in found] == [
        ("a b.wav", "/data/a b.wav"),
        ("/abs/c.wav", None),
        ("s3://bucket/d.wav", None),
        ("tab�here.wav", "/data/tab\there.wav"),
    ]


def test_rows_of_a_table_that_can_not_be_parts_are_problems(tmp_path):
    table = tmp_path / "t.csv"
    table.write_text("file,start,end,who\na,1,2,x\nb,,,y\nc,nan,3,\nd,two,3,\ne,3,3,\n,1,2,\nf,-1,2,\ng,0,inf,\n")
    found = list(Sources((str(table),)))
    assert [(one.file, one.start, one.end) for one in found[:3]] == [("a", 1, 2), ("b", None, None), ("c", None, 3)]
    assert all(one.problem is None for one in found[:3])
    assert found[0].carried == {"who": "x"}
    problems = [one.problem or "" for one in found[3:]]
    expected = ("start and end are seconds, not 'two' and '3'", "ends after its start", "names no file", "ends after")
    for problem, words in zip(problems, (*expected, "start and end are seconds"), strict=True):
        assert words in problem
    assert "t.csv, row 6" in problems[2]


def test_columns_of_two_tables_are_joined_and_must_agree(tmp_path):
    import pyarrow.parquet

    (tmp_path / "a.csv").write_text("file,speaker,city\n")
    pyarrow.parquet.write_table(arrow.table({"file": ["x"], "age": [3]}), tmp_path / "b.parquet")
    names = (str(tmp_path / "a.csv"), str(tmp_path / "b.parquet"))
    assert Sources(names).carried() == {"speaker": arrow.string(), "city": arrow.string(), "age": arrow.int64()}
    (tmp_path / "c.csv").write_text("file,age\n")
    with pytest.raises(ConfigError, match=r"'age' of .*b\.parquet holds int64, in another table string"):
        Sources((str(tmp_path / "c.csv"), names[1])).carried()


def test_names_that_are_taken_are_changed():
    taken = ["file", "speaker", "start", "emotion", "given_flags", "flags"]
    assert carried_names(["speaker", "emotion", "flags", "note"], taken) == {
        "speaker": "speaker",
        "emotion": "given_emotion",
        "flags": "given_given_flags",
        "note": "note",
    }


# --- the plan ---


def planned(folder: Path, listing, *, fresh: bool = True, shard_files: int = 3) -> list[tuple[int, list[str]]]:
    with Plan(stores.at(folder), listing, carried={}, shard_files=shard_files, fresh=fresh) as plan:
        return [(shard.number, [task.item.file for task in shard.tasks()]) for shard in plan.shards()]


def test_shards_are_full_and_in_order_and_the_same_when_they_are_read_again(tmp_path):
    names = [f"{i}.wav" for i in range(10)]
    expected = [(i, names[3 * i : 3 * i + 3]) for i in range(4)]
    assert planned(tmp_path, [Listed(name) for name in names]) == expected
    nobody: Iterator[Listed] = iter([])
    assert planned(tmp_path, nobody, fresh=False) == expected  # listed to its end before: nothing is listed again


def test_large_recordings_and_tars_close_a_shard(tmp_path):
    listing = [Listed("a.wav", size=1 << 27), Listed("b.wav", size=1 << 27), Listed("c.wav"), Listed("d.tar")]
    assert planned(tmp_path, [*listing, Listed("e.wav")]) == [
        (0, ["a.wav", "b.wav"]),
        (1, ["c.wav", "d.tar"]),
        (2, ["e.wav"]),
    ]


def test_work_begins_long_before_the_listing_ends_and_the_plan_goes_ahead(tmp_path):
    more = threading.Event()

    def listing() -> Iterator[Listed]:
        for i in itertools.count():
            if i == 100:
                assert more.wait(timeout=30)
            if i == 4000:
                return
            yield Listed(f"{i}.wav")

    with Plan(stores.at(tmp_path), listing(), carried={}, shard_files=10, fresh=True) as plan:
        shards = plan.shards()
        assert next(shards).number == 0
        assert not plan.complete
        more.set()
        assert [shard.number for shard in shards] == list(range(1, 400))
        assert plan.complete
        assert (plan.listed, plan.n_shards) == (4000, 400)
    chunks = [name for name in os.listdir(tmp_path / "_plan") if name.endswith(".parquet")]  # noqa: PTH208
    assert 400 / CHUNK_SHARDS < len(chunks) < 400 / CHUNK_SHARDS + 8


def test_a_listing_that_fails_is_told_after_everything_before_it(tmp_path):
    def listing() -> Iterator[Listed]:
        yield from (Listed("a.wav"), Listed("b.wav"))
        raise ConfigError("The bucket is gone.")

    with Plan(stores.at(tmp_path), listing(), carried={}, shard_files=1, fresh=True) as plan:
        shards = plan.shards()
        assert next(shards).number == 0
        with pytest.raises(ConfigError, match="The bucket is gone"):
            list(shards)


def test_planning_takes_the_memory_of_a_chunk(tmp_path):
    import tracemalloc

    listing = (Listed(f"/archive/{i // 1000:04d}/call-{i:07d}.wav") for i in range(40_000))
    with Plan(stores.at(tmp_path), listing, carried={}, shard_files=100, fresh=True) as plan:
        tracemalloc.start()
        n_tasks = sum(len(list(shard.tasks())) for shard in plan.shards())
        _, peak = tracemalloc.get_traced_memory()
        tracemalloc.stop()
    assert n_tasks == 40_000
    assert peak < 10e6  # bytes: 32 shards are a chunk, and all of them would be four times that


# --- counting ---


def test_tallies_add_up_and_survive_json():
    names = ["file", "start", "end", "emotion", "flags"]
    pieces = [
        Piece(0, 0, 0, (("a", 0.0, 2.0, "sad", []), ("a", 2.0, 3.0, None, ["no_speech"])), (), 3.0, True),
        Piece(0, 1, 0, (("b", 0.0, 1.0, None, ["uncertain"]), ("b", 1.0, 2.0, "sad", [])), (), 2.0, True),
        Piece(0, 2, 0, (), (), 0.0, True),
    ]
    one, both = Tally(), Tally()
    one.add_pieces(pieces, names)
    both.add(one)
    both.add(Tally.from_dict(one.as_dict()))
    assert (one.recordings, one.segments, one.seconds, one.silent, one.uncertain) == (2, 4, 5.0, 1, 1)
    assert (one.shares, one.uncertain_share) == ({"sad": 1.0}, 1 / 3)
    assert one.as_dict()["emotions"] == {"sad": {"segments": 2, "seconds": 3.0}}
    assert (both.recordings, both.emotions["sad"], both.emotion_seconds["sad"]) == (4, 4, 6.0)


def test_a_tar_says_so_by_its_ending_and_knows_its_end():
    assert [Item(name).is_tar for name in ("a.tar", "s3://b/a.TAR.GZ", "a.wav", "a.tar.wav")] == [
        True,
        True,
        False,
        False,
    ]
    task = Task(0, 0, Item("a.tar"))
    assert Piece(0, 0, 3, (), (), 0.0, True).ends(task)
    assert not Piece(0, 0, 3, (("row",),), (), 0.0, True).ends(task)
    assert not Piece(0, 0, 0, (), (), 0.0, True).ends(Task(0, 0, Item("a.wav")))
