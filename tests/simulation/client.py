"""One agent's session with the modelled store: the real reconciler and session over a modelled driver."""

from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from typing import assert_never

from tests.simulation.hindrances import Hindrance, Hindrances
from tests.simulation.server import Held, Session
from tests.simulation.surroundings import Surroundings
from vipagent.core.settings import ServiceSettings
from vipagent.engine.inputs import Input, SnapshotRead, StoreSession
from vipagent.store import session as store_session
from vipagent.store.driver import Found, Holder, Listing, SessionInfo
from vipagent.store.layout import WHOLE_SERVICE, Directory, Key, Kind, member_name
from vipagent.store.reconciler import Reconciler
from vipagent.store.registration import Delete, Get, Put, StoreRequest

EARLIEST_ATTEMPT = 0.25
"""Seconds, at most, from an agent's start until it asks for a session."""
KINDS = (Kind.MEMBERS, Kind.MAINTENANCE)

Call = Callable[[], None]


@dataclass(slots=True)
class _Bond:
    """What calls depend on: they are void once it is broken."""

    holds: bool = True


@dataclass(slots=True)
class _Reading:
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
        self._node = settings.node
        self._directories = {kind: Directory(kind, settings.name) for kind in KINDS}
        self._server = around.server
        self._clock = around.clock
        self._rng = around.rng
        self._hop = hop
        self._hindrances = hindrances
        self._give = give
        self._reconciler = Reconciler(settings.node, instance, self._rng.uniform)
        self._reconciler.watch(self._directories[Kind.MEMBERS], frozenset(map(member_name, settings.owned)))
        self._reconciler.watch(self._directories[Kind.MAINTENANCE], None)
        self._state = store_session.Session(("the store",), self._server.life, uniform=self._rng.uniform)
        self._alive = SessionInfo(self._server.life, "")
        self._request_timeout = self._state.request_timeout
        self._readings = {kind: _Reading() for kind in KINDS}
        self._life = _Bond()
        self._connection = _Bond()
        """What belongs to an earlier one is void."""
        self._way = _Bond()
        """To the store: what was on an earlier one when it was cut is lost. None outlives its connection."""
        self._connected = False
        self._pumping = False
        self._cut = False
        self._held: list[tuple[Call, _Bond]] | None = None
        """What waits for a stopped process; None: it runs."""

    def open(self, *, cut: bool) -> None:
        """Start to connect."""
        self._cut = cut
        self._hindrances.add(Hindrance.STORE, self._clock.now)
        self._later(self._rng.uniform(0, EARLIEST_ATTEMPT), self._connect, self._life)

    def register(self, name: str, value: bytes) -> None:
        """Keep an entry."""
        self._reconciler.register(Key(self._directories[Kind.MEMBERS], name), value)
        self._request_soon()

    def deregister(self, name: str) -> None:
        """Remove an entry."""
        self._reconciler.deregister(Key(self._directories[Kind.MEMBERS], name))
        self._request_soon()

    def close(self) -> None:
        """End well: the entries go, if the store is in reach."""
        self._break_all()
        if self.session:
            (self._server.fell_silent if self._cut else self._server.close)(self.session)

    def die(self) -> None:
        """End without a word."""
        self._break_all()
        if self.session:
            self._server.fell_silent(self.session)

    def cut(self) -> None:
        """Lose the way to the store; it is noticed by the next request."""
        if self._cut or not self._life.holds:
            return
        self._cut = True
        self._begin_anew()
        if self.session:
            self._server.fell_silent(self.session)

    def mend(self) -> None:
        """Have a way again; what was on the old one is lost, but the connection may stand."""
        if not self._cut or not self._life.holds:
            return
        self._cut = False
        self._begin_anew()
        if self._connected:
            self._read_all()

    def expire(self) -> None:
        """Have the session ended by the store, though it is heard of."""
        if self.session and self.session.lives and not self._cut and self._life.holds:
            self._server.close(self.session)
            self._begin_anew()
            self._message(self._ended)

    def freeze(self) -> None:
        """Stop with the process."""
        self._held = []
        if self.session and not self._cut:
            self._server.fell_silent(self.session)

    def thaw(self) -> None:
        """Go on; what arrived meanwhile is taken first, old as it may be."""
        held, self._held = self._held or [], None
        if self.session and not self.session.lives:
            self._hindrances.add(Hindrance.STORE, self._clock.now)
        for call, bond in held:
            self._due(call, bond)

    # The session.

    def _connect(self) -> None:
        asked = self._clock.now
        self._ask(self._let_in, lambda: self._confirmed(asked, first=True))

    def _let_in(self) -> bool:
        """Resume the session at the server, or begin another."""
        if self.session and self.session.lives:
            self._server.heard(self.session)
        else:
            self.session = Session(self._changed)
            self._server.open(self.session)
        return True

    def _keep_alive(self) -> None:
        asked = self._clock.now
        if asked >= self._state.expires:
            self._failed("no keep-alive was confirmed")
        else:
            self._ask(self._heard, lambda: self._confirmed(asked))

    def _heard(self) -> bool:
        if self.session is None or not self.session.lives:
            return False
        self._server.heard(self.session)
        return True

    def _confirmed(self, asked: float, *, first: bool = False) -> None:
        self._state.confirmed(asked, self._alive)
        now = self._clock.now
        self._later(self._state.next_keep_alive - now, self._keep_alive, self._connection)
        self._later(self._state.expires - now, self._check, self._life)
        if first:
            self._connected = True
            self._reconciler.connected()
            self._read_all()

    def _check(self) -> None:
        if not self._state.is_connected:
            self._state.check_expiry(self._clock.now)
            self._tell()

    def _failed(self, cause: str) -> None:
        self._state.failed(self._clock.now, cause)
        self._disconnected()

    def _ended(self) -> None:
        self._state.ended(self._clock.now, "the session has expired")
        self._disconnected()

    def _disconnected(self) -> None:
        self._connection.holds = False
        self._connection = _Bond()
        self._connected = False
        self._begin_anew()
        self._reconciler.disconnected()
        if self.session:
            self._server.fell_silent(self.session)
        self._tell()
        self._later(self._state.next_attempt - self._clock.now, self._connect, self._connection)

    def _begin_anew(self) -> None:
        """Forget what is under way: it is lost with the way to the store."""
        self._way.holds = False
        self._way = _Bond()
        self._readings = {kind: _Reading() for kind in KINDS}
        self._hindrances.add(Hindrance.STORE, self._clock.now)

    # What is read.

    def _read_all(self) -> None:
        for kind in self._rng.sample(KINDS, len(KINDS)):
            self._changed(kind)
        self._request_soon()

    def _changed(self, kind: Kind) -> None:
        reading = self._readings[kind]
        if self._cut or not self._connected or not self._life.holds:
            return
        if reading.under_way:
            reading.changed = True
        else:
            reading.under_way = True
            self._message(partial(self._read, kind))

    def _read(self, kind: Kind) -> None:
        self._readings[kind].changed = False
        listing: Listing
        if kind is Kind.MEMBERS:
            listing = {name: self._found(held) for name, held in self._server.members.items()}
        else:
            listing = {name: Found(value, value) for name, value in self._server.maintenance.items()}
        self._message(partial(self._listed, kind, listing))

    def _found(self, held: Held) -> Found:
        ours = held.session is not None and held.session is self.session
        return Found(held.value, held, Holder.OURS if ours else Holder.OTHER)

    def _listed(self, kind: Kind, listing: Listing) -> None:
        reading = self._readings[kind]
        reading.under_way, reading.told = False, True
        self._reconciler.listed(self._directories[kind], listing)
        self._state.connected()
        self._tell()
        if kind is Kind.MAINTENANCE:
            self._know_the_end(listing)
        if reading.changed:
            self._changed(kind)
        if all(reading.told for reading in self._readings.values()):
            self._hindrances.clear(Hindrance.STORE, self._clock.now)
        self._request_soon()

    def _know_the_end(self, seen: Listing) -> None:
        """Note that a maintenance which is over is known to be over."""
        keys, now = self._server.maintenance, self._clock.now
        if self._node not in seen and self._node not in keys:
            self._hindrances.clear(Hindrance.NODE_MAINTENANCE, now)
        if WHOLE_SERVICE not in seen and WHOLE_SERVICE not in keys:
            self._hindrances.clear(Hindrance.SERVICE_MAINTENANCE, now)

    def _tell(self) -> None:
        for state, _ in self._state.events():
            self._give(StoreSession(state, ""))
        if self._state.is_connected:
            for directory, snapshot in self._reconciler.snapshots():
                self._give(SnapshotRead(directory, snapshot))

    # What is requested.

    def _request_soon(self) -> None:
        if not self._pumping and self._life.holds:
            self._pumping = True
            self._later(0.0, self._request, self._life)

    def _request(self) -> None:
        self._pumping = False
        for request in self._reconciler.requests(self._clock.now):
            self._carry_out(request)
        if (due := self._reconciler.due) is not None and due > self._clock.now:
            self._later(due - self._clock.now, self._request_soon, self._life)

    def _carry_out(self, request: StoreRequest) -> None:
        outcome: list[Found | None] = []

        def act() -> bool:
            if self.session is None or not self.session.lives:
                return False
            held = self._server.members.get(request.key.name)
            outcome.extend(self._act(request, held, self.session))
            return True

        def done() -> None:
            if outcome:
                self._reconciler.done(request, outcome[0])
            else:
                self._reconciler.entry_changed(request, self._clock.now)
            self._request_soon()

        self._ask(act, done)

    def _act(self, request: StoreRequest, held: Held | None, session: Session) -> list[Found | None]:
        """Do it at the server; return what is there then, and nothing if somebody was quicker."""
        match request:
            case Get():
                return [None if held is None else self._found(held)]
            case Put(key, value, expected):
                if held is not (expected and expected.version):
                    return []
                self._server.put(key.name, value, session)
                return [self._found(self._server.members[key.name])]
            case Delete(key, found):
                if held is not found.version:
                    return []
                self._server.remove(key.name)
                return [None]
            case _:
                assert_never(request)

    # Time, and the way to the store.

    def _ask(self, at_server: Callable[[], bool], answered: Call) -> None:
        """Have something done at the server, and take its answer, or give it up after a while.

        Args:
            at_server: returns whether the session still lives.
            answered: called when the answer has come.
        """
        waiting, alive = True, False

        def give_up() -> None:
            if waiting:
                self._failed("no answer")

        def arrived() -> None:
            nonlocal waiting
            waiting = False
            (answered if alive else self._ended)()

        def serve() -> None:
            nonlocal alive
            alive = at_server()
            self._message(arrived)

        if not self._cut:
            self._message(serve)
        self._later(self._request_timeout, give_up, self._connection)

    def _message(self, call: Call) -> None:
        """Have a message arrive, unless the way is cut meanwhile."""
        self._clock.after(self._hop(), partial(self._due, call, self._way))

    def _later(self, seconds: float, call: Call, bond: _Bond) -> None:
        """Call back, as long as a bond holds; a stopped process has to run again first."""
        self._clock.after(seconds, partial(self._due, call, bond))

    def _due(self, call: Call, bond: _Bond) -> None:
        if self._held is not None:
            self._held.append((call, bond))
        elif bond.holds:
            call()

    def _break_all(self) -> None:
        for bond in (self._life, self._connection, self._way):
            bond.holds = False
