"""A lab is started and removed completely, and does not affect others."""

from collections.abc import Iterator

import pytest

from tests.lab import plan
from tests.lab.lab import Lab, running
from tests.lab.network import managed
from tests.lab.plan import Standby, Tor
from tests.lab.side_by_side import unique
from tests.servers.process import wait_for


@pytest.fixture
def lab() -> Iterator[Lab]:
    lab = Lab(unique(Standby.COLD, Tor.FRR, 7))
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


def test_every_link_has_two_ends_with_unique_addresses() -> None:
    ends = [link.end(machine) for link in plan.LINKS for machine in (link.upper, link.lower)]
    assert len({end.ipv4 for end in ends}) == len({end.ipv6 for end in ends}) == 2 * len(plan.LINKS)
    assert managed("lb1").peer("lb1") == plan.MANAGEMENT
