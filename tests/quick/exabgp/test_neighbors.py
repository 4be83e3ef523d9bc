"""Which neighbours are established, unknown, or none because ExaBGP hangs (E5, N1, N2)."""

import pytest

from vipagent.exabgp.messages import Answer, Message, NeighborState, Reply
from vipagent.exabgp.neighbors import END_OF_ANSWER, LATE, MAX_PEERS, PATIENCE, SILENCE, Neighbors

ONE, TWO = "192.0.2.1", "192.0.2.2"
CROWD = MAX_PEERS + 10


def up(peer: str, asn: int | None = None) -> NeighborState:
    return NeighborState(peer, established=True, asn=asn)


def down(peer: str) -> NeighborState:
    return NeighborState(peer, established=False)


def listed(peer: str, *, established: bool) -> NeighborState:
    """A line of an answer."""
    return NeighborState(peer, established, listed=True)


class Watched:
    """Neighbours, and a clock."""

    def __init__(self) -> None:
        self.now = 0.0
        self.neighbors = Neighbors()

    def hear(self, *messages: Message) -> list[NeighborState]:
        return [change for message in messages for change in self.neighbors.heard(message, self.now)]

    def ask(self) -> None:
        self.neighbors.asked(self.now)

    def answer(self, *states: NeighborState, replies: bool = True) -> list[NeighborState]:
        """Ask, and let ExaBGP answer."""
        self.ask()
        return self.hear(Answer(), *states, *([Reply()] if replies else []))

    def wait(self, seconds: float) -> list[NeighborState]:
        """Let time pass, as the agent's loop does when nothing is in its way."""
        end, changes = self.now + seconds, []
        while (at := self.neighbors.deadline()) is not None and at <= end:
            self.now = at
            changes += self.neighbors.overdue(self.now)
        self.now = end
        return changes

    @property
    def established(self) -> int | None:
        return self.neighbors.established


def test_nothing_is_known_before_exabgp_has_said_something() -> None:
    watched = Watched()
    watched.ask()
    watched.wait(100)
    assert watched.established is None
    assert not watched.neighbors.hung, "it may not know the question"


def test_events_are_counted_and_what_is_repeated_is_no_news() -> None:
    watched = Watched()
    assert watched.hear(down(ONE)) == [], "`down` comes at every retry"
    assert watched.established == 0
    assert watched.hear(up(ONE), up(ONE), up(TWO)) == [up(ONE), up(TWO)]
    assert watched.established == 2
    assert watched.hear(down(ONE)) == [down(ONE)]
    assert watched.established == 1


def test_an_answer_replaces_what_was_known_once_it_is_complete() -> None:
    """4.2 names only those that are established, so the absence of a name is what it says."""
    watched = Watched()
    watched.answer(up(ONE), up(TWO))
    assert watched.established == 2
    watched.ask()
    assert watched.hear(Answer(), up(TWO)) == []
    assert watched.established == 2, "the answer may go on"
    assert watched.hear(Reply()) == [down(ONE)]
    assert watched.established == 1
    assert watched.answer() == [down(TWO)]
    assert watched.established == 0


def test_an_answer_that_ends_in_an_error_replaces_nothing() -> None:
    watched = Watched()
    watched.answer(up(ONE))
    watched.ask()
    assert watched.hear(Answer(), Reply("refused by ExaBGP")) == []
    assert watched.established == 1


def test_n2_an_answer_that_ends_in_an_error_is_a_sign_of_life() -> None:
    watched = Watched()
    watched.hear(up(ONE))
    failed = (Answer(), Reply("refused by ExaBGP"))
    watched.hear(*failed)
    watched.ask()
    watched.wait(60)
    assert watched.neighbors.hung
    watched.hear(*failed)
    watched.ask()
    watched.hear(*failed)
    assert not watched.neighbors.hung


def test_an_answer_without_names_is_an_answer() -> None:
    watched = Watched()
    watched.answer()
    assert watched.established == 0


def test_an_answer_that_no_reply_ends_is_complete_a_moment_later() -> None:
    watched = Watched()
    watched.answer(up(ONE), replies=False)
    watched.wait(1)
    assert watched.answer(replies=False) == []
    assert watched.wait(END_OF_ANSWER) == [down(ONE)]


def test_a_session_that_comes_up_while_an_answer_is_read_stays() -> None:
    watched = Watched()
    watched.answer()
    watched.ask()
    watched.hear(Answer(), up(ONE))
    assert watched.hear(Reply()) == []
    assert watched.established == 1


def test_n1_one_of_several_sessions_to_a_peer_suffices_whatever_their_order() -> None:
    watched = Watched()
    up_line, idle_line = listed(ONE, established=True), listed(ONE, established=False)
    for lines in ([up_line, idle_line], [idle_line, up_line]):
        watched.answer(*lines)
        assert watched.established == 1
        assert watched.hear(down(ONE)) == [], "the idle one tries again, and again"
        assert watched.established == 1
    assert watched.answer(idle_line, idle_line) == [down(ONE)]
    assert watched.established == 0


def test_n1_an_idle_session_closes_the_gate_once_at_most_where_answers_do_not_list_it() -> None:
    """4.2 lists the established ones alone; the other one tries again and again."""
    watched = Watched()
    line = listed(ONE, established=True)
    watched.answer(line)
    watched.hear(down(ONE))
    for _ in range(3):
        watched.answer(line)
        assert watched.hear(down(ONE)) == []
        assert watched.established == 1
    watched.answer()
    assert watched.established == 0


def test_n1_a_session_that_flaps_is_one_session() -> None:
    watched = Watched()
    for _ in range(3):
        watched.answer(listed(ONE, established=True))
        assert watched.hear(down(ONE), up(ONE)) == [down(ONE), up(ONE)]
    watched.answer(listed(ONE, established=True))
    assert watched.hear(down(ONE)) == [down(ONE)]


def test_n1_of_two_established_sessions_to_a_peer_one_may_end() -> None:
    watched = Watched()
    line = listed(ONE, established=True)
    watched.answer(line, line)
    assert watched.hear(down(ONE)) == []
    assert watched.established == 1
    assert watched.hear(up(ONE)) == [up(ONE)], "its routes are to be said again"
    watched.hear(down(ONE))
    watched.answer(line)
    assert watched.established == 1
    watched.answer()
    assert watched.established == 0


def test_a_line_of_an_answer_that_says_idle_is_no_event() -> None:
    watched = Watched()
    watched.answer(listed(ONE, established=True))
    watched.hear(listed(ONE, established=False))
    assert watched.established == 1


def test_n2_an_exabgp_that_owes_an_answer_and_says_nothing_is_hung() -> None:
    watched = Watched()
    watched.answer(up(ONE))
    watched.wait(2)
    watched.ask()
    watched.wait(PATIENCE - 0.1)
    assert watched.established == 1
    assert watched.wait(0.1) == [], "no neighbour has said that it is down"
    assert (watched.established, watched.neighbors.hung) == (0, True)


def test_n2_one_that_owes_nothing_is_not() -> None:
    watched = Watched()
    watched.answer(up(ONE))
    watched.wait(1000)
    assert watched.established == 1


def test_n2_any_line_is_a_sign_of_life_however_late_the_answers_are() -> None:
    watched = Watched()
    watched.answer(up(ONE))
    watched.ask()
    for _ in range(30):
        watched.wait(SILENCE - 0.1)
        watched.hear(None)
    assert watched.established == 1


def test_n2_a_hung_one_counts_again_once_it_has_answered_a_question_that_was_asked_since() -> None:
    watched = Watched()
    watched.answer(up(ONE))
    watched.ask()
    watched.wait(60)
    assert watched.hear(Answer(), up(ONE), Reply()) == []
    assert watched.established == 0, "it may not have looked at its sessions yet"
    assert watched.hear(up(TWO)) == []
    assert watched.established == 0
    assert watched.answer(up(ONE), up(TWO)) == [up(ONE), up(TWO)]
    assert watched.established == 2


def test_n2_one_that_goes_on_without_a_session_has_none() -> None:
    watched = Watched()
    watched.answer(up(ONE))
    watched.ask()
    watched.wait(60)
    watched.hear(Answer(), up(ONE), Reply(), down(ONE))
    assert watched.answer() == []
    assert (watched.established, watched.neighbors.hung) == (0, False)


def test_n2_who_was_paused_itself_does_not_judge_at_once() -> None:
    watched = Watched()
    watched.answer(up(ONE))
    watched.ask()
    watched.now = SILENCE + LATE + 10
    watched.neighbors.overdue(watched.now)
    assert watched.established == 1, "both may have been paused, as when the machine was"
    watched.wait(PATIENCE)
    assert watched.neighbors.hung


@pytest.mark.parametrize(("late", "established"), [(1.0, 0), (1.125, 1)])
def test_n2_who_looks_a_second_late_at_most_still_judges(late: float, established: int) -> None:
    watched = Watched()
    watched.now = 0.25
    watched.answer(up(ONE))
    watched.ask()
    watched.now += SILENCE + late
    watched.neighbors.overdue(watched.now)
    assert watched.established == established


def test_n2_answers_to_questions_from_before_its_first_sign_of_life_do_not_count() -> None:
    watched = Watched()
    watched.answer(up(ONE))
    watched.ask()
    watched.ask()
    watched.wait(60)
    watched.hear(None)
    watched.ask()
    for _ in range(2):
        watched.hear(Answer(), up(ONE), Reply())
        assert watched.established == 0
    watched.hear(Answer(), up(ONE), Reply())
    assert watched.established == 1


def test_n2_many_lost_answers_cost_one_more_question() -> None:
    watched = Watched()
    watched.answer(up(ONE))
    for _ in range(30):
        watched.ask()
    watched.wait(60)
    watched.hear(None)
    watched.answer(up(ONE))
    watched.answer(up(ONE))
    assert watched.established == 1


def test_n2_a_lost_answer_does_not_close_the_gate_for_ever() -> None:
    watched = Watched()
    watched.answer(up(ONE))
    watched.ask()
    watched.wait(60)
    assert watched.neighbors.hung
    watched.hear(None)
    watched.ask()
    watched.hear(Answer(), up(ONE), Reply())
    assert watched.answer(up(ONE)) == [up(ONE)]
    watched.wait(1000)
    assert watched.established == 1, "none is open any more"


def test_two_open_questions_need_two_answers() -> None:
    watched = Watched()
    watched.answer(up(ONE))
    watched.ask()
    watched.ask()
    watched.hear(Answer(), up(ONE), Reply())
    watched.wait(SILENCE)
    assert watched.neighbors.hung


def test_n10_as_numbers_are_remembered_for_longer_than_the_session() -> None:
    watched = Watched()
    watched.hear(up(ONE, 65000), down(ONE), up(TWO), NeighborState("192.0.2.3", established=False, asn=65001))
    assert watched.neighbors.asns == {ONE: 65000}
    watched.answer(up(TWO, 65002))
    assert watched.neighbors.asns == {ONE: 65000, TWO: 65002}


def test_no_more_of_them_are_kept_than_one_could_want() -> None:
    watched = Watched()
    for number in range(CROWD):
        watched.hear(up(f"2001:db8::{number:x}", number))
    assert list(watched.neighbors.asns.values()) == list(range(CROWD - MAX_PEERS, CROWD))
