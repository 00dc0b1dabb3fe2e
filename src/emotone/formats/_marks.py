"""Formats that mark stretches of a recording: Audacity's labels and WebVTT. They hold the segments with an answer."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from emotone.formats._about import About, answers, one_line, seconds
from emotone.segment import Segment

__all__ = ["audacity", "webvtt"]


def audacity(segments: Sequence[Segment], about: About) -> Iterator[str]:
    """A label track, as Audacity's *File > Import > Labels* reads: start, end and label between tabs.

    ``angry 81 %``, or ``channel 0: angry 81 %``: a track knows no channels.
    """
    for segment, text in answers(segments):
        where = "" if segment.channel is None else f"channel {segment.channel}: "
        yield f"{seconds(segment.start)}\t{seconds(segment.end)}\t{where}{text}\n"


def webvtt(segments: Sequence[Segment], about: About) -> Iterator[str]:
    """Subtitles for a video's ``<track>`` (W3C WebVTT): ``angry 81 %``, spoken by ``channel 0`` where there are some.

    Times are whole milliseconds, which is all that the format knows.
    """
    yield "WEBVTT\n"
    if about.file:
        yield f"\nNOTE {_escaped(one_line(about.file))}\n"
    for number, (segment, text) in enumerate(answers(segments), start=1):
        start = round(1000 * segment.start)
        end = max(round(1000 * segment.end), start + 1)  # a cue has to end after its start
        voice = "" if segment.channel is None else f"<v channel {segment.channel}>"
        yield f"\n{number}\n{_clock(start)} --> {_clock(end)}\n{voice}{_escaped(text)}{'</v>' if voice else ''}\n"


def _clock(milliseconds: int) -> str:
    rest, thousandths = divmod(milliseconds, 1000)
    minutes, second = divmod(rest, 60)
    hours, minute = divmod(minutes, 60)
    return f"{hours:02}:{minute:02}:{second:02}.{thousandths:03}"


def _escaped(text: str) -> str:
    """Also keeps ``-->`` out, which isn't allowed anywhere but between times."""
    return text.replace("&", "&amp;").replace("<", "&lt;").replace(">", "&gt;")
