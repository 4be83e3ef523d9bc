"""One agent's session with the modelled store: what a backend has to do, and no more (Shape 4)."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass

from tests.simulation.hindrances import Hindrance, Hindrances
from tests.simulation.server import EARLIEST, Held, Session
from tests.simulation.surroundings import Surroundings
from vipagent.core.settings import ServiceSettings
from vipagent.core.words import Claim, StoreState
from vipagent.engine.inputs import Input, SnapshotRead, StoreSession
from vipagent.store.backend import Entry, Snapshot
from vipagent.store.layout import WHOLE_SERVICE, Directory, Kind, member_name
from vipagent.store.records import claim_of

BACKOFF = 1.0
"""Seconds at most until a client tries to connect again."""
KINDS = (Kind.MEMBERS, Kind.MAINTENANCE)


@dataclass(slots=True)
class _Watch:
    """How far the news of a directory have come: a hint comes, the directory is read, the answer comes."""

    under_way: bool = False
    changed: bool = False
    """Whether it changed after it was read."""
    told: bool = False
    """Whether it was handed over since the (re)connection."""


class Client:
    """One session, and its successors when it is lost.

    Args:
        settings: the service, as its node has it.
        around: what all machines share.
        instance: names this run of the agent.
        hop: draws how long a message takes, in seconds.
        hindrances: what is in the way of this client's machine.
        give: takes what is learnt to the engine.
    """

    def __init__(
        self,
        settings: ServiceSettings,
        around: Surroundings,
        *,
        instance: str,
        hop: Callable[[], float],
        hindrances: Hindrances,
        give: Callable[[Input], object],
    ) -> None:
        self.session: Session | None = None
        self.state = StoreState.LOST
        self._settings = settings
        self._instance = instance
        self._server = around.server
        self._clock = around.clock
        self._rng = around.rng
        self._hop = hop
        self._hindrances = hindrances
        self._give = give
        self._value = b""
        self._own = frozenset(member_name(vip) for vip in settings.owned)
        self._wishes: dict[str, bool] = {}
        """The names to keep registered, and whether each ever was (G3)."""
        self._watches = {kind: _Watch() for kind in KINDS}
        self._epoch = 0
        self._cut = False
        self._gone = False
        self._held: list[Callable[[], None]] | None = None
        """What waits for a stopped process; None: it runs."""
        self._fulfilling = False

    def open(self, *, cut: bool) -> None:
        """Start to connect."""
        self._cut = cut
        self._hindrances.add(Hindrance.STORE, self._clock.now)
        self._later(self._rng.uniform(0, BACKOFF / 4), self._connect)

    def register(self, name: str, value: bytes) -> None:
        """Keep an entry; all of one agent's have the same value."""
        self._value = value
        self._wishes.setdefault(name, False)
        self._fulfil_soon()

    def deregister(self, name: str) -> None:
        """Remove an entry."""
        self._wishes.pop(name, None)
        self._fulfil_soon()

    def close(self) -> None:
        """End well: the entries go, if the store is in reach."""
        self._gone = True
        if self.session:
            (self._server.fell_silent if self._cut else self._server.close)(self.session)

    def die(self) -> None:
        """End without a word."""
        self._gone = True
        if self.session:
            self._server.fell_silent(self.session)

    def cut(self) -> None:
        """Lose the connection; it is noticed a little later."""
        if self._cut or self._gone:
            return
        self._cut = True
        self._begin_anew()
        if self.state is StoreState.CONNECTED and self.session:
            self._server.fell_silent(self.session)
            life = self._server.life
            self._later(self._rng.uniform(0, life / 3), lambda: self._become(StoreState.UNSURE))
            self._later(self._rng.uniform(EARLIEST, 1.0) * life, lambda: self._become(StoreState.LOST))

    def mend(self) -> None:
        """Have the connection again."""
        if not self._cut or self._gone:
            return
        self._cut = False
        self._begin_anew()
        if self.state is StoreState.CONNECTED:
            self._later(self._hop(), self._reconnect)
        else:
            self._later(self._rng.uniform(0, BACKOFF), self._connect)

    def expire(self) -> None:
        """Have the session ended by the store, though it is heard of."""
        if self.session and self.session.lives and not self._cut and not self._gone:
            self._server.close(self.session)
            self._begin_anew()
            self._later(self._hop(), self._connect)

    def freeze(self) -> None:
        """Stop with the process."""
        self._held = []
        if self.session and not self._cut:
            self._server.fell_silent(self.session)

    def thaw(self) -> None:
        """Go on; what arrived meanwhile is taken first, old as it may be."""
        held, self._held = self._held or [], None
        if self.session and not self._cut:
            if self.session.lives:
                self._server.heard(self.session)
            else:
                self._hindrances.add(Hindrance.STORE, self._clock.now)
                self._later(self._hop(), self._reconnect)
        for call in held:
            call()

    def _reconnect(self) -> None:
        """Talk to the store again, as if nothing had been: it may have ended the session."""
        if self.session and self.session.lives:
            self._server.heard(self.session)
            self._ask_all()
        elif not self._cut:
            self._begin_anew()
            self._connect()

    def _connect(self) -> None:
        if self._cut:
            return
        if self.session and self.session.lives:
            self._server.heard(self.session)
        else:
            if self.session and self.state is not StoreState.LOST:
                self._become(StoreState.LOST)
            self.session = Session(self._changed)
            self._server.open(self.session)
        self._become(StoreState.CONNECTED)
        self._ask_all()

    def _ask_all(self) -> None:
        for kind in self._rng.sample(KINDS, len(KINDS)):
            self._changed(kind)
        self._fulfil_soon()

    def _begin_anew(self) -> None:
        """Forget what is under way: it is lost with the connection."""
        self._epoch += 1
        self._fulfilling = False
        self._watches = {kind: _Watch() for kind in KINDS}
        self._hindrances.add(Hindrance.STORE, self._clock.now)

    def _become(self, state: StoreState) -> None:
        if state is not self.state:
            self.state = state
            self._give(StoreSession(state, ""))

    def _changed(self, kind: Kind) -> None:
        watch = self._watches[kind]
        if self._cut or self._gone:
            return
        if watch.under_way:
            watch.changed = True
        else:
            watch.under_way = True
            self._later(self._hop(), lambda: self._read(kind))

    def _read(self, kind: Kind) -> None:
        self._watches[kind].changed = False
        if kind is Kind.MEMBERS:
            entries = self._members()
            if any(self._lacks(name) for name in self._wishes):
                self._fulfil_soon()
        else:
            entries = {name: Entry(value) for name, value in self._server.maintenance.items()}
        self._later(self._hop(), lambda: self._deliver(kind, entries))

    def _deliver(self, kind: Kind, entries: Snapshot) -> None:
        watch = self._watches[kind]
        watch.under_way, watch.told = False, True
        self._give(SnapshotRead(Directory(kind, self._settings.name), entries))
        if kind is Kind.MAINTENANCE:
            self._know_the_end(entries)
        if watch.changed:
            self._changed(kind)
        if all(watch.told for watch in self._watches.values()):
            self._hindrances.clear(Hindrance.STORE, self._clock.now)

    def _know_the_end(self, seen: Snapshot) -> None:
        """Note that a maintenance which is over is known to be over."""
        keys, now = self._server.maintenance, self._clock.now
        if self._settings.node not in seen and self._settings.node not in keys:
            self._hindrances.clear(Hindrance.NODE_MAINTENANCE, now)
        if WHOLE_SERVICE not in seen and WHOLE_SERVICE not in keys:
            self._hindrances.clear(Hindrance.SERVICE_MAINTENANCE, now)

    def _members(self) -> Mapping[str, Entry]:
        """Return the members; values and claims only where they are needed."""
        return {
            name: Entry(held.value, self._claim(held)) if name in self._own else Entry()
            for name, held in self._server.members.items()
        }

    def _claim(self, held: Held) -> Claim:
        if held.session is not None and held.session is self.session:
            return Claim.OURS
        return claim_of(held.value, self._settings.node, self._instance)

    def _fulfil_soon(self) -> None:
        if not (self._cut or self._gone or self._fulfilling) and self.state is StoreState.CONNECTED:
            self._fulfilling = True
            self._later(self._hop(), self._fulfil)

    def _fulfil(self) -> None:
        """Make the store's entries what is wished, as far as others' allow it (G3)."""
        self._fulfilling = False
        session, members = self.session, self._server.members
        if session is None or not session.lives:
            return
        for name in [name for name in self._own if name not in self._wishes]:
            if name in members and members[name].session is session:
                self._server.remove(name)
        for name, fulfilled in list(self._wishes.items()):
            held = members.get(name)
            if held is None or (held.session is not session and not fulfilled and self._ours(held)):
                self._server.put(name, self._value, session)
            self._wishes[name] |= members[name].session is session

    def _lacks(self, name: str) -> bool:
        held = self._server.members.get(name)
        return held is None or held.session is not self.session

    def _ours(self, held: Held) -> bool:
        return self._claim(held) is not Claim.OTHER

    def _later(self, seconds: float, call: Callable[[], None]) -> None:
        """Call back, unless the connection is another by then; a stopped process has to run again first."""
        epoch = self._epoch

        def due() -> None:
            if self._gone or epoch != self._epoch:
                return
            if self._held is not None:
                self._held.append(due)
            else:
                call()

        self._clock.after(seconds, due)
