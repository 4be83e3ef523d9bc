"""Server-sent events: batched changes, and no work without viewers."""

import asyncio
from collections.abc import Callable, Coroutine
from contextlib import aclosing

import pytest

from vipagent.testing.slowness import allowed
from vipagent.web import stream
from vipagent.web.stream import Stream


class CountingRenderer:
    """Counts how often the status is rendered."""

    def __init__(self) -> None:
        self.count = 0

    def __call__(self) -> str:
        self.count += 1
        return str(self.count)


def run(scenario: Callable[[Stream, CountingRenderer], Coroutine[None, None, None]]) -> None:
    async def with_timeout() -> None:
        renderer = CountingRenderer()
        async with asyncio.timeout(allowed(20)):
            await scenario(Stream(renderer), renderer)

    asyncio.run(with_timeout())


def test_the_status_is_sent_immediately_and_after_changes() -> None:
    async def scenario(stream: Stream, renderer: CountingRenderer) -> None:
        async with aclosing(stream.events()) as events:
            assert await anext(events) == b"event: status\ndata: 1\n\n"
            for _ in range(100):
                stream.change()
            assert await anext(events) == b"event: status\ndata: 2\n\n"
        assert renderer.count == 2

    run(scenario)


def test_a_slow_viewer_gets_only_the_latest_status() -> None:
    async def scenario(stream: Stream, _renderer: CountingRenderer) -> None:
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


def test_without_viewers_no_status_is_rendered() -> None:
    async def scenario(stream: Stream, renderer: CountingRenderer) -> None:
        before = len(asyncio.all_tasks())
        stream.change()
        async with aclosing(stream.events()) as events:
            await anext(events)
        stream.change()
        assert stream._timer is None
        assert (renderer.count, len(asyncio.all_tasks())) == (1, before)

    run(scenario)


def test_an_idle_stream_sends_keepalives(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(stream, "KEEPALIVE_INTERVAL", 0.05)

    async def scenario(stream: Stream, renderer: CountingRenderer) -> None:
        async with aclosing(stream.events()) as events:
            await anext(events)
            assert [await anext(events) for _ in range(3)] == [b"event: alive\ndata: .\n\n"] * 3
            assert renderer.count == 1

    run(scenario)


def test_the_number_of_viewers_is_limited(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(stream, "MAX_VIEWERS", 1)

    async def scenario(stream: Stream, _renderer: CountingRenderer) -> None:
        async with aclosing(stream.events()) as events:
            assert not stream.full
            await anext(events)
            assert stream.full
        assert not stream.full

    run(scenario)
