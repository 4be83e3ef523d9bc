"""The driver: entries are keys with a lease, in etcd's JSON gateway."""

import math
from collections import deque
from typing import Never

from vipagent.store.access import parse_options
from vipagent.store.backend import StoreSettings
from vipagent.store.driver import (
    Driver,
    EntryChanged,
    Found,
    Holder,
    Interests,
    Listing,
    OnListing,
    SessionEnded,
    SessionInfo,
)
from vipagent.store.layout import Directory, Key
from vipagent.store.session import request_timeout
from vipagent_etcd import keyvalues
from vipagent_etcd.errors import UNKNOWN_LEASE, Refused, Unreachable
from vipagent_etcd.follower import Follower
from vipagent_etcd.gateway import STATUS, Access, Gateway
from vipagent_etcd.keyvalues import KeyValue, Message, Span
from vipagent_etcd.listing import Following
from vipagent_etcd.login import Login
from vipagent_etcd.options import EtcdOptions, check_prefix, parse_servers

REMEMBERED = 100
"""Leases whose entries are known as ours."""


class EtcdDriver(Driver):
    """One lease on etcd, over any of its servers.

    The lease is kept alive with any token, even an invalid one, as etcd allows: a queue of logins ends no
    lease. A new lease, and all else, waits for a login where a user is set.
    """

    name = "etcd"
    api_version = 2
    request_timeout = 5.0
    """A login waits for its turn after those of other agents; then another server is asked for one, too."""

    def __init__(self, settings: StoreSettings) -> None:
        super().__init__(settings)
        options = parse_options(EtcdOptions, settings.options)
        check_prefix(settings.prefix)
        self._endpoints = {str(server): server for server in parse_servers(settings.hosts)}
        self.servers = tuple(self._endpoints)
        self._access = Access(options, Login(options))
        self._asked = max(1, math.ceil(settings.session_timeout))
        self._patience = request_timeout(self._asked)
        self._gateway: Gateway | None = None
        self._leases: deque[int] = deque(maxlen=REMEMBERED)
        self._lease = 0
        self._detail = ""
        self._follower: Follower | None = None

    async def connect(self, server: str) -> None:
        """See `Driver.connect`; a lease that may live is kept alive first, so the login comes later then."""
        self._disconnect()
        self._gateway = Gateway(self._endpoints[server], self._access, self._patience)
        if not self._lease:
            await self._gateway.log_in()
        self._detail = f"{server}: etcd {await self._version(self._gateway)}"

    async def keep_alive(self) -> SessionInfo:
        """See `Driver.keep_alive`."""
        if self._lease and (life := await self._prolong()):
            return self._alive(life)
        if self._follower is not None:
            raise SessionEnded("the lease has run out")
        answer = await self._ask("/v3/lease/grant", {"TTL": str(self._asked)})
        self._lease = int(answer["ID"])
        self._leases.append(self._lease)
        return self._alive(int(answer["TTL"]))

    async def follow(self, interests: Interests, on_listing: OnListing) -> Never:
        """See `Driver.follow`."""
        self._follower = Follower(self._connected, self._path, self._found, interests, on_listing)
        try:
            await self._follower.run()
        finally:
            self._follower = None

    async def get(self, key: Key) -> Found | None:
        """See `Driver.look`."""
        answer = await self._ask("/v3/kv/range", Span(self._path(key)).fields())
        return next(map(self._found, keyvalues.key_values(answer)), None)

    async def read(self, directory: Directory) -> Listing:
        """See `Driver.read`."""
        following = Following(directory, self._path(directory), None, self._found)
        answer = await self._ask("/v3/kv/range", following.span.fields())
        following.list(keyvalues.key_values(answer), keyvalues.revision(answer))
        return following.entries

    async def put(self, key: Key, value: bytes, expected: Found | None, *, ephemeral: bool) -> Found:
        """See `Driver.put`."""
        if ephemeral and not self._lease:
            raise SessionEnded("the lease has run out")
        lease = self._lease if ephemeral else 0
        answer = await self._change(
            key, keyvalues.replacing(self._path(key), _revision(expected), value, lease)
        )
        return Found(value, keyvalues.revision(answer), self._holder(lease))

    async def delete(self, key: Key, found: Found) -> None:
        """See `Driver.delete`."""
        await self._change(key, keyvalues.removing(self._path(key), _revision(found)))

    async def close(self) -> None:
        """See `Driver.close`."""
        try:
            if self._lease:
                await self._ask("/v3/lease/revoke", {"ID": str(self._lease)})
        except Refused as refusal:
            if refusal.code != UNKNOWN_LEASE:
                raise
        finally:
            self._disconnect()
        self._lease = 0

    @property
    def _connected(self) -> Gateway:
        if self._gateway is None:
            raise Unreachable("not connected")
        return self._gateway

    def _disconnect(self) -> None:
        if self._gateway is not None:
            self._gateway.close()
            self._gateway = None

    def _alive(self, life: int) -> SessionInfo:
        return SessionInfo(float(life), f"{self._detail}, lease of {life:g} s")

    async def _prolong(self) -> int:
        """Prolong the lease, and return its life in seconds; 0: it has run out."""
        answer = await self._connected.ask("/v3/lease/keepalive", {"ID": str(self._lease)}, any_token=True)
        if self._follower is not None:
            self._follower.heard(keyvalues.revision(answer))
        life = int(answer.get("TTL", 0))  # of one that has run out there is none, and HTTP 200
        if life <= 0:
            self._lease = 0
        return max(0, life)

    async def _ask(self, path: str, request: Message) -> Message:
        return await self._connected.ask(path, request)

    async def _change(self, key: Key, transaction: Message) -> Message:
        """Make a transaction.

        Raises:
            EntryChanged: what it compares is not so.
            SessionEnded: our lease is gone.
        """
        try:
            answer = await self._ask("/v3/kv/txn", transaction)
        except Refused as refusal:
            if refusal.code != UNKNOWN_LEASE:
                raise
            self._lease = 0
            raise SessionEnded("the lease has run out") from refusal
        if not answer.get("succeeded"):
            raise EntryChanged(f"{self._path(key)} has changed")
        return answer

    def _path(self, place: Directory | Key) -> str:
        return place.path(self.settings.prefix)

    def _found(self, found: KeyValue) -> Found:
        return Found(found.value, found.revision, self._holder(found.lease))

    def _holder(self, lease: int) -> Holder:
        if lease == 0 or lease not in self._leases:
            return Holder.OTHER
        return Holder.OURS if lease == self._lease else Holder.EARLIER

    async def _version(self, gateway: Gateway) -> str:
        """Return the server's version; one that keeps it to itself is served as well."""
        try:
            return str((await gateway.ask(STATUS, {}, any_token=True)).get("version", "?"))
        except Refused:
            return "of unknown version"


def _revision(found: Found | None) -> int:
    """Return what the transaction compares; 0: there is no such key."""
    return found.version if found is not None and isinstance(found.version, int) else 0
