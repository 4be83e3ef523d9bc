"""Facts about a VIP and the neighbours: requested, accepted, in ExaBGP's table, a local address (Shape 6)."""

from collections.abc import Iterable

from vipagent.core.actions import VipReport
from vipagent.store.records import VipState
from vipagent.types import Neighbor, SessionState


def is_announced(report: VipReport) -> bool:
    """Return whether ExaBGP has accepted the requested route and, if its table is known, has it."""
    return report.rank is not None and report.accepted and report.in_table is not False


def vip_state(report: VipReport) -> VipState:
    """Return the state of a VIP as it is recorded in the store."""
    announced = is_announced(report)
    return VipState(
        reason=report.reason,
        rank=report.rank if announced else None,
        owned=report.owned,
        asked=None if announced else report.rank,
        accepted=report.rank is not None and report.accepted and not announced,
        not_local=report.local is False,
    )


def worst_first(neighbors: Iterable[Neighbor]) -> tuple[Neighbor, ...]:
    """Sort neighbours: those that are not established first, otherwise in the given order."""
    return tuple(sorted(neighbors, key=lambda neighbor: neighbor.state == SessionState.ESTABLISHED))


def wrong_local_as(option: int | None, neighbors: Iterable[Neighbor]) -> int | None:
    """Return the option `local_as` if ExaBGP has another AS number towards a neighbour; else None."""
    if option is None:
        return None
    used = {neighbor.local_as for neighbor in neighbors} - {None}
    return option if used - {option} else None
