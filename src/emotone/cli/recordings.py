"""What commands about recordings share: which ones are meant, what was piped in, and how answers are printed."""

from __future__ import annotations

import glob
import os
import sys
import tempfile
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, TypeAlias

from emotone.errors import ConfigError

if TYPE_CHECKING:
    from rich.console import Console
    from rich.text import Text

    from emotone.segment import Segment

__all__ = [
    "STDIN",
    "Form",
    "bar",
    "find",
    "one_thread_for_algebra",
    "percent",
    "printable",
    "rendered",
    "standard_input",
    "writer",
]

STDIN = "-"

Form: TypeAlias = "Callable[[str, Segment], str]"
"""A recording's name and an answer about it, as the text to print."""


def one_thread_for_algebra() -> None:
    """Keep numpy's matrix products on one thread, unless the user chose a number.

    They are small here, and threads that wait for each other made them three to eight times slower on a busy
    machine. numpy reads the setting when it is imported; where that is past, this isn't our own process.
    """
    if "numpy" not in sys.modules:
        for name in ("OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS", "OMP_NUM_THREADS"):
            os.environ.setdefault(name, "1")


# --- which recordings ---


def find(given: Sequence[str], stdin: Path | None) -> tuple[list[Path], list[str]]:
    """The recordings meant, each once, and a sentence for everything given that matches none.

    A file is taken whatever its ending; in folders and patterns, recordings are known by their ending.
    """
    paths: dict[Path, None] = {}
    unmatched = []
    for name in given:
        found = [stdin] if name == STDIN and stdin else _matches(name)
        paths.update(dict.fromkeys(found))
        if not found:
            unmatched.append(_nothing(name))
    return list(paths), unmatched


def _matches(name: str) -> list[Path]:
    path = Path(name)
    if path.is_dir():
        return _recordings(path)
    if path.exists() or not glob.has_magic(name):
        return [path]  # one that isn't there is named when its turn comes
    found: list[Path] = []
    for match in map(Path, sorted(glob.glob(name, recursive=True))):  # noqa: PTH207 - Path's isn't for absolute ones
        found += _recordings(match) if match.is_dir() else [match]
    return [path for path in found if _is_recording(path)]


def _recordings(folder: Path) -> list[Path]:
    """The recordings in and below ``folder``, but not hidden ones: ``._x.wav`` is a Mac's note about x.wav."""
    found = []
    for root, folders, files in os.walk(folder):
        folders[:] = [name for name in folders if not name.startswith(".")]
        found += [Path(root, name) for name in files if not name.startswith(".")]
    return sorted(filter(_is_recording, found))


def _is_recording(path: Path) -> bool:
    from emotone import audio

    return path.suffix.lower() in audio.SUFFIXES and path.is_file()


def _nothing(name: str) -> str:
    what = "The folder" if Path(name).is_dir() else "The pattern"
    return f"{what} {name} holds no recordings. Known by their ending are wav, flac, mp3, ogg, m4a, mp4 and others."


@contextmanager
def standard_input(files: Sequence[str], command: str) -> Iterator[Path | None]:
    """A file with what was piped in, if ``-`` is among ``files``: decoders need to move about in it."""
    if STDIN not in files:
        yield None
        return
    if sys.stdin.isatty():
        raise ConfigError(f"- stands for a recording that is piped in: cat speech.wav | emotone {command} -")
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder, "stdin")
        path.write_bytes(sys.stdin.buffer.read())
        yield path


def printable(path: Path) -> str:
    """The path for people and for JSON: bytes that aren't UTF-8 and control characters become the sign for that."""
    text = os.fsencode(path).decode("utf-8", "replace")
    return "".join(c if c.isprintable() else "\N{REPLACEMENT CHARACTER}" for c in text)


# --- how answers are printed ---


def writer() -> Callable[[str], None]:
    """Writes text to stdout at once.

    While a progress bar is shown, rich sends what goes to `sys.stdout` to the bar's terminal, above the bar. That
    is right if stdout is a terminal, and would leave a pipe or a file empty.
    """
    real = sys.stdout
    encoding = real.encoding or "utf-8"

    def write(text: str) -> None:
        target = sys.stdout if real.isatty() else real
        target.write(text.encode(encoding, "replace").decode(encoding))
        target.flush()

    return write


def rendered(console: Console, *lines: Text) -> str:
    """Lines as the console would show them."""
    with console.capture() as captured:
        for line in lines:
            console.print(line, soft_wrap=True, highlight=False)
    return captured.get()


def percent(share: float) -> str:
    """In five characters."""
    return f"{100 * share:3.0f} %"


def bar(share: float, width: int, console: Console) -> str:
    """A bar of ``width`` characters, drawn to an eighth of one where the terminal knows how."""
    if console.options.ascii_only:
        return ("#" * round(share * width)).ljust(width)
    eighths = round(share * width * 8)
    return ("█" * (eighths // 8) + " ▏▎▍▌▋▊▉"[eighths % 8].strip()).ljust(width)
