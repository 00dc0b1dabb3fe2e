"""`emotone timeline`: what is heard from moment to moment, on the terminal, in files, as a picture or a page."""

from __future__ import annotations

import math
import sys
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager, nullcontext
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from emotone.cli.console import complain, emit_json, progress_bar, say, stdout
from emotone.cli.lines import lines
from emotone.cli.outputs import Outputs, check_formats, check_output, check_picture, write
from emotone.cli.recordings import (
    STDIN,
    Form,
    find,
    one_thread_for_algebra,
    printable,
    standard_input,
    writer,
)
from emotone.errors import ConfigError, EmotoneError

if TYPE_CHECKING:
    from emotone.recogniser import Recogniser
    from emotone.segment import Segment
    from emotone.stream import StreamOptions

    Turns = list[tuple[float, float, str]]

__all__ = ["timeline"]


def timeline(
    files: Annotated[
        list[str],
        typer.Argument(
            metavar="FILE...",
            help="Recordings, videos, folders, patterns in quotes ('calls/**/*.mp3'), or - for stdin.",
        ),
    ],
    model: Annotated[
        str | None,
        typer.Option("--model", "-m", metavar="FOLDER|NAME", help="Recogniser; the bundled one if not given."),
    ] = None,
    as_json: Annotated[bool, typer.Option("--json", help="Print one line of JSON for each segment.")] = False,
    as_csv: Annotated[bool, typer.Option("--csv", help="Print a CSV table, one row for each segment.")] = False,
    output: Annotated[
        list[Path] | None,
        typer.Option(
            "--output",
            "-o",
            metavar="FILE|FOLDER",
            help="Write a file: .json .jsonl .csv .parquet .TextGrid (Praat) .txt (Audacity) .vtt .rttm; or one for "
            "each recording into a folder. May stand several times.",
        ),
    ] = None,
    format: Annotated[  # noqa: A002 - the option's name
        str | None,
        typer.Option(
            "--format",
            metavar="NAME",
            help="json, jsonl, csv, textgrid, audacity, vtt, rttm or parquet: of what -o writes, or else of what is "
            "printed. Into folders, json if not given.",
        ),
    ] = None,
    resume: Annotated[
        bool, typer.Option("--resume", help="Leave out recordings whose files are there and newer than they are.")
    ] = False,
    channels: Annotated[
        str, typer.Option("--channels", metavar="mix|each", help="Hear all channels together, or each by itself.")
    ] = "mix",
    turns: Annotated[
        Path | None, typer.Option("--turns", metavar="FILE.rttm", help="Who speaks when, from a diarisation.")
    ] = None,
    adapt: Annotated[
        bool | None,
        typer.Option(
            "--adapt/--no-adapt",
            help="Judge by the voice that was heard so far: of each speaker of --turns, or of the only one there is. "
            "With --turns it is done unless you say no, if the recogniser can.",
        ),
    ] = None,
    summary: Annotated[
        bool, typer.Option("--summary", help="Print what it comes to instead; with --json as one document.")
    ] = False,
    plot: Annotated[
        Path | None, typer.Option("--plot", metavar="PICTURE", help="Draw the sound, its segments and their scores.")
    ] = None,
    page: Annotated[
        Path | None, typer.Option("--page", metavar="OUT.html", help="Write one page to look through and listen to.")
    ] = None,
    audio: Annotated[
        bool, typer.Option("--audio", help="Put the sound into the page, 30 minutes of it at most.")
    ] = False,
) -> None:
    """What emotion is heard when: segments from the beginning to the end of each recording, of any length.

    emotone timeline interview.mp4

    emotone timeline call.wav --channels each --json > call.jsonl

    emotone timeline calls/ -o timelines/ --format textgrid --resume

    emotone timeline interview.wav --turns interview.rttm --page interview.html --audio

    Segments are printed as they are found, unless -o has them written. Exit 1 if a recording couldn't be used or breaks
    off: it is named, what was heard of it is kept, and the rest is done.
    """
    one_thread_for_algebra()
    printed = _printed(as_json=as_json, as_csv=as_csv, format=None if output else format, summary=summary)
    if audio and page is None:
        raise ConfigError("--audio puts the sound into a page. Say into which one: --page OUT.html")
    with standard_input(files, "timeline") as stdin:
        paths, problems = find(files, stdin)
        if not paths:
            raise ConfigError(" ".join(problems))
        _check(paths, printed, plot=plot, page=page)
        written = Outputs.of(paths, files, output or [], format)
        names = {path: STDIN if path == stdin else printable(path) for path in paths}
        spoken = {} if turns is None else _turns(turns, names)
        for problem in problems:
            complain(problem)
        from emotone import recogniser
        from emotone.stream import StreamOptions

        loaded = recogniser.load(model)
        check_formats(loaded, written.all, format)
        aloud = not summary and not (output and printed is None)
        job = _Job(
            recogniser=loaded,
            options=StreamOptions(adapt=bool(spoken) and loaded.can_adapt if adapt is None else adapt),
            channels=channels,
            turns=spoken,
            written=written,
            form=_form(loaded, printed, headings=len(paths) > 1) if aloud else None,
            printed=printed if aloud else None,
            summary=summary,
            plot=plot,
            page=page,
            audio=audio,
        )
        n_failed, summaries = _each(job, _left(names, written) if resume else names, aloud=summary and not as_json)
    if summary and as_json:
        emit_json({"channels": summaries})
    raise typer.Exit(1 if problems or n_failed else 0)


@dataclass(frozen=True)
class _Job:
    """What is done with each recording."""

    recogniser: Recogniser
    options: StreamOptions
    channels: str
    turns: Mapping[Path, Turns]
    written: Outputs
    form: Form | None
    """How segments are printed as soon as they are found."""
    printed: str | None
    """The format of what is printed; without a ``form``, at the recording's end."""
    summary: bool
    plot: Path | None
    page: Path | None
    audio: bool

    @property
    def bar(self) -> bool:
        """On a terminal, a bar would break up the long lines of JSON and CSV, and they show the progress as well."""
        return self.printed is None or not sys.stdout.isatty()


# --- before the work ---


def _printed(*, as_json: bool, as_csv: bool, format: str | None, summary: bool) -> str | None:  # noqa: A002
    """The format of what is printed; None for lines for people."""
    from emotone import formats

    wishes = [("--json", as_json), ("--csv", as_csv), ("--format", format is not None)]
    asked = [name for name, wish in wishes if wish]
    if len(asked) > 1:
        raise ConfigError(f"{' and '.join(asked)} exclude each other. Choose one.")
    if summary and asked and not as_json:
        raise ConfigError(f"A summary is printed as text or, with --json, as JSON. Leave out {asked[0]}.")
    name = "jsonl" if as_json else "csv" if as_csv else format
    if name is not None and not formats.FORMATS[formats.format_of(STDIN, format=name)].is_text:
        raise ConfigError(f"{formats.FORMATS[name].title} isn't text and can't be printed. Write it: -o FILE")
    return name


def _check(paths: Sequence[Path], printed: str | None, *, plot: Path | None, page: Path | None) -> None:
    """Raise `ConfigError` for what can't be done with so many recordings, or couldn't be written."""
    from emotone import formats

    if len(paths) > 1:
        for option, place in (("--plot", plot), ("--page", page)):
            if place is not None:
                raise ConfigError(f"{option} shows one recording, and there are {len(paths)}. Give one.")
        if printed is not None and not formats.FORMATS[printed].several:
            raise ConfigError(
                f"{formats.FORMATS[printed].title} holds one recording, and there are {len(paths)}. Write a file for "
                "each: -o FOLDER"
            )
    if plot is not None:
        check_picture(plot)
    if page is not None:
        check_output(page)


def _turns(rttm: Path, names: Mapping[Path, str]) -> dict[Path, Turns]:
    """The turns of each recording. Where there is one, and the file tells of one, that one is meant."""
    from emotone import formats

    if len(names) == 1:
        try:
            return dict.fromkeys(names, formats.read_rttm(rttm))
        except ConfigError:
            pass  # it tells of several, or it is no RTTM, which is told below
    return {path: formats.read_rttm(rttm, file=name) for path, name in names.items()}


def _left(names: Mapping[Path, str], written: Outputs) -> dict[Path, str]:
    """The recordings whose files aren't there yet."""
    if written.joint or not any(written.each.values()):
        raise ConfigError("--resume needs a file for each recording. Name a folder: -o FOLDER")
    left = {path: name for path, name in names.items() if not written.are_done(path)}
    if len(left) < len(names):
        say(f"{len(names) - len(left)} of {len(names)} recordings are done already.")
    return left


# --- the work ---


def _each(job: _Job, names: Mapping[Path, str], *, aloud: bool) -> tuple[int, list[dict[str, Any]]]:
    """All recordings, one after the other: how many failed, and their summaries, which are printed if ``aloud``."""
    from emotone.summary import summarise

    every: list[Segment] = []
    summaries: list[dict[str, Any]] = []
    n_failed = 0
    try:
        for path, name in names.items():
            segments, whole = _heard(job, path, name)
            n_failed += not whole
            if not segments:
                continue
            if job.written.joint:
                every += segments
            _keep(job, path, name, segments, whole=whole)
            if job.summary:
                found = summarise(segments)
                summaries += found.as_dict()["channels"]
                typer.echo(f"{found}\n" if aloud else "", nl=aloud)
    finally:  # Ctrl-C, too, leaves tables of the recordings that were heard to the end
        if every:
            for target in job.written.joint:
                write(job.recogniser, every, target, format=job.written.format)
    return n_failed, summaries


def _heard(job: _Job, path: Path, name: str) -> tuple[list[Segment], bool]:
    """The segments of a recording, printed as they are found, and whether all of it could be heard."""
    from emotone import timeline

    put = writer()
    found: list[Segment] = []
    try:
        with _seconds_bar(path, job.channels) if job.bar else nullcontext(lambda seconds: None) as heard:
            for segment in timeline.segments(
                job.recogniser,
                path,
                options=job.options,
                channels=job.channels,
                turns=job.turns.get(path, []),
                heard=heard,
            ):
                found.append(replace(segment, source=Path(name)) if name == STDIN else segment)
                if job.form is not None:
                    put(job.form(name, segment))
    except ConfigError:
        raise
    except EmotoneError as error:
        complain(str(error).replace(str(path), name))
        return found, False
    return found, True


def _keep(job: _Job, path: Path, name: str, segments: list[Segment], *, whole: bool) -> None:
    """Everything that is asked for besides the segments as they are found."""
    job.written.write(job.recogniser, path, segments, name=name, whole=whole)
    if job.form is None and job.printed is not None:
        from emotone import formats

        labels, dimensions = job.recogniser.labels, tuple(job.recogniser.dimensions)
        writer()(formats.dumps(segments, job.printed, source=name, labels=labels, dimensions=dimensions))
    if job.plot is not None:
        from emotone import plots

        say(f"Picture: {plots.save(plots.timeline(segments, source=path, title=Path(name).name), job.plot)}")
    if job.page is not None:
        from emotone import report

        page = report.timeline(segments, source=path, title=Path(name).name, embed=job.audio)
        say(f"Page: {report.save(page, job.page)}")


@contextmanager
def _seconds_bar(path: Path, channels: str) -> Iterator[Callable[[float], None]]:
    """A bar over the seconds of sound; yields a function to tell it how many more were heard."""
    from emotone import audio, timeline

    seconds = audio.promised(path, guess=True) if sys.stderr.isatty() and path.is_file() else None
    n_channels = timeline.n_channels(path) if seconds and channels == "each" else 1
    total = None if seconds is None else math.ceil(seconds * n_channels)
    done = 0.0
    with progress_bar("Listening", total=total) as advance:

        def heard(more: float) -> None:
            nonlocal done
            before, done = done, done + more
            advance(math.floor(done) - math.floor(before))

        yield heard


def _form(loaded: Recogniser, printed: str | None, *, headings: bool) -> Form | None:
    from emotone import formats

    if printed is None:
        return lines(stdout(), loaded.labels, headings=headings)
    if printed == "jsonl":
        return formats.json_line
    if printed == "csv":
        return formats.csv_rows(loaded.labels, tuple(loaded.dimensions))
    return None
