"""Exponential backoff."""

import random
from collections.abc import Callable

Uniform = Callable[[float, float], float]
"""Returns a random number in a range; the simulator uses its own, to make runs reproducible."""

MIN_DELAY, MAX_DELAY = 0.05, 1.0
"""Default delay in seconds after the first failure, and the default maximum."""


def delay(
    failures: int,
    first: float = MIN_DELAY,
    most: float = MAX_DELAY,
    uniform: Uniform = random.uniform,
) -> float:
    """Return the retry delay in seconds after a number of consecutive failures; 0 without failures.

    The delay doubles with each failure, up to `most`, with a jitter of up to 50 %.
    """
    if failures <= 0:
        return 0.0
    longest = min(most, first * 2.0 ** min(failures - 1, 30))
    return longest * uniform(0.5, 1.0)
