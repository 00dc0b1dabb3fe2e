"""Voices that people calibrated to: kept in memory, for an hour, as what the recogniser needs of them and nothing else.

That is the mean of their embeddings. Nobody can hear it, but it is a fact about a person's voice, so it is written
nowhere, and the name that leads to it can't be guessed.
"""

from __future__ import annotations

import secrets
import time
from dataclasses import dataclass

from emotone.recogniser import Recogniser
from emotone.server.refusal import Refusal, busy
from emotone.server.settings import Settings

__all__ = ["Voices"]


@dataclass(frozen=True)
class _Voice:
    recogniser: Recogniser  # that knows it; it shares the network with the one that doesn't
    model: str
    until: float


class Voices:
    """Recognisers that know somebody, by random names."""

    def __init__(self, settings: Settings) -> None:
        self._keep, self._most = settings.voice_keep_seconds, settings.max_voices
        self._known: dict[str, _Voice] = {}

    def __len__(self) -> int:
        return len(self._known)

    def add(self, recogniser: Recogniser, model: str) -> str:
        """Keep it; its name. Raises `Refusal` with 429 where there are too many."""
        self._forget()
        if len(self._known) >= self._most:
            raise busy("Too many voices are known just now.", 60)
        name = secrets.token_urlsafe(16)
        self._known[name] = _Voice(recogniser, model, time.monotonic() + self._keep)
        return name

    def get(self, name: str, model: str) -> Recogniser:
        """The recogniser that knows this voice. Raises `Refusal` with 404 where nobody has that name, or has for
        another model."""
        self._forget()
        voice = self._known.get(name)
        if voice is None or voice.model != model:
            raise Refusal(404, "This voice isn't known here, or not any more, or to another model. Calibrate again.")
        return voice.recogniser

    def remove(self, name: str) -> None:
        """Forget it now. Raises `Refusal` with 404 where nobody has that name."""
        if self._known.pop(name, None) is None:
            raise Refusal(404, "This voice isn't known here, or not any more.")

    def _forget(self) -> None:
        now = time.monotonic()
        self._known = {name: voice for name, voice in self._known.items() if voice.until > now}
