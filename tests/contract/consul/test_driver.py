"""When Consul's driver ends its earlier sessions, with a Consul agent in the test."""

import asyncio
from collections.abc import Mapping
from http import HTTPStatus

import pytest

from tests.unit.store.coroutines import async_test
from vipagent.net.endpoint import Endpoint
from vipagent.net.http import Answer, HttpClient
from vipagent.net.protocol import Head, Request
from vipagent.store.backend import StoreSettings
from vipagent.store.driver import Found, Holder, Refused
from vipagent.store.layout import Directory, Key, Kind
from vipagent.testing.slowness import allowed
from vipagent_consul.client import Client
from vipagent_consul.driver import ConsulDriver
from vipagent_consul.http import Channel

MEMBERS = Directory(Kind.MEMBERS, "apex")
FIRST, SECOND = Key(MEMBERS, "10.0.0.1"), Key(MEMBERS, "10.0.0.2")
EARLIER = Found(b"x", 3, Holder.EARLIER)


class Agent:
    """Takes every change, but those that a test keeps waiting or refuses."""

    def __init__(self) -> None:
        self.destroyed: list[str] = []
        self.waiting: dict[str, asyncio.Event] = {}
        self.refused = ""

    async def transact(self, path: str, *steps: Mapping[str, object]) -> int:
        name = path.rpartition("/")[2]
        if name == self.refused:
            raise Refused("no permission")
        if name in self.waiting:
            await self.waiting[name].wait()
        return 4

    async def destroy_session(self, session: str) -> None:
        self.destroyed.append(session)


async def _at_another(agent: Agent) -> ConsulDriver:
    """Return a driver with two entries that an earlier session holds still."""
    driver = ConsulDriver(StoreSettings("node1", "run1"))
    driver._connection = agent  # type: ignore[assignment]
    driver._session = "first"
    for key in (FIRST, SECOND):
        await driver.put(key, b"x", None, ephemeral=True)
    driver._earlier.append("first")
    driver._unended.add("first")
    driver._session = "second"
    return driver


@async_test
async def test_a_session_is_not_ended_while_an_entry_is_being_taken_over_from_it() -> None:
    """It would take the entry with it."""
    agent = Agent()
    driver = await _at_another(agent)
    agent.waiting[SECOND.name] = asyncio.Event()
    taking = asyncio.ensure_future(driver.put(SECOND, b"x", EARLIER, ephemeral=True))
    await asyncio.sleep(0)
    await driver.put(FIRST, b"x", EARLIER, ephemeral=True)
    assert agent.destroyed == []
    agent.waiting[SECOND.name].set()
    await taking
    assert agent.destroyed == ["first"]


@async_test
async def test_a_session_is_not_ended_while_an_entry_of_it_cannot_be_taken_over() -> None:
    agent = Agent()
    driver = await _at_another(agent)
    agent.refused = SECOND.name
    with pytest.raises(Refused):
        await driver.put(SECOND, b"x", EARLIER, ephemeral=True)
    await driver.put(FIRST, b"x", EARLIER, ephemeral=True)
    assert agent.destroyed == []


@async_test
async def test_a_keep_alive_does_not_wait_for_the_registrations_turn(monkeypatch: pytest.MonkeyPatch) -> None:
    """With Consul's servers far away, a few dozens of them would cost the session."""

    async def slow(client: HttpClient, request: Request, within: float, budget: float) -> Answer:
        await asyncio.sleep(0.1)
        return Answer(Head(HTTPStatus.OK, {}), b'[{"ID": "first"}]')

    monkeypatch.setattr(HttpClient, "fetch", slow)
    channel = Channel(Endpoint("127.0.0.1", 8500), "", None, 1.5)
    client = Client(Endpoint("127.0.0.1", 8500), channel)
    calls = asyncio.gather(*(client.deregister_service(str(number)) for number in range(32)))
    await asyncio.sleep(0)
    async with asyncio.timeout(allowed(0.4)):
        await client.pass_check("vipagent:node1:run1")
        await client.renew_session("first")
    calls.cancel()
