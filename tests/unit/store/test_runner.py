"""A driver that fails, hangs or breaks, run as any other: what the agent and the operator are told."""

import asyncio
import logging
import time
from collections.abc import Awaitable, Callable, Iterator
from typing import Never

import pytest

from vipagent.core.words import StoreState
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
from vipagent.testing.store import PATIENCE

LIFE = 1.0
SETTINGS = StoreSettings("node1", "run1", session_timeout=LIFE)


class GivenUp(Exception):
    """Has a driver do what it must not do: return."""


async def give_up() -> None:
    """Follow no longer."""
    raise GivenUp


class Scripted(Driver):
    """A store in a dictionary; a test replaces what it wants to fail."""

    name = "scripted"
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
        return SessionInfo(LIFE, "a scripted store")

    async def follow(self, interests: Interests, on_listing: OnListing) -> Never:
        while True:
            try:
                await self._act("follow")
            except GivenUp:
                return  # type: ignore[misc]  # it is what it must not do
            for directory in interests.names:
                on_listing(directory, await self.read(directory))
            self.changed.clear()
            waiting = [asyncio.ensure_future(wait()) for wait in (self.changed.wait, interests.changed)]
            await asyncio.wait(waiting, return_when=asyncio.FIRST_COMPLETED)
            for task in waiting:
                task.cancel()

    async def get(self, key: Key) -> Found | None:
        await self._act("look")
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
    """Return what fails in this way."""

    async def fail() -> None:
        raise error

    return fail


async def hang() -> None:
    """Never answer."""
    await asyncio.Event().wait()


class Agent:
    """A client of a scripted driver, and what it was told."""

    def __init__(self) -> None:
        self.seen = Recorder()
        self.client = StoreClient(Scripted, SETTINGS, self.seen)
        driver = self.client._driver
        assert isinstance(driver, Scripted)
        self.driver = driver

    def open(self) -> None:
        self.client.watch(MEMBERS, None)
        self.client.open()

    def connect(self) -> int:
        """Connect, and return a mark."""
        self.open()
        self.seen.wait_names(MEMBERS, [], PATIENCE)
        return self.seen.mark()

    def back(self, mark: int) -> None:
        """Wait until it is connected again, and all was told anew."""
        self.driver.fail.clear()
        self.seen.wait_state(StoreState.CONNECTED, PATIENCE, mark)
        self.seen.wait_for(lambda: self.seen.snapshots(MEMBERS, mark), PATIENCE)


@pytest.fixture
def agent() -> Iterator[Agent]:
    agent = Agent()
    yield agent
    agent.client.close(2.0)


def test_what_is_desired_before_it_is_opened_comes_true(agent: Agent) -> None:
    agent.client.register(member(1), b"x")
    agent.open()
    agent.seen.wait_names(MEMBERS, [member(1).name], PATIENCE)
    agent.client.deregister(member(1))
    agent.seen.wait_names(MEMBERS, [], PATIENCE)


def test_what_is_desired_at_once_is_looked_at_once(agent: Agent, monkeypatch: pytest.MonkeyPatch) -> None:
    """Each look costs as much as there is: with a thousand services, seconds."""
    looks: list[int] = []
    replace = Interests.replace

    def counted(interests: Interests, names: Names, alone: frozenset[Directory]) -> None:
        looks.append(len(names))
        replace(interests, names, alone)

    monkeypatch.setattr(Interests, "replace", counted)
    for number in range(100):
        agent.client.watch(Directory(Kind.MEMBERS, f"service{number}"))
    agent.connect()
    assert looks[-1] == 101
    assert len(looks) < 10


@pytest.mark.parametrize("request_", ["keep_alive", "put", "look", "follow"])
def test_whatever_breaks_the_connection_the_next_server_is_asked(agent: Agent, request_: str) -> None:
    """All that uses the connection ends with it, and what was desired comes true at another."""
    mark = agent.connect()
    agent.driver.fail[request_] = raising(Disconnected("it broke"))
    agent.client.register(member(1), b"x")
    if request_ == "look":
        agent.driver.fail["put"] = raising(EntryChanged("changed"))
    agent.seen.wait_told(StoreState.UNSURE, PATIENCE, mark)
    agent.back(mark)
    agent.seen.wait_names(MEMBERS, [member(1).name], PATIENCE, mark)
    assert set(agent.driver.connected) == {"a:1", "b:1"}


def test_a_server_that_hangs_is_left_and_the_session_lost_in_time(agent: Agent) -> None:
    mark = agent.connect()
    agent.driver.fail = {"keep_alive": hang, "connect": hang}
    began = time.monotonic()
    agent.seen.wait_state(StoreState.LOST, PATIENCE, mark)
    assert time.monotonic() - began < allowed(LIFE + 1.0)
    assert agent.seen.states(mark)[0] is StoreState.UNSURE
    agent.back(mark)


def test_a_driver_that_stops_following_is_connected_anew(agent: Agent) -> None:
    """Whoever followed nothing any more, and knew of nothing, would be told nothing for ever."""
    mark = agent.connect()
    agent.driver.fail["follow"] = give_up
    agent.client.register(member(1), b"x")
    agent.seen.wait_told(StoreState.UNSURE, PATIENCE, mark)
    agent.back(mark)


@pytest.mark.parametrize("request_", ["connect", "keep_alive", "follow"])
def test_a_request_that_cancels_itself_is_a_failed_one(agent: Agent, request_: str) -> None:
    """A driver's own future was cancelled, not we."""
    mark = agent.connect()
    agent.driver.fail[request_] = raising(asyncio.CancelledError())
    if request_ == "connect":
        agent.driver.fail["keep_alive"] = raising(Disconnected("it broke"))
    agent.client.register(member(1), b"x")
    agent.seen.wait_told(StoreState.UNSURE, PATIENCE, mark)
    eventually(lambda: len(agent.driver.connected) > 1, PATIENCE, "it connects again")
    agent.back(mark)


def test_a_session_that_the_store_ends_is_lost_and_begun_anew(agent: Agent) -> None:
    mark = agent.connect()
    agent.driver.fail["keep_alive"] = raising(SessionEnded("it has expired"))
    agent.seen.wait_told(StoreState.LOST, PATIENCE, mark)
    assert StoreState.UNSURE not in agent.seen.states(mark)
    agent.back(mark)


def test_a_bug_in_a_driver_is_logged_once_and_tried_again(
    agent: Agent, caplog: pytest.LogCaptureFixture
) -> None:
    mark = agent.connect()
    agent.driver.fail["keep_alive"] = raising(ZeroDivisionError("a bug"))
    agent.seen.wait_told(StoreState.LOST, PATIENCE, mark)
    agent.back(mark)
    texts = [record.getMessage() for record in caplog.records if record.levelno >= logging.WARNING]
    assert len(set(texts)) == len(texts) <= len(Scripted.servers)
    assert "unexpected error: ZeroDivisionError: a bug" in texts[0]


def test_what_is_refused_is_logged_once_and_the_rest_goes_on(
    agent: Agent, caplog: pytest.LogCaptureFixture
) -> None:
    mark = agent.connect()
    agent.driver.fail["put"] = raising(Refused("no permission"))
    agent.client.register(member(1), b"x")
    eventually(lambda: "no permission" in caplog.text, PATIENCE, "the refusal is logged")
    since = time.monotonic()
    eventually(lambda: time.monotonic() > since + 1.5, PATIENCE, "it was tried again meanwhile")
    assert agent.seen.states(mark) == []
    assert caplog.text.count("no permission") == 1
    agent.driver.fail.clear()
    agent.seen.wait_names(MEMBERS, [member(1).name], PATIENCE)


def test_an_unreadable_directory_is_no_empty_one(agent: Agent) -> None:
    async def unreadable() -> None:
        raise Refused("no permission")

    agent.driver.fail["read"] = unreadable
    agent.open()
    agent.seen.wait_state(StoreState.UNSURE, PATIENCE)
    assert StoreState.CONNECTED not in agent.seen.states()
    assert agent.seen.snapshots(MEMBERS) == []


class TestCommands:
    """Bounded, over all servers."""

    def test_they_do_their_work(self, agent: Agent) -> None:
        agent.connect()
        key = Key(Directory(Kind.MAINTENANCE, "apex"), "all")
        agent.client.write(key, b"why", PATIENCE)
        assert agent.client.read(key.directory, PATIENCE)["all"].value == b"why"
        assert agent.client.erase(key, PATIENCE)
        assert not agent.client.erase(key, PATIENCE)

    def test_they_wait_for_the_session_for_so_long(self, agent: Agent) -> None:
        agent.driver.fail["connect"] = raising(Disconnected("connection refused"))
        agent.open()
        agent.seen.wait_state(StoreState.LOST, PATIENCE)
        with pytest.raises(
            StoreError, match=r"reading /exabgp/service/apex: not done within 0\.3 s: .*refused"
        ):
            agent.client.read(MEMBERS, 0.3)

    def test_they_do_not_wait_where_all_refuse(self, agent: Agent) -> None:
        agent.driver.fail["connect"] = raising(Refused("wrong password"))
        agent.open()
        with pytest.raises(StoreError, match=r"a:1: wrong password; b:1: wrong password"):
            agent.client.read(MEMBERS, allowed(10.0))

    def test_one_that_is_refused_names_the_server(self, agent: Agent) -> None:
        agent.connect()
        agent.driver.fail["put"] = raising(Refused("no permission"))
        with pytest.raises(StoreError, match=r"scripted: writing .*: [ab]:1: no permission"):
            agent.client.write(member(1), b"", PATIENCE)

    def test_a_bug_in_a_driver_is_told_as_one(self, agent: Agent) -> None:
        agent.connect()
        agent.driver.fail["look"] = raising(ZeroDivisionError("a bug"))
        with pytest.raises(StoreError, match="unexpected error: ZeroDivisionError: a bug"):
            agent.client.write(member(1), b"", PATIENCE)

    def test_a_connection_that_is_lost_meanwhile_is_made_up_for(self, agent: Agent) -> None:
        """On another server."""
        agent.connect()
        agent.driver.fail = {"look": hang, "keep_alive": raising(Disconnected("it broke"))}
        eventually(lambda: len(agent.driver.connected) > 2, PATIENCE, "it looks for another server")
        agent.driver.fail.clear()
        agent.client.write(member(1), b"x", PATIENCE)

    def test_without_a_session_they_say_so(self, agent: Agent) -> None:
        with pytest.raises(StoreError, match="the session is not open"):
            agent.client.read(MEMBERS, 1.0)


class TestClosing:
    """In time, whatever the store does."""

    def test_the_session_ends_at_the_store(self, agent: Agent) -> None:
        agent.connect()
        agent.client.close(2.0)
        assert agent.driver.closed == 1

    def test_at_the_next_server_if_the_first_hangs(self, agent: Agent) -> None:
        agent.connect()

        async def hang_at_the_first() -> None:
            if len(agent.driver.connected) == 1:
                await hang()

        agent.driver.fail["close"] = hang_at_the_first
        agent.client.close(1.0)
        assert agent.driver.closed == 1
        assert len(set(agent.driver.connected)) == 2

    def test_in_time_if_nobody_answers(self, agent: Agent) -> None:
        agent.connect()
        agent.driver.fail = {"close": hang, "connect": hang}
        began = time.monotonic()
        agent.client.close(1.0)
        assert time.monotonic() - began < allowed(1.2)

    def test_nothing_is_told_afterwards(self, agent: Agent) -> None:
        agent.connect()
        agent.client.close(2.0)
        mark = agent.seen.mark()
        agent.client.register(member(1), b"x")
        agent.client.close(2.0)
        assert agent.seen.events(mark) == []

    def test_between_two_servers_it_ends_at_the_next_one(
        self, agent: Agent, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        """Not at the one that has just failed, and then at that again."""
        mark = agent.connect()
        monkeypatch.setattr(backoff, "delay", lambda *_, **__: 60.0)
        left = agent.driver.connected[-1]

        async def only_the_other_answers() -> None:
            if agent.driver.connected[-1] == left:
                raise Disconnected("connection refused")

        agent.driver.fail = dict.fromkeys(("keep_alive", "connect", "close"), only_the_other_answers)
        agent.seen.wait_state(StoreState.UNSURE, PATIENCE, mark)
        agent.client.close(2.0)
        assert agent.driver.closed == 1
