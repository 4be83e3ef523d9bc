"""Which BGP neighbours of ExaBGP are established, and whether ExaBGP answers at all (E5, N1, N2), sans-I/O.

Two sources say which neighbours are established: events, where `neighbor-changes` is configured, and the
answer to a question that is asked every few seconds. 4.2 lists only established neighbours, so an answer,
once it is complete, replaces all that was known. Until a source has said something, nothing is known.

Several sessions may lead to one peer address. One of them suffices, and an event does not tell them apart: if
the last answer listed several (5), or one that is established though an event took the peer down (4.2), only
the next answer can say that the peer is gone.

An ExaBGP that hangs ends its sessions without a word: its neighbours' hold timers expire. So while a question
is open and nothing at all is read for a while, it counts as hung: no neighbours. Any line is a sign of life,
because a busy ExaBGP answers late. One that goes on after a hang counts again once it has answered a question
that was asked since: its earlier answers may come before it looks at its sessions.
"""

from collections.abc import Iterable, Mapping
from typing import assert_never

from vipagent.core.state import earliest
from vipagent.exabgp.messages import Answer, Message, NeighborState, Reply, Shutdown

SILENCE = 3.0
"""Seconds without any line after which an ExaBGP that owes an answer counts as hung."""
PATIENCE = 2.0
"""Seconds that it has for an answer at least, however long it had nothing to say before."""
LATE = 1.0
"""Seconds by which `overdue` may be late; if it is later, the agent itself was paused, and cannot judge."""
END_OF_ANSWER = 1.0
"""Seconds after its last line at which an answer is complete where no replies come."""
MAX_PEERS = 256
"""Neighbours whose AS numbers are kept after their sessions have ended, too."""


class Neighbors:
    """The established neighbours, as far as ExaBGP has said."""

    def __init__(self) -> None:
        self.hung = False
        """Whether ExaBGP owes an answer and says nothing at all."""
        self.asns: Mapping[str, int] = {}
        """The AS number of each neighbour that is, or was, established."""
        self._established: set[str] = set()
        self._known = False
        self._listed: set[str] | None = None
        """Those established by the answer that is being read."""
        self._once: set[str] = set()
        """Peers that this answer lists."""
        self._twice: set[str] = set()
        """Peers that it lists more than once: several sessions lead to them."""
        self._several: set[str] = set()
        """Established peers to which more than one session leads."""
        self._taken_down: set[str] = set()
        """Peers that were established until an event, and no answer has come since."""
        self._listed_at = 0.0
        self._replies = False
        """Whether replies come at all: then one ends each answer."""
        self._answers = False
        """Whether a question was ever answered."""
        self._open = 0
        """Questions that are not answered yet."""
        self._asked_at = 0.0
        self._heard_at = 0.0
        self._alive = False
        """Whether a hung ExaBGP has said something since."""
        self._earlier: int | None = None
        """Answers before the one that ends the hang; None: not asked since the sign of life."""
        self._counts = False
        """Whether the answer that is being read ends a hang."""
        self._answered = False
        """Whether an answer has come since the last question."""

    @property
    def established(self) -> int | None:
        """How many neighbours are established; None: unknown."""
        if self.hung:
            return 0
        return len(self._established) if self._known else None

    def asked(self, now: float) -> None:
        """Count a question that was written."""
        if self._answered:  # ExaBGP answers in order: the other answers are lost
            self._open = 0
            self._earlier = self._earlier and 0
        if not self._open:
            self._asked_at = now
        if self._alive and self._earlier is None:
            self._earlier = self._open
        self._open += 1
        self._answered = False

    def heard(self, message: Message, now: float) -> list[NeighborState]:
        """Process a line; return which neighbours came up or went down by it."""
        self._heard_at = now
        self._alive = self.hung
        match message:
            case Answer():
                self._begin(now)
            case Reply(error):
                self._replies = True
                return self._give_up() if error else self._complete()
            case NeighborState():
                return self._state(message, now)
            case Shutdown() | None:
                pass
            case _:
                assert_never(message)
        return []

    def overdue(self, now: float) -> list[NeighborState]:
        """Do what is due; all that there is to read must have been read before.

        Returns:
            Which neighbours came up or went down by it. If ExaBGP counts as hung from now on, none is named.
        """
        if self._ends_at is not None and now >= self._ends_at:
            return self._complete()
        if self._hangs_at is not None and now >= self._hangs_at:
            if now > self._hangs_at + LATE:
                self._asked_at = now
            else:
                self._hang()
        return []

    def deadline(self) -> float | None:
        """Return when `overdue` has something to do."""
        return earliest(self._ends_at, self._hangs_at)

    @property
    def _ends_at(self) -> float | None:
        """When the answer that is being read is complete, if no reply is going to say so."""
        return None if self._listed is None or self._replies else self._listed_at + END_OF_ANSWER

    @property
    def _hangs_at(self) -> float | None:
        if self.hung or not self._answers or not self._open:
            return None
        return max(self._heard_at + SILENCE, self._asked_at + PATIENCE)

    def _hang(self) -> None:
        self.hung, self._alive, self._earlier = True, False, None
        self._established, self._listed, self._taken_down = set(), None, set()

    def _begin(self, now: float) -> None:
        self._answers = self._answered = True
        self._open, self._asked_at = max(0, self._open - 1), now
        self._listed, self._once, self._twice, self._listed_at = set(), set(), set(), now
        self._counts = self._earlier == 0
        if self._earlier:
            self._earlier -= 1

    def _state(self, state: NeighborState, now: float) -> list[NeighborState]:
        peer, established = state.peer, state.established
        if established and state.asn is not None and self.asns.get(peer) != state.asn:
            kept = list(self.asns.items())[1 - MAX_PEERS :]
            self.asns = {**dict(kept), peer: state.asn}
        if state.listed and self._listed is not None:
            (self._twice if peer in self._once else self._once).add(peer)
            self._listed_at = now
        if not established and (state.listed or peer in self._several):
            return []
        if self._listed is not None:
            (self._listed.add if established else self._listed.discard)(peer)
        self._known = True
        if established == (peer in self._established):
            another = established and not state.listed and peer in self._several
            return [state] if another and not self.hung else []
        (self._established.add if established else self._established.discard)(peer)
        if not state.listed:
            (self._taken_down.discard if established else self._taken_down.add)(peer)
        return [] if self.hung else [state]

    def _complete(self) -> list[NeighborState]:
        """Let the answer replace what was known."""
        if self._listed is None:
            return []
        before, self._established, self._listed = self._established, self._listed, None
        self._several = (self._several | self._taken_down | self._twice) & self._established
        self._taken_down = set()
        self._known = True
        if not self.hung:
            return [NeighborState(peer, established=False) for peer in sorted(before - self._established)]
        self.hung = not self._counts
        return [] if self.hung else _up(self._established)

    def _give_up(self) -> list[NeighborState]:
        """Drop an answer that ExaBGP could not complete (5, with `peer-as auto`): absence says nothing."""
        if self._listed is not None:
            self._listed = None
            self.hung = self.hung and not self._counts
        return []


def _up(peers: Iterable[str]) -> list[NeighborState]:
    return [NeighborState(peer, established=True) for peer in sorted(peers)]
