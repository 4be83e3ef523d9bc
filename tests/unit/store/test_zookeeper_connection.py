"""Reconnections of the ZooKeeper driver, with a fake client."""

import asyncio
from typing import cast

import pytest

from tests.unit.store.coroutines import async_test
from vipagent.store.driver import Disconnected
from vipagent_zookeeper.connection import DIGEST, Connection
from vipagent_zookeeper.link import Link

SESSION = 7


class FakeLink:
    """A link that only records the calls."""

    life = 6.0
    peer = "zk1:2181"

    def __init__(self) -> None:
        self.starts = 0
        self.hang_ups: list[str] = []

    def start(self) -> None:
        self.starts += 1

    def hang_up(self, reason: str) -> None:
        self.hang_ups.append(reason)


async def _connected() -> tuple[Connection, FakeLink]:
    """Return an established connection."""
    link = FakeLink()
    connection = Connection(lambda _: cast("Link", link))
    opening = asyncio.ensure_future(connection.open())
    await asyncio.sleep(0)
    connection.up(SESSION)
    await opening
    return connection, link


def _lose(connection: Connection) -> None:
    connection.blamed(FakeLink.peer, "connection reset")
    connection.down()


@async_test
async def test_a_connection_restored_by_kazoo_is_used() -> None:
    """kazoo reconnected before the driver's next attempt."""
    connection, link = await _connected()
    _lose(connection)
    connection.up(SESSION)
    async with asyncio.timeout(1.0):
        await connection.open()
    assert link.hang_ups == []


@async_test
async def test_a_slow_reconnection_succeeds() -> None:
    """The error is reported first, so one attempt fails; the next one must not reset the connection."""
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
async def test_a_used_connection_without_responses_is_reset() -> None:
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
