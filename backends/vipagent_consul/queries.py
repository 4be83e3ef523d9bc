"""Directories that are followed: a blocking query for each. What it lists counts, not that it wakes up."""

import asyncio
from collections.abc import Awaitable, Callable
from typing import Never

from vipagent.store.driver import Interests, Listing, Told
from vipagent.store.layout import Directory

WAIT = 15
"""Seconds of a blocking query: how long a connection that died without a word can go unnoticed while the
session's own is well."""
CALL = 2.0
"""Seconds for an answer beyond the wait."""
FIRST = 4
"""Directories that are listed at the same time at first: however many there are, each has its time."""
SPARED = 3
"""Wake-ups in a row without a change that are followed by the next query at once."""
MAX_PAUSE = 0.3
"""Seconds between queries that wake up without a change: Consul wakes one for an empty directory at any write
to any key."""

List = Callable[[Directory, int, float, float], Awaitable[tuple[int, Listing]]]
"""Lists a directory as soon as it has changed since an index, or after so many seconds; the last is how long
to wait for an answer. Returns the index to go on from."""


async def follow(interests: Interests, list_changed: List, told: Told) -> Never:
    """Follow all directories of interest, until one cannot be read.

    Raises:
        DriverError: why.
    """
    queries: dict[Directory, asyncio.Task[Never]] = {}
    first = asyncio.Semaphore(FIRST)
    try:
        async with asyncio.TaskGroup() as tasks:
            while True:
                for directory in queries.keys() - interests.names.keys():
                    queries.pop(directory).cancel()
                for directory in interests.names.keys() - queries.keys():
                    queries[directory] = tasks.create_task(_query(directory, list_changed, told, first))
                await interests.changed()
    except ExceptionGroup as faults:
        raise faults.exceptions[0] from None


async def _query(directory: Directory, list_changed: List, told: Told, first: asyncio.Semaphore) -> Never:
    index, last, idle = 0, None, 0
    while True:
        if index:
            at, listing = await list_changed(directory, index, WAIT, CALL + WAIT + WAIT / 16)
        else:
            async with first:
                at, listing = await list_changed(directory, 0, 0, CALL)
        if listing != last:
            told(directory, listing)
        idle = idle + 1 if at != index and listing == last else 0
        if idle > SPARED:
            await asyncio.sleep(min(MAX_PAUSE, 0.01 * 2 ** (idle - SPARED)))
        # an index that goes back (a server restored, a new leader) says nothing about what was missed
        index, last = (max(at, 1) if at >= index else 0), listing
