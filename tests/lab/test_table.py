"""Format of the tables of measurements, and the file with their results."""

from dataclasses import replace
from pathlib import Path

import pytest

from tests.lab.measure import Measured
from tests.lab.plan import Plan, Standby, Tor
from tests.lab.results import Results, missing
from tests.lab.scenarios import BY_NAME, NO_LOSS, SCENARIOS, Bound, Served
from tests.lab.table import format_figure, page, table
from vipagent.testing.slowness import VARIABLE

NOTICED = Bound("detection + 100 ms", 0.1, noticed=True)


def measured(
    name: str,
    figure: float,
    lost: int,
    standby: Standby = Standby.COLD,
) -> Measured:
    planned = Plan("lab", standby)
    return Measured(
        BY_NAME[name],
        planned,
        0.0,
        figure,
        lost,
        returning=0.0,
        returning_lost=0,
        answered=frozenset({"lb1"}),
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


def test_each_kind_of_network_has_a_table_with_its_bounds() -> None:
    two = Plan("lab", tor=Tor.FRR, neighbors=2)
    runs = [measured("link-down", 0.5, 100), replace(measured("link-down", 0.01, 2), plan=two)]
    bird, frr = page(runs).split("**ToR switches with ")[1:]
    assert bird.startswith("BIRD, one neighbour per load balancer**, one run each:\n\n| scenario |")
    assert frr.startswith("FRR, two neighbours per load balancer**, one run each:\n\n| scenario |")
    assert "| 1 s | 500 ms, 100 lost | 20 ms |" in bird
    assert "| 20 ms | 10 ms, 2 lost | 20 ms |" in frr


def test_with_two_neighbors_a_node_serves_on_when_it_loses_one() -> None:
    one, two = (Plan("lab", neighbors=number) for number in (1, 2))
    assert BY_NAME["link-down"].served_by(one) is Served.OTHERS
    assert BY_NAME["link-down"].served_by(two) is Served.SAME
    assert BY_NAME["crash"].served_by(two) is Served.OTHERS


def test_an_interrupted_table_is_continued(tmp_path: Path) -> None:
    results = Results(tmp_path / "results")
    runs = [measured("crash", 5.0, 1000), measured("crash", 6.0, 1200), measured("link-down", 0.5, 100)]
    for run in runs:
        results.add(run)
    with results.path.open("a") as file:
        file.write('{"scenario": "cra')
    assert results.read() == runs
    wanted = (Standby.COLD, Tor.BIRD, 1)
    names = ["crash", "link-down"]
    assert [*missing(results.read(), wanted, names, 3)] == ["link-down", "crash", "link-down"]
    assert [*missing(results.read(), (Standby.HOT, Tor.BIRD, 1), names, 1)] == names


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
