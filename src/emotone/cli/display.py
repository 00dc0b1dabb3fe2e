"""What a terminal shows while somebody listens: time, level, whether anybody speaks, and the answer so far.

Two lines that stay where they are; segments that are certain go above them, and stay.
"""

from __future__ import annotations

import math
import time
from types import TracebackType
from typing import TYPE_CHECKING

from emotone.cli.lines import answer, clock
from emotone.cli.recordings import bar

if TYPE_CHECKING:
    from rich.console import Console
    from rich.text import Text

    from emotone.audio import Signal
    from emotone.stream import Stream

__all__ = ["Display"]

_EVERY = 0.1  # seconds between two pictures
_METER = 20  # characters
_QUIETEST = -60.0  # dB of full scale, at the left end of the meter
_LONG_SILENCE = 2.0  # seconds after which it is said how long nobody has spoken: its segment comes when it is over
_WAITING = 1.0  # seconds without any sound after which that is said


class Display:
    """Shown between ``with`` and its end; then it is gone, and what was printed above stays."""

    def __init__(self, console: Console, labels: tuple[str, ...]) -> None:
        from rich.live import Live

        self._console, self._labels = console, labels
        self._live = Live(console=console, auto_refresh=False, transient=True, redirect_stderr=False)
        self._loudest = self._peak = 0.0  # since the last picture
        self._drawn = 0.0
        self._came = time.monotonic()

    def __enter__(self) -> Display:
        self._live.__enter__()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._live.__exit__(kind, error, trace)

    def show(self, stream: Stream, signal: Signal) -> None:
        """Take note of the next piece of sound, and draw if it is time to."""
        now = time.monotonic()
        if len(signal):
            self._came = now
            self._loudest = max(self._loudest, float((signal.astype(float) ** 2).mean()) ** 0.5)
            self._peak = max(self._peak, float(abs(signal).max()))
        if now - self._drawn >= _EVERY:
            from rich.console import Group

            waits = now - self._came > _WAITING
            self._live.update(Group(self._first(stream, waits=waits), self._second(stream)), refresh=True)
            self._loudest = self._peak = 0.0
            self._drawn = now

    def _first(self, stream: Stream, *, waits: bool) -> Text:
        from rich.text import Text

        from emotone.audio import CLIPPED_LEVEL

        line = Text(f"{clock(stream.seconds)}  ", no_wrap=True, overflow="crop")
        if waits:
            return line.append("waiting for sound", "dim")
        level, clipped = _decibels(self._loudest), self._peak >= CLIPPED_LEVEL
        style = "red" if clipped else "green" if stream.speaking else "dim"
        line.append(bar(1 - level / _QUIETEST, _METER, self._console), style)
        line.append(f" {level:4.0f} dB  ", "dim")
        on, off = ("*", "-") if self._console.options.ascii_only else ("●", "○")
        line.append(f"{on} speech" if stream.speaking else f"{off} no speech", "" if stream.speaking else "dim")
        return line.append("  clipped: turn it down" if clipped else "", "red")

    def _second(self, stream: Stream) -> Text:
        from rich.text import Text

        line = Text("         ", no_wrap=True, overflow="crop")
        guess = stream.provisional
        if guess is not None:
            return line.append_text(answer(self._console, guess, self._labels))
        silent = 0.0 if stream.speaking else stream.seconds - stream.told
        return line.append(f"for {clock(silent).strip()}", "dim") if silent >= _LONG_SILENCE else line


def _decibels(level: float) -> float:
    """Of full scale, from `_QUIETEST` to 0."""
    return min(0.0, max(_QUIETEST, 20 * math.log10(level))) if level > 0 else _QUIETEST
