"""Runs a driver: connects, follows directories, and sends the requests that the reconciler asks for."""

import asyncio
import logging
import random
import time
from collections.abc import Callable, Coroutine
from contextlib import suppress
from typing import Any, TypeVar, assert_never

from vipagent.store.backend import Listener, StoreConfigError, StoreError, StoreSettings
from vipagent.store.driver import (
    Disconnected,
    Driver,
    EntryChanged,
    Found,
    Interests,
    Listing,
    Refused,
    SessionEnded,
)
from vipagent.store.layout import Directory, Key
from vipagent.store.reconciler import Reconciler
from vipagent.store.registration import Delete, Get, Put, StoreRequest
from vipagent.store.session import Session
from vipagent.store.tasks import Tasks, bounded, run_forever

CONCURRENT_REQUESTS = 32
COMMAND_RETRY_DELAY = 0.1
"""Delay before an operator's command is retried after a lost connection, in seconds."""
MAX_TIMER = 1e6
"""Maximum delay of a timer, in seconds: the session timeout may be infinite, a timer of the loop may not."""

log = logging.getLogger(__name__)

T = TypeVar("T")


class DriverRunner:
    """One session with a store, across connections and servers. Not thread-safe: runs on one loop.

    Args:
        driver: the store's driver.
        settings: identity and session timeout.
        listener: receives session states and snapshots.
    """

    def __init__(self, driver: Driver, settings: StoreSettings, listener: Listener) -> None:
        first = 0 if driver.in_order else random.randrange(len(driver.servers))  # noqa: S311  not a secret
        self.reconciler = Reconciler(settings)
        self.closing = asyncio.Event()
        """Set it to stop `run`."""
        self._driver = driver
        self._prefix = settings.prefix
        self._listener = listener
        self._session = Session(
            driver.servers, settings.session_timeout, first, driver.keep_alives_per_session
        )
        self._interests = Interests()
        self._refresh_scheduled = False
        self._work = asyncio.Event()
        """Set when there may be requests to send."""
        self._state_changed = asyncio.Event()
        """Set, and replaced by a new event, when the session's state changes."""
        self._last_server: str | None = None
        """The server of the driver's last `connect`."""
        self._expiry: asyncio.TimerHandle | None = None
        self._logged: dict[Key | str, str] = {}

    async def run(self) -> None:
        """Connect, and keep the session until `closing` is set."""
        session = asyncio.create_task(self._run_session())
        await self.closing.wait()
        session.cancel()
        await asyncio.wait({session})
        if self._expiry is not None:
            self._expiry.cancel()

    def schedule_refresh(self) -> None:
        """Apply changes of the desired state in the loop's next iteration, several of them at once."""
        if not self._refresh_scheduled:
            self._refresh_scheduled = True
            asyncio.get_running_loop().call_soon(self._refresh)

    def _refresh(self) -> None:
        self._refresh_scheduled = False
        self._interests.replace(*self.reconciler.interests)
        self._work.set()
        self._notify()

    async def run_command(self, command: Callable[[], Coroutine[Any, Any, T]], time_limit: float) -> T:
        """Execute an operator's command. Retry it when the connection is lost or the entry changed.

        Raises:
            StoreError: the store refused it, or it was not done within `time_limit` seconds.
        """
        try:
            async with asyncio.timeout(time_limit):
                while True:
                    await self._wait_connected()
                    with suppress(Disconnected, EntryChanged):
                        return await self._run_while_connected(command)
        except (Refused, StoreConfigError) as error:
            server = f"{self._session.server}: " if self._session.server else ""
            raise StoreError(f"{server}{error}") from error
        except TimeoutError:
            cause = self._session.errors or ", ".join(filter(None, self._driver.servers))
            raise StoreError(f"not done within {time_limit:g} s: {cause}") from None
        except StoreError:
            raise
        except Exception as error:  # drivers are third-party code
            raise StoreError(f"unexpected error: {type(error).__name__}: {error}") from error

    async def _run_while_connected(self, command: Callable[[], Coroutine[Any, Any, T]]) -> T:
        """Execute a command until the session's state changes.

        Raises:
            Disconnected: the connection was lost.
        """
        running = asyncio.ensure_future(command())
        losing = asyncio.ensure_future(self._state_changed.wait())
        try:
            await asyncio.wait({running, losing}, return_when=asyncio.FIRST_COMPLETED)
            if running.done():
                return running.result()
        except (Disconnected, SessionEnded):
            await asyncio.sleep(COMMAND_RETRY_DELAY)  # the session may still be CONNECTED
        finally:
            running.cancel()
            losing.cancel()
        raise Disconnected("the connection was lost")

    async def end_session(self, time_limit: float) -> None:
        """End the session at the first server that responds, within `time_limit` seconds."""
        deadline = time.monotonic() + time_limit
        servers = len(self._driver.servers)
        for tried in range(servers):
            share = max(0.0, deadline - time.monotonic()) / (servers - tried)
            try:
                async with asyncio.timeout(share):
                    if self._last_server not in {None, self._session.server}:
                        await self._driver.connect(self._session.server)
                    await self._driver.close()
                return
            except TimeoutError:
                cause = f"no answer for {share:.1f} s"
            except Exception as error:  # noqa: BLE001  the agent exits in any case
                cause = f"{type(error).__name__}: {error}"
            log.info("%s: %s: could not end the session: %s", self._driver.name, self._session.server, cause)
            self._last_server = self._session.server
            self._session.failed(time.monotonic(), cause)

    async def _wait_connected(self) -> None:
        """Wait until the session is connected.

        Raises:
            StoreError: every server refused the session.
        """
        while not self._session.is_connected:
            if self._session.is_refused_by_all:
                raise StoreError(self._session.errors)
            await self._state_changed.wait()

    async def _run_session(self) -> None:
        """Connect to one server after the other, without limit (L2)."""
        while not self.closing.is_set():  # a cancellation is lost if a task group fails at the same time
            await asyncio.sleep(max(0.0, self._session.next_attempt - time.monotonic()))
            try:
                await self._run_connection()
            except SessionEnded as error:
                self._session.ended(time.monotonic(), str(error))
            except (Refused, StoreConfigError) as error:
                self._session.failed(time.monotonic(), str(error), refused=True)
            except Disconnected as error:
                self._session.failed(time.monotonic(), str(error))
            except Exception as error:  # noqa: BLE001  drivers are third-party code
                cause = f"unexpected error: {type(error).__name__}: {error}"
                server = self._session.server
                self._warn_once(server, f"{server}: {cause}" if server else cause, error)
                self._session.failed(time.monotonic(), cause)
            self.reconciler.disconnected()
            self._notify()

    async def _run_connection(self) -> None:
        """Use one connection until it fails.

        Raises:
            DriverError: the failure.
        """
        self._last_server = self._session.server
        await self._bounded(self._driver.connect(self._last_server), self._driver.request_timeout)
        await self._keep_alive(self._driver.request_timeout)
        self.reconciler.connected()
        self._interests.replace(*self.reconciler.interests)
        if not self._interests.names:
            self._on_connected()
        async with Tasks() as tasks:
            tasks.create_task(run_forever(self._driver.follow(self._interests, self._on_listing)))
            tasks.create_task(self._send_keep_alives())
            tasks.create_task(self._send_requests(tasks))

    async def _send_keep_alives(self) -> None:
        while True:
            await asyncio.sleep(max(0.0, self._session.next_keep_alive - time.monotonic()))
            if time.monotonic() >= self._session.expires:
                raise Disconnected(f"no keep-alive was confirmed for {self._session.timeout:g} s")
            await self._keep_alive()

    async def _keep_alive(self, time_limit: float | None = None) -> None:
        sent = time.monotonic()
        self._session.confirmed(sent, await self._bounded(self._driver.keep_alive(), time_limit))
        if self._expiry is not None:
            self._expiry.cancel()
        loop = asyncio.get_running_loop()
        self._expiry = loop.call_at(min(self._session.expires, loop.time() + MAX_TIMER), self._on_expiry)

    def _on_expiry(self) -> None:
        self._session.check_expiry(time.monotonic())
        self._notify()

    def _on_connected(self) -> None:
        self._session.connected()
        self._logged.pop(self._session.server, None)
        self._notify()

    def _on_listing(self, directory: Directory, listing: Listing | None) -> None:
        if listing is not None:
            self.reconciler.listed(directory, listing)
        if self._session.is_connected:
            self._notify_snapshots()
        else:
            self._on_connected()
        if self.reconciler.has_pending:
            self._work.set()

    async def _send_requests(self, tasks: asyncio.TaskGroup) -> None:
        slots = asyncio.Semaphore(CONCURRENT_REQUESTS)
        while True:
            self._work.clear()
            for request in self.reconciler.requests(time.monotonic()):
                await slots.acquire()
                tasks.create_task(self._execute(request)).add_done_callback(lambda _: slots.release())
            due = self.reconciler.due
            with suppress(TimeoutError):
                async with asyncio.timeout(None if due is None else max(0.0, due - time.monotonic())):
                    await self._work.wait()

    async def _execute(self, request: StoreRequest) -> None:
        try:
            found = await self._bounded(self._send(request), self._driver.request_timeout)
        except EntryChanged:
            self.reconciler.entry_changed(request, time.monotonic())
        except Refused as error:
            path = request.key.path(self._prefix)
            self._warn_once(request.key, f"cannot register {path}: {error}; will retry")
            self.reconciler.refused(request, time.monotonic())
        else:
            if not isinstance(request, Get):
                self._logged.pop(request.key, None)
            self.reconciler.done(request, found)
        self._interests.replace(*self.reconciler.interests)
        self._work.set()

    async def _send(self, request: StoreRequest) -> Found | None:
        match request:
            case Get(key):
                return await self._driver.get(key)
            case Put(key, value, expected):
                return await self._driver.put(key, value, expected, ephemeral=True)
            case Delete(key, found):
                await self._driver.delete(key, found)
                return None
            case _:
                assert_never(request)

    async def _bounded(self, request: Coroutine[Any, Any, T], time_limit: float | None) -> T:
        return await bounded(request, time_limit or self._session.request_timeout)

    def _notify(self) -> None:
        """Pass new states and snapshots to the listener, unless the session is being closed."""
        if self.closing.is_set():
            return
        for state, detail in self._session.events():
            self._state_changed.set()
            self._state_changed = asyncio.Event()
            self._listener.session(state, detail)
        if self._session.is_connected:
            self._notify_snapshots()

    def _notify_snapshots(self) -> None:
        if not self.closing.is_set():
            for directory, snapshot in self.reconciler.snapshots():
                self._listener.snapshot(directory, snapshot)

    def _warn_once(self, about: Key | str, text: str, bug: Exception | None = None) -> None:
        """Log a warning, unless it is the last one about the same key or server."""
        if self._logged.get(about) != text:
            self._logged[about] = text
            log.warning("%s: %s", self._driver.name, text, exc_info=bug)
