"""Answers to queries that ExaBGP gives late: each belongs to its own query (E1, E2)."""

from vipagent.engine.conversation import Conversation, TableAnswer
from vipagent.exabgp.details import SHOW_DETAILS
from vipagent.exabgp.messages import SHOW_NEIGHBORS
from vipagent.exabgp.polling import FIRST_ANSWER_TIMEOUT, POLL_INTERVAL, POLL_TIMEOUT
from vipagent.exabgp.table import SHOW_TABLE

SUMMARY = ["Peer AS up/down state | #sent #recvd", "192.0.2.1 65000 0:00:03 established 3 2", "done"]
DETAILS = ["Neighbor 192.0.2.1", "   state   ESTABLISHED", "   AS   65001   65000", "done"]
ROUTE = "neighbor 192.0.2.1 family-allowed in-open ipv4 unicast 10.0.0.9/32 next-hop 192.0.2.2"
ANSWER = [*SUMMARY, *DETAILS, ROUTE, "done"]
"""Answer to the first query, with the queries attached to it."""
LATER = FIRST_ANSWER_TIMEOUT + POLL_TIMEOUT


class Asked:
    """A conversation that has sent its first query."""

    def __init__(self) -> None:
        self.conversation = Conversation()
        self.conversation.congested = False
        assert self.conversation.lines(0.0, final=False) == [SHOW_NEIGHBORS, SHOW_DETAILS, SHOW_TABLE]

    def wait_until(self, now: float) -> list[str]:
        self.conversation.check_timeouts(FIRST_ANSWER_TIMEOUT)
        self.conversation.check_timeouts(now)
        return self.conversation.lines(now, final=False)

    def read(self, lines: list[str], now: float) -> list[list[str]]:
        """Return the prefixes of each table that was read."""
        answers = [event for line in lines for event in self.conversation.on_line(line, now)]
        return [
            [route.prefix for route in table.routes] for table in answers if isinstance(table, TableAnswer)
        ]


def test_a_late_first_answer_counts_while_it_is_the_only_one_expected() -> None:
    asked = Asked()
    asked.wait_until(FIRST_ANSWER_TIMEOUT)
    assert asked.read(ANSWER, FIRST_ANSWER_TIMEOUT + 1) == [["10.0.0.9/32"]]


def test_nothing_is_attached_to_a_poll_while_the_first_query_may_be_answered_late() -> None:
    assert Asked().wait_until(LATER) == [SHOW_NEIGHBORS]


def test_replies_of_a_late_first_answer_are_no_empty_table() -> None:
    asked = Asked()
    asked.wait_until(LATER)
    assert asked.read([*ANSWER, *SUMMARY], LATER + 1) == []


def test_a_lost_first_answer_makes_no_table_of_what_follows() -> None:
    asked = Asked()
    asked.wait_until(LATER)
    assert asked.read([*SUMMARY, "done", "done"], LATER + 1) == []


def test_a_lost_first_answer_makes_no_table_without_replies() -> None:
    asked = Asked()
    asked.wait_until(LATER)
    asked.read(SUMMARY[:-1], LATER + 1)
    assert not any(isinstance(event, TableAnswer) for event in asked.conversation.check_timeouts(LATER + 3))


def test_a_pause_of_the_agent_is_no_part_of_an_answer_without_replies() -> None:
    """The table is read at most once in a hundred times what its answer took."""
    asked = Asked()
    asked.read([*SUMMARY[:-1], *DETAILS[:-1], ROUTE], 0.1)
    resumed_at = 7.0
    asked.conversation.check_timeouts(resumed_at)  # acknowledgements are disabled
    assert any(isinstance(event, TableAnswer) for event in asked.conversation.check_timeouts(resumed_at))
    asked.conversation.read_table_at(resumed_at + 1)
    later = resumed_at + 1 + POLL_INTERVAL
    asked.conversation.check_timeouts(later)
    assert SHOW_TABLE in asked.conversation.lines(later, final=False)
