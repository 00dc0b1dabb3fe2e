"""Where timelines are written: which file for which recording, and whether that can be, before hours of work."""

from __future__ import annotations

import glob
import itertools
import os
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from emotone.errors import ConfigError, require

if TYPE_CHECKING:
    from emotone.recogniser import Recogniser
    from emotone.segment import Segment

__all__ = ["IN_FOLDERS", "Outputs", "check_formats", "check_output", "check_picture", "write"]

IN_FOLDERS = "json"
"""The format of files in a folder, if no other is asked for: it holds all that is known."""


@dataclass(frozen=True)
class Outputs:
    """The files that were asked for."""

    each: Mapping[Path, tuple[Path, ...]]
    """Those of each recording alone."""
    joint: tuple[Path, ...]
    """Tables of all recordings."""
    format: str | None
    """Of all of them; if None, a file's ending says it, and `IN_FOLDERS` holds in folders."""

    @classmethod
    def of(cls, paths: Sequence[Path], given: Sequence[str], asked: Sequence[Path], format: str | None) -> Outputs:  # noqa: A002
        """For the recordings ``paths``, found by what was ``given``, in the places ``asked`` for.

        A place without an ending is a folder. Raises `ConfigError` for what can't be written there, and `MissingExtra`
        for a format that needs a package.
        """
        from emotone import formats

        each: dict[Path, tuple[Path, ...]] = dict.fromkeys(paths, ())
        joint = []
        for place in asked:
            if place.is_dir() or not place.suffix:
                suffix = formats.FORMATS[formats.format_of(place, format=format or IN_FOLDERS)].suffixes[0]
                for path, target in _in_folder(paths, given, place, suffix).items():
                    each[path] += (target,)
                continue
            name = formats.format_of(place, format=format)
            if len(paths) == 1:
                each[paths[0]] += (place,)
            elif formats.FORMATS[name].several:
                joint.append(place)
            else:
                raise ConfigError(
                    f"{formats.FORMATS[name].title} holds one recording, and there are {len(paths)}. Give a folder "
                    f"instead of {place}: -o {place.with_suffix('')} --format {name}"
                )
        written = cls(each, tuple(joint), format)
        for target in written.all:
            check_output(target)
        return written

    @property
    def all(self) -> tuple[Path, ...]:
        """Every file."""
        return (*itertools.chain.from_iterable(self.each.values()), *self.joint)

    def are_done(self, path: Path) -> bool:
        """Whether the recording at ``path`` has all its files, and they are newer than it is."""
        try:
            heard = path.stat().st_mtime
            return bool(self.each[path]) and all(target.stat().st_mtime >= heard for target in self.each[path])
        except OSError:
            return False

    def write(self, recogniser: Recogniser, path: Path, segments: Sequence[Segment], *, name: str, whole: bool) -> None:
        """The files of the recording at ``path``. Those that don't hold the ``whole`` of it are dated before it, so
        that `are_done` says no."""
        for target in self.each[path]:
            write(recogniser, segments, target, format=self.format, name=name)
            if not whole and path.exists():
                os.utime(target, (path.stat().st_mtime - 1,) * 2)


def write(
    recogniser: Recogniser,
    segments: Sequence[Segment],
    target: Path,
    *,
    format: str | None = None,  # noqa: A002
    name: str | None = None,
    duration: float | None = None,
) -> None:
    """A file with ``segments``; see `emotone.formats.write`."""
    from emotone import formats

    formats.write(
        segments,
        target,
        format=format,
        source=name,
        duration=duration,
        labels=recogniser.labels,
        dimensions=tuple(recogniser.dimensions),
    )


def check_formats(recogniser: Recogniser, targets: Iterable[Path], format: str | None) -> None:  # noqa: A002
    """Raise `ConfigError` for a format that can't hold what this recogniser says."""
    from emotone import formats

    for name in {formats.format_of(target, format=format) for target in targets}:
        if formats.FORMATS[name].is_text:  # a trial without segments
            formats.dumps([], name, labels=recogniser.labels, dimensions=tuple(recogniser.dimensions))


def check_output(path: Path) -> None:
    """Raise `ConfigError` where a file can't be written. Makes its folder."""
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise ConfigError(f"{path} can't be written: {error.strerror or error}.") from error
    if path.is_dir():
        raise ConfigError(f"{path} can't be written: it is a folder.")
    if not os.access(path if path.exists() else path.parent, os.W_OK):
        raise ConfigError(f"{path} can't be written: permission denied.")


def check_picture(path: Path) -> None:
    """Raise `MissingExtra` without matplotlib, `ConfigError` for an ending that it can't draw or a place that can't be
    written to."""
    canvas = require("matplotlib.backend_bases", extra="plot").FigureCanvasBase
    endings = sorted(canvas.get_supported_filetypes())
    if path.suffix.lstrip(".").lower() not in endings:
        allowed = ", ".join(endings)
        raise ConfigError(f"A picture can't be written as {path.name!r}; the ending must be one of {allowed}.")
    check_output(path)


def _in_folder(paths: Sequence[Path], given: Sequence[str], folder: Path, suffix: str) -> dict[Path, Path]:
    """A file in ``folder`` for each recording: named as that is, and below the folders that it has below what was
    ``given``. Where two differ only by their endings, both keep them."""
    places = {path: _below(path, given) for path in paths}
    alike = Counter(place.with_suffix("") for place in places.values())
    named = {
        path: folder / place.with_name((place.name if alike[place.with_suffix("")] > 1 else place.stem) + suffix)
        for path, place in places.items()
    }
    first: dict[Path, Path] = {}
    for path, target in named.items():
        if first.setdefault(target, path) != path:
            raise ConfigError(
                f"{first[target]} and {path} would both be written to {target}. Give the folder that holds both, or "
                "one after the other."
            )
    return named


def _below(path: Path, given: Sequence[str]) -> Path:
    """Where a recording lies below the folder, or the fixed beginning of the pattern, that it was found by."""
    for name in given:
        root = Path(name)
        if not root.is_dir() and glob.has_magic(name):
            root = Path(*itertools.takewhile(lambda part: not glob.has_magic(part), root.parts))
        if root != path and root.is_dir() and path.is_relative_to(root):
            return path.relative_to(root)
    return Path(path.name)
