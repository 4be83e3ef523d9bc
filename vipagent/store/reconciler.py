"""Computes the requests and snapshots of a session: registrations (G2, G3), watches (L4). Without I/O.

The reconciler compares the desired entries with the driver's listings and results, with at most one pending
request per key. It never acts on unknown state: after a lost connection it waits for a new listing, and after
a failed request it reads the entry first.
"""

import random
from collections.abc import Iterator
from dataclasses import dataclass

from vipagent.net import backoff
from vipagent.store.backend import MAX_ENTRIES, MAX_VALUE, Entry, Identity, Snapshot
from vipagent.store.driver import Found, Holder, Listing, Names
from vipagent.store.layout import Directory, Key
from vipagent.store.records import claim_of
from vipagent.store.registration import KeyState, StoreRequest
from vipagent.types import Claim

REFUSED_DELAY = (0.5, 30.0)
"""Minimum and maximum delay before a refused request is retried, in seconds."""
IMMEDIATE_RETRIES = 3
"""Number of immediate retries after an entry changed during a request."""
CHANGED_DELAY = (0.05, 0.5)
"""Minimum and maximum delay of the retries after that, in seconds."""

UNREAD = Entry()
"""An entry whose value is not needed."""


@dataclass(slots=True)
class _Watch:
    """A watched directory, and its last snapshot; None: no snapshot since the connection."""

    names: frozenset[str] | None
    snapshot: Snapshot | None = None


class Reconciler:
    """Desired state of one agent, and the requests still needed to reach it.

    Args:
        identity: the node and this run of the agent.
        uniform: draws the jitter of delays.
    """

    def __init__(self, identity: Identity, uniform: backoff.Uniform = random.uniform) -> None:
        self._identity = identity
        self._uniform = uniform
        self._connected = False
        self._keys: dict[Directory, dict[str, KeyState]] = {}
        self._watches: dict[Directory, _Watch] = {}
        self._listings: dict[Directory, Listing] = {}
        self._pending: dict[Key, None] = {}
        """Keys that may need a request, in order."""
        self._changed: dict[Directory, None] = {}
        """Directories that may need a snapshot, in order."""
        self._interests: dict[Directory, frozenset[str] | None] | None = None
        self._only_named: frozenset[Directory] = frozenset()

    # Desired state.

    def register(self, key: Key, value: bytes) -> None:
        """Keep an ephemeral entry with this value."""
        state = self._state(key)
        if state is None:
            state = KeyState(key, value)
            self._keys.setdefault(key.directory, {})[key.name] = state
            self._interests = None
            if (listing := self._listings.get(key.directory)) is not None:
                state.listed(listing)
        state.set_desired(value)
        self._pending[key] = None

    def deregister(self, key: Key) -> None:
        """Delete an entry if it is ours, and stop keeping it (G2)."""
        state = self._state(key)
        if state is not None:
            state.set_desired(None)
            self._pending[key] = None

    def watch(self, directory: Directory, names: frozenset[str] | None) -> None:
        """Report snapshots of a directory, with the values and claims of `names`; None means all."""
        self._watches[directory] = _Watch(names)
        self._interests = None
        self._changed[directory] = None

    def unwatch(self, directory: Directory) -> None:
        """Stop reporting a directory."""
        self._watches.pop(directory, None)
        self._interests = None

    @property
    def interests(self) -> tuple[Names, frozenset[Directory]]:
        """The directories that the driver has to follow, as arguments of `Interests.replace`."""
        if self._interests is None:
            self._interests = {directory: watch.names for directory, watch in self._watches.items()}
            for directory, states in self._keys.items():
                watched = self._interests.get(directory, frozenset())
                self._interests[directory] = None if watched is None else watched | states.keys()
            self._only_named = frozenset(self._keys.keys() - self._watches.keys())
        return self._interests, self._only_named

    # Events from the driver.

    def connected(self) -> None:
        """Start over after a (re)connection: wait for listings and report every directory again (L4)."""
        self.disconnected()
        self._connected = True
        for watch in self._watches.values():
            watch.snapshot = None

    def disconnected(self) -> None:
        """Discard all known state: pending requests may have been executed, and the session may be new."""
        self._connected = False
        self._listings.clear()
        self._changed.clear()
        for states in self._keys.values():
            for state in states.values():
                state.disconnected()

    def listed(self, directory: Directory, listing: Listing) -> None:
        """Handle the listing of a directory."""
        if not self._connected:
            return
        self._listings[directory] = listing
        self._changed[directory] = None
        for name, state in self._keys.get(directory, {}).items():
            if state.request is None and state.found is not None and listing.get(name) == state.found:
                continue  # unchanged, so no new request is needed
            state.listed(listing)
            self._pending[state.key] = None

    def done(self, request: StoreRequest, found: Found | None) -> None:
        """Handle a successful request. `found` is the resulting entry."""
        if (state := self._finish(request)) is not None:
            state.done(request, found, self._listings.get(request.key.directory, {}))

    def entry_changed(self, request: StoreRequest, now: float) -> None:
        """Schedule a retry of a request that failed because another client changed the entry."""
        if (state := self._finish(request)) is not None:
            state.failures += 1
            delayed = state.failures - IMMEDIATE_RETRIES
            state.failed(now + backoff.delay(delayed, *CHANGED_DELAY, self._uniform))

    def refused(self, request: StoreRequest, now: float) -> None:
        """Schedule a retry of a request that the store refused. Other keys are not delayed."""
        if (state := self._finish(request)) is not None:
            state.failures += 1
            state.failed(now + backoff.delay(state.failures, *REFUSED_DELAY, self._uniform))

    # Work to do.

    def requests(self, now: float) -> Iterator[StoreRequest]:
        """Yield the requests to send now, and mark them as pending."""
        if not self._connected:
            return
        for key in list(self._pending):
            state = self._state(key)
            if state is not None and state.due > now:
                continue
            self._pending.pop(key, None)
            if state is None or state.request is not None or key.directory not in self._listings:
                continue
            if (request := state.next_request(self.claim)) is not None:
                yield request
            elif state.is_removable:
                self._remove(key)

    @property
    def due(self) -> float | None:
        """Time of the next retry, in monotonic seconds; None without retries."""
        states = (self._state(key) for key in self._pending)
        return min((state.due for state in states if state), default=None)

    @property
    def has_pending(self) -> bool:
        """Whether a key may need a request."""
        return bool(self._pending)

    @property
    def has_changed(self) -> bool:
        """Whether a directory may need a snapshot."""
        return bool(self._changed)

    def snapshots(self) -> Iterator[tuple[Directory, Snapshot]]:
        """Yield the snapshots of watched directories that have changed."""
        for directory in list(self._changed):
            self._changed.pop(directory, None)
            watch, listing = self._watches.get(directory), self._listings.get(directory)
            if watch is None or listing is None or not _has_values(listing, watch.names):
                continue
            snapshot = self.snapshot(listing, watch.names)
            if snapshot != watch.snapshot:
                watch.snapshot = snapshot
                yield directory, snapshot

    def snapshot(self, listing: Listing, names: frozenset[str] | None) -> Snapshot:
        """Convert a listing to a snapshot, with the values and claims of `names`; None means all."""
        included = listing if len(listing) <= MAX_ENTRIES else sorted(listing)[:MAX_ENTRIES]
        return {
            name: Entry(found.value[:MAX_VALUE], self.claim(found))
            if (found := listing[name]) is not None and (names is None or name in names)
            else UNREAD
            for name in included
        }

    def claim(self, found: Found) -> Claim:
        """Return the owner of an entry, by the store's metadata, then by the value."""
        if found.holder is not Holder.OTHER:
            return Claim.OURS
        identity = self._identity
        return claim_of(found.value, identity.node, identity.instance, identity.earlier)

    def _state(self, key: Key) -> KeyState | None:
        return self._keys.get(key.directory, {}).get(key.name)

    def _remove(self, key: Key) -> None:
        states = self._keys[key.directory]
        del states[key.name]
        if not states:
            del self._keys[key.directory]
        self._interests = None

    def _finish(self, request: StoreRequest) -> KeyState | None:
        """Return the state that a result belongs to; None if the request is not pending any more."""
        state = self._state(request.key)
        if state is None or state.request is not request:
            return None
        self._pending[request.key] = None
        return state


def _has_values(listing: Listing, names: frozenset[str] | None) -> bool:
    """Return whether all needed values were read."""
    needed = listing if names is None else names & listing.keys()
    return all(listing[name] is not None for name in needed)
