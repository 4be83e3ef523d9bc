"""Watched directories: listed, and listed again after each watch event."""

import asyncio
import logging
from collections.abc import Iterable
from typing import Never

from vipagent.store.driver import Found, Interests, Listing, OnListing, Refused
from vipagent.store.layout import Directory
from vipagent.store.tasks import Tasks
from vipagent_zookeeper.znodes import ZNodeStore

REREAD_DELAY = 5.0
"""Retry delay in seconds for unreadable znodes, because no watch reports a change of their ACL."""
MAX_PARALLEL_REQUESTS = 100
"""Maximum number of concurrent requests, which limits the memory for a large directory."""

log = logging.getLogger(__name__)


class DirectoryFollower:
    """Follows one directory. Values are read once, and again after each watch event.

    Args:
        znodes: makes the requests.
        directory: the directory.
        path: its path.
        on_listing: receives its listings.
    """

    def __init__(self, znodes: ZNodeStore, directory: Directory, path: str, on_listing: OnListing) -> None:
        self.names: frozenset[str] | None = frozenset()
        """Names whose values are needed; None: all."""
        self.only_named = False
        """Whether other names are ignored."""
        self._znodes = znodes
        self._directory = directory
        self._path = path
        self._on_listing = on_listing
        self._known: dict[str, Found] = {}
        self._outdated: set[str] = set()
        self._news = asyncio.Event()
        self._reported = ""

    def touch(self, name: str = "") -> None:
        """Schedule a new listing, because the directory or the value of this entry has changed."""
        if name:
            self._outdated.add(name)
        self._news.set()

    async def run(self) -> Never:
        """List the directory, now and after each change."""
        while True:
            self._news.clear()
            try:
                self._on_listing(self._directory, await self._list())
                self._reported = ""
            except Refused as error:
                self._on_listing(self._directory, None)
                self._report(str(error))
                asyncio.get_running_loop().call_later(REREAD_DELAY, self._news.set)
            await self._news.wait()

    async def _list(self) -> Listing:
        known = self._known
        while self._outdated:
            known.pop(self._outdated.pop(), None)
        if self.only_named and self.names is not None:
            names = list(self.names)
        else:
            async with self._znodes.reads:
                names = await self._znodes.names(self._path)
        needed = frozenset(names) if self.names is None else self.names.intersection(names)
        known |= await read(
            self._znodes, self._path, needed.difference(known), await_creation=self.only_named
        )
        self._known = {name: found for name, found in known.items() if name in needed}
        return {
            name: self._known.get(name)
            for name in names
            if name in self._known or name not in needed  # otherwise it was deleted after the listing
        }

    def _report(self, text: str) -> None:
        if text != self._reported:
            self._reported = text
            log.warning("zookeeper: cannot watch %s: %s; retrying every %g s", self._path, text, REREAD_DELAY)


class ZNodeFollower:
    """Follows all directories of interest, one task for each."""

    def __init__(self, znodes: ZNodeStore, prefix: str) -> None:
        self._znodes = znodes
        self._prefix = prefix
        self._followers: dict[str, tuple[DirectoryFollower, asyncio.Task[Never]]] = {}

    def on_watch_event(self, path: str) -> None:
        """Handle a change of a directory, or of an entry in it."""
        parent, _, name = path.rpartition("/")
        for changed, entry in ((path, ""), (parent, name)):
            if changed in self._followers:
                self._followers[changed][0].touch(entry)

    async def run(self, interests: Interests, on_listing: OnListing) -> Never:
        """Follow the directories of interest, and later changes of the interests.

        Raises:
            DriverError: a request failed.
        """
        try:
            async with Tasks() as tasks:
                while True:
                    self._adjust(interests, on_listing, tasks)
                    await interests.changed()
        finally:
            self._followers.clear()

    def _adjust(self, interests: Interests, on_listing: OnListing, tasks: asyncio.TaskGroup) -> None:
        paths = {directory.path(self._prefix): directory for directory in interests.names}
        for path in self._followers.keys() - paths.keys():
            self._followers.pop(path)[1].cancel()
        for path, directory in paths.items():
            if path not in self._followers:
                follower = DirectoryFollower(self._znodes, directory, path, on_listing)
                self._followers[path] = (follower, tasks.create_task(follower.run()))
            follower = self._followers[path][0]
            names, only_named = interests.names[directory], directory in interests.only_named
            if (names, only_named) != (follower.names, follower.only_named):
                follower.names, follower.only_named = names, only_named
                follower.touch()


async def read(
    znodes: ZNodeStore, directory: str, names: Iterable[str], *, await_creation: bool = False
) -> dict[str, Found]:
    """Return the existing entries of these names, and set a watch on each."""
    wanted, found = list(names), dict[str, Found]()

    async def get(name: str) -> Found | None:
        try:
            async with znodes.reads:
                return await znodes.get(f"{directory}/{name}", await_creation=await_creation)
        except Refused:
            return Found(b"", None)  # it exists, and is not ours

    for start in range(0, len(wanted), MAX_PARALLEL_REQUESTS):
        batch = wanted[start : start + MAX_PARALLEL_REQUESTS]
        entries = await asyncio.gather(*map(get, batch))
        found.update((name, entry) for name, entry in zip(batch, entries, strict=True) if entry is not None)
    return found
