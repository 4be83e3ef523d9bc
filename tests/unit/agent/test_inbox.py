"""The inbox delivers events from threads to the loop, in order and bounded (Shape 2)."""

import asyncio
import threading

from tests.unit.waiting import eventually
from vipagent.agent.agent import Inbox
from vipagent.store.backend import Entry, Snapshot
from vipagent.store.layout import Directory, Kind
from vipagent.types import StoreState

MEMBERS, KEYS = Directory(Kind.MEMBERS, "apex"), Directory(Kind.MAINTENANCE, "apex")
CONNECTED, UNSURE = StoreState.CONNECTED, StoreState.UNSURE


class RecordedInbox:
    """An inbox, its delivered events, and the threads that received them."""

    def __init__(self) -> None:
        self.delivered: list[object] = []
        self.threads: set[threading.Thread] = set()
        self.inbox = Inbox(asyncio.get_running_loop(), self._session, self._snapshot)

    def _session(self, state: StoreState, detail: str) -> None:
        self.threads.add(threading.current_thread())
        self.delivered.append((state, detail))

    def _snapshot(self, directory: Directory, entries: Snapshot) -> None:
        self.threads.add(threading.current_thread())
        self.delivered.append((directory.kind, set(entries)))

    async def until(self, last: object) -> list[object]:
        """Wait until an event is delivered; return all delivered events."""
        await eventually(f"{last} is delivered", lambda: last in self.delivered)
        return self.delivered


def test_events_are_delivered_on_the_loop_and_in_order() -> None:
    async def run() -> None:
        recorded = RecordedInbox()

        def backend() -> None:
            recorded.inbox.session(CONNECTED, "a")
            recorded.inbox.snapshot(MEMBERS, {"10.0.0.1": Entry()})
            recorded.inbox.snapshot(KEYS, {})
            recorded.inbox.session(UNSURE, "b")

        thread = threading.Thread(target=backend)
        thread.start()
        thread.join()
        assert recorded.delivered == []
        assert await recorded.until((UNSURE, "b")) == [
            (CONNECTED, "a"),
            (Kind.MEMBERS, {"10.0.0.1"}),
            (Kind.MAINTENANCE, set()),
            (UNSURE, "b"),
        ]
        assert recorded.threads == {threading.current_thread()}

    asyncio.run(run())


def test_only_the_latest_snapshot_of_a_directory_waits() -> None:
    async def run() -> None:
        recorded = RecordedInbox()
        for number in range(1000):
            recorded.inbox.snapshot(MEMBERS, {str(number): Entry()})
            recorded.inbox.snapshot(KEYS, {str(number): Entry()})
        assert await recorded.until((Kind.MAINTENANCE, {"999"})) == [
            (Kind.MEMBERS, {"999"}),
            (Kind.MAINTENANCE, {"999"}),
        ]

    asyncio.run(run())


def test_a_newer_snapshot_comes_after_the_session_that_it_belongs_to() -> None:
    async def run() -> None:
        recorded = RecordedInbox()
        recorded.inbox.snapshot(MEMBERS, {"old": Entry()})
        recorded.inbox.session(UNSURE, "")
        recorded.inbox.session(CONNECTED, "")
        recorded.inbox.snapshot(MEMBERS, {"new": Entry()})
        assert await recorded.until((Kind.MEMBERS, {"new"})) == [
            (UNSURE, ""),
            (CONNECTED, ""),
            (Kind.MEMBERS, {"new"}),
        ]

    asyncio.run(run())


def test_many_threads_lose_nothing() -> None:
    async def run() -> None:
        recorded = RecordedInbox()

        def backend(name: str) -> None:
            for number in range(500):
                recorded.inbox.session(CONNECTED, f"{name} {number}")

        threads = [threading.Thread(target=backend, args=(name,)) for name in "abcd"]
        for thread in threads:
            thread.start()
        await eventually("all events are delivered", lambda: len(recorded.delivered) == 4 * 500)
        for name in "abcd":
            own = [event for event in recorded.delivered if str(event).find(f"'{name} ") > 0]
            assert own == [(CONNECTED, f"{name} {number}") for number in range(500)]
        for thread in threads:
            thread.join()

    asyncio.run(run())


def test_events_after_the_end_of_the_loop_are_ignored() -> None:
    recorded: list[RecordedInbox] = []

    async def run() -> None:
        recorded.append(RecordedInbox())

    asyncio.run(run())
    recorded[0].inbox.session(CONNECTED, "")
    assert recorded[0].delivered == []
