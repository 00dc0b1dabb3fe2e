"""The first message of a stream: what sound comes, and who should hear it."""

from __future__ import annotations

import json
from dataclasses import dataclass, fields, replace
from typing import Any

from emotone.audio import RATES, SAMPLE_RATE
from emotone.errors import ConfigError, unknown
from emotone.live import ENCODINGS, PCM

__all__ = ["Greeting"]

_WEBM = "webm"
_EXAMPLE = '{"type": "start", "encoding": "s16le", "rate": 16000}'
_MOST_CHANNELS = 8


@dataclass(frozen=True)
class Greeting:
    """Raises `ConfigError` for values that can't be."""

    encoding: str
    rate: int = SAMPLE_RATE
    channels: int = 1
    model: str | None = None
    voice: str | None = None
    adapt: bool = False
    token: str | None = None

    def __post_init__(self) -> None:
        for name in ("rate", "channels"):
            value = getattr(self, name)
            if not isinstance(value, int | float) or isinstance(value, bool) or value != value // 1:
                raise ConfigError(f"The {name} of a stream is a whole number, not {value!r}.")
        for name in ("model", "voice", "token"):
            if not isinstance(getattr(self, name), str | None):
                raise ConfigError(f"The {name} of a stream is a text or null.")
        if not isinstance(self.adapt, bool):
            raise ConfigError(f"adapt is true or false, not {self.adapt!r}.")
        if self.encoding != _WEBM and self.encoding not in ENCODINGS:
            raise unknown("encoding", self.encoding, [*ENCODINGS, _WEBM])
        lowest, highest = RATES
        if not lowest <= self.rate <= highest:
            raise ConfigError(f"A stream has {lowest} to {highest} samples a second, not {self.rate}.")
        if not 1 <= self.channels <= _MOST_CHANNELS:
            raise ConfigError(f"A stream has 1 to {_MOST_CHANNELS} channels, not {self.channels}.")

    @classmethod
    def read(cls, text: str | None) -> Greeting:
        """From a message's text; raises `ConfigError` for what isn't one."""
        try:
            given: Any = json.loads(text or "")
        except (ValueError, RecursionError):
            given = None
        if not isinstance(given, dict) or given.get("type") != "start":
            raise ConfigError(f"A stream begins with a text message such as {_EXAMPLE}.")
        names = [each.name for each in fields(cls)]
        for name in given:
            if name not in ("type", *names):
                raise unknown("key of the first message", name, names)
        if not isinstance(given.get("encoding"), str):
            raise ConfigError(f"The first message says the encoding: {', '.join([*ENCODINGS, _WEBM])}.")
        wanted = {name: value for name, value in given.items() if name != "type" and value is not None}
        if wanted["encoding"] == _WEBM:  # which says itself what it holds
            wanted |= {"rate": SAMPLE_RATE, "channels": 1}
        greeting = cls(**wanted)
        return replace(greeting, rate=int(greeting.rate), channels=int(greeting.channels))

    @staticmethod
    def is_stop(text: str) -> bool:
        """Whether a later message says that the sound is over. Raises `ConfigError` for any other."""
        try:
            given: Any = json.loads(text)
        except (ValueError, RecursionError):
            given = None
        if not isinstance(given, dict) or given.get("type") != "stop":
            raise ConfigError('Behind the first message, there is sound in binary messages, and {"type": "stop"}.')
        return True

    @property
    def is_webm(self) -> bool:
        """Whether it is decoded elsewhere."""
        return self.encoding == _WEBM

    @property
    def form(self) -> PCM:
        """Of the samples that are heard."""
        return PCM(self.rate, self.channels, "f32le" if self.is_webm else self.encoding)
