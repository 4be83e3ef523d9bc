"""The ways in which README's quick start can be misconfigured, and what an operator sees of each."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from tests.markdown import code, table
from tests.servers.bird import ASN
from vipagent.telemetry.problems import ADVICE, Fault
from vipagent.types import Reason

OWN, SECOND, OWN_IPV6 = "10.20.255.1", "10.20.255.2", "2001:db8:20:255::1"
CAPABILITY_SETS = ("bounding-set", "inh-caps")
FOREIGN_CHECK = "FOREIGN_CHECK"
"""Stands for the path of a check that only another user may run."""
CHECK_FILE = "run vipagent check-config FILE as ExaBGP's user (exabgp_daemon_user, default nobody)"


def without(*capabilities: str) -> Sequence[str]:
    """Return the command prefix that takes capabilities away, as ExaBGP's default user has none."""
    listed = ",".join(f"-{name}" for name in capabilities)
    return ["setpriv", *(f"--{set_}={listed}" for set_ in CAPABILITY_SETS)]


@dataclass(frozen=True)
class Misconfiguration:
    """One misconfiguration."""

    name: str
    title: str
    problem: str = ""
    """Word of the problem in `/healthz`, the metrics and the status; empty if it is none."""
    says: str = ""
    """Part of the description of the problem that names this cause; empty if the problem does."""
    alert: str = ""
    """Alert of conf/alerts.yml; empty if none fires."""
    log: str = ""
    """What the log says instead, if there is no agent that could show the problem."""
    settings: Mapping[str, Any] = field(default_factory=dict)
    """Settings of ExaBGP."""
    service: Mapping[str, object] = field(default_factory=dict)
    """Options of the service."""
    agent: Mapping[str, object] = field(default_factory=dict)
    """Options of the agent."""
    local: bool = True
    """Whether the VIPs are addresses of the node."""
    unreadable: bool = False
    """Whether the agent's file belongs to another user, who alone may read it."""
    copied: bool = False
    """Whether both load balancers have the same node name, VIP and store: the one that yields shows the
    problem, but the record of the other one replaces its record in the store."""
    second_vip: str = ""
    """VIP of the second load balancer if both have the same node name and store; else empty. Each of them
    shows the problem."""
    registered: bool = False
    """Whether the node registers nevertheless, because its routes are on the switch."""

    @property
    def harmless(self) -> bool:
        """Whether the agent works nevertheless."""
        return not self.alert


MISCONFIGURATIONS = (
    Misconfiguration(
        "peer-as",
        "`peer-as` in exabgp.conf is not the AS number of the switch",
        Fault.NEIGHBOR_DOWN,
        alert="NoBgpNeighbor",
        settings={"peer_as": ASN + 500},
    ),
    Misconfiguration(
        "local-as",
        "`local_as` of the service, for `prepend`, is not `local-as` in exabgp.conf",
        Fault.WRONG_LOCAL_AS,
        alert="WrongLocalAs",
        service={"local_as": ASN + 700, "prepend": 1},
        registered=True,
    ),
    Misconfiguration(
        "no-address",
        "the VIP is an address of no interface, without `ip_setup`",
        Reason.NO_ADDRESS,
        alert="VipWithoutAddress",
        local=False,
        registered=True,
    ),
    Misconfiguration(
        "user-cannot-add",
        "the VIP is an address of no interface, and ExaBGP's user cannot add it (`ip_setup`)",
        Reason.NO_ADDRESS,
        alert="VipWithoutAddress",
        settings={"command_prefix": without("net_admin")},
        service={"ip_setup": True},
        local=False,
    ),
    Misconfiguration(
        "user-cannot-check",
        "ExaBGP's user cannot run the check",
        Reason.CHECK_DOWN,
        alert="CheckDown",
        settings={"command_prefix": without("dac_override", "dac_read_search")},
        service={"command": FOREIGN_CHECK},
    ),
    Misconfiguration(
        "user-cannot-read",
        "ExaBGP's user cannot read the agent's file",
        alert="AgentMissing",
        log="Permission denied",
        settings={"command_prefix": without("dac_override", "dac_read_search")},
        unreadable=True,
    ),
    Misconfiguration(
        "no-family",
        "an IPv6 VIP, but no `ipv6 unicast` in exabgp.conf or on the switch",
        Reason.NO_FAMILY,
        alert="RouteNotAnnounced",
        settings={"families": ("ipv4 unicast",)},
        service={"auth_ip": [OWN, OWN_IPV6], "next_hop": [OWN_IPV6]},
    ),
    Misconfiguration(
        "next-hop-self",
        "an IPv6 VIP on an IPv4 session, but no IPv6 address in `next_hop`",
        Reason.REFUSED,
        "no IPv6 address that `next-hop self` could be",
        alert="RouteNotAnnounced",
        service={"auth_ip": [OWN, OWN_IPV6]},
    ),
    Misconfiguration(
        "other-neighbor",
        "`neighbor` of the service names an address that is no neighbour in exabgp.conf",
        Reason.REFUSED,
        "neighbor of the service names 192.0.2.99, which ExaBGP does not have; its neighbours are",
        alert="RouteNotAnnounced",
        service={"neighbor": ["192.0.2.99"]},
    ),
    Misconfiguration(
        "no-api-block",
        "no `api` block in exabgp.conf names the agent's process",
        Reason.REFUSED,
        "no api block of a neighbour in exabgp.conf names this process",
        alert="RouteNotAnnounced",
        settings={"api": ["other"]},
    ),
    Misconfiguration(
        "no-state-directory",
        "the state directory does not exist, or ExaBGP's user cannot write to it",
        Fault.NO_STATE_DIRECTORY,
        alert="RoutesNotRecorded",
        settings={"environment": {"STATE_DIRECTORY": "/proc"}},
        registered=True,
    ),
    Misconfiguration(
        "same-node",
        "two nodes have the same `node` and `auth_ip`, because a file was copied",
        Reason.CONFLICT,
        alert="VipConflict",
        copied=True,
    ),
    Misconfiguration(
        "same-name",
        "two nodes have the same `node`, but each its own `auth_ip`",
        Fault.DUPLICATE_NODE,
        alert="DuplicateNode",
        agent={"session_timeout": 0.5},
        service={"vip": [OWN, SECOND]},
        second_vip=SECOND,
    ),
    Misconfiguration(
        "no-store",
        "no server of `hosts` answers",
        Reason.STORE_UNKNOWN,
        alert="StoreAway",
        agent={"backend": "zookeeper", "hosts": ["127.0.0.1:1"]},
    ),
    Misconfiguration(
        "no-neighbor-changes",
        "no `neighbor-changes` in exabgp.conf",
        settings={"events": False},
        registered=True,
    ),
    Misconfiguration(
        "text-encoder",
        "`encoder text` in exabgp.conf",
        settings={"encoder": "text"},
        registered=True,
    ),
)


def _seen(one: Misconfiguration) -> str:
    if one.log:
        return f"none; the log says {code(one.log)}"
    if one.copied:
        return f"{code(one.problem)}, only on the one that yields: see below"
    if one.second_vip:
        return f"{code(one.problem)}; on hosts of the same name later: see below"
    if one.says:
        return f"{code(one.problem)}: “{one.says}”"
    return code(one.problem) if one.problem else "none: it works"


def documented() -> str:
    """Return the table of the documentation."""
    rows = [
        [
            one.title,
            _seen(one),
            code(one.alert),
            ADVICE[one.problem].do if one.problem else CHECK_FILE if one.log else "",
        ]
        for one in MISCONFIGURATIONS
    ]
    return table(["misconfiguration", "problem", "alert", "what to do"], rows)
