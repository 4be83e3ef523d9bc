"""Server-sent events: one per batch of changes, and no work without viewers."""

import asyncio
from collections.abc import Callable, Coroutine
from contextlib import aclosing

import pytest

from vipagent.testing.slowness import allowed
from vipagent.web import stream
from vipagent.web.stream import Stream


class Drawn:
    """Counts the calls of `status_json`."""

    def __init__(self) -> None:
        self.times = 0

    def __call__(self) -> str:
        self.times += 1
        return str(self.times)


def run(scenario: Callable[[Stream, Drawn], Coroutine[None, None, None]]) -> None:
    async def run_with_timeout() -> None:
        drawn = Drawn()
        async with asyncio.timeout(allowed(20)):
            await scenario(Stream(drawn), drawn)

    asyncio.run(run_with_timeout())


def test_the_status_comes_immediately_and_again_after_changes() -> None:
    async def scenario(stream: Stream, drawn: Drawn) -> None:
        async with aclosing(stream.events()) as events:
            assert await anext(events) == b"event: status\ndata: 1\n\n"
            for _ in range(100):
                stream.change()
            assert await anext(events) == b"event: status\ndata: 2\n\n"
        assert drawn.times == 2

    run(scenario)


def test_a_slow_viewer_gets_the_latest_alone() -> None:
    async def scenario(stream: Stream, _drawn: Drawn) -> None:
        async with aclosing(stream.events()) as quick, aclosing(stream.events()) as slow:
            assert [await anext(quick), await anext(slow)] == [
                b"event: status\ndata: 1\n\n",
                b"event: status\ndata: 2\n\n",
            ]
            for _ in range(3):
                stream.change()
                await anext(quick)
            assert await anext(slow) == b"event: status\ndata: 6\n\n"

    run(scenario)


def test_without_viewers_nothing_is_done() -> None:
    async def scenario(stream: Stream, drawn: Drawn) -> None:
        before = len(asyncio.all_tasks())
        stream.change()
        async with aclosing(stream.events()) as events:
            await anext(events)
        stream.change()
        assert stream._timer is None
        assert (drawn.times, len(asyncio.all_tasks())) == (1, before)

    run(scenario)


def test_an_idle_stream_sends_keepalives(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(stream, "KEEPALIVE_INTERVAL", 0.05)

    async def scenario(stream: Stream, drawn: Drawn) -> None:
        async with aclosing(stream.events()) as events:
            await anext(events)
            assert [await anext(events) for _ in range(3)] == [b"event: alive\ndata: .\n\n"] * 3
            assert drawn.times == 1

    run(scenario)


def test_the_viewers_are_counted(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(stream, "MAX_VIEWERS", 1)

    async def scenario(stream: Stream, _drawn: Drawn) -> None:
        async with aclosing(stream.events()) as events:
            assert not stream.full
            await anext(events)
            assert stream.full
        assert not stream.full

    run(scenario)
