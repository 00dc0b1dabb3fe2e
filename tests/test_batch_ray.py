"""Archives on a Ray cluster: the same pieces as from one process, whoever dies on the way.

The cluster is a real one of two nodes (two raylets) on this machine.
"""

from __future__ import annotations

import io
import itertools
import json
import os
import subprocess
import sys
import tarfile
import time
import warnings
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from deadly import HANGS, KILLS, KILLS_ONCE, TAKES_LONG, Deadly, sound, write
from tiny import tiny

import emotone
from emotone import audio, synthetic
from emotone.errors import ConfigError, CorpusError

ray = pytest.importorskip("ray", reason="needs Ray, the extra ray")
pytest.importorskip("pyarrow", reason="needs pyarrow, the extra batch")

from emotone.batch.ray_engine import RayEngine  # noqa: E402
from emotone.batch.work import LOST, Annotator, Item, Job, Piece, Task  # noqa: E402

# Ray itself leaves files of its logs open.
pytestmark = pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning")

SOURCE = Path(emotone.__file__).resolve().parents[1]
MAIN = "from emotone.cli import main\nif __name__ == '__main__':\n    main()"


class Nodes:
    """A cluster and its second node, which tests may kill; a new one joins instead."""

    def __init__(self) -> None:
        from ray.cluster_utils import Cluster

        quiet = {"num_cpus": 1, "include_dashboard": False, "object_store_memory": 100_000_000}
        self.cluster = Cluster(initialize_head=True, head_node_args=quiet)
        self.join()
        ray.init(address=self.cluster.address, log_to_driver=False, logging_level="error")

    def join(self) -> None:
        self.second = self.cluster.add_node(num_cpus=1, object_store_memory=100_000_000)

    def kill_second(self) -> None:
        self.cluster.remove_node(self.second, allow_graceful=False)


@pytest.fixture(scope="module")
def nodes() -> Iterator[Nodes]:
    with pytest.MonkeyPatch.context() as patch, warnings.catch_warnings():
        warnings.simplefilter("ignore")  # Ray's own
        patch.setenv("PYTHONPATH", os.pathsep.join([str(SOURCE), str(Path(__file__).parent)]))
        patch.setenv("RAY_USAGE_STATS_ENABLED", "0")
        try:
            found = Nodes()
        except Exception as error:  # a node has half a minute to start
            ray.shutdown()
            pytest.skip(f"Ray can't start on a machine that is so busy: {error}")
        yield found
        ray.shutdown()
        found.cluster.shutdown()


@pytest.fixture(autouse=True)
def _warnings_of_ray() -> Iterator[None]:
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", module="ray")
        yield


def tasks_of(paths: list[Path], shard: int = 5) -> list[Task]:
    return [Task(i // shard, i % shard, Item(str(path))) for i, path in enumerate(paths)]


def heard_here(job: Job, tasks: list[Task]) -> list[Piece]:
    annotator = Annotator(job)
    return [piece for task in tasks for piece in annotator.pieces(task)]


def in_order(pieces: list[Piece]) -> list[Piece]:
    return sorted(pieces, key=lambda piece: (piece.shard, piece.position))  # members keep their order


def equal(first: list[Piece], second: list[Piece]) -> bool:
    """To the bit, arrays too."""

    def plain(cell: Any) -> Any:
        return cell.tobytes() if isinstance(cell, np.ndarray) else cell

    def flat(pieces: list[Piece]) -> list[Any]:
        return [(piece._replace(rows=()), [[plain(cell) for cell in row] for row in piece.rows]) for piece in pieces]

    return flat(first) == flat(second)


def rows_of(pieces: list[Piece]) -> list[tuple[str, float]]:
    """File and level of each row of a `Deadly` job."""
    return [(Path(row[0]).name, float(row[-1][0])) for piece in pieces for row in piece.rows]


def check_each_task_ends_once(pieces: list[Piece], tasks: list[Task]) -> None:
    ends = [(piece.shard, piece.position) for piece in pieces if piece.done]
    assert sorted(ends) == [(task.shard, task.position) for task in tasks]
    members = [(piece.shard, piece.position, piece.member) for piece in pieces if piece.rows or piece.failures]
    assert len(set(members)) == len(members)
    for _, group in itertools.groupby(in_order(pieces), key=lambda piece: (piece.shard, piece.position)):
        own = list(group)
        assert [piece.member for piece in own] == sorted(piece.member for piece in own)
        assert [piece.done for piece in own] == [False] * (len(own) - 1) + [True]


def test_two_nodes_give_the_rows_of_one_process_to_the_bit(nodes: Nodes, tmp_path: Path, rng: Any) -> None:
    paths = []
    for i in range(12):
        path = tmp_path / f"{i}.wav"
        path.write_bytes(audio.encode_wav(synthetic.speech(("sad", "angry")[i % 2], i % 5, rng=rng, seconds=0.6)))
        paths.append(path)
    (tmp_path / "broken.wav").write_bytes(b"RIFF")
    paths += [tmp_path / "broken.wav", tmp_path / "missing.wav"]
    job = Job.of("predictions", recogniser=tiny().recogniser)
    expected = heard_here(job, tasks_of(paths))
    assert sum(len(piece.rows) for piece in expected) == 12
    found = list(RayEngine().pieces(job, iter(tasks_of(paths))))
    assert equal(in_order(found), expected)


def test_recordings_that_kill_are_named_and_their_neighbours_are_not(nodes: Nodes, tmp_path: Path) -> None:
    """In a folder and in a tar; one that kills once is heard all the same."""
    archive = tmp_path / "calls.tar"
    with tarfile.open(archive, "w") as tar:
        for i, level in enumerate((0.05, KILLS, 0.1)):
            data = sound(level, 1600 + i)
            entry = tarfile.TarInfo(f"{i}.wav")
            entry.size = len(data)
            tar.addfile(entry, io.BytesIO(data))
    levels = [0.01 * (i + 1) for i in range(12)]
    levels[3], levels[8] = KILLS, KILLS_ONCE
    paths = [write(tmp_path / f"{i}.wav", level, 1600 + i) for i, level in enumerate(levels)]
    tasks = tasks_of([*paths, archive])
    found = in_order(list(RayEngine(jobs=2).pieces(Job.of("features", frontend=Deadly(str(tmp_path))), iter(tasks))))
    check_each_task_ends_once(found, tasks)
    failures = [(Path(one.file).name, one.stage, one.reason) for piece in found for one in piece.failures]
    assert failures == [("3.wav", "recognise", LOST), ("calls.tar", "recognise", f"Its recording number 2: {LOST}")]
    assert [name for name, _ in rows_of(found)] == [*(f"{i}.wav" for i in range(12) if i != 3), "0.wav", "2.wav"]
    assert (tmp_path / "died-1608").exists()


def test_a_recording_that_keeps_everybody_busy_is_given_up(nodes: Nodes, tmp_path: Path) -> None:
    paths = [write(tmp_path / f"{i}.wav", HANGS if i == 1 else 0.1 * i, 1600 + i) for i in range(3)]
    tasks = tasks_of(paths)
    engine = RayEngine(jobs=2, patience=3.0)
    found = in_order(list(engine.pieces(Job.of("features", frontend=Deadly(str(tmp_path))), iter(tasks))))
    check_each_task_ends_once(found, tasks)
    [failure] = [failure for piece in found for failure in piece.failures]
    assert Path(failure.file).name == "1.wav"
    assert "3 s without a sign of life" in failure.reason


def test_killing_a_node_loses_only_what_was_in_its_hands(nodes: Nodes, tmp_path: Path) -> None:
    paths = [write(tmp_path / f"{i}.wav", TAKES_LONG if i % 2 else 0.02 * i, 1600 + i) for i in range(40)]
    tasks = tasks_of(paths)
    job = Job.of("features", frontend=Deadly(str(tmp_path)))
    found: list[Piece] = []
    for piece in RayEngine(jobs=2).pieces(job, iter(tasks)):
        found.append(piece)
        if len(found) == 8:
            nodes.kill_second()
    nodes.join()
    check_each_task_ends_once(found, tasks)
    assert equal(in_order(found), heard_here(job, tasks))


def test_whoever_stops_early_leaves_no_actor_behind(nodes: Nodes, tmp_path: Path) -> None:
    taken: list[Task] = []

    def endless() -> Iterator[Task]:
        path = write(tmp_path / "one.wav", TAKES_LONG, 1600)
        for i in itertools.count():
            taken.append(Task(i, 0, Item(str(path))))
            yield taken[-1]

    pieces = RayEngine(jobs=2).pieces(Job.of("features", frontend=Deadly(str(tmp_path))), endless())
    next(pieces)
    pieces.close()  # type: ignore[attr-defined]
    assert len(taken) < 20


def test_what_the_listing_raises_comes_through(nodes: Nodes, tmp_path: Path) -> None:
    def broken() -> Iterator[Task]:
        yield Task(0, 0, Item(str(write(tmp_path / "one.wav", 0.1, 1600))))
        raise CorpusError("The bucket is gone.")

    with pytest.raises(CorpusError, match="The bucket is gone"):
        list(RayEngine(jobs=1).pieces(Job.of("features", frontend=Deadly(str(tmp_path))), broken()))


# --- the command ---


def annotate(folder: Path, output: str, *options: object) -> subprocess.Popen[str]:
    """The command in a process of its own, on a fresh cluster of its own."""
    arguments = ["annotate", folder / "calls", "-o", folder / output, "--model", folder / "tiny", "--shard-files", 4]
    environment = {**os.environ, "PYTHONPATH": str(SOURCE), "OMP_NUM_THREADS": "1"}
    environment.pop("RAY_ADDRESS", None)
    return subprocess.Popen(
        [sys.executable, "-c", MAIN, *map(str, [*arguments, *options])],
        env=environment,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )


def test_a_killed_driver_loses_nothing_and_doubles_nothing(tmp_path: Path, rng: Any) -> None:
    """And its cluster goes with it. The rows in the end are those of the local engine, undisturbed."""
    (tmp_path / "calls").mkdir()
    for i in range(40):
        speech = synthetic.speech(("sad", "angry")[i % 2], i % 5, rng=rng, seconds=0.5)
        (tmp_path / "calls" / f"{i:02d}.wav").write_bytes(audio.encode_wav(speech))
    tiny().recogniser.save(tmp_path / "tiny")
    killed = annotate(tmp_path, "by-ray", "--engine", "ray", "--jobs", 1)
    parts = tmp_path / "by-ray" / "segments"
    while killed.poll() is None and not list(parts.glob("*.parquet")):
        time.sleep(0.02)
    killed.kill()
    killed.wait()
    n_before = len(list(parts.glob("*.parquet")))
    again = annotate(tmp_path, "by-ray", "--engine", "ray", "--jobs", 1)
    assert again.wait() == 0, again.communicate()
    undisturbed = annotate(tmp_path, "local", "--jobs", 1)
    assert undisturbed.wait() == 0, undisturbed.communicate()
    assert n_before >= 1
    for kind in ("segments", "failures"):
        one, two = (
            {path.name: path.read_bytes() for path in (tmp_path / out / kind).iterdir()} for out in ("by-ray", "local")
        )
        assert one == two
    runs = json.loads((tmp_path / "by-ray" / "manifest.json").read_text("utf-8"))["runs"]
    assert [run["engine"] for run in runs] == ["ray", "ray"]


def test_a_cluster_that_is_not_there_is_a_sentence(tmp_path: Path) -> None:
    """Told before anything is written but the plan."""
    (tmp_path / "calls").mkdir()
    write(tmp_path / "calls" / "one.wav", 0.1, 16_000)
    tiny().recogniser.save(tmp_path / "tiny")
    refused = annotate(tmp_path, "out", "--engine", "ray", "--address", "127.0.0.1:1")
    _, words = refused.communicate(timeout=200)
    assert refused.returncode == 2
    assert "The Ray cluster at 127.0.0.1:1 can't be used" in words
    assert "Traceback" not in words


# --- without a cluster ---


def test_nothing_to_do_starts_nothing() -> None:
    job = Job.of("predictions", recogniser=tiny().recogniser)
    assert list(RayEngine(address="192.0.2.1:1").pieces(job, iter([]))) == []


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"jobs": 0}, "whole number from 1"),
        ({"jobs": True}, "whole number from 1"),
        ({"gpus": -1}, "share of a GPU"),
        ({"gpus": 1.5}, "share of a GPU"),
        ({"address": "ray://head:10001"}, "ray job submit"),
    ],
)
def test_options_that_can_not_be(options: dict[str, Any], message: str) -> None:
    with pytest.raises(ConfigError, match=message):
        RayEngine(**options)
