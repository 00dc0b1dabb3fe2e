"""Speech-like sounds out of nothing but numpy, for demonstrations and tests where no corpus is at hand.

**These are not speech and nobody felt anything.** The vowels form no words, and each emotion is a handful of
numbers below. A score reached on them says that a program runs; it says nothing about people, and must never
be quoted.

The synthesiser is the classic source and filter: a train of glottal pulses (KLGLOTT88's shape, Klatt & Klatt
1990) with jitter, shimmer and breath goes through eight formants that glide from vowel to vowel (Peterson &
Barney 1952), with bursts of hiss for consonants, syllables, pauses, and some noise of a room. Emotions move
pitch, pitch range, tempo, level, brightness, irregularity and breath in the directions that Scherer (2003,
Speech Communication 40) and Juslin & Laukka (2003, Psychological Bulletin 129) report; the sizes are ours.
How far they move differs between speakers, emotions and clips, so that the classes overlap as they do in
recordings.
"""

from __future__ import annotations

import itertools
import math
import os
import wave
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import numpy.typing as npt

from emotone.errors import ConfigError, unknown
from emotone.labels import EMOTIONS

__all__ = ["speech", "write_folder", "write_ravdess"]

Array = npt.NDArray[np.float64]
Spectra = npt.NDArray[np.complex128]

_RATE = 16_000

# Peterson & Barney (1952), men: first three formants of ten American vowels, Hz. The others hardly move.
# fmt: off
_VOWELS = np.array([
    (270, 2290, 3010), (390, 1990, 2550), (530, 1840, 2480), (660, 1720, 2410), (730, 1090, 2440),
    (570, 840, 2410), (440, 1020, 2240), (300, 870, 2240), (640, 1190, 2390), (490, 1350, 1690),
], float)
# fmt: on
_UPPER_FORMANTS = (3400.0, 4400.0, 5500.0, 6500.0, 7400.0)
_BANDWIDTHS = (70.0, 90.0, 140.0, 200.0, 260.0, 350.0, 450.0, 550.0)  # Hz

_HOP = 0.01  # seconds between settings of the filter; a window of sound for each is twice as long


@dataclass(frozen=True)
class _Style:
    """What an emotion changes, relative to neutral speech of the same speaker."""

    pitch: float = 0.0  # semitones
    range: float = 1.0  # factor on the pitch's movements
    tempo: float = 1.0  # factor on syllables a second
    level: float = 0.0  # dB
    tilt: float = 0.0  # dB an octave above 500 Hz: brightness
    jitter: float = 1.0  # factor on irregularity from cycle to cycle
    breath: float = 0.0  # dB of noise through the glottis
    final: float = -2.0  # semitones that the last syllable moves
    pause: float = 0.5  # probability of a pause

    def at(self, strength: float) -> _Style:
        """This style at another strength: 0 is neutral."""
        neutral = _Style()
        return _Style(
            pitch=self.pitch * strength,
            range=math.pow(self.range, strength),
            tempo=math.pow(self.tempo, strength),
            level=self.level * strength,
            tilt=self.tilt * strength,
            jitter=math.pow(self.jitter, strength),
            breath=self.breath * strength,
            final=neutral.final + (self.final - neutral.final) * strength,
            pause=self.pause,
        )


_STYLES = {
    # pitch, range, tempo, level, tilt, jitter, breath, final, pause
    "neutral": _Style(),
    "calm": _Style(-1.0, 0.75, 0.87, -3.0, -1.0, 0.9, 3.0, -2.5, 0.7),
    "happy": _Style(4.0, 1.7, 1.10, 4.0, 1.5, 1.0, -1.0, 0.5, 0.4),
    "sad": _Style(-1.0, 0.6, 0.78, -7.0, -2.2, 1.5, 7.0, -3.0, 0.8),
    "angry": _Style(4.5, 1.5, 1.15, 9.0, 3.0, 1.6, -3.0, -3.5, 0.3),
    "fearful": _Style(6.0, 0.8, 1.25, 2.0, 0.5, 2.2, 5.0, 1.5, 0.6),
    "disgusted": _Style(-0.5, 1.2, 0.84, 1.5, 1.0, 2.0, 1.0, -4.5, 0.5),
    "surprised": _Style(5.5, 2.2, 1.03, 4.0, 1.0, 1.0, 0.5, 6.0, 0.3),
}


@dataclass(frozen=True)
class _Voice:
    """What a speaker is born with. Odd numbers have low voices, even ones high, as RAVDESS counts its actors."""

    pitch: float  # Hz
    tract: float  # factor on the formants
    tempo: float  # syllables a second
    tilt: float  # dB an octave
    jitter: float  # relative
    expression: dict[str, float]  # strength by emotion

    @classmethod
    def of(cls, speaker: int) -> _Voice:
        rng = np.random.default_rng([7919, speaker])
        high = speaker % 2 == 0
        openness = rng.uniform(0.7, 1.25)
        return cls(
            pitch=(200.0 if high else 112.0) * 2 ** (rng.normal(0, 1.6) / 12),
            tract=(1.16 if high else 1.0) * rng.normal(1, 0.03),
            tempo=rng.normal(4.4, 0.35),
            tilt=rng.normal(0, 0.8),
            jitter=rng.uniform(0.004, 0.010),
            expression={emotion: openness * rng.uniform(0.75, 1.25) for emotion in EMOTIONS},
        )


def speech(
    emotion: str,
    speaker: int,
    *,
    rng: np.random.Generator,
    seconds: float = 2.5,
    rate: int = _RATE,
    strength: float = 1.0,
) -> npt.NDArray[np.float32]:
    """A clip of ``speaker`` (any number from 0 up) in ``emotion``: float32, shape (round(seconds * rate),),
    mono.

    ``rng`` decides everything that differs between two takes; ``strength`` scales what the emotion changes.
    The same arguments and state of ``rng`` give the same clip. Raises `ConfigError` for an unknown emotion,
    a negative speaker, under 0.5 or over 60 seconds, and a rate under 8000 Hz.
    """
    if emotion not in _STYLES:
        raise unknown("emotion", emotion, EMOTIONS)
    if speaker < 0 or not 0.5 <= seconds <= 60 or rate < 8000:
        raise ConfigError(
            f"Synthetic speech takes a speaker from 0 up, 0.5 to 60 seconds and a rate from 8000 Hz, "
            f"not speaker {speaker}, {seconds} s, {rate} Hz."
        )
    sentence = rng.permutation(len(_VOWELS))
    return _clip(emotion, _Voice.of(speaker), sentence, rng, round(seconds * rate), rate, strength)


def write_ravdess(
    root: str | os.PathLike[str],
    *,
    speakers: Iterable[int] = range(1, 7),
    emotions: Iterable[str] = EMOTIONS,
    repetitions: int = 2,
    seed: int = 0,
) -> Path:
    """Clips in ``root``, named and laid out like RAVDESS: ``Actor_AA/03-01-EE-II-SS-RR-AA.wav``, 16-bit, 16
    kHz.

    Each speaker has each emotion in two intensities (neutral in one), each with two sentences and
    ``repetitions`` takes: sixty clips by default. A clip depends on its name and ``seed`` alone. Returns
    ``root``.
    """
    for speaker, emotion in itertools.product(speakers, _known(emotions)):
        folder = Path(root) / f"Actor_{speaker:02d}"
        folder.mkdir(parents=True, exist_ok=True)
        code = EMOTIONS.index(emotion) + 1
        intensities = (1,) if emotion == "neutral" else (1, 2)
        for intensity, statement, take in itertools.product(intensities, (1, 2), range(1, repetitions + 1)):
            rng = np.random.default_rng([seed, speaker, code, intensity, statement, take])
            sentence = np.random.default_rng(statement).permutation(len(_VOWELS))
            n_samples = round(rng.uniform(1.8, 2.6) * _RATE)
            strength = 0.85 if intensity == 1 else 1.25
            clip = _clip(emotion, _Voice.of(speaker), sentence, rng, n_samples, _RATE, strength)
            name = f"03-01-{code:02d}-{intensity:02d}-{statement:02d}-{take:02d}-{speaker:02d}.wav"
            _write(folder / name, clip)
    return Path(root)


def write_folder(
    root: str | os.PathLike[str],
    *,
    speakers: Iterable[int] = range(1, 7),
    emotions: Iterable[str] = EMOTIONS,
    repetitions: int = 4,
    seed: int = 0,
) -> Path:
    """Clips in ``root``, a folder for each emotion: ``angry/spk01_1.wav``, 16-bit, 16 kHz. Returns
    ``root``."""
    for speaker, emotion in itertools.product(speakers, _known(emotions)):
        folder = Path(root) / emotion
        folder.mkdir(parents=True, exist_ok=True)
        for take in range(1, repetitions + 1):
            rng = np.random.default_rng([seed, speaker, EMOTIONS.index(emotion), take])
            clip = speech(emotion, speaker, rng=rng, seconds=rng.uniform(1.8, 2.6))
            _write(folder / f"spk{speaker:02d}_{take}.wav", clip)
    return Path(root)


def _known(emotions: Iterable[str]) -> list[str]:
    """The ``emotions``, checked before anything is written."""
    names = list(emotions)
    for name in names:
        if name not in _STYLES:
            raise unknown("emotion", name, EMOTIONS)
    return names


def _write(path: Path, signal: npt.NDArray[np.float32]) -> None:
    with wave.open(str(path), "wb") as file:
        file.setnchannels(1)
        file.setsampwidth(2)
        file.setframerate(_RATE)
        file.writeframes(np.rint(signal * 32767).astype("<i2").tobytes())


# ---------------------------------------------------------------- one clip: plan, tracks, source, filter


def _clip(
    emotion: str,
    voice: _Voice,
    sentence: npt.NDArray[np.int64],
    rng: np.random.Generator,
    n_samples: int,
    rate: int,
    strength: float,
) -> npt.NDArray[np.float32]:
    style = _STYLES[emotion].at(strength * voice.expression[emotion] * rng.uniform(0.75, 1.25))
    tempo = voice.tempo * style.tempo * rng.normal(1, 0.05)
    syllables = _plan(n_samples / rate, tempo, style.pause, sentence, rng)

    times = np.arange(0, n_samples / rate + _HOP, _HOP)
    base = voice.pitch * 2 ** ((style.pitch + rng.normal(0, 1.0)) / 12)
    pitch = _pitch_track(times, syllables, base, style, rng)
    jitter = voice.jitter * style.jitter
    flow, loudness = _glottis(times, pitch, syllables, jitter, n_samples, rate, rng)
    breath = 10 ** ((style.breath - 47 + rng.normal(0, 1.5)) / 20)
    source = np.diff(flow, append=0.0) * (rate / _RATE) + breath * flow * rng.standard_normal(n_samples)
    hiss = _upsampled(times, syllables.hiss_track(times), n_samples, rate) * rng.standard_normal(n_samples)

    tilt = 1.0 + voice.tilt + style.tilt + rng.normal(0, 0.6)
    voiced = _filtered(source * loudness, _vocal_tract(times, syllables, voice.tract, tilt, rate), rate)
    unvoiced = _filtered(hiss, _hiss_spectrum(times, syllables, voice.tract, rate), rate)
    signal = voiced / _active_rms(voiced, rate) + 0.12 * unvoiced / _active_rms(unvoiced, rate)

    level = 10 ** ((-25 + style.level + rng.normal(0, 2.0)) / 20)
    room = 10 ** (rng.uniform(-84, -70) / 20) * rng.standard_normal(n_samples)
    signal = level * signal + room
    return np.asarray(signal * min(1.0, 0.9 / np.abs(signal).max()), np.float32)


@dataclass(frozen=True)
class _Syllables:
    """When each syllable starts and ends (seconds), what it is made of, and how much it is stressed (0 to
    1)."""

    start: Array
    end: Array
    vowel: npt.NDArray[np.int64]
    hiss: Array  # seconds of fricative before the vowel, 0 for none
    hiss_pitch: Array  # Hz
    stress: Array

    @property
    def onset(self) -> Array:
        return self.start + self.hiss

    def voice_track(self, times: Array) -> Array:
        """Loudness of the voice: each vowel swells in 50 ms, fades in 80 ms, and stressed ones are louder."""
        rise = np.clip((times - self.onset[:, None]) / 0.05, 0, 1)
        fall = np.clip((self.end[:, None] - times) / 0.08, 0, 1)
        swell = np.sin(np.pi / 2 * np.minimum(rise, fall)) ** 2
        return np.asarray(((0.55 + 0.45 * self.stress[:, None]) * swell).max(axis=0))

    def hiss_track(self, times: Array) -> Array:
        rise = np.clip((times - self.start[:, None]) / 0.02, 0, 1)
        fall = np.clip((self.onset[:, None] - times) / 0.02, 0, 1)
        return np.asarray((rise * fall * (self.hiss[:, None] > 0)).max(axis=0))


def _plan(
    seconds: float, tempo: float, pause: float, sentence: npt.NDArray[np.int64], rng: np.random.Generator
) -> _Syllables:
    """Syllables of the ``sentence`` at ``tempo``, between silence and, now and then, around a pause."""
    lead, trail = rng.uniform(0.05, 0.11, 2) * min(seconds, 4)
    pauses = rng.uniform(0.15, 0.35) if rng.random() < pause and seconds > 1.5 else 0.0
    voiced = seconds - lead - trail - pauses
    n = max(1, round(voiced * tempo))
    shares = rng.uniform(0.7, 1.3, n)
    shares[-1] *= 1.3  # phrases end slowly
    shares *= voiced / shares.sum()
    gaps = np.zeros(n)
    if n > 2:
        gaps[rng.integers(n // 3, n - n // 3)] = pauses
    start = lead + np.cumsum(gaps) + np.concatenate([[0], np.cumsum(shares)[:-1]])
    fricative = np.resize(sentence % 3 == 0, n)
    hiss = np.where(fricative, np.minimum(0.4 * shares, rng.uniform(0.06, 0.12, n)), 0.0)
    stress = np.where(np.arange(n) % 3 == sentence[0] % 3, 1.0, 0.35) * rng.uniform(0.8, 1.0, n)
    return _Syllables(
        start=start,
        end=start + shares + np.where(rng.random(n) < 0.7, 0.05, -0.03),  # most run into the next one
        vowel=np.resize(sentence, n),
        hiss=hiss,
        hiss_pitch=np.resize(np.where(sentence % 2 == 0, 5200.0, 3400.0), n),
        stress=stress,
    )


def _pitch_track(times: Array, syllables: _Syllables, base: float, style: _Style, rng: np.random.Generator) -> Array:
    """Hz at ``times``: a slow decline, a bump on each stressed syllable, a last movement, and some
    wandering."""
    first, last = syllables.start[0], syllables.end[-1]
    decline = 2.0 - 4.0 * np.clip((times - first) / (last - first), 0, 1)
    centres = (syllables.onset + syllables.end) / 2
    heights = 3.5 * syllables.stress * rng.uniform(0.6, 1.3, len(centres))
    bumps = (heights[:, None] * np.exp(-(((times - centres[:, None]) / 0.09) ** 2))).sum(axis=0)
    ending = style.final * np.clip((times - syllables.onset[-1]) / (last - syllables.onset[-1]), 0, 1) ** 2
    drift = np.convolve(rng.standard_normal(len(times) + 40), np.hanning(41) / 5.5, mode="valid")
    return np.asarray(base * 2 ** ((style.range * (decline + bumps + 0.4 * drift) + ending) / 12))


def _glottis(
    times: Array,
    pitch: Array,
    syllables: _Syllables,
    jitter: float,
    n_samples: int,
    rate: int,
    rng: np.random.Generator,
) -> tuple[Array, Array]:
    """Flow through the glottis (0 to about 1) and loudness, at each sample.

    The flow is continuous, so its difference from sample to sample has little of the aliasing that sampled
    pulses have.
    """
    clock = np.arange(n_samples) / rate
    cycles = np.concatenate([[0.0], np.cumsum((pitch[1:] + pitch[:-1]) / 2 * _HOP)])
    n_cycles = math.floor(cycles[-1]) + 2
    instants = np.interp(np.arange(n_cycles), cycles, times)
    instants[-1] = times[-1] + 1.0
    instants[1:-1] += np.diff(instants)[:-1] * jitter * rng.standard_normal(n_cycles - 2)
    instants = np.maximum.accumulate(instants)
    heights = 1 + 4 * jitter * rng.standard_normal(n_cycles)  # shimmer goes with jitter
    cycle = np.clip(np.searchsorted(instants, clock, side="right") - 1, 0, n_cycles - 2)
    phase = (clock - instants[cycle]) / np.maximum(instants[cycle + 1] - instants[cycle], 1e-4)
    opening = np.minimum(phase / 0.62, 1.0)  # open for 62 % of the cycle
    flow = heights[cycle] * 6.75 * opening**2 * (1 - opening)
    return flow, _upsampled(times, syllables.voice_track(times), n_samples, rate)


def _upsampled(times: Array, track: Array, n_samples: int, rate: int) -> Array:
    return np.asarray(np.interp(np.arange(n_samples) / rate, times, track))


def _vocal_tract(times: Array, syllables: _Syllables, tract: float, tilt: float, rate: int) -> Spectra:
    """Transfer function at ``times``, shape (times, frequencies): digital resonators and a tilt."""
    targets = np.array([(*_VOWELS[vowel], *_UPPER_FORMANTS) for vowel in syllables.vowel])
    centres = (syllables.onset + syllables.end) / 2
    turn = np.exp(-2j * np.pi * _frequencies(rate) / rate)
    response = np.ones((len(times), len(turn)), complex)
    for target, bandwidth in zip(targets.T, _BANDWIDTHS, strict=True):
        formant = tract * np.interp(times, centres, target)[:, None]
        if formant.max() > 0.48 * rate:
            break
        radius = math.exp(-np.pi * bandwidth / rate)
        back, back_twice = 2 * radius * np.cos(2 * np.pi * formant / rate), radius**2
        response *= (1 - back + back_twice) / (1 - back * turn + back_twice * turn**2)
    octaves = np.log2(np.maximum(_frequencies(rate), 500) / 500)
    return np.asarray(response * 10 ** (tilt * octaves / 20))


def _hiss_spectrum(times: Array, syllables: _Syllables, tract: float, rate: int) -> Array:
    """A broad hump around each fricative's pitch, shape (times, frequencies)."""
    nearest = np.abs(times[:, None] - (syllables.start + syllables.hiss / 2)).argmin(axis=1)
    centre = np.minimum(tract * syllables.hiss_pitch[nearest], 0.42 * rate)[:, None]
    distance = (_frequencies(rate) - centre) / np.where(_frequencies(rate) < centre, 1000, 2000)
    return np.asarray(1 / (1 + distance**4))


def _frequencies(rate: int) -> Array:
    return np.asarray(np.fft.rfftfreq(_n_fft(rate), 1 / rate))


def _n_fft(rate: int) -> int:
    """Long enough for a window and the ringing of the narrowest formant behind it."""
    return 1 << math.ceil(math.log2((2 * _HOP + 0.04) * rate))


def _filtered(source: Array, response: Spectra | Array, rate: int) -> Array:
    """``source`` through a filter that changes every `_HOP`: windowed, multiplied by ``response``,
    overlap-added."""
    hop, n_fft = round(_HOP * rate), _n_fft(rate)
    n_window = 2 * hop
    n_frames = len(response)
    padded = np.zeros((n_frames - 1) * hop + n_window)
    padded[n_window // 2 : n_window // 2 + len(source)] = source[: len(padded) - n_window // 2]
    frames = np.lib.stride_tricks.sliding_window_view(padded, n_window)[::hop]
    window = np.hanning(n_window + 1)[:-1]  # adds up to 1
    sound = np.fft.irfft(np.fft.rfft(frames * window, n_fft) * response, n_fft)
    n_blocks = math.ceil(n_fft / hop)
    sound = np.pad(sound, ((0, 0), (0, n_blocks * hop - n_fft))).reshape(n_frames, n_blocks, hop)
    added = np.zeros((n_frames + n_blocks, hop))
    for block in range(n_blocks):
        added[block : block + n_frames] += sound[:, block]
    return added.ravel()[n_window // 2 : n_window // 2 + len(source)]


def _active_rms(signal: Array, rate: int) -> float:
    """RMS of the louder half of the clip, or 1 for silence."""
    n = rate // 50
    power = np.sort((signal[: len(signal) // n * n].reshape(-1, n) ** 2).mean(axis=1))
    return math.sqrt(power[len(power) // 2 :].mean()) or 1.0
