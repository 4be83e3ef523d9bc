"""Runtime of one service: runs its core and turns the core's actions into effects (Shape 2)."""

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from itertools import chain
from typing import assert_never

from vipagent.config.settings import ServiceConfig
from vipagent.core import actions, events
from vipagent.core.service import Service
from vipagent.core.state import earliest
from vipagent.engine import effects
from vipagent.engine.context import Context
from vipagent.engine.effects import Effect, Log
from vipagent.engine.reporter import Reporter
from vipagent.engine.snapshots import maintenance_seen, members_seen, required_values, unknown_names
from vipagent.exabgp import route
from vipagent.store.backend import Snapshot
from vipagent.store.layout import Directory, Key, Kind, member_name, vips_by_name
from vipagent.store.records import NodeState, Registration
from vipagent.telemetry.counters import ServiceCounters
from vipagent.types import Reason

MAX_RETRY_DELAY = 60.0
"""Maximum delay before a failed decision is retried, in seconds; the first delay is 2 s."""


@dataclass(frozen=True, slots=True)
class ServiceEffects:
    """Effects of one decision, after its routes have been passed to the command queue."""

    deregistrations: list[Effect]
    """Carried out before the routes (G2, H2)."""
    registrations: list[Effect]
    """Carried out after the routes (G1)."""
    reports: Iterable[Effect]
    """Carried out last; evaluated lazily."""


class ServiceRuntime:
    """Runtime of one service.

    Args:
        config: the configured service.
        context: shared by the services of an engine.
        core: a new state machine for the service.
    """

    def __init__(self, config: ServiceConfig, context: Context, core: Service) -> None:
        self.config = config
        self.timer: float | None = None
        """When to send `TimerFired` to the core; None if never."""
        self.stopped = False
        """Whether the service has withdrawn everything and ignores further events."""
        self._started = False
        """Whether the store is watched and the check runs."""
        self._context = context
        self._core = core
        self._reporter = Reporter(config, context)
        self._errors = 0
        """Consecutive decisions that failed with an exception."""
        self._announced: dict[str, actions.Preference] = {}
        self._decided: set[str] = set()
        """VIPs that the core has decided to announce or not, at least once."""
        self._names = vips_by_name(config.core.pool)
        self._recipients = self._known_recipients()
        self._unknown: frozenset[str] = frozenset()
        """Entry names in the directory of members that are not VIPs of the pool."""

    @property
    def report(self) -> actions.Report | None:
        """The last published report; None before the first decision."""
        return self._core.report

    @property
    def record(self) -> NodeState | None:
        """The node's record of the last report; None before the first decision."""
        return self._reporter.record(self._core.report) if self._core.report else None

    @property
    def counters(self) -> ServiceCounters:
        """Counters of the service."""
        return self._reporter.counters

    @property
    def check_changing(self) -> bool:
        """Whether the next check should run after `fast_interval` instead of `interval`."""
        return self._core.check_changing

    def decision(self, vip: str) -> bool | None:
        """Return whether a VIP is announced; None until that is decided, and its route acknowledged."""
        announced = vip in self._announced
        if vip not in self._decided or (announced and not self._context.commands.confirmed(vip)):
            return None
        return announced

    def watch(self) -> Iterator[Effect]:
        """Watch the required directories and unwatch the others."""
        needed: Mapping[Kind, frozenset[str] | None] = required_values(self.config.core)
        if self._context.watch_all:
            needed = dict.fromkeys(Kind)
        for kind in Kind:
            directory = self._directory(kind)
            yield effects.Watch(directory, needed[kind]) if kind in needed else effects.Unwatch(directory)

    def dispatch(self, event: events.Event, now: float) -> ServiceEffects:
        """Pass an event to the core and its routes to the command queue; never raises (E6)."""
        if self.stopped:
            return ServiceEffects([], [], [])
        if isinstance(event, events.TimerFired):
            self.timer = None
        if isinstance(event, events.AddressesNotLocal) and not self.config.address_check:
            event = events.AddressesNotLocal(None)
        errors: list[Iterable[Effect]] = []
        try:
            todo = self._core.handle(event, now)
        except Exception as error:  # noqa: BLE001 - a bug in one service must not affect the others
            errors.append(self._reporter.internal_error(event, error))
            todo = list(self._final_actions()) if isinstance(event, events.StopRequested) else []
            self._errors += 1
            self.timer = earliest(self.timer, now + min(2.0**self._errors, MAX_RETRY_DELAY))
        else:
            self._errors = 0
        for action in todo:
            try:
                self._request(action)
            except Exception as error:  # noqa: BLE001 - nor one VIP the others
                errors.append(self._reporter.internal_error(event, error))
        if isinstance(event, events.StopRequested):
            self.stopped, self.timer = True, None
        return ServiceEffects(
            [
                effects.DeregisterEntry(self._member(action.vip))
                for action in todo
                if isinstance(action, actions.Deregister)
            ],
            [
                effects.RegisterEntry(self._member(action.vip), self._registration)
                for action in todo
                if isinstance(action, actions.Register)
            ],
            chain(*errors, self._report(event, todo)),
        )

    def _final_actions(self) -> Iterator[actions.Action]:
        """Yield actions that withdraw and deregister everything, in case the core has failed."""
        core = self.config.core
        yield from (actions.Deregister(vip, Reason.STOPPING) for vip in core.owned)
        yield from (actions.Withdraw(vip, Reason.STOPPING) for vip in core.pool)

    def event_from(self, directory: Directory, entries: Snapshot) -> events.Event | None:
        """Return the event for a snapshot of a directory; None if no decision depends on it."""
        match directory.kind:
            case Kind.MEMBERS:
                return members_seen(entries, self._names, self.config.core.owned_set)
            case Kind.MAINTENANCE:
                return maintenance_seen(entries, self.config.core.node)
            case Kind.STATES:
                return None
            case _:
                assert_never(directory.kind)

    def log_unknown(self, directory: Directory, entries: Snapshot) -> Iterator[Effect]:
        """Log unknown entry names when new ones appear (S1)."""
        if directory.kind is not Kind.MEMBERS:
            return
        names = unknown_names(entries, self._names)
        if names - self._unknown:
            yield Log.warning(
                "ignoring unknown entries in the store",
                service=self.config.name,
                count=len(names),
                names=sorted(names)[:5],
            )
        self._unknown = names

    def can_change_to(self, config: ServiceConfig) -> bool:
        """Return whether the routes of a new configuration replace the current ones in place."""
        return route.replaces(config.routes, self.config.routes)

    def reconfigure(self, config: ServiceConfig) -> None:
        """Replace the configuration; the core receives a separate event (E3)."""
        self.config = self._reporter.config = config
        self._recipients = self._known_recipients()
        self._names = vips_by_name(config.core.pool)

    def reannounce(self) -> Iterable[Effect]:
        """Request the announced routes again: attributes may have changed, or a route have moved.

        Returns:
            The effects that report an exception; never raises (E6).
        """
        try:
            for vip, preference in self._announced.items():
                self._announce(vip, preference)
        except Exception as error:  # noqa: BLE001 - as in `dispatch`
            return self._reporter.internal_error(events.Reconfigured(self.config.core), error)
        return ()

    def republish(self) -> None:
        """Publish the record again, if there is one, because data outside the report has changed."""
        if self._core.report and not self.stopped:
            self._context.publications.mark(self._reporter.record_key, self._publish_again)

    def _publish_again(self) -> Iterator[Effect]:
        if self._core.report:
            yield from self._reporter.publish_record(self._core.report)

    def update_recipients(self) -> bool:
        """Update which neighbours receive which attributes; return whether that has changed (N10)."""
        before, self._recipients = self._recipients, self._known_recipients()
        return self._recipients != before

    def _known_recipients(self) -> tuple[route.Recipients, ...]:
        routes = self.config.routes
        return route.recipients(routes, self._context.gate.kinds(routes.local_as))

    def _announce(self, vip: str, preference: actions.Preference) -> None:
        lines = route.announce(self.config.routes, vip, preference, self._recipients)
        self._context.commands.announce(vip, lines)

    def _request(self, action: actions.Action) -> None:
        if isinstance(action, actions.Announce | actions.Withdraw):
            self._decided.add(action.vip)
        match action:
            case actions.Announce(vip, preference):
                self._announced[vip] = preference
                self._announce(vip, preference)
            case actions.Withdraw(vip):
                self._announced.pop(vip, None)
                self._context.commands.withdraw(vip, route.withdraw(self.config.routes, vip))
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
        if isinstance(event, events.StopRequested):
            yield effects.StopService(self.config.name)
            for kind in Kind:
                yield effects.Unwatch(self._directory(kind))
            yield self._reporter.delete_record()

    @property
    def _registration(self) -> bytes:
        context = self._context
        return Registration(self.config.core.node, context.instance, context.host).dump()

    def _member(self, vip: str) -> Key:
        return Key(self._directory(Kind.MEMBERS), member_name(vip))

    def _directory(self, kind: Kind) -> Directory:
        return Directory(kind, self.config.name)
