"""The wishes for entries, and what has to be done for each: always from the key as it lies there (G2, G3)."""

import threading
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from enum import Enum, auto

from vipagent.core.words import Claim
from vipagent.store.backend import StoreSettings
from vipagent.store.layout import Directory, Key
from vipagent.store.records import claim_of
from vipagent_consul.client import Client, Held

MAX_SESSIONS = 64
"""Sessions of this run that are known as ours, the last ones."""
TRIES = 5
"""How often a key is looked at again at once if somebody else writes it at the same time."""


class Contested(Exception):
    """A key cannot be taken just now: others write it, or its last holder has left a lock-delay."""


class Step(Enum):
    """What a wish demands of its key."""

    CREATE = auto()
    UPDATE = auto()
    REPLACE = auto()
    LEAVE = auto()


@dataclass(slots=True)
class Wish:
    """An entry that is to be there."""

    value: bytes
    fulfilled: bool = False
    """Whether it ever was: if so, a namesake's entry is a twin's and stays (G3)."""
    written: bytes | None = None
    """What this session wrote last; None: nothing."""


class Registrations:
    """Wishes from any thread; fulfilled by one."""

    def __init__(self, settings: StoreSettings, poke: Callable[[], None]) -> None:
        """Begin without wishes; `poke` wakes who fulfils them."""
        self._settings = settings
        self._poke = poke
        self._lock = threading.Lock()
        self._wishes: dict[Key, Wish] = {}
        self._todo: dict[Key, None] = {}  # in the order of the wishes
        self._sessions: tuple[str, ...] = ()  # the last one is the present one

    @property
    def pending(self) -> bool:
        """Whether there is something to do."""
        return bool(self._todo)

    def register(self, key: Key, value: bytes) -> None:
        """Note a wish."""
        with self._lock:
            self._wishes.setdefault(key, Wish(value)).value = value
            self._todo[key] = None
        self._poke()

    def deregister(self, key: Key) -> None:
        """Forget a wish; its entry is to go."""
        with self._lock:
            self._wishes.pop(key, None)
            self._todo[key] = None
        self._poke()

    def directories(self) -> set[Directory]:
        """Return where there are wishes: to be watched, so that they stay fulfilled."""
        with self._lock:
            return {key.directory for key in self._wishes}

    def begin(self, session: str) -> None:
        """Take up a new session: every wish is to be made true in it."""
        with self._lock:
            self._sessions = (*self._sessions[1 - MAX_SESSIONS :], session)
            for wish in self._wishes.values():
                wish.written = None
            self._todo.update(dict.fromkeys(self._wishes))

    def claim(self, held: Held) -> Claim:
        """Say whose a key is: by its lock, else by its value."""
        if held.session and held.session in self._sessions:
            return Claim.OURS
        return claim_of(held.value, self._settings.node, self._settings.instance)

    def seen(self, directory: Directory, found: Mapping[str, Held | None]) -> None:
        """Look for work in what a watch has read: ours that are missing, or that nobody wants."""
        with self._lock:
            work = {
                key
                for key, wish in self._wishes.items()
                if key.directory == directory and self._is_work(wish, key.name in found, found.get(key.name))
            }
            session = self._sessions[-1] if self._sessions else ""
            ours = (
                name for name, held in found.items() if held is not None and held.session == session != ""
            )
            work |= {key for name in ours if (key := Key(directory, name)) not in self._wishes}
            self._todo.update(dict.fromkeys(work))
        if work:
            self._poke()

    def fulfil_next(self, client: Client, session: str) -> None:
        """Make the next wish true that is not; what fails stays to be done, after the others.

        Raises:
            StoreError: Consul is out of reach, or refuses.
            SessionGone: the session has ended.
            Contested: it has to wait.
        """
        if (key := self._next()) is None:
            return
        try:
            self._settle(client, session, key)
        except BaseException:
            with self._lock:
                self._todo[key] = None
            raise

    def _next(self) -> Key | None:
        with self._lock:
            key = next(iter(self._todo), None)
            if key is not None:
                del self._todo[key]
            return key

    def _settle(self, client: Client, session: str, key: Key) -> None:
        path = key.path(self._settings.prefix).strip("/")
        for _ in range(TRIES):
            with self._lock:
                wish = self._wishes.get(key)
                value = wish.value if wish is not None else b""
            if wish is None:
                client.release(path, session)
                return
            held = client.get(path)
            match self._step(wish, held), held:
                case Step.CREATE, _:
                    done = client.create(path, value, session)
                case Step.UPDATE, _:
                    done = client.update(path, value, session)
                case Step.REPLACE, Held(index=index):
                    done = client.replace(path, value, session, index)
                case _:
                    return
            if done:  # else the key was no longer as it was seen
                wish.fulfilled, wish.written = True, value
                return
        raise Contested(path)

    def _step(self, wish: Wish, held: Held | None) -> Step:
        """Say what to do about a wish whose key lies there like this."""
        if held is None:
            return Step.CREATE
        if self._sessions and held.session == self._sessions[-1]:
            return Step.LEAVE if wish.written == wish.value else Step.UPDATE
        claim = self.claim(held)
        ours = claim == Claim.OURS or (claim == Claim.SAME_NODE and not wish.fulfilled)
        return Step.REPLACE if ours else Step.LEAVE

    def _is_work(self, wish: Wish, exists: bool, held: Held | None) -> bool:
        if not exists:
            return True
        if held is None:  # the name alone was read
            return False
        return self._step(wish, held) != Step.LEAVE
