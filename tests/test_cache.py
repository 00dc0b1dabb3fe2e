"""`features.cache`: nothing that happens to it gives a wrong number."""

from __future__ import annotations

import sqlite3
import subprocess
import sys
import warnings
from pathlib import Path

import numpy as np
import pytest

from emotone.features import cache
from emotone.features.cache import CacheWarning, FeatureCache

KEYS = [bytes([i]) * 32 for i in range(200)]
VALUES = np.random.default_rng(1).standard_normal((len(KEYS), 180)).astype(np.float32)


def fill(folder: Path) -> Path:
    """A cache with all `KEYS`, and its file."""
    with FeatureCache(folder) as store:
        for key, values in zip(KEYS, VALUES, strict=True):
            store.put(key, values)
    (path,) = folder.glob("*.sqlite3")
    return path


def count(folder: Path) -> int:
    with FeatureCache(folder) as store:
        return found(store)


def found(store: FeatureCache) -> int:
    """How many of `KEYS` it has; those it has are right."""
    n = 0
    for key, expected in zip(KEYS, VALUES, strict=True):
        values = store.get(key, 180)
        if values is not None:
            assert np.array_equal(values, expected)
            n += 1
    return n


def test_what_goes_in_comes_out(tmp_path: Path) -> None:
    fill(tmp_path / "new" / "folder")
    with FeatureCache(tmp_path / "new" / "folder") as store:
        assert found(store) == len(KEYS)
        assert store.get(b"other key", 180) is None
        values = store.get(KEYS[0], 180)
        assert values is not None
        assert values.dtype == np.float32
        assert values.flags.writeable


def test_special_values_and_sizes(tmp_path: Path) -> None:
    odd = np.array([0.0, -0.0, 1e-45, np.inf, 3.4e38], np.float32)
    with FeatureCache(tmp_path) as store:
        store.put(KEYS[0], odd)
        store.put(KEYS[1], np.empty(0, np.float32))
    with FeatureCache(tmp_path) as store:
        assert np.array_equal(store.get(KEYS[0], 5), odd)
        assert store.get(KEYS[1], 0) is not None


def test_values_survive_an_exception(tmp_path: Path) -> None:
    def interrupted() -> None:
        with FeatureCache(tmp_path) as store:
            store.put(KEYS[0], VALUES[0])
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        interrupted()
    assert count(tmp_path) == 1


def test_a_value_of_another_size_is_computed_again(tmp_path: Path) -> None:
    fill(tmp_path)
    with FeatureCache(tmp_path) as store, pytest.warns(CacheWarning, match="damaged entry"):
        assert store.get(KEYS[0], 179) is None


@pytest.mark.parametrize("where", ["key", "value"])
def test_a_flipped_bit_is_noticed_and_mended(tmp_path: Path, where: str) -> None:
    path = fill(tmp_path)
    with sqlite3.connect(path) as connection:
        rowid, key, value = connection.execute("SELECT rowid, key, value FROM features LIMIT 1 OFFSET 7").fetchone()
        if where == "value":
            value = value[:300] + bytes([value[300] ^ 1]) + value[301:]
        else:  # as if it were another recording's
            connection.execute("DELETE FROM features WHERE key = ?", (KEYS[50],))
            key = KEYS[50]
        connection.execute("UPDATE features SET key = ?, value = ? WHERE rowid = ?", (key, value, rowid))
    connection.close()
    with FeatureCache(tmp_path) as store:
        with pytest.warns(CacheWarning, match="damaged entry"):
            assert found(store) < len(KEYS)
        for key, values in zip(KEYS, VALUES, strict=True):
            store.put(key, values)
    assert count(tmp_path) == len(KEYS)


def damage_header(path: Path) -> None:
    path.write_bytes(b"not a database at all, but long enough to look like one" * 40)


def damage_pages(path: Path) -> None:
    content = bytearray(path.read_bytes())
    content[4096:-4096] = bytes(len(content) - 8192)
    path.write_bytes(content)


def cut_short(path: Path) -> None:
    path.write_bytes(path.read_bytes()[: path.stat().st_size // 2])


def empty(path: Path) -> None:
    path.write_bytes(b"")


@pytest.mark.parametrize("damage", [damage_header, damage_pages, cut_short])
def test_a_damaged_database_is_replaced(tmp_path: Path, damage: object) -> None:
    path = fill(tmp_path)
    damage(path)  # type: ignore[operator]
    with pytest.warns(CacheWarning, match="was damaged; it is built anew"):
        assert count(tmp_path) < len(KEYS)
    fill(tmp_path)
    assert not path.exists()
    assert count(tmp_path) == len(KEYS)


def test_an_empty_database_file_is_a_new_one(tmp_path: Path) -> None:
    empty(fill(tmp_path))
    assert count(tmp_path) == 0
    fill(tmp_path)


def test_damage_found_while_writing_loses_nothing(tmp_path: Path) -> None:
    path = fill(tmp_path)
    with FeatureCache(tmp_path) as store:
        damage_header(path)
        for key, values in zip(KEYS[:50], VALUES[:50], strict=True):
            store.put(key, values)  # fewer than are written at once
        with pytest.warns(CacheWarning, match="built anew"):
            store.close()
    assert count(tmp_path) == 50


def test_a_process_that_still_has_the_damaged_one_does_no_harm(tmp_path: Path) -> None:
    path = fill(tmp_path)
    old = FeatureCache(tmp_path)
    assert found(old) == len(KEYS)
    damage_header(path)
    with pytest.warns(CacheWarning, match="built anew"):
        fill(tmp_path)  # another process, in effect
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", CacheWarning)
        old.put(KEYS[0], VALUES[0])
        old.close()
    assert count(tmp_path) == len(KEYS)


def test_a_folder_that_cannot_be_made(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("in the way")
    with pytest.warns(CacheWarning, match="can't be used .*computed without it"):
        store = FeatureCache(tmp_path / "file" / "cache")
    store.put(KEYS[0], VALUES[0])
    assert store.get(KEYS[0], 180) is None
    store.close()


def test_another_process_that_writes_for_too_long(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = fill(tmp_path)
    monkeypatch.setattr(cache, "_SECONDS_TO_WAIT", 0.05)
    other = sqlite3.connect(path, isolation_level=None)
    other.execute("BEGIN IMMEDIATE")
    store = FeatureCache(tmp_path)
    assert found(store) == len(KEYS)  # reading goes on
    store.put(b"a new key", VALUES[0])
    with pytest.warns(CacheWarning, match="can't be used .*locked"):
        store.close()
    other.close()


FULL_DISK = """
import resource, sys, warnings
import numpy as np
from pathlib import Path
from emotone.features.cache import FeatureCache

resource.setrlimit(resource.RLIMIT_FSIZE, (200_000, 200_000))
with warnings.catch_warnings(record=True) as caught:
    warnings.simplefilter("always")
    with FeatureCache(Path(sys.argv[1])) as store:
        for i in range(1000):
            store.put(i.to_bytes(32, "big"), np.ones(1000, np.float32))
print(len(caught), caught[0].message)
"""


@pytest.mark.skipif(sys.platform == "win32", reason="Windows has no limit on file sizes to set")
def test_a_full_disk(tmp_path: Path) -> None:
    done = subprocess.run([sys.executable, "-c", FULL_DISK, str(tmp_path)], capture_output=True, text=True, check=True)
    assert done.stdout.startswith("1 The cache of features")
    assert "can't be used" in done.stdout
    assert not done.stderr


WRITER = """
import sys
import numpy as np
from pathlib import Path
from emotone.features.cache import FeatureCache

with FeatureCache(Path(sys.argv[1])) as store:
    for i in range(400):
        key = (i * 7919 % 400).to_bytes(32, "big")
        values = store.get(key, 50)
        assert values is None or (values == values[0]).all()
        store.put(key, np.full(50, i * 7919 % 400, np.float32))
"""


def test_several_processes_at_once(tmp_path: Path) -> None:
    writers = [subprocess.Popen([sys.executable, "-W", "error", "-c", WRITER, str(tmp_path)]) for _ in range(3)]
    assert [writer.wait(timeout=100) for writer in writers] == [0, 0, 0]
    (path,) = tmp_path.glob("*.sqlite3")
    connection = sqlite3.connect(path)
    assert connection.execute("SELECT count(*) FROM features").fetchone() == (400,)
    assert connection.execute("PRAGMA integrity_check").fetchone() == ("ok",)
    connection.close()
    with FeatureCache(tmp_path) as store:
        for i in range(400):
            values = store.get(i.to_bytes(32, "big"), 50)
            assert values is not None
            assert (values == i).all()
