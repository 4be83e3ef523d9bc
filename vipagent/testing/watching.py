"""Watches: whole snapshots, never a missed final state, whatever lies in the store (Shape 4, S1)."""

from vipagent.store.layout import Directory, Key, Kind
from vipagent.testing.peers import MAINTENANCE, MEMBERS, Peers, Suite, member
from vipagent.testing.store import NOTICE, PATIENCE, StoreUnderTest
from vipagent.types import Claim


class Watching(Suite):
    """What a watch hands over."""

    def test_a_directory_that_does_not_exist_is_empty(self, peers: Peers) -> None:
        """It is known to be empty, and watched from then on."""
        one = peers.join("node1")
        nowhere = Directory(Kind.MEMBERS, "nobody-serves-this")
        one.watch(nowhere)
        assert one.seen.wait_names(nowhere, [], PATIENCE) == {}
        one.register(Key(nowhere, "10.0.0.1"))
        one.seen.wait_names(nowhere, ["10.0.0.1"], NOTICE)

    def test_snapshots_are_whole(self, peers: Peers) -> None:
        """Entries that stay are in each snapshot while others come and go, with their values."""
        one, two = peers.join("node1"), peers.join("node2")
        two.watch(MEMBERS)
        one.register(member(1))
        two.seen.wait_names(MEMBERS, [member(1).name], PATIENCE)
        mark = two.seen.mark()
        for last in range(2, 12):
            one.register(member(last))
        two.seen.wait_names(MEMBERS, [member(last).name for last in range(1, 12)], PATIENCE)
        assert all(
            snapshot[member(1).name].value == one.value for snapshot in two.seen.snapshots(MEMBERS, mark)
        )

    def test_the_last_state_of_a_burst_is_never_missed(self, peers: Peers) -> None:
        """200 changes by two sessions, interleaved: every watcher ends with the truth."""
        writers = [peers.join("node1"), peers.join("node2")]
        watchers = [peers.join("node3"), peers.join("node4")]
        for peer in (*writers, *watchers):
            peer.watch(MEMBERS)
        for turn in range(50):
            for which, writer in enumerate(writers):
                writer.register(member(10 * which + turn % 10))
                writer.backend.deregister(member(10 * which + (turn + 5) % 10))
        names = [member(10 * which + last).name for which in (0, 1) for last in range(5, 10)]
        for peer in (*writers, *watchers):
            peer.seen.wait_names(MEMBERS, names, PATIENCE)

    def test_only_what_is_watched_is_handed_over(self, peers: Peers) -> None:
        """A directory of the same service that nobody asked for stays silent, one unwatched falls silent."""
        one, two = peers.join("node1"), peers.join("node2")
        one.watch(MEMBERS)
        one.seen.wait_names(MEMBERS, [], PATIENCE)
        one.backend.unwatch(MEMBERS)
        one.backend.unwatch(MAINTENANCE)
        other = Directory(Kind.MEMBERS, "other")
        mark = one.seen.mark()
        two.register(member(1))
        two.register(Key(other, "10.0.0.2"))
        one.watch(other)
        one.seen.wait_names(other, ["10.0.0.2"], PATIENCE, mark)
        assert one.seen.snapshots(MEMBERS, mark) == []
        one.watch(MEMBERS)
        one.seen.wait_names(MEMBERS, [member(1).name], PATIENCE, mark)

    def test_a_needed_value_that_changes_is_a_change(self, peers: Peers) -> None:
        """Of the names that were asked for, values and claims are told and kept up to date."""
        one, two = peers.join("node1"), peers.join("node2")
        two.backend.watch(MEMBERS, frozenset({member(1).name}))
        for last in (1, 2):
            one.register(member(last))
        two.seen.wait_names(MEMBERS, [member(1).name, member(2).name], PATIENCE)
        one.backend.register(member(1), b"changed")
        two.seen.wait_for(
            lambda: (entry := two.entry(member(1))) is not None and entry.value == b"changed",
            NOTICE,
            "the changed value is seen",
        )

    def test_watched_anew_other_values_are_needed(self, peers: Peers) -> None:
        """The later call of `watch` says which values count."""
        one, two = peers.join("node1"), peers.join("node2")
        one.register(member(1))
        two.backend.watch(MEMBERS)
        two.seen.wait_names(MEMBERS, [member(1).name], PATIENCE)
        two.backend.watch(MEMBERS, None)
        two.seen.wait_for(
            lambda: (entry := two.entry(member(1))) is not None and entry.value == one.value,
            NOTICE,
            "the value is told once it is asked for",
        )

    def test_hostile_content_breaks_no_watch(self, peers: Peers, store: StoreUnderTest) -> None:
        """Whatever lies there, names are text without a slash, and what comes later is seen (S1)."""
        one, two = peers.join("node1"), peers.join("node2")
        two.watch(MEMBERS)
        two.seen.wait_names(MEMBERS, [], PATIENCE)
        store.litter(MEMBERS)
        one.register(member(1))
        one.watch(MEMBERS)
        one.wait_claim(member(1), Claim.OURS, PATIENCE)
        two.wait_claim(member(1), Claim.OTHER, PATIENCE)
        store.plant(member(2), b'{"node": "' + b"[" * 5000)
        two.wait_claim(member(2), Claim.OTHER, NOTICE)
        for snapshot in two.seen.snapshots(MEMBERS):
            for name in snapshot:
                assert "/" not in name
                assert name.encode().decode() == name
        one.backend.deregister(member(1))
        two.seen.wait_for(lambda: two.entry(member(1)) is None, NOTICE, "the member has left the litter")
