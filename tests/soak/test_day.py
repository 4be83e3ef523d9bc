"""A part of a day, which leaves nothing behind in the agent: `python -m tests.soak` is the whole of it."""

from pathlib import Path

import pytest

from tests.servers.process import wait_for
from tests.soak.day import LOST, PATIENCE, Day, Load
from tests.soak.figures import growth
from tests.soak.site import site

PART = Load(results=5_000, take_overs=100, reconnections=25, reloads=8)
HOURS = 3
WARM = 1
"""The hour by which everything has happened once."""
MEGABYTES = 2.0
"""Of memory: a leak of 1 KB at each check would take 5."""
IN_FLIGHT = 2
"""Descriptors of checks, of which some may be under way at every reading."""


@pytest.mark.timeout(600)
def test_memory_threads_and_descriptors_stay_and_every_complaint_is_explained(tmp_path: Path) -> None:
    with site(tmp_path) as place:
        day = Day(place, PART, HOURS)
        lived = list(day.hours())
        warm, last = lived[WARM], lived[-1]
        told, caused = place.diary.complaints, day.caused()
        assert caused <= told
        assert set(told - caused) <= {LOST}, "which is told again if the cause is called something else"
        wait_for(
            "what is open is what was open, checks aside",
            lambda: place.agent.descriptors() <= warm.descriptors + IN_FLIGHT,
            PATIENCE,
        )
    assert last.results >= PART.results
    assert growth(lived, WARM) < MEGABYTES, lived
    assert last.threads == warm.threads, lived
