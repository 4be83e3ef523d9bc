"""Names are resolved in separate threads, with one pending lookup per name."""

import asyncio
import socket
import threading
from collections.abc import Iterator
from socket import AF_INET, AF_INET6

import pytest

from tests.resolving import resolving
from tests.servers.process import wait_for
from tests.unit.waiting import eventually
from vipagent.net.endpoint import Endpoint
from vipagent.net.resolver import Address, Resolver

NAME = Endpoint("store.example", 2181)


class NameServer:
    """The system's resolver, which replies when a test permits it."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self.asked: list[str] = []
        self.answers = threading.Event()
        self.names: dict[str, tuple[str, ...]] = {NAME.host: ("192.0.2.1", "2001:db8::1")}
        monkeypatch.setattr(socket, "getaddrinfo", resolving(self.names, self._ask))

    def _ask(self, host: str) -> None:
        self.asked.append(host)
        self.answers.wait(30.0)


@pytest.fixture
def name_server(monkeypatch: pytest.MonkeyPatch) -> Iterator[NameServer]:
    server = NameServer(monkeypatch)
    yield server
    server.answers.set()
    wait_for("no lookup is pending", lambda: not lookups())


def lookups() -> list[threading.Thread]:
    return [thread for thread in threading.enumerate() if thread.name == "vipagent-resolver"]


def test_a_name_has_all_its_addresses_with_the_port_that_was_asked_for(name_server: NameServer) -> None:
    name_server.answers.set()
    found = asyncio.run(Resolver().addresses(NAME))
    assert found == [
        Address(AF_INET, ("192.0.2.1", 2181)),
        Address(AF_INET6, ("2001:db8::1", 2181, 0, 0)),
    ]


@pytest.mark.parametrize(
    ("host", "found"),
    [
        ("127.0.0.1", [Address(AF_INET, ("127.0.0.1", 80))]),
        ("::1", [Address(AF_INET6, ("::1", 80, 0, 0))]),
        ("localhost", [Address(AF_INET6, ("::1", 80, 0, 0)), Address(AF_INET, ("127.0.0.1", 80))]),
        ("LocalHost.", [Address(AF_INET6, ("::1", 80, 0, 0)), Address(AF_INET, ("127.0.0.1", 80))]),
    ],
)
def test_literal_addresses_and_localhost_are_not_looked_up(
    name_server: NameServer, host: str, found: list[Address]
) -> None:
    name_server.names |= {"localhost": (), "LocalHost.": ()}
    assert asyncio.run(Resolver().addresses(Endpoint(host, 80))) == found
    assert name_server.asked == []
    assert lookups() == []


def test_concurrent_callers_share_one_lookup(name_server: NameServer) -> None:
    resolver = Resolver()

    async def scenario() -> None:
        asking = [asyncio.create_task(resolver.addresses(Endpoint(NAME.host, port))) for port in (1, 2, 3)]
        await eventually("it is asked", lambda: name_server.asked)
        assert len(lookups()) == 1
        assert lookups()[0].daemon, "an unresponsive name server does not delay the exit"
        name_server.answers.set()
        found = await asyncio.gather(*asking)
        assert [addresses[0].sockaddr[1] for addresses in found] == [1, 2, 3]
        assert name_server.asked == [NAME.host]
        await resolver.addresses(NAME)
        assert len(name_server.asked) == 2, "results are not cached"

    asyncio.run(scenario())


def test_other_threads_wait_for_the_same_look_up(name_server: NameServer) -> None:
    resolver = Resolver()
    found: list[list[Address]] = []
    asking = [
        threading.Thread(target=lambda: found.append(asyncio.run(resolver.addresses(NAME)))) for _ in range(3)
    ]
    for thread in asking:
        thread.start()
    wait_for("it is asked", lambda: name_server.asked)
    name_server.answers.set()
    for thread in asking:
        thread.join(30.0)
    assert len(found) == 3


def test_giving_up_leaves_the_look_up_to_the_next(name_server: NameServer) -> None:
    resolver = Resolver()

    async def scenario() -> None:
        for _ in range(3):
            with pytest.raises(TimeoutError):
                async with asyncio.timeout(0.02):
                    await resolver.addresses(NAME)
        asking = asyncio.create_task(resolver.addresses(NAME))
        await asyncio.sleep(0)
        assert len(lookups()) == 1
        name_server.answers.set()
        assert len(await asking) == 2

    asyncio.run(scenario())
    assert name_server.asked == [NAME.host]


def test_a_closed_loop_is_ignored(name_server: NameServer, caplog: pytest.LogCaptureFixture) -> None:
    async def give_up() -> None:
        async with asyncio.timeout(0.02):
            await Resolver().addresses(NAME)

    with pytest.raises(TimeoutError):
        asyncio.run(give_up())
    name_server.answers.set()
    wait_for("no lookup is pending", lambda: not lookups())
    assert caplog.records == []


def test_a_name_that_does_not_resolve_is_asked_for_again(name_server: NameServer) -> None:
    resolver = Resolver()
    name_server.answers.set()
    name_server.names[NAME.host] = ()
    for _ in range(2):
        with pytest.raises(socket.gaierror):
            asyncio.run(resolver.addresses(NAME))
    name_server.names[NAME.host] = ("192.0.2.1",)
    assert len(asyncio.run(resolver.addresses(NAME))) == 1


@pytest.mark.parametrize("host", ["a..b", "x" * 70, "nul\0.example", "\ud800"])
def test_invalid_names_cannot_be_resolved(host: str) -> None:
    with pytest.raises(socket.gaierror, match=r"not a host name|not known"):
        asyncio.run(Resolver().addresses(Endpoint(host, 80)))
