"""A session with a store as the agent sees it. A new store is not a subclass of this: see `driver`.

It holds what the agent desires (entries to keep registered, directories to watch), and makes it true again
after every fault, on a thread of its own; the agent never waits for it. What it learns goes to a `Listener`.
`vipagent.testing` has the suite that the session with every driver passes.
"""

from abc import ABC, abstractmethod
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Annotated, Protocol

from vipagent.config.values import Hosts, Prefix, Section, SomeSeconds
from vipagent.store.layout import DEFAULT_PREFIX, Directory, Key
from vipagent.types import Claim, StoreState


class StoreError(Exception):
    """The store refused or did not answer an operator's call; the message names host and cause."""


class StoreConfigError(ValueError):
    """Store options that can never work (an unknown option, a port that is no number, an unreadable file)."""


@dataclass(frozen=True)
class Identity:
    """Whose session with a store it is."""

    node: str
    """This node's name."""
    instance: str
    """This run of the agent: unique, so that a restart is told from a duplicate agent."""


@dataclass(frozen=True)
class StoreOptions(Section):
    """Where a store is, and how long a session lives."""

    hosts: Annotated[
        Hosts, "Where the store is; for `file` a directory. By default the backend's own default."
    ] = ()
    prefix: Annotated[Prefix, "Path in the store that everything lies below."] = DEFAULT_PREFIX
    session_timeout: Annotated[
        SomeSeconds,
        "Session timeout, in seconds: a node without a heartbeat for this long is considered dead. A "
        "store may round it up.",
    ] = 6.0


@dataclass(frozen=True)
class StoreSettings(StoreOptions, Identity):
    """How to reach a store, and as whom."""

    options: Mapping[str, object] = field(default_factory=dict)
    """Options of this backend alone (credentials, TLS, ...); the backend validates them."""


@dataclass(frozen=True, slots=True)
class Entry:
    """One entry of a snapshot."""

    value: bytes = b""
    """The stored value as it is, possibly hostile; at most `MAX_VALUE` bytes, empty where it was not read."""
    claim: Claim = Claim.OTHER
    """`OURS` if this session (or an earlier one of this very instance) holds the entry. The store's own idea
    of a holder (ephemeral owner, lease, session, lock) is asked first, then the value, by `claim_of`."""


Snapshot = Mapping[str, Entry]
"""All the entries of a directory, by name. Never a delta; never an empty one because of an error."""

MAX_VALUE = 64 * 1024
"""Bytes of a value that a backend hands over; what is longer is cut, and will then not parse."""
MAX_ENTRIES = 20_000
"""Entries of a directory that a backend hands over; the first ones in the order of their names."""


class Listener(Protocol):
    """Where a backend hands over what it learns: called on any thread, never blocks, never raises."""

    def session(self, state: StoreState, detail: str) -> None:
        """The session's state changed. `detail` is for people: host, cause, negotiated session life.

        After each `CONNECTED` every watched directory is handed over anew, changed or not (L4). A session of
        which no sign of life was confirmed for its own life is `LOST` by the backend's own monotonic clock,
        whatever the library says.
        """

    def snapshot(self, directory: Directory, entries: Snapshot) -> None:
        """The directory's entries now: at each change, and after each (re)connection.

        Quick changes may be merged, but the last state is always handed over. A directory that does not exist
        is an empty snapshot; one that could not be read is none at all.
        """


class Backend(ABC):
    """One session to one store.

    `open`, `register`, `deregister` and `watch` return at once and never raise for a fault of the store: they
    set what is desired, which comes true as soon as it can, and stays so. They may be called before `open`
    and while the store is away. `read`, `write` and `erase` are for operators' commands: they block
    for at most `timeout` seconds and raise `StoreError`. The agent's loop never calls them.

    The constructor validates `settings.options`, raises `StoreConfigError`, and does no I/O.
    """

    def __init__(self, settings: StoreSettings, listener: Listener) -> None:
        self.settings = settings
        self.listener = listener

    @abstractmethod
    def open(self) -> None:
        """Start to connect, and go on trying for ever, with backoff (at most about 1 s) and jitter (L2)."""

    @abstractmethod
    def register(self, key: Key, value: bytes) -> None:
        """Keep an ephemeral entry at `key` until `deregister`: through lost sessions and deleted entries.

        Called again with another value: update the entry in place, without a moment of absence. If an entry
        is there already (G3): one of this very instance's earlier sessions is replaced at once; one of the
        same node's other run (`Claim.SAME_NODE`) is replaced at once if ours was never there before, and left
        alone if it was (then it is a duplicate agent's); anybody else's is left alone, and the entry made as
        soon as that one is gone.
        """

    @abstractmethod
    def deregister(self, key: Key) -> None:
        """Remove the entry now, if it is ours, and keep it no longer (G2). Unknown keys are fine.

        While the store is away: the entry must not be there once the store is back.
        """

    @abstractmethod
    def watch(self, directory: Directory, values: frozenset[str] | None = frozenset()) -> None:
        """Hand over `directory` now and at each change.

        `values` names the entries whose values and claims are needed; None stands for all. Others may come
        with an empty value and `Claim.OTHER`. A change of a needed value is a change of the directory.
        Called again for a directory: `values` replaces what was asked before.
        """

    @abstractmethod
    def unwatch(self, directory: Directory) -> None:
        """Stop watching; unknown directories are fine."""

    @abstractmethod
    def read(self, directory: Directory, timeout: float) -> Snapshot:
        """Return the entries with all their values."""

    @abstractmethod
    def write(self, key: Key, value: bytes, timeout: float) -> None:
        """Set a persistent entry: made or replaced."""

    @abstractmethod
    def erase(self, key: Key, timeout: float) -> bool:
        """Remove a persistent entry; return whether there was one."""

    def version(self, timeout: float) -> str:
        """Return the store's software and version, if the session's `detail` has them not; for operators."""
        return ""

    @abstractmethod
    def close(self, timeout: float) -> None:
        """Remove all of this session's entries, end the session and all threads, within `timeout` seconds.

        Also when the store is frozen or away. After it nothing is handed over any more. Called twice: fine.
        """


BackendFactory = Callable[[StoreSettings, Listener], Backend]
"""Makes a session, not opened, or raises `StoreConfigError`."""
