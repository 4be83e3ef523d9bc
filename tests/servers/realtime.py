"""Real-time priority, for what measures times on a machine that others use, too."""

import os
from collections.abc import Iterator
from contextlib import contextmanager, suppress


@contextmanager
def at_real_time() -> Iterator[None]:
    """Run this thread, and every thread and process that is started in here, before all others, if we may."""
    policy, parameters = os.sched_getscheduler(0), os.sched_getparam(0)
    with suppress(PermissionError):
        os.sched_setscheduler(0, os.SCHED_RR, os.sched_param(1))
    try:
        yield
    finally:
        with suppress(PermissionError):
            os.sched_setscheduler(0, policy, parameters)
