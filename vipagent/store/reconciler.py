"""Which requests make the store as the agent wants it: registrations (G2, G3), watches (L4). Without I/O.

It compares what is desired with what the driver found, one request at a time for each entry, and never acts
on what it does not know: after a connection is lost nothing is known until the directory was listed again,
and after a request whose outcome is unknown the entry is looked at first.
"""

import random
from collections.abc import Iterator
from dataclasses import dataclass

from vipagent.net import backoff
from vipagent.store.backend import MAX_ENTRIES, MAX_VALUE, Entry, Snapshot
from vipagent.store.driver import Found, Holder, Listing, Names
from vipagent.store.layout import Directory, Key
from vipagent.store.records import claim_of
from vipagent.store.registration import Registration, Request
from vipagent.types import Claim

RETRY = (0.5, 30.0)
"""Seconds until a refused request is made again: at first, and at most."""
OVERTAKEN_AT_ONCE = 3
"""How often in a row an entry that changed meanwhile is looked at again without a delay."""
OVERTAKEN_RETRY = (0.05, 0.5)
"""Seconds until it is looked at after that: at first, and at most."""


UNREAD = Entry()
"""An entry whose value nobody needs."""


@dataclass(slots=True)
class _Watch:
    """A directory that the agent watches, and what it was told last; None: nothing since the connection."""

    names: frozenset[str] | None
    told: Snapshot | None = None


class Reconciler:
    """What one agent desires of a store, and what is left to do for it.

    Args:
        node: this node's name.
        instance: this run of the agent.
        uniform: draws the jitter of delays.
    """

    def __init__(self, node: str, instance: str, uniform: backoff.Uniform = random.uniform) -> None:
        self._node = node
        self._instance = instance
        self._uniform = uniform
        self._connected = False
        self._registrations: dict[Directory, dict[str, Registration]] = {}
        self._watches: dict[Directory, _Watch] = {}
        self._listings: dict[Directory, Listing] = {}
        self._pending: dict[Key, None] = {}
        """Registrations that may need a request."""
        self._untold: dict[Directory, None] = {}
        self._interests: dict[Directory, frozenset[str] | None] | None = None
        self._alone: frozenset[Directory] = frozenset()

    # What the agent desires.

    def register(self, key: Key, value: bytes) -> None:
        """Keep an ephemeral entry with this value."""
        registration = self._registration(key)
        if registration is None:
            registration = Registration(key, value)
            self._registrations.setdefault(key.directory, {})[key.name] = registration
            self._interests = None
            if (listing := self._listings.get(key.directory)) is not None:
                registration.listed(listing)
        registration.desire(value)
        self._pending[key] = None

    def deregister(self, key: Key) -> None:
        """Remove an entry if it is ours, and keep it no longer (G2)."""
        registration = self._registration(key)
        if registration is not None:
            registration.desire(None)
            self._pending[key] = None

    def watch(self, directory: Directory, names: frozenset[str] | None) -> None:
        """Tell of a directory; values and claims are needed of these names alone, None stands for all."""
        self._watches[directory] = _Watch(names)
        self._interests = None
        self._untold[directory] = None

    def unwatch(self, directory: Directory) -> None:
        """Tell of a directory no longer."""
        self._watches.pop(directory, None)
        self._interests = None

    @property
    def interests(self) -> tuple[Names, frozenset[Directory]]:
        """What the driver has to follow: see `Interests`."""
        if self._interests is None:
            self._interests = {directory: watch.names for directory, watch in self._watches.items()}
            for directory, own in self._registrations.items():
                watched = self._interests.get(directory, frozenset())
                self._interests[directory] = None if watched is None else watched | own.keys()
            self._alone = frozenset(self._registrations.keys() - self._watches.keys())
        return self._interests, self._alone

    # What the driver reports.

    def connected(self) -> None:
        """Begin anew: everything will be listed again, and told again (L4)."""
        self.disconnected()
        self._connected = True
        for watch in self._watches.values():
            watch.told = None

    def disconnected(self) -> None:
        """Know nothing: what was under way may have been done or not, and the session may be another."""
        self._connected = False
        self._listings.clear()
        self._untold.clear()
        for own in self._registrations.values():
            for registration in own.values():
                registration.lose_track()

    def listed(self, directory: Directory, listing: Listing) -> None:
        """Take a directory as it is."""
        if not self._connected:
            return
        self._listings[directory] = listing
        self._untold[directory] = None
        for name, registration in self._registrations.get(directory, {}).items():
            if registration.request is None and name in listing and listing[name] == registration.found:
                continue  # it is as it was: nothing more is to be done for it than before
            registration.listed(listing)
            self._pending[registration.key] = None

    def done(self, request: Request, found: Found | None) -> None:
        """Take what is there after a request."""
        if (registration := self._requested(request)) is not None:
            registration.done(request, found, self._listings.get(request.key.directory, {}))

    def overtaken(self, request: Request, now: float) -> None:
        """Get again: somebody else changed the entry first."""
        if (registration := self._requested(request)) is not None:
            registration.failures += 1
            again = registration.failures - OVERTAKEN_AT_ONCE
            registration.failed(now + backoff.delay(again, *OVERTAKEN_RETRY, self._uniform))

    def refused(self, request: Request, now: float) -> None:
        """Try again later, this entry alone."""
        if (registration := self._requested(request)) is not None:
            registration.failures += 1
            registration.failed(now + backoff.delay(registration.failures, *RETRY, self._uniform))

    # What is to be done now.

    def requests(self, now: float) -> Iterator[Request]:
        """Yield what is to be requested now; each counts as under way from then on."""
        if not self._connected:
            return
        for key in list(self._pending):
            registration = self._registration(key)
            if registration is not None and registration.due > now:
                continue
            self._pending.pop(key, None)
            if registration is None or registration.request is not None or not self._is_listed(key):
                continue
            if (request := registration.begin(self.claim)) is not None:
                yield request
            elif registration.is_over:
                self._forget(key)

    @property
    def due(self) -> float | None:
        """When a request that was refused is to be made again; None: there is none."""
        waiting = (self._registration(key) for key in self._pending)
        return min((registration.due for registration in waiting if registration), default=None)

    @property
    def has_pending(self) -> bool:
        """Whether there may be something to request."""
        return bool(self._pending)

    @property
    def has_news(self) -> bool:
        """Whether the agent may have to be told something."""
        return bool(self._untold)

    def snapshots(self) -> Iterator[tuple[Directory, Snapshot]]:
        """Yield what the agent is to be told now."""
        for directory in list(self._untold):
            self._untold.pop(directory, None)
            watch, listing = self._watches.get(directory), self._listings.get(directory)
            if watch is None or listing is None or not _has_values(listing, watch.names):
                continue
            snapshot = self.snapshot(listing, watch.names)
            if snapshot != watch.told:
                watch.told = snapshot
                yield directory, snapshot

    def snapshot(self, listing: Listing, names: frozenset[str] | None) -> Snapshot:
        """Return a listing as an agent sees it."""
        shown = listing if len(listing) <= MAX_ENTRIES else sorted(listing)[:MAX_ENTRIES]
        return {
            name: self._entry(found)
            if (found := listing[name]) is not None and (names is None or name in names)
            else UNREAD
            for name in shown
        }

    def claim(self, found: Found) -> Claim:
        """Return whose an entry is: by the store's word, then by its value."""
        if found.holder is not Holder.OTHER:
            return Claim.OURS
        return claim_of(found.value, self._node, self._instance)

    def _entry(self, found: Found) -> Entry:
        return Entry(found.value[:MAX_VALUE], self.claim(found))

    def _is_listed(self, key: Key) -> bool:
        return key.directory in self._listings

    def _registration(self, key: Key) -> Registration | None:
        return self._registrations.get(key.directory, {}).get(key.name)

    def _forget(self, key: Key) -> None:
        own = self._registrations[key.directory]
        del own[key.name]
        if not own:
            del self._registrations[key.directory]
        self._interests = None

    def _requested(self, request: Request) -> Registration | None:
        """Return whose request this is; None: it is not under way any more, so its outcome says nothing."""
        registration = self._registration(request.key)
        if registration is None or registration.request is not request:
            return None
        self._pending[request.key] = None
        return registration


def _has_values(listing: Listing, names: frozenset[str] | None) -> bool:
    """Whether all values were read that are needed."""
    needed = listing if names is None else names & listing.keys()
    return all(listing[name] is not None for name in needed)
