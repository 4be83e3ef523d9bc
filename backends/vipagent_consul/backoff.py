"""How long to wait before the next try."""

import random

MAX_DELAY = 1.0


def delay(failures: int) -> float:
    """Return seconds to wait after so many failures in a row, with jitter: none for none, at most 1."""
    if failures <= 0:
        return 0.0
    return float(min(MAX_DELAY, 0.05 * 2 ** min(failures, 10)) * random.uniform(0.5, 1.0))  # noqa: S311  no secret
