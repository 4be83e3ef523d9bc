"""Who announces what once all is quiet: the steady state, worked out from who is there (A1-A4)."""

from tests.simulation.hindrances import Hindrance
from tests.simulation.machine import Machine
from tests.simulation.node import ROUTES, prefix
from tests.simulation.server import Server
from vipagent.core.preference import order
from vipagent.core.settings import ServiceSettings
from vipagent.store.layout import member_name
from vipagent.types import Standby, Takeover

OUT = frozenset(
    {
        Hindrance.EXABGP,
        Hindrance.AGENT,
        Hindrance.BGP,
        Hindrance.CHECK,
        Hindrance.NODE_MAINTENANCE,
        Hindrance.SERVICE_MAINTENANCE,
    }
)
"""With any of these a machine has no routes, however long it lasts."""


def check(machines: list[Machine], server: Server) -> None:
    """Compare every wire and the store with the steady state.

    Raises:
        AssertionError: something is not as it should be.
    """
    ranks = expected(machines)
    for machine in machines:
        wanted = {
            prefix(vip): ROUTES.med + ROUTES.med_step * rank for vip, rank in ranks[machine.name].items()
        }
        found = {name: int(route.split()[3]) for name, route in machine.wire.items()}
        assert found == wanted, f"steady: {machine.name} has routes {found} instead of {wanted}"
    registered = {
        member_name(vip) for machine in machines if alive(machine) for vip in machine.settings.owned
    }
    assert set(server.members) == registered, f"steady: {sorted(server.members)} are registered"


def alive(machine: Machine) -> bool:
    """Say whether the others count on a machine: without the gate, also if its BGP session is down."""
    unnoticed = set() if machine.settings.require_bgp else {Hindrance.BGP}
    return not machine.hindrances.reasons - unnoticed


def expected(machines: list[Machine]) -> dict[str, dict[str, int]]:
    """Return the rank of every route that each machine's neighbour should have."""
    living = [machine for machine in machines if alive(machine)]
    members = {vip for machine in living for vip in machine.settings.owned}
    return {
        machine.name: {}
        if machine.hindrances.reasons & OUT
        else {
            vip: rank
            for vip in machine.settings.pool
            if (rank := _rank(machine.settings, vip, members)) is not None
        }
        for machine in machines
    }


def _rank(settings: ServiceSettings, vip: str, members: set[str]) -> int | None:
    if vip in settings.owned:
        return 0
    if vip in members and settings.standby is Standby.COLD:
        return None
    before = 0
    for owner in order(settings.owners, vip):
        taker = set(settings.owners[owner])
        if taker & set(settings.owned):
            break
        before += bool(taker & members)
    match settings.takeover:
        case Takeover.ALL:
            return 1
        case Takeover.RANKED:
            return 1 + before
        case Takeover.ONE:
            return None if before else 1
