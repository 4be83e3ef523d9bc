"""Runs a driver on a loop: connects, follows, and makes the store as the agent desires it."""

import asyncio
import logging
import random
import time
from collections.abc import Callable, Coroutine
from contextlib import suppress
from typing import Any, TypeVar, assert_never

from vipagent.store.backend import Listener, StoreConfigError, StoreError, StoreSettings
from vipagent.store.bounds import answered, unending
from vipagent.store.driver import (
    Disconnected,
    Driver,
    DriverError,
    Found,
    Interests,
    Listing,
    EntryChanged,
    Refused,
    SessionEnded,
)
from vipagent.store.layout import Directory, Key
from vipagent.store.reconciler import Reconciler
from vipagent.store.registration import Delete, Get, Put, Request
from vipagent.store.session import Session
from vipagent.store.tasks import Tasks

CONCURRENT_REQUESTS = 32
COMMAND_RETRY = 0.1
"""Seconds until an operator's command is tried again after its connection was lost."""
MAX_TIMER = 1e6
"""Seconds: a loop's timer takes no more than its clock can count, and a session may live for ever."""

log = logging.getLogger(__name__)

T = TypeVar("T")


class Serving:
    """One session with a store, over all its connections. Lives on one loop.

    Args:
        driver: the store's.
        settings: who we are, and how long a session shall live.
        listener: told the session's state, and what is watched.
    """

    def __init__(self, driver: Driver, settings: StoreSettings, listener: Listener) -> None:
        first = 0 if driver.in_order else random.randrange(len(driver.servers))  # noqa: S311  no secret
        self.reconciler = Reconciler(settings.node, settings.instance)
        self.closing = asyncio.Event()
        """To be set when it shall end."""
        self._driver = driver
        self._prefix = settings.prefix
        self._listener = listener
        self._session = Session(driver.servers, settings.session_timeout, first, driver.keep_alives_per_session)
        self._interests = Interests()
        self._is_looking = False
        self._work = asyncio.Event()
        """Set when there may be requests to make."""
        self._changed = asyncio.Event()
        """Set, and replaced, when the session's state changes."""
        self._tried: str | None = None
        """The server that the driver was told to connect to last."""
        self._expiry: asyncio.TimerHandle | None = None
        self._reported: dict[Key | str, str] = {}

    async def run(self) -> None:
        """Connect, and go on until `closing` is set."""
        serving = asyncio.create_task(self._serve_in_turn())
        await self.closing.wait()
        serving.cancel()
        await asyncio.wait({serving})
        if self._expiry is not None:
            self._expiry.cancel()

    def look_again(self) -> None:
        """Take notice that the agent desires something else than before; once, for what it says at once."""
        if not self._is_looking:
            self._is_looking = True
            asyncio.get_running_loop().call_soon(self._look)

    def _look(self) -> None:
        self._is_looking = False
        self._interests.replace(*self.reconciler.interests)
        self._work.set()
        self._tell()

    async def insist(self, command: Callable[[], Coroutine[Any, Any, T]], within: float) -> T:
        """Carry out an operator's command, on whatever server the session comes to.

        Raises:
            StoreError: it was refused, or not done within so many seconds.
        """
        try:
            async with asyncio.timeout(within):
                while True:
                    await self._served()
                    with suppress(EntryChanged):
                        return await self._attempt(command)
        except (Refused, StoreConfigError) as error:
            server = f"{self._session.server}: " if self._session.server else ""
            raise StoreError(f"{server}{error}") from error
        except TimeoutError:
            cause = self._session.trouble or ", ".join(filter(None, self._driver.servers))
            raise StoreError(f"not done within {within:g} s: {cause}") from None
        except (DriverError, StoreError):
            raise
        except Exception as error:  # a driver is anybody's code
            raise StoreError(f"not understood: {type(error).__name__}: {error}") from error

    async def _attempt(self, command: Callable[[], Coroutine[Any, Any, T]]) -> T:
        """Carry out a command, unless the connection is lost meanwhile.

        Raises:
            EntryChanged: it is to be tried again.
        """
        running = asyncio.ensure_future(command())
        losing = asyncio.ensure_future(self._changed.wait())
        try:
            await asyncio.wait({running, losing}, return_when=asyncio.FIRST_COMPLETED)
            if running.done():
                return running.result()
        except (Disconnected, SessionEnded):
            await asyncio.sleep(COMMAND_RETRY)  # the session may be well all the same
        finally:
            running.cancel()
            losing.cancel()
        raise EntryChanged("the connection was lost")

    async def end(self, within: float) -> None:
        """End the session, on the first server that answers within so many seconds."""
        until = time.monotonic() + within
        servers = len(self._driver.servers)
        for place in range(servers):
            share = max(0.0, until - time.monotonic()) / (servers - place)
            try:
                async with asyncio.timeout(share):
                    if self._tried not in {None, self._session.server}:
                        await self._driver.connect(self._session.server)
                    await self._driver.close()
                return
            except TimeoutError:
                cause = f"no answer for {share:.1f} s"
            except Exception as error:  # noqa: BLE001  whatever it is, the agent ends
                cause = f"{type(error).__name__}: {error}"
            log.info("%s: %s: the session was not ended: %s", self._driver.name, self._session.server, cause)
            self._tried = self._session.server
            self._session.failed(time.monotonic(), cause)

    async def _served(self) -> None:
        """Wait until the session is connected.

        Raises:
            StoreError: no server lets us in.
        """
        while not self._session.is_serving:
            if self._session.is_refused:
                raise StoreError(self._session.trouble)
            await self._changed.wait()

    async def _serve_in_turn(self) -> None:
        """Be served by one server after the other, for ever (L2)."""
        while not self.closing.is_set():  # a cancellation is lost when a task group fails meanwhile
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
                server = self._session.server
                self._report(server, f"{server}: {cause}" if server else cause, error)
                self._session.failed(time.monotonic(), cause)
            self.reconciler.disconnected()
            self._tell()

    async def _serve(self) -> None:
        """Use one connection until its first fault.

        Raises:
            DriverError: the fault.
        """
        self._tried = self._session.server
        await self._bounded(self._driver.connect(self._tried), self._driver.request_timeout)
        await self._confirm(self._driver.request_timeout)
        self.reconciler.connected()
        self._interests.replace(*self.reconciler.interests)
        if not self._interests.names:
            self._serves()
        async with Tasks() as tasks:
            tasks.create_task(unending(self._driver.follow(self._interests, self._listed)))
            tasks.create_task(self._keep_alive())
            tasks.create_task(self._reconcile(tasks))

    async def _keep_alive(self) -> None:
        while True:
            await asyncio.sleep(max(0.0, self._session.next_keep_alive - time.monotonic()))
            if time.monotonic() >= self._session.expires:
                raise Disconnected(f"no keep-alive was confirmed for {self._session.life:g} s")
            await self._confirm()

    async def _confirm(self, within: float | None = None) -> None:
        asked = time.monotonic()
        self._session.confirmed(asked, await self._bounded(self._driver.keep_alive(), within))
        if self._expiry is not None:
            self._expiry.cancel()
        loop = asyncio.get_running_loop()
        self._expiry = loop.call_at(min(self._session.expires, loop.time() + MAX_TIMER), self._expired)

    def _expired(self) -> None:
        self._session.check(time.monotonic())
        self._tell()

    def _serves(self) -> None:
        self._session.serves()
        self._reported.pop(self._session.server, None)
        self._tell()

    def _listed(self, directory: Directory, listing: Listing | None) -> None:
        if listing is not None:
            self.reconciler.listed(directory, listing)
        if self._session.is_serving:
            self._tell_snapshots()
        else:
            self._serves()
        if self.reconciler.has_pending:
            self._work.set()

    async def _reconcile(self, tasks: asyncio.TaskGroup) -> None:
        slots = asyncio.Semaphore(CONCURRENT_REQUESTS)
        while True:
            self._work.clear()
            for request in self.reconciler.requests(time.monotonic()):
                await slots.acquire()
                tasks.create_task(self._carry_out(request)).add_done_callback(lambda _: slots.release())
            due = self.reconciler.due
            with suppress(TimeoutError):
                async with asyncio.timeout(None if due is None else max(0.0, due - time.monotonic())):
                    await self._work.wait()

    async def _carry_out(self, request: Request) -> None:
        try:
            found = await self._bounded(self._requested(request), self._driver.request_timeout)
        except EntryChanged:
            self.reconciler.overtaken(request, time.monotonic())
        except Refused as error:
            self._report(
                request.key, f"registering {request.key.path(self._prefix)}: {error}; will try again"
            )
            self.reconciler.refused(request, time.monotonic())
        else:
            if not isinstance(request, Get):
                self._reported.pop(request.key, None)
            self.reconciler.done(request, found)
        self._interests.replace(*self.reconciler.interests)
        self._work.set()

    async def _requested(self, request: Request) -> Found | None:
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

    async def _bounded(self, request: Coroutine[Any, Any, T], within: float | None = None) -> T:
        return await answered(request, within or self._session.request_timeout)

    def _tell(self) -> None:
        """Tell the agent what is new, unless it has closed the session."""
        if self.closing.is_set():
            return
        for state, detail in self._session.news():
            self._changed.set()
            self._changed = asyncio.Event()
            self._listener.session(state, detail)
        if self._session.is_serving:
            self._tell_snapshots()

    def _tell_snapshots(self) -> None:
        if not self.closing.is_set():
            for directory, snapshot in self.reconciler.snapshots():
                self._listener.snapshot(directory, snapshot)

    def _report(self, about: Key | str, text: str, bug: Exception | None = None) -> None:
        """Log a fault once, until it is over."""
        if self._reported.get(about) != text:
            self._reported[about] = text
            log.warning("%s: %s", self._driver.name, text, exc_info=bug)
