"""Number of examples of the property tests: fixed examples, or more and random ones.

`VIPAGENT_RUNS=20 pytest tests/quick/core` runs twenty times as many examples, from a random seed.
"""

import os

from hypothesis import HealthCheck, settings

TIMES = int(os.environ.get("VIPAGENT_RUNS", "0"))


def examples(count: int, steps: int = 50) -> settings:
    """Return the settings for a number of examples in CI, with a number of steps for stateful tests."""
    return settings(
        max_examples=count * max(TIMES, 1),
        stateful_step_count=steps,
        suppress_health_check=list(HealthCheck),
    )


def load() -> None:
    """Use the same examples in each run, unless `VIPAGENT_RUNS` is set; examples have no deadline."""
    settings.register_profile(
        "here",
        derandomize=not TIMES,
        database=None,
        deadline=None,
        suppress_health_check=[HealthCheck.too_slow],
    )
    settings.load_profile("here")
