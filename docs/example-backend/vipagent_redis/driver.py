"""The driver: entries are hashes that expire unless their session renews them."""

import asyncio
import re
from contextlib import AsyncExitStack
from typing import Any, Never

from redis.asyncio import Redis

from vipagent.store.access import parse_hosts, parse_options
from vipagent.store.backend import StoreConfigError, StoreSettings
from vipagent.store.driver import (
    Driver,
    EntryChanged,
    Found,
    Holder,
    Interests,
    Listing,
    OnListing,
    SessionInfo,
)
from vipagent.store.layout import Directory, Key
from vipagent_redis import scripts
from vipagent_redis.changes import Changes
from vipagent_redis.server import PORT, RedisOptions, check_events, client, translated_errors


class RedisDriver(Driver):
    """Redis has no sessions, so the session is the run of the agent: its entries contain its ID and expire.

    See `vipagent.store.driver.Driver` for the contract of each method.
    """

    api_version = 2
    name = "redis"

    def __init__(self, settings: StoreSettings) -> None:
        super().__init__(settings)
        self._options = parse_options(RedisOptions, settings.options)
        self.servers = tuple(map(str, parse_hosts(settings.hosts or ("localhost",), PORT)))
        if len(self.servers) > 1:
            raise StoreConfigError(f"hosts: exactly one server is supported, not {len(self.servers)}")
        self._holder = settings.instance.encode()
        self._life = int(settings.session_timeout * 1000)
        self._held: set[bytes] = set()
        """Entries that may be ours, including those with a lost reply to `put`."""
        self._connection = AsyncExitStack()
        self._redis: Redis
        self._version = ""
        self._changes: Changes | None = None

    async def connect(self, server: str) -> None:
        """See `Driver.connect`."""
        await self._connection.aclose()
        self._redis = await self._connection.enter_async_context(client(server, self._options))
        with translated_errors():
            await check_events(self._redis)
            self._version = (await self._redis.info("server"))["redis_version"]

    async def keep_alive(self) -> SessionInfo:
        """See `Driver.keep_alive`."""
        await self._renew(self._life)
        if self._changes is not None:
            with translated_errors():
                await self._changes.ping()
        timeout = self.settings.session_timeout
        return SessionInfo(
            timeout, f"{self.servers[0]}: Redis {self._version}, entries expire after {timeout:g} s"
        )

    async def follow(self, interests: Interests, on_listing: OnListing) -> Never:
        """See `Driver.follow`."""
        with translated_errors():
            async with self._redis.pubsub() as events:
                changes = Changes(events, interests, self.settings.prefix)
                await changes.subscribe(self._options.db)
                self._changes = changes
                try:
                    async with asyncio.TaskGroup() as tasks:
                        tasks.create_task(changes.receive())
                        tasks.create_task(changes.watch_interests())
                        while True:
                            for directory in await changes.stale():
                                on_listing(directory, await self.read(directory))
                finally:
                    self._changes = None

    async def get(self, key: Key) -> Found | None:
        """See `Driver.get`."""
        return self._found(await self._run(scripts.READ, self._path(key)))

    async def read(self, directory: Directory) -> Listing:
        """See `Driver.read`."""
        root = self._path(directory) + b"/"
        pattern = re.sub(rb"[*?\[\\]", rb"\\\g<0>", root) + b"*"
        with translated_errors():
            paths = {path async for path in self._redis.scan_iter(pattern, count=1000)}
            names = sorted(name for path in paths if (name := _name(path.removeprefix(root))))
            async with self._redis.pipeline(transaction=False) as pipe:
                for name in names:
                    pipe.eval(scripts.READ, 1, root + name.encode())
                answers = zip(names, await pipe.execute(), strict=True)
        return {name: found for name, answer in answers if (found := self._found(answer))}

    async def put(self, key: Key, value: bytes, expected: Found | None, *, ephemeral: bool) -> Found:
        """See `Driver.put`."""
        path = self._path(key)
        if ephemeral:
            self._held.add(path)
        version = expected.version if expected else b""
        holder = self._holder if ephemeral else b""
        found = self._found(await self._run(scripts.PUT, path, version, value, holder, self._life))
        if found is None:
            raise EntryChanged(f"{key.name} has changed")
        return found

    async def delete(self, key: Key, found: Found) -> None:
        """See `Driver.delete`."""
        if not await self._run(scripts.DELETE, self._path(key), found.version):
            raise EntryChanged(f"{key.name} has changed")
        self._held.discard(self._path(key))

    async def close(self) -> None:
        """See `Driver.close`."""
        try:
            if self._held:
                await self._renew(0)
        finally:
            await self._connection.aclose()

    async def _renew(self, ttl_ms: int) -> None:
        """Renew our entries for a number of milliseconds; always sends a ping."""
        with translated_errors():
            async with self._redis.pipeline(transaction=False) as pipe:
                pipe.ping()
                for path in self._held:
                    pipe.eval(scripts.RENEW, 1, path, self._holder, ttl_ms)
                await pipe.execute()

    async def _run(self, script: str, path: bytes, *arguments: Any) -> Any:
        with translated_errors():
            return await self._redis.eval(script, 1, path, *arguments)

    def _found(self, answer: list[bytes] | None) -> Found | None:
        if answer is None:
            return None
        value, version, holder = answer
        return Found(value, version, Holder.OURS if holder == self._holder else Holder.OTHER)

    def _path(self, place: Directory | Key) -> bytes:
        return place.path(self.settings.prefix).encode()


def _name(name: bytes) -> str:
    """Return an entry's name; empty if it is invalid."""
    text = name.decode(errors="ignore")
    return text if text.encode() == name and "/" not in text else ""
