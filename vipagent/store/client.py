"""A session with a store as the agent sees it: runs a driver, its reconciler and its session on one loop."""

import asyncio
import logging
import random
import time
from collections.abc import Callable, Coroutine
from concurrent.futures import CancelledError
from contextlib import suppress
from typing import Any, ParamSpec, TypeVar, assert_never

from vipagent.store.backend import Backend, Listener, Snapshot, StoreConfigError, StoreError, StoreSettings
from vipagent.store.driver import (
    Disconnected,
    Driver,
    Found,
    Interests,
    Listing,
    Overtaken,
    Refused,
    SessionEnded,
)
from vipagent.store.layout import Directory, Key
from vipagent.store.loop import LoopThread
from vipagent.store.reconciler import Delete, Look, Put, Reconciler, Request
from vipagent.store.session import Session

CONCURRENT_REQUESTS = 32
CLOSING_MARGIN = 0.2
"""Seconds of `close`'s time, at most, that are left for the thread's end."""

log = logging.getLogger(__name__)

P = ParamSpec("P")
T = TypeVar("T")


class Client(Backend):
    """Keeps what the agent desires true in a store, by its driver.

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
        servers = self._driver.servers
        first = 0 if driver.in_order else random.randrange(len(servers))  # noqa: S311  no secret
        self._session = Session(servers, settings.session_timeout, first)
        self._reconciler = Reconciler(settings.node, settings.instance)
        self._loop = LoopThread(f"vipagent-{driver.name}")
        self._interests = Interests()
        self._work = asyncio.Event()
        """Set when there may be requests to make."""
        self._closing = asyncio.Event()
        self._changed = asyncio.Event()
        """Set, and replaced, when the session's state changes."""
        self._deadline = 0.0
        self._expiry: asyncio.TimerHandle | None = None
        self._reported: dict[Key | str, str] = {}

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
            await self._driver.put(key, value, await self._driver.look(key), ephemeral=False)

        self._command(f"writing {key.path(self.settings.prefix)}", write, timeout)

    def erase(self, key: Key, timeout: float) -> bool:
        """See `Backend.erase`."""

        async def erase() -> bool:
            found = await self._driver.look(key)
            if found is not None:
                await self._driver.delete(key, found)
            return found is not None

        return self._command(f"erasing {key.path(self.settings.prefix)}", erase, timeout)

    def version(self, timeout: float) -> str:
        """See `Backend.version`."""
        return self._command("asking for the version", self._driver.version, timeout)

    def close(self, timeout: float) -> None:
        """See `Backend.close`."""
        self._deadline = time.monotonic() + timeout
        self._loop.post(self._closing.set)
        self._loop.join(timeout)

    def _desire(self, note: Callable[P, None], *desired: P.args, **named: P.kwargs) -> None:
        self._loop.post(note, *desired, **named)
        self._loop.post(self._look_again)

    def _look_again(self) -> None:
        """Take notice that the agent desires something else than before."""
        self._interests.replace(self._reconciler.interests)
        self._work.set()
        self._tell()

    # Commands of operators.

    def _command(self, about: str, command: Callable[[], Coroutine[Any, Any, T]], timeout: float) -> T:
        """Carry out an operator's command on the loop.

        Raises:
            StoreError: it was refused, or not done within so many seconds.
        """
        try:
            return self._loop.run(lambda: self._insist(command, timeout), timeout + 1.0)
        except StoreError as error:
            raise StoreError(f"{self._driver.name}: {about}: {error}") from error
        except (CancelledError, TimeoutError):
            raise StoreError(
                f"{self._driver.name}: {about}: the session is not open, or was closed meanwhile"
            ) from None

    async def _insist(self, command: Callable[[], Coroutine[Any, Any, T]], within: float) -> T:
        """Try until it is done, on whatever server the session comes to."""
        try:
            async with asyncio.timeout(within):
                while True:
                    await self._served()
                    changed = self._changed
                    try:
                        return await command()
                    except Overtaken:
                        continue
                    except (Disconnected, SessionEnded):
                        await changed.wait()
        except (Refused, StoreConfigError) as error:
            raise StoreError(str(error)) from error
        except TimeoutError:
            cause = self._session.trouble or ", ".join(filter(None, self._driver.servers))
            raise StoreError(f"not done within {within:g} s: {cause}") from None

    async def _served(self) -> None:
        """Wait until the session is connected.

        Raises:
            Refused: no server lets us in.
        """
        while not self._session.is_serving:
            if self._session.is_refused:
                raise Refused(self._session.trouble)
            await self._changed.wait()

    # The session's life.

    async def _live(self) -> None:
        serving = asyncio.create_task(self._serve_in_turn())
        await self._closing.wait()
        serving.cancel()
        await asyncio.wait({serving})
        if self._expiry is not None:
            self._expiry.cancel()
        await self._end()

    async def _serve_in_turn(self) -> None:
        """Be served by one server after the other, for ever (L2)."""
        while not self._closing.is_set():  # a cancellation is lost when a task group fails meanwhile
            await asyncio.sleep(max(0.0, self._session.next_attempt - time.monotonic()))
            try:
                await self._serve()
            except SessionEnded as error:
                self._session.ended(time.monotonic(), str(error))
            except (Refused, StoreConfigError) as error:
                self._session.failed(time.monotonic(), str(error), refused=True)
            except Disconnected as error:
                self._session.failed(time.monotonic(), str(error))
            except Exception as error:  # noqa: BLE001  a driver is anybody's code
                cause = f"not understood: {type(error).__name__}: {error}"
                self._report(self._session.server, cause, error)
                self._session.failed(time.monotonic(), cause)
            self._reconciler.disconnected()
            self._tell()

    async def _serve(self) -> None:
        """Use one connection until its first fault.

        Raises:
            DriverError: the fault.
        """
        await self._bounded(self._driver.connect(self._session.server))
        await self._confirm()
        self._reconciler.connected()
        self._interests.replace(self._reconciler.interests)
        if not self._interests.names:
            self._serves()
        try:
            async with asyncio.TaskGroup() as tasks:
                tasks.create_task(self._driver.follow(self._interests, self._listed))
                tasks.create_task(self._keep_alive())
                tasks.create_task(self._reconcile(tasks))
        except ExceptionGroup as faults:
            raise faults.exceptions[0] from None

    async def _keep_alive(self) -> None:
        while True:
            await asyncio.sleep(max(0.0, self._session.next_keep_alive - time.monotonic()))
            if time.monotonic() >= self._session.expires:
                raise Disconnected(f"no keep-alive was confirmed for {self._session.life:g} s")
            await self._confirm()

    async def _confirm(self) -> None:
        asked = time.monotonic()
        self._session.confirmed(asked, await self._bounded(self._driver.keep_alive()))
        if self._expiry is not None:
            self._expiry.cancel()
        loop = asyncio.get_running_loop()
        self._expiry = loop.call_at(min(self._session.expires, loop.time() + 1e6), self._expired)

    def _expired(self) -> None:
        self._session.check(time.monotonic())
        self._tell()

    def _serves(self) -> None:
        self._session.serves()
        self._reported.pop(self._session.server, None)
        self._tell()

    def _listed(self, directory: Directory, listing: Listing) -> None:
        self._reconciler.listed(directory, listing)
        self._serves()
        self._work.set()

    async def _end(self) -> None:
        """End the session, on the first server that answers in time."""
        until = self._deadline - CLOSING_MARGIN
        servers = len(self._driver.servers)
        for place in range(servers):
            share = max(0.0, until - time.monotonic()) / (servers - place)
            try:
                async with asyncio.timeout(share):
                    if place:
                        await self._driver.connect(self._session.server)
                    await self._driver.close()
                return
            except TimeoutError:
                cause = f"no answer for {share:.1f} s"
            except Exception as error:  # noqa: BLE001  whatever it is, the agent ends
                cause = f"{type(error).__name__}: {error}"
            log.info("%s: %s: the session was not ended: %s", self._driver.name, self._session.server, cause)
            self._session.failed(time.monotonic(), cause)

    # What is desired.

    async def _reconcile(self, tasks: asyncio.TaskGroup) -> None:
        slots = asyncio.Semaphore(CONCURRENT_REQUESTS)
        while True:
            self._work.clear()
            for request in self._reconciler.requests(time.monotonic()):
                await slots.acquire()
                tasks.create_task(self._carry_out(request)).add_done_callback(lambda _: slots.release())
            due = self._reconciler.due
            with suppress(TimeoutError):
                async with asyncio.timeout(None if due is None else max(0.0, due - time.monotonic())):
                    await self._work.wait()

    async def _carry_out(self, request: Request) -> None:
        try:
            found = await self._bounded(self._requested(request))
        except Overtaken:
            self._reconciler.overtaken(request, time.monotonic())
        except Refused as error:
            self._report(request.key, f"{request.key.path(self.settings.prefix)}: {error}")
            self._reconciler.refused(request, time.monotonic())
        else:
            self._reported.pop(request.key, None)
            self._reconciler.done(request, found)
        self._interests.replace(self._reconciler.interests)
        self._work.set()

    async def _requested(self, request: Request) -> Found | None:
        match request:
            case Look(key):
                return await self._driver.look(key)
            case Put(key, value, instead):
                return await self._driver.put(key, value, instead, ephemeral=True)
            case Delete(key, found):
                await self._driver.delete(key, found)
                return None
            case _:
                assert_never(request)

    async def _bounded(self, request: Coroutine[Any, Any, T]) -> T:
        """Wait for an answer.

        Raises:
            Disconnected: it did not come in time.
        """
        timeout = self._session.request_timeout
        try:
            async with asyncio.timeout(timeout):
                return await request
        except TimeoutError:
            raise Disconnected(f"no answer for {timeout:.1f} s") from None

    # What the agent is told.

    def _tell(self) -> None:
        """Tell the agent what is new, unless it has closed the session."""
        if self._closing.is_set():
            return
        for state, detail in self._session.news():
            self._changed.set()
            self._changed = asyncio.Event()
            self.listener.session(state, detail)
        if self._session.is_serving:
            for directory, snapshot in self._reconciler.snapshots():
                self.listener.snapshot(directory, snapshot)

    def _report(self, about: Key | str, text: str, bug: Exception | None = None) -> None:
        """Log a fault once, until it is over."""
        if self._reported.get(about) != text:
            self._reported[about] = text
            log.warning("%s: %s", self._driver.name, text, exc_info=bug)
