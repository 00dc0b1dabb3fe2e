"""The middleware around everything: it asks the `door`, counts, and dresses what goes out.

Every answer carries the headers that keep browsers strict, every refusal is a sentence in JSON, and every request is
one line of log: which route, what came of it, how long it took. Never what was asked for, or by whom.
"""

from __future__ import annotations

import asyncio
import ipaddress
import logging
import time
from collections import Counter
from typing import Any

from starlette.datastructures import Headers, MutableHeaders
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from emotone.server import answers
from emotone.server.door import HOST
from emotone.server.refusal import Refusal, busy
from emotone.server.service import Service

__all__ = ["Guard"]

_log = logging.getLogger("emotone.server")

_OPEN = "/v1/limits"  # tells whether there is a token
_TOO_LARGE = 413
_DISCARDED_BYTES, _DISCARD_SECONDS = 1 << 30, 5.0

_HEADERS = {
    "X-Content-Type-Options": "nosniff",
    "X-Frame-Options": "DENY",
    "Referrer-Policy": "no-referrer",
    "Cross-Origin-Opener-Policy": "same-origin",
    "Cross-Origin-Resource-Policy": "same-origin",
    "Permissions-Policy": "camera=(), display-capture=(), geolocation=(), microphone=(self), payment=(), usb=()",
    "Cache-Control": "no-store",
}
_POLICY = (
    "default-src 'none'; script-src 'self'; style-src 'self'; connect-src 'self'{sockets}; media-src 'self' blob:; "
    "img-src 'self' blob: data:; worker-src 'self' blob:; base-uri 'none'; form-action 'none'; frame-ancestors 'none'"
)


class Guard:
    """An ASGI middleware."""

    def __init__(self, app: ASGIApp, service: Service) -> None:
        self._app, self._service, self._door = app, service, service.door
        self._at_once: Counter[str] = Counter()

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] == "lifespan":
            await self._app(scope, receive, send)
            return
        headers, client = Headers(scope=scope), _client(scope)
        scope.setdefault("state", {})["client"] = client
        if scope["type"] == "websocket":
            await self._socket(scope, receive, send, headers)
            return
        begun = time.perf_counter()
        answer = _Answer(receive, send, headers)
        self._at_once[client] += 1
        try:
            await self._request(scope, answer, headers, client)
        finally:
            self._at_once[client] -= 1
            if not self._at_once[client]:
                del self._at_once[client]
            self._note(scope, answer.status, time.perf_counter() - begun)

    async def _request(self, scope: Scope, answer: _Answer, headers: Headers, client: str) -> None:
        try:
            self._check(scope, headers, client)
            await self._app(scope, answer.receive, answer.send)
        except Refusal as refusal:
            await answers.failure(refusal)(scope, answer.receive, answer.send)
        except Exception:
            _log.exception("A mistake of the server, at %s", _route(scope))
            if not answer.has_begun:
                failed = Refusal(500, "The server made a mistake with this request. Its log tells more.")
                await answers.failure(failed)(scope, answer.receive, answer.send)

    def _check(self, scope: Scope, headers: Headers, client: str) -> None:
        self._door.check_place(headers)
        self._door.check_origin(scope, headers)
        path: str = scope["path"]
        is_work = path.startswith("/v1/")
        if not is_work and path != "/metrics":
            return
        self._check_amount(client)
        if path != _OPEN:
            self._door.check_token(client, headers.get("authorization"))
        if is_work and scope["method"] == "POST":
            self._service.check_open()

    def _check_amount(self, client: str) -> None:
        try:
            self._door.check_rate(client)
            if self._at_once[client] > self._service.settings.client_requests:
                raise busy("You have too many requests here at once.")
        except Refusal:
            self._service.metrics.refused.labels("client").inc()
            raise

    async def _socket(self, scope: Scope, receive: Receive, send: Send, headers: Headers) -> None:
        """Streams check tokens themselves, for browsers can only send them in the first message."""
        try:
            self._door.check_place(headers)
            self._door.check_origin(scope, headers)
            self._check_amount(scope["state"]["client"])
        except Refusal:
            await receive()
            await send({"type": "websocket.close", "code": 1008})  # before it is accepted, so this is a 403
            return
        await self._app(scope, receive, send)

    def _note(self, scope: Scope, status: int, seconds: float) -> None:
        route, method = _route(scope), scope["method"] if scope["method"].isalpha() else "?"
        self._service.metrics.requests.labels(route, str(status)).inc()
        self._service.metrics.latency.labels(route).observe(seconds)
        _log.info("%s %s %d %.0f ms", method, route, status, 1000 * seconds)


class _Answer:
    """The two ways of one request: what was read of its body, and headers for what is said."""

    def __init__(self, receive: Receive, send: Send, headers: Headers) -> None:
        self._receive, self._send, self._headers = receive, send, headers
        self._is_read = headers.get("content-length", "0") == "0" and "transfer-encoding" not in headers
        self._has_asked = False
        self.has_begun = False
        self.status = 499  # the client left before there was one

    async def receive(self) -> Message:
        self._has_asked = True
        message = await self._receive()
        self._is_read = self._is_read or message["type"] != "http.request" or not message.get("more_body", False)
        return message

    async def send(self, message: Message) -> None:
        if message["type"] == "http.response.start":
            self.has_begun, self.status = True, message["status"]
            if self.status != _TOO_LARGE:
                await self._discard()
            headers = MutableHeaders(scope=message)
            for name, value in _HEADERS.items():
                headers.setdefault(name, value)
            headers.setdefault(
                "Content-Security-Policy", _POLICY.format(sockets=_sockets(self._headers.get("host", "")))
            )
            if not self._is_read:
                headers["Connection"] = "close"
        elif self.status == _TOO_LARGE and not self._is_read and not message.get("more_body", False):
            # Much may still come, or nothing: whoever listens meanwhile is told now, the others once they have sent.
            await self._send({**message, "more_body": True})
            await self._discard()
            message = {"type": "http.response.body", "body": b""}
        await self._send(message)

    async def _discard(self) -> None:
        """Read what is left of a refused body and keep nothing of it: most clients listen only once they have sent
        everything. Those that ask first (Expect: 100-continue) aren't told to go on."""
        if self.status == 408 or (not self._has_asked and "100-continue" in self._headers.get("expect", "").lower()):
            return
        n_bytes = 0
        try:
            async with asyncio.timeout(_DISCARD_SECONDS):
                while not self._is_read and n_bytes < _DISCARDED_BYTES:
                    n_bytes += len((await self.receive()).get("body", b""))
        except TimeoutError:
            return


def _sockets(host: str) -> str:
    """Sources for WebSockets of our own; older browsers don't count these to 'self'."""
    return f" ws://{host} wss://{host}" if HOST.fullmatch(host) else ""


def _client(scope: Scope) -> str:
    """Whom limits are counted for: an address; of IPv6, the network that one household has."""
    address = (scope.get("client") or ("unknown",))[0]
    try:
        parsed = ipaddress.ip_address(address)
    except ValueError:
        return str(address)
    return str(ipaddress.ip_network((parsed, 64), strict=False)) if parsed.version == 6 else address


def _route(scope: Scope) -> str:
    """The route's pattern, without what was asked for in it."""
    route: Any = scope.get("route")
    return str(getattr(route, "path", "other"))
