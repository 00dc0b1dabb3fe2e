"""What came of a stream and wasn't heard yet: bytes in, bytes out, never more than some seconds of them."""

from __future__ import annotations

import asyncio
import time
from collections import deque

__all__ = ["Inbox"]

_SECONDS = 4.0


class Inbox:
    """For one reader and one writer in the same loop."""

    def __init__(self, bytes_per_second: int) -> None:
        self._most = int(_SECONDS * bytes_per_second)
        self._pieces: deque[tuple[memoryview, float]] = deque()
        self._n_bytes = 0
        self._is_over = False
        self._filled, self._has_room = asyncio.Event(), asyncio.Event()
        self._has_room.set()

    async def put(self, content: bytes) -> None:
        """Add to it; waits behind that while it is full."""
        self._pieces.append((memoryview(content), time.monotonic()))
        self._n_bytes += len(content)
        self._filled.set()
        if self._n_bytes >= self._most:
            self._has_room.clear()
            await self._has_room.wait()

    def end(self) -> None:
        """Nothing more will come."""
        self._is_over = True
        self._filled.set()

    async def take(self, most: int, *, least: int = 1) -> tuple[bytes, float] | None:
        """What is there once there are ``least`` bytes, up to ``most`` of them, and when the last of them came; None at
        the end."""
        while self._n_bytes < min(least, most) and not self._is_over:
            self._filled.clear()
            await self._filled.wait()
        if not self._pieces:
            return None
        taken: list[memoryview] = []
        arrived = 0.0
        while self._pieces and most > 0:
            piece, arrived = self._pieces.popleft()
            if len(piece) > most:
                self._pieces.appendleft((piece[most:], arrived))
                piece = piece[:most]
            taken.append(piece)
            most -= len(piece)
        n_bytes = sum(map(len, taken))
        self._n_bytes -= n_bytes
        if self._n_bytes < self._most:
            self._has_room.set()
        return b"".join(taken), arrived
