"""A server that dies, freezes, or is not there yet (the contract's L rules, and E3 for closing)."""

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
from vipagent.testing.store import PATIENCE, ServedStore
from vipagent.types import Claim, StoreState

RECOVERY = 2.0
"""Seconds from the server's return until the agent's view is right."""
LATE = 2.0
"""Seconds that a session's loss may be told after the session's life, by a clock that is not the server's."""
CLOSED = 2.0
"""Seconds that closing takes at most (E3)."""
SERVICE = Key(MAINTENANCE, WHOLE_SERVICE)


class ServerFaults(Suite):
    """What an agent sees of a server's faults, and that its wishes are true again afterwards."""

    restarts: ClassVar[int] = 20
    """How often the server is restarted in search of leaks."""

    @pytest.fixture
    def agent(self, peers: Peers) -> Peer:
        """An agent with one member, in a service with a maintenance key (which must never seem gone)."""
        agent = peers.join("node1")
        agent.backend.write(SERVICE, b"", PATIENCE)
        agent.watch(MAINTENANCE)
        agent.watch(MEMBERS)
        agent.register(member(1))
        agent.seen.wait_names(MAINTENANCE, ["all"], PATIENCE)
        agent.wait_claim(member(1), Claim.OURS, PATIENCE)
        return agent

    @pytest.fixture
    def life(self, agent: Peer) -> float:
        """Seconds of a session's life, as asked for."""
        return agent.backend.settings.session_timeout

    def test_killed_and_restarted_within_the_session(self, agent: Peer, store: ServedStore) -> None:
        """The session's trouble is told, everything is read anew, nothing seemed gone in between."""
        mark = agent.seen.mark()
        with agent.seen.never_without(MAINTENANCE, "all"):
            store.kill()
            agent.seen.wait_for(
                lambda: agent.seen.state != StoreState.CONNECTED, PATIENCE, "the fault is told"
            )
            store.start()
            _back_and_read_anew(agent, mark)

    def test_killed_for_longer_than_the_session(self, agent: Peer, store: ServedStore, life: float) -> None:
        """LOST is told by the agent's own clock while the server is still away; then all is as it was."""
        mark = agent.seen.mark()
        with agent.seen.never_without(MAINTENANCE, "all"):
            store.kill()
            agent.seen.wait_state(StoreState.LOST, life + LATE, mark)
            assert agent.seen.snapshots(MEMBERS, mark) == [], "a snapshot with no server"
            store.start()
            _back_and_read_anew(agent, mark)

    def test_frozen_for_longer_than_the_session(self, agent: Peer, store: ServedStore, life: float) -> None:
        """The connection stands, nothing answers: LOST all the same (L1), and back by itself."""
        mark = agent.seen.mark()
        with agent.seen.never_without(MAINTENANCE, "all"):
            store.pause()
            try:
                agent.seen.wait_state(StoreState.LOST, life + LATE, mark)
            finally:
                store.resume()
            _back_and_read_anew(agent, mark)

    def test_the_view_is_right_soon_after_the_server_is_back(
        self, agent: Peer, peers: Peers, store: ServedStore, life: float
    ) -> None:
        """What others change after the outage is seen within 2 s of the server's return."""
        store.kill()
        agent.seen.wait_state(StoreState.LOST, life + LATE)
        store.start()
        back = time.monotonic()
        peers.join("operator").backend.write(Key(MAINTENANCE, "node2"), b"", PATIENCE)
        agent.seen.wait_names(MAINTENANCE, ["all", "node2"], RECOVERY)
        assert time.monotonic() - back < allowed(RECOVERY + 1.0)

    def test_wishes_made_while_the_server_is_away(self, agent: Peer, store: ServedStore) -> None:
        """A member deregistered, another registered: true once the server is back, not before it is asked."""
        store.kill()
        agent.seen.wait_for(lambda: agent.seen.state != StoreState.CONNECTED, PATIENCE, "the fault is told")
        agent.backend.deregister(member(1))
        agent.register(member(2))
        mark = agent.seen.mark()
        store.start()
        agent.seen.wait_names(MEMBERS, [member(2).name], PATIENCE, mark)
        assert set(agent.backend.read(MEMBERS, PATIENCE)) == {member(2).name}

    def test_a_deregistration_from_a_frozen_server_holds(self, agent: Peer, store: ServedStore) -> None:
        """The request may have been swallowed; the entry is gone once the server answers."""
        store.pause()
        try:
            began = time.monotonic()
            agent.backend.deregister(member(1))
            agent.register(member(2))
            assert time.monotonic() - began < allowed(2.0), "a wish must not wait for the store"
        finally:
            store.resume()
        agent.seen.wait_names(MEMBERS, [member(2).name], PATIENCE)

    def test_opened_while_the_server_is_away(self, agent: Peer, peers: Peers, store: ServedStore) -> None:
        """Its wishes come true when the server appears (L2)."""
        store.kill()
        late = peers.make("node2")
        late.watch(MEMBERS)
        late.register(member(2))
        late.backend.open()
        late.seen.wait_for(late.seen.states, PATIENCE, "the store's absence is told")
        assert StoreState.CONNECTED not in late.seen.states()
        assert late.seen.snapshots(MEMBERS) == []
        store.start()
        late.wait_claim(member(2), Claim.OURS, PATIENCE)
        late.wait_claim(member(1), Claim.OTHER, PATIENCE)
        agent.wait_claim(member(1), Claim.OURS, PATIENCE)

    def test_commands_fail_in_time_while_the_server_is_away(self, agent: Peer, store: ServedStore) -> None:
        """They say so within their time-out, to the operator."""
        store.kill()
        try:
            began = time.monotonic()
            with pytest.raises(StoreError):
                agent.backend.read(MEMBERS, 1.0)
            with pytest.raises(StoreError):
                agent.backend.write(SERVICE, b"", 1.0)
            with pytest.raises(StoreError):
                agent.backend.erase(SERVICE, 1.0)
            assert time.monotonic() - began < allowed(8.0)
        finally:
            store.start()

    def test_closing_while_the_server_is_frozen(self, peers: Peers, agent: Peer, store: ServedStore) -> None:
        """It takes no longer than it may, and leaves no thread (E3)."""
        before = set(threading.enumerate())
        other = peers.join("node2")
        other.watch(MEMBERS)
        other.register(member(2))
        other.wait_claim(member(2), Claim.OURS, PATIENCE)
        store.pause()
        try:
            began = time.monotonic()
            other.backend.close(1.5)
            assert time.monotonic() - began < allowed(CLOSED)
            eventually(lambda: threads_of(before) == set(), CLOSED, "no thread is left")
        finally:
            store.resume()
        agent.seen.wait_names(MEMBERS, [member(1).name], store.vanishing + PATIENCE)

    def test_closing_while_the_server_is_away(self, peers: Peers, store: ServedStore) -> None:
        """It takes no longer than it may, and leaves no thread (E3)."""
        before = set(threading.enumerate())
        other = peers.join("node2")
        other.register(member(2))
        store.kill()
        try:
            began = time.monotonic()
            other.backend.close(1.5)
            assert time.monotonic() - began < allowed(CLOSED)
            eventually(lambda: threads_of(before) == set(), CLOSED, "no thread is left")
        finally:
            store.start()

    @pytest.mark.timeout(600)
    def test_restarts_leak_nothing(self, agent: Peer, store: ServedStore) -> None:
        """Neither threads nor descriptors, however often the server goes."""

        def restart() -> None:
            mark = agent.seen.mark()
            store.kill()
            agent.seen.wait_for(
                lambda: agent.seen.state != StoreState.CONNECTED, PATIENCE, "the fault is told"
            )
            store.start()
            _back_and_read_anew(agent, mark)

        restart()  # whatever is made once is made by now
        threads, opened = growth.read(
            restart, threading.active_count, growth.descriptors, times=self.restarts - 1
        )
        growth.check("threads", threads, 0.25)
        growth.check("descriptors", opened, 0.25)


def _back_and_read_anew(agent: Peer, mark: int) -> None:
    """Wait until the session is back, and each directory was handed over after that, as it was (L4)."""
    agent.seen.wait_state(StoreState.CONNECTED, PATIENCE, mark)
    events = agent.seen.events(mark)
    connected = mark + max(
        place
        for place, event in enumerate(events)
        if isinstance(event, SessionSeen) and event.state == StoreState.CONNECTED
    )
    agent.seen.wait_names(MAINTENANCE, ["all"], RECOVERY, connected)
    agent.seen.wait_names(MEMBERS, [member(1).name], RECOVERY, connected)
    agent.wait_claim(member(1), Claim.OURS, RECOVERY)
