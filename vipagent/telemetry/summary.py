"""Status of a service from snapshots of the store, for tables, JSON and the status page.

The fields of these classes are the documented JSON of `vipagent status --json`: a list of `ServiceStatus`.
"""

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import asdict, dataclass

from vipagent.config import addresses
from vipagent.config.values import node_name
from vipagent.core.events import Member
from vipagent.store.backend import Snapshot
from vipagent.store.fields import Malformed
from vipagent.store.layout import WHOLE_SERVICE, Kind, member_vip
from vipagent.store.records import Maintenance, NodeState, Registration
from vipagent.telemetry.duplicates import duplicate_problems, is_same_run
from vipagent.telemetry.problems import Fault, NodeProblem, faults, node_problems
from vipagent.telemetry.unserved import unserved_problems
from vipagent.types import Neighbor, Reason

SERVING = "serving"
"""State of a node without problems."""
NO_AGENT = "no-vipagent"
"""State of a node that is registered but publishes no state, for example an ExaZK node."""
PENDING = "pending"
"""State of a node that waits for ExaBGP to accept a route."""
ABSENT = "absent"
"""State of a node that is neither registered nor publishes a state: only its maintenance key exists."""

FIRST_VERSION_WITH_FACTS = 3
"""`NodeState.version` since which a rank means that ExaBGP has accepted the route."""
TROUBLES = (
    Reason.STOPPING,
    Reason.CONFLICT,
    Reason.MAINTENANCE_SERVICE,
    Reason.DRAINING,
    Reason.MAINTENANCE_NODE,
    Reason.CHECK_DOWN,
    Reason.DISABLED,
    Reason.NO_ADDRESS,
    Reason.NO_BGP,
    Reason.NO_FAMILY,
    Reason.REFUSED,
    Reason.FLAP_HOLD,
    Reason.STARTING,
    Reason.BGP_UNKNOWN,
)
"""Reasons that prevent a node from serving; the first one of any of its VIPs is the node's state."""


@dataclass(frozen=True, slots=True)
class Announcer:
    """A node that announces a VIP."""

    node: str
    rank: int
    """0: owner; 1 and more: takeover or standby (A3)."""
    reason: str
    accepted: bool | None = True
    """Whether ExaBGP has accepted the route; null: unknown, because an older agent does not say."""
    in_table: bool | None = None
    """Whether ExaBGP's table has the route; null: unknown."""
    local: bool | None = None
    """Whether the VIP is an address of this node; null: unknown."""
    counted: bool = True
    """Whether the node counts as serving the VIP: not with too few BGP neighbours, or none."""


@dataclass(frozen=True, slots=True)
class VipStatus:
    """One VIP."""

    vip: str
    registered: bool
    """Whether it has a registered owner."""
    owner: str | None
    """The registered owner's node; null: none, or anonymous (ExaZK)."""
    announced_by: tuple[Announcer, ...]
    """Best rank first. Only nodes whose ExaBGP has accepted the route and, if known, has it in its table."""
    asked_by: tuple[Announcer, ...] = ()
    """Nodes that have asked their ExaBGP for a route that is not announced."""
    holder: str = ""
    """Holder of the registration if no state shows what it announces; else empty."""


@dataclass(frozen=True, slots=True)
class NodeStatus:
    """One node."""

    node: str
    state: str
    """`serving`, `no-vipagent`, `absent`, or the reason why it does not serve (`check-down`, ...)."""
    why: str
    """Details: result of the last check, origin of a maintenance, holder of its VIP, ..."""
    since: str
    """ISO 8601, UTC; empty: unknown."""
    neighbors: int | None
    """Established BGP neighbours; null: unknown."""
    peers: tuple[Neighbor, ...] = ()
    """BGP neighbours, those that are not established first; at most 64."""


@dataclass(frozen=True, slots=True)
class NodeEvent:
    """A decision that changed one of a node's routes, see `records.Event`."""

    at: str
    """ISO 8601, UTC, by the node's clock."""
    node: str
    vip: str
    old: str
    """For example `rank 1 (releasing)`; empty: first decision of the agent."""
    new: str
    reason: str
    rule: str
    cause: str


@dataclass(frozen=True, slots=True)
class ServiceStatus:
    """One service."""

    service: str
    maintenance: Maintenance | None
    """Maintenance of the whole service; null: none."""
    vips: tuple[VipStatus, ...]
    nodes: tuple[NodeStatus, ...]
    ignored: int
    """Number of invalid or unknown entries (S1)."""
    events: tuple[NodeEvent, ...] = ()
    """Latest events of all nodes, oldest first."""
    problems: tuple[NodeProblem, ...] = ()
    """Problems of the service and of all nodes, with what to do about them."""


def summarize(service: str, snapshots: Mapping[Kind, Snapshot], pool: Iterable[str] = ()) -> ServiceStatus:
    """Summarize the three directories of a service.

    Args:
        service: its name.
        snapshots: its directories; missing ones count as empty.
        pool: the configured VIPs, if known.
    """
    keys = snapshots.get(Kind.MAINTENANCE, {})
    members = dict(_members(snapshots.get(Kind.MEMBERS, {})))
    owners = {vip: member.node for vip, member in members.items()}
    states = dict(_states(snapshots.get(Kind.STATES, {})))
    maintenance = {name: Maintenance.load(entry.value) for name, entry in keys.items() if is_node(name)}
    names = {*pool, *owners, *(vip for state in states.values() for vip in state.vips if _is_vip(vip))}
    vips = tuple(_vip(vip, members, states) for vip in sorted(names, key=addresses.order))
    nodes = sorted({*states, *maintenance, *filter(None, owners.values())})
    found = len(owners) + len(states) + len(maintenance) + (WHOLE_SERVICE in keys)
    return ServiceStatus(
        service=service,
        maintenance=Maintenance.load(keys[WHOLE_SERVICE].value) if WHOLE_SERVICE in keys else None,
        vips=vips,
        nodes=tuple(_node(node, states.get(node), maintenance.get(node), owners) for node in nodes),
        ignored=sum(len(snapshot) for snapshot in snapshots.values()) - found,
        events=_events(states),
        problems=(
            *unserved_problems(service, vips, snapshots, states, owners.values()),
            *(
                problem
                for node, state in sorted(states.items())
                for problem in (
                    *node_problems(service, node, state),
                    *duplicate_problems(service, node, state, members),
                )
            ),
        ),
    )


def announced(status: ServiceStatus, node: str | None) -> list[str]:
    """Describe the announcements of a node or of all nodes, or that they are unknown; empty: none.

    Args:
        status: the service.
        node: the node; None: all nodes.
    """
    if node is not None and node not in {known.node for known in status.nodes if _publishes_state(known)}:
        return [f"{node}: publishes no state"]
    return [
        f"{vip.vip}: {by.node}, rank {by.rank} ({by.reason})"
        for vip in status.vips
        for by in (*vip.announced_by, *vip.asked_by)  # ExaBGP may still accept the latter
        if node in (None, by.node)
    ]


def is_node(text: str) -> bool:
    """Return whether a key is a valid node name."""
    try:
        return node_name(text) == text
    except ValueError:
        return False


def _members(members: Snapshot) -> Iterator[tuple[str, Registration]]:
    """Yield each VIP and its registration; an empty one of anonymous owners."""
    for name, entry in members.items():
        if _is_vip(vip := member_vip(name)):
            yield vip, Registration.load(entry.value)


def _states(published: Snapshot) -> Iterator[tuple[str, NodeState]]:
    for name, entry in published.items():
        try:
            yield node_name(name), NodeState.load(entry.value)
        except (Malformed, ValueError):
            continue


def _vip(vip: str, members: Mapping[str, Registration], states: Mapping[str, NodeState]) -> VipStatus:
    found = [
        announcer for node, state in states.items() if (announcer := _announcer(node, state, vip)) is not None
    ]
    found.sort(key=lambda by: (by.rank, by.node))
    return VipStatus(
        vip=vip,
        registered=vip in members,
        owner=members[vip].node or None if vip in members else None,
        announced_by=tuple(by for by in found if by.accepted is not False and by.in_table is not False),
        asked_by=tuple(by for by in found if by.accepted is False or by.in_table is False),
        holder=_unseen_holder(members[vip], states) if vip in members else "",
    )


def _unseen_holder(member: Registration, states: Mapping[str, NodeState]) -> str:
    """Return who holds a registration if no published state is its own; else an empty string."""
    if not member.node:
        return "an agent that publishes no state"
    state = states.get(member.node)
    if state is None:
        return f"{member.node}, which publishes no state"
    if is_same_run(member, state):
        return ""
    return Member(node=member.node, host=member.host).holder(member.node)


def _announcer(node: str, state: NodeState, vip: str) -> Announcer | None:
    """Return what a node has asked its ExaBGP for; None: nothing."""
    seen = state.vips.get(vip)
    rank = None if seen is None else seen.asked if seen.rank is None else seen.rank
    if seen is None or rank is None:
        return None
    announced = seen.rank is not None
    old = state.version < FIRST_VERSION_WITH_FACTS
    return Announcer(
        node,
        rank,
        seen.reason,
        accepted=None if announced and old else announced or seen.accepted,
        in_table=(state.table or None) if announced else False if seen.accepted else None,
        local=False if seen.not_local else state.addresses or None,
        counted=announced and seen.reason != Reason.NO_BGP and state.neighbors != 0,
    )


def _node(
    node: str, state: NodeState | None, maintenance: Maintenance | None, owners: Mapping[str, str]
) -> NodeStatus:
    if state is not None:
        omitted = f"its record is too large for {state.omitted} of its VIPs" if state.omitted else ""
        why = "; ".join(filter(None, [state.detail, omitted]))
        return NodeStatus(node, _word(state), why, state.since, state.neighbors, state.peers)
    registered = node in owners.values()
    details = ["registered, no vipagent"] if registered else []
    details += [maintenance.describe()] if maintenance is not None else []
    return NodeStatus(node, NO_AGENT if registered else ABSENT, "; ".join(details), "", None)


def _word(state: NodeState) -> str:
    """Return the state of a node: its worst trouble, also if it announces the VIP nevertheless."""
    vips = state.vips.values()
    found = {seen.reason for seen in vips} | {fault for seen in vips for fault in faults(seen)}
    trouble = next((str(trouble) for trouble in (*TROUBLES, *Fault) if trouble in found), None)
    waiting = any(seen.asked is not None for seen in vips)
    return trouble or (PENDING if waiting else SERVING)


def _events(states: Mapping[str, NodeState]) -> tuple[NodeEvent, ...]:
    happened = [
        NodeEvent(node=node, **asdict(event)) for node, state in states.items() for event in state.events
    ]
    return tuple(sorted(happened, key=lambda event: event.at))


def _publishes_state(node: NodeStatus) -> bool:
    return node.state not in {NO_AGENT, ABSENT}


def _is_vip(text: str) -> bool:
    try:
        return addresses.vip(text) == text
    except ValueError:
        return False
