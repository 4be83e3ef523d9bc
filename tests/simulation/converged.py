"""Check of the converged state: the expected routes and registrations of each machine (A1-A4)."""

from tests.simulation.exabgp import FOREIGN_ROUTE
from tests.simulation.impairments import Impairment
from tests.simulation.machine import Machine
from tests.simulation.neighbor import Neighbor
from tests.simulation.node import ROUTES, path_identifier, prefix
from tests.simulation.server import Server
from tests.simulation.stale_routes import known_routes
from vipagent.core.preference import order
from vipagent.store.layout import member_name
from vipagent.types import Standby, Takeover

WITHDRAWN_BY = frozenset(
    {
        Impairment.EXABGP,
        Impairment.AGENT,
        Impairment.BGP,
        Impairment.CHECK,
        Impairment.NODE_MAINTENANCE,
        Impairment.SERVICE_MAINTENANCE,
    }
)
"""Impairments with which a machine has no routes."""


def check(machines: list[Machine], server: Server) -> None:
    """Compare all routes and registrations with the expected ones.

    Raises:
        AssertionError: a route or registration differs.
    """
    ranks = expected_ranks(machines)
    for machine in machines:
        for neighbor in machine.neighbors:
            found = {
                name: _preference(attributes) for name, attributes in known_routes(machine, neighbor).items()
            }
            desired = _routes(machine, neighbor, ranks[machine.name]) if neighbor.works else {}
            assert found == desired, (
                f"converged: {machine.name} has routes {found} instead of {desired} "
                f"at {neighbor.settings.address}"
            )
    registered = {
        member_name(vip) for machine in machines if is_registered(machine) for vip in machine.settings.owned
    }
    assert set(server.members) == registered, (
        f"converged: {sorted(server.members)} are registered instead of {sorted(registered)}"
    )


def _routes(machine: Machine, neighbor: Neighbor, ranks: dict[str, int]) -> dict[str, tuple[int, str]]:
    """Return MED and ORIGIN of each route that a neighbour must have."""
    path = path_identifier(machine.routes) if neighbor.settings.add_path else ""
    routes = {
        prefix(vip) + path: (ROUTES.med + ROUTES.med_step * rank, ("igp", "egp", "incomplete")[min(rank, 2)])
        for vip, rank in ranks.items()
    }
    return routes | ({FOREIGN_ROUTE: (7, "igp")} if machine.exabgp_settings.foreign_route else {})


def _preference(attributes: str) -> tuple[int, str]:
    """Return MED and ORIGIN among the attributes of a route."""
    return int(attributes.partition(" med ")[2].split()[0]), attributes.partition(" origin ")[2] or "igp"


def is_registered(machine: Machine) -> bool:
    """Return whether a machine is registered: without the BGP gate, even if its BGP session is down."""
    undetected = set() if machine.settings.require_bgp else {Impairment.BGP}
    return not machine.impairments.reasons - undetected


def expected_ranks(machines: list[Machine]) -> dict[str, dict[str, int]]:
    """Return the expected rank of each route, by machine and VIP."""
    registered = [machine for machine in machines if is_registered(machine)]
    members = {vip for machine in registered for vip in machine.settings.owned}
    return {
        machine.name: {}
        if machine.impairments.reasons & WITHDRAWN_BY
        else {
            vip: rank for vip in machine.settings.pool if (rank := _rank(machine, vip, members)) is not None
        }
        for machine in machines
    }


def _rank(machine: Machine, vip: str, members: set[str]) -> int | None:
    """Return the rank of a machine for a VIP; the others do not rely on one that is not registered."""
    settings = machine.settings
    if vip in settings.owned:
        return 0
    if vip in members and settings.standby is Standby.COLD:
        return None
    candidates_before = 0
    for owner in order(settings.owners, vip):
        candidate = set(settings.owners[owner])
        if candidate & set(settings.owned) and is_registered(machine):
            break
        candidates_before += bool(candidate & members)
    match settings.takeover:
        case Takeover.ALL:
            return 1
        case Takeover.RANKED:
            return 1 + candidates_before
        case Takeover.ONE:
            return None if candidates_before else 1
