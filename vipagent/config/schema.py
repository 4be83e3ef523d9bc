"""The sections of a configuration: the options of all parts together, and from them the parts' settings.

An option is stated where it is used: in the settings of the core, the checks, the routes, the store, the
agent. Only what becomes something else (who owns which VIP, where the store is) is stated here.
"""

import secrets
from dataclasses import dataclass, field, fields
from typing import Annotated, Any, TypeVar

from pydantic import Discriminator, Tag

from vipagent.checks.settings import CheckSettings, HookSettings
from vipagent.config import addresses
from vipagent.config import values as v
from vipagent.config.settings import (
    AddressOptions,
    AgentConfig,
    LogSettings,
    ProcessOptions,
    ServiceConfig,
)
from vipagent.config.values import Section
from vipagent.core.settings import CoreOptions, HealthOptions, ServiceSettings
from vipagent.exabgp.route import RouteSettings
from vipagent.store.backend import StoreOptions, StoreSettings

INSTANCE = secrets.token_hex(8)
"""This run of the agent, however often it reads its configuration."""
Owners = tuple[tuple[str, ...], ...]
P = TypeVar("P", bound=Section)


def _shape(value: Any) -> str:
    return "<by node>" if isinstance(value, dict) else "<flat>"


Pool = Annotated[
    Annotated[v.Vips, Tag("<flat>")] | Annotated[dict[v.NodeName, v.Vips], Tag("<by node>")],
    Discriminator(_shape),
    v.Unit("IP"),
]


@dataclass(frozen=True, kw_only=True)
class PoolOptions(Section):
    """Whose VIPs are whose."""

    auth_ip: Annotated[v.Vips, "VIP that this node owns: an address or a prefix. May be several."] = ()
    vip: Annotated[
        Pool,
        "VIP of the service; all nodes' (this node's own may be left out), the same on every node. May "
        "be several. In a file also a mapping of nodes to VIPs, which auth_ip then follows.",
    ] = ()

    def owned(self, node: str) -> tuple[str, ...]:
        """Return the VIPs that the node owns."""
        if self.auth_ip or not isinstance(self.vip, dict):
            return self.auth_ip
        return self.vip.get(node, ())

    def owners(self) -> Owners:
        """Return the pool by owner, the same and in the same order on every node (A2).

        By node where the file says who owns what; else each VIP has its own owner.
        """
        if isinstance(self.vip, dict):
            return tuple(sorted(filter(None, self.vip.values()), key=lambda vips: addresses.order(vips[0])))
        return tuple((vip,) for vip in sorted({*self.vip, *self.auth_ip}, key=addresses.order))

    def pool(self) -> tuple[str, ...]:
        """Return every VIP that the service names."""
        return tuple(vip for seat in self.owners() for vip in seat)


@dataclass(frozen=True, kw_only=True)
class AgentOptions(Section):
    """Who the agent is, and which kind of store it has."""

    node: Annotated[
        v.NodeName | None,
        "This node's name, unique among the nodes; by default the host's name.",
    ] = None
    backend: Annotated[v.Name, "Kind of store: see `vipagent backends`."] = "file"


# The bases' order is that of `--help` and of all tables, from the last one to the first.
@dataclass(frozen=True, kw_only=True)
class ServiceSection(
    AddressOptions, RouteSettings, HookSettings, HealthOptions, CheckSettings, CoreOptions, PoolOptions
):
    """One service: `services: NAME:`, or the options of `vipagent run`.

    Nothing in it is required here, so that every rule can have its own message.
    """

    def configured(self, name: str, agent: "AgentSection", node: str) -> ServiceConfig:
        """Return the plain settings of this service."""
        core = ServiceSettings(
            **vars(part(CoreOptions, self))
            | vars(part(HealthOptions, self))
            | {
                "name": name,
                "node": node,
                "owned": self.owned(node),
                "owners": self.owners(),
                "settle": agent.session_timeout if self.settle is None else self.settle,
            }
        )
        return ServiceConfig(
            core,
            part(RouteSettings, self),
            part(CheckSettings, self),
            part(HookSettings, self),
            **vars(part(AddressOptions, self)),
        )


@dataclass(frozen=True, kw_only=True)
class AgentSection(ProcessOptions, LogSettings, StoreOptions, AgentOptions):
    """The top of the file: what all services share."""

    store: Annotated[dict[str, Any], "Options of this backend alone (credentials, TLS, ...)."] = field(
        default_factory=dict
    )
    services: Annotated[dict[str, Any], "The services, by name."] = field(default_factory=dict)

    def reaching(self, node: str) -> StoreSettings:
        """Return how to reach the store."""
        options = vars(part(StoreOptions, self))
        return StoreSettings(node=node, instance=INSTANCE, options=self.store, **options)

    def configured(self, services: tuple[ServiceConfig, ...], node: str) -> AgentConfig:
        """Return the plain settings of the agent."""
        return AgentConfig(
            self.backend,
            self.reaching(node),
            services,
            part(LogSettings, self),
            **vars(part(ProcessOptions, self)),
        )


def part(kind: type[P], section: P) -> P:
    """Return those options of a section that one part of the agent uses."""
    return kind(**{option.name: getattr(section, option.name) for option in fields(kind)})  # type: ignore[arg-type]
