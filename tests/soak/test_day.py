"""A short run of the soak test (`python -m tests.soak`)."""

from pathlib import Path

import pytest

from tests.soak.day import LOST, UNSURE, Day, Load
from tests.soak.site import site
from vipagent.testing import growth

PART = Load(results=5_000, takeovers=100, reconnections=25, reloads=8)
HOURS = 6
WARM = 3
"""The hour after which all events have occurred, including all kinds of reload."""
MEGABYTES = 0.4
"""Maximum growth of memory per hour: a leak of 1 KB per check would be 0.8."""


@pytest.mark.timeout(600)
def test_memory_threads_and_descriptors_do_not_grow_and_all_warnings_are_expected(tmp_path: Path) -> None:
    with site(tmp_path) as place:
        day = Day(place, PART, HOURS)
        lived = list(day.hours())
        counted, caused = place.diary.warnings, day.caused()
        assert caused <= counted
        again = set(counted - caused)
        assert again <= {UNSURE, LOST}, "which are repeated if the cause has another text"
        assert place.diary.count("store connected") == 1 + caused[UNSURE], "no warning without a cause"
    assert lived[-1].results >= PART.results
    warm = lived[WARM:]
    growth.check("MB of memory", [hour.resident for hour in warm], MEGABYTES)
    growth.check("threads", [hour.threads for hour in warm], 0.5)
    growth.check("descriptors", [hour.descriptors for hour in warm], 0.5)
