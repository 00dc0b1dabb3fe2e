"""A timeline to look through and to listen to: one page with the sound's shape, its segments and their scores.

It holds all it shows, as the reports do. The table of segments is complete without the page's script, which draws,
plays and filters. Where the sound isn't inside, the recording can be chosen from the reader's own disk; it stays there.
"""

from __future__ import annotations

import base64
import json
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from emotone import __version__, audio, formats
from emotone.audio import SAMPLE_RATE
from emotone.errors import AudioError, ExperimentError
from emotone.labels import colour, in_order
from emotone.report import _charts as charts
from emotone.report._html import Child, Column, Html, p, table, tag
from emotone.report._page import asset, shell
from emotone.report._sound import data_address
from emotone.segment import FLAGS, Segment

__all__ = ["LONGEST_SOUND", "Timeline", "timeline"]

LONGEST_SOUND = 1800.0
"""Seconds of sound that are put into a page at most: about 14 MB."""

FINEST, FEWEST, MOST = 50.0, 2_000, 40_000
"""Columns of the sound's shape: in a second, and at least and at most altogether. Enough to see syllables in a quarter
of an hour."""

_OTHERS = {"speech": "#6b7a8c", "uncertain": "#8d949c", "no speech": "#b6bdc5"}
"""What a segment without an emotion is drawn as: speech of a recogniser of dimensions, speech without an emotion for
want of certainty, and no speech."""


@dataclass(frozen=True)
class Timeline:
    """A page before it is written; `emotone.report.save` writes it."""

    html: str
    default: Path
    """Where it goes when only a folder is said."""
    sound: float
    """Seconds of sound inside."""


def timeline(
    segments: Iterable[Segment], *, source: Path | None = None, title: str = "", embed: bool = False
) -> Timeline:
    """The page of a recording's ``segments``, of one channel or several.

    ``source`` is the recording; if None, what the segments name is read where it is still there, and the sound's shape
    left out otherwise. With ``embed`` its first `LONGEST_SOUND` seconds are put into the page, so that whoever gets the
    page can hear them.

    Raises `ExperimentError` where there is nothing to show, `AudioError` for a ``source`` that can't be read.
    """
    segments = list(segments)
    end = max((segment.end for segment in segments), default=0.0)
    if end <= 0:
        raise ExperimentError("There is no timeline to show: no segment lasts longer than 0 s.")
    path = source or _source_of(segments)
    title = title or (path.name if path is not None else "Timeline")
    sound = _first(path, min(end, LONGEST_SOUND)) if embed and path is not None else None
    names = _names(segments)
    labels = in_order(name for segment in segments for name in segment.scores)
    seconds = 0.0 if sound is None else len(sound) / SAMPLE_RATE
    dimensions = list(dict.fromkeys(name for segment in segments for name in segment.dimensions))
    data = {
        "file": title,
        "end": end,
        "sound": seconds,
        "names": names,
        "labels": labels,
        "tints": {name: _tint(name) for name in (*names, *labels)},
        "dimensions": dimensions,
        "columns": formats.dumps([], "csv", labels=labels, dimensions=dimensions).strip().split(","),
        "rows": [_row(channel, path, end) for channel in _channels(segments)],
        "segments": [{**segment.as_dict(), "name": _name(segment)} for segment in segments],
    }
    player: Child = "" if sound is None else tag("audio", controls=True, preload="metadata", src=data_address(sound))
    body = tag(
        "main",
        tag(
            "header",
            tag("p", "emotone timeline", class_="eyebrow"),
            tag("h1", title),
            tag("p", _condition(segments, end), class_="condition"),
        ),
        tag(
            "section",
            tag("div", player, id="player"),
            tag("div", id="view"),
            tag("noscript", p("The drawing needs JavaScript; the table below is complete without.", class_="note")),
            aria_label="Over time",
        ),
        tag("section", tag("h2", "Segments", id="segments-title"), _table(segments), aria_labelledby="segments-title"),
        tag("footer", f"Written by emotone {__version__}. This page loads nothing and sends nothing."),
    )
    holder = tag("script", Html(_json(data)), type="application/json", id="data")
    html = shell(
        Html(body + holder),
        title=f"{title} · emotone timeline",
        style=f"{asset('page.css')}\n{asset('timeline.css')}",
        script=asset("timeline.js"),
        media="data: blob:",
        class_="timeline",
    )
    return Timeline(html, Path(f"{Path(title).stem}.html"), seconds)


# --- what is known ---


def _source_of(segments: Sequence[Segment]) -> Path | None:
    found = {segment.source for segment in segments}
    path = found.pop() if len(found) == 1 else None
    return path if path is not None and path.is_file() else None


def _channels(segments: Sequence[Segment]) -> list[int | None]:
    return sorted({segment.channel for segment in segments}, key=lambda channel: -1 if channel is None else channel)


def _name(segment: Segment) -> str:
    """What the segment is drawn as."""
    if segment.emotion is not None:
        return segment.emotion
    if "no_speech" in segment.flags:
        return "no speech"
    return "speech" if segment.dimensions and not segment.scores else "uncertain"


def _names(segments: Sequence[Segment]) -> list[str]:
    """Everything that segments are drawn as: emotions in canonical order first."""
    found = {_name(segment) for segment in segments}
    return [*in_order(found - set(_OTHERS)), *(name for name in _OTHERS if name in found)]


def _tint(name: str) -> str:
    return _OTHERS.get(name) or colour(name)


def _condition(segments: Sequence[Segment], end: float) -> str:
    speech = sum(segment.duration for segment in segments if "no_speech" not in segment.flags)
    share = speech / (end * len(_channels(segments)))
    return f"{_clock(end)}, {100 * share:.0f} % of it speech, {len(segments):,} segments"


def _clock(seconds: float) -> str:
    minutes, rest = divmod(round(100 * seconds), 6000)
    hours, minutes = divmod(minutes, 60)
    return f"{hours}:{minutes:02}:{rest / 100:05.2f}" if hours else f"{minutes}:{rest / 100:05.2f}"


def _json(data: dict[str, Any]) -> str:
    """Inside a script element, where ``<`` could end it."""
    return json.dumps(data, ensure_ascii=False, allow_nan=False, separators=(",", ":")).replace("<", "\\u003c")


# --- the sound ---


def _first(path: Path, seconds: float) -> audio.Signal:
    pieces, n_left = [], round(seconds * SAMPLE_RATE)
    try:
        for block in audio.blocks(path):
            pieces.append(block[:n_left])
            n_left -= len(block)
            if n_left <= 0:
                break
    except AudioError:
        if not pieces:  # of a recording that breaks off, what is there is played
            raise
    return np.concatenate(pieces)


def _row(channel: int | None, path: Path | None, end: float) -> dict[str, Any]:
    """A channel, and the shape of its sound: the lowest and the highest sample in each column, as shares of 127."""
    shape = None
    if path is not None:
        n_columns = min(MOST, max(FEWEST, round(end * FINEST)))
        columns = audio.envelope(path, end, n_columns, channel=channel)
        loudest = max(float(np.abs(columns).max()), 1e-3)
        shape = base64.b64encode(np.rint(127 * columns / loudest).astype(np.int8).tobytes()).decode()
    return {"channel": channel, "shape": shape}


# --- the table ---


def _table(segments: Sequence[Segment]) -> Html:
    channels, speakers = len(_channels(segments)) > 1, any(segment.speaker for segment in segments)
    scores = any(segment.scores for segment in segments)
    columns = [Column("Time"), Column("Heard")]
    columns += [Column("Sure", "number", "The probability of what was heard")] * scores
    columns += [Column("Ch.", "number", "Channel, from 0 on")] * channels + [Column("Speaker")] * speakers

    def row(segment: Segment) -> list[Child]:
        name = _name(segment)
        times = f"{_clock(segment.start)}–{_clock(segment.end)}"
        notes = [FLAGS.get(flag, flag) for flag in segment.flags if flag not in ("no_speech", "uncertain")]
        what = [
            tag("span", charts.swatch(_tint(name)), segment.headline if name == "speech" else name, class_="emotion"),
            *(tag("small", f" {note}") for note in notes),
        ]
        cells: list[Child] = [tag("button", times, type="button", disabled=True), what]
        cells += [f"{100 * segment.confidence:.0f} %" if segment.scores else ""] * scores
        return cells + [str(segment.channel)] * channels + [segment.speaker or ""] * speakers

    return table(columns, map(row, segments), caption="Segments")
