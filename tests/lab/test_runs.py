"""Statistics of a prober's runs."""

import pytest

from tests.lab.runs import LOST, Run, add, last_answer, outage, serving

PERIOD = 0.005


def runs(*outcomes: tuple[str, int], since: float = 100.0) -> list[Run]:
    """Return the runs for these outcomes and numbers of packets."""
    made: list[Run] = []
    sent = since
    for by, count in outcomes:
        for _ in range(count):
            add(made, by, sent)
            sent += PERIOD
    return made


def test_a_run_has_consecutive_packets_with_the_same_outcome() -> None:
    assert [(run.by, run.count) for run in runs(("lb1", 3), (LOST, 2), ("lb2", 1))] == [
        ("lb1", 3),
        (LOST, 2),
        ("lb2", 1),
    ]


def test_an_outage_lasts_until_a_packet_is_answered_again() -> None:
    seen = outage(runs(("lb1", 200), (LOST, 4), ("lb2", 10), (LOST, 1), ("lb2", 100)), 100.5, 101.5)
    assert seen.lost == 5
    assert seen.longest == pytest.approx(4 * PERIOD)
    assert seen.answered == {"lb1", "lb2"}


def test_what_was_lost_before_or_after_does_not_count() -> None:
    seen = runs((LOST, 10), ("lb1", 200), (LOST, 10), ("lb1", 10))
    assert outage(seen, 100.2, 100.8).lost == 0


def test_an_outage_that_is_not_over_lasts_until_the_end() -> None:
    assert outage(runs(("lb1", 200), (LOST, 200)), 100.5, 102.0).longest == pytest.approx(1.0)


def test_a_node_serves_once_it_alone_has_answered_for_long_enough() -> None:
    seen = runs(("lb1", 100), (LOST, 1), ("lb2", 100))
    assert serving(seen, 101.0, 0.3) == "lb2"
    assert serving(seen, 101.0, 0.6) == LOST
    assert serving(seen, 103.0, 0.3) == LOST
    assert serving([], 103.0, 0.3) == LOST


def test_the_last_answer_is_that_of_the_last_packet_answered_in_between() -> None:
    seen = runs(("lb1", 200), (LOST, 200), ("lb1", 200))
    assert last_answer(seen, 100.5, 101.5) == pytest.approx(100.995)
    assert last_answer(seen, 101.2, 101.5) == 101.2
