"""Explanations of the problems of a service on this node, for its record in the store (Shape 6)."""

from collections.abc import Mapping
from itertools import islice

from vipagent.config.settings import ServiceConfig
from vipagent.core.actions import Report
from vipagent.engine.gate import Gate
from vipagent.telemetry.problems import fault_of
from vipagent.types import CheckState, Neighbor, Reason

MAX_CONFLICTS = 5
"""Maximum number of conflicts that are described."""


def explain(config: ServiceConfig, gate: Gate, report: Report) -> dict[str, str]:
    """Return what exactly is wrong with the service on this node, by reason."""
    refused = any(seen.reason is Reason.REFUSED for seen in report.vips.values())
    found = {
        Reason.CONFLICT: _conflict_detail(report.conflicts),
        Reason.NO_BGP: "" if _neighbors_explain(config, gate) else _gate_detail(config, gate, report),
        Reason.REFUSED: _lacking_neighbors(config, gate) if refused else "",
        Reason.NO_ADDRESS: _missing_detail(report.missing),
        Reason.CHECK_DOWN: report.detail if report.check is CheckState.DOWN else "",
    }
    return {str(reason): text for reason, text in found.items() if text}


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
    missing = gate.missing(config.routes.neighbor)
    return f"ExaBGP has no neighbour {', '.join(missing)}" if missing else ""


def _conflict_detail(conflicts: Mapping[str, str]) -> str:
    """Return who has registered the first VIPs in conflict, and how many more there are."""
    first = [
        f"{vip} is registered by {holder or 'another agent'}"
        for vip, holder in islice(conflicts.items(), MAX_CONFLICTS)
    ]
    others = len(conflicts) - len(first)
    return ", ".join(first) + (f" (and {others} more)" if others else "")


def _missing_detail(missing: Mapping[str, str]) -> str:
    """Return how many VIPs cannot be added to the loopback interface, with the error of the first."""
    if not missing:
        return ""
    first, error = next(iter(missing.items()))
    others = f" (and {len(missing) - 1} more)" if len(missing) > 1 else ""
    return f"{first}{others} cannot be added to the loopback interface: {error}"
