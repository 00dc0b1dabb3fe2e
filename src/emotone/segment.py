"""`Segment`: what was heard from one moment to another. The one form in which a recogniser answers.

Its field names are the keys of the JSON, the columns of tables and the words on every page. An answer about a
whole recording is a segment from 0 to its duration.
"""

from __future__ import annotations

import base64
import math
from collections.abc import Mapping
from dataclasses import dataclass, field
from html import escape
from pathlib import Path
from typing import Any

from emotone.errors import ConfigError, EmotoneError
from emotone.labels import colour, in_order

__all__ = ["FLAGS", "Segment", "explain"]

FLAGS = {
    "too_short": "Too short to tell an emotion from.",
    "no_speech": "Nobody is heard to speak: there is silence, or other sounds.",
    "uncertain": "No emotion is likely enough to name one.",
    "long": "Long for one answer: emotions change within it.",
    "low_level": "Very quiet: what is heard may be noise.",
    "clipped": "Clipped: recorded too loud, so the voice is distorted.",
}
"""The flags of a segment in words. With one of the first three there is no answer."""

PLAYER_SECONDS = 60.0
"""How much sound the player in a notebook holds at most, so that pages stay small (2.6 MB a minute)."""

_UNSURE = "#656d76"


def explain(flag: str) -> str:
    """A flag as a sentence."""
    return FLAGS.get(flag, flag.replace("_", " "))


@dataclass(frozen=True)
class Segment:
    """An answer. ``start`` and ``end`` are seconds.

    ``emotion`` is None where the recogniser abstains; the flags then say why. ``confidence`` is the
    probability of the likeliest emotion, also where it was too low to be named. ``scores`` has a
    probability for each emotion the recogniser knows, in canonical order, and is empty where there was
    nothing to judge (silent, too short).

    ``dimensions`` has a number for each dimension (arousal, valence, ...) that the recogniser predicts, on the scale
    its card names. A recogniser of dimensions alone knows no emotions: ``emotion`` is None without a flag,
    ``confidence`` 0 and ``scores`` empty.

    ``likely`` are the emotions that can't be ruled out: such sets hold the true one for 90 % (or another ``level`` that
    the recogniser's ``conformal`` names) of the utterances of speakers like those it was tested on. In canonical order;
    empty where the recogniser has no threshold for them, or where there was nothing to judge.
    """

    start: float
    end: float
    emotion: str | None
    confidence: float
    scores: Mapping[str, float] = field(hash=False)
    flags: tuple[str, ...] = ()
    source: Path | None = field(default=None, compare=False, repr=False)
    """The recording, if there is a file: for the player in a notebook. Not part of the answer."""
    dimensions: Mapping[str, float] = field(default_factory=dict, hash=False)
    likely: tuple[str, ...] = ()
    channel: int | None = None
    """Which channel was heard, from 0 on, where each was heard by itself; None for all of them together."""
    speaker: str | None = None
    """Who speaks, where somebody told."""

    @property
    def duration(self) -> float:
        """Seconds from start to end."""
        return self.end - self.start

    def as_dict(self) -> dict[str, Any]:
        """Plain data for JSON, all but ``source``."""
        return {
            "start": self.start,
            "end": self.end,
            "emotion": self.emotion,
            "confidence": self.confidence,
            "scores": dict(self.scores),
            "likely": list(self.likely),
            "dimensions": dict(self.dimensions),
            "flags": list(self.flags),
            **({} if self.channel is None else {"channel": self.channel}),
            **({} if self.speaker is None else {"speaker": self.speaker}),
        }

    @classmethod
    def from_dict(cls, data: Mapping[str, Any]) -> Segment:
        """The segment of an `as_dict`; a ``file`` beside its keys, as `emotone predict --json` writes, is its
        source, and ``likely``, ``dimensions``, ``channel`` and ``speaker`` may be missing. Raises `ConfigError` for
        another key, a missing one, or a value that can't be."""
        expected = ("start", "end", "emotion", "confidence", "scores", "flags")
        odd = set(expected).symmetric_difference(set(data) - {"file", "likely", "dimensions", "channel", "speaker"})
        if odd:
            raise ConfigError(
                f"A segment has the keys {', '.join(expected)}; "
                f"{', '.join(sorted(map(str, odd)))} is missing or too many."
            )
        try:
            scores = {str(name): float(value) for name, value in dict(data["scores"]).items()}
            dimensions = {str(name): float(value) for name, value in dict(data.get("dimensions", {})).items()}
            segment = cls(
                start=float(data["start"]),
                end=float(data["end"]),
                emotion=None if data["emotion"] is None else str(data["emotion"]),
                confidence=float(data["confidence"]),
                scores={name: scores[name] for name in in_order(scores)},
                flags=tuple(map(str, data["flags"])),
                source=Path(data["file"]) if data.get("file") else None,
                dimensions=dimensions,
                likely=in_order(map(str, data.get("likely", ()))),
                channel=None if data.get("channel") is None else int(data["channel"]),
                speaker=None if data.get("speaker") is None else str(data["speaker"]),
            )
        except (TypeError, ValueError) as error:
            raise ConfigError(f"{dict(data)!r} isn't a segment: {error}.") from error
        numbers = (segment.start, segment.end, segment.confidence, *scores.values(), *dimensions.values())
        if not all(map(math.isfinite, numbers)) or segment.start > segment.end:
            raise ConfigError(
                f"{dict(data)!r} isn't a segment: its numbers must be finite, its end not before its start."
            )
        if strangers := sorted(set(segment.likely) - set(scores)):
            raise ConfigError(f"{dict(data)!r} isn't a segment: likely names {', '.join(strangers)}, without a score.")
        return segment

    def __str__(self) -> str:
        words = f"{self.start:.2f}–{self.end:.2f} s  {self.headline}"
        return f"{words}  [{', '.join(self.flags)}]" if self.flags else words

    @property
    def headline(self) -> str:
        """The answer in few words: ``angry 81 %``, ``arousal 5.20, valence 2.74``, ``no speech`` or ``can't tell``."""
        if self.emotion is not None:
            return f"{self.emotion} {100 * self.confidence:.0f} %"
        if self.dimensions and not self.scores:
            return ", ".join(f"{name} {value:.2f}" for name, value in self.dimensions.items())
        return "no speech" if "no_speech" in self.flags else "can't tell"

    # --- Jupyter ---

    def _repr_html_(self) -> str:
        where = f"{self.start:.2f}–{self.end:.2f} s"
        if self.source is not None:
            where = f"{escape(self.source.name)} · {where}"
        tint = "inherit" if self.dimensions else _UNSURE if self.emotion is None else colour(self.emotion)
        head = (
            f'<div><b style="font-size:1.35em;color:{tint}">{escape(self.headline)}</b>'
            f'<span style="opacity:.65;margin-left:.8em">{where}</span></div>'
        )
        rows = "".join(_bar(name, share, name == self._likeliest) for name, share in self.scores.items())
        bars = f'<table style="border-collapse:collapse;margin:.3em 0">{rows}</table>' if rows else ""
        if self.likely:
            bars += f'<div style="opacity:.65">can\'t be ruled out: {escape(", ".join(self.likely))}</div>'
        notes = "".join(
            f'<div style="margin:.2em 0">⚑ <code>{escape(flag)}</code> {escape(explain(flag))}</div>'
            for flag in self.flags
        )
        return f'<div style="max-width:36em;line-height:1.4">{head}{bars}{notes}{self._player()}</div>'

    @property
    def _likeliest(self) -> str | None:
        return max(self.scores, key=lambda name: self.scores[name], default=None)

    def _player(self) -> str:
        """The sound itself inside the page, so that a saved notebook plays. Nothing if it is gone."""
        if self.source is None or self.duration <= 0:
            return ""
        from emotone import audio

        end = min(self.end, self.start + PLAYER_SECONDS)
        try:
            sound = audio.encode_wav(audio.load(self.source, start=self.start, end=end))
        except EmotoneError:
            return ""
        address = f"data:audio/wav;base64,{base64.b64encode(sound).decode('ascii')}"
        note = f" <small>first {PLAYER_SECONDS:.0f} s</small>" if end < self.end else ""
        return f'<div><audio controls preload="metadata" src="{address}"></audio>{note}</div>'


def _bar(name: str, share: float, likeliest: bool) -> str:
    weight = "bold" if likeliest else "normal"
    cell = 'style="border:0;padding:1px 8px 1px 0;text-align:'
    rounded = "height:.75em;border-radius:3px;background:"
    # The track is a see-through grey, which suits light and dark pages alike.
    bar = (
        f'<div style="width:16em;{rounded}rgba(128,128,128,.18)">'
        f'<div style="width:{100 * share:.1f}%;{rounded}{colour(name)}"></div></div>'
    )
    return (
        f'<tr style="background:none;font-weight:{weight}"><td {cell}left">{escape(name)}</td>'
        f'<td {cell}left">{bar}</td><td {cell}right">{100 * share:.0f} %</td></tr>'
    )
