"""How slow this machine may be: one factor for all upper bounds in seconds, from the environment.

Lower bounds and ratios stay as they are.
"""

import os

VARIABLE = "VIPAGENT_SLOWNESS"


def slowness() -> float:
    """Return the factor: 1 by default, for a machine with nothing else to do.

    Raises:
        ValueError: the variable is no such factor.
    """
    text = os.environ.get(VARIABLE) or "1"
    try:
        factor = float(text)
    except ValueError:
        factor = 0.0
    if not 1 <= factor <= 100:
        raise ValueError(f"{VARIABLE}: {text!r} is not a factor between 1 and 100")
    return factor


def allowed(seconds: float) -> float:
    """Return how long this machine may take for what takes a quiet one so many seconds at most."""
    return seconds * slowness()
