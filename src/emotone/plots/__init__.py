"""Pictures of signals, predictions, timelines and scores.

Each function draws numbers on an ``ax`` (a matplotlib Axes; a new one if None) and returns it; its figure is
``ax.figure``. None of them reads or changes matplotlib's global state: figures are made without pyplot, so
nothing needs closing and no display is needed. `save` and `png` write them.
"""

from __future__ import annotations

from emotone.labels import COLOURS, colour
from emotone.plots._figure import png, save
from emotone.plots._ladder import ladder
from emotone.plots._scores import agreement, confusion, per_speaker, reliability
from emotone.plots._signals import prediction, scores, spectrogram, waveform
from emotone.plots._stress import stress
from emotone.plots._timeline import timeline
from emotone.plots._training import training

__all__ = [
    "COLOURS",
    "agreement",
    "colour",
    "confusion",
    "ladder",
    "per_speaker",
    "png",
    "prediction",
    "reliability",
    "save",
    "scores",
    "spectrogram",
    "stress",
    "timeline",
    "training",
    "waveform",
]
