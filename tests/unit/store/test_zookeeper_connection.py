"""Reconnections by kazoo in the ZooKeeper driver, with a session controlled by the test."""

import asyncio
from typing import cast

import pytest

from tests.unit.store.coroutines import async_test
from vipagent.store.driver import Disconnected
from vipagent_zookeeper.connection import ERROR_SETTLE_TIME, ZooKeeperConnection
from vipagent_zookeeper.session import KazooSession

SESSION = 7


class FakeSession:
    """A session without a connection that counts calls."""

    timeout = 6.0
    peer = "zk1:2181"

    def __init__(self) -> None:
        self.starts = 0
        self.resets: list[str] = []

    def start(self) -> None:
        self.starts += 1

    def reset_connection(self, reason: str) -> None:
        self.resets.append(reason)


async def _connected() -> tuple[ZooKeeperConnection, FakeSession]:
    """Return an established connection."""
    session = FakeSession()
    connection = ZooKeeperConnection(lambda _: cast("KazooSession", session))
    opening = asyncio.ensure_future(connection.open())
    await asyncio.sleep(0)
    connection.on_session(SESSION)
    await opening
    return connection, session


def _lose(connection: ZooKeeperConnection) -> None:
    connection.on_error(FakeSession.peer, "connection reset")
    connection.on_disconnect()


@async_test
async def test_a_connection_restored_by_kazoo_is_used() -> None:
    """kazoo reconnected before the next attempt, so the connection is not reset."""
    connection, session = await _connected()
    _lose(connection)
    connection.on_session(SESSION)
    async with asyncio.timeout(1.0):
        await connection.open()
    assert session.resets == []


@async_test
async def test_a_slow_reconnection_succeeds_in_the_end() -> None:
    """The error is reported before kazoo reconnects, so one attempt fails; the next must not reset it."""
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
async def test_an_unresponsive_connection_is_reset() -> None:
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
