"""The backend: the contract's calls, brought to the loop where session, watches and registrations live."""

import asyncio
import time
from collections.abc import Callable, Coroutine
from concurrent.futures import CancelledError
from functools import partial
from typing import Any, TypeVar

from vipagent.core.words import StoreState
from vipagent.store.access import parse_options
from vipagent.store.backend import Backend, Listener, Snapshot, StoreConfigError, StoreError, StoreSettings
from vipagent.store.layout import Directory, Key
from vipagent.store.loop import LoopThread
from vipagent_zookeeper.commands import Commands
from vipagent_zookeeper.link import Link
from vipagent_zookeeper.options import ZooKeeperOptions, check_prefix, parse_servers
from vipagent_zookeeper.registrations import Keeper, Registrations
from vipagent_zookeeper.session import Session
from vipagent_zookeeper.version import ask
from vipagent_zookeeper.watches import Follower, Watches
from vipagent_zookeeper.znodes import Znodes

GRACE = 0.6
"""The part of `close`'s time that the server has to answer; the rest is for parting without it."""

T = TypeVar("T")


class ZooKeeperBackend(Backend):
    """Keeps wishes true in ZooKeeper. See `vipagent.store.backend.Backend` for what each call promises."""

    def __init__(self, settings: StoreSettings, listener: Listener) -> None:
        super().__init__(settings, listener)
        self._hosts = parse_servers(settings.hosts)
        self._options = parse_options(ZooKeeperOptions, settings.options)
        check_prefix(settings.prefix)
        self._loop = LoopThread("vipagent-zookeeper")
        self._closing = asyncio.Event()
        self._deadline = 0.0
        self._session = Session(self._make_link, self._told)
        self._znodes = Znodes(self._session, settings, lambda path: self._loop.post(self._touched, path))
        self._watches = Watches(self._make_follower, self._path_of)
        self._registrations = Registrations(
            lambda path, done: Keeper(self._session, self._znodes, path, done)
        )
        self._commands = Commands(
            self._session, self._znodes, ", ".join(f"{name}:{port}" for name, port in self._hosts)
        )

    def open(self) -> None:
        """See `Backend.open`."""
        self._loop.start(self._live, lambda: self._session.close(self._deadline))

    def register(self, key: Key, value: bytes) -> None:
        """See `Backend.register`."""
        self._loop.post(self._registrations.want, key.path(self.settings.prefix), value)

    def deregister(self, key: Key) -> None:
        """See `Backend.deregister`."""
        self._loop.post(self._registrations.want, key.path(self.settings.prefix), None)

    def watch(self, directory: Directory, values: frozenset[str] | None = frozenset()) -> None:
        """See `Backend.watch`."""
        self._loop.post(self._watches.watch, directory, values)

    def unwatch(self, directory: Directory) -> None:
        """See `Backend.unwatch`."""
        self._loop.post(self._watches.unwatch, directory)

    def read(self, directory: Directory, timeout: float) -> Snapshot:
        """See `Backend.read`."""
        path = self._path_of(directory)
        return self._command(f"reading {path}", partial(self._commands.read, path), timeout)

    def write(self, key: Key, value: bytes, timeout: float) -> None:
        """See `Backend.write`."""
        path = key.path(self.settings.prefix)
        self._command(f"writing {path}", partial(self._commands.write, path, value), timeout)

    def erase(self, key: Key, timeout: float) -> bool:
        """See `Backend.erase`."""
        path = key.path(self.settings.prefix)
        return self._command(f"erasing {path}", partial(self._commands.erase, path), timeout)

    def version(self, timeout: float) -> str:
        """See `Backend.version`."""
        try:
            return ask(self._hosts, self._options.tls_context(), timeout)
        except (OSError, StoreConfigError) as error:
            raise StoreError(f"zookeeper: {error}") from error

    def close(self, timeout: float) -> None:
        """See `Backend.close`."""
        self._deadline = time.monotonic() + timeout
        self._loop.post(self._closing.set)
        if not self._loop.join(timeout * GRACE):
            self._session.cut()
            self._loop.join(max(0.0, self._deadline - time.monotonic()))

    async def _live(self) -> None:
        self._session.open()
        await self._closing.wait()

    def _command(self, about: str, command: Callable[[], Coroutine[Any, Any, T]], timeout: float) -> T:
        """Run an operator's command on the loop, and wait for it.

        Raises:
            StoreError: it failed, or was not done in time.
        """
        try:
            return self._loop.run(lambda: self._commands.bounded(about, command(), timeout), timeout + 1.0)
        except (CancelledError, TimeoutError):
            raise StoreError(
                f"zookeeper: {about}: the session is not open, or was closed meanwhile"
            ) from None

    def _make_link(self, session: Session) -> Link:
        return Link(self._hosts, self.settings.session_timeout, self._options, session, self._loop.post)

    def _make_follower(self, directory: Directory) -> Follower:
        path = self._path_of(directory)
        return Follower(self._session, self._znodes, directory, path, self.listener.snapshot)

    def _path_of(self, directory: Directory) -> str:
        return directory.path(self.settings.prefix)

    def _told(self, state: StoreState, detail: str) -> None:
        self.listener.session(state, detail)
        if state == StoreState.CONNECTED:
            self._watches.reconnected()
            self._registrations.reconnected()

    def _touched(self, path: str) -> None:
        self._watches.touched(path)
        self._registrations.touched(path)
