"""A watch event makes the session list the directory again."""

import asyncio
from typing import Any
from unittest.mock import Mock

import pytest
from kazoo.exceptions import NoNodeError
from kazoo.interfaces import IAsyncResult
from kazoo.protocol.states import EventType, KazooState, KeeperState, WatchedEvent

from tests.unit.store.coroutines import async_test
from vipagent.store.access import parse_options
from vipagent.store.driver import Interests
from vipagent.store.layout import Directory, Kind
from vipagent.testing.slowness import allowed
from vipagent_zookeeper.connection import ZooKeeperConnection
from vipagent_zookeeper.follower import ZNodeFollower
from vipagent_zookeeper.options import ZooKeeperOptions, parse_servers
from vipagent_zookeeper.session import KazooSession
from vipagent_zookeeper.znodes import MAX_PARALLEL_READS, ZNodeStore

DIRECTORY = "/exabgp/service/apex"


class RecordedSession:
    """A session that is never started, with its requests and watch events; the test sets the responses."""

    def __init__(self) -> None:
        self.events: list[str] = []
        self.requests: list[IAsyncResult] = []
        options = parse_options(ZooKeeperOptions, {})
        self.session = KazooSession(
            parse_servers(()), 6.0, options, Mock(ZooKeeperConnection), self.events.append
        )
        self.session.client.get_children_async = self._request

    def fire_watch(self, path: str = DIRECTORY, kind: str = EventType.CHILD) -> None:
        """Deliver a watch event."""
        self.session.watch(WatchedEvent(kind, KeeperState.CONNECTED, path))

    def disconnect(self) -> None:
        """Report a lost connection, as kazoo does."""
        for listener in self.session.client.state_listeners:
            listener(KazooState.SUSPENDED)

    def _request(self, _directory: str, watch: object) -> Any:
        assert watch == self.session.watch
        self.requests.append(self.session.client.handler.async_result())
        return self.requests[-1]


async def _run_loop() -> None:
    for _ in range(3):
        await asyncio.sleep(0)


@async_test
async def test_a_watch_event_is_forwarded_after_the_new_listing() -> None:
    recorded = RecordedSession()
    recorded.fire_watch()
    await _run_loop()
    assert (len(recorded.requests), recorded.events) == (1, [])
    recorded.requests[0].set(["10.0.0.1"])
    await _run_loop()
    assert recorded.events == [DIRECTORY]
    assert await recorded.session.children(DIRECTORY) == ["10.0.0.1"]
    assert len(recorded.requests) == 1


@async_test
async def test_a_prefetched_listing_is_used_once() -> None:
    recorded = RecordedSession()
    recorded.fire_watch()
    recorded.requests[0].set(["10.0.0.1"])
    await recorded.session.children(DIRECTORY)
    again = asyncio.ensure_future(recorded.session.children(DIRECTORY))
    await _run_loop()
    recorded.requests[1].set([])
    assert await again == []


@async_test
async def test_a_prefetched_listing_from_before_a_change_is_not_used() -> None:
    recorded = RecordedSession()
    recorded.fire_watch()
    recorded.requests[0].set(["10.0.0.1"])
    recorded.fire_watch()
    await _run_loop()
    assert recorded.events == [DIRECTORY, DIRECTORY]
    reading = asyncio.ensure_future(recorded.session.children(DIRECTORY))
    await _run_loop()
    recorded.requests[-1].set([])
    assert await reading == []


@async_test
async def test_a_prefetched_listing_from_before_a_deletion_is_not_used() -> None:
    """Its watch is gone, so the creation of the directory would not be reported."""
    recorded = RecordedSession()
    recorded.fire_watch()
    recorded.requests[0].set(["10.0.0.1"])
    recorded.fire_watch(kind=EventType.DELETED)
    reading = asyncio.ensure_future(recorded.session.children(DIRECTORY))
    await _run_loop()
    recorded.requests[1].set_exception(NoNodeError())
    with pytest.raises(NoNodeError):
        await reading


@async_test
async def test_a_prefetched_listing_from_before_a_disconnection_is_not_used() -> None:
    """Its watch is gone, so later changes would not be reported."""
    recorded = RecordedSession()
    recorded.fire_watch()
    recorded.requests[0].set(["10.0.0.1"])
    recorded.disconnect()
    reading = asyncio.ensure_future(recorded.session.children(DIRECTORY))
    await _run_loop()
    recorded.requests[1].set([])
    assert await reading == []


@async_test
async def test_an_unfollowed_directory_is_listed_at_most_once_more() -> None:
    recorded = RecordedSession()
    recorded.fire_watch()
    recorded.requests[0].set([])
    recorded.fire_watch()  # from the watch of that listing, which is the last one
    assert len(recorded.requests) == 1


@async_test
async def test_a_failed_listing_is_requested_again() -> None:
    """The follower must learn that the directory was deleted or the connection lost."""
    recorded = RecordedSession()
    recorded.fire_watch()
    recorded.requests[0].set_exception(NoNodeError())
    await _run_loop()
    assert recorded.events == [DIRECTORY]
    reading = asyncio.ensure_future(recorded.session.children(DIRECTORY))
    await _run_loop()
    recorded.requests[1].set_exception(NoNodeError())
    with pytest.raises(NoNodeError):
        await reading


@async_test
async def test_a_changed_value_is_forwarded_immediately() -> None:
    recorded = RecordedSession()
    recorded.fire_watch(f"{DIRECTORY}/10.0.0.1", EventType.CHANGED)
    await _run_loop()
    assert (recorded.requests, recorded.events) == ([], [f"{DIRECTORY}/10.0.0.1"])


@async_test
async def test_a_keep_alive_does_not_wait_for_the_listings_of_many_directories() -> None:
    """Otherwise the session with a distant server would expire before all directories are listed."""
    recorded = RecordedSession()
    alive = recorded.session.client.handler.async_result()
    alive.set(None)
    recorded.session.client.exists_async = Mock(return_value=alive)
    store = ZNodeStore(Mock(session=recorded.session))
    interests = Interests()
    directories = [Directory(Kind.MEMBERS, f"service{number}") for number in range(1000)]
    interests.replace(dict.fromkeys(directories, frozenset()), frozenset())
    following = asyncio.ensure_future(ZNodeFollower(store, "/exabgp").run(interests, Mock()))
    await _run_loop()
    assert len(recorded.requests) == MAX_PARALLEL_READS
    async with asyncio.timeout(allowed(1.0)):
        await store.alive()
    following.cancel()
