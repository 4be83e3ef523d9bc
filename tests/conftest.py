"""Timeouts of tests (pytest-timeout), scaled on a slow machine."""

import pytest

from vipagent.testing.slowness import allowed

pytest_plugins = ["vipagent.testing.plugin"]


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    """Scale the timeout of each test."""
    for item in items:
        marker = item.get_closest_marker("timeout")
        limit = float(marker.args[0] if marker else config.getini("timeout"))
        item.add_marker(pytest.mark.timeout(allowed(limit)), append=False)
