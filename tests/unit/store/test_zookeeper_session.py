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


class Linked:
    """A session that is never started; a test answers its requests."""

    def __init__(self) -> None:
        self.on_watch_event: list[str] = []
        self.asked: list[IAsyncResult] = []
        options = parse_options(ZooKeeperOptions, {})
        self.session = KazooSession(
            parse_servers(()), 6.0, options, Mock(ZooKeeperConnection), self.on_watch_event.append
        )
        self.session.client.get_children_async = self._ask

    def changes(self, path: str = DIRECTORY, kind: str = EventType.CHILD) -> None:
        """Let a watch fire."""
        self.session.watch(WatchedEvent(kind, KeeperState.CONNECTED, path))

    def disconnects(self) -> None:
        """Let kazoo report a lost connection."""
        for listener in self.session.client.state_listeners:
            listener(KazooState.SUSPENDED)

    def _ask(self, _directory: str, watch: object) -> Any:
        assert watch == self.session.watch
        self.asked.append(self.session.client.handler.async_result())
        return self.asked[-1]


async def _turn() -> None:
    for _ in range(3):
        await asyncio.sleep(0)


@async_test
async def test_a_changed_directory_is_told_with_its_new_names() -> None:
    linked = Linked()
    linked.changes()
    await _turn()
    assert (len(linked.asked), linked.on_watch_event) == (1, [])
    linked.asked[0].set(["10.0.0.1"])
    await _turn()
    assert linked.on_watch_event == [DIRECTORY]
    assert await linked.session.children(DIRECTORY) == ["10.0.0.1"]
    assert len(linked.asked) == 1


@async_test
async def test_names_are_used_once() -> None:
    linked = Linked()
    linked.changes()
    linked.asked[0].set(["10.0.0.1"])
    await linked.session.children(DIRECTORY)
    again = asyncio.ensure_future(linked.session.children(DIRECTORY))
    await _turn()
    linked.asked[1].set([])
    assert await again == []


@async_test
async def test_names_that_are_older_than_a_change_are_not_used() -> None:
    linked = Linked()
    linked.changes()
    linked.asked[0].set(["10.0.0.1"])
    linked.changes()
    await _turn()
    assert linked.on_watch_event == [DIRECTORY, DIRECTORY]
    reading = asyncio.ensure_future(linked.session.children(DIRECTORY))
    await _turn()
    linked.asked[-1].set([])
    assert await reading == []


@async_test
async def test_names_from_before_a_deletion_are_not_used() -> None:
    """Their watch is gone: nothing would report that the directory is created again."""
    linked = Linked()
    linked.changes()
    linked.asked[0].set(["10.0.0.1"])
    linked.changes(kind=EventType.DELETED)
    reading = asyncio.ensure_future(linked.session.children(DIRECTORY))
    await _turn()
    linked.asked[1].set_exception(NoNodeError())
    with pytest.raises(NoNodeError):
        await reading


@async_test
async def test_names_from_before_a_disconnection_are_not_used() -> None:
    """Their watch is gone: no later change would be reported."""
    linked = Linked()
    linked.changes()
    linked.asked[0].set(["10.0.0.1"])
    linked.disconnects()
    reading = asyncio.ensure_future(linked.session.children(DIRECTORY))
    await _turn()
    linked.asked[1].set([])
    assert await reading == []


@async_test
async def test_a_directory_that_nobody_follows_any_more_is_not_read_for_ever() -> None:
    linked = Linked()
    linked.changes()
    linked.asked[0].set([])
    linked.changes()  # by the watch of that reading, the last one
    assert len(linked.asked) == 1


@async_test
async def test_what_could_not_be_read_is_asked_for_again() -> None:
    """The directory, or the connection, may have gone meanwhile: whoever follows it learns that."""
    linked = Linked()
    linked.changes()
    linked.asked[0].set_exception(NoNodeError())
    await _turn()
    assert linked.on_watch_event == [DIRECTORY]
    reading = asyncio.ensure_future(linked.session.children(DIRECTORY))
    await _turn()
    linked.asked[1].set_exception(NoNodeError())
    with pytest.raises(NoNodeError):
        await reading


@async_test
async def test_a_changed_value_is_told_at_once() -> None:
    linked = Linked()
    linked.changes(f"{DIRECTORY}/10.0.0.1", EventType.CHANGED)
    await _turn()
    assert (linked.asked, linked.on_watch_event) == ([], [f"{DIRECTORY}/10.0.0.1"])


@async_test
async def test_a_heartbeat_does_not_wait_for_the_listings_of_many_directories() -> None:
    """Otherwise a distant server would never be connected for long enough to list them all."""
    linked = Linked()
    alive = linked.session.client.handler.async_result()
    alive.set(None)
    linked.session.client.exists_async = Mock(return_value=alive)
    store = ZNodeStore(Mock(session=linked.session))
    interests = Interests()
    directories = [Directory(Kind.MEMBERS, f"service{number}") for number in range(1000)]
    interests.replace(dict.fromkeys(directories, frozenset()), frozenset())
    following = asyncio.ensure_future(ZNodeFollower(store, "/exabgp").run(interests, Mock()))
    await _turn()
    assert len(linked.asked) == MAX_PARALLEL_READS
    async with asyncio.timeout(allowed(1.0)):
        await store.alive()
    following.cancel()
