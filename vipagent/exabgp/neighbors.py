"""Established BGP neighbours of ExaBGP, and detection of a hung ExaBGP (E5, N1, N2), sans-I/O.

Two sources report established neighbours: events, if `neighbor-changes` is configured, and the summary, which
is queried every few seconds. 4.2 lists only established neighbours, so a complete summary replaces the
previous state. The state is unknown until one source has reported it.

Several sessions may use the same peer address. One established session is sufficient, and an event does not
identify its session. If the last summary listed several sessions (5), or still lists a session as established
after a `down` event of its peer (4.2), only the next summary can report the peer as down.

A hung ExaBGP loses its sessions without an event: its neighbours' hold timers expire. If a query is
unanswered and ExaBGP writes no line for a while, it counts as hung, without neighbours. Any line shows that
it is alive, because a busy ExaBGP answers late. After a hang, its neighbours count again once it has answered
a query that was sent since it resumed: it may write earlier answers before it has checked its sessions.
"""

from collections.abc import Iterable, Mapping
from typing import assert_never

from vipagent.core.state import earliest
from vipagent.exabgp.details import DetailsStart, DetailsValue
from vipagent.exabgp.messages import Message, NeighborState, Reply, Shutdown, SummaryHeader
from vipagent.exabgp.polling import IDLE_TIMEOUT
from vipagent.exabgp.table import TableRoute

HANG_TIMEOUT = 3.0
"""Seconds without any line, while a query is unanswered, after which ExaBGP counts as hung; less if a quarter
of the hold time is less (N2)."""
MIN_ANSWER_TIMEOUT = 2.0
"""Minimum timeout of an answer in seconds, however long ExaBGP was idle before the query; shortened alike."""
MAX_TIMER_DELAY = 1.0
"""Maximum delay of `handle_timeouts` in seconds; a longer delay means that the agent was paused."""
MAX_PEERS = 256
"""Maximum number of neighbours whose AS number is kept, including those that are down."""


class Neighbors:
    """Established neighbours according to events and summaries."""

    def __init__(self) -> None:
        self.hung = False
        """Whether a query is unanswered and ExaBGP writes nothing."""
        self.asns: Mapping[str, int] = {}
        """The AS number of each neighbour that is or was established."""
        self._established: frozenset[str] = frozenset()
        self._known = False
        """Whether an event or a summary has reported the state."""
        self._summary: set[str] | None = None
        """The established neighbours of the summary that is being received."""
        self._summary_peers: set[str] = set()
        """All peers listed in this summary."""
        self._summary_duplicates: set[str] = set()
        """Peers listed more than once in this summary, one line per session."""
        self._multi_session: set[str] = set()
        """Established peers with more than one session."""
        self._down_since_summary: set[str] = set()
        """Peers that went down by an event since the last complete summary."""
        self._last_summary_line_at = 0.0
        self._acks_enabled = False
        """Whether ExaBGP sends replies, so that a reply ends each summary."""
        self._ever_answered = False
        """Whether ExaBGP ever answered a query."""
        self._unanswered = 0
        """Number of unanswered queries."""
        self._waiting_since = 0.0
        self._last_line_at = 0.0
        self._resumed = False
        """Whether ExaBGP has written a line since it was considered hung."""
        self._answers_to_skip: int | None = None
        """Number of answers before the one that ends the hang; None: no query was sent since it resumed."""
        self._summary_ends_hang = False
        """Whether the summary that is being received ends the hang."""
        self._answered_since_query = False
        """Whether an answer has started since the last query."""
        self.hold_time: float | None = None
        """The shortest hold time of the sessions in seconds; None if unknown, or if no session expires."""

    @property
    def known(self) -> bool:
        """Whether an event or a summary has reported the state."""
        return self._known

    @property
    def facts(self) -> tuple[bool, bool, frozenset[str], Mapping[str, int]]:
        """All that others may know; while nothing changes, these are the same objects, quickly compared."""
        return self.hung, self._known, self._established, self.asns

    @property
    def established(self) -> frozenset[str]:
        """Established neighbours; none if ExaBGP hangs, or before the state is known."""
        return frozenset() if self.hung else self._established

    def query_sent(self, now: float) -> None:
        """Record that a query was sent."""
        if self._answered_since_query:  # ExaBGP answers in order, so older unanswered queries are lost
            self._unanswered = 0
            self._answers_to_skip = self._answers_to_skip and 0
        if not self._unanswered:
            self._waiting_since = now
        if self._resumed and self._answers_to_skip is None:
            self._answers_to_skip = self._unanswered
        self._unanswered += 1
        self._answered_since_query = False

    def message_received(self, message: Message, now: float) -> list[NeighborState]:
        """Process a message; return the neighbours that came up or went down."""
        self._last_line_at = now
        self._resumed = self.hung
        match message:
            case NeighborState():
                return self._update(message, now)
            case Reply(error):
                self._acks_enabled = True
                return self._discard_summary() if error else self._complete_summary()
            case SummaryHeader():
                self._start_summary(now)
            case DetailsStart() | DetailsValue() | TableRoute() | Shutdown() | None:
                pass
            case _:
                assert_never(message)
        return []

    def handle_timeouts(self, now: float) -> list[NeighborState]:
        """Process all deadlines up to `now`. Requires that all available input has been processed.

        Returns:
            The neighbours that came up or went down; empty if ExaBGP is considered hung from now on.
        """
        ends_at, hangs_at = self._summary_ends_at, self._hangs_at
        if ends_at is not None and now >= ends_at:
            return self._complete_summary()
        if hangs_at is not None and now >= hangs_at:
            if now > hangs_at + MAX_TIMER_DELAY:
                self._waiting_since = now
            else:
                self._start_hang()
        return []

    def deadline(self) -> float | None:
        """Return when `handle_timeouts` must be called next."""
        return earliest(self._summary_ends_at, self._hangs_at)

    @property
    def _summary_ends_at(self) -> float | None:
        """When the current summary is complete if acknowledgements are disabled."""
        if self._summary is None or self._acks_enabled:
            return None
        return self._last_summary_line_at + IDLE_TIMEOUT

    @property
    def _hangs_at(self) -> float | None:
        if not self._unanswered or self.hung or not self._ever_answered:
            return None
        share = min(1.0, self.hold_time / 4 / HANG_TIMEOUT) if self.hold_time else 1.0
        silent_at = self._last_line_at + share * HANG_TIMEOUT
        return max(silent_at, self._waiting_since + share * MIN_ANSWER_TIMEOUT)

    def _start_hang(self) -> None:
        self.hung, self._resumed, self._answers_to_skip = True, False, None
        self._established, self._summary, self._down_since_summary = frozenset(), None, set()

    def _start_summary(self, now: float) -> None:
        self._ever_answered = self._answered_since_query = True
        self._unanswered, self._waiting_since = max(0, self._unanswered - 1), now
        self._summary, self._summary_peers, self._summary_duplicates = set(), set(), set()
        self._last_summary_line_at = now
        self._summary_ends_hang = self._answers_to_skip == 0
        if self._answers_to_skip:
            self._answers_to_skip -= 1

    def _update(self, state: NeighborState, now: float) -> list[NeighborState]:
        peer, established = state.peer, state.established
        if established and state.asn is not None and self.asns.get(peer) != state.asn:
            kept = list(self.asns.items())[1 - MAX_PEERS :]
            self.asns = {**dict(kept), peer: state.asn}
        if state.from_summary and self._summary is not None:
            (self._summary_duplicates if peer in self._summary_peers else self._summary_peers).add(peer)
            self._last_summary_line_at = now
        if not established and (state.from_summary or peer in self._multi_session):
            return []
        if self._summary is not None:
            (self._summary.add if established else self._summary.discard)(peer)
        self._known = True
        if established == (peer in self._established):
            another = established and not state.from_summary and peer in self._multi_session
            return [state] if another and not self.hung else []
        self._established = self._established | {peer} if established else self._established - {peer}
        if not state.from_summary:
            (self._down_since_summary.discard if established else self._down_since_summary.add)(peer)
        return [] if self.hung else [state]

    def _complete_summary(self) -> list[NeighborState]:
        """Replace the previous state with the summary."""
        if self._summary is None:
            return []
        before, summary, self._summary = self._established, frozenset(self._summary), None
        self._established = before if summary == before else summary
        candidates = self._multi_session | self._down_since_summary | self._summary_duplicates
        self._multi_session = candidates & self._established
        self._down_since_summary = set()
        self._known = True
        if not self.hung:
            return [NeighborState(peer, established=False) for peer in sorted(before - self._established)]
        self.hung = not self._summary_ends_hang
        return [] if self.hung else _up(self._established)

    def _discard_summary(self) -> list[NeighborState]:
        """Discard an incomplete summary (5, with `peer-as auto`): a missing neighbour may be established."""
        if self._summary is not None:
            self._summary = None
            self.hung = self.hung and not self._summary_ends_hang
        return []


def _up(peers: Iterable[str]) -> list[NeighborState]:
    return [NeighborState(peer, established=True) for peer in sorted(peers)]
