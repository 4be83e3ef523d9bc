"""What the agent wants to be there, and to be told: compared with what is there whenever that has changed."""

import asyncio
from dataclasses import dataclass

from vipagent.core.words import Claim
from vipagent.store.backend import Entry, Listener, Snapshot
from vipagent.store.layout import Directory, Key
from vipagent_redis.entries import Entries


@dataclass(slots=True)
class _Wish:
    """An entry that is to be there."""

    value: bytes
    written: bytes | None = None
    """What was written last; None: it was never ours, so that our node's earlier run may be replaced (G3)."""


class Wishes:
    """Wishes and watches, by directory: those whose names changed are looked at, the others are not."""

    def __init__(self, listener: Listener) -> None:
        self._listener = listener
        self._wishes: dict[Key, _Wish] = {}
        self._told: dict[Directory, Snapshot | None] = {}
        self._held: set[Directory] = set()
        self._unseen: set[Directory] = set()
        self._wake = asyncio.Event()

    def want(self, key: Key, value: bytes) -> None:
        """Keep an entry from now on."""
        self._wishes.setdefault(key, _Wish(value)).value = value
        self._held.add(key.directory)
        self._look_at({key.directory})

    def drop(self, key: Key) -> None:
        """Keep an entry no longer."""
        self._wishes.pop(key, None)
        self._look_at({key.directory} & self._held)

    def drop_all(self) -> None:
        """Keep and tell nothing any more."""
        self._wishes.clear()
        self._told.clear()
        self._look_at(self._held)

    def watch(self, directory: Directory) -> None:
        """Hand over a directory from now on."""
        self._told[directory] = None
        self._look_at({directory})

    def unwatch(self, directory: Directory) -> None:
        """Hand over a directory no longer."""
        self._told.pop(directory, None)

    def changed(self, path: str, prefix: str) -> None:
        """Look at the directory of an entry that has changed, if it matters."""
        folder = path.rpartition("/")[0]
        self._look_at({place for place in self._places if place.path(prefix) == folder})

    def start_anew(self) -> None:
        """Look everywhere, and hand over everything: after each (re)connection (L4)."""
        self._told = dict.fromkeys(self._told)
        self.look_everywhere()

    def look_everywhere(self) -> None:
        """Look at each directory that matters."""
        self._look_at(self._places)

    def keys(self) -> list[Key]:
        """Return the entries that are to be there."""
        return list(self._wishes)

    async def fulfil(self, entries: Entries) -> None:
        """Look at what has changed, until nothing is left to look at."""
        while self._unseen:
            await self._look(self._unseen.pop(), entries)

    async def fulfil_for_ever(self, entries: Entries, limit: float) -> None:
        """Look at what changes.

        Raises:
            TimeoutError: it takes longer than `limit` seconds.
        """
        while True:
            async with asyncio.timeout(limit):
                await self.fulfil(entries)
            self._wake.clear()
            await self._wake.wait()

    @property
    def _places(self) -> set[Directory]:
        return self._told.keys() | self._held

    def _look_at(self, directories: set[Directory]) -> None:
        self._unseen |= directories
        self._wake.set()

    async def _look(self, directory: Directory, entries: Entries) -> None:
        """Make wishes come true; the change is an event, after which it is told."""
        found = await entries.list(directory)
        for name, entry in found.items():
            if entry.claim is Claim.OURS and Key(directory, name) not in self._wishes:
                await entries.drop(Key(directory, name))
        for key, wish in list(self._wishes.items()):
            if key.directory == directory:
                await self._fulfil(key, wish, found.get(key.name), entries)
        if directory in self._told and self._told[directory] != found:
            self._told[directory] = found
            self._listener.snapshot(directory, found)

    async def _fulfil(self, key: Key, wish: _Wish, found: Entry | None, entries: Entries) -> None:
        value, replaceable = wish.value, None
        if found is not None:
            if found.claim is Claim.OURS and wish.written == value:
                return
            if found.claim is not Claim.OTHER and wish.written is None:
                replaceable = found.value
        if await entries.take(key, value, replaceable):
            wish.written = value
