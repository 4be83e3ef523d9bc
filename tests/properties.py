"""How long the property tests run: the same examples every time, or more and random ones.

`VIPAGENT_RUNS=20 pytest tests/quick/core` tries twenty times as many examples, from a random seed each time.
"""

import os

from hypothesis import HealthCheck, settings

TIMES = int(os.environ.get("VIPAGENT_RUNS", "0"))


def examples(count: int, steps: int = 50) -> settings:
    """Return the settings for so many examples in CI, of so many steps each where an example has steps."""
    return settings(
        max_examples=count * max(TIMES, 1),
        stateful_step_count=steps,
        suppress_health_check=list(HealthCheck),
    )


def load() -> None:
    """Use the same examples every time, unless more are asked for; each has the time that it needs."""
    settings.register_profile(
        "here",
        derandomize=not TIMES,
        database=None,
        deadline=None,
        suppress_health_check=[HealthCheck.too_slow],
    )
    settings.load_profile("here")
