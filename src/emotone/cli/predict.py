"""`emotone predict`: recordings in, emotions out, for people or as JSON or CSV."""

from __future__ import annotations

import csv
import glob
import io
import json
import os
import sys
import tempfile
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager, nullcontext
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from emotone.cli.console import complain, progress_bar, say, stdout
from emotone.errors import ConfigError, EmotoneError, require

if TYPE_CHECKING:
    from rich.console import Console
    from rich.text import Text

    from emotone.recogniser import Recogniser
    from emotone.segment import Segment

__all__ = ["predict"]

STDIN = "-"

_IN_FULL = 2  # recordings that get a bar for each emotion; of more, each gets a line
_BAR, _SHORT_BAR = 40, 10  # characters


def predict(
    files: Annotated[
        list[str],
        typer.Argument(
            metavar="FILE...", help="Recordings, folders, patterns in quotes ('calls/**/*.mp3'), or - for stdin."
        ),
    ],
    model: Annotated[
        str | None,
        typer.Option("--model", "-m", metavar="FOLDER|NAME", help="Recogniser; the bundled one if not given."),
    ] = None,
    as_json: Annotated[bool, typer.Option("--json", help="One line of JSON for each recording.")] = False,
    as_csv: Annotated[bool, typer.Option("--csv", help="A CSV table, one row for each recording.")] = False,
    plot: Annotated[
        Path | None, typer.Option("--plot", metavar="PICTURE", help="Draw the recording and its scores.")
    ] = None,
) -> None:
    """The emotion heard in each recording, taken as one utterance, with a probability for every emotion.

    emotone predict speech.wav

    emotone predict recordings/ --json > emotions.jsonl

    Exit 1 if a recording couldn't be used: it is named, and the rest is done.
    """
    _one_thread_for_algebra()
    if as_json and as_csv:
        raise ConfigError("--json and --csv exclude each other. Choose one.")
    with _standard_input(files) as stdin:
        paths, unmatched = _find(files, stdin)
        if not paths:
            raise ConfigError(" ".join(unmatched))
        if plot is not None:
            require("matplotlib", extra="plot")
            if len(paths) > 1:
                raise ConfigError(f"--plot draws one recording, and there are {len(paths)}. Give one.")
        from emotone import recogniser

        loaded = recogniser.load(model)
        if plot is not None and loaded.dimensions:
            raise ConfigError(f"--plot draws the scores of emotions, and {loaded.name} has none. Leave out --plot.")
        for problem in unmatched:
            complain(problem)
        names = {path: STDIN if path == stdin else _printable(path) for path in paths}
        form = _form(loaded, list(names.values()), as_json=as_json, as_csv=as_csv)
        # On a terminal, a bar would break up the long lines of JSON and CSV, and they show the progress as well.
        bar = len(paths) > _IN_FULL and not ((as_json or as_csv) and sys.stdout.isatty())
        answers = _answers(loaded, names, form, bar=bar)
        if plot is not None and answers:
            [(path, segment)] = answers.items()
            _draw(loaded, path, segment, title=names[path], to=plot)
    raise typer.Exit(1 if unmatched or len(answers) < len(paths) else 0)


def _one_thread_for_algebra() -> None:
    """Keep numpy's matrix products on one thread, unless the user chose a number.

    They are small here, and threads that wait for each other made them three to eight times slower on a busy
    machine. numpy reads the setting when it is imported; where that is past, this isn't our own process.
    """
    if "numpy" not in sys.modules:
        for name in ("OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS", "OMP_NUM_THREADS"):
            os.environ.setdefault(name, "1")


Form = Callable[[str, "Segment"], str]
"""A recording's name and its answer, as the text to print."""


def _answers(loaded: Recogniser, names: Mapping[Path, str], form: Form, *, bar: bool) -> dict[Path, Segment]:
    """Print each answer as soon as it is there, and return them; failures go to stderr."""
    write = _writer()
    answers: dict[Path, Segment] = {}
    with progress_bar("Listening", total=len(names)) if bar else nullcontext(lambda n: None) as advance:
        for path, answer in loaded.predict_many(names):
            if isinstance(answer, EmotoneError):
                complain(str(answer).replace(str(path), names[path]))
            else:
                write(form(names[path], answer))
                answers[path] = answer
            advance(1)
    return answers


def _writer() -> Callable[[str], None]:
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


# --- which recordings ---


def _find(given: Sequence[str], stdin: Path | None) -> tuple[list[Path], list[str]]:
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
def _standard_input(files: Sequence[str]) -> Iterator[Path | None]:
    """A file with what was piped in, if ``-`` is among ``files``: decoders need to move about in it."""
    if STDIN not in files:
        yield None
        return
    if sys.stdin.isatty():
        raise ConfigError("- stands for a recording that is piped in: cat speech.wav | emotone predict -")
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder, "stdin")
        path.write_bytes(sys.stdin.buffer.read())
        yield path


def _printable(path: Path) -> str:
    """The path for people and for JSON: bytes that aren't UTF-8 and control characters become the sign for that."""
    text = os.fsencode(path).decode("utf-8", "replace")
    return "".join(c if c.isprintable() else "\N{REPLACEMENT CHARACTER}" for c in text)


# --- how it is printed ---


def _form(loaded: Recogniser, names: Sequence[str], *, as_json: bool, as_csv: bool) -> Form:
    if as_json:
        return _json_line
    if as_csv:
        return _csv_rows(loaded.labels, tuple(loaded.dimensions))
    console = stdout()
    if len(names) <= _IN_FULL:
        return lambda name, segment: _rendered(console, *_in_full(console, name, segment))
    width = max(map(_columns, names))
    if loaded.dimensions:
        return lambda name, segment: _rendered(console, _dimensions_in_a_line(name, segment, width))
    return lambda name, segment: _rendered(console, _in_a_line(console, name, segment, loaded.labels, width))


def _json_line(name: str, segment: Segment) -> str:
    return json.dumps({"file": name, **segment.as_dict()}, ensure_ascii=False, allow_nan=False) + "\n"


def _csv_rows(labels: Sequence[str], dimensions: Sequence[str]) -> Form:
    votes = [f"p_{label}" for label in labels]
    header = ["file", "start", "end", "emotion", "confidence", "flags", *votes, *dimensions]
    waiting = [header]  # goes out with the first row, so that a table without rows stays empty

    def rows(name: str, segment: Segment) -> str:
        buffer = io.StringIO()
        facts = [name, segment.start, segment.end, segment.emotion, segment.confidence, " ".join(segment.flags)]
        writer = csv.writer(buffer, lineterminator="\n")
        writer.writerows(waiting)
        values = [segment.dimensions.get(name) for name in dimensions]
        writer.writerow([*facts, *(segment.scores.get(label) for label in labels), *values])
        waiting.clear()
        return buffer.getvalue()

    return rows


def _rendered(console: Console, *lines: Text) -> str:
    with console.capture() as captured:
        for line in lines:
            console.print(line, soft_wrap=True, highlight=False)
    return captured.get()


def _in_full(console: Console, name: str, segment: Segment) -> list[Text]:
    from rich.text import Text

    from emotone.labels import colour
    from emotone.segment import explain

    lines = [Text.assemble(_headline(segment), ("  ", ""), (f"{name}, {segment.duration:.1f} s", "dim"))]
    best = max(segment.scores.values(), default=0.0)
    for label, share in segment.scores.items():
        style = "bold" if share == best else ""
        row = Text(f"  {label:<11}", style)
        row.append(_bar(share, _BAR, console), colour(label))
        row.append(f" {_percent(share)}", style)
        lines.append(row)
    lines += [Text(f"  {flag}: {explain(flag)}", "yellow") for flag in segment.flags]
    return lines


def _dimensions_in_a_line(name: str, segment: Segment, width: int) -> Text:
    from rich.text import Text

    line = Text(f"{_cropped(name, width)}  ")
    line.append(segment.headline, "bold" if segment.dimensions else "dim")
    return line.append("".join(f", {flag}" for flag in segment.flags), "yellow")


def _in_a_line(console: Console, name: str, segment: Segment, labels: Sequence[str], width: int) -> Text:
    from rich.text import Text

    from emotone.labels import colour

    head = max(len(label) for label in (*labels, "can't tell"))
    ranked = sorted(segment.scores, key=lambda label: -segment.scores[label])
    # What stays of the terminal's width; the last column needs 20 for "surprised 12 %" or a flag or two.
    width = max(12, min(width, console.width - head - 5 - _SHORT_BAR - 20 - 6))
    line = Text(f"{_cropped(name, width)}  ")
    if segment.emotion is None:
        line.append(f"{'''can't tell''':<{head + 5 + _SHORT_BAR + 4}}", "dim")
        guess = [f"{ranked[0]} {_percent(segment.scores[ranked[0]]).strip()}?"] if ranked else []
        line.append(", ".join([*segment.flags, *guess]), "yellow")
        return line
    line.append(f"{segment.emotion:<{head}} ", f"bold {colour(segment.emotion)}")
    line.append(f"{_percent(segment.confidence)}  ", "bold")
    line.append(_bar(segment.confidence, _SHORT_BAR, console), colour(segment.emotion))
    second = ranked[1]
    line.append(f"  {second} {_percent(segment.scores[second]).strip()}", "dim")
    line.append("".join(f", {flag}" for flag in segment.flags), "yellow")
    return line


def _headline(segment: Segment) -> tuple[str, str]:
    from emotone.labels import colour

    return segment.headline, f"bold {colour(segment.emotion)}" if segment.emotion else "bold"


def _percent(share: float) -> str:
    return f"{100 * share:3.0f} %"


def _bar(share: float, width: int, console: Console) -> str:
    """A bar of ``width`` characters, drawn to an eighth of one where the terminal knows how."""
    if console.options.ascii_only:
        return ("#" * round(share * width)).ljust(width)
    eighths = round(share * width * 8)
    return ("█" * (eighths // 8) + " ▏▎▍▌▋▊▉"[eighths % 8].strip()).ljust(width)


def _columns(text: str) -> int:
    """How many columns of a terminal it takes: Chinese characters take two."""
    from rich.cells import cell_len

    return cell_len(text)


def _cropped(text: str, width: int) -> str:
    """``text`` in ``width`` columns, without its beginning if it is longer: files differ at their ends."""
    if _columns(text) > width:
        while _columns(text) > width - 1:
            text = text[1:]
        text = f"…{text}"
    return text + " " * (width - _columns(text))


def _draw(loaded: Recogniser, path: Path, segment: Segment, *, title: str, to: Path) -> None:
    from emotone import audio, plots

    scores = segment.scores or dict.fromkeys(loaded.labels, 0.0)
    answered = segment.emotion is not None
    figure = plots.prediction(audio.load(path), scores, answered=answered, title=Path(title).name)
    say(f"Picture: {plots.save(figure, to)}")
