"""The property tests: the same examples each time, for while they need (see `core/runs.py`)."""

from hypothesis import HealthCheck, settings

from tests.unit.core.runs import TIMES

settings.register_profile(
    "here",
    derandomize=not TIMES,
    database=None,
    deadline=None,
    suppress_health_check=[HealthCheck.too_slow],
)
settings.load_profile("here")
