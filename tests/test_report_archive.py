"""Reports of archives: what is counted, that it doesn't depend on how rows come, and what the page says."""

from __future__ import annotations

import csv
import json
import shutil
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from tiny import LABELS, tiny, tiny_dimensions
from typer.testing import CliRunner

from emotone import audio, report, synthetic
from emotone.cli import app
from emotone.errors import ConfigError

arrow = pytest.importorskip("pyarrow", reason="archives need pyarrow, the extra batch")

from emotone import batch  # noqa: E402
from emotone.report import _archive  # noqa: E402
from emotone.report._archive_counts import NO_SPEECH, UNCERTAIN, Counts, Groups, _Folders  # noqa: E402
from emotone.report._archive_drawing import clock, hours, percent  # noqa: E402

CARRIED = ("agent", "recorded_at", "note")


def recordings(folder: Path) -> Path:
    """Twelve clips in two folders, one of them silent, a broken one, and a table of them."""
    rng = np.random.default_rng(0)
    table = folder / "calls.csv"
    rows = []
    for i in range(12):
        path = folder / ("north", "south/late")[i % 2] / f"<b>{i}.wav"
        path.parent.mkdir(parents=True, exist_ok=True)
        sound = synthetic.speech(LABELS[i % 3], i % 4, rng=rng, seconds=1.2)
        path.write_bytes(audio.encode_wav(np.zeros_like(sound) if i == 5 else sound))
        rows.append(
            [path, f"caller {i % 4}", ("Ada", "Grace")[i % 2], f"2026-03-{2 + i // 4:02d}T{8 + i:02d}:30:00", f"n{i}"]
        )
    (folder / "north" / "broken.wav").write_bytes(b"RIFF")
    rows.append([folder / "north" / "broken.wav", "caller 0", "Ada", "2026-03-02T09:00:00", "x"])
    with table.open("w", newline="", encoding="utf-8") as file:
        csv.writer(file).writerows([["file", "speaker", *CARRIED], *rows])
    return table


@pytest.fixture(scope="module")
def archive(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """An archive of predictions, in shards of five."""
    folder = tmp_path_factory.mktemp("archive")
    options = batch.ArchiveOptions(model=tiny().recogniser, shard_files=5)
    batch.annotate(recordings(folder), folder / "annotated", options, engine=batch.LocalEngine(jobs=1))
    return folder / "annotated"


def rows_of(folder: Path) -> list[dict[str, Any]]:
    return batch.Archive.open(folder).segments().to_table().to_pylist()


# --- what is counted ---


def test_what_is_counted_is_what_is_there(archive: Path) -> None:
    counts, rows = _archive.read(archive).counts, rows_of(archive)
    assert len(rows) == 12
    for row in rows:
        row["kind"] = NO_SPEECH if "no_speech" in row["flags"] else row["emotion"] or UNCERTAIN
        row["seconds"] = row["end"] - row["start"]
    for kind in {row["kind"] for row in rows}:
        own = [row["seconds"] for row in rows if row["kind"] == kind]
        assert counts.kinds.n[kind, kind] == len(own)
        assert counts.kinds.seconds[kind, kind] == pytest.approx(sum(own))
    heard = [row for row in rows if row["kind"] != NO_SPEECH]
    assert len(heard) == 11
    for label in LABELS:
        assert counts.expected[label] == pytest.approx(sum(row[f"p_{label}"] * row["seconds"] for row in heard))
        surest = sorted((-row["confidence"], row["file"]) for row in heard if row["emotion"] == label)[:3]
        assert [(-one.value, one.file) for one in counts.surest[label]] == surest
    assert counts.speakers.names == {f"caller {i}" for i in range(4)}
    assert sum(counts.speakers.n[pair] for pair in counts.speakers.n if pair[0] == "caller 1") == 2  # one is silent
    assert counts.values["agent"].names == {"Ada", "Grace"}
    assert counts.when == "recorded_at"
    assert len(counts.days.names) == 3
    assert counts.hours.names == set(range(8, 20)) - {13}
    assert counts.flags.n["no_speech", ""] == 1


def test_it_does_not_matter_in_how_many_batches_rows_come(archive: Path) -> None:
    whole = batch.Archive.open(archive).segments().to_table()
    found = []
    for size in (100, 5, 1):
        counts = Counts(whole.schema, LABELS, (), CARRIED)
        for first in range(0, len(whole), size):
            counts.add(whole.slice(first, size))
        found.append(counts)
    for other in found[1:]:
        for name in ("kinds", "speakers", "folders", "days", "hours", "positions", "flags"):
            one, two = getattr(found[0], name), getattr(other, name)
            assert one.n == two.n
            assert dict(one.seconds) == pytest.approx(dict(two.seconds))
        assert found[0].surest == other.surest


def test_moments_are_of_different_recordings() -> None:
    n = 400
    rng = np.random.default_rng(1)
    confidence = rng.random(n)
    confidence[:100] += 1  # the first recording has all the surest
    table = arrow.table(
        {
            "file": [f"call-{i // 100}.wav" for i in range(n)],
            "speaker": arrow.nulls(n, arrow.string()),
            "start": np.arange(n, dtype=float),
            "end": np.arange(n) + 1.0,
            "flags": arrow.array([[]] * n, arrow.list_(arrow.string())),
            "emotion": ["sad"] * n,
            "confidence": confidence,
            "p_sad": confidence,
        }
    )
    counts = Counts(table.schema, ("sad",), (), ())
    for first in range(0, n, 50):
        counts.add(table.slice(first, 50))
    best = [confidence[i : i + 100].max() for i in range(0, n, 100)]
    found = [(one.file, one.value) for one in counts.surest["sad"]]
    assert found == [(f"call-{i}.wav", best[i]) for i in np.argsort(best)[::-1][:3]]


def test_too_many_groups_are_given_up_and_folders_counted_further_up() -> None:
    groups = Groups(10)
    groups.add((f"speaker {i}", "sad", 1, 1.0) for i in range(11))
    groups.add([("speaker 1", "sad", 1, 1.0)])
    assert groups.too_many
    assert not groups.n
    folders = _Folders(10)
    for i in range(100):
        folders.add([(f"calls/site {i % 3}/{i}", "sad", 1, 2.0)])
    assert not folders.too_many
    assert folders.names == {f"calls/site {i}" for i in range(3)}
    assert sum(folders.n.values()) == 100
    assert sum(folders.seconds.values()) == 200.0


@pytest.mark.parametrize("when", ["yesterday", "2026-03-02 08:00:00", "2026-03-02"])
def test_text_that_is_no_time_is_no_time(archive: Path, when: str) -> None:
    table = batch.Archive.open(archive).segments().to_table()
    table = table.set_column(
        table.schema.get_field_index("recorded_at"), "recorded_at", arrow.array([when] * len(table))
    )
    counts = Counts(table.schema, LABELS, (), CARRIED)
    counts.add(table)
    assert (counts.when is None) == (when == "yesterday")
    assert bool(counts.hours.names) == (":" in when)


# --- the page ---


def test_the_page_says_what_was_heard_and_what_was_not(archive: Path) -> None:
    page = report.build(archive)
    assert page.title == "annotated"
    assert page.default == archive / "report.html"
    assert page.sections == (
        *("emotions", "time", "speakers", "folders", "by-1"),
        *("moments", "quality", "failures", "again", "words"),
    )
    assert page.line.startswith("12 recordings, ")
    assert page.line.endswith("1 failure")
    for words in ("caller 3", "south/late", "Grace", "no_speech", "broken.wav", "the recogniser tiny", "Over the day"):
        assert words in page.html
    assert "By agent" in page.html
    assert "By note" not in page.html  # which says something else of each recording


def test_names_of_files_can_not_become_markup(archive: Path) -> None:
    html = report.build(archive).html
    assert "&lt;b&gt;" in html
    assert "<b>1.wav" not in html
    assert html.count("<script") == 1
    assert "http://" not in html.replace("http://www.w3.org/2000/svg", "")


def test_an_archive_that_is_not_finished_says_so(archive: Path, tmp_path: Path) -> None:
    begun = tmp_path / "begun"
    shutil.copytree(archive, begun)
    manifest = json.loads((begun / "manifest.json").read_text("utf-8"))
    (begun / "manifest.json").write_text(json.dumps(manifest | {"state": "stopped"}), "utf-8")
    assert "Not finished" in report.build(begun).html
    assert "Not finished" not in report.build(archive).html


def test_nothing_finished_is_a_sentence(archive: Path, tmp_path: Path) -> None:
    begun = tmp_path / "begun"
    begun.mkdir()
    shutil.copy(archive / "manifest.json", begun)
    with pytest.raises(ConfigError, match="no finished shard"):
        report.build(begun)


def test_the_command_writes_it_beside_the_archive(archive: Path) -> None:
    done = CliRunner().invoke(app, ["report", str(archive)])
    assert done.exit_code == 0, done.output
    assert (archive / "report.html").stat().st_size > 10_000
    done = CliRunner().invoke(app, ["report", str(archive), "--json", "-o", str(archive / "other.html")])
    assert json.loads(done.stdout)["title"] == "annotated"


@pytest.mark.parametrize("what", ["dimensions", "features", "timeline"])
def test_other_kinds_of_archives_have_pages(what: str, archive: Path, tmp_path: Path) -> None:
    options = {
        "dimensions": batch.ArchiveOptions(model=tiny_dimensions().recogniser),
        "features": batch.ArchiveOptions(what="features", frontend="librosa180"),
        "timeline": batch.ArchiveOptions(what="timeline", model=tiny().recogniser),
    }[what]
    table = archive.parent / "calls.csv"
    batch.annotate(table, tmp_path / "other", options, engine=batch.LocalEngine(jobs=1))
    page = report.build(tmp_path / "other")
    assert ("moments" in page.sections) == (what != "features")
    assert ("dimensions" in page.sections) == (what == "dimensions")
    assert "speakers" in page.sections
    assert "the front-end librosa180" in page.html or what != "features"


# --- numbers ---


def test_numbers_in_words() -> None:
    assert [hours(9), hours(840), hours(7200), hours(3.6e6)] == ["9 seconds", "14 minutes", "2.0 hours", "1,000 hours"]
    assert [percent(1, 3), percent(0, 3), percent(1, 1000), percent(1, 0)] == [
        "33\u00a0%",
        "0\u00a0%",
        "0.1\u00a0%",
        "–",
    ]
    assert [clock(5), clock(65), clock(3665)] == ["0:05", "1:05", "1:01:05"]
