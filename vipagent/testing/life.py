"""Lifecycle of a session: opened, connected, closed (Shape 4, L4)."""

import threading
import time

from vipagent.testing.peers import MAINTENANCE, MEMBERS, STATES, Peers, Suite, member, threads_of
from vipagent.testing.recorder import SessionSeen
from vipagent.testing.slowness import allowed
from vipagent.testing.store import MAX_PROPAGATION, WAIT_TIMEOUT
from vipagent.types import Claim, StoreState


class Life(Suite):
    """Opening and closing."""

    def test_connected_comes_first_and_then_each_directory(self, peers: Peers) -> None:
        """No snapshot before the session is connected; then all watched directories (L4)."""
        one = peers.make("node1")
        directories = (MEMBERS, MAINTENANCE, STATES)
        for directory in directories:
            one.watch(directory)
        one.backend.open()
        for directory in directories:
            one.seen.wait_names(directory, [], WAIT_TIMEOUT)
        states = one.seen.states()
        assert states[-1] == StoreState.CONNECTED
        first = one.seen.events()[: len(states)]
        assert all(isinstance(event, SessionSeen) for event in first), first

    def test_requests_before_opening_take_effect(self, peers: Peers) -> None:
        """Nothing happens before `open`, everything after it."""
        one, two = peers.make("node1"), peers.join("node2")
        one.register(member(1))
        one.register(member(2))
        one.backend.deregister(member(2))
        one.watch(MEMBERS)
        two.watch(MEMBERS)
        two.seen.wait_names(MEMBERS, [], WAIT_TIMEOUT)
        assert one.seen.events() == []
        one.backend.open()
        one.wait_claim(member(1), Claim.OURS, WAIT_TIMEOUT)
        two.seen.wait_names(MEMBERS, [member(1).name], MAX_PROPAGATION)

    def test_closing_removes_its_entries_at_once(self, peers: Peers) -> None:
        """All entries of the session are removed, and no others."""
        one, two = peers.join("node1"), peers.join("node2")
        two.watch(MEMBERS)
        two.register(member(9))
        for last in (1, 2, 3):
            one.register(member(last))
        two.seen.wait_names(MEMBERS, [member(last).name for last in (1, 2, 3, 9)], WAIT_TIMEOUT)
        with two.seen.always_contains(MEMBERS, member(9).name):
            one.backend.close(5.0)
            two.seen.wait_names(MEMBERS, [member(9).name], MAX_PROPAGATION)

    def test_closing_right_after_registering_leaves_nothing(self, peers: Peers) -> None:
        """A pending registration does not take effect later."""
        one, two = peers.join("node1"), peers.join("node2")
        two.watch(MEMBERS)
        for last in range(1, 20):
            one.register(member(last))
        one.backend.close(5.0)
        two.register(member(99))
        two.seen.wait_names(MEMBERS, [member(99).name], WAIT_TIMEOUT)
        assert set(two.backend.read(MEMBERS, WAIT_TIMEOUT)) == {member(99).name}

    def test_closing_is_quick_and_ends_all_threads(self, peers: Peers) -> None:
        """Within 2 s (E3), with no thread left; closing twice is allowed."""
        before = set(threading.enumerate())
        one = peers.join("node1")
        one.watch(MEMBERS)
        one.register(member(1))
        one.seen.wait_names(MEMBERS, [member(1).name], WAIT_TIMEOUT)
        began = time.monotonic()
        one.backend.close(2.0)
        assert time.monotonic() - began < allowed(2.0)
        assert threads_of(before) == set()
        one.backend.close(2.0)
        assert time.monotonic() - began < allowed(2.5)

    def test_closing_without_opening_is_allowed(self, peers: Peers) -> None:
        """For an agent that exits during its start."""
        before = set(threading.enumerate())
        one = peers.make("node1")
        one.watch(MEMBERS)
        one.register(member(1))
        one.backend.close(2.0)
        assert threads_of(before) == set()
        assert one.seen.snapshots(MEMBERS) == []

    def test_after_closing_nothing_is_delivered(self, peers: Peers) -> None:
        """Changes of others no longer reach its listener."""
        one, two = peers.join("node1"), peers.join("node2")
        for peer in (one, two):
            peer.watch(MEMBERS)
            peer.seen.wait_names(MEMBERS, [], WAIT_TIMEOUT)
        one.backend.close(5.0)
        mark = one.seen.mark()
        two.register(member(1))
        two.seen.wait_names(MEMBERS, [member(1).name], WAIT_TIMEOUT)
        two.backend.deregister(member(1))
        two.seen.wait_names(MEMBERS, [], WAIT_TIMEOUT)
        assert one.seen.events(mark) == []
