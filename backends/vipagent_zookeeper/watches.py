"""Directories that are watched, and handed over whole at each change."""

from collections.abc import Callable

from vipagent.store.backend import Entry, Snapshot
from vipagent.store.layout import Directory
from vipagent_zookeeper.duty import Duty
from vipagent_zookeeper.session import Session
from vipagent_zookeeper.znodes import Znodes

HandOver = Callable[[Directory, Snapshot], None]


class Follower(Duty):
    """Follows one directory. Values are read once, and again when a watch says that they have changed."""

    def __init__(
        self, session: Session, znodes: Znodes, directory: Directory, path: str, hand_over: HandOver
    ) -> None:
        super().__init__(session, f"watching {path}")
        self.values: frozenset[str] | None = frozenset()
        """The names whose values are needed; None: all."""
        self._znodes = znodes
        self._directory = directory
        self._path = path
        self._hand_over = hand_over
        self._known: dict[str, Entry] = {}
        self._outdated: set[str] = set()
        self._told: Snapshot | None = None

    def touch(self, name: str) -> None:
        """Take note that this entry's value has changed."""
        self._outdated.add(name)
        self.poke()

    def forget(self) -> None:
        """Read all anew and hand it over: nothing watched while there was no connection."""
        self._known, self._told = {}, None
        self.poke()

    async def fulfil(self) -> bool:
        """List, read what is not known, and hand over what is new."""
        known = self._known
        while self._outdated:
            known.pop(self._outdated.pop(), None)
        names = await self._znodes.names(self._path)
        needed = frozenset(names) if self.values is None else self.values.intersection(names)
        read = await self._znodes.entries(self._path, needed.difference(known))
        if known is self._known:  # else it was forgotten meanwhile, and what was read is watched no more
            self._known = {name: entry for name, entry in (known | read).items() if name in needed}
            self._tell(
                {
                    name: self._known.get(name, Entry())
                    for name in names
                    if name in self._known or name not in needed  # else it has gone since it was listed
                }
            )
        return False

    def _tell(self, entries: Snapshot) -> None:
        if entries != self._told:
            self._told = entries
            self._hand_over(self._directory, entries)


class Watches:
    """All watched directories. Lives on the backend's loop."""

    def __init__(self, make: Callable[[Directory], Follower], path_of: Callable[[Directory], str]) -> None:
        self._make = make
        self._path_of = path_of
        self._followers: dict[str, Follower] = {}

    def watch(self, directory: Directory, values: frozenset[str] | None) -> None:
        """Follow a directory; if it is followed already, hand over these values from now on."""
        path = self._path_of(directory)
        follower = self._followers.get(path)
        if follower is None:
            follower = self._followers[path] = self._make(directory)
            follower.start()
        follower.values = values
        follower.poke()

    def unwatch(self, directory: Directory) -> None:
        """Follow it no more."""
        if (follower := self._followers.pop(self._path_of(directory), None)) is not None:
            follower.stop()

    def touched(self, path: str) -> None:
        """Take a change at a path: of a directory, or of an entry in one."""
        if (follower := self._followers.get(path)) is not None:
            follower.poke()
        parent, _, name = path.rpartition("/")
        if (follower := self._followers.get(parent)) is not None:
            follower.touch(name)

    def reconnected(self) -> None:
        """Hand all over anew (L4)."""
        for follower in self._followers.values():
            follower.forget()
