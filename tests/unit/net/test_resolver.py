"""Names are resolved in separate threads, with one lookup per name at a time."""

import asyncio
import socket
import threading
from collections.abc import Iterator
from socket import AF_INET, AF_INET6

import pytest

from tests.fake_dns import fake_getaddrinfo
from tests.servers.process import wait_for
from tests.unit.waiting import eventually
from vipagent.net.endpoint import Endpoint
from vipagent.net.resolver import Address, Resolver

NAME = Endpoint("store.example", 2181)


class NameServer:
    """A stand-in for the system's resolver, which replies after `may_reply` is set."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self.queries: list[str] = []
        self.may_reply = threading.Event()
        self.names: dict[str, tuple[str, ...]] = {NAME.host: ("192.0.2.1", "2001:db8::1")}
        monkeypatch.setattr(socket, "getaddrinfo", fake_getaddrinfo(self.names, self._on_lookup))

    def _on_lookup(self, host: str) -> None:
        self.queries.append(host)
        self.may_reply.wait(30.0)


@pytest.fixture
def name_server(monkeypatch: pytest.MonkeyPatch) -> Iterator[NameServer]:
    server = NameServer(monkeypatch)
    yield server
    server.may_reply.set()
    wait_for("all lookups have ended", lambda: not lookups())


def lookups() -> list[threading.Thread]:
    return [thread for thread in threading.enumerate() if thread.name == "vipagent-resolver"]


def test_all_addresses_of_a_name_are_returned_with_the_port(name_server: NameServer) -> None:
    name_server.may_reply.set()
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
    assert name_server.queries == []
    assert lookups() == []


def test_concurrent_callers_share_one_lookup(name_server: NameServer) -> None:
    resolver = Resolver()

    async def scenario() -> None:
        callers = [asyncio.create_task(resolver.addresses(Endpoint(NAME.host, port))) for port in (1, 2, 3)]
        await eventually("the lookup has started", lambda: name_server.queries)
        assert len(lookups()) == 1
        assert lookups()[0].daemon, "a silent name server must not delay the exit of the process"
        name_server.may_reply.set()
        found = await asyncio.gather(*callers)
        assert [addresses[0].sockaddr[1] for addresses in found] == [1, 2, 3]
        assert name_server.queries == [NAME.host]
        await resolver.addresses(NAME)
        assert len(name_server.queries) == 2, "results must not be cached"

    asyncio.run(scenario())


def test_other_threads_share_the_same_lookup(name_server: NameServer) -> None:
    resolver = Resolver()
    found: list[list[Address]] = []
    callers = [
        threading.Thread(target=lambda: found.append(asyncio.run(resolver.addresses(NAME)))) for _ in range(3)
    ]
    for thread in callers:
        thread.start()
    wait_for("the lookup has started", lambda: name_server.queries)
    name_server.may_reply.set()
    for thread in callers:
        thread.join(30.0)
    assert len(found) == 3


def test_a_lookup_continues_after_a_timeout_of_its_caller(name_server: NameServer) -> None:
    resolver = Resolver()

    async def scenario() -> None:
        for _ in range(3):
            with pytest.raises(TimeoutError):
                async with asyncio.timeout(0.02):
                    await resolver.addresses(NAME)
        callers = asyncio.create_task(resolver.addresses(NAME))
        await asyncio.sleep(0)
        assert len(lookups()) == 1
        name_server.may_reply.set()
        assert len(await callers) == 2

    asyncio.run(scenario())
    assert name_server.queries == [NAME.host]


def test_a_closed_loop_is_ignored(name_server: NameServer, caplog: pytest.LogCaptureFixture) -> None:
    async def give_up() -> None:
        async with asyncio.timeout(0.02):
            await Resolver().addresses(NAME)

    with pytest.raises(TimeoutError):
        asyncio.run(give_up())
    name_server.may_reply.set()
    wait_for("all lookups have ended", lambda: not lookups())
    assert caplog.records == []


def test_a_failed_lookup_is_repeated(name_server: NameServer) -> None:
    resolver = Resolver()
    name_server.may_reply.set()
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
