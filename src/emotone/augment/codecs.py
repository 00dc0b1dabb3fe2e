"""What coding leaves of a voice, by the real encoders (FFmpeg's, LAME, libopus, OpenCORE, through PyAV)."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, ClassVar, NamedTuple

import numpy as np
from numpy.typing import NDArray

from emotone import audio
from emotone.audio import SAMPLE_RATE, Signal
from emotone.augment.filters import fitted
from emotone.augment.transform import checked, one_of, within
from emotone.decoding import to_float
from emotone.errors import ConfigError

__all__ = ["CODINGS", "Codec"]


class _Coding(NamedTuple):
    encoder: str
    decoder: str
    rate: int
    """Hz at which the encoder is fed."""
    kbps: tuple[float, ...]
    """Lowest and highest bit rate, or the only ones there are."""
    delay: int
    """Samples at 16 kHz by which the decoder's output lags behind what went in, with what FFmpeg takes back by itself
    taken off: measured by correlation, and part of the standards."""
    options: tuple[tuple[str, str], ...] = ()


CODINGS = {
    "mp3": _Coding("libmp3lame", "mp3float", 16_000, (8, 160), 0),
    "opus": _Coding("libopus", "libopus", 16_000, (6, 128), 0, (("application", "voip"),)),
    "aac": _Coding("aac", "aac", 16_000, (8, 96), 1024),
    "ulaw": _Coding("pcm_mulaw", "pcm_mulaw", 8_000, (64,), 0),
    "alaw": _Coding("pcm_alaw", "pcm_alaw", 8_000, (64,), 0),
    "g722": _Coding("g722", "g722", 16_000, (64,), 22),
    "amr": _Coding("libopencore_amrnb", "amrnb", 8_000, (4.75, 5.15, 5.9, 6.7, 7.4, 7.95, 10.2, 12.2), 79),
}
"""MP3; Opus as calls and voice messages have it; AAC-LC; G.711 in its two laws, the coding of fixed-network telephones;
G.722, "HD voice"; AMR narrow band, that of mobile ones."""

_ONLY = ("ulaw", "alaw", "g722", "amr")
_SMALLEST_FRAME = 320
_FLUSH = 0.25  # seconds of silence behind the signal, so that its end comes out whatever the delay


@dataclass(frozen=True, kw_only=True)
class Codec:
    """Through ``coding`` (one of `CODINGS`) at ``kbps`` kbit/s and back, in time with the original.

    ``kbps=None`` is 32 for MP3 and AAC, 16 for Opus, 12.2 for AMR, and 64, the only one, for G.711 and G.722. MP3's
    rates are those of the standard at 16 kHz: the encoder takes the nearest. What exceeds full scale is clipped first,
    as a file would have it. The codings at 8 kHz hold frequencies up to 4 kHz. Nothing is drawn.
    """

    name: ClassVar[str] = "codec"
    coding: str = "mp3"
    kbps: float | None = None

    def __post_init__(self) -> None:
        one_of(self.name, "coding", self.coding, list(CODINGS))
        rates = CODINGS[self.coding].kbps
        if self.kbps is None:
            usual = {"mp3": 32, "aac": 32, "opus": 16}.get(self.coding, rates[-1])
            object.__setattr__(self, "kbps", usual)
        elif self.coding in _ONLY and self.kbps not in rates:
            allowed = ", ".join(f"{rate:g}" for rate in rates)
            raise ConfigError(f"The coding {self.coding!r} has {allowed} kbit/s, not {self.kbps!r}.")
        else:
            within(f"codec {self.coding}", "kbps", self.kbps, rates[0], rates[-1], " kbit/s")

    def __call__(self, signal: Signal, rng: np.random.Generator) -> Signal:
        coding = CODINGS[self.coding]
        n_behind = round(_FLUSH * SAMPLE_RATE)
        fed = audio.convert(np.pad(np.clip(checked(signal), -1, 1), (0, n_behind)), SAMPLE_RATE, to=coding.rate)
        samples, rate = _decoded(_encoded(fed, coding, float(self.kbps or 0)), coding)
        return fitted(audio.convert(samples, rate)[coding.delay :], len(signal))


def _encoded(samples: Signal, coding: _Coding, kbps: float) -> tuple[list[Any], bytes | None]:
    """Packets, and what the decoder has to be told first."""
    import av  # late: it takes 50 ms

    codec = av.codec.Codec(coding.encoder, "w")
    context: Any = codec.create("audio")
    forms = [form.name for form in codec.audio_formats or ()]
    form = next(name for name in ("fltp", "flt", "s16p", "s16") if name in forms)
    context.format, context.layout, context.sample_rate = form, "mono", coding.rate
    if len(coding.kbps) > 1:
        context.bit_rate = round(1000 * kbps)
    context.options = dict(coding.options)
    context.open()
    size = context.frame_size or _SMALLEST_FRAME
    padded = np.pad(samples, (0, -len(samples) % size))
    if form.startswith("s16"):
        padded = np.clip(np.rint(padded * 32768), -32768, 32767).astype(np.int16)
    packets: list[Any] = []
    for first in range(0, len(padded), size):
        frame: Any = av.AudioFrame.from_ndarray(padded[None, first : first + size], format=form, layout="mono")
        frame.sample_rate, frame.pts = coding.rate, first
        packets += context.encode(frame)
    packets += context.encode(None)
    return packets, context.extradata


def _decoded(encoded: tuple[list[Any], bytes | None], coding: _Coding) -> tuple[NDArray[np.float32], int]:
    """Samples and their rate."""
    import av

    packets, extradata = encoded
    context: Any = av.codec.Codec(coding.decoder, "r").create("audio")
    context.sample_rate, context.layout = coding.rate, "mono"
    if extradata:
        context.extradata = extradata
    frames = [frame for packet in [*packets, None] for frame in context.decode(packet)]
    return np.concatenate([to_float(frame.to_ndarray()).reshape(-1) for frame in frames]), frames[0].sample_rate
