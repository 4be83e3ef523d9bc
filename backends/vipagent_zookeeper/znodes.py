"""Typed requests for znodes in the current session, with the store layer's errors."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass

from kazoo.exceptions import (
    BadVersionError,
    KazooException,
    NoAuthError,
    NodeExistsError,
    NoNodeError,
    RolledBackError,
    RuntimeInconsistency,
)

from vipagent.store.backend import MAX_ENTRIES, MAX_VALUE
from vipagent.store.driver import EntryChanged, Found, Holder, Refused
from vipagent_zookeeper.connection import ZooKeeperConnection
from vipagent_zookeeper.errors import explain
from vipagent_zookeeper.session import KazooSession

MAX_VALUE_SIZE = 1_000_000
"""Maximum size of a value in bytes: a server closes the connection at requests of about 1 MB and more."""
MAX_PARALLEL_READS = 64
"""Maximum number of concurrent reads of directories. kazoo's thread is woken through a socket that buffers a
few hundred wake-ups. The thread sends requests itself, so it must never block on this socket. Heartbeats and
writes, of which there are few, do not wait for the reads."""


@dataclass(frozen=True, slots=True)
class ZNodeVersion:
    """Identifies one version of a znode."""

    number: int
    """Version of the value; it restarts with each creation."""
    owner: int
    """Session of an ephemeral znode; 0: persistent."""


class ZNodeStore:
    """Requests for znodes. Each raises `Disconnected` without a reply, and `Refused` if it is rejected.

    A path is watched once per session, because kazoo identifies watches by their callback.

    Args:
        connection: provides the current session.
    """

    def __init__(self, connection: ZooKeeperConnection) -> None:
        self.reads = asyncio.Semaphore(MAX_PARALLEL_READS)
        """Held during each read of a directory."""
        self._connection = connection

    async def alive(self) -> None:
        """Send a request to verify that the server replies."""
        session = self._connection.session
        try:
            await session.answer(session.client.exists_async, "/")
        except NoAuthError:
            pass  # this is a reply
        except KazooException as error:
            raise self._connection.abandon_refused(explain(error)) from error

    async def names(self, directory: str) -> list[str]:
        """Return the sorted names of the children; if the parent is missing, none, and watch its creation."""
        session = self._connection.session
        async with self._explaining():
            while True:
                try:
                    return sorted(await session.children(directory))[:MAX_ENTRIES]
                except NoNodeError:
                    if not await self._exists(directory):
                        return []

    async def get(self, path: str, *, await_creation: bool = False) -> Found | None:
        """Return the znode and set a watch; None if it does not exist.

        Args:
            path: the znode's path.
            await_creation: watch for its creation if it does not exist.
        """
        session = self._connection.session
        async with self._explaining():
            while True:
                try:
                    value, stat = await session.answer(session.client.get_async, path, watch=session.watch)
                except NoNodeError:
                    if not await_creation or not await self._exists(path):
                        return None
                else:
                    return self._found(value[:MAX_VALUE], ZNodeVersion(stat.version, stat.ephemeralOwner))

    async def create(self, path: str, value: bytes, *, ephemeral: bool) -> Found:
        """Create a znode, and its missing parents."""
        session = self._connection.session
        async with self._explaining(value):
            try:
                await session.answer(session.client.create_async, path, value, ephemeral=ephemeral)
            except NoNodeError:
                await self._ensure(session, path.rpartition("/")[0])
                await session.answer(session.client.create_async, path, value, ephemeral=ephemeral)
        return self._made(value, ephemeral)

    async def set(self, path: str, value: bytes, version: ZNodeVersion) -> Found:
        """Change a znode's value."""
        session = self._connection.session
        async with self._explaining(value):
            stat = await session.answer(session.client.set_async, path, value, version.number)
        return self._found(value, ZNodeVersion(stat.version, version.owner))

    async def delete(self, path: str, version: ZNodeVersion) -> None:
        """Delete a znode of this version."""
        session = self._connection.session
        async with self._explaining():
            await session.answer(session.client.delete_async, path, version.number)

    async def replace(self, path: str, value: bytes, version: ZNodeVersion, *, ephemeral: bool) -> Found:
        """Replace a znode of this version with a new one, in one transaction."""
        session = self._connection.session
        transaction = session.client.transaction()
        transaction.delete(path, version.number)
        transaction.create(path, value, ephemeral=ephemeral)
        async with self._explaining(value):
            for result in await session.answer(transaction.commit_async):
                if isinstance(result, Exception) and not isinstance(
                    result, RolledBackError | RuntimeInconsistency
                ):
                    raise result
        return self._made(value, ephemeral)

    async def _exists(self, path: str) -> bool:
        session = self._connection.session
        return await session.answer(session.client.exists_async, path, watch=session.watch) is not None

    async def _ensure(self, session: KazooSession, path: str) -> None:
        """Create a persistent znode and its missing parents."""
        with suppress(NodeExistsError):
            try:
                await session.answer(session.client.create_async, path)
            except NoNodeError:
                await self._ensure(session, path.rpartition("/")[0])
                await session.answer(session.client.create_async, path)

    def _made(self, value: bytes, ephemeral: bool) -> Found:
        return self._found(value, ZNodeVersion(0, self._connection.numbers[-1] if ephemeral else 0))

    def _found(self, value: bytes, version: ZNodeVersion) -> Found:
        numbers = self._connection.numbers
        if version.owner == 0 or version.owner not in numbers:
            return Found(value, version)
        return Found(value, version, Holder.OURS if version.owner == numbers[-1] else Holder.EARLIER)

    @asynccontextmanager
    async def _explaining(self, value: bytes = b"") -> AsyncIterator[None]:
        if len(value) > MAX_VALUE_SIZE:
            raise Refused(f"a value of {len(value)} bytes is too large for ZooKeeper")
        try:
            yield
        except (BadVersionError, NodeExistsError, NoNodeError) as error:
            raise EntryChanged(type(error).__name__) from error
        except KazooException as error:
            if isinstance(error, NoAuthError):  # a server accepts any digest, and rejects requests later
                self._connection.renew_login()
            raise Refused(f"{self._connection.session.peer}: {explain(error)}") from error
