"""Session states, commands and logs with a driver that fails or hangs."""

import asyncio
import logging
import time
from collections.abc import Awaitable, Callable, Iterator
from typing import Never

import pytest

from vipagent.net import backoff
from vipagent.store.backend import StoreError, StoreSettings
from vipagent.store.client import StoreClient
from vipagent.store.driver import (
    Disconnected,
    Driver,
    EntryChanged,
    Found,
    Holder,
    Interests,
    Listing,
    Names,
    OnListing,
    Refused,
    SessionEnded,
    SessionInfo,
)
from vipagent.store.layout import Directory, Key, Kind
from vipagent.testing.peers import MEMBERS, eventually, member
from vipagent.testing.recorder import Recorder
from vipagent.testing.slowness import allowed
from vipagent.testing.store import WAIT_TIMEOUT
from vipagent.types import StoreState

LIFE = allowed(1.0)
SETTINGS = StoreSettings("node1", "run1", session_timeout=LIFE)


class StopFollowing(Exception):
    """Makes `FakeDriver.follow` return, which a driver must not do."""


async def stop_following() -> None:
    raise StopFollowing


class FakeDriver(Driver):
    """A store in a dictionary. `fail` replaces requests by failures."""

    name = "fake"
    servers = ("a:1", "b:1")

    def __init__(self, settings: StoreSettings) -> None:
        super().__init__(settings)
        self.entries: dict[Key, Found] = {}
        self.connected: list[str] = []
        self.closed = 0
        self.fail: dict[str, Callable[[], Awaitable[None]]] = {}
        self.changed = asyncio.Event()
        self._versions = 0

    async def connect(self, server: str) -> None:
        self.connected.append(server)
        await self._act("connect")

    async def keep_alive(self) -> SessionInfo:
        await self._act("keep_alive")
        return SessionInfo(LIFE, "a fake store")

    async def follow(self, interests: Interests, on_listing: OnListing) -> Never:
        while True:
            try:
                await self._act("follow")
            except StopFollowing:
                return  # type: ignore[misc]  # returns on purpose
            for directory in interests.names:
                on_listing(directory, await self.read(directory))
            self.changed.clear()
            waiting = [asyncio.ensure_future(wait()) for wait in (self.changed.wait, interests.changed)]
            await asyncio.wait(waiting, return_when=asyncio.FIRST_COMPLETED)
            for task in waiting:
                task.cancel()

    async def get(self, key: Key) -> Found | None:
        await self._act("get")
        return self.entries.get(key)

    async def read(self, directory: Directory) -> Listing:
        await self._act("read")
        return {key.name: found for key, found in self.entries.items() if key.directory == directory}

    async def put(self, key: Key, value: bytes, expected: Found | None, *, ephemeral: bool) -> Found:
        await self._act("put")
        if self.entries.get(key) != expected:
            raise EntryChanged("changed")
        self._versions += 1
        self.entries[key] = Found(value, self._versions, Holder.OURS if ephemeral else Holder.OTHER)
        self.changed.set()
        return self.entries[key]

    async def delete(self, key: Key, found: Found) -> None:
        await self._act("delete")
        if self.entries.get(key) != found:
            raise EntryChanged("changed")
        del self.entries[key]
        self.changed.set()

    async def close(self) -> None:
        await self._act("close")
        self.closed += 1

    async def _act(self, request: str) -> None:
        if request in self.fail:
            await self.fail[request]()


def raising(error: BaseException) -> Callable[[], Awaitable[None]]:
    """Return a coroutine function that raises this error."""

    async def fail() -> None:
        raise error

    return fail


async def hang() -> None:
    """Never return."""
    await asyncio.Event().wait()


class Agent:
    """A client of a fake driver, and its recorded events."""

    def __init__(self) -> None:
        self.seen = Recorder()
        self.client = StoreClient(FakeDriver, SETTINGS, self.seen)
        driver = self.client._driver
        assert isinstance(driver, FakeDriver)
        self.driver = driver

    def open(self) -> None:
        self.client.watch(MEMBERS, None)
        self.client.open()

    def connect(self) -> int:
        """Connect, and return a mark."""
        self.open()
        self.seen.wait_names(MEMBERS, [], WAIT_TIMEOUT)
        return self.seen.mark()

    def wait_reconnected(self, mark: int) -> None:
        """Wait until the session is connected and the directory reported again."""
        self.driver.fail.clear()
        self.seen.wait_state(StoreState.CONNECTED, WAIT_TIMEOUT, mark)
        self.seen.wait_for(lambda: self.seen.snapshots(MEMBERS, mark), WAIT_TIMEOUT)


@pytest.fixture
def agent() -> Iterator[Agent]:
    agent = Agent()
    yield agent
    agent.client.close(2.0)


def test_calls_before_open_are_applied(agent: Agent) -> None:
    agent.client.register(member(1), b"x")
    agent.open()
    agent.seen.wait_names(MEMBERS, [member(1).name], WAIT_TIMEOUT)
    agent.client.deregister(member(1))
    agent.seen.wait_names(MEMBERS, [], WAIT_TIMEOUT)


def test_changes_of_the_desired_state_are_applied_together(
    agent: Agent, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The cost of each refresh is proportional to the number of services."""
    refreshes: list[int] = []
    replace = Interests.replace

    def counted(interests: Interests, names: Names, alone: frozenset[Directory]) -> None:
        refreshes.append(len(names))
        replace(interests, names, alone)

    monkeypatch.setattr(Interests, "replace", counted)
    for number in range(100):
        agent.client.watch(Directory(Kind.MEMBERS, f"service{number}"))
    agent.connect()
    assert refreshes[-1] == 101
    assert len(refreshes) < 10


@pytest.mark.parametrize("request_", ["keep_alive", "put", "get", "follow"])
def test_next_server_after_a_disconnection(agent: Agent, request_: str) -> None:
    """All tasks of the connection end with it, and the registration is made at another server."""
    mark = agent.connect()
    agent.driver.fail[request_] = raising(Disconnected("the connection failed"))
    if request_ == "get":
        agent.driver.fail["put"] = raising(EntryChanged("changed"))
    agent.client.register(member(1), b"x")
    agent.seen.wait_reported(StoreState.UNSURE, WAIT_TIMEOUT, mark)
    agent.wait_reconnected(mark)
    agent.seen.wait_names(MEMBERS, [member(1).name], WAIT_TIMEOUT, mark)
    assert set(agent.driver.connected) == {"a:1", "b:1"}


def test_session_is_lost_in_time_when_the_server_hangs(agent: Agent) -> None:
    mark = agent.connect()
    agent.driver.fail = {"keep_alive": hang, "connect": hang}
    began = time.monotonic()
    agent.seen.wait_state(StoreState.LOST, WAIT_TIMEOUT, mark)
    assert time.monotonic() - began < LIFE + allowed(1.0)
    assert agent.seen.states(mark)[0] is StoreState.UNSURE
    agent.wait_reconnected(mark)


def test_reconnection_when_follow_returns(agent: Agent) -> None:
    """Otherwise the agent would never be notified again."""
    mark = agent.connect()
    agent.driver.fail["follow"] = stop_following
    agent.client.register(member(1), b"x")
    agent.seen.wait_reported(StoreState.UNSURE, WAIT_TIMEOUT, mark)
    agent.wait_reconnected(mark)


@pytest.mark.parametrize("request_", ["connect", "keep_alive", "follow"])
def test_a_request_that_cancels_itself_has_failed(agent: Agent, request_: str) -> None:
    """A future of the driver was cancelled, not the task."""
    mark = agent.connect()
    agent.driver.fail[request_] = raising(asyncio.CancelledError())
    if request_ == "connect":
        agent.driver.fail["keep_alive"] = raising(Disconnected("the connection failed"))
    agent.client.register(member(1), b"x")
    agent.seen.wait_reported(StoreState.UNSURE, WAIT_TIMEOUT, mark)
    eventually(lambda: len(agent.driver.connected) > 1, WAIT_TIMEOUT, "reconnects")
    agent.wait_reconnected(mark)


def test_a_session_ended_by_the_store_is_lost_and_replaced(agent: Agent) -> None:
    mark = agent.connect()
    agent.driver.fail["keep_alive"] = raising(SessionEnded("it has expired"))
    agent.seen.wait_reported(StoreState.LOST, WAIT_TIMEOUT, mark)
    assert StoreState.UNSURE not in agent.seen.states(mark)
    agent.wait_reconnected(mark)


def test_a_bug_in_a_driver_is_logged_once_and_retried(agent: Agent, caplog: pytest.LogCaptureFixture) -> None:
    mark = agent.connect()
    agent.driver.fail["keep_alive"] = raising(ZeroDivisionError("a bug"))
    agent.seen.wait_reported(StoreState.LOST, WAIT_TIMEOUT, mark)
    agent.wait_reconnected(mark)
    texts = [record.getMessage() for record in caplog.records if record.levelno >= logging.WARNING]
    assert len(set(texts)) == len(texts) <= len(FakeDriver.servers)
    assert "unexpected error: ZeroDivisionError: a bug" in texts[0]


def test_a_refused_request_is_logged_once_and_the_session_continues(
    agent: Agent, caplog: pytest.LogCaptureFixture
) -> None:
    mark, refusals = agent.connect(), list[float]()

    async def refuse() -> None:
        refusals.append(time.monotonic())
        raise Refused("no permission")

    agent.driver.fail["put"] = refuse
    agent.client.register(member(1), b"x")
    eventually(lambda: len(refusals) >= 3, WAIT_TIMEOUT, "the request is retried")
    assert agent.seen.states(mark) == []
    assert caplog.text.count("no permission") == 1
    agent.driver.fail.clear()
    agent.seen.wait_names(MEMBERS, [member(1).name], WAIT_TIMEOUT)


def test_an_unreadable_directory_is_not_reported(agent: Agent) -> None:
    async def unreadable() -> None:
        raise Refused("no permission")

    agent.driver.fail["read"] = unreadable
    agent.open()
    agent.seen.wait_state(StoreState.UNSURE, WAIT_TIMEOUT)
    assert StoreState.CONNECTED not in agent.seen.states()
    assert agent.seen.snapshots(MEMBERS) == []


class TestCommands:
    """Operators' commands, with a time limit, on all servers."""

    def test_read_write_and_erase(self, agent: Agent) -> None:
        agent.connect()
        key = Key(Directory(Kind.MAINTENANCE, "apex"), "all")
        agent.client.write(key, b"why", WAIT_TIMEOUT)
        assert agent.client.read(key.directory, WAIT_TIMEOUT)["all"].value == b"why"
        assert agent.client.erase(key, WAIT_TIMEOUT)
        assert not agent.client.erase(key, WAIT_TIMEOUT)

    def test_timeout_while_the_session_is_not_connected(self, agent: Agent) -> None:
        agent.driver.fail["connect"] = raising(Disconnected("connection refused"))
        agent.open()
        agent.seen.wait_state(StoreState.LOST, WAIT_TIMEOUT)
        with pytest.raises(
            StoreError, match=r"reading /exabgp/service/apex: not done within 0\.3 s: .*refused"
        ):
            agent.client.read(MEMBERS, 0.3)

    def test_no_wait_when_every_server_refuses(self, agent: Agent) -> None:
        agent.driver.fail["connect"] = raising(Refused("wrong password"))
        agent.open()
        with pytest.raises(StoreError, match=r"a:1: wrong password; b:1: wrong password"):
            agent.client.read(MEMBERS, allowed(10.0))

    def test_a_refused_command_names_the_server(self, agent: Agent) -> None:
        agent.connect()
        agent.driver.fail["put"] = raising(Refused("no permission"))
        with pytest.raises(StoreError, match=r"fake: writing .*: [ab]:1: no permission"):
            agent.client.write(member(1), b"", WAIT_TIMEOUT)

    def test_a_bug_in_a_driver_is_reported(self, agent: Agent) -> None:
        agent.connect()
        agent.driver.fail["get"] = raising(ZeroDivisionError("a bug"))
        with pytest.raises(StoreError, match="unexpected error: ZeroDivisionError: a bug"):
            agent.client.write(member(1), b"", WAIT_TIMEOUT)

    def test_a_command_is_retried_after_a_lost_connection(self, agent: Agent) -> None:
        agent.connect()
        agent.driver.fail = {"get": hang, "keep_alive": raising(Disconnected("the connection failed"))}
        eventually(lambda: len(agent.driver.connected) > 2, WAIT_TIMEOUT, "connects to another server")
        agent.driver.fail.clear()
        agent.client.write(member(1), b"x", WAIT_TIMEOUT)

    def test_error_when_the_session_is_not_open(self, agent: Agent) -> None:
        with pytest.raises(StoreError, match="the session is not open"):
            agent.client.read(MEMBERS, 1.0)


class TestClosing:
    """`close` returns in time."""

    def test_the_session_is_ended_in_the_store(self, agent: Agent) -> None:
        agent.connect()
        agent.client.close(2.0)
        assert agent.driver.closed == 1

    def test_next_server_when_the_first_one_hangs(self, agent: Agent) -> None:
        agent.connect()

        async def hang_at_the_first() -> None:
            if len(agent.driver.connected) == 1:
                await hang()

        agent.driver.fail["close"] = hang_at_the_first
        agent.client.close(1.0)
        assert agent.driver.closed == 1
        assert len(set(agent.driver.connected)) == 2

    def test_timeout_when_every_server_hangs(self, agent: Agent) -> None:
        agent.connect()
        agent.driver.fail = {"close": hang, "connect": hang}
        began = time.monotonic()
        agent.client.close(1.0)
        assert time.monotonic() - began < allowed(1.2)

    def test_no_events_after_close(self, agent: Agent) -> None:
        agent.connect()
        agent.client.close(2.0)
        mark = agent.seen.mark()
        agent.client.register(member(1), b"x")
        agent.client.close(2.0)
        assert agent.seen.events(mark) == []

    def test_close_between_two_connections_uses_the_next_server(
        self, agent: Agent, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        """The server that has just failed is not tried again."""
        mark = agent.connect()
        monkeypatch.setattr(backoff, "delay", lambda *_, **__: 60.0)
        failed = agent.driver.connected[-1]

        async def only_the_other_answers() -> None:
            if agent.driver.connected[-1] == failed:
                raise Disconnected("connection refused")

        agent.driver.fail = dict.fromkeys(("keep_alive", "connect", "close"), only_the_other_answers)
        agent.seen.wait_state(StoreState.UNSURE, WAIT_TIMEOUT, mark)
        agent.client.close(2.0)
        assert agent.driver.closed == 1
