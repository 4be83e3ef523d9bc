"""Ephemeral entries that are kept, replaced or left alone by the contract's rules (G2, G3)."""

from collections.abc import Callable

from kazoo.exceptions import BadVersionError, NodeExistsError, NoNodeError

from vipagent.core.words import Claim
from vipagent_zookeeper.duty import Duty
from vipagent_zookeeper.session import Session
from vipagent_zookeeper.znodes import Znode, Znodes

OVERTAKEN = (BadVersionError, NodeExistsError, NoNodeError)
"""Somebody was quicker than us: look again."""


class Keeper(Duty):
    """Keeps one entry there, or sees to it that ours is not there."""

    def __init__(self, session: Session, znodes: Znodes, path: str, done: Callable[[str], None]) -> None:
        """Prepare.

        Args:
            session: the present one.
            znodes: for requests.
            path: the entry's.
            done: told the path when an entry that is not wanted is gone.
        """
        super().__init__(session, f"registering {path}")
        self._znodes = znodes
        self._path = path
        self._done = done
        self._wanted: bytes | None = None
        self._written: bytes | None = None
        """What we wrote last, as far as we know: what others write is left there."""
        self._fulfilled = False
        """Whether this wish ever was: if so, a namesake's entry is a twin's and stays."""

    def want(self, value: bytes | None) -> None:
        """Keep an entry with this value from now on; None: keep none."""
        self._wanted = value
        if value is None:
            self._fulfilled = False
        self.poke()

    async def fulfil(self) -> bool:
        """Look, act, and look again until it is as it should be; there is a watch on it then."""
        settled = False
        while not settled:
            wanted = self._wanted
            try:
                found = await self._znodes.get(self._path)
                settled = await (self._absent(found) if wanted is None else self._present(found, wanted))
            except OVERTAKEN:
                continue
            settled = settled and wanted == self._wanted
        if self._wanted is None:
            self._done(self._path)
        return self._wanted is None

    async def _absent(self, found: Znode | None) -> bool:
        if found is not None and self._znodes.claim(found) == Claim.OURS:
            await self._znodes.delete(self._path, found.version)
        return True

    async def _present(self, found: Znode | None, value: bytes) -> bool:
        """Do the next step; return whether nothing is left to do until something changes."""
        if found is None:
            self._written = None
            await self._znodes.create(self._path, value, ephemeral=True)
        elif found.owner == self.session.numbers[-1]:
            self._fulfilled = True
            if self._written == value:
                return True
            self._written = None
            await self._znodes.set(self._path, value)
        elif self._is_replaceable(found):
            self._written = None
            await self._znodes.replace(self._path, value, found.version, ephemeral=True)
        else:
            return True
        self._written = value
        return False

    def _is_replaceable(self, found: Znode) -> bool:
        claim = self._znodes.claim(found)
        return claim == Claim.OURS or (claim == Claim.SAME_NODE and not self._fulfilled)


class Registrations:
    """All entries that are kept, or on their way out. Lives on the backend's loop."""

    def __init__(self, make: Callable[[str, Callable[[str], None]], Keeper]) -> None:
        self._make = make
        self._keepers: dict[str, Keeper] = {}

    def want(self, path: str, value: bytes | None) -> None:
        """Keep an entry there with this value; None: see to it that ours is gone."""
        keeper = self._keepers.get(path)
        if keeper is None:
            keeper = self._keepers[path] = self._make(path, self._forget)
            keeper.start()
        keeper.want(value)

    def touched(self, path: str) -> None:
        """Take a change at a path."""
        if (keeper := self._keepers.get(path)) is not None:
            keeper.poke()

    def reconnected(self) -> None:
        """Look at all of them again."""
        for keeper in self._keepers.values():
            keeper.poke()

    def _forget(self, path: str) -> None:
        del self._keepers[path]
