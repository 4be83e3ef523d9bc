"""What is in the store, kept up to date from one server: a listing, then the watch from where it ended."""

import asyncio
import time
from collections.abc import AsyncGenerator, Callable, Iterable
from contextlib import aclosing
from typing import Never

from vipagent.store.driver import Found, Interests, OnListing
from vipagent.store.layout import Directory
from vipagent_etcd import keyvalues
from vipagent_etcd.errors import Compacted, Refused
from vipagent_etcd.gateway import Gateway, deadline
from vipagent_etcd.keyvalues import LARGEST_TXN, Change, KeyValue, Message, Span
from vipagent_etcd.listing import Following

RENEWAL = 60.0
"""Seconds after which a watch is opened anew, after a listing, if the store has changed and it told nothing:
should anything on the way swallow what it tells, that is how long it goes unnoticed."""
RELIST_DELAY = 1.0
"""Seconds between two listings of a directory that is too large to be followed change by change."""


class Follower:
    """Follows all directories of interest by one watch.

    Args:
        gateway: the server.
        path_of: returns a directory's path.
        found: returns a key-value as the store layer knows it.
        interests: what to follow.
        on_listing: called with each listing.
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
        self._on_listing = on_listing
        self._followed: dict[str, Following] = {}
        self._opened = 0.0
        self._revision = 0
        """The last revision of the store that a listing or the watch has told."""
        self._renewed = asyncio.Event()

    async def run(self) -> Never:
        """Follow, until there is a fault.

        Raises:
            DriverError: the fault.
        """
        while True:
            self._renewed.clear()
            self._look_again()
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

    def heard(self, revision: int) -> None:
        """Compare the store's revision, as something else than the watch has told it."""
        if revision > self._revision and self._opened and time.monotonic() - self._opened > RENEWAL:
            self._opened = 0.0  # until the next one stands: a slow listing is not begun again and again
            self._list_anew()
            self._renewed.set()

    def _look_again(self) -> None:
        """Follow what is of interest now; what is followed already need not be listed again."""
        followed = {}
        for directory, names in self._interests.names.items():
            path, alone = self._path_of(directory), directory in self._interests.only_named
            known = self._followed.get(path)
            if known is None or (known.names, known.alone) != (names, alone):
                known = Following(directory, path, names, self._found, alone=alone)
            followed[path] = known
        self._followed = followed

    def _list_anew(self) -> None:
        for following in self._followed.values():
            following.revision = 0

    async def _follow(self) -> None:
        """List what is not known, watch all, and tell; return when something has to be listed again."""
        if not self._followed:
            await asyncio.Event().wait()
        await self._list(following for following in self._followed.values() if following.revision == 0)
        spans = {following.span: following.revision for following in self._followed.values()}
        try:
            await self._watch(spans)
        except Compacted:
            self._list_anew()
        else:
            await asyncio.sleep(RELIST_DELAY)

    async def _list(self, unlisted: Iterable[Following]) -> None:
        """Read all that there is, as a quorum has it; what one request reads is of one moment."""
        waiting = list(unlisted)
        for first in range(0, len(waiting), LARGEST_TXN):
            some = waiting[first : first + LARGEST_TXN]
            listing = keyvalues.listing([following.span for following in some])
            answer = await self._gateway.ask("/v3/kv/txn", listing)
            for following, found in zip(some, keyvalues.listed(answer), strict=True):
                following.list(found, keyvalues.revision(answer))

    async def _watch(self, spans: dict[Span, int]) -> None:
        """Open a watch; once it stands, tell what was listed, and then what it tells.

        Raises:
            Compacted: it would have to begin at a revision that is gone.
        """
        async with aclosing(self._gateway.follow("/v3/watch", *keyvalues.watching(spans))) as messages:
            async with deadline(self._gateway.patience):
                early = await _confirmed(messages, len(spans))
            self._begin()
            for message in early:
                self._take(message)
            while all(following.revision for following in self._followed.values()):
                message = await anext(messages)
                _raise_if_cancelled(message)
                self._take(message)

    def _begin(self) -> None:
        """Tell what was listed: the watch stands."""
        self._opened = time.monotonic()
        for following in self._followed.values():
            if not following.is_told:
                self._revision = max(self._revision, following.revision)
                self._tell(following)

    def _tell(self, following: Following) -> None:
        following.is_told = True
        self._on_listing(following.directory, dict(following.entries))

    def _take(self, message: Message) -> None:
        """Tell what the watch tells."""
        by_path: dict[str, list[Change]] = {}
        for change in keyvalues.changes(message):
            self._revision = max(self._revision, change.found.revision)
            by_path.setdefault(change.found.key.rpartition("/")[0], []).append(change)
        for path, changes in by_path.items():
            following = self._followed.get(path)
            if following is not None and following.change(changes):
                self._tell(following)


async def _confirmed(messages: AsyncGenerator[Message, None], watches: int) -> list[Message]:
    """Wait until so many watches stand, and return what they have told meanwhile."""
    early: list[Message] = []
    while watches:
        message = await anext(messages)
        _raise_if_cancelled(message)
        watches -= "created" in message
        early.append(message)
    return early


def _raise_if_cancelled(message: Message) -> None:
    """See whether the server has ended a watch; it leaves the stream open."""
    if "compact_revision" in message:
        raise Compacted("the watch's revision is compacted away")
    if message.get("canceled"):
        raise Refused(f"the watch was cancelled: {message.get('cancel_reason', 'no reason given')}", 0)
