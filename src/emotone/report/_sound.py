"""Recordings inside the page: which may be there, and how they get there."""

from __future__ import annotations

import base64
import io
import math
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np

from emotone import audio
from emotone.errors import AudioError, ConfigError, CorpusError, unknown
from emotone.report._run import Run

LONGEST = 20.0
"""Seconds of a recording that are put into a page at most."""

BIT_RATE = 48_000
"""Of the MP3: speech of 16 kHz sounds as recorded, and ten clips weigh as much as one photograph. MP3 rather than
Opus, because every browser and mail program of the last fifteen years plays it."""


@dataclass(frozen=True)
class Heard:
    """Players by row: the recording as a ``data:`` address, or why there is none; and what went wrong."""

    players: Mapping[int, str] = field(default_factory=dict)
    reasons: Mapping[str, str] = field(default_factory=dict)
    """Corpus to why its recordings aren't in the page."""
    troubles: tuple[str, ...] = ()
    """Recordings that should have been in it, and couldn't be read."""


def check_roots(run: Run, roots: Mapping[str, Path], may_embed: Collection[str]) -> None:
    """Raise `ConfigError` or `CorpusError` for what was given and can't be meant, before any work is done."""
    named = list(run.protocol["corpora"])
    for name in [*roots, *may_embed]:
        if name not in named:
            raise unknown("corpus of this run", name, named)
    for name, root in roots.items():
        if not root.exists():
            raise CorpusError(f"There is no folder {root} with the recordings of {name}.")


def hear(run: Run, rows: Sequence[Mapping[str, Any]], roots: Mapping[str, Path], may_embed: Collection[str]) -> Heard:
    """The recordings of ``rows`` (``corpus, file, start, end``) that may be in a page sent to others."""
    facts = {corpus["name"]: corpus for corpus in run.corpora}
    players: dict[int, str] = {}
    reasons: dict[str, str] = {}
    troubles: list[str] = []
    for i, row in enumerate(rows):
        name = row["corpus"]
        corpus = facts.get(name, {})
        if not (corpus.get("shareable") or name in may_embed):
            licence = corpus.get("licence") or "not stated"
            reasons[name] = (
                f"Recordings of {corpus.get('title') or name} aren't in this page: its licence ({licence}) isn't known "
                "to let them be passed on."
            )
        elif name not in roots:
            reasons[name] = (
                f"To hear recordings of {corpus.get('title') or name} here, write this page with --audio {name}=FOLDER."
            )
        else:
            try:
                players[i] = _address(run, row, roots[name])
            except AudioError as error:
                troubles.append(str(error))
    return Heard(players, reasons, tuple(troubles))


def _address(run: Run, row: Mapping[str, Any], root: Path) -> str:
    from emotone import corpora

    try:
        folder = corpora.audio_root(row["corpus"], root)
    except ConfigError:  # a corpus of a package that isn't installed here
        folder = root
    path = (folder / row["file"]).resolve()
    if not path.is_relative_to(folder.resolve()):
        raise AudioError(f"{row['file']} lies outside {folder}, so it isn't put into the page.")
    start = float(row["start"])
    end = float(row["end"]) if row["end"] is not None and math.isfinite(row["end"]) else math.inf
    signal = audio.load(path, start=start, end=min(end, start + LONGEST))
    return data_address(signal)


def data_address(signal: audio.Signal) -> str:
    """``data:audio/mpeg;base64,...`` of a signal; WAV where this build of FFmpeg can't write MP3."""
    encoded = _mp3(signal)
    kind, content = ("mpeg", encoded) if encoded else ("wav", audio.encode_wav(signal))
    return f"data:audio/{kind};base64,{base64.b64encode(content).decode()}"


def _mp3(signal: audio.Signal) -> bytes | None:
    import av

    if "libmp3lame" not in av.codecs_available:
        return None
    buffer = io.BytesIO()
    with av.open(buffer, "w", format="mp3") as container:
        stream = container.add_stream("libmp3lame", rate=audio.SAMPLE_RATE, layout="mono")
        stream.bit_rate = BIT_RATE
        samples = np.clip(signal, -1.0, 1.0, dtype=np.float32)[np.newaxis]
        frame = av.AudioFrame.from_ndarray(np.ascontiguousarray(samples), format="fltp", layout="mono")
        frame.sample_rate = audio.SAMPLE_RATE
        for given in (frame, None):
            container.mux(stream.encode(given))
    return buffer.getvalue()
