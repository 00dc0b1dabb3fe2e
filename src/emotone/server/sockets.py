"""``WS /v1/stream``: sound comes in as it is recorded, segments go out as soon as they are certain, and twice a second
of sound what is thought so far.

One task reads, one hears. What was read waits in an inbox that holds a few seconds; behind that, the socket isn't read,
so that whoever sends faster than can be heard is slowed down by the network itself, and memory stays the same.
"""

from __future__ import annotations

import asyncio
import json
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from functools import partial
from typing import Any

from starlette.websockets import WebSocket, WebSocketDisconnect, WebSocketState

from emotone.errors import AudioError, ConfigError
from emotone.segment import Segment
from emotone.server import frames
from emotone.server.decoders import Process
from emotone.server.ears import Ears
from emotone.server.frames import Task
from emotone.server.greeting import Greeting
from emotone.server.inbox import Inbox
from emotone.server.refusal import GOING_AWAY, Refusal
from emotone.server.service import Service

__all__ = ["Conversation"]

_GREETING_SECONDS = 10.0
_SEND_SECONDS = 20.0  # until somebody who doesn't take what is sent counts as gone
_SOON, _AFTER = 0.05, 0.2  # seconds by which sound should be heard, and thought about

_PATIENCE = 0.25  # seconds of sound that are heard at once where there is much to do

_OVER = "This server is about to end. All that was heard came before; begin another stream for what follows."


class _GoneError(Exception):
    """Nobody is at the other end any more."""


class Conversation:
    """One stream, from its greeting to its end."""

    def __init__(self, websocket: WebSocket, service: Service) -> None:
        self._websocket, self._service = websocket, service
        self._settings = service.settings
        self._client: str = websocket.state.client
        self._reading: asyncio.Task[None] | None = None
        self._is_leaving = False

    async def run(self) -> None:
        """Until either side ends it."""
        await self._websocket.accept()
        try:
            greeting = await self._greeting()
            async with self._place(greeting):
                await self._hear_all(greeting)
            await self._close(GOING_AWAY if self._is_leaving else 1000)
        except (WebSocketDisconnect, _GoneError):
            pass
        except Refusal as refusal:
            await self._fail(refusal)
        except (AudioError, ConfigError) as error:
            await self._fail(Refusal(422 if isinstance(error, AudioError) else 400, str(error)))

    def leave(self) -> None:
        """Say what is left to say and close, since the server ends."""
        self._is_leaving = True
        if self._reading is not None:
            self._reading.cancel()

    # --- the greeting ---

    async def _greeting(self) -> Greeting:
        self._service.check_open()
        try:
            async with asyncio.timeout(_GREETING_SECONDS):
                message = await self._websocket.receive()
        except TimeoutError:
            raise Refusal(408, "Nothing came. Begin with a message of the type start.") from None
        if message["type"] == "websocket.disconnect":
            raise _GoneError
        greeting = Greeting.read(message.get("text"))
        self._service.door.check_token(self._client, self._websocket.headers.get("authorization"), greeting.token)
        return greeting

    @asynccontextmanager
    async def _place(self, greeting: Greeting) -> AsyncIterator[None]:
        """A place among the streams. Raises `Refusal` where all are taken."""
        service = self._service
        service.take_stream(self, self._client, webm=greeting.is_webm)
        try:
            yield
        finally:
            service.leave_stream(self, webm=greeting.is_webm)

    # --- sound in, answers out ---

    async def _hear_all(self, greeting: Greeting) -> None:
        service, settings = self._service, self._settings
        recogniser = service.recogniser(greeting.model, greeting.voice)
        if greeting.adapt and not recogniser.can_adapt:
            raise Refusal(409, "This recogniser can't adapt to a voice. Ask for another model, or without adapt.")
        form = greeting.form
        ears = Ears(recogniser, form, adapt=greeting.adapt, is_busy=lambda: service.scheduler.is_busy)
        inbox = Inbox(form.rate * form.channels * form.dtype.itemsize)
        process: Process | None = None
        if greeting.is_webm:
            process = await service.decoders.live(Task(frames.LIVE, 0, 0))
        try:
            await self._send(
                {"type": "ready", "labels": list(recogniser.labels), "max_seconds": settings.max_stream_seconds}
            )
            await self._together(self._read(inbox, process), self._decode(inbox, process), self._hear(inbox, ears))
        finally:
            if process is not None:
                service.decoders.end(process)
        too_long = ears.seconds >= settings.max_stream_seconds
        await self._tell(await self._run(ears.flush))
        if too_long:
            raise Refusal(413, f"A stream lasts {settings.max_stream_seconds:g} s at most. Begin another one.")
        if self._is_leaving:
            await self._send({"type": "error", "error": _OVER, "status": 503})
        else:
            await self._send({"type": "end", "seconds": ears.seconds})

    async def _together(self, reading: Any, decoding: Any, hearing: Any) -> None:
        """All of them, until everything is heard; the first that fails ends the rest."""
        self._reading, *others = tasks = [*map(asyncio.ensure_future, (reading, decoding, hearing))]
        others[-1].add_done_callback(lambda over: [task.cancel() for task in tasks])
        if self._is_leaving:
            self._reading.cancel()
        try:
            done, _ = await asyncio.wait(tasks, return_when=asyncio.FIRST_EXCEPTION)
            for task in done:
                if not task.cancelled() and (error := task.exception()) is not None:
                    raise error
        finally:
            for task in tasks:
                task.cancel()
            await asyncio.gather(*tasks, return_exceptions=True)

    async def _read(self, inbox: Inbox, process: Process | None) -> None:
        """Everything that comes, until the client stops, or the server does."""
        try:
            while (content := await self._content()) is not None:
                if process is None:
                    await inbox.put(content)
                else:
                    await process.write(content)
        except asyncio.CancelledError:
            if not self._is_leaving:
                raise
        if process is None:
            inbox.end()
        else:
            await process.write(b"")

    async def _content(self) -> bytes | None:
        """The next piece of sound; None where the client says that there is no more."""
        try:
            async with asyncio.timeout(self._settings.idle_seconds):
                while True:
                    message = await self._websocket.receive()
                    if message["type"] == "websocket.disconnect":
                        raise _GoneError
                    if content := message.get("bytes"):
                        return bytes(content)
                    if message.get("text") and Greeting.is_stop(message["text"]):
                        return None
        except TimeoutError:
            seconds = self._settings.idle_seconds
            raise Refusal(
                408, f"No sound came for {seconds:g} s, so the stream was closed. Begin another one."
            ) from None

    async def _decode(self, inbox: Inbox, process: Process | None) -> None:
        if process is None:
            return
        while True:
            kind, content = await process.answer(self._settings.idle_seconds + self._settings.decode_seconds)
            if kind == frames.DONE:
                inbox.end()
                return
            await inbox.put(content)

    async def _hear(self, inbox: Inbox, ears: Ears) -> None:
        """Everything in the inbox, in pieces that end where something provisional is due."""
        begun = time.monotonic()
        while (piece := await inbox.take(ears.bytes_to_tick, least=self._least(ears))) is not None:
            content, arrived = piece
            # Who sends faster than people speak can wait for as long as they are ahead.
            on_time = max(arrived, begun + ears.seconds)
            heard = await self._run(partial(ears.feed, content), by=on_time + _SOON)
            await self._tell(heard)
            if ears.is_due:
                await self._tell_guess(ears, arrived, by=on_time + _AFTER)
            if ears.seconds >= self._settings.max_stream_seconds:
                return

    def _least(self, ears: Ears) -> int:
        """How many bytes to wait for: each time costs something, so under load there are fewer times."""
        return min(ears.bytes_to_tick, ears.bytes_of(_PATIENCE)) if self._service.scheduler.is_busy else 1

    async def _tell_guess(self, ears: Ears, arrived: float, *, by: float) -> None:
        guess: Segment | None = None
        if ears.speaking:
            guess, is_fresh = await self._run(partial(ears.guess, by), by=by)
            if not is_fresh:
                self._service.metrics.stale.inc()
            elif ears.has_glanced:
                self._service.metrics.glances.inc()
        await self._send(
            {
                "type": "provisional",
                "seconds": ears.seconds,
                "speaking": ears.speaking,
                "segment": None if guess is None else guess.as_dict(),
            }
        )
        self._service.metrics.provisional.observe(time.monotonic() - arrived)

    async def _run(self, work: Any, *, by: float | None = None) -> Any:
        before = time.monotonic() + _SOON if by is None else by
        return await self._service.scheduler.run(work, deadline=before)

    # --- words out ---

    async def _tell(self, segments: list[Segment]) -> None:
        for segment in segments:
            self._service.metrics.heard("stream", round((segment.end - segment.start) * 16_000))
            await self._send({"type": "segment", "segment": segment.as_dict()})

    async def _send(self, message: dict[str, Any]) -> None:
        try:
            async with asyncio.timeout(_SEND_SECONDS):
                await self._websocket.send_text(json.dumps(message, ensure_ascii=False, allow_nan=False))
        except (TimeoutError, RuntimeError, WebSocketDisconnect):
            raise _GoneError from None

    async def _fail(self, refusal: Refusal) -> None:
        with suppress(_GoneError):
            await self._send({"type": "error", "error": str(refusal), "status": refusal.status})
        await self._close(refusal.code)

    async def _close(self, code: int) -> None:
        if self._websocket.application_state == WebSocketState.CONNECTED:
            with suppress(RuntimeError, WebSocketDisconnect):
                await self._websocket.close(code)
