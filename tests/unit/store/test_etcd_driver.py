"""Requests of the etcd driver, with a fake gateway."""

import asyncio

import pytest

from tests.unit.store.coroutines import async_test
from vipagent.store.backend import StoreSettings
from vipagent.store.driver import SessionEnded
from vipagent.store.layout import Directory, Key, Kind
from vipagent.testing.slowness import allowed
from vipagent_etcd.channel import GatewayConnection
from vipagent_etcd.driver import EtcdDriver
from vipagent_etcd.keyvalues import Message

MEMBERS = Directory(Kind.MEMBERS, "apex")


class FakeGateway:
    """A gateway that records the requests, and returns the same response to each."""

    timeout = 1.0

    def __init__(self, response: Message) -> None:
        self.requests: list[tuple[str, Message]] = []
        self._response = response

    async def ask(self, path: str, request: Message, any_token: bool = False) -> Message:
        self.requests.append((path, request))
        return self._response


@async_test
async def test_an_ephemeral_put_without_a_lease_is_not_sent() -> None:
    """The lease may have expired; a key without a lease would be persistent."""
    driver = EtcdDriver(StoreSettings("node1", "run1"))
    gateway = driver._gateway = FakeGateway({"header": {"revision": "5"}, "succeeded": True})  # type: ignore[assignment]
    with pytest.raises(SessionEnded):
        await driver.put(Key(MEMBERS, "10.0.0.1"), b"x", None, ephemeral=True)
    assert gateway.requests == []


@async_test
async def test_a_keep_alive_is_not_queued_behind_registrations(monkeypatch: pytest.MonkeyPatch) -> None:
    """With a slow disk, a few dozen registrations would take longer than the session timeout."""

    async def slow(_: GatewayConnection, path: str, *__: object) -> Message:
        await asyncio.sleep(0.05)
        return {"header": {"revision": "5"}, "succeeded": True, "TTL": "6"}

    monkeypatch.setattr(GatewayConnection, "post", slow)
    driver = EtcdDriver(StoreSettings("node1", "run1"))
    await driver.connect(driver.servers[0])
    driver._lease = 7
    puts = asyncio.gather(
        *(driver.put(Key(MEMBERS, f"10.0.0.{number}"), b"x", None, ephemeral=True) for number in range(32))
    )
    await asyncio.sleep(0)
    async with asyncio.timeout(allowed(0.5)):
        await driver.keep_alive()
    puts.cancel()
