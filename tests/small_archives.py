"""Archives small enough for tests, and what is in them."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

from deadly import Deadly, write

from emotone.batch import Archive, ArchiveOptions, LocalEngine, Progress

TWO = LocalEngine(jobs=2)


def levels(folder: Path, n: int, *, level: float = 0.01) -> list[Path]:
    """Recordings for a `Deadly` job, each of another length."""
    folder.mkdir(parents=True, exist_ok=True)
    return [write(folder / f"{i:03d}.wav", level, 1600 + i) for i in range(n)]


def described(folder: Path, **options: Any) -> ArchiveOptions:
    """The options of a `Deadly` job."""
    return ArchiveOptions(what="features", frontend=Deadly(str(folder)), **options)


def rows(archive: Archive) -> list[dict[str, Any]]:
    """All of its segments."""
    found: list[dict[str, Any]] = archive.segments().to_table().to_pylist()
    return found


def failed(archive: Archive) -> list[tuple[str, str]]:
    """File and stage of all its failures."""
    table = archive.failures().to_table().to_pylist()
    return [(Path(row["file"]).name, row["stage"]) for row in table]


def content(folder: Path) -> dict[str, bytes]:
    """The tables' files."""
    return {str(path.relative_to(folder)): path.read_bytes() for path in folder.glob("*s/*")}


class EnoughError(Exception):
    """Raised in the midst of a run."""


def after(n: int) -> Callable[[Progress], None]:
    """Raises `EnoughError` after so many recordings."""

    def tell(progress: Progress) -> None:
        if progress.recordings >= n:
            raise EnoughError

    return tell
