"""Directories read again after a watch event, with a fake client."""

import asyncio
from typing import Any, cast

import pytest
from kazoo.exceptions import NoNodeError
from kazoo.interfaces import IAsyncResult
from kazoo.protocol.states import EventType, KeeperState, WatchedEvent

from tests.unit.store.coroutines import async_test
from vipagent.store.access import parse_options
from vipagent_zookeeper.connection import Connection
from vipagent_zookeeper.link import Link
from vipagent_zookeeper.options import ZooKeeperOptions, parse_servers

DIRECTORY = "/exabgp/service/apex"


class LinkUnderTest:
    """A link that is never started. The test sets the responses."""

    def __init__(self) -> None:
        self.touched: list[str] = []
        self.requests: list[IAsyncResult] = []
        options = parse_options(ZooKeeperOptions, {})
        self.link = Link(parse_servers(()), 6.0, options, cast("Connection", None), self.touched.append)
        self.link.client.get_children_async = self._get_children

    def fire(self, path: str = DIRECTORY, kind: str = EventType.CHILD) -> None:
        """Deliver a watch event."""
        self.link.watch(WatchedEvent(kind, KeeperState.CONNECTED, path))

    def _get_children(self, _directory: str, watch: object) -> Any:
        assert watch == self.link.watch
        self.requests.append(self.link.client.handler.async_result())
        return self.requests[-1]


async def _run_callbacks() -> None:
    for _ in range(3):
        await asyncio.sleep(0)


@async_test
async def test_a_changed_directory_is_reported_after_its_names_are_read() -> None:
    linked = LinkUnderTest()
    linked.fire()
    await _run_callbacks()
    assert (len(linked.requests), linked.touched) == (1, [])
    linked.requests[0].set(["10.0.0.1"])
    await _run_callbacks()
    assert linked.touched == [DIRECTORY]
    assert await linked.link.children(DIRECTORY) == ["10.0.0.1"]
    assert len(linked.requests) == 1


@async_test
async def test_names_read_ahead_are_used_once() -> None:
    linked = LinkUnderTest()
    linked.fire()
    linked.requests[0].set(["10.0.0.1"])
    await linked.link.children(DIRECTORY)
    again = asyncio.ensure_future(linked.link.children(DIRECTORY))
    await _run_callbacks()
    linked.requests[1].set([])
    assert await again == []


@async_test
async def test_names_read_before_another_change_are_not_used() -> None:
    linked = LinkUnderTest()
    linked.fire()
    linked.requests[0].set(["10.0.0.1"])
    linked.fire()
    await _run_callbacks()
    assert linked.touched == [DIRECTORY, DIRECTORY]
    reading = asyncio.ensure_future(linked.link.children(DIRECTORY))
    await _run_callbacks()
    linked.requests[-1].set([])
    assert await reading == []


@async_test
async def test_a_directory_that_is_not_followed_is_read_once() -> None:
    linked = LinkUnderTest()
    linked.fire()
    linked.requests[0].set([])
    linked.fire()  # from the watch of the previous request
    assert len(linked.requests) == 1


@async_test
async def test_a_failed_read_is_repeated_by_the_follower() -> None:
    """The directory may have been deleted, or the connection lost: the follower gets the error."""
    linked = LinkUnderTest()
    linked.fire()
    linked.requests[0].set_exception(NoNodeError())
    await _run_callbacks()
    assert linked.touched == [DIRECTORY]
    reading = asyncio.ensure_future(linked.link.children(DIRECTORY))
    await _run_callbacks()
    linked.requests[1].set_exception(NoNodeError())
    with pytest.raises(NoNodeError):
        await reading


@async_test
async def test_a_changed_value_is_reported_immediately() -> None:
    linked = LinkUnderTest()
    linked.fire(f"{DIRECTORY}/10.0.0.1", EventType.CHANGED)
    await _run_callbacks()
    assert (linked.requests, linked.touched) == ([], [f"{DIRECTORY}/10.0.0.1"])
