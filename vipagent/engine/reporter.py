"""What is reported of one service's decisions: log lines, counters, hooks, and the node's record (Shape 4).

All of it comes after the routes, and is made when it is asked for: no route waits for its own log line.
"""

from collections.abc import Iterable, Iterator, Mapping
from typing import assert_never

from vipagent.config.settings import ServiceConfig
from vipagent.core import actions, events
from vipagent.engine import effects
from vipagent.engine.context import Context
from vipagent.engine.effects import Effect, Log
from vipagent.engine.history import History, cause_of
from vipagent.store.layout import Directory, Key, Kind
from vipagent.store.records import NodeState, VipState
from vipagent.telemetry.counters import ServiceCounters
from vipagent.types import RULES, Reason


class Reporter:
    """Reports what one service decides.

    Args:
        config: the service, as configured.
        context: what it shares with the engine's other services.
    """

    def __init__(self, config: ServiceConfig, context: Context) -> None:
        self.config = config
        self.counters = ServiceCounters()
        self.loops: tuple[str, ...] = ()
        """The neighbours that would take a prepended path for a loop (N10)."""
        self._context = context
        self._history = History(config.name, context.wall_clock)
        self._why = ("", "")
        self._since = context.wall_clock()
        self._gate_closed = False

    def report(self, event: events.Event, todo: Iterable[actions.Action]) -> Iterator[Effect]:
        """Report what an event has led to."""
        if isinstance(event, events.Checked):
            self.counters.checked(event)
        for action in todo:
            self.counters.carried_out(action)
            yield from self._report(action, event)

    def publish(self, report: actions.Report) -> Iterator[Effect]:
        """Log what people have to know, and publish the node's record."""
        self._history.follow(report)
        yield from self._gate_logs(report.neighbors)
        for vip, holder in report.conflicts.items():
            yield Log.error(
                "conflict: another node holds this VIP's registration",
                service=self.config.name,
                vip=vip,
                holder=holder or "an anonymous registration",
            )
        yield effects.Publish(self.record_key, self._record(report))

    @property
    def record_key(self) -> Key:
        """Where the node's record is in the store."""
        return Key(Directory(Kind.STATES, self.config.name), self.config.core.node)

    def internal_error(self, event: events.Event, error: Exception) -> Iterator[Effect]:
        """Report a bug, which must not take the routes of all services (E6)."""
        self.counters.internal_errors += 1
        fields = {"service": self.config.name, "cause": cause_of(event)}
        yield Log(effects.Level.ERROR, "internal error", fields, error)

    def _report(self, action: actions.Action, event: events.Event) -> Iterator[Effect]:
        service = self.config.name
        match action:
            case actions.Announce() | actions.Withdraw():
                yield self._history.note(action, event)
            case actions.Register(vip):
                yield Log.info("register", service=service, vip=vip, cause=cause_of(event))
            case actions.Deregister(vip, reason):
                why = {"reason": reason, "rule": RULES[reason], "cause": cause_of(event)}
                yield Log.info("deregister", service=service, vip=vip, **why)
            case actions.Publish(report):
                yield from self.publish(report)
            case actions.RunHook(state):
                detail = event.detail if isinstance(event, events.Checked) else ""
                yield Log.info("check", service=service, state=state, detail=detail)
                yield effects.RunHook(service, state)
            case actions.SetTimer():
                pass
            case _:
                assert_never(action)

    def _gate_logs(self, established: int | None) -> Iterator[Effect]:
        """Log what the BGP gate does, once for each change: what ExaBGP does about it is not in our log."""
        needed = self.config.core.require_bgp
        closed = established is not None and established < needed
        if closed == self._gate_closed:
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

    def _record(self, report: actions.Report) -> NodeState:
        why = report.check, self._detail(report)
        if why != self._why:
            self._why, self._since = why, self._context.wall_clock()
        return NodeState(
            node=self.config.core.node,
            check=report.check,
            detail=why[1],
            since=self._since.isoformat(timespec="seconds"),
            neighbors=report.neighbors,
            vips={
                vip: VipState(seen.reason, seen.rank, seen.owned)
                for vip, seen in report.vips.items()
                if seen.owned or seen.reason is not Reason.STANDBY
            },
            instance=self._context.instance,
            events=self._history.latest,
        )

    def _detail(self, report: actions.Report) -> str:
        """Return in words why a node does not do what it should."""
        conflicts = report.conflicts.items()
        reasons = [
            report.maintenance,
            *(f"{vip} is registered by {holder or 'somebody else'}" for vip, holder in conflicts),
            self._gate_detail(report.neighbors),
            _unaddressed(report.missing),
            f"prepend is ignored for iBGP neighbours: {', '.join(self.loops)}" if self.loops else "",
            report.detail,
        ]
        return "; ".join(reason for reason in reasons if reason)

    def _gate_detail(self, established: int | None) -> str:
        needed = self.config.core.require_bgp
        if self._context.gate.hung:
            return "ExaBGP does not answer"
        if established is None:
            return "BGP unknown" if needed else ""
        return f"{established} of {needed} BGP neighbours established" if established < needed else ""


def _unaddressed(missing: Mapping[str, str]) -> str:
    """Return which VIPs cannot be put on the loopback interface, and why: the first one's reason will do."""
    if not missing:
        return ""
    first, error = next(iter(missing.items()))
    others = f" (and {len(missing) - 1} more)" if len(missing) > 1 else ""
    return f"{first}{others} cannot be put on the loopback interface: {error}"
