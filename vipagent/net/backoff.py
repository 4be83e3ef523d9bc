"""How long to wait before the next attempt."""

import random
from collections.abc import Callable

Uniform = Callable[[float, float], float]
"""Draws a number between two; the simulator has its own, so that a seed is the same run every time."""

MIN_DELAY, MAX_DELAY = 0.05, 1.0
"""Seconds after the first failure, and at most."""


def delay(
    failures: int,
    first: float = MIN_DELAY,
    most: float = MAX_DELAY,
    uniform: Uniform = random.uniform,
) -> float:
    """Return the seconds to wait after so many failures in a row: none after none.

    Each is twice the last, up to `most`, with jitter: at least half of that.
    """
    if failures <= 0:
        return 0.0
    longest = min(most, first * 2.0 ** min(failures - 1, 30))
    return longest * uniform(0.5, 1.0)
