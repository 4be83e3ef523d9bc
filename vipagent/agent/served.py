"""One service of an agent: its core, its check, its hooks, and how the core's actions are carried out."""

import asyncio
import logging
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from datetime import UTC, datetime

from vipagent.agent.gate import GateWatch
from vipagent.agent.history import CAUSES, History
from vipagent.agent.reading import maintenance_seen, members_seen, strangers
from vipagent.checks.hooks import Hooks
from vipagent.checks.runner import CheckRunner
from vipagent.config.settings import ServiceConfig
from vipagent.core import actions, events
from vipagent.core.service import Service
from vipagent.core.settings import ServiceSettings
from vipagent.core.words import RULES
from vipagent.exabgp import route
from vipagent.exabgp.speaker import Speaker
from vipagent.store.backend import Backend, Snapshot
from vipagent.store.layout import Directory, Key, Kind, member_name
from vipagent.store.records import NodeState, Registration, VipState
from vipagent.telemetry.counters import ServiceCounters

log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class World:
    """What all the services of an agent share."""

    loop: asyncio.AbstractEventLoop
    backend: Backend
    speaker: Speaker
    gate: GateWatch
    pump: Callable[[], None]
    """Writes what the speaker has to say."""
    wanted: Callable[[ServiceSettings], Mapping[Kind, frozenset[str] | None]]
    """Says which directories of a service to watch, and which values in them; None: all."""


class ServedService:
    """Feeds one core and carries out what it asks for.

    Args:
        config: the service, as configured.
        world: what it shares with the agent's other services.
    """

    def __init__(self, config: ServiceConfig, world: World) -> None:
        self.config = config
        self._world = world
        self._core = Service(config.core, world.loop.time())
        self._hooks = Hooks(config.hooks, config.name, config.core.node)
        self._checks: asyncio.Task[None] | None = None
        self._timer: asyncio.TimerHandle | None = None
        self._announced: dict[str, actions.Preference] = {}
        self._history = History(config.name)
        self.counters = ServiceCounters()
        self._strangers: frozenset[str] = frozenset()
        self._why = ("", "")
        self._gate_closed = False
        self._since = datetime.now(UTC)
        self._loops: tuple[str, ...] = ()
        """The neighbours that would take a prepended path for a loop (N10)."""
        self._find_loops()

    def start(self) -> None:
        """Watch the store's directories and start to check."""
        self.watch()
        self._checks = self._world.loop.create_task(self._check())

    @property
    def report(self) -> actions.Report | None:
        """What this node does; None: it has decided nothing yet."""
        return self._core.report

    def watch(self) -> None:
        """Watch the directories that are wanted, and no others."""
        wanted = self._world.wanted(self.config.core)
        for kind in Kind:
            if kind in wanted:
                self._world.backend.watch(self._directory(kind), wanted[kind])
            else:
                self._world.backend.unwatch(self._directory(kind))

    def feed(self, event: events.Event) -> None:
        """Hand one event to the core and carry out what follows."""
        cause = events.each(event)[0]  # of several at once, the first stands for all
        try:
            for action in self._core.handle(event, self._world.loop.time()):
                self.counters.carried_out(action)
                self._carry_out(action, cause)
        except Exception:  # a bug in one service must not take the routes of all (E6)
            self.counters.internal_errors += 1
            fields = {"service": self.config.name, "cause": CAUSES[type(cause)]}
            log.exception("internal error", extra={"fields": fields})
        self._world.pump()

    def take_snapshot(self, directory: Directory, entries: Snapshot) -> None:
        """Turn a snapshot of one of this service's directories into an event."""
        if directory.kind is Kind.MEMBERS:
            self._note_strangers(strangers(entries, self.config.core.pool))
            self.feed(members_seen(entries, self.config.core.pool))
        elif directory.kind is Kind.MAINTENANCE:
            self.feed(maintenance_seen(entries, self.config.core.node))

    def reconfigure(self, config: ServiceConfig) -> None:
        """Take another configuration without touching what stays the same (E3)."""
        before, self.config = self.config, config
        self._find_loops()
        if config.hooks != before.hooks:
            self._hooks = Hooks(config.hooks, config.name, config.core.node)
        if config.core != before.core:
            self.watch()
            self.feed(events.Reconfigured(config.core))
        if config.check != before.check and self._checks:
            self._checks.cancel()
            self._checks = self._world.loop.create_task(self._check())

    def wish(self) -> None:
        """Wish once more what is announced: attributes may have changed, or VIPs their service."""
        for vip, preference in self._announced.items():
            self._world.speaker.announce(vip, route.announce(self._routes, vip, preference))
        self._world.pump()

    def follow_asns(self) -> None:
        """Find out anew which neighbours are iBGP neighbours (N10)."""
        if self._find_loops():
            self.wish()
            if self._core.report:
                self._publish(self._core.report)

    def leave(self) -> None:
        """Deregister, and let the others' routes be preferred."""
        self.feed(events.LeaveAsked())

    def stop(self) -> None:
        """Deregister, withdraw, and end the checks and hooks."""
        if self._checks:
            self._checks.cancel()
        self._hooks.stop()
        self.feed(events.StopAsked())
        if self._timer:
            self._timer.cancel()
        for kind in Kind:
            self._world.backend.unwatch(self._directory(kind))
        self._world.backend.deregister(Key(self._directory(Kind.STATES), self.config.core.node))

    @property
    def _routes(self) -> route.RouteSettings:
        """How the routes look: not prepended where that would be a loop (N10)."""
        return replace(self.config.routes, prepend=0) if self._loops else self.config.routes

    def _find_loops(self) -> bool:
        """Find the neighbours that `prepend` would be a loop for; return whether they are others now."""
        before, self._loops = self._loops, route.loops(self.config.routes, self._world.gate.asns)
        if self._loops and self._loops != before:
            fields = {
                "service": self.config.name,
                "neighbors": self._loops,
                "as": self.config.routes.local_as,
            }
            log.warning(
                "prepend is ignored for all neighbours of the service: an iBGP one takes a path with its "
                "own AS for a loop; name the others in `neighbor`, or rank by local_preference",
                extra={"fields": fields},
            )
        return self._loops != before

    def _directory(self, kind: Kind) -> Directory:
        return Directory(kind, self.config.name)

    async def _check(self) -> None:
        runner = CheckRunner(self.config.check, self._checked, lambda: self._core.check_changing)
        await runner.run()

    def _checked(self, event: events.Checked) -> None:
        self.counters.checked(event)
        self.feed(event)

    def _note_strangers(self, names: frozenset[str]) -> None:
        if names - self._strangers:
            fields = {"service": self.config.name, "count": len(names), "names": sorted(names)[:5]}
            log.warning("ignored in the store: no VIPs of this service", extra={"fields": fields})
        self._strangers = names

    def _carry_out(self, action: actions.Action, cause: events.Event) -> None:
        match action:
            case actions.Announce(vip, preference):
                self._announced[vip] = preference
                self._world.speaker.announce(vip, route.announce(self._routes, vip, preference))
                self._history.note(action, cause)
            case actions.Withdraw(vip):
                self._announced.pop(vip, None)
                self._world.speaker.withdraw(vip, route.withdraw(self.config.routes, vip))
                self._history.note(action, cause)
            case actions.Register(vip):
                core = self.config.core
                value = Registration(core.node, self._world.backend.settings.instance).dump()
                self._world.backend.register(Key(self._directory(Kind.MEMBERS), member_name(vip)), value)
                self._tell("register", vip=vip, cause=CAUSES[type(cause)])
            case actions.Deregister(vip, reason):
                self._world.backend.deregister(Key(self._directory(Kind.MEMBERS), member_name(vip)))
                why = {"reason": reason, "rule": RULES[reason], "cause": CAUSES[type(cause)]}
                self._tell("deregister", vip=vip, **why)
            case actions.Publish(report):
                self._publish(report)
            case actions.RunHook(state):
                self._tell("check", state=state, detail=self._core.check_detail)
                self._hooks.changed(state)
            case actions.SetTimer(at):
                self._set_timer(at)

    def _set_timer(self, at: float | None) -> None:
        if self._timer:
            self._timer.cancel()
        self._timer = None if at is None else self._world.loop.call_at(at, self.feed, events.TimerFired())

    def _log_gate(self, established: int | None) -> None:
        """Log what the BGP gate does, once for each change: what ExaBGP does about it is not in our log."""
        needed = self.config.core.require_bgp
        closed = established is not None and established < needed
        if closed == self._gate_closed:
            return
        self._gate_closed = closed
        fields = {"service": self.config.name, "established": established, "required": needed}
        if closed:
            log.warning(
                "BGP gate closed, not registering: see ExaBGP's log for its neighbours (addresses, peer-as)",
                extra={"fields": fields},
            )
        else:
            log.info("BGP gate open", extra={"fields": fields})

    def _publish(self, report: actions.Report) -> None:
        self._history.follow(report)
        self._log_gate(report.neighbors)
        for vip, holder in report.conflicts.items():
            fields = {
                "service": self.config.name,
                "vip": vip,
                "holder": holder or "an anonymous registration",
            }
            log.error("conflict: another node holds this VIP's registration", extra={"fields": fields})
        core = self.config.core
        why = report.check, self._detail(report)
        if why != self._why:
            self._why, self._since = why, datetime.now(UTC)
        state = NodeState(
            node=core.node,
            check=report.check,
            detail=why[1],
            since=self._since.isoformat(timespec="seconds"),
            neighbors=report.neighbors,
            vips={vip: VipState(seen.reason, seen.rank, seen.owned) for vip, seen in report.vips.items()},
            instance=self._world.backend.settings.instance,
            events=self._history.latest,
        )
        self._world.backend.register(Key(self._directory(Kind.STATES), core.node), state.dump())

    def _tell(self, what: str, **fields: object) -> None:
        log.info(what, extra={"fields": {"service": self.config.name, **fields}})

    def _detail(self, report: actions.Report) -> str:
        """Say in words why a node does not do what it should."""
        conflicts = report.conflicts.items()
        reasons = [
            report.maintenance,
            *(f"{vip} is registered by {holder or 'somebody else'}" for vip, holder in conflicts),
            self._gate_detail(report.neighbors),
            _unaddressed(report.missing),
            f"prepend is ignored for iBGP neighbours: {', '.join(self._loops)}" if self._loops else "",
            report.detail,
        ]
        return "; ".join(reason for reason in reasons if reason)

    def _gate_detail(self, established: int | None) -> str:
        needed = self.config.core.require_bgp
        if self._world.gate.hung:
            return "ExaBGP does not answer"
        if established is None:
            return "BGP unknown" if needed else ""
        return f"{established} of {needed} BGP neighbours established" if established < needed else ""


def _unaddressed(missing: Mapping[str, str]) -> str:
    """Say which VIPs cannot be put on the loopback interface, and why: the first one's reason will do."""
    if not missing:
        return ""
    first, error = next(iter(missing.items()))
    others = f" (and {len(missing) - 1} more)" if len(missing) > 1 else ""
    return f"{first}{others} cannot be put on the loopback interface: {error}"
