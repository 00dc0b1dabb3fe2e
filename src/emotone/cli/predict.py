"""`emotone predict`: recordings in, emotions out, for people or as JSON or CSV."""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import nullcontext
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from emotone.cli.console import complain, progress_bar, say, stdout
from emotone.cli.outputs import check_picture
from emotone.cli.recordings import (
    STDIN,
    Form,
    bar,
    find,
    one_thread_for_algebra,
    percent,
    printable,
    rendered,
    standard_input,
    writer,
)
from emotone.errors import ConfigError, EmotoneError

if TYPE_CHECKING:
    from rich.console import Console
    from rich.text import Text

    from emotone.recogniser import Recogniser
    from emotone.segment import Segment

__all__ = ["predict"]

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
    adapt: Annotated[
        list[str] | None,
        typer.Option(
            "--adapt", metavar="PATH", help="More recordings of the speaker, as FILE is given; may stand several times."
        ),
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

    emotone predict speech.wav --adapt same-speaker/

    Exit 1 if a recording couldn't be used: it is named, and the rest is done.
    """
    one_thread_for_algebra()
    if as_json and as_csv:
        raise ConfigError("--json and --csv exclude each other. Choose one.")
    with standard_input(files, "predict") as stdin:
        paths, unmatched = find(files, stdin)
        if not paths:
            raise ConfigError(" ".join(unmatched))
        if plot is not None:
            check_picture(plot)
            if len(paths) > 1:
                raise ConfigError(f"--plot draws one recording, and there are {len(paths)}. Give one.")
        from emotone import recogniser

        loaded = recogniser.load(model)
        if plot is not None and loaded.dimensions:
            raise ConfigError(f"--plot draws the scores of emotions, and {loaded.name} has none. Leave out --plot.")
        for problem in unmatched:
            complain(problem)
        if adapt:
            loaded = _adapted(loaded, adapt)
        names = {path: STDIN if path == stdin else printable(path) for path in paths}
        form = _form(loaded, list(names.values()), as_json=as_json, as_csv=as_csv)
        # On a terminal, a bar would break up the long lines of JSON and CSV, and they show the progress as well.
        progress = len(paths) > _IN_FULL and not ((as_json or as_csv) and sys.stdout.isatty())
        answers = _answers(loaded, names, form, progress=progress)
        if plot is not None and answers:
            [(path, segment)] = answers.items()
            _draw(loaded, path, segment, title=names[path], to=plot)
    raise typer.Exit(1 if unmatched or len(answers) < len(paths) else 0)


def _adapted(loaded: Recogniser, given: Sequence[str]) -> Recogniser:
    """One that knows the speaker of the recordings ``given``. Any that can't be read ends the command: an answer that
    rests on less than was asked for would look the same."""
    from emotone.card import utterances

    paths, unmatched = find(given, None)
    if unmatched:
        raise ConfigError(" ".join(unmatched))
    with progress_bar("Getting to know the speaker", total=len(paths)) as advance:
        known = loaded.adapt(_counting(paths, advance))
    unused = len(paths) - known.adapted_to
    rest = f" ({utterances(unused)} too short or silent)" if unused else ""
    say(f"Knows the speaker from {utterances(known.adapted_to)}{rest}.")
    return known


def _counting(paths: Sequence[Path], advance: Callable[[int], None]) -> Iterator[Path]:
    for path in paths:
        yield path
        advance(1)


def _answers(loaded: Recogniser, names: Mapping[Path, str], form: Form, *, progress: bool) -> dict[Path, Segment]:
    """Print each answer as soon as it is there, and return them; failures go to stderr."""
    write = writer()
    answers: dict[Path, Segment] = {}
    with progress_bar("Listening", total=len(names)) if progress else nullcontext(lambda n: None) as advance:
        for path, answer in loaded.predict_many(names):
            if isinstance(answer, EmotoneError):
                complain(str(answer).replace(str(path), names[path]))
            else:
                write(form(names[path], answer))
                answers[path] = answer
            advance(1)
    return answers


# --- how it is printed ---


def _form(loaded: Recogniser, names: Sequence[str], *, as_json: bool, as_csv: bool) -> Form:
    from emotone import formats

    if as_json:
        return formats.json_line
    if as_csv:
        return formats.csv_rows(loaded.labels, tuple(loaded.dimensions), channel=False)
    console = stdout()
    if len(names) <= _IN_FULL:
        return lambda name, segment: rendered(console, *_in_full(console, name, segment, loaded))
    width = max(map(_columns, names))
    if loaded.dimensions:
        return lambda name, segment: rendered(console, _dimensions_in_a_line(name, segment, width))
    return lambda name, segment: rendered(console, _in_a_line(console, name, segment, loaded.labels, width))


def _in_full(console: Console, name: str, segment: Segment, loaded: Recogniser) -> list[Text]:
    from rich.text import Text

    from emotone.labels import colour
    from emotone.segment import explain

    lines = [Text.assemble(_headline(segment), ("  ", ""), (f"{name}, {segment.duration:.1f} s", "dim"))]
    best = max(segment.scores.values(), default=0.0)
    for label, share in segment.scores.items():
        style = "bold" if share == best else ""
        row = Text(f"  {label:<11}", style)
        row.append(bar(share, _BAR, console), colour(label))
        row.append(f" {percent(share)}", style)
        lines.append(row)
    if segment.likely and loaded.conformal is not None:
        held = f"{100 * loaded.conformal['level']:g} % of such lists hold the true emotion"
        lines.append(Text.assemble(f"  likely: {', '.join(segment.likely)}", (f"  ({held})", "dim")))
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
        line.append(f"{segment.headline:<{head + 5 + _SHORT_BAR + 4}}", "dim")
        flags = [flag for flag in segment.flags if flag != "no_speech"]
        guess = [f"{ranked[0]} {percent(segment.scores[ranked[0]]).strip()}?"] if ranked else []
        line.append(", ".join([*flags, *guess]), "yellow")
        return line
    line.append(f"{segment.emotion:<{head}} ", f"bold {colour(segment.emotion)}")
    line.append(f"{percent(segment.confidence)}  ", "bold")
    line.append(bar(segment.confidence, _SHORT_BAR, console), colour(segment.emotion))
    second = ranked[1]
    line.append(f"  {second} {percent(segment.scores[second]).strip()}", "dim")
    line.append("".join(f", {flag}" for flag in segment.flags), "yellow")
    return line


def _headline(segment: Segment) -> tuple[str, str]:
    from emotone.labels import colour

    return segment.headline, f"bold {colour(segment.emotion)}" if segment.emotion else "bold"


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
