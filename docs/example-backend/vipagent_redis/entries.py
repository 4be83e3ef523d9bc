"""How entries lie in Redis: a hash at each key, with the fields `value` and, if it is ephemeral, `holder`.

A script runs at once, so that nobody comes between its looking and its doing. What has no field `value` is no
entry, whatever else it is.
"""

import re
from collections.abc import Iterable

from redis.asyncio import Redis

from vipagent.core.words import Claim
from vipagent.store.backend import MAX_ENTRIES, MAX_VALUE, Entry, Snapshot, StoreSettings
from vipagent.store.layout import Directory, Key
from vipagent.store.records import claim_of

LOOK = "local value, holder = unpack(redis.pcall('HMGET', KEYS[1], 'value', 'holder'));"

READ = f"{LOOK} return {{value and value:sub(1, {MAX_VALUE}) or false, holder or false}}"

# ARGV: holder, milliseconds to live, value and, if there is one, the value that may be replaced
TAKE = f"""{LOOK}
    if value and holder ~= ARGV[1] and value ~= ARGV[4] then return 0 end
    if not value then redis.call('DEL', KEYS[1]) end
    redis.call('HSET', KEYS[1], 'value', ARGV[3], 'holder', ARGV[1])
    return redis.call('PEXPIRE', KEYS[1], ARGV[2])"""

KEEP = f"{LOOK} return holder == ARGV[1] and redis.call('PEXPIRE', KEYS[1], ARGV[2]) or 0"

DROP = f"{LOOK} return holder == ARGV[1] and redis.call('DEL', KEYS[1]) or 0"


class Entries:
    """What a session does to the entries below its prefix."""

    def __init__(self, redis: Redis, settings: StoreSettings) -> None:
        self._redis = redis
        self._settings = settings
        self._life = int(settings.session_timeout * 1000)

    async def list(self, directory: Directory) -> Snapshot:
        """Return a directory's entries."""
        root = self._path(directory) + b"/"
        pattern = re.sub(rb"[*?\[\\]", rb"\\\g<0>", root) + b"*"
        paths = {path async for path in self._redis.scan_iter(pattern, count=1000)}
        names = sorted(name for path in paths if (name := _name(path.removeprefix(root))))[:MAX_ENTRIES]
        async with self._redis.pipeline(transaction=False) as pipe:
            for name in names:
                pipe.eval(READ, 1, root + name.encode())
            found = await pipe.execute()
        return {
            name: Entry(value, self._claim(value, holder))
            for name, (value, holder) in zip(names, found, strict=True)
            if value is not None
        }

    async def take(self, key: Key, value: bytes, replaceable: bytes | None) -> bool:
        """Make or update our entry; return whether it is ours now.

        An entry that somebody else holds stays, unless its value is `replaceable`.
        """
        arguments = [value] if replaceable is None else [value, replaceable]
        return bool(await self._redis.eval(TAKE, 1, self._path(key), self._holder, self._life, *arguments))

    async def keep(self, keys: Iterable[Key]) -> bool:
        """Let our entries live on; return whether they are all there. Without any, it is a sign of life."""
        async with self._redis.pipeline(transaction=False) as pipe:
            pipe.ping()
            for key in keys:
                pipe.eval(KEEP, 1, self._path(key), self._holder, self._life)
            return all(await pipe.execute())

    async def drop(self, key: Key) -> None:
        """Remove an entry if it is ours."""
        await self._redis.eval(DROP, 1, self._path(key), self._holder)

    async def write(self, key: Key, value: bytes) -> None:
        """Set a persistent entry."""
        async with self._redis.pipeline(transaction=True) as pipe:
            pipe.delete(self._path(key))
            pipe.hset(self._path(key), "value", value)
            await pipe.execute()

    async def erase(self, key: Key) -> bool:
        """Remove an entry; return whether there was one."""
        return bool(await self._redis.delete(self._path(key)))

    @property
    def _holder(self) -> bytes:
        return self._settings.instance.encode()

    def _path(self, place: Directory | Key) -> bytes:
        return place.path(self._settings.prefix).encode()

    def _claim(self, value: bytes, holder: bytes | None) -> Claim:
        if holder == self._holder:
            return Claim.OURS
        return claim_of(value, self._settings.node, self._settings.instance)


def _name(name: bytes) -> str:
    """Return an entry's name; empty for what can be none."""
    text = name.decode(errors="ignore")
    return text if text.encode() == name and "/" not in text else ""
