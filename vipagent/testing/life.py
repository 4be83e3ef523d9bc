"""A session's life: opened, connected, closed (Shape 4, L4)."""

import threading
import time

from vipagent.testing.peers import MAINTENANCE, MEMBERS, STATES, Peers, Suite, member, threads_of
from vipagent.testing.recorder import SessionSeen
from vipagent.testing.slowness import allowed
from vipagent.testing.store import NOTICE, PATIENCE
from vipagent.types import Claim, StoreState


class Life(Suite):
    """What opening and closing mean."""

    def test_connected_comes_first_and_then_each_directory(self, peers: Peers) -> None:
        """No snapshot before the session; then all that is watched (L4)."""
        one = peers.make("node1")
        directories = (MEMBERS, MAINTENANCE, STATES)
        for directory in directories:
            one.watch(directory)
        one.backend.open()
        for directory in directories:
            one.seen.wait_names(directory, [], PATIENCE)
        states = one.seen.states()
        assert states[-1] == StoreState.CONNECTED
        first = one.seen.events()[: len(states)]
        assert all(isinstance(event, SessionSeen) for event in first), first

    def test_wishes_made_before_opening_are_fulfilled(self, peers: Peers) -> None:
        """Nothing happens before `open`, everything after it."""
        one, two = peers.make("node1"), peers.join("node2")
        one.register(member(1))
        one.register(member(2))
        one.backend.deregister(member(2))
        one.watch(MEMBERS)
        two.watch(MEMBERS)
        two.seen.wait_names(MEMBERS, [], PATIENCE)
        assert one.seen.events() == []
        one.backend.open()
        one.wait_claim(member(1), Claim.OURS, PATIENCE)
        two.seen.wait_names(MEMBERS, [member(1).name], NOTICE)

    def test_closing_removes_its_entries_at_once(self, peers: Peers) -> None:
        """Its own, all of them, and nobody else's."""
        one, two = peers.join("node1"), peers.join("node2")
        two.watch(MEMBERS)
        two.register(member(9))
        for last in (1, 2, 3):
            one.register(member(last))
        two.seen.wait_names(MEMBERS, [member(last).name for last in (1, 2, 3, 9)], PATIENCE)
        with two.seen.never_without(MEMBERS, member(9).name):
            one.backend.close(5.0)
            two.seen.wait_names(MEMBERS, [member(9).name], NOTICE)

    def test_closing_right_after_registering_leaves_nothing(self, peers: Peers) -> None:
        """A registration that is still on its way does not arrive later."""
        one, two = peers.join("node1"), peers.join("node2")
        two.watch(MEMBERS)
        for last in range(1, 20):
            one.register(member(last))
        one.backend.close(5.0)
        two.register(member(99))
        two.seen.wait_names(MEMBERS, [member(99).name], PATIENCE)
        assert set(two.backend.read(MEMBERS, PATIENCE)) == {member(99).name}

    def test_closing_is_quick_and_ends_all_threads(self, peers: Peers) -> None:
        """Within 2 s (E3), with nothing left running; a second time is fine."""
        before = set(threading.enumerate())
        one = peers.join("node1")
        one.watch(MEMBERS)
        one.register(member(1))
        one.seen.wait_names(MEMBERS, [member(1).name], PATIENCE)
        began = time.monotonic()
        one.backend.close(2.0)
        assert time.monotonic() - began < allowed(2.0)
        assert threads_of(before) == set()
        one.backend.close(2.0)
        assert time.monotonic() - began < allowed(2.5)

    def test_closing_what_was_never_opened_is_fine(self, peers: Peers) -> None:
        """As an agent that ends during its start does."""
        before = set(threading.enumerate())
        one = peers.make("node1")
        one.watch(MEMBERS)
        one.register(member(1))
        one.backend.close(2.0)
        assert threads_of(before) == set()
        assert one.seen.snapshots(MEMBERS) == []

    def test_after_closing_nothing_is_handed_over(self, peers: Peers) -> None:
        """Others' changes no longer reach its listener."""
        one, two = peers.join("node1"), peers.join("node2")
        for peer in (one, two):
            peer.watch(MEMBERS)
            peer.seen.wait_names(MEMBERS, [], PATIENCE)
        one.backend.close(5.0)
        mark = one.seen.mark()
        two.register(member(1))
        two.seen.wait_names(MEMBERS, [member(1).name], PATIENCE)
        two.backend.deregister(member(1))
        two.seen.wait_names(MEMBERS, [], PATIENCE)
        assert one.seen.events(mark) == []
