"""Watches: complete snapshots, no missed final state, any content of the store (Shape 4, S1)."""

from vipagent.store.layout import Directory, Key, Kind
from vipagent.testing.peers import MAINTENANCE, MEMBERS, Peers, Suite, member
from vipagent.testing.store import MAX_PROPAGATION, WAIT_TIMEOUT, StoreUnderTest
from vipagent.types import Claim


class Watching(Suite):
    """Snapshots of watches."""

    def test_a_directory_that_does_not_exist_is_empty(self, peers: Peers) -> None:
        """It is reported as empty, and watched."""
        one = peers.join("node1")
        nowhere = Directory(Kind.MEMBERS, "nobody-serves-this")
        one.watch(nowhere)
        assert one.seen.wait_names(nowhere, [], WAIT_TIMEOUT) == {}
        one.register(Key(nowhere, "10.0.0.1"))
        one.seen.wait_names(nowhere, ["10.0.0.1"], MAX_PROPAGATION)

    def test_snapshots_are_complete(self, peers: Peers) -> None:
        """Unchanged entries are in each snapshot, with their values, while others change."""
        one, two = peers.join("node1"), peers.join("node2")
        two.watch(MEMBERS)
        one.register(member(1))
        two.seen.wait_names(MEMBERS, [member(1).name], WAIT_TIMEOUT)
        mark = two.seen.mark()
        for last in range(2, 12):
            one.register(member(last))
        two.seen.wait_names(MEMBERS, [member(last).name for last in range(1, 12)], WAIT_TIMEOUT)
        assert all(
            snapshot[member(1).name].value == one.value for snapshot in two.seen.snapshots(MEMBERS, mark)
        )

    def test_the_last_state_of_a_burst_is_never_missed(self, peers: Peers) -> None:
        """After 200 interleaved changes by two sessions every watcher has the final state."""
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
            peer.seen.wait_names(MEMBERS, names, WAIT_TIMEOUT)

    def test_only_watched_directories_are_delivered(self, peers: Peers) -> None:
        """Directories that are not watched, or no longer watched, are not delivered."""
        one, two = peers.join("node1"), peers.join("node2")
        one.watch(MEMBERS)
        one.seen.wait_names(MEMBERS, [], WAIT_TIMEOUT)
        one.backend.unwatch(MEMBERS)
        one.backend.unwatch(MAINTENANCE)
        other = Directory(Kind.MEMBERS, "other")
        mark = one.seen.mark()
        two.register(member(1))
        two.register(Key(other, "10.0.0.2"))
        one.watch(other)
        one.seen.wait_names(other, ["10.0.0.2"], WAIT_TIMEOUT, mark)
        assert one.seen.snapshots(MEMBERS, mark) == []
        one.watch(MEMBERS)
        one.seen.wait_names(MEMBERS, [member(1).name], WAIT_TIMEOUT, mark)

    def test_a_needed_value_that_changes_is_a_change(self, peers: Peers) -> None:
        """Values and claims of the requested names are kept up to date."""
        one, two = peers.join("node1"), peers.join("node2")
        two.backend.watch(MEMBERS, frozenset({member(1).name}))
        for last in (1, 2):
            one.register(member(last))
        two.seen.wait_names(MEMBERS, [member(1).name, member(2).name], WAIT_TIMEOUT)
        one.backend.register(member(1), b"changed")
        two.seen.wait_for(
            lambda: (entry := two.entry(member(1))) is not None and entry.value == b"changed",
            MAX_PROPAGATION,
            "the changed value is seen",
        )

    def test_a_second_watch_changes_the_needed_values(self, peers: Peers) -> None:
        """The last call of `watch` determines the needed values."""
        one, two = peers.join("node1"), peers.join("node2")
        one.register(member(1))
        two.backend.watch(MEMBERS)
        two.seen.wait_names(MEMBERS, [member(1).name], WAIT_TIMEOUT)
        two.backend.watch(MEMBERS, None)
        two.seen.wait_for(
            lambda: (entry := two.entry(member(1))) is not None and entry.value == one.value,
            MAX_PROPAGATION,
            "the value is delivered once it is requested",
        )

    def test_hostile_content_breaks_no_watch(self, peers: Peers, store: StoreUnderTest) -> None:
        """With any content, names are text without a slash, and later changes are seen (S1)."""
        one, two = peers.join("node1"), peers.join("node2")
        two.watch(MEMBERS)
        two.seen.wait_names(MEMBERS, [], WAIT_TIMEOUT)
        store.write_garbage(MEMBERS)
        one.register(member(1))
        one.watch(MEMBERS)
        one.wait_claim(member(1), Claim.OURS, WAIT_TIMEOUT)
        two.wait_claim(member(1), Claim.OTHER, WAIT_TIMEOUT)
        store.create_foreign(member(2), b'{"node": "' + b"[" * 5000)
        two.wait_claim(member(2), Claim.OTHER, MAX_PROPAGATION)
        for snapshot in two.seen.snapshots(MEMBERS):
            for name in snapshot:
                assert "/" not in name
                assert name.encode().decode() == name
        one.backend.deregister(member(1))
        two.seen.wait_for(lambda: two.entry(member(1)) is None, MAX_PROPAGATION, "the member is gone")
