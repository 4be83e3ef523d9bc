"""Something to be made true again after every change and every reconnection."""

import asyncio
import logging
from abc import ABC, abstractmethod

from vipagent_zookeeper.link import Disconnected
from vipagent_zookeeper.refusals import explain
from vipagent_zookeeper.session import Session

RETRY = 5.0
"""Seconds until what the server refuses is tried again, where no watch can tell when it would succeed."""
BREATH = 0.05
"""Seconds between two attempts that found no connection, while the news of its loss is on its way."""

log = logging.getLogger(__name__)


class Duty(ABC):
    """One duty, in a task of its own on the backend's loop."""

    def __init__(self, session: Session, about: str) -> None:
        """Prepare.

        Args:
            session: what it needs.
            about: names it in the log.
        """
        self.session = session
        self._about = about
        self._due = asyncio.Event()
        self._complaint = ""
        self._task: asyncio.Task[None] | None = None

    def start(self) -> None:
        """Do it, and go on doing it."""
        self._task = asyncio.create_task(self._run())

    def poke(self) -> None:
        """Look again: something has changed."""
        self._due.set()

    def stop(self) -> None:
        """Do no more, from now on."""
        if self._task is not None:
            self._task.cancel()

    @abstractmethod
    async def fulfil(self) -> bool:
        """Make it true, and watch for changes that make it untrue; return whether it is done for good."""

    async def _run(self) -> None:
        while True:
            await self.session.ready.wait()
            self._due.clear()
            try:
                if await self.fulfil():
                    return
                self._complaint = ""
            except Disconnected:
                await asyncio.sleep(BREATH)
                continue
            except Exception as error:  # noqa: BLE001  a duty that ends is a watch that falls silent
                self._complain(error)
                asyncio.get_running_loop().call_later(RETRY, self._try_again)
            await self._due.wait()

    def _complain(self, error: Exception) -> None:
        complaint = f"{self._about}: {explain(error)}"
        if complaint != self._complaint:
            log.warning("zookeeper %s: %s; tried again every %g s", self.session.peer, complaint, RETRY)
            self._complaint = complaint

    def _try_again(self) -> None:
        self.session.renew_login()
        self.poke()
