"""A whole configuration as the agent takes it: plain data, already validated."""

from dataclasses import dataclass, field

from vipagent.checks.settings import CheckSettings, HookSettings
from vipagent.core.settings import ServiceSettings
from vipagent.exabgp.route import RouteSettings
from vipagent.store.backend import StoreSettings


@dataclass(frozen=True, slots=True)
class LogSettings:
    """What is logged, and how."""

    level: str = "INFO"
    format: str = "text"
    """`text` or `json`."""
    syslog_facility: str | None = None
    """None: not to syslog."""


@dataclass(frozen=True, slots=True)
class ListenSettings:
    """Where the agent listens for HTTP."""

    host: str
    """An IP address."""
    port: int


@dataclass(frozen=True, slots=True)
class ServiceConfig:
    """One service: what the core decides by, how its routes look, how it is checked."""

    core: ServiceSettings
    routes: RouteSettings = field(default_factory=RouteSettings)
    check: CheckSettings = field(default_factory=CheckSettings)
    hooks: HookSettings = field(default_factory=HookSettings)
    ip_setup: bool = False
    """Put the VIPs on the loopback interface."""

    @property
    def name(self) -> str:
        """The service's name."""
        return self.core.name


@dataclass(frozen=True, slots=True)
class AgentConfig:
    """All that one agent is told."""

    backend: str
    store: StoreSettings
    services: tuple[ServiceConfig, ...]
    log: LogSettings = field(default_factory=LogSettings)
    listen: ListenSettings | None = None
    """None: nowhere."""
    watchdog: float = 10.0
    """Seconds without a turn of the loop after which the agent is ended (E7); 0: never."""
