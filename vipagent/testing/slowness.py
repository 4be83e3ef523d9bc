"""A factor for all upper bounds in seconds, from the environment, for slow machines.

Lower bounds and ratios do not change.
"""

import os

VARIABLE = "VIPAGENT_SLOWNESS"


def slowness() -> float:
    """Return the factor; default 1, for an idle machine.

    Raises:
        ValueError: the variable is not a valid factor.
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
    """Return an upper bound in seconds, multiplied by the factor."""
    return seconds * slowness()
