"""A backend that runs a driver in a thread."""

import time
from collections.abc import Callable, Coroutine
from concurrent.futures import CancelledError
from typing import Any, ParamSpec, TypeVar

from vipagent.store.backend import Backend, Listener, Snapshot, StoreError, StoreSettings
from vipagent.store.driver import Driver
from vipagent.store.layout import Directory, Key
from vipagent.store.loop import LoopThread
from vipagent.store.runner import DriverRunner

CLOSING_MARGIN = 0.2
"""Part of the timeout of `close` that is reserved for ending the thread, in seconds."""

P = ParamSpec("P")
T = TypeVar("T")


class StoreClient(Backend):
    """Runs a driver on an asyncio loop in its own thread, and passes the agent's calls to it.

    Args:
        driver: the driver's class.
        settings: location of the store, and the identity of the session.
        listener: receives session states and snapshots.

    Raises:
        StoreConfigError: invalid settings.
    """

    def __init__(self, driver: type[Driver], settings: StoreSettings, listener: Listener) -> None:
        super().__init__(settings, listener)
        self._driver: Driver = driver(settings)
        self._runner = DriverRunner(self._driver, settings, listener)
        self._reconciler = self._runner.reconciler
        self._loop = LoopThread(f"vipagent-{driver.name}")
        self._deadline = 0.0

    def open(self) -> None:
        """See `Backend.open`."""
        self._loop.start(self._main)

    def register(self, key: Key, value: bytes) -> None:
        """See `Backend.register`."""
        self._update(self._reconciler.register, key, value)

    def deregister(self, key: Key) -> None:
        """See `Backend.deregister`."""
        self._update(self._reconciler.deregister, key)

    def watch(self, directory: Directory, values: frozenset[str] | None = frozenset()) -> None:
        """See `Backend.watch`."""
        self._update(self._reconciler.watch, directory, values)

    def unwatch(self, directory: Directory) -> None:
        """See `Backend.unwatch`."""
        self._update(self._reconciler.unwatch, directory)

    def read(self, directory: Directory, timeout: float) -> Snapshot:
        """See `Backend.read`."""

        async def read() -> Snapshot:
            return self._reconciler.snapshot(await self._driver.read(directory), None)

        return self._run_command(f"reading {directory.path(self.settings.prefix)}", read, timeout)

    def write(self, key: Key, value: bytes, timeout: float) -> None:
        """See `Backend.write`."""

        async def write() -> None:
            await self._driver.put(key, value, await self._driver.get(key), ephemeral=False)

        self._run_command(f"writing {key.path(self.settings.prefix)}", write, timeout)

    def erase(self, key: Key, timeout: float) -> bool:
        """See `Backend.erase`."""

        async def erase() -> bool:
            found = await self._driver.get(key)
            if found is not None:
                await self._driver.delete(key, found)
            return found is not None

        return self._run_command(f"erasing {key.path(self.settings.prefix)}", erase, timeout)

    def version(self, timeout: float) -> str:
        """See `Backend.version`."""
        return self._driver.version(timeout)

    def close(self, timeout: float) -> None:
        """See `Backend.close`."""
        self._deadline = time.monotonic() + timeout
        self._loop.post(self._runner.closing.set)
        self._loop.join(timeout)

    async def _main(self) -> None:
        await self._runner.run()
        await self._runner.end_session(max(0.0, self._deadline - time.monotonic() - CLOSING_MARGIN))

    def _update(self, change: Callable[P, None], *args: P.args, **kwargs: P.kwargs) -> None:
        """Change the desired state on the loop."""
        self._loop.post(change, *args, **kwargs)
        self._loop.post(self._runner.schedule_refresh)

    def _run_command(self, action: str, command: Callable[[], Coroutine[Any, Any, T]], timeout: float) -> T:
        """Execute an operator's command on the loop.

        Raises:
            StoreError: the store refused it, or it was not done within `timeout` seconds.
        """
        try:
            return self._loop.run(lambda: self._runner.run_command(command, timeout), timeout + 1.0)
        except StoreError as error:
            raise StoreError(f"{self._driver.name}: {action}: {error}") from error
        except (CancelledError, TimeoutError):
            raise StoreError(f"{self._driver.name}: {action}: the session is not open") from None
