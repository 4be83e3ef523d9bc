"""Entries that are kept, replaced or left alone by the contract's rules (G2, G3)."""

import asyncio
import logging
from collections.abc import Iterable, Iterator
from dataclasses import dataclass

from vipagent.core.words import Claim
from vipagent.store.records import claim_of
from vipagent_etcd import keyvalues
from vipagent_etcd.errors import UNKNOWN_LEASE, Refused
from vipagent_etcd.gateway import Gateway
from vipagent_etcd.keyvalues import KeyValue, Span
from vipagent_etcd.lease import Lease, LeaseGone

RETRY = 5.0
"""Seconds until what the server refuses is tried again: no watch can tell when it would succeed."""

log = logging.getLogger(__name__)


@dataclass(slots=True)
class Wish:
    """What is wanted at one key, and what is there as far as we know.

    A wish that is taken back stays, with nothing wanted: a request of ours that a frozen server has swallowed
    may be carried out much later, and the watch on the key tells us to remove what it made.
    """

    key: str
    value: bytes | None
    """None: nothing of ours shall be there."""
    found: KeyValue | None = None
    known: int = 0
    """The store's revision at which `found` was right; 0: it was never looked at."""
    written: bytes | None = None
    """What we wrote last; if somebody else overwrites it, the entry is left as it is."""
    fulfilled: bool = False
    """Whether it ever was: if so, a namesake's entry is a twin's and stays."""
    in_doubt: bool = False
    """A request of ours was not answered: look, whatever `found` says."""
    refused: str = ""
    """The server's last refusal."""
    resting: bool = False
    """It was refused, and is not tried again just yet."""


class Registrations:
    """All wishes of one node, and whose an entry is. Lives on the backend's loop."""

    def __init__(self, node: str, instance: str, lease: Lease) -> None:
        self._node = node
        self._instance = instance
        self._lease = lease
        self._wishes: dict[str, Wish] = {}
        self._news = asyncio.Event()

    def claim(self, found: KeyValue) -> Claim:
        """Say whose an entry is: its lease counts before its value."""
        if self._lease.was_ours(found.lease):
            return Claim.OURS
        return claim_of(found.value, self._node, self._instance)

    def want(self, key: str, value: bytes) -> None:
        """Keep an entry at a key, with this value from now on."""
        self._wishes.setdefault(key, Wish(key, value)).value = value
        self._news.set()

    def drop(self, key: str) -> None:
        """See to it that no entry of ours is at a key."""
        if (wish := self._wishes.get(key)) is not None:
            wish.value, wish.fulfilled = None, False
            self._news.set()

    @property
    def spans(self) -> dict[Span, int]:
        """The keys to be watched, and the revision up to which each is known; 0: list it first."""
        return {Span(wish.key): wish.known for wish in self._wishes.values()}

    def list_anew(self) -> None:
        """Look at all of them again."""
        for wish in self._wishes.values():
            wish.known = 0

    def listed(self, span: Span, found: Iterable[KeyValue], revision: int) -> None:
        """Take all that there is in a span."""
        present = {key_value.key: key_value for key_value in found}
        for key in self._wishes:
            if span.covers(key):
                self.observe(key, present.get(key), revision)

    def observe(self, key: str, found: KeyValue | None, revision: int) -> None:
        """Take what is at a key at a revision; None: nothing. What is older than `known` is no news."""
        wish = self._wishes.get(key)
        if wish is not None and revision >= wish.known:
            wish.found, wish.known = found, revision
            self._news.set()

    async def settle(self, gateway: Gateway) -> None:
        """Make wishes true, at once and whenever something changes, until there is a fault.

        Raises:
            EtcdError: no answer, or the lease is gone.
        """
        while True:
            self._news.clear()
            for wish in self._due():
                await self._make_true(wish, gateway)
            await self._news.wait()

    def _due(self) -> Iterator[Wish]:
        return (wish for wish in list(self._wishes.values()) if self._is_due(wish))

    def _is_due(self, wish: Wish) -> bool:
        if wish.resting:
            return False
        if wish.in_doubt:
            return True
        if wish.found is None:
            return wish.value is not None
        if wish.value is not None and wish.found.lease == self._lease.number:
            return wish.value != wish.written
        return self._is_ours_to_change(wish, wish.found)

    def _is_ours_to_change(self, wish: Wish, found: KeyValue) -> bool:
        claim = self.claim(found)
        wanted_first = wish.value is not None and not wish.fulfilled
        return claim == Claim.OURS or (claim == Claim.SAME_NODE and wanted_first)

    async def _make_true(self, wish: Wish, gateway: Gateway) -> None:
        """Act on what was found, and look again as long as it was something else."""
        try:
            while self._is_due(wish):
                await self._act(wish, gateway)
        except Refused as refusal:
            if refusal.code == UNKNOWN_LEASE:
                self._lease.forget()
                raise LeaseGone("the lease has run out") from refusal
            if refusal.passing:
                raise
            self._rest(wish, str(refusal))

    async def _act(self, wish: Wish, gateway: Gateway) -> None:
        wanted, lease, found = wish.value, self._lease.number, wish.found
        known = found.revision if found is not None and self._is_ours_to_change(wish, found) else 0
        request = (
            keyvalues.removing(wish.key, known)
            if wanted is None
            else keyvalues.replacing(wish.key, known, wanted, lease)
        )
        wish.in_doubt = True
        answer = await gateway.ask("/v3/kv/txn", request)
        wish.in_doubt, wish.refused = False, ""
        at = keyvalues.revision(answer)
        if not answer.get("succeeded"):
            self.observe(wish.key, next(iter(keyvalues.listed(answer)[0]), None), at)
        elif wanted is None:
            self.observe(wish.key, None, at)
        else:
            wish.written, wish.fulfilled = wanted, wish.value is not None
            self.observe(wish.key, KeyValue(wish.key, wanted, lease, at), at)

    def _rest(self, wish: Wish, refusal: str) -> None:
        """Leave it for a while; say why, once."""
        if wish.refused != refusal:
            log.warning("etcd: registering %s: %s; tried again every %g s", wish.key, refusal, RETRY)
        wish.refused, wish.resting, wish.in_doubt = refusal, True, False
        asyncio.get_running_loop().call_later(RETRY, self._wake, wish)

    def _wake(self, wish: Wish) -> None:
        wish.resting = False
        self._news.set()
