"""Store events from threads to the event loop: ordered and bounded (Shape 2)."""

import asyncio
import threading

from tests.unit.waiting import eventually
from vipagent.agent.inbox import Inbox
from vipagent.store.backend import Entry, Snapshot
from vipagent.store.layout import Directory, Kind
from vipagent.types import StoreState

MEMBERS, KEYS = Directory(Kind.MEMBERS, "apex"), Directory(Kind.MAINTENANCE, "apex")
CONNECTED, UNSURE = StoreState.CONNECTED, StoreState.UNSURE


class RecordingInbox:
    """An inbox, its delivered events, and the threads of the deliveries."""

    def __init__(self) -> None:
        self.received: list[object] = []
        self.threads: set[threading.Thread] = set()
        self.inbox = Inbox(asyncio.get_running_loop(), self._session, self._snapshot)

    def _session(self, state: StoreState, detail: str) -> None:
        self.threads.add(threading.current_thread())
        self.received.append((state, detail))

    def _snapshot(self, directory: Directory, entries: Snapshot) -> None:
        self.threads.add(threading.current_thread())
        self.received.append((directory.kind, set(entries)))

    async def wait_for(self, last: object) -> list[object]:
        """Wait until this event was delivered, and return all delivered events."""
        await eventually(f"{last} is delivered", lambda: last in self.received)
        return self.received


def test_events_are_delivered_on_the_loop_and_in_order() -> None:
    async def run() -> None:
        recording = RecordingInbox()

        def backend() -> None:
            recording.inbox.session(CONNECTED, "a")
            recording.inbox.snapshot(MEMBERS, {"10.0.0.1": Entry()})
            recording.inbox.snapshot(KEYS, {})
            recording.inbox.session(UNSURE, "b")

        thread = threading.Thread(target=backend)
        thread.start()
        thread.join()
        assert recording.received == []
        assert await recording.wait_for((UNSURE, "b")) == [
            (CONNECTED, "a"),
            (Kind.MEMBERS, {"10.0.0.1"}),
            (Kind.MAINTENANCE, set()),
            (UNSURE, "b"),
        ]
        assert recording.threads == {threading.current_thread()}

    asyncio.run(run())


def test_only_the_latest_snapshot_of_a_directory_is_queued() -> None:
    async def run() -> None:
        recording = RecordingInbox()
        for number in range(1000):
            recording.inbox.snapshot(MEMBERS, {str(number): Entry()})
            recording.inbox.snapshot(KEYS, {str(number): Entry()})
        assert await recording.wait_for((Kind.MAINTENANCE, {"999"})) == [
            (Kind.MEMBERS, {"999"}),
            (Kind.MAINTENANCE, {"999"}),
        ]

    asyncio.run(run())


def test_a_newer_snapshot_is_delivered_after_its_session_event() -> None:
    async def run() -> None:
        recording = RecordingInbox()
        recording.inbox.snapshot(MEMBERS, {"old": Entry()})
        recording.inbox.session(UNSURE, "")
        recording.inbox.session(CONNECTED, "")
        recording.inbox.snapshot(MEMBERS, {"new": Entry()})
        assert await recording.wait_for((Kind.MEMBERS, {"new"})) == [
            (UNSURE, ""),
            (CONNECTED, ""),
            (Kind.MEMBERS, {"new"}),
        ]

    asyncio.run(run())


def test_events_of_many_threads_are_all_delivered() -> None:
    async def run() -> None:
        recording = RecordingInbox()

        def backend(name: str) -> None:
            for number in range(500):
                recording.inbox.session(CONNECTED, f"{name} {number}")

        threads = [threading.Thread(target=backend, args=(name,)) for name in "abcd"]
        for thread in threads:
            thread.start()
        await eventually("all events are delivered", lambda: len(recording.received) == 4 * 500)
        for name in "abcd":
            from_thread = [event for event in recording.received if str(event).find(f"'{name} ") > 0]
            assert from_thread == [(CONNECTED, f"{name} {number}") for number in range(500)]
        for thread in threads:
            thread.join()

    asyncio.run(run())


def test_events_after_the_end_of_the_loop_are_ignored() -> None:
    recording: list[RecordingInbox] = []

    async def run() -> None:
        recording.append(RecordingInbox())

    asyncio.run(run())
    recording[0].inbox.session(CONNECTED, "")
    assert recording[0].received == []
