"""Typed requests on znodes, in the present session, with the store layer's errors."""

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
from vipagent_zookeeper.connection import Connection
from vipagent_zookeeper.link import Link
from vipagent_zookeeper.refusals import explain

LARGEST = 1_000_000
"""Bytes: a server hangs up on a request of more than about a megabyte, again and again."""


@dataclass(frozen=True, slots=True)
class Version:
    """What tells a znode from itself before a change."""

    number: int
    """Of its value; it begins anew with each creation."""
    owner: int
    """The session whose ephemeral it is; 0: it is persistent."""


class Znodes:
    """The requests. Each raises `Disconnected` if there is no answer, `Refused` if the server refuses.

    There is one watch on a path, however often it is asked for: kazoo knows it by its callback, the link's.

    Args:
        connection: the present one.
    """

    def __init__(self, connection: Connection) -> None:
        self._connection = connection

    async def alive(self) -> None:
        """Ask for a sign of life."""
        link = self._connection.link
        try:
            await link.answer(link.client.exists_async, "/")
        except NoAuthError:
            pass  # an answer all the same
        except KazooException as error:
            raise self._connection.refused(explain(error)) from error

    async def names(self, directory: str) -> list[str]:
        """Return the children's names, in order; none, and a watch for its creation, if it is not there."""
        link = self._connection.link
        async with self._explaining():
            while True:
                try:
                    return sorted(await link.children(directory))[:MAX_ENTRIES]
                except NoNodeError:
                    if not await self._exists(directory):
                        return []

    async def get(self, path: str, *, await_creation: bool = False) -> Found | None:
        """Return what is at the path, with a watch; None if there is nothing.

        Args:
            path: the znode's.
            await_creation: watch for it where it is not there.
        """
        link = self._connection.link
        async with self._explaining():
            while True:
                try:
                    value, stat = await link.answer(link.client.get_async, path, watch=link.watch)
                except NoNodeError:
                    if not await_creation or not await self._exists(path):
                        return None
                else:
                    return self._found(value[:MAX_VALUE], Version(stat.version, stat.ephemeralOwner))

    async def create(self, path: str, value: bytes, *, ephemeral: bool) -> Found:
        """Make a znode, and the persistent ones above it as needed."""
        link = self._connection.link
        async with self._explaining(value):
            try:
                await link.answer(link.client.create_async, path, value, ephemeral=ephemeral)
            except NoNodeError:
                await self._ensure(link, path.rpartition("/")[0])
                await link.answer(link.client.create_async, path, value, ephemeral=ephemeral)
        return self._made(value, ephemeral)

    async def set(self, path: str, value: bytes, version: Version) -> Found:
        """Change a znode's value."""
        link = self._connection.link
        async with self._explaining(value):
            stat = await link.answer(link.client.set_async, path, value, version.number)
        return self._found(value, Version(stat.version, version.owner))

    async def delete(self, path: str, version: Version) -> None:
        """Delete a znode of this version."""
        link = self._connection.link
        async with self._explaining():
            await link.answer(link.client.delete_async, path, version.number)

    async def replace(self, path: str, value: bytes, version: Version, *, ephemeral: bool) -> Found:
        """Delete a znode of this version and make another one in its place, in one transaction."""
        link = self._connection.link
        transaction = link.client.transaction()
        transaction.delete(path, version.number)
        transaction.create(path, value, ephemeral=ephemeral)
        async with self._explaining(value):
            for result in await link.answer(transaction.commit_async):
                if isinstance(result, Exception) and not isinstance(
                    result, RolledBackError | RuntimeInconsistency
                ):
                    raise result
        return self._made(value, ephemeral)

    async def _exists(self, path: str) -> bool:
        link = self._connection.link
        return await link.answer(link.client.exists_async, path, watch=link.watch) is not None

    async def _ensure(self, link: Link, path: str) -> None:
        """Make a persistent znode if it is not there, and those above it as needed."""
        with suppress(NodeExistsError):
            try:
                await link.answer(link.client.create_async, path)
            except NoNodeError:
                await self._ensure(link, path.rpartition("/")[0])
                await link.answer(link.client.create_async, path)

    def _made(self, value: bytes, ephemeral: bool) -> Found:
        return self._found(value, Version(0, self._connection.numbers[-1] if ephemeral else 0))

    def _found(self, value: bytes, version: Version) -> Found:
        numbers = self._connection.numbers
        if version.owner == 0 or version.owner not in numbers:
            return Found(value, version)
        return Found(value, version, Holder.OURS if version.owner == numbers[-1] else Holder.EARLIER)

    @asynccontextmanager
    async def _explaining(self, value: bytes = b"") -> AsyncIterator[None]:
        if len(value) > LARGEST:
            raise Refused(f"a value of {len(value)} bytes is too large for ZooKeeper")
        try:
            yield
        except (BadVersionError, NodeExistsError, NoNodeError) as error:
            raise EntryChanged(type(error).__name__) from error
        except KazooException as error:
            if isinstance(error, NoAuthError):  # a server takes any digest, and refuses requests instead
                self._connection.renew_login()
            raise Refused(f"{self._connection.link.peer}: {explain(error)}") from error
