"""Maintenance keys, which are persistent (H5, S2)."""

from vipagent.store.layout import WHOLE_SERVICE, Key
from vipagent.store.records import Maintenance
from vipagent.testing.peers import MAINTENANCE, MEMBERS, Peers, Suite, member
from vipagent.testing.store import MAX_PROPAGATION, WAIT_TIMEOUT, StoreUnderTest
from vipagent.types import StoreState

SERVICE_KEY = Key(MAINTENANCE, WHOLE_SERVICE)
NODE = Key(MAINTENANCE, "node1")


class Keys(Suite):
    """Operator commands."""

    def test_a_written_key_is_seen_at_once_and_read_back(self, peers: Peers) -> None:
        """Agents and other commands see it with its value."""
        agent, operator = peers.join("node1"), peers.join("operator")
        agent.watch(MAINTENANCE)
        agent.seen.wait_names(MAINTENANCE, [], WAIT_TIMEOUT)
        value = Maintenance(reason="new kernel", by="alice").dump()
        operator.backend.write(NODE, value, WAIT_TIMEOUT)
        assert agent.seen.wait_names(MAINTENANCE, ["node1"], MAX_PROPAGATION)["node1"].value == value
        assert operator.backend.read(MAINTENANCE, WAIT_TIMEOUT)["node1"].value == value

    def test_a_key_is_replaced_without_a_moment_of_absence(self, peers: Peers) -> None:
        """A new reason does not interrupt the maintenance."""
        agent, operator = peers.join("node1"), peers.join("operator")
        agent.watch(MAINTENANCE)
        operator.backend.write(SERVICE_KEY, b"", WAIT_TIMEOUT)
        agent.seen.wait_names(MAINTENANCE, ["all"], WAIT_TIMEOUT)
        with agent.seen.always_contains(MAINTENANCE, "all"):
            for turn in range(20):
                operator.backend.write(SERVICE_KEY, f"turn {turn}".encode(), WAIT_TIMEOUT)
            agent.seen.wait_for(
                lambda: (entry := agent.entry(SERVICE_KEY)) is not None and entry.value == b"turn 19",
                MAX_PROPAGATION,
                "the last value is seen",
            )

    def test_an_erased_key_is_gone_at_once(self, peers: Peers) -> None:
        """Erasing returns whether the key existed."""
        agent, operator = peers.join("node1"), peers.join("operator")
        agent.watch(MAINTENANCE)
        for key in (SERVICE_KEY, NODE):
            operator.backend.write(key, b"", WAIT_TIMEOUT)
        agent.seen.wait_names(MAINTENANCE, ["all", "node1"], WAIT_TIMEOUT)
        assert operator.backend.erase(SERVICE_KEY, WAIT_TIMEOUT) is True
        agent.seen.wait_names(MAINTENANCE, ["node1"], MAX_PROPAGATION)
        assert operator.backend.erase(SERVICE_KEY, WAIT_TIMEOUT) is False
        assert set(operator.backend.read(MAINTENANCE, WAIT_TIMEOUT)) == {"node1"}

    def test_a_key_outlives_the_session_that_wrote_it(self, peers: Peers) -> None:
        """The service stays in maintenance after the command and all agents have exited."""
        operator = peers.join("operator")
        operator.backend.write(SERVICE_KEY, b"why", WAIT_TIMEOUT)
        operator.backend.close(5.0)
        later = peers.join("node1")
        assert later.backend.read(MAINTENANCE, WAIT_TIMEOUT)["all"].value == b"why"
        later.watch(MAINTENANCE)
        assert later.seen.wait_names(MAINTENANCE, ["all"], WAIT_TIMEOUT)["all"].value == b"why"

    def test_a_foreign_key_without_value_counts(self, peers: Peers, store: StoreUnderTest) -> None:
        """ExaZK's keys have no value, and can be erased."""
        agent, operator = peers.join("node1"), peers.join("operator")
        agent.watch(MAINTENANCE)
        agent.seen.wait_names(MAINTENANCE, [], WAIT_TIMEOUT)
        operator.backend.write(NODE, b"", WAIT_TIMEOUT)
        agent.seen.wait_names(MAINTENANCE, ["node1"], MAX_PROPAGATION)
        store.delete(NODE)
        agent.seen.wait_names(MAINTENANCE, [], MAX_PROPAGATION)

    def test_a_command_needs_no_connection_beforehand(self, peers: Peers) -> None:
        """A command opens, writes, reads and closes, and waits for the connection by itself."""
        operator = peers.make("operator")
        operator.backend.open()
        operator.backend.write(NODE, b"x", WAIT_TIMEOUT)
        assert operator.backend.read(MAINTENANCE, WAIT_TIMEOUT)["node1"].value == b"x"
        operator.seen.wait_state(StoreState.CONNECTED, WAIT_TIMEOUT)

    def test_reading_returns_all_values(self, peers: Peers) -> None:
        """Any directory can be read, watched or not; one that does not exist is empty."""
        one, operator = peers.join("node1"), peers.join("operator")
        assert operator.backend.read(MEMBERS, WAIT_TIMEOUT) == {}
        one.watch(MEMBERS)
        for last in (1, 2):
            one.register(member(last))
        one.seen.wait_names(MEMBERS, [member(1).name, member(2).name], WAIT_TIMEOUT)
        entries = operator.backend.read(MEMBERS, WAIT_TIMEOUT)
        assert {name: entry.value for name, entry in entries.items()} == {
            member(1).name: one.value,
            member(2).name: one.value,
        }
