"""Explanations of the problems of a service on this node, for its record in the store (Shape 6)."""

from collections.abc import Iterable, Mapping
from datetime import datetime
from itertools import islice

from vipagent.config.settings import ServiceConfig
from vipagent.core.actions import Report
from vipagent.core.settings import FlapHold, ip_version
from vipagent.engine.gate import Gate
from vipagent.exabgp import route
from vipagent.exabgp.results import CommandResult
from vipagent.telemetry.problems import fault_of
from vipagent.types import CheckState, Neighbor, Reason

MAX_COMMAND = 160
"""Maximum number of characters of a command that are shown."""
MAX_NAMED = 5
"""Maximum number of neighbours, or of conflicts, that are named."""


def explain(
    config: ServiceConfig, gate: Gate, report: Report, refusals: Mapping[str, CommandResult]
) -> dict[str, str]:
    """Return what exactly is wrong with the service on this node, by reason.

    Args:
        config: the configured service.
        gate: tracks the BGP neighbours.
        report: the last decision.
        refusals: the last announcement that ExaBGP has not accepted, by VIP.
    """
    found = {
        Reason.CONFLICT: _conflict_detail(report.conflicts),
        Reason.NO_BGP: "" if _neighbors_explain(config, gate) else _gate_detail(config, gate, report),
        Reason.REFUSED: _refusal_detail(config, gate, report, refusals),
        Reason.NO_ADDRESS: _missing_detail(report.missing),
        Reason.CHECK_DOWN: report.detail if report.check is CheckState.DOWN else "",
    }
    return {str(reason): text for reason, text in found.items() if text}


class Hold:
    """The end of the hold of a service that has flapped, in the time of the wall clock."""

    def __init__(self) -> None:
        self._ends: tuple[float, datetime] | None = None

    def end(self, until: float, at: datetime) -> datetime:
        """Return the end of a hold: the first given one, because that of later calls differs a little.

        Args:
            until: the end by the monotonic clock, which identifies the hold.
            at: the end by the wall clock, as of now.
        """
        if self._ends is None or self._ends[0] != until:
            self._ends = until, at
        return self._ends[1]


def held(hold: FlapHold, end: datetime) -> str:
    """Return until when the owned VIPs are held, and why."""
    at = end.isoformat(timespec="seconds")
    return f"held until {at}: failures within {hold.window:g} s have reached the limit of {hold.count}"


def detail(config: ServiceConfig, gate: Gate, report: Report, explanations: Mapping[str, str]) -> str:
    """Return who set the maintenance, what is wrong, and the result of the last check."""
    unknown = report.neighbors is None and config.core.require_bgp
    wrong = ["BGP unknown" if unknown else _gate_detail(config, gate, report), *explanations.values()]
    if report.check is not CheckState.UP or not any(wrong):  # a good result explains no problem
        wrong.append(report.detail)
    return "; ".join(dict.fromkeys(part for part in (report.maintenance, *wrong) if part))


def recipients(config: ServiceConfig, gate: Gate) -> list[Neighbor]:
    """Return the neighbours that receive the service's routes."""
    only = config.routes.neighbor
    return [peer for peer in gate.neighbors if not only or peer.address in only]


def _neighbors_explain(config: ServiceConfig, gate: Gate) -> bool:
    """Return whether the problems of single neighbours explain why too few are established."""
    known = recipients(config, gate)
    enough = len(known) >= config.core.require_bgp and not _lacking_neighbors(config, gate)
    return enough and any(map(fault_of, known))


def _gate_detail(config: ServiceConfig, gate: Gate, report: Report) -> str:
    """Return why the BGP gate is closed; empty if it is open."""
    established, needed = report.neighbors, config.core.require_bgp
    if gate.hung:
        return "ExaBGP does not answer"
    if established is None or established >= needed:
        return ""
    return _lacking_neighbors(config, gate) or f"{established} BGP neighbours established, {needed} required"


def _lacking_neighbors(config: ServiceConfig, gate: Gate) -> str:
    """Return which configured neighbours ExaBGP does not have, which it has, and what to do."""
    missing = gate.missing(config.routes.neighbor)
    if not missing:
        return ""
    return (
        f"neighbor of the service names {_first(missing, len(missing))}, which ExaBGP does not have; "
        f"its neighbours are {_first(sorted(gate.peers), len(gate.peers))}: correct neighbor, or exabgp.conf"
    )


def _refusal_detail(
    config: ServiceConfig, gate: Gate, report: Report, refusals: Mapping[str, CommandResult]
) -> str:
    """Return what ExaBGP has answered to the first refused route, and the most likely cause."""
    refused = [vip for vip, seen in report.vips.items() if seen.reason is Reason.REFUSED]
    if not refused:
        return ""
    lacking = _lacking_neighbors(config, gate)
    if lacking and not recipients(config, gate):
        return lacking
    cause = _wrong_next_hop(config, gate, refused[0])
    outcome = refusals.get(refused[0])
    if outcome is None:
        return cause
    if not cause and outcome.latency is not None and not any(seen.accepted for seen in report.vips.values()):
        cause = "most likely no api block of a neighbour in exabgp.conf names this process (processes [ … ])"
    command = outcome.line if len(outcome.line) <= MAX_COMMAND else f"{outcome.line[:MAX_COMMAND]}…"
    answer = "did not reply" if outcome.latency is None else "answered `error`"
    return f"ExaBGP {answer} to `{command}`: {cause or 'most likely it rejects the next hop or an attribute'}"


def _wrong_next_hop(config: ServiceConfig, gate: Gate, vip: str) -> str:
    """Return that `self` is the next hop although the session has an address of the other IP version."""
    version = ip_version(vip)
    if route.next_hop(config.routes, version) != route.SELF:
        return ""
    other = [peer.address for peer in recipients(config, gate) if ip_version(peer.address) != version]
    if not other:
        return ""
    return (
        f"the session with {_first(other, len(other))} has no IPv{version} address that "
        f"`next-hop self` could be: set next_hop of the service to an IPv{version} address of this node"
    )


def _first(texts: Iterable[str], total: int) -> str:
    """Return the first texts, and how many more of the total there are."""
    others = total - MAX_NAMED
    return ", ".join(islice(texts, MAX_NAMED)) + (f" (and {others} more)" if others > 0 else "")


def _conflict_detail(conflicts: Mapping[str, str]) -> str:
    """Return who has registered the first VIPs in conflict, and how many more there are."""
    texts = (f"{vip} is registered by {holder or 'another agent'}" for vip, holder in conflicts.items())
    return _first(texts, len(conflicts))


def _missing_detail(missing: Mapping[str, str]) -> str:
    """Return how many VIPs cannot be added to the loopback interface, with the error of the first."""
    if not missing:
        return ""
    first, error = next(iter(missing.items()))
    others = f" (and {len(missing) - 1} more)" if len(missing) > 1 else ""
    return f"{first}{others} cannot be added to the loopback interface: {error}"
