"""Typed requests on znodes, in the present session."""

import asyncio
from collections.abc import Callable, Iterable
from dataclasses import dataclass

from kazoo.exceptions import NoAuthError, NoNodeError, RolledBackError, RuntimeInconsistency

from vipagent.core.words import Claim
from vipagent.store.backend import MAX_ENTRIES, MAX_VALUE, Entry, StoreSettings
from vipagent.store.records import claim_of
from vipagent_zookeeper.session import Session

Watch = Callable[[str], None]
"""Called on kazoo's thread with the path of what has changed, once."""

LARGEST = 1_000_000
"""Bytes: a server hangs up on a request of more than about a megabyte, again and again."""
BATCH = 100
"""Requests on their way at once, so that a large directory does not fill memory."""


@dataclass(frozen=True, slots=True)
class Znode:
    """What there is at a path."""

    value: bytes
    version: int
    owner: int
    """The session whose ephemeral it is; 0: it is persistent."""


class Znodes:
    """The requests. Each raises `Disconnected` if there is no answer, `KazooException` if it is refused.

    One `Znodes` makes one watch on a path, however often it is asked for: kazoo knows it by its callback.
    """

    def __init__(self, session: Session, settings: StoreSettings, touched: Watch) -> None:
        self._session = session
        self._settings = settings
        self._touched = touched

    async def names(self, directory: str) -> list[str]:
        """Return the children's names, in order; none, and a watch for its creation, if it is not there."""
        while True:
            link = self._session.link
            try:
                children = await link.answer(link.client.get_children_async(directory, watch=self._changed))
                return sorted(children)[:MAX_ENTRIES]
            except NoNodeError:
                if await link.answer(link.client.exists_async(directory, watch=self._changed)) is None:
                    return []

    async def get(self, path: str) -> Znode | None:
        """Return what is at the path, with a watch; None, and no watch, if there is nothing."""
        link = self._session.link
        try:
            value, stat = await link.answer(link.client.get_async(path, watch=self._changed))
        except NoNodeError:
            return None
        return Znode(value, stat.version, stat.ephemeralOwner)

    async def create(self, path: str, value: bytes, ephemeral: bool) -> None:
        """Make a znode, and the persistent ones above it as needed."""
        _refuse_huge(value)
        link = self._session.link
        try:
            await link.answer(link.client.create_async(path, value, ephemeral=ephemeral))
        except NoNodeError:
            await link.answer(link.client.ensure_path_async(path.rpartition("/")[0]))
            await link.answer(link.client.create_async(path, value, ephemeral=ephemeral))

    async def set(self, path: str, value: bytes) -> None:
        """Change a znode's value."""
        _refuse_huge(value)
        link = self._session.link
        await link.answer(link.client.set_async(path, value))

    async def delete(self, path: str, version: int) -> None:
        """Delete a znode of this version."""
        link = self._session.link
        await link.answer(link.client.delete_async(path, version))

    async def replace(self, path: str, value: bytes, version: int, ephemeral: bool) -> None:
        """Delete a znode of this version and make another one in its place, in one transaction."""
        _refuse_huge(value)
        link = self._session.link
        transaction = link.client.transaction()
        transaction.delete(path, version)
        transaction.create(path, value, ephemeral=ephemeral)
        for result in await link.answer(transaction.commit_async()):
            if isinstance(result, Exception) and not isinstance(
                result, RolledBackError | RuntimeInconsistency
            ):
                raise result

    async def entries(self, directory: str, names: Iterable[str]) -> dict[str, Entry]:
        """Return the entries of these names that are there, with a watch on each."""
        wanted, found = list(names), dict[str, Entry]()
        for start in range(0, len(wanted), BATCH):
            batch = wanted[start : start + BATCH]
            entries = await asyncio.gather(*(self._entry(f"{directory}/{name}") for name in batch))
            found.update(
                (name, entry) for name, entry in zip(batch, entries, strict=True) if entry is not None
            )
        return found

    async def _entry(self, path: str) -> Entry | None:
        try:
            znode = await self.get(path)
        except NoAuthError:
            return Entry()
        return None if znode is None else Entry(znode.value[:MAX_VALUE], self.claim(znode))

    def claim(self, znode: Znode) -> Claim:
        """Say whose a znode is: by its owner if that is a session of ours, else by its value."""
        if znode.owner in self._session.numbers:
            return Claim.OURS
        return claim_of(znode.value[:MAX_VALUE], self._settings.node, self._settings.instance)

    def _changed(self, event: object) -> None:
        """Pass a watch's event on; those without a path tell of the connection, which we see by ourselves."""
        if path := getattr(event, "path", None):
            self._touched(path)


def _refuse_huge(value: bytes) -> None:
    if len(value) > LARGEST:
        raise ValueError(f"a value of {len(value)} bytes is too large for ZooKeeper")
