"""The session: a connection for requests, one for events, and a clock of its own."""

import asyncio
import random
from contextlib import suppress
from typing import Any

from redis.asyncio.client import PubSub
from redis.exceptions import RedisError

from vipagent.core.words import StoreState
from vipagent.store.backend import Listener, StoreConfigError, StoreError, StoreSettings
from vipagent_redis.entries import Entries
from vipagent_redis.server import Server, check_events
from vipagent_redis.wishes import Wishes

EVENTS = ("hset", "hdel", "del", "expired")
"""What changes a directory. That an entry lives on (`expire`) is none of it."""
FIRST_PAUSE = 0.1
SLOWEST = 1.0
"""Seconds between two attempts to connect, and those that an attempt or a request may take."""


class Session:
    """Connected as long as the server answers; all of it runs on one loop."""

    def __init__(self, server: Server, settings: StoreSettings, listener: Listener) -> None:
        self._server = server
        self._settings = settings
        self._listener = listener
        self._life = settings.session_timeout
        self._timeout = min(SLOWEST, self._life / 3)
        self.wishes = Wishes(listener)
        self._told: tuple[StoreState | None, str] = (None, "")
        self._expiry: asyncio.TimerHandle | None = None

    async def run(self) -> None:
        """Be connected, and connect again after each fault, for ever (L2)."""
        pause = FIRST_PAUSE
        while True:
            try:
                await self._serve()
            except* (RedisError, OSError, StoreError, StoreConfigError) as faults:
                pause = FIRST_PAUSE if self._told[0] is StoreState.CONNECTED else min(2 * pause, SLOWEST)
                state = StoreState.LOST if self._expiry is None else StoreState.UNSURE
                self._tell(state, self._server.in_words(faults.exceptions[0]))
            await asyncio.sleep(pause * random.uniform(0.5, 1.0))  # noqa: S311 - jitter

    async def end(self, within: float) -> None:
        """Remove our entries, if the server answers in time; they expire if not."""
        self._forget_expiry()
        self.wishes.drop_all()
        with suppress(RedisError, OSError, StoreConfigError):
            async with asyncio.timeout(within), self._server.client(within) as redis:
                await self.wishes.fulfil(Entries(redis, self._settings))

    async def _serve(self) -> None:
        async with self._server.client(self._timeout) as redis, redis.pubsub() as events:
            entries = Entries(redis, self._settings)
            async with asyncio.timeout(self._timeout):
                await check_events(redis)
                await self._subscribe(events)
                await self._keep(entries)
            self._tell(StoreState.CONNECTED, f"{self._server.address}, entries live for {self._life:g} s")
            self.wishes.start_anew()
            async with asyncio.TaskGroup() as tasks:
                tasks.create_task(self._follow(events))
                tasks.create_task(self._keep_alive(entries, events))
                tasks.create_task(self.wishes.fulfil_for_ever(entries, self._life))

    async def _subscribe(self, events: PubSub) -> None:
        """Have every change told from now on: before the first look, or one in between would be missed."""
        channels = [f"__keyevent@{self._server.db}__:{event}" for event in EVENTS]
        await events.subscribe(*channels)
        for _ in channels:
            await self._next(events)

    async def _follow(self, events: PubSub) -> None:
        while True:
            message = await self._next(events)
            if message["type"] == "message":
                self.wishes.changed(message["data"].decode(errors="replace"), self._settings.prefix)

    async def _next(self, events: PubSub) -> dict[str, Any]:
        """Return the next event, or the answer to a ping: one of them comes, or the connection is dead."""
        message: dict[str, Any] | None = await events.get_message(timeout=self._life)
        if message is None:
            raise StoreError("no events any more")
        return message

    async def _keep_alive(self, entries: Entries, events: PubSub) -> None:
        while True:
            await asyncio.sleep(self._life / 3)
            if self._expiry is None:
                raise StoreError("the session is over")
            async with asyncio.timeout(self._timeout):
                await events.ping()
                await self._keep(entries)

    async def _keep(self, entries: Entries) -> None:
        """Let our entries live on; that they do is known from when this was asked, not answered."""
        loop = asyncio.get_running_loop()
        asked = loop.time()
        if not await entries.keep(self.wishes.keys()):
            self.wishes.look_everywhere()
        self._forget_expiry()
        self._expiry = loop.call_at(asked + self._life, self._expire)

    def _expire(self) -> None:
        self._expiry = None
        self._tell(StoreState.LOST, f"{self._server.address}: no sign of life for {self._life:g} s")

    def _forget_expiry(self) -> None:
        if self._expiry is not None:
            self._expiry.cancel()
            self._expiry = None

    def _tell(self, state: StoreState, detail: str) -> None:
        if (state, detail) != self._told:
            self._told = state, detail
            self._listener.session(state, detail)
