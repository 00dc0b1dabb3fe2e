"""`emotone listen`: a microphone, or sound that comes through a pipe, to the terminal and to files."""

from __future__ import annotations

import json
import signal as signals
import sys
import tempfile
import threading
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, nullcontext
from pathlib import Path
from types import FrameType
from typing import TYPE_CHECKING, Annotated

import typer

from emotone.cli.console import complain, emit_json, say, stderr, stdout
from emotone.cli.display import Display
from emotone.cli.lines import clock, line
from emotone.cli.outputs import check_formats, check_output, write
from emotone.cli.recordings import one_thread_for_algebra, rendered, writer
from emotone.errors import AudioError, ConfigError, EmotoneError

if TYPE_CHECKING:
    from emotone.live import Source
    from emotone.recogniser import Recogniser
    from emotone.segment import Segment
    from emotone.stream import Stream

__all__ = ["listen"]

_TICK = 0.1  # seconds to wait for sound before looking whether it is over

_STOPPING = ("SIGINT", "SIGTERM", "SIGHUP")
"""What ends a session in an orderly way, on systems that know them."""


def listen(
    model: Annotated[
        str | None,
        typer.Option("--model", "-m", metavar="FOLDER|NAME", help="Recogniser; the bundled one if not given."),
    ] = None,
    device: Annotated[
        str | None,
        typer.Option("--device", metavar="NUMBER|NAME", help="Microphone, or a part of its name; else the default."),
    ] = None,
    list_devices: Annotated[bool, typer.Option("--list-devices", help="Print the microphones there are.")] = False,
    stdin: Annotated[
        bool, typer.Option("--stdin", help="Hear what comes through a pipe: raw samples, or a WAV file.")
    ] = False,
    rate: Annotated[
        int | None,
        typer.Option(
            "--rate",
            metavar="HZ",
            help="Of raw samples; 16000 if not given. Nothing in them tells it: with a wrong one, voices are heard too "
            "fast or too slow.",
        ),
    ] = None,
    channels: Annotated[
        int | None, typer.Option("--channels", metavar="N", help="Of raw samples; 1 if not given. They are averaged.")
    ] = None,
    encoding: Annotated[
        str | None, typer.Option("--encoding", metavar="s16le|f32le", help="Of raw samples; s16le if not given.")
    ] = None,
    output: Annotated[
        list[Path] | None,
        typer.Option(
            "--output",
            "-o",
            metavar="FILE",
            help="Write the session when it ends: .json .jsonl .csv .parquet .TextGrid .txt (Audacity) .vtt .rttm. May "
            "stand several times.",
        ),
    ] = None,
    as_json: Annotated[bool, typer.Option("--json", help="Print a line of JSON for each segment, at once.")] = False,
    provisional: Annotated[
        bool, typer.Option("--provisional", help="With --json, also what may change yet, marked as provisional.")
    ] = False,
    adapt: Annotated[
        bool, typer.Option("--adapt", help="Judge by the voice that was heard so far. Only for one speaker.")
    ] = False,
) -> None:
    """Hear a microphone, and tell what emotion is heard: a line for each segment, as soon as it is certain.

    emotone listen -o session.json

    ffmpeg -i http://radio.example/live -f s16le -ar 16000 -ac 1 - | emotone listen --stdin --json

    Ctrl-C ends it and writes the session. So does a microphone that is unplugged or a pipe that breaks; that is said,
    and the exit code is 1.
    """
    one_thread_for_algebra()
    if list_devices:
        _list(as_json=as_json)
        return
    if provisional and not as_json:
        raise ConfigError("--provisional adds lines of JSON, so it goes with --json. A terminal shows them anyway.")
    if not stdin and any(given is not None for given in (rate, channels, encoding)):
        raise ConfigError("--rate, --channels and --encoding are about raw samples in a pipe: --stdin")
    if stdin and device is not None:
        raise ConfigError("--stdin and --device exclude each other: it is either the pipe or the microphone.")
    outputs = output or []
    for target in outputs:
        check_output(target)
    from emotone import recogniser
    from emotone.stream import StreamOptions

    loaded = recogniser.load(model)
    check_formats(loaded, outputs, None)
    stream = loaded.stream(StreamOptions(adapt=adapt))
    source = _pipe(rate, channels, encoding) if stdin else _microphone(device)
    session = _Session(loaded, stream, source, as_json=as_json, provisional=provisional)
    with _stopped() as stopped:
        try:
            is_whole = session.listen(stopped)
        finally:  # whatever happened, what was heard is kept
            n_failed = session.end(outputs)
    raise typer.Exit(0 if is_whole and not n_failed else 1)


class _Session:
    """From the first sample to the last, or to Ctrl-C."""

    def __init__(
        self, recogniser: Recogniser, stream: Stream, source: Source, *, as_json: bool, provisional: bool
    ) -> None:
        self._recogniser, self._stream, self._source = recogniser, stream, source
        self._as_json, self._provisional = as_json, provisional
        self._segments: list[Segment] = []
        self._guess: Segment | None = None
        self._put = writer()  # stdout as it is now: the display takes its place
        self._form = _form(recogniser, as_json=as_json)

    def listen(self, stopped: threading.Event) -> bool:
        """Until it is over or ``stopped``. False if it ended before its time, which is said."""
        try:
            with _display(self._recogniser, as_json=self._as_json) as display:
                while not stopped.is_set():
                    signal = self._source.take(_TICK)
                    if signal is None:
                        break
                    for segment in self._stream.feed(signal):
                        self._segments.append(segment)
                        self._put(self._form(segment))
                    if display is not None:
                        display.show(self._stream, signal)
                    if self._provisional:
                        self._tell_guess()
        except AudioError as error:
            complain(str(error))
            return False
        return True

    def end(self, outputs: Sequence[Path]) -> int:
        """Tell and write what is left; how many files couldn't be written."""
        self._source.close()
        left = self._stream.feed(self._source.rest()) + self._stream.flush()
        self._segments += left
        written = [target for target in outputs if self._segments and self._write(target)]
        for segment in left:
            self._put(self._form(segment))
        if self._source.n_lost:
            complain(f"Sound was lost {self._source.n_lost} times, since this machine was too busy to take it.")
        heard = f"Heard {clock(self._stream.seconds).strip()}." if self._stream.seconds else "Nothing was heard."
        say(heard + "".join(f" Wrote {target}." for target in written))
        return len(outputs) - len(written)

    def _write(self, target: Path) -> bool:
        """Whether the session could be written to ``target``. If not, it is kept elsewhere: nobody says it again."""
        try:
            write(self._recogniser, self._segments, target, duration=self._stream.seconds)
        except EmotoneError as error:
            complain(str(error))
            rescued = Path(tempfile.mkdtemp(prefix="emotone-"), "session.json")
            write(self._recogniser, self._segments, rescued, duration=self._stream.seconds)
            say(f"The session is kept in {rescued}.")
            return False
        return True

    def _tell_guess(self) -> None:
        guess = self._stream.provisional
        if guess is not None and guess is not self._guess:
            self._put(_json(guess, provisional=True))
        self._guess = guess


# --- where sound comes from ---


def _microphone(wanted: str | None) -> Source:
    from emotone import live

    device = live.choose(live.devices(), wanted)
    microphone = live.Microphone(device)
    say(f"Listening to {device.name}. Ctrl-C ends it.")
    return microphone


def _pipe(rate: int | None, channels: int | None, encoding: str | None) -> Source:
    from emotone import live

    given = {"rate": rate, "channels": channels, "encoding": encoding}
    form = live.PCM(**{name: value for name, value in given.items() if value is not None})  # type: ignore[arg-type]
    if sys.stdin.isatty():
        raise ConfigError(
            "--stdin hears what is piped in: ffmpeg -i FILE -f s16le -ar 16000 -ac 1 - | emotone listen --stdin"
        )
    # Not through Python's buffer, which would wait until it is full, and lock at the end.
    return live.Pipe(open(sys.stdin.fileno(), "rb", buffering=0, closefd=False), form)


def _list(*, as_json: bool) -> None:
    from emotone import live

    found = live.devices()
    if as_json:
        emit_json({"devices": [vars(device) for device in found]})
        return
    for device in found:
        mark = "*" if device.default else " "
        typer.echo(f"{mark} {device.number:3}  {device.name}  ({device.rate} Hz, {device.channels} channels)")
    if not found:
        say("No microphone was found. Plug one in, or allow its use in the system's settings.")


@contextmanager
def _stopped() -> Iterator[threading.Event]:
    """An event that Ctrl-C sets, so that nothing is torn in the middle. The second Ctrl-C interrupts as ever."""
    stopped = threading.Event()
    before: dict[int, object] = {}

    def stop(number: int, frame: FrameType | None) -> None:
        stopped.set()
        signals.signal(number, before[number])  # type: ignore[arg-type]

    if threading.current_thread() is threading.main_thread():
        before = {
            getattr(signals, name): signals.signal(getattr(signals, name), stop)
            for name in _STOPPING
            if hasattr(signals, name)
        }
    try:
        yield stopped
    finally:
        for number, handler in before.items():
            signals.signal(number, handler)  # type: ignore[arg-type]


# --- how it is told ---


def _display(loaded: Recogniser, *, as_json: bool) -> Display | nullcontext[None]:
    """On stdout, or on stderr while stdout goes elsewhere; none where nobody sees it, or it would break up JSON."""
    console = stdout() if sys.stdout.isatty() else stderr()
    is_seen = console.is_terminal and not console.is_dumb_terminal
    return Display(console, loaded.labels) if is_seen and not (as_json and sys.stdout.isatty()) else nullcontext()


def _form(loaded: Recogniser, *, as_json: bool) -> Callable[[Segment], str]:
    if as_json:
        return _json
    console = stdout()
    return lambda segment: rendered(console, line(console, segment, loaded.labels))


def _json(segment: Segment, *, provisional: bool = False) -> str:
    mark = {"provisional": True} if provisional else {}
    return json.dumps({**segment.as_dict(), **mark}, ensure_ascii=False, allow_nan=False) + "\n"
