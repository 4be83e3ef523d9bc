"""Reports the decisions and their faults: what a route lacks although it is requested (Shape 6, N10)."""

from collections.abc import Mapping

from vipagent.core.actions import Report, VipReport
from vipagent.core.decision import Decision
from vipagent.core.registration import Registrations
from vipagent.core.state import ServiceState
from vipagent.types import Reason

_ANNOUNCED = frozenset(
    {Reason.OWNER, Reason.TAKEOVER, Reason.RELEASING, Reason.HOT_STANDBY, Reason.FLAP_HOLD}
)
"""Reasons of announced VIPs that a fault of the route replaces."""


def reasons(state: ServiceState, decisions: Mapping[str, Decision]) -> dict[str, Reason]:
    """Return the reason of each VIP: that of the decision, a fault of its route, or one of its takeover."""
    found = {vip: decision.reason for vip, decision in decisions.items()}
    for vip, fault in _route_faults(state).items():
        if found.get(vip) in _ANNOUNCED:
            found[vip] = fault
    for vip in state.not_local or ():  # a takeover would lose the packets
        if found.get(vip) is Reason.STANDBY:
            found[vip] = Reason.NO_ADDRESS
    return found


def report_of(
    state: ServiceState,
    registrations: Registrations,
    found: Mapping[str, Reason],
    detail: str,
) -> Report:
    """Return the state of the service on this node.

    Args:
        state: everything the decisions depend on.
        registrations: the registrations of this node.
        found: the reason of each VIP.
        detail: output of the last check.
    """
    maintained = state.maintained
    return Report(
        check=state.health.state,
        neighbors=state.neighbors,
        vips={vip: _vip(state, registrations, vip, reason) for vip, reason in found.items()},
        conflicts={
            vip: state.view.members[vip].holder(state.settings.node)
            for vip in state.settings.owned
            if state.conflicts(vip)
        },
        maintenance=maintained.why if maintained else "",
        detail=detail,
        missing=state.missing if state.missing_addresses else {},
        held_until=state.held_until,
    )


def _vip(state: ServiceState, registrations: Registrations, vip: str, reason: Reason) -> VipReport:
    requested = state.requested.get(vip)
    return VipReport(
        reason,
        requested.rank if requested else None,
        vip in state.settings.owned_set,
        accepted=requested is not None and vip in registrations.accepted,
        in_table=None if state.table is None or vip in state.unsure else vip in state.table,
        local=None if state.not_local is None else vip not in state.not_local,
    )


def _route_faults(state: ServiceState) -> dict[str, Reason]:
    """Return why the requested route of a VIP has no effect, or its packets may be lost; by VIP of the pool.

    The fault that has to be repaired first replaces the others.
    """
    pool = state.settings.pool
    faults: dict[str, Reason] = {}
    if state.not_local:
        faults.update((vip, Reason.NO_ADDRESS) for vip in pool if vip in state.not_local)
    if state.bgp_unseen and state.neighbors is None and state.settings.require_bgp:
        faults.update(dict.fromkeys(pool, Reason.BGP_UNKNOWN))
    faults.update(dict.fromkeys(state.without_family, Reason.NO_FAMILY))
    if not state.gate_open:
        faults.update(dict.fromkeys(state.settings.owned, Reason.NO_BGP))
    faults.update((vip, Reason.REFUSED) for vip in state.refused)
    return faults
