"""A server that is killed, frozen, or not started yet (L rules, and E3 for closing)."""

import threading
import time
from typing import ClassVar

import pytest

from vipagent.store.backend import StoreError
from vipagent.store.layout import WHOLE_SERVICE, Key
from vipagent.testing import growth
from vipagent.testing.peers import MAINTENANCE, MEMBERS, Peer, Peers, Suite, eventually, member, threads_of
from vipagent.testing.recorder import SessionSeen
from vipagent.testing.slowness import allowed
from vipagent.testing.store import WAIT_TIMEOUT, ServedStore
from vipagent.types import Claim, StoreState

MAX_RECOVERY = 2.0
"""Maximum time in seconds from the server's return until the agent's view is correct."""
LOSS_TOLERANCE = 2.0
"""Maximum delay in seconds of LOST after the session timeout."""
CLOSE_LIMIT = 2.0
"""Maximum duration of closing in seconds (E3)."""
SERVICE_KEY = Key(MAINTENANCE, WHOLE_SERVICE)


class ServerFaults(Suite):
    """Server faults as seen by an agent, and the recovery of its registrations."""

    restarts: ClassVar[int] = 20
    """Number of restarts in the leak test."""

    @pytest.fixture
    def agent(self, peers: Peers) -> Peer:
        """An agent with one member, in a service with a maintenance key (which must never disappear)."""
        agent = peers.join("node1")
        agent.backend.write(SERVICE_KEY, b"", WAIT_TIMEOUT)
        agent.watch(MAINTENANCE)
        agent.watch(MEMBERS)
        agent.register(member(1))
        agent.seen.wait_names(MAINTENANCE, ["all"], WAIT_TIMEOUT)
        agent.wait_claim(member(1), Claim.OURS, WAIT_TIMEOUT)
        return agent

    @pytest.fixture
    def life(self, agent: Peer) -> float:
        """The requested session timeout in seconds."""
        return agent.backend.settings.session_timeout

    def test_killed_and_restarted_within_the_session(self, agent: Peer, store: ServedStore) -> None:
        """The fault is reported, everything is read again, and nothing disappears in between."""
        mark = agent.seen.mark()
        with agent.seen.always_contains(MAINTENANCE, "all"):
            store.kill()
            agent.seen.wait_for(
                lambda: agent.seen.state != StoreState.CONNECTED, WAIT_TIMEOUT, "the fault is reported"
            )
            store.start()
            _wait_reconnected(agent, mark)

    def test_killed_for_longer_than_the_session(self, agent: Peer, store: ServedStore, life: float) -> None:
        """LOST is reported by the agent's own timer during the outage; afterwards the state is restored."""
        mark = agent.seen.mark()
        with agent.seen.always_contains(MAINTENANCE, "all"):
            store.kill()
            agent.seen.wait_state(StoreState.LOST, life + LOSS_TOLERANCE, mark)
            assert agent.seen.snapshots(MEMBERS, mark) == [], "a snapshot without a server"
            store.start()
            _wait_reconnected(agent, mark)

    def test_frozen_for_longer_than_the_session(self, agent: Peer, store: ServedStore, life: float) -> None:
        """The connection stays open without replies: LOST is reported (L1), and the session recovers."""
        mark = agent.seen.mark()
        with agent.seen.always_contains(MAINTENANCE, "all"):
            store.pause()
            try:
                agent.seen.wait_state(StoreState.LOST, life + LOSS_TOLERANCE, mark)
            finally:
                store.resume()
            _wait_reconnected(agent, mark)

    def test_the_view_is_correct_soon_after_the_server_returns(
        self, agent: Peer, peers: Peers, store: ServedStore, life: float
    ) -> None:
        """Changes of others after the outage are seen within 2 s of the server's return."""
        store.kill()
        agent.seen.wait_state(StoreState.LOST, life + LOSS_TOLERANCE)
        store.start()
        back = time.monotonic()
        peers.join("operator").backend.write(Key(MAINTENANCE, "node2"), b"", WAIT_TIMEOUT)
        agent.seen.wait_names(MAINTENANCE, ["all", "node2"], MAX_RECOVERY)
        assert time.monotonic() - back < allowed(MAX_RECOVERY + 1.0)

    def test_changes_while_the_server_is_down(self, agent: Peer, store: ServedStore) -> None:
        """Registrations and deregistrations during an outage take effect after it, and do not block."""
        store.kill()
        agent.seen.wait_for(
            lambda: agent.seen.state != StoreState.CONNECTED, WAIT_TIMEOUT, "the fault is reported"
        )
        agent.backend.deregister(member(1))
        agent.register(member(2))
        mark = agent.seen.mark()
        store.start()
        agent.seen.wait_names(MEMBERS, [member(2).name], WAIT_TIMEOUT, mark)
        assert set(agent.backend.read(MEMBERS, WAIT_TIMEOUT)) == {member(2).name}

    def test_a_deregistration_from_a_frozen_server_holds(self, agent: Peer, store: ServedStore) -> None:
        """The request may be lost; the entry is deleted once the server replies."""
        store.pause()
        try:
            began = time.monotonic()
            agent.backend.deregister(member(1))
            agent.register(member(2))
            assert time.monotonic() - began < allowed(2.0), "a request must not wait for the store"
        finally:
            store.resume()
        agent.seen.wait_names(MEMBERS, [member(2).name], WAIT_TIMEOUT)

    def test_opened_while_the_server_is_down(self, agent: Peer, peers: Peers, store: ServedStore) -> None:
        """Its registrations take effect when the server starts (L2)."""
        store.kill()
        late = peers.make("node2")
        late.watch(MEMBERS)
        late.register(member(2))
        late.backend.open()
        late.seen.wait_for(late.seen.states, WAIT_TIMEOUT, "the outage is reported")
        assert StoreState.CONNECTED not in late.seen.states()
        assert late.seen.snapshots(MEMBERS) == []
        store.start()
        late.wait_claim(member(2), Claim.OURS, WAIT_TIMEOUT)
        late.wait_claim(member(1), Claim.OTHER, WAIT_TIMEOUT)
        agent.wait_claim(member(1), Claim.OURS, WAIT_TIMEOUT)

    def test_commands_fail_in_time_while_the_server_is_down(self, agent: Peer, store: ServedStore) -> None:
        """They fail within their timeout, with an error for the operator."""
        store.kill()
        try:
            began = time.monotonic()
            with pytest.raises(StoreError):
                agent.backend.read(MEMBERS, 1.0)
            with pytest.raises(StoreError):
                agent.backend.write(SERVICE_KEY, b"", 1.0)
            with pytest.raises(StoreError):
                agent.backend.erase(SERVICE_KEY, 1.0)
            assert time.monotonic() - began < allowed(8.0)
        finally:
            store.start()

    def test_closing_while_the_server_is_frozen(self, peers: Peers, agent: Peer, store: ServedStore) -> None:
        """It finishes in time, and leaves no thread (E3)."""
        before = set(threading.enumerate())
        other = peers.join("node2")
        other.watch(MEMBERS)
        other.register(member(2))
        other.wait_claim(member(2), Claim.OURS, WAIT_TIMEOUT)
        store.pause()
        try:
            began = time.monotonic()
            other.backend.close(1.5)
            assert time.monotonic() - began < allowed(CLOSE_LIMIT)
            eventually(lambda: threads_of(before) == set(), CLOSE_LIMIT, "all threads have ended")
        finally:
            store.resume()
        agent.seen.wait_names(MEMBERS, [member(1).name], store.expiry + WAIT_TIMEOUT)

    def test_closing_while_the_server_is_down(self, peers: Peers, store: ServedStore) -> None:
        """It finishes in time, and leaves no thread (E3)."""
        before = set(threading.enumerate())
        other = peers.join("node2")
        other.register(member(2))
        store.kill()
        try:
            began = time.monotonic()
            other.backend.close(1.5)
            assert time.monotonic() - began < allowed(CLOSE_LIMIT)
            eventually(lambda: threads_of(before) == set(), CLOSE_LIMIT, "all threads have ended")
        finally:
            store.start()

    @pytest.mark.timeout(600)
    def test_restarts_leak_nothing(self, agent: Peer, store: ServedStore) -> None:
        """Repeated restarts of the server leak neither threads nor file descriptors."""

        def restart() -> None:
            mark = agent.seen.mark()
            store.kill()
            agent.seen.wait_for(
                lambda: agent.seen.state != StoreState.CONNECTED, WAIT_TIMEOUT, "the fault is reported"
            )
            store.start()
            _wait_reconnected(agent, mark)

        restart()  # create everything that is created only once
        threads, opened = growth.read(
            restart, threading.active_count, growth.descriptors, times=self.restarts - 1
        )
        growth.check("threads", threads, 0.25)
        growth.check("descriptors", opened, 0.25)


def _wait_reconnected(agent: Peer, mark: int) -> None:
    """Wait until the session is connected, and each directory was delivered unchanged after that (L4)."""
    agent.seen.wait_state(StoreState.CONNECTED, WAIT_TIMEOUT, mark)
    events = agent.seen.events(mark)
    connected = mark + max(
        place
        for place, event in enumerate(events)
        if isinstance(event, SessionSeen) and event.state == StoreState.CONNECTED
    )
    agent.seen.wait_names(MAINTENANCE, ["all"], MAX_RECOVERY, connected)
    agent.seen.wait_names(MEMBERS, [member(1).name], MAX_RECOVERY, connected)
    agent.wait_claim(member(1), Claim.OURS, MAX_RECOVERY)
