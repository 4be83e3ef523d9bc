"""Ends an agent whose loop hangs: it would keep its routes for ever, and ExaBGP starts it anew (E7)."""

import asyncio
import faulthandler

SETTLED = 15.0
"""Seconds of life before which no agent is ended: ExaBGP gives up after some quick deaths (E6)."""


class Watchdog:
    """Arms a timer that the loop cannot stop by hanging, and arms it anew as long as the loop turns.

    Args:
        timeout: seconds without a turn of the loop; 0 turns it off.
    """

    def __init__(self, timeout: float) -> None:
        self._timeout = timeout
        self._loop = asyncio.get_running_loop()
        self._started = self._loop.time()
        self._timer: asyncio.TimerHandle | None = None

    def start(self) -> None:
        """Arm it; the stacks go to stderr before the end."""
        if self._timeout:
            young = self._started + SETTLED - self._loop.time()
            faulthandler.dump_traceback_later(max(self._timeout, young), exit=True)
            self._timer = self._loop.call_later(self._timeout / 2, self.start)

    def stop(self) -> None:
        """Disarm it."""
        if self._timer:
            self._timer.cancel()
        faulthandler.cancel_dump_traceback_later()
