"""What is in the store, kept up to date from one server: a listing, then the watch from where it ended."""

import asyncio
import time
from collections.abc import AsyncGenerator, Callable
from contextlib import aclosing

from vipagent_etcd import keyvalues
from vipagent_etcd.errors import Compacted, Refused
from vipagent_etcd.gateway import Gateway, deadline
from vipagent_etcd.keyvalues import LARGEST_TXN, KeyValue, Message, Span
from vipagent_etcd.registrations import Registrations
from vipagent_etcd.watches import Watches

RENEWAL = 60.0
"""Seconds after which a watch is opened anew, after a listing, if the store has changed and it told nothing:
should anything on the way swallow what it tells, that is how long it goes unnoticed."""
BREATH = 1.0
"""Seconds between two listings of a directory that is too large to be followed change by change."""

Listing = list[tuple[Span, list[KeyValue], int]]


class Follower:
    """Keeps watches and registrations informed, whatever is to be watched."""

    def __init__(
        self, gateway: Gateway, watches: Watches, registrations: Registrations, ready: Callable[[], None]
    ) -> None:
        """Prepare.

        Args:
            gateway: the server.
            watches: the directories.
            registrations: the keys of our own.
            ready: called whenever a watch stands, before what was listed is handed over.
        """
        self._gateway = gateway
        self._watches = watches
        self._registrations = registrations
        self._ready = ready
        self._tasks: asyncio.TaskGroup | None = None
        self._task: asyncio.Task[None] | None = None
        self._followed: set[Span] = set()
        self._opened = 0.0
        self._told = 0
        """The last revision of the store that a listing or the watch has told."""

    def start(self, tasks: asyncio.TaskGroup) -> None:
        """List all, and follow; a fault ends the group."""
        self._watches.start_anew()
        self._registrations.list_anew()
        self._tasks = tasks
        self._task = tasks.create_task(self._follow())

    def look_again(self) -> None:
        """Take note that other things may have to be watched, or listed."""
        if any(known == 0 or span not in self._followed for span, known in self._spans().items()):
            self._restart()

    def heard(self, revision: int) -> None:
        """Take note of the store's revision, as something else than the watch has told it."""
        if revision > self._told and time.monotonic() - self._opened > RENEWAL:
            self._watches.list_anew()
            self._registrations.list_anew()
            self._restart()

    def _restart(self) -> None:
        if self._tasks is None or self._task is None or self._task.done() or self._task.cancelling():
            return  # not begun, or at an end
        self._task.cancel()
        self._task = self._tasks.create_task(self._follow())

    def _spans(self) -> dict[Span, int]:
        """Return what is to be watched, and the revision up to which each is known; 0: list it."""
        keys = self._registrations.spans.items()
        return self._watches.spans | {
            span: known for span, known in keys if not self._watches.covers(span.first)
        }

    async def _follow(self) -> None:
        while True:
            spans = self._spans()
            self._followed = set(spans)
            listing = await self._list([span for span, known in spans.items() if known == 0])
            spans.update((span, revision) for span, _, revision in listing)
            try:
                await self._watch(spans, listing)
            except Compacted:
                self._watches.list_anew()
                self._registrations.list_anew()

    async def _list(self, spans: list[Span]) -> Listing:
        """Read all that there is, as a quorum has it; what one request reads is of one moment."""
        found: Listing = []
        for first in range(0, len(spans), LARGEST_TXN):
            some = spans[first : first + LARGEST_TXN]
            answer = await self._gateway.ask("/v3/kv/txn", keyvalues.listing(some))
            revision = keyvalues.revision(answer)
            found += [
                (span, there, revision) for span, there in zip(some, keyvalues.listed(answer), strict=True)
            ]
        return found

    async def _watch(self, spans: dict[Span, int], listing: Listing) -> None:
        """Open a watch; once it stands, tell what was listed, and then what it tells.

        Returns when something has to be listed again.

        Raises:
            Compacted: it would have to begin at a revision that is gone.
        """
        if not spans:
            self._ready()
            await asyncio.Event().wait()
        async with aclosing(self._gateway.follow("/v3/watch", *keyvalues.watching(spans))) as messages:
            async with deadline(self._gateway.patience):
                early = await _confirmed(messages, len(spans))
            self._begin(listing)
            for message in early:
                self._take(message)
            while 0 not in self._watches.spans.values():
                message = await anext(messages)
                _raise_if_cancelled(message)
                self._take(message)
        await asyncio.sleep(BREATH)

    def _begin(self, listing: Listing) -> None:
        """Tell what was listed: the watch stands."""
        self._opened = time.monotonic()
        self._ready()
        for span, found, revision in listing:
            self._told = max(self._told, revision)
            self._watches.listed(span, found, revision)
            self._registrations.listed(span, found, revision)

    def _take(self, message: Message) -> None:
        """Tell what the watch tells."""
        changes = keyvalues.changes(message)
        self._watches.changed(changes)
        for change in changes:
            found = change.found
            self._told = max(self._told, found.revision)
            self._registrations.observe(found.key, None if change.deleted else found, found.revision)


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
