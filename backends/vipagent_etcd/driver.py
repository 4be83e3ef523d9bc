"""The driver: entries are keys with a lease, accessed through etcd's JSON gateway."""

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
from vipagent_etcd.errors import UNKNOWN_LEASE, EtcdRefused, Unreachable
from vipagent_etcd.follower import EtcdFollower
from vipagent_etcd.gateway import STATUS, Access, Gateway
from vipagent_etcd.keyvalues import KeyValue, Message, Span
from vipagent_etcd.listing import DirectoryState
from vipagent_etcd.login import Login
from vipagent_etcd.options import EtcdOptions, check_prefix, parse_servers

MAX_OLD_LEASES = 100
"""Number of previous leases whose entries are recognized as our own."""


class EtcdDriver(Driver):
    """One lease on etcd, through any of its servers.

    The lease is kept alive with any token, because etcd accepts invalid ones for that: so a queue of logins
    expires no lease. If a user is set, all other requests, including a new lease, wait for a login.
    """

    name = "etcd"
    api_version = 2
    request_timeout = 5.0
    """A login may be queued behind those of other agents; then another server is tried as well."""

    def __init__(self, settings: StoreSettings) -> None:
        super().__init__(settings)
        options = parse_options(EtcdOptions, settings.options)
        check_prefix(settings.prefix)
        self._endpoints = {str(server): server for server in parse_servers(settings.hosts)}
        self.servers = tuple(self._endpoints)
        self._access = Access(options, Login(options))
        self._requested_ttl = max(1, math.ceil(settings.session_timeout))
        self._timeout = request_timeout(self._requested_ttl)
        self._gateway: Gateway | None = None
        self._leases: deque[int] = deque(maxlen=MAX_OLD_LEASES)
        self._lease = 0
        self._detail = ""
        self._follower: EtcdFollower | None = None

    async def connect(self, server: str) -> None:
        """See `Driver.connect`. If a lease may exist, it is kept alive first, and the login follows later."""
        self._disconnect()
        self._gateway = Gateway(self._endpoints[server], self._access, self._timeout)
        if not self._lease:
            await self._gateway.log_in()
        self._detail = f"{server}: etcd {await self._version(self._gateway)}"

    async def keep_alive(self) -> SessionInfo:
        """See `Driver.keep_alive`."""
        if self._lease and (ttl := await self._renew_lease()):
            return self._alive(ttl)
        if self._follower is not None:
            raise SessionEnded("the lease has expired")
        answer = await self._ask("/v3/lease/grant", {"TTL": str(self._requested_ttl)})
        self._lease = int(answer["ID"])
        self._leases.append(self._lease)
        return self._alive(int(answer["TTL"]))

    async def follow(self, interests: Interests, on_listing: OnListing) -> Never:
        """See `Driver.follow`."""
        self._follower = EtcdFollower(self._connected, self._path, self._found, interests, on_listing)
        try:
            await self._follower.run()
        finally:
            self._follower = None

    async def get(self, key: Key) -> Found | None:
        """See `Driver.get`."""
        answer = await self._ask("/v3/kv/range", Span(self._path(key)).fields())
        return next(map(self._found, keyvalues.key_values(answer)), None)

    async def read(self, directory: Directory) -> Listing:
        """See `Driver.read`."""
        following = DirectoryState(directory, self._path(directory), None, self._found)
        answer = await self._ask("/v3/kv/range", following.span.fields())
        following.list(keyvalues.key_values(answer), keyvalues.revision(answer))
        return following.entries

    async def put(self, key: Key, value: bytes, expected: Found | None, *, ephemeral: bool) -> Found:
        """See `Driver.put`."""
        if ephemeral and not self._lease:
            raise SessionEnded("the lease has expired")
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
        except EtcdRefused as refusal:
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

    def _alive(self, ttl: int) -> SessionInfo:
        return SessionInfo(float(ttl), f"{self._detail}, lease TTL {ttl:g} s")

    async def _renew_lease(self) -> int:
        """Keep the lease alive, and return its TTL in seconds; 0: it has expired."""
        answer = await self._connected.ask("/v3/lease/keepalive", {"ID": str(self._lease)}, any_token=True)
        if self._follower is not None:
            self._follower.on_revision(keyvalues.revision(answer))
        ttl = int(answer.get("TTL", 0))  # an expired lease has no TTL, with HTTP 200
        if ttl <= 0:
            self._lease = 0
        return max(0, ttl)

    async def _ask(self, path: str, request: Message) -> Message:
        return await self._connected.ask(path, request)

    async def _change(self, key: Key, transaction: Message) -> Message:
        """Execute a transaction.

        Raises:
            EntryChanged: its comparison failed.
            SessionEnded: our lease has expired.
        """
        try:
            answer = await self._ask("/v3/kv/txn", transaction)
        except EtcdRefused as refusal:
            if refusal.code != UNKNOWN_LEASE:
                raise
            self._lease = 0
            raise SessionEnded("the lease has expired") from refusal
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
        """Return the server's version, if the server reports it."""
        try:
            return str((await gateway.ask(STATUS, {}, any_token=True)).get("version", "?"))
        except EtcdRefused:
            return "of unknown version"


def _revision(found: Found | None) -> int:
    """Return the revision for the transaction's comparison; 0: no such key."""
    return found.version if found is not None and isinstance(found.version, int) else 0
