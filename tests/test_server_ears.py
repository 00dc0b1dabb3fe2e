"""The parts of a stream that need no server: what it begins with, what waits, what is heard and thought."""

from __future__ import annotations

import asyncio
import time
from pathlib import Path

import numpy as np
import pytest

import emotone
from emotone import audio
from emotone.errors import AudioError
from emotone.live import PCM
from emotone.server.ears import Ears
from emotone.server.inbox import Inbox

SAMPLE = Path(audio.__file__).with_name("samples") / "angry.wav"


def ears(*, rate: int = 16_000, channels: int = 1, is_busy: bool = False) -> Ears:
    form = PCM(rate, channels, "f32le")
    return Ears(emotone.load(), form, adapt=False, is_busy=lambda: is_busy)


def test_pieces_end_where_something_is_due():
    each = ears(rate=44_100, channels=2)
    sound = bytes(44_100 * 8 * 3)
    place, ticks = 0, []
    while place < len(sound):
        size = each.bytes_to_tick
        each.feed(sound[place : place + size])
        place += size
        if each.is_due:
            ticks.append(each.seconds)
    assert ticks == [0.5, 1.0, 1.5, 2.0, 2.5, 3.0]


def test_samples_may_be_cut_anywhere():
    signal = audio.load(SAMPLE)
    whole, cut = ears(), ears()
    expected = whole.feed(signal.tobytes()) + whole.flush()
    content = signal.tobytes()
    found = [segment for first in range(0, len(content), 1001) for segment in cut.feed(content[first : first + 1001])]
    assert found + cut.flush() == expected == emotone.load().timeline(SAMPLE)


def test_under_load_thoughts_are_fewer_but_segments_the_same():
    signal = np.tile(audio.load(SAMPLE), 4)
    calm, busy = ears(), ears(is_busy=True)
    fresh: dict[Ears, list[bool]] = {calm: [], busy: []}
    glanced: dict[Ears, list[bool]] = {calm: [], busy: []}
    segments = {}
    for each in (calm, busy):
        found = []
        for first in range(0, len(signal), 4000):
            found += each.feed(signal[first : first + 4000].tobytes())
            if each.is_due and each.speaking:
                guess, is_fresh = each.guess(time.monotonic() + 1)
                fresh[each].append(is_fresh)
                glanced[each].append(is_fresh and each.has_glanced)
                assert guess is None or guess.scores
        segments[each] = found + each.flush()
    assert segments[calm] == segments[busy]
    assert all(fresh[calm])
    assert 0 < sum(fresh[busy]) < 0.7 * len(fresh[busy])
    assert not any(glanced[calm])
    assert 0 < sum(glanced[busy]) <= sum(fresh[busy])


def test_a_thought_that_would_come_too_late_is_the_last_one():
    each = ears()
    signal = np.tile(audio.load(SAMPLE), 2)
    each.feed(signal[: int(1.5 * 16_000)].tobytes())
    first, is_fresh = each.guess(time.monotonic() + 1)
    assert is_fresh
    assert first is not None
    each.feed(signal[int(1.5 * 16_000) : 2 * 16_000].tobytes())
    assert each.guess(time.monotonic() - 1) == (first, False)
    assert each.guess(time.monotonic() + 1)[1]


def test_what_are_no_samples_is_refused():
    with pytest.raises(AudioError, match="NaN"):
        ears().feed(np.array([0, np.nan], np.float32).tobytes())


# --- what waits ---


def test_an_inbox_gives_what_is_there_up_to_a_limit():
    async def work() -> None:
        inbox = Inbox(1000)
        for piece in (b"abc", b"def", b"gh"):
            await inbox.put(piece)
        assert (await inbox.take(4) or (b"", 0))[0] == b"abcd"
        assert (await inbox.take(100) or (b"", 0))[0] == b"efgh"
        waiting = asyncio.create_task(inbox.take(100, least=4))
        await inbox.put(b"ijk")
        await asyncio.sleep(0.01)
        assert not waiting.done()
        await inbox.put(b"l")
        assert (await waiting or (b"", 0))[0] == b"ijkl"
        await inbox.put(b"m")
        inbox.end()
        assert (await inbox.take(100, least=50) or (b"", 0))[0] == b"m"
        assert await inbox.take(1) is None

    asyncio.run(work())


def test_a_full_inbox_has_the_writer_wait():
    async def work() -> None:
        inbox = Inbox(10)
        writing = asyncio.create_task(inbox.put(bytes(50)))
        await asyncio.sleep(0.01)
        assert not writing.done()
        await inbox.take(5)
        await asyncio.sleep(0.01)
        assert not writing.done()
        await inbox.take(10)
        await asyncio.wait_for(writing, 1)

    asyncio.run(work())
