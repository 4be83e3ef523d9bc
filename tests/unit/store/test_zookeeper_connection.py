"""What the driver for ZooKeeper makes of kazoo's reconnections, with a client that a test moves by hand."""

import asyncio
from typing import cast

import pytest

from tests.unit.store.coroutines import async_test
from vipagent.store.driver import Disconnected
from vipagent_zookeeper.connection import ERROR_SETTLE_TIME, ZooKeeperConnection
from vipagent_zookeeper.session import KazooSession

SESSION = 7


class HandMoved:
    """A session that does nothing by itself, but counts."""

    life = 6.0
    peer = "zk1:2181"

    def __init__(self) -> None:
        self.starts = 0
        self.resets: list[str] = []

    def start(self) -> None:
        self.starts += 1

    def reset_connection(self, reason: str) -> None:
        self.resets.append(reason)


async def _connected() -> tuple[ZooKeeperConnection, HandMoved]:
    """Return a connection that stands."""
    session = HandMoved()
    connection = ZooKeeperConnection(lambda _: cast("KazooSession", session))
    opening = asyncio.ensure_future(connection.open())
    await asyncio.sleep(0)
    connection.on_session(SESSION)
    await opening
    return connection, session


def _lose(connection: ZooKeeperConnection) -> None:
    connection.on_error(HandMoved.peer, "connection reset")
    connection.on_disconnect()


@async_test
async def test_a_connection_that_came_up_by_itself_is_used() -> None:
    """It has failed nobody: kazoo was faster than the pause before the next attempt."""
    connection, session = await _connected()
    _lose(connection)
    connection.on_session(SESSION)
    async with asyncio.timeout(1.0):
        await connection.open()
    assert session.resets == []


@async_test
async def test_a_slow_reconnection_succeeds_in_the_end() -> None:
    """Its cause is told before it is done, so an attempt fails; the next one must not start it over."""
    connection, session = await _connected()
    _lose(connection)
    with pytest.raises(Disconnected, match="reset"):
        async with asyncio.timeout(10 * ERROR_SETTLE_TIME):
            await connection.open()
    connection.on_session(SESSION)
    async with asyncio.timeout(1.0):
        await connection.open()
    assert session.resets == []


@async_test
async def test_a_connection_that_was_used_and_is_silent_is_ended() -> None:
    connection, session = await _connected()
    _lose(connection)
    connection.on_session(SESSION)
    await connection.open()
    opening = asyncio.ensure_future(connection.open())
    await asyncio.sleep(0)
    assert session.resets == ["no response in time"]
    connection.on_disconnect()
    connection.on_session(SESSION)
    await opening
