"""Rules of the ExaBGP command queue (A6, E1, E4). `+a` announces prefix a, `-a` withdraws it.

`+a1|+a2` announces prefix a with two lines, one per kind of neighbour (N10).
"""

import pytest

from vipagent.exabgp.commands import (
    MAX_IN_FLIGHT,
    REPLY_TIMEOUT,
    RESEND_DELAY_AFTER_UP,
    SILENCE_TIMEOUT,
    CommandQueue,
)
from vipagent.exabgp.messages import SHOW_NEIGHBORS
from vipagent.exabgp.polling import FIRST_ANSWER_TIMEOUT, NO_ACK_DELAY, POLL_INTERVAL, POLL_TIMEOUT
from vipagent.exabgp.prefixes import MAX_REJECTED_DELAY
from vipagent.exabgp.results import CommandResult, QueryAnswered
from vipagent.exabgp.route import respelled
from vipagent.exabgp.table import SHOW_TABLE


class Session:
    """A command queue in virtual time.

    Args:
        poll_interval: seconds between two polls; by default no polls are sent.
    """

    def __init__(self, poll_interval: float = float("inf")) -> None:
        self.now = 0.0
        self.queue = CommandQueue(poll_interval=poll_interval)
        self.pending_results: list[CommandResult] = []
        self.answers: list[QueryAnswered] = []

    def request(self, *commands: str) -> list[str]:
        """Set the desired commands; return the lines written immediately."""
        for command in commands:
            if command[0] == "+":
                self.queue.announce(command[1], tuple(command.split("|")))
            else:
                self.queue.withdraw(command[1], command)
        return self.written()

    def done(self, times: int = 1) -> list[str]:
        """Acknowledge the oldest commands; return the lines written after that."""
        return self._reply("", times)

    def error(self) -> list[str]:
        return self._reply("rejected by ExaBGP", 1)

    def answer(self) -> list[str]:
        """Answer the query and acknowledge it; return the lines written after that."""
        for result in self.queue.answer_started(self.now):
            self._record(result)
        return self.done()

    def wait(self, seconds: float) -> list[str]:
        """Advance the time, calling the queue at its deadlines only; return all written lines."""
        end, lines = self.now + seconds, []
        while (at := self.queue.deadline()) is not None and at <= end:
            assert at >= self.now, "a deadline in the past keeps the loop busy"
            self.now = at
            lines += self.written()
        self.now = end
        return lines

    def written(self) -> list[str]:
        self.handle_timeouts()
        return self.queue.next_lines(self.now)

    def handle_timeouts(self) -> None:
        for result in self.queue.handle_timeouts(self.now):
            self._record(result)

    def results(self) -> list[str]:
        """Return the results since the last call: `+a ok`, `+a failed`, `+a outdated`."""
        results = [
            f"{result.line} {'failed' if result.error else 'ok' if result.is_current else 'outdated'}"
            for result in self.pending_results
        ]
        self.pending_results.clear()
        return results

    def errors(self) -> list[str]:
        """Return the errors since the last call of `results`."""
        return [result.error for result in self.pending_results]

    def _record(self, result: CommandResult | QueryAnswered) -> None:
        if isinstance(result, CommandResult):
            self.pending_results.append(result)
        else:
            self.answers.append(result)

    def _reply(self, error: str, times: int) -> list[str]:
        for _ in range(times):
            result = self.queue.reply_received(error, self.now)
            if result:
                self._record(result)
        return self.written()


def first_spelling(line: str) -> str:
    return line.partition(" attribute ")[0]


def ready_session(poll_interval: float = float("inf")) -> Session:
    """Return a session after the answer to the sync query."""
    session = Session(poll_interval)
    assert session.written() == [SHOW_NEIGHBORS]
    assert session.answer() == []
    return session


def session_without_acks(poll_interval: float = float("inf")) -> Session:
    """Return a session with acknowledgements disabled."""
    session = Session(poll_interval)
    session.written()
    session.queue.answer_started(session.now)
    session.wait(NO_ACK_DELAY)
    assert session.queue.acks_disabled
    return session


def test_sync_query_is_first_line_and_blocks_commands() -> None:
    session = Session()
    assert session.request("+a") == [SHOW_NEIGHBORS]
    assert session.request("+b") == []
    assert session.answer() == ["+a", "+b"]


def test_command_is_written_once_and_reported() -> None:
    session = ready_session()
    assert session.request("+a") == ["+a"]
    assert session.request("+a") + session.done() + session.wait(60) == []
    assert session.results() == ["+a ok"]


def test_a6_one_command_in_flight_per_prefix_then_the_latest() -> None:
    session = ready_session()
    assert session.request("+a") == ["+a"]
    assert session.request("-a") + session.request("+a2"[:2]) + session.request("-a") == []
    assert session.done() == ["-a"]
    assert session.results() == ["+a outdated"]


def test_a6_reverted_change_is_satisfied_by_command_in_flight() -> None:
    session = ready_session()
    session.request("+a")
    session.request("-a")
    session.request("+a")
    assert session.done() == []
    assert session.results() == ["+a ok"]


def test_a6_withdrawal_is_repeated_after_a_second() -> None:
    session = ready_session()
    session.request("+a")
    session.done()
    assert session.request("-a") == ["-a"]
    assert session.done() + session.wait(0.9) == []
    assert session.wait(0.1) == ["-a"]
    assert session.done() + session.wait(60) == []


def test_a6_outdated_withdrawal_is_not_repeated() -> None:
    session = ready_session()
    session.request("-a")
    session.done()
    assert session.request("+a") == ["+a"]
    assert session.done() + session.wait(60) == []


def test_a6_all_is_resent_after_neighbor_up_withdrawals_first() -> None:
    session = ready_session()
    session.request("+a", "-b", "+c")
    session.done(3)
    session.wait(2)
    session.done()
    session.queue.neighbor_up(session.now)
    assert session.wait(RESEND_DELAY_AFTER_UP) == ["-b", respelled("+a"), respelled("+c")]


def test_a6_an_announcement_in_flight_is_resent_after_its_reply() -> None:
    """ExaBGP ignores it if it already has it, so it replaces no resend."""
    session = ready_session()
    session.request("+a")
    session.queue.neighbor_up(session.now)
    assert session.wait(RESEND_DELAY_AFTER_UP) == []
    assert session.done() == []
    assert session.wait(1.0) == [respelled("+a")]


def test_a6_an_announcement_that_an_earlier_run_has_left_is_sent_in_both_spellings() -> None:
    """That run may have died before it repaired the wire, and used either one: ExaBGP ignores it."""
    session = ready_session()
    session.queue.table_read({"a"})
    assert session.request("+a", "+b") == ["+a", "+b"]
    assert session.done(2) == []
    assert session.wait(1.0) == [respelled("+a")]
    assert session.done() == []
    session.queue.table_read({"a", "b"})
    assert session.request("+a", "+b") == [], "the other tables show what this run has announced"
    assert session.wait(60) == []


def test_a6_a_withdrawal_ends_the_doubt_about_an_earlier_announcement() -> None:
    session = ready_session()
    session.queue.table_read({"a"})
    assert session.request("-a") == ["-a"]
    assert session.done() == []
    assert session.request("+a") == ["+a"]
    assert session.done() + session.wait(60) == []


@pytest.mark.parametrize("acknowledged", [False, True])
def test_a6_an_announcement_before_the_first_table_is_sent_in_both_spellings(*, acknowledged: bool) -> None:
    session = ready_session()
    assert session.request("+a", "-b") == ["+a", "-b"]
    lines = session.done(2) if acknowledged else []
    session.queue.table_read({"a", "b"})
    lines += session.written() if acknowledged else session.done(2)
    lines += session.wait(1.0)
    assert sorted(lines) == sorted([respelled("+a"), "-b"])


def test_a6_two_reasons_for_a_resend_change_the_attribute_once() -> None:
    session = ready_session()
    session.request("+a")
    session.done()
    session.queue.resend("a")
    session.queue.neighbor_up(session.now - RESEND_DELAY_AFTER_UP)
    assert session.written() == [respelled("+a")]


def test_a6_periodic_resend_alternates_the_attribute() -> None:
    session = ready_session()
    session.request("+a")
    session.done()
    assert session.wait(300 - 1) == []
    assert session.wait(1) == [respelled("+a")]
    session.done()
    assert session.wait(300) == ["+a"]


def test_e1_rejected_command_is_reported_and_retried_with_backoff() -> None:
    session = ready_session()
    session.request("+a")
    delays = []
    for _ in range(10):
        assert session.error() == []
        assert session.results() == ["+a failed"]
        since = session.now
        while not session.wait(0.5):
            pass
        delays.append(session.now - since)
    assert delays == [0.5, 1, 2, 4, 8, 16, *[MAX_REJECTED_DELAY] * 4]
    session.done()
    assert session.results() == ["+a ok"]


def test_e1_new_command_does_not_wait_for_retry_of_the_old() -> None:
    session = ready_session()
    session.request("+a")
    session.error()
    assert session.request("-a") == ["-a"]


def test_e1_unexpected_reply_is_ignored() -> None:
    session = ready_session()
    assert session.done() + session.error() == []
    assert session.results() == []
    assert session.request("+a") == ["+a"]


def test_e1_answer_without_reply_means_acks_are_disabled() -> None:
    session = Session()
    session.request("+a")
    session.queue.answer_started(session.now)
    assert session.wait(NO_ACK_DELAY) == ["+a"]
    assert session.wait(NO_ACK_DELAY) == []
    assert session.results() == ["+a ok"]


def test_e1_missing_first_answer_means_acks_are_disabled() -> None:
    session = Session()
    session.request("+a")
    assert session.wait(FIRST_ANSWER_TIMEOUT - 0.1) == []
    assert session.wait(0.1) == ["+a"]


def test_e1_slow_first_answer_does_not_disable_acks() -> None:
    session = Session()
    session.request("+a")
    assert session.wait(FIRST_ANSWER_TIMEOUT - 0.1) == []
    assert session.answer() == ["+a"]
    assert session.wait(1) == []
    assert session.results() == [], "accepted only after the acknowledgement (G1)"


def test_e1_reply_enables_acks_again() -> None:
    session = session_without_acks()
    session.request("+a")
    session.done()
    session.request("+b")
    session.wait(1)
    assert session.results() == ["+a ok"]


def test_e1_one_change_per_prefix_in_flight_without_acks() -> None:
    session = session_without_acks()
    assert session.request("+a") == ["+a"]
    assert session.request("-a") == []
    assert session.wait(NO_ACK_DELAY) == ["-a"]


def test_e4_number_of_commands_in_flight_is_limited() -> None:
    session = ready_session()
    commands = [f"+{chr(1000 + number)}" for number in range(100)]
    assert session.request(*commands) == commands[:MAX_IN_FLIGHT]
    assert session.done(10) == commands[MAX_IN_FLIGHT : MAX_IN_FLIGHT + 10]


def test_e3_final_withdrawals_do_not_wait_for_replies() -> None:
    session = Session()
    session.written()
    session.answer()
    vips = [chr(ord("a") + number) for number in range(26)] + [chr(ord("A") + number) for number in range(26)]
    assert len(vips) > MAX_IN_FLIGHT
    lines = session.request(*(f"-{vip}" for vip in vips))
    lines += session.queue.final_withdrawals(session.now)
    assert sorted(lines) == sorted(f"-{vip}" for vip in vips)
    session.done(len(vips))
    assert not session.queue.busy


def test_e3_final_withdrawal_waits_only_for_its_own_prefix() -> None:
    session = ready_session()
    session.request("+a", "+b")
    for vip in "abc":
        session.queue.withdraw(vip, f"-{vip}")
    assert session.queue.final_withdrawals(session.now) == ["-c"]
    assert session.done() == ["-a"]
    assert session.queue.unanswered_withdrawals() == ["-b"], "a hung ExaBGP reads it when it resumes"


def test_e3_all_of_many_routes_are_withdrawn() -> None:
    session = ready_session()
    vips = [f"10.0.{number // 256}.{number % 256}" for number in range(1000)]
    for vip in vips:
        session.queue.announce(vip, (f"+{vip}",))
    announced = session.written()
    assert len(announced) == MAX_IN_FLIGHT
    for vip in vips:
        session.queue.withdraw(vip, f"-{vip}")
    lines = session.queue.final_withdrawals(session.now) + session.done(MAX_IN_FLIGHT)
    assert sorted(lines) == sorted(f"-{vip}" for vip in vips)
    session.done(len(vips))
    assert not session.queue.busy
    assert session.queue.unanswered_withdrawals() == []


def test_e4_no_expired_deadline_while_pipe_is_full() -> None:
    """With a full pipe no lines are requested; expired deadlines must not cause a busy loop."""
    session = ready_session()
    session.request("+a", "-b")
    session.error()
    session.done()
    for _ in range(20):
        due = session.queue.deadline()
        assert due is not None
        session.now = due
        session.handle_timeouts()
        after = session.queue.deadline()
        assert after is None or after > session.now


def test_e1_missing_reply_fails_commands_in_flight_and_triggers_sync_query() -> None:
    session = ready_session()
    session.request("+a", "+b")
    assert session.wait(REPLY_TIMEOUT) == [SHOW_NEIGHBORS]
    assert session.errors() == ["no reply after 5.0 s", "the reply to an earlier command is missing"]
    assert session.results() == ["+a failed", "+b failed"]


def test_e1_replies_before_the_sync_answer_are_stale() -> None:
    session = ready_session()
    session.request("+a")
    session.wait(REPLY_TIMEOUT)
    assert session.done() == [], "a late reply"
    assert session.results() == ["+a failed"]
    assert session.request("-a") == [], "both changes would be in the same flush"
    assert session.answer() == ["-a"]


def test_e1_all_prefixes_are_resent_one_at_a_time_after_a_missing_reply() -> None:
    """4.2 drops `+b` silently, so the reply to `+c` is attributed to `+b`."""
    session = ready_session()
    session.request("+a")
    session.done()
    session.request("+b", "+c")
    assert session.done() == []
    assert session.results() == ["+a ok", "+b ok"], "wrong: `+b` was not acknowledged"
    assert session.wait(REPLY_TIMEOUT) == [SHOW_NEIGHBORS]
    assert session.results() == ["+c failed"]
    assert session.answer() == [respelled("+a")]
    assert session.done() == [respelled("+b")]
    assert session.wait(1) == [SHOW_NEIGHBORS]
    assert session.results() == ["+a ok", "+b failed"], "now the command without a reply is identified"
    assert session.answer() == ["+c"]
    session.done()
    assert session.results() == ["+c ok"]


def test_e1_unanswered_command_delays_others_by_at_most_a_second() -> None:
    session = ready_session()
    session.request("+a")
    session.wait(REPLY_TIMEOUT)
    session.answer()
    while not (lines := session.wait(0.1)):
        pass
    assert lines == ["+a"], "alone, because it is unconfirmed"
    assert session.request("-b") == []
    assert session.wait(1) == [SHOW_NEIGHBORS]
    assert session.answer() == ["-b"]
    assert session.request("+c") == ["+c"], "both are confirmed"


def test_e1_stopped_exabgp_receives_each_change_once_and_the_latest_command_again() -> None:
    session = ready_session()
    session.request("+a")
    assert session.wait(REPLY_TIMEOUT) == [SHOW_NEIGHBORS]
    written = session.request("-a") + session.wait(20) + session.request("+a") + session.wait(20)
    assert [line for line in written if line != SHOW_NEIGHBORS] == ["-a", "+a"]
    session.done()
    assert session.answer() == [SHOW_NEIGHBORS]
    session.done(2)
    for _ in range(written.count(SHOW_NEIGHBORS)):
        assert session.answer() == [], "an answer to an earlier query"
    assert [first_spelling(line) for line in session.answer()] == ["+a"]


def test_e1_repeated_query_and_its_two_answers_are_distinguished() -> None:
    session = ready_session()
    session.request("+a")
    session.wait(REPLY_TIMEOUT)
    assert session.wait(POLL_TIMEOUT) == [SHOW_NEIGHBORS]
    session.done()
    assert session.answer() == ["+a"]
    assert session.results() == ["+a failed"]
    assert session.answer() == [], "the reply to the second query, not to `+a`"
    assert session.results() == []
    session.done()
    assert session.results() == ["+a ok"]


def test_e1_an_answer_that_never_comes_is_waited_for_only_once() -> None:
    session = ready_session()
    session.request("+a")
    session.wait(REPLY_TIMEOUT)
    assert session.wait(POLL_TIMEOUT) == [SHOW_NEIGHBORS]
    assert session.answer() == ["+a"], "to one of the two queries; the other is lost"
    session.done()
    assert session.wait(1.0) == [respelled("+a")], "it may have been ignored"
    session.done()
    session.request("+b")
    assert session.wait(REPLY_TIMEOUT) == [SHOW_NEIGHBORS]
    assert session.answer() == [], "it may be the late one"
    assert session.wait(POLL_TIMEOUT) == [SHOW_NEIGHBORS]
    assert session.answer() != []


def test_e1_exabgp_without_summary_command_is_not_queried_again() -> None:
    session = Session()
    session.written()
    assert session.error() == []
    assert session.request("+a") == ["+a"]
    assert session.wait(REPLY_TIMEOUT) == []
    assert session.results() == ["+a failed"]
    assert session.wait(0.5) == ["+a"]


def test_busy_until_all_commands_are_answered() -> None:
    session = ready_session()
    assert not session.queue.busy
    session.request("+a")
    assert session.queue.busy
    session.done()
    assert not session.queue.busy


def test_e5_next_poll_follows_the_answer() -> None:
    session = ready_session(POLL_INTERVAL)
    assert session.wait(POLL_INTERVAL) == [SHOW_NEIGHBORS]
    assert session.wait(POLL_TIMEOUT - 0.1) == []
    assert session.answer() == []
    assert session.wait(POLL_INTERVAL) == [SHOW_NEIGHBORS]


def test_e5_poll_is_repeated_after_lost_answer() -> None:
    session = ready_session(POLL_INTERVAL)
    assert session.wait(POLL_INTERVAL) == [SHOW_NEIGHBORS]
    assert session.wait(POLL_TIMEOUT) == [SHOW_NEIGHBORS]
    session.answer()
    assert session.wait(POLL_INTERVAL) == [SHOW_NEIGHBORS]


def test_e5_poll_soon_sends_one_poll() -> None:
    session = ready_session(POLL_INTERVAL)
    session.wait(POLL_INTERVAL)
    session.wait(10)
    session.queue.poller.poll_soon(session.now)
    assert session.wait(1) == []
    session.queue.poller.poll_soon(session.now)
    assert session.wait(1) == [SHOW_NEIGHBORS]
    assert session.wait(POLL_TIMEOUT - 0.1) == []


def test_e1_sync_query_does_not_wait_for_lost_poll_answer() -> None:
    session = ready_session(POLL_INTERVAL)
    session.wait(POLL_INTERVAL)
    assert session.wait(POLL_TIMEOUT) == [SHOW_NEIGHBORS]
    session.answer()
    assert session.request("+a") == ["+a"]
    assert session.wait(POLL_INTERVAL) == [SHOW_NEIGHBORS]
    session.answer()
    session.wait(1)
    assert session.wait(REPLY_TIMEOUT - POLL_INTERVAL - 1) == [SHOW_NEIGHBORS] * 2
    session.answer()
    session.answer()
    assert session.wait(1) == ["+a"]


def test_e5_commands_do_not_wait_for_polls_and_replies_are_matched() -> None:
    session = ready_session(POLL_INTERVAL)
    session.wait(POLL_INTERVAL - 0.1)
    assert session.request("+a") == ["+a"]
    assert session.wait(0.1) == [SHOW_NEIGHBORS]
    assert session.request("+b") == ["+b"]
    session.done()
    session.answer()
    assert session.results() == ["+a ok"]
    session.error()
    assert session.results() == ["+b failed"]


def test_e5_routes_go_first() -> None:
    session = ready_session(POLL_INTERVAL)
    session.request("+a")
    session.done()
    session.now += 300
    assert session.written() == [respelled("+a"), SHOW_NEIGHBORS]


def test_e5_polls_continue_without_acks() -> None:
    session = session_without_acks(POLL_INTERVAL)
    for _ in range(3):
        assert session.wait(POLL_INTERVAL) == [SHOW_NEIGHBORS]
        session.queue.answer_started(session.now)
    session.request("+a")
    session.wait(NO_ACK_DELAY)
    assert session.results() == ["+a ok"]


def test_e5_no_polls_if_exabgp_rejects_the_query() -> None:
    session = Session(POLL_INTERVAL)
    session.written()
    session.error()
    assert session.wait(1000) == []


def test_e1_poll_answer_does_not_complete_sync_query() -> None:
    """4.2 drops `+a` silently; the reply to `+b` arrives between the two answers."""
    session = ready_session(3.0)
    session.request("+a")
    assert session.wait(3.0) == [SHOW_NEIGHBORS]
    assert session.request("+b") == ["+b"]
    assert session.wait(REPLY_TIMEOUT - 3.0) == [SHOW_NEIGHBORS]
    assert session.results() == ["+a failed", "+b failed"]
    assert session.answer() == [], "answer to the first query"
    assert session.done() == [], "reply to `+b`"
    assert session.answer() == []
    assert session.wait(1) == ["+a"]
    session.done()
    assert session.results() == ["+a ok"]


def test_e1_two_earlier_poll_answers_do_not_complete_sync_query() -> None:
    session = ready_session(POLL_INTERVAL)
    assert session.wait(POLL_INTERVAL) == [SHOW_NEIGHBORS]
    assert session.wait(POLL_TIMEOUT) == [SHOW_NEIGHBORS]
    assert session.request("+a") == ["+a"]
    assert session.wait(REPLY_TIMEOUT) == [SHOW_NEIGHBORS]
    assert session.answer() + session.wait(1) == []
    assert session.answer() + session.done() + session.wait(0.5) == []
    assert session.answer() == ["+a"]


def test_e4_polls_do_not_accumulate_while_pipe_is_full() -> None:
    session = ready_session(POLL_INTERVAL)
    for _ in range(20):
        due = session.queue.deadline()
        assert due is not None
        session.now = due
        session.handle_timeouts()
        after = session.queue.deadline()
        assert after is None or after > session.now
    assert session.written() == [SHOW_NEIGHBORS]


def test_a_command_is_confirmed_while_its_reply_is_the_last_word() -> None:
    session = Session()
    assert not session.queue.confirmed("a")
    session.request("+a")
    assert not session.queue.confirmed("a")
    session.answer()
    session.done()
    assert session.queue.confirmed("a")
    session.request("-a")
    assert not session.queue.confirmed("a")
    session.error()
    assert not session.queue.confirmed("a")


def test_a_forgotten_command_is_never_sent_again() -> None:
    session = Session()
    session.request("-a", "+b")
    session.answer()
    assert not session.queue.forget("a"), "it is in flight"
    session.done(2)
    assert session.queue.forget("a")
    session.queue.neighbor_up(session.now)
    assert session.wait(RESEND_DELAY_AFTER_UP) == [respelled("+b")]


def test_e1_changes_are_sent_to_an_exabgp_that_does_not_answer() -> None:
    """Only the desired command that it was never given, and once; all is sent again when it answers."""
    session = ready_session()
    assert session.request("+a", "+b") == ["+a", "+b"]
    assert session.wait(REPLY_TIMEOUT) == [SHOW_NEIGHBORS]
    assert session.request("-a") == []
    assert session.wait(SILENCE_TIMEOUT) == ["-a"]
    assert session.request("-a") == []
    assert session.request("+a") == ["+a"]
    assert session.wait(POLL_TIMEOUT - SILENCE_TIMEOUT - 0.1) == []
    session.results()
    assert session.answer() == [SHOW_NEIGHBORS], "replies to the changes follow"
    assert session.done(2) == []
    assert session.results() == []
    resent = [*session.answer(), *session.done(), *session.done()]
    assert [first_spelling(line) for line in resent] == ["+a", "+b"]
    assert session.results() == ["+a ok", "+b ok"]
    repeated = session.wait(1.0)
    assert {*resent, *repeated} >= {"+a", respelled("+a")}, "the first one may have been ignored"


def test_n10_both_lines_of_a_command_are_one_change() -> None:
    session = ready_session()
    assert session.request("+a1|+a2", "+b") == ["+a1", "+a2", "+b"]
    assert session.request("-a") == []
    assert session.done() == []
    assert session.results() == [], "the reply to the first line"
    assert session.done() == ["-a"]
    assert session.results() == ["+a1; +a2 outdated"]
    session.done()
    assert session.results() == ["+b ok"]


def test_n10_a_new_grouping_replaces_the_lines_without_a_withdrawal() -> None:
    session = ready_session()
    assert session.request("+a") == ["+a"]
    assert session.request("+a1|+a2") == [], "one change per prefix is in flight"
    assert session.done() == ["+a1", "+a2"]
    assert session.request("+a") == []
    assert session.done(2) == ["+a"]
    assert session.request("+a1|+a2") == []
    assert session.done() == ["+a1", "+a2"]
    assert session.request("-a") == []
    assert session.done(2) == ["-a"], "one line withdraws from all neighbours"


@pytest.mark.parametrize("first", [True, False])
def test_n10_a_command_fails_with_any_of_its_lines(first: bool) -> None:
    session = ready_session()
    session.request("+a1|+a2")
    for is_rejected in (first, not first):
        session.error() if is_rejected else session.done()
    assert [result.partial for result in session.pending_results] == [True]
    assert session.results() == [f"{'+a1' if first else '+a2'} failed"]
    assert not session.queue.confirmed("a")
    assert session.wait(0.5) == ["+a1", "+a2"]
    session.done(2)
    assert session.results() == ["+a1; +a2 ok"]
    assert session.queue.confirmed("a")


def test_n10_a_command_whose_lines_are_all_rejected_is_not_partial() -> None:
    session = ready_session()
    session.request("+a1|+a2")
    session.error()
    session.error()
    assert [result.partial for result in session.pending_results] == [False]


def test_n10_a_missing_reply_to_one_line_fails_the_command() -> None:
    session = ready_session()
    session.request("+a1|+a2")
    assert session.done() == []
    assert session.wait(REPLY_TIMEOUT) == [SHOW_NEIGHBORS]
    assert session.results() == ["+a1; +a2 failed"]
    lines = [*session.answer(), *session.wait(1)]
    assert lines == ["+a1", "+a2"], "after the delay of a rejected command"
    assert session.wait(1) == [SHOW_NEIGHBORS], "alone, so its own reply is missing"


def test_n10_both_lines_are_sent_again() -> None:
    session = ready_session()
    session.request("+a1|+a2")
    session.done(2)
    session.queue.neighbor_up(session.now)
    assert session.wait(RESEND_DELAY_AFTER_UP) == [respelled("+a1"), respelled("+a2")]
    assert session.queue.changed_since_table() == {"a"}


def test_n10_changed_lines_are_sent_to_an_exabgp_that_does_not_answer() -> None:
    session = ready_session()
    session.request("+a")
    assert session.wait(REPLY_TIMEOUT) == [SHOW_NEIGHBORS]
    assert session.request("+a1|+a2") == []
    assert session.wait(SILENCE_TIMEOUT) == ["+a1", "+a2"]
    assert session.wait(SILENCE_TIMEOUT) == []
    session.results()
    assert session.answer() == [SHOW_NEIGHBORS], "replies to the change follow"
    session.done(2)
    assert session.results() == []
    resent = session.answer()
    assert [first_spelling(line) for line in resent] == ["+a1", "+a2"]


def test_n10_both_lines_count_as_executed_without_acks() -> None:
    session = session_without_acks()
    assert session.request("+a1|+a2") == ["+a1", "+a2"]
    session.wait(NO_ACK_DELAY)
    assert session.results() == ["+a1; +a2 ok"]


def test_n10_the_lines_in_flight_are_limited_and_a_command_is_never_split() -> None:
    session = ready_session()
    commands = [f"+{name}1|+{name}2" for name in "abcdefghijklmnop"]
    assert len(session.request("+q", *commands)) == MAX_IN_FLIGHT - 1
    assert session.done() == ["+p1", "+p2"]


def test_n10_the_last_withdrawal_waits_for_both_lines() -> None:
    session = ready_session()
    session.request("+a1|+a2")
    session.request("-a")
    assert session.queue.final_withdrawals(session.now) == []
    assert session.done() == []
    assert session.queue.unanswered_withdrawals() == ["-a"]
    assert session.done() == ["-a"]


def test_e1_a_later_answer_shows_that_a_reply_is_missing() -> None:
    """4.2 does not reply to some routes, so another command got the reply that followed."""
    session = ready_session(POLL_INTERVAL)
    assert session.request("+a", "+b") == ["+a", "+b"]
    session.done()
    assert session.results() == ["+a ok"], "it was the reply to +b"
    assert session.wait(POLL_INTERVAL) == [SHOW_NEIGHBORS]
    assert session.answer() == [SHOW_NEIGHBORS], "which replies are missing is unknown"
    assert session.errors() == ["no reply before the answer to a later query"]
    assert session.results() == ["+b failed"]
    session.answer()
    assert session.wait(1.0), "all are sent again, one at a time"


def test_e1_a_late_answer_does_not_make_a_reply_missing() -> None:
    """The answer to a poll that counts as lost may come after a command that was sent later."""
    session = ready_session(POLL_INTERVAL)
    session.wait(POLL_INTERVAL)
    session.wait(POLL_TIMEOUT)
    session.answer()
    session.wait(POLL_INTERVAL / 2)
    assert session.request("+a") == ["+a"]
    session.wait(POLL_INTERVAL / 2)
    session.answer()
    assert session.results() == [], "the answer to the second poll, not to the third"
    session.done()
    assert session.results() == ["+a ok"]


def test_a_poll_that_is_due_at_once_waits_for_the_answer_to_the_last_one() -> None:
    session = ready_session(POLL_INTERVAL)
    assert session.wait(POLL_INTERVAL) == [SHOW_NEIGHBORS]
    session.queue.poller.poll_now()
    assert session.written() == []
    assert session.answer() == [SHOW_NEIGHBORS]


def test_e1_a_reply_is_not_missing_while_a_long_answer_is_received() -> None:
    session = ready_session(POLL_INTERVAL)
    session.queue.poller.attach(SHOW_TABLE)
    assert session.wait(POLL_INTERVAL) == [SHOW_NEIGHBORS, SHOW_TABLE]
    assert session.request("+a") == ["+a"]
    session.answer()
    for _ in range(10):
        session.wait(REPLY_TIMEOUT - 1)
        session.queue.poller.line_received(session.now)
    assert session.results() == []
    session.done(2)
    assert session.results() == ["+a ok"]
