"""What the engine knows of ExaBGP's neighbours: followed, judged in time, and logged (E5, N1, N2)."""

from collections.abc import Mapping
from dataclasses import dataclass, replace

from vipagent.core.moment import earliest
from vipagent.engine.effects import Log
from vipagent.exabgp.messages import Message, NeighborState
from vipagent.exabgp.neighbors import Neighbors
from vipagent.exabgp.polling import FIRST_ANSWER_TIMEOUT


@dataclass(frozen=True, slots=True)
class GateChange:
    """What a line, or the time that has passed, has changed."""

    came_up: bool = False
    """Whether a BGP session came up."""
    counted: bool = False
    """Whether the number of established neighbours is another one."""
    asns: bool = False
    """Whether another AS number of a neighbour became known."""
    logs: tuple[Log, ...] = ()


class Gate:
    """Follows ExaBGP's neighbours."""

    def __init__(self) -> None:
        self._neighbors = Neighbors()
        self._before = self._neighbors.hung, self._neighbors.established, self._neighbors.asns
        """What was known before the next line."""
        self._warn_at: float | None = None
        """When to warn if nothing is known; None: nothing was asked, or it has been judged."""
        self._asked = False

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

    def asked(self, now: float) -> None:
        """Count a question that was written."""
        if not self._asked:
            self._asked, self._warn_at = True, now + FIRST_ANSWER_TIMEOUT
        self._neighbors.query_sent(now)

    def heard(self, message: Message, now: float) -> GateChange | None:
        """Process a line of ExaBGP's; return what it has changed, if anything."""
        return self._change(self._neighbors.message_received(message, now))

    def overdue(self, now: float) -> GateChange | None:
        """Judge by the time that has passed; what there was to read must have been read before."""
        changed = self._change(self._neighbors.handle_timeouts(now))
        if self._warn_at is None or now < self._warn_at:
            return changed
        self._warn_at = None
        if self.established is not None:
            return changed
        warning = Log.warning(
            "BGP unknown: ExaBGP neither answers `show neighbor summary` nor reports its neighbours, "
            "the BGP gate stays open; check its version and the api block of exabgp.conf"
        )
        changed = changed or GateChange()
        return replace(changed, logs=(*changed.logs, warning))

    def deadline(self) -> float | None:
        """Return when `overdue` has something to do."""
        return earliest(self._neighbors.deadline(), self._warn_at)

    def _change(self, states: list[NeighborState]) -> GateChange | None:
        hung, established, asns = before = self._before
        self._before = self._neighbors.hung, self._neighbors.established, self._neighbors.asns
        if not states and self._before == before:
            return None
        return GateChange(
            came_up=any(state.established for state in states),
            counted=self.established != established,
            asns=self.asns is not asns,
            logs=(*self._hung_logs(hung), *map(_state_log, states)),
        )

    def _hung_logs(self, hung: bool) -> tuple[Log, ...]:
        if self.hung and not hung:
            return (Log.error("ExaBGP does not answer, closing the BGP gate", established=0),)
        if hung and not self.hung:
            return (Log.warning("ExaBGP answers again", established=self.established),)
        return ()


def _state_log(state: NeighborState) -> Log:
    return Log.info("bgp", neighbor=state.peer, established=state.established)
