"""Settings of the property tests: by default the same examples in every run.

`VIPAGENT_RUNS=20 pytest tests/quick/core` runs 20 times as many examples, with a random seed.
"""

import os

from hypothesis import HealthCheck, settings

EXAMPLE_FACTOR = int(os.environ.get("VIPAGENT_RUNS", "0"))


def examples(count: int, steps: int = 50) -> settings:
    """Return settings with a number of examples and, for state machines, of steps per example."""
    return settings(
        max_examples=count * max(EXAMPLE_FACTOR, 1),
        stateful_step_count=steps,
        suppress_health_check=list(HealthCheck),
    )


def load() -> None:
    """Register and load a profile without deadlines, deterministic unless VIPAGENT_RUNS is set."""
    settings.register_profile(
        "vipagent",
        derandomize=not EXAMPLE_FACTOR,
        database=None,
        deadline=None,
        suppress_health_check=[HealthCheck.too_slow],
    )
    settings.load_profile("vipagent")
