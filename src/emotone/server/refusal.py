"""`Refusal`: why a request isn't served, in one sentence, with the HTTP status or the WebSocket's closing code."""

from __future__ import annotations

import math

from emotone.errors import EmotoneError

__all__ = ["BAD_DATA", "GOING_AWAY", "POLICY", "TRY_LATER", "Refusal", "busy"]

GOING_AWAY, BAD_DATA, POLICY, TRY_LATER = 1001, 1003, 1008, 1013
"""Codes with which a WebSocket is closed."""

_CODES = {429: TRY_LATER, 503: TRY_LATER, 415: BAD_DATA, 422: BAD_DATA}


class Refusal(EmotoneError):
    """A request that isn't served. The sentence is for whoever asked, so it holds no names and no paths of ours."""

    def __init__(self, status: int, sentence: str, *, retry_after: float | None = None) -> None:
        super().__init__(sentence)
        self.status = status
        self.retry_after = None if retry_after is None else max(1, math.ceil(retry_after))

    @property
    def headers(self) -> dict[str, str]:
        """Of the answer."""
        found = {} if self.retry_after is None else {"Retry-After": str(self.retry_after)}
        return found | ({"WWW-Authenticate": "Bearer"} if self.status == 401 else {})

    @property
    def code(self) -> int:
        """The code with which a WebSocket is closed."""
        return _CODES.get(self.status, POLICY)


def busy(what: str, seconds: float = 1.0) -> Refusal:
    """The 429 of a server that has enough to do."""
    return Refusal(429, f"{what} Try again in {max(1, math.ceil(seconds))} s.", retry_after=seconds)
