"""The backend: the contract's calls, brought to the loop where session, watches and registrations live."""

import time
from collections.abc import Awaitable, Callable
from concurrent.futures import CancelledError
from typing import TypeVar

from vipagent.store.access import parse_options
from vipagent.store.backend import Backend, Listener, Snapshot, StoreError, StoreSettings
from vipagent.store.layout import Directory, Key
from vipagent.store.loop import LoopThread
from vipagent_etcd import keyvalues
from vipagent_etcd.commands import command
from vipagent_etcd.gateway import Access, Gateway
from vipagent_etcd.keyvalues import Span
from vipagent_etcd.login import Login
from vipagent_etcd.options import EtcdOptions, check_prefix, parse_servers
from vipagent_etcd.session import Session
from vipagent_etcd.watches import Watched

MARGIN = 0.2
"""Seconds of `close`'s time, at most, that are left for the thread's end."""

T = TypeVar("T")


class EtcdBackend(Backend):
    """Keeps wishes true in etcd. See `vipagent.store.backend.Backend` for what each call promises."""

    def __init__(self, settings: StoreSettings, listener: Listener) -> None:
        super().__init__(settings, listener)
        options = parse_options(EtcdOptions, settings.options)
        check_prefix(settings.prefix)
        self._access = Access(options, Login(options))
        self._session = Session(parse_servers(settings.hosts), self._access, settings, listener)
        self._loop = LoopThread("vipagent-etcd")
        self._deadline = 0.0

    def open(self) -> None:
        """See `Backend.open`."""
        self._loop.start(self._live)

    def register(self, key: Key, value: bytes) -> None:
        """See `Backend.register`."""
        self._wish(self._session.registrations.want, key.path(self._prefix), value)

    def deregister(self, key: Key) -> None:
        """See `Backend.deregister`."""
        self._wish(self._session.registrations.drop, key.path(self._prefix))

    def watch(self, directory: Directory, values: frozenset[str] | None = frozenset()) -> None:
        """See `Backend.watch`."""
        self._wish(self._session.watches.watch, directory.path(self._prefix), directory, values)

    def unwatch(self, directory: Directory) -> None:
        """See `Backend.unwatch`."""
        self._wish(self._session.watches.unwatch, directory.path(self._prefix))

    def read(self, directory: Directory, timeout: float) -> Snapshot:
        """See `Backend.read`."""
        path = directory.path(self._prefix)
        watched = Watched(directory, Span.below(path), None)

        async def request(gateway: Gateway) -> Snapshot:
            answer = await gateway.ask("/v3/kv/range", watched.span.fields())
            watched.list(keyvalues.key_values(answer), keyvalues.revision(answer))
            return watched.snapshot(self._session.registrations.claim)

        return self._command(f"reading {path}", request, timeout)

    def write(self, key: Key, value: bytes, timeout: float) -> None:
        """See `Backend.write`."""
        path = key.path(self._prefix)
        put = {**Span(path).fields(), "value": keyvalues.encode(value)}

        async def request(gateway: Gateway) -> None:
            await gateway.ask("/v3/kv/put", put)

        self._command(f"writing {path}", request, timeout)

    def erase(self, key: Key, timeout: float) -> bool:
        """See `Backend.erase`."""
        path = key.path(self._prefix)

        async def request(gateway: Gateway) -> bool:
            answer = await gateway.ask("/v3/kv/deleterange", Span(path).fields())
            return int(answer.get("deleted", 0)) > 0

        return self._command(f"erasing {path}", request, timeout)

    def close(self, timeout: float) -> None:
        """See `Backend.close`."""
        self._deadline = time.monotonic() + timeout
        self._loop.post(self._session.closing.set)
        self._loop.join(timeout)

    @property
    def _prefix(self) -> str:
        return self.settings.prefix

    def _wish(self, note: Callable[..., None], *wish: object) -> None:
        """Note a wish on the loop, and see whether the watch has to cover more than before."""
        self._loop.post(note, *wish)
        self._loop.post(self._session.look_again)

    def _command(self, about: str, request: Callable[[Gateway], Awaitable[T]], timeout: float) -> T:
        """Carry out an operator's command.

        Raises:
            StoreError: it failed, or was not done in time.
        """
        try:
            return self._loop.run(
                lambda: command(self._session.servers, self._access, timeout, request), timeout + 1.0
            )
        except StoreError as error:
            raise StoreError(f"etcd: {about}: {error}") from error
        except (CancelledError, TimeoutError):
            raise StoreError(f"etcd: {about}: the session is not open, or was closed meanwhile") from None

    async def _live(self) -> None:
        await self._session.run()
        await self._session.end(max(0.0, self._deadline - time.monotonic() - MARGIN))
