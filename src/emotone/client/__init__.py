"""A thin client of `emotone serve`: a server's answers as the same `Segment` objects that the library gives.

::

    client = Client("http://127.0.0.1:8000")
    client.predict("speech.wav")
    client.timeline("call.mp3", progress=lambda heard, duration: ...)
    with client.stream() as live:
        for piece in pieces:
            for segment in live.feed(piece):
                print(segment)
        print(live.flush())

HTTP is the standard library's; only `Client.stream` needs a package, websockets (extra ``client``), and only then. A
larger HTTP package would take a quarter of a second to import and add nothing that is used here.

Recordings are sent as they are, without their names. Signals are sent as 32-bit floats, so that a server hears exactly
what the library would.
"""

from __future__ import annotations

import http.client
import os
import secrets
import ssl
import time
import warnings
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import ExitStack, contextmanager, suppress
from dataclasses import replace
from pathlib import Path
from typing import Any, TypeAlias, overload
from urllib.parse import quote, unquote, urlencode, urlsplit

from emotone.client._live import Busy, Live
from emotone.client._requests import NOTHING, RATE, Answer, Body, ServerError, Source, body_of, content_of, part, why
from emotone.errors import AudioError, ConfigError, require
from emotone.segment import Segment

__all__ = ["PATIENCE", "Client", "Live", "ServerError"]

Progress: TypeAlias = Callable[[float, "float | None"], None]

PATIENCE = 30.0
"""Seconds that a client waits in all for a server that has too much to do, before it gives up."""

_BUSY = (429, 503)
_POLLING = (0.1, 2.0)  # seconds between looks at a job: at first, and at most


class Client:
    """A server's recognisers. Every request has a connection of its own, so threads may share a client.

    Where a server has too much to do (429 or 503), the same is asked again after as long as it says, until `PATIENCE`
    or ``patience`` seconds were waited in all. Every method raises `ServerError` for a server that can't be reached,
    refuses, or is still busy then.
    """

    def __init__(
        self, url: str, *, token: str | None = None, timeout: float = 60.0, patience: float = PATIENCE
    ) -> None:
        """``url`` is where the server is, with ``http`` or ``https``, and a path if a proxy puts it under one. It gets
        the ``token``, and has ``timeout`` seconds for each answer. Raises `ConfigError` for an address that can't be.
        """
        parts = urlsplit(url if "//" in url else f"//{url}", scheme="http")
        try:
            host, port = parts.hostname, parts.port
        except ValueError as error:
            raise ConfigError(f"{url!r} isn't a server's address: {error}.") from error
        if parts.scheme not in ("http", "https") or not host:
            raise ConfigError(f"{url!r} isn't a server's address. Give one like http://127.0.0.1:8000.")
        self._host, self._port, self._secure = host, port, parts.scheme == "https"
        self._root = parts.path.rstrip("/")
        self._name = f"{parts.scheme}://{parts.netloc.rpartition('@')[2]}{self._root}"
        self._headers = {"Authorization": f"Bearer {token}"} if token else {}
        self._token, self._timeout, self._patience = token, timeout, patience

    def __repr__(self) -> str:
        return f"Client({self._name!r})"

    # --- what there is ---

    def models(self) -> list[dict[str, Any]]:
        """The recognisers, the default one first: of each ``name``, ``labels``, ``dimensions``, ``licence``, whether
        it ``adapts``, and what else its card tells."""
        found = self._json("GET", "/v1/models")
        return sorted(found["models"], key=lambda model: bool(model["name"] != found["default"]))

    def limits(self) -> dict[str, Any]:
        """How large, long and many uploads and streams may be."""
        return dict(self._json("GET", "/v1/limits"))

    # --- recordings ---

    def predict(self, source: Source, *, model: str | None = None, voice: str | None = None) -> Segment:
        """What is heard in ``source``, a recording's path or content, or a signal (float32 ``(samples,)``, 16 kHz),
        taken as one utterance; by the ``model`` of that name, and by the ``voice`` that `add_voice` gave.

        Raises `AudioError` for what the server can't take for a recording.
        """
        query = {"model": model, "voice": voice}
        return _segment(self._json("POST", "/v1/predict", query=query, body=body_of(source)), source)

    @overload
    def timeline(
        self,
        source: Source,
        *,
        format: None = None,
        model: str | None = None,
        voice: str | None = None,
        channels: str = "mix",
        adapt: bool = False,
        progress: Progress | None = None,
    ) -> list[Segment]: ...

    @overload
    def timeline(
        self,
        source: Source,
        *,
        format: str,
        model: str | None = None,
        voice: str | None = None,
        channels: str = "mix",
        adapt: bool = False,
        progress: Progress | None = None,
    ) -> bytes: ...

    def timeline(
        self,
        source: Source,
        *,
        format: str | None = None,  # noqa: A002 - the option's name
        model: str | None = None,
        voice: str | None = None,
        channels: str = "mix",
        adapt: bool = False,
        progress: Progress | None = None,
    ) -> list[Segment] | bytes:
        """What is heard from moment to moment, as `emotone.Recogniser.timeline`; with a ``format`` of
        `emotone.formats`, what a file of that would hold.

        Long recordings are jobs on the server, which are waited for: ``progress`` is told the seconds that were heard
        and how many there are, or None where nobody knows. Whatever ends the waiting early, such as Ctrl-C, cancels
        the job.

        A recording that breaks off gives what is there, with an `emotone.timeline.BrokenOffWarning`. Raises
        `AudioError` as `predict` does.
        """
        query = {"model": model, "voice": voice, "format": format or "json", "channels": channels}
        query |= {"adapt": "true" if adapt else None, "job": "always" if progress else None}
        answer = self._ask("POST", "/v1/timeline", query=query, body=body_of(source))
        if answer.status == 202:
            answer = self._finished(str(answer.json(self._name)["id"]), format or "json", progress)
        _warn(answer)
        if format is not None:
            return answer.content
        return [_segment(found, source) for found in answer.json(self._name)]

    def _finished(self, job: str, format: str, progress: Progress | None) -> Answer:  # noqa: A002
        path = f"/v1/jobs/{quote(job, safe='')}"
        pause, longest = _POLLING
        try:
            while (state := self._json("GET", path))["state"] in ("waiting", "running"):
                if progress:
                    progress(state["seconds"], state["duration"])
                time.sleep(pause)
                pause = min(1.5 * pause, longest)
            if state["state"] != "done":
                raise AudioError(state["error"] or f"{self._name}: the recording was {state['state']}.")
            if progress:
                progress(state["seconds"], state["duration"])
            return self._ask("GET", f"{path}/result", query={"format": format})
        finally:
            self._forget(path)

    # --- voices ---

    def add_voice(self, recordings: Source | Iterable[Source], *, model: str | None = None) -> str:
        """Let the server's ``model`` know the ordinary voice of whoever speaks in the ``recordings``, and return the
        name to call it by. It is kept in memory for an hour, and not the recordings. See `emotone.Recogniser.adapt`.

        Raises `ConfigError` where the server's recogniser can't adapt, `AudioError` for what is no recording.
        """
        single = isinstance(recordings, str | bytes | os.PathLike) or hasattr(recordings, "dtype")
        sources: Iterable[Any] = [recordings] if single else recordings  # type: ignore[assignment]
        boundary = secrets.token_hex(16)
        parts = [part(content_of(source), boundary) for source in sources]
        body = Body(b"".join([*parts, f"--{boundary}--\r\n".encode()]), f"multipart/form-data; boundary={boundary}")
        return str(self._json("POST", "/v1/voices", query={"model": model}, body=body)["voice"])

    def forget_voice(self, voice: str) -> None:
        """Let the server forget a voice that `add_voice` made known. It may have forgotten already."""
        self._forget(f"/v1/voices/{quote(voice, safe='')}")

    # --- sound as it comes ---

    @contextmanager
    def stream(
        self,
        *,
        rate: int = RATE,
        channels: int = 1,
        encoding: str = "f32le",
        model: str | None = None,
        voice: str | None = None,
        adapt: bool = False,
    ) -> Iterator[Live]:
        """A `Live` stream, for a ``with`` block, at whose end it is over.

        ``rate`` and ``channels`` are those of the sound; ``encoding`` is ``f32le``, ``s16le`` (half as many bytes to
        send) or ``webm`` (what browsers record; rate and channels don't matter then).

        Raises `MissingExtra` without websockets, `ServerError` where the server lets no stream begin.
        """
        start = {"type": "start", "encoding": encoding, "rate": rate, "channels": channels}
        start |= {"model": model, "voice": voice, "adapt": adapt, "token": self._token}
        with ExitStack() as stack:
            live, waited = None, 0.0
            while live is None:
                try:
                    live = self._begun(stack, start)
                except Busy as busy:
                    waited += busy.seconds
                    if waited > self._patience:
                        raise ServerError(str(busy), status=busy.status) from None
                    time.sleep(busy.seconds)
            yield live

    def _begun(self, stack: ExitStack, start: dict[str, Any]) -> Live:
        sockets = require("websockets.sync.client", extra="client")
        exceptions = require("websockets.exceptions", extra="client")
        address = f"{'wss' if self._secure else 'ws'}{self._name.partition(':')[2].join((':', ''))}/v1/stream"
        try:
            socket = sockets.connect(
                address,
                additional_headers=self._headers,
                open_timeout=self._timeout,
                # Nothing may wait for somebody to read, or a long `feed` and the server could wait for each other.
                max_queue=None,
                compression=None,  # sound doesn't shrink
            )
        except exceptions.InvalidStatus as error:
            answer = error.response
            refusal = Answer(answer.status_code, dict(answer.headers.raw_items()), bytes(answer.body or b""))
            if refusal.status in _BUSY:
                raise Busy(refusal.sentence, refusal.retry_after, refusal.status) from None
            raise refusal.error(self._name) from None
        except (OSError, exceptions.WebSocketException) as error:
            raise ServerError(f"{self._name} lets no stream begin: {why(error)}.") from error
        return Live(stack.enter_context(socket), start, timeout=self._timeout)

    # --- requests ---

    def _json(self, method: str, path: str, **more: Any) -> Any:
        return self._ask(method, path, **more).json(self._name)

    def _forget(self, path: str) -> None:
        try:
            self._once("DELETE", path, NOTHING)
        except ServerError:  # it forgets by itself, only later
            return

    def _ask(
        self, method: str, path: str, *, query: Mapping[str, str | None] | None = None, body: Body | None = None
    ) -> Answer:
        """The answer of the server, once it has time."""
        given = {name: value for name, value in (query or {}).items() if value is not None}
        target = f"{path}?{urlencode(given)}" if given else path
        waited = 0.0
        while (answer := self._once(method, target, body or NOTHING)).status in _BUSY:
            waited += answer.retry_after
            if waited > self._patience:
                break
            time.sleep(answer.retry_after)
        if answer.status >= 300:
            raise answer.error(self._name)
        return answer

    def _once(self, method: str, target: str, body: Body) -> Answer:
        connection = self._connection()
        try:
            with body.open() as content:
                headers = {**self._headers, **body.headers}
                # Who refuses an upload may stop reading it: the reason is there all the same.
                with suppress(BrokenPipeError, ConnectionResetError):
                    connection.request(method, f"{self._root}{target}", body=content, headers=headers)
                response = connection.getresponse()
                return Answer(response.status, dict(response.getheaders()), response.read())
        except (OSError, http.client.HTTPException) as error:
            raise ServerError(
                f"{self._name} can't be asked: {why(error)}. See whether the server runs there: emotone serve"
            ) from error
        finally:
            connection.close()

    def _connection(self) -> http.client.HTTPConnection:
        if self._secure:
            context = ssl.create_default_context()
            return http.client.HTTPSConnection(self._host, self._port, timeout=self._timeout, context=context)
        return http.client.HTTPConnection(self._host, self._port, timeout=self._timeout)


def _segment(data: Mapping[str, Any], source: Source) -> Segment:
    """A segment of the answer; players find the recording by its path, which the server never knew."""
    segment = Segment.from_dict(data)
    return replace(segment, source=Path(source)) if isinstance(source, str | os.PathLike) else segment


def _warn(answer: Answer) -> None:
    """Tell what the server noted about a recording, as the library would."""
    if note := answer.header("Emotone-Note"):
        from emotone.timeline import BrokenOffWarning  # loads numpy, which is needed for nothing else here

        warnings.warn(unquote(note), BrokenOffWarning, stacklevel=3)
