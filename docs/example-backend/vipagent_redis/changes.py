"""Determines which directories must be listed again: by the server's events, and by changed interests."""

import asyncio
from typing import Never

from redis.asyncio.client import PubSub

from vipagent.store.driver import Interests
from vipagent.store.layout import Directory

EVENTS = ("hset", "hdel", "del", "expired")
"""Events that change a directory; renewals (`expire`) do not."""


class Changes:
    """Collects the directories that may have changed.

    Args:
        events: a separate connection for events.
        interests: the directories to follow.
        prefix: the prefix of all keys.
    """

    def __init__(self, events: PubSub, interests: Interests, prefix: str) -> None:
        self._events = events
        self._interests = interests
        self._prefix = prefix
        self._stale: set[Directory] = set()
        self._news = asyncio.Event()
        self._answered = asyncio.Event()

    async def subscribe(self, db: int) -> None:
        """Subscribe to changes; must precede the first listing, so that no change is missed."""
        await self._events.subscribe(*(f"__keyevent@{db}__:{event}" for event in EVENTS))
        for _ in EVENTS:
            await self._events.get_message(timeout=None)

    async def receive(self) -> Never:
        """Process the server's events."""
        while True:
            message = await self._events.get_message(timeout=None)
            if message["type"] == "pong":
                self._answered.set()
            elif message["type"] == "message":  # not the late confirmation of a subscription
                folder = message["data"].rpartition(b"/")[0]
                self._touch({at for at in self._interests.names if at.path(self._prefix).encode() == folder})

    async def watch_interests(self) -> Never:
        """Process the interests, initially and after each change."""
        while True:
            self._touch(set(self._interests.names))
            await self._interests.changed()

    async def stale(self) -> set[Directory]:
        """Wait for stale directories, and return them."""
        await self._news.wait()
        self._news.clear()
        stale, self._stale = self._stale, set()
        return stale & self._interests.names.keys()

    async def ping(self) -> None:
        """Verify that the connection for events works, because a dead connection is not reported."""
        self._answered.clear()
        await self._events.ping()
        await self._answered.wait()

    def _touch(self, directories: set[Directory]) -> None:
        self._stale |= directories
        self._news.set()
