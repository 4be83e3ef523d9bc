"""From threads to the loop, in order and bounded (Shape 2)."""

import asyncio
import threading

from tests.unit.waiting import eventually
from vipagent.agent.agent import Inbox
from vipagent.store.backend import Entry, Snapshot
from vipagent.store.layout import Directory, Kind
from vipagent.types import StoreState

MEMBERS, KEYS = Directory(Kind.MEMBERS, "apex"), Directory(Kind.MAINTENANCE, "apex")
CONNECTED, UNSURE = StoreState.CONNECTED, StoreState.UNSURE


class Office:
    """An inbox, and what came out of it, where."""

    def __init__(self) -> None:
        self.taken: list[object] = []
        self.threads: set[threading.Thread] = set()
        self.inbox = Inbox(asyncio.get_running_loop(), self._session, self._snapshot)

    def _session(self, state: StoreState, detail: str) -> None:
        self.threads.add(threading.current_thread())
        self.taken.append((state, detail))

    def _snapshot(self, directory: Directory, entries: Snapshot) -> None:
        self.threads.add(threading.current_thread())
        self.taken.append((directory.kind, set(entries)))

    async def until(self, last: object) -> list[object]:
        """Wait until this has come out, and return everything that has."""
        await eventually(f"{last} has come out", lambda: last in self.taken)
        return self.taken


def test_all_comes_out_on_the_loop_and_in_order() -> None:
    async def run() -> None:
        office = Office()

        def backend() -> None:
            office.inbox.session(CONNECTED, "a")
            office.inbox.snapshot(MEMBERS, {"10.0.0.1": Entry()})
            office.inbox.snapshot(KEYS, {})
            office.inbox.session(UNSURE, "b")

        thread = threading.Thread(target=backend)
        thread.start()
        thread.join()
        assert office.taken == []
        assert await office.until((UNSURE, "b")) == [
            (CONNECTED, "a"),
            (Kind.MEMBERS, {"10.0.0.1"}),
            (Kind.MAINTENANCE, set()),
            (UNSURE, "b"),
        ]
        assert office.threads == {threading.current_thread()}

    asyncio.run(run())


def test_only_the_latest_snapshot_of_a_directory_waits() -> None:
    async def run() -> None:
        office = Office()
        for number in range(1000):
            office.inbox.snapshot(MEMBERS, {str(number): Entry()})
            office.inbox.snapshot(KEYS, {str(number): Entry()})
        assert await office.until((Kind.MAINTENANCE, {"999"})) == [
            (Kind.MEMBERS, {"999"}),
            (Kind.MAINTENANCE, {"999"}),
        ]

    asyncio.run(run())


def test_a_newer_snapshot_comes_after_the_session_that_it_belongs_to() -> None:
    async def run() -> None:
        office = Office()
        office.inbox.snapshot(MEMBERS, {"old": Entry()})
        office.inbox.session(UNSURE, "")
        office.inbox.session(CONNECTED, "")
        office.inbox.snapshot(MEMBERS, {"new": Entry()})
        assert await office.until((Kind.MEMBERS, {"new"})) == [
            (UNSURE, ""),
            (CONNECTED, ""),
            (Kind.MEMBERS, {"new"}),
        ]

    asyncio.run(run())


def test_many_threads_lose_nothing() -> None:
    async def run() -> None:
        office = Office()

        def backend(name: str) -> None:
            for number in range(500):
                office.inbox.session(CONNECTED, f"{name} {number}")

        threads = [threading.Thread(target=backend, args=(name,)) for name in "abcd"]
        for thread in threads:
            thread.start()
        await eventually("all have come out", lambda: len(office.taken) == 4 * 500)
        for name in "abcd":
            own = [told for told in office.taken if str(told).find(f"'{name} ") > 0]
            assert own == [(CONNECTED, f"{name} {number}") for number in range(500)]
        for thread in threads:
            thread.join()

    asyncio.run(run())


def test_nobody_is_hurt_when_the_loop_is_gone() -> None:
    office: list[Office] = []

    async def run() -> None:
        office.append(Office())

    asyncio.run(run())
    office[0].inbox.session(CONNECTED, "")
    assert office[0].taken == []
