"""A watch event makes the session list the directory before it is forwarded."""

import asyncio
from typing import Any, cast

import pytest
from kazoo.exceptions import NoNodeError
from kazoo.interfaces import IAsyncResult
from kazoo.protocol.states import EventType, KeeperState, WatchedEvent

from tests.unit.store.coroutines import async_test
from vipagent.store.access import parse_options
from vipagent_zookeeper.connection import ZooKeeperConnection
from vipagent_zookeeper.options import ZooKeeperOptions, parse_servers
from vipagent_zookeeper.session import KazooSession

DIRECTORY = "/exabgp/service/apex"


class RecordedSession:
    """A session that is never started; the test completes its requests."""

    def __init__(self) -> None:
        self.on_watch_event: list[str] = []
        self.requests: list[IAsyncResult] = []
        options = parse_options(ZooKeeperOptions, {})
        self.session = KazooSession(
            parse_servers(()), 6.0, options, cast("ZooKeeperConnection", None), self.on_watch_event.append
        )
        self.session.client.get_children_async = self._record_request

    def changes(self, path: str = DIRECTORY, kind: str = EventType.CHILD) -> None:
        """Let a watch fire."""
        self.session.watch(WatchedEvent(kind, KeeperState.CONNECTED, path))

    def _record_request(self, _directory: str, watch: object) -> Any:
        assert watch == self.session.watch
        self.requests.append(self.session.client.handler.async_result())
        return self.requests[-1]


async def _run_callbacks() -> None:
    for _ in range(3):
        await asyncio.sleep(0)


@async_test
async def test_a_changed_directory_is_listed_before_its_event_is_forwarded() -> None:
    recorded = RecordedSession()
    recorded.changes()
    await _run_callbacks()
    assert (len(recorded.requests), recorded.on_watch_event) == (1, [])
    recorded.requests[0].set(["10.0.0.1"])
    await _run_callbacks()
    assert recorded.on_watch_event == [DIRECTORY]
    assert await recorded.session.children(DIRECTORY) == ["10.0.0.1"]
    assert len(recorded.requests) == 1


@async_test
async def test_names_are_used_once() -> None:
    recorded = RecordedSession()
    recorded.changes()
    recorded.requests[0].set(["10.0.0.1"])
    await recorded.session.children(DIRECTORY)
    again = asyncio.ensure_future(recorded.session.children(DIRECTORY))
    await _run_callbacks()
    recorded.requests[1].set([])
    assert await again == []


@async_test
async def test_names_that_are_older_than_a_change_are_not_used() -> None:
    recorded = RecordedSession()
    recorded.changes()
    recorded.requests[0].set(["10.0.0.1"])
    recorded.changes()
    await _run_callbacks()
    assert recorded.on_watch_event == [DIRECTORY, DIRECTORY]
    reading = asyncio.ensure_future(recorded.session.children(DIRECTORY))
    await _run_callbacks()
    recorded.requests[-1].set([])
    assert await reading == []


@async_test
async def test_a_directory_that_is_not_followed_is_not_listed_again() -> None:
    recorded = RecordedSession()
    recorded.changes()
    recorded.requests[0].set([])
    recorded.changes()  # the watch of the last listing fires
    assert len(recorded.requests) == 1


@async_test
async def test_a_failed_listing_is_requested_again() -> None:
    """The directory or the connection may be gone: the follower repeats the request and gets the error."""
    recorded = RecordedSession()
    recorded.changes()
    recorded.requests[0].set_exception(NoNodeError())
    await _run_callbacks()
    assert recorded.on_watch_event == [DIRECTORY]
    reading = asyncio.ensure_future(recorded.session.children(DIRECTORY))
    await _run_callbacks()
    recorded.requests[1].set_exception(NoNodeError())
    with pytest.raises(NoNodeError):
        await reading


@async_test
async def test_a_changed_value_is_forwarded_immediately() -> None:
    recorded = RecordedSession()
    recorded.changes(f"{DIRECTORY}/10.0.0.1", EventType.CHANGED)
    await _run_callbacks()
    assert (recorded.requests, recorded.on_watch_event) == ([], [f"{DIRECTORY}/10.0.0.1"])
