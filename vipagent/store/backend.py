"""Interface of a store session as used by the agent. A new store subclasses `Driver`, not `Backend`.

A session keeps the desired entries registered and the desired directories watched, and restores both after
every fault. It runs on a separate thread and never blocks the agent; a `Listener` receives its results.
`vipagent.testing` contains the test suite that every driver must pass.
"""

from abc import ABC, abstractmethod
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Annotated, Protocol

from vipagent.config.values import Hosts, PositiveSeconds, Prefix, Section
from vipagent.store.layout import DEFAULT_PREFIX, Directory, Key
from vipagent.types import Claim, StoreState


class StoreError(Exception):
    """The store rejected an operator's request or did not answer; the message names host and cause."""


class StoreConfigError(ValueError):
    """The store options are invalid (unknown option, invalid port, unreadable file)."""


@dataclass(frozen=True)
class Identity:
    """Identity of a session with a store."""

    node: str
    """Name of this node."""
    instance: str
    """Unique identifier of this run of the agent; distinguishes a restart from a duplicate agent."""


@dataclass(frozen=True)
class StoreOptions(Section):
    """Addresses of a store, and the session timeout."""

    hosts: Annotated[
        Hosts, "Addresses of the store's servers; for `file` a directory (default: depends on the backend)."
    ] = ()
    prefix: Annotated[Prefix, "Root path of all entries in the store."] = DEFAULT_PREFIX
    session_timeout: Annotated[
        PositiveSeconds,
        "Session timeout, in seconds: a node without a heartbeat for this long is considered dead. A "
        "store may round it up.",
    ] = 6.0


@dataclass(frozen=True)
class StoreSettings(StoreOptions, Identity):
    """Settings of a store session."""

    options: Mapping[str, object] = field(default_factory=dict)
    """Backend-specific options (credentials, TLS, ...), validated by the backend."""


@dataclass(frozen=True, slots=True)
class Entry:
    """One entry of a snapshot."""

    value: bytes = b""
    """The raw value, which is untrusted; at most `MAX_VALUE` bytes, empty if it was not read."""
    claim: Claim = Claim.OTHER
    """`OURS` if this session or an earlier one of this instance holds the entry. Decided by the store's
    metadata (ephemeral owner, lease, session, lock), then by the value, with `claim_of`."""


Snapshot = Mapping[str, Entry]
"""All entries of a directory by name. Never a delta, and never empty because of an error."""

MAX_VALUE = 64 * 1024
"""Maximum size of a delivered value, in bytes; longer values are truncated and then fail to parse."""
MAX_ENTRIES = 20_000
"""Maximum number of delivered entries of a directory: the first ones by name."""


class Listener(Protocol):
    """Receives the results of a session. Called on any thread; must neither block nor raise."""

    def session(self, state: StoreState, detail: str) -> None:
        """Handle a change of the session's state. `detail` is a message: host, cause, negotiated timeout.

        After each `CONNECTED`, every watched directory is delivered again, changed or not (L4). A session
        without a confirmed keep-alive for its timeout is `LOST` by the backend's own monotonic clock,
        regardless of the client library.
        """

    def snapshot(self, directory: Directory, entries: Snapshot) -> None:
        """Handle the current entries of a directory: at each change and after each (re)connection.

        Changes in quick succession may be merged, but the last state is always delivered. A directory that
        does not exist is an empty snapshot; a directory that cannot be read produces no snapshot.
        """


class Backend(ABC):
    """A session with a store.

    `open`, `register`, `deregister` and `watch` return at once and never raise on a store fault: they set the
    desired state, which the session establishes as soon as possible and maintains. They may be called before
    `open` and while the store is unreachable. `read`, `write` and `erase` are for operators' commands: they
    block for at most `timeout` seconds and raise `StoreError`. The agent's event loop never calls them.

    The constructor validates `settings.options`, raises `StoreConfigError`, and does no I/O.
    """

    def __init__(self, settings: StoreSettings, listener: Listener) -> None:
        self.settings = settings
        self.listener = listener

    @abstractmethod
    def open(self) -> None:
        """Start connecting; retry without limit, with backoff (at most about 1 s) and jitter (L2)."""

    @abstractmethod
    def register(self, key: Key, value: bytes) -> None:
        """Register an ephemeral entry at `key` and keep it, through lost sessions and deletions.

        A further call with another value updates the entry in place, without deleting it. An existing entry
        (G3) is replaced at once if it belongs to an earlier session of this instance. An entry of another run
        on the same node (`Claim.SAME_NODE`) is replaced at once if ours has not been registered before;
        otherwise it belongs to a duplicate agent and is kept. Any other entry is kept, and ours is created as
        soon as it is deleted.
        """

    @abstractmethod
    def deregister(self, key: Key) -> None:
        """Delete the entry if it is ours and stop maintaining it (G2). Unknown keys are ignored.

        If the store is unreachable, the entry is deleted once it is back.
        """

    @abstractmethod
    def watch(self, directory: Directory, values: frozenset[str] | None = frozenset()) -> None:
        """Deliver `directory` now and at each change.

        `values` names the entries whose values and claims are needed; None means all. The others may have an
        empty value and `Claim.OTHER`. A change of a needed value is a change of the directory. A further call
        for the same directory replaces `values`.
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
        """Return the store's software and version, or an empty string if `detail` already contains them."""
        return ""

    @abstractmethod
    def close(self, timeout: float) -> None:
        """Delete all entries of this session and end the session and its threads, within `timeout` seconds.

        The limit also holds if the store is frozen or unreachable. Nothing is delivered afterwards. Further
        calls have no effect.
        """


BackendFactory = Callable[[StoreSettings, Listener], Backend]
"""Creates a session without opening it, or raises `StoreConfigError`."""
