"""Errors that end `follow` of the ZooKeeper driver."""

import asyncio

import pytest

from tests.unit.store.coroutines import async_test
from vipagent.store.backend import StoreSettings
from vipagent.store.driver import Disconnected, DriverError, Interests, SessionEnded
from vipagent.store.layout import Directory, Kind
from vipagent_zookeeper.driver import ZooKeeperDriver

DIRECTORY = Directory(Kind.MEMBERS, "apex")


def _following() -> tuple[ZooKeeperDriver, Interests]:
    driver, interests = ZooKeeperDriver(StoreSettings("node1", "run1")), Interests()
    interests.replace({DIRECTORY: None}, frozenset())
    driver._connection.on_session(1)
    return driver, interests


@async_test
async def test_a_lost_response_ends_it_before_the_disconnection() -> None:
    """The order of the two errors is random."""
    driver, interests = _following()

    async def lost(directory: str) -> list[str]:
        raise Disconnected("ConnectionLoss")

    driver._znodes.names = lost  # type: ignore[method-assign]
    with pytest.raises(Disconnected, match="ConnectionLoss"):
        await driver.follow(interests, lambda *_: None)


@pytest.mark.parametrize("error", [Disconnected("it is gone"), SessionEnded("it has expired")])
@async_test
async def test_a_disconnection_ends_it(error: DriverError) -> None:
    driver, interests = _following()

    async def silent(directory: str) -> list[str]:
        await asyncio.Event().wait()
        return []

    driver._znodes.names = silent  # type: ignore[method-assign]
    asyncio.get_running_loop().call_later(0.01, driver._connection._break, error)
    with pytest.raises(type(error), match=str(error)):
        await driver.follow(interests, lambda *_: None)
