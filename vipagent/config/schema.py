"""Schema of the configuration: combines the options of all components into sections.

An option is defined in the settings of the component that uses it (core, checks, routes, store, agent). This
module defines only the options that are converted first (VIP ownership, the store's options).
"""

import secrets
import socket
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
from vipagent.core.settings import CoreOptions, HealthOptions, Owners, ServiceSettings
from vipagent.exabgp.route import RouteSettings
from vipagent.store.backend import StoreOptions, StoreSettings

INSTANCE = secrets.token_hex(8)
"""Identifier of this run of the agent; a reload does not change it."""
HOST = socket.gethostname()
"""Name of this host."""
SectionT = TypeVar("SectionT", bound=Section)


def _pool_tag(value: Any) -> str:
    return "<by node>" if isinstance(value, dict) else "<flat>"


Pool = Annotated[
    Annotated[v.Vips, Tag("<flat>")] | Annotated[dict[v.NodeName, v.Vips], Tag("<by node>")],
    Discriminator(_pool_tag),
    v.Metavar("IP"),
]


@dataclass(frozen=True, kw_only=True)
class PoolOptions(Section):
    """The service's VIPs and their owners."""

    auth_ip: Annotated[v.Vips, "VIP owned by this node: an address or a prefix. Repeatable."] = ()
    vip: Annotated[
        Pool,
        "VIP of the service, identical on every node; VIPs in auth_ip can be omitted. Repeatable. In a "
        "file also a mapping of nodes to VIPs, which replaces auth_ip.",
    ] = ()

    def owned(self, node: str) -> tuple[str, ...]:
        """Return the VIPs owned by the node."""
        if self.auth_ip or not isinstance(self.vip, dict):
            return self.auth_ip
        return self.vip.get(node, ())

    def owners(self) -> Owners:
        """Return the pool grouped by owner, in the same order on every node (A2).

        Without a mapping of nodes to VIPs in the file, each VIP forms a separate group.
        """
        if isinstance(self.vip, dict):
            return tuple(sorted(filter(None, self.vip.values()), key=lambda vips: addresses.order(vips[0])))
        return tuple((vip,) for vip in sorted({*self.vip, *self.auth_ip}, key=addresses.order))

    def pool(self) -> tuple[str, ...]:
        """Return all VIPs of the service."""
        return tuple(vip for vips in self.owners() for vip in vips)


@dataclass(frozen=True, kw_only=True)
class AgentOptions(Section):
    """Identity of the agent and type of its store."""

    node: Annotated[
        v.NodeName | None,
        "Name of this node, unique among the nodes (default: the host's name).",
    ] = None
    backend: Annotated[v.Name, "Type of store; `vipagent backends` lists the installed ones."] = "file"


# `--help` and all tables list the options of the last base first.
@dataclass(frozen=True, kw_only=True)
class ServiceSection(
    AddressOptions, RouteSettings, HookSettings, HealthOptions, CheckSettings, CoreOptions, PoolOptions
):
    """One service: `services: NAME:`, or the options of `vipagent run`.

    No field is required: the rules in `vipagent.config.validation` report missing ones.
    """

    def to_service_config(self, name: str, agent: "AgentSection", node: str) -> ServiceConfig:
        """Return the settings of this service."""
        core = ServiceSettings(
            **vars(subset(CoreOptions, self))
            | vars(subset(HealthOptions, self))
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
            subset(RouteSettings, self),
            subset(CheckSettings, self),
            subset(HookSettings, self),
            **vars(subset(AddressOptions, self)),
        )


@dataclass(frozen=True, kw_only=True)
class AgentSection(ProcessOptions, LogSettings, StoreOptions, AgentOptions):
    """The top level of the file: options shared by all services."""

    store: Annotated[dict[str, Any], "Backend-specific options (credentials, TLS, ...)."] = field(
        default_factory=dict
    )
    services: Annotated[dict[str, Any], "The services, by name."] = field(default_factory=dict)

    def store_settings(self, node: str) -> StoreSettings:
        """Return the settings of the store's session."""
        options = vars(subset(StoreOptions, self))
        return StoreSettings(node=node, instance=INSTANCE, options=self.store, host=HOST, **options)

    def to_agent_config(self, services: tuple[ServiceConfig, ...], node: str) -> AgentConfig:
        """Return the settings of the agent."""
        return AgentConfig(
            self.backend,
            self.store_settings(node),
            services,
            subset(LogSettings, self),
            **vars(subset(ProcessOptions, self)),
        )


def subset(kind: type[SectionT], section: SectionT) -> SectionT:
    """Return the options of a section that belong to one of its base classes."""
    return kind(**{option.name: getattr(section, option.name) for option in fields(kind)})  # type: ignore[arg-type]
