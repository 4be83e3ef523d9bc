"""Collects the measurements of the labs, which are reported at the end of the run."""

import pytest

from tests.lab import table
from tests.lab.measure import Measured
from tests.lab.plan import Plan

MEASURED = pytest.StashKey[list[tuple[Plan, Measured]]]()


@pytest.fixture
def report(request: pytest.FixtureRequest) -> list[tuple[Plan, Measured]]:
    """List of measurements for the report."""
    return request.config.stash.setdefault(MEASURED, [])


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter, config: pytest.Config) -> None:
    """Print one line for each run of a scenario."""
    for plan, run in config.stash.get(MEASURED, []):
        figure = table.format_figure(run.bound, run.figure, run.noticed, run.lost)
        terminalreporter.write_line(
            f"{plan.standby:4} {plan.tor:4} {plan.neighbors} {run.scenario.name:20} {figure:30} "
            f"to reach: {run.bound.words:28} return: {run.returning_lost} lost"
        )
