"""Who may come in, how often, and from where: what the `guard` checks of HTTP requests, and streams of their tokens.

A page on another site can make a browser send requests to 127.0.0.1, so being local protects nobody. Names in ``Host``
that aren't ours are refused (DNS rebinding), and so is every request that changes something, or opens a WebSocket, and
comes from another origin. Tokens are compared in constant time. Whoever asks too often is told when to come back.
"""

from __future__ import annotations

import hashlib
import hmac
import ipaddress
import re
import socket
import time
from collections import OrderedDict
from urllib.parse import urlsplit

from starlette.datastructures import Headers
from starlette.types import Scope

from emotone.server.refusal import Refusal, busy
from emotone.server.settings import Settings

__all__ = ["HOST", "Door"]

HOST = re.compile(r"[A-Za-z0-9.-]{1,253}(:\d{1,5})?|\[[0-9A-Fa-f:.]{2,45}\](:\d{1,5})?")
"""What a ``Host`` header looks like."""

_HARMLESS = ("GET", "HEAD", "OPTIONS")
_MOST_CLIENTS = 10_000  # that are remembered
_FAILURES = 10  # wrong tokens of a client, until it has to wait


class Door:
    """The checks of one server. Each raises `Refusal` for whoever has to stay outside."""

    def __init__(self, settings: Settings) -> None:
        self._tokens = [_digest(token) for token in settings.tokens]
        self._hosts = frozenset(
            name.lower() for name in ("localhost", socket.gethostname(), settings.host, *settings.hosts)
        )
        self._origins = settings.origins
        self._rate = _Buckets(settings.client_rate, 2 * settings.client_rate)
        self._failures = _Buckets(_FAILURES / 60, _FAILURES)

    def check_place(self, headers: Headers) -> None:
        """That the server was asked by a name of its own."""
        given = headers.get("host", "")
        name = urlsplit(f"//{given}").hostname if HOST.fullmatch(given) else None
        if name is None or not (_is_address(name) or name in self._hosts):
            raise Refusal(
                403,
                "This server isn't known by the name in the header Host. Its owner can add it to the setting hosts.",
            )

    def check_origin(self, scope: Scope, headers: Headers) -> None:
        """That no other site's page asks for something that changes anything or costs something."""
        if scope["type"] == "http" and scope["method"] in _HARMLESS:
            return
        origin = headers.get("origin")
        if origin is None:
            allowed = headers.get("sec-fetch-site") in (None, "none", "same-origin")
        else:
            allowed = origin in self._origins or origin.partition("://")[2] == headers.get("host")
        if not allowed:
            raise Refusal(
                403, "Pages of other sites may not use this server. Its owner can add them to the setting origins."
            )

    def check_rate(self, client: str) -> None:
        """That the client doesn't ask too often."""
        if wait := self._rate.take(client):
            raise busy("You ask too often.", wait)

    def check_token(self, client: str, authorization: str | None, token: str | None = None) -> None:
        """That a right token is in the header ``Authorization`` or given otherwise, where one is needed. Too many wrong
        ones are a 429."""
        if not self._tokens:
            return
        kind, _, given = (authorization or "").partition(" ")
        tried = [text for text in (given.strip() if kind.lower() == "bearer" else None, token) if text]
        # All are compared, each in constant time, so that the time tells nothing.
        if sum(hmac.compare_digest(_digest(text), known) for text in tried for known in self._tokens):
            return
        if tried and (wait := self._failures.take(client)):
            raise busy("Too many wrong tokens came from you.", wait)
        raise Refusal(401, "This server asks for a token, and got none, or a wrong one: Authorization: Bearer TOKEN")


class _Buckets:
    """How often each client may do something: at ``rate`` a second in the long run, ``burst`` times at once."""

    def __init__(self, rate: float, burst: float) -> None:
        self._rate, self._burst = rate, burst
        self._left: OrderedDict[str, tuple[float, float]] = OrderedDict()

    def take(self, client: str) -> float:
        """0, or seconds to wait."""
        now = time.monotonic()
        left, then = self._left.pop(client, (self._burst, now))
        left = min(self._burst, left + (now - then) * self._rate)
        wait = 0.0 if left >= 1 else (1 - left) / self._rate
        self._left[client] = (left if wait else left - 1, now)
        if len(self._left) > _MOST_CLIENTS:
            self._left.popitem(last=False)
        return wait


def _is_address(name: str) -> bool:
    """Whether ``name`` is an IP address, which nobody can rebind."""
    try:
        ipaddress.ip_address(name)
    except ValueError:
        return False
    return True


def _digest(text: str) -> bytes:
    return hashlib.sha256(text.encode("utf-8", "surrogatepass")).digest()
