"""What the driver for ZooKeeper makes of kazoo's reconnections, with a client that a test moves by hand."""

import asyncio
from typing import cast

import pytest

from tests.unit.store.coroutines import async_test
from vipagent.store.driver import Disconnected
from vipagent_zookeeper.connection import DIGEST, Connection
from vipagent_zookeeper.link import Link

SESSION = 7


class HandMoved:
    """A link that does nothing by itself, but counts."""

    life = 6.0
    peer = "zk1:2181"

    def __init__(self) -> None:
        self.starts = 0
        self.hang_ups: list[str] = []

    def start(self) -> None:
        self.starts += 1

    def hang_up(self, reason: str) -> None:
        self.hang_ups.append(reason)


async def _connected() -> tuple[Connection, HandMoved]:
    """Return a connection that stands."""
    link = HandMoved()
    connection = Connection(lambda _: cast("Link", link))
    opening = asyncio.ensure_future(connection.open())
    await asyncio.sleep(0)
    connection.up(SESSION)
    await opening
    return connection, link


def _lose(connection: Connection) -> None:
    connection.blamed(HandMoved.peer, "connection reset")
    connection.down()


@async_test
async def test_a_connection_that_came_up_by_itself_is_used() -> None:
    """It has failed nobody: kazoo was faster than the pause before the next attempt."""
    connection, link = await _connected()
    _lose(connection)
    connection.up(SESSION)
    async with asyncio.timeout(1.0):
        await connection.open()
    assert link.hang_ups == []


@async_test
async def test_a_slow_reconnection_succeeds_in_the_end() -> None:
    """Its cause is told before it is done, so an attempt fails; the next one must not start it over."""
    connection, link = await _connected()
    _lose(connection)
    with pytest.raises(Disconnected, match="reset"):
        async with asyncio.timeout(10 * DIGEST):
            await connection.open()
    connection.up(SESSION)
    async with asyncio.timeout(1.0):
        await connection.open()
    assert link.hang_ups == []


@async_test
async def test_a_connection_that_was_used_and_is_silent_is_ended() -> None:
    connection, link = await _connected()
    _lose(connection)
    connection.up(SESSION)
    await connection.open()
    opening = asyncio.ensure_future(connection.open())
    await asyncio.sleep(0)
    assert link.hang_ups == ["no answer in time"]
    connection.down()
    connection.up(SESSION)
    await opening
