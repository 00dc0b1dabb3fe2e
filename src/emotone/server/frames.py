"""What the server and its decoding processes say to each other over a socket pair.

A task goes one way, with an open file beside it (SCM_RIGHTS) or, for sound that comes as it is recorded, pieces of
content behind it; frames come back: a letter, a length, and so many bytes.
"""

from __future__ import annotations

import struct
from dataclasses import dataclass

__all__ = [
    "BEGIN",
    "CONTENT",
    "DONE",
    "ERROR",
    "HEAD",
    "LIVE",
    "READY",
    "RECORDING",
    "SOUND",
    "TASK",
    "UTTERANCE",
    "Task",
    "framed",
]

READY, BEGIN, SOUND, DONE, ERROR = b"R", b"B", b"S", b"D", b"E"
"""It is confined and waits; JSON about the recording; float32 samples; the end; a sentence about what is wrong."""

UTTERANCE, RECORDING, LIVE, CONTENT = b"U", b"F", b"L", b"C"
"""Tasks: a file's sound and nothing else; the same with facts about it; content that follows in pieces, of which an
empty one is the last."""

HEAD = struct.Struct("<cI")
TASK = struct.Struct("<cddi")


@dataclass(frozen=True)
class Task:
    """``kind``, how many seconds are wanted at most, how many in one frame, and which channel; -1 for their mean."""

    kind: bytes
    seconds: float
    block: float
    channel: int = -1

    def packed(self) -> bytes:
        """As it goes over the socket."""
        return TASK.pack(self.kind, self.seconds, self.block, self.channel)


def framed(kind: bytes, content: bytes = b"") -> bytes:
    """A frame."""
    return HEAD.pack(kind, len(content)) + content
