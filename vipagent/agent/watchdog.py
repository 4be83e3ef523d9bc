"""Ends an agent whose loop hangs: it would keep its routes for ever, and ExaBGP starts it anew (E7)."""

import asyncio
import faulthandler

SETTLED = 15.0
"""Seconds of life before which no agent is ended: ExaBGP gives up after some quick deaths (E6)."""


class Watchdog:
    """Arms a timer that the loop cannot stop by hanging, and arms it anew as long as the loop turns."""

    def __init__(self) -> None:
        self._loop = asyncio.get_running_loop()
        self._settled = self._loop.time() + SETTLED
        self._timer: asyncio.TimerHandle | None = None

    def start(self, timeout: float) -> None:
        """Arm it, or arm it anew; the stacks go to stderr before the end.

        Args:
            timeout: seconds without a turn of the loop; 0 turns it off.
        """
        self.stop()
        if timeout:
            young = self._settled - self._loop.time()
            faulthandler.dump_traceback_later(max(timeout, young), exit=True)
            self._timer = self._loop.call_later(timeout / 2, self.start, timeout)

    def stop(self) -> None:
        """Disarm it."""
        if self._timer:
            self._timer.cancel()
        faulthandler.cancel_dump_traceback_later()
