"""A short run of the soak test (`python -m tests.soak`)."""

from pathlib import Path

import pytest

from tests.soak.day import STORE_LOST, STORE_UNSURE, Day, Load
from tests.soak.site import site
from vipagent.testing import growth

SHORT_LOAD = Load(results=5_000, takeovers=100, reconnections=25, reloads=8)
HOURS = 6
WARM_UP_HOURS = 3
"""The hour after which all events have occurred, including all kinds of reload."""
MAX_GROWTH_PER_HOUR = 0.4
"""Maximum growth of memory per hour: a leak of 1 KB per check would be 0.8."""


@pytest.mark.timeout(600)
def test_memory_threads_and_descriptors_do_not_grow_and_all_warnings_are_expected(tmp_path: Path) -> None:
    with site(tmp_path) as running_site:
        day = Day(running_site, SHORT_LOAD, HOURS)
        measurements = list(day.hours())
        warnings, expected = running_site.log.warnings, day.expected_warnings()
        assert expected <= warnings
        repeated = set(warnings - expected)
        assert repeated <= {STORE_UNSURE, STORE_LOST}, "only these are repeated if the reason changes"
        assert running_site.log.count("store connected") == 1 + expected[STORE_UNSURE], (
            "it must reconnect only after the test's outages"
        )
    assert measurements[-1].results >= SHORT_LOAD.results
    warm = measurements[WARM_UP_HOURS:]
    growth.check("MB of memory", [hour.resident for hour in warm], MAX_GROWTH_PER_HOUR)
    growth.check("threads", [hour.threads for hour in warm], 0.5)
    growth.check("descriptors", [hour.descriptors for hour in warm], 0.5)
