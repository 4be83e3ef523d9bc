"""Reports one service's decisions: log entries, counters, hooks, and the node's record (Shape 4).

Reports are evaluated lazily, after the routes have been written, so that no route waits for its log entry.
"""

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import replace
from datetime import timedelta
from functools import partial
from typing import assert_never

from vipagent.config.settings import ServiceConfig
from vipagent.core import actions, events
from vipagent.engine import effects, explanations
from vipagent.engine.context import Context
from vipagent.engine.effects import Effect, Log
from vipagent.engine.history import History, cause_of
from vipagent.exabgp.results import CommandResult
from vipagent.store.layout import Directory, Key, Kind
from vipagent.store.records import MAX_RECORDED_PEERS, NodeState
from vipagent.telemetry.counters import ServiceCounters
from vipagent.telemetry.facts import is_announced, vip_state, worst_first, wrong_local_as
from vipagent.telemetry.problems import Fault
from vipagent.types import RULE_BY_REASON, Claim, Reason, StoreState

FAULT_MESSAGES = {
    Reason.REFUSED: "ExaBGP has not accepted the route of the VIP, not registering",
    Reason.NO_FAMILY: "no established neighbour has negotiated the VIP's address family, not registering",
    Reason.NO_ADDRESS: "the VIP is an address of no interface of this node, its packets may be lost",
}
CONFLICT_INTERVAL = 60.0
"""Minimum interval in seconds between two log entries about the same holder of the same VIP."""
MAX_LOGGED_VIPS = 5
"""Maximum number of VIPs in a log entry."""


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
        self._decided: actions.Report | None = None
        """The report of the last decision."""
        self._store = StoreState.LOST
        self._registering: dict[str, bool] = {}
        """VIPs that the store was asked to register, and whether it has confirmed that."""
        self._local_as: int | None = None
        """The option `local_as` if it is wrong."""
        self._conflicts: Mapping[str, str] = {}
        """VIPs registered by others, and their holders."""
        self._conflicts_logged: dict[tuple[str, str], float] = {}
        """When a conflict about a VIP with a holder was last logged."""
        self._hold = explanations.Hold()
        self._published: NodeState | None = None
        """The last published record."""

    def report(self, event: events.Event, todo: Iterable[actions.Action]) -> Iterator[Effect]:
        """Report the actions that follow from an event."""
        if isinstance(event, events.CheckFinished):
            self.counters.checked(event)
        for change in events.unbatch(event):
            if isinstance(change, events.StoreChanged):
                self._store = change.state
            elif isinstance(change, events.MembersSeen):
                yield from self._registered_logs(change)
        todo = list(todo)
        published = (action.report for action in todo if isinstance(action, actions.Publish))
        self._decided = next(published, self._decided)
        for action in todo:
            self.counters.executed(action)
            yield from self._report(action, event)

    def publish(self, report: actions.Report) -> Iterator[Effect]:
        """Log conflicts and changes of the BGP gate, and publish the node's record."""
        self._history.update_reasons(report)
        yield from self._gate_logs(report.neighbors)
        yield from self._fault_logs(report)
        yield from self._conflict_logs(report)
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
                yield self._with_fault(action, self._history.record(action, event))
            case actions.Register(vip):
                self._registering[vip] = False
                why = {"service": service, "vip": vip, "cause": cause_of(event)}
                yield self._asked_of_store("register", "registration deferred", **why)
            case actions.Deregister(vip, reason):
                self._registering.pop(vip, None)
                about = {"service": service, "vip": vip, "reason": reason}
                why = {**about, "rule": RULE_BY_REASON[reason], "cause": cause_of(event)}
                yield self._asked_of_store("deregister", "deregistration deferred", **why)
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

    def _asked_of_store(self, asked: str, deferred: str, **why: str) -> Log:
        """Return the log entry of a request to the store, which may be away."""
        if self._store is StoreState.CONNECTED:
            return Log.info(asked, **why)
        return Log.info(deferred, **why, store=self._store)

    def _with_fault(self, action: actions.Announce | actions.Withdraw, entry: Log) -> Log:
        """Add the fault of an announced VIP, which is its reason in the status."""
        seen = self._decided.vips.get(action.vip) if self._decided else None
        if isinstance(action, actions.Withdraw) or seen is None or seen.reason is action.reason:
            return entry
        return replace(entry, fields={**entry.fields, "fault": seen.reason})

    def _registered_logs(self, seen: events.MembersSeen) -> Iterator[Effect]:
        """Log each registration that the store shows for the first time since it was asked for."""
        for vip, confirmed in self._registering.items():
            if not confirmed and vip in seen.members and seen.members[vip].claim is Claim.OURS:
                self._registering[vip] = True
                yield Log.info("registered", service=self.config.name, vip=vip)

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
                "BGP gate closed, not registering: vipagent status shows the cause",
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
            if seen.reason in FAULT_MESSAGES
            and (seen.rank is not None or (seen.reason is Reason.NO_ADDRESS and vip not in report.missing))
        }
        for reason, message in FAULT_MESSAGES.items():
            new = [vip for vip, fault in self._faults.items() if fault is reason is not before.get(vip)]
            if new:
                why = {"reason": reason, "rule": RULE_BY_REASON[reason]}
                yield Log.warning(
                    message, service=self.config.name, count=len(new), vips=new[:MAX_LOGGED_VIPS], **why
                )

    def _local_as_logs(self, record: NodeState) -> Iterator[Effect]:
        """Log once that the option `local_as` differs from ExaBGP's AS number."""
        before, self._local_as = self._local_as, record.local_as
        if self._local_as is not None and self._local_as != before:
            yield Log.warning(
                "local_as differs from the AS number that ExaBGP uses: set it to local-as in exabgp.conf",
                service=self.config.name,
                local_as=self._local_as,
                reason=Fault.WRONG_LOCAL_AS,
            )

    def _conflict_logs(self, report: actions.Report) -> Iterator[Effect]:
        """Log each new conflict about an owned VIP, but a recurring one only once per interval."""
        now, before = self._context.publications.now, self._conflicts
        self._conflicts = report.conflicts
        logged = self._conflicts_logged.items()
        self._conflicts_logged = {key: at for key, at in logged if now - at < CONFLICT_INTERVAL}
        for vip, holder in report.conflicts.items():
            if before.get(vip) == holder or (vip, holder) in self._conflicts_logged:
                continue
            self._conflicts_logged[vip, holder] = now
            yield Log.error(
                "conflict: another agent holds this VIP's registration",
                service=self.config.name,
                vip=vip,
                holder=holder or "an anonymous registration",
            )

    def publish_record(self, report: actions.Report) -> Iterator[Effect]:
        """Publish the node's record, if it has changed."""
        yield from self._gate_logs(report.neighbors)
        try:
            record = self.record(report)
        except Exception as error:  # noqa: BLE001 - evaluated outside of the service's decision, too (E6)
            yield from self.internal_error(events.TimerFired(), error)
            return
        yield from self._local_as_logs(record)
        if record != self._published:
            self._published = record
            yield effects.PublishRecord(self.record_key, record)

    def record(self, report: actions.Report) -> NodeState:
        """Return the node's record of a report."""
        known = explanations.explain(self.config, self._context.gate, report, self._context.refusals)
        if report.held_until is not None:
            left = report.held_until - self._context.publications.now
            end = self._hold.end(report.held_until, self._context.wall_clock() + timedelta(seconds=left))
            known[str(Reason.FLAP_HOLD)] = explanations.held(self.config.core.flap_hold, end)
        why = report.check, explanations.detail(self.config, self._context.gate, report, known)
        if why != self._why:
            self._why, self._since = why, self._context.wall_clock()
        recipients = explanations.recipients(self.config, self._context.gate)
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
            local_as=wrong_local_as(self.config.routes.local_as, recipients),
            explanations=known,
            host=self._context.host,
            earlier_expired=self._context.earlier_runs.expired,
            faults=dict(self._context.faults),
        )


def rejection(outcome: CommandResult) -> Log:
    """Return the log entry of a command that ExaBGP has rejected, or not replied to."""
    whom = " for one kind of neighbour (check their `api` blocks)" * outcome.partial
    what = "did not reply to the command" if outcome.latency is None else f"rejected the command{whom}"
    return Log.error(f"ExaBGP {what}, will retry", command=outcome.line, error=outcome.error)
