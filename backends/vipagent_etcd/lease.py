"""The lease that all our entries hang on, and how long it lives by our own clock."""

import math
from collections import deque
from collections.abc import Callable

from vipagent_etcd.errors import UNKNOWN_LEASE, EtcdError, Refused
from vipagent_etcd.gateway import Gateway
from vipagent_etcd.keyvalues import revision

BEATS = 3
"""Keep-alives in a lease's life."""
REMEMBERED = 100
"""Leases whose entries are known as ours."""


class LeaseGone(EtcdError):
    """The lease has run out, and our entries with it."""


class Lease:
    """One lease at a time; a new one once the server says that it is gone.

    It counts as expired one life after the last keep-alive that was answered was *sent*: never later than on
    the server, which may give more (a new leader starts its leases anew).
    """

    def __init__(self, life: float, clock: Callable[[], float]) -> None:
        """Prepare.

        Args:
            life: seconds to ask for; a server gives whole ones, and at least 1.5 times its election time-out.
            clock: monotonic seconds.
        """
        self.life = float(max(1, math.ceil(life)))
        """Seconds: what is asked for, later what is granted."""
        self.expires = -math.inf
        """When it is over by our clock."""
        self._clock = clock
        self._asked = int(self.life)
        self._ids: deque[int] = deque(maxlen=REMEMBERED)
        self._held = False

    @property
    def number(self) -> int:
        """The present lease's id; 0: there is none."""
        return self._ids[-1] if self._held else 0

    @property
    def is_alive(self) -> bool:
        """Whether it lives by our own clock."""
        return self._held and self._clock() < self.expires

    @property
    def next_beat(self) -> float:
        """When it is to be kept alive again."""
        return self.expires - self.life + self.life / BEATS

    def was_ours(self, number: int) -> bool:
        """Whether a lease is, or was, ours."""
        return number != 0 and number in self._ids

    async def hold(self, gateway: Gateway) -> None:
        """Keep the present lease if the server still has it, else get another one."""
        try:
            await self.keep_alive(gateway)
        except LeaseGone:
            await self._grant(gateway)

    async def keep_alive(self, gateway: Gateway) -> int:
        """Prolong it, and return the store's revision.

        Raises:
            LeaseGone: the server has it no more.
        """
        if not self._held:
            raise LeaseGone("there is no lease")
        sent = self._clock()
        answer = await gateway.ask(
            "/v3/lease/keepalive",
            {"ID": str(self.number)},
            any_token=True,  # etcd prolongs leases with an invalid one: a queue of logins ends no lease
        )
        granted = int(answer.get("TTL", 0))  # 0, and HTTP 200, if it has run out
        if granted <= 0:
            self.forget()
            raise LeaseGone("the lease has run out")
        self._confirm(sent, granted)
        return revision(answer)

    def forget(self) -> None:
        """Hold it no more: the server says that it is gone."""
        self._held = False

    async def revoke(self, gateway: Gateway) -> None:
        """End it, and all our entries at once."""
        if not self._held:
            return
        try:
            await gateway.ask("/v3/lease/revoke", {"ID": str(self.number)})
        except Refused as refusal:
            if refusal.code != UNKNOWN_LEASE:
                raise
        self.forget()

    async def _grant(self, gateway: Gateway) -> None:
        await gateway.log_in()  # which takes time that is none of the lease's
        sent = self._clock()
        answer = await gateway.ask("/v3/lease/grant", {"TTL": str(self._asked)})
        self._ids.append(int(answer["ID"]))
        self._held = True
        self._confirm(sent, int(answer["TTL"]))

    def _confirm(self, sent: float, granted: int) -> None:
        self.life = float(granted)
        self.expires = sent + granted
