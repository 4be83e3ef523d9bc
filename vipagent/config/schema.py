"""Every key of the configuration, with its default, its limits and its documentation.

This is the one place where an option is described: the command line is made from it (`vipagent.cli.options`).
A field is a key of the YAML file; with `Option` it is an option of `vipagent run`, too.
"""

from dataclasses import dataclass
from typing import Annotated, Any, Literal

from pydantic import BaseModel, ConfigDict, Discriminator, Field, Tag

from vipagent.checks.urls import DESCRIBED
from vipagent.config import values as v
from vipagent.core.words import OnStoreLoss, Standby, Takeover
from vipagent.net.tls import Verify
from vipagent.store.layout import DEFAULT_PREFIX


@dataclass(frozen=True, slots=True)
class Option:
    """How a field is given on the command line: `--its-name METAVAR`."""

    metavar: str
    short: str | None = None


LEVELS = Literal["DEBUG", "INFO", "WARNING", "ERROR", "CRITICAL"]
FACILITIES = Literal[
    "auth", "authpriv", "cron", "daemon", "ftp", "kern", "lpr", "mail", "news", "syslog", "user", "uucp",
    "local0", "local1", "local2", "local3", "local4", "local5", "local6", "local7",
]  # fmt: skip


class Section(BaseModel):
    """A mapping of the file. Nothing in it is required here, so that every rule can have its own message."""

    model_config = ConfigDict(extra="forbid", frozen=True)


class FlapHoldSection(Section):
    """`flap_hold:` (H4)."""

    seconds: v.Seconds = Field(
        default=0.0, description="How long the owner has to stay up; 0 turns this off."
    )
    count: v.Times = Field(default=3, description="So many losses of its registration ...")
    window: v.SomeSeconds = Field(default=60.0, description="... within so many seconds.")


class RoleSection(Section):
    """`roles: primary:` or `roles: standby:` (A3)."""

    community: v.Communities = Field(default=(), description="Communities of this role alone.")
    large_community: v.LargeCommunities = Field(
        default=(), description="Large communities of this role alone."
    )
    extended_community: v.ExtendedCommunities = Field(
        default=(), description="Extended communities of this role alone."
    )
    local_preference: v.Number32 | None = Field(
        default=None, description="Local preference, in place of the common one."
    )


class RolesSection(Section):
    """`roles:` (A3)."""

    primary: RoleSection = Field(default=RoleSection(), description="What the owner sends along.")
    standby: RoleSection = Field(default=RoleSection(), description="What all others send along.")


def _shape(value: Any) -> str:
    return "<by node>" if isinstance(value, dict) else "<flat>"


Pool = Annotated[
    Annotated[v.Vips, Tag("<flat>")] | Annotated[dict[v.NodeName, v.Vips], Tag("<by node>")],
    Discriminator(_shape),
]


class ServiceSection(Section):
    """One service: `services: NAME:`, or the options of `vipagent run`."""

    auth_ip: Annotated[v.Vips, Option("IP")] = Field(
        default=(), description="The VIP that this node owns: an address or a prefix. May be several."
    )
    vip: Annotated[Pool, Option("IP")] = Field(
        default=(),
        description="The VIPs of the service, all nodes' (this node's own may be left out): "
        "the same on every node. In a file also a mapping of nodes to VIPs, which auth_ip then follows.",
    )
    takeover: Annotated[Takeover, Option("all|one|ranked")] = Field(
        default=Takeover.ALL,
        description="Who announces a dead node's VIP: all others, exactly one, or all, each at its rank.",
    )
    standby: Annotated[Standby, Option("cold|hot")] = Field(
        default=Standby.COLD,
        description="hot: the others announce a VIP at their rank even while its owner lives, "
        "so that the network knows the way before it is needed.",
    )
    med: Annotated[v.Number32, Option("MED")] = Field(default=100, description="MED of the owner's route.")
    med_step: Annotated[v.Number32, Option("MED")] = Field(
        default=100, description="What each rank adds to the MED."
    )
    prepend: Annotated[v.Count, Option("N")] = Field(
        default=0,
        description="How many times per rank the own AS is put in front of the AS path. Needs local_as; "
        "ignored with iBGP neighbours, for which the path would be a loop.",
    )
    local_as: Annotated[v.ASN | None, Option("ASN")] = Field(
        default=None, description="The own AS number, for prepend."
    )
    next_hop: Annotated[v.NextHops, Option("IP")] = Field(
        default=(),
        description="Next hop of the routes, one per address family; by default ExaBGP's own address (self).",
    )
    community: Annotated[v.Communities, Option("AS:NUMBER")] = Field(
        default=(), description="Community sent along with the routes. May be several."
    )
    large_community: Annotated[v.LargeCommunities, Option("AS:NUMBER:NUMBER")] = Field(
        default=(), description="Large community sent along with the routes. May be several."
    )
    extended_community: Annotated[v.ExtendedCommunities, Option("TYPE:AS:NUMBER")] = Field(
        default=(), description="Extended community sent along with the routes. May be several."
    )
    local_preference: Annotated[v.Number32 | None, Option("N")] = Field(
        default=None, description="Local preference of the routes (iBGP)."
    )
    roles: RolesSection = Field(
        default=RolesSection(),
        description="Communities and local preference of the owner (primary) and of all others (standby), "
        "on top of the common ones.",
    )
    path_id: Annotated[v.Number32 | None, Option("N")] = Field(
        default=None, description="Path identifier (ADD-PATH)."
    )
    neighbor: Annotated[v.Neighbors, Option("IP")] = Field(
        default=(),
        description="BGP neighbour that gets the routes, as in exabgp.conf. May be several; by default all.",
    )
    on_store_loss: Annotated[OnStoreLoss, Option("keep|own|withdraw")] = Field(
        default=OnStoreLoss.KEEP,
        description="When the store's session is lost: keep all routes, only the own VIP's, or withdraw all.",
    )
    start_grace: Annotated[v.Seconds, Option("SECONDS")] = Field(
        default=10.0,
        description="How long a start waits for the store before it announces the own VIP without it.",
    )
    settle: Annotated[v.Seconds | None, Option("SECONDS")] = Field(
        default=None,
        description="How long after a connection to the store nothing is taken over that had an owner "
        "before; by default session_timeout.",
    )
    release_delay: Annotated[v.Seconds, Option("SECONDS")] = Field(
        default=2.0, description="How long a VIP is still announced after its owner is back."
    )
    drain_delay: Annotated[v.Seconds, Option("SECONDS")] = Field(
        default=5.0,
        description="How long a node that goes into maintenance announces on, at lowered preference.",
    )
    require_bgp: Annotated[v.Count, Option("N")] = Field(
        default=1,
        description="Minimum number of established BGP neighbours; with fewer the node counts as unable to "
        "serve, and the others take its VIPs over. 0 turns this off.",
    )
    flap_hold: FlapHoldSection = Field(
        default=FlapHoldSection(),
        description="An owner that lost its registration count times within window seconds has to stay up "
        "for so many seconds before it registers again.",
    )
    command: Annotated[v.Command | None, Option("COMMAND", "-c")] = Field(
        default=None, description="Shell command that checks the service: exit status 0 is good."
    )
    check: Annotated[v.CheckUrl | None, Option("URL")] = Field(
        default=None,
        description=f"Instead of a command, a URL and the result that counts as good: {DESCRIBED}.",
    )
    check_verify: Annotated[Verify, Option("true|false|strict")] = Field(
        default=Verify.YES,
        description="Verification of the certificate of an https:// check, by the system's authorities. "
        "true: authority, dates and the host's name; false: none; strict: as true, and all that RFC 5280 "
        "demands, such as the authority's key usage.",
    )
    interval: Annotated[v.SomeSeconds, Option("SECONDS", "-i")] = Field(
        default=5.0, description="Time between two checks."
    )
    fast_interval: Annotated[v.SomeSeconds, Option("SECONDS", "-f")] = Field(
        default=1.0, description="Time between two checks while the state is about to change."
    )
    timeout: Annotated[v.SomeSeconds, Option("SECONDS", "-t")] = Field(
        default=5.0, description="A check that takes longer has failed."
    )
    rise: Annotated[v.Times, Option("N")] = Field(
        default=3, description="So many good checks in a row: the service is up."
    )
    fall: Annotated[v.Times, Option("N")] = Field(
        default=3, description="So many bad checks in a row: it is down."
    )
    disable: Annotated[v.Text | None, Option("FILE")] = Field(
        default=None, description="As long as this file exists, the service is disabled."
    )
    execute: Annotated[v.Commands, Option("COMMAND")] = Field(
        default=(),
        description="Shell command run when the state changes; $STATE is the new one. May be several.",
    )
    up_execute: Annotated[v.Commands, Option("COMMAND")] = Field(
        default=(), description="Shell command run when the service comes up. May be several."
    )
    down_execute: Annotated[v.Commands, Option("COMMAND")] = Field(
        default=(), description="Shell command run when the service goes down. May be several."
    )
    disabled_execute: Annotated[v.Commands, Option("COMMAND")] = Field(
        default=(), description="Shell command run when the service gets disabled. May be several."
    )
    ip_setup: Annotated[bool, Option("")] = Field(
        default=False,
        description="Put the VIPs on the loopback interface, which takes CAP_NET_ADMIN; one that cannot be "
        "put there is not announced.",
    )


class AgentSection(Section):
    """The top of the file: what all services share."""

    node: Annotated[v.NodeName | None, Option("NODE")] = Field(
        default=None, description="This node's name, unique among the nodes; by default the host's name."
    )
    backend: Annotated[v.Name, Option("NAME")] = Field(
        default="file", description="The kind of store: see `vipagent backends`."
    )
    hosts: Annotated[v.Hosts, Option("HOST:PORT,...")] = Field(
        default=(),
        description="Where the store is; for `file` a directory. By default the backend's own default.",
    )
    prefix: Annotated[v.Prefix, Option("PATH")] = Field(
        default=DEFAULT_PREFIX, description="The path in the store that everything lies below."
    )
    session_timeout: Annotated[v.SomeSeconds, Option("SECONDS")] = Field(
        default=6.0, description="After so long without a sign of life the store takes a node for dead."
    )
    store: dict[str, Any] = Field(
        default={}, description="Options of this backend alone (credentials, TLS, ...)."
    )
    log_level: Annotated[LEVELS, v.Upper, Option("LEVEL")] = Field(
        default="INFO", description="DEBUG, INFO, WARNING, ERROR or CRITICAL."
    )
    log_format: Annotated[Literal["text", "json"], Option("text|json")] = Field(
        default="text", description="How the log on stderr looks."
    )
    syslog_facility: Annotated[FACILITIES | None, Option("FACILITY")] = Field(
        default=None, description="Log to syslog, too: daemon, local0, ..."
    )
    watchdog: Annotated[v.Seconds, Option("SECONDS")] = Field(
        default=10.0,
        description="An agent that hangs for so long is ended, for ExaBGP to start it anew; 0: never.",
    )
    listen: Annotated[v.Listen | None, Option("[HOST:]PORT")] = Field(
        default=None,
        description="Serve a status page, /metrics, /healthz and /status.json by HTTP, read-only; without "
        "HOST on 127.0.0.1 alone. Needs the extra listen.",
    )
    services: dict[str, Any] = Field(default={}, description="The services, by name.")
