"""What etcd's driver asks for, of a gateway in the test."""

import asyncio

import pytest

from tests.unit.store.coroutines import async_test
from vipagent.store.backend import StoreSettings
from vipagent.store.driver import SessionEnded
from vipagent.store.layout import Directory, Key, Kind
from vipagent.testing.slowness import allowed
from vipagent_etcd.channel import Channel
from vipagent_etcd.driver import EtcdDriver
from vipagent_etcd.keyvalues import Message

MEMBERS = Directory(Kind.MEMBERS, "apex")


class Answering:
    """A gateway that notes the requests, and answers all of them alike."""

    patience = 1.0

    def __init__(self, answer: Message) -> None:
        self.asked: list[tuple[str, Message]] = []
        self._answer = answer

    async def ask(self, path: str, request: Message, any_token: bool = False) -> Message:
        self.asked.append((path, request))
        return self._answer


@async_test
async def test_without_a_lease_nothing_ephemeral_is_put() -> None:
    """The lease may have run out a moment ago; a key without one would stay for ever."""
    driver = EtcdDriver(StoreSettings("node1", "run1"))
    gateway = driver._gateway = Answering({"header": {"revision": "5"}, "succeeded": True})  # type: ignore[assignment]
    with pytest.raises(SessionEnded):
        await driver.put(Key(MEMBERS, "10.0.0.1"), b"x", None, ephemeral=True)
    assert gateway.asked == []


@async_test
async def test_a_keep_alive_does_not_wait_for_the_registrations_turn(monkeypatch: pytest.MonkeyPatch) -> None:
    """With a disk that is slow, a few dozens of them would cost the session."""

    async def slow(_: Channel, path: str, *__: object) -> Message:
        await asyncio.sleep(0.05)
        return {"header": {"revision": "5"}, "succeeded": True, "TTL": "6"}

    monkeypatch.setattr(Channel, "post", slow)
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
