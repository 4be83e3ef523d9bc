"""BGP gate: tracks the number of established neighbours and whether ExaBGP answers (E5, N1, N2)."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace

from vipagent.core.state import earliest
from vipagent.engine.effects import Log
from vipagent.engine.flaps import NeighborLog
from vipagent.exabgp.messages import Message, NeighborState
from vipagent.exabgp.neighbors import Neighbors
from vipagent.exabgp.polling import FIRST_ANSWER_TIMEOUT
from vipagent.types import Neighbor


@dataclass(frozen=True, slots=True)
class GateChange:
    """Change caused by a line of ExaBGP's output or by a timeout."""

    came_up: bool = False
    """Whether a BGP session came up."""
    counted: bool = False
    """Whether the number of established neighbours has changed."""
    asns: bool = False
    """Whether the AS number of a neighbour was learnt or has changed."""
    logs: tuple[Log, ...] = ()


class Gate:
    """Tracks ExaBGP's neighbours."""

    def __init__(self) -> None:
        self._neighbors = Neighbors()
        self._log = NeighborLog()
        self._before = self._neighbors.hung, self._neighbors.established, self._neighbors.asns
        """State before the next line."""
        self._warn_at: float | None = None
        """When to warn that the neighbours are unknown; None before the first query and after the check."""
        self._queried = False

    @property
    def established(self) -> int | None:
        """Number of established neighbours; None if unknown."""
        return self._neighbors.established

    @property
    def neighbors(self) -> tuple[Neighbor, ...]:
        """The neighbours and what is known of them; empty if ExaBGP has not reported any."""
        return ()

    @property
    def hung(self) -> bool:
        """Whether ExaBGP has not answered a query in time and has sent no other output."""
        return self._neighbors.hung

    @property
    def asns(self) -> Mapping[str, int]:
        """AS number of each neighbour that is, or was, established."""
        return self._neighbors.asns

    def on_query_sent(self, now: float) -> None:
        """Record that a query was written to ExaBGP."""
        if not self._queried:
            self._queried, self._warn_at = True, now + FIRST_ANSWER_TIMEOUT
        self._neighbors.query_sent(now)

    def on_message(self, message: Message, now: float) -> GateChange | None:
        """Process one line of ExaBGP's output; return the change, if any."""
        return self._change(self._neighbors.message_received(message, now), now)

    def links_changed(self, down: Mapping[str, str], now: float) -> GateChange | None:
        """Update the neighbours whose interface is down or has no carrier (N3); return the change, if any."""
        return self._change(self._neighbors.links_changed(down, now), now)

    def check_timeout(self, now: float) -> GateChange | None:
        """Return the change if ExaBGP has not answered in time; read all pending output first."""
        changed = self._change(self._neighbors.handle_timeouts(now), now)
        if summaries := tuple(self._log.due(now)):
            changed = changed or GateChange()
            changed = replace(changed, logs=(*changed.logs, *summaries))
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
        """Return when to call `check_timeout`."""
        return earliest(self._neighbors.deadline(), self._warn_at, self._log.deadline())

    def _change(self, states: list[NeighborState], now: float) -> GateChange | None:
        hung, established, asns = before = self._before
        self._before = self._neighbors.hung, self._neighbors.established, self._neighbors.asns
        if not states and self._before == before:
            return None
        return GateChange(
            came_up=any(state.established for state in states),
            counted=self.established != established,
            asns=self.asns is not asns,
            logs=(*self._hung_logs(hung), *self._state_logs(states, now)),
        )

    def _hung_logs(self, hung: bool) -> tuple[Log, ...]:
        if self.hung and not hung:
            return (Log.error("ExaBGP does not answer, closing the BGP gate", established=0),)
        if hung and not self.hung:
            return (Log.warning("ExaBGP answers again", established=self.established),)
        return ()

    def _state_logs(self, states: list[NeighborState], now: float) -> Iterator[Log]:
        for state in states:
            if entry := self._log.changed(state.peer, now, established=state.established):
                yield entry
