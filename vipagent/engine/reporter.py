"""Reports one service's decisions: log entries, counters, hooks, and the node's record (Shape 4).

Reports are evaluated lazily, after the routes have been written, so that no route waits for its log entry.
"""

from collections.abc import Callable, Iterable, Iterator, Mapping
from datetime import datetime
from functools import partial
from typing import assert_never

from vipagent.config.settings import AgentConfig, ServiceConfig
from vipagent.core import actions, events
from vipagent.engine import effects
from vipagent.engine.effects import Effect, Log
from vipagent.engine.gate import Gate
from vipagent.engine.history import History, cause_of
from vipagent.engine.publications import Publications
from vipagent.exabgp.commands import CommandQueue
from vipagent.store.layout import Directory, Key, Kind
from vipagent.store.records import MAX_RECORDED_PEERS, NodeState
from vipagent.telemetry.counters import ServiceCounters
from vipagent.telemetry.facts import is_announced, vip_state, worst_first, wrong_local_as
from vipagent.telemetry.problems import fault_of
from vipagent.types import RULE_BY_REASON, CheckState, Neighbor, Reason

FAULT_MESSAGES = {
    Reason.REFUSED: "ExaBGP rejects the route of the VIP, not registering",
    Reason.NO_FAMILY: "no established neighbour has negotiated the VIP's address family, not registering",
    Reason.NO_ADDRESS: "the VIP is an address of no interface of this node, its packets may be lost",
}
MAX_LOGGED_VIPS = 5
"""Maximum number of VIPs in a log entry."""


class Context:
    """Objects shared by the services of an engine.

    Args:
        config: the configuration at the start.
        commands: sends routes to ExaBGP.
        gate: tracks the BGP neighbours.
        wall_clock: returns the current time in UTC.
    """

    def __init__(
        self, config: AgentConfig, commands: CommandQueue, gate: Gate, wall_clock: Callable[[], datetime]
    ) -> None:
        self.instance = config.store.instance
        """Identifies this run of the agent."""
        self.watch_all = config.listen is not None
        """Whether to watch all directories, for the status page, or only those needed for decisions."""
        self.commands = commands
        self.gate = gate
        self.wall_clock = wall_clock
        self.publications = Publications()
        """Limits the rate of the records."""


class Reporter:
    """Reports one service's decisions.

    Args:
        config: the configured service.
        context: shared by the services of an engine.
    """

    def __init__(self, config: ServiceConfig, context: Context) -> None:
        self.config = config
        self.counters = ServiceCounters()
        self._context = context
        self._history = History(config.name, context.wall_clock)
        self._why = ("", "")
        self._since = context.wall_clock()
        self._gate_closed = False
        self._faults: Mapping[str, Reason] = {}
        """VIPs with a fault of `FAULT_MESSAGES`."""
        self._published: NodeState | None = None
        """The last published record."""

    def report(self, event: events.Event, todo: Iterable[actions.Action]) -> Iterator[Effect]:
        """Report the actions that follow from an event."""
        if isinstance(event, events.CheckFinished):
            self.counters.checked(event)
        for action in todo:
            self.counters.executed(action)
            yield from self._report(action, event)

    def publish(self, report: actions.Report) -> Iterator[Effect]:
        """Log conflicts and changes of the BGP gate, and publish the node's record."""
        self._history.update_reasons(report)
        yield from self._gate_logs(report.neighbors)
        yield from self._fault_logs(report)
        for vip, holder in report.conflicts.items():
            yield Log.error(
                "conflict: another node holds this VIP's registration",
                service=self.config.name,
                vip=vip,
                holder=holder or "an anonymous registration",
            )
        yield from self._context.publications.request(self.record_key, partial(self.publish_record, report))

    def delete_record(self) -> effects.DeregisterEntry:
        """Delete the node's record at once, without a pending publication."""
        self._context.publications.forget(self.record_key)
        return effects.DeregisterEntry(self.record_key)

    @property
    def record_key(self) -> Key:
        """Key of the node's record in the store."""
        return Key(Directory(Kind.STATES, self.config.name), self.config.core.node)

    def internal_error(self, event: events.Event, error: Exception) -> Iterator[Effect]:
        """Report an exception, which must not affect the other services (E6)."""
        self.counters.internal_errors += 1
        fields = {"service": self.config.name, "cause": cause_of(event)}
        yield Log(effects.Level.ERROR, "internal error", fields, error)

    def _report(self, action: actions.Action, event: events.Event) -> Iterator[Effect]:
        service = self.config.name
        match action:
            case actions.Announce() | actions.Withdraw():
                yield self._history.record(action, event)
            case actions.Register(vip):
                yield Log.info("register", service=service, vip=vip, cause=cause_of(event))
            case actions.Deregister(vip, reason):
                why = {"reason": reason, "rule": RULE_BY_REASON[reason], "cause": cause_of(event)}
                yield Log.info("deregister", service=service, vip=vip, **why)
            case actions.Publish(report):
                yield from self.publish(report)
            case actions.RunHook(state):
                detail = event.detail if isinstance(event, events.CheckFinished) else ""
                yield Log.info("check", service=service, state=state, detail=detail)
                yield effects.RunServiceHook(service, state)
            case actions.SetTimer():
                pass
            case _:
                assert_never(action)

    def _gate_logs(self, established: int | None) -> Iterator[Effect]:
        """Log each change of the BGP gate; while a neighbour flaps, only the state afterwards."""
        needed = self.config.core.require_bgp
        closed = established is not None and established < needed
        if closed == self._gate_closed or self._context.gate.flapping:
            return
        self._gate_closed = closed
        fields = {"service": self.config.name, "established": established, "required": needed}
        if closed:
            yield Log.warning(
                "BGP gate closed, not registering: see ExaBGP's log for its neighbours (addresses, peer-as)",
                **fields,
            )
        else:
            yield Log.info("BGP gate open", **fields)

    def _fault_logs(self, report: actions.Report) -> Iterator[Effect]:
        """Log the VIPs whose route has no effect, or whose packets may be lost, once per VIP and reason."""
        before = self._faults
        self._faults = {
            vip: seen.reason
            for vip, seen in report.vips.items()
            if seen.reason in FAULT_MESSAGES and seen.rank is not None
        }
        for reason, message in FAULT_MESSAGES.items():
            new = [vip for vip, fault in self._faults.items() if fault is reason is not before.get(vip)]
            if new:
                why = {"reason": reason, "rule": RULE_BY_REASON[reason]}
                yield Log.warning(
                    message, service=self.config.name, count=len(new), vips=new[:MAX_LOGGED_VIPS], **why
                )

    def publish_record(self, report: actions.Report) -> Iterator[Effect]:
        """Publish the node's record, if it has changed."""
        yield from self._gate_logs(report.neighbors)
        try:
            record = self.record(report)
        except Exception as error:  # noqa: BLE001 - evaluated outside of the service's decision, too (E6)
            yield from self.internal_error(events.TimerFired(), error)
            return
        if record != self._published:
            self._published = record
            yield effects.PublishRecord(self.record_key, record)

    def record(self, report: actions.Report) -> NodeState:
        """Return the node's record of a report."""
        explanations = self._explanations(report)
        why = report.check, self._detail(report, explanations)
        if why != self._why:
            self._why, self._since = why, self._context.wall_clock()
        requested = [seen for seen in report.vips.values() if is_announced(seen)]
        return NodeState(
            node=self.config.core.node,
            check=report.check,
            detail=why[1],
            since=self._since.isoformat(timespec="seconds"),
            neighbors=report.neighbors,
            vips={
                vip: vip_state(vip_report)
                for vip, vip_report in report.vips.items()
                if vip_report.owned or vip_report.reason is not Reason.STANDBY
            },
            instance=self._context.instance,
            events=self._history.latest,
            peers=worst_first(self._context.gate.neighbors)[:MAX_RECORDED_PEERS],
            table=all(seen.in_table for seen in requested),
            addresses=all(seen.local is not None for seen in report.vips.values()),
            local_as=wrong_local_as(self.config.routes.local_as, self._recipients()),
            explanations=explanations,
        )

    def _explanations(self, report: actions.Report) -> dict[str, str]:
        """Return what exactly is wrong with the service on this node, by reason."""
        conflicts = report.conflicts.items()
        lacks = self._lacking_neighbors()
        refused = any(seen.reason is Reason.REFUSED for seen in report.vips.values())
        found = {
            Reason.CONFLICT: ", ".join(
                f"{vip} is registered by {holder or 'another agent'}" for vip, holder in conflicts
            ),
            Reason.NO_BGP: "" if self._is_gate_explained() else self._gate_detail(report.neighbors),
            Reason.REFUSED: lacks if refused else "",
            Reason.NO_ADDRESS: _missing_detail(report.missing),
            Reason.CHECK_DOWN: report.detail if report.check is CheckState.DOWN else "",
        }
        return {str(reason): text for reason, text in found.items() if text}

    def _detail(self, report: actions.Report, explanations: Mapping[str, str]) -> str:
        """Return who set the maintenance, what is wrong, and the result of the last check."""
        needed = self.config.core.require_bgp
        gate = "BGP unknown" if report.neighbors is None and needed else self._gate_detail(report.neighbors)
        wrong = [gate, *explanations.values()]
        if report.check is not CheckState.UP or not any(wrong):  # a good result explains no problem
            wrong.append(report.detail)
        return "; ".join(dict.fromkeys(part for part in (report.maintenance, *wrong) if part))

    def _gate_detail(self, established: int | None) -> str:
        """Return why the BGP gate is closed; empty if it is open."""
        needed = self.config.core.require_bgp
        if self._context.gate.hung:
            return "ExaBGP does not answer"
        if established is None or established >= needed:
            return ""
        return self._lacking_neighbors() or f"{established} BGP neighbours established, {needed} required"

    def _lacking_neighbors(self) -> str:
        missing = self._context.gate.missing(self.config.routes.neighbor)
        return f"ExaBGP has no neighbour {', '.join(missing)}" if missing else ""

    def _is_gate_explained(self) -> bool:
        """Return whether the problems of single neighbours explain why too few are established."""
        recipients = self._recipients()
        enough = len(recipients) >= self.config.core.require_bgp and not self._lacking_neighbors()
        return enough and any(map(fault_of, recipients))

    def _recipients(self) -> list[Neighbor]:
        """Return the neighbours that receive the service's routes."""
        only = self.config.routes.neighbor
        return [peer for peer in self._context.gate.neighbors if not only or peer.address in only]


def _missing_detail(missing: Mapping[str, str]) -> str:
    """Return how many VIPs cannot be added to the loopback interface, with the error of the first."""
    if not missing:
        return ""
    first, error = next(iter(missing.items()))
    others = f" (and {len(missing) - 1} more)" if len(missing) > 1 else ""
    return f"{first}{others} cannot be added to the loopback interface: {error}"
