"""Follows directories on one server: a listing, then a watch from its revision."""

import asyncio
import time
from collections.abc import AsyncGenerator, Callable, Iterable
from contextlib import aclosing
from typing import Never

from vipagent.store.driver import Found, Interests, OnListing
from vipagent.store.layout import Directory
from vipagent_etcd import keyvalues
from vipagent_etcd.errors import Compacted, EtcdRefused
from vipagent_etcd.gateway import Gateway, deadline
from vipagent_etcd.keyvalues import MAX_TXN_REQUESTS, Change, KeyValue, Message, Span
from vipagent_etcd.listing import DirectoryState

WATCH_RENEWAL = 60.0
"""Seconds until a watch without events is reopened after a listing, if the store's revision has changed:
limits the delay if events were lost on the way."""
RELIST_DELAY = 1.0
"""Interval in seconds between listings of a directory that is too large for a watch."""


class EtcdFollower:
    """Follows all directories of interest with one watch.

    Args:
        gateway: the server's gateway.
        path_of: returns a directory's path.
        found: converts a key-value for the store layer.
        interests: the directories to follow.
        on_listing: receives the listings.
    """

    def __init__(
        self,
        gateway: Gateway,
        path_of: Callable[[Directory], str],
        found: Callable[[KeyValue], Found],
        interests: Interests,
        on_listing: OnListing,
    ) -> None:
        self._gateway = gateway
        self._path_of = path_of
        self._found = found
        self._interests = interests
        self._deliver = on_listing
        self._followed: dict[str, DirectoryState] = {}
        self._opened = 0.0
        self._revision = 0
        """The last revision of the store that a listing or the watch has reported."""
        self._renewed = asyncio.Event()

    async def run(self) -> Never:
        """Follow the directories until an error occurs.

        Raises:
            DriverError: the error.
        """
        while True:
            self._renewed.clear()
            self._update_interests()
            watching = asyncio.ensure_future(self._follow())
            waiting = asyncio.ensure_future(self._interests.changed())
            renewing = asyncio.ensure_future(self._renewed.wait())
            try:
                await asyncio.wait({watching, waiting, renewing}, return_when=asyncio.FIRST_COMPLETED)
            finally:
                for task in (watching, waiting, renewing):
                    task.cancel()
                await asyncio.wait({watching})
            if not watching.cancelled():
                watching.result()

    def on_revision(self, revision: int) -> None:
        """Handle a revision of the store that another request has reported."""
        if revision > self._revision and self._opened and time.monotonic() - self._opened > WATCH_RENEWAL:
            self._opened = 0.0  # until the next watch is open, so that a slow listing is not restarted
            self._relist()
            self._renewed.set()

    def _update_interests(self) -> None:
        """Apply changed interests; directories that are already followed are not listed again."""
        followed = {}
        for directory, names in self._interests.names.items():
            path, only_named = self._path_of(directory), directory in self._interests.only_named
            known = self._followed.get(path)
            if known is None or (known.names, known.only_named) != (names, only_named):
                known = DirectoryState(directory, path, names, self._found, only_named=only_named)
            followed[path] = known
        self._followed = followed

    def _relist(self) -> None:
        for following in self._followed.values():
            following.revision = 0

    async def _follow(self) -> None:
        """List unknown directories and watch all; return when a directory must be listed again."""
        if not self._followed:
            await asyncio.Event().wait()
        await self._list(following for following in self._followed.values() if following.revision == 0)
        spans = {following.span: following.revision for following in self._followed.values()}
        try:
            await self._watch(spans)
        except Compacted:
            self._relist()
        else:
            await asyncio.sleep(RELIST_DELAY)

    async def _list(self, unlisted: Iterable[DirectoryState]) -> None:
        """List directories with linearizable reads; one request reads a consistent snapshot."""
        waiting = list(unlisted)
        for first in range(0, len(waiting), MAX_TXN_REQUESTS):
            some = waiting[first : first + MAX_TXN_REQUESTS]
            listing = keyvalues.listing([following.span for following in some])
            answer = await self._gateway.ask("/v3/kv/txn", listing)
            for following, found in zip(some, keyvalues.listed(answer), strict=True):
                following.list(found, keyvalues.revision(answer))

    async def _watch(self, spans: dict[Span, int]) -> None:
        """Open a watch; once it is established, deliver the listings, and then its events.

        Raises:
            Compacted: its start revision is compacted.
        """
        async with aclosing(self._gateway.follow("/v3/watch", *keyvalues.watching(spans))) as messages:
            async with deadline(self._gateway.timeout):
                early = await _confirmed(messages, len(spans))
            self._deliver_listings()
            for message in early:
                self._on_message(message)
            while all(following.revision for following in self._followed.values()):
                message = await anext(messages)
                _raise_if_cancelled(message)
                self._on_message(message)

    def _deliver_listings(self) -> None:
        """Deliver the listings, after the watch is established."""
        self._opened = time.monotonic()
        for following in self._followed.values():
            if not following.is_delivered:
                self._revision = max(self._revision, following.revision)
                self._deliver_listing(following)

    def _deliver_listing(self, following: DirectoryState) -> None:
        following.is_delivered = True
        self._deliver(following.directory, dict(following.entries))

    def _on_message(self, message: Message) -> None:
        """Process a message of the watch."""
        by_path: dict[str, list[Change]] = {}
        for change in keyvalues.changes(message):
            self._revision = max(self._revision, change.found.revision)
            by_path.setdefault(change.found.key.rpartition("/")[0], []).append(change)
        for path, changes in by_path.items():
            following = self._followed.get(path)
            if following is not None and following.change(changes):
                self._deliver_listing(following)


async def _confirmed(messages: AsyncGenerator[Message, None], watches: int) -> list[Message]:
    """Wait until all watches are established, and return their first messages."""
    early: list[Message] = []
    while watches:
        message = await anext(messages)
        _raise_if_cancelled(message)
        watches -= "created" in message
        early.append(message)
    return early


def _raise_if_cancelled(message: Message) -> None:
    """Check whether the server has cancelled a watch; the stream stays open."""
    if "compact_revision" in message:
        raise Compacted("the watch's revision is compacted")
    if message.get("canceled"):
        raise EtcdRefused(f"the watch was cancelled: {message.get('cancel_reason', 'no reason given')}", 0)
