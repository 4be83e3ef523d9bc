"""Maintenance keys: an operator's, persistent (H5, S2)."""

from vipagent.store.layout import WHOLE_SERVICE, Key
from vipagent.store.records import Maintenance
from vipagent.testing.peers import MAINTENANCE, MEMBERS, Peers, Suite, member
from vipagent.testing.store import NOTICE, PATIENCE, StoreUnderTest
from vipagent.types import StoreState

SERVICE = Key(MAINTENANCE, WHOLE_SERVICE)
NODE = Key(MAINTENANCE, "node1")


class Keys(Suite):
    """What operators' commands do."""

    def test_a_written_key_is_seen_at_once_and_read_back(self, peers: Peers) -> None:
        """Agents see it with its value, and so does another command."""
        agent, operator = peers.join("node1"), peers.join("operator")
        agent.watch(MAINTENANCE)
        agent.seen.wait_names(MAINTENANCE, [], PATIENCE)
        value = Maintenance(reason="new kernel", by="alice").dump()
        operator.backend.write(NODE, value, PATIENCE)
        assert agent.seen.wait_names(MAINTENANCE, ["node1"], NOTICE)["node1"].value == value
        assert operator.backend.read(MAINTENANCE, PATIENCE)["node1"].value == value

    def test_a_key_is_replaced_without_a_moment_of_absence(self, peers: Peers) -> None:
        """A new reason does not end the maintenance in between."""
        agent, operator = peers.join("node1"), peers.join("operator")
        agent.watch(MAINTENANCE)
        operator.backend.write(SERVICE, b"", PATIENCE)
        agent.seen.wait_names(MAINTENANCE, ["all"], PATIENCE)
        with agent.seen.never_without(MAINTENANCE, "all"):
            for turn in range(20):
                operator.backend.write(SERVICE, f"turn {turn}".encode(), PATIENCE)
            agent.seen.wait_for(
                lambda: (entry := agent.entry(SERVICE)) is not None and entry.value == b"turn 19",
                NOTICE,
                "the last value is seen",
            )

    def test_an_erased_key_is_gone_at_once(self, peers: Peers) -> None:
        """Erasing says whether there was a key."""
        agent, operator = peers.join("node1"), peers.join("operator")
        agent.watch(MAINTENANCE)
        for key in (SERVICE, NODE):
            operator.backend.write(key, b"", PATIENCE)
        agent.seen.wait_names(MAINTENANCE, ["all", "node1"], PATIENCE)
        assert operator.backend.erase(SERVICE, PATIENCE) is True
        agent.seen.wait_names(MAINTENANCE, ["node1"], NOTICE)
        assert operator.backend.erase(SERVICE, PATIENCE) is False
        assert set(operator.backend.read(MAINTENANCE, PATIENCE)) == {"node1"}

    def test_a_key_outlives_the_session_that_wrote_it(self, peers: Peers) -> None:
        """The service stays in maintenance when the command, and every agent, has ended."""
        operator = peers.join("operator")
        operator.backend.write(SERVICE, b"why", PATIENCE)
        operator.backend.close(5.0)
        later = peers.join("node1")
        assert later.backend.read(MAINTENANCE, PATIENCE)["all"].value == b"why"
        later.watch(MAINTENANCE)
        assert later.seen.wait_names(MAINTENANCE, ["all"], PATIENCE)["all"].value == b"why"

    def test_a_bare_key_of_somebody_else_counts(self, peers: Peers, store: StoreUnderTest) -> None:
        """ExaZK's keys have no value, and are erased like ours."""
        agent, operator = peers.join("node1"), peers.join("operator")
        agent.watch(MAINTENANCE)
        agent.seen.wait_names(MAINTENANCE, [], PATIENCE)
        operator.backend.write(NODE, b"", PATIENCE)
        agent.seen.wait_names(MAINTENANCE, ["node1"], NOTICE)
        store.uproot(NODE)
        agent.seen.wait_names(MAINTENANCE, [], NOTICE)

    def test_a_command_needs_no_connection_beforehand(self, peers: Peers) -> None:
        """A command opens, writes, reads and closes: it waits for the connection by itself."""
        operator = peers.make("operator")
        operator.backend.open()
        operator.backend.write(NODE, b"x", PATIENCE)
        assert operator.backend.read(MAINTENANCE, PATIENCE)["node1"].value == b"x"
        operator.seen.wait_state(StoreState.CONNECTED, PATIENCE)

    def test_reading_tells_all_values(self, peers: Peers) -> None:
        """Of any directory, watched or not; one that does not exist is empty."""
        one, operator = peers.join("node1"), peers.join("operator")
        assert operator.backend.read(MEMBERS, PATIENCE) == {}
        one.watch(MEMBERS)
        for last in (1, 2):
            one.register(member(last))
        one.seen.wait_names(MEMBERS, [member(1).name, member(2).name], PATIENCE)
        entries = operator.backend.read(MEMBERS, PATIENCE)
        assert {name: entry.value for name, entry in entries.items()} == {
            member(1).name: one.value,
            member(2).name: one.value,
        }
