"""The backend: the contract's calls, brought to the loop where the session lives."""

import asyncio
import time
from collections.abc import Awaitable, Callable
from concurrent.futures import CancelledError
from typing import TypeVar

from redis.exceptions import RedisError

from vipagent.store.access import parse_options
from vipagent.store.backend import Backend, Listener, Snapshot, StoreConfigError, StoreError, StoreSettings
from vipagent.store.layout import Directory, Key
from vipagent.store.loop import LoopThread
from vipagent_redis.entries import Entries
from vipagent_redis.server import RedisOptions, Server
from vipagent_redis.session import Session

MARGIN = 0.3
"""Seconds of `close`'s time that are left for the thread's end."""

T = TypeVar("T")


class RedisBackend(Backend):
    """Keeps wishes true in Redis. See `vipagent.store.backend.Backend` for what each call promises."""

    def __init__(self, settings: StoreSettings, listener: Listener) -> None:
        super().__init__(settings, listener)
        self._server = Server(settings, parse_options(RedisOptions, settings.options))
        self._session = Session(self._server, settings, listener)
        self._loop = LoopThread("vipagent-redis")
        self._closing = asyncio.Event()
        self._deadline = 0.0

    def open(self) -> None:
        """See `Backend.open`."""
        self._loop.start(self._live)

    def register(self, key: Key, value: bytes) -> None:
        """See `Backend.register`."""
        self._loop.post(self._session.wishes.want, key, value)

    def deregister(self, key: Key) -> None:
        """See `Backend.deregister`."""
        self._loop.post(self._session.wishes.drop, key)

    def watch(self, directory: Directory, values: frozenset[str] | None = frozenset()) -> None:
        """See `Backend.watch`; all values are handed over, so `values` is not needed."""
        self._loop.post(self._session.wishes.watch, directory)

    def unwatch(self, directory: Directory) -> None:
        """See `Backend.unwatch`."""
        self._loop.post(self._session.wishes.unwatch, directory)

    def read(self, directory: Directory, timeout: float) -> Snapshot:
        """See `Backend.read`."""
        return self._command(lambda entries: entries.list(directory), timeout)

    def write(self, key: Key, value: bytes, timeout: float) -> None:
        """See `Backend.write`."""
        self._command(lambda entries: entries.write(key, value), timeout)

    def erase(self, key: Key, timeout: float) -> bool:
        """See `Backend.erase`."""
        return self._command(lambda entries: entries.erase(key), timeout)

    def close(self, timeout: float) -> None:
        """See `Backend.close`."""
        self._deadline = time.monotonic() + timeout - MARGIN
        self._loop.post(self._closing.set)
        self._loop.join(timeout)

    async def _live(self) -> None:
        living = asyncio.create_task(self._session.run())
        await self._closing.wait()
        living.cancel()
        await asyncio.wait({living}, timeout=self._time_left())
        await self._session.end(self._time_left())

    def _time_left(self) -> float:
        return max(0.0, self._deadline - time.monotonic())

    def _command(self, request: Callable[[Entries], Awaitable[T]], timeout: float) -> T:
        """Carry out an operator's command on a connection of its own.

        Raises:
            StoreError: it failed, or was not done in time.
        """

        async def carry_out() -> T:
            async with asyncio.timeout(timeout), self._server.client(timeout) as redis:
                return await request(Entries(redis, self.settings))

        try:
            return self._loop.run(carry_out, timeout + MARGIN)
        except (RedisError, OSError, StoreConfigError) as error:
            raise StoreError(self._server.in_words(error)) from error
        except CancelledError:
            raise StoreError(f"{self._server.address}: the session is not open") from None
