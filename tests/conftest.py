"""The time that a test has (pytest-timeout), on a machine that is said to be slow."""

import pytest

from vipagent.testing.slowness import allowed

pytest_plugins = ["vipagent.testing.plugin"]


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    """Scale the limit of each test."""
    for item in items:
        marker = item.get_closest_marker("timeout")
        limit = float(marker.args[0] if marker else config.getini("timeout"))
        item.add_marker(pytest.mark.timeout(allowed(limit)), append=False)
