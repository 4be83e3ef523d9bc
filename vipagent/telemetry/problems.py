"""Problems of a node, each with what to do about it, from its record in the store or from its own agent."""

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from enum import StrEnum
from typing import NamedTuple

from vipagent.store.records import NodeState, VipState
from vipagent.types import Neighbor, Reason, SessionState


class Fault(StrEnum):
    """Problems that are not the reason of a VIP: it is announced, or they are not about a VIP."""

    NOT_IN_TABLE = "not-in-table"
    NEIGHBOR_DOWN = "neighbor-down"
    NO_CARRIER = "no-carrier"
    EXABGP_HUNG = "exabgp-hung"
    WRONG_LOCAL_AS = "wrong-local-as"
    CONFIG_REFUSED = "config-refused"
    DUPLICATE_NODE = "duplicate-node"
    UNSERVED = "unserved"
    NO_STATE_DIRECTORY = "no-state-directory"
    UNREADABLE_RECORD = "unreadable-record"


class Advice(NamedTuple):
    """What a problem is, and what to do about it."""

    what: str
    do: str


@dataclass(frozen=True, slots=True)
class NodeProblem:
    """One problem of a node; the documented JSON of `problems`."""

    reason: str
    """A `Reason` or a `Fault`."""
    what: str
    do: str
    node: str | None
    """Null: about no single node."""
    service: str | None = None
    """Null: all services."""
    vip: str | None = None
    """The VIP, the first one of several; null: not about a VIP."""
    neighbor: str | None = None


ADVICE: Mapping[str, Advice] = {
    Reason.CONFLICT: Advice(
        "another live agent is registered for a VIP of this node",
        "give each node its own auth_ip and node name, and stop the agent that should not run",
    ),
    Reason.CHECK_DOWN: Advice(
        "the check has failed",
        "repair the service, or run the check manually as ExaBGP's user to see why it fails",
    ),
    Reason.NO_ADDRESS: Advice(
        "a VIP is an address of no interface of this node, so its packets would be lost",
        "add it (ip address add VIP dev lo), or enable ip_setup as a user that may do so (CAP_NET_ADMIN); "
        "if the node forwards its packets: address_check: false",
    ),
    Reason.NO_BGP: Advice(
        "too few BGP neighbours are established",
        "see ExaBGP's log; check the neighbours' addresses, peer-as and local-as, the password and the link",
    ),
    Reason.BGP_UNKNOWN: Advice(
        "ExaBGP has not reported its BGP neighbours",
        "check ExaBGP's version, and that the api block of each neighbour in exabgp.conf names this process",
    ),
    Reason.NO_FAMILY: Advice(
        "no established neighbour has negotiated the address family of a VIP, so it is not announced",
        "add the family (ipv4 unicast, ipv6 unicast) to the neighbour in exabgp.conf and on the switch",
    ),
    Reason.FLAP_HOLD: Advice(
        "the node does not serve, because its service has flapped",
        "find out why the service kept failing (vipagent status --events); the hold ends by itself",
    ),
    Reason.REFUSED: Advice(
        "ExaBGP has not accepted the route of a VIP",
        "correct neighbor, next_hop or the attributes of the service, or the api block of the neighbour in "
        "exabgp.conf, which must name this process (processes); ExaBGP's log says what it rejects",
    ),
    Reason.STORE_LOST: Advice(
        "the session with the store is lost",
        "check the store's servers and the network to them: vipagent backends --check",
    ),
    Reason.STORE_UNKNOWN: Advice(
        "the store has not been reached, or not been read, since the start",
        "check hosts, credentials, permissions and the store's servers: vipagent backends --check",
    ),
    Fault.NOT_IN_TABLE: Advice(
        "ExaBGP has accepted the route of a VIP, but announces it to no neighbour",
        "compare exabgp cli show adj-rib out extensive with the families and addresses in exabgp.conf",
    ),
    Fault.NEIGHBOR_DOWN: Advice(
        "a BGP neighbour is not established",
        "see ExaBGP's log and the switch; check address, peer-as, local-as, password and the link",
    ),
    Fault.NO_CARRIER: Advice(
        "the interface towards a BGP neighbour is down or has no carrier",
        "check the cable, the port of the switch, and ip link",
    ),
    Fault.EXABGP_HUNG: Advice(
        "ExaBGP does not answer",
        "see ExaBGP's log and its CPU use, and restart it if it stays hung",
    ),
    Fault.WRONG_LOCAL_AS: Advice(
        "local_as differs from the AS number that ExaBGP uses",
        "set local_as of the service to the local-as in exabgp.conf",
    ),
    Fault.CONFIG_REFUSED: Advice(
        "the last reload failed, so the agent keeps an old configuration",
        "run vipagent check-config FILE, correct all errors, and reload, or restart if the log says so",
    ),
    Fault.DUPLICATE_NODE: Advice(
        "two live agents have the same node name, so only one of them shows its state",
        "give each node its own name (node), or stop the agent that should not run",
    ),
    Fault.UNSERVED: Advice(
        "no node announces a VIP to a BGP neighbour",
        "start the agents of the service; the status shows why each node that has one does not serve; a node "
        "that it lacks may not reach this store",
    ),
    Fault.NO_STATE_DIRECTORY: Advice(
        "the agent cannot record its routes, so one whose VIP leaves the configuration while the agent does "
        "not run stays in ExaBGP",
        "create the state directory for ExaBGP's user (install -d -o nobody /var/lib/vipagent), or use "
        "another one: state_directory, or StateDirectory in ExaBGP's systemd unit",
    ),
    Fault.UNREADABLE_RECORD: Advice(
        "the record of earlier routes was not usable at the start, so routes of VIPs that have left the "
        "configuration may be in ExaBGP",
        "compare exabgp cli show adj-rib out extensive with the configuration; to withdraw a route, add its "
        "VIP to the file and remove it again, each with a reload; then restart the agent",
    ),
}
"""By reason: each reason that is a fault, `flap-hold`, and each `Fault`."""

OF_NODE = {Reason.BGP_UNKNOWN, Reason.STORE_LOST, Reason.STORE_UNKNOWN}
"""Reasons that are about all services of a node."""
OF_SERVICE = OF_NODE | {Reason.CHECK_DOWN, Reason.NO_BGP}
"""Reasons that are not about single VIPs."""
OF_PROCESS = (Fault.CONFIG_REFUSED, Fault.NO_STATE_DIRECTORY, Fault.UNREADABLE_RECORD)
"""Faults of the agent's process, which its record lists."""
FAULT_BY_SESSION: Mapping[str, Fault | None] = {
    SessionState.ESTABLISHED: None,
    SessionState.UNKNOWN: None,
    SessionState.NO_CARRIER: Fault.NO_CARRIER,
    SessionState.HUNG: Fault.EXABGP_HUNG,
}
"""Problem of a neighbour in this state; all other states are `Fault.NEIGHBOR_DOWN`."""


def problem(
    reason: str,
    node: str | None,
    service: str | None = None,
    *,
    vip: str | None = None,
    neighbor: str | None = None,
    detail: str = "",
) -> NodeProblem:
    """Return a problem with the advice about it."""
    what, do = ADVICE[reason]
    return NodeProblem(str(reason), f"{what}: {detail}" if detail else what, do, node, service, vip, neighbor)


def node_problems(service: str, node: str, state: NodeState) -> Iterator[NodeProblem]:
    """Yield the problems of a node, as far as its record shows them; likely causes of others come first."""
    found = (
        *process_problems(node, state.faults),
        *service_problems(service, node, state),
        *neighbor_problems(node, state.peers),
    )
    yield from causes_first(found)


def causes_first(problems: Iterable[NodeProblem]) -> list[NodeProblem]:
    """Return the problems, first those of the interfaces: the store may be reached by the same one."""
    return sorted(problems, key=lambda found: found.reason != Fault.NO_CARRIER)


def process_problems(node: str, faults: Mapping[str, str]) -> Iterator[NodeProblem]:
    """Yield the problems of a node's process.

    Args:
        node: its name.
        faults: the details by fault; other words, of a newer agent, are ignored.
    """
    for fault in OF_PROCESS:
        if fault in faults:
            yield problem(fault, node, detail=faults[fault])


def service_problems(service: str, node: str, state: NodeState) -> Iterator[NodeProblem]:
    """Yield the problems of a service on a node: one per reason, however many VIPs it applies to.

    Too few neighbours are no problem of their own if the problems of single neighbours explain them.
    """
    found: dict[str, list[str]] = {}
    for vip, seen in state.vips.items():
        for reason in faults(seen):
            found.setdefault(reason, []).append(vip)
    if Reason.NO_BGP not in state.explanations and any(map(fault_of, state.peers)):
        found.pop(Reason.NO_BGP, None)
    for reason in ADVICE:
        if vips := found.get(reason):
            about = () if reason in OF_SERVICE else vips
            detail = ": ".join(filter(None, [first_of(about), state.explanations.get(reason)]))
            where = None if reason in OF_NODE else service
            yield problem(reason, node, where, vip=next(iter(about), None), detail=detail)
    if state.local_as is not None:
        used = sorted({peer.local_as for peer in state.peers if peer.local_as is not None} - {state.local_as})
        detail = f"{state.local_as}, not {', '.join(map(str, used))}"
        yield problem(Fault.WRONG_LOCAL_AS, node, service, detail=detail)


def faults(seen: VipState) -> Iterator[str]:
    """Yield the faults of one VIP; the lack of its family also explains why the table lacks its route."""
    if seen.reason in ADVICE:
        yield seen.reason
    if seen.asked is not None and seen.accepted and seen.reason != Reason.NO_FAMILY:
        yield Fault.NOT_IN_TABLE


def neighbor_problems(node: str, neighbors: Iterable[Neighbor]) -> Iterator[NodeProblem]:
    """Yield the problems of a node's neighbours: one per neighbour, but a hung ExaBGP only once."""
    hung = False
    for neighbor in neighbors:
        fault = fault_of(neighbor)
        if fault is Fault.EXABGP_HUNG:
            if not hung:
                yield problem(fault, node)
            hung = True
        elif fault is not None:
            yield problem(fault, node, neighbor=neighbor.address, detail=_describe(neighbor))


def fault_of(neighbor: Neighbor) -> Fault | None:
    """Return the problem of a neighbour; None if there is none."""
    return FAULT_BY_SESSION.get(neighbor.state, Fault.NEIGHBOR_DOWN)


def _describe(neighbor: Neighbor) -> str:
    asn = f" (AS {neighbor.peer_as})" if neighbor.peer_as is not None else ""
    interface = f" via {neighbor.interface}" if neighbor.interface else ""
    return f"{neighbor.address}{asn}{interface}"


def first_of(vips: Iterable[str]) -> str:
    """Return the first VIP, and how many more there are."""
    first, *others = [*vips] or [""]
    return f"{first} and {len(others)} more" if others else first
