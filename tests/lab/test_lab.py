"""A lab is started and removed completely, and does not affect others."""

from collections.abc import Iterator

import pytest

from tests.lab import plan
from tests.lab.lab import Lab, running
from tests.lab.network import managed
from tests.lab.plan import Plan, Standby, Tor
from tests.lab.side_by_side import unique
from tests.servers.process import wait_for


@pytest.fixture
def lab() -> Iterator[Lab]:
    lab = Lab(unique(Standby.COLD, Tor.FRR, 2))
    yield lab
    lab.down()


def left_of(lab: Lab) -> bool:
    return lab.network.exists() or lab.directory.exists()


def test_a_lab_that_fails_to_start_leaves_nothing_behind(lab: Lab, monkeypatch: pytest.MonkeyPatch) -> None:
    def interrupted() -> None:
        wait_for("the switches run", lambda: len(lab.network.pids()) > len(plan.SWITCHES))
        raise KeyboardInterrupt

    monkeypatch.setattr(lab.store, "start", interrupted)
    with pytest.raises(KeyboardInterrupt):
        lab.up()
    assert not left_of(lab)


def test_a_second_lab_of_the_same_name_is_rejected_and_the_first_one_stays(lab: Lab) -> None:
    lab.network.up()
    with pytest.raises(FileExistsError, match=f"lab {lab.plan.name} is up"):
        Lab(lab.plan).up()
    assert lab.network.exists()


def test_a_lab_that_does_not_exist_is_reported(lab: Lab) -> None:
    with pytest.raises(FileNotFoundError, match="python -m tests\\.lab up"):
        running(lab.plan.name)


def test_every_end_of_a_link_has_a_unique_address() -> None:
    one, two = (Plan("", neighbors=number).all_links for number in (1, 2))
    assert len({link.end(machine).ipv4 for link in two for machine in (link.upper, link.lower)}) == 2 * len(
        two
    )
    assert len({link.end(machine).ipv6 for link in one for machine in (link.upper, link.lower)}) == 2 * len(
        one
    )
    assert managed("lb1").peer("lb1") == plan.MANAGEMENT


def test_every_balancer_has_as_many_neighbors_as_planned() -> None:
    for number in (1, 2):
        planned = Plan("", neighbors=number)
        for machine in (*plan.BALANCERS, *plan.TORS):
            peers = {link.peer(machine.name) for link in planned.links(machine.name)}
            assert len(peers & {other.name for other in (*plan.BALANCERS, *plan.TORS)}) == number
    assert {link.end("lb1").ipv6 for link in planned.links("lb1")} == {planned.uplink("lb1").end("lb1").ipv6}
