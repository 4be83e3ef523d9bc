"""Format of the table of measurements."""

import pytest

from tests.lab.measure import Measured
from tests.lab.plan import Standby
from tests.lab.scenarios import BY_NAME, NO_LOSS, SCENARIOS, Bound
from tests.lab.table import format_figure, table
from vipagent.testing.slowness import VARIABLE

NOTICED = Bound("detection + 100 ms", 0.1, noticed=True)


def measured(name: str, figure: float, lost: int, standby: Standby = Standby.COLD) -> Measured:
    return Measured(
        BY_NAME[name], standby, 0.0, figure, lost, returning=0.0, returning_lost=0, answered=frozenset()
    )


@pytest.mark.parametrize(
    ("bound", "figure", "noticed", "lost", "words"),
    [
        (NO_LOSS, 0.0, 0.0, 0, "0 lost"),
        (NO_LOSS, 0.015, 0.0, 3, "3 lost (15 ms)"),
        (Bound("20 ms", 0.02), 0.014, 0.0, 3, "14 ms, 3 lost"),
        (NOTICED, 1.05, 1.0, 210, "1.00 s + 50 ms, 210 lost"),
        (NOTICED, 0.9, 1.0, 180, "1.00 s + 0 ms, 180 lost"),
    ],
)
def test_a_figure_as_text(bound: Bound, figure: float, noticed: float, lost: int, words: str) -> None:
    assert format_figure(bound, figure, noticed, lost) == words


def test_the_table_has_medians() -> None:
    runs = [measured("crash", seconds, int(seconds * 200)) for seconds in (5.0, 6.0, 9.0)]
    runs += [measured("crash", 0.0, 0, Standby.HOT)]
    [_, _, crash, returns] = table(runs).splitlines()
    assert crash == (
        "| kill -9 of ExaBGP and agent together "
        "| session + 0.5 s | 6.00 s, 1200 lost | 20 ms | 0 ms, 0 lost | 8.8 s |"
    )
    assert returns == "| node returns after any of these | 0 lost | 0 lost | 0 lost | 0 lost |  |"


def test_a_repair_can_have_its_row() -> None:
    [_, _, _, recovers, _] = table([measured("service-fails", 1.0, 200)]).splitlines()
    assert recovers == "| local service recovers | 0 lost | 0 lost | 0 lost |  |  |"


def test_what_is_worse_than_a_busy_machine_explains_is_a_failure(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(VARIABLE, "2")  # measurements have real-time priority, so the bounds are not scaled
    assert not measured("crash", 7.6, 1520).failures
    assert measured("crash", 7.7, 1540).failures
    assert not measured("store-cut-30", 0.19, 38).failures
    assert measured("store-cut-30", 0.21, 42).failures


def test_names_are_unique() -> None:
    assert len(BY_NAME) == len(SCENARIOS)
