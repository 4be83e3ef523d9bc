"""Several nodes in one virtual time, a store in memory between them: who serves what on the wire."""

from collections import deque
from collections.abc import Callable, Sequence

from tests.quick.core.pools import service
from tests.simulation.exabgp import ExaBGP
from tests.simulation.node import Node, Watch, prefix
from tests.simulation.oracle import Oracle
from vipagent.core import actions, events
from vipagent.core.settings import ServiceSettings
from vipagent.core.words import StoreState
from vipagent.engine import effects, inputs
from vipagent.engine.inputs import Input
from vipagent.store.backend import Snapshot, StoreSettings
from vipagent.store.layout import Directory, Key, Kind
from vipagent.testing.memory import MemoryBackend, MemoryStore

MAINTENANCE = Directory(Kind.MAINTENANCE, "apex")
SESSION_TIMEOUT = 6.0


class Peer(Node):
    """One node with a session of its own; what the store says reaches it a little later."""

    def __init__(self, settings: ServiceSettings, exabgp: ExaBGP, cluster: "Cluster", watch: Watch) -> None:
        self._latency = cluster.latency
        self._mail: deque[tuple[float, Input]] = deque()
        run = StoreSettings(settings.node, instance=f"since {cluster.now}")
        self.backend = MemoryBackend(run, self, cluster.store)
        super().__init__(settings, exabgp, cluster.now, watch, run.instance)
        self.backend.open()

    def session(self, state: StoreState, detail: str) -> None:
        """Take the session's state from the store."""
        self._mail.append((self.now + self._latency, inputs.StoreSession(state, detail)))

    def snapshot(self, directory: Directory, entries: Snapshot) -> None:
        """Take a directory from the store."""
        self._mail.append((self.now + self._latency, inputs.SnapshotRead(directory, entries)))

    def next_at(self) -> float:
        return min(super().next_at(), self._mail[0][0] if self._mail else float("inf"))

    def turn(self) -> None:
        super().turn()
        while self._mail and self.now >= self._mail[0][0]:
            self.give(self._mail.popleft()[1])

    def _carry_out_in_store(self, effect: effects.ToStore) -> None:
        super()._carry_out_in_store(effect)
        match effect:
            case effects.Register(key, value):
                self.backend.register(key, value)
            case effects.Deregister(key):
                self.backend.deregister(key)
            case effects.Watch(directory, values):
                self.backend.watch(directory, values)
            case effects.Unwatch(directory):
                self.backend.unwatch(directory)
            case effects.Publish():
                pass  # nothing here is for people


class Cluster:
    """The nodes of a pool; each is there, or dead.

    Args:
        seats: the pool; a node is known by the number of its seat.
        latency: seconds until a node learns what the store says.
        looked: called whenever something may have changed.
        changes: of the service's settings, the same on all nodes.
    """

    def __init__(
        self,
        seats: Sequence[tuple[str, ...]],
        latency: float = 0.01,
        looked: Callable[[], None] = lambda: None,
        **changes: object,
    ) -> None:
        self.now = 0.0
        self.store = MemoryStore()
        self.seats = tuple(seats)
        self.peers: dict[int, Peer] = {}
        self.events = 0
        """How many the cores took, all told."""
        self.dying: list[tuple[float, Peer]] = []
        """The dead whose sessions still live, and until when."""
        self.latency = latency
        self._looked = looked
        self._changes = changes

    def start(self, seat: int, exabgp: ExaBGP | None = None) -> Peer:
        """Start a node, with an ExaBGP that survived its agent or with a new one."""
        settings = service(node=f"node{seat}", owned=self.seats[seat], seats=self.seats, **self._changes)
        oracle = Oracle(settings, self.now)

        def watch(event: events.Event, todo: list[actions.Action], now: float) -> None:
            self.events += 1
            oracle.saw(event, todo, now)

        peer = Peer(settings, exabgp or ExaBGP(), self, watch)
        self.peers[seat] = peer
        return peer

    def kill(self, seat: int) -> ExaBGP:
        """End a node without a word; its session goes on for a while. Return the ExaBGP that it had."""
        peer = self.peers.pop(seat)
        peer.backend.disconnect()
        self.dying.append((self.now + SESSION_TIMEOUT, peer))
        peer.exabgp.pipe, peer.exabgp.turn_at = [], None
        return peer.exabgp

    def maintain(self, name: str, *, wanted: bool) -> None:
        """Set or clear the maintenance key of a node, or of the service."""
        key = Key(MAINTENANCE, name)
        if wanted:
            self.store.put(key, b"")
        else:
            self.store.remove(key)

    def wait(self, seconds: float) -> None:
        """Let time pass for all of them."""
        end = self.now + seconds
        while (at := self._next_at()) <= end:
            self._now(max(self.now, at))
            self._end_sessions()
            for peer in self.peers.values():
                peer.turn()
            self._looked()
        self._now(end)

    def served(self) -> dict[str, dict[int, int]]:
        """Return the MED of each VIP's route, by the seats of those who announce it on the wire."""
        return {
            vip: {
                seat: int(peer.exabgp.wire[prefix(vip)].split()[3])
                for seat, peer in sorted(self.peers.items())
                if prefix(vip) in peer.exabgp.wire
            }
            for vips in self.seats
            for vip in vips
        }

    def _now(self, now: float) -> None:
        self.now = now
        for peer in self.peers.values():
            peer.now = now

    def _next_at(self) -> float:
        times = [peer.next_at() for peer in self.peers.values()] + [at for at, _ in self.dying]
        return min(times, default=float("inf"))

    def _end_sessions(self) -> None:
        for at, peer in list(self.dying):
            if self.now >= at:
                self.dying.remove((at, peer))
                peer.backend.close(0)
