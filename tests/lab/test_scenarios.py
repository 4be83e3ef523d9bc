"""Every scenario, cold and hot, behind a BIRD and behind an FRR: four labs in parallel."""

from collections.abc import Iterator
from concurrent.futures import Future

import pytest

from tests.lab.measure import Measured
from tests.lab.plan import Plan, Standby, Tor
from tests.lab.scenarios import SCENARIOS
from tests.lab.side_by_side import Job, side_by_side, unique

PLANS = tuple(unique(standby, tor) for standby in (Standby.COLD, Standby.HOT) for tor in Tor)
JOBS = tuple((planned, scenario.name) for scenario in SCENARIOS for planned in PLANS)
"""Ordered by scenario, so that each test waits only for its own one."""
Futures = dict[Job, Future[Measured]]


@pytest.fixture(scope="module")
def measuring() -> Iterator[Futures]:
    with side_by_side(JOBS) as futures:
        yield dict(zip(JOBS, futures, strict=True))


@pytest.mark.parametrize(
    "job", JOBS, ids=[f"{name}-{planned.standby}-{planned.tor}" for planned, name in JOBS]
)
def test_no_vip_is_unserved_for_longer_than_it_may(
    measuring: Futures, job: Job, report: list[tuple[Plan, Measured]]
) -> None:
    measured = measuring[job].result()
    report.append((job[0], measured))
    assert measured.failures == [], measured.evidence
