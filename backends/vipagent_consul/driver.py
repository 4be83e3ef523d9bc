"""The driver: entries are keys of Consul's, locked by a session that ends with its agent."""

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
from vipagent_consul.client import Client, Entry
from vipagent_consul.http import Channel
from vipagent_consul.options import ConsulOptions, check_prefix, parse_endpoints
from vipagent_consul.session import SessionKind

MAX_SESSIONS = 100
"""Earlier sessions that are known as ours, the last ones."""


class ConsulDriver(Driver):
    """Consul, by any of its agents.

    A session belongs to the Consul agent that it was made at (its home): there its check is passed. At
    another one a new session takes the entries over, one by one; the earlier one is ended once it holds none.
    """

    name = "consul"
    api_version = 2
    in_order = True
    request_timeout = 5.0
    """A session is begun by several calls, and requests share a few connections."""

    def __init__(self, settings: StoreSettings) -> None:
        super().__init__(settings)
        check_prefix(settings.prefix)
        self._options = parse_options(ConsulOptions, settings.options)
        self._endpoints = {str(endpoint): endpoint for endpoint in parse_endpoints(settings.hosts)}
        self.servers = tuple(self._endpoints)
        self._kind = SessionKind(settings, self._options)
        self._server = ""
        self._connection: Client | None = None
        self._session = ""
        self._home = ""
        self._version = ""
        self._is_confirmed = False
        """Whether the session was confirmed on this connection."""
        self._earlier: deque[str] = deque(maxlen=MAX_SESSIONS)
        self._unended: set[str] = set()
        """Earlier sessions that are still to be ended."""
        self._held: dict[Key, set[str]] = {}
        """With which session an entry of ours was made; several, while it is not known."""
        self._vigil: asyncio.Task[None] | None = None
        """Keeps the check passing at a home that was left."""

    async def connect(self, server: str) -> None:
        """See `Driver.connect`. Nothing is sent yet: the first sign of life tells whether we are let in."""
        self._leave_for(server)
        endpoint, timeout = self._endpoints[server], request_timeout(self._kind.life)
        try:
            channel = Channel(endpoint, self._options.token(), self._options.tls_context(), timeout)
        except (OSError, StoreConfigError) as error:  # ssl.SSLError is an OSError
            raise Refused(f"it is not asked: {error}") from None
        self._server, self._connection = server, Client(endpoint, channel)

    async def keep_alive(self) -> SessionInfo:
        """See `Driver.keep_alive`."""
        if not await self._renew():
            if self._is_confirmed:
                raise SessionEnded("Consul has ended the session")
            await self._begin()
        self._version = self._version or await self._client.version()
        self._is_confirmed = True
        await self._end_earlier()
        return SessionInfo(
            self._kind.life, f"{self._server}: Consul {self._version}; {self._kind.describe()}"
        )

    async def follow(self, interests: Interests, on_listing: OnListing) -> Never:
        """See `Driver.follow`."""
        follower = queries.Follower(self._list, self._check_readable, on_listing)
        await follower.run(interests)

    async def get(self, key: Key) -> Found | None:
        """See `Driver.look`."""
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
        said = base64.b64encode(value).decode()
        if not ephemeral:
            index = expected.version if expected is not None else 0
            step = {"Verb": "cas", "Index": index, "Value": said}
            return Found(value, await self._client.transact(self._path(key), step))
        session = self._session
        self._held.setdefault(key, set()).add(session)
        free = (
            {"Verb": "check-not-exists"}
            if expected is None
            else {"Verb": "delete-cas", "Index": expected.version}
        )
        lock = {"Verb": "lock", "Value": said, "Session": session}
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
                    await self._kind.tidy(self._connection)
        finally:
            self._end_vigil()
            self._disconnect()

    @property
    def _client(self) -> Client:
        """The connection.

        Raises:
            Disconnected: there is none.
        """
        if self._connection is None:
            raise Disconnected("not connected")
        return self._connection

    def _leave_for(self, server: str) -> None:
        """Close the connection; keep the check passing until the session's entries are another one's."""
        if server == self._home:
            self._end_vigil()
        elif self._connection is not None and self._session and self._home == self._server:
            self._end_vigil()
            self._vigil = asyncio.create_task(self._kind.keep_passing(self._connection))
            self._vigil.add_done_callback(partial(_close, self._connection))
            self._connection = None
        self._disconnect()

    def _end_vigil(self) -> None:
        if self._vigil is not None:
            self._vigil.cancel()
            self._vigil = None

    def _disconnect(self) -> None:
        if self._connection is not None:
            self._connection.close()
        self._connection, self._is_confirmed = None, False

    async def _renew(self) -> bool:
        """Give a sign of life; return whether the session lives, and this Consul agent is its home."""
        if not self._session or self._home != self._server:
            return False
        return await self._kind.renew(self._client, self._session)

    async def _begin(self) -> None:
        """Begin a session; entries of the one before are still held by that."""
        if self._session:
            self._earlier.append(self._session)
            self._unended.add(self._session)
        self._session, self._home, self._version = "", self._server, ""
        self._session = await self._kind.create(self._client)

    async def _end_earlier(self) -> None:
        """End the earlier sessions that hold nothing any more; what fails is tried again later."""
        for session in self._unended.difference(*self._held.values()):
            with suppress(DriverError):
                await self._client.destroy_session(session)
                self._unended.discard(session)
        if not self._unended:
            self._end_vigil()

    async def _list(
        self, span: queries.Span, index: int = 0, wait: float = 0, patience: float | None = None
    ) -> tuple[int, dict[str, Found]]:
        path = (
            self._path(span) if isinstance(span, Directory) else f"{self.settings.prefix}/{span}".strip("/")
        )
        at, entries = await self._client.entries(path, index, wait, patience)
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


def _close(connection: Client, _: object) -> None:
    connection.close()
