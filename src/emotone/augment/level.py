"""How loud the speech in a signal is, pauses left out: what a signal-to-noise ratio refers to."""

from __future__ import annotations

import numpy as np

from emotone.audio import SAMPLE_RATE, Signal

__all__ = ["active_power", "at_snr"]

MARGIN = 15.9
"""dB from the active level down to the softest frame that still counts as speech (ITU-T P.56, method B)."""

_FRAME = SAMPLE_RATE // 50


def active_power(signal: Signal) -> float:
    """Mean square over the frames of 20 ms with speech; 0 for digital silence.

    As in ITU-T P.56, a frame is active if it lies no more than `MARGIN` under the mean of the active ones; here
    frames stand in for its smoothed envelope and hangover. Half a clip of silence thus changes the answer by
    nothing, where it would lower a plain mean by 3 dB.
    """
    frame = min(_FRAME, len(signal))
    n_frames = len(signal) // frame
    frames = signal[: n_frames * frame].astype(np.float64).reshape(n_frames, frame)
    power = np.sort(np.einsum("ij,ij->i", frames, frames) / frame)[::-1]
    if power[0] == 0:
        return 0.0
    means = np.cumsum(power) / np.arange(1, n_frames + 1)
    active = means <= power * 10 ** (MARGIN / 10)
    # The largest such set, as P.56 finds it by raising its threshold from below: one click is no level of a voice.
    return float(means[np.flatnonzero(active)[-1]])


def at_snr(signal: Signal, noise: np.ndarray, snr_db: float) -> np.ndarray:
    """``signal`` with ``noise`` of the same length, scaled to lie ``snr_db`` under its active level. Beside silence
    no noise has a level, so silence comes back as it is."""
    power = float(np.mean(np.square(noise, dtype=np.float64)))
    if power == 0:
        return signal
    scale = np.sqrt(active_power(signal) / power * 10 ** (-snr_db / 10))
    return np.asarray(signal + scale * noise)
