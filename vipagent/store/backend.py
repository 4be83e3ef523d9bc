"""The interface of a session with a store, as used by the agent. A new store implements `driver` instead.

A backend keeps the desired state (entries to register, directories to watch) in its own thread, restores it
after every failure, and reports to a `Listener`. The agent never waits for it. `vipagent.testing` contains
the tests that every driver passes.
"""

from abc import ABC, abstractmethod
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Annotated, Protocol

from vipagent.config.values import Hosts, PositiveSeconds, Prefix, Section
from vipagent.store.layout import DEFAULT_PREFIX, Directory, Key
from vipagent.types import Claim, StoreState


class StoreError(Exception):
    """An operator's command failed or timed out. The message names host and cause."""


class StoreConfigError(ValueError):
    """Invalid store options: an unknown option, a port that is not a number, an unreadable file."""


@dataclass(frozen=True)
class Identity:
    """The node and the agent process that a session belongs to."""

    node: str
    """This node's name."""
    instance: str
    """Unique identifier of this run of the agent: distinguishes a restart from a duplicate agent."""
    earlier: tuple[str, ...] = field(default=(), kw_only=True)
    """Identifiers of earlier runs of this agent, as far as they are known."""


@dataclass(frozen=True)
class StoreOptions(Section):
    """Location of a store, and its session timeout."""

    hosts: Annotated[
        Hosts, "Servers of the store; for `file`, a directory. The default depends on the backend."
    ] = ()
    prefix: Annotated[Prefix, "Path in the store below which all keys are created."] = DEFAULT_PREFIX
    session_timeout: Annotated[
        PositiveSeconds,
        "Session timeout, in seconds: a node without a heartbeat for this long is considered dead. A "
        "store may round it up.",
    ] = 6.0


@dataclass(frozen=True)
class StoreSettings(StoreOptions, Identity):
    """Location of a store, and the identity of the session."""

    options: Mapping[str, object] = field(default_factory=dict)
    """Options specific to this backend (credentials, TLS, ...), validated by the backend."""
    host: str = ""
    """Name of the host that the agent runs on, for operators; empty: unknown."""
    read_only: bool = False
    """Whether the session only reads, so that a driver creates nothing for it."""


@dataclass(frozen=True, slots=True)
class Entry:
    """One entry of a snapshot."""

    value: bytes = b""
    """The raw value, untrusted: at most `MAX_VALUE` bytes, empty if it was not read."""
    claim: Claim = Claim.OTHER
    """`OURS` if this session, or an earlier one of this instance, holds the entry. Decided by the store's
    metadata (ephemeral owner, lease, session, lock), then by the value (`claim_of`)."""


Snapshot = Mapping[str, Entry]
"""All entries of a directory, by name. Never a delta, and never empty because of an error."""

MAX_VALUE = 64 * 1024
"""Maximum bytes of a value in a snapshot. A longer value is truncated, which makes it malformed."""
MAX_ENTRIES = 20_000
"""Maximum entries of a snapshot; the first ones, sorted by name."""


class Listener(Protocol):
    """Receiver of session states and snapshots. Called on any thread; never blocks, never raises."""

    def session(self, state: StoreState, detail: str) -> None:
        """Handle a change of the session's state. `detail` names host, cause and session timeout.

        Every watched directory is reported again after each `CONNECTED`, changed or not (L4). The backend
        reports `LOST` when no keep-alive was confirmed during the session timeout, measured by its own
        monotonic clock, independent of the client library.
        """

    def snapshot(self, directory: Directory, entries: Snapshot) -> None:
        """Handle the current entries of a directory: after each change and each (re)connection.

        Several changes may be merged into one snapshot, but the last state is always reported. The snapshot
        of a directory that does not exist is empty. A directory that could not be read is not reported.
        """


class Backend(ABC):
    """One session with one store.

    `open`, `register`, `deregister` and `watch` return immediately and do not raise when the store fails:
    they set the desired state, which is applied as soon as possible and restored after failures. They may
    be called before `open` and while the store is unavailable. `read`, `write` and `erase` are for operators'
    commands: they block for at most `timeout` seconds and raise `StoreError`. The agent's loop never calls
    them.

    The constructor validates `settings.options`, raises `StoreConfigError`, and does no I/O.
    """

    def __init__(self, settings: StoreSettings, listener: Listener) -> None:
        self.settings = settings
        self.listener = listener

    @abstractmethod
    def open(self) -> None:
        """Start connecting. Retry without limit, with jittered backoff (at most about 1 s) (L2)."""

    @abstractmethod
    def register(self, key: Key, value: bytes) -> None:
        """Keep an ephemeral entry at `key` until `deregister`. Create it again if it or the session is lost.

        A call with another value updates the entry in place. If the key exists already (G3), the holder
        decides: an entry of an earlier session of this instance, or of a known earlier run, is replaced
        immediately. An entry of another run of this node (`Claim.SAME_NODE`) is replaced immediately if this
        session never held the key, and otherwise left alone: it belongs to a duplicate agent. An entry of
        another node is left alone; ours is created when that one is deleted.
        """

    @abstractmethod
    def deregister(self, key: Key) -> None:
        """Delete the entry immediately if it is ours, and stop keeping it (G2). Unknown keys are ignored.

        While the store is unavailable, the deletion is deferred until the session is connected again.
        """

    @abstractmethod
    def watch(self, directory: Directory, values: frozenset[str] | None = frozenset()) -> None:
        """Report `directory` now and after each change.

        `values` names the entries whose values and claims are needed; None means all. Other entries may have
        an empty value and `Claim.OTHER`. A change of a needed value counts as a change of the directory. A
        second call for the same directory replaces `values`.
        """

    @abstractmethod
    def unwatch(self, directory: Directory) -> None:
        """Stop watching. Unknown directories are ignored."""

    @abstractmethod
    def read(self, directory: Directory, timeout: float) -> Snapshot:
        """Return all entries with their values."""

    @abstractmethod
    def write(self, key: Key, value: bytes, timeout: float) -> None:
        """Create or replace a persistent entry."""

    @abstractmethod
    def erase(self, key: Key, timeout: float) -> bool:
        """Delete a persistent entry; return whether it existed."""

    def version(self, timeout: float) -> str:
        """Return the store's software and version for operators, if the session's `detail` lacks them."""
        return ""

    @abstractmethod
    def close(self, timeout: float) -> None:
        """Delete the session's entries, end the session, and stop all threads, within `timeout` seconds.

        Also when the store hangs or is unavailable. Nothing is reported afterwards. May be called twice.
        """


BackendFactory = Callable[[StoreSettings, Listener], Backend]
"""Creates a session without opening it, or raises `StoreConfigError`."""
