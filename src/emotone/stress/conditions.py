"""What a recording may go through before a recogniser hears it: the conditions of a stress test, by name."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any

from emotone import augment
from emotone.augment import Chain, Transform
from emotone.errors import ConfigError, unknown

__all__ = ["CLEAN", "DEFAULT", "FAMILIES", "Condition", "choose"]

CLEAN = "clean"


@dataclass(frozen=True)
class Condition:
    """A transform with a name, for JSON, and a title, for people. ``family`` is what it belongs to."""

    name: str
    family: str
    title: str
    transform: Transform


def _of(family: str, name: str, title: str, kind: str, **options: Any) -> Condition:
    return Condition(name, family, title, augment.get(kind, **options))


def _chain(family: str, name: str, title: str, *steps: Transform) -> Condition:
    return Condition(name, family, title, Chain(steps))


_LINE = augment.get("telephone")

DEFAULT = (
    _of("noise", "white_30db", "white noise, 30 dB", "noise", snr_db=30),
    _of("noise", "white_20db", "white noise, 20 dB", "noise", snr_db=20),
    _of("noise", "white_10db", "white noise, 10 dB", "noise", snr_db=10),
    _of("noise", "white_0db", "white noise, 0 dB", "noise", snr_db=0),
    _of("noise", "pink_10db", "pink noise, 10 dB", "noise", colour="pink", snr_db=10),
    _of("noise", "speech_noise_10db", "speech-shaped noise, 10 dB", "noise", colour="speech", snr_db=10),
    _of("babble", "babble_20db", "babble, 20 dB", "babble", snr_db=20),
    _of("babble", "babble_10db", "babble, 10 dB", "babble", snr_db=10),
    _of("babble", "babble_0db", "babble, 0 dB", "babble", snr_db=0),
    _of("babble", "talker_10db", "one other talker, 10 dB", "babble", talkers=1, snr_db=10),
    _of("room", "room_near", "living room, near", "reverberation", rt60_seconds=0.4, direct_db=6),
    _of("room", "room_far", "living room, across it", "reverberation", rt60_seconds=0.4, direct_db=-3),
    _of("room", "room_large", "large room, across a table", "reverberation", rt60_seconds=1.2, direct_db=0),
    _of("telephone", "telephone_band", "telephone band, 300-3400 Hz", "telephone"),
    _chain("telephone", "landline", "landline: band, G.711 A-law", _LINE, augment.get("codec", coding="alaw")),
    _of("telephone", "mobile", "mobile: AMR 12.2 kbit/s", "codec", coding="amr", kbps=12.2),
    _chain(
        *("telephone", "bad_phone", "bad phone: AMR 7.4 kbit/s, noise"),
        *(_LINE, augment.get("codec", coding="amr", kbps=7.4), augment.get("noise", colour="pink", snr_db=25)),
    ),
    _of("codecs", "mp3_64", "MP3, 64 kbit/s", "codec", coding="mp3", kbps=64),
    _of("codecs", "mp3_16", "MP3, 16 kbit/s", "codec", coding="mp3", kbps=16),
    _of("codecs", "opus_24", "Opus, 24 kbit/s", "codec", coding="opus", kbps=24),
    _of("codecs", "opus_8", "Opus, 8 kbit/s", "codec", coding="opus", kbps=8),
    _of("codecs", "aac_32", "AAC, 32 kbit/s", "codec", coding="aac", kbps=32),
    _of("codecs", "g711_ulaw", "G.711 mu-law, 8 kHz", "codec", coding="ulaw"),
    _of("level", "quiet", "30 dB quieter", "gain", db=-30),
    _of("level", "loud", "10 dB louder", "gain", db=10),
    _of("level", "clip_1", "1 % of samples clipped", "clip", share=0.01),
    _of("level", "clip_10", "10 % of samples clipped", "clip", share=0.1),
    _of("level", "offset", "offset, 2 % of full scale", "offset", level=0.02),
    _of("level", "bits_8", "8 bits", "quantise", bits=8),
    _of("band", "rate_8000", "resampled to 8 kHz and back", "resample", hertz=8000),
    _of("band", "high_pass_300", "no bass: above 300 Hz", "high_pass", hertz=300),
    _of("band", "tilt_down", "duller: -3 dB an octave", "tilt", db_per_octave=-3),
    _of("band", "tilt_up", "brighter: +3 dB an octave", "tilt", db_per_octave=3),
    _of("time", "slower", "10 % slower and lower", "speed", factor=0.9),
    _of("time", "faster", "10 % faster and higher", "speed", factor=1.1),
    _of("time", "tempo_slow", "20 % slower, same pitch", "tempo", factor=0.8),
    _of("time", "tempo_fast", "25 % faster, same pitch", "tempo", factor=1.25),
    _of("time", "first_second", "only the first second", "truncate", seconds=1.0),
    _of("time", "middle_second", "only the middle second", "truncate", seconds=1.0, keep="middle"),
    _of("time", "silence_before", "1 s of silence before", "silence", before=1.0),
    _of("time", "silence_after", "1 s of silence after", "silence", before=0.0, after=1.0),
    _of("gaps", "loss_5", "5 % of packets lost", "packet_loss", share=0.05),
    _of("gaps", "loss_20", "20 % of packets lost", "packet_loss", share=0.2),
    _of("small", "small_tone", "a faint whistle, 6 kHz", "tone", hertz=6000, snr_db=45),
    _of("small", "small_noise", "white noise, 40 dB", "noise", snr_db=40),
    _of("small", "small_clip", "0.2 % of samples clipped", "clip", share=0.002),
    _of("small", "small_gain", "2 dB quieter", "gain", db=-2),
    _of("small", "small_high_pass", "above 100 Hz", "high_pass", hertz=100, order=1),
    _of("small", "small_low_pass", "below 7 kHz", "low_pass", hertz=7000, order=1),
    _of("small", "small_before", "31 ms of silence before", "silence", before=500 / 16_000),
    _of("small", "small_after", "31 ms of silence after", "silence", before=0.0, after=500 / 16_000),
    _of("small", "small_crop_start", "31 ms cut off the start", "silence", before=-500 / 16_000),
    _of("small", "small_crop_end", "31 ms cut off the end", "silence", before=0.0, after=-500 / 16_000),
)
"""The conditions of `emotone.stress.stress`. ``small`` are the small changes of audEERING's ser-tests, each with the
middle one of its three sizes: nobody would call the voice changed, so neither should the answer be."""

FAMILIES = tuple(dict.fromkeys(condition.family for condition in DEFAULT))


def choose(wanted: Iterable[str | Condition]) -> tuple[Condition, ...]:
    """The conditions of these names and families of `DEFAULT`, in its order; own conditions behind them.

    Raises `ConfigError` for an unknown name, and where none, or two of one name, are left.
    """
    given = list(wanted)
    asked = {item for item in given if isinstance(item, str)}
    known = {*FAMILIES, *(condition.name for condition in DEFAULT)}
    for name in asked - known:
        raise unknown("condition", name, [*FAMILIES, *(condition.name for condition in DEFAULT)])
    chosen = [condition for condition in DEFAULT if asked & {condition.name, condition.family}]
    chosen += [item for item in given if isinstance(item, Condition) and item not in chosen]
    return _distinct(chosen)


def _distinct(conditions: Sequence[Condition]) -> tuple[Condition, ...]:
    names = [condition.name for condition in conditions]
    twice = sorted({name for name in names if names.count(name) > 1 or name == CLEAN})
    if twice:
        raise ConfigError(f"Each condition needs a name of its own other than {CLEAN!r}; given twice: {twice[0]!r}.")
    if not names:
        raise ConfigError(f"Give at least one condition or family of conditions: {', '.join(FAMILIES)}.")
    return tuple(conditions)
