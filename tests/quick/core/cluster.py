"""A cluster of nodes in virtual time that share an in-memory store."""

from collections import deque
from collections.abc import Callable, Sequence

from tests.quick.core.pools import service
from tests.simulation.exabgp import ExaBGP
from tests.simulation.invariants import Invariants
from tests.simulation.node import DecisionCallback, Node, prefix
from vipagent.core import actions, events
from vipagent.core.settings import ServiceSettings
from vipagent.engine import effects, inputs
from vipagent.engine.inputs import Input
from vipagent.store.backend import Snapshot, StoreSettings
from vipagent.store.layout import Directory, Key, Kind
from vipagent.testing.memory import MemoryBackend, MemoryStore
from vipagent.types import StoreState

MAINTENANCE = Directory(Kind.MAINTENANCE, "apex")
SESSION_TIMEOUT = 6.0


class Peer(Node):
    """One node with its own store session; store notifications arrive after a delay."""

    def __init__(
        self, settings: ServiceSettings, exabgp: ExaBGP, cluster: "Cluster", watch: DecisionCallback
    ) -> None:
        self._latency = cluster.latency
        self._inbox: deque[tuple[float, Input]] = deque()
        earlier = cluster.runs.setdefault(settings.node, [])
        run = StoreSettings(settings.node, f"since {cluster.now}", earlier=tuple(earlier))
        earlier.append(run.instance)
        self.backend = MemoryBackend(run, self, cluster.store)
        super().__init__(settings, exabgp, cluster.now, watch, run.instance)
        self.backend.open()

    def session(self, state: StoreState, detail: str) -> None:
        """Queue a change of the session's state."""
        self._inbox.append((self.now + self._latency, inputs.StoreSession(state, detail)))

    def snapshot(self, directory: Directory, entries: Snapshot) -> None:
        """Queue a snapshot of a directory."""
        self._inbox.append((self.now + self._latency, inputs.SnapshotRead(directory, entries)))

    def next_event_at(self) -> float:
        return min(super().next_event_at(), self._inbox[0][0] if self._inbox else float("inf"))

    def run_due(self) -> None:
        super().run_due()
        while self._inbox and self.now >= self._inbox[0][0]:
            self.handle(self._inbox.popleft()[1])

    def _execute_in_store(self, effect: effects.ToStore) -> None:
        super()._execute_in_store(effect)
        match effect:
            case effects.RegisterEntry(key, value):
                self.backend.register(key, value)
            case effects.DeregisterEntry(key):
                self.backend.deregister(key)
            case effects.Watch(directory, values):
                self.backend.watch(directory, values)
            case effects.Unwatch(directory):
                self.backend.unwatch(directory)
            case effects.PublishRecord():
                pass  # no test reads the records


class Cluster:
    """The nodes of a pool, each running or dead.

    Args:
        owners: the VIPs of each node; a node is identified by its index.
        latency: seconds until a store notification reaches a node.
        on_step: called after every step.
        changes: non-default settings of the service, the same on all nodes.
    """

    def __init__(
        self,
        owners: Sequence[tuple[str, ...]],
        latency: float = 0.01,
        on_step: Callable[[], None] = lambda: None,
        **changes: object,
    ) -> None:
        self.now = 0.0
        self.store = MemoryStore()
        self.runs: dict[str, list[str]] = {}
        """The runs of each node so far."""
        self.owners = tuple(owners)
        self.peers: dict[int, Peer] = {}
        self.events = 0
        """Number of events handled by all cores."""
        self.dying: list[tuple[float, Peer]] = []
        """Dead nodes whose sessions have not expired, with the expiry time."""
        self.latency = latency
        self._on_step = on_step
        self._changes = changes

    def start(self, owner: int, exabgp: ExaBGP | None = None) -> Peer:
        """Start a node, with an existing ExaBGP process or a new one."""
        settings = service(node=f"node{owner}", owned=self.owners[owner], owners=self.owners, **self._changes)
        invariants = Invariants(settings, self.now)

        def watch(event: events.Event, todo: list[actions.Action], now: float) -> None:
            self.events += 1
            invariants.check_event(event, todo, now)

        peer = Peer(settings, exabgp or ExaBGP(), self, watch)
        self.peers[owner] = peer
        return peer

    def kill(self, owner: int) -> ExaBGP:
        """Kill a node, whose session expires later; return its ExaBGP."""
        peer = self.peers.pop(owner)
        peer.backend.disconnect()
        self.dying.append((self.now + SESSION_TIMEOUT, peer))
        peer.exabgp.pipe, peer.exabgp.process_at = [], None
        return peer.exabgp

    def maintain(self, name: str, *, enabled: bool) -> None:
        """Set or clear the maintenance key of a node, or of the service."""
        key = Key(MAINTENANCE, name)
        if enabled:
            self.store.put(key, b"")
        else:
            self.store.remove(key)

    def wait(self, seconds: float) -> None:
        """Advance the virtual time of all nodes."""
        end = self.now + seconds
        while (at := self._next_at()) <= end:
            self._now(max(self.now, at))
            self._end_sessions()
            for peer in self.peers.values():
                peer.run_due()
            self._on_step()
        self._now(end)

    def served(self) -> dict[str, dict[int, int]]:
        """Return the MED of each announced route, by VIP and announcing node."""
        return {
            vip: {
                owner: int(peer.exabgp.wire[prefix(vip)].split()[3])
                for owner, peer in sorted(self.peers.items())
                if prefix(vip) in peer.exabgp.wire
            }
            for vips in self.owners
            for vip in vips
        }

    def _now(self, now: float) -> None:
        self.now = now
        for peer in self.peers.values():
            peer.now = now

    def _next_at(self) -> float:
        times = [peer.next_event_at() for peer in self.peers.values()] + [at for at, _ in self.dying]
        return min(times, default=float("inf"))

    def _end_sessions(self) -> None:
        for at, peer in list(self.dying):
            if self.now >= at:
                self.dying.remove((at, peer))
                peer.backend.close(0)
