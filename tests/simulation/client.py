"""Store session of one agent: the real reconciler and session on a simulated driver."""

from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from typing import assert_never

from tests.simulation.clock import ScheduledCall
from tests.simulation.environment import Environment
from tests.simulation.impairments import Impairment, Impairments
from tests.simulation.server import MemberEntry, Session
from vipagent.core.settings import ServiceSettings
from vipagent.engine.inputs import Input, SnapshotRead, StoreSession
from vipagent.store import session as store_session
from vipagent.store.backend import Identity
from vipagent.store.driver import Found, Holder, Listing, SessionInfo
from vipagent.store.layout import WHOLE_SERVICE, Directory, Key, Kind, member_name
from vipagent.store.reconciler import Reconciler
from vipagent.store.registration import Delete, Get, Put, StoreRequest

MAX_CONNECT_DELAY = 0.25
"""Maximum delay in seconds between the start of an agent and its first connection attempt."""
KINDS = (Kind.MEMBERS, Kind.MAINTENANCE)

Call = Callable[[], None]


@dataclass(slots=True)
class _Scope:
    """Scope of scheduled calls, which are dropped once it is cancelled."""

    active: bool = True


@dataclass(slots=True)
class _DirectoryRead:
    """State of reading a directory: notification, request, response."""

    in_progress: bool = False
    changed: bool = False
    """Whether it has changed since the request was served."""
    delivered: bool = False
    """Whether a listing was delivered since the last (re)connection."""


class Client:
    """One store client, which opens a new session when its session is lost.

    Args:
        settings: the settings of the service on this node.
        environment: the objects shared by all machines.
        run: this agent process, and its known earlier ones.
        latency: returns the random latency of a message, in seconds.
        impairments: the impairments of this client's machine.
        on_input: called with each input for the engine.
    """

    def __init__(
        self,
        settings: ServiceSettings,
        environment: Environment,
        *,
        run: Identity,
        latency: Callable[[], float],
        impairments: Impairments,
        on_input: Callable[[Input], object],
    ) -> None:
        self.session: Session | None = None
        self._node = settings.node
        self._directories = {kind: Directory(kind, settings.name) for kind in KINDS}
        self._server = environment.server
        self._clock = environment.clock
        self._rng = environment.rng
        self._latency = latency
        self._impairments = impairments
        self._on_input = on_input
        self._reconciler = Reconciler(run, self._rng.uniform)
        self._reconciler.watch(self._directories[Kind.MEMBERS], frozenset(map(member_name, settings.owned)))
        self._reconciler.watch(self._directories[Kind.MAINTENANCE], None)
        self._state = store_session.Session(
            ("the store",), self._server.session_timeout, uniform=self._rng.uniform
        )
        self._alive = SessionInfo(self._server.session_timeout, "")
        self._request_timeout = self._state.request_timeout
        self._reads = {kind: _DirectoryRead() for kind in KINDS}
        self._process = _Scope()
        self._connection = _Scope()
        """Replaced with each connection."""
        self._network_path = _Scope()
        """Replaced when the network is cut or repaired, which loses messages, and with each connection."""
        self._connected = False
        self._request_scheduled = False
        self._cut = False
        self._expiry: ScheduledCall | None = None
        """Check of the last known expiry of the session."""
        self._deferred: list[tuple[Call, _Scope]] | None = None
        """Calls deferred until the paused process resumes; None: it is running."""

    def open(self, *, cut: bool) -> None:
        """Connect after a random delay.

        Args:
            cut: whether the store is unreachable.
        """
        self._cut = cut
        self._impairments.add(Impairment.STORE, self._clock.now)
        self._call_later(self._rng.uniform(0, MAX_CONNECT_DELAY), self._connect, self._process)

    def register(self, name: str, value: bytes) -> None:
        """Register an entry."""
        self._reconciler.register(Key(self._directories[Kind.MEMBERS], name), value)
        self._request_soon()

    def deregister(self, name: str) -> None:
        """Deregister an entry."""
        self._reconciler.deregister(Key(self._directories[Kind.MEMBERS], name))
        self._request_soon()

    def close(self) -> None:
        """Close the session, which removes its entries if the store is reachable."""
        self._cancel_all()
        if self.session:
            (self._server.stop_keep_alives if self._cut else self._server.close)(self.session)

    def kill(self) -> None:
        """Stop without closing the session."""
        self._cancel_all()
        if self.session:
            self._server.stop_keep_alives(self.session)

    def cut(self) -> None:
        """Cut the network path to the store; the next request detects it."""
        if self._cut or not self._process.active:
            return
        self._cut = True
        self._reset_requests()
        if self.session:
            self._server.stop_keep_alives(self.session)

    def repair(self) -> None:
        """Repair the network path. Earlier messages are lost, but the connection may have survived."""
        if not self._cut or not self._process.active:
            return
        self._cut = False
        self._reset_requests()
        if self._connected:
            self._read_all()

    def expire(self) -> None:
        """Expire the session at the store in spite of keep-alives."""
        if self.session and self.session.alive and not self._cut and self._process.active:
            self._server.close(self.session)
            self._reset_requests()
            self._message(self._on_session_end)

    def pause(self) -> None:
        """Pause together with the process."""
        self._deferred = []
        if self.session and not self._cut:
            self._server.stop_keep_alives(self.session)

    def resume(self) -> None:
        """Resume; first process what was received during the pause, even if it is outdated."""
        deferred, self._deferred = self._deferred or [], None
        if self.session and not self.session.alive:
            self._impairments.add(Impairment.STORE, self._clock.now)
        for call, scope in deferred:
            self._run_or_defer(call, scope)

    # Session

    def _connect(self) -> None:
        sent_at = self._clock.now
        self._send_request(self._open_session, lambda: self._on_keep_alive(sent_at, first=True))

    def _open_session(self) -> bool:
        """Resume the session at the server, or open a new one."""
        if self.session and self.session.alive:
            self._server.keep_alive(self.session)
        else:
            self.session = Session(self._changed)
            self._server.open(self.session)
        return True

    def _keep_alive(self) -> None:
        sent_at = self._clock.now
        if sent_at >= self._state.expires:
            self._on_failure("no keep-alive was confirmed")
        else:
            self._send_request(self._renew_session, lambda: self._on_keep_alive(sent_at))

    def _renew_session(self) -> bool:
        if self.session is None or not self.session.alive:
            return False
        self._server.keep_alive(self.session)
        return True

    def _on_keep_alive(self, sent_at: float, *, first: bool = False) -> None:
        self._state.confirmed(sent_at, self._alive)
        now = self._clock.now
        self._call_later(self._state.next_keep_alive - now, self._keep_alive, self._connection)
        if self._expiry:
            self._expiry.cancel()
        self._expiry = self._call_later(self._state.expires - now, self._check, self._process)
        if first:
            self._connected = True
            self._reconciler.connected()
            self._read_all()

    def _check(self) -> None:
        if not self._state.is_connected:
            self._state.check_expiry(self._clock.now)
            self._deliver()

    def _on_failure(self, cause: str) -> None:
        self._state.failed(self._clock.now, cause)
        self._disconnect()

    def _on_session_end(self) -> None:
        self._state.ended(self._clock.now, "the session has expired")
        self._disconnect()

    def _disconnect(self) -> None:
        self._connection.active = False
        self._connection = _Scope()
        self._connected = False
        self._reset_requests()
        self._reconciler.disconnected()
        if self.session:
            self._server.stop_keep_alives(self.session)
        self._deliver()
        self._call_later(self._state.next_attempt - self._clock.now, self._connect, self._connection)

    def _reset_requests(self) -> None:
        """Drop all messages in transit and all reads in progress."""
        self._network_path.active = False
        self._network_path = _Scope()
        self._reads = {kind: _DirectoryRead() for kind in KINDS}
        self._impairments.add(Impairment.STORE, self._clock.now)

    # Reading

    def _read_all(self) -> None:
        for kind in self._rng.sample(KINDS, len(KINDS)):
            self._changed(kind)
        self._request_soon()

    def _changed(self, kind: Kind) -> None:
        reading = self._reads[kind]
        if self._cut or not self._connected or not self._process.active:
            return
        if reading.in_progress:
            reading.changed = True
        else:
            reading.in_progress = True
            self._message(partial(self._read, kind))

    def _read(self, kind: Kind) -> None:
        self._reads[kind].changed = False
        listing: Listing
        if kind is Kind.MEMBERS:
            listing = {name: self._to_found(entry) for name, entry in self._server.members.items()}
        else:
            listing = {name: Found(value, value) for name, value in self._server.maintenance.items()}
        self._message(partial(self._listed, kind, listing))

    def _to_found(self, entry: MemberEntry) -> Found:
        ours = entry.session is not None and entry.session is self.session
        return Found(entry.value, entry, Holder.OURS if ours else Holder.OTHER)

    def _listed(self, kind: Kind, listing: Listing) -> None:
        reading = self._reads[kind]
        reading.in_progress, reading.delivered = False, True
        self._reconciler.listed(self._directories[kind], listing)
        self._state.connected()
        self._deliver()
        if kind is Kind.MAINTENANCE:
            self._clear_finished_maintenance(listing)
        if reading.changed:
            self._changed(kind)
        if all(reading.delivered for reading in self._reads.values()):
            self._impairments.clear(Impairment.STORE, self._clock.now)
        self._request_soon()

    def _clear_finished_maintenance(self, seen: Listing) -> None:
        """Clear the maintenance impairments once the client has read that the maintenance is over."""
        keys, now = self._server.maintenance, self._clock.now
        if self._node not in seen and self._node not in keys:
            self._impairments.clear(Impairment.NODE_MAINTENANCE, now)
        if WHOLE_SERVICE not in seen and WHOLE_SERVICE not in keys:
            self._impairments.clear(Impairment.SERVICE_MAINTENANCE, now)

    def _deliver(self) -> None:
        for state, _ in self._state.events():
            self._on_input(StoreSession(state, ""))
        if self._state.is_connected:
            for directory, snapshot in self._reconciler.snapshots():
                self._on_input(SnapshotRead(directory, snapshot))

    # Requests

    def _request_soon(self) -> None:
        if not self._request_scheduled and self._process.active:
            self._request_scheduled = True
            self._call_later(0.0, self._request, self._process)

    def _request(self) -> None:
        self._request_scheduled = False
        for request in self._reconciler.requests(self._clock.now):
            self._execute(request)
        if (due := self._reconciler.due) is not None and due > self._clock.now:
            self._call_later(due - self._clock.now, self._request_soon, self._process)

    def _execute(self, request: StoreRequest) -> None:
        result: list[Found | None] = []

        def action() -> bool:
            if self.session is None or not self.session.alive:
                return False
            entry = self._server.members.get(request.key.name)
            result.extend(self._apply(request, entry, self.session))
            return True

        def on_response() -> None:
            if result:
                self._reconciler.done(request, result[0])
            else:
                self._reconciler.entry_changed(request, self._clock.now)
            self._request_soon()

        self._send_request(action, on_response)

    def _apply(
        self, request: StoreRequest, entry: MemberEntry | None, session: Session
    ) -> list[Found | None]:
        """Apply a request at the server; return the resulting entry, or an empty list on a conflict."""
        match request:
            case Get():
                return [None if entry is None else self._to_found(entry)]
            case Put(key, value, expected):
                if entry is not (expected and expected.version):
                    return []
                self._server.put(key.name, value, session)
                return [self._to_found(self._server.members[key.name])]
            case Delete(key, found):
                if entry is not found.version:
                    return []
                self._server.remove(key.name)
                return [None]
            case _:
                assert_never(request)

    # Time and network

    def _send_request(self, action: Callable[[], bool], on_response: Call) -> None:
        """Send a request to the server and process its response or timeout.

        Args:
            action: runs at the server; returns whether the session is still alive.
            on_response: called when the response has been received.
        """
        waiting, alive = True, False

        def time_out() -> None:
            if waiting:
                self._on_failure("no answer")

        def receive() -> None:
            nonlocal waiting
            waiting = False
            timeout.cancel()
            (on_response if alive else self._on_session_end)()

        def serve() -> None:
            nonlocal alive
            alive = action()
            self._message(receive)

        if not self._cut:
            self._message(serve)
        timeout = self._call_later(self._request_timeout, time_out, self._connection)

    def _message(self, call: Call) -> None:
        """Deliver a message after the latency, unless the network path is cut before."""
        self._clock.after(self._latency(), partial(self._run_or_defer, call, self._network_path))

    def _call_later(self, seconds: float, call: Call, scope: _Scope) -> ScheduledCall:
        """Schedule a call in a scope; a paused process runs it when it resumes."""
        return self._clock.after(seconds, partial(self._run_or_defer, call, scope))

    def _run_or_defer(self, call: Call, scope: _Scope) -> None:
        if self._deferred is not None:
            self._deferred.append((call, scope))
        elif scope.active:
            call()

    def _cancel_all(self) -> None:
        for scope in (self._process, self._connection, self._network_path):
            scope.active = False
