"""What goes into an encoder, made of a signal with numpy: Whisper's log-mel, or the standardised waveform."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from emotone.features.spectrum import frames, hann, mel_filters

__all__ = ["HOP", "N_FFT", "RATE", "log_mel", "standardised"]

Floats = NDArray[np.float32]

RATE = 16_000
"""Hz; all encoders listen at this rate."""
N_FFT, HOP = 400, 160
"""Samples in a frame of Whisper's (25 ms), and from one to the next (10 ms)."""

_RANGE = np.float32(8.0)  # tenfold steps of power from the loudest to what counts as silence


def log_mel(signal: Floats, *, n_mels: int = 80) -> Floats:
    """Whisper's input, ``(n_mels, len(signal) // 160)``, of ``signal``, ``(samples,)``, longer than 200 samples.

    The numbers of transformers' ``WhisperFeatureExtractor`` without padding: mirrored ends, periodic Hann window,
    power, Slaney's mel bands, decimal logarithm at most 8 below the largest value, ``(x + 4) / 4``. As there, the
    last frame is dropped.
    """
    padded = np.pad(signal.astype(np.float64), N_FFT // 2, mode="reflect")
    cut = frames(padded, length=N_FFT, hop=HOP)[: len(signal) // HOP]
    spectrum = np.fft.rfft(cut * hann(N_FFT), axis=1)
    power = (spectrum.real**2 + spectrum.imag**2).astype(np.float32)
    mel = mel_filters(RATE, n_fft=N_FFT, n_mels=n_mels) @ power.T
    logarithm = np.log10(np.maximum(mel, np.float32(1e-10)))
    np.maximum(logarithm, logarithm.max() - _RANGE, out=logarithm)
    scaled: Floats = (logarithm + np.float32(4.0)) / np.float32(4.0)
    return scaled


def standardised(signal: Floats) -> Floats:
    """``signal`` with mean 0 and variance 1: transformers' ``Wav2Vec2FeatureExtractor`` with ``do_normalize``."""
    scaled: Floats = (signal - signal.mean()) / np.sqrt(signal.var() + np.float32(1e-7))
    return scaled
