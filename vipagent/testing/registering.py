"""Registrations: created, replaced, in conflict, updated, deleted (G2, G3)."""

import pytest

from vipagent.store.backend import MAX_VALUE
from vipagent.store.layout import Directory, Key, Kind
from vipagent.store.records import NodeState, Registration, VipState
from vipagent.testing.peers import MEMBERS, STATES, Peers, Suite, eventually, member
from vipagent.testing.store import MAX_PROPAGATION, WAIT_TIMEOUT, StoreUnderTest
from vipagent.types import Claim


class Registering(Suite):
    """Lifecycle of registrations."""

    def test_a_registration_is_seen_by_itself_and_by_others(self, peers: Peers) -> None:
        """Its own agent sees it as OURS, others with its value."""
        one, two = peers.join("node1"), peers.join("node2")
        for peer in (one, two):
            peer.watch(MEMBERS)
            peer.seen.wait_names(MEMBERS, [], WAIT_TIMEOUT)
        one.register(member(1))
        assert one.wait_claim(member(1), Claim.OURS, MAX_PROPAGATION).value == one.value
        assert two.wait_claim(member(1), Claim.OTHER, MAX_PROPAGATION).value == one.value

    def test_a_deregistration_is_seen_at_once(self, peers: Peers) -> None:
        """Without a session timeout (G2)."""
        one, two = peers.join("node1"), peers.join("node2")
        two.watch(MEMBERS)
        one.register(member(1))
        two.seen.wait_names(MEMBERS, [member(1).name], WAIT_TIMEOUT)
        one.backend.deregister(member(1))
        two.seen.wait_names(MEMBERS, [], MAX_PROPAGATION)

    def test_a_deregistration_of_nothing_is_ignored(self, peers: Peers) -> None:
        """Unknown keys and foreign entries are not changed."""
        one, two = peers.join("node1"), peers.join("node2")
        two.watch(MEMBERS)
        two.register(member(2))
        two.seen.wait_names(MEMBERS, [member(2).name], WAIT_TIMEOUT)
        with two.seen.always_contains(MEMBERS, member(2).name):
            one.backend.deregister(member(1))
            one.backend.deregister(member(2))
            one.register(member(3))
            two.seen.wait_names(MEMBERS, [member(2).name, member(3).name], MAX_PROPAGATION)

    def test_an_own_earlier_registration_is_replaced_at_once(self, peers: Peers) -> None:
        """The registration of the node's earlier run is replaced before it expires (G3)."""
        stale = peers.join("node1")
        stale.register(member(1))
        watcher = peers.join("node2")
        watcher.watch(MEMBERS)
        watcher.seen.wait_names(MEMBERS, [member(1).name], WAIT_TIMEOUT)
        fresh = peers.join("node1")
        fresh.watch(MEMBERS)
        fresh.register(member(1))
        assert fresh.wait_claim(member(1), Claim.OURS, MAX_PROPAGATION).value == fresh.value
        watcher.seen.wait_for(
            lambda: (entry := watcher.entry(member(1))) is not None and entry.value == fresh.value,
            MAX_PROPAGATION,
            "the new run's value is seen by others",
        )

    def test_replaced_by_a_duplicate_agent_the_first_yields(self, peers: Peers) -> None:
        """Of two live agents with one node name, the later one wins, the earlier one yields (G3)."""
        first = peers.join("node1")
        first.watch(MEMBERS)
        first.register(member(1))
        first.wait_claim(member(1), Claim.OURS, WAIT_TIMEOUT)
        twin = peers.join("node1")
        twin.watch(MEMBERS)
        twin.register(member(1))
        twin.wait_claim(member(1), Claim.OURS, MAX_PROPAGATION)
        assert first.wait_claim(member(1), Claim.SAME_NODE, MAX_PROPAGATION).value == twin.value
        mark = twin.seen.mark()
        for other in (2, 3, 4):
            first.register(member(other))
        names = [member(last).name for last in (1, 2, 3, 4)]
        last = twin.seen.wait_names(MEMBERS, names, MAX_PROPAGATION, mark)
        assert last[member(1).name].claim == Claim.OURS
        first.seen.wait_names(MEMBERS, names, MAX_PROPAGATION)
        first.wait_claim(member(1), Claim.SAME_NODE, MAX_PROPAGATION)

    def test_a_replaced_registration_returns_after_the_duplicate(self, peers: Peers) -> None:
        """The entry is created again as soon as it is free."""
        first = peers.join("node1")
        first.watch(MEMBERS)
        first.register(member(1))
        first.wait_claim(member(1), Claim.OURS, WAIT_TIMEOUT)
        twin = peers.join("node1")
        twin.register(member(1))
        first.wait_claim(member(1), Claim.SAME_NODE, MAX_PROPAGATION)
        twin.backend.deregister(member(1))
        first.wait_claim(member(1), Claim.OURS, MAX_PROPAGATION)

    def test_a_live_one_of_another_node_is_left_alone_until_it_is_free(self, peers: Peers) -> None:
        """The second node sees the holder, waits, and registers as soon as the entry is free (G3)."""
        holder, newcomer = peers.join("node1"), peers.join("node2")
        holder.register(member(1))
        newcomer.watch(MEMBERS)
        newcomer.seen.wait_names(MEMBERS, [member(1).name], WAIT_TIMEOUT)
        with newcomer.seen.always_contains(MEMBERS, member(1).name):
            newcomer.register(member(1))
            newcomer.register(member(2))
            both = newcomer.seen.wait_names(MEMBERS, [member(1).name, member(2).name], MAX_PROPAGATION)
        assert both[member(1).name].value == holder.value
        assert both[member(1).name].claim == Claim.OTHER
        holder.backend.deregister(member(1))
        newcomer.wait_claim(member(1), Claim.OURS, MAX_PROPAGATION)

    def test_a_waiting_registration_can_be_cancelled(self, peers: Peers) -> None:
        """After a deregistration nothing is registered later, and the holder's entry is kept."""
        holder, newcomer = peers.join("node1"), peers.join("node2")
        newcomer.watch(MEMBERS)
        holder.register(member(1))
        newcomer.seen.wait_names(MEMBERS, [member(1).name], WAIT_TIMEOUT)
        newcomer.register(member(1))
        newcomer.backend.deregister(member(1))
        newcomer.register(member(2))
        newcomer.seen.wait_names(MEMBERS, [member(1).name, member(2).name], MAX_PROPAGATION)
        holder.backend.deregister(member(1))
        newcomer.seen.wait_names(MEMBERS, [member(2).name], MAX_PROPAGATION)

    def test_a_foreign_bare_entry_is_a_member_and_left_alone(
        self, peers: Peers, store: StoreUnderTest
    ) -> None:
        """ExaZK's entries have no value: they are foreign and live."""
        store.create_foreign(member(1), b"")
        one = peers.join("node1")
        one.watch(MEMBERS)
        one.register(member(1))
        one.register(member(2))
        seen = one.seen.wait_names(MEMBERS, [member(1).name, member(2).name], WAIT_TIMEOUT)
        assert seen[member(1).name].claim == Claim.OTHER
        assert seen[member(1).name].value == b""
        store.delete(member(1))
        one.wait_claim(member(1), Claim.OURS, MAX_PROPAGATION)

    def test_a_foreign_entry_that_claims_our_node_is_replaced(
        self, peers: Peers, store: StoreUnderTest
    ) -> None:
        """An entry with our node name is treated as one of an earlier run."""
        store.create_foreign(member(1), Registration(node="node1", instance="an earlier one").dump())
        one = peers.join("node1")
        one.watch(MEMBERS)
        one.register(member(1))
        assert one.wait_claim(member(1), Claim.OURS, WAIT_TIMEOUT).value == one.value

    def test_a_removed_entry_is_made_again(self, peers: Peers, store: StoreUnderTest) -> None:
        """A deleted entry is registered again."""
        one = peers.join("node1")
        one.watch(MEMBERS)
        one.register(member(1))
        one.wait_claim(member(1), Claim.OURS, WAIT_TIMEOUT)
        store.delete(member(1))
        eventually(lambda: one.backend.read(MEMBERS, WAIT_TIMEOUT), MAX_PROPAGATION, "the entry exists again")
        one.wait_claim(member(1), Claim.OURS, MAX_PROPAGATION)

    def test_an_update_has_no_moment_of_absence(self, peers: Peers) -> None:
        """During updates the entry is in each snapshot, and finally has the last value."""
        one, two = peers.join("node1"), peers.join("node2")
        two.watch(MEMBERS)
        one.register(member(1))
        two.seen.wait_names(MEMBERS, [member(1).name], WAIT_TIMEOUT)
        with two.seen.always_contains(MEMBERS, member(1).name):
            for turn in range(50):
                one.backend.register(member(1), f"turn {turn}".encode())
            two.seen.wait_for(
                lambda: (entry := two.entry(member(1))) is not None and entry.value == b"turn 49",
                WAIT_TIMEOUT,
                "the last value is seen",
            )

    @pytest.mark.parametrize("value", [b"", b"not ours", b"\xff\x00\n", Registration("node9", "run9").dump()])
    def test_an_overwritten_entry_stays_ours(self, peers: Peers, store: StoreUnderTest, value: bytes) -> None:
        """The holder is determined by the store's metadata, not by the value."""
        one = peers.join("node1")
        one.watch(MEMBERS)
        one.register(member(1))
        one.wait_claim(member(1), Claim.OURS, WAIT_TIMEOUT)
        store.overwrite(member(1), value)
        one.seen.wait_for(
            lambda: (entry := one.entry(member(1))) is not None and entry.value == value,
            MAX_PROPAGATION,
            "the new value is seen",
        )
        one.wait_claim(member(1), Claim.OURS, MAX_PROPAGATION)
        one.backend.deregister(member(1))
        one.seen.wait_names(MEMBERS, [], MAX_PROPAGATION)

    def test_a_huge_value_is_cut(self, peers: Peers, store: StoreUnderTest) -> None:
        """A huge entry does not exhaust an agent's memory."""
        store.create_foreign(member(1), b"x" * (MAX_VALUE + 10_000))
        one = peers.join("node1")
        one.watch(MEMBERS)
        seen = one.seen.wait_names(MEMBERS, [member(1).name], WAIT_TIMEOUT)
        assert len(seen[member(1).name].value) <= MAX_VALUE

    def test_the_last_of_rapid_changes_takes_effect(self, peers: Peers) -> None:
        """Of rapid registrations and deregistrations the last one takes effect."""
        one, two = peers.join("node1"), peers.join("node2")
        two.watch(MEMBERS)
        for _ in range(20):
            one.register(member(1))
            one.backend.deregister(member(1))
            one.backend.deregister(member(2))
            one.register(member(2))
        one.register(member(3))
        two.seen.wait_names(MEMBERS, [member(2).name, member(3).name], WAIT_TIMEOUT)

    def test_several_services_share_one_session(self, peers: Peers) -> None:
        """Each directory has only its own entries."""
        one = peers.join("node1")
        services = [Directory(Kind.MEMBERS, name) for name in ("apex", "api", "api-2")]
        for last, service in enumerate(services):
            one.watch(service)
            one.register(Key(service, f"10.0.0.{last}"))
        for last, service in enumerate(services):
            one.seen.wait_names(service, [f"10.0.0.{last}"], WAIT_TIMEOUT)
        one.backend.deregister(Key(services[1], "10.0.0.1"))
        one.seen.wait_names(services[1], [], MAX_PROPAGATION)
        assert set(one.seen.latest(services[0]) or {}) == {"10.0.0.0"}
        assert set(one.seen.latest(services[2]) or {}) == {"10.0.0.2"}

    def test_a_node_record_outlives_its_members(self, peers: Peers) -> None:
        """The record of a node's state exists while its agent runs, independent of its registration."""
        one, two = peers.join("node1"), peers.join("node2")
        two.watch(STATES)
        two.watch(MEMBERS)
        record = NodeState("node1", "down", vips={"10.0.0.1": VipState("check-down", owned=True)})
        one.register(member(1))
        one.backend.register(Key(STATES, "node1"), record.dump())
        two.seen.wait_names(MEMBERS, [member(1).name], WAIT_TIMEOUT)
        one.backend.deregister(member(1))
        two.seen.wait_names(MEMBERS, [], MAX_PROPAGATION)
        seen = two.seen.wait_names(STATES, ["node1"], MAX_PROPAGATION)
        assert NodeState.load(seen["node1"].value) == record
        one.backend.close(5.0)
        two.seen.wait_names(STATES, [], MAX_PROPAGATION)
