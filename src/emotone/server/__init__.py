"""`emotone serve`: the recogniser over HTTP and WebSocket, and a page for people. Closed unless told otherwise.

::

    settings    what can be set, from TOML, the environment and options
    app         one application from its rooms; `routes` for recordings, `sockets` for sound as it comes
    guard       who may come in, how often; `listener` below it: sockets, signals, the orderly end
    uploads     bodies into files without a name; `decoders`: confined processes (`decoder`, `confinement`) for them
    scheduler   one recogniser, a thread for each core, most urgent first
    jobs        timelines of long recordings; `voices` that people calibrated to; `models` that are served
    metrics     what Prometheus sees; `documents`: the API in words

FastAPI, uvicorn and prometheus-client come with the extra ``serve`` and are imported when a server is made.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from emotone.errors import require
from emotone.server.settings import Settings

if TYPE_CHECKING:
    from fastapi import FastAPI

__all__ = ["Settings", "create_app", "run"]

_PACKAGES = ("fastapi", "uvicorn", "websockets", "python_multipart", "prometheus_client")


def create_app(settings: Settings | None = None) -> FastAPI:
    """The ASGI application. Raises `MissingExtra` without the extra ``serve``, `ConfigError` for settings that can't
    be, `RecogniserError` for a recogniser that can't be loaded."""
    _require()
    from emotone.server import app

    return app.create(settings or Settings())


def run(settings: Settings | None = None) -> None:
    """Serve until SIGTERM or Ctrl-C, then finish what was begun. Raises as `create_app` does, and `ConfigError` for an
    address that can't be bound or mustn't, and `EmotoneError` where processes that decode recordings can't be
    started."""
    _require()
    from emotone.server import listener

    listener.run(settings or Settings())


def _require() -> None:
    for package in _PACKAGES:
        require(package, extra="serve")
