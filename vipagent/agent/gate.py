"""What the agent knows of ExaBGP's neighbours: it is followed, judged in time, and logged (E5, N1, N2)."""

import asyncio
import logging
from collections.abc import Callable, Mapping

from vipagent.exabgp.asking import SILENCE
from vipagent.exabgp.messages import Message, NeighborState
from vipagent.exabgp.neighbors import Neighbors

log = logging.getLogger(__name__)


class GateWatch:
    """Follows ExaBGP's neighbours.

    Args:
        loop: the agent's loop.
        read: reads what ExaBGP has written, if there is anything.
        on_up: called when a BGP session came up.
        on_change: called when the number of established neighbours changed.
        on_asns: called when another AS number of a neighbour became known.
    """

    def __init__(
        self,
        loop: asyncio.AbstractEventLoop,
        read: Callable[[], None],
        on_up: Callable[[], None],
        on_change: Callable[[], None],
        on_asns: Callable[[], None],
    ) -> None:
        self._loop = loop
        self._read = read
        self._on_up = on_up
        self._on_change = on_change
        self._on_asns = on_asns
        self._neighbors = Neighbors()
        self._timer: asyncio.TimerHandle | None = None
        self._doubts: asyncio.TimerHandle | None = None

    @property
    def established(self) -> int | None:
        """How many neighbours are established; None: unknown."""
        return self._neighbors.established

    @property
    def hung(self) -> bool:
        """Whether ExaBGP owes an answer and says nothing at all."""
        return self._neighbors.hung

    @property
    def asns(self) -> Mapping[str, int]:
        """The AS number of each neighbour that is, or was, established."""
        return self._neighbors.asns

    def asked(self) -> None:
        """Count a question that was written."""
        if self._doubts is None:
            self._doubts = self._loop.call_later(SILENCE, self._doubt)
        self._neighbors.asked(self._loop.time())
        self._set_timer()

    def heard(self, message: Message) -> None:
        """Process a line of ExaBGP's."""
        self._follow(lambda: self._neighbors.heard(message, self._loop.time()))

    def close(self) -> None:
        """Judge no more."""
        for timer in (self._timer, self._doubts):
            if timer:
                timer.cancel()

    def _judge(self) -> None:
        """Judge by the time that has passed; if we were paused, what was said meanwhile comes first."""
        self._timer = None
        self._read()
        self._follow(lambda: self._neighbors.overdue(self._loop.time()))

    def _follow(self, step: Callable[[], list[NeighborState]]) -> None:
        neighbors = self._neighbors
        hung, established, asns = neighbors.hung, neighbors.established, neighbors.asns
        changes = step()
        self._log(changes, hung)
        for change in changes:
            if change.established:
                self._on_up()
        if neighbors.established != established:
            self._on_change()
        if neighbors.asns is not asns:
            self._on_asns()
        self._set_timer()

    def _log(self, changes: list[NeighborState], hung: bool) -> None:
        if self.hung and not hung:
            log.error("ExaBGP does not answer, closing the BGP gate", extra={"fields": {"established": 0}})
        elif hung and not self.hung:
            log.warning("ExaBGP answers again", extra={"fields": {"established": self.established}})
        for change in changes:
            fields = {"neighbor": change.peer, "established": change.established}
            log.info("bgp", extra={"fields": fields})

    def _doubt(self) -> None:
        if self.established is None:
            log.warning(
                "BGP unknown: ExaBGP neither answers `show neighbor summary` nor reports its neighbours, "
                "the BGP gate stays open; check its version and the api block of exabgp.conf"
            )

    def _set_timer(self) -> None:
        at = self._neighbors.deadline()
        if at is None or (self._timer and self._timer.when() <= at):
            return  # a timer that is too early sets itself again
        if self._timer:
            self._timer.cancel()
        self._timer = self._loop.call_at(at, self._judge)
