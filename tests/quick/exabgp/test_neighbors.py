"""Established neighbours: known, unknown, or none because ExaBGP hangs (E5, N1, N2)."""

import pytest

from vipagent.exabgp.messages import Message, NeighborState, Reply, SummaryHeader
from vipagent.exabgp.neighbors import (
    HANG_TIMEOUT,
    MAX_PEERS,
    MAX_TIMER_DELAY,
    MIN_ANSWER_TIMEOUT,
    Neighbors,
)
from vipagent.exabgp.polling import IDLE_TIMEOUT

ONE, TWO = "192.0.2.1", "192.0.2.2"
PEER_COUNT = MAX_PEERS + 10


def up(peer: str, asn: int | None = None) -> NeighborState:
    return NeighborState(peer, established=True, asn=asn)


def down(peer: str) -> NeighborState:
    return NeighborState(peer, established=False)


def summary_line(peer: str, *, established: bool) -> NeighborState:
    """Return a neighbour's line of a summary."""
    return NeighborState(peer, established, from_summary=True)


class Scenario:
    """Neighbours in virtual time."""

    def __init__(self) -> None:
        self.now = 0.0
        self.neighbors = Neighbors()

    def receive(self, *messages: Message) -> list[NeighborState]:
        return [
            change for message in messages for change in self.neighbors.message_received(message, self.now)
        ]

    def query(self) -> None:
        self.neighbors.query_sent(self.now)

    def answer(self, *states: NeighborState, acks: bool = True) -> list[NeighborState]:
        """Send a query and receive its answer."""
        self.query()
        return self.receive(SummaryHeader(), *states, *([Reply()] if acks else []))

    def wait(self, seconds: float) -> list[NeighborState]:
        """Advance the time, processing all deadlines on time."""
        end, changes = self.now + seconds, []
        while (at := self.neighbors.deadline()) is not None and at <= end:
            self.now = at
            changes += self.neighbors.handle_timeouts(self.now)
        self.now = end
        return changes

    @property
    def established(self) -> int | None:
        neighbors = self.neighbors
        return len(neighbors.established) if neighbors.known or neighbors.hung else None


def test_state_is_unknown_before_the_first_message() -> None:
    scenario = Scenario()
    scenario.query()
    scenario.wait(100)
    assert scenario.established is None
    assert not scenario.neighbors.hung, "it may not support the query"


def test_repeated_events_cause_no_change() -> None:
    scenario = Scenario()
    assert scenario.receive(down(ONE)) == [], "every retry sends `down`"
    assert scenario.established == 0
    assert scenario.receive(up(ONE), up(ONE), up(TWO)) == [up(ONE), up(TWO)]
    assert scenario.established == 2
    assert scenario.receive(down(ONE)) == [down(ONE)]
    assert scenario.established == 1


def test_complete_summary_replaces_the_state() -> None:
    """4.2 lists only established neighbours, so a missing one is down."""
    scenario = Scenario()
    scenario.answer(up(ONE), up(TWO))
    assert scenario.established == 2
    scenario.query()
    assert scenario.receive(SummaryHeader(), up(TWO)) == []
    assert scenario.established == 2, "the summary may be incomplete"
    assert scenario.receive(Reply()) == [down(ONE)]
    assert scenario.established == 1
    assert scenario.answer() == [down(TWO)]
    assert scenario.established == 0


def test_failed_summary_is_discarded() -> None:
    scenario = Scenario()
    scenario.answer(up(ONE))
    scenario.query()
    assert scenario.receive(SummaryHeader(), Reply("rejected by ExaBGP")) == []
    assert scenario.established == 1


def test_n2_failed_summary_ends_the_hang() -> None:
    scenario = Scenario()
    scenario.receive(up(ONE))
    failed = (SummaryHeader(), Reply("rejected by ExaBGP"))
    scenario.receive(*failed)
    scenario.query()
    scenario.wait(60)
    assert scenario.neighbors.hung
    scenario.receive(*failed)
    scenario.query()
    scenario.receive(*failed)
    assert not scenario.neighbors.hung


def test_empty_summary_means_no_neighbors() -> None:
    scenario = Scenario()
    scenario.answer()
    assert scenario.established == 0


def test_summary_without_reply_is_complete_after_timeout() -> None:
    scenario = Scenario()
    scenario.answer(up(ONE), acks=False)
    scenario.wait(1)
    assert scenario.answer(acks=False) == []
    assert scenario.wait(IDLE_TIMEOUT) == [down(ONE)]


def test_session_that_comes_up_during_a_summary_stays() -> None:
    scenario = Scenario()
    scenario.answer()
    scenario.query()
    scenario.receive(SummaryHeader(), up(ONE))
    assert scenario.receive(Reply()) == []
    assert scenario.established == 1


def test_n1_one_established_session_per_peer_is_sufficient() -> None:
    scenario = Scenario()
    up_line, idle_line = summary_line(ONE, established=True), summary_line(ONE, established=False)
    for lines in ([up_line, idle_line], [idle_line, up_line]):
        scenario.answer(*lines)
        assert scenario.established == 1
        assert scenario.receive(down(ONE)) == [], "the idle session retries"
        assert scenario.established == 1
    assert scenario.answer(idle_line, idle_line) == [down(ONE)]
    assert scenario.established == 0


def test_n1_unlisted_idle_session_closes_the_gate_at_most_once() -> None:
    """4.2 lists only the established session; the other one keeps retrying."""
    scenario = Scenario()
    line = summary_line(ONE, established=True)
    scenario.answer(line)
    scenario.receive(down(ONE))
    for _ in range(3):
        scenario.answer(line)
        assert scenario.receive(down(ONE)) == []
        assert scenario.established == 1
    scenario.answer()
    assert scenario.established == 0


def test_n1_flapping_session_counts_as_one_session() -> None:
    scenario = Scenario()
    for _ in range(3):
        scenario.answer(summary_line(ONE, established=True))
        assert scenario.receive(down(ONE), up(ONE)) == [down(ONE), up(ONE)]
    scenario.answer(summary_line(ONE, established=True))
    assert scenario.receive(down(ONE)) == [down(ONE)]


def test_n1_one_of_two_established_sessions_may_go_down() -> None:
    scenario = Scenario()
    line = summary_line(ONE, established=True)
    scenario.answer(line, line)
    assert scenario.receive(down(ONE)) == []
    assert scenario.established == 1
    assert scenario.receive(up(ONE)) == [up(ONE)], "its routes must be sent again"
    scenario.receive(down(ONE))
    scenario.answer(line)
    assert scenario.established == 1
    scenario.answer()
    assert scenario.established == 0


def test_idle_line_of_a_summary_is_not_an_event() -> None:
    scenario = Scenario()
    scenario.answer(summary_line(ONE, established=True))
    scenario.receive(summary_line(ONE, established=False))
    assert scenario.established == 1


def test_n2_exabgp_hangs_if_it_neither_answers_nor_writes() -> None:
    scenario = Scenario()
    scenario.answer(up(ONE))
    scenario.wait(2)
    scenario.query()
    scenario.wait(MIN_ANSWER_TIMEOUT - 0.1)
    assert scenario.established == 1
    assert scenario.wait(0.1) == [], "no event reported a neighbour as down"
    assert (scenario.established, scenario.neighbors.hung) == (0, True)


def test_n2_no_hang_without_unanswered_query() -> None:
    scenario = Scenario()
    scenario.answer(up(ONE))
    scenario.wait(1000)
    assert scenario.established == 1


def test_n2_any_line_prevents_a_hang_while_answers_are_late() -> None:
    scenario = Scenario()
    scenario.answer(up(ONE))
    scenario.query()
    for _ in range(30):
        scenario.wait(HANG_TIMEOUT - 0.1)
        scenario.receive(None)
    assert scenario.established == 1


def test_n2_hang_ends_with_answer_to_a_new_query() -> None:
    scenario = Scenario()
    scenario.answer(up(ONE))
    scenario.query()
    scenario.wait(60)
    assert scenario.receive(SummaryHeader(), up(ONE), Reply()) == []
    assert scenario.established == 0, "it may not have checked its sessions yet"
    assert scenario.receive(up(TWO)) == []
    assert scenario.established == 0
    assert scenario.answer(up(ONE), up(TWO)) == [up(ONE), up(TWO)]
    assert scenario.established == 2


def test_n2_no_neighbors_after_a_hang_without_session() -> None:
    scenario = Scenario()
    scenario.answer(up(ONE))
    scenario.query()
    scenario.wait(60)
    scenario.receive(SummaryHeader(), up(ONE), Reply(), down(ONE))
    assert scenario.answer() == []
    assert (scenario.established, scenario.neighbors.hung) == (0, False)


def test_n2_paused_agent_does_not_detect_a_hang_immediately() -> None:
    scenario = Scenario()
    scenario.answer(up(ONE))
    scenario.query()
    scenario.now = HANG_TIMEOUT + MAX_TIMER_DELAY + 10
    scenario.neighbors.handle_timeouts(scenario.now)
    assert scenario.established == 1, "both may have been paused, for example by a suspended VM"
    scenario.wait(MIN_ANSWER_TIMEOUT)
    assert scenario.neighbors.hung


@pytest.mark.parametrize(("late", "established"), [(1.0, 0), (1.125, 1)])
def test_n2_a_timer_up_to_a_second_late_still_counts(late: float, established: int) -> None:
    scenario = Scenario()
    scenario.now = 0.25
    scenario.answer(up(ONE))
    scenario.query()
    scenario.now += HANG_TIMEOUT + late
    scenario.neighbors.handle_timeouts(scenario.now)
    assert scenario.established == established


def test_n2_answers_to_queries_before_the_hang_ended_are_ignored() -> None:
    scenario = Scenario()
    scenario.answer(up(ONE))
    scenario.query()
    scenario.query()
    scenario.wait(60)
    scenario.receive(None)
    scenario.query()
    for _ in range(2):
        scenario.receive(SummaryHeader(), up(ONE), Reply())
        assert scenario.established == 0
    scenario.receive(SummaryHeader(), up(ONE), Reply())
    assert scenario.established == 1


def test_n2_many_lost_answers_cost_one_extra_query() -> None:
    scenario = Scenario()
    scenario.answer(up(ONE))
    for _ in range(30):
        scenario.query()
    scenario.wait(60)
    scenario.receive(None)
    scenario.answer(up(ONE))
    scenario.answer(up(ONE))
    assert scenario.established == 1


def test_n2_lost_answer_does_not_keep_the_gate_closed() -> None:
    scenario = Scenario()
    scenario.answer(up(ONE))
    scenario.query()
    scenario.wait(60)
    assert scenario.neighbors.hung
    scenario.receive(None)
    scenario.query()
    scenario.receive(SummaryHeader(), up(ONE), Reply())
    assert scenario.answer(up(ONE)) == [up(ONE)]
    scenario.wait(1000)
    assert scenario.established == 1, "no query is unanswered any more"


def test_two_unanswered_queries_need_two_answers() -> None:
    scenario = Scenario()
    scenario.answer(up(ONE))
    scenario.query()
    scenario.query()
    scenario.receive(SummaryHeader(), up(ONE), Reply())
    scenario.wait(HANG_TIMEOUT)
    assert scenario.neighbors.hung


def test_n10_as_numbers_are_kept_after_the_session() -> None:
    scenario = Scenario()
    scenario.receive(
        up(ONE, 65000), down(ONE), up(TWO), NeighborState("192.0.2.3", established=False, asn=65001)
    )
    assert scenario.neighbors.asns == {ONE: 65000}
    scenario.answer(up(TWO, 65002))
    assert scenario.neighbors.asns == {ONE: 65000, TWO: 65002}


def test_number_of_kept_as_numbers_is_limited() -> None:
    scenario = Scenario()
    for number in range(PEER_COUNT):
        scenario.receive(up(f"2001:db8::{number:x}", number))
    assert list(scenario.neighbors.asns.values()) == list(range(PEER_COUNT - MAX_PEERS, PEER_COUNT))
