"""The conversation with ExaBGP, rule by rule (A6, E1, E4): `+a` announces a, `-a` withdraws it."""

from vipagent.exabgp.asking import ASK_AGAIN, ASK_EVERY, SILENCE, SILENT_DELAY
from vipagent.exabgp.messages import SHOW_NEIGHBORS
from vipagent.exabgp.speaker import (
    AFTER_UP,
    OTHER_SPELLING,
    RECONCILE,
    REPLY_TIMEOUT,
    RETRY_MAX,
    WINDOW,
    Outcome,
    Speaker,
)


class Talk:
    """A speaker, and what it says as time passes.

    Args:
        ask_every: seconds from one question that nobody waits for to the next; by default there are none.
    """

    def __init__(self, ask_every: float = float("inf")) -> None:
        self.now = 0.0
        self.speaker = Speaker(ask_every=ask_every)
        self.outcomes: list[Outcome] = []

    def wish(self, *wishes: str) -> list[str]:
        """Wish for these; return what is said at once."""
        for wish in wishes:
            tell = self.speaker.announce if wish[0] == "+" else self.speaker.withdraw
            tell(wish[1], wish)
        return self.said()

    def done(self, times: int = 1) -> list[str]:
        """Acknowledge the oldest; return what is said then."""
        return self._replied("", times)

    def error(self) -> list[str]:
        return self._replied("refused by ExaBGP", 1)

    def answered(self) -> list[str]:
        """Give the answer to the question, and its reply."""
        self.speaker.answered(self.now)
        return self.done()

    def wait(self, seconds: float) -> list[str]:
        """Let time pass, looking only when the speaker asks for it; return all that was said."""
        end, lines = self.now + seconds, []
        while (at := self.speaker.deadline()) is not None and at <= end:
            assert at >= self.now, "a deadline in the past keeps the loop busy"
            self.now = at
            lines += self.said()
        self.now = end
        return lines

    def said(self) -> list[str]:
        self.outcomes += self.speaker.overdue(self.now)
        return self.speaker.commands(self.now)

    def fates(self) -> list[str]:
        """Return what became of commands since this was asked last: `+a ok`, `+a failed`, `+a outdated`."""
        fates = [
            f"{told.line} {'failed' if told.error else 'ok' if told.wished else 'outdated'}"
            for told in self.outcomes
        ]
        self.outcomes.clear()
        return fates

    def _replied(self, error: str, times: int) -> list[str]:
        for _ in range(times):
            outcome = self.speaker.replied(error, self.now)
            self.outcomes += [outcome] if outcome else []
        return self.said()


def talking(ask_every: float = float("inf")) -> Talk:
    """Return a talk with an ExaBGP that has answered the question."""
    talk = Talk(ask_every)
    assert talk.said() == [SHOW_NEIGHBORS]
    assert talk.answered() == []
    return talk


def silent(ask_every: float = float("inf")) -> Talk:
    """Return a talk with an ExaBGP whose replies are turned off."""
    talk = Talk(ask_every)
    talk.said()
    talk.speaker.answered(talk.now)
    talk.wait(SILENT_DELAY)
    assert talk.speaker.silent
    return talk


def test_the_first_thing_said_is_a_question_and_nothing_follows_before_its_answer() -> None:
    talk = Talk()
    assert talk.wish("+a") == [SHOW_NEIGHBORS]
    assert talk.wish("+b") == []
    assert talk.answered() == ["+a", "+b"]


def test_a_wish_is_said_once_and_told_as_done() -> None:
    talk = talking()
    assert talk.wish("+a") == ["+a"]
    assert talk.wish("+a") + talk.done() + talk.wait(60) == []
    assert talk.fates() == ["+a ok"]


def test_a6_only_the_latest_wish_and_one_in_flight_per_prefix() -> None:
    talk = talking()
    assert talk.wish("+a") == ["+a"]
    assert talk.wish("-a") + talk.wish("+a2"[:2]) + talk.wish("-a") == []
    assert talk.done() == ["-a"]
    assert talk.fates() == ["+a outdated"]


def test_a6_a_wish_that_returns_to_what_is_in_flight_is_fulfilled_by_it() -> None:
    talk = talking()
    talk.wish("+a")
    talk.wish("-a")
    talk.wish("+a")
    assert talk.done() == []
    assert talk.fates() == ["+a ok"]


def test_a6_a_withdrawal_is_said_again_about_a_second_later() -> None:
    talk = talking()
    talk.wish("+a")
    talk.done()
    assert talk.wish("-a") == ["-a"]
    assert talk.done() + talk.wait(0.9) == []
    assert talk.wait(0.1) == ["-a"]
    assert talk.done() + talk.wait(60) == []


def test_a6_a_withdrawal_that_is_outdated_is_not_said_again() -> None:
    talk = talking()
    talk.wish("-a")
    talk.done()
    assert talk.wish("+a") == ["+a"]
    assert talk.done() + talk.wait(60) == []


def test_a6_all_is_said_again_after_a_neighbour_came_up_withdrawals_first() -> None:
    talk = talking()
    talk.wish("+a", "-b", "+c")
    talk.done(3)
    talk.wait(2)
    talk.done()
    talk.speaker.neighbor_up(talk.now)
    assert talk.wait(AFTER_UP) == ["-b", "+a" + OTHER_SPELLING, "+c" + OTHER_SPELLING]


def test_a6_all_is_said_again_now_and_then_in_either_spelling() -> None:
    talk = talking()
    talk.wish("+a")
    talk.done()
    assert talk.wait(300 - 1) == []
    assert talk.wait(1) == ["+a" + OTHER_SPELLING]
    talk.done()
    assert talk.wait(300) == ["+a"]


def test_e1_a_refusal_is_told_and_tried_again_ever_more_slowly() -> None:
    talk = talking()
    talk.wish("+a")
    pauses = []
    for _ in range(10):
        assert talk.error() == []
        assert talk.fates() == ["+a failed"]
        since = talk.now
        while not talk.wait(0.5):
            pass
        pauses.append(talk.now - since)
    assert pauses == [0.5, 1, 2, 4, 8, 16, *[RETRY_MAX] * 4]
    talk.done()
    assert talk.fates() == ["+a ok"]


def test_e1_a_new_wish_does_not_wait_for_the_retry_of_the_old() -> None:
    talk = talking()
    talk.wish("+a")
    talk.error()
    assert talk.wish("-a") == ["-a"]


def test_e1_a_reply_to_nothing_is_ignored() -> None:
    talk = talking()
    assert talk.done() + talk.error() == []
    assert talk.fates() == []
    assert talk.wish("+a") == ["+a"]


def test_e1_an_answer_without_a_reply_means_that_replies_are_off() -> None:
    talk = Talk()
    talk.wish("+a")
    talk.speaker.answered(talk.now)
    assert talk.wait(SILENT_DELAY) == ["+a"]
    assert talk.wait(SILENT_DELAY) == []
    assert talk.fates() == ["+a ok"]


def test_e1_so_does_no_answer_at_all_for_long() -> None:
    talk = Talk()
    talk.wish("+a")
    assert talk.wait(SILENCE - 0.1) == []
    assert talk.wait(0.1) == ["+a"]


def test_e1_a_slow_start_is_not_silence() -> None:
    talk = Talk()
    talk.wish("+a")
    assert talk.wait(SILENCE - 0.1) == []
    assert talk.answered() == ["+a"]
    assert talk.wait(1) == []
    assert talk.fates() == [], "not accepted before ExaBGP says so (G1)"


def test_e1_a_reply_ends_silence() -> None:
    talk = silent()
    talk.wish("+a")
    talk.done()
    talk.wish("+b")
    talk.wait(1)
    assert talk.fates() == ["+a ok"]


def test_e1_silent_or_not_one_change_of_a_prefix_is_in_flight() -> None:
    talk = silent()
    assert talk.wish("+a") == ["+a"]
    assert talk.wish("-a") == []
    assert talk.wait(SILENT_DELAY) == ["-a"]


def test_e4_so_much_and_no_more_is_in_flight() -> None:
    talk = talking()
    wishes = [f"+{chr(1000 + number)}" for number in range(100)]
    assert talk.wish(*wishes) == wishes[:WINDOW]
    assert talk.done(10) == wishes[WINDOW : WINDOW + 10]


def test_e3_the_last_words_wait_for_no_reply() -> None:
    talk = Talk()
    talk.said()
    talk.answered()
    vips = [chr(ord("a") + number) for number in range(26)] + [chr(ord("A") + number) for number in range(26)]
    assert len(vips) > WINDOW
    said = talk.wish(*(f"-{vip}" for vip in vips))
    said += talk.speaker.last_words(talk.now)
    assert sorted(said) == sorted(f"-{vip}" for vip in vips)
    talk.done(len(vips))
    assert not talk.speaker.busy


def test_e3_in_the_end_a_withdrawal_waits_for_nothing_but_its_own_prefix() -> None:
    talk = talking()
    talk.wish("+a", "+b")
    for vip in "abc":
        talk.speaker.withdraw(vip, f"-{vip}")
    assert talk.speaker.last_words(talk.now) == ["-c"]
    assert talk.done() == ["-a"]
    assert talk.speaker.unanswered_withdrawals() == ["-b"], "a hung ExaBGP reads it when it goes on"


def test_e3_no_route_is_left_however_many_there_are() -> None:
    talk = talking()
    vips = [f"10.0.{number // 256}.{number % 256}" for number in range(1000)]
    for vip in vips:
        talk.speaker.announce(vip, f"+{vip}")
    announced = talk.said()
    assert len(announced) == WINDOW
    for vip in vips:
        talk.speaker.withdraw(vip, f"-{vip}")
    said = talk.speaker.last_words(talk.now) + talk.done(WINDOW)
    assert sorted(said) == sorted(f"-{vip}" for vip in vips)
    talk.done(len(vips))
    assert not talk.speaker.busy
    assert talk.speaker.unanswered_withdrawals() == []


def test_e4_while_nothing_can_be_written_no_deadline_passes() -> None:
    """The pipe is full, so nobody asks for commands; time passes all the same, and nobody spins."""
    talk = talking()
    talk.wish("+a", "-b")
    talk.error()
    talk.done()
    for _ in range(20):
        due = talk.speaker.deadline()
        assert due is not None
        talk.now = due
        talk.outcomes += talk.speaker.overdue(talk.now)
        after = talk.speaker.deadline()
        assert after is None or after > talk.now


def test_e1_a_missing_reply_fails_what_is_in_flight_and_asks_anew() -> None:
    talk = talking()
    talk.wish("+a", "+b")
    assert talk.wait(REPLY_TIMEOUT) == [SHOW_NEIGHBORS]
    assert talk.fates() == ["+a failed", "+b failed"]


def test_e1_what_comes_before_the_new_answer_is_old() -> None:
    talk = talking()
    talk.wish("+a")
    talk.wait(REPLY_TIMEOUT)
    assert talk.done() == [], "a reply that was late"
    assert talk.fates() == ["+a failed"]
    assert talk.wish("-a") == [], "both would meet in one flush"
    assert talk.answered() == ["-a"]


def test_e1_after_it_all_is_said_again_one_by_one() -> None:
    """4.2 drops `+b` without a word, so the reply to `+c` was taken for its."""
    talk = talking()
    talk.wish("+a")
    talk.done()
    talk.wish("+b", "+c")
    assert talk.done() == []
    assert talk.fates() == ["+a ok", "+b ok"], "wrongly"
    assert talk.wait(REPLY_TIMEOUT) == [SHOW_NEIGHBORS]
    assert talk.fates() == ["+c failed"]
    assert talk.answered() == ["+a" + OTHER_SPELLING]
    assert talk.done() == ["+b" + OTHER_SPELLING]
    assert talk.wait(1) == [SHOW_NEIGHBORS]
    assert talk.fates() == ["+a ok", "+b failed"], "so now it is known whose reply is missing"
    assert talk.answered() == ["+c"]
    talk.done()
    assert talk.fates() == ["+c ok"]


def test_e1_the_one_that_is_never_answered_delays_others_by_a_second_at_most() -> None:
    talk = talking()
    talk.wish("+a")
    talk.wait(REPLY_TIMEOUT)
    talk.answered()
    while not (said := talk.wait(0.1)):
        pass
    assert said == ["+a"], "alone, because nobody answered it before"
    assert talk.wish("-b") == []
    assert talk.wait(1) == [SHOW_NEIGHBORS]
    assert talk.answered() == ["-b"]
    assert talk.wish("+c") == ["+c"], "these are in no doubt"


def test_e1_an_exabgp_that_is_stopped_for_long_is_told_the_latest_wish_once() -> None:
    talk = talking()
    talk.wish("+a")
    assert talk.wait(REPLY_TIMEOUT) == [SHOW_NEIGHBORS]
    assert talk.wish("-a") + talk.wait(20) + talk.wish("+a") + talk.wait(20) == []
    talk.done()
    assert talk.answered() == ["+a"]


def test_e1_it_is_asked_once_more_and_its_two_answers_are_told_apart() -> None:
    talk = talking()
    talk.wish("+a")
    talk.wait(REPLY_TIMEOUT)
    assert talk.wait(ASK_AGAIN) == [SHOW_NEIGHBORS]
    talk.done()
    assert talk.answered() == ["+a"]
    assert talk.fates() == ["+a failed"]
    assert talk.answered() == [], "the reply to the second question, not to `+a`"
    assert talk.fates() == []
    talk.done()
    assert talk.fates() == ["+a ok"]


def test_e1_an_exabgp_that_does_not_know_the_question_is_not_asked_again() -> None:
    talk = Talk()
    talk.said()
    assert talk.error() == []
    assert talk.wish("+a") == ["+a"]
    assert talk.wait(REPLY_TIMEOUT) == []
    assert talk.fates() == ["+a failed"]
    assert talk.wait(0.5) == ["+a"]


def test_it_is_busy_until_all_is_answered() -> None:
    talk = talking()
    assert not talk.speaker.busy
    talk.wish("+a")
    assert talk.speaker.busy
    talk.done()
    assert not talk.speaker.busy


def test_e5_it_asks_every_few_seconds_and_not_again_before_it_is_answered() -> None:
    talk = talking(ASK_EVERY)
    assert talk.wait(ASK_EVERY) == [SHOW_NEIGHBORS]
    assert talk.wait(ASK_AGAIN - 0.1) == []
    assert talk.answered() == []
    assert talk.wait(ASK_EVERY) == [SHOW_NEIGHBORS]


def test_e5_it_asks_again_if_an_answer_is_lost() -> None:
    talk = talking(ASK_EVERY)
    assert talk.wait(ASK_EVERY) == [SHOW_NEIGHBORS]
    assert talk.wait(ASK_AGAIN) == [SHOW_NEIGHBORS]
    talk.answered()
    assert talk.wait(ASK_EVERY) == [SHOW_NEIGHBORS]


def test_e5_it_asks_soon_if_the_answer_is_in_doubt_and_once() -> None:
    talk = talking(ASK_EVERY)
    talk.wait(ASK_EVERY)
    talk.wait(10)
    talk.speaker.doubt_question(talk.now)
    assert talk.wait(1) == []
    talk.speaker.doubt_question(talk.now)
    assert talk.wait(1) == [SHOW_NEIGHBORS]
    assert talk.wait(ASK_AGAIN - 0.1) == []


def test_e1_a_lost_answer_is_not_waited_for_by_the_question_that_all_wait_for() -> None:
    talk = talking(ASK_EVERY)
    talk.wait(ASK_EVERY)
    assert talk.wait(ASK_AGAIN) == [SHOW_NEIGHBORS]
    talk.answered()
    assert talk.wish("+a") == ["+a"]
    assert talk.wait(ASK_EVERY) == [SHOW_NEIGHBORS]
    talk.answered()
    talk.wait(1)
    assert talk.wait(REPLY_TIMEOUT - ASK_EVERY - 1) == [SHOW_NEIGHBORS] * 2
    talk.answered()
    talk.answered()
    assert talk.wait(1) == ["+a"]


def test_e5_nobody_waits_for_that_answer_and_no_reply_is_mistaken() -> None:
    talk = talking(ASK_EVERY)
    talk.wait(ASK_EVERY - 0.1)
    assert talk.wish("+a") == ["+a"]
    assert talk.wait(0.1) == [SHOW_NEIGHBORS]
    assert talk.wish("+b") == ["+b"]
    talk.done()
    talk.answered()
    assert talk.fates() == ["+a ok"]
    talk.error()
    assert talk.fates() == ["+b failed"]


def test_e5_routes_go_first() -> None:
    talk = talking(ASK_EVERY)
    talk.wish("+a")
    talk.done()
    talk.now += RECONCILE
    assert talk.said() == ["+a" + OTHER_SPELLING, SHOW_NEIGHBORS]


def test_e5_it_asks_where_no_replies_come_too() -> None:
    talk = silent(ASK_EVERY)
    for _ in range(3):
        assert talk.wait(ASK_EVERY) == [SHOW_NEIGHBORS]
        talk.speaker.answered(talk.now)
    talk.wish("+a")
    talk.wait(SILENT_DELAY)
    assert talk.fates() == ["+a ok"]


def test_e5_who_does_not_know_the_question_is_not_asked_again() -> None:
    talk = Talk(ASK_EVERY)
    talk.said()
    talk.error()
    assert talk.wait(1000) == []


def test_e1_an_answer_that_is_due_before_it_is_not_the_one_that_all_wait_for() -> None:
    """4.2 drops `+a` without a word; a reply to `+b` comes between the two answers."""
    talk = talking(3.0)
    talk.wish("+a")
    assert talk.wait(3.0) == [SHOW_NEIGHBORS]
    assert talk.wish("+b") == ["+b"]
    assert talk.wait(REPLY_TIMEOUT - 3.0) == [SHOW_NEIGHBORS]
    assert talk.fates() == ["+a failed", "+b failed"]
    assert talk.answered() == [], "to the first question"
    assert talk.done() == [], "to `+b`"
    assert talk.answered() == []
    assert talk.wait(1) == ["+a"]
    talk.done()
    assert talk.fates() == ["+a ok"]


def test_e1_so_are_the_answers_to_two_questions_that_are_due_before_it() -> None:
    talk = talking(ASK_EVERY)
    assert talk.wait(ASK_EVERY) == [SHOW_NEIGHBORS]
    assert talk.wait(ASK_AGAIN) == [SHOW_NEIGHBORS]
    assert talk.wish("+a") == ["+a"]
    assert talk.wait(REPLY_TIMEOUT) == [SHOW_NEIGHBORS]
    assert talk.answered() + talk.wait(1) == []
    assert talk.answered() + talk.done() + talk.wait(0.5) == []
    assert talk.answered() == ["+a"]


def test_e4_while_nothing_can_be_written_questions_do_not_pile_up() -> None:
    talk = talking(ASK_EVERY)
    for _ in range(20):
        due = talk.speaker.deadline()
        assert due is not None
        talk.now = due
        talk.outcomes += talk.speaker.overdue(talk.now)
        after = talk.speaker.deadline()
        assert after is None or after > talk.now
    assert talk.said() == [SHOW_NEIGHBORS]
