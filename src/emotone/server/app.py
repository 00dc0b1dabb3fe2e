"""The application: its rooms put together."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

from fastapi import FastAPI, Request
from fastapi.exceptions import RequestValidationError
from fastapi.responses import FileResponse, Response
from starlette.exceptions import HTTPException
from starlette.websockets import WebSocket

from emotone import __version__
from emotone.errors import EmotoneError
from emotone.server import answers, documents
from emotone.server.guard import Guard
from emotone.server.jobs import Jobs
from emotone.server.metrics import CONTENT_TYPE_LATEST
from emotone.server.refusal import Refusal
from emotone.server.routes import misread, refused, router
from emotone.server.service import Service
from emotone.server.settings import Settings
from emotone.server.sockets import Conversation

__all__ = ["create"]

PAGE = Path(__file__).with_name("page")
_TYPES = {
    ".html": "text/html",
    ".js": "text/javascript",
    ".css": "text/css",
    ".svg": "image/svg+xml",
    ".png": "image/png",
}


def create(settings: Settings) -> FastAPI:
    """The application for ``settings``. Loads the recognisers; processes and threads start when it is served."""
    service = Service(settings)

    @asynccontextmanager
    async def serving(app: FastAPI) -> AsyncIterator[None]:
        app.state.jobs = Jobs(service)
        await service.start()
        try:
            yield
        finally:
            await app.state.jobs.stop()
            await service.stop()

    app = FastAPI(
        title="emotone",
        version=__version__,
        description=documents.DESCRIPTION,
        docs_url=None,
        redoc_url=None,
        lifespan=serving,
        redirect_slashes=False,
    )
    app.state.service = service
    app.include_router(router)
    app.add_middleware(Guard, service=service)
    _add_sockets(app, service)
    _add_signs_of_life(app, service)
    _add_page(app)
    _add_errors(app)
    app.openapi_schema = documents.completed(app.openapi(), service.models.names)
    return app


def _add_sockets(app: FastAPI, service: Service) -> None:
    @app.websocket("/v1/stream")
    async def stream(websocket: WebSocket) -> None:
        await Conversation(websocket, service).run()


def _add_signs_of_life(app: FastAPI, service: Service) -> None:
    @app.get("/healthz", **documents.HEALTH)
    async def healthz() -> Response:
        """Whether the process lives."""
        return answers.as_json({"status": "alive"})

    @app.get("/readyz", **documents.READY)
    async def readyz() -> Response:
        """Whether it takes new requests."""
        ready = service.is_ready and not service.draining.is_set()
        return answers.as_json({"status": "ready" if ready else "not ready"}, 200 if ready else 503)

    @app.get("/metrics", **documents.METRICS)
    async def metrics() -> Response:
        """Numbers for Prometheus."""
        return Response(service.metrics.page(), media_type=CONTENT_TYPE_LATEST)

    @app.get("/docs", include_in_schema=False)
    async def docs(request: Request) -> Response:
        return Response(documents.page(app.openapi(), str(request.base_url).rstrip("/")), media_type="text/html")

    @app.get("/docs.css", include_in_schema=False)
    async def style() -> Response:
        return Response(documents.STYLE, media_type="text/css")


def _add_page(app: FastAPI) -> None:
    """The page's files, each under its name; what isn't among them now is never served."""
    files = {file.name: file for file in PAGE.iterdir() if file.suffix in _TYPES} if PAGE.is_dir() else {}

    @app.get("/", include_in_schema=False)
    async def page() -> Response:
        return _file(files.get("index.html"))

    @app.get("/{name}", include_in_schema=False)
    async def part(name: str) -> Response:
        return _file(files.get(name))


def _file(file: Path | None) -> Response:
    if file is None:
        raise Refusal(404, "There is no such page.")
    return FileResponse(file, media_type=_TYPES[file.suffix], headers={"Cache-Control": "no-cache"})


def _add_errors(app: FastAPI) -> None:
    @app.exception_handler(EmotoneError)
    async def ours(request: Request, error: EmotoneError) -> Response:
        return answers.failure(refused(error))

    @app.exception_handler(RequestValidationError)
    async def invalid(request: Request, error: RequestValidationError) -> Response:
        return answers.failure(misread(error.errors()[0]))

    @app.exception_handler(HTTPException)
    async def other(request: Request, error: HTTPException) -> Response:
        words = {404: "There is nothing at this path. See /docs.", 405: "This method isn't possible here. See /docs."}
        answer = answers.failure(Refusal(error.status_code, words.get(error.status_code, str(error.detail))))
        for name, value in (error.headers or {}).items():
            answer.headers[name] = value
        return answer
