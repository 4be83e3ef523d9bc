"""The interface of a driver: what differs from store to store.

A driver connects to one store, keeps its session alive, follows directories, and changes entries by compare
and set. The layer above does what all stores share: it decides which registrations to make (`reconciler`),
keeps the session's state and its retries (`session`), and applies timeouts (`runner`). A driver executes
single requests, or raises; it never retries, never times out, and does not store the desired entries.
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
"""The version of this interface. A driver with another `api_version` is not loaded."""


class Holder(StrEnum):
    """The session that holds an entry, by the store's metadata (ephemeral owner, lease, session, lock)."""

    OURS = "ours"
    """This session: the entry lives until the session ends."""
    EARLIER = "earlier"
    """An earlier session of this driver: the entry is ours, but will expire soon."""
    OTHER = "other"
    """Another session, or none: a persistent entry, or an entry of another client."""


@dataclass(frozen=True, slots=True)
class Found:
    """An entry as read from the store."""

    value: bytes
    version: object
    """Compared by `put` and `delete`; changes with each write. Opaque to all but the driver."""
    holder: Holder = Holder.OTHER


Listing = Mapping[str, Found | None]
"""All entries of a directory, by name. None: the entry exists, but its value was not needed, so not read."""


class DriverError(Exception):
    """Base class of the errors that a driver raises. The message is shown to operators."""


class Disconnected(DriverError):
    """The connection is unusable, or the response is invalid. The outcome of the request is unknown."""


class SessionEnded(DriverError):
    """The store ended the session: its entries are deleted, or will be soon."""


class Refused(DriverError):
    """The store rejected the request: no permission, no space, or an invalid name."""


class EntryChanged(DriverError):
    """The compare failed: the entry changed after it was read. Nothing was written."""


Names = Mapping[Directory, frozenset[str] | None]
"""Names of entries by directory; None means all entries."""


class Interests:
    """The directories to follow. The client changes it while `Driver.follow` runs. Not thread-safe."""

    def __init__(self) -> None:
        self.names: Names = {}
        """The directories, and the names of the entries whose values are needed."""
        self.only_named: frozenset[Directory] = frozenset()
        """Directories whose listings may leave out all entries but the named ones."""
        self._changed = asyncio.Event()

    def replace(self, names: Names, only_named: frozenset[Directory]) -> None:
        """Set the directories to follow from now on."""
        if names is not self.names and (names, only_named) != (self.names, self.only_named):
            self.names, self.only_named = names, only_named
            self._changed.set()

    async def changed(self) -> None:
        """Wait for a change since the previous call."""
        await self._changed.wait()
        self._changed.clear()


OnListing = Callable[[Directory, Listing | None], None]
"""Called with a directory and its listing; None: reading it is not permitted. Never blocks or raises."""


@dataclass(frozen=True, slots=True)
class SessionInfo:
    """A session as confirmed by the store."""

    timeout: float
    """Session timeout: the store ends a session without a keep-alive for this many seconds."""
    detail: str
    """Text for operators: host, software, version, and what can end the session."""


class Driver(ABC):
    """One session with one store, on an asyncio loop.

    The constructor validates the settings, raises `StoreConfigError`, and does no I/O. Every request can be
    cancelled at any time. Requests raise a `DriverError`, or `StoreConfigError` (for example when a password
    file has been removed). Any other exception is a bug: the client logs it once and reconnects.
    """

    api_version: int
    """The `API_VERSION` that the driver was written for, as a literal number. There is no default."""
    name: str
    """The store's name in messages and thread names, for example `etcd`."""

    servers: tuple[str, ...] = ("",)
    """Servers for `connect` to try, as `HOST:PORT`. Keep the default if the client library chooses."""
    in_order = False
    """Whether agents start with the first server, the nearest one. Otherwise they start with a random one."""
    request_timeout: float | None = None
    """Timeout in seconds of `connect`, `put`, `delete`, `get`, and the first keep-alive of a connection, if
    they log in or queue. None: the timeout of the other keep-alives."""
    keep_alives_per_session = 3
    """Number of keep-alives per session timeout."""

    def __init__(self, settings: StoreSettings) -> None:
        self.settings = settings

    @abstractmethod
    async def connect(self, server: str) -> None:
        """Connect to a server and log in. Close the previous connection first.

        Raises:
            Disconnected: no response, or not from a store of this kind.
            Refused: the login failed.
        """

    @abstractmethod
    async def keep_alive(self) -> SessionInfo:
        """Send a keep-alive and return the confirmed session.

        The first call on a connection resumes the session if it still exists, and opens a new one otherwise.

        Raises:
            Disconnected: no response.
            SessionEnded: the session, confirmed on this connection before, has ended.
            Refused: the store does not open a session.
        """

    @abstractmethod
    async def follow(self, interests: Interests, on_listing: OnListing) -> Never:
        """Pass the complete listing of each directory of interest to `on_listing`: now and after each change.

        Several changes may be merged into one listing, but the last state is always reported. A directory
        that does not exist has an empty listing. When names are added to `interests`, report their values.
        The method runs until it fails or is cancelled.

        Raises:
            Disconnected: the connection failed; the client reconnects.
            SessionEnded: as in `keep_alive`.
            Refused: the store does not permit any reading.
        """

    @abstractmethod
    async def get(self, key: Key) -> Found | None:
        """Return the current entry; None if it does not exist."""

    @abstractmethod
    async def read(self, directory: Directory) -> Listing:
        """Return all current entries of a directory, with their values."""

    @abstractmethod
    async def put(self, key: Key, value: bytes, expected: Found | None, *, ephemeral: bool) -> Found:
        """Write an entry atomically if it is unchanged, and return the new entry.

        Args:
            key: the key to write.
            value: the new value.
            expected: the entry to compare with; None if the key must not exist.
            ephemeral: whether this session holds the entry from now on; otherwise it is persistent.

        Raises:
            EntryChanged: the current entry is not the expected one.
        """

    @abstractmethod
    async def delete(self, key: Key, found: Found) -> None:
        """Delete an entry if it is unchanged.

        Raises:
            EntryChanged: the entry was changed or deleted.
        """

    def version(self, timeout: float) -> str:
        """Return the store's software and version for operators, if `SessionInfo.detail` lacks them.

        Called on any thread, without a connection. Blocks for at most `timeout` seconds.

        Raises:
            StoreError: the server did not respond.
        """
        return ""

    @abstractmethod
    async def close(self) -> None:
        """End the session, which deletes its entries immediately, then close the connection.

        Cancelled on timeout; leaves no thread and no connection behind in this case, too.

        Raises:
            Disconnected: the session could not be ended on this connection. The client connects to another
                server and calls `close` again.
        """
