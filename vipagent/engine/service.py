"""One service of the engine: its core, and how the core's actions are carried out (Shape 2)."""

from collections.abc import Collection, Iterable, Iterator, Mapping
from dataclasses import dataclass, replace
from itertools import chain
from typing import assert_never

from vipagent.config.settings import ServiceConfig
from vipagent.core import actions, events
from vipagent.core.moment import earliest
from vipagent.core.service import Service
from vipagent.core.settings import ServiceSettings
from vipagent.core.words import Claim, Reason
from vipagent.engine import effects
from vipagent.engine.context import Context
from vipagent.engine.effects import Effect, Log
from vipagent.engine.reporter import Reporter
from vipagent.exabgp import route
from vipagent.store.backend import Entry, Snapshot
from vipagent.store.layout import WHOLE_SERVICE, Directory, Key, Kind, member_name, vips_by_name
from vipagent.store.records import Maintenance, Registration
from vipagent.telemetry.counters import ServiceCounters

MAX_RETRY = 60.0
"""Seconds, at most, after which a service decides again that a bug has kept from it; the first time, 2."""


@dataclass(frozen=True, slots=True)
class Decision:
    """What a service asks for, once its routes are with the speaker."""

    deregistrations: list[Effect]
    """To be carried out before the routes (G2, H2)."""
    registrations: list[Effect]
    """To be carried out after the routes (G1)."""
    reports: Iterable[Effect]
    """To be carried out last; each is made when it is asked for."""


class ServiceRuntime:
    """One service.

    Args:
        config: as configured.
        context: what it shares with the engine's other services.
        core: decides; it is new.
    """

    def __init__(self, config: ServiceConfig, context: Context, core: Service) -> None:
        self.config = config
        self.timer: float | None = None
        """When the core wants `TimerFired`."""
        self.stopped = False
        """Whether it has withdrawn everything, and decides no more."""
        self._started = False
        """Whether the store's directories are followed, and the check runs."""
        self._context = context
        self._core = core
        self._reporter = Reporter(config, context)
        self._errors = 0
        """Decisions in a row that a bug has kept from being made."""
        self._announced: dict[str, actions.Preference] = {}
        self._names = vips_by_name(config.core.pool)
        self._unknown: frozenset[str] = frozenset()
        """The names in its directory of members that are no VIP of its pool."""

    @property
    def report(self) -> actions.Report | None:
        """What this node does; None: it has decided nothing yet."""
        return self._core.report

    @property
    def counters(self) -> ServiceCounters:
        """What is counted of the service."""
        return self._reporter.counters

    @property
    def check_changing(self) -> bool:
        """Whether the next check should come after `fast_interval` instead of `interval`."""
        return self._core.check_changing

    def watch(self) -> Iterator[Effect]:
        """Follow the directories that are needed, and no others."""
        needed: Mapping[Kind, frozenset[str] | None] = required_values(self.config.core)
        if self._context.watches_all:
            needed = dict.fromkeys(Kind)
        for kind in Kind:
            directory = self._directory(kind)
            yield effects.Watch(directory, needed[kind]) if kind in needed else effects.Unwatch(directory)

    def dispatch(self, event: events.Event, now: float) -> Decision:
        """Let the core decide, and ask the speaker for the routes; never raises (E6)."""
        if self.stopped:
            return Decision([], [], [])
        if isinstance(event, events.TimerFired):
            self.timer = None
        errors: list[Iterable[Effect]] = []
        try:
            todo = self._core.handle(event, now)
        except Exception as error:  # noqa: BLE001 - a bug in one service must not take the routes of all
            errors.append(self._reporter.internal_error(event, error))
            todo = list(self._give_up()) if isinstance(event, events.StopAsked) else []
            self._errors += 1
            self.timer = earliest(self.timer, now + min(2.0**self._errors, MAX_RETRY))
        else:
            self._errors = 0
        for action in todo:
            try:
                self._request(action)
            except Exception as error:  # noqa: BLE001 - nor of one VIP those of all
                errors.append(self._reporter.internal_error(event, error))
        if isinstance(event, events.StopAsked):
            self.stopped, self.timer = True, None
        return Decision(
            [effects.Deregister(self._member(it.vip)) for it in todo if isinstance(it, actions.Deregister)],
            [
                effects.Register(self._member(it.vip), self._registration)
                for it in todo
                if isinstance(it, actions.Register)
            ],
            chain(*errors, self._report(event, todo)),
        )

    def _give_up(self) -> Iterator[actions.Action]:
        """Yield what leaves nothing behind, if the core cannot say what there is."""
        core = self.config.core
        yield from (actions.Deregister(vip, Reason.STOPPING) for vip in core.owned)
        yield from (actions.Withdraw(vip, Reason.STOPPING) for vip in core.pool)

    def event_of(self, directory: Directory, entries: Snapshot) -> events.Event | None:
        """Return what a snapshot of one of this service's directories means; None: it decides nothing."""
        match directory.kind:
            case Kind.MEMBERS:
                return members_seen(entries, self._names, self.config.core.owned_set)
            case Kind.MAINTENANCE:
                return maintenance_seen(entries, self.config.core.node)
            case Kind.STATES:
                return None
            case _:
                assert_never(directory.kind)

    def note_unknown(self, directory: Directory, entries: Snapshot) -> Iterator[Effect]:
        """Log names that mean nothing, once for as long as they are there (S1)."""
        if directory.kind is not Kind.MEMBERS:
            return
        names = unknown_names(entries, self._names)
        if names - self._unknown:
            yield Log.warning(
                "ignored in the store: no VIPs of this service",
                service=self.config.name,
                count=len(names),
                names=sorted(names)[:5],
            )
        self._unknown = names

    def reconfigure(self, config: ServiceConfig) -> None:
        """Replace the configuration; the core is told by an event of its own (E3)."""
        self.config = self._reporter.config = config
        self._names = vips_by_name(config.core.pool)

    def reannounce(self) -> Iterable[Effect]:
        """Ask the speaker once more for what is announced: it may look different, or have another service.

        Returns:
            What to report; it never raises (E6).
        """
        try:
            for vip, preference in self._announced.items():
                self._context.speaker.announce(vip, route.announce(self._routes, vip, preference))
        except Exception as error:  # noqa: BLE001 - as in `dispatch`
            return self._reporter.internal_error(events.Reconfigured(self.config.core), error)
        return ()

    def republish(self) -> Iterator[Effect]:
        """Publish the record once more, if there is one: what surrounds the decisions has changed."""
        if self._core.report and not self.stopped:
            yield from self._reporter.publish(self._core.report)

    def find_loops(self) -> Iterable[Log] | None:
        """Find the neighbours that `prepend` would be a loop for (N10).

        Returns:
            What to log if they are others now; else None.
        """
        found = route.loops(self.config.routes, self._context.gate.asns)
        if found == self._reporter.loops:
            return None
        self._reporter.loops = found
        return self._loops_logs(found)

    def _loops_logs(self, found: tuple[str, ...]) -> Iterator[Log]:
        if found:
            yield Log.warning(
                "prepend is ignored for all neighbours of the service: an iBGP one takes a path with its "
                "own AS for a loop; name the others in `neighbor`, or rank by local_preference",
                service=self.config.name,
                neighbors=found,
                **{"as": self.config.routes.local_as},
            )

    @property
    def _routes(self) -> route.RouteSettings:
        """How the routes look: not prepended where that would be a loop (N10)."""
        return replace(self.config.routes, prepend=0) if self._reporter.loops else self.config.routes

    def _request(self, action: actions.Action) -> None:
        match action:
            case actions.Announce(vip, preference):
                self._announced[vip] = preference
                self._context.speaker.announce(vip, route.announce(self._routes, vip, preference))
            case actions.Withdraw(vip):
                self._announced.pop(vip, None)
                self._context.speaker.withdraw(vip, route.withdraw(self.config.routes, vip))
            case actions.SetTimer(at):
                self.timer = at
            case actions.Register() | actions.Deregister() | actions.Publish() | actions.RunHook():
                pass
            case _:
                assert_never(action)

    def _report(self, event: events.Event, todo: list[actions.Action]) -> Iterator[Effect]:
        try:
            yield from self._reporter.report(event, todo)
        except Exception as error:  # noqa: BLE001 - as in `dispatch`
            yield from self._reporter.internal_error(event, error)
        if not self._started:
            self._started = True
            yield from self.watch()
            yield effects.StartService(self.config)
        if isinstance(event, events.StopAsked):
            yield effects.StopService(self.config.name)
            for kind in Kind:
                yield effects.Unwatch(self._directory(kind))
            yield effects.Deregister(self._reporter.record_key)

    @property
    def _registration(self) -> bytes:
        return Registration(self.config.core.node, self._context.instance).dump()

    def _member(self, vip: str) -> Key:
        return Key(self._directory(Kind.MEMBERS), member_name(vip))

    def _directory(self, kind: Kind) -> Directory:
        return Directory(kind, self.config.name)


# From the store's snapshots to the core's events: whatever else lies there is ignored and counted (A5, S1).

OTHERS = events.Member()
"""The member of a VIP that this node does not own: whose it is decides nothing."""


def members_seen(snapshot: Snapshot, names: Mapping[str, str], owned: Collection[str]) -> events.MembersSeen:
    """Return the members among the pool's VIPs; a name that is not one of them means nothing here.

    Args:
        snapshot: the directory of members.
        names: the VIPs of the pool, by name.
        owned: those of which it matters who holds them.
    """
    members = {}
    for name, vip in names.items():
        entry = snapshot.get(name)
        if entry is not None:
            members[vip] = _member(entry) if vip in owned else OTHERS
    return events.MembersSeen(members)


def _member(entry: Entry) -> events.Member:
    """Return whose a registration is, by name if it is not ours."""
    if entry.claim is Claim.OURS:
        return events.Member(entry.claim)
    return events.Member(entry.claim, Registration.load(entry.value).node)


def required_values(settings: ServiceSettings) -> Mapping[Kind, frozenset[str]]:
    """Return the directories that a node decides by, and the entries whose values it needs."""
    own = frozenset(member_name(vip) for vip in settings.owned)
    return {Kind.MEMBERS: own, Kind.MAINTENANCE: frozenset({WHOLE_SERVICE, settings.node})}


def unknown_names(snapshot: Snapshot, names: Mapping[str, str]) -> frozenset[str]:
    """Return the names in a directory of members that are no VIP of the pool."""
    return frozenset(snapshot.keys() - names.keys())


def maintenance_seen(snapshot: Snapshot, node: str) -> events.MaintenanceSeen:
    """Return what the maintenance keys mean for this node."""
    of_service = snapshot.get(WHOLE_SERVICE)
    of_node = snapshot.get(node)
    key = of_service or of_node
    maintenance = Maintenance.load(key.value) if key else Maintenance()
    return events.MaintenanceSeen(
        service=of_service is not None,
        node=of_node is not None,
        now=of_node is not None and Maintenance.load(of_node.value).now,
        why=maintenance.describe() if key else "",
    )
