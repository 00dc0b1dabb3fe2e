"""The engine of one machine: the same pieces as from one process, whoever dies on the way."""

from __future__ import annotations

import io
import itertools
import multiprocessing
import os
import signal
import tarfile
from collections.abc import Iterator
from pathlib import Path

import pytest
from deadly import KILLS, KILLS_ONCE, TAKES_LONG, Deadly, sound, write
from tiny import tiny

from emotone.batch.local_engine import LocalEngine
from emotone.batch.work import LOST, Annotator, Item, Job, Piece, Task
from emotone.errors import ConfigError, CorpusError


def tasks_of(paths: list[Path], shard: int = 5) -> list[Task]:
    return [Task(i // shard, i % shard, Item(str(path))) for i, path in enumerate(paths)]


def done(engine: LocalEngine, job: Job, tasks: list[Task]) -> list[Piece]:
    """The pieces in order; and nobody is left behind."""
    found = list(engine.pieces(job, iter(tasks)))
    assert not multiprocessing.active_children()
    ends = [(piece.shard, piece.position) for piece in found if piece.done]
    assert sorted(ends) == [(task.shard, task.position) for task in tasks]
    for _, own in itertools.groupby(in_order(found), key=lambda piece: (piece.shard, piece.position)):
        pieces = list(own)
        assert [piece.member for piece in pieces] == list(range(len(pieces)))
        assert [piece.done for piece in pieces] == [False] * (len(pieces) - 1) + [True]
    return in_order(found)


def in_order(pieces: list[Piece]) -> list[Piece]:
    return sorted(pieces, key=lambda piece: (piece.shard, piece.position))  # members keep their order


def names(pieces: list[Piece]) -> list[str]:
    return [Path(row[0]).name for piece in pieces for row in piece.rows]


def failures(pieces: list[Piece]) -> list[tuple[str, str, str]]:
    return [(Path(one.file).name, one.stage, one.reason) for piece in pieces for one in piece.failures]


@pytest.fixture
def job(tmp_path: Path) -> Job:
    return Job.of("features", frontend=Deadly(str(tmp_path)))


def test_workers_give_what_one_process_gives_to_the_bit(tmp_path, rng):
    from emotone import audio, synthetic

    paths = [tmp_path / f"{i}.wav" for i in range(9)]
    for i, path in enumerate(paths):
        path.write_bytes(audio.encode_wav(synthetic.speech(("sad", "angry")[i % 2], i % 5, rng=rng, seconds=0.6)))
    (tmp_path / "broken.wav").write_bytes(b"RIFF")
    tasks = tasks_of([*paths, tmp_path / "broken.wav", tmp_path / "missing.wav"])
    predictions = Job.of("predictions", recogniser=tiny().recogniser)
    annotator = Annotator(predictions)
    expected = [piece for task in tasks for piece in annotator.pieces(task)]
    assert len(names(expected)) == 9
    assert [stage for _, stage, _ in failures(expected)] == ["decode", "read"]
    assert done(LocalEngine(jobs=2), predictions, tasks) == expected


def test_only_the_recording_that_kills_is_lost(tmp_path, job):
    levels = [0.01 * (i + 1) for i in range(24)]
    levels[7], levels[13], levels[14] = KILLS, KILLS_ONCE, KILLS
    tasks = tasks_of([write(tmp_path / f"{i}.wav", level, 1600 + i) for i, level in enumerate(levels)])
    found = done(LocalEngine(jobs=2), job, tasks)
    assert failures(found) == [(f"{i}.wav", "recognise", LOST) for i in (7, 14)]
    assert names(found) == [f"{i}.wav" for i in range(24) if i not in (7, 14)]
    assert (tmp_path / "died-1613").exists()


def test_of_a_tar_only_the_recording_that_kills_is_lost(tmp_path, job):
    path = tmp_path / "calls.tar"
    levels = [0.05, KILLS, 0.1, KILLS_ONCE, 0.15, KILLS]
    with tarfile.open(path, "w") as tar:
        for i, level in enumerate(levels):
            content = sound(level, 1600 + i)
            entry = tarfile.TarInfo(f"{i}.wav")
            entry.size = len(content)
            tar.addfile(entry, io.BytesIO(content))
    found = done(LocalEngine(jobs=2), job, tasks_of([path, write(tmp_path / "other.wav", 0.2, 1600)]))
    assert names(found) == ["0.wav", "2.wav", "3.wav", "4.wav", "other.wav"]
    reasons = [reason for _, _, reason in failures(found)]
    assert reasons == [f"Its recording number {number}: {LOST}" for number in (2, 6)]


def test_a_worker_killed_from_outside_costs_nothing(tmp_path, job):
    tasks = tasks_of([write(tmp_path / f"{i}.wav", TAKES_LONG, 1600 + i) for i in range(16)])
    found = []
    for piece in LocalEngine(jobs=2).pieces(job, iter(tasks)):
        found.append(piece)
        if len(found) in (3, 6):
            os.kill(multiprocessing.active_children()[0].pid, signal.SIGKILL)
    annotator = Annotator(job)
    expected = [piece for task in tasks for piece in annotator.pieces(task)]
    assert names(in_order(found)) == names(expected)
    assert not failures(found)


def test_a_recording_that_never_ends_is_given_up(tmp_path):
    job = Job.of("features", frontend=Deadly(str(tmp_path)))
    tasks = tasks_of([write(tmp_path / "0.wav", 0.1, 1600), write(tmp_path / "1.wav", TAKES_LONG, 1601)])
    found = done(LocalEngine(jobs=1, patience=0.01), job, tasks)
    # Whether 0.2 s of silence are noticed depends on when somebody looks; if they are, the sentence says so.
    assert names(found)[0] == "0.wav"
    for _, stage, reason in failures(found):
        assert stage == "recognise"
        assert "without a sign of life" in reason


def test_whoever_stops_early_leaves_nobody_behind(tmp_path, job):
    taken = []

    def endless() -> Iterator[Task]:
        path = write(tmp_path / "one.wav", 0.1, 1600)
        for i in itertools.count():
            taken.append(Task(i, 0, Item(str(path))))
            yield taken[-1]

    pieces = LocalEngine(jobs=2).pieces(job, endless())
    next(pieces)
    pieces.close()
    assert not multiprocessing.active_children()
    assert len(taken) < 40


def test_what_the_listing_raises_comes_through(tmp_path, job):
    def broken() -> Iterator[Task]:
        yield Task(0, 0, Item(str(write(tmp_path / "one.wav", 0.1, 1600))))
        raise CorpusError("The bucket is gone.")

    with pytest.raises(CorpusError, match="The bucket is gone"):
        list(LocalEngine(jobs=1).pieces(job, broken()))
    assert not multiprocessing.active_children()


def test_nothing_to_do_starts_nobody(job):
    assert list(LocalEngine(jobs=2).pieces(job, iter([]))) == []


@pytest.mark.parametrize("jobs", [0, -1, True, 1.5])
def test_jobs_are_counted_from_one(jobs):
    with pytest.raises(ConfigError, match="whole number from 1"):
        LocalEngine(jobs=jobs)
