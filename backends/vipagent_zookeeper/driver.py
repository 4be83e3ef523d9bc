"""The driver: entries are ExaZK's znodes, by kazoo."""

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
from vipagent_zookeeper.connection import DIGEST, Connection
from vipagent_zookeeper.follower import Follower, read
from vipagent_zookeeper.link import Link
from vipagent_zookeeper.options import ZooKeeperOptions, check_prefix, parse_servers
from vipagent_zookeeper.version import ask
from vipagent_zookeeper.znodes import Version, Znodes


class ZooKeeperDriver(Driver):
    """One session with ZooKeeper. kazoo chooses the server, and moves to another by itself."""

    name = "zookeeper"
    api_version = 2
    request_timeout = 5.0
    keep_alives_per_session = 4
    """More often than kazoo's pings, which are then not sent."""

    def __init__(self, settings: StoreSettings) -> None:
        super().__init__(settings)
        self._hosts = parse_servers(settings.hosts)
        self._options = parse_options(ZooKeeperOptions, settings.options)
        check_prefix(settings.prefix)
        self._connection = Connection(self._make_link)
        self._znodes = Znodes(self._connection)
        self._follower = Follower(self._znodes, settings.prefix)

    async def connect(self, server: str) -> None:
        """See `Driver.connect`."""
        await self._connection.open()

    async def keep_alive(self) -> SessionInfo:
        """See `Driver.keep_alive`."""
        try:
            await self._znodes.alive()
        except Disconnected as error:
            await asyncio.sleep(DIGEST)  # why kazoo's client has ended, it says a little later
            raise Disconnected(self._connection.trouble or str(error)) from error
        self._connection.confirmed()
        link = self._connection.link
        return SessionInfo(link.life, f"{link.peer}, session life {link.life:g} s")

    async def follow(self, interests: Interests, on_listing: OnListing) -> Never:
        """See `Driver.follow`."""
        async with Tasks() as tasks:
            tasks.create_task(self._follower.run(interests, on_listing))
            tasks.create_task(self._connection.broken())
        raise Disconnected("the connection is gone")

    async def get(self, key: Key) -> Found | None:
        """See `Driver.look`."""
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

    def _make_link(self, connection: Connection) -> Link:
        timeout = self.settings.session_timeout
        return Link(self._hosts, timeout, self._options, connection, self._follower.touched)

    def _path(self, place: Directory | Key) -> str:
        return place.path(self.settings.prefix)


def _version(found: Found) -> Version:
    """Return the version of a znode.

    Raises:
        EntryChanged: it could not be read.
    """
    if not isinstance(found.version, Version):
        raise EntryChanged("it may not be read")
    return found.version
