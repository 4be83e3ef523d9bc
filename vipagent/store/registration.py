"""State of one key that is registered, or that was registered before (G2, G3). Without I/O."""

from collections.abc import Callable
from dataclasses import dataclass
from enum import Enum, auto
from typing import assert_never

from vipagent.store.driver import Found, Holder, Listing
from vipagent.store.layout import Key
from vipagent.types import Claim


class Unknown(Enum):
    """Type of the sentinel `UNKNOWN`."""

    UNKNOWN = auto()


UNKNOWN = Unknown.UNKNOWN
"""The entry's state in the store is not known, as opposed to None: the entry does not exist."""


@dataclass(frozen=True, slots=True, eq=False)
class Get:
    """Read an entry."""

    key: Key


@dataclass(frozen=True, slots=True, eq=False)
class Put:
    """Create or replace an ephemeral entry."""

    key: Key
    value: bytes
    expected: Found | None


@dataclass(frozen=True, slots=True, eq=False)
class Delete:
    """Delete an entry."""

    key: Key
    found: Found


StoreRequest = Get | Put | Delete

ClaimOf = Callable[[Found], Claim]
"""Returns the owner of an entry."""


@dataclass(slots=True)
class KeyState:
    """Desired entry of a key, last known entry in the store, and pending request."""

    key: Key
    value: bytes | None
    """The desired value; None: the key is deregistered."""
    found: Found | Unknown | None = UNKNOWN
    was_registered: bool = False
    """Whether the entry existed since `register`. If so, an entry of another run of this node belongs to a
    duplicate agent (G3)."""
    is_written: bool = False
    """Whether the desired value was written. Later changes by other clients are not overwritten."""
    request: StoreRequest | None = None
    """The pending request."""
    was_requested: bool = False
    """Whether a `Put` was ever sent: a server that hung may execute it much later."""
    listed_meanwhile: bool = False
    """Whether a listing arrived during the request: it can be older or newer than the request's result."""
    failures: int = 0
    due: float = 0.0
    """Earliest time of the next request, in monotonic seconds."""

    @property
    def is_removable(self) -> bool:
        """Whether the state can be dropped when no request is needed."""
        return self.value is None and not self.was_requested

    def set_desired(self, value: bytes | None) -> None:
        """Set the desired value; None to deregister."""
        if self.value is None:
            self.was_registered = False
        if self.value != value:
            self.value, self.is_written = value, False
        self.failures, self.due = 0, 0.0

    def disconnected(self) -> None:
        """Drop the pending request, whose outcome is unknown until the next listing."""
        self.request, self.found = None, UNKNOWN

    def listed(self, listing: Listing) -> None:
        """Update the state from a listing, unless a request is pending."""
        if self.request is not None:
            self.listed_meanwhile = True
        elif self.key.name not in listing:
            self.found = None
        else:
            found = listing[self.key.name]
            self.found = UNKNOWN if found is None else found

    def next_request(self, claim_of: ClaimOf) -> StoreRequest | None:
        """Return the request to send now, and mark it as pending; None if none is needed."""
        self.request, self.listed_meanwhile = self._decide(claim_of), False
        self.was_requested |= isinstance(self.request, Put)
        return self.request

    def done(self, request: StoreRequest, found: Found | None, listing: Listing) -> None:
        """Update the state from a request's result and the last listing."""
        self.request, self.failures = None, 0
        if isinstance(request, Put):
            self.was_registered = self.value is not None
        agreed = listing.get(self.key.name) == found and (self.key.name in listing) == bool(found)
        self.found = UNKNOWN if self.listed_meanwhile and not agreed else found

    def failed(self, due: float) -> None:
        """Schedule the next request, a `Get`, at `due` or later."""
        self.request, self.found, self.due = None, UNKNOWN, due

    def _decide(self, claim_of: ClaimOf) -> StoreRequest | None:
        """Return the request that the current entry calls for (G2, G3)."""
        found = self.found
        if found is UNKNOWN:
            return Get(self.key)
        if self.value is None:
            is_ours = found is not None and claim_of(found) is Claim.OURS
            return Delete(self.key, found) if found is not None and is_ours else None
        if found is not None and found.holder is Holder.OURS:
            self.was_registered = True
            self.is_written |= found.value == self.value
            return None if self.is_written else Put(self.key, self.value, found)
        is_free = found is None or self._may_replace(claim_of(found))
        return Put(self.key, self.value, found) if is_free else None

    def _may_replace(self, claim: Claim) -> bool:
        """Return whether another session's entry is our stale registration (G3)."""
        match claim:
            case Claim.OURS | Claim.EARLIER_RUN:
                return True
            case Claim.SAME_NODE:
                return not self.was_registered
            case Claim.OTHER:
                return False
            case _:
                assert_never(claim)
