"""A stream on a server: sound out, segments in, over a WebSocket."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from contextlib import suppress
from typing import TYPE_CHECKING, Any

from emotone.client._requests import RETRY_AFTER, ServerError, samples_of
from emotone.errors import EmotoneError, require
from emotone.segment import Segment

if TYPE_CHECKING:
    from emotone.audio import Signal

_AT_ONCE = 32_768  # bytes in one message: a second of 16-bit samples
_TRY_AGAIN_LATER = 1013  # how a WebSocket closes where HTTP would say 503


class Live:
    """A stream on a server, as `emotone.Stream` is one here. Made by `Client.stream`.

    ``feed`` it, take the segments it returns, and ``flush`` it at the end. Or let one thread ``send`` and ``stop``,
    while another iterates over the segments as they come.
    """

    def __init__(self, socket: Any, start: Mapping[str, Any], *, timeout: float) -> None:
        """`Client.stream` calls this, with a WebSocket on which nothing was said yet."""
        self._socket, self._timeout = socket, timeout
        self._encoding = str(start["encoding"])
        self._over = False
        self.labels: tuple[str, ...] = ()
        """The emotions that the recogniser knows."""
        self.seconds = 0.0
        """How much the server has heard, as far as it told."""
        self.speaking = False
        """Whether somebody is speaking, or paused a moment ago."""
        self.provisional: Segment | None = None
        """The answer so far to what is being spoken; None while nobody speaks. The server renews it every half a second
        of sound; what was said of it is here after the next `feed`."""
        self._say(json.dumps(start))
        ready = self._message(timeout)
        self.labels = tuple(ready.get("labels", ())) if ready else ()

    def feed(self, sound: Signal | bytes) -> list[Segment]:
        """Send the next piece, and return the segments that became certain by now. Doesn't wait for answers.

        ``sound`` is float samples, ``(samples,)`` or ``(samples, channels)``, of any length, at the stream's rate;
        bytes are sent as they are. Raises `ServerError` where the server ends the stream, with its reason.
        """
        self.send(sound)
        return self._arrived()

    def flush(self) -> list[Segment]:
        """The segments that are left: the sound is over. Waits for the server."""
        self.stop()
        return list(self)

    def send(self, sound: Signal | bytes) -> None:
        """`feed`, for where another thread iterates over the segments."""
        content = memoryview(sound if isinstance(sound, bytes) else samples_of(sound, self._encoding))
        for first in range(0, len(content), _AT_ONCE):
            self._say(content[first : first + _AT_ONCE])

    def stop(self) -> None:
        """Tell the server that the sound is over."""
        if not self._over:
            self._say('{"type": "stop"}')

    def __iter__(self) -> Iterator[Segment]:
        """The segments as they come, until `stop` was called and the last one came."""
        while not self._over:
            segment = self._taken(self._message(self._timeout))
            if segment is not None:
                yield segment

    def _arrived(self) -> list[Segment]:
        found = []
        while not self._over and (message := self._message(0)) is not None:
            segment = self._taken(message)
            found += [] if segment is None else [segment]
        return found

    def _taken(self, message: dict[str, Any] | None) -> Segment | None:
        """The segment in a message, if there is one; what else it says is remembered."""
        if message is None:
            raise ServerError(f"The server said nothing for {self._timeout:g} seconds, so the stream was given up.")
        kind = message["type"]
        if kind == "segment":
            return Segment.from_dict(message["segment"])
        if kind == "provisional":
            self.seconds, self.speaking = message["seconds"], message["speaking"]
            guess = message["segment"]
            self.provisional = None if guess is None else Segment.from_dict(guess)
        elif kind == "end":
            self.seconds, self.speaking, self.provisional, self._over = message["seconds"], False, None, True
        return None

    def _message(self, seconds: float) -> dict[str, Any] | None:
        """What the server says next; None if nothing comes within ``seconds``."""
        try:
            message: dict[str, Any] = json.loads(self._socket.recv(seconds))
        except TimeoutError:
            return None
        except _closed() as error:
            raise self._ended(error) from error
        except ValueError as error:
            raise ServerError(f"The server says what no emotone server does: {error}.") from error
        if message["type"] == "error":
            self._over = True
            raise self._refused(str(message["error"]))
        return message

    def _refused(self, sentence: str) -> EmotoneError:
        """The error for an error message: how the connection is then closed says what to do about it."""
        with suppress(TimeoutError, _closed()):
            self._socket.recv(self._timeout)
        later = self._socket.close_code == _TRY_AGAIN_LATER and not self.labels
        return Busy(sentence, RETRY_AFTER, None) if later else ServerError(sentence)

    def _ended(self, error: Any) -> ServerError:
        self._over = True
        code = "without a word" if error.rcvd is None else f"with {error.rcvd.code} {error.rcvd.reason}".rstrip()
        return ServerError(f"The server closed the stream {code}. What it told before that is true.")

    def _say(self, content: str | memoryview) -> None:
        try:
            self._socket.send(content)
        except _closed():
            self._arrived()  # raises the server's reason, if it gave one
            raise ServerError("The server closed the stream, so no more can be sent.") from None


class Busy(EmotoneError):
    """No stream now, but after some ``seconds``."""

    def __init__(self, message: str, seconds: float, status: int | None) -> None:
        super().__init__(message)
        self.seconds, self.status = seconds, status


def _closed() -> type[Exception]:
    closed: type[Exception] = require("websockets.exceptions", extra="client").ConnectionClosed
    return closed
