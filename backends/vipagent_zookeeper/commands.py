"""What operators ask for: on the backend's loop, bounded in time, with errors in their words."""

import asyncio
from collections.abc import Callable, Coroutine
from contextlib import suppress
from functools import partial
from typing import Any, TypeVar

from kazoo.exceptions import KazooException

from vipagent.store.backend import Snapshot, StoreError
from vipagent_zookeeper.duty import BREATH
from vipagent_zookeeper.link import Disconnected
from vipagent_zookeeper.refusals import explain
from vipagent_zookeeper.registrations import OVERTAKEN
from vipagent_zookeeper.session import Session
from vipagent_zookeeper.znodes import Znodes

T = TypeVar("T")


class Commands:
    """Reads and writes persistent entries. Each command waits for the session by itself."""

    def __init__(self, session: Session, znodes: Znodes, hosts: str) -> None:
        """Prepare.

        Args:
            session: the present one.
            znodes: for requests.
            hosts: names them in errors.
        """
        self._session = session
        self._znodes = znodes
        self._hosts = hosts

    async def bounded(self, about: str, command: Coroutine[Any, Any, T], within: float) -> T:
        """Carry out a command.

        Args:
            about: what is done, for the error.
            command: one of the others here.
            within: seconds.

        Raises:
            StoreError: it failed, or is not done in time.
        """
        try:
            return await asyncio.wait_for(command, within)
        except TimeoutError:
            cause = self._session.trouble or self._hosts
            raise StoreError(f"zookeeper: {about}: not done within {within:g} s: {cause}") from None
        except (KazooException, ValueError) as error:
            raise StoreError(f"zookeeper: {about}: {self._hosts}: {explain(error)}") from error

    async def read(self, path: str) -> Snapshot:
        """Return the entries of a directory."""

        async def attempt() -> Snapshot:
            return await self._znodes.entries(path, await self._znodes.names(path))

        return await self._insist(attempt)

    async def write(self, path: str, value: bytes) -> None:
        """Make or change a persistent entry."""
        while not await self._insist(partial(self._try_to_write, path, value)):
            pass

    async def erase(self, path: str) -> bool:
        """Remove an entry; return whether there was one."""
        there_was = False
        while (found := await self._insist(partial(self._znodes.get, path))) is not None:
            there_was = True
            with suppress(*OVERTAKEN):
                await self._insist(partial(self._znodes.delete, path, found.version))
        return there_was

    async def _try_to_write(self, path: str, value: bytes) -> bool:
        """Write in the way that fits what is there; return False if that has changed meanwhile."""
        found = await self._znodes.get(path)
        try:
            if found is None:
                await self._znodes.create(path, value, ephemeral=False)
            elif found.owner:
                await self._znodes.replace(path, value, found.version, ephemeral=False)
            else:
                await self._znodes.set(path, value)
        except OVERTAKEN:
            return False
        return True

    async def _insist(self, request: Callable[[], Coroutine[Any, Any, T]]) -> T:
        """Make a request, again after each disconnection."""
        while True:
            await self._session.ready.wait()
            try:
                return await request()
            except Disconnected:
                await asyncio.sleep(BREATH)
