"""Follows directories: one blocking query for each, or one for all of a kind if there are many.

Only changed listings are reported, because a query may return without a change.
"""

import asyncio
from collections.abc import Awaitable, Callable, Iterable, Mapping
from typing import Never

from vipagent.store.driver import Found, Interests, OnListing
from vipagent.store.layout import Directory, Kind
from vipagent.store.tasks import Tasks

QUERY_WAIT = 15
"""Wait time of a blocking query in seconds: limits the time until a silently dead connection is detected."""
REPLY_MARGIN = 2.0
"""Additional timeout in seconds for the reply after the wait time."""
COMBINED_QUERY_THRESHOLD = 8
"""Number of directories of one kind from which one query follows them all: a Consul agent limits a client to
200 connections."""
INITIAL_CONCURRENCY = 4
"""Maximum number of concurrent initial listings, so that each one has its full timeout."""
MAX_SPURIOUS_WAKEUPS = 3
"""Number of consecutive replies without a change after which queries are delayed."""
MAX_QUERY_DELAY = 0.3
"""Delay in seconds between queries that return without a change: for an empty directory, Consul replies after
any write to any key."""

Span = Directory | Kind
"""The scope of one query: a directory, or all directories of a kind."""
List = Callable[[Span, int, float, float], Awaitable[tuple[int, Mapping[str, Found]]]]
"""Lists a span after a change since an index, or after a wait time; the last argument is the timeout of the
reply. Returns the next index, and the entries by their names below the span."""
CheckReadable = Callable[[Directory], Awaitable[None]]
"""Raises `Refused` if an empty directory is not readable."""


class ConsulFollower:
    """Follows all directories of interest until a request fails.

    Args:
        list_changed: sends a blocking query.
        check_readable: verifies an empty listing.
        on_listing: receives the listings.
    """

    def __init__(self, list_changed: List, check_readable: CheckReadable, on_listing: OnListing) -> None:
        self._list = list_changed
        self._check_readable = check_readable
        self._on_listing = on_listing
        self._first = asyncio.Semaphore(INITIAL_CONCURRENCY)

    async def run(self, interests: Interests) -> Never:
        """Follow the directories.

        Raises:
            DriverError: a request failed.
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
                at, below = await self._list(
                    span, index, QUERY_WAIT, REPLY_MARGIN + QUERY_WAIT + QUERY_WAIT / 16
                )
            else:
                async with self._first:
                    at, below = await self._list(span, 0, 0, REPLY_MARGIN)
            if below != last:
                await self._deliver(split(span, directories, below), known)
            idle = idle + 1 if at != index and below == last else 0
            if idle > MAX_SPURIOUS_WAKEUPS:
                await asyncio.sleep(min(MAX_QUERY_DELAY, 0.01 * 2 ** (idle - MAX_SPURIOUS_WAKEUPS)))
            # start again after a decreasing index (restored server, new leader)
            index, last = (max(at, 1) if at >= index else 0), below

    async def _deliver(
        self, listings: Mapping[Directory, dict[str, Found]], known: dict[Directory, dict[str, Found]]
    ) -> None:
        """Deliver the changed directories, and remember them."""
        for directory, listing in listings.items():
            if listing != known.get(directory):
                if not listing:
                    await self._check_readable(directory)
                known[directory] = listing
                self._on_listing(directory, listing)


def spans(directories: Iterable[Directory]) -> dict[Span, frozenset[Directory]]:
    """Return the queries, and the directories of each one."""
    by_kind: dict[Kind, set[Directory]] = {}
    for directory in directories:
        by_kind.setdefault(directory.kind, set()).add(directory)
    plan: dict[Span, frozenset[Directory]] = {}
    for kind, there in by_kind.items():
        if len(there) >= COMBINED_QUERY_THRESHOLD:
            plan[kind] = frozenset(there)
        else:
            plan.update({directory: frozenset({directory}) for directory in there})
    return plan


def split(
    span: Span, directories: frozenset[Directory], below: Mapping[str, Found]
) -> dict[Directory, dict[str, Found]]:
    """Return the entries of each directory; names with slashes or unprintable characters are ignored (S1)."""
    listings: dict[Directory, dict[str, Found]] = {directory: {} for directory in directories}
    services = {directory.service: directory for directory in directories}
    for path, found in below.items():
        service, _, name = path.partition("/") if isinstance(span, Kind) else (span.service, "", path)
        if service in services and name and "/" not in name and name.isprintable():
            listings[services[service]][name] = found
    return listings
