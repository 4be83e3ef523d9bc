"""The driver: entries are keys locked by the agent's session."""

import asyncio
import base64
from collections import deque
from contextlib import suppress
from functools import partial
from typing import Never

from vipagent.store.access import parse_options
from vipagent.store.backend import MAX_VALUE, StoreConfigError, StoreSettings
from vipagent.store.driver import (
    Disconnected,
    Driver,
    DriverError,
    Found,
    Holder,
    Interests,
    Listing,
    OnListing,
    Refused,
    SessionEnded,
    SessionInfo,
)
from vipagent.store.layout import Directory, Key
from vipagent.store.session import request_timeout
from vipagent_consul import queries
from vipagent_consul.client import ConsulClient, Entry
from vipagent_consul.http import ConsulTransport
from vipagent_consul.options import ConsulOptions, check_prefix, parse_endpoints
from vipagent_consul.session import SessionKind

MAX_SESSIONS = 100
"""Number of previous sessions whose entries are recognized as our own."""


class ConsulDriver(Driver):
    """Consul, through any of its agents.

    A session belongs to the Consul agent that created it (its home), where its check is passed. After a
    failover, a new session takes over the entries one by one; the previous one is ended when it holds none.
    """

    name = "consul"
    api_version = 2
    in_order = True
    request_timeout = 5.0
    """Creating a session takes several calls, and requests share a few connections."""

    def __init__(self, settings: StoreSettings) -> None:
        super().__init__(settings)
        check_prefix(settings.prefix)
        self._options = parse_options(ConsulOptions, settings.options)
        self._endpoints = {str(endpoint): endpoint for endpoint in parse_endpoints(settings.hosts)}
        self.servers = tuple(self._endpoints)
        self._kind = SessionKind(settings, self._options)
        self._server = ""
        self._connection: ConsulClient | None = None
        self._session = ""
        self._home = ""
        self._version = ""
        self._is_confirmed = False
        """Whether the session was confirmed through this connection."""
        self._earlier: deque[str] = deque(maxlen=MAX_SESSIONS)
        self._unended: set[str] = set()
        """Previous sessions that must be ended."""
        self._held: dict[Key, set[str]] = {}
        """Sessions that may hold each of our entries; more than one after lost replies."""
        self._vigil: asyncio.Task[None] | None = None
        """Keeps the check passing at the previous home."""

    async def connect(self, server: str) -> None:
        """See `Driver.connect`. Sends no request: the first `keep_alive` verifies the connection."""
        self._move_to(server)
        endpoint, timeout = self._endpoints[server], request_timeout(self._kind.timeout)
        try:
            channel = ConsulTransport(endpoint, self._options.token(), self._options.tls_context(), timeout)
        except (OSError, StoreConfigError) as error:  # ssl.SSLError is an OSError
            raise Refused(f"cannot load the credentials: {error}") from None
        self._server, self._connection = server, ConsulClient(endpoint, channel)

    async def keep_alive(self) -> SessionInfo:
        """See `Driver.keep_alive`."""
        if not await self._renew():
            if self._is_confirmed:
                raise SessionEnded("Consul has ended the session")
            await self._begin_session()
        self._version = self._version or await self._client.version()
        self._is_confirmed = True
        await self._end_earlier()
        return SessionInfo(
            self._kind.timeout, f"{self._server}: Consul {self._version}; {self._kind.describe()}"
        )

    async def follow(self, interests: Interests, on_listing: OnListing) -> Never:
        """See `Driver.follow`."""
        follower = queries.ConsulFollower(self._list, self._check_readable, on_listing)
        await follower.run(interests)

    async def get(self, key: Key) -> Found | None:
        """See `Driver.get`."""
        entry = await self._client.entry(self._path(key))
        return None if entry is None else self._found(entry)

    async def read(self, directory: Directory) -> Listing:
        """See `Driver.read`."""
        _, below = await self._list(directory)
        listing = queries.split(directory, frozenset({directory}), below)[directory]
        if not listing:
            await self._check_readable(directory)
        return listing

    async def put(self, key: Key, value: bytes, expected: Found | None, *, ephemeral: bool) -> Found:
        """See `Driver.put`."""
        encoded = base64.b64encode(value).decode()
        if not ephemeral:
            index = expected.version if expected is not None else 0
            step = {"Verb": "cas", "Index": index, "Value": encoded}
            return Found(value, await self._client.transact(self._path(key), step))
        session = self._session
        self._held.setdefault(key, set()).add(session)
        free = (
            {"Verb": "check-not-exists"}
            if expected is None
            else {"Verb": "delete-cas", "Index": expected.version}
        )
        lock = {"Verb": "lock", "Value": encoded, "Session": session}
        index = await self._client.transact(self._path(key), free, lock)
        self._held[key] = {session}
        await self._end_earlier()
        return Found(value, index, Holder.OURS)

    async def delete(self, key: Key, found: Found) -> None:
        """See `Driver.delete`."""
        await self._client.transact(self._path(key), {"Verb": "delete-cas", "Index": found.version})
        self._held.pop(key, None)

    async def close(self) -> None:
        """See `Driver.close`."""
        try:
            if self._connection is not None:
                for session in filter(None, (self._session, *self._unended)):
                    await self._connection.destroy_session(session)
                if self._home == self._server:
                    await self._kind.clean_up(self._connection)
        finally:
            self._stop_keepalive()
            self._disconnect()

    @property
    def _client(self) -> ConsulClient:
        """The current connection.

        Raises:
            Disconnected: there is none.
        """
        if self._connection is None:
            raise Disconnected("not connected")
        return self._connection

    def _move_to(self, server: str) -> None:
        """Close the connection; keep the check passing until a new session holds the entries."""
        if server == self._home:
            self._stop_keepalive()
        elif self._connection is not None and self._session and self._home == self._server:
            self._stop_keepalive()
            self._vigil = asyncio.create_task(self._kind.keep_check_passing(self._connection))
            self._vigil.add_done_callback(partial(_close, self._connection))
            self._connection = None
        self._disconnect()

    def _stop_keepalive(self) -> None:
        if self._vigil is not None:
            self._vigil.cancel()
            self._vigil = None

    def _disconnect(self) -> None:
        if self._connection is not None:
            self._connection.close()
        self._connection, self._is_confirmed = None, False

    async def _renew(self) -> bool:
        """Renew the session; return whether it exists, and this Consul agent is its home."""
        if not self._session or self._home != self._server:
            return False
        return await self._kind.renew(self._client, self._session)

    async def _begin_session(self) -> None:
        """Create a session; the previous one still holds its entries."""
        if self._session:
            self._earlier.append(self._session)
            self._unended.add(self._session)
        self._session, self._home, self._version = "", self._server, ""
        self._session = await self._kind.create(self._client)

    async def _end_earlier(self) -> None:
        """End previous sessions without entries; failures are retried later."""
        for session in self._unended.difference(*self._held.values()):
            with suppress(DriverError):
                await self._client.destroy_session(session)
                self._unended.discard(session)
        if not self._unended:
            self._stop_keepalive()

    async def _list(
        self, span: queries.Span, index: int = 0, wait: float = 0, within: float | None = None
    ) -> tuple[int, dict[str, Found]]:
        path = (
            self._path(span) if isinstance(span, Directory) else f"{self.settings.prefix}/{span}".strip("/")
        )
        at, entries = await self._client.entries(path, index, wait, within)
        return at, {name: self._found(entry) for name, entry in entries.items()}

    async def _check_readable(self, directory: Directory) -> None:
        await self._client.check_readable(self._path(directory))

    def _found(self, entry: Entry) -> Found:
        return Found((entry["Value"] or b"")[:MAX_VALUE], entry["ModifyIndex"], self._holder(entry))

    def _holder(self, entry: Entry) -> Holder:
        session = entry.get("Session", "")
        if session and session == self._session:
            return Holder.OURS
        return Holder.EARLIER if session in self._earlier else Holder.OTHER

    def _path(self, place: Directory | Key) -> str:
        return place.path(self.settings.prefix).strip("/")


def _close(connection: ConsulClient, _: object) -> None:
    connection.close()
