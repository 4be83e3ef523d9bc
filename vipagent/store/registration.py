"""One entry that is desired, or that may still be there though it is not desired any more (G2, G3). Pure."""

from collections.abc import Callable
from dataclasses import dataclass
from enum import Enum, auto
from typing import assert_never

from vipagent.store.driver import Found, Holder, Listing
from vipagent.store.layout import Key
from vipagent.types import Claim


class Unknown(Enum):
    """The value that stands for "not known"."""

    UNKNOWN = auto()


UNKNOWN = Unknown.UNKNOWN


@dataclass(frozen=True, slots=True, eq=False)
class Get:
    """Find out what is there."""

    key: Key


@dataclass(frozen=True, slots=True, eq=False)
class Put:
    """Register."""

    key: Key
    value: bytes
    expected: Found | None


@dataclass(frozen=True, slots=True, eq=False)
class Delete:
    """Remove a registration."""

    key: Key
    found: Found


Request = Get | Put | Delete

ClaimOf = Callable[[Found], Claim]
"""Returns whose an entry is."""


@dataclass(slots=True)
class Registration:
    """What is desired at a key, what is there as far as it is known, and what is under way."""

    key: Key
    value: bytes | None
    """What it shall say; None: it shall go."""
    found: Found | Unknown | None = UNKNOWN
    fulfilled: bool = False
    """Whether it ever was as desired: if so, an entry of our node's other run is a duplicate agent's (G3)."""
    written: bool = False
    """Whether it was as desired since the value is desired: what others write into it later stays."""
    request: Request | None = None
    """What is under way."""
    requested: bool = False
    """Whether it was ever to be made: a server that was frozen may carry out a request much later."""
    contradicted: bool = False
    """Whether a listing came meanwhile: it may be newer or older than the request's outcome."""
    failures: int = 0
    due: float = 0.0
    """When it may be tried again, in monotonic seconds."""

    @property
    def is_over(self) -> bool:
        """Whether it can be forgotten, once there is nothing to be done for it."""
        return self.value is None and not self.requested

    def desire(self, value: bytes | None) -> None:
        """Set what the entry shall say; None: it shall go."""
        if self.value is None:
            self.fulfilled = False
        if self.value != value:
            self.value, self.written = value, False
        self.failures, self.due = 0, 0.0

    def lose_track(self) -> None:
        """Wait for nothing any more: what was under way may have been done or not; a listing will tell."""
        self.request, self.found = None, UNKNOWN

    def listed(self, listing: Listing) -> None:
        """Take what a listing says, unless a request is under way that may have changed it."""
        if self.request is not None:
            self.contradicted = True
        elif self.key.name not in listing:
            self.found = None
        else:
            found = listing[self.key.name]
            self.found = UNKNOWN if found is None else found

    def begin(self, claim_of: ClaimOf) -> Request | None:
        """Return what has to be requested now, and is under way from then on; None: nothing."""
        self.request, self.contradicted = self._next(claim_of), False
        self.requested |= isinstance(self.request, Put)
        return self.request

    def done(self, request: Request, found: Found | None, listing: Listing) -> None:
        """Take what is there after the request, and what was listed last."""
        self.request, self.failures = None, 0
        if isinstance(request, Put):
            self.fulfilled = self.value is not None
        agreed = listing.get(self.key.name) == found and (self.key.name in listing) == bool(found)
        self.found = UNKNOWN if self.contradicted and not agreed else found

    def failed(self, due: float) -> None:
        """Get at the entry before the next request, which is not to be made earlier than `due`."""
        self.request, self.found, self.due = None, UNKNOWN, due

    def _next(self, claim_of: ClaimOf) -> Request | None:
        """Return what has to be done, by what is there (G2, G3)."""
        found = self.found
        if found is UNKNOWN:
            return Get(self.key)
        if self.value is None:
            is_ours = found is not None and claim_of(found) is Claim.OURS
            return Delete(self.key, found) if found is not None and is_ours else None
        if found is not None and found.holder is Holder.OURS:
            self.fulfilled = True
            self.written |= found.value == self.value
            return None if self.written else Put(self.key, self.value, found)
        is_free = found is None or self._may_replace(claim_of(found))
        return Put(self.key, self.value, found) if is_free else None

    def _may_replace(self, claim: Claim) -> bool:
        """Whether another session's entry is a stale registration of ours (G3)."""
        match claim:
            case Claim.OURS:
                return True
            case Claim.SAME_NODE:
                return not self.fulfilled
            case Claim.OTHER:
                return False
            case _:
                assert_never(claim)
