"""What rooms, microphones and other voices do to a batch of crops, all at once and where the network is.

`emotone.augment` has the exact and slower ones, a signal at a time. These are rough and take a few milliseconds a
batch, so that no network hears the same crop twice. Sizes are drawn from a numpy generator, noise from one of torch's
that it seeds.
"""

from __future__ import annotations

import math

import numpy as np
import torch
from torch import Tensor

from emotone.models.networks import RATE

__all__ = ["masked", "perturb"]

NOISE_SHARE, BABBLE_SHARE, ROOM_SHARE, COLOUR_SHARE, TELEPHONE_SHARE = 0.35, 0.25, 0.2, 0.4, 0.1
"""How many of the crops meet each of them, at strength 1."""

BENDS = 6
"""Points between which a microphone's response runs straight, on the mel scale."""

TINY = 1e-9


def perturb(signals: Tensor, rng: np.random.Generator, strength: float = 1.0) -> Tensor:
    """``signals (n, samples)`` with noise, voices, rooms and microphones around some of them.

    ``strength`` scales how many are touched: 0 nothing, 1 about three in four, 2 nearly all, by several. Everything
    stays in time.
    """
    if strength == 0:
        return signals
    noise = torch.Generator(signals.device).manual_seed(int(rng.integers(2**63)))
    changed = with_noise(signals, rng, noise, NOISE_SHARE * strength)
    changed = with_voices(changed, signals, rng, BABBLE_SHARE * strength)
    changed = in_rooms(changed, rng, noise, ROOM_SHARE * strength)
    changed = coloured(changed, rng, COLOUR_SHARE * strength)
    return by_telephone(changed, rng, TELEPHONE_SHARE * strength)


def with_noise(signals: Tensor, rng: np.random.Generator, noise: torch.Generator, share: float) -> Tensor:
    """Noise 3 to 35 dB under the crop, its spectrum between brown and a little brighter than white."""
    n, n_samples = signals.shape
    white = torch.randn(n, n_samples, generator=noise, device=signals.device)
    hertz = torch.fft.rfftfreq(n_samples, 1 / RATE, device=signals.device) + 20
    slope = _column(rng.uniform(-1.2, 0.3, n), signals)
    noisy: Tensor = torch.fft.irfft(torch.fft.rfft(white) * hertz**slope, n_samples)
    noisy = noisy * _gain(signals, noisy, rng.uniform(3, 35, n))
    return signals + noisy * _chosen(rng, share, signals)


def with_voices(signals: Tensor, voices: Tensor, rng: np.random.Generator, share: float) -> Tensor:
    """Two to six other crops of the batch at once, 0 to 20 dB under the crop: the nearest thing to a café."""
    n, n_samples = signals.shape
    if n < 2:
        return signals
    babble = torch.zeros_like(signals)
    for _ in range(int(rng.integers(2, 7))):
        other = int(rng.integers(1, n))
        babble = babble + voices.roll(other, 0).roll(int(rng.integers(n_samples)), 1)
    return signals + babble * _gain(signals, babble, rng.uniform(0, 20, n)) * _chosen(rng, share, signals)


def in_rooms(signals: Tensor, rng: np.random.Generator, noise: torch.Generator, share: float) -> Tensor:
    """Decaying noise behind the direct sound (Polack 1988): 0.1 to 0.7 s to fade, near to across a table."""
    rows = torch.from_numpy(np.flatnonzero(rng.random(len(signals)) < share)).to(signals.device)
    if not len(rows):
        return signals
    n, n_samples = len(rows), signals.shape[1]
    seconds = _column(rng.uniform(0.1, 0.7, n), signals)
    time = torch.arange(int(0.7 * RATE), device=signals.device) / RATE
    tail = torch.randn(n, len(time), generator=noise, device=signals.device) * 10 ** (-3 * time / seconds)
    wet = _column(rng.uniform(0.03, 0.4, n), signals) * tail / (tail.square().sum(1, keepdim=True) + TINY).sqrt()
    wet[:, 0] = 1
    n_fft = 1 << (n_samples + len(time) - 1).bit_length()
    echoed = torch.fft.irfft(torch.fft.rfft(signals[rows], n_fft) * torch.fft.rfft(wet, n_fft), n_fft)
    return signals.index_copy(0, rows, echoed[:, :n_samples])


def coloured(signals: Tensor, rng: np.random.Generator, share: float) -> Tensor:
    """Microphones and channels: a tilt of up to 2 dB an octave, bends of 4 dB or so (FilterAugment: Nam, Kim
    & Park 2022), half of them deaf above 3 to 7.5 kHz, a third below 50 to 350 Hz."""
    rows = torch.from_numpy(np.flatnonzero(rng.random(len(signals)) < share)).to(signals.device)
    if not len(rows):
        return signals
    n, n_samples = len(rows), signals.shape[1]
    hertz = torch.fft.rfftfreq(n_samples, 1 / RATE, device=signals.device)
    octaves = torch.log2((hertz + 100) / 1000)
    gain = 10 ** (_column(rng.uniform(-2, 2, n), signals) / 20 * octaves)
    gain = gain * 10 ** (_bends(hertz, rng, n) / 20)
    high = np.where(rng.random(n) < 0.5, rng.uniform(3000, 7500, n), RATE)
    low = np.where(rng.random(n) < 0.3, rng.uniform(50, 350, n), 1e-3)
    gain = gain / (1 + (hertz / _column(high, signals)) ** 16)
    gain = gain / (1 + (_column(low, signals) / (hertz + TINY)) ** 4)
    filtered = torch.fft.irfft(torch.fft.rfft(signals[rows]) * gain, n_samples)
    return signals.index_copy(0, rows, filtered)


def by_telephone(signals: Tensor, rng: np.random.Generator, share: float) -> Tensor:
    """Telephone lines: 100 to 400 Hz up to 2.8 to 4.2 kHz, steeply, in the eight bits of G.711's mu-law."""
    rows = torch.from_numpy(np.flatnonzero(rng.random(len(signals)) < share)).to(signals.device)
    if not len(rows):
        return signals
    n, n_samples = len(rows), signals.shape[1]
    hertz = torch.fft.rfftfreq(n_samples, 1 / RATE, device=signals.device)
    low, high = (_column(rng.uniform(*ends, n), signals) for ends in ((100, 400), (2800, 4200)))
    gain = 1 / (1 + (hertz / high) ** 24) / (1 + (low / (hertz + TINY)) ** 8)
    narrow = torch.fft.irfft(torch.fft.rfft(signals[rows]) * gain, n_samples)
    full = narrow.abs().amax(1, keepdim=True) + TINY
    squeezed = torch.log1p(255 * narrow.abs() / full) / math.log(256)
    opened = torch.expm1((squeezed * 127).round() / 127 * math.log(256)) / 255
    return signals.index_copy(0, rows, opened * full * narrow.sign())


def masked(mel: Tensor, rng: np.random.Generator, bands: int, frames: int) -> Tensor:
    """SpecAugment (Park et al. 2019) without its warping: two stripes of up to ``bands`` bands and two of up to
    ``frames`` frames of each log-mel ``(n, 4 t, n_mels)`` become 0, its mean."""
    n, n_frames, n_bands = mel.shape
    kept = torch.ones_like(mel, dtype=torch.bool)
    for axis, size, widest in ((2, n_bands, min(bands, n_bands // 2)), (1, n_frames, min(frames, n_frames // 2))):
        places = torch.arange(size, device=mel.device)
        for _ in range(2):
            width = rng.integers(0, widest + 1, n)
            first = rng.integers(0, size - width + 1)
            start, end = (torch.from_numpy(ends).to(mel.device)[:, None] for ends in (first, first + width))
            outside = (places < start) | (places >= end)  # (n, size)
            kept = kept & (outside[:, None, :] if axis == 2 else outside[:, :, None])
    return mel * kept


def _bends(hertz: Tensor, rng: np.random.Generator, n: int) -> Tensor:
    """Decibels ``(n, frequencies)``: straight lines on the mel scale between points that are drawn."""
    mel = torch.log1p(hertz / 700) / math.log1p(RATE / 2 / 700) * (BENDS - 1)  # 0 to BENDS - 1
    points = torch.from_numpy(rng.normal(0, 4, (n, BENDS)).astype(np.float32)).to(hertz.device)
    left = mel.floor().long().clamp(max=BENDS - 2)
    share = mel - left
    return points[:, left] * (1 - share) + points[:, left + 1] * share


def _column(values: np.ndarray, like: Tensor) -> Tensor:
    return torch.from_numpy(values.astype(np.float32)).to(like.device)[:, None]


def _chosen(rng: np.random.Generator, share: float, like: Tensor) -> Tensor:
    return _column(rng.random(len(like)) < share, like)


def _gain(signals: Tensor, added: Tensor, decibels: np.ndarray) -> Tensor:
    """The factor that puts ``added`` so many ``decibels`` under ``signals``, ``(n, 1)``."""
    ratio = signals.square().mean(1, keepdim=True) / (added.square().mean(1, keepdim=True) + TINY)
    return ratio.sqrt() * 10 ** (-_column(decibels, signals) / 20)
