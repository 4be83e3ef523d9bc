"""How a link with ZooKeeper reads a directory again: asked for by the watch, with a client moved by hand."""

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


class Linked:
    """A link that is never started; a test answers its requests."""

    def __init__(self) -> None:
        self.touched: list[str] = []
        self.asked: list[IAsyncResult] = []
        options = parse_options(ZooKeeperOptions, {})
        self.link = Link(parse_servers(()), 6.0, options, cast("Connection", None), self.touched.append)
        self.link.client.get_children_async = self._ask

    def changes(self, path: str = DIRECTORY, kind: str = EventType.CHILD) -> None:
        """Let a watch fire."""
        self.link.watch(WatchedEvent(kind, KeeperState.CONNECTED, path))

    def _ask(self, _directory: str, watch: object) -> Any:
        assert watch == self.link.watch
        self.asked.append(self.link.client.handler.async_result())
        return self.asked[-1]


async def _turn() -> None:
    for _ in range(3):
        await asyncio.sleep(0)


@async_test
async def test_a_changed_directory_is_told_with_its_new_names() -> None:
    linked = Linked()
    linked.changes()
    await _turn()
    assert (len(linked.asked), linked.touched) == (1, [])
    linked.asked[0].set(["10.0.0.1"])
    await _turn()
    assert linked.touched == [DIRECTORY]
    assert await linked.link.children(DIRECTORY) == ["10.0.0.1"]
    assert len(linked.asked) == 1


@async_test
async def test_names_are_used_once() -> None:
    linked = Linked()
    linked.changes()
    linked.asked[0].set(["10.0.0.1"])
    await linked.link.children(DIRECTORY)
    again = asyncio.ensure_future(linked.link.children(DIRECTORY))
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
    assert linked.touched == [DIRECTORY, DIRECTORY]
    reading = asyncio.ensure_future(linked.link.children(DIRECTORY))
    await _turn()
    linked.asked[-1].set([])
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
    assert linked.touched == [DIRECTORY]
    reading = asyncio.ensure_future(linked.link.children(DIRECTORY))
    await _turn()
    linked.asked[1].set_exception(NoNodeError())
    with pytest.raises(NoNodeError):
        await reading


@async_test
async def test_a_changed_value_is_told_at_once() -> None:
    linked = Linked()
    linked.changes(f"{DIRECTORY}/10.0.0.1", EventType.CHANGED)
    await _turn()
    assert (linked.asked, linked.touched) == ([], [f"{DIRECTORY}/10.0.0.1"])
