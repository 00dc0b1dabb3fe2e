"""The fingerprint and the comparison of waveforms, on synthetic speech that was really coded, cut and turned down."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import av
import numpy as np
import pytest
import soundfile
import soxr

from emotone import audio, features, synthetic
from emotone.audit import alike
from emotone.audit.alike import SAME_SOUND, candidates, similarity
from emotone.audit.fingerprint import FLAGS, Fingerprint, local_mean

RATE = audio.SAMPLE_RATE
Signal = np.ndarray
Change = Callable[[Signal, Path, np.random.Generator], Signal]


def take(seed: int, *, speaker: int = 1, emotion: str = "angry", seconds: float = 2.0) -> Signal:
    return synthetic.speech(emotion, speaker, rng=np.random.default_rng(seed), seconds=seconds)


def coded(signal: Signal, path: Path, codec: str, *, rate: int = RATE, bits: int = 32_000, form: str = "") -> Signal:
    """``signal`` written by FFmpeg and read again by `audio.load`."""
    samples = soxr.resample(signal, RATE, rate) if rate != RATE else signal
    with av.open(str(path), "w", format=form or None) as container:
        stream = container.add_stream(codec, rate=rate, layout="mono")
        if bits:
            stream.bit_rate = bits
        wanted = stream.codec_context.codec.audio_formats[0].name
        to = av.AudioResampler(format=wanted, layout="mono", rate=rate)
        whole = np.rint(np.clip(samples, -1, 1) * 32767).astype(np.int16)
        frame = av.AudioFrame.from_ndarray(whole[None], format="s16", layout="mono")
        frame.sample_rate = rate
        for part in (*to.resample(frame), *to.resample(None)):
            for packet in stream.encode(part):
                container.mux(packet)
        for packet in stream.encode(None):
            container.mux(packet)
    return audio.load(path)


def written(signal: Signal, path: Path, rate: int) -> Signal:
    soundfile.write(path, soxr.resample(signal, RATE, rate), rate, subtype="PCM_16")
    return audio.load(path)


def noisy(signal: Signal, decibels: float, rng: np.random.Generator) -> Signal:
    noise = rng.normal(size=len(signal)) * np.sqrt(np.mean(signal**2) / 10 ** (decibels / 10))
    return (signal + noise).astype(np.float32)


CUT = round(0.05 * RATE)
COPIES: dict[str, Change] = {
    "Opus 32 kb/s": lambda x, to, rng: coded(x, to / "a.opus", "libopus", form="ogg"),
    "MP3 32 kb/s": lambda x, to, rng: coded(x, to / "a.mp3", "libmp3lame"),
    "AAC 32 kb/s": lambda x, to, rng: coded(x, to / "a.m4a", "aac", form="mp4"),
    "telephone, G.711": lambda x, to, rng: coded(x, to / "a.wav", "pcm_mulaw", rate=8_000, bits=0),
    "8 kHz": lambda x, to, rng: written(x, to / "a.wav", 8_000),
    "22.05 kHz": lambda x, to, rng: written(x, to / "a.flac", 22_050),
    "+6 dB": lambda x, to, rng: np.clip(2 * x, -1, 1),
    "-6 dB": lambda x, to, rng: x / 2,
    "inverted": lambda x, to, rng: -x,
    "50 ms cut off": lambda x, to, rng: x[CUT:-CUT],
    "a second of silence before": lambda x, to, rng: np.concatenate([np.zeros(RATE, np.float32), x]),
    "the middle half": lambda x, to, rng: x[len(x) // 4 : -len(x) // 4],
    "noise at 10 dB": lambda x, to, rng: noisy(x, 10, rng),
    "all at once": lambda x, to, rng: coded(
        np.clip(2 * x[CUT:-CUT], -1, 1), to / "a.opus", "libopus", rate=48_000, form="ogg"
    ),
}


@pytest.mark.parametrize("change", COPIES)
def test_a_copy_is_found_by_fingerprint_and_by_waveform(change, tmp_path, rng):
    original = take(0)
    copy = COPIES[change](original, tmp_path, rng).astype(np.float32)
    frontend = Fingerprint()
    prints = np.stack([frontend(original), frontend(copy)])[:, 5:]
    assert candidates(prints).pairs.tolist() == [[0, 1]]
    assert similarity(original, copy) > SAME_SOUND + 0.1


def test_other_takes_of_one_voice_are_never_alike():
    takes = [take(seed, emotion=emotion) for seed in range(6) for emotion in ("angry", "neutral")]
    prints = np.stack([Fingerprint()(signal) for signal in takes])[:, 5:]
    assert len(candidates(prints).pairs) == 0
    pairs = [similarity(a, b) for i, a in enumerate(takes) for b in takes[:i]]
    assert max(pairs) < 0.35


def test_a_hum_in_all_recordings_makes_no_copies():
    hum = 0.3 * np.sin(2 * np.pi * 420 * np.arange(2 * RATE) / RATE)
    a, b = ((take(seed) + hum).astype(np.float32) for seed in (1, 2))
    prints = np.stack([Fingerprint()(signal) for signal in (a, b)])[:, 5:]
    assert len(candidates(prints).pairs) == 0
    assert similarity(a, b) < SAME_SOUND


def test_half_of_it_silent_or_short_it_still_counts():
    for seconds in (0.5, 1.0, 3.0):
        original = take(3, seconds=seconds)
        padded = np.concatenate([np.zeros(len(original), np.float32), original / 3])
        assert similarity(original, padded) > 0.95
        assert Fingerprint()(original)[5:] @ Fingerprint()(padded)[5:] > 0.95


def test_what_the_columns_are():
    frontend = Fingerprint()
    values = frontend(np.clip(9 * take(0, seconds=1.5), -1, 1))
    assert isinstance(frontend, features.FrontEnd)
    assert values.shape == (len(frontend.names),) == (5 + 794,)
    assert values.dtype == np.float32
    assert frontend.names[: 1 + len(FLAGS)] == ("seconds", *FLAGS)
    assert frontend.names[5] == "magnitude_299.8_hz"
    assert 3390 < float(frontend.names[-1].split("_")[1]) < 3400
    assert values[0] == pytest.approx(1.5)
    assert values[1:5].tolist() == [0, 0, 0, 1]
    assert np.linalg.norm(values[5:]) == pytest.approx(1, abs=1e-5)


@pytest.mark.parametrize("n", [1, 100, RATE])
def test_silence_has_no_fingerprint_and_is_like_nothing(n):
    nothing = np.zeros(n, np.float32)
    values = Fingerprint()(nothing)
    assert values[2] == 1  # silent
    assert not values[5:].any()
    assert similarity(nothing, nothing) == 0.0
    assert similarity(nothing, take(0)) == 0.0
    assert len(candidates(np.zeros((3, 794), np.float32)).pairs) == 0


def test_similarity_is_symmetric_and_one_for_itself():
    a, b = take(0), take(1)
    assert similarity(a, a) == pytest.approx(1, abs=1e-9)
    assert similarity(a, b) == pytest.approx(similarity(b, a), abs=1e-9)


def test_an_overlap_of_less_than_half_is_no_copy():
    """Two recordings that share a jingle at the end of one and the start of the other."""
    jingle, a, b = take(0, seconds=0.6), take(1, seconds=2.0), take(2, seconds=2.0)
    assert similarity(np.concatenate([a, jingle]), np.concatenate([jingle, b])) < SAME_SOUND


def test_candidates_are_pairs_in_order_whatever_the_block(rng, monkeypatch):
    prints = rng.normal(size=(50, 200)).astype(np.float32)
    prints[40], prints[7], prints[8] = prints[3], prints[3], prints[20]
    prints /= np.linalg.norm(prints, axis=1, keepdims=True)
    whole = candidates(prints)
    for block in (1, 7, 50):
        monkeypatch.setattr(alike, "_BLOCK", block)
        found = candidates(prints)
        np.testing.assert_array_equal(found.pairs, whole.pairs)
    assert whole.pairs.tolist() == [[3, 7], [3, 40], [7, 40], [8, 20]]
    assert whole.cosines == pytest.approx(np.ones(4), abs=1e-5)
    assert whole.n_left_out == 0


def test_too_many_candidates_are_cut_to_the_most_alike(rng, monkeypatch):
    direction = rng.normal(size=100)
    prints = (direction + rng.normal(scale=0.2, size=(60, 100))).astype(np.float32)
    prints[31] = prints[11]
    prints /= np.linalg.norm(prints, axis=1, keepdims=True)
    monkeypatch.setattr(alike, "_BLOCK", 8)
    found = candidates(prints, most=5)
    assert [11, 31] in found.pairs.tolist()
    assert len(found.pairs) == 5
    assert found.n_left_out == 60 * 59 // 2 - 5


def test_local_mean_is_the_mean_of_the_neighbours(rng):
    values = rng.uniform(size=40)
    expected = [values[max(0, i - 3) : i + 4].mean() for i in range(40)]
    assert local_mean(values, 3) == pytest.approx(expected)
