"""Sockets and signals: uvicorn, with what it leaves open.

Connections are counted, and one whose request doesn't get its head in time is closed, so that whoever opens many and
says little (slow loris) takes nothing from others. SIGTERM ends what was begun in good order; a second one ends it
now.
"""

from __future__ import annotations

import asyncio
import logging
import socket
from types import FrameType
from typing import Any

import uvicorn
from fastapi import FastAPI
from uvicorn.protocols.http.h11_impl import H11Protocol

from emotone.errors import ConfigError
from emotone.server import app as application
from emotone.server import confinement
from emotone.server.refusal import Refusal
from emotone.server.service import Service
from emotone.server.settings import Settings

__all__ = ["Listener", "run"]

_log = logging.getLogger("emotone.server")

_LARGEST_MESSAGE = 1 << 20  # bytes of one WebSocket message: ten seconds of 48 kHz
_PING_SECONDS = 20.0
_PONG_SECONDS = 60.0  # the answer waits behind all sound that is on its way; who is silent is noticed sooner
_TOO_MANY = b'{"error": "There are too many connections. Try again in 5 s."}'
_FULL = (
    b"HTTP/1.1 429 Too Many Requests\r\nContent-Type: application/json\r\nRetry-After: 5\r\nConnection: close\r\n"
    b"Content-Length: %d\r\n\r\n%b" % (len(_TOO_MANY), _TOO_MANY)
)


def run(settings: Settings) -> None:
    """Serve until a signal ends it. Raises `ConfigError` for an address that can't be bound, and `Refusal` where no
    recording could be decoded."""
    logging.basicConfig(format="%(asctime)s %(message)s", level=logging.INFO)
    confinement.keep_others_out()
    with _bound(settings) as bound:
        listener = Listener(application.create(settings), settings)
        host, port = bound.getsockname()[:2]
        _log.info("Serving on http://%s:%d", f"[{host}]" if ":" in host else host, port)
        listener.run(sockets=[bound])


class Listener(uvicorn.Server):
    """A server for one application."""

    def __init__(self, app: FastAPI, settings: Settings) -> None:
        self._service: Service = app.state.service
        self._settings = settings
        self._draining: asyncio.Task[None] | None = None
        super().__init__(
            uvicorn.Config(
                app,
                http=_protocol(settings),
                ws="websockets-sansio",
                ws_max_size=_LARGEST_MESSAGE,
                ws_ping_interval=_PING_SECONDS,
                ws_ping_timeout=_PONG_SECONDS,
                ws_per_message_deflate=False,  # sound hardly shrinks, and inflating it costs
                log_config=None,
                log_level=logging.WARNING,
                access_log=False,  # it would log what was asked for in addresses
                server_header=False,
                proxy_headers=bool(settings.proxies),
                forwarded_allow_ips=list(settings.proxies),
                timeout_graceful_shutdown=3,
                lifespan="on",
            )
        )

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        """Start the service before uvicorn does: what fails in there is a traceback, and here a sentence."""
        try:
            await self._service.start()
        except Refusal:
            await self._service.stop()
            raise
        await super().startup(sockets)

    def handle_exit(self, sig: int, frame: FrameType | None) -> None:
        """First finish what was begun; a second signal ends it now."""
        if self._draining is None and not self.should_exit:
            asyncio.get_running_loop().call_soon_threadsafe(self._begin_to_end)
        else:
            self.should_exit = self.force_exit = True

    def _begin_to_end(self) -> None:
        self._draining = asyncio.get_running_loop().create_task(self._drain())

    async def _drain(self) -> None:
        _log.info("Ending: nothing new begins, and what was begun has %g s.", self._settings.drain_seconds)
        self._service.drain()
        try:
            async with asyncio.timeout(self._settings.drain_seconds):
                while not self._service.is_idle:
                    await asyncio.sleep(0.05)
        except TimeoutError:
            _log.info("Something wasn't done in time, and is broken off.")
        self.should_exit = True


def _bound(settings: Settings) -> socket.socket:
    """A listening socket, so that an address that can't be had is told before anything is loaded."""
    try:
        family, kind, _, _, address = socket.getaddrinfo(
            settings.host, settings.port, type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE
        )[0]
        # Said to be TCP, or asyncio doesn't know that it is, and every answer waits 40 ms for Nagle's algorithm.
        bound = socket.socket(family, kind, socket.IPPROTO_TCP)
        try:
            bound.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            bound.bind(address)
            bound.listen(256)
        except OSError:
            bound.close()
            raise
        return bound
    except OSError as error:
        raise ConfigError(
            f"{settings.host}:{settings.port} can't be listened on: {error.strerror or error}. Choose another --port, "
            "or an address of this machine."
        ) from error


def _protocol(settings: Settings) -> type[H11Protocol]:
    class Watched(_Watched):
        header_seconds = settings.header_seconds
        most_connections = settings.max_connections

    return Watched


class _Watched(H11Protocol):
    """HTTP with a deadline for the head of each request, and a limit on connections."""

    header_seconds: float
    most_connections: int
    _deadline: asyncio.TimerHandle | None = None

    def connection_made(self, transport: Any) -> None:
        super().connection_made(transport)
        if len(self.connections) > self.most_connections:
            transport.write(_FULL)
            transport.close()
            return
        self._wait_for_head()

    def data_received(self, data: bytes) -> None:
        super().data_received(data)
        if self.transport.is_closing() or self.transport.get_protocol() is not self:
            self._stop_waiting()  # it is over, or a WebSocket now
        elif self.cycle is None or self.cycle.response_complete:
            self._wait_for_head()
        else:
            self._stop_waiting()

    def connection_lost(self, exc: Exception | None) -> None:
        self._stop_waiting()
        super().connection_lost(exc)

    def _wait_for_head(self) -> None:
        if self._deadline is None:
            self._deadline = self.loop.call_later(self.header_seconds, self._too_late)

    def _stop_waiting(self) -> None:
        if self._deadline is not None:
            self._deadline.cancel()
            self._deadline = None

    def _too_late(self) -> None:
        self._deadline = None
        self.transport.close()
