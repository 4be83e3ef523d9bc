"""A session with a store as the agent sees it: what it desires goes to the loop where the driver runs."""

import time
from collections.abc import Callable, Coroutine
from concurrent.futures import CancelledError
from typing import Any, ParamSpec, TypeVar

from vipagent.store.backend import Backend, Listener, Snapshot, StoreError, StoreSettings
from vipagent.store.driver import Driver
from vipagent.store.layout import Directory, Key
from vipagent.store.loop import LoopThread
from vipagent.store.runner import Serving

CLOSING_MARGIN = 0.2
"""Seconds of `close`'s time, at most, that are left for the thread's end."""

P = ParamSpec("P")
T = TypeVar("T")


class StoreClient(Backend):
    """Keeps what the agent desires true in a store, by its driver, on a loop in a thread of its own.

    Args:
        driver: the driver's class.
        settings: how to reach the store, and as whom.
        listener: told the session's state, and what is watched.

    Raises:
        StoreConfigError: the settings can never work.
    """

    def __init__(self, driver: type[Driver], settings: StoreSettings, listener: Listener) -> None:
        super().__init__(settings, listener)
        self._driver: Driver = driver(settings)
        self._serving = Serving(self._driver, settings, listener)
        self._reconciler = self._serving.reconciler
        self._loop = LoopThread(f"vipagent-{driver.name}")
        self._deadline = 0.0

    def open(self) -> None:
        """See `Backend.open`."""
        self._loop.start(self._live)

    def register(self, key: Key, value: bytes) -> None:
        """See `Backend.register`."""
        self._desire(self._reconciler.register, key, value)

    def deregister(self, key: Key) -> None:
        """See `Backend.deregister`."""
        self._desire(self._reconciler.deregister, key)

    def watch(self, directory: Directory, values: frozenset[str] | None = frozenset()) -> None:
        """See `Backend.watch`."""
        self._desire(self._reconciler.watch, directory, values)

    def unwatch(self, directory: Directory) -> None:
        """See `Backend.unwatch`."""
        self._desire(self._reconciler.unwatch, directory)

    def read(self, directory: Directory, timeout: float) -> Snapshot:
        """See `Backend.read`."""

        async def read() -> Snapshot:
            return self._reconciler.snapshot(await self._driver.read(directory), None)

        return self._command(f"reading {directory.path(self.settings.prefix)}", read, timeout)

    def write(self, key: Key, value: bytes, timeout: float) -> None:
        """See `Backend.write`."""

        async def write() -> None:
            await self._driver.put(key, value, await self._driver.get(key), ephemeral=False)

        self._command(f"writing {key.path(self.settings.prefix)}", write, timeout)

    def erase(self, key: Key, timeout: float) -> bool:
        """See `Backend.erase`."""

        async def erase() -> bool:
            found = await self._driver.get(key)
            if found is not None:
                await self._driver.delete(key, found)
            return found is not None

        return self._command(f"erasing {key.path(self.settings.prefix)}", erase, timeout)

    def version(self, timeout: float) -> str:
        """See `Backend.version`."""
        return self._driver.version(timeout)

    def close(self, timeout: float) -> None:
        """See `Backend.close`."""
        self._deadline = time.monotonic() + timeout
        self._loop.post(self._serving.closing.set)
        self._loop.join(timeout)

    async def _live(self) -> None:
        await self._serving.run()
        await self._serving.end(max(0.0, self._deadline - time.monotonic() - CLOSING_MARGIN))

    def _desire(self, note: Callable[P, None], *desired: P.args, **named: P.kwargs) -> None:
        self._loop.post(note, *desired, **named)
        self._loop.post(self._serving.look_again)

    def _command(self, about: str, command: Callable[[], Coroutine[Any, Any, T]], timeout: float) -> T:
        """Carry out an operator's command on the loop.

        Raises:
            StoreError: it was refused, or not done within so many seconds.
        """
        try:
            return self._loop.run(lambda: self._serving.insist(command, timeout), timeout + 1.0)
        except StoreError as error:
            raise StoreError(f"{self._driver.name}: {about}: {error}") from error
        except (CancelledError, TimeoutError):
            raise StoreError(
                f"{self._driver.name}: {about}: the session is not open, or was closed meanwhile"
            ) from None
