"""Registrations: seen, replaced, contested, updated, gone (G2, G3)."""

import pytest

from vipagent.store.backend import MAX_VALUE
from vipagent.store.layout import Directory, Key, Kind
from vipagent.store.records import NodeState, Registration, VipState
from vipagent.testing.peers import MEMBERS, STATES, Peers, Suite, eventually, member
from vipagent.testing.store import NOTICE, PATIENCE, StoreUnderTest
from vipagent.types import Claim


class Registering(Suite):
    """What becomes of a registration."""

    def test_a_registration_is_seen_by_itself_and_by_others(self, peers: Peers) -> None:
        """Its own agent sees it as OURS, the others with its value."""
        one, two = peers.join("node1"), peers.join("node2")
        for peer in (one, two):
            peer.watch(MEMBERS)
            peer.seen.wait_names(MEMBERS, [], PATIENCE)
        one.register(member(1))
        assert one.wait_claim(member(1), Claim.OURS, NOTICE).value == one.value
        assert two.wait_claim(member(1), Claim.OTHER, NOTICE).value == one.value

    def test_a_deregistration_is_seen_at_once(self, peers: Peers) -> None:
        """No session has to time out (G2)."""
        one, two = peers.join("node1"), peers.join("node2")
        two.watch(MEMBERS)
        one.register(member(1))
        two.seen.wait_names(MEMBERS, [member(1).name], PATIENCE)
        one.backend.deregister(member(1))
        two.seen.wait_names(MEMBERS, [], NOTICE)

    def test_a_deregistration_of_nothing_is_fine(self, peers: Peers) -> None:
        """Unknown keys change nothing, others' entries neither."""
        one, two = peers.join("node1"), peers.join("node2")
        two.watch(MEMBERS)
        two.register(member(2))
        two.seen.wait_names(MEMBERS, [member(2).name], PATIENCE)
        with two.seen.never_without(MEMBERS, member(2).name):
            one.backend.deregister(member(1))
            one.backend.deregister(member(2))
            one.register(member(3))
            two.seen.wait_names(MEMBERS, [member(2).name, member(3).name], NOTICE)

    def test_an_own_earlier_registration_is_replaced_at_once(self, peers: Peers) -> None:
        """The node's earlier run has not timed out yet: the new one doesn't wait for that (G3)."""
        stale = peers.join("node1")
        stale.register(member(1))
        watcher = peers.join("node2")
        watcher.watch(MEMBERS)
        watcher.seen.wait_names(MEMBERS, [member(1).name], PATIENCE)
        fresh = peers.join("node1")
        fresh.watch(MEMBERS)
        fresh.register(member(1))
        assert fresh.wait_claim(member(1), Claim.OURS, NOTICE).value == fresh.value
        watcher.seen.wait_for(
            lambda: (entry := watcher.entry(member(1))) is not None and entry.value == fresh.value,
            NOTICE,
            "the new run's value is seen by others",
        )

    def test_displaced_by_a_twin_the_first_gives_way(self, peers: Peers) -> None:
        """Two live runs under one name: the later one replaces, the earlier one does not fight (G3)."""
        first = peers.join("node1")
        first.watch(MEMBERS)
        first.register(member(1))
        first.wait_claim(member(1), Claim.OURS, PATIENCE)
        twin = peers.join("node1")
        twin.watch(MEMBERS)
        twin.register(member(1))
        twin.wait_claim(member(1), Claim.OURS, NOTICE)
        assert first.wait_claim(member(1), Claim.SAME_NODE, NOTICE).value == twin.value
        mark = twin.seen.mark()
        for other in (2, 3, 4):
            first.register(member(other))
        names = [member(last).name for last in (1, 2, 3, 4)]
        last = twin.seen.wait_names(MEMBERS, names, NOTICE, mark)
        assert last[member(1).name].claim == Claim.OURS
        first.seen.wait_names(MEMBERS, names, NOTICE)
        first.wait_claim(member(1), Claim.SAME_NODE, NOTICE)

    def test_a_displaced_registration_returns_when_the_twin_leaves(self, peers: Peers) -> None:
        """The wish stays: the entry is made again as soon as it is free."""
        first = peers.join("node1")
        first.watch(MEMBERS)
        first.register(member(1))
        first.wait_claim(member(1), Claim.OURS, PATIENCE)
        twin = peers.join("node1")
        twin.register(member(1))
        first.wait_claim(member(1), Claim.SAME_NODE, NOTICE)
        twin.backend.deregister(member(1))
        first.wait_claim(member(1), Claim.OURS, NOTICE)

    def test_a_live_one_of_another_node_is_left_alone_until_it_is_free(self, peers: Peers) -> None:
        """The newcomer sees whose it is, waits, and has it as soon as it can (G3)."""
        holder, newcomer = peers.join("node1"), peers.join("node2")
        holder.register(member(1))
        newcomer.watch(MEMBERS)
        newcomer.seen.wait_names(MEMBERS, [member(1).name], PATIENCE)
        with newcomer.seen.never_without(MEMBERS, member(1).name):
            newcomer.register(member(1))
            newcomer.register(member(2))
            both = newcomer.seen.wait_names(MEMBERS, [member(1).name, member(2).name], NOTICE)
        assert both[member(1).name].value == holder.value
        assert both[member(1).name].claim == Claim.OTHER
        holder.backend.deregister(member(1))
        newcomer.wait_claim(member(1), Claim.OURS, NOTICE)

    def test_who_waits_in_vain_and_gives_up_gets_nothing(self, peers: Peers) -> None:
        """A deregistered wish is forgotten, and the holder's entry is left alone."""
        holder, newcomer = peers.join("node1"), peers.join("node2")
        newcomer.watch(MEMBERS)
        holder.register(member(1))
        newcomer.seen.wait_names(MEMBERS, [member(1).name], PATIENCE)
        newcomer.register(member(1))
        newcomer.backend.deregister(member(1))
        newcomer.register(member(2))
        newcomer.seen.wait_names(MEMBERS, [member(1).name, member(2).name], NOTICE)
        holder.backend.deregister(member(1))
        newcomer.seen.wait_names(MEMBERS, [member(2).name], NOTICE)

    def test_a_foreign_bare_entry_is_a_member_and_left_alone(
        self, peers: Peers, store: StoreUnderTest
    ) -> None:
        """ExaZK's entries have no value: somebody else's, alive."""
        store.plant(member(1), b"")
        one = peers.join("node1")
        one.watch(MEMBERS)
        one.register(member(1))
        one.register(member(2))
        seen = one.seen.wait_names(MEMBERS, [member(1).name, member(2).name], PATIENCE)
        assert seen[member(1).name].claim == Claim.OTHER
        assert seen[member(1).name].value == b""
        store.uproot(member(1))
        one.wait_claim(member(1), Claim.OURS, NOTICE)

    def test_a_foreign_entry_that_claims_our_node_is_replaced(
        self, peers: Peers, store: StoreUnderTest
    ) -> None:
        """It says that it is an earlier run's: it is taken by its word."""
        store.plant(member(1), Registration(node="node1", instance="an earlier one").dump())
        one = peers.join("node1")
        one.watch(MEMBERS)
        one.register(member(1))
        assert one.wait_claim(member(1), Claim.OURS, PATIENCE).value == one.value

    def test_a_removed_entry_is_made_again(self, peers: Peers, store: StoreUnderTest) -> None:
        """Somebody's clean-up does not end a registration."""
        one = peers.join("node1")
        one.watch(MEMBERS)
        one.register(member(1))
        one.wait_claim(member(1), Claim.OURS, PATIENCE)
        store.uproot(member(1))
        eventually(lambda: one.backend.read(MEMBERS, PATIENCE), NOTICE, "the entry is there again")
        one.wait_claim(member(1), Claim.OURS, NOTICE)

    def test_an_update_has_no_moment_of_absence(self, peers: Peers) -> None:
        """Registered again with other values, the entry is in each snapshot, and ends with the last value."""
        one, two = peers.join("node1"), peers.join("node2")
        two.watch(MEMBERS)
        one.register(member(1))
        two.seen.wait_names(MEMBERS, [member(1).name], PATIENCE)
        with two.seen.never_without(MEMBERS, member(1).name):
            for turn in range(50):
                one.backend.register(member(1), f"turn {turn}".encode())
            two.seen.wait_for(
                lambda: (entry := two.entry(member(1))) is not None and entry.value == b"turn 49",
                PATIENCE,
                "the last value is seen",
            )

    @pytest.mark.parametrize("value", [b"", b"not ours", b"\xff\x00\n", Registration("node9", "run9").dump()])
    def test_an_overwritten_entry_stays_ours(self, peers: Peers, store: StoreUnderTest, value: bytes) -> None:
        """Who holds an entry is the store's word, not the value's."""
        one = peers.join("node1")
        one.watch(MEMBERS)
        one.register(member(1))
        one.wait_claim(member(1), Claim.OURS, PATIENCE)
        store.overwrite(member(1), value)
        one.seen.wait_for(
            lambda: (entry := one.entry(member(1))) is not None and entry.value == value,
            NOTICE,
            "the overwriting is seen",
        )
        one.wait_claim(member(1), Claim.OURS, NOTICE)
        one.backend.deregister(member(1))
        one.seen.wait_names(MEMBERS, [], NOTICE)

    def test_a_huge_value_is_cut(self, peers: Peers, store: StoreUnderTest) -> None:
        """Nobody's entry can fill an agent's memory."""
        store.plant(member(1), b"x" * (MAX_VALUE + 10_000))
        one = peers.join("node1")
        one.watch(MEMBERS)
        seen = one.seen.wait_names(MEMBERS, [member(1).name], PATIENCE)
        assert len(seen[member(1).name].value) <= MAX_VALUE

    def test_registered_and_deregistered_in_haste_the_last_wish_counts(self, peers: Peers) -> None:
        """Wishes that overtake each other end as the last one says."""
        one, two = peers.join("node1"), peers.join("node2")
        two.watch(MEMBERS)
        for _ in range(20):
            one.register(member(1))
            one.backend.deregister(member(1))
            one.backend.deregister(member(2))
            one.register(member(2))
        one.register(member(3))
        two.seen.wait_names(MEMBERS, [member(2).name, member(3).name], PATIENCE)

    def test_several_services_share_one_session(self, peers: Peers) -> None:
        """Each directory has its own entries alone."""
        one = peers.join("node1")
        services = [Directory(Kind.MEMBERS, name) for name in ("apex", "api", "api-2")]
        for last, service in enumerate(services):
            one.watch(service)
            one.register(Key(service, f"10.0.0.{last}"))
        for last, service in enumerate(services):
            one.seen.wait_names(service, [f"10.0.0.{last}"], PATIENCE)
        one.backend.deregister(Key(services[1], "10.0.0.1"))
        one.seen.wait_names(services[1], [], NOTICE)
        assert set(one.seen.latest(services[0]) or {}) == {"10.0.0.0"}
        assert set(one.seen.latest(services[2]) or {}) == {"10.0.0.2"}

    def test_a_node_record_outlives_its_members(self, peers: Peers) -> None:
        """The record of a node's state lives as long as its agent, not as its registration."""
        one, two = peers.join("node1"), peers.join("node2")
        two.watch(STATES)
        two.watch(MEMBERS)
        record = NodeState("node1", "down", vips={"10.0.0.1": VipState("check-down", owned=True)})
        one.register(member(1))
        one.backend.register(Key(STATES, "node1"), record.dump())
        two.seen.wait_names(MEMBERS, [member(1).name], PATIENCE)
        one.backend.deregister(member(1))
        two.seen.wait_names(MEMBERS, [], NOTICE)
        seen = two.seen.wait_names(STATES, ["node1"], NOTICE)
        assert NodeState.load(seen["node1"].value) == record
        one.backend.close(5.0)
        two.seen.wait_names(STATES, [], NOTICE)
