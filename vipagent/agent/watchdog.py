"""Ends an agent whose event loop hangs, so that ExaBGP restarts it (E7)."""

import asyncio
import faulthandler

GRACE_PERIOD = 15.0
"""Minimum run time of an agent in seconds: ExaBGP terminates after several quick exits of a process (E6)."""


class Watchdog:
    """A timer independent of the event loop, which is restarted while the loop runs."""

    def __init__(self) -> None:
        self._loop = asyncio.get_running_loop()
        self._settled = self._loop.time() + GRACE_PERIOD
        self._timer: asyncio.TimerHandle | None = None

    def start(self, timeout: float) -> None:
        """Start or restart the timer; when it expires, the stacks are written to stderr and the process ends.

        Args:
            timeout: maximum time in seconds without a loop iteration; 0 disables the watchdog.
        """
        self.stop()
        if timeout:
            young = self._settled - self._loop.time()
            faulthandler.dump_traceback_later(max(timeout, young), exit=True)
            self._timer = self._loop.call_later(timeout / 2, self.start, timeout)

    def stop(self) -> None:
        """Stop the timer."""
        if self._timer:
            self._timer.cancel()
        faulthandler.cancel_dump_traceback_later()
