"""Archives: everything is in them once, whatever happens on the way, and nothing is ever damaged."""

from __future__ import annotations

import io
import json
import os
import random
import resource
import signal
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pytest

import emotone
from emotone import audio
from emotone.errors import ConfigError

pytest.importorskip("pyarrow", reason="needs pyarrow, the extra batch")
pytest.importorskip("fsspec", reason="needs fsspec, the extra batch")

from deadly import KILLS, TAKES_LONG, Deadly, write
from small_archives import TWO, EnoughError, after, content, described, failed, levels, rows

from emotone.batch import Archive, ArchiveOptions, annotate
from emotone.batch.parts import part

HERE, SOURCE = Path(__file__).parent, Path(emotone.__file__).parents[1]


def test_an_interrupted_run_goes_on_and_nothing_is_done_twice(tmp_path):
    paths = levels(tmp_path / "in", 40)
    paths[17].write_bytes(b"broken")
    undisturbed = annotate(tmp_path / "in", tmp_path / "whole", described(tmp_path, shard_files=5), engine=TWO)
    assert len(rows(undisturbed)) == 39
    for n in (7, 19):
        with pytest.raises(EnoughError):
            annotate(tmp_path / "in", tmp_path / "out", described(tmp_path, shard_files=5), engine=TWO, tell=after(n))
        assert json.loads((tmp_path / "out/manifest.json").read_text())["state"] == "stopped"
    heard = []
    archive = annotate(
        tmp_path / "in", tmp_path / "out", described(tmp_path, shard_files=5), engine=TWO, tell=heard.append
    )
    assert content(tmp_path / "out") == content(tmp_path / "whole")
    assert archive.tally.as_dict() == undisturbed.tally.as_dict()
    assert heard[-1].recordings < 39  # the rest was there
    assert (heard[-1].done, heard[-1].listed, heard[-1].complete) == (40, 40, True)
    assert len(archive.manifest["runs"]) == 3


def test_kill_9_at_random_moments_of_driver_and_workers(tmp_path):
    levels(tmp_path / "in", 60)
    write(tmp_path / "in" / "031.wav", KILLS, 1631)
    whole = annotate(tmp_path / "in", tmp_path / "whole", described(tmp_path, shard_files=6), engine=TWO)
    assert failed(whole) == [("031.wav", "recognise")]
    script = (
        "import sys\nfrom deadly import Deadly\nfrom emotone.batch import ArchiveOptions, LocalEngine, annotate\n"
        "if __name__ == '__main__':\n"
        "    source, out, folder = sys.argv[1:]\n"
        "    options = ArchiveOptions(what='features', frontend=Deadly(folder), shard_files=6)\n"
        "    engine = LocalEngine(jobs=2)\n"
        "    annotate(source, out, options, engine=engine, tell=lambda p: print(p.recordings, flush=True))\n"
    )
    (tmp_path / "go.py").write_text(script)
    environment = {**os.environ, "PYTHONPATH": f"{SOURCE}{os.pathsep}{HERE}"}
    rng = random.Random(7)
    command = [sys.executable, str(tmp_path / "go.py"), str(tmp_path / "in"), str(tmp_path / "out"), str(tmp_path)]
    for number in range(3):
        driver = subprocess.Popen(command, env=environment, stdout=subprocess.PIPE, text=True)
        assert driver.stdout is not None
        for _ in range(rng.randint(0, 14)):
            driver.stdout.readline()
        if number % 2:
            for worker in _children(driver.pid)[:1]:
                os.kill(worker, signal.SIGKILL)
            driver.stdout.readline()
        workers = _children(driver.pid)
        driver.kill()
        driver.communicate()
        _wait_until_gone(workers)
    archive = annotate(tmp_path / "in", tmp_path / "out", described(tmp_path, shard_files=6), engine=TWO)
    assert content(tmp_path / "out") == content(tmp_path / "whole")
    assert archive.tally.as_dict() == whole.tally.as_dict()
    assert not list((tmp_path / "out").glob("*/.*"))


def _children(process: int) -> list[int]:
    found = Path(f"/proc/{process}/task/{process}/children")
    return [int(child) for child in found.read_text().split()] if found.exists() else []


def _wait_until_gone(processes: list[int]) -> None:
    for process in processes:
        until = time.monotonic() + 10
        while Path(f"/proc/{process}").exists() and Path(f"/proc/{process}/stat").read_text().split()[2] != "Z":
            assert time.monotonic() < until, "a worker outlived its driver"
            time.sleep(0.02)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"what": "timeline"}, 'what is written was "features", now it is "timeline"'),
        ({"shard_files": 4}, "the recordings in a shard was 3, now it is 4"),
        ({"channels": "each"}, 'the channels was "mix", now it is "each"'),
        ({"frontend": "librosa180"}, "the front-end was"),
    ],
)
def test_other_options_are_refused_and_nothing_is_touched(tmp_path, change, message):
    levels(tmp_path / "in", 3)
    options = {"what": "features", "frontend": Deadly(str(tmp_path)), "shard_files": 3}
    annotate(tmp_path / "in", tmp_path / "out", ArchiveOptions(**options), engine=TWO)
    before = content(tmp_path / "out")
    changed = {**options, **change}
    if changed["what"] != "features":
        changed["frontend"] = None
    with pytest.raises(ConfigError, match=message):
        annotate(tmp_path / "in", tmp_path / "out", ArchiveOptions(**changed), engine=TWO)
    assert content(tmp_path / "out") == before


def test_another_source_and_a_changed_list_are_refused(tmp_path):
    paths = levels(tmp_path / "in", 4)
    listed = tmp_path / "list.txt"
    listed.write_text("\n".join(map(str, paths[:3])))
    options = described(tmp_path)
    annotate(listed, tmp_path / "out", options, engine=TWO)
    with pytest.raises(ConfigError, match=r"the source was .*list\.txt, now it is .*in\. Ask for the same again"):
        annotate(tmp_path / "in", tmp_path / "out", options, engine=TWO)
    listed.write_text("\n".join(map(str, paths)))
    with pytest.raises(ConfigError, match=r"list\.txt with the content [0-9a-f]{12}, now it is .*with the content"):
        annotate(listed, tmp_path / "out", options, engine=TWO)


def test_another_model_is_refused(tmp_path):
    (tmp_path / "silent.wav").write_bytes(audio.encode_wav(np.zeros(16_000, np.float32)))
    annotate(tmp_path / "silent.wav", tmp_path / "out", engine=TWO)
    surer = ArchiveOptions(model=emotone.load().abstaining_below(0.9))
    with pytest.raises(ConfigError, match=r"the recogniser was default \([0-9a-f]{12}\), now it is"):
        annotate(tmp_path / "silent.wav", tmp_path / "out", surer, engine=TWO)


def test_a_source_that_changed_while_it_was_listed_is_refused(tmp_path):
    paths = levels(tmp_path / "in", 9)
    options = described(tmp_path, shard_files=2)
    with pytest.raises(EnoughError):
        annotate(tmp_path / "in", tmp_path / "out", options, engine=TWO, tell=after(5))
    (tmp_path / "out/_plan/complete.json").unlink()  # as if it had been killed while listing
    paths[1].rename(tmp_path / "in" / "001b.wav")
    with pytest.raises(ConfigError, match=r"has changed since .* was begun: where there was .*001\.wav, there is now"):
        annotate(tmp_path / "in", tmp_path / "out", options, engine=TWO)
    (tmp_path / "in" / "001b.wav").rename(paths[1])
    archive = annotate(tmp_path / "in", tmp_path / "out", options, engine=TWO)
    assert [row["file"] for row in rows(archive)] == [str(path) for path in paths]


def test_recordings_that_come_later_belong_to_another_archive(tmp_path):
    paths = levels(tmp_path / "in", 4)
    options = described(tmp_path, shard_files=2)
    with pytest.raises(EnoughError):
        annotate(tmp_path / "in", tmp_path / "out", options, engine=TWO, tell=after(3))
    write(tmp_path / "in" / "000a.wav", 0.01, 1700)
    archive = annotate(tmp_path / "in", tmp_path / "out", options, engine=TWO)
    assert [row["file"] for row in rows(archive)] == [str(path) for path in paths]


# --- trouble with the folder ---


def test_two_runs_into_one_folder_exclude_each_other(tmp_path):
    levels(tmp_path / "in", 4, level=TAKES_LONG)

    def another(progress):
        with pytest.raises(ConfigError, match=rf"Another run is writing into .*out \(process {os.getpid()} on "):
            annotate(tmp_path / "in", tmp_path / "out", described(tmp_path), engine=TWO)

    assert annotate(tmp_path / "in", tmp_path / "out", described(tmp_path), engine=TWO, tell=another).is_finished


def test_a_folder_with_something_else_in_it_is_left_alone(tmp_path):
    levels(tmp_path / "in", 2)
    with pytest.raises(ConfigError, match=r"holds something else \(000\.wav\)"):
        annotate(tmp_path / "in", tmp_path / "in", described(tmp_path), engine=TWO)
    assert sorted(path.name for path in (tmp_path / "in").iterdir()) == ["000.wav", "001.wav", "_lock"]
    with pytest.raises(ConfigError, match="can't be written to"):
        annotate(tmp_path / "in", tmp_path / "in" / "000.wav" / "out", described(tmp_path), engine=TWO)


def test_a_full_disk_costs_only_what_was_not_written(tmp_path):
    paths = [write(tmp_path / "in" / f"{i:03d}{'x' * (1 + 40 * (i > 5))}.wav", 0.01, 1600 + i) for i in _in(tmp_path)]
    options = described(tmp_path, shard_files=3)
    before = resource.getrlimit(resource.RLIMIT_FSIZE)
    with pytest.raises(EnoughError):
        annotate(tmp_path / "in", tmp_path / "out", options, engine=TWO, tell=after(4))
    done = content(tmp_path / "out")
    resource.setrlimit(resource.RLIMIT_FSIZE, (500, before[1]))  # no file can be larger
    try:
        with pytest.raises(ConfigError, match=r"can't be written to: File too large\. What is finished there is whole"):
            annotate(tmp_path / "in", tmp_path / "out", options, engine=TWO)
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, before)
    assert content(tmp_path / "out") == done
    archive = annotate(tmp_path / "in", tmp_path / "out", options, engine=TWO)
    assert [row["file"] for row in rows(archive)] == [str(path) for path in paths]


def _in(folder: Path) -> range:
    (folder / "in").mkdir()
    return range(12)


def test_a_damaged_part_is_named(tmp_path):
    levels(tmp_path / "in", 2)
    annotate(tmp_path / "in", tmp_path / "out", described(tmp_path), engine=TWO)
    (tmp_path / "out" / part("failures", 0)).write_bytes(b"PAR1")
    with pytest.raises(ConfigError, match=r"failures/part-000000\.parquet is missing or broken"):
        annotate(tmp_path / "in", tmp_path / "out", described(tmp_path), engine=TWO)
    (tmp_path / "out" / part("segments", 0)).unlink()
    assert len(rows(annotate(tmp_path / "in", tmp_path / "out", described(tmp_path), engine=TWO))) == 2


def test_what_is_no_archive_can_not_be_opened(tmp_path):
    with pytest.raises(ConfigError, match=r"holds no archive: manifest\.json is missing"):
        Archive.open(tmp_path)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"what": "everything"}, "Unknown kind of archive 'everything'"),
        ({"what": "features"}, "Name one, such as functionals"),
        ({"frontend": "functionals"}, "A front-end is for features"),
        ({"what": "features", "frontend": "waveform"}, "are the signals themselves"),
        ({"channels": "left"}, "Unknown choice of channels"),
        ({"adapt": True}, "predictions have no before"),
        ({"shard_files": 0}, "at least one recording"),
    ],
)
def test_options_that_can_not_be(tmp_path, options, message):
    with pytest.raises(ConfigError, match=message):
        annotate(tmp_path, tmp_path / "out", ArchiveOptions(**options), engine=TWO)
    assert not (tmp_path / "out").exists()


def test_names_that_are_not_text_are_read_all_the_same(tmp_path):
    (tmp_path / "in").mkdir()
    name = os.fsdecode(bytes(tmp_path / "in") + b"/\xff.wav")
    write(Path(name), 0.01, 1600)
    listed = io.BytesIO(os.fsencode(name) + b"\n")
    archive = annotate("-", tmp_path / "out", described(tmp_path), engine=TWO, stdin=listed)
    assert [row["file"] for row in rows(archive)] == [f"{tmp_path}/in/�.wav"]
    again = annotate(tmp_path / "in", tmp_path / "again", described(tmp_path), engine=TWO)
    assert [row["file"] for row in rows(again)] == [f"{tmp_path}/in/�.wav"]


def test_a_bucket_that_is_gone_ends_the_run_and_not_its_recordings(tmp_path):
    from emotone.batch import reading
    from emotone.batch.run import UNREACHABLE
    from emotone.batch.work import Failure, Piece

    class Gone:
        name = "gone"

        def pieces(self, job, tasks):
            for task in tasks:
                reason = f"{task.item.file} can't be read (refused). {reading.CONNECTION}"
                failure = Failure(task.item.file, None, None, "read", reason)
                yield Piece(task.shard, task.position, 0, (), (failure,), 0.0, True)

    names = "".join(f"s3://calls/{i}.wav\n" for i in range(3 * UNREACHABLE)).encode()
    with pytest.raises(ConfigError, match=r"The last 20 recordings couldn't be reached: s3://calls/\d+\.wav can't be"):
        annotate("-", tmp_path / "out", described(tmp_path, shard_files=30), engine=Gone(), stdin=io.BytesIO(names))
    assert not content(tmp_path / "out")
