"""Directories that are followed: a blocking query for each, or one for all of a kind if there are many.

What a query lists counts, not that it wakes up.
"""

import asyncio
from collections.abc import Awaitable, Callable, Iterable, Mapping
from typing import Never

from vipagent.store.driver import Found, Interests, OnListing
from vipagent.store.layout import Directory, Kind
from vipagent.store.tasks import Tasks

WAIT = 15
"""Seconds of a blocking query: how long a connection that died without a word can go unnoticed while the
session's own is well."""
CALL = 2.0
"""Seconds for an answer beyond the wait."""
TOGETHER = 8
"""Directories of one kind from which on one query follows them all: a Consul agent lets a client have no more
than 200 connections."""
FIRST = 4
"""Directories that are listed at the same time at first: however many there are, each has its time."""
SPARED = 3
"""Wake-ups in a row without a change that are followed by the next query at once."""
MAX_PAUSE = 0.3
"""Seconds between queries that wake up without a change: Consul wakes one for an empty directory at any write
to any key."""

Span = Directory | Kind
"""What one query covers: a directory, or all of a kind."""
List = Callable[[Span, int, float, float], Awaitable[tuple[int, Mapping[str, Found]]]]
"""Lists a span as soon as it has changed since an index, or after so many seconds; the last is how long to
wait for an answer. Returns the index to go on from, and the entries by their names below the span."""
CheckReadable = Callable[[Directory], Awaitable[None]]
"""Raises `Refused` if a directory that seems empty may not be read."""


class Follower:
    """Follows all directories of interest, until one cannot be read.

    Args:
        list_changed: asks Consul.
        check_readable: asks Consul.
        on_listing: called with each listing.
    """

    def __init__(self, list_changed: List, check_readable: CheckReadable, on_listing: OnListing) -> None:
        self._list = list_changed
        self._check_readable = check_readable
        self._on_listing = on_listing
        self._first = asyncio.Semaphore(FIRST)

    async def run(self, interests: Interests) -> Never:
        """Follow.

        Raises:
            DriverError: why one cannot be read.
        """
        queries: dict[Span, tuple[frozenset[Directory], asyncio.Task[Never]]] = {}
        async with Tasks() as tasks:
            while True:
                plan = spans(interests.names)
                for span in [span for span, (covered, _) in queries.items() if plan.get(span) != covered]:
                    queries.pop(span)[1].cancel()
                for span in plan.keys() - queries.keys():
                    queries[span] = plan[span], tasks.create_task(self._query(span, plan[span]))
                await interests.changed()

    async def _query(self, span: Span, directories: frozenset[Directory]) -> Never:
        index, idle = 0, 0
        last: Mapping[str, Found] | None = None
        known: dict[Directory, dict[str, Found]] = {}
        while True:
            if index:
                at, below = await self._list(span, index, WAIT, CALL + WAIT + WAIT / 16)
            else:
                async with self._first:
                    at, below = await self._list(span, 0, 0, CALL)
            if below != last:
                await self._tell(split(span, directories, below), known)
            idle = idle + 1 if at != index and below == last else 0
            if idle > SPARED:
                await asyncio.sleep(min(MAX_PAUSE, 0.01 * 2 ** (idle - SPARED)))
            # an index that goes back (a server restored, a new leader) says nothing about what was missed
            index, last = (max(at, 1) if at >= index else 0), below

    async def _tell(
        self, listings: Mapping[Directory, dict[str, Found]], known: dict[Directory, dict[str, Found]]
    ) -> None:
        """Tell the directories that are not as they were known, and take them as known."""
        for directory, listing in listings.items():
            if listing != known.get(directory):
                if not listing:
                    await self._check_readable(directory)
                known[directory] = listing
                self._on_listing(directory, listing)


def spans(directories: Iterable[Directory]) -> dict[Span, frozenset[Directory]]:
    """Return what to ask for, and which directories each question covers."""
    by_kind: dict[Kind, set[Directory]] = {}
    for directory in directories:
        by_kind.setdefault(directory.kind, set()).add(directory)
    plan: dict[Span, frozenset[Directory]] = {}
    for kind, there in by_kind.items():
        if len(there) >= TOGETHER:
            plan[kind] = frozenset(there)
        else:
            plan.update({directory: frozenset({directory}) for directory in there})
    return plan


def split(
    span: Span, directories: frozenset[Directory], below: Mapping[str, Found]
) -> dict[Directory, dict[str, Found]]:
    """Return the entries of each directory; names that are paths, or no text, are nobody's entries (S1)."""
    listings: dict[Directory, dict[str, Found]] = {directory: {} for directory in directories}
    services = {directory.service: directory for directory in directories}
    for path, found in below.items():
        service, _, name = path.partition("/") if isinstance(span, Kind) else (span.service, "", path)
        if service in services and name and "/" not in name and name.isprintable():
            listings[services[service]][name] = found
    return listings
