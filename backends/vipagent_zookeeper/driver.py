"""The driver: entries are znodes in ExaZK's tree."""

import asyncio
from typing import Never

from vipagent.store.access import parse_options
from vipagent.store.backend import StoreConfigError, StoreError, StoreSettings
from vipagent.store.driver import (
    Disconnected,
    Driver,
    EntryChanged,
    Found,
    Interests,
    Listing,
    OnListing,
    SessionInfo,
)
from vipagent.store.layout import Directory, Key
from vipagent.store.tasks import Tasks
from vipagent_zookeeper.connection import ERROR_SETTLE_TIME, ZooKeeperConnection
from vipagent_zookeeper.follower import ZNodeFollower, read
from vipagent_zookeeper.options import ZooKeeperOptions, check_prefix, parse_servers
from vipagent_zookeeper.session import KazooSession
from vipagent_zookeeper.version import ask
from vipagent_zookeeper.znodes import ZNodeStore, ZNodeVersion


class ZooKeeperDriver(Driver):
    """One session with ZooKeeper. kazoo selects the server, and fails over to another one by itself."""

    name = "zookeeper"
    api_version = 2
    request_timeout = 5.0
    keep_alives_per_session = 4
    """More frequent than kazoo's pings, which are then not sent."""

    def __init__(self, settings: StoreSettings) -> None:
        super().__init__(settings)
        self._hosts = parse_servers(settings.hosts)
        self._options = parse_options(ZooKeeperOptions, settings.options)
        check_prefix(settings.prefix)
        self._connection = ZooKeeperConnection(self._make_session)
        self._znodes = ZNodeStore(self._connection)
        self._follower = ZNodeFollower(self._znodes, settings.prefix)

    async def connect(self, server: str) -> None:
        """See `Driver.connect`."""
        await self._connection.open()

    async def keep_alive(self) -> SessionInfo:
        """See `Driver.keep_alive`."""
        try:
            await self._znodes.alive()
        except Disconnected as error:
            await asyncio.sleep(ERROR_SETTLE_TIME)  # kazoo reports the cause with a delay
            raise Disconnected(self._connection.error_text or str(error)) from error
        self._connection.on_reply()
        session = self._connection.session
        return SessionInfo(session.timeout, f"{session.peer}, session timeout {session.timeout:g} s")

    async def follow(self, interests: Interests, on_listing: OnListing) -> Never:
        """See `Driver.follow`."""
        async with Tasks() as tasks:
            tasks.create_task(self._follower.run(interests, on_listing))
            tasks.create_task(self._connection.broken())
        raise Disconnected("the connection was lost")

    async def get(self, key: Key) -> Found | None:
        """See `Driver.get`."""
        return await self._znodes.get(self._path(key))

    async def read(self, directory: Directory) -> Listing:
        """See `Driver.read`."""
        path = self._path(directory)
        return await read(self._znodes, path, await self._znodes.names(path))

    async def put(self, key: Key, value: bytes, expected: Found | None, *, ephemeral: bool) -> Found:
        """See `Driver.put`."""
        path = self._path(key)
        if expected is None:
            return await self._znodes.create(path, value, ephemeral=ephemeral)
        version = _version(expected)
        owner = self._connection.numbers[-1] if ephemeral else 0
        if version.owner == owner:
            return await self._znodes.set(path, value, version)
        return await self._znodes.replace(path, value, version, ephemeral=ephemeral)

    async def delete(self, key: Key, found: Found) -> None:
        """See `Driver.delete`."""
        await self._znodes.delete(self._path(key), _version(found))

    def version(self, timeout: float) -> str:
        """See `Driver.version`."""
        try:
            return ask(self._hosts, self._options.tls_context(), timeout)
        except (OSError, StoreConfigError) as error:
            raise StoreError(f"zookeeper: {error}") from error

    async def close(self) -> None:
        """See `Driver.close`."""
        await self._connection.close()

    def _make_session(self, connection: ZooKeeperConnection) -> KazooSession:
        timeout = self.settings.session_timeout
        return KazooSession(self._hosts, timeout, self._options, connection, self._follower.on_watch_event)

    def _path(self, place: Directory | Key) -> str:
        return place.path(self.settings.prefix)


def _version(found: Found) -> ZNodeVersion:
    """Return the version of a znode.

    Raises:
        EntryChanged: the znode could not be read.
    """
    if not isinstance(found.version, ZNodeVersion):
        raise EntryChanged("the znode is not readable")
    return found.version
