"""What one store is, and nothing else: the interface of a driver.

A driver speaks to one store: it connects, keeps its session alive, follows directories, and changes entries
by compare and set. What all stores share is above it: which registrations are made when (`reconciler`), the
session's state, deadlines and retries (`session`), and running it all (`serving`). So a driver neither
retries, nor times anything out, nor keeps what the agent desires: it does one request, or raises.
"""

import asyncio
from abc import ABC, abstractmethod
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from enum import StrEnum
from typing import Never

from vipagent.store.backend import StoreSettings
from vipagent.store.layout import Directory, Key

API_VERSION = 2
"""The version of this interface. A driver whose `api_version` is another one is not used."""


class Holder(StrEnum):
    """Who holds an entry, by the store's own word (ephemeral owner, lease, session, lock)."""

    OURS = "ours"
    """This session: the entry stays as long as it does."""
    EARLIER = "earlier"
    """An earlier session of this very driver: the entry is ours, and about to vanish."""
    OTHER = "other"
    """Another session, or none: a persistent entry, a foreign client's."""


@dataclass(frozen=True, slots=True)
class Found:
    """An entry as it is in the store."""

    value: bytes
    version: object
    """What `put` and `delete` compare; another one after each change. Only the driver looks into it."""
    holder: Holder = Holder.OTHER


Listing = Mapping[str, Found | None]
"""All entries of a directory, by name. None: it is there, but was not read, for nobody needs its value."""


class DriverError(Exception):
    """The base of what a driver raises; the message is for people."""


class Disconnected(DriverError):
    """The connection is unusable, or the answer makes no sense: whether the request was done is unknown."""


class SessionEnded(DriverError):
    """The store says that the session is over: all its entries are gone or about to go."""


class Refused(DriverError):
    """The store answered, and will not do this: no permission, no space, a name that it does not take."""


class EntryChanged(DriverError):
    """The entry is not (any more) as it was found: nothing was done."""


Names = Mapping[Directory, frozenset[str] | None]
"""Directories, and of each the names of the entries that are meant; None stands for all."""


class Interests:
    """The directories to follow. The client changes it while `Driver.follow` runs. To be used on the loop."""

    def __init__(self) -> None:
        self.names: Names = {}
        """The directories, and the names whose values are needed."""
        self.alone: frozenset[Directory] = frozenset()
        """The directories of which no other names are of interest: a listing may leave the others out."""
        self._changed = asyncio.Event()

    def replace(self, names: Names, alone: frozenset[Directory]) -> None:
        """Set what is to be followed from now on."""
        if names is not self.names and (names, alone) != (self.names, self.alone):
            self.names, self.alone = names, alone
            self._changed.set()

    async def changed(self) -> None:
        """Wait for a change since this was called last."""
        await self._changed.wait()
        self._changed.clear()


OnListing = Callable[[Directory, Listing | None], None]
"""Takes a directory's listing; None: the store does not let us read it. Returns at once, raises nothing."""


@dataclass(frozen=True, slots=True)
class SessionInfo:
    """What the store confirms of a session."""

    life: float
    """Seconds without a sign of life after which the store ends it."""
    detail: str
    """For people: host, software, version, what ends the session."""


class Driver(ABC):
    """One session with one store, on an asyncio loop.

    The constructor validates the settings, raises `StoreConfigError`, and does no I/O. Every request may be
    cancelled at any time. What it raises is a `DriverError`, or a `StoreConfigError` (a password file that
    has gone); whatever else it raises is a bug that the client logs once and counts as `Disconnected`.
    """

    api_version: int
    """The `API_VERSION` that it was written for, as a number: there is no default, its author has to know."""
    name: str
    """The store's name, for messages and threads: `etcd`."""

    servers: tuple[str, ...] = ("",)
    """The servers that `connect` can be told to try, as `HOST:PORT`; one, if the client library chooses."""
    in_order = False
    """Whether each agent begins with the first of its servers, the nearest; else they spread over them."""
    request_timeout: float | None = None
    """Seconds for what may have to log in, or to wait for its turn: all but the keep-alives after the first;
    None: as for those."""
    keep_alives_per_session = 3
    """Keep-alives in a session's life."""

    def __init__(self, settings: StoreSettings) -> None:
        self.settings = settings

    @abstractmethod
    async def connect(self, server: str) -> None:
        """Connect to a server and log in; what an earlier connection has left open is closed first.

        Raises:
            Disconnected: there is no answer, or none of such a store's.
            Refused: the store does not let us in.
        """

    @abstractmethod
    async def keep_alive(self) -> SessionInfo:
        """Have the store confirm the session.

        The first one on a connection resumes the session if it still lives, and else begins a new one.

        Raises:
            Disconnected: it did not answer.
            SessionEnded: the session, confirmed on this connection before, is over.
            Refused: the store gives us no session.
        """

    @abstractmethod
    async def follow(self, interests: Interests, on_listing: OnListing) -> Never:
        """Pass on the whole listing of each directory of interest: as it is now, then after each change.

        Quick changes may be merged, but the last state is always passed on. A directory that does not exist
        is an empty listing. Where names are added to a directory's, their values are passed on, too. It ends
        by an error, or by being cancelled.

        Raises:
            Disconnected: nothing can be known any more; the client connects again.
            SessionEnded: as in `keep_alive`.
            Refused: the store lets us read nothing at all.
        """

    @abstractmethod
    async def get(self, key: Key) -> Found | None:
        """Return an entry as it is now; None: there is none."""

    @abstractmethod
    async def read(self, directory: Directory) -> Listing:
        """Return all entries of a directory as they are now, with their values."""

    @abstractmethod
    async def put(self, key: Key, value: bytes, expected: Found | None, *, ephemeral: bool) -> Found:
        """Set an entry if it is as it was found, without a moment of absence; return it as it is then.

        Args:
            key: the entry's.
            value: what it shall say.
            instead: what is there now; None: nothing.
            ephemeral: held by this session from now on; else persistent.

        Raises:
            EntryChanged: it is not as it was found.
        """

    @abstractmethod
    async def delete(self, key: Key, found: Found) -> None:
        """Remove an entry if it is as it was found.

        Raises:
            EntryChanged: it is another one, or gone.
        """

    def version(self, timeout: float) -> str:
        """Return the store's software and version for operators, if `SessionInfo.detail` has them not.

        It needs no connection, and blocks for at most `timeout` seconds, on any thread.

        Raises:
            StoreError: the server cannot be asked.
        """
        return ""

    @abstractmethod
    async def close(self) -> None:
        """End the session: its entries go at once, not after its life; then close the connection.

        It is cancelled when its time is over, and leaves no thread and no connection behind then, either.

        Raises:
            Disconnected: the session could not be ended on this connection. After another `connect` it is
                called again.
        """
